/* SPDX-License-Identifier: Apache-2.0
 *
 * One block on integers, and chains of blocks (tensor_core.h).
 *
 * Signs are kept apart from magnitudes, since the cut is toward zero. A product of two significands has at most 22
 * bits, c has 24, F is at most 25: a term is below 2^28 units and a sum below 2^36.
 *
 * Infinities and NaN: a NaN operand, 0 * infinity, or infinities of both signs among products and c give the canonical
 * NaN, 0x7fffffff or f16's 0x7fff; else an infinity among them is the result. Finite products never overflow: they may
 * leave binary32's range and cancel. c = -0 is absent, as any zero is.
 * A sum of 0, or one that OUT makes 0, is +0.
 */
#include "tensor_core_block.h"

#include <math.h>
#include <string.h>

const gla_mma_encoding gla_mma_encodings[GLA_MMA_OUTS] = {
    [GLA_MMA_RZ_F32] = {24, -126, 127, 0, 31, false, 0x7fffffff},
    [GLA_MMA_RN_F16] = {11, -14, 15, 0, 15, true, 0x7fff},
    [GLA_MMA_RZ_E8M13] = {14, -126, 127, 10, 31, false, 0x7fffffff},
};

/* ---- words ---- */

const gla_format *gla_mma_operand_format(const gla_mma_model *m, bool of_b) {
    const char *dot = strchr(m->type, '.');
    char name[8] = "";
    if (m->kind == GLA_MMA_FMA_CHAIN) return &gla_binary64_format;
    if (!dot) return gla_format_named(m->type);
    if (of_b) return gla_format_named(dot + 1);
    memcpy(name, m->type, (size_t)(dot - m->type));
    return gla_format_named(name);
}

const gla_format *gla_mma_result_format(const gla_mma_model *m) {
    return m->kind == GLA_MMA_FMA_CHAIN ? &gla_binary64_format
           : m->out == GLA_MMA_RN_F16   ? &gla_f16
                                        : &gla_binary32_format;
}

gla_mma_factor gla_mma_take_apart(const gla_format *f, uint32_t word) {
    if (f == &gla_tf32) word >>= 13; /* what is left has tf32's 1 + 8 + 10 bits */
    const int stored = f->p - 1, bias = 1 - f->emin, fields = 2 * bias + 1;
    const uint32_t ones = (1u << stored) - 1, fraction = word & ones, field = word >> stored & (uint32_t)fields;
    gla_mma_factor x = {.negative = word / (ones + 1) / ((uint32_t)fields + 1) & 1, .scale = stored};
    if (field == (uint32_t)fields && (f->infinities || fraction == ones)) {
        x.class = f->infinities && fraction == 0 ? GLA_MMA_INFINITE : GLA_MMA_NAN;
        return x;
    }
    x.significand = field ? fraction | (ones + 1) : fraction;
    x.exponent = field ? (int)field - bias : f->emin;
    x.class = x.significand ? GLA_MMA_FINITE : GLA_MMA_ZERO;
    return x;
}

/* ---- terms ---- */

typedef struct specials {
    bool nan, infinite[2]; /* [negative] */
} specials;

static gla_mma_term product_of(gla_mma_factor a, gla_mma_factor b, specials *seen) {
    gla_mma_term t = {.negative = a.negative != b.negative};
    bool zero = a.class == GLA_MMA_ZERO || b.class == GLA_MMA_ZERO;
    bool infinite = a.class == GLA_MMA_INFINITE || b.class == GLA_MMA_INFINITE;
    if (a.class == GLA_MMA_NAN || b.class == GLA_MMA_NAN || (zero && infinite)) {
        seen->nan = true;
    } else if (infinite) {
        seen->infinite[t.negative] = true;
    } else if (!zero) {
        t.present = true;
        t.exponent = a.exponent + b.exponent;
        t.scale = a.scale + b.scale;
        t.significand = (uint64_t)a.significand * b.significand;
    }
    return t;
}

static gla_mma_term addend_of(gla_mma_factor c, specials *seen) {
    if (c.class == GLA_MMA_NAN) seen->nan = true;
    if (c.class == GLA_MMA_INFINITE) seen->infinite[c.negative] = true;
    return (gla_mma_term){.present = c.class == GLA_MMA_FINITE,
                          .negative = c.negative,
                          .exponent = c.exponent,
                          .scale = c.scale,
                          .significand = c.significand};
}

