/* SPDX-License-Identifier: Apache-2.0
 *
 * The exponentials that GPU kernels call, as sequences of fma and MUFU operations, replayed bit for bit.
 *
 *     gla_gpu_ex2        ex2.approx.f32 (no .ftz): x < -126 is doubled through 2^(x/2)^2, so that subnormals survive
 *     gla_gpu_exp_fast   __expf and expf under -use_fast_math: ex2.approx.ftz(x * log2 e), both flushing subnormals;
 *                        relative error grows as |x| 2^-24. (Without that flag CUDA 13.0 compiles __expf to
 *                        gla_gpu_exp_triton's two instructions.)
 *     gla_gpu_expf       expf as nvcc compiles it without fast-math: two-part reduction, 2 ulp documented
 *     gla_gpu_exp_triton tl.exp: x * log2 e, then ex2.approx.f32
 *     gla_gpu_exp2_poly  our own 2^x of explicit fma, in exp2_poly.h: the same bits on any IEEE machine
 *     gla_gpu_exp_poly   e^x over it
 *
 * and the instructions beside ex2 without .ftz, which scale subnormals into range, then back:
 *
 *     gla_gpu_rcp        rcp.approx.f32
 *     gla_gpu_rsq        rsqrt.approx.f32
 *     gla_gpu_lg2        lg2.approx.f32
 *
 * On one NVIDIA H200 all 2^32 words of each are these, as CUDA 13.0 compiles them for sm_90 (test_gpu_exp.c,
 * test_mufu.c). Largest error in units in the last place, and how often the result is not the nearest number, for
 * 2^-26 <= |x| with a result in the normal range, x > 0 and x < 0 (test_mufu_error.c):
 *
 *     gla_gpu_expf                            1.90570 ulp, 21.9 %     1.93099 ulp, 37.0 %
 *     gla_gpu_exp_fast, gla_gpu_exp_triton   63.78065 ulp, 31.8 %    62.74428 ulp, 48.1 %
 *     gla_gpu_exp2_poly                       0.78854 ulp,  1.6 %     0.79961 ulp,  1.7 %
 *     gla_gpu_exp_poly                        1.01149 ulp,  2.4 %     1.00324 ulp,  2.6 %
 */
#ifndef GLASSBOX_GPU_EXP_H
#define GLASSBOX_GPU_EXP_H

float gla_gpu_ex2(float x);
float gla_gpu_exp_fast(float x);
float gla_gpu_expf(float x);
float gla_gpu_exp_triton(float x);
float gla_gpu_exp2_poly(float x);
float gla_gpu_exp_poly(float x);

float gla_gpu_rcp(float x);
float gla_gpu_rsq(float x);
float gla_gpu_lg2(float x);

#endif
