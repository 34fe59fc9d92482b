/* SPDX-License-Identifier: Apache-2.0
 *
 * The gated recurrence of one sequence of one head in double-double, forward and backward, with a proven error bound
 * beside every number:
 *     Z_t = outer(e^gk_t, e^gv_t) * S_{t-1} ;  S_t = Z_t + k_t v_t^T ;  o_t = s S_t^T q_t
 *     R_t = F_t + s q_t do_t^T ;  F_{t-1} = outer(e^gk_t, e^gv_t) * R_t ;  F_T = dS_T, dS_0 = F_0
 *     dq_t = s S_t do_t ;  dk_t = R_t v_t ;  dv_t = R_t^T k_t ;  dgk_t = row(R_t * Z_t) ;  dgv_t = col(R_t * Z_t)
 *
 * Each output comes as hi + lo, a magnitude M and a bound E:
 *     M >= the same recurrence on absolute values (so M / |value| is the condition number), tight to about 2^-10
 *     |hi + lo - exact| <= E,   E = n 2^-106 M,   n = 96 (T + 2) + r^2 + 8 r + 64,   r summed channels (dk or dv)
 * The proof is in gated_dd_token.c. M = 0 says that the value is exactly zero, and then E = 0. E = +inf says that
 * something overflowed or was not finite: nothing is known. Gates above 0 and gates of -inf are within the bound.
 *
 * The result does not depend on the number of threads. Memory beside the outputs: 24 T (dk + dv) bytes for the gates
 * and about 400 sqrt(T) max(dk, dv) bytes per thread for the backward's checkpoints.
 */
#ifndef GLASSBOX_GATED_DD_H
#define GLASSBOX_GATED_DD_H

#include <stddef.h>

#include "../../reference/status.h"

/* An output: four dense arrays of the caller. hi == NULL: not wanted. */
typedef struct gated_dd_output {
    double *hi, *lo, *magnitude, *bound;
} gated_dd_output;

/* Dense, row-major. gk, gv, S0, d_o and dST may be NULL: no decay, or zero. */
typedef struct gated_dd {
    size_t T, dk, dv;
    double scale;
    const double *q, *k, *v, *gk, *gv, *S0; /* [T,dk] [T,dk] [T,dv] [T,dk] [T,dv] [dk,dv] */
    const double *d_o, *dST;                /* [T,dv] [dk,dv] */
    int fixed;                              /* the key gates are one number g <= 0 for all tokens and channels, then */
    double decay[2];                        /* decay holds e^g rounded to hi + lo, and gk is NULL: it has no gradient */
    gated_dd_output o, ST;                  /* [T,dv] [dk,dv] */
    gated_dd_output dq, dk_, dv_, dgk, dgv, dS0;
} gated_dd;

/* Forward, and backward if asked. dgk (dgv) is written only if gk (gv) is present. Errors: GLA_NO_MEMORY. */
gla_status gated_dd_run(const gated_dd *x, int backward, int threads);

#endif
