/* SPDX-License-Identifier: Apache-2.0
 *
 * mLSTM, the matrix memory of xLSTM (spec 8), onto its core in ../mlstm: i and f are the gates before their activation.
 *
 *     C_t = f_t C_{t-1} + i_t k_t v_t^T ;  n_t = f_t n_{t-1} + i_t k_t          f_t = sigmoid(f), i_t = e^i
 *     o_t = s C_t^T q_t / (max(|s q_t.n_t|, 1) + eps)
 *
 * all held in units of e^m (mlstm.h): initial_state and initial_n are C and n in those of initial_m, final_state and
 * final_n in those of final_m; eps is in them too. Where the problem has no initial_m it is what m0 says; with m0=-inf
 * and a state that is given, 0 all the same.
 *
 * dfinal_state and dfinal_n are derivatives at fixed m_T, dinitial_state and dinitial_n at fixed m_0; dinitial_m is how
 * the loss depends on the units in which they are given.
 *
 * Formulations: recurrent, parallel, chunkwise, which always keeps its states; chunkwise:C:c is TFLA's two levels of
 * tiles. No +split.
 */
#include "../mlstm/mlstm.h"
#include "mechanisms.h"

enum { GATE, NORMALISER, GRADIENT, END, DI, M0, EPS, SCALE_ON };
static const gla_choice gate[] = {
    {"exp", "i_t = e^i, stabilised: xLSTM"}, {"sigmoid", "i_t = sigmoid(i), no m: mLSTMsig of TFLA"}, {NULL, NULL}};
static const gla_choice normaliser[] = {{"max", "max(|s q.n|, 1) + eps: xLSTM, TFLA's code"},
                                        {"none", "o = s C^T q, no n; gate=sigmoid only: TFLA's paper"},
                                        {NULL, NULL}};
static const gla_choice gradient[] = {{"full", "through the normaliser too"},
                                      {"truncated", "the normaliser is a constant, dn_T is ignored: TFLA's kernels"},
                                      {NULL, NULL}};
static const gla_choice end[] = {
    {"kept", "df with <C_T,dC_T> + <n_T,dn_T>"}, {"omitted", "without: TFLA's chunkwise backward"}, {NULL, NULL}};
static const gla_choice di[] = {{"keys", "di from k.dk: always right"},
                                {"values", "di from v.dv: a comment in public code; right for the truncated gradient"},
                                {NULL, NULL}};
static const gla_choice m0[] = {
    {"0", "public code"}, {"-inf", "an empty state, as the pure definition has it"}, {NULL, NULL}};
static const gla_choice scale_on[] = {
    {"q", "TFLA's kernels"}, {"k", "states hold s C and s n: the first xLSTM code"}, {NULL, NULL}};
static const gla_switch switches[] = {
    {.name = "gate", .what = "activation of the input gate", .values = gate},
    {.name = "normaliser", .what = "what the output is divided by", .values = normaliser},
    {.name = "gradient", .what = "of the normaliser", .values = gradient},
    {.name = "end", .what = "the end term of df", .values = end},
    {.name = "di", .what = "the route of the input gate's gradient", .values = di},
    {.name = "m0", .what = "the stabiliser to begin with, where initial_m is not given", .values = m0},
    {.name = "eps", .what = "added to the normaliser, in units of e^m; public code: 1e-6", .least = 0, .most = 1e300},
    {.name = "scale_on", .what = "what the scale multiplies", .values = scale_on},
    {0}};

static bool set(const gla_problem *p, int which) { return gla_setting(p, which) != 0; }

static void narrow(const gla_problem *p, unsigned *inputs, unsigned *outputs) {
    if (set(p, GATE)) {
        *inputs &= ~(1u << GLA_IN_INITIAL_M);
        *outputs &= ~(1u << GLA_FINAL_M | 1u << GLA_DINITIAL_M);
    }
    if (set(p, NORMALISER)) {
        *inputs &= ~GLA_NORMALISER_INPUTS;
        *outputs &= ~GLA_NORMALISER_OUTPUTS;
    }
    if (set(p, GRADIENT)) *inputs &= ~(1u << GLA_IN_DFINAL_N);
}

static gla_status check(const gla_problem *p, gla_error *err) {
    if (set(p, NORMALISER) && !set(p, GATE))
        return gla_fail(err, GLA_BAD_VALUE, "mechanism mlstm: normaliser=none needs gate=sigmoid");
    if (set(p, NORMALISER) && (set(p, EPS) || set(p, GRADIENT)))
        return gla_fail(err, GLA_BAD_VALUE, "mechanism mlstm: eps and gradient=truncated need a normaliser");
    if (set(p, GATE) && set(p, M0))
        return gla_fail(err, GLA_BAD_VALUE, "mechanism mlstm: m0=-inf needs gate=exp, the sigmoid gate has no m");
    return GLA_OK;
}

