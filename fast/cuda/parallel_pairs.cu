/* SPDX-License-Identifier: Apache-2.0
 *
 * GLA, parallel: everything that is a sum over pairs i <= t of a reader t and a writer i.
 *
 *     reads   o_t  = sum_{i<=t} P_ti v_i  + S_0^T (e^G_t*s q_t)
 *             dq_t = sum_{i<=t} dP_ti k_i*e^(G_t-G_i) + e^G_t*(S_0 do_t), times s
 *     writes  dv_i = sum_{t>=i} P_ti do_t + dS_fin^T (e^(G_T-G_i)*k_i)
 *             dk_i = sum_{t>=i} dP_ti s q_t*e^(G_t-G_i) + e^(G_T-G_i)*(dS_fin v_i)
 *     P_ti = sum_c s q_tc k_ic e^(G_tc-G_ic)      dP_ti = sum_x do_tx v_ix
 *
 * A block owns TILE readers (or writers) of one sequence and head, and a slab of columns of the result. It meets the
 * tiles of writers (readers) one after the other, in ascending order: makes the weights of TILE x TILE pairs, four to a
 * thread, and adds what they pass on. The four results are one kernel: READS says whose tile it is, KEYS whether the
 * result lies over channels (dq dk) or columns of v.
 */
#include "parallel_weights.cuh"

