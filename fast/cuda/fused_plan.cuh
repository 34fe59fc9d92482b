/* SPDX-License-Identifier: Apache-2.0
 *
 * The fused forward kernel's plan for one (output or not, dk, columns, dtype of gates): its warpgroups, their
 * registers, its shared memory and the barriers that hand it round.
 *
 * Of the precise grade q and k land in a ring of their own, `raw`: prep writes what Qh and Kh lose by rounding over
 * them, and the rounded ones into the ring that states read.
 *
 * Chunk n lives in slot n % SLOTS of each ring. Who hands what to whom:
 *     landed_g    load -> gates           g has arrived
 *     summed      gates -> prep           sums, leave, mild
 *     freed_g     prep -> load, gates     g and its sums are not needed any more
 *     landed      load -> prep            q and k have arrived
 *     spent       prep -> load            raw is not needed any more
 *     ready       prep -> state           a step stands in q, k, P, f
 *     used        state -> prep           it has been used, the chunk needs another
 *     freed       state -> load, prep     q, k, P, f are not needed any more
 *     landed_v    load -> state           v has arrived
 *     written     state -> store          o stands in v's place
 *     freed_v     store -> load           v's place can be written
 */
#ifndef GLA_FUSED_PLAN_CUH
#define GLA_FUSED_PLAN_CUH

#include "fused_numbers.cuh"

