/* SPDX-License-Identifier: Apache-2.0
 *
 * Unit triangular systems of error numbers: values as by plain substitution, bit for bit; errors of right side and
 * matrix carried once, by the inverse; and where the inverse is small (equal keys), bounds that do not grow with m.
 */
#include "../../../compare/draw.h"
#include "../../../reference/delta/triangular.h"
#include "../../../reference/number/error.h"
#include "../../testing.h"

/* No rounding of its own: what the operands' errors do. */
static gla_numbers *open_errors(void) {
    gla_error_model model = {0};
    gla_numbers *n = gla_error_open(&model);
    ck_assert_ptr_nonnull(n);
    return n;
}

static gla_error_number *at(gla_matrix A, size_t i, size_t j) { return gla_at(A, i, j); }

static void put(gla_matrix A, size_t i, size_t j, double x, double var, double lin, double det) {
    *at(A, i, j) = (gla_error_number){.x = x, .var = var, .lin = lin, .det = det, .size = fabs(x), .unit = -1000};
}

enum { M = 7, COLUMNS = 3 };

/* Column j of Y by hand: other rows ascend, a product and a sum round each. */
static void substituted(double z[M], gla_matrix Y, gla_matrix L, size_t j, bool back) {
    for (size_t r = 0; r < M; r++) {
        size_t i = back ? M - 1 - r : r;
        z[i] = at(Y, i, j)->x;
        for (size_t k = back ? i + 1 : 0; k < (back ? M : i); k++) {
            double product = (back ? at(L, k, i)->x : at(L, i, k)->x) * z[k];
            z[i] -= product;
        }
    }
}

START_TEST(values_are_those_of_substitution) {
    gla_numbers *n = open_errors();
    gla_matrix Y = gla_new(n, M, COLUMNS), L = gla_new(n, M, M);
    double want[COLUMNS][M];
    gla_draw d = {test_seed(), 61, 0};
    for (size_t i = 0; i < M; i++)
        for (size_t j = 0; j < M; j++, d.index++) {
            double x = 2 * gla_draw_uniform(d) - 1;
            if (j < i) put(L, i, j, x, 0, 0, 0);
            if (j < COLUMNS) put(Y, i, j, 1 + x, 0, 0, 0);
        }
    for (size_t j = 0; j < COLUMNS; j++) substituted(want[j], Y, L, j, _i);
    (_i ? delta_substitute_back : delta_substitute)(Y, L);
    for (size_t i = 0; i < M; i++)
        for (size_t j = 0; j < COLUMNS; j++) ck_assert(at(Y, i, j)->x == want[j][i]);
    gla_numbers_close(n);
}
END_TEST

/* Three rows, z_1 = y_1, z_2 = y_2 - a z_1, z_3 = y_3 - b z_1 - c z_2: the derivatives of z_3 are those by hand, each
 * squared for var. Back, the same rows from the last one up. */
START_TEST(errors_come_once) {
    gla_numbers *n = open_errors();
    const double a = 0.5, b = -0.75, c = 2, y[] = {3, 1, -2};
    const double var[] = {1, 2, 4, 8, 16, 32}, lin[] = {32, 16, 8, 4, 2, 1}, det[] = {3, 5, 7, 11, 13, 17};
    gla_matrix Y = gla_new(n, 3, 1), L = gla_new(n, 3, 3);
    for (size_t i = 0; i < 3; i++) put(Y, _i ? 2 - i : i, 0, y[i], var[i], lin[i], det[i]);
    const double entries[] = {a, b, c};
    const size_t row[] = {1, 2, 2}, col[] = {0, 0, 1};
    for (size_t i = 0; i < 3; i++)
        put(L, _i ? 2 - col[i] : row[i], _i ? 2 - row[i] : col[i], entries[i], var[3 + i], lin[3 + i], det[3 + i]);
    (_i ? delta_substitute_back : delta_substitute)(Y, L);
    double z1 = y[0], z2 = y[1] - a * z1, slope[] = {a * c - b, -c, 1, c * z1, -z1, -z2}, want[3] = {0};
    for (int i = 0; i < 6; i++) {
        want[0] += slope[i] * slope[i] * var[i];
        want[1] += fabs(slope[i]) * lin[i];
        want[2] += fabs(slope[i]) * det[i];
    }
    const gla_error_number *z3 = at(Y, _i ? 0 : 2, 0);
    ck_assert_double_eq(z3->x, y[2] - b * z1 - c * z2);
    ck_assert_double_eq_tol(z3->var, want[0], 1e-12 * want[0]);
    ck_assert_double_eq_tol(z3->lin, want[1], 1e-12 * want[1]);
    ck_assert_double_eq_tol(z3->det, want[2], 1e-12 * want[2]);
    gla_numbers_close(n);
}
END_TEST

/* L all ones: X has a diagonal of 1 and one of -1 below it. */
START_TEST(small_inverses_do_not_grow) {
    gla_numbers *n = open_errors();
    enum { ROWS = 40 };
    gla_matrix Y = gla_new(n, ROWS, 1), L = gla_new(n, ROWS, ROWS);
    for (size_t i = 0; i < ROWS; i++) {
        put(Y, i, 0, 1, 0x1p-20, 0x1p-10, 0);
        for (size_t j = 0; j < i; j++) put(L, i, j, 1, 0, 0, 0);
    }
    (_i ? delta_substitute_back : delta_substitute)(Y, L);
    for (size_t i = 0; i < ROWS; i++) {
        size_t place = _i ? ROWS - 1 - i : i;
        ck_assert_double_eq(at(Y, place, 0)->x, i == 0);
        ck_assert_double_eq(at(Y, place, 0)->var, (i ? 2 : 1) * 0x1p-20);
        ck_assert_double_eq(at(Y, place, 0)->lin, (i ? 2 : 1) * 0x1p-10);
    }
    gla_numbers_close(n);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("error of triangular systems");
    TCase *t = tcase_create("solve");
    tcase_set_timeout(t, 30);
    tcase_add_loop_test(t, values_are_those_of_substitution, 0, 2);
    tcase_add_loop_test(t, errors_come_once, 0, 2);
    tcase_add_loop_test(t, small_inverses_do_not_grow, 0, 2);
    suite_add_tcase(s, t);
    return s;
}

int main(void) { return test_main(suite()); }
