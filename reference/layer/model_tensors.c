/* SPDX-License-Identifier: Apache-2.0
 *
 * The weights of a model (model.h) under the names of public fla GLA checkpoints, made as zeros. The list that results
 * is what a reader fills and a test looks into; there is no other list of names.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "../slice.h"
#include "model.h"

enum { PER_BLOCK = 20, OUTSIDE = 3 };

typedef struct list {
    gla_model *model;
    int64_t layer; /* names begin "model.layers.N.", or as they are if it is -1 */
} list;

/* A new weight [rows,cols]; rank 1: [cols], rank 3: [rows,1,cols] (a depthwise convolution's). */
static gla_matrix weight(list l, const char *name, int rank, size_t rows, size_t cols) {
    gla_model *m = l.model;
    gla_model_tensor *t = &m->tensor[m->tensors++];
    if (l.layer >= 0)
        snprintf(t->name, sizeof t->name, "model.layers.%lld.%s", (long long)l.layer, name);
    else
        snprintf(t->name, sizeof t->name, "%s", name);
    t->rank = rank;
    t->shape[0] = (int64_t)(rank == 1 ? cols : rows);
    t->shape[1] = rank == 3 ? 1 : (int64_t)cols;
    t->shape[2] = (int64_t)cols;
    t->at = gla_new(m->in, rows, cols);
    return t->at;
}

static gla_layer_convolution convolution(list l, const char *weight_name, const char *bias_name, size_t channels) {
    size_t window = l.model->size.window;
    if (window == 0) return (gla_layer_convolution){0};
    gla_layer_convolution c = {.w = weight(l, weight_name, 3, channels, window)};
    if (l.model->config.window_bias) c.b = weight(l, bias_name, 1, 1, channels);
    return c;
}

static gla_layer new_attention(list l) {
    const gla_model_config *c = &l.model->config;
    gla_numbers *n = l.model->in;
    gla_layer_sizes s = l.model->size;
    size_t query = s.heads * s.dk, key = s.key_heads * s.dk, value = s.key_heads * s.dv, out = s.heads * s.dv;
    gla_layer x = {.in = n, .size = s, .feature = c->feature, .eps = l.model->eps};
    x.Wq = weight(l, "attn.q_proj.weight", 2, query, s.hidden);
    x.Wk = weight(l, "attn.k_proj.weight", 2, key, s.hidden);
    x.Wv = weight(l, "attn.v_proj.weight", 2, value, s.hidden);
    if (c->output_gate) x.Wg = weight(l, "attn.g_proj.weight", 2, out, s.hidden);
    x.cq = convolution(l, "attn.q_conv1d.weight", "attn.q_conv1d.bias", query);
    x.ck = convolution(l, "attn.k_conv1d.weight", "attn.k_conv1d.bias", key);
    x.cv = convolution(l, "attn.v_conv1d.weight", "attn.v_conv1d.bias", value);
    x.A = weight(l, "attn.gk_proj.0.weight", 2, s.rank, s.hidden);
    x.B = weight(l, "attn.gk_proj.1.weight", 2, key, s.rank);
    x.b = weight(l, "attn.gk_proj.1.bias", 1, 1, key);
    bool fused = c->fused_norm && c->output_gate;
    if (c->affine) x.norm = weight(l, fused ? "attn.g_norm_swish_gate.weight" : "attn.g_norm.weight", 1, 1, s.dv);
    x.Wo = weight(l, "attn.o_proj.weight", 2, s.hidden, out);
    x.scale = gla_number(n, gla_scale_of(&(gla_problem){.dk = (int64_t)s.dk}));
    x.tau = gla_number(n, c->tau);
    if (c->has_least) x.least = gla_number(n, c->least);
    return x;
}

static gla_model_block new_block(list l) {
    size_t D = l.model->size.hidden, I = (size_t)l.model->config.intermediate;
    gla_model_block b = {.attention = new_attention(l)};
    b.attention_norm = weight(l, "attn_norm.weight", 1, 1, D);
    b.mlp_norm = weight(l, "mlp_norm.weight", 1, 1, D);
    b.gate = weight(l, "mlp.gate_proj.weight", 2, I, D);
    b.up = weight(l, "mlp.up_proj.weight", 2, I, D);
    b.down = weight(l, "mlp.down_proj.weight", 2, D, I);
    return b;
}

static gla_status check_sizes(const gla_model_config *c, gla_error *err) {
    if (c->heads < 1 || c->key_heads < 1 || c->heads % c->key_heads)
        return gla_fail(err, GLA_BAD_SHAPE, "%lld heads do not share %lld key heads evenly", (long long)c->heads,
                        (long long)c->key_heads);
    if (c->key_width < 1 || c->value_width < 1 || c->key_width % c->heads || c->value_width % c->heads)
        return gla_fail(err, GLA_BAD_SHAPE, "%lld heads do not divide a key width of %lld and a value width of %lld",
                        (long long)c->heads, (long long)c->key_width, (long long)c->value_width);
    return GLA_OK;
}

static gla_layer_sizes sizes_of(const gla_model_config *c) {
    return (gla_layer_sizes){.hidden = (size_t)c->hidden,
                             .heads = (size_t)c->heads,
                             .key_heads = (size_t)c->key_heads,
                             .dk = (size_t)(c->key_width / c->heads),
                             .dv = (size_t)(c->value_width / c->heads),
                             .rank = (size_t)c->rank,
                             .window = (size_t)c->window};
}

gla_status gla_model_new(const gla_model_config *config, gla_numbers *n, gla_model *m, gla_error *err) {
    *m = (gla_model){.in = n, .config = *config};
    gla_status status = check_sizes(config, err);
    if (status) return status;
    m->size = sizes_of(config);
    m->block = calloc((size_t)config->layers, sizeof *m->block);
    m->tensor = calloc((size_t)config->layers * PER_BLOCK + OUTSIDE, sizeof *m->tensor);
    if (!m->block || !m->tensor) return gla_fail(err, GLA_NO_MEMORY, "no memory for a model's list of weights");
    size_t V = (size_t)config->vocabulary, D = m->size.hidden;
    m->eps = gla_number(n, config->eps);
    m->embedding = weight((list){m, -1}, "model.embeddings.weight", 2, V, D);
    for (int64_t l = 0; l < config->layers; l++) m->block[l] = new_block((list){m, l});
    m->norm = weight((list){m, -1}, "model.norm.weight", 1, 1, D);
    m->head = config->tied ? m->embedding : weight((list){m, -1}, "lm_head.weight", 2, V, D);
    return n->status ? gla_fail(err, n->status, "no memory for a model's weights in %s", n->name) : GLA_OK;
}

void gla_model_free(gla_model *m) {
    free(m->block);
    free(m->tensor);
    *m = (gla_model){0};
}
