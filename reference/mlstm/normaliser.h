/* SPDX-License-Identifier: Apache-2.0
 *
 * The normaliser of the mLSTM as one more value channel (spec L6), and the division by it.
 *
 *     V~ = [V, 1] ;  S = [C, n] ;  num_t = S_t^T (s q_t) = [numerator, nrm] ;  W = dv + 1      (unnormalised: W = dv)
 *     den_t = max(|nrm_t|, e^-m_t) + eps ;  h_t = numerator_t / den_t
 *     dnum_t = [dh_t / den_t, -(dh_t.numerator_t)/den_t^2 * slope_t]          as in ../denominator.h, least_t = e^-m_t
 *
 * m_t is a constant, and with options.truncated the denominator too: the last channel of dnum is 0.
 */
#ifndef GLASSBOX_MLSTM_NORMALISER_H
#define GLASSBOX_MLSTM_NORMALISER_H

#include "mlstm.h"

/* What every formulation works on and what its forward leaves for the division and the backward. */
typedef struct mlstm_reads {
    gla_matrix sq, V; /* [T,dk] s q, [T,W] */
    gla_matrix num;   /* [T,W] in units of e^m_t */
    gla_matrix m;     /* [T,1] */
    gla_matrix den;   /* [T,1], of mlstm_divide */
} mlstm_reads;

mlstm_reads mlstm_new_reads(const mlstm_slice *x);

/* h and den from num and m. */
void mlstm_divide(const mlstm_slice *x, mlstm_reads *r);

/* dnum [T,W]. */
gla_matrix mlstm_read_gradients(const mlstm_slice *x, const mlstm_reads *r);

/* [C_0, n_0] [dk,W], and its adjoint at the end [dC_T, dn_T], without dn_T if truncated. */
gla_matrix mlstm_first_state(const mlstm_slice *x);
gla_matrix mlstm_last_adjoint(const mlstm_slice *x);

/* C_T, n_T, m_T from S and m; dC_0, dn_0, dm_0 from F, the adjoint of the initial state. */
void mlstm_store_state(const mlstm_slice *x, gla_matrix S, gla_matrix m);
void mlstm_store_adjoint(const mlstm_slice *x, gla_matrix F);

/* dv from dV~. */
void mlstm_store_values(const mlstm_slice *x, gla_matrix dV);

/* z [1,1] += <A, B>, dense matrices of one shape. */
void mlstm_inner_product(gla_matrix z, gla_matrix A, gla_matrix B);

#endif
