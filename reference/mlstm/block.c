/* SPDX-License-Identifier: Apache-2.0
 *
 * One triangle of the mLSTM; equations in block.h.
 */
#include "block.h"

#include "../gated/operand.h"
#include "gate_gradients.h"

/* Z_r *= w_r. */
static void weigh_rows(gla_matrix Z, gla_matrix w) { gla_decay(Z, gla_transposed(w), (gla_matrix){0}); }

gla_matrix mlstm_weighed_rows(gla_matrix Z, gla_matrix w, gla_site site) {
    gla_matrix out = gla_new(Z.in, Z.rows, Z.cols);
    gla_copy(out, Z);
    weigh_rows(out, w);
    gla_round_at(out, site);
    return out;
}

static gla_matrix product_of(gla_matrix A, gla_matrix B) {
    gla_matrix Z = gla_new(A.in, A.rows, B.cols);
    gla_product(Z, A, B);
    return Z;
}

/* m_r and into_r of every row. */
static void stabilise_rows(const mlstm_slice *x, mlstm_block *u, gla_matrix m_in) {
    gla_matrix carried = gla_new(x->in, 1, 1);
    for (size_t r = 0; r < u->m; r++) {
        gla_matrix m = gla_row(u->stabiliser, r);
        gla_add(carried, gla_row(u->log.b, r), m_in);
        if (!x->options.sigmoid) gla_copy(m, carried);
        for (size_t j = 0; j <= r; j++) mlstm_stabilise(x, m, mlstm_at(u->log.L, r, j));
        mlstm_weight(gla_row(u->into, r), carried, m);
    }
}

mlstm_block mlstm_block_at(const mlstm_slice *x, mlstm_reads *r, mlstm_gates gates, size_t first, size_t m,
                           gla_matrix m_in) {
    gla_numbers *n = x->in;
    mlstm_block u = {.first = first, .m = m, .log = mlstm_log_weights_of(gates, first, m)};
    u.sq = gla_rows(r->sq, first, m);
    u.q = gla_rows(x->q, first, m);
    u.k = gla_rows(x->k, first, m);
    u.V = gla_rows(r->V, first, m);
    u.stabiliser = gla_rows(r->m, first, m);
    u.into = gla_new(n, m, 1);
    u.out = gla_new(n, m, 1);
    stabilise_rows(x, &u, m_in);
    for (size_t j = 0; j < m; j++)
        mlstm_weight(gla_row(u.out, j), mlstm_at(u.log.L, m - 1, j), gla_row(u.stabiliser, m - 1));
    u.through = gla_row(u.into, m - 1);
    u.Qt = mlstm_weighed_rows(u.sq, u.into, GLA_SITE_Q_DECAYED);
    u.Kh = mlstm_weighed_rows(u.k, u.out, GLA_SITE_K_DECAYED);
    return u;
}

static gla_matrix decays(const mlstm_slice *x, const mlstm_block *u) {
    gla_matrix D = gla_new(x->in, u->m, u->m);
    for (size_t r = 0; r < u->m; r++)
        for (size_t j = 0; j <= r; j++)
            mlstm_weight(mlstm_at(D, r, j), mlstm_at(u->log.L, r, j), gla_row(u->stabiliser, r));
    return D;
}

/* (A B^T)*D. */
static gla_matrix weighed_scores(gla_matrix A, gla_matrix B, gla_matrix D, gla_site site) {
    gla_matrix P = product_of(A, gla_transposed(B));
    gla_mul(P, P, D);
    gla_round_at(P, site);
    return P;
}

gla_matrix mlstm_block_scores(const mlstm_slice *x, const mlstm_block *u) {
    return weighed_scores(u->sq, u->k, decays(x, u), GLA_SITE_SCORE);
}

void mlstm_block_state(const mlstm_block *u, gla_matrix S) {
    gla_scale(S, S, u->through);
    gla_product(S, gla_transposed(u->Kh), u->V);
    gla_round_at(S, GLA_SITE_STATE);
}

/* What the states have in dq and dk. */
typedef struct inter {
    gla_matrix dq, dk; /* [m,dk], dq holds s */
} inter;

static inter through_states(const mlstm_slice *x, const mlstm_block *u, gla_matrix dnum, gla_matrix S, gla_matrix Fr) {
    inter i = {product_of(dnum, gla_transposed(gated_rounded(S, GLA_SITE_STATE_READ))),
               product_of(u->V, gla_transposed(Fr))};
    weigh_rows(i.dq, u->into);
    gla_scale(i.dq, i.dq, x->s);
    weigh_rows(i.dk, u->out);
    return i;
}

/* E_rj = A_rj (dnum V~^T)_rj and what goes through the whole block. */
static void straddle(const mlstm_block *u, gla_matrix z, gla_matrix A, gla_matrix dnum, inter i, gla_matrix S,
                     gla_matrix F) {
    gla_matrix E = weighed_scores(dnum, u->V, A, GLA_SITE_GATE_TERM), through = mlstm_end_term(S, F);
    gla_scale(through, through, u->through);
    mlstm_straddle(z, E, u->q, i.dq, u->k, i.dk, through);
}

void mlstm_block_back(const mlstm_slice *x, const mlstm_block *u, const mlstm_gradients *g, gla_matrix S,
                      gla_matrix S_out, gla_matrix F) {
    size_t mark = gla_mark(x->in), i = u->first, m = u->m;
    gla_matrix dnum = gla_rows(g->dnum, i, m), z = gla_rows(g->d_log_f, i, m), D = decays(x, u);
    gla_matrix A = weighed_scores(u->sq, u->k, D, GLA_SITE_SCORE);
    gla_matrix dA = weighed_scores(dnum, u->V, D, GLA_SITE_DSCORE);
    gla_matrix Fr = gated_rounded(F, GLA_SITE_DSTATE_READ);
    inter states = through_states(x, u, dnum, S, Fr);
    gla_matrix dq = gla_rows(x->dq, i, m), dk = gla_rows(x->dk_, i, m), dV = gla_rows(g->dV, i, m);
    gla_matrix intra = product_of(dA, u->k);
    gla_scale(intra, intra, x->s);
    gla_add(dq, states.dq, intra);
    gla_copy(dk, states.dk);
    gla_product(dk, gla_transposed(dA), u->sq);
    gla_copy(dV, product_of(u->Kh, Fr));
    gla_product(dV, gla_transposed(A), dnum);
    if (g->route == GLA_ROUTE_STRADDLE) straddle(u, z, A, dnum, states, S, F);
    if (g->route == GLA_ROUTE_ANCHOR) mlstm_suffix(z, u->q, dq, u->k, dk, mlstm_end_term(S_out, F));
    gla_scale(F, F, u->through);
    gla_product(F, gla_transposed(u->Qt), dnum);
    gla_round_at(F, GLA_SITE_DSTATE);
    gla_release(x->in, mark);
}
