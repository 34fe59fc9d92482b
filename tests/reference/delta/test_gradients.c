/* SPDX-License-Identifier: Apache-2.0
 *
 * Every analytic gradient against the exact derivative: the loss L = <o,do> + <S_T,dS_T> of the recurrent forward in
 * dual numbers of 256 bits, one element of one input at a time, against every formulation, solver and gate route, to
 * 1e-60.
 */
#include "deltas.h"

#define TOLERANCE 1e-60

static const struct {
    test_in in;
    test_out out;
} gradients[] = {{IN_Q, OUT_DQ}, {IN_K, OUT_DK},       {IN_V, OUT_DV},
                 {IN_G, OUT_DG}, {IN_BETA, OUT_DBETA}, {IN_S0, OUT_DS0}};
enum { GRADIENTS = 6 };

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

/* z = dL by element (i,j) of one input. */
static void derivative(mpfr_t z, const test_delta *x, test_in name, size_t i, size_t j, gla_numbers *dual) {
    size_t mark = gla_mark(dual);
    delta_slice s = delta_slice_of(x, dual);
    gla_matrix all[INS] = {s.q, s.k, s.v, s.g, s.beta, s.S0, s.d_o, s.dST};
    gla_dual_set_tangent(dual, gla_at(all[name], i, j), 1);
    gla_form form = {.kind = GLA_RECURRENT};
    delta_run_form(&s, &form);
    mpfr_set_zero(z, 1);
    add_tangent_product(z, s.o, s.d_o);
    add_tangent_product(z, s.ST, s.dST);
    ck_assert_int_eq(dual->status, GLA_OK);
    gla_release(dual, mark);
}

/* The exact gradients as the outputs of a slice at 512 bits that nobody ran; o and S_T copied from a run. */
static delta_slice exact_gradients(const test_delta *x) {
    gla_numbers *dual;
    mpfr_t z;
    mpfr_init2(z, 512);
    delta_slice exact = delta_solved(x, (gla_form){.kind = GLA_RECURRENT}, "mpfr:512");
    ck_assert_int_eq(gla_numbers_open("dual:256", &dual, NULL), GLA_OK);
    for (int g = 0; g < GRADIENTS; g++) {
        gla_matrix out = delta_output(&exact, gradients[g].out);
        for (size_t i = 0; i < out.rows && !gla_absent(out); i++)
            for (size_t j = 0; j < out.cols; j++) {
                derivative(z, x, gradients[g].in, i, j, dual);
                mpfr_set(*(mpfr_t *)gla_at(out, i, j), z, MPFR_RNDN);
            }
    }
    mpfr_clear(z);
    gla_numbers_close(dual);
    return exact;
}

/* Each formulation with each solver and each route it has; the unsafe ones too, which only overflow where exponents
 * are bounded. */
static int check_every_form(const test_delta *x, const delta_slice *exact, bool resets, const char *case_name) {
    static const char *const forms[] = {"recurrent",     "parallel",       "chunkwise:3:2",       "chunkwise:4:4",
                                        "chunkwise:1:1", "chunkwise:16:3", "chunkwise-factored:3"};
    int ran = 0;
    for (int f = 0; f < (resets ? 6 : 7); f++)
        for (int solver = 0; solver < (f == 0 ? 1 : GLA_SOLVERS); solver++)
            for (int route = 0; route < GLA_ROUTES; route++) {
                gla_form form = delta_form_named(forms[f], (gla_solver)solver);
                form.route = (gla_gate_route)route;
                form.bounded = !resets && f == 2 && solver == GLA_SOLVE;
                if (!delta_available(&form)) continue;
                char text[96], what[160];
                gla_form_print(&form, text, sizeof text);
                snprintf(what, sizeof what, "%s %s", case_name, text);
                delta_slice s = delta_solved(x, form, "mpfr:256");
                check_deltas_agree(exact, &s, TOLERANCE, what);
                delta_close(&s);
                ran++;
            }
    return ran;
}

START_TEST(golden_problem) {
    static const size_t gates[] = {0, 1, 4};
    test_delta x = delta_golden(gates[_i]);
    delta_slice exact = exact_gradients(&x);
    ck_assert_int_eq(check_every_form(&x, &exact, false, "golden"), 5 + 3 * 5 + 4 * 4 * 6 + 4 * 5);
    delta_close(&exact);
    delta_free(&x);
}
END_TEST

/* Random small problems; every second one has resets. */
START_TEST(every_element) {
    test_random r = random_from(100 + (uint32_t)_i);
    test_delta x = delta_random(&r, (delta_options){.resets = _i % 2 ? 0.15 : 0, .longest = 6});
    delta_slice exact = exact_gradients(&x);
    char name[32];
    snprintf(name, sizeof name, "case %d gate %zu", _i, x.gate);
    check_every_form(&x, &exact, _i % 2, name);
    delta_close(&exact);
    delta_free(&x);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("delta gradients");
    TCase *t = tcase_create("gradients");
    tcase_set_timeout(t, 120);
    tcase_add_loop_test(t, golden_problem, 0, 3);
    tcase_add_loop_test(t, every_element, 0, test_long() ? 200 : 16);
    suite_add_tcase(s, t);
    return s;
}

int main(void) { return test_main(suite()); }
