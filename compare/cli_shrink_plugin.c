/* SPDX-License-Identifier: Apache-2.0
 *
 * glassbox shrink --plugin: the smallest generated case on which a kernel is still wrong, found by running it again
 * (shrink_plugin.h), as a case file with its outputs.
 */
#include "cli_shrink.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "cli_plugin.h"
#include "shrink_plugin.h"

static const char name[] = "shrink";

/* ---- command line ---- */

enum { PLUGIN = 512, FAMILY, SEED, TIMEOUT };

static const struct argp_option table[] = {
    {"plugin", PLUGIN, "FILE", 0, "Run the kernel in this shared object again and again instead (compare/plugin.h)", 3},
    {"family", FAMILY, "NAME", 0, "Look for a failing case in this family; may stand several times (default: all)", 3},
    {"seed", SEED, "S", 0, "Of the cases (default 1)", 3},
    {"timeout", TIMEOUT, "SECONDS", 0, "For one run (default 30)", 3},
    {0}};

static error_t add_family(struct argp_state *state, const char *text, cli_shrink_settings *s) {
    if (!gla_family_named(text)) return cli_bad(state, "--family: no family '%.40s' (glassbox list shows them)", text);
    if (s->families == CLI_SHRINK_FAMILIES) return cli_bad(state, "--family: too many");
    s->family[s->families++] = text;
    return 0;
}

static error_t parse(int key, char *argument, struct argp_state *state) {
    cli_shrink_settings *s = state->input;
    if (key > PLUGIN && key <= TIMEOUT) s->stray = table[key - PLUGIN].name;
    switch (key) {
    case PLUGIN:
        s->path = argument;
        return 0;
    case FAMILY:
        return add_family(state, argument, s);
    case SEED:
        return cli_seed(state, argument, &s->seed);
    case TIMEOUT:
        return cli_integer(state, "--timeout", argument, 1, 86400, &s->timeout);
    case ARGP_KEY_END:
        return s->stray && !s->path ? cli_bad(state, "--%s goes with --plugin", s->stray) : 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

const struct argp cli_shrink_argp = {.options = table, .parser = parse};

/* ---- the text ---- */

static bool is_asked(const cli_shrink_settings *s, const char *family) {
    bool asked = s->families == 0;
    for (int i = 0; i < s->families; i++) asked |= strcmp(s->family[i], family) == 0;
    return asked;
}

typedef char value_text[40];

static const char *print_value(gla_axis axis, int64_t value, value_text text) {
    if (axis <= GLA_AXIS_STATE)
        snprintf(text, sizeof(value_text), "%s", value ? "yes" : "no");
    else if (axis == GLA_AXIS_OPERANDS)
        snprintf(text, sizeof(value_text), "2^%" PRId64, value);
    else if (axis == GLA_AXIS_GATES && value == 0)
        snprintf(text, sizeof(value_text), "none");
    else if (axis == GLA_AXIS_GATES)
        snprintf(text, sizeof(value_text), "2^%" PRId64, value - GLA_GATE_UNIT);
    else
        snprintf(text, sizeof(value_text), "%" PRId64, value);
    return text;
}

/* What became of an axis; what was small from the start and stayed says nothing. */
static void print_axis(const gla_shrunk *x, gla_axis axis) {
    int64_t from = gla_rerun_get(&x->from, axis), to = gla_rerun_get(&x->to, axis);
    value_text a, b, c;
    if (from == to && x->passes[axis] < 0) return;
    printf("  %-17s %5s -> %s", gla_axis_names[axis], print_value(axis, from, a), print_value(axis, to, b));
    if (x->passes[axis] >= 0) printf("   (%s passes)", print_value(axis, x->passes[axis], c));
    putchar('\n');
}

static void print_shrunk(const cli_shrink_settings *s, const gla_shrunk *x) {
    const gla_tensor_verdict *v = &x->verdict;
    printf("%s of %s fails, error/bound %.3g; the smallest case on which it still does (%" PRId64 " runs):\n",
           gla_output_names[x->output], x->first.id, x->first_verdict.worst, x->tried);
    for (int axis = 0; axis < GLA_AXES; axis++) print_axis(x, (gla_axis)axis);
    if (x->broken) printf("  %" PRId64 " runs ended without outputs, the last: %s\n", x->broken, x->broken_as);
    printf("  %" PRId64 " of %" PRId64 " elements over the bound, error/bound %.3g: got %.9g, want %.9g\n", v->over,
           v->count, v->worst, v->got, v->want);
    printf("wrote %s\n  reproduce: glassbox check %s --profile %s\n", s->to, s->to,
           s->profile ? s->profile_text : x->profile->name);
}

/* ---- all ---- */

static gla_status search(const cli_shrink_settings *s, const gla_plugin *plugin, gla_shrunk *x, gla_error *err) {
    gla_suite suite;
    char label[200];
    gla_status status = gla_suite_make(plugin, false, s->seed, &suite, err);
    if (status != GLA_OK) return status;
    size_t kept = 0;
    for (size_t i = 0; i < suite.count; i++)
        if (is_asked(s, suite.at[i].spec.family)) suite.at[kept++] = suite.at[i];
    suite.count = kept;
    cli_progress bar = cli_progress_start("shrink");
    const gla_shrink_plugin_options how = {.output = s->output,
                                           .profile = s->profile,
                                           .threads = (int)s->threads,
                                           .progress = cli_progress_step,
                                           .progress_data = &bar};
    status = gla_shrink_plugin(plugin, &suite, &how, x, err);
    cli_progress_end(&bar);
    gla_suite_free(&suite);
    snprintf(label, sizeof label, "%s, shrunk", x->first.id);
    return status == GLA_OK ? cli_plugin_save(s->to, label, plugin, &x->made, &x->run, err) : status;
}

int cli_shrink_plugin(const cli_shrink_settings *s) {
    gla_plugin plugin = {.path = s->path, .mechanism = s->mechanism, .timeout = (double)s->timeout};
    gla_plugin_result opened;
    gla_shrunk x = {0};
    gla_error err = {0};
    if (gla_plugin_open(&plugin, &opened, &err) != GLA_OK) return cli_fail(name, &err);
    if (opened.end != GLA_PLUGIN_DONE) {
        cli_complain(name, "%.200s: %s", s->path, opened.what);
        return (int)cli_plugin_exit(opened.end);
    }
    gla_status status = search(s, &plugin, &x, &err);
    if (status == GLA_OK) print_shrunk(s, &x);
    gla_shrunk_free(&x);
    return status == GLA_OK ? CLI_PASS : cli_fail(name, &err);
}
