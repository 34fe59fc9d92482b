/* SPDX-License-Identifier: Apache-2.0
 *
 * Up, run, down; contract in host_run.h. Memory that holds no element is 0xff: NaN in every dtype.
 */
#include "host_run.h"

#include <cuda_runtime_api.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { GUARD = 256 };

/* A tensor on the device. */
typedef struct held {
    gla_cuda_tensor *x;
    int64_t shape[4];
    size_t bytes;
} held;

typedef struct session {
    const gla_problem *from;
    const gla_host_run *how;
    gla_cuda_problem p;
    gla_cuda_call call;
    held inputs[GLA_INPUTS], outputs[GLA_OUTPUTS];
    void *cu_seqlens;
    char *why;
} session;

static gla_cuda_status fail(session *s, const char *what, cudaError_t e) {
    snprintf(s->why, sizeof(gla_host_why), "%s: %s", what, cudaGetErrorString(e));
    return GLA_CUDA_LAUNCH;
}

/* ---- elements ---- */

static size_t size_of(gla_cuda_dtype dtype) { return dtype == GLA_CUDA_F32 ? 4 : 2; }

static void put(char *at, gla_cuda_dtype dtype, double value) {
    uint32_t word = gla_encode(gla_cuda_format(dtype), value);
    memcpy(at, &word, size_of(dtype)); /* little endian, as everywhere CUDA runs */
}

static double get(const char *at, gla_cuda_dtype dtype) {
    uint32_t word = 0;
    memcpy(&word, at, size_of(dtype));
    return gla_decode(gla_cuda_format(dtype), word);
}

/* Element [a,b,c,0] in bytes. */
static size_t row_at(const held *h, int64_t a, int64_t b, int64_t c) {
    const int64_t *stride = h->x->stride;
    return (size_t)(a * stride[0] + b * stride[1] + c * stride[2]) * size_of(h->x->dtype);
}

/* ---- tensors ---- */

static void lay_out(held *h, gla_cuda_tensor *x, const int64_t shape[4], bool state, gla_cuda_dtype dtype,
                    int64_t gap) {
    memcpy(h->shape, shape, sizeof h->shape);
    h->x = x;
    x->dtype = dtype;
    x->heads = (int32_t)(state ? shape[1] : shape[2]);
    x->stride[2] = (shape[3] + 7) / 8 * 8 + gap;
    x->stride[1] = shape[2] * x->stride[2] + gap;
    x->stride[0] = shape[1] * x->stride[1] + gap;
    h->bytes = (size_t)(shape[0] * x->stride[0]) * size_of(dtype) + GUARD;
}

static gla_cuda_tensor *input_of(gla_cuda_problem *p, gla_input name) {
    gla_cuda_tensor *all[GLA_INPUTS] = {
        &p->q, &p->k, &p->v, &p->g, NULL, &p->initial_state, &p->d_o, &p->d_final_state};
    return all[name];
}

static gla_cuda_tensor *output_of(gla_cuda_problem *p, gla_output name) {
    gla_cuda_tensor *all[GLA_OUTPUTS] = {&p->o,   &p->final_state, &p->dq, &p->dk_,
                                         &p->dv_, &p->dg,          NULL,   &p->dinitial_state};
    return all[name];
}

static gla_cuda_status upload(session *s, gla_input name) {
    gla_problem from = *s->from;
    const gla_tensor *x = gla_problem_input(&from, name);
    if (!x->at) return GLA_CUDA_OK;
    held *h = &s->inputs[name];
    int64_t shape[4];
    bool state = gla_is_state_input(name);
    gla_input_shape(s->from, name, shape);
    lay_out(h, input_of(&s->p, name), shape, state,
            state               ? GLA_CUDA_F32
            : name == GLA_IN_GK ? s->how->gates
                                : s->how->dtype,
            s->how->gap);
    char *staged = malloc(h->bytes);
    if (!staged) return fail(s, gla_input_names[name], cudaErrorMemoryAllocation);
    memset(staged, 0xff, h->bytes);
    for (int64_t a = 0; a < shape[0]; a++)
        for (int64_t b = 0; b < shape[1]; b++)
            for (int64_t c = 0; c < shape[2]; c++)
                for (int64_t d = 0; d < shape[3]; d++)
                    put(staged + row_at(h, a, b, c) + (size_t)d * size_of(h->x->dtype), h->x->dtype,
                        x->at[a * x->stride[0] + b * x->stride[1] + c * x->stride[2] + d * x->stride[3]]);
    cudaError_t e = cudaMalloc(&h->x->data, h->bytes);
    if (e == cudaSuccess) e = cudaMemcpy(h->x->data, staged, h->bytes, cudaMemcpyHostToDevice);
    free(staged);
    return e == cudaSuccess ? GLA_CUDA_OK : fail(s, gla_input_names[name], e);
}

