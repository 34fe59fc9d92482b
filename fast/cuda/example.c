/* SPDX-License-Identifier: Apache-2.0
 *
 * The least program around gla_cuda.h: one sequence forward and backward on a stream. Its memory is its own, also the
 * workspace; every call says what it needs.
 *
 *     cc example.c $(pkg-config --cflags --libs glassbox-cuda) -I/usr/local/cuda/include -L/usr/local/cuda/lib64
 * -lcudart
 */
#include <cuda_runtime_api.h>
#include <glassbox/fast/cuda/gla_cuda.h>
#include <stdio.h>
#include <stdlib.h>

enum { T = 1000, H = 4, D = 64 };

/* [1,T,H,D] in bf16, every element `word`. */
static gla_cuda_tensor tensor(unsigned short word) {
    gla_cuda_tensor x = {NULL, GLA_CUDA_BF16, H, {T * H * D, H * D, D}};
    unsigned short *words = malloc(T * H * D * 2);
    for (int i = 0; words && i < T * H * D; i++) words[i] = word;
    if (!words || cudaMalloc(&x.data, T * H * D * 2) != cudaSuccess) exit(77); /* no GPU */
    cudaMemcpy(x.data, words, T * H * D * 2, cudaMemcpyHostToDevice);
    free(words);
    return x;
}

/* Forward or backward, with the workspace that it asks for. */
static void run(const gla_cuda_problem *p, gla_cuda_call *call, int backward) {
    gla_cuda_status status = gla_cuda_workspace(p, call, backward, &call->workspace_size);
    if (status == GLA_CUDA_OK) cudaMalloc(&call->workspace, call->workspace_size);
    if (status == GLA_CUDA_OK) status = (backward ? gla_cuda_backward : gla_cuda_forward)(p, call);
    if (status != GLA_CUDA_OK) fprintf(stderr, "%s: %s\n", gla_cuda_status_text(status), call->why), exit(1);
    cudaStreamSynchronize((cudaStream_t)call->stream); /* the workspace is in use until here */
    cudaFree(call->workspace);
}

int main(void) {
    cudaStream_t stream;
    unsigned short o;
    gla_cuda_problem p = {.B = 1, .T = T, .H = H, .dk = D, .dv = D, .N = 1}; /* scale 0: dk^(-1/2) */
    p.q = p.k = p.v = p.d_o = tensor(0x3f80);                                /* 1 */
    p.g = tensor(0xbd80);                                                    /* -1/16 */
    p.o = tensor(0), p.dq = tensor(0), p.dk_ = tensor(0), p.dv_ = tensor(0);
    if (cudaStreamCreate(&stream) != cudaSuccess) return 77;
    gla_cuda_call call = {.rung = GLA_CUDA_BEST, .stream = stream};
    run(&p, &call, 0);
    run(&p, &call, 1);
    cudaMemcpy(&o, (unsigned short *)p.o.data + (T - 1) * H * D, 2, cudaMemcpyDeviceToHost);
    printf("last o in bf16: 0x%04x\n", o); /* 8 / (1 - e^(-1/16)) = 132.04: 0x4304 */
    return 0;
}
