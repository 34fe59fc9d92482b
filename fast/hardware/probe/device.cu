/* SPDX-License-Identifier: Apache-2.0
 *
 * The kernels of the probe (device.h): one warp a tile for mma.sync, one warpgroup a tile for wgmma.
 *
 * Fragments, by PTX's tables, with g = lane / 4 and t = lane mod 4, in units of 4 bytes of consecutive k (f64: 8
 * bytes): A   register r: row g + 8 (r mod M/8), unit t + 4 (r / (M/8)) B   register r: column g, unit t + 4 r D   full
 * words: row g + 8 (r / 2), column 2 t + r mod 2;  f16 pairs: row g + 8 r, columns 2 t and 2 t + 1 wgmma's A in
 * registers is mma.sync's with row 16 warp + ..., and its D repeats the m16n8 fragment every 8 columns. In shared
 * memory an operand is 8 x 16 byte core matrices, row groups next to each other, then the next 16 bytes of k.
 */
#include "device.h"

#include <cstdint>
#include <cstdio>
#include <cuda_runtime.h>

namespace {

struct kernel_job {
    const void *A, *B, *C;
    void *D;
    unsigned blocks;
    int rows, columns, copy, fresh;
};

template <int I> struct multiply;                                    /* mma.sync of row I of the table */
template <int I, int N, int SOURCE, int SIGN> struct group_multiply; /* wgmma likewise */

/* ---- mma.sync ---- */

/* One accumulator register from or to memory: a word, or a pair of f16. */
template <int HALF, typename unit> __device__ unit load(const void *C, size_t at) {
    if (!HALF) return static_cast<const unit *>(C)[at];
    const uint16_t *pair = static_cast<const uint16_t *>(C) + at;
    return pair[0];
}

template <int I> __global__ void mma_kernel(kernel_job job) {
    typedef multiply<I> op;
    typedef typename op::unit unit;
    enum { M = op::M, N = op::N, groups = M / 8 };
    const int lane = threadIdx.x, g = lane / 4, t = lane % 4;
    const size_t tile = blockIdx.x;
    const unit *A = static_cast<const unit *>(job.A) + tile * job.blocks * M * op::units;
    const unit *B = static_cast<const unit *>(job.B) + tile * job.blocks * N * op::units;
    size_t at[op::RD][2]; /* where a register's words lie in C and D */
    unit d[op::RD];
    for (int r = 0; r < op::RD; r++)
        for (int h = 0; h < 2; h++) {
            int row = op::half ? g + 8 * r : g + 8 * (r / 2), column = 2 * t + (op::half ? h : r % 2);
            at[r][h] = (tile * M + (row + job.rows) % M) * N + (column + job.columns) % N;
        }
    for (int r = 0; r < op::RD; r++) {
        d[r] = load<op::half, unit>(job.C, at[r][0]);
        if (op::half) d[r] |= load<op::half, unit>(job.C, at[r][1]) << 16;
    }
#pragma unroll 1
    for (unsigned block = 0; block < job.blocks; block++) {
        unit a[op::RA], b[op::RB];
        for (int r = 0; r < op::RA; r++)
            a[r] = A[((size_t)block * M + (g + 8 * (r % groups) + job.rows) % M) * op::units + t + 4 * (r / groups)];
        for (int r = 0; r < op::RB; r++) b[r] = B[((size_t)block * N + (g + job.columns) % N) * op::units + t + 4 * r];
        op::go(d, a, b);
    }
    for (int r = 0; r < op::RD; r++) {
        if (op::half) {
            static_cast<uint16_t *>(job.D)[at[r][0]] = (uint16_t)d[r];
            static_cast<uint16_t *>(job.D)[at[r][1]] = (uint16_t)(d[r] >> 16);
        } else {
            static_cast<unit *>(job.D)[at[r][0]] = d[r];
        }
    }
}

/* ---- wgmma ---- */

/* No swizzle, k contiguous: the stride between row groups is 128, between the halves of k that of all row groups. */
__device__ uint64_t descriptor(const void *shared, int row_groups) {
    uint64_t address = __cvta_generic_to_shared(shared);
    return (address & 0x3ffff) >> 4 | (uint64_t)(row_groups * 128 >> 4) << 16 | (uint64_t)(128 >> 4) << 32;
}

/* `rows` rows of 32 bytes into core matrices: row p is logical row(p). */
template <typename F> __device__ void place(uint32_t *shared, const uint32_t *from, int rows, F row) {
    for (int word = threadIdx.x; word < rows * 8; word += 128) {
        int p = word / 8, unit = word % 8;
        shared[((unit / 4) * (rows / 8) + p / 8) * 32 + p % 8 * 4 + unit % 4] = from[row(p) * 8 + unit];
    }
}

/* The compiler may not move what it does with these registers across this line: wgmma runs beside it. */
template <typename T, int count> __device__ void hold(T (&x)[count]) {
#pragma unroll
    for (int r = 0; r < count; r++)
        if constexpr (sizeof(T) == 8)
            asm volatile("" : "+l"(x[r])::"memory");
        else
            asm volatile("" : "+r"(x[r])::"memory");
}

template <int I, int N, int SOURCE, int SIGN> __global__ void __launch_bounds__(128, 1) group_kernel(kernel_job job) {
    typedef group_multiply<I, N, SOURCE, SIGN> op;
    enum { groups = N < 64 ? 64 / N : 1, width = N < 64 ? 64 : N };
    __shared__ __align__(128) uint32_t shared_a[64 * 8], shared_b[width * 8];
    const int warp = threadIdx.x / 32, g = threadIdx.x % 32 / 4, t = threadIdx.x % 4;
    const size_t tile = blockIdx.x;
    const uint32_t *A = static_cast<const uint32_t *>(job.A) + tile * job.blocks * 64 * 8;
    const uint32_t *B = static_cast<const uint32_t *>(job.B) + tile * job.blocks * 64 * 8;
    auto row_of = [&](int p) { return (p + job.rows) % 64; };
    auto column_of = [&](int p) { return (p + p / 64 * 5 + job.columns) % 64; };
    auto at = [&](int group, int r, int h) {
        int p = 16 * warp + g + 8 * (op::half ? r % 2 : r / 2 % 2);
        int q = N * group + 8 * (op::half ? r / 2 : r / 4) + 2 * t + (op::half ? h : r % 2);
        return (tile * 64 + row_of(p)) * 64 + column_of(q);
    };
    auto returned = [&](int r) { return N <= 64 || (op::half ? r / 2 : r / 4) / 8 == job.copy; };
    uint32_t d[groups][op::RD];
#pragma unroll
    for (int group = 0; group < groups; group++)
#pragma unroll
        for (int r = 0; r < op::RD; r++) {
            uint32_t first = load<op::half, uint32_t>(job.C, at(group, r, 0));
            uint32_t second = op::half ? load<op::half, uint32_t>(job.C, at(group, r, 1)) << 16 : 0;
            d[group][r] = job.fresh ? 0x7fff7fffu : first | second;
        }
#pragma unroll 1
    for (unsigned block = 0; block < job.blocks; block++) {
        const uint32_t *from = A + (size_t)block * 64 * 8;
        place(shared_a, from, 64, row_of);
        place(shared_b, B + (size_t)block * 64 * 8, width, column_of);
        asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
        __syncthreads();
        typename op::source a[op::RA];
        if constexpr (SOURCE)
            for (int r = 0; r < 4; r++) a[r] = from[row_of(16 * warp + g + 8 * (r % 2)) * 8 + t + 4 * (r / 2)];
        else
            a[0] = descriptor(shared_a, 8);
        hold(a);
#pragma unroll
        for (int group = 0; group < groups; group++) hold(d[group]);
        asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
        int keep = block > 0 || !job.fresh;
        /* N / 8 row groups of B are multiplied; its halves of k are width / 8 row groups apart */
#pragma unroll
        for (int group = 0; group < groups; group++)
            op::go(d[group], a, descriptor(shared_b + group * N * 4, width / 8), keep);
        asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
        asm volatile("wgmma.wait_group.sync.aligned 0;" ::: "memory");
#pragma unroll
        for (int group = 0; group < groups; group++) hold(d[group]);
        __syncthreads();
    }
#pragma unroll
    for (int group = 0; group < groups; group++)
#pragma unroll
        for (int r = 0; r < op::RD; r++) {
            if (!returned(r)) continue;
            if (op::half) {
                static_cast<uint16_t *>(job.D)[at(group, r, 0)] = (uint16_t)d[group][r];
                static_cast<uint16_t *>(job.D)[at(group, r, 1)] = (uint16_t)(d[group][r] >> 16);
            } else {
                static_cast<uint32_t *>(job.D)[at(group, r, 0)] = d[group][r];
            }
        }
}

#include "kernels.inc"

/* ---- the host's side ---- */

struct buffer {
    void *device = nullptr;
    ~buffer() { cudaFree(device); }
};

cudaError_t send(buffer &to, const void *from, size_t bytes) {
    cudaError_t error = cudaMalloc(&to.device, bytes);
    return error != cudaSuccess ? error : cudaMemcpy(to.device, from, bytes, cudaMemcpyHostToDevice);
}

cudaError_t run(const gla_probe_job *job, void (*kernel)(kernel_job)) {
    const gla_probe_instruction *i = job->instruction;
    const size_t K = job->tiles * job->blocks * (size_t)(i->K * gla_probe_format_named(i->a)->bytes);
    const size_t results = job->tiles * (size_t)(i->M * i->N * gla_probe_format_named(i->result)->bytes);
    buffer A, B, C, D;
    cudaError_t error = send(A, job->A, K * (size_t)i->M);
    if (error == cudaSuccess) error = send(B, job->B, K * (size_t)i->N);
    if (error == cudaSuccess) error = send(C, job->C, results);
    if (error == cudaSuccess) error = cudaMalloc(&D.device, results);
    if (error == cudaSuccess) error = cudaMemset(D.device, 0xa5, results);
    if (error != cudaSuccess) return error;
    kernel_job k = {A.device,  B.device,     C.device,  D.device,  (unsigned)job->blocks,
                    job->rows, job->columns, job->copy, job->fresh};
    kernel<<<(unsigned)job->tiles, i->M == 64 ? 128 : 32>>>(k);
    if ((error = cudaGetLastError()) != cudaSuccess) return error;
    if ((error = cudaDeviceSynchronize()) != cudaSuccess) return error;
    return cudaMemcpy(job->D, D.device, results, cudaMemcpyDeviceToHost);
}

} // namespace

extern "C" const char *gla_probe_run(const gla_probe_job *job) {
    void (*kernel)(kernel_job) = kernels[job->instruction - gla_probe_instructions][job->variant];
    if (!kernel) return "this instruction has no such variant";
    cudaError_t error = run(job, kernel);
    return error == cudaSuccess ? NULL : cudaGetErrorString(error);
}

extern "C" const char *gla_probe_gpu_found(gla_probe_gpu *gpu) {
    cudaDeviceProp p;
    cudaError_t error = cudaGetDeviceProperties(&p, 0);
    if (error != cudaSuccess) return cudaGetErrorString(error);
    snprintf(gpu->name, sizeof gpu->name, "%s", p.name);
    gpu->major = p.major;
    gpu->minor = p.minor;
    gpu->compiler = __CUDACC_VER_MAJOR__ * 1000 + __CUDACC_VER_MINOR__ * 10;
    if ((error = cudaRuntimeGetVersion(&gpu->runtime)) != cudaSuccess) return cudaGetErrorString(error);
    if ((error = cudaDriverGetVersion(&gpu->driver)) != cudaSuccess) return cudaGetErrorString(error);
    return NULL;
}
