/* SPDX-License-Identifier: Apache-2.0
 *
 * Elementwise maps; equations and order of operations in activation.h.
 */
#include "activation.h"

gla_matrix act_constant(double x, gla_matrix like) { return gla_spread(gla_number(like.in, x), like.rows, like.cols); }

/* near = e^min(x,0) and all = 1 + e^-|x|, as matrices of their own: sigmoid is their quotient. */
static void two_sides(gla_matrix *near, gla_matrix *all, gla_matrix x) {
    *near = gla_new(x.in, x.rows, x.cols);
    *all = gla_new(x.in, x.rows, x.cols);
    gla_neg(*near, x);
    gla_max(*all, *near, x); /* |x| */
    gla_max(*near, *near, act_constant(0, x));
    gla_neg(*near, *near);
    gla_exp(*near, *near);
    gla_neg(*all, *all);
    gla_exp(*all, *all);
    gla_add(*all, act_constant(1, x), *all);
}

void act_sigmoid(gla_matrix y, gla_matrix x) {
    size_t mark = gla_mark(y.in);
    gla_matrix near, all;
    two_sides(&near, &all, x);
    gla_quotient(y, near, all);
    gla_release(y.in, mark);
}

void act_swish(gla_matrix y, gla_matrix x) {
    size_t mark = gla_mark(y.in);
    gla_matrix near, all;
    two_sides(&near, &all, x);
    gla_mul(near, x, near);
    gla_quotient(y, near, all);
    gla_release(y.in, mark);
}

void act_relu(gla_matrix y, gla_matrix x) {
    size_t mark = gla_mark(y.in);
    gla_max(y, x, act_constant(0, y));
    gla_release(y.in, mark);
}

/* y = softplus(-x). */
static void softplus_of_minus(gla_matrix y, gla_matrix x) {
    gla_numbers *n = y.in;
    size_t mark = gla_mark(n);
    gla_matrix minus = gla_new(n, x.rows, x.cols), tail = gla_new(n, x.rows, x.cols);
    gla_neg(minus, x);
    gla_max(tail, minus, x); /* |x| */
    gla_neg(tail, tail);
    gla_exp(tail, tail);
    gla_log1p(tail, tail);
    gla_max(minus, minus, act_constant(0, x));
    gla_add(y, minus, tail);
    gla_release(n, mark);
}

void act_log_sigmoid(gla_matrix y, gla_matrix x) {
    softplus_of_minus(y, x);
    gla_neg(y, y);
}

void act_softplus(gla_matrix y, gla_matrix x) {
    size_t mark = gla_mark(y.in);
    gla_matrix minus = gla_new(y.in, x.rows, x.cols);
    gla_neg(minus, x);
    softplus_of_minus(y, minus);
    gla_release(y.in, mark);
}

/* ---- backward ---- */

/* s = sigmoid(x) and s' = sigmoid(-x). */
static void both_sigmoids(gla_matrix s, gla_matrix rest, gla_matrix x) {
    gla_neg(rest, x);
    act_sigmoid(rest, rest);
    act_sigmoid(s, x);
}

void act_sigmoid_back(gla_matrix dx, gla_matrix dy, gla_matrix x) {
    size_t mark = gla_mark(dx.in);
    gla_matrix s = gla_new(dx.in, x.rows, x.cols);
    both_sigmoids(s, dx, x);
    gla_mul(dx, dx, s);
    gla_mul(dx, dx, dy);
    gla_release(dx.in, mark);
}

void act_swish_back(gla_matrix dx, gla_matrix dy, gla_matrix x) {
    size_t mark = gla_mark(dx.in);
    gla_matrix s = gla_new(dx.in, x.rows, x.cols), slope = gla_new(dx.in, x.rows, x.cols);
    both_sigmoids(s, dx, x);
    gla_mul(dx, dx, x);
    gla_copy(slope, s);
    gla_mul_add(slope, dx, s);
    gla_mul(dx, slope, dy);
    gla_release(dx.in, mark);
}

void act_relu_back(gla_matrix dx, gla_matrix dy, gla_matrix x) {
    size_t mark = gla_mark(dx.in);
    gla_above(dx, x, act_constant(0, x));
    gla_mul(dx, dx, dy);
    gla_release(dx.in, mark);
}

void act_log_sigmoid_back(gla_matrix dx, gla_matrix dy, gla_matrix x) {
    gla_neg(dx, x);
    act_sigmoid(dx, dx);
    gla_mul(dx, dx, dy);
}

void act_softplus_back(gla_matrix dx, gla_matrix dy, gla_matrix x) {
    act_sigmoid(dx, x);
    gla_mul(dx, dx, dy);
}
