/* SPDX-License-Identifier: Apache-2.0
 *
 * How far the replayed functions are from the real ones, over words of normal binary32 numbers whose true result
 * is in the normal range too.
 */
#ifndef GLASSBOX_TEST_MUFU_ERROR_H
#define GLASSBOX_TEST_MUFU_ERROR_H

#include "mufu_replay.h"

typedef struct mufu_error {
    long long words, wrong; /* wrong: not the true value rounded to nearest */
    double most_ulp;        /* units in the last place of the true value */
    double most_absolute;
    uint32_t at; /* of most_ulp */
} mufu_error;

/* Over the words first, first + stride, ... <= last. Errors are found with binary64's libm, good to 2^-28 ulp of
 * binary32; MPFR decides which word is the nearest where that cannot, and has the last word on the largest error. */
mufu_error mufu_error_of(enum mufu_function function, uint32_t first, uint32_t last, uint32_t stride);

#endif
