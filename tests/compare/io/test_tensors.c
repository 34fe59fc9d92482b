/* SPDX-License-Identifier: Apache-2.0
 *
 * Tensor files: every dtype survives both formats bit for bit; values convert exactly; everything malformed is refused
 * with a message that names the tensor or the byte; a failed write leaves nothing behind.
 */
#include <dirent.h>
#include <math.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <zip.h>

#include "compare/io/parts.h"
#include "scratch.h"

/* ---- round trips ---- */

static void assert_same_file(const gla_tensor_file *a, const gla_tensor_file *b) {
    ck_assert_uint_eq(a->count, b->count);
    ck_assert_uint_eq(a->metas, b->metas);
    for (size_t i = 0; i < a->count; i++) {
        const gla_named_tensor *x = &a->tensor[i], *y = gla_tensors_find(b, x->name);
        ck_assert_msg(y, "%s is lost", x->name);
        ck_assert_str_eq(gla_dtype_name(x->dtype), gla_dtype_name(y->dtype));
        ck_assert_int_eq(x->rank, y->rank);
        ck_assert_mem_eq(x->shape, y->shape, (size_t)x->rank * sizeof *x->shape);
        ck_assert_mem_eq(x->raw, y->raw, (size_t)x->count * gla_dtype_size(x->dtype));
    }
    for (size_t i = 0; i < a->metas; i++) ck_assert_str_eq(gla_tensors_meta(b, a->meta_key[i]), a->meta_value[i]);
}

/* All dtypes with random bits, shapes of rank 0 to 8, an empty tensor, awkward metadata. */
static void random_file(gla_tensor_file *file, uint64_t seed) {
    static const int64_t shapes[][8] = {{0},       {7},          {3, 5},          {0, 4},
                                        {2, 3, 4}, {1, 9, 2, 5}, {1, 1, 1, 1, 3}, {2, 1, 2, 1, 2, 1, 2, 1}};
    static const int ranks[] = {0, 1, 2, 2, 3, 4, 5, 8};
    *file = (gla_tensor_file){0};
    for (int d = 0; d < GLA_DTYPES; d++) {
        for (int s = 0; s < 8; s++) {
            char name[32];
            snprintf(name, sizeof name, "layers.%d.%s", s, gla_dtype_name((gla_dtype)d));
            gla_named_tensor *x;
            ck_assert_int_eq(gla_tensors_append(file, name, (gla_dtype)d, ranks[s], shapes[s], "test", &x, NULL), 0);
            size_t bytes = (size_t)x->count * gla_dtype_size(x->dtype);
            unsigned char *raw = malloc(bytes + 1);
            for (size_t i = 0; i < bytes; i++) raw[i] = (unsigned char)next_word(&seed);
            x->raw = x->owned = raw;
        }
    }
    ck_assert_int_eq(gla_tensors_set_meta(file, "scale", "first", NULL), 0);
    ck_assert_int_eq(gla_tensors_set_meta(file, "note", "quotes \" \\ newline \n and \xc3\xa9", NULL), 0);
    ck_assert_int_eq(gla_tensors_set_meta(file, "scale", "0.125", NULL), 0);
}

static const char *const both_formats[] = {"x.safetensors", "x.npz"};

START_TEST(every_dtype_survives) {
    gla_tensor_file file, back;
    gla_error err;
    random_file(&file, test_seed());
    const char *path = scratch(both_formats[_i]);
    ck_assert_msg(gla_tensors_write(path, &file, &err) == GLA_OK, "%s", err.what);
    ck_assert_msg(gla_tensors_read(path, &back, &err) == GLA_OK, "%s", err.what);
    assert_same_file(&file, &back);
    ck_assert_str_eq(gla_tensors_meta(&back, "scale"), "0.125");

    size_t first, second; /* written again: the same bytes */
    unsigned char *a = slurp(path, &first);
    ck_assert_int_eq(gla_tensors_write(path, &file, &err), GLA_OK);
    unsigned char *b = slurp(path, &second);
    ck_assert_uint_eq(first, second);
    ck_assert_mem_eq(a, b, first);
    free(a);
    free(b);
    gla_tensors_free(&file);
    gla_tensors_free(&back);
}
END_TEST

/* In memory the tensors point into the bytes, wherever these lie. */
START_TEST(alignment_does_not_matter) {
    gla_tensor_file file, back;
    size_t size;
    random_file(&file, test_seed() + 1);
    ck_assert_int_eq(gla_tensors_write(scratch("a.safetensors"), &file, NULL), GLA_OK);
    unsigned char *bytes = slurp(scratch("a.safetensors"), &size), *shifted = malloc(size + 1);
    memcpy(shifted + 1, bytes, size);
    ck_assert_int_eq(gla_tensors_parse(shifted + 1, size, "a", &back, NULL), GLA_OK);
    assert_same_file(&file, &back);
    for (size_t i = 0; i < back.count; i++) {
        double *value = malloc(((size_t)back.tensor[i].count + 1) * sizeof *value);
        gla_tensor_to_double(&back.tensor[i], value, NULL);
        free(value);
    }
    gla_tensors_free(&back);
    gla_tensors_free(&file);
    free(bytes);
    free(shifted);
}
END_TEST

/* ---- values ---- */

