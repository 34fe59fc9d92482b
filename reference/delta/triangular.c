/* SPDX-License-Identifier: Apache-2.0
 *
 * Substitution in unit triangular systems; equations in triangular.h.
 */
#include "triangular.h"

gla_matrix delta_columns(gla_matrix A, size_t first, size_t count) {
    return gla_transposed(gla_rows(gla_transposed(A), first, count));
}

gla_matrix delta_negated(gla_matrix A) {
    gla_matrix z = gla_new(A.in, A.rows, A.cols);
    gla_neg(z, A);
    return z;
}

/* Row z of Y gains -L_ri times row x. */
static void subtract_row(gla_matrix Y, gla_matrix minus_L, size_t r, size_t i, size_t z, size_t x) {
    gla_write(gla_row(Y, z), delta_columns(gla_row(minus_L, r), i, 1), gla_row(Y, x));
}

/* By the system itself, if it has a way of its own. */
static bool solved(gla_matrix Y, gla_matrix L, bool back) {
    gla_numbers *n = Y.in;
    if (!n->ops->solve) return false;
    if (n->status == GLA_OK) n->ops->solve(n, &Y, &L, back);
    return true;
}

void delta_substitute(gla_matrix Y, gla_matrix L) {
    if (solved(Y, L, false)) return;
    size_t mark = gla_mark(Y.in);
    gla_matrix minus_L = delta_negated(L);
    for (size_t r = 1; r < Y.rows; r++)
        for (size_t i = 0; i < r; i++) subtract_row(Y, minus_L, r, i, r, i);
    gla_release(Y.in, mark);
}

void delta_substitute_back(gla_matrix Y, gla_matrix L) {
    if (solved(Y, L, true)) return;
    size_t mark = gla_mark(Y.in);
    gla_matrix minus_L = delta_negated(L);
    for (size_t i = Y.rows; i-- > 0;)
        for (size_t r = i + 1; r < Y.rows; r++) subtract_row(Y, minus_L, r, i, i, r);
    gla_release(Y.in, mark);
}
