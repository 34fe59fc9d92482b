/* SPDX-License-Identifier: Apache-2.0
 *
 * Finds the tables of the special function unit from a device's words, given the datapath's shape (mufu_unit.h,
 * mufu.c).
 *
 * Each word bounds the datapath's sum from below and above. For each segment: weighted least squares, then every
 * integer (b, c) within MUFU_FIT_BOX of it for which some constant meets all bounds. The constants' intervals over all
 * segments then give the largest shift, and the bias, with a 2^shift + bias in every one.
 */
#ifndef GLASSBOX_TEST_MUFU_FIT_H
#define GLASSBOX_TEST_MUFU_FIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "mufu_records.h"

enum { MUFU_FIT_BOX = 3, MUFU_FIT_SEGMENTS = 128 };

typedef struct mufu_fit_segment {
    int32_t a, b, c;
    int64_t least, most; /* the constants that meet all bounds */
    int pairs;           /* of (b, c) with such a constant: 1 where the fit is unique */
} mufu_fit_segment;

typedef struct mufu_fit {
    mufu_fit_segment segment[MUFU_FIT_SEGMENTS];
    int segments, shift;
    int32_t bias;
    int biases; /* how many would do at this shift */
} mufu_fit;

/* MUFU_EX2_FTZ, MUFU_RCP_FTZ, MUFU_RSQ_FTZ or MUFU_LG2_FTZ from the words of its binade. False where some segment has
 * no coefficients, or no more memory. */
bool mufu_fit_words(enum mufu_function function, const uint32_t *word, size_t count, mufu_fit *out);

/* The part of mufu_tables.c that is about this function. */
void mufu_fit_write(enum mufu_function function, const mufu_fit *fit, FILE *out);
/* The part before. */
void mufu_fit_write_head(FILE *out);

#endif
