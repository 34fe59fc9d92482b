/* SPDX-License-Identifier: Apache-2.0
 *
 * GLA, chunkwise with one reference in the centre of each chunk: what the fused CUDA kernels compute, in their order.
 *
 * A step is m tokens with local cumulative log gates Gamma (Eps on the value side). With r = Gamma_m / 2, per channel,
 *     Qh = sQ*e^(Gamma-r)   Kh = K*e^(r-Gamma)   Sh = e^r * S                      exponents within |Gamma_m| / 2
 *     P  = lower(Qh Kh^T) ;  O = Qh Sh + P V ;  A = Sh + Kh^T V ;  S' = e^(Gamma_m-r) * A
 * so that inside a step it is plain causal linear attention, and between steps one factor per channel,
 *     Sh_next = e^((Gamma_m-r) + r_next) * A .
 * Backward, with G the adjoint of A and dP = lower(dO V^T):
 *     dQh = dO Sh^T + dP Kh ;  dKh = V G^T + dP^T Qh ;  dV = Kh G + P^T dO ;  dSh = G + Qh^T dO
 *     dQ = s e^(Gamma-r)*dQh ; dK = e^(r-Gamma)*dKh ;  G_before = e^(...) * dSh
 *     dg_t = row(G*A) + sum_{i>=t} (Qh*dQh - Kh*dKh)_i      from the rounded operands themselves: their errors cancel
 * The value side is the mirror image: Vh = V*e^(r-Eps), O and dO carry e^(Eps-r).
 *
 * Range. A factor e^(r-Gamma) stays finite while |Gamma_m| <= 76: then P < 2^127 |q||k| and the crossing factor is
 * above 2^-110. A chunk of C tokens with a stronger channel is run as steps of c tokens, a step that is still too
 * strong token by token, with r = Gamma_m: Qh = sq, Kh = k, Sh the decayed state, dg = row(Sh*dSh). That is the
 * recurrence, for any gate, -inf included. The gates decide, nothing else.
 */
#include <math.h>
#include <stdlib.h>

#include "gate_gradient.h"
#include "operand.h"

/* ln(2^110), rounded down: the strongest sum of log gates that a reference in the centre can carry. */
static const double limit = 76;

typedef struct step {
    size_t first, m;
    bool single; /* one token, gates too strong for a centre */
} step;

/* One side's gates in a step: key [m,dk] or value [m,dv]. All absent without the gate. */
typedef struct side {
    gla_gates X;
    gla_matrix enter, leave; /* [1,D] r and X_m - r */
} side;

typedef struct centred {
    size_t first, m;
    bool single;
    gla_matrix into, out;   /* [m,dk] e^(Gamma-r), e^(r-Gamma); absent where they are 1 */
    gla_matrix vinto, vout; /* [m,dv] */
    gla_matrix Qh, Kh, Vh;  /* [m,.] as operands */
} centred;

/* The sequence as steps, with every stride-th entering Sh kept (stride 0: none). */
typedef struct walk {
    const gated_slice *x;
    step *all;
    size_t count, stride;
    gla_matrix sq, kept; /* [T,dk]; [kept*dk,dv] */
} walk;

/* ---- which steps ---- */

static bool mild(gla_matrix gates) {
    if (gla_absent(gates)) return true;
    gla_numbers *n = gates.in;
    size_t mark = gla_mark(n);
    gla_gates X = gla_gate_sum(n, gates);
    bool all = n->status == GLA_OK;
    for (size_t i = 0; all && i < gates.rows * gates.cols; i++) {
        double sum = n->ops->get_d(n, gla_at(X.sum, i / gates.cols, i % gates.cols));
        all = X.epoch[i] == 0 && fabs(sum) <= limit;
    }
    gla_release(n, mark);
    return all;
}

static bool mild_from(const gated_slice *x, size_t first, size_t m) {
    gla_matrix gk = x->gk, gv = x->gv;
    if (!gla_absent(gk)) gk = gla_rows(gk, first, m);
    if (!gla_absent(gv)) gv = gla_rows(gv, first, m);
    return mild(gk) && mild(gv);
}

