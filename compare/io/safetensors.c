/* SPDX-License-Identifier: Apache-2.0
 *
 * The safetensors format:
 *
 *     u64 n (little endian) | n bytes of JSON | data
 *     {"__metadata__": {"key": "text", ...}, "q": {"dtype": "BF16", "shape": [1,320,2,64],
 * "data_offsets": [a, b]}, ...}
 *
 * The data of the tensors are bytes a .. b-1 of the data part; together they cover it exactly,
 * without gap or overlap. Reading copies nothing: a tensor points into the caller's bytes, at any
 * alignment. Writing puts wide elements first, so that every tensor lies at a multiple of its
 * element size.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "parts.h"

static const uint64_t header_limit = 100000000;

/* The data of one tensor: bytes begin .. end-1 of the data part. */
typedef struct extent {
    uint64_t begin, end;
    size_t tensor;
} extent;

static int by_place(const void *a, const void *b) {
    const extent *x = a, *y = b;
    if (x->begin != y->begin) return x->begin < y->begin ? -1 : 1;
    return (x->end > y->end) - (x->end < y->end);
}

/* ---- reading ---- */

/* The header's JSON text and the data behind it. */
static gla_status split(const unsigned char *bytes, size_t size, const char *where, uint64_t *header, gla_error *err) {
    if (size < 8) {
        gla_fail(err, GLA_BAD_FILE, "%s: %zu bytes, too short for the 8-byte header length", where, size);
        return gla_hint(err, GLA_BAD_FILE, "a safetensors, npz or npy file is wanted");
    }
    memcpy(header, bytes, 8);
    if (*header > header_limit || *header > size - 8) {
        gla_fail(err, GLA_BAD_FILE, "%s: the header claims %" PRIu64 " bytes, %s", where, *header,
                 *header > header_limit ? "at most 100000000 are read" : "more than the file holds");
        return gla_hint(err, GLA_BAD_FILE, "is it a safetensors, npz or npy file, and complete?");
    }
    if (*header == 0 || bytes[8] != '{') {
        gla_fail(err, GLA_BAD_FILE, "%s: byte 8 does not open a JSON object", where);
        return gla_hint(err, GLA_BAD_FILE, "is it a safetensors, npz or npy file?");
    }
    return GLA_OK;
}

/* A JSON integer >= 0, or -1. */
static int64_t natural(const json_t *value) {
    if (!json_is_integer(value)) return -1;
    json_int_t n = json_integer_value(value);
    return n < 0 ? -1 : n;
}

static gla_status read_shape(const json_t *array, const char *where, const char *name, int *rank,
                             int64_t shape[GLA_RANK_LIMIT], gla_error *err) {
    if (!json_is_array(array) || json_array_size(array) > GLA_RANK_LIMIT)
        return gla_fail(err, GLA_BAD_FILE, "%s: tensor '%s': shape is not a list of at most %d sizes", where, name,
                        GLA_RANK_LIMIT);
    *rank = (int)json_array_size(array);
    for (int i = 0; i < *rank; i++) {
        shape[i] = natural(json_array_get(array, (size_t)i));
        if (shape[i] < 0)
            return gla_fail(err, GLA_BAD_FILE, "%s: tensor '%s': size %d of the shape is not an integer >= 0", where,
                            name, i);
    }
    return GLA_OK;
}

static gla_status read_dtype(const json_t *text, const char *where, const char *name, gla_dtype *dtype,
                             gla_error *err) {
    if (!json_is_string(text))
        return gla_fail(err, GLA_BAD_FILE, "%s: tensor '%s': dtype is not a string", where, name);
    if (gla_dtype_named(json_string_value(text), dtype)) return GLA_OK;
    gla_shown_room shown;
    return gla_fail(err, GLA_UNSUPPORTED, "%s: tensor '%s': dtype %s is not read here", where, name,
                    gla_shown(shown, json_string_value(text)));
}

/* One entry of the header. `data` has `size` bytes. */
static gla_status read_tensor(const char *key, const json_t *entry, const unsigned char *data, uint64_t size,
                              const char *where, gla_tensor_file *out, extent *place, gla_error *err) {
    gla_shown_room shown;
    const char *name = gla_shown(shown, key);
    gla_dtype dtype = GLA_F64;
    int rank = 0;
    int64_t shape[GLA_RANK_LIMIT];
    if (!json_is_object(entry)) return gla_fail(err, GLA_BAD_FILE, "%s: tensor '%s' is not a JSON object", where, name);
    gla_status status = read_dtype(json_object_get(entry, "dtype"), where, name, &dtype, err);
    if (!status) status = read_shape(json_object_get(entry, "shape"), where, name, &rank, shape, err);
    if (status) return status;

    const json_t *offsets = json_object_get(entry, "data_offsets");
    int64_t begin = natural(json_array_get(offsets, 0)), end = natural(json_array_get(offsets, 1));
    if (json_array_size(offsets) != 2 || begin < 0 || end < begin)
        return gla_fail(err, GLA_BAD_FILE, "%s: tensor '%s': data_offsets are not two ascending integers >= 0", where,
                        name);
    if ((uint64_t)end > size)
        return gla_fail(err, GLA_BAD_FILE, "%s: tensor '%s' ends at data byte %" PRId64 ", the file has %" PRIu64,
                        where, name, end, size);
    gla_named_tensor *x;
    status = gla_tensors_append(out, key, dtype, rank, shape, where, &x, err);
    if (status) return status;
    int64_t wanted = x->count * (int64_t)gla_dtype_size(dtype);
    if (end - begin != wanted) {
        char sizes[128];
        return gla_fail(err, GLA_BAD_FILE, "%s: tensor '%s' has %" PRId64 " bytes, %s of shape %s needs %" PRId64,
                        where, name, end - begin, gla_dtype_name(dtype),
                        gla_shape_text(rank, shape, sizes, sizeof sizes), wanted);
    }
    x->raw = data + begin;
    *place = (extent){(uint64_t)begin, (uint64_t)end, out->count - 1};
    return GLA_OK;
}

