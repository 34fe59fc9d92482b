/* SPDX-License-Identifier: Apache-2.0
 *
 * GLA, recurrent: the definition (spec 1b; adjoint recursion L2).
 *
 *     forward   Z_t = outer(alpha_t, beta_t) * S_{t-1} ;  S_t = Z_t + k_t v_t^T ;  o_t = S_t^T (s q_t)
 *     backward  F_T = dS_fin ;  R_t = F_t + (s q_t) do_t^T ;  F_{t-1} = outer(alpha_t, beta_t) * R_t ;  dS_0 = F_0
 *               dq_t = s S_t do_t ;  dk_t = R_t v_t ;  dv_t = R_t^T k_t
 *               dgk_t = row(R_t*Z_t) ;  dgv_t = col(R_t*Z_t)                                  (direct route)
 *
 * Shapes: S, Z, R, F [dk,dv]; q k dq dk gk [T,dk]; v o do dv gv [T,dv]. One token after the other.
 * Precision: one rounding per operation; the write is an fma. The direct gate gradient has no cancellation between
 * tokens: about 2e-7 relative in binary32 for any decay.
 * Cost: forward 5 T dk dv flops (6 with beta), T dk (+ T dv) exps. Memory: the backward keeps every sqrt(T)-th state
 * and recomputes the others, 2 sqrt(T) dk dv numbers.
 * A-priori bound: |o^ - o| <= gamma_{2t + dk + 3} * Ma_t, Ma the same recurrence on absolute values.
 */
#include <math.h>

#include "gate_gradient.h"

/* What one token needs; alpha and beta absent when the gate is. */
typedef struct token {
    gla_matrix alpha, beta; /* [1,dk], [1,dv] */
    gla_matrix sq;          /* [1,dk] s q_t */
} token;

static gla_matrix decay_of(gla_matrix scratch, gla_matrix gates, size_t t) {
    if (gla_absent(gates)) return gates;
    gla_exp(scratch, gla_row(gates, t));
    return scratch;
}

static token new_token(const gated_slice *x) {
    return (token){gla_new(x->in, 1, x->dk), gla_new(x->in, 1, x->dv), gla_new(x->in, 1, x->dk)};
}

/* The decays and scaled query of token t; `scratch` owns the memory. */
static token at_token(const gated_slice *x, token scratch, size_t t) {
    x->in->token = (int64_t)t;
    gla_scale(scratch.sq, gla_row(x->q, t), x->s);
    gla_matrix alpha = gla_absent(x->alpha) ? decay_of(scratch.alpha, x->gk, t) : x->alpha;
    return (token){alpha, decay_of(scratch.beta, x->gv, t), scratch.sq};
}

/* S becomes S_t; Z (may be absent) keeps the decayed state. */
static void step(const gated_slice *x, token now, size_t t, gla_matrix S, gla_matrix Z) {
    gla_decay(S, now.alpha, now.beta);
    if (!gla_absent(Z)) gla_copy(Z, S);
    gla_write(S, gla_row(x->k, t), gla_row(x->v, t));
    gla_round_at(S, GLA_SITE_STATE);
}

static void forward(const gated_slice *x) {
    gla_matrix S = x->ST;
    token scratch = new_token(x);
    gla_copy(S, x->S0);
    for (size_t t = 0; t < x->T; t++) {
        token now = at_token(x, scratch, t);
        step(x, now, t, S, (gla_matrix){0});
        gla_read(gla_row(x->o, t), S, now.sq);
    }
}

/* The gradients without the i = j pair, for the strict route; all absent otherwise. */
typedef struct strict_parts {
    gla_matrix dq, dk, o, dv;
} strict_parts;

/* S_t do_t and S_t^T q_t with the decayed state Z_t in place of S_t: the token's own write is left out. */
static void read_strictly(const gated_slice *x, token now, size_t t, gla_matrix Z, strict_parts p) {
    if (gla_absent(p.dq)) return;
    gla_read(gla_row(p.dq, t), gla_transposed(Z), gla_row(x->d_o, t));
    gla_scale(gla_row(p.dq, t), gla_row(p.dq, t), x->s);
    gla_read(gla_row(p.o, t), Z, now.sq);
}

/* The writer's gradients from F_t, before the token's own read is added. */
static void write_strictly(const gated_slice *x, size_t t, gla_matrix F, strict_parts p) {
    if (gla_absent(p.dk)) return;
    gla_read(gla_row(p.dk, t), gla_transposed(F), gla_row(x->v, t));
    gla_read(gla_row(p.dv, t), F, gla_row(x->k, t));
}

