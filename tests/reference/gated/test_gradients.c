/* SPDX-License-Identifier: Apache-2.0
 *
 * Every analytic gradient against the exact derivative: the loss L = <o,do> + <S_T,dS_T> of the recurrent forward in
 * dual numbers of 256 bits, one direction at a time, against every formulation and gate route, to 1e-60. Small problems
 * have every element checked, larger ones random directions.
 */
#include "slices.h"

#define TOLERANCE 1e-60

static const struct {
    gla_input in;
    gla_output out;
} gradients[] = {{GLA_IN_Q, GLA_DQ},   {GLA_IN_K, GLA_DK},   {GLA_IN_V, GLA_DV},
                 {GLA_IN_GK, GLA_DGK}, {GLA_IN_GV, GLA_DGV}, {GLA_IN_INITIAL_STATE, GLA_DINITIAL_STATE}};
enum { GRADIENTS = 6 };

/* A direction: one tangent per element of every input, NULL where the input stands still. */
typedef struct direction {
    double *along[GLA_INPUTS];
} direction;

/* Tangents of one input of the slice; tells whether any is not 0. */
static bool set_tangents(const test_problem *x, const direction *d, const gated_slice *s, gla_input name, int64_t n,
                         int64_t h) {
    gla_matrix m = slice_input(s, name);
    bool moves = false;
    for (size_t t = 0; d->along[name] && t < m.rows; t++)
        for (size_t i = 0; i < m.cols; i++) {
            double tangent = d->along[name][slice_index(&x->p, name, n, h, (int64_t)t, (int64_t)i)];
            if (tangent == 0) continue;
            gla_dual_set_tangent(s->in, gla_at(m, t, i), tangent);
            moves = true;
        }
    return moves;
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

/* z = dL along d: every sequence and head in turn. */
static void derivative(mpfr_t z, const test_problem *x, const direction *d, gla_numbers *dual) {
    gla_form form = form_named("recurrent", false);
    mpfr_set_zero(z, 1);
    for (int64_t n = 0; n < x->p.N; n++)
        for (int64_t h = 0; h < x->p.H; h++) {
            size_t mark = gla_mark(dual);
            gated_slice s = slice_of(x, dual, n, h);
            bool moves = false;
            for (int i = 0; i < GRADIENTS; i++) moves |= set_tangents(x, d, &s, gradients[i].in, n, h);
            if (moves) {
                gated_recurrent(&s, &form);
                add_tangent_product(z, s.o, s.d_o);
                add_tangent_product(z, s.ST, s.dST);
            }
            gla_release(dual, mark);
        }
    ck_assert_int_eq(dual->status, GLA_OK);
}

/* ---- every element ---- */

static mpfr_t *new_numbers(int64_t count) {
    mpfr_t *x = calloc((size_t)count + 1, sizeof *x);
    for (int64_t i = 0; i < count; i++) mpfr_init2(x[i], 512);
    return x;
}

static void free_numbers(mpfr_t *x, int64_t count) {
    for (int64_t i = 0; i < count; i++) mpfr_clear(x[i]);
    free(x);
}

/* The exact gradient of one input, an element at a time; NULL if the input is absent. */
static mpfr_t *exact_gradient(const test_problem *x, gla_input name, gla_numbers *dual) {
    if (!x->at[name]) return NULL;
    int64_t count = problem_count(x, name);
    mpfr_t *gradient = new_numbers(count);
    direction d = {{NULL}};
    d.along[name] = calloc((size_t)count + 1, sizeof(double));
    for (int64_t i = 0; i < count; i++) {
        d.along[name][i] = 1;
        derivative(gradient[i], x, &d, dual);
        d.along[name][i] = 0;
    }
    free(d.along[name]);
    return gradient;
}

static void check_elements(const test_problem *x, mpfr_t *const exact[GRADIENTS], gla_form form) {
    char text[80];
    gla_form_print(&form, text, sizeof text);
    test_run run = run_form(&x->p, form, "mpfr:256");
    mpfr_t got;
    mpfr_init2(got, 512);
    for (int g = 0; g < GRADIENTS; g++) {
        if (!exact[g]) continue;
        gla_output out = gradients[g].out;
        int64_t count = problem_count(x, gradients[g].in);
        ck_assert_int_eq(run.result.tensor[out].count, count);
        distance d;
        distance_begin(&d);
        if (out == GLA_DGK || out == GLA_DGV) distance_floor(&d, &run);
        for (int64_t i = 0; i < count; i++) {
            run_get(got, &run, out, i);
            distance_add(&d, got, exact[g][i]);
        }
        double apart = distance_end(&d);
        ck_assert_msg(apart <= TOLERANCE, "%s: %s differs from the derivative by %g", text, gla_output_names[out],
                      apart);
    }
    mpfr_clear(got);
    run_free(&run);
}

/* Each formulation with each route it has; the unsafe ones too, which only overflow where exponents are bounded. */
static void check_every_form(const test_problem *x, mpfr_t *const exact[GRADIENTS], bool resets) {
    static const char *const forms[] = {"recurrent",
                                        "parallel",
                                        "chunkwise:3:2",
                                        "chunkwise:4:4",
                                        "chunkwise:1:1",
                                        "chunkwise:16:3",
                                        "chunkwise-centred:5:2",
                                        "chunkwise-paired:1",
                                        "chunkwise-paired:5:0",
                                        "chunkwise-paired:16:1",
                                        "chunkwise-paired:64",
                                        "chunkwise-centred:5:2+precise",
                                        "chunkwise-paired:5:1+precise",
                                        "chunkwise-factored:3",
                                        "parallel-naive"};
    for (int f = 0; f < (resets ? 13 : 15); f++) {
        gla_form form = form_named(forms[f], true);
        for (int route = 0; route < GLA_ROUTES; route++) {
            form.route = (gla_gate_route)route;
            if (gla_route_available(form.kind, form.route)) check_elements(x, exact, form);
        }
    }
}

static void check_problem(const test_problem *x, bool resets) {
    gla_numbers *dual;
    ck_assert_int_eq(gla_numbers_open("dual:256", &dual, NULL), GLA_OK);
    mpfr_t *exact[GRADIENTS];
    for (int g = 0; g < GRADIENTS; g++) exact[g] = exact_gradient(x, gradients[g].in, dual);
    check_every_form(x, exact, resets);
    for (int g = 0; g < GRADIENTS; g++)
        if (exact[g]) free_numbers(exact[g], problem_count(x, gradients[g].in));
    gla_numbers_close(dual);
}

START_TEST(golden_problem) {
    test_problem x;
    problem_golden(&x, true);
    check_problem(&x, false);
    problem_free(&x);
}
END_TEST

/* Random small problems with all options; every second one has resets. */
START_TEST(every_element) {
    test_random r = random_from(100 + (uint32_t)_i);
    test_problem x;
    problem_random(&x, &r, (random_options){.resets = _i % 2 ? 0.15 : 0, .all = _i < 6, .longest = 6});
    check_problem(&x, _i % 2);
    problem_free(&x);
}
END_TEST

/* ---- random directions ---- */

/* The analytic dL along d, and the sum of absolute terms. */
static void contract(mpfr_t z, mpfr_t size, const test_problem *x, const test_run *run, const direction *d) {
    mpfr_t term;
    mpfr_init2(term, 512);
    mpfr_set_zero(z, 1);
    mpfr_set_zero(size, 1);
    for (int g = 0; g < GRADIENTS; g++) {
        if (!x->at[gradients[g].in]) continue;
        for (int64_t i = 0; i < problem_count(x, gradients[g].in); i++) {
            run_get(term, run, gradients[g].out, i);
            mpfr_mul_d(term, term, d->along[gradients[g].in][i], MPFR_RNDN);
            mpfr_add(z, z, term, MPFR_RNDN);
            mpfr_abs(term, term, MPFR_RNDN);
            mpfr_add(size, size, term, MPFR_RNDN);
        }
    }
    mpfr_clear(term);
}

START_TEST(random_directions) {
    static const char *const forms[] = {"recurrent", "parallel", "chunkwise:16:4", "chunkwise:7:7+anchor",
                                        "chunkwise:64+strict+materialised"};
    test_random r = random_from(200 + (uint32_t)_i);
    test_problem x;
    problem_random(&x, &r, (random_options){.resets = _i % 2 ? 0.02 : 0, .all = true, .longest = 60});
    gla_numbers *dual;
    ck_assert_int_eq(gla_numbers_open("dual:256", &dual, NULL), GLA_OK);
    mpfr_t exact, got, size;
    mpfr_inits2(512, exact, got, size, (mpfr_ptr)0);
    direction d = {{NULL}};
    for (int g = 0; g < GRADIENTS; g++) {
        int64_t count = problem_count(&x, gradients[g].in);
        d.along[gradients[g].in] = calloc((size_t)count + 1, sizeof(double));
        for (int64_t i = 0; i < count; i++) d.along[gradients[g].in][i] = random_signed(&r);
    }
    derivative(exact, &x, &d, dual);
    for (int f = 0; f < 5; f++) {
        test_run run = run_problem(&x.p, forms[f], "mpfr:256");
        contract(got, size, &x, &run, &d);
        mpfr_sub(got, got, exact, MPFR_RNDN);
        mpfr_div(got, got, size, MPFR_RNDN);
        double apart = fabs(mpfr_get_d(got, MPFR_RNDA));
        ck_assert_msg(apart <= TOLERANCE, "%s: dL is off by %g", forms[f], apart);
        run_free(&run);
    }
    for (int i = 0; i < GLA_INPUTS; i++) free(d.along[i]);
    mpfr_clears(exact, got, size, (mpfr_ptr)0);
    gla_numbers_close(dual);
    problem_free(&x);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("gated gradients");
    TCase *t = tcase_create("gradients");
    tcase_set_timeout(t, 120);
    tcase_add_test(t, golden_problem);
    tcase_add_loop_test(t, every_element, 0, 10);
    tcase_add_loop_test(t, random_directions, 0, 6);
    suite_add_tcase(s, t);
    return s;
}

int main(void) { return test_main(suite()); }
