/* SPDX-License-Identifier: Apache-2.0
 *
 * Inputs that repeat: how often is counted rightly, and right kernels pass on constants, whose roundings conspire, and
 * with the scale where they like, which exact sums hide. Without the counting they would not.
 */
#include <math.h>
#include <string.h>

#include "../../compare/bounds.h"
#include "../../compare/cases.h"
#include "../../compare/emulate.h"
#include "../../compare/judge.h"
#include "../../compare/repeats.h"
#include "../testing.h"

static gla_generated made(gla_case_spec spec) {
    gla_generated g;
    gla_error err;
    spec.backward = true;
    spec.H = spec.H ? spec.H : 1;
    spec.seed = test_seed();
    if (!spec.dtype) spec.dtype = &gla_binary32_format;
    ck_assert_msg(gla_generate(&spec, &g, &err) == GLA_OK, "%s", err.what);
    return g;
}

static void fill(gla_generated *g, gla_input name, double x) {
    for (int64_t i = 0; i < g->count[name]; i++) g->tensor[name][i] = x;
}

/* Every token, channel and head alike. */
static gla_generated constant(int64_t T, int64_t dk, int64_t dv, double x, double gate) {
    gla_generated g = made((gla_case_spec){.family = "mild", .T = T, .dk = dk, .dv = dv});
    static const gla_input names[] = {GLA_IN_Q, GLA_IN_K, GLA_IN_V, GLA_IN_DO, GLA_IN_DFINAL_STATE};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) fill(&g, names[i], x);
    fill(&g, GLA_IN_GK, gate);
    return g;
}

/* ---- counting ---- */

static gla_error_model counted(const gla_problem *p, bool backward) {
    gla_problem forward = *p;
    gla_error_model m = {.repeats = -1};
    if (!backward) forward.d_o.at = forward.d_final_state.at = NULL;
    ck_assert_int_eq(gla_count_repeats(&forward, gla_profile_named("chunk-bf16"), &m), GLA_OK);
    return m;
}

static void expect_repeats(const gla_problem *p, bool backward, double repeats, double dscore) {
    gla_error_model m = counted(p, backward);
    ck_assert_msg(fabs(m.repeats - repeats) < 1e-9 && fabs(m.dscore_repeats - dscore) < 1e-9,
                  "%g and %g, not %g and %g", m.repeats, m.dscore_repeats, repeats, dscore);
}

/* Equal tokens meet in a state without gates; a fixed decay parts them, as constant gates do. */
START_TEST(fixed_decays) {
    gla_generated g =
        made((gla_case_spec){.family = "mild", .mechanism = "linear_attention", .T = 64, .dk = 4, .dv = 4});
    gla_generated r = made((gla_case_spec){.family = "mild", .mechanism = "retention", .T = 64, .dk = 4, .dv = 4});
    for (int64_t t = 1; t < 64; t++) {
        memcpy(g.tensor[GLA_IN_K] + 4 * t, g.tensor[GLA_IN_K], 4 * sizeof(double));
        memcpy(r.tensor[GLA_IN_K] + 4 * t, r.tensor[GLA_IN_K], 4 * sizeof(double));
    }
    expect_repeats(&g.problem, false, 64, 1);
    expect_repeats(&r.problem, false, 64 / log(256), 1);
    gla_generated_free(&g);
    gla_generated_free(&r);
}
END_TEST

/* Slots, more of them than channels: keys meet in the first pass, which has no key gate; write weights in the second
 * under the slots' gates, and v in neither. */
START_TEST(slots) {
    gla_generated g = made((gla_case_spec){.family = "mild", .mechanism = "gsa", .T = 20, .dk = 3, .dv = 2});
    int64_t M = g.problem.M;
    ck_assert_int_gt(M, 3);
    expect_repeats(&g.problem, true, 1, 1);
    for (int64_t t = 5; t < 20; t += 5)
        for (int64_t i = 0; i < 3; i++) g.tensor[GLA_IN_K][3 * t + i] = g.tensor[GLA_IN_K][i];
    expect_repeats(&g.problem, true, 4, 1);
    for (int64_t t = 1; t < 20; t++)
        for (int64_t i = 0; i < M; i++) g.tensor[GLA_IN_S][M * t + i] = g.tensor[GLA_IN_S][i];
    fill(&g, GLA_IN_GK, -0.25);
    expect_repeats(&g.problem, true, 4, 5); /* 20 / 4 of s meet in a score's gradient */
    fill(&g, GLA_IN_GK, 0);
    expect_repeats(&g.problem, true, 20, 1);
    gla_generated_free(&g);
}
END_TEST

/* Tokens or channels copied by hand. Element [t,h,i] of a dense tensor of one head. */
static void copy_token(gla_generated *g, gla_input name, int64_t D, int64_t from, int64_t to, double sign) {
    for (int64_t i = 0; i < D; i++) g->tensor[name][to * D + i] = sign * g->tensor[name][from * D + i];
}

