/* SPDX-License-Identifier: Apache-2.0
 *
 * Gradients of a strong channel of a chunk (chunkwise_gradients.cu), pair by pair. With D_ji from chunkwise_pairs.cuh,
 *     dq_i = (dQi_i e^Gamma_i + sum_{j<=i} dP_ij (k_j D_ji)) s             j ascending, one chain of fma
 *     dk_j = dKi_j e^Delta_j + sum_{i>=j} dP_ij (sq_i D_ji)                i ascending
 *     dg_r = sum_{i>=r} Qh_i dQi_i + sum_{j<r} Kh_j dKi_j + mid row(S G) + sum_{j<r<=i} (dP_ij (k_j D_ji)) sq_i
 * the last one as W_rj, suffix sums over i, added over ascending j: what crosses the boundary before r, nothing else.
 */
#ifndef GLA_CHUNKWISE_STRONG_CUH
#define GLA_CHUNKWISE_STRONG_CUH

#include "chunkwise_pairs.cuh"

namespace chunkwise {

enum { PITCH = C + 8 }; /* floats: neighbouring rows of a fragment meet in no bank */

/* Of the precise grade: what these have lost by rounding. */
template <bool PRECISE> struct lost_tiles {};
template <> struct lost_tiles<true> { uint8_t dP_lost[tiles::BYTES], K_lost[tiles::BYTES], Q_lost[tiles::BYTES]; };

struct state_operands {
    uint8_t dO[tiles::BYTES], V[tiles::BYTES], S[tiles::BYTES], G[tiles::BYTES];
};

template <bool PRECISE> struct gradients_memory : lost_tiles<PRECISE> {
    uint8_t dP[tiles::BYTES], K[tiles::BYTES], Q[tiles::BYTES]; /* rounded; Kh, Qh */
    union {
        state_operands stage[2];
        struct {
            float Gamma[C][PITCH];
            float dQ[C][PITCH], dK[C][PITCH]; /* dQi, dKi; then the terms of a mild channel's dg */
            float enter[C], mid[C], dot[C];
            uint32_t strong[2]; /* a bit per channel */
            union {
                alignas(16) uint8_t room[2][tiles::BYTES]; /* for results on their way out */
                struct pairs pairs;
            };
        } late;
    };
};
static_assert(sizeof(gradients_memory<false>) <= 99 * 1024, "what a block can have on sm_86");
static_assert(sizeof(gradients_memory<true>) <= 163 * 1024, "what a block can have on sm_80");

/* An element of dP, Kh, Qh: both its parts, where there are two. */
template <typename T, bool PRECISE>
__device__ inline float whole_dP(const gradients_memory<PRECISE> &s, int row, int column) {
    float x = tiles::at<T>(s.dP, row, column);
    if constexpr (PRECISE) x = __fadd_rn(x, tiles::at<T>(s.dP_lost, row, column));
    return x;
}
template <typename T, bool PRECISE>
__device__ inline float whole_K(const gradients_memory<PRECISE> &s, int row, int column) {
    float x = tiles::at<T>(s.K, row, column);
    if constexpr (PRECISE) x = __fadd_rn(x, tiles::at<T>(s.K_lost, row, column));
    return x;
}
template <typename T, bool PRECISE>
__device__ inline float whole_Q(const gradients_memory<PRECISE> &s, int row, int column) {
    float x = tiles::at<T>(s.Q, row, column);
    if constexpr (PRECISE) x = __fadd_rn(x, tiles::at<T>(s.Q_lost, row, column));
    return x;
}

__device__ inline bool is_strong(const uint32_t (&bits)[2], int channel) {
    return bits[channel / 32] >> channel % 32 & 1;
}

/* dq_i, by thread i. */
template <typename T, bool PRECISE>
__device__ inline float read_pairs(const gradients_memory<PRECISE> &s, const pairs &x, int i, int channel,
                                   float scale) {
    float z = __fmul_rn(s.late.dQ[i][channel], exponential(s.late.Gamma[i][channel]));
    for (int j = 0; j <= i; j++) z = __fmaf_rn(whole_dP<T>(s, i, j), __fmul_rn(x.k[j], x.D[i][j]), z);
    return __fmul_rn(z, scale);
}

/* dk_j, by thread j. */
template <typename T, bool PRECISE>
__device__ inline float written_pairs(const gradients_memory<PRECISE> &s, const pairs &x, int j, int channel, int m) {
    float delta = 0;
    for (int t = m - 1; t > j; t--) delta = __fadd_rn(x.g[t], delta);
    float w = __fmul_rn(s.late.dK[j][channel], exponential(delta));
    for (int i = j; i < m; i++) w = __fmaf_rn(whole_dP<T>(s, i, j), __fmul_rn(x.sq[i], x.D[i][j]), w);
    return w;
}

/* Column j of D becomes W_rj for r > j. */
template <typename T, bool PRECISE>
__device__ inline void cross_boundaries(const gradients_memory<PRECISE> &s, pairs &x, int j, int m) {
    float W = 0;
    for (int r = m - 1; r > j; r--) {
        float t = __fmul_rn(__fmul_rn(whole_dP<T>(s, r, j), __fmul_rn(x.k[j], x.D[r][j])), x.sq[r]);
        W = r == m - 1 ? t : __fadd_rn(t, W);
        x.D[r][j] = W;
    }
}

/* dg_r, by thread r. */
template <typename T, bool PRECISE>
__device__ inline float gate_pairs(const gradients_memory<PRECISE> &s, const pairs &x, int r, int channel, int m) {
    float read = 0, written = 0, dg = 0;
    for (int i = m - 1; i >= r; i--) {
        float term = __fmul_rn(whole_Q<T>(s, i, channel), s.late.dQ[i][channel]);
        read = i == m - 1 ? term : __fadd_rn(term, read);
    }
    for (int j = 0; j < r; j++)
        written = __fadd_rn(written, __fmul_rn(whole_K<T>(s, j, channel), s.late.dK[j][channel]));
    dg = __fadd_rn(__fadd_rn(dg, read), written);
    dg = __fadd_rn(dg, __fmul_rn(s.late.mid[channel], s.late.dot[channel]));
    for (int j = 0; j < r; j++) dg = __fadd_rn(dg, x.D[r][j]);
    return dg;
}

/* For the whole block: column `channel` of the slab from `first` on, over what stands there. */
template <typename T, bool PRECISE>
__device__ inline void replace_strong(gradients_memory<PRECISE> &s, const gla_cuda_problem &p, const chunk &c,
                                      int64_t first, int channel, float scale) {
    pairs &x = s.late.pairs;
    int t = (int)threadIdx.x % C;
    bool reader = threadIdx.x / C == 0, writer = threadIdx.x / C == 1, there = t < c.m;
    take_channel<T>(x, p, c, first + channel, scale);
    auto place = [&](const gla_cuda_tensor &to) { return tokens::row_of(to, p, c.at, c.first + t) + first + channel; };
    if (reader && there && p.dq.data) tokens::store(p.dq, place(p.dq), read_pairs<T>(s, x, t, channel, scale));
    if (writer && there && p.dk_.data) tokens::store(p.dk_, place(p.dk_), written_pairs<T>(s, x, t, channel, c.m));
    if (!p.dg.data) return;
    __syncthreads();
    if (reader && there) cross_boundaries<T>(s, x, t, c.m);
    __syncthreads();
    if (reader && there) tokens::store(p.dg, place(p.dg), gate_pairs<T>(s, x, t, channel, c.m));
}

} // namespace chunkwise

#endif
