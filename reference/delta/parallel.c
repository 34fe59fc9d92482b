/* SPDX-License-Identifier: Apache-2.0
 *
 * The delta core, parallel (spec 9c-11c): chunk.h's equations with the whole sequence as one chunk and every pair's own
 * exponent, G = Gamma from t = 1.
 *
 *     U = (I+L)^-1 diag(beta) (V - Kg S_0) ;  O = (sQ*e^G) S_0 + P U ;  S_T = diag(e^G_T) S_0 + (K*e^(G_T-G))^T U
 *     with S_0 = 0: O = Att V, Att = P X diag(beta), X = (I+L)^-1
 *
 * Precision: a weight's relative error is the absolute error of G_t - G_i, about u |G_t|, as in gated/parallel.c.
 * Cost: T(T+1)/2 exps per channel for each of P and KK, T(T-1) dv flops for the solve.
 */
#include "chunk.h"
#include "inverse.h"

/* The same form with one chunk for everything. */
static gla_form whole(const delta_slice *x, const gla_form *form) {
    gla_form one = *form;
    one.kind = GLA_CHUNKWISE;
    one.C = one.c = x->T ? (int64_t)x->T : 1;
    if (one.route == GLA_ROUTE_DEFAULT) one.route = GLA_ROUTE_SUFFIX;
    return one;
}

void delta_parallel(const delta_slice *x, const gla_form *form) {
    gla_form one = whole(x, form);
    delta_chunkwise(x, &one);
}

void delta_attention(const delta_slice *x, gla_matrix Att) {
    gla_zero(Att);
    if (x->T == 0) return;
    gla_numbers *n = x->in;
    size_t mark = gla_mark(n), T = x->T;
    gla_form one = whole(x, &(gla_form){.kind = GLA_PARALLEL});
    gla_matrix sq = gla_new(n, T, x->dk), P = gla_new(n, T, T), X = gla_new(n, T, T);
    gla_scale(sq, x->q, x->s);
    delta_chunk u = delta_chunk_at(x, &one, sq, 0);
    delta_scores(P, u.sq, u.k, &u.decay);
    delta_inverse_rows(X, u.L);
    gla_mul(X, X, gla_transposed(delta_across(u.beta, T)));
    gla_product(Att, P, X);
    gla_release(n, mark);
    n->chunk = -1;
}
