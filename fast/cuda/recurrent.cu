/* SPDX-License-Identifier: Apache-2.0
 *
 * The recurrent rung: what is launched, and where the backward's workspace goes (recurrent.cuh).
 *
 * Workspace: states for the way back, about 2 sqrt(N B T / TILE) + 2 N per head, dk dv numbers each; and for each
 * gradient that heads share, one binary32 gradient per head.
 */
#include "recurrent.cuh"

#include <math.h>

#include "apart.cuh"

typedef struct layout {
    gla_recurrent_states states;
    gla_cuda_apart apart;
    size_t bytes;
} layout;

static layout layout_of(const gla_cuda_problem *p, void *workspace) {
    layout l = {};
    int64_t size = p->dk * p->dv, tiles = p->B * p->T / GLA_RECURRENT_TILE;
    l.states.length = (int64_t)ceil(sqrt((double)tiles / (double)p->N));
    if (l.states.length < 1) l.states.length = 1;
    l.states.slots = tiles / l.states.length + p->N + 1;
    if (p->dq.data || p->dk_.data || p->dg.data)
        l.states.current = gla_cuda_take(&l.bytes, workspace, p->N * p->H * size);
    if (p->dk_.data || p->dg.data) {
        l.states.segments = gla_cuda_take(&l.bytes, workspace, p->H * l.states.slots * size);
        l.states.tiles = gla_cuda_take(&l.bytes, workspace, p->N * p->H * l.states.length * size);
    }
    l.apart = gla_cuda_take_apart(p, false, &l.bytes, workspace);
    return l;
}

size_t gla_cuda_recurrent_workspace(const gla_cuda_problem *p) { return layout_of(p, NULL).bytes; }

cudaError_t gla_cuda_recurrent_forward(const gla_cuda_problem *p, float scale, cudaStream_t stream) {
    return p->T <= GLA_RECURRENT_DECODE ? gla_cuda_recurrent_decode(p, scale, stream)
                                        : gla_cuda_recurrent_columns(p, scale, false, stream);
}

cudaError_t gla_cuda_recurrent_backward(const gla_cuda_problem *p, float scale, void *workspace, cudaStream_t stream) {
    layout l = layout_of(p, workspace);
    gla_cuda_problem q = gla_cuda_problem_apart(p, &l.apart);
    cudaError_t e = gla_cuda_recurrent_rows(&q, scale, &l.states, stream);
    if (e == cudaSuccess && (q.dv_.data || q.dinitial_state.data))
        e = gla_cuda_recurrent_columns(&q, scale, true, stream);
    return e == cudaSuccess ? gla_cuda_sum_apart(p, &l.apart, stream) : e;
}