static void copy_channel(gla_generated *g, gla_input name, int64_t T, int64_t D, int64_t from, int64_t to,
                         double sign) {
    for (int64_t t = 0; t < T; t++) g->tensor[name][t * D + to] = sign * g->tensor[name][t * D + from];
}

START_TEST(test_generic_inputs_do_not_repeat) {
    static const char *const families[] = {"mild", "spike", "keep", "pinned", "alternate", "impulse", "large-state"};
    for (size_t f = 0; f < sizeof families / sizeof families[0]; f++) {
        gla_generated g = made((gla_case_spec){.family = families[f], .T = 40, .dk = 16, .dv = 12});
        expect_repeats(&g.problem, true, 1, 1);
        gla_generated_free(&g);
    }
}
END_TEST

START_TEST(test_constants_repeat_everywhere) {
    gla_generated g = constant(11, 6, 5, 0.5, 0), decaying = constant(11, 6, 5, 0.5, -0.25);
    expect_repeats(&g.problem, true, 11 * 6 * 5, 1);
    expect_repeats(&g.problem, false, 11 * 6, 1);
    expect_repeats(&decaying.problem, true, 11 / log(256) * 6 * 5, log(256)); /* dP has no gates */
    gla_generated_free(&g);
    gla_generated_free(&decaying);
}
END_TEST

/* Four keys alike, one of them with the other sign: under open gates wherever they are. */
START_TEST(test_equal_tokens) {
    gla_generated g = made((gla_case_spec){.family = "ungated", .T = 20, .dk = 6, .dv = 5});
    for (int64_t to = 4; to < 13; to += 4) copy_token(&g, GLA_IN_K, 6, 1, to, to == 8 ? -1 : 1);
    expect_repeats(&g.problem, true, 4, 1);
    g.tensor[GLA_IN_K][4 * 6] *= 0.5;
    expect_repeats(&g.problem, true, 3, 1);
    gla_generated_free(&g);
}
END_TEST

/* Under gates that vary: with their gates and in a row, and of so many one in ln 256. */
START_TEST(test_runs_of_equal_tokens) {
    gla_generated g = made((gla_case_spec){.family = "mild", .T = 60, .dk = 6, .dv = 5});
    for (int64_t to = 3; to < 14; to++) {
        copy_token(&g, GLA_IN_K, 6, 2, to, 1);
        copy_token(&g, GLA_IN_GK, 6, 2, to, 1);
        copy_token(&g, GLA_IN_K, 6, 2, 3 * to + 10, 1);
        copy_token(&g, GLA_IN_GK, 6, 2, 3 * to + 10, 1);
    }
    expect_repeats(&g.problem, true, 12 / log(256), 1);
    g.tensor[GLA_IN_GK][9 * 6] *= 0.5;
    expect_repeats(&g.problem, true, 7 / log(256), 1);
    g.tensor[GLA_IN_GK][4 * 6] *= 0.5;
    expect_repeats(&g.problem, true, 1, 1);
    gla_generated_free(&g);
}
END_TEST

/* Values that repeat make equal score gradients, inside a chunk. */
START_TEST(test_equal_values) {
    gla_generated g = made((gla_case_spec){.family = "mild", .T = 150, .dk = 6, .dv = 5});
    for (int64_t to = 10; to < 60; to += 10) copy_token(&g, GLA_IN_V, 5, 1, to, -1);
    for (int64_t to = 70; to < 100; to += 10) copy_token(&g, GLA_IN_V, 5, 1, to, 1);
    expect_repeats(&g.problem, true, 1, 6);
    gla_generated_free(&g);
}
END_TEST

START_TEST(test_equal_channels) {
    gla_generated g = made((gla_case_spec){.family = "mild", .T = 20, .dk = 6, .dv = 5});
    copy_channel(&g, GLA_IN_V, 20, 5, 0, 3, -1);
    expect_repeats(&g.problem, true, 2, 1);
    expect_repeats(&g.problem, false, 1, 1);
    copy_channel(&g, GLA_IN_K, 20, 6, 1, 4, 1);
    expect_repeats(&g.problem, true, 2, 1); /* their gates differ */
    copy_channel(&g, GLA_IN_GK, 20, 6, 1, 4, 1);
    expect_repeats(&g.problem, true, 4, 1);
    gla_generated_free(&g);
}
END_TEST

