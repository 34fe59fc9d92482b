/* SPDX-License-Identifier: Apache-2.0
 *
 * What a right kernel of a profile returns: a formulation run in the arithmetic that the profile declares (the emulator
 * of reference/number/error.h), its results stored in their dtypes.
 */
#ifndef GLASSBOX_EMULATE_H
#define GLASSBOX_EMULATE_H

#include "../reference/glassbox.h"
#include "../reference/number/format.h"
#include "profiles.h"

typedef struct gla_emulation {
    const char *form;                      /* NULL: the profile's, as the mechanism has it */
    uint64_t seed;                         /* 0: roundings to nearest even; else dithered */
    unsigned outputs;                      /* bit mask of 1u << gla_output: which are wanted */
    const gla_format *format[GLA_OUTPUTS]; /* the dtype each is stored in; NULL: not rounded */
    int threads;                           /* 0 = all processors */
} gla_emulation;

/* value[i], dense in gla_output_shape, belongs to the caller (free), NULL where not wanted or not an output of this
 * problem; all NULL on failure. Errors: those of gla_form_parse and gla_run. */
gla_status gla_emulate(const gla_problem *p, const gla_profile *profile, const gla_emulation *how,
                       double *value[GLA_OUTPUTS], gla_error *err);

#endif
