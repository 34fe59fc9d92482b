/* SPDX-License-Identifier: Apache-2.0
 *
 * The delta core over segments of L tokens that can be worked on at the same time: any formulation, once per segment
 * from a zero state, the states carried across by the segments' affine maps (L8), and again from the right ones.
 *
 *     M_p [dk,dk]  what segment p makes of a state: run with v = 0 from S = I     B_p  its state from zero
 *     S_0  = the initial state ;  S_{p+1} = M_p S_p + B_p
 *     W_p  = adjoint that enters segment p from its own outputs alone
 *     F_P  = dS_T ;  F_p = M_p^T F_{p+1} + W_p
 * Segment p then runs with initial state S_p and final adjoint F_{p+1}. The last one's final state, the first one's
 * initial adjoint are the sequence's. M_p = prod_t (I - beta_t k_t k_t^T) diag(e^g_t) expands nothing in the stable
 * domain. Cost: a forward run with dv = dk per segment beyond what the gated core's split pays.
 */
#include "delta.h"

static gla_matrix some_rows(gla_matrix A, size_t first, size_t m) { return gla_absent(A) ? A : gla_rows(A, first, m); }

/* Segment p as a slice of its own, between the given states; its outputs are views of the whole. */
static delta_slice segment_of(const delta_slice *x, size_t L, size_t p, gla_matrix S0, gla_matrix dST) {
    size_t first = p * L, left = x->T - first, m = left < L ? left : L;
    delta_slice z = *x;
    z.T = m;
    gla_matrix *by_token[] = {&z.q, &z.k, &z.v, &z.g, &z.beta, &z.o, &z.d_o, &z.dq, &z.dk_, &z.dv_, &z.dg, &z.dbeta};
    for (size_t i = 0; i < sizeof by_token / sizeof *by_token; i++) *by_token[i] = some_rows(*by_token[i], first, m);
    z.S0 = S0;
    z.ST = gla_new(x->in, x->dk, x->dv);
    z.dST = dST;
    z.dS0 = gla_absent(dST) ? dST : gla_new(x->in, x->dk, x->dv);
    return z;
}

/* M_p. */
static gla_matrix map_of(const delta_slice *segment, const gla_form *forward) {
    gla_numbers *n = segment->in;
    delta_slice z = *segment;
    z.dv = z.dk;
    z.v = gla_new(n, z.T, z.dk);
    z.o = gla_new(n, z.T, z.dk);
    z.ST = gla_new(n, z.dk, z.dk);
    z.S0 = gla_new(n, z.dk, z.dk);
    for (size_t c = 0; c < z.dk && n->status == GLA_OK; c++) n->ops->set_d(n, gla_at(z.S0, c, c), 1.0);
    delta_run_form(&z, forward);
    return z.ST;
}

static gla_matrix state_of(gla_matrix all, size_t p, size_t dk) { return gla_rows(all, p * dk, dk); }

/* All maps, stacked [P*dk, dk]. */
static gla_matrix maps_of(const delta_slice *x, const gla_form *forward, size_t L, size_t P) {
    gla_matrix M = gla_new(x->in, P * x->dk, x->dk);
    for (size_t p = 0; p < P; p++) {
        size_t mark = gla_mark(x->in);
        delta_slice own = segment_of(x, L, p, (gla_matrix){0}, (gla_matrix){0});
        gla_copy(state_of(M, p, x->dk), map_of(&own, forward));
        gla_release(x->in, mark);
    }
    return M;
}

/* The states that enter the segments, S_0 .. S_{P-1} stacked [P*dk, dv]. */
static gla_matrix entering_states(const delta_slice *x, const gla_form *forward, size_t L, size_t P, gla_matrix M) {
    gla_numbers *n = x->in;
    gla_matrix S = gla_new(n, P * x->dk, x->dv);
    gla_copy(state_of(S, 0, x->dk), x->S0);
    for (size_t p = 0; p + 1 < P; p++) {
        size_t mark = gla_mark(n);
        delta_slice own = segment_of(x, L, p, gla_new(n, x->dk, x->dv), (gla_matrix){0});
        delta_run_form(&own, forward);
        gla_copy(state_of(S, p + 1, x->dk), own.ST);
        gla_product(state_of(S, p + 1, x->dk), state_of(M, p, x->dk), state_of(S, p, x->dk));
        gla_release(n, mark);
    }
    return S;
}

/* The adjoints that enter the segments from the right, F_1 .. F_P: row block p is F_{p+1}. */
static gla_matrix entering_adjoints(const delta_slice *x, const gla_form *form, size_t L, size_t P, gla_matrix M,
                                    gla_matrix S) {
    gla_numbers *n = x->in;
    gla_matrix F = gla_new(n, P * x->dk, x->dv);
    gla_copy(state_of(F, P - 1, x->dk), x->dST);
    for (size_t p = P - 1; p > 0; p--) {
        size_t mark = gla_mark(n);
        delta_slice own = segment_of(x, L, p, state_of(S, p, x->dk), gla_new(n, x->dk, x->dv));
        delta_run_form(&own, form);
        gla_copy(state_of(F, p - 1, x->dk), own.dS0);
        gla_product(state_of(F, p - 1, x->dk), gla_transposed(state_of(M, p, x->dk)), state_of(F, p, x->dk));
        gla_release(n, mark);
    }
    return F;
}

void delta_split(const delta_slice *x, const gla_form *form) {
    gla_numbers *n = x->in;
    size_t mark = gla_mark(n), L = (size_t)form->split, P = (x->T + L - 1) / L;
    gla_form whole = *form, forward;
    whole.split = 0;
    forward = whole;
    forward.backward = false;
    if (P < 2) {
        delta_run_form(x, &whole);
        return;
    }
    gla_matrix M = maps_of(x, &forward, L, P), S = entering_states(x, &forward, L, P, M), F = {0};
    if (form->backward) F = entering_adjoints(x, &whole, L, P, M, S);
    for (size_t p = 0; p < P; p++) {
        gla_matrix dST = form->backward ? state_of(F, p, x->dk) : F;
        delta_slice own = segment_of(x, L, p, state_of(S, p, x->dk), dST);
        delta_run_form(&own, &whole);
        if (p + 1 == P) gla_copy(x->ST, own.ST);
        if (p == 0 && form->backward) gla_copy(x->dS0, own.dS0);
    }
    gla_release(n, mark);
}
