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
#include <stdlib.h>

/* ---- memory ---- */

struct block {
    void *at;
    size_t numbers; /* initialised numbers inside, 0 for raw memory */
};

struct gla_arena {
    struct block *blocks;
    size_t used, room;
};

static bool stopped(const gla_numbers *n) { return n->status != GLA_OK; }

static void stop(gla_numbers *n, gla_status status) {
    if (n->status == GLA_OK) n->status = status;
}

/* Room for one more block in the arena, or NULL. */
static struct block *next_block(gla_numbers *n) {
    if (!n->arena) n->arena = calloc(1, sizeof *n->arena);
    struct gla_arena *a = n->arena;
    if (!a) return NULL;
    if (a->used == a->room) {
        size_t room = a->room ? 2 * a->room : 64;
        struct block *blocks = realloc(a->blocks, room * sizeof *blocks);
        if (!blocks) return NULL;
        a->blocks = blocks;
        a->room = room;
    }
    return &a->blocks[a->used];
}

/* `bytes` of arena memory (at least one), or NULL with the status set. */
static void *arena_take(gla_numbers *n, size_t bytes) {
    if (stopped(n)) return NULL;
    struct block *b = next_block(n);
    void *at = b ? calloc(bytes ? bytes : 1, 1) : NULL;
    if (!at) {
        stop(n, GLA_NO_MEMORY);
        return NULL;
    }
    *b = (struct block){at, 0};
    n->arena->used++;
    return at;
}

gla_matrix gla_new(gla_numbers *n, size_t rows, size_t cols) {
    size_t count = rows * cols;
    char *at = arena_take(n, count * n->size);
    if (at) {
        for (size_t i = 0; i < count; i++) n->ops->init(n, at + i * n->size);
        n->arena->blocks[n->arena->used - 1].numbers = count;
    }
    return gla_over(n, at, rows, cols);
}

size_t gla_mark(gla_numbers *n) { return n->arena ? n->arena->used : 0; }

void gla_release(gla_numbers *n, size_t mark) {
    struct gla_arena *a = n->arena;
    if (!a) return;
    while (a->used > mark) {
        struct block *b = &a->blocks[--a->used];
        for (size_t i = 0; i < b->numbers; i++) n->ops->clear(n, (char *)b->at + i * n->size);
        free(b->at);
    }
}

void gla_arena_free(gla_numbers *n) {
    gla_release(n, 0);
    if (n->arena) free(n->arena->blocks);
    free(n->arena);
    n->arena = NULL;
}

/* ---- views ---- */

gla_matrix gla_over(gla_numbers *n, void *at, size_t rows, size_t cols) {
    return (gla_matrix){n, at, rows, cols, (ptrdiff_t)(cols * n->size), (ptrdiff_t)n->size};
}

void *gla_at(gla_matrix m, size_t i, size_t j) { return m.at + (ptrdiff_t)i * m.row + (ptrdiff_t)j * m.col; }

gla_matrix gla_rows(gla_matrix m, size_t first, size_t count) {
    if (m.at) m.at += (ptrdiff_t)first * m.row;
    m.rows = count;
    return m;
}

gla_matrix gla_row(gla_matrix m, size_t i) { return gla_rows(m, i, 1); }

gla_matrix gla_transposed(gla_matrix m) { return (gla_matrix){m.in, m.at, m.cols, m.rows, m.col, m.row}; }

gla_matrix gla_columns(gla_matrix m, size_t first, size_t count) {
    if (m.at) m.at = gla_at(m, 0, first);
    m.cols = count;
    return m;
}

gla_matrix gla_column(gla_matrix m, size_t j) { return gla_columns(m, j, 1); }

bool gla_absent(gla_matrix m) { return m.at == NULL; }

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

/* ---- cumulative log gates ---- */

/* A sum of finite negative gates that has left the system's range: its decay is 0 there, as after a reset. Systems
 * with a wider range than binary64 (MPFR, intervals) keep theirs. */
static bool sum_left_range(gla_numbers *n, const void *before, const void *gate, const void *sum) {
    if (isfinite(n->ops->get_d(n, sum))) return false;
    double a = n->ops->get_d(n, before), b = n->ops->get_d(n, gate);
    if (!(a < 0 && b < 0 && isfinite(a) && isfinite(b))) return false;
    mpfr_t exact;
    mpfr_init2(exact, 53);
    n->ops->get_mpfr(n, exact, sum);
    bool left = !mpfr_number_p(exact);
    mpfr_clear(exact);
    return left;
}

/* One token of the sum: Gamma_t = Gamma_{t-1} + g_t, or a fresh start at 0 after g_t = -inf. */
static void gate_step(gla_gates *g, gla_matrix gates, size_t t, size_t j) {
    gla_numbers *n = g->sum.in;
    void *z = gla_at(g->sum, t, j);
    const void *x = gla_at(gates, t, j), *before = t ? gla_at(g->sum, t - 1, j) : NULL;
    size_t D = g->sum.cols;
    bool reset = n->ops->get_d(n, x) == -INFINITY;
    if (!reset && t > 0) {
        n->ops->add(n, z, before, x);
        reset = sum_left_range(n, before, x, z);
    } else if (!reset)
        n->ops->set(n, z, x);
    if (reset) n->ops->set_d(n, z, 0.0);
    g->epoch[t * D + j] = (t ? g->epoch[(t - 1) * D + j] : 0) + reset;
}

gla_gates gla_gate_sum(gla_numbers *n, gla_matrix gates) {
    gla_gates g = {0};
    if (gla_absent(gates)) return g;
    g.sum = gla_new(n, gates.rows, gates.cols);
    g.epoch = arena_take(n, gates.rows * gates.cols * sizeof *g.epoch);
    g.present = true;
    if (!begin(g.sum, "gate_sum")) return g;
    for (size_t t = 0; t < gates.rows; t++)
        for (size_t j = 0; j < gates.cols; j++) gate_step(&g, gates, t, j);
    gla_round_at(g.sum, GLA_SITE_GATE_SUM);
    return g;
}

gla_gates gla_gate_rows(gla_gates g, size_t first, size_t count) {
    if (!g.present) return g;
    g.epoch += first * g.sum.cols;
    g.sum = gla_rows(g.sum, first, count);
    return g;
}

static void set_one(gla_matrix z) {
    for (size_t j = 0; j < z.cols; j++) z.in->ops->set_d(z.in, gla_at(z, 0, j), 1.0);
}

void gla_decay_in(gla_matrix z, gla_gates g, size_t t) {
    if (!begin(z, "decay_in")) return;
    if (!g.present) {
        set_one(z);
        return;
    }
    for (size_t j = 0; j < z.cols; j++) {
        if (g.epoch[t * z.cols + j] > 0)
            z.in->ops->set_d(z.in, gla_at(z, 0, j), 0.0);
        else
            z.in->ops->exp(z.in, gla_at(z, 0, j), gla_at(g.sum, t, j));
    }
}

void gla_decay_between(gla_matrix z, gla_gates g, size_t t, size_t i) {
    if (!begin(z, "decay_between")) return;
    if (!g.present) {
        set_one(z);
        return;
    }
    gla_numbers *n = z.in;
    for (size_t j = 0; j < z.cols; j++) {
        void *zj = gla_at(z, 0, j);
        if (g.epoch[t * z.cols + j] != g.epoch[i * z.cols + j]) {
            n->ops->set_d(n, zj, 0.0);
            continue;
        }
        n->ops->sub(n, zj, gla_at(g.sum, t, j), gla_at(g.sum, i, j));
        n->ops->exp(n, zj, zj);
    }
}
