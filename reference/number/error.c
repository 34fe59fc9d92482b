/* SPDX-License-Identifier: Apache-2.0
 *
 * First-order error propagation; the model and its limits are in error.h.
 *
 *     z = x + y :  var = vx + vy          lin = lx + ly            det = dx + dy
 *              +-inf if an operand is one that was given: nothing moves it
 *     z = x y   :  var = y^2 vx + x^2 vy  lin = |y| lx + |x| ly    det = |y| dx + |x| dy + dx dy
 *     z = e^x   :  var = z^2 vx            lin = z lx              det = z (expm1(dx) + a |x| + u), at most 1 for
 *              x <= 0, with a the relative error of the argument and u that of exp
 *              of a logit not capped, and where vx, lx may move it by r: det = z (expm1(dx + r) - r + a |x| + u)
 *     z = x / y :  var = (vx + z^2 vy)/m^2  lin = (lx + |z| ly)/m  det = (dx + |z| dy)/m, with m = |y| less its bound,
 *              or y's floor if that is more; no bound if m <= 0
 *     z = ln(1+x) : var = vx/(1+x)^2       lin = lx/(1+x)          det = -ln(1 - dx/(1+x)), and the rounding of exp
 *     z = sin x :  var = cos^2 vx          lin = |cos x| lx        det = dx (slopes are at most 1), and the rounding
 *              of exp; cos x likewise
 *     max(x, y) :  the larger one's, or where the bounds leave it open the greater var, lin, det of the two, and as
 *              floor the larger of their lower ends: max(|n|, c) stays away from 0 however uncertain n is
 *     x > y :      nothing, or where the bounds leave it open det = 1
 *
 * then, but for e^x, the operation's own rounding. The cap at 1 says that a decay is at most 1 whatever its exponent's
 * error.
 * Precision: the propagation itself runs in binary64, whose 2^-53 is far below any declared u.
 */
#include "../verbs.h"
#include "double.h"
#include "error_parts.h"

#include <stdlib.h>

static const gla_error_model *model_of(gla_numbers *n) { return &error_self(n)->model; }

/* Exponent of the lowest set bit. */
static int unit_of(double x) {
    if (x == 0) return FAR;
    if (!isfinite(x)) return -FAR;
    int e;
    double m = frexp(x, &e);
    int64_t bits = (int64_t)ldexp(m, 53);
    return e - 53 + __builtin_ctzll((unsigned long long)bits);
}

/* Numbers are written field by field, after all of the operands is read: a copied structure waits for its parts. */
static void write(gla_error_number *z, double x, double var, double lin, double det, double size, double spared,
                  int unit, bool scaled) {
    z->x = x;
    z->var = var;
    z->lin = lin;
    z->det = scaled ? det + spared : det; /* where the scale comes in, nothing is spared any more */
    z->size = size;
    z->spared = scaled ? 0 : spared;
    z->unit = unit;
    z->scaled = scaled;
    z->logit = false;
    z->floor = 0;
}

static void write_exactly(gla_error_number *z, double x) { write(z, x, 0, 0, 0, fabs(x), 0, unit_of(x), false); }

/* An infinity that was given, such as the log of a gate that is shut: every format has it, and no finite number moves
 * it. One that grew beyond binary64 has errors, or a unit. */
static bool is_infinity(const gla_error_number *x) {
    return isinf(x->x) && x->unit == -FAR && x->lin == 0 && x->det == 0;
}

