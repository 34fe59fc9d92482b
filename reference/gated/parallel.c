/* SPDX-License-Identifier: Apache-2.0
 *
 * GLA, parallel in log space (spec 1c, 1e): the whole T x T triangle at once, G and E cumulative log gates from t = 1.
 *
 *     P_ti = sum_c s q_tc k_ic e^(G_tc - G_ic)                                                            i <= t
 *     o_t  = sum_{i<=t} P_ti e^(E_t-E_i)*v_i + e^E_t*(S_0^T (e^G_t*s q_t))
 *     S_T  = outer(e^G_T,e^E_T)*S_0 + (K*e^(G_T-G))^T (V*e^(E_T-E))
 *     dP_ti = sum_x do_tx v_ix e^(E_tx-E_ix)
 *     dq_t = s [ sum_{i<=t} dP_ti k_i*e^(G_t-G_i) + e^G_t*(S_0 (e^E_t*do_t)) ]
 *     dk_i = sum_{t>=i} dP_ti s q_t*e^(G_t-G_i) + e^(G_T-G_i)*(dS_fin (e^(E_T-E_i)*v_i))
 *     dv_i = sum_{t>=i} P_ti e^(E_t-E_i)*do_t + e^(E_T-E_i)*(dS_fin^T (e^(G_T-G_i)*k_i))
 *     dS_0 = outer(e^G_T,e^E_T)*dS_fin + (sQ*e^G)^T (e^E*dO)
 *
 * Every exponent is <= 0: no overflow, and what underflows is truly that small. One exp per (t, i, channel).
 * Precision: a weight's relative error is the absolute error of G_t - G_i, about u |G_t|: a global cumulative sum
 * loses digits over long T (5e-4 at |G| = 2e3 in binary32). Chunk-local sums (chunkwise.c) do not.
 */
#include "gate_gradient.h"

/* Everything with one row per token: decays in from the start and out to the end, absent gates give ones. */
typedef struct triangle {
    gla_gates G, E;
    gla_matrix sq;          /* [T,dk] */
    gla_matrix P, dP;       /* [T,T] */
    gla_matrix into, out;   /* [T,dk] e^G, e^(G_T - G) */
    gla_matrix vinto, vout; /* [T,dv] e^E, e^(E_T - E) */
} triangle;

static void fill_decays(gla_gates g, gla_matrix into, gla_matrix out) {
    for (size_t t = 0; t < into.rows; t++) {
        gla_decay_in(gla_row(into, t), g, t);
        gla_decay_between(gla_row(out, t), g, into.rows - 1, t);
    }
}

/* W [T,T] lower: W_ti = sum_c A_tc B_ic e^(X_tc - X_ic). */
static gla_matrix weights(gla_matrix A, gla_matrix B, gla_gates X) {
    gla_matrix W = gla_new(A.in, A.rows, A.rows), w = gla_new(A.in, 1, A.cols);
    for (size_t t = 0; t < A.rows; t++)
        for (size_t i = 0; i <= t; i++) {
            gla_decay_between(w, X, t, i);
            gla_mul(w, w, gla_row(B, i));
            gla_matrix Wti = gla_row(gla_transposed(gla_row(W, t)), i);
            gla_product(Wti, gla_row(A, t), gla_transposed(w));
        }
    return W;
}

/* The pair (t,i)'s share W_ti e^(X_t - X_i)*a is added to z. */
static void add_pair(gla_matrix z, gla_matrix W, gla_gates X, size_t t, size_t i, gla_matrix a, gla_matrix w) {
    gla_decay_between(w, X, t, i);
    gla_mul(w, w, a);
    gla_write(z, gla_row(gla_transposed(gla_row(W, t)), i), w);
}

/* z_t += sum_{i<=t} W_ti e^(X_t-X_i)*A_i (by rows), or z_i += sum_{t>=i} W_ti e^(X_t-X_i)*A_t (by columns); the pair
 * t = i is left out when strict. */
static void sum_rows(gla_matrix z, gla_matrix W, gla_gates X, gla_matrix A, bool strict) {
    gla_matrix w = gla_new(z.in, 1, A.cols);
    for (size_t t = 0; t < z.rows; t++)
        for (size_t i = 0; i < t + !strict; i++) add_pair(gla_row(z, t), W, X, t, i, gla_row(A, i), w);
}

static void sum_columns(gla_matrix z, gla_matrix W, gla_gates X, gla_matrix A, bool strict) {
    gla_matrix w = gla_new(z.in, 1, A.cols);
    for (size_t i = 0; i < z.rows; i++)
        for (size_t t = i + strict; t < z.rows; t++) add_pair(gla_row(z, i), W, X, t, i, gla_row(A, t), w);
}

static triangle make(const gated_slice *x) {
    gla_numbers *n = x->in;
    triangle p = {.G = gla_gate_sum(n, x->gk), .E = gla_gate_sum(n, x->gv), .sq = gla_new(n, x->T, x->dk)};
    gla_scale(p.sq, x->q, x->s);
    p.into = gla_new(n, x->T, x->dk);
    p.out = gla_new(n, x->T, x->dk);
    p.vinto = gla_new(n, x->T, x->dv);
    p.vout = gla_new(n, x->T, x->dv);
    fill_decays(p.G, p.into, p.out);
    fill_decays(p.E, p.vinto, p.vout);
    p.P = weights(p.sq, x->k, p.G);
    return p;
}

