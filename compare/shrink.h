/* SPDX-License-Identifier: Apache-2.0
 *
 * The smallest slice of a failing case that still fails, the candidate's outputs as they are.
 *
 * Outputs that are fixed can only be sliced where the truth of the slice is computable from the slice, so one output is
 * followed, in one sequence:
 *     heads      one, if the output has all H heads; else the block of heads that shares it
 *     tokens     a window; the exact state before it becomes its initial_state, for gradients the exact gradient of the
 *                state behind it its dfinal_state. final_state keeps the last token, dinitial_state the first
 *     channels   of the value axis for o dv dgv, of the key axis for dq dk dg, of both for states: the other axis is
 *                summed over. Key channels are apart in the gated core alone, value channels where the mechanism says so
 * Tokens come in the order of the recurrence, whatever `reverse` was. A slice is accepted if it fails, and at no
 * element that was within its bound in the whole: without the roundings of the tokens cut away, right elements could
 * seem wrong. Magnitudes stay: another problem would need the kernel to be run again (shrink_plugin.h).
 */
#ifndef GLASSBOX_SHRINK_H
#define GLASSBOX_SHRINK_H

#include "judge.h"

typedef struct gla_extent {
    int64_t first, count;
} gla_extent;

typedef struct gla_small {
    gla_output output;
    int64_t sequence; /* of the whole problem */
    gla_extent heads, tokens, keys, values;
    gla_problem problem;        /* B = N = 1, not reversed, scale set; owned by *this */
    double *value;              /* the candidate's, of that output; owned */
    int64_t tried;              /* slices judged */
    gla_tensor_verdict verdict; /* of the slice */
    struct gla_memory *memory;  /* of both */
} gla_small;

typedef struct gla_shrink_options {
    int output;                                /* a gla_output, or -1: the first that fails */
    int threads;                               /* 0 = all processors */
    void (*progress)(void *data, double done); /* may be NULL */
    void *progress_data;
} gla_shrink_options;

/* Of a case whose judgement is FAIL; candidate->output[].allowed as gla_judge left it. Errors: GLA_BAD_VALUE (that
 * output does not fail, or fails as a whole alone, by tier 3), GLA_NO_MEMORY. gla_small_free also after a failure. */
gla_status gla_shrink(const gla_problem *p, const gla_candidate *candidate, const gla_truth *truth,
                      const gla_judgement *judgement, const gla_shrink_options *options, gla_small *out,
                      gla_error *err);
void gla_small_free(gla_small *s);

#endif
