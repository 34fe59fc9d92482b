/* SPDX-License-Identifier: Apache-2.0
 *
 * The normaliser as a value channel of the gated core; equations in normalised.h.
 */
#include "normalised.h"

#include "../denominator.h"

/* The values' part of a matrix with dv + 1 columns, and the channel of ones. */
static gla_matrix values(gla_matrix wide) { return gla_columns(wide, 0, wide.cols - 1); }
static gla_matrix ones(gla_matrix wide) { return gla_column(wide, wide.cols - 1); }

/* [x, n]; an absent n is 0. */
static gla_matrix joined(gla_matrix x, gla_matrix n) {
    gla_matrix wide = gla_new(x.in, x.rows, x.cols + 1);
    if (x.in->status != GLA_OK) return wide;
    gla_copy(values(wide), x);
    if (!gla_absent(n)) gla_copy(ones(wide), n);
    return wide;
}

static void part(gla_matrix wide, gla_matrix x, gla_matrix n) {
    if (wide.in->status != GLA_OK) return;
    gla_copy(x, values(wide));
    if (!gla_absent(n)) gla_copy(n, ones(wide));
}

/* The slice with one value channel more. */
static gated_slice widened(const gated_slice *x, const gated_normaliser *z, bool backward) {
    gated_slice w = *x;
    gla_numbers *in = x->in;
    w.dv = x->dv + 1;
    w.v = joined(x->v, (gla_matrix){0});
    gla_fill(ones(w.v), 1);
    w.S0 = joined(x->S0, z->n0);
    w.o = gla_new(in, x->T, w.dv);
    w.ST = gla_new(in, x->dk, w.dv);
    if (!backward) return w;
    w.d_o = gla_new(in, x->T, w.dv);
    w.dST = joined(x->dST, z->dnT);
    w.dv_ = gla_new(in, x->T, w.dv);
    w.dS0 = gla_new(in, x->dk, w.dv);
    return w;
}

static void run(const gated_slice *x, const gated_normaliser *z, const gla_form *form) {
    gla_form forward = *form;
    forward.backward = false;
    gated_slice w = widened(x, z, form->backward);
    gated_run_form(&w, &forward);
    gla_matrix den = gla_new(x->in, x->T, 1), least = {0};
    if (!gla_absent(z->least)) least = gla_spread(z->least, x->T, 1);
    gla_denominator(den, ones(w.o), least, z->eps);
    gla_divide_rows(x->o, values(w.o), den);
    part(w.ST, x->ST, z->nT);
    if (!form->backward) return;
    gla_divide_rows(values(w.d_o), x->d_o, den);
    gla_denominator_back(ones(w.d_o), x->d_o, values(w.o), ones(w.o), least, den);
    gated_run_form(&w, form);
    if (x->in->status == GLA_OK) gla_copy(x->dv_, values(w.dv_));
    part(w.dS0, x->dS0, z->dn0);
}

void gated_run_normalised(const gated_slice *x, const gated_normaliser *z, const gla_form *form) {
    if (!gla_absent(x->gv) && x->in->status == GLA_OK) x->in->status = GLA_UNSUPPORTED;
    if (x->in->status != GLA_OK) return;
    size_t mark = gla_mark(x->in);
    run(x, z, form);
    gla_release(x->in, mark);
}
