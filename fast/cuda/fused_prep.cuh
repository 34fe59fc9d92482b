/* SPDX-License-Identifier: Apache-2.0
 *
 * The fused kernel's prep warpgroup: gates of a chunk become a step (fused_forward.cu) that the state groups can use.
 * 128 threads; a thread has two channels, and a share of the tokens if there are fewer pairs of channels than threads.
 */
#ifndef GLA_FUSED_PREP_CUH
#define GLA_FUSED_PREP_CUH

#include "fused_parts.cuh"

namespace fused {

struct pair {
    float x, y;
};
__device__ inline pair pair_of(const float *at) { return {at[0], at[1]}; }
__device__ inline pair pair_of(const __nv_bfloat16 *at) {
    uint32_t both = *(const uint32_t *)at;
    return {__uint_as_float(both << 16), __uint_as_float(both & 0xffff0000)};
}
__device__ inline void put(__nv_bfloat16 *at, float x, float y) { *(__nv_bfloat162 *)at = __floats2bfloat162_rn(x, y); }

/* e^x as the number system sm_90:bf16 makes it. */
__device__ inline float decay(float x) { return ptx::ex2(__fmul_rn(x, LOG2E)); }

/* The running sums of `rows` gates from row `first`; the thread keeps those of its own KEPT rows from `mine` on. */
template <int KEPT> struct sums {
    pair kept[KEPT], last;
    float greatest;
};
template <int ROWS, int DK, int KEPT, typename Gate>
__device__ inline void gate_sums(sums<KEPT> &z, const Gate *g, int channel, int first, int rows, int mine) {
    z.last = {0, 0};
    z.greatest = 0;
#pragma unroll
    for (int t = 0; t < ROWS; t++) {
        pair x = t < rows ? pair_of(g + (first + t) * DK + channel) : pair{0, 0};
        z.last = t == 0 ? x : pair{__fadd_rn(z.last.x, x.x), __fadd_rn(z.last.y, x.y)};
        z.greatest = fmaxf(z.greatest, fmaxf(fabsf(z.last.x), fabsf(z.last.y)));
#pragma unroll
        for (int part = 0; part < ROWS / KEPT; part++)
            if (t / KEPT == part && part * KEPT == mine) z.kept[t % KEPT] = z.last;
    }
}

template <int DK> __device__ inline __nv_bfloat16 *element(uint8_t *tile, int row, int channel) {
    return (__nv_bfloat16 *)(tile + channel / 64 * PANEL + ptx::swizzled(row, channel % 64));
}

/* Scores of the tile: P = Qh Kh^T, zero above the diagonal, rounded. 128 threads. */
template <int DK> __device__ inline void scores(uint8_t *q, uint8_t *k, uint8_t *P) {
    float d[32];
    uint32_t A = ptx::shared_address(q), B = ptx::shared_address(k);
    ptx::products_begin();
#pragma unroll
    for (int i = 0; i < DK / 16; i++) {
        uint32_t at = i / 4 * PANEL + i % 4 * 32;
        ptx::product_n64<0, 0>(d, ptx::matrix_at(A + at, 0), ptx::matrix_at(B + at, 0), i > 0);
    }
    ptx::products_commit();
    ptx::products_wait<0>();
    ptx::pin(d);
    int lane = threadIdx.x % 32, row = threadIdx.x % 128 / 32 * 16 + lane / 4;
#pragma unroll
    for (int i = 0; i < 16; i++) {
        int r = row + i % 2 * 8, c = i / 2 * 8 + lane % 4 * 2;
        float x = c <= r ? d[2 * i] : 0, y = c + 1 <= r ? d[2 * i + 1] : 0;
        *(__nv_bfloat162 *)(P + ptx::swizzled(r, c)) = __floats2bfloat162_rn(x, y);
    }
}

/* Publishes a step that stands in q, k, f. */
template <bool OUTPUT, int DK, int GROUPS, typename Gate>
__device__ inline void publish(shared_memory<DK, GROUPS, Gate> &m, int s, step now) {
    auto &stage = m.stage[s];
    if (threadIdx.x % 128 == 0) m.step[s] = now;
    ptx::fence_for_matrix_units();
    ptx::group_sync(BAR_PREP, 128);
    if (OUTPUT) {
        scores<DK>(stage.q, stage.k, stage.P);
        ptx::fence_for_matrix_units();
    }
    ptx::barrier_arrive(ptx::shared_address(&m.ready[s]));
}

/* The factor into this step, and what leaves it: leave becomes sum - reference. */
__device__ inline void cross(float *f, pair &leave, pair reference, pair sum) {
    f[0] = decay(__fadd_rn(leave.x, reference.x));
    f[1] = decay(__fadd_rn(leave.y, reference.y));
    leave = {__fsub_rn(sum.x, reference.x), __fsub_rn(sum.y, reference.y)};
}

/* q and k of one token weighed, two channels. */
struct weighed {
    pair q, k;
};
__device__ inline weighed weigh(pair q, pair k, float scale, pair sum, pair half) {
    return {{__fmul_rn(__fmul_rn(q.x, scale), decay(__fsub_rn(sum.x, half.x))),
             __fmul_rn(__fmul_rn(q.y, scale), decay(__fsub_rn(sum.y, half.y)))},
            {__fmul_rn(k.x, decay(__fsub_rn(half.x, sum.x))), __fmul_rn(k.y, decay(__fsub_rn(half.y, sum.y)))}};
}

__device__ inline pair half_of(pair x) { return {__fmul_rn(0.5f, x.x), __fmul_rn(0.5f, x.y)}; }

/* Rows past the end of the sequence belong to somebody else: zeros. */
template <int DK, int GROUPS, typename Gate>
__device__ void clear_rows(typename shared_memory<DK, GROUPS, Gate>::stage &stage, int rows) {
    for (int i = threadIdx.x % 128; i < (C - rows) * 32; i += 128) {
        int row = rows + i / 32, column = i % 32 * 2;
        for (int panel = 0; panel < DK / 64; panel++) {
            put(element<DK>(stage.q, row, panel * 64 + column), 0, 0);
            put(element<DK>(stage.k, row, panel * 64 + column), 0, 0);
        }
        for (int panel = 0; panel < GROUPS; panel++) put(element<DK>(stage.v, row, panel * 64 + column), 0, 0);
    }
    for (int i = threadIdx.x % 128; i < (C - rows) * DK; i += 128) stage.g[rows * DK + i] = Gate(0.0f);
    ptx::group_sync(BAR_PREP, 128);
}

/* A chunk whose gates are too strong for one reference: steps of PART tokens or of one, q and k from global memory
 * again, rows outside the step zeros. */
template <bool OUTPUT, int DK, int GROUPS, typename Gate>
__device__ __forceinline__ void prepare_strong(const gla_cuda_problem &p, const place &at, float scale, int64_t chunk,
                                               int rows, int s, pair &leave, uint32_t &used,
                                               shared_memory<DK, GROUPS, Gate> &m) {
    auto &stage = m.stage[s];
    int channel = threadIdx.x % (DK / 2) * 2;
    bool writes = threadIdx.x % 128 < DK / 2;
    for (int first = 0; first < rows; first += PART) {
        int count = min((int)PART, rows - first);
        sums<PART> z;
        gate_sums<PART, DK>(z, stage.g, channel, first, count, 0);
        bool single = !ptx::group_all(BAR_PREP, 128, z.greatest <= LIMIT);
        for (int i = first; i < first + count; i += single ? 1 : count) {
            int taken = single ? 1 : count;
            if (i > 0) {
                ptx::barrier_wait(ptx::shared_address(&m.used[s]), used >> s & 1);
                used ^= 1u << s;
            }
            for (int t = 0; writes && t < C; t++) {
                put(element<DK>(stage.q, t, channel), 0, 0);
                put(element<DK>(stage.k, t, channel), 0, 0);
            }
            pair sum = single ? pair_of(stage.g + i * DK + channel) : z.last, half = half_of(sum);
            cross(&m.f[s][channel], leave, single ? sum : half, sum);
            if (single) leave = {0, 0};
#pragma unroll
            for (int t = 0; t < PART; t++) {
                if (!writes || t >= taken || channel >= p.dk) continue;
                pair q = pair_of(row_of<__nv_bfloat16>(p.q, p, at, chunk * C + i + t) + channel);
                pair k = pair_of(row_of<__nv_bfloat16>(p.k, p, at, chunk * C + i + t) + channel);
                if (channel + 1 >= p.dk) q.y = k.y = 0; /* whatever lies behind the row */
                weighed w = {{__fmul_rn(q.x, scale), __fmul_rn(q.y, scale)}, k};
                if (!single) w = weigh(q, k, scale, z.kept[t], half);
                put(element<DK>(stage.q, i + t, channel), w.q.x, w.q.y);
                put(element<DK>(stage.k, i + t, channel), w.k.x, w.k.y);
            }
            publish<OUTPUT>(m, s, step{i, taken, i + taken == rows});
        }
    }
}

/* total + the gates of a chunk, one after the other. */
template <int DK, typename Gate> __device__ inline void add_gates(pair &total, const Gate *g, int channel, bool start) {
#pragma unroll
    for (int t = 0; t < C; t++) {
        pair x = pair_of(g + t * DK + channel);
        total = start && t == 0 ? x : pair{__fadd_rn(total.x, x.x), __fadd_rn(total.y, x.y)};
    }
}

template <bool OUTPUT, int DK, int GROUPS, typename Gate>
__device__ void prepare(const gla_cuda_problem &p, const segments &cut, const place &at, float scale,
                        shared_memory<DK, GROUPS, Gate> &m) {
    const int stages = shared_memory<DK, GROUPS, Gate>::STAGES;
    const int PAIRS = DK / 2, KEPT = C * PAIRS / 128;
    int channel = threadIdx.x % PAIRS * 2, mine = threadIdx.x % 128 / PAIRS * KEPT;
    pair leave = {0, 0}; /* of the step before */
    pair total = {0, 0}; /* of all gates; state pass only */
    uint32_t used = 0;   /* bit s: parity of how often stage s was handed back for another step */
    int chunks = (at.length + C - 1) / C;
    for (int n = 0; n < chunks; n++) {
        int s = n % stages, rows = min((int)C, at.length - n * C);
        auto &stage = m.stage[s];
        ptx::barrier_wait(ptx::shared_address(&m.landed[s]), n / stages & 1);
        if (rows < C) clear_rows<DK, GROUPS, Gate>(stage, rows);
        if (!OUTPUT) add_gates<DK>(total, stage.g, channel, n == 0);
        sums<KEPT> z;
        gate_sums<C, DK>(z, stage.g, channel, 0, C, mine);
        if (!ptx::group_all(BAR_PREP, 128, z.greatest <= LIMIT)) {
            prepare_strong<OUTPUT>(p, at, scale, n, rows, s, leave, used, m);
            continue;
        }
        pair half = half_of(z.last);
        cross(&m.f[s][channel], leave, half, z.last);
#pragma unroll
        for (int t = 0; t < KEPT; t++) {
            __nv_bfloat16 *q = element<DK>(stage.q, mine + t, channel), *k = element<DK>(stage.k, mine + t, channel);
            weighed w = weigh(pair_of(q), pair_of(k), scale, z.kept[t], half);
            if (OUTPUT) put(q, w.q.x, w.q.y);
            put(k, w.k.x, w.k.y);
        }
        publish<OUTPUT>(m, s, step{0, rows, 1});
    }
    if (!OUTPUT && blockIdx.y == 0 && threadIdx.x % 128 < PAIRS) {
        float *to = cut.decays + ((at.n * p.H + at.h) * (cut.count - 1) + at.segment) * p.dk;
        if (channel < p.dk) to[channel] = total.x;
        if (channel + 1 < p.dk) to[channel + 1] = total.y;
    }
    /* The end: what is left of the decay, once the stage is free. */
    int s = chunks % stages;
    if (chunks >= stages) ptx::barrier_wait(ptx::shared_address(&m.freed[s]), (chunks / stages - 1) & 1);
    m.f[s][channel] = chunks ? decay(leave.x) : 1;
    m.f[s][channel + 1] = chunks ? decay(leave.y) : 1;
    if (threadIdx.x % 128 == 0) m.step[s] = step{0, 0, 1};
    ptx::barrier_arrive(ptx::shared_address(&m.ready[s]));
}

} // namespace fused

#endif
