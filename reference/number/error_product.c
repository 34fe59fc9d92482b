/* SPDX-License-Identifier: Apache-2.0
 *
 * Matrix products of error numbers: every element is a sum of products by the rules of error.c, taken in order.
 *
 * Operands are rounded once and laid out field by field, so that the sums of a row of C run side by side, WIDTH columns
 * at a time. What is rare, exact sums that a scale would spoil (`spared`), is left to a loop of its own.
 * Memory: (rows + WIDTH) K FIELDS doubles, kept for the next product.
 */
#include <stdlib.h>

#include "../verbs.h"
#include "error_parts.h"

enum { WIDTH = 64, BLOCK = 16 }; /* columns at a time; products that a tensor core adds at once */

/* Of an operand as the product unit reads it. ROUNDED: it is truncated there. */
enum field { X, SIZE_OF_X, SQUARE, VAR, LIN, DET, SIZE, UNIT, SPARED, ROUNDED, FIELDS };

/* One body for several machines, chosen when the program starts; none contracts, so the numbers are the same. */
#if defined(__x86_64__) && defined(__gnu_linux__) && !defined(__clang__)
#define CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define CLONES
#endif

/* A row of C, or WIDTH columns of it. */
typedef struct sums {
    double x[WIDTH], var[WIDTH], lin[WIDTH], det[WIDTH], size[WIDTH], unit[WIDTH];
    double absolute[WIDTH];                   /* sum of |products| */
    double squares[WIDTH], magnitudes[WIDTH]; /* of partial sums and products: what their roundings are relative to */
    double biased[WIDTH];                     /* what truncated operands all lose */
} sums;

/* What the operands of a product have in common. */
typedef struct operands {
    bool scaled, spared;
} operands;

/* ---- operands ---- */

/* Field f of the number lies at to[f * stride]. */
static void lay_out(double *to, size_t stride, const gla_error_number *at, const error_numbers *n, operands *all) {
    const gla_rounding_rule *rule = &n->model.operand;
    gla_error_number x = *at;
    if (!rule->one_sided) error_round(&x, rule, n->repeats);
    to[X * stride] = x.x;
    to[SIZE_OF_X * stride] = fabs(x.x);
    to[SQUARE * stride] = fabs(x.x) * fabs(x.x);
    to[VAR * stride] = x.var;
    to[LIN * stride] = x.lin;
    to[DET * stride] = x.det;
    to[SIZE * stride] = x.size;
    to[UNIT * stride] = x.size == 0 ? 4 * FAR : x.unit; /* beyond any sum of units */
    to[SPARED * stride] = x.spared;
    to[ROUNDED * stride] = rule->one_sided && !fits(x.size, x.unit, rule->p);
    all->scaled |= x.scaled;
    all->spared |= x.spared > 0;
}

/* ---- sums ---- */

/* a b_j is added to sum j: a at its fields, b_j at its fields `width` apart. */
CLONES static void add_products(size_t width, const double *restrict a, const double *restrict b, sums *restrict s) {
    const double *restrict x = b + X * width, *restrict size_of_x = b + SIZE_OF_X * width;
    const double *restrict square = b + SQUARE * width, *restrict var = b + VAR * width;
    const double *restrict lin = b + LIN * width, *restrict det = b + DET * width;
    const double *restrict size = b + SIZE * width, *restrict unit = b + UNIT * width;
    for (size_t j = 0; j < width; j++) {
        s->x[j] += a[X] * x[j];
        s->var[j] += square[j] * a[VAR] + a[SQUARE] * var[j];
        s->lin[j] += size_of_x[j] * a[LIN] + a[SIZE_OF_X] * lin[j];
        s->det[j] += size_of_x[j] * a[DET] + a[SIZE_OF_X] * det[j] + a[DET] * det[j];
        s->size[j] += a[SIZE] * size[j];
        s->absolute[j] += a[SIZE_OF_X] * size_of_x[j];
        double u = a[UNIT] + unit[j];
        s->unit[j] = u < s->unit[j] ? u : s->unit[j];
    }
}

/* The roundings of a b_j and of the sum after it. */
CLONES static void add_roundings(size_t width, const double *restrict a, const double *restrict b, sums *restrict s) {
    for (size_t j = 0; j < width; j++) {
        double size = a[SIZE_OF_X] * b[SIZE_OF_X * width + j];
        s->squares[j] += s->x[j] * s->x[j] + size * size;
        s->magnitudes[j] += fabs(s->x[j]) + size;
    }
}

/* Truncated operands: relative errors between 0 and u, all of one sign. Their mean moves the whole sum in proportion
 * (det), their scatter of +-u/2 about it averages out (var). */
CLONES static void add_truncations(size_t width, double u, double repeats, const double *restrict a,
                                   const double *restrict b, sums *restrict s) {
    for (size_t j = 0; j < width; j++) {
        double bias = (a[ROUNDED] + b[ROUNDED * width + j]) * u;
        double e = bias / 2 * (a[SIZE_OF_X] * b[SIZE_OF_X * width + j]);
        s->var[j] += repeats * (e * e);
        s->lin[j] += e;
        s->biased[j] += bias * (a[X] * b[X * width + j]);
    }
}

