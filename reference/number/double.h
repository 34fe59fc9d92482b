/* SPDX-License-Identifier: Apache-2.0
 *
 * Memory operations of the systems whose number is one double (binary64, the narrow formats, the
 * counter). They move values and never round.
 */
#ifndef GLASSBOX_DOUBLE_H
#define GLASSBOX_DOUBLE_H

#include "number.h"

static inline double double_at(const void *x) { return *(const double *)x; }

static inline void double_put(void *z, double x) { *(double *)z = x; }

static inline void double_init(gla_numbers *n, void *x) { double_put(x, 0); }

static inline void double_clear(gla_numbers *n, void *x) {}

static inline void double_set(gla_numbers *n, void *z, const void *x) { double_put(z, double_at(x)); }

static inline double double_get_d(gla_numbers *n, const void *x) { return double_at(x); }

static inline void double_get_mpfr(gla_numbers *n, mpfr_t z, const void *x) { mpfr_set_d(z, double_at(x), MPFR_RNDN); }

static inline void double_neg(gla_numbers *n, void *z, const void *x) { double_put(z, -double_at(x)); }

#endif
