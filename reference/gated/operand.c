/* SPDX-License-Identifier: Apache-2.0
 *
 * Operands of matrix products; contract in operand.h.
 */
#include "operand.h"

gla_matrix gated_weighed(gla_matrix A, gla_matrix weight) {
    gla_matrix z = gla_new(A.in, A.rows, A.cols);
    if (gla_absent(weight))
        gla_copy(z, A);
    else
        gla_mul(z, A, weight);
    return z;
}

gla_matrix gated_operand(gla_matrix A, gla_matrix weight, gla_site site) {
    gla_matrix z = gated_weighed(A, weight);
    gla_round_at(z, site);
    return z;
}

gla_matrix gated_rounded(gla_matrix A, gla_site site) { return gated_operand(A, (gla_matrix){0}, site); }
