/* SPDX-License-Identifier: Apache-2.0
 *
 * Error bounds of quotients, logarithms, e^x - 1, softmax weights and comparisons: never beneath the worst that
 * operands within their own bounds can do, and attained by it; nothing where the operands are exact and the result is,
 * a given infinity among them.
 */
#include <math.h>

#include "../../../compare/draw.h"
#include "../../../reference/number/error.h"
#include "../../testing.h"

static gla_error_number exactly(gla_numbers *n, double x) {
    gla_error_number z;
    n->ops->set_d(n, &z, x);
    return z;
}

/* x with an error of its own: one rounding of sums that carry `det`. */
static gla_error_number about(double x, double det) {
    return (gla_error_number){.x = x, .det = det, .size = fabs(x), .unit = -1000};
}

static double bound_of(const gla_error_number *x) { return gla_error_bound(x, GLA_ERROR_LAMBDA); }

/* Whatever the operands are within their bounds, the result is within its own, and that is no more than it need be. */
START_TEST(test_quotients_carry_their_errors) {
    const double ulps = 1e-14;   /* of differences of binary64 numbers below 10 */
    gla_error_model model = {0}; /* no rounding: what the operands' errors do */
    gla_numbers *n = gla_error_open(&model);
    gla_draw d = {test_seed(), 77, 0};
    for (; d.index < 2000; d.index++) {
        double x = gla_draw_sign(d) * (1 + 4 * gla_draw_uniform(d)),
               y = 0.5 + 3 * gla_draw_uniform((gla_draw){1, 2, d.index});
        double dx = 0.1 * gla_draw_uniform((gla_draw){1, 3, d.index}),
               dy = 0.3 * gla_draw_uniform((gla_draw){1, 4, d.index});
        gla_error_number a = about(x, dx), b = about(y, dy), z;
        n->ops->div(n, &z, &a, &b);
        double worst =
            fmax(fabs((fabs(x) + dx) / (y - dy) - fabs(x) / y), fabs((fabs(x) - dx) / (y + dy) - fabs(x) / y));
        ck_assert_double_le(worst, bound_of(&z) + ulps);
        ck_assert_double_ge(worst, bound_of(&z) - ulps); /* both errors at their worst: it is attained */
        n->ops->log1p(n, &z, &b);
        worst = fmax(log1p(y + dy) - log1p(y), log1p(y) - log1p(y - dy));
        ck_assert_double_le(worst, bound_of(&z) + ulps);
        ck_assert_double_ge(worst, bound_of(&z) - ulps);
        n->ops->expm1(n, &z, &a);
        worst = expm1(x + dx) - expm1(x); /* the other side is nearer */
        ck_assert_double_le(worst, bound_of(&z) + ulps * exp(5));
        ck_assert_double_ge(worst, bound_of(&z) - ulps * exp(5));
        n->ops->max(n, &z, &a, &b);
        for (int corner = 0; corner < 4; corner++) {
            double p = x + (corner & 1 ? dx : -dx), q = y + (corner & 2 ? dy : -dy);
            ck_assert_double_le(fabs(fmax(p, q) - fmax(x, y)), bound_of(&z) + ulps);
        }
        n->ops->above(n, &z, &a, &b);
        bool open = fabs(x - y) <= dx + dy;
        ck_assert_double_eq(z.x, x > y);
        ck_assert_double_eq(bound_of(&z), open ? 1 : 0);
    }
    gla_error_number a = about(1, 0.1), wide = about(0.5, 0.6), z;
    for (double sigma = 0.01; sigma < 0.25; sigma += 0.02) { /* of y's random error, past what is first order */
        gla_error_number one = exactly(n, 1), y = {.x = 1, .var = sigma * sigma, .lin = 4, .size = 1, .unit = -1000};
        n->ops->div(n, &z, &one, &y);
        double worst = 1 / (1 - GLA_ERROR_LAMBDA * sigma) - 1;
        ck_assert_double_le(worst, bound_of(&z) + ulps);
        ck_assert_double_ge(worst, bound_of(&z) - ulps);
    }
    for (double at = -6; at < 7; at += 3) { /* a random error, as far as it is first order */
        gla_error_number y = {.x = at, .var = 0x1p-40, .lin = 4, .size = 6, .unit = -1000};
        n->ops->expm1(n, &z, &y);
        ck_assert_double_eq_tol(bound_of(&z), exp(at) * GLA_ERROR_LAMBDA * 0x1p-20, 1e-12 * exp(at));
        ck_assert_double_eq_tol(z.lin, 4 * exp(at), 1e-12 * exp(at));
    }
    for (double apart = 0.5; apart < 4; apart += 1) { /* in bounds: 1.5 is not decided yet, 2.5 is */
        gla_error_number x = {.x = 1, .var = 0x1p-8, .lin = 4, .size = 1, .unit = -1000};
        gla_error_number y = exactly(n, 1 - apart * GLA_ERROR_LAMBDA * 0x1p-4);
        n->ops->above(n, &z, &x, &y);
        ck_assert_double_eq(bound_of(&z), apart < 2 ? 1 : 0);
    }
    n->ops->div(n, &z, &a, &wide); /* a divisor that may be 0 */
    ck_assert(isinf(bound_of(&z)));
    gla_numbers_close(n);
}
END_TEST

