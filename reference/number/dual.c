/* SPDX-License-Identifier: Apache-2.0
 *
 * dual:P, the number system of derivatives: x + x' d with d^2 = 0, value and tangent each P bits.
 * Seed tangents on the inputs, run any forward formulation, and the tangents of the outputs are its
 * exact directional derivative: the check of every hand-derived backward.
 *
 *     (x y)' = x' y + x y'        (x y + w)' = x' y + x y' + w'        (e^x)' = e^x x'
 *     sin(x)' = cos(x) x'     cos(x)' = -sin(x) x'
 *     (x / y)' = (x' - (x/y) y') / y      ln(1+x)' = x' / (1 + x)      max(x, y)' = the larger one's, x' if equal
 *
 * Values round as in mpfr:P, to nearest. A tangent rounds once in mul, twice in fma (after x' y + x
 * y', and after + w'), three times in div, twice in sqrt. x > y has tangent 0. A reset, exp(-inf) = 0, has tangent 0:
 * the output does not move with the gate there.
 */
#include <stdio.h>
#include <stdlib.h>

#include "precise.h"

struct dual_number {
    mpfr_t value, tangent;
};

struct dual {
    gla_numbers base;
    mpfr_prec_t precision;
    mpfr_t slope, quotient; /* scratch: parts of a result, until its operands are no longer needed */
};

static void dual_init(gla_numbers *n, void *x) {
    struct dual_number *u = x;
    mpfr_inits2(((struct dual *)n)->precision, u->value, u->tangent, (mpfr_ptr)NULL);
    mpfr_set_zero(u->value, +1);
    mpfr_set_zero(u->tangent, +1);
}

static void dual_clear(gla_numbers *n, void *x) {
    struct dual_number *u = x;
    mpfr_clears(u->value, u->tangent, (mpfr_ptr)NULL);
}

static void dual_set(gla_numbers *n, void *z, const void *x) {
    struct dual_number *r = z;
    const struct dual_number *u = x;
    mpfr_set(r->value, u->value, MPFR_RNDN);
    mpfr_set(r->tangent, u->tangent, MPFR_RNDN);
}

static void dual_set_d(gla_numbers *n, void *z, double x) {
    struct dual_number *r = z;
    mpfr_set_d(r->value, x, MPFR_RNDN);
    mpfr_set_zero(r->tangent, +1);
}

static double dual_get_d(gla_numbers *n, const void *x) {
    return mpfr_get_d(((const struct dual_number *)x)->value, MPFR_RNDN);
}

static void dual_get_mpfr(gla_numbers *n, mpfr_t z, const void *x) {
    mpfr_set(z, ((const struct dual_number *)x)->value, MPFR_RNDN);
}

static void dual_add(gla_numbers *n, void *z, const void *x, const void *y) {
    struct dual_number *r = z;
    const struct dual_number *u = x, *v = y;
    mpfr_add(r->value, u->value, v->value, MPFR_RNDN);
    mpfr_add(r->tangent, u->tangent, v->tangent, MPFR_RNDN);
}

static void dual_sub(gla_numbers *n, void *z, const void *x, const void *y) {
    struct dual_number *r = z;
    const struct dual_number *u = x, *v = y;
    mpfr_sub(r->value, u->value, v->value, MPFR_RNDN);
    mpfr_sub(r->tangent, u->tangent, v->tangent, MPFR_RNDN);
}

static void dual_mul(gla_numbers *n, void *z, const void *x, const void *y) {
    struct dual *d = (struct dual *)n;
    struct dual_number *r = z;
    const struct dual_number *u = x, *v = y;
    mpfr_fmma(d->slope, u->tangent, v->value, u->value, v->tangent, MPFR_RNDN);
    mpfr_mul(r->value, u->value, v->value, MPFR_RNDN);
    mpfr_set(r->tangent, d->slope, MPFR_RNDN);
}

static void dual_fma(gla_numbers *n, void *z, const void *x, const void *y, const void *w) {
    struct dual *d = (struct dual *)n;
    struct dual_number *r = z;
    const struct dual_number *u = x, *v = y, *t = w;
    mpfr_fmma(d->slope, u->tangent, v->value, u->value, v->tangent, MPFR_RNDN);
    mpfr_fma(r->value, u->value, v->value, t->value, MPFR_RNDN);
    mpfr_add(r->tangent, d->slope, t->tangent, MPFR_RNDN);
}

static void dual_neg(gla_numbers *n, void *z, const void *x) {
    struct dual_number *r = z;
    const struct dual_number *u = x;
    mpfr_neg(r->value, u->value, MPFR_RNDN);
    mpfr_neg(r->tangent, u->tangent, MPFR_RNDN);
}

static void dual_exp(gla_numbers *n, void *z, const void *x) {
    struct dual_number *r = z;
    const struct dual_number *u = x;
    mpfr_exp(r->value, u->value, MPFR_RNDN);
    if (mpfr_zero_p(r->value))
        mpfr_set_zero(r->tangent, +1);
    else
        mpfr_mul(r->tangent, r->value, u->tangent, MPFR_RNDN);
}