static const struct known_value {
    gla_dtype dtype;
    uint64_t word;
    double value;
} known_values[] = {
    {GLA_F64, 0x3ff8000000000000, 1.5},
    {GLA_F64, 1, 0x1p-1074},
    {GLA_F32, 0xc0490fdb, -0x1.921fb6p+1},
    {GLA_F32, 1, 0x1p-149},
    {GLA_F32, 0xff800000, -INFINITY},
    {GLA_BF16, 0x3f80, 1},
    {GLA_BF16, 0xc049, -3.140625},
    {GLA_BF16, 0x0001, 0x1p-133},
    {GLA_BF16, 0x7f80, INFINITY},
    {GLA_F16, 0x3555, 0x1.554p-2},
    {GLA_F16, 0x0001, 0x1p-24},
    {GLA_F16, 0x7bff, 65504},
    {GLA_F16, 0xfc00, -INFINITY},
    {GLA_F8_E4M3, 0x7e, 448},
    {GLA_F8_E4M3, 0x01, 0x1p-9},
    {GLA_F8_E5M2, 0x7b, 57344},
    {GLA_F8_E5M2, 0x7c, INFINITY},
    {GLA_F8_E5M2, 0x81, -0x1p-16},
    {GLA_I64, 0xffffffffffffffff, -1},
    {GLA_I64, (uint64_t)1 << 53, 0x1p53},
    {GLA_I32, 0x80000000, -0x1p31},
    {GLA_I16, 0xfffe, -2},
    {GLA_I8, 0x80, -128},
    {GLA_U64, 5, 5},
    {GLA_U32, 0xffffffff, 4294967295.0},
    {GLA_U16, 0xffff, 65535},
    {GLA_U8, 0xff, 255},
    {GLA_BOOL, 1, 1},
};

START_TEST(known_words_have_known_values) {
    const struct known_value *k = &known_values[_i];
    gla_named_tensor x = {.name = "x", .dtype = k->dtype, .count = 1, .raw = &k->word};
    double got;
    ck_assert_int_eq(gla_tensor_to_double(&x, &got, NULL), GLA_OK);
    ck_assert_msg(got == k->value, "%s %#llx: %a, want %a", gla_dtype_name(k->dtype), (unsigned long long)k->word, got,
                  k->value);
}
END_TEST

START_TEST(not_a_number_stays_one) {
    static const struct {
        gla_dtype dtype;
        uint64_t word;
    } words[] = {{GLA_F64, 0x7ff8000000000000}, {GLA_F32, 0x7fc00000}, {GLA_BF16, 0x7fc0}, {GLA_F16, 0xfe00},
                 {GLA_F8_E4M3, 0x7f},           {GLA_F8_E5M2, 0x7f}};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        gla_named_tensor x = {.name = "x", .dtype = words[i].dtype, .count = 1, .raw = &words[i].word};
        double value;
        ck_assert_int_eq(gla_tensor_to_double(&x, &value, NULL), GLA_OK);
        ck_assert(isnan(value));
        gla_dtype_store(words[i].dtype, &value, 1, &(uint64_t){0});
    }
}
END_TEST

/* Writing what was read gives the same word, for every word of 8 and 16 bits that is no NaN. */
START_TEST(words_come_back) {
    static const gla_dtype narrow[] = {GLA_BF16, GLA_F16, GLA_F8_E4M3, GLA_F8_E5M2};
    gla_dtype dtype = narrow[_i];
    for (uint32_t word = 0; word < 1u << (8 * gla_dtype_size(dtype)); word++) {
        gla_named_tensor x = {.name = "x", .dtype = dtype, .count = 1, .raw = &word};
        double value;
        uint32_t back = 0;
        ck_assert_int_eq(gla_tensor_to_double(&x, &value, NULL), GLA_OK);
        if (isnan(value)) continue;
        gla_dtype_store(dtype, &value, 1, &back);
        ck_assert_msg(back == word, "%s %#x came back as %#x", gla_dtype_name(dtype), word, back);
    }
}
END_TEST

/* One rounding, to nearest even: ties on both sides. */
START_TEST(values_are_rounded_to_nearest) {
    static const struct {
        gla_dtype dtype;
        double value, rounded;
    } rows[] = {{GLA_F32, 1 + 0x1p-24, 1},
                {GLA_F32, 1 + 0x3p-24, 1 + 0x1p-22},
                {GLA_BF16, 1 + 0x1p-8, 1},
                {GLA_BF16, 1 + 0x3p-8, 1 + 0x1p-6},
                {GLA_BF16, 1 + 0x1p-8 + 0x1p-50, 1 + 0x1p-7},
                {GLA_F16, 1 + 0x1p-11, 1},
                {GLA_F16, 65519, 65504},
                {GLA_F16, 65520, INFINITY},
                {GLA_F8_E5M2, 1.125, 1},
                {GLA_F64, 0.1, 0.1}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        gla_tensor_file file = {0};
        double got;
        ck_assert_int_eq(gla_tensors_add(&file, "x", rows[i].dtype, 0, NULL, &rows[i].value, NULL), GLA_OK);
        ck_assert_int_eq(gla_tensor_to_double(gla_tensors_find(&file, "x"), &got, NULL), GLA_OK);
        ck_assert_msg(got == rows[i].rounded, "%s %a: %a", gla_dtype_name(rows[i].dtype), rows[i].value, got);
        gla_tensors_free(&file);
    }
}
END_TEST