static size_t least(size_t a, size_t b) { return a < b ? a : b; }

/* The steps of the whole sequence in order, allocated; NULL without memory. */
static step *steps_of(const gated_slice *x, const gla_form *form, size_t *count) {
    size_t C = (size_t)form->C, c = (size_t)form->c;
    step *all = malloc((x->T + 1) * sizeof *all);
    *count = 0;
    for (size_t n = 0; all && n < x->T; n += C) {
        size_t m = least(C, x->T - n);
        if (mild_from(x, n, m)) {
            all[(*count)++] = (step){n, m, false};
            continue;
        }
        for (size_t i = n; i < n + m; i += c) {
            size_t part = least(c, n + m - i);
            if (mild_from(x, i, part)) {
                all[(*count)++] = (step){i, part, false};
                continue;
            }
            for (size_t t = i; t < i + part; t++) all[(*count)++] = (step){t, 1, true};
        }
    }
    return all;
}

/* ---- one step ---- */

static side side_of(gla_numbers *n, gla_matrix gates, step at) {
    side z = {0};
    if (gla_absent(gates)) return z;
    z.X = gla_gate_sum(n, gla_rows(gates, at.first, at.m));
    gla_matrix last = gla_row(z.X.sum, at.m - 1), half = gla_new(n, 1, 1);
    z.enter = gla_new(n, 1, gates.cols);
    z.leave = gla_new(n, 1, gates.cols);
    if (at.single) {
        gla_copy(z.enter, last);
        return z;
    }
    if (n->status == GLA_OK) n->ops->set_d(n, half.at, 0.5);
    gla_scale(z.enter, last, half);
    gla_sub(z.leave, last, z.enter);
    return z;
}

/* e^(X-r) and e^(r-X), row by row; absent without the gate and in a single step. */
static void weights(const side *z, step at, gla_matrix *into, gla_matrix *out) {
    if (!z->X.present || at.single) return;
    gla_matrix sum = z->X.sum;
    *into = gla_new(sum.in, sum.rows, sum.cols);
    *out = gla_new(sum.in, sum.rows, sum.cols);
    for (size_t t = 0; t < sum.rows; t++) {
        gla_sub(gla_row(*into, t), gla_row(sum, t), z->enter);
        gla_sub(gla_row(*out, t), z->enter, gla_row(sum, t));
    }
    gla_exp(*into, *into);
    gla_exp(*out, *out);
}

static gla_matrix rows_of(gla_matrix A, const centred *u) { return gla_rows(A, u->first, u->m); }

static centred step_at(const walk *w, size_t index) {
    const gated_slice *x = w->x;
    step at = w->all[index];
    x->in->chunk = (int64_t)index;
    centred u = {.first = at.first, .m = at.m, .single = at.single};
    side key = side_of(x->in, x->gk, at), value = side_of(x->in, x->gv, at);
    weights(&key, at, &u.into, &u.out);
    weights(&value, at, &u.vinto, &u.vout);
    u.Qh = gated_operand(rows_of(w->sq, &u), u.into, GLA_SITE_Q_DECAYED);
    u.Kh = gated_operand(rows_of(x->k, &u), u.out, GLA_SITE_K_DECAYED);
    u.Vh = gated_operand(rows_of(x->v, &u), u.vout, GLA_SITE_V_DECAYED);
    return u;
}

/* The factor from A of step index - 1 into Sh of step index, [1,D]: e^(leave + enter), 0 across a reset; from the start
 * of the sequence, and at its end, the one or the other alone. Absent without the gate. */
