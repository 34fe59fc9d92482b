/* SPDX-License-Identifier: Apache-2.0
 *
 * Rotary positions; equations in rotation.h.
 */
#include "rotation.h"

/* theta [1,D/2] = e^(-share_j ln 10000). */
static gla_matrix frequencies(gla_numbers *n, gla_rotation kind, size_t pairs) {
    gla_matrix theta = gla_new(n, 1, pairs), base = gla_new(n, 1, 1), whole = gla_new(n, 1, 1);
    size_t steps = kind == GLA_ROTATED_HALVES ? pairs : pairs > 1 ? pairs - 1 : 1;
    gla_fill(base, 9999);
    gla_log1p(base, base);
    gla_fill(whole, -(double)steps);
    for (size_t j = 0; j < pairs; j++) gla_fill(gla_column(theta, j), (double)j);
    gla_divide(theta, theta, whole);
    gla_scale(theta, theta, base);
    gla_exp(theta, theta);
    return theta;
}

/* (x_a, x_b) of one token by its angles [1,pairs]. */
static void turn(gla_matrix a, gla_matrix b, gla_matrix cosine, gla_matrix sine) {
    size_t mark = gla_mark(a.in);
    gla_matrix minus = gla_new(a.in, 1, a.cols), turned = gla_new(a.in, 1, a.cols);
    gla_neg(minus, b);
    gla_mul(turned, a, cosine);
    gla_mul_add(turned, minus, sine);
    gla_mul(b, b, cosine);
    gla_mul_add(b, a, sine);
    gla_copy(a, turned);
    gla_release(a.in, mark);
}

/* Every second column of x. */
static gla_matrix every_second(gla_matrix x, size_t first) {
    gla_matrix half = gla_columns(x, first, x.cols / 2);
    half.col *= 2;
    return half;
}

static void rotate(gla_matrix x, gla_rotation kind, double first, bool back) {
    if (kind == GLA_NOT_ROTATED || x.rows == 0) return;
    gla_numbers *n = x.in;
    size_t mark = gla_mark(n), pairs = x.cols / 2;
    gla_matrix theta = frequencies(n, kind, pairs), position = gla_new(n, 1, 1);
    gla_matrix angle = gla_new(n, 1, pairs), sine = gla_new(n, 1, pairs), cosine = gla_new(n, 1, pairs);
    for (size_t t = 0; t < x.rows; t++) {
        gla_matrix row = gla_row(x, t);
        gla_fill(position, first + (double)t);
        gla_scale(angle, theta, position);
        gla_sin(sine, angle);
        gla_cos(cosine, angle);
        if (back) gla_neg(sine, sine);
        if (kind == GLA_ROTATED_HALVES)
            turn(gla_columns(row, 0, pairs), gla_columns(row, pairs, pairs), cosine, sine);
        else
            turn(every_second(row, 0), every_second(row, 1), cosine, sine);
    }
    gla_release(n, mark);
}

void gla_rotate(gla_matrix x, gla_rotation kind, double first) { rotate(x, kind, first, false); }

void gla_rotate_back(gla_matrix x, gla_rotation kind, double first) { rotate(x, kind, first, true); }
