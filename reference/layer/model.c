/* SPDX-License-Identifier: Apache-2.0
 *
 * A GLA language model, forward; equations in model.h.
 */
#include "model_parts.h"

#include <stdlib.h>

gla_status gla_model_start(const gla_model *m, gla_model_state *state) {
    state->layer = calloc((size_t)m->config.layers, sizeof *state->layer);
    if (!state->layer) return GLA_NO_MEMORY;
    for (int64_t l = 0; l < m->config.layers; l++) state->layer[l] = gla_layer_new_state(m->in, m->size);
    return m->in->status;
}

void gla_model_state_free(gla_model_state *state) {
    free(state->layer);
    state->layer = NULL;
}

model_mlp model_mlp_forward(gla_matrix y, gla_matrix x, const gla_model *m, const gla_model_block *b) {
    gla_numbers *n = m->in;
    size_t T = x.rows, I = b->gate.rows;
    model_mlp p = {gla_new(n, T, x.cols), gla_new(n, T, I), gla_new(n, T, I), gla_new(n, T, I)};
    layer_rms_norm(p.u, x, b->mlp_norm, m->eps);
    layer_linear(p.gate, p.u, b->gate, (gla_matrix){0});
    layer_linear(p.up, p.u, b->up, (gla_matrix){0});
    layer_swish_gate(p.product, p.gate, p.up);
    layer_linear(y, p.product, b->down, (gla_matrix){0});
    return p;
}

void model_block_forward(const gla_model *m, const gla_model_block *b, const gla_layer_core *core,
                         const gla_layer_state *state, const gla_layer_signals *signals, gla_matrix x,
                         gla_matrix amid) {
    gla_numbers *n = m->in;
    size_t mark = gla_mark(n);
    gla_matrix y = gla_new(n, x.rows, x.cols), u = gla_new(n, x.rows, x.cols);
    layer_rms_norm(u, x, b->attention_norm, m->eps);
    gla_layer_forward(y, u, &b->attention, core, state, signals);
    gla_add(x, x, y);
    if (!gla_absent(amid)) gla_copy(amid, x);
    model_mlp_forward(y, x, m, b);
    gla_add(x, x, y);
    gla_release(n, mark);
}

void gla_model_read(const gla_model *m, const gla_layer_core *core, const int64_t *id, size_t T, gla_model_state *state,
                    gla_matrix x, const gla_layer_signals *kept) {
    gla_numbers *n = m->in;
    for (size_t t = 0; t < T; t++) gla_copy(gla_row(x, t), gla_row(m->embedding, (size_t)id[t]));
    for (int64_t l = 0; l < m->config.layers && n->status == GLA_OK; l++) {
        size_t inside = gla_mark(n);
        gla_layer_signals signals = kept ? kept[l] : gla_layer_new_signals(n, m->size, T);
        model_block_forward(m, &m->block[l], core, &state->layer[l], &signals, x, (gla_matrix){0});
        gla_release(n, inside);
    }
    layer_rms_norm(x, x, m->norm, m->eps);
}

void gla_model_head(const gla_model *m, gla_matrix logits, gla_matrix x) {
    layer_linear(logits, x, m->head, (gla_matrix){0});
}
