/* SPDX-License-Identifier: Apache-2.0
 *
 * The delta core, recurrent: the definition (spec 9b-11b; its adjoint 9e-11e).
 *
 *     forward   Z_t = diag(e^g_t) S_{t-1} ;  e_t = v_t - Z_t^T k_t ;  u_t = beta_t e_t ;  S_t = Z_t + k_t u_t^T
 *               o_t = S_t^T (s q_t)
 *     backward  F_T = dS_fin ;  R_t = F_t + (s q_t) do_t^T ;  dq_t = s S_t do_t
 *               du_t = R_t^T k_t ;  dv_t = beta_t du_t ;  dbeta_t = du_t.e_t
 *               dk^w_t = R_t u_t ;  dk^r_t = -Z_t dv_t ;  dk_t = dk^r_t + dk^w_t
 *               dZ_t = R_t - k_t dv_t^T ;  dg_t = row(dZ_t*Z_t) (per head: its sum)            (direct route)
 *               F_{t-1} = diag(e^g_t) dZ_t ;  dS_0 = F_0
 *
 * Shapes: S, Z, R, F [dk,dv]; q k [T,dk]; v o [T,dv]; g [T,dk] or [T,1]; beta [T,1]. One token after the other.
 * Precision: one rounding per operation; the write is an fma. The direct gate gradient has no cancellation between
 * tokens.
 * Cost: forward 7 T dk dv flops (6 ungated) + T (dk + 2 dv), T dk (per head T) exps. Memory: the backward keeps every
 * sqrt(T)-th state and recomputes the others.
 */
#include <math.h>

#include "gate_route.h"

/* What one token needs and makes. */
typedef struct token {
    gla_matrix alpha; /* [1,dk], absent without a gate */
    gla_matrix sq;    /* [1,dk] s q_t */
    gla_matrix e, u;  /* [1,dv] */
} token;

static token new_token(const delta_slice *x) {
    gla_numbers *n = x->in;
    token t = {.sq = gla_new(n, 1, x->dk), .e = gla_new(n, 1, x->dv), .u = gla_new(n, 1, x->dv)};
    if (!gla_absent(x->g)) t.alpha = gla_new(n, 1, x->g.cols);
    return t;
}

/* The token's decay and scaled query; `scratch` owns the memory. */
static token at_token(const delta_slice *x, token scratch, size_t t) {
    x->in->token = (int64_t)t;
    gla_scale(scratch.sq, gla_row(x->q, t), x->s);
    if (gla_absent(x->g)) return scratch;
    gla_exp(scratch.alpha, gla_row(x->g, t));
    if (x->g.cols == 1) scratch.alpha = delta_across(scratch.alpha, x->dk);
    return scratch;
}

/* S becomes S_t, now.e and now.u are set; Z (may be absent) keeps the decayed state. */
static void step(const delta_slice *x, token now, size_t t, gla_matrix S, gla_matrix Z) {
    gla_matrix k = gla_row(x->k, t);
    gla_decay(S, now.alpha, (gla_matrix){0});
    if (!gla_absent(Z)) gla_copy(Z, S);
    gla_read(now.e, S, k);
    gla_sub(now.e, gla_row(x->v, t), now.e);
    gla_scale(now.u, now.e, gla_row(x->beta, t));
    gla_write(S, k, now.u);
    gla_round_at(S, GLA_SITE_STATE);
}

static void forward(const delta_slice *x) {
    gla_matrix S = x->ST;
    token scratch = new_token(x);
    gla_copy(S, x->S0);
    for (size_t t = 0; t < x->T; t++) {
        token now = at_token(x, scratch, t);
        step(x, now, t, S, (gla_matrix){0});
        gla_read(gla_row(x->o, t), S, now.sq);
    }
}

/* What the backward keeps of the sequence besides its results: the key's gradient by role, and for the strict route
 * dq and dk^w without the token's own write and read; absent otherwise. */
typedef struct roles {
    gla_matrix dkr, dkw, dq_strict, dkw_strict; /* [T,dk] */
} roles;

/* Of one segment: Z_t stacked, e_t and u_t by rows. */
typedef struct segment {
    gla_matrix Z, e, u; /* [tokens*dk,dv] [tokens,dv] [tokens,dv] */
} segment;

/* dq_t from S_t; strictly from Z_t: the token's own write is left out. */
static void read_back(const delta_slice *x, size_t t, gla_matrix S, gla_matrix dq) {
    gla_read(gla_row(dq, t), gla_transposed(S), gla_row(x->d_o, t));
    gla_scale(gla_row(dq, t), gla_row(dq, t), x->s);
}

