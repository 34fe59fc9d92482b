/* SPDX-License-Identifier: Apache-2.0
 *
 * The gated core under a normaliser, as one more value channel that is always 1 (spec L6):
 *
 *     v~_t = [v_t, 1] ;  S~_t = [S_t, n_t] ;  [num_t, nrm_t] = o~_t          n_t = e^gk_t * n_{t-1} + k_t
 *     o_t = num_t / den_t ;  den_t = max(|nrm_t|, least) + eps               without least: nrm_t + eps
 *     back: do~_t = [do_t / den_t, dnrm_t] (denominator.h) ;  dS~_T = [dS_T, dn_T]
 *
 * in every formulation of the core and by every gate route. Value gates have no place in it: GLA_UNSUPPORTED.
 * Cost: the core at dv + 1, its forward once more where gradients are asked for. Memory: [T,dv+1] three times more.
 */
#ifndef GLASSBOX_NORMALISED_H
#define GLASSBOX_NORMALISED_H

#include "gated.h"

typedef struct gated_normaliser {
    gla_matrix least, eps; /* [1,1] each, (a) */
    gla_matrix n0, nT;     /* [dk,1]: (a) = 0 in, (a) out */
    gla_matrix dnT, dn0;   /* [dk,1]: (a) = 0 in, (a) out */
} gated_normaliser;

/* What gated_run_form does, normalised: the same slice, in which o, dq ... are those of the normalised output. */
void gated_run_normalised(const gated_slice *x, const gated_normaliser *z, const gla_form *form);

#endif
