/* SPDX-License-Identifier: Apache-2.0
 *
 * Hazards H2, H4, H8, H9 and H10: how a decay is held and formed.
 *     window     e^(G_t - G_{t-8}) from a running sum of all gates, of a chunk's, or from the 8 gates alone
 *     key        1 - alpha of alpha = sigmoid(f) near 1, which has lost the digits that sigmoid(-f) keeps; the figure
 * is of one f, so without a draw one        a decay alpha near 1 in a narrow format, where its logarithm would keep all
 * its digits mask       o = ((Q K^T) * M) V with M_ti = e^(G_t - G_i) below the diagonal and 0 above, formed by
 * multiplying e^(G_t - G_i) of the future by 0 (infinity times 0), or by -inf in its exponent; nothing overflows in
 *                MPFR, so its multiplication is the truth of both
 *     exponent   e^x by a GPU: 2^y of y = x / ln 2 rounded, so x 2^-24 relative before the exponential itself
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../fast/hardware/hardware.h"
#include "../reference/activation.h"
#include "../reference/gate_sums.h"
#include "../reference/mechanisms/tied_gates.h"
#include "study_hazards.h"

static void set(gla_matrix A, size_t i, size_t j, double x) {
    if (A.in->status == GLA_OK) A.in->ops->set_d(A.in, gla_at(A, i, j), x);
}

static double get(gla_matrix A, size_t i, size_t j) {
    return A.in->status == GLA_OK ? A.in->ops->get_d(A.in, gla_at(A, i, j)) : NAN;
}

static gla_status ended(const gla_numbers *n, gla_error *err) {
    return n->status ? gla_fail(err, n->status, "hazards in %s: %s", n->name, gla_status_text(n->status)) : GLA_OK;
}

static gla_status open_both(const char *name, gla_numbers **n, gla_numbers **exact, gla_error *err) {
    *exact = NULL;
    gla_status status = gla_all_numbers_open(name, n, err);
    if (status) return status;
    status = gla_numbers_open("mpfr:128", exact, err);
    if (status) gla_numbers_close(*n);
    return status;
}

static gla_status close_both(gla_numbers *n, gla_numbers *exact, gla_error *err) {
    gla_status status = ended(n, err);
    if (status == GLA_OK) status = ended(exact, err);
    gla_numbers_close(n);
    gla_numbers_close(exact);
    return status;
}

/* ---- H2 ---- */

enum { WINDOW = 8, CHUNK = 64 };

static gla_matrix gates(const gla_hazard *h, gla_numbers *n, uint64_t seed) {
    gla_matrix g = gla_new(n, (size_t)h->T, 1);
    for (int64_t t = 0; t < h->T; t++) {
        double x = h->rule(h->x, t, (gla_draw){seed, GLA_IN_GK, (uint64_t)t});
        set(g, (size_t)t, 0, gla_round(&gla_binary32_format, GLA_RN, x, 0));
    }
    return g;
}

/* w [T,1]: the decay over the WINDOW tokens that end with t, each from its own sum. */
static void from_own_sums(gla_matrix w, gla_matrix g) {
    for (size_t t = WINDOW; t < g.rows; t++) {
        size_t mark = gla_mark(g.in);
        gla_decay_in(gla_row(w, t), gla_gate_sum(g.in, gla_rows(g, t + 1 - WINDOW, WINDOW)), WINDOW - 1);
        gla_release(g.in, mark);
    }
}

/* The same from sums that start at every multiple of C; where the window lies within one. */
static void from_running_sums(gla_matrix w, gla_matrix g, size_t C) {
    for (size_t first = 0; first < g.rows; first += C) {
        size_t mark = gla_mark(g.in), m = g.rows - first < C ? g.rows - first : C;
        gla_gates X = gla_gate_sum(g.in, gla_rows(g, first, m));
        for (size_t r = WINDOW; r < m; r++) gla_decay_between(gla_row(w, first + r), X, r, r - WINDOW);
        gla_release(g.in, mark);
    }
}

/* The greatest relative error of the weights [T,1] that were formed: none is 0. */
static double greatest_error(gla_matrix w, gla_matrix truth) {
    double greatest = 0;
    for (size_t t = 0; t < w.rows; t++) {
        double x = get(w, t, 0), y = get(truth, t, 0);
        if (x == 0) continue;
        double e = fabs(x - y) / y;
        if (!(e <= greatest)) greatest = e;
    }
    return greatest;
}

gla_status gla_hazard_window(const gla_hazard *h, uint64_t seed, double *measured, gla_error *err) {
    gla_numbers *n, *exact;
    gla_status status = open_both("binary32", &n, &exact, err);
    if (status) return status;
    gla_matrix w = gla_new(n, (size_t)h->T, 1), truth = gla_new(exact, (size_t)h->T, 1), g = gates(h, n, seed);
    from_own_sums(truth, gates(h, exact, seed));
    if (strcmp(h->how, "segsum") == 0)
        from_own_sums(w, g);
    else
        from_running_sums(w, g, strcmp(h->how, "global") == 0 ? (size_t)h->T : CHUNK);
    *measured = greatest_error(w, truth);
    return close_both(n, exact, err);
}

/* ---- H4 ---- */

