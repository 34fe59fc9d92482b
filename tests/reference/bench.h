/* SPDX-License-Identifier: Apache-2.0
 *
 * A bench for the verbs: the number systems with their error models, random operands in awkward layouts, the plain
 * formula at 400 bits, and the check of one against the other.
 *
 * A result of n roundings per term must lie within ((1+u)^n - 1) * (sum of absolute terms) of the exact value, plus n
 * underflows of eta each; an interval must contain it. On an exact bench the data are -1, 0, 1 and nothing is allowed.
 */
#ifndef GLASSBOX_TEST_BENCH_H
#define GLASSBOX_TEST_BENCH_H

#include "gated/problems.h"

typedef struct system_row {
    const char *name;
    double u, eta; /* relative error of one operation; absolute error of an underflow */
} system_row;

static const system_row systems[] = {
    {"binary64", 0x1p-53, 0x1p-1074},
    {"binary32", 0x1p-24, 0x1p-149},
    {"mpfr:113", 0x1p-113, 0},
    {"interval:113", 0x1p-112, 0},
    {"bf16", 0x1p-8, 0x1p-133},
    {"f16", 0x1p-11, 0x1p-24},
    {"tf32", 0x1p-11, 0x1p-136},
    {"e4m3", 0x1p-4, 0x1p-9},
    {"e5m2", 0x1p-3, 0x1p-16},
    {"format:5:-20:20", 0x1p-5, 0x1p-24},
    {"dual:113", 0x1p-113, 0},
    {"counter", 0x1p-53, 0x1p-1074},
    {"recorder:binary64", 0x1p-53, 0x1p-1074},
};
enum { SYSTEMS = sizeof systems / sizeof *systems };

/* ---- the bench: one open system, its error model, random numbers ---- */

typedef struct bench {
    gla_numbers *n;
    system_row system;
    test_random random;
    bool exact; /* data are -1, 0, 1 and every result must be exact */
} bench;

static inline bench bench_open(int index, uint32_t stream, bool exact) {
    bench b = {.system = systems[index], .random = random_from(stream), .exact = exact};
    ck_assert_int_eq(gla_numbers_open(b.system.name, &b.n, NULL), GLA_OK);
    return b;
}

static inline void bench_close(bench *b) {
    ck_assert_int_eq(b->n->status, GLA_OK);
    gla_numbers_close(b->n);
}

/* A view and the larger matrix it looks into. */
typedef struct operand {
    gla_matrix m, whole;
} operand;

/* rows x cols of random data: dense, transposed, or every second row and third column of NaNs. */
static inline operand operand_new(bench *b, size_t rows, size_t cols) {
    operand x;
    switch (random_between(&b->random, 0, 2)) {
    case 0:
        x.m = x.whole = gla_new(b->n, rows, cols);
        break;
    case 1:
        x.m = gla_transposed(x.whole = gla_new(b->n, cols, rows));
        break;
    default:
        x.whole = gla_new(b->n, 2 * rows, 3 * cols);
        x.m = (gla_matrix){b->n, x.whole.at, rows, cols, 2 * x.whole.row, 3 * x.whole.col};
    }
    for (size_t i = 0; i < x.whole.rows; i++)
        for (size_t j = 0; j < x.whole.cols; j++) b->n->ops->set_d(b->n, gla_at(x.whole, i, j), NAN);
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < cols; j++) {
            double value = b->exact ? (double)random_between(&b->random, -1, 1) : random_signed(&b->random);
            b->n->ops->set_d(b->n, gla_at(x.m, i, j), value);
        }
    return x;
}

static inline double number(gla_matrix m, size_t i, size_t j) { return m.in->ops->get_d(m.in, gla_at(m, i, j)); }

/* As many NaNs as there are gaps: nothing was written beside the view. */
static inline void check_gaps(operand x) {
    size_t nans = 0;
    for (size_t i = 0; i < x.whole.rows; i++)
        for (size_t j = 0; j < x.whole.cols; j++) nans += isnan(number(x.whole, i, j)) != 0;
    ck_assert_uint_eq(nans, x.whole.rows * x.whole.cols - x.m.rows * x.m.cols);
}

/* ---- plain arithmetic: value and sum of absolute terms, 400 bits ---- */

typedef struct plain {
    size_t rows, cols;
    mpfr_t *value, *size;
} plain;

static inline plain plain_zero(size_t rows, size_t cols) {
    plain p = {rows, cols, calloc(rows * cols + 1, sizeof(mpfr_t)), calloc(rows * cols + 1, sizeof(mpfr_t))};
    for (size_t i = 0; i < rows * cols; i++) {
        mpfr_inits2(400, p.value[i], p.size[i], (mpfr_ptr)0);
        mpfr_set_zero(p.value[i], 1);
        mpfr_set_zero(p.size[i], 1);
    }
    return p;
}

