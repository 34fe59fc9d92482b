/* SPDX-License-Identifier: Apache-2.0
 *
 * GLA, recurrent, by columns of the state.
 *
 *     forward   S = alpha_i S;  S = fma(k_i, v_j, S);           o_j  = sum_i (s q_i) S_ij        last: final_state
 *     back      F = fma(s q_i, do_j, F);  dv_j = sum_i k_i F_ij;  F = alpha_i F                  last: dinitial_state
 *
 * A block has one sequence, one head and LANES columns, a thread one column. Per tile of tokens the block lays alpha, k
 * and s q into shared memory, STRIP rows at a time, and each thread takes its elements of those rows through the tile.
 * Between tiles the state [dk,LANES] is in shared memory; the first tile reads it where it comes from and the last
 * writes it where it goes, which may be the same place.
 */
#include "recurrent.cuh"
#include "tokens.cuh"

namespace recurrent_columns {

using namespace tokens;

/* TILE tokens at a time, ROWS elements of a column in flight. */
enum { LANES = 64, STRIP = 64, TILE = GLA_RECURRENT_TILE, ROWS = 8 };

/* ROWS elements of one column, from row i of the strip on, through the tile. x: v or do; y: o or dv. A token is
 * (alpha, what writes, what reads). */
template <bool BACK, bool FULL>
__device__ inline void through(float (&S)[ROWS], const float4 (*token)[STRIP], int i, int rows, int count,
                               const float (&x)[TILE], float (&y)[TILE]) {
#pragma unroll
    for (int r = 0; r < ROWS; r++) {
        if (i + r >= rows) break;
#pragma unroll
        for (int n = 0; n < TILE; n++) {
            const int t = BACK ? TILE - 1 - n : n;
            if (!FULL && t >= count) continue;
            float4 f = token[t][i + r];
            if (!BACK) S[r] = __fmul_rn(f.x, S[r]);
            S[r] = __fmaf_rn(f.y, x[t], S[r]);
            y[t] = __fmaf_rn(f.z, S[r], y[t]);
            if (BACK) S[r] = __fmul_rn(f.x, S[r]);
        }
    }
}

/* Rows first .. first+rows-1 of the tile's tokens, by all threads. */
template <bool BACK>
__device__ inline void lay_out(float4 (*token)[STRIP], const gla_cuda_problem &p, const place &at, float scale,
                               int64_t start, int count, int first, int rows) {
    for (int n = (int)threadIdx.x; n < count * STRIP; n += LANES) {
        int t = n / STRIP, i = n % STRIP;
        if (i >= rows) continue;
        float k = load(p.k, row_of(p.k, p, at, start + t) + first + i);
        float sq = __fmul_rn(load(p.q, row_of(p.q, p, at, start + t) + first + i), scale);
        float alpha = decay_of(p.g, p.g.data ? row_of(p.g, p, at, start + t) + first + i : 0);
        token[t][i] = BACK ? make_float4(alpha, sq, k, 0) : make_float4(alpha, k, sq, 0);
    }
}

/* One tile for one column: the state goes from `from` to `to`. */
template <bool BACK>
__device__ inline void tile(const gla_cuda_problem &p, const place &at, float scale, int64_t start, int count,
                            float4 (*token)[STRIP], int64_t j, state from, state to) {
    const gla_cuda_tensor &in = BACK ? p.d_o : p.v, &out = BACK ? p.dv_ : p.o;
    float x[TILE], y[TILE];
#pragma unroll
    for (int t = 0; t < TILE; t++) {
        x[t] = j < p.dv && t < count && in.data ? load(in, row_of(in, p, at, start + t) + j) : 0;
        y[t] = 0;
    }
    for (int first = 0; first < p.dk; first += STRIP) {
        int rows = (int)min((int64_t)STRIP, p.dk - first);
        __syncthreads();
        lay_out<BACK>(token, p, at, scale, start, count, first, rows);
        __syncthreads();
        for (int i = 0; i < rows && j < p.dv; i += ROWS) {
            float S[ROWS];
#pragma unroll
            for (int r = 0; r < ROWS; r++) S[r] = i + r < rows ? from.get(first + i + r, j) : 0;
            if (count == TILE)
                through<BACK, true>(S, token, i, rows, count, x, y);
            else
                through<BACK, false>(S, token, i, rows, count, x, y);
#pragma unroll
            for (int r = 0; r < ROWS; r++)
                if (i + r < rows && to.at) to.set(first + i + r, j, S[r]);
        }
    }
#pragma unroll
    for (int t = 0; t < TILE; t++)
        if (j < p.dv && t < count && out.data) store(out, row_of(out, p, at, start + t) + j, y[t]);
}

template <bool BACK>
__global__ void __launch_bounds__(LANES, 1) columns(const __grid_constant__ gla_cuda_problem p, float scale) {
    extern __shared__ float room[];
    __shared__ float4 token[TILE][STRIP];
    place at = place_of(p, blockIdx.x);
    int64_t left = (int64_t)blockIdx.y * LANES, j = left + threadIdx.x, tiles = (at.length + TILE - 1) / TILE;
    state start = state_of(BACK ? p.d_final_state : p.initial_state, p, at);
    state end = state_of(BACK ? p.dinitial_state : p.final_state, p, at);
    state kept = {room - left, LANES, 1};
    for (int64_t n = 0; n < tiles; n++) {
        int64_t first = (BACK ? tiles - 1 - n : n) * TILE;
        int count = (int)min((int64_t)TILE, at.length - first);
        tile<BACK>(p, at, scale, first, count, token, j, n == 0 ? start : kept, n == tiles - 1 ? end : kept);
    }
    for (int64_t i = 0; tiles == 0 && end.at && j < p.dv && i < p.dk; i++) end.set(i, j, start.get(i, j));
}

template <bool BACK> cudaError_t launch(const gla_cuda_problem *p, float scale, cudaStream_t stream) {
    dim3 grid((unsigned)(p->N * p->H), (unsigned)((p->dv + LANES - 1) / LANES));
    size_t bytes = p->T > TILE ? (size_t)p->dk * LANES * sizeof(float) : 0;
    cudaError_t e = cudaFuncSetAttribute(columns<BACK>, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                         GLA_RECURRENT_DK * LANES * (int)sizeof(float));
    if (e != cudaSuccess) return e;
    columns<BACK><<<grid, LANES, bytes, stream>>>(*p, scale);
    return cudaGetLastError();
}

} // namespace recurrent_columns

cudaError_t gla_cuda_recurrent_columns(const gla_cuda_problem *p, float scale, bool back, cudaStream_t stream) {
    using namespace recurrent_columns;
    return back ? launch<true>(p, scale, stream) : launch<false>(p, scale, stream);
}
