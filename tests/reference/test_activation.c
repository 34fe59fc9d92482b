/* SPDX-License-Identifier: Apache-2.0
 *
 * The elementwise maps by their definitions at 300 bits, at the ends of the range and at infinite logits; their
 * derivatives against dual numbers, at exactly 0 too; intervals contain the truth.
 */
#include "reference/activation.h"

#include <math.h>

#include "tests/testing.h"

typedef void map(gla_matrix y, gla_matrix x);
typedef void map_back(gla_matrix dx, gla_matrix dy, gla_matrix x);

static const struct {
    const char *name;
    map *run;
    map_back *back;
} maps[] = {{"sigmoid", act_sigmoid, act_sigmoid_back},
            {"swish", act_swish, act_swish_back},
            {"relu", act_relu, act_relu_back},
            {"log sigmoid", act_log_sigmoid, act_log_sigmoid_back},
            {"softplus", act_softplus, act_softplus_back}};
enum { SIGMOID, SWISH, RELU, LOG_SIGMOID, SOFTPLUS, MAPS };

static const double points[] = {-INFINITY, -1e4,    -700, -200, -87, -50, -1,  -0x1p-40,
                                0,         0x1p-40, 0.5,  3,    30,  200, 1e4, INFINITY};
enum { POINTS = sizeof points / sizeof *points };

static gla_numbers *opened(const char *name) {
    gla_numbers *n;
    ck_assert_int_eq(gla_numbers_open(name, &n, NULL), GLA_OK);
    return n;
}

static gla_matrix row_of_points(gla_numbers *n) {
    gla_matrix x = gla_new(n, 1, POINTS);
    for (size_t i = 0; i < POINTS; i++) n->ops->set_d(n, gla_at(x, 0, i), points[i]);
    return x;
}

/* The definitions, with bits to spare: e^-x of 1e4 is 2^-14427. */
static void by_definition(mpfr_t y, int which, double x) {
    mpfr_set_d(y, -x, MPFR_RNDN);
    mpfr_exp(y, y, MPFR_RNDN);
    mpfr_add_ui(y, y, 1, MPFR_RNDN); /* 1 + e^-x */
    if (which == SIGMOID) mpfr_ui_div(y, 1, y, MPFR_RNDN);
    if (which == SWISH) mpfr_d_div(y, x, y, MPFR_RNDN);
    if (which == RELU) mpfr_set_d(y, fmax(x, 0), MPFR_RNDN);
    if (which == LOG_SIGMOID) mpfr_log(y, y, MPFR_RNDN), mpfr_neg(y, y, MPFR_RNDN);
    if (which == SOFTPLUS) { /* x + log(1 + e^-x), or for the infinite what it tends to */
        mpfr_log(y, y, MPFR_RNDN);
        if (x == -INFINITY)
            mpfr_set_zero(y, 1);
        else
            mpfr_add_d(y, y, x, MPFR_RNDN);
    }
}

static bool takes(int which, double x) { return which != SWISH || x != -INFINITY; }

START_TEST(definitions) {
    static const struct {
        const char *numbers;
        double roundoff, smallest;
    } systems[] = {{"mpfr:200", 0x1p-200, 0}, {"binary64", 0x1p-53, 0x1p-1022}, {"binary32", 0x1p-24, 0x1p-126}};
    mpfr_t got, want;
    mpfr_inits2(40000, got, want, (mpfr_ptr)0);
    for (size_t s = 0; s < 3; s++) {
        gla_numbers *n = opened(systems[s].numbers);
        gla_matrix x = row_of_points(n), y = gla_new(n, 1, POINTS);
        maps[_i].run(y, x);
        for (size_t i = 0; i < POINTS; i++) {
            if (!takes(_i, points[i])) continue;
            by_definition(want, _i, n->ops->get_d(n, gla_at(x, 0, i)));
            n->ops->get_mpfr(n, got, gla_at(y, 0, i));
            if (mpfr_equal_p(got, want) || fabs(mpfr_get_d(want, MPFR_RNDN)) < systems[s].smallest) continue;
            mpfr_sub(got, got, want, MPFR_RNDN);
            mpfr_div(got, got, want, MPFR_RNDN);
            mpfr_div_d(got, got, systems[s].roundoff, MPFR_RNDN);
            ck_assert_msg(fabs(mpfr_get_d(got, MPFR_RNDN)) <= 4, "%s(%g) in %s is off by %g roundings", maps[_i].name,
                          points[i], systems[s].numbers, mpfr_get_d(got, MPFR_RNDN));
        }
        gla_numbers_close(n);
    }
    mpfr_clears(got, want, (mpfr_ptr)0);
}
END_TEST

