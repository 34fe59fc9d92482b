/* SPDX-License-Identifier: Apache-2.0
 *
 * Operands of matrix products as kernels make them: a copy, weighed elementwise (an absent weight is 1), and announced
 * at the site where it may be rounded.
 */
#ifndef GLASSBOX_OPERAND_H
#define GLASSBOX_OPERAND_H

#include "gated.h"

gla_matrix gated_weighed(gla_matrix A, gla_matrix weight);
gla_matrix gated_operand(gla_matrix A, gla_matrix weight, gla_site site);
gla_matrix gated_rounded(gla_matrix A, gla_site site);

#endif
