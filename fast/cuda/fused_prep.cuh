/* SPDX-License-Identifier: Apache-2.0
 *
 * The fused kernel's prep teams: a chunk becomes a step (fused_forward.cu) that the state groups can use. A team is 128
 * threads, teams take chunks in turn. A warp has 64 channels, two a lane, and SLAB tokens.
 */
#ifndef GLA_FUSED_PREP_CUH
#define GLA_FUSED_PREP_CUH

#include "fused_gates.cuh"

namespace fused {

/* Who a prep thread is. */
struct worker {
    int team, panel, lane, channel; /* the first of its two */
    int mine;                       /* its first token */
};
template <typename Plan> __device__ inline worker worker_of(int team, uint32_t thread) {
    int warp = (int)thread % 128 / 32, lane = (int)thread % 32, panel = warp % Plan::PANELS;
    return {team, panel, lane, panel * 64 + lane * 2, warp / Plan::PANELS * Plan::SLAB};
}

/* d += A B^T over the 16 channels at A and B. */
template <int COLUMNS>
__device__ inline void score_product(float (&d)[COLUMNS / 2], uint32_t A, uint32_t B, int accumulate) {
    if constexpr (COLUMNS == 32)
        ptx::product_n32<0, 0>(d, ptx::matrix_at(A, 0), ptx::matrix_at(B, 0), accumulate);
    else
        ptx::product_n64<0, 0>(d, ptx::matrix_at(A, 0), ptx::matrix_at(B, 0), accumulate);
}

/* Scores of the tile, COLUMNS from `first` on: P = Qh Kh^T, zero above the diagonal, rounded. `lost`: by how many bytes
 * the second parts of q and k lie behind them, if they have any. */
template <typename Plan, int COLUMNS>
__device__ inline void scores(uint8_t *q, uint8_t *k, int lost, uint8_t *P, int first) {
    float d[COLUMNS / 2];
    uint32_t A = ptx::unforeseen(ptx::shared_address(q)), B = ptx::unforeseen(ptx::shared_address(k)) + first * 128;
    ptx::products_begin();
#pragma unroll
    for (int panel = 0; panel < Plan::PANELS; panel++)
#pragma unroll
        for (int part = 0; part < (Plan::PRECISE ? 3 : 1); part++)
#pragma unroll
            for (int i = 0; i < 4; i++) {
                uint32_t at = panel * PANEL + i * 32;
                score_product<COLUMNS>(d, A + at + (part == 2 ? lost : 0), B + at + (part == 1 ? lost : 0),
                                       panel + part + i > 0);
            }
    ptx::products_commit();
    ptx::products_wait<0>();
    ptx::pin(d);
    int lane = threadIdx.x % 32, warp = threadIdx.x % 128 / 32, row = warp * 16 + lane / 4;
    uint32_t to = ptx::unforeseen(ptx::shared_address(P));
#pragma unroll
    for (int i = 0; i < COLUMNS / 16; i++) {
        uint32_t x[4];
#pragma unroll
        for (int j = 0; j < 4; j++) {
            int r = row + j % 2 * 8, c = first + i * 16 + j / 2 * 8 + lane % 4 * 2;
            x[j] = rounded(c <= r ? d[8 * i + 2 * j] : 0, c + 1 <= r ? d[8 * i + 2 * j + 1] : 0);
        }
        uint32_t column = first + i * 16 + lane / 16 * 8;
        ptx::store_tiles(to + ptx::swizzled(warp * 16 + lane % 16, column), x[0], x[1], x[2], x[3]);
    }
}

/* Publishes a step of chunk n that stands in q, k, f. */
template <typename Plan> __device__ inline void publish(shared_memory<Plan> &m, const worker &me, int n, step now) {
    auto &tile = m.qk[n % Plan::QK];
    if (threadIdx.x % 128 == 0) m.step[n % Plan::QK] = now;
    ptx::fence_for_matrix_units();
    ptx::group_sync(BAR_PREP + me.team, 128);
    if (Plan::OUTPUT) {
        wait_for(m.freed, n - Plan::P);
        const int COLUMNS = Plan::PREP < 100 ? 32 : 64; /* as there are registers */
#pragma unroll 1
        for (int first = 0; first < C; first += COLUMNS)
            scores<Plan, COLUMNS>(tile.q, tile.k, landing_behind(m, n), m.P[n % Plan::P], first);
        ptx::fence_for_matrix_units();
    }
    if (Plan::PRECISE && now.last) arrive(m.spent, n);
    arrive(m.ready, n);
}

/* The factor into a step: e^(leave + reference). */
template <typename Plan>
__device__ inline void cross(shared_memory<Plan> &m, const worker &me, int n, pair leave, pair reference) {
    float *f = &m.f[n % Plan::QK][me.channel];
    if (me.mine > 0) return;
    f[0] = exponential(__fadd_rn(leave.x, reference.x));
    f[1] = exponential(__fadd_rn(leave.y, reference.y));
}

__device__ inline pair add(pair a, pair b) { return {__fadd_rn(a.x, b.x), __fadd_rn(a.y, b.y)}; }
__device__ inline pair sub(pair a, pair b) { return {__fsub_rn(a.x, b.x), __fsub_rn(a.y, b.y)}; }

/* q e^(sum - half) and k e^(half - sum) of one token, two channels. The exponents are each other's negatives. */
struct weighed {
    pair q, k;
};
__device__ inline weighed weigh(pair q, pair k, float scale, pair sum, pair half) {
    float x = __fmul_rn(__fsub_rn(sum.x, half.x), LOG2E), y = __fmul_rn(__fsub_rn(sum.y, half.y), LOG2E);
    return {{__fmul_rn(__fmul_rn(q.x, scale), ptx::ex2(x)), __fmul_rn(__fmul_rn(q.y, scale), ptx::ex2(y))},
            {__fmul_rn(k.x, ptx::ex2(-x)), __fmul_rn(k.y, ptx::ex2(-y))}};
}

/* Rows past the end of the sequence belong to somebody else: zeros. */
template <typename Plan> __device__ void clear_rows(shared_memory<Plan> &m, const worker &me, int n, int rows) {
    auto &tile = landing_of(m, n);
#pragma unroll 1
    for (int t = max(rows, me.mine); t < me.mine + Plan::SLAB; t++) {
        put(element<Plan::DK>(tile.q, t, me.channel), 0, 0);
        put(element<Plan::DK>(tile.k, t, me.channel), 0, 0);
    }
}

/* Two channels of some tokens as they lie in memory. */
template <int COUNT, typename Gate> struct tokens {
    uint32_t q[COUNT], k[COUNT];
    bundle<2, Gate> g[COUNT];
};

/* Tokens first .. first+COUNT-1 of a panel of q, whose k lies PANELS panels on. */
template <typename Plan, int COUNT, typename Gate>
__device__ inline void fetch(tokens<COUNT, Gate> &x, const uint8_t *tile, int lane, const Gate *g, int first) {
#pragma unroll
    for (int t = 0; t < COUNT; t++) {
        const uint8_t *q = tile + ptx::swizzled(first + t, lane * 2);
        x.q[t] = *(const uint32_t *)q;
        x.k[t] = *(const uint32_t *)(q + Plan::PANELS * PANEL);
        fetch(x.g[t], g + (first + t) * Plan::DK);
    }
}

__device__ inline pair pair_of(uint32_t both) {
    return {__uint_as_float(both << 16), __uint_as_float(both & 0xffff0000)};
}

/* Two channels of an operand, and what rounding loses `lost` bytes behind it. */
template <typename Plan> __device__ inline void put_parts(uint8_t *at, int lost, pair x) {
    uint32_t two = rounded(x.x, x.y);
    *(uint32_t *)at = two;
    if (Plan::PRECISE) *(uint32_t *)(at + lost) = rest_of(x.x, x.y, two);
}

/* A mild chunk: Qh and Kh over q and k, in place, the next tokens on their way meanwhile. */
template <typename Plan>
__device__ inline void weigh_chunk(shared_memory<Plan> &m, int team, int n, float scale, pair half) {
    const int BATCH = Plan::PREP < 100 ? 2 : 4; /* tokens */
    const worker me = worker_of<Plan>(team, ptx::unforeseen(threadIdx.x));
    n = (int)ptx::unforeseen(n);
    auto &sums = m.sums[n % Plan::G];
    const auto *g = m.g[n % Plan::G] + me.mine * Plan::DK + me.channel;
    uint8_t *tile = landing_of(m, n).q + me.panel * PANEL + me.mine * 128;
    const int lost = landing_behind(m, n);
    pair sum = me.mine > 0 ? pair_of(&sums.before[me.mine / Plan::SLAB][me.channel]) : pair{0, 0};
    tokens<BATCH, typename Plan::Gate> x, next;
    fetch<Plan>(next, tile, me.lane, g, 0);
#pragma unroll 1
    for (int eight = 0; eight < Plan::SLAB; eight += 8) {
#pragma unroll
        for (int part = 0; part < 8; part += BATCH) {
            x = next;
            if (part + BATCH < 8 || eight + 8 < Plan::SLAB) fetch<Plan>(next, tile, me.lane, g, part + BATCH);
#pragma unroll
            for (int t = 0; t < BATCH; t++) {
                uint8_t *q = tile - lost + ptx::swizzled(part + t, me.lane * 2);
                sum = add(sum, pair{number(x.g[t], 0), number(x.g[t], 1)});
                weighed w = weigh(pair_of(x.q[t]), pair_of(x.k[t]), scale, sum, half);
                if (Plan::OUTPUT) put_parts<Plan>(q, lost, w.q);
                put_parts<Plan>(q + Plan::PANELS * PANEL, lost, w.k);
            }
        }
        tile += 8 * 128;
        g += 8 * Plan::DK;
    }
}

/* The sum of `count` gates from g on; whether each sum on the way is within LIMIT. */
template <typename Plan, typename Gate> __device__ inline bool sum_part(pair &sum, const Gate *g, int count) {
    sum = pair_of(g);
    bool mild = fabsf(sum.x) <= LIMIT && fabsf(sum.y) <= LIMIT;
#pragma unroll 1
    for (int t = 1; t < count; t++) {
        sum = add(sum, pair_of(g + t * Plan::DK));
        mild = mild && fabsf(sum.x) <= LIMIT && fabsf(sum.y) <= LIMIT;
    }
    return mild;
}

/* One token of a strong step, two channels. */
template <typename Plan>
__device__ inline void put_token(shared_memory<Plan> &m, int n, const worker &me, int t, weighed w) {
    auto &tile = m.qk[n % Plan::QK];
    put_parts<Plan>((uint8_t *)element<Plan::DK>(tile.q, t, me.channel), landing_behind(m, n), w.q);
    put_parts<Plan>((uint8_t *)element<Plan::DK>(tile.k, t, me.channel), landing_behind(m, n), w.k);
}

/* The next step of a chunk whose gates are too strong for one reference: PART tokens or one, q and k from global memory
 * again, rows outside the step zeros. A thread writes its own rows alone. leave: of the step before; parity: of `used`.
 */
template <typename Plan>
__device__ __forceinline__ step strong_step(const gla_cuda_problem &p, const segments &cut, float scale, int n,
                                            int rows, int team, step before, pair &leave, uint32_t &parity,
                                            shared_memory<Plan> &m) {
    const worker me =
        worker_of<Plan>(team, ptx::unforeseen(threadIdx.x)); /* nothing of what follows ahead of the chunks */
    n = (int)ptx::unforeseen(n);
    const int s = n % Plan::QK, i = before.first + before.rows;
    const auto *g = m.g[n % Plan::G] + i * Plan::DK + me.channel;
    int count = min((int)PART, rows - i);
    pair sum = pair_of(g), total = sum;
    bool single = i % PART != 0 || !ptx::group_all(BAR_PREP + me.team, 128, sum_part<Plan>(total, g, count));
    if (single) {
        total = sum;
        count = 1;
    }
    pair half = half_of(total);
    if (i == 0) {
        parity = m.steps_used[s];
    } else {
        ptx::barrier_wait(ptx::shared_address(&m.used[s]), parity);
        parity ^= 1;
    }
    int own_end = me.mine + Plan::SLAB;
#pragma unroll 1
    for (int t = i == 0 ? me.mine : max(before.first, me.mine); t < (i == 0 ? own_end : min(i, own_end)); t++) {
        put_token(m, n, me, t, weighed{{0, 0}, {0, 0}});
    }
    cross(m, me, n, leave, single ? total : half);
    leave = single ? pair{0, 0} : sub(total, half);
    const place at = place_of(p, cut);
    const __nv_bfloat16 *q = row_of<__nv_bfloat16>(p.q, p, at, (int64_t)n * C + i) + me.channel;
    const __nv_bfloat16 *k = row_of<__nv_bfloat16>(p.k, p, at, (int64_t)n * C + i) + me.channel;
#pragma unroll 1
    for (int t = 0; t < count; t++) {
        if (t > 0) sum = add(sum, pair_of(g + t * Plan::DK));
        if (i + t < me.mine || i + t >= own_end || me.channel >= p.dk) continue;
        weighed w = {pair_of(q + t * p.q.stride[1]), pair_of(k + t * p.k.stride[1])};
        if (me.channel + 1 >= p.dk) w.q.y = w.k.y = 0; /* whatever lies behind the row */
        w = single ? weighed{{__fmul_rn(w.q.x, scale), __fmul_rn(w.q.y, scale)}, w.k}
                   : weigh(w.q, w.k, scale, sum, half);
        put_token(m, n, me, i + t, w);
    }
    bool last = i + count == rows;
    if (last && i > 0 && threadIdx.x % 128 == 0) m.steps_used[s] = parity; /* i = 0: it is, others may still read */
    return {i, count, last};
}

template <typename Plan>
__device__ void prepare(const gla_cuda_problem &p, const segments &cut, int length, float scale, int team,
                        shared_memory<Plan> &m) {
    int chunks = (length + C - 1) / C;
    for (int n = team; n < chunks; n += Plan::TEAMS) {
        const worker me = worker_of<Plan>(team, threadIdx.x);
        int rows = min((int)C, length - n * C);
        auto &sums = m.sums[n % Plan::G];
        wait_for(m.summed, n);
        pair leave = pair_of(&sums.leave[me.channel]), total = pair_of(&sums.total[me.channel]), half = half_of(total);
        bool mild = sums.mild;
        wait_for(m.freed, n - Plan::QK); /* or `landed` might still be a chunk behind */
        wait_for(m.landed, n);
        if (rows < C) clear_rows(m, me, n, rows);
        uint32_t parity = 0;
        step now = {};
        do {
            if (mild) {
                cross(m, me, n, leave, half);
                weigh_chunk(m, team, n, scale, half);
                now = {0, rows, 1};
            } else {
                now = strong_step(p, cut, scale, n, rows, team, now, leave, parity, m);
            }
            if (now.last) arrive(m.freed_g, n);
            publish(m, me, n, now);
        } while (!now.last);
    }
    if (chunks % Plan::TEAMS != team) return;
    /* The end: what is left of the decay. */
    const worker me = worker_of<Plan>(team, threadIdx.x);
    wait_for(m.summed, chunks);
    wait_for(m.freed, chunks - Plan::QK);
    pair leave = pair_of(&m.sums[chunks % Plan::G].leave[me.channel]);
    float *f = &m.f[chunks % Plan::QK][me.channel];
    if (me.mine == 0) {
        f[0] = chunks ? exponential(leave.x) : 1;
        f[1] = chunks ? exponential(leave.y) : 1;
    }
    if (threadIdx.x % 128 == 0) m.step[chunks % Plan::QK] = step{0, 0, 1};
    arrive(m.ready, chunks);
}

} // namespace fused

#endif
