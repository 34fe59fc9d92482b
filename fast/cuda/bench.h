/* SPDX-License-Identifier: Apache-2.0
 *
 * How long the rungs take on this GPU, for `glassbox bench --gpu`: events around calls that are queued one behind the
 * other over rotated buffers, so that none finds its inputs in the L2 cache; and two ceilings of the same run, a copy
 * and a matrix product. Data, gates and gradients are bf16: q k v do random in -1..1, log gates in -0.2..0, states in
 * -1..1.
 */
#ifndef GLA_BENCH_H
#define GLA_BENCH_H

#include "gla_cuda.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum gla_bench_way {
    GLA_BENCH_FORWARD,  /* o */
    GLA_BENCH_BACKWARD, /* dq dk dv dg */
    GLA_BENCH_BOTH,     /* one behind the other */
    GLA_BENCH_STEP,     /* o and final_state from initial_state: T tokens of decoding */
    GLA_BENCH_WAYS
} gla_bench_way;

typedef struct gla_bench_job {
    gla_cuda_rung rung;
    gla_cuda_grade grade;
    gla_bench_way way;
    int64_t B, T, H, dk, dv, segment;
    int calls; /* timed, 1 to GLA_BENCH_MOST; fewer if they took more than a second */
} gla_bench_job;

enum { GLA_BENCH_MOST = 200 };

typedef struct gla_bench_times {
    int count;
    double ms[GLA_BENCH_MOST]; /* in order of time */
    size_t workspace;          /* bytes */
} gla_bench_times;

/* GLA_CUDA_OK, or why not: GLA_CUDA_UNSUPPORTED, the rung does not take this, or the device's memory does not hold it;
 * GLA_CUDA_LAUNCH, a kernel failed. */
gla_cuda_status gla_cuda_bench(const gla_bench_job *job, gla_bench_times *times, char why[256]);

/* A copy of GLA_BENCH_COPY bytes from device memory to device memory: moves twice as many. */
#define GLA_BENCH_COPY ((size_t)2 << 30)
gla_cuda_status gla_cuda_bench_copy(gla_bench_times *times, char why[256]);

/* A bf16 matrix product of GLA_BENCH_SIDE cubed, random data, by cuBLAS: opened when asked for, at `library` or, NULL,
 * where the system finds it. GLA_CUDA_UNSUPPORTED: it is not here. */
enum { GLA_BENCH_SIDE = 8192 };
gla_cuda_status gla_cuda_bench_product(const char *library, gla_bench_times *times, char why[256]);

/* What the GPU is called. */
gla_cuda_status gla_cuda_bench_device(char name[256], char why[256]);

#ifdef __cplusplus
}
#endif

#endif
