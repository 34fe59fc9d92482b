/* SPDX-License-Identifier: Apache-2.0
 *
 * Gate gradients from the other gradients; equations and hazards in gate_gradient.h.
 */
#include "gate_gradient.h"

gla_matrix gate_gradient_shared(gla_matrix x, size_t cols) {
    if (cols == x.cols) return x;
    gla_matrix sum = gla_new(x.in, x.rows, 1);
    for (size_t i = 0; i < x.cols; i++) gla_add(sum, sum, gla_column(x, i));
    return sum;
}

/* A*B [T,D], or its sums over channels [T,1]. */
static gla_matrix product_of(gla_matrix A, gla_matrix B, size_t cols) {
    gla_matrix z = gla_new(A.in, A.rows, cols);
    if (cols == A.cols)
        gla_mul(z, A, B);
    else
        gla_row_dot(gla_transposed(z), A, B);
    return z;
}

/* d = reader*dreader - writer*dwriter, announced as a site: from here on errors of neighbours are correlated. */
static gla_matrix difference(gated_roles x, size_t cols) {
    gla_matrix d = product_of(x.reader, x.dreader, cols);
    gla_sub(d, d, product_of(x.writer, x.dwriter, cols));
    gla_round_at(d, GLA_SITE_GATE_TERM);
    return d;
}

void gate_gradient_suffix(gla_matrix dg, gated_roles x, gla_matrix end) {
    if (dg.rows == 0) return;
    size_t mark = gla_mark(dg.in);
    gla_matrix d = difference(x, dg.cols);
    gla_matrix last = gla_row(d, d.rows - 1);
    gla_add(last, last, gate_gradient_shared(end, dg.cols));
    gla_suffix_sum(dg, d);
    gla_release(dg.in, mark);
}

void gate_gradient_prefix(gla_matrix dg, gated_roles x, gla_matrix start) {
    if (dg.rows == 0) return;
    size_t mark = gla_mark(dg.in);
    gla_matrix before = gla_new(dg.in, dg.rows, dg.cols);
    gla_prefix_sum(before, difference(x, dg.cols));
    start = gate_gradient_shared(start, dg.cols);
    for (size_t t = 0; t < dg.rows; t++) gla_sub(gla_row(dg, t), start, gla_row(before, t));
    gla_release(dg.in, mark);
}

void gate_gradient_straddling_pairs(gla_matrix dg, gla_matrix W, gla_matrix reader, gla_matrix writer,
                                    gla_gates gates) {
    gla_numbers *n = dg.in;
    size_t mark = gla_mark(n);
    gla_matrix crossing = gla_new(n, 1, reader.cols), term = gla_new(n, 1, reader.cols);
    for (size_t j = 1; j < dg.rows; j++) {
        gla_zero(crossing); /* sum over writers i < r, all read at j >= r */
        for (size_t r = 1; r <= j; r++) {
            size_t i = r - 1;
            gla_decay_between(term, gates, j, i);
            gla_mul(term, term, gla_row(writer, i));
            gla_mul(term, term, gla_row(reader, j));
            gla_matrix Wji = gla_transposed(gla_row(W, j));
            gla_scale(term, term, gla_row(Wji, i));
            gla_add(crossing, crossing, term);
            gla_add(gla_row(dg, r), gla_row(dg, r), gate_gradient_shared(crossing, dg.cols));
        }
    }
    gla_release(n, mark);
}

void gate_gradient_straddling_states(gla_matrix dg, gated_roles inter, gla_matrix through) {
    gla_numbers *n = dg.in;
    size_t mark = gla_mark(n);
    gla_matrix read = product_of(inter.reader, inter.dreader, dg.cols), sum = gla_new(n, dg.rows, dg.cols);
    gla_round_at(read, GLA_SITE_GATE_TERM);
    gla_suffix_sum(sum, read);
    gla_add(dg, dg, sum);
    gla_matrix written = product_of(inter.writer, inter.dwriter, dg.cols);
    through = gate_gradient_shared(through, dg.cols);
    gla_round_at(written, GLA_SITE_GATE_TERM);
    gla_prefix_sum(sum, written);
    gla_add(dg, dg, sum);
    for (size_t r = 0; r < dg.rows; r++) gla_add(gla_row(dg, r), gla_row(dg, r), through);
    gla_release(n, mark);
}

gla_matrix gate_gradient_boundary(gla_matrix A, gla_matrix B) {
    gla_matrix end = gla_new(A.in, 1, A.rows);
    gla_row_dot(end, A, B);
    return end;
}

void gate_gradient_identity(const gated_slice *x, gla_gate_route route, gated_roles key, gated_roles value) {
    bool prefix = route == GLA_ROUTE_PREFIX;
    if (!prefix && route != GLA_ROUTE_SUFFIX && route != GLA_ROUTE_STRICT) return;
    gla_matrix S = prefix ? x->S0 : x->ST, dS = prefix ? x->dS0 : x->dST;
    void (*route_of)(gla_matrix, gated_roles, gla_matrix) = prefix ? gate_gradient_prefix : gate_gradient_suffix;
    if (!gla_absent(x->gk)) route_of(x->dgk, key, gate_gradient_boundary(S, dS));
    if (!gla_absent(x->gv)) route_of(x->dgv, value, gate_gradient_boundary(gla_transposed(S), gla_transposed(dS)));
}
