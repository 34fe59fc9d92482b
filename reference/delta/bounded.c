/* SPDX-License-Identifier: Apache-2.0
 *
 * Diagonal sub-blocks by one anchor; equation and hazard in bounded.h.
 */
#include "bounded.h"

#include <math.h>

#include "triangular.h"

/* w [1,D] = e^(X_t - X_i) for any t and i: above 1 when t comes before i, infinite against a reset. */
static void either_way(gla_matrix w, gla_gates X, size_t t, size_t i) {
    if (t >= i) {
        gla_decay_between(w, X, t, i);
        return;
    }
    gla_sub(w, gla_row(X.sum, t), gla_row(X.sum, i));
    gla_exp(w, w);
    for (size_t j = 0; j < w.cols && w.in->status == GLA_OK; j++)
        if (X.epoch[t * w.cols + j] != X.epoch[i * w.cols + j]) w.in->ops->set_d(w.in, gla_at(w, 0, j), INFINITY);
}

/* Rows first .. of A times e^(X_r - X_h) (readers) or e^(X_h - X_i) (writers). */
static gla_matrix about(gla_matrix A, gla_gates X, size_t first, size_t count, bool readers) {
    gla_matrix out = gla_new(A.in, count, A.cols), w = gla_new(A.in, 1, A.cols);
    size_t h = first + count / 2;
    for (size_t r = 0; r < count; r++) {
        size_t t = first + r;
        either_way(w, X, readers ? t : h, readers ? h : t);
        gla_mul(gla_row(out, r), gla_row(A, t), w);
    }
    return out;
}

void delta_bounded_scores(gla_matrix P, gla_matrix A, gla_matrix B, gated_pairs x) {
    for (size_t first = 0; first < P.rows; first += x.c) {
        size_t mark = gla_mark(P.in), count = P.rows - first < x.c ? P.rows - first : x.c;
        gla_matrix block = delta_columns(gla_rows(P, first, count), first, count);
        gla_zero(block);
        gla_product(block, about(A, x.X, first, count, true), gla_transposed(about(B, x.X, first, count, false)));
        gla_lower(block, false);
        gla_release(P.in, mark);
    }
}
