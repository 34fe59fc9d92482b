/* SPDX-License-Identifier: Apache-2.0
 *
 * The integer core behind every narrow format (format.h).
 *
 * An operation is first carried out exactly, as (-1)^s (m + t) 2^e with a 128-bit integer m, where
 * t is 0, or, if `sticky`, some unknown 0 < t < 1 far below the last bit that matters. Then
 * round_exact cuts m at the last place of the format, once. There is no other rounding in this
 * file, hence no double rounding.
 *
 * Signed zeros, infinities and NaN follow IEEE 754: x + -x = +0 (-0 when rounding down), 0 * inf =
 * inf - inf = NaN; tininess underflows gradually to subnormals, then to zero or the least
 * subnormal, by rounding direction.
 *
 * Stochastic rounding: away from zero iff random < floor(fraction * 2^32), the fraction being what
 * is cut off, in units of the last place. An exact value never moves. The mean over all random
 * words misses the value by less than 2^-32 of a last place, toward zero.
 */
#include "format.h"

#include <float.h>
#include <math.h>
#include <string.h>

typedef unsigned __int128 u128;

enum {
    NORMAL = 126,   /* a sum puts the leading bit of both operands here, which leaves one bit for the
                       carry */
    MPFR_BITS = 120 /* of an MPFR value that are looked at, the rest is sticky: > 53 + 32 + 2 */
};

const gla_format gla_bf16 = {"bf16", 8, -126, 127, 0x1.fep127, true, GLA_OVERFLOW_IEEE, 16};
const gla_format gla_f16 = {"f16", 11, -14, 15, 65504, true, GLA_OVERFLOW_IEEE, 16};
const gla_format gla_tf32 = {"tf32", 11, -126, 127, 0x1.ffcp127, true, GLA_OVERFLOW_IEEE, 0};
const gla_format gla_e4m3 = {"e4m3", 4, -6, 8, 448, false, GLA_OVERFLOW_NAN, 8};
const gla_format gla_e5m2 = {"e5m2", 3, -14, 15, 57344, true, GLA_OVERFLOW_IEEE, 8};
const gla_format gla_binary32_format = {"binary32", 24, -126, 127, FLT_MAX, true, GLA_OVERFLOW_IEEE, 32};
const gla_format gla_binary64_format = {"binary64", 53, -1022, 1023, DBL_MAX, true, GLA_OVERFLOW_IEEE, 0};

const gla_format *gla_format_named(const char *name) {
    static const gla_format *const all[] = {
        &gla_bf16, &gla_f16, &gla_tf32, &gla_e4m3, &gla_e5m2, &gla_binary32_format, &gla_binary64_format};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (strcmp(name, all[i]->name) == 0) return all[i];
    return NULL;
}

gla_format gla_format_of(int p, int emin, int emax) {
    double max = ldexp(2 - ldexp(1, 1 - p), emax);
    return (gla_format){"format", p, emin, emax, max, true, GLA_OVERFLOW_IEEE, 0};
}

/* ---- exact values ---- */

struct exact {
    u128 m;
    int64_t e;
    bool negative, sticky;
};

static struct exact exactly(double x) {
    uint64_t word;
    memcpy(&word, &x, sizeof word);
    uint64_t fraction = word & (((uint64_t)1 << 52) - 1);
    int field = (int)(word >> 52 & 0x7ff);
    bool normal = field != 0;
    return (struct exact){
        .m = fraction | (uint64_t)normal << 52,
        .e = (normal ? field : 1) - 1075,
        .negative = word >> 63,
    };
}

/* Position of the leading bit; m != 0. */
static int leading(u128 m) {
    uint64_t high = (uint64_t)(m >> 64);
    return high ? 127 - __builtin_clzll(high) : 63 - __builtin_clzll((uint64_t)m);
}

/* m / 2^shift; what falls off is remembered in *sticky. */
static u128 shift_right(u128 m, int64_t shift, bool *sticky) {
    if (shift >= 128) {
        *sticky |= m != 0;
        return 0;
    }
    u128 kept = m >> shift;
    *sticky |= kept << shift != m;
    return kept;
}

static double with_sign(bool negative, double magnitude) { return negative ? -magnitude : magnitude; }

/* ---- rounding ---- */

