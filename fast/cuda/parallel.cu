/* SPDX-License-Identifier: Apache-2.0
 *
 * The parallel rung: what is launched, and where the workspace goes (parallel.cuh).
 *
 * Workspace: G [B,T,H,dk], 8 bytes each. Backward: three binary32 [B,T,H,dk] if dg is wanted, and for each gradient
 * that heads share, one binary32 gradient per head.
 */
#include "parallel.cuh"

#include "apart.cuh"

typedef struct layout {
    gla_parallel_gate *gates;
    gla_cuda_apart apart;
    float *dq_state, *dk_state, *crossing; /* for dg */
    size_t bytes;
} layout;

static layout layout_of(const gla_cuda_problem *p, bool backward, void *workspace) {
    layout l = {};
    int64_t numbers = p->B * p->T * p->H * p->dk;
    if (p->g.data) l.gates = (gla_parallel_gate *)gla_cuda_take(&l.bytes, workspace, 2 * numbers);
    if (!backward) return l;
    l.apart = gla_cuda_take_apart(p, true, &l.bytes, workspace);
    if (!p->dg.data) return l;
    l.dq_state = gla_cuda_take(&l.bytes, workspace, numbers);
    l.dk_state = gla_cuda_take(&l.bytes, workspace, numbers);
    l.crossing = gla_cuda_take(&l.bytes, workspace, numbers);
    return l;
}

size_t gla_cuda_parallel_workspace(const gla_cuda_problem *p, bool backward) {
    return layout_of(p, backward, NULL).bytes;
}

cudaError_t gla_cuda_parallel_forward(const gla_cuda_problem *p, float scale, void *workspace, cudaStream_t stream) {
    layout l = layout_of(p, false, workspace);
    gla_parallel_inputs x = {*p, scale, l.gates};
    cudaError_t e = l.gates ? gla_cuda_parallel_gates(p, l.gates, stream) : cudaSuccess;
    if (e == cudaSuccess && p->o.data) e = gla_cuda_parallel_pairs(&x, GLA_PARALLEL_O, &p->o, NULL, stream);
    if (e == cudaSuccess && p->final_state.data) e = gla_cuda_parallel_states(&x, false, &p->final_state, stream);
    return e;
}

cudaError_t gla_cuda_parallel_backward(const gla_cuda_problem *p, float scale, void *workspace, cudaStream_t stream) {
    layout l = layout_of(p, true, workspace);
    gla_parallel_inputs x = {gla_cuda_problem_apart(p, &l.apart), scale, l.gates};
    cudaError_t e = l.gates ? gla_cuda_parallel_gates(p, l.gates, stream) : cudaSuccess;
    bool gates = p->dg.data;
    if (e == cudaSuccess && (p->dq.data || gates))
        e = gla_cuda_parallel_pairs(&x, GLA_PARALLEL_DQ, &x.p.dq, l.dq_state, stream);
    if (e == cudaSuccess && (p->dk_.data || gates))
        e = gla_cuda_parallel_pairs(&x, GLA_PARALLEL_DK, &x.p.dk_, l.dk_state, stream);
    if (e == cudaSuccess && x.p.dv_.data) e = gla_cuda_parallel_pairs(&x, GLA_PARALLEL_DV, &x.p.dv_, NULL, stream);
    if (e == cudaSuccess && x.p.dinitial_state.data)
        e = gla_cuda_parallel_states(&x, true, &x.p.dinitial_state, stream);
    if (e == cudaSuccess && gates) e = gla_cuda_parallel_crossing_pairs(&x, l.crossing, stream);
    if (e == cudaSuccess && gates) e = gla_cuda_parallel_crossing_states(&x, l.dq_state, l.dk_state, stream);
    return e == cudaSuccess ? gla_cuda_sum_apart(p, &l.apart, stream) : e;
}
