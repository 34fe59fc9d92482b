/* SPDX-License-Identifier: Apache-2.0
 *
 * The recurrent rung: what is launched, and where the backward's workspace goes (recurrent.cuh).
 *
 * Workspace: states for the way back, about 2 sqrt(N B T / TILE) + 2 N per head, dk dv numbers each; and for each
 * gradient that heads share, one binary32 gradient per head.
 */
#include "recurrent.cuh"

#include <math.h>

/* The gradients that heads may share. */
enum { DQ, DK, DV, DG, DINITIAL_STATE, GRADIENTS };

typedef struct layout {
    gla_recurrent_states states;
    float *apart[GRADIENTS]; /* NULL: not shared */
    size_t bytes;
} layout;

static gla_cuda_tensor *gradient_of(gla_cuda_problem *p, int which) {
    gla_cuda_tensor *all[GRADIENTS] = {&p->dq, &p->dk_, &p->dv_, &p->dg, &p->dinitial_state};
    return all[which];
}

static int64_t rows_of(const gla_cuda_problem *p, int which) {
    return which == DINITIAL_STATE ? p->N * p->dk : p->B * p->T;
}
static int64_t columns_of(const gla_cuda_problem *p, int which) {
    return which == DV || which == DINITIAL_STATE ? p->dv : p->dk;
}

/* The next `numbers` of a workspace, aligned to 256 bytes; only counted if there is none yet. */
static float *take(layout *l, char *workspace, int64_t numbers) {
    float *at = workspace ? (float *)(workspace + l->bytes) : NULL;
    l->bytes += ((size_t)numbers * sizeof(float) + 255) / 256 * 256;
    return at;
}

static layout layout_of(const gla_cuda_problem *p, char *workspace) {
    layout l = {};
    gla_cuda_problem q = *p;
    int64_t size = p->dk * p->dv, tiles = p->B * p->T / GLA_RECURRENT_TILE;
    l.states.length = (int64_t)ceil(sqrt((double)tiles / (double)p->N));
    if (l.states.length < 1) l.states.length = 1;
    l.states.slots = tiles / l.states.length + p->N + 1;
    if (p->dq.data || p->dk_.data || p->dg.data) l.states.current = take(&l, workspace, p->N * p->H * size);
    if (p->dk_.data || p->dg.data) {
        l.states.segments = take(&l, workspace, p->H * l.states.slots * size);
        l.states.tiles = take(&l, workspace, p->N * p->H * l.states.length * size);
    }
    for (int i = 0; i < GRADIENTS; i++)
        if (gradient_of(&q, i)->data && gradient_of(&q, i)->heads < p->H)
            l.apart[i] = take(&l, workspace, rows_of(p, i) * p->H * columns_of(p, i));
    return l;
}

/* Dense binary32 with H heads, in the workspace. */
static gla_cuda_tensor tensor_apart(const gla_cuda_problem *p, int which, float *at) {
    int64_t D = columns_of(p, which);
    gla_cuda_tensor x = {at, GLA_CUDA_F32, (int32_t)p->H, {p->T * p->H * D, p->H * D, D}};
    if (which == DINITIAL_STATE) {
        x.stride[0] = p->H * p->dk * D;
        x.stride[1] = p->dk * D;
    }
    return x;
}

size_t gla_cuda_recurrent_workspace(const gla_cuda_problem *p) { return layout_of(p, NULL).bytes; }

cudaError_t gla_cuda_recurrent_forward(const gla_cuda_problem *p, float scale, cudaStream_t stream) {
    return gla_cuda_recurrent_columns(p, scale, false, stream);
}

cudaError_t gla_cuda_recurrent_backward(const gla_cuda_problem *p, float scale, void *workspace, cudaStream_t stream) {
    layout l = layout_of(p, (char *)workspace);
    gla_cuda_problem q = *p;
    for (int i = 0; i < GRADIENTS; i++)
        if (l.apart[i]) *gradient_of(&q, i) = tensor_apart(p, i, l.apart[i]);
    cudaError_t e = gla_cuda_recurrent_rows(&q, scale, &l.states, stream);
    if (e == cudaSuccess && (q.dv_.data || q.dinitial_state.data))
        e = gla_cuda_recurrent_columns(&q, scale, true, stream);
    q = *p;
    for (int i = 0; i < GRADIENTS && e == cudaSuccess; i++)
        if (l.apart[i])
            e = gla_cuda_group_sum(p, gradient_of(&q, i), l.apart[i], i == DINITIAL_STATE, columns_of(p, i), stream);
    return e;
}
