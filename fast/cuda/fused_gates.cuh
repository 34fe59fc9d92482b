/* SPDX-License-Identifier: Apache-2.0
 *
 * The fused kernel's gate threads: running sums of a chunk's log gates, one channel after the other in ascending
 * tokens, ahead of everybody else. 64 threads, DK / 64 neighbouring channels each.
 *     before   the sum before each slab of tokens      total   over the chunk
 *     mild     every |sum| of every channel <= LIMIT: the chunk runs as one step with its reference in the centre
 *     leave    what the step before the chunk leaves to the factor into it (gated/centred.c)
 */
#ifndef GLA_FUSED_GATES_CUH
#define GLA_FUSED_GATES_CUH

#include "fused_plan.cuh"

namespace fused {

/* E neighbouring gates as they lie in memory, and as numbers. */
template <int E, typename Gate> struct bundle {
    enum { WORDS = E * sizeof(Gate) / 4 > 0 ? E * sizeof(Gate) / 4 : 1 };
    uint32_t word[WORDS];
};
template <int E> __device__ inline void fetch(bundle<E, float> &x, const float *at) {
#pragma unroll
    for (int e = 0; e < E; e++) x.word[e] = __float_as_uint(at[e]);
}
template <int E> __device__ inline void fetch(bundle<E, __nv_bfloat16> &x, const __nv_bfloat16 *at) {
    if constexpr (E == 1) {
        x.word[0] = *(const uint16_t *)at;
    } else {
#pragma unroll
        for (int e = 0; e < E / 2; e++) x.word[e] = ((const uint32_t *)at)[e];
    }
}
template <int E> __device__ inline float number(const bundle<E, float> &x, int e) { return __uint_as_float(x.word[e]); }
template <int E> __device__ inline float number(const bundle<E, __nv_bfloat16> &x, int e) {
    return __uint_as_float(e % 2 ? x.word[e / 2] & 0xffff0000 : x.word[e / 2] << 16);
}

/* Sums on their way through the tokens. */
template <int E> struct sums { float sum[E], greatest; };
template <int E, typename Gate> __device__ inline void add_token(sums<E> &z, const bundle<E, Gate> &x, bool start) {
#pragma unroll
    for (int e = 0; e < E; e++) {
        z.sum[e] = start ? number(x, e) : __fadd_rn(z.sum[e], number(x, e));
        z.greatest = fmaxf(z.greatest, fabsf(z.sum[e]));
    }
}
/* Every sum within LIMIT: NaN, which fmaxf passes over, stays to the end. */
template <int E> __device__ inline bool within_limit(const sums<E> &z) {
    bool all = z.greatest <= LIMIT;
#pragma unroll
    for (int e = 0; e < E; e++) all = all && fabsf(z.sum[e]) <= LIMIT;
    return all;
}

/* A chunk, the next gates on their way while some are added. before: where the sums before each slab go. */
template <typename Plan, int E, typename Gate> __device__ inline sums<E> sum_chunk(const Gate *g, float *before) {
    const int DK = Plan::DK, BATCH = bundle<E, Gate>::WORDS == 4 ? 1 : 8 / bundle<E, Gate>::WORDS;
    bundle<E, Gate> x[BATCH], next[BATCH];
    sums<E> z = {};
#pragma unroll
    for (int t = 0; t < BATCH; t++) fetch(next[t], g + t * DK);
#pragma unroll 1 /* a short loop stays in the instruction cache, which many roles share */
    for (int first = 0; first < C; first += BATCH) {
        g += first + BATCH < C ? BATCH * DK : 0;
#pragma unroll
        for (int t = 0; t < BATCH; t++) {
            x[t] = next[t];
            fetch(next[t], g + t * DK);
        }
        if (first > 0 && first % Plan::SLAB == 0)
#pragma unroll
            for (int e = 0; e < E; e++) before[first / Plan::SLAB * DK + e] = z.sum[e];
#pragma unroll
        for (int t = 0; t < BATCH; t++) add_token(z, x[t], first + t == 0);
    }
    return z;
}

/* The gates of one part of a chunk. */
template <int E, int DK, typename Gate> __device__ inline sums<E> sum_tokens(const Gate *g, int count) {
    sums<E> z = {};
#pragma unroll 1
    for (int t = 0; t < count; t++) {
        bundle<E, Gate> x;
        fetch(x, g + t * DK);
        add_token(z, x, t == 0);
    }
    return z;
}

/* A whole chunk onto the sums. */
template <int E, int DK, typename Gate> __device__ inline void add_chunk(sums<E> &z, const Gate *g, bool start) {
#pragma unroll(4 / bundle <E, Gate>::WORDS)
    for (int t = 0; t < C; t++) {
        bundle<E, Gate> x;
        fetch(x, g + t * DK);
        add_token(z, x, start && t == 0);
    }
}

template <typename Plan>
__device__ void sum_chunks(const gla_cuda_problem &p, const segments &cut, const place &at, shared_memory<Plan> &m) {
    const int DK = Plan::DK, E = DK / 64;
    int thread = threadIdx.x % GATE_THREADS, channel = thread * E, chunks = (at.length + C - 1) / C;
    float leave[E] = {};
    sums<E> total = {};
    for (int n = 0; n <= chunks; n++) {
        auto &to = m.sums[n % Plan::G];
        auto *g = m.g[n % Plan::G] + channel;
        wait_for(m.freed_g, n - Plan::G);
        if (p.g.data && n < chunks) wait_for(m.landed_g, n);
#pragma unroll
        for (int e = 0; e < E; e++) to.leave[channel + e] = leave[e];
        if (n < chunks) {
            int rows = min((int)C, at.length - n * C);
            for (int i = rows * E; i < C * E; i++) g[i / E * DK + i % E] = typename Plan::Gate(0.0f);
            sums<E> z = sum_chunk<Plan, E>(g, &to.before[0][channel]);
            bool mild = ptx::group_all(BAR_GATES, GATE_THREADS, within_limit(z)), single = false;
            if (thread == 0) to.mild = mild;
#pragma unroll
            for (int e = 0; e < E; e++) to.total[channel + e] = z.sum[e];
            if (!Plan::OUTPUT) add_chunk<E, DK>(total, g, n == 0);
            if (!mild) { /* its last part, as prep will find it */
                int first = (rows - 1) / PART * PART;
                z = sum_tokens<E, DK>(g + first * DK, rows - first);
                single = !ptx::group_all(BAR_GATES, GATE_THREADS, within_limit(z));
            }
#pragma unroll
            for (int e = 0; e < E; e++) leave[e] = single ? 0 : __fsub_rn(z.sum[e], __fmul_rn(0.5f, z.sum[e]));
        }
        arrive(m.summed, n);
    }
    if (Plan::OUTPUT || blockIdx.y > 0) return;
    float *to = cut.decays + ((at.n * p.H + at.h) * (cut.count - 1) + at.segment) * p.dk;
    for (int e = 0; e < E; e++)
        if (channel + e < p.dk) to[channel + e] = total.sum[e];
}

} // namespace fused

#endif
