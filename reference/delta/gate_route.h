/* SPDX-License-Identifier: Apache-2.0
 *
 * The gradient of the delta core's log gates by every route but the direct one. The identities are those of
 * gated/gate_gradient.h with the key in two roles, as reader of the prediction (dk^r) and as writer (dk^w):
 *     d_i = q_i*dq_i + k_i*dk^r_i - k_i*dk^w_i
 * (q*dq - k*dk, the identity of the gated core, is wrong here.) A gate per head sums over the channels.
 *     suffix, prefix, strict   over the whole sequence, boundary row(dS_fin*S_T) or row(S_0*dS_0)
 *     anchor                   inside a chunk, boundary row(F*S_out)
 *     straddle                 e^Gamma_m*row(S*F) + sum_{i<r} k_i*dk^w_inter,i
 *                              + sum_{j>=r} (q_j*dq_inter,j + k_j*dk^r_inter,j)
 *                              + sum_{i<r<=j} (dP_ji s q_j + dKK_ji k_j)*k_i*e^(Gamma_j - Gamma_i)
 */
#ifndef GLASSBOX_DELTA_GATE_ROUTE_H
#define GLASSBOX_DELTA_GATE_ROUTE_H

#include "chunk.h"

/* Queries and keys with their gradients; all [m,dk]. */
typedef struct delta_roles {
    gla_matrix q, dq, k, dkr, dkw;
} delta_roles;

/* dg [1,D] = row(A*B) of [dk,.] matrices: per channel, or their sum. */
void delta_gate_boundary(gla_matrix dg, gla_matrix A, gla_matrix B);

/* dg [m,D] of a chunk (D = dk or 1); F is the adjoint of the leaving state, S_in and S_out the states around it. */
void delta_gate_anchor(gla_matrix dg, delta_roles x, gla_matrix F, gla_matrix S_out);
void delta_gate_straddle(gla_matrix dg, delta_roles inter, const delta_chunk *u, const delta_gradients *g, gla_matrix F,
                         gla_matrix S_in);

/* x->dg over the whole sequence by suffix, prefix or strict; nothing for other routes or without a gate. */
void delta_gate_identity(const delta_slice *x, gla_gate_route route, delta_roles roles);

#endif
