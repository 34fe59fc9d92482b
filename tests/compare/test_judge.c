/* SPDX-License-Identifier: Apache-2.0
 *
 * The comparator's truth table: a right candidate passes; every way of being wrong that people really meet does not.
 */
#include <math.h>
#include <string.h>

#include "../../compare/cases.h"
#include "../../compare/judge.h"
#include "../testing.h"

/* A problem, its truth, and a right candidate: the mixed:bf16 kernel's numbers stored in bf16. */
static gla_generated problem;
static gla_truth truth;
static gla_candidate candidate;
static double *stored[GLA_OUTPUTS];

static void make_candidate(const gla_problem *p) {
    gla_error err;
    gla_numbers *n;
    gla_form form;
    gla_result r;
    gla_form_parse("chunkwise:64:16+anchor", &form, &err);
    form.backward = true;
    ck_assert(gla_numbers_open("mixed:bf16", &n, &err) == GLA_OK);
    ck_assert(gla_run(p, &form, n, &r, &err) == GLA_OK);
    for (int i = 0; i < GLA_OUTPUTS; i++) {
        if (!r.tensor[i].at) continue;
        const gla_format *format = i == GLA_O || (i >= GLA_DQ && i <= GLA_DV) ? &gla_bf16 : &gla_binary32_format;
        free(stored[i]);
        stored[i] = malloc((size_t)r.tensor[i].count * sizeof *stored[i]);
        for (int64_t j = 0; j < r.tensor[i].count; j++)
            stored[i][j] = gla_round(format, GLA_RN, gla_result_d(&r, (gla_output)i, j), 0);
        candidate.output[i].value = stored[i];
        candidate.output[i].format = format;
    }
    gla_result_free(&r);
    gla_numbers_close(n);
}

static void setup(void) {
    gla_error err;
    gla_case_spec spec = {.family = "mild",
                          .T = 130,
                          .H = 2,
                          .dk = 16,
                          .dv = 12,
                          .seed = test_seed(),
                          .initial_state = true,
                          .backward = true,
                          .dtype = &gla_bf16};
    ck_assert_msg(gla_generate(&spec, &problem, &err) == GLA_OK, "%s", err.what);
    gla_truth_options options = {.target = &gla_binary64_format, .backward = true};
    ck_assert_msg(gla_truth_compute(&problem.problem, &options, &truth, &err) == GLA_OK, "%s", err.what);
    make_candidate(&problem.problem);
}

static void teardown(void) {
    for (int i = 0; i < GLA_OUTPUTS; i++) free(stored[i]);
    memset(stored, 0, sizeof stored);
    gla_truth_free(&truth);
    gla_generated_free(&problem);
}

static gla_judgement judged(void) {
    gla_judgement j;
    gla_error err;
    gla_status status =
        gla_judge(&problem.problem, &candidate, &truth, gla_profile_named("chunk-bf16"), 0, 1, &j, &err);
    ck_assert_msg(status == GLA_OK, "%s", err.what);
    return j;
}

static int64_t count_of(gla_output name) { return truth.tensor[name].count; }

START_TEST(test_a_right_kernel_passes) {
    gla_judgement j = judged();
    ck_assert_int_eq(j.judged, 7);
    for (int i = 0; i < GLA_OUTPUTS; i++)
        if (j.tensor[i].judged)
            ck_assert_msg(j.tensor[i].verdict == GLA_PASS, "%s: %s, error/bound %g", gla_output_names[i],
                          gla_verdict_names[j.tensor[i].verdict], j.tensor[i].worst);
    ck_assert(j.verdict == GLA_PASS);
}
END_TEST

/* ---- the ways of being wrong: each spoils one whole output in place ---- */

static const int64_t T = 130, H = 2, dv = 12;

