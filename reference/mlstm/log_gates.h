/* SPDX-License-Identifier: Apache-2.0
 *
 * The gates of the mLSTM in log space, and the weights e^(x - m) with their stabiliser.
 *
 * Log sigmoids and their gradients are those of ../activation.h, without cancellation for any x, +-inf included: the
 * naive ln(1/(1+e^-x)) is -inf below x = -88.7 in binary32 and 0 above 17.3.
 *
 * Exponents are sums of log f over the tokens between, taken token by token (segments), never differences of long
 * sums: nothing cancels, and log f = -inf needs no care.
 */
#ifndef GLASSBOX_MLSTM_LOG_GATES_H
#define GLASSBOX_MLSTM_LOG_GATES_H

#include "mlstm.h"

typedef struct mlstm_gates {
    gla_matrix f, i; /* [T,1] log f, log i: what the recurrence uses */
} mlstm_gates;

mlstm_gates mlstm_log_gates(const mlstm_slice *x);

/* di and df, gradients before the activations, from those of log i and log f [T,1]. */
void mlstm_gate_gradients(const mlstm_slice *x, gla_matrix d_log_i, gla_matrix d_log_f);

/* The stabiliser of the initial state [1,1]: m0, -inf if absent, 0 for the sigmoid gate. */
gla_matrix mlstm_first_stabiliser(const mlstm_slice *x);

/* m = max(m, x), all [1,1]; nothing for the sigmoid gate, whose m stays 0. */
void mlstm_stabilise(const mlstm_slice *x, gla_matrix m, gla_matrix candidate);

/* x_ij as a 1 x 1 view. */
gla_matrix mlstm_at(gla_matrix x, size_t i, size_t j);

/* z = e^(x - m), and 0 for x = -inf whatever m; [1,1]. */
void mlstm_weight(gla_matrix z, gla_matrix x, gla_matrix m);

/* The log weights of a block of m tokens from `first`; L stands for j <= r alone.
 *     L_rj = sum_{j<l<=r} log f_l + log i_j           b_r = sum_{l<=r} log f_l */
typedef struct mlstm_log_weights {
    gla_matrix L, b; /* [m,m], [m,1] */
} mlstm_log_weights;

mlstm_log_weights mlstm_log_weights_of(mlstm_gates gates, size_t first, size_t m);

#endif
