/* SPDX-License-Identifier: Apache-2.0
 *
 * Each switch of a mechanism against its definition, written out in doubles, or against the identity that ties it to
 * the usual one, to 1e-60. That formulations agree and gradients are derivatives is test_family.c's.
 */
#include "switch_problems.h"

#define TOLERANCE 1e-60

/* ---- definitions, in doubles: one head, no groups ---- */

static void expect_near(const test_run *run, gla_output name, int64_t index, double want, const char *what) {
    double got = gla_result_d(&run->result, name, index);
    ck_assert_msg(fabs(got - want) <= 1e-12 * (1 + fabs(want)), "%s: %s[%ld] = %.15g, by definition %.15g", what,
                  gla_output_names[name], (long)index, got, want);
}

/* q or k of token t turned by its position. */
static void turned(const test_problem *x, gla_input name, int t, int rotation, double position, double out[4]) {
    for (int j = 0; j < 2; j++) {
        int a = rotation == 1 ? 2 * j : j, b = rotation == 1 ? 2 * j + 1 : j + 2;
        double theta = rotation == 1 ? pow(10000, -j / 1.0) : pow(10000, -2 * j / 4.0);
        double angle = rotation ? (position + t) * theta : 0;
        const double *at = x->at[name] + 4 * t;
        if (rotation == 0) a = 2 * j, b = 2 * j + 1;
        out[a] = at[a] * cos(angle) - at[b] * sin(angle);
        out[b] = at[a] * sin(angle) + at[b] * cos(angle);
    }
}

typedef struct retention_case {
    const char *text;
    int rotation, mask, rows, keys; /* as the switches stand */
    int position;
    bool states;
    double size; /* of q */
} retention_case;

static const retention_case retentions[] = {
    {"retention", 0, 0, 0, 0, 0, true, 1},
    {"retention,rotation=interleaved,position=5", 1, 0, 0, 0, 5, true, 1},
    {"retention,rotation=halves", 2, 0, 0, 0, 0, true, 1},
    {"retention,mask=normalised,position=2", 0, 1, 0, 0, 2, true, 1},
    {"retention,mask=normalised", 0, 1, 0, 0, 0, false, 1},
    {"retention,rows=sum", 0, 0, 1, 0, 0, true, 4},
    {"retention,rotation=halves,mask=normalised,rows=sum,position=3", 2, 1, 1, 0, 3, true, 8},
    {"retention,rows=abs", 0, 0, 2, 0, 0, false, 4},
    {"retention,rows=abs,scale_on=k", 0, 0, 2, 1, 0, false, 1e5},
    {"retention,rotation=interleaved,mask=normalised,rows=abs,scale_on=k,position=1", 1, 1, 2, 1, 1, false, 8},
    {"retention,scale_on=k", 0, 0, 0, 1, 0, true, 1}};

/* S~ and z~ by the recurrence of the normalised mask, w = 1 throughout where it is not. */
START_TEST(retention_is_its_definition) {
    const retention_case *c = &retentions[_i];
    test_problem x = plain_problem(c->text, 5100 + (uint32_t)_i, c->states);
    for (int i = 0; i < 36; i++) x.at[GLA_IN_Q][i] *= c->size;
    test_run run = run_problem(&x.p, "chunkwise:4:2", "mpfr:256");
    double gamma = 31 / 32.0, w = 0, S[4][4] = {{0}}, keys[9][4], weight[9];
    for (int i = 0; i < c->position; i++) w = gamma * w + 1;
    for (int i = 0; c->states && i < 4; i++) {
        for (int j = 0; j < 3; j++) S[i][j] = x.at[GLA_IN_INITIAL_STATE][3 * i + j];
        if (c->rows == 1) S[i][3] = x.at[GLA_IN_INITIAL_N][i];
    }
    for (int t = 0; t < 9; t++) {
        double q[4], k[4], o[4] = {0}, sum = 0, next = gamma * w + 1;
        double keep = c->mask ? sqrt(w) * gamma / sqrt(next) : gamma, write = c->mask ? 1 / sqrt(next) : 1;
        turned(&x, GLA_IN_Q, t, c->rotation, c->position, q);
        turned(&x, GLA_IN_K, t, c->rotation, c->position, k);
        for (int m = 0; m < t; m++) weight[m] *= keep;
        weight[t] = write;
        for (int i = 0; i < 4; i++) {
            if (c->keys) k[i] *= 0.75;
            keys[t][i] = k[i];
            for (int j = 0; j < 4; j++)
                S[i][j] = keep * S[i][j] + write * k[i] * (j < 3 ? x.at[GLA_IN_V][3 * t + j] : 1);
            for (int j = 0; j < 4; j++) o[j] += (c->keys ? 1 : 0.75) * q[i] * S[i][j];
        }
        for (int m = 0; m <= t; m++) {
            double score = 0;
            for (int i = 0; i < 4; i++) score += (c->keys ? 1 : 0.75) * q[i] * keys[m][i] * weight[m];
            sum += fabs(score);
        }
        double den = c->rows == 1 ? fmax(fabs(o[3]), 1) : c->rows == 2 ? fmin(fmax(sum, 1), 5e4) : 1;
        for (int j = 0; j < 3; j++) expect_near(&run, GLA_O, 3 * t + j, o[j] / den, c->text);
        w = next;
    }
    for (int i = 0; i < 4; i++) {
        for (int j = 0; j < 3; j++) expect_near(&run, GLA_FINAL_STATE, 3 * i + j, S[i][j], c->text);
        if (c->rows == 1) expect_near(&run, GLA_FINAL_N, i, S[i][3], c->text);
    }
    run_free(&run);
    problem_free(&x);
}
END_TEST

