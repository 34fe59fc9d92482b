/* SPDX-License-Identifier: Apache-2.0
 *
 * mpfr:P is MPFR, rounded to nearest, aliased or not, in the widest exponent range.
 */
#include "tests/reference/number/numbers_testing.h"

START_TEST(mpfr_is_mpfr) {
    enum { P = 131 };
    gla_numbers *n = opened("mpfr:131");
    uint64_t state = test_seed() + 2;
    struct four f = four(n, 1, 3, 0);
    mpfr_t want, got;
    mpfr_inits2(P, want, got, (mpfr_ptr)NULL);
    mpfr_ui_div(f.x, 1, f.y, MPFR_RNDN); /* all P bits in use from here on */
    for (int trial = 0; trial < 500; trial++) {
        enum operation op = (enum operation)(next(&state) % OPERATIONS);
        n->ops->set_d(n, f.y, any(&state));
        n->ops->set_d(n, f.w, any(&state));
        mpfr_ptr x = f.x, y = f.y, w = f.w;
        if (op == EXP) mpfr_set_d(x, any(&state), MPFR_RNDN);
        switch (op) {
        case ADD:
            mpfr_add(want, x, y, MPFR_RNDN);
            break;
        case SUB:
            mpfr_sub(want, x, y, MPFR_RNDN);
            break;
        case MUL:
            mpfr_mul(want, x, y, MPFR_RNDN);
            break;
        case FMA:
            mpfr_fma(want, x, y, w, MPFR_RNDN);
            break;
        case NEG:
            mpfr_neg(want, x, MPFR_RNDN);
            break;
        case EXP:
            mpfr_exp(want, x, MPFR_RNDN);
            break;
        case DIV:
            mpfr_div(want, x, y, MPFR_RNDN);
            break;
        case MAX:
            mpfr_max(want, x, y, MPFR_RNDN);
            break;
        case ABOVE:
            mpfr_set_ui(want, mpfr_greater_p(x, y) != 0, MPFR_RNDN);
            break;
        default:
            mpfr_set(want, x, MPFR_RNDN);
        }
        apply(n, op, f.z, x, y, w);
        n->ops->get_mpfr(n, got, f.z);
        ck_assert(mpfr_equal_p(want, got));
        ck_assert(n->ops->get_d(n, f.z) == mpfr_get_d(want, MPFR_RNDN));
        apply(n, op, f.x, x, y, w); /* aliased; the chain goes on from here */
        ck_assert(mpfr_equal_p(want, f.x));
        if (op == ABOVE || op == MAX) mpfr_ui_div(f.x, 1, f.y, MPFR_RNDN);
        mpfr_abs(f.w, f.x, MPFR_RNDN);
        mpfr_log1p(want, f.w, MPFR_RNDN);
        apply(n, LOG1P, f.z, f.w, f.y, f.w);
        ck_assert(mpfr_equal_p(want, (mpfr_ptr)f.z));
    }
    ck_assert(isnan(result_of(n, MAX, NAN, 1, 0)) && isnan(result_of(n, MAX, 1, NAN, 0)));
    ck_assert(same(result_of(n, MAX, -0.0, 0.0, 0), 0.0) && same(result_of(n, MAX, 0.0, -0.0, 0), 0.0));
    mpfr_clears(want, got, (mpfr_ptr)NULL);
    ck_assert(result_of(n, EXP, -INFINITY, 0, 0) == 0);
    n->ops->set_d(n, f.x, -1e17); /* e^-1e17 is far below MPFR's default range, and not 0 here */
    n->ops->exp(n, f.z, f.x);
    ck_assert(mpfr_regular_p((mpfr_ptr)f.z));
    four_free(f);
    gla_numbers_close(n);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("mpfr");
    TCase *all = tcase_create("all");
    tcase_set_timeout(all, 60);
    tcase_add_test(all, mpfr_is_mpfr);
    suite_add_tcase(s, all);
    return s;
}

int main(void) { return test_main(suite()); }