static void all_nan(double *x, int64_t n) {
    for (int64_t i = 0; i < n; i++) x[i] = NAN;
}
static void one_nan(double *x, int64_t n) { x[n / 2] = NAN; }
static void one_inf(double *x, int64_t n) { x[n / 3] = INFINITY; }
static void minus_inf(double *x, int64_t n) { x[n - 1] = -INFINITY; }
static void zeros(double *x, int64_t n) { memset(x, 0, (size_t)n * sizeof *x); }
static void shifted(double *x, int64_t n) { memmove(x + H * dv, x, (size_t)(n - H * dv) * sizeof *x); }
static void scaled(double *x, int64_t n) {
    for (int64_t i = 0; i < n; i++) x[i] *= 1.0625;
}
static void negated(double *x, int64_t n) {
    for (int64_t i = 0; i < n; i++) x[i] = -x[i];
}
static void one_wrong(double *x, int64_t n) { x[n / 2] += 1.0; }
static void swapped_pair(double *x, int64_t n) {
    double y = x[n / 2];
    x[n / 2] = x[n / 2 + 1];
    x[n / 2 + 1] = y;
}
static void constant(double *x, int64_t n) {
    for (int64_t i = 0; i < n; i++) x[i] = x[0];
}
static void heads_exchanged(double *x, int64_t n) {
    for (int64_t t = 0; t < T; t++)
        for (int64_t i = 0; i < dv; i++) {
            double y = x[t * H * dv + i];
            x[t * H * dv + i] = x[(t * H + 1) * dv + i];
            x[(t * H + 1) * dv + i] = y;
        }
}
static void transposed(double *x, int64_t n) { /* [T,H*dv] read as [H*dv,T] */
    double *y = malloc((size_t)n * sizeof *y);
    memcpy(y, x, (size_t)n * sizeof *y);
    for (int64_t t = 0; t < T; t++)
        for (int64_t i = 0; i < H * dv; i++) x[t * H * dv + i] = y[i * T + t];
    free(y);
}
static void permuted_tokens(double *x, int64_t n) {
    for (int64_t t = 0; t + 1 < T; t += 2)
        for (int64_t i = 0; i < H * dv; i++) {
            double y = x[t * H * dv + i];
            x[t * H * dv + i] = x[(t + 1) * H * dv + i];
            x[(t + 1) * H * dv + i] = y;
        }
}
static void last_token_unwritten(double *x, int64_t n) { all_nan(x + n - H * dv, H * dv); }
static void last_chunk_zero(double *x, int64_t n) { zeros(x + 128 * H * dv, n - 128 * H * dv); }

static void (*const spoils[])(double *, int64_t) = {
    all_nan,        one_nan,         one_inf,    minus_inf,       zeros,
    shifted,        scaled,          negated,    constant,        one_wrong,
    swapped_pair,   heads_exchanged, transposed, permuted_tokens, last_token_unwritten,
    last_chunk_zero};
enum { SPOILS = sizeof spoils / sizeof *spoils };

START_TEST(test_every_spoiled_output_fails) {
    spoils[_i](stored[GLA_O], count_of(GLA_O));
    gla_judgement j = judged();
    ck_assert_msg(j.tensor[GLA_O].verdict == GLA_FAIL, "spoil %d: %s, error/bound %g", _i,
                  gla_verdict_names[j.tensor[GLA_O].verdict], j.tensor[GLA_O].worst);
    ck_assert(j.verdict == GLA_FAIL);
    ck_assert(j.tensor[GLA_O].first_bad.known);
    ck_assert(j.tensor[GLA_DQ].verdict == GLA_PASS); /* the others are not blamed */
}
END_TEST

/* ---- wrong kernels: right arithmetic on a wrong reading of the problem ---- */

static void no_scale(gla_problem *p) { p->scale = 1; }
static void scale_twice(gla_problem *p) { p->scale = 1.0 / 16; }
static void no_initial_state(gla_problem *p) { p->initial_state.at = NULL; }
static void no_state_gradient(gla_problem *p) { p->d_final_state.at = NULL; }
static void reversed(gla_problem *p) { p->reverse = true; }
static void no_gate(gla_problem *p) { memset(problem.tensor[GLA_IN_GK], 0, (size_t)problem.count[GLA_IN_GK] * 8); }
static void base_two_gate(gla_problem *p) {
    for (int64_t i = 0; i < problem.count[GLA_IN_GK]; i++) problem.tensor[GLA_IN_GK][i] *= 0.6931471805599453;
}
static void one_decay_lost(gla_problem *p) { /* token 70, every channel of head 0 */
    for (int64_t i = 0; i < 16; i++) problem.tensor[GLA_IN_GK][70 * 2 * 16 + i] = 0;
}
static void one_write_lost(gla_problem *p) {
    for (int64_t i = 0; i < 16; i++) problem.tensor[GLA_IN_K][70 * 2 * 16 + i] = 0;
}
static void other_heads_keys(gla_problem *p) { p->k.heads = 1; }

static void (*const misreadings[])(gla_problem *) = {
    no_scale, scale_twice,   no_initial_state, no_state_gradient, reversed,
    no_gate,  base_two_gate, one_decay_lost,   one_write_lost,    other_heads_keys};
enum { MISREADINGS = sizeof misreadings / sizeof *misreadings };

