/* SPDX-License-Identifier: Apache-2.0
 *
 * What the model's forward and backward share (model.h); not for others.
 */
#ifndef GLASSBOX_MODEL_PARTS_H
#define GLASSBOX_MODEL_PARTS_H

#include "model.h"

/* y = (swish(u Wgate^T) * (u Wup^T)) Wdown^T, u = rmsnorm(x); the parts are made anew and left to the caller's mark. */
typedef struct model_mlp {
    gla_matrix u, gate, up, product;
} model_mlp;
model_mlp model_mlp_forward(gla_matrix y, gla_matrix x, const gla_model *m, const gla_model_block *b);

/* One block, x in place; `amid`, if there, becomes x between the two halves. */
void model_block_forward(const gla_model *m, const gla_model_block *b, const gla_layer_core *core,
                         const gla_layer_state *state, const gla_layer_signals *signals, gla_matrix x, gla_matrix amid);

#endif
