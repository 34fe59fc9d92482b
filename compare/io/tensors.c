/* SPDX-License-Identifier: Apache-2.0
 *
 * A gla_tensor_file in memory: adding, finding, freeing, and the choice of reader by content.
 *
 * Every tensor, from whatever format, enters through gla_tensors_append, which checks its name and
 * its sizes; raw data are attached only after that, by code that knows how many bytes there are.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "parts.h"

static const int64_t element_limit = (int64_t)1 << 31;

const char *gla_shown(gla_shown_room room, const char *text) {
    const size_t limit = sizeof(gla_shown_room) - 4; /* room for "..." */
    size_t n = 0;
    for (; text[n] && n < limit; n++) {
        unsigned char c = (unsigned char)text[n];
        room[n] = c < 0x20 || c == 0x7f ? '?' : (char)c;
    }
    memcpy(room + n, text[n] ? "..." : "", text[n] ? 4 : 1);
    return room;
}

const char *gla_shown_path(gla_shown_room room, const char *path) {
    const size_t limit = sizeof(gla_shown_room) - 8, length = strlen(path);
    if (length <= limit) return gla_shown(room, path);
    gla_shown_room tail;
    snprintf(room, sizeof(gla_shown_room), "...%s", gla_shown(tail, path + length - limit));
    return room;
}

const char *gla_shape_text(int rank, const int64_t *shape, char *text, size_t size) {
    size_t used = 0;
    for (int i = 0; i < rank && used < size; i++) {
        int n = snprintf(text + used, size - used, "%c%lld", i ? ',' : '[', (long long)shape[i]);
        used += (size_t)n;
    }
    if (used < size) snprintf(text + used, size - used, "%s]", rank ? "" : "[");
    return text;
}

static bool name_is_printable(const char *name) {
    if (!*name) return false;
    for (const char *c = name; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f) return false;
    return true;
}

/* Product of sizes, each and together at most 2^31. False: not so. */
static bool count_elements(int rank, const int64_t *shape, int64_t *count) {
    *count = 1;
    for (int i = 0; i < rank; i++) {
        if (shape[i] < 0 || shape[i] > element_limit) return false;
        *count *= shape[i]; /* both at most 2^31: no overflow */
        if (*count > element_limit) return false;
    }
    return true;
}

/* Grow an array of `count` elements to hold one more, doubling at powers of two. */
static void *grown(void *array, size_t count, size_t size) {
    if (count & (count - 1)) return array;
    return realloc(array, (count ? 2 * count : 1) * size);
}

gla_status gla_tensors_append(gla_tensor_file *file, const char *name, gla_dtype dtype, int rank, const int64_t *shape,
                              const char *where, gla_named_tensor **x, gla_error *err) {
    gla_shown_room shown;
    char sizes[128];
    if (!name_is_printable(name))
        return gla_fail(err, GLA_BAD_FILE, "%s: tensor name '%s' is empty or has control characters", where,
                        gla_shown(shown, name));
    if (rank > GLA_RANK_LIMIT)
        return gla_fail(err, GLA_BAD_FILE, "%s: tensor '%s' has rank %d, at most %d is read", where,
                        gla_shown(shown, name), rank, GLA_RANK_LIMIT);
    int64_t count;
    if (!count_elements(rank, shape, &count))
        return gla_fail(err, GLA_BAD_FILE,
                        "%s: tensor '%s' has shape %s: sizes must be 0 or more and the product at "
                        "most 2^31",
                        where, gla_shown(shown, name), gla_shape_text(rank, shape, sizes, sizeof sizes));
    gla_named_tensor *tensor = grown(file->tensor, file->count, sizeof *tensor);
    if (!tensor) return gla_fail(err, GLA_NO_MEMORY, "%s: no memory for the list of tensors", where);
    file->tensor = tensor;
    *x = &tensor[file->count];
    **x = (gla_named_tensor){.name = strdup(name), .dtype = dtype, .rank = rank, .count = count};
    if (!(*x)->name) return gla_fail(err, GLA_NO_MEMORY, "%s: no memory for a name", where);
    for (int i = 0; i < rank; i++) (*x)->shape[i] = shape[i];
    file->count++;
    return GLA_OK;
}

/* Append with fresh memory for the elements. */
static gla_status add_owned(gla_tensor_file *file, const char *name, gla_dtype dtype, int rank, const int64_t *shape,
                            gla_named_tensor **x, gla_error *err) {
    gla_shown_room shown;
    if (gla_tensors_find(file, name))
        return gla_fail(err, GLA_BAD_FILE, "tensor '%s' is added twice", gla_shown(shown, name));
    gla_status status = gla_tensors_append(file, name, dtype, rank, shape, "new file", x, err);
    if (status) return status;
    (*x)->owned = malloc((size_t)(*x)->count * gla_dtype_size(dtype) + 1);
    (*x)->raw = (*x)->owned;
    if ((*x)->owned) return GLA_OK;
    free((*x)->name);
    file->count--;
    return gla_fail(err, GLA_NO_MEMORY, "no memory for tensor '%s'", gla_shown(shown, name));
}

gla_status gla_tensors_add(gla_tensor_file *file, const char *name, gla_dtype dtype, int rank, const int64_t *shape,
                           const double *value, gla_error *err) {
    if (!gla_dtype_format(dtype))
        return gla_fail(err, GLA_UNSUPPORTED, "real values are not written as %s", gla_dtype_name(dtype));
    gla_named_tensor *x;
    gla_status status = add_owned(file, name, dtype, rank, shape, &x, err);
    if (!status) gla_dtype_store(dtype, value, x->count, x->owned);
    return status;
}