/* 1 - alpha of the logit x. */
static double key_of(gla_numbers *n, double x, bool tied) {
    gla_matrix f = gla_new(n, 1, 1), g = gla_new(n, 1, 1), k = gla_new(n, 1, 1), one = gla_new(n, 1, 1);
    set(f, 0, 0, x);
    set(one, 0, 0, 1);
    tied_gates(g, k, f, (gla_matrix){0});
    if (!tied) {
        act_sigmoid(k, f);
        gla_sub(k, one, k);
    }
    return get(k, 0, 0);
}

gla_status gla_hazard_key(const gla_hazard *h, uint64_t seed, double *measured, gla_error *err) {
    (void)seed;
    gla_numbers *n, *exact;
    gla_status status = open_both("binary32", &n, &exact, err);
    if (status) return status;
    double truth = key_of(exact, h->x, true);
    *measured = fabs(key_of(n, h->x, strcmp(h->how, "tied") == 0) - truth) / truth;
    return close_both(n, exact, err);
}

/* ---- H8 ---- */

gla_status gla_hazard_one(const gla_hazard *h, uint64_t seed, double *measured, gla_error *err) {
    (void)seed;
    gla_numbers *n;
    gla_status status = gla_numbers_open(h->how, &n, err);
    if (status) return status;
    gla_matrix alpha = gla_new(n, 1, 1);
    int j = 0;
    while (j < 64 && n->status == GLA_OK && get(alpha, 0, 0) != 1) set(alpha, 0, 0, 1 - ldexp(1, -++j));
    *measured = j;
    status = ended(n, err);
    gla_numbers_close(n);
    return status;
}

/* ---- H9 ---- */

enum { D = 16 };

static gla_matrix drawn(gla_numbers *n, size_t T, gla_input stream, uint64_t seed) {
    gla_matrix A = gla_new(n, T, D);
    for (size_t i = 0; i < T * D; i++)
        set(A, i / D, i % D, gla_round(&gla_binary32_format, GLA_RN, gla_draw_normal((gla_draw){seed, stream, i}), 0));
    return A;
}

/* M [T,T]; a gate of -x in every token. */
static gla_matrix decays(gla_numbers *n, size_t T, double x, bool mask_after) {
    gla_matrix M = gla_new(n, T, T), mask = gla_new(n, T, T);
    for (size_t t = 0; t < T; t++)
        for (size_t i = 0; i < T; i++) {
            set(M, t, i, i > t && !mask_after ? -INFINITY : x * ((double)i - (double)t));
            set(mask, t, i, i <= t);
        }
    gla_exp(M, M);
    if (mask_after) gla_mul(M, M, mask);
    return M;
}

static gla_matrix attention(gla_numbers *n, const gla_hazard *h, bool mask_after, uint64_t seed) {
    size_t T = (size_t)h->T;
    gla_matrix P = gla_new(n, T, T), o = gla_new(n, T, D);
    gla_product(P, drawn(n, T, GLA_IN_Q, seed), gla_transposed(drawn(n, T, GLA_IN_K, seed)));
    gla_mul(P, P, decays(n, T, h->x, mask_after));
    gla_product(o, P, drawn(n, T, GLA_IN_V, seed));
    return o;
}

static gla_status compare_matrices(gla_matrix x, gla_matrix truth, double *error, gla_error *err) {
    size_t count = x.rows * x.cols;
    double *at = malloc(2 * count * sizeof *at);
    if (!at) return gla_fail(err, GLA_NO_MEMORY, "no memory for a hazard's tensors");
    for (size_t i = 0; i < count; i++) {
        at[i] = get(x, i / x.cols, i % x.cols);
        at[count + i] = get(truth, i / x.cols, i % x.cols);
    }
    *error = gla_hazard_error(at, at + count, count);
    free(at);
    return GLA_OK;
}

gla_status gla_hazard_mask(const gla_hazard *h, uint64_t seed, double *measured, gla_error *err) {
    gla_numbers *n, *exact;
    gla_status status = open_both("binary32", &n, &exact, err);
    if (status) return status;
    bool after = strcmp(h->how, "after") == 0;
    status = compare_matrices(attention(n, h, after, seed), attention(exact, h, true, seed), measured, err);
    gla_status closed = close_both(n, exact, err);
    return status ? status : closed;
}

/* ---- H10 ---- */

gla_status gla_hazard_exponent(const gla_hazard *h, uint64_t seed, double *measured, gla_error *err) {
    enum { DRAWS = 4096 };
    gla_numbers *n, *exact;
    gla_status status = open_both(h->how, &n, &exact, err);
    if (status) return status;
    gla_matrix x = gla_new(n, DRAWS, 1), y = gla_new(exact, DRAWS, 1);
    for (size_t i = 0; i < DRAWS; i++) {
        double u = gla_draw_uniform((gla_draw){seed, GLA_IN_GK, i});
        set(x, i, 0, gla_round(&gla_binary32_format, GLA_RN, -h->x * (1 + u) / 2, 0));
        set(y, i, 0, get(x, i, 0));
    }
    gla_exp(x, x);
    gla_exp(y, y);
    *measured = greatest_error(x, y);
    return close_both(n, exact, err);
}
