/* SPDX-License-Identifier: Apache-2.0
 *
 * The C interface over the ladder: names, which rung takes a problem, and its call.
 */
#include "gla_cuda.h"

#include <cuda_runtime.h>
#include <math.h>

#include "arguments.cuh"
#include "fused.cuh"
#include "recurrent.cuh"

/* ---- names ---- */

typedef struct rung_row {
    const char *name, *form;
    const char *numbers[3]; /* by gla_cuda_dtype */
    int least, most;        /* compute capability, major */
} rung_row;

static const rung_row rungs[GLA_CUDA_RUNGS] = {
    {"best", NULL, {NULL, NULL, NULL}, 0, 0},
    {"recurrent", "recurrent", {"sm_90:f32", "sm_90:f32", "sm_90:f32"}, 8, 99},
    {"parallel", NULL, {NULL, NULL, NULL}, 0, 0},
    {"chunkwise", NULL, {NULL, NULL, NULL}, 0, 0},
    {"fused", "chunkwise-centred:64:16", {NULL, NULL, "sm_90:bf16"}, 9, 9},
};

static bool known(gla_cuda_rung rung) { return (unsigned)rung < GLA_CUDA_RUNGS; }

const char *gla_cuda_rung_name(gla_cuda_rung rung) { return known(rung) ? rungs[rung].name : NULL; }
const char *gla_cuda_rung_form(gla_cuda_rung rung) { return known(rung) ? rungs[rung].form : NULL; }
const char *gla_cuda_rung_numbers(gla_cuda_rung rung, gla_cuda_dtype dtype) {
    return known(rung) && (unsigned)dtype <= GLA_CUDA_BF16 ? rungs[rung].numbers[dtype] : NULL;
}

const char *gla_cuda_status_text(gla_cuda_status status) {
    static const char *const text[] = {"ok",           "no GPU",       "this rung does not run on this GPU",
                                       "unsupported",  "bad argument", "workspace too small",
                                       "launch failed"};
    return (unsigned)status < sizeof text / sizeof *text ? text[status] : "unknown status";
}

/* ---- the rung ---- */

/* Why a rung does not take this problem, or NULL: it does. */
static const char *why_not(gla_cuda_rung rung, const gla_cuda_problem *p, bool backward) {
    switch (rung) {
    case GLA_CUDA_RECURRENT:
        return p->dk > GLA_RECURRENT_DK   ? "the recurrent rung takes dk up to 256"
               : p->dv > GLA_RECURRENT_DV ? "the recurrent rung takes dv up to 2^20"
                                          : NULL;
    case GLA_CUDA_FUSED:
        return backward                      ? "the fused rung has no backward; use recurrent"
               : p->q.dtype != GLA_CUDA_BF16 ? "the fused rung takes bf16; use recurrent"
               : p->dk > 128                 ? "the fused rung takes dk up to 128; use recurrent"
               : p->dv % 8                   ? "the fused rung takes multiples of 8 for dv; use recurrent"
               : !p->o.data                  ? "the fused rung writes o; use recurrent for the state alone"
                                             : NULL;
    default:
        return "this rung is not built; use recurrent or fused";
    }
}

/* The GPU's compute capability, major. */
static gla_cuda_status find_device(gla_cuda_call *call, int *major) {
    int device;
    cudaError_t e = cudaGetDevice(&device);
    if (e == cudaSuccess) e = cudaDeviceGetAttribute(major, cudaDevAttrComputeCapabilityMajor, device);
    if (e == cudaSuccess) return GLA_CUDA_OK;
    cudaGetLastError(); /* is reported here, not by the caller's next call */
    return gla_cuda_refuse(call, GLA_CUDA_NO_DEVICE, "no GPU that this program's driver knows: %s",
                           cudaGetErrorString(e));
}

static bool runs_on(gla_cuda_rung rung, int major) { return rungs[rung].least <= major && major <= rungs[rung].most; }

