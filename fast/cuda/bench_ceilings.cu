/* SPDX-License-Identifier: Apache-2.0
 *
 * What this GPU can do at most: a copy, and a matrix product; contract in bench.h.
 */
#include <dlfcn.h>

#include "bench.h"
#include "bench_session.cuh"

using namespace bench;

gla_cuda_status gla_cuda_bench_copy(gla_bench_times *times, char why[256]) {
    session s(why);
    void *from = random_numbers<float>(s, (int64_t)(GLA_BENCH_COPY / 4), -1, 1, 0), *to = s.take(GLA_BENCH_COPY);
    times->workspace = 0;
    time_calls(s, 10, 1, times,
               [&](int) { s.must(cudaMemcpyAsync(to, from, GLA_BENCH_COPY, cudaMemcpyDeviceToDevice), "copy"); });
    return s.status;
}

namespace {

/* The three calls of cuBLAS, whose interface has kept these names and numbers since CUDA 11. */
struct cublas {
    int (*create)(void **handle);
    int (*destroy)(void *handle);
    int (*product)(void *handle, int opA, int opB, int m, int n, int k, const void *alpha, const void *A,
                   cudaDataType_t typeA, int lda, const void *B, cudaDataType_t typeB, int ldb, const void *beta,
                   void *C, cudaDataType_t typeC, int ldc, int compute, int algorithm);
};
enum { CUBLAS_OP_N = 0, CUBLAS_COMPUTE_32F = 68, CUBLAS_GEMM_DEFAULT = -1 };

bool open_cublas(const char *library, cublas *c) {
    const char *places[] = {library, "libcublas.so.13", "libcublas.so.12", "/usr/local/cuda/lib64/libcublas.so"};
    void *handle = NULL;
    for (int i = library ? 0 : 1; i < (library ? 1 : 4) && !handle; i++) handle = dlopen(places[i], RTLD_NOW);
    if (!handle) return false;
    c->create = (int (*)(void **))dlsym(handle, "cublasCreate_v2");
    c->destroy = (int (*)(void *))dlsym(handle, "cublasDestroy_v2");
    c->product = (decltype(c->product))dlsym(handle, "cublasGemmEx");
    return c->create && c->destroy && c->product;
}

} // namespace

gla_cuda_status gla_cuda_bench_product(const char *library, gla_bench_times *times, char why[256]) {
    session s(why);
    cublas c;
    void *handle = NULL;
    const int n = GLA_BENCH_SIDE;
    const float one = 1, zero = 0;
    times->workspace = 0;
    if (!open_cublas(library, &c)) {
        s.fail(GLA_CUDA_UNSUPPORTED, "no cuBLAS", library ? library : "name its libcublas.so");
        return s.status;
    }
    void *A = random_numbers<__nv_bfloat16>(s, (int64_t)n * n, -1, 1, 1);
    void *B = random_numbers<__nv_bfloat16>(s, (int64_t)n * n, -1, 1, 2);
    void *C = s.take((size_t)n * n * 2);
    if (s.good() && c.create(&handle) != 0) s.fail(GLA_CUDA_LAUNCH, "cuBLAS", "cannot start");
    time_calls(s, 20, 1, times, [&](int) {
        if (c.product(handle, CUBLAS_OP_N, CUBLAS_OP_N, n, n, n, &one, A, CUDA_R_16BF, n, B, CUDA_R_16BF, n, &zero, C,
                      CUDA_R_16BF, n, CUBLAS_COMPUTE_32F, CUBLAS_GEMM_DEFAULT) != 0)
            s.fail(GLA_CUDA_LAUNCH, "cuBLAS", "refused the product");
    });
    if (handle) c.destroy(handle);
    return s.status;
}

gla_cuda_status gla_cuda_bench_device(char name[256], char why[256]) {
    session s(why);
    cudaDeviceProp device;
    int number = 0;
    s.must(cudaGetDevice(&number), "no GPU that this program's driver knows");
    if (s.good()) s.must(cudaGetDeviceProperties(&device, number), "no GPU that this program's driver knows");
    if (s.good()) snprintf(name, 256, "%s", device.name);
    return s.status;
}
