/* SPDX-License-Identifier: Apache-2.0
 *
 * Chunkwise, first pass, every chunk by itself: gates become factors, q and k become operands, operands scores.
 *
 *     mild     Qh = sq e^(Gamma-r)   Kh = k e^(r-Gamma)   enter = r   leave = Gamma_last - r   mid = 1
 *     strong   Qh = sq e^Gamma       Kh = k e^Delta       enter = leave = 0                    mid = e^Gamma_last
 *     P = lower(Qh Kh^T over mild channels, then fma(sq_i, k_j D_ji, P_ij) for each strong one in turn)
 *
 * Of the precise grade Qh and Kh have two parts, what rounding has lost is Ql and Kl, and 64 channels add Qh Kh^T, then
 * Qh Kl^T, then Ql Kh^T (gated/operand.h).
 *
 * A block has one chunk of one head and goes through its channels 64 at a time. A thread has one channel of q or of k:
 * its gates are in shared memory. Loads come in batches before the first store: the compiler keeps their order.
 */
#include "chunkwise_pairs.cuh"

namespace chunkwise {

namespace {

enum { BATCH = 16 };

template <bool PRECISE> struct lost_parts {};
template <> struct lost_parts<true> { uint8_t Ql[tiles::BYTES], Kl[tiles::BYTES]; };

template <bool PRECISE> struct scores_memory : lost_parts<PRECISE> {
    uint8_t Q[tiles::BYTES], K[tiles::BYTES];
    bool strong[GLA_CHUNKWISE_DK];
    union {
        float g[C][C]; /* [token][channel] */
        struct pairs pairs;
    };
};

template <bool PRECISE> __device__ inline scores_memory<PRECISE> &room() {
    if constexpr (PRECISE) {
        extern __shared__ __align__(16) uint8_t raw[];
        return *(scores_memory<PRECISE> *)raw;
    } else {
        __shared__ __align__(16) scores_memory<PRECISE> s;
        return s;
    }
}

/* x as an operand, and what rounding loses, if a tile wants it. */
template <typename T> __device__ inline void put(uint8_t *tile, uint8_t *lost, int row, int column, float x) {
    T hi = tiles::narrow<T>(x);
    tiles::element<T>(tile, row, column) = hi;
    if (lost) tiles::element<T>(lost, row, column) = tiles::narrow<T>(__fsub_rn(x, tiles::wide(hi)));
}

struct channel {
    float half, last;
    bool strong;
};

/* The gates of 64 channels; 0 past the end of the sequence, past dk and without gates. */
template <typename T>
__device__ inline void load_gates(float (&g)[C][C], const gla_cuda_problem &p, const chunk &c, int64_t slab) {
    int row = (int)threadIdx.x / C * (C / 2), j = (int)threadIdx.x % C;
    float x[C / 2];
    gate_column<T>(x, p, c, slab * C + j, row);
#pragma unroll
    for (int t = 0; t < C / 2; t++) g[row + t][j] = x[t];
}

template <typename T> __device__ inline channel channel_of(const float (&g)[C][C], int j) {
    channel x = {0, g[0][j], !(fabsf(g[0][j]) <= limit_of<T>())};
#pragma unroll 16
    for (int t = 1; t < C; t++) {
        x.last = __fadd_rn(x.last, g[t][j]);
        x.strong |= !(fabsf(x.last) <= limit_of<T>());
    }
    x.half = __fmul_rn(0.5f, x.last);
    return x;
}

__device__ inline void publish(const memory &m, const chunk &c, int64_t channel_index, const channel &x) {
    float *to = m.gates + c.index * GATES * m.dk8 + channel_index;
    to[ENTER * m.dk8] = x.strong ? 0 : x.half;
    to[LEAVE * m.dk8] = x.strong ? 0 : __fsub_rn(x.last, x.half);
    to[MID * m.dk8] = x.strong ? exponential(x.last) : 1;
    to[STRONG * m.dk8] = x.strong;
}

/* Column j of q (READER), or of k, by its gates, from the first token on. */
template <typename T, bool READER>
__device__ inline void weigh_column(uint8_t *tile, uint8_t *lost, const float (&g)[C][C], int j, const channel &x,
                                    int m, float scale) {
    float sum = 0;
    for (int first = 0; first < C; first += BATCH) {
        float z[BATCH], e[BATCH];
#pragma unroll
        for (int t = 0; t < BATCH; t++) {
            z[t] = tiles::at<T>(tile, first + t, j);
            e[t] = g[first + t][j];
        }
#pragma unroll
        for (int t = 0; t < BATCH; t++) {
            sum = __fadd_rn(sum, e[t]);
            float weight = exponential(x.strong ? sum : READER ? __fsub_rn(sum, x.half) : __fsub_rn(x.half, sum));
            z[t] = __fmul_rn(READER ? __fmul_rn(z[t], scale) : z[t], weight);
            put<T>(tile, lost, first + t, j, first + t < m ? z[t] : 0);
        }
    }
}

/* A strong column of k: the decay to the end of the chunk, from the last token on. */
template <typename T, int UNROLL>
__device__ inline void weigh_to_the_end(uint8_t *tile, uint8_t *lost, const float (&g)[C][C], int j, int m) {
    float delta = 0;
#pragma unroll 1
    for (int t = m; lost && t < C; t++) put<T>(tile, lost, t, j, 0);
#pragma unroll UNROLL
    for (int t = m - 1; t >= 0; t--) {
        put<T>(tile, lost, t, j, __fmul_rn(tiles::at<T>(tile, t, j), exponential(delta)));
        delta = __fadd_rn(g[t][j], delta);
    }
}

/* Threads 0-63 a channel of q each, 64-127 of k. Returns whether this thread's is strong. */
template <typename T, bool PRECISE>
__device__ inline bool weigh(scores_memory<PRECISE> &s, const gla_cuda_problem &p, const memory &m, const chunk &c,
                             int64_t slab, float scale) {
    uint8_t *Ql = NULL, *Kl = NULL;
    if constexpr (PRECISE) {
        Ql = s.Ql;
        Kl = s.Kl;
    }
    int j = (int)threadIdx.x % C;
    load_tokens(s.Q, p.q, p, c.at, c.first, c.m, slab * C, p.dk);
    load_tokens(s.K, p.k, p, c.at, c.first, c.m, slab * C, p.dk);
    tiles::commit();
    load_gates<T>(s.g, p, c, slab);
    tiles::wait<0>();
    __syncthreads();
    const channel x = channel_of<T>(s.g, j);
    if (threadIdx.x < C) {
        weigh_column<T, true>(s.Q, Ql, s.g, j, x, c.m, scale);
        s.strong[slab * C + j] = x.strong;
        if (slab * C + j < m.dk8) publish(m, c, slab * C + j, x);
    } else if (x.strong) {
        weigh_to_the_end<T, PRECISE ? 1 : 4>(s.K, Kl, s.g, j, c.m);
    } else {
        weigh_column<T, false>(s.K, Kl, s.g, j, x, c.m, scale);
    }
    return x.strong;
}

/* Qh and Kh of 64 channels stand in s; the strong ones do not count. */
template <typename T, bool PRECISE>
__device__ inline void add_mild(tiles::accumulator &P, scores_memory<PRECISE> &s, int64_t slab, bool any) {
    for (int i = (int)threadIdx.x; any && i < C * C; i += tiles::THREADS) {
        if (!s.strong[slab * C + i % C]) continue;
        tiles::element<T>(s.Q, i / C, i % C) = tiles::narrow<T>(0);
        if constexpr (PRECISE) tiles::element<T>(s.Ql, i / C, i % C) = tiles::narrow<T>(0);
    }
    __syncthreads();
    if constexpr (PRECISE) {
#pragma unroll 1
        for (int i = 0; i < 3; i++)
            tiles::product<T, tiles::ALONG, tiles::ACROSS>(P, i == 2 ? s.Ql : s.Q, i == 1 ? s.Kl : s.K);
    } else {
        tiles::product<T, tiles::ALONG, tiles::ACROSS>(P, s.Q, s.K);
    }
}

template <typename T, bool PRECISE>
__device__ inline void add_strong(tiles::accumulator &P, scores_memory<PRECISE> &s, const gla_cuda_problem &p,
                                  const chunk &c, float scale) {
    for (int64_t i = 0; i < p.dk; i++) {
        if (!s.strong[i]) continue;
        take_channel<T>(s.pairs, p, c, i, scale);
        const pairs &x = s.pairs;
        tiles::each([&](int row, int column, int n, int h) {
            if (row >= c.m) return;
            for (int e = 0; e < 2; e++)
                if (column + e <= row)
                    P[n][h + e] = __fmaf_rn(x.sq[row], __fmul_rn(x.k[column + e], x.D[row][column + e]), P[n][h + e]);
        });
    }
}

template <typename T, bool PRECISE>
__global__ void __launch_bounds__(tiles::THREADS, PRECISE ? 3 : 4)
    scores(const __grid_constant__ gla_cuda_problem p, const __grid_constant__ memory m, float scale, bool wanted) {
    auto &s = room<PRECISE>();
    chunk c = chunk_of(p);
    if (c.m < 1) return;
    tiles::accumulator P;
    tiles::zero(P);
    bool any = false;
    for (int64_t slab = 0; slab * C < p.dk; slab++) {
        __syncthreads();
        bool here = __syncthreads_or(weigh<T, PRECISE>(s, p, m, c, slab, scale));
        int64_t to = c.index * C * m.dk8 + slab * C, columns = m.dk8 - slab * C;
        tiles::store(s.Q, m.Qh + to, m.dk8, C, columns);
        tiles::store(s.K, m.Kh + to, m.dk8, C, columns);
        if constexpr (PRECISE) {
            if (m.Ql) tiles::store(s.Ql, m.Ql + to, m.dk8, C, columns);
            if (m.Kl) tiles::store(s.Kl, m.Kl + to, m.dk8, C, columns);
        }
        if (!wanted) continue;
        if (here) __syncthreads(); /* until Qh is stored */
        add_mild<T, PRECISE>(P, s, slab, here);
        any |= here;
    }
    if (!wanted) return;
    if (any) add_strong<T, PRECISE>(P, s, p, c, scale);
    tiles::each([&](int row, int column, int n, int h) {
        P[n][h] = column <= row && row < c.m ? P[n][h] : 0;
        P[n][h + 1] = column + 1 <= row && row < c.m ? P[n][h + 1] : 0;
    });
    __syncthreads();
    tiles::put<T>(s.Q, P);
    __syncwarp();
    tiles::store(s.Q, m.P + c.index * C * C, C, C, C);
    if (!PRECISE || !m.Pl) return;
    tiles::each([&](int, int, int n, int h) {
        for (int e = 0; e < 2; e++) P[n][h + e] = __fsub_rn(P[n][h + e], tiles::wide(tiles::narrow<T>(P[n][h + e])));
    });
    tiles::put<T>(s.K, P);
    __syncwarp();
    tiles::store(s.K, m.Pl + c.index * C * C, C, C, C);
}

template <typename T, bool PRECISE>
cudaError_t launch(const gla_cuda_problem *p, const memory &m, float scale, bool wanted, cudaStream_t stream) {
    int bytes = PRECISE ? (int)sizeof(scores_memory<PRECISE>) : 0;
    if (PRECISE) {
        cudaError_t e = cudaFuncSetAttribute(scores<T, PRECISE>, cudaFuncAttributeMaxDynamicSharedMemorySize, bytes);
        if (e != cudaSuccess) return e;
    }
    scores<T, PRECISE><<<(unsigned)(m.slots * p->H), tiles::THREADS, bytes, stream>>>(*p, m, scale, wanted);
    return cudaGetLastError();
}

} // namespace

cudaError_t make_scores(const gla_cuda_problem *p, const memory &m, float scale, bool precise, bool scores_too,
                        cudaStream_t stream) {
    if (p->q.dtype == GLA_CUDA_F16)
        return precise ? launch<__half, true>(p, m, scale, scores_too, stream)
                       : launch<__half, false>(p, m, scale, scores_too, stream);
    return precise ? launch<__nv_bfloat16, true>(p, m, scale, scores_too, stream)
                   : launch<__nv_bfloat16, false>(p, m, scale, scores_too, stream);
}

} // namespace chunkwise
