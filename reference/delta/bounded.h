/* SPDX-License-Identifier: Apache-2.0
 *
 * The bounded-gate shortcut of Kimi Delta Attention: the scores of a diagonal sub-block of c rows as one product,
 * anchored on the middle row h = floor(c/2),
 *     P_ri = sum_c (A_rc e^(X_rc - X_hc)) (B_ic e^(X_hc - X_ic))                                  i <= r selected after
 * in place of every pair's own exponent. Blocks off the diagonal stay as they are.
 *
 * UNSAFE: exponents reach h |g|. With g >= -5 and c = 16 they stay within 40 and nothing is lost; in binary32 the first
 * row overflows once h |g| > 88.72, that is at g < -11.09 for c = 16, and digits go from 87.34 on, where the other
 * factor is subnormal. An exact reset inside the block is infinity times 0. The entries above the diagonal, with both
 * exponents positive, are replaced, not multiplied by 0.
 */
#ifndef GLASSBOX_DELTA_BOUNDED_H
#define GLASSBOX_DELTA_BOUNDED_H

#include "../gated/pairs.h"

/* Overwrites the diagonal sub-blocks of P. */
void delta_bounded_scores(gla_matrix P, gla_matrix A, gla_matrix B, gated_pairs x);

#endif
