/* SPDX-License-Identifier: Apache-2.0
 *
 * Unit lower triangular systems, by substitution. L [m,m] is strictly lower (what stands on and above its diagonal is
 * not looked at); Y [m,D] is the right-hand side and becomes the solution.
 *     forward   (I + L) Z = Y      Z_r = Y_r - sum_{i<r} L_ri Z_i        rows in ascending order, i ascending
 *     back      (I + L)^T Z = Y    Z_i = Y_i - sum_{r>i} L_ri Z_r        rows in descending order, r ascending
 * Each step is a row of fma: a sum runs from the value already there. Cost: m(m-1) D flops.
 *
 * Precision: substitution is backward stable row by row: |Z^ - Z| <= gamma_m |X| (I + |L|) |Z| elementwise with
 * X = (I+L)^-1, whatever the keys (Higham, Accuracy and Stability, ch. 8). In the stable domain |X_ri| <= beta_r |k_r|
 * |k_i|, so nothing grows.
 */
#ifndef GLASSBOX_DELTA_TRIANGULAR_H
#define GLASSBOX_DELTA_TRIANGULAR_H

#include "../verbs.h"

void delta_substitute(gla_matrix Y, gla_matrix L);
void delta_substitute_back(gla_matrix Y, gla_matrix L);

/* View of the columns first .. first+count-1. */
gla_matrix delta_columns(gla_matrix A, size_t first, size_t count);
/* -A, in memory of its own. */
gla_matrix delta_negated(gla_matrix A);

#endif
