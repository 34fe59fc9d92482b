/* SPDX-License-Identifier: Apache-2.0
 *
 * Hypothesis: the kernel is right, in another convention. Each switch of the mechanism in each of its other values, the
 * other switches as the problem has them; a switch that is a number at its usual value.
 */
#include <stdio.h>
#include <string.h>

#include "diagnose_trial.h"

/* Setting number `left` of those that switch `index` does not have now; false, and `left` is less by their number:
 * there are not so many. */
static bool other_value(const gla_problem *p, int index, int *left, gla_setting_of *out, const char **what) {
    const gla_switch *s = &gla_mechanism_of(p)->switches[index];
    double now = gla_setting(p, index);
    if (!s->values) {
        if (now == s->usual || (*left)-- > 0) return false;
        *out = (gla_setting_of){0};
        *what = s->what;
        return true;
    }
    for (int i = 0; s->values[i].name; i++) {
        if (i == (int)now || (*left)-- > 0) continue;
        *out = (gla_setting_of){.given = i > 0, .value = i};
        *what = s->values[i].what;
        return true;
    }
    return false;
}

/* The trial's problem in its variant's convention, without what that does not take; false: there is no such one. */
static bool alter(gla_trial *t, const char **what) {
    const gla_mechanism *m = gla_mechanism_of(&t->p);
    int left = t->variant, index = 0;
    gla_setting_of other;
    while (m->switches && m->switches[index].name && !other_value(&t->p, index, &left, &other, what)) index++;
    if (!m->switches || !m->switches[index].name) return false;
    t->p.setting[index] = other;
    for (int i = 0; i < GLA_INPUTS; i++)
        if (!(gla_inputs_taken(&t->p) & 1u << i)) gla_problem_input(&t->p, (gla_input)i)->at = NULL;
    return true;
}

/* Settings that go together, and all inputs that they need. Values that they object to are the kernel's own trouble. */
static bool can_run(const gla_problem *p) {
    const gla_mechanism *m = gla_mechanism_of(p);
    unsigned needed = gla_inputs_taken(p) & ~(m->optional | 1u << GLA_IN_DO);
    for (int i = 0; i < GLA_INPUTS; i++)
        if (needed & 1u << i && !gla_is_state_input((gla_input)i) && !gla_acting_input(p, (gla_input)i).at)
            return false;
    return !m->check || m->check(p, NULL) == GLA_OK;
}

static bool other_convention(gla_trial *t) {
    char text[160];
    const char *what = "";
    if (!alter(t, &what) || !can_run(&t->p)) return false;
    gla_problem named = *t->s->whole; /* not the block's part of a layer */
    memcpy(named.setting, t->p.setting, sizeof named.setting);
    gla_mechanism_print(&named, text, sizeof text);
    snprintf(t->sentence, sizeof t->sentence, "the outputs are those of %.100s: %.100s", text, what);
    return gla_trial_run(t);
}

const gla_hypothesis gla_altered_conventions[] = {{"other-convention", NULL, 16, other_convention, 0, GLA_TOGETHER},
                                                  {NULL, NULL, 0, NULL, 0, GLA_TOGETHER}};
