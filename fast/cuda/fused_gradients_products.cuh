/* SPDX-License-Identifier: Apache-2.0
 *
 * The gradient kernel's matrix products (fused_gradients.cu), each issued and committed by one warpgroup: accumulators
 * in registers, operands in tiles of shared memory. Of the precise grade an operand has two parts, what bf16 keeps and
 * what it has lost, and a product of two such A and B, every 64 columns of A in turn (reference/gated/operand.h),
 *
 *     += A B    += A lost(B)    += lost(A) B
 * Products with states, with v and with dO read one part.
 */
#ifndef GLA_FUSED_GRADIENTS_PRODUCTS_CUH
#define GLA_FUSED_GRADIENTS_PRODUCTS_CUH

#include "fused_gradients_parts.cuh"

namespace fused {

/* An accumulator [64,DK], in halves of at most 128 columns. */
template <int DK> struct wide {
    enum { N = DK < 128 ? DK : 128, HALVES = DK / N };
    float half[HALVES][N / 2];
};

/* D (+)= A B, N columns. */
template <int N, int across_A, int across_B>
__device__ inline void product_rows(float (&d)[N / 2], uint32_t A, uint32_t B, int accumulate) {
    if constexpr (N == 64)
        ptx::product_n64<across_A, across_B>(d, ptx::matrix_at(A, 0), ptx::matrix_at(B, 0), accumulate);
    else
        ptx::product_n128<across_A, across_B>(d, ptx::matrix_at(A, 0), ptx::matrix_at(B, across_B ? PANEL : 0),
                                              accumulate);
}
template <int DK> __device__ inline void pin(wide<DK> &d) {
#pragma unroll
    for (int h = 0; h < wide<DK>::HALVES; h++) ptx::pin(d.half[h]);
}

/* The tiles of A and B, part after part of their product. */
template <bool PRECISE> struct parts {
    enum { COUNT = PRECISE ? 3 : 1 };
    uint32_t tile[2][2]; /* [A, B][rounded, lost] */
    __device__ uint32_t A(int part) const { return tile[0][part == 2]; }
    __device__ uint32_t B(int part) const { return tile[1][part == 1]; }
};
template <int DK, typename Gate, bool PRECISE>
__device__ inline parts<PRECISE> parts_of(const chunk_memory<DK, Gate, PRECISE> &m, const uint8_t *A,
                                          const uint8_t *B) {
    parts<PRECISE> x = {{{ptx::shared_address(A), 0}, {ptx::shared_address(B), 0}}};
    if (!PRECISE) return x;
    x.tile[0][1] = ptx::shared_address(lost_of(m, A));
    x.tile[1][1] = ptx::shared_address(lost_of(m, B));
    return x;
}

/* P = Qm Kh^T, before strong channels. */
template <int DK, typename Gate, bool PRECISE>
__device__ inline void mild_scores(float (&P)[32], const chunk_memory<DK, Gate, PRECISE> &m) {
    parts<PRECISE> x = parts_of(m, m.q, m.k);
    asm volatile("" : "+r"(x.tile[1][0])); /* or the addresses made of it are kept for the panels, in memory */
    ptx::products_begin();
#pragma unroll
    for (int panel = 0; panel < DK / 64; panel++) {
#pragma unroll
        for (int i = 0; i < x.COUNT * 4; i++) {
            uint32_t at = panel * PANEL + i % 4 * 32;
            ptx::product_n64<0, 0>(P, ptx::matrix_at(x.A(i / 4) + at, 0), ptx::matrix_at(x.B(i / 4) + at, 0),
                                   panel + i > 0);
        }
    }
    ptx::products_commit();
    ptx::products_wait<0>();
    ptx::pin(P);
}

/* Of panel n, channels of half h: dQ += dO Sr^T ; dV = Kh Gr + P^T dO, complete with the last half. */
template <int DK, typename Gate, bool PRECISE>
__device__ inline void reader_half(wide<DK> &dQ, float (&dV)[32], const chunk_memory<DK, Gate, PRECISE> &m, int n,
                                   int h) {
    const int ROWS = m.ROWS;
    uint32_t dO = ptx::shared_address(m.d_o) + n % m.SLOTS * PANEL, at = m.place_of(n, h) * ROWS * 128;
    uint32_t S = ptx::shared_address(m.S) + at, G = ptx::shared_address(m.G) + at;
    uint32_t K = ptx::shared_address(m.k) + h * ROWS / 64 * PANEL;
    ptx::products_begin();
#pragma unroll
    for (int i = 0; i < 4; i++) product_rows<ROWS, 0, 0>(dQ.half[h], dO + i * 32, S + i * 32, n > 0 || i > 0);
#pragma unroll
    for (int i = 0; i < ROWS / 16; i++)
        ptx::product_n64<0, 1>(dV, ptx::matrix_at(K + i / 4 * PANEL + i % 4 * 32, 0), ptx::matrix_at(G + i * 2048, 0),
                               h > 0 || i > 0);
#pragma unroll
    for (int i = 0; h == m.HALVES - 1 && i < (PRECISE ? 8 : 4); i++) { /* dO is exact */
        uint32_t P = ptx::shared_address(i < 4 ? m.P : lost_of(m, m.P)) + i % 4 * 2048;
        ptx::product_n64<1, 1>(dV, ptx::matrix_at(P, 0), ptx::matrix_at(dO + i % 4 * 2048, 0), 1);
    }
    ptx::products_commit();
}

/* Likewise dK += V Gr^T ; dP += dO V^T, with the first half. */
template <int DK, typename Gate, bool PRECISE>
__device__ inline void writer_half(wide<DK> &dK, float (&dP)[32], const chunk_memory<DK, Gate, PRECISE> &m, int n,
                                   int h) {
    const int ROWS = m.ROWS;
    uint32_t dO = ptx::shared_address(m.d_o) + n % m.SLOTS * PANEL, V = ptx::shared_address(m.v) + n % m.SLOTS * PANEL;
    uint32_t G = ptx::shared_address(m.G) + m.place_of(n, h) * ROWS * 128;
    ptx::products_begin();
#pragma unroll
    for (int i = 0; h == 0 && i < 4; i++)
        ptx::product_n64<0, 0>(dP, ptx::matrix_at(dO + i * 32, 0), ptx::matrix_at(V + i * 32, 0), n > 0 || i > 0);
#pragma unroll
    for (int i = 0; i < 4; i++) product_rows<ROWS, 0, 0>(dK.half[h], V + i * 32, G + i * 32, n > 0 || i > 0);
    ptx::products_commit();
}

/* dQ += dP Kh, or dK += dP^T Qm. */
template <bool READER, int DK, typename Gate, bool PRECISE>
__device__ inline void pair_products(wide<DK> &sum, const chunk_memory<DK, Gate, PRECISE> &m) {
    parts<PRECISE> x = parts_of(m, m.dP, READER ? m.k : m.q);
    ptx::products_begin();
#pragma unroll
    for (int i = 0; i < x.COUNT * 4; i++) {
        uint32_t dP = x.A(i / 4) + i % 4 * (READER ? 32 : 2048), other = x.B(i / 4) + i % 4 * 2048;
#pragma unroll
        for (int h = 0; h < wide<DK>::HALVES; h++)
            product_rows<wide<DK>::N, !READER, 1>(sum.half[h], dP, other + h * 2 * PANEL, 1);
    }
    ptx::products_commit();
}

} // namespace fused

#endif
