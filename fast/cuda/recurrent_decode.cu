/* SPDX-License-Identifier: Apache-2.0
 *
 * GLA, recurrent, a few tokens: the decode step of inference, at the speed of reading and writing the state.
 *
 *     S = alpha_i S;  S = fma(k_i, v_j, S);  o_j = sum_i (s q_i) S_ij      in the order of recurrent_columns.cu
 *
 * A block has one sequence, one head and 4 LANES columns, a thread four neighbouring columns: 16 bytes of every row. It
 * takes each element through all tokens between reading and writing it, the next ROWS rows on their way meanwhile, so
 * final_state may be initial_state. Everything that a step needs is asked for at once: one latency, not a chain.
 */
#include "recurrent.cuh"
#include "tokens.cuh"

namespace recurrent_decode {

using namespace tokens;

enum { LANES = 32, COLUMNS = 4, TOKENS = GLA_RECURRENT_DECODE, SHARE = GLA_RECURRENT_DK / LANES };

/* The thread's columns of some rows. */
template <int ROWS> struct block { float4 row[ROWS]; };

/* A thread's place in the state: column j of `columns` (4, less at the right edge, none past it). */
struct where {
    int64_t j;
    int columns, dk;
};

/* Rows first .. first+ROWS-1 of the state. What lies outside it is not used: something inside is read instead. */
template <int ROWS>
__device__ __forceinline__ void read(block<ROWS> &S, const state &from, int first, const where &me) {
    if (first >= me.dk) return;
    if (!from.at) {
#pragma unroll
        for (int r = 0; r < ROWS; r++) S.row[r] = make_float4(0, 0, 0, 0);
    } else if (me.columns == COLUMNS) {
#pragma unroll
        for (int r = 0; r < ROWS; r++)
            S.row[r] = *(const float4 *)(from.at + min(first + r, me.dk - 1) * from.row + me.j);
    } else {
        int64_t x = me.columns > 0 ? me.j : 0, y = me.columns > 1 ? me.j + 1 : 0, z = me.columns > 2 ? me.j + 2 : 0;
#pragma unroll
        for (int r = 0; r < ROWS; r++) {
            const float *at = from.at + min(first + r, me.dk - 1) * from.row;
            S.row[r] = make_float4(at[x], at[y], at[z], 0);
        }
    }
}

template <int ROWS>
__device__ __forceinline__ void write(const block<ROWS> &S, const state &to, int first, const where &me) {
    float *at = to.at + first * to.row + me.j;
    if (!to.at) return;
    if (me.columns == COLUMNS) {
#pragma unroll
        for (int r = 0; r < ROWS; r++)
            if (first + r < me.dk) *(float4 *)(at + r * to.row) = S.row[r];
    } else {
#pragma unroll
        for (int r = 0; r < ROWS; r++, at += to.row) {
            if (first + r >= me.dk) break;
            if (me.columns > 0) at[0] = S.row[r].x;
            if (me.columns > 1) at[1] = S.row[r].y;
            if (me.columns > 2) at[2] = S.row[r].z;
        }
    }
}

__device__ __forceinline__ void step(float &S, float3 token, float v, float &o) {
    S = __fmaf_rn(token.y, v, __fmul_rn(token.x, S));
    o = __fmaf_rn(token.z, S, o);
}

/* The rows through all tokens. A token's row is (alpha, k, s q). */
template <int COUNT, int ROWS>
__device__ __forceinline__ void through(block<ROWS> &S, const float3 (*token)[GLA_RECURRENT_DK], int count, int first,
                                        int dk, const float4 (&v)[COUNT], float4 (&o)[COUNT]) {
#pragma unroll
    for (int r = 0; r < ROWS; r++) {
        if (first + r >= dk) break;
#pragma unroll
        for (int t = 0; t < COUNT; t++) {
            if (t >= count) break;
            float3 f = token[t][first + r];
            step(S.row[r].x, f, v[t].x, o[t].x);
            step(S.row[r].y, f, v[t].y, o[t].y);
            step(S.row[r].z, f, v[t].z, o[t].z);
            step(S.row[r].w, f, v[t].w, o[t].w);
        }
    }
}

__device__ inline float number(float x) { return x; }
__device__ inline float number(__half x) { return __half2float(x); }
__device__ inline float number(__nv_bfloat16 x) { return __bfloat162float(x); }

/* Row t of a tensor of T, or NULL. */
template <typename T>
__device__ inline const T *row_at(const gla_cuda_tensor &x, const gla_cuda_problem &p, const place &at, int t) {
    return x.data ? (const T *)x.data + row_of(x, p, at, t) : NULL;
}

/* What a thread lays out of one token: rows threadIdx.x, threadIdx.x + LANES, ... */
template <typename T, typename Gate> struct share {
    T q[SHARE], k[SHARE];
    Gate g[SHARE];

    __device__ __forceinline__ void load(const gla_cuda_problem &p, const place &at, int t, int dk) {
        const T *from_q = row_at<T>(p.q, p, at, t), *from_k = row_at<T>(p.k, p, at, t);
        const Gate *from_g = row_at<Gate>(p.g, p, at, t);
#pragma unroll
        for (int n = 0; n < SHARE; n++) {
            int i = n * LANES + (int)threadIdx.x;
            if (i >= dk) continue;
            q[n] = from_q[i];
            k[n] = from_k[i];
            if (from_g) g[n] = from_g[i];
        }
    }
    __device__ __forceinline__ void lay_out(float3 *token, bool gated, int dk, float scale) const {
#pragma unroll
        for (int n = 0; n < SHARE; n++) {
            int i = n * LANES + (int)threadIdx.x;
            if (i >= dk) continue;
            float alpha = gated ? exponential(number(g[n])) : 1;
            token[i] = make_float3(alpha, number(k[n]), __fmul_rn(number(q[n]), scale));
        }
    }
};

/* COUNT: the most tokens of a sequence. */
template <int COUNT, typename T, typename Gate>
__global__ void __launch_bounds__(LANES) decode(const __grid_constant__ gla_cuda_problem p, float scale) {
    __shared__ float3 token[COUNT][GLA_RECURRENT_DK];
    place at = place_of(p, blockIdx.x);
    int64_t j = ((int64_t)blockIdx.y * LANES + threadIdx.x) * COLUMNS;
    where me = {j, (int)min((int64_t)COLUMNS, p.dv - j), (int)p.dk};
    int columns = me.columns, dk = me.dk, count = (int)min((int64_t)COUNT, at.length);
    state from = state_of(p.initial_state, p, at), to = state_of(p.final_state, p, at);
    const int ROWS = COUNT == 1 ? 16 : 8; /* more tokens, fewer registers for rows */
    block<ROWS> here, next;
    read(here, from, 0, me);
    float4 v[COUNT], o[COUNT];
#pragma unroll
    for (int t = 0; t < COUNT; t++) {
        v[t] = o[t] = make_float4(0, 0, 0, 0);
        if (t >= count) continue;
        share<T, Gate> x;
        x.load(p, at, t, dk);
        const T *value = row_at<T>(p.v, p, at, t) + j;
        if (columns > 0) v[t].x = number(value[0]);
        if (columns > 1) v[t].y = number(value[1]);
        if (columns > 2) v[t].z = number(value[2]);
        if (columns > 3) v[t].w = number(value[3]);
        x.lay_out(token[t], p.g.data, dk, scale);
    }
    __syncthreads();
    for (int first = 0; first < dk; first += 2 * ROWS) {
        read(next, from, first + ROWS, me);
        through<COUNT>(here, token, count, first, dk, v, o);
        write(here, to, first, me);
        read(here, from, first + 2 * ROWS, me);
        through<COUNT>(next, token, count, first + ROWS, dk, v, o);
        write(next, to, first + ROWS, me);
    }
#pragma unroll
    for (int t = 0; t < COUNT; t++) {
        if (!p.o.data || t >= count) break;
        int64_t row = row_of(p.o, p, at, t) + j;
        const float out[COLUMNS] = {o[t].x, o[t].y, o[t].z, o[t].w};
#pragma unroll
        for (int c = 0; c < COLUMNS; c++)
            if (c < columns) store(p.o, row + c, out[c]);
    }
}

template <typename T, typename Gate> void launch(const gla_cuda_problem *p, float scale, cudaStream_t stream) {
    dim3 grid((unsigned)(p->N * p->H), (unsigned)((p->dv + LANES * COLUMNS - 1) / (LANES * COLUMNS)));
    if (p->T == 1)
        decode<1, T, Gate><<<grid, LANES, 0, stream>>>(*p, scale);
    else
        decode<TOKENS, T, Gate><<<grid, LANES, 0, stream>>>(*p, scale);
}

template <typename T> void launch_data(const gla_cuda_problem *p, float scale, cudaStream_t stream) {
    if (p->g.data && p->g.dtype != GLA_CUDA_F32)
        launch<T, T>(p, scale, stream);
    else
        launch<T, float>(p, scale, stream);
}

} // namespace recurrent_decode

cudaError_t gla_cuda_recurrent_decode(const gla_cuda_problem *p, float scale, cudaStream_t stream) {
    using namespace recurrent_decode;
    if (p->q.dtype == GLA_CUDA_F32)
        launch_data<float>(p, scale, stream);
    else if (p->q.dtype == GLA_CUDA_F16)
        launch_data<__half>(p, scale, stream);
    else
        launch_data<__nv_bfloat16>(p, scale, stream);
    return cudaGetLastError();
}
