/* SPDX-License-Identifier: Apache-2.0
 *
 * Lightning Attention-2 and TransNormerLLM (spec 4): a fixed decay per head, q k v as they enter the recurrence.
 *
 *     S_t = e^(-w_h) S_{t-1} + k_t v_t^T ;  o_t = s S_t^T q_t
 *
 * Schedules of the slope w_h, head h of the layer's H, in layer l of L (l = 0 where it is not given):
 *     alibi    w_h = 2^(-8 (h+1) / n), n = H where H is a power of two; else n is the power of two below H, and the
 *              heads from n on have the slopes h = 0, 2, 4 ... of 2 n heads: the official code
 *     linear   w_h = (8 h / H) (1 - l / L): the TransNormerLLM paper; head 0 does not decay
 * alibi with a layer is refused: codes differ in its factor. The slope is made in the number system at hand: no input,
 * no gradient.
 *
 * Conventions: s is dk^(-1/2) where the problem names none; official kernels and paper have s = 1: name it. States are
 * S itself; state=pre-decayed is that of the official kernels, KV = e^(-w) S, in and out: the first token then finds
 * its state decayed already, and a sequence without tokens leaves it as it is.
 */
#include "mechanisms.h"

enum { ALIBI, LINEAR };
static const gla_choice schedules[] = {
    {"alibi", "w_h = 2^(-8(h+1)/H)"}, {"linear", "w_h = 8h/H (1 - l/L): lightning:linear:l/L"}, {NULL, NULL}};

enum { STATE };
static const gla_choice state[] = {{"plain", "S, as the last token left it: the paper"},
                                   {"pre-decayed", "e^-w S, ready for the next token: the official kernels"},
                                   {NULL, NULL}};
static const gla_switch switches[] = {
    {.name = "state", .what = "what initial_state and final_state hold", .values = state}, {0}};

static void log_decay(const gla_problem *p, int64_t h, gla_matrix g) {
    int64_t head = gla_decay_head(p, h), heads = gla_decay_heads(p), n = 1;
    if (p->decay.schedule == LINEAR) {
        int64_t layers = p->decay.layers ? p->decay.layers : 1, layer = p->decay.layers ? p->decay.layer : 0;
        gla_decay_ratio(g, -8 * (double)head * (double)(layers - layer), (double)heads * (double)layers);
        return;
    }
    while (2 * n <= heads) n *= 2;
    if (head < n)
        gla_decay_power(g, 8 * (head + 1), n);
    else
        gla_decay_power(g, 8 * (2 * (head - n) + 1), 2 * n);
}

static void slice(const gla_slice_io *io, const gla_form *form) {
    gated_slice x = gla_gated_slice(io, form);
    gla_matrix decay = gla_new(io->in, 1, 1);
    bool decayed = gla_setting(io->p, STATE) != 0 && io->T > 0 && io->in->status == GLA_OK;
    gla_gated_outputs(io, &x, form);
    if (decayed) {
        gla_exp(decay, gla_column(gla_row(x.gk, 0), 0));
        gla_zero(gla_row(x.gk, 0));
        if (form->backward) gla_scale(x.dST, x.dST, decay);
    }
    gated_run_form(&x, form);
    if (decayed) gla_scale(x.ST, x.ST, decay);
    gla_store_gated(io, &x);
}

const gla_mechanism gla_mechanism_lightning = {
    .name = "lightning",
    .equation = "S_t = e^(-w_h) S_{t-1} + k_t v_t^T ;  o_t = s S_t^T q_t ;  w_h = 2^(-8(h+1)/H)",
    .inputs = GLA_UNGATED_INPUTS,
    .outputs = GLA_UNGATED_OUTPUTS,
    .switches = switches,
    .schedules = schedules,
    .log_decay = log_decay,
    .plain = true,
    .columns_apart = true,
    .available = gla_available_gated,
    .slice = slice,
};
