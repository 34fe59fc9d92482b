/* SPDX-License-Identifier: Apache-2.0
 *
 * The smallest generated case on which a plug-in still returns wrong outputs. A kernel that can be run again is not
 * bound to slices of one answer (shrink.h): every candidate is generated anew (cases.h), run and judged.
 *
 *     first    the cases of the quick suite in their order, until one fails; one of its outputs is followed
 *     then     rounds over the axes below until nothing gets smaller: each is given ever larger values from its least
 *              on, neighbours of powers of two first, until the followed output fails again; then bisection down to a
 *              value whose neighbour below passes
 *
 * Magnitudes are axes too: operands and states are scaled down to at most 2^n, gates likewise or left out. A run that
 * ends in anything but outputs (a crash, a hang ...) counts as one that does not fail, and is said.
 */
#ifndef GLASSBOX_SHRINK_PLUGIN_H
#define GLASSBOX_SHRINK_PLUGIN_H

#include "judge.h"
#include "plugin_suite.h"

typedef enum gla_axis {
    GLA_AXIS_BACKWARD, /* a switch, as the next four: 0 is smaller */
    GLA_AXIS_VARLEN,
    GLA_AXIS_REVERSE,
    GLA_AXIS_GV,
    GLA_AXIS_STATE,
    GLA_AXIS_B,
    GLA_AXIS_T,
    GLA_AXIS_GROUP, /* heads of q for one of k */
    GLA_AXIS_HEADS, /* of k */
    GLA_AXIS_DK,
    GLA_AXIS_DV,
    GLA_AXIS_OPERANDS, /* n: no q k v do or state element of 2^n and more; least 1 */
    GLA_AXIS_GATES,    /* n: no finite gate of 2^(n - GLA_GATE_UNIT) and more; 0: no gates */
    GLA_AXES
} gla_axis;
enum { GLA_GATE_UNIT = 20, GLA_UNSCALED = 10000 /* above every magnitude */ };
extern const char *const gla_axis_names[GLA_AXES]; /* "gradients", "packed sequences", ..., "T", ... */

typedef struct gla_rerun {
    gla_case_spec spec; /* complete; its sizes and switches are the axes */
    int operands, gates;
} gla_rerun;

int64_t gla_rerun_get(const gla_rerun *r, gla_axis axis);

typedef struct gla_shrink_plugin_options {
    int output;                                /* to follow: a gla_output, or -1: the first that fails */
    const gla_profile *profile;                /* NULL: by dtype */
    int threads;                               /* 0 = all processors */
    void (*progress)(void *data, double done); /* may be NULL */
    void *progress_data;
} gla_shrink_plugin_options;

typedef struct gla_shrunk {
    gla_suite_case first; /* the case that failed first */
    gla_tensor_verdict first_verdict;
    gla_output output;
    gla_rerun from, to;
    int64_t
        passes[GLA_AXES];  /* of an axis, the value below that of `to` that was tried last and passed; -1: none was */
    int64_t tried, broken; /* runs in all; those that ended in no outputs */
    char broken_as[200];   /* how the last of these ended */
    const gla_profile *profile;
    gla_generated made;         /* the small case, */
    gla_plugin_result run;      /* what the kernel makes of it, */
    gla_tensor_verdict verdict; /* and the verdict on the output that is followed */
} gla_shrunk;

/* Of the comparisons in a suite (its properties are passed over). Errors: GLA_BAD_VALUE: none fails, and how they
 * ended; those of the runs. gla_shrunk_free also after a failure. */
gla_status gla_shrink_plugin(const gla_plugin *plugin, const gla_suite *suite, const gla_shrink_plugin_options *options,
                             gla_shrunk *out, gla_error *err);
void gla_shrunk_free(gla_shrunk *s);

/* ---- shrink_rerun.c: one run ---- */

/* The same with one axis changed, completed; false: the family does not allow it, or nothing changed. */
bool gla_rerun_set(gla_rerun *r, gla_axis axis, int64_t value);
/* The axes of a generated case: its spec and magnitudes. */
gla_rerun gla_rerun_of(const gla_generated *made);

typedef struct gla_rerun_result {
    gla_generated made;
    gla_plugin_result run;
    gla_judgement judgement; /* if run.end is GLA_PLUGIN_DONE */
} gla_rerun_result;

/* Generate, run, judge (outputs in the bit mask `only`; 0: all). The result is the caller's to free in any case. */
gla_status gla_rerun_judge(const gla_plugin *plugin, const gla_rerun *r, unsigned only, const gla_profile *profile,
                           int threads, gla_rerun_result *out, gla_error *err);
void gla_rerun_result_free(gla_rerun_result *r);

#endif
