/* SPDX-License-Identifier: Apache-2.0
 *
 * GLA backward, fused, second kernel: the gradients of one chunk of one head, from the state that enters it and the
 * adjoint of the one that leaves it (fused_states.cu made them). Chunks are independent of each other. The formulation
 * is reference/gated/paired.c; with P = lower(Qm Kh^T), dP = lower(dO V^T), all operands bf16,
 *
 *     dQh = dO Sr^T + dP Kh     dKh = V Gr^T + dP^T Qm     dV = Kh Gr + P^T dO
 *     dq = s into*dQh           dk = out*dKh               dg = suffix sum of Qh*dQh - Kh*dKh that ends in row(G*A)
 *
 * Channels whose gates are too strong for a reference in the centre go pair by pair (fused_gradients_strong.cuh).
 *
 * Two warpgroups. The reader's has P, then dQh and 64 columns of dV; the writer's dP and dKh. The columns of v pass in
 * panels of 64: v, dO [64,64], Sr, Gr [dk,64], by the copy engine; a block waits for its next panel, another block of
 * the same multiprocessor works meanwhile. Both warpgroups meet after: gates, each panel, dP, the products, dQh and
 * dKh.
 *
 * Bits: products are chains of blocks of 16 in ascending order, through the states first; rows past the end of the
 * sequence and channels past dk are zeros, which leave an accumulator as it is.
 */
#include "fused_backward.cuh"
#include "fused_gradients_ends.cuh"
#include "fused_maps.cuh"

