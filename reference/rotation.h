/* SPDX-License-Identifier: Apache-2.0
 *
 * Rotary positions: channel pairs of a token at position n turned by n theta_j.
 *
 *     (x_a, x_b) -> (x_a cos(n theta_j) - x_b sin(n theta_j), x_a sin(n theta_j) + x_b cos(n theta_j))
 *     interleaved   (a,b) = (2j, 2j+1)     theta_j = 10000^(-j / (D/2 - 1)): RetNet's own code
 *     halves        (a,b) = (j, j + D/2)   theta_j = 10000^(-2j / D): the usual rotary embedding
 *
 * j = 0 .. D/2 - 1; D even. x.y of two tokens turned so depends on the difference of their positions alone. Back: the
 * same by -n theta_j. Angles and their sines are made in the number system at hand.
 * Precision: an angle is one product, so its error grows with n: |n theta_j| u.
 */
#ifndef GLASSBOX_ROTATION_H
#define GLASSBOX_ROTATION_H

#include "verbs.h"

typedef enum gla_rotation { GLA_NOT_ROTATED, GLA_ROTATED_INTERLEAVED, GLA_ROTATED_HALVES } gla_rotation;

/* x [T,D] in place, its first token at position `first`. */
void gla_rotate(gla_matrix x, gla_rotation kind, double first);
void gla_rotate_back(gla_matrix x, gla_rotation kind, double first);

#endif
