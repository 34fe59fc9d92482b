/* SPDX-License-Identifier: Apache-2.0
 *
 * Tiles: matrices of 64 x 64 numbers of 16 bits in shared memory, and what 128 threads do with them, of a block that
 * may have more groups of 128.
 *
 *     load      from rows in global memory, asynchronously; what is not there arrives as zeros
 *     product   D += A B, in accumulators of binary32, by mma.sync m16n8k16: blocks of 16 in ascending order
 *     put       accumulators, rounded to nearest even, into a tile
 *     store     a tile into rows in global memory
 *
 * Warp w has rows 16 w .. 16 w + 15 of every result and stores those rows itself, so put and store need no barrier of
 * the block between them. A tile's rows are 128 bytes whose pieces of 16 are exchanged within groups of 8 rows
 * (ptx::swizzled), so that neither rows nor columns of pieces meet in a bank.
 */
#ifndef GLA_TILES_CUH
#define GLA_TILES_CUH

#include "ptx.cuh"

namespace tiles {

enum { SIDE = 64, BYTES = SIDE * SIDE * 2, THREADS = 128 };

/* Of a thread's 32 elements, d[n][2 h] and d[n][2 h + 1] are neighbours in row 16 w + lane / 4 + 8 h. */
typedef float accumulator[8][4];

/* The first of the warp's rows. */
__device__ inline int warp_row() { return (int)threadIdx.x % THREADS / 32 * 16; }

/* f(row, column, n, 2 h) for each of them. */
template <typename F> __device__ inline void each(F f) {
    int lane = threadIdx.x % 32, row = warp_row() + lane / 4, column = lane % 4 * 2;
#pragma unroll
    for (int n = 0; n < 8; n++) {
        f(row, n * 8 + column, n, 0);
        f(row + 8, n * 8 + column, n, 2);
    }
}

__device__ inline void zero(accumulator &d) {
    each([&](int, int, int n, int h) { d[n][h] = d[n][h + 1] = 0; });
}

/* ---- numbers ---- */

__device__ inline float wide(__nv_bfloat16 x) { return __bfloat162float(x); }
__device__ inline float wide(__half x) { return __half2float(x); }

template <typename T> __device__ inline T narrow(float x);
template <> __device__ inline __nv_bfloat16 narrow<__nv_bfloat16>(float x) { return __float2bfloat16_rn(x); }
template <> __device__ inline __half narrow<__half>(float x) { return __float2half_rn(x); }

/* What rounding loses. */
template <typename T> __device__ inline float lost(float x) { return __fsub_rn(x, wide(narrow<T>(x))); }

template <typename T> __device__ inline T &element(uint8_t *tile, int row, int column) {
    return *(T *)(tile + ptx::swizzled((uint32_t)row, (uint32_t)column));
}
template <typename T> __device__ inline float at(const uint8_t *tile, int row, int column) {
    return wide(*(const T *)(tile + ptx::swizzled((uint32_t)row, (uint32_t)column)));
}

/* ---- between global and shared memory ---- */

/* 16 bytes, of which only the first `bytes` are read; the others arrive as zeros. */
__device__ inline void copy_piece(void *to, const void *from, int bytes) {
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(ptx::shared_address(to)), "l"(from), "r"(bytes)
                 : "memory");
}
__device__ inline void commit() { asm volatile("cp.async.commit_group;" ::: "memory"); }
/* Until all but this thread's last N groups of copies have arrived. */
template <int N> __device__ inline void wait() { asm volatile("cp.async.wait_group %0;" ::"n"(N) : "memory"); }

/* How many of the 8 columns from `column` on are among `columns`. */
__device__ inline int among(int column, int64_t columns) {
    return (int)min(max(columns - column, (int64_t)0), (int64_t)8);
}

/* rows x columns of a matrix at `from`, aligned to 16 bytes, `pitch` numbers from one row to the next. By ALL threads
 * of the block. */
