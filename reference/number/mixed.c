/* SPDX-License-Identifier: Apache-2.0
 *
 * mixed:FORMAT, the arithmetic of a tensor-core kernel in outline: binary32 everywhere, and every operand of a matrix
 * product rounded to FORMAT, to nearest. It is the emulator (error.h) of the model that says so; sums are binary32, not
 * those of a tensor core bit for bit.
 */
#include "error.h"

gla_numbers *gla_mixed_open(const gla_format *narrow) {
    gla_rounding_rule wide = gla_rounding_into(&gla_binary32_format, false), in = gla_rounding_into(narrow, false);
    gla_error_model model = {.op = wide,
                             .exp = wide,
                             .operand = in,
                             .sum = wide,
                             .site = {[GLA_SITE_Q_DECAYED] = in,
                                      [GLA_SITE_K_DECAYED] = in,
                                      [GLA_SITE_V_DECAYED] = in,
                                      [GLA_SITE_STATE_READ] = in,
                                      [GLA_SITE_SCORE] = in,
                                      [GLA_SITE_DSTATE_READ] = in,
                                      [GLA_SITE_DSCORE] = in,
                                      [GLA_SITE_BETA_OPERAND] = in,
                                      [GLA_SITE_INVERSE] = in,
                                      [GLA_SITE_WY] = in,
                                      [GLA_SITE_PSEUDO] = in,
                                      [GLA_SITE_DPSEUDO] = in}};
    return gla_emulator_open(&model, 0);
}
