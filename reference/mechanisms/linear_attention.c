/* SPDX-License-Identifier: Apache-2.0
 *
 * Linear attention, not normalised and without a feature map (spec 2b): the gated core without gates.
 *
 *     S_t = S_{t-1} + k_t v_t^T ;  o_t = s S_t^T q_t
 *
 * Convention: s is dk^(-1/2) where the problem names none, as in public code; the original paper has s = 1.
 */
#include "mechanisms.h"

const gla_mechanism gla_mechanism_linear_attention = {
    .name = "linear_attention",
    .equation = "S_t = S_{t-1} + k_t v_t^T ;  o_t = s S_t^T q_t ;  not normalised",
    .inputs = GLA_UNGATED_INPUTS,
    .outputs = GLA_UNGATED_OUTPUTS,
    .run = gla_run_gated,
};
