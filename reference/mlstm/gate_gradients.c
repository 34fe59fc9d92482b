/* SPDX-License-Identifier: Apache-2.0
 *
 * Gradients of the mLSTM's gates; equations and hazards in gate_gradients.h.
 */
#include "gate_gradients.h"

#include "log_gates.h"
#include "normaliser.h"

bool mlstm_route_available(gla_formulation kind, gla_gate_route route) {
    if (kind != GLA_RECURRENT && kind != GLA_PARALLEL && kind != GLA_CHUNKWISE) return false;
    if (route == GLA_ROUTE_DEFAULT || route == GLA_ROUTE_SUFFIX) return true;
    if (route == GLA_ROUTE_DIRECT) return kind == GLA_RECURRENT;
    if (route == GLA_ROUTE_ANCHOR) return kind == GLA_CHUNKWISE;
    return route == GLA_ROUTE_STRADDLE && kind != GLA_RECURRENT;
}

gla_gate_route mlstm_route(const mlstm_slice *x, const gla_form *form, gla_gate_route by_default) {
    bool has_route = !form->backward || mlstm_route_available(form->kind, form->route);
    bool has_normaliser = x->options.sigmoid || !x->options.unnormalised;
    if ((!has_route || !has_normaliser) && x->in->status == GLA_OK) x->in->status = GLA_UNSUPPORTED;
    return form->route == GLA_ROUTE_DEFAULT ? by_default : form->route;
}

gla_matrix mlstm_end_term(gla_matrix S, gla_matrix F) {
    gla_matrix end = gla_new(S.in, 1, 1);
    mlstm_inner_product(end, S, F);
    return end;
}

/* z [m,1] = row by row a.b, announced: from here on errors of neighbours are correlated. */
static gla_matrix row_products(gla_matrix a, gla_matrix b) {
    gla_matrix z = gla_new(a.in, a.rows, 1);
    gla_row_dot(gla_transposed(z), a, b);
    gla_round_at(z, GLA_SITE_GATE_TERM);
    return z;
}

void mlstm_suffix(gla_matrix z, gla_matrix q, gla_matrix dq, gla_matrix k, gla_matrix dk, gla_matrix end) {
    if (z.rows == 0) return;
    size_t mark = gla_mark(z.in);
    gla_matrix d = row_products(q, dq), last = gla_row(d, d.rows - 1);
    gla_sub(d, d, row_products(k, dk));
    gla_add(last, last, end);
    gla_suffix_sum(z, d);
    gla_release(z.in, mark);
}

void mlstm_straddle(gla_matrix z, gla_matrix E, gla_matrix q, gla_matrix dq_inter, gla_matrix k, gla_matrix dk_inter,
                    gla_matrix through) {
    size_t mark = gla_mark(z.in), m = z.rows;
    gla_matrix written = gla_new(z.in, m, 1), crossing = gla_new(z.in, 1, 1);
    gla_suffix_sum(z, row_products(q, dq_inter));
    gla_prefix_sum(written, row_products(k, dk_inter));
    gla_add(z, z, written);
    for (size_t r = 0; r < m; r++) gla_add(gla_row(z, r), gla_row(z, r), through);
    for (size_t j = 1; j < m; j++) {
        gla_zero(crossing); /* sum over writers i < r, all read at j >= r */
        for (size_t r = 1; r <= j; r++) {
            gla_add(crossing, crossing, mlstm_at(E, j, r - 1));
            gla_add(gla_row(z, r), gla_row(z, r), crossing);
        }
    }
    gla_release(z.in, mark);
}

void mlstm_finish_gates(const mlstm_slice *x, gla_gate_route route, gla_matrix d_log_f, gla_matrix end) {
    if (route == GLA_ROUTE_SUFFIX) mlstm_suffix(d_log_f, x->q, x->dq, x->k, x->dk_, end);
    for (size_t t = 0; x->options.no_end && t < x->T; t++) gla_sub(gla_row(d_log_f, t), gla_row(d_log_f, t), end);
    gla_matrix d_log_i = gla_new(x->in, x->T, 1);
    bool values = x->options.di_from_values;
    gla_row_dot(gla_transposed(d_log_i), values ? x->v : x->k, values ? x->dv_ : x->dk_);
    mlstm_gate_gradients(x, d_log_i, d_log_f);
}