/* Two heads share k; the gradients of equal heads are summed. */
START_TEST(test_equal_heads) {
    gla_generated g = made((gla_case_spec){.family = "mild", .T = 9, .H = 2, .Hk = 1, .dk = 4, .dv = 3});
    expect_repeats(&g.problem, true, 1, 1);
    static const gla_input names[] = {GLA_IN_Q, GLA_IN_V, GLA_IN_DO};
    for (size_t n = 0; n < 3; n++) {
        int64_t D = g.count[names[n]] / (9 * 2);
        for (int64_t t = 0; t < 9; t++) copy_token(&g, names[n], D, 2 * t, 2 * t + 1, 1);
    }
    for (int64_t i = 0; i < 4 * 3; i++) g.tensor[GLA_IN_DFINAL_STATE][4 * 3 + i] = g.tensor[GLA_IN_DFINAL_STATE][i];
    expect_repeats(&g.problem, true, 2, 1);
    gla_generated_free(&g);
}
END_TEST

START_TEST(test_zeros_are_not_counted) {
    gla_generated g = made((gla_case_spec){.family = "mild", .T = 20, .dk = 6, .dv = 5});
    for (int64_t t = 5; t < 15; t++)
        for (int64_t i = 0; i < 6; i++) g.tensor[GLA_IN_K][t * 6 + i] = i % 2 ? 0.0 : -0.0;
    expect_repeats(&g.problem, true, 1, 1);
    gla_generated_free(&g);
}
END_TEST

/* ---- kernels ---- */

static gla_truth truth_of(const gla_problem *p) {
    gla_error err;
    gla_truth truth;
    const gla_truth_options how = {.backward = true, .close_enough = GLA_CLOSE_ENOUGH, .threads = 1};
    ck_assert_msg(gla_truth_compute(p, &how, &truth, &err) == GLA_OK, "%s", err.what);
    return truth;
}

/* Outputs of `which` by an emulated kernel of the profile that is given the problem `as`, judged on problem p. */
static gla_judgement judge_on(const gla_problem *p, const gla_problem *as, const char *profile,
                              const gla_format *stored, unsigned which) {
    gla_error err;
    gla_judgement j;
    gla_candidate c = {0};
    double *value[GLA_OUTPUTS];
    gla_truth truth = truth_of(p);
    gla_emulation how = {.outputs = which, .threads = 1};
    for (int i = 0; i < GLA_OUTPUTS; i++) how.format[i] = stored;
    ck_assert_msg(gla_emulate(as, gla_profile_named(profile), &how, value, &err) == GLA_OK, "%s", err.what);
    for (int i = 0; i < GLA_OUTPUTS; i++) {
        c.output[i].value = value[i];
        c.output[i].format = stored;
    }
    ck_assert_msg(gla_judge(p, &c, &truth, gla_profile_named(profile), 0, 1, &j, &err) == GLA_OK, "%s", err.what);
    for (int i = 0; i < GLA_OUTPUTS; i++) free(value[i]);
    gla_truth_free(&truth);
    return j;
}

static void expect_pass(const gla_judgement *j, const char *what) {
    for (int i = 0; i < GLA_OUTPUTS; i++)
        if (j->tensor[i].judged)
            ck_assert_msg(j->tensor[i].verdict == GLA_PASS && j->tensor[i].worst < 0.95, "%s %s: %s, error/bound %g",
                          what, gla_output_names[i], gla_verdict_names[j->tensor[i].verdict], j->tensor[i].worst);
}

enum { ALL = (1 << GLA_OUTPUTS) - 1 };

/* 0.1 is no binary fraction: adding it again and again always errs to the same side, in every row and column. */
START_TEST(test_constant_inputs_pass) {
    static const double gates[] = {0, -0x1p-7, -0.5};
    static const struct {
        const char *profile;
        const gla_format *stored;
    } lanes[] = {{"f32", &gla_binary32_format}, {"f32-chunk", &gla_binary32_format}, {"chunk-bf16", &gla_bf16}};
    for (size_t g = 0; g < 3; g++)
        for (size_t l = 0; l < 3; l++) {
            gla_generated c = constant(300, 24, 20, 0x1.99999ap-4, gates[g]);
            gla_judgement j = judge_on(&c.problem, &c.problem, lanes[l].profile, lanes[l].stored, ALL);
            expect_pass(&j, lanes[l].profile);
            gla_generated_free(&c);
        }
}
END_TEST

