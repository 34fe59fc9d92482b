/* SPDX-License-Identifier: Apache-2.0
 *
 * The emulator: a number is a double that every rounding of an error model moves to a coarser grid; contract in
 * error.h.
 *
 * Between roundings the arithmetic is binary64's, whose own 2^-53 is far below any declared u; for formats of up to 25
 * bits sum and product are then correctly rounded. The spacing of a grid is the power of two at or below the declared
 * one, so that a format's rounding is exactly that format's; a u between powers of two (2^-22.5, an instruction's
 * documented error) is emulated by up to half as much.
 */
#include <Random123/philox.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "double.h"
#include "error.h"

enum { BLOCK = 16 }; /* products that a tensor core adds at once */

typedef struct emulator {
    gla_numbers common;
    gla_error_model model;
    uint64_t seed, draws;
    philox4x32_ctr_t words; /* that draw number `draws` stands in */
} emulator;

static emulator *self(gla_numbers *n) { return (emulator *)n; }

/* The next of the seed's random numbers, in (0,1). */
static double draw(emulator *e) {
    uint64_t i = e->draws++;
    if (i % 4 == 0) {
        philox4x32_key_t key = {{(uint32_t)e->seed, (uint32_t)(e->seed >> 32)}};
        philox4x32_ctr_t counter = {{(uint32_t)(i / 4), (uint32_t)(i / 4 >> 32), 0, 0}};
        e->words = philox4x32(counter, key);
    }
    return (e->words.v[i % 4] + 0.5) * 0x1p-32;
}

