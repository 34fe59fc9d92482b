/* SPDX-License-Identifier: Apache-2.0
 *
 * A libglassbox_cuda.so without a GPU, for the tests of `glassbox bench --gpu`: a copy of 4 TB/s, a matrix product of
 * 800 TFLOP/s, and times that are easily told apart. `recurrent` takes 2 ms .. 4 ms; `fused`, forward only, 0.1 ms.
 * PRETEND in the environment: "none" no GPU; "broken" a kernel that fails; "plain" no cuBLAS.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fast/cuda/bench.h"
#include "fast/cuda/host_run.h"

static int pretend(const char *what) {
    const char *how = getenv("PRETEND");
    return how && strcmp(how, what) == 0;
}

#ifndef STALE
int gla_cuda_abi(void) { return GLA_CUDA_ABI; }
#else
int gla_cuda_abi(void) { return GLA_CUDA_ABI + 1; }
#endif

const char *gla_cuda_rung_name(gla_cuda_rung rung) {
    static const char *const name[] = {"best", "recurrent", "parallel", "chunkwise", "fused"};
    return name[rung];
}

const char *gla_cuda_rung_form(gla_cuda_rung rung, gla_cuda_grade grade, gla_cuda_dtype dtype, int backward) {
    (void)dtype;
    const char *fused = grade == GLA_CUDA_PRECISE ? "chunkwise-centred:64:16+precise" : "chunkwise-centred:64:16";
    return rung == GLA_CUDA_RECURRENT            ? "recurrent"
           : rung == GLA_CUDA_FUSED && !backward ? fused
           : rung == GLA_CUDA_PARALLEL           ? "parallel"
                                                 : NULL;
}

/* Zeros, whose error is the whole of the truth. */
gla_cuda_status gla_cuda_host_run(const gla_problem *p, const gla_host_run *how, double *value[GLA_OUTPUTS],
                                  gla_host_why why) {
    for (int i = 0; i < GLA_OUTPUTS; i++)
        value[i] = how->outputs >> i & 1 && i != GLA_DGV
                       ? calloc((size_t)(p->B * p->H * (p->T + p->dk) * (p->dk + p->dv)), 8)
                       : NULL;
    why[0] = 0;
    return GLA_CUDA_OK;
}

gla_cuda_status gla_cuda_bench_device(char name[256], char why[256]) {
    snprintf(why, 256, "no GPU that this program's driver knows: pretended");
    snprintf(name, 256, "Pretended GPU");
    return pretend("none") ? GLA_CUDA_NO_DEVICE : GLA_CUDA_OK;
}

static void take(gla_bench_times *times, int count, double least) {
    times->count = count;
    times->workspace = 3000000;
    for (int i = 0; i < count; i++) times->ms[i] = least * (1 + (double)((i + 1) % count) / (double)(count - 1));
}

gla_cuda_status gla_cuda_bench_copy(gla_bench_times *times, char why[256]) {
    times->count = 1;
    times->ms[0] = 2 * (double)GLA_BENCH_COPY / 4e9;
    return GLA_CUDA_OK;
}

gla_cuda_status gla_cuda_bench_product(const char *library, gla_bench_times *times, char why[256]) {
    times->count = 1;
    times->ms[0] = 2.0 * GLA_BENCH_SIDE * GLA_BENCH_SIDE * GLA_BENCH_SIDE / 800e9;
    snprintf(why, 256, "no cuBLAS");
    return pretend("plain") ? GLA_CUDA_UNSUPPORTED : GLA_CUDA_OK;
}

gla_cuda_status gla_cuda_bench(const gla_bench_job *job, gla_bench_times *times, char why[256]) {
    snprintf(why, 256, pretend("broken") ? "kernel: \"misaligned\" address" : "fused: no backward");
    if (pretend("broken")) return GLA_CUDA_LAUNCH;
    if (job->rung == GLA_CUDA_FUSED && job->way != GLA_BENCH_FORWARD) return GLA_CUDA_UNSUPPORTED;
    take(times, job->rung == GLA_CUDA_FUSED ? 3 : job->calls, job->rung == GLA_CUDA_FUSED ? 0.05 : 2);
    times->ms[0] = job->rung == GLA_CUDA_FUSED ? 0.1 : times->ms[0];
    return GLA_CUDA_OK;
}
