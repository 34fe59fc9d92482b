/* SPDX-License-Identifier: Apache-2.0
 *
 * One numpy array (.npy, versions 1.0, 2.0 and 3.0):
 *
 *     "\x93NUMPY" | major, minor | u16 (v1) or u32 length | dictionary text, padded by spaces |
 * elements
 *     {'descr': '<f4', 'fortran_order': False, 'shape': (3, 5), }
 *
 * The dictionary is Python source, of which only this form is read: three keys in any order, plain
 * strings, True or False, a tuple of integers. Elements are little endian and in C order. Types
 * that numpy lacks are taken from a suffix of the name, see tensors.h.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "parts.h"

static const size_t header_limit = 1000000;

/* numpy's name of each dtype, and the suffix that says what the integers stand for. */
static const struct npy_type {
    gla_dtype dtype;
    const char *descr, *suffix;
} npy_types[] = {
    {GLA_BF16, "<u2", "_bf16"},
    {GLA_F8_E4M3, "|u1", "_f8_e4m3"},
    {GLA_F8_E5M2, "|u1", "_f8_e5m2"},
    {GLA_F64, "<f8", ""},
    {GLA_F32, "<f4", ""},
    {GLA_F16, "<f2", ""},
    {GLA_I64, "<i8", ""},
    {GLA_I32, "<i4", ""},
    {GLA_I16, "<i2", ""},
    {GLA_I8, "|i1", ""},
    {GLA_U64, "<u8", ""},
    {GLA_U32, "<u4", ""},
    {GLA_U16, "<u2", ""},
    {GLA_U8, "|u1", ""},
    {GLA_BOOL, "|b1", ""},
};
enum { NPY_TYPES = sizeof npy_types / sizeof *npy_types };

typedef struct npy_header {
    char descr[32];
    bool fortran_order;
    int rank;
    int64_t shape[GLA_RANK_LIMIT];
    unsigned seen; /* bits: descr, fortran_order, shape */
} npy_header;

/* ---- the dictionary: a cursor over text, whose functions return false where the text is not what
 * they want ---- */

typedef struct cursor {
    const char *at, *end;
} cursor;

static void skip_space(cursor *c) {
    while (c->at < c->end && (*c->at == ' ' || *c->at == '\n')) c->at++;
}

static bool accept(cursor *c, char wanted) {
    skip_space(c);
    if (c->at == c->end || *c->at != wanted) return false;
    c->at++;
    return true;
}

static bool read_word(cursor *c, const char *word) {
    skip_space(c);
    size_t n = strlen(word);
    if ((size_t)(c->end - c->at) < n || memcmp(c->at, word, n) != 0) return false;
    c->at += n;
    return true;
}

static bool read_string(cursor *c, char *text, size_t size) {
    char quote = accept(c, '\'') ? '\'' : accept(c, '"') ? '"' : 0;
    if (!quote) return false;
    size_t n = 0;
    while (c->at < c->end && *c->at != quote && n + 1 < size) text[n++] = *c->at++;
    text[n] = 0;
    return c->at < c->end && *c->at++ == quote;
}

static bool read_bool(cursor *c, bool *value) {
    *value = read_word(c, "True");
    return *value || read_word(c, "False");
}

static bool read_size(cursor *c, int64_t *value) {
    skip_space(c);
    const char *first = c->at;
    *value = 0;
    for (; c->at < c->end && *c->at >= '0' && *c->at <= '9'; c->at++) {
        if (__builtin_mul_overflow(*value, 10, value)) return false;
        if (__builtin_add_overflow(*value, *c->at - '0', value)) return false;
    }
    return c->at > first;
}

static bool read_tuple(cursor *c, npy_header *h) {
    if (!accept(c, '(')) return false;
    while (!accept(c, ')')) {
        if (h->rank == GLA_RANK_LIMIT || !read_size(c, &h->shape[h->rank++])) return false;
        if (!accept(c, ',')) return accept(c, ')');
    }
    return true;
}

