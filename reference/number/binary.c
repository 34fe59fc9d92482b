/* SPDX-License-Identifier: Apache-2.0
 *
 * binary64 and binary32: the machine's own arithmetic, round to nearest even, subnormals kept.
 *
 * Every operation is one IEEE operation and fma is fused, on machines without the instruction too (libm supplies it).
 * exp, log1p, expm1, sin and cos are correctly rounded (format.c, by way of MPFR): no result depends on whose libm is
 * linked; binary32 asks MPFR only where binary64's, taken as right to 2^-40, leaves the rounding open. Both systems
 * have a quick dot and axpy: the very fma of the plain loop in the same order, only without a call for each; where the
 * processor has an fma instruction the compiled clone uses it.
 */
#include <float.h>
#include <math.h>
#include <stdlib.h>

#include "cloned.h"
#include "double.h"
#include "format.h"

#if FLT_EVAL_METHOD != 0
#error "Glassbox needs float and double evaluated as such (on 32-bit x86: -mfpmath=sse)"
#endif

/* ---- binary64 ---- */

static void b64_set_d(gla_numbers *n, void *z, double x) { double_put(z, x); }

static void b64_add(gla_numbers *n, void *z, const void *x, const void *y) {
    double_put(z, double_at(x) + double_at(y));
}

static void b64_sub(gla_numbers *n, void *z, const void *x, const void *y) {
    double_put(z, double_at(x) - double_at(y));
}

static void b64_mul(gla_numbers *n, void *z, const void *x, const void *y) {
    double_put(z, double_at(x) * double_at(y));
}

static void b64_fma(gla_numbers *n, void *z, const void *x, const void *y, const void *w) {
    double_put(z, fma(double_at(x), double_at(y), double_at(w)));
}

static void b64_exp(gla_numbers *n, void *z, const void *x) {
    double_put(z, gla_round_exp(&gla_binary64_format, GLA_RN, double_at(x), 0));
}

static void b64_div(gla_numbers *n, void *z, const void *x, const void *y) {
    double_put(z, double_at(x) / double_at(y));
}

static void b64_sqrt(gla_numbers *n, void *z, const void *x) { double_put(z, sqrt(double_at(x))); }

static void b64_log1p(gla_numbers *n, void *z, const void *x) {
    double_put(z, gla_round_log1p(&gla_binary64_format, GLA_RN, double_at(x), 0));
}

static void b64_expm1(gla_numbers *n, void *z, const void *x) {
    double_put(z, gla_round_expm1(&gla_binary64_format, GLA_RN, double_at(x), 0));
}

static void b64_sin(gla_numbers *n, void *z, const void *x) {
    double_put(z, gla_round_sin(&gla_binary64_format, GLA_RN, double_at(x), 0));
}

static void b64_cos(gla_numbers *n, void *z, const void *x) {
    double_put(z, gla_round_cos(&gla_binary64_format, GLA_RN, double_at(x), 0));
}

CLONED_FOR_FMA
static void b64_dot(gla_numbers *n, void *z, const void *x, ptrdiff_t xs, const void *y, ptrdiff_t ys, size_t count) {
    const char *xi = x, *yi = y;
    double sum = double_at(z);
    for (size_t i = 0; i < count; i++, xi += xs, yi += ys) sum = fma(double_at(xi), double_at(yi), sum);
    double_put(z, sum);
}

CLONED_FOR_FMA
static void b64_axpy(gla_numbers *n, void *z, ptrdiff_t zs, const void *a, const void *x, ptrdiff_t xs, size_t count) {
    char *zi = z;
    const char *xi = x;
    double factor = double_at(a);
    for (size_t i = 0; i < count; i++, zi += zs, xi += xs) double_put(zi, fma(factor, double_at(xi), double_at(zi)));
}

static const struct gla_number_ops binary64_ops = {
    .init = double_init,
    .clear = double_clear,
    .set = double_set,
    .set_d = b64_set_d,
    .get_d = double_get_d,
    .get_mpfr = double_get_mpfr,
    .add = b64_add,
    .sub = b64_sub,
    .mul = b64_mul,
    .fma = b64_fma,
    .neg = double_neg,
    .exp = b64_exp,
    .div = b64_div,
    .sqrt = b64_sqrt,
    .log1p = b64_log1p,
    .expm1 = b64_expm1,
    .sin = b64_sin,
    .cos = b64_cos,
    .max = double_max,
    .above = double_above,
    .dot = b64_dot,
    .axpy = b64_axpy,
};

gla_numbers *gla_binary64_open(void) {
    gla_numbers *n = malloc(sizeof *n);
    if (n) gla_numbers_setup(n, &binary64_ops, sizeof(double), "binary64");
    return n;
}

/* ---- binary32 ---- */

static float float_at(const void *x) { return *(const float *)x; }

static void float_put(void *z, float x) { *(float *)z = x; }

static void b32_init(gla_numbers *n, void *x) { float_put(x, 0); }

static void b32_clear(gla_numbers *n, void *x) {}

