/* SPDX-License-Identifier: Apache-2.0
 *
 * The two ends of the gradient kernel, channel by channel: gates into factors and operands before the products, the
 * products' accumulators into gradients after them. All threads of the block; a thread has two channels and a share of
 * the tokens, the running sums are made again at the end rather than kept.
 */
#ifndef GLA_FUSED_GRADIENTS_ENDS_CUH
#define GLA_FUSED_GRADIENTS_ENDS_CUH

#include "fused_gradients_strong.cuh"

namespace fused {

/* Rows past the end of the sequence belong to somebody else: zeros. */
__device__ inline void clear_panel_rows(uint8_t *panel, int rows) {
    for (int i = rows * 32 + thread_number(); i < C * 32; i += CHUNK_THREADS) ((uint32_t *)panel)[i] = 0;
}

template <int DK, typename Gate> __device__ inline void clear_gates(Gate *g, int rows) {
    for (int i = rows * DK + thread_number(); i < C * DK; i += CHUNK_THREADS) g[i] = Gate(0.0f);
}

/* last and strong, from the whole sum. */
template <int DK, typename Gate, bool PRECISE>
__device__ inline void judge(chunk_memory<DK, Gate, PRECISE> &m, int channel, const running &z) {
    m.last[channel] = z.sum.x;
    m.last[channel + 1] = z.sum.y;
    /* a sum that is NaN stays NaN, and `greatest` does not show it */
    uint32_t even = __ballot_sync(0xffffffff, !(z.greatest.x <= LIMIT && fabsf(z.sum.x) <= LIMIT));
    uint32_t odd = __ballot_sync(0xffffffff, !(z.greatest.y <= LIMIT && fabsf(z.sum.y) <= LIMIT));
    if (threadIdx.x % 32) return;
    m.strong[channel / 64 * 2] = even;
    m.strong[channel / 64 * 2 + 1] = odd;
}

/* e^(Gamma-r) and e^(r-Gamma); negating before or after a rounding is the same. */
struct factors {
    pair into, out;
};
__device__ inline factors factors_of(pair sum, pair half) {
    float x = __fmul_rn(__fsub_rn(sum.x, half.x), LOG2E), y = __fmul_rn(__fsub_rn(sum.y, half.y), LOG2E);
    return {{ptx::ex2(x), ptx::ex2(y)}, {ptx::ex2(-x), ptx::ex2(-y)}};
}

/* element(tile, t + i, channel) for t a multiple of 8, i below 8 known to the compiler. */
template <int DK> __device__ inline __nv_bfloat16 *element8(const uint8_t *tile, int t, int i, int channel) {
    uint32_t in_row = (uint32_t)(channel % 64 * 2) ^ (uint32_t)(i << 4);
    return (__nv_bfloat16 *)((uint8_t *)tile + channel / 64 * PANEL + t * 128 + i * 128 + in_row);
}

/* The same of what a tile has lost, if it is kept. */
template <int DK> __device__ inline __nv_bfloat16 *lost8(const uint8_t *lost, int t, int i, int channel) {
    return lost ? element8<DK>(lost, t, i, channel) : NULL;
}

/* Two neighbours of an operand: both its parts. */
template <int DK> __device__ inline pair whole8(const uint8_t *tile, const uint8_t *lost, int t, int i, int channel) {
    pair x = pair_of(element8<DK>(tile, t, i, channel));
    if (!lost) return x;
    pair rest = pair_of(element8<DK>(lost, t, i, channel));
    return {__fadd_rn(x.x, rest.x), __fadd_rn(x.y, rest.y)};
}

/* q becomes Qm, k becomes Kh. Loads come before stores, here and below: the compiler keeps their order. */
template <int DK, typename Gate, bool PRECISE>
__device__ inline void prepare(chunk_memory<DK, Gate, PRECISE> &m, float scale, int rows) {
    share mine = share_of<DK>();
    running z = sum_before<DK>(m.g, mine.channel, mine.first);
    if (mine.first + mine.tokens == C) {
        running whole = z;
#pragma unroll 8
        for (int t = mine.first; t < C; t++) add_gate(whole, pair_of(m.g + t * DK + mine.channel));
        judge(m, mine.channel, whole);
    }
    ptx::group_sync(BAR_CHUNK, CHUNK_THREADS);
    pair half = half_of(pair_of(m.last + mine.channel));
    bool x = is_strong(m, mine.channel), y = is_strong(m, mine.channel + 1);
    uint8_t *lost_q = lost_of(m, m.q), *lost_k = lost_of(m, m.k);
    for (int t = mine.first; t < mine.first + mine.tokens; t += 8) {
        pair q8[8], k8[8], g8[8];
#pragma unroll
        for (int i = 0; i < 8; i++) {
            q8[i] = pair_of(element8<DK>(m.q, t, i, mine.channel));
            k8[i] = pair_of(element8<DK>(m.k, t, i, mine.channel));
            g8[i] = pair_of(m.g + (t + i) * DK + mine.channel);
        }
#pragma unroll
        for (int i = 0; i < 8; i++) {
            __nv_bfloat16 *q_at = element8<DK>(m.q, t, i, mine.channel), *k_at = element8<DK>(m.k, t, i, mine.channel);
            pair q = q8[i], k = k8[i];
            add_gate(z, g8[i]);
            factors at = factors_of(z.sum, half);
            q = {__fmul_rn(__fmul_rn(q.x, scale), at.into.x), __fmul_rn(__fmul_rn(q.y, scale), at.into.y)};
            put_parts(q_at, lost8<DK>(lost_q, t, i, mine.channel), x ? 0 : q.x, y ? 0 : q.y);
            put_parts(k_at, lost8<DK>(lost_k, t, i, mine.channel), x ? k.x : __fmul_rn(k.x, at.out.x),
                      y ? k.y : __fmul_rn(k.y, at.out.y));
        }
    }
    if (!any_strong(m)) {
        if (thread_number() == 0) m.strong_count = 0;
    } else {
        list_strong(m);
        ptx::group_sync(BAR_CHUNK, CHUNK_THREADS);
        weigh_strong(m, rows);
    }
}

/* dot + row(S*G) over the panel's columns, for the thread's channel. */
template <int DK, typename Gate, bool PRECISE>
__device__ inline float add_row_dot(float dot, const chunk_memory<DK, Gate, PRECISE> &m, int channel, int columns) {
    int pieces = min(columns, 64) / 8;
#pragma unroll 2
    for (int piece = 0; piece < pieces; piece++) {
        uint4 s = *(const uint4 *)(m.S + ptx::swizzled(channel, piece * 8));
        uint4 g = *(const uint4 *)(m.G + ptx::swizzled(channel, piece * 8));
        const uint32_t x[4] = {s.x, s.y, s.z, s.w}, y[4] = {g.x, g.y, g.z, g.w};
#pragma unroll
        for (int i = 0; i < 4; i++) {
            dot = __fmaf_rn(__uint_as_float(x[i] << 16), __uint_as_float(y[i] << 16), dot);
            dot = __fmaf_rn(__uint_as_float(x[i] & 0xffff0000), __uint_as_float(y[i] & 0xffff0000), dot);
        }
    }
    return dot;
}

/* row(G*A) = row(S*G) + sum_i Kh_i dKi_i, for the thread's channel; Kh whole. */
template <int DK, typename Gate, bool PRECISE>
__device__ inline float add_written(float end, chunk_memory<DK, Gate, PRECISE> &m, const float *dKi, int channel,
                                    int rows) {
    const uint8_t *lost = lost_of(m, m.k);
    for (int t = 0; t < rows; t += 8) {
#pragma unroll
        for (int i = 0; i < 8; i++) {
            float K = (float)*element8<DK>(m.k, t, i, channel);
            if (lost) K = __fadd_rn(K, (float)*element8<DK>(lost, t, i, channel));
            float with = __fmaf_rn(K, dKi[t * DK + wide_at<DK>(i, channel)], end);
            end = t + i < rows ? with : end;
        }
    }
    return end;
}

/* dq and dk of mild channels from dQh and dKh of the N channels from `from` on, f32 [C,N]; dKh becomes Qh*dQh -
 * Kh*dKh, of whole operands. A thread's two channels; SIMPLE: a whole chunk, 16 bits, nothing strong, no odd channel.
 */
template <bool SIMPLE, int N, int DK, typename Gate, bool PRECISE>
__device__ inline void finish_share(const chunk_memory<DK, Gate, PRECISE> &m, float scale, share mine, int channel,
                                    gradient_rows &dq, gradient_rows &dk, const float *dQh, float *dKh) {
    running z = sum_before<DK>(m.g, channel, mine.first);
    pair half = half_of(pair_of(m.last + channel));
    int rows = m.at.length;
    const int BATCH = 4;
#pragma unroll 1
    for (int t = mine.first; t < mine.first + mine.tokens && t < rows; t += BATCH) {
        pair g[BATCH], Qs[BATCH], Ks[BATCH];
        float2 dQs[BATCH], dKs[BATCH];
        int in8 = t % 8, t8 = t - in8;
#pragma unroll
        for (int i = 0; i < BATCH; i++) {
            g[i] = pair_of(m.g + (t + i) * DK + channel);
            Qs[i] = whole8<DK>(m.q, lost_of(m, m.q), t8, in8 + i, channel);
            Ks[i] = whole8<DK>(m.k, lost_of(m, m.k), t8, in8 + i, channel);
            dQs[i] = *(const float2 *)(dQh + t * N + wide_at<N>(i, mine.channel));
            dKs[i] = *(const float2 *)(dKh + t * N + wide_at<N>(i, mine.channel));
        }
#pragma unroll
        for (int i = 0; i < BATCH; i++) {
            add_gate(z, g[i]);
            if (!SIMPLE && t + i >= rows) break;
            factors with = factors_of(z.sum, half);
            float *dK_at = dKh + t * N + wide_at<N>(i, mine.channel);
            pair dQ = {dQs[i].x, dQs[i].y}, dK = {dKs[i].x, dKs[i].y}, Q = Qs[i], K = Ks[i];
            dq.put<SIMPLE>(
                {__fmul_rn(__fmul_rn(dQ.x, with.into.x), scale), __fmul_rn(__fmul_rn(dQ.y, with.into.y), scale)});
            dk.put<SIMPLE>({__fmul_rn(dK.x, with.out.x), __fmul_rn(dK.y, with.out.y)});
            *(float2 *)dK_at = make_float2(__fsub_rn(__fmul_rn(Q.x, dQ.x), __fmul_rn(K.x, dK.x)),
                                           __fsub_rn(__fmul_rn(Q.y, dQ.y), __fmul_rn(K.y, dK.y)));
        }
    }
}
template <int N, int DK, typename Gate, bool PRECISE>
__device__ inline void finish(const gla_cuda_problem &p, float scale, const chunk_memory<DK, Gate, PRECISE> &m,
                              int from, const float *dQh, float *dKh) {
    share mine = share_of<N>();
    int channel = from + mine.channel;
    bool x = !is_strong(m, channel) && channel < p.dk, y = !is_strong(m, channel + 1) && channel + 1 < p.dk;
    gradient_rows dq(p.dq, p, m.at, mine.first, channel, x, y), dk(p.dk_, p, m.at, mine.first, channel, x, y);
    /* the same for the whole block */
    bool narrow = p.dq.dtype != GLA_CUDA_F32 && p.dk_.dtype != GLA_CUDA_F32;
    if (narrow && p.dk % 2 == 0 && m.at.length == C && m.strong_count == 0)
        finish_share<true, N>(m, scale, mine, channel, dq, dk, dQh, dKh);
    else
        finish_share<false, N>(m, scale, mine, channel, dq, dk, dQh, dKh);
}

/* dg of a channel, which has column c of d, f32 [C,N]: the suffix sum, which ends in `end`. */
template <int N, typename T>
__device__ inline void put_gate_gradient(const gla_cuda_problem &p, const place &at, const float *d, float dg, int c,
                                         int channel) {
    T *to = row_of<T>(p.dg, p, at, C - 1) + channel;
    for (int t = C - 8; t >= 0; t -= 8) {
        float x[8];
#pragma unroll
        for (int i = 0; i < 8; i++) x[i] = d[t * N + wide_at<N>(i, c)];
#pragma unroll
        for (int i = 7; i >= 0; i--, to -= p.dg.stride[1]) {
            if (t + i >= at.length) continue;
            dg = __fadd_rn(x[i], dg);
            *to = T(dg); /* to nearest, even */
        }
    }
}

/* A panel of dv [64 tokens, 64], from the accumulator. */
__device__ inline void put_values(const gla_cuda_problem &p, const place &at, const float (&d)[32], int column) {
    unsigned thread = (unsigned)thread_number();
    spot me = {(int)(thread % 128 / 32 * 16 + thread % 32 / 4), (int)(thread % 4 * 2)}; /* spot_of(0) */
    bool odd = thread & 1;
#pragma unroll
    for (int half = 0; half < 2; half++) { /* rows me.row, me.row + 8 */
        int row = me.row + half * 8;
        if (p.dv_.dtype == GLA_CUDA_F32) {
            float *to = row_of<float>(p.dv_, p, at, row) + column + me.column;
#pragma unroll
            for (int i = 0; i < 32; i += 4)
                if (row < at.length && column + i * 2 < p.dv)
                    *(float2 *)(to + i * 2) = half ? make_float2(d[i + 2], d[i + 3]) : make_float2(d[i], d[i + 1]);
            continue;
        }
        /* neighbours exchange pairs, so that each has four columns of the first or the second eight */
        __nv_bfloat16 *to = row_of<__nv_bfloat16>(p.dv_, p, at, row) + column + me.column + (odd ? 8 - 2 : 0);
#pragma unroll
        for (int i = 0; i < 32; i += 8) {
            __nv_bfloat162 first = __floats2bfloat162_rn(half ? d[i + 2] : d[i], half ? d[i + 3] : d[i + 1]);
            __nv_bfloat162 second = __floats2bfloat162_rn(half ? d[i + 6] : d[i + 4], half ? d[i + 7] : d[i + 5]);
            uint32_t a = *(uint32_t *)&first, b = *(uint32_t *)&second;
            uint32_t got = __shfl_xor_sync(0xffffffff, odd ? a : b, 1);
            if (row < at.length && column + i * 2 + (odd ? 8 : 0) < p.dv)
                *(uint2 *)(to + i * 2) = odd ? make_uint2(got, b) : make_uint2(a, got);
        }
    }
}

} // namespace fused

#endif
