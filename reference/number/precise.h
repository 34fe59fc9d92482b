/* SPDX-License-Identifier: Apache-2.0
 *
 * What the systems over MPFR (mpfr:P, interval:P, dual:P) share: the larger of two numbers.
 */
#ifndef GLASSBOX_PRECISE_H
#define GLASSBOX_PRECISE_H

#include "number.h"

/* z of the operands' precision: exactly the larger; +0 above -0, NaN if either is (mpfr_max takes the other). */
static inline void precise_max(mpfr_ptr z, mpfr_srcptr x, mpfr_srcptr y) {
    if (mpfr_nan_p(x) || mpfr_nan_p(y))
        mpfr_set_nan(z);
    else
        mpfr_max(z, x, y, MPFR_RNDN);
}

#endif
