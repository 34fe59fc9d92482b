/* SPDX-License-Identifier: Apache-2.0
 *
 * interval:P encloses the values of the same operation at higher precision, and its ends are close together.
 */
#include <mpfi.h>

#include "tests/reference/number/numbers_testing.h"

/* Do the ends of z enclose t, and are they at most `ulps` last places of P bits apart? */
static void encloses(gla_numbers *n, mpfr_prec_t p, const void *z, const mpfr_t t, double ulps) {
    mpfr_t lo, hi, width;
    mpfr_inits2(p, lo, hi, width, (mpfr_ptr)NULL);
    gla_interval_ends(n, lo, hi, z);
    ck_assert(mpfr_lessequal_p(lo, t) && mpfr_lessequal_p(t, hi));
    mpfr_sub(width, hi, lo, MPFR_RNDU);
    if (mpfr_regular_p(t)) mpfr_mul_2si(width, width, p - mpfr_get_exp(t), MPFR_RNDU);
    ck_assert(!mpfr_nan_p(width) && mpfr_cmp_d(width, ulps) <= 0);
    mpfr_clears(lo, hi, width, (mpfr_ptr)NULL);
}

START_TEST(interval_encloses_tightly) {
    enum { P = 40 };
    gla_numbers *n = opened("interval:40"), *truth = opened("mpfr:200");
    uint64_t state = test_seed() + 3;
    for (int trial = 0; trial < 3000; trial++) {
        enum operation op = (enum operation)(trial % OPERATIONS);
        double x = (double)(float)any(&state), y = (double)(float)any(&state); /* points: 24 bits */
        double w = trial % 2 ? any(&state) : -x * y * (1 + 0x1p-20);           /* 53 bits: an interval; cancelling */
        struct four i = four(n, x, y, w), t = four(truth, x, y, w);
        apply(n, op, i.z, i.x, i.y, i.w);
        apply(truth, op, t.z, t.x, t.y, t.w);
        encloses(n, P, i.z, t.z, op == FMA ? INFINITY : 3 /* the width of w may be all there is */);
        apply(n, op, i.x, i.x, i.y, i.w);
        encloses(n, P, i.x, t.z, op == FMA ? INFINITY : 3 /* the width of w may be all there is */);
        four_free(i);
        four_free(t);
    }
    gla_numbers_close(n);
    gla_numbers_close(truth);
}
END_TEST

/* On point operands fma is as tight as one rounding can be, also when the sum cancels; on wide ones it covers. */
START_TEST(interval_fma) {
    enum { P = 30 };
    gla_numbers *n = opened("interval:30");
    uint64_t state = test_seed() + 4;
    mpfr_t lo, hi, want_lo, want_hi, a, b, c;
    mpfr_inits2(P, lo, hi, want_lo, want_hi, (mpfr_ptr)NULL);
    mpfr_inits2(53, a, b, c, (mpfr_ptr)NULL);
    for (int trial = 0; trial < 1000; trial++) {
        double x = (double)(float)any(&state), y = (double)(float)any(&state);
        double w = trial % 2 ? (double)(float)any(&state) : (double)(float)-(x * y);
        struct four f = four(n, x, y, w);
        n->ops->fma(n, f.z, f.x, f.y, f.w);
        gla_interval_ends(n, lo, hi, f.z);
        mpfr_set_d(a, x, MPFR_RNDN);
        mpfr_set_d(b, y, MPFR_RNDN);
        mpfr_set_d(c, w, MPFR_RNDN);
        mpfr_fma(want_lo, a, b, c, MPFR_RNDD);
        mpfr_fma(want_hi, a, b, c, MPFR_RNDU);
        ck_assert(mpfr_equal_p(lo, want_lo) && mpfr_equal_p(hi, want_hi));

        mpfi_interv_d(f.x, fmin(x, y), fmax(x, y)); /* [x, y]^2 + w holds x*x + w, x*y + w, y*y + w */
        n->ops->fma(n, f.z, f.x, f.x, f.w);
        gla_interval_ends(n, lo, hi, f.z);
        for (int corner = 0; corner < 3; corner++) {
            mpfr_fma(want_hi, corner == 2 ? b : a, corner == 0 ? a : b, c, MPFR_RNDN);
            ck_assert(mpfr_lessequal_p(lo, want_hi) && mpfr_lessequal_p(want_hi, hi));
        }
        four_free(f);
    }
    mpfr_clears(lo, hi, want_lo, want_hi, a, b, c, (mpfr_ptr)NULL);
    gla_numbers_close(n);
}
END_TEST

