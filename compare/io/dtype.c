/* SPDX-License-Identifier: Apache-2.0
 *
 * Element types: names, sizes, and conversion between raw little-endian elements and binary64.
 *
 * Reading is exact: every floating-point dtype here is a subset of binary64. Writing rounds once,
 * to nearest even. Elements are moved by memcpy, because a file may put them at any alignment.
 */
#include <string.h>

#include "parts.h"

typedef struct dtype_row {
    const char *name;
    unsigned char size;
    bool is_signed; /* integers only */
} dtype_row;

static const dtype_row dtypes[GLA_DTYPES] = {
    [GLA_F64] = {"F64", 8, false}, [GLA_F32] = {"F32", 4, false},         [GLA_BF16] = {"BF16", 2, false},
    [GLA_F16] = {"F16", 2, false}, [GLA_F8_E4M3] = {"F8_E4M3", 1, false}, [GLA_F8_E5M2] = {"F8_E5M2", 1, false},
    [GLA_I64] = {"I64", 8, true},  [GLA_I32] = {"I32", 4, true},          [GLA_I16] = {"I16", 2, true},
    [GLA_I8] = {"I8", 1, true},    [GLA_U64] = {"U64", 8, false},         [GLA_U32] = {"U32", 4, false},
    [GLA_U16] = {"U16", 2, false}, [GLA_U8] = {"U8", 1, false},           [GLA_BOOL] = {"BOOL", 1, false},
};

const char *gla_dtype_name(gla_dtype dtype) { return dtypes[dtype].name; }

size_t gla_dtype_size(gla_dtype dtype) { return dtypes[dtype].size; }

bool gla_dtype_named(const char *name, gla_dtype *dtype) {
    for (int i = 0; i < GLA_DTYPES; i++) {
        if (strcmp(dtypes[i].name, name) == 0) {
            *dtype = (gla_dtype)i;
            return true;
        }
    }
    return false;
}

const gla_format *gla_dtype_format(gla_dtype dtype) {
    switch (dtype) {
    case GLA_F64:
        return &gla_binary64_format;
    case GLA_F32:
        return &gla_binary32_format;
    case GLA_BF16:
        return &gla_bf16;
    case GLA_F16:
        return &gla_f16;
    case GLA_F8_E4M3:
        return &gla_e4m3;
    case GLA_F8_E5M2:
        return &gla_e5m2;
    default:
        return NULL;
    }
}

/* The element at `at` as an unsigned word, upper bytes zero. */
static uint64_t load_word(const void *at, size_t size) {
    uint64_t word = 0;
    memcpy(&word, at, size);
    return word;
}

/* The element as a two's complement integer. False: a U64 that int64 cannot hold. */
static bool load_integer(gla_dtype dtype, const void *at, int64_t *value) {
    size_t size = gla_dtype_size(dtype);
    uint64_t word = load_word(at, size);
    if (!dtypes[dtype].is_signed) {
        *value = (int64_t)word;
        return word <= INT64_MAX;
    }
    uint64_t sign = (uint64_t)1 << (8 * size - 1);
    uint64_t extended = (word ^ sign) - sign;
    memcpy(value, &extended, sizeof *value);
    return true;
}

/* One element as binary64. False: an integer that binary64 may not hold exactly. */
static bool load_double(gla_dtype dtype, const void *at, double *value) {
    const gla_format *format = gla_dtype_format(dtype);
    if (!format) {
        const int64_t limit = (int64_t)1 << 53;
        int64_t integer;
        if (!load_integer(dtype, at, &integer) || integer > limit || integer < -limit) return false;
        *value = (double)integer;
    } else if (dtype == GLA_F64) {
        memcpy(value, at, sizeof *value);
    } else if (dtype == GLA_F32) {
        float single;
        memcpy(&single, at, sizeof single);
        *value = single;
    } else {
        *value = gla_decode(format, (uint32_t)load_word(at, gla_dtype_size(dtype)));
    }
    return true;
}

gla_status gla_tensor_to_double(const gla_named_tensor *x, double *value, gla_error *err) {
    size_t size = gla_dtype_size(x->dtype);
    const unsigned char *at = x->raw;
    for (int64_t i = 0; i < x->count; i++, at += size) {
        if (!load_double(x->dtype, at, &value[i]))
            return gla_fail(err, GLA_BAD_VALUE, "%s: element %lld is an integer beyond 2^53", x->name, (long long)i);
    }
    return GLA_OK;
}

gla_status gla_tensor_to_integers(const gla_named_tensor *x, int64_t *value, gla_error *err) {
    if (gla_dtype_format(x->dtype))
        return gla_fail(err, GLA_BAD_VALUE, "%s: %s elements, integers wanted", x->name, gla_dtype_name(x->dtype));
    size_t size = gla_dtype_size(x->dtype);
    const unsigned char *at = x->raw;
    for (int64_t i = 0; i < x->count; i++, at += size) {
        if (!load_integer(x->dtype, at, &value[i]))
            return gla_fail(err, GLA_BAD_VALUE, "%s: element %lld is an integer beyond 2^63", x->name, (long long)i);
    }
    return GLA_OK;
}

/* Round one value into a floating-point dtype. */
static void store_double(gla_dtype dtype, double value, void *at) {
    if (dtype == GLA_F64) {
        memcpy(at, &value, sizeof value);
    } else if (dtype == GLA_F32) {
        float single = (float)value;
        memcpy(at, &single, sizeof single);
    } else {
        const gla_format *format = gla_dtype_format(dtype);
        uint32_t word = gla_encode(format, gla_round(format, GLA_RN, value, 0));
        memcpy(at, &word, gla_dtype_size(dtype));
    }
}

void gla_dtype_store(gla_dtype dtype, const double *value, int64_t count, void *raw) {
    size_t size = gla_dtype_size(dtype);
    unsigned char *at = raw;
    for (int64_t i = 0; i < count; i++, at += size) store_double(dtype, value[i], at);
}
