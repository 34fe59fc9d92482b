/* SPDX-License-Identifier: Apache-2.0
 *
 * The normaliser as a value channel; equations in normaliser.h.
 */
#include "normaliser.h"

#include <math.h>

#include "../denominator.h"
#include "log_gates.h"

static size_t width(const mlstm_slice *x) { return x->dv + !x->options.unnormalised; }

/* The first dv columns, and the last one. */
static gla_matrix values(const mlstm_slice *x, gla_matrix S) { return gla_columns(S, 0, x->dv); }

static gla_matrix channel_of_ones(const mlstm_slice *x, gla_matrix S) { return gla_column(S, x->dv); }

mlstm_reads mlstm_new_reads(const mlstm_slice *x) {
    gla_numbers *n = x->in;
    mlstm_reads r = {.sq = gla_new(n, x->T, x->dk), .V = gla_new(n, x->T, width(x)), .num = gla_new(n, x->T, width(x))};
    r.m = gla_new(n, x->T, 1);
    r.den = gla_new(n, x->T, 1);
    gla_scale(r.sq, x->q, x->s);
    if (n->status != GLA_OK) return r;
    gla_copy(values(x, r.V), x->v);
    for (size_t t = 0; t < x->T && !x->options.unnormalised; t++) n->ops->set_d(n, gla_at(r.V, t, x->dv), 1);
    return r;
}

/* e^-m [T,1], infinite while nothing was written. */
static gla_matrix thresholds(const mlstm_slice *x, const mlstm_reads *r) {
    gla_numbers *n = x->in;
    gla_matrix least = gla_new(n, x->T, 1);
    for (size_t t = 0; t < x->T && n->status == GLA_OK; t++) {
        gla_matrix m = gla_row(r->m, t), z = gla_row(least, t);
        if (n->ops->get_d(n, m.at) == -INFINITY) {
            n->ops->set_d(n, z.at, INFINITY);
            continue;
        }
        gla_neg(z, m);
        gla_exp(z, z);
    }
    return least;
}

void mlstm_divide(const mlstm_slice *x, mlstm_reads *r) {
    if (x->options.unnormalised) {
        gla_copy(x->h, r->num);
        return;
    }
    size_t mark = gla_mark(x->in);
    gla_denominator(r->den, channel_of_ones(x, r->num), thresholds(x, r), x->eps);
    gla_divide_rows(x->h, values(x, r->num), r->den);
    gla_release(x->in, mark);
}

gla_matrix mlstm_read_gradients(const mlstm_slice *x, const mlstm_reads *r) {
    gla_matrix d = gla_new(x->in, x->T, width(x));
    if (x->options.unnormalised) {
        gla_copy(d, x->d_h);
        return d;
    }
    gla_divide_rows(values(x, d), x->d_h, r->den);
    if (x->options.truncated) return d;
    gla_denominator_back(channel_of_ones(x, d), x->d_h, values(x, r->num), channel_of_ones(x, r->num), thresholds(x, r),
                         r->den);
    return d;
}

/* [C, n] as one matrix; absent parts are 0. */
static gla_matrix joined(const mlstm_slice *x, gla_matrix C, gla_matrix n) {
    gla_matrix S = gla_new(x->in, x->dk, width(x));
    if (x->in->status != GLA_OK) return S;
    if (!gla_absent(C)) gla_copy(values(x, S), C);
    if (!gla_absent(n) && !x->options.unnormalised) gla_copy(channel_of_ones(x, S), n);
    return S;
}

static void part(const mlstm_slice *x, gla_matrix S, gla_matrix C, gla_matrix n) {
    if (x->in->status != GLA_OK) return;
    if (!gla_absent(C)) gla_copy(C, values(x, S));
    if (gla_absent(n)) return;
    if (x->options.unnormalised)
        gla_zero(n);
    else
        gla_copy(n, channel_of_ones(x, S));
}

gla_matrix mlstm_first_state(const mlstm_slice *x) {
    gla_matrix none = {0}, m = mlstm_first_stabiliser(x);
    bool empty = x->in->status == GLA_OK && x->in->ops->get_d(x->in, m.at) == -INFINITY;
    return joined(x, empty ? none : x->C0, empty ? none : x->n0);
}

gla_matrix mlstm_last_adjoint(const mlstm_slice *x) {
    return joined(x, x->dCT, x->options.truncated ? (gla_matrix){0} : x->dnT);
}

void mlstm_store_state(const mlstm_slice *x, gla_matrix S, gla_matrix m) {
    part(x, S, x->CT, x->nT);
    if (!gla_absent(x->mT)) gla_copy(x->mT, m);
}

void mlstm_store_adjoint(const mlstm_slice *x, gla_matrix F) {
    part(x, F, x->dC0, x->dn0);
    if (gla_absent(x->dm0)) return;
    gla_zero(x->dm0);
    if (!x->options.sigmoid) mlstm_inner_product(x->dm0, mlstm_first_state(x), F);
}

void mlstm_store_values(const mlstm_slice *x, gla_matrix dV) {
    if (x->in->status == GLA_OK) gla_copy(x->dv_, values(x, dV));
}

void mlstm_inner_product(gla_matrix z, gla_matrix A, gla_matrix B) {
    gla_row_dot(z, gla_over(A.in, A.at, 1, A.rows * A.cols), gla_over(B.in, B.at, 1, B.rows * B.cols));
}
