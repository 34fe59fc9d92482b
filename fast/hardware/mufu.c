/* SPDX-License-Identifier: Apache-2.0
 *
 * Around the datapath (mufu_unit.h): arguments to fixed point, results to words.
 */
#include "mufu.h"

#include "mufu_unit.h"

enum { BIAS = 127 };
static const uint32_t SIGN = 0x80000000, INFINITE = 0x7f800000, QUIET_NAN = 0x7fffffff, ONE = 0x3f800000,
                      HIDDEN = 1 << GLA_MUFU_FRACTION, FRACTION = (1 << GLA_MUFU_FRACTION) - 1,
                      REST = (1 << GLA_MUFU_REST) - 1;

static uint32_t field_of(uint32_t x) { return x >> GLA_MUFU_FRACTION & 255; }
static int is_nan(uint32_t x) { return (x & ~SIGN) > INFINITE; }

/* significand 2^(field - 150), 2^23 <= significand <= 2^24; what is subnormal is flushed. */
static uint32_t assembled(int field, int64_t significand) {
    const int32_t word = field * (int32_t)HIDDEN + (int32_t)(significand - HIDDEN);
    return word < (int32_t)HIDDEN ? 0 : (uint32_t)word;
}

/* The argument is |x| cut to multiples of 2^-23, and below zero its ones' complement, but for whole numbers. */
uint32_t gla_mufu_ex2(uint32_t x) {
    const int exponent = (int)field_of(x) - BIAS;
    if (is_nan(x)) return QUIET_NAN;
    if (exponent >= 7) return x & SIGN ? 0 : INFINITE;
    if (exponent < -GLA_MUFU_FRACTION) return ONE;
    const uint32_t significand = (x & FRACTION) | HIDDEN;
    int32_t fixed = (int32_t)(exponent < 0 ? significand >> -exponent : significand << exponent);
    if (x & SIGN) fixed = fixed & (int32_t)FRACTION ? ~fixed : -fixed;
    const uint32_t f = (uint32_t)fixed & FRACTION;
    return assembled((fixed >> GLA_MUFU_FRACTION) + BIAS,
                     gla_mufu_sum(&gla_mufu_ex2_unit, f >> GLA_MUFU_REST, f & REST) >> 15);
}

uint32_t gla_mufu_rcp(uint32_t x) {
    const int field = (int)field_of(x);
    if (is_nan(x)) return QUIET_NAN;
    if (field == 0) return (x & SIGN) | INFINITE;
    if (field == 255) return x & SIGN;
    const uint32_t f = x & FRACTION;
    return (x & SIGN) | assembled(2 * BIAS - 1 - field, gla_mufu_sum(&gla_mufu_rcp_unit, f >> 16, f << 1 & REST) >> 16);
}

uint32_t gla_mufu_rsq(uint32_t x) {
    const int field = (int)field_of(x);
    if (is_nan(x)) return QUIET_NAN;
    if (field == 0) return (x & SIGN) | INFINITE;
    if (x & SIGN) return QUIET_NAN;
    if (field == 255) return 0;
    const uint32_t f = (x & FRACTION) | (field & 1 ? 0 : HIDDEN); /* [1, 4), an even exponent (odd field) first */
    const int half = (field - BIAS - !(field & 1)) / 2;
    if (f == 0) return assembled(BIAS - half, HIDDEN); /* a power of 4 goes past the datapath */
    return assembled(BIAS - 1 - half, gla_mufu_sum(&gla_mufu_rsq_unit, f >> GLA_MUFU_REST, f & REST) >> 16);
}

/* exponent + log2 1.f in units of 2^-36; below zero the ones' complement; cut to 24 bits. */
uint32_t gla_mufu_lg2(uint32_t x) {
    const int field = (int)field_of(x);
    if (is_nan(x)) return QUIET_NAN;
    if (field == 0) return SIGN | INFINITE;
    if (x & SIGN) return QUIET_NAN;
    if (field == 255) return INFINITE;
    if (x == ONE) return 0;
    const uint32_t f = x & FRACTION;
    const int64_t sum = gla_mufu_sum(&gla_mufu_lg2_unit, f >> GLA_MUFU_REST, f & REST) >> 2;
    const int64_t fixed = (int64_t)(field - BIAS) * ((int64_t)1 << 36) + sum;
    const uint64_t magnitude = (uint64_t)(fixed < 0 ? ~fixed : fixed);
    const int top = 63 - __builtin_clzll(magnitude | 1);
    const uint64_t significand = top > 23 ? magnitude >> (top - 23) : magnitude << (23 - top);
    return (fixed < 0 ? SIGN : 0) | assembled(top - 36 + BIAS, (int64_t)significand);
}
