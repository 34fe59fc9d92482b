/* SPDX-License-Identifier: Apache-2.0
 *
 * The decays of one chunk of m tokens, for a gate per channel, a gate per head, or none. Gamma is the local cumulative
 * log gate [m,dk] or [m,1]; the three sums over pairs i <= r of pairs.h are
 *     per channel   SC, LO, UP of gated/pairs.h, every pair and channel with its own exponent or anchors
 *     per head      SC = (A B^T)*M ;  LO = (P*M) A ;  UP = (P*M)^T A ,   M_ri = e^(Gamma_r - Gamma_i), i <= r, 0 above
 *     none          the same with M = lower(1)
 * Every exponent is <= 0; M is never formed above its diagonal, where e^(Gamma_r - Gamma_i) would overflow (H9).
 */
#ifndef GLASSBOX_DELTA_DECAY_H
#define GLASSBOX_DELTA_DECAY_H

#include "delta.h"
#include "../gated/pairs.h"

typedef struct delta_decay {
    gated_pairs channel;  /* per channel or none */
    gla_gates head;       /* per head: [m,1] */
    gla_matrix M;         /* per head: [m,m] */
    gla_matrix into, out; /* [m,dk] e^Gamma, e^(Gamma_m - Gamma); absent without a gate */
    gla_matrix through;   /* [1,dk] e^Gamma_m; absent without a gate */
    bool bounded;
} delta_decay;

/* From the gates g [m,dk] or [m,1] (a) of a chunk. */
delta_decay delta_decay_of(gla_numbers *n, gla_matrix g, size_t dk, const gla_form *form);

void delta_scores(gla_matrix P, gla_matrix A, gla_matrix B, const delta_decay *d);               /* P = SC(A,B) */
void delta_spread(gla_matrix Y, gla_matrix P, gla_matrix A, const delta_decay *d, bool strict);  /* Y += LO */
void delta_collect(gla_matrix Y, gla_matrix P, gla_matrix A, const delta_decay *d, bool strict); /* Y += UP */

/* View of a column [m,1] as [m,cols], every column the same. For operands only. */
gla_matrix delta_across(gla_matrix column, size_t cols);

#endif
