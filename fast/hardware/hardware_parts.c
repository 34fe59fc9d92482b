/* SPDX-License-Identifier: Apache-2.0
 *
 * A hardware number system with any of its parts left out; contract in hardware.h.
 *
 * A number is a binary64 value and whether a site that is left out has let it pass: such a number is an operand that
 * stays as it is, where another would be rounded by OPERANDS. The block of a tensor core is written here once more, on
 * binary64 instead of words, because operands may be wider than TYPE:
 *     E = max(floor, exponents of the factors' products and of c)
 *     d = OUT(sum of all terms cut toward zero to multiples of 2^(E-F))
 * For operands of TYPE every term is exact in binary64, and the result is that of tensor_core.c (subnormals apart).
 */
#include <math.h>
#include <stdlib.h>

#include "../../reference/number/double.h"
#include "../../reference/number/format.h"
#include "../../reference/verbs.h"
#include "hardware.h"
#include "hardware_name.h"

typedef struct number {
    double x;
    bool passed;
} number;

typedef struct apart {
    gla_numbers common;
    gla_hardware_choice choice;
    uint32_t parts;
    double *row; /* an operand of one dot product each */
    double *column;
    size_t count;
} apart;

static apart *self(gla_numbers *n) { return (apart *)n; }

static bool has(gla_numbers *n, int part) { return self(n)->parts >> part & 1; }

static double at(const void *x) { return ((const number *)x)->x; }

static void put(void *z, double x) { *(number *)z = (number){.x = x}; }

/* ---- scalar arithmetic ---- */

static void put_rounded(gla_numbers *n, void *z, double x) {
    put(z, has(n, GLA_HARDWARE_BINARY32) ? (double)(float)x : x);
}

static void init(gla_numbers *n, void *x) { put(x, 0); }

static void clear(gla_numbers *n, void *x) {}

static void set(gla_numbers *n, void *z, const void *x) { *(number *)z = *(const number *)x; }

static void set_d(gla_numbers *n, void *z, double x) { put_rounded(n, z, x); }

static double get_d(gla_numbers *n, const void *x) { return at(x); }

static void get_mpfr(gla_numbers *n, mpfr_t z, const void *x) { mpfr_set_d(z, at(x), MPFR_RNDN); }

static void add(gla_numbers *n, void *z, const void *x, const void *y) { put_rounded(n, z, at(x) + at(y)); }

static void sub(gla_numbers *n, void *z, const void *x, const void *y) { put_rounded(n, z, at(x) - at(y)); }

static void mul(gla_numbers *n, void *z, const void *x, const void *y) { put_rounded(n, z, at(x) * at(y)); }

static bool is_float(double x) { return x == (double)(float)x; }

/* Of floats a float's fma, rounded once. */
static void fused(gla_numbers *n, void *z, const void *x, const void *y, const void *w) {
    double a = at(x), b = at(y), c = at(w);
    if (has(n, GLA_HARDWARE_BINARY32) && is_float(a) && is_float(b) && is_float(c))
        put(z, (double)fmaf((float)a, (float)b, (float)c));
    else
        put_rounded(n, z, fma(a, b, c));
}

static void neg(gla_numbers *n, void *z, const void *x) { put(z, -at(x)); }

/* The routine takes a float: a wider argument counts as the nearest, moved by its distance. */
static void exponential(gla_numbers *n, void *z, const void *x) {
    double y = at(x);
    if (!has(n, GLA_HARDWARE_EXP)) {
        put_rounded(n, z, exp(y));
        return;
    }
    float near = (float)y;
    double e = (double)self(n)->choice.exp(near);
    put_rounded(n, z, isfinite(y) ? e * exp(y - (double)near) : e);
}

static void divide(gla_numbers *n, void *z, const void *x, const void *y) { put_rounded(n, z, at(x) / at(y)); }

static void root(gla_numbers *n, void *z, const void *x) { put_rounded(n, z, sqrt(at(x))); }

typedef double rounded_function(const gla_format *f, gla_rounding r, double x, uint32_t random);

/* Of a float a float's value, rounded once. */
static void function_of(gla_numbers *n, void *z, const void *x, rounded_function *f) {
    bool whole = has(n, GLA_HARDWARE_BINARY32) && is_float(at(x));
    put(z, f(whole ? &gla_binary32_format : &gla_binary64_format, GLA_RN, at(x), 0));
    if (!whole) put_rounded(n, z, at(z));
}

static void sine(gla_numbers *n, void *z, const void *x) { function_of(n, z, x, gla_round_sin); }

static void cosine(gla_numbers *n, void *z, const void *x) { function_of(n, z, x, gla_round_cos); }

static void logarithm(gla_numbers *n, void *z, const void *x) { function_of(n, z, x, gla_round_log1p); }

static void exponential_less_one(gla_numbers *n, void *z, const void *x) { function_of(n, z, x, gla_round_expm1); }

static void larger(gla_numbers *n, void *z, const void *x, const void *y) { put(z, double_larger(at(x), at(y))); }

static void above(gla_numbers *n, void *z, const void *x, const void *y) { put(z, at(x) > at(y) ? 1 : 0); }

/* ---- matrix products ---- */

static int exponent_of(double x, int least) {
    int e;
    frexp(x, &e);
    return e - 1 < least ? least : e - 1;
}

