/* SPDX-License-Identifier: Apache-2.0
 *
 * Which formulations of the delta core there are, and the way to each; contract in delta.h.
 */
#include "delta.h"

const char *const delta_solver_names[DELTA_SOLVERS] = {"solve", "ut", "ut-blocked", "ut-product"};

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

bool delta_available(const delta_form *form) {
    const gla_form *f = &form->form;
    bool chunks = f->kind == GLA_CHUNKWISE || f->kind == GLA_CHUNKWISE_FACTORED;
    if (!has_route(f->kind, f->route) || f->split < 0) return false;
    if (chunks && (f->C < 1 || f->c < 1 || f->c > f->C || f->split % f->C)) return false;
    if (!chunks && (f->materialised || form->solver == DELTA_UT_BLOCKED)) return false;
    return !form->bounded || f->kind == GLA_CHUNKWISE;
}

static delta_run *run_of(const gla_form *form) {
    if (form->split) return delta_split;
    if (form->kind == GLA_RECURRENT) return delta_recurrent;
    return form->kind == GLA_PARALLEL ? delta_parallel : delta_chunkwise;
}

void delta_run_form(const delta_slice *x, const delta_form *form) {
    delta_run *run = run_of(&form->form);
    if (delta_available(form))
        run(x, form);
    else if (x->in->status == GLA_OK)
        x->in->status = GLA_UNSUPPORTED;
}