static gla_cuda_status make_room(session *s, gla_output name) {
    held *h = &s->outputs[name];
    gla_cuda_tensor *x = output_of(&s->p, name);
    if (!(s->how->outputs >> name & 1) || !x || !gla_has_output(s->from, true, name)) return GLA_CUDA_OK;
    bool wide = gla_is_state_output(name) || name == GLA_DGK;
    int64_t shape[4];
    gla_output_shape(s->from, name, shape);
    gla_cuda_dtype dtype = name == GLA_DGK && s->how->narrow_dg ? s->how->gates : wide ? GLA_CUDA_F32 : s->how->dtype;
    lay_out(h, x, shape, gla_is_state_output(name), dtype, s->how->gap);
    cudaError_t e = cudaMalloc(&x->data, h->bytes);
    if (e == cudaSuccess) e = cudaMemset(x->data, 0xff, h->bytes);
    return e == cudaSuccess ? GLA_CUDA_OK : fail(s, gla_output_names[name], e);
}

/* Moves the elements into value; what is left must be as it was. */
static bool unpack(const held *h, char *staged, double *value) {
    size_t size = size_of(h->x->dtype);
    for (int64_t a = 0; a < h->shape[0]; a++)
        for (int64_t b = 0; b < h->shape[1]; b++)
            for (int64_t c = 0; c < h->shape[2]; c++)
                for (int64_t d = 0; d < h->shape[3]; d++) {
                    char *at = staged + row_at(h, a, b, c) + (size_t)d * size;
                    *value++ = get(at, h->x->dtype);
                    memset(at, 0xff, size);
                }
    for (size_t i = 0; i < h->bytes; i++)
        if (staged[i] != (char)0xff) return false;
    return true;
}

static gla_cuda_status download(session *s, gla_output name, double **value) {
    held *h = &s->outputs[name];
    if (!h->x || !h->x->data) return GLA_CUDA_OK;
    char *staged = malloc(h->bytes);
    *value = malloc((size_t)(h->shape[0] * h->shape[1] * h->shape[2] * h->shape[3]) * sizeof **value);
    cudaError_t e =
        staged && *value ? cudaMemcpy(staged, h->x->data, h->bytes, cudaMemcpyDeviceToHost) : cudaErrorMemoryAllocation;
    bool clean = e == cudaSuccess && unpack(h, staged, *value);
    free(staged);
    if (e != cudaSuccess) return fail(s, gla_output_names[name], e);
    if (clean) return GLA_CUDA_OK;
    snprintf(s->why, sizeof(gla_host_why), "%s: written between its rows", gla_output_names[name]);
    return GLA_CUDA_LAUNCH;
}

/* ---- running ---- */

static gla_cuda_status one_way(session *s, bool backward) {
    gla_cuda_status status = (backward ? gla_cuda_backward : gla_cuda_forward)(&s->p, &s->call);
    if (status != GLA_CUDA_OK) snprintf(s->why, sizeof(gla_host_why), "%s", s->call.why);
    return status;
}

static gla_cuda_status both_ways(session *s) {
    const unsigned forward = 1u << GLA_O | 1u << GLA_FINAL_STATE;
    gla_cuda_status status = s->how->outputs & forward ? one_way(s, false) : GLA_CUDA_OK;
    if (status == GLA_CUDA_OK && s->how->outputs & ~forward) status = one_way(s, true);
    return status;
}

static gla_cuda_status through_graph(session *s) {
    cudaStream_t stream;
    cudaGraph_t graph = NULL;
    cudaGraphExec_t ready = NULL;
    cudaError_t e = cudaStreamCreate(&stream);
    if (e != cudaSuccess) return fail(s, "stream", e);
    s->call.stream = stream;
    e = cudaStreamBeginCapture(stream, cudaStreamCaptureModeGlobal);
    gla_cuda_status status = e == cudaSuccess ? both_ways(s) : GLA_CUDA_OK;
    if (e == cudaSuccess) e = cudaStreamEndCapture(stream, &graph);
    if (e == cudaSuccess && status == GLA_CUDA_OK) e = cudaGraphInstantiate(&ready, graph, 0);
    for (int i = 0; i < 2 && e == cudaSuccess && ready; i++) e = cudaGraphLaunch(ready, stream);
    if (e == cudaSuccess) e = cudaStreamSynchronize(stream);
    if (ready) cudaGraphExecDestroy(ready);
    if (graph) cudaGraphDestroy(graph);
    cudaStreamDestroy(stream);
    return e == cudaSuccess || status != GLA_CUDA_OK ? status : fail(s, "graph", e);
}

