/* SPDX-License-Identifier: Apache-2.0
 *
 * The delta rule's mechanisms before the judge: what errors of states do is what differences of runs say; substitution
 * in error numbers counts an error once; right kernels scatter as their bounds say, and pass over long sequences and
 * equal keys with bounds that still see; kernels with one thing wrong fail, and are named.
 */
#include <math.h>
#include <string.h>

#include "../../compare/cases.h"
#include "../../compare/delta_carry.h"
#include "../../compare/diagnose.h"
#include "../../compare/emulate.h"
#include "../../compare/judge.h"
#include "../../reference/verbs.h"
#include "../testing.h"

static const char *const mechanisms[] = {"delta_rule", "gated_delta_rule", "kda"};

/* ---- errors of states ---- */

enum { TOKENS = 7, DK = 5, DV = 4 };

/* A window of a generated case with a state of its own; the caller's problem points into it. */
static struct window {
    gla_generated made;
    double S[DK * DV], F[DK * DV], numbers[TOKENS * (4 * DK + 2 * DV + 1)];
    delta_window w;
} window;

static double *fetch(gla_input name, int64_t D, double *to) {
    const gla_problem *p = &window.made.problem;
    gla_tensor x = gla_acting_input(p, name);
    for (int64_t t = 0; t < TOKENS; t++)
        for (int64_t i = 0; i < D; i++) to[t * D + i] = x.at ? x.at[t * x.stride[1] + i * x.stride[3]] : 0;
    return to + TOKENS * D;
}

static void make_window(const char *mechanism) {
    gla_case_spec spec = {.family = "mild",
                          .mechanism = mechanism,
                          .T = TOKENS,
                          .H = 1,
                          .dk = DK,
                          .dv = DV,
                          .initial_state = true,
                          .backward = true,
                          .seed = test_seed(),
                          .dtype = &gla_binary32_format};
    ck_assert(gla_generate(&spec, &window.made, NULL) == GLA_OK);
    const gla_problem *p = &window.made.problem;
    memcpy(window.S, p->initial_state.at, sizeof window.S);
    memcpy(window.F, p->d_final_state.at, sizeof window.F);
    delta_window *w = &window.w;
    *w = (delta_window){.m = TOKENS, .dk = DK, .dv = DV, .scale = p->scale != 0 ? p->scale : 1 / sqrt(DK)};
    w->gate_per_head = gla_gate_per_head(gla_mechanism_of(p));
    w->q = window.numbers;
    w->k = fetch(GLA_IN_Q, DK, w->q);
    w->v = fetch(GLA_IN_K, DK, w->k);
    w->d_o = fetch(GLA_IN_V, DV, w->v);
    w->alpha = fetch(GLA_IN_DO, DV, w->d_o);
    w->beta = fetch(GLA_IN_GK, DK, w->alpha);
    fetch(GLA_IN_BETA, 1, w->beta);
    for (int i = 0; i < TOKENS * DK; i++) w->alpha[i] = exp(w->alpha[i]);
    w->S = window.S;
    w->F = window.F;
}

static void run(gla_result *r, gla_numbers *n) {
    gla_form form = {.kind = GLA_RECURRENT, .backward = true};
    gla_problem p = window.made.problem;
    p.initial_state.at = window.S;
    p.d_final_state.at = window.F;
    ck_assert(gla_run(&p, &form, n, r, NULL) == GLA_OK);
}

/* Squares of what every output moves by, per unit of each element of a state, weighed by the variances. */
static void differences(double *state, const double *var, gla_output name, double *sum, gla_numbers *n) {
    for (int i = 0; i < DK * DV; i++) {
        gla_result low, high;
        double was = state[i];
        state[i] = was - 0x1p-10;
        run(&low, n);
        state[i] = was + 0x1p-10;
        run(&high, n);
        state[i] = was;
        for (int64_t e = 0; e < low.tensor[name].count; e++) {
            double slope = (gla_result_d(&high, name, e) - gla_result_d(&low, name, e)) * 0x1p9;
            sum[e] += slope * slope * var[i];
        }
        gla_result_free(&low);
        gla_result_free(&high);
    }
}

