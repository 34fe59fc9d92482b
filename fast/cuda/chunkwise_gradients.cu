/* SPDX-License-Identifier: Apache-2.0
 *
 * Chunkwise, last pass back: dq, dk, dg of 64 channels of a chunk, every chunk by itself.
 *
 *     dP = lower(dO V^T), rounded
 *     dQi = dO S^T      dQh = dQi + dP Kh        dq = (dQh e^(Gamma-r)) s
 *     dKi = V G^T       dKh = dKi + dP^T Qh      dk = dKh e^(r-Gamma)
 *     dg_t = sum_{i>=t} (Qh dQh - Kh dKh)_i + end,     end = row(S G) + sum_i Kh_i dKi_i, in this order
 * Of the precise grade dP, Kh and Qh have two parts within the chunk, and what rounding has lost follows: dP Kl, then
 * dPl Kh; the terms of dg are of their wholes. Blocks then have 120 KB of shared memory: not on sm_86 and sm_89.
 * First what goes through the states and dP, 64 columns of dv at a time; then the products within the chunk; then the
 * gates, a thread per channel. Strong channels' columns are replaced at the end (chunkwise_strong.cuh).
 */
#include "chunkwise_strong.cuh"

namespace chunkwise {

namespace {

enum { BATCH = 16 };

/* A block: the readers' 128 threads make dQ and dP, the writers' dK. */
enum { READERS = tiles::THREADS, ALL = 2 * tiles::THREADS };
enum { DOT = READERS, SUM = READERS + C }; /* the first of 64 threads that have a channel of row(S * G), of Gamma */

__device__ inline bool is_reader() { return threadIdx.x < READERS; }
__device__ inline bool is_among(int first) { return (int)threadIdx.x / C == first / C; }

__device__ inline void fetch(state_operands &to, const gla_cuda_problem &p, const memory &m, const chunk &c,
                             int64_t channel, int64_t column) {
    int64_t state = (c.index * p.dk + channel) * m.dv8 + column;
    load_tokens<ALL>(to.dO, p.d_o, p, c.at, c.first, c.m, column, p.dv);
    load_tokens<ALL>(to.V, p.v, p, c.at, c.first, c.m, column, p.dv);
    tiles::load<ALL>(to.S, m.S + state, m.dv8, p.dk - channel, m.dv8 - column);
    tiles::load<ALL>(to.G, m.G + state, m.dv8, p.dk - channel, m.dv8 - column);
}

/* x += row(S * G), a row of both tiles, `columns` of them, in ascending order. */
template <typename T> __device__ inline void add_row_dot(float &x, const state_operands &now, int columns) {
    int row = (int)threadIdx.x % C;
#pragma unroll 4
    for (int j = 0; j < C; j += 8) {
        T S[8], G[8];
        *(uint4 *)S = *(const uint4 *)&tiles::element<T>((uint8_t *)now.S, row, j);
        *(uint4 *)G = *(const uint4 *)&tiles::element<T>((uint8_t *)now.G, row, j);
#pragma unroll
        for (int e = 0; e < 8; e++)
            if (j + e < columns) x = __fmaf_rn(tiles::wide(S[e]), tiles::wide(G[e]), x);
    }
}

/* What goes through the states: D becomes dQi or dKi; and dP, by the readers. Returns row(S * G) of a DOT thread's
 * channel. */
template <typename T, bool PRECISE>
__device__ inline float through_states(gradients_memory<PRECISE> &s, const gla_cuda_problem &p, const memory &m,
                                       const chunk &c, int64_t channel, tiles::accumulator &D, tiles::accumulator &dP) {
    const int steps = (int)((p.dv + C - 1) / C);
    int64_t operands = c.index * C * m.dk8 + channel;
    float dot = 0;
    tiles::load<ALL>(s.Q, m.Qh + operands, m.dk8, C, m.dk8 - channel);
    tiles::load<ALL>(s.K, m.Kh + operands, m.dk8, C, m.dk8 - channel);
    if constexpr (PRECISE) {
        tiles::load<ALL>(s.Q_lost, m.Ql + operands, m.dk8, C, m.dk8 - channel);
        tiles::load<ALL>(s.K_lost, m.Kl + operands, m.dk8, C, m.dk8 - channel);
    }
    for (int i = 0; i < 2; i++) {
        if (i < steps) fetch(s.stage[i], p, m, c, channel, i * C);
        tiles::commit();
    }
    for (int i = 0; i < steps; i++) {
        const state_operands &now = s.stage[i % 2];
        tiles::wait<1>();
        __syncthreads();
        if (p.dg.data && is_among(DOT)) add_row_dot<T>(dot, now, (int)min((int64_t)C, p.dv - i * C));
        if (is_reader()) tiles::product<T, tiles::ALONG, tiles::ACROSS>(dP, now.dO, now.V);
        tiles::product<T, tiles::ALONG, tiles::ACROSS>(D, is_reader() ? now.dO : now.V, is_reader() ? now.S : now.G);
        __syncthreads();
        if (i + 2 < steps) fetch(s.stage[i % 2], p, m, c, channel, (i + 2) * C);
        tiles::commit();
    }
    tiles::wait<0>();
    return dot;
}

/* What stands at the end of a mild channel's sum, by the DOT threads. */
template <typename T, bool PRECISE>
__device__ inline float end_of_sum(const gradients_memory<PRECISE> &s, int m, float dot) {
    int j = (int)threadIdx.x % C;
#pragma unroll 16
    for (int t = 0; t < C; t++) {
        float next = __fmaf_rn(whole_K<T>(s, t, j), s.late.dK[t][j], dot);
        if (t < m) dot = next;
    }
    return dot;
}

/* Gates become Gamma, by the SUM threads; and the gates' factors. */
template <bool PRECISE>
__device__ inline void sum_gates(gradients_memory<PRECISE> &s, const gla_cuda_problem &p, const memory &m,
                                 const chunk &c, int64_t channel) {
    int j = (int)threadIdx.x % C;
    bool there = channel + j < p.dk;
    const float *gates = m.gates + c.index * GATES * m.dk8 + channel + j;
    s.late.enter[j] = there ? gates[ENTER * m.dk8] : 0;
    s.late.mid[j] = there ? gates[MID * m.dk8] : 1;
    uint32_t strong = __ballot_sync(0xffffffff, there && gates[STRONG * m.dk8] != 0);
    if (j % 32 == 0) s.late.strong[j / 32] = strong;
    float sum = 0;
    for (int first = 0; first < C; first += BATCH) {
        float g[BATCH];
#pragma unroll
        for (int t = 0; t < BATCH; t++) g[t] = s.late.Gamma[first + t][j];
#pragma unroll
        for (int t = 0; t < BATCH; t++) s.late.Gamma[first + t][j] = sum = __fadd_rn(sum, g[t]);
    }
}

/* D += dP K, or dP^T Q. */
template <typename T, bool PRECISE>
__device__ inline void add_pairs(const gradients_memory<PRECISE> &s, tiles::accumulator &D) {
    auto add = [&](const uint8_t *dP, const uint8_t *operand) {
        if (is_reader())
            tiles::product<T, tiles::ALONG, tiles::ALONG>(D, dP, operand);
        else
            tiles::product<T, tiles::ACROSS, tiles::ALONG>(D, dP, operand);
    };
    const uint8_t *operand = is_reader() ? s.K : s.Q;
    add(s.dP, operand);
    if constexpr (PRECISE) {
        add(s.dP, is_reader() ? s.K_lost : s.Q_lost);
        add(s.dP_lost, operand);
    }
}

/* dQh or dKh becomes dq or dk, and its buffer a mild channel's terms: what was read, what was written. */
template <typename T, bool PRECISE>
__device__ inline void weigh_by_gates(gradients_memory<PRECISE> &s, tiles::accumulator &D) {
    float(*terms)[PITCH] = is_reader() ? s.late.dQ : s.late.dK;
    tiles::accumulator term; /* stored after the last load: the compiler keeps their order */
    tiles::each([&](int row, int column, int n, int h) {
#pragma unroll
        for (int e = 0; e < 2; e++) {
            float sum = s.late.Gamma[row][column + e], r = s.late.enter[column + e];
            float operand = is_reader() ? whole_Q<T>(s, row, column + e) : whole_K<T>(s, row, column + e);
            term[n][h + e] = __fmul_rn(operand, D[n][h + e]);
            D[n][h + e] = __fmul_rn(D[n][h + e], exponential(is_reader() ? __fsub_rn(sum, r) : __fsub_rn(r, sum)));
        }
    });
    const uint32_t strong[2] = {s.late.strong[0], s.late.strong[1]};
    tiles::each([&](int row, int column, int n, int h) {
#pragma unroll
        for (int e = 0; e < 2; e++)
            if (!is_strong(strong, column + e)) terms[row][column + e] = term[n][h + e];
    });
}

template <bool PRECISE>
__device__ inline void store_gate_gradients(const gradients_memory<PRECISE> &s, const gla_cuda_problem &p,
                                            const chunk &c, int64_t channel, float end) {
    int j = (int)threadIdx.x % C;
    if (channel + j >= p.dk || is_strong(s.late.strong, j)) return;
    int64_t to = tokens::row_of(p.dg, p, c.at, c.first) + channel + j;
    float sum = end;
    for (int last = C - 1; last >= 0; last -= BATCH) {
        float term[BATCH];
#pragma unroll
        for (int t = 0; t < BATCH; t++) term[t] = __fsub_rn(s.late.dQ[last - t][j], s.late.dK[last - t][j]);
#pragma unroll
        for (int t = 0; t < BATCH; t++) {
            if (last - t >= c.m) continue;
            sum = __fadd_rn(term[t], sum);
            tokens::store(p.dg, to + (last - t) * p.dg.stride[1], sum);
        }
    }
}

template <typename T, bool PRECISE>
__global__ void __launch_bounds__(ALL, PRECISE ? 1 : 2)
    gradients(const __grid_constant__ gla_cuda_problem p, const __grid_constant__ memory m, float scale) {
    extern __shared__ __align__(16) uint8_t raw[];
    auto &s = *(gradients_memory<PRECISE> *)raw;
    const chunk c = chunk_of(p);
    if (c.m < 1) return;
    const int64_t channel = (int64_t)blockIdx.y * C;
    const bool gates = p.g.data;
    const int quarter = (int)threadIdx.x / C * BATCH, j = (int)threadIdx.x % C;
    tiles::accumulator D, dP;
    tiles::zero(D);
    tiles::zero(dP);
    const float dot = through_states<T>(s, p, m, c, channel, D, dP);
    float g[BATCH]; /* a quarter of a channel's */
    gate_column<T>(g, p, c, channel + j, quarter);
    if (is_reader()) {
        tiles::each([&](int row, int column, int n, int h) {
            dP[n][h] = column <= row && row < c.m ? dP[n][h] : 0;
            dP[n][h + 1] = column + 1 <= row && row < c.m ? dP[n][h + 1] : 0;
        });
        tiles::put<T>(s.dP, dP);
        if constexpr (PRECISE) {
            tiles::each([&](int, int, int n, int h) {
                dP[n][h] = tiles::lost<T>(dP[n][h]);
                dP[n][h + 1] = tiles::lost<T>(dP[n][h + 1]);
            });
            tiles::put<T>(s.dP_lost, dP);
        }
    }
    if (gates) { /* the stages are nobody's any more */
        float(*inter)[PITCH] = is_reader() ? s.late.dQ : s.late.dK;
        tiles::each([&](int row, int column, int n, int h) {
            *(float2 *)&inter[row][column] = make_float2(D[n][h], D[n][h + 1]);
        });
#pragma unroll
        for (int t = 0; t < BATCH; t++) s.late.Gamma[quarter + t][j] = g[t];
        if (is_among(DOT)) s.late.dot[j] = dot;
    }
    __syncthreads();
    add_pairs<T>(s, D);
    const float end = gates && is_among(DOT) ? end_of_sum<T>(s, c.m, dot) : 0;
    if (gates && is_among(SUM)) sum_gates(s, p, m, c, channel);
    __syncthreads();
    if (gates) weigh_by_gates<T>(s, D);
    if (is_reader())
        tiles::each([&](int, int, int n, int h) {
            D[n][h] = __fmul_rn(D[n][h], scale);
            D[n][h + 1] = __fmul_rn(D[n][h + 1], scale);
        });
    const gla_cuda_tensor &to = is_reader() ? p.dq : p.dk_;
    if (to.data) store_tokens<T>(to, p, c, channel, p.dk, D, s.late.room[!is_reader()]);
    __syncthreads();
    if (p.dg.data && is_among(DOT)) store_gate_gradients(s, p, c, channel, end);
    for (int i = 0; gates && (s.late.strong[0] | s.late.strong[1]) && i < C; i++)
        if (is_strong(s.late.strong, i)) replace_strong<T>(s, p, c, channel, i, scale);
}

template <typename T, bool PRECISE>
cudaError_t launch(const gla_cuda_problem *p, const memory &m, float scale, cudaStream_t stream) {
    const int bytes = (int)sizeof(gradients_memory<PRECISE>);
    auto kernel = gradients<T, PRECISE>;
    cudaError_t e = cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, bytes);
    if (e != cudaSuccess) return e;
    dim3 grid((unsigned)(m.slots * p->H), (unsigned)((p->dk + C - 1) / C));
    kernel<<<grid, ALL, (size_t)bytes, stream>>>(*p, m, scale);
    return cudaGetLastError();
}

template <typename T> cudaError_t either(const gla_cuda_problem *p, const memory &m, float scale, cudaStream_t stream) {
    return m.Ql ? launch<T, true>(p, m, scale, stream) : launch<T, false>(p, m, scale, stream);
}

} // namespace

cudaError_t make_gradients(const gla_cuda_problem *p, const memory &m, float scale, cudaStream_t stream) {
    return p->q.dtype == GLA_CUDA_F16 ? either<__half>(p, m, scale, stream)
                                      : either<__nv_bfloat16>(p, m, scale, stream);
}

} // namespace chunkwise
