/* SPDX-License-Identifier: Apache-2.0
 *
 * The exact specialisations and identities of spec 15 across mechanisms, forward and gradients, at 256 bits to 1e-60:
 *     GLA(gk = g 1) = simple GLA(g) = GLA(gv = g 1), dg the sum over channels;  simple GLA(0) = linear attention
 *     simple GLA(log gamma) = retention = lightning of the same decay
 *     Euler: <o,do> + <S_T,dS_T> = <v,dv> + <S_0,dS_0> = <k,dk> + <S_0,dS_0>
 *     dg_1 = <S_0,dS_0>;  without states sum_t (q*dq - k*dk) = 0
 */
#include "mechanism_problems.h"

#define TOLERANCE 1e-60

static void check_outputs(const test_run *a, const test_run *b, const char *what) {
    for (int i = 0; i < UNGATED_OUTPUTS; i++) {
        double apart = run_apart(a, b, ungated_outputs[i]);
        ck_assert_msg(apart <= TOLERANCE, "%s: %s differs by %g", what, gla_output_names[ungated_outputs[i]], apart);
    }
}

/* z = sum of all elements of row t of an output [1,T,1,D]. */
static void row_sum(mpfr_t z, const test_run *run, gla_output name, int64_t t) {
    MPFR_DECL_INIT(x, 512);
    int64_t D = run->result.tensor[name].shape[3];
    mpfr_set_zero(z, 1);
    for (int64_t i = 0; i < D; i++) {
        run_get(x, run, name, t * D + i);
        mpfr_add(z, z, x, MPFR_RNDN);
    }
}

static double row_sums_apart(const test_run *a, gla_output of_a, const test_run *b, gla_output of_b, int64_t T) {
    MPFR_DECL_INIT(x, 512);
    MPFR_DECL_INIT(y, 512);
    distance d;
    distance_begin(&d);
    for (int64_t t = 0; t < T; t++) {
        row_sum(x, a, of_a, t);
        row_sum(y, b, of_b, t);
        distance_add(&d, x, y);
    }
    return distance_end(&d);
}

START_TEST(simple_gla_is_gla) {
    test_problem simple, key, value;
    problem_golden_of(&simple, "simple_gla", 0);
    problem_golden(&key, false);
    problem_golden(&value, false);
    key.p.scale = value.p.scale = 0;
    problem_give(&value, GLA_IN_GV, 1);
    for (int64_t t = 0; t < 7; t++) {
        for (int i = 0; i < 4; i++) key.at[GLA_IN_GK][4 * t + i] = simple.at[GLA_IN_GK][t];
        for (int j = 0; j < 3; j++) value.at[GLA_IN_GV][3 * t + j] = simple.at[GLA_IN_GK][t];
    }
    value.p.gk = (gla_tensor){0};
    test_run a = run_problem(&simple.p, "recurrent", "mpfr:256"), b = run_problem(&key.p, "parallel", "mpfr:256"),
             c = run_problem(&value.p, "chunkwise:3:2", "mpfr:256");
    check_outputs(&a, &b, "gk");
    check_outputs(&a, &c, "gv");
    ck_assert_double_le(row_sums_apart(&a, GLA_DGK, &b, GLA_DGK, 7), TOLERANCE);
    ck_assert_double_le(row_sums_apart(&a, GLA_DGK, &c, GLA_DGV, 7), TOLERANCE);
    run_free(&a);
    run_free(&b);
    run_free(&c);
    problem_free(&simple);
    problem_free(&key);
    problem_free(&value);
}
END_TEST

/* The same random problem under two mechanisms; `a` may have gates that are set to `gate` first. */
static void check_same(const char *first, const char *second, double gate, double scale) {
    test_problem x;
    problem_golden_of(&x, "simple_gla", scale);
    for (int64_t t = 0; t < 7; t++) x.at[GLA_IN_GK][t] = gate;
    test_problem y = x;
    name_mechanism(&x.p, first);
    name_mechanism(&y.p, second);
    if (!(gla_mechanism_of(&x.p)->inputs & 1u << GLA_IN_GK)) x.p.gk = (gla_tensor){0};
    y.p.gk = (gla_tensor){0};
    test_run a = run_problem(&x.p, "chunkwise:3:2", "mpfr:256"), b = run_problem(&y.p, "recurrent", "mpfr:256");
    check_outputs(&a, &b, second);
    run_free(&a);
    run_free(&b);
    problem_free(&x);
}

START_TEST(simple_gla_open_is_linear) { check_same("simple_gla", "linear_attention", 0, 0.5); }
END_TEST

/* A slope that is a binary64 number: simple GLA takes it as gate, and lightning's head 0 of linear has no decay. */
START_TEST(fixed_decays) {
    check_same("simple_gla", "lightning@0/4", -0.25, 1);
    check_same("simple_gla", "lightning@3/4", -0x1p-8, 1);
    check_same("simple_gla", "lightning:linear:15/16@1/2", -0.25, 1);
    check_same("linear_attention", "lightning:linear@0/8", 0, 1);
    check_same("retention@0/3", "retention:linspace@0/3", 0, 1);
    check_same("retention@4/5", "retention:linspace@4/5", 0, 1); /* 1/512 both */
    check_same("lightning@0/8", "lightning@1/16", 0, 1);         /* ALiBi: every second slope of twice as many heads */
    check_same("lightning@4/6", "lightning@0/8", 0, 1);          /* six heads: four slopes of 4, then the first of 8 */
}
END_TEST

