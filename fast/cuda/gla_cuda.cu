/* SPDX-License-Identifier: Apache-2.0
 *
 * The C interface over the ladder: names, which rung takes a problem, and its call.
 */
#include "gla_cuda.h"

#include <cuda_runtime.h>
#include <math.h>

#include "arguments.cuh"
#include "chunkwise.cuh"
#include "fused.cuh"
#include "parallel.cuh"
#include "parts.cuh"
#include "recurrent.cuh"

/* ---- names ---- */

/* A formulation by grade. */
typedef struct form_row {
    const char *fast, *precise;
} form_row;

typedef struct rung_row {
    const char *name;
    form_row form[2];       /* forward, backward */
    form_row f16_form;      /* both ways, where f16 has its own */
    const char *numbers[3]; /* by gla_cuda_dtype */
    int least, most;        /* compute capability, major */
} rung_row;

#define ALIKE(FORM)                                                                                                    \
    { FORM, FORM }
#define PRECISE_TOO(FORM)                                                                                              \
    { FORM, FORM "+precise" }
#define BINARY32                                                                                                       \
    { "sm_90:f32", "sm_90:f32", "sm_90:f32" }

static const rung_row rungs[GLA_CUDA_RUNGS] = {
    {"best", {ALIKE(NULL), ALIKE(NULL)}, ALIKE(NULL), {NULL, NULL, NULL}, 0, 0},
    {"recurrent", {ALIKE("recurrent"), ALIKE("recurrent")}, ALIKE(NULL), BINARY32, 8, 99},
    {"parallel", {ALIKE("parallel+straddle"), ALIKE("parallel+straddle")}, ALIKE(NULL), BINARY32, 8, 99},
    {"chunkwise",
     {PRECISE_TOO("chunkwise-paired:64"), PRECISE_TOO("chunkwise-paired:64")},
     PRECISE_TOO("chunkwise-paired:64:11"),
     {NULL, "sm_90:f16", "sm_90:bf16"},
     8,
     99},
    {"fused",
     {PRECISE_TOO("chunkwise-centred:64:16"), PRECISE_TOO("chunkwise-paired:64")},
     ALIKE(NULL),
     {NULL, NULL, "sm_90:bf16"},
     9,
     9},
};

int gla_cuda_abi(void) { return GLA_CUDA_ABI; }

static bool known(gla_cuda_rung rung) { return (unsigned)rung < GLA_CUDA_RUNGS; }

