/* SPDX-License-Identifier: Apache-2.0
 *
 * Unit lower triangular systems and their inverse: substitution forward and back, the three inverses, and hazard H6 of
 * the product form, in binary32 with C = 64, dk = 16, beta = 1:
 *     equal unit keys    intermediate powers 5e17; the product is off by 2^32 with sums by fma, 3.4e10 without (the
 *                        specification's 3e10); rows and blocks exact
 *     random keys        rows and blocks about 1e-7 at |k| = 1; the product worse by 20, at |k| = 1.5 by 100 and more
 *     growth             max|X| = beta |k|^2 times |1 - beta |k|^2|^62 for equal keys past the stable domain
 */
#include "deltas.h"
#include "reference/delta/inverse.h"
#include "reference/delta/triangular.h"

#define TOLERANCE 1e-60

static gla_numbers *opened(const char *name) {
    gla_numbers *n;
    ck_assert_int_eq(gla_numbers_open(name, &n, NULL), GLA_OK);
    return n;
}

static void set(gla_matrix A, size_t i, size_t j, double x) { A.in->ops->set_d(A.in, gla_at(A, i, j), x); }
static double get(gla_matrix A, size_t i, size_t j) { return A.in->ops->get_d(A.in, gla_at(A, i, j)); }

/* Random numbers of the system everywhere, also where L is not looked at. */
static gla_matrix random_matrix(gla_numbers *n, size_t rows, size_t cols, test_random *r) {
    gla_matrix A = gla_new(n, rows, cols);
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < cols; j++) set(A, i, j, random_signed(r));
    return A;
}

/* (I + L) or its transpose, of L's strict lower part. */
static gla_matrix unit_lower(gla_matrix L) {
    gla_matrix A = gla_new(L.in, L.rows, L.cols);
    gla_copy(A, L);
    gla_lower(A, true);
    for (size_t i = 0; i < L.rows; i++) set(A, i, i, 1);
    return A;
}

START_TEST(substitution) {
    gla_numbers *n = opened("mpfr:256");
    for (uint32_t i = 0; i < 20; i++) {
        test_random r = random_from(i);
        size_t m = (size_t)random_between(&r, 1, 12), D = (size_t)random_between(&r, 1, 5);
        gla_matrix L = random_matrix(n, m, m, &r), Y = random_matrix(n, m, D, &r), A = unit_lower(L);
        for (int back = 0; back < 2; back++) {
            gla_matrix Z = gla_new(n, m, D), AZ = gla_new(n, m, D);
            gla_copy(Z, Y);
            (back ? delta_substitute_back : delta_substitute)(Z, L);
            gla_product(AZ, back ? gla_transposed(A) : A, Z);
            double apart = matrices_apart(AZ, Y, 0);
            ck_assert_msg(apart <= TOLERANCE, "case %u, back %d: residual %g", i, back, apart);
        }
    }
    gla_numbers_close(n);
}
END_TEST

/* All three, every block size, sizes around powers of two. */
START_TEST(inverses) {
    gla_numbers *n = opened("mpfr:256");
    static const size_t sizes[] = {1, 2, 3, 4, 5, 8, 9, 16, 17};
    test_random r = random_from(100);
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        size_t m = sizes[s];
        gla_matrix L = random_matrix(n, m, m, &r), A = unit_lower(L), I = gla_new(n, m, m);
        for (size_t i = 0; i < m; i++) set(I, i, i, 1);
        for (size_t way = 0; way < m + 2; way++) { /* 0 rows, 1 product, then blocks of way - 1 */
            gla_matrix X = random_matrix(n, m, m, &r), AX = gla_new(n, m, m);
            if (way == 0) delta_inverse_rows(X, L);
            if (way == 1) delta_inverse_product(X, L);
            if (way > 1) delta_inverse_blocked(X, L, way - 1);
            gla_product(AX, A, X);
            double apart = matrices_apart(AX, I, 0);
            ck_assert_msg(apart <= TOLERANCE, "m = %zu, way %zu: (I+L) X is off by %g", m, way, apart);
            for (size_t i = 0; i < m; i++)
                for (size_t j = i; j < m; j++) ck_assert_double_eq(get(X, i, j), i == j);
        }
    }
    gla_numbers_close(n);
}
END_TEST

/* ---- H6 ---- */

enum { C = 64, DK = 16 };

/* L of C keys in n: equal unit keys (length^2 exact), or random ones of this length, beta = 1. */
static gla_matrix system_of_keys(gla_numbers *n, bool equal, double length, uint32_t stream) {
    test_random r = random_from(stream);
    gla_matrix K = gla_new(n, C, DK), L = gla_new(n, C, C);
    for (size_t i = 0; i < C; i++) {
        double k[DK], norm = 0;
        for (size_t c = 0; c < DK; c++) k[c] = equal ? 1 : random_signed(&r), norm += k[c] * k[c];
        for (size_t c = 0; c < DK; c++) set(K, i, c, (double)(float)(k[c] * length / sqrt(norm)));
    }
    gla_product(L, K, gla_transposed(K));
    gla_lower(L, true);
    return L;
}

static double largest(gla_matrix A) {
    double z = 0;
    for (size_t i = 0; i < A.rows; i++)
        for (size_t j = 0; j < A.cols; j++) z = fmax(z, fabs(get(A, i, j)));
    return z;
}

