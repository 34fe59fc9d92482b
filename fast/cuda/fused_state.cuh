/* SPDX-License-Identifier: Apache-2.0
 *
 * The fused kernel's state warpgroups: S^T [64 dv, DK] as the accumulator of matrix products, from the first token to
 * the last. Thread l of warp w holds rows 16 w + l/4 (+8) and, of each 8 columns, 2 (l%4) and the next.
 */
#ifndef GLA_FUSED_STATE_CUH
#define GLA_FUSED_STATE_CUH

#include "fused_parts.cuh"

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

__device__ inline float *state_at(const gla_cuda_tensor &x, const gla_cuda_problem &p, const place &at, int64_t k,
                                  int64_t v) {
    return (float *)x.data + at.n * x.stride[0] + head_of(x, p, at) * x.stride[1] + k * x.stride[2] + v;
}

template <int DK> __device__ inline void scale_state(float (&S)[DK / 2], const float *f) {
    corner at = corner_of();
#pragma unroll
    for (int i = 0; i < DK / 2; i++) S[i] = __fmul_rn(f[i / 4 * 8 + at.column + i % 2], S[i]);
}

/* O^T [64 dv, 64 tokens] of a whole tile, by way of the group's panel of v, which nobody needs any more. */
__device__ inline void write_tile(const float (&O)[32], uint8_t *panel, const maps &maps, const place &at, int token,
                                  int column, uint32_t group) {
    int lane = threadIdx.x % 32, warp = threadIdx.x % 128 / 32;
    uint32_t to = ptx::shared_address(panel);
#pragma unroll
    for (int i = 0; i < 4; i++) { /* 16 tokens */
        uint32_t x[4];
#pragma unroll
        for (int j = 0; j < 4; j++) {
            __nv_bfloat162 two = __floats2bfloat162_rn(O[8 * i + 2 * j], O[8 * i + 2 * j + 1]);
            x[j] = *(uint32_t *)&two;
        }
        int row = i * 16 + lane / 16 * 8 + lane % 8, piece = warp * 2 + lane / 8 % 2;
        ptx::store_transposed(to + ptx::swizzled(row, piece * 8), x[0], x[1], x[2], x[3]);
    }
    ptx::fence_for_matrix_units();
    ptx::group_sync(BAR_STATE + group, 128);
    if (threadIdx.x % 128 == 0) {
        ptx::store_box(maps.o, to, column, at.h, token, at.b);
        ptx::stores_read();
    }
}

/* Some rows of it, element by element. */
__device__ __forceinline__ void write_rows(const float (&O)[32], const gla_cuda_problem &p, const place &at,
                                           int64_t chunk, step now, int64_t column) {
    corner me = corner_of();
#pragma unroll
    for (int i = 0; i < 32; i++) {
        int row = i / 4 * 8 + me.column + i % 2;
        int64_t v = column + me.row + i % 4 / 2 * 8;
        if (row >= now.first && row < now.first + now.rows && v < p.dv)
            row_of<__nv_bfloat16>(p.o, p, at, chunk * C + row)[v] = __float2bfloat16_rn(O[i]);
    }
}

template <bool OUTPUT, int DK, int GROUPS, typename Gate>
__device__ void carry(const gla_cuda_problem &p, const maps &maps, const segments &cut, const place &at, uint32_t group,
                      shared_memory<DK, GROUPS, Gate> &m) {
    const int stages = shared_memory<DK, GROUPS, Gate>::STAGES;
    float S[DK / 2];
    corner me = corner_of();
    int column = (int)(blockIdx.y * GROUPS + group) * 64;
    int64_t k, v;
    for (int i = 0; i < DK / 2; i++) {
        S[i] = 0;
        if (!OUTPUT || !state_index<DK>(p, me, column, i, &k, &v)) continue;
        if (at.segment > 0)
            S[i] = slot_of(p, cut, at, at.segment - 1)[k * p.dv + v];
        else if (p.initial_state.data)
            S[i] = *state_at(p.initial_state, p, at, k, v);
    }
    uint32_t readies = 0; /* bit s: parity of how often stage s was ready */
    for (int n = 0;;) {
        int s = n % stages;
        auto &stage = m.stage[s];
        ptx::barrier_wait(ptx::shared_address(&m.ready[s]), readies >> s & 1);
        readies ^= 1u << s;
        step now = m.step[s];
        scale_state<DK>(S, m.f[s]);
        if (now.rows == 0) break;

        float O[32];
        uint32_t Sr[DK / 16][4];
        uint32_t Q = ptx::shared_address(stage.q), K = ptx::shared_address(stage.k), P = ptx::shared_address(stage.P);
        uint32_t V = ptx::shared_address(stage.v) + group * PANEL;
        if (OUTPUT) {
#pragma unroll
            for (int i = 0; i < DK / 4; i++) {
                __nv_bfloat162 two = __floats2bfloat162_rn(S[2 * i], S[2 * i + 1]);
                Sr[i / 4][i % 4] = *(uint32_t *)&two;
            }
        }
        ptx::pin(S);
        ptx::products_begin();
        if (OUTPUT) {
#pragma unroll
            for (int i = 0; i < DK / 16; i++)
                ptx::product_n64<0>(O, Sr[i], ptx::matrix_at(Q + i / 4 * PANEL + i % 4 * 32, 0), i > 0);
#pragma unroll
            for (int i = 0; i < C / 16; i++)
                ptx::product_n64<1, 0>(O, ptx::matrix_at(V + i * 2048, 0), ptx::matrix_at(P + i * 32, 0), 1);
        }
#pragma unroll
        for (int i = 0; i < C / 16; i++) {
            if constexpr (DK == 64)
                ptx::product_n64<1, 1>(S, ptx::matrix_at(V + i * 2048, 0), ptx::matrix_at(K + i * 2048, 0), 1);
            else
                ptx::product_n128<1, 1>(S, ptx::matrix_at(V + i * 2048, 0), ptx::matrix_at(K + i * 2048, PANEL), 1);
        }
        ptx::products_commit();
        ptx::products_wait<0>();
        ptx::pin(S);
        if (OUTPUT) ptx::pin(O);
        if (OUTPUT && now.rows == C)
            write_tile(O, stage.v + group * PANEL, maps, at, at.first + n * C, column, group);
        else if (OUTPUT)
            write_rows(O, p, at, n, now, column);
        ptx::barrier_arrive(ptx::shared_address(now.last ? &m.freed[s] : &m.used[s]));
        n += now.last;
    }
    for (int i = 0; i < DK / 2; i++) {
        if (!state_index<DK>(p, me, column, i, &k, &v)) continue;
        if (!OUTPUT)
            slot_of(p, cut, at, at.segment)[k * p.dv + v] = S[i];
        else if (p.final_state.data && at.last)
            *state_at(p.final_state, p, at, k, v) = S[i];
    }
}

} // namespace fused

#endif
