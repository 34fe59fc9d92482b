/* SPDX-License-Identifier: Apache-2.0
 *
 * One gated side of a chunk, and the pairs of its strong channels; equations in paired_side.h.
 */
#include "paired_side.h"

#include <math.h>

/* ---- the factors ---- */

/* Gamma [m,D]. */
static gla_matrix sums_from_the_first(gla_matrix g) {
    gla_matrix Gamma = gated_weighed(g, (gla_matrix){0});
    for (size_t t = 1; t < g.rows; t++) gla_add(gla_row(Gamma, t), gla_row(Gamma, t - 1), gla_row(g, t));
    gla_round_at(Gamma, GLA_SITE_GATE_SUM);
    return Gamma;
}

/* Delta [m,D]. */
static gla_matrix sums_to_the_last(gla_matrix g) {
    gla_matrix Delta = gla_new(g.in, g.rows, g.cols);
    for (size_t t = g.rows - 1; t-- > 0;) gla_add(gla_row(Delta, t), gla_row(g, t + 1), gla_row(Delta, t + 1));
    gla_round_at(Delta, GLA_SITE_GATE_SUM);
    return Delta;
}

static void put(gla_matrix z, size_t i, size_t j, double value) {
    if (z.in->status == GLA_OK) z.in->ops->set_d(z.in, gla_at(z, i, j), value);
}

static void find_strong(paired_side *x, gla_matrix Gamma, double limit) {
    gla_numbers *n = Gamma.in;
    for (size_t c = 0; c < Gamma.cols; c++)
        for (size_t t = 0; n->status == GLA_OK && t < Gamma.rows; t++)
            if (!(fabs(n->ops->get_d(n, gla_at(Gamma, t, c))) <= limit)) put(x->strong, 0, c, 1);
}

bool paired_strong(const paired_side *x, size_t c) {
    if (gla_absent(x->strong) || x->strong.in->status != GLA_OK) return false;
    return x->strong.in->ops->get_d(x->strong.in, gla_at(x->strong, 0, c)) != 0;
}

/* enter, leave, mid. */
static void set_reference(paired_side *x, gla_matrix last) {
    gla_matrix half = gla_new(last.in, 1, 1);
    put(half, 0, 0, 0.5);
    for (size_t c = 0; c < last.cols; c++) {
        gla_matrix enter = gla_column(x->enter, c), end = gla_column(last, c);
        if (paired_strong(x, c)) {
            gla_exp(gla_column(x->mid, c), end);
            continue;
        }
        gla_scale(enter, end, half);
        gla_sub(gla_column(x->leave, c), end, enter);
        put(x->mid, 0, c, 1);
    }
}

paired_side paired_side_of(gla_matrix g, double limit) {
    if (gla_absent(g)) return (paired_side){0};
    gla_numbers *n = g.in;
    size_t m = g.rows, D = g.cols;
    paired_side x = {
        g, gla_new(n, m, D), gla_new(n, m, D), gla_new(n, 1, D), gla_new(n, 1, D), gla_new(n, 1, D), gla_new(n, 1, D)};
    gla_matrix Gamma = sums_from_the_first(g), Delta = sums_to_the_last(g);
    find_strong(&x, Gamma, limit);
    set_reference(&x, gla_row(Gamma, m - 1));
    for (size_t t = 0; t < m; t++) { /* a strong channel enters with 0 */
        gla_sub(gla_row(x.into, t), gla_row(Gamma, t), x.enter);
        gla_sub(gla_row(x.out, t), x.enter, gla_row(Gamma, t));
    }
    for (size_t c = 0; c < D; c++)
        if (paired_strong(&x, c)) gla_copy(gla_column(x.out, c), gla_column(Delta, c));
    gla_exp(x.into, x.into);
    gla_exp(x.out, x.out);
    return x;
}

/* ---- pairs of one strong channel, whose columns are [m,1] ---- */

static gla_matrix rows_from(gla_matrix column, size_t j) { return gla_rows(column, j, column.rows - j); }

/* D_ji for i = j .. m-1, [m-j,1]. */
static gla_matrix decays_from(gla_matrix g, size_t j) {
    gla_matrix D = gla_new(g.in, g.rows - j, 1);
    for (size_t i = 1; i < D.rows; i++) gla_add(gla_row(D, i), gla_row(D, i - 1), gla_row(g, j + i));
    gla_round_at(D, GLA_SITE_GATE_SUM);
    gla_exp(D, D);
    return D;
}

/* x_ji = writer_j D_ji for i = j .. m-1. */
static gla_matrix sent_from(gla_matrix g, gla_matrix writer, size_t j) {
    gla_matrix x = decays_from(g, j);
    gla_scale(x, x, gla_row(writer, j));
    return x;
}

static void channel_scores(gla_matrix P, gla_matrix g, gla_matrix reader, gla_matrix writer) {
    for (size_t j = 0; j < g.rows; j++) {
        size_t mark = gla_mark(g.in);
        gla_mul_add(rows_from(gla_column(P, j), j), rows_from(reader, j), sent_from(g, writer, j));
        gla_release(g.in, mark);
    }
}

static void channel_read(gla_matrix Z, gla_matrix W, gla_matrix g, gla_matrix writer) {
    for (size_t j = 0; j < g.rows; j++) {
        size_t mark = gla_mark(g.in);
        gla_mul_add(rows_from(Z, j), rows_from(gla_column(W, j), j), sent_from(g, writer, j));
        gla_release(g.in, mark);
    }
}

