/* SPDX-License-Identifier: Apache-2.0
 *
 * e^g = 2^(n / 256) e^r,  n = nearest integer to 256 g / ln 2,  r = g - n ln2/256,  |r| <= ln2/512 (1 + 2^-20) <
 * 2^-9.52
 *
 * Reduction. ln2/256 = c1 + c2 + c3, c1 of 32 bits. |n| < 2^18.1, so n c1 is exact, g - n c1 is an exact pair, n c2 is
 * an exact pair; what is rounded is of size 2^-53 |r|, so r is a pair off by less than 2^-113.
 *
 * Polynomial, relative to e^r, in units of u^2 = 2^-106:
 *     cut after r^9 / 9!                              r^10 / 10!  < 2^-117               0.001
 *     tail 1/120 + r/720 + ... in binary64            2 u / 120 * r^5                     0.8
 *     r * tail rounded, inside r^4                    u r/120 * r^4                       0.4
 *     1/24, 1/6, 1/2, 1 by pairs                      all multiplied by r: 30 * 2^-9.5    0.1
 *     table pair 2^(j/256)                            RN twice                            1
 *     T + T p: low words added, |.| <= 1.1u, then 2.1u                                    3.2
 * Sum 5.5, stated as 8.
 *
 * The table and the constants are made once, by MPFR.
 */
#include "dd_exp.h"
#include "doubledouble.h"

#include <math.h>
#include <mpfr.h>
#include <pthread.h>
#include <stdint.h>
#include <string.h>

enum { TABLE = 256 };

static double power_hi[TABLE], power_lo[TABLE]; /* 2^(j/256) */
static double ln2_1, ln2_2, ln2_3;              /* ln2/256 = their sum */
static dd sixth;                                /* 1/6 */

/* The pair nearest to x; x is used up. */
static dd pair_of(mpfr_t x) {
    dd z;
    z.hi = mpfr_get_d(x, MPFR_RNDN);
    mpfr_sub_d(x, x, z.hi, MPFR_RNDN);
    z.lo = mpfr_get_d(x, MPFR_RNDN);
    return z;
}

static void make_table(void) {
    mpfr_t x, c;
    mpfr_init2(x, 256);
    mpfr_init2(c, 32);
    for (int j = 0; j < TABLE; j++) {
        mpfr_set_si_2exp(x, j, -8, MPFR_RNDN);
        mpfr_exp2(x, x, MPFR_RNDN);
        dd p = pair_of(x);
        power_hi[j] = p.hi;
        power_lo[j] = p.lo;
    }
    mpfr_const_log2(x, MPFR_RNDN);
    mpfr_div_2ui(x, x, 8, MPFR_RNDN);
    mpfr_set(c, x, MPFR_RNDN);
    ln2_1 = mpfr_get_d(c, MPFR_RNDN);
    mpfr_sub(x, x, c, MPFR_RNDN);
    dd rest = pair_of(x);
    ln2_2 = rest.hi;
    ln2_3 = rest.lo;
    mpfr_set_ui(x, 1, MPFR_RNDN);
    mpfr_div_ui(x, x, 6, MPFR_RNDN);
    sixth = pair_of(x);
    mpfr_clears(x, c, (mpfr_ptr)0);
    mpfr_free_cache();
}

static double from_bits(uint64_t bits) {
    double x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static uint64_t to_bits(double x) {
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

/* r = g - n ln2/256 as a pair. */
DD_INLINE dd reduced(double g, double n) {
    dd r = dd_two_sum(g, -n * ln2_1), p = dd_two_product(n, ln2_2);
    dd s = dd_two_sum(r.hi, -p.hi);
    return dd_fast_two_sum(s.hi, s.lo + ((r.lo - p.lo) - n * ln2_3));
}

/* e^r - 1 as a pair. */
DD_INLINE dd exp_minus_1(dd r) {
    double x = r.hi;
    double tail = 1.0 / 120 + x * (1.0 / 720 + x * (1.0 / 5040 + x * (1.0 / 40320 + x * (1.0 / 362880))));
    dd t = dd_fast_two_sum(0.25 * sixth.hi, x * tail);
    t.lo += 0.25 * sixth.lo;
    t = dd_sum(sixth, dd_times(r, t));
    t = dd_sum((dd){0.5, 0}, dd_times(r, t));
    t = dd_sum((dd){1, 0}, dd_times(r, t));
    return dd_times(r, t);
}

DD_CLONES static void exp_row(size_t n, const double *restrict g, double *restrict hi, double *restrict lo,
                              double *restrict companion) {
    const double lowest = -624, highest = 693;
    const double shift = 0x1.8p52; /* x + shift holds the nearest integer to x in its last bits */
    for (size_t i = 0; i < n; i++) {
        double x = g[i] > lowest ? g[i] : lowest;
        x = x < highest ? x : highest;
        double m = x * (256 / 0x1.62e42fefa39efp-1) + shift;
        uint64_t bits = to_bits(m) - to_bits(shift);
        size_t j = bits & (TABLE - 1);
        double power = from_bits(((bits >> 8) + 1023) << 52); /* 2^floor(n/256) */
        dd T = {power_hi[j], power_lo[j]};
        dd p = dd_times(T, exp_minus_1(reduced(x, m - shift)));
        dd s = dd_fast_two_sum(T.hi, p.hi);
        dd e = dd_fast_two_sum(s.hi, s.lo + (T.lo + p.lo));
        double far = g[i] < lowest ? 0 : 1, bad = g[i] <= highest ? 0 : NAN;
        hi[i] = far * e.hi * power + bad;
        lo[i] = far * e.lo * power + bad;
        companion[i] = g[i] < lowest ? (g[i] == -INFINITY ? 0 : 0x1p-780) : hi[i];
    }
}

void dd_exp(size_t n, const double *g, double *hi, double *lo, double *companion) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make_table);
    exp_row(n, g, hi, lo, companion);
}
