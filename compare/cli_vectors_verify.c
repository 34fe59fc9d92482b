/* SPDX-License-Identifier: Apache-2.0
 *
 * Is a vector set what its manifest says (cli_vectors.h)? Nothing in the manifest is believed: names stay inside the
 * folder, every file is there with its size and sha256, holds what is promised, and there are no others.
 */
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "cli_vectors.h"

/* What is being looked at, for messages. */
typedef struct place {
    const char *folder;
    const json_t *manifest;
} place;

static gla_status bad(gla_error *err, const place *at, const char *what, const char *which) {
    return gla_fail(err, GLA_BAD_FILE, "%.150s/" CLI_VECTORS_MANIFEST ": %s%s%.80s", at->folder, what, which ? " " : "",
                    which ? which : "");
}

static gla_status load_manifest(const char *folder, json_t **manifest, gla_error *err) {
    char path[4096];
    json_error_t why;
    snprintf(path, sizeof path, "%s/" CLI_VECTORS_MANIFEST, folder);
    if (access(path, R_OK) != 0) return gla_fail(err, GLA_IO_ERROR, "%.200s: %s", path, strerror(errno));
    *manifest = json_load_file(path, JSON_REJECT_DUPLICATES, &why);
    if (*manifest) return GLA_OK;
    for (char *c = why.text; *c; c++)
        if ((unsigned char)*c < ' ') *c = '?';
    return gla_fail(err, GLA_BAD_FILE, "%.200s: line %d: %.100s", path, why.line > 0 ? why.line : 0, why.text);
}

/* One tensor of a vector: of this dtype, and of the output's shape. */
static gla_status check_tensor(const gla_tensor_file *file, const char *leaf, const char *output, const char *suffix,
                               gla_dtype dtype, gla_error *err) {
    char label[120];
    snprintf(label, sizeof label, "%.40s%s", output, suffix);
    const gla_named_tensor *x = gla_tensors_find(file, label), *of = gla_tensors_find(file, output);
    if (x && of && x->dtype == dtype && x->rank == of->rank &&
        memcmp(x->shape, of->shape, (size_t)x->rank * sizeof *x->shape) == 0)
        return GLA_OK;
    return gla_fail(err, GLA_BAD_FILE, "%.100s: tensor %s is %s", leaf, label,
                    x ? "not of the type and shape that a vector set has" : "missing");
}

static gla_status check_contents(const char *path, const char *leaf, const json_t *outputs, gla_error *err) {
    gla_tensor_file file;
    gla_status status = gla_tensors_read(path, &file, err);
    size_t i;
    const json_t *output;
    json_array_foreach((json_t *)outputs, i, output) {
        const char *name = json_string_value(output);
        if (status == GLA_OK && !name)
            status = gla_fail(err, GLA_BAD_FILE, "%.100s: an output in the manifest is not a string", leaf);
        if (status == GLA_OK) status = check_tensor(&file, leaf, name, "", GLA_F64, err);
        if (status == GLA_OK) status = check_tensor(&file, leaf, name, ".low", GLA_F64, err);
        for (int p = 0; cli_vector_profiles[p] && status == GLA_OK; p++) {
            char suffix[64];
            snprintf(suffix, sizeof suffix, ".budget.%s", cli_vector_profiles[p]);
            status = check_tensor(&file, leaf, name, suffix, GLA_F32, err);
        }
    }
    gla_tensors_free(&file);
    return status;
}

/* Every flag of a vector has a note. */
static gla_status check_flags(const place *at, const json_t *entry, const char *leaf, gla_error *err) {
    size_t i;
    const json_t *flag, *flags = json_object_get(entry, "flags"), *notes = json_object_get(at->manifest, "notes");
    if (json_array_size(flags) == 0) return bad(err, at, "no flags for", leaf);
    json_array_foreach((json_t *)flags, i, flag) {
        const char *name = json_string_value(flag);
        if (!name || !json_is_string(json_object_get(notes, name)))
            return bad(err, at, "a flag without a note:", name ? name : leaf);
    }
    return GLA_OK;
}

