/* SPDX-License-Identifier: Apache-2.0
 *
 * GLA, chunkwise (spec 1d, 1e): C tokens at a time, m = C except in a ragged last chunk. Local cumulative log gates
 * Gamma, Eps restart in every chunk; S enters, S' leaves, F is the adjoint of S' from later chunks.
 *
 *     forward   Qt = sQ*e^Gamma ;  Kh = K*e^(Gamma_m-Gamma) ;  Vh = V*e^(Eps_m-Eps)             all exponents <= 0
 *               O  = e^Eps*(Qt S) + LO(P,V,Eps) ,  P = SC(sQ,K,Gamma)
 *               S' = outer(e^Gamma_m,e^Eps_m)*S + Kh^T Vh
 *     backward  dP = SC(dO,V,Eps)
 *               dQ = s[ e^Gamma*((e^Eps*dO) S^T) + LO(dP,K,Gamma) ]
 *               dK = e^(Gamma_m-Gamma)*(Vh F^T) + UP(dP,sQ,Gamma)
 *               dV = e^(Eps_m-Eps)*(Kh F) + UP(P,dO,Eps)
 *               F leaves as outer(e^Gamma_m,e^Eps_m)*F + Qt^T (e^Eps*dO)
 *     gates     anchor (L4), straddle (L5), or the global identities, gate_gradient.h
 *
 * SC, LO, UP and their safe (sub-chunks of c) and unsafe (factored) forms: pairs.h.
 * Materialised: every chunk state is kept before any output is made. Otherwise one loop carries S, and the backward
 * recomputes states from every sqrt(N)-th. The same calls in the same order make both: the numbers are identical.
 * Precision: local sums keep |Gamma| small; after a gate of -1e4 inside a chunk, Gamma's spacing is 1e-3 and later
 * small gates are absorbed (g = -inf is exempt: the sum starts afresh).
 */
#include "gate_gradient.h"
#include "operand.h"
#include "pairs.h"
#include "walk.h"

/* One chunk: views of the slice's rows, its gates, and the operands shared by its formulas. */
typedef struct chunk {
    size_t first, m;
    gla_matrix sq, k, v, d_o; /* [m,.]; d_o absent in a forward run */
    gated_pairs key, value;
    gla_matrix Qt, Kh, Vh;        /* [m,dk] [m,dk] [m,dv] */
    gla_matrix into, out;         /* [m,dk] e^Gamma, e^(Gamma_m - Gamma) */
    gla_matrix vinto, vout;       /* [m,dv] e^Eps, e^(Eps_m - Eps) */
    gla_matrix through, vthrough; /* [1,dk] e^Gamma_m, [1,dv] e^Eps_m; absent without the gate */
} chunk;

static gated_pairs pairs_of(gla_numbers *n, gla_matrix gates, const gla_form *form) {
    return (gated_pairs){gla_gate_sum(n, gates), (size_t)form->c, form->kind == GLA_CHUNKWISE_FACTORED};
}

/* e^X and e^(X_m - X), row by row; absent when the gate is. */
static void decays(gla_gates X, size_t m, size_t D, gla_numbers *n, gla_matrix *into, gla_matrix *out) {
    if (!X.present) return;
    *into = gla_new(n, m, D);
    *out = gla_new(n, m, D);
    for (size_t r = 0; r < m; r++) {
        gla_decay_in(gla_row(*into, r), X, r);
        gla_decay_between(gla_row(*out, r), X, m - 1, r);
    }
}

/* dQ, dK, dV, O of the whole sequence without the i = j pairs; absent but for the strict route. */
typedef struct strict_parts {
    gla_matrix dQ, dK, dV, O;
} strict_parts;

typedef struct walk {
    gated_walk common;
    const gla_form *form;
    gla_gate_route route;
    gla_matrix sq; /* [T,dk] */
    strict_parts strict;
} walk;

