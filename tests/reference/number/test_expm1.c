/* SPDX-License-Identifier: Apache-2.0
 *
 * e^x - 1 in every number system: one rounding of the exact value (mpfr:P, binary and narrow formats in every
 * rounding), -1 at minus infinity, an enclosure, a derivative, a count, an event, a bound that covers what happens.
 */
#include "reference/number/error.h"
#include "reference/number/format.h"
#include "tests/reference/number/numbers_testing.h"

static double expm1_in(gla_numbers *n, double x) {
    struct four f = four(n, x, x, x);
    n->ops->expm1(n, f.z, f.x);
    double z = n->ops->get_d(n, f.z);
    n->ops->expm1(n, f.x, f.x); /* over its own operand */
    ck_assert(same(z, n->ops->get_d(n, f.x)));
    four_free(f);
    return z;
}

/* Below 2^6, both signs: one half of any size down to 2^-160, the other where e^x - 1 is neither x nor e^x nor -1. */
static double argument(uint64_t *state) {
    double x = 8 * any(state);
    return next(state) & 1 ? x : ldexp(x, -(int)(next(state) % 140));
}

/* Numbers of binary32 whose e^x - 1 is nearly half way between two: libm's expm1f is wrong at all of them. */
static const double near_ties[] = {0x1.9dec82p+0, 0x1.fe620ep+1, -0x1.c976c8p-4, -0x1.4f812cp+1};
enum { NEAR_TIES = sizeof near_ties / sizeof *near_ties };

START_TEST(binary_and_narrow_values_round_once) {
    static const struct {
        const char *name, *format;
        gla_rounding rounding;
    } systems[] = {{"binary64", "binary64", GLA_RN}, {"binary32", "binary32", GLA_RN}, {"counter", "binary64", GLA_RN},
                   {"bf16", "bf16", GLA_RN},         {"f16/rz", "f16", GLA_RZ},        {"tf32/ru", "tf32", GLA_RU},
                   {"e5m2/rd", "e5m2", GLA_RD},      {"bf16/ro", "bf16", GLA_RO}};
    uint64_t state = test_seed() + 13;
    MPFR_DECL_INIT(exact, 400);
    for (size_t i = 0; i < sizeof systems / sizeof *systems; i++) {
        gla_numbers *n = opened(systems[i].name);
        for (int trial = 0; trial < 500; trial++) {
            struct four f = four(n, trial < NEAR_TIES ? near_ties[trial] : argument(&state), 1, 1);
            double x = n->ops->get_d(n, f.x), got = expm1_in(n, x);
            mpfr_set_d(exact, x, MPFR_RNDN);
            mpfr_expm1(exact, exact, MPFR_RNDN);
            double want = gla_round_mpfr(gla_format_named(systems[i].format), systems[i].rounding, exact, 0);
            if (mpfr_regular_p(exact))
                ck_assert_msg(same(got, want), "%s: e^%a - 1 = %a, not %a", systems[i].name, x, got, want);
            four_free(f);
        }
        ck_assert(same(expm1_in(n, 0), 0) && same(expm1_in(n, -0.0), -0.0) && isnan(expm1_in(n, (double)NAN)));
        ck_assert(expm1_in(n, -INFINITY) == -1);
        ck_assert(expm1_in(n, INFINITY) == (double)INFINITY);
        gla_numbers_close(n);
    }
}
END_TEST

START_TEST(wide_systems_round_enclose_and_derive) {
    gla_numbers *iv = opened("interval:60"), *dual = opened("dual:256"), *mp = opened("mpfr:60");
    mpfr_t lo, hi, exact, slope;
    mpfr_inits2(500, lo, hi, exact, slope, (mpfr_ptr)NULL);
    uint64_t state = test_seed() + 14;
    for (int trial = 0; trial < 300; trial++) {
        double x = argument(&state);
        if (x == 0) continue;
        struct four f = four(iv, x, 0, 0), g = four(dual, x, 0, 0), h = four(mp, x, 0, 0);
        mpfr_set_d(exact, x, MPFR_RNDN);
        mpfr_expm1(exact, exact, MPFR_RNDN);
        iv->ops->expm1(iv, f.z, f.x);
        gla_interval_ends(iv, lo, hi, f.z);
        ck_assert(mpfr_cmp(lo, exact) <= 0 && mpfr_cmp(hi, exact) >= 0);
        mpfr_sub(hi, hi, lo, MPFR_RNDU);
        mpfr_div(hi, hi, exact, MPFR_RNDA);
        ck_assert(mpfr_cmpabs(hi, (mpfr_set_d(lo, 0x1p-58, MPFR_RNDN), lo)) <= 0);
        gla_dual_set_tangent(dual, g.x, 3);
        dual->ops->expm1(dual, g.z, g.x); /* slope 3 e^x */
        gla_dual_get_tangent(dual, slope, g.z);
        mpfr_set_d(exact, x, MPFR_RNDN);
        mpfr_exp(exact, exact, MPFR_RNDN);
        mpfr_div(slope, slope, exact, MPFR_RNDN);
        mpfr_sub_ui(slope, slope, 3, MPFR_RNDN);
        ck_assert(mpfr_cmpabs(slope, (mpfr_set_d(hi, 1e-70, MPFR_RNDN), hi)) <= 0);
        mp->ops->expm1(mp, h.z, h.x);
        mp->ops->get_mpfr(mp, lo, h.z);
        mpfr_set_d(exact, x, MPFR_RNDN);
        mpfr_expm1(exact, exact, MPFR_RNDN);
        mpfr_prec_round(exact, 60, MPFR_RNDN);
        ck_assert(mpfr_equal_p(lo, exact));
        mpfr_set_prec(exact, 500);
        four_free(f);
        four_free(g);
        four_free(h);
    }
    struct four f = four(dual, -INFINITY, 0, 0);
    gla_dual_set_tangent(dual, f.x, 3);
    dual->ops->expm1(dual, f.z, f.x);
    gla_dual_get_tangent(dual, slope, f.z);
    ck_assert(dual->ops->get_d(dual, f.z) == -1 && mpfr_zero_p(slope));
    four_free(f);
    mpfr_clears(lo, hi, exact, slope, (mpfr_ptr)NULL);
    gla_numbers_close(iv);
    gla_numbers_close(dual);
    gla_numbers_close(mp);
}
END_TEST

