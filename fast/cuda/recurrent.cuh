/* SPDX-License-Identifier: Apache-2.0
 *
 * The recurrent kernels as gla_cuda.cu calls them: arguments are checked there, nothing here looks at them again.
 *
 *     recurrent.cu          what is launched, and the workspace
 *     recurrent_columns.cu  a thread per column of the state: o, final_state; dv, dinitial_state
 *     recurrent_decode.cu   the same for a few tokens, forward
 *     recurrent_rows.cu     a thread per row: dq; dk, dg
 *     group_sum.cu          the gradient of a tensor that heads share
 *
 * The formulation is reference/gated/recurrent.c with the direct gate gradient, in binary32. An element of the state
 * depends on its own row and column alone:
 *     forward    S = alpha_i S;  S = fma(k_i, v_j, S)            o_j reads down the column, dq_i along the row
 *     backward   R = fma(s q_i, do_j, F);  F = alpha_i R         dv_j reads down the column, dk_i dg_i along the row
 * so a thread takes one element through TILE tokens before it goes on to the next, with TILE results in registers: each
 * result still is one chain of fma in ascending order.
 */
#ifndef GLA_RECURRENT_CUH
#define GLA_RECURRENT_CUH

#include <cuda_runtime.h>

#include "gla_cuda.h"

/* Tokens of a tile; of what recurrent_decode.cu takes, all of the sequences together. */
enum { GLA_RECURRENT_TILE = 16, GLA_RECURRENT_DECODE = 4 };

/* The greatest dk that recurrent_columns.cu has shared memory for; and dv, for the grid's sake. */
enum { GLA_RECURRENT_DK = 256, GLA_RECURRENT_DV = 1 << 20 };

/* Bytes of the backward's workspace; the forward needs none. */
size_t gla_cuda_recurrent_workspace(const gla_cuda_problem *p);

cudaError_t gla_cuda_recurrent_forward(const gla_cuda_problem *p, float scale, cudaStream_t stream);
cudaError_t gla_cuda_recurrent_backward(const gla_cuda_problem *p, float scale, void *workspace, cudaStream_t stream);

/* ---- its parts; the gradients they write have H heads ---- */

/* o and final_state; or, going back, dv and dinitial_state. */
cudaError_t gla_cuda_recurrent_columns(const gla_cuda_problem *p, float scale, bool back, cudaStream_t stream);
cudaError_t gla_cuda_recurrent_decode(const gla_cuda_problem *p, float scale, cudaStream_t stream);

/* States between tokens, for the way back. A segment is `length` tiles. Sequence n of head h has
 *     current                                                            1 state, at n H + h
 *     before its segments: first / (length TILE) + n of the slots of h   slots(h) from h * slots on
 *     before the tiles of the segment in work, the first one's left out  length states, at (n H + h) length
 * each [dv,dk] of binary32: neighbouring threads have neighbouring rows. */
typedef struct gla_recurrent_states {
    int64_t length, slots;
    float *current, *segments, *tiles;
} gla_recurrent_states;

/* dq; and, if dk or dg is wanted, the states before the segments, then dk and dg from them. */
cudaError_t gla_cuda_recurrent_rows(const gla_cuda_problem *p, float scale, const gla_recurrent_states *states,
                                    cudaStream_t stream);

/* to [a,b,heads,D] (states: heads is dimension 1) becomes the sum of `from`, dense with H heads, over each group, in
 * head order from 0. */
cudaError_t gla_cuda_group_sum(const gla_cuda_problem *p, const gla_cuda_tensor *to, const float *from, bool state,
                               int64_t D, cudaStream_t stream);

#endif
