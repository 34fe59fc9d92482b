/* SPDX-License-Identifier: Apache-2.0
 *
 * GLA over segments of L tokens that can be worked on at the same time: any formulation, run once per segment from a
 * zero state, the states carried across, and run again from the right ones. Nothing is dropped.
 *
 *     U_p  = state after segment p alone, from zero          D_p = outer(e^sum gk, e^sum gv) over the segment
 *     S_0  = the initial state ;  S_{p+1} = D_p * S_p + U_p                   multiplied, then added
 *     W_p  = adjoint that enters segment p from its own outputs alone
 *     F_P  = dS_T ;  F_p = D_p * F_{p+1} + W_p
 * Segment p then runs with initial state S_p and final adjoint F_{p+1}. The last one's final state, the first one's
 * initial adjoint are the sequence's. D_p is 0 where a gate of the segment is -inf.
 */
#include "gated.h"

static size_t least(size_t a, size_t b) { return a < b ? a : b; }

static gla_matrix some_rows(gla_matrix A, size_t first, size_t m) { return gla_absent(A) ? A : gla_rows(A, first, m); }

/* The same of an output: zeros, as every formulation expects its outputs, also when it runs again. */
static gla_matrix blank_rows(gla_matrix A, size_t first, size_t m) {
    gla_matrix z = some_rows(A, first, m);
    if (!gla_absent(z)) gla_zero(z);
    return z;
}

/* Segment p as a slice of its own, between the given states; its outputs are views of the whole. */
static gated_slice segment_of(const gated_slice *x, size_t L, size_t p, gla_matrix S0, gla_matrix dST) {
    size_t first = p * L, m = least(L, x->T - first);
    gated_slice z = *x;
    z.T = m;
    z.q = some_rows(x->q, first, m);
    z.k = some_rows(x->k, first, m);
    z.v = some_rows(x->v, first, m);
    z.gk = some_rows(x->gk, first, m);
    z.gv = some_rows(x->gv, first, m);
    z.o = blank_rows(x->o, first, m);
    z.d_o = some_rows(x->d_o, first, m);
    z.dq = blank_rows(x->dq, first, m);
    z.dk_ = blank_rows(x->dk_, first, m);
    z.dv_ = blank_rows(x->dv_, first, m);
    z.dgk = blank_rows(x->dgk, first, m);
    z.dgv = blank_rows(x->dgv, first, m);
    z.S0 = S0;
    z.ST = gla_new(x->in, x->dk, x->dv);
    z.dST = dST;
    z.dS0 = gla_absent(dST) ? dST : gla_new(x->in, x->dk, x->dv);
    return z;
}

/* S = D_p * S. */
static void carry_across(const gated_slice *segment, gla_matrix S) {
    gla_numbers *n = S.in;
    gla_gates gk = gla_gate_sum(n, segment->gk), gv = gla_gate_sum(n, segment->gv);
    gla_matrix a = {0}, b = {0};
    if (gk.present) gla_decay_in(a = gla_new(n, 1, segment->dk), gk, segment->T - 1);
    if (gv.present) gla_decay_in(b = gla_new(n, 1, segment->dv), gv, segment->T - 1);
    gla_decay(S, a, b);
}

static gla_matrix state_of(gla_matrix all, size_t p, size_t dk) { return gla_rows(all, p * dk, dk); }

/* The states that enter the segments, S_0 .. S_{P-1} stacked [P*dk, dv]. */
static gla_matrix entering_states(const gated_slice *x, const gla_form *form, gated_run *run, size_t L, size_t P) {
    gla_numbers *n = x->in;
    gla_matrix S = gla_new(n, P * x->dk, x->dv);
    gla_copy(state_of(S, 0, x->dk), x->S0);
    gla_form forward = *form;
    forward.backward = false;
    for (size_t p = 0; p + 1 < P; p++) {
        size_t mark = gla_mark(n);
        gated_slice own = segment_of(x, L, p, gla_new(n, x->dk, x->dv), (gla_matrix){0});
        run(&own, &forward);
        gla_matrix next = state_of(S, p + 1, x->dk);
        gla_copy(next, state_of(S, p, x->dk));
        carry_across(&own, next);
        gla_add(next, next, own.ST);
        gla_release(n, mark);
    }
    return S;
}

/* The adjoints that enter the segments from the right, F_1 .. F_P: row block p is F_{p+1}. */
static gla_matrix entering_adjoints(const gated_slice *x, const gla_form *form, gated_run *run, gla_matrix S, size_t L,
                                    size_t P) {
    gla_numbers *n = x->in;
    gla_matrix F = gla_new(n, P * x->dk, x->dv);
    gla_copy(state_of(F, P - 1, x->dk), x->dST);
    for (size_t p = P - 1; p > 0; p--) {
        size_t mark = gla_mark(n);
        gated_slice own = segment_of(x, L, p, state_of(S, p, x->dk), gla_new(n, x->dk, x->dv));
        run(&own, form);
        gla_matrix left = state_of(F, p - 1, x->dk);
        gla_copy(left, state_of(F, p, x->dk));
        carry_across(&own, left);
        gla_add(left, left, own.dS0);
        gla_release(n, mark);
    }
    return F;
}

void gated_split(const gated_slice *x, const gla_form *form, gated_run *run) {
    gla_numbers *n = x->in;
    size_t mark = gla_mark(n), L = (size_t)form->split, P = (x->T + L - 1) / L;
    gla_matrix S = entering_states(x, form, run, L, P), F = {0};
    if (form->backward) F = entering_adjoints(x, form, run, S, L, P);
    for (size_t p = 0; p < P; p++) {
        gla_matrix dST = form->backward ? state_of(F, p, x->dk) : F;
        gated_slice own = segment_of(x, L, p, state_of(S, p, x->dk), dST);
        run(&own, form);
        if (p + 1 == P) gla_copy(x->ST, own.ST);
        if (p == 0 && form->backward) gla_copy(x->dS0, own.dS0);
    }
    gla_release(n, mark);
}
