/* SPDX-License-Identifier: Apache-2.0
 *
 * The matrix verbs over any number system; contract in verbs.h.
 *
 * Precision: one rounding per operation of the system. Sums ascend in index. `gla_product` and `gla_read` hand whole
 * products to the system when it has its own `product` (a tensor core), they and `gla_row_dot` whole dot products when
 * it has its own `dot` (an error model); otherwise they are chains of fma, by rows through `axpy` where that is
 * quicker: the same numbers.
 */
#include "verbs.h"

#include <math.h>

static bool stopped(const gla_numbers *n) { return n->status != GLA_OK; }

/* ---- elementwise ---- */

/* Announces the verb and tells whether there is anything to do. */
static bool begin(gla_matrix m, const char *verb) {
    if (stopped(m.in)) return false;
    m.in->verb = verb;
    return true;
}

typedef void binary_op(gla_numbers *n, void *z, const void *x, const void *y);
typedef void unary_op(gla_numbers *n, void *z, const void *x);

static void each2(gla_matrix z, gla_matrix x, gla_matrix y, binary_op *op) {
    for (size_t i = 0; i < z.rows; i++)
        for (size_t j = 0; j < z.cols; j++) op(z.in, gla_at(z, i, j), gla_at(x, i, j), gla_at(y, i, j));
}

static void each1(gla_matrix z, gla_matrix x, unary_op *op) {
    for (size_t i = 0; i < z.rows; i++)
        for (size_t j = 0; j < z.cols; j++) op(z.in, gla_at(z, i, j), gla_at(x, i, j));
}

void gla_copy(gla_matrix z, gla_matrix x) {
    if (begin(z, "copy")) each1(z, x, z.in->ops->set);
}

void gla_fill(gla_matrix z, double x) {
    if (!begin(z, "fill")) return;
    for (size_t i = 0; i < z.rows; i++)
        for (size_t j = 0; j < z.cols; j++) z.in->ops->set_d(z.in, gla_at(z, i, j), x);
}

void gla_zero(gla_matrix z) {
    if (!begin(z, "zero")) return;
    for (size_t i = 0; i < z.rows; i++)
        for (size_t j = 0; j < z.cols; j++) z.in->ops->set_d(z.in, gla_at(z, i, j), 0.0);
}

void gla_add(gla_matrix z, gla_matrix x, gla_matrix y) {
    if (begin(z, "add")) each2(z, x, y, z.in->ops->add);
}

void gla_sub(gla_matrix z, gla_matrix x, gla_matrix y) {
    if (begin(z, "sub")) each2(z, x, y, z.in->ops->sub);
}

void gla_mul(gla_matrix z, gla_matrix x, gla_matrix y) {
    if (begin(z, "mul")) each2(z, x, y, z.in->ops->mul);
}

void gla_mul_add(gla_matrix z, gla_matrix x, gla_matrix y) {
    if (!begin(z, "mul_add")) return;
    for (size_t i = 0; i < z.rows; i++)
        for (size_t j = 0; j < z.cols; j++)
            z.in->ops->fma(z.in, gla_at(z, i, j), gla_at(x, i, j), gla_at(y, i, j), gla_at(z, i, j));
}

void gla_exp(gla_matrix z, gla_matrix x) {
    if (begin(z, "exp")) each1(z, x, z.in->ops->exp);
}

void gla_log1p(gla_matrix z, gla_matrix x) {
    if (begin(z, "log1p")) each1(z, x, z.in->ops->log1p);
}

void gla_sin(gla_matrix z, gla_matrix x) {
    if (begin(z, "sin")) each1(z, x, z.in->ops->sin);
}

void gla_cos(gla_matrix z, gla_matrix x) {
    if (begin(z, "cos")) each1(z, x, z.in->ops->cos);
}

void gla_expm1(gla_matrix z, gla_matrix x) {
    if (begin(z, "expm1")) each1(z, x, z.in->ops->expm1);
}

void gla_sqrt(gla_matrix z, gla_matrix x) {
    if (begin(z, "sqrt")) each1(z, x, z.in->ops->sqrt);
}

void gla_neg(gla_matrix z, gla_matrix x) {
    if (begin(z, "neg")) each1(z, x, z.in->ops->neg);
}

void gla_max(gla_matrix z, gla_matrix x, gla_matrix y) {
    if (begin(z, "max")) each2(z, x, y, z.in->ops->max);
}

void gla_above(gla_matrix z, gla_matrix x, gla_matrix y) {
    if (begin(z, "above")) each2(z, x, y, z.in->ops->above);
}

void gla_scale(gla_matrix z, gla_matrix x, gla_matrix s) {
    if (!begin(z, "scale")) return;
    for (size_t i = 0; i < z.rows; i++)
        for (size_t j = 0; j < z.cols; j++) z.in->ops->mul(z.in, gla_at(z, i, j), gla_at(x, i, j), s.at);
}

void gla_quotient(gla_matrix z, gla_matrix x, gla_matrix y) {
    if (begin(z, "quotient")) each2(z, x, y, z.in->ops->div);
}

