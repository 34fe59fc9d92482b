/* SPDX-License-Identifier: Apache-2.0
 *
 * `make gpu-bench`: how long the fused rung takes on this GPU, beside a plain copy of the same run.
 *
 * Every call is timed by events, 40 calls queued one behind the other over four sets of buffers (cold L2), the first
 * ten dropped; median, least and most. "floor": every input read once, every output written once, at the speed of the
 * copy. Inputs are random: keys and values in -1..1, log gates in -0.2..0, bf16.
 */
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cuda_runtime.h>
#include <vector>

#include "fast/cuda/gla_cuda.h"

static void must(cudaError_t e, const char *what) {
    if (e == cudaSuccess) return;
    fprintf(stderr, "bench_cuda: %s: %s\n", what, cudaGetErrorString(e));
    exit(e == cudaErrorNoDevice || e == cudaErrorInsufficientDriver ? 77 : 1);
}

static void *device_memory(size_t bytes) {
    void *at = NULL;
    must(cudaMalloc(&at, bytes), "no device memory");
    return at;
}

/* Random bf16 numbers in low .. high. */
__global__ void fill(uint16_t *x, int64_t count, float low, float high, uint32_t seed) {
    int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= count) return;
    uint32_t h = (uint32_t)i * 2654435761u ^ seed;
    h = (h ^ h >> 15) * 0x2c1b3c6du;
    h = (h ^ h >> 12) * 0x297a2d39u;
    h ^= h >> 15;
    x[i] = (uint16_t)(__float_as_uint(low + (high - low) * ((float)h * 0x1p-32f)) >> 16);
}

static gla_cuda_tensor random_tensor(int64_t B, int64_t T, int64_t H, int64_t D, float low, float high, uint32_t seed) {
    int64_t count = B * T * H * D;
    uint16_t *at = (uint16_t *)device_memory((size_t)count * 2);
    fill<<<(unsigned)((count + 255) / 256), 256>>>(at, count, low, high, seed);
    return {at, GLA_CUDA_BF16, (int32_t)H, {T * H * D, H * D, D}};
}

/* TB/s of a device-to-device copy, bytes read plus bytes written: the best of five. */
static double copy_speed() {
    const size_t bytes = (size_t)2 << 30;
    void *from = device_memory(bytes), *to = device_memory(bytes);
    cudaEvent_t start, end;
    cudaEventCreate(&start);
    cudaEventCreate(&end);
    float least = 0;
    for (int i = 0; i < 6; i++) {
        float ms;
        cudaEventRecord(start);
        cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice);
        cudaEventRecord(end);
        must(cudaEventSynchronize(end), "the copy failed");
        cudaEventElapsedTime(&ms, start, end);
        if (i == 1 || (i > 1 && ms < least)) least = ms;
    }
    cudaFree(from);
    cudaFree(to);
    return 2.0 * (double)bytes / least / 1e9;
}

struct shape {
    int64_t B, T, H, dk, dv, segment;
};

enum { SETS = 4, CALLS = 40, WARM = 10 };

static void time_shape(const shape &s, double copy) {
    std::vector<gla_cuda_problem> sets;
    for (uint32_t i = 0; i < SETS; i++) {
        gla_cuda_problem p = {};
        p.B = p.N = s.B;
        p.T = s.T;
        p.H = s.H;
        p.dk = s.dk;
        p.dv = s.dv;
        p.q = random_tensor(s.B, s.T, s.H, s.dk, -1, 1, 4 * i);
        p.k = random_tensor(s.B, s.T, s.H, s.dk, -1, 1, 4 * i + 1);
        p.g = random_tensor(s.B, s.T, s.H, s.dk, -0.2f, 0, 4 * i + 2);
        p.v = random_tensor(s.B, s.T, s.H, s.dv, -1, 1, 4 * i + 3);
        p.o = random_tensor(s.B, s.T, s.H, s.dv, 0, 0, 0);
        sets.push_back(p);
    }
    gla_cuda_call call = {};
    call.rung = GLA_CUDA_FUSED;
    call.segment = s.segment;
    gla_cuda_status status = gla_cuda_workspace(&sets[0], &call, 0, &call.workspace_size);
    if (status == GLA_CUDA_OK && call.workspace_size) call.workspace = device_memory(call.workspace_size);
    std::vector<cudaEvent_t> event(CALLS + 1);
    for (cudaEvent_t &e : event) cudaEventCreate(&e);
    for (int i = 0; i < CALLS && status == GLA_CUDA_OK; i++) {
        cudaEventRecord(event[i]);
        status = gla_cuda_forward(&sets[i % SETS], &call);
    }
    cudaEventRecord(event[CALLS]);
    if (status != GLA_CUDA_OK) {
        fprintf(stderr, "bench_cuda: %s\n", call.why);
        exit(status == GLA_CUDA_NO_DEVICE || status == GLA_CUDA_WRONG_DEVICE ? 77 : 1);
    }
    must(cudaDeviceSynchronize(), "the kernel failed");
    std::vector<float> ms;
    for (int i = WARM; i < CALLS; i++) {
        float x;
        cudaEventElapsedTime(&x, event[i], event[i + 1]);
        ms.push_back(x);
    }
    std::sort(ms.begin(), ms.end());
    double floor = (double)(s.B * s.T * s.H * (3 * s.dk + 2 * s.dv) * 2) / copy / 1e9;
    double median = ms[ms.size() / 2];
    printf("%2lld %6lld %2lld %3lld %3lld %7lld %9.4f   %.4f .. %.4f %9.4f %6.0f %%\n", (long long)s.B, (long long)s.T,
           (long long)s.H, (long long)s.dk, (long long)s.dv, (long long)s.segment, median, ms.front(), ms.back(), floor,
           100 * floor / median);
    for (gla_cuda_problem &p : sets)
        for (void *at : {p.q.data, p.k.data, p.g.data, p.v.data, p.o.data}) cudaFree(at);
    cudaFree(call.workspace);
    for (cudaEvent_t &e : event) cudaEventDestroy(e);
}

int main() {
    cudaDeviceProp device;
    must(cudaGetDeviceProperties(&device, 0), "no GPU");
    double copy = copy_speed();
    printf("%s, copy %.2f TB/s; forward of the fused rung, bf16\n", device.name, copy);
    printf(" B      T  H  dk  dv segment    median     least .. most      floor   of it (ms)\n");
    const shape shapes[] = {{8, 2048, 16, 128, 128, 0},      {1, 16384, 16, 128, 128, 0},
                            {1, 16384, 16, 128, 128, 2048},  {1, 131072, 16, 128, 128, 0},
                            {1, 131072, 16, 128, 128, 4096}, {8, 2048, 4, 128, 256, 0},
                            {8, 2048, 4, 128, 256, 1024},    {16, 2048, 16, 128, 128, 0}};
    for (const shape &s : shapes) time_shape(s, copy);
    return 0;
}
