/* SPDX-License-Identifier: Apache-2.0
 *
 * Instruction by instruction what the CUDA 13.0 compiler makes of each function for sm_90 (cuobjdump --dump-sass).
 */
#include "gpu_exp.h"

#include <math.h>

#include "exp2_poly.h"
#include "mufu.h"

static const float LOG2_E = 0x1.715476p+0f, LOG2_E_LOW = 0x1.4ae0cp-26f;
static const float LEAST_NORMAL = 0x1p-126f;

static float unit(uint32_t (*function)(uint32_t), float x) {
    uint32_t word;
    memcpy(&word, &x, sizeof word);
    return gla_poly_float(function(word));
}

/* FSETP.GEU x, -126; @!P FMUL x, 0.5; MUFU.EX2; @!P FMUL y, y */
float gla_gpu_ex2(float x) {
    if (!(x < -126)) return unit(gla_mufu_ex2, x);
    const float root = unit(gla_mufu_ex2, x * 0.5f);
    return root * root;
}

/* FMUL.FTZ, MUFU.EX2. Flushing does not show: 2^x is 1 for a subnormal x, on either side. */
float gla_gpu_exp_fast(float x) { return unit(gla_mufu_ex2, x * LOG2_E); }

float gla_gpu_exp_triton(float x) { return gla_gpu_ex2(x * LOG2_E); }

/* The nearest integer n to x log2 e, as 252 t cut to an integer, t in [0, 1], less 126; then 2^r 2^n. */
float gla_gpu_expf(float x) {
    const float ratio = fmaf(x, 0x1.77313ap-8f, 0.5f);          /* FFMA.SAT: log2 e / 252 */
    const float t = !(ratio > 0) ? 0 : ratio > 1 ? 1 : ratio;   /* NaN saturates to 0 */
    const uint32_t field = (uint32_t)((double)t * 252) + 1;     /* FFMA.RM with 12582913 */
    const float n = (float)field - 127;                         /* FADD -12583039 */
    const float r = fmaf(x, LOG2_E_LOW, fmaf(x, LOG2_E, -n));   /* FFMA, FFMA */
    return unit(gla_mufu_ex2, r) * gla_poly_float(field << 23); /* MUFU.EX2, FMUL */
}

float gla_gpu_exp2_poly(float x) { return gla_poly_exp2(x); }
float gla_gpu_exp_poly(float x) { return gla_poly_exp(x); }

/* FMUL by 2^24 for subnormals, by 1/4 above 2^126, before and after MUFU.RCP. */
float gla_gpu_rcp(float x) {
    const float scale = fabsf(x) < LEAST_NORMAL ? 0x1p24f : fabsf(x) > 0x1p126f ? 0.25f : 1;
    return unit(gla_mufu_rcp, x * scale) * scale;
}

float gla_gpu_rsq(float x) {
    if (!(fabsf(x) < LEAST_NORMAL)) return unit(gla_mufu_rsq, x);
    return unit(gla_mufu_rsq, x * 0x1p24f) * 0x1p12f;
}

float gla_gpu_lg2(float x) {
    if (!(fabsf(x) < LEAST_NORMAL)) return unit(gla_mufu_lg2, x);
    return unit(gla_mufu_lg2, x * 0x1p24f) - 24;
}
