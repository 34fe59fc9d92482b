/* SPDX-License-Identifier: Apache-2.0
 *
 * Pseudo-values by the UT transform: the inverse once, then products; equations in pseudo.h.
 *
 * Cost beyond the solve's: (C^2-1)/3 flops a token for X by rows, 2 C dk for W.
 */
#include "../gated/operand.h"
#include "inverse.h"
#include "pseudo.h"
#include "triangular.h"

static gla_matrix product_of(gla_matrix A, gla_matrix B) {
    gla_matrix z = gla_new(A.in, A.rows, B.cols);
    gla_product(z, A, B);
    return z;
}

delta_pseudo delta_ut_values(const delta_chunk *u, const gla_form *form, gla_matrix S) {
    gla_numbers *n = S.in;
    delta_pseudo p = {.U = gla_new(n, u->m, S.cols), .X = gla_new(n, u->m, u->m)};
    p.bK = gated_operand(u->Kg, delta_across(u->beta, S.rows), GLA_SITE_BETA_OPERAND);
    p.bV = gated_operand(u->v, delta_across(u->beta, S.cols), GLA_SITE_BETA_OPERAND);
    delta_inverse(p.X, u->L, form);
    gla_round_at(p.X, GLA_SITE_INVERSE);
    p.W = product_of(p.X, p.bK);
    gla_round_at(p.W, GLA_SITE_WY);
    gla_matrix U0 = product_of(p.X, p.bV);
    gla_round_at(U0, GLA_SITE_WY);
    gla_sub(p.U, U0, product_of(p.W, gated_rounded(S, GLA_SITE_STATE_READ)));
    return p;
}

delta_pseudo_gradients delta_ut_back(const delta_chunk *u, const delta_pseudo *p, gla_matrix S, gla_matrix dU,
                                     gla_matrix dV, gla_matrix dbeta) {
    gla_matrix Xt = gla_transposed(p->X);
    gla_matrix dW = delta_negated(product_of(dU, gla_transposed(gated_rounded(S, GLA_SITE_STATE_READ))));
    gla_round_at(dW, GLA_SITE_WY);
    gla_matrix dX = product_of(dU, gla_transposed(p->bV));
    gla_product(dX, dW, gla_transposed(p->bK));
    gla_lower(dX, true);
    gla_matrix dbV = product_of(Xt, dU), dbK = product_of(Xt, dW);
    gla_mul(dV, dbV, delta_across(u->beta, S.cols));
    gla_zero(dbeta);
    gla_row_dot(gla_transposed(dbeta), dbV, u->v);
    gla_row_dot(gla_transposed(dbeta), dbK, u->Kg);
    delta_pseudo_gradients g = {gated_weighed(dbK, delta_across(u->beta, S.rows)),
                                delta_negated(product_of(product_of(Xt, dX), Xt)), p->W, dU};
    gla_lower(g.dL, true);
    return g;
}