START_TEST(integers_are_exact_or_refused) {
    gla_error err = {0};
    double real;
    int64_t integer;
    int64_t big = ((int64_t)1 << 53) + 1;
    uint64_t huge = (uint64_t)1 << 63;
    gla_named_tensor x = {.name = "n", .dtype = GLA_I64, .count = 1, .raw = &big};
    assert_refused(gla_tensor_to_double(&x, &real, &err), &err, GLA_BAD_VALUE, "n: element 0");
    ck_assert_int_eq(gla_tensor_to_integers(&x, &integer, &err), GLA_OK);
    ck_assert(integer == big);
    x.raw = &huge;
    x.dtype = GLA_U64;
    assert_refused(gla_tensor_to_integers(&x, &integer, &err), &err, GLA_BAD_VALUE, "n: element 0");
    x.dtype = GLA_F64;
    assert_refused(gla_tensor_to_integers(&x, &integer, &err), &err, GLA_BAD_VALUE, "F64");
}
END_TEST

START_TEST(adding_is_checked) {
    gla_tensor_file file = {0};
    gla_error err = {0};
    double one = 1;
    int64_t shape[9] = {1, 1, 1, 1, 1, 1, 1, 1, 1};
    ck_assert_int_eq(gla_tensors_add(&file, "x", GLA_F32, 1, shape, &one, &err), GLA_OK);
    assert_refused(gla_tensors_add(&file, "x", GLA_F32, 1, shape, &one, &err), &err, GLA_BAD_FILE, "twice");
    assert_refused(gla_tensors_add(&file, "y", GLA_I64, 1, shape, &one, &err), &err, GLA_UNSUPPORTED, "I64");
    assert_refused(gla_tensors_add(&file, "y", GLA_F32, 9, shape, &one, &err), &err, GLA_BAD_FILE, "rank 9");
    assert_refused(gla_tensors_add(&file, "a\nb", GLA_F32, 1, shape, &one, &err), &err, GLA_BAD_FILE, "a?b");
    shape[0] = -1;
    assert_refused(gla_tensors_add(&file, "y", GLA_F32, 1, shape, &one, &err), &err, GLA_BAD_FILE, "[-1]");
    ck_assert_uint_eq(file.count, 1);
    gla_tensors_free(&file);
}
END_TEST

/* ---- malformed safetensors ---- */

/* length | json | data of zeros, in fresh memory so that a read past the end is seen by valgrind and the sanitizers. */
static unsigned char *make_safetensors(const char *json, size_t data, size_t *size) {
    uint64_t length = strlen(json);
    *size = 8 + length + data;
    unsigned char *bytes = calloc(1, *size);
    memcpy(bytes, &length, 8);
    memcpy(bytes + 8, json, length);
    return bytes;
}

