/* SPDX-License-Identifier: Apache-2.0
 *
 * A plug-in for a CUDA device: recurrent GLA, forward, in float; one thread per column of a state.
 * nvcc -O2 -shared -Xcompiler -fPIC -I. minimal_cuda.cu -o minimal_cuda.so
 */
#include <cuda_bf16.h>
#include <cuda_runtime.h>
#include <stdio.h>

#include "compare/plugin.h"

template <class tensor>
__host__ __device__ int64_t offset(const tensor &x, int64_t a, int64_t b, int64_t c, int64_t d) {
    return a * x.stride[0] + b * x.stride[1] + c * x.stride[2] + d * x.stride[3];
}

__device__ float get(const glassbox_input &x, int64_t a, int64_t b, int64_t c, int64_t d) {
    if (!x.data) return 0;
    int64_t at = offset(x, a, b, c, d);
    return x.dtype == GLASSBOX_F32 ? ((const float *)x.data)[at]
                                   : __bfloat162float(((const __nv_bfloat16 *)x.data)[at]);
}

__device__ void put(const glassbox_output &x, int64_t a, int64_t b, int64_t c, int64_t d, float value) {
    int64_t at = offset(x, a, b, c, d);
    if (x.dtype == GLASSBOX_F32)
        ((float *)x.data)[at] = value;
    else
        ((__nv_bfloat16 *)x.data)[at] = __float2bfloat16_rn(value);
}

__global__ void run(glassbox_problem p, float *states) {
    int64_t column = blockIdx.x * (int64_t)blockDim.x + threadIdx.x;
    if (column >= p.N * p.H * p.dv) return;
    int64_t n = column / (p.H * p.dv), h = column / p.dv % p.H, j = column % p.dv, hk = h / (p.H / p.in.k.shape[2]);
    float *S = states + column * p.dk;
    for (int64_t i = 0; i < p.dk; i++) S[i] = get(p.in.initial_state, n, h, i, j);
    for (int64_t t = 0; t < p.T; t++) {
        float o = 0, v = get(p.in.v, n, t, h, j), decay = expf(get(p.in.gv, n, t, h, j));
        for (int64_t i = 0; i < p.dk; i++) {
            S[i] = decay * expf(get(p.in.g, n, t, hk, i)) * S[i] + get(p.in.k, n, t, hk, i) * v;
            o += S[i] * get(p.in.q, n, t, h, i);
        }
        put(p.out.o, n, t, h, j, (float)p.scale * o);
    }
    for (int64_t i = 0; i < p.dk; i++) put(p.out.final_state, n, h, i, j, S[i]);
}

/* From its first element to behind its last. */
template <class tensor> size_t bytes(const tensor &x) {
    return (size_t)(offset(x, x.shape[0] - 1, x.shape[1] - 1, x.shape[2] - 1, x.shape[3] - 1) + 1) * (x.dtype >> 8) / 8;
}

/* An output too is copied in: what lies between its elements is to come back as it was. */
template <class tensor> static void to_device(tensor &x) {
    void *copy = NULL;
    if (!x.data || cudaMalloc(&copy, bytes(x)) != cudaSuccess) return;
    cudaMemcpy(copy, x.data, bytes(x), cudaMemcpyHostToDevice);
    x.data = copy;
}

extern "C" int glassbox_plugin_run(const glassbox_problem *problem, void *, size_t) {
    glassbox_problem p = *problem;
    float *states;
    int devices;
    if (p.reverse || p.cu_seqlens) return 1;
    if (cudaGetDeviceCount(&devices) != cudaSuccess || devices == 0)
        return snprintf(p.reason, p.reason_size, "no CUDA device"), 1;
    glassbox_input *const in[] = {&p.in.q, &p.in.k, &p.in.v, &p.in.g, &p.in.gv, &p.in.initial_state};
    for (glassbox_input *x : in) to_device(*x);
    to_device(p.out.o);
    to_device(p.out.final_state);
    cudaMalloc(&states, (size_t)(p.N * p.H * p.dv * p.dk) * sizeof(float));
    run<<<(unsigned)((p.N * p.H * p.dv + 63) / 64), 64>>>(p, states);
    cudaMemcpy(problem->out.o.data, p.out.o.data, bytes(p.out.o), cudaMemcpyDeviceToHost);
    cudaMemcpy(problem->out.final_state.data, p.out.final_state.data, bytes(p.out.final_state), cudaMemcpyDeviceToHost);
    for (glassbox_input *x : in) cudaFree((void *)x->data);
    cudaFree(p.out.o.data);
    cudaFree(p.out.final_state.data);
    cudaFree(states);
    cudaError_t error = cudaGetLastError();
    if (error != cudaSuccess) return snprintf(p.reason, p.reason_size, "%s", cudaGetErrorString(error)), 2;
    return 0;
}

extern "C" const glassbox_info *glassbox_plugin_info(void) {
    static const glassbox_info info = {sizeof info,
                                       GLASSBOX_ABI_VERSION,
                                       "minimal_cuda",
                                       "gla",
                                       GLASSBOX_TAKES_F32 | GLASSBOX_TAKES_BF16,
                                       GLASSBOX_IS_DETERMINISTIC,
                                       GLASSBOX_CUDA,
                                       0,
                                       0,
                                       0,
                                       0,
                                       0,
                                       0};
    return &info;
}
