/* SPDX-License-Identifier: Apache-2.0
 *
 * What the suites of the delta core share: a sequence of one head in binary64 (seeded random or golden), run in any
 * number system by any form, and the distance of two runs. Random numbers and distances are those of the gated suites.
 */
#ifndef GLASSBOX_TEST_DELTAS_H
#define GLASSBOX_TEST_DELTAS_H

#include "reference/delta/delta.h"
#include "tests/reference/gated/slices.h"

typedef enum test_in { IN_Q, IN_K, IN_V, IN_G, IN_BETA, IN_S0, IN_DO, IN_DST, INS } test_in;
typedef enum test_out { OUT_O, OUT_ST, OUT_DQ, OUT_DK, OUT_DV, OUT_DG, OUT_DBETA, OUT_DS0, OUTS } test_out;
static const char *const out_names[OUTS] = {"o", "S_T", "dq", "dk", "dv", "dg", "dbeta", "dS0"};

/* gate: columns of g, 0 for none. */
typedef struct test_delta {
    size_t T, dk, dv, gate;
    double scale;
    double *at[INS];
} test_delta;

static inline size_t delta_rows_of(const test_delta *x, test_in name) {
    return name == IN_S0 || name == IN_DST ? x->dk : x->T;
}
static inline size_t delta_cols_of(const test_delta *x, test_in name) {
    if (name == IN_G) return x->gate;
    if (name == IN_BETA) return 1;
    return name == IN_Q || name == IN_K ? x->dk : x->dv;
}
static inline size_t delta_count(const test_delta *x, test_in name) {
    return delta_rows_of(x, name) * delta_cols_of(x, name);
}

/* All zeros. */
static inline test_delta delta_sized(size_t T, size_t dk, size_t dv, size_t gate) {
    test_delta x = {.T = T, .dk = dk, .dv = dv, .gate = gate, .scale = 0.5};
    for (int i = 0; i < INS; i++) x.at[i] = calloc(delta_count(&x, (test_in)i) + 1, sizeof(double));
    return x;
}
static inline void delta_free(test_delta *x) {
    for (int i = 0; i < INS; i++) free(x->at[i]);
}

/* The streams of the golden arrays (data/golden/delta.txt). gate 0 deltanet, 1 gated_deltanet, 4 kda. */
static inline test_delta delta_golden(size_t gate) {
    static const uint32_t seeds[INS] = {1, 2, 3, 4, 7, 8, 10, 11};
    test_delta x = delta_sized(7, 4, 3, gate);
    for (int i = 0; i < INS; i++) {
        uint32_t state = 2654435761u * (i == IN_G && gate == 1 ? 6 : seeds[i]);
        for (size_t j = 0; j < delta_count(&x, (test_in)i); j++) {
            double u = golden_next(&state);
            x.at[i][j] = i == IN_G ? -u : i == IN_BETA ? u : (2 * u - 1) / (i == IN_K ? 2 : 1);
        }
    }
    return x;
}

typedef struct delta_options {
    double resets; /* share of gates that are -inf */
    size_t longest;
} delta_options;

/* beta in (0,1), in (0,2), or out of 0, 1, 2. */
static inline void random_betas(test_delta *x, test_random *r) {
    int64_t kind = random_between(r, 0, 2);
    for (size_t t = 0; t < x->T; t++)
        x->at[IN_BETA][t] = kind == 2 ? (double)random_between(r, 0, 2) : (double)(kind + 1) * random_unit(r);
}

/* Keys of length up to 1; in a quarter of the cases all the same, some of them zero in another. */
static inline void random_keys(test_delta *x, test_random *r) {
    bool same = random_chance(r, 0.25), holes = random_chance(r, 0.25);
    double length = 1 / sqrt((double)x->dk);
    for (size_t j = 0; j < x->T * x->dk; j++)
        x->at[IN_K][j] = same && j >= x->dk ? x->at[IN_K][j - x->dk] : length * random_signed(r);
    for (size_t t = 0; holes && t < x->T; t++)
        if (random_chance(r, 0.3)) memset(x->at[IN_K] + t * x->dk, 0, x->dk * sizeof(double));
}