/* The magnitude in units of 2^(E - F), cut toward zero. */
static void cut(gla_mma_term *t, int E, int F) {
    int shift = t->scale - F + E - t->exponent; /* to the right */
    t->kept = shift <= 0 ? t->significand << -shift : shift < 64 ? t->significand >> shift : 0;
    t->cut = shift > 0 && (shift < 64 ? t->kept << shift : 0) != t->significand;
}

/* ---- a block ---- */

static uint32_t special_word(const gla_mma_encoding *f, const specials *seen) {
    if (seen->nan || (seen->infinite[0] && seen->infinite[1])) return f->nan;
    uint32_t infinity = (uint32_t)(f->emax - f->emin + 2) << (f->p - 1 + f->low);
    return infinity | (uint32_t)seen->infinite[1] << f->sign;
}

uint32_t gla_mma_block(const gla_mma_model *m, const uint32_t *a, const uint32_t *b, size_t count, uint32_t c,
                       gla_mma_story *s) {
    const gla_format *of_a = gla_mma_operand_format(m, false), *of_b = gla_mma_operand_format(m, true);
    const gla_mma_encoding *encoding = &gla_mma_encodings[m->out];
    specials seen = {0};
    s->terms = count + 1;
    for (size_t k = 0; k < count; k++)
        s->term[k] = product_of(gla_mma_take_apart(of_a, a[k]), gla_mma_take_apart(of_b, b[k]), &seen);
    s->term[count] = addend_of(gla_mma_take_apart(gla_mma_result_format(m), c), &seen);
    s->E = m->floor;
    s->sum = 0;
    s->out_cut = false;
    s->special = seen.nan || seen.infinite[0] || seen.infinite[1];
    if (s->special) return s->word = special_word(encoding, &seen);
    for (size_t k = 0; k <= count; k++)
        if (s->term[k].present && s->term[k].exponent > s->E) s->E = s->term[k].exponent;
    for (size_t k = 0; k <= count; k++) {
        gla_mma_term *t = &s->term[k];
        if (t->present) cut(t, s->E, m->fraction);
        s->sum += t->negative ? -(int64_t)t->kept : (int64_t)t->kept;
    }
    return s->word = gla_mma_encode(encoding, s->sum, s->E - m->fraction, &s->out_cut);
}

/* ---- chains ---- */

/* One instruction of 8-bit operands widened to f16. */
static uint32_t split_dot(const gla_mma_model *m, const uint32_t *a, const uint32_t *b, size_t count, uint32_t c) {
    gla_mma_split s;
    gla_mma_story story;
    uint32_t x = 0;
    gla_mma_split_of(m, a, b, count, &s);
    for (int i = 0; i < 2; i++) x = gla_mma_block(&s.half, s.a[i], s.b[i], s.count[i], x, &story);
    return gla_mma_add(m, x, c);
}

uint32_t gla_mma_dot(const gla_mma_model *m, const uint32_t *a, const uint32_t *b, size_t count, uint32_t c) {
    const size_t L = (size_t)m->block;
    gla_mma_story story;
    size_t k = 0;
    do { /* no products are one block of zeros */
        size_t n = count - k < L ? count - k : L;
        c = m->kind == GLA_MMA_SPLIT ? split_dot(m, a + k, b + k, n, c) : gla_mma_block(m, a + k, b + k, n, c, &story);
        k += n;
    } while (k < count);
    return c;
}

/* Of several NaN, b's is the result, else c's, else a's, made quiet; an invalid operation gives the negative one. The
 * processors that this runs on choose otherwise. */
static double fma_nan(double a, double b, double c) {
    double chosen = isnan(b) ? b : isnan(c) ? c : a;
    uint64_t word = UINT64_C(0xfff8000000000000);
    if (isnan(chosen)) {
        memcpy(&word, &chosen, sizeof word);
        word |= UINT64_C(1) << 51;
    }
    memcpy(&chosen, &word, sizeof word);
    return chosen;
}

double gla_mma_dot_f64(const double *a, const double *b, size_t count, double c) {
    for (size_t k = 0; k < count; k++) {
        double sum = fma(a[k], b[k], c);
        c = isnan(sum) ? fma_nan(a[k], b[k], c) : sum;
    }
    return c;
}
