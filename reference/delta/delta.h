/* SPDX-License-Identifier: Apache-2.0
 *
 * The delta core: one sequence of one head of (spec 9-11)
 *     Z_t = diag(e^g_t) S_{t-1} ;  u_t = beta_t (v_t - Z_t^T k_t) ;  S_t = Z_t + k_t u_t^T ;  o_t = s S_t^T q_t
 *         so S_t = (I - beta_t k_t k_t^T) diag(e^g_t) S_{t-1} + beta_t k_t v_t^T
 * Decay first, then the prediction's error against the decayed state, then read. With a gate per channel it is Kimi
 * Delta Attention, with a gate per head Gated DeltaNet, without a gate DeltaNet. u_t are the pseudo-values: given them
 * it is the gated core with v = u (L7), and within a chunk they solve a unit lower triangular system.
 *
 * Stable where 0 <= beta |k|^2 <= 2: I - beta k k^T then expands nothing. Beyond it, identical keys make the numbers
 * grow like |1 - beta |k|^2|^t.
 */
#ifndef GLASSBOX_DELTA_H
#define GLASSBOX_DELTA_H

#include "../glassbox.h"
#include "../gate_sums.h"

/* All matrices in one number system. Inputs marked (a) may be absent; outputs are made by the caller. */
typedef struct delta_slice {
    gla_numbers *in;
    size_t T, dk, dv;
    gla_matrix s;       /* [1,1] scale */
    gla_matrix q, k, v; /* [T,dk] [T,dk] [T,dv] */
    gla_matrix g;       /* (a) log gate: [T,dk] per channel, [T,1] per head; -inf is an exact reset */
    gla_matrix beta;    /* [T,1] write strength */
    gla_matrix S0;      /* [dk,dv] */
    gla_matrix o, ST;   /* [T,dv], [dk,dv] out */
    /* backward only */
    gla_matrix d_o, dST;     /* [T,dv], [dk,dv] in */
    gla_matrix dq, dk_, dv_; /* [T,dk] [T,dk] [T,dv] out */
    gla_matrix dg;           /* (a) as g; present when g is */
    gla_matrix dbeta;        /* [T,1] out */
    gla_matrix dS0;          /* [dk,dv] out */
} delta_slice;

/* form->kind: recurrent, parallel, chunkwise, or chunkwise-factored (a gate per channel by one anchor for the chunk:
 * UNSAFE), whole or in segments of form->split tokens, for chunks a multiple of C. form->solver says how a chunk comes
 * by its pseudo-values U = X diag(beta) (V - Kg S), X = (I+L)^-1, and which backward goes with it (pseudo.h,
 * inverse.h): for all but recurrent; ut-blocked in chunks. form->bounded: bounded.h, for a gate per channel. */

/* Is there such a formulation, and can it form dg by this route? */
bool delta_available(const gla_form *form);

/* Each runs forward, and backward if form->backward. Failures are left in slice->in->status. */
typedef void delta_run(const delta_slice *x, const gla_form *form);
void delta_recurrent(const delta_slice *x, const gla_form *form);
void delta_parallel(const delta_slice *x, const gla_form *form);
void delta_chunkwise(const delta_slice *x, const gla_form *form);
void delta_split(const delta_slice *x, const gla_form *form); /* any of them over segments of form->split */
/* The one of them that the form names; GLA_UNSUPPORTED in the status if it is not available. */
void delta_run_form(const delta_slice *x, const gla_form *form);

/* Att [T,T], lower: O = Att V when S_0 = 0. Att = P X diag(beta), P the scores of sQ with K, X by substitution. */
void delta_attention(const delta_slice *x, gla_matrix Att);

#endif