START_TEST(test_every_wrong_kernel_fails) {
    gla_problem wrong = problem.problem;
    double *gates = malloc((size_t)problem.count[GLA_IN_GK] * sizeof *gates);
    memcpy(gates, problem.tensor[GLA_IN_GK], (size_t)problem.count[GLA_IN_GK] * sizeof *gates);
    double *keys = malloc((size_t)problem.count[GLA_IN_K] * sizeof *keys);
    memcpy(keys, problem.tensor[GLA_IN_K], (size_t)problem.count[GLA_IN_K] * sizeof *keys);
    misreadings[_i](&wrong);
    if (wrong.k.heads == 1) candidate.output[GLA_DK].value = NULL; /* its shape would tell */
    make_candidate(&wrong);
    if (wrong.k.heads == 1) candidate.output[GLA_DK].value = NULL;
    memcpy(problem.tensor[GLA_IN_GK], gates, (size_t)problem.count[GLA_IN_GK] * sizeof *gates);
    memcpy(problem.tensor[GLA_IN_K], keys, (size_t)problem.count[GLA_IN_K] * sizeof *keys);
    free(gates);
    free(keys);
    gla_judgement j = judged();
    ck_assert_msg(j.verdict == GLA_FAIL, "misreading %d: %s, o error/bound %g", _i, gla_verdict_names[j.verdict],
                  j.tensor[GLA_O].worst);
}
END_TEST

START_TEST(test_every_output_notices_one_nan_and_zeros) {
    if (!stored[_i]) return;
    stored[_i][count_of((gla_output)_i) / 2] = NAN;
    gla_judgement j = judged();
    ck_assert(j.tensor[_i].verdict == GLA_FAIL && j.tensor[_i].nan == 1);
    ck_assert(isinf(j.tensor[_i].worst));
    zeros(stored[_i], count_of((gla_output)_i));
    ck_assert(judged().tensor[_i].verdict == GLA_FAIL);
}
END_TEST

START_TEST(test_the_place_is_named) {
    int64_t at = (77 * H + 1) * dv + 5;
    stored[GLA_O][at] += 3;
    gla_judgement j = judged();
    const int64_t *where = j.tensor[GLA_O].at, *first = j.tensor[GLA_O].first_bad.at;
    ck_assert(where[0] == 0 && where[1] == 77 && where[2] == 1 && where[3] == 5);
    ck_assert(first[1] == 77 && first[2] == 1 && first[3] == 5);
    ck_assert(j.tensor[GLA_O].over == 1);
}
END_TEST

START_TEST(test_wrong_shape_is_broken) {
    candidate.output[GLA_O].value = NULL;
    candidate.output[GLA_O].wrong_shape = true;
    gla_judgement j = judged();
    candidate.output[GLA_O].value = stored[GLA_O];
    candidate.output[GLA_O].wrong_shape = false;
    ck_assert(j.verdict == GLA_BROKEN && j.tensor[GLA_O].verdict == GLA_BROKEN);
    ck_assert_str_eq(j.tensor[GLA_O].why, "wrong shape");
}
END_TEST

START_TEST(test_missing_output_and_changed_input_are_broken) {
    candidate.output[GLA_DK].value = NULL;
    candidate.output[GLA_DK].missing = true;
    gla_judgement j = judged();
    candidate.output[GLA_DK].value = stored[GLA_DK];
    candidate.output[GLA_DK].missing = false;
    ck_assert(j.verdict == GLA_BROKEN && j.tensor[GLA_DK].verdict == GLA_BROKEN);
    ck_assert_str_eq(j.tensor[GLA_DK].why, "missing");
    candidate.changed = 1u << GLA_IN_Q;
    j = judged();
    candidate.changed = 0;
    ck_assert(j.verdict == GLA_BROKEN && j.changed == 1u << GLA_IN_Q);
}
END_TEST

START_TEST(test_uncertified_truth_is_said) {
    truth.tensor[GLA_O].certified[7] = 0;
    gla_judgement j = judged();
    ck_assert(j.verdict == GLA_UNCERTIFIED && j.tensor[GLA_O].uncertified == 1);
    stored[GLA_O][7] = NAN; /* even there NaN does not pass */
    ck_assert(judged().verdict == GLA_FAIL);
}
END_TEST

/* Gates that grow without limit: no finite error is too large for the bound, which must not count as a pass. */
START_TEST(test_a_bound_without_limit_judges_nothing) {
    for (int64_t i = 0; i < problem.count[GLA_IN_GK]; i++) problem.tensor[GLA_IN_GK][i] = 30;
    gla_truth_free(&truth);
    gla_error err;
    gla_truth_options options = {.backward = true, .close_enough = GLA_CLOSE_ENOUGH, .cap_bits = 192};
    ck_assert(gla_truth_compute(&problem.problem, &options, &truth, &err) == GLA_OK);
    zeros(stored[GLA_O], count_of(GLA_O));
    gla_judgement j = judged();
    ck_assert(j.verdict != GLA_PASS && j.verdict != GLA_MARGINAL);
    ck_assert_int_gt(j.tensor[GLA_O].uncertified, 0);
}
END_TEST