namespace parallel_pairs {

using namespace parallel;

template <bool READS, bool KEYS> struct block {
    enum { COLUMNS = KEYS ? 2 : 4 }; /* of a thread; decays take the other registers and the other shared memory */
    const inputs &x;
    place at;
    int64_t first, left; /* token and column of its tile's corner */
};

/* What the partners pass on, and dq and dk's gates of it. */
template <bool KEYS> struct partners {
    float value[TILE][KEYS ? 64 : 128];
    gate gates[KEYS ? TILE : 1][KEYS ? 64 : 1];
};

template <bool KEYS> struct room {
    strips<KEYS> strip;
    partners<KEYS> partner;
    alignas(16) float weight[TILE][PITCH]; /* [partner][owner] */
};

/* ---- what they pass on ---- */

template <bool READS, bool KEYS>
__device__ inline void lay_out_partners(const block<READS, KEYS> &b, partners<KEYS> &to, int64_t first) {
    int64_t D = KEYS ? b.x.p.dk : b.x.p.dv;
    for (int m = warp(); m < TILE; m += WARPS)
        for (int c = lane(); c < 32 * block<READS, KEYS>::COLUMNS; c += 32) {
            bool there = first + m < b.at.length && b.left + c < D;
            to.value[m][c] = there ? operand<!READS, KEYS>(b.x, b.at, first + m, b.left + c) : 0;
            if (!KEYS) continue;
            gate g = {0, 0};
            if (there) g = gate_at(b.x, b.at, first + m, b.left + c);
            to.gates[KEYS ? m : 0][KEYS ? c : 0] = g;
        }
}

/* z[r][n] += weight times the partner's value, decayed between the two for dq and dk. On the diagonal a token has only
 * the partners on its own side, itself included. */
template <bool READS, bool KEYS, bool DIAGONAL, int COLUMNS>
__device__ inline void add_partners(float (&z)[ROWS][COLUMNS], const room<KEYS> &x, const gate (&own)[ROWS][COLUMNS],
                                    int count) {
#pragma unroll 2
    for (int m = 0; m < count; m++) {
        float4 four = *(const float4 *)&x.weight[m][ROWS * warp()];
        const float w[ROWS] = {four.x, four.y, four.z, four.w};
#pragma unroll
        for (int r = 0; r < ROWS; r++) {
            int token = ROWS * warp() + r;
            if (DIAGONAL && (READS ? m > token : m < token)) continue;
#pragma unroll
            for (int n = 0; n < COLUMNS; n++) {
                float y = x.partner.value[m][lane() + 32 * n];
                if (KEYS) {
                    gate other = x.partner.gates[KEYS ? m : 0][KEYS ? lane() + 32 * n : 0];
                    y = __fmul_rn(READS ? decay_between(own[r][n], other) : decay_between(other, own[r][n]), y);
                }
                z[r][n] = __fmaf_rn(w[r], y, z[r][n]);
            }
        }
    }
}

/* ---- the state at the other end ---- */

/* z[r][n] = sum over channels (o dv) or columns (dq dk) of the token's operand times the state's element. */
template <bool READS, bool KEYS, int COLUMNS>
__device__ inline void through_state(float (&z)[ROWS][COLUMNS], const block<READS, KEYS> &b, room<KEYS> &r) {
    const gla_cuda_problem &p = b.x.p;
    state S = state_of(READS ? p.initial_state : p.d_final_state, p, b.at);
    int64_t inner = KEYS ? p.dv : p.dk, D = KEYS ? p.dk : p.dv;
    for (int64_t n0 = 0; n0 < inner; n0 += STRIP) {
        __syncthreads();
        for (int m = warp(); m < TILE; m += WARPS) {
            int64_t t = b.first + m, n = n0 + lane();
            bool there = t < b.at.length && n < inner;
            float x = there ? operand<READS, !KEYS>(b.x, b.at, t, n) : 0;
            r.weight[lane()][m] = KEYS || !there ? x : __fmul_rn(x, decay_over<READS>(b.x, b.at, t, n));
        }
        for (int m = warp(); m < STRIP; m += WARPS)
            for (int c = lane(); c < 32 * COLUMNS; c += 32) {
                int64_t n = n0 + m, column = b.left + c;
                bool there = n < inner && column < D;
                r.partner.value[m][c] = there ? KEYS ? S.get(column, n) : S.get(n, column) : 0;
            }
        __syncthreads();
        add_products<COLUMNS>(z, r.weight, r.partner.value, (int)min((int64_t)STRIP, inner - n0));
    }
}

/* ---- one block ---- */

/* To the tensor; through the state alone, of dq and dk, to `inter`. */
template <bool READS, bool KEYS, int COLUMNS>
__device__ inline void store_tile(float (&z)[ROWS][COLUMNS], const float (&through)[ROWS][COLUMNS],
                                  const block<READS, KEYS> &b, const gla_cuda_tensor &to, float *inter) {
    const gla_cuda_problem &p = b.x.p;
#pragma unroll
    for (int r = 0; r < ROWS; r++)
#pragma unroll
        for (int n = 0; n < COLUMNS; n++) {
            int64_t t = b.first + ROWS * warp() + r, c = b.left + lane() + 32 * n;
            if (t >= b.at.length || c >= (KEYS ? p.dk : p.dv)) continue;
            float decay = KEYS ? decay_over<READS>(b.x, b.at, t, c) : 1, scale = READS && KEYS ? b.x.scale : 1;
            if (to.data)
                store(to, row_of(to, p, b.at, t) + c, __fmul_rn(__fmaf_rn(decay, through[r][n], z[r][n]), scale));
            if (KEYS && inter) inter[index_of(b.x, b.at, t, c)] = __fmul_rn(__fmaf_rn(decay, through[r][n], 0), scale);
        }
}

template <bool READS, bool KEYS>
__global__ void __launch_bounds__(THREADS)
    pairs(const __grid_constant__ inputs x, const __grid_constant__ gla_cuda_tensor to, float *inter) {
    const int COLUMNS = block<READS, KEYS>::COLUMNS;
    __shared__ __align__(16) room<KEYS> r;
    int64_t tile = READS ? gridDim.y - 1 - blockIdx.y : blockIdx.y; /* those with most partners start first */
    block<READS, KEYS> b = {x, place_of(x.p, blockIdx.x), tile * TILE, (int64_t)blockIdx.z * 32 * COLUMNS};
    if (b.first >= b.at.length) return;
    float z[ROWS][COLUMNS] = {}, through[ROWS][COLUMNS] = {};
    gate own[ROWS][COLUMNS] = {};
#pragma unroll
    for (int i = 0; i < ROWS; i++)
#pragma unroll
        for (int n = 0; n < COLUMNS; n++) {
            int64_t t = b.first + ROWS * warp() + i, c = b.left + lane() + 32 * n;
            if (KEYS && t < b.at.length && c < x.p.dk) own[i][n] = gate_at(x, b.at, t, c);
        }
    for (int64_t partners = READS ? 0 : b.first; to.data && partners < (READS ? b.first + TILE : b.at.length);
         partners += TILE) {
        int count = (int)min((int64_t)TILE, b.at.length - partners);
        make_weights<READS, KEYS>(r.weight, r.strip, x, b.at, READS ? b.first : partners, READS ? partners : b.first);
        lay_out_partners(b, r.partner, partners);
        __syncthreads();
        if (partners == b.first)
            add_partners<READS, KEYS, true>(z, r, own, count);
        else
            add_partners<READS, KEYS, false>(z, r, own, count);
    }
    through_state<READS, KEYS>(through, b, r);
    store_tile(z, through, b, to, inter);
}

template <bool READS, bool KEYS>
cudaError_t launch(const gla_parallel_inputs *x, const gla_cuda_tensor *to, float *inter, cudaStream_t stream) {
    int64_t D = KEYS ? x->p.dk : x->p.dv, slab = 32 * block<READS, KEYS>::COLUMNS;
    dim3 grid((unsigned)(x->p.N * x->p.H), (unsigned)((x->p.T + TILE - 1) / TILE), (unsigned)((D + slab - 1) / slab));
    pairs<READS, KEYS><<<grid, THREADS, 0, stream>>>(*x, *to, inter);
    return cudaGetLastError();
}

} // namespace parallel_pairs

cudaError_t gla_cuda_parallel_pairs(const gla_parallel_inputs *x, gla_parallel_output which, const gla_cuda_tensor *to,
                                    float *inter, cudaStream_t stream) {
    using namespace parallel_pairs;
    switch (which) {
    case GLA_PARALLEL_O:
        return launch<true, false>(x, to, inter, stream);
    case GLA_PARALLEL_DQ:
        return launch<true, true>(x, to, inter, stream);
    case GLA_PARALLEL_DK:
        return launch<false, true>(x, to, inter, stream);
    default:
        return launch<false, false>(x, to, inter, stream);
    }
}
