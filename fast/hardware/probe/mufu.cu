/* SPDX-License-Identifier: Apache-2.0
 *
 * Records the special functions of the GPU at hand: every function of mufu_plan.h on all 2^32 words as checksums, and
 * the words of the regions named there.
 *
 *     nvcc -O2 -I. -gencode=arch=compute_90a,code=sm_90a fast/hardware/probe/mufu.cu -o probe_mufu
 *     ./probe_mufu DIR
 *
 * DIR gets FUNCTION.checks.npy (uint64[65536]), FUNCTION.REGION.near.npy (int8), FUNCTION.REGION.far.npy (int32) and
 * device.json. Default flags matter: expf, exp2f and __expf are recorded as they compile here (no -use_fast_math).
 */
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>

#include "fast/hardware/probe/mufu_guess.h"

#define CUDA_DO(call)                                                                                                  \
    do {                                                                                                               \
        const cudaError_t status_ = (call);                                                                            \
        if (status_ != cudaSuccess) {                                                                                  \
            std::fprintf(stderr, "%s:%d: %s: %s\n", __FILE__, __LINE__, #call, cudaGetErrorString(status_));           \
            std::exit(1);                                                                                              \
        }                                                                                                              \
    } while (0)

#define APPROX(name, instruction)                                                                                      \
    static __device__ __forceinline__ float name(float x) {                                                            \
        float y;                                                                                                       \
        asm volatile(instruction " %0, %1;" : "=f"(y) : "f"(x));                                                       \
        return y;                                                                                                      \
    }

APPROX(ex2_ftz, "ex2.approx.ftz.f32")
APPROX(ex2, "ex2.approx.f32")
APPROX(rcp_ftz, "rcp.approx.ftz.f32")
APPROX(rcp, "rcp.approx.f32")
APPROX(rsq_ftz, "rsqrt.approx.ftz.f32")
APPROX(rsq, "rsqrt.approx.f32")
APPROX(lg2_ftz, "lg2.approx.ftz.f32")
APPROX(lg2, "lg2.approx.f32")
APPROX(tanh_approx, "tanh.approx.f32")

static __device__ __forceinline__ float times_log2_e(float x) {
    float y;
    asm volatile("mul.rn.f32 %0, %1, 0f3FB8AA3B;" : "=f"(y) : "f"(x));
    return y;
}

static __device__ __forceinline__ float times_log2_e_ftz(float x) {
    float y;
    asm volatile("mul.rn.ftz.f32 %0, %1, 0f3FB8AA3B;" : "=f"(y) : "f"(x));
    return y;
}

template <int F> static __device__ __forceinline__ float value(float x) {
    switch (F) {
    case MUFU_EX2_FTZ:
        return ex2_ftz(x);
    case MUFU_EX2:
        return ex2(x);
    case MUFU_RCP_FTZ:
        return rcp_ftz(x);
    case MUFU_RCP:
        return rcp(x);
    case MUFU_RSQ_FTZ:
        return rsq_ftz(x);
    case MUFU_RSQ:
        return rsq(x);
    case MUFU_LG2_FTZ:
        return lg2_ftz(x);
    case MUFU_LG2:
        return lg2(x);
    case MUFU_TANH:
        return tanh_approx(x);
    case MUFU_EXPF:
        return expf(x);
    case MUFU_EXP2F:
        return exp2f(x);
    case MUFU_EXP_FAST:
        return __expf(x);
    case MUFU_EXP_FAST_FTZ:
        return ex2_ftz(times_log2_e_ftz(x));
    case MUFU_EXP_TRITON:
        return ex2(times_log2_e(x));
    case MUFU_EXP2_POLY:
        return gla_poly_exp2(x);
    default:
        return gla_poly_exp(x);
    }
}

template <int F> static __device__ __forceinline__ uint32_t result(uint32_t word) {
    return __float_as_uint(value<F>(__uint_as_float(word)));
}

/* One thread block a block of words. sums must be zero. */
template <int F> __global__ void check_kernel(unsigned long long *sums) {
    unsigned long long sum = 0;
    for (uint32_t i = threadIdx.x; i < MUFU_BLOCK; i += blockDim.x)
        sum += mufu_mix(result<F>((uint32_t)blockIdx.x << 16 | i), i);
    atomicAdd(&sums[blockIdx.x], sum);
}

/* Differences to the guess, from the words of inputs. */
template <int F> __global__ void difference_kernel(const uint32_t *inputs, uint32_t count, int32_t *differences) {
    for (uint32_t i = blockIdx.x * blockDim.x + threadIdx.x; i < count; i += gridDim.x * blockDim.x)
        differences[i] = (int32_t)(result<F>(inputs[i]) - mufu_guess((enum mufu_function)F, inputs[i]));
}

struct kernels {
    void (*check)(unsigned long long *);
    void (*difference)(const uint32_t *, uint32_t, int32_t *);
};

#define KERNELS(f)                                                                                                     \
    { check_kernel<f>, difference_kernel<f> }
static const struct kernels table[MUFU_FUNCTIONS] = {
    KERNELS(0), KERNELS(1), KERNELS(2),  KERNELS(3),  KERNELS(4),  KERNELS(5),  KERNELS(6),  KERNELS(7),
    KERNELS(8), KERNELS(9), KERNELS(10), KERNELS(11), KERNELS(12), KERNELS(13), KERNELS(14), KERNELS(15),
};
static_assert(MUFU_FUNCTIONS == 16, "a kernel for every function");

/* NumPy's format 1.0: one dimension, little-endian. */
static void write_npy(const char *directory, const char *name, const char *type, const void *data, size_t count,
                      size_t size) {
    char path[4096], header[129];
    std::snprintf(path, sizeof path, "%s/%s.npy", directory, name);
    std::FILE *file = std::fopen(path, "wb");
    const int used = std::snprintf(header, sizeof header,
                                   "\x93NUMPY\x01%c\x76%c{'descr': '%s', 'fortran_order': False, 'shape': (%zu,), }", 0,
                                   0, type, count);
    std::memset(header + used, ' ', 127 - used);
    header[127] = '\n';
    if (!file || std::fwrite(header, 1, 128, file) != 128 || std::fwrite(data, size, count, file) != count ||
        std::fclose(file)) {
        std::perror(path);
        std::exit(1);
    }
}

static void record_checks(const char *directory, int f) {
    static uint64_t sums[MUFU_BLOCKS];
    unsigned long long *device_sums;
    char name[64];
    CUDA_DO(cudaMalloc(&device_sums, sizeof sums));
    CUDA_DO(cudaMemset(device_sums, 0, sizeof sums));
    table[f].check<<<MUFU_BLOCKS, 256>>>(device_sums);
    CUDA_DO(cudaGetLastError());
    CUDA_DO(cudaMemcpy(sums, device_sums, sizeof sums, cudaMemcpyDeviceToHost));
    CUDA_DO(cudaFree(device_sums));
    std::snprintf(name, sizeof name, "%s.checks", mufu_names[f]);
    write_npy(directory, name, "<u8", sums, MUFU_BLOCKS, sizeof *sums);
}

/* Results for inputs[count], which it frees. */
static void record_words(const char *directory, int f, const char *region, uint32_t *inputs, uint32_t count) {
    int32_t *differences = (int32_t *)std::malloc(count * sizeof *differences), *device_differences;
    int8_t *near = (int8_t *)std::malloc(count);
    uint32_t *device_inputs, far = 0;
    char name[64];
    if (!inputs || !differences || !near) std::exit((std::fprintf(stderr, "out of memory\n"), 1));
    CUDA_DO(cudaMalloc(&device_inputs, count * sizeof *inputs));
    CUDA_DO(cudaMalloc(&device_differences, count * sizeof *differences));
    CUDA_DO(cudaMemset(device_differences, 0x55, count * sizeof *differences));
    CUDA_DO(cudaMemcpy(device_inputs, inputs, count * sizeof *inputs, cudaMemcpyHostToDevice));
    table[f].difference<<<1024, 256>>>(device_inputs, count, device_differences);
    CUDA_DO(cudaGetLastError());
    CUDA_DO(cudaMemcpy(differences, device_differences, count * sizeof *differences, cudaMemcpyDeviceToHost));
    for (uint32_t i = 0; i < count; i++) {
        const int32_t d = differences[i];
        near[i] = (int8_t)(d > MUFU_ESCAPE && d < -MUFU_ESCAPE ? d : MUFU_ESCAPE);
        if (near[i] == MUFU_ESCAPE) differences[far++] = d;
    }
    std::snprintf(name, sizeof name, "%s.%s.near", mufu_names[f], region);
    write_npy(directory, name, "|i1", near, count, 1);
    std::snprintf(name, sizeof name, "%s.%s.far", mufu_names[f], region);
    write_npy(directory, name, "<i4", differences, far, sizeof *differences);
    CUDA_DO(cudaFree(device_inputs));
    CUDA_DO(cudaFree(device_differences));
    std::free(near);
    std::free(differences);
    std::free(inputs);
}

static uint32_t *strided(uint32_t first, uint32_t stride, uint32_t count) {
    uint32_t *inputs = (uint32_t *)std::malloc(count * sizeof *inputs);
    for (uint32_t i = 0; inputs && i < count; i++) inputs[i] = first + i * stride;
    return inputs;
}

static uint32_t *edges(void) {
    uint32_t *inputs = (uint32_t *)std::malloc(2 * MUFU_EDGES * MUFU_BLOCK * sizeof *inputs);
    for (uint32_t i = 0; inputs && i < 2 * MUFU_EDGES * MUFU_BLOCK; i++) {
        const uint32_t block = i / MUFU_BLOCK, sign = block >= MUFU_EDGES ? 0x80000000 : 0;
        inputs[i] = sign | (uint32_t)mufu_edges[block % MUFU_EDGES] << 16 | i % MUFU_BLOCK;
    }
    return inputs;
}

static void describe_device(const char *directory) {
    cudaDeviceProp device;
    int driver, runtime;
    char path[4096], date[32];
    const std::time_t now = std::time(NULL);
    CUDA_DO(cudaGetDeviceProperties(&device, 0));
    CUDA_DO(cudaDriverGetVersion(&driver));
    CUDA_DO(cudaRuntimeGetVersion(&runtime));
    std::strftime(date, sizeof date, "%Y-%m-%d", std::gmtime(&now));
    std::snprintf(path, sizeof path, "%s/device.json", directory);
    std::FILE *file = std::fopen(path, "w");
    if (!file) std::exit((std::perror(path), 1));
    std::fprintf(file,
                 "{\"format\": \"glassbox mufu 1\", \"gpu\": \"%s\", \"capability\": \"%d.%d\", \"date\": \"%s\", "
                 "\"driver_cuda\": %d, \"runtime_cuda\": %d, \"compiler_cuda\": \"%d.%d.%d\"}\n",
                 device.name, device.major, device.minor, date, driver, runtime, __CUDACC_VER_MAJOR__,
                 __CUDACC_VER_MINOR__, __CUDACC_VER_BUILD__);
    std::fclose(file);
    std::printf("%s, capability %d.%d\n", device.name, device.major, device.minor);
}

int main(int argc, char **argv) {
    if (argc != 2) return std::fprintf(stderr, "usage: probe_mufu DIR\n"), 2;
    describe_device(argv[1]);
    for (int f = 0; f < MUFU_FUNCTIONS; f++) {
        const std::clock_t start = std::clock();
        record_checks(argv[1], f);
        record_words(argv[1], f, "sample", strided(0, MUFU_SAMPLE_STRIDE, MUFU_SAMPLE_COUNT), MUFU_SAMPLE_COUNT);
        record_words(argv[1], f, "edges", edges(), 2 * MUFU_EDGES * MUFU_BLOCK);
        std::printf("%-12s 2^32 words, %.2f s\n", mufu_names[f], (double)(std::clock() - start) / CLOCKS_PER_SEC);
    }
    for (int i = 0; i < MUFU_BINADES; i++) {
        const struct mufu_region *r = &mufu_binades[i];
        record_words(argv[1], r->function, r->name, strided(r->first, r->stride, r->count), r->count);
    }
    return 0;
}
