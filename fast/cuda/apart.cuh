/* SPDX-License-Identifier: Apache-2.0
 *
 * Gradients of tensors that heads share, and dg in 16 bits where a rung adds to what it has written of it. A kernel
 * writes a gradient per head, in binary32, into the workspace; the sum over each group, in head order, follows
 * (group_sum.cu) and is rounded once.
 */
#ifndef GLA_APART_CUH
#define GLA_APART_CUH

#include <cuda_runtime.h>

#include "gla_cuda.h"

/* In the order of gla_cuda_problem. */
enum gla_cuda_gradient {
    GLA_CUDA_DQ,
    GLA_CUDA_DK,
    GLA_CUDA_DV,
    GLA_CUDA_DG,
    GLA_CUDA_DINITIAL_STATE,
    GLA_CUDA_GRADIENTS
};

/* Where each gradient per head lies; NULL: it is made in its place, or nobody wants it. */
typedef struct gla_cuda_apart {
    float *at[GLA_CUDA_GRADIENTS];
} gla_cuda_apart;

/* The next `numbers` of a workspace of which *bytes are taken, aligned to 256 bytes; only counted if workspace is NULL.
 */
float *gla_cuda_take(size_t *bytes, void *workspace, int64_t numbers);

/* Takes room for all that is wanted and cannot be made in its place. wide_dg: the rung makes dg in binary32 alone. */
gla_cuda_apart gla_cuda_take_apart(const gla_cuda_problem *p, bool wide_dg, size_t *bytes, void *workspace);

/* A dense binary32 gradient with H heads. */
gla_cuda_tensor gla_cuda_tensor_apart(const gla_cuda_problem *p, int gradient, float *at);

/* The problem with these gradients redirected: what a kernel is given. */
gla_cuda_problem gla_cuda_problem_apart(const gla_cuda_problem *p, const gla_cuda_apart *apart);

/* The sums, behind the kernels. */
cudaError_t gla_cuda_sum_apart(const gla_cuda_problem *p, const gla_cuda_apart *apart, cudaStream_t stream);

#endif