static const walk *own(const gated_walk *w) { return (const walk *)w; }

static chunk chunk_at(const walk *w, size_t index) {
    const gated_slice *x = w->common.x;
    const gla_form *form = w->form;
    gla_numbers *n = x->in;
    size_t first = index * (size_t)form->C, left = x->T - first;
    size_t m = left < (size_t)form->C ? left : (size_t)form->C;
    n->chunk = (int64_t)index;
    chunk u = {.first = first, .m = m};
    u.sq = gla_rows(w->sq, first, m);
    u.k = gla_rows(x->k, first, m);
    u.v = gla_rows(x->v, first, m);
    u.d_o = gla_rows(x->d_o, first, m);
    u.key = pairs_of(n, gla_rows(x->gk, first, m), form);
    u.value = pairs_of(n, gla_rows(x->gv, first, m), form);
    decays(u.key.X, m, x->dk, n, &u.into, &u.out);
    decays(u.value.X, m, x->dv, n, &u.vinto, &u.vout);
    if (u.key.X.present) u.through = gla_row(u.into, m - 1);
    if (u.value.X.present) u.vthrough = gla_row(u.vinto, m - 1);
    u.Qt = gated_operand(u.sq, u.into, GLA_SITE_Q_DECAYED);
    u.Kh = gated_operand(u.k, u.out, GLA_SITE_K_DECAYED);
    u.Vh = gated_operand(u.v, u.vout, GLA_SITE_V_DECAYED);
    return u;
}

/* Z *= decay where the gate is present. */
static void weigh(gla_matrix Z, gla_matrix decay) {
    if (!gla_absent(decay)) gla_mul(Z, Z, decay);
}

static gla_matrix scores_of(const chunk *u) {
    gla_matrix P = gla_new(u->k.in, u->m, u->m);
    gated_scores(P, u->sq, u->k, u->key);
    gla_round_at(P, GLA_SITE_SCORE);
    return P;
}

/* What the chunk reads from the entering state: e^Eps*(Qt S), [m,dv]. */
static gla_matrix inter_output(const chunk *u, gla_matrix S) {
    gla_matrix O = gla_new(S.in, u->m, S.cols);
    gla_product(O, u->Qt, gated_rounded(S, GLA_SITE_STATE_READ));
    weigh(O, u->vinto);
    return O;
}

static void chunk_output(const gated_slice *x, const chunk *u, gla_matrix S) {
    size_t mark = gla_mark(x->in);
    gla_matrix O = gla_rows(x->o, u->first, u->m);
    gla_copy(O, inter_output(u, S));
    gated_spread(O, scores_of(u), u->v, u->value, false);
    gla_release(x->in, mark);
}

static void chunk_state(const chunk *u, gla_matrix S) {
    gla_decay(S, u->through, u->vthrough);
    gla_product(S, gla_transposed(u->Kh), u->Vh);
    gla_round_at(S, GLA_SITE_STATE);
}

static void chunk_forward(const gated_walk *w, size_t index, gla_matrix S) {
    chunk u = chunk_at(own(w), index);
    chunk_output(w->x, &u, S);
    chunk_state(&u, S);
}

static void chunk_write(const gated_walk *w, size_t index, gla_matrix S) {
    chunk u = chunk_at(own(w), index);
    chunk_state(&u, S);
}

static void chunk_read(const gated_walk *w, size_t index, gla_matrix S) {
    chunk u = chunk_at(own(w), index);
    chunk_output(w->x, &u, S);
}

/* The gradients of a chunk in their parts: through the states (inter) and through the pairs. For the strict route the
 * i = j pairs are left out of `strict`. */
typedef struct chunk_gradients {
    gla_matrix dQ_inter, dK_inter, dV_inter, O_inter; /* [m,.]; dQ_inter holds s */
    gla_matrix P, dP;                                 /* [m,m] */
} chunk_gradients;

