/* SPDX-License-Identifier: Apache-2.0
 *
 * DeltaNet, the delta rule (spec 9): what the state would have returned for the key is replaced, not added to.
 *
 *     u_t = beta_t (v_t - S_{t-1}^T k_t) ;  S_t = S_{t-1} + k_t u_t^T ;  o_t = s S_t^T q_t          beta [B,T,h]
 *
 * so S_t = (I - beta_t k_t k_t^T) S_{t-1} + beta_t k_t v_t^T. Domain: 0 <= beta |k|^2 <= 2, where nothing is expanded;
 * layers give keys of unit length and beta = sigmoid, or 2 sigmoid (negative eigenvalues). q and k come as they enter
 * the recurrence: normalised, if a layer does that.
 */
#include "mechanisms.h"

const gla_mechanism gla_mechanism_delta_rule = {
    .name = "delta_rule",
    .equation = "u_t = beta_t (v_t - S_{t-1}^T k_t) ;  S_t = S_{t-1} + k_t u_t^T ;  o_t = s S_t^T q_t",
    .inputs = GLA_UNGATED_INPUTS | 1u << GLA_IN_BETA,
    .outputs = GLA_UNGATED_OUTPUTS | 1u << GLA_DBETA,
    .columns_apart = true,
    .available = gla_available_delta,
    .slice = gla_slice_delta,
};
