/* SPDX-License-Identifier: Apache-2.0
 *
 * Linear projection, y = x W^T + b: weights [out,in] as public checkpoints store them.
 *     dx = dy W ;  dW = dy^T x ;  db = sum_t dy_t
 *
 * Shapes: x [T,in], W [out,in], b [1,out] or absent, y [T,out].
 * Precision: a dot product ascending in `in`, from 0, then b is added. In systems whose products round their operands
 * (mixed:tf32, sm_90:bf16) x and W are rounded, b is not.
 */
#include "maps.h"

void layer_linear(gla_matrix y, gla_matrix x, gla_matrix W, gla_matrix b) {
    gla_zero(y);
    gla_product(y, x, gla_transposed(W));
    for (size_t t = 0; t < y.rows && !gla_absent(b); t++) gla_add(gla_row(y, t), gla_row(y, t), b);
}

void layer_linear_back(gla_matrix dx, gla_matrix dW, gla_matrix db, gla_matrix dy, gla_matrix x, gla_matrix W) {
    gla_product(dx, dy, W);
    gla_product(dW, gla_transposed(dy), x);
    for (size_t t = 0; t < dy.rows && !gla_absent(db); t++) gla_add(db, db, gla_row(dy, t));
}
