/* SPDX-License-Identifier: Apache-2.0
 *
 * HGRN2's gates; equations in tied_gates.h.
 */
#include "tied_gates.h"

#include "../activation.h"

static double value(gla_matrix m, size_t i, size_t j) {
    return m.in->status == GLA_OK ? m.in->ops->get_d(m.in, gla_at(m, i, j)) : 0;
}

/* y = sigmoid(-x). */
static void sigmoid_of_minus(gla_matrix y, gla_matrix x) {
    gla_neg(y, x);
    act_sigmoid(y, y);
}

/* z = ln(e^a + e^b) = max(a, b) + ln(1 + e^-|a - b|); z is neither. */
static void log_add_exp(gla_matrix z, gla_matrix a, gla_matrix b) {
    size_t mark = gla_mark(z.in);
    gla_matrix above = gla_new(z.in, z.rows, z.cols), below = gla_new(z.in, z.rows, z.cols);
    gla_max(above, a, b);
    gla_sub(z, a, above);
    gla_sub(below, b, above);
    gla_add(z, z, below); /* one of the two is 0 */
    gla_exp(z, z);
    gla_log1p(z, z);
    gla_add(z, above, z);
    gla_release(z.in, mark);
}

/* g by the two formulas, rest = 1 - gam; where gam is 0 it stays as it is, log sigmoid(f). */
static void bounded_gates(gla_matrix g, gla_matrix k, gla_matrix gam, gla_matrix rest) {
    gla_numbers *n = g.in;
    size_t T = g.rows, dk = g.cols;
    gla_matrix a = gla_new(n, 1, dk), b = gla_new(n, T, dk), log_rest = gla_new(n, 1, dk);
    gla_matrix far = gla_new(n, T, dk), near = gla_new(n, T, dk);
    gla_quotient(a, rest, gam);
    gla_log1p(a, a);
    gla_neg(a, a);
    gla_neg(log_rest, gam);
    gla_log1p(log_rest, log_rest);
    gla_add(b, gla_spread(log_rest, T, log_rest.cols), g);
    log_add_exp(far, gla_spread(a, T, a.cols), b);
    gla_neg(near, k);
    gla_log1p(near, near);
    for (size_t t = 0; t < T; t++)
        for (size_t i = 0; i < dk; i++)
            if (value(gam, 0, i) != 0 && n->status == GLA_OK)
                n->ops->set(n, gla_at(g, t, i), gla_at(value(k, t, i) <= 0.5 ? near : far, t, i));
}

void tied_gates(gla_matrix g, gla_matrix k, gla_matrix f, gla_matrix gam) {
    size_t mark = gla_mark(g.in);
    act_log_sigmoid(g, f);
    sigmoid_of_minus(k, f);
    if (!gla_absent(gam)) {
        gla_matrix rest = gla_new(g.in, 1, gam.cols);
        gla_sub(rest, act_constant(1, gam), gam);
        gla_mul(k, gla_spread(rest, k.rows, rest.cols), k);
        bounded_gates(g, k, gam, rest);
    }
    gla_release(g.in, mark);
}

/* r = 1 / (1 + gam e^-f), 1 where gam is 0. */
static void part_of_sigmoid(gla_matrix r, gla_matrix f, gla_matrix gam) {
    gla_matrix one = act_constant(1, r);
    gla_neg(r, f);
    gla_exp(r, r);
    gla_mul(r, gla_spread(gam, r.rows, gam.cols), r);
    gla_add(r, one, r);
    gla_quotient(r, one, r);
    for (size_t i = 0; i < gam.cols; i++)
        if (value(gam, 0, i) == 0) gla_copy(gla_column(r, i), gla_column(one, i));
}

/* dgam_i += sum_t dg / (gam + e^f) - sigmoid(-f) dk. */
static void bounds_back(gla_matrix dgam, gla_matrix dg, gla_matrix dk, gla_matrix f, gla_matrix gam) {
    gla_matrix term = gla_new(dg.in, dg.rows, dg.cols), part = gla_new(dg.in, dg.rows, dg.cols);
    gla_exp(term, f);
    gla_add(term, gla_spread(gam, term.rows, gam.cols), term);
    gla_quotient(term, dg, term);
    sigmoid_of_minus(part, f);
    gla_mul(part, part, dk);
    gla_sub(term, term, part);
    for (size_t t = 0; t < term.rows; t++) gla_add(dgam, dgam, gla_row(term, t));
}

void tied_gates_back(gla_matrix df, gla_matrix dgam, gla_matrix dg, gla_matrix dk, gla_matrix k, gla_matrix f,
                     gla_matrix gam) {
    gla_numbers *n = df.in;
    size_t mark = gla_mark(n);
    gla_matrix gate = gla_new(n, f.rows, f.cols);
    if (gla_absent(gam))
        gla_copy(gate, dg);
    else {
        part_of_sigmoid(gate, f, gam);
        gla_mul(gate, gate, dg);
        bounds_back(dgam, dg, dk, f, gam);
    }
    act_sigmoid(df, f);
    gla_mul(df, df, dk);
    gla_sub(df, gate, df);
    gla_mul(df, k, df);
    gla_release(n, mark);
}
