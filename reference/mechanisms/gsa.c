/* SPDX-License-Identifier: Apache-2.0
 *
 * Gated Slot Attention (spec 13): M slots for keys and values, a gate and a write weight for each, attention over them.
 *
 *     K_t = K_{t-1} diag(e^g_t) + k_t s_t^T ;  a_t = s K_t^T q_t ;  p_t = softmax(a_t)
 *     V_t = diag(e^g_t) V_{t-1} + s_t v_t^T ;  o_t = V_t^T p_t
 *
 * Shapes: g, s [B,T,h,M]; K [dk,M] from initial_keys to final_keys, V [M,dv] from initial_state to final_state.
 * Onto the gated core, twice in the same formulation:
 *     keys     q, k, v := s, value gate g          gives a, and back from da: dq dk, ds1 = dv, dg1, dK_0
 *     values   q := p, k := s, v, key gate g       gives o, and back: dp, ds2 = dk, dv, dg2, dV_0
 *     da = p*(dp - p.dp) ;  ds = ds1 + ds2 ;  dg = dg1 + dg2
 * A backward runs the keys' forward again, as kernels do.
 *
 * Convention tie: free, s is an input of its own; tied, as in the layer, s = 1 - e^g, formed as -expm1(g): nothing is
 * lost where a slot hardly writes; then dg -= ds e^g. A gate of -inf empties the slot, and tied it takes the new token
 * whole. The scale is dk^(-1/2) where the problem names none, as in kernels; the layer has 1: name it.
 * Rounding sites: the core's; a tied s as the operand that the layer hands over; p as one pass stores it for the other
 * and for the backward; da likewise, as an output.
 */
#include "../softmax.h"
#include "mechanisms.h"

enum { TIE };
enum { FREE, TIED };
static const gla_choice ties[] = {{"free", "s is an input: kernels"}, {"tied", "s = 1 - e^g: the layer"}, {NULL, NULL}};
static const gla_switch switches[] = {{"tie", "write weights of the slots", .values = ties}, {0}};

static bool tied(const gla_problem *p) { return gla_setting(p, TIE) == TIED; }

static void narrow(const gla_problem *p, unsigned *inputs, unsigned *outputs) {
    if (!tied(p)) return;
    *inputs &= ~(1u << GLA_IN_S);
    *outputs &= ~(1u << GLA_DS);
}

/* s [T,M]. */
static gla_matrix write_weights(const gla_slice_io *io, gla_matrix g) {
    if (!tied(io->p)) return gla_load(io, GLA_IN_S);
    gla_matrix s = gla_new(io->in, io->T, io->M);
    gla_expm1(s, g);
    gla_neg(s, s);
    gla_round_at(s, GLA_SITE_V_DECAYED);
    return s;
}

/* Room for what a slice gives, zeros. */
static void make_outputs(gated_slice *x, bool backward) {
    x->o = gla_new(x->in, x->T, x->dv);
    x->ST = gla_new(x->in, x->dk, x->dv);
    if (!backward) return;
    x->dq = gla_new(x->in, x->T, x->dk);
    x->dk_ = gla_new(x->in, x->T, x->dk);
    x->dv_ = gla_new(x->in, x->T, x->dv);
    if (!gla_absent(x->gk)) x->dgk = gla_new(x->in, x->T, x->dk);
    if (!gla_absent(x->gv)) x->dgv = gla_new(x->in, x->T, x->dv);
    x->dS0 = gla_new(x->in, x->dk, x->dv);
}

/* Its output o is a [T,M]; da absent: forward alone. */
static gated_slice run_keys(const gla_slice_io *io, const gla_form *form, gla_matrix s, gla_matrix g, gla_matrix da) {
    gla_form own = *form;
    own.backward = !gla_absent(da);
    gated_slice x = {.in = io->in, .T = io->T, .dk = io->dk, .dv = io->M, .s = gla_load_scale(io), .v = s, .gv = g};
    x.q = gla_load(io, GLA_IN_Q);
    x.k = gla_load(io, GLA_IN_K);
    x.S0 = gla_load_or_zero(io, GLA_IN_INITIAL_KEYS);
    x.d_o = da;
    if (own.backward) x.dST = gla_load_or_zero(io, GLA_IN_DFINAL_KEYS);
    make_outputs(&x, own.backward);
    gated_run_form(&x, &own);
    return x;
}

