/* SPDX-License-Identifier: Apache-2.0
 *
 * Softmax over rows: its definition at 256 bits, its derivative in dual numbers, an enclosure, numbers that overflow
 * when no maximum is subtracted, ties, a slot that takes all, every number system.
 */
#include "reference/softmax.h"
#include "tests/reference/gated/slices.h"

static gla_numbers *opened(const char *name) {
    gla_numbers *n;
    ck_assert_int_eq(gla_numbers_open(name, &n, NULL), GLA_OK);
    return n;
}

static gla_matrix matrix_of(gla_numbers *n, size_t rows, size_t cols, const double *x) {
    gla_matrix m = gla_new(n, rows, cols);
    for (size_t i = 0; i < rows * cols; i++) n->ops->set_d(n, gla_at(m, i / cols, i % cols), x[i]);
    return m;
}

enum { ROWS = 5, COLS = 4 };

static void random_numbers(double *x, uint32_t stream, double size) {
    test_random r = random_from(stream);
    for (int i = 0; i < ROWS * COLS; i++) x[i] = size * random_signed(&r);
}

/* e^a_ij / sum_j e^a_ij at 512 bits, nothing subtracted. */
static void defined(mpfr_t p, const double *row, int j) {
    MPFR_DECL_INIT(sum, 512);
    MPFR_DECL_INIT(e, 512);
    mpfr_set_zero(sum, 1);
    for (int i = 0; i < COLS; i++) {
        mpfr_set_d(e, row[i], MPFR_RNDN);
        mpfr_exp(e, e, MPFR_RNDN);
        mpfr_add(sum, sum, e, MPFR_RNDN);
    }
    mpfr_set_d(p, row[j], MPFR_RNDN);
    mpfr_exp(p, p, MPFR_RNDN);
    mpfr_div(p, p, sum, MPFR_RNDN);
}

START_TEST(definition) {
    static const double sizes[] = {1e-3, 1, 30, 1000};
    double x[ROWS * COLS];
    random_numbers(x, 8800 + (uint32_t)_i, sizes[_i]);
    gla_numbers *n = opened("mpfr:256"), *iv = opened("interval:100");
    gla_matrix p = gla_new(n, ROWS, COLS), enclosed = gla_new(iv, ROWS, COLS);
    gla_softmax(p, matrix_of(n, ROWS, COLS, x));
    gla_softmax(enclosed, matrix_of(iv, ROWS, COLS, x));
    mpfr_t wanted, got, lo, hi;
    mpfr_inits2(512, wanted, got, lo, hi, (mpfr_ptr)0);
    for (int i = 0; i < ROWS * COLS; i++) {
        size_t row = (size_t)i / COLS, col = (size_t)i % COLS;
        defined(wanted, x + row * COLS, (int)col);
        n->ops->get_mpfr(n, got, gla_at(p, row, col));
        mpfr_sub(got, got, wanted, MPFR_RNDN);
        mpfr_div(got, got, wanted, MPFR_RNDN);
        ck_assert_double_le(fabs(mpfr_get_d(got, MPFR_RNDA)), 1e-70);
        gla_interval_ends(iv, lo, hi, gla_at(enclosed, row, col));
        ck_assert(mpfr_lessequal_p(lo, wanted) && mpfr_lessequal_p(wanted, hi));
        mpfr_sub(hi, hi, lo, MPFR_RNDU);
        ck_assert_double_le(mpfr_get_d(hi, MPFR_RNDU), 1e-20);
    }
    mpfr_clears(wanted, got, lo, hi, (mpfr_ptr)0);
    gla_numbers_close(n);
    gla_numbers_close(iv);
}
END_TEST

/* sum_ij dp_ij dp/da along a direction = <da, direction>. */
START_TEST(derivative) {
    double a[ROWS * COLS], dp[ROWS * COLS], along[ROWS * COLS];
    random_numbers(a, 8810, 3);
    random_numbers(dp, 8811, 1);
    random_numbers(along, 8812, 1);
    gla_numbers *n = opened("mpfr:256"), *dual = opened("dual:256");
    gla_matrix p = gla_new(n, ROWS, COLS), da = matrix_of(n, ROWS, COLS, dp), moved = matrix_of(dual, ROWS, COLS, a),
               q = gla_new(dual, ROWS, COLS);
    gla_softmax(p, matrix_of(n, ROWS, COLS, a));
    gla_softmax_back(da, da, p);
    for (size_t i = 0; i < ROWS * COLS; i++) gla_dual_set_tangent(dual, gla_at(moved, i / COLS, i % COLS), along[i]);
    gla_softmax(q, moved);
    MPFR_DECL_INIT(apart, 512);
    MPFR_DECL_INIT(x, 512);
    mpfr_set_zero(apart, 1);
    for (size_t i = 0; i < ROWS * COLS; i++) {
        n->ops->get_mpfr(n, x, gla_at(da, i / COLS, i % COLS));
        mpfr_mul_d(x, x, along[i], MPFR_RNDN);
        mpfr_add(apart, apart, x, MPFR_RNDN);
        gla_dual_get_tangent(dual, x, gla_at(q, i / COLS, i % COLS));
        mpfr_mul_d(x, x, dp[i], MPFR_RNDN);
        mpfr_sub(apart, apart, x, MPFR_RNDN);
    }
    ck_assert_double_le(fabs(mpfr_get_d(apart, MPFR_RNDA)), 1e-70);
    gla_numbers_close(n);
    gla_numbers_close(dual);
}
END_TEST

/* Equal numbers share; one far above takes all; a column alone has 1; in every system, without overflow. */
START_TEST(every_system) {
    static const char *const names[] = {"binary64", "binary32", "mpfr:64", "bf16",       "f16", "tf32/rz",
                                        "e5m2",     "counter",  "dual:60", "mixed:bf16", "e4m3"};
    static const double rows[] = {3, 3, 3, 3, 100, -100, -100, -100, -7, -80, -7, -80};
    static const double wanted[] = {0.25, 0.25, 0.25, 0.25, 1, 0, 0, 0, 0.5, 0, 0.5, 0};
    for (size_t s = 0; s < sizeof names / sizeof *names; s++) {
        gla_numbers *n = opened(names[s]);
        gla_matrix a = matrix_of(n, 3, 4, rows), p = gla_new(n, 3, 4), one = gla_new(n, 3, 1);
        gla_softmax(p, a);
        for (size_t i = 0; i < 12; i++) {
            double got = n->ops->get_d(n, gla_at(p, i / 4, i % 4));
            ck_assert_msg(fabs(got - wanted[i]) <= 1e-3, "%s: p[%zu] = %g", names[s], i, got);
        }
        gla_softmax(one, gla_column(a, 0));
        for (size_t i = 0; i < 3; i++) ck_assert(n->ops->get_d(n, gla_at(one, i, 0)) == 1);
        ck_assert_uint_eq(gla_place_of_largest(gla_row(a, 0)), 0);
        ck_assert_uint_eq(gla_place_of_largest(gla_columns(gla_row(a, 2), 1, 3)), 1);
        ck_assert_int_eq(n->status, GLA_OK);
        gla_numbers_close(n);
    }
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("softmax");
    TCase *t = tcase_create("softmax");
    tcase_set_timeout(t, 20);
    tcase_add_loop_test(t, definition, 0, 4);
    tcase_add_test(t, derivative);
    tcase_add_test(t, every_system);
    suite_add_tcase(s, t);
    return s;
}

int main(void) { return test_main(suite()); }
