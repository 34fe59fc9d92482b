/* SPDX-License-Identifier: Apache-2.0
 *
 * X = (I + L)^-1 of a strictly lower L [m,m], three ways. X is unit lower.
 *     rows      X_r = e_r - sum_{i<r} L_ri X_i                                            substitution on the identity
 *     blocked   X_II = (I + L_II)^-1 by rows ;  X_IJ = -X_II sum_{J<=M<I} L_IM X_MJ       blocks of c, J < I
 *     product   X = (I-L)(I+L^2)(I+L^4)...  up to the first power that is 0, since L^m = 0
 *
 * Closed form: X_ri = -beta_r k_r^T diag(e^g_r) [prod_{j=r-1..i+1} (I - beta_j k_j k_j^T) diag(e^g_j)] k_i, so
 * |X_ri| <= beta_r |k_r| |k_i| in the stable domain.
 * Hazard (H6): the product is UNSAFE. The identity is exact, its terms are not small: with equal unit keys and beta = 1
 * L is all ones below the diagonal, L^32 has entries up to C(62,31) = 4.7e17 at m = 64, and they must cancel to an X of
 * 0 and -1: in binary32 the result is off by 4.3e9 with sums by fma, 3.4e10 without. Rows and blocks are exact there.
 * Cost: rows (m^3-m)/3 flops, the zeros above the diagonals being skipped; blocked makes most of it matrix products.
 */
#ifndef GLASSBOX_DELTA_INVERSE_H
#define GLASSBOX_DELTA_INVERSE_H

#include "delta.h"

void delta_inverse_rows(gla_matrix X, gla_matrix L);
void delta_inverse_blocked(gla_matrix X, gla_matrix L, size_t c);
void delta_inverse_product(gla_matrix X, gla_matrix L);
/* The one that belongs to the solver. */
void delta_inverse(gla_matrix X, gla_matrix L, const gla_form *form);

#endif
