/* SPDX-License-Identifier: Apache-2.0
 *
 * The gated core: one sequence of one head of
 *     Z_t = outer(e^gk_t, e^gv_t) * S_{t-1} ;  S_t = Z_t + k_t v_t^T ;  o_t = s S_t^T q_t
 * forward and backward, in six formulations with one signature.
 */
#ifndef GLASSBOX_GATED_H
#define GLASSBOX_GATED_H

#include "../glassbox.h"
#include "../gate_sums.h"

/* All matrices in one number system. Inputs marked (a) may be absent; outputs are made by the caller. */
typedef struct gated_slice {
    gla_numbers *in;
    size_t T, dk, dv;
    gla_matrix s;       /* [1,1] scale */
    gla_matrix q, k, v; /* [T,dk] [T,dk] [T,dv] */
    gla_matrix gk, gv;  /* [T,dk] (a), [T,dv] (a) */
    gla_matrix alpha;   /* [1,dk] (a): e^gk of every token, better than by exp; the recurrent formulation takes it */
    gla_matrix S0;      /* [dk,dv] */
    gla_matrix o, ST;   /* [T,dv], [dk,dv] out */
    /* backward only */
    gla_matrix d_o, dST;     /* [T,dv], [dk,dv] in */
    gla_matrix dq, dk_, dv_; /* [T,dk] [T,dk] [T,dv] out */
    gla_matrix dgk, dgv;     /* [T,dk] (a), [T,dv] (a) out; present when gk, gv are. dgk [T,1]: one gate
                                for all key channels, and the sum over them */
    gla_matrix dS0;          /* [dk,dv] out */
} gated_slice;

/* Each runs forward, and backward if form->backward. Failures are left in slice->in->status. */
typedef void gated_run(const gated_slice *x, const gla_form *form);
void gated_recurrent(const gated_slice *x, const gla_form *form);
void gated_parallel(const gated_slice *x, const gla_form *form);
void gated_parallel_naive(const gated_slice *x, const gla_form *form);
void gated_chunkwise(const gated_slice *x, const gla_form *form); /* also the factored one */
void gated_chunkwise_centred(const gated_slice *x, const gla_form *form);
void gated_chunkwise_paired(const gated_slice *x, const gla_form *form);
/* Is there such a form? All formulations; +ut and +bounded are the delta core's. */
bool gated_available(const gla_form *form);
/* The one that the form names, over segments if it asks for them. */
void gated_run_form(const gated_slice *x, const gla_form *form);
/* Any of them over segments of form->split tokens. */
void gated_split(const gated_slice *x, const gla_form *form, gated_run *run);

#endif
