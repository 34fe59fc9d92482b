/* SPDX-License-Identifier: Apache-2.0
 *
 * dual:P: tangents against hand-written derivatives to 1e-70 at 256 bits; values are mpfr:P's.
 */
#include "tests/reference/number/numbers_testing.h"

static void tangent_is(gla_numbers *n, const void *x, const mpfr_t want) {
    mpfr_t got, error;
    mpfr_inits2(256, got, error, (mpfr_ptr)NULL);
    gla_dual_get_tangent(n, got, x);
    mpfr_sub(error, got, want, MPFR_RNDA);
    if (mpfr_regular_p(want)) mpfr_div(error, error, want, MPFR_RNDA);
    mpfr_abs(error, error, MPFR_RNDN);
    ck_assert(mpfr_number_p(error) && mpfr_cmp_d(error, 1e-70) <= 0);
    mpfr_clears(got, error, (mpfr_ptr)NULL);
}

/* (x / y)' = (x' y - x y') / y^2, ln(1 + x)' = x' / (1 + x), max takes the larger one's, a comparison has none. */
START_TEST(dual_quotients_and_comparisons) {
    gla_numbers *n = opened("dual:256");
    uint64_t state = test_seed() + 9;
    mpfr_t want, term, zero;
    mpfr_inits2(256, want, term, zero, (mpfr_ptr)NULL);
    mpfr_set_zero(zero, 1);
    for (int trial = 0; trial < 300; trial++) {
        double x = any(&state), y = any(&state), dx = any(&state), dy = any(&state);
        struct four f = four(n, x, y, fabs(x));
        gla_dual_set_tangent(n, f.x, dx);
        gla_dual_set_tangent(n, f.y, dy);
        gla_dual_set_tangent(n, f.w, dx);
        mpfr_set_d(want, dx, MPFR_RNDN);
        mpfr_mul_d(want, want, y, MPFR_RNDN);
        mpfr_set_d(term, x, MPFR_RNDN);
        mpfr_mul_d(term, term, dy, MPFR_RNDN);
        mpfr_sub(want, want, term, MPFR_RNDN);
        mpfr_div_d(want, want, y, MPFR_RNDN);
        mpfr_div_d(want, want, y, MPFR_RNDN);
        n->ops->div(n, f.z, f.x, f.y);
        tangent_is(n, f.z, want);
        n->ops->max(n, f.z, f.x, f.y);
        mpfr_set_d(want, x > y ? dx : dy, MPFR_RNDN);
        tangent_is(n, f.z, want);
        n->ops->above(n, f.z, f.x, f.y);
        tangent_is(n, f.z, zero);
        n->ops->log1p(n, f.w, f.w);
        mpfr_set_d(term, fabs(x), MPFR_RNDN);
        mpfr_add_ui(term, term, 1, MPFR_RNDN);
        mpfr_d_div(want, dx, term, MPFR_RNDN);
        tangent_is(n, f.w, want);
        n->ops->set_d(n, f.y, 1); /* over its own divisor */
        gla_dual_set_tangent(n, f.y, 3);
        n->ops->set_d(n, f.x, 2);
        n->ops->div(n, f.y, f.x, f.y);
        mpfr_set_si(want, -6, MPFR_RNDN);
        tangent_is(n, f.y, want);
        four_free(f);
    }
    mpfr_clears(want, term, zero, (mpfr_ptr)NULL);
    gla_numbers_close(n);
}
END_TEST

