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
 * Rounding to p bits is exact when size <= 2^(unit+p), and above the subnormals (|x| >= tiny/u) or on their grid (unit
 * of 2 tiny): so integer and dyadic inputs earn a bound of 0, which is a demand for equality (tier 0).
 *
 * Exact only in this order of operations: s (x_1 + x_2) may round once where s x_1 + s x_2 rounds three times, and a
 * kernel may do either, since the scale may come in before or after a sum or a score. If it is no power of two, a
 * number also knows
 *     spared  sum of u |site| over the sums and scores behind it that are exact while the scale is not in them
 *     scaled  the scale is in it
 * and where the scale comes in, spared moves into det. Carried states are never held scaled: spared ends there. Of
 * generic inputs next to nothing is exact, so spared is next to nothing.
 *
 * e^x is a decay, at most 1 where x <= 0 whatever x's error, unless x is marked as a logit (GLA_SITE_LOGIT): there a
 * kernel may have another largest one, and an error of some nats is not first order.
 *
 * Independence: var adds as if roundings were independent and each met once. That holds on the way to o, the states,
 * dq, dk, dv. It does not hold for the scale (used by all), cumulative gates (used by every pair of tokens) and gate
 * gradients (sums of neighbours that share states): at those sites min(lambda sqrt(var), lin) moves into det, where
 * errors add up. Nor for exponentials: equal gates, token after token, make equal errors, and hardware's lean to one
 * side. They are det.
 * Equal operands make equal roundings. If among the errors e_i of a sum each value occurs at most m times, the sum over
 * a group of equal ones is m a e instead of m independent a e_i, and by Cauchy and Schwarz
 *     sum over groups (sum_{i in group} |a_i|)^2 e^2 <= m sum a_i^2 e_i^2 :
 * every rounding enters var m-fold (model.repeats; compare/repeats.h counts m in the inputs), and lin, which needs no
 * independence, ends the growth. Generic inputs have m = 1.
 *
 * Operands of two parts (gla_split_at). With u of the site, x = hi + r, |r| <= u|x|, and r = lo + e, |e| <= u|r| <=
 * u^2 |x|. A product of two such operands is hi hi' + hi lo' + lo hi', so that lo lo' + e x' + x e' is missing:
 *     |missing| <= (1 + 1 + 1) u^2 |x x'| = 1.5 u^2 |x x'| for each of the two operands,
 * third powers of u left out. An operand of two parts is therefore one number with a rounding of 1.5 u^2; with an
 * operand that is not split, whose lo' = 0, u^2 would do. What fits p bits has lo = 0 and is exact; what fits 2 p bits
 * is not: lo lo' is missing. Both parts are multiples of what x is a multiple of, not of the last place of a number of
 * p bits. Near underflow e is at most tiny. Cut toward zero, r, lo and e have x's sign and nothing changes.
 *
 * What stays wide. Gate gradients: a rounded state is read by every token of its chunk, and what it does to their terms
 * has the signs of the operands, so the terms' bounds add up linearly (Minkowski), 8 times what 64 independent terms
 * would scatter; marking errors by their channel is no help, since dg sums over tokens within one. Cumulative gates:
 * there it would be sound, channels in quadrature and tokens linearly, but gains sqrt(dk) / lambda, 2.3 at dk = 64, for
 * a second det and a mark in every number.
 */
#ifndef GLASSBOX_ERROR_H
#define GLASSBOX_ERROR_H

#include <stdbool.h>

#include "format.h"

/* One kind of rounding; u = 0 means none. */
typedef struct gla_rounding_rule {
    double u;       /* unit roundoff: relative error of one rounding, at most */
    int p;          /* significand bits, to recognise exact cases; 0: the operation is inexact whatever fits */
    double tiny;    /* absolute error of one rounding near underflow, at most */
    bool one_sided; /* truncation: goes to det, in proportion to the result, instead of var and lin */
    double max;     /* what the emulator lets overflow: largest finite value, 0 = no end. No bound covers an overflow */
} gla_rounding_rule;

/* The rule of rounding into a format to nearest, or cut toward zero. */
gla_rounding_rule gla_rounding_into(const gla_format *f, bool cut);

typedef struct gla_error_model {
    gla_rounding_rule op;  /* every elementwise operation; an fma counts as two, kernels may contract or not */
    gla_rounding_rule exp; /* the kernel's exp, its final rounding included; log1p, expm1, sin and cos, from the same
                              library, too */
    double exp_argument;   /* relative error of exp's argument on its way into base 2 */
    gla_rounding_rule operand; /* operands of matrix products as the product unit reads them */
    gla_rounding_rule sum;     /* accumulation inside a matrix product; one_sided: u per block of 16 products, relative
                                  to the sum of their absolute values (tensor cores); else u per addition */
    gla_rounding_rule site[GLA_SITES];
    /* How often equal roundings may meet in one sum, and how many times more often equal score gradients; 0 = once.
     * Nothing to the emulator. */
    double repeats, dscore_repeats;
} gla_error_model;

typedef struct gla_error_number {
    double x, var, lin, det, size, spared;
    double floor; /* no kernel's number is nearer to 0; 0 but for a maximum of which the errors leave open what it is */
    int unit;
    bool scaled, logit;
} gla_error_number;

#define GLA_ERROR_LAMBDA 3.5 /* PASS: 8 standard deviations of an error uniform in its rounding interval */

/* An error uniform in the rounding interval of a number of significand m has the variance u^2 / (3 m^2) relative to
 * the number; over significands spread log-uniformly that is 0.1803 u^2, a standard deviation of 0.4247 u. */
#define GLA_ERROR_VARIANCE 0.1803

gla_numbers *gla_error_open(const gla_error_model *model);

/* emulator.c: arithmetic that makes the errors which the model bounds. A rounding moves a number to a grid of spacing
 * 2u (one-sided: u, toward zero) of its leading bit, and no finer than 2 tiny (tiny); what fits p bits stays.
 *     op       a product and a sum round apart, as the model counts them
 *     operand  operands of a dot product, to nearest or cut
 *     sum      to nearest: every product and every addition; one-sided: blocks of 16 products are summed exactly and
 *              the new sum is cut on the grid of the absolute values in it. A simple model of a tensor core
 * seed 0: to nearest even, like a kernel. Else dithered: every inexact rounding errs by an independent amount, uniform
 * in the same interval; the seed makes a run repeatable. So the model itself is sampled, shared data or not. */
gla_numbers *gla_emulator_open(const gla_error_model *model, uint64_t seed);

/* min(lambda sqrt(var), lin) + det. */
double gla_error_bound(const gla_error_number *x, double lambda);

/* The error of rounding x once more by this rule is added to it; nothing if the rounding is exact. */
void gla_error_round(gla_error_number *x, const gla_rounding_rule *rule);

#endif