/* The rung that a call will take. Without a device the choice is recurrent: it is not going to run. */
static gla_cuda_status choose(const gla_cuda_problem *p, gla_cuda_call *call, bool backward, gla_cuda_rung *rung) {
    if (!known(call->rung)) return gla_cuda_refuse(call, GLA_CUDA_BAD_ARGUMENT, "no rung %d", (int)call->rung);
    *rung = call->rung;
    if (*rung == GLA_CUDA_BEST) {
        int major = 0;
        gla_cuda_call unheard;
        find_device(&unheard, &major);
        *rung = !why_not(GLA_CUDA_FUSED, p, backward) && runs_on(GLA_CUDA_FUSED, major) ? GLA_CUDA_FUSED
                                                                                        : GLA_CUDA_RECURRENT;
    }
    if (call->segment < 0 || call->segment % 64 || call->segment > INT32_MAX)
        return gla_cuda_refuse(call, GLA_CUDA_BAD_ARGUMENT, "segment = %lld; it must be a multiple of 64, or 0",
                               (long long)call->segment);
    const char *why = why_not(*rung, p, backward);
    return why ? gla_cuda_refuse(call, GLA_CUDA_UNSUPPORTED, "%s", why) : GLA_CUDA_OK;
}

static gla_cuda_status check_device(gla_cuda_call *call, gla_cuda_rung rung) {
    int major;
    gla_cuda_status status = find_device(call, &major);
    if (status != GLA_CUDA_OK || runs_on(rung, major)) return status;
    return gla_cuda_refuse(call, GLA_CUDA_WRONG_DEVICE, "the %s rung needs compute capability %d.x, this GPU has %d.x",
                           rungs[rung].name, rungs[rung].least, major);
}

static size_t workspace_of(const gla_cuda_problem *p, const gla_cuda_call *call, gla_cuda_rung rung, bool backward) {
    if (rung == GLA_CUDA_FUSED) return gla_cuda_fused_workspace(p, call->segment);
    return backward ? gla_cuda_recurrent_workspace(p) : 0;
}

static gla_cuda_status check_workspace(gla_cuda_call *call, size_t needed) {
    if (needed == 0) return GLA_CUDA_OK;
    if (!call->workspace || call->workspace_size < needed)
        return gla_cuda_refuse(call, GLA_CUDA_SMALL_WORKSPACE,
                               "the workspace has %zu bytes and needs %zu; gla_cuda_workspace says how many",
                               call->workspace ? call->workspace_size : 0, needed);
    if ((uintptr_t)call->workspace % 256)
        return gla_cuda_refuse(call, GLA_CUDA_BAD_ARGUMENT, "the workspace is not aligned to 256 bytes");
    return GLA_CUDA_OK;
}

/* ---- calls ---- */

static float scale_of(const gla_cuda_problem *p) { return p->scale != 0 ? p->scale : (float)(1 / sqrt((double)p->dk)); }

gla_cuda_status gla_cuda_workspace(const gla_cuda_problem *p, gla_cuda_call *call, int backward, size_t *bytes) {
    gla_cuda_rung rung;
    *bytes = 0;
    call->why[0] = 0;
    gla_cuda_status status = gla_cuda_check(p, call, backward);
    if (status == GLA_CUDA_OK) status = choose(p, call, backward, &rung);
    if (status == GLA_CUDA_OK) *bytes = workspace_of(p, call, rung, backward);
    return status;
}

static gla_cuda_status run(const gla_cuda_problem *p, gla_cuda_call *call, bool backward) {
    gla_cuda_rung rung;
    call->why[0] = 0;
    gla_cuda_status status = gla_cuda_check(p, call, backward);
    if (status == GLA_CUDA_OK) status = choose(p, call, backward, &rung);
    if (status == GLA_CUDA_OK) status = check_workspace(call, workspace_of(p, call, rung, backward));
    if (status == GLA_CUDA_OK) status = check_device(call, rung);
    if (status != GLA_CUDA_OK) return status;
    cudaStream_t stream = (cudaStream_t)call->stream;
    cudaError_t e = rung == GLA_CUDA_FUSED ? gla_cuda_fused_forward(p, scale_of(p), call->segment, call->workspace, stream)
                    : backward             ? gla_cuda_recurrent_backward(p, scale_of(p), call->workspace, stream)
                                           : gla_cuda_recurrent_forward(p, scale_of(p), stream);
    if (e == cudaSuccess) return GLA_CUDA_OK;
    cudaGetLastError();
    return gla_cuda_refuse(call, GLA_CUDA_LAUNCH, "%s", cudaGetErrorString(e));
}

gla_cuda_status gla_cuda_forward(const gla_cuda_problem *p, gla_cuda_call *call) { return run(p, call, false); }

gla_cuda_status gla_cuda_backward(const gla_cuda_problem *p, gla_cuda_call *call) { return run(p, call, true); }
