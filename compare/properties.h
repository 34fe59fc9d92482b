/* SPDX-License-Identifier: Apache-2.0
 *
 * Properties of a plug-in that no comparison with the truth of one case can show: they relate several of its runs.
 *
 *     memory       every output element is written, nothing else is touched, inputs stay as they are (three runs)
 *     environment  the rounding mode and flush-to-zero are as they were
 *     heap         a run leaves no more allocated than the run before it (on the CPU: drivers keep books of their own)
 *     determinism  the same problem gives the same bits, if it claims so
 *     stale        outputs and workspace full of garbage instead of NaN change nothing
 *     causality    o[t] does not see the tokens after t: replacing them leaves its bits alone. If only the gates do
 *                  (a kernel may take them relative to a later token), o[t] must still be right
 *     permutation  batches and heads in another order give the same bits in that order, if it claims determinism
 *     split        a sequence in two parts, the state handed on and its gradient back, is still right
 *     packing      sequences packed by cu_seqlens, or each alone: both are right
 *     strides      rows with room between them, or heads before tokens: the same bits, and the room stays untouched
 *
 * Right: error/bound against the truth of the whole problem is at most 2, which is as far as MARGINAL reaches; a state
 * stored in binary32 on the way and other chunk borders may add something. Where bits are not promised, results are
 * judged so too.
 */
#ifndef GLASSBOX_PROPERTIES_H
#define GLASSBOX_PROPERTIES_H

#include "cases.h"
#include "plugin_run.h"
#include "profiles.h"

typedef enum gla_property {
    GLA_MEMORY,
    GLA_ENVIRONMENT,
    GLA_HEAP,
    GLA_DETERMINISM,
    GLA_STALE,
    GLA_CAUSALITY,
    GLA_PERMUTATION,
    GLA_SPLIT,
    GLA_PACKING,
    GLA_STRIDES,
    GLA_PROPERTIES
} gla_property;
extern const char *const gla_property_names[GLA_PROPERTIES];

typedef enum gla_finding_kind { GLA_HOLDS, GLA_VIOLATED, GLA_NOT_APPLICABLE, GLA_PLUGIN_BROKEN } gla_finding_kind;

typedef struct gla_finding {
    gla_finding_kind kind;
    gla_plugin_end end; /* DONE, or how a run of the plug-in ended that was not done */
    char text[480];     /* what was compared, or the first difference; one line */
} gla_finding;

typedef struct gla_property_options {
    const gla_profile *profile; /* for what is judged; NULL: by dtype */
    bool thorough;              /* split and cut everywhere, not at a few places */
    int threads;                /* for truth and bounds; 0 = all processors */
} gla_property_options;

/* The problem on which a property is best seen, in this dtype. */
gla_case_spec gla_property_case(gla_property property, const gla_format *dtype, bool backward, uint64_t seed);

/* Errors are the oracle's own; what the plug-in does is in the finding. */
gla_status gla_property_check(gla_property property, const gla_plugin *plugin, const gla_case_spec *spec,
                              const gla_property_options *options, gla_finding *out, gla_error *err);

#endif
