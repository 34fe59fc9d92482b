/* SPDX-License-Identifier: Apache-2.0
 *
 * What is known of tensor cores, one row per architecture, instruction, operand type and result type (tensor_core.h).
 *
 * What a row rests on is said in its evidence:
 *   our words   what our own probe recorded of each instruction: data/hardware/README.md, compared by
 *               tests/fast/hardware/test_probe_words.c
 *   words       result words recorded on such a GPU by the authors of "Accurate Models of NVIDIA Tensor Cores" (Khattak
 *               and Mikaitis 2025): 5000 random blocks each, without subnormals, infinities or chains, all reproduced.
 *               Those of H200 and A100 are compared again wherever they lie beside the project
 *               (tests/fast/hardware/test_mma_recorded.c); others were compared once, elsewhere
 *   published   papers whose models were validated on silicon by their authors: that one, and MMA-Sim (Xie et al.
 *   models      2025); nothing was compared
 *
 * Not modelled: sparse products, 4- and 6-bit types, block-scaled types (mxf8f6f4, mxf4, nvf4), integers, sm_120.
 * With f16 operands and f32 results no term is below 2^-126, so a floor below that is not seen (GLA_MMA_NO_FLOOR).
 * NVIDIA's PTX leaves order, rounding and subnormals of all of them unspecified.
 */
#include "tensor_core.h"

#include <string.h>

static const char LITERATURE[] = "published models";
static const char PROBED[] = "our words of an H200 (over 2 million)";
static const char PROBED_TOO[] = "our words of an H200 (over 2 million); words (all 5000)";
static const char PROBED_F64[] = "our words of an H200 (over 2 million; m8n8k4, m16n8k16)";
static const char A100[] = "words of an A100 (all 5000)";
static const char A2[] = "words of an A2 (all 5000; elsewhere)";
static const char ADA[] = "words of an L40S (all 5000; elsewhere)";
static const char V100[] = "words of a V100 (all 5000; elsewhere)";
static const char B200[] = "words of a B200 (mma.sync; elsewhere); tcgen05: published models";
static const char B200_TF32[] = "words of a B200 (mma.sync; elsewhere); rest: published models";
static const char B200_SPLIT[] = "words of a B200 (all 5000; elsewhere)";
static const char TURING_FLOOR[] = "published models; the floor is assumed to be sm_80's";

