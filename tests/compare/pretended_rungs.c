/* SPDX-License-Identifier: Apache-2.0
 *
 * A libglassbox_cuda.so without a GPU, for the tests of `--numbers cuda:RUNG`: `recurrent` and `fused` return what
 * their formulations give in the GPU's arithmetic. PRETEND in the environment: "none" no GPU; "broken" a kernel that
 * fails; "bit" o[0,0,0,0] is one unit in the last place of bf16 off; "wrong" every dq is 0.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compare/replay.h"
#include "fast/cuda/host_run.h"

static bool pretend(const char *what) {
    const char *how = getenv("PRETEND");
    return how && strcmp(how, what) == 0;
}

int gla_cuda_abi(void) { return GLA_CUDA_ABI; }

const char *gla_cuda_rung_name(gla_cuda_rung rung) {
    static const char *const name[] = {"best", "recurrent", "parallel", "chunkwise", "fused"};
    return name[rung];
}

const char *gla_cuda_rung_form(gla_cuda_rung rung, gla_cuda_grade grade, gla_cuda_dtype dtype, int backward) {
    if (rung == GLA_CUDA_RECURRENT) return "recurrent";
    if (rung != GLA_CUDA_FUSED || dtype != GLA_CUDA_BF16) return NULL;
    if (grade == GLA_CUDA_PRECISE)
        return backward ? "chunkwise-paired:64:76+precise" : "chunkwise-centred:64:16+precise";
    return backward ? "chunkwise-paired:64:76" : "chunkwise-centred:64:16";
}

const char *gla_cuda_rung_numbers(gla_cuda_rung rung, gla_cuda_dtype dtype) {
    return rung == GLA_CUDA_RECURRENT                              ? "sm_90:f32"
           : gla_cuda_rung_form(rung, GLA_CUDA_FAST, dtype, false) ? "sm_90:bf16"
                                                                   : NULL;
}

bool gla_cuda_host_device(gla_host_why why) {
    snprintf(why, sizeof(gla_host_why), "no GPU that this program's driver knows: pretended");
    return !pretend("none");
}

static gla_cuda_status run_way(const gla_problem *p, const gla_host_run *how, bool backward, unsigned outputs,
                               double *value[GLA_OUTPUTS], gla_host_why why) {
    static const gla_format *const formats[] = {&gla_binary32_format, &gla_f16, &gla_bf16};
    const gla_format *data = formats[how->dtype], *format[GLA_OUTPUTS];
    double *made[GLA_OUTPUTS];
    char form[80];
    gla_error err;
    for (int i = 0; i < GLA_OUTPUTS; i++)
        format[i] = gla_is_state_output((gla_output)i) || i == GLA_DGK ? &gla_binary32_format : data;
    snprintf(form, sizeof form, "%s", gla_cuda_rung_form(how->rung, how->grade, how->dtype, backward));
    if (how->segment && !backward) snprintf(form + strlen(form), 30, "+split:%lld", (long long)how->segment);
    if (gla_replay_compute(p, form, gla_cuda_rung_numbers(how->rung, how->dtype), format, outputs, 1, made, &err)) {
        snprintf(why, sizeof(gla_host_why), "%.250s", err.what);
        return GLA_CUDA_LAUNCH;
    }
    for (int i = 0; i < GLA_OUTPUTS; i++)
        if (made[i]) value[i] = made[i];
    return GLA_CUDA_OK;
}

static void spoil(const gla_problem *p, double *value[GLA_OUTPUTS]) {
    if (pretend("bit") && value[GLA_O]) value[GLA_O][0] += gla_round(&gla_bf16, GLA_RN, value[GLA_O][0], 0) * 0x1p-7;
    for (int64_t i = 0; pretend("wrong") && value[GLA_DQ] && i < p->B * p->T * p->H * p->dk; i++) value[GLA_DQ][i] = 0;
}

gla_cuda_status gla_cuda_host_run(const gla_problem *p, const gla_host_run *how, double *value[GLA_OUTPUTS],
                                  gla_host_why why) {
    const unsigned forward = 1u << GLA_O | 1u << GLA_FINAL_STATE;
    gla_cuda_status status = GLA_CUDA_OK;
    memset(value, 0, GLA_OUTPUTS * sizeof *value);
    snprintf(why, sizeof(gla_host_why), pretend("broken") ? "kernel: misaligned address" : "the fused rung takes bf16");
    if (pretend("broken")) return GLA_CUDA_LAUNCH;
    if (!gla_cuda_rung_form(how->rung, how->grade, how->dtype, false)) return GLA_CUDA_UNSUPPORTED;
    if (how->outputs & forward) status = run_way(p, how, false, how->outputs & forward, value, why);
    if (status == GLA_CUDA_OK && how->outputs & ~forward)
        status = run_way(p, how, true, how->outputs & ~forward, value, why);
    if (status == GLA_CUDA_OK) spoil(p, value);
    return status;
}