/* The first token finds e^-w S_0, and the last one leaves e^-w S_T. */
START_TEST(pre_decayed_states) {
    test_problem x = plain_problem("lightning@2/4,state=pre-decayed", 5200, true);
    test_run run = run_problem(&x.p, "chunkwise:4:2", "mpfr:256");
    double decay = exp(-0x1p-6), S[4][3];
    memcpy(S, x.at[GLA_IN_INITIAL_STATE], sizeof S);
    for (int t = 0; t < 9; t++) {
        double o[3] = {0};
        for (int i = 0; i < 4; i++)
            for (int j = 0; j < 3; j++) {
                S[i][j] = (t ? decay : 1) * S[i][j] + x.at[GLA_IN_K][4 * t + i] * x.at[GLA_IN_V][3 * t + j];
                o[j] += 0.75 * x.at[GLA_IN_Q][4 * t + i] * S[i][j];
            }
        for (int j = 0; j < 3; j++) expect_near(&run, GLA_O, 3 * t + j, o[j], "pre-decayed");
    }
    for (int i = 0; i < 12; i++) expect_near(&run, GLA_FINAL_STATE, i, decay * S[i / 3][i % 3], "pre-decayed");
    run_free(&run);
    problem_free(&x);
}
END_TEST

START_TEST(linear_attention_is_its_definition) {
    static const char *const texts[] = {"linear_attention,normaliser=sum,eps=0.25",
                                        "linear_attention,normaliser=sum,eps=0.25,eps_on=unscaled",
                                        "linear_attention,normaliser=sum,eps=0.25,z=recomputed"};
    test_problem x = plain_problem(texts[_i], 5300, true);
    test_run run = run_problem(&x.p, "chunkwise:4:2", "mpfr:256");
    double z[4] = {0}, S[4][3];
    memcpy(S, x.at[GLA_IN_INITIAL_STATE], sizeof S);
    if (_i < 2) memcpy(z, x.at[GLA_IN_INITIAL_N], sizeof z);
    for (int t = 0; t < 9; t++) {
        double o[3] = {0}, den = _i == 1 ? 0.75 * 0.25 : 0.25;
        for (int i = 0; i < 4; i++) {
            double q = 0.75 * x.at[GLA_IN_Q][4 * t + i], k = x.at[GLA_IN_K][4 * t + i];
            z[i] += k;
            den += q * z[i];
            for (int j = 0; j < 3; j++) {
                S[i][j] += k * x.at[GLA_IN_V][3 * t + j];
                o[j] += q * S[i][j];
            }
        }
        for (int j = 0; j < 3; j++) expect_near(&run, GLA_O, 3 * t + j, o[j] / den, texts[_i]);
    }
    ck_assert(run_has(&run, GLA_FINAL_N) == (_i < 2) && run_has(&run, GLA_DINITIAL_N) == (_i < 2));
    for (int i = 0; _i < 2 && i < 4; i++) expect_near(&run, GLA_FINAL_N, i, z[i], texts[_i]);
    run_free(&run);
    problem_free(&x);
}
END_TEST

/* ---- identities ---- */

static test_run run_as(test_problem *x, const char *mechanism, const char *form) {
    name_mechanism(&x->p, mechanism);
    return run_problem(&x->p, form, "mpfr:256");
}

