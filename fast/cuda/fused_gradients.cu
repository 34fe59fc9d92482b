/* SPDX-License-Identifier: Apache-2.0
 *
 * GLA backward, fused, second kernel: the gradients of one chunk of one head, from the state that enters it and the
 * adjoint of the one that leaves it (fused_states.cu made them). Chunks are independent of each other. The formulation
 * is reference/gated/paired.c; with P = lower(Qm Kh^T), dP = lower(dO V^T), all operands bf16,
 *
 *     dQh = dO Sr^T + dP Kh     dKh = V Gr^T + dP^T Qm     dV = Kh Gr + P^T dO
 *     dq = s into*dQh           dk = out*dKh               dg = suffix sum of Qh*dQh - Kh*dKh that ends in row(G*A)
 *
 * Channels whose gates are too strong for a reference in the centre go pair by pair (fused_gradients_strong.cuh). Of
 * the precise grade Qm, Kh, P and dP have two parts where they meet each other or dO, and dg is of wholes.
 *
 * Two warpgroups. The reader's has P, then dQh and 64 columns of dV; the writer's dP and dKh. The columns of v pass in
 * panels of 64: v, dO [64,64], Sr, Gr [dk,64], by the copy engine, 128 channels of them at a time. Up to 128 channels a
 * block waits for its next panel, another block of the same multiprocessor works meanwhile; with 256 a half is at work
 * while the other one is on its way. Both warpgroups meet after: gates, each half of a panel, dP, the products, dQh and
 * dKh.
 *
 * Bits: products are chains of blocks of 16 in ascending order, through the states first; rows past the end of the
 * sequence and channels past dk are zeros, which leave an accumulator as it is.
 */
#include "fused_backward.cuh"
#include "fused_gradients_ends.cuh"
#include "fused_gradients_products.cuh"
#include "fused_maps.cuh"

namespace fused {

/* ---- copies: one thread ---- */

template <int DK, typename Gate, bool PRECISE>
__device__ inline void load_channels(const gla_cuda_problem &p, const gradient_maps &maps, const place &at,
                                     chunk_memory<DK, Gate, PRECISE> &m) {
    uint32_t landed = ptx::shared_address(&m.landed[0]);
    ptx::barrier_expect(landed, 2 * DK / 64 * PANEL + (p.g.data ? sizeof m.g : 0));
    if (p.g.data) ptx::load_box(ptx::shared_address(m.g), maps.g, 0, head_of(p.g, p, at), at.first, at.b, landed);
    for (int i = 0; i < DK / 64; i++) {
        uint32_t q = ptx::shared_address(m.q + i * PANEL), k = ptx::shared_address(m.k + i * PANEL);
        ptx::load_box(q, maps.q, i * 64, head_of(p.q, p, at), at.first, at.b, landed);
        ptx::load_box(k, maps.k, i * 64, head_of(p.k, p, at), at.first, at.b, landed);
    }
}

/* Of panel n, half h of the states; with the first half v and d_o. */
template <int DK, typename Gate, bool PRECISE>
__device__ inline void load_half(const gla_cuda_problem &p, const gradient_maps &maps, const place &at, int n, int h,
                                 chunk_memory<DK, Gate, PRECISE> &m) {
    int slot = (int)(blockIdx.x / (uint32_t)p.H), bytes = m.ROWS * 128, column = n * 64, to = n % m.SLOTS * PANEL;
    uint32_t landed = ptx::shared_address(&m.landed[1 + m.place_of(n, h)]);
    ptx::barrier_expect(landed, 2 * bytes + (h > 0 ? 0 : (p.d_o.data ? 2 : 1) * PANEL));
    if (h == 0)
        ptx::load_box(ptx::shared_address(m.v + to), maps.v, column, head_of(p.v, p, at), at.first, at.b, landed);
    if (h == 0 && p.d_o.data)
        ptx::load_box(ptx::shared_address(m.d_o + to), maps.d_o, column, head_of(p.d_o, p, at), at.first, at.b, landed);
    uint32_t S = ptx::shared_address(m.S), G = ptx::shared_address(m.G), place = m.place_of(n, h) * bytes;
    ptx::load_box(S + place, maps.states, column, h * m.ROWS, at.h, slot, landed);
    ptx::load_box(G + place, maps.adjoints, column, h * m.ROWS, at.h, slot, landed);
}

/* Half h of panel n is read: the next loads into what that leaves free. */
template <int DK, typename Gate, bool PRECISE>
__device__ inline void load_next(const gla_cuda_problem &p, const gradient_maps &maps, int n, int h,
                                 chunk_memory<DK, Gate, PRECISE> &m) {
    n += m.COPIES;
    if (threadIdx.x != 0 || n * 64 >= p.dv) return;
    if (m.SLOTS > 1)
        load_half(p, maps, m.at, n, h, m);
    else if (h == m.HALVES - 1)
        for (int i = 0; i < m.HALVES; i++) load_half(p, maps, m.at, n, i, m);
}

/* ---- the kernel ---- */

/* A warpgroup's way through the chunk, up to dQh or dKh in its accumulator; `end`: row(G*A) of the writer's channels,
 * 128 apart. */
template <bool READER, int DK, typename Gate, bool PRECISE>
__device__ __forceinline__ void work(const gla_cuda_problem &p, const gradient_maps &maps, float scale,
                                     chunk_memory<DK, Gate, PRECISE> &m, wide<DK> &sum,
                                     float (&end)[wide<DK>::HALVES]) {
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
        put_lower(m.P, lost_of(m, m.P), narrow, m.at.length);
        ptx::fence_for_matrix_units();
        ptx::group_sync(BAR_READER, 128);
    }

