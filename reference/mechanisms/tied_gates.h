/* SPDX-License-Identifier: Apache-2.0
 *
 * The gates of HGRN2 (spec 7): forget logits f and lower bounds gam make the decay alpha and, tied to it, the key.
 *     alpha = gam + (1 - gam) sigmoid(f) ;  g = ln alpha ;  k = 1 - alpha = (1 - gam) sigmoid(-f)
 * Shapes: g k f [T,dk], gam [1,dk] with 0 <= gam < 1, or absent (0).
 *
 * k is never 1 - e^g, which has no digit left near f = 17 in binary32. g without gam is log sigmoid(f). With it
 *     g = ln(1 - k)                                             where k <= 1/2, so that a gate near 1 keeps its digits
 *     g = ln(e^a + e^b), a = ln gam, b = ln(1 - gam) + log sigmoid(f)       elsewhere; ln gam as -ln(1 + (1 - gam)/gam)
 * and log sigmoid(f) in channels of gam = 0. Both hold for any f; they are chosen between by value, and an interval
 * that lies on both sides encloses the truth by either.
 *
 * Back, from the core's dg and dk:
 *     df = k (r dg - sigmoid(f) dk) ,  r = sigmoid(f) / alpha = 1 / (1 + gam e^-f)         no quotient by alpha
 *     dgam = sum_t dg / (gam + e^f) - sigmoid(-f) dk                                       (= dg sigmoid(-f) / alpha)
 * f may be infinite. Precision: one rounding per operation, sums over tokens ascend.
 * Hazard: where gam = 0 and e^f underflows, dgam is dg / 0 with dg = 0, not a number: alpha is 0 in that system, and
 * what dg was is lost.
 */
#ifndef GLASSBOX_TIED_GATES_H
#define GLASSBOX_TIED_GATES_H

#include "../verbs.h"

void tied_gates(gla_matrix g, gla_matrix k, gla_matrix f, gla_matrix gam);

/* df is set; dgam [1,dk] is added to, absent where gam is. k as tied_gates made it. */
void tied_gates_back(gla_matrix df, gla_matrix dgam, gla_matrix dg, gla_matrix dk, gla_matrix k, gla_matrix f,
                     gla_matrix gam);

#endif
