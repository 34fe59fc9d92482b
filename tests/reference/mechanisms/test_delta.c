/* SPDX-License-Identifier: Apache-2.0
 *
 * The delta rule's mechanisms through gla_run: the golden arrays of data/golden/delta.txt in every formulation, solver
 * and gate route to 38 digits; the specialisations of spec 15 across mechanisms to 1e-60; what is refused, and how.
 *     KDA(g of one number per head) = gated delta rule, dg the sum over channels;  gated delta rule(0) = delta rule
 *     beta = 0: S_t = e^G_t S_0, so gla with v = 0
 *     orthogonal keys, S_0 = 0: linear attention with v -> beta v, and dv = beta dv', dbeta = v.dv'
 *     beta = 1, |k| = 1: S_t^T k_t = v_t
 *     Euler: <o,do> + <S_T,dS_T> = <v,dv> + <S_0,dS_0>
 * Run from the repository root.
 */
#include "any_mechanism.h"

#define TOLERANCE 1e-60

static const struct {
    const char *mechanism, *set;
} cases[] = {{"delta_rule", "deltanet"}, {"gated_delta_rule", "gated_deltanet"}, {"kda", "kda"}};
enum { CASES = 3, KDA = 2 };

/* The golden streams: seeds of spec 19, k = X/2. */
static void problem_golden_delta(test_problem *x, const char *mechanism) {
    *x = problem_sized(1, 7, 1, 4, 3);
    x->p.scale = 0.5;
    name_mechanism(&x->p, mechanism);
    const gla_mechanism *m = gla_mechanism_of(&x->p);
    fill_stream(x, GLA_IN_Q, 1, 2, -1);
    fill_stream(x, GLA_IN_K, 2, 1, -0.5);
    fill_stream(x, GLA_IN_V, 3, 2, -1);
    if (m->inputs & 1u << GLA_IN_GK) fill_stream(x, GLA_IN_GK, gla_gate_per_head(m) ? 6 : 4, -1, 0);
    fill_stream(x, GLA_IN_BETA, 7, 1, 0);
    fill_stream(x, GLA_IN_INITIAL_STATE, 8, 2, -1);
    fill_stream(x, GLA_IN_DO, 10, 2, -1);
    fill_stream(x, GLA_IN_DFINAL_STATE, 11, 2, -1);
}

/* ---- golden ---- */

static void check_golden(const test_run *run, const char *set, const char *form) {
    static const char *const names[GLA_OUTPUTS] = {
        [GLA_O] = "o",   [GLA_FINAL_STATE] = "S_T", [GLA_DQ] = "dq",       [GLA_DK] = "dk",
        [GLA_DV] = "dv", [GLA_DGK] = "dg",          [GLA_DBETA] = "dbeta", [GLA_DINITIAL_STATE] = "dS0"};
    for (int i = 0; i < GLA_OUTPUTS; i++)
        if (run_has(run, (gla_output)i)) golden_check_output(run, (gla_output)i, "delta", set, names[i], form);
}

/* Every route that the form has; returns how many ran. */
static int check_routes(int which, const char *text) {
    test_problem x;
    int ran = 0;
    problem_golden_delta(&x, cases[which].mechanism);
    gla_form form = form_named(text, true);
    for (int route = 0; route < GLA_ROUTES; route++) {
        form.route = (gla_gate_route)route;
        if (!gla_form_available(&x.p, &form)) continue;
        test_run run = run_form(&x.p, form, "mpfr:256");
        check_golden(&run, cases[which].set, text);
        run_free(&run);
        ran++;
    }
    problem_free(&x);
    return ran;
}

