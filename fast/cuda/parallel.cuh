/* SPDX-License-Identifier: Apache-2.0
 *
 * The parallel kernels as gla_cuda.cu calls them: arguments are checked there, nothing here looks at them again.
 *
 *     parallel.cu            what is launched, and the workspace
 *     parallel_gates.cu      G, the cumulative log gates; dg, what crosses by the states
 *     parallel_pairs.cu      all pairs of tokens: o dq dk dv
 *     parallel_crossing.cu   dg, what pairs carry across
 *     parallel_states.cu     final_state, dinitial_state
 *
 * The formulation is reference/gated/parallel.c (parallel+straddle) in binary32, every sum a chain of fma in its order:
 *     P_ti = sum_c s q_tc k_ic e^(G_tc-G_ic)      dP_ti = sum_x do_tx v_ix                 i <= t
 *     o_t  = sum_i P_ti v_i + S_0^T (e^G_t*s q_t)
 *     dv_i = sum_t P_ti do_t + dS_fin^T (e^(G_T-G_i)*k_i)
 *     dq_t = s [sum_i dP_ti k_i*e^(G_t-G_i) + e^G_t*(S_0 do_t)]
 *     dk_i = sum_t dP_ti s q_t*e^(G_t-G_i) + e^(G_T-G_i)*(dS_fin v_i)
 *     S_T  = e^G_T*S_0 + sum_t (e^(G_T-G_t)*k_t) v_t^T
 *     dS_0 = e^G_T*dS_fin + sum_t (e^G_t*s q_t) do_t^T
 *     dg_r = sum_{j>=r} sum_{i<r} dP_ji k_i*e^(G_j-G_i)*s q_j, and what crosses from r-1 to r by way of the states
 * T^2 work and no T x T memory: a block makes the weights of 32 x 32 pairs, uses them and forgets them.
 * Hazard: G counts from the first token, so a weight's relative error is about 2^-24 |G_t|.
 */
#ifndef GLA_PARALLEL_CUH
#define GLA_PARALLEL_CUH

#include <cuda_runtime.h>

#include "gla_cuda.h"

/* dg takes T / 16 launches; slabs of channels are a grid's third dimension. */
enum { GLA_PARALLEL_T = 1 << 16, GLA_PARALLEL_D = 1 << 20 };

size_t gla_cuda_parallel_workspace(const gla_cuda_problem *p, bool backward);
cudaError_t gla_cuda_parallel_forward(const gla_cuda_problem *p, float scale, void *workspace, cudaStream_t stream);
cudaError_t gla_cuda_parallel_backward(const gla_cuda_problem *p, float scale, void *workspace, cudaStream_t stream);

/* ---- its parts; every output has H heads ---- */

/* G, and how many resets (g = -inf) it has seen: across one a decay is exactly 0. */
typedef struct gla_parallel_gate {
    float sum;
    int32_t epoch;
} gla_parallel_gate;

/* What the parts read: gates [B,T,H,dk], NULL without g. */
typedef struct gla_parallel_inputs {
    gla_cuda_problem p;
    float scale;
    const gla_parallel_gate *gates;
} gla_parallel_inputs;

cudaError_t gla_cuda_parallel_gates(const gla_cuda_problem *p, gla_parallel_gate *gates, cudaStream_t stream);

typedef enum gla_parallel_output {
    GLA_PARALLEL_O,
    GLA_PARALLEL_DQ,
    GLA_PARALLEL_DK,
    GLA_PARALLEL_DV
} gla_parallel_output;

/* To `to`, if it has data; and of dq or dk what comes through the state to inter [B,T,H,dk], unless it is NULL. */
cudaError_t gla_cuda_parallel_pairs(const gla_parallel_inputs *x, gla_parallel_output which, const gla_cuda_tensor *to,
                                    float *inter, cudaStream_t stream);

/* final_state, or, going back, dinitial_state. */
cudaError_t gla_cuda_parallel_states(const gla_parallel_inputs *x, bool back, const gla_cuda_tensor *to,
                                     cudaStream_t stream);

/* dg, in two steps: what pairs carry across, by way of room [B,T,H,dk], then what the states do, from dq and dk as they
 * come through those. */
cudaError_t gla_cuda_parallel_crossing_pairs(const gla_parallel_inputs *x, float *room, cudaStream_t stream);
cudaError_t gla_cuda_parallel_crossing_states(const gla_parallel_inputs *x, const float *dq_state,
                                              const float *dk_state, cudaStream_t stream);

#endif