static void open_sum(sums *s, size_t j, const gla_error_number *z) {
    s->x[j] = z->x;
    s->var[j] = z->var;
    s->lin[j] = z->lin;
    s->det[j] = z->det;
    s->size[j] = z->size;
    s->unit[j] = z->unit;
    s->absolute[j] = fabs(z->x);
    s->squares[j] = s->magnitudes[j] = s->biased[j] = 0;
}

/* What K products spare behind a sum that is exact, and what the operands had spared. */
static double spared_by(const double *a, const double *b, size_t j, size_t width, size_t K) {
    double spared = 0;
    for (size_t k = 0; k < K; k++, a += FIELDS, b += FIELDS * width)
        spared += a[SIZE_OF_X] * b[SPARED * width + j] + a[SPARED] * b[SIZE_OF_X * width + j];
    return spared;
}

/* The accumulation's own roundings, unless the sum is exact; then their total bound, which it was spared. */
static double round_sum(gla_error_number *z, const sums *s, size_t j, size_t K, const error_numbers *n) {
    const gla_rounding_rule *rule = &n->model.sum;
    if (rule->u == 0) return 0;
    double blocks = ceil((double)K / BLOCK);
    double total = rule->u * (rule->one_sided ? blocks * s->absolute[j] : s->magnitudes[j]);
    bool underflows = !rule->one_sided && power_of_two(z->unit) < 2 * rule->tiny; /* below the coarsest grid */
    if (fits(z->size, z->unit, rule->p) && !underflows) return total;
    if (rule->one_sided)
        z->det += total + rule->tiny;
    else {
        z->var += n->repeats * (rule->u * rule->u * s->squares[j]);
        z->lin += total;
        z->det += (double)K * rule->tiny; /* every product may underflow; sums of such numbers are exact */
    }
    error_narrow(z, rule->u, rule->p);
    return 0;
}

static void close_sum(gla_error_number *z, const sums *s, size_t j, size_t K, const error_numbers *n) {
    z->x = s->x[j];
    z->var = s->var[j];
    z->lin = s->lin[j];
    z->det = s->det[j] + fabs(s->biased[j]);
    z->size = s->size[j];
    z->unit = clamp_unit((int)s->unit[j]);
    double spared = round_sum(z, s, j, K, n);
    if (n->counts_spared) z->spared += spared;
}

/* With the scale in it, nothing is spared any more. */
static void bring_in_scale(gla_error_number *z, bool scaled) {
    z->scaled |= scaled;
    if (!z->scaled) return;
    z->det += z->spared;
    z->spared = 0;
}

/* ---- the product ---- */

static void add_row(sums *s, size_t width, const double *a, const double *b, size_t K, const error_numbers *n) {
    const gla_rounding_rule *operand = &n->model.operand, *sum = &n->model.sum;
    for (size_t k = 0; k < K; k++, a += FIELDS, b += FIELDS * width) {
        add_products(width, a, b, s);
        if (operand->one_sided) add_truncations(width, operand->u, n->repeats, a, b, s);
        if (sum->u > 0 && !sum->one_sided) add_roundings(width, a, b, s);
    }
}

/* Columns first .. first+width-1 of C, from all rows of A and those columns of B as laid out. */
static void add_columns(const gla_matrix *C, size_t first, size_t width, const double *a, const double *b, size_t K,
                        operands all, const error_numbers *n) {
    sums s;
    for (size_t i = 0; i < C->rows; i++, a += K * FIELDS) {
        for (size_t j = 0; j < width; j++) open_sum(&s, j, gla_at(*C, i, first + j));
        add_row(&s, width, a, b, K, n);
        for (size_t j = 0; j < width; j++) {
            gla_error_number *z = gla_at(*C, i, first + j);
            close_sum(z, &s, j, K, n);
            if (all.spared) z->spared += spared_by(a, b, j, width, K);
            bring_in_scale(z, all.scaled);
            z->floor = 0;
        }
    }
}

/* Room for so many doubles, or NULL with the status set. */
static double *scratch_of(error_numbers *n, size_t doubles) {
    if (doubles <= n->room) return n->scratch;
    double *larger = realloc(n->scratch, doubles * sizeof *larger);
    if (!larger) {
        n->common.status = GLA_NO_MEMORY;
        return NULL;
    }
    n->scratch = larger;
    n->room = doubles;
    return larger;
}

void error_product(gla_numbers *numbers, const gla_matrix *C, const gla_matrix *A, const gla_matrix *B) {
    error_numbers *n = error_self(numbers);
    size_t K = A->cols, rows = A->rows;
    operands all = {false, false};
    double *a = scratch_of(n, (rows + WIDTH) * K * FIELDS + 1), *b = a + rows * K * FIELDS;
    if (!a) return;
    for (size_t i = 0; i < rows; i++)
        for (size_t k = 0; k < K; k++) lay_out(a + (i * K + k) * FIELDS, 1, gla_at(*A, i, k), n, &all);
    for (size_t first = 0; first < C->cols; first += WIDTH) {
        size_t width = C->cols - first < WIDTH ? C->cols - first : WIDTH;
        for (size_t k = 0; k < K; k++)
            for (size_t j = 0; j < width; j++)
                lay_out(b + k * FIELDS * width + j, width, gla_at(*B, k, first + j), n, &all);
        add_columns(C, first, width, a, b, K, all, n);
    }
}
