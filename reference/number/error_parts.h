/* SPDX-License-Identifier: Apache-2.0
 *
 * What error.c and error_product.c share: exactness, and the first-order rules of a sum and a product of two numbers.
 */
#ifndef GLASSBOX_ERROR_PARTS_H
#define GLASSBOX_ERROR_PARTS_H

#include <math.h>
#include <string.h>

#include "error.h"

enum { FAR = 1 << 20 }; /* units are kept within +-FAR; an exact zero has +FAR */

typedef struct error_numbers {
    gla_numbers common;
    gla_error_model model;
    double repeats;     /* the model's, at least 1 */
    bool counts_spared; /* the scale is no power of two */
    double *scratch;    /* of error_product.c */
    size_t room;
} error_numbers;

static inline error_numbers *error_self(gla_numbers *n) { return (error_numbers *)n; }

static inline int clamp_unit(int unit) { return unit > FAR ? FAR : unit < -FAR ? -FAR : unit; }

/* 2^e, quicker than ldexp; e outside binary64's normal range gives 0 or infinity. */
static inline double power_of_two(int e) {
    if (e < -1022) return 0;
    if (e > 1023) return INFINITY;
    uint64_t bits = (uint64_t)(e + 1023) << 52;
    double x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* Exponent of the leading bit of a normal number; subnormals count as 2^-1023. */
static inline int leading_bit(double x) {
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    return (int)(bits >> 52 & 0x7ff) - 1023;
}

static inline bool fits(double size, int unit, int p) { return size == 0 || size <= power_of_two(unit + p); }

/* From here on x is a number of p bits. */
static inline void error_narrow(gla_error_number *x, double u, int p) {
    x->size = fabs(x->x) * (1 + u);
    x->unit = x->x == 0 ? -FAR : clamp_unit(leading_bit(x->x) - p + 1);
}

/* One rounding of x by the rule, met by `repeats` equal ones. False: x is exact. */
bool error_round(gla_error_number *x, const gla_rounding_rule *rule, double repeats);

/* Y = (I+L)^-1 Y, or (I+L)^-T Y. */
void error_solve(gla_numbers *n, const struct gla_matrix *Y, const struct gla_matrix *L, bool back);

/* C += A B. */
void error_product(gla_numbers *n, const struct gla_matrix *C, const struct gla_matrix *A, const struct gla_matrix *B);

#endif