/* A random error of a logit, past what is first order: attained, never beneath, and not capped as a decay's; nothing
 * where e^x is 0 all the way. A softmax weight errs by 1 at most, whatever came before. */
START_TEST(errors_of_logits) {
    gla_error_model model = {0};
    gla_numbers *n = gla_error_open(&model);
    gla_error_number z;
    for (double sigma = 1e-6; sigma < 2; sigma *= 3) {
        gla_error_number x = {.x = -0.5, .var = sigma * sigma, .lin = 100, .size = 1, .unit = -1000};
        double worst = exp(-0.5) * expm1(GLA_ERROR_LAMBDA * sigma);
        n->ops->site(n, GLA_SITE_LOGIT, &x);
        n->ops->exp(n, &z, &x);
        ck_assert_double_le(worst, bound_of(&z) * (1 + 1e-9));
        ck_assert_double_ge(worst, bound_of(&z) * (1 - 1e-9));
        n->ops->site(n, GLA_SITE_PROBABILITY, &z);
        ck_assert_double_le(bound_of(&z), 1);
        ck_assert(worst > 1 || bound_of(&z) > worst * (1 - 1e-9));
    }
    gla_error_number decay = {.x = -2, .det = INFINITY, .size = 2, .unit = -1000};
    n->ops->exp(n, &z, &decay);
    ck_assert_double_eq(bound_of(&z), 1); /* a decay, if nothing else is said */
    gla_error_number far = {.x = -1e9, .var = 1e12, .lin = 1e12, .size = 1e9, .unit = -1000};
    n->ops->site(n, GLA_SITE_LOGIT, &far);
    n->ops->exp(n, &z, &far);
    ck_assert(z.x == 0 && bound_of(&z) == 0);
    far.lin = far.var = INFINITY;
    n->ops->exp(n, &z, &far);
    ck_assert(isinf(bound_of(&z)));
    n->ops->site(n, GLA_SITE_PROBABILITY, &z);
    ck_assert_double_eq(bound_of(&z), 1);
    z.det = (double)NAN; /* an infinite error times 0 */
    n->ops->site(n, GLA_SITE_PROBABILITY, &z);
    ck_assert_double_eq(bound_of(&z), 1);
    gla_numbers_close(n);
}
END_TEST

/* The log of a gate that is shut: no rounding and no neighbour's error moves it, and a maximum leaves it behind. An
 * infinity that grew is another matter. */
START_TEST(a_given_infinity_is_exact) {
    gla_rounding_rule rounding = gla_rounding_into(&gla_binary32_format, false);
    gla_error_model model = {.op = rounding, .exp = rounding, .exp_argument = 0x1p-23};
    model.site[GLA_SITE_GATE_SUM] = (gla_rounding_rule){.u = 0x1p-23};
    gla_numbers *n = gla_error_open(&model);
    gla_error_number shut = exactly(n, -INFINITY), m = about(0.5, 1e-3), third, z;
    n->ops->site(n, GLA_SITE_SCALE, &m);
    third = exactly(n, 1.0 / 3);
    n->ops->site(n, GLA_SITE_SCALE, &third); /* no power of two: what is spared counts too */
    for (int sign = 0; sign < 2; sign++) {
        (sign ? n->ops->sub : n->ops->add)(n, &z, sign ? &m : &shut, sign ? &shut : &m);
        n->ops->site(n, GLA_SITE_GATE_SUM, &z);
        ck_assert(z.x == (sign ? INFINITY : -INFINITY) && bound_of(&z) == 0 && z.spared == 0);
    }
    n->ops->neg(n, &z, &z);
    n->ops->max(n, &z, &z, &m);
    ck_assert(z.x == 0.5 && z.lin == m.lin && z.det == m.det);
    gla_error_number large = exactly(n, 1e4), e;
    n->ops->exp(n, &e, &large);
    n->ops->add(n, &z, &e, &m);
    ck_assert(isinf(z.x) && !(bound_of(&z) < INFINITY));
    gla_numbers_close(n);
}
END_TEST

