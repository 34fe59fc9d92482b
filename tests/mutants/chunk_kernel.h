/* SPDX-License-Identifier: Apache-2.0
 *
 * A test double of a GPU kernel: chunkwise GLA, forward and backward, in float, right or with one fault.
 *
 *     chunks of 64, sub-chunks of 16 with anchors, chunk states kept, dg and dgv by suffix sums inside a chunk;
 * operands of matrix products rounded as the profile of the dtype declares: bf16  chunk-bf16    operands, states,
 * scores to bf16 f16   chunk-f16     states, scores and decayed operands to f16, operands of the scores cut to tf32 f32
 * f32-chunk     nothing rounded but to float o dq dk dv are stored in the dtype, states, their gradients and dg in
 * float.
 *
 * Equations: reference/gated/chunkwise.c. The code shares nothing with it but the reading of a problem
 * (reference/slice.h), so that the right kernel is also a second implementation.
 * Limits: dk, dv <= 64.
 */
#ifndef GLASSBOX_CHUNK_KERNEL_H
#define GLASSBOX_CHUNK_KERNEL_H

#include "../../reference/glassbox.h"
#include "../../reference/number/format.h"
#include "mutants.h"

/* The profile that the kernel of this dtype declares. */
const char *chunk_kernel_profile(const gla_format *dtype);

/* The dtype that an output is stored in. */
const gla_format *chunk_kernel_stored(const gla_format *dtype, gla_output name);

/* Runs the kernel. output[i] is dense in gla_output_shape and the caller's; those that are NULL are not wanted. The
 * backward runs if p has d_o or d_final_state. Errors: GLA_UNSUPPORTED (limits), GLA_NO_MEMORY. */
gla_status chunk_kernel(const gla_problem *p, const gla_format *dtype, mutant fault, double *output[GLA_OUTPUTS]);

#endif