gla_status gla_tensors_add_integers(gla_tensor_file *file, const char *name, int rank, const int64_t *shape,
                                    const int64_t *value, gla_error *err) {
    gla_named_tensor *x;
    gla_status status = add_owned(file, name, GLA_I64, rank, shape, &x, err);
    if (!status) memcpy(x->owned, value, (size_t)x->count * sizeof *value);
    return status;
}

/* Room for one more metadata pair; both arrays always grow together. */
static bool meta_room(gla_tensor_file *file) {
    char **key = grown(file->meta_key, file->metas, sizeof *key);
    if (key) file->meta_key = key;
    char **value = key ? grown(file->meta_value, file->metas, sizeof *value) : NULL;
    if (value) file->meta_value = value;
    return value;
}

gla_status gla_meta_append(gla_tensor_file *file, const char *key, const char *value, gla_error *err) {
    char *new_key = strdup(key), *new_value = strdup(value);
    if (!new_key || !new_value || !meta_room(file)) {
        free(new_key);
        free(new_value);
        return gla_fail(err, GLA_NO_MEMORY, "no memory for the metadata");
    }
    file->meta_key[file->metas] = new_key;
    file->meta_value[file->metas++] = new_value;
    return GLA_OK;
}

gla_status gla_tensors_set_meta(gla_tensor_file *file, const char *key, const char *value, gla_error *err) {
    for (size_t i = 0; i < file->metas; i++) {
        if (strcmp(file->meta_key[i], key) != 0) continue;
        char *new_value = strdup(value);
        if (!new_value) return gla_fail(err, GLA_NO_MEMORY, "no memory for the metadata");
        free(file->meta_value[i]);
        file->meta_value[i] = new_value;
        return GLA_OK;
    }
    return gla_meta_append(file, key, value, err);
}

const gla_named_tensor *gla_tensors_find(const gla_tensor_file *file, const char *name) {
    for (size_t i = 0; i < file->count; i++)
        if (strcmp(file->tensor[i].name, name) == 0) return &file->tensor[i];
    return NULL;
}

const char *gla_tensors_meta(const gla_tensor_file *file, const char *key) {
    for (size_t i = 0; i < file->metas; i++)
        if (strcmp(file->meta_key[i], key) == 0) return file->meta_value[i];
    return NULL;
}

bool gla_tensors_same(const gla_named_tensor *a, const gla_named_tensor *b) {
    return a->dtype == b->dtype && a->rank == b->rank && a->count == b->count &&
           memcmp(a->shape, b->shape, (size_t)a->rank * sizeof *a->shape) == 0 &&
           memcmp(a->raw, b->raw, (size_t)a->count * gla_dtype_size(a->dtype)) == 0;
}

void gla_tensors_drop(gla_tensor_file *file) {
    for (size_t i = 0; i < file->count; i++) {
        free(file->tensor[i].name);
        free(file->tensor[i].owned);
    }
    free(file->tensor);
    free(file->bytes);
    file->tensor = NULL;
    file->count = 0;
    file->bytes = NULL;
}

void gla_tensors_free(gla_tensor_file *file) {
    gla_tensors_drop(file);
    for (size_t i = 0; i < file->metas; i++) {
        free(file->meta_key[i]);
        free(file->meta_value[i]);
    }
    free(file->meta_key);
    free(file->meta_value);
    *file = (gla_tensor_file){0};
}

static int by_name(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

/* No name twice: a reader that kept the first and one that kept the last would judge different
 * numbers. */
static gla_status check_names_differ(const gla_tensor_file *file, const char *where, gla_error *err) {
    char **name = malloc((file->count + 1) * sizeof *name);
    if (!name) return gla_fail(err, GLA_NO_MEMORY, "%s: no memory for the list of names", where);
    for (size_t i = 0; i < file->count; i++) name[i] = file->tensor[i].name;
    qsort(name, file->count, sizeof *name, by_name);
    gla_status status = GLA_OK;
    gla_shown_room shown;
    for (size_t i = 1; i < file->count && !status; i++) {
        if (strcmp(name[i - 1], name[i]) == 0)
            status = gla_fail(err, GLA_BAD_FILE, "%s: tensor '%s' is there twice", where, gla_shown(shown, name[i]));
    }
    free(name);
    return status;
}

/* "dir/q.npy" -> "q". */
static gla_status parse_single_npy(const unsigned char *bytes, size_t size, const char *path, const char *where,
                                   gla_tensor_file *out, gla_error *err) {
    const char *slash = strrchr(path, '/');
    char *name = strdup(slash ? slash + 1 : path);
    if (!name) return gla_fail(err, GLA_NO_MEMORY, "%s: no memory for a name", where);
    char *dot = strrchr(name, '.');
    if (dot && strcmp(dot, ".npy") == 0) *dot = 0;
    gla_status status = gla_npy_parse(bytes, size, name, NULL, where, out, err);
    free(name);
    return status;
}

gla_status gla_tensors_parse(const void *bytes, size_t size, const char *name, gla_tensor_file *out, gla_error *err) {
    *out = (gla_tensor_file){0};
    gla_shown_room shown;
    const char *where = gla_shown_path(shown, name);
    gla_status status;
    if (size == 0)
        status = gla_fail(err, GLA_BAD_FILE, "%s: the file is empty", where);
    else if (size >= 4 && (memcmp(bytes, "PK\3\4", 4) == 0 || memcmp(bytes, "PK\5\6", 4) == 0))
        status = gla_npz_parse(bytes, size, where, out, err);
    else if (size >= 6 && memcmp(bytes, "\x93NUMPY", 6) == 0)
        status = parse_single_npy(bytes, size, name, where, out, err);
    else
        status = gla_safetensors_parse(bytes, size, where, out, err);
    if (!status) status = check_names_differ(out, where, err);
    if (status) gla_tensors_free(out);
    return status;
}