/* The greatest power of two at or below x > 0; 0 for subnormals. */
static double leading(double x) {
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    bits &= UINT64_C(0x7ff) << 52;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* A normal x has at most p bits. */
static bool has_bits(double x, int p) {
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    return p > 0 && (p >= 53 || (bits & ((UINT64_C(1) << (53 - p)) - 1)) == 0);
}

/* y to nearest even, or toward zero; without a library call for what fits, as nearly everything does. */
static double whole(double y, bool cut) {
    if (!(fabs(y) < 0x1p51)) return y;
    if (cut) return (double)(int64_t)y;
    double big = copysign(0x1.8p52, y);
    return (y + big) - big;
}

/* The rounding of x on the grid that belongs to numbers of size `scale`. */
static double on_grid(emulator *e, const gla_rounding_rule *rule, double x, double scale) {
    double wide = rule->one_sided ? 1 : 2; /* spacing in units of u */
    double step = leading(fmax(wide * rule->u * leading(scale), wide * rule->tiny));
    if (step == 0) return x;
    double y = x / step, z = whole(y, rule->one_sided);
    if (z != y && e->seed) z = rule->one_sided ? y - copysign(draw(e), y) : y + draw(e) - 0.5;
    z *= step;
    return rule->max > 0 && fabs(z) > rule->max ? copysign((double)INFINITY, x) : z;
}

static double rounded(emulator *e, const gla_rounding_rule *rule, double x) {
    if (rule->u == 0 || x == 0 || !isfinite(x)) return x;
    bool normal = rule->tiny == 0 || fabs(x) >= rule->tiny / rule->u;
    if (normal && has_bits(x, rule->p) && (rule->max == 0 || fabs(x) <= rule->max)) return x;
    return on_grid(e, rule, x, fabs(x));
}

/* ---- the operations ---- */

static void set_d(gla_numbers *n, void *z, double x) { double_put(z, x); }

static void add(gla_numbers *n, void *z, const void *x, const void *y) {
    double_put(z, rounded(self(n), &self(n)->model.op, double_at(x) + double_at(y)));
}

static void sub(gla_numbers *n, void *z, const void *x, const void *y) {
    double_put(z, rounded(self(n), &self(n)->model.op, double_at(x) - double_at(y)));
}

static void mul(gla_numbers *n, void *z, const void *x, const void *y) {
    double_put(z, rounded(self(n), &self(n)->model.op, double_at(x) * double_at(y)));
}

static void fused(gla_numbers *n, void *z, const void *x, const void *y, const void *w) {
    const gla_rounding_rule *op = &self(n)->model.op;
    double product = rounded(self(n), op, double_at(x) * double_at(y));
    double_put(z, rounded(self(n), op, product + double_at(w)));
}

static void exponential(gla_numbers *n, void *z, const void *at) {
    emulator *e = self(n);
    double x = double_at(at);
    gla_rounding_rule argument = {.u = e->model.exp_argument};
    double_put(z, x == 0 ? 1 : rounded(e, &e->model.exp, exp(rounded(e, &argument, x))));
}

static void divide(gla_numbers *n, void *z, const void *x, const void *y) {
    double_put(z, rounded(self(n), &self(n)->model.op, double_at(x) / double_at(y)));
}

static void root(gla_numbers *n, void *z, const void *x) {
    double_put(z, rounded(self(n), &self(n)->model.op, sqrt(double_at(x))));
}

static void logarithm(gla_numbers *n, void *z, const void *x) {
    double_put(z, rounded(self(n), &self(n)->model.exp, log1p(double_at(x))));
}

static void exponential_less_one(gla_numbers *n, void *z, const void *x) {
    double_put(z, rounded(self(n), &self(n)->model.exp, expm1(double_at(x))));
}

static void sine(gla_numbers *n, void *z, const void *x) {
    double_put(z, rounded(self(n), &self(n)->model.exp, sin(double_at(x))));
}

static void cosine(gla_numbers *n, void *z, const void *x) {
    double_put(z, rounded(self(n), &self(n)->model.exp, cos(double_at(x))));
}

/* ---- matrix products ---- */

/* One addition, or one block of a tensor core: `block` is exact, `absolute` the sum of the absolute values. */
static double accumulate(emulator *e, double sum, double block, double absolute) {
    const gla_rounding_rule *rule = &e->model.sum;
    if (!rule->one_sided) return rounded(e, rule, sum + rounded(e, rule, block));
    sum += block;
    if (rule->u == 0 || sum == 0 || !isfinite(sum) || has_bits(sum, rule->p)) return sum;
    return on_grid(e, rule, sum, absolute);
}

static void dot(gla_numbers *n, void *z, const void *x, ptrdiff_t xs, const void *y, ptrdiff_t ys, size_t count) {
    emulator *e = self(n);
    const gla_rounding_rule *operand = &e->model.operand;
    size_t at_once = e->model.sum.one_sided ? BLOCK : 1;
    double sum = double_at(z);
    for (size_t first = 0; first < count; first += at_once) {
        size_t end = first + at_once < count ? first + at_once : count;
        double block = 0, absolute = fabs(sum);
        for (size_t i = first; i < end; i++) {
            double xi = rounded(e, operand, double_at((const char *)x + (ptrdiff_t)i * xs));
            double yi = rounded(e, operand, double_at((const char *)y + (ptrdiff_t)i * ys));
            block += xi * yi;
            absolute += fabs(xi * yi);
        }
        sum = accumulate(e, sum, block, absolute);
    }
    double_put(z, sum);
}

static void site(gla_numbers *n, gla_site where, void *x) {
    double_put(x, rounded(self(n), &self(n)->model.site[where], double_at(x)));
}

static void split(gla_numbers *n, gla_site where, void *hi, void *lo, const void *x) {
    const gla_rounding_rule *rule = &self(n)->model.site[where];
    double high = rounded(self(n), rule, double_at(x));
    double_put(hi, high);
    double_put(lo, isfinite(high) ? rounded(self(n), rule, double_at(x) - high) : 0);
}

static const struct gla_number_ops ops = {.init = double_init,
                                          .clear = double_clear,
                                          .set = double_set,
                                          .set_d = set_d,
                                          .get_d = double_get_d,
                                          .get_mpfr = double_get_mpfr,
                                          .add = add,
                                          .sub = sub,
                                          .mul = mul,
                                          .fma = fused,
                                          .neg = double_neg,
                                          .exp = exponential,
                                          .div = divide,
                                          .sqrt = root,
                                          .log1p = logarithm,
                                          .expm1 = exponential_less_one,
                                          .sin = sine,
                                          .cos = cosine,
                                          .max = double_max,
                                          .above = double_above,
                                          .dot = dot,
                                          .dot_rounds = true,
                                          .site = site,
                                          .split = split};

gla_numbers *gla_emulator_open(const gla_error_model *model, uint64_t seed) {
    emulator *e = calloc(1, sizeof *e);
    if (!e) return NULL;
    gla_numbers_setup(&e->common, &ops, sizeof(double), "emulator");
    e->model = *model;
    e->seed = seed;
    return &e->common;
}
