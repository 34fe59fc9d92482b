/* SPDX-License-Identifier: Apache-2.0
 *
 * Metadata strings to and from a JSON object of strings: "__metadata__" of safetensors,
 * "metadata.json" of npz.
 */
#include "parts.h"

gla_status gla_meta_from_json(gla_tensor_file *file, const json_t *object, const char *where, gla_error *err) {
    if (!json_is_object(object)) return gla_fail(err, GLA_BAD_FILE, "%s: the metadata are not a JSON object", where);
    const char *key;
    json_t *value;
    gla_shown_room shown;
    json_object_foreach((json_t *)object, key, value) {
        if (!json_is_string(value))
            return gla_fail(err, GLA_BAD_FILE, "%s: metadata '%s' is not a string", where, gla_shown(shown, key));
        gla_status status = gla_meta_append(file, key, json_string_value(value), err);
        if (status) return status;
    }
    return GLA_OK;
}

json_t *gla_meta_to_json(const gla_tensor_file *file) {
    json_t *object = json_object();
    for (size_t i = 0; i < file->metas; i++) {
        if (json_object_set_new(object, file->meta_key[i], json_string(file->meta_value[i]))) {
            json_decref(object);
            return NULL;
        }
    }
    return object;
}
