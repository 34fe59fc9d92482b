/* SPDX-License-Identifier: Apache-2.0
 *
 * Sums over token pairs of a chunk; equations in pairs.h.
 */
#include "pairs.h"

#include <math.h>

/* A block of consecutive rows of the chunk. */
typedef struct span {
    size_t first, count;
} span;

static size_t least(size_t a, size_t b) { return a < b ? a : b; }

static span block(size_t index, size_t c, size_t m) {
    size_t first = index * c;
    return (span){first, least(c, m - first)};
}

static gla_matrix columns(gla_matrix P, size_t first, size_t count) {
    return gla_transposed(gla_rows(gla_transposed(P), first, count));
}

static gla_matrix part(gla_matrix P, span rows, span cols) {
    return columns(gla_rows(P, rows.first, rows.count), cols.first, cols.count);
}

/* A's rows of the span times their decay to or from the anchor row: e^(X_r - X_anchor) or e^(X_anchor - X_r). */
static gla_matrix weighed(gla_matrix A, span rows, gla_gates X, size_t anchor, bool from_anchor) {
    gla_matrix out = gla_new(A.in, rows.count, A.cols);
    gla_matrix w = gla_new(A.in, 1, A.cols);
    for (size_t r = 0; r < rows.count; r++) {
        size_t t = rows.first + r;
        gla_decay_between(w, X, from_anchor ? t : anchor, from_anchor ? anchor : t);
        gla_mul(gla_row(out, r), gla_row(A, t), w);
    }
    return out;
}

/* Row r of Y gains P_ri e^(X_r - X_i) * A_i (spread) or, for the writer, row i gains P_ri e^(X_r - X_i) * A_r. */
static void add_pair(gla_matrix Y, gla_matrix P, gla_matrix A, gla_gates X, size_t r, size_t i, bool to_reader,
                     gla_matrix w) {
    gla_decay_between(w, X, r, i);
    gla_mul(w, w, gla_row(A, to_reader ? i : r));
    gla_write(gla_row(Y, to_reader ? r : i), part(P, (span){r, 1}, (span){i, 1}), w);
}

/* ---- one anchor for everything: unsafe ---- */

/* A * e^X (sign = false) or A * e^-X; after a reset e^X is 0 and e^-X is infinite, as the products would have it. */
static gla_matrix lifted(gla_matrix A, gla_gates X, bool inverse) {
    gla_matrix out = gla_new(A.in, A.rows, A.cols), w = gla_new(A.in, 1, A.cols);
    for (size_t r = 0; r < A.rows; r++) {
        if (!inverse)
            gla_decay_in(w, X, r);
        else if (X.present) {
            gla_neg(w, gla_row(X.sum, r));
            gla_exp(w, w);
            for (size_t j = 0; j < A.cols; j++)
                if (X.epoch[r * A.cols + j] > 0) A.in->ops->set_d(A.in, gla_at(w, 0, j), INFINITY);
        }
        if (X.present)
            gla_mul(gla_row(out, r), gla_row(A, r), w);
        else
            gla_copy(gla_row(out, r), gla_row(A, r));
    }
    return out;
}

/* Rows of Y gain e^X (or e^-X for writers) times the masked product of P (or its transpose) with lifted A. */
static void factored_sum(gla_matrix Y, gla_matrix P, gla_matrix A, gla_gates X, bool to_reader, bool strict) {
    gla_matrix masked = gla_new(Y.in, P.rows, P.cols), sum = gla_new(Y.in, Y.rows, Y.cols);
    gla_copy(masked, P);
    gla_lower(masked, strict);
    gla_product(sum, to_reader ? masked : gla_transposed(masked), lifted(A, X, to_reader));
    gla_add(Y, Y, lifted(sum, X, !to_reader));
}

/* ---- the three sums ---- */

/* One diagonal block of scores: every pair with its own exponent. */
static void diagonal_scores(gla_matrix P, gla_matrix A, gla_matrix B, gla_gates X, span I) {
    gla_matrix w = gla_new(P.in, 1, A.cols);
    for (size_t r = I.first; r < I.first + I.count; r++)
        for (size_t i = I.first; i <= r; i++) {
            gla_decay_between(w, X, r, i);
            gla_mul(w, w, gla_row(B, i));
            gla_product(part(P, (span){r, 1}, (span){i, 1}), gla_row(A, r), gla_transposed(w));
        }
}

void gated_scores(gla_matrix P, gla_matrix A, gla_matrix B, gated_pairs x) {
    size_t mark = gla_mark(P.in), m = P.rows;
    gla_zero(P);
    if (!x.X.present || x.factored) {
        gla_product(P, lifted(A, x.X, false), gla_transposed(lifted(B, x.X, true)));
        gla_lower(P, false);
        gla_release(P.in, mark);
        return;
    }
    for (size_t bi = 0; bi * x.c < m; bi++) {
        span I = block(bi, x.c, m);
        gla_matrix left = weighed(A, I, x.X, I.first, true);
        for (size_t bj = 0; bj < bi; bj++) {
            span J = block(bj, x.c, m);
            gla_product(part(P, I, J), left, gla_transposed(weighed(B, J, x.X, I.first, false)));
        }
        diagonal_scores(P, A, B, x.X, I);
    }
    gla_release(P.in, mark);
}

void gated_spread(gla_matrix Y, gla_matrix P, gla_matrix A, gated_pairs x, bool strict) {
    size_t mark = gla_mark(Y.in), m = P.rows;
    if (!x.X.present || x.factored) {
        factored_sum(Y, P, A, x.X, true, strict);
        gla_release(Y.in, mark);
        return;
    }
    gla_matrix w = gla_new(Y.in, 1, A.cols);
    for (size_t bi = 0; bi * x.c < m; bi++) {
        span I = block(bi, x.c, m), before = {0, I.first};
        gla_matrix sum = gla_new(Y.in, I.count, A.cols);
        gla_product(sum, part(P, I, before), weighed(A, before, x.X, I.first, false));
        gla_matrix out = gla_rows(Y, I.first, I.count);
        gla_add(out, out, weighed(sum, (span){0, I.count}, gla_gate_rows(x.X, I.first, I.count), 0, true));
        for (size_t r = I.first; r < I.first + I.count; r++)
            for (size_t i = I.first; i < r + !strict; i++) add_pair(Y, P, A, x.X, r, i, true, w);
    }
    gla_release(Y.in, mark);
}

void gated_collect(gla_matrix Y, gla_matrix P, gla_matrix A, gated_pairs x, bool strict) {
    size_t mark = gla_mark(Y.in), m = P.rows;
    if (!x.X.present || x.factored) {
        factored_sum(Y, P, A, x.X, false, strict);
        gla_release(Y.in, mark);
        return;
    }
    gla_matrix w = gla_new(Y.in, 1, A.cols);
    for (size_t bi = 0; bi * x.c < m; bi++) {
        span I = block(bi, x.c, m);
        size_t end = I.first + I.count, last = end - 1;
        span after = {end, m - end};
        gla_matrix sum = gla_new(Y.in, I.count, A.cols);
        gla_product(sum, gla_transposed(part(P, after, I)), weighed(A, after, x.X, last, true));
        gla_matrix out = gla_rows(Y, I.first, I.count);
        gla_add(out, out, weighed(sum, (span){0, I.count}, gla_gate_rows(x.X, I.first, I.count), I.count - 1, false));
        for (size_t i = I.first; i < end; i++)
            for (size_t r = i + strict; r < end; r++) add_pair(Y, P, A, x.X, r, i, false, w);
    }
    gla_release(Y.in, mark);
}