/* The extents follow each other from 0 to size. */
static gla_status check_cover(extent *place, size_t count, uint64_t size, const char *where,
                              const gla_tensor_file *file, gla_error *err) {
    qsort(place, count, sizeof *place, by_place);
    gla_shown_room shown;
    uint64_t at = 0;
    for (size_t i = 0; i < count; at = place[i++].end) {
        if (place[i].begin == at) continue;
        return gla_fail(err, GLA_BAD_FILE,
                        "%s: tensor '%s' begins at data byte %" PRIu64 ", the one before ends at %" PRIu64 ": %s",
                        where, gla_shown(shown, file->tensor[place[i].tensor].name), place[i].begin, at,
                        place[i].begin < at ? "they overlap" : "a gap");
    }
    if (at == size) return GLA_OK;
    return gla_fail(err, GLA_BAD_FILE, "%s: the tensors end at data byte %" PRIu64 ", the file has %" PRIu64, where, at,
                    size);
}

static gla_status read_entries(const json_t *header, const unsigned char *data, uint64_t size, const char *where,
                               gla_tensor_file *out, gla_error *err) {
    extent *place = calloc(json_object_size(header) + 1, sizeof *place);
    if (!place) return gla_fail(err, GLA_NO_MEMORY, "%s: no memory for the header", where);
    gla_status status = GLA_OK;
    const char *key;
    json_t *entry;
    json_object_foreach((json_t *)header, key, entry) {
        status = strcmp(key, "__metadata__") == 0
                     ? gla_meta_from_json(out, entry, where, err)
                     : read_tensor(key, entry, data, size, where, out, &place[out->count], err);
        if (status) break;
    }
    if (!status) status = check_cover(place, out->count, size, where, out, err);
    free(place);
    return status;
}

gla_status gla_safetensors_parse(const unsigned char *bytes, size_t size, const char *where, gla_tensor_file *out,
                                 gla_error *err) {
    uint64_t length = 0;
    gla_status status = split(bytes, size, where, &length, err);
    if (status) return status;
    json_error_t why;
    json_t *header = json_loadb((const char *)bytes + 8, length, JSON_REJECT_DUPLICATES, &why);
    if (!header) {
        gla_shown_room shown;
        return gla_fail(err, GLA_BAD_FILE, "%s: header, byte %d: %s", where, 8 + why.position,
                        gla_shown(shown, why.text));
    }
    status = read_entries(header, bytes + 8 + length, size - 8 - length, where, out, err);
    json_decref(header);
    return status;
}

/* ---- writing ---- */

/* The header entry of a tensor whose data begin at *at, which moves to their end. */
static json_t *entry_of(const gla_named_tensor *x, uint64_t *at) {
    json_t *shape = json_array();
    for (int i = 0; i < x->rank; i++) json_array_append_new(shape, json_integer(x->shape[i]));
    uint64_t begin = *at;
    *at += (uint64_t)x->count * gla_dtype_size(x->dtype);
    return json_pack("{s:s, s:o, s:[I, I]}", "dtype", gla_dtype_name(x->dtype), "shape", shape, "data_offsets",
                     (json_int_t)begin, (json_int_t)*at);
}

/* The JSON text of the header; malloc'ed, NULL = no memory or a string that is not UTF-8. */
static char *header_text(const gla_tensor_file *file) {
    json_t *header = json_object();
    int failed = file->metas && json_object_set_new(header, "__metadata__", gla_meta_to_json(file));
    uint64_t at = 0;
    for (size_t size = 8; size; size /= 2) {
        for (size_t i = 0; i < file->count && !failed; i++) {
            const gla_named_tensor *x = &file->tensor[i];
            if (gla_dtype_size(x->dtype) == size) failed = json_object_set_new(header, x->name, entry_of(x, &at));
        }
    }
    char *text = failed ? NULL : json_dumps(header, JSON_COMPACT);
    json_decref(header);
    return text;
}

gla_status gla_safetensors_write(int fd, const char *where, bool framed, const gla_tensor_file *file, gla_error *err) {
    char *text = header_text(file);
    if (!text) return gla_fail(err, GLA_BAD_FILE, "%s: a name or metadata string is not UTF-8", where);
    size_t length = strlen(text), padding = (8 - length % 8) % 8;
    uint64_t claim = length + padding, whole = 8 + claim;
    for (size_t i = 0; i < file->count; i++)
        whole += (uint64_t)file->tensor[i].count * gla_dtype_size(file->tensor[i].dtype);
    gla_status status = framed ? gla_write_all(fd, &whole, 8, where, err) : GLA_OK;
    if (!status) status = gla_write_all(fd, &claim, 8, where, err);
    if (!status) status = gla_write_all(fd, text, length, where, err);
    if (!status) status = gla_write_all(fd, "        ", padding, where, err);
    free(text);
    for (size_t size = 8; size; size /= 2) {
        for (size_t i = 0; i < file->count && !status; i++) {
            const gla_named_tensor *x = &file->tensor[i];
            if (gla_dtype_size(x->dtype) == size)
                status = gla_write_all(fd, x->raw, (size_t)x->count * size, where, err);
        }
    }
    return status;
}
