/* SPDX-License-Identifier: Apache-2.0
 *
 * Hypotheses: the kernel computed another problem right. Scale and states.
 */
#include <math.h>
#include <stdio.h>

#include "diagnose_trial.h"

/* ---- scale ---- */

static bool scaled(gla_trial *t, double scale) {
    if (t->p.scale == scale) return false;
    t->p.scale = scale;
    return gla_trial_run(t);
}

static bool scale_missing(gla_trial *t) { return scaled(t, 1); }
static bool scale_twice(gla_trial *t) { return scaled(t, t->p.scale * t->p.scale); }
static bool scale_default(gla_trial *t) { return scaled(t, 1 / sqrt((double)t->p.dk)); }
static bool scale_root(gla_trial *t) {
    double root = sqrt((double)t->p.dk);
    return scaled(t, t->variant == 0 ? t->p.scale * root : t->p.scale / root);
}
static bool scale_of_values(gla_trial *t) { return scaled(t, 1 / sqrt((double)t->p.dv)); }

static bool scale_rounded(gla_trial *t) { return scaled(t, gla_round(&gla_bf16, GLA_RN, t->p.scale, 0)); }

/* ---- states ---- */

static bool no_initial_state(gla_trial *t) { return gla_trial_drop(t, GLA_IN_INITIAL_STATE) && gla_trial_run(t); }
static bool no_state_gradient(gla_trial *t) { return gla_trial_drop(t, GLA_IN_DFINAL_STATE) && gla_trial_run(t); }
static bool no_output_gradient(gla_trial *t) { return gla_trial_drop(t, GLA_IN_DO) && gla_trial_run(t); }

/* The memory [rows,cols] of every head read as [cols,rows]. */
static void transpose(const int64_t shape[4], const double *from, double *to) {
    int64_t rows = shape[2], cols = shape[3];
    for (int64_t h = 0; h < shape[0] * shape[1]; h++, from += rows * cols, to += rows * cols)
        for (int64_t i = 0; i < rows; i++)
            for (int64_t j = 0; j < cols; j++) to[i * cols + j] = from[j * rows + i];
}

static bool state_transposed(gla_trial *t) {
    static const gla_input names[] = {GLA_IN_INITIAL_STATE, GLA_IN_DFINAL_STATE};
    gla_input name = names[t->variant];
    int64_t shape[4];
    const double *from = gla_problem_input(&t->p, name)->at;
    double *to = gla_trial_edit(t, name);
    gla_input_shape(&t->p, name, shape);
    if (!to || shape[2] * shape[3] == 1) return false;
    transpose(shape, from, to);
    snprintf(t->sentence, sizeof t->sentence, "%s was read as [dv,dk] instead of [dk,dv]", gla_input_names[name]);
    return gla_trial_run(t);
}

const gla_hypothesis gla_altered_problems[] = {
    {"scale-missing", "the scale is missing: these are the outputs for scale 1", 1, scale_missing, 0, GLA_TOGETHER},
    {"scale-twice", "the scale is applied twice", 1, scale_twice, 0, GLA_TOGETHER},
    {"scale-default", "the default scale dk^(-1/2) was used instead of the case's", 1, scale_default, 0, GLA_TOGETHER},
    {"scale-dv", "the scale is dv^(-1/2) instead of the case's", 1, scale_of_values, 0, GLA_TOGETHER},
    {"scale-root", "the scale is off by a factor sqrt(dk)", 2, scale_root, 0, GLA_TOGETHER},
    {"scale-rounded", "the scale was rounded to bf16", 1, scale_rounded, 0, GLA_TOGETHER},
    {"no-initial-state", "the initial state is ignored", 1, no_initial_state, 0, GLA_TOGETHER},
    {"no-final-gradient", "the gradient of the final state (dfinal_state) is ignored", 1, no_state_gradient, 0,
     GLA_TOGETHER},
    {"no-output-gradient", "the gradient of o (do) is ignored", 1, no_output_gradient, 0, GLA_TOGETHER},
    {"state-transposed", NULL, 2, state_transposed, 0, GLA_TOGETHER},
    {NULL, NULL, 0, NULL, 0, GLA_TOGETHER},
};