/* A random case in the stable domain: beta |k|^2 <= 2; a gate per channel, per head or none. */
static inline test_delta delta_random(test_random *r, delta_options o) {
    static const double strengths[] = {0.01, 0.5, 4, 40};
    size_t T = (size_t)random_between(r, 1, o.longest ? (int64_t)o.longest : 17);
    size_t dk = (size_t)random_between(r, 1, 5), dv = (size_t)random_between(r, 1, 5);
    size_t gates[] = {0, 1, dk, dk};
    test_delta x = delta_sized(T, dk, dv, gates[random_between(r, 0, 3)]);
    double strength = strengths[random_between(r, 0, 3)];
    bool from_zero = random_chance(r, 0.3), no_final = random_chance(r, 0.3);
    for (int i = 0; i < INS; i++) {
        if ((i == IN_S0 && from_zero) || (i == IN_DST && no_final)) continue;
        for (size_t j = 0; j < delta_count(&x, (test_in)i); j++) {
            x.at[i][j] = i == IN_G ? -strength * random_unit(r) : random_signed(r);
            if (i == IN_G && random_chance(r, o.resets)) x.at[i][j] = -INFINITY;
        }
    }
    random_keys(&x, r);
    random_betas(&x, r);
    x.scale = random_chance(r, 0.5) ? 0.375 : 1;
    return x;
}

static inline gla_matrix delta_input(const test_delta *x, gla_numbers *n, test_in name) {
    gla_matrix m = gla_new(n, delta_rows_of(x, name), delta_cols_of(x, name));
    for (size_t i = 0; i < m.rows; i++)
        for (size_t j = 0; j < m.cols; j++) n->ops->set_d(n, gla_at(m, i, j), x->at[name][i * m.cols + j]);
    return m;
}

/* Inputs set, outputs made; everything lives in the number system. */
static inline delta_slice delta_slice_of(const test_delta *x, gla_numbers *n) {
    delta_slice s = {.in = n, .T = x->T, .dk = x->dk, .dv = x->dv, .s = gla_new(n, 1, 1)};
    n->ops->set_d(n, s.s.at, x->scale);
    gla_matrix *in[INS] = {&s.q, &s.k, &s.v, &s.g, &s.beta, &s.S0, &s.d_o, &s.dST};
    for (int i = 0; i < INS; i++)
        if (i != IN_G || x->gate) *in[i] = delta_input(x, n, (test_in)i);
    s.o = gla_new(n, x->T, x->dv);
    s.ST = gla_new(n, x->dk, x->dv);
    s.dq = gla_new(n, x->T, x->dk);
    s.dk_ = gla_new(n, x->T, x->dk);
    s.dv_ = gla_new(n, x->T, x->dv);
    if (x->gate) s.dg = gla_new(n, x->T, x->gate);
    s.dbeta = gla_new(n, x->T, 1);
    s.dS0 = gla_new(n, x->dk, x->dv);
    return s;
}

static inline gla_matrix delta_output(const delta_slice *s, test_out name) {
    gla_matrix all[OUTS] = {s->o, s->ST, s->dq, s->dk_, s->dv_, s->dg, s->dbeta, s->dS0};
    return all[name];
}

/* A slice that has been run, with the system it lives in. */
static inline delta_slice delta_solved(const test_delta *x, gla_form form, const char *numbers) {
    gla_numbers *n;
    ck_assert_int_eq(gla_numbers_open(numbers, &n, NULL), GLA_OK);
    delta_slice s = delta_slice_of(x, n);
    delta_run_form(&s, &form);
    ck_assert_msg(n->status == GLA_OK, "%s: %s", numbers, gla_status_text(n->status));
    return s;
}
static inline void delta_close(delta_slice *s) { gla_numbers_close(s->in); }

/* A form with gradients; text as gla_form_parse takes it, without the solver. */
static inline gla_form delta_form_named(const char *text, gla_solver solver) {
    gla_form form = form_named(text, true);
    form.solver = solver;
    return form;
}

/* Gradients that may be 0 in theory are measured against 2^-30 of the largest number. */
static inline double delta_apart(const delta_slice *a, const delta_slice *b, test_out name) {
    gla_matrix A = delta_output(a, name), B = delta_output(b, name);
    if (gla_absent(A) || gla_absent(B)) return gla_absent(A) && gla_absent(B) ? 0 : NAN;
    double largest = 0;
    for (int i = 0; i < OUTS && name >= OUT_DQ; i++) {
        gla_matrix z = delta_output(a, (test_out)i);
        for (size_t r = 0; r < z.rows && !gla_absent(z); r++)
            for (size_t c = 0; c < z.cols; c++) largest = fmax(largest, fabs(z.in->ops->get_d(z.in, gla_at(z, r, c))));
    }
    return matrices_apart(A, B, largest * 0x1p-30);
}

static inline void check_deltas_agree(const delta_slice *a, const delta_slice *b, double tol, const char *what) {
    for (int i = 0; i < OUTS; i++) {
        double apart = delta_apart(a, b, (test_out)i);
        ck_assert_msg(apart <= tol, "%s: %s differs by %g, allowed %g", what, out_names[i], apart, tol);
    }
}

#endif