static gla_matrix product_of(gla_matrix x, gla_matrix y) {
    gla_matrix z = gla_new(x.in, x.rows, x.cols);
    gla_mul(z, x, y);
    return z;
}

/* z += inner*(A B), A B a product of matrices. */
static void add_weighed_product(gla_matrix z, gla_matrix inner, gla_matrix A, gla_matrix B) {
    gla_matrix AB = gla_new(z.in, z.rows, z.cols);
    gla_product(AB, A, B);
    gla_mul_add(z, inner, AB);
}

/* S = outer(decay over everything)*S_in + A^T B. */
static void end_state(gla_matrix S, gla_matrix S_in, const triangle *p, gla_matrix A, gla_matrix B) {
    gla_copy(S, S_in);
    if (A.rows) gla_decay(S, gla_row(p->into, A.rows - 1), gla_row(p->vinto, A.rows - 1));
    gla_product(S, gla_transposed(A), B);
}

static void forward(const gated_slice *x, const triangle *p, gla_matrix o, bool strict) {
    gla_zero(o);
    sum_rows(o, p->P, p->E, x->v, strict);
    add_weighed_product(o, p->vinto, product_of(p->sq, p->into), x->S0);
}

static void gradients(const gated_slice *x, const triangle *p, gla_matrix dq, gla_matrix dk, gla_matrix dv,
                      bool strict) {
    gla_zero(dq);
    sum_rows(dq, p->dP, p->G, x->k, strict);
    add_weighed_product(dq, p->into, product_of(x->d_o, p->vinto), gla_transposed(x->S0));
    gla_scale(dq, dq, x->s);
    gla_zero(dk);
    sum_columns(dk, p->dP, p->G, p->sq, strict);
    add_weighed_product(dk, p->out, product_of(x->v, p->vout), gla_transposed(x->dST));
    gla_zero(dv);
    sum_columns(dv, p->P, p->E, x->d_o, strict);
    add_weighed_product(dv, p->vout, product_of(x->k, p->out), x->dST);
}

/* L5 with the whole sequence as one chunk. */
static void straddle(const gated_slice *x, const triangle *p) {
    gla_numbers *n = x->in;
    gla_matrix DS = gla_new(n, x->dk, x->dv);
    gla_copy(DS, x->S0);
    if (x->T) gla_decay(DS, gla_row(p->into, x->T - 1), gla_row(p->vinto, x->T - 1));
    gla_matrix dq = gla_new(n, x->T, x->dk), dk = gla_new(n, x->T, x->dk);
    gla_matrix dv = gla_new(n, x->T, x->dv), o = gla_new(n, x->T, x->dv);
    add_weighed_product(dq, p->into, product_of(x->d_o, p->vinto), gla_transposed(x->S0));
    gla_scale(dq, dq, x->s);
    add_weighed_product(dk, p->out, product_of(x->v, p->vout), gla_transposed(x->dST));
    add_weighed_product(dv, p->vout, product_of(x->k, p->out), x->dST);
    add_weighed_product(o, p->vinto, product_of(p->sq, p->into), x->S0);
    if (!gla_absent(x->gk)) {
        gla_zero(x->dgk);
        gate_gradient_straddling_pairs(x->dgk, p->dP, p->sq, x->k, p->G);
        gate_gradient_straddling_states(x->dgk, (gated_roles){x->q, dq, x->k, dk}, gate_gradient_boundary(DS, x->dST));
    }
    if (!gla_absent(x->gv)) {
        gla_zero(x->dgv);
        gate_gradient_straddling_pairs(x->dgv, p->P, x->d_o, x->v, p->E);
        gate_gradient_straddling_states(x->dgv, (gated_roles){o, x->d_o, x->v, dv},
                                        gate_gradient_boundary(gla_transposed(DS), gla_transposed(x->dST)));
    }
}

static void backward(const gated_slice *x, triangle *p, gla_gate_route route) {
    p->dP = weights(x->d_o, x->v, p->E);
    gradients(x, p, x->dq, x->dk_, x->dv_, false);
    end_state(x->dS0, x->dST, p, product_of(p->sq, p->into), product_of(x->d_o, p->vinto));
    gated_roles key = {x->q, x->dq, x->k, x->dk_}, value = {x->o, x->d_o, x->v, x->dv_};
    if (route == GLA_ROUTE_STRICT) {
        key.dreader = gla_new(x->in, x->T, x->dk);
        key.dwriter = gla_new(x->in, x->T, x->dk);
        value.reader = gla_new(x->in, x->T, x->dv);
        value.dwriter = gla_new(x->in, x->T, x->dv);
        gradients(x, p, key.dreader, key.dwriter, value.dwriter, true);
        forward(x, p, value.reader, true);
    }
    if (route == GLA_ROUTE_STRADDLE) straddle(x, p);
    gate_gradient_identity(x, route, key, value);
}

void gated_parallel(const gated_slice *x, const gla_form *form) {
    size_t mark = gla_mark(x->in);
    triangle p = make(x);
    forward(x, &p, x->o, false);
    end_state(x->ST, x->S0, &p, product_of(x->k, p.out), product_of(x->v, p.vout));
    if (form->backward) backward(x, &p, form->route == GLA_ROUTE_DEFAULT ? GLA_ROUTE_SUFFIX : form->route);
    gla_release(x->in, mark);
}
