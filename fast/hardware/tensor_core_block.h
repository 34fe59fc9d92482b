/* SPDX-License-Identifier: Apache-2.0
 *
 * The parts of a block (tensor_core.h) that its scalar form, its story and its many-column form share: how words are
 * taken apart, one block over them, and OUT.
 */
#ifndef GLASSBOX_TENSOR_CORE_BLOCK_H
#define GLASSBOX_TENSOR_CORE_BLOCK_H

#include "tensor_core.h"

/* A word taken apart. Finite and not zero: (-1)^negative significand 2^(exponent - scale); the exponent of a subnormal
 * is its format's least, its significand has leading zeros. */
typedef enum gla_mma_class { GLA_MMA_ZERO, GLA_MMA_FINITE, GLA_MMA_INFINITE, GLA_MMA_NAN } gla_mma_class;
typedef struct gla_mma_factor {
    gla_mma_class class;
    bool negative;
    int exponent, scale;
    uint32_t significand;
} gla_mma_factor;

gla_mma_factor gla_mma_take_apart(const gla_format *f, uint32_t word);

/* One block of at most m->block products: fills the story but for the doubles in its terms, and returns its word. */
uint32_t gla_mma_block(const gla_mma_model *m, const uint32_t *a, const uint32_t *b, size_t count, uint32_t c,
                       gla_mma_story *s);

/* The word of a format for OUT: p bits, emin .. emax, toward zero or to nearest even, its code's low end at bit `low`.
 * Gradual underflow; past the largest number comes infinity, in either rounding. */
typedef struct gla_mma_encoding {
    int p, emin, emax, low, sign; /* sign: the sign's bit */
    bool nearest;
    uint32_t nan;
} gla_mma_encoding;
extern const gla_mma_encoding gla_mma_encodings[GLA_MMA_OUTS];

/* OUT of the sum S 2^unit, |S| < 2^62. What is cut or rounded to 0 is +0, whatever its sign. */
static inline uint32_t gla_mma_encode(const gla_mma_encoding *f, int64_t S, int unit, bool *cut) {
    uint64_t magnitude = (uint64_t)(S < 0 ? -S : S);
    *cut = false;
    if (S == 0) return 0;
    int top = 63 - __builtin_clzll(magnitude) + unit; /* exponent of the leading bit */
    int lead = top > f->emin ? top : f->emin;
    int drop = lead - f->p + 1 - unit; /* low bits that do not fit */
    uint64_t kept = drop <= 0 ? magnitude << -drop : drop < 64 ? magnitude >> drop : 0;
    if (drop > 0) {
        uint64_t rest = magnitude - (drop < 64 ? kept << drop : 0), half = drop < 64 ? (uint64_t)1 << (drop - 1) : 0;
        *cut = rest != 0;
        if (f->nearest && half && (rest > half || (rest == half && (kept & 1)))) kept++;
    }
    /* The leading bit of a normal number carries into its exponent field. */
    uint64_t code = ((uint64_t)(lead - f->emin) << (f->p - 1)) + kept;
    uint64_t infinity = (uint64_t)(f->emax - f->emin + 2) << (f->p - 1);
    return (uint32_t)((code < infinity ? code : infinity) << f->low) | (uint32_t)(S < 0 && code > 0) << f->sign;
}

#endif
