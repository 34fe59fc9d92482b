/* SPDX-License-Identifier: Apache-2.0
 *
 * interval:P, the number system of proof: a number is an MPFI interval [lo, hi] with P-bit ends,
 * and every operation rounds lo down and hi up. If the operands enclose the true values, the result
 * encloses the true result; that is the whole contract, and what compare/truth certifies with.
 *
 * fma forms the product with 2P bits, where the products of the ends are exact, and rounds once in
 * the sum: its ends are the tightest P-bit ends there are. exp(-inf) = [0, 0]. A quotient by an interval
 * that holds 0 is unbounded. x > y is [0, 1] where the ends do not decide. get_d and get_mpfr return the
 * midpoint, for looking at; a proof uses gla_interval_ends.
 */
#include <mpfi.h>
#include <stdio.h>
#include <stdlib.h>

#include "precise.h"

struct interval {
    gla_numbers base;
    mpfr_prec_t precision;
    mpfi_t product; /* 2P bits, scratch of fma */
    mpfr_t middle;  /* 2P bits, scratch of get_d: exact whenever lo = hi */
};

static void iv_init(gla_numbers *n, void *x) {
    mpfi_init2(x, ((struct interval *)n)->precision);
    mpfi_set_ui(x, 0);
}

static void iv_clear(gla_numbers *n, void *x) { mpfi_clear(x); }

static void iv_set(gla_numbers *n, void *z, const void *x) { mpfi_set(z, x); }

static void iv_set_d(gla_numbers *n, void *z, double x) { mpfi_set_d(z, x); }

static void iv_get_mpfr(gla_numbers *n, mpfr_t z, const void *x) { mpfi_mid(z, x); }

static double iv_get_d(gla_numbers *n, const void *x) {
    struct interval *i = (struct interval *)n;
    mpfi_mid(i->middle, x);
    return mpfr_get_d(i->middle, MPFR_RNDN);
}

static void iv_add(gla_numbers *n, void *z, const void *x, const void *y) { mpfi_add(z, x, y); }

static void iv_sub(gla_numbers *n, void *z, const void *x, const void *y) { mpfi_sub(z, x, y); }

static void iv_mul(gla_numbers *n, void *z, const void *x, const void *y) { mpfi_mul(z, x, y); }

static void iv_fma(gla_numbers *n, void *z, const void *x, const void *y, const void *w) {
    struct interval *i = (struct interval *)n;
    mpfi_mul(i->product, x, y);
    mpfi_add(z, i->product, w);
}

static void iv_neg(gla_numbers *n, void *z, const void *x) { mpfi_neg(z, x); }

static void iv_exp(gla_numbers *n, void *z, const void *x) { mpfi_exp(z, x); }

static void iv_div(gla_numbers *n, void *z, const void *x, const void *y) { mpfi_div(z, x, y); }

static void iv_sqrt(gla_numbers *n, void *z, const void *x) { mpfi_sqrt(z, x); }

static void iv_log1p(gla_numbers *n, void *z, const void *x) { mpfi_log1p(z, x); }
static void iv_expm1(gla_numbers *n, void *z, const void *x) { mpfi_expm1(z, x); }

static void iv_sin(gla_numbers *n, void *z, const void *x) { mpfi_sin(z, x); }

static void iv_cos(gla_numbers *n, void *z, const void *x) { mpfi_cos(z, x); }

static void iv_max(gla_numbers *n, void *z, const void *x, const void *y) {
    mpfi_ptr r = z;
    mpfi_srcptr u = x, v = y;
    precise_max(&r->left, &u->left, &v->left);
    precise_max(&r->right, &u->right, &v->right);
}

static void iv_above(gla_numbers *n, void *z, const void *x, const void *y) {
    mpfi_srcptr u = x, v = y;
    bool surely = mpfr_greater_p(&u->left, &v->right), never = mpfr_lessequal_p(&u->right, &v->left);
    mpfi_interv_si(z, surely ? 1 : 0, never ? 0 : 1);
}

static void iv_close(gla_numbers *n) {
    struct interval *i = (struct interval *)n;
    mpfi_clear(i->product);
    mpfr_clear(i->middle);
}

static const struct gla_number_ops interval_ops = {
    .init = iv_init,
    .clear = iv_clear,
    .set = iv_set,
    .set_d = iv_set_d,
    .get_d = iv_get_d,
    .get_mpfr = iv_get_mpfr,
    .add = iv_add,
    .sub = iv_sub,
    .mul = iv_mul,
    .fma = iv_fma,
    .neg = iv_neg,
    .exp = iv_exp,
    .div = iv_div,
    .sqrt = iv_sqrt,
    .log1p = iv_log1p,
    .expm1 = iv_expm1,
    .sin = iv_sin,
    .cos = iv_cos,
    .max = iv_max,
    .above = iv_above,
    .close = iv_close,
};

gla_numbers *gla_interval_open(mpfr_prec_t precision) {
    struct interval *i = malloc(sizeof *i);
    if (!i) return NULL;
    char name[32];
    snprintf(name, sizeof name, "interval:%ld", (long)precision);
    gla_numbers_setup(&i->base, &interval_ops, sizeof(mpfi_t), name);
    i->precision = precision;
    mpfi_init2(i->product, 2 * precision);
    mpfr_init2(i->middle, 2 * precision);
    return &i->base;
}

void gla_interval_ends(gla_numbers *n, mpfr_t lo, mpfr_t hi, const void *x) {
    mpfi_srcptr interval = x;
    mpfr_set(lo, &interval->left, MPFR_RNDD);
    mpfr_set(hi, &interval->right, MPFR_RNDU);
}
