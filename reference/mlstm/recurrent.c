/* SPDX-License-Identifier: Apache-2.0
 *
 * mLSTM, recurrent: the definition (spec 8b, 8e), with S = [C, n] and v~ = [v, 1] (normaliser.h).
 *
 *     forward   m_t = max(log f_t + m_{t-1}, log i_t) ;  fa_t = e^(log f_t + m_{t-1} - m_t) ;  ia_t = e^(log i_t - m_t)
 *               Z_t = fa_t S_{t-1} ;  S_t = Z_t + (ia_t k_t) v~_t^T ;  num_t = S_t^T (s q_t)
 *     backward  F_T = [dC_T, dn_T] ;  R_t = F_t + (s q_t) dnum_t^T ;  F_{t-1} = fa_t R_t
 *               dq_t = s S_t dnum_t ;  dk_t = ia_t R_t v~_t ;  dv~_t = R_t^T (ia_t k_t)
 *               d log i_t = k_t.dk_t ;  d log f_t = <R_t, Z_t>                                        (direct route)
 *                                or suffix: <F_T, S_T> + sum_{u>=t} (q_u.dq_u - k_u.dk_u)
 *
 * Shapes: S, Z, R, F [dk,W]. One token after the other; fa, ia <= 1, so nothing overflows whatever i.
 * Rounding: log f_t + m_{t-1} is announced as a sum of gates, for its error is in every later m: where log f is below
 * m's last place (gates near 1) each token loses it whole, and what is lost adds up.
 * Precision: one rounding per operation, the write is an fma; the direct route does not cancel.
 * Cost: forward 5 T dk W flops. Memory: the backward keeps every sqrt(T)-th state and recomputes the others.
 */
#include <math.h>

#include "gate_gradients.h"
#include "log_gates.h"
#include "normaliser.h"

/* The decay and the write of every token. */
typedef struct steps {
    gla_matrix fa;    /* [T,1] */
    gla_matrix ia, K; /* [T,1], [T,dk] ia_t k_t */
} steps;

/* z = e^-max(x, 0), [1,1]. */
static void decay_by(gla_matrix z, gla_matrix x) {
    size_t mark = gla_mark(z.in);
    gla_max(z, x, gla_new(z.in, 1, 1));
    gla_neg(z, z);
    gla_exp(z, z);
    gla_release(z.in, mark);
}

/* fa = e^(kept - m), ia = e^(log i - m) for m = max(kept, log i), both 0 while nothing was written. They are made of
 * log i - kept: one of them is 1 whatever the error of m, which is in the units of the state and not in its decay. */
static void stabilised_weights(gla_matrix fa, gla_matrix ia, gla_matrix kept, gla_matrix log_i) {
    gla_numbers *n = fa.in;
    if (n->status != GLA_OK) return;
    if (n->ops->get_d(n, kept.at) == -INFINITY && n->ops->get_d(n, log_i.at) == -INFINITY) {
        gla_zero(fa);
        gla_zero(ia);
        return;
    }
    size_t mark = gla_mark(n);
    gla_matrix over = gla_new(n, 1, 1);
    gla_sub(over, log_i, kept);
    decay_by(fa, over);
    gla_neg(over, over);
    decay_by(ia, over);
    gla_release(n, mark);
}

/* fa, ia and m of all tokens; m is left at m_T. */
static steps stabilised_steps(const mlstm_slice *x, mlstm_gates g, mlstm_reads *r, gla_matrix m) {
    gla_numbers *n = x->in;
    steps p = {gla_new(n, x->T, 1), gla_new(n, x->T, 1), gla_new(n, x->T, x->dk)};
    gla_matrix kept = gla_new(n, 1, 1);
    for (size_t t = 0; t < x->T; t++) {
        n->token = (int64_t)t;
        gla_matrix log_i = gla_row(g.i, t), fa = gla_row(p.fa, t), ia = gla_row(p.ia, t);
        gla_add(kept, gla_row(g.f, t), m);
        if (x->options.sigmoid) {
            gla_exp(fa, kept);
            gla_exp(ia, log_i);
        } else {
            gla_round_at(kept, GLA_SITE_GATE_SUM);
            gla_max(m, kept, log_i);
            stabilised_weights(fa, ia, kept, log_i);
        }
        gla_scale(gla_row(p.K, t), gla_row(x->k, t), ia);
        gla_copy(gla_row(r->m, t), m);
    }
    return p;
}

