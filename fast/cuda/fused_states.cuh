/* SPDX-License-Identifier: Apache-2.0
 *
 * The parts of the state kernel (fused_states.cu): what a block has, and its prep warpgroup, which turns the gates of a
 * chunk into weighed operands and factors between chunks.
 *
 * Per channel, Gamma the running sums of a chunk's gates, r = Gamma_last / 2 (reference/gated/paired.c):
 *     mild     |Gamma| <= LIMIT    Kh = k e^(r-Gamma)       Qh = sq e^(Gamma-r)    enter r, leave Gamma_last - r, mid 1
 *     strong   else                Kh = k e^Delta           Qh = sq e^Gamma        enter 0, leave 0, mid e^Gamma_last
 * with Delta_t = g_{t+1} + Delta_{t+1}, the sums from the end. Both are e^(+-(sum - r)) with r = 0 where strong, so
 * only the sums differ. A team of 128 threads: a warp has 16 of the tokens, a lane two channels. Teams take chunks in
 * turn.
 */
#ifndef GLA_FUSED_STATES_CUH
#define GLA_FUSED_STATES_CUH

#include "fused_numbers.cuh"
#include "tokens.cuh"

namespace fused_states {

using namespace fused;

enum { CHANNELS = 64, PARTS = 4, SHARE = C / PARTS }; /* of a block; of a chunk's tokens, a prep warp's */
enum { STATE_THREADS = 128, TEAM_THREADS = 128, LOAD_THREADS = 32 };
enum {
    MOST_STAGES = 6,
    OUTS = 2,
    BAR_STATE = 1,
    BAR_TEAM = 2
}; /* named barriers; each team has its own from BAR_TEAM on */

/* [0] the states: k v; [1] the adjoints: q d_o. */
struct state_maps {
    CUtensorMap operand[2], value[2], kept[2], g;
};

/* Shared memory: `stages` of these, OUTS places of a rounded piece on its way out, then the barriers. */
template <int COLUMNS, typename Gate> struct stage {
    uint8_t operand[PANEL], value[COLUMNS / 64 * PANEL];
    union {
        Gate g[C * CHANNELS];
        float4 factors[CHANNELS]; /* front, mid, back; once the gates are read */
    };
};
struct barriers {
    uint64_t landed[MOST_STAGES], ready[MOST_STAGES], freed[MOST_STAGES];
};
struct plan {
    int stages;
    bool keep; /* store the states; else dinitial_state is all that is wanted */
};

/* Where in the ring of stages. */
struct turn {
    int stage = 0;
    uint32_t parity = 0;
    __device__ void next(const plan &how, int steps = 1) {
        stage += steps;
        if (stage < how.stages) return;
        stage -= how.stages;
        parity ^= 1;
    }
};

/* One block: a sequence, a head, and a piece of its state; in one direction. */
template <int COLUMNS, typename Gate> struct block {
    const gla_cuda_problem &p;
    const state_maps &map;
    plan how;
    bool reverse;
    uint32_t sequence, head;
    int first, length;           /* tokens first .. first+length-1 */
    int channel, column, chunks; /* the piece's first; chunks of the sequence */
    stage<COLUMNS, Gate> *stages;
    uint8_t *outs;
    barriers *barrier;

    /* Chunks in the order of this direction. */
    __device__ int chunk(int i) const { return reverse ? chunks - 1 - i : i; }
    __device__ int batch() const { return p.cu_seqlens ? 0 : (int)sequence; }
    __device__ int head_in(const gla_cuda_tensor &x) const { return (int)(head / ((uint32_t)p.H / (uint32_t)x.heads)); }
};

/* ---- prep ---- */

/* Of two channels: the sums of the warp's own tokens, of all, and the greatest |sum|. */
struct summed {
    pair kept[SHARE], last, greatest;
};

template <typename Gate> __device__ inline void sum_gates(summed &z, const Gate *g, int channel, int part) {
    z.last = z.greatest = {0, 0};
#pragma unroll 1
    for (int i = 0; i < PARTS; i++) {
        pair sum[SHARE];
#pragma unroll
        for (int t = 0; t < SHARE; t++) {
            pair x = pair_of(g + (i * SHARE + t) * CHANNELS + channel);
            sum[t] = z.last = {__fadd_rn(z.last.x, x.x), __fadd_rn(z.last.y, x.y)};
            z.greatest = {fmaxf(z.greatest.x, fabsf(z.last.x)), fmaxf(z.greatest.y, fabsf(z.last.y))};
        }
        if (i != part) continue;
#pragma unroll
        for (int t = 0; t < SHARE; t++) z.kept[t] = sum[t];
    }
}

/* A NaN stays in the sums to the last, but not in the greatest. */
__device__ inline bool strong(float greatest, float last) { return !(greatest <= LIMIT && fabsf(last) <= LIMIT); }

/* -Delta of the warp's own tokens in place of Gamma, where a channel is strong. */
template <typename Gate>
__device__ __forceinline__ void sum_from_end(summed &z, const Gate *g, int channel, int part, bool x, bool y) {
    pair delta = {0, 0};
#pragma unroll 1
    for (int i = PARTS - 1; i >= part; i--) {
#pragma unroll
        for (int t = SHARE - 1; t >= 0; t--) {
            if (i == part && x) z.kept[t].x = -delta.x;
            if (i == part && y) z.kept[t].y = -delta.y;
            pair next = pair_of(g + (i * SHARE + t) * CHANNELS + channel);
            delta = {__fadd_rn(next.x, delta.x), __fadd_rn(next.y, delta.y)};
        }
    }
}

/* Rows past the end of the sequence belong to somebody else: zeros. */
template <int COLUMNS, typename Gate> __device__ void clear_rows(stage<COLUMNS, Gate> &s, int rows, int team) {
    for (int i = threadIdx.x % TEAM_THREADS; i < (C - rows) * 32; i += TEAM_THREADS) {
        int row = rows + i / 32, column = i % 32 * 2;
        put(element<CHANNELS>(s.operand, row, column), 0, 0);
        for (int panel = 0; panel < COLUMNS / 64; panel++)
            put(element<CHANNELS>(s.value + panel * PANEL, row, column), 0, 0);
        s.g[row * CHANNELS + column] = s.g[row * CHANNELS + column + 1] = Gate(0.0f);
    }
    ptx::group_sync(BAR_TEAM + team, TEAM_THREADS);
}

/* One chunk, scaled by `scale`: its operand and its factors. The crossing into a chunk is e^(back of the chunk before +
 * front), in the order of this direction. */
template <int COLUMNS, typename Gate>
__device__ inline void prepare_chunk(const block<COLUMNS, Gate> &b, stage<COLUMNS, Gate> &s, float scale, int team) {
    int channel = threadIdx.x % 32 * 2, part = threadIdx.x % TEAM_THREADS / 32;
    summed z = {};
    if (b.p.g.data) sum_gates(z, s.g, channel, part);
    bool x = strong(z.greatest.x, z.last.x), y = strong(z.greatest.y, z.last.y);
    if (!b.reverse && (x || y)) sum_from_end(z, s.g, channel, part, x, y);
    ptx::group_sync(BAR_TEAM + team, TEAM_THREADS); /* the gates are read */
    pair half = half_of(z.last), mid = {x ? exponential(z.last.x) : 1, y ? exponential(z.last.y) : 1};
    if (x) half.x = z.last.x = 0;
    if (y) half.y = z.last.y = 0;
    pair enter = half, leave = {__fsub_rn(z.last.x, half.x), __fsub_rn(z.last.y, half.y)};
    pair front = b.reverse ? leave : enter, back = b.reverse ? enter : leave;
    if (part == 0) {
        s.factors[channel] = {front.x, mid.x, back.x, 0};
        s.factors[channel + 1] = {front.y, mid.y, back.y, 0};
    }
    pair raw[SHARE]; /* all loads, then all stores: the compiler keeps their order */
#pragma unroll
    for (int t = 0; t < SHARE; t++) raw[t] = pair_of(element<CHANNELS>(s.operand, part * SHARE + t, channel));
    float base = b.reverse ? LOG2E : -LOG2E; /* e^(sum-r), e^(r-sum) */
#pragma unroll
    for (int t = 0; t < SHARE; t++) {
        __nv_bfloat16 *at = element<CHANNELS>(s.operand, part * SHARE + t, channel);
        pair sum = z.kept[t];
        put(at, __fmul_rn(__fmul_rn(raw[t].x, scale), ptx::ex2(__fmul_rn(__fsub_rn(sum.x, half.x), base))),
            __fmul_rn(__fmul_rn(raw[t].y, scale), ptx::ex2(__fmul_rn(__fsub_rn(sum.y, half.y), base))));
    }
}

template <int TEAMS, int COLUMNS, typename Gate>
__device__ void prepare(const block<COLUMNS, Gate> &b, float scale, int team) {
    turn now;
    now.next(b.how, team);
    for (int i = team; i < b.chunks; i += TEAMS, now.next(b.how, TEAMS)) {
        auto &s = b.stages[now.stage];
        int rows = min((int)C, b.length - b.chunk(i) * C);
        /* A barrier tells a phase from the next one alone, and other teams had this stage in between. */
        ptx::barrier_wait(ptx::shared_address(&b.barrier->freed[now.stage]), now.parity ^ 1);
        ptx::barrier_wait(ptx::shared_address(&b.barrier->landed[now.stage]), now.parity);
        if (rows < C) clear_rows(s, rows, team);
        prepare_chunk(b, s, b.reverse ? scale : 1, team);
        ptx::fence_for_matrix_units();
        ptx::barrier_arrive(ptx::shared_address(&b.barrier->ready[now.stage]));
    }
}

} // namespace fused_states

#endif