template <int ALL = THREADS>
__device__ inline void load(uint8_t *tile, const uint16_t *from, int64_t pitch, int64_t rows, int64_t columns) {
#pragma unroll
    for (int i = 0; i < SIDE * 8 / ALL; i++) {
        int n = i * ALL + (int)threadIdx.x, row = n / 8, column = n % 8 * 8;
        int there = row < rows ? among(column, columns) : 0;
        copy_piece(tile + ptx::swizzled((uint32_t)row, (uint32_t)column), there ? from + row * pitch + column : from,
                   there * 2);
    }
}

/* The same the other way round, each warp its own rows. */
__device__ inline void store(const uint8_t *tile, uint16_t *to, int64_t pitch, int64_t rows, int64_t columns) {
    int lane = threadIdx.x % 32;
#pragma unroll
    for (int i = 0; i < 4; i++) {
        int row = warp_row() + i * 4 + lane / 8, column = lane % 8 * 8;
        int there = row < rows ? among(column, columns) : 0;
        const uint8_t *piece = tile + ptx::swizzled((uint32_t)row, (uint32_t)column);
        uint16_t *at = to + row * pitch + column;
        if (there == 8)
            *(uint4 *)at = *(const uint4 *)piece;
        else
            for (int j = 0; j < there; j++) at[j] = ((const uint16_t *)piece)[j];
    }
}

template <typename T> __device__ inline void put(uint8_t *tile, const accumulator &d) {
    each([&](int row, int column, int n, int h) {
        T two[2] = {narrow<T>(d[n][h]), narrow<T>(d[n][h + 1])};
        *(uint32_t *)(tile + ptx::swizzled((uint32_t)row, (uint32_t)column)) = *(uint32_t *)two;
    });
}

/* ---- products ---- */

/* Four tiles of 8 x 8; lane l gives the address of row l % 8 of number l / 8. ACROSS: transposed on their way. */
template <bool ACROSS>
__device__ inline void load_fragment(uint32_t (&x)[4], const uint8_t *tile, int row, int column) {
    uint32_t from = ptx::shared_address(tile) + ptx::swizzled((uint32_t)row, (uint32_t)column);
    if (ACROSS)
        asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                     : "=r"(x[0]), "=r"(x[1]), "=r"(x[2]), "=r"(x[3])
                     : "r"(from)
                     : "memory");
    else
        asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                     : "=r"(x[0]), "=r"(x[1]), "=r"(x[2]), "=r"(x[3])
                     : "r"(from)
                     : "memory");
}

template <typename T> __device__ inline void mma(float (&d)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1);
template <> __device__ inline void mma<__nv_bfloat16>(float (&d)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
                 "{%0, %1, %2, %3};"
                 : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}
template <> __device__ inline void mma<__half>(float (&d)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
                 "{%0, %1, %2, %3};"
                 : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

enum direction { ALONG, ACROSS };

/* D += A B. A is [m][k] in its tile, ACROSS: [k][m]. B is [k][n] in its tile, ACROSS: [n][k]: the transpose is what
 * lies there. */
template <typename T, direction OF_A, direction OF_B>
__device__ inline void product(accumulator &d, const uint8_t *A, const uint8_t *B) {
    int lane = threadIdx.x % 32, m = warp_row();
    int row = lane % 8, low = lane / 8 % 2 * 8, high = lane / 16 * 8;
#pragma unroll
    for (int k = 0; k < SIDE; k += 16) {
        uint32_t a[4];
        if (OF_A == ALONG)
            load_fragment<false>(a, A, m + row + low, k + high);
        else
            load_fragment<true>(a, A, k + row + high, m + low);
#pragma unroll
        for (int n = 0; n < SIDE; n += 16) {
            uint32_t b[4];
            if (OF_B == ALONG)
                load_fragment<true>(b, B, k + row + low, n + high);
            else
                load_fragment<false>(b, B, n + row + high, k + low);
            mma<T>(d[n / 8], a, b[0], b[1]);
            mma<T>(d[n / 8 + 1], a, b[2], b[3]);
        }
    }
}

} // namespace tiles

#endif
