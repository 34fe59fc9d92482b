/* SPDX-License-Identifier: Apache-2.0
 *
 * Values of every input of a case (cases_values.h): by the family where it has a say, else ordinary ones.
 *
 *     beta          the family's rate, usually in (0,1); keys then have |k| = 1, so that beta |k|^2 <= 2 (delta.h)
 *     f             logsigmoid(f) is the family's gate
 *     dt            softplus(dt + dt_bias) about 1e-3 to 0.1; A_log = ln(1 .. 16); D about 1
 *     lower_bound   in [0,1), in some channels 0; f then stays from -80 to 30, where neither sigmoid underflows
 *     q k initial_n of a linear attention that is divided by a sum: >= 0
 *     the others    normal numbers, or what the family makes of plain values
 */
#include <math.h>
#include <string.h>

#include "cases_values.h"

static bool takes(const gla_element *e, gla_input name) { return gla_inputs_taken(e->problem) & 1u << name; }

static bool refused(const gla_element *e, double x) {
    const gla_mechanism *m = gla_mechanism_of(e->problem);
    return m->objection && m->objection(e->problem, e->tensor, x);
}

static double forget_gate(const gla_family *family, const gla_element *e) {
    double f = gla_log_sigmoid_inverse(family->gate(e));
    double most = takes(e, GLA_IN_LOWER_BOUND) ? 30 : refused(e, INFINITY) ? 100 : INFINITY;
    bool finite = takes(e, GLA_IN_LOWER_BOUND) || refused(e, -INFINITY);
    return fmin(fmax(f, takes(e, GLA_IN_LOWER_BOUND) ? -80 : finite ? -1e4 : -INFINITY), most);
}

static double rate(const gla_family *family, const gla_element *e) {
    bool exact = family->value == gla_value_integer;
    return family->rate ? family->rate(e) : exact ? gla_draw_below(e->draw, 3) : gla_draw_uniform(e->draw);
}

/* What a feature map makes of q and k where the output is divided by their products: nothing below 0. */
static bool is_feature(const gla_element *e) {
    const gla_mechanism *m = gla_mechanism_of(e->problem);
    bool sums = strcmp(m->name, "linear_attention") == 0 && gla_setting(e->problem, 0) != 0;
    return sums && (e->tensor == GLA_IN_Q || e->tensor == GLA_IN_K || e->tensor == GLA_IN_INITIAL_N);
}

double gla_input_value(const gla_family *family, const gla_element *e) {
    switch (e->tensor) {
    case GLA_IN_GK:
    case GLA_IN_GV:
        return family->gate(e);
    case GLA_IN_BETA:
        return rate(family, e);
    case GLA_IN_F:
        return forget_gate(family, e);
    case GLA_IN_I:
    case GLA_IN_Z:
    case GLA_IN_INITIAL_M:
        return gla_draw_normal(e->draw);
    case GLA_IN_DT:
        return gla_draw_normal(e->draw) - (takes(e, GLA_IN_DT_BIAS) ? 0 : 3);
    case GLA_IN_DT_BIAS:
        return 2.3 * gla_draw_uniform(e->draw) - 4.6;
    case GLA_IN_A_LOG:
        if (gla_mechanism_of(e->problem)->log_decay) return -gla_draw_uniform(e->draw) / 8; /* a log decay, trained */
        return gla_draw_log(1 + 15 * gla_draw_uniform(e->draw));
    case GLA_IN_D:
        return 1 + gla_draw_normal(e->draw) / 8;
    case GLA_IN_LOWER_BOUND:
        return gla_draw_below(e->draw, 4) == 0 ? 0 : gla_draw_uniform(e->draw) * (1 - 0x1p-10);
    default:
        return is_feature(e) ? fabs(family->value(e)) : family->value(e);
    }
}

void gla_input_row(const gla_family *family, const gla_element *e, double *row) {
    double squares = 0;
    int64_t D = e->shape[3];
    if (e->tensor != GLA_IN_K || !takes(e, GLA_IN_BETA)) return;
    if (family->value == gla_value_integer) { /* one of +-1, the others 0: all stays whole numbers */
        int64_t one = gla_draw_below(e->draw, (uint32_t)D);
        for (int64_t i = 0; i < D; i++) row[i] = i == one ? gla_draw_sign(e->draw) : 0;
        return;
    }
    for (int64_t i = 0; i < D; i++) squares += row[i] * row[i];
    for (int64_t i = 0; i < D && squares > 0; i++) row[i] /= sqrt(squares);
}

bool gla_is_wide_input(gla_input name) { return gla_is_state_input(name) || gla_input_kind(name) != GLA_KIND_VALUE; }

bool gla_has_slots(const gla_mechanism *m) {
    for (int i = 0; i < GLA_INPUTS; i++) {
        gla_axes axes = gla_input_axes(m, (gla_input)i);
        bool slots = axes == GLA_PER_SLOT || axes == GLA_STATE_KEY_SLOT || axes == GLA_STATE_SLOT_VALUE;
        if (slots && m->inputs & 1u << i) return true;
    }
    return false;
}
