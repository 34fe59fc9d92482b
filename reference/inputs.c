/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of inputs and outputs; contract in inputs.h.
 */
#include "inputs.h"

const char *const gla_input_names[GLA_INPUTS] = {"q",
                                                 "k",
                                                 "v",
                                                 "g",
                                                 "gv",
                                                 "initial_state",
                                                 "do",
                                                 "dfinal_state",
                                                 "beta",
                                                 "i",
                                                 "f",
                                                 "initial_n",
                                                 "initial_m",
                                                 "dfinal_n",
                                                 "u",
                                                 "lower_bound",
                                                 "dt",
                                                 "A_log",
                                                 "D",
                                                 "dt_bias",
                                                 "z",
                                                 "s",
                                                 "initial_keys",
                                                 "dfinal_keys"};

const char *const gla_output_names[GLA_OUTPUTS] = {"o",
                                                   "final_state",
                                                   "dq",
                                                   "dk",
                                                   "dv",
                                                   "dg",
                                                   "dgv",
                                                   "dinitial_state",
                                                   "final_n",
                                                   "final_m",
                                                   "final_keys",
                                                   "dbeta",
                                                   "di",
                                                   "df",
                                                   "dinitial_n",
                                                   "dinitial_m",
                                                   "du",
                                                   "dlower_bound",
                                                   "ddt",
                                                   "dA_log",
                                                   "dD",
                                                   "ddt_bias",
                                                   "dz",
                                                   "ds",
                                                   "dinitial_keys"};

static const struct {
    gla_axes axes;
    gla_kind kind;
} inputs[GLA_INPUTS] = {
    [GLA_IN_Q] = {GLA_PER_KEY, GLA_KIND_VALUE},
    [GLA_IN_K] = {GLA_PER_KEY, GLA_KIND_VALUE},
    [GLA_IN_V] = {GLA_PER_VALUE, GLA_KIND_VALUE},
    [GLA_IN_GK] = {GLA_PER_KEY, GLA_KIND_LOG_GATE},
    [GLA_IN_GV] = {GLA_PER_VALUE, GLA_KIND_LOG_GATE},
    [GLA_IN_INITIAL_STATE] = {GLA_STATE, GLA_KIND_VALUE},
    [GLA_IN_DO] = {GLA_PER_VALUE, GLA_KIND_VALUE},
    [GLA_IN_DFINAL_STATE] = {GLA_STATE, GLA_KIND_VALUE},
    [GLA_IN_BETA] = {GLA_PER_HEAD, GLA_KIND_RATE},
    [GLA_IN_I] = {GLA_PER_HEAD, GLA_KIND_LOGIT},
    [GLA_IN_F] = {GLA_PER_HEAD, GLA_KIND_LOGIT},
    [GLA_IN_INITIAL_N] = {GLA_STATE_KEY, GLA_KIND_VALUE},
    [GLA_IN_INITIAL_M] = {GLA_STATE_ONE, GLA_KIND_LOGIT},
    [GLA_IN_DFINAL_N] = {GLA_STATE_KEY, GLA_KIND_VALUE},
    [GLA_IN_U] = {GLA_WEIGHT_KEY, GLA_KIND_WEIGHT},
    [GLA_IN_LOWER_BOUND] = {GLA_WEIGHT_KEY, GLA_KIND_RATE},
    [GLA_IN_DT] = {GLA_PER_HEAD, GLA_KIND_LOGIT},
    [GLA_IN_A_LOG] = {GLA_WEIGHT_ONE, GLA_KIND_WEIGHT},
    [GLA_IN_D] = {GLA_WEIGHT_ONE, GLA_KIND_WEIGHT},
    [GLA_IN_DT_BIAS] = {GLA_WEIGHT_ONE, GLA_KIND_WEIGHT},
    [GLA_IN_Z] = {GLA_PER_VALUE, GLA_KIND_VALUE},
    [GLA_IN_S] = {GLA_PER_SLOT, GLA_KIND_VALUE},
    [GLA_IN_INITIAL_KEYS] = {GLA_STATE_KEY_SLOT, GLA_KIND_VALUE},
    [GLA_IN_DFINAL_KEYS] = {GLA_STATE_KEY_SLOT, GLA_KIND_VALUE},
};

static const gla_input like[GLA_OUTPUTS] = {
    [GLA_O] = GLA_IN_DO,
    [GLA_FINAL_STATE] = GLA_IN_DFINAL_STATE,
    [GLA_DQ] = GLA_IN_Q,
    [GLA_DK] = GLA_IN_K,
    [GLA_DV] = GLA_IN_V,
    [GLA_DGK] = GLA_IN_GK,
    [GLA_DGV] = GLA_IN_GV,
    [GLA_DINITIAL_STATE] = GLA_IN_INITIAL_STATE,
    [GLA_FINAL_N] = GLA_IN_DFINAL_N,
    [GLA_FINAL_M] = GLA_IN_INITIAL_M, /* no gradient comes back for it */
    [GLA_FINAL_KEYS] = GLA_IN_DFINAL_KEYS,
    [GLA_DBETA] = GLA_IN_BETA,
    [GLA_DI] = GLA_IN_I,
    [GLA_DF] = GLA_IN_F,
    [GLA_DINITIAL_N] = GLA_IN_INITIAL_N,
    [GLA_DINITIAL_M] = GLA_IN_INITIAL_M,
    [GLA_DU] = GLA_IN_U,
    [GLA_DLOWER_BOUND] = GLA_IN_LOWER_BOUND,
    [GLA_DDT] = GLA_IN_DT,
    [GLA_DA_LOG] = GLA_IN_A_LOG,
    [GLA_DD] = GLA_IN_D,
    [GLA_DDT_BIAS] = GLA_IN_DT_BIAS,
    [GLA_DZ] = GLA_IN_Z,
    [GLA_DS] = GLA_IN_S,
    [GLA_DINITIAL_KEYS] = GLA_IN_INITIAL_KEYS,
};

bool gla_is_state(gla_axes axes) { return axes >= GLA_STATE && axes <= GLA_STATE_SLOT_VALUE; }
bool gla_is_weight(gla_axes axes) { return axes == GLA_WEIGHT_KEY || axes == GLA_WEIGHT_ONE; }

gla_axes gla_usual_axes(gla_input name) { return inputs[name].axes; }
gla_kind gla_input_kind(gla_input name) { return inputs[name].kind; }

gla_input gla_output_like(gla_output name) { return like[name]; }

bool gla_is_gradient(gla_output name) {
    return !(name == GLA_O || name == GLA_FINAL_STATE || name == GLA_FINAL_N || name == GLA_FINAL_M ||
             name == GLA_FINAL_KEYS);
}

bool gla_is_state_input(gla_input name) { return gla_is_state(inputs[name].axes); }
bool gla_is_state_output(gla_output name) { return gla_is_state_input(like[name]); }

bool gla_is_wide_output(gla_output name) {
    return gla_is_state_output(name) || inputs[like[name]].kind != GLA_KIND_VALUE;
}
