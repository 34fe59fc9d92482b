/* SPDX-License-Identifier: Apache-2.0
 *
 * What the kernels of formulations with stored states (reference/gated/paired.c) share: where a chunk's state and
 * adjoint lie between the pass that makes them and the one that reads them.
 *
 *     states [slots, H, dk, dv]     Sh of every chunk, as it enters, rounded to the operands' dtype
 *     adjoints [slots, H, dk, dv]   G of every chunk, the adjoint of what leaves it, rounded likewise
 *
 * Chunk n of sequence s lies in slot first_slot(s) + n. Offsets of packed sequences are known to the device only, so
 * their slots are spaced for the worst case: a sequence of L tokens from offset f on has floor((f+L)/64) - floor(f/64)
 * + 1 slots, at least ceil(L/64).
 */
#ifndef GLA_BACKWARD_CUH
#define GLA_BACKWARD_CUH

#include <stdint.h>

#include "gla_cuda.h"
#include "offsets.cuh"

namespace stored {

enum { CHUNK = 64 };

/* For the host, which sizes the workspace, and the device. */
__host__ __device__ inline int64_t slots_of(const gla_cuda_problem &p) {
    return p.cu_seqlens ? p.T / CHUNK + p.N : p.B * ((p.T + CHUNK - 1) / CHUNK);
}

__device__ inline int64_t first_slot(const gla_cuda_problem &p, int64_t sequence) {
    return p.cu_seqlens ? offsets::first_of(p, sequence) / CHUNK + sequence : sequence * ((p.T + CHUNK - 1) / CHUNK);
}

} // namespace stored

#endif
