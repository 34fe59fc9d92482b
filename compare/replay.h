/* SPDX-License-Identifier: Apache-2.0
 *
 * The replay lane: a candidate that follows a formulation's order of operations in a known arithmetic can say so, and
 * is then held to it bit for bit. The formulation is run in that number system and each output stored in the
 * candidate's dtype, to nearest even; every element must be the same word.
 *
 * NaN equals NaN whatever its payload. -0 is not +0; how many elements differ by the sign of a zero alone is counted.
 * A number system wider than binary64 is stored by way of binary64. Random roundings (/sr) are refused: what they do
 * depends on everything that was rounded before.
 */
#ifndef GLASSBOX_REPLAY_H
#define GLASSBOX_REPLAY_H

#include "../reference/glassbox.h"
#include "../reference/number/format.h"
#include "place.h"

/* What a candidate declares. */
typedef struct gla_replay {
    const char *numbers; /* as gla_all_numbers_open takes it; NULL: nothing is declared */
    const char *form;    /* as gla_form_parse takes it; NULL: the profile's */
} gla_replay;

typedef char gla_word_text[17]; /* hexadecimal digits */

typedef struct gla_replay_verdict {
    bool asked;
    int64_t differing;       /* elements whose words differ; 0: the declared arithmetic, bit for bit */
    int64_t zeros;           /* of them, those that are zero on both sides */
    gla_bad_place first;     /* of them */
    gla_word_text got, want; /* there: words of the dtype */
    double ulps;             /* the greatest distance, in units of the last place; infinite: a NaN on one side */
} gla_replay_verdict;

/* Can this be replayed? Errors: GLA_UNKNOWN_NAME (text lists the names), GLA_UNSUPPORTED, GLA_NO_MEMORY. */
gla_status gla_replay_check(const gla_replay *declared, gla_error *err);

/* The outputs of the declared kernel on a problem, stored in format[i] (NULL: not rounded). outputs: bit mask of 1u <<
 * gla_output; gradients are formed only if one is wanted. threads 0 = all processors; the result does not depend on
 * it. value[i], dense in gla_output_shape, belongs to the caller (free), NULL where not wanted or not an output of this
 * problem; all NULL on failure. Errors: those of gla_replay_check and gla_run. */
gla_status gla_replay_compute(const gla_problem *p, const char *form, const char *numbers,
                              const gla_format *const format[GLA_OUTPUTS], unsigned outputs, int threads,
                              double *value[GLA_OUTPUTS], gla_error *err);

/* Two tensors of one dtype, word by word. */
gla_replay_verdict gla_replay_compare(const gla_problem *p, gla_output name, const gla_format *format,
                                      const double *got, const double *want);

#endif
