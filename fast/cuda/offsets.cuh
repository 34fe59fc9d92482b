/* SPDX-License-Identifier: Apache-2.0
 *
 * Where a sequence lies among its batch's tokens. Offsets of packed sequences are device memory that no host looks at:
 * they count as if cut to 0 .. T, and a sequence that ends before it begins as empty, so that wrong ones give wrong
 * results but no access outside the tensors.
 */
#ifndef GLA_OFFSETS_CUH
#define GLA_OFFSETS_CUH

#include <cuda_runtime.h>

#include "gla_cuda.h"

namespace offsets {

__device__ inline int64_t first_of(const gla_cuda_problem &p, int64_t sequence) {
    return p.cu_seqlens ? min(max(p.cu_seqlens[sequence], (int64_t)0), p.T) : 0;
}

__device__ inline int64_t length_of(const gla_cuda_problem &p, int64_t sequence) {
    return p.cu_seqlens ? max(first_of(p, sequence + 1) - first_of(p, sequence), (int64_t)0) : p.T;
}

} // namespace offsets

#endif