/* A mask's gate of -1e37 is off by 1e30, and its decay not at all. */
START_TEST(a_masks_decay_is_0) {
    gla_error_model model = {.exp_argument = 0x1p-23};
    gla_numbers *n = gla_error_open(&model);
    gla_error_number mask = about(-1e37, 1e30), near = about(-800, 750), z;
    n->ops->exp(n, &z, &mask);
    ck_assert(z.x == 0 && bound_of(&z) == 0);
    n->ops->exp(n, &z, &near);
    ck_assert_double_ge(bound_of(&z), exp(-50));
    ck_assert_double_le(bound_of(&z), exp(-50) * (1 + 1e-9));
    gla_numbers_close(n);
}
END_TEST

/* max(|n|, c) with n anything from below -c to above c: a quotient by it is bounded by c's lower end, and attained. */
START_TEST(a_maximum_keeps_its_floor) {
    gla_error_model model = {0};
    gla_numbers *n = gla_error_open(&model);
    gla_error_number sum = about(-0.25, 3), minus, c = about(0.5, 0.125), o = about(2, 0.5), den, z;
    n->ops->neg(n, &minus, &sum);
    n->ops->max(n, &den, &sum, &minus);
    n->ops->max(n, &den, &den, &c);
    n->ops->div(n, &z, &o, &den);
    ck_assert_double_eq(z.x, 4);
    ck_assert_double_ge(bound_of(&z), (2 + 0.5) / (0.5 - 0.125) - 4); /* n small */
    ck_assert_double_ge(bound_of(&z), 4 - (2 - 0.5) / (0.25 + 3));    /* n large */
    ck_assert_double_le(bound_of(&z), (0.5 + 4 * 3) / (0.5 - 0.125));
    gla_rounding_rule coarse = {.u = 0.25};
    gla_error_round(&den, &coarse);
    ck_assert_double_eq(den.floor, 0.375 - 0.125);
    gla_numbers_close(n);
}
END_TEST

/* Exact operands: a quotient by a power of two stays exact, another one errs by u at most, and comparisons not at all.
 */
START_TEST(test_exact_quotients) {
    gla_error_model model = {.op = gla_rounding_into(&gla_binary32_format, false),
                             .exp = gla_rounding_into(&gla_binary32_format, false)};
    gla_numbers *n = gla_error_open(&model);
    gla_error_number x = exactly(n, 3), y = exactly(n, -0.25), zero = exactly(n, 0), z;
    n->ops->div(n, &z, &x, &y);
    ck_assert(z.x == -12 && bound_of(&z) == 0);
    n->ops->div(n, &z, &z, &x); /* -12/3 happens to be exact; nobody promises it */
    ck_assert_double_eq(z.lin, 4 * 0x1p-24);
    n->ops->log1p(n, &z, &zero);
    ck_assert(z.x == 0 && bound_of(&z) == 0);
    n->ops->log1p(n, &z, &x);
    ck_assert_double_eq(z.det, log1p(3) * 0x1p-24);
    n->ops->max(n, &z, &x, &x);
    ck_assert(z.x == 3 && bound_of(&z) == 0);
    n->ops->above(n, &z, &x, &x);
    ck_assert(z.x == 0 && bound_of(&z) == 0);
    gla_numbers_close(n);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("error of functions");
    TCase *t = tcase_create("error");
    tcase_set_timeout(t, 30);
    tcase_add_test(t, test_quotients_carry_their_errors);
    tcase_add_test(t, errors_of_logits);
    tcase_add_test(t, a_given_infinity_is_exact);
    tcase_add_test(t, a_masks_decay_is_0);
    tcase_add_test(t, a_maximum_keeps_its_floor);
    tcase_add_test(t, test_exact_quotients);
    suite_add_tcase(s, t);
    return s;
}

int main(void) { return test_main(suite()); }
