/* SPDX-License-Identifier: Apache-2.0
 *
 * Blocks of many columns at once: gla_mma_product, the same bits as gla_mma_dot.
 *
 * A row of A meets WIDTH columns of B in one go, eight products at a time. Significands are small floats s in (-2, 2),
 * exponents integers e, so that a term in units of 2^(E - F) is
 *     trunc(s_a s_b 2^(e_a + e_b - E + F))        s_a s_b is exact: 2 * 11 bits
 *                                                 the power of two is a float's bits, 0 from 2^-127 down
 *                                                 the cut toward zero is the conversion to int
 * Every step is exact where its result matters, whatever the rounding mode. Eight terms stay below 2^30; the sum over a
 * block and OUT take 64 bits (gla_mma_encode, the scalar form's own). A zero's exponent lies so low that it never
 * counts. A block is filled up to a multiple of eight with zeros.
 *
 * Where an operand or c is an infinity or NaN, the scalar form computes that element's block.
 */
#include "tensor_core_block.h"

#include <math.h>
#include <string.h>

enum {
    WIDTH = 32,   /* columns at once */
    HEIGHT = 32,  /* rows that share a packed block of B */
    GROUP = 8,    /* products whose sum fits 32 bits */
    DEEPEST = 64, /* L at most */
    ABSENT = -4096
};

/* gcc builds the loops for several x86 levels and chooses at run time; elsewhere there is one. */
#if defined(__GNUC__) && !defined(__clang__) && defined(__x86_64__) && defined(__gnu_linux__)
#define FOR_EVERY_LEVEL __attribute__((target_clones("default", "avx2", "arch=x86-64-v4")))
#else
#define FOR_EVERY_LEVEL
#endif

/* One block of WIDTH columns of B, of HEIGHT rows of A, and the columns of C that one row meets. */
typedef struct columns {
    float s[DEEPEST][WIDTH];
    int32_t e[DEEPEST][WIDTH];
    bool special[WIDTH]; /* an infinity or NaN is in the column */
    bool any_special;
} columns;

typedef struct rows {
    float s[HEIGHT][DEEPEST];
    int32_t e[HEIGHT][DEEPEST];
    bool special[HEIGHT];
} rows;

typedef struct sums {
    int32_t E[WIDTH];
    int64_t S[WIDTH];
} sums;

/* ---- packing ---- */

static double power_of_two(int e) {
    uint64_t word = (uint64_t)(e + 1023) << 52;
    double x;
    memcpy(&x, &word, sizeof x);
    return x;
}

static uint32_t bits_of(float x) {
    uint32_t word;
    memcpy(&word, &x, sizeof word);
    return word;
}

/* x = s 2^e, a number of the format: e its exponent, but at least the format's least. False: infinite or NaN. */
static bool take_apart(const gla_format *f, float x, float *s, int32_t *e) {
    uint32_t word = bits_of(x);
    if (f == &gla_tf32) word &= 0xffffe000u;
    int field = (int)(word >> 23 & 0xff);
    *s = 0;
    *e = ABSENT;
    if (field == 0xff) return false;
    if ((word & 0x7fffffffu) == 0) return true;
    memcpy(&x, &word, sizeof x);
    *e = field - 127 > f->emin ? field - 127 : f->emin;
    *s = (float)((double)x * power_of_two(-*e));
    return true;
}

/* Products k0 .. k0 + depth of the rows; `slots` of them, the rest absent. */
static void pack_rows(const gla_format *f, const float *A, size_t lda, size_t height, size_t depth, size_t slots,
                      rows *to) {
    for (size_t m = 0; m < height; m++) {
        to->special[m] = false;
        for (size_t k = 0; k < slots; k++)
            if (!take_apart(f, k < depth ? A[m * lda + k] : 0, &to->s[m][k], &to->e[m][k])) to->special[m] = true;
    }
}

static void pack_columns(const gla_format *f, const float *B, size_t ldb, size_t width, size_t depth, size_t slots,
                         columns *to) {
    to->any_special = false;
    memset(to->special, 0, sizeof to->special);
    for (size_t k = 0; k < slots; k++)
        for (size_t n = 0; n < width; n++)
            if (!take_apart(f, k < depth ? B[k * ldb + n] : 0, &to->s[k][n], &to->e[k][n]))
                to->special[n] = to->any_special = true;
}

/* ---- a block of one row and WIDTH columns ---- */

static inline int32_t greater(int32_t x, int32_t y) { return x > y ? x : y; }

/* 2^e, e <= 127; 0 below 2^-126. */
static inline float power_of_two_or_zero(int32_t e) {
    int32_t word = greater(e + 127, 0) << 23;
    float x;
    memcpy(&x, &word, sizeof x);
    return x;
}

/* c of the columns, as the rows and columns are held; special[n]: an infinity or NaN. Returns whether there is any. */
static inline bool take_apart_c(const float *c, float *s, int32_t *e, bool *special) {
    int32_t most = 0;
    for (int n = 0; n < WIDTH; n++) {
        int32_t word, field, lead;
        memcpy(&word, &c[n], sizeof word);
        field = word >> 23 & 0xff;
        most = greater(most, field);
        special[n] = field == 0xff;
        /* 1.fraction, from which a subnormal takes the 1 away */
        int32_t one = (word & 0x7fffff) | 0x3f800000;
        float magnitude;
        memcpy(&magnitude, &one, sizeof magnitude);
        lead = field > 0 ? field : 1;
        magnitude -= field > 0 ? 0.0f : 1.0f;
        s[n] = word < 0 ? -magnitude : magnitude;
        e[n] = (word & 0x7fffffff) ? lead - 127 : ABSENT;
    }
    return most == 0xff;
}