static gated_slice run_values(const gla_slice_io *io, const gla_form *form, gla_matrix s, gla_matrix g, gla_matrix p) {
    gated_slice x = {
        .in = io->in, .T = io->T, .dk = io->M, .dv = io->dv, .s = gla_number(io->in, 1), .q = p, .k = s, .gk = g};
    x.v = gla_load(io, GLA_IN_V);
    x.S0 = gla_load_or_zero(io, GLA_IN_INITIAL_STATE);
    if (form->backward) x.d_o = gla_load_or_zero(io, GLA_IN_DO);
    if (form->backward) x.dST = gla_load_or_zero(io, GLA_IN_DFINAL_STATE);
    make_outputs(&x, form->backward);
    gated_run_form(&x, form);
    return x;
}

/* The gradients that both passes have a part in. */
static void store_shared(const gla_slice_io *io, const gated_slice *keys, const gated_slice *values) {
    gla_matrix ds = gla_new(io->in, io->T, io->M), dg = gla_new(io->in, io->T, io->M);
    gla_add(ds, keys->dv_, values->dk_);
    gla_add(dg, keys->dgv, values->dgk);
    if (tied(io->p)) {
        gla_matrix through = gla_new(io->in, io->T, io->M);
        gla_exp(through, keys->gv);
        gla_mul(through, ds, through);
        gla_sub(dg, dg, through);
    }
    gla_store(io, GLA_DS, ds);
    gla_store(io, GLA_DGK, dg);
}

static void slice(const gla_slice_io *io, const gla_form *form) {
    gla_matrix g = gla_load(io, GLA_IN_GK), s = write_weights(io, g), p = gla_new(io->in, io->T, io->M);
    gated_slice keys = run_keys(io, form, s, g, (gla_matrix){0});
    gla_softmax(p, keys.o);
    gla_round_at(p, GLA_SITE_PROBABILITY);
    gated_slice values = run_values(io, form, s, g, p);
    gla_store(io, GLA_FINAL_KEYS, keys.ST);
    gla_store(io, GLA_O, values.o);
    gla_store(io, GLA_FINAL_STATE, values.ST);
    if (!form->backward) return;
    gla_matrix da = gla_new(io->in, io->T, io->M);
    gla_softmax_back(da, values.dq, p);
    gla_round_at(da, GLA_SITE_OUTPUT);
    keys = run_keys(io, form, s, g, da);
    gla_store(io, GLA_DQ, keys.dq);
    gla_store(io, GLA_DK, keys.dk_);
    gla_store(io, GLA_DINITIAL_KEYS, keys.dS0);
    gla_store(io, GLA_DV, values.dv_);
    gla_store(io, GLA_DINITIAL_STATE, values.dS0);
    store_shared(io, &keys, &values);
}

static const gla_change changes[] = {{GLA_IN_GK, .axes = GLA_PER_SLOT},
                                     {GLA_IN_INITIAL_STATE, .axes = GLA_STATE_SLOT_VALUE},
                                     {GLA_IN_DFINAL_STATE, .axes = GLA_STATE_SLOT_VALUE},
                                     {0}};

const gla_mechanism gla_mechanism_gsa = {
    .name = "gsa",
    .equation =
        "K_t = K_{t-1} diag(e^g_t) + k_t s_t^T ;  p_t = softmax(s K_t^T q_t) ;  V_t = diag(e^g_t) V_{t-1} + s_t "
        "v_t^T ;  o_t = V_t^T p_t",
    .inputs =
        GLA_UNGATED_INPUTS | 1u << GLA_IN_GK | 1u << GLA_IN_S | 1u << GLA_IN_INITIAL_KEYS | 1u << GLA_IN_DFINAL_KEYS,
    .outputs = GLA_UNGATED_OUTPUTS | 1u << GLA_DGK | 1u << GLA_DS | 1u << GLA_FINAL_KEYS | 1u << GLA_DINITIAL_KEYS,
    .changes = changes,
    .switches = switches,
    .narrow = narrow,
    .columns_apart = true,
    .available = gla_available_gated,
    .slice = slice,
};
