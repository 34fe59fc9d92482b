/* SPDX-License-Identifier: Apache-2.0
 *
 * Normalisation of rows (spec 14.3):
 *     RMSNorm    y = x / sqrt(mean x^2 + eps) * w
 *     LayerNorm  y = (x - mean x) / sqrt(mean (x - mean x)^2 + eps) * w + b
 *     l2         y = x / sqrt(sum x^2 + eps)
 * and backward, with x^ = x / root and u = dy * w:
 *     RMSNorm    dx = (u - x^ mean(x^ * u)) / root ;  dw = sum_t dy_t * x^_t
 *     LayerNorm  dx = (u - mean u - x^ mean(x^ * u)) / root ;  dw the same ;  db = sum_t dy_t
 *     l2         dx = (dy - x^ sum(x^ * dy)) / root
 *
 * Shapes: x, y [T,n]; w, b [1,n] or absent; eps [1,1].
 * Precision: the squares are added up ascending from 0 by fma; mean, + eps, square root and the quotient round once
 * each. Public kernels multiply by a rounded reciprocal square root instead: one rounding more.
 * Hazard: where all of x is 0 and eps is 0, 0/0 is NaN.
 */
#include "maps.h"

/* sqrt(sum x^2 / count + eps); count absent: the sum itself. */
static void root_of_squares(gla_matrix root, gla_matrix x, gla_matrix count, gla_matrix eps) {
    gla_zero(root);
    gla_row_dot(root, x, x);
    if (!gla_absent(count)) gla_divide(root, root, count);
    gla_add(root, root, eps);
    gla_sqrt(root, root);
}

void layer_rms_norm(gla_matrix y, gla_matrix x, gla_matrix w, gla_matrix eps) {
    gla_numbers *n = y.in;
    size_t mark = gla_mark(n);
    gla_matrix root = gla_new(n, 1, 1), count = gla_number(n, (double)x.cols);
    for (size_t t = 0; t < x.rows && n->status == GLA_OK; t++) {
        gla_matrix yt = gla_row(y, t);
        root_of_squares(root, gla_row(x, t), count, eps);
        gla_divide(yt, gla_row(x, t), root);
        if (!gla_absent(w)) gla_mul(yt, yt, w);
    }
    gla_release(n, mark);
}

/* y = x - mean of x, for one row. */
static void centre(gla_matrix y, gla_matrix x, gla_matrix mean, gla_matrix count) {
    gla_numbers *n = y.in;
    gla_zero(mean);
    for (size_t i = 0; i < x.cols; i++) n->ops->add(n, mean.at, mean.at, gla_at(x, 0, i));
    gla_divide(mean, mean, count);
    for (size_t i = 0; i < x.cols; i++) n->ops->sub(n, gla_at(y, 0, i), gla_at(x, 0, i), mean.at);
}

void layer_mean_norm(gla_matrix y, gla_matrix x, gla_matrix w, gla_matrix b, gla_matrix eps) {
    gla_numbers *n = y.in;
    size_t mark = gla_mark(n);
    gla_matrix root = gla_new(n, 1, 1), mean = gla_new(n, 1, 1), count = gla_number(n, (double)x.cols);
    for (size_t t = 0; t < x.rows && n->status == GLA_OK; t++) {
        gla_matrix yt = gla_row(y, t);
        centre(yt, gla_row(x, t), mean, count);
        root_of_squares(root, yt, count, eps);
        gla_divide(yt, yt, root);
        if (!gla_absent(w)) gla_mul(yt, yt, w);
        if (!gla_absent(b)) gla_add(yt, yt, b);
    }
    gla_release(n, mark);
}

void layer_l2_norm(gla_matrix y, gla_matrix x, gla_matrix eps) {
    gla_numbers *n = y.in;
    size_t mark = gla_mark(n);
    gla_matrix root = gla_new(n, 1, 1);
    for (size_t t = 0; t < x.rows && n->status == GLA_OK; t++) {
        root_of_squares(root, gla_row(x, t), (gla_matrix){0}, eps);
        gla_divide(gla_row(y, t), gla_row(x, t), root);
    }
    gla_release(n, mark);
}

/* ---- backward ---- */

/* What one row needs; hat and u [1,n], the others [1,1]; count absent for l2. */
typedef struct row_parts {
    gla_matrix hat, u, root, mean, count, eps;
} row_parts;

static row_parts new_parts(gla_numbers *n, size_t cols, bool l2, gla_matrix eps) {
    row_parts p = {gla_new(n, 1, cols), gla_new(n, 1, cols), gla_new(n, 1, 1), gla_new(n, 1, 1), {0}, eps};
    if (!l2) p.count = gla_number(n, (double)cols);
    return p;
}

/* x^ of a row (centred already, for LayerNorm) and u = dy w; dw gets its share. */
static void start_row(row_parts p, gla_matrix dw, gla_matrix dy, gla_matrix x, gla_matrix w) {
    root_of_squares(p.root, x, p.count, p.eps);
    gla_divide(p.hat, x, p.root);
    gla_copy(p.u, dy);
    if (gla_absent(w)) return;
    gla_mul(p.u, dy, w);
    gla_mul_add(dw, dy, p.hat);
}

/* dx = (u - x^ mean(x^ u)) / root; hat is used up. */
static void end_row(gla_matrix dx, row_parts p) {
    gla_zero(p.mean);
    gla_row_dot(p.mean, p.hat, p.u);
    if (!gla_absent(p.count)) gla_divide(p.mean, p.mean, p.count);
    gla_scale(p.hat, p.hat, p.mean);
    gla_sub(dx, p.u, p.hat);
    gla_divide(dx, dx, p.root);
}

void layer_rms_norm_back(gla_matrix dx, gla_matrix dw, gla_matrix dy, gla_matrix x, gla_matrix w, gla_matrix eps) {
    size_t mark = gla_mark(dx.in);
    row_parts p = new_parts(dx.in, x.cols, false, eps);
    for (size_t t = 0; t < x.rows && dx.in->status == GLA_OK; t++) {
        start_row(p, dw, gla_row(dy, t), gla_row(x, t), w);
        end_row(gla_row(dx, t), p);
    }
    gla_release(dx.in, mark);
}

void layer_l2_norm_back(gla_matrix dx, gla_matrix dy, gla_matrix x, gla_matrix eps) {
    size_t mark = gla_mark(dx.in);
    row_parts p = new_parts(dx.in, x.cols, true, eps);
    for (size_t t = 0; t < x.rows && dx.in->status == GLA_OK; t++) {
        start_row(p, (gla_matrix){0}, gla_row(dy, t), gla_row(x, t), (gla_matrix){0});
        end_row(gla_row(dx, t), p);
    }
    gla_release(dx.in, mark);
}

void layer_mean_norm_back(gla_matrix dx, gla_matrix dw, gla_matrix db, gla_matrix dy, gla_matrix x, gla_matrix w,
                          gla_matrix eps) {
    size_t mark = gla_mark(dx.in);
    row_parts p = new_parts(dx.in, x.cols, false, eps);
    gla_matrix centred = gla_new(dx.in, 1, x.cols);
    for (size_t t = 0; t < x.rows && dx.in->status == GLA_OK; t++) {
        centre(centred, gla_row(x, t), p.mean, p.count);
        start_row(p, dw, gla_row(dy, t), centred, w);
        centre(p.u, p.u, p.mean, p.count); /* x^ has mean 0: its part does not see it */
        end_row(gla_row(dx, t), p);
        if (!gla_absent(db)) gla_add(db, db, gla_row(dy, t));
    }
    gla_release(dx.in, mark);
}