static bool read_item(cursor *c, npy_header *h) {
    char key[16];
    if (!read_string(c, key, sizeof key) || !accept(c, ':')) return false;
    unsigned bit = strcmp(key, "descr") == 0           ? 1u
                   : strcmp(key, "fortran_order") == 0 ? 2u
                   : strcmp(key, "shape") == 0         ? 4u
                                                       : 0u;
    if (!bit || h->seen & bit) return false;
    h->seen |= bit;
    return bit == 1   ? read_string(c, h->descr, sizeof h->descr)
           : bit == 2 ? read_bool(c, &h->fortran_order)
                      : read_tuple(c, h);
}

static bool read_dictionary(cursor *c, npy_header *h) {
    if (!accept(c, '{')) return false;
    while (!accept(c, '}')) {
        if (!read_item(c, h)) return false;
        if (!accept(c, ',')) {
            if (!accept(c, '}')) return false;
            break;
        }
    }
    skip_space(c);
    return h->seen == 7 && c->at == c->end;
}

/* ---- the file around it ---- */

/* The dictionary's place; *data = first byte of the elements. */
static gla_status find_dictionary(const unsigned char *bytes, size_t size, const char *name, const char *where,
                                  cursor *text, size_t *data, gla_error *err) {
    if (size < 10 || memcmp(bytes, "\x93NUMPY", 6) != 0)
        return gla_fail(err, GLA_BAD_FILE, "%s: array '%s' does not begin with \\x93NUMPY", where, name);
    if (bytes[6] < 1 || bytes[6] > 3)
        return gla_fail(err, GLA_UNSUPPORTED, "%s: array '%s': npy version %d, 1 to 3 are read", where, name, bytes[6]);
    size_t begin = bytes[6] == 1 ? 10 : 12, length = bytes[8] | (size_t)bytes[9] << 8;
    if (size >= begin && begin == 12) length |= (size_t)bytes[10] << 16 | (size_t)bytes[11] << 24;
    if (size < begin || length > size - begin || length > header_limit)
        return gla_fail(err, GLA_BAD_FILE, "%s: array '%s': a header of %zu bytes does not fit in %zu", where, name,
                        length, size);
    *text = (cursor){(const char *)bytes + begin, (const char *)bytes + begin + length};
    *data = begin + length;
    return GLA_OK;
}

static bool ends_with(const char *name, const char *suffix) {
    size_t n = strlen(name), m = strlen(suffix);
    return n > m && strcmp(name + n - m, suffix) == 0;
}

/* What the elements are; *kept = length of the name without its type suffix. */
static gla_status find_type(const npy_header *h, const char *name, const char *where, gla_dtype *dtype, size_t *kept,
                            gla_error *err) {
    for (int i = 0; i < NPY_TYPES; i++) {
        const struct npy_type *type = &npy_types[i];
        if (strcmp(type->descr, h->descr) != 0) continue;
        if (*type->suffix && !ends_with(name, type->suffix)) continue;
        *dtype = type->dtype;
        *kept = strlen(name) - strlen(type->suffix);
        return GLA_OK;
    }
    gla_shown_room shown, descr;
    gla_fail(err, GLA_UNSUPPORTED, "%s: array '%s' has type '%s', which is not read here", where,
             gla_shown(shown, name), gla_shown(descr, h->descr));
    return gla_hint(err, GLA_UNSUPPORTED, "%s",
                    h->descr[0] == '>'      ? "big endian: save x.astype(x.dtype.newbyteorder('<'))"
                    : strchr(h->descr, 'V') ? "bfloat16: save x.view('uint16') under the name NAME_bf16"
                                            : "types: f8 f4 f2 i8 i4 i2 i1 u8 u4 u2 u1 b1");
}

static gla_status append_named(gla_tensor_file *out, const char *name, size_t kept, gla_dtype dtype,
                               const npy_header *h, const char *where, gla_named_tensor **x, gla_error *err) {
    char *bare = strndup(name, kept);
    if (!bare) return gla_fail(err, GLA_NO_MEMORY, "%s: no memory for a name", where);
    gla_status status = gla_tensors_append(out, bare, dtype, h->rank, h->shape, where, x, err);
    free(bare);
    return status;
}