/* S becomes S_t; Z (may be absent) keeps the decayed state. */
static void step(const mlstm_slice *x, const mlstm_reads *r, const steps *p, size_t t, gla_matrix S, gla_matrix Z) {
    x->in->token = (int64_t)t;
    gla_scale(S, S, gla_row(p->fa, t));
    if (!gla_absent(Z)) gla_copy(Z, S);
    gla_write(S, gla_row(p->K, t), gla_row(r->V, t));
    gla_round_at(S, GLA_SITE_STATE);
}

static void forward(const mlstm_slice *x, mlstm_reads *r, const steps *p, gla_matrix S) {
    for (size_t t = 0; t < x->T; t++) {
        step(x, r, p, t, S, (gla_matrix){0});
        gla_read(gla_row(r->num, t), S, gla_row(r->sq, t));
    }
    mlstm_divide(x, r);
}

/* What the backward walks with. */
typedef struct walk {
    const mlstm_reads *r;
    const steps *p;
    gla_matrix dnum, dV, d_log_f; /* [T,W] [T,W] [T,1] */
} walk;

/* One token: F holds F_t and leaves as F_{t-1}. */
static void step_back(const mlstm_slice *x, const walk *w, size_t t, gla_matrix F, gla_matrix Z) {
    gla_matrix dk = gla_row(x->dk_, t);
    gla_write(F, gla_row(w->r->sq, t), gla_row(w->dnum, t)); /* R_t */
    gla_read(dk, gla_transposed(F), gla_row(w->r->V, t));
    gla_scale(dk, dk, gla_row(w->p->ia, t));
    gla_read(gla_row(w->dV, t), F, gla_row(w->p->K, t));
    mlstm_inner_product(gla_row(w->d_log_f, t), F, Z);
    gla_scale(F, F, gla_row(w->p->fa, t));
    gla_round_at(F, GLA_SITE_DSTATE);
}

/* Tokens first..end-1: replay the states from S (the state before `first`), then walk back with F. */
static void segment_back(const mlstm_slice *x, const walk *w, size_t first, size_t end, gla_matrix S, gla_matrix F) {
    size_t mark = gla_mark(x->in), dk = x->dk;
    gla_matrix Z = gla_new(x->in, (end - first) * dk, S.cols); /* Z_t of the segment, stacked */
    for (size_t t = first; t < end; t++) {
        gla_matrix dq = gla_row(x->dq, t);
        step(x, w->r, w->p, t, S, gla_rows(Z, (t - first) * dk, dk));
        gla_read(dq, gla_transposed(S), gla_row(w->dnum, t));
        gla_scale(dq, dq, x->s);
    }
    for (size_t t = end; t-- > first;) {
        x->in->token = (int64_t)t;
        step_back(x, w, t, F, gla_rows(Z, (t - first) * dk, dk));
    }
    gla_release(x->in, mark);
}

/* F [dk,W] leaves as the adjoint of the initial state. */
static void backward(const mlstm_slice *x, const walk *w, gla_matrix F) {
    size_t T = x->T, dk = x->dk, stride = T ? (size_t)ceil(sqrt((double)T)) : 1, segments = (T + stride - 1) / stride;
    gla_matrix kept = gla_new(x->in, segments * dk, F.cols), S = mlstm_first_state(x);
    for (size_t t = 0; t < T; t++) {
        if (t % stride == 0) gla_copy(gla_rows(kept, t / stride * dk, dk), S);
        step(x, w->r, w->p, t, S, (gla_matrix){0});
    }
    for (size_t n = segments; n-- > 0;) {
        size_t first = n * stride, end = first + stride < T ? first + stride : T;
        segment_back(x, w, first, end, gla_rows(kept, n * dk, dk), F);
    }
}

void mlstm_recurrent(const mlstm_slice *x, const gla_form *form) {
    gla_numbers *n = x->in;
    gla_gate_route route = mlstm_route(x, form, GLA_ROUTE_DIRECT);
    if (n->status != GLA_OK) return;
    size_t mark = gla_mark(n);
    mlstm_gates gates = mlstm_log_gates(x);
    mlstm_reads r = mlstm_new_reads(x);
    gla_matrix m = mlstm_first_stabiliser(x), S = mlstm_first_state(x);
    steps p = stabilised_steps(x, gates, &r, m);
    forward(x, &r, &p, S);
    mlstm_store_state(x, S, m);
    if (form->backward) {
        gla_matrix F = mlstm_last_adjoint(x), end = mlstm_end_term(S, F);
        walk w = {&r, &p, mlstm_read_gradients(x, &r), gla_new(n, x->T, S.cols), gla_new(n, x->T, 1)};
        backward(x, &w, F);
        mlstm_store_values(x, w.dV);
        mlstm_store_adjoint(x, F);
        mlstm_finish_gates(x, route, w.d_log_f, end);
    }
    gla_release(n, mark);
    n->token = -1;
}
