/* SPDX-License-Identifier: Apache-2.0 */
#include "mufu_error.h"

#include <math.h>
#include <mpfr.h>

enum { PRECISION = 120 };

typedef enum kind { EXP2, EXP, RECIPROCAL, ROOT, LOG2 } kind;

static kind kind_of(enum mufu_function function) {
    switch (function) {
    case MUFU_EX2_FTZ:
    case MUFU_EX2:
    case MUFU_EXP2F:
    case MUFU_EXP2_POLY:
        return EXP2;
    case MUFU_RCP_FTZ:
    case MUFU_RCP:
        return RECIPROCAL;
    case MUFU_RSQ_FTZ:
    case MUFU_RSQ:
        return ROOT;
    case MUFU_LG2_FTZ:
    case MUFU_LG2:
        return LOG2;
    default:
        return EXP;
    }
}

static double quick(kind k, double x) {
    switch (k) {
    case EXP2:
        return exp2(x);
    case EXP:
        return exp(x);
    case RECIPROCAL:
        return 1 / x;
    case ROOT:
        return 1 / sqrt(x);
    default:
        return log2(x);
    }
}

/* y - f(x) in units of 2^exponent, to binary64. */
static double certain(kind k, double x, double y, int exponent) {
    mpfr_t f;
    mpfr_init2(f, PRECISION);
    mpfr_set_d(f, x, MPFR_RNDN);
    if (k == EXP2) mpfr_exp2(f, f, MPFR_RNDN);
    if (k == EXP) mpfr_exp(f, f, MPFR_RNDN);
    if (k == RECIPROCAL) mpfr_ui_div(f, 1, f, MPFR_RNDN);
    if (k == ROOT) mpfr_rec_sqrt(f, f, MPFR_RNDN);
    if (k == LOG2) mpfr_log2(f, f, MPFR_RNDN);
    mpfr_d_sub(f, y, f, MPFR_RNDN);
    const double error = ldexp(mpfr_get_d(f, MPFR_RNDN), -exponent);
    mpfr_clear(f);
    return error;
}

static void count_word(enum mufu_function function, kind k, uint32_t word, mufu_error *e) {
    const double doubt = 0x1p-20, x = gla_poly_float(word);
    if (!isfinite(x) || fabs(x) < 0x1p-126 || (k <= EXP && fabs(x) > 256)) return; /* far out libm is slow */
    const double truth = quick(k, x);
    if (!(fabs(truth) >= 0x1p-126 && fabs(truth) < 0x1p128)) return;
    const double y = gla_poly_float(mufu_replayed(function, word));
    const int unit = ilogb(truth) - 23;
    const double ulp = ldexp(1, unit), error = fabs(y - truth) / ulp;
    e->words++;
    e->wrong += !((fabs(error - 0.5) < doubt ? fabs(certain(k, x, y, unit)) : error) <= 0.5);
    if (!(error <= e->most_ulp)) e->most_ulp = error, e->at = word;
    if (!(error * ulp <= e->most_absolute)) e->most_absolute = error * ulp;
}

mufu_error mufu_error_of(enum mufu_function function, uint32_t first, uint32_t last, uint32_t stride) {
    mufu_error e = {0};
    const kind k = kind_of(function);
    for (uint64_t word = first; word <= last; word += stride) count_word(function, k, (uint32_t)word, &e);
    if (e.most_ulp > 0) {
        const double x = gla_poly_float(e.at), y = gla_poly_float(mufu_replayed(function, e.at));
        e.most_ulp = fabs(certain(k, x, y, ilogb(quick(k, x)) - 23));
    }
    return e;
}
