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
 * form->precise: products within a step read Qh and Kh, and a weighed Vh, in two parts (operand.h), in the backward P
 * and dP too; dg is of their wholes. Products with Sh and G, and P V of the forward, read one part as ever.
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
#include "walk.h"

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
    gla_matrix Qh, Kh, Vh;  /* [m,.] as operands of products with states */
    gated_parts Qt, Kt, Vt; /* the same, of products of tokens with tokens */
} centred;

/* The sequence as steps: the walk's chunks. */
typedef struct walk {
    gated_walk common;
    bool precise;
    step *all;
    gla_matrix sq; /* [T,dk] */
} walk;

static const walk *own(const gated_walk *w) { return (const walk *)w; }

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

/* Ah = A*weight once more, in two parts if the form is precise. */
static gated_parts within(const walk *w, gla_matrix Ah, gla_matrix A, gla_matrix weight, gla_site site) {
    return w->precise ? gated_parts_of(A, weight, site, true) : gated_single(Ah);
}

static centred step_at(const walk *w, size_t index) {
    const gated_slice *x = w->common.x;
    step at = w->all[index];
    x->in->chunk = (int64_t)index;
    centred u = {.first = at.first, .m = at.m, .single = at.single};
    side key = side_of(x->in, x->gk, at), value = side_of(x->in, x->gv, at);
    weights(&key, at, &u.into, &u.out);
    weights(&value, at, &u.vinto, &u.vout);
    u.Qh = gated_operand(rows_of(w->sq, &u), u.into, GLA_SITE_Q_DECAYED);
    u.Kh = gated_operand(rows_of(x->k, &u), u.out, GLA_SITE_K_DECAYED);
    u.Vh = gated_operand(rows_of(x->v, &u), u.vout, GLA_SITE_V_DECAYED);
    u.Qt = within(w, u.Qh, rows_of(w->sq, &u), u.into, GLA_SITE_Q_DECAYED);
    u.Kt = within(w, u.Kh, rows_of(x->k, &u), u.out, GLA_SITE_K_DECAYED);
    u.Vt = gla_absent(u.vout) ? gated_single(u.Vh) : within(w, u.Vh, rows_of(x->v, &u), u.vout, GLA_SITE_V_DECAYED);
    return u;
}

/* The factor from A of step index - 1 into Sh of step index, [1,D]: e^(leave + enter), 0 across a reset; from the start
 * of the sequence, and at its end, the one or the other alone. Absent without the gate. */
