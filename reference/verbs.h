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
bool gla_absent(gla_matrix m);

/* ---- elementwise; shapes equal, z may be x or y ---- */
void gla_copy(gla_matrix z, gla_matrix x);
void gla_zero(gla_matrix z);
void gla_add(gla_matrix z, gla_matrix x, gla_matrix y);
void gla_sub(gla_matrix z, gla_matrix x, gla_matrix y);
void gla_mul(gla_matrix z, gla_matrix x, gla_matrix y);     /* z = x * y */
void gla_mul_add(gla_matrix z, gla_matrix x, gla_matrix y); /* z = x * y + z */
void gla_exp(gla_matrix z, gla_matrix x);
void gla_sqrt(gla_matrix z, gla_matrix x);
void gla_log1p(gla_matrix z, gla_matrix x); /* ln(1 + x) */
void gla_neg(gla_matrix z, gla_matrix x);
void gla_max(gla_matrix z, gla_matrix x, gla_matrix y);    /* the larger */
void gla_above(gla_matrix z, gla_matrix x, gla_matrix y);  /* 1 where x > y, else 0 */
void gla_scale(gla_matrix z, gla_matrix x, gla_matrix s);  /* z = s x, s 1 x 1 */
void gla_divide(gla_matrix z, gla_matrix x, gla_matrix d); /* z = x / d, d 1 x 1, not in z */

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

/* ---- cumulative log gates, exact resets included ----
 * Gamma_t = sum_{j<=t} g_j since the last reset; epoch counts the resets (g = -inf) up to t, per channel. The decay
 * from token i to token t is e^(Gamma_t - Gamma_i) within one epoch and exactly 0 across a reset, so -inf never meets
 * -inf. A sum of finite gates that leaves the system's range starts a new epoch too. */
typedef struct gla_gates {
    gla_matrix sum; /* Gamma [T,D] */
    int64_t *epoch; /* [T,D] */
    bool present;   /* false: no gate, every decay is 1 and the rest is unset */
} gla_gates;

gla_gates gla_gate_sum(gla_numbers *n, gla_matrix g);             /* of g [T,D] (absent allowed), from its first row */
gla_gates gla_gate_rows(gla_gates g, size_t first, size_t count); /* view of rows; sums still count from row 0 */
/* z [1,D] = decay from just before row 0 to row t: e^(Gamma_t), 0 after a reset. */
void gla_decay_in(gla_matrix z, gla_gates g, size_t t);
/* z [1,D] = decay from row i to row t >= i: e^(Gamma_t - Gamma_i), 0 across a reset. */
void gla_decay_between(gla_matrix z, gla_gates g, size_t t, size_t i);

#endif
