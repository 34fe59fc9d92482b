/* SPDX-License-Identifier: Apache-2.0
 *
 * Properties of a plug-in (properties.h): the table, those that repeat one problem, and what all of them share.
 */
#include "properties.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "properties_parts.h"

const char *const gla_property_names[GLA_PROPERTIES] = {"memory",    "environment", "heap",  "determinism", "stale",
                                                        "causality", "permutation", "split", "packing",     "strides"};

gla_case_spec gla_property_case(gla_property property, const gla_format *dtype, bool backward, uint64_t seed) {
    gla_case_spec s = {.family = "mild", .T = 131, .seed = seed, .dtype = dtype, .backward = backward};
    s.initial_state = true;
    if (property == GLA_PACKING) s.family = "varlen";
    if (property == GLA_PERMUTATION || property == GLA_STALE || property == GLA_STRIDES) s.B = 2;
    return s;
}

/* ---- shared ---- */

gla_status gla_probe_found(gla_probe *t, gla_finding_kind kind, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    t->out->kind = kind;
    vsnprintf(t->out->text, sizeof t->out->text, format, arguments);
    va_end(arguments);
    return GLA_OK;
}

gla_status gla_probe_run(gla_probe *t, const gla_problem *p, bool backward, int passes, gla_plugin_result *r,
                         bool *going) {
    gla_status status = gla_plugin_run(t->plugin, p, t->dtype, backward, passes, r, t->err);
    *going = status == GLA_OK && r->end == GLA_PLUGIN_DONE;
    t->out->end = r->end;
    if (status == GLA_OK && !*going)
        gla_probe_found(t, r->end == GLA_PLUGIN_DECLINED ? GLA_NOT_APPLICABLE : GLA_PLUGIN_BROKEN, "%s", r->what);
    return status;
}

gla_status gla_assembled_new(const gla_probe *t, gla_assembled *a) {
    *a = (gla_assembled){0};
    for (int i = 0; i < GLA_OUTPUTS; i++) {
        int64_t shape[4];
        if (!gla_plugin_gives(&t->made.problem, (gla_output)i, t->backward)) continue;
        gla_output_shape(&t->made.problem, (gla_output)i, shape);
        size_t count = (size_t)(shape[0] * shape[1] * shape[2] * shape[3]);
        a->value[i] = malloc(count * sizeof(double));
        for (size_t n = 0; a->value[i] && n < count; n++) a->value[i][n] = NAN;
        if (a->value[i]) continue;
        gla_assembled_free(a);
        return gla_fail(t->err, GLA_NO_MEMORY, "no memory for %s", gla_output_names[i]);
    }
    return GLA_OK;
}

void gla_assembled_free(gla_assembled *a) {
    for (int i = 0; i < GLA_OUTPUTS; i++) free(a->value[i]);
    *a = (gla_assembled){0};
}

static gla_status need_truth(gla_probe *t) {
    if (t->truth.tensor[GLA_O].present) return GLA_OK;
    gla_truth_options o = {.backward = t->backward, .close_enough = GLA_CLOSE_ENOUGH, .threads = t->options->threads};
    return gla_truth_compute(&t->made.problem, &o, &t->truth, t->err);
}

gla_status gla_probe_judge(gla_probe *t, const gla_assembled *a, gla_worst *worst) {
    gla_candidate candidate = {0};
    gla_judgement judgement;
    for (int i = 0; i < GLA_OUTPUTS; i++) {
        candidate.output[i].value = a->value[i];
        candidate.output[i].format = gla_plugin_output_format((gla_output)i, t->dtype);
    }
    const gla_profile *profile = t->options->profile ? t->options->profile : gla_profile_default(t->dtype);
    gla_status status = need_truth(t);
    if (status == GLA_OK)
        status =
            gla_judge(&t->made.problem, &candidate, &t->truth, profile, 0, t->options->threads, &judgement, t->err);
    *worst = (gla_worst){.ratio = -1};
    for (int i = 0; status == GLA_OK && i < GLA_OUTPUTS; i++) {
        const gla_tensor_verdict *v = &judgement.tensor[i];
        if (!v->judged || !(v->worst > worst->ratio)) continue;
        worst->ratio = v->worst;
        worst->output = (gla_output)i;
        memcpy(worst->at, v->at, sizeof worst->at);
    }
    return status;
}

/* ---- the same problem again ---- */

bool gla_probe_differ(const gla_probe *t, const gla_plugin_result *x, const gla_plugin_result *y, int pass,
                      gla_output *output, int64_t at[4]) {
    for (int i = 0; i < GLA_OUTPUTS; i++) {
        const unsigned char *a = x->output[0][i].raw, *b = y->output[pass][i].raw;
        int64_t bytes = x->output[0][i].bytes, n = 0, shape[4];
        if (bytes == 0 || memcmp(a, b, (size_t)bytes) == 0) continue;
        while (a[n] == b[n]) n++;
        *output = (gla_output)i;
        gla_output_shape(&t->made.problem, *output, shape);
        gla_index_of(shape, n / (gla_plugin_output_format(*output, t->dtype)->bits / 8), at);
        return true;
    }
    return false;
}

