/* SPDX-License-Identifier: Apache-2.0
 *
 * The division by a normaliser, row by row, and its gradient.
 *
 *     den_t = max(|nrm_t|, least_t) + eps          without least: den_t = nrm_t + eps
 *     o_t = num_t / den_t
 *     dnum_t = do_t / den_t ;  dnrm_t = -(do_t.num_t)/den_t/den_t * slope_t
 *     slope_t = [nrm_t > least_t] - [-nrm_t > least_t]          without least: 1
 *
 * Shapes: num, o, do, dnum [T,D]; nrm, den, dnrm, least [T,1]; eps [1,1]. least and eps may be absent.
 * The brackets are comparisons of the number system, so that an interval encloses either side of the kink where it
 * cannot decide; at a tie the slope is 0. least is a constant to the gradient.
 * Rounding: do.o / den would be the same number, but all of o bears the one error of den, which then adds up where the
 * errors of num average out; that is why dnrm is made of num.
 *
 * The errors delta_j of the scores are in num (do.num by a_j delta_j) and, twice, in den (by b_j delta_j each): dnrm is
 * off by sum_j delta_j (a_j - 2 b_j), of variance sum_j var_j (a_j - 2 b_j)^2 <= 2 sum_j var_j (a_j^2 + 4 b_j^2), at
 * most four times the sum_j var_j (a_j^2 + 2 b_j^2) of operands that know nothing of each other. So dnrm is announced
 * at a site of its own, and bounds have four times its variance.
 *
 * Hazard: without least nothing keeps den from 0.
 */
#ifndef GLASSBOX_DENOMINATOR_H
#define GLASSBOX_DENOMINATOR_H

#include "verbs.h"

void gla_denominator(gla_matrix den, gla_matrix nrm, gla_matrix least, gla_matrix eps);

/* z_t = x_t / den_t: o of num, dnum of do. z may be x. */
void gla_divide_rows(gla_matrix z, gla_matrix x, gla_matrix den);

void gla_denominator_back(gla_matrix dnrm, gla_matrix d_o, gla_matrix num, gla_matrix nrm, gla_matrix least,
                          gla_matrix den);

#endif
