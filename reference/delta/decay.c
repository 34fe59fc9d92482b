/* SPDX-License-Identifier: Apache-2.0
 *
 * Decays inside a chunk; equations in decay.h.
 */
#include "decay.h"

#include "bounded.h"
#include "triangular.h"

gla_matrix delta_across(gla_matrix column, size_t cols) { return gla_spread(column, column.rows, cols); }

/* M [m,m]: the decay of every pair, one number per pair. */
static gla_matrix pair_decays(gla_numbers *n, gla_gates X, size_t m) {
    gla_matrix M = gla_new(n, m, m);
    for (size_t r = 0; r < m; r++)
        for (size_t i = 0; i <= r; i++) gla_decay_between(delta_columns(gla_row(M, r), i, 1), X, r, i);
    return M;
}

delta_decay delta_decay_of(gla_numbers *n, gla_matrix g, size_t dk, const gla_form *form) {
    delta_decay d = {.channel = {.c = (size_t)form->c}};
    if (gla_absent(g)) return d;
    gla_gates X = gla_gate_sum(n, g);
    size_t m = g.rows;
    bool per_head = g.cols == 1;
    gla_matrix into = gla_new(n, m, g.cols), out = gla_new(n, m, g.cols);
    for (size_t r = 0; r < m; r++) {
        gla_decay_in(gla_row(into, r), X, r);
        gla_decay_between(gla_row(out, r), X, m - 1, r);
    }
    if (per_head) {
        d.head = X;
        d.M = pair_decays(n, X, m);
    } else {
        d.channel.X = X;
        d.channel.factored = form->kind == GLA_CHUNKWISE_FACTORED;
        d.bounded = form->bounded;
    }
    d.into = per_head ? delta_across(into, dk) : into;
    d.out = per_head ? delta_across(out, dk) : out;
    d.through = gla_row(d.into, m - 1);
    return d;
}

void delta_scores(gla_matrix P, gla_matrix A, gla_matrix B, const delta_decay *d) {
    if (!d->head.present) {
        gated_scores(P, A, B, d->channel);
        if (d->bounded) delta_bounded_scores(P, A, B, d->channel);
        return;
    }
    gla_zero(P);
    gla_product(P, A, gla_transposed(B));
    gla_mul(P, P, d->M);
    gla_lower(P, false);
}

/* P * M. */
static gla_matrix decayed(gla_matrix P, const delta_decay *d, bool strict) {
    gla_matrix z = gla_new(P.in, P.rows, P.cols);
    gla_mul(z, P, d->M);
    gla_lower(z, strict);
    return z;
}

void delta_spread(gla_matrix Y, gla_matrix P, gla_matrix A, const delta_decay *d, bool strict) {
    if (!d->head.present) {
        gated_spread(Y, P, A, d->channel, strict);
        return;
    }
    size_t mark = gla_mark(Y.in);
    gla_product(Y, decayed(P, d, strict), A);
    gla_release(Y.in, mark);
}

void delta_collect(gla_matrix Y, gla_matrix P, gla_matrix A, const delta_decay *d, bool strict) {
    if (!d->head.present) {
        gated_collect(Y, P, A, d->channel, strict);
        return;
    }
    size_t mark = gla_mark(Y.in);
    gla_product(Y, gla_transposed(decayed(P, d, strict)), A);
    gla_release(Y.in, mark);
}
