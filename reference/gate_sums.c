/* SPDX-License-Identifier: Apache-2.0
 *
 * Cumulative log gates in any number system; contract in gate_sums.h.
 */
#include "gate_sums.h"

#include <math.h>

static bool begin(gla_numbers *n, const char *verb) {
    if (n->status != GLA_OK) return false;
    n->verb = verb;
    return true;
}

/* A sum of finite negative gates that has left the system's range: its decay is 0 there, as after a reset. Systems
 * with a wider range than binary64 (MPFR, intervals) keep theirs. */
static bool sum_left_range(gla_numbers *n, const void *before, const void *gate, const void *sum) {
    if (isfinite(n->ops->get_d(n, sum))) return false;
    double a = n->ops->get_d(n, before), b = n->ops->get_d(n, gate);
    if (!(a < 0 && b < 0 && isfinite(a) && isfinite(b))) return false;
    mpfr_t exact;
    mpfr_init2(exact, 53);
    n->ops->get_mpfr(n, exact, sum);
    bool left = !mpfr_number_p(exact);
    mpfr_clear(exact);
    return left;
}

/* One token of the sum: Gamma_t = Gamma_{t-1} + g_t, or a fresh start at 0 after g_t = -inf. */
static void gate_step(gla_gates *g, gla_matrix gates, size_t t, size_t j) {
    gla_numbers *n = g->sum.in;
    void *z = gla_at(g->sum, t, j);
    const void *x = gla_at(gates, t, j), *before = t ? gla_at(g->sum, t - 1, j) : NULL;
    size_t D = g->sum.cols;
    bool reset = n->ops->get_d(n, x) == -INFINITY;
    if (!reset && t > 0) {
        n->ops->add(n, z, before, x);
        reset = sum_left_range(n, before, x, z);
    } else if (!reset)
        n->ops->set(n, z, x);
    if (reset) n->ops->set_d(n, z, 0.0);
    g->epoch[t * D + j] = (t ? g->epoch[(t - 1) * D + j] : 0) + reset;
}

gla_gates gla_gate_sum(gla_numbers *n, gla_matrix gates) {
    gla_gates g = {0};
    if (gla_absent(gates)) return g;
    g.sum = gla_new(n, gates.rows, gates.cols);
    g.epoch = gla_raw(n, gates.rows * gates.cols * sizeof *g.epoch);
    g.present = true;
    if (!begin(n, "gate_sum")) return g;
    for (size_t t = 0; t < gates.rows; t++)
        for (size_t j = 0; j < gates.cols; j++) gate_step(&g, gates, t, j);
    gla_round_at(g.sum, GLA_SITE_GATE_SUM);
    return g;
}

gla_gates gla_gate_rows(gla_gates g, size_t first, size_t count) {
    if (!g.present) return g;
    g.epoch += first * g.sum.cols;
    g.sum = gla_rows(g.sum, first, count);
    return g;
}

static void set_one(gla_matrix z) {
    for (size_t j = 0; j < z.cols; j++) z.in->ops->set_d(z.in, gla_at(z, 0, j), 1.0);
}

void gla_decay_in(gla_matrix z, gla_gates g, size_t t) {
    if (!begin(z.in, "decay_in")) return;
    if (!g.present) {
        set_one(z);
        return;
    }
    for (size_t j = 0; j < z.cols; j++) {
        if (g.epoch[t * z.cols + j] > 0)
            z.in->ops->set_d(z.in, gla_at(z, 0, j), 0.0);
        else
            z.in->ops->exp(z.in, gla_at(z, 0, j), gla_at(g.sum, t, j));
    }
}

void gla_decay_between(gla_matrix z, gla_gates g, size_t t, size_t i) {
    if (!begin(z.in, "decay_between")) return;
    if (!g.present) {
        set_one(z);
        return;
    }
    gla_numbers *n = z.in;
    for (size_t j = 0; j < z.cols; j++) {
        void *zj = gla_at(z, 0, j);
        if (g.epoch[t * z.cols + j] != g.epoch[i * z.cols + j]) {
            n->ops->set_d(n, zj, 0.0);
            continue;
        }
        n->ops->sub(n, zj, gla_at(g.sum, t, j), gla_at(g.sum, i, j));
        n->ops->exp(n, zj, zj);
    }
}
