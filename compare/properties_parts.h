/* SPDX-License-Identifier: Apache-2.0
 *
 * What the property checks share (properties.h).
 */
#ifndef GLASSBOX_PROPERTIES_PARTS_H
#define GLASSBOX_PROPERTIES_PARTS_H

#include "judge.h"
#include "properties.h"

/* What is judged may reach this far over its bound: as far as MARGINAL goes. */
#define GLA_PROPERTY_LIMIT 2

typedef struct gla_probe {
    const gla_plugin *plugin;
    const gla_property_options *options;
    gla_generated made;
    const gla_format *dtype;
    bool backward, deterministic;
    gla_truth truth; /* once asked for */
    gla_finding *out;
    gla_error *err;
} gla_probe;

/* A finding, and the status GLA_OK. */
gla_status gla_probe_found(gla_probe *t, gla_finding_kind kind, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Run; *going is whether it was done. If not, the finding says why. */
gla_status gla_probe_run(gla_probe *t, const gla_problem *p, bool backward, int passes, gla_plugin_result *r,
                         bool *going);

/* Outputs of the whole problem in binary64, put together from parts. */
typedef struct gla_assembled {
    double *value[GLA_OUTPUTS]; /* NULL: not produced */
} gla_assembled;
gla_status gla_assembled_new(const gla_probe *t, gla_assembled *a);
void gla_assembled_free(gla_assembled *a);

/* The values of one pass of a run are to be right: a finding, with `what` before it. */
gla_status gla_probe_judge_pass(gla_probe *t, const gla_plugin_result *r, int pass, const char *what);

/* The first element in which a pass of one run differs from pass 0 of another; false: none. */
bool gla_probe_differ(const gla_probe *t, const gla_plugin_result *a, const gla_plugin_result *b, int pass,
                      gla_output *output, int64_t at[4]);

/* The greatest error / bound over all outputs against the truth of t->made, and where; infinite if one is not finite.
 */
typedef struct gla_worst {
    double ratio;
    gla_output output;
    int64_t at[4];
} gla_worst;
gla_status gla_probe_judge(gla_probe *t, const gla_assembled *a, gla_worst *worst);

/* properties_problem.c */
gla_status gla_check_causality(gla_probe *t);
gla_status gla_check_permutation(gla_probe *t);
/* properties_strides.c */
gla_status gla_check_strides(gla_probe *t);
/* properties_split.c */
gla_status gla_check_split(gla_probe *t);
gla_status gla_check_packing(gla_probe *t);

#endif
