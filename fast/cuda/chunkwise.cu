/* SPDX-License-Identifier: Apache-2.0
 *
 * The chunkwise rung: what is launched, and where the passes leave what (chunkwise.cuh).
 *
 * Workspace, in bytes a token and head: Qh and Kh 4 dk, P 128, one state of a chunk dk dv / 32, gates dk / 4; forward
 * with one state, backward with both, of the precise grade with Qh, Kh and P twice; and for each gradient that heads
 * share, one binary32 gradient per head.
 */
#include "chunkwise.cuh"

#include "apart.cuh"
#include "backward.cuh"

namespace chunkwise {

namespace {

struct layout {
    memory m;
    gla_cuda_apart apart;
    size_t bytes;
};

uint16_t *take_words(layout &l, void *workspace, int64_t words) {
    return (uint16_t *)gla_cuda_take(&l.bytes, workspace, (words + 1) / 2);
}

/* dq, dk and dg need both ways of the states. */
bool wants_gradients(const gla_cuda_problem &p) { return p.dq.data || p.dk_.data || p.dg.data; }

layout layout_of(const gla_cuda_problem &p, bool precise, bool backward, void *workspace) {
    layout l = {};
    memory &m = l.m;
    m.slots = stored::slots_of(p);
    m.dk8 = (p.dk + 7) / 8 * 8;
    m.dv8 = (p.dv + 7) / 8 * 8;
    int64_t chunks = m.slots * p.H, state = chunks * p.dk * m.dv8;
    m.Qh = take_words(l, workspace, chunks * stored::CHUNK * m.dk8);
    m.Kh = take_words(l, workspace, chunks * stored::CHUNK * m.dk8);
    if (precise && backward && wants_gradients(p)) {
        m.Ql = take_words(l, workspace, chunks * stored::CHUNK * m.dk8);
        m.Kl = take_words(l, workspace, chunks * stored::CHUNK * m.dk8);
    }
    m.gates = gla_cuda_take(&l.bytes, workspace, chunks * GATES * m.dk8);
    if (backward ? p.dv_.data : p.o.data) m.P = take_words(l, workspace, chunks * stored::CHUNK * stored::CHUNK);
    if (precise && backward && p.dv_.data) m.Pl = take_words(l, workspace, chunks * stored::CHUNK * stored::CHUNK);
    if (backward ? wants_gradients(p) : p.o.data != NULL) m.S = take_words(l, workspace, state);
    if (backward && (wants_gradients(p) || p.dv_.data)) m.G = take_words(l, workspace, state);
    if (backward) l.apart = gla_cuda_take_apart(&p, false, &l.bytes, workspace);
    return l;
}

} // namespace

} // namespace chunkwise

using namespace chunkwise;

size_t gla_cuda_chunkwise_workspace(const gla_cuda_problem *p, bool precise, bool backward) {
    return layout_of(*p, precise, backward, NULL).bytes;
}

cudaError_t gla_cuda_chunkwise_forward(const gla_cuda_problem *p, bool precise, float scale, void *workspace,
                                       cudaStream_t stream) {
    const memory m = layout_of(*p, precise, false, workspace).m;
    cudaError_t e = make_scores(p, m, scale, precise, p->o.data != NULL, stream);
    if (e == cudaSuccess) e = make_states(p, m, FORTH, stream);
    if (e == cudaSuccess && p->o.data) e = make_outputs(p, m, false, stream);
    return e;
}

cudaError_t gla_cuda_chunkwise_backward(const gla_cuda_problem *p, bool precise, float scale, void *workspace,
                                        cudaStream_t stream) {
    const layout l = layout_of(*p, precise, true, workspace);
    const memory &m = l.m;
    gla_cuda_problem q = gla_cuda_problem_apart(p, &l.apart);
    q.final_state.data = NULL; /* the forward's */
    cudaError_t e = make_scores(&q, m, scale, precise, q.dv_.data != NULL, stream);
    if (e == cudaSuccess) e = make_states(&q, m, wants_gradients(q) ? BOTH : BACK, stream);
    if (e == cudaSuccess && q.dv_.data) e = make_outputs(&q, m, true, stream);
    if (e == cudaSuccess && wants_gradients(q)) e = make_gradients(&q, m, scale, stream);
    return e == cudaSuccess ? gla_cuda_sum_apart(p, &l.apart, stream) : e;
}
