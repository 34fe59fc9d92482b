/* SPDX-License-Identifier: Apache-2.0
 *
 * Normalisations of retention's scores; equations in retention_rows.h.
 */
#include "retention_rows.h"

void retention_mask_roots(gla_matrix root, gla_matrix first, gla_matrix gamma, int64_t before) {
    size_t mark = gla_mark(root.in);
    gla_matrix w = gla_number(root.in, 0), one = gla_number(root.in, 1);
    for (int64_t t = 0; t < before; t++) {
        gla_mul(w, w, gamma);
        gla_add(w, w, one);
    }
    gla_sqrt(first, w);
    for (size_t t = 0; t < root.rows; t++) {
        gla_mul(w, w, gamma);
        gla_add(w, w, one);
        gla_sqrt(gla_row(root, t), w);
    }
    gla_release(root.in, mark);
}

/* z = |x|. */
static void absolute(gla_matrix z, gla_matrix x) {
    size_t mark = gla_mark(z.in);
    gla_matrix minus = gla_new(z.in, 1, 1);
    gla_neg(minus, x);
    gla_max(z, x, minus);
    gla_release(z.in, mark);
}

/* sum += sum_m |q_n.k_m| gamma^(n-m). */
static void add_scores(gla_matrix sum, const gated_slice *x, size_t row, gla_matrix g) {
    size_t mark = gla_mark(x->in);
    gla_matrix score = gla_new(x->in, 1, 1), apart = gla_new(x->in, 1, 1);
    for (size_t m = 0; m <= row && x->in->status == GLA_OK; m++) {
        x->in->ops->set_d(x->in, apart.at, (double)(row - m));
        gla_mul(apart, apart, g);
        gla_exp(apart, apart);
        gla_zero(score);
        gla_row_dot(score, gla_row(x->q, row), gla_row(x->k, m));
        absolute(score, score);
        gla_mul_add(sum, score, apart);
    }
    gla_release(x->in, mark);
}

gla_matrix retention_score_sums(const gated_slice *x) {
    gla_matrix sums = gla_new(x->in, x->T, 1);
    size_t mark = gla_mark(x->in);
    gla_matrix least = gla_number(x->in, 1), most = gla_number(x->in, -5e4), s = gla_new(x->in, 1, 1);
    absolute(s, x->s);
    for (size_t n = 0; n < x->T; n++) {
        gla_matrix sum = gla_row(sums, n);
        add_scores(sum, x, n, gla_column(gla_row(x->gk, 0), 0));
        gla_mul(sum, sum, s);
        gla_max(sum, sum, least);
        gla_neg(sum, sum);
        gla_max(sum, sum, most);
        gla_neg(sum, sum);
    }
    gla_release(x->in, mark);
    return sums;
}
