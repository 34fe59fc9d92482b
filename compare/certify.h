/* SPDX-License-Identifier: Apache-2.0
 *
 * The rounding test: does everything between two ends round to one number of the target? Rounding is monotonic, so
 * it is enough that the ends do. Zero ends of either sign count as one number; the result is then +0 if the signs
 * differ. Formats that turn overflow into NaN: both ends must be past the same end of the range.
 */
#ifndef GLASSBOX_CERTIFY_H
#define GLASSBOX_CERTIFY_H

#include "../reference/number/format.h"

/* The number hi + lo is known to within bound >= 0 (infinite: not known). *value is the rounded number if the answer
 * is true, else hi + lo rounded to nearest. */
bool gla_certify_pair(const gla_format *f, gla_rounding r, double hi, double lo, double bound, double *value);

/* The number lies in [lo, hi]. *value is the rounded number if the answer is true, else untouched. */
bool gla_certify_ends(const gla_format *f, gla_rounding r, const mpfr_t lo, const mpfr_t hi, double *value);

#endif