/* Does x stay as it is? `fits` is about normal numbers; near underflow x must lie on the coarser grid. */
static bool is_exact(const gla_error_number *x, const gla_rounding_rule *rule) {
    if (rule->u == 0 || is_infinity(x)) return true;
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

bool error_round(gla_error_number *x, const gla_rounding_rule *rule, double repeats) {
    if (is_exact(x, rule)) return false;
    double relative = rule->u * fabs(x->x), e = relative > rule->tiny ? relative : rule->tiny;
    if (rule->one_sided)
        x->det += e;
    else {
        x->var += repeats * (e * e);
        x->lin += e;
    }
    x->floor = fmax(x->floor - e, 0);
    error_narrow(x, rule->u, rule->p);
    return true;
}

void gla_error_round(gla_error_number *x, const gla_rounding_rule *rule) { error_round(x, rule, 1); }

double gla_error_bound(const gla_error_number *x, double lambda) {
    return fmin(lambda * sqrt(x->var), x->lin) + x->det;
}

/* ---- the operations ---- */

static void init(gla_numbers *n, void *x) { write(x, 0, 0, 0, 0, 0, 0, FAR, false); }
static void clear(gla_numbers *n, void *x) {}
static void set(gla_numbers *n, void *z, const void *x) { *(gla_error_number *)z = *(const gla_error_number *)x; }
static void set_d(gla_numbers *n, void *z, double x) { write_exactly(z, x); }
static double get_d(gla_numbers *n, const void *x) { return ((const gla_error_number *)x)->x; }
static void get_mpfr(gla_numbers *n, mpfr_t z, const void *x) { mpfr_set_d(z, get_d(n, x), MPFR_RNDN); }

static void write_sum(gla_error_number *z, const gla_error_number *x, const gla_error_number *y, double sign) {
    double sum = x->x + sign * y->x;
    if (isinf(sum) && (is_infinity(x) || is_infinity(y)))
        write_exactly(z, sum);
    else
        write(z, sum, x->var + y->var, x->lin + y->lin, x->det + y->det, x->size + y->size, x->spared + y->spared,
              x->unit < y->unit ? x->unit : y->unit, x->scaled || y->scaled);
}

static void write_product(gla_error_number *z, const gla_error_number *x, const gla_error_number *y) {
    double ax = fabs(x->x), ay = fabs(y->x);
    write(z, x->x * y->x, ay * ay * x->var + ax * ax * y->var, ay * x->lin + ax * y->lin,
          ay * x->det + ax * y->det + x->det * y->det, x->size * y->size, ay * x->spared + ax * y->spared,
          x->size == 0 || y->size == 0 ? FAR : clamp_unit(x->unit + y->unit), x->scaled || y->scaled);
}

/* The rounding of one operation. */
static bool round_by(gla_numbers *n, gla_error_number *x, const gla_rounding_rule *rule) {
    return error_round(x, rule, error_self(n)->repeats);
}

/* The same of a sum or score: where it is exact, perhaps only because the scale is not in it. */
static void round_unscaled(gla_numbers *n, gla_error_number *x, const gla_rounding_rule *rule) {
    bool exact = !round_by(n, x, rule);
    if (exact && error_self(n)->counts_spared && !x->scaled && !is_infinity(x)) x->spared += rule->u * fabs(x->x);
}

static void add(gla_numbers *n, void *z, const void *x, const void *y) {
    write_sum(z, x, y, 1);
    round_unscaled(n, z, &model_of(n)->op);
}

/* A number less itself is 0 whatever its error: the decay from a token to itself is exactly 1. */
static void sub(gla_numbers *n, void *z, const void *x, const void *y) {
    if (x == y) {
        write_exactly(z, 0);
        return;
    }
    write_sum(z, x, y, -1);
    round_unscaled(n, z, &model_of(n)->op);
}

static void mul(gla_numbers *n, void *z, const void *x, const void *y) {
    write_product(z, x, y);
    round_by(n, z, &model_of(n)->op);
}

static void fused(gla_numbers *n, void *z, const void *x, const void *y, const void *w) {
    gla_error_number product;
    write_product(&product, x, y);
    round_by(n, &product, &model_of(n)->op);
    write_sum(z, &product, w, 1);
    round_unscaled(n, z, &model_of(n)->op);
}

static void neg(gla_numbers *n, void *z, const void *x) {
    set(n, z, x);
    ((gla_error_number *)z)->x = -((gla_error_number *)z)->x;
}

/* e^x - 1 for x >= 0, quicker where the series ends at once. */
static double small_expm1(double x) { return x < 0x1p-18 ? x * (1 + x / 2 * (1 + x / 3)) : expm1(x); }

/* e^(x+d) - e for e = e^x and d >= 0: 0 where a mask's gate, -1e37, is off by 1e30. */
static double rise(double x, double e, double d) { return d <= 1 ? e * small_expm1(d) : exp(x + d) - e; }

/* How far e = e^x may move with a logit's errors, beyond what first order says of the random ones. */
static double shift_of_logit(const gla_error_number *x, double e) {
    double random = fmin(GLA_ERROR_LAMBDA * sqrt(x->var), x->lin), reach = random + x->det;
    if (!(reach < INFINITY)) return INFINITY;
    return fmax(rise(x->x, e, reach) - e * random, 0);
}

static void exponential(gla_numbers *n, void *z, const void *at) {
    const gla_error_number *x = at;
    if (x->x == -INFINITY || (x->x == 0 && x->lin == 0 && x->det == 0)) {
        write_exactly(z, x->x == 0 ? 1 : 0);
        return;
    }
    const gla_error_model *m = model_of(n);
    bool decays = x->x <= 0 && !x->logit;
    double e = exp(x->x), shift = x->logit ? shift_of_logit(x, e) : rise(x->x, e, x->det);
    double scaled = e * m->exp_argument * fabs(x->x);
    gla_rounding_rule alike = m->exp;
    alike.one_sided = true; /* to det */
    gla_error_number *y = z;
    bool lost = x->logit && shift == INFINITY;
    write(y, e, lost ? 0 : e * e * x->var, lost ? 0 : e * x->lin, shift + scaled, e, 0, -FAR, false);
    error_round(y, &alike, 1);
    if (decays && !(y->det <= 1)) y->det = 1;
}

static bool is_power_of_two(const gla_error_number *x) { return x->size == 0 || x->size == power_of_two(x->unit); }

static void quotient(gla_numbers *n, void *z, const void *at_x, const void *at_y) {
    const gla_error_number *x = at_x, *y = at_y;
    double ay = fabs(y->x), ratio = x->x / y->x, az = fabs(ratio);
    if (y->x != 0 && y->lin == 0 && y->det == 0 && is_power_of_two(y)) {
        gla_error_number inverse;
        write_exactly(&inverse, 1 / y->x);
        write_product(z, x, &inverse);
    } else {
        double least = fmax(ay - gla_error_bound(y, GLA_ERROR_LAMBDA), y->floor); /* of |y| */
        bool bounded = least > 0;
        double det = bounded ? (x->det + az * y->det) / least : (double)INFINITY;
        write(z, ratio, bounded ? (x->var + az * az * y->var) / (least * least) : 0,
              bounded ? (x->lin + az * y->lin) / least : 0, det, az, (x->spared + az * y->spared) / ay,
              x->x == 0 && x->size == 0 ? FAR : -FAR, x->scaled || y->scaled);
    }
    round_by(n, z, &model_of(n)->op);
}

/* sqrt(x) - sqrt(x - det) is the farthest that an error of det moves the root. */
static void root(gla_numbers *n, void *z, const void *at) {
    const gla_error_number *x = at;
    if (x->x == 0 && x->lin == 0 && x->det == 0) {
        set(n, z, x);
        return;
    }
    double value = sqrt(x->x), slope = 0.5 / value;
    double det = x->det < x->x ? x->det / (value + sqrt(x->x - x->det)) : (double)INFINITY;
    write(z, value, slope * slope * x->var, slope * x->lin, det, value, slope * x->spared, -FAR, x->scaled);
    round_by(n, z, &model_of(n)->op);
}

static void logarithm(gla_numbers *n, void *z, const void *at) {
    const gla_error_number *x = at;
    double slope = 1 / (1 + x->x), shift = x->det * slope;
    bool exact = x->x == 0 && x->lin == 0 && x->det == 0;
    gla_rounding_rule alike = model_of(n)->exp;
    alike.one_sided = true; /* to det, as e^x */
    gla_error_number *y = z;
    double value = log1p(x->x), det = shift < 1 ? -log1p(-shift) : (double)INFINITY;
    write(y, value, slope * slope * x->var, slope * x->lin, det, fabs(value), 0, exact ? FAR : -FAR, false);
    error_round(y, &alike, 1);
}

/* z = value, a function of x whose slope is `slope` at x and nowhere above 1. */
static void turn(gla_numbers *n, gla_error_number *z, const gla_error_number *x, double value, double slope) {
    bool exact = x->x == 0 && x->lin == 0 && x->det == 0;
    gla_rounding_rule alike = model_of(n)->exp;
    alike.one_sided = true; /* to det, as e^x */
    write(z, value, slope * slope * x->var, fabs(slope) * x->lin, x->det, fabs(value), 0, exact ? 0 : -FAR, false);
    error_round(z, &alike, 1);
}

static void sine(gla_numbers *n, void *z, const void *x) {
    double at = get_d(n, x);
    turn(n, z, x, sin(at), cos(at));
}

static void cosine(gla_numbers *n, void *z, const void *x) {
    double at = get_d(n, x);
    turn(n, z, x, cos(at), -sin(at));
}

static void exponential_less_one(gla_numbers *n, void *z, const void *at) {
    const gla_error_number *x = at;
    double e = exp(x->x), value = expm1(x->x);
    if ((x->x == 0 || x->x == -INFINITY) && x->lin == 0 && x->det == 0) {
        write_exactly(z, value);
        return;
    }
    gla_rounding_rule alike = model_of(n)->exp;
    alike.one_sided = true; /* to det, as e^x */
    gla_error_number *y = z;
    write(y, value, e * e * x->var, e * x->lin, e * small_expm1(x->det), fabs(value), 0, -FAR, false);
    error_round(y, &alike, 1);
}

/* 1 if x is larger whatever the errors within twice the bounds, -1 if y is, 0 if they leave it open: what a comparison
 * decides wrongly is not off by a little. */
static int decided(const gla_error_number *x, const gla_error_number *y) {
    double apart = gla_error_bound(x, 2 * GLA_ERROR_LAMBDA) + gla_error_bound(y, 2 * GLA_ERROR_LAMBDA);
    return x->x - y->x > apart ? 1 : y->x - x->x > apart ? -1 : 0;
}

/* The least that a kernel's number may be. */
static double lower_end(const gla_error_number *x) { return x->x - gla_error_bound(x, GLA_ERROR_LAMBDA); }

static void larger(gla_numbers *n, void *z, const void *at_x, const void *at_y) {
    const gla_error_number *x = at_x, *y = at_y;
    if (decided(x, y) != 0) {
        set(n, z, x->x < y->x ? y : x);
        return;
    }
    double floor = fmax(fmax(lower_end(x), lower_end(y)), 0);
    gla_error_number *most = z;
    write(most, double_larger(x->x, y->x), fmax(x->var, y->var), fmax(x->lin, y->lin), fmax(x->det, y->det),
          fmax(x->size, y->size), fmax(x->spared, y->spared), x->unit < y->unit ? x->unit : y->unit,
          x->scaled || y->scaled);
    most->floor = floor;
}

static void above(gla_numbers *n, void *z, const void *at_x, const void *at_y) {
    const gla_error_number *x = at_x, *y = at_y;
    bool exact = x->lin == 0 && x->det == 0 && y->lin == 0 && y->det == 0, open = !exact && decided(x, y) == 0;
    write_exactly(z, x->x > y->x ? 1 : 0);
    if (open) ((gla_error_number *)z)->det = 1;
}

/* A product of one row and one column. */
static void dot(gla_numbers *n, void *z, const void *x, ptrdiff_t xs, const void *y, ptrdiff_t ys, size_t count) {
    const gla_matrix C = {.in = n, .at = z, .rows = 1, .cols = 1};
    const gla_matrix A = {.in = n, .at = (char *)(uintptr_t)x, .rows = 1, .cols = count, .col = xs};
    const gla_matrix B = {.in = n, .at = (char *)(uintptr_t)y, .rows = count, .cols = 1, .row = ys};
    error_product(n, &C, &A, &B);
}

/* What the rule of a site does to a number there. */
static void apply_at(gla_numbers *n, gla_site where, const gla_rounding_rule *rule, gla_error_number *x) {
    if (where == GLA_SITE_SCORE || where == GLA_SITE_DSCORE)
        round_unscaled(n, x, rule);
    else
        round_by(n, x, rule);
    if (where == GLA_SITE_DSCORE) x->var *= fmax(model_of(n)->dscore_repeats, 1);
    if (where == GLA_SITE_NORMALISER) x->var *= 4; /* denominator.h */
    if (where == GLA_SITE_STATE || where == GLA_SITE_STATE_READ) x->spared = 0;
    if (where == GLA_SITE_SCALE) {
        x->scaled = !is_power_of_two(x);
        error_self(n)->counts_spared = x->scaled;
    }
    if (where == GLA_SITE_SCALE || where == GLA_SITE_GATE_SUM || where == GLA_SITE_GATE_TERM) {
        x->det = gla_error_bound(x, GLA_ERROR_LAMBDA);
        x->var = x->lin = 0;
    }
    if (where == GLA_SITE_LOGIT) x->logit = true;
    if (where == GLA_SITE_PROBABILITY &&
        !(gla_error_bound(x, GLA_ERROR_LAMBDA) <= 1)) { /* kernels' p is in [0,1] too */
        x->det = 1;
        x->var = x->lin = 0;
    }
}

static void site(gla_numbers *n, gla_site where, void *x) { apply_at(n, where, &model_of(n)->site[where], x); }

/* Two parts as one number of nearly twice the bits (error.h), on the grid that x is on; lo has nothing left to be. */
static void split(gla_numbers *n, gla_site where, void *hi, void *lo, const void *x) {
    gla_rounding_rule rule = model_of(n)->site[where];
    gla_error_number *whole = hi;
    int unit = ((const gla_error_number *)x)->unit;
    rule.u *= 1.5 * rule.u;
    set(n, hi, x);
    apply_at(n, where, &rule, hi);
    if (whole->unit > unit) whole->unit = unit;
    write_exactly(lo, 0);
}

static void close_numbers(gla_numbers *n) { free(error_self(n)->scratch); }

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
                                          .div = quotient,
                                          .sqrt = root,
                                          .log1p = logarithm,
                                          .expm1 = exponential_less_one,
                                          .sin = sine,
                                          .cos = cosine,
                                          .max = larger,
                                          .above = above,
                                          .product = error_product,
                                          .solve = error_solve,
                                          .dot = dot,
                                          .dot_rounds = true,
                                          .site = site,
                                          .split = split,
                                          .close = close_numbers};

gla_numbers *gla_error_open(const gla_error_model *model) {
    error_numbers *n = calloc(1, sizeof *n);
    if (!n) return NULL;
    gla_numbers_setup(&n->common, &ops, sizeof(gla_error_number), "error");
    n->model = *model;
    n->repeats = fmax(model->repeats, 1);
    return &n->common;
}
