/* SPDX-License-Identifier: Apache-2.0
 *
 * Softmax over each row of a matrix, and its derivative:
 *     p_ij = e^(a_ij - m_i) / sum_j e^(a_ij - m_i) ,  m_i = max_j a_ij
 *     da_ij = p_ij (dp_ij - sum_j p_ij dp_ij)
 * Shapes: all [T,M], M >= 1; p is not a, da may be dp.
 * Order: difference, exponential; the sum of the exponentials ascending from 0; one quotient each. No exponent is
 * positive, the sum is at least 1: nothing overflows, what underflows is truly that small.
 * The differences are announced as logits: a bound on errors of theirs must not take e^x for a decay.
 * Which number is the largest is asked of its nearest binary64: any other place gives the same value.
 * Hazard: where p is nearly 1 in one place, dp - sum p dp cancels there.
 */
#ifndef GLASSBOX_SOFTMAX_H
#define GLASSBOX_SOFTMAX_H

#include "verbs.h"

/* The column of a row [1,M]'s largest number, the first of them. */
size_t gla_place_of_largest(gla_matrix row);

void gla_softmax(gla_matrix p, gla_matrix a);
void gla_softmax_back(gla_matrix da, gla_matrix dp, gla_matrix p);

#endif
