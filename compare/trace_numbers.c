/* SPDX-License-Identifier: Apache-2.0
 *
 * Pairs of numbers that remember; contract in trace_numbers.h.
 *
 * Order of one operation: the operands are read (a result may alias them), the same operation is done in MPFR on the
 * inner operands (what is lost is told against that) and on the truths, then the inner system does its own. Whole sums
 * (a tensor core's product, the dot of an error model) run whole, and their event has every pair as an operand; the
 * order and the roundings inside are not told.
 */
#include "trace_numbers.h"

#include <stdlib.h>
#include <string.h>

#include "../reference/verbs.h"

typedef struct tail {
    mpfr_t truth;
    int32_t from;
    uint32_t slot;
} tail;

struct tracer {
    gla_numbers base;
    struct gla_number_ops ops; /* with the whole sums of the inner system, if it has any */
    gla_numbers *inner;
    gla_recording *r;
    size_t offset; /* of the tail in a number */
    size_t room, arg_room, limit;
    uint32_t slots;
    mpfr_t x, y, w; /* the inner operands */
    mpfr_t ideal;   /* the operation on them */
    mpfr_t truth;   /* the operation on the truths */
    mpfr_t difference;
};

static struct tracer *self(gla_numbers *n) { return (struct tracer *)n; }

static gla_numbers *inner(gla_numbers *n) { return self(n)->inner; }

static tail *tail_of(gla_numbers *n, const void *x) { return (tail *)((char *)(uintptr_t)x + self(n)->offset); }

int32_t gla_trace_made(gla_numbers *n, const void *x) { return tail_of(n, x)->from; }

static void value_of(gla_numbers *n, mpfr_t z, const void *x) { inner(n)->ops->get_mpfr(inner(n), z, x); }

/* ---- events ---- */

static bool room_for(struct tracer *t, size_t args) {
    gla_recording *r = t->r;
    if (r->count >= t->limit || r->args + args > (size_t)INT32_MAX) return false;
    if (r->count == t->room) {
        size_t room = t->room ? 2 * t->room : 1024;
        gla_step_event *event = realloc(r->event, room * sizeof *event);
        if (!event) return false;
        r->event = event;
        t->room = room;
    }
    while (r->args + args > t->arg_room) {
        size_t room = t->arg_room ? 2 * t->arg_room : 4096;
        int32_t *arg = realloc(r->arg, room * sizeof *arg);
        if (!arg) return false;
        r->arg = arg;
        t->arg_room = room;
    }
    return true;
}

/* One more operand of the event that is being made. */
static void operand(gla_numbers *n, const void *x) {
    struct tracer *t = self(n);
    if (room_for(t, 1)) t->r->arg[t->r->args++] = gla_trace_made(n, x);
}

static bool is_nearest(struct tracer *t, const mpfr_t result) {
    if (t->r->format.p == 0 || t->r->precision > 53) {
        mpfr_set_prec(t->difference, t->r->precision);
        mpfr_set(t->difference, t->truth, MPFR_RNDN);
        bool same = mpfr_nan_p(result) ? mpfr_nan_p(t->truth) != 0 : mpfr_equal_p(t->difference, result) != 0;
        mpfr_set_prec(t->difference, t->r->truth_bits);
        return same;
    }
    double nearest = gla_round_mpfr(&t->r->format, GLA_RN, t->truth, 0), got = mpfr_get_d(result, MPFR_RNDN);
    return nearest == got || (nearest != nearest && got != got);
}

static gla_wide difference_of(struct tracer *t, const mpfr_t x, const mpfr_t y) {
    mpfr_sub(t->difference, x, y, MPFR_RNDN);
    return gla_wide_of(t->difference);
}

static int32_t input_named(const char *verb) {
    for (int32_t i = 0; i < GLA_INPUTS; i++)
        if (verb == gla_input_names[i]) return i;
    return -1;
}

/* The event whose operands have been noted since `first`, with the result that z holds now; t->ideal and t->truth are
 * its ideal and truth. */
