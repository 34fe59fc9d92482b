/* SPDX-License-Identifier: Apache-2.0
 *
 * The search for the smallest case on which a plug-in still fails (shrink_plugin.h).
 */
#include "shrink_plugin.h"

#include <stdio.h>
#include <string.h>

enum { ROUNDS = 4, HANGS = 3 }; /* so many hangs, and the search ends with what it has */

typedef struct search {
    const gla_plugin *plugin;
    const gla_shrink_plugin_options *options;
    gla_shrunk *out;
    int hangs;
    gla_status status;
    gla_error *err;
} search;

/* ---- one trial ---- */

static void note_end(search *w, const gla_plugin_result *run) {
    if (run->end == GLA_PLUGIN_DONE) return;
    w->out->broken++;
    w->hangs += run->end == GLA_PLUGIN_HUNG;
    snprintf(w->out->broken_as, sizeof w->out->broken_as, "%.190s", run->what);
}

/* Run and judge; true: the outputs in `only` (0: any) are wrong. The result is the caller's to free. */
static bool fails(search *w, const gla_rerun *r, unsigned only, gla_rerun_result *x) {
    const gla_shrink_plugin_options *o = w->options;
    w->out->tried++;
    w->status = gla_rerun_judge(w->plugin, r, only, o->profile, o->threads, x, w->err);
    if (w->status == GLA_OK) note_end(w, &x->run);
    return w->status == GLA_OK && x->run.end == GLA_PLUGIN_DONE && x->judgement.verdict == GLA_FAIL;
}

static bool going(const search *w) { return w->status == GLA_OK && w->hangs < HANGS; }

/* The smallest so far with one axis changed; taken if it fails. */
static bool try_value(search *w, gla_axis axis, int64_t value) {
    gla_rerun next = w->out->to;
    gla_rerun_result x;
    if (!going(w) || !gla_rerun_set(&next, axis, value)) return false;
    bool good = fails(w, &next, 1u << w->out->output, &x);
    if (good)
        w->out->to = next;
    else
        w->out->passes[axis] = value;
    gla_rerun_result_free(&x);
    return good;
}

/* ---- one axis ---- */

static int64_t least_of(gla_axis axis) {
    return axis <= GLA_AXIS_STATE || axis == GLA_AXIS_GATES ? 0 : 1; /* sizes, and operands below 2 */
}

/* 0 1 2 3 4 5 7 8 9 15 16 17 31 32 33 ...: the next above `n`. */
static int64_t next_size(int64_t n) {
    if (n < 5) return n + 1;
    int64_t power = 8;
    while (power + 1 <= n) power *= 2;
    return n < power - 1 ? power - 1 : n + 1;
}

static void narrow(search *w, gla_axis axis) {
    int64_t passed = least_of(axis) - 1, now = gla_rerun_get(&w->out->to, axis);
    w->out->passes[axis] = -1;
    if (axis == GLA_AXIS_BACKWARD && w->out->output >= GLA_DQ) return;
    for (int64_t n = least_of(axis); n < now && going(w); n = next_size(n)) {
        if (try_value(w, axis, n)) break;
        passed = n;
    }
    now = gla_rerun_get(&w->out->to, axis);
    while (now - passed > 1 && going(w)) {
        int64_t middle = passed + (now - passed) / 2;
        if (try_value(w, axis, middle))
            now = middle;
        else
            passed = middle;
    }
}

static void narrow_all(search *w) {
    const gla_shrink_plugin_options *o = w->options;
    bool smaller = true;
    for (int round = 0; round < ROUNDS && smaller && going(w); round++) {
        gla_rerun before = w->out->to;
        for (int axis = 0; axis < GLA_AXES && going(w); axis++) {
            if (o->progress) o->progress(o->progress_data, (round + axis / (double)GLA_AXES) / ROUNDS);
            narrow(w, (gla_axis)axis);
        }
        smaller = false;
        for (int axis = 0; axis < GLA_AXES; axis++)
            smaller |= gla_rerun_get(&w->out->to, (gla_axis)axis) != gla_rerun_get(&before, (gla_axis)axis);
    }
}

/* ---- together ---- */

static bool start(search *w, const gla_suite_case *c, const gla_rerun_result *x) {
    gla_shrunk *s = w->out;
    for (int i = 0; i < GLA_OUTPUTS; i++) {
        const gla_tensor_verdict *v = &x->judgement.tensor[i];
        if (!v->judged || v->verdict != GLA_FAIL) continue;
        s->output = (gla_output)i;
        s->first = *c;
        s->first_verdict = *v;
        s->from = s->to = gla_rerun_of(&x->made);
        return true;
    }
    return false;
}

/* The first case of the suite that fails. */
static bool find_first(search *w, const gla_suite *suite) {
    unsigned only = w->options->output < 0 ? 0 : 1u << w->options->output;
    bool found = false;
    for (size_t i = 0; i < suite->count && !found && going(w); i++) {
        if (suite->at[i].property != GLA_PROPERTIES) continue;
        const gla_rerun whole = {.spec = suite->at[i].spec, .operands = GLA_UNSCALED, .gates = GLA_UNSCALED};
        gla_rerun_result x;
        found = fails(w, &whole, only, &x) && start(w, &suite->at[i], &x);
        gla_rerun_result_free(&x);
    }
    return found;
}

static gla_status nothing_fails(const gla_shrunk *s, gla_error *err) {
    if (!s->broken)
        return gla_fail(err, GLA_BAD_VALUE, "none of %lld cases fails: nothing to shrink", (long long)s->tried);
    gla_fail(err, GLA_BAD_VALUE, "no outputs are wrong in %lld cases, but %lld ended without any (%.120s)",
             (long long)s->tried, (long long)s->broken, s->broken_as);
    return gla_hint(err, GLA_BAD_VALUE, "glassbox check --plugin shows them one by one");
}

/* The smallest once more, to keep it, with a verdict on all its outputs. */
static gla_status keep(search *w) {
    gla_rerun_result x;
    gla_shrunk *s = w->out;
    w->status = GLA_OK;
    bool good = fails(w, &s->to, 0, &x) && x.judgement.tensor[s->output].verdict == GLA_FAIL;
    s->made = x.made;
    s->run = x.run;
    s->verdict = x.judgement.tensor[s->output];
    s->profile = x.judgement.profile;
    if (w->status != GLA_OK || good) return w->status;
    return gla_fail(w->err, GLA_BAD_VALUE,
                    "%s failed, and does not when the same case is run again: it is not the same"
                    " from run to run",
                    gla_output_names[s->output]);
}

gla_status gla_shrink_plugin(const gla_plugin *plugin, const gla_suite *suite, const gla_shrink_plugin_options *options,
                             gla_shrunk *out, gla_error *err) {
    memset(out, 0, sizeof *out);
    search w = {.plugin = plugin, .options = options, .out = out, .err = err};
    bool found = find_first(&w, suite);
    if (w.status != GLA_OK) return w.status;
    if (!found) return nothing_fails(out, err);
    narrow_all(&w);
    return w.status == GLA_OK ? keep(&w) : w.status;
}

void gla_shrunk_free(gla_shrunk *s) {
    gla_plugin_result_free(&s->run);
    gla_generated_free(&s->made);
}
