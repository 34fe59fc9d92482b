/* SPDX-License-Identifier: Apache-2.0
 *
 * What the kernels of the parallel rung share: operands and decays of one token, and sums of outer products.
 */
#ifndef GLA_PARALLEL_TILES_CUH
#define GLA_PARALLEL_TILES_CUH

#include "parallel.cuh"
#include "tokens.cuh"

namespace parallel {

using namespace tokens;

/* A block of WARPS warps has TILE tokens (or rows of a state), a warp ROWS of them, a lane every 32nd column. */
enum { TILE = 32, WARPS = 8, ROWS = TILE / WARPS, THREADS = 32 * WARPS, PITCH = TILE + 4 };

typedef gla_parallel_inputs inputs;
typedef gla_parallel_gate gate;

__device__ inline int warp() { return (int)threadIdx.x / 32; }
__device__ inline int lane() { return (int)threadIdx.x % 32; }

/* Element n of token t's reader (q scaled; do) or writer (k; v), over channels or over columns. */
template <bool READER, bool CHANNELS>
__device__ inline float operand(const inputs &x, const place &at, int64_t t, int64_t n) {
    const gla_cuda_problem &p = x.p;
    const gla_cuda_tensor &from = CHANNELS ? READER ? p.q : p.k : READER ? p.d_o : p.v;
    float value = load_or_0(from, row_of(from, p, at, t) + n);
    return READER && CHANNELS ? __fmul_rn(value, x.scale) : value;
}

/* Of a number per token, head and channel. */
__device__ inline int64_t index_of(const inputs &x, const place &at, int64_t t, int64_t channel) {
    return ((at.b * x.p.T + at.first + t) * x.p.H + at.h) * x.p.dk + channel;
}

__device__ inline gate gate_at(const inputs &x, const place &at, int64_t t, int64_t channel) {
    if (!x.gates) return {0, 0};
    return x.gates[index_of(x, at, t, channel)];
}

/* e^(G_t - G_i). */
__device__ inline float decay_between(gate t, gate i) {
    return t.epoch == i.epoch ? exponential(__fsub_rn(t.sum, i.sum)) : 0;
}

/* From before the sequence to token t, or from token t to the sequence's end. */
template <bool INTO> __device__ inline float decay_over(const inputs &x, const place &at, int64_t t, int64_t channel) {
    gate here = gate_at(x, at, t, channel);
    if (!INTO) return decay_between(gate_at(x, at, at.length - 1, channel), here);
    return here.epoch == 0 ? exponential(here.sum) : 0;
}

/* z[r][n] += sum_m A[m][row r of the warp] X[m][column n of the lane], m < count ascending. */
template <int COLUMNS>
__device__ inline void add_products(float (&z)[ROWS][COLUMNS], const float (*A)[PITCH], const float (*X)[32 * COLUMNS],
                                    int count) {
#pragma unroll 4
    for (int m = 0; m < count; m++) {
        float4 four = *(const float4 *)&A[m][ROWS * warp()];
        const float a[ROWS] = {four.x, four.y, four.z, four.w};
#pragma unroll
        for (int n = 0; n < COLUMNS; n++) {
            float x = X[m][lane() + 32 * n];
#pragma unroll
            for (int r = 0; r < ROWS; r++) z[r][n] = __fmaf_rn(a[r], x, z[r][n]);
        }
    }
}

} // namespace parallel

#endif
