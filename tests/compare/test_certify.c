/* SPDX-License-Identifier: Apache-2.0
 *
 * The rounding test: accepts what is proven, and nothing on the other side of a boundary.
 */
#include <math.h>

#include "../../compare/certify.h"
#include "../testing.h"

/* x = hi + lo at `away` from a tie of f, bound either side of it. */
START_TEST(bounds_decide_near_ties) {
    const gla_format *formats[] = {&gla_bf16, &gla_f16, &gla_binary32_format, &gla_binary64_format};
    for (int i = 0; i < 4; i++) {
        const gla_format *f = formats[i];
        double ulp = ldexp(1, 1 - f->p), tie = ulp / 2, value; /* of numbers in 1..2 */
        double lo = f->p == 53 ? tie : 0, hi = f->p == 53 ? 1 : 1 + tie;
        for (int k = 60; k <= 92; k += 8) {
            double away = ldexp(1, -k);
            ck_assert(gla_certify_pair(f, GLA_RN, hi, lo + away, away * 0.99, &value) && value == 1 + ulp);
            ck_assert(gla_certify_pair(f, GLA_RN, hi, lo - away, away * 0.99, &value) && value == 1);
            ck_assert(!gla_certify_pair(f, GLA_RN, hi, lo + away, away * 1.01, &value));
            ck_assert(!gla_certify_pair(f, GLA_RN, hi, lo - away, away * 1.01, &value));
        }
        ck_assert(!gla_certify_pair(f, GLA_RN, hi, lo, 0x1p-200, &value));
        ck_assert(gla_certify_pair(f, GLA_RN, 1 + ulp, 0, ulp / 4, &value) && value == 1 + ulp);
        ck_assert(!gla_certify_pair(f, GLA_RN, 1 + ulp, 0, ulp * 0.51, &value));
        ck_assert(!gla_certify_pair(f, GLA_RZ, 1 + ulp, 0, 0x1p-200, &value));
        ck_assert(gla_certify_pair(f, GLA_RZ, 1 + ulp, 0, 0, &value) && value == 1 + ulp);
        ck_assert(!gla_certify_pair(f, GLA_RN, 1, 0, INFINITY, &value));
        ck_assert(!gla_certify_pair(f, GLA_RN, NAN, 0, 0, &value));
        ck_assert(gla_certify_pair(f, GLA_RN, 0, 0, 0, &value) && value == 0);
    }
}
END_TEST

START_TEST(ends_must_agree) {
    MPFR_DECL_INIT(lo, 64);
    MPFR_DECL_INIT(hi, 64);
    double value = 7;
    mpfr_set_d(lo, -600, MPFR_RNDN);
    mpfr_set_d(hi, 600, MPFR_RNDN);
    ck_assert(!gla_certify_ends(&gla_e4m3, GLA_RN, lo, hi, &value)); /* both NaN, but from opposite ends */
    mpfr_set_d(lo, 599, MPFR_RNDN);
    ck_assert(gla_certify_ends(&gla_e4m3, GLA_RN, lo, hi, &value) && isnan(value));
    mpfr_set_d(lo, -0x1p-140, MPFR_RNDN);
    mpfr_set_d(hi, 0x1p-140, MPFR_RNDN);
    ck_assert(gla_certify_ends(&gla_bf16, GLA_RN, lo, hi, &value) && value == 0 && !signbit(value));
    ck_assert(!gla_certify_ends(&gla_bf16, GLA_RU, lo, hi, &value));
    mpfr_set_inf(hi, 1);
    ck_assert(!gla_certify_ends(&gla_bf16, GLA_RN, hi, hi, &value));
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("certify");
    TCase *c = tcase_create("rounding test");
    tcase_set_timeout(c, 10);
    tcase_add_test(c, bounds_decide_near_ties);
    tcase_add_test(c, ends_must_agree);
    suite_add_tcase(s, c);
    return s;
}

int main(void) { return test_main(suite()); }