START_TEST(golden) {
    static const char *const chunks[] = {"chunkwise:3:2",
                                         "chunkwise:3:2+ut",
                                         "chunkwise:4:2+ut-blocked",
                                         "chunkwise:5:2+materialised",
                                         "chunkwise:2:1+ut-product",
                                         "chunkwise+ut",
                                         "chunkwise:2:1+split:4+ut"};
    ck_assert_int_eq(check_routes(_i, "recurrent"), 5);
    ck_assert_int_eq(check_routes(_i, "recurrent+split:3"), 5);
    ck_assert_int_eq(check_routes(_i, "parallel"), 5);
    ck_assert_int_eq(check_routes(_i, "parallel+ut"), 5);
    for (size_t i = 0; i < sizeof chunks / sizeof *chunks; i++) ck_assert_int_eq(check_routes(_i, chunks[i]), 6);
    ck_assert_int_eq(check_routes(_i, "chunkwise-factored:5+ut"), _i == KDA ? 5 : 0);
    ck_assert_int_eq(check_routes(_i, "chunkwise:5:3+bounded"), _i == KDA ? 6 : 0);
    ck_assert_int_eq(check_routes(_i, "chunkwise-centred"), 0);
}
END_TEST

/* ---- specialisations ---- */

static void check_same(const test_run *a, const test_run *b, const gla_output *names, int count, const char *what) {
    for (int i = 0; i < count; i++) {
        double apart = run_apart(a, b, names[i]);
        ck_assert_msg(apart <= TOLERANCE, "%s: %s differs by %g", what, gla_output_names[names[i]], apart);
    }
}

static const gla_output all_but_dg[] = {GLA_O, GLA_FINAL_STATE, GLA_DQ, GLA_DK, GLA_DV, GLA_DBETA, GLA_DINITIAL_STATE};
enum { ALL_BUT_DG = 7 };

START_TEST(one_gate_for_all_channels) {
    test_problem head, channel;
    problem_golden_delta(&head, "gated_delta_rule");
    problem_golden_delta(&channel, "kda");
    for (int i = 0; i < 28; i++) channel.at[GLA_IN_GK][i] = head.at[GLA_IN_GK][i / 4];
    test_run a = run_problem(&head.p, "chunkwise:3:2+ut", "mpfr:256"),
             b = run_problem(&channel.p, "recurrent", "mpfr:256");
    check_same(&a, &b, all_but_dg, ALL_BUT_DG, "kda and gated_delta_rule");
    distance d;
    MPFR_DECL_INIT(x, 512);
    MPFR_DECL_INIT(sum, 512);
    distance_begin(&d);
    for (int64_t t = 0; t < 7; t++) {
        mpfr_set_zero(sum, 1);
        for (int64_t c = 0; c < 4; c++) {
            run_get(x, &b, GLA_DGK, 4 * t + c);
            mpfr_add(sum, sum, x, MPFR_RNDN);
        }
        run_get(x, &a, GLA_DGK, t);
        distance_add(&d, x, sum);
    }
    ck_assert_double_le(distance_end(&d), TOLERANCE);
    run_free(&a);
    run_free(&b);
    problem_free(&head);
    problem_free(&channel);
}
END_TEST

START_TEST(no_gate) {
    test_problem plain, gated;
    problem_golden_delta(&plain, "delta_rule");
    problem_golden_delta(&gated, cases[_i].mechanism);
    if (_i % 2)
        memset(gated.at[GLA_IN_GK], 0, (size_t)problem_count(&gated, GLA_IN_GK) * sizeof(double));
    else
        gated.p.gk = (gla_tensor){0}; /* absent: no decay */
    test_run a = run_problem(&plain.p, "parallel", "mpfr:256"), b = run_problem(&gated.p, "chunkwise:4:3", "mpfr:256");
    check_same(&a, &b, all_but_dg, ALL_BUT_DG, cases[_i].mechanism);
    ck_assert(run_has(&b, GLA_DGK) == (_i % 2 == 1));
    run_free(&a);
    run_free(&b);
    problem_free(&plain);
    problem_free(&gated);
}
END_TEST