START_TEST(test_only_judges_what_is_asked) {
    gla_judgement j;
    gla_error err;
    zeros(stored[GLA_O], count_of(GLA_O));
    const gla_profile *p = gla_profile_named("chunk-bf16");
    ck_assert(gla_judge(&problem.problem, &candidate, &truth, p, 1u << GLA_DQ, 1, &j, &err) == GLA_OK);
    ck_assert(j.verdict == GLA_PASS && j.judged == 1);
    ck_assert(gla_judge(&problem.problem, &candidate, &truth, p, 1u << GLA_DGV, 1, &j, &err) == GLA_OK);
    ck_assert_int_eq(j.judged, 0);
}
END_TEST

/* Between lambda 3.5 and 7 is MARGINAL; the stricter profile rejects what the declared one allows. */
START_TEST(test_marginal_and_profiles) {
    int64_t at = count_of(GLA_O) / 2;
    double want = truth.tensor[GLA_O].value[at];
    stored[GLA_O][at] = want + 1e6; /* by far the worst, so that its allowance is reported */
    double allowed = judged().tensor[GLA_O].allowed;
    stored[GLA_O][at] = want + 1.2 * allowed;
    gla_judgement j = judged();
    ck_assert_msg(j.tensor[GLA_O].verdict == GLA_MARGINAL && j.verdict == GLA_MARGINAL, "%s: error/bound %g",
                  gla_verdict_names[j.tensor[GLA_O].verdict], j.tensor[GLA_O].worst);
    stored[GLA_O][at] = want + 2.5 * allowed;
    ck_assert(judged().tensor[GLA_O].verdict == GLA_FAIL);
    gla_error err;
    ck_assert(gla_judge(&problem.problem, &candidate, &truth, gla_profile_named("ideal"), 1u << GLA_DQ, 1, &j, &err) ==
              GLA_OK);
    ck_assert(j.verdict == GLA_FAIL);
}
END_TEST

/* After a gate of -2^100 a chunk's sum has lost all later ones: the bound knows it, and the verdict says so. */
START_TEST(test_a_pass_may_say_little) {
    gla_judgement j = judged();
    for (int i = 0; i < GLA_OUTPUTS; i++)
        if (j.tensor[i].judged)
            ck_assert_msg(!j.tensor[i].says_little && j.tensor[i].loosest > 0, "%s: %g", gla_output_names[i],
                          j.tensor[i].loosest);
    for (int64_t t = 7; t < T; t += 29)
        for (int64_t i = 0; i < H * 16; i++) problem.tensor[GLA_IN_GK][t * H * 16 + i] = -0x1p100;
    gla_error err;
    gla_truth_options options = {.target = &gla_binary64_format, .backward = true};
    gla_truth_free(&truth);
    ck_assert_msg(gla_truth_compute(&problem.problem, &options, &truth, &err) == GLA_OK, "%s", err.what);
    make_candidate(&problem.problem);
    j = judged();
    ck_assert_msg(j.tensor[GLA_DV].verdict == GLA_PASS && j.tensor[GLA_DV].says_little, "%s, %g times the rms",
                  gla_verdict_names[j.tensor[GLA_DV].verdict], j.tensor[GLA_DV].loosest);
    memset(stored[GLA_DV], 0, (size_t)count_of(GLA_DV) * sizeof(double));
    j = judged();
    ck_assert(j.tensor[GLA_DV].says_little); /* whatever the candidate */
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("judge");
    TCase *t = tcase_create("truth table");
    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, test_a_right_kernel_passes);
    tcase_add_loop_test(t, test_every_spoiled_output_fails, 0, SPOILS);
    tcase_add_loop_test(t, test_every_wrong_kernel_fails, 0, MISREADINGS);
    tcase_add_loop_test(t, test_every_output_notices_one_nan_and_zeros, 0, GLA_OUTPUTS);
    tcase_add_test(t, test_the_place_is_named);
    tcase_add_test(t, test_wrong_shape_is_broken);
    tcase_add_test(t, test_missing_output_and_changed_input_are_broken);
    tcase_add_test(t, test_uncertified_truth_is_said);
    tcase_add_test(t, test_a_bound_without_limit_judges_nothing);
    tcase_add_test(t, test_only_judges_what_is_asked);
    tcase_add_test(t, test_marginal_and_profiles);
    tcase_add_test(t, test_a_pass_may_say_little);
    suite_add_tcase(s, t);
    return s;
}

int main(void) { return test_main(suite()); }
