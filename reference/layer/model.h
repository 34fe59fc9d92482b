/* SPDX-License-Identifier: Apache-2.0
 *
 * A GLA language model, as the public fla checkpoints have it, forward and backward in any number system:
 *     x = E[id]                                            embedding, [V,D]
 *     each block: x = x + gla_layer(rmsnorm(x))
 *                 x = x + (swish(u Wgate^T) * (u Wup^T)) Wdown^T, u = rmsnorm(x)            (SwiGLU)
 *     logits = rmsnorm(x) Whead^T                          Whead [V,D]; may be E itself
 *
 *     gla_model model; gla_model_new(&config, numbers, &model, &err);      zeros: fill model.tensor[] by name
 *     gla_model_state state; gla_model_start(&model, &state);
 *     gla_model_read(&model, &core, ids, T, &state, x, NULL);              x [T,D] behind the last norm
 *     gla_model_head(&model, logits, x);                                   of all its rows, or only the last
 * Reading in pieces, token by token even, gives what reading at once gives: the state carries everything.
 *
 * The model lives in its number system's memory and ends with it; gla_model_free frees the lists. Precision: maps.h.
 */
#ifndef GLASSBOX_MODEL_H
#define GLASSBOX_MODEL_H

#include "gla_layer.h"

/* Sizes and constants as a checkpoint's config.json has them. */
typedef struct gla_model_config {
    int64_t vocabulary, hidden, layers, heads, key_heads, intermediate;
    int64_t key_width, value_width; /* of all heads: H dk, H dv */
    int64_t rank, window;           /* of the gate; of the short convolutions, 0: none */
    bool window_bias, output_gate, affine, tied;
    bool fused_norm; /* the name of the output norm's weight: g_norm_swish_gate, else g_norm */
    double eps, tau;
    bool has_least;
    double least;
    layer_activation *feature; /* NULL: none */
} gla_model_config;

/* A weight under its public name, with the shape it has there. */
typedef struct gla_model_tensor {
    char name[96];
    int rank;
    int64_t shape[3];
    gla_matrix at; /* the same numbers in row-major order */
} gla_model_tensor;

typedef struct gla_model_block {
    gla_layer attention;
    gla_matrix attention_norm, mlp_norm;
    gla_matrix gate, up, down;
} gla_model_block;

typedef struct gla_model {
    gla_numbers *in;
    gla_model_config config;
    gla_layer_sizes size;
    gla_matrix embedding, norm, head, eps;
    gla_model_block *block; /* [layers] */
    gla_model_tensor *tensor;
    size_t tensors;
} gla_model;

typedef struct gla_model_state {
    gla_layer_state *layer; /* [layers] */
} gla_model_state;

/* model_tensors.c. All weights 0. Errors: GLA_BAD_SHAPE (sizes that do not divide), GLA_NO_MEMORY. */
gla_status gla_model_new(const gla_model_config *config, gla_numbers *numbers, gla_model *out, gla_error *err);
void gla_model_free(gla_model *model);

/* model.c. Failures of the number system are in model->in->status. */
gla_status gla_model_start(const gla_model *model, gla_model_state *state); /* before the first token */
void gla_model_state_free(gla_model_state *state);

/* x [T,D] from T identifiers below config.vocabulary. kept [layers]: each block's signals for T rows, or NULL. */
void gla_model_read(const gla_model *model, const gla_layer_core *core, const int64_t *id, size_t T,
                    gla_model_state *state, gla_matrix x, const gla_layer_signals *kept);
void gla_model_head(const gla_model *model, gla_matrix logits, gla_matrix x); /* logits [rows of x,V] */

/* model_back.c: the loss of predicting target[t] from id[0..t], from the start of a text, and its gradient with respect
 * to every weight, added to the weights of `d`: another model of the same config and number system (its tensor[] has
 * them under their names). core->form->backward is set. u, du [layers]: each block's signals and their gradients. */
void gla_model_back(const gla_model *model, const gla_layer_core *core, const int64_t *id, const int64_t *target,
                    size_t T, gla_matrix loss, const gla_layer_signals *u, const gla_layer_signals *du, gla_model *d);

#endif