namespace fused {

/* OUTPUT: o and the final state; else what a segment adds to a zero state. GROUPS: state warpgroups, of 64 columns
 * each. TEAMS: prep warpgroups, which take chunks in turn. PRECISE: scores from operands of two parts. */
template <bool OUTPUT_, int DK_, int GROUPS_, typename Gate_, bool PRECISE_ = false> struct plan {
    typedef Gate_ Gate;
    enum { OUTPUT = OUTPUT_, DK = DK_, GROUPS = GROUPS_, PANELS = DK / 64, WIDE = sizeof(Gate) == 4 };
    enum { PRECISE = PRECISE_ };
    enum { TEAMS = DK == 64 || (DK == 128 && GROUPS == 1 && !WIDE) ? 2 : 1 };

    /* Registers a thread; what the launch has is 65536 / THREADS on average. */
    enum { THREADS = 128 * (1 + TEAMS + GROUPS) };
    enum { STATE = GROUPS == 1 ? 240 : DK == 256 ? (OUTPUT ? 208 : 168) : DK == 128 ? 160 : 112 };
    enum { PREP = GROUPS == 1 ? 104 : DK == 256 ? 64 : DK == 128 ? 128 : 80 };
    enum { SERVICE = GROUPS == 1 ? 64 : DK == 256 ? (OUTPUT ? 32 : 96) : DK == 128 ? 56 : 96 };

    /* A prep warp has 64 channels, two a lane, and SLAB tokens. */
    enum { SLABS = 4 / PANELS, SLAB = C / SLABS };

    /* Slots of the rings: as many as there is memory for. A slot of q and k or of P is always the same team's. */
    enum {
        RAW = !PRECISE    ? 0
              : DK == 256 ? 1
              : DK == 128 ? 2 - WIDE
                          : 4,
        QK = PRECISE     ? (DK == 256 ? 1 : 2)
             : DK == 256 ? 2
             : DK == 128 ? 2 + TEAMS
                         : 4,
        V = DK == 256   ? 3 - GROUPS
            : DK == 128 ? (GROUPS == 2 && (WIDE || PRECISE) ? 2 : 3)
                        : 4 - (WIDE && PRECISE),
        G = DK == 256   ? 2 - WIDE
            : DK == 128 ? 3 - (WIDE || (PRECISE && GROUPS == 2))
                        : 3,
        P = PRECISE     ? QK
            : DK == 256 ? 1
            : DK == 128 ? 4 - TEAMS
                        : 4,
        LANDING = PRECISE ? RAW : QK
    };
    static_assert(QK % TEAMS == 0 && P % TEAMS == 0 && RAW % TEAMS == 0, "a slot would change teams");
    static_assert((int)QK >= (int)P && (int)G >= (int)TEAMS, "who waits would lose count of a barrier's phases");
};

template <typename Plan> struct tiles_of { uint8_t q[Plan::PANELS * PANEL], k[Plan::PANELS * PANEL]; };
template <typename Plan, bool PRECISE> struct raw_tiles {};
template <typename Plan> struct raw_tiles<Plan, true> { tiles_of<Plan> raw[Plan::RAW]; };

template <typename Plan> struct shared_memory : raw_tiles<Plan, Plan::PRECISE> {
    tiles_of<Plan> qk[Plan::QK];
    uint8_t v[Plan::V][Plan::GROUPS * PANEL]; /* becomes o */
    uint8_t P[Plan::P][PANEL];
    typename Plan::Gate g[Plan::G][C * Plan::DK];
    struct {
        float before[Plan::SLABS][Plan::DK]; /* of gates, before each slab's first token; of slab 0: nothing */
        float total[Plan::DK];
        float leave[Plan::DK]; /* of the step before the chunk */
        int mild;
    } sums[Plan::G];
    float f[Plan::QK][Plan::DK];
    struct step step[Plan::QK];
    int whole[Plan::V][Plan::GROUPS]; /* a tile of o is to be stored */
    uint32_t steps_used[Plan::QK];    /* the parity of `used` */
    uint64_t landed_g[Plan::G], summed[Plan::G], freed_g[Plan::G];
    uint64_t landed[Plan::LANDING], ready[Plan::QK], used[Plan::QK], freed[Plan::QK];
    uint64_t landed_v[Plan::V], written[Plan::V], freed_v[Plan::V];
    uint64_t spent[Plan::LANDING];
};

/* Where q and k of chunk n land. */
template <typename Plan> __device__ inline tiles_of<Plan> &landing_of(shared_memory<Plan> &m, int n) {
    if constexpr (Plan::PRECISE)
        return m.raw[n % Plan::RAW];
    else
        return m.qk[n % Plan::QK];
}

/* How far behind the rounded Qh and Kh of chunk n that is, in bytes. */
template <typename Plan> __device__ inline int landing_behind(shared_memory<Plan> &m, int n) {
    return (int)((uint8_t *)&landing_of(m, n) - (uint8_t *)&m.qk[n % Plan::QK]);
}

/* Named barriers; each team and each state group has its own. */
enum { BAR_GATES = 1, BAR_PREP = 2, BAR_STATE = 4 };
enum { GATE_THREADS = 64 };

template <int SLOTS> __device__ inline void start(uint64_t (&barrier)[SLOTS], uint32_t arrivals) {
    for (int i = 0; i < SLOTS; i++) ptx::barrier_init(ptx::shared_address(&barrier[i]), arrivals);
}

/* Until chunk n has passed this barrier of a ring; chunks before the first have. Whoever asks must know that chunk
 * n - SLOTS has: a barrier tells two phases apart, no more. */
template <int SLOTS> __device__ inline void wait_for(uint64_t (&barrier)[SLOTS], int n) {
    if (n >= 0) ptx::barrier_wait(ptx::shared_address(&barrier[n % SLOTS]), n / SLOTS & 1);
}

template <int SLOTS> __device__ inline bool has_passed(uint64_t (&barrier)[SLOTS], int n) {
    return n < 0 || ptx::barrier_passed(ptx::shared_address(&barrier[n % SLOTS]), n / SLOTS & 1);
}

template <int SLOTS> __device__ inline void arrive(uint64_t (&barrier)[SLOTS], int n) {
    ptx::barrier_arrive(ptx::shared_address(&barrier[n % SLOTS]));
}

/* The barriers, and how many threads arrive at each. */
template <typename Plan> __device__ void start_barriers(shared_memory<Plan> &m) {
    const int team = 128, states = Plan::GROUPS * 128;
    start(m.landed_g, 1);
    start(m.summed, GATE_THREADS);
    start(m.freed_g, team);
    start(m.landed, 1);
    start(m.ready, team);
    start(m.used, states);
    start(m.freed, states);
    start(m.landed_v, 1);
    start(m.written, states);
    start(m.freed_v, 1);
    if (Plan::PRECISE) start(m.spent, team);
    for (int s = 0; s < Plan::QK; s++) m.steps_used[s] = 0;
}

} // namespace fused

#endif