/* One token of the backward: F holds F_t and leaves as F_{t-1}. */
static void step_back(const delta_slice *x, token now, size_t t, gla_matrix F, gla_matrix Z, roles r, bool direct) {
    size_t mark = gla_mark(x->in);
    gla_matrix k = gla_row(x->k, t), dv = gla_row(x->dv_, t), dkr = gla_row(r.dkr, t), dkw = gla_row(r.dkw, t);
    gla_matrix minus_dv = gla_new(x->in, 1, x->dv), du = gla_new(x->in, 1, x->dv), dbeta = gla_row(x->dbeta, t);
    if (!gla_absent(r.dkw_strict)) gla_read(gla_row(r.dkw_strict, t), gla_transposed(F), now.u);
    gla_write(F, now.sq, gla_row(x->d_o, t)); /* R_t */
    gla_read(du, F, k);
    gla_scale(dv, du, gla_row(x->beta, t));
    gla_neg(minus_dv, dv);
    gla_zero(dbeta);
    gla_row_dot(dbeta, du, now.e);
    gla_read(dkw, gla_transposed(F), now.u);
    gla_read(dkr, gla_transposed(Z), minus_dv);
    gla_add(gla_row(x->dk_, t), dkr, dkw);
    gla_write(F, k, minus_dv); /* dZ_t */
    if (direct && !gla_absent(x->g)) delta_gate_boundary(gla_row(x->dg, t), F, Z);
    gla_decay(F, now.alpha, (gla_matrix){0});
    gla_round_at(F, GLA_SITE_DSTATE);
    gla_release(x->in, mark);
}

/* Tokens first..end-1: replay the states from S (the state before `first`), then walk back with F. */
static void segment_back(const delta_slice *x, token scratch, size_t first, size_t end, gla_matrix S, gla_matrix F,
                         roles r, bool direct) {
    gla_numbers *n = x->in;
    size_t mark = gla_mark(n), dk = x->dk, count = end - first;
    segment kept = {gla_new(n, count * dk, x->dv), gla_new(n, count, x->dv), gla_new(n, count, x->dv)};
    for (size_t t = first; t < end; t++) {
        token now = at_token(x, scratch, t);
        now.e = gla_row(kept.e, t - first);
        now.u = gla_row(kept.u, t - first);
        gla_matrix Z = gla_rows(kept.Z, (t - first) * dk, dk);
        step(x, now, t, S, Z);
        read_back(x, t, S, x->dq);
        if (!gla_absent(r.dq_strict)) read_back(x, t, Z, r.dq_strict);
    }
    for (size_t t = end; t-- > first;) {
        token now = at_token(x, scratch, t);
        now.e = gla_row(kept.e, t - first);
        now.u = gla_row(kept.u, t - first);
        step_back(x, now, t, F, gla_rows(kept.Z, (t - first) * dk, dk), r, direct);
    }
    gla_release(n, mark);
}

static void backward(const delta_slice *x, gla_gate_route route) {
    gla_numbers *n = x->in;
    bool direct = route == GLA_ROUTE_DIRECT || route == GLA_ROUTE_DEFAULT, strict = route == GLA_ROUTE_STRICT;
    size_t T = x->T, dk = x->dk, stride = (size_t)ceil(sqrt((double)T)), segments = T ? (T + stride - 1) / stride : 0;
    token scratch = new_token(x);
    roles r = {.dkr = gla_new(n, T, dk), .dkw = gla_new(n, T, dk)};
    if (strict) r.dq_strict = gla_new(n, T, dk);
    if (strict) r.dkw_strict = gla_new(n, T, dk);
    gla_matrix kept = gla_new(n, segments * dk, x->dv); /* the state before each segment */
    gla_matrix S = gla_new(n, dk, x->dv), F = x->dS0;
    gla_copy(S, x->S0);
    for (size_t t = 0; t < T; t++) {
        if (t % stride == 0) gla_copy(gla_rows(kept, t / stride * dk, dk), S);
        step(x, at_token(x, scratch, t), t, S, (gla_matrix){0});
    }
    gla_copy(F, x->dST);
    for (size_t i = segments; i-- > 0;) {
        size_t first = i * stride, end = first + stride < T ? first + stride : T;
        segment_back(x, scratch, first, end, gla_rows(kept, i * dk, dk), F, r, direct);
    }
    delta_gate_identity(x, route,
                        (delta_roles){x->q, strict ? r.dq_strict : x->dq, x->k, r.dkr, strict ? r.dkw_strict : r.dkw});
}

void delta_recurrent(const delta_slice *x, const gla_form *form) {
    size_t mark = gla_mark(x->in);
    forward(x);
    if (form->backward) backward(x, form->route);
    gla_release(x->in, mark);
    x->in->token = -1;
}
