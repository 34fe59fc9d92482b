/* SPDX-License-Identifier: Apache-2.0
 *
 * Named probes: single dot products that tell hypotheses about the arithmetic apart, each with the outcome that is
 * expected of an sm_90, derived by hand from what is published, not from our model.
 *
 * A numeric probe is run with its terms at four sets of positions k, and again with every sign of A and C turned.
 */
#ifndef GLASSBOX_PROBE_POINTS_H
#define GLASSBOX_PROBE_POINTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "instructions.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum gla_probe_expectation {
    GLA_PROBE_RECORD, /* none: what comes back is the finding */
    GLA_PROBE_VALUE,  /* this number; zeros of both signs are one number */
    GLA_PROBE_WORD    /* this word */
} gla_probe_expectation;

typedef struct gla_probe_point {
    const char *id; /* "P9'" */
    uint64_t a[GLA_PROBE_K], b[GLA_PROBE_K], c;
    gla_probe_expectation expectation;
    uint64_t expected;
} gla_probe_point;

/* The probes of an instruction, at most `limit` of them to `out` (may be NULL); returns how many there are. */
size_t gla_probe_points(const gla_probe_instruction *i, gla_probe_point *out, size_t limit);

/* Is `word` what was expected? True for GLA_PROBE_RECORD. */
bool gla_probe_as_expected(const gla_probe_instruction *i, const gla_probe_point *p, uint64_t word);

#ifdef __cplusplus
}
#endif

#endif
