/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of special_functions.h. All 2^32 words of each were compared on one H200 (data/hardware/README.md).
 */
#include "special_functions.h"

#include <stddef.h>

#define ALL ((int64_t)1 << 32)
#define RECORD(name) "sm_90", ALL, "data/hardware/mufu_" name ".npz"

const gla_special_function gla_special_functions[] = {
    {"ex2.approx.ftz.f32", "2^x", "gla_mufu_ex2", 2.05498, 0, RECORD("ex2_ftz")},
    {"ex2.approx.f32, exp2f", "2^x", "gla_gpu_ex2", 2.05498, 0, RECORD("ex2")},
    {"rcp.approx.ftz.f32", "1/x", "gla_mufu_rcp", 0.97487, 0, RECORD("rcp_ftz")},
    {"rcp.approx.f32", "1/x", "gla_gpu_rcp", 0.97487, 0, RECORD("rcp")},
    {"rsqrt.approx.ftz.f32", "1/sqrt(x)", "gla_mufu_rsq", 1.51449, 0, RECORD("rsq_ftz")},
    {"rsqrt.approx.f32", "1/sqrt(x)", "gla_gpu_rsq", 1.51449, 0, RECORD("rsq")},
    {"lg2.approx.ftz.f32", "log2 x", "gla_mufu_lg2", 2.30044, -22.1476, RECORD("lg2_ftz")},
    {"lg2.approx.f32", "log2 x", "gla_gpu_lg2", 2.30044, -22.1476, RECORD("lg2")},
    {"expf", "e^x", "gla_gpu_expf", 1.93099, 0, RECORD("expf")},
    {"__expf -use_fast_math", "e^x", "gla_gpu_exp_fast", 63.78065, 0, RECORD("exp_fast_ftz")},
    {"__expf, tl.exp", "e^x", "gla_gpu_exp_triton", 63.78065, 0, RECORD("exp_triton")},
    {"exp2_poly.h", "2^x", "gla_gpu_exp2_poly", 0.79961, 0, RECORD("exp2_poly")},
    {"exp2_poly.h", "e^x", "gla_gpu_exp_poly", 1.01149, 0, RECORD("exp_poly")},
    {0},
};
