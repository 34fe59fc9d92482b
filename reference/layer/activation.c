/* SPDX-License-Identifier: Apache-2.0
 *
 * Elementwise activations:
 *     sigmoid      1 / (1 + e^-x)
 *     swish        x / (1 + e^-x)                      (silu)
 *     relu         max(x, 0)
 *     log sigmoid  min(x, 0) - ln(1 + e^-|x|)          no overflow, no cancellation
 * with s = sigmoid(x) the derivatives are s s', s + x s s', [x > 0] and s', where s' = sigmoid(-x) = 1 - s without
 * cancellation.
 *
 * Hazards: e^-x overflows to infinity for large negative x in narrow ranges; the quotients are then 0, as they should
 * be to the range's smallest number.
 */
#include <string.h>

#include "maps.h"

/* d_ij = 1 + e^-x_ij, as matrix of its own. */
static gla_matrix one_plus_exp_of_minus(gla_matrix x) {
    gla_numbers *n = x.in;
    gla_matrix d = gla_new(n, x.rows, x.cols), one = layer_number(n, 1);
    gla_neg(d, x);
    gla_exp(d, d);
    for (size_t i = 0; i < x.rows && n->status == GLA_OK; i++)
        for (size_t j = 0; j < x.cols; j++) n->ops->add(n, gla_at(d, i, j), one.at, gla_at(d, i, j));
    return d;
}

/* y_ij = x_ij / d_ij, or 1 / d_ij. */
static void divide_each(gla_matrix y, gla_matrix x, gla_matrix d) {
    gla_numbers *n = y.in;
    for (size_t i = 0; i < y.rows && n->status == GLA_OK; i++)
        for (size_t j = 0; j < y.cols; j++) n->ops->div(n, gla_at(y, i, j), gla_at(x, i, j), gla_at(d, i, j));
}

static gla_matrix everywhere(gla_matrix number, gla_matrix like) {
    return (gla_matrix){number.in, number.at, like.rows, like.cols, 0, 0};
}

void layer_sigmoid(gla_matrix y, gla_matrix x) {
    size_t mark = gla_mark(y.in);
    divide_each(y, everywhere(layer_number(y.in, 1), y), one_plus_exp_of_minus(x));
    gla_release(y.in, mark);
}

void layer_swish(gla_matrix y, gla_matrix x) {
    size_t mark = gla_mark(y.in);
    divide_each(y, x, one_plus_exp_of_minus(x));
    gla_release(y.in, mark);
}

void layer_relu(gla_matrix y, gla_matrix x) {
    size_t mark = gla_mark(y.in);
    gla_max(y, x, everywhere(layer_number(y.in, 0), y));
    gla_release(y.in, mark);
}

void layer_log_sigmoid(gla_matrix y, gla_matrix x) {
    gla_numbers *n = y.in;
    size_t mark = gla_mark(n);
    gla_matrix low = gla_new(n, x.rows, x.cols), tail = gla_new(n, x.rows, x.cols);
    gla_neg(low, x);
    gla_max(tail, x, low); /* |x| */
    gla_neg(tail, tail);
    gla_exp(tail, tail);
    gla_log1p(tail, tail);
    gla_max(low, low, everywhere(layer_number(n, 0), x));
    gla_add(low, low, tail);
    gla_neg(y, low);
    gla_release(n, mark);
}

void layer_swish_gate(gla_matrix y, gla_matrix a, gla_matrix b) {
    layer_swish(y, a);
    gla_mul(y, y, b);
}

layer_activation *layer_activation_named(const char *name) {
    static const struct {
        const char *name;
        layer_activation *run;
    } known[] = {{"swish", layer_swish}, {"silu", layer_swish}, {"relu", layer_relu}, {"sigmoid", layer_sigmoid}};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (strcmp(known[i].name, name) == 0) return known[i].run;
    return NULL;
}

/* ---- backward ---- */

/* s = sigmoid(x) and s' = sigmoid(-x). */
static void both_sigmoids(gla_matrix s, gla_matrix rest, gla_matrix x) {
    gla_neg(rest, x);
    layer_sigmoid(rest, rest);
    layer_sigmoid(s, x);
}

void layer_sigmoid_back(gla_matrix dx, gla_matrix dy, gla_matrix x) {
    size_t mark = gla_mark(dx.in);
    gla_matrix s = gla_new(dx.in, x.rows, x.cols);
    both_sigmoids(s, dx, x);
    gla_mul(dx, dx, s);
    gla_mul(dx, dx, dy);
    gla_release(dx.in, mark);
}

void layer_swish_back(gla_matrix dx, gla_matrix dy, gla_matrix x) {
    size_t mark = gla_mark(dx.in);
    gla_matrix s = gla_new(dx.in, x.rows, x.cols), slope = gla_new(dx.in, x.rows, x.cols);
    both_sigmoids(s, dx, x);
    gla_mul(dx, dx, x);
    gla_copy(slope, s);
    gla_mul_add(slope, dx, s);
    gla_mul(dx, slope, dy);
    gla_release(dx.in, mark);
}

void layer_relu_back(gla_matrix dx, gla_matrix dy, gla_matrix x) {
    size_t mark = gla_mark(dx.in);
    gla_above(dx, x, everywhere(layer_number(dx.in, 0), x));
    gla_mul(dx, dx, dy);
    gla_release(dx.in, mark);
}

void layer_log_sigmoid_back(gla_matrix dx, gla_matrix dy, gla_matrix x) {
    gla_neg(dx, x);
    layer_sigmoid(dx, dx);
    gla_mul(dx, dx, dy);
}

void layer_swish_gate_back(gla_matrix da, gla_matrix db, gla_matrix dy, gla_matrix a, gla_matrix b) {
    gla_mul(db, dy, b);
    layer_swish_back(da, db, a);
    layer_swish(db, a);
    gla_mul(db, db, dy);
}

layer_activation_gradient *layer_back_of(layer_activation *activation) {
    return activation == layer_swish  ? layer_swish_back
           : activation == layer_relu ? layer_relu_back
                                      : layer_sigmoid_back;
}
