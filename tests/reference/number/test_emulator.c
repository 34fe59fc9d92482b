/* SPDX-License-Identifier: Apache-2.0
 *
 * The emulator does what an error model says: formats are those of format.c, truncation goes toward zero, dithered
 * errors are uniform in the same interval, and what is exact stays.
 */
#include <math.h>

#include "../../../compare/draw.h"
#include "../../../reference/number/error.h"
#include "../../testing.h"

/* Of any size from 2^-40 to 2^40, 32 random bits. */
static double any(uint32_t stream, uint64_t i) {
    gla_draw d = {test_seed(), stream, i};
    return gla_draw_sign(d) * ldexp(1 + gla_draw_uniform(d), (int)gla_draw_below(d, 80) - 40);
}

static double at_site(gla_numbers *n, double x) {
    n->ops->site(n, GLA_SITE_SCORE, &x);
    return x;
}

static gla_numbers *with_rule(gla_rounding_rule rule, uint64_t seed) {
    gla_error_model model = {.site = {[GLA_SITE_SCORE] = rule}};
    gla_numbers *n = gla_emulator_open(&model, seed);
    ck_assert_ptr_nonnull(n);
    return n;
}

static const gla_format *const formats[] = {&gla_bf16, &gla_f16, &gla_tf32, &gla_e5m2, &gla_binary32_format};
enum { FORMATS = sizeof formats / sizeof *formats };

START_TEST(test_formats_are_the_formats) {
    for (int cut = 0; cut < 2; cut++) {
        gla_numbers *n = with_rule(gla_rounding_into(formats[_i], cut), 0);
        for (uint64_t i = 0; i < 20000; i++) {
            double x = any(0, i), want = gla_round(formats[_i], cut ? GLA_RZ : GLA_RN, x, 0);
            if (cut && fabs(x) > formats[_i]->max) continue; /* cut, an overflow stays finite */
            ck_assert_msg(at_site(n, x) == want, "%s: %a becomes %a, not %a", formats[_i]->name, x, at_site(n, x),
                          want);
        }
        for (int i = -9; i < 9; i += 2) { /* ties */
            double x = i * ldexp(1, -formats[_i]->p) + 4 * i;
            ck_assert_double_eq(at_site(n, x), gla_round(formats[_i], cut ? GLA_RZ : GLA_RN, x, 0));
            x = 1 + i * ldexp(1, -formats[_i]->p);
            ck_assert_double_eq(at_site(n, x), gla_round(formats[_i], cut ? GLA_RZ : GLA_RN, x, 0));
        }
        gla_numbers_close(n);
    }
}
END_TEST

/* Bounded by half a unit in the last place, mean 0, variance a third of its square; a seed repeats; exact numbers stay.
 */
START_TEST(test_dithered_errors_are_uniform) {
    gla_rounding_rule rule = gla_rounding_into(&gla_bf16, false);
    gla_numbers *n = with_rule(rule, 7), *again = with_rule(rule, 7), *other = with_rule(rule, 8);
    double mean = 0, square = 0, differ = 0, x = 1 + 0x1p-20;
    enum { N = 40000 };
    for (int i = 0; i < N; i++) {
        double z = at_site(n, x), e = (z - x) / 0x1p-8;
        ck_assert(fabs(e) <= 1.01 && z == at_site(again, x));
        differ += z != at_site(other, x);
        mean += e / N;
        square += e * e / N;
        ck_assert_double_eq(at_site(n, 1.5), 1.5);
    }
    ck_assert_msg(fabs(mean) < 0.02 && fabs(square - 1.0 / 3) < 0.01, "mean %g, square %g", mean, square);
    ck_assert(differ > N / 2);
    gla_numbers_close(n);
    gla_numbers_close(again);
    gla_numbers_close(other);
}
END_TEST

START_TEST(test_dithered_truncation_is_one_sided) {
    gla_numbers *n = with_rule(gla_rounding_into(&gla_bf16, true), 7);
    double mean = 0;
    enum { N = 20000 };
    for (int i = 0; i < N; i++) {
        double x = -1 - 0x1p-9 * (i % 2 ? 1 : 1.5), e = (at_site(n, x) - x) / 0x1p-7;
        ck_assert(e >= 0 && e <= 1);
        mean += e / N;
    }
    ck_assert_msg(fabs(mean - 0.5) < 0.02, "mean %g", mean);
    gla_numbers_close(n);
}
END_TEST

START_TEST(test_single_operations) {
    gla_rounding_rule narrow = {.u = 0x1p-4, .p = 4}, cut = {.u = 0x1p-3, .p = 4, .one_sided = true};
    gla_error_model model = {.op = narrow, .exp = narrow, .operand = cut};
    gla_numbers *n = gla_emulator_open(&model, 0);
    double x = 1.125, y = 1.25, w = -1.40625, z;
    n->ops->fma(n, &z, &x, &y, &w); /* the product becomes 1.375 before w is added: a fused one would give 0 */
    ck_assert_double_eq(z, -0.03125);
    x = 0;
    n->ops->exp(n, &z, &x);
    ck_assert_double_eq(z, 1);
    x = -INFINITY;
    n->ops->exp(n, &z, &x);
    ck_assert_double_eq(z, 0);
    const double a[2] = {1.9375, -1.9375}, b[2] = {1, 1};
    z = 0;
    n->ops->dot(n, &z, a, sizeof *a, b, sizeof *b, 1); /* sums are exact here, operands cut to 1.875 */
    ck_assert_double_eq(z, 1.875);
    z = 0;
    n->ops->dot(n, &z, b, sizeof *b, a + 1, sizeof *a, 1);
    ck_assert_double_eq(z, -1.875);
    gla_numbers_close(n);
}
END_TEST