START_TEST(carried_errors_are_differences) {
    make_window(mechanisms[_i]);
    double var[2][DK * DV], norms[2][DV];
    for (int i = 0; i < DK * DV; i++) {
        var[0][i] = 1 + i % 3;
        var[1][i] = 0.5 + i % 5;
    }
    for (int j = 0; j < DV; j++) norms[0][j] = norms[1][j] = 1;
    delta_carried S = {var[0], norms[0], norms[0]}, F = {var[1], norms[1], norms[1]};
    delta_error room[9][TOKENS * DK];
    memset(room, 0, sizeof room);
    bool gated = window.made.problem.gk.at;
    delta_errors e = {.o = room[0],
                      .ST = room[1],
                      .dq = room[2],
                      .dk = room[3],
                      .dv = room[4],
                      .dg = gated ? room[5] : NULL,
                      .dbeta = room[6],
                      .dS0 = room[7]};
    ck_assert(delta_carry(&window.w, &S, &F, &e));
    static const gla_output names[] = {GLA_O,  GLA_FINAL_STATE, GLA_DQ,    GLA_DK,
                                       GLA_DV, GLA_DGK,         GLA_DBETA, GLA_DINITIAL_STATE};
    gla_numbers *n = gla_binary64_open();
    for (int i = 0; i < 8; i++) {
        double sum[TOKENS * DK] = {0};
        if (names[i] == GLA_DGK && !gated) continue;
        differences(window.S, var[0], names[i], sum, n);
        differences(window.F, var[1], names[i], sum, n);
        int64_t shape[4];
        gla_output_shape(&window.made.problem, names[i], shape);
        for (int64_t j = 0; j < shape[0] * shape[1] * shape[2] * shape[3]; j++) {
            ck_assert_msg(fabs(room[i][j].var - sum[j]) <= 1e-9 * (1 + sum[j]), "%s %s[%d]: %g, not %g", mechanisms[_i],
                          gla_output_names[names[i]], (int)j, room[i][j].var, sum[j]);
            /* one column of norm 1 can be any one element: the worst is no less than each coefficient's root */
            ck_assert(room[i][j].lin * room[i][j].lin * 5.5 >= sum[j] * (1 - 1e-9));
        }
    }
    ck_assert(e.growth <= 1);
    gla_numbers_close(n);
    gla_generated_free(&window.made);
}
END_TEST

/* ---- substitution ---- */

/* Equal keys: L is beta below its diagonal. One error in the first row reaches row r by the inverse's element alone. */
START_TEST(an_error_is_counted_once) {
    enum { M = 40 };
    const double beta = 0.75;
    const gla_error_model exact = {.exp_argument = 0};
    gla_numbers *n = gla_error_open(&exact);
    gla_matrix L = gla_new(n, M, M), Y = gla_new(n, M, 1);
    for (size_t r = 0; r < M; r++)
        for (size_t i = 0; i < r; i++) n->ops->set_d(n, gla_at(L, r, i), beta);
    for (size_t r = 0; r < M; r++) n->ops->set_d(n, gla_at(Y, r, 0), 1);
    gla_error_number *first = gla_at(Y, _i ? M - 1 : 0, 0);
    first->var = first->lin = first->det = 1;
    n->ops->solve(n, &Y, &L, _i != 0);
    for (size_t r = 0; r < M; r++) {
        const gla_error_number *z = gla_at(Y, _i ? M - 1 - r : r, 0);
        double x = r == 0 ? 1 : beta * pow(1 - beta, (double)r - 1); /* |X_r0| */
        ck_assert_double_eq_tol(z->x, pow(1 - beta, (double)r), 1e-12);
        ck_assert_double_eq_tol(z->var, x * x, 1e-12);
        ck_assert_double_eq_tol(z->lin, x, 1e-12);
        ck_assert_double_eq_tol(z->det, x, 1e-12);
    }
    gla_numbers_close(n);
}
END_TEST

/* ---- right kernels ---- */

static gla_generated made;
static gla_truth truth;
static gla_candidate candidate;
static gla_judgement judgement;
static double *value[GLA_OUTPUTS];

static const gla_format *stored(int i) { return gla_is_wide_output((gla_output)i) ? &gla_binary32_format : &gla_bf16; }

static void generate(const char *mechanism, const char *family, int64_t T, int64_t dk, int64_t dv) {
    gla_case_spec spec = {.family = family,
                          .mechanism = mechanism,
                          .T = T,
                          .H = 1,
                          .dk = dk,
                          .dv = dv,
                          .initial_state = true,
                          .backward = true,
                          .seed = test_seed()};
    gla_error err = {0};
    const gla_truth_options how = {.backward = true, .close_enough = GLA_CLOSE_ENOUGH, .threads = 1};
    ck_assert_msg(gla_generate(&spec, &made, &err) == GLA_OK, "%s", err.what);
    ck_assert_msg(gla_truth_compute(&made.problem, &how, &truth, &err) == GLA_OK, "%s", err.what);
    ck_assert_int_eq(truth.uncertified, 0);
}

static void judge(const char *profile) {
    gla_error err = {0};
    for (int i = 0; i < GLA_OUTPUTS; i++) {
        candidate.output[i].value = value[i];
        candidate.output[i].format = stored(i);
    }
    gla_candidate_free_room(&candidate);
    ck_assert(gla_candidate_make_room(&made.problem, &candidate, &err) == GLA_OK);
    ck_assert_msg(gla_judge(&made.problem, &candidate, &truth, gla_profile_named(profile), 0, 1, &judgement, &err) ==
                      GLA_OK,
                  "%s", err.what);
}