/* E from the floor, c and all products, then the sum S of their terms. */
FOR_EVERY_LEVEL
static void sum_terms(const float *a_s, const int32_t *a_e, const columns *b, size_t slots, int32_t floor, int32_t F,
                      const float *c_s, const int32_t *c_e, sums *out) {
    int32_t E[WIDTH];
    for (int n = 0; n < WIDTH; n++) E[n] = greater(floor, c_e[n]);
    for (size_t k = 0; k < slots; k += GROUP)
        for (int n = 0; n < WIDTH; n++) {
#pragma GCC unroll 8
            for (size_t i = 0; i < GROUP; i++) E[n] = greater(E[n], a_e[k + i] + b->e[k + i][n]);
        }
    for (int n = 0; n < WIDTH; n++) out->S[n] = (int32_t)(c_s[n] * power_of_two_or_zero(c_e[n] - E[n] + F));
    for (size_t k = 0; k < slots; k += GROUP)
        for (int n = 0; n < WIDTH; n++) {
            int32_t sum = 0;
#pragma GCC unroll 8
            for (size_t i = 0; i < GROUP; i++) {
                float product = a_s[k + i] * b->s[k + i][n];
                sum += (int32_t)(product * power_of_two_or_zero(a_e[k + i] + b->e[k + i][n] - E[n] + F));
            }
            out->S[n] += sum;
        }
    memcpy(out->E, E, sizeof E);
}

/* ---- a block where something is infinite or NaN ---- */

static uint32_t operand_word(const gla_format *f, float x) { return f == &gla_tf32 ? bits_of(x) : gla_encode(f, x); }

/* One element by the scalar form: products of a row of A and column n of B, both as they stand in memory. */
static float scalar_block(const gla_mma_model *m, const float *A, const float *B, size_t ldb, size_t depth, float c) {
    const gla_format *of_a = gla_mma_operand_format(m, false), *of_b = gla_mma_operand_format(m, true);
    uint32_t a[DEEPEST], b[DEEPEST], word;
    for (size_t k = 0; k < depth; k++) {
        a[k] = operand_word(of_a, A[k]);
        b[k] = operand_word(of_b, B[k * ldb]);
    }
    word = gla_mma_dot(m, a, b, depth, bits_of(c));
    memcpy(&c, &word, sizeof c);
    return c;
}

/* ---- the product ---- */

typedef struct product {
    const gla_mma_model *model;
    const gla_mma_encoding *encoding;
    rows a;
    columns b;
} product;

/* C[row, 0 .. width) += the block's products, for one row; A and B point at the block. */
static void row_block(const product *p, size_t row, const float *A, const float *B, size_t ldb, size_t width,
                      size_t depth, size_t slots, float *C) {
    const gla_mma_model *m = p->model;
    float c[WIDTH] = {0}, c_s[WIDTH];
    int32_t c_e[WIDTH];
    bool c_special[WIDTH], cut;
    sums sum;
    memcpy(c, C, width * sizeof *c);
    bool special = take_apart_c(c, c_s, c_e, c_special) || p->a.special[row] || p->b.any_special;
    sum_terms(p->a.s[row], p->a.e[row], &p->b, slots, m->floor, m->fraction, c_s, c_e, &sum);
    for (size_t n = 0; n < width; n++) {
        uint32_t word = gla_mma_encode(p->encoding, sum.S[n], sum.E[n] - m->fraction, &cut);
        memcpy(&C[n], &word, sizeof word);
    }
    if (!special) return;
    for (size_t n = 0; n < width; n++)
        if (p->a.special[row] || p->b.special[n] || c_special[n]) C[n] = scalar_block(m, A, B + n, ldb, depth, c[n]);
}

void gla_mma_product(const gla_mma_model *m, size_t M, size_t N, size_t K, const float *A, size_t lda, const float *B,
                     size_t ldb, float *C, size_t ldc) {
    const gla_format *of_a = gla_mma_operand_format(m, false), *of_b = gla_mma_operand_format(m, true);
    const size_t L = (size_t)m->block, slots = (L + GROUP - 1) / GROUP * GROUP;
    product p;
    memset(p.b.s, 0, slots * sizeof p.b.s[0]); /* columns past N: any finite numbers */
    memset(p.b.e, 0, slots * sizeof p.b.e[0]);
    p.model = m;
    p.encoding = &gla_mma_encodings[m->out];
    for (size_t m0 = 0; m0 < M; m0 += HEIGHT)
        for (size_t k0 = 0; k0 < K; k0 += L) {
            const size_t height = M - m0 < HEIGHT ? M - m0 : HEIGHT, depth = K - k0 < L ? K - k0 : L;
            pack_rows(of_a, A + m0 * lda + k0, lda, height, depth, slots, &p.a);
            for (size_t n0 = 0; n0 < N; n0 += WIDTH) {
                const size_t width = N - n0 < WIDTH ? N - n0 : WIDTH;
                pack_columns(of_b, B + k0 * ldb + n0, ldb, width, depth, slots, &p.b);
                for (size_t row = 0; row < height; row++)
                    row_block(&p, row, A + (m0 + row) * lda + k0, B + k0 * ldb + n0, ldb, width, depth, slots,
                              C + (m0 + row) * ldc + n0);
            }
        }
}
