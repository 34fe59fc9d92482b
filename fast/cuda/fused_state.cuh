/* SPDX-License-Identifier: Apache-2.0
 *
 * The fused kernel's state warpgroups: S^T [64 dv, DK] as the accumulators of matrix products, from the first token to
 * the last, at most 128 channels each. Thread l of warp w holds rows 16 w + l/4 (+8) and, of each 8 columns, 2 (l%4)
 * and the next.
 */
#ifndef GLA_FUSED_STATE_CUH
#define GLA_FUSED_STATE_CUH

#include "fused_plan.cuh"

namespace fused {

struct corner {
    int row, column;
};
__device__ inline corner corner_of() {
    int lane = threadIdx.x % 32;
    return {(int)threadIdx.x % 128 / 32 * 16 + lane / 4, lane % 4 * 2};
}

/* Where element i of the accumulator lies in S [dk,dv]. */
template <int DK>
__device__ inline bool state_index(const gla_cuda_problem &p, corner at, int64_t first_column, int i, int64_t *k,
                                   int64_t *v) {
    *k = i / 4 * 8 + at.column + i % 2;
    *v = first_column + at.row + i % 4 / 2 * 8;
    return *k < p.dk && *v < p.dv;
}

/* Element [0,0] of the head's state. */
__device__ inline float *state_at(const gla_cuda_tensor &x, const gla_cuda_problem &p, const place &at) {
    return (float *)x.data + at.n * x.stride[0] + head_of(x, p, at) * x.stride[1];
}

/* S^T: numbers 4 n .. 4 n + 3 of a thread are of channels 8 n .. 8 n + 7. */
template <int DK> struct state_of {
    enum { PARTS = DK == 256 ? 2 : 1, SIZE = DK / PARTS / 2 };
    float part[PARTS][SIZE];
};

/* S = f S for the 64 channels of a panel. */
template <int DK> __device__ inline void scale_panel(state_of<DK> &S, int panel, const float *f) {
    float *s = S.part[panel / 2] + panel % 2 * 32;
    corner at = corner_of();
#pragma unroll
    for (int i = 0; i < 32; i++) s[i] = __fmul_rn(f[panel * 64 + i / 4 * 8 + at.column + i % 2], s[i]);
}

/* A panel's 64 channels as operands A[64 dv, 16] of four products. */
template <int DK> __device__ inline void operands(uint32_t (&A)[4][4], const state_of<DK> &S, int panel) {
    const float *s = S.part[panel / 2] + panel % 2 * 32;
#pragma unroll
    for (int i = 0; i < 16; i++) A[i / 4][i % 4] = rounded(s[2 * i], s[2 * i + 1]);
}

/* O^T = S^T Qh^T, at most two panels of S as operands at a time; the last products are still on their way. */
template <typename Plan>
__device__ __forceinline__ void read_state(float (&O)[32], const state_of<Plan::DK> &S, uint32_t Q) {
    const int HELD = Plan::PANELS == 2 ? 2 : 1;
#pragma unroll
    for (int first = 0; first < Plan::PANELS; first += HELD) {
        uint32_t A[HELD][4][4];
        if (first > 0) {
            ptx::products_wait<0>(); /* they read the operands until then */
            ptx::pin(O);
        }
#pragma unroll
        for (int i = 0; i < HELD; i++) operands(A[i], S, first + i);
        ptx::products_begin();
#pragma unroll
        for (int i = 0; i < HELD * 4; i++)
            ptx::product_n64<0>(O, A[i / 4][i % 4], ptx::matrix_at(Q + (first + i / 4) * PANEL + i % 4 * 32, 0),
                                first + i > 0);
        if (first + HELD < Plan::PANELS) ptx::products_commit();
    }
}

/* S += V^T Kh. */
template <int DK> __device__ inline void write_keys(state_of<DK> &S, uint32_t V, uint32_t K) {
#pragma unroll
    for (int part = 0; part < state_of<DK>::PARTS; part++)
#pragma unroll
        for (int i = 0; i < C / 16; i++) {
            uint32_t k = K + part * 2 * PANEL + i * 2048;
            if constexpr (DK == 64)
                ptx::product_n64<1, 1>(S.part[part], ptx::matrix_at(V + i * 2048, 0), ptx::matrix_at(k, 0), 1);
            else
                ptx::product_n128<1, 1>(S.part[part], ptx::matrix_at(V + i * 2048, 0), ptx::matrix_at(k, PANEL), 1);
        }
}

/* O^T [64 dv, 64 tokens], rounded, of a whole tile: to the group's panel of v, which the group no longer needs. */
__device__ inline void write_tile(const uint32_t (&O)[16], uint8_t *panel) {
    int lane = threadIdx.x % 32, warp = threadIdx.x % 128 / 32;
    uint32_t to = ptx::shared_address(panel);
#pragma unroll
    for (int i = 0; i < 4; i++) { /* 16 tokens */
        int row = i * 16 + lane / 16 * 8 + lane % 8, piece = warp * 2 + lane / 8 % 2;
        ptx::store_transposed(to + ptx::swizzled(row, piece * 8), O[4 * i], O[4 * i + 1], O[4 * i + 2], O[4 * i + 3]);
    }
    ptx::fence_for_matrix_units();
}

/* Some rows of it to global memory, element by element. */
__device__ __forceinline__ void write_rows(const uint32_t (&O)[16], const gla_cuda_problem &p, const place &at,
                                           int64_t chunk, step now, int64_t column) {
    corner me = corner_of();
#pragma unroll
    for (int i = 0; i < 32; i++) {
        int row = i / 4 * 8 + me.column + i % 2;
        int64_t v = column + me.row + i % 4 / 2 * 8;
        if (row >= now.first && row < now.first + now.rows && v < p.dv)
            row_of<uint16_t>(p.o, p, at, chunk * C + row)[v] = (uint16_t)(O[i / 2] >> i % 2 * 16);
    }
}

/* Rows of the group's panel of v past the end of the sequence belong to somebody else: zeros. */
__device__ inline void clear_values(uint8_t *panel, int rows, uint32_t group) {
    ptx::group_sync(BAR_STATE + group, 128);
    for (int i = rows * 8 + threadIdx.x % 128; i < C * 8; i += 128) ((uint4 *)panel)[i] = make_uint4(0, 0, 0, 0);
    ptx::fence_for_matrix_units();
    ptx::group_sync(BAR_STATE + group, 128);
}

template <typename Plan>
__device__ void carry(const gla_cuda_problem &p, const segments &cut, const place &at, uint32_t group,
                      shared_memory<Plan> &m) {
    const int DK = Plan::DK;
    state_of<DK> S;
    corner me = corner_of();
    int column = (int)(blockIdx.y * Plan::GROUPS + group) * 64;
    int64_t k, v;
    const float *from = NULL; /* [k, v] */
    int64_t row = p.dv;
    if (Plan::OUTPUT && at.segment > 0) {
        from = slot_of(p, cut, at, at.segment - 1);
    } else if (Plan::OUTPUT && p.initial_state.data) {
        from = state_at(p.initial_state, p, at);
        row = p.initial_state.stride[2];
    }
#pragma unroll
    for (int i = 0; i < DK / 2; i++)
        S.part[i / S.SIZE][i % S.SIZE] = state_index<DK>(p, me, column, i, &k, &v) && from ? from[k * row + v] : 0;
    uint32_t readies = 0; /* bit s: parity of how often slot s was ready */
    for (int n = 0;;) {
        int s = n % Plan::QK;
        auto &tile = m.qk[s];
        uint8_t *values = m.v[n % Plan::V] + group * PANEL;
        uint32_t Q = ptx::shared_address(tile.q), K = ptx::shared_address(tile.k);
        uint32_t V = ptx::shared_address(values), P = ptx::shared_address(m.P[n % Plan::P]);
        ptx::barrier_wait(ptx::shared_address(&m.ready[s]), readies >> s & 1);
        readies ^= 1u << s;
        step now = m.step[s];
        if (now.rows == 0) {
#pragma unroll
            for (int panel = 0; panel < Plan::PANELS; panel++) scale_panel(S, panel, m.f[s]);
            break;
        }
        wait_for(m.landed_v, n);
        if (now.first == 0 && at.length - n * C < C) clear_values(values, at.length - n * C, group);

#pragma unroll
        for (int panel = 0; panel < Plan::PANELS; panel++) scale_panel(S, panel, m.f[s]);
        float O[32];
        if (Plan::OUTPUT) read_state<Plan>(O, S, Q);
        for (int part = 0; part < S.PARTS; part++) ptx::pin(S.part[part]);
        ptx::products_begin();
        if (Plan::OUTPUT) {
#pragma unroll
            for (int i = 0; i < C / 16; i++)
                ptx::product_n64<1, 0>(O, ptx::matrix_at(V + i * 2048, 0), ptx::matrix_at(P + i * 32, 0), 1);
            ptx::products_commit();
        }
        write_keys(S, V, K);
        ptx::products_commit();
        uint32_t Or[16];
        if (Plan::OUTPUT) {
            ptx::products_wait<1>();
            ptx::pin(O);
#pragma unroll
            for (int i = 0; i < 16; i++) Or[i] = rounded(O[2 * i], O[2 * i + 1]);
        }
        ptx::products_wait<0>();
        for (int part = 0; part < S.PARTS; part++) ptx::pin(S.part[part]);
        if (now.last)
            arrive(m.freed, n);
        else
            arrive(m.used, n);
        bool whole = Plan::OUTPUT && now.rows == C;
        if (whole)
            write_tile(Or, values);
        else if (Plan::OUTPUT)
            write_rows(Or, p, at, n, now, column);
        if (now.last) {
            if (threadIdx.x % 128 == 0) {
                wait_for(m.freed_v, n - Plan::V); /* the last one has been read */
                m.whole[n % Plan::V][group] = whole;
            }
            arrive(m.written, n);
            n++;
        }
    }
    const place end = Plan::PRECISE ? place_of(p, cut) : at; /* once more: it has no registers in the loop */
    float *to = Plan::OUTPUT ? NULL : slot_of(p, cut, end, end.segment);
    row = p.dv;
    if (Plan::OUTPUT && p.final_state.data && end.last) {
        to = state_at(p.final_state, p, end);
        row = p.final_state.stride[2];
    }
#pragma unroll
    for (int i = 0; i < DK / 2; i++)
        if (state_index<DK>(p, me, column, i, &k, &v) && to) to[k * row + v] = S.part[i / S.SIZE][i % S.SIZE];
}

} // namespace fused

#endif
