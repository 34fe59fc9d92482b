/* SPDX-License-Identifier: Apache-2.0
 *
 * A formulation run part by part (slice.h: one sequence and one block of heads that shares nothing with others), many
 * at a time, its results stored in the dtypes that a kernel stores them in. Every part has a number system of its own,
 * so the result does not depend on the number of threads.
 */
#ifndef GLASSBOX_RUN_PARTS_H
#define GLASSBOX_RUN_PARTS_H

#include "../reference/glassbox.h"
#include "../reference/number/format.h"

typedef struct gla_parts_run {
    const gla_form *form; /* its `backward` is set by the outputs */
    /* The number system of part `index`; called from the thread that runs it. */
    gla_status (*open)(const void *data, size_t index, gla_numbers **out, gla_error *err);
    const void *data;
    unsigned outputs;                /* bit mask of 1u << gla_output: which are wanted; gradients only if one is */
    const gla_format *const *format; /* [GLA_OUTPUTS] the dtype each is stored in, to nearest even; NULL: not rounded */
    int threads;                     /* 0 = all processors */
} gla_parts_run;

/* value[i], dense in gla_output_shape, belongs to the caller (free), NULL where not wanted or not an output of this
 * problem; all NULL on failure. Errors: those of `open` and gla_run, of the first part to fail. */
gla_status gla_run_parts(const gla_problem *p, const gla_parts_run *how, double *value[GLA_OUTPUTS], gla_error *err);

/* Is there a gradient among these outputs (bit mask of 1u << gla_output)? */
bool gla_any_gradient(unsigned outputs);
/* Do gradients come in: do, or that of a final state? */
bool gla_has_incoming(const gla_problem *p);

#endif
