/* SPDX-License-Identifier: Apache-2.0
 *
 * Selective state spaces, one head of one sequence, onto the gated core: Mamba-2's SSD (spec 6) and Mamba-1's scan S6.
 *
 *     raw_t = dt_t + dt_bias ;  Delta_t = min(max(softplus(raw_t), least), most) ;  A = -e^A_log
 *     S_t = e^(Delta_t A) * S_{t-1} + B_t (Delta_t x_t)^T ;  y_t = (s S_t^T C_t + D x_t) * swish(z_t)
 *
 * which is the core with q = C, k = B, v = Delta x and log gate Delta A. A is one number (Mamba-2: one gate for all
 * rows of the state) or one per row (Mamba-1). Back, with dy' = dy * swish(z) and the core's dv, dg:
 *
 *     dx = Delta dv + D dy' ;  dD = sum_t dy'_t . x_t ;  dz = dy * (s S^T C + D x) * swish'(z)
 *     dDelta_t = x_t . dv_t + A . dg_t ;  dA = sum_t Delta_t dg_t ;  dA_log = A dA
 *     ddt_t = dDelta_t [least <= softplus(raw_t) <= most] sigmoid(raw_t) ;  ddt_bias = sum_t ddt_t
 *
 * Shapes: C B [T,N], x z y [T,P], dt [T,1], A_log [1,1] or [1,N], D dt_bias s [1,1], state S [N,P]; (a) may be absent:
 * dt_bias 0, D 0, z no factor. The state of papers and kernels, h [P,N], is the transpose of S.
 * dt = -inf is a step of 0, as padding needs it: nothing written, nothing decayed, no gradient. +inf is no step.
 * Order: as written; D x and dD by fma, sums over tokens ascend. Precision: one rounding per operation. softplus and
 * its slope by activation.h. linear: softplus(x) = x, slope 1, for x > 20, as public kernels have it (2.1e-9 at most).
 * Hazards: the core's. dt has two uses, x and the gate; both are in dDelta.
 */
#ifndef GLASSBOX_SELECTIVE_H
#define GLASSBOX_SELECTIVE_H

#include "../gated/gated.h"

typedef enum selective_rule { SELECTIVE_SOFTPLUS, SELECTIVE_LINEAR, SELECTIVE_GIVEN } selective_rule;

typedef struct selective_slice {
    gla_numbers *in;
    selective_rule rule; /* GIVEN: Delta = raw, no softplus */
    double least, most;  /* most INFINITY: no upper bound */
    gla_matrix s;
    gla_matrix C, B, x, dt, A_log;
    gla_matrix dt_bias, D, z; /* (a) */
    gla_matrix S0, y, ST;     /* y and ST are made by the caller, as all outputs */
    /* backward only */
    gla_matrix dy, dST;
    gla_matrix dC, dB, dx, ddt, dA_log, dS0;
    gla_matrix ddt_bias, dD, dz; /* where the input is */
} selective_slice;

void selective_run(const selective_slice *x, const gla_form *form);

#endif
