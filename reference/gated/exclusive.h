/* SPDX-License-Identifier: Apache-2.0
 *
 * The gated core with a reader that comes before the token's decay and write (RWKV-6, spec 12b, without the bonus):
 *     o_t = s S_{t-1}^T q_t ;  S_t = outer(e^gk_t, e^gv_t) * S_{t-1} + k_t v_t^T
 * in every formulation, by a map that only moves rows. What token t+1 reads here is what the core reads at token t:
 *     core      q'_t = q_{t+1}, do'_t = do_{t+1}, nothing at the last token;  k v gk gv S_0 dS_T as they are
 *     from it   o_{t+1} = o'_t, dq_{t+1} = dq'_t;  dk dv dgk dgv S_T as they are
 *     first     o_1 = S_0^T (s q_1) ;  dq_1 = s S_0 do_1 ;  dS_0 = dS'_0 + (s q_1) do_1^T
 * Exact in every number system, for gates of -inf too: no quotient, no decay taken back. Shapes as in gated.h.
 *
 * Rounding sites are the core's; the first token's are those of a chunk that reads its entering state. The core's
 * chunks hold the writers of a kernel's chunks and the readers one later: the first reader of a kernel's chunk reads
 * all its writers from the state, here it reads the last chunk's by pairs.
 */
#ifndef GLASSBOX_EXCLUSIVE_H
#define GLASSBOX_EXCLUSIVE_H

#include "gated.h"

void gated_run_exclusive(const gated_slice *x, const gla_form *form);

#endif
