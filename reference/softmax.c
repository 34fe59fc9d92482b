/* SPDX-License-Identifier: Apache-2.0
 *
 * Softmax over rows; contract in softmax.h.
 */
#include "softmax.h"

size_t gla_place_of_largest(gla_matrix row) {
    gla_numbers *n = row.in;
    size_t a = 0;
    for (size_t j = 1; n->status == GLA_OK && j < row.cols; j++)
        if (n->ops->get_d(n, gla_at(row, 0, j)) > n->ops->get_d(n, gla_at(row, 0, a))) a = j;
    return a;
}

static void softmax_row(gla_matrix p, gla_matrix a, gla_matrix sum) {
    gla_sub(p, a, gla_spread(gla_column(a, gla_place_of_largest(a)), 1, a.cols));
    gla_round_at(p, GLA_SITE_LOGIT);
    gla_exp(p, p);
    gla_zero(sum);
    for (size_t j = 0; j < p.cols; j++) gla_add(sum, sum, gla_column(p, j));
    gla_divide(p, p, sum);
}

void gla_softmax(gla_matrix p, gla_matrix a) {
    size_t mark = gla_mark(p.in);
    gla_matrix sum = gla_new(p.in, 1, 1);
    for (size_t i = 0; i < a.rows; i++) softmax_row(gla_row(p, i), gla_row(a, i), sum);
    gla_release(p.in, mark);
}

void gla_softmax_back(gla_matrix da, gla_matrix dp, gla_matrix p) {
    size_t mark = gla_mark(da.in);
    gla_matrix mean = gla_new(da.in, 1, p.rows);
    gla_row_dot(mean, p, dp);
    for (size_t i = 0; i < p.rows; i++)
        gla_sub(gla_row(da, i), gla_row(dp, i), gla_spread(gla_column(mean, i), 1, p.cols));
    gla_mul(da, p, da);
    gla_release(da.in, mark);
}