const char *gla_cuda_rung_name(gla_cuda_rung rung) { return known(rung) ? rungs[rung].name : NULL; }
const char *gla_cuda_grade_name(gla_cuda_grade grade) {
    return grade == GLA_CUDA_FAST ? "fast" : grade == GLA_CUDA_PRECISE ? "precise" : NULL;
}
const char *gla_cuda_rung_form(gla_cuda_rung rung, gla_cuda_grade grade, gla_cuda_dtype dtype, int backward) {
    if (!known(rung) || !gla_cuda_grade_name(grade)) return NULL;
    const rung_row &row = rungs[rung];
    const form_row &form = dtype == GLA_CUDA_F16 && row.f16_form.fast ? row.f16_form : row.form[backward != 0];
    return grade == GLA_CUDA_PRECISE ? form.precise : form.fast;
}
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
static const char *why_not(gla_cuda_rung rung, gla_cuda_grade grade, const gla_cuda_problem *p, bool backward) {
    switch (rung) {
    case GLA_CUDA_RECURRENT:
        return p->dk > GLA_RECURRENT_DK   ? "the recurrent rung takes dk up to 256; use parallel"
               : p->dv > GLA_RECURRENT_DV ? "the recurrent rung takes dv up to 2^20"
                                          : NULL;
    case GLA_CUDA_PARALLEL:
        return p->T > GLA_PARALLEL_T ? "the parallel rung takes T up to 2^16; use recurrent"
               : p->dk > GLA_PARALLEL_D || p->dv > GLA_PARALLEL_D ? "the parallel rung takes dk and dv up to 2^20"
                                                                  : NULL;
    case GLA_CUDA_CHUNKWISE:
        return p->q.dtype == GLA_CUDA_F32 ? "the chunkwise rung takes bf16 and f16; use recurrent"
               : p->dk > GLA_CHUNKWISE_DK ? "the chunkwise rung takes dk up to 256; use parallel"
               : p->dv > GLA_CHUNKWISE_DV ? "the chunkwise rung takes dv up to 2^16"
                                          : NULL;
    case GLA_CUDA_FUSED:
        return p->q.dtype != GLA_CUDA_BF16 ? "the fused rung takes bf16; use chunkwise or recurrent"
               : p->dv % 8                 ? "the fused rung takes multiples of 8 for dv; use chunkwise"
               : p->dv > GLA_FUSED_DV      ? "the fused rung takes dv up to 2^15; use recurrent"
               : p->dk > 256               ? "the fused rung takes dk up to 256; use parallel"
               : backward && grade == GLA_CUDA_PRECISE && p->dk > 128
                   ? "the fused rung's precise backward takes dk up to 128; use chunkwise"
               : !backward && !p->o.data ? "the fused rung writes o; use recurrent for the state alone"
                                         : NULL;
    default:
        return "no such rung";
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
    if (!gla_cuda_grade_name(call->grade))
        return gla_cuda_refuse(call, GLA_CUDA_BAD_ARGUMENT, "no grade %d; 0 is fast, 1 precise", (int)call->grade);
    *rung = call->rung;
    if (*rung == GLA_CUDA_BEST) {
        int major = 0;
        gla_cuda_call unheard;
        find_device(&unheard, &major);
        auto takes = [&](gla_cuda_rung r) { return !why_not(r, call->grade, p, backward) && runs_on(r, major); };
        bool step = !backward && p->T <= GLA_RECURRENT_DECODE && takes(GLA_CUDA_RECURRENT);
        *rung = step                        ? GLA_CUDA_RECURRENT
                : takes(GLA_CUDA_FUSED)     ? GLA_CUDA_FUSED
                : takes(GLA_CUDA_CHUNKWISE) ? GLA_CUDA_CHUNKWISE
                : p->dk > GLA_RECURRENT_DK  ? GLA_CUDA_PARALLEL
                                            : GLA_CUDA_RECURRENT;
    }
    if (call->segment < 0 || call->segment % 64 || call->segment > INT32_MAX)
        return gla_cuda_refuse(call, GLA_CUDA_BAD_ARGUMENT, "segment = %lld; it must be a multiple of 64, or 0",
                               (long long)call->segment);
    if (call->parts < 0)
        return gla_cuda_refuse(call, GLA_CUDA_BAD_ARGUMENT, "parts = %lld; it must be at least 1, or 0",
                               (long long)call->parts);
    if (call->segment && p->T / call->segment >= GLA_FUSED_SEGMENTS)
        return gla_cuda_refuse(call, GLA_CUDA_UNSUPPORTED, "segment = %lld cuts T into more than %d; take a longer one",
                               (long long)call->segment, GLA_FUSED_SEGMENTS);
    const char *why = why_not(*rung, call->grade, p, backward);
    return why ? gla_cuda_refuse(call, GLA_CUDA_UNSUPPORTED, "%s", why) : GLA_CUDA_OK;
}

static gla_cuda_status check_device(gla_cuda_call *call, gla_cuda_rung rung) {
    int major, least, greatest;
    gla_cuda_status status = find_device(call, &major);
    if (status != GLA_CUDA_OK) return status;
    /* cuTensorMapEncodeTiled asks for a context, which a thread has not until its first call that needs one: this. */
    cudaError_t e = cudaDeviceGetStreamPriorityRange(&least, &greatest);
    if (e != cudaSuccess) {
        cudaGetLastError();
        return gla_cuda_refuse(call, GLA_CUDA_NO_DEVICE, "the GPU has no room for this program: %s",
                               cudaGetErrorString(e));
    }
    if (runs_on(rung, major)) return GLA_CUDA_OK;
    return gla_cuda_refuse(call, GLA_CUDA_WRONG_DEVICE, "the %s rung needs compute capability %d.x, this GPU has %d.x",
                           rungs[rung].name, rungs[rung].least, major);
}

static size_t workspace_of_part(const gla_cuda_problem *p, const gla_cuda_call *call, gla_cuda_rung rung,
                                bool backward) {
    switch (rung) {
    case GLA_CUDA_PARALLEL:
        return gla_cuda_parallel_workspace(p, backward);
    case GLA_CUDA_CHUNKWISE:
        return gla_cuda_chunkwise_workspace(p, call->grade == GLA_CUDA_PRECISE, backward);
    case GLA_CUDA_FUSED:
        return backward ? gla_cuda_fused_backward_workspace(p) : gla_cuda_fused_workspace(p, call->segment);
    default:
        return backward ? gla_cuda_recurrent_workspace(p) : 0;
    }
}

/* Of the largest part. */
static size_t workspace_of(const gla_cuda_problem *p, const gla_cuda_call *call, gla_cuda_rung rung, bool backward) {
    size_t most = 0;
    for (int64_t i = 0; i < gla_cuda_parts(p, call->parts); i++) {
        gla_cuda_problem part = gla_cuda_part(p, call->parts, i);
        size_t bytes = workspace_of_part(&part, call, rung, backward);
        if (bytes > most) most = bytes;
    }
    return most;
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

static cudaError_t launch_part(const gla_cuda_problem *p, const gla_cuda_call *call, gla_cuda_rung rung,
                               bool backward) {
    cudaStream_t stream = (cudaStream_t)call->stream;
    float scale = scale_of(p);
    bool precise = call->grade == GLA_CUDA_PRECISE;
    switch (rung) {
    case GLA_CUDA_PARALLEL:
        return backward ? gla_cuda_parallel_backward(p, scale, call->workspace, stream)
                        : gla_cuda_parallel_forward(p, scale, call->workspace, stream);
    case GLA_CUDA_CHUNKWISE:
        return backward ? gla_cuda_chunkwise_backward(p, precise, scale, call->workspace, stream)
                        : gla_cuda_chunkwise_forward(p, precise, scale, call->workspace, stream);
    case GLA_CUDA_FUSED:
        return backward ? gla_cuda_fused_backward(p, precise, scale, call->workspace, stream)
                        : gla_cuda_fused_forward(p, precise, scale, call->segment, call->workspace, stream);
    default:
        return backward ? gla_cuda_recurrent_backward(p, scale, call->workspace, stream)
                        : gla_cuda_recurrent_forward(p, scale, stream);
    }
}

static cudaError_t launch(const gla_cuda_problem *p, const gla_cuda_call *call, gla_cuda_rung rung, bool backward) {
    cudaError_t e = cudaSuccess;
    for (int64_t i = 0; i < gla_cuda_parts(p, call->parts) && e == cudaSuccess; i++) {
        gla_cuda_problem part = gla_cuda_part(p, call->parts, i);
        e = launch_part(&part, call, rung, backward);
    }
    return e;
}

static gla_cuda_status run(const gla_cuda_problem *p, gla_cuda_call *call, bool backward) {
    gla_cuda_rung rung;
    call->why[0] = 0;
    gla_cuda_status status = gla_cuda_check(p, call, backward);
    if (status == GLA_CUDA_OK) status = choose(p, call, backward, &rung);
    if (status == GLA_CUDA_OK) status = check_workspace(call, workspace_of(p, call, rung, backward));
    if (status == GLA_CUDA_OK) status = check_device(call, rung);
    if (status != GLA_CUDA_OK) return status;
    cudaError_t e = launch(p, call, rung, backward);
    if (e == cudaSuccess) return GLA_CUDA_OK;
    cudaGetLastError();
    if (e == cudaErrorNoKernelImageForDevice || e == cudaErrorUnsupportedPtxVersion)
        return gla_cuda_refuse(call, GLA_CUDA_WRONG_DEVICE,
                               "this library was not built for this GPU (%s); make cuda with its -gencode, or a newer "
                               "driver",
                               cudaGetErrorString(e));
    return gla_cuda_refuse(call, GLA_CUDA_LAUNCH, "%s", cudaGetErrorString(e));
}

gla_cuda_status gla_cuda_forward(const gla_cuda_problem *p, gla_cuda_call *call) { return run(p, call, false); }

gla_cuda_status gla_cuda_backward(const gla_cuda_problem *p, gla_cuda_call *call) { return run(p, call, true); }