static gla_matrix crossing(const walk *w, gla_matrix gates, size_t index) {
    gla_numbers *n = w->x->in;
    if (gla_absent(gates) || w->count == 0) return (gla_matrix){0};
    gla_matrix z = gla_new(n, 1, gates.cols);
    if (index > 0) gla_copy(z, side_of(n, gates, w->all[index - 1]).leave);
    if (index == w->count) {
        gla_exp(z, z);
        return z;
    }
    side to = side_of(n, gates, w->all[index]);
    gla_add(z, z, to.enter);
    gla_exp(z, z);
    for (size_t j = 0; n->status == GLA_OK && j < z.cols; j++)
        if (to.X.epoch[j] > 0) n->ops->set_d(n, gla_at(z, 0, j), 0.0);
    return z;
}

static void cross(const walk *w, gla_matrix S, size_t index) {
    size_t mark = gla_mark(S.in);
    gla_decay(S, crossing(w, w->x->gk, index), crossing(w, w->x->gv, index));
    gla_release(S.in, mark);
}

/* ---- forward ---- */

static gla_matrix scores_of(const centred *u) {
    gla_matrix P = gla_new(u->Qh.in, u->m, u->m);
    gla_product(P, u->Qh, gla_transposed(u->Kh));
    gla_lower(P, false);
    gla_round_at(P, GLA_SITE_SCORE);
    return P;
}

/* O without the value side's e^(Eps-r), [m,dv]. */
static gla_matrix output_of(const centred *u, gla_matrix Sh, gla_matrix P) {
    gla_matrix O = gla_new(Sh.in, u->m, Sh.cols);
    gla_product(O, u->Qh, gated_rounded(Sh, GLA_SITE_STATE_READ));
    gla_product(O, P, u->Vh);
    return O;
}

/* Sh becomes A. */
static void write_step(const centred *u, gla_matrix Sh) {
    gla_product(Sh, gla_transposed(u->Kh), u->Vh);
    gla_round_at(Sh, GLA_SITE_STATE);
}

static void run_forward(const walk *w) {
    const gated_slice *x = w->x;
    gla_copy(x->ST, x->S0);
    for (size_t i = 0; i < w->count; i++) {
        size_t mark = gla_mark(x->in);
        cross(w, x->ST, i);
        if (w->stride && i % w->stride == 0) gla_copy(gla_rows(w->kept, i / w->stride * x->dk, x->dk), x->ST);
        centred u = step_at(w, i);
        gla_copy(rows_of(x->o, &u), gated_weighed(output_of(&u, x->ST, scores_of(&u)), u.vinto));
        write_step(&u, x->ST);
        gla_release(x->in, mark);
    }
    cross(w, x->ST, w->count);
}

/* ---- backward ---- */

/* Sh as it enters step index, replayed from the last kept one. */
static gla_matrix state_entering(const walk *w, size_t index) {
    const gated_slice *x = w->x;
    gla_matrix S = gla_new(x->in, x->dk, x->dv);
    size_t from = index / w->stride;
    gla_copy(S, gla_rows(w->kept, from * x->dk, x->dk));
    for (size_t i = from * w->stride; i < index; i++) {
        size_t mark = gla_mark(x->in);
        centred u = step_at(w, i);
        write_step(&u, S);
        cross(w, S, i + 1);
        gla_release(x->in, mark);
    }
    return S;
}

/* The adjoints of the operands, [m,.]. */
typedef struct adjoints {
    gla_matrix dOh, dQh, dKh, dVh;
} adjoints;

static adjoints backward_of(const gated_slice *x, const centred *u, gla_matrix Sh, gla_matrix P, gla_matrix G) {
    gla_numbers *n = x->in;
    adjoints d = {gated_weighed(rows_of(x->d_o, u), u->vinto), gla_new(n, u->m, x->dk), gla_new(n, u->m, x->dk),
                  gla_new(n, u->m, x->dv)};
    gla_matrix dP = gla_new(n, u->m, u->m), Gr = gated_rounded(G, GLA_SITE_DSTATE_READ);
    gla_product(dP, d.dOh, gla_transposed(u->Vh));
    gla_lower(dP, false);
    gla_round_at(dP, GLA_SITE_DSCORE);
    gla_product(d.dQh, d.dOh, gla_transposed(gated_rounded(Sh, GLA_SITE_STATE_READ)));
    gla_product(d.dQh, dP, u->Kh);
    gla_product(d.dKh, u->Vh, gla_transposed(Gr));
    gla_product(d.dKh, gla_transposed(dP), u->Qh);
    gla_product(d.dVh, u->Kh, Gr);
    gla_product(d.dVh, gla_transposed(P), d.dOh);
    return d;
}

