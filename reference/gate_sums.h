/* SPDX-License-Identifier: Apache-2.0
 *
 * Cumulative log gates, exact resets included.
 *
 * Gamma_t = sum_{j<=t} g_j since the last reset; epoch counts the resets (g = -inf) up to t, per channel. The decay
 * from token i to token t is e^(Gamma_t - Gamma_i) within one epoch and exactly 0 across a reset, so -inf never meets
 * -inf. A sum of finite gates that leaves the system's range starts a new epoch too.
 */
#ifndef GLASSBOX_GATE_SUMS_H
#define GLASSBOX_GATE_SUMS_H

#include "verbs.h"

typedef struct gla_gates {
    gla_matrix sum; /* Gamma [T,D] */
    int64_t *epoch; /* [T,D] */
    bool present;   /* false: no gate, every decay is 1 and the rest is unset */
} gla_gates;

gla_gates gla_gate_sum(gla_numbers *n, gla_matrix g);             /* of g [T,D] (absent allowed), from its first row */
gla_gates gla_gate_rows(gla_gates g, size_t first, size_t count); /* view of rows; sums still count from row 0 */
/* z [1,D] = decay from just before row 0 to row t: e^(Gamma_t), 0 after a reset. */
void gla_decay_in(gla_matrix z, gla_gates g, size_t t);
/* z [1,D] = decay from row i to row t >= i: e^(Gamma_t - Gamma_i), 0 across a reset. */
void gla_decay_between(gla_matrix z, gla_gates g, size_t t, size_t i);

#endif
