/* SPDX-License-Identifier: Apache-2.0
 *
 * alpha = e^g as a double-double, with a companion that pays for what the pair cannot hold.
 *
 *     hi + lo = e^g (1 + d), |d| <= 2^-103 = 8 u^2, |lo| <= u hi          for -624 <= g <= 693
 *     g = 0 gives (1, 0) and g = -inf gives (0, 0), both exactly, companion 1 and 0
 *     -inf < g < -624: the pair is 0 and the companion 2^-780, so that |pair - e^g| <= u^2 companion
 *     g > 693 or NaN: the pair and the companion are NaN, and so is all that meets them
 * In all cases |hi| <= companion and |hi + lo - e^g| <= 8 u^2 companion.
 */
#ifndef GLASSBOX_DD_EXP_H
#define GLASSBOX_DD_EXP_H

#include <stddef.h>

/* n values of g to the pairs hi, lo and the companions. */
void dd_exp(size_t n, const double *g, double *hi, double *lo, double *companion);

#endif
