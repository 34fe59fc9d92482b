/* SPDX-License-Identifier: Apache-2.0
 *
 * Operands of matrix products as kernels make them: a copy, weighed elementwise (an absent weight is 1), and announced
 * at the site where it may be rounded; or split in two parts there, for products of nearly twice the bits:
 *     A = hi + lo        hi = A rounded, lo = A - hi rounded
 *     C += A B           for every 64 columns of A (rows of B) in turn: += hi hi', += hi lo', += lo hi'
 * lo lo' is left out. One part alone: lo is absent, and its products are left out. Sites that round nothing make
 * hi = A, lo = 0, and the product is A B.
 */
#ifndef GLASSBOX_OPERAND_H
#define GLASSBOX_OPERAND_H

#include "gated.h"

gla_matrix gated_weighed(gla_matrix A, gla_matrix weight);
gla_matrix gated_operand(gla_matrix A, gla_matrix weight, gla_site site);
gla_matrix gated_rounded(gla_matrix A, gla_site site);

/* ---- operands of one part or two ---- */

typedef struct gated_parts {
    gla_matrix hi, lo;
} gated_parts;

/* The operand that gated_operand makes, in two parts if `split`. */
gated_parts gated_parts_of(gla_matrix A, gla_matrix weight, gla_site site, bool split);
gated_parts gated_single(gla_matrix A); /* as it is, in one part */
gated_parts gated_parts_transposed(gated_parts A);
gla_matrix gated_whole(gated_parts A); /* hi + lo */
void gated_product(gla_matrix C, gated_parts A, gated_parts B);

#endif
