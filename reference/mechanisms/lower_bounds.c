/* SPDX-License-Identifier: Apache-2.0
 *
 * HGRN2's lower bounds across layers; equations in lower_bounds.h.
 */
#include "lower_bounds.h"

#include "../softmax.h"

void hgrn2_lower_bounds(gla_matrix gam, gla_matrix table) {
    gla_softmax(gla_transposed(gam), gla_transposed(table));
    gla_zero(gla_row(gam, 0));
    for (size_t l = 1; l < gam.rows; l++) gla_add(gla_row(gam, l), gla_row(gam, l - 1), gla_row(gam, l));
}

void hgrn2_lower_bounds_back(gla_matrix dtable, gla_matrix dgam, gla_matrix table) {
    size_t mark = gla_mark(table.in);
    gla_matrix p = gla_new(table.in, table.rows, table.cols);
    gla_softmax(gla_transposed(p), gla_transposed(table));
    gla_suffix_sum(dtable, dgam);
    gla_zero(gla_row(dtable, 0));
    gla_softmax_back(gla_transposed(dtable), gla_transposed(dtable), gla_transposed(p));
    gla_release(table.in, mark);
}