/* dg of the step from its own operands. Sh and its adjoint dSh as they enter, G and A as they leave. */
static void gate_gradients(const gated_slice *x, const centred *u, const adjoints *d, gla_matrix O, gla_matrix Sh,
                           gla_matrix dSh, gla_matrix G) {
    gla_matrix A = gated_weighed(Sh, (gla_matrix){0});
    write_step(u, A);
    if (!gla_absent(x->gk)) {
        gla_matrix dg = rows_of(x->dgk, u);
        if (u->single)
            gla_copy(dg, gate_gradient_shared(gate_gradient_boundary(Sh, dSh), dg.cols));
        else
            gate_gradient_suffix(dg, (gated_roles){u->Qh, d->dQh, u->Kh, d->dKh}, gate_gradient_boundary(G, A));
    }
    if (!gla_absent(x->gv)) {
        gla_matrix dg = rows_of(x->dgv, u);
        if (u->single)
            gla_copy(dg, gate_gradient_boundary(gla_transposed(Sh), gla_transposed(dSh)));
        else
            gate_gradient_suffix(dg, (gated_roles){O, d->dOh, u->Vh, d->dVh},
                                 gate_gradient_boundary(gla_transposed(G), gla_transposed(A)));
    }
}

static void step_back(const walk *w, size_t index, gla_matrix G) {
    const gated_slice *x = w->x;
    gla_matrix Sh = state_entering(w, index);
    centred u = step_at(w, index);
    gla_matrix P = scores_of(&u);
    adjoints d = backward_of(x, &u, Sh, P, G);
    gla_matrix dSh = gated_weighed(G, (gla_matrix){0});
    gla_product(dSh, gla_transposed(u.Qh), d.dOh);
    gla_round_at(dSh, GLA_SITE_DSTATE);
    gate_gradients(x, &u, &d, output_of(&u, Sh, P), Sh, dSh, G);
    gla_scale(rows_of(x->dq, &u), gated_weighed(d.dQh, u.into), x->s);
    gla_copy(rows_of(x->dk_, &u), gated_weighed(d.dKh, u.out));
    gla_copy(rows_of(x->dv_, &u), gated_weighed(d.dVh, u.vout));
    gla_copy(G, dSh);
}

static void run_backward(const walk *w) {
    gla_matrix G = w->x->dS0;
    gla_copy(G, w->x->dST);
    cross(w, G, w->count);
    for (size_t i = w->count; i-- > 0;) {
        size_t mark = gla_mark(G.in);
        step_back(w, i, G);
        cross(w, G, i);
        gla_release(G.in, mark);
    }
}

void gated_chunkwise_centred(const gated_slice *x, const gla_form *form) {
    gla_numbers *n = x->in;
    size_t mark = gla_mark(n);
    walk w = {.x = x, .sq = gla_new(n, x->T, x->dk)};
    w.all = steps_of(x, form, &w.count);
    if (!w.all && n->status == GLA_OK) n->status = GLA_NO_MEMORY;
    gla_scale(w.sq, x->q, x->s);
    if (form->backward) {
        w.stride = w.count ? (size_t)ceil(sqrt((double)w.count)) : 1;
        w.kept = gla_new(n, (w.count + w.stride - 1) / w.stride * x->dk, x->dv);
    }
    if (n->status == GLA_OK) run_forward(&w);
    if (n->status == GLA_OK && form->backward) run_backward(&w);
    free(w.all);
    gla_release(n, mark);
    n->chunk = -1;
}
