/* SPDX-License-Identifier: Apache-2.0
 *
 * A word near what a special function returns, so that recorded words are small differences and compress. It claims
 * nothing but to be the same on host and device: binary64 +, -, *, /, sqrt and fma in a fixed order, no product beside
 * a sum that a compiler could contract, no libm function but fma and sqrt.
 */
#ifndef GLASSBOX_PROBE_MUFU_GUESS_H
#define GLASSBOX_PROBE_MUFU_GUESS_H

#include "fast/hardware/probe/mufu_plan.h"

static inline GLA_HOST_DEVICE double mufu_fma(double a, double b, double c) {
#ifdef __CUDA_ARCH__
    return __fma_rn(a, b, c);
#else
    return fma(a, b, c);
#endif
}

static inline GLA_HOST_DEVICE double mufu_power(int n) {
    const uint64_t bits = (uint64_t)(n + 1023) << 52;
    double p;
    memcpy(&p, &bits, sizeof p);
    return p;
}

/* 2^y: Taylor's series of e^(r ln 2), |r| <= 1/2, to degree 13. */
static inline GLA_HOST_DEVICE double mufu_guess_exp2(double y) {
    y = y < -300 ? -300 : y > 300 ? 300 : y; /* infinities too */
    const double shift = 0x1.8p52, n = (y + shift) - shift, z = (y - n) * 0x1.62e42fefa39efp-1;
    double p = 1;
    for (int k = 13; k > 0; k--) p = mufu_fma(p, z / k, 1);
    return p * mufu_power((int)n);
}

/* log2 of x > 0, normal: 2/ln 2 (s + s^3/3 + ...), s = (m - 1) / (m + 1), m in [3/4, 3/2). */
static inline GLA_HOST_DEVICE double mufu_guess_log2(double x) {
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    const int up = bits >> 51 & 1, exponent = (int)(bits >> 52 & 0x7ff) - 1023 + up;
    const double m = x * mufu_power(-exponent), s = (m - 1) / (m + 1), t = s * s;
    double p = 0;
    for (int k = 27; k > 0; k -= 2) p = mufu_fma(p, t, 1.0 / k);
    const double log_m = p * s;
    return mufu_fma(log_m, 0x1.71547652b82fep+1, exponent);
}

static inline GLA_HOST_DEVICE double mufu_guess_tanh(double x) {
    if (x > -0x1p-20 && x < 0x1p-20) return x;
    const double t = mufu_guess_exp2(mufu_fma(x, 0x1.71547652b82fep+1, 0));
    return (t - 1) / (t + 1);
}

static inline GLA_HOST_DEVICE double mufu_guess_real(enum mufu_function function, double x) {
    switch (function) {
    case MUFU_EX2_FTZ:
    case MUFU_EX2:
    case MUFU_EXP2F:
    case MUFU_EXP2_POLY:
        return mufu_guess_exp2(x);
    case MUFU_RCP_FTZ:
    case MUFU_RCP:
        return 1 / x;
    case MUFU_RSQ_FTZ:
    case MUFU_RSQ:
        return 1 / sqrt(x);
    case MUFU_LG2_FTZ:
    case MUFU_LG2:
        return x > 0 && x < 0x1p128 ? mufu_guess_log2(x) : 0;
    case MUFU_TANH:
        return mufu_guess_tanh(x);
    default:
        return mufu_guess_exp2(mufu_fma(x, 0x1.71547652b82fep+0, 0));
    }
}

static inline GLA_HOST_DEVICE int mufu_flushes(enum mufu_function function) {
    return function == MUFU_EX2_FTZ || function == MUFU_RCP_FTZ || function == MUFU_RSQ_FTZ ||
           function == MUFU_LG2_FTZ || function == MUFU_EXP_FAST_FTZ;
}

/* A subnormal becomes the zero of its sign. */
static inline GLA_HOST_DEVICE uint32_t mufu_flushed(uint32_t word) {
    return word & 0x7f800000 ? word : word & 0x80000000;
}

static inline GLA_HOST_DEVICE uint32_t mufu_guess(enum mufu_function function, uint32_t word) {
    if ((word & 0x7fffffff) > 0x7f800000) return 0x7fffffff;
    const int flush = mufu_flushes(function);
    const float x = gla_poly_float(flush ? mufu_flushed(word) : word), y = (float)mufu_guess_real(function, x);
    uint32_t guess;
    memcpy(&guess, &y, sizeof guess);
    if (y != y) return 0x7fffffff;
    return flush ? mufu_flushed(guess) : guess;
}

#endif
