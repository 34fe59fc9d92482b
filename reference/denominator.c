/* SPDX-License-Identifier: Apache-2.0
 *
 * Division by a normaliser; equations in denominator.h.
 */
#include "denominator.h"

void gla_denominator(gla_matrix den, gla_matrix nrm, gla_matrix least, gla_matrix eps) {
    if (gla_absent(least))
        gla_copy(den, nrm);
    else {
        gla_neg(den, nrm);
        gla_max(den, den, nrm);
        gla_max(den, den, least);
    }
    for (size_t t = 0; t < den.rows && !gla_absent(eps); t++) gla_add(gla_row(den, t), gla_row(den, t), eps);
}

void gla_divide_rows(gla_matrix z, gla_matrix x, gla_matrix den) {
    for (size_t t = 0; t < z.rows; t++) gla_divide(gla_row(z, t), gla_row(x, t), gla_row(den, t));
}

/* z *= -slope. */
static void scale_by_slope(gla_matrix z, gla_matrix nrm, gla_matrix least) {
    size_t mark = gla_mark(z.in);
    gla_matrix up = gla_new(z.in, z.rows, 1), down = gla_new(z.in, z.rows, 1);
    gla_above(up, nrm, least);
    gla_neg(down, nrm);
    gla_above(down, down, least);
    gla_sub(up, down, up);
    gla_mul(z, z, up);
    gla_release(z.in, mark);
}

void gla_denominator_back(gla_matrix dnrm, gla_matrix d_o, gla_matrix num, gla_matrix nrm, gla_matrix least,
                          gla_matrix den) {
    gla_zero(dnrm);
    gla_row_dot(gla_transposed(dnrm), d_o, num);
    gla_divide_rows(dnrm, dnrm, den);
    gla_divide_rows(dnrm, dnrm, den);
    if (gla_absent(least))
        gla_neg(dnrm, dnrm);
    else
        scale_by_slope(dnrm, nrm, least);
    gla_round_at(dnrm, GLA_SITE_NORMALISER);
}