START_TEST(nothing_written) {
    static const gla_output same[] = {GLA_O, GLA_FINAL_STATE, GLA_DQ, GLA_DGK, GLA_DINITIAL_STATE};
    test_problem delta, gla;
    problem_golden_delta(&delta, "kda");
    problem_golden(&gla, false);
    memset(delta.at[GLA_IN_BETA], 0, 7 * sizeof(double));
    memset(gla.at[GLA_IN_V], 0, 21 * sizeof(double));
    test_run a = run_problem(&delta.p, "chunkwise:3:2+ut", "mpfr:256"),
             b = run_problem(&gla.p, "recurrent", "mpfr:256");
    check_same(&a, &b, same, 5, "beta = 0");
    run_free(&a);
    run_free(&b);
    problem_free(&delta);
    problem_free(&gla);
}
END_TEST

/* Four tokens with the unit vectors, scaled, as keys. */
START_TEST(orthogonal_keys) {
    static const gla_output same[] = {GLA_O, GLA_FINAL_STATE, GLA_DQ};
    test_problem delta = problem_sized(1, 4, 1, 4, 3), linear = problem_sized(1, 4, 1, 4, 3);
    static const gla_input given[] = {GLA_IN_Q, GLA_IN_K, GLA_IN_V, GLA_IN_DO, GLA_IN_DFINAL_STATE};
    test_random r = random_from(8100);
    name_mechanism(&delta.p, "delta_rule");
    name_mechanism(&linear.p, "linear_attention");
    for (int i = 0; i < 5; i++) {
        problem_give(&delta, given[i], 1);
        problem_give(&linear, given[i], 1);
        problem_fill(&delta, given[i], &r, 1, 0);
        for (int64_t j = 0; j < 16; j++) /* where it is a key, one channel per token */
            if (given[i] == GLA_IN_K && j % 5) delta.at[GLA_IN_K][j] = 0;
        memcpy(linear.at[given[i]], delta.at[given[i]], (size_t)problem_count(&delta, given[i]) * sizeof(double));
    }
    problem_give(&delta, GLA_IN_BETA, 1);
    problem_fill(&delta, GLA_IN_BETA, &r, 1, 0);
    for (int j = 0; j < 12; j++) linear.at[GLA_IN_V][j] *= delta.at[GLA_IN_BETA][j / 3];
    test_run a = run_problem(&delta.p, "chunkwise:4:2+ut-blocked", "mpfr:256"),
             b = run_problem(&linear.p, "chunkwise:3:1", "mpfr:256");
    check_same(&a, &b, same, 3, "orthogonal keys");
    distance d;
    MPFR_DECL_INIT(x, 512);
    MPFR_DECL_INIT(y, 512);
    distance_begin(&d);
    for (int64_t j = 0; j < 12; j++) {
        run_get(x, &a, GLA_DV, j);
        run_get(y, &b, GLA_DV, j);
        mpfr_mul_d(y, y, delta.at[GLA_IN_BETA][j / 3], MPFR_RNDN);
        distance_add(&d, x, y);
    }
    ck_assert_double_le(distance_end(&d), TOLERANCE);
    run_free(&a);
    run_free(&b);
    problem_free(&delta);
    problem_free(&linear);
}
END_TEST

/* Keys of +-1/2 in four channels have unit length: the last token's value is what its key reads. */
START_TEST(interpolation) {
    test_problem x;
    test_random r = random_from(8200 + (uint32_t)_i);
    problem_golden_delta(&x, cases[_i].mechanism);
    for (int i = 0; i < 28; i++) x.at[GLA_IN_K][i] = random_chance(&r, 0.5) ? 0.5 : -0.5;
    for (int t = 0; t < 7; t++) x.at[GLA_IN_BETA][t] = 1;
    test_run run = run_problem(&x.p, "chunkwise:4:2+ut", "mpfr:256");
    distance d;
    MPFR_DECL_INIT(y, 512);
    MPFR_DECL_INIT(sum, 512);
    distance_begin(&d);
    for (int64_t j = 0; j < 3; j++) {
        mpfr_set_zero(sum, 1);
        for (int64_t i = 0; i < 4; i++) {
            run_get(y, &run, GLA_FINAL_STATE, 3 * i + j);
            mpfr_mul_d(y, y, x.at[GLA_IN_K][24 + i], MPFR_RNDN);
            mpfr_add(sum, sum, y, MPFR_RNDN);
        }
        mpfr_set_d(y, x.at[GLA_IN_V][18 + j], MPFR_RNDN);
        distance_add(&d, y, sum);
    }
    ck_assert_double_le(distance_end(&d), TOLERANCE);
    run_free(&run);
    problem_free(&x);
}
END_TEST

