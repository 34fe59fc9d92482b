/* SPDX-License-Identifier: Apache-2.0
 *
 * The chunkwise rung: GLA by chunks of 64 tokens, matrix products by mma.sync, states through memory (sm_80 and up).
 *
 * The formulation is reference/gated/paired.c. Per chunk, with local sums of gates Gamma and r = Gamma_last / 2,
 *     Qh = sq e^(Gamma-r)   Kh = k e^(r-Gamma)   P = lower(Qh Kh^T)
 *     S  = e^(leave+enter) A        O = Qh S + P V        A = mid S + Kh^T V              chunk after chunk
 *     G  = e^(leave+enter) dS      dV = Kh G + P^T dO    dS = mid G + Qh^T dO              and back
 *     dP = lower(dO V^T)    dQ = (dO S^T + dP Kh) e^(Gamma-r) s    dK = (V G^T + dP^T Qh) e^(r-Gamma)
 *     dg = row(G A) + suffix sums of Qh dQh - Kh dKh
 * Of the precise grade P and dP, and Qh and Kh where they meet those or each other, are operands of two parts: what
 * rounding has lost follows it into the products (reference/gated/operand.h).
 * A channel whose sums leave LIMIT is strong: its operands carry e^Gamma and the decay to the chunk's end, its scores
 * and what hangs on them are made pair by pair (chunkwise_pairs.cuh), for it alone.
 *
 *     chunkwise.cu            what is launched, and the workspace
 *     chunkwise_scores.cu     q k g -> Qh Kh P, and the gates of every chunk: chunks side by side
 *     chunkwise_states.cu     Kh v -> S, Qh dO -> G: the serial part; final_state, dinitial_state
 *     chunkwise_outputs.cu    o; dv: chunks side by side
 *     chunkwise_gradients.cu  dq dk dg: chunks side by side
 *
 * Everything is cut into tiles of 64 x 64 (tiles.cuh), a block makes one tile of the result. Rows past the end of a
 * sequence and columns past dk or dv are zeros in shared memory; a product that adds zeros changes no accumulator.
 */
#ifndef GLA_CHUNKWISE_CUH
#define GLA_CHUNKWISE_CUH

#include <cuda_runtime.h>

#include "gla_cuda.h"

/* dk: flags in shared memory; dv, for the grid's sake: tiles of both sides are its second dimension. */
enum { GLA_CHUNKWISE_DK = 256, GLA_CHUNKWISE_DV = 1 << 16 };

size_t gla_cuda_chunkwise_workspace(const gla_cuda_problem *p, bool precise, bool backward);
cudaError_t gla_cuda_chunkwise_forward(const gla_cuda_problem *p, bool precise, float scale, void *workspace,
                                       cudaStream_t stream);
cudaError_t gla_cuda_chunkwise_backward(const gla_cuda_problem *p, bool precise, float scale, void *workspace,
                                        cudaStream_t stream);

/* ---- its parts; the gradients they write have H heads ---- */

namespace chunkwise {

/* What the passes leave for each other. Chunk n of sequence s lies in slot first_slot(s) + n (backward.cuh); numbers of
 * 16 bits are of q's dtype. dk8, dv8: dk and dv rounded up to multiples of 8. */
struct memory {
    uint16_t *Qh, *Kh; /* [slots,H,64,dk8] */
    uint16_t *P;       /* [slots,H,64,64] */
    uint16_t *Ql, *Kl; /* what they lose by rounding: for the precise backward, else NULL */
    uint16_t *Pl;      /* likewise */
    float *gates;      /* [slots,H,GATES,dk8] */
    uint16_t *S, *G;   /* [slots,H,dk,dv8] as they enter a chunk, from before and from behind */
    int64_t slots, dk8, dv8;
};

enum { ENTER, LEAVE, MID, STRONG, GATES };

/* Which of the two states are made. */
enum passes { FORTH, BACK, BOTH };

/* P is left out unless `scores`. */
cudaError_t make_scores(const gla_cuda_problem *p, const memory &m, float scale, bool precise, bool scores,
                        cudaStream_t stream);
/* Writes p's final_state, dinitial_state where they have data. */
cudaError_t make_states(const gla_cuda_problem *p, const memory &m, passes which, cudaStream_t stream);
/* o, or, back, dv. */
cudaError_t make_outputs(const gla_cuda_problem *p, const memory &m, bool back, cudaStream_t stream);
cudaError_t make_gradients(const gla_cuda_problem *p, const memory &m, float scale, cudaStream_t stream);

} // namespace chunkwise

#endif
