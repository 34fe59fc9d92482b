/* SPDX-License-Identifier: Apache-2.0
 *
 * Cross entropy of a language model: with m the largest logit of a row, at place a,
 *     -ln softmax(z)_i = m - z_i + ln(1 + sum_{j != a} e^(z_j - m))
 * and the loss is the mean over rows; dz_i = (softmax(z)_i - [i = target]) / T. The sum holds no 1, so nothing is lost
 * where the model is sure.
 *
 * Shapes: logits [T,V], target [T], z [1,1].
 * Which logit is the largest is asked of its nearest binary64: any other place gives the same value.
 */
#include "../softmax.h"
#include "maps.h"

/* z += -ln softmax(row)[target]; e and sum [1,1] are scratch. */
static void add_entropy(gla_matrix z, gla_matrix row, size_t target, gla_matrix e, gla_matrix sum) {
    size_t a = gla_place_of_largest(row);
    gla_matrix m = gla_column(row, a);
    gla_zero(sum);
    for (size_t j = 0; j < row.cols; j++) {
        if (j == a) continue;
        gla_sub(e, gla_column(row, j), m);
        gla_exp(e, e);
        gla_add(sum, sum, e);
    }
    gla_log1p(sum, sum);
    gla_sub(e, m, gla_column(row, target));
    gla_add(sum, e, sum);
    gla_add(z, z, sum);
}

void layer_cross_entropy(gla_matrix z, gla_matrix logits, const int64_t *target) {
    gla_numbers *n = z.in;
    size_t mark = gla_mark(n);
    gla_matrix e = gla_new(n, 1, 1), sum = gla_new(n, 1, 1), count = gla_number(n, (double)logits.rows);
    gla_zero(z);
    for (size_t t = 0; t < logits.rows && n->status == GLA_OK; t++)
        add_entropy(z, gla_row(logits, t), (size_t)target[t], e, sum);
    gla_divide(z, z, count);
    gla_release(n, mark);
}

void layer_cross_entropy_back(gla_matrix dlogits, gla_matrix logits, const int64_t *target) {
    gla_numbers *n = dlogits.in;
    size_t mark = gla_mark(n);
    gla_matrix count = gla_number(n, (double)logits.rows), one = gla_number(n, 1);
    gla_softmax(dlogits, logits);
    for (size_t t = 0; t < logits.rows && n->status == GLA_OK; t++) {
        gla_matrix d = gla_row(dlogits, t), at_target = gla_column(d, (size_t)target[t]);
        gla_sub(at_target, at_target, one);
        gla_divide(d, d, count);
    }
    gla_release(n, mark);
}
