/* SPDX-License-Identifier: Apache-2.0
 *
 * The square root in every number system: one rounding of the exact root (mpfr:P, binary and narrow formats in every
 * rounding), an enclosure, a derivative, a count, an event; and binary32's quick exp and log1p against MPFR's.
 */
#include "reference/number/error.h"
#include "reference/number/format.h"
#include "tests/reference/number/numbers_testing.h"

static double root_in(gla_numbers *n, double x) {
    struct four f = four(n, x, x, x);
    n->ops->sqrt(n, f.z, f.x);
    double z = n->ops->get_d(n, f.z);
    n->ops->sqrt(n, f.x, f.x); /* over its own operand */
    ck_assert(same(z, n->ops->get_d(n, f.x)));
    four_free(f);
    return z;
}

START_TEST(binary_and_narrow_roots_round_once) {
    static const char *const names[] = {"binary64", "binary32", "counter", "bf16",
                                        "f16/rz",   "tf32/ru",  "e5m2/rd", "bf16/ro"};
    uint64_t state = test_seed() + 3;
    for (size_t i = 0; i < 8; i++) {
        gla_numbers *n = opened(names[i]);
        for (int trial = 0; trial < 500; trial++) {
            struct four f = four(n, fabs(any(&state)), 1, 1);
            double x = n->ops->get_d(n, f.x), got = root_in(n, x);
            mpfr_t exact;
            mpfr_init2(exact, 200);
            mpfr_set_d(exact, x, MPFR_RNDN);
            mpfr_sqrt(exact, exact, MPFR_RNDN);
            const char *slash = strchr(names[i], '/');
            char format[16];
            snprintf(format, sizeof format, "%.*s", slash ? (int)(slash - names[i]) : 15, names[i]);
            const gla_format *to = gla_format_named(strcmp(format, "counter") == 0 ? "binary64" : format);
            gla_rounding r = !slash                      ? GLA_RN
                             : strcmp(slash, "/rz") == 0 ? GLA_RZ
                             : strcmp(slash, "/ru") == 0 ? GLA_RU
                             : strcmp(slash, "/rd") == 0 ? GLA_RD
                                                         : GLA_RO;
            double want = gla_round_mpfr(to, r, exact, 0);
            ck_assert_msg(same(got, want), "%s: sqrt(%a) = %a, not %a", names[i], x, got, want);
            mpfr_clear(exact);
            four_free(f);
        }
        ck_assert(same(root_in(n, 0), 0) && same(root_in(n, -0.0), -0.0) && isnan(root_in(n, -1)));
        ck_assert(root_in(n, 4) == 2 && root_in(n, INFINITY) == (double)INFINITY);
        gla_numbers_close(n);
    }
}
END_TEST

START_TEST(intervals_enclose_and_duals_derive) {
    gla_numbers *iv = opened("interval:60"), *dual = opened("dual:256");
    mpfr_t lo, hi, exact, slope;
    mpfr_inits2(300, lo, hi, exact, slope, (mpfr_ptr)NULL);
    uint64_t state = test_seed() + 4;
    for (int trial = 0; trial < 300; trial++) {
        double x = fabs(any(&state));
        struct four f = four(iv, x, 0, 0), g = four(dual, x, 0, 0);
        mpfr_set_d(exact, x, MPFR_RNDN);
        mpfr_sqrt(exact, exact, MPFR_RNDN);
        iv->ops->sqrt(iv, f.z, f.x);
        gla_interval_ends(iv, lo, hi, f.z);
        ck_assert(mpfr_cmp(lo, exact) <= 0 && mpfr_cmp(hi, exact) >= 0);
        mpfr_sub(hi, hi, lo, MPFR_RNDU);
        mpfr_div(hi, hi, exact, MPFR_RNDU);
        ck_assert(mpfr_cmp_d(hi, 0x1p-58) <= 0);
        gla_dual_set_tangent(dual, g.x, 3);
        dual->ops->sqrt(dual, g.z, g.x); /* slope 3 / (2 sqrt x) */
        gla_dual_get_tangent(dual, slope, g.z);
        mpfr_mul(slope, slope, exact, MPFR_RNDN);
        mpfr_sub_d(slope, slope, 1.5, MPFR_RNDN);
        ck_assert(mpfr_cmpabs(slope, (mpfr_set_d(hi, 1e-70, MPFR_RNDN), hi)) <= 0);
        four_free(f);
        four_free(g);
    }
    mpfr_clears(lo, hi, exact, slope, (mpfr_ptr)NULL);
    gla_numbers_close(iv);
    gla_numbers_close(dual);
}
END_TEST

