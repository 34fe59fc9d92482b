/* SPDX-License-Identifier: Apache-2.0
 *
 * The delta rule in intervals, without their growth.
 *
 * S_t = A_t S_{t-1} + beta_t k_t v_t^T with A_t = (I - beta_t k_t k_t^T) diag(e^g_t) expands no column's norm by more
 * than rho_t = max(1, |1 - beta_t |k_t|^2|) max e^g_t. But token after token in intervals, the width of S_{t-1} enters
 * S_t once through the decayed state and once through the correction. Measured: of 192 bits, the 139 that binary64 does
 * not need are used up between 256 and 512 tokens of random keys, and before 256 of equal ones (dk = 16); 4096 bits
 * would end near 8000 tokens. So the state is enclosed twice. From points M_w the tokens of a window give, in
 * intervals, a narrow enclosure of what M_w becomes; M_{w+1} is its midpoint, and of each column, in the 2-norm,
 *
 *     |S_{w+1} - M_{w+1}| <= r_{w+1} = rho r_w + |width|                             rho the product over the window
 *
 * so that S at every window's begin lies in M_w -+ r_w: r grows by additions. The adjoint state has the same A_t from
 * the other end, and the same argument. Within a window of sqrt(T) tokens, 16 at least, everything is the core's own
 * recurrent form on these enclosures, and so a proof. What 192 bits leave open climbs as all else does.
 */
#ifndef GLASSBOX_TRUTH_DELTA_H
#define GLASSBOX_TRUTH_DELTA_H

#include "../reference/run.h"

/* Is this a mechanism of the delta rule? */
bool gla_delta_encloses(const gla_problem *p);

/* The slice of such a mechanism, as gla_mechanism has it, for interval numbers alone. */
void gla_delta_enclose(const gla_slice_io *io, const gla_form *form);

#endif
