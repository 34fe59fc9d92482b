/* SPDX-License-Identifier: Apache-2.0
 *
 * Every gradient of the mechanisms against the exact derivative: L = <o,do> + <S_T,dS_T> of the recurrent forward in
 * dual numbers of 256 bits, along one random direction of one input at a time, to 1e-60, on random problems (shared
 * heads, packed, reversed); and all formulations against each other to 1e-60.
 */
#include "mechanism_problems.h"

#define TOLERANCE 1e-60

static const char *const mechanisms[] = {"simple_gla",         "linear_attention", "retention",           "lightning",
                                         "retention:linspace", "lightning:linear", "lightning:linear:3/8"};
enum { MECHANISMS = sizeof mechanisms / sizeof *mechanisms };

static const struct {
    gla_input in;
    gla_output out;
} gradients[] = {{GLA_IN_Q, GLA_DQ},
                 {GLA_IN_K, GLA_DK},
                 {GLA_IN_V, GLA_DV},
                 {GLA_IN_GK, GLA_DGK},
                 {GLA_IN_INITIAL_STATE, GLA_DINITIAL_STATE}};
enum { GRADIENTS = 5 };

static gla_matrix input_of(const gated_slice *s, gla_input name) {
    gla_matrix all[GLA_INPUTS] = {s->q, s->k, s->v, s->gk, s->gv, s->S0, s->d_o, s->dST};
    return all[name];
}

/* Tangents of one input in one slice; the one gate of a head moves all its channels. */
static void set_tangents(const test_problem *x, const double *along, const gated_slice *s, gla_input name, int64_t n,
                         int64_t h) {
    gla_matrix m = input_of(s, name);
    bool one = name == GLA_IN_GK;
    for (size_t t = 0; t < m.rows; t++)
        for (size_t i = 0; i < m.cols; i++)
            gla_dual_set_tangent(s->in, gla_at(m, t, i),
                                 along[slice_index(&x->p, name, n, h, (int64_t)t, one ? 0 : (int64_t)i)]);
}

/* z += <tangent of A, B>. */
static void add_tangent_product(mpfr_t z, gla_matrix A, gla_matrix B) {
    mpfr_t a, b;
    mpfr_inits2(512, a, b, (mpfr_ptr)0);
    for (size_t i = 0; i < A.rows; i++)
        for (size_t j = 0; j < A.cols; j++) {
            gla_dual_get_tangent(A.in, a, gla_at(A, i, j));
            B.in->ops->get_mpfr(B.in, b, gla_at(B, i, j));
            mpfr_fma(z, a, b, z, MPFR_RNDN);
        }
    mpfr_clears(a, b, (mpfr_ptr)0);
}

static void derivative(mpfr_t z, const test_problem *x, const double *along, gla_input name, gla_numbers *dual) {
    gla_form form = form_named("recurrent", false);
    mpfr_set_zero(z, 1);
    for (int64_t n = 0; n < x->p.N; n++)
        for (int64_t h = 0; h < x->p.H; h++) {
            size_t mark = gla_mark(dual);
            gated_slice s = slice_of_mechanism(x, dual, n, h);
            set_tangents(x, along, &s, name, n, h);
            gated_recurrent(&s, &form);
            add_tangent_product(z, s.o, s.d_o);
            add_tangent_product(z, s.ST, s.dST);
            gla_release(dual, mark);
        }
    ck_assert_int_eq(dual->status, GLA_OK);
}

/* <gradient, direction>, and into scale the sum of absolute values. */
static void along_gradient(mpfr_t z, mpfr_t scale, const test_run *run, gla_output name, const double *along) {
    MPFR_DECL_INIT(x, 512);
    mpfr_set_zero(z, 1);
    mpfr_set_zero(scale, 1);
    for (int64_t i = 0; i < run->result.tensor[name].count; i++) {
        run_get(x, run, name, i);
        mpfr_mul_d(x, x, along[i], MPFR_RNDN);
        mpfr_add(z, z, x, MPFR_RNDN);
        mpfr_abs(x, x, MPFR_RNDN);
        mpfr_add(scale, scale, x, MPFR_RNDN);
    }
    mpfr_add_d(scale, scale, 1e-9, MPFR_RNDN); /* where all is exactly 0, the residue of what cancels */
}