/* Sixteen products at once, exactly; then the sum is cut, toward zero on either side. */
START_TEST(test_tensor_core_sums_are_cut_per_block) {
    gla_error_model model = {.sum = {.u = 0x1p-4, .p = 5, .one_sided = true}};
    gla_numbers *n = gla_emulator_open(&model, 0);
    double a[32], ones[32];
    for (int i = 0; i < 32; i++) {
        a[i] = i == 0 ? 1 : 0x1p-5; /* 15 of them: 0.46875 */
        ones[i] = 1;
    }
    double z = 0;
    n->ops->dot(n, &z, a, sizeof *a, ones, sizeof *ones, 16);
    ck_assert_double_eq(z, 1.4375); /* 1.46875 cut on a grid of 1/16 */
    z = 0;
    n->ops->dot(n, &z, a, sizeof *a, ones, sizeof *ones, 17);
    ck_assert_double_eq(z, 1.4375); /* the seventeenth is lost */
    for (int i = 0; i < 32; i++) a[i] = -a[i];
    z = 0;
    n->ops->dot(n, &z, a, sizeof *a, ones, sizeof *ones, 16);
    ck_assert_double_eq(z, -1.4375);
    gla_numbers_close(n);
}
END_TEST

START_TEST(test_mixed_rounds_operands_and_nothing_else) {
    gla_numbers *n;
    gla_error err;
    ck_assert(gla_numbers_open("mixed:bf16", &n, &err) == GLA_OK);
    double x = 1 + 0x1p-20, one = 1, z;
    n->ops->mul(n, &z, &x, &one);
    ck_assert_double_eq(z, x);
    z = 0;
    n->ops->dot(n, &z, &x, sizeof x, &one, sizeof one, 1);
    ck_assert_double_eq(z, 1);
    ck_assert_double_eq(at_site(n, x), 1);
    n->ops->site(n, GLA_SITE_STATE, &x);
    ck_assert_double_eq(x, 1 + 0x1p-20);
    ck_assert_str_eq(n->name, "mixed:bf16");
    gla_numbers_close(n);
}
END_TEST

/* Quotients round by `op`; ln(1+x), e^x - 1, sin and cos by `exp`; the larger and a comparison are exact. */
START_TEST(test_quotients_and_comparisons) {
    gla_error_model model = {.op = gla_rounding_into(&gla_binary32_format, false),
                             .exp = gla_rounding_into(&gla_bf16, false)};
    gla_numbers *n = gla_emulator_open(&model, 0);
    for (uint64_t i = 0; i < 5000; i++) {
        double x = gla_round(&gla_binary32_format, GLA_RN, any(3, i), 0);
        double y = gla_round(&gla_binary32_format, GLA_RN, any(4, i), 0), z;
        n->ops->div(n, &z, &x, &y);
        ck_assert_double_eq(z, gla_round_div(&gla_binary32_format, GLA_RN, x, y, 0)); /* 53 >= 2*24+2 bits: once */
        n->ops->max(n, &z, &x, &y);
        ck_assert_double_eq(z, fmax(x, y));
        n->ops->above(n, &z, &x, &y);
        ck_assert_double_eq(z, x > y);
        x = fabs(x);
        n->ops->log1p(n, &z, &x);
        ck_assert_double_eq(z, gla_round(&gla_bf16, GLA_RN, log1p(x), 0));
        n->ops->expm1(n, &z, &y);
        ck_assert_double_eq(z, gla_round(&gla_bf16, GLA_RN, expm1(y), 0));
        n->ops->sin(n, &z, &y);
        ck_assert_double_eq(z, gla_round(&gla_bf16, GLA_RN, sin(y), 0));
        n->ops->cos(n, &z, &y);
        ck_assert_double_eq(z, gla_round(&gla_bf16, GLA_RN, cos(y), 0));
    }
    gla_numbers_close(n);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("emulator");
    TCase *t = tcase_create("emulator");
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, test_formats_are_the_formats, 0, FORMATS);
    tcase_add_test(t, test_dithered_errors_are_uniform);
    tcase_add_test(t, test_quotients_and_comparisons);
    tcase_add_test(t, test_dithered_truncation_is_one_sided);
    tcase_add_test(t, test_single_operations);
    tcase_add_test(t, test_tensor_core_sums_are_cut_per_block);
    tcase_add_test(t, test_mixed_rounds_operands_and_nothing_else);
    suite_add_tcase(s, t);
    return s;
}

int main(void) { return test_main(suite()); }
