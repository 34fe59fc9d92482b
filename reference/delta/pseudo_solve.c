/* SPDX-License-Identifier: Apache-2.0
 *
 * Pseudo-values by substitution, and the choice between the two ways; equations in pseudo.h.
 *
 * Cost of the solve: m(m-1) dv flops a chunk, C dv a token.
 */
#include "../gated/operand.h"
#include "pseudo.h"
#include "triangular.h"

delta_pseudo delta_solve_values(const delta_chunk *u, gla_matrix S) {
    gla_numbers *n = S.in;
    delta_pseudo p = {.U = gla_new(n, u->m, S.cols), .E = gla_new(n, u->m, S.cols)};
    p.Kg = gated_rounded(u->Kg, GLA_SITE_K_DECAYED);
    gla_product(p.E, p.Kg, gated_rounded(S, GLA_SITE_STATE_READ));
    gla_sub(p.E, u->v, p.E);
    gla_mul(p.U, p.E, delta_across(u->beta, S.cols));
    delta_substitute(p.U, u->L);
    return p;
}

delta_pseudo_gradients delta_solve_back(const delta_chunk *u, const delta_pseudo *p, gla_matrix S, gla_matrix dU,
                                        gla_matrix dV, gla_matrix dbeta) {
    gla_numbers *n = S.in;
    delta_pseudo_gradients g = {gla_new(n, u->m, S.rows), gla_new(n, u->m, u->m), p->Kg, dV};
    gla_matrix dY = gated_weighed(dU, (gla_matrix){0});
    delta_substitute_back(dY, u->L);
    gla_mul(dV, dY, delta_across(u->beta, S.cols));
    gla_zero(dbeta);
    gla_row_dot(gla_transposed(dbeta), dY, p->E);
    gla_product(g.dKg, dV, gla_transposed(gated_rounded(S, GLA_SITE_STATE_READ)));
    gla_neg(g.dKg, g.dKg);
    gla_product(g.dL, dY, gla_transposed(p->U));
    gla_neg(g.dL, g.dL);
    gla_lower(g.dL, true);
    return g;
}

delta_pseudo delta_pseudo_values(const delta_chunk *u, const gla_form *form, gla_matrix S) {
    delta_pseudo p = form->solver == GLA_SOLVE ? delta_solve_values(u, S) : delta_ut_values(u, form, S);
    gla_round_at(p.U, GLA_SITE_PSEUDO);
    return p;
}

delta_pseudo_gradients delta_pseudo_back(const delta_chunk *u, const gla_form *form, const delta_pseudo *p,
                                         gla_matrix S, gla_matrix dU, gla_matrix dV, gla_matrix dbeta) {
    return form->solver == GLA_SOLVE ? delta_solve_back(u, p, S, dU, dV, dbeta) : delta_ut_back(u, p, S, dU, dV, dbeta);
}
