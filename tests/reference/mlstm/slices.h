/* SPDX-License-Identifier: Apache-2.0
 *
 * What the mLSTM suites share: a problem in doubles, its slice in any number system, random and golden problems, the
 * comparison of two slices output by output.
 */
#ifndef GLASSBOX_TEST_MLSTM_SLICES_H
#define GLASSBOX_TEST_MLSTM_SLICES_H

#include "reference/mlstm/mlstm.h"
#include "tests/reference/gated/slices.h"

enum { IN_Q, IN_K, IN_V, IN_I, IN_F, IN_C0, IN_N0, IN_M0, IN_DH, IN_DCT, IN_DNT, INPUTS };
enum { OUT_H, OUT_CT, OUT_NT, OUT_MT, OUT_DQ, OUT_DK, OUT_DV, OUT_DI, OUT_DF, OUT_DC0, OUT_DN0, OUT_DM0, OUTPUTS };

static const char *const out_names[OUTPUTS] = {"h",  "C_T", "n_T", "m_T", "dq",  "dk",
                                               "dv", "dip", "dfp", "dC0", "dn0", "dm0"};

typedef struct problem {
    size_t T, dk, dv;
    mlstm_options options;
    double scale, eps;
    double *at[INPUTS]; /* NULL: absent */
} problem;

static inline void shape_of_input(const problem *p, int input, size_t *rows, size_t *cols) {
    size_t T = p->T, dk = p->dk, dv = p->dv;
    const size_t shapes[INPUTS][2] = {{T, dk}, {T, dk}, {T, dv}, {T, 1},   {T, 1}, {dk, dv},
                                      {dk, 1}, {1, 1},  {T, dv}, {dk, dv}, {dk, 1}};
    *rows = shapes[input][0];
    *cols = shapes[input][1];
}

static inline size_t input_count(const problem *p, int input) {
    size_t rows, cols;
    shape_of_input(p, input, &rows, &cols);
    return rows * cols;
}

static inline void give(problem *p, int input) { p->at[input] = calloc(input_count(p, input) + 1, sizeof(double)); }

static inline void forget_problem(problem *p) {
    for (int i = 0; i < INPUTS; i++) free(p->at[i]);
}

/* ---- slices ---- */

static inline gla_matrix *input_of(mlstm_slice *s, int input) {
    gla_matrix *const all[INPUTS] = {&s->q,  &s->k,  &s->v,   &s->i,   &s->f,  &s->C0,
                                     &s->n0, &s->m0, &s->d_h, &s->dCT, &s->dnT};
    return all[input];
}

static inline gla_matrix output_of(const mlstm_slice *s, int output) {
    const gla_matrix all[OUTPUTS] = {s->h,   s->CT, s->nT, s->mT,  s->dq,  s->dk_,
                                     s->dv_, s->di, s->df, s->dC0, s->dn0, s->dm0};
    return all[output];
}

static inline gla_matrix scalar(gla_numbers *n, double value) {
    gla_matrix x = gla_new(n, 1, 1);
    n->ops->set_d(n, x.at, value);
    return x;
}

static inline mlstm_slice slice_made(const problem *p, gla_numbers *n) {
    mlstm_slice s = {.in = n, .T = p->T, .dk = p->dk, .dv = p->dv, .options = p->options};
    s.s = scalar(n, p->scale);
    if (p->eps != 0) s.eps = scalar(n, p->eps);
    for (int i = 0; i < INPUTS; i++) {
        if (!p->at[i]) continue;
        size_t rows, cols;
        shape_of_input(p, i, &rows, &cols);
        gla_matrix m = *input_of(&s, i) = gla_new(n, rows, cols);
        for (size_t j = 0; j < rows * cols; j++) n->ops->set_d(n, gla_at(m, j / cols, j % cols), p->at[i][j]);
    }
    s.h = gla_new(n, p->T, p->dv);
    s.CT = gla_new(n, p->dk, p->dv);
    s.nT = gla_new(n, p->dk, 1);
    s.mT = gla_new(n, 1, 1);
    s.dq = gla_new(n, p->T, p->dk);
    s.dk_ = gla_new(n, p->T, p->dk);
    s.dv_ = gla_new(n, p->T, p->dv);
    s.di = gla_new(n, p->T, 1);
    s.df = gla_new(n, p->T, 1);
    s.dC0 = gla_new(n, p->dk, p->dv);
    s.dn0 = gla_new(n, p->dk, 1);
    s.dm0 = gla_new(n, 1, 1);
    return s;
}

static inline void run_slice(mlstm_slice *s, gla_form form) {
    mlstm_run_form(s, &form);
    ck_assert_msg(s->in->status == GLA_OK, "%s: %s", s->in->name, gla_status_text(s->in->status));
}

