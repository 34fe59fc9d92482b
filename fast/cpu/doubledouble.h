/* SPDX-License-Identifier: Apache-2.0
 *
 * Double-double arithmetic: a number is the unevaluated sum hi + lo of two binary64.
 *
 * u = 2^-53, round to nearest even. Every rounding error below is stated against the sizes of the operands, never
 * against the result: the engine (gated_dd.c) carries a companion that bounds the operands, so cancellation costs
 * nothing in rigour. The error terms of products may fall below 2^-1074 and lose up to 2^-1075 each; the caller's
 * companion pays for that too. fma is always written out; the build forbids contraction.
 *
 *     dd_two_sum       x + y = hi + lo exactly
 *     dd_fast_two_sum  the same if |x| >= |y|; otherwise off by at most 1.01 u |y|   (see below)
 *     dd_two_product   x * y = hi + lo exactly, but for underflow
 *     dd_times         x * y, pair by pair; x.lo <= a u |x.hi|, y.lo <= b u |y.hi|: the result is not renormalised,
 *                      |lo| <= (1+a+b) u |xy|, error <= ((1+b) + (1+a+b) + ab) u^2 |xy|
 *     dd_times_double  x * y, |lo| <= (1+a) u |xy|, error <= (1+a) u^2 |xy|
 *     dd_sum           x + y, |x.lo| + |y.lo| <= c u A, |x.hi| + |y.hi| <= A: renormalised, |lo| <= (1 + 2^-20) u A,
 *                      error <= (c + (c+1) + 1.01 (c+1)) u^2 A
 *
 * The last one holds whatever the signs. Two roundings make the low word; the closing fast sum is exact unless
 * cancellation left |hi| < |lo|. Then with a = hi, b = lo, h = RN(a+b): h - a = b + d with |d| <= 2u|b|, so
 * z = RN(h - a) is off by at most u(1+2u)|b|, b - z is below 3.1u|b|, its rounding below 3.1u^2|b|: at most 1.01 u|b|
 * in all, and b is the low word, of size (c+1) u A.
 */
#ifndef GLASSBOX_DOUBLEDOUBLE_H
#define GLASSBOX_DOUBLEDOUBLE_H

#include "../../reference/status.h"

typedef struct dd {
    double hi, lo;
} dd;

static inline dd dd_two_sum(double x, double y) {
    double s = x + y, b = s - x;
    return (dd){s, (x - (s - b)) + (y - b)};
}

static inline dd dd_fast_two_sum(double x, double y) {
    double s = x + y;
    return (dd){s, y - (s - x)};
}

static inline dd dd_two_product(double x, double y) {
    double p = x * y;
    return (dd){p, __builtin_fma(x, y, -p)};
}

static inline dd dd_times(dd x, dd y) {
    dd p = dd_two_product(x.hi, y.hi);
    p.lo = __builtin_fma(x.hi, y.lo, p.lo);
    p.lo = __builtin_fma(x.lo, y.hi, p.lo);
    return p;
}

static inline dd dd_times_double(dd x, double y) {
    dd p = dd_two_product(x.hi, y);
    p.lo = __builtin_fma(x.lo, y, p.lo);
    return p;
}

static inline dd dd_sum(dd x, dd y) {
    dd s = dd_two_sum(x.hi, y.hi);
    return dd_fast_two_sum(s.hi, s.lo + (x.lo + y.lo));
}

/* The arrays this engine works on are short vectors across lanes; one body is compiled for several machines and the
 * right one is chosen when the program starts. */
#if defined(__x86_64__) && defined(__gnu_linux__) && !defined(__clang__)
#define DD_CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define DD_CLONES
#endif

/* Before a loop over lanes: its iterations do not touch each other's data. */
#if defined(__clang__)
#define DD_EACH_LANE _Pragma("clang loop vectorize(assume_safety)")
#elif defined(__GNUC__)
#define DD_EACH_LANE _Pragma("GCC ivdep")
#else
#define DD_EACH_LANE
#endif
#define DD_INLINE static inline __attribute__((always_inline))

#endif
