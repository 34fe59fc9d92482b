/* SPDX-License-Identifier: Apache-2.0
 *
 * GLA, parallel: the states at both ends, sums of outer products over all tokens, ascending.
 *
 *     S_T  = e^G_T*S_0    + sum_t (e^(G_T-G_t)*k_t) v_t^T
 *     dS_0 = e^G_T*dS_fin + sum_t (e^G_t*s q_t) do_t^T
 *
 * A block has one sequence, one head and TILE x 128 elements of the state.
 */
#include "parallel_tiles.cuh"

namespace parallel_states {

using namespace parallel;

enum { COLUMNS = 4 };

template <bool BACK>
__global__ void __launch_bounds__(THREADS)
    states(const __grid_constant__ inputs x, const __grid_constant__ gla_cuda_tensor to) {
    __shared__ __align__(16) float row[TILE][PITCH], column[TILE][32 * COLUMNS];
    const gla_cuda_problem &p = x.p;
    place at = place_of(p, blockIdx.x);
    int64_t top = (int64_t)blockIdx.y * TILE, left = (int64_t)blockIdx.z * 32 * COLUMNS;
    state from = state_of(BACK ? p.d_final_state : p.initial_state, p, at), end = state_of(to, p, at);
    float z[ROWS][COLUMNS];
#pragma unroll
    for (int r = 0; r < ROWS; r++) {
        int64_t i = top + ROWS * warp() + r;
        float decay = at.length && i < p.dk ? decay_over<true>(x, at, at.length - 1, i) : 1;
#pragma unroll
        for (int n = 0; n < COLUMNS; n++) {
            int64_t j = left + lane() + 32 * n;
            z[r][n] = i < p.dk && j < p.dv ? __fmul_rn(decay, from.get(i, j)) : 0;
        }
    }
    for (int64_t first = 0; first < at.length; first += TILE) {
        int count = (int)min((int64_t)TILE, at.length - first);
        __syncthreads();
        for (int m = warp(); m < count; m += WARPS) {
            int64_t t = first + m, i = top + lane();
            row[m][lane()] = i < p.dk ? __fmul_rn(operand<BACK, true>(x, at, t, i), decay_over<BACK>(x, at, t, i)) : 0;
            for (int n = 0; n < COLUMNS; n++) {
                int64_t j = left + lane() + 32 * n;
                column[m][lane() + 32 * n] = j < p.dv ? operand<BACK, false>(x, at, t, j) : 0;
            }
        }
        __syncthreads();
        add_products<COLUMNS>(z, row, column, count);
    }
#pragma unroll
    for (int r = 0; r < ROWS; r++)
#pragma unroll
        for (int n = 0; n < COLUMNS; n++) {
            int64_t i = top + ROWS * warp() + r, j = left + lane() + 32 * n;
            if (i < p.dk && j < p.dv) end.set(i, j, z[r][n]);
        }
}

} // namespace parallel_states

cudaError_t gla_cuda_parallel_states(const gla_parallel_inputs *x, bool back, const gla_cuda_tensor *to,
                                     cudaStream_t stream) {
    using namespace parallel_states;
    dim3 grid((unsigned)(x->p.N * x->p.H), (unsigned)((x->p.dk + TILE - 1) / TILE),
              (unsigned)((x->p.dv + 32 * COLUMNS - 1) / (32 * COLUMNS)));
    if (back)
        states<true><<<grid, THREADS, 0, stream>>>(*x, *to);
    else
        states<false><<<grid, THREADS, 0, stream>>>(*x, *to);
    return cudaGetLastError();
}
