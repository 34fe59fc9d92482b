/* SPDX-License-Identifier: Apache-2.0
 *
 * Gate gradients from the other gradients; equations in gate_route.h.
 */
#include "gate_route.h"

#include "../gated/gate_gradient.h"

/* All [rows,cols] numbers are 1. */
static gla_matrix ones(gla_numbers *n, size_t rows, size_t cols) { return gla_spread(gla_number(n, 1), rows, cols); }

/* z [m,D] += a*b, summed over channels if D = 1. */
static void add_terms(gla_matrix z, gla_matrix a, gla_matrix b) {
    if (z.cols == a.cols)
        gla_mul_add(z, a, b);
    else
        gla_row_dot(gla_transposed(z), a, b);
}

/* What is read and what is written, as the two sides of gate_gradient.h: reader and writer are 1. */
static gated_roles sides(gla_matrix dg, delta_roles x) {
    gla_numbers *n = dg.in;
    gla_matrix one = ones(n, dg.rows, dg.cols);
    gated_roles r = {one, gla_new(n, dg.rows, dg.cols), one, gla_new(n, dg.rows, dg.cols)};
    add_terms(r.dreader, x.q, x.dq);
    add_terms(r.dreader, x.k, x.dkr);
    add_terms(r.dwriter, x.k, x.dkw);
    return r;
}

void delta_gate_boundary(gla_matrix dg, gla_matrix A, gla_matrix B) {
    gla_zero(dg);
    if (dg.cols == A.rows) {
        gla_row_dot(dg, A, B);
        return;
    }
    size_t mark = gla_mark(dg.in);
    gla_row_dot(dg, gate_gradient_boundary(A, B), ones(dg.in, 1, A.rows));
    gla_release(dg.in, mark);
}

static gla_matrix boundary(gla_matrix dg, gla_matrix A, gla_matrix B) {
    gla_matrix z = gla_new(dg.in, 1, dg.cols);
    delta_gate_boundary(z, A, B);
    return z;
}

void delta_gate_anchor(gla_matrix dg, delta_roles x, gla_matrix F, gla_matrix S_out) {
    size_t mark = gla_mark(dg.in);
    gate_gradient_suffix(dg, sides(dg, x), boundary(dg, F, S_out));
    gla_release(dg.in, mark);
}

/* A gate per head: the pair (j,i) weighs dP_ji (sQ K^T)_ji + dKK_ji (K K^T)_ji. */
static void straddling_heads(gla_matrix dg, const delta_chunk *u, const delta_gradients *g) {
    gla_numbers *n = dg.in;
    gla_matrix W = gla_new(n, u->m, u->m), KK = gla_new(n, u->m, u->m), one = ones(n, u->m, 1);
    gla_product(W, u->sq, gla_transposed(u->k));
    gla_mul(W, W, g->dP);
    gla_product(KK, u->k, gla_transposed(u->k));
    gla_mul_add(W, KK, g->dKK);
    gate_gradient_straddling_pairs(dg, W, one, one, u->decay.head);
}

void delta_gate_straddle(gla_matrix dg, delta_roles inter, const delta_chunk *u, const delta_gradients *g, gla_matrix F,
                         gla_matrix S_in) {
    size_t mark = gla_mark(dg.in);
    gla_matrix DS = gla_new(dg.in, S_in.rows, S_in.cols);
    gla_copy(DS, S_in);
    gla_decay(DS, u->decay.through, (gla_matrix){0});
    gla_zero(dg);
    if (u->decay.head.present)
        straddling_heads(dg, u, g);
    else {
        gate_gradient_straddling_pairs(dg, g->dP, u->sq, u->k, u->decay.channel.X);
        gate_gradient_straddling_pairs(dg, g->dKK, u->k, u->k, u->decay.channel.X);
    }
    gate_gradient_straddling_states(dg, sides(dg, inter), boundary(dg, DS, F));
    gla_release(dg.in, mark);
}

void delta_gate_identity(const delta_slice *x, gla_gate_route route, delta_roles roles) {
    if (gla_absent(x->g)) return;
    size_t mark = gla_mark(x->in);
    if (route == GLA_ROUTE_PREFIX)
        gate_gradient_prefix(x->dg, sides(x->dg, roles), boundary(x->dg, x->S0, x->dS0));
    else if (route == GLA_ROUTE_SUFFIX || route == GLA_ROUTE_STRICT)
        gate_gradient_suffix(x->dg, sides(x->dg, roles), boundary(x->dg, x->ST, x->dST));
    gla_release(x->in, mark);
}
