/* SPDX-License-Identifier: Apache-2.0
 *
 * The suite that a plug-in is checked with: cases against the truth, and properties.
 *
 *     quick  per dtype: every family in its own shape, and once in a shape awkward for chunks of 64; every property
 *            but strides
 *     full   the same for three seeds and chunks of 16 too, larger shapes, properties cut at every place, and strides
 *
 * An id names its case for ever: gla/reset/T67_H3_K20_V24_state/bf16/s1, and with the name of a property behind it
 * gla/mild/T131_H3_K20_V24_state/bf16/s1/causality. In the shape: B batches (if not 1), T tokens, H heads, G heads of
 * k and g (if not H), K key and V value channels; then gv, state, varlen, reverse, nodo (no gradient of o), forward
 * (no gradients) where they hold.
 */
#ifndef GLASSBOX_PLUGIN_SUITE_H
#define GLASSBOX_PLUGIN_SUITE_H

#include "cases.h"
#include "plugin_run.h"
#include "properties.h"

typedef struct gla_suite_case {
    gla_case_spec spec;    /* complete */
    gla_property property; /* GLA_PROPERTIES: a comparison with the truth */
    char id[160];
} gla_suite_case;

typedef struct gla_suite {
    gla_suite_case *at;
    size_t count;
} gla_suite;

/* The cases for what a plug-in takes. Errors: GLA_NO_MEMORY. */
gla_status gla_suite_make(const gla_plugin *plugin, bool full, uint64_t seed, gla_suite *out, gla_error *err);
void gla_suite_free(gla_suite *s);

/* Keep the cases whose id matches a shell pattern, in which * also matches slashes. */
void gla_suite_keep(gla_suite *s, const char *pattern);

#endif
