/* SPDX-License-Identifier: Apache-2.0
 *
 * Which formulations of the delta core there are, and the way to each; contract in delta.h.
 */
#include "delta.h"

static bool has_route(gla_formulation kind, gla_gate_route route) {
    static const bool available[GLA_FORMULATIONS][GLA_ROUTES] = {
        /*                           default direct suffix prefix anchor straddle strict */
        [GLA_RECURRENT] = {true, true, true, true, false, false, true},
        [GLA_PARALLEL] = {true, false, true, true, false, true, true},
        [GLA_CHUNKWISE] = {true, false, true, true, true, true, true},
        [GLA_CHUNKWISE_FACTORED] = {true, false, true, true, true, false, true},
    };
    return available[kind][route];
}

bool delta_available(const gla_form *form) {
    bool chunks = form->kind == GLA_CHUNKWISE || form->kind == GLA_CHUNKWISE_FACTORED;
    if (!has_route(form->kind, form->route) || form->split < 0 || form->precise) return false;
    if (chunks && (form->C < 1 || form->c < 1 || form->c > form->C || form->split % form->C)) return false;
    if (!chunks && (form->materialised || form->solver == GLA_UT_BLOCKED)) return false;
    if (form->kind == GLA_RECURRENT && form->solver != GLA_SOLVE) return false;
    return !form->bounded || form->kind == GLA_CHUNKWISE;
}

static delta_run *run_of(const gla_form *form) {
    if (form->split) return delta_split;
    if (form->kind == GLA_RECURRENT) return delta_recurrent;
    return form->kind == GLA_PARALLEL ? delta_parallel : delta_chunkwise;
}

void delta_run_form(const delta_slice *x, const gla_form *form) {
    if (x->in->status != GLA_OK) return;
    if (delta_available(form))
        run_of(form)(x, form);
    else
        x->in->status = GLA_UNSUPPORTED;
}