void gla_divide(gla_matrix z, gla_matrix x, gla_matrix d) {
    if (!begin(z, "divide")) return;
    for (size_t i = 0; i < z.rows; i++)
        for (size_t j = 0; j < z.cols; j++) z.in->ops->div(z.in, gla_at(z, i, j), gla_at(x, i, j), d.at);
}

/* ---- the recurrence ---- */

/* z_j = a x_j + z_j over a row, through the system's axpy if it has one. */
static void row_axpy(gla_matrix z, const void *a, gla_matrix x) {
    gla_numbers *n = z.in;
    if (n->ops->axpy) {
        n->ops->axpy(n, z.at, z.col, a, x.at, x.col, z.cols);
        return;
    }
    for (size_t j = 0; j < z.cols; j++) {
        void *zj = gla_at(z, 0, j);
        n->ops->fma(n, zj, a, gla_at(x, 0, j), zj);
    }
}

void gla_decay(gla_matrix S, gla_matrix a, gla_matrix b) {
    if (!begin(S, "decay")) return;
    gla_numbers *n = S.in;
    for (size_t i = 0; i < S.rows; i++)
        for (size_t j = 0; j < S.cols; j++) {
            void *x = gla_at(S, i, j);
            if (!gla_absent(a)) n->ops->mul(n, x, gla_at(a, 0, i), x);
            if (!gla_absent(b)) n->ops->mul(n, x, x, gla_at(b, 0, j));
        }
}

void gla_write(gla_matrix S, gla_matrix k, gla_matrix v) {
    if (!begin(S, "write")) return;
    for (size_t i = 0; i < S.rows; i++) row_axpy(gla_row(S, i), gla_at(k, 0, i), v);
}

void gla_read(gla_matrix o, gla_matrix S, gla_matrix q) {
    gla_zero(o);
    gla_product(o, q, S);
}

/* ---- products ---- */

/* z += sum_i x_i y_i for x a row and y a column. */
static void dot(gla_numbers *n, void *z, gla_matrix x, gla_matrix y) {
    if (n->ops->dot) {
        n->ops->dot(n, z, x.at, x.col, y.at, y.row, x.cols);
        return;
    }
    for (size_t i = 0; i < x.cols; i++) n->ops->fma(n, z, gla_at(x, 0, i), gla_at(y, i, 0), z);
}

void gla_product(gla_matrix C, gla_matrix A, gla_matrix B) {
    if (!begin(C, "product")) return;
    if (C.in->ops->product) {
        C.in->ops->product(C.in, &C, &A, &B);
        return;
    }
    bool by_rows = C.in->ops->axpy && !C.in->ops->dot;
    for (size_t r = 0; r < C.rows; r++) {
        if (by_rows) {
            for (size_t i = 0; i < A.cols; i++) row_axpy(gla_row(C, r), gla_at(A, r, i), gla_row(B, i));
            continue;
        }
        for (size_t j = 0; j < C.cols; j++) {
            gla_matrix column = B;
            column.at = gla_at(B, 0, j);
            dot(C.in, gla_at(C, r, j), gla_row(A, r), column);
        }
    }
}

void gla_row_dot(gla_matrix z, gla_matrix A, gla_matrix B) {
    if (!begin(z, "row_dot")) return;
    for (size_t i = 0; i < A.rows; i++) dot(z.in, gla_at(z, 0, i), gla_row(A, i), gla_transposed(gla_row(B, i)));
}

void gla_lower(gla_matrix P, bool strict) {
    if (!begin(P, "lower")) return;
    for (size_t i = 0; i < P.rows; i++)
        for (size_t j = strict ? i : i + 1; j < P.cols; j++) P.in->ops->set_d(P.in, gla_at(P, i, j), 0.0);
}

/* ---- sums over time ---- */

void gla_suffix_sum(gla_matrix z, gla_matrix x) {
    if (!begin(z, "suffix_sum") || z.rows == 0) return;
    each1(gla_row(z, z.rows - 1), gla_row(x, z.rows - 1), z.in->ops->set);
    for (size_t t = z.rows - 1; t-- > 0;) each2(gla_row(z, t), gla_row(x, t), gla_row(z, t + 1), z.in->ops->add);
}

void gla_prefix_sum(gla_matrix z, gla_matrix x) {
    if (!begin(z, "prefix_sum") || z.rows == 0) return;
    gla_zero(gla_row(z, 0));
    for (size_t t = 1; t < z.rows; t++) each2(gla_row(z, t), gla_row(z, t - 1), gla_row(x, t - 1), z.in->ops->add);
}

void gla_round_at(gla_matrix x, gla_site site) {
    if (stopped(x.in) || !x.in->ops->site) return;
    for (size_t i = 0; i < x.rows; i++)
        for (size_t j = 0; j < x.cols; j++) x.in->ops->site(x.in, site, gla_at(x, i, j));
}

void gla_split_at(gla_matrix hi, gla_matrix lo, gla_matrix x, gla_site site) {
    if (stopped(x.in)) return;
    const struct gla_number_ops *ops = x.in->ops;
    if (!ops->split) {
        gla_copy(hi, x);
        gla_zero(lo);
        return;
    }
    for (size_t i = 0; i < x.rows; i++)
        for (size_t j = 0; j < x.cols; j++) ops->split(x.in, site, gla_at(hi, i, j), gla_at(lo, i, j), gla_at(x, i, j));
}
