/* SPDX-License-Identifier: Apache-2.0
 *
 * What double-double left undecided: intervals of more and more bits.
 */
#ifndef GLASSBOX_TRUTH_CLIMB_H
#define GLASSBOX_TRUTH_CLIMB_H

#include "../reference/slice.h"
#include "truth.h"

/* Decide the open elements of sequence n, heads first .. first+heads-1, up to options->cap_bits; what stays open gets
 * the last midpoint as its best estimate. *bits is the highest precision used, 0 if nothing was open. Safe to run for
 * different units at the same time. */
gla_status gla_truth_climb(const gla_problem *p, int64_t n, int64_t first, int64_t heads,
                           const gla_truth_options *options, gla_truth *out, long *bits);

#endif