static const struct bad_header {
    const char *json;
    size_t data;
    gla_status status;
    const char *needle;
} bad_headers[] = {
    {"", 0, GLA_BAD_FILE, "byte 8"},
    {"[]", 0, GLA_BAD_FILE, "byte 8"},
    {"{", 0, GLA_BAD_FILE, "header, byte 9"},
    {"{} x", 0, GLA_BAD_FILE, "header, byte"},
    {"{\"q\":", 0, GLA_BAD_FILE, "header, byte"},
    {"{\"q\":1}", 0, GLA_BAD_FILE, "'q' is not a JSON object"},
    {"{\"\\u0000\":1}", 0, GLA_BAD_FILE, "header, byte"},
    {"{\"\xff\":1}", 0, GLA_BAD_FILE, "header, byte"},
    {"{\"a\\nb\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4, GLA_BAD_FILE, "'a?b'"},
    {"{\"\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4, GLA_BAD_FILE, "empty"},
    {"{\"q\":{\"shape\":[1],\"data_offsets\":[0,4]}}", 4, GLA_BAD_FILE, "'q': dtype"},
    {"{\"q\":{\"dtype\":32,\"shape\":[1],\"data_offsets\":[0,4]}}", 4, GLA_BAD_FILE, "'q': dtype"},
    {"{\"q\":{\"dtype\":\"F4\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4, GLA_UNSUPPORTED, "'q': dtype F4"},
    {"{\"q\":{\"dtype\":\"F32\",\"data_offsets\":[0,4]}}", 4, GLA_BAD_FILE, "'q': shape"},
    {"{\"q\":{\"dtype\":\"F32\",\"shape\":4,\"data_offsets\":[0,4]}}", 4, GLA_BAD_FILE, "'q': shape"},
    {"{\"q\":{\"dtype\":\"F32\",\"shape\":[1.5],\"data_offsets\":[0,4]}}", 4, GLA_BAD_FILE, "'q': size 0"},
    {"{\"q\":{\"dtype\":\"F32\",\"shape\":[1,-1],\"data_offsets\":[0,4]}}", 4, GLA_BAD_FILE, "'q': size 1"},
    {"{\"q\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1,1,1,1,1,1],\"data_offsets\":[0,4]}}", 4, GLA_BAD_FILE, "'q': shape"},
    {"{\"q\":{\"dtype\":\"F32\",\"shape\":[99999999999999999999],\"data_offsets\":[0,4]}}", 4, GLA_BAD_FILE,
     "header, byte"},
    {"{\"q\":{\"dtype\":\"F32\",\"shape\":[4294967296,4294967296],\"data_offsets\":[0,0]}}", 0, GLA_BAD_FILE, "2^31"},
    {"{\"q\":{\"dtype\":\"F32\",\"shape\":[65536,65536],\"data_offsets\":[0,0]}}", 0, GLA_BAD_FILE, "[65536,65536]"},
    {"{\"q\":{\"dtype\":\"F32\",\"shape\":[9223372036854775807,0],\"data_offsets\":[0,0]}}", 0, GLA_BAD_FILE, "2^31"},
    {"{\"q\":{\"dtype\":\"F32\",\"shape\":[1]}}", 4, GLA_BAD_FILE, "'q': data_offsets"},
    {"{\"q\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0]}}", 4, GLA_BAD_FILE, "'q': data_offsets"},
    {"{\"q\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4,8]}}", 4, GLA_BAD_FILE, "'q': data_offsets"},
    {"{\"q\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,0]}}", 4, GLA_BAD_FILE, "'q': data_offsets"},
    {"{\"q\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[-4,0]}}", 4, GLA_BAD_FILE, "'q': data_offsets"},
    {"{\"q\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[\"0\",\"4\"]}}", 4, GLA_BAD_FILE, "'q': data_offsets"},
    {"{\"q\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 4, GLA_BAD_FILE,
     "'q' ends at data byte 8, the file has 4"},
    {"{\"q\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[9223372036854775803,9223372036854775807]}}", 4,
     GLA_BAD_FILE, "'q' ends"},
    {"{\"q\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,4]}}", 4, GLA_BAD_FILE,
     "'q' has 4 bytes, F32 of shape [2] needs 8"},
    {"{\"q\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 8, GLA_BAD_FILE,
     "end at data byte 4, the file has 8"},
    {"{\"q\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}", 8, GLA_BAD_FILE,
     "'q' begins at data byte 4, the one before ends at 0: a gap"},
    {"{\"q\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},\"k\":{\"dtype\":\"F32\",\"shape\":[2],\"data_"
     "offsets\":[4,12]}}",
     12, GLA_BAD_FILE, "'k' begins at data byte 4, the one before ends at 8: they overlap"},
    {"{\"q\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},\"q\":{\"dtype\":\"F32\",\"shape\":[1],\"data_"
     "offsets\":[4,8]}}",
     8, GLA_BAD_FILE, "duplicate"},
    {"{\"__metadata__\":[]}", 0, GLA_BAD_FILE, "metadata"},
    {"{\"__metadata__\":{\"scale\":1}}", 0, GLA_BAD_FILE, "'scale' is not a string"},
};

START_TEST(bad_headers_are_refused) {
    const struct bad_header *bad = &bad_headers[_i];
    size_t size;
    gla_tensor_file file;
    gla_error err = {0};
    unsigned char *bytes = make_safetensors(bad->json, bad->data, &size);
    gla_status status = gla_tensors_parse(bytes, size, "bad.safetensors", &file, &err);
    assert_refused(status, &err, bad->status, bad->needle);
    ck_assert_msg(strncmp(err.what, "bad.safetensors: ", 17) == 0, "no file name in: %s", err.what);
    ck_assert_ptr_null(file.tensor);
    ck_assert_int_eq(gla_tensors_parse(bytes, size, "bad", &file, NULL), bad->status);
    free(bytes);
}
END_TEST

START_TEST(bad_lengths_are_refused) {
    static const struct {
        size_t size;
        uint64_t claim;
        const char *needle;
    } rows[] = {{0, 0, "empty"},
                {1, 0, "1 bytes"},
                {7, 0, "7 bytes"},
                {8, 0, "byte 8"},
                {8, 1, "claims 1 bytes"},
                {20, 13, "more than the file holds"},
                {20, UINT64_MAX, "100000000"},
                {20, UINT64_MAX - 7, "100000000"},
                {20, 100000001, "at most 100000000"},
                {20, 100000000, "more than the file holds"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        gla_tensor_file file;
        gla_error err = {0};
        unsigned char word[8], *bytes = calloc(1, rows[i].size ? rows[i].size : 1);
        memcpy(word, &rows[i].claim, 8);
        memcpy(bytes, word, rows[i].size < 8 ? rows[i].size : 8);
        assert_refused(gla_tensors_parse(bytes, rows[i].size, "x", &file, &err), &err, GLA_BAD_FILE, rows[i].needle);
        free(bytes);
    }
}
END_TEST

START_TEST(deep_json_is_refused) {
    enum { DEPTH = 1000000 };
    char *json = malloc(DEPTH + 8);
    memcpy(json, "{\"q\":", 5);
    memset(json + 5, '[', DEPTH);
    json[DEPTH + 5] = 0;
    size_t size;
    gla_tensor_file file;
    gla_error err = {0};
    unsigned char *bytes = make_safetensors(json, 0, &size);
    assert_refused(gla_tensors_parse(bytes, size, "x", &file, &err), &err, GLA_BAD_FILE, "depth");
    free(bytes);
    free(json);
}
END_TEST

/* A cut file is never accepted, and never read past its end (the copy is exact, so that a sanitizer would see it). */
START_TEST(cut_files_are_refused) {
    gla_tensor_file file, back;
    random_file(&file, test_seed() + 2);
    const char *path = scratch(both_formats[_i]);
    ck_assert_int_eq(gla_tensors_write(path, &file, NULL), GLA_OK);
    gla_tensors_free(&file);
    size_t size;
    unsigned char *bytes = slurp(path, &size);
    for (size_t cut = 0; cut < size; cut += cut < 300 ? 1 : 37) {
        unsigned char *part = malloc(cut ? cut : 1);
        memcpy(part, bytes, cut);
        gla_error err = {0};
        gla_status status = gla_tensors_parse(part, cut, "cut", &back, &err);
        ck_assert_msg(status == GLA_BAD_FILE, "cut at %zu of %zu: status %d", cut, size, status);
        ck_assert_str_ne(err.what, "");
        free(part);
    }
    free(bytes);
}
END_TEST

/* Damaged anywhere, a file is refused or read as something; in npz the checksums see every damaged element. */
START_TEST(damage_is_survived) {
    gla_tensor_file file, back;
    uint64_t seed = test_seed() + 3;
    random_file(&file, seed);
    const char *path = scratch(both_formats[_i]);
    ck_assert_int_eq(gla_tensors_write(path, &file, NULL), GLA_OK);
    size_t size;
    unsigned char *bytes = slurp(path, &size);
    for (int round = 0; round < 3000; round++) {
        size_t at = next_word(&seed) % size;
        unsigned char kept = bytes[at];
        bytes[at] = (unsigned char)next_word(&seed);
        gla_error err = {0};
        if (gla_tensors_parse(bytes, size, "damaged", &back, &err) == GLA_OK) {
            if (_i == 1) { /* names may change, and metadata of the zip; elements may not */
                for (size_t i = 0; i < back.count; i++) {
                    const gla_named_tensor *x = &back.tensor[i], *y = gla_tensors_find(&file, x->name);
                    if (y) ck_assert_mem_eq(x->raw, y->raw, (size_t)y->count * gla_dtype_size(y->dtype));
                }
            }
            gla_tensors_free(&back);
        } else {
            ck_assert_str_ne(err.what, "");
        }
        bytes[at] = kept;
    }
    free(bytes);
    gla_tensors_free(&file);
}
END_TEST

/* ---- npy ---- */

/* magic, version, length, dictionary, zeros. */
static unsigned char *make_npy(int version, const char *dictionary, size_t data, size_t *size) {
    size_t begin = version == 1 ? 10 : 12, length = strlen(dictionary);
    *size = begin + length + data;
    unsigned char *bytes = calloc(1, *size);
    memcpy(bytes, "\x93NUMPY", 6);
    bytes[6] = (unsigned char)version;
    bytes[8] = (unsigned char)length;
    bytes[9] = (unsigned char)(length >> 8);
    memcpy(bytes + begin, dictionary, length);
    return bytes;
}

static const struct npy_row {
    const char *name, *dictionary;
    size_t data;
    gla_status status;
    const char *needle; /* the tensor's name if accepted */
    gla_dtype dtype;
} npy_rows[] = {
    {"q.npy", "{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }          \n", 12, GLA_OK, "q", GLA_F32},
    {"q", "{'descr':'<f8','fortran_order':False,'shape':()}", 8, GLA_OK, "q", GLA_F64},
    {"dir/q.npy", "{\"shape\": (2, 1), \"descr\": \"<f2\", \"fortran_order\": False}", 4, GLA_OK, "q", GLA_F16},
    {"q_bf16.npy", "{'descr': '<u2', 'fortran_order': False, 'shape': (2,), }", 4, GLA_OK, "q", GLA_BF16},
    {"q_f8_e4m3.npy", "{'descr': '|u1', 'fortran_order': False, 'shape': (2,), }", 2, GLA_OK, "q", GLA_F8_E4M3},
    {"q_f8_e5m2.npy", "{'descr': '|u1', 'fortran_order': False, 'shape': (2,), }", 2, GLA_OK, "q", GLA_F8_E5M2},
    {"_bf16.npy", "{'descr': '<u2', 'fortran_order': False, 'shape': (2,), }", 4, GLA_OK, "_bf16", GLA_U16},
    {"q_bf16.npy", "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }", 4, GLA_OK, "q_bf16", GLA_F32},
    {"n.npy", "{'descr': '<i8', 'fortran_order': True, 'shape': (2,), }", 16, GLA_OK, "n", GLA_I64},
    {"n.npy", "{'descr': '|b1', 'fortran_order': False, 'shape': (0, 7), }", 0, GLA_OK, "n", GLA_BOOL},
    {"q", "{'descr': '<f4', 'fortran_order': True, 'shape': (3, 1), }", 12, GLA_UNSUPPORTED, "Fortran", 0},
    {"q", "{'descr': '>f4', 'fortran_order': False, 'shape': (3,), }", 12, GLA_UNSUPPORTED, "big endian", 0},
    {"q", "{'descr': '<V2', 'fortran_order': False, 'shape': (3,), }", 6, GLA_UNSUPPORTED, "_bf16", 0},
    {"q", "{'descr': '<c16', 'fortran_order': False, 'shape': (3,), }", 48, GLA_UNSUPPORTED, "'<c16'", 0},
    {"q", "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (3,), }", 12, GLA_BAD_FILE, "character 10", 0},
    {"q", "{'descr': '<f4', 'fortran_order': 0, 'shape': (3,), }", 12, GLA_BAD_FILE, "not understood", 0},
    {"q", "{'descr': '<f4', 'shape': (3,), }", 12, GLA_BAD_FILE, "not understood", 0},
    {"q", "{'descr': '<f4', 'fortran_order': False, 'shape': (3,), 'shape': (3,), }", 12, GLA_BAD_FILE,
     "not understood", 0},
    {"q", "{'descr': '<f4', 'fortran_order': False, 'shape': (3,), 'more': 1}", 12, GLA_BAD_FILE, "not understood", 0},
    {"q", "{'descr': '<f4', 'fortran_order': False, 'shape': (-3,), }", 12, GLA_BAD_FILE, "not understood", 0},
    {"q", "{'descr': '<f4', 'fortran_order': False, 'shape': (3, }", 12, GLA_BAD_FILE, "not understood", 0},
    {"q", "{'descr': '<f4', 'fortran_order': False, 'shape': (3,)", 12, GLA_BAD_FILE, "not understood", 0},
    {"q", "{'descr': '<f4', 'fortran_order': False, 'shape': (3,)} x", 12, GLA_BAD_FILE, "not understood", 0},
    {"q", "{'descr': '<f4, 'fortran_order': False, 'shape': (3,)}", 12, GLA_BAD_FILE, "not understood", 0},
    {"q", "{'descr': '<f4", 12, GLA_BAD_FILE, "not understood", 0},
    {"q", "", 12, GLA_BAD_FILE, "not understood", 0},
    {"q", "{'descr': '<f4', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,1,1), }", 4, GLA_BAD_FILE, "not understood",
     0},
    {"q", "{'descr': '<f4', 'fortran_order': False, 'shape': (18446744073709551619,), }", 12, GLA_BAD_FILE,
     "not understood", 0},
    {"q", "{'descr': '<f4', 'fortran_order': False, 'shape': (65536, 65536), }", 12, GLA_BAD_FILE, "2^31", 0},
    {"q", "{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }", 11, GLA_BAD_FILE, "'q' has 11 bytes of elements",
     0},
    {"q", "{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }", 13, GLA_BAD_FILE, "'q' has 13 bytes of elements",
     0},
};

START_TEST(npy_headers) {
    const struct npy_row *row = &npy_rows[_i];
    for (int version = 1; version <= 3; version++) {
        size_t size;
        gla_tensor_file file;
        gla_error err = {0};
        unsigned char *bytes = make_npy(version, row->dictionary, row->data, &size);
        gla_status status = gla_tensors_parse(bytes, size, row->name, &file, &err);
        if (row->status) {
            assert_refused(status, &err, row->status, row->needle);
        } else {
            ck_assert_msg(status == GLA_OK, "%s", err.what);
            ck_assert_uint_eq(file.count, 1);
            ck_assert_str_eq(file.tensor[0].name, row->needle);
            ck_assert_int_eq(file.tensor[0].dtype, row->dtype);
            gla_tensors_free(&file);
        }
        free(bytes);
    }
}
END_TEST

START_TEST(npy_frames) {
    size_t size;
    gla_tensor_file file;
    gla_error err = {0};
    unsigned char *bytes = make_npy(4, "{}", 0, &size);
    assert_refused(gla_tensors_parse(bytes, size, "q", &file, &err), &err, GLA_UNSUPPORTED, "version 4");
    bytes[6] = 2;
    bytes[11] = 0xff;
    assert_refused(gla_tensors_parse(bytes, size, "q", &file, &err), &err, GLA_BAD_FILE, "does not fit");
    for (size_t cut = 6; cut < size; cut++) {
        unsigned char *part = malloc(cut);
        memcpy(part, bytes, cut);
        ck_assert_int_eq(gla_tensors_parse(part, cut, "q", &file, NULL), GLA_BAD_FILE);
        free(part);
    }
    free(bytes);
}
END_TEST

/* ---- npz ---- */

/* An archive of one member, packed by `method`. */
static unsigned char *make_zip(const char *member, const void *content, size_t length, zip_int32_t method,
                               size_t *size) {
    const char *path = scratch("made.zip");
    zip_t *archive = zip_open(path, ZIP_CREATE | ZIP_TRUNCATE, NULL);
    zip_int64_t index = zip_file_add(archive, member, zip_source_buffer(archive, content, length, 0), 0);
    ck_assert_int_eq(zip_set_file_compression(archive, (zip_uint64_t)index, method, 0), 0);
    ck_assert_int_eq(zip_close(archive), 0);
    return slurp(path, size);
}

START_TEST(deflated_members_are_read) {
    size_t npy_size, size;
    gla_tensor_file file;
    gla_error err = {0};
    unsigned char *npy =
        make_npy(1, "{'descr': '<f4', 'fortran_order': False, 'shape': (100, 100), }", 40000, &npy_size);
    float one = 1;
    memcpy(npy + npy_size - 4, &one, 4);
    unsigned char *bytes = make_zip("q.npy", npy, npy_size, ZIP_CM_DEFLATE, &size);
    ck_assert_uint_lt(size, 1000);
    ck_assert_msg(gla_tensors_parse(bytes, size, "x.npz", &file, &err) == GLA_OK, "%s", err.what);
    static double value[10000];
    ck_assert_int_eq(gla_tensor_to_double(gla_tensors_find(&file, "q"), value, &err), GLA_OK);
    ck_assert(value[9998] == 0 && value[9999] == 1);
    gla_tensors_free(&file);
    free(npy);
    free(bytes);
}
END_TEST

static const struct zip_row {
    const char *member, *content, *needle;
    gla_status status;
} zip_rows[] = {
    {"readme.txt", "hello", "'readme.txt' is neither", GLA_BAD_FILE},
    {".npy", "hello", "'.npy' is neither", GLA_BAD_FILE},
    {"folder/", "", "'folder/' is neither", GLA_BAD_FILE},
    {"q.npy", "hello", "'q' does not begin", GLA_BAD_FILE},
    {"q.npy", "", "'q' does not begin", GLA_BAD_FILE},
    {"metadata.json", "{", "metadata.json, byte", GLA_BAD_FILE},
    {"metadata.json", "[]", "not a JSON object", GLA_BAD_FILE},
    {"metadata.json", "{\"a\": 1}", "'a' is not a string", GLA_BAD_FILE},
    {"metadata.json", "{\"a\": \"1\", \"a\": \"2\"}", "duplicate", GLA_BAD_FILE},
};

START_TEST(bad_members_are_refused) {
    const struct zip_row *row = &zip_rows[_i];
    size_t size;
    gla_tensor_file file;
    gla_error err = {0};
    unsigned char *bytes = make_zip(row->member, row->content, strlen(row->content), ZIP_CM_STORE, &size);
    assert_refused(gla_tensors_parse(bytes, size, "x.npz", &file, &err), &err, row->status, row->needle);
    free(bytes);
}
END_TEST

START_TEST(two_arrays_of_one_name) {
    gla_tensor_file file = {0}, back;
    gla_error err = {0};
    double one = 1;
    ck_assert_int_eq(gla_tensors_add(&file, "q", GLA_BF16, 0, NULL, &one, &err), GLA_OK);
    ck_assert_int_eq(gla_tensors_add(&file, "x", GLA_F32, 0, NULL, &one, &err), GLA_OK);
    free(file.tensor[1].name);
    file.tensor[1].name = strdup("q"); /* q_bf16.npy and q.npy */
    ck_assert_int_eq(gla_tensors_write(scratch("two.npz"), &file, &err), GLA_OK);
    assert_refused(gla_tensors_read(scratch("two.npz"), &back, &err), &err, GLA_BAD_FILE, "'q' is there twice");
    gla_tensors_free(&file);
}
END_TEST

/* Patch a u32 of the central directory (offset from its "PK\1\2") and, if both, of the local header. */
static void patch_size(unsigned char *bytes, size_t size, size_t central, size_t local, uint32_t value) {
    for (size_t i = 0; i + 46 < size; i++) {
        if (memcmp(bytes + i, "PK\1\2", 4) == 0) memcpy(bytes + i + central, &value, 4);
        if (local && memcmp(bytes + i, "PK\3\4", 4) == 0) memcpy(bytes + i + local, &value, 4);
    }
}

START_TEST(lying_members_are_refused) {
    size_t npy_size, size;
    gla_tensor_file file;
    gla_error err = {0};
    unsigned char *npy =
        make_npy(1, "{'descr': '<f4', 'fortran_order': False, 'shape': (100, 100), }", 40000, &npy_size);
    unsigned char *bytes = make_zip("q.npy", npy, npy_size, ZIP_CM_DEFLATE, &size);
    patch_size(bytes, size, 24, 22, 0xfffffff0); /* uncompressed size: 4 GiB out of nothing */
    assert_refused(gla_tensors_parse(bytes, size, "x", &file, &err), &err, GLA_BAD_FILE, "cannot be");
    patch_size(bytes, size, 24, 22, (uint32_t)npy_size + 1);
    assert_refused(gla_tensors_parse(bytes, size, "x", &file, &err), &err, GLA_BAD_FILE, "'q.npy'");
    patch_size(bytes, size, 24, 22, (uint32_t)npy_size - 1);
    assert_refused(gla_tensors_parse(bytes, size, "x", &file, &err), &err, GLA_BAD_FILE, "'q.npy'");
    patch_size(bytes, size, 24, 22, (uint32_t)npy_size);
    patch_size(bytes, size, 16, 14, 12345); /* CRC */
    assert_refused(gla_tensors_parse(bytes, size, "x", &file, &err), &err, GLA_BAD_FILE, "CRC");
    free(bytes);
    bytes = make_zip("q.npy", npy, npy_size, ZIP_CM_BZIP2, &size);
    assert_refused(gla_tensors_parse(bytes, size, "x", &file, &err), &err, GLA_UNSUPPORTED, "method 12");
    free(bytes);
    free(npy);
}
END_TEST

/* ---- the operating system ---- */

START_TEST(only_regular_files_are_read) {
    gla_tensor_file file;
    gla_error err = {0};
    ck_assert_int_eq(mkfifo(scratch("pipe"), 0600), 0);
    spill(scratch("empty"), "", 0);
    spill(scratch("text"), "hello, world, this is text\n", 27);
    assert_refused(gla_tensors_read(scratch("absent"), &file, &err), &err, GLA_IO_ERROR, "No such file");
    assert_refused(gla_tensors_read(scratch_folder, &file, &err), &err, GLA_IO_ERROR, "directory");
    assert_refused(gla_tensors_read("/dev/zero", &file, &err), &err, GLA_IO_ERROR, "not a regular file");
    assert_refused(gla_tensors_read(scratch("pipe"), &file, &err), &err, GLA_IO_ERROR, "not a regular file");
    assert_refused(gla_tensors_read(scratch("empty"), &file, &err), &err, GLA_BAD_FILE, "empty");
    assert_refused(gla_tensors_read(scratch("text"), &file, &err), &err, GLA_BAD_FILE, "is it a safetensors");
    if (geteuid() != 0) { /* root reads everything */
        ck_assert_int_eq(chmod(scratch("text"), 0), 0);
        assert_refused(gla_tensors_read(scratch("text"), &file, &err), &err, GLA_IO_ERROR, "Permission");
    }
}
END_TEST

START_TEST(huge_sparse_files_are_refused) {
    gla_tensor_file file;
    gla_error err = {0};
    spill(scratch("huge"), "", 0);
    if (truncate(scratch("huge"), ((off_t)1 << 40)) != 0) return; /* a file system without sparse files */
    assert_refused(gla_tensors_read(scratch("huge"), &file, &err), &err, GLA_BAD_FILE, "32 GiB");
}
END_TEST

static int files_in_scratch(void) {
    DIR *folder = opendir(scratch_folder);
    int count = -2; /* . and .. */
    while (readdir(folder)) count++;
    closedir(folder);
    return count;
}

/* A write that fails leaves the old file, and nothing else. */
START_TEST(a_full_disk_leaves_no_trace) {
    gla_tensor_file old = {0}, big = {0}, back;
    gla_error err = {0};
    int64_t shape[] = {100000};
    double *value = calloc(100000, sizeof *value);
    ck_assert_int_eq(gla_tensors_add(&old, "old", GLA_F32, 1, (int64_t[]){10}, value, &err), GLA_OK);
    ck_assert_int_eq(gla_tensors_add(&big, "big", GLA_F64, 1, shape, value, &err), GLA_OK);
    const char *path = scratch(both_formats[_i]);
    ck_assert_int_eq(gla_tensors_write(path, &old, &err), GLA_OK);

    signal(SIGXFSZ, SIG_IGN); /* past the limit write() fails with EFBIG, as a full disk does with ENOSPC */
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &(struct rlimit){100000, RLIM_INFINITY}), 0);
    assert_refused(gla_tensors_write(path, &big, &err), &err, GLA_IO_ERROR, both_formats[_i]);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &(struct rlimit){RLIM_INFINITY, RLIM_INFINITY}), 0);

    ck_assert_int_eq(files_in_scratch(), 1);
    ck_assert_int_eq(gla_tensors_read(path, &back, &err), GLA_OK);
    ck_assert_ptr_nonnull(gla_tensors_find(&back, "old"));
    ck_assert_int_eq(gla_tensors_write(path, &big, &err), GLA_OK);
    ck_assert_int_eq(files_in_scratch(), 1);
    gla_tensors_free(&back);
    gla_tensors_free(&old);
    gla_tensors_free(&big);
    free(value);
}
END_TEST

