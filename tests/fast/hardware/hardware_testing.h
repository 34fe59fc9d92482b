/* SPDX-License-Identifier: Apache-2.0
 *
 * What the suites of the hardware number systems share: opening and running by any name, and bitwise comparison.
 */
#ifndef GLASSBOX_HARDWARE_TESTING_H
#define GLASSBOX_HARDWARE_TESTING_H

#include "fast/hardware/hardware.h"
#include "tests/reference/gated/problems.h"
#include "tests/reference/number/numbers_testing.h"

static inline uint32_t word_of(float x) {
    uint32_t w;
    memcpy(&w, &x, sizeof w);
    return w;
}

static inline float float_of(uint32_t w) {
    float x;
    memcpy(&x, &w, sizeof x);
    return x;
}

static inline uint32_t word_at(const void *x) {
    uint32_t w;
    memcpy(&w, x, sizeof w);
    return w;
}

static inline gla_numbers *hardware_opened(const char *name) {
    gla_numbers *n;
    gla_error err = {0};
    ck_assert_msg(gla_all_numbers_open(name, &n, &err) == GLA_OK, "%s: %s", name, err.what);
    return n;
}

static inline test_run hardware_run(const gla_problem *p, gla_form form, const char *name) {
    test_run run = {.numbers = hardware_opened(name)};
    gla_error err = {0};
    gla_status status = gla_run(p, &form, run.numbers, &run.result, &err);
    ck_assert_msg(status == GLA_OK, "%s: %s", name, err.what);
    return run;
}

/* Outputs of the same shapes and the same values, signs of zero too; NaN equals NaN. */
static inline void check_same_words(const test_run *a, const test_run *b, const char *what) {
    for (int i = 0; i < GLA_OUTPUTS; i++) {
        ck_assert(run_has(a, (gla_output)i) == run_has(b, (gla_output)i));
        for (int64_t j = 0; j < a->result.tensor[i].count && run_has(a, (gla_output)i); j++) {
            double x = gla_result_d(&a->result, (gla_output)i, j), y = gla_result_d(&b->result, (gla_output)i, j);
            ck_assert_msg(same(x, y), "%s: %s[%ld] %a and %a", what, gla_output_names[i], (long)j, x, y);
        }
    }
}

#endif