/* Retention's decay is not a binary64 number: the gated core with log gamma from MPFR. */
START_TEST(retention_is_its_definition) {
    test_problem x;
    problem_golden_of(&x, "retention@6/8", 0.5);
    test_run run = run_problem(&x.p, "chunkwise:4:2", "mpfr:256");
    gla_form form = form_named("recurrent", true);
    gla_numbers *n;
    ck_assert_int_eq(gla_numbers_open("mpfr:256", &n, NULL), GLA_OK);
    test_problem plain = x;
    plain.p.mechanism = NULL;
    gated_slice s = slice_of(&plain, n, 0, 0);
    s.gk = gla_new(n, 7, 4);
    s.dgk = gla_new(n, 7, 4);
    MPFR_DECL_INIT(gamma, 256);
    mpfr_set_d(gamma, -0x1p-11, MPFR_RNDN);
    mpfr_log1p(gamma, gamma, MPFR_RNDN);
    for (size_t t = 0; t < 7; t++)
        for (size_t i = 0; i < 4; i++) mpfr_set(*(mpfr_t *)gla_at(s.gk, t, i), gamma, MPFR_RNDN);
    gated_recurrent(&s, &form);
    distance d;
    MPFR_DECL_INIT(got, 512);
    MPFR_DECL_INIT(want, 512);
    distance_begin(&d);
    for (int64_t i = 0; i < 21; i++) {
        run_get(got, &run, GLA_O, i);
        n->ops->get_mpfr(n, want, gla_at(s.o, (size_t)(i / 3), (size_t)(i % 3)));
        distance_add(&d, got, want);
    }
    ck_assert_double_le(distance_end(&d), TOLERANCE);
    gla_numbers_close(n);
    run_free(&run);
    problem_free(&x);
}
END_TEST

/* z += <input, output>. */
static void add_product(mpfr_t z, const test_problem *x, gla_input in, const test_run *run, gla_output out) {
    MPFR_DECL_INIT(y, 512);
    for (int64_t i = 0; x->at[in] && i < run->result.tensor[out].count; i++) {
        run_get(y, run, out, i);
        mpfr_mul_d(y, y, x->at[in][i], MPFR_RNDN);
        mpfr_add(z, z, y, MPFR_RNDN);
    }
}

static double apart(const mpfr_t x, const mpfr_t y) {
    distance d;
    distance_begin(&d);
    mpfr_set_d(d.scale, 1, MPFR_RNDN);
    distance_add(&d, x, y);
    return distance_end(&d);
}

START_TEST(euler) {
    static const char *const mechanisms[] = {"simple_gla", "linear_attention", "retention", "lightning"};
    test_random r = random_from(8000 + (uint32_t)_i);
    test_problem x;
    problem_random_of(&x, &r, mechanisms[_i], (random_options){.all = true, .ungrouped = true, .longest = 12});
    test_run run = run_problem(&x.p, "chunkwise:4:2", "mpfr:256");
    mpfr_t loss, value, key;
    mpfr_inits2(512, loss, value, key, (mpfr_ptr)0);
    mpfr_set_zero(loss, 1);
    mpfr_set_zero(value, 1);
    add_product(loss, &x, GLA_IN_DO, &run, GLA_O);
    add_product(loss, &x, GLA_IN_DFINAL_STATE, &run, GLA_FINAL_STATE);
    add_product(value, &x, GLA_IN_INITIAL_STATE, &run, GLA_DINITIAL_STATE);
    mpfr_set(key, value, MPFR_RNDN);
    add_product(value, &x, GLA_IN_V, &run, GLA_DV);
    add_product(key, &x, GLA_IN_K, &run, GLA_DK);
    ck_assert_double_le(apart(loss, value), TOLERANCE);
    ck_assert_double_le(apart(loss, key), TOLERANCE);
    mpfr_clears(loss, value, key, (mpfr_ptr)0);
    run_free(&run);
    problem_free(&x);
}
END_TEST

START_TEST(first_gate) {
    test_problem x;
    MPFR_DECL_INIT(state, 512);
    MPFR_DECL_INIT(dg, 512);
    MPFR_DECL_INIT(zero, 512);
    problem_golden_of(&x, "simple_gla", 0.5);
    test_run run = run_problem(&x.p, "chunkwise:3:2+anchor", "mpfr:256");
    mpfr_set_zero(state, 1);
    add_product(state, &x, GLA_IN_INITIAL_STATE, &run, GLA_DINITIAL_STATE);
    run_get(dg, &run, GLA_DGK, 0);
    ck_assert_double_le(apart(state, dg), TOLERANCE);
    run_free(&run);
    x.p.initial_state = x.p.d_final_state = (gla_tensor){0};
    run = run_problem(&x.p, "parallel", "mpfr:256");
    mpfr_set_zero(state, 1);
    mpfr_set_zero(zero, 1);
    add_product(state, &x, GLA_IN_Q, &run, GLA_DQ);
    add_product(zero, &x, GLA_IN_K, &run, GLA_DK);
    ck_assert_double_le(apart(state, zero), TOLERANCE);
    run_free(&run);
    problem_free(&x);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("specialisations of mechanisms");
    TCase *t = tcase_create("special");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, simple_gla_is_gla);
    tcase_add_test(t, simple_gla_open_is_linear);
    tcase_add_test(t, fixed_decays);
    tcase_add_test(t, retention_is_its_definition);
    tcase_add_loop_test(t, euler, 0, 4);
    tcase_add_test(t, first_gate);
    suite_add_tcase(s, t);
    return s;
}

int main(void) { return test_main(suite()); }