static void dual_div(gla_numbers *n, void *z, const void *x, const void *y) {
    struct dual *d = (struct dual *)n;
    struct dual_number *r = z;
    const struct dual_number *u = x, *v = y;
    mpfr_div(d->quotient, u->value, v->value, MPFR_RNDN);
    mpfr_mul(d->slope, d->quotient, v->tangent, MPFR_RNDN);
    mpfr_sub(d->slope, u->tangent, d->slope, MPFR_RNDN);
    mpfr_div(r->tangent, d->slope, v->value, MPFR_RNDN);
    mpfr_set(r->value, d->quotient, MPFR_RNDN);
}

static void dual_sqrt(gla_numbers *n, void *z, const void *x) {
    struct dual *d = (struct dual *)n;
    struct dual_number *r = z;
    const struct dual_number *u = x;
    mpfr_sqrt(d->quotient, u->value, MPFR_RNDN);
    mpfr_div(d->slope, u->tangent, d->quotient, MPFR_RNDN);
    mpfr_div_2ui(r->tangent, d->slope, 1, MPFR_RNDN);
    mpfr_set(r->value, d->quotient, MPFR_RNDN);
}

static void dual_log1p(gla_numbers *n, void *z, const void *x) {
    struct dual *d = (struct dual *)n;
    struct dual_number *r = z;
    const struct dual_number *u = x;
    mpfr_add_ui(d->slope, u->value, 1, MPFR_RNDN);
    mpfr_div(r->tangent, u->tangent, d->slope, MPFR_RNDN);
    mpfr_log1p(r->value, u->value, MPFR_RNDN);
}

static void dual_sin(gla_numbers *n, void *z, const void *x) {
    struct dual *d = (struct dual *)n;
    struct dual_number *r = z;
    const struct dual_number *u = x;
    mpfr_sin_cos(d->quotient, d->slope, u->value, MPFR_RNDN);
    mpfr_mul(r->tangent, d->slope, u->tangent, MPFR_RNDN);
    mpfr_set(r->value, d->quotient, MPFR_RNDN);
}

static void dual_cos(gla_numbers *n, void *z, const void *x) {
    struct dual *d = (struct dual *)n;
    struct dual_number *r = z;
    const struct dual_number *u = x;
    mpfr_sin_cos(d->slope, d->quotient, u->value, MPFR_RNDN);
    mpfr_neg(d->slope, d->slope, MPFR_RNDN);
    mpfr_mul(r->tangent, d->slope, u->tangent, MPFR_RNDN);
    mpfr_set(r->value, d->quotient, MPFR_RNDN);
}

static void dual_expm1(gla_numbers *n, void *z, const void *x) {
    struct dual *d = (struct dual *)n;
    struct dual_number *r = z;
    const struct dual_number *u = x;
    mpfr_exp(d->slope, u->value, MPFR_RNDN);
    mpfr_expm1(r->value, u->value, MPFR_RNDN);
    if (mpfr_zero_p(d->slope))
        mpfr_set_zero(r->tangent, +1);
    else
        mpfr_mul(r->tangent, d->slope, u->tangent, MPFR_RNDN);
}

static void dual_max(gla_numbers *n, void *z, const void *x, const void *y) {
    struct dual_number *r = z;
    const struct dual_number *u = x, *v = y;
    mpfr_set(r->tangent, mpfr_less_p(u->value, v->value) ? v->tangent : u->tangent, MPFR_RNDN);
    precise_max(r->value, u->value, v->value);
}

static void dual_above(gla_numbers *n, void *z, const void *x, const void *y) {
    const struct dual_number *u = x, *v = y;
    dual_set_d(n, z, mpfr_greater_p(u->value, v->value) ? 1 : 0);
}

static void dual_close(gla_numbers *n) {
    mpfr_clears(((struct dual *)n)->slope, ((struct dual *)n)->quotient, (mpfr_ptr)NULL);
}

static const struct gla_number_ops dual_ops = {
    .init = dual_init,
    .clear = dual_clear,
    .set = dual_set,
    .set_d = dual_set_d,
    .get_d = dual_get_d,
    .get_mpfr = dual_get_mpfr,
    .add = dual_add,
    .sub = dual_sub,
    .mul = dual_mul,
    .fma = dual_fma,
    .neg = dual_neg,
    .exp = dual_exp,
    .div = dual_div,
    .sqrt = dual_sqrt,
    .log1p = dual_log1p,
    .expm1 = dual_expm1,
    .sin = dual_sin,
    .cos = dual_cos,
    .max = dual_max,
    .above = dual_above,
    .close = dual_close,
};

gla_numbers *gla_dual_open(mpfr_prec_t precision) {
    struct dual *d = malloc(sizeof *d);
    if (!d) return NULL;
    char name[32];
    snprintf(name, sizeof name, "dual:%ld", (long)precision);
    gla_numbers_setup(&d->base, &dual_ops, sizeof(struct dual_number), name);
    d->precision = precision;
    mpfr_inits2(precision, d->slope, d->quotient, (mpfr_ptr)NULL);
    return &d->base;
}

void gla_dual_set_tangent(gla_numbers *n, void *x, double tangent) {
    mpfr_set_d(((struct dual_number *)x)->tangent, tangent, MPFR_RNDN);
}

void gla_dual_get_tangent(gla_numbers *n, mpfr_t z, const void *x) {
    mpfr_set(z, ((const struct dual_number *)x)->tangent, MPFR_RNDN);
}
