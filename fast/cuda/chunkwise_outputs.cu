/* SPDX-License-Identifier: Apache-2.0
 *
 * Chunkwise, last pass: what is read of the states, every chunk by itself.
 *
 *     forth   O  = Qh S + P V          back   dV = Kh G + P^T dO
 * Either is a row of tiles times a column of tiles: slabs of 64 channels first, the chunk's own tokens last; back and
 * of the precise grade these twice, with what P has lost by rounding.
 */
#include "chunkwise_parts.cuh"

namespace chunkwise {

namespace {

enum { STAGES = 3 };

struct outputs_memory {
    struct operands {
        uint8_t A[tiles::BYTES], B[tiles::BYTES];
    } stage[STAGES];
};

template <bool BACK>
__device__ inline void fetch(outputs_memory::operands &to, const gla_cuda_problem &p, const memory &m, const chunk &c,
                             int64_t slab, int64_t column) {
    int64_t row = slab * C;
    if (row < p.dk) {
        tiles::load(to.A, (BACK ? m.Kh : m.Qh) + c.index * C * m.dk8 + row, m.dk8, C, m.dk8 - row);
        tiles::load(to.B, (BACK ? m.G : m.S) + (c.index * p.dk + row) * m.dv8 + column, m.dv8, p.dk - row,
                    m.dv8 - column);
        return;
    }
    tiles::load(to.A, (row < p.dk + C ? m.P : m.Pl) + c.index * C * C, C, C, C);
    load_tokens(to.B, BACK ? p.d_o : p.v, p, c.at, c.first, c.m, column, p.dv);
}

template <bool BACK, typename T>
__global__ void __launch_bounds__(tiles::THREADS)
    outputs(const __grid_constant__ gla_cuda_problem p, const __grid_constant__ memory m) {
    extern __shared__ __align__(16) uint8_t raw[];
    outputs_memory &s = *(outputs_memory *)raw;
    const chunk c = chunk_of(p);
    if (c.m < 1) return;
    const int64_t column = (int64_t)blockIdx.y * C;
    const int slabs = (int)((p.dk + C - 1) / C), last = slabs + (BACK && m.Pl ? 1 : 0);
    tiles::accumulator O;
    tiles::zero(O);
    for (int i = 0; i < STAGES - 1; i++) {
        if (i <= last) fetch<BACK>(s.stage[i], p, m, c, i, column);
        tiles::commit();
    }
    for (int i = 0; i <= last; i++) {
        tiles::wait<STAGES - 2>();
        __syncthreads();
        if (i + STAGES - 1 <= last) fetch<BACK>(s.stage[(i + STAGES - 1) % STAGES], p, m, c, i + STAGES - 1, column);
        tiles::commit();
        const outputs_memory::operands &now = s.stage[i % STAGES];
        if (BACK && i >= slabs)
            tiles::product<T, tiles::ACROSS, tiles::ALONG>(O, now.A, now.B);
        else
            tiles::product<T, tiles::ALONG, tiles::ALONG>(O, now.A, now.B);
    }
    /* The stage after the last one is nobody's any more: the last barrier came after its product. */
    store_tokens<T>(BACK ? p.dv_ : p.o, p, c, column, p.dv, O, s.stage[(last + 1) % STAGES].A);
}

template <bool BACK, typename T> cudaError_t launch(const gla_cuda_problem *p, const memory &m, cudaStream_t stream) {
    cudaError_t e = cudaFuncSetAttribute(outputs<BACK, T>, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                         (int)sizeof(outputs_memory));
    if (e != cudaSuccess) return e;
    dim3 grid((unsigned)(m.slots * p->H), (unsigned)((p->dv + C - 1) / C));
    outputs<BACK, T><<<grid, tiles::THREADS, sizeof(outputs_memory), stream>>>(*p, m);
    return cudaGetLastError();
}

template <typename T> cudaError_t either(const gla_cuda_problem *p, const memory &m, bool back, cudaStream_t stream) {
    return back ? launch<true, T>(p, m, stream) : launch<false, T>(p, m, stream);
}

} // namespace

cudaError_t make_outputs(const gla_cuda_problem *p, const memory &m, bool back, cudaStream_t stream) {
    return p->q.dtype == GLA_CUDA_F16 ? either<__half>(p, m, back, stream) : either<__nv_bfloat16>(p, m, back, stream);
}

} // namespace chunkwise
