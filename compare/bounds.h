/* SPDX-License-Identifier: Apache-2.0
 *
 * What every element of an output is allowed: a run of each of the profile's formulations in the number system of
 * rounding errors (reference/number/error.h), the larger of them, and the rounding of the result into the dtype that it
 * is stored in.
 */
#ifndef GLASSBOX_BOUNDS_H
#define GLASSBOX_BOUNDS_H

#include "../reference/glassbox.h"
#include "../reference/number/error.h"
#include "../reference/number/format.h"
#include "../reference/slice.h"
#include "profiles.h"

/* Of one output, dense; all NULL where it was not asked for. */
typedef struct gla_bounds {
    double *allowed;  /* at lambda 3.5 */
    double *marginal; /* at lambda 7 */
    double *sigma;    /* standard deviation of the random part; 0 where nothing is random */
    double *drift;    /* the systematic part, the dtype's rounding not in it */
} gla_bounds;

/* Storing a result into its dtype: one rounding to nearest, counted in full. */
gla_rounding_rule gla_stored_in(const gla_format *f);

/* Error numbers of every output of a part under one formulation, in the part's order; NULL where it has none. The
 * caller frees each, also after a failure. Errors: GLA_NO_MEMORY, those of gla_run. */
gla_status gla_part_errors(const gla_part *part, const gla_form *form, const gla_error_model *model,
                           gla_error_number *out[GLA_OUTPUTS], gla_error *err);

/* Bounds of the outputs whose format is not NULL. The caller frees them (gla_bounds_free), also on failure. */
gla_status gla_bounds_compute(const gla_problem *p, const gla_profile *profile, bool backward,
                              const gla_format *const format[GLA_OUTPUTS], int threads, gla_bounds out[GLA_OUTPUTS],
                              gla_error *err);
void gla_bounds_free(gla_bounds bounds[GLA_OUTPUTS]);

#endif
