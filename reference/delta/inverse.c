/* SPDX-License-Identifier: Apache-2.0
 *
 * The inverse of a unit lower triangular matrix; equations and hazard in inverse.h.
 */
#include "inverse.h"

#include "triangular.h"

/* X = I, whatever it held. */
static void set_identity(gla_matrix X) {
    if (X.in->status != GLA_OK) return;
    gla_zero(X);
    for (size_t r = 0; r < X.rows; r++) X.in->ops->set_d(X.in, gla_at(X, r, r), 1.0);
}

/* Z += I. */
static void add_identity(gla_matrix Z) {
    gla_matrix one = gla_new(Z.in, 1, 1);
    set_identity(one);
    for (size_t r = 0; r < Z.rows; r++) {
        gla_matrix diagonal = delta_columns(gla_row(Z, r), r, 1);
        gla_add(diagonal, diagonal, one);
    }
}

void delta_inverse_rows(gla_matrix X, gla_matrix L) {
    set_identity(X);
    if (X.in->ops->solve) {
        delta_substitute(X, L);
        return;
    }
    /* Row i is zero beyond its diagonal: the rows above r reach columns 0 .. i only. */
    size_t mark = gla_mark(X.in);
    gla_matrix minus_L = delta_negated(L);
    for (size_t r = 1; r < X.rows; r++)
        for (size_t i = 0; i < r; i++)
            gla_write(delta_columns(gla_row(X, r), 0, i + 1), delta_columns(gla_row(minus_L, r), i, 1),
                      delta_columns(gla_row(X, i), 0, i + 1));
    gla_release(X.in, mark);
}

static gla_matrix block_of(gla_matrix A, size_t row, size_t rows, size_t column, size_t columns) {
    return delta_columns(gla_rows(A, row, rows), column, columns);
}

void delta_inverse_blocked(gla_matrix X, gla_matrix L, size_t c) {
    gla_numbers *n = X.in;
    size_t m = X.rows;
    gla_zero(X);
    for (size_t I = 0; I < m; I += c) {
        size_t mark = gla_mark(n), rows = m - I < c ? m - I : c;
        gla_matrix XII = block_of(X, I, rows, I, rows);
        delta_inverse_rows(XII, block_of(L, I, rows, I, rows));
        for (size_t J = 0; J < I; J += c) {
            gla_matrix sum = gla_new(n, rows, c), XIJ = block_of(X, I, rows, J, c);
            gla_product(sum, block_of(L, I, rows, J, I - J), block_of(X, J, I - J, J, c));
            gla_product(XIJ, XII, sum);
            gla_neg(XIJ, XIJ);
        }
        gla_release(n, mark);
    }
}

void delta_inverse_product(gla_matrix X, gla_matrix L) {
    gla_numbers *n = X.in;
    size_t mark = gla_mark(n), m = X.rows;
    gla_matrix power = gla_new(n, m, m); /* (-L)^p */
    gla_neg(power, L);
    gla_lower(power, true);
    set_identity(X);
    gla_add(X, X, power);
    for (size_t p = 2; p < m; p *= 2) {
        gla_matrix square = gla_new(n, m, m), factor = gla_new(n, m, m), product = gla_new(n, m, m);
        gla_product(square, power, power);
        gla_copy(factor, square);
        add_identity(factor);
        gla_product(product, X, factor);
        gla_copy(X, product);
        power = square;
    }
    gla_release(n, mark);
}

void delta_inverse(gla_matrix X, gla_matrix L, const gla_form *form) {
    if (form->solver == GLA_UT_BLOCKED)
        delta_inverse_blocked(X, L, (size_t)form->c);
    else if (form->solver == GLA_UT_PRODUCT)
        delta_inverse_product(X, L);
    else
        delta_inverse_rows(X, L);
}
