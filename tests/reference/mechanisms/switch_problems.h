/* SPDX-License-Identifier: Apache-2.0
 *
 * A problem small enough to be written out by hand: one head, no groups, every input that the mechanism takes.
 */
#ifndef GLASSBOX_TEST_SWITCH_PROBLEMS_H
#define GLASSBOX_TEST_SWITCH_PROBLEMS_H

#include "any_mechanism.h"

/* A problem of T = 9, dk = 4, dv = 3 with states of the size of q and k. */
static inline test_problem plain_problem(const char *mechanism, uint32_t seed, bool states) {
    test_random r = random_from(seed);
    test_problem x = problem_sized(1, 9, 1, 4, 3);
    x.p.scale = 0.75;
    name_mechanism(&x.p, mechanism);
    for (int i = 0; i < GLA_INPUTS; i++) {
        if (!(gla_inputs_taken(&x.p) & 1u << i) || i == GLA_IN_A_LOG) continue;
        if (!states && (gla_is_state_input((gla_input)i))) continue;
        problem_give(&x, (gla_input)i, 1);
        for (int64_t j = 0; j < problem_count(&x, (gla_input)i); j++) x.at[i][j] = random_signed(&r);
    }
    return x;
}

#endif
