/* SPDX-License-Identifier: Apache-2.0
 *
 * The pseudo-values of a chunk, U [m,dv], and the way back through them. X = (I+L)^-1.
 *
 * solve (pseudo_solve.c), X never formed:
 *     forward    E = V - Kg S ;  U = beta*E, then (I+L) U = beta*E by substitution
 *     backward   (I+L)^T dY = dU by substitution ;  dE = beta*dY ;  dV = dE ;  dbeta = rowsum(dY*E)
 *                dKg = -dE S^T ;  dL = -slower(dY U^T) ;  F loses Kg^T dE
 * ut (pseudo_ut.c), the UT transform: W and U0 do not need S, so all chunks can have theirs at once:
 *     forward    W = X (beta*Kg) ;  U0 = X (beta*V) ;  U = U0 - W S
 *     backward   dW = -dU S^T ;  dX = dU (beta*V)^T + dW (beta*Kg)^T ;  dL = -slower(X^T slower(dX) X^T)
 *                d(beta*V) = X^T dU ;  d(beta*Kg) = X^T dW ;  dV = beta*d(beta*V) ;  dKg = beta*d(beta*Kg)
 *                dbeta = rowsum(d(beta*V)*V) + rowsum(d(beta*Kg)*Kg) ;  F loses W^T dU
 *     Ungated, (I - b_r k_r k_r^T)...(I - b_1 k_1 k_1^T) = I - sum_{i<=r} k_i w_i^T.
 * The same mathematics; the rounding is not: ut multiplies by an inverse.
 */
#ifndef GLASSBOX_DELTA_PSEUDO_H
#define GLASSBOX_DELTA_PSEUDO_H

#include "chunk.h"

typedef struct delta_pseudo {
    gla_matrix U;            /* [m,dv] */
    gla_matrix E, Kg;        /* solve: [m,dv], [m,dk] as operand */
    gla_matrix X, W, bK, bV; /* ut: [m,m], [m,dk], beta*Kg [m,dk], beta*V [m,dv] */
} delta_pseudo;

/* What dU leads to. `left`^T `right` is what F loses. */
typedef struct delta_pseudo_gradients {
    gla_matrix dKg;         /* [m,dk] */
    gla_matrix dL;          /* [m,m] strictly lower */
    gla_matrix left, right; /* [m,dk] [m,dv] */
} delta_pseudo_gradients;

/* By the form's solver. */
delta_pseudo delta_pseudo_values(const delta_chunk *u, const gla_form *form, gla_matrix S);
/* Also sets dV [m,dv] and dbeta [m,1], the latter without the part through dL. */
delta_pseudo_gradients delta_pseudo_back(const delta_chunk *u, const gla_form *form, const delta_pseudo *p,
                                         gla_matrix S, gla_matrix dU, gla_matrix dV, gla_matrix dbeta);

/* The two ways. */
delta_pseudo delta_solve_values(const delta_chunk *u, gla_matrix S);
delta_pseudo_gradients delta_solve_back(const delta_chunk *u, const delta_pseudo *p, gla_matrix S, gla_matrix dU,
                                        gla_matrix dV, gla_matrix dbeta);
delta_pseudo delta_ut_values(const delta_chunk *u, const gla_form *form, gla_matrix S);
delta_pseudo_gradients delta_ut_back(const delta_chunk *u, const delta_pseudo *p, gla_matrix S, gla_matrix dU,
                                     gla_matrix dV, gla_matrix dbeta);

#endif
