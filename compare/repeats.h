/* SPDX-License-Identifier: Apache-2.0
 *
 * How often equal roundings may meet in one sum, counted in the inputs of a part (one sequence, a unit of heads).
 *
 * A bound's random part takes roundings for independent. Equal operands make equal roundings: with all keys alike, what
 * one row of the state rounds, all do, and a sum over the rows has dk times that error and not sqrt(dk) times. So
 * repeats are counted where they can come from, equal up to a sign and not zero:
 *     tokens    rows (k_t, gk_t), rows (q_t, gk_t), with value gates also (v_t, gv_t) and (do_t, gv_t): anywhere if no
 * gate decays or all gates are alike, else in unbroken runs. Where gates decay, by 1/e in N tokens, a state repeats its
 * roundings only once it has settled to within u, after N ln(1/u) tokens, and then holds N of them: of n tokens at most
 * n / ln(1/u) count, n / ln 256 for the coarsest format a state is kept in channels  columns of k, gk, initial_state
 * and of q, gk, dfinal_state; if do or dfinal_state are there, columns on the value side too, over which gradients sum
 *     heads     whole heads of a unit, whose gradients are summed
 * and m is the product of the largest counts. Score gradients dP_ti = do_t v_i^T know only the value side: rows v_t or
 * do_t that repeat inside a chunk, or 64 tokens, make equal dP, whatever the keys.
 * See error.h for what m does to a bound. Almost equal operands (decays within a rounding of 1) are not counted.
 */
#ifndef GLASSBOX_REPEATS_H
#define GLASSBOX_REPEATS_H

#include "../reference/glassbox.h"
#include "profiles.h"

/* The profile's model with the repeats of this part in it. GLA_NO_MEMORY. */
gla_status gla_count_repeats(const gla_problem *part, const gla_profile *profile, gla_error_model *model);

#endif