static gla_matrix crossing(const walk *w, gla_matrix gates, size_t index) {
    gla_numbers *n = w->common.x->in;
    if (gla_absent(gates) || w->common.count == 0) return (gla_matrix){0};
    gla_matrix z = gla_new(n, 1, gates.cols);
    if (index > 0) gla_copy(z, side_of(n, gates, w->all[index - 1]).leave);
    if (index == w->common.count) {
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

static void cross(const gated_walk *w, size_t index, gla_matrix S) {
    gla_decay(S, crossing(own(w), w->x->gk, index), crossing(own(w), w->x->gv, index));
}

/* ---- forward ---- */

static gla_matrix scores_of(const centred *u) {
    gla_matrix P = gla_new(u->Qh.in, u->m, u->m);
    gated_product(P, u->Qt, gated_parts_transposed(u->Kt));
    gla_lower(P, false);
    return P;
}

/* O without the value side's e^(Eps-r), [m,dv]. */
static gla_matrix output_of(const centred *u, gla_matrix Sh, gated_parts P) {
    gla_matrix O = gla_new(Sh.in, u->m, Sh.cols);
    gla_product(O, u->Qh, gated_rounded(Sh, GLA_SITE_STATE_READ));
    gated_product(O, P, u->Vt);
    return O;
}

/* Sh becomes A. */
static void write_step(const centred *u, gla_matrix Sh) {
    gla_product(Sh, gla_transposed(u->Kh), u->Vh);
    gla_round_at(Sh, GLA_SITE_STATE);
}

static void step_forward(const gated_walk *w, size_t index, gla_matrix Sh) {
    centred u = step_at(own(w), index);
    gated_parts P = gated_single(gated_rounded(scores_of(&u), GLA_SITE_SCORE));
    gla_copy(rows_of(w->x->o, &u), gated_weighed(output_of(&u, Sh, P), u.vinto));
    write_step(&u, Sh);
}

static void step_write(const gated_walk *w, size_t index, gla_matrix Sh) {
    centred u = step_at(own(w), index);
    write_step(&u, Sh);
}

/* ---- backward ---- */

/* The adjoints of the operands, [m,.]. */
typedef struct adjoints {
    gla_matrix dOh, dQh, dKh, dVh;
} adjoints;

static adjoints backward_of(const walk *w, const centred *u, gla_matrix Sh, gated_parts P, gla_matrix G) {
    const gated_slice *x = w->common.x;
    gla_numbers *n = x->in;
    adjoints d = {gated_weighed(rows_of(x->d_o, u), u->vinto), gla_new(n, u->m, x->dk), gla_new(n, u->m, x->dk),
                  gla_new(n, u->m, x->dv)};
    gla_matrix dP = gla_new(n, u->m, u->m), Gr = gated_rounded(G, GLA_SITE_DSTATE_READ);
    gated_product(dP, gated_single(d.dOh), gated_parts_transposed(u->Vt));
    gla_lower(dP, false);
    gated_parts dPr = gated_parts_of(dP, (gla_matrix){0}, GLA_SITE_DSCORE, w->precise);
    gla_product(d.dQh, d.dOh, gla_transposed(gated_rounded(Sh, GLA_SITE_STATE_READ)));
    gated_product(d.dQh, dPr, u->Kt);
    gla_product(d.dKh, u->Vh, gla_transposed(Gr));
    gated_product(d.dKh, gated_parts_transposed(dPr), u->Qt);
    gla_product(d.dVh, u->Kh, Gr);
    gated_product(d.dVh, gated_parts_transposed(P), gated_single(d.dOh));
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
            gate_gradient_suffix(dg, (gated_roles){gated_whole(u->Qt), d->dQh, gated_whole(u->Kt), d->dKh},
                                 gate_gradient_boundary(G, A));
    }
    if (!gla_absent(x->gv)) {
        gla_matrix dg = rows_of(x->dgv, u);
        if (u->single)
            gla_copy(dg, gate_gradient_boundary(gla_transposed(Sh), gla_transposed(dSh)));
        else
            gate_gradient_suffix(dg, (gated_roles){O, d->dOh, gated_whole(u->Vt), d->dVh},
                                 gate_gradient_boundary(gla_transposed(G), gla_transposed(A)));
    }
}

static void step_back(const gated_walk *w, size_t index, gla_matrix Sh, gla_matrix G) {
    const gated_slice *x = w->x;
    centred u = step_at(own(w), index);
    gated_parts P = gated_parts_of(scores_of(&u), (gla_matrix){0}, GLA_SITE_SCORE, own(w)->precise);
    adjoints d = backward_of(own(w), &u, Sh, P, G);
    gla_matrix dSh = gated_weighed(G, (gla_matrix){0});
    gla_product(dSh, gla_transposed(u.Qh), d.dOh);
    gla_round_at(dSh, GLA_SITE_DSTATE);
    gate_gradients(x, &u, &d, output_of(&u, Sh, P), Sh, dSh, G);
    gla_scale(rows_of(x->dq, &u), gated_weighed(d.dQh, u.into), x->s);
    gla_copy(rows_of(x->dk_, &u), gated_weighed(d.dKh, u.out));
    gla_copy(rows_of(x->dv_, &u), gated_weighed(d.dVh, u.vout));
    gla_copy(G, dSh);
}

void gated_chunkwise_centred(const gated_slice *x, const gla_form *form) {
    gla_numbers *n = x->in;
    size_t mark = gla_mark(n);
    walk w = {.common = {.x = x, .backward = form->backward, .cross = cross}, .precise = form->precise};
    w.common.forward = step_forward;
    w.common.write = step_write;
    w.common.back = step_back;
    w.sq = gla_new(n, x->T, x->dk);
    w.all = steps_of(x, form, &w.common.count);
    if (!w.all && n->status == GLA_OK) n->status = GLA_NO_MEMORY;
    gla_scale(w.sq, x->q, x->s);
    gated_walk_run(&w.common);
    free(w.all);
    gla_release(n, mark);
}
