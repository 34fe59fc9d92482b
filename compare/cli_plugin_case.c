/* SPDX-License-Identifier: Apache-2.0
 *
 * One case of the suite for plug-ins (plugin_suite.h): run, judged, explained, and left as a file if it fails.
 */
#include "cli_plugin.h"

#include <stdlib.h>
#include <string.h>

#include "plugin_suite.h"

void cli_plugin_finding(cli_judged *j, cli_exit exit, const char *text) {
    j->finding = strdup(text);
    j->finding_exit = exit;
}

cli_exit cli_plugin_exit(gla_plugin_end end) {
    return end == GLA_PLUGIN_DONE ? CLI_PASS : end == GLA_PLUGIN_DECLINED ? CLI_SKIPPED : CLI_BROKEN;
}

/* ---- a comparison with the truth ---- */

typedef struct comparison {
    const cli_plugin_settings *settings;
    const gla_plugin *plugin;
    int threads;
    gla_generated made;
    gla_plugin_result run;
    gla_candidate candidate;
    gla_truth truth;
    cli_judged *j;
    gla_error *err;
} comparison;

static bool needs_backward(unsigned only) { return !only || only >> GLA_DQ; }

/* Its outputs as a candidate, with room for what every element is allowed, which the diagnosis asks for. */
static gla_status set_candidate(comparison *c) {
    for (int i = 0; i < GLA_OUTPUTS; i++) {
        if (!c->run.first[i].value) continue;
        c->candidate.output[i].value = c->run.first[i].value;
        c->candidate.output[i].format = c->run.first[i].format;
        c->candidate.output[i].allowed = malloc((size_t)c->run.output[0][i].bytes * sizeof(double) + 1);
        if (!c->candidate.output[i].allowed) return gla_fail(c->err, GLA_NO_MEMORY, "no memory for the bounds");
    }
    return GLA_OK;
}

static gla_status diagnose(comparison *c) {
    gla_diagnosis *d = calloc(1, sizeof *d);
    c->j->diagnosis = d;
    if (!d) return gla_fail(c->err, GLA_NO_MEMORY, "no memory for the diagnosis");
    return gla_diagnose(&c->made.problem, &c->candidate, &c->truth, &c->j->judgement, c->settings->only, c->threads, d,
                        c->err);
}

static gla_dtype dtype_of(const gla_format *format) {
    return format == &gla_bf16 ? GLA_BF16 : format == &gla_f16 ? GLA_F16 : GLA_F32;
}

/* Inputs and outputs as a case file, which check, explain and shrink take. */
static gla_status save(const comparison *c) {
    gla_dtype dtype[GLA_INPUTS];
    gla_tensor_file file = {0};
    char path[4096];
    for (int i = 0; i < GLA_INPUTS; i++) dtype[i] = GLA_F32;
    dtype[GLA_IN_Q] = dtype[GLA_IN_K] = dtype[GLA_IN_V] = dtype[GLA_IN_DO] = dtype_of(c->made.spec.dtype);
    if (snprintf(path, sizeof path, "%s/%s.safetensors", c->settings->save, c->made.name) >= (int)sizeof path)
        return gla_fail(c->err, GLA_IO_ERROR, "%.200s ...: the path is too long", path);
    const gla_mechanism *mechanism = gla_mechanism_named(c->plugin->mechanism);
    gla_status status = gla_case_add_problem(&file, mechanism, &c->made.problem, dtype, c->err);
    if (status == GLA_OK) status = gla_tensors_set_meta(&file, "case", c->made.name, c->err);
    for (int i = 0; i < GLA_OUTPUTS && status == GLA_OK; i++)
        if (c->run.first[i].value)
            status = gla_case_add_output(&file, &c->made.problem, (gla_output)i, dtype_of(c->run.first[i].format),
                                         c->run.first[i].value, c->err);
    if (status == GLA_OK) status = gla_tensors_write(path, &file, c->err);
    gla_tensors_free(&file);
    return status;
}

static gla_status judge(comparison *c) {
    const cli_plugin_settings *s = c->settings;
    const gla_profile *profile = s->profile ? s->profile : gla_profile_default(c->made.spec.dtype);
    gla_truth_options o = {
        .backward = c->made.spec.backward && needs_backward(s->only), .close_enough = 0x1p-52, .threads = c->threads};
    gla_status status = set_candidate(c);
    if (status == GLA_OK) status = gla_truth_compute(&c->made.problem, &o, &c->truth, c->err);
    if (status == GLA_OK)
        status = gla_judge(&c->made.problem, &c->candidate, &c->truth, profile, s->only, c->threads, &c->j->judgement,
                           c->err);
    if (status == GLA_OK && c->j->judgement.verdict == GLA_FAIL) status = diagnose(c);
    if (status == GLA_OK && c->j->judgement.verdict == GLA_FAIL && s->save) status = save(c);
    return status;
}

static gla_status compare(comparison *c, const gla_case_spec *spec, bool *hung) {
    gla_status status = gla_generate(spec, &c->made, c->err);
    if (status == GLA_OK)
        status =
            gla_plugin_run(c->plugin, &c->made.problem, c->made.spec.dtype, c->made.spec.backward, 1, &c->run, c->err);
    *hung = c->run.end == GLA_PLUGIN_HUNG;
    if (status == GLA_OK && c->run.end == GLA_PLUGIN_DONE)
        status = judge(c);
    else if (status == GLA_OK)
        cli_plugin_finding(c->j, cli_plugin_exit(c->run.end), c->run.what);
    for (int i = 0; i < GLA_OUTPUTS; i++) free(c->candidate.output[i].allowed);
    gla_truth_free(&c->truth);
    gla_plugin_result_free(&c->run);
    gla_generated_free(&c->made);
    return status;
}

/* ---- a property ---- */

static bool is_full(const cli_plugin_settings *s) { return s->level && strcmp(s->level, "full") == 0; }

static gla_status try_property(const comparison *c, const gla_suite_case *which, bool *hung) {
    static const cli_exit exits[] = {[GLA_HOLDS] = CLI_PASS,
                                     [GLA_VIOLATED] = CLI_MISMATCH,
                                     [GLA_NOT_APPLICABLE] = CLI_SKIPPED,
                                     [GLA_PLUGIN_BROKEN] = CLI_BROKEN};
    gla_property_options o = {.profile = c->settings->profile, .thorough = is_full(c->settings), .threads = c->threads};
    gla_finding finding;
    gla_status status = gla_property_check(which->property, c->plugin, &which->spec, &o, &finding, c->err);
    if (status != GLA_OK) return status;
    *hung = finding.end == GLA_PLUGIN_HUNG;
    cli_plugin_finding(c->j, exits[finding.kind], finding.text);
    return GLA_OK;
}

gla_status cli_plugin_case(const cli_plugin_settings *s, const gla_plugin *plugin, const gla_suite_case *which,
                           int threads, cli_judged *j, bool *hung, gla_error *err) {
    comparison c = {.settings = s, .plugin = plugin, .threads = threads, .j = j, .err = err};
    return which->property == GLA_PROPERTIES ? compare(&c, &which->spec, hung) : try_property(&c, which, hung);
}
