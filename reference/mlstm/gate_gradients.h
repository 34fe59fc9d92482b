/* SPDX-License-Identifier: Apache-2.0
 *
 * The gradients of the mLSTM's gates once dq and dk stand.
 *
 *     d log i_t = k_t.dk_t                     with the full dk; options.di_from_values: v_t.dv_t
 *     direct (recurrent.c)   d log f_t = <R_t, Z_t>
 *     suffix (L3)            d log f_t = <F_T,S_T> + sum_{u>=t} (q_u.dq_u - k_u.dk_u)
 *     anchor (L4)            the same inside a chunk, with <F,S'> of its leaving state
 *     straddle (L5)          d log f_r = <gb S, F> + sum_{i<r} k_i.dk_i^inter + sum_{j>=r} q_j.dq_j^inter
 *                                        + sum_{i<r<=j} A_ji dA_ji        what crosses from r-1 to r, no cancellation
 *
 * Hazard: suffix and anchor subtract numbers of size 1 to get something proportional to f_t (spec H3).
 */
#ifndef GLASSBOX_MLSTM_GATE_GRADIENTS_H
#define GLASSBOX_MLSTM_GATE_GRADIENTS_H

#include "mlstm.h"

/* The route in force. One that the formulation does not have, or an unnormalised exponential gate: the status. */
gla_gate_route mlstm_route(const mlstm_slice *x, const gla_form *form, gla_gate_route by_default);

/* <S, F> [1,1]. */
gla_matrix mlstm_end_term(gla_matrix S, gla_matrix F);

/* z [m,1] = end + suffix sums of q.dq - k.dk, rows of one block. */
void mlstm_suffix(gla_matrix z, gla_matrix q, gla_matrix dq, gla_matrix k, gla_matrix dk, gla_matrix end);

/* z [m,1] = the straddling terms; E [m,m] = A*dA, of which j > i is read. */
void mlstm_straddle(gla_matrix z, gla_matrix E, gla_matrix q, gla_matrix dq_inter, gla_matrix k, gla_matrix dk_inter,
                    gla_matrix through);

/* di and df of the slice from its dk and d log f, by the suffix route if that is asked for; `end` is <F_T,S_T>. */
void mlstm_finish_gates(const mlstm_slice *x, gla_gate_route route, gla_matrix d_log_f, gla_matrix end);

#endif