static inline gla_numbers *numbers_named(const char *name) {
    gla_numbers *n;
    gla_error err;
    ck_assert_msg(gla_numbers_open(name, &n, &err) == GLA_OK, "%s", err.what);
    return n;
}

/* Run backward too, in a system of its own: close solved.in. */
static inline mlstm_slice solved(const problem *p, gla_form form, const char *numbers) {
    mlstm_slice s = slice_made(p, numbers_named(numbers));
    run_slice(&s, form);
    return s;
}

/* ---- problems ---- */

static inline void fill(problem *p, int input, uint32_t seed, double factor) {
    uint32_t state = 2654435761u * seed;
    give(p, input);
    for (size_t i = 0; i < input_count(p, input); i++) p->at[input][i] = factor * (2 * golden_next(&state) - 1);
}

/* The golden problem of data/golden/mlstm.txt. */
static inline problem problem_of_golden(mlstm_options options) {
    static const uint32_t seed[INPUTS] = {1, 2, 3, 13, 14, 8, 9, 0, 10, 11, 12};
    problem p = {.T = 7, .dk = 4, .dv = 3, .options = options, .scale = 0.5};
    for (int i = 0; i < INPUTS; i++) fill(&p, i, seed[i], i == IN_Q || i == IN_I || i == IN_F ? 4 : 1);
    p.at[IN_M0][0] = 0.5;
    return p;
}

/* The four sets of options that golden values exist for. */
static const struct {
    const char *name;
    mlstm_options options;
} variants[] = {{"exp", {0}},
                {"exp_truncated", {.truncated = true}},
                {"sig", {.sigmoid = true, .unnormalised = true}},
                {"sig_normalised", {.sigmoid = true}}};
enum { VARIANTS = 4 };

typedef struct random_gates {
    double strength;   /* gates before their activation in [-strength, strength) */
    double infinities; /* share of gates that are -inf */
    size_t longest;
} random_gates;

static inline problem problem_at_random(test_random *r, mlstm_options options, random_gates g) {
    problem p = {.T = (size_t)random_between(r, 1, (int64_t)g.longest), .options = options};
    p.dk = (size_t)random_between(r, 1, 4);
    p.dv = (size_t)random_between(r, 1, 4);
    p.scale = 0.75;
    p.eps = random_chance(r, 0.3) ? 0.25 : 0;
    for (int i = 0; i < INPUTS; i++) {
        bool optional = i == IN_C0 || i == IN_N0 || i == IN_M0 || i == IN_DCT || i == IN_DNT;
        if (optional && random_chance(r, 0.3)) continue;
        give(&p, i);
        bool gate = i == IN_I || i == IN_F;
        double size = gate ? g.strength : i == IN_Q ? 4 : 1;
        for (size_t j = 0; j < input_count(&p, i); j++) {
            p.at[i][j] = size * random_signed(r);
            if (gate && random_chance(r, g.infinities)) p.at[i][j] = -INFINITY;
        }
    }
    static const double m0[] = {-INFINITY, 0, 1.5, -3};
    if (p.at[IN_M0]) p.at[IN_M0][0] = g.strength > 50 && random_chance(r, 0.3) ? 300 : m0[random_between(r, 0, 3)];
    return p;
}

/* ---- comparison ---- */

/* 2^-30 of the largest number of h dq dk dv: what a sum that cancels is compared with. At least 2^-900: gates of
 * hundreds take all of them below what a double can tell. */
static inline double size_of(const mlstm_slice *s) {
    static const int parts[] = {OUT_H, OUT_DQ, OUT_DK, OUT_DV};
    double size = 0x1p-870;
    for (size_t i = 0; i < 4; i++) {
        gla_matrix m = output_of(s, parts[i]);
        for (size_t j = 0; j < m.rows * m.cols; j++)
            size = fmax(size, fabs(s->in->ops->get_d(s->in, gla_at(m, j / m.cols, j % m.cols))));
    }
    return size * 0x1p-30;
}

static inline bool is_minus_infinity(gla_matrix x) { return x.in->ops->get_d(x.in, x.at) == -INFINITY; }

static inline void check_slices_agree(const mlstm_slice *a, const mlstm_slice *b, double tol, const char *what) {
    for (int i = 0; i < OUTPUTS; i++) {
        gla_matrix x = output_of(a, i), y = output_of(b, i);
        if (i == OUT_MT && is_minus_infinity(x) && is_minus_infinity(y)) continue;
        double apart = matrices_apart(x, y, size_of(a));
        ck_assert_msg(apart <= tol, "%s: %s differs by %g, allowed %g", what, out_names[i], apart, tol);
    }
}

#endif