/* z += <output, input>, both dense and of one shape. */
static void add_product(mpfr_t z, const test_run *run, gla_output name, const double *with) {
    MPFR_DECL_INIT(x, 512);
    for (int64_t i = 0; i < run->result.tensor[name].count; i++) {
        run_get(x, run, name, i);
        mpfr_mul_d(x, x, with[i], MPFR_RNDN);
        mpfr_add(z, z, x, MPFR_RNDN);
    }
}

START_TEST(euler) {
    test_problem x;
    problem_golden_delta(&x, cases[_i].mechanism);
    test_run run = run_problem(&x.p, "chunkwise:3:2+ut", "mpfr:256");
    MPFR_DECL_INIT(forward, 512);
    MPFR_DECL_INIT(back, 512);
    mpfr_set_zero(forward, 1);
    mpfr_set_zero(back, 1);
    add_product(forward, &run, GLA_O, x.at[GLA_IN_DO]);
    add_product(forward, &run, GLA_FINAL_STATE, x.at[GLA_IN_DFINAL_STATE]);
    add_product(back, &run, GLA_DV, x.at[GLA_IN_V]);
    add_product(back, &run, GLA_DINITIAL_STATE, x.at[GLA_IN_INITIAL_STATE]);
    ck_assert_double_le(golden_apart(forward, back), TOLERANCE);
    run_free(&run);
    problem_free(&x);
}
END_TEST

/* ---- refusals ---- */

START_TEST(refused) {
    static const struct {
        const char *mechanism, *form, *says;
    } rows[] = {{"kda", "chunkwise-paired", "mechanism kda has no formulation 'chunkwise-paired'"},
                {"kda", "parallel+anchor", "gate gradient 'anchor' is not available for formulation 'parallel'"},
                {"gla", "chunkwise+ut", "'+ut' is not available for formulation 'chunkwise' of mechanism gla"},
                {"delta_rule", "chunkwise+bounded", "'+bounded' is not available"},
                {"kda", "parallel+ut-blocked", "'+ut-blocked' is not available for formulation 'parallel'"}};
    test_problem x;
    gla_numbers *n;
    gla_result result;
    gla_error err = {0};
    ck_assert_int_eq(gla_numbers_open("binary64", &n, NULL), GLA_OK);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        problem_golden_delta(&x, rows[i].mechanism);
        gla_form form = form_named(rows[i].form, true);
        ck_assert(!gla_form_available(&x.p, &form));
        ck_assert_int_eq(gla_run(&x.p, &form, n, &result, &err), GLA_UNSUPPORTED);
        ck_assert_msg(strstr(err.what, rows[i].says) != NULL, "%s", err.what);
        problem_free(&x);
    }
    problem_golden_delta(&x, "kda");
    x.p.beta = (gla_tensor){0};
    ck_assert_int_eq(gla_problem_check(&x.p, false, &err), GLA_BAD_SHAPE);
    ck_assert_str_eq(err.what, "input beta is missing");
    gla_numbers_close(n);
    problem_free(&x);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("the delta rule's mechanisms");
    TCase *t = tcase_create("delta");
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, golden, 0, CASES);
    tcase_add_test(t, one_gate_for_all_channels);
    tcase_add_loop_test(t, no_gate, 1, CASES);
    tcase_add_test(t, nothing_written);
    tcase_add_test(t, orthogonal_keys);
    tcase_add_loop_test(t, interpolation, 0, CASES);
    tcase_add_loop_test(t, euler, 0, CASES);
    tcase_add_test(t, refused);
    suite_add_tcase(s, t);
    return s;
}

int main(void) { return test_main(suite()); }
