/* SPDX-License-Identifier: Apache-2.0
 *
 * States up to their units; contract in gauge.h.
 */
#include "gauge.h"

#include "log_gates.h"

void mlstm_regauge(mlstm_state x, gla_matrix to) {
    gla_numbers *n = x.C.in;
    size_t mark = gla_mark(n);
    gla_matrix factor = gla_new(n, 1, 1);
    mlstm_weight(factor, x.m, to);
    gla_scale(x.C, x.C, factor);
    if (!gla_absent(x.n)) gla_scale(x.n, x.n, factor);
    gla_copy(x.m, to);
    gla_release(n, mark);
}

enum { BITS = 512 };

static void get(mpfr_t z, gla_matrix x, size_t i, size_t j) { x.in->ops->get_mpfr(x.in, z, gla_at(x, i, j)); }

/* z = m, 0 if it is absent. */
static void units(mpfr_t z, mlstm_state x) {
    if (gla_absent(x.m))
        mpfr_set_zero(z, 1);
    else
        get(z, x.m, 0, 0);
}

/* z = e^(m - top), 0 for an empty state. */
static void factor_of(mpfr_t z, const mpfr_t m, const mpfr_t top) {
    if (mpfr_inf_p(m) && mpfr_signbit(m)) {
        mpfr_set_zero(z, 1);
        return;
    }
    mpfr_sub(z, m, top, MPFR_RNDN);
    mpfr_exp(z, z, MPFR_RNDN);
}

/* z = max(z, |x|), NaN once any x is. */
static void take(mpfr_t z, const mpfr_t x) {
    if (mpfr_nan_p(x))
        mpfr_set_nan(z);
    else if (!mpfr_nan_p(z) && mpfr_cmpabs(x, z) > 0)
        mpfr_abs(z, x, MPFR_RNDN);
}

typedef struct distance {
    mpfr_t apart, scale, fa, fb;
} distance;

static void compare(distance *d, gla_matrix A, gla_matrix B) {
    mpfr_t a, b;
    mpfr_inits2(BITS, a, b, (mpfr_ptr)NULL);
    for (size_t i = 0; i < A.rows; i++)
        for (size_t j = 0; j < A.cols; j++) {
            get(a, A, i, j);
            get(b, B, i, j);
            mpfr_mul(a, a, d->fa, MPFR_RNDN);
            mpfr_mul(b, b, d->fb, MPFR_RNDN);
            take(d->scale, a);
            take(d->scale, b);
            mpfr_sub(a, a, b, MPFR_RNDN);
            take(d->apart, a);
        }
    mpfr_clears(a, b, (mpfr_ptr)NULL);
}

double mlstm_states_apart(mlstm_state a, mlstm_state b) {
    distance d;
    mpfr_t ma, mb;
    mpfr_inits2(BITS, d.apart, d.scale, d.fa, d.fb, ma, mb, (mpfr_ptr)NULL);
    mpfr_set_zero(d.apart, 1);
    mpfr_set_zero(d.scale, 1);
    units(ma, a);
    units(mb, b);
    mpfr_ptr top = mpfr_greater_p(ma, mb) ? ma : mb;
    factor_of(d.fa, ma, top);
    factor_of(d.fb, mb, top);
    compare(&d, a.C, b.C);
    if (!gla_absent(a.n) && !gla_absent(b.n)) compare(&d, a.n, b.n);
    if (!mpfr_zero_p(d.apart)) mpfr_div(d.apart, d.apart, d.scale, MPFR_RNDN);
    double apart = mpfr_get_d(d.apart, MPFR_RNDU);
    mpfr_clears(d.apart, d.scale, d.fa, d.fb, ma, mb, (mpfr_ptr)NULL);
    return apart;
}