gla_status gla_npy_parse(const unsigned char *bytes, size_t size, const char *name, void *owned, const char *where,
                         gla_tensor_file *out, gla_error *err) {
    gla_shown_room shown;
    gla_shown(shown, name);
    cursor text = {0};
    size_t data = 0, kept = 0;
    gla_status status = find_dictionary(bytes, size, shown, where, &text, &data, err);
    if (status) return status;
    npy_header h = {0};
    const char *begin = text.at;
    if (!read_dictionary(&text, &h)) {
        gla_fail(err, GLA_BAD_FILE, "%s: array '%s': header, character %td is not understood", where, shown,
                 text.at - begin);
        return gla_hint(err, GLA_BAD_FILE, "wanted: {'descr': '<f4', 'fortran_order': False, 'shape': (3, 5), }");
    }
    gla_dtype dtype = GLA_F64;
    status = find_type(&h, name, where, &dtype, &kept, err);
    if (status) return status;
    if (h.fortran_order && h.rank > 1) {
        gla_fail(err, GLA_UNSUPPORTED, "%s: array '%s' is in Fortran order", where, shown);
        return gla_hint(err, GLA_UNSUPPORTED, "save numpy.ascontiguousarray(x)");
    }
    gla_named_tensor *x;
    status = append_named(out, name, kept, dtype, &h, where, &x, err);
    if (status) return status;
    uint64_t wanted = (uint64_t)x->count * gla_dtype_size(dtype);
    if (wanted != size - data) {
        char sizes[128];
        return gla_fail(err, GLA_BAD_FILE, "%s: array '%s' has %zu bytes of elements, %s of shape %s needs %llu", where,
                        shown, size - data, gla_dtype_name(dtype), gla_shape_text(h.rank, h.shape, sizes, sizeof sizes),
                        (unsigned long long)wanted);
    }
    x->raw = bytes + data;
    x->owned = owned;
    return GLA_OK;
}

/* ---- writing ---- */

static const struct npy_type *type_of(gla_dtype dtype) {
    int i = 0;
    while (npy_types[i].dtype != dtype) i++; /* every dtype has its row */
    return &npy_types[i];
}

char *gla_npy_member(const gla_named_tensor *x) {
    char *text;
    return asprintf(&text, "%s%s.npy", x->name, type_of(x->dtype)->suffix) < 0 ? NULL : text;
}

/* A tuple of sizes as Python writes it: "()", "(3,)", "(3, 5)". */
static void tuple_text(const gla_named_tensor *x, char *text, size_t size) {
    size_t used = (size_t)snprintf(text, size, "(");
    for (int i = 0; i < x->rank; i++)
        used += (size_t)snprintf(text + used, size - used, i ? ", %lld" : "%lld", (long long)x->shape[i]);
    snprintf(text + used, size - used, x->rank == 1 ? ",)" : ")");
}

char *gla_npy_header(const gla_named_tensor *x, size_t *size) {
    char shape[160], text[256]; /* at most 8 sizes of 10 digits: always version 1.0 */
    tuple_text(x, shape, sizeof shape);
    int n = snprintf(text, sizeof text, "{'descr': '%s', 'fortran_order': False, 'shape': %s, }",
                     type_of(x->dtype)->descr, shape);
    size_t length = (size_t)n + 1, total = (10 + length + 63) / 64 * 64; /* elements 64-aligned */
    char *header = malloc(total);
    if (!header) return NULL;
    memset(header, ' ', total);
    memcpy(header, "\x93NUMPY\1", 8); /* and minor version 0 */
    header[8] = (char)((total - 10) & 255);
    header[9] = (char)((total - 10) >> 8);
    memcpy(header + 10, text, (size_t)n);
    header[total - 1] = '\n';
    *size = total;
    return header;
}