static void kernel_of(const gla_problem *p, const char *profile) {
    gla_error err = {0};
    gla_emulation how = {.outputs = (unsigned)((1ull << GLA_OUTPUTS) - 1), .threads = 1};
    for (int i = 0; i < GLA_OUTPUTS; i++) how.format[i] = stored(i);
    ck_assert_msg(gla_emulate(p, gla_profile_named(profile), &how, value, &err) == GLA_OK, "%s", err.what);
    judge(profile);
}

static void drop(void) {
    gla_candidate_free_room(&candidate);
    for (int i = 0; i < GLA_OUTPUTS; i++) free(value[i]);
    memset(value, 0, sizeof value);
    gla_truth_free(&truth);
    gla_generated_free(&made);
}

/* Calibration: the errors of right kernels, in units of the standard deviation that is claimed for them, scatter by 1.
 * With nothing systematic in the profile, every output takes part. */
START_TEST(errors_scatter_as_claimed) {
    generate(mechanisms[_i], "mild", 192, 32, 32);
    kernel_of(&made.problem, "bf16-operands");
    ck_assert_msg(judgement.verdict <= GLA_MARGINAL, "%s: %s", made.name, gla_verdict_names[judgement.verdict]);
    static const gla_output names[] = {GLA_O, GLA_DQ, GLA_DK, GLA_DV};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const gla_distribution *d = &judgement.tensor[names[i]].scatter;
        ck_assert_msg(d->count > 1000 && d->rms_z > 0.75 && d->rms_z < 1.1, "%s %s: %lld elements, rms z %g", made.name,
                      gla_output_names[names[i]], (long long)d->count, d->rms_z);
    }
    drop();
}
END_TEST

/* Bounds that see after 160 tokens. Equal keys, and writes that wipe out or turn, leave results far smaller than what
 * they are made of, and repeated roundings count as often as they repeat: there it is enough that nothing grows, as it
 * would like 2^64 in a chunk of equal keys if an error were counted along every path. */
START_TEST(bounds_still_see) {
    static const char *const families[] = {"mild", "same-key", "rates"};
    generate(mechanisms[_i / 3], families[_i % 3], 160, 8, 6);
    kernel_of(&made.problem, "chunk-bf16");
    ck_assert_msg(judgement.verdict <= GLA_MARGINAL, "%s: %s", made.name, gla_verdict_names[judgement.verdict]);
    static const gla_output names[] = {GLA_O, GLA_FINAL_STATE, GLA_DQ, GLA_DV, GLA_DINITIAL_STATE};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        ck_assert_msg(judgement.tensor[names[i]].loosest < (_i % 3 ? 5 : 0.25),
                      "%s %s: the median bound is %g of its rms", made.name, gla_output_names[names[i]],
                      judgement.tensor[names[i]].loosest);
    drop();
}
END_TEST

/* ---- wrong kernels ---- */

static double altered[4096];

static void set_beta(gla_problem *p, double (*f)(double)) {
    for (int64_t i = 0; i < made.count[GLA_IN_BETA]; i++) altered[i] = f(made.tensor[GLA_IN_BETA][i]);
    p->beta.at = altered;
}

static double squared(double x) { return x * x; }
static double one(double x) { return 1; }
static void beta_twice(gla_problem *p) { set_beta(p, squared); }
static void beta_ignored(gla_problem *p) { set_beta(p, one); }
static void scale_missing(gla_problem *p) { p->scale = 1; }

static void state_transposed(gla_problem *p) {
    int64_t D = p->dk;
    for (int64_t i = 0; i < D * D; i++) altered[i] = made.tensor[GLA_IN_INITIAL_STATE][i % D * D + i / D];
    p->initial_state.at = altered;
}

static void gates_ignored(gla_problem *p) { p->gk.at = NULL; }

static const struct {
    const char *mechanism, *cause;
    void (*alter)(gla_problem *p);
} wrong_problems[] = {{"delta_rule", "beta", beta_twice},
                      {"kda", "beta", beta_twice},
                      {"gated_delta_rule", "beta", beta_ignored},
                      {"delta_rule", "scale", scale_missing},
                      {"kda", "state-transposed", state_transposed},
                      {"gated_delta_rule", "gates-ignored", gates_ignored}};
enum { WRONG_PROBLEMS = sizeof wrong_problems / sizeof *wrong_problems };

