/* SPDX-License-Identifier: Apache-2.0
 *
 * States that come in units of their own. An mLSTM's final_state and final_n are C and n in units of e^final_m: (C, n,
 * m) and (e^-d C, e^-d n, m + d) are the same state, and a kernel may hold either, as its m_0 or its way to the maximum
 * has it. So they are judged in one gauge, the truth's:
 *
 *     C' = e^(m - m*) C ;  n' = e^(m - m*) n ;  m' = m*             of each sequence and head
 *     allowed(C') = allowed(C) + |C*| (e^allowed(m) - 1) + |C*| 2^-50        where m is not m*; n' likewise
 *
 * The second term is what the rounding of m moves the units by (by the triangle inequality: C's own errors and m's may
 * be one and the same, then the bound is up to twice too wide), the third what forming C' in binary64 does. final_m is
 * then right by definition, whatever finite number it is: what it must be is seen in C'. An m of -inf says that the
 * state is empty. A candidate without final_m is judged as it is: its units must be the truth's.
 * The gradients of states need no such care: dfinal_state and dfinal_n come in, at the kernel's own m_T, and
 * dinitial_state and dinitial_n go out at the m_0 that is given. A kernel whose m_T is another has to be given
 * dfinal_state in its units.
 */
#ifndef GLASSBOX_GAUGE_H
#define GLASSBOX_GAUGE_H

#include "bounds.h"
#include "judge.h"

/* Has the problem such states, and does the candidate say in which units its own are? */
bool gla_gauge_matters(const gla_problem *p, const gla_candidate *c);

/* c's state values become others in the truth's units, which belong to the caller (free, also after a failure), and the
 * bounds of all that are not NULL are widened. Errors: GLA_NO_MEMORY. */
gla_status gla_gauge_apply(const gla_problem *p, const gla_truth *truth, gla_candidate *c,
                           gla_bounds bounds[GLA_OUTPUTS], double *owned[GLA_OUTPUTS], gla_error *err);

/* `count` numbers x of `states` states, in place, from units of m to units of `want`. */
void gla_gauge_move(double *x, int64_t count, const double *m, const double *want, int64_t states);

#endif
