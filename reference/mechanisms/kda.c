/* SPDX-License-Identifier: Apache-2.0
 *
 * Kimi Delta Attention (spec 11): the delta rule with a gate per channel. The state decays first; the prediction's
 * error is taken against the decayed state.
 *
 *     Z_t = diag(e^g_t) S_{t-1} ;  u_t = beta_t (v_t - Z_t^T k_t) ;  S_t = Z_t + k_t u_t^T ;  o_t = s S_t^T q_t
 *
 * g [B,T,h,dk], beta [B,T,h]. Domain of beta: delta_rule.c. A gate that the layer bounds (g >= -5) may have its scores
 * by one anchor per sub-chunk: +bounded (reference/delta/bounded.h).
 */
#include "mechanisms.h"

const gla_mechanism gla_mechanism_kda = {
    .name = "kda",
    .equation =
        "Z_t = diag(e^g_t) S_{t-1} ;  u_t = beta_t (v_t - Z_t^T k_t) ;  S_t = Z_t + k_t u_t^T ;  o_t = s S_t^T q_t",
    .inputs = GLA_UNGATED_INPUTS | 1u << GLA_IN_GK | 1u << GLA_IN_BETA,
    .optional = 1u << GLA_IN_GK,
    .outputs = GLA_UNGATED_OUTPUTS | 1u << GLA_DGK | 1u << GLA_DBETA,
    .columns_apart = true,
    .available = gla_available_delta,
    .slice = gla_slice_delta,
};
