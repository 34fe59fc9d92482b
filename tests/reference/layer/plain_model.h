/* SPDX-License-Identifier: Apache-2.0
 *
 * The same language model by other means: plain loops over mpfr_t, no verbs, no matrices, and the gated core as the
 * double sum that it stands for,
 *     o_t = s sum_{i<=t} sum_c q_tc k_ic e^(g_{i+1,c} + ... + g_tc) v_i.
 * Every array is dense and of PLAIN_BITS bits; weights are looked up in the model under test by their public names.
 */
#ifndef GLASSBOX_TESTS_PLAIN_MODEL_H
#define GLASSBOX_TESTS_PLAIN_MODEL_H

#include "tests/reference/layer/tiny_model.h"

enum { PLAIN_BITS = 320 };

/* All numbers in use, until plain_free. */
static mpfr_t plain_pool[1 << 16];
static size_t plain_used;

static inline mpfr_t *plain_new(size_t count) {
    mpfr_t *x = plain_pool + plain_used;
    plain_used += count;
    ck_assert(plain_used <= sizeof plain_pool / sizeof *plain_pool);
    for (size_t i = 0; i < count; i++) {
        mpfr_init2(x[i], PLAIN_BITS);
        mpfr_set_zero(x[i], 1);
    }
    return x;
}

static inline void plain_free(void) {
    while (plain_used > 0) mpfr_clear(plain_pool[--plain_used]);
}

/* The weight of that name; NULL: the model has none. */
static inline mpfr_t *plain_weight(const gla_model *m, int64_t layer, const char *name) {
    char whole[120];
    if (layer >= 0)
        snprintf(whole, sizeof whole, "model.layers.%d.%s", (int)layer, name);
    else
        snprintf(whole, sizeof whole, "%s", name);
    for (size_t i = 0; i < m->tensors; i++) {
        gla_matrix at = m->tensor[i].at;
        if (strcmp(m->tensor[i].name, whole) != 0) continue;
        mpfr_t *w = plain_new(at.rows * at.cols);
        for (size_t j = 0; j < at.rows * at.cols; j++)
            mpfr_set_d(w[j], m->in->ops->get_d(m->in, gla_at(at, j / at.cols, j % at.cols)), MPFR_RNDN);
        return w;
    }
    return NULL;
}

static inline mpfr_t *plain_linear(mpfr_t *x, size_t T, size_t in, mpfr_t *W, size_t out, mpfr_t *b) {
    mpfr_t *y = plain_new(T * out);
    for (size_t t = 0; t < T; t++)
        for (size_t r = 0; r < out; r++) {
            if (b) mpfr_set(y[t * out + r], b[r], MPFR_RNDN);
            for (size_t i = 0; i < in; i++)
                mpfr_fma(y[t * out + r], W[r * in + i], x[t * in + i], y[t * out + r], MPFR_RNDN);
        }
    return y;
}

static inline void plain_sigmoid(mpfr_t y, mpfr_t x) {
    mpfr_neg(y, x, MPFR_RNDN);
    mpfr_exp(y, y, MPFR_RNDN);
    mpfr_add_ui(y, y, 1, MPFR_RNDN);
    mpfr_ui_div(y, 1, y, MPFR_RNDN);
}

/* x_i = x_i sigmoid(x_i) */
static inline void plain_swish(mpfr_t *x, size_t count) {
    mpfr_t *s = plain_new(1);
    for (size_t i = 0; i < count; i++) {
        plain_sigmoid(*s, x[i]);
        mpfr_mul(x[i], x[i], *s, MPFR_RNDN);
    }
}

/* Over groups of n numbers: x (mean x^2 + eps)^(-1/2) w */
static inline mpfr_t *plain_norm(mpfr_t *x, size_t groups, size_t n, mpfr_t *w, double eps) {
    mpfr_t *y = plain_new(groups * n), *r = plain_new(1);
    for (size_t t = 0; t < groups; t++) {
        mpfr_set_zero(*r, 1);
        for (size_t i = 0; i < n; i++) mpfr_fma(*r, x[t * n + i], x[t * n + i], *r, MPFR_RNDN);
        mpfr_div_ui(*r, *r, n, MPFR_RNDN);
        mpfr_add_d(*r, *r, eps, MPFR_RNDN);
        mpfr_rec_sqrt(*r, *r, MPFR_RNDN);
        for (size_t i = 0; i < n; i++) {
            mpfr_mul(y[t * n + i], x[t * n + i], *r, MPFR_RNDN);
            if (w) mpfr_mul(y[t * n + i], y[t * n + i], w[i], MPFR_RNDN);
        }
    }
    return y;
}

