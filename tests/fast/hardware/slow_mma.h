/* SPDX-License-Identifier: Apache-2.0
 *
 * A second tensor core for tests: the same words by other means, and wrong ones on request.
 *
 * It works on exact values, not on words: products as doubles (22 bits, any exponent that two factors can have), the
 * cut as trunc of a scaled double, the sum as a double (below 2^36 units), OUT by format.h's rounding. A `slow_mma` is
 * a model's parameters and what may be wrong with it.
 */
#ifndef GLASSBOX_TESTS_SLOW_MMA_H
#define GLASSBOX_TESTS_SLOW_MMA_H

#include <math.h>

#include "../../../fast/hardware/tensor_core.h"

typedef struct slow_mma {
    gla_mma_model model;
    bool renormalise;  /* a subnormal counts with the exponent of its leading bit */
    bool zeros_count;  /* a product with a zero factor takes part in E */
    bool late;         /* c is added to the block's word, to nearest */
    bool normalise;    /* a product of two significands in [2, 4) counts as one exponent more */
    bool nearest_cut;  /* terms are rounded to nearest even, not cut */
    bool nearest_out;  /* f32: the sum is rounded to nearest even, not cut */
    bool truncate_out; /* f16: the sum is cut, not rounded */
    bool minus_zero;   /* a negative sum that becomes 0 is -0 */
    bool plain_order;  /* split: the first half of k, then the second */
    bool early;        /* split: c starts the first block, instead of being added last */
} slow_mma;

static double slow_decode(const gla_format *f, uint32_t word) {
    return f == &gla_tf32 ? gla_decode(&gla_binary32_format, word & 0xffffe000u) : gla_decode(f, word);
}

/* The exponent that a factor counts with. */
static int slow_exponent(const slow_mma *s, const gla_format *f, double x) {
    int leading = x == 0 ? f->emin : ilogb(x);
    return leading > f->emin || s->renormalise ? leading : f->emin;
}

static uint32_t slow_nan(const gla_mma_model *m) { return m->out == GLA_MMA_RN_F16 ? 0x7fff : 0x7fffffff; }

/* A finite sum into the result's format: one rounding, infinity from 2^128 on, no -0. */
static uint32_t slow_out(const slow_mma *s, double sum) {
    const gla_mma_out out = s->model.out;
    const double zero = s->minus_zero ? -0.0 : 0.0; /* -0 + 0 = 0, -0 + -0 = -0 */
    if (sum == 0) return 0;
    if (out == GLA_MMA_RN_F16)
        return gla_encode(&gla_f16, gla_round(&gla_f16, s->truncate_out ? GLA_RZ : GLA_RN, sum, 0) + zero);
    const gla_format narrow = gla_format_of(14, -126, 127);
    const gla_format *f = out == GLA_MMA_RZ_E8M13 ? &narrow : &gla_binary32_format;
    double rounded =
        fabs(sum) >= 0x1p128 ? copysign((double)INFINITY, sum) : gla_round(f, s->nearest_out ? GLA_RN : GLA_RZ, sum, 0);
    return gla_encode(&gla_binary32_format, rounded + zero);
}

/* x + c to nearest. */
static uint32_t slow_add(const gla_mma_model *m, uint32_t x, uint32_t c) {
    const gla_format *f = m->out == GLA_MMA_RN_F16 ? &gla_f16 : &gla_binary32_format;
    const double wide = gla_decode(f, x) + gla_decode(f, c); /* exact in f16 */
    const double sum =
        f == &gla_f16 ? gla_round(f, GLA_RN, wide, 0) : (double)((float)gla_decode(f, x) + (float)gla_decode(f, c));
    return isnan(sum) ? slow_nan(m) : gla_encode(f, sum);
}

static uint32_t slow_block(const slow_mma *s, const uint32_t *a, const uint32_t *b, size_t count, uint32_t c) {
    const gla_mma_model *m = &s->model;
    const gla_format *of_a = gla_mma_operand_format(m, false), *of_b = gla_mma_operand_format(m, true);
    const gla_format *of_c = m->out == GLA_MMA_RN_F16 ? &gla_f16 : &gla_binary32_format;
    double term[GLA_MMA_TERMS], sum = 0, plain = 0;
    int exponent[GLA_MMA_TERMS], E = m->floor;
    if (s->late) return slow_add(m, slow_block(&(slow_mma){.model = *m}, a, b, count, 0), c);
    for (size_t k = 0; k <= count; k++) {
        double x = slow_decode(k < count ? of_a : of_c, k < count ? a[k] : c);
        double y = k < count ? slow_decode(of_b, b[k]) : 1;
        term[k] = x * y;
        plain += isfinite(term[k]) ? 0 : term[k]; /* infinities and NaN, as IEEE adds them */
        if (!isfinite(term[k]) || (term[k] == 0 && !(s->zeros_count && k < count))) continue;
        exponent[k] = slow_exponent(s, k < count ? of_a : of_c, x) + (k < count ? slow_exponent(s, of_b, y) : 0);
        if (s->normalise && term[k] != 0 && ilogb(term[k]) > exponent[k]) exponent[k]++;
        if (exponent[k] > E) E = exponent[k];
    }
    if (isnan(plain)) return slow_nan(m);
    if (isinf(plain)) return gla_encode(of_c, plain);
    for (size_t k = 0; k <= count; k++) {
        if (term[k] == 0) continue;
        double scaled = ldexp(term[k], m->fraction - E); /* may underflow, to less than a unit */
        sum += s->nearest_cut ? rint(scaled) : trunc(scaled);
    }
    return slow_out(s, ldexp(sum, E - m->fraction));
}

/* One instruction of 8-bit operands by way of f16. */
static uint32_t slow_split(const slow_mma *s, const uint32_t *a, const uint32_t *b, size_t count, uint32_t c) {
    const gla_format *of_a = gla_mma_operand_format(&s->model, false), *of_b = gla_mma_operand_format(&s->model, true);
    slow_mma half = *s;
    uint32_t x = s->early ? c : 0;
    half.model.kind = GLA_MMA_FUSED;
    half.model.type = "f16";
    for (int part = 0; part < 2; part++) {
        uint32_t wide_a[GLA_MMA_TERMS], wide_b[GLA_MMA_TERMS];
        size_t n = 0;
        for (size_t k = 0; k < count; k++) {
            if ((s->plain_order ? k / 16 : k / 2 % 2) != (size_t)part) continue;
            wide_a[n] = gla_encode(&gla_f16, gla_decode(of_a, a[k]));
            wide_b[n++] = gla_encode(&gla_f16, gla_decode(of_b, b[k]));
        }
        x = slow_block(&half, wide_a, wide_b, n, x);
    }
    return s->early ? x : slow_add(&s->model, x, c);
}

/* A chain, as gla_mma_dot. */
static uint32_t slow_dot(const slow_mma *s, const uint32_t *a, const uint32_t *b, size_t count, uint32_t c) {
    size_t k = 0;
    do {
        size_t n = count - k < (size_t)s->model.block ? count - k : (size_t)s->model.block;
        c = (s->model.kind == GLA_MMA_SPLIT ? slow_split : slow_block)(s, a + k, b + k, n, c);
        k += n;
    } while (k < count);
    return c;
}

#endif
