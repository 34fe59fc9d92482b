/* SPDX-License-Identifier: Apache-2.0
 *
 * Unit triangular systems of error numbers, (I + L) Z = Y by substitution, Z in the place of Y; or (I + L)^T Z = Y.
 *
 * Row by row, an error met early would come to a later row along every path through L as if each were its own: then
 * bounds grow like products of 1 + |L| where the inverse X = (I + L)^-1 is small (keys that are all equal: 2^m beside
 * |X| <= 1). To first order there is one way only,
 *     e_Z = X R ,   R_rj = e_Y,rj - sum_i e_L,ri Z_ij + the roundings of row r
 * so the residual R is collected with no error of earlier rows in it, and X, in values, carries it with its signs:
 *     var(Z) = X^2 var(R)     lin(Z) = |X| lin(R)     det(Z) = |X| det(R)     spared likewise
 * (Higham, Accuracy and Stability, 8.1: the residual of a substitution is small row by row, whatever L.)
 *
 * Precision: values in binary64. Exactness (size, unit) goes row by row, as the operations do.
 */
#include <stdlib.h>

#include "../verbs.h"
#include "error_parts.h"

/* The system in the order in which rows are solved: rows and columns turned around for the transposed one. */
typedef struct triangle {
    const gla_matrix *L, *Y;
    size_t m, D;
    bool back;
} triangle;

static gla_error_number *row_of(const triangle *s, size_t r, size_t j) {
    return gla_at(*s->Y, s->back ? s->m - 1 - r : r, j);
}

static const gla_error_number *below(const triangle *s, size_t r, size_t i) {
    return s->back ? gla_at(*s->L, s->m - 1 - i, s->m - 1 - r) : gla_at(*s->L, r, i);
}

static gla_error_number without_error(const gla_error_number *x, double sign) {
    gla_error_number z = *x;
    z.x *= sign;
    z.var = z.lin = z.det = z.spared = 0;
    return z;
}

/* Residuals [m,D] of one kind each. */
typedef struct residuals {
    double *var, *lin, *det, *spared;
} residuals;

/* Row r, column j: the number becomes the solution, and what is off in it by itself the residual. The terms in the
 * order of the plain substitution: forward with i ascending, back with the later rows ascending. */
static void solve_element(gla_numbers *n, const triangle *s, size_t r, size_t j, residuals R) {
    gla_error_number *z = row_of(s, r, j), y = *z;
    double var = y.var, lin = y.lin, det = y.det, spared = y.spared;
    *z = without_error(&y, 1);
    for (size_t k = 0; k < r; k++) {
        size_t i = s->back ? r - 1 - k : k;
        const gla_error_number *L = below(s, r, i), *earlier = row_of(s, i, j);
        gla_error_number minus_L = without_error(L, -1), known = without_error(earlier, 1);
        n->ops->fma(n, z, &minus_L, &known, z);
        double x = fabs(known.x);
        var += L->var * x * x;
        lin += L->lin * x;
        det += L->det * x;
        spared += L->spared * x;
    }
    R.var[r * s->D + j] = z->var + var;
    R.lin[r * s->D + j] = z->lin + lin;
    R.det[r * s->D + j] = z->det + det;
    R.spared[r * s->D + j] = z->spared + spared;
}

/* X [m,m], unit lower. */
static void invert(const triangle *s, double *X) {
    for (size_t r = 0; r < s->m; r++) {
        X[r * s->m + r] = 1;
        for (size_t i = 0; i < r; i++) {
            double L = below(s, r, i)->x;
            for (size_t j = 0; j <= i; j++) X[r * s->m + j] -= L * X[i * s->m + j];
        }
    }
}

static void carry(const triangle *s, const double *X, residuals R) {
    for (size_t r = 0; r < s->m; r++)
        for (size_t j = 0; j < s->D; j++) {
            gla_error_number *z = row_of(s, r, j);
            z->var = z->lin = z->det = z->spared = 0;
            for (size_t i = 0; i <= r; i++) {
                double x = fabs(X[r * s->m + i]);
                z->var += x * x * R.var[i * s->D + j];
                z->lin += x * R.lin[i * s->D + j];
                z->det += x * R.det[i * s->D + j];
                z->spared += x * R.spared[i * s->D + j];
            }
        }
}

void error_solve(gla_numbers *n, const gla_matrix *Y, const gla_matrix *L, bool back) {
    triangle s = {L, Y, Y->rows, Y->cols, back};
    size_t elements = s.m * s.D;
    double *memory = calloc(s.m * s.m + 4 * elements + 1, sizeof *memory);
    if (!memory) {
        n->status = GLA_NO_MEMORY;
        return;
    }
    double *at = memory + s.m * s.m;
    residuals R = {at, at + elements, at + 2 * elements, at + 3 * elements};
    for (size_t r = 0; r < s.m; r++)
        for (size_t j = 0; j < s.D; j++) solve_element(n, &s, r, j, R);
    invert(&s, memory);
    carry(&s, memory, R);
    free(memory);
}
