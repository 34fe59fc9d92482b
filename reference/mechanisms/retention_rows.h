/* SPDX-License-Identifier: Apache-2.0
 *
 * By what retention divides a row of scores R_nm = s q_n.k_m gamma^(n-m), m <= n (spec 3).
 *
 *     roots    sqrt(w_n), w_n = gamma w_{n-1} + 1, of which w_0 has had `before` tokens
 *     sums     min(max(sum_m |R_nm|, 1), 5e4)
 *
 * Precision: w is a chain of products and sums, one rounding each; gamma^(n-m) is e^((n-m) g).
 */
#ifndef GLASSBOX_RETENTION_ROWS_H
#define GLASSBOX_RETENTION_ROWS_H

#include "../gated/gated.h"

/* root [T,1], first [1,1]; gamma [1,1]. */
void retention_mask_roots(gla_matrix root, gla_matrix first, gla_matrix gamma, int64_t before);

/* [T,1], from the slice's q, k, s and its gate, the same in every token and channel. */
gla_matrix retention_score_sums(const gated_slice *x);

#endif
