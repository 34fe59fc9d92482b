/* SPDX-License-Identifier: Apache-2.0
 *
 * The GLA layer, forward; equations in gla_layer.h.
 */
#include "gla_layer.h"

gla_layer_state gla_layer_new_state(gla_numbers *n, gla_layer_sizes size) {
    gla_layer_state s = {.S = gla_new(n, size.heads * size.dk, size.dv)};
    if (size.window == 0) return s;
    s.cq = gla_new(n, size.window - 1, size.heads * size.dk);
    s.ck = gla_new(n, size.window - 1, size.key_heads * size.dk);
    s.cv = gla_new(n, size.window - 1, size.key_heads * size.dv);
    return s;
}

gla_layer_signals gla_layer_new_signals(gla_numbers *n, gla_layer_sizes size, size_t T) {
    size_t key = size.key_heads * size.dk;
    return (gla_layer_signals){.q = gla_new(n, T, size.heads * size.dk),
                               .k = gla_new(n, T, key),
                               .v = gla_new(n, T, size.key_heads * size.dv),
                               .g = gla_new(n, T, key),
                               .o = gla_new(n, T, size.heads * size.dv)};
}

/* ---- into the core ---- */

/* y = x W^T, then the short convolution and its swish if there is one. */
static void project(gla_matrix y, gla_matrix x, gla_matrix W, gla_layer_convolution c, gla_matrix before) {
    layer_linear(y, x, W, (gla_matrix){0});
    if (gla_absent(c.w)) return;
    layer_convolution(y, y, c.w, c.b, before);
    act_swish(y, y);
}

/* g = log sigmoid((x A^T) B^T + b) / tau, not below `least`. */
static void low_rank_gate(gla_matrix g, gla_matrix x, const gla_layer *l) {
    gla_matrix low = gla_new(l->in, x.rows, l->size.rank);
    layer_linear(low, x, l->A, (gla_matrix){0});
    layer_linear(g, low, l->B, l->b);
    act_log_sigmoid(g, g);
    gla_divide(g, g, l->tau);
    if (gla_absent(l->least)) return;
    gla_max(g, g, gla_spread(l->least, g.rows, g.cols));
}

static void prepare(gla_matrix x, const gla_layer *l, const gla_layer_state *state, const gla_layer_signals *u) {
    project(u->q, x, l->Wq, l->cq, state->cq);
    project(u->k, x, l->Wk, l->ck, state->ck);
    project(u->v, x, l->Wv, l->cv, state->cv);
    low_rank_gate(u->g, x, l);
    if (!l->feature) return;
    l->feature(u->q, u->q);
    l->feature(u->k, u->k);
}

/* ---- the core ---- */

/* z = x, from one system into another by way of binary64. */
static void carry(gla_matrix z, gla_matrix x) {
    for (size_t i = 0; i < z.rows && z.in->status == GLA_OK; i++)
        for (size_t j = 0; j < z.cols; j++)
            z.in->ops->set_d(z.in, gla_at(z, i, j), x.in->ops->get_d(x.in, gla_at(x, i, j)));
}

static gla_matrix carried(gla_numbers *to, gla_matrix x) {
    gla_matrix z = gla_new(to, x.rows, x.cols);
    carry(z, x);
    return z;
}

static void add_gradients(gated_slice *own, const gated_slice *x) {
    gla_numbers *n = own->in;
    own->d_o = carried(n, x->d_o);
    own->dST = carried(n, x->dST);
    own->dq = gla_new(n, x->T, x->dk);
    own->dk_ = gla_new(n, x->T, x->dk);
    own->dv_ = gla_new(n, x->T, x->dv);
    own->dgk = gla_new(n, x->T, x->dk);
    own->dS0 = gla_new(n, x->dk, x->dv);
}

