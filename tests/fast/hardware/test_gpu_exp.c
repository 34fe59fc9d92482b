/* SPDX-License-Identifier: Apache-2.0
 *
 * The exponentials of GPU kernels against a device, and where the coefficients of exp2_poly.h come from. Under
 * GLASSBOX_LONG all 2^32 words of each function.
 */
#include <math.h>

#include "../../testing.h"
#include "mufu_replay.h"

/* ---- words ---- */

static const enum mufu_function functions[] = {MUFU_EXPF, MUFU_EXP_FAST_FTZ, MUFU_EXP_TRITON, MUFU_EXP2_POLY,
                                               MUFU_EXP_POLY};
enum { FUNCTIONS = sizeof functions / sizeof *functions };

START_TEST(as_the_device) { ck_assert_int_eq(mufu_blocks_that_differ(functions[_i]), 0); }
END_TEST

/* ---- the polynomial ---- */

enum { NODES = 4001, DEGREE = GLA_EXP2_DEGREE };

/* Gauss and Jordan on n rows of n + 1, with the largest pivot. */
static void solve(int n, long double a[DEGREE][DEGREE + 1]) {
    for (int x = 0; x < n; x++) {
        int pivot = x;
        for (int y = x; y < n; y++)
            if (fabsl(a[y][x]) > fabsl(a[pivot][x])) pivot = y;
        for (int z = 0; z <= n; z++) {
            const long double t = a[x][z];
            a[x][z] = a[pivot][z];
            a[pivot][z] = t;
        }
        for (int y = 0; y < n; y++) {
            const long double f = y == x ? 0 : a[y][x] / a[x][x];
            for (int z = x; z <= n; z++) a[y][z] -= f * a[x][z];
        }
    }
}

/* c_k, the coefficients below it fixed: least squares of (p(r) - 2^r) / 2^r at r = cos(...) / 2, in powers of 2 r. */
static float coefficient(int k, const float *c) {
    const int n = DEGREE - k + 1;
    long double a[DEGREE][DEGREE + 1] = {{0}};
    for (int i = 0; i < NODES; i++) {
        const long double t = cosl(acosl(-1) * (i + 0.5L) / NODES), r = t / 2, weight = exp2l(-r);
        long double basis[DEGREE + 1], rest = exp2l(r), power = 1;
        for (int j = 0; j < k; j++) rest -= c[j] * power, power *= r;
        for (int m = 0; m < n; m++) basis[m] = m ? basis[m - 1] * t : power * weight;
        basis[n] = rest * weight;
        for (int x = 0; x < n; x++)
            for (int z = 0; z <= n; z++) a[x][z] += basis[x] * basis[z];
    }
    solve(n, a);
    return (float)(a[0][n] / a[0][0]);
}

static void fit(float *c) {
    c[0] = 1;
    for (int k = 1; k <= DEGREE; k++) c[k] = coefficient(k, c);
}

/* Every r that is a multiple of 2^-24: the header's coefficients, since another in any place changes words. */
START_TEST(coefficients_are_the_fit) {
    float c[DEGREE + 1];
    long differ = 0;
    fit(c);
    for (int i = -(1 << 23); i <= 1 << 23; i++) {
        const float r = (float)i * 0x1p-24f;
        float p = c[DEGREE];
        for (int k = DEGREE - 1; k >= 0; k--) p = fmaf(p, r, c[k]);
        differ += p != gla_poly_exp2(r);
    }
    ck_assert_int_eq(differ, 0);
}
END_TEST

/* In exact arithmetic; the maximum lies at one of the seven turning points or at an end, far wider than the steps. */
START_TEST(polynomial_error_is_below_2_to_the_minus_28) {
    float c[DEGREE + 1];
    long double most = 0;
    fit(c);
    for (int i = -50000; i <= 50000; i++) {
        const long double r = i / 100000.0L;
        long double p = 0;
        for (int k = DEGREE; k >= 0; k--) p = p * r + c[k];
        most = fmaxl(most, fabsl(p * exp2l(-r) - 1));
    }
    ck_assert_ldouble_lt(most, 0x1p-28L);
    ck_assert_ldouble_gt(most, 0x1p-29L);
}
END_TEST

/* Powers of two are exact, subnormal ones too; halfway below the least goes to zero. */
START_TEST(polynomial_at_whole_numbers) {
    for (int n = -160; n <= 140; n++)
        ck_assert_msg(gla_poly_exp2((float)n) == ldexpf(1, n), "2^%d = %a", n, (double)gla_poly_exp2((float)n));
    ck_assert(gla_poly_exp(0) == 1 && gla_poly_exp(-200) == 0 && isinf(gla_poly_exp(200)));
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("gpu_exp");
    TCase *t = tcase_create("gpu_exp");
    tcase_set_timeout(t, test_long() ? 1200 : 120);
    tcase_add_loop_test(t, as_the_device, 0, FUNCTIONS);
    tcase_add_test(t, coefficients_are_the_fit);
    tcase_add_test(t, polynomial_error_is_below_2_to_the_minus_28);
    tcase_add_test(t, polynomial_at_whole_numbers);
    suite_add_tcase(s, t);
    return s;
}

int main(void) { return test_main(suite()); }