    for (int n = 0; n * 64 < p.dv; n++) {
#pragma unroll
        for (int h = 0; h < HALVES; h++) {
            ptx::barrier_wait(ptx::shared_address(&m.landed[1 + m.place_of(n, h)]), n / m.COPIES & 1);
            if (h == 0 && m.at.length < C) {
                clear_panel_rows(m.v + n % m.SLOTS * PANEL, m.at.length);
                clear_panel_rows(m.d_o + n % m.SLOTS * PANEL, m.at.length);
                ptx::fence_for_matrix_units();
                ptx::group_sync(BAR_CHUNK, CHUNK_THREADS);
            }
            if constexpr (READER) {
                reader_half(sum, narrow, m, n, h);
            } else {
                writer_half(sum, narrow, m, n, h);
                int channel = thread_number() % 128;
                if (p.dg.data && channel < N)
                    end[h] = add_row_dot(end[h], m, m.place_of(n, h) * N + channel, (int)p.dv - n * 64);
            }
            ptx::products_wait<0>();
            pin(sum);
            ptx::pin(narrow);
            ptx::group_sync(BAR_CHUNK, CHUNK_THREADS);
            load_next(p, maps, n, h, m);
        }
        if (READER && p.dv_.data) put_values(p, m.at, narrow, n * 64);
    }

    float *dKi = (float *)m.S;
    if (!READER) {
        put_lower(m.dP, lost_of(m, m.dP), narrow, m.at.length);
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

template <int DK, typename Gate, bool PRECISE>
__global__ void __launch_bounds__(CHUNK_THREADS, DK == 256 || (DK == 128 && PRECISE) ? 1 : 2)
    gradients(const __grid_constant__ gla_cuda_problem p, const __grid_constant__ gradient_maps maps, float scale) {
    extern __shared__ __align__(1024) uint8_t raw[];
    auto &m = *(chunk_memory<DK, Gate, PRECISE> *)raw;
    if (threadIdx.x == 0) {
        place at = chunk_of(p, blockIdx.x);
        m.at = at;
        for (int i = 0; i <= m.COPIES * m.HALVES; i++) ptx::barrier_init(ptx::shared_address(&m.landed[i]), 1);
        ptx::fence_for_matrix_units();
        if (at.length > 0) load_channels(p, maps, at, m);
        ptx::wait_for_previous(); /* fused_states.cu */
        for (int i = 0; at.length > 0 && i < m.COPIES * m.HALVES && i / m.HALVES * 64 < p.dv; i++)
            load_half(p, maps, at, i / m.HALVES, i % m.HALVES, m);
    }
    if (!p.g.data) clear_gates<DK>(m.g, 0);
    for (int i = 0; !p.d_o.data && i < m.SLOTS; i++) clear_panel_rows(m.d_o + i * PANEL, 0);
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
        bool mine = channel >= 0 && channel < N && h * N + channel < p.dk && !is_strong(m, h * N + channel);
        if (mine && p.dg.data && p.dg.dtype == GLA_CUDA_F32)
            put_gate_gradient<N, float>(p, m.at, dKh, end[h], channel, h * N + channel);
        else if (mine && p.dg.data)
            put_gate_gradient<N, __nv_bfloat16>(p, m.at, dKh, end[h], channel, h * N + channel);
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
    if (made == CUDA_SUCCESS) made = state_map(&maps->states, states, p, slots, DK < 128 ? DK : 128);
    if (made == CUDA_SUCCESS) made = state_map(&maps->adjoints, adjoints, p, slots, DK < 128 ? DK : 128);
    return made;
}

template <int DK, typename Gate, bool PRECISE>
cudaError_t launch(const gla_cuda_problem *p, float scale, const __nv_bfloat16 *states, const __nv_bfloat16 *adjoints,
                   int64_t slots, cudaStream_t stream) {
    gradient_maps maps;
    if (make_maps(&maps, *p, states, adjoints, slots, DK) != CUDA_SUCCESS) return cudaErrorInvalidValue;
    int bytes = (int)sizeof(chunk_memory<DK, Gate, PRECISE>);
    auto kernel = gradients<DK, Gate, PRECISE>;
    cudaError_t e = cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, bytes);
    if (e != cudaSuccess) return e;
    cudaLaunchAttribute early;
    early.id = cudaLaunchAttributeProgrammaticStreamSerialization;
    early.val.programmaticStreamSerializationAllowed = 1;
    cudaLaunchConfig_t config = {dim3((unsigned)(slots * p->H)), dim3(CHUNK_THREADS), (size_t)bytes, stream, &early, 1};
    return cudaLaunchKernelEx(&config, kernel, *p, maps, scale);
}

template <typename Gate>
cudaError_t choose(const gla_cuda_problem *p, bool precise, float scale, const __nv_bfloat16 *states,
                   const __nv_bfloat16 *adjoints, int64_t slots, cudaStream_t stream) {
    auto kernel = p->dk <= 64    ? (precise ? launch<64, Gate, true> : launch<64, Gate, false>)
                  : p->dk <= 128 ? (precise ? launch<128, Gate, true> : launch<128, Gate, false>)
                                 : launch<256, Gate, false>;
    return kernel(p, scale, states, adjoints, slots, stream);
}

} // namespace fused

cudaError_t gla_cuda_fused_gradients(const gla_cuda_problem *p, bool precise, float scale, const __nv_bfloat16 *states,
                                     const __nv_bfloat16 *adjoints, int64_t slots, cudaStream_t stream) {
    if (slots == 0) return cudaSuccess;
    return p->g.data && p->g.dtype == GLA_CUDA_BF16
               ? fused::choose<__nv_bfloat16>(p, precise, scale, states, adjoints, slots, stream)
               : fused::choose<float>(p, precise, scale, states, adjoints, slots, stream);
}