/* One block of `count` products onto c. Terms are counted in units of 2^(E-F). */
static double block(const apart *s, const double *x, const double *y, size_t count, double c) {
    const gla_mma_model *m = s->choice.model;
    int least = s->choice.operand->emin, E = m->floor, exponent;
    for (size_t i = 0; i < count; i++) {
        if (x[i] == 0 || y[i] == 0) continue;
        exponent = exponent_of(x[i], least) + exponent_of(y[i], least);
        if (exponent > E) E = exponent;
    }
    exponent = exponent_of(c, -126);
    if (c != 0 && exponent > E) E = exponent;
    double units = ldexp(1, m->fraction - E), sum = trunc(c * units);
    for (size_t i = 0; i < count; i++) sum += trunc(x[i] * y[i] * units);
    sum /= units;
    int last = exponent_of(sum, -126) - (m->out == GLA_MMA_RZ_E8M13 ? 13 : 23);
    return ldexp(trunc(ldexp(sum, -last)), last);
}

static double dot(const apart *s, const double *x, const double *y, size_t count, double c) {
    bool blocked = s->parts >> GLA_HARDWARE_SUMS & 1;
    size_t length = blocked ? (size_t)s->choice.model->block : count;
    for (size_t i = 0; blocked && i < count; i += length)
        c = block(s, x + i, y + i, count - i < length ? count - i : length, c);
    for (size_t i = 0; !blocked && i < count; i++) c = fma(x[i], y[i], c);
    return c;
}

/* A row or a column as the product reads it. */
static void operands(gla_numbers *n, double *to, gla_matrix row) {
    for (size_t i = 0; i < row.cols; i++) {
        const number *x = gla_at(row, 0, i);
        bool rounds = has(n, GLA_HARDWARE_OPERANDS) && !x->passed && isfinite(x->x);
        to[i] = rounds ? gla_round(self(n)->choice.operand, GLA_RN, x->x, 0) : x->x;
    }
}

static bool room_for(apart *s, size_t count) {
    if (count <= s->count) return true;
    double *row = realloc(s->row, count * sizeof *row);
    if (row) s->row = row;
    double *column = realloc(s->column, count * sizeof *column);
    if (column) s->column = column;
    if (row && column) s->count = count;
    return row && column;
}

static void product(gla_numbers *n, const gla_matrix *C, const gla_matrix *A, const gla_matrix *B) {
    apart *s = self(n);
    size_t K = A->cols, M = C->rows;
    if (!room_for(s, K * (M ? M : 1))) {
        n->status = GLA_NO_MEMORY;
        return;
    }
    for (size_t i = 0; i < M; i++) operands(n, s->row + i * K, gla_row(*A, i));
    for (size_t j = 0; j < C->cols && K > 0; j++) {
        operands(n, s->column, gla_row(gla_transposed(*B), j));
        for (size_t i = 0; i < M; i++) {
            void *z = gla_at(*C, i, j);
            put(z, dot(s, s->row + i * K, s->column, K, at(z)));
        }
    }
}

/* ---- rounding sites ---- */

static void site(gla_numbers *n, gla_site where, void *at) {
    number *x = at;
    if (!gla_hardware_rounds(where) && where != GLA_SITE_OUTPUT) return;
    x->passed = !has(n, (int)where);
    if (!x->passed && isfinite(x->x)) x->x = gla_round(self(n)->choice.operand, GLA_RN, x->x, 0);
}

static void split(gla_numbers *n, gla_site where, void *hi, void *lo, const void *x) {
    put(hi, at(x));
    site(n, where, hi);
    put(lo, at(x) - at(hi));
    site(n, where, lo);
}

static void close(gla_numbers *n) {
    free(self(n)->row);
    free(self(n)->column);
}

static const struct gla_number_ops ops = {.init = init,
                                          .clear = clear,
                                          .set = set,
                                          .set_d = set_d,
                                          .get_d = get_d,
                                          .get_mpfr = get_mpfr,
                                          .add = add,
                                          .sub = sub,
                                          .mul = mul,
                                          .fma = fused,
                                          .neg = neg,
                                          .exp = exponential,
                                          .div = divide,
                                          .sqrt = root,
                                          .log1p = logarithm,
                                          .expm1 = exponential_less_one,
                                          .sin = sine,
                                          .cos = cosine,
                                          .max = larger,
                                          .above = above,
                                          .product = product,
                                          .site = site,
                                          .split = split,
                                          .close = close};

gla_status gla_hardware_parts_open(const char *name, uint32_t parts, gla_numbers **out, gla_error *err) {
    gla_hardware_choice choice;
    char text[240];
    *out = NULL;
    if (!gla_hardware_named(name, &choice)) {
        gla_hardware_names(name, text, sizeof text);
        return gla_fail(err, GLA_UNKNOWN_NAME, "no hardware '%.40s'; %s", name, text);
    }
    if (!choice.operand)
        return gla_fail(err, GLA_UNSUPPORTED, "'%.40s' does not come apart: its products have no rounded operands",
                        name);
    apart *s = calloc(1, sizeof *s);
    if (!s) return gla_fail(err, GLA_NO_MEMORY, "no memory for the number system '%.40s'", name);
    gla_numbers_setup(&s->common, &ops, sizeof(number), name);
    s->choice = choice;
    s->parts = parts;
    *out = &s->common;
    return GLA_OK;
}
