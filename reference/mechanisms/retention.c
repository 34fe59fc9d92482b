/* SPDX-License-Identifier: Apache-2.0
 *
 * Retention (RetNet), without rotation of q and k and without normalisation of scores (spec 3): a fixed decay per head.
 *
 *     S_t = gamma_h S_{t-1} + k_t v_t^T ;  o_t = s S_t^T q_t ;  log gamma_h = log1p(-2^-x_h)
 *
 * Schedules of x_h, head h of the layer's H:
 *     powers     x_h = 5 + h: the public code, and the paper's table
 *     linspace   x_h = 5 + 4 h / (H - 1): 1 - gamma_h evenly spaced in the log from 1/32 to 1/512
 * Convention: s multiplies q. Kernels that multiply k by it hold s S as their state.
 * The decay is made in the number system at hand: log1p of the exact -2^-(5+h), one rounding. It is no input and has no
 * gradient. gamma itself, rounded to bf16, would be 1 from h = 4 on.
 */
#include "mechanisms.h"

enum { POWERS, LINSPACE };
static const gla_choice schedules[] = {{"powers", "gamma_h = 1 - 2^(-5-h)"},
                                       {"linspace", "1 - gamma_h from 1/32 to 1/512, evenly in the log"},
                                       {NULL, NULL}};

/* g = gamma - 1 = -2^-x. */
static void set_loss(const gla_problem *p, int64_t h, gla_matrix g) {
    int64_t head = gla_decay_head(p, h), most = gla_decay_heads(p) > 1 ? gla_decay_heads(p) - 1 : 1;
    if (p->decay.schedule == POWERS)
        gla_decay_power(g, 5 + head, 1);
    else
        gla_decay_power(g, 5 * most + 4 * head, most); /* of one head: 5 */
}

static void log_decay(const gla_problem *p, int64_t h, gla_matrix g) {
    set_loss(p, h, g);
    gla_log1p(g, g);
}

/* A dyadic number in powers: then exact results are exact, and ties are seen to be ties. */
static void decay(const gla_problem *p, int64_t h, gla_matrix alpha) {
    gla_matrix one = gla_new(alpha.in, 1, 1);
    set_loss(p, h, alpha);
    gla_decay_set(one, 1);
    gla_add(alpha, alpha, one);
}

const gla_mechanism gla_mechanism_retention = {
    .name = "retention",
    .equation = "S_t = gamma_h S_{t-1} + k_t v_t^T ;  o_t = s S_t^T q_t ;  gamma_h = 1 - 2^(-5-h), no rotation",
    .inputs = GLA_UNGATED_INPUTS,
    .outputs = GLA_UNGATED_OUTPUTS,
    .schedules = schedules,
    .log_decay = log_decay,
    .decay = decay,
    .run = gla_run_gated,
};
