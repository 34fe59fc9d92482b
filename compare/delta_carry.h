/* SPDX-License-Identifier: Apache-2.0
 *
 * What errors of the states that enter and leave a stretch of tokens do to the results of the delta rule there, to
 * first order, with every sign kept. One head; m tokens; D_t = diag(e^g_t), A_t = (I - beta_t k_t k_t^T) D_t.
 *
 *     Phi_t = A_t ... A_1 ;  Y_t = D_t Phi_{t-1} ;  kappa_t = Y_t^T k_t       a state's error e is Phi_t e after t
 *     Psi_m = I ;  Omega_t = (I - beta_t k_t k_t^T) Psi_t ;  Psi_{t-1} = D_t Omega_t ;  eta_t = Psi_t^T k_t
 *                                                                  an adjoint's error f is Psi_t f in R_t
 *
 *     result     its error is the sum over b, j of e_bj times    and of f_bj times
 *     o_tj       s (Phi_t^T q_t)_b                               -
 *     S_m,aj     Phi_m,ab                                        -
 *     dq_ta      s do_tj Phi_t,ab                                -
 *     dv_tj      -                                               beta_t eta_tb
 *     dbeta_t    -du_tj kappa_tb                                 e_tj eta_tb
 *     dk_ta      -beta_t R_t,aj kappa_tb - dv_tj Y_t,ab          u_tj Psi_t,ab - beta_t Z_t,aj eta_tb
 *     dg_ta      dZ_t,aj Y_t,ab  (per head: their sum)           Z_t,aj Omega_t,ab
 *     dS_0,aj    -                                               Psi_0,ab
 * with e_t, u_t, du_t, Z_t, R_t, dZ_t of reference/delta/recurrent.c.
 *
 * A variance adds up over the squares of these coefficients. Taken operation by operation the same error would enter
 * S_t twice, through Z_t and through u_t, as if they were two: then variances grow like (1 + beta^2 |k|^4 / dk)^t where
 * the truth shrinks, and sums of absolute values faster still. What does not average out is carried by its norm: A_t
 * expands none by more than max(1, |1 - beta_t |k_t|^2|) max e^g, so errors of norm n_j in column j reach
 * sum_j |coefficients of column j|_2 n_j (Cauchy and Schwarz), however many tokens there are.
 *
 * Precision: binary64, of the exact inputs. Cost: backward 4 m dk^2 dv multiplications, forward 4 m dk^2.
 */
#ifndef GLASSBOX_DELTA_CARRY_H
#define GLASSBOX_DELTA_CARRY_H

#include <stdbool.h>
#include <stdint.h>

/* Errors of a state [dk,dv]: the variance of each, and the norms of each column's that add up. */
typedef struct delta_carried {
    double *var;       /* [dk,dv] */
    double *lin, *det; /* [dv] */
} delta_carried;

/* What is added to one result's error. */
typedef struct delta_error {
    double var, lin, det;
} delta_error;

/* A stretch of m tokens in the order of the recurrence, in values. */
typedef struct delta_window {
    int64_t m, dk, dv;
    double scale;
    bool gate_per_head;
    double *q, *k, *v, *d_o; /* [m,dk] [m,dk] [m,dv] [m,dv] */
    double *alpha, *beta;    /* [m,dk] e^g, [m] */
    const double *S, *F;     /* [dk,dv]: the state that enters, the adjoint of the state that leaves */
} delta_window;

/* Of every result; backward ones NULL in a forward run. */
typedef struct delta_errors {
    delta_error *o, *ST;                    /* [m,dv] [dk,dv] */
    delta_error *dq, *dk, *dv, *dg, *dbeta; /* [m,dk] [m,dk] [m,dv] [m,dk] or [m], [m] */
    delta_error *dS0;                       /* [dk,dv] */
    double growth;                          /* no column's norm grows by more than this, from either end to the other */
} delta_errors;

/* Sets every result's; F and its errors are looked at if dq is asked for. False: no memory. */
bool delta_carry(const delta_window *w, const delta_carried *S, const delta_carried *F, delta_errors *out);

#endif