/* ln(1+x); the larger of two wide intervals; a comparison is 0 or 1 where the ends decide it, else both. */
START_TEST(interval_logarithm_and_comparisons) {
    gla_numbers *n = opened("interval:40"), *truth = opened("mpfr:200");
    uint64_t state = test_seed() + 5;
    mpfr_t lo, hi;
    mpfr_inits2(40, lo, hi, (mpfr_ptr)NULL);
    for (int trial = 0; trial < 1000; trial++) {
        double x = trial % 2 ? fabs(any(&state)) : -fabs(any(&state)) / 8;
        struct four i = four(n, x, 0, 0), t = four(truth, x, 0, 0);
        n->ops->log1p(n, i.x, i.x);
        truth->ops->log1p(truth, t.x, t.x);
        encloses(n, 40, i.x, t.x, INFINITY); /* x itself has more than 40 bits */
        double a = (double)(float)any(&state), b = (double)(float)any(&state), c = (double)(float)any(&state);
        double d = (double)(float)any(&state);
        mpfi_interv_d(i.x, fmin(a, b), fmax(a, b));
        mpfi_interv_d(i.y, fmin(c, d), fmax(c, d));
        n->ops->max(n, i.z, i.x, i.y);
        gla_interval_ends(n, lo, hi, i.z);
        ck_assert(mpfr_cmp_d(lo, fmax(fmin(a, b), fmin(c, d))) == 0 &&
                  mpfr_cmp_d(hi, fmax(fmax(a, b), fmax(c, d))) == 0);
        n->ops->above(n, i.z, i.x, i.y);
        gla_interval_ends(n, lo, hi, i.z);
        ck_assert(mpfr_cmp_d(lo, fmin(a, b) > fmax(c, d)) == 0);
        ck_assert(mpfr_cmp_d(hi, !(fmax(a, b) <= fmin(c, d))) == 0);
        n->ops->div(n, i.z, i.x, i.y);
        gla_interval_ends(n, lo, hi, i.z);
        if (c * d > 0)
            for (int corner = 0; corner < 4; corner++) {
                double q = (corner & 1 ? a : b) / (corner & 2 ? c : d);
                ck_assert(mpfr_cmp_d(lo, q) <= 0 && mpfr_cmp_d(hi, q) >= 0); /* 40 bits are coarser than q's error */
            }
        else
            ck_assert(mpfr_inf_p(lo) || mpfr_inf_p(hi));
        four_free(i);
        four_free(t);
    }
    mpfr_clears(lo, hi, (mpfr_ptr)NULL);
    gla_numbers_close(n);
    gla_numbers_close(truth);
}
END_TEST

START_TEST(interval_edges) {
    gla_numbers *n = opened("interval:20");
    mpfr_t lo, hi;
    mpfr_inits2(10, lo, hi, (mpfr_ptr)NULL);
    struct four f = four(n, -INFINITY, 1 + 0x1p-30, 0);
    n->ops->exp(n, f.z, f.x);
    gla_interval_ends(n, lo, hi, f.z);
    ck_assert(mpfr_zero_p(lo) && mpfr_zero_p(hi));
    gla_interval_ends(n, lo, hi, f.y); /* outward to the precision asked for */
    ck_assert(mpfr_cmp_d(lo, 1) == 0 && mpfr_cmp_d(hi, 1 + 0x1p-9) == 0);
    mpfi_interv_d(f.z, 1, 3);
    ck_assert(n->ops->get_d(n, f.z) == 2);
    n->ops->get_mpfr(n, lo, f.z);
    ck_assert(mpfr_cmp_ui(lo, 2) == 0);
    mpfr_clears(lo, hi, (mpfr_ptr)NULL);
    four_free(f);
    gla_numbers_close(n);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("interval");
    TCase *all = tcase_create("all");
    tcase_set_timeout(all, 60);
    tcase_add_test(all, interval_encloses_tightly);
    tcase_add_test(all, interval_fma);
    tcase_add_test(all, interval_logarithm_and_comparisons);
    tcase_add_test(all, interval_edges);
    suite_add_tcase(s, all);
    return s;
}

int main(void) { return test_main(suite()); }
