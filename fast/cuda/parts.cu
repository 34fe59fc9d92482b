/* SPDX-License-Identifier: Apache-2.0
 *
 * A problem in parts; contract in parts.cuh.
 */
#include "parts.cuh"

#include <numeric>

namespace {

/* A part is rows of the batch times blocks of heads. */
struct cut {
    int64_t rows, blocks; /* into how many each is cut */
    int64_t block;        /* heads that must stay together */
};

enum { TENSORS = 14, OVER_TOKENS = 10 };

/* All tensors of a problem, those over tokens first. */
struct tensors {
    gla_cuda_tensor *at[TENSORS];
};

tensors tensors_of(gla_cuda_problem &p) {
    return {{&p.q, &p.k, &p.v, &p.g, &p.d_o, &p.o, &p.dq, &p.dk_, &p.dv_, &p.dg, &p.initial_state, &p.d_final_state,
             &p.final_state, &p.dinitial_state}};
}

cut cut_of(const gla_cuda_problem &p, int64_t wanted) {
    gla_cuda_problem copy = p;
    cut c = {1, 1, 1};
    for (gla_cuda_tensor *x : tensors_of(copy).at)
        if (x->data) c.block = std::lcm(c.block, p.H / x->heads);
    int64_t rows = p.cu_seqlens ? 1 : p.B, blocks = p.H / c.block;
    if (wanted < 1) wanted = 1;
    c.rows = wanted < rows ? wanted : rows;
    int64_t left = (wanted + c.rows - 1) / c.rows;
    c.blocks = left < blocks ? left : blocks;
    return c;
}

/* x from row and head on, with so many heads of the problem left. */
void move(gla_cuda_tensor *x, const gla_cuda_problem &p, bool state, int64_t row, int64_t head, int64_t heads) {
    if (!x->data) return;
    int64_t shared = p.H / x->heads, size = x->dtype == GLA_CUDA_F32 ? 4 : 2;
    int64_t skipped = (row > 0 ? row * x->stride[0] : 0);
    if (head > 0 && x->heads > 1) skipped += head / shared * x->stride[state ? 1 : 2];
    x->data = (char *)x->data + skipped * size;
    x->heads = (int32_t)(heads / shared);
}

} // namespace

int64_t gla_cuda_parts(const gla_cuda_problem *p, int64_t wanted) {
    cut c = cut_of(*p, wanted);
    return c.rows * c.blocks;
}

gla_cuda_problem gla_cuda_part(const gla_cuda_problem *p, int64_t wanted, int64_t i) {
    cut c = cut_of(*p, wanted);
    int64_t row = i / c.blocks, block = i % c.blocks, blocks = p->H / c.block;
    int64_t rows = p->cu_seqlens ? 1 : p->B, first = row * rows / c.rows, end = (row + 1) * rows / c.rows;
    int64_t head = block * blocks / c.blocks * c.block, heads = (block + 1) * blocks / c.blocks * c.block - head;
    gla_cuda_problem part = *p;
    tensors all = tensors_of(part);
    for (int t = 0; t < TENSORS; t++) move(all.at[t], *p, t >= OVER_TOKENS, first, head, heads);
    part.H = heads;
    part.B = end - first;
    if (!p->cu_seqlens) part.N = part.B;
    return part;
}