static void made(gla_numbers *n, const char *op, size_t first, int site, void *z) {
    struct tracer *t = self(n);
    gla_recording *r = t->r;
    tail *to = tail_of(n, z);
    if (!room_for(t, 0)) {
        if (n->status == GLA_OK) n->status = r->count >= t->limit ? GLA_BAD_SHAPE : GLA_NO_MEMORY;
        return;
    }
    value_of(n, t->x, z);
    gla_step_event e = {.verb = n->verb, .op = op, .token = n->token, .chunk = n->chunk, .slot = to->slot};
    e.arg = (uint32_t)first;
    e.args = (uint32_t)(r->args - first);
    e.site = site;
    e.input = e.args == 0 ? input_named(n->verb) : -1;
    if (e.input >= 0) e.element = (int32_t)r->loaded[e.input]++;
    e.result = gla_wide_of(t->x);
    e.truth = gla_wide_of(t->truth);
    e.error = difference_of(t, t->x, t->truth);
    e.lost = difference_of(t, t->x, t->ideal);
    e.flipped = !is_nearest(t, t->x);
    to->from = (int32_t)r->count;
    mpfr_set(to->truth, t->truth, MPFR_RNDN);
    r->event[r->count++] = e;
}

/* ---- memory, looking ---- */

static void trace_init(gla_numbers *n, void *x) {
    tail *to = tail_of(n, x);
    inner(n)->ops->init(inner(n), x);
    mpfr_init2(to->truth, self(n)->r->truth_bits);
    mpfr_set_zero(to->truth, 1);
    to->from = -1;
    to->slot = self(n)->slots++;
}

static void trace_clear(gla_numbers *n, void *x) {
    inner(n)->ops->clear(inner(n), x);
    mpfr_clear(tail_of(n, x)->truth);
}

static double trace_get_d(gla_numbers *n, const void *x) { return inner(n)->ops->get_d(inner(n), x); }

/* ---- operations of one, two and three numbers ---- */

typedef void unary_op(gla_numbers *n, void *z, const void *x);
typedef void binary_op(gla_numbers *n, void *z, const void *x, const void *y);
typedef int exact_unary(mpfr_ptr z, mpfr_srcptr x, mpfr_rnd_t rounding);
typedef int exact_binary(mpfr_ptr z, mpfr_srcptr x, mpfr_srcptr y, mpfr_rnd_t rounding);

static void one(gla_numbers *n, const char *op, unary_op *run, exact_unary *exact, void *z, const void *x) {
    struct tracer *t = self(n);
    size_t first = t->r->args;
    operand(n, x);
    value_of(n, t->x, x);
    exact(t->ideal, t->x, MPFR_RNDN);
    exact(t->truth, tail_of(n, x)->truth, MPFR_RNDN);
    run(inner(n), z, x);
    made(n, op, first, -1, z);
}

static void two(gla_numbers *n, const char *op, binary_op *run, exact_binary *exact, void *z, const void *x,
                const void *y) {
    struct tracer *t = self(n);
    size_t first = t->r->args;
    operand(n, x);
    operand(n, y);
    value_of(n, t->x, x);
    value_of(n, t->y, y);
    exact(t->ideal, t->x, t->y, MPFR_RNDN);
    exact(t->truth, tail_of(n, x)->truth, tail_of(n, y)->truth, MPFR_RNDN);
    run(inner(n), z, x, y);
    made(n, op, first, -1, z);
}

static int exact_max(mpfr_ptr z, mpfr_srcptr x, mpfr_srcptr y, mpfr_rnd_t rounding) {
    if (mpfr_nan_p(x) || mpfr_nan_p(y)) {
        mpfr_set_nan(z);
        return 0;
    }
    return mpfr_max(z, x, y, rounding);
}

static int exact_above(mpfr_ptr z, mpfr_srcptr x, mpfr_srcptr y, mpfr_rnd_t rounding) {
    return mpfr_set_ui(z, mpfr_greater_p(x, y) ? 1 : 0, rounding);
}

static void trace_set(gla_numbers *n, void *z, const void *x) { one(n, "set", inner(n)->ops->set, mpfr_set, z, x); }

static void trace_neg(gla_numbers *n, void *z, const void *x) { one(n, "neg", inner(n)->ops->neg, mpfr_neg, z, x); }

static void trace_exp(gla_numbers *n, void *z, const void *x) { one(n, "exp", inner(n)->ops->exp, mpfr_exp, z, x); }

static void trace_sqrt(gla_numbers *n, void *z, const void *x) { one(n, "sqrt", inner(n)->ops->sqrt, mpfr_sqrt, z, x); }

static void trace_log1p(gla_numbers *n, void *z, const void *x) {
    one(n, "log1p", inner(n)->ops->log1p, mpfr_log1p, z, x);
}

static void trace_expm1(gla_numbers *n, void *z, const void *x) {
    one(n, "expm1", inner(n)->ops->expm1, mpfr_expm1, z, x);
}