static void channel_written(gla_matrix Y, gla_matrix W, gla_matrix g, gla_matrix reader) {
    for (size_t j = 0; j < g.rows; j++) {
        size_t mark = gla_mark(g.in);
        gla_matrix y = decays_from(g, j);
        gla_mul(y, y, rows_from(reader, j));
        gla_row_dot(gla_row(Y, j), gla_transposed(rows_from(gla_column(W, j), j)), gla_transposed(y));
        gla_release(g.in, mark);
    }
}

/* dg_r += sum_{i>=r} (W_ij x_ji) reader_i for every r > j, j ascending. */
static void channel_crossing(gla_matrix dg, gla_matrix W, gla_matrix g, gla_matrix reader, gla_matrix writer) {
    for (size_t j = 0; j + 1 < g.rows; j++) {
        size_t mark = gla_mark(g.in);
        gla_matrix term = sent_from(g, writer, j), after = rows_from(dg, j + 1);
        gla_mul(term, rows_from(gla_column(W, j), j), term);
        gla_mul(term, term, rows_from(reader, j));
        term = rows_from(term, 1);
        gla_suffix_sum(term, term);
        gla_add(after, after, term);
        gla_release(g.in, mark);
    }
}

/* ---- the sums of a side ---- */

void paired_scores(const paired_side *x, gla_matrix P, gla_matrix reader, gla_matrix writer) {
    for (size_t c = 0; c < reader.cols; c++)
        if (paired_strong(x, c)) channel_scores(P, gla_column(x->g, c), gla_column(reader, c), gla_column(writer, c));
}

static gla_matrix mild_part(const paired_side *x, gla_matrix reader) {
    if (gla_absent(reader)) return reader;
    gla_matrix z = gated_weighed(reader, (gla_matrix){0});
    for (size_t c = 0; c < z.cols; c++)
        if (paired_strong(x, c)) gla_zero(gla_column(z, c));
    return z;
}

gated_parts paired_mild(const paired_side *x, gated_parts reader) {
    return (gated_parts){mild_part(x, reader.hi), mild_part(x, reader.lo)};
}

static gla_matrix plus_product(gla_matrix inter, gated_parts W, gated_parts A) {
    gla_matrix Z = gated_weighed(inter, (gla_matrix){0});
    gated_product(Z, W, A);
    return Z;
}

void paired_add_products(paired_roles *x) {
    x->dreader = plus_product(x->inter.dreader, x->W, x->writerh);
    x->dwriter = plus_product(x->inter.dwriter, gated_parts_transposed(x->W), x->readerh);
}

/* The mild channels of `whole` and the strong ones of `inter`, weighed. */
static gla_matrix weighed_by_kind(const paired_side *x, gla_matrix whole, gla_matrix inter, gla_matrix weight) {
    gla_matrix Z = gated_weighed(whole, (gla_matrix){0});
    for (size_t c = 0; c < Z.cols; c++)
        if (paired_strong(x, c)) gla_copy(gla_column(Z, c), gla_column(inter, c));
    return gated_weighed(Z, weight);
}

gla_matrix paired_read(const paired_side *x, const paired_roles *r) {
    gla_matrix Z = weighed_by_kind(x, r->dreader, r->inter.dreader, x->into), W = gated_whole(r->W);
    for (size_t c = 0; c < Z.cols; c++)
        if (paired_strong(x, c)) channel_read(gla_column(Z, c), W, gla_column(x->g, c), gla_column(r->writer, c));
    return Z;
}

gla_matrix paired_written(const paired_side *x, const paired_roles *r) {
    gla_matrix Y = weighed_by_kind(x, r->dwriter, r->inter.dwriter, x->out), W = gated_whole(r->W);
    for (size_t c = 0; c < Y.cols; c++)
        if (paired_strong(x, c)) channel_written(gla_column(Y, c), W, gla_column(x->g, c), gla_column(r->reader, c));
    return Y;
}

/* ---- dg ---- */

static void mild_gate_gradient(gla_matrix dg, const paired_roles *r, size_t c, gla_matrix end) {
    gated_roles whole = {gla_column(r->inter.reader, c), gla_column(r->dreader, c), gla_column(r->inter.writer, c),
                         gla_column(r->dwriter, c)};
    gla_row_dot(end, gla_transposed(whole.writer), gla_transposed(gla_column(r->inter.dwriter, c)));
    gate_gradient_suffix(dg, whole, end);
}

static void strong_gate_gradient(gla_matrix dg, const paired_side *x, const paired_roles *r, size_t c, gla_matrix W,
                                 gla_matrix through) {
    gated_roles inter = {gla_column(r->inter.reader, c), gla_column(r->inter.dreader, c),
                         gla_column(r->inter.writer, c), gla_column(r->inter.dwriter, c)};
    gla_mul(through, through, gla_column(x->mid, c));
    gla_zero(dg);
    gate_gradient_straddling_states(dg, inter, through);
    channel_crossing(dg, W, gla_column(x->g, c), gla_column(r->reader, c), gla_column(r->writer, c));
}

void paired_gate_gradient(const paired_side *x, const paired_roles *r, gla_matrix dg, gla_matrix S, gla_matrix G) {
    gla_matrix boundary = gate_gradient_boundary(S, G), W = gated_whole(r->W);
    gla_matrix wide = dg.cols == boundary.cols ? dg : gla_new(dg.in, dg.rows, boundary.cols);
    for (size_t c = 0; dg.in->status == GLA_OK && c < wide.cols; c++) {
        if (paired_strong(x, c))
            strong_gate_gradient(gla_column(wide, c), x, r, c, W, gla_column(boundary, c));
        else
            mild_gate_gradient(gla_column(wide, c), r, c, gla_column(boundary, c));
    }
    if (dg.cols < wide.cols) gla_copy(dg, gate_gradient_shared(wide, dg.cols));
}