/* 2^e, -1074 <= e <= 1023: ldexp(1, e), only quicker. */
static double power_of_two(int e) {
    uint64_t word = e >= -1022 ? (uint64_t)(e + 1023) << 52 : (uint64_t)1 << (e + 1074);
    double power;
    memcpy(&power, &word, sizeof power);
    return power;
}

/* Does (kept + (rest + t) / 2^shift) become kept + 1? shift is 1..MPFR_BITS. */
static bool rounds_away(gla_rounding r, bool negative, bool odd, u128 rest, int shift, bool sticky, uint32_t random) {
    u128 half = (u128)1 << (shift - 1);
    bool inexact = rest != 0 || sticky;
    switch (r) {
    case GLA_RN:
        return rest > half || (rest == half && (sticky || odd));
    case GLA_RA:
        return rest >= half;
    case GLA_RU:
        return inexact && !negative;
    case GLA_RD:
        return inexact && negative;
    case GLA_RO:
        return inexact && !odd;
    case GLA_SR:
        return random < (shift >= 32 ? rest >> (shift - 32) : rest << (32 - shift));
    case GLA_RZ:
    case GLA_ROUNDINGS:
        break;
    }
    return false;
}

/* A finite value past the largest. To odd, like toward zero, stays finite. */
static double overflowed(const gla_format *f, gla_rounding r, bool negative) {
    bool inward = r == GLA_RZ || r == GLA_RO || r == (negative ? GLA_RU : GLA_RD);
    if (inward || f->overflow == GLA_OVERFLOW_SATURATE) return with_sign(negative, f->max);
    return f->overflow == GLA_OVERFLOW_NAN ? (double)NAN : with_sign(negative, (double)INFINITY);
}

/* x is an infinity or NaN, the result of an operation on such. */
static double nonfinite(const gla_format *f, double x) {
    if (isnan(x)) return (double)NAN;
    if (f->overflow == GLA_OVERFLOW_SATURATE) return copysign(f->max, x);
    return f->infinities ? x : (double)NAN;
}

/* The one place that rounds. x.m != 0; if x.sticky, x.m has more than p + 32 bits. */
static double round_exact(const gla_format *f, gla_rounding r, struct exact x, uint32_t random) {
    int64_t top = x.e + leading(x.m);
    if (top > f->emax) return overflowed(f, r, x.negative);
    int64_t last = (top > f->emin ? top : f->emin) - f->p + 1; /* exponent of the last place */
    int64_t shift = last - x.e;
    uint64_t kept;
    if (shift <= 0) {
        kept = (uint64_t)(x.m << -shift); /* fewer than p bits: exact */
    } else {
        if (shift > MPFR_BITS) {
            x.m = shift_right(x.m, shift - MPFR_BITS, &x.sticky);
            shift = MPFR_BITS;
        }
        kept = (uint64_t)(x.m >> shift);
        u128 rest = x.m - ((u128)kept << shift);
        kept += rounds_away(r, x.negative, kept & 1, rest, (int)shift, x.sticky, random);
    }
    double z = (double)kept * power_of_two((int)last); /* exact: kept <= 2^p and the range is inside binary64's */
    return z <= f->max ? with_sign(x.negative, z) : overflowed(f, r, x.negative);
}

double gla_round(const gla_format *f, gla_rounding r, double x, uint32_t random) {
    if (!isfinite(x)) return nonfinite(f, x);
    return x == 0 ? x : round_exact(f, r, exactly(x), random);
}

/* ---- sums and products ---- */

static void normalise(struct exact *x) {
    int shift = NORMAL - leading(x->m);
    x->m <<= shift;
    x->e -= shift;
}

static bool smaller(struct exact x, struct exact y) { return x.e != y.e ? x.e < y.e : x.m < y.m; }

/* a + b, both exact, of at most 106 bits each. The smaller one loses bits to `sticky` only when it
 * stands more than 126 - 106 places below the larger one; then nothing much cancels and over 120
 * bits stay above the sticky one. */
static double round_sum(const gla_format *f, gla_rounding r, struct exact a, struct exact b, uint32_t random) {
    bool zero_sign = a.negative == b.negative ? a.negative : r == GLA_RD;
    if (a.m == 0 && b.m == 0) return with_sign(zero_sign, 0);
    if (a.m == 0) return round_exact(f, r, b, random);
    if (b.m == 0) return round_exact(f, r, a, random);
    normalise(&a);
    normalise(&b);
    if (smaller(a, b)) {
        struct exact larger = b;
        b = a;
        a = larger;
    }
    b.m = shift_right(b.m, a.e - b.e, &a.sticky);
    if (a.negative == b.negative)
        a.m += b.m;
    else
        a.m -= b.m + a.sticky; /* a - (b + t) = (a - b - 1) + (1 - t) */
    return a.m == 0 ? with_sign(zero_sign, 0) : round_exact(f, r, a, random);
}

