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
    cli_judged *j;
    gla_error *err;
} comparison;

static gla_dtype dtype_of(const gla_format *format) {
    return format == &gla_bf16 ? GLA_BF16 : format == &gla_f16 ? GLA_F16 : GLA_F32;
}

gla_status cli_plugin_save(const char *path, const char *label, const gla_plugin *plugin, const gla_generated *made,
                           const gla_plugin_result *run, gla_error *err) {
    gla_dtype dtype[GLA_INPUTS];
    gla_tensor_file file = {0};
    for (int i = 0; i < GLA_INPUTS; i++) dtype[i] = GLA_F32;
    dtype[GLA_IN_Q] = dtype[GLA_IN_K] = dtype[GLA_IN_V] = dtype[GLA_IN_DO] = dtype_of(made->spec.dtype);
    gla_status status = gla_case_add_problem(&file, &made->problem, dtype, err);
    if (status == GLA_OK) status = gla_tensors_set_meta(&file, "case", label, err);
    for (int i = 0; i < GLA_OUTPUTS && status == GLA_OK; i++)
        if (run->first[i].value)
            status = gla_case_add_output(&file, &made->problem, (gla_output)i, dtype_of(run->first[i].format),
                                         run->first[i].value, err);
    if (status == GLA_OK) status = gla_tensors_write(path, &file, err);
    gla_tensors_free(&file);
    return status;
}

/* Into the folder of --save. */
static gla_status save(const comparison *c) {
    char path[4096];
    if (snprintf(path, sizeof path, "%s/%s.safetensors", c->settings->save, c->made.name) >= (int)sizeof path)
        return gla_fail(c->err, GLA_IO_ERROR, "%.200s ...: the path is too long", path);
    return cli_plugin_save(path, c->made.name, c->plugin, &c->made, &c->run, c->err);
}

/* The command that explains the bound of the first bad element, in the file that was saved. */
static char *explain(const comparison *c) {
    char *text;
    gla_place_text place;
    const cli_judged *j = c->j;
    if (!j->diagnosis || !j->diagnosis->first.known) return NULL;
    const gla_bad_place *first = &j->diagnosis->first;
    int length = asprintf(&text, "glassbox explain %s/%s.safetensors --at '%s' --profile %s", c->settings->save,
                          c->made.name, gla_place_print(first->output, first->at, place),
                          cli_profile_text(c->settings->judging, &j->judgement));
    return length < 0 ? NULL : text;
}

static gla_status judge(comparison *c) {
    const cli_judging *judging = c->settings->judging;
    bool diagnosed;
    gla_diagnosis *d = calloc(1, sizeof *d);
    if (!d) return gla_fail(c->err, GLA_NO_MEMORY, "no memory for the diagnosis");
    c->candidate = gla_plugin_candidate(&c->run);
    gla_status status =
        cli_judge(judging, &c->made.problem, &c->candidate, c->threads, NULL, &c->j->judgement, d, &diagnosed, c->err);
    if (diagnosed)
        c->j->diagnosis = d;
    else
        free(d);
    if (status == GLA_OK && c->j->judgement.verdict == GLA_FAIL && c->settings->save) status = save(c);
    if (status == GLA_OK && c->settings->save) c->j->explain = explain(c);
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
    const cli_judging *judging = c->settings->judging;
    gla_property_options o = {.profile = judging->profile ? &judging->declared : NULL,
                              .thorough = is_full(c->settings),
                              .threads = c->threads};
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