static bool available(const gla_problem *p, const gla_form *form) {
    (void)p;
    return mlstm_available(form);
}

static mlstm_options options_of(const gla_problem *p) {
    return (mlstm_options){.sigmoid = set(p, GATE),
                           .unnormalised = set(p, NORMALISER),
                           .truncated = set(p, GRADIENT),
                           .no_end = set(p, END),
                           .di_from_values = set(p, DI)};
}

/* m_0 [1,1]; absent: -inf. */
static gla_matrix first_stabiliser(const gla_slice_io *io) {
    gla_matrix m = gla_load(io, GLA_IN_INITIAL_M);
    bool state = io->p->initial_state.at || io->p->initial_n.at;
    return gla_absent(m) && (state || !set(io->p, M0)) ? gla_new(io->in, 1, 1) : m;
}

static void load(const gla_slice_io *io, const gla_form *form, mlstm_slice *x) {
    x->q = gla_load(io, GLA_IN_Q);
    x->k = gla_load(io, GLA_IN_K);
    x->v = gla_load(io, GLA_IN_V);
    x->i = gla_load(io, GLA_IN_I);
    x->f = gla_load(io, GLA_IN_F);
    x->C0 = gla_load(io, GLA_IN_INITIAL_STATE);
    x->n0 = gla_load(io, GLA_IN_INITIAL_N);
    x->m0 = first_stabiliser(io);
    if (!form->backward) return;
    x->d_h = gla_load_or_zero(io, GLA_IN_DO);
    x->dCT = gla_load(io, GLA_IN_DFINAL_STATE);
    x->dnT = gla_load(io, GLA_IN_DFINAL_N);
}

static void make_outputs(const gla_slice_io *io, const gla_form *form, mlstm_slice *x) {
    gla_numbers *n = io->in;
    x->h = gla_new(n, x->T, x->dv);
    x->CT = gla_new(n, x->dk, x->dv);
    x->nT = gla_new(n, x->dk, 1);
    x->mT = gla_new(n, 1, 1);
    if (!form->backward) return;
    x->dq = gla_new(n, x->T, x->dk);
    x->dk_ = gla_new(n, x->T, x->dk);
    x->dv_ = gla_new(n, x->T, x->dv);
    x->di = gla_new(n, x->T, 1);
    x->df = gla_new(n, x->T, 1);
    x->dC0 = gla_new(n, x->dk, x->dv);
    x->dn0 = gla_new(n, x->dk, 1);
    x->dm0 = gla_new(n, 1, 1);
}

static void store(const gla_slice_io *io, const mlstm_slice *x) {
    gla_store(io, GLA_O, x->h);
    gla_store(io, GLA_FINAL_STATE, x->CT);
    gla_store(io, GLA_FINAL_N, x->nT);
    gla_store(io, GLA_FINAL_M, x->mT);
    gla_store(io, GLA_DQ, x->dq);
    gla_store(io, GLA_DK, x->dk_);
    gla_store(io, GLA_DV, x->dv_);
    gla_store(io, GLA_DI, x->di);
    gla_store(io, GLA_DF, x->df);
    gla_store(io, GLA_DINITIAL_STATE, x->dC0);
    gla_store(io, GLA_DINITIAL_N, x->dn0);
    gla_store(io, GLA_DINITIAL_M, x->dm0);
}

static void slice(const gla_slice_io *io, const gla_form *form) {
    gla_numbers *n = io->in;
    mlstm_slice x = {.in = n, .T = io->T, .dk = io->dk, .dv = io->dv, .options = options_of(io->p)};
    gla_matrix scale = gla_load_scale(io);
    load(io, form, &x);
    make_outputs(io, form, &x);
    if (set(io->p, EPS)) {
        x.eps = gla_number(n, gla_setting(io->p, EPS));
    }
    x.s = set(io->p, SCALE_ON) ? gla_scale_to_keys(x.k, scale) : scale;
    mlstm_run_form(&x, form);
    if (set(io->p, SCALE_ON) && form->backward) gla_scale(x.dk_, x.dk_, scale);
    store(io, &x);
}

const gla_mechanism gla_mechanism_mlstm = {
    .name = "mlstm",
    .equation =
        "C_t = f_t C_{t-1} + i_t k_t v_t^T ;  n_t = f_t n_{t-1} + i_t k_t ;  o_t = s C_t^T q_t / max(|s q_t.n_t|, 1)",
    .inputs = GLA_UNGATED_INPUTS | GLA_NORMALISER_INPUTS | 1u << GLA_IN_I | 1u << GLA_IN_F | 1u << GLA_IN_INITIAL_M,
    .outputs = GLA_UNGATED_OUTPUTS | GLA_NORMALISER_OUTPUTS | 1u << GLA_DI | 1u << GLA_DF | 1u << GLA_FINAL_M |
               1u << GLA_DINITIAL_M,
    .switches = switches,
    .narrow = narrow,
    .check = check,
    .available = available,
    .slice = slice,
};