/* Output `name` of both, the second times `factor`. */
static void expect_same(const test_run *a, const test_run *b, gla_output name, double factor, const char *what) {
    distance d;
    MPFR_DECL_INIT(x, 512);
    MPFR_DECL_INIT(y, 512);
    distance_begin(&d);
    ck_assert_int_eq(a->result.tensor[name].count, b->result.tensor[name].count);
    for (int64_t i = 0; i < a->result.tensor[name].count; i++) {
        run_get(x, a, name, i);
        run_get(y, b, name, i);
        mpfr_mul_d(y, y, factor, MPFR_RNDN);
        distance_add(&d, x, y);
    }
    double apart = distance_end(&d);
    ck_assert_msg(apart <= TOLERANCE, "%s: %s differs by %g", what, gla_output_names[name], apart);
}

static void scale_input(test_problem *x, gla_input name, double factor) {
    for (int64_t i = 0; x->at[name] && i < problem_count(x, name); i++) x->at[name][i] *= factor;
}

/* With s = 1/4 on k, states s S and their adjoints 1/s. */
START_TEST(scale_on_keys) {
    static const char *const usual[] = {"retention", "retention,rows=sum", "mlstm", "mlstm,gate=sigmoid"};
    static const char *const keys[] = {"retention,scale_on=k", "retention,rows=sum,scale_on=k", "mlstm,scale_on=k",
                                       "mlstm,gate=sigmoid,scale_on=k"};
    test_problem x = plain_problem(usual[_i], 5400, true);
    x.p.scale = 0.25;
    test_run a = run_as(&x, usual[_i], "chunkwise:4:2");
    scale_input(&x, GLA_IN_INITIAL_STATE, 0.25);
    scale_input(&x, GLA_IN_INITIAL_N, 0.25);
    scale_input(&x, GLA_IN_DFINAL_STATE, 4);
    scale_input(&x, GLA_IN_DFINAL_N, 4);
    test_run b = run_as(&x, keys[_i], "parallel");
    for (int i = 0; i < GLA_OUTPUTS; i++) {
        bool adjoint = i == GLA_DINITIAL_STATE || i == GLA_DINITIAL_N;
        bool state = i == GLA_FINAL_STATE || i == GLA_FINAL_N;
        if (run_has(&a, (gla_output)i)) expect_same(&b, &a, (gla_output)i, state ? 0.25 : adjoint ? 4 : 1, keys[_i]);
    }
    run_free(&a);
    run_free(&b);
    problem_free(&x);
}
END_TEST

/* Without states, turned scores depend on the distance of two tokens alone. */
START_TEST(rotation_is_relative) {
    static const char *const here[] = {"retention,rotation=interleaved", "retention,rotation=halves"};
    static const char *const there[] = {"retention,rotation=interleaved,position=1000",
                                        "retention,rotation=halves,position=1000"};
    static const gla_output same[] = {GLA_O, GLA_DQ, GLA_DK, GLA_DV};
    test_problem x = plain_problem(here[_i], 5500, false);
    test_run a = run_as(&x, here[_i], "chunkwise:4:2"), b = run_as(&x, there[_i], "recurrent");
    for (int i = 0; i < 4; i++) expect_same(&a, &b, same[i], 1, there[_i]);
    run_free(&a);
    run_free(&b);
    problem_free(&x);
}
END_TEST

/* eps = 0: the scale cancels. */
START_TEST(scale_cancels) {
    test_problem x = plain_problem("linear_attention,normaliser=sum", 5600, true);
    test_run a = run_as(&x, "linear_attention,normaliser=sum", "parallel");
    x.p.scale = 3;
    test_run b = run_as(&x, "linear_attention,normaliser=sum", "recurrent");
    for (int i = 0; i < GLA_OUTPUTS; i++)
        if (run_has(&a, (gla_output)i)) expect_same(&a, &b, (gla_output)i, 1, "scale 3");
    run_free(&a);
    run_free(&b);
    problem_free(&x);
}
END_TEST

/* From an empty state and with eps = 0, the stabiliser to begin with is a matter of units. */
START_TEST(first_stabiliser) {
    static const gla_output same[] = {GLA_O, GLA_DQ, GLA_DK, GLA_DV, GLA_DI, GLA_DF};
    test_problem x = plain_problem("mlstm", 5700, false);
    test_run a = run_as(&x, "mlstm", "chunkwise:4:2"), b = run_as(&x, "mlstm,m0=-inf", "recurrent");
    for (int i = 0; i < 6; i++) expect_same(&a, &b, same[i], 1, "m0=-inf");
    run_free(&a);
    run_free(&b);
    problem_free(&x);
}
END_TEST

