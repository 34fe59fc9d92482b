/* SPDX-License-Identifier: Apache-2.0
 *
 * Gated Linear Attention: the gated core as it stands, key gate and value gate both optional (spec 1a).
 */
#include "mechanisms.h"

#define BIT(x) (1u << (x))

const gla_mechanism gla_mechanism_gla = {
    .name = "gla",
    .equation = "S_t = outer(e^g_t, e^gv_t) * S_{t-1} + k_t v_t^T ;  o_t = s S_t^T q_t",
    .inputs = BIT(GLA_IN_Q) | BIT(GLA_IN_K) | BIT(GLA_IN_V) | BIT(GLA_IN_GK) | BIT(GLA_IN_GV) |
              BIT(GLA_IN_INITIAL_STATE) | BIT(GLA_IN_DO) | BIT(GLA_IN_DFINAL_STATE),
    .outputs = BIT(GLA_O) | BIT(GLA_FINAL_STATE) | BIT(GLA_DQ) | BIT(GLA_DK) | BIT(GLA_DV) | BIT(GLA_DGK) |
               BIT(GLA_DGV) | BIT(GLA_DINITIAL_STATE),
    .run = gla_run_gated,
};
