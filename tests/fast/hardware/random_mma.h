/* SPDX-License-Identifier: Apache-2.0
 *
 * Random words for tensor-core tests, in classes that make terms meet: a seed and a class give the same words always.
 */
#ifndef GLASSBOX_TESTS_RANDOM_MMA_H
#define GLASSBOX_TESTS_RANDOM_MMA_H

#include <math.h>

#include "../../../fast/hardware/tensor_core.h"

typedef enum mma_class {
    MMA_PATTERNS,   /* every bit pattern alike */
    MMA_NEAR,       /* exponents within a few of each other: every term is aligned and cut */
    MMA_SPREAD,     /* exponents over about F bits */
    MMA_SUBNORMAL,  /* A's exponents the least there are, products about the floor, c small or 0 */
    MMA_CANCELLING, /* MMA_SPREAD, where products come in pairs of opposite sign */
    MMA_SPECIALS,   /* MMA_NEAR with a rare infinity, NaN or zero */
    MMA_CLASSES
} mma_class;

/* splitmix64 */
static uint64_t mma_random(uint64_t *state) {
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static uint32_t mma_below(uint64_t *state, uint32_t n) { return (uint32_t)((mma_random(state) >> 32) * n >> 32); }

/* A finite word whose exponent field is first .. first + count - 1, as far as there are such. */
static uint32_t mma_word(const gla_format *f, uint64_t *state, int first, int count) {
    const int stored = f->p - 1, last = f->emax - f->emin + 1; /* the last field that is finite */
    int field = first + (int)mma_below(state, (uint32_t)count);
    field = field < 0 ? 0 : field > last ? last : field;
    uint32_t random = (uint32_t)mma_random(state), fraction = random & ((1u << stored) - 1);
    if (!f->infinities && field == last && fraction == (1u << stored) - 1) fraction--; /* e4m3's NaN */
    uint32_t code = (uint32_t)field << stored | fraction;
    uint32_t sign = random >> 31;
    if (f == &gla_tf32) return sign << 31 | code << 13 | (random >> 11 & 0x1fff); /* low bits that do not count */
    return sign << (f->bits - 1) | code;
}

static uint32_t mma_special(const gla_format *f, uint64_t *state) {
    static const double values[] = {(double)INFINITY, -(double)INFINITY, (double)NAN, 0.0, -0.0};
    const gla_format *words = f == &gla_tf32 ? &gla_binary32_format : f;
    double x = values[mma_below(state, 5)];
    return gla_encode(words, isinf(x) && !f->infinities ? (double)NAN : x);
}

/* Operands a, b of `count` products and c, for a model. */
static void mma_fill(const gla_mma_model *m, mma_class class, uint64_t *state, size_t count, uint32_t *a, uint32_t *b,
                     uint32_t *c) {
    const gla_format *f[3] = {gla_mma_operand_format(m, false), gla_mma_operand_format(m, true),
                              gla_mma_result_format(m)};
    uint32_t *at[2] = {a, b};
    int width = class == MMA_NEAR || class == MMA_SPECIALS ? 4 : class == MMA_SUBNORMAL ? 3 : m->fraction * 2 / 3 + 1;
    /* Around 1 half of the time, so that c can meet the products, elsewhere otherwise. */
    int shift = mma_below(state, 2) ? 0 : (int)mma_below(state, 200) - 100, first[3];
    for (int i = 0; i < 3; i++) {
        first[i] = class == MMA_SUBNORMAL ? 0 : -f[i]->emin + (i == 2 ? 2 : 1) * shift - width / 2;
        if (class == MMA_SUBNORMAL && i == 1) /* so that products lie about the floor */
            first[i] = m->floor - f[0]->emin - f[1]->emin + (int)mma_below(state, 30) - 15;
    }
    for (size_t k = 0; k < count; k++)
        for (int i = 0; i < 2; i++) {
            at[i][k] = class == MMA_PATTERNS ? (uint32_t)mma_random(state) : mma_word(f[i], state, first[i], width);
            if (class == MMA_PATTERNS && f[i]->bits) at[i][k] &= (uint32_t)((1ull << f[i]->bits) - 1);
            if (class == MMA_SPECIALS && mma_below(state, 64) == 0) at[i][k] = mma_special(f[i], state);
        }
    for (size_t k = 1; class == MMA_CANCELLING && k < count; k += 2) {
        a[k] = a[k - 1] ^ (f[0]->bits ? 1u << (f[0]->bits - 1) : 1u << 31);
        b[k] = b[k - 1] ^ (mma_below(state, 8) == 0); /* sometimes by a last place only */
    }
    *c = class == MMA_PATTERNS ? (uint32_t)mma_random(state) : mma_word(f[2], state, first[2], width);
    if (f[2] == &gla_f16) *c &= 0xffff;
    if (mma_below(state, class == MMA_SUBNORMAL ? 2 : 8) == 0)
        *c = class == MMA_SPECIALS ? mma_special(f[2], state) : 0;
}

#endif
