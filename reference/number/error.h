/* SPDX-License-Identifier: Apache-2.0
 *
 * The number system of rounding errors: a value together with what a kernel of declared arithmetic may do to it.
 *
 * A number is a binary64 value x and, to first order in the inexact roundings on its way,
 *     var   sum of (u |dx/dsite| |site|)^2 over independent roundings
 *     lin   sum of u |dx/dsite| |site| over the same ones: what they could do if all conspired
 *     det   sum of absolute bounds that do not average out: biased roundings (truncation), errors shared by many terms
 *           (cumulative gates), flushed subnormals
 * A kernel's |error| should stay within  min(lambda sqrt(var), lin) + det.
 *
 * These are the error companions of the oracle, run beside the truth by the same formulation: lin and det carry
 * absolute values through every operation (the abs, drift and anchor companions), var carries squares (the square
 * companion); see compare/profiles.c for which sites a kernel declares.
 *
 * Exact roundings add nothing. To recognise them whatever the order of summation, a number also knows
 *     size  a bound on |x| and on every partial sum behind it since the last inexact rounding
 *     unit  x is a multiple of 2^unit
 * Rounding to p bits is exact when size <= 2^(unit+p): so integer and dyadic inputs earn a bound of 0, which is a
 * demand for equality (tier 0).
 *
 * Independence: var adds as if roundings were independent and each met once. That holds on the way to o, the states,
 * dq, dk, dv. It does not hold for cumulative gates (used by every pair of tokens) nor for gate gradients (sums of
 * neighbours that share states): at those two sites min(lambda sqrt(var), lin) moves into det, where errors add up.
 */
#ifndef GLASSBOX_ERROR_H
#define GLASSBOX_ERROR_H

#include <stdbool.h>

#include "number.h"

/* One kind of rounding; u = 0 means none. */
typedef struct gla_rounding_rule {
    double u;       /* unit roundoff: relative error of one rounding, at most */
    int p;          /* significand bits, to recognise exact cases */
    double tiny;    /* absolute error of one rounding near underflow, at most */
    bool one_sided; /* truncation: goes to det, in proportion to the result, instead of var and lin */
} gla_rounding_rule;

typedef struct gla_error_model {
    gla_rounding_rule op;      /* every elementwise operation; an fma counts as two, kernels may contract or not */
    gla_rounding_rule exp;     /* the kernel's exp, its final rounding included */
    double exp_argument;       /* relative error of exp's argument on its way into base 2 */
    gla_rounding_rule operand; /* operands of matrix products as the product unit reads them */
    gla_rounding_rule sum;     /* accumulation inside a matrix product; one_sided: u per block of 16 products, relative
                                  to the sum of their absolute values (tensor cores); else u per addition */
    gla_rounding_rule site[GLA_SITES];
} gla_error_model;

typedef struct gla_error_number {
    double x, var, lin, det, size;
    int unit;
} gla_error_number;

#define GLA_ERROR_LAMBDA 3.5 /* PASS: 8 standard deviations of an error uniform in its rounding interval */

gla_numbers *gla_error_open(const gla_error_model *model);

/* min(lambda sqrt(var), lin) + det. */
double gla_error_bound(const gla_error_number *x, double lambda);

/* The error of rounding x once more by this rule is added to it; nothing if the rounding is exact. */
void gla_error_round(gla_error_number *x, const gla_rounding_rule *rule);

#endif