static chunk_gradients chunk_backward(const gated_slice *x, const chunk *u, gla_matrix S, gla_matrix F) {
    gla_numbers *n = x->in;
    chunk_gradients g = {
        gla_new(n, u->m, x->dk), gla_new(n, u->m, x->dk), gla_new(n, u->m, x->dv), inter_output(u, S), scores_of(u),
        gla_new(n, u->m, u->m)};
    gated_scores(g.dP, u->d_o, u->v, u->value);
    gla_round_at(g.dP, GLA_SITE_DSCORE);
    gla_matrix dOe = gated_weighed(u->d_o, u->vinto);
    gla_matrix Fr = gated_rounded(F, GLA_SITE_DSTATE_READ);
    gla_product(g.dQ_inter, dOe, gla_transposed(gated_rounded(S, GLA_SITE_STATE_READ)));
    weigh(g.dQ_inter, u->into);
    gla_scale(g.dQ_inter, g.dQ_inter, x->s);
    gla_product(g.dK_inter, u->Vh, gla_transposed(Fr));
    weigh(g.dK_inter, u->out);
    gla_product(g.dV_inter, u->Kh, Fr);
    weigh(g.dV_inter, u->vout);
    return g;
}

/* dQ, dK, dV of the chunk into the given matrices: inter + pairs. */
static void add_pairs(const gated_slice *x, const chunk *u, const chunk_gradients *g, gla_matrix dQ, gla_matrix dK,
                      gla_matrix dV, bool strict) {
    gla_matrix intra = gla_new(x->in, u->m, x->dk);
    gated_spread(intra, g->dP, u->k, u->key, strict);
    gla_scale(intra, intra, x->s);
    gla_add(dQ, g->dQ_inter, intra);
    gla_copy(dK, g->dK_inter);
    gated_collect(dK, g->dP, u->sq, u->key, strict);
    gla_copy(dV, g->dV_inter);
    gated_collect(dV, g->P, u->d_o, u->value, strict);
}

static void state_back(const chunk *u, gla_matrix F) {
    gla_decay(F, u->through, u->vthrough);
    gla_product(F, gla_transposed(u->Qt), gated_weighed(u->d_o, u->vinto));
    gla_round_at(F, GLA_SITE_DSTATE);
}

/* row(D*S*F) with D the decay of the whole chunk. */
static gla_matrix through_chunk(const chunk *u, gla_matrix S, gla_matrix F, bool columns) {
    gla_matrix DS = gla_new(S.in, S.rows, S.cols);
    gla_copy(DS, S);
    gla_decay(DS, u->through, u->vthrough);
    return columns ? gate_gradient_boundary(gla_transposed(DS), gla_transposed(F)) : gate_gradient_boundary(DS, F);
}

/* L5 inside one chunk. */
static void straddle(const gated_slice *x, const chunk *u, const chunk_gradients *g, gla_matrix S, gla_matrix F) {
    gla_matrix q = gla_rows(x->q, u->first, u->m);
    if (!gla_absent(x->gk)) {
        gla_matrix dg = gla_rows(x->dgk, u->first, u->m);
        gla_zero(dg);
        gate_gradient_straddling_pairs(dg, g->dP, u->sq, u->k, u->key.X);
        gated_roles inter = {q, g->dQ_inter, u->k, g->dK_inter};
        gate_gradient_straddling_states(dg, inter, through_chunk(u, S, F, false));
    }
    if (!gla_absent(x->gv)) {
        gla_matrix dg = gla_rows(x->dgv, u->first, u->m);
        gla_zero(dg);
        gate_gradient_straddling_pairs(dg, g->P, u->d_o, u->v, u->value.X);
        gated_roles inter = {g->O_inter, u->d_o, u->v, g->dV_inter};
        gate_gradient_straddling_states(dg, inter, through_chunk(u, S, F, true));
    }
}

