/* SPDX-License-Identifier: Apache-2.0
 *
 * Short convolution over time, each channel by itself and causal:
 *     y_t = sum_{j=0}^{W-1} w_j * x_{t-W+1+j} + b         (w_{W-1} meets x_t)
 *     dx_i = sum_j w_j * dy_{i+W-1-j} ;  dw_j = sum_t dy_t * x_{t-W+1+j} ;  db = sum_t dy_t
 *
 * Shapes: x, y [T,D]; w [D,W]; b [1,D] or absent; before [W-1,D], the last inputs seen, 0 at the start of a text.
 * Precision: fma, ascending in j from 0 (from b).
 */
#include "maps.h"

void layer_convolution(gla_matrix y, gla_matrix x, gla_matrix w, gla_matrix b, gla_matrix before) {
    gla_numbers *n = y.in;
    size_t mark = gla_mark(n), W = w.cols, T = x.rows;
    gla_matrix seen = gla_new(n, W - 1 + T, x.cols), taps = gla_transposed(w); /* taps [W,D] */
    gla_copy(gla_rows(seen, 0, W - 1), before);
    gla_copy(gla_rows(seen, W - 1, T), x);
    for (size_t t = 0; t < T; t++) {
        gla_matrix yt = gla_row(y, t);
        if (gla_absent(b))
            gla_zero(yt);
        else
            gla_copy(yt, b);
        for (size_t j = 0; j < W; j++) gla_mul_add(yt, gla_row(taps, j), gla_row(seen, t + j));
    }
    gla_copy(before, gla_rows(seen, T, W - 1));
    gla_release(n, mark);
}

void layer_convolution_back(gla_matrix dx, gla_matrix dw, gla_matrix db, gla_matrix dy, gla_matrix x, gla_matrix w) {
    gla_matrix taps = gla_transposed(w), dtaps = gla_transposed(dw);
    gla_zero(dx);
    for (size_t t = 0; t < x.rows; t++) {
        for (size_t j = 0; j < w.cols; j++) {
            size_t back = w.cols - 1 - j;
            if (back > t) continue;
            gla_mul_add(gla_row(dx, t - back), gla_row(taps, j), gla_row(dy, t));
            gla_mul_add(gla_row(dtaps, j), gla_row(dy, t), gla_row(x, t - back));
        }
        if (!gla_absent(db)) gla_add(db, db, gla_row(dy, t));
    }
}