/* dgk_t = row(R*Z), summed over channels where they share the gate. */
static void key_gate_direct(gla_matrix dg, gla_matrix R, gla_matrix Z) {
    if (dg.cols == Z.rows)
        gla_row_dot(dg, R, Z);
    else
        gla_copy(dg, gate_gradient_shared(gate_gradient_boundary(R, Z), dg.cols));
}

/* One token of the backward: F holds F_t and leaves as F_{t-1}. */
static void step_back(const gated_slice *x, token now, size_t t, gla_matrix F, gla_matrix Z, bool direct) {
    gla_write(F, now.sq, gla_row(x->d_o, t)); /* R_t */
    gla_read(gla_row(x->dk_, t), gla_transposed(F), gla_row(x->v, t));
    gla_read(gla_row(x->dv_, t), F, gla_row(x->k, t));
    if (direct && !gla_absent(x->gk)) key_gate_direct(gla_row(x->dgk, t), F, Z);
    if (direct && !gla_absent(x->gv)) gla_row_dot(gla_row(x->dgv, t), gla_transposed(F), gla_transposed(Z));
    gla_decay(F, now.alpha, now.beta);
    gla_round_at(F, GLA_SITE_DSTATE);
}

/* Tokens first..end-1: replay the states from S (the state before `first`), then walk back with F. */
static void segment_back(const gated_slice *x, token scratch, size_t first, size_t end, gla_matrix S, gla_matrix F,
                         bool direct, strict_parts p) {
    size_t mark = gla_mark(x->in), dk = x->dk;
    gla_matrix Z = gla_new(x->in, (end - first) * dk, x->dv); /* Z_t of the segment, stacked */
    for (size_t t = first; t < end; t++) {
        token now = at_token(x, scratch, t);
        gla_matrix Zt = gla_rows(Z, (t - first) * dk, dk);
        step(x, now, t, S, Zt);
        gla_read(gla_row(x->dq, t), gla_transposed(S), gla_row(x->d_o, t));
        gla_scale(gla_row(x->dq, t), gla_row(x->dq, t), x->s);
        read_strictly(x, now, t, Zt, p);
    }
    for (size_t t = end; t-- > first;) {
        token now = at_token(x, scratch, t);
        write_strictly(x, t, F, p);
        step_back(x, now, t, F, gla_rows(Z, (t - first) * dk, dk), direct);
    }
    gla_release(x->in, mark);
}

static void backward(const gated_slice *x, gla_gate_route route) {
    bool direct = route == GLA_ROUTE_DIRECT || route == GLA_ROUTE_DEFAULT;
    size_t T = x->T, dk = x->dk, stride = (size_t)ceil(sqrt((double)T));
    token scratch = new_token(x);
    strict_parts p = {0};
    if (route == GLA_ROUTE_STRICT)
        p = (strict_parts){gla_new(x->in, T, dk), gla_new(x->in, T, dk), gla_new(x->in, T, x->dv),
                           gla_new(x->in, T, x->dv)};
    size_t segments = T ? (T + stride - 1) / stride : 0;
    gla_matrix kept = gla_new(x->in, segments * dk, x->dv); /* the state before each segment */
    gla_matrix S = gla_new(x->in, dk, x->dv), F = x->dS0;
    gla_copy(S, x->S0);
    for (size_t t = 0; t < T; t++) {
        if (t % stride == 0) gla_copy(gla_rows(kept, t / stride * dk, dk), S);
        step(x, at_token(x, scratch, t), t, S, (gla_matrix){0});
    }
    gla_copy(F, x->dST);
    for (size_t n = segments; n-- > 0;) {
        size_t first = n * stride, end = first + stride < T ? first + stride : T;
        segment_back(x, scratch, first, end, gla_rows(kept, n * dk, dk), F, direct, p);
    }
    bool strict = route == GLA_ROUTE_STRICT;
    gated_roles key = {x->q, strict ? p.dq : x->dq, x->k, strict ? p.dk : x->dk_};
    gated_roles value = {strict ? p.o : x->o, x->d_o, x->v, strict ? p.dv : x->dv_};
    gate_gradient_identity(x, route, key, value);
}

void gated_recurrent(const gated_slice *x, const gla_form *form) {
    size_t mark = gla_mark(x->in);
    forward(x);
    if (form->backward) backward(x, form->route);
    gla_release(x->in, mark);
    x->in->token = -1;
}