double gla_round_fma(const gla_format *f, gla_rounding r, double x, double y, double w, uint32_t random) {
    if (!isfinite(x) || !isfinite(y) || !isfinite(w)) return nonfinite(f, fma(x, y, w));
    struct exact a = exactly(x), b = exactly(y);
    struct exact product = {.m = a.m * b.m, .e = a.e + b.e, .negative = a.negative != b.negative};
    return round_sum(f, r, product, exactly(w), random);
}

double gla_round_add(const gla_format *f, gla_rounding r, double x, double y, uint32_t random) {
    if (!isfinite(x) || !isfinite(y)) return nonfinite(f, x + y);
    return round_sum(f, r, exactly(x), exactly(y), random);
}

double gla_round_mul(const gla_format *f, gla_rounding r, double x, double y, uint32_t random) {
    double same_signed_zero = with_sign(signbit(x) != signbit(y), 0);
    return gla_round_fma(f, r, x, y, same_signed_zero, random);
}

/* ---- through MPFR ---- */

/* |x| cut toward zero to MPFR_BITS bits, the rest jammed into `sticky`; x finite and not 0. */
static struct exact exactly_mpfr(const mpfr_t x, bool sticky) {
    MPFR_DECL_INIT(cut, MPFR_BITS);
    mpz_t integer;
    mpz_init(integer);
    sticky |= mpfr_set(cut, x, MPFR_RNDZ) != 0;
    int64_t e = mpfr_get_z_2exp(integer, cut);
    uint64_t words[2] = {0, 0};
    mpz_export(words, NULL, -1, sizeof *words, 0, 0, integer);
    mpz_clear(integer);
    return (struct exact){
        .m = (u128)words[1] << 64 | words[0],
        .e = e,
        .negative = mpfr_signbit(x) != 0,
        .sticky = sticky,
    };
}

double gla_round_mpfr(const gla_format *f, gla_rounding r, const mpfr_t x, uint32_t random) {
    if (!mpfr_number_p(x)) return nonfinite(f, mpfr_get_d(x, MPFR_RNDN));
    if (mpfr_zero_p(x)) return with_sign(mpfr_signbit(x) != 0, 0);
    return round_exact(f, r, exactly_mpfr(x, false), random);
}

double gla_round_exp(const gla_format *f, gla_rounding r, double x, uint32_t random) {
    if (isinf(x) && x < 0) return 0;
    if (!isfinite(x)) return nonfinite(f, x);
    if (x == 0) return gla_round(f, r, 1, random);
    /* Past +-2000, e^x is beyond any format's range, and 2000 rounds alike. */
    MPFR_DECL_INIT(power, MPFR_BITS);
    mpfr_set_d(power, fmin(fmax(x, -2000), 2000), MPFR_RNDN);
    mpfr_exp(power, power, MPFR_RNDZ);
    return round_exact(f, r, exactly_mpfr(power, true), random); /* e^x is never dyadic */
}

double gla_round_div(const gla_format *f, gla_rounding r, double x, double y, uint32_t random) {
    double nearest = x / y;
    if (x == 0 || y == 0 || !isfinite(x) || !isfinite(y)) return isfinite(nearest) ? nearest : nonfinite(f, nearest);
    MPFR_DECL_INIT(quotient, MPFR_BITS);
    MPFR_DECL_INIT(divisor, 53);
    mpfr_set_d(quotient, x, MPFR_RNDN);
    mpfr_set_d(divisor, y, MPFR_RNDN);
    bool inexact = mpfr_div(quotient, quotient, divisor, MPFR_RNDZ) != 0;
    return round_exact(f, r, exactly_mpfr(quotient, inexact), random);
}

double gla_round_sqrt(const gla_format *f, gla_rounding r, double x, uint32_t random) {
    if (x == 0) return x;
    if (!isfinite(x) || x < 0) return nonfinite(f, sqrt(x));
    MPFR_DECL_INIT(root, MPFR_BITS);
    mpfr_set_d(root, x, MPFR_RNDN);
    bool inexact = mpfr_sqrt(root, root, MPFR_RNDZ) != 0;
    return round_exact(f, r, exactly_mpfr(root, inexact), random);
}

