/* SPDX-License-Identifier: Apache-2.0
 *
 * Random numbers that are the same on every machine.
 *
 * A draw is named, not taken in turn: (seed, stream, index) name one element of one tensor, and
 * everything about that element is a pure function of the name. Philox4x32-10 keyed by the seed
 * encrypts the counter (block, stream, index). No libm is used, whose last bits differ between
 * machines: the normal is a sum of uniforms, exact in binary64, and logarithms go through MPFR.
 */
#ifndef GLASSBOX_DRAW_H
#define GLASSBOX_DRAW_H

#include <stdint.h>

typedef struct gla_draw {
    uint64_t seed;
    uint32_t stream;
    uint64_t index;
} gla_draw;

/* The first three come from different words and the normal from other blocks: independent for one
 * draw. */
double gla_draw_uniform(gla_draw d);             /* (w + 1/2) / 2^32, in (0,1) */
uint32_t gla_draw_below(gla_draw d, uint32_t n); /* 0 .. n-1, n >= 1 */
double gla_draw_sign(gla_draw d);                /* -1 or +1 */

/* Mean 0, variance 1: twelve uniforms less 6. Ends at -6 and 6, excess kurtosis -1/10; that is
 * enough for operands. */
double gla_draw_normal(gla_draw d);

/* -log(1 + e^-x), in 64-bit MPFR steps, then nearest binary64: within an ulp of it, and the same
 * everywhere. */
double gla_log_sigmoid(double x);
/* The x of which that is y <= 0, and ln x, by the same means; infinite at 0 and -inf. */
double gla_log_sigmoid_inverse(double y);
double gla_draw_log(double x);

#endif
