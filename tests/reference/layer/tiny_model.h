/* SPDX-License-Identifier: Apache-2.0
 *
 * Random language models of a few hundred weights, which between them have every setting of a checkpoint.
 */
#ifndef GLASSBOX_TESTS_TINY_MODEL_H
#define GLASSBOX_TESTS_TINY_MODEL_H

#include <math.h>
#include <string.h>

#include "compare/draw.h"
#include "reference/layer/model.h"
#include "tests/testing.h"

enum { TINY_MODELS = 4, TINY_TOKENS = 7 };

static inline gla_model_config tiny_config(int which) {
    gla_model_config c = {.vocabulary = 5,
                          .hidden = 6,
                          .layers = 2,
                          .heads = 2,
                          .key_heads = 2,
                          .intermediate = 7,
                          .key_width = 6,
                          .value_width = 8,
                          .rank = 2,
                          .output_gate = true,
                          .affine = true,
                          .eps = 1e-6,
                          .tau = 16};
    if (which == 1) { /* shared key heads, convolutions, the fused norm's name */
        c.heads = 4;
        c.key_heads = 2;
        c.key_width = 8;
        c.window = 3;
        c.fused_norm = true;
        c.tau = 1;
    }
    if (which == 2) { /* no output gate, no norm weight, a least gate, a feature map, one matrix for both ends */
        c.output_gate = c.affine = false;
        c.has_least = c.tied = true;
        c.least = -0.05;
        c.feature = layer_activation_named("silu");
    }
    if (which == 3) { /* convolutions with bias, relu, one layer */
        c.window = 2;
        c.window_bias = true;
        c.layers = 1;
        c.feature = layer_activation_named("relu");
    }
    return c;
}

/* Element j of tensor i, a binary32 number: norms near 1, gates' biases spread over strong and weak, others about 1/2.
 */
static inline double tiny_weight(const gla_model_tensor *t, size_t i, size_t j, uint64_t seed) {
    double x = gla_draw_normal((gla_draw){seed, (uint32_t)i, j});
    if (strstr(t->name, "norm")) return (double)(float)(1 + 0.2 * x);
    return (double)(float)((strstr(t->name, "bias") ? 2 : 0.5) * x);
}

/* The same weights in every number system. */
static inline gla_model tiny_model(int which, gla_numbers *n) {
    gla_model m;
    gla_error err;
    gla_model_config c = tiny_config(which);
    ck_assert_msg(gla_model_new(&c, n, &m, &err) == GLA_OK, "%s", err.what);
    for (size_t i = 0; i < m.tensors; i++) {
        gla_matrix x = m.tensor[i].at;
        for (size_t r = 0; r < x.rows; r++)
            for (size_t s = 0; s < x.cols; s++)
                n->ops->set_d(n, gla_at(x, r, s), tiny_weight(&m.tensor[i], i, r * x.cols + s, test_seed()));
    }
    return m;
}

static inline void tiny_text(int64_t id[TINY_TOKENS]) {
    for (int t = 0; t < TINY_TOKENS; t++) id[t] = gla_draw_below((gla_draw){test_seed(), 99, (uint64_t)t}, 5);
}

#endif
