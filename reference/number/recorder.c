/* SPDX-License-Identifier: Apache-2.0
 *
 * recorder:NAME, any other system with a memory: a number is the inner system's number, every
 * operation is the inner system's operation, and each leaves one event saying which verb ran it,
 * where in the sequence, on what, with what result. It is the trace behind the step-through, the
 * page and the failure reports.
 *
 * There is no axpy, and no dot where that is the chain of fma, so that every fma of a sum is an
 * event of its own. A system in which a sum is more (a tensor core's product, the dot of an error
 * model) runs it whole, and every element that gains one is an event "product"; what happened
 * inside the sum is not told.
 * Operands are read before the operation, since results may alias them. An event's doubles are the
 * nearest binary64 of the inner numbers; under recorder:counter this looking counts as stores.
 */
#include <stdio.h>
#include <stdlib.h>

#include "../verbs.h"
#include "number.h"

struct recorder {
    gla_numbers base;
    struct gla_number_ops ops; /* with the whole sums of the inner system, if it has any */
    gla_numbers *inner;
    struct gla_event *events;
    size_t count, capacity, limit, dropped;
};

static struct recorder *self(gla_numbers *n) { return (struct recorder *)n; }

static gla_numbers *inner(gla_numbers *n) { return self(n)->inner; }

static double value(gla_numbers *n, const void *x) { return inner(n)->ops->get_d(inner(n), x); }

static void grow(struct recorder *r) {
    size_t capacity = r->capacity ? 2 * r->capacity : 1024;
    if (capacity > r->limit) capacity = r->limit;
    struct gla_event *events = realloc(r->events, capacity * sizeof *events);
    if (!events) {
        r->base.status = GLA_NO_MEMORY;
        return;
    }
    r->events = events;
    r->capacity = capacity;
}

static void record(gla_numbers *n, const char *op, double result, double x, double y, double w) {
    struct recorder *r = self(n);
    if (r->count == r->capacity && r->count < r->limit) grow(r);
    if (r->count == r->capacity || r->count >= r->limit) {
        r->dropped++;
        return;
    }
    r->events[r->count++] = (struct gla_event){
        .verb = n->verb,
        .op = op,
        .token = n->token,
        .chunk = n->chunk,
        .result = result,
        .x = x,
        .y = y,
        .w = w,
    };
}

static void recorder_init(gla_numbers *n, void *x) { inner(n)->ops->init(inner(n), x); }

static void recorder_clear(gla_numbers *n, void *x) { inner(n)->ops->clear(inner(n), x); }

static double recorder_get_d(gla_numbers *n, const void *x) { return value(n, x); }

static void recorder_get_mpfr(gla_numbers *n, mpfr_t z, const void *x) { inner(n)->ops->get_mpfr(inner(n), z, x); }

static void recorder_set(gla_numbers *n, void *z, const void *x) {
    double a = value(n, x);
    inner(n)->ops->set(inner(n), z, x);
    record(n, "set", value(n, z), a, 0, 0);
}

static void recorder_set_d(gla_numbers *n, void *z, double x) {
    inner(n)->ops->set_d(inner(n), z, x);
    record(n, "set", value(n, z), x, 0, 0);
}

static void recorder_add(gla_numbers *n, void *z, const void *x, const void *y) {
    double a = value(n, x), b = value(n, y);
    inner(n)->ops->add(inner(n), z, x, y);
    record(n, "add", value(n, z), a, b, 0);
}

static void recorder_sub(gla_numbers *n, void *z, const void *x, const void *y) {
    double a = value(n, x), b = value(n, y);
    inner(n)->ops->sub(inner(n), z, x, y);
    record(n, "sub", value(n, z), a, b, 0);
}

static void recorder_mul(gla_numbers *n, void *z, const void *x, const void *y) {
    double a = value(n, x), b = value(n, y);
    inner(n)->ops->mul(inner(n), z, x, y);
    record(n, "mul", value(n, z), a, b, 0);
}

static void recorder_fma(gla_numbers *n, void *z, const void *x, const void *y, const void *w) {
    double a = value(n, x), b = value(n, y), c = value(n, w);
    inner(n)->ops->fma(inner(n), z, x, y, w);
    record(n, "fma", value(n, z), a, b, c);
}

static void recorder_neg(gla_numbers *n, void *z, const void *x) {
    double a = value(n, x);
    inner(n)->ops->neg(inner(n), z, x);
    record(n, "neg", value(n, z), a, 0, 0);
}

static void recorder_exp(gla_numbers *n, void *z, const void *x) {
    double a = value(n, x);
    inner(n)->ops->exp(inner(n), z, x);
    record(n, "exp", value(n, z), a, 0, 0);
}

static void recorder_div(gla_numbers *n, void *z, const void *x, const void *y) {
    double a = value(n, x), b = value(n, y);
    inner(n)->ops->div(inner(n), z, x, y);
    record(n, "div", value(n, z), a, b, 0);
}

static void recorder_sqrt(gla_numbers *n, void *z, const void *x) {
    double a = value(n, x);
    inner(n)->ops->sqrt(inner(n), z, x);
    record(n, "sqrt", value(n, z), a, 0, 0);
}

static void recorder_log1p(gla_numbers *n, void *z, const void *x) {
    double a = value(n, x);
    inner(n)->ops->log1p(inner(n), z, x);
    record(n, "log1p", value(n, z), a, 0, 0);
}