/* A state that is given is in units of 1 where no initial_m says otherwise, also with m0=-inf. */
START_TEST(units_of_a_given_state) {
    test_problem x = plain_problem("mlstm", 5750, true);
    x.p.initial_m = (gla_tensor){0};
    test_run a = run_as(&x, "mlstm", "chunkwise:4:2"), b = run_as(&x, "mlstm,m0=-inf", "recurrent");
    for (int i = 0; i < GLA_OUTPUTS; i++)
        if (run_has(&a, (gla_output)i)) expect_same(&a, &b, (gla_output)i, 1, "m0=-inf");
    run_free(&a);
    run_free(&b);
    problem_free(&x);
}
END_TEST

/* Across mechanisms, where nothing decays: an mLSTM whose gates are open, f = inf and i = 0 (i = sigmoid^-1(1/2) for
 * the sigmoid gate, which writes k / 2), is retention of gamma = 1 with normalised rows, or linear attention; and where
 * the sums stay above 1 so is normalised linear attention. */
START_TEST(without_decay) {
    static const gla_output same[] = {GLA_O, GLA_FINAL_STATE, GLA_DQ, GLA_DV, GLA_DINITIAL_STATE};
    test_problem x = plain_problem("mlstm", 6050, true);
    for (int t = 0; t < 9; t++) {
        x.at[GLA_IN_F][t] = INFINITY;
        x.at[GLA_IN_I][t] = 0;
    }
    x.at[GLA_IN_INITIAL_M][0] = 0;
    test_run open = run_as(&x, "mlstm", "chunkwise:4:2");
    x.p.initial_m = (gla_tensor){0};
    test_run half = run_as(&x, "mlstm,gate=sigmoid", "parallel");
    x.p.i = x.p.f = (gla_tensor){0};
    problem_give(&x, GLA_IN_A_LOG, 1)[0] = 0;
    test_run rows = run_as(&x, "retention,rows=sum,decay=trained", "recurrent");
    scale_input(&x, GLA_IN_K, 0.5);
    test_run half_rows = run_as(&x, "retention,rows=sum,decay=trained", "chunkwise:5:5");
    for (int i = 0; i < 5; i++) {
        expect_same(&open, &rows, same[i], 1, "open gates");
        expect_same(&half, &half_rows, same[i], 1, "half open gates");
    }
    expect_same(&open, &rows, GLA_DK, 1, "open gates");
    expect_same(&half, &half_rows, GLA_DK, 0.5, "half open gates");
    for (int i = GLA_IN_Q; i <= GLA_IN_K; i++)
        for (int64_t j = 0; j < 36; j++) x.at[i][j] = 2 + fabs(x.at[i][j]);
    for (int j = 0; j < 4; j++) x.at[GLA_IN_INITIAL_N][j] = 1;
    test_run wide = run_as(&x, "retention,rows=sum,decay=trained", "recurrent");
    x.p.A_log = (gla_tensor){0};
    test_run sum = run_as(&x, "linear_attention,normaliser=sum", "chunkwise:4:2");
    for (int i = 0; i < 5; i++) expect_same(&wide, &sum, same[i], 1, "sums above 1");
    expect_same(&wide, &sum, GLA_DINITIAL_N, 1, "sums above 1");
    test_run *all[] = {&open, &half, &rows, &half_rows, &wide, &sum};
    for (int i = 0; i < 6; i++) run_free(all[i]);
    problem_free(&x);
}
END_TEST

/* v.dv is k.dk for the truncated gradient, and is not for the full one. */
START_TEST(input_gate_by_values) {
    test_problem x = plain_problem("mlstm", 5800, false);
    test_run a = run_as(&x, "mlstm,gradient=truncated", "chunkwise:4:2"),
             b = run_as(&x, "mlstm,gradient=truncated,di=values", "recurrent"), c = run_as(&x, "mlstm", "recurrent"),
             d = run_as(&x, "mlstm,di=values", "recurrent");
    expect_same(&a, &b, GLA_DI, 1, "di=values");
    ck_assert_double_gt(run_apart(&c, &d, GLA_DI), 0.01);
    run_free(&a);
    run_free(&b);
    run_free(&c);
    run_free(&d);
    problem_free(&x);
}
END_TEST

