/* SPDX-License-Identifier: Apache-2.0
 *
 * The special function unit against a device, and its tables against the fit. Under GLASSBOX_LONG all 2^32 words of
 * each function.
 */

#include "../../testing.h"
#include "fast/hardware/mufu_unit.h"
#include "mufu_fit.h"
#include "mufu_replay.h"

/* ---- words ---- */

static const enum mufu_function functions[] = {MUFU_EX2_FTZ, MUFU_EX2, MUFU_RCP_FTZ, MUFU_RCP,
                                               MUFU_RSQ_FTZ, MUFU_RSQ, MUFU_LG2_FTZ, MUFU_LG2};
enum { FUNCTIONS = sizeof functions / sizeof *functions };

START_TEST(as_the_device) { ck_assert_int_eq(mufu_blocks_that_differ(functions[_i]), 0); }
END_TEST

/* Special values, from the PTX manual. */
START_TEST(specials) {
    static const struct {
        enum mufu_function function;
        uint32_t argument, result;
    } cases[] = {
        {MUFU_EX2_FTZ, 0xff800000, 0},          {MUFU_EX2_FTZ, 0x80000001, 0x3f800000},
        {MUFU_EX2_FTZ, 0x7f800000, 0x7f800000}, {MUFU_EX2_FTZ, 0x7f800001, 0x7fffffff},
        {MUFU_RCP_FTZ, 0x80000000, 0xff800000}, {MUFU_RCP_FTZ, 0x007fffff, 0x7f800000},
        {MUFU_RCP_FTZ, 0xff800000, 0x80000000}, {MUFU_RSQ_FTZ, 0x80000000, 0xff800000},
        {MUFU_RSQ_FTZ, 0x7f800000, 0},          {MUFU_RSQ_FTZ, 0xbf800000, 0x7fffffff},
        {MUFU_LG2_FTZ, 0x00000001, 0xff800000}, {MUFU_LG2_FTZ, 0x7f800000, 0x7f800000},
        {MUFU_LG2_FTZ, 0xbf800000, 0x7fffffff}, {MUFU_LG2_FTZ, 0x3f800000, 0},
    };
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++)
        ck_assert_msg(mufu_replayed(cases[k].function, cases[k].argument) == cases[k].result, "%s(%08x) = %08x",
                      mufu_names[cases[k].function], cases[k].argument,
                      mufu_replayed(cases[k].function, cases[k].argument));
}
END_TEST

/* ---- the squarer ---- */

START_TEST(square_is_cut_by_partial_products) {
    for (uint32_t r = 0; r < 1u << GLA_MUFU_REST; r++) {
        uint32_t sum = 0;
        for (int j = 0; j < GLA_MUFU_REST; j++)
            if (r >> j & 1) sum += r >> (18 - j);
        ck_assert_uint_eq(gla_mufu_square(r), sum >> 1);
    }
}
END_TEST

/* ---- tables ---- */

static const enum mufu_function fitted[] = {MUFU_EX2_FTZ, MUFU_RCP_FTZ, MUFU_RSQ_FTZ, MUFU_LG2_FTZ};
/* 1/x leaves two constants that differ by one: the least is taken. */
static const int fitted_biases[] = {1, 2, 1, 1};

static char *contents(const char *path) {
    FILE *file = fopen(path, "rb");
    char *text = calloc(1, 1 << 16);
    ck_assert_msg(file != NULL && text != NULL, "%s", path);
    ck_assert_uint_lt(fread(text, 1, (1 << 16) - 1, file), (1 << 16) - 1);
    fclose(file);
    return text;
}

START_TEST(tables_are_what_the_fit_writes) {
    char *written = NULL, *kept = contents("fast/hardware/mufu_tables.c");
    size_t size;
    FILE *out = open_memstream(&written, &size);
    mufu_fit_write_head(out);
    for (int k = 0; k < 4; k++) {
        mufu_records records;
        mufu_fit fit;
        ck_assert_int_eq(mufu_records_read(fitted[k], &records, NULL), GLA_OK);
        ck_assert(mufu_fit_words(fitted[k], records.binade, records.binade_count, &fit));
        for (int i = 0; i < fit.segments; i++) ck_assert_int_eq(fit.segment[i].pairs, 1);
        ck_assert_int_eq(fit.biases, fitted_biases[k]);
        mufu_fit_write(fitted[k], &fit, out);
        mufu_records_free(&records);
    }
    fclose(out);
    ck_assert_str_eq(written, kept);
    free(written);
    free(kept);
}
END_TEST

/* A fit that would take anything shows nothing: one wrong word of a segment leaves it without coefficients. */
START_TEST(fit_refuses_a_wrong_word) {
    mufu_records records;
    mufu_fit fit;
    ck_assert_int_eq(mufu_records_read(MUFU_EX2_FTZ, &records, NULL), GLA_OK);
    const size_t segment = 1 << GLA_MUFU_REST;
    ck_assert(mufu_fit_words(MUFU_EX2_FTZ, records.binade, segment, &fit));
    records.binade[12345] += 2;
    ck_assert(!mufu_fit_words(MUFU_EX2_FTZ, records.binade, segment, &fit));
    mufu_records_free(&records);
}
END_TEST

/* log2 of (1, 2) is less than 1, and no less than the sum's unit. */
START_TEST(fit_refuses_what_no_sum_gives) {
    static const uint32_t words[] = {0, 1, 0x00800000, 0x2d000000, 0x3f800000, 0x7f800000, 0x80000000, 0xffffffff};
    mufu_records records;
    mufu_fit fit;
    ck_assert_int_eq(mufu_records_read(MUFU_LG2_FTZ, &records, NULL), GLA_OK);
    const size_t segment = 1 << GLA_MUFU_REST;
    ck_assert(mufu_fit_words(MUFU_LG2_FTZ, records.binade, segment, &fit));
    records.binade[12345] = words[_i];
    ck_assert(!mufu_fit_words(MUFU_LG2_FTZ, records.binade, segment, &fit));
    mufu_records_free(&records);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("mufu");
    TCase *t = tcase_create("mufu");
    tcase_set_timeout(t, test_long() ? 1200 : 120);
    tcase_add_loop_test(t, as_the_device, 0, FUNCTIONS);
    tcase_add_test(t, specials);
    tcase_add_test(t, square_is_cut_by_partial_products);
    tcase_add_test(t, tables_are_what_the_fit_writes);
    tcase_add_test(t, fit_refuses_a_wrong_word);
    tcase_add_loop_test(t, fit_refuses_what_no_sum_gives, 0, 8);
    suite_add_tcase(s, t);
    return s;
}

int main(void) { return test_main(suite()); }
