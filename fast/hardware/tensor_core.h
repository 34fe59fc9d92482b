/* SPDX-License-Identifier: Apache-2.0
 *
 * A tensor core's arithmetic, bit for bit: one integer routine, driven by a table of what was measured.
 *
 * One block: the L products of a row of A and a column of B are added to an accumulator c all at once,
 *     E = max(floor, exponents of all nonzero terms)              a product's exponent is the sum of its factors'
 *     S = sum of all terms, each cut toward zero to F fraction bits below E
 *     d = OUT(S)                                                  normalise, then truncate (f32) or round (f16)
 * Products are exact and are not normalised before E is taken; a subnormal's exponent is its format's least; a zero
 * factor makes the term absent. Longer products are chains of blocks in ascending k: each block's rounded d is the
 * next block's c. Infinities and NaN: tensor_core.c.
 *
 * A model holds for devices that were probed, and for the instructions in its row: `evidence` says which and by whom.
 * PTX promises none of it.
 */
#ifndef GLASSBOX_TENSOR_CORE_H
#define GLASSBOX_TENSOR_CORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../../reference/number/format.h"

/* How a block's sum becomes a word. */
typedef enum gla_mma_out {
    GLA_MMA_RZ_F32,   /* toward zero to binary32, gradual underflow; from 2^128 on infinity */
    GLA_MMA_RN_F16,   /* to nearest even in f16, gradual underflow, overflow to infinity */
    GLA_MMA_RZ_E8M13, /* toward zero to 14 bits, in a binary32 word whose low 10 bits are zero */
    GLA_MMA_OUTS
} gla_mma_out;

/* What kind of operation the instruction is. */
typedef enum gla_mma_kind {
    GLA_MMA_FUSED,    /* the block above */
    GLA_MMA_SPLIT,    /* 8-bit operands widened to f16: two fused blocks over k mod 4 in {0,1}, then {2,3}, started from
                         zero; c is added last, rounded to nearest */
    GLA_MMA_FMA_CHAIN /* f64: fma by fma, ascending k, c first */
} gla_mma_kind;

/* A floor that is not known and cannot matter: far below every exponent there is. */
enum { GLA_MMA_NO_FLOOR = -1000 };

typedef struct gla_mma_model {
    const char *arch;        /* "sm_90" */
    const char *instruction; /* "wgmma, mma.sync m16n8k16" */
    const char *type;        /* of the operands: "bf16" "f16" "tf32" "e4m3" "e5m2" "e4m3.e5m2" (A's, B's) "f64" */
    const char *result;      /* "f32" "f16" "f64" */
    gla_mma_kind kind;
    gla_mma_out out;
    int block;    /* L; GLA_MMA_SPLIT: products of one instruction, half of them in each of its blocks */
    int fraction; /* F */
    int floor;    /* least E */
    bool probed;  /* our own probe's words lie in data/hardware and are tested */
    const char *evidence;
} gla_mma_model;

extern const gla_mma_model gla_mma_models[]; /* ends with arch NULL */

/* The row for one architecture, instruction, operand type and result type, "" = the first that fits; or NULL. An
 * instruction is one of a row's list, whole ("mma.sync m16n8k8") or either word of it ("mma.sync", "m16n8k8"). */
const gla_mma_model *gla_mma_model_of(const char *arch, const char *instruction, const char *type, const char *result);

/* c + sum_k a_k b_k over `count` products (any count: the last block is filled up with zeros) as words of the model's
 * formats: operands in the low bits (tf32: a binary32 word whose low 13 bits are ignored), c and the result in binary32
 * or f16. Not for f64. */
uint32_t gla_mma_dot(const gla_mma_model *m, const uint32_t *a, const uint32_t *b, size_t count, uint32_t c);

/* f64's chain of fma, in the rounding that is set; NaN are chosen as the tensor core does (tensor_core.c). */
double gla_mma_dot_f64(const double *a, const double *b, size_t count, double c);

/* C += A B for many columns at once, the same bits as gla_mma_dot element by element: C [M,N], A [M,K], B [K,N]
 * row-major binary32 with leading dimensions ldc, lda, ldb (in elements). A and B hold numbers of the operand type
 * exactly (tf32: low bits are ignored); the result type is f32. GLA_MMA_FUSED only. K = 0 leaves C. One thread. */
void gla_mma_product(const gla_mma_model *m, size_t M, size_t N, size_t K, const float *A, size_t lda, const float *B,
                     size_t ldb, float *C, size_t ldc);

/* ---- one block, told step by step: what `glassbox mma` prints ---- */
enum { GLA_MMA_TERMS = 65 }; /* up to 64 products and c */

typedef struct gla_mma_term {
    bool present, negative; /* finite and not zero */
    int exponent;           /* of the term, before alignment */
    uint64_t significand;   /* the exact integer: value = significand 2^(exponent - scale) */
    int scale;              /* fraction bits of significand */
    uint64_t kept;          /* after the cut: units of 2^(E - F) */
    bool cut;               /* bits were lost */
    double value, lost;     /* exact value (may leave binary64's range: then inf), what the cut took */
} gla_mma_term;

typedef struct gla_mma_story {
    size_t terms;  /* products, then c */
    int E;         /* alignment exponent */
    bool special;  /* an infinity or NaN decided */
    int64_t sum;   /* S in units of 2^(E - F) */
    uint32_t word; /* the result */
    bool out_cut;  /* OUT lost bits */
    gla_mma_term term[GLA_MMA_TERMS];
} gla_mma_story;

/* One block of a fused model, `count` <= m->block products. */
void gla_mma_tell(const gla_mma_model *m, const uint32_t *a, const uint32_t *b, size_t count, uint32_t c,
                  gla_mma_story *out);

/* A split operation's two blocks, `count` <= m->block products: each is half of them, widened to f16, for the fused
 * model `half`. The second starts from the first's word; gla_mma_add(m, the second's word, c) ends it. */
typedef struct gla_mma_split {
    gla_mma_model half;
    size_t count[2], k[2][GLA_MMA_TERMS / 2]; /* k: which products */
    uint32_t a[2][GLA_MMA_TERMS / 2], b[2][GLA_MMA_TERMS / 2];
} gla_mma_split;
void gla_mma_split_of(const gla_mma_model *m, const uint32_t *a, const uint32_t *b, size_t count, gla_mma_split *out);
uint32_t gla_mma_add(const gla_mma_model *m, uint32_t x, uint32_t c);

/* The formats of operands and result, for reading and writing words (format.h). */
const gla_format *gla_mma_operand_format(const gla_mma_model *m, bool of_b);
const gla_format *gla_mma_result_format(const gla_mma_model *m);

#endif
