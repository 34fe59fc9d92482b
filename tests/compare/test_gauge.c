/* SPDX-License-Identifier: Apache-2.0
 *
 * States of an mLSTM kernel that holds them in other units than the truth: right ones pass, whatever the units, wrong
 * ones fail, also where only the units are wrong.
 */
#include "../../compare/gauge.h"
#include "../../compare/cases.h"
#include "../../compare/emulate.h"
#include "../testing.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct bench {
    gla_generated made;
    gla_truth truth;
    double *value[GLA_OUTPUTS];
    const gla_profile *profile;
} bench;

enum { STATES = 1u << GLA_FINAL_STATE | 1u << GLA_FINAL_N | 1u << GLA_FINAL_M };

static bench new_bench(const char *mechanism) {
    bench b = {.profile = gla_profile_named("chunk-bf16")};
    gla_error err = {0};
    gla_case_spec spec = {
        .family = "mild", .mechanism = mechanism, .T = 70, .H = 2, .dk = 6, .dv = 5, .initial_state = true};
    ck_assert_msg(gla_generate(&spec, &b.made, &err) == GLA_OK, "%s", err.what);
    gla_truth_options options = {.target = &gla_binary64_format, .close_enough = GLA_CLOSE_ENOUGH};
    ck_assert_msg(gla_truth_compute(&b.made.problem, &options, &b.truth, &err) == GLA_OK, "%s", err.what);
    gla_emulation how = {.outputs = STATES, .seed = 1};
    for (int i = 0; i < GLA_OUTPUTS; i++) how.format[i] = &gla_binary32_format;
    ck_assert_msg(gla_emulate(&b.made.problem, b.profile, &how, b.value, &err) == GLA_OK, "%s", err.what);
    return b;
}

static void close_bench(bench *b) {
    for (int i = 0; i < GLA_OUTPUTS; i++) free(b->value[i]);
    gla_truth_free(&b->truth);
    gla_generated_free(&b->made);
}

static gla_judgement judged(const bench *b, bool with_units) {
    gla_candidate c = {0};
    gla_judgement j;
    gla_error err = {0};
    for (int i = 0; i < GLA_OUTPUTS; i++) {
        if (!b->value[i] || (i == GLA_FINAL_M && !with_units)) continue;
        c.output[i].value = b->value[i];
        c.output[i].format = &gla_binary32_format;
    }
    ck_assert_msg(gla_judge(&b->made.problem, &c, &b->truth, b->profile, 0, 1, &j, &err) == GLA_OK, "%s", err.what);
    return j;
}

/* Head h in units of e^d more. */
static void move_units(bench *b, int h, double d) {
    b->value[GLA_FINAL_M][h] += d;
    for (int i = 0; i < 30; i++) b->value[GLA_FINAL_STATE][30 * h + i] *= exp(-d);
    for (int i = 0; i < 6; i++) b->value[GLA_FINAL_N][6 * h + i] *= exp(-d);
}

START_TEST(any_units_pass) {
    static const double moves[][2] = {{0, 0}, {3.25, -40}, {-1, 200}, {1e-7, 0}};
    bench b = new_bench("mlstm");
    move_units(&b, 0, moves[_i][0]);
    move_units(&b, 1, moves[_i][1]);
    gla_judgement j = judged(&b, true);
    ck_assert_int_eq(j.judged, 3);
    ck_assert_msg(j.verdict == GLA_PASS, "moved by %g, %g: %s, final_state off by %g of what is allowed", moves[_i][0],
                  moves[_i][1], gla_verdict_names[j.verdict], j.tensor[GLA_FINAL_STATE].worst);
    close_bench(&b);
}
END_TEST

START_TEST(wrong_states_fail) {
    bench b = new_bench("mlstm");
    move_units(&b, 0, 2);
    b.value[GLA_FINAL_STATE][7] *= 1.5;
    gla_judgement j = judged(&b, true);
    ck_assert_int_eq(j.tensor[GLA_FINAL_STATE].verdict, GLA_FAIL);
    ck_assert_int_eq(j.tensor[GLA_FINAL_STATE].over, 1);
    ck_assert_int_eq(j.tensor[GLA_FINAL_N].verdict, GLA_PASS);
    close_bench(&b);
}
END_TEST

/* Units alone: m off, m missing where the units are not the truth's, m no number, m of an empty state. */
START_TEST(wrong_units_fail) {
    static const double wrong[] = {0.5, NAN, INFINITY, -INFINITY};
    for (int i = 0; i < 4; i++) {
        bench b = new_bench("mlstm");
        b.value[GLA_FINAL_M][1] = i ? wrong[i] : b.value[GLA_FINAL_M][1] + wrong[i];
        gla_judgement j = judged(&b, true);
        ck_assert_msg(j.tensor[GLA_FINAL_STATE].verdict == GLA_FAIL, "m %g: final_state passes", wrong[i]);
        ck_assert_msg((j.tensor[GLA_FINAL_M].verdict == GLA_FAIL) == (i == 1 || i == 2), "m %g", wrong[i]);
        close_bench(&b);
    }
    bench b = new_bench("mlstm");
    ck_assert_int_eq(judged(&b, false).verdict, GLA_PASS);
    move_units(&b, 0, 1);
    ck_assert_int_eq(judged(&b, false).verdict, GLA_FAIL);
    close_bench(&b);
}
END_TEST

/* The sigmoid gate has no units to move. */
START_TEST(no_units) {
    bench b = new_bench("mlstm,gate=sigmoid");
    gla_candidate c = {0};
    ck_assert(!b.value[GLA_FINAL_M] && !gla_gauge_matters(&b.made.problem, &c));
    ck_assert_int_eq(judged(&b, true).verdict, GLA_PASS);
    for (int i = 0; i < 30; i++) b.value[GLA_FINAL_STATE][i] *= exp(-1);
    ck_assert_int_eq(judged(&b, true).verdict, GLA_FAIL);
    close_bench(&b);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("compare/gauge");
    TCase *t = tcase_create("gauge");
    tcase_set_timeout(t, 30);
    tcase_add_loop_test(t, any_units_pass, 0, 4);
    tcase_add_test(t, wrong_states_fail);
    tcase_add_test(t, wrong_units_fail);
    tcase_add_test(t, no_units);
    suite_add_tcase(s, t);
    return s;
}

int main(void) { return test_main(suite()); }
