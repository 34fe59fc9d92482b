/* SPDX-License-Identifier: Apache-2.0
 *
 * What every binary32 rung reads and writes: elements of tensors of any dtype, one sequence of one head, e^g.
 */
#ifndef GLA_TOKENS_CUH
#define GLA_TOKENS_CUH

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include "gla_cuda.h"
#include "offsets.cuh"
#include "ptx.cuh"

namespace tokens {

using ptx::exponential;

/* One sequence (tokens first .. first+length-1 of batch b, slot n of the states) of head h. */
struct place {
    int64_t n, b, h, first, length;
};

/* `index` counts the N sequences' heads. */
__device__ inline place place_of(const gla_cuda_problem &p, int64_t index) {
    place at;
    at.n = (uint32_t)index / (uint32_t)p.H; /* N*H is below 2^31 */
    at.h = (uint32_t)index % (uint32_t)p.H;
    at.b = p.cu_seqlens ? 0 : at.n;
    at.first = offsets::first_of(p, at.n);
    at.length = offsets::length_of(p, at.n);
    return at;
}

__device__ inline int64_t head_of(const gla_cuda_tensor &x, const gla_cuda_problem &p, const place &at) {
    return (uint32_t)at.h / ((uint32_t)p.H / (uint32_t)x.heads);
}

/* Element 0 of token t of the sequence. */
__device__ inline int64_t row_of(const gla_cuda_tensor &x, const gla_cuda_problem &p, const place &at, int64_t t) {
    return at.b * x.stride[0] + (at.first + t) * x.stride[1] + head_of(x, p, at) * x.stride[2];
}

__device__ inline float load(const gla_cuda_tensor &x, int64_t i) {
    if (x.dtype == GLA_CUDA_F32) return ((const float *)x.data)[i];
    if (x.dtype == GLA_CUDA_F16) return __half2float(((const __half *)x.data)[i]);
    return __bfloat162float(((const __nv_bfloat16 *)x.data)[i]);
}

/* An absent tensor is zeros. */
__device__ inline float load_or_0(const gla_cuda_tensor &x, int64_t i) { return x.data ? load(x, i) : 0; }

/* Rounds once, to nearest even. */
__device__ inline void store(const gla_cuda_tensor &x, int64_t i, float value) {
    if (x.dtype == GLA_CUDA_F32)
        ((float *)x.data)[i] = value;
    else if (x.dtype == GLA_CUDA_F16)
        ((__half *)x.data)[i] = __float2half_rn(value);
    else
        ((__nv_bfloat16 *)x.data)[i] = __float2bfloat16_rn(value);
}

/* A state [dk,dv] of binary32 anywhere. at NULL: zeros. */
struct state {
    float *at;
    int64_t row, column; /* from one row, one column to the next */
    __device__ float get(int64_t i, int64_t j) const { return at ? at[i * row + j * column] : 0; }
    __device__ void set(int64_t i, int64_t j, float x) const { at[i * row + j * column] = x; }
};

__device__ inline state state_of(const gla_cuda_tensor &x, const gla_cuda_problem &p, const place &at) {
    if (!x.data) return {NULL, 0, 0};
    return {(float *)x.data + at.n * x.stride[0] + head_of(x, p, at) * x.stride[1], x.stride[2], 1};
}

/* e^g; without a gate 1, which multiplies exactly. */
__device__ inline float decay_of(const gla_cuda_tensor &g, int64_t i) { return g.data ? exponential(load(g, i)) : 1; }

} // namespace tokens

#endif