/* A projection with its convolution over time, and the convolution's swish. */
static inline mpfr_t *plain_project(const gla_model *m, int64_t l, char which, mpfr_t *x, size_t T, size_t out) {
    char name[40];
    size_t W = (size_t)m->config.window;
    snprintf(name, sizeof name, "attn.%c_proj.weight", which);
    mpfr_t *y = plain_linear(x, T, (size_t)m->config.hidden, plain_weight(m, l, name), out, NULL);
    if (!W) return y;
    snprintf(name, sizeof name, "attn.%c_conv1d.weight", which);
    mpfr_t *w = plain_weight(m, l, name), *z = plain_new(T * out);
    snprintf(name, sizeof name, "attn.%c_conv1d.bias", which);
    mpfr_t *b = plain_weight(m, l, name);
    for (size_t t = 0; t < T; t++)
        for (size_t d = 0; d < out; d++) {
            if (b) mpfr_set(z[t * out + d], b[d], MPFR_RNDN);
            for (size_t back = 0; back < W && back <= t; back++)
                mpfr_fma(z[t * out + d], w[d * W + W - 1 - back], y[(t - back) * out + d], z[t * out + d], MPFR_RNDN);
        }
    plain_swish(z, T * out);
    return z;
}

/* ln sigmoid(z) / tau, not below the least. */
static inline mpfr_t *plain_gate(const gla_model *m, int64_t l, mpfr_t *x, size_t T, size_t out) {
    const gla_model_config *c = &m->config;
    mpfr_t *low =
        plain_linear(x, T, (size_t)c->hidden, plain_weight(m, l, "attn.gk_proj.0.weight"), (size_t)c->rank, NULL);
    mpfr_t *g = plain_linear(low, T, (size_t)c->rank, plain_weight(m, l, "attn.gk_proj.1.weight"), out,
                             plain_weight(m, l, "attn.gk_proj.1.bias"));
    for (size_t i = 0; i < T * out; i++) {
        plain_sigmoid(g[i], g[i]);
        mpfr_log(g[i], g[i], MPFR_RNDN);
        mpfr_div_d(g[i], g[i], c->tau, MPFR_RNDN);
        if (c->has_least && mpfr_cmp_d(g[i], c->least) < 0) mpfr_set_d(g[i], c->least, MPFR_RNDN);
    }
    return g;
}

static inline void plain_feature(const gla_model *m, mpfr_t *x, size_t count) {
    if (m->config.feature == act_swish) plain_swish(x, count);
    for (size_t i = 0; i < count && m->config.feature == act_relu; i++)
        if (mpfr_sgn(x[i]) < 0) mpfr_set_zero(x[i], 1);
}

/* o [T, heads dv] by the double sum. */
static inline mpfr_t *plain_core(const gla_model *m, mpfr_t *q, mpfr_t *k, mpfr_t *v, mpfr_t *g, size_t T) {
    size_t H = m->size.heads, Hk = m->size.key_heads, dk = m->size.dk, dv = m->size.dv;
    mpfr_t *o = plain_new(T * H * dv), *e = plain_new(2);
    mpfr_set_ui(e[0], dk, MPFR_RNDN);
    mpfr_rec_sqrt(e[0], e[0], MPFR_RNDN);
    double scale = mpfr_get_d(e[0], MPFR_RNDN); /* binary64 nearest to dk^(-1/2), as a kernel is handed it */
    for (size_t t = 0; t < T; t++)
        for (size_t h = 0; h < H; h++)
            for (size_t i = 0, j = h * Hk / H; i <= t; i++)
                for (size_t c = 0; c < dk; c++) {
                    mpfr_set_zero(e[0], 1);
                    for (size_t r = i + 1; r <= t; r++) mpfr_add(e[0], e[0], g[(r * Hk + j) * dk + c], MPFR_RNDN);
                    mpfr_exp(e[0], e[0], MPFR_RNDN);
                    mpfr_mul(e[0], e[0], q[(t * H + h) * dk + c], MPFR_RNDN);
                    mpfr_mul(e[0], e[0], k[(i * Hk + j) * dk + c], MPFR_RNDN);
                    mpfr_mul_d(e[0], e[0], scale, MPFR_RNDN);
                    for (size_t u = 0; u < dv; u++) {
                        mpfr_t *z = &o[(t * H + h) * dv + u];
                        mpfr_fma(*z, e[0], v[(i * Hk + j) * dv + u], *z, MPFR_RNDN);
                    }
                }
    return o;
}

