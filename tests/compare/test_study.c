/* SPDX-License-Identifier: Apache-2.0
 *
 * The studies reproduce what they are there to show, at sizes that take seconds. u = 2^-24
 * throughout.
 */
#include "../../compare/study.h"
#include "../testing.h"

#include <math.h>
#include <string.h>

static gla_gate_gradient_row gate_gradient(gla_gate_rule *rule, double x, int64_t T) {
    gla_gate_gradient_case c = {rule, x, T};
    gla_gate_gradient_row row;
    gla_error err = {0};
    gla_status status = gla_study_gate_gradient_errors(&c, test_seed(), &row, &err);
    ck_assert_msg(status == GLA_OK, "%s", err.what);
    return row;
}

/* The direct form is a sum of dk = 64 terms without a subtraction of its own: a few u, here 1.7e-7
 * = 3u, whatever the gate; 1e-6 = 17u would already be a defect. The strict sum is a random walk of
 * rounding errors of its own terms, which are all decayed: u sqrt(T) = 2.7e-6 at T = 2048, measured
 * 8e-6 and less. */
START_TEST(test_direct_and_strict_are_accurate) {
    static const double gates[] = {-1, -5, -10, -20, -40};
    gla_gate_gradient_row row = gate_gradient(gla_gate_constant, gates[_i], 256);
    ck_assert_msg(row.direct < 1e-6, "direct %g", row.direct);
    ck_assert_msg(row.strict < 1e-4, "strict %g", row.strict);
    ck_assert_msg(row.rms > 0, "rms %g", row.rms);
}
END_TEST

/* Both sums hold the undecayed i = j pairs, O(1) each, so the suffix sum errs by about u sqrt(T)
 * absolutely = 2.7e-6, against an rms dg of e^-10 = 4.5e-5: a relative error near 0.06 and more,
 * since the tail sums are larger than 1. */
START_TEST(test_suffix_loses_its_digits) {
    gla_gate_gradient_row row = gate_gradient(gla_gate_constant, -10, 2048);
    ck_assert_msg(row.suffix > 0.02, "suffix %g", row.suffix);
    ck_assert_msg(row.direct < 1e-6, "direct %g", row.direct);
    ck_assert_msg(row.strict < 1e-4, "strict %g", row.strict);
    ck_assert_msg(row.rms > 4.5e-5 / 2 && row.rms < 4.5e-5 * 2, "rms %g", row.rms);
}
END_TEST

/* Where alpha is near 1 nothing is lost by the suffix sum: the straddling pairs are as large as the
 * others. */
START_TEST(test_suffix_is_fine_without_decay) {
    gla_gate_gradient_row row = gate_gradient(gla_gate_sigmoid, 16, 256);
    ck_assert_msg(row.suffix < 1e-4, "suffix %g", row.suffix);
    ck_assert_msg(row.direct < 1e-6, "direct %g", row.direct);
}
END_TEST

START_TEST(test_reset_gates) {
    for (int64_t t = 0; t < 256; t++) {
        double g = gla_gate_every_32(-INFINITY, t, (gla_draw){test_seed(), 0, (uint64_t)t});
        ck_assert(t % 32 ? g > -0.5 && g < -0.1 : g == -INFINITY);
    }
}
END_TEST

static gla_reset_row reset(double gate) {
    gla_reset_row row;
    gla_error err = {0};
    gla_status status = gla_study_reset_errors("chunkwise:64:16", gate, test_seed(), &row, &err);
    ck_assert_msg(status == GLA_OK, "%s", err.what);
    return row;
}

/* -inf starts a new sum: what is left is the rounding of sums of at most 64 gates of 0.3, |Gamma|
 * <= 20, so decays to 20u = 1e-6. */
START_TEST(test_infinite_gate_is_exact_reset) {
    gla_reset_row row = reset(-INFINITY);
    ck_assert_msg(row.error[GLA_RESET_O] < 2e-6, "o %g", row.error[GLA_RESET_O]);
    ck_assert_msg(row.error[GLA_RESET_STATE] < 2e-6, "final_state %g", row.error[GLA_RESET_STATE]);
    ck_assert_msg(row.error[GLA_RESET_DG] < 2e-6, "dg %g", row.error[GLA_RESET_DG]);
}
END_TEST

/* A running sum near X has steps of up to X 2^-23: decays err by about X u. X = 1e4: 6e-4. */
START_TEST(test_error_grows_with_the_gate) {
    gla_reset_row small = reset(-1e2), large = reset(-1e4);
    ck_assert_msg(small.error[GLA_RESET_O] < 1e-4, "o %g", small.error[GLA_RESET_O]);
    ck_assert_msg(large.error[GLA_RESET_O] > 20 * small.error[GLA_RESET_O], "o %g and %g", small.error[GLA_RESET_O],
                  large.error[GLA_RESET_O]);
    ck_assert_msg(large.error[GLA_RESET_STATE] > 1e-4 && large.error[GLA_RESET_STATE] < 1e-2, "final_state %g",
                  large.error[GLA_RESET_STATE]);
}
END_TEST

/* Beyond X = 2^24 every later gate is absorbed whole: after the reset nothing decays any more.
 * Finite, and garbage. */
START_TEST(test_finite_mask_is_garbage) {
    gla_reset_row row = reset(-3.4e37);
    ck_assert_msg(row.error[GLA_RESET_O] > 0.5, "o %g", row.error[GLA_RESET_O]);
    ck_assert_msg(row.error[GLA_RESET_STATE] > 0.5, "final_state %g", row.error[GLA_RESET_STATE]);
    ck_assert_msg(isfinite(row.error[GLA_RESET_O]) && isfinite(row.error[GLA_RESET_STATE]), "not even finite");
}
END_TEST

