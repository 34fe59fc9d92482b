/* SPDX-License-Identifier: Apache-2.0
 *
 * The rounding test; contract in certify.h. No double rounding: the ends are either rounded once from an exact sum, or
 * first widened outward to binary64, which only ever makes the test harder to pass.
 */
#include "certify.h"

#include <math.h>

static bool agree(double a, double b, bool same_side, double *value) {
    bool one = a == b || (isnan(a) && isnan(b) && same_side);
    if (one) *value = a == 0 && signbit(a) != signbit(b) ? 0 : a;
    return one;
}

static bool is_binary(const gla_format *f, int p, int emax) {
    return f->p == p && f->emax == emax && f->emin == 1 - emax && f->overflow == GLA_OVERFLOW_IEEE;
}

/* hi + down <= the number <= hi + up. */
static bool certify_sum(const gla_format *f, gla_rounding r, double hi, double down, double up, double *value) {
    double a = hi + down, b = hi + up;
    if (r == GLA_RN && is_binary(f, 53, 1023)) return agree(a, b, false, value);
    if (r == GLA_RN && is_binary(f, 24, 127)) {
        float x = (float)nextafter(a, -INFINITY), y = (float)nextafter(b, INFINITY);
        if (x == y) return agree(x, y, false, value);
    }
    double x = gla_round_add(f, r, hi, down, 0), y = gla_round_add(f, r, hi, up, 0);
    return agree(x, y, signbit(a) == signbit(b), value);
}

bool gla_certify_pair(const gla_format *f, gla_rounding r, double hi, double lo, double bound, double *value) {
    bool known = isfinite(bound) && isfinite(hi) && isfinite(lo);
    if (known && bound == 0 && lo == 0) {
        *value = hi == 0 ? 0 : gla_round(f, r, hi, 0);
        return true;
    }
    double up = nextafter(lo + bound, INFINITY), down = nextafter(lo - bound, -INFINITY);
    if (known && certify_sum(f, r, hi, down, up, value)) return true;
    *value = gla_round_add(f, GLA_RN, hi, lo, 0);
    return false;
}

bool gla_certify_ends(const gla_format *f, gla_rounding r, const mpfr_t lo, const mpfr_t hi, double *value) {
    if (!mpfr_number_p(lo) || !mpfr_number_p(hi)) return false;
    if (mpfr_zero_p(lo) && mpfr_zero_p(hi)) {
        *value = 0;
        return true;
    }
    double x = gla_round_mpfr(f, r, lo, 0), y = gla_round_mpfr(f, r, hi, 0);
    return agree(x, y, mpfr_sgn(lo) == mpfr_sgn(hi), value);
}