static inline mpfr_t *plain_attention(const gla_model *m, int64_t l, mpfr_t *x, size_t T) {
    size_t H = m->size.heads, Hk = m->size.key_heads, dk = m->size.dk, dv = m->size.dv, D = m->size.hidden;
    mpfr_t *q = plain_project(m, l, 'q', x, T, H * dk), *k = plain_project(m, l, 'k', x, T, Hk * dk);
    mpfr_t *v = plain_project(m, l, 'v', x, T, Hk * dv), *g = plain_gate(m, l, x, T, Hk * dk);
    plain_feature(m, q, T * H * dk);
    plain_feature(m, k, T * Hk * dk);
    mpfr_t *w = plain_weight(m, l, m->config.fused_norm ? "attn.g_norm_swish_gate.weight" : "attn.g_norm.weight");
    mpfr_t *o = plain_norm(plain_core(m, q, k, v, g, T), T * H, dv, w, m->config.eps);
    if (m->config.output_gate) {
        mpfr_t *gate = plain_linear(x, T, D, plain_weight(m, l, "attn.g_proj.weight"), H * dv, NULL);
        plain_swish(gate, T * H * dv);
        for (size_t i = 0; i < T * H * dv; i++) mpfr_mul(o[i], o[i], gate[i], MPFR_RNDN);
    }
    return plain_linear(o, T, H * dv, plain_weight(m, l, "attn.o_proj.weight"), D, NULL);
}

static inline mpfr_t *plain_mlp(const gla_model *m, int64_t l, mpfr_t *x, size_t T) {
    size_t D = m->size.hidden, I = (size_t)m->config.intermediate;
    mpfr_t *gate = plain_linear(x, T, D, plain_weight(m, l, "mlp.gate_proj.weight"), I, NULL);
    mpfr_t *up = plain_linear(x, T, D, plain_weight(m, l, "mlp.up_proj.weight"), I, NULL);
    plain_swish(gate, T * I);
    for (size_t i = 0; i < T * I; i++) mpfr_mul(gate[i], gate[i], up[i], MPFR_RNDN);
    return plain_linear(gate, T, I, plain_weight(m, l, "mlp.down_proj.weight"), D, NULL);
}

/* logits [T,vocabulary] */
static inline mpfr_t *plain_logits(const gla_model *m, const int64_t *id, size_t T) {
    size_t D = m->size.hidden, V = (size_t)m->config.vocabulary;
    mpfr_t *E = plain_weight(m, -1, "model.embeddings.weight"), *x = plain_new(T * D);
    for (size_t i = 0; i < T * D; i++) mpfr_set(x[i], E[(size_t)id[i / D] * D + i % D], MPFR_RNDN);
    for (int64_t l = 0; l < m->config.layers; l++) {
        mpfr_t *y =
            plain_attention(m, l, plain_norm(x, T, D, plain_weight(m, l, "attn_norm.weight"), m->config.eps), T);
        for (size_t i = 0; i < T * D; i++) mpfr_add(x[i], x[i], y[i], MPFR_RNDN);
        y = plain_mlp(m, l, plain_norm(x, T, D, plain_weight(m, l, "mlp_norm.weight"), m->config.eps), T);
        for (size_t i = 0; i < T * D; i++) mpfr_add(x[i], x[i], y[i], MPFR_RNDN);
    }
    x = plain_norm(x, T, D, plain_weight(m, -1, "model.norm.weight"), m->config.eps);
    return plain_linear(x, T, D, m->config.tied ? E : plain_weight(m, -1, "lm_head.weight"), V, NULL);
}

/* mean of -ln(e^z_target / sum e^z) */
static inline void plain_loss(mpfr_t loss, mpfr_t *logits, const int64_t *target, size_t T, size_t V) {
    mpfr_t *e = plain_new(2);
    mpfr_set_zero(loss, 1);
    for (size_t t = 0; t < T; t++) {
        mpfr_set_zero(e[1], 1);
        for (size_t j = 0; j < V; j++) {
            mpfr_exp(e[0], logits[t * V + j], MPFR_RNDN);
            mpfr_add(e[1], e[1], e[0], MPFR_RNDN);
        }
        mpfr_log(e[1], e[1], MPFR_RNDN);
        mpfr_sub(e[1], e[1], logits[t * V + (size_t)target[t]], MPFR_RNDN);
        mpfr_add(loss, loss, e[1], MPFR_RNDN);
    }
    mpfr_div_ui(loss, loss, T, MPFR_RNDN);
}

#endif
