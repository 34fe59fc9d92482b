/* SPDX-License-Identifier: Apache-2.0
 *
 * The two kernels of the fused backward (reference/gated/paired.c) as fused_backward.cu launches them, one after the
 * other on a stream. Arguments are checked elsewhere.
 *
 *     fused_states.cu      k v g initial_state -> states, q g d_o d_final_state -> adjoints, dinitial_state: serial in
 *                          time, every head and piece of its state side by side
 *     fused_gradients.cu   q k v g d_o states adjoints -> dq dk dv dg: every chunk by itself
 *
 * Here every gradient has H heads, or its data is NULL: not wanted. dq dk dv have q's dtype or, where heads share the
 * tensor, are F32 (their sum over the group follows, fused_backward.cu); dg has either dtype, dinitial_state is F32.
 * d_o, g and the states may be absent.
 */
#ifndef GLA_FUSED_BACKWARD_CUH
#define GLA_FUSED_BACKWARD_CUH

#include <cuda_bf16.h>
#include <cuda_runtime.h>

#include "backward.cuh"

/* states, adjoints: [slots, H, dk, dv], dense, as in backward.cuh; both NULL: dinitial_state alone. */
cudaError_t gla_cuda_fused_states(const gla_cuda_problem *p, float scale, __nv_bfloat16 *states,
                                  __nv_bfloat16 *adjoints, int64_t slots, cudaStream_t stream);

/* precise: Qm, Kh, P and dP as operands of two parts (reference/gated/operand.h), dk up to GLA_FUSED_PRECISE_DK. */
cudaError_t gla_cuda_fused_gradients(const gla_cuda_problem *p, bool precise, float scale, const __nv_bfloat16 *states,
                                     const __nv_bfloat16 *adjoints, int64_t slots, cudaStream_t stream);

#endif
