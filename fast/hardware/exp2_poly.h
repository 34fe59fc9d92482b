/* SPDX-License-Identifier: Apache-2.0
 *
 * 2^x and e^x of nothing but IEEE binary32 fma, comparison and bit moves: one source for host and device, the same bits
 * on both. A kernel that calls these instead of ex2.approx can be replayed on any machine, unprobed GPUs included.
 *
 *     n = x to the nearest integer, r = x - n (exact), |r| <= 1/2
 *     2^x = p(r) 2^n,  p = 1 + c1 r + ... + c6 r^6 by Horner's rule, one fma a coefficient
 *
 * Multiplying by 2^n goes in two halves, of which only the second can round: subnormal results are rounded once, to
 * nearest even; below 2^-150 comes 0, above the range infinity. NaN gives 0x7fffffff. No operation depends on nvcc's
 * -ftz or -fmad.
 *
 * For e^x, n is the integer nearest x log2 e and r = x log2 e - n comes from log2 e in two parts.
 *
 * The coefficients are least squares of the relative error on 4001 Chebyshev nodes, each rounded to binary32 before the
 * next is fitted (tests/fast/hardware/test_gpu_exp.c does it again): |p(r) / 2^r - 1| < 2^-28.
 */
#ifndef GLASSBOX_EXP2_POLY_H
#define GLASSBOX_EXP2_POLY_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#ifdef __CUDACC__
#define GLA_HOST_DEVICE __host__ __device__
#else
#define GLA_HOST_DEVICE
#endif

enum { GLA_EXP2_DEGREE = 6 };

/* On a device the .rn form that ignores -ftz; on a host C's. */
static inline GLA_HOST_DEVICE float gla_poly_fma(float a, float b, float c) {
#ifdef __CUDA_ARCH__
    return __fmaf_ieee_rn(a, b, c);
#else
    return fmaf(a, b, c);
#endif
}

static inline GLA_HOST_DEVICE float gla_poly_float(uint32_t word) {
    float x;
    memcpy(&x, &word, sizeof x);
    return x;
}

/* The integer nearest x (|x| < 2^21), ties to even: adding 1.5 * 2^23 leaves no place for a fraction. */
static inline GLA_HOST_DEVICE float gla_poly_nearest(float x) {
    const float shift = 0x1.8p23f;
    return gla_poly_fma(gla_poly_fma(x, 1, shift), 1, -shift);
}

/* 2^n, -126 <= n <= 127. */
static inline GLA_HOST_DEVICE float gla_poly_power(int n) { return gla_poly_float((uint32_t)(n + 127) << 23); }

/* 2^(n + r) for |r| <= 1/2 and |n| <= 160. */
static inline GLA_HOST_DEVICE float gla_poly_scaled(float r, int n) {
    float p = 0x1.3f906cp-13f;
    p = gla_poly_fma(p, r, 0x1.5f0a66p-10f);
    p = gla_poly_fma(p, r, 0x1.3b30bp-7f);
    p = gla_poly_fma(p, r, 0x1.c6af78p-5f);
    p = gla_poly_fma(p, r, 0x1.ebfbd8p-3f);
    p = gla_poly_fma(p, r, 0x1.62e43p-1f);
    p = gla_poly_fma(p, r, 1);
    const int half = (n + 256) / 2 - 128;
    return gla_poly_fma(gla_poly_fma(p, gla_poly_power(half), -0.0f), gla_poly_power(n - half), -0.0f);
}

/* Beyond these the result is 0 or infinity anyway; NaN stays what it is. */
static inline GLA_HOST_DEVICE float gla_poly_clamp(float x, float low, float high) {
    return x < low ? low : x > high ? high : x;
}

static inline GLA_HOST_DEVICE float gla_poly_exp2(float x) {
    if (x != x) return gla_poly_float(0x7fffffff);
    const float y = gla_poly_clamp(x, -152, 129);
    const float n = gla_poly_nearest(y);
    return gla_poly_scaled(gla_poly_fma(n, -1, y), (int)n);
}

static inline GLA_HOST_DEVICE float gla_poly_exp(float x) {
    if (x != x) return gla_poly_float(0x7fffffff);
    const float log2_e = 0x1.715476p+0f, log2_e_low = 0x1.4ae0cp-26f;
    const float y = gla_poly_clamp(x, -105, 89);
    const float n = gla_poly_nearest(gla_poly_fma(y, log2_e, -0.0f));
    const float r = gla_poly_fma(y, log2_e_low, gla_poly_fma(y, log2_e, -n));
    return gla_poly_scaled(r, (int)n);
}

#endif
