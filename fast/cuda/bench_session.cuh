/* SPDX-License-Identifier: Apache-2.0
 *
 * What timings share: device memory and events that end with them, random numbers, and the timing itself. The first
 * thing that goes wrong is kept, and nothing is done after it.
 */
#ifndef GLA_BENCH_SESSION_CUH
#define GLA_BENCH_SESSION_CUH

#include <algorithm>
#include <cuda_bf16.h>
#include <cuda_runtime.h>
#include <stdio.h>

#include "bench.h"

namespace bench {

enum { TAKEN = 128 };

/* All timed calls together, in ms; but one is always timed. */
const double LONGEST = 1000;

/* What a timing holds of the device, and the first thing that went wrong. */
struct session {
    char *why;
    gla_cuda_status status = GLA_CUDA_OK;
    void *taken[TAKEN];
    int count = 0, events = 0;
    cudaEvent_t event[GLA_BENCH_MOST + 1];

    explicit session(char *why) : why(why) { why[0] = 0; }
    ~session() {
        for (int i = 0; i < count; i++) cudaFree(taken[i]);
        for (int i = 0; i < events; i++) cudaEventDestroy(event[i]);
    }
    session(const session &) = delete;
    session &operator=(const session &) = delete;

    bool good() const { return status == GLA_CUDA_OK; }
    void fail(gla_cuda_status how, const char *what, const char *detail) {
        if (!good()) return;
        status = how;
        snprintf(why, 256, "%s: %s", what, detail);
    }
    void must(cudaError_t e, const char *what) {
        if (e == cudaSuccess) return;
        cudaGetLastError();
        bool none = e == cudaErrorNoDevice || e == cudaErrorInsufficientDriver;
        fail(none                             ? GLA_CUDA_NO_DEVICE
             : e == cudaErrorMemoryAllocation ? GLA_CUDA_UNSUPPORTED
                                              : GLA_CUDA_LAUNCH,
             what, cudaGetErrorString(e));
    }
    void *take(size_t bytes) {
        void *at = NULL;
        if (good() && bytes) must(cudaMalloc(&at, bytes), "device memory");
        if (at) taken[count++] = at;
        return at;
    }
};

/* ---- data ---- */

__device__ inline void put(float *x, float value) { *x = value; }
__device__ inline void put(__nv_bfloat16 *x, float value) { *x = __float2bfloat16_rn(value); }

/* Random numbers in low .. high. */
template <typename Number> __global__ void fill(Number *x, int64_t count, float low, float high, uint32_t seed) {
    int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= count) return;
    uint32_t h = (uint32_t)i * 2654435761u ^ seed;
    h = (h ^ h >> 15) * 0x2c1b3c6du;
    h = (h ^ h >> 12) * 0x297a2d39u;
    h ^= h >> 15;
    put(x + i, low + (high - low) * ((float)h * 0x1p-32f));
}

template <typename Number> void *random_numbers(session &s, int64_t count, float low, float high, uint32_t seed) {
    Number *at = (Number *)s.take((size_t)count * sizeof(Number));
    if (!at) return NULL;
    fill<<<(unsigned)((count + 255) / 256), 256>>>(at, count, low, high, seed);
    s.must(cudaGetLastError(), "fill");
    return at;
}

/* ---- timing ---- */

/* Keeps the device busy while the host queues what is to be timed. */
static __global__ void wait_cycles(int64_t cycles) {
    for (int64_t start = clock64(); clock64() - start < cycles;) {
    }
}

/* call(i) `calls` times, an event between each two; fewer where the warm-up says that it takes too long. */
template <typename Call> void time_calls(session &s, int calls, int sets, gla_bench_times *times, Call call) {
    float ms = 0;
    times->count = 0;
    while (s.good() && s.events < calls + 1) {
        s.must(cudaEventCreate(&s.event[s.events]), "event");
        s.events += s.good();
    }
    double spent = 0;
    for (int i = 0; i < sets + 1 && s.good() && spent < LONGEST / 4; i++) { /* the last one says how long it takes */
        cudaEventRecord(s.event[0]);
        call(i % sets);
        cudaEventRecord(s.event[1]);
        s.must(cudaDeviceSynchronize(), "kernel");
        if (s.good()) s.must(cudaEventElapsedTime(&ms, s.event[0], s.event[1]), "event");
        spent += (double)ms;
    }
    if (!s.good()) return;
    calls = std::min(calls, (int)std::max(1.0, LONGEST / std::max((double)ms, 1e-3)));
    wait_cycles<<<1, 1>>>((int64_t)calls * 50000);
    for (int i = 0; i < calls && s.good(); i++) {
        cudaEventRecord(s.event[i]);
        call((i + 1) % sets);
    }
    if (s.good()) cudaEventRecord(s.event[calls]);
    s.must(cudaDeviceSynchronize(), "kernel");
    for (int i = 0; i < calls && s.good(); i++) {
        s.must(cudaEventElapsedTime(&ms, s.event[i], s.event[i + 1]), "event");
        times->ms[i] = (double)ms;
    }
    if (s.good()) times->count = calls;
}

} // namespace bench

#endif
