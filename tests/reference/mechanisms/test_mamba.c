/* SPDX-License-Identifier: Apache-2.0
 *
 * Mamba-1 and Mamba-2 (beside test_family.c): golden values, what they are in other mechanisms, the conventions of the
 * step, padding. Run from the repository root.
 */
#include "any_mechanism.h"

#define TOLERANCE 1e-60

static const char *const forms[] = {"recurrent",
                                    "parallel",
                                    "parallel-naive",
                                    "chunkwise:1:1",
                                    "chunkwise:3:2",
                                    "chunkwise:4:4+materialised",
                                    "chunkwise",
                                    "chunkwise-factored:3",
                                    "chunkwise-centred:4:2",
                                    "chunkwise-paired:4:0",
                                    "chunkwise-paired:7:1",
                                    "chunkwise:2:1+split:4"};
enum { FORMS = sizeof forms / sizeof *forms };

/* ---- golden ---- */

static void fill_one(test_problem *x, gla_input name, double value) { *problem_give(x, name, 1) = value; }

static void golden_mamba2(test_problem *x) {
    *x = problem_sized(1, 7, 1, 4, 3);
    name_mechanism(&x->p, "mamba2");
    fill_stream(x, GLA_IN_Q, 1, 2, -1);
    fill_stream(x, GLA_IN_K, 2, 2, -1);
    fill_stream(x, GLA_IN_V, 3, 2, -1);
    fill_stream(x, GLA_IN_INITIAL_STATE, 8, 2, -1);
    fill_stream(x, GLA_IN_DO, 10, 2, -1);
    fill_stream(x, GLA_IN_DFINAL_STATE, 11, 2, -1);
    fill_stream(x, GLA_IN_DT, 22, 8, -4);
    fill_stream(x, GLA_IN_Z, 23, 2, -1);
    fill_one(x, GLA_IN_A_LOG, 0.25);
    fill_one(x, GLA_IN_DT_BIAS, -0.5);
    fill_one(x, GLA_IN_D, 0.75);
}

START_TEST(golden_values) {
    test_problem x;
    golden_mamba2(&x);
    for (int f = 0; f < FORMS; f++) {
        gla_form form = form_named(forms[f], true);
        for (int route = 0; route < GLA_ROUTES; route++) {
            form.route = (gla_gate_route)route;
            if (!gla_form_available(&x.p, &form)) continue;
            test_run run = run_form(&x.p, form, "mpfr:256");
            any_check_golden(&run, "mamba2", forms[f]);
            run_free(&run);
        }
    }
    problem_free(&x);
}
END_TEST

/* G(seed)_i of spec wide 22, in binary64 as its golden values were made. */
static double wide_stream(int seed, int64_t i) {
    return sin(0.7 * seed + 1.3 * (double)i + 0.05 * (double)(i * i) * (1 + seed % 3));
}

static void fill_wide(test_problem *x, gla_input name, int64_t heads, int seed) {
    problem_give(x, name, heads);
    for (int64_t i = 0; i < problem_count(x, name); i++) x->at[name][i] = wide_stream(seed, i);
}

