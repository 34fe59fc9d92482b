/* SPDX-License-Identifier: Apache-2.0
 *
 * The state kernel's state warps (fused_states.cu): a piece of 64 rows and COLUMNS columns of the state, as the
 * accumulator of matrix products, from the first chunk to the last. 128 threads: thread l of warp w holds rows
 * 16 w + l/4 (+8), and of each 8 columns 2 (l%4) and the next. Per chunk
 *     S = e^(back of the chunk before + front) S ; round(S) leaves ; S = mid S ; S += operand^T value
 * with the factors, per row, and the weighed operand from prep (fused_states.cuh).
 */
#ifndef GLA_FUSED_STATES_CARRY_CUH
#define GLA_FUSED_STATES_CARRY_CUH

#include "fused_states.cuh"

namespace fused_states {

struct corner {
    int row, column;
};
__device__ inline corner corner_of() {
    int lane = threadIdx.x % 32;
    return {(int)threadIdx.x / 32 * 16 + lane / 4, lane % 4 * 2};
}

/* Row `row` of the piece in a tensor of states, from the thread's first column on; NULL: outside, or no tensor. */
template <int COLUMNS, typename Gate>
__device__ inline float *row_of(const block<COLUMNS, Gate> &b, const gla_cuda_tensor &x, int row) {
    if (!x.data || b.channel + row >= b.p.dk) return NULL;
    return (float *)x.data + b.sequence * x.stride[0] + b.head_in(x) * x.stride[1] + (b.channel + row) * x.stride[2] +
           b.column + corner_of().column;
}

/* How many of its groups of 8 columns exist; dv is a multiple of 8. */
template <int COLUMNS, typename Gate> __device__ inline int groups_of(const block<COLUMNS, Gate> &b) {
    return (int)min((int64_t)COLUMNS, b.p.dv - b.column) / 8;
}

template <int COLUMNS, typename Gate>
__device__ inline void read_state(const block<COLUMNS, Gate> &b, float (&S)[COLUMNS / 2], const gla_cuda_tensor &x) {
    int groups = groups_of(b);
#pragma unroll
    for (int half = 0; half < 2; half++) {
        const float *from = row_of(b, x, corner_of().row + half * 8);
#pragma unroll
        for (int i = 0; i < COLUMNS / 8; i++) {
            float2 two = from && i < groups ? *(const float2 *)(from + i * 8) : float2{0, 0};
            S[4 * i + 2 * half] = two.x;
            S[4 * i + 2 * half + 1] = two.y;
        }
    }
}

template <int COLUMNS, typename Gate>
__device__ inline void write_state(const block<COLUMNS, Gate> &b, const float (&S)[COLUMNS / 2]) {
    int groups = groups_of(b);
#pragma unroll
    for (int half = 0; half < 2; half++) {
        float *to = row_of(b, b.p.dinitial_state, corner_of().row + half * 8);
#pragma unroll
        for (int i = 0; i < COLUMNS / 8; i++)
            if (to && i < groups) *(float2 *)(to + i * 8) = {S[4 * i + 2 * half], S[4 * i + 2 * half + 1]};
    }
}

template <int COLUMNS> __device__ inline void scale_rows(float (&S)[COLUMNS / 2], float low, float high) {
#pragma unroll
    for (int i = 0; i < COLUMNS / 2; i++) S[i] = __fmul_rn(i / 2 % 2 ? high : low, S[i]);
}

/* The piece, rounded, as panels of 64 columns in shared memory. */
template <int COLUMNS> __device__ inline void lay_out(const float (&S)[COLUMNS / 2], uint32_t to) {
    int lane = threadIdx.x % 32;
    uint32_t mine = to + ptx::swizzled(threadIdx.x / 32 * 16 + lane % 16, lane / 16 * 8);
#pragma unroll
    for (int i = 0; i < COLUMNS / 16; i++) { /* 16 columns, two pieces of a swizzled row further on */
        uint32_t x[4];
#pragma unroll
        for (int j = 0; j < 4; j++) {
            __nv_bfloat162 two = __floats2bfloat162_rn(S[8 * i + 2 * j], S[8 * i + 2 * j + 1]);
            x[j] = *(uint32_t *)&two;
        }
        ptx::store_tiles((mine ^ i % 4 * 32) + i / 4 * PANEL, x[0], x[1], x[2], x[3]);
    }
}

template <int COLUMNS, typename Gate>
__device__ inline void multiply(float (&S)[COLUMNS / 2], stage<COLUMNS, Gate> &s) {
    uint32_t A = ptx::shared_address(s.operand), V = ptx::shared_address(s.value);
    ptx::pin(S);
    ptx::products_begin();
#pragma unroll
    for (int i = 0; i < C / 16; i++) {
        if constexpr (COLUMNS == 64)
            ptx::product_n64<1, 1>(S, ptx::matrix_at(A + i * 2048, 0), ptx::matrix_at(V + i * 2048, 0), 1);
        else
            ptx::product_n128<1, 1>(S, ptx::matrix_at(A + i * 2048, 0), ptx::matrix_at(V + i * 2048, PANEL), 1);
    }
    ptx::products_commit();
}

template <int COLUMNS, typename Gate>
__device__ inline void store_kept(const block<COLUMNS, Gate> &b, uint32_t from, int slot) {
    for (int panel = 0; panel < COLUMNS / 64 && b.column + panel * 64 < b.p.dv; panel++)
        ptx::store_box(b.map.kept[b.reverse], from + panel * PANEL, b.column + panel * 64, b.channel, (int)b.head,
                       slot);
}

template <int COLUMNS, typename Gate> __device__ void carry(const block<COLUMNS, Gate> &b) {
    float S[COLUMNS / 2];
    float2 back = {0, 0}; /* of the thread's rows, from the chunk before */
    int row = corner_of().row, slot = (int)stored::first_slot(b.p, b.sequence) + b.chunk(0);
    read_state(b, S, b.reverse ? b.p.d_final_state : b.p.initial_state);
    turn now;
    for (int left = b.chunks; left > 0; left--, now.next(b.how), slot += b.reverse ? -1 : 1) {
        auto &s = b.stages[now.stage];
        uint32_t to = ptx::shared_address(b.outs) + left % OUTS * (COLUMNS / 64 * PANEL);
        ptx::barrier_wait(ptx::shared_address(&b.barrier->ready[now.stage]), now.parity);
        float4 low = s.factors[row], high = s.factors[row + 8];
        scale_rows<COLUMNS>(S, exponential(__fadd_rn(back.x, low.x)), exponential(__fadd_rn(back.y, high.x)));
        back = {low.z, high.z};
        if (b.how.keep) lay_out<COLUMNS>(S, to);
        if (__any_sync(~0u, low.y != 1 || high.y != 1)) scale_rows<COLUMNS>(S, low.y, high.y);
        multiply(S, s);
        ptx::fence_for_matrix_units();
        if (threadIdx.x == 0) ptx::stores_read(); /* the other place is free */
        ptx::group_sync(BAR_STATE, STATE_THREADS);
        if (threadIdx.x == 0 && b.how.keep) store_kept(b, to, slot);
        ptx::products_wait<0>();
        ptx::pin(S);
        ptx::barrier_arrive(ptx::shared_address(&b.barrier->freed[now.stage]));
    }
    if (b.reverse && b.p.dinitial_state.data) {
        scale_rows<COLUMNS>(S, exponential(back.x), exponential(back.y));
        write_state(b, S);
    }
    if (threadIdx.x == 0) ptx::stores_read();
}

} // namespace fused_states

#endif