static void check_direction(const test_problem *x, const test_run *run, int which, test_random *r, gla_numbers *dual,
                            const char *name) {
    gla_input in = gradients[which].in;
    gla_output out = gradients[which].out;
    int64_t count = run->result.tensor[out].count;
    double *along = calloc((size_t)count + 1, sizeof *along);
    for (int64_t i = 0; i < count; i++) along[i] = random_signed(r);
    MPFR_DECL_INIT(want, 512);
    MPFR_DECL_INIT(got, 512);
    MPFR_DECL_INIT(scale, 512);
    derivative(want, x, along, in, dual);
    along_gradient(got, scale, run, out, along);
    mpfr_sub(want, want, got, MPFR_RNDN);
    mpfr_div(want, want, scale, MPFR_RNDN);
    double apart = fabs(mpfr_get_d(want, MPFR_RNDN));
    ck_assert_msg(apart <= TOLERANCE, "%s: %s is off by %g", name, gla_output_names[out], apart);
    free(along);
}

START_TEST(duals) {
    static const char *const forms[] = {"recurrent", "parallel", "chunkwise:3:2", "chunkwise-centred:4:2",
                                        "chunkwise-paired:4:0"};
    gla_numbers *dual;
    ck_assert_int_eq(gla_numbers_open("dual:256", &dual, NULL), GLA_OK);
    for (uint32_t i = 0; i < 8; i++) {
        test_random r = random_from(6000 + 100 * (uint32_t)_i + i);
        test_problem x;
        problem_random_of(&x, &r, mechanisms[_i], (random_options){.all = true, .longest = 9});
        test_run run = run_problem(&x.p, forms[i % 5], "mpfr:256");
        for (int which = 0; which < GRADIENTS; which++)
            if (run_has(&run, gradients[which].out)) check_direction(&x, &run, which, &r, dual, mechanisms[_i]);
        run_free(&run);
        problem_free(&x);
    }
    gla_numbers_close(dual);
}
END_TEST

START_TEST(formulations) {
    static const char *const forms[] = {"parallel",       "chunkwise:4:2",        "chunkwise:5:5+anchor",
                                        "chunkwise:64",   "chunkwise-factored:3", "chunkwise-centred:4:2",
                                        "parallel-naive", "chunkwise-paired:4:2", "chunkwise:2:1+split:4"};
    for (uint32_t i = 0; i < 9; i++) {
        test_random r = random_from(7000 + 100 * (uint32_t)_i + i);
        test_problem x;
        problem_random_of(&x, &r, mechanisms[_i], (random_options){.longest = 12});
        test_run a = run_problem(&x.p, "recurrent", "mpfr:256"), b = run_problem(&x.p, forms[i], "mpfr:256");
        for (int name = 0; name < GLA_OUTPUTS; name++) {
            ck_assert_int_eq(run_has(&a, (gla_output)name), run_has(&b, (gla_output)name));
            double apart = run_has(&a, (gla_output)name) ? run_apart(&a, &b, (gla_output)name) : 0;
            ck_assert_msg(apart <= TOLERANCE, "%s %s: %s differs by %g", mechanisms[_i], forms[i],
                          gla_output_names[name], apart);
        }
        run_free(&a);
        run_free(&b);
        problem_free(&x);
    }
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("gradients of mechanisms");
    TCase *t = tcase_create("gradients");
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, duals, 0, MECHANISMS);
    tcase_add_loop_test(t, formulations, 0, MECHANISMS);
    suite_add_tcase(s, t);
    return s;
}

int main(void) { return test_main(suite()); }
