/* SPDX-License-Identifier: Apache-2.0
 *
 * What the parts of the fused kernel (fused_forward.cu) share: sizes, shared memory, which tokens a block has.
 */
#ifndef GLA_FUSED_PARTS_CUH
#define GLA_FUSED_PARTS_CUH

#include "gla_cuda.h"
#include "offsets.cuh"
#include "ptx.cuh"

namespace fused {

using ptx::exponential, ptx::LOG2E;

enum { C = 64, PART = 16, PANEL = C * 128 }; /* PANEL: bytes of 64 columns of a tile */

static const float LIMIT = 76; /* gated/centred.c */

/* What prep tells the state groups about a step. */
struct step {
    int first, rows; /* of the tile; rows 0: the end, f is what is left of the decay */
    int last;        /* of its chunk */
};

/* Everything as the tensor maps see it. */
struct maps {
    CUtensorMap q, k, v, g, o;
};

/* A sequence cut into segments of L tokens (reference/gated/split.c). For every sequence and head, slot p of `states`
 * [count-1, dk, dv] holds first what segment p adds to a zero state, then the state that enters segment p + 1; of
 * `decays` [count-1, dk], the log decay over segment p. */
struct segments {
    int L, count; /* 1: not cut */
    float *states, *decays;
};

/* The tokens, sequence and head of this block. */
struct place {
    int first, length, n, b, h;
    int segment;
    bool last; /* of the sequence's segments */
};

__device__ inline place place_of(const gla_cuda_problem &p, const segments &cut) {
    place at;
    at.n = (int)(blockIdx.x / (uint32_t)p.H);
    at.h = (int)(blockIdx.x % (uint32_t)p.H);
    at.b = p.cu_seqlens ? 0 : at.n;
    at.first = (int)offsets::first_of(p, at.n);
    at.length = (int)offsets::length_of(p, at.n);
    at.segment = blockIdx.z;
    if (cut.count == 1) {
        at.last = true;
        return at;
    }
    at.last = (at.segment + 1) * cut.L >= at.length;
    at.first += at.segment * cut.L;
    at.length = min(cut.L, at.length - at.segment * cut.L);
    return at;
}

__device__ inline float *slot_of(const gla_cuda_problem &p, const segments &cut, const place &at, int segment) {
    return cut.states + ((int64_t)(at.n * p.H + at.h) * (cut.count - 1) + segment) * p.dk * p.dv;
}

__device__ inline int head_of(const gla_cuda_tensor &x, const gla_cuda_problem &p, const place &at) {
    return x.heads == p.H ? at.h : at.h / ((int)p.H / x.heads); /* divisions are slow */
}

/* The row of token t (of the sequence) in a tensor. */
template <typename T>
__device__ inline T *row_of(const gla_cuda_tensor &x, const gla_cuda_problem &p, const place &at, int64_t t) {
    return (T *)x.data + at.b * x.stride[0] + (at.first + t) * x.stride[1] + head_of(x, p, at) * x.stride[2];
}

} // namespace fused

#endif
