/* SPDX-License-Identifier: Apache-2.0
 *
 * The errors that mufu.h and gpu_exp.h state, measured again: on one word in 1021, under GLASSBOX_LONG on every word.
 */
#include <math.h>
#include <string.h>

#include "../../testing.h"
#include "fast/hardware/special_functions.h"
#include "mufu_error.h"
#include "mufu_records.h"

typedef struct stated_error {
    enum mufu_function function;
    uint32_t first, last;
    double ulp; /* 0: not stated */
    double wrong;
    double absolute; /* log2; 0: not stated */
} stated_error;

/* 2^-26 <= |x| <= 128, where exponentials are neither 1 nor out of range. */
#define ABOVE_ZERO 0x32800000, 0x43000000
#define BELOW_ZERO 0xb2800000, 0xc3000000

static const stated_error stated[] = {
    {MUFU_EX2_FTZ, ABOVE_ZERO, 1.39839, 24.364, 0},
    {MUFU_EX2_FTZ, BELOW_ZERO, 2.05498, 43.968, 0},
    {MUFU_EX2, ABOVE_ZERO, 1.39839, 24.364, 0},
    {MUFU_EX2, BELOW_ZERO, 2.05498, 43.968, 0},
    {MUFU_RCP_FTZ, 0x3f800000, 0x3fffffff, 0.97487, 13.215, 0},
    {MUFU_RCP, 0x3f800000, 0x3fffffff, 0.97487, 13.215, 0},
    {MUFU_RSQ_FTZ, 0x3f800000, 0x407fffff, 1.51449, 21.661, 0},
    {MUFU_RSQ, 0x3f800000, 0x407fffff, 1.51449, 21.661, 0},
    {MUFU_LG2_FTZ, 0x3f000000, 0x3fffffff, 0, 80.398, -22.1476},
    {MUFU_LG2_FTZ, 0x40000000, 0x7f7fffff, 1.38201, 47.413, 0},
    {MUFU_LG2_FTZ, 0x00800000, 0x3effffff, 2.30044, 52.721, 0},
    {MUFU_LG2, 0x3f000000, 0x3fffffff, 0, 80.398, -22.1476},
    {MUFU_LG2, 0x40000000, 0x7f7fffff, 1.38201, 47.413, 0},
    {MUFU_LG2, 0x00800000, 0x3effffff, 2.30044, 52.721, 0},
    {MUFU_EXPF, ABOVE_ZERO, 1.90570, 21.862, 0},
    {MUFU_EXPF, BELOW_ZERO, 1.93099, 37.002, 0},
    {MUFU_EXP_FAST_FTZ, ABOVE_ZERO, 63.78065, 31.829, 0},
    {MUFU_EXP_FAST_FTZ, BELOW_ZERO, 62.74428, 48.100, 0},
    {MUFU_EXP_TRITON, ABOVE_ZERO, 63.78065, 31.829, 0},
    {MUFU_EXP_TRITON, BELOW_ZERO, 62.74428, 48.100, 0},
    {MUFU_EXP2_POLY, ABOVE_ZERO, 0.78854, 1.565, 0},
    {MUFU_EXP2_POLY, BELOW_ZERO, 0.79961, 1.732, 0},
    {MUFU_EXP_POLY, ABOVE_ZERO, 1.01149, 2.369, 0},
    {MUFU_EXP_POLY, BELOW_ZERO, 1.00324, 2.550, 0},
};
enum { STATED = sizeof stated / sizeof *stated };

START_TEST(errors_are_as_stated) {
    const stated_error *s = &stated[_i];
    const mufu_error e = mufu_error_of(s->function, s->first, s->last, test_long() ? 1 : 1021);
    const double wrong = 100 * (double)e.wrong / (double)e.words, absolute = log2(e.most_absolute);
    printf("%-12s %08x..%08x: %lld words, %.5f ulp at %08x, 2^%.4f, %.3f %% not nearest\n", mufu_names[s->function],
           s->first, s->last, e.words, e.most_ulp, e.at, absolute, wrong);
    fflush(stdout);
    ck_assert_double_le_tol(fabs(wrong - s->wrong), test_long() ? 0.0005 : 0.5, 1e-9);
    if (s->ulp > 0) ck_assert_double_le(e.most_ulp, s->ulp + 0.00001);
    if (s->absolute < 0) ck_assert_double_le(absolute, s->absolute + 0.0001);
    if (test_long() && s->ulp > 0) ck_assert_double_ge(e.most_ulp, s->ulp - 0.00001);
    if (test_long() && s->absolute < 0) ck_assert_double_ge(absolute, s->absolute - 0.0001);
}
END_TEST

/* The table of glassbox hardware has every function that is recorded, and these errors. */
START_TEST(table_says_the_same) {
    unsigned listed = 0;
    for (const gla_special_function *row = gla_special_functions; row->name; row++) {
        char name[32];
        int f = 0;
        ck_assert_int_eq(sscanf(row->record, "data/hardware/mufu_%31[a-z0-9_].npz", name), 1);
        while (f < MUFU_FUNCTIONS && strcmp(mufu_names[f], name) != 0) f++;
        ck_assert_msg(f < MUFU_FUNCTIONS && !(listed >> f & 1), "%s", row->record);
        listed |= 1u << f;
        double ulp = 0, absolute = 0;
        for (const stated_error *s = stated; s < stated + STATED; s++) {
            if ((int)s->function != f) continue;
            ulp = fmax(ulp, s->ulp);
            absolute = fmin(absolute, s->absolute);
        }
        ck_assert_msg(row->ulp == ulp && row->absolute == absolute, "%s: %g ulp, 2^%g", row->name, ulp, absolute);
        mufu_records records;
        ck_assert_int_eq(mufu_records_read((enum mufu_function)f, &records, NULL), GLA_OK);
        ck_assert_int_eq(row->compared, (int64_t)MUFU_BLOCKS * MUFU_BLOCK);
        mufu_records_free(&records);
    }
    const unsigned all = (1u << MUFU_FUNCTIONS) - 1,
                   not_kept = 1u << MUFU_TANH | 1u << MUFU_EXP2F | 1u << MUFU_EXP_FAST;
    ck_assert_uint_eq(listed, all & ~not_kept);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("mufu_error");
    TCase *t = tcase_create("mufu_error");
    tcase_set_timeout(t, test_long() ? 1200 : 60);
    tcase_add_loop_test(t, errors_are_as_stated, 0, STATED);
    tcase_add_test(t, table_says_the_same);
    suite_add_tcase(s, t);
    return s;
}

int main(void) { return test_main(suite()); }
