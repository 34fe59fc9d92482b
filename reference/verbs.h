/* SPDX-License-Identifier: Apache-2.0
 *
 * The matrix verbs: what a formulation is written in. Each is defined once, over the operations of a number system.
 *
 * A gla_matrix is a view: rows x cols numbers at byte strides, so a transpose, a row, a block of rows cost nothing.
 * A vector is a 1 x n matrix (gla_row) or n x 1. An absent matrix has at == NULL.
 * Verbs return nothing: the first failure (no memory) is kept in numbers->status and later verbs do nothing, so a
 * formulation reads like its equations and asks once, at the end.
 * Sums run in ascending index order from the value already in the result.
 */
#ifndef GLASSBOX_VERBS_H
#define GLASSBOX_VERBS_H

#include <stdbool.h>

#include "number/number.h"

typedef struct gla_matrix {
    gla_numbers *in;
    char *at;
    size_t rows, cols;
    ptrdiff_t row, col; /* bytes from one row, one column to the next */
} gla_matrix;

/* ---- memory: matrices live until their mark is released or the number system is closed ---- */
gla_matrix gla_new(gla_numbers *n, size_t rows, size_t cols); /* zeros */
gla_matrix gla_number(gla_numbers *n, double x);              /* [1,1], x rounded into the system */
void *gla_raw(gla_numbers *n, size_t bytes); /* zeroed, for what is no number; NULL: no memory, as the status says */
size_t gla_mark(gla_numbers *n);
void gla_release(gla_numbers *n, size_t mark); /* frees all matrices made since the mark */
void gla_arena_free(gla_numbers *n);           /* all of them, and the list: gla_numbers_close calls it */
gla_matrix gla_over(gla_numbers *n, void *at, size_t rows, size_t cols); /* dense view over the caller's numbers */

/* ---- views ---- */
void *gla_at(gla_matrix m, size_t i, size_t j);
gla_matrix gla_row(gla_matrix m, size_t i);                       /* 1 x cols */
gla_matrix gla_column(gla_matrix m, size_t j);                    /* rows x 1 */
gla_matrix gla_columns(gla_matrix m, size_t first, size_t count); /* rows x count */
gla_matrix gla_rows(gla_matrix m, size_t first, size_t count);    /* count x cols */
gla_matrix gla_transposed(gla_matrix m);
gla_matrix gla_spread(gla_matrix m, size_t rows, size_t cols); /* a number, row or column in every place: to be read */
bool gla_absent(gla_matrix m);

/* ---- elementwise; shapes equal, z may be x or y ---- */
void gla_copy(gla_matrix z, gla_matrix x);
void gla_zero(gla_matrix z);
void gla_fill(gla_matrix z, double x); /* x everywhere */
void gla_add(gla_matrix z, gla_matrix x, gla_matrix y);
void gla_sub(gla_matrix z, gla_matrix x, gla_matrix y);
void gla_mul(gla_matrix z, gla_matrix x, gla_matrix y);     /* z = x * y */
void gla_mul_add(gla_matrix z, gla_matrix x, gla_matrix y); /* z = x * y + z */
void gla_exp(gla_matrix z, gla_matrix x);
void gla_sqrt(gla_matrix z, gla_matrix x);
void gla_log1p(gla_matrix z, gla_matrix x); /* ln(1 + x) */
void gla_expm1(gla_matrix z, gla_matrix x); /* e^x - 1 */
void gla_sin(gla_matrix z, gla_matrix x);
void gla_cos(gla_matrix z, gla_matrix x);
void gla_neg(gla_matrix z, gla_matrix x);
void gla_max(gla_matrix z, gla_matrix x, gla_matrix y);      /* the larger */
void gla_above(gla_matrix z, gla_matrix x, gla_matrix y);    /* 1 where x > y, else 0 */
void gla_scale(gla_matrix z, gla_matrix x, gla_matrix s);    /* z = s x, s 1 x 1 */
void gla_divide(gla_matrix z, gla_matrix x, gla_matrix d);   /* z = x / d, d 1 x 1, not in z */
void gla_quotient(gla_matrix z, gla_matrix x, gla_matrix y); /* z_ij = x_ij / y_ij */

/* ---- the recurrence ---- */
void gla_decay(gla_matrix S, gla_matrix a, gla_matrix b); /* S_ij = a_i S_ij b_j; a or b may be absent (= 1) */
void gla_write(gla_matrix S, gla_matrix k, gla_matrix v); /* S_ij += k_i v_j */
void gla_read(gla_matrix o, gla_matrix S, gla_matrix q);  /* o_j = sum_i q_i S_ij; with S transposed: S do */

/* ---- products ---- */
void gla_product(gla_matrix C, gla_matrix A, gla_matrix B); /* C += A B */
void gla_row_dot(gla_matrix z, gla_matrix A, gla_matrix B); /* z_i += sum_j A_ij B_ij: row(A*B), z 1 x rows */
void gla_lower(gla_matrix P, bool strict);                  /* zero above the diagonal (strict: and on it) */

/* ---- sums over time: rows are tokens ---- */
void gla_suffix_sum(gla_matrix z, gla_matrix x); /* z_t = sum_{i>=t} x_i; z may be x */
void gla_prefix_sum(gla_matrix z, gla_matrix x); /* z_t = sum_{i<t} x_i (exclusive); z may not be x */

/* Announce a rounding site for every number of x. */
void gla_round_at(gla_matrix x, gla_site site);
/* x as an operand of two parts at a rounding site, hi + lo; exactly x and 0 where the site rounds nothing. */
void gla_split_at(gla_matrix hi, gla_matrix lo, gla_matrix x, gla_site site);

#endif
