/* SPDX-License-Identifier: Apache-2.0
 *
 * The gated core as a mechanism's slice: from named inputs to gated_slice and back; contract in mechanisms.h.
 */
#include "mechanisms.h"

/* [rows,dk] from one gate per head: [T,1] of the input, or the mechanism's [1,1] for every token. */
static gla_matrix over_channels(const gla_slice_io *io, gla_matrix g, size_t rows) {
    gla_matrix gk = gla_new(io->in, rows, io->dk);
    gla_copy(gk, gla_spread(g, rows, io->dk));
    return gk;
}

/* [T,dk], or absent. */
static gla_matrix load_key_gates(const gla_slice_io *io) {
    const gla_mechanism *m = gla_mechanism_of(io->p);
    gla_matrix g = m->log_decay ? gla_new(io->in, 1, 1) : gla_load(io, GLA_IN_GK);
    if (m->log_decay && io->in->status == GLA_OK) m->log_decay(io->p, io->head, g);
    bool shared = m->log_decay || gla_gate_per_head(m);
    return shared && !gla_absent(g) ? over_channels(io, g, io->T) : g;
}

/* [1,dk], the fixed decay itself. */
static gla_matrix load_factor(const gla_slice_io *io) {
    gla_matrix one = gla_new(io->in, 1, 1);
    if (io->in->status == GLA_OK) gla_mechanism_of(io->p)->decay(io->p, io->head, one);
    return over_channels(io, one, 1);
}

gated_slice gla_gated_slice(const gla_slice_io *io, const gla_form *form) {
    gated_slice x = {.in = io->in, .T = io->T, .dk = io->dk, .dv = io->dv, .s = gla_load_scale(io)};
    x.q = gla_load(io, GLA_IN_Q);
    x.k = gla_load(io, GLA_IN_K);
    x.v = gla_load(io, GLA_IN_V);
    x.gk = load_key_gates(io);
    if (form->factors && gla_mechanism_of(io->p)->decay) x.alpha = load_factor(io);
    x.gv = gla_load(io, GLA_IN_GV);
    x.S0 = gla_load_or_zero(io, GLA_IN_INITIAL_STATE);
    if (!form->backward) return x;
    x.d_o = gla_load_or_zero(io, GLA_IN_DO);
    x.dST = gla_load_or_zero(io, GLA_IN_DFINAL_STATE);
    return x;
}

void gla_gated_outputs(const gla_slice_io *io, gated_slice *x, const gla_form *form) {
    gla_numbers *n = io->in;
    x->o = gla_new(n, x->T, x->dv);
    x->ST = gla_new(n, x->dk, x->dv);
    if (!form->backward) return;
    x->dq = gla_new(n, x->T, x->dk);
    x->dk_ = gla_new(n, x->T, x->dk);
    x->dv_ = gla_new(n, x->T, x->dv);
    if (!gla_absent(x->gk)) x->dgk = gla_new(n, x->T, gla_gate_per_head(gla_mechanism_of(io->p)) ? 1 : x->dk);
    if (!gla_absent(x->gv)) x->dgv = gla_new(n, x->T, x->dv);
    x->dS0 = gla_new(n, x->dk, x->dv);
}

void gla_store_gated(const gla_slice_io *io, const gated_slice *x) {
    gla_store(io, GLA_O, x->o);
    gla_store(io, GLA_FINAL_STATE, x->ST);
    gla_store(io, GLA_DQ, x->dq);
    gla_store(io, GLA_DK, x->dk_);
    gla_store(io, GLA_DV, x->dv_);
    gla_store(io, GLA_DGK, x->dgk);
    gla_store(io, GLA_DGV, x->dgv);
    gla_store(io, GLA_DINITIAL_STATE, x->dS0);
}

gla_matrix gla_scale_to_keys(gla_matrix k, gla_matrix s) {
    gla_scale(k, k, s);
    return gla_number(k.in, 1);
}

bool gla_available_gated(const gla_problem *p, const gla_form *form) {
    (void)p;
    return gated_available(form);
}

void gla_slice_gated(const gla_slice_io *io, const gla_form *form) {
    gated_slice x = gla_gated_slice(io, form);
    gla_gated_outputs(io, &x, form);
    gated_run_form(&x, form);
    gla_store_gated(io, &x);
}