static void trace_sin(gla_numbers *n, void *z, const void *x) { one(n, "sin", inner(n)->ops->sin, mpfr_sin, z, x); }

static void trace_cos(gla_numbers *n, void *z, const void *x) { one(n, "cos", inner(n)->ops->cos, mpfr_cos, z, x); }

static void trace_add(gla_numbers *n, void *z, const void *x, const void *y) {
    two(n, "add", inner(n)->ops->add, mpfr_add, z, x, y);
}

static void trace_sub(gla_numbers *n, void *z, const void *x, const void *y) {
    two(n, "sub", inner(n)->ops->sub, mpfr_sub, z, x, y);
}

static void trace_mul(gla_numbers *n, void *z, const void *x, const void *y) {
    two(n, "mul", inner(n)->ops->mul, mpfr_mul, z, x, y);
}

static void trace_div(gla_numbers *n, void *z, const void *x, const void *y) {
    two(n, "div", inner(n)->ops->div, mpfr_div, z, x, y);
}

static void trace_max(gla_numbers *n, void *z, const void *x, const void *y) {
    two(n, "max", inner(n)->ops->max, exact_max, z, x, y);
}

static void trace_above(gla_numbers *n, void *z, const void *x, const void *y) {
    two(n, "above", inner(n)->ops->above, exact_above, z, x, y);
}

static void trace_fma(gla_numbers *n, void *z, const void *x, const void *y, const void *w) {
    struct tracer *t = self(n);
    size_t first = t->r->args;
    const void *const operands[] = {x, y, w};
    for (int i = 0; i < 3; i++) operand(n, operands[i]);
    value_of(n, t->x, x);
    value_of(n, t->y, y);
    value_of(n, t->w, w);
    mpfr_fma(t->ideal, t->x, t->y, t->w, MPFR_RNDN);
    mpfr_fma(t->truth, tail_of(n, x)->truth, tail_of(n, y)->truth, tail_of(n, w)->truth, MPFR_RNDN);
    inner(n)->ops->fma(inner(n), z, x, y, w);
    made(n, "fma", first, -1, z);
}

static void trace_set_d(gla_numbers *n, void *z, double x) {
    struct tracer *t = self(n);
    mpfr_set_d(t->ideal, x, MPFR_RNDN);
    mpfr_set_d(t->truth, x, MPFR_RNDN);
    inner(n)->ops->set_d(inner(n), z, x);
    made(n, "set", t->r->args, -1, z);
}

/* ---- rounding sites ---- */

static void trace_site(gla_numbers *n, gla_site site, void *x) {
    struct tracer *t = self(n);
    size_t first = t->r->args;
    operand(n, x);
    value_of(n, t->ideal, x);
    mpfr_set(t->truth, tail_of(n, x)->truth, MPFR_RNDN);
    if (inner(n)->ops->site) inner(n)->ops->site(inner(n), site, x);
    made(n, "site", first, (int)site, x);
}

/* In MPFR nothing is rounded at a site: hi is all of x, and lo is 0. */
static void trace_split(gla_numbers *n, gla_site site, void *hi, void *lo, const void *x) {
    struct tracer *t = self(n);
    size_t first = t->r->args;
    operand(n, x);
    inner(n)->ops->split(inner(n), site, hi, lo, x);
    mpfr_set(t->truth, tail_of(n, x)->truth, MPFR_RNDN);
    value_of(n, t->ideal, x);
    made(n, "split_hi", first, (int)site, hi);
    first = t->r->args;
    operand(n, x);
    operand(n, hi);
    value_of(n, t->x, hi);
    value_of(n, t->y, x);
    mpfr_sub(t->ideal, t->y, t->x, MPFR_RNDN);
    mpfr_set_zero(t->truth, 1);
    made(n, "split_lo", first, (int)site, lo);
    t->r->split = true;
}

/* ---- sums done whole ---- */

/* One more pair of a sum: its operands noted, ideal and truth grown. */
static void add_pair(gla_numbers *n, const void *x, const void *y) {
    struct tracer *t = self(n);
    operand(n, x);
    operand(n, y);
    value_of(n, t->x, x);
    value_of(n, t->y, y);
    mpfr_fma(t->ideal, t->x, t->y, t->ideal, MPFR_RNDN);
    mpfr_fma(t->truth, tail_of(n, x)->truth, tail_of(n, y)->truth, t->truth, MPFR_RNDN);
}

