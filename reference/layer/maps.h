/* SPDX-License-Identifier: Apache-2.0
 *
 * The maps around a gated core: what a layer of a GLA language model is made of, in any number system. Rows are tokens;
 * y may be x unless a line says otherwise; [1,1] numbers are made with gla_number.
 *
 * Backward: NAME_back forms the gradients of the loss from dy, given the forward's inputs. A gradient of an input is
 * set unless a line says added; a gradient of a weight is always added to, since a weight may be used more than once.
 * No gradient may be dy or an input.
 *
 * Precision: one rounding per operation of the system, in the order that the file of the map gives.
 */
#ifndef GLASSBOX_LAYER_MAPS_H
#define GLASSBOX_LAYER_MAPS_H

#include "../activation.h"

/* linear.c: y [T,m] = x [T,n] W^T + b, W [m,n], b [1,m] or absent; y is not x. */
void layer_linear(gla_matrix y, gla_matrix x, gla_matrix W, gla_matrix b);
/* dx added; db absent if there is no b. */
void layer_linear_back(gla_matrix dx, gla_matrix dW, gla_matrix db, gla_matrix dy, gla_matrix x, gla_matrix W);

/* activation.c. */
typedef void layer_activation(gla_matrix y, gla_matrix x);
/* y = swish(a) * b, the gated product of SwiGLU and of the output gate; y is not b. */
void layer_swish_gate(gla_matrix y, gla_matrix a, gla_matrix b);
void layer_swish_gate_back(gla_matrix da, gla_matrix db, gla_matrix dy, gla_matrix a, gla_matrix b);
/* The activation of that name ("swish", "silu", "relu", "sigmoid"), or NULL. */
layer_activation *layer_activation_named(const char *name);
typedef void layer_activation_gradient(gla_matrix dx, gla_matrix dy, gla_matrix x);
layer_activation_gradient *layer_back_of(layer_activation *activation);

/* norm.c: over each row of n numbers; w, b [1,n] or absent, eps [1,1]. */
void layer_rms_norm(gla_matrix y, gla_matrix x, gla_matrix w, gla_matrix eps); /* x / sqrt(mean x^2 + eps) * w */
void layer_mean_norm(gla_matrix y, gla_matrix x, gla_matrix w, gla_matrix b, gla_matrix eps); /* LayerNorm */
void layer_l2_norm(gla_matrix y, gla_matrix x, gla_matrix eps); /* x / sqrt(sum x^2 + eps) */

void layer_rms_norm_back(gla_matrix dx, gla_matrix dw, gla_matrix dy, gla_matrix x, gla_matrix w, gla_matrix eps);
void layer_mean_norm_back(gla_matrix dx, gla_matrix dw, gla_matrix db, gla_matrix dy, gla_matrix x, gla_matrix w,
                          gla_matrix eps);
void layer_l2_norm_back(gla_matrix dx, gla_matrix dy, gla_matrix x, gla_matrix eps);

/* convolution.c: depthwise and causal, y_t = sum_j w_j x_{t-W+1+j} + b, w [D,W], b [1,D] or absent. `before` [W-1,D]
 * holds the inputs before row 0 and leaves as those before the row after the last. */
void layer_convolution(gla_matrix y, gla_matrix x, gla_matrix w, gla_matrix b, gla_matrix before);

/* From the start of a text: `before` was 0. */
void layer_convolution_back(gla_matrix dx, gla_matrix dw, gla_matrix db, gla_matrix dy, gla_matrix x, gla_matrix w);

/* loss.c: z [1,1] = mean over rows of -ln softmax(logits_t)[target_t], targets within the row. */
void layer_cross_entropy(gla_matrix z, gla_matrix logits, const int64_t *target);
void layer_cross_entropy_back(gla_matrix dlogits, gla_matrix logits, const int64_t *target);

#endif