static gla_status check_entry(const place *at, const json_t *entry, int64_t *bytes, gla_error *err) {
    const char *leaf = json_string_value(json_object_get(entry, "file")),
               *wanted = json_string_value(json_object_get(entry, "sha256"));
    const json_t *size = json_object_get(entry, "bytes"), *outputs = json_object_get(entry, "outputs");
    if (!leaf || !leaf[0] || strchr(leaf, '/')) return bad(err, at, "a vector without a plain file name", leaf);
    for (const char *c = leaf; *c; c++)
        if ((unsigned char)*c <= ' ') return bad(err, at, "a file name with blanks or control characters", NULL);
    if (!wanted || strlen(wanted) != sizeof(cli_sha256_text) - 1) return bad(err, at, "no sha256 for", leaf);
    if (!json_is_integer(size)) return bad(err, at, "no bytes for", leaf);
    if (json_array_size(outputs) == 0) return bad(err, at, "no outputs for", leaf);

    char path[4096];
    cli_sha256_text digest;
    snprintf(path, sizeof path, "%s/%s", at->folder, leaf);
    gla_status status = check_flags(at, entry, leaf, err);
    if (status == GLA_OK) status = cli_sha256_of_file(path, digest, bytes, err);
    if (status != GLA_OK) return status;
    if (*bytes != json_integer_value(size))
        return gla_fail(err, GLA_BAD_FILE, "%.200s: %" PRId64 " bytes, the manifest says %" PRId64, path, *bytes,
                        (int64_t)json_integer_value(size));
    if (strcmp(digest, wanted) != 0)
        return gla_fail(err, GLA_BAD_FILE, "%.150s: sha256 %.16s..., the manifest says %.16s...", path, digest, wanted);
    return check_contents(path, leaf, outputs, err);
}

static bool listed(const json_t *vectors, const char *leaf) {
    size_t i;
    const json_t *entry;
    json_array_foreach((json_t *)vectors, i, entry) {
        const char *file = json_string_value(json_object_get(entry, "file"));
        if (file && strcmp(file, leaf) == 0) return true;
    }
    return false;
}

static gla_status check_no_others(const place *at, const json_t *vectors, gla_error *err) {
    DIR *d = opendir(at->folder);
    if (!d) return gla_fail(err, GLA_IO_ERROR, "%.200s: %s", at->folder, strerror(errno));
    gla_status status = GLA_OK;
    for (struct dirent *e; status == GLA_OK && (e = readdir(d));) {
        const char *dot = strrchr(e->d_name, '.');
        if (dot && strcmp(dot, ".safetensors") == 0 && !listed(vectors, e->d_name))
            status = gla_fail(err, GLA_BAD_FILE, "%.100s/%.100s is not in the manifest", at->folder, e->d_name);
    }
    closedir(d);
    return status;
}

static gla_status check_manifest(const place *at, int64_t *files, int64_t *bytes, gla_error *err) {
    const json_t *version = json_object_get(at->manifest, "version"),
                 *vectors = json_object_get(at->manifest, "vectors");
    if (!json_is_integer(version) || json_integer_value(version) != CLI_VECTORS_VERSION)
        return bad(err, at, "the version is not 1", NULL);
    if (json_array_size(vectors) == 0) return bad(err, at, "no vectors", NULL);
    size_t i;
    const json_t *entry;
    json_array_foreach((json_t *)vectors, i, entry) {
        int64_t size = 0;
        gla_status status = check_entry(at, entry, &size, err);
        if (status != GLA_OK) return status;
        *bytes += size;
        ++*files;
    }
    return check_no_others(at, vectors, err);
}

gla_status cli_vectors_verify(const char *folder, int64_t *files, int64_t *bytes, gla_error *err) {
    json_t *manifest;
    *files = *bytes = 0;
    gla_status status = load_manifest(folder, &manifest, err);
    if (status != GLA_OK) return status;
    place at = {folder, manifest};
    status = check_manifest(&at, files, bytes, err);
    json_decref(manifest);
    return status;
}
