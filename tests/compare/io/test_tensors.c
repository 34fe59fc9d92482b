/* SPDX-License-Identifier: Apache-2.0
 *
 * Tensor files: every dtype survives both formats bit for bit; values convert exactly; a cut or damaged file is
 * survived. What each format refuses: test_safetensors.c, test_npz.c; the operating system: test_tensors_file.c.
 */
#include <math.h>

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

/* Others may map the file: elements of n bytes lie at multiples of n. */
START_TEST(written_elements_are_aligned) {
    gla_tensor_file file, back;
    random_file(&file, test_seed());
    for (int round = 0; round < 8; round++) { /* headers of every length modulo 8 */
        gla_tensors_set_meta(&file, "round", &"12345678"[round], NULL);
        ck_assert_int_eq(gla_tensors_write(scratch("a.safetensors"), &file, NULL), GLA_OK);
        ck_assert_int_eq(gla_tensors_read(scratch("a.safetensors"), &back, NULL), GLA_OK);
        for (size_t i = 0; i < back.count; i++) {
            const gla_named_tensor *x = &back.tensor[i];
            ptrdiff_t place = (const char *)x->raw - (const char *)back.bytes;
            ck_assert_uint_eq((size_t)place % gla_dtype_size(x->dtype), 0);
        }
        gla_tensors_free(&back);
    }
    gla_tensors_free(&file);
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

/* ---- damage ---- */

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

static Suite *suite(void) {
    Suite *s = suite_create("tensors");
    TCase *t = scratch_group(s, "round trips");
    tcase_add_loop_test(t, every_dtype_survives, 0, 2);
    tcase_add_test(t, written_elements_are_aligned);
    tcase_add_test(t, alignment_does_not_matter);
    t = scratch_group(s, "values");
    tcase_add_loop_test(t, known_words_have_known_values, 0, (int)(sizeof known_values / sizeof *known_values));
    tcase_add_test(t, not_a_number_stays_one);
    tcase_add_loop_test(t, words_come_back, 0, 4);
    tcase_add_test(t, values_are_rounded_to_nearest);
    tcase_add_test(t, integers_are_exact_or_refused);
    tcase_add_test(t, adding_is_checked);
    t = scratch_group(s, "damage");
    tcase_add_loop_test(t, cut_files_are_refused, 0, 2);
    tcase_add_loop_test(t, damage_is_survived, 0, 2);
    return s;
}

int main(void) { return test_main(suite()); }