START_TEST(counted_and_remembered) {
    gla_numbers *n = opened("counter");
    expm1_in(n, 2);
    ck_assert_uint_eq(gla_counter_read(n).exp, 2);
    ck_assert_uint_eq(gla_counter_read(n).add, 0);
    gla_numbers_close(n);
    n = opened("recorder:binary64");
    expm1_in(n, 0);
    struct gla_trace t = gla_recorder_trace(n);
    ck_assert_str_eq(t.events[t.count - 1].op, "expm1");
    gla_numbers_close(n);
}
END_TEST

/* A product rounded to bf16 and then e^x - 1, rounded to bf16: the bound covers it, and is no wider than a relative
 * error of both deserves: x e^x / (e^x - 1), at most 1 + |x|, of them. */
START_TEST(an_error_number_covers_its_value) {
    const gla_rounding_rule rule = gla_rounding_into(gla_format_named("bf16"), false);
    const gla_error_model model = {.op = rule, .exp = rule};
    gla_numbers *n = gla_error_open(&model);
    uint64_t state = test_seed() + 15;
    for (int trial = 0; trial < 500; trial++) {
        double a = ldexp(any(&state), -(int)(next(&state) % 30)), b = fmod(any(&state), 4), x = a * b;
        if (!(fabs(x) < 30) || fabs(x) < 0x1p-100) continue;
        struct four f = four(n, a, b, 0);
        n->ops->mul(n, f.z, f.x, f.y);
        n->ops->expm1(n, f.z, f.z);
        double exact = expm1(x), near = gla_round_mul(&gla_bf16, GLA_RN, a, b, 0),
               narrow = gla_round_expm1(&gla_bf16, GLA_RN, near, 0);
        double bound = gla_error_bound(f.z, GLA_ERROR_LAMBDA);
        ck_assert_msg(fabs(n->ops->get_d(n, f.z) - exact) <= 1e-12 * fabs(exact), "%g", exact);
        ck_assert_msg(fabs(narrow - exact) <= bound, "e^%g - 1: off by %g, bound %g", x, narrow - exact, bound);
        ck_assert_msg(bound <= 0.05 * (1 + fabs(x)) * fabs(exact), "e^%g - 1: bound %g", x, bound);
        four_free(f);
    }
    gla_numbers_close(n);
}
END_TEST

/* -1 at minus infinity is a number like any other: what is made of it rounds. */
START_TEST(exact_values_of_an_error_number) {
    const gla_rounding_rule rule = gla_rounding_into(gla_format_named("bf16"), false);
    const gla_error_model model = {.op = rule, .exp = rule};
    gla_numbers *n = gla_error_open(&model);
    struct four f = four(n, -INFINITY, 1 + 0x1p-12, 0);
    n->ops->expm1(n, f.z, f.x);
    ck_assert(n->ops->get_d(n, f.z) == -1 && gla_error_bound(f.z, GLA_ERROR_LAMBDA) == 0);
    n->ops->mul(n, f.z, f.z, f.y);
    ck_assert(gla_error_bound(f.z, GLA_ERROR_LAMBDA) > 0);
    n->ops->expm1(n, f.z, f.w);
    ck_assert(n->ops->get_d(n, f.z) == 0 && gla_error_bound(f.z, GLA_ERROR_LAMBDA) == 0);
    four_free(f);
    gla_numbers_close(n);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("expm1");
    TCase *c = tcase_create("expm1");
    tcase_set_timeout(c, 30);
    tcase_add_test(c, binary_and_narrow_values_round_once);
    tcase_add_test(c, wide_systems_round_enclose_and_derive);
    tcase_add_test(c, counted_and_remembered);
    tcase_add_test(c, an_error_number_covers_its_value);
    tcase_add_test(c, exact_values_of_an_error_number);
    suite_add_tcase(s, c);
    return s;
}

int main(void) { return test_main(suite()); }