static void expect_cause(const char *cause) {
    gla_error err = {0};
    gla_diagnosis d;
    ck_assert_int_eq(judgement.verdict, GLA_FAIL);
    ck_assert(gla_diagnose(&made.problem, &candidate, &truth, &judgement, 0, 1, &d, &err) == GLA_OK);
    ck_assert_msg(strncmp(d.cause, cause, strlen(cause)) == 0, "%s %s: '%s' %s", made.name, cause, d.cause, d.sentence);
}

START_TEST(altered_problems_are_named) {
    generate(wrong_problems[_i].mechanism, "mild", 40, 8, 8);
    gla_problem wrong = made.problem;
    wrong_problems[_i].alter(&wrong);
    kernel_of(&wrong, "chunk-bf16");
    expect_cause(wrong_problems[_i].cause);
    drop();
}
END_TEST

/* Recurrent kernels with one line wrong, o and the final state alone, after the equations of spec 9b and 11b. */
typedef enum line { LOST_ERASURE, BEFORE_DECAY, AFTER_WRITE, BARE_VALUE, LINES } line;

static void token(line wrong, int64_t t, double *S, double *o) {
    const gla_problem *p = &made.problem;
    gla_tensor g = gla_acting_input(p, GLA_IN_GK);
    const double *q = p->q.at + t * p->q.stride[1], *k = p->k.at + t * p->k.stride[1],
                 *v = p->v.at + t * p->v.stride[1];
    double beta = p->beta.at[t], u[8], scale = 1 / sqrt((double)p->dk);
    for (int pass = 0; pass < 2; pass++) {
        bool decays = wrong == AFTER_WRITE ? pass == 1 : wrong == BEFORE_DECAY ? false : pass == 0;
        for (int64_t i = 0; decays && i < 8; i++)
            for (int64_t j = 0; j < 8; j++) S[i * 8 + j] *= exp(g.at[t * g.stride[1] + i * g.stride[3]]);
        if (pass) break;
        for (int64_t j = 0; j < 8; j++) {
            double read = 0;
            for (int64_t i = 0; i < 8; i++) read += wrong == LOST_ERASURE ? 0 : k[i] * S[i * 8 + j];
            u[j] = wrong == BARE_VALUE ? v[j] - beta * read : beta * (v[j] - read);
        }
        if (wrong == BEFORE_DECAY)
            for (int64_t i = 0; i < 8; i++)
                for (int64_t j = 0; j < 8; j++) S[i * 8 + j] *= exp(g.at[t * g.stride[1] + i * g.stride[3]]);
        for (int64_t i = 0; i < 8; i++)
            for (int64_t j = 0; j < 8; j++) S[i * 8 + j] += k[i] * u[j];
    }
    for (int64_t j = 0; j < 8; j++) {
        o[j] = 0;
        for (int64_t i = 0; i < 8; i++) o[j] += scale * q[i] * S[i * 8 + j];
        o[j] = gla_round(&gla_bf16, GLA_RN, o[j], 0);
    }
}

START_TEST(wrong_steps_are_named) {
    static const char *const words[LINES] = {"not subtracted", "before its decay", "after the write",
                                             "prediction alone"};
    generate("kda", "strong", 40, 8, 8);
    double *S = value[GLA_FINAL_STATE] = malloc(64 * sizeof *S), *o = value[GLA_O] = malloc(40 * 8 * sizeof *o);
    memcpy(S, made.tensor[GLA_IN_INITIAL_STATE], 64 * sizeof *S);
    for (int64_t t = 0; t < 40; t++) token((line)_i, t, S, o + t * 8);
    judge("chunk-bf16");
    gla_diagnosis d;
    ck_assert_int_eq(judgement.tensor[GLA_O].verdict, GLA_FAIL);
    ck_assert_int_eq(judgement.tensor[GLA_FINAL_STATE].verdict, GLA_FAIL);
    ck_assert(gla_diagnose(&made.problem, &candidate, &truth, &judgement, 0, 1, &d, NULL) == GLA_OK);
    ck_assert_msg(strcmp(d.cause, "delta-step") == 0 && strstr(d.sentence, words[_i]), "%d: '%s' %s", _i, d.cause,
                  d.sentence);
    drop();
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("delta");
    TCase *t = tcase_create("judged");
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, carried_errors_are_differences, 0, 3);
    tcase_add_loop_test(t, an_error_is_counted_once, 0, 2);
    tcase_add_loop_test(t, errors_scatter_as_claimed, 0, 3);
    tcase_add_loop_test(t, bounds_still_see, 0, 9);
    tcase_add_loop_test(t, altered_problems_are_named, 0, WRONG_PROBLEMS);
    tcase_add_loop_test(t, wrong_steps_are_named, 0, LINES);
    suite_add_tcase(s, t);
    return s;
}

int main(void) { return test_main(suite()); }
