/* SPDX-License-Identifier: Apache-2.0
 *
 * Hazard H6: X = (I + L)^-1 of a chunk of the delta rule, L strictly lower of the products of C = 64 keys (dk = 16,
 * beta = 1), in binary32 against MPFR on the same L.
 *     rows      substitution
 *     product   (I-L)(I+L^2)(I+L^4)...: for equal unit keys its powers reach C(62,31) = 4.65e17 and must cancel to 0
 *               and -1. What is left is the rounding of those powers, which depends on how a sum of products is
 *               rounded: by fma, as every number system here and every GPU has it, 2^32 = 4.3e9; each product
 *               rounded before it is added, 3.4e10. The specification's figure belongs to the second.
 * Random keys of |k| = 1.5 leave the stable domain: the error of the product form is then heavy-tailed, a factor of 10
 * and more from draw to draw, so the median of some draws is shown against a figure from one.
 */
#include <math.h>
#include <string.h>

#include "../reference/delta/inverse.h"
#include "study_hazards.h"

enum { C = 64, DK = 16 };

static void set(gla_matrix A, size_t i, size_t j, double x) {
    if (A.in->status == GLA_OK) A.in->ops->set_d(A.in, gla_at(A, i, j), x);
}

static void values(gla_matrix A, double out[]) {
    for (size_t i = 0; i < A.rows * A.cols && A.in->status == GLA_OK; i++)
        out[i] = A.in->ops->get_d(A.in, gla_at(A, i / A.cols, i % A.cols));
}

static double largest(gla_matrix A) {
    double at[C * C] = {0}, z = 0;
    values(A, at);
    for (int i = 0; i < C * C; i++) z = fmax(z, fabs(at[i]));
    return z;
}

/* L of random keys of this length. */
static gla_matrix random_keys(gla_numbers *n, double length, uint64_t seed) {
    gla_matrix K = gla_new(n, C, DK), L = gla_new(n, C, C);
    for (size_t i = 0; i < C; i++) {
        double k[DK], norm = 0;
        for (size_t c = 0; c < DK; c++) {
            k[c] = gla_draw_normal((gla_draw){seed, GLA_IN_K, i * DK + c});
            norm += k[c] * k[c];
        }
        for (size_t c = 0; c < DK; c++) set(K, i, c, k[c] * length / sqrt(norm));
    }
    gla_product(L, K, gla_transposed(K));
    gla_lower(L, true);
    return L;
}

/* L of equal keys: b everywhere below the diagonal, b = beta |k|^2. */
static gla_matrix equal_keys(gla_numbers *n, double b) {
    gla_matrix L = gla_new(n, C, C);
    for (size_t i = 0; i < C; i++)
        for (size_t j = 0; j < i; j++) set(L, i, j, b);
    return L;
}

/* A B, every product rounded before it is added. */
static gla_matrix unfused(gla_matrix A, gla_matrix B) {
    gla_matrix Z = gla_new(A.in, C, C), term = gla_new(A.in, 1, C);
    for (size_t i = 0; i < C; i++)
        for (size_t j = 0; j < C; j++) {
            gla_scale(term, gla_row(B, j), gla_columns(gla_row(A, i), j, 1));
            gla_add(gla_row(Z, i), gla_row(Z, i), term);
        }
    return Z;
}

/* delta_inverse_product with such sums: X = (I - L)(I + L^2)(I + L^4)... */
static gla_matrix unfused_product_form(gla_matrix L) {
    gla_matrix I = gla_new(L.in, C, C), X = gla_new(L.in, C, C), power = L;
    for (size_t i = 0; i < C; i++) set(I, i, i, 1);
    gla_sub(X, I, L);
    for (int p = 2; p < C; p *= 2) {
        gla_matrix factor = gla_new(L.in, C, C);
        power = unfused(power, power);
        gla_add(factor, power, I);
        X = unfused(X, factor);
    }
    return X;
}

static gla_matrix inverse_by(const char *how, gla_matrix L) {
    if (strcmp(how, "product-unfused") == 0) return unfused_product_form(L);
    gla_matrix X = gla_new(L.in, C, C);
    (strcmp(how, "rows") == 0 ? delta_inverse_rows : delta_inverse_product)(X, L);
    return X;
}

static gla_status error_of(const char *how, gla_matrix L, double *error, gla_error *err) {
    gla_numbers *exact;
    gla_status status = gla_numbers_open("mpfr:256", &exact, err);
    if (status) return status;
    double l[C * C] = {0}, x[C * C] = {0}, truth[C * C] = {0};
    values(L, l);
    gla_matrix L_exact = gla_new(exact, C, C), X_exact = gla_new(exact, C, C);
    for (size_t i = 0; i < C * C; i++) set(L_exact, i / C, i % C, l[i]);
    delta_inverse_rows(X_exact, L_exact);
    values(X_exact, truth);
    values(inverse_by(how, L), x);
    *error = gla_hazard_error(x, truth, C * C);
    status = exact->status ? exact->status : L.in->status;
    gla_numbers_close(exact);
    return status ? gla_fail(err, status, "inverse of a chunk: %s", gla_status_text(status)) : GLA_OK;
}

static gla_status inverse_once(const gla_hazard *h, uint64_t seed, double *measured, gla_error *err) {
    gla_numbers *n;
    gla_status status = gla_numbers_open("binary32", &n, err);
    if (status) return status;
    status = error_of(h->how, random_keys(n, h->x, seed), measured, err);
    gla_numbers_close(n);
    return status;
}

gla_status gla_hazard_inverse_random(const gla_hazard *h, uint64_t seed, double *measured, gla_error *err) {
    return gla_hazard_median_of(inverse_once, GLA_HAZARD_DRAWS, h, seed, measured, err);
}

gla_status gla_hazard_inverse_equal(const gla_hazard *h, uint64_t seed, double *measured, gla_error *err) {
    (void)seed;
    gla_numbers *n;
    gla_status status = gla_numbers_open("binary32", &n, err);
    if (status) return status;
    status = error_of(h->how, equal_keys(n, 1), measured, err);
    gla_numbers_close(n);
    return status;
}

/* The largest element of f(L) in binary32. */
static gla_status largest_of(gla_matrix f(gla_matrix L), double b, double *measured, gla_error *err) {
    gla_numbers *n;
    gla_status status = gla_numbers_open("binary32", &n, err);
    if (status) return status;
    *measured = largest(f(equal_keys(n, b)));
    status = n->status ? gla_fail(err, n->status, "powers of a chunk: %s", gla_status_text(n->status)) : GLA_OK;
    gla_numbers_close(n);
    return status;
}

static gla_matrix power_32(gla_matrix L) {
    for (int i = 0; i < 5; i++) {
        gla_matrix square = gla_new(L.in, C, C);
        gla_product(square, L, L);
        L = square;
    }
    return L;
}

static gla_matrix by_rows(gla_matrix L) { return inverse_by("rows", L); }

gla_status gla_hazard_power(const gla_hazard *h, uint64_t seed, double *measured, gla_error *err) {
    (void)h, (void)seed;
    return largest_of(power_32, 1, measured, err);
}

gla_status gla_hazard_growth(const gla_hazard *h, uint64_t seed, double *measured, gla_error *err) {
    (void)seed;
    return largest_of(by_rows, h->x, measured, err);
}