static void recorder_sin(gla_numbers *n, void *z, const void *x) {
    double a = value(n, x);
    inner(n)->ops->sin(inner(n), z, x);
    record(n, "sin", value(n, z), a, 0, 0);
}

static void recorder_cos(gla_numbers *n, void *z, const void *x) {
    double a = value(n, x);
    inner(n)->ops->cos(inner(n), z, x);
    record(n, "cos", value(n, z), a, 0, 0);
}

static void recorder_expm1(gla_numbers *n, void *z, const void *x) {
    double a = value(n, x);
    inner(n)->ops->expm1(inner(n), z, x);
    record(n, "expm1", value(n, z), a, 0, 0);
}

static void recorder_max(gla_numbers *n, void *z, const void *x, const void *y) {
    double a = value(n, x), b = value(n, y);
    inner(n)->ops->max(inner(n), z, x, y);
    record(n, "max", value(n, z), a, b, 0);
}

static void recorder_above(gla_numbers *n, void *z, const void *x, const void *y) {
    double a = value(n, x), b = value(n, y);
    inner(n)->ops->above(inner(n), z, x, y);
    record(n, "above", value(n, z), a, b, 0);
}

/* x is the number before the site, result after it, y the gla_site. */
static void recorder_site(gla_numbers *n, gla_site site, void *x) {
    double a = value(n, x);
    if (inner(n)->ops->site) inner(n)->ops->site(inner(n), site, x);
    record(n, "site", value(n, x), a, (double)site, 0);
}

/* Likewise, result is hi, w lo. */
static void recorder_split(gla_numbers *n, gla_site site, void *hi, void *lo, const void *x) {
    inner(n)->ops->split(inner(n), site, hi, lo, x);
    record(n, "split", value(n, hi), value(n, x), (double)site, value(n, lo));
}

static void recorder_dot(gla_numbers *n, void *z, const void *x, ptrdiff_t xs, const void *y, ptrdiff_t ys,
                         size_t count) {
    double before = value(n, z);
    inner(n)->ops->dot(inner(n), z, x, xs, y, ys, count);
    record(n, "product", value(n, z), before, (double)count, 0);
}

static void record_product(gla_numbers *n, gla_matrix C, const double *before, size_t count) {
    for (size_t i = 0; i < C.rows; i++)
        for (size_t j = 0; j < C.cols; j++)
            record(n, "product", value(n, gla_at(C, i, j)), *before++, (double)count, 0);
}

/* The inner system finds its own matrices: the same numbers, in it. */
static void recorder_product(gla_numbers *n, const gla_matrix *C, const gla_matrix *A, const gla_matrix *B) {
    gla_matrix c = *C, a = *A, b = *B;
    double *before = malloc((C->rows * C->cols + 1) * sizeof *before), *next = before;
    if (!before) {
        n->status = GLA_NO_MEMORY;
        return;
    }
    for (size_t i = 0; i < c.rows; i++)
        for (size_t j = 0; j < c.cols; j++) *next++ = value(n, gla_at(c, i, j));
    c.in = a.in = b.in = inner(n);
    inner(n)->ops->product(inner(n), &c, &a, &b);
    if (inner(n)->status != GLA_OK) n->status = inner(n)->status;
    record_product(n, c, before, a.cols);
    free(before);
}

static void recorder_close(gla_numbers *n) {
    free(self(n)->events);
    gla_numbers_close(inner(n));
}

static const struct gla_number_ops recorder_ops = {
    .init = recorder_init,
    .clear = recorder_clear,
    .set = recorder_set,
    .set_d = recorder_set_d,
    .get_d = recorder_get_d,
    .get_mpfr = recorder_get_mpfr,
    .add = recorder_add,
    .sub = recorder_sub,
    .mul = recorder_mul,
    .fma = recorder_fma,
    .neg = recorder_neg,
    .exp = recorder_exp,
    .div = recorder_div,
    .sqrt = recorder_sqrt,
    .log1p = recorder_log1p,
    .expm1 = recorder_expm1,
    .sin = recorder_sin,
    .cos = recorder_cos,
    .max = recorder_max,
    .above = recorder_above,
    .site = recorder_site,
    .close = recorder_close,
};

gla_numbers *gla_recorder_open(gla_numbers *inner) {
    struct recorder *r = calloc(1, sizeof *r);
    if (!r) {
        gla_numbers_close(inner);
        return NULL;
    }
    char name[sizeof inner->name];
    snprintf(name, sizeof name, "recorder:%.54s", inner->name);
    r->ops = recorder_ops;
    if (inner->ops->product) r->ops.product = recorder_product;
    if (inner->ops->dot_rounds) r->ops.dot = recorder_dot;
    if (inner->ops->split) r->ops.split = recorder_split;
    gla_numbers_setup(&r->base, &r->ops, inner->size, name);
    r->inner = inner;
    r->limit = (size_t)1 << 20;
    return &r->base;
}

struct gla_trace gla_recorder_trace(gla_numbers *n) {
    struct recorder *r = self(n);
    return (struct gla_trace){.events = r->events, .count = r->count, .dropped = r->dropped};
}

void gla_recorder_limit(gla_numbers *n, size_t limit) { self(n)->limit = limit; }

gla_numbers *gla_recorder_inner(gla_numbers *n) { return inner(n); }