/* df without its end term: a constant less before the sigmoid, so that two tokens with one f lose the same. */
START_TEST(end_omitted) {
    test_problem x = plain_problem("mlstm", 5900, true);
    for (int t = 0; t < 9; t++) x.at[GLA_IN_F][t] = 0.5;
    test_run a = run_as(&x, "mlstm", "chunkwise:4:2"), b = run_as(&x, "mlstm,end=omitted", "chunkwise:4:2");
    double end = 0, less = 1 / (1 + exp(0.5));
    for (int i = 0; i < 12; i++) end += gla_result_d(&a.result, GLA_FINAL_STATE, i) * x.at[GLA_IN_DFINAL_STATE][i];
    for (int i = 0; i < 4; i++) end += gla_result_d(&a.result, GLA_FINAL_N, i) * x.at[GLA_IN_DFINAL_N][i];
    for (int t = 0; t < 9; t++)
        expect_near(&b, GLA_DF, t, gla_result_d(&a.result, GLA_DF, t) - end * less, "end=omitted");
    ck_assert_double_gt(fabs(end), 0.01);
    run_free(&a);
    run_free(&b);
    problem_free(&x);
}
END_TEST

/* The gradient of log gamma is the sum of dg, simple GLA's with that gate everywhere. */
START_TEST(trained_decay) {
    test_problem x = plain_problem("retention,decay=trained", 6000, true);
    problem_give(&x, GLA_IN_A_LOG, 1)[0] = -0.125;
    test_run a = run_as(&x, "retention,decay=trained", "chunkwise:4:2");
    x.p.A_log = (gla_tensor){0};
    name_mechanism(&x.p, "simple_gla");
    for (double *g = problem_give(&x, GLA_IN_GK, 1), *end = g + 9; g < end; g++) *g = -0.125;
    test_run b = run_as(&x, "simple_gla", "recurrent");
    MPFR_DECL_INIT(sum, 512);
    MPFR_DECL_INIT(y, 512);
    mpfr_set_zero(sum, 1);
    for (int t = 0; t < 9; t++) {
        run_get(y, &b, GLA_DGK, t);
        mpfr_add(sum, sum, y, MPFR_RNDN);
    }
    run_get(y, &a, GLA_DA_LOG, 0);
    ck_assert_double_le(golden_apart(y, sum), TOLERANCE);
    expect_same(&a, &b, GLA_O, 1, "trained");
    run_free(&a);
    run_free(&b);
    problem_free(&x);
}
END_TEST

/* The constant of rows=abs is none of the gradient's business: o is then linear in q, in k and in v. */
START_TEST(detached_rows) {
    static const gla_input of[] = {GLA_IN_Q, GLA_IN_K, GLA_IN_V};
    static const gla_output by[] = {GLA_DQ, GLA_DK, GLA_DV};
    test_problem x = plain_problem("retention,rows=abs", 6100, false);
    scale_input(&x, GLA_IN_Q, 4);
    test_run run = run_as(&x, "retention,rows=abs", "chunkwise:4:2");
    double loss = 0;
    for (int i = 0; i < 27; i++) loss += x.at[GLA_IN_DO][i] * gla_result_d(&run.result, GLA_O, i);
    for (int which = 0; which < 3; which++) {
        double sum = 0;
        for (int64_t i = 0; i < problem_count(&x, of[which]); i++)
            sum += x.at[of[which]][i] * gla_result_d(&run.result, by[which], i);
        ck_assert_msg(fabs(sum - loss) <= 1e-12, "<%s,%s> = %g, <o,do> = %g", gla_input_names[of[which]],
                      gla_output_names[by[which]], sum, loss);
    }
    run_free(&run);
    problem_free(&x);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("switches of mechanisms");
    TCase *t = tcase_create("switches");
    tcase_set_timeout(t, 30);
    tcase_add_loop_test(t, retention_is_its_definition, 0, sizeof retentions / sizeof *retentions);
    tcase_add_test(t, pre_decayed_states);
    tcase_add_loop_test(t, linear_attention_is_its_definition, 0, 3);
    tcase_add_loop_test(t, scale_on_keys, 0, 4);
    tcase_add_loop_test(t, rotation_is_relative, 0, 2);
    tcase_add_test(t, scale_cancels);
    tcase_add_test(t, first_stabiliser);
    tcase_add_test(t, units_of_a_given_state);
    tcase_add_test(t, input_gate_by_values);
    tcase_add_test(t, end_omitted);
    tcase_add_test(t, without_decay);
    tcase_add_test(t, trained_decay);
    tcase_add_test(t, detached_rows);
    suite_add_tcase(s, t);
    return s;
}

int main(void) { return test_main(suite()); }