double gla_round_log1p(const gla_format *f, gla_rounding r, double x, uint32_t random) {
    if (x == 0) return x;
    if (!isfinite(x) || x <= -1) return nonfinite(f, log1p(x));
    MPFR_DECL_INIT(power, MPFR_BITS);
    mpfr_set_d(power, x, MPFR_RNDN);
    mpfr_log1p(power, power, MPFR_RNDZ);
    return round_exact(f, r, exactly_mpfr(power, true), random); /* ln is never dyadic but at 1 */
}

double gla_round_sin(const gla_format *f, gla_rounding r, double x, uint32_t random) {
    if (x == 0) return x;
    if (!isfinite(x)) return nonfinite(f, (double)NAN);
    MPFR_DECL_INIT(sine, MPFR_BITS);
    mpfr_set_d(sine, x, MPFR_RNDN);
    mpfr_sin(sine, sine, MPFR_RNDZ);
    return round_exact(f, r, exactly_mpfr(sine, true), random); /* never dyadic but at 0 */
}

double gla_round_cos(const gla_format *f, gla_rounding r, double x, uint32_t random) {
    if (x == 0) return gla_round(f, r, 1, random);
    if (!isfinite(x)) return nonfinite(f, (double)NAN);
    MPFR_DECL_INIT(cosine, MPFR_BITS);
    mpfr_set_d(cosine, x, MPFR_RNDN);
    mpfr_cos(cosine, cosine, MPFR_RNDZ);
    return round_exact(f, r, exactly_mpfr(cosine, true), random);
}

double gla_round_expm1(const gla_format *f, gla_rounding r, double x, uint32_t random) {
    if (x == 0) return x;
    if (isinf(x) && x < 0) return gla_round(f, r, -1, random);
    if (!isfinite(x)) return nonfinite(f, x);
    MPFR_DECL_INIT(power, MPFR_BITS); /* the range as for e^x */
    mpfr_set_d(power, fmin(fmax(x, -2000), 2000), MPFR_RNDN);
    mpfr_expm1(power, power, MPFR_RNDZ);
    return round_exact(f, r, exactly_mpfr(power, true), random);
}

/* ---- encodings: sign, exponent field, p-1 fraction bits ---- */

static uint32_t exponent_ones(const gla_format *f) { return (((uint32_t)1 << (f->bits - f->p)) - 1) << (f->p - 1); }

static uint32_t quiet_nan(const gla_format *f) {
    uint32_t fraction = f->infinities ? (uint32_t)1 << (f->p - 2) : ((uint32_t)1 << (f->p - 1)) - 1;
    return exponent_ones(f) | fraction;
}

uint32_t gla_encode(const gla_format *f, double x) {
    if (isnan(x)) return quiet_nan(f);
    uint32_t sign = (uint32_t)(signbit(x) != 0) << (f->bits - 1);
    if (isinf(x)) return sign | exponent_ones(f);
    int exponent = x == 0 ? f->emin : ilogb(x);
    if (exponent < f->emin) exponent = f->emin;
    /* The integer significand carries its hidden bit into the exponent field, so a normal number's
     * field gains 1. */
    uint32_t significand = (uint32_t)ldexp(fabs(x), f->p - 1 - exponent);
    return sign | (((uint32_t)(exponent - f->emin) << (f->p - 1)) + significand);
}

double gla_decode(const gla_format *f, uint32_t bits) {
    uint32_t sign = bits >> (f->bits - 1) & 1;
    uint32_t code = bits & (((uint32_t)1 << (f->bits - 1)) - 1);
    uint32_t ones = exponent_ones(f);
    if (f->infinities ? code > ones : code == quiet_nan(f)) return (double)NAN;
    if (f->infinities && code == ones) return with_sign(sign, (double)INFINITY);
    int field = (int)(code >> (f->p - 1));
    uint32_t significand = code & (((uint32_t)1 << (f->p - 1)) - 1);
    if (field != 0) significand |= (uint32_t)1 << (f->p - 1);
    return with_sign(sign, ldexp(significand, f->emin - f->p + (field != 0 ? field : 1)));
}
