/* SPDX-License-Identifier: Apache-2.0
 *
 * Operands of matrix products; contract in operand.h.
 */
#include "operand.h"

enum { PANEL = 64 }; /* columns that a kernel has in one tile */

gla_matrix gated_weighed(gla_matrix A, gla_matrix weight) {
    gla_matrix z = gla_new(A.in, A.rows, A.cols);
    if (gla_absent(weight))
        gla_copy(z, A);
    else
        gla_mul(z, A, weight);
    return z;
}

gla_matrix gated_operand(gla_matrix A, gla_matrix weight, gla_site site) {
    gla_matrix z = gated_weighed(A, weight);
    gla_round_at(z, site);
    return z;
}

gla_matrix gated_rounded(gla_matrix A, gla_site site) { return gated_operand(A, (gla_matrix){0}, site); }

/* ---- operands of one part or two ---- */

gated_parts gated_parts_of(gla_matrix A, gla_matrix weight, gla_site site, bool split) {
    if (!split) return gated_single(gated_operand(A, weight, site));
    gated_parts z = {gla_new(A.in, A.rows, A.cols), gla_new(A.in, A.rows, A.cols)};
    gla_split_at(z.hi, z.lo, gated_weighed(A, weight), site);
    return z;
}

gated_parts gated_single(gla_matrix A) { return (gated_parts){A, {0}}; }

static gla_matrix transposed(gla_matrix A) { return gla_absent(A) ? A : gla_transposed(A); }

gated_parts gated_parts_transposed(gated_parts A) { return (gated_parts){transposed(A.hi), transposed(A.lo)}; }

gla_matrix gated_whole(gated_parts A) {
    if (gla_absent(A.lo)) return A.hi;
    gla_matrix z = gla_new(A.hi.in, A.hi.rows, A.hi.cols);
    gla_add(z, A.hi, A.lo);
    return z;
}

/* C += A B over `count` columns of A from `first` on; nothing if either is absent. */
static void add_panel(gla_matrix C, gla_matrix A, gla_matrix B, size_t first, size_t count) {
    if (gla_absent(A) || gla_absent(B)) return;
    gla_product(C, gla_columns(A, first, count), gla_rows(B, first, count));
}

void gated_product(gla_matrix C, gated_parts A, gated_parts B) {
    if (gla_absent(A.lo) && gla_absent(B.lo)) {
        gla_product(C, A.hi, B.hi);
        return;
    }
    for (size_t first = 0; first < A.hi.cols; first += PANEL) {
        size_t left = A.hi.cols - first, count = left < PANEL ? left : PANEL;
        add_panel(C, A.hi, B.hi, first, count);
        add_panel(C, A.hi, B.lo, first, count);
        add_panel(C, A.lo, B.hi, first, count);
    }
}
