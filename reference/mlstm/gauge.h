/* SPDX-License-Identifier: Apache-2.0
 *
 * States of the mLSTM up to their units: (C, n, m) and (e^-d C, e^-d n, m + d) are the same state, e^m C and e^m n.
 * Formulations, kernels and conventions for m_0 agree on that alone.
 */
#ifndef GLASSBOX_MLSTM_GAUGE_H
#define GLASSBOX_MLSTM_GAUGE_H

#include "../verbs.h"

typedef struct mlstm_state {
    gla_matrix C, n, m; /* [dk,dv], [dk,1] may be absent, [1,1] may be absent = 0; m = -inf: an empty state */
} mlstm_state;

/* The state in units of e^to, in its own number system: C *= e^(m - to), n *= e^(m - to), m = to. Exact only up to the
 * rounding of that factor; overflows where `to` is far below m. */
void mlstm_regauge(mlstm_state x, gla_matrix to);

/* max |e^ma A - e^mb B| / max(|e^ma A|, |e^mb B|) over C and n together, NaN if anything is NaN, 0 for equal or empty
 * states. The states may live in different number systems: it reckons with 512 bits, in units of the larger m. n is
 * compared where both have it. Shapes must be equal. */
double mlstm_states_apart(mlstm_state a, mlstm_state b);

#endif