/* (x y + w)' = x'y + xy' + w', (x - y)' = x' - y', and f = x e^(x^2): f' = (1 + 2 x^2) e^(x^2) x'. */
START_TEST(dual_differentiates) {
    gla_numbers *n = opened("dual:256");
    uint64_t state = test_seed() + 5;
    mpfr_t want, term;
    mpfr_inits2(256, want, term, (mpfr_ptr)NULL);
    for (int trial = 0; trial < 300; trial++) {
        double x = any(&state), y = any(&state), w = any(&state);
        double dx = any(&state), dy = any(&state), dw = any(&state);
        struct four f = four(n, x, y, w);
        gla_dual_set_tangent(n, f.x, dx);
        gla_dual_set_tangent(n, f.y, dy);
        gla_dual_set_tangent(n, f.w, dw);

        n->ops->mul(n, f.z, f.x, f.y);
        mpfr_set_d(want, dx, MPFR_RNDN);
        mpfr_mul_d(want, want, y, MPFR_RNDN);
        mpfr_set_d(term, x, MPFR_RNDN);
        mpfr_mul_d(term, term, dy, MPFR_RNDN);
        mpfr_add(want, want, term, MPFR_RNDN);
        tangent_is(n, f.z, want);
        mpfr_add_d(want, want, dw, MPFR_RNDN);
        n->ops->fma(n, f.z, f.x, f.y, f.w);
        tangent_is(n, f.z, want);
        n->ops->fma(n, f.w, f.x, f.y, f.w);
        tangent_is(n, f.w, want);

        n->ops->sub(n, f.z, f.x, f.y);
        mpfr_set_d(want, dx, MPFR_RNDN);
        mpfr_sub_d(want, want, dy, MPFR_RNDN);
        tangent_is(n, f.z, want);
        n->ops->neg(n, f.z, f.z);
        n->ops->add(n, f.z, f.z, f.x); /* y - x + x */
        mpfr_set_d(want, dy, MPFR_RNDN);
        tangent_is(n, f.z, want);

        n->ops->mul(n, f.z, f.x, f.x);
        n->ops->exp(n, f.z, f.z);
        n->ops->mul(n, f.z, f.z, f.x);
        mpfr_set_d(term, x, MPFR_RNDN);
        mpfr_sqr(term, term, MPFR_RNDN);
        mpfr_exp(want, term, MPFR_RNDN);
        mpfr_mul_ui(term, term, 2, MPFR_RNDN);
        mpfr_add_ui(term, term, 1, MPFR_RNDN);
        mpfr_mul(want, want, term, MPFR_RNDN);
        mpfr_mul_d(want, want, dx, MPFR_RNDN);
        tangent_is(n, f.z, want);
        n->ops->mul(n, f.x, f.x, f.x); /* 2 x x', aliased */
        mpfr_set_d(want, 2 * x, MPFR_RNDN);
        mpfr_mul_d(want, want, dx, MPFR_RNDN);
        tangent_is(n, f.x, want);
        n->ops->set(n, f.z, f.x);
        tangent_is(n, f.z, want);
        four_free(f);
    }
    mpfr_clears(want, term, (mpfr_ptr)NULL);
    gla_numbers_close(n);
}
END_TEST

START_TEST(dual_values_are_mpfr) {
    gla_numbers *n = opened("dual:100"), *truth = opened("mpfr:100");
    uint64_t state = test_seed() + 6;
    for (int trial = 0; trial < 700; trial++) {
        enum operation op = (enum operation)(trial % OPERATIONS);
        double x = any(&state), y = any(&state), w = any(&state);
        ck_assert(same(result_of(n, op, x, y, w), result_of(truth, op, x, y, w)));
    }
    struct four f = four(n, -INFINITY, 0, 0);
    mpfr_t zero;
    mpfr_init2(zero, 53);
    mpfr_set_zero(zero, 1);
    gla_dual_set_tangent(n, f.x, 3);
    n->ops->exp(n, f.z, f.x);
    ck_assert(n->ops->get_d(n, f.z) == 0);
    tangent_is(n, f.z, zero);
    gla_dual_set_tangent(n, f.x, INFINITY); /* not 0 * inf */
    n->ops->exp(n, f.z, f.x);
    tangent_is(n, f.z, zero);
    n->ops->set_d(n, f.x, 5); /* a constant has no tangent */
    tangent_is(n, f.x, zero);
    mpfr_clear(zero);
    four_free(f);
    gla_numbers_close(n);
    gla_numbers_close(truth);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("dual");
    TCase *all = tcase_create("all");
    tcase_set_timeout(all, 60);
    tcase_add_test(all, dual_differentiates);
    tcase_add_test(all, dual_quotients_and_comparisons);
    tcase_add_test(all, dual_values_are_mpfr);
    suite_add_tcase(s, all);
    return s;
}

int main(void) { return test_main(suite()); }
