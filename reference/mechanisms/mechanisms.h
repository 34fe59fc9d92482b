/* SPDX-License-Identifier: Apache-2.0
 *
 * What the mechanism files share: the table's rows, the inputs and outputs that all of the gated core have, and the
 * runs of the cores they map onto.
 */
#ifndef GLASSBOX_MECHANISMS_H
#define GLASSBOX_MECHANISMS_H

#include "../gated/gated.h"
#include "../gated/normalised.h"
#include "../run.h"

extern const gla_mechanism gla_mechanism_gla, gla_mechanism_simple_gla, gla_mechanism_linear_attention,
    gla_mechanism_retention, gla_mechanism_lightning, gla_mechanism_delta_rule, gla_mechanism_gated_delta_rule,
    gla_mechanism_kda, gla_mechanism_rwkv6, gla_mechanism_gsa, gla_mechanism_mamba2, gla_mechanism_mamba1,
    gla_mechanism_hgrn2, gla_mechanism_mlstm;

/* Without gates. */
#define GLA_UNGATED_INPUTS                                                                                             \
    (1u << GLA_IN_Q | 1u << GLA_IN_K | 1u << GLA_IN_V | 1u << GLA_IN_INITIAL_STATE | 1u << GLA_IN_DO |                 \
     1u << GLA_IN_DFINAL_STATE)
#define GLA_UNGATED_OUTPUTS                                                                                            \
    (1u << GLA_O | 1u << GLA_FINAL_STATE | 1u << GLA_DQ | 1u << GLA_DK | 1u << GLA_DV | 1u << GLA_DINITIAL_STATE)

/* Of a normaliser n beside the state. */
#define GLA_NORMALISER_INPUTS (1u << GLA_IN_INITIAL_N | 1u << GLA_IN_DFINAL_N)
#define GLA_NORMALISER_OUTPUTS (1u << GLA_FINAL_N | 1u << GLA_DINITIAL_N)

/* gated_slice.c: the gated core for a mechanism's slice. `gla_slice_gated` and `gla_available_gated` are what a
 * mechanism that is the gated core as it stands has in its table; one that maps onto it changes matrices between the
 * parts:
 *
 *     gated_slice x = gla_gated_slice(io, form);
 *     x.k = ...;                        what it makes of its inputs
 *     gla_gated_outputs(io, &x, form);
 *     gated_run_form(&x, form);
 *     ...                               what it makes of the gradients
 *     gla_store_gated(io, &x);
 */
bool gla_available_gated(const gla_problem *p, const gla_form *form);
void gla_slice_gated(const gla_slice_io *io, const gla_form *form);

/* Scale and inputs q k v g gv initial_state do dfinal_state: absent where the problem has none, but for states and do,
 * which are then zeros. gk is one number for all channels where the mechanism has a gate per head, or its log_decay. */
gated_slice gla_gated_slice(const gla_slice_io *io, const gla_form *form);
/* Makes its outputs: dgk and dgv where it has gk and gv. A gate that channels share gets the sum over them. */
void gla_gated_outputs(const gla_slice_io *io, gated_slice *x, const gla_form *form);
/* Stores o final_state dq dk dv dg dgv dinitial_state, those that are not absent. */
void gla_store_gated(const gla_slice_io *io, const gated_slice *x);

/* delta_slice.c: the delta core on q k v g beta and the states. */
bool gla_available_delta(const gla_problem *p, const gla_form *form);
void gla_slice_delta(const gla_slice_io *io, const gla_form *form);

/* normaliser_slice.c: a normaliser with initial_n, dfinal_n and room for what comes of them; its denominator is the
 * caller's to say. And final_n, dinitial_n stored. */
gated_normaliser gla_gated_normaliser(const gla_slice_io *io, const gla_form *form);
void gla_store_normaliser(const gla_slice_io *io, const gated_normaliser *z);

/* scale_on=k: k becomes s k, and the scale of the core is the 1 that is returned. Back: dk times s. */
gla_matrix gla_scale_to_keys(gla_matrix k, gla_matrix s);

/* For log_decay, z [1,1]: z = -2^(-a/b), exact where it is a power of two. */
void gla_decay_power(gla_matrix z, int64_t a, int64_t b);
/* z = a / b. */
void gla_decay_ratio(gla_matrix z, double a, double b);
/* The head of the layer that is head h of the problem, and how many the layer has. */
int64_t gla_decay_head(const gla_problem *p, int64_t h);
int64_t gla_decay_heads(const gla_problem *p);

#endif