/* The golden values are of double precision, their derivatives from central differences. */
START_TEST(golden_values_of_mamba1) {
    static const gla_input along[] = {GLA_IN_V, GLA_IN_DT, GLA_IN_A_LOG, GLA_IN_K,
                                      GLA_IN_Q, GLA_IN_D,  GLA_IN_Z,     GLA_IN_DT_BIAS};
    static const gla_output of[] = {GLA_DV, GLA_DDT, GLA_DA_LOG, GLA_DK, GLA_DQ, GLA_DD, GLA_DZ, GLA_DDT_BIAS};
    static const char *const names[] = {"d.x", "d.dt", "d.A_log", "d.B", "d.C", "d.D", "d.z", "d.dt_bias"};
    test_problem x = problem_sized(1, 6, 3, 2, 1);
    name_mechanism(&x.p, "mamba1");
    static const int seed[] = {28, 29, 0, 30, 31, 32, 33, 34};
    for (int i = 0; i < 8; i++) fill_wide(&x, along[i], along[i] == GLA_IN_K || along[i] == GLA_IN_Q ? 1 : 3, seed[i]);
    fill_wide(&x, GLA_IN_DO, 3, 99);
    for (int i = 0; i < 6; i++) x.at[GLA_IN_A_LOG][i] = log(1 + i % 2);
    for (int f = 0; f < FORMS; f++) {
        mpfr_t *golden;
        test_run run = run_problem(&x.p, forms[f], "mpfr:256");
        ck_assert_int_eq(golden_read("mamba1", "mamba1", "o", &golden), 18);
        for (int64_t i = 0; i < 18; i++)
            ck_assert_double_eq_tol(gla_result_d(&run.result, GLA_O, i), mpfr_get_d(golden[i], MPFR_RNDN),
                                    4e-15); /* some 20 roundings of numbers of size 1 */
        golden_free(golden, 18);
        for (int i = 0; i < 8; i++) {
            double slope = 0;
            for (int64_t j = 0; j < run.result.tensor[of[i]].count; j++)
                slope += gla_result_d(&run.result, of[i], j) * wide_stream(50 + i, j);
            ck_assert_int_eq(golden_read("mamba1", "mamba1", names[i], &golden), 1);
            ck_assert_msg(fabs(slope - mpfr_get_d(golden[0], MPFR_RNDN)) <= 2e-9, "%s %s: %.12g", forms[f], names[i],
                          slope);
            golden_free(golden, 1);
        }
        run_free(&run);
    }
    problem_free(&x);
}
END_TEST

/* ---- gradients where softplus is a line ---- */

/* dt of 16 .. 24; both sides of 20, and of the bounds. */
START_TEST(duals_past_twenty) {
    static const char *const mechanisms[] = {"mamba1,softplus=linear", "mamba2,softplus=linear,dt_min=18,dt_max=22",
                                             "mamba2,dt_min=18"};
    for (uint32_t i = 0; i < 6; i++) {
        test_random r = random_from(12000 + 10 * (uint32_t)_i + i);
        test_problem x;
        any_problem(&x, &r, mechanisms[_i], (any_options){.all = true, .longest = 7});
        for (int64_t j = 0; j < problem_count(&x, GLA_IN_DT); j++) x.at[GLA_IN_DT][j] += 20;
        test_run run = run_problem(&x.p, forms[2 * i], "mpfr:256");
        any_check_gradients(&x, &run, &r, TOLERANCE, mechanisms[_i]);
        run_free(&run);
        problem_free(&x);
    }
}
END_TEST

/* ---- other mechanisms that are the same ---- */

/* SSD is simple GLA with v = Delta x and g = Delta A, and then D x; here steps and A = -e^0 are exact. */
START_TEST(mamba2_is_simple_gla) {
    test_problem x, y;
    golden_mamba2(&x);
    name_mechanism(&x.p, "mamba2,softplus=none");
    x.p.z = x.p.dt_bias = x.p.D = (gla_tensor){0};
    fill_one(&x, GLA_IN_A_LOG, 0);
    problem_golden_of(&y, "simple_gla", 1);
    for (int64_t t = 0; t < 7; t++) {
        double step = (double)(1 + t % 5) / 8;
        x.at[GLA_IN_DT][t] = step;
        y.at[GLA_IN_GK][t] = -step;
        for (int64_t j = 0; j < 3; j++) y.at[GLA_IN_V][3 * t + j] *= step;
    }
    static const gla_output same[] = {GLA_O, GLA_FINAL_STATE, GLA_DQ, GLA_DK, GLA_DINITIAL_STATE};
    test_run a = run_problem(&x.p, "chunkwise:4:2", "mpfr:256"), b = run_problem(&y.p, "parallel", "mpfr:256");
    for (size_t k = 0; k < sizeof same / sizeof *same; k++) ck_assert_double_le(run_apart(&a, &b, same[k]), TOLERANCE);
    run_free(&a);
    run_free(&b);
    problem_free(&x);
    problem_free(&y);
}
END_TEST