START_TEST(test_nan_is_not_hidden) {
    gla_generated made;
    gla_trial truth, bad;
    ck_assert_int_eq(gla_study_problem(3, 2, &gla_binary32_format, gla_gate_constant, -1, test_seed(), &made, NULL),
                     GLA_OK);
    ck_assert_int_eq(gla_trial_open(&made.problem, "recurrent", "binary64", &truth, NULL), GLA_OK);
    ck_assert_int_eq(gla_trial_open(&made.problem, "recurrent", "binary64", &bad, NULL), GLA_OK);
    ck_assert(gla_trial_rms_error(&bad, &truth, GLA_O) == 0);
    ck_assert(gla_trial_max_relative(&bad, &truth, GLA_O) == 0);
    ((double *)bad.result.tensor[GLA_O].at)[1] = NAN;
    ck_assert(isnan(gla_trial_rms_error(&bad, &truth, GLA_O)));
    ck_assert(isnan(gla_trial_max_relative(&bad, &truth, GLA_O)));
    gla_trial_close(&bad);
    gla_trial_close(&truth);
    gla_generated_free(&made);
}
END_TEST

/* The error table of a bf16 kernel. Roundings to nearest have the standard deviation that the model gives them: 2048
 * elements share their states and keys, so the rms is known to some 10 %; every bound holds; squares add. */
static const gla_sites_gates moderate = {"moderate", gla_gate_sigmoid, 8};

static gla_sites_table sites(void) {
    gla_sites_table t;
    gla_error err = {0};
    gla_status status = gla_study_sites(&moderate, 128, 16, test_seed(), NULL, NULL, &t, &err);
    ck_assert_msg(status == GLA_OK, "%s", err.what);
    return t;
}

static int row_named(const char *name) {
    for (int row = 0; row < GLA_SITES_ROWS; row++)
        if (strcmp(gla_sites_parts[row].name, name) == 0) return row;
    ck_abort_msg("no part %s", name);
}

START_TEST(test_sites_cost_what_is_predicted) {
    static const char *const random[] = {"k_decayed", "state_read", "score",  "dstate_read",
                                         "dscore",    "operands",   "output", "all"};
    gla_sites_table t = sites();
    int compared = 0;
    for (size_t r = 0; r < sizeof random / sizeof *random; r++)
        for (int i = 0; i < GLA_SITES_OUTPUTS; i++) {
            const gla_sites_cell *c = &t.cell[row_named(random[r])][i];
            if (!(c->alone > 1e-12) || isnan(c->predicted)) continue;
            double ratio = c->alone / c->predicted;
            ck_assert_msg(ratio > 0.75 && ratio < 1.3, "%s, output %d: %g of what is predicted", random[r], i, ratio);
            compared++;
        }
    ck_assert_int_ge(compared, 20);
    for (int row = 0; row < GLA_SITES_ROWS; row++)
        for (int i = 0; i < GLA_SITES_OUTPUTS; i++)
            ck_assert_msg(isnan(t.cell[row][i].worst) || t.cell[row][i].worst <= 1, "%s, output %d: %g of the bound",
                          gla_sites_parts[row].name, i, t.cell[row][i].worst);
}
END_TEST

START_TEST(test_sites_make_the_whole) {
    gla_sites_table t = sites();
    for (int i = 0; i < GLA_SITES_OUTPUTS; i++) {
        double all = t.cell[GLA_SITES_ALL][i].alone, ratio = all / gla_sites_sum(&t, i);
        ck_assert_msg(ratio > 0.8 && ratio < 1.25, "output %d: %g", i, ratio);
        ck_assert_msg(!(t.cell[GLA_SITES_ALL][i].without > 1e-12), "output %d: %g without any", i,
                      t.cell[GLA_SITES_ALL][i].without);
        /* what is far below bf16's 2^-9 */
        ck_assert(t.cell[row_named("accumulation")][i].alone < 1e-6 && t.cell[row_named("exp")][i].alone < 1e-6);
        ck_assert(t.cell[row_named("binary32")][i].alone > 0);
    }
    /* where a site does not reach */
    ck_assert(t.cell[row_named("dscore")][0].alone < 1e-12 && t.cell[row_named("score")][1].alone < 1e-12);
    /* o = rounding of the output, scores, and the rest: leaving one out takes its share */
    int output = row_named("output");
    double all = t.cell[GLA_SITES_ALL][0].alone, without = t.cell[output][0].without;
    double share = 1 - without * without / (all * all), want = pow(t.cell[output][0].alone / all, 2);
    ck_assert_msg(fabs(share - want) < 0.1, "share %g, its square %g", share, want);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("compare/study");
    TCase *t = tcase_create("study");
    tcase_set_timeout(t, 120);
    tcase_add_loop_test(t, test_direct_and_strict_are_accurate, 0, 5);
    tcase_add_test(t, test_suffix_loses_its_digits);
    tcase_add_test(t, test_suffix_is_fine_without_decay);
    tcase_add_test(t, test_reset_gates);
    tcase_add_test(t, test_infinite_gate_is_exact_reset);
    tcase_add_test(t, test_error_grows_with_the_gate);
    tcase_add_test(t, test_finite_mask_is_garbage);
    tcase_add_test(t, test_nan_is_not_hidden);
    tcase_add_test(t, test_sites_cost_what_is_predicted);
    tcase_add_test(t, test_sites_make_the_whole);
    suite_add_tcase(s, t);
    return s;
}

int main(void) { return test_main(suite()); }
