/* SPDX-License-Identifier: Apache-2.0
 *
 * The fused backward: its workspace and its two kernels (fused_backward.cuh), then the sums of shared gradients.
 *
 * Workspace: states and adjoints, each [slots, H, dk, dv] of 16 bits (backward.cuh), unless dinitial_state is all that
 * is wanted; then a binary32 gradient per head for each tensor that heads share (apart.cuh).
 */
#include "fused_backward.cuh"

#include "apart.cuh"
#include "fused.cuh"

namespace fused_backward {

struct layout {
    __nv_bfloat16 *states, *adjoints;
    gla_cuda_apart apart;
    int64_t slots;
    size_t bytes;
};

static bool wants_chunks(const gla_cuda_problem *p) { return p->dq.data || p->dk_.data || p->dv_.data || p->dg.data; }

/* Only sizes without a workspace. */
static layout layout_of(const gla_cuda_problem *p, void *workspace) {
    layout l = {};
    l.slots = stored::slots_of(*p);
    int64_t numbers = (l.slots * p->H * p->dk * p->dv + 1) / 2;
    if (wants_chunks(p)) {
        l.states = (__nv_bfloat16 *)gla_cuda_take(&l.bytes, workspace, numbers);
        l.adjoints = (__nv_bfloat16 *)gla_cuda_take(&l.bytes, workspace, numbers);
    }
    l.apart = gla_cuda_take_apart(p, false, &l.bytes, workspace);
    return l;
}

} // namespace fused_backward

size_t gla_cuda_fused_backward_workspace(const gla_cuda_problem *p) { return fused_backward::layout_of(p, NULL).bytes; }

cudaError_t gla_cuda_fused_backward(const gla_cuda_problem *p, bool precise, float scale, void *workspace,
                                    cudaStream_t stream) {
    fused_backward::layout l = fused_backward::layout_of(p, workspace);
    gla_cuda_problem apart = gla_cuda_problem_apart(p, &l.apart);
    cudaError_t e = gla_cuda_fused_states(&apart, scale, l.states, l.adjoints, l.slots, stream);
    if (e == cudaSuccess && fused_backward::wants_chunks(p))
        e = gla_cuda_fused_gradients(&apart, precise, scale, l.states, l.adjoints, l.slots, stream);
    return e == cudaSuccess ? gla_cuda_sum_apart(p, &l.apart, stream) : e;
}
