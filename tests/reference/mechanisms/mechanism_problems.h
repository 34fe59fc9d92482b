/* SPDX-License-Identifier: Apache-2.0
 *
 * What the suites of the mechanisms share: a problem of a mechanism from the golden streams or at random, the gla
 * problem that says the same with gates, and golden arrays out of data/golden/MECHANISM.txt.
 */
#ifndef GLASSBOX_TEST_MECHANISM_PROBLEMS_H
#define GLASSBOX_TEST_MECHANISM_PROBLEMS_H

#include <stdio.h>

#include "reference/mechanisms/mechanisms.h"
#include "tests/reference/gated/slices.h"

static const gla_output ungated_outputs[] = {GLA_O, GLA_FINAL_STATE, GLA_DQ, GLA_DK, GLA_DV, GLA_DINITIAL_STATE};
enum { UNGATED_OUTPUTS = 6 };

static inline void name_mechanism(gla_problem *p, const char *text) {
    gla_error err = {0};
    ck_assert_msg(gla_mechanism_parse(text, p, &err) == GLA_OK, "%s", err.what);
}

/* The golden problem: g from seed 6 where there is a gate per head, no gate elsewhere. */
static inline void problem_golden_of(test_problem *x, const char *mechanism, double scale) {
    static const uint32_t seed[GATED_INPUTS] = {1, 2, 3, 6, 0, 8, 10, 11};
    *x = problem_sized(1, 7, 1, 4, 3);
    x->p.scale = scale;
    name_mechanism(&x->p, mechanism);
    for (int i = 0; i < GATED_INPUTS; i++)
        if (gla_mechanism_of(&x->p)->inputs & 1u << i) golden_fill(x, (gla_input)i, seed[i]);
}

/* A random problem with inputs as the mechanism takes them. */
static inline void problem_random_of(test_problem *x, test_random *r, const char *mechanism, random_options o) {
    problem_random(x, r, o);
    name_mechanism(&x->p, mechanism);
    for (int i = 0; i < GLA_INPUTS; i++)
        if (!(gla_mechanism_of(&x->p)->inputs & 1u << i)) *gla_problem_input(&x->p, (gla_input)i) = (gla_tensor){0};
    if (!x->p.gk.at || !gla_gate_per_head(gla_mechanism_of(&x->p))) return;
    problem_give(x, GLA_IN_GK, x->p.gk.heads);
    problem_fill(x, GLA_IN_GK, r, 2, o.resets);
}

/* The same slice as the gated core has it: the one gate of a head, or its fixed decay, in every key channel. */
static inline gated_slice slice_of_mechanism(const test_problem *x, gla_numbers *in, int64_t n, int64_t h) {
    const gla_mechanism *m = gla_mechanism_of(&x->p);
    test_problem copy = *x;
    copy.p.mechanism = NULL;
    copy.at[GLA_IN_GK] = copy.at[GLA_IN_GV] = NULL;
    gated_slice s = slice_of(&copy, in, n, h);
    if (!m->log_decay && !x->p.gk.at) return s;
    s.gk = gla_new(in, s.T, s.dk);
    s.dgk = gla_new(in, s.T, s.dk);
    gla_matrix g = gla_new(in, 1, 1);
    if (m->log_decay) m->log_decay(&x->p, h, g);
    for (size_t t = 0; t < s.T; t++) {
        if (!m->log_decay)
            in->ops->set_d(in, g.at, x->at[GLA_IN_GK][slice_index(&x->p, GLA_IN_GK, n, h, (int64_t)t, 0)]);
        for (size_t i = 0; i < s.dk; i++) in->ops->set(in, gla_at(s.gk, t, i), g.at);
    }
    return s;
}

#endif
