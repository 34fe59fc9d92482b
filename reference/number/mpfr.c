/* SPDX-License-Identifier: Apache-2.0
 *
 * mpfr:P, the number system of truth: P bits, round to nearest even, every operation (exp, log1p and the like too)
 * correctly rounded.
 *
 * The exponent range is MPFR's widest, about 2^(+-2^62), so nothing a formulation does can overflow
 * or underflow. That range is a setting of the thread (gla_numbers_setup makes it): use a system in
 * the thread that opened it.
 */
#include <stdio.h>
#include <stdlib.h>

#include "precise.h"

struct precise {
    gla_numbers base;
    mpfr_prec_t precision;
};

static void mp_init(gla_numbers *n, void *x) {
    mpfr_init2(x, ((struct precise *)n)->precision);
    mpfr_set_zero(x, +1);
}

static void mp_clear(gla_numbers *n, void *x) { mpfr_clear(x); }

static void mp_set(gla_numbers *n, void *z, const void *x) { mpfr_set(z, x, MPFR_RNDN); }

static void mp_set_d(gla_numbers *n, void *z, double x) { mpfr_set_d(z, x, MPFR_RNDN); }

static double mp_get_d(gla_numbers *n, const void *x) { return mpfr_get_d(x, MPFR_RNDN); }

static void mp_get_mpfr(gla_numbers *n, mpfr_t z, const void *x) { mpfr_set(z, x, MPFR_RNDN); }

static void mp_add(gla_numbers *n, void *z, const void *x, const void *y) { mpfr_add(z, x, y, MPFR_RNDN); }

static void mp_sub(gla_numbers *n, void *z, const void *x, const void *y) { mpfr_sub(z, x, y, MPFR_RNDN); }

static void mp_mul(gla_numbers *n, void *z, const void *x, const void *y) { mpfr_mul(z, x, y, MPFR_RNDN); }

static void mp_fma(gla_numbers *n, void *z, const void *x, const void *y, const void *w) {
    mpfr_fma(z, x, y, w, MPFR_RNDN);
}

static void mp_neg(gla_numbers *n, void *z, const void *x) { mpfr_neg(z, x, MPFR_RNDN); }

static void mp_exp(gla_numbers *n, void *z, const void *x) { mpfr_exp(z, x, MPFR_RNDN); }

static void mp_div(gla_numbers *n, void *z, const void *x, const void *y) { mpfr_div(z, x, y, MPFR_RNDN); }

static void mp_sqrt(gla_numbers *n, void *z, const void *x) { mpfr_sqrt(z, x, MPFR_RNDN); }

static void mp_log1p(gla_numbers *n, void *z, const void *x) { mpfr_log1p(z, x, MPFR_RNDN); }
static void mp_expm1(gla_numbers *n, void *z, const void *x) { mpfr_expm1(z, x, MPFR_RNDN); }

static void mp_sin(gla_numbers *n, void *z, const void *x) { mpfr_sin(z, x, MPFR_RNDN); }

static void mp_cos(gla_numbers *n, void *z, const void *x) { mpfr_cos(z, x, MPFR_RNDN); }

static void mp_max(gla_numbers *n, void *z, const void *x, const void *y) { precise_max(z, x, y); }

static void mp_above(gla_numbers *n, void *z, const void *x, const void *y) {
    mpfr_set_si(z, mpfr_greater_p(x, y) ? 1 : 0, MPFR_RNDN);
}

static const struct gla_number_ops mpfr_ops = {
    .init = mp_init,
    .clear = mp_clear,
    .set = mp_set,
    .set_d = mp_set_d,
    .get_d = mp_get_d,
    .get_mpfr = mp_get_mpfr,
    .add = mp_add,
    .sub = mp_sub,
    .mul = mp_mul,
    .fma = mp_fma,
    .neg = mp_neg,
    .exp = mp_exp,
    .div = mp_div,
    .sqrt = mp_sqrt,
    .log1p = mp_log1p,
    .expm1 = mp_expm1,
    .sin = mp_sin,
    .cos = mp_cos,
    .max = mp_max,
    .above = mp_above,
};

gla_numbers *gla_mpfr_open(mpfr_prec_t precision) {
    struct precise *m = malloc(sizeof *m);
    if (!m) return NULL;
    char name[32];
    snprintf(name, sizeof name, "mpfr:%ld", (long)precision);
    gla_numbers_setup(&m->base, &mpfr_ops, sizeof(mpfr_t), name);
    m->precision = precision;
    return &m->base;
}
