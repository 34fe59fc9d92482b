/* SPDX-License-Identifier: Apache-2.0
 *
 * One chunk of the delta core, forward and backward; equations in chunk.h.
 */
#include "chunk.h"

#include "../gated/operand.h"
#include "pseudo.h"
#include "triangular.h"

static gla_matrix rows_of(gla_matrix A, const delta_chunk *u) { return gla_rows(A, u->first, u->m); }

delta_chunk delta_chunk_at(const delta_slice *x, const gla_form *form, gla_matrix sq, size_t index) {
    gla_numbers *n = x->in;
    size_t C = (size_t)form->C, first = index * C, left = x->T - first;
    n->chunk = (int64_t)index;
    delta_chunk u = {.first = first, .m = left < C ? left : C};
    u.sq = rows_of(sq, &u);
    u.k = rows_of(x->k, &u);
    u.v = rows_of(x->v, &u);
    u.d_o = rows_of(x->d_o, &u);
    u.beta = rows_of(x->beta, &u);
    u.decay = delta_decay_of(n, rows_of(x->g, &u), x->dk, form);
    u.Qt = gated_operand(u.sq, u.decay.into, GLA_SITE_Q_DECAYED);
    u.Kg = gated_weighed(u.k, u.decay.into);
    u.Kh = gated_operand(u.k, u.decay.out, GLA_SITE_K_DECAYED);
    u.L = gla_new(n, u.m, u.m);
    delta_scores(u.L, gated_operand(u.k, delta_across(u.beta, x->dk), GLA_SITE_BETA_OPERAND), u.k, &u.decay);
    gla_lower(u.L, true);
    return u;
}

static gla_matrix scores_of(const delta_chunk *u) {
    gla_matrix P = gla_new(u->k.in, u->m, u->m);
    delta_scores(P, u->sq, u->k, &u->decay);
    gla_round_at(P, GLA_SITE_SCORE);
    return P;
}

void delta_chunk_output(const delta_slice *x, const delta_chunk *u, gla_matrix S, gla_matrix U) {
    size_t mark = gla_mark(x->in);
    gla_matrix O = rows_of(x->o, u);
    gla_zero(O);
    gla_product(O, u->Qt, gated_rounded(S, GLA_SITE_STATE_READ));
    gla_product(O, scores_of(u), U);
    gla_release(x->in, mark);
}

void delta_chunk_state(const delta_chunk *u, gla_matrix S, gla_matrix U) {
    gla_decay(S, u->decay.through, (gla_matrix){0});
    gla_product(S, gla_transposed(u->Kh), U);
    gla_round_at(S, GLA_SITE_STATE);
}

/* Z *= decay where there is a gate. */
static void weigh(gla_matrix Z, gla_matrix decay) {
    if (!gla_absent(decay)) gla_mul(Z, Z, decay);
}

static void state_back(const delta_chunk *u, gla_matrix F, const delta_pseudo_gradients *p) {
    gla_decay(F, u->decay.through, (gla_matrix){0});
    gla_product(F, gla_transposed(u->Qt), u->d_o);
    gla_product(F, gla_transposed(delta_negated(p->left)), p->right);
    gla_round_at(F, GLA_SITE_DSTATE);
}

/* dU = Kh F + P^T dO. */
static gla_matrix pseudo_gradient(const delta_chunk *u, gla_matrix F) {
    gla_matrix dU = gla_new(F.in, u->m, F.cols);
    gla_product(dU, gla_transposed(scores_of(u)), u->d_o);
    gla_round_at(dU, GLA_SITE_PART);
    gla_product(dU, u->Kh, F);
    gla_round_at(dU, GLA_SITE_DPSEUDO);
    return dU;
}

/* dbeta += rowsum(dL*KK). */
static void beta_through_pairs(const delta_chunk *u, gla_matrix dL, gla_matrix dbeta) {
    gla_matrix KK = gla_new(dL.in, u->m, u->m);
    delta_scores(KK, u->k, u->k, &u->decay);
    gla_lower(KK, true);
    gla_row_dot(gla_transposed(dbeta), dL, KK);
}

delta_gradients delta_chunk_back(const delta_slice *x, const delta_chunk *u, const gla_form *form, gla_matrix S,
                                 gla_matrix F) {
    gla_numbers *n = x->in;
    delta_pseudo values = delta_pseudo_values(u, form, S);
    gla_matrix Fr = gated_rounded(F, GLA_SITE_DSTATE_READ), dbeta = rows_of(x->dbeta, u);
    delta_pseudo_gradients p =
        delta_pseudo_back(u, form, &values, S, pseudo_gradient(u, Fr), rows_of(x->dv_, u), dbeta);
    beta_through_pairs(u, p.dL, dbeta);

    delta_gradients g = {gla_new(n, u->m, x->dk), p.dKg, gla_new(n, u->m, x->dk), gla_new(n, u->m, u->m), p.dL};
    gla_mul(g.dKK, p.dL, delta_across(u->beta, u->m));
    gla_round_at(g.dKK, GLA_SITE_DSCORE);
    gla_product(g.dP, u->d_o, gla_transposed(values.U));
    gla_lower(g.dP, false);
    gla_round_at(g.dP, GLA_SITE_DSCORE);
    gla_product(g.dQ_inter, u->d_o, gla_transposed(gated_rounded(S, GLA_SITE_STATE_READ)));
    weigh(g.dQ_inter, u->decay.into);
    gla_scale(g.dQ_inter, g.dQ_inter, x->s);
    weigh(g.dKr_inter, u->decay.into);
    gla_product(g.dKw_inter, values.U, gla_transposed(Fr));
    weigh(g.dKw_inter, u->decay.out);
    state_back(u, F, &p);
    return g;
}

/* dK = (what came through O and S) + (what came through U), each rounded as its kernel writes it. */
static void add_parts(gla_matrix dK, gla_matrix through_o, gla_matrix dKr, gla_matrix writer) {
    gla_matrix through_u = gla_new(dK.in, dK.rows, dK.cols);
    gla_add(through_u, dKr, writer);
    gla_round_at(through_u, GLA_SITE_PART);
    gla_add(dK, gated_rounded(through_o, GLA_SITE_PART), through_u);
}

void delta_chunk_pairs(const delta_slice *x, const delta_chunk *u, const delta_gradients *g, delta_key_gradients out,
                       bool strict) {
    size_t mark = gla_mark(x->in);
    gla_matrix intra = gla_new(x->in, u->m, x->dk), writer = gla_new(x->in, u->m, x->dk), through_o;
    delta_spread(intra, g->dP, u->k, &u->decay, strict);
    gla_scale(intra, intra, x->s);
    gla_add(out.dQ, g->dQ_inter, intra);
    gla_copy(out.dKr, g->dKr_inter);
    delta_spread(out.dKr, g->dKK, u->k, &u->decay, true);
    through_o = gated_weighed(g->dKw_inter, (gla_matrix){0});
    delta_collect(through_o, g->dP, u->sq, &u->decay, strict);
    delta_collect(writer, g->dKK, u->k, &u->decay, true);
    gla_add(out.dKw, through_o, writer);
    if (!gla_absent(out.dK)) add_parts(out.dK, through_o, out.dKr, writer);
    gla_release(x->in, mark);
}
