/* SPDX-License-Identifier: Apache-2.0
 *
 * Gates in log space; equations in log_gates.h.
 */
#include "log_gates.h"

#include <math.h>

#include "../activation.h"

static gla_matrix log_sigmoid(gla_matrix x) {
    gla_matrix z = gla_new(x.in, x.rows, x.cols);
    act_log_sigmoid(z, x);
    return z;
}

mlstm_gates mlstm_log_gates(const mlstm_slice *x) {
    mlstm_gates g = {.f = log_sigmoid(x->f)};
    g.i = x->options.sigmoid ? log_sigmoid(x->i) : x->i;
    return g;
}

void mlstm_gate_gradients(const mlstm_slice *x, gla_matrix d_log_i, gla_matrix d_log_f) {
    if (x->options.sigmoid)
        act_log_sigmoid_back(x->di, d_log_i, x->i);
    else
        gla_copy(x->di, d_log_i);
    act_log_sigmoid_back(x->df, d_log_f, x->f);
}

gla_matrix mlstm_first_stabiliser(const mlstm_slice *x) {
    gla_matrix m = gla_new(x->in, 1, 1);
    if (x->options.sigmoid) return m;
    if (gla_absent(x->m0))
        gla_fill(m, -INFINITY);
    else
        gla_copy(m, x->m0);
    return m;
}

void mlstm_stabilise(const mlstm_slice *x, gla_matrix m, gla_matrix candidate) {
    if (!x->options.sigmoid) gla_max(m, m, candidate);
}

void mlstm_weight(gla_matrix z, gla_matrix x, gla_matrix m) {
    gla_numbers *n = z.in;
    if (n->status != GLA_OK) return;
    if (n->ops->get_d(n, x.at) == -INFINITY) {
        gla_fill(z, 0);
        return;
    }
    gla_sub(z, x, m);
    gla_exp(z, z);
}

gla_matrix mlstm_at(gla_matrix x, size_t i, size_t j) { return gla_row(gla_column(x, j), i); }

mlstm_log_weights mlstm_log_weights_of(mlstm_gates gates, size_t first, size_t m) {
    gla_numbers *n = gates.f.in;
    mlstm_log_weights w = {gla_new(n, m, m), gla_new(n, m, 1)};
    for (size_t r = 0; r < m; r++) {
        gla_matrix f = gla_row(gates.f, first + r);
        if (r == 0)
            gla_copy(gla_row(w.b, r), f);
        else
            gla_add(gla_row(w.b, r), gla_row(w.b, r - 1), f);
        for (size_t j = 0; j + 1 < r; j++) gla_add(mlstm_at(w.L, r, j), mlstm_at(w.L, r - 1, j), f);
        if (r > 0) gla_copy(mlstm_at(w.L, r, r - 1), f);
    }
    gla_round_at(w.b, GLA_SITE_GATE_SUM);
    gla_round_at(w.L, GLA_SITE_GATE_SUM);
    for (size_t r = 0; r < m; r++)
        for (size_t j = 0; j <= r; j++) gla_add(mlstm_at(w.L, r, j), mlstm_at(w.L, r, j), gla_row(gates.i, first + j));
    return w;
}