static inline plain plain_of(gla_matrix m) {
    plain p = plain_zero(m.rows, m.cols);
    for (size_t i = 0; i < m.rows; i++)
        for (size_t j = 0; j < m.cols; j++) {
            m.in->ops->get_mpfr(m.in, p.value[i * m.cols + j], gla_at(m, i, j));
            mpfr_abs(p.size[i * m.cols + j], p.value[i * m.cols + j], MPFR_RNDN);
        }
    return p;
}

static inline void plain_free(plain p) {
    for (size_t i = 0; i < p.rows * p.cols; i++) mpfr_clears(p.value[i], p.size[i], (mpfr_ptr)0);
    free(p.value);
    free(p.size);
}

static inline mpfr_ptr element(plain p, size_t i, size_t j) { return p.value[i * p.cols + j]; }

/* z_ij += sign * x * y (y NULL: 1). */
static inline void add_term(plain z, size_t i, size_t j, int sign, mpfr_srcptr x, mpfr_srcptr y) {
    mpfr_t term;
    mpfr_init2(term, 400);
    mpfr_mul_si(term, x, sign, MPFR_RNDN);
    if (y) mpfr_mul(term, term, y, MPFR_RNDN);
    mpfr_add(element(z, i, j), element(z, i, j), term, MPFR_RNDN);
    mpfr_abs(term, term, MPFR_RNDN);
    mpfr_add(z.size[i * z.cols + j], z.size[i * z.cols + j], term, MPFR_RNDN);
    mpfr_clear(term);
}

/* tol = ((1+u)^n - 1) size + n eta (1+u)^n, rounded up. */
static inline void budget(mpfr_t tol, const bench *b, mpfr_srcptr size, unsigned long n) {
    mpfr_t growth;
    mpfr_init2(growth, 400);
    mpfr_set_d(growth, b->system.u, MPFR_RNDU);
    mpfr_add_ui(growth, growth, 1, MPFR_RNDU);
    mpfr_pow_ui(growth, growth, n, MPFR_RNDU);
    mpfr_mul_d(tol, growth, (double)n * b->system.eta, MPFR_RNDU);
    mpfr_sub_ui(growth, growth, 1, MPFR_RNDU);
    mpfr_fma(tol, growth, size, tol, MPFR_RNDU);
    if (b->exact) mpfr_set_zero(tol, 1);
    mpfr_clear(growth);
}

static inline void check_number(const bench *b, gla_matrix m, size_t i, size_t j, mpfr_srcptr wanted, mpfr_srcptr tol,
                                const char *what) {
    mpfr_t got, error, lo, hi;
    mpfr_inits2(400, got, error, lo, hi, (mpfr_ptr)0);
    b->n->ops->get_mpfr(b->n, got, gla_at(m, i, j));
    mpfr_sub(error, got, wanted, MPFR_RNDA);
    bool near = mpfr_cmpabs(error, tol) <= 0 && !mpfr_nan_p(error), inside = true;
    if (strncmp(b->system.name, "interval", 8) == 0) {
        gla_interval_ends(b->n, lo, hi, gla_at(m, i, j));
        inside = mpfr_lessequal_p(lo, wanted) && mpfr_lessequal_p(wanted, hi);
    }
    ck_assert_msg(near && inside, "%s in %s: [%zu,%zu] is %.20g, wanted %.20g, allowed error %g%s", what,
                  b->system.name, i, j, mpfr_get_d(got, MPFR_RNDN), mpfr_get_d(wanted, MPFR_RNDN),
                  mpfr_get_d(tol, MPFR_RNDN), inside ? "" : " (outside its interval)");
    mpfr_clears(got, error, lo, hi, (mpfr_ptr)0);
}

/* The view's numbers are the plain ones, n roundings per term; takes the plain one away. */
static inline void check(const bench *b, operand z, plain wanted, unsigned long n, const char *what) {
    mpfr_t tol;
    mpfr_init2(tol, 400);
    ck_assert_uint_eq(z.m.rows, wanted.rows);
    ck_assert_uint_eq(z.m.cols, wanted.cols);
    for (size_t i = 0; i < z.m.rows; i++)
        for (size_t j = 0; j < z.m.cols; j++) {
            budget(tol, b, wanted.size[i * wanted.cols + j], n);
            check_number(b, z.m, i, j, element(wanted, i, j), tol, what);
        }
    check_gaps(z);
    mpfr_clear(tol);
    plain_free(wanted);
}

#endif