static gla_cuda_status take_workspace(session *s) {
    const unsigned forward = 1u << GLA_O | 1u << GLA_FINAL_STATE;
    size_t most = 0;
    for (int backward = 0; backward < 2; backward++) {
        size_t bytes;
        if (!(s->how->outputs & (backward ? ~forward : forward))) continue;
        gla_cuda_status status = gla_cuda_workspace(&s->p, &s->call, backward, &bytes);
        if (status != GLA_CUDA_OK) {
            snprintf(s->why, sizeof(gla_host_why), "%s", s->call.why);
            return status;
        }
        if (bytes > most) most = bytes;
    }
    cudaError_t e = most ? cudaMalloc(&s->call.workspace, most) : cudaSuccess;
    if (e == cudaSuccess && most) e = cudaMemset(s->call.workspace, 0xff, most);
    s->call.workspace_size = most;
    return e == cudaSuccess ? GLA_CUDA_OK : fail(s, "workspace", e);
}

static gla_cuda_status take_offsets(session *s) {
    if (!s->from->cu_seqlens) return GLA_CUDA_OK;
    size_t bytes = (size_t)(s->from->N + 1) * sizeof(int64_t);
    cudaError_t e = cudaMalloc(&s->cu_seqlens, bytes);
    if (e == cudaSuccess) e = cudaMemcpy(s->cu_seqlens, s->from->cu_seqlens, bytes, cudaMemcpyHostToDevice);
    s->p.cu_seqlens = s->cu_seqlens;
    return e == cudaSuccess ? GLA_CUDA_OK : fail(s, "cu_seqlens", e);
}

static gla_cuda_status run(session *s, double *value[GLA_OUTPUTS]) {
    gla_cuda_status status = take_offsets(s);
    for (int i = 0; i < GLA_INPUTS && status == GLA_CUDA_OK; i++) status = upload(s, (gla_input)i);
    for (int i = 0; i < GLA_OUTPUTS && status == GLA_CUDA_OK; i++) status = make_room(s, (gla_output)i);
    if (status == GLA_CUDA_OK) status = take_workspace(s);
    if (status == GLA_CUDA_OK) status = s->how->graph ? through_graph(s) : both_ways(s);
    if (status != GLA_CUDA_OK) return status;
    cudaError_t e = cudaDeviceSynchronize();
    if (e != cudaSuccess) return fail(s, "kernel", e);
    for (int i = 0; i < GLA_OUTPUTS && status == GLA_CUDA_OK; i++) status = download(s, (gla_output)i, &value[i]);
    return status;
}

static void give_back(session *s) {
    for (int i = 0; i < GLA_INPUTS; i++)
        if (s->inputs[i].x) cudaFree(s->inputs[i].x->data);
    for (int i = 0; i < GLA_OUTPUTS; i++)
        if (s->outputs[i].x) cudaFree(s->outputs[i].x->data);
    cudaFree(s->call.workspace);
    cudaFree(s->cu_seqlens);
}

gla_cuda_status gla_cuda_host_run(const gla_problem *p, const gla_host_run *how, double *value[GLA_OUTPUTS],
                                  gla_host_why why) {
    memset(value, 0, GLA_OUTPUTS * sizeof *value);
    why[0] = 0;
    if (p->gv.at || p->reverse || strcmp(gla_mechanism_of(p)->name, "gla") != 0) {
        snprintf(why, sizeof(gla_host_why), "the GPU's rungs run mechanism gla, without value gates and reversal");
        return GLA_CUDA_UNSUPPORTED;
    }
    if (!gla_cuda_host_device(why)) return GLA_CUDA_NO_DEVICE;
    session s = {.from = p,
                 .how = how,
                 .call = {.rung = how->rung, .grade = how->grade, .segment = how->segment, .parts = how->parts},
                 .why = why};
    s.p = (gla_cuda_problem){
        .B = p->B, .T = p->T, .H = p->H, .dk = p->dk, .dv = p->dv, .N = p->N, .scale = (float)p->scale};
    gla_cuda_status status = run(&s, value);
    give_back(&s);
    for (int i = 0; i < GLA_OUTPUTS && status != GLA_CUDA_OK; i++) {
        free(value[i]);
        value[i] = NULL;
    }
    return status;
}

bool gla_cuda_host_device(gla_host_why why) {
    int count = 0;
    cudaError_t e = cudaGetDeviceCount(&count);
    if (e == cudaSuccess && count > 0) return true;
    snprintf(why, sizeof(gla_host_why), "no GPU that this program's driver knows: %s", cudaGetErrorString(e));
    return false;
}