START_TEST(roots_are_counted_and_remembered) {
    gla_numbers *n = opened("counter");
    root_in(n, 2);
    ck_assert_uint_eq(gla_counter_read(n).sqrt, 2);
    ck_assert_uint_eq(gla_counter_read(n).div, 0);
    gla_numbers_close(n);
    n = opened("recorder:binary64");
    root_in(n, 9);
    struct gla_trace t = gla_recorder_trace(n);
    ck_assert_str_eq(t.events[t.count - 1].op, "sqrt");
    ck_assert(t.events[t.count - 1].result == 3 && t.events[t.count - 1].x == 9);
    gla_numbers_close(n);
}
END_TEST

/* An operand that may be off by as much as its bound: so is the root, and the bound covers it. */
START_TEST(an_error_number_covers_its_root) {
    const gla_error_model model = {.op = gla_rounding_into(gla_format_named("bf16"), false)};
    gla_numbers *n = gla_error_open(&model);
    uint64_t state = test_seed() + 5;
    for (int trial = 0; trial < 500; trial++) {
        double a = fabs(any(&state)), b = fabs(any(&state));
        struct four f = four(n, a, b, 0);
        n->ops->mul(n, f.z, f.x, f.y);
        n->ops->sqrt(n, f.z, f.z);
        double exact = sqrt(a * b),
               narrow = gla_round(&gla_bf16, GLA_RN, sqrt(gla_round_mul(&gla_bf16, GLA_RN, a, b, 0)), 0);
        double bound = gla_error_bound(f.z, GLA_ERROR_LAMBDA);
        ck_assert_msg(fabs(n->ops->get_d(n, f.z) - exact) <= 1e-12 * exact, "%g", exact);
        ck_assert_msg(fabs(narrow - exact) <= bound, "sqrt(%g * %g): off by %g, bound %g", a, b, narrow - exact, bound);
        ck_assert_msg(bound <= 0.05 * exact, "sqrt(%g * %g): bound %g", a, b, bound);
        four_free(f);
    }
    gla_numbers_close(n);
}
END_TEST

static void expect_rounded(gla_numbers *n, float x) {
    float z;
    n->ops->exp(n, &z, &x);
    ck_assert_msg(same((double)z, gla_round_exp(&gla_binary32_format, GLA_RN, (double)x, 0)), "exp(%a)", (double)x);
    n->ops->log1p(n, &z, &x);
    ck_assert_msg(same((double)z, gla_round_log1p(&gla_binary32_format, GLA_RN, (double)x, 0)), "log1p(%a)", (double)x);
}

/* Where binary64's value leaves the rounding open MPFR decides: no argument may show which of them it was. The first
 * few are those whose logarithm in binary64 is midway between two floats, and whose exact one is not. */
START_TEST(quick_binary32_functions_are_correctly_rounded) {
    static const float hard[] = {0x1.fb035ap-2F, 0x1.0f1fd6p+3F, 0x1.b121a6p+76F, 0.0F,   -0.0F,
                                 -1.0F,          -2.0F,          89.0F,           -104.0F};
    gla_numbers *n = opened("binary32");
    uint64_t state = test_seed() + 6, count = test_long() ? (uint64_t)1 << 32 : 200000;
    for (size_t i = 0; i < sizeof hard / sizeof hard[0]; i++) expect_rounded(n, hard[i]);
    for (uint64_t i = 0; i < count; i++) {
        uint32_t word = (uint32_t)(test_long() ? i : next(&state));
        float x;
        memcpy(&x, &word, sizeof x);
        expect_rounded(n, x);
    }
    gla_numbers_close(n);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("sqrt");
    TCase *c = tcase_create("sqrt");
    tcase_set_timeout(c, test_long() ? 86400 : 30);
    tcase_add_test(c, binary_and_narrow_roots_round_once);
    tcase_add_test(c, intervals_enclose_and_duals_derive);
    tcase_add_test(c, roots_are_counted_and_remembered);
    tcase_add_test(c, an_error_number_covers_its_root);
    tcase_add_test(c, quick_binary32_functions_are_correctly_rounded);
    suite_add_tcase(s, c);
    return s;
}

int main(void) { return test_main(suite()); }