static void b32_set(gla_numbers *n, void *z, const void *x) { float_put(z, float_at(x)); }

static void b32_set_d(gla_numbers *n, void *z, double x) { float_put(z, (float)x); }

static double b32_get_d(gla_numbers *n, const void *x) { return (double)float_at(x); }

static void b32_get_mpfr(gla_numbers *n, mpfr_t z, const void *x) { mpfr_set_flt(z, float_at(x), MPFR_RNDN); }

static void b32_add(gla_numbers *n, void *z, const void *x, const void *y) { float_put(z, float_at(x) + float_at(y)); }

static void b32_sub(gla_numbers *n, void *z, const void *x, const void *y) { float_put(z, float_at(x) - float_at(y)); }

static void b32_mul(gla_numbers *n, void *z, const void *x, const void *y) { float_put(z, float_at(x) * float_at(y)); }

static void b32_fma(gla_numbers *n, void *z, const void *x, const void *y, const void *w) {
    float_put(z, fmaf(float_at(x), float_at(y), float_at(w)));
}

static void b32_neg(gla_numbers *n, void *z, const void *x) { float_put(z, -float_at(x)); }

/* y is right to 2^-40 and so are both its neighbours at that distance: if they round alike, so does the right value. */
static bool rounds_surely(double y, float *rounded) {
    *rounded = (float)(y * (1 + 0x1p-40));
    return (float)(y * (1 - 0x1p-40)) == *rounded;
}

static void b32_exp(gla_numbers *n, void *z, const void *x) {
    double at = (double)float_at(x);
    float y;
    float_put(z, rounds_surely(exp(at), &y) ? y : (float)gla_round_exp(&gla_binary32_format, GLA_RN, at, 0));
}

static void b32_div(gla_numbers *n, void *z, const void *x, const void *y) { float_put(z, float_at(x) / float_at(y)); }

static void b32_sqrt(gla_numbers *n, void *z, const void *x) { float_put(z, sqrtf(float_at(x))); }

static void b32_log1p(gla_numbers *n, void *z, const void *x) {
    double at = (double)float_at(x);
    float y;
    float_put(z, rounds_surely(log1p(at), &y) ? y : (float)gla_round_log1p(&gla_binary32_format, GLA_RN, at, 0));
}

static void b32_expm1(gla_numbers *n, void *z, const void *x) {
    double at = (double)float_at(x);
    float y;
    float_put(z, rounds_surely(expm1(at), &y) ? y : (float)gla_round_expm1(&gla_binary32_format, GLA_RN, at, 0));
}

static void b32_sin(gla_numbers *n, void *z, const void *x) {
    float_put(z, (float)gla_round_sin(&gla_binary32_format, GLA_RN, (double)float_at(x), 0));
}

static void b32_cos(gla_numbers *n, void *z, const void *x) {
    float_put(z, (float)gla_round_cos(&gla_binary32_format, GLA_RN, (double)float_at(x), 0));
}

static void b32_max(gla_numbers *n, void *z, const void *x, const void *y) {
    float_put(z, (float)double_larger((double)float_at(x), (double)float_at(y)));
}

static void b32_above(gla_numbers *n, void *z, const void *x, const void *y) {
    float_put(z, float_at(x) > float_at(y) ? 1 : 0);
}

CLONED_FOR_FMA
static void b32_dot(gla_numbers *n, void *z, const void *x, ptrdiff_t xs, const void *y, ptrdiff_t ys, size_t count) {
    const char *xi = x, *yi = y;
    float sum = float_at(z);
    for (size_t i = 0; i < count; i++, xi += xs, yi += ys) sum = fmaf(float_at(xi), float_at(yi), sum);
    float_put(z, sum);
}

CLONED_FOR_FMA
static void b32_axpy(gla_numbers *n, void *z, ptrdiff_t zs, const void *a, const void *x, ptrdiff_t xs, size_t count) {
    char *zi = z;
    const char *xi = x;
    float factor = float_at(a);
    for (size_t i = 0; i < count; i++, zi += zs, xi += xs) float_put(zi, fmaf(factor, float_at(xi), float_at(zi)));
}

static const struct gla_number_ops binary32_ops = {
    .init = b32_init,
    .clear = b32_clear,
    .set = b32_set,
    .set_d = b32_set_d,
    .get_d = b32_get_d,
    .get_mpfr = b32_get_mpfr,
    .add = b32_add,
    .sub = b32_sub,
    .mul = b32_mul,
    .fma = b32_fma,
    .neg = b32_neg,
    .exp = b32_exp,
    .div = b32_div,
    .sqrt = b32_sqrt,
    .log1p = b32_log1p,
    .expm1 = b32_expm1,
    .sin = b32_sin,
    .cos = b32_cos,
    .max = b32_max,
    .above = b32_above,
    .dot = b32_dot,
    .axpy = b32_axpy,
};

gla_numbers *gla_binary32_open(void) {
    gla_numbers *n = malloc(sizeof *n);
    if (n) gla_numbers_setup(n, &binary32_ops, sizeof(float), "binary32");
    return n;
}
