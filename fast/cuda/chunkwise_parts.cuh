/* SPDX-License-Identifier: Apache-2.0
 *
 * What the kernels of the chunkwise rung share: which chunk a block has, where its tiles lie, its column of gates.
 */
#ifndef GLA_CHUNKWISE_PARTS_CUH
#define GLA_CHUNKWISE_PARTS_CUH

#include "backward.cuh"
#include "chunkwise.cuh"
#include "tiles.cuh"
#include "tokens.cuh"

namespace chunkwise {

using ptx::exponential;

enum { C = stored::CHUNK };
static_assert((int)C == (int)tiles::SIDE, "a chunk is as high as a tile");

/* The strongest sum of log gates that a reference in the centre carries: ln 2^110, and for f16, whose largest number is
 * 65504, operands weighed by e^5.5 at most. */
template <typename T> __device__ inline float limit_of();
template <> __device__ inline float limit_of<__nv_bfloat16>() { return 76; }
template <> __device__ inline float limit_of<__half>() { return 11; }

struct chunk {
    tokens::place at;
    int64_t index; /* slot * H + head: its place in the memory */
    int64_t first; /* token of the sequence */
    int m;         /* tokens; below 1: no chunk has this slot */
};

/* The last sequence whose slots begin at or before `slot`. */
__device__ inline int64_t sequence_of(const gla_cuda_problem &p, int64_t slot) {
    int64_t low = 0, high = p.N;
    while (high - low > 1) {
        int64_t middle = (low + high) / 2;
        if (stored::first_slot(p, middle) <= slot)
            low = middle;
        else
            high = middle;
    }
    return low;
}

/* Of block x = slot * H + head. */
__device__ inline chunk chunk_of(const gla_cuda_problem &p) {
    int64_t slot = blockIdx.x / (uint32_t)p.H, n;
    n = p.cu_seqlens ? sequence_of(p, slot) : slot / ((p.T + C - 1) / C);
    chunk c;
    c.at = tokens::place_of(p, n * p.H + blockIdx.x % (uint32_t)p.H);
    c.index = blockIdx.x;
    c.first = (slot - stored::first_slot(p, n)) * C;
    c.m = c.first < 0 ? 0 : (int)min(c.at.length - c.first, (int64_t)C);
    return c;
}

/* Row 0 of a chunk of 16-bit numbers. */
__device__ inline const uint16_t *rows_of(const gla_cuda_tensor &x, const gla_cuda_problem &p, const tokens::place &at,
                                          int64_t first) {
    return (const uint16_t *)x.data + tokens::row_of(x, p, at, first);
}

/* Columns `column` and on of a chunk of m tokens into a tile. Absent: zeros. */
template <int ALL = tiles::THREADS>
__device__ inline void load_tokens(uint8_t *tile, const gla_cuda_tensor &x, const gla_cuda_problem &p,
                                   const tokens::place &at, int64_t first, int m, int64_t column, int64_t columns) {
    if (x.data)
        tiles::load<ALL>(tile, rows_of(x, p, at, first) + column, x.stride[1], m, columns - column);
    else
        tiles::load<ALL>(tile, (const uint16_t *)p.q.data, 0, 0, 0);
}

/* The other way round, rounded once; binary32 where x is. The warp's rows of `tile` are overwritten. */
template <typename T>
__device__ inline void store_tokens(const gla_cuda_tensor &x, const gla_cuda_problem &p, const chunk &c, int64_t column,
                                    int64_t columns, const tiles::accumulator &d, uint8_t *tile) {
    int64_t row0 = tokens::row_of(x, p, c.at, c.first) + column;
    if (x.dtype == GLA_CUDA_F32) {
        tiles::each([&](int row, int j, int n, int h) {
            float *to = (float *)x.data + row0 + row * x.stride[1] + j;
            if (row < c.m && column + j < columns) to[0] = d[n][h];
            if (row < c.m && column + j + 1 < columns) to[1] = d[n][h + 1];
        });
        return;
    }
    tiles::put<T>(tile, d);
    __syncwarp();
    tiles::store(tile, (uint16_t *)x.data + row0, x.stride[1], c.m, columns - column);
    __syncwarp();
}

/* A channel's gates of tokens `row` and on of the chunk, 0 past the end of the sequence, past dk and without gates. */
template <typename T, int ROWS>
__device__ inline void gate_column(float (&g)[ROWS], const gla_cuda_problem &p, const chunk &c, int64_t channel,
                                   int row) {
    int there = p.g.data && channel < p.dk ? c.m - row : 0;
    int64_t at = there > 0 ? tokens::row_of(p.g, p, c.at, c.first + row) + channel : 0, stride = p.g.stride[1];
    if (p.g.dtype == GLA_CUDA_F32) {
#pragma unroll
        for (int t = 0; t < ROWS; t++) g[t] = t < there ? ((const float *)p.g.data)[at + t * stride] : 0;
    } else {
#pragma unroll
        for (int t = 0; t < ROWS; t++) g[t] = t < there ? tiles::wide(((const T *)p.g.data)[at + t * stride]) : 0;
    }
}

} // namespace chunkwise

#endif