static void carry_gradients(const gated_slice *x, const gated_slice *own) {
    carry(x->dq, own->dq);
    carry(x->dk_, own->dk_);
    carry(x->dv_, own->dv_);
    carry(x->dgk, own->dgk);
    carry(x->dS0, own->dS0);
}

/* The slice in the core's own system, and its results back in ours. */
static void run_elsewhere(const gated_slice *x, const gla_layer_core *core) {
    gla_numbers *n = core->in;
    size_t mark = gla_mark(n);
    gated_slice own = {.in = n, .T = x->T, .dk = x->dk, .dv = x->dv};
    own.s = carried(n, x->s);
    own.q = carried(n, x->q);
    own.k = carried(n, x->k);
    own.v = carried(n, x->v);
    own.gk = carried(n, x->gk);
    own.S0 = carried(n, x->S0);
    own.o = gla_new(n, x->T, x->dv);
    own.ST = gla_new(n, x->dk, x->dv);
    if (core->form->backward) add_gradients(&own, x);
    if (n->status == GLA_OK) core->run(&own, core->form);
    if (n->status != GLA_OK)
        x->in->status = n->status;
    else {
        carry(x->o, own.o);
        carry(x->ST, own.ST);
        if (core->form->backward) carry_gradients(x, &own);
    }
    gla_release(n, mark);
}

void gla_layer_run_core(const gated_slice *x, const gla_layer_core *core) {
    if (core->in && core->in != x->in)
        run_elsewhere(x, core);
    else
        core->run(x, core->form);
}

static void run_head(const gla_layer *l, const gla_layer_core *core, const gla_layer_state *state,
                     const gla_layer_signals *u, size_t h) {
    gla_numbers *n = l->in;
    size_t mark = gla_mark(n), dk = l->size.dk, dv = l->size.dv, j = h / (l->size.heads / l->size.key_heads);
    gla_matrix S = gla_rows(state->S, h * dk, dk), S0 = gla_new(n, dk, dv);
    gla_copy(S0, S);
    gated_slice x = {.in = n, .T = u->q.rows, .dk = dk, .dv = dv, .s = l->scale, .S0 = S0, .ST = S};
    x.q = gla_columns(u->q, h * dk, dk);
    x.k = gla_columns(u->k, j * dk, dk);
    x.v = gla_columns(u->v, j * dv, dv);
    x.gk = gla_columns(u->g, j * dk, dk);
    x.o = gla_columns(u->o, h * dv, dv);
    if (n->status != GLA_OK) return;
    gla_layer_run_core(&x, core);
    gla_release(n, mark);
}

/* ---- out of the core ---- */

void gla_layer_norm_heads(gla_matrix z, const gla_layer *l, gla_matrix o) {
    for (size_t h = 0; h < l->size.heads; h++) {
        size_t first = h * l->size.dv;
        layer_rms_norm(gla_columns(z, first, l->size.dv), gla_columns(o, first, l->size.dv), l->norm, l->eps);
    }
}

static void finish(gla_matrix y, gla_matrix x, const gla_layer *l, gla_matrix o) {
    gla_numbers *n = l->in;
    gla_matrix z = gla_new(n, o.rows, o.cols);
    gla_layer_norm_heads(z, l, o);
    if (!gla_absent(l->Wg)) {
        gla_matrix gate = gla_new(n, o.rows, o.cols);
        layer_linear(gate, x, l->Wg, (gla_matrix){0});
        layer_swish_gate(gate, gate, z);
        z = gate;
    }
    layer_linear(y, z, l->Wo, (gla_matrix){0});
}

void gla_layer_forward(gla_matrix y, gla_matrix x, const gla_layer *l, const gla_layer_core *core,
                       const gla_layer_state *state, const gla_layer_signals *u) {
    size_t mark = gla_mark(l->in);
    prepare(x, l, state, u);
    for (size_t h = 0; h < l->size.heads; h++) run_head(l, core, state, u, h);
    finish(y, x, l, u->o);
    gla_release(l->in, mark);
}