static gla_status compare_passes(gla_probe *t, const gla_plugin_result *r, int pass, const char *holds,
                                 const char *violated) {
    gla_output output;
    gla_place_text place;
    int64_t at[4];
    if (!gla_probe_differ(t, r, r, pass, &output, at)) return gla_probe_found(t, GLA_HOLDS, "%s", holds);
    return gla_probe_found(t, GLA_VIOLATED, "%s, first in %s", violated, gla_place_print(output, at, place));
}

gla_status gla_probe_judge_pass(gla_probe *t, const gla_plugin_result *r, int pass, const char *what) {
    gla_assembled a;
    gla_worst worst = {0};
    gla_place_text place;
    gla_status status = gla_assembled_new(t, &a);
    for (int i = 0; status == GLA_OK && i < GLA_OUTPUTS; i++)
        if (a.value[i])
            gla_plugin_values(r->output[pass][i].raw, r->output[pass][i].bytes, r->first[i].format, a.value[i]);
    if (status == GLA_OK) status = gla_probe_judge(t, &a, &worst);
    gla_assembled_free(&a);
    if (status != GLA_OK) return status;
    bool good = worst.ratio <= GLA_PROPERTY_LIMIT;
    return gla_probe_found(t, good ? GLA_HOLDS : GLA_VIOLATED, "%s with %s: error/bound %.3g at %s",
                           good ? "right" : "wrong", what, worst.ratio, gla_place_print(worst.output, worst.at, place));
}

static gla_status check_repeated(gla_probe *t, gla_property property, const gla_plugin_result *r) {
    switch (property) {
    case GLA_ENVIRONMENT:
        if (r->environment_changed)
            return gla_probe_found(t, GLA_VIOLATED, "it leaves the rounding mode or flush-to-zero changed");
        return gla_probe_found(t, GLA_HOLDS, "rounding mode and flush-to-zero as they were");
    case GLA_HEAP:
        if (t->plugin->info.device != GLASSBOX_CPU)
            return gla_probe_found(t, GLA_NOT_APPLICABLE, "a device's driver keeps books in the same heap");
        if (r->heap_growth > 0)
            return gla_probe_found(t, GLA_VIOLATED, "every run leaves %" PRId64 " more bytes allocated",
                                   r->heap_growth);
        return gla_probe_found(t, GLA_HOLDS, "three runs leave no more allocated than one");
    case GLA_DETERMINISM:
        if (!t->deterministic) return gla_probe_found(t, GLA_NOT_APPLICABLE, "it does not claim determinism");
        return compare_passes(t, r, 1, "two runs, the same bits", "two runs of one problem differ");
    case GLA_STALE:
        if (!t->deterministic) return gla_probe_judge_pass(t, r, 2, "garbage in outputs and workspace");
        return compare_passes(t, r, 2, "garbage instead of NaN in outputs and workspace: the same bits",
                              "what lay in outputs or workspace before shows in the results");
    default:
        return gla_probe_found(t, GLA_HOLDS, "every output element written, nothing else touched, in three runs");
    }
}

static gla_status repeat(gla_probe *t, gla_property property) {
    gla_plugin_result r;
    bool going;
    gla_status status = gla_probe_run(t, &t->made.problem, t->backward, GLA_PLUGIN_PASSES, &r, &going);
    if (going) status = check_repeated(t, property, &r);
    gla_plugin_result_free(&r);
    return status;
}

static gla_status check(gla_probe *t, gla_property property) {
    switch (property) {
    case GLA_CAUSALITY:
        return gla_check_causality(t);
    case GLA_PERMUTATION:
        return gla_check_permutation(t);
    case GLA_SPLIT:
        return gla_check_split(t);
    case GLA_PACKING:
        return gla_check_packing(t);
    case GLA_STRIDES:
        return gla_check_strides(t);
    default:
        return repeat(t, property);
    }
}

gla_status gla_property_check(gla_property property, const gla_plugin *plugin, const gla_case_spec *spec,
                              const gla_property_options *options, gla_finding *out, gla_error *err) {
    gla_probe t = {.plugin = plugin, .options = options, .out = out, .err = err};
    *out = (gla_finding){0};
    gla_status status = gla_generate(spec, &t.made, err);
    if (status != GLA_OK) return status;
    t.dtype = t.made.spec.dtype;
    t.backward = t.made.spec.backward;
    t.deterministic = plugin->info.features & GLASSBOX_IS_DETERMINISTIC;
    status = check(&t, property);
    gla_truth_free(&t.truth);
    gla_generated_free(&t.made);
    return status;
}
