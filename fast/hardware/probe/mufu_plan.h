/* SPDX-License-Identifier: Apache-2.0
 *
 * What the probe of the special functions records, in C that host, device and tests share.
 *
 * checks: for each function one uint64 for each block of 2^16 consecutive input words, in order: the sum modulo 2^64,
 * over the words of the block, of mufu_mix(result word, index in the block). Equal blocks have equal sums.
 *
 * words: every result of a few regions, each as the difference (int32, modulo 2^32) to mufu_guess(function, input), see
 * mufu_guess.h; in a file of int8 with -128 for "does not fit", and a file of int32 with those, in order.
 */
#ifndef GLASSBOX_PROBE_MUFU_PLAN_H
#define GLASSBOX_PROBE_MUFU_PLAN_H

#include <stdint.h>

#include "fast/hardware/exp2_poly.h"

enum { MUFU_BLOCK = 1 << 16, MUFU_BLOCKS = 1 << 16, MUFU_ESCAPE = -128 };

enum mufu_function {
    MUFU_EX2_FTZ,      /* ex2.approx.ftz.f32 */
    MUFU_EX2,          /* ex2.approx.f32 */
    MUFU_RCP_FTZ,      /* rcp.approx.ftz.f32 */
    MUFU_RCP,          /* rcp.approx.f32 */
    MUFU_RSQ_FTZ,      /* rsqrt.approx.ftz.f32 */
    MUFU_RSQ,          /* rsqrt.approx.f32 */
    MUFU_LG2_FTZ,      /* lg2.approx.ftz.f32 */
    MUFU_LG2,          /* lg2.approx.f32 */
    MUFU_TANH,         /* tanh.approx.f32 */
    MUFU_EXPF,         /* expf, nvcc's default flags */
    MUFU_EXP2F,        /* exp2f, likewise */
    MUFU_EXP_FAST,     /* __expf, likewise */
    MUFU_EXP_FAST_FTZ, /* mul.rn.ftz.f32 by log2 e, ex2.approx.ftz.f32: __expf under -use_fast_math */
    MUFU_EXP_TRITON,   /* mul.rn.f32 by log2 e, ex2.approx.f32: Triton's tl.exp */
    MUFU_EXP2_POLY,    /* gla_poly_exp2 of fast/hardware/exp2_poly.h */
    MUFU_EXP_POLY,     /* gla_poly_exp */
    MUFU_FUNCTIONS
};

static const char *const mufu_names[MUFU_FUNCTIONS] = {
    "ex2_ftz", "ex2",  "rcp_ftz", "rcp",      "rsq_ftz",      "rsq",        "lg2_ftz",   "lg2",
    "tanh",    "expf", "exp2f",   "exp_fast", "exp_fast_ftz", "exp_triton", "exp2_poly", "exp_poly",
};

/* splitmix64's finisher over (index, word): a bijection of the pair. */
static inline GLA_HOST_DEVICE uint64_t mufu_mix(uint32_t word, uint32_t index) {
    uint64_t z = ((uint64_t)index << 32 | word) + 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

/* first, first + stride, ... (count of them). */
struct mufu_region {
    enum mufu_function function;
    const char *name;
    uint32_t first, stride, count;
};

/* Whole binades, from which tables are fitted. */
static const struct mufu_region mufu_binades[] = {
    {MUFU_EX2_FTZ, "1to2", 0x3f800000, 1, 1 << 23},  {MUFU_EX2_FTZ, "half", 0x3f000000, 1, 1 << 23},
    {MUFU_EX2_FTZ, "minus", 0xbf800000, 1, 1 << 23}, {MUFU_RCP_FTZ, "1to2", 0x3f800000, 1, 1 << 23},
    {MUFU_RSQ_FTZ, "1to4", 0x3f800000, 1, 1 << 24},  {MUFU_LG2_FTZ, "halfto2", 0x3f000000, 1, 1 << 24},
    {MUFU_LG2_FTZ, "4to8", 0x40800000, 1, 1 << 23},  {MUFU_LG2_FTZ, "least", 0x00800000, 1, 1 << 23},
};

/* Of every function, over all words: a prime stride. */
enum { MUFU_SAMPLE_STRIDE = 1021, MUFU_SAMPLE_COUNT = 4206629 };

/* Of every function, for both signs: whole blocks, by the upper half of their words. Zeros and subnormals; 2^-24; 1;
 * powers of two up to 128; 87..89 and 103..104, where e^x leaves the normal and the subnormal range; 126..128 and
 * 149..150, where 2^x does; reciprocals that become subnormal; the largest, infinity, NaN. */
static const uint16_t mufu_edges[] = {
    0x0000, 0x0001, 0x003f, 0x0040, 0x007f, 0x0080, 0x0081, 0x00ff, 0x0100, 0x33ff, 0x3400, 0x3f00,
    0x3f7f, 0x3f80, 0x3f81, 0x4000, 0x407f, 0x4080, 0x42ad, 0x42ae, 0x42af, 0x42b0, 0x42b1, 0x42b2,
    0x42ce, 0x42cf, 0x42d0, 0x42fb, 0x42fc, 0x42fd, 0x42ff, 0x4300, 0x4314, 0x4315, 0x4316, 0x7e7f,
    0x7e80, 0x7eff, 0x7f00, 0x7f7f, 0x7f80, 0x7f81, 0x7fbf, 0x7fc0, 0x7fff,
};

enum { MUFU_BINADES = sizeof mufu_binades / sizeof *mufu_binades, MUFU_EDGES = sizeof mufu_edges / sizeof *mufu_edges };

#endif
