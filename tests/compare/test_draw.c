/* SPDX-License-Identifier: Apache-2.0
 *
 * Draws: Philox as published, normals with their moments, logsigmoid against libm.
 */
#include "../../compare/draw.h"
#include "../testing.h"

#include <math.h>

/* Philox4x32-10 of key 0, counter 0 begins 6627e8d5 e169c58d bc57ac4c: the known answer published
 * with it. */
START_TEST(test_philox_known_answer) {
    gla_draw d = {0, 0, 0};
    ck_assert(gla_draw_uniform(d) == (0x6627e8d5 + 0.5) * 0x1p-32);
    ck_assert_uint_eq(gla_draw_below(d, 256), 0xe1);
    ck_assert(gla_draw_sign(d) == 1.0);
    /* the high halves of seed and index count too */
    ck_assert(gla_draw_uniform((gla_draw){UINT64_MAX, 0, 0}) != gla_draw_uniform((gla_draw){UINT32_MAX, 0, 0}));
    ck_assert(gla_draw_uniform((gla_draw){0, 0, 1ull << 32}) != gla_draw_uniform(d));
}
END_TEST

/* Mean 0 +- 5 / sqrt(n), variance 1 +- 5 sqrt(1.9 / n) (fourth moment 2.9), neighbours
 * uncorrelated. */
START_TEST(test_normal_moments) {
    enum { N = 100000 };
    double sum = 0, square = 0, product = 0, last = 0;
    for (uint64_t i = 0; i < N; i++) {
        double x = gla_draw_normal((gla_draw){test_seed(), 3, i});
        sum += x, square += x * x, product += x * last, last = x;
    }
    ck_assert(fabs(sum / N) <= 5 / sqrt(N));
    ck_assert(fabs(square / N - 1) <= 5 * sqrt(1.9 / N));
    ck_assert(fabs(product / N) <= 5 / sqrt(N));
}
END_TEST

START_TEST(test_log_sigmoid) {
    for (double x = -6; x <= 6; x += 0.01) {
        double y = gla_log_sigmoid(x), libm = -log1p(exp(-x));
        ck_assert_msg(fabs(y - libm) <= 4 * 0x1p-53 * fabs(libm), "x = %g: %.17g, libm %.17g", x, y, libm);
    }
    ck_assert(gla_log_sigmoid(0) == -0x1.62e42fefa39efp-1);
}
END_TEST

/* Down to the gate that separates documents, of which e^-y is beyond every format. */
START_TEST(test_log_sigmoid_inverse) {
    for (double y = -1e-3; y > -700; y *= 1.07) {
        double back = gla_log_sigmoid(gla_log_sigmoid_inverse(y));
        ck_assert_msg(fabs(back - y) <= 16 * 0x1p-53 * fabs(y), "y = %.17g, back %.17g", y, back);
    }
    ck_assert(gla_log_sigmoid_inverse(-0x1.999998p+124) == -0x1.999998p+124);
    ck_assert(gla_log_sigmoid_inverse(-INFINITY) == -INFINITY && gla_log_sigmoid_inverse(0) == INFINITY);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("compare/draw");
    TCase *t = tcase_create("draw");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, test_philox_known_answer);
    tcase_add_test(t, test_normal_moments);
    tcase_add_test(t, test_log_sigmoid);
    tcase_add_test(t, test_log_sigmoid_inverse);
    suite_add_tcase(s, t);
    return s;
}

int main(void) { return test_main(suite()); }
