/* SPDX-License-Identifier: Apache-2.0
 *
 * Gated DeltaNet (spec 10): the delta rule with one gate per head and token. The state decays first; the prediction's
 * error is taken against the decayed state.
 *
 *     Z_t = e^g_t S_{t-1} ;  u_t = beta_t (v_t - Z_t^T k_t) ;  S_t = Z_t + k_t u_t^T ;  o_t = s S_t^T q_t
 *
 * g, beta [B,T,h], in files and problems also [B,T,h,1]. Domain of beta: delta_rule.c. g = -e^A softplus(x + bias) and
 * the like are the layer's.
 */
#include "mechanisms.h"

static const gla_change changes[] = {{GLA_IN_GK, .axes = GLA_PER_HEAD}, {0}};

const gla_mechanism gla_mechanism_gated_delta_rule = {
    .name = "gated_delta_rule",
    .equation =
        "Z_t = e^g_t S_{t-1} ;  u_t = beta_t (v_t - Z_t^T k_t) ;  S_t = Z_t + k_t u_t^T ;  o_t = s S_t^T q_t ;  "
        "g one number per head",
    .inputs = GLA_UNGATED_INPUTS | 1u << GLA_IN_GK | 1u << GLA_IN_BETA,
    .optional = 1u << GLA_IN_GK,
    .outputs = GLA_UNGATED_OUTPUTS | 1u << GLA_DGK | 1u << GLA_DBETA,
    .changes = changes,
    .columns_apart = true,
    .available = gla_available_delta,
    .slice = gla_slice_delta,
};