const gla_mma_model gla_mma_models[] = {
    {"sm_90", "wgmma, mma.sync m16n8k16", "bf16", "f32", GLA_MMA_FUSED, GLA_MMA_RZ_F32, 16, 25, -133, true, PROBED_TOO},
    {"sm_90", "wgmma, mma.sync m16n8k16", "f16", "f32", GLA_MMA_FUSED, GLA_MMA_RZ_F32, 16, 25, -133, true, PROBED_TOO},
    {"sm_90", "wgmma, mma.sync m16n8k16", "f16", "f16", GLA_MMA_FUSED, GLA_MMA_RN_F16, 16, 25, -21, true, PROBED_TOO},
    {"sm_90", "mma.sync m16n8k8", "bf16", "f32", GLA_MMA_FUSED, GLA_MMA_RZ_F32, 8, 25, -133, true, PROBED},
    {"sm_90", "mma.sync m16n8k8", "f16", "f32", GLA_MMA_FUSED, GLA_MMA_RZ_F32, 8, 25, -133, true, PROBED},
    {"sm_90", "mma.sync m16n8k8", "f16", "f16", GLA_MMA_FUSED, GLA_MMA_RN_F16, 8, 25, -21, true, PROBED},
    {"sm_90", "wgmma, mma.sync m16n8k8", "tf32", "f32", GLA_MMA_FUSED, GLA_MMA_RZ_F32, 8, 25, -133, true, PROBED_TOO},
    {"sm_90", "mma.sync m16n8k4", "tf32", "f32", GLA_MMA_FUSED, GLA_MMA_RZ_F32, 4, 25, -133, true, PROBED},
    {"sm_90", "wgmma", "e4m3", "f32", GLA_MMA_FUSED, GLA_MMA_RZ_E8M13, 32, 13, -133, true, PROBED_TOO},
    {"sm_90", "wgmma", "e5m2", "f32", GLA_MMA_FUSED, GLA_MMA_RZ_E8M13, 32, 13, -133, true, PROBED_TOO},
    {"sm_90", "wgmma", "e4m3.e5m2", "f32", GLA_MMA_FUSED, GLA_MMA_RZ_E8M13, 32, 13, -133, true, PROBED},
    {"sm_90", "wgmma", "e5m2.e4m3", "f32", GLA_MMA_FUSED, GLA_MMA_RZ_E8M13, 32, 13, -133, true, PROBED},
    {"sm_90", "wgmma", "e4m3", "f16", GLA_MMA_FUSED, GLA_MMA_RN_F16, 32, 13, -21, true, PROBED},
    {"sm_90", "wgmma", "e5m2", "f16", GLA_MMA_FUSED, GLA_MMA_RN_F16, 32, 13, -21, true, PROBED},
    {"sm_90", "wgmma", "e4m3.e5m2", "f16", GLA_MMA_FUSED, GLA_MMA_RN_F16, 32, 13, -21, true, PROBED},
    {"sm_90", "wgmma", "e5m2.e4m3", "f16", GLA_MMA_FUSED, GLA_MMA_RN_F16, 32, 13, -21, true, PROBED},
    {"sm_90", "mma.sync m16n8k32", "e4m3", "f32", GLA_MMA_SPLIT, GLA_MMA_RZ_F32, 32, 25, -133, true, PROBED},
    {"sm_90", "mma.sync m16n8k32", "e5m2", "f32", GLA_MMA_SPLIT, GLA_MMA_RZ_F32, 32, 25, -133, true, PROBED},
    {"sm_90", "mma.sync m16n8k32", "e4m3.e5m2", "f32", GLA_MMA_SPLIT, GLA_MMA_RZ_F32, 32, 25, -133, true, PROBED},
    {"sm_90", "mma.sync m16n8k32", "e5m2.e4m3", "f32", GLA_MMA_SPLIT, GLA_MMA_RZ_F32, 32, 25, -133, true, PROBED},
    {"sm_90", "mma.sync m16n8k32", "e4m3", "f16", GLA_MMA_SPLIT, GLA_MMA_RN_F16, 32, 25, -21, true, PROBED_TOO},
    {"sm_90", "mma.sync m16n8k32", "e5m2", "f16", GLA_MMA_SPLIT, GLA_MMA_RN_F16, 32, 25, -21, true, PROBED_TOO},
    {"sm_90", "mma.sync m16n8k32", "e4m3.e5m2", "f16", GLA_MMA_SPLIT, GLA_MMA_RN_F16, 32, 25, -21, true, PROBED},
    {"sm_90", "mma.sync m16n8k32", "e5m2.e4m3", "f16", GLA_MMA_SPLIT, GLA_MMA_RN_F16, 32, 25, -21, true, PROBED},
    {"sm_90", "mma.sync", "f64", "f64", GLA_MMA_FMA_CHAIN, GLA_MMA_RZ_F32, 1, 0, 0, true, PROBED_F64},
    {"sm_80", "mma.sync", "bf16", "f32", GLA_MMA_FUSED, GLA_MMA_RZ_F32, 8, 24, -132, false, A100},
    {"sm_80", "mma.sync", "f16", "f32", GLA_MMA_FUSED, GLA_MMA_RZ_F32, 8, 24, -132, false, A100},
    {"sm_80", "mma.sync", "f16", "f16", GLA_MMA_FUSED, GLA_MMA_RN_F16, 8, 24, -20, false, A100},
    {"sm_80", "mma.sync", "tf32", "f32", GLA_MMA_FUSED, GLA_MMA_RZ_F32, 4, 24, -132, false, A100},
    {"sm_80", "mma.sync", "f64", "f64", GLA_MMA_FMA_CHAIN, GLA_MMA_RZ_F32, 1, 0, 0, false, LITERATURE},
    {"sm_86", "mma.sync", "bf16", "f32", GLA_MMA_FUSED, GLA_MMA_RZ_F32, 8, 24, -132, false, A2},
    {"sm_86", "mma.sync", "f16", "f32", GLA_MMA_FUSED, GLA_MMA_RZ_F32, 8, 24, -132, false, A2},
    {"sm_86", "mma.sync", "f16", "f16", GLA_MMA_FUSED, GLA_MMA_RN_F16, 8, 24, -20, false, A2},
    {"sm_86", "mma.sync", "tf32", "f32", GLA_MMA_FUSED, GLA_MMA_RZ_F32, 4, 24, -132, false, A2},
    {"sm_89", "mma.sync", "bf16", "f32", GLA_MMA_FUSED, GLA_MMA_RZ_F32, 8, 24, -132, false, ADA},
    {"sm_89", "mma.sync", "f16", "f32", GLA_MMA_FUSED, GLA_MMA_RZ_F32, 8, 24, -132, false, ADA},
    {"sm_89", "mma.sync", "f16", "f16", GLA_MMA_FUSED, GLA_MMA_RN_F16, 8, 24, -20, false, ADA},
    {"sm_89", "mma.sync", "tf32", "f32", GLA_MMA_FUSED, GLA_MMA_RZ_F32, 4, 24, -132, false, ADA},
    {"sm_89", "mma.sync m16n8k32", "e4m3", "f32", GLA_MMA_FUSED, GLA_MMA_RZ_E8M13, 16, 13, -132, false, ADA},
    {"sm_89", "mma.sync m16n8k32", "e5m2", "f32", GLA_MMA_FUSED, GLA_MMA_RZ_E8M13, 16, 13, -132, false, ADA},
    {"sm_89", "mma.sync m16n8k32", "e4m3", "f16", GLA_MMA_FUSED, GLA_MMA_RN_F16, 16, 13, -21, false, ADA},
    {"sm_89", "mma.sync m16n8k32", "e5m2", "f16", GLA_MMA_FUSED, GLA_MMA_RN_F16, 16, 13, -21, false, ADA},
    {"sm_75", "mma.sync", "f16", "f32", GLA_MMA_FUSED, GLA_MMA_RZ_F32, 8, 24, GLA_MMA_NO_FLOOR, false, LITERATURE},
    {"sm_75", "mma.sync", "f16", "f16", GLA_MMA_FUSED, GLA_MMA_RN_F16, 8, 24, -20, false, TURING_FLOOR},
    {"sm_70", "mma.sync", "f16", "f32", GLA_MMA_FUSED, GLA_MMA_RZ_F32, 4, 23, GLA_MMA_NO_FLOOR, false, V100},
    {"sm_70", "mma.sync", "f16", "f16", GLA_MMA_FUSED, GLA_MMA_RN_F16, 4, 23, -19, false, V100},
    {"sm_100", "tcgen05, mma.sync m16n8k16", "bf16", "f32", GLA_MMA_FUSED, GLA_MMA_RZ_F32, 16, 25, -133, false, B200},
    {"sm_100", "tcgen05, mma.sync m16n8k16", "f16", "f32", GLA_MMA_FUSED, GLA_MMA_RZ_F32, 16, 25, -133, false, B200},
    {"sm_100", "tcgen05, mma.sync m16n8k16", "f16", "f16", GLA_MMA_FUSED, GLA_MMA_RN_F16, 16, 25, -21, false, B200},
    {"sm_100", "tcgen05, mma.sync m16n8k8", "tf32", "f32", GLA_MMA_FUSED, GLA_MMA_RZ_F32, 8, 25, -133, false,
     B200_TF32},
    {"sm_100", "tcgen05", "e4m3", "f32", GLA_MMA_FUSED, GLA_MMA_RZ_F32, 32, 25, -133, false, LITERATURE},
    {"sm_100", "tcgen05", "e5m2", "f32", GLA_MMA_FUSED, GLA_MMA_RZ_F32, 32, 25, -133, false, LITERATURE},
    {"sm_100", "tcgen05", "e4m3", "f16", GLA_MMA_FUSED, GLA_MMA_RN_F16, 32, 25, -21, false, LITERATURE},
    {"sm_100", "tcgen05", "e5m2", "f16", GLA_MMA_FUSED, GLA_MMA_RN_F16, 32, 25, -21, false, LITERATURE},
    {"sm_100", "mma.sync m16n8k32", "e4m3", "f32", GLA_MMA_SPLIT, GLA_MMA_RZ_F32, 32, 25, -133, false, B200_SPLIT},
    {"sm_100", "mma.sync m16n8k32", "e5m2", "f32", GLA_MMA_SPLIT, GLA_MMA_RZ_F32, 32, 25, -133, false, B200_SPLIT},
    {"sm_100", "mma.sync m16n8k32", "e4m3", "f16", GLA_MMA_SPLIT, GLA_MMA_RN_F16, 32, 25, -21, false, B200_SPLIT},
    {"sm_100", "mma.sync m16n8k32", "e5m2", "f16", GLA_MMA_SPLIT, GLA_MMA_RN_F16, 32, 25, -21, false, B200_SPLIT},
    {"sm_100", "mma.sync", "f64", "f64", GLA_MMA_FMA_CHAIN, GLA_MMA_RZ_F32, 1, 0, 0, false, LITERATURE},
    {0}};

/* Is `name` one of the comma-separated instructions, or a word of one? */
static bool lists(const char *instructions, const char *name) {
    const size_t length = strlen(name);
    for (const char *at = instructions; (at = strstr(at, name)); at++) {
        bool begins = at == instructions || at[-1] == ' ';
        if (begins && strchr(", ", at[length])) return true; /* the list's end counts: strchr finds it */
    }
    return false;
}

static bool fits(const char *have, const char *asked) { return asked[0] == 0 || strcmp(have, asked) == 0; }

const gla_mma_model *gla_mma_model_of(const char *arch, const char *instruction, const char *type, const char *result) {
    for (const gla_mma_model *m = gla_mma_models; m->arch; m++)
        if (fits(m->arch, arch) && fits(m->type, type) && fits(m->result, result) &&
            (instruction[0] == 0 || lists(m->instruction, instruction)))
            return m;
    return NULL;
}
