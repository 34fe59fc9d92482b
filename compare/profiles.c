/* SPDX-License-Identifier: Apache-2.0
 *
 * The built-in profiles: a table of what kernels round, where, and to what. Figures and their reasons:
 *
 *     chunks        of 16 to 64: form and also are the two ends
 *     binary32      u = 2^-24; results below 2^-126 may be flushed to zero
 *     scale         held in binary32: one rounding, shared by every result
 *     exp           2^-22.5: ex2.approx on NVIDIA hardware (PTX documents 2^-22.5 over the reduced range)
 *     base 2        kernels evaluate e^x as 2^(x log2(e)): the product and the constant's own rounding cost 2^-23 of
 *                   the exponent; chunk forms carry whole cumulative gates in base 2, inexact even if the sum is not
 *     tensor core   sm_90's: bf16/f16 products are exact; a block of 16 is aligned and cut at 2^-25 of its largest term
 *                   and the sum truncated to 24 bits: (16+1) 2^-25 + 2^-23 = 6.3e-7 of the absolute sum; tf32 blocks
 *                   are of 8: 2 (9 2^-25 + 2^-23) = 7.8e-7 per 16. sm_80 to sm_89 cut blocks of 8 (tf32: 4) at 2^-24:
 *                   2 (9 2^-24 + 2^-23) = 1.32e-6 (tf32: 1.67e-6), which shows in states of exact operands alone:
 *                   data/profiles/chunk-bf16-sm_80.json
 *     tf32 operand  10 fraction bits kept, the rest cut: relative error 0 .. 2^-10, one-sided
 *     bf16, f16     round to nearest: 2^-8 and 2^-11; f16 subnormals: 2^-25 absolute
 */
#include "profiles.h"

#include <string.h>

#define BINARY32                                                                                                       \
    { .u = 0x1p-24, .p = 24, .tiny = 0x1p-126 }
#define GPU_EXP                                                                                                        \
    { .u = 0x1.6ap-23, .p = 24, .tiny = 0x1p-126 }
#define BF16                                                                                                           \
    { .u = 0x1p-8, .p = 8, .tiny = 0x1p-126 }
#define F16                                                                                                            \
    { .u = 0x1p-11, .p = 11, .tiny = 0x1p-25, .max = 65504 }
#define TF32_CUT                                                                                                       \
    { .u = 0x1p-10, .p = 11, .tiny = 0x1p-126, .one_sided = true }
#define TF32_SCORE                                                                                                     \
    { .u = 0x1p-10, .p = 11, .tiny = 0x1p-126 }
#define TENSOR_CORE                                                                                                    \
    { .u = 6.3e-7, .p = 24, .tiny = 0x1p-126, .one_sided = true }
#define TENSOR_CORE_TF32                                                                                               \
    { .u = 7.8e-7, .p = 24, .tiny = 0x1p-126, .one_sided = true }
#define BASE2 0x1p-23
#define BASE2_GATES                                                                                                    \
    { .u = BASE2 }

static const gla_profile f32 = {
    .name = "f32",
    .what = "recurrent, all binary32; dg by the suffix identity",
    .form = "recurrent+suffix",
    .model =
        {.op = BINARY32, .exp = GPU_EXP, .exp_argument = BASE2, .sum = BINARY32, .site = {[GLA_SITE_SCALE] = BINARY32}},
};

static const gla_profile f32_chunk = {
    .name = "f32-chunk",
    .what = "chunks of 16 to 64, all IEEE binary32; dg by the suffix identity inside a chunk",
    .form = "chunkwise:64:16+anchor",
    .also = "chunkwise:16:16+anchor",
    .model = {.op = BINARY32,
              .exp = GPU_EXP,
              .exp_argument = BASE2,
              .sum = BINARY32,
              .site = {[GLA_SITE_SCALE] = BINARY32, [GLA_SITE_GATE_SUM] = BASE2_GATES}},
};

static const gla_profile f32_tf32 = {
    .name = "f32-tf32",
    .what = "binary32 in and out, matrix products of tf32 operands; chunks of 16 to 64",
    .form = "chunkwise:64:16+anchor",
    .also = "chunkwise:16:16+anchor",
    .model = {.op = BINARY32,
              .exp = GPU_EXP,
              .exp_argument = BASE2,
              .operand = TF32_CUT,
              .sum = TENSOR_CORE_TF32,
              .site = {[GLA_SITE_SCALE] = BINARY32,
                       [GLA_SITE_GATE_SUM] = BASE2_GATES,
                       [GLA_SITE_SCORE] = TF32_SCORE,
                       [GLA_SITE_DSCORE] = TF32_SCORE}},
};

/* Of the delta rule (the format is braces with commas): its kernels store the inverse, W, U0, U and their gradients,
 * and dk by parts, as they store k. */
#define DELTA_SITES(...)                                                                                               \
    [GLA_SITE_BETA_OPERAND] = __VA_ARGS__, [GLA_SITE_INVERSE] = __VA_ARGS__, [GLA_SITE_WY] = __VA_ARGS__,              \
    [GLA_SITE_PSEUDO] = __VA_ARGS__, [GLA_SITE_DPSEUDO] = __VA_ARGS__, [GLA_SITE_PART] = __VA_ARGS__

