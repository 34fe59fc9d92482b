/* SPDX-License-Identifier: Apache-2.0
 *
 * Elementwise maps of logits and activations, in any number system. y may be x.
 *     sigmoid      e^min(x,0) / (1 + e^-|x|)           = 1 / (1 + e^-x)
 *     swish        x e^min(x,0) / (1 + e^-|x|)         (silu)
 *     relu         max(x, 0)
 *     log sigmoid  min(x, 0) - ln(1 + e^-|x|)
 *     softplus     max(x, 0) + ln(1 + e^-|x|)          = -log sigmoid(-x)
 * and NAME_back: dx from dy and the forward's x; dx is neither. With s = sigmoid(x) the derivatives are s s',
 * s + x s s', [x > 0], s' and s, where s' = sigmoid(-x) = 1 - s. Nothing overflows or cancels.
 *
 * Infinite logits: sigmoid, log sigmoid and softplus take them; swish(-inf) is not a number.
 * Precision: one rounding per operation of the system, as written. |x| is max(-x, x): where both are equal, a dual
 * keeps the first one's derivative, and that of max(-x, 0) beside it; together they are right at 0 too.
 */
#ifndef GLASSBOX_ACTIVATION_H
#define GLASSBOX_ACTIVATION_H

#include "verbs.h"

void act_sigmoid(gla_matrix y, gla_matrix x);
void act_swish(gla_matrix y, gla_matrix x);
void act_relu(gla_matrix y, gla_matrix x);
void act_log_sigmoid(gla_matrix y, gla_matrix x);
void act_softplus(gla_matrix y, gla_matrix x);

void act_sigmoid_back(gla_matrix dx, gla_matrix dy, gla_matrix x);
void act_swish_back(gla_matrix dx, gla_matrix dy, gla_matrix x);
void act_relu_back(gla_matrix dx, gla_matrix dy, gla_matrix x); /* 0 at 0 */
void act_log_sigmoid_back(gla_matrix dx, gla_matrix dy, gla_matrix x);
void act_softplus_back(gla_matrix dx, gla_matrix dy, gla_matrix x);

/* One number x, rounded into the system of `like`, in every place of like's shape; lives until the mark is released. */
gla_matrix act_constant(double x, gla_matrix like);

#endif
