/* SPDX-License-Identifier: Apache-2.0
 *
 * What the mechanism files share: the table's rows, the inputs and outputs that all of the gated core have, and the
 * runs of the cores they map onto.
 */
#ifndef GLASSBOX_MECHANISMS_H
#define GLASSBOX_MECHANISMS_H

#include "../glassbox.h"
#include "../verbs.h"

extern const gla_mechanism gla_mechanism_gla, gla_mechanism_simple_gla, gla_mechanism_linear_attention,
    gla_mechanism_retention, gla_mechanism_lightning;

/* Without gates. */
#define GLA_UNGATED_INPUTS                                                                                             \
    (1u << GLA_IN_Q | 1u << GLA_IN_K | 1u << GLA_IN_V | 1u << GLA_IN_INITIAL_STATE | 1u << GLA_IN_DO |                 \
     1u << GLA_IN_DFINAL_STATE)
#define GLA_UNGATED_OUTPUTS                                                                                            \
    (1u << GLA_O | 1u << GLA_FINAL_STATE | 1u << GLA_DQ | 1u << GLA_DK | 1u << GLA_DV | 1u << GLA_DINITIAL_STATE)

/* run.c: the gated core over every sequence and head of a problem. The key gates of a head are the input g, one number
 * for all channels where the mechanism has a gate per head, or its log_decay; the gradient of a gate that channels
 * share is the sum over them. */
gla_status gla_run_gated(const gla_problem *p, const gla_form *form, gla_numbers *numbers, gla_result *result,
                         gla_error *err);

/* For log_decay, g [1,1]: the number x, exact in every system of at least 24 bits. */
void gla_decay_set(gla_matrix g, double x);
/* z = -2^(-a/b), exact where it is a power of two. */
void gla_decay_power(gla_matrix z, int64_t a, int64_t b);
/* z = a / b. */
void gla_decay_ratio(gla_matrix z, double a, double b);
/* The head of the layer that is head h of the problem, and how many the layer has. */
int64_t gla_decay_head(const gla_problem *p, int64_t h);
int64_t gla_decay_heads(const gla_problem *p);

#endif
