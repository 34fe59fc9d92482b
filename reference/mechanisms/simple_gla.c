/* SPDX-License-Identifier: Apache-2.0
 *
 * Simple GLA: one gate per head and token (spec 5; the gate of gated RetNet and Mamba-2).
 *
 *     S_t = e^g_t S_{t-1} + k_t v_t^T ;  o_t = s S_t^T q_t          g [B,T,h], in files and problems also [B,T,h,1]
 *
 * Onto the gated core: gk_tc = g_t for every key channel c. Back: dg_t = sum_c dgk_tc = <R_t, Z_t>.
 */
#include "mechanisms.h"

static const gla_change changes[] = {{GLA_IN_GK, .axes = GLA_PER_HEAD}, {0}};

const gla_mechanism gla_mechanism_simple_gla = {
    .name = "simple_gla",
    .equation = "S_t = e^g_t S_{t-1} + k_t v_t^T ;  o_t = s S_t^T q_t ;  g one number per head",
    .inputs = GLA_UNGATED_INPUTS | 1u << GLA_IN_GK,
    .optional = 1u << GLA_IN_GK,
    .outputs = GLA_UNGATED_OUTPUTS | 1u << GLA_DGK,
    .changes = changes,
    .plain = true,
    .columns_apart = true,
    .available = gla_available_gated,
    .slice = gla_slice_gated,
};