namespace fused {

/* ---- products ---- */

/* An accumulator [64,DK], in halves of at most 128 columns. */
template <int DK> struct wide {
    enum { N = DK < 128 ? DK : 128, HALVES = DK / N };
    float half[HALVES][N / 2];
};

/* D (+)= A B. */
template <int DK, int across_A, int across_B>
__device__ inline void product_wide(wide<DK> &d, uint32_t A, uint32_t B, int accumulate) {
#pragma unroll
    for (int h = 0; h < wide<DK>::HALVES; h++) {
        uint64_t b = ptx::matrix_at(B + h * 2 * PANEL, across_B ? PANEL : 0); /* 128 columns of it, or 128 rows */
        if constexpr (DK == 64)
            ptx::product_n64<across_A, across_B>(d.half[h], ptx::matrix_at(A, 0), b, accumulate);
        else
            ptx::product_n128<across_A, across_B>(d.half[h], ptx::matrix_at(A, 0), b, accumulate);
    }
}
template <int DK> __device__ inline void pin(wide<DK> &d) {
#pragma unroll
    for (int h = 0; h < wide<DK>::HALVES; h++) ptx::pin(d.half[h]);
}

/* P = Qm Kh^T, before strong channels. */
template <int DK, typename Gate> __device__ inline void mild_scores(float (&P)[32], const chunk_memory<DK, Gate> &m) {
    uint32_t Q = ptx::shared_address(m.q), K = ptx::shared_address(m.k);
    asm volatile("" : "+r"(K)); /* or the addresses made of it are kept for the panels, in memory */
    ptx::products_begin();
#pragma unroll
    for (int i = 0; i < DK / 16; i++) {
        uint32_t at = i / 4 * PANEL + i % 4 * 32;
        ptx::product_n64<0, 0>(P, ptx::matrix_at(Q + at, 0), ptx::matrix_at(K + at, 0), i > 0);
    }
    ptx::products_commit();
    ptx::products_wait<0>();
    ptx::pin(P);
}

/* dQ += dO Sr^T ; dV = Kh Gr + P^T dO, of a panel. */
template <int DK, typename Gate>
__device__ inline void reader_panel(wide<DK> &dQ, float (&dV)[32], const chunk_memory<DK, Gate> &m, bool first) {
    uint32_t dO = ptx::shared_address(m.d_o), S = ptx::shared_address(m.S), G = ptx::shared_address(m.G);
    uint32_t K = ptx::shared_address(m.k), P = ptx::shared_address(m.P);
    ptx::products_begin();
#pragma unroll
    for (int i = 0; i < 4; i++) product_wide<DK, 0, 0>(dQ, dO + i * 32, S + i * 32, !first || i > 0);
#pragma unroll
    for (int i = 0; i < DK / 16; i++)
        ptx::product_n64<0, 1>(dV, ptx::matrix_at(K + i / 4 * PANEL + i % 4 * 32, 0), ptx::matrix_at(G + i * 2048, 0),
                               i > 0);
#pragma unroll
    for (int i = 0; i < 4; i++)
        ptx::product_n64<1, 1>(dV, ptx::matrix_at(P + i * 2048, 0), ptx::matrix_at(dO + i * 2048, 0), 1);
    ptx::products_commit();
}

/* dK += V Gr^T ; dP += dO V^T, of a panel. */
template <int DK, typename Gate>
__device__ inline void writer_panel(wide<DK> &dK, float (&dP)[32], const chunk_memory<DK, Gate> &m, bool first) {
    uint32_t dO = ptx::shared_address(m.d_o), V = ptx::shared_address(m.v), G = ptx::shared_address(m.G);
    ptx::products_begin();
#pragma unroll
    for (int i = 0; i < 4; i++)
        ptx::product_n64<0, 0>(dP, ptx::matrix_at(dO + i * 32, 0), ptx::matrix_at(V + i * 32, 0), !first || i > 0);
#pragma unroll
    for (int i = 0; i < 4; i++) product_wide<DK, 0, 0>(dK, V + i * 32, G + i * 32, !first || i > 0);
    ptx::products_commit();
}

/* dQ += dP Kh, or dK += dP^T Qm. */
template <bool READER, int DK, typename Gate>
__device__ inline void pair_products(wide<DK> &sum, const chunk_memory<DK, Gate> &m) {
    uint32_t dP = ptx::shared_address(m.dP), other = ptx::shared_address(READER ? m.k : m.q);
    ptx::products_begin();
#pragma unroll
    for (int i = 0; i < 4; i++) product_wide<DK, !READER, 1>(sum, dP + i * (READER ? 32 : 2048), other + i * 2048, 1);
    ptx::products_commit();
}

/* ---- copies: one thread ---- */

template <int DK, typename Gate>
__device__ inline void load_channels(const gla_cuda_problem &p, const gradient_maps &maps, const place &at,
                                     chunk_memory<DK, Gate> &m) {
    uint32_t landed = ptx::shared_address(&m.landed[0]);
    ptx::barrier_expect(landed, 2 * DK / 64 * PANEL + (p.g.data ? sizeof m.g : 0));
    if (p.g.data) ptx::load_box(ptx::shared_address(m.g), maps.g, 0, head_of(p.g, p, at), at.first, at.b, landed);
    for (int i = 0; i < DK / 64; i++) {
        uint32_t q = ptx::shared_address(m.q + i * PANEL), k = ptx::shared_address(m.k + i * PANEL);
        ptx::load_box(q, maps.q, i * 64, head_of(p.q, p, at), at.first, at.b, landed);
        ptx::load_box(k, maps.k, i * 64, head_of(p.k, p, at), at.first, at.b, landed);
    }
}

template <int DK, typename Gate>
__device__ inline void load_panel(const gla_cuda_problem &p, const gradient_maps &maps, const place &at, int column,
                                  chunk_memory<DK, Gate> &m) {
    int slot = (int)(blockIdx.x / (uint32_t)p.H);
    uint32_t landed = ptx::shared_address(&m.landed[1]);
    ptx::barrier_expect(landed, sizeof m.S + sizeof m.G + (p.d_o.data ? 2 : 1) * PANEL);
    ptx::load_box(ptx::shared_address(m.v), maps.v, column, head_of(p.v, p, at), at.first, at.b, landed);
    if (p.d_o.data)
        ptx::load_box(ptx::shared_address(m.d_o), maps.d_o, column, head_of(p.d_o, p, at), at.first, at.b, landed);
    ptx::load_box(ptx::shared_address(m.S), maps.states, column, 0, at.h, slot, landed);
    ptx::load_box(ptx::shared_address(m.G), maps.adjoints, column, 0, at.h, slot, landed);
}

/* ---- the kernel ---- */

/* A warpgroup's way through the chunk, up to dQh or dKh in its accumulator; `end`: row(G*A) of the writer's channels,
 * 128 apart. */
template <bool READER, int DK, typename Gate>
__device__ __forceinline__ void work(const gla_cuda_problem &p, const gradient_maps &maps, float scale,
                                     chunk_memory<DK, Gate> &m, wide<DK> &sum, float (&end)[wide<DK>::HALVES]) {
    const int N = wide<DK>::N, HALVES = wide<DK>::HALVES;
    float narrow[32]; /* reader: P, then dV. writer: dP */
    if (READER) mild_scores(narrow, m);
    if (any_strong(m)) {
        if (READER) put_square((float *)m.P, narrow);
        ptx::group_sync(BAR_CHUNK, CHUNK_THREADS);
        restore_strong(p, m);
        ptx::group_sync(BAR_CHUNK, CHUNK_THREADS);
        add_strong_scores(p, scale, m);
        ptx::fence_for_matrix_units();
        ptx::group_sync(BAR_CHUNK, CHUNK_THREADS);
    } else if (READER) {
        put_lower(m.P, narrow, m.at.length);
        ptx::fence_for_matrix_units();
        ptx::group_sync(BAR_READER, 128);
    }

    int panels = (int)((p.dv + 63) / 64);
    for (int n = 0; n < panels; n++) {
        ptx::barrier_wait(ptx::shared_address(&m.landed[1]), n & 1);
        if (m.at.length < C) {
            clear_panel_rows(m.v, m.at.length);
            clear_panel_rows(m.d_o, m.at.length);
            ptx::fence_for_matrix_units();
            ptx::group_sync(BAR_CHUNK, CHUNK_THREADS);
        }
        if constexpr (READER) {
            reader_panel<DK>(sum, narrow, m, n == 0);
        } else {
            writer_panel<DK>(sum, narrow, m, n == 0);
            int channel = thread_number() % 128;
#pragma unroll
            for (int h = 0; h < HALVES; h++)
                if (p.dg.data && channel < N) end[h] = add_row_dot(end[h], m, h * N + channel, (int)p.dv - n * 64);
        }
        ptx::products_wait<0>();
        pin(sum);
        ptx::pin(narrow);
        ptx::group_sync(BAR_CHUNK, CHUNK_THREADS);
        if (threadIdx.x == 0 && n + 1 < panels) load_panel(p, maps, m.at, (n + 1) * 64, m);
        if (READER && p.dv_.data) put_values(p, m.at, narrow, n * 64);
    }

    float *dKi = (float *)m.S;
    if (!READER) {
        put_lower(m.dP, narrow, m.at.length);
#pragma unroll
        for (int h = 0; h < HALVES; h++) put_wide<DK>(dKi, h * N, sum.half[h]);
        ptx::fence_for_matrix_units();
    }
    ptx::group_sync(BAR_CHUNK, CHUNK_THREADS);
    float *dQi = (float *)m.P;
    for (int n = 0; n < m.strong_count; n += 2) {
        for (int which = 0; which < 2 && n + which < m.strong_count; which++) {
            int c = m.strong_list[n + which];
#pragma unroll
            for (int i = 0; READER && i < DK / 2; i++) {
                spot from = spot_of(i % (N / 2));
                if (i / (N / 2) * N + from.column == c) dQi[which * C + from.row] = sum.half[i / (N / 2)][i % (N / 2)];
            }
            if (!READER && (int)threadIdx.x == 128 + c % 128) m.column_dot[which] = c < N ? end[0] : end[HALVES - 1];
        }
        strong_gradients(p, scale, m, (float *)m.d_o, dQi, dKi, n);
    }
    pin(sum);
    pair_products<READER, DK>(sum, m);
    int channel = thread_number() % 128;
#pragma unroll
    for (int h = 0; !READER && h < HALVES; h++)
        if (p.dg.data && channel < N) end[h] = add_written(end[h], m, dKi, h * N + channel, m.at.length);
    ptx::products_wait<0>();
    pin(sum);
    ptx::group_sync(BAR_CHUNK, CHUNK_THREADS);
}

template <int DK, typename Gate>
__global__ void __launch_bounds__(CHUNK_THREADS, DK == 256 ? 1 : 2)
    gradients(const __grid_constant__ gla_cuda_problem p, const __grid_constant__ gradient_maps maps, float scale) {
    extern __shared__ __align__(1024) uint8_t raw[];
    auto &m = *(chunk_memory<DK, Gate> *)raw;
    if (threadIdx.x == 0) {
        place at = chunk_of(p, blockIdx.x);
        m.at = at;
        ptx::barrier_init(ptx::shared_address(&m.landed[0]), 1);
        ptx::barrier_init(ptx::shared_address(&m.landed[1]), 1);
        ptx::fence_for_matrix_units();
        if (at.length > 0) {
            load_channels(p, maps, at, m);
            load_panel(p, maps, at, 0, m);
        }
    }
    if (!p.g.data) clear_gates<DK>(m.g, 0);
    if (!p.d_o.data) clear_panel_rows(m.d_o, 0);
    __syncthreads();
    int rows = m.at.length;
    if (rows <= 0) return;
    ptx::barrier_wait(ptx::shared_address(&m.landed[0]), 0);
    if (rows < C) {
        for (int i = 0; i < DK / 64; i++) {
            clear_panel_rows(m.q + i * PANEL, rows);
            clear_panel_rows(m.k + i * PANEL, rows);
        }
        clear_gates<DK>(m.g, rows);
        __syncthreads();
    }
    prepare(m, scale, rows);
    ptx::fence_for_matrix_units();
    __syncthreads();

    const int N = wide<DK>::N, HALVES = wide<DK>::HALVES;
    wide<DK> sum; /* dQh or dKh */
    float end[HALVES] = {};
    bool reader = threadIdx.x < 128;
    if (reader)
        work<true>(p, maps, scale, m, sum, end);
    else
        work<false>(p, maps, scale, m, sum, end);

    float *dQh = (float *)m.d_o, *dKh = (float *)m.S;
    int channel = thread_number() - 128;
#pragma unroll
    for (int h = 0; h < HALVES; h++) {
        put_wide<N>(reader ? dQh : dKh, 0, sum.half[h]);
        ptx::group_sync(BAR_CHUNK, CHUNK_THREADS);
        finish<N>(p, scale, m, h * N, dQh, dKh);
        ptx::group_sync(BAR_CHUNK, CHUNK_THREADS);
        if (p.dg.data && channel >= 0 && channel < N && h * N + channel < p.dk && !is_strong(m, h * N + channel))
            put_gate_gradient<N>(p, m.at, dKh, end[h], channel, h * N + channel);
        ptx::group_sync(BAR_CHUNK, CHUNK_THREADS); /* nobody overwrites, or leaves, before all have read */
    }
}

/* ---- host ---- */

static CUresult make_maps(gradient_maps *maps, const gla_cuda_problem &p, const __nv_bfloat16 *states,
                          const __nv_bfloat16 *adjoints, int64_t slots, int DK) {
    CUresult made = tensor_map(&maps->q, p.q, p, p.dk, 64, true);
    if (made == CUDA_SUCCESS) made = tensor_map(&maps->k, p.k, p, p.dk, 64, true);
    if (made == CUDA_SUCCESS) made = tensor_map(&maps->v, p.v, p, p.dv, 64, true);
    if (made == CUDA_SUCCESS && p.d_o.data) made = tensor_map(&maps->d_o, p.d_o, p, p.dv, 64, true);
    if (made == CUDA_SUCCESS && p.g.data) made = tensor_map(&maps->g, p.g, p, p.dk, DK, false);
    if (made == CUDA_SUCCESS) made = state_map(&maps->states, states, p, slots, DK);
    if (made == CUDA_SUCCESS) made = state_map(&maps->adjoints, adjoints, p, slots, DK);
    return made;
}

template <int DK, typename Gate>
cudaError_t launch(const gla_cuda_problem *p, float scale, const __nv_bfloat16 *states, const __nv_bfloat16 *adjoints,
                   int64_t slots, cudaStream_t stream) {
    gradient_maps maps;
    if (make_maps(&maps, *p, states, adjoints, slots, DK) != CUDA_SUCCESS) return cudaErrorInvalidValue;
    int bytes = (int)sizeof(chunk_memory<DK, Gate>);
    auto kernel = gradients<DK, Gate>;
    cudaError_t e = cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, bytes);
    if (e != cudaSuccess) return e;
    kernel<<<(unsigned)(slots * p->H), CHUNK_THREADS, bytes, stream>>>(*p, maps, scale);
    return cudaGetLastError();
}

} // namespace fused

cudaError_t gla_cuda_fused_gradients(const gla_cuda_problem *p, float scale, const __nv_bfloat16 *states,
                                     const __nv_bfloat16 *adjoints, int64_t slots, cudaStream_t stream) {
    if (slots == 0) return cudaSuccess;
    bool narrow = p->g.data && p->g.dtype == GLA_CUDA_BF16;
    if (p->dk <= 64)
        return narrow ? fused::launch<64, __nv_bfloat16>(p, scale, states, adjoints, slots, stream)
                      : fused::launch<64, float>(p, scale, states, adjoints, slots, stream);
    if (p->dk <= 128)
        return narrow ? fused::launch<128, __nv_bfloat16>(p, scale, states, adjoints, slots, stream)
                      : fused::launch<128, float>(p, scale, states, adjoints, slots, stream);
    return narrow ? fused::launch<256, __nv_bfloat16>(p, scale, states, adjoints, slots, stream)
                  : fused::launch<256, float>(p, scale, states, adjoints, slots, stream);
}
