/* SPDX-License-Identifier: Apache-2.0
 *
 * A GLA language model, backward: loss and gradients in one pass over a text. The input of each block is kept, and what
 * happens inside a block is computed again when its gradients are formed.
 */
#include <stdlib.h>

#include "model_parts.h"

/* Where a block's two halves begin: x before the attention, and between it and the SwiGLU. */
typedef struct halves {
    gla_matrix before, amid;
} halves;

/* dx, the gradient behind y = x + f(rmsnorm(x)), becomes that of x; du is the gradient of the norm's result. */
static void residual_back(gla_matrix dx, gla_matrix du, gla_matrix x, gla_matrix w, gla_matrix dw, gla_matrix eps) {
    gla_matrix through = gla_new(dx.in, dx.rows, dx.cols);
    layer_rms_norm_back(through, dw, du, x, w, eps);
    gla_add(dx, dx, through);
}

static void mlp_back(gla_matrix dx, gla_matrix x, const gla_model *m, const gla_model_block *b,
                     const gla_model_block *d) {
    gla_numbers *n = m->in;
    size_t mark = gla_mark(n), T = x.rows, I = b->gate.rows;
    gla_matrix y = gla_new(n, T, x.cols), du = gla_new(n, T, x.cols);
    gla_matrix dproduct = gla_new(n, T, I), dgate = gla_new(n, T, I), dup = gla_new(n, T, I);
    model_mlp p = model_mlp_forward(y, x, m, b);
    layer_linear_back(dproduct, d->down, (gla_matrix){0}, dx, p.product, b->down);
    layer_swish_gate_back(dgate, dup, dproduct, p.gate, p.up);
    layer_linear_back(du, d->gate, (gla_matrix){0}, dgate, p.u, b->gate);
    layer_linear_back(du, d->up, (gla_matrix){0}, dup, p.u, b->up);
    residual_back(dx, du, x, b->mlp_norm, d->mlp_norm, m->eps);
    gla_release(n, mark);
}

static void attention_back(gla_matrix dx, gla_matrix x, const gla_model *m, const gla_model_block *b,
                           const gla_layer_core *core, const gla_layer_signals *u, const gla_layer_signals *du,
                           const gla_model_block *d) {
    gla_numbers *n = m->in;
    size_t mark = gla_mark(n);
    gla_matrix normed = gla_new(n, x.rows, x.cols), dnormed = gla_new(n, x.rows, x.cols);
    layer_rms_norm(normed, x, b->attention_norm, m->eps);
    gla_layer_back(dnormed, dx, normed, &b->attention, core, u, du, &d->attention);
    residual_back(dx, dnormed, x, b->attention_norm, d->attention_norm, m->eps);
    gla_release(n, mark);
}

/* All blocks forward; x holds the embedded text and leaves as what the last norm reads. */
static void run_blocks(const gla_model *m, const gla_layer_core *core, gla_matrix x, halves *kept,
                       const gla_layer_signals *u) {
    gla_numbers *n = m->in;
    gla_form form = *core->form;
    form.backward = false;
    const gla_layer_core forward = {core->run, &form, core->in};
    for (int64_t l = 0; l < m->config.layers && n->status == GLA_OK; l++) {
        size_t mark = gla_mark(n);
        gla_layer_state state = gla_layer_new_state(n, m->size);
        gla_copy(kept[l].before, x);
        model_block_forward(m, &m->block[l], &forward, &state, &u[l], x, kept[l].amid);
        gla_release(n, mark);
    }
}

/* Loss, and dx behind the last norm's input. */
static void head_back(const gla_model *m, gla_matrix dx, gla_matrix x, const int64_t *target, gla_matrix loss,
                      gla_model *d) {
    gla_numbers *n = m->in;
    size_t V = (size_t)m->config.vocabulary;
    gla_matrix normed = gla_new(n, x.rows, x.cols), dnormed = gla_new(n, x.rows, x.cols);
    gla_matrix logits = gla_new(n, x.rows, V), dlogits = gla_new(n, x.rows, V);
    layer_rms_norm(normed, x, m->norm, m->eps);
    gla_model_head(m, logits, normed);
    if (n->status != GLA_OK) return;
    layer_cross_entropy(loss, logits, target);
    layer_cross_entropy_back(dlogits, logits, target);
    layer_linear_back(dnormed, d->head, (gla_matrix){0}, dlogits, normed, m->head);
    layer_rms_norm_back(dx, d->norm, dnormed, x, m->norm, m->eps);
}

void gla_model_back(const gla_model *m, const gla_layer_core *core, const int64_t *id, const int64_t *target, size_t T,
                    gla_matrix loss, const gla_layer_signals *u, const gla_layer_signals *du, gla_model *d) {
    gla_numbers *n = m->in;
    size_t mark = gla_mark(n), D = m->size.hidden, layers = (size_t)m->config.layers;
    gla_matrix x = gla_new(n, T, D), dx = gla_new(n, T, D);
    halves *kept = calloc(layers, sizeof *kept);
    if (!kept) n->status = GLA_NO_MEMORY;
    for (size_t l = 0; l < layers && n->status == GLA_OK; l++) kept[l] = (halves){gla_new(n, T, D), gla_new(n, T, D)};
    for (size_t t = 0; t < T; t++) gla_copy(gla_row(x, t), gla_row(m->embedding, (size_t)id[t]));
    if (n->status == GLA_OK) run_blocks(m, core, x, kept, u);
    head_back(m, dx, x, target, loss, d);
    for (size_t l = layers; l-- > 0 && n->status == GLA_OK;) {
        mlp_back(dx, kept[l].amid, m, &m->block[l], &d->block[l]);
        attention_back(dx, kept[l].before, m, &m->block[l], core, &u[l], &du[l], &d->block[l]);
    }
    for (size_t t = 0; t < T && n->status == GLA_OK; t++) {
        gla_matrix row = gla_row(d->embedding, (size_t)id[t]);
        gla_add(row, row, gla_row(dx, t));
    }
    free(kept);
    gla_release(n, mark);
}
