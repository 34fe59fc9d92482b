/* SPDX-License-Identifier: Apache-2.0
 *
 * GLA, parallel: what is a sum over time, a thread per channel.
 *
 *     G_t = G_{t-1} + g_t, from 0 on after g_t = -inf, and after a sum of finite gates that left binary32's range
 *     dg_t += sum_{i>=t} q_i*dq_i + sum_{i<t} k_i*dk_i + row(e^G_T*S_0*dS_fin)      dq, dk: through the states alone
 */
#include "parallel_tiles.cuh"

namespace parallel_gates {

using namespace parallel;

enum { LANES = 64, AHEAD = 8 }; /* tokens read before the first is used */

__device__ inline gate next_gate(gate before, float g, bool first) {
    float sum = first ? g : __fadd_rn(before.sum, g);
    bool left = !first && !isfinite(sum) && isfinite(before.sum) && before.sum < 0 && isfinite(g) && g < 0;
    bool reset = g == -INFINITY || left;
    return {reset ? 0 : sum, before.epoch + reset};
}

__global__ void __launch_bounds__(LANES) sums(const __grid_constant__ gla_cuda_problem p, gate *gates) {
    place at = place_of(p, blockIdx.x);
    int64_t c = (int64_t)blockIdx.y * LANES + threadIdx.x;
    if (c >= p.dk) return;
    gate *to = gates + ((at.b * p.T + at.first) * p.H + at.h) * p.dk + c;
    gate sum = {0, 0};
    for (int64_t t = 0; t < at.length; t += AHEAD) {
        float g[AHEAD];
#pragma unroll
        for (int n = 0; n < AHEAD; n++) g[n] = t + n < at.length ? load(p.g, row_of(p.g, p, at, t + n) + c) : 0;
#pragma unroll
        for (int n = 0; n < AHEAD; n++) {
            if (t + n >= at.length) break;
            sum = next_gate(sum, g[n], t + n == 0);
            to[(t + n) * p.H * p.dk] = sum;
        }
    }
}

/* dg_t += sum_{i>=t} q_i*dq_i, then += sum_{i<t} k_i*dk_i, then += through: what crosses from t-1 to t by a state. */
__global__ void __launch_bounds__(LANES)
    crossing_states(const __grid_constant__ inputs x, const float *dq_state, const float *dk_state) {
    const gla_cuda_problem &p = x.p;
    place at = place_of(p, blockIdx.x);
    int64_t c = (int64_t)blockIdx.y * LANES + threadIdx.x;
    if (c >= p.dk || at.length == 0) return;
    state S = state_of(p.initial_state, p, at), adjoint = state_of(p.d_final_state, p, at);
    float decay = decay_over<true>(x, at, at.length - 1, c), through = 0, read = 0, written = 0;
    for (int64_t j = 0; j < p.dv; j++) through = __fmaf_rn(__fmul_rn(decay, S.get(c, j)), adjoint.get(c, j), through);
    float *dg = (float *)p.dg.data + c;
#pragma unroll 4
    for (int64_t t = at.length - 1; t >= 0; t--) {
        float term = __fmul_rn(load(p.q, row_of(p.q, p, at, t) + c), dq_state[index_of(x, at, t, c)]);
        read = t == at.length - 1 ? term : __fadd_rn(term, read);
        dg[row_of(p.dg, p, at, t)] = __fadd_rn(dg[row_of(p.dg, p, at, t)], read);
    }
#pragma unroll 4
    for (int64_t t = 0; t < at.length; t++) {
        dg[row_of(p.dg, p, at, t)] = __fadd_rn(__fadd_rn(dg[row_of(p.dg, p, at, t)], written), through);
        float term = __fmul_rn(load(p.k, row_of(p.k, p, at, t) + c), dk_state[index_of(x, at, t, c)]);
        written = __fadd_rn(written, term);
    }
}

static dim3 grid_of(const gla_cuda_problem *p) {
    return dim3((unsigned)(p->N * p->H), (unsigned)((p->dk + LANES - 1) / LANES));
}

} // namespace parallel_gates

cudaError_t gla_cuda_parallel_gates(const gla_cuda_problem *p, gla_parallel_gate *gates, cudaStream_t stream) {
    using namespace parallel_gates;
    sums<<<grid_of(p), LANES, 0, stream>>>(*p, gates);
    return cudaGetLastError();
}

cudaError_t gla_cuda_parallel_crossing_states(const gla_parallel_inputs *x, const float *dq_state,
                                              const float *dk_state, cudaStream_t stream) {
    using namespace parallel_gates;
    crossing_states<<<grid_of(&x->p), LANES, 0, stream>>>(*x, dq_state, dk_state);
    return cudaGetLastError();
}
