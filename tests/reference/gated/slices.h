/* SPDX-License-Identifier: Apache-2.0
 *
 * One sequence of one head as a gated_slice, cut out of a problem by the tests themselves
 * (segments, reversal, shared heads), so that the library's own slicing has something to be
 * compared with.
 */
#ifndef GLASSBOX_TEST_SLICES_H
#define GLASSBOX_TEST_SLICES_H

#include "problems.h"

/* Where a sequence lies: tokens first .. first+count-1 of batch row b. */
typedef struct test_span {
    int64_t b, first, count;
} test_span;

static inline test_span span_of(const gla_problem *p, int64_t n) {
    if (!p->cu_seqlens) return (test_span){n, 0, p->T};
    return (test_span){0, p->cu_seqlens[n], p->cu_seqlens[n + 1] - p->cu_seqlens[n]};
}

/* The index in the tensor of the slice's row t (states: row of the state) and column i. */
static inline int64_t slice_index(const gla_problem *p, gla_input name, int64_t n, int64_t h, int64_t t, int64_t i) {
    gla_problem copy = *p;
    int64_t heads = gla_problem_input(&copy, name)->heads, s[4];
    shape_of(p, name, heads, s);
    int64_t head = h / (p->H / heads);
    if (gla_is_state_input(name)) return index_in(s, n, head, t, i);
    test_span span = span_of(p, n);
    int64_t token = p->reverse ? span.first + span.count - 1 - t : span.first + t;
    return index_in(s, span.b, token, head, i);
}

/* The matrix of one input in n; an absent input gives zeros, an absent gate an absent matrix. */
static inline gla_matrix slice_matrix(const test_problem *x, gla_numbers *numbers, gla_input name, int64_t n,
                                      int64_t h) {
    bool gate = name == GLA_IN_GK || name == GLA_IN_GV;
    if (gate && !x->at[name]) return (gla_matrix){0};
    bool values = name == GLA_IN_V || name == GLA_IN_GV || name == GLA_IN_DO || gla_is_state_input(name);
    int64_t rows = gla_is_state_input(name) ? x->p.dk : span_of(&x->p, n).count, cols = values ? x->p.dv : x->p.dk;
    gla_matrix m = gla_new(numbers, (size_t)rows, (size_t)cols);
    for (int64_t t = 0; x->at[name] && t < rows; t++)
        for (int64_t i = 0; i < cols; i++)
            numbers->ops->set_d(numbers, gla_at(m, (size_t)t, (size_t)i),
                                x->at[name][slice_index(&x->p, name, n, h, t, i)]);
    return m;
}

/* The default is the binary64 nearest to dk^(-1/2): 1/sqrt(dk) rounds twice and misses it already at dk = 3. */
static inline double scale_of(const gla_problem *p) {
    if (p->scale != 0) return p->scale;
    if (p->mechanism && p->mechanism->unit_scale) return 1;
    mpfr_t s;
    mpfr_init2(s, 53);
    mpfr_set_si(s, (long)p->dk, MPFR_RNDN);
    mpfr_rec_sqrt(s, s, MPFR_RNDN);
    double scale = mpfr_get_d(s, MPFR_RNDN);
    mpfr_clear(s);
    return scale;
}

/* Inputs set, outputs made; everything lives in the number system. */
static inline gated_slice slice_of(const test_problem *x, gla_numbers *in, int64_t n, int64_t h) {
    size_t T = (size_t)span_of(&x->p, n).count, dk = (size_t)x->p.dk, dv = (size_t)x->p.dv;
    gated_slice s = {.in = in, .T = T, .dk = dk, .dv = dv, .s = gla_new(in, 1, 1)};
    in->ops->set_d(in, gla_at(s.s, 0, 0), scale_of(&x->p));
    gla_matrix *inputs[GATED_INPUTS] = {&s.q, &s.k, &s.v, &s.gk, &s.gv, &s.S0, &s.d_o, &s.dST};
    for (int i = 0; i < GATED_INPUTS; i++) *inputs[i] = slice_matrix(x, in, (gla_input)i, n, h);
    s.o = gla_new(in, T, dv);
    s.ST = gla_new(in, dk, dv);
    s.dq = gla_new(in, T, dk);
    s.dk_ = gla_new(in, T, dk);
    s.dv_ = gla_new(in, T, dv);
    if (!gla_absent(s.gk)) s.dgk = gla_new(in, T, dk);
    if (!gla_absent(s.gv)) s.dgv = gla_new(in, T, dv);
    s.dS0 = gla_new(in, dk, dv);
    return s;
}

static inline gla_matrix slice_input(const gated_slice *s, gla_input name) {
    gla_matrix all[GATED_INPUTS] = {s->q, s->k, s->v, s->gk, s->gv, s->S0, s->d_o, s->dST};
    return all[name];
}

/* z += <A,B>, read out of their system. */
static inline void add_inner_product(mpfr_t z, gla_matrix A, gla_matrix B) {
    mpfr_t a, b;
    mpfr_inits2(512, a, b, (mpfr_ptr)0);
    for (size_t i = 0; i < A.rows; i++)
        for (size_t j = 0; j < A.cols; j++) {
            A.in->ops->get_mpfr(A.in, a, gla_at(A, i, j));
            B.in->ops->get_mpfr(B.in, b, gla_at(B, i, j));
            mpfr_fma(z, a, b, z, MPFR_RNDN);
        }
    mpfr_clears(a, b, (mpfr_ptr)0);
}

/* The distance of two matrices, with a floor under the scale. */
static inline double matrices_apart(gla_matrix A, gla_matrix B, double floor) {
    distance d;
    mpfr_t a, b;
    distance_begin(&d);
    mpfr_inits2(512, a, b, (mpfr_ptr)0);
    mpfr_set_d(d.scale, floor, MPFR_RNDN);
    for (size_t i = 0; i < A.rows; i++)
        for (size_t j = 0; j < A.cols; j++) {
            A.in->ops->get_mpfr(A.in, a, gla_at(A, i, j));
            B.in->ops->get_mpfr(B.in, b, gla_at(B, i, j));
            distance_add(&d, a, b);
        }
    mpfr_clears(a, b, (mpfr_ptr)0);
    return A.rows == B.rows && A.cols == B.cols ? distance_end(&d) : (distance_end(&d), NAN);
}

#endif
