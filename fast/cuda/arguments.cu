/* SPDX-License-Identifier: Apache-2.0
 *
 * Every argument is looked at here, on the host, before anything is launched.
 */
#include "arguments.cuh"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

gla_cuda_status gla_cuda_refuse(gla_cuda_call *call, gla_cuda_status status, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(call->why, sizeof call->why, format, arguments);
    va_end(arguments);
    return status;
}

gla_cuda_status gla_cuda_check_shape(const gla_cuda_problem *p, gla_cuda_call *call) {
    if (p->B < 1 || p->T < 1 || p->H < 1 || p->dk < 1 || p->dv < 1 || p->N < 1)
        return gla_cuda_refuse(call, GLA_CUDA_BAD_ARGUMENT,
                               "B T H dk dv N must be at least 1; leave out empty batches");
    if (p->cu_seqlens ? p->B != 1 : p->N != p->B)
        return gla_cuda_refuse(call, GLA_CUDA_BAD_ARGUMENT, "%s",
                               p->cu_seqlens ? "cu_seqlens needs B = 1; put the sequences one behind the other"
                                             : "N must be B without cu_seqlens");
    if ((uintptr_t)p->cu_seqlens % 8)
        return gla_cuda_refuse(call, GLA_CUDA_BAD_ARGUMENT, "cu_seqlens is not aligned to 8 bytes: it is int64");
    const int64_t most = 1 << 30; /* kernels count tokens and columns in 32 bits, and blocks of a grid */
    if (p->T > most || p->dk > most || p->dv > most)
        return gla_cuda_refuse(call, GLA_CUDA_UNSUPPORTED, "T, dk and dv must be at most 2^30");
    if (p->B > most || p->N > most || (p->B * (p->T / 64 + 1) + p->N) > (most >> 2) / p->H)
        return gla_cuda_refuse(call, GLA_CUDA_UNSUPPORTED,
                               "too many sequences and heads: chunks of 64 tokens, times H, must be below 2^28; split "
                               "the batch");
    if (!isfinite(p->scale))
        return gla_cuda_refuse(call, GLA_CUDA_BAD_ARGUMENT, "scale is not finite; 0 asks for dk^(-1/2)");
    return GLA_CUDA_OK;
}

/* ---- tensors ---- */

enum width { ALIKE, WIDE, EITHER }; /* q's dtype, F32, one of the two */

/* A tensor and what is asked of it. */
struct asked {
    const char *name;
    const gla_cuda_tensor *x;
    width dtype;
    int64_t shape[4]; /* shape[1] or, over tokens, shape[2] is x->heads */
    int32_t heads;    /* it must have; 0: any that divide H */
    bool written;
};

static asked over_tokens(const char *name, const gla_cuda_problem *p, const gla_cuda_tensor *x, width dtype,
                         int64_t D) {
    return {name, x, dtype, {p->B, p->T, x->heads, D}, 0, false};
}

static asked over_states(const char *name, const gla_cuda_problem *p, const gla_cuda_tensor *x) {
    return {name, x, WIDE, {p->N, x->heads, p->dk, p->dv}, 0, false};
}

static asked written(asked a, int64_t heads) {
    a.heads = (int32_t)heads;
    a.written = true;
    return a;
}

static int64_t size_of(gla_cuda_dtype dtype) { return dtype == GLA_CUDA_F32 ? 4 : 2; }

static gla_cuda_status check_dtype(const gla_cuda_problem *p, gla_cuda_call *call, const asked &a) {
    static const char *const wants[] = {"q's dtype", "F32", "F32 or q's dtype"};
    bool wide = a.x->dtype == GLA_CUDA_F32, alike = a.x->dtype == p->q.dtype;
    if ((alike && a.dtype != WIDE) || (wide && a.dtype != ALIKE)) return GLA_CUDA_OK;
    return gla_cuda_refuse(call, GLA_CUDA_UNSUPPORTED, "%s has a dtype of its own; it must be %s", a.name,
                           wants[a.dtype]);
}

static gla_cuda_status check_heads(const gla_cuda_problem *p, gla_cuda_call *call, const asked &a) {
    if (a.x->heads < 1 || p->H % a.x->heads)
        return gla_cuda_refuse(call, GLA_CUDA_BAD_ARGUMENT, "%s: %d heads do not divide H = %lld", a.name, a.x->heads,
                               (long long)p->H);
    if (a.heads && a.x->heads != a.heads)
        return gla_cuda_refuse(call, GLA_CUDA_BAD_ARGUMENT, "%s has %d heads; it must have %d, as many as %s", a.name,
                               a.x->heads, a.heads, a.heads == p->H ? "H" : "its tensor");
    return GLA_CUDA_OK;
}

/* A dimension of size 1 has a stride that nobody uses. */
static gla_cuda_status check_strides(gla_cuda_call *call, const asked &a) {
    if ((uintptr_t)a.x->data % 16)
        return gla_cuda_refuse(call, GLA_CUDA_BAD_ARGUMENT, "%s is not aligned to 16 bytes", a.name);
    for (int i = 0; i < 3; i++) {
        int64_t stride = a.x->stride[i];
        if (a.shape[i] == 1) continue;
        if (stride < 0 || stride % (16 / size_of(a.x->dtype)))
            return gla_cuda_refuse(call, GLA_CUDA_UNSUPPORTED,
                                   "%s: stride[%d] = %lld is not a multiple of 16 bytes; pad the rows", a.name, i,
                                   (long long)stride);
        if (a.written && stride < a.shape[3])
            return gla_cuda_refuse(call, GLA_CUDA_BAD_ARGUMENT, "%s: stride[%d] = %lld: its rows overlap", a.name, i,
                                   (long long)stride);
    }
    return GLA_CUDA_OK;
}

