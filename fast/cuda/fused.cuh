/* SPDX-License-Identifier: Apache-2.0
 *
 * The fused kernels as gla_cuda.cu calls them: arguments are checked there, nothing here looks at them again.
 */
#ifndef GLA_FUSED_CUH
#define GLA_FUSED_CUH

#include <cuda_runtime.h>

#include "gla_cuda.h"

/* For the grid's sake: columns of states and segments are its second and third dimension. */
enum { GLA_FUSED_DV = 1 << 15, GLA_FUSED_SEGMENTS = 65535 };

/* fused_forward.cu: dk <= 256, bf16. segment: tokens of a segment, a multiple of 64; 0: sequences are not cut. The
 * workspace, aligned to 256, is needed when they are. */
size_t gla_cuda_fused_workspace(const gla_cuda_problem *p, int64_t segment);
cudaError_t gla_cuda_fused_forward(const gla_cuda_problem *p, bool precise, float scale, int64_t segment,
                                   void *workspace, cudaStream_t stream);

/* fused_backward.cu: dk <= 256, of the precise grade GLA_FUSED_PRECISE_DK; bf16; every gradient that is wanted. */
enum { GLA_FUSED_PRECISE_DK = 128 };
size_t gla_cuda_fused_backward_workspace(const gla_cuda_problem *p);
cudaError_t gla_cuda_fused_backward(const gla_cuda_problem *p, bool precise, float scale, void *workspace,
                                    cudaStream_t stream);

#endif