/* A_log of equal rows makes Mamba-1 Mamba-2. */
START_TEST(mamba1_of_equal_rows_is_mamba2) {
    test_random r = random_from(15000 + (uint32_t)_i);
    test_problem x;
    any_problem(&x, &r, "mamba1", (any_options){.all = true});
    gla_problem two = x.p;
    int64_t heads = two.A_log.heads, dk = two.dk;
    double *one = calloc((size_t)heads, sizeof *one);
    for (int64_t h = 0; h < heads; h++) {
        one[h] = x.at[GLA_IN_A_LOG][h * dk];
        for (int64_t i = 0; i < dk; i++) x.at[GLA_IN_A_LOG][h * dk + i] = one[h];
    }
    name_mechanism(&two, "mamba2");
    two.A_log = (gla_tensor){one, heads, {0, 0, 1, 1}};
    test_run a = run_problem(&x.p, "chunkwise:4:2", "mpfr:256"), b = run_problem(&two, "recurrent", "mpfr:256");
    MPFR_DECL_INIT(sum, 512);
    MPFR_DECL_INIT(part, 512);
    distance d;
    distance_begin(&d);
    for (int64_t h = 0; h < heads; h++) {
        mpfr_set_zero(sum, 1);
        for (int64_t i = 0; i < dk; i++) {
            run_get(part, &a, GLA_DA_LOG, h * dk + i);
            mpfr_add(sum, sum, part, MPFR_RNDN);
        }
        run_get(part, &b, GLA_DA_LOG, h);
        distance_add(&d, sum, part);
    }
    ck_assert_double_le(distance_end(&d), TOLERANCE);
    for (int i = 0; i < GLA_OUTPUTS; i++)
        if (run_has(&b, (gla_output)i) && i != GLA_DA_LOG)
            ck_assert_msg(run_apart(&a, &b, (gla_output)i) <= TOLERANCE, "%s", gla_output_names[i]);
    run_free(&a);
    run_free(&b);
    free(one);
    problem_free(&x);
}
END_TEST

/* y and S are linear in x and S_0, in B, D and S_0, and y in C alone (spec 15). */
START_TEST(euler) {
    static const gla_input by_x[] = {GLA_IN_V, GLA_IN_INITIAL_STATE},
                           by_B[] = {GLA_IN_K, GLA_IN_D, GLA_IN_INITIAL_STATE}, by_C[] = {GLA_IN_Q};
    for (uint32_t i = 0; i < 6; i++) {
        test_random r = random_from(14500 + i);
        test_problem x;
        any_problem(&x, &r, i % 2 ? "mamba1" : "mamba2", (any_options){.all = true});
        test_run run = run_problem(&x.p, "chunkwise:4:2", "mpfr:256");
        any_check_euler(&x, &run, by_x, 2, TOLERANCE, "x");
        any_check_euler(&x, &run, by_B, 3, TOLERANCE, "B");
        run_free(&run);
        x.p.D = x.p.d_final_state = (gla_tensor){0};
        run = run_problem(&x.p, "parallel", "mpfr:256");
        any_check_euler(&x, &run, by_C, 1, TOLERANCE, "C");
        run_free(&run);
        problem_free(&x);
    }
}
END_TEST

/* ---- steps ---- */

/* o at a state of 0 with x = B = C = 1 is the step itself. */
static double step_of(const char *mechanism, double dt, const char *numbers) {
    test_problem x = problem_sized(1, 1, 1, 1, 1);
    name_mechanism(&x.p, mechanism);
    fill_one(&x, GLA_IN_Q, 1);
    fill_one(&x, GLA_IN_K, 1);
    fill_one(&x, GLA_IN_V, 1);
    fill_one(&x, GLA_IN_DT, dt);
    fill_one(&x, GLA_IN_A_LOG, 0);
    test_run run = run_problem(&x.p, "recurrent", numbers);
    double step = gla_result_d(&run.result, GLA_O, 0);
    run_free(&run);
    problem_free(&x);
    return step;
}

