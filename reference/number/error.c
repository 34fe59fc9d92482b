/* SPDX-License-Identifier: Apache-2.0
 *
 * First-order error propagation; the model and its limits are in error.h.
 *
 *     z = x + y :  var = vx + vy          lin = lx + ly            det = dx + dy
 *     z = x y   :  var = y^2 vx + x^2 vy  lin = |y| lx + |x| ly    det = |y| dx + |x| dy + dx dy
 *     z = e^x   :  var = z^2 vx            lin = z lx              det = z (expm1(dx) + a |x| + u), at most 1 for
 *              x <= 0, with a the relative error of the argument and u that of exp
 * then, but for e^x, the operation's own rounding. The cap at 1 says that a decay is at most 1 whatever its exponent's
 * error.
 * Precision: the propagation itself runs in binary64, whose 2^-53 is far below any declared u.
 */
#include "error.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { FAR = 1 << 20 }; /* units are kept within +-FAR; an exact zero has +FAR */

typedef struct error_numbers {
    gla_numbers common;
    gla_error_model model;
} error_numbers;

static const gla_error_model *model_of(gla_numbers *n) { return &((error_numbers *)n)->model; }

static int clamp_unit(int unit) { return unit > FAR ? FAR : unit < -FAR ? -FAR : unit; }

/* Exponent of the lowest set bit. */
static int unit_of(double x) {
    if (x == 0) return FAR;
    if (!isfinite(x)) return -FAR;
    int e;
    double m = frexp(x, &e);
    int64_t bits = (int64_t)ldexp(m, 53);
    return e - 53 + __builtin_ctzll((unsigned long long)bits);
}