static void trace_dot(gla_numbers *n, void *z, const void *x, ptrdiff_t xs, const void *y, ptrdiff_t ys, size_t count) {
    struct tracer *t = self(n);
    size_t first = t->r->args;
    operand(n, z);
    value_of(n, t->ideal, z);
    mpfr_set(t->truth, tail_of(n, z)->truth, MPFR_RNDN);
    for (size_t i = 0; i < count; i++)
        add_pair(n, (const char *)x + (ptrdiff_t)i * xs, (const char *)y + (ptrdiff_t)i * ys);
    inner(n)->ops->dot(inner(n), z, x, xs, y, ys, count);
    made(n, "product", first, -1, z);
}

/* Element (i,j) of C += A B, already done in C's inner number; `before` is what that was. */
static void product_element(gla_numbers *n, gla_matrix C, gla_matrix A, gla_matrix B, size_t i, size_t j,
                            const mpfr_t before) {
    struct tracer *t = self(n);
    size_t first = t->r->args;
    void *z = gla_at(C, i, j);
    operand(n, z);
    mpfr_set(t->ideal, before, MPFR_RNDN);
    mpfr_set(t->truth, tail_of(n, z)->truth, MPFR_RNDN);
    for (size_t l = 0; l < A.cols; l++) add_pair(n, gla_at(A, i, l), gla_at(B, l, j));
    made(n, "product", first, -1, z);
}

/* The inner system finds its own matrices: the same numbers, in it. */
static void trace_product(gla_numbers *n, const gla_matrix *C, const gla_matrix *A, const gla_matrix *B) {
    gla_matrix c = *C, a = *A, b = *B;
    size_t count = C->rows * C->cols;
    mpfr_t *before = malloc((count + 1) * sizeof *before);
    if (!before) {
        n->status = GLA_NO_MEMORY;
        return;
    }
    for (size_t i = 0; i < count; i++) {
        mpfr_init2(before[i], self(n)->r->truth_bits);
        value_of(n, before[i], gla_at(*C, i / C->cols, i % C->cols));
    }
    c.in = a.in = b.in = inner(n);
    inner(n)->ops->product(inner(n), &c, &a, &b);
    if (inner(n)->status != GLA_OK) n->status = inner(n)->status;
    for (size_t i = 0; i < count; i++) {
        if (n->status == GLA_OK) product_element(n, *C, *A, *B, i / C->cols, i % C->cols, before[i]);
        mpfr_clear(before[i]);
    }
    free(before);
}

/* ---- opening ---- */

static void trace_close(gla_numbers *n) {
    struct tracer *t = self(n);
    mpfr_clears(t->x, t->y, t->w, t->ideal, t->truth, t->difference, (mpfr_ptr)0);
    gla_numbers_close(t->inner);
}

static const struct gla_number_ops trace_ops = {
    .init = trace_init,
    .clear = trace_clear,
    .set = trace_set,
    .set_d = trace_set_d,
    .get_d = trace_get_d,
    .get_mpfr = value_of,
    .add = trace_add,
    .sub = trace_sub,
    .mul = trace_mul,
    .fma = trace_fma,
    .neg = trace_neg,
    .exp = trace_exp,
    .div = trace_div,
    .sqrt = trace_sqrt,
    .log1p = trace_log1p,
    .expm1 = trace_expm1,
    .sin = trace_sin,
    .cos = trace_cos,
    .max = trace_max,
    .above = trace_above,
    .site = trace_site,
    .close = trace_close,
};

gla_numbers *gla_trace_numbers_open(gla_numbers *inner, gla_recording *r, size_t limit) {
    struct tracer *t = calloc(1, sizeof *t);
    if (!t) {
        gla_numbers_close(inner);
        return NULL;
    }
    t->ops = trace_ops;
    if (inner->ops->product) t->ops.product = trace_product;
    if (inner->ops->dot_rounds) t->ops.dot = trace_dot;
    if (inner->ops->split) t->ops.split = trace_split;
    const size_t align = _Alignof(max_align_t);
    t->offset = (inner->size + align - 1) / align * align;
    size_t size = (t->offset + sizeof(tail) + align - 1) / align * align;
    gla_numbers_setup(&t->base, &t->ops, size, inner->name);
    t->inner = inner;
    t->r = r;
    t->limit = limit < (size_t)INT32_MAX ? limit : (size_t)INT32_MAX;
    mpfr_inits2(r->truth_bits, t->x, t->y, t->w, t->ideal, t->truth, t->difference, (mpfr_ptr)0);
    return &t->base;
}