START_TEST(writing_to_odd_places) {
    gla_tensor_file file = {0}, back;
    gla_error err = {0};
    double one = 1;
    assert_refused(gla_tensors_write(scratch("x.npz"), &file, &err), &err, GLA_BAD_FILE, "nothing to write");
    ck_assert_int_eq(gla_tensors_add(&file, "q", GLA_F32, 0, NULL, &one, &err), GLA_OK);
    assert_refused(gla_tensors_write(scratch("x.bin"), &file, &err), &err, GLA_UNSUPPORTED, ".safetensors or .npz");
    assert_refused(gla_tensors_write(scratch_folder, &file, &err), &err, GLA_IO_ERROR, "directory");
    assert_refused(gla_tensors_write(scratch("no/x.npz"), &file, &err), &err, GLA_IO_ERROR, "No such file");
    assert_refused(gla_tensors_write("/dev/full", &file, &err), &err, GLA_IO_ERROR, "No space left");
    ck_assert_int_eq(gla_tensors_write("/dev/null", &file, &err), GLA_OK);
    ck_assert_int_eq(files_in_scratch(), 0);

    spill(scratch("real.safetensors"), "old", 3); /* through a link: the link stays, its target changes */
    ck_assert_int_eq(symlink("real.safetensors", scratch("link.safetensors")), 0);
    ck_assert_int_eq(gla_tensors_write(scratch("link.safetensors"), &file, &err), GLA_OK);
    struct stat info;
    ck_assert_int_eq(lstat(scratch("link.safetensors"), &info), 0);
    ck_assert(S_ISLNK(info.st_mode));
    ck_assert_int_eq(gla_tensors_read(scratch("real.safetensors"), &back, &err), GLA_OK);
    gla_tensors_free(&back);

    gla_tensors_set_meta(&file, "bad", "\xff", &err);
    for (int i = 0; i < 2; i++)
        assert_refused(gla_tensors_write(scratch(both_formats[i]), &file, &err), &err, GLA_BAD_FILE, "UTF-8");
    ck_assert_int_eq(files_in_scratch(), 2);
    gla_tensors_free(&file);
}
END_TEST

