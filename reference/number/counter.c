/* SPDX-License-Identifier: Apache-2.0
 *
 * counter: binary64 that counts. The numbers are those of binary64, bit for bit; beside them it
 * counts operations, and the numbers that entered and left, so that the cost formulas in the texts
 * are tested, not claimed.
 *
 * A dot of n terms, or an axpy over n numbers, is n fma. Copies and neg are free; set_d is a load,
 * get_d and get_mpfr are stores.
 */
#include <stdlib.h>

#include "double.h"

struct counter {
    gla_numbers base;
    gla_numbers *inner; /* binary64 */
    struct gla_count count;
};

static struct counter *self(gla_numbers *n) { return (struct counter *)n; }

static void counter_set_d(gla_numbers *n, void *z, double x) {
    self(n)->count.load++;
    self(n)->inner->ops->set_d(self(n)->inner, z, x);
}

static double counter_get_d(gla_numbers *n, const void *x) {
    self(n)->count.store++;
    return self(n)->inner->ops->get_d(self(n)->inner, x);
}

static void counter_get_mpfr(gla_numbers *n, mpfr_t z, const void *x) {
    self(n)->count.store++;
    self(n)->inner->ops->get_mpfr(self(n)->inner, z, x);
}

static void counter_add(gla_numbers *n, void *z, const void *x, const void *y) {
    self(n)->count.add++;
    self(n)->inner->ops->add(self(n)->inner, z, x, y);
}

static void counter_sub(gla_numbers *n, void *z, const void *x, const void *y) {
    self(n)->count.add++;
    self(n)->inner->ops->sub(self(n)->inner, z, x, y);
}

static void counter_mul(gla_numbers *n, void *z, const void *x, const void *y) {
    self(n)->count.mul++;
    self(n)->inner->ops->mul(self(n)->inner, z, x, y);
}

static void counter_fma(gla_numbers *n, void *z, const void *x, const void *y, const void *w) {
    self(n)->count.fma++;
    self(n)->inner->ops->fma(self(n)->inner, z, x, y, w);
}

static void counter_exp(gla_numbers *n, void *z, const void *x) {
    self(n)->count.exp++;
    self(n)->inner->ops->exp(self(n)->inner, z, x);
}

static void counter_div(gla_numbers *n, void *z, const void *x, const void *y) {
    self(n)->count.div++;
    self(n)->inner->ops->div(self(n)->inner, z, x, y);
}

static void counter_sqrt(gla_numbers *n, void *z, const void *x) {
    self(n)->count.sqrt++;
    self(n)->inner->ops->sqrt(self(n)->inner, z, x);
}

static void counter_log1p(gla_numbers *n, void *z, const void *x) {
    self(n)->count.log++;
    self(n)->inner->ops->log1p(self(n)->inner, z, x);
}

static void counter_sin(gla_numbers *n, void *z, const void *x) {
    self(n)->count.exp++;
    self(n)->inner->ops->sin(self(n)->inner, z, x);
}

static void counter_cos(gla_numbers *n, void *z, const void *x) {
    self(n)->count.exp++;
    self(n)->inner->ops->cos(self(n)->inner, z, x);
}

static void counter_expm1(gla_numbers *n, void *z, const void *x) {
    self(n)->count.exp++;
    self(n)->inner->ops->expm1(self(n)->inner, z, x);
}

static void counter_max(gla_numbers *n, void *z, const void *x, const void *y) {
    self(n)->count.compare++;
    double_max(n, z, x, y);
}

static void counter_above(gla_numbers *n, void *z, const void *x, const void *y) {
    self(n)->count.compare++;
    double_above(n, z, x, y);
}

static void counter_dot(gla_numbers *n, void *z, const void *x, ptrdiff_t xs, const void *y, ptrdiff_t ys,
                        size_t count) {
    self(n)->count.fma += count;
    self(n)->inner->ops->dot(self(n)->inner, z, x, xs, y, ys, count);
}

static void counter_axpy(gla_numbers *n, void *z, ptrdiff_t zs, const void *a, const void *x, ptrdiff_t xs,
                         size_t count) {
    self(n)->count.fma += count;
    self(n)->inner->ops->axpy(self(n)->inner, z, zs, a, x, xs, count);
}

static void counter_close(gla_numbers *n) { gla_numbers_close(self(n)->inner); }

static const struct gla_number_ops counter_ops = {
    .init = double_init,
    .clear = double_clear,
    .set = double_set,
    .set_d = counter_set_d,
    .get_d = counter_get_d,
    .get_mpfr = counter_get_mpfr,
    .add = counter_add,
    .sub = counter_sub,
    .mul = counter_mul,
    .fma = counter_fma,
    .neg = double_neg,
    .exp = counter_exp,
    .div = counter_div,
    .sqrt = counter_sqrt,
    .log1p = counter_log1p,
    .expm1 = counter_expm1,
    .sin = counter_sin,
    .cos = counter_cos,
    .max = counter_max,
    .above = counter_above,
    .dot = counter_dot,
    .axpy = counter_axpy,
    .close = counter_close,
};

gla_numbers *gla_counter_open(void) {
    struct counter *c = calloc(1, sizeof *c);
    gla_numbers *inner = gla_binary64_open();
    if (!c || !inner) {
        free(c);
        gla_numbers_close(inner);
        return NULL;
    }
    gla_numbers_setup(&c->base, &counter_ops, sizeof(double), "counter");
    c->inner = inner;
    return &c->base;
}

struct gla_count gla_counter_read(gla_numbers *n) {
    return self(n)->count;
}

void gla_counter_reset(gla_numbers *n) { self(n)->count = (struct gla_count){0}; }