/* What the counting is for: the same kernel is far outside of the bounds of independent roundings. */
START_TEST(test_equal_roundings_are_not_independent) {
    gla_generated c = constant(1000, 24, 20, 0x1.99999ap-4, 0);
    const gla_profile *p = gla_profile_named("f32");
    gla_truth truth = truth_of(&c.problem);
    gla_emulation how = {.outputs = 1u << GLA_O, .threads = 1};
    double *value[GLA_OUTPUTS], worst = 0;
    gla_form form;
    gla_result r;
    gla_error err;
    gla_numbers *n = gla_error_open(&p->model);
    ck_assert_int_eq(gla_emulate(&c.problem, p, &how, value, &err), GLA_OK);
    ck_assert_int_eq(gla_form_parse(p->form, &form, &err), GLA_OK);
    ck_assert_int_eq(gla_run(&c.problem, &form, n, &r, &err), GLA_OK);
    for (int64_t i = 0; i < truth.tensor[GLA_O].count; i++) {
        double independent = gla_error_bound(gla_result_at(&r, GLA_O, i), GLA_ERROR_LAMBDA);
        worst = fmax(worst, fabs(value[GLA_O][i] - truth.tensor[GLA_O].value[i]) / independent);
    }
    ck_assert_msg(worst > 2, "error/bound %g", worst);
    free(value[GLA_O]);
    gla_result_free(&r);
    gla_numbers_close(n);
    gla_truth_free(&truth);
    gla_generated_free(&c);
}
END_TEST

/* Tier 3 has nothing to say of roundings that repeat. */
START_TEST(test_repeats_are_no_sample) {
    gla_generated c = constant(300, 24, 20, 0x1.99999ap-4, -0.5);
    gla_bounds b[GLA_OUTPUTS];
    gla_error err;
    const gla_format *const stored[GLA_OUTPUTS] = {&gla_bf16};
    ck_assert_int_eq(gla_bounds_compute(&c.problem, gla_profile_named("chunk-bf16"), false, stored, 1, b, &err),
                     GLA_OK);
    for (int i = 0; i < 300 * 20; i++) ck_assert(b[GLA_O].sigma[i] == 0 && b[GLA_O].allowed[i] > 0);
    gla_bounds_free(b);
    gla_generated_free(&c);
}
END_TEST

/* dq = s (S do). This kernel computes S (s do): where S do is exact, that is not. It is emulated by giving it s do and
 * no scale; no other output is then its own. */
static void try_scale_first(const char *family, int64_t dv, const char *profile) {
    gla_generated g = made((gla_case_spec){.family = family, .dk = 20, .dv = dv});
    g.problem.scale = 0; /* the default, also where the family has another */
    gla_problem as = g.problem;
    float s = (float)(1 / sqrt(20));
    double *scaled = malloc((size_t)g.count[GLA_IN_DO] * sizeof *scaled);
    for (int64_t i = 0; i < g.count[GLA_IN_DO]; i++) scaled[i] = s * (float)g.tensor[GLA_IN_DO][i];
    as.d_o.at = scaled;
    as.scale = 1;
    gla_judgement j = judge_on(&g.problem, &as, profile, &gla_binary32_format, 1u << GLA_DQ);
    expect_pass(&j, profile);
    free(scaled);
    gla_generated_free(&g);
}

START_TEST(test_scale_before_the_sum_passes) {
    try_scale_first("half", 24, "f32");
    try_scale_first("half", 128, "f32");
    try_scale_first("half", 24, "f32-chunk");
    try_scale_first("integers", 64, "f32-chunk");
    try_scale_first("mild", 24, "f32");
}
END_TEST

/* A scale that is a power of two spoils no exact sum: the demand for equality stays. */
START_TEST(test_exact_lane_stays_exact) {
    gla_generated g = made((gla_case_spec){.family = "integers", .dk = 16, .dv = 12});
    gla_judgement j = judge_on(&g.problem, &g.problem, "f32", &gla_binary32_format, ALL);
    for (int i = 0; i < GLA_OUTPUTS; i++)
        if (j.tensor[i].judged) ck_assert(j.tensor[i].exact == j.tensor[i].count && j.tensor[i].verdict == GLA_PASS);
    gla_generated_free(&g);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("repeats");
    TCase *t = tcase_create("counting");
    tcase_set_timeout(t, 20);
    tcase_add_test(t, fixed_decays);
    tcase_add_test(t, slots);
    tcase_add_test(t, test_generic_inputs_do_not_repeat);
    tcase_add_test(t, test_constants_repeat_everywhere);
    tcase_add_test(t, test_equal_tokens);
    tcase_add_test(t, test_runs_of_equal_tokens);
    tcase_add_test(t, test_equal_values);
    tcase_add_test(t, test_equal_channels);
    tcase_add_test(t, test_equal_heads);
    tcase_add_test(t, test_zeros_are_not_counted);
    suite_add_tcase(s, t);
    TCase *k = tcase_create("kernels");
    tcase_set_timeout(k, 60);
    tcase_add_test(k, test_constant_inputs_pass);
    tcase_add_test(k, test_equal_roundings_are_not_independent);
    tcase_add_test(k, test_repeats_are_no_sample);
    tcase_add_test(k, test_scale_before_the_sum_passes);
    tcase_add_test(k, test_exact_lane_stays_exact);
    suite_add_tcase(s, k);
    return s;
}

int main(void) { return test_main(suite()); }