#define CHUNK_SITES(FORMAT)                                                                                            \
    {                                                                                                                  \
        [GLA_SITE_SCALE] = BINARY32, [GLA_SITE_GATE_SUM] = BASE2_GATES, [GLA_SITE_Q_DECAYED] = FORMAT,                 \
        [GLA_SITE_K_DECAYED] = FORMAT, [GLA_SITE_V_DECAYED] = FORMAT, [GLA_SITE_STATE_READ] = FORMAT,                  \
        [GLA_SITE_SCORE] = FORMAT, [GLA_SITE_DSTATE_READ] = FORMAT, [GLA_SITE_DSCORE] = FORMAT,                        \
        DELTA_SITES(FORMAT), [GLA_SITE_PROBABILITY] = FORMAT                                                           \
    }

static const gla_profile chunk_bf16 = {
    .name = "chunk-bf16",
    .what = "chunks of 16 to 64, every operand of a matrix product rounded to bf16, binary32 between",
    .form = "chunkwise:64:16+anchor",
    .also = "chunkwise:16:16+anchor",
    .model = {.op = BINARY32,
              .exp = GPU_EXP,
              .exp_argument = BASE2,
              .operand = BF16,
              .sum = TENSOR_CORE,
              .site = CHUNK_SITES(BF16)},
};

static const gla_profile bf16_operands = {
    .name = "bf16-operands",
    .what = "chunk-bf16 with all else exact: what the bf16 operands alone explain",
    .form = "chunkwise:64:16+anchor",
    .also = "chunkwise:16:16+anchor",
    .model = {.operand = BF16,
              .site = {[GLA_SITE_Q_DECAYED] = BF16,
                       [GLA_SITE_K_DECAYED] = BF16,
                       [GLA_SITE_V_DECAYED] = BF16,
                       [GLA_SITE_STATE_READ] = BF16,
                       [GLA_SITE_SCORE] = BF16,
                       [GLA_SITE_DSTATE_READ] = BF16,
                       [GLA_SITE_DSCORE] = BF16,
                       DELTA_SITES(BF16),
                       [GLA_SITE_PROBABILITY] = BF16}},
};

static const gla_profile chunk_f16 = {
    .name = "chunk-f16",
    .what = "chunks of 16 to 64, operands rounded to f16 (scores: f16 or tf32), binary32 between",
    .form = "chunkwise:64:16+anchor",
    .also = "chunkwise:16:16+anchor",
    .model = {.op = BINARY32,
              .exp = GPU_EXP,
              .exp_argument = BASE2,
              .operand = TF32_CUT,
              .sum = TENSOR_CORE,
              .site = CHUNK_SITES(F16)},
};

static const gla_profile bf16_state = {
    .name = "bf16-state",
    .what = "recurrent in binary32 with the state rounded to bf16 after every token",
    .form = "recurrent+suffix",
    .model = {.op = BINARY32,
              .exp = GPU_EXP,
              .exp_argument = BASE2,
              .sum = BINARY32,
              .site = {[GLA_SITE_SCALE] = BINARY32, [GLA_SITE_STATE] = BF16, [GLA_SITE_DSTATE] = BF16}},
};

static const gla_profile ideal = {
    .name = "ideal",
    .what = "exact arithmetic, one rounding at the end",
    .form = "recurrent",
};

const gla_profile *const gla_profiles[] = {&f32,           &f32_chunk,  &f32_tf32, &chunk_bf16, &chunk_f16,
                                           &bf16_operands, &bf16_state, &ideal,    NULL};

const gla_profile *gla_profile_named(const char *name) {
    for (const gla_profile *const *p = gla_profiles; *p; p++)
        if (strcmp((*p)->name, name) == 0) return *p;
    return NULL;
}

const gla_profile *gla_profile_default(const gla_format *output) {
    if (output && output->p == 8) return &chunk_bf16;
    if (output && output->p == 11) return &chunk_f16;
    return &f32;
}

static bool has(const gla_problem *p, const gla_form *form) { return gla_form_available(p, form); }

gla_status gla_profile_form(const gla_problem *p, const char *text, bool backward, gla_form *out, gla_error *err) {
    gla_status status = gla_form_parse(text, out, err);
    if (status != GLA_OK) return status;
    out->backward = backward;
    gla_form inverse = *out;
    inverse.solver = GLA_UT;
    bool pseudo =
        out->solver == GLA_SOLVE && out->kind != GLA_RECURRENT; /* forms pseudo-values, if the mechanism does */
    if (pseudo && has(p, &inverse)) *out = inverse;
    if (!has(p, out)) out->route = GLA_ROUTE_DEFAULT;
    if (!has(p, out)) *out = (gla_form){.kind = GLA_RECURRENT, .C = out->C, .c = out->c, .backward = backward};
    return GLA_OK;
}
