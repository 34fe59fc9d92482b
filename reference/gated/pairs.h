/* SPDX-License-Identifier: Apache-2.0
 *
 * The three sums over token pairs i <= r of a chunk that every chunkwise formula is made of (spec 1d):
 *     scores   SC(A,B,X)_ri = sum_c A_rc B_ic e^(X_rc - X_ic)        [m,m] lower
 *     spread   LO(P,A,X)_r  = sum_{i<=r} P_ri e^(X_r - X_i) * A_i    [m,D]   each reader collects from its writers
 *     collect  UP(P,A,X)_i  = sum_{r>=i} P_ri e^(X_r - X_i) * A_r    [m,D]   each writer collects from its readers
 * in two ways:
 *     anchored  blocks of c rows; off-diagonal blocks are products of two factors with exponents <= 0, anchored on the
 *               first row of the reader's block (LO, SC) or the last row of the writer's block (UP); diagonal blocks
 *               take every pair's own exponent. Nothing can overflow; a factor underflows only if the product does.
 *     factored  UNSAFE: one anchor for the whole chunk, (A e^X)(B e^-X)^T. e^-X overflows once -X > ln(max): 88.72 in
 *               binary32. Kept because everybody writes it first.
 */
#ifndef GLASSBOX_PAIRS_H
#define GLASSBOX_PAIRS_H

#include "gated.h"

typedef struct gated_pairs {
    gla_gates X;   /* cumulative log gates of the chunk [m,D] */
    size_t c;      /* sub-chunk */
    bool factored; /* the unsafe way */
} gated_pairs;

void gated_scores(gla_matrix P, gla_matrix A, gla_matrix B, gated_pairs x);               /* P = SC(A,B,X) */
void gated_spread(gla_matrix Y, gla_matrix P, gla_matrix A, gated_pairs x, bool strict);  /* Y += LO, strict: i < r */
void gated_collect(gla_matrix Y, gla_matrix P, gla_matrix A, gated_pairs x, bool strict); /* Y += UP, strict: r > i */

#endif
