/* SPDX-License-Identifier: Apache-2.0
 *
 * mLSTM, parallel in log space (spec 8c): the whole sequence as one triangle of block.h, every row under its own
 * maximum m_t of all log weights, that of the initial state included.
 *
 *     num = A V~ + Qt S_0 ;  A = (sQ K^T)*D ;  S_T = into_T S_0 + Kh^T V~
 *
 * Every weight is <= 1 and one of each row is 1: no overflow, and what underflows is truly that small. One exp and one
 * max per pair of tokens. With m_0 = -inf, m comes from the data alone.
 * Precision: exponents are sums over the tokens between (log_gates.h), their error about u times their own size.
 */
#include "../gated/operand.h"
#include "block.h"
#include "gate_gradients.h"

static void forward(const mlstm_slice *x, mlstm_reads *r, const mlstm_block *u, gla_matrix S) {
    gla_product(r->num, mlstm_block_scores(x, u), r->V);
    gla_product(r->num, u->Qt, gated_rounded(S, GLA_SITE_STATE_READ));
    mlstm_divide(x, r);
}

void mlstm_parallel(const mlstm_slice *x, const gla_form *form) {
    gla_numbers *n = x->in;
    mlstm_gradients g = {.route = mlstm_route(x, form, GLA_ROUTE_SUFFIX)};
    if (n->status != GLA_OK) return;
    size_t mark = gla_mark(n);
    mlstm_gates gates = mlstm_log_gates(x);
    mlstm_reads r = mlstm_new_reads(x);
    gla_matrix m = mlstm_first_stabiliser(x), S = mlstm_first_state(x), ST = mlstm_first_state(x);
    mlstm_block u = {0};
    if (x->T > 0) {
        u = mlstm_block_at(x, &r, gates, 0, x->T, m);
        forward(x, &r, &u, S);
        mlstm_block_state(&u, ST);
        m = gla_row(r.m, x->T - 1);
    }
    mlstm_store_state(x, ST, m);
    if (form->backward) {
        gla_matrix F = mlstm_last_adjoint(x), end = mlstm_end_term(ST, F);
        g.dnum = mlstm_read_gradients(x, &r);
        g.dV = gla_new(n, x->T, ST.cols);
        g.d_log_f = gla_new(n, x->T, 1);
        if (x->T > 0) mlstm_block_back(x, &u, &g, S, ST, F);
        mlstm_store_values(x, g.dV);
        mlstm_store_adjoint(x, F);
        mlstm_finish_gates(x, g.route, g.d_log_f, end);
    }
    gla_release(n, mark);
}