/* max |X - truth| over binary32 copies of L. */
static double error_of(gla_matrix L, int way) {
    gla_numbers *n = L.in, *exact = opened("mpfr:256");
    gla_matrix X = gla_new(n, C, C), L_exact = gla_new(exact, C, C), truth = gla_new(exact, C, C);
    for (size_t i = 0; i < C; i++)
        for (size_t j = 0; j < C; j++) set(L_exact, i, j, get(L, i, j));
    delta_inverse_rows(truth, L_exact);
    if (way == 0) delta_inverse_rows(X, L);
    if (way == 1) delta_inverse_blocked(X, L, 16);
    if (way == 2) delta_inverse_product(X, L);
    double worst = 0;
    for (size_t i = 0; i < C; i++)
        for (size_t j = 0; j < C; j++) worst = fmax(worst, fabs(get(X, i, j) - get(truth, i, j)));
    gla_numbers_close(exact);
    return worst;
}

START_TEST(equal_keys) {
    gla_numbers *n = opened("binary32");
    gla_matrix L = system_of_keys(n, true, 1, 0), power = gla_new(n, C, C);
    ck_assert_double_eq(get(L, C - 1, 0), 1);
    ck_assert_double_eq(error_of(L, 0), 0);
    ck_assert_double_eq(error_of(L, 1), 0);
    double destroyed = error_of(L, 2);
    ck_assert_msg(destroyed > 1e9 && destroyed < 1e11, "the product form is off by %g", destroyed);
    gla_copy(power, L);
    for (int i = 0; i < 5; i++) {
        gla_matrix square = gla_new(n, C, C);
        gla_product(square, power, power);
        power = square;
    }
    double size = largest(power); /* L^32: C(62,31) */
    ck_assert_msg(fabs(size / 4.6543e17 - 1) < 1e-3, "L^32 reaches %g", size);
    gla_numbers_close(n);
}
END_TEST

static int by_size(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The median error of 11 draws, per way. In the stable domain (|k| = 1) substitution loses nothing; the product loses a
 * digit there and two to three at |k| = 1.5, where the powers grow first. */
START_TEST(random_keys_of_length) {
    static const double lengths[] = {1, 1.5}, rows[] = {3e-7, 3e-6}, worse[] = {10, 100};
    gla_numbers *n = opened("binary32");
    double error[3][11];
    for (uint32_t i = 0; i < 11; i++)
        for (int way = 0; way < 3; way++) error[way][i] = error_of(system_of_keys(n, false, lengths[_i], 200 + i), way);
    for (int way = 0; way < 3; way++) qsort(error[way], 11, sizeof **error, by_size);
    ck_assert_msg(error[0][5] < rows[_i], "rows are off by %g", error[0][5]);
    ck_assert_msg(error[1][5] < 2 * rows[_i], "blocks are off by %g", error[1][5]);
    ck_assert_msg(error[2][5] > worse[_i] * error[0][5], "rows %g, the product only %g", error[0][5], error[2][5]);
    gla_numbers_close(n);
}
END_TEST

/* |X_ri| <= beta_r |k_r| |k_i| while 0 <= beta |k|^2 <= 2: nothing grows. */
START_TEST(stable_domain) {
    gla_numbers *n = opened("mpfr:256");
    for (uint32_t i = 0; i < 20; i++) {
        test_random r = random_from(400 + i);
        gla_matrix L = gla_new(n, C, C), X = gla_new(n, C, C);
        double K[C][3], length[C], beta[C];
        for (size_t t = 0; t < C; t++) {
            for (size_t c = 0; c < 3; c++) K[t][c] = i % 4 && t ? K[0][c] + random_signed(&r) / 4 : random_signed(&r);
            length[t] = sqrt(K[t][0] * K[t][0] + K[t][1] * K[t][1] + K[t][2] * K[t][2]);
            beta[t] = (i % 2 ? 2 : 2 * random_unit(&r)) / (length[t] * length[t]);
        }
        for (size_t t = 0; t < C; t++)
            for (size_t j = 0; j < t; j++)
                set(L, t, j, beta[t] * (K[t][0] * K[j][0] + K[t][1] * K[j][1] + K[t][2] * K[j][2]));
        delta_inverse_rows(X, L);
        for (size_t t = 0; t < C; t++)
            for (size_t j = 0; j < t; j++)
                ck_assert_double_le(fabs(get(X, t, j)), beta[t] * length[t] * length[j] * (1 + 1e-12));
    }
    gla_numbers_close(n);
}
END_TEST

/* X_ri = -b (1-b)^(r-i-1) for equal keys with b = beta |k|^2. */
START_TEST(growth) {
    static const double b[] = {1, 1.9, 2.1, 3}, wanted[] = {1, 1.9, 7.7e2, 1.4e19};
    gla_numbers *n = opened("binary64");
    gla_matrix L = gla_new(n, C, C), X = gla_new(n, C, C);
    for (size_t i = 0; i < C; i++)
        for (size_t j = 0; j < i; j++) set(L, i, j, b[_i]);
    delta_inverse_rows(X, L);
    for (size_t i = 1; i < C; i++)
        for (size_t j = 0; j < i; j++) {
            double closed = -b[_i] * pow(1 - b[_i], (double)(i - j - 1));
            ck_assert_double_le(fabs(get(X, i, j) - closed), 1e-9 * fmax(1, fabs(closed)));
        }
    ck_assert_msg(fabs(largest(X) / wanted[_i] - 1) < 0.02, "max|X| = %g", largest(X));
    gla_numbers_close(n);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("delta triangular inverse");
    TCase *t = tcase_create("inverse");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, substitution);
    tcase_add_test(t, inverses);
    tcase_add_test(t, equal_keys);
    tcase_add_loop_test(t, random_keys_of_length, 0, 2);
    tcase_add_test(t, stable_domain);
    tcase_add_loop_test(t, growth, 0, 4);
    suite_add_tcase(s, t);
    return s;
}

int main(void) { return test_main(suite()); }
