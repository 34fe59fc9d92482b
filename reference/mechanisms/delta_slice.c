/* SPDX-License-Identifier: Apache-2.0
 *
 * The delta core (reference/delta) as a mechanism's slice: g per channel [T,dk], per head [T,1] or absent is what the
 * core takes as it comes.
 */
#include "mechanisms.h"

#include "../delta/delta.h"

static delta_slice load(const gla_slice_io *io, const gla_form *form) {
    delta_slice x = {.in = io->in, .T = io->T, .dk = io->dk, .dv = io->dv, .s = gla_load_scale(io)};
    x.q = gla_load(io, GLA_IN_Q);
    x.k = gla_load(io, GLA_IN_K);
    x.v = gla_load(io, GLA_IN_V);
    x.g = gla_load(io, GLA_IN_GK);
    x.beta = gla_load(io, GLA_IN_BETA);
    x.S0 = gla_load_or_zero(io, GLA_IN_INITIAL_STATE);
    x.o = gla_new(io->in, io->T, io->dv);
    x.ST = gla_new(io->in, io->dk, io->dv);
    if (!form->backward) return x;
    x.d_o = gla_load_or_zero(io, GLA_IN_DO);
    x.dST = gla_load_or_zero(io, GLA_IN_DFINAL_STATE);
    x.dq = gla_new(io->in, io->T, io->dk);
    x.dk_ = gla_new(io->in, io->T, io->dk);
    x.dv_ = gla_new(io->in, io->T, io->dv);
    if (!gla_absent(x.g)) x.dg = gla_new(io->in, io->T, x.g.cols);
    x.dbeta = gla_new(io->in, io->T, 1);
    x.dS0 = gla_new(io->in, io->dk, io->dv);
    return x;
}

void gla_slice_delta(const gla_slice_io *io, const gla_form *form) {
    delta_slice x = load(io, form);
    delta_run_form(&x, form);
    gla_store(io, GLA_O, x.o);
    gla_store(io, GLA_FINAL_STATE, x.ST);
    gla_store(io, GLA_DQ, x.dq);
    gla_store(io, GLA_DK, x.dk_);
    gla_store(io, GLA_DV, x.dv_);
    gla_store(io, GLA_DGK, x.dg);
    gla_store(io, GLA_DBETA, x.dbeta);
    gla_store(io, GLA_DINITIAL_STATE, x.dS0);
}

/* What makes one anchor serve all channels is for gates that differ between them. */
bool gla_available_delta(const gla_problem *p, const gla_form *form) {
    bool by_channel = form->bounded || form->kind == GLA_CHUNKWISE_FACTORED;
    const gla_mechanism *m = gla_mechanism_of(p);
    if (by_channel && (gla_gate_per_head(m) || !(m->inputs & 1u << GLA_IN_GK))) return false;
    return delta_available(form);
}
