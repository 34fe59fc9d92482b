/* SPDX-License-Identifier: Apache-2.0
 *
 * What the systems whose number is one double (binary64, the narrow formats, the counter, the emulator) share: memory
 * and comparisons. They move values and never round.
 */
#ifndef GLASSBOX_DOUBLE_H
#define GLASSBOX_DOUBLE_H

#include <math.h>

#include "number.h"

static inline double double_at(const void *x) { return *(const double *)x; }

static inline void double_put(void *z, double x) { *(double *)z = x; }

static inline void double_init(gla_numbers *n, void *x) { double_put(x, 0); }

static inline void double_clear(gla_numbers *n, void *x) {}

static inline void double_set(gla_numbers *n, void *z, const void *x) { double_put(z, double_at(x)); }

static inline double double_get_d(gla_numbers *n, const void *x) { return double_at(x); }

static inline void double_get_mpfr(gla_numbers *n, mpfr_t z, const void *x) { mpfr_set_d(z, double_at(x), MPFR_RNDN); }

/* The larger; +0 above -0, NaN if either is. */
static inline double double_larger(double x, double y) {
    if (isnan(x) || isnan(y)) return x + y;
    if (x == y) return signbit(x) ? y : x;
    return x > y ? x : y;
}

static inline void double_max(gla_numbers *n, void *z, const void *x, const void *y) {
    double_put(z, double_larger(double_at(x), double_at(y)));
}

static inline void double_above(gla_numbers *n, void *z, const void *x, const void *y) {
    double_put(z, double_at(x) > double_at(y) ? 1 : 0);
}

static inline void double_neg(gla_numbers *n, void *z, const void *x) { double_put(z, -double_at(x)); }

#endif
