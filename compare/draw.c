/* SPDX-License-Identifier: Apache-2.0
 *
 * Counter-based random numbers (draw.h). Block 0 of a draw serves uniform, below and sign by one
 * word each; blocks 1 to 3 are the twelve words of the normal.
 */
#include "draw.h"

#include <Random123/philox.h>
#include <mpfr.h>

static philox4x32_ctr_t block(gla_draw d, uint32_t n) {
    philox4x32_ctr_t counter = {{n, d.stream, (uint32_t)d.index, (uint32_t)(d.index >> 32)}};
    philox4x32_key_t key = {{(uint32_t)d.seed, (uint32_t)(d.seed >> 32)}};
    return philox4x32(counter, key);
}

static double unit(uint32_t word) { return ((double)word + 0.5) * 0x1p-32; }

double gla_draw_uniform(gla_draw d) { return unit(block(d, 0).v[0]); }

uint32_t gla_draw_below(gla_draw d, uint32_t n) {
    return (uint32_t)(((uint64_t)block(d, 0).v[1] * n) >> 32); /* biased by at most n / 2^32 */
}

double gla_draw_sign(gla_draw d) { return block(d, 0).v[2] & 1 ? -1.0 : 1.0; }

double gla_draw_normal(gla_draw d) {
    double sum = -6.0; /* every partial sum is a multiple of 2^-33 below 8: exact */
    for (uint32_t n = 1; n <= 3; n++) {
        philox4x32_ctr_t b = block(d, n);
        for (int i = 0; i < 4; i++) sum += unit(b.v[i]);
    }
    return sum;
}

double gla_log_sigmoid(double x) {
    mpfr_t z;
    mpfr_init2(z, 64);
    mpfr_set_d(z, -x, MPFR_RNDN);
    mpfr_exp(z, z, MPFR_RNDN);
    mpfr_log1p(z, z, MPFR_RNDN);
    double y = -mpfr_get_d(z, MPFR_RNDN);
    mpfr_clear(z);
    return y;
}

double gla_log_sigmoid_inverse(double y) {
    if (y < -64) return y; /* less log(1 - e^y), which binary64 does not see; e^-y might be beyond MPFR */
    mpfr_t z;
    mpfr_init2(z, 64);
    mpfr_set_d(z, -y, MPFR_RNDN);
    mpfr_expm1(z, z, MPFR_RNDN);
    mpfr_log(z, z, MPFR_RNDN);
    double x = -mpfr_get_d(z, MPFR_RNDN);
    mpfr_clear(z);
    return x;
}

double gla_draw_log(double x) {
    mpfr_t z;
    mpfr_init2(z, 64);
    mpfr_set_d(z, x, MPFR_RNDN);
    mpfr_log(z, z, MPFR_RNDN);
    double y = mpfr_get_d(z, MPFR_RNDN);
    mpfr_clear(z);
    return y;
}
