/* SPDX-License-Identifier: Apache-2.0
 *
 * A problem in parts, worked through one after the other so that they can share a smaller workspace: first rows of the
 * batch, then heads. Outputs depend on their own sequence and head alone, so the bits are those of the whole.
 */
#ifndef GLA_PARTS_CUH
#define GLA_PARTS_CUH

#include "gla_cuda.h"

/* How many parts there are when `wanted` are asked for: packed sequences stay together, and so do heads that share a
 * tensor's head. */
int64_t gla_cuda_parts(const gla_cuda_problem *p, int64_t wanted);

/* Part i of gla_cuda_parts(p, wanted), a problem of its own over the same memory. */
gla_cuda_problem gla_cuda_part(const gla_cuda_problem *p, int64_t wanted, int64_t i);

#endif
