/* SPDX-License-Identifier: Apache-2.0
 *
 * The delta core, chunkwise (spec 9d-11d, 9e-11e): C tokens at a time, chunk.h's equations one chunk after the other.
 *
 * Materialised: every chunk state is kept before any output is made. Otherwise one loop carries S, and the backward
 * recomputes states from every sqrt(N)-th. The same calls in the same order make both: the numbers are identical.
 * Precision: as the gated core's for decays; X multiplies errors of earlier tokens by at most beta_r |k_r| |k_i| in the
 * stable domain (delta.h).
 * Cost, solve, forward: T [6 dk dv + dk dv/C + 2 C dk + 2 C dv] flops counting triangles; ut: T [(C^2-1)/3 + C dk]
 * more.
 */
#include <math.h>

#include "gate_route.h"
#include "pseudo.h"

static size_t chunks(const delta_slice *x, const gla_form *form) {
    return (x->T + (size_t)form->C - 1) / (size_t)form->C;
}

/* Every kept state and how far apart they are: stride 1 keeps all, 0 none. */
typedef struct kept_states {
    gla_matrix S; /* [kept*dk, dv] */
    size_t stride;
} kept_states;

static kept_states keep(const delta_slice *x, const gla_form *form) {
    size_t N = chunks(x, form);
    if (!form->materialised && !form->backward) return (kept_states){.stride = 0};
    size_t stride = form->materialised || N == 0 ? 1 : (size_t)ceil(sqrt((double)N));
    return (kept_states){gla_new(x->in, (N + stride - 1) / stride * x->dk, x->dv), stride};
}

/* S from the state entering chunk n to the one leaving it; O too if asked. */
static void pass(const delta_slice *x, const gla_form *form, gla_matrix sq, size_t n, gla_matrix S, bool output) {
    size_t mark = gla_mark(x->in);
    delta_chunk u = delta_chunk_at(x, form, sq, n);
    gla_matrix U = delta_pseudo_values(&u, form, S).U;
    if (output) delta_chunk_output(x, &u, S, U);
    delta_chunk_state(&u, S, U);
    gla_release(x->in, mark);
}

static void run_forward(const delta_slice *x, const gla_form *form, gla_matrix sq, kept_states kept) {
    gla_matrix S = x->ST;
    gla_copy(S, x->S0);
    for (size_t n = 0; n < chunks(x, form); n++) {
        if (kept.stride && n % kept.stride == 0) gla_copy(gla_rows(kept.S, n / kept.stride * x->dk, x->dk), S);
        pass(x, form, sq, n, S, !form->materialised);
    }
    for (size_t n = 0; form->materialised && n < chunks(x, form); n++) {
        size_t mark = gla_mark(x->in);
        delta_chunk u = delta_chunk_at(x, form, sq, n);
        gla_matrix entering = gla_rows(kept.S, n * x->dk, x->dk);
        delta_chunk_output(x, &u, entering, delta_pseudo_values(&u, form, entering).U);
        gla_release(x->in, mark);
    }
}

/* The state entering chunk n, replayed from the last kept one. */
static gla_matrix state_entering(const delta_slice *x, const gla_form *form, gla_matrix sq, kept_states kept,
                                 size_t n) {
    gla_matrix S = gla_new(x->in, x->dk, x->dv);
    size_t from = n / kept.stride;
    gla_copy(S, gla_rows(kept.S, from * x->dk, x->dk));
    for (size_t i = from * kept.stride; i < n; i++) pass(x, form, sq, i, S, false);
    return S;
}

/* The state leaving a chunk. */
static gla_matrix state_leaving(const delta_chunk *u, const gla_form *form, gla_matrix S) {
    gla_matrix out = gla_new(S.in, S.rows, S.cols);
    gla_copy(out, S);
    delta_chunk_state(u, out, delta_pseudo_values(u, form, S).U);
    return out;
}

/* Gradients of the whole sequence that no result holds: K in its two roles, and for the strict route dQ and dK^w
 * without the i = r pairs. */
typedef struct role_gradients {
    gla_matrix dKr, dKw, dQ_strict, dKw_strict; /* [T,dk] */
} role_gradients;

static void chunk_gate(const delta_slice *x, const gla_form *form, gla_gate_route route, const delta_chunk *u,
                       const delta_gradients *g, role_gradients r, gla_matrix S, gla_matrix F) {
    if (gla_absent(x->g)) return;
    size_t i = u->first, m = u->m;
    gla_matrix q = gla_rows(x->q, i, m), dg = gla_rows(x->dg, i, m);
    if (route == GLA_ROUTE_STRADDLE)
        delta_gate_straddle(dg, (delta_roles){q, g->dQ_inter, u->k, g->dKr_inter, g->dKw_inter}, u, g, F, S);
    if (route == GLA_ROUTE_ANCHOR)
        delta_gate_anchor(dg,
                          (delta_roles){q, gla_rows(x->dq, i, m), u->k, gla_rows(r.dKr, i, m), gla_rows(r.dKw, i, m)},
                          F, state_leaving(u, form, S));
}

static void run_backward(const delta_slice *x, const gla_form *form, gla_gate_route route, gla_matrix sq,
                         kept_states kept, role_gradients r) {
    gla_matrix F = x->dS0;
    gla_copy(F, x->dST);
    for (size_t n = chunks(x, form); n-- > 0;) {
        size_t mark = gla_mark(x->in);
        gla_matrix S = state_entering(x, form, sq, kept, n), F_out = gla_new(x->in, x->dk, x->dv);
        gla_copy(F_out, F);
        delta_chunk u = delta_chunk_at(x, form, sq, n);
        delta_gradients g = delta_chunk_back(x, &u, form, S, F);
        size_t i = u.first, m = u.m;
        gla_matrix dKr = gla_rows(r.dKr, i, m), dKw = gla_rows(r.dKw, i, m);
        delta_key_gradients all = {gla_rows(x->dq, i, m), dKr, dKw, gla_rows(x->dk_, i, m)};
        delta_key_gradients strict = {gla_rows(r.dQ_strict, i, m), dKr, gla_rows(r.dKw_strict, i, m), {0}};
        if (route == GLA_ROUTE_STRICT) delta_chunk_pairs(x, &u, &g, strict, true);
        delta_chunk_pairs(x, &u, &g, all, false);
        chunk_gate(x, form, route, &u, &g, r, S, F_out);
        gla_release(x->in, mark);
    }
}

void delta_chunkwise(const delta_slice *x, const gla_form *form) {
    gla_numbers *n = x->in;
    size_t mark = gla_mark(n);
    gla_matrix sq = gla_new(n, x->T, x->dk);
    gla_scale(sq, x->q, x->s);
    kept_states kept = keep(x, form);
    run_forward(x, form, sq, kept);
    if (form->backward) {
        gla_gate_route route = form->route;
        if (route == GLA_ROUTE_DEFAULT) route = form->kind == GLA_CHUNKWISE ? GLA_ROUTE_STRADDLE : GLA_ROUTE_ANCHOR;
        bool strict = route == GLA_ROUTE_STRICT;
        role_gradients r = {.dKr = gla_new(n, x->T, x->dk), .dKw = gla_new(n, x->T, x->dk)};
        r.dQ_strict = strict ? gla_new(n, x->T, x->dk) : x->dq;
        r.dKw_strict = strict ? gla_new(n, x->T, x->dk) : r.dKw;
        run_backward(x, form, route, sq, kept, r);
        delta_gate_identity(x, route, (delta_roles){x->q, r.dQ_strict, x->k, r.dKr, r.dKw_strict});
    }
    gla_release(n, mark);
    n->chunk = -1;
}
