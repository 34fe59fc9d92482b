/* SPDX-License-Identifier: Apache-2.0
 *
 * Gated Linear Attention: the gated core as it stands, key gate and value gate both optional (spec 1a).
 */
#include "mechanisms.h"

const gla_mechanism gla_mechanism_gla = {
    .name = "gla",
    .equation = "S_t = outer(e^g_t, e^gv_t) * S_{t-1} + k_t v_t^T ;  o_t = s S_t^T q_t",
    .inputs = GLA_UNGATED_INPUTS | 1u << GLA_IN_GK | 1u << GLA_IN_GV,
    .optional = 1u << GLA_IN_GK | 1u << GLA_IN_GV,
    .outputs = GLA_UNGATED_OUTPUTS | 1u << GLA_DGK | 1u << GLA_DGV,
    .plain = true,
    .columns_apart = true,
    .available = gla_available_gated,
    .slice = gla_slice_gated,
};
