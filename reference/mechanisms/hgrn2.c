/* SPDX-License-Identifier: Apache-2.0
 *
 * HGRN2 (spec 7): the key is what the forget gate leaves, so that the state is a mixture of the values written.
 *
 *     alpha_t = lower_bound + (1 - lower_bound) sigmoid(f_t) ;  S_t = diag(alpha_t) S_{t-1} + (1 - alpha_t) v_t^T
 *     o_t = s S_t^T q_t
 *
 * Onto the gated core: g = ln alpha, k = 1 - alpha, and df, dlower_bound from its dg and dk, all by tied_gates.h, where
 * the hazards are. f [B,T,h,dk] is the logit, lower_bound [h,dk] in [0,1), absent 0, is the layer's (lower_bounds.h
 * makes those of all layers and takes their gradient back). v is the papers' i.
 *
 * Conventions: s is 1 where the problem names none, as in the paper; a later code base has dk^(-1/2): name it. q comes
 * activated (the paper's module: sigmoid; the later one: swish): that belongs to the layer.
 */
#include "mechanisms.h"
#include "tied_gates.h"

static void slice(const gla_slice_io *io, const gla_form *form) {
    gla_matrix f = gla_load(io, GLA_IN_F), bound = gla_load(io, GLA_IN_LOWER_BOUND);
    gated_slice x = gla_gated_slice(io, form);
    x.gk = gla_new(io->in, io->T, io->dk);
    x.k = gla_new(io->in, io->T, io->dk);
    tied_gates(x.gk, x.k, f, bound);
    gla_gated_outputs(io, &x, form);
    gated_run_form(&x, form);
    gla_store_gated(io, &x);
    if (!form->backward) return;
    gla_matrix df = gla_new(io->in, io->T, io->dk), dbound = gla_new(io->in, 1, io->dk);
    tied_gates_back(df, dbound, x.dgk, x.dk_, x.k, f, bound);
    gla_store(io, GLA_DF, df);
    gla_store(io, GLA_DLOWER_BOUND, dbound);
}

static const char *objection(const gla_problem *p, gla_input name, double x) {
    (void)p;
    return name == GLA_IN_LOWER_BOUND && !(x >= 0 && x < 1) ? "is outside [0,1)" : NULL;
}

static const gla_change changes[] = {{GLA_IN_F, .axes = GLA_PER_KEY}, {0}};

const gla_mechanism gla_mechanism_hgrn2 = {
    .name = "hgrn2",
    .equation =
        "S_t = diag(alpha_t) S_{t-1} + (1 - alpha_t) v_t^T ;  o_t = s S_t^T q_t ;  alpha_t = lower_bound + (1 - "
        "lower_bound) sigmoid(f_t)",
    .inputs = (GLA_UNGATED_INPUTS & ~(1u << GLA_IN_K)) | 1u << GLA_IN_F | 1u << GLA_IN_LOWER_BOUND,
    .optional = 1u << GLA_IN_LOWER_BOUND,
    .outputs = (GLA_UNGATED_OUTPUTS & ~(1u << GLA_DK)) | 1u << GLA_DF | 1u << GLA_DLOWER_BOUND,
    .unit_scale = true,
    .changes = changes,
    .columns_apart = true,
    .objection = objection,
    .available = gla_available_gated,
    .slice = slice,
};