static TCase *group(Suite *s, const char *name) {
    TCase *t = tcase_create(name);
    tcase_set_timeout(t, 30);
    tcase_add_checked_fixture(t, scratch_open, scratch_close);
    suite_add_tcase(s, t);
    return t;
}

#define ROWS(table) (int)(sizeof table / sizeof *table)

static Suite *suite(void) {
    Suite *s = suite_create("tensors");
    TCase *t = group(s, "round trips");
    tcase_add_loop_test(t, every_dtype_survives, 0, 2);
    tcase_add_test(t, alignment_does_not_matter);
    t = group(s, "values");
    tcase_add_loop_test(t, known_words_have_known_values, 0, ROWS(known_values));
    tcase_add_test(t, not_a_number_stays_one);
    tcase_add_loop_test(t, words_come_back, 0, 4);
    tcase_add_test(t, values_are_rounded_to_nearest);
    tcase_add_test(t, integers_are_exact_or_refused);
    tcase_add_test(t, adding_is_checked);
    t = group(s, "malformed");
    tcase_add_loop_test(t, bad_headers_are_refused, 0, ROWS(bad_headers));
    tcase_add_test(t, bad_lengths_are_refused);
    tcase_add_test(t, deep_json_is_refused);
    tcase_add_loop_test(t, cut_files_are_refused, 0, 2);
    tcase_add_loop_test(t, damage_is_survived, 0, 2);
    tcase_add_loop_test(t, npy_headers, 0, ROWS(npy_rows));
    tcase_add_test(t, npy_frames);
    tcase_add_test(t, deflated_members_are_read);
    tcase_add_loop_test(t, bad_members_are_refused, 0, ROWS(zip_rows));
    tcase_add_test(t, two_arrays_of_one_name);
    tcase_add_test(t, lying_members_are_refused);
    t = group(s, "operating system");
    tcase_add_test(t, only_regular_files_are_read);
    tcase_add_test(t, huge_sparse_files_are_refused);
    tcase_add_loop_test(t, a_full_disk_leaves_no_trace, 0, 2);
    tcase_add_test(t, writing_to_odd_places);
    return s;
}

int main(void) { return test_main(suite()); }