/* L4: suffix sums inside the chunk, anchored on the leaving state. */
static void anchor(const gated_slice *x, const chunk *u, gla_matrix S, gla_matrix F) {
    gla_matrix out = gla_new(x->in, x->dk, x->dv);
    gla_copy(out, S);
    chunk_state(u, out);
    size_t i = u->first, m = u->m;
    if (!gla_absent(x->gk))
        gate_gradient_suffix(gla_rows(x->dgk, i, m),
                             (gated_roles){gla_rows(x->q, i, m), gla_rows(x->dq, i, m), u->k, gla_rows(x->dk_, i, m)},
                             gate_gradient_boundary(F, out));
    if (!gla_absent(x->gv))
        gate_gradient_suffix(gla_rows(x->dgv, i, m),
                             (gated_roles){gla_rows(x->o, i, m), u->d_o, u->v, gla_rows(x->dv_, i, m)},
                             gate_gradient_boundary(gla_transposed(F), gla_transposed(out)));
}

static void run_strict(const gated_slice *x, const chunk *u, const chunk_gradients *g, strict_parts p) {
    size_t i = u->first, m = u->m;
    add_pairs(x, u, g, gla_rows(p.dQ, i, m), gla_rows(p.dK, i, m), gla_rows(p.dV, i, m), true);
    gla_copy(gla_rows(p.O, i, m), g->O_inter);
    gated_spread(gla_rows(p.O, i, m), g->P, u->v, u->value, true);
}

static void chunk_back(const gated_walk *w, size_t index, gla_matrix S, gla_matrix F) {
    const gated_slice *x = w->x;
    chunk u = chunk_at(own(w), index);
    chunk_gradients g = chunk_backward(x, &u, S, F);
    size_t i = u.first, m = u.m;
    add_pairs(x, &u, &g, gla_rows(x->dq, i, m), gla_rows(x->dk_, i, m), gla_rows(x->dv_, i, m), false);
    if (own(w)->route == GLA_ROUTE_STRADDLE) straddle(x, &u, &g, S, F);
    if (own(w)->route == GLA_ROUTE_ANCHOR) anchor(x, &u, S, F);
    if (own(w)->route == GLA_ROUTE_STRICT) run_strict(x, &u, &g, own(w)->strict);
    state_back(&u, F);
}

static strict_parts new_strict_parts(const gated_slice *x) {
    gla_numbers *n = x->in;
    return (strict_parts){gla_new(n, x->T, x->dk), gla_new(n, x->T, x->dk), gla_new(n, x->T, x->dv),
                          gla_new(n, x->T, x->dv)};
}

void gated_chunkwise(const gated_slice *x, const gla_form *form) {
    gla_numbers *n = x->in;
    size_t mark = gla_mark(n), C = (size_t)form->C;
    walk w = {.common = {.x = x, .count = (x->T + C - 1) / C}, .form = form, .route = form->route};
    w.common.backward = form->backward;
    w.common.materialised = form->materialised;
    w.common.forward = chunk_forward;
    w.common.write = chunk_write;
    w.common.read = chunk_read;
    w.common.back = chunk_back;
    if (w.route == GLA_ROUTE_DEFAULT) w.route = form->kind == GLA_CHUNKWISE ? GLA_ROUTE_STRADDLE : GLA_ROUTE_ANCHOR;
    bool strict = w.route == GLA_ROUTE_STRICT && form->backward;
    w.sq = gla_new(n, x->T, x->dk);
    gla_scale(w.sq, x->q, x->s);
    if (strict) w.strict = new_strict_parts(x);
    gated_walk_run(&w.common);
    if (form->backward) {
        gated_roles key = {x->q, strict ? w.strict.dQ : x->dq, x->k, strict ? w.strict.dK : x->dk_};
        gated_roles value = {strict ? w.strict.O : x->o, x->d_o, x->v, strict ? w.strict.dV : x->dv_};
        gate_gradient_identity(x, w.route, key, value);
    }
    gla_release(n, mark);
}
