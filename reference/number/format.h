/* SPDX-License-Identifier: Apache-2.0
 *
 * Narrow floating-point formats from an integer core.
 *
 * A finite value is (-1)^s * m * 2^e with an integer m. A format keeps p bits of significand, exponents emin..emax of
 * the leading bit, subnormals down to 2^(emin-p+1). Rounding is done on integers with explicit sticky information, so
 * no double rounding can occur; every value of a format (p <= 53, range inside binary64's) is held exactly in a double.
 */
#ifndef GLASSBOX_FORMAT_H
#define GLASSBOX_FORMAT_H

#include <mpfr.h>
#include <stdbool.h>
#include <stdint.h>

#include "number.h"

typedef enum gla_rounding {
    GLA_RN, /* to nearest, ties to even */
    GLA_RZ, /* toward zero */
    GLA_RU, /* toward +infinity */
    GLA_RD, /* toward -infinity */
    GLA_RA, /* to nearest, ties away from zero */
    GLA_RO, /* to odd: exact, else the neighbour with odd last bit; stays finite */
    GLA_SR, /* stochastic: away from zero iff random < floor(2^32 * discarded fraction), 32 explicit random bits */
    GLA_ROUNDINGS
} gla_rounding;

typedef enum gla_overflow {
    GLA_OVERFLOW_IEEE,    /* as IEEE 754: infinity or the largest finite, by rounding direction */
    GLA_OVERFLOW_NAN,     /* as IEEE 754, with NaN where it has infinity (e4m3, as OCP's non-saturating mode) */
    GLA_OVERFLOW_SATURATE /* a finite or infinite value past the largest becomes the largest; NaN stays NaN */
} gla_overflow;

typedef struct gla_format {
    const char *name;
    int p;          /* significand bits, hidden bit included, 1..53 */
    int emin, emax; /* exponent of the leading bit of normal numbers */
    double max;     /* largest finite value (e4m3: 448, below the IEEE-style 480) */
    bool infinities;
    gla_overflow overflow;
    int bits; /* width of the encoding, 0 if it has none here */
} gla_format;

extern const gla_format gla_bf16, gla_f16, gla_tf32, gla_e4m3, gla_e5m2, gla_binary32_format, gla_binary64_format;

/* A named format ("bf16", "f16", "tf32", "e4m3", "e5m2", "binary32", "binary64"), or NULL. */
const gla_format *gla_format_named(const char *name);

/* The format with the given p, emin, emax, IEEE-like (infinities, overflow to infinity). */
gla_format gla_format_of(int p, int emin, int emax);

/* x rounded into f. `random` supplies the 32 bits of GLA_SR and is ignored otherwise. */
double gla_round(const gla_format *f, gla_rounding r, double x, uint32_t random);

/* x + y, x * y, x*y + w with one rounding, all operands any doubles. */
double gla_round_add(const gla_format *f, gla_rounding r, double x, double y, uint32_t random);
double gla_round_mul(const gla_format *f, gla_rounding r, double x, double y, uint32_t random);
double gla_round_fma(const gla_format *f, gla_rounding r, double x, double y, double w, uint32_t random);
/* x / y, the square root, exp(x), ln(1 + x), e^x - 1, sin(x), cos(x), correctly rounded by mode r. */
double gla_round_div(const gla_format *f, gla_rounding r, double x, double y, uint32_t random);
double gla_round_sqrt(const gla_format *f, gla_rounding r, double x, uint32_t random);
double gla_round_exp(const gla_format *f, gla_rounding r, double x, uint32_t random);
double gla_round_log1p(const gla_format *f, gla_rounding r, double x, uint32_t random);
double gla_round_expm1(const gla_format *f, gla_rounding r, double x, uint32_t random);
double gla_round_sin(const gla_format *f, gla_rounding r, double x, uint32_t random);
double gla_round_cos(const gla_format *f, gla_rounding r, double x, uint32_t random);
/* An MPFR value of any precision, rounded once into f. */
double gla_round_mpfr(const gla_format *f, gla_rounding r, const mpfr_t x, uint32_t random);

/* The 8- or 16-bit encodings (f->bits), and back. Encoding takes a value of the format. Encoded NaN is the format's
 * quiet NaN. bf16, f16, e4m3 (S.1111.111 = NaN, no infinity), e5m2; binary32 by its IEEE words (bits 32). tf32 lives in
 * binary32 words and has none of its own, nor have binary64 and gla_format_of; never call these with bits == 0. */
uint32_t gla_encode(const gla_format *f, double x);
double gla_decode(const gla_format *f, uint32_t bits);

/* narrow.c: the number system in which every operation rounds into f. A number is one double. */
gla_numbers *gla_narrow_open(const gla_format *f, gla_rounding r, uint64_t seed);

/* mixed.c: binary32 arithmetic with the operands of matrix products rounded into f. */
gla_numbers *gla_mixed_open(const gla_format *f);

#endif