/* A state may be carried on in its place: every element is read before it is written, by the same thread. */
static bool in_place(const gla_cuda_problem *p, const gla_cuda_call *call, const asked &a, const asked &b) {
    const gla_cuda_tensor *from = &p->initial_state, *to = &p->final_state;
    if (a.x != to || b.x != from || call->segment) return false;
    return from->heads == to->heads && memcmp(from->stride, to->stride, sizeof to->stride) == 0;
}

/* Of tensors that overlap, those that begin at one place are seen here; the others are the caller's care. */
static gla_cuda_status check_places(const gla_cuda_problem *p, gla_cuda_call *call, const asked *all, size_t count) {
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < count && all[i].written && all[i].x->data; j++)
            if (i != j && all[i].x->data == all[j].x->data && !in_place(p, call, all[i], all[j]))
                return gla_cuda_refuse(call, GLA_CUDA_BAD_ARGUMENT, "%s and %s lie at one place", all[i].name,
                                       all[j].name);
    return GLA_CUDA_OK;
}

static gla_cuda_status check_all(const gla_cuda_problem *p, gla_cuda_call *call, const asked *all, size_t count) {
    gla_cuda_status status = GLA_CUDA_OK;
    bool any = false;
    for (size_t i = 0; i < count && status == GLA_CUDA_OK; i++) {
        if (!all[i].x->data) continue;
        any = any || all[i].written;
        status = check_dtype(p, call, all[i]);
        if (status == GLA_CUDA_OK) status = check_heads(p, call, all[i]);
        if (status == GLA_CUDA_OK) status = check_strides(call, all[i]);
    }
    if (status == GLA_CUDA_OK && !any)
        return gla_cuda_refuse(call, GLA_CUDA_BAD_ARGUMENT, "no output is wanted: all their data are NULL");
    return status == GLA_CUDA_OK ? check_places(p, call, all, count) : status;
}

static gla_cuda_status check_inputs(const gla_cuda_problem *p, gla_cuda_call *call) {
    if ((unsigned)p->q.dtype > GLA_CUDA_BF16)
        return gla_cuda_refuse(call, GLA_CUDA_UNSUPPORTED, "q: no dtype %d", (int)p->q.dtype);
    const char *missing = !p->q.data ? "q" : !p->k.data ? "k" : !p->v.data ? "v" : NULL;
    return missing ? gla_cuda_refuse(call, GLA_CUDA_BAD_ARGUMENT, "%s is missing", missing) : GLA_CUDA_OK;
}

static gla_cuda_status check_forward(const gla_cuda_problem *p, gla_cuda_call *call) {
    const asked all[] = {over_tokens("q", p, &p->q, ALIKE, p->dk),
                         over_tokens("k", p, &p->k, ALIKE, p->dk),
                         over_tokens("v", p, &p->v, ALIKE, p->dv),
                         over_tokens("g", p, &p->g, EITHER, p->dk),
                         over_states("initial_state", p, &p->initial_state),
                         written(over_tokens("o", p, &p->o, ALIKE, p->dv), p->H),
                         written(over_states("final_state", p, &p->final_state), p->H)};
    return check_all(p, call, all, sizeof all / sizeof *all);
}

static gla_cuda_status check_backward(const gla_cuda_problem *p, gla_cuda_call *call) {
    const asked all[] = {over_tokens("q", p, &p->q, ALIKE, p->dk),
                         over_tokens("k", p, &p->k, ALIKE, p->dk),
                         over_tokens("v", p, &p->v, ALIKE, p->dv),
                         over_tokens("g", p, &p->g, EITHER, p->dk),
                         over_states("initial_state", p, &p->initial_state),
                         over_tokens("d_o", p, &p->d_o, ALIKE, p->dv),
                         over_states("d_final_state", p, &p->d_final_state),
                         written(over_tokens("dq", p, &p->dq, ALIKE, p->dk), p->q.heads),
                         written(over_tokens("dk", p, &p->dk_, ALIKE, p->dk), p->k.heads),
                         written(over_tokens("dv", p, &p->dv_, ALIKE, p->dv), p->v.heads),
                         written(over_tokens("dg", p, &p->dg, EITHER, p->dk), p->g.heads),
                         written(over_states("dinitial_state", p, &p->dinitial_state),
                                 p->initial_state.data ? p->initial_state.heads : p->H)};
    if (p->dg.data && !p->g.data)
        return gla_cuda_refuse(call, GLA_CUDA_BAD_ARGUMENT, "dg is wanted of a problem without g; set dg.data to NULL");
    return check_all(p, call, all, sizeof all / sizeof *all);
}

gla_cuda_status gla_cuda_check(const gla_cuda_problem *p, gla_cuda_call *call, bool backward) {
    gla_cuda_status status = gla_cuda_check_shape(p, call);
    if (status == GLA_CUDA_OK) status = check_inputs(p, call);
    if (status != GLA_CUDA_OK) return status;
    return backward ? check_backward(p, call) : check_forward(p, call);
}