START_TEST(steps) {
    ck_assert(step_of("mamba2", 20.5, "mpfr:100") > 20.5); /* 20.5 + 1.25e-9 */
    ck_assert(step_of("mamba2,softplus=linear", 20.5, "mpfr:100") == 20.5);
    ck_assert(step_of("mamba2,softplus=linear", 20, "mpfr:100") == step_of("mamba2", 20, "mpfr:100"));
    ck_assert(step_of("mamba2,softplus=linear", -100, "binary32") == step_of("mamba2", -100, "binary32"));
    ck_assert(step_of("mamba1,softplus=none", 0.375, "binary64") == 0.375);
    ck_assert(step_of("mamba2,dt_min=2", -3, "binary64") == 2);
    ck_assert(step_of("mamba2,dt_max=2", 3, "binary64") == 2);
    ck_assert(step_of("mamba2,dt_min=1,dt_max=2", 1, "binary64") == log1p(exp(1)));
    static const char *const systems[] = {"binary64", "binary32",     "bf16",    "f16",
                                          "mpfr:100", "interval:100", "dual:100"};
    for (size_t i = 0; i < sizeof systems / sizeof *systems; i++)
        ck_assert(step_of("mamba2", -INFINITY, systems[i]) == 0);
}
END_TEST

START_TEST(refused) {
    static const struct {
        const char *mechanism;
        double dt;
        const char *says;
    } cases[] = {{"mamba2", INFINITY, "dt[0,0,0,0] = inf is +inf"},
                 {"mamba1,softplus=none", -1, "is below 0: softplus=none"},
                 {"mamba2,softplus=none", -INFINITY, "is below 0"},
                 {"mamba2,dt_min=2,dt_max=1", 0, "dt_min = 2 is above dt_max = 1"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        test_problem x;
        gla_error err = {0};
        golden_mamba2(&x);
        name_mechanism(&x.p, cases[i].mechanism);
        if (strncmp(cases[i].mechanism, "mamba1", 6) == 0) problem_give(&x, GLA_IN_A_LOG, 1);
        for (int64_t t = 0; t < 7; t++) x.at[GLA_IN_DT][t] = t ? 1 : cases[i].dt;
        ck_assert(gla_problem_check(&x.p, false, &err) != GLA_OK);
        ck_assert_msg(strstr(err.what, cases[i].says) != NULL, "says: %s", err.what);
        problem_free(&x);
    }
}
END_TEST

/* Tokens of dt = -inf after the others change no bit of anything before them, write nothing and get no gradient. */
START_TEST(padding) {
    test_problem x, y;
    golden_mamba2(&x);
    y = problem_sized(1, 12, 1, 4, 3);
    name_mechanism(&y.p, "mamba2");
    test_random r = random_from(16000);
    for (int i = 0; i < GLA_INPUTS; i++) {
        if (!x.at[i]) continue;
        problem_give(&y, (gla_input)i, 1);
        problem_fill(&y, (gla_input)i, &r, 1, 0);
        memcpy(y.at[i], x.at[i], (size_t)problem_count(&x, (gla_input)i) * sizeof(double));
    }
    for (int64_t t = 7; t < 12; t++) {
        y.at[GLA_IN_DT][t] = -INFINITY;
        for (int64_t j = 0; j < 3; j++) y.at[GLA_IN_DO][3 * t + j] = 0; /* padded outputs are not looked at */
    }
    static const char *const systems[] = {"binary64", "binary32", "bf16"};
    for (size_t s = 0; s < 3; s++) {
        test_run a = run_problem(&x.p, "recurrent", systems[s]), b = run_problem(&y.p, "recurrent", systems[s]);
        for (int i = 0; i < GLA_OUTPUTS; i++)
            for (int64_t j = 0; j < b.result.tensor[i].count; j++) {
                bool inside = j < a.result.tensor[i].count;
                double want = inside ? gla_result_d(&a.result, (gla_output)i, j) : 0;
                if (!inside && i == GLA_O) continue; /* what is read from the state that stays */
                ck_assert_msg(gla_result_d(&b.result, (gla_output)i, j) == want, "%s %s[%ld]", systems[s],
                              gla_output_names[i], (long)j);
            }
        run_free(&a);
        run_free(&b);
    }
    problem_free(&x);
    problem_free(&y);
}
END_TEST

static double error_of_dA_log(const gla_problem *p, const char *form) {
    test_run truth = run_problem(p, "recurrent", "mpfr:128"), run = run_problem(p, form, "binary32");
    double want = gla_result_d(&truth.result, GLA_DA_LOG, 0), got = gla_result_d(&run.result, GLA_DA_LOG, 0);
    run_free(&truth);
    run_free(&run);
    return fabs(got - want) / fabs(want);
}

/* Strong decay, g about -8.5: dg is as small as e^g, and the suffix sum that gives it is not (spec 6g). */
START_TEST(straddle_keeps_what_suffix_loses) {
    test_random r = random_from(16500);
    test_problem x = problem_sized(1, 128, 1, 8, 8);
    name_mechanism(&x.p, "mamba2");
    static const gla_input given[] = {GLA_IN_Q, GLA_IN_K, GLA_IN_V, GLA_IN_DO};
    for (size_t i = 0; i < 4; i++) {
        problem_give(&x, given[i], 1);
        problem_fill(&x, given[i], &r, 1, 0);
    }
    problem_give(&x, GLA_IN_DT, 1);
    for (int64_t t = 0; t < 128; t++) x.at[GLA_IN_DT][t] = 2;
    fill_one(&x, GLA_IN_A_LOG, 1.375);
    double straddle = error_of_dA_log(&x.p, "chunkwise:64:16+straddle");
    double suffix = error_of_dA_log(&x.p, "chunkwise:64:16+suffix");
    ck_assert_msg(straddle < 2e-5 && suffix > 20 * straddle, "straddle %g, suffix %g", straddle, suffix);
    problem_free(&x);
}
END_TEST

/* What it costs beside simple GLA of the same sizes (spec 6f): for each token the step (bias, softplus, lower bound),
 * Delta A and Delta x; D x; swish(z) and its product; e^A_log once. */
START_TEST(cost) {
    static const char *const some[] = {"recurrent", "parallel", "chunkwise:3:2"};
    test_problem x, y;
    golden_mamba2(&x);
    problem_golden_of(&y, "simple_gla", 1);
    for (size_t f = 0; f < 3; f++) {
        gla_form form = form_named(some[f], false);
        struct gla_count a = any_cost(&x.p, form), b = any_cost(&y.p, form);
        enum { T = 7, P = 3 };
        ck_assert_uint_eq(a.add - b.add, 2 * T + T * P);
        ck_assert_uint_eq(a.mul - b.mul, T + 3 * T * P);
        ck_assert_uint_eq(a.fma - b.fma, T * P);
        ck_assert_uint_eq(a.exp - b.exp, T + 2 * T * P + 1);
        ck_assert_uint_eq(a.log - b.log, T);
        ck_assert_uint_eq(a.compare - b.compare, 3 * T + 2 * T * P);
        ck_assert_uint_eq(a.div - b.div, T * P);
    }
    problem_free(&x);
    problem_free(&y);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("mamba");
    TCase *t = tcase_create("mamba");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, golden_values);
    tcase_add_test(t, golden_values_of_mamba1);
    tcase_add_loop_test(t, duals_past_twenty, 0, 3);
    tcase_add_test(t, mamba2_is_simple_gla);
    tcase_add_loop_test(t, mamba1_of_equal_rows_is_mamba2, 0, 6);
    tcase_add_test(t, euler);
    tcase_add_test(t, steps);
    tcase_add_test(t, refused);
    tcase_add_test(t, padding);
    tcase_add_test(t, straddle_keeps_what_suffix_loses);
    tcase_add_test(t, cost);
    suite_add_tcase(s, t);
    return s;
}

int main(void) { return test_main(suite()); }
