/* SPDX-License-Identifier: Apache-2.0
 *
 * The gradient kernel's strong channels: gates too strong for a reference in the centre of the chunk, down to -inf.
 * Their pairs of tokens are taken one by one, with the decay between them,
 *
 *     D_ji = e^(g_{j+1} + ... + g_i)      x_ij = k_j D_ji      y_ij = sq_i D_ji
 *
 * in the order of reference/gated/paired_side.c. Rare: written to be short, not quick.
 */
#ifndef GLA_FUSED_GRADIENTS_STRONG_CUH
#define GLA_FUSED_GRADIENTS_STRONG_CUH

#include "fused_gradients_parts.cuh"

namespace fused {

/* Element of D, f32 [C,C]: rows and columns both in different banks. */
__device__ inline int between(int i, int j) { return i * C + (j ^ (i & 31)); }

/* The list of strong channels from their bits: a channel a thread, whose place is how many come before it. */
template <int DK, typename Gate, bool PRECISE> __device__ inline void list_strong(chunk_memory<DK, Gate, PRECISE> &m) {
    int c = thread_number(), place = 0, count = 0;
    for (int i = 0; i < DK / 32; i++) {
        int first = i / 2 * 64 + i % 2, before = (c - first + 1) / 2; /* of the word's channels, two apart */
        uint32_t word = m.strong[i];
        count += __popc(word);
        place += __popc(before <= 0 || c <= first ? 0 : before >= 32 ? word : word & ((1u << before) - 1));
    }
    if (c < DK && is_strong(m, c)) m.strong_list[place] = (uint8_t)c;
    if (c == 0) m.strong_count = count;
}

/* An accumulator [64,64] into such a tile. */
__device__ inline void put_square(float *tile, const float (&d)[32]) {
#pragma unroll
    for (int i = 0; i < 32; i++) tile[between(spot_of(i).row, spot_of(i).column)] = d[i];
}

/* Kh of the strong channels, from k: out_t = e^(g_last + ... + g_{t+1}). */
template <int DK, typename Gate, bool PRECISE>
__device__ inline void weigh_strong(chunk_memory<DK, Gate, PRECISE> &m, int rows) {
    int thread = thread_number(), t = thread % C, turn = thread / C;
    for (; turn < m.strong_count; turn += CHUNK_THREADS / C) {
        int c = m.strong_list[turn];
        float delta = 0;
        for (int i = rows - 1; i > t; i--) delta = __fadd_rn((float)m.g[i * DK + c], delta);
        __nv_bfloat16 *k = element<DK>(m.k, t, c);
        float Kh = __fmul_rn((float)*k, exponential(delta));
        *k = __float2bfloat16_rn(Kh);
        if (uint8_t *lost = lost_of(m, m.k)) *element<DK>(lost, t, c) = __float2bfloat16_rn(__fsub_rn(Kh, (float)*k));
    }
}

/* q of the strong channels as it came, where Qm has zeros. */
template <int DK, typename Gate, bool PRECISE>
__device__ inline void restore_strong(const gla_cuda_problem &p, chunk_memory<DK, Gate, PRECISE> &m) {
    int thread = thread_number(), t = thread % C, turn = thread / C;
    for (; turn < m.strong_count && t < m.at.length; turn += CHUNK_THREADS / C) {
        int c = m.strong_list[turn];
        *element<DK>(m.q, t, c) = row_of<__nv_bfloat16>(p.q, p, m.at, t)[c];
    }
}

/* Sum of channel c's gates from just after token j up to, not including, token `first`, a multiple of 16. */
template <int DK, typename Gate, bool PRECISE>
__device__ inline float decay_before(const chunk_memory<DK, Gate, PRECISE> &m, int c, int j, int first) {
    float sum = 0;
    for (int t = j & ~31; t < first; t += 16) {
#pragma unroll
        for (int i = t; i < t + 16; i++) {
            float g = (float)m.g[i * DK + c];
            if (i > j) sum = __fadd_rn(sum, g);
        }
    }
    return sum;
}

/* P_ij = fma(sq_i, x_ij, P_ij), channels ascending. P: f32 [C,C], becomes the lower triangle, rounded. */
template <int DK, typename Gate, bool PRECISE>
__device__ inline void add_strong_scores(const gla_cuda_problem &p, float scale, chunk_memory<DK, Gate, PRECISE> &m) {
    const int part = C * C / CHUNK_THREADS;
    int thread = thread_number(), j = thread % C, first = thread / C * part;
    const float *from = (const float *)m.P;
    float P[part];
#pragma unroll
    for (int i = 0; i < part; i++) P[i] = from[between(first + i, j)];
    bool above = first + part <= (j & ~31); /* the whole warp */
    const __nv_bfloat16 *k_row = row_of<__nv_bfloat16>(p.k, p, m.at, j);
    for (int n = 0; n < m.strong_count && !above; n++) {
        int c = m.strong_list[n];
        float k = j < m.at.length ? (float)k_row[c] : 0;
        float sum = decay_before(m, c, j, first);
#pragma unroll
        for (int i = 0; i < part; i++) {
            float g = (float)m.g[(first + i) * DK + c];
            float sq = __fmul_rn((float)*element<DK>(m.q, first + i, c), scale);
            if (first + i > j) sum = __fadd_rn(sum, g);
            float with = __fmaf_rn(sq, __fmul_rn(k, exponential(sum)), P[i]);
            P[i] = first + i >= j ? with : P[i];
        }
    }
    ptx::group_sync(BAR_CHUNK, CHUNK_THREADS);
#pragma unroll
    for (int i = 0; i < part; i++) {
        bool kept = first + i >= j && first + i < m.at.length;
        uint32_t place = ptx::swizzled(first + i, j);
        __nv_bfloat16 z = __float2bfloat16_rn(kept ? P[i] : 0);
        *(__nv_bfloat16 *)(m.P + place) = z;
        if (uint8_t *lost = lost_of(m, m.P))
            *(__nv_bfloat16 *)(lost + place) = __float2bfloat16_rn(__fsub_rn(kept ? P[i] : 0, (float)z));
    }
}

/* The strong channels two by two; half of the threads have one, 64 of them job 0, 64 job 1. Without its diagonal, which
 * is 1, D is a triangle: those of both channels fit one tile, the second one transposed. */
struct strong_turn {
    int which, job, t, channel;
    bool idle; /* an odd one out */
    __device__ int at(int i, int j) const { return which ? between(j, i) : between(i, j); }
    __device__ float decay(const float *D, int i, int j) const { return i > j ? D[at(i, j)] : 1; }
};
template <int DK, typename Gate, bool PRECISE>
__device__ inline strong_turn turn_of(const chunk_memory<DK, Gate, PRECISE> &m, int n) {
    int thread = thread_number(), which = thread / 128;
    bool idle = n + which >= m.strong_count;
    return {which, thread / C % 2, thread % C, m.strong_list[idle ? n : n + which], idle};
}

/* D, and the channel's column of k. */
template <int DK, typename Gate, bool PRECISE>
__device__ inline void strong_decays(const gla_cuda_problem &p, chunk_memory<DK, Gate, PRECISE> &m,
                                     const strong_turn &x, float *D) {
    int c = x.channel, j = x.t, first = x.job * 32;
    if (x.job == 0)
        m.column_k[x.which][j] = j < m.at.length ? row_of<__nv_bfloat16>(p.k, p, m.at, j)[c] : __nv_bfloat16(0.0f);
    float sum = decay_before(m, c, j, first);
#pragma unroll 1
    for (int from = first; from < first + 32; from += 8) {
        float z[8]; /* all loads, then all stores */
#pragma unroll
        for (int i = 0; i < 8; i++) {
            float g = (float)m.g[(from + i) * DK + c];
            if (from + i > j) sum = __fadd_rn(sum, g);
            z[i] = exponential(sum);
        }
#pragma unroll
        for (int i = 0; i < 8; i++)
            if (from + i > j) D[x.at(from + i, j)] = z[i];
    }
}

/* dq, dk and dg of two strong channels, the n-th and the next. dQi: f32 [2,C], dKi: f32 [C,DK], the parts through the
 * states; both lose these columns. Loops are of fixed length, conditions inside, so that their loads go ahead together.
 */
template <int DK, typename Gate, bool PRECISE>
__device__ inline void strong_gradients(const gla_cuda_problem &p, float scale, chunk_memory<DK, Gate, PRECISE> &m,
                                        float *D, float *dQi, float *dKi, int n) {
    const place &at = m.at;
    strong_turn x = turn_of(m, n);
    int c = x.channel, t = x.t, rows = at.length;
    bool reads = x.job == 0 && !x.idle, writes = x.job == 1 && !x.idle;
    float *read = dQi + x.which * C;
    /* an element of a tile of operands, whole */
    auto whole = [&](const uint8_t *tile, const uint8_t *lost, uint32_t at) {
        float x = (float)*(const __nv_bfloat16 *)(tile + at);
        return lost ? __fadd_rn(x, (float)*(const __nv_bfloat16 *)(lost + at)) : x;
    };
    auto dP = [&](int i, int j) { return whole(m.dP, lost_of(m, m.dP), ptx::swizzled(i, j)); };
    auto k = [&](int j) { return (float)m.column_k[x.which][j]; };
    auto sq = [&](int i) { return __fmul_rn((float)*element<DK>(m.q, i, c), scale); };
    if (!x.idle) strong_decays(p, m, x, D);
    ptx::group_sync(BAR_CHUNK, CHUNK_THREADS);

    float z = 0; /* dq of token t, or dk */
    if (reads) {
        float sum = 0;
#pragma unroll 8
        for (int i = 0; i < C; i++) {
            float g = (float)m.g[i * DK + c];
            if (i <= t) sum = __fadd_rn(sum, g);
        }
        float into = exponential(sum), weighed = __fmul_rn(sq(t), into), Qh = (float)__float2bfloat16_rn(weighed);
        if (PRECISE) Qh = __fadd_rn(Qh, (float)__float2bfloat16_rn(__fsub_rn(weighed, Qh)));
        z = __fmul_rn(read[t], into);
        read[t] = __fmul_rn(Qh, read[t]);
    } else if (writes) {
        float delta = 0, *written = dKi + wide_at<DK>(t, c);
#pragma unroll 8
        for (int i = C - 1; i >= 0; i--) {
            float g = (float)m.g[i * DK + c];
            if (i > t && i < rows) delta = __fadd_rn(g, delta);
        }
        z = __fmul_rn(*written, exponential(delta));
        uint32_t place = (uint32_t)((uint8_t *)element<DK>(m.k, t, c) - m.k);
        *written = __fmul_rn(whole(m.k, lost_of(m, m.k), place), *written);
    }
    ptx::group_sync(BAR_CHUNK, CHUNK_THREADS);

    if (reads) {
#pragma unroll 8
        for (int j = 0; j < C; j++) {
            float with = __fmaf_rn(dP(t, j), __fmul_rn(k(j), x.decay(D, t, j)), z);
            z = j <= t ? with : z;
        }
        gradient_rows(p.dq, p, at, t, c, t < rows, false).put<false>({__fmul_rn(z, scale), 0});
    } else if (writes) {
#pragma unroll 8
        for (int i = 0; i < C; i++) {
            float with = __fmaf_rn(dP(i, t), __fmul_rn(sq(i), x.decay(D, i, t)), z);
            z = i >= t && i < rows ? with : z;
        }
        gradient_rows(p.dk_, p, at, t, c, t < rows, false).put<false>({z, 0});
    }
    ptx::group_sync(BAR_CHUNK, CHUNK_THREADS);
    if (!p.dg.data) return;

    float dg = 0; /* of token t */
    if (reads) {
        float after = 0, before = 0;
#pragma unroll 8
        for (int i = C - 1; i >= 0; i--) {
            float u = read[i];
            if (i >= t && i < rows) after = i == rows - 1 ? u : __fadd_rn(u, after);
        }
#pragma unroll 8
        for (int i = 0; i < C; i++) {
            float w = dKi[wide_at<DK>(i, c)];
            if (i < t) before = __fadd_rn(before, w);
        }
        dg =
            __fadd_rn(__fadd_rn(__fadd_rn(0, after), before), __fmul_rn(exponential(m.last[c]), m.column_dot[x.which]));
    } else if (writes) { /* D becomes W: sums over readers from the last on */
        float W = 0, y[8];
        for (int from = C - 8; from >= 0; from -= 8) {
#pragma unroll
            for (int i = 0; i < 8; i++)
                y[i] = __fmul_rn(__fmul_rn(dP(from + i, t), __fmul_rn(k(t), x.decay(D, from + i, t))), sq(from + i));
#pragma unroll
            for (int i = 7; i >= 0; i--) {
                if (from + i < rows) W = from + i == rows - 1 ? y[i] : __fadd_rn(y[i], W);
                if (from + i > t && from + i < rows) D[x.at(from + i, t)] = W;
            }
        }
    }
    ptx::group_sync(BAR_CHUNK, CHUNK_THREADS);
    if (reads && t < rows) {
#pragma unroll 8
        for (int j = 0; j < C; j++) {
            if (j < t) dg = __fadd_rn(dg, D[x.at(t, j)]);
        }
        gradient_rows(p.dg, p, at, t, c, true, false).put<false>({dg, 0});
    }
    ptx::group_sync(BAR_CHUNK, CHUNK_THREADS);
}

} // namespace fused

#endif