/* 2^e, quicker than ldexp; e outside binary64's normal range gives 0 or infinity. */
static double power_of_two(int e) {
    if (e < -1022) return 0;
    if (e > 1023) return INFINITY;
    uint64_t bits = (uint64_t)(e + 1023) << 52;
    double x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* Exponent of the leading bit of a normal number; subnormals count as 2^-1023. */
static int leading_bit(double x) {
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    return (int)(bits >> 52 & 0x7ff) - 1023;
}

static gla_error_number exactly(double x) { return (gla_error_number){.x = x, .size = fabs(x), .unit = unit_of(x)}; }

static bool fits(double size, int unit, int p) { return size == 0 || size <= power_of_two(unit + p); }

/* Does x stay as it is? `fits` is about normal numbers; near underflow x must lie on the coarser grid. */
static bool is_exact(const gla_error_number *x, const gla_rounding_rule *rule) {
    if (rule->u == 0) return true;
    if (!fits(x->size, x->unit, rule->p)) return false;
    return fabs(x->x) >= rule->tiny / rule->u || x->x == 0 || power_of_two(x->unit) >= 2 * rule->tiny;
}

gla_rounding_rule gla_rounding_into(const gla_format *f, bool cut) {
    int ulps = cut ? 1 : 0; /* half a unit in the last place, or a whole one */
    return (gla_rounding_rule){.u = ldexp(1, ulps - f->p),
                               .p = f->p,
                               .tiny = ldexp(1, f->emin - f->p + ulps),
                               .one_sided = cut,
                               .max = f->max};
}

void gla_error_round(gla_error_number *x, const gla_rounding_rule *rule) {
    if (is_exact(x, rule)) return;
    double e = fmax(rule->u * fabs(x->x), rule->tiny);
    if (rule->one_sided)
        x->det += e;
    else {
        x->var += e * e;
        x->lin += e;
    }
    x->size = fabs(x->x) * (1 + rule->u); /* from here on it is a number of p bits */
    x->unit = x->x == 0 ? -FAR : clamp_unit(leading_bit(x->x) - rule->p + 1);
}

double gla_error_bound(const gla_error_number *x, double lambda) {
    return fmin(lambda * sqrt(x->var), x->lin) + x->det;
}

/* ---- the operations ---- */

static void init(gla_numbers *n, void *x) { *(gla_error_number *)x = exactly(0); }
static void clear(gla_numbers *n, void *x) {}
static void set(gla_numbers *n, void *z, const void *x) { *(gla_error_number *)z = *(const gla_error_number *)x; }
static void set_d(gla_numbers *n, void *z, double x) { *(gla_error_number *)z = exactly(x); }
static double get_d(gla_numbers *n, const void *x) { return ((const gla_error_number *)x)->x; }
static void get_mpfr(gla_numbers *n, mpfr_t z, const void *x) { mpfr_set_d(z, get_d(n, x), MPFR_RNDN); }

static gla_error_number sum_of(const gla_error_number *x, const gla_error_number *y, double sign) {
    return (gla_error_number){.x = x->x + sign * y->x,
                              .var = x->var + y->var,
                              .lin = x->lin + y->lin,
                              .det = x->det + y->det,
                              .size = x->size + y->size,
                              .unit = x->unit < y->unit ? x->unit : y->unit};
}

static gla_error_number product_of(const gla_error_number *x, const gla_error_number *y) {
    double ax = fabs(x->x), ay = fabs(y->x);
    return (gla_error_number){.x = x->x * y->x,
                              .var = ay * ay * x->var + ax * ax * y->var,
                              .lin = ay * x->lin + ax * y->lin,
                              .det = ay * x->det + ax * y->det + x->det * y->det,
                              .size = x->size * y->size,
                              .unit = x->size == 0 || y->size == 0 ? FAR : clamp_unit(x->unit + y->unit)};
}

static void add(gla_numbers *n, void *z, const void *x, const void *y) {
    gla_error_number sum = sum_of(x, y, 1);
    gla_error_round(&sum, &model_of(n)->op);
    *(gla_error_number *)z = sum;
}

/* A number less itself is 0 whatever its error: the decay from a token to itself is exactly 1. */
static void sub(gla_numbers *n, void *z, const void *x, const void *y) {
    if (x == y) {
        set_d(n, z, 0);
        return;
    }
    gla_error_number sum = sum_of(x, y, -1);
    gla_error_round(&sum, &model_of(n)->op);
    *(gla_error_number *)z = sum;
}

static void mul(gla_numbers *n, void *z, const void *x, const void *y) {
    gla_error_number product = product_of(x, y);
    gla_error_round(&product, &model_of(n)->op);
    *(gla_error_number *)z = product;
}

static void fused(gla_numbers *n, void *z, const void *x, const void *y, const void *w) {
    gla_error_number product = product_of(x, y);
    gla_error_round(&product, &model_of(n)->op);
    gla_error_number sum = sum_of(&product, w, 1);
    gla_error_round(&sum, &model_of(n)->op);
    *(gla_error_number *)z = sum;
}

static void neg(gla_numbers *n, void *z, const void *x) {
    set(n, z, x);
    ((gla_error_number *)z)->x = -((gla_error_number *)z)->x;
}

static void exponential(gla_numbers *n, void *z, const void *at) {
    const gla_error_number *x = at;
    if (x->x == -INFINITY || (x->x == 0 && x->lin == 0 && x->det == 0)) {
        set_d(n, z, x->x == 0 ? 1 : 0);
        return;
    }
    const gla_error_model *m = model_of(n);
    double e = exp(x->x), shift = e * expm1(x->det), scaled = e * m->exp_argument * fabs(x->x);
    gla_rounding_rule alike = m->exp;
    alike.one_sided = true; /* to det */
    gla_error_number y = {.x = e, .var = e * e * x->var, .lin = e * x->lin, .size = e, .unit = -FAR};
    y.det = shift + scaled;
    gla_error_round(&y, &alike);
    if (x->x <= 0) y.det = fmin(y.det, 1);
    *(gla_error_number *)z = y;
}

/* ---- matrix products ---- */

/* x as the product unit reads it. */
static gla_error_number operand(const gla_error_number *x, const gla_rounding_rule *rule) {
    gla_error_number y = *x;
    if (!rule->one_sided) gla_error_round(&y, rule);
    return y;
}

/* Truncated operands: relative errors between 0 and u, all of one sign. Their mean moves the whole sum in proportion
 * (det), their scatter of +-u/2 about it averages out (var). */
static void truncate_operands(gla_error_number *z, const gla_error_number *x, const gla_error_number *y, double xy,
                              const gla_rounding_rule *rule, double *biased) {
    int inexact = !fits(x->size, x->unit, rule->p) + !fits(y->size, y->unit, rule->p);
    double e = inexact * rule->u / 2 * fabs(xy);
    z->var += e * e;
    z->lin += e;
    *biased += inexact * rule->u * xy;
}

static void dot(gla_numbers *n, void *at, const void *x, ptrdiff_t xs, const void *y, ptrdiff_t ys, size_t count) {
    const gla_error_model *m = model_of(n);
    gla_error_number *z = at, sum = *z;
    double absolute = fabs(z->x), biased = 0, squares = 0, magnitudes = 0;
    for (size_t i = 0; i < count; i++) {
        gla_error_number xi = operand((const void *)((const char *)x + (ptrdiff_t)i * xs), &m->operand);
        gla_error_number yi = operand((const void *)((const char *)y + (ptrdiff_t)i * ys), &m->operand);
        gla_error_number xy = product_of(&xi, &yi);
        sum = sum_of(&sum, &xy, 1);
        if (m->operand.one_sided) truncate_operands(&sum, &xi, &yi, xy.x, &m->operand, &biased);
        absolute += fabs(xy.x);
        squares += sum.x * sum.x + xy.x * xy.x;
        magnitudes += fabs(sum.x) + fabs(xy.x);
    }
    sum.det += fabs(biased);
    if (m->sum.u > 0 && !fits(sum.size, sum.unit, m->sum.p)) {
        double u = m->sum.u;
        if (m->sum.one_sided)
            sum.det += u * ceil((double)count / 16) * absolute + m->sum.tiny;
        else {
            sum.var += u * u * squares;
            sum.lin += u * magnitudes;
            sum.det += m->sum.tiny;
        }
        sum.size = fabs(sum.x) * (1 + u);
        sum.unit = sum.x == 0 ? -FAR : clamp_unit(leading_bit(sum.x) - m->sum.p + 1);
    }
    *z = sum;
}

static void site(gla_numbers *n, gla_site where, void *at) {
    gla_error_number *x = at;
    gla_error_round(x, &model_of(n)->site[where]);
    if (where == GLA_SITE_SCALE || where == GLA_SITE_GATE_SUM || where == GLA_SITE_GATE_TERM) {
        x->det = gla_error_bound(x, GLA_ERROR_LAMBDA);
        x->var = x->lin = 0;
    }
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
                                          .dot = dot,
                                          .site = site};

gla_numbers *gla_error_open(const gla_error_model *model) {
    error_numbers *n = calloc(1, sizeof *n);
    if (!n) return NULL;
    gla_numbers_setup(&n->common, &ops, sizeof(gla_error_number), "error");
    n->model = *model;
    return &n->common;
}