/* In place gives the same. */
START_TEST(in_place) {
    gla_numbers *n = opened("binary64");
    gla_matrix x = row_of_points(n), y = gla_new(n, 1, POINTS);
    maps[_i].run(y, x);
    maps[_i].run(x, x);
    for (size_t i = 0; i < POINTS; i++)
        if (takes(_i, points[i])) ck_assert(n->ops->get_d(n, gla_at(x, 0, i)) == n->ops->get_d(n, gla_at(y, 0, i)));
    gla_numbers_close(n);
}
END_TEST

/* Of relu at 0 a dual has one of the two slopes. */
START_TEST(derivatives) {
    gla_numbers *n = opened("mpfr:256"), *dual = opened("dual:256");
    gla_matrix x = row_of_points(n), dx = gla_new(n, 1, POINTS), dy = act_constant(3, x);
    gla_matrix at = row_of_points(dual), y = gla_new(dual, 1, POINTS);
    mpfr_t got, want;
    mpfr_inits2(512, got, want, (mpfr_ptr)0);
    for (size_t i = 0; i < POINTS; i++) gla_dual_set_tangent(dual, gla_at(at, 0, i), 3);
    maps[_i].run(y, at);
    maps[_i].back(dx, dy, x);
    for (size_t i = 0; i < POINTS; i++) {
        if (isinf(points[i]) || (_i == RELU && points[i] == 0)) continue;
        n->ops->get_mpfr(n, got, gla_at(dx, 0, i));
        gla_dual_get_tangent(dual, want, gla_at(y, 0, i));
        mpfr_sub(got, got, want, MPFR_RNDN);
        double apart = fabs(mpfr_get_d(got, MPFR_RNDN));
        ck_assert_msg(apart <= 1e-60 * fmax(1, fabs(mpfr_get_d(want, MPFR_RNDN))), "slope of %s at %g is off by %g",
                      maps[_i].name, points[i], apart);
    }
    mpfr_clears(got, want, (mpfr_ptr)0);
    gla_numbers_close(n);
    gla_numbers_close(dual);
}
END_TEST

/* Gates of infinite logits: slopes are 0 or 1, no NaN. */
START_TEST(slopes_of_infinite_logits) {
    static const int which[] = {SIGMOID, LOG_SIGMOID, SOFTPLUS};
    static const double low[] = {0, 1, 0}, high[] = {0, 0, 1};
    gla_numbers *n = opened("binary64");
    gla_matrix x = row_of_points(n), dx = gla_new(n, 1, POINTS);
    for (int i = 0; i < 3; i++) {
        maps[which[i]].back(dx, act_constant(1, x), x);
        ck_assert(n->ops->get_d(n, gla_at(dx, 0, 0)) == low[i]);
        ck_assert(n->ops->get_d(n, gla_at(dx, 0, POINTS - 1)) == high[i]);
    }
    gla_numbers_close(n);
}
END_TEST

START_TEST(enclosures) {
    gla_numbers *n = opened("interval:60"), *exact = opened("mpfr:400");
    gla_matrix x = row_of_points(n), y = gla_new(n, 1, POINTS), dx = gla_new(n, 1, POINTS);
    gla_matrix ex = row_of_points(exact), ey = gla_new(exact, 1, POINTS), edx = gla_new(exact, 1, POINTS);
    maps[_i].run(y, x);
    maps[_i].run(ey, ex);
    maps[_i].back(dx, act_constant(1, x), x);
    maps[_i].back(edx, act_constant(1, ex), ex);
    mpfr_t lo, hi, truth;
    mpfr_inits2(512, lo, hi, truth, (mpfr_ptr)0);
    for (size_t i = 0; i < POINTS; i++)
        for (int slope = 0; slope < 2; slope++) {
            if (_i == SWISH && isinf(points[i])) continue;
            gla_interval_ends(n, lo, hi, gla_at(slope ? dx : y, 0, i));
            exact->ops->get_mpfr(exact, truth, gla_at(slope ? edx : ey, 0, i));
            ck_assert_msg(mpfr_lessequal_p(lo, truth) && mpfr_lessequal_p(truth, hi), "%s at %g", maps[_i].name,
                          points[i]);
            mpfr_sub(hi, hi, lo, MPFR_RNDU); /* of infinite ends: not a number, and equal */
            ck_assert(!mpfr_number_p(lo) || mpfr_get_d(hi, MPFR_RNDU) <= 0x1p-50 * fmax(1, fabs(points[i])));
        }
    mpfr_clears(lo, hi, truth, (mpfr_ptr)0);
    gla_numbers_close(n);
    gla_numbers_close(exact);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("activations");
    TCase *t = tcase_create("activations");
    tcase_set_timeout(t, 20);
    tcase_add_loop_test(t, definitions, 0, MAPS);
    tcase_add_loop_test(t, in_place, 0, MAPS);
    tcase_add_loop_test(t, derivatives, 0, MAPS);
    tcase_add_test(t, slopes_of_infinite_logits);
    tcase_add_loop_test(t, enclosures, 0, MAPS);
    suite_add_tcase(s, t);
    return s;
}

int main(void) { return test_main(suite()); }
