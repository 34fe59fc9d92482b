/* SPDX-License-Identifier: Apache-2.0
 *
 * How a run ended, in words (plugin_end.h).
 */
#include "plugin_end.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "place.h"

const char *const gla_plugin_end_names[GLA_PLUGIN_ENDS] = {
    "done", "declined",      "cannot be loaded", "error",           "exit",           "crash",
    "hang", "out of bounds", "input changed",    "not all written", "processes left", "refused"};

gla_plugin_end gla_plugin_say(gla_plugin_result *out, gla_plugin_end end, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    int used = snprintf(out->what, sizeof out->what, "%s: ", gla_plugin_end_names[end]);
    vsnprintf(out->what + used, sizeof out->what - (size_t)used, format, arguments);
    va_end(arguments);
    for (char *c = out->what; *c; c++)
        if (*c < ' ' || *c > '~') *c = '?'; /* some of it is the plug-in's */
    return end;
}

static const char *stage_text(gla_plugin_stage stage) {
    static const char *const text[] = {[GLA_STAGE_START] = "before it was loaded",
                                       [GLA_STAGE_LOAD] = "while it was loaded",
                                       [GLA_STAGE_SYMBOLS] = "while it was loaded",
                                       [GLA_STAGE_INFO] = "in glassbox_plugin_info",
                                       [GLA_STAGE_WORKSPACE] = "in glassbox_plugin_workspace",
                                       [GLA_STAGE_RUN] = "in glassbox_plugin_run",
                                       [GLA_STAGE_RETURNED] = "after glassbox_plugin_run",
                                       [GLA_STAGE_REFUSED] = "after it was refused"};
    return text[(unsigned)stage < sizeof text / sizeof *text ? stage : GLA_STAGE_START];
}

static int64_t magnitude(int64_t x) { return x < 0 ? -x : x; }

static gla_plugin_end crashed(const gla_plugin_shared *s, gla_plugin_result *out) {
    const gla_plugin_answer *a = &s->answer;
    const char *name = sigabbrev_np(a->signal), *where = stage_text(a->stage);
    gla_fault at;
    if (a->fault && gla_fault_locate(s, a->fault, &at)) {
        if (at.outside != 0)
            return gla_plugin_say(out, GLA_PLUGIN_OUTSIDE, "touches memory %" PRId64 " byte%s %s %s",
                                  magnitude(at.outside), magnitude(at.outside) == 1 ? "" : "s",
                                  at.outside < 0 ? "before" : "past the end of", at.what);
        if (at.input) return gla_plugin_say(out, GLA_PLUGIN_INPUT, "writes to %s", at.what);
    }
    return gla_plugin_say(out, GLA_PLUGIN_CRASHED, "SIG%s %s", name ? name : "?", where);
}

/* How the process ended, before anything is said of its outputs. */
gla_plugin_end gla_plugin_ending(const gla_plugin_shared *s, gla_plugin_result *out) {
    const gla_plugin_answer *a = &s->answer;
    gla_plugin_stage wanted = s->request.info_only ? GLA_STAGE_INFO : GLA_STAGE_RETURNED;
    if (!a->ended) return gla_plugin_say(out, GLA_PLUGIN_CRASHED, "its supervisor was killed %s", stage_text(a->stage));
    if (a->hung)
        return gla_plugin_say(out, GLA_PLUGIN_HUNG, "not done within %g s, %s", (double)s->request.timeout_ms / 1000,
                              stage_text(a->stage));
    if (a->signal) return crashed(s, out);
    if (a->stage == GLA_STAGE_REFUSED)
        return gla_plugin_say(out, s->request.info_only ? GLA_PLUGIN_UNLOADABLE : GLA_PLUGIN_REFUSED, "%.190s",
                              a->text);
    if (a->stage != wanted)
        return gla_plugin_say(out, GLA_PLUGIN_EXITED, "exit(%d) %s", a->exit_status, stage_text(a->stage));
    if (a->left_behind)
        return gla_plugin_say(out, GLA_PLUGIN_LEFT, "it returned while processes of its own still ran (killed)");
    if (s->request.info_only || a->code == 0) return GLA_PLUGIN_DONE;
    if (a->code == 1)
        return gla_plugin_say(out, GLA_PLUGIN_DECLINED, "%.190s", a->text[0] ? a->text : "no reason given");
    return gla_plugin_say(out, GLA_PLUGIN_FAILED, "glassbox_plugin_run returned %d%s%.150s", a->code,
                          a->text[0] ? ": " : "", a->text);
}

static gla_plugin_end outside(gla_plugin_result *out, const char *kind, const char *name, int64_t distance) {
    if (distance == 0) return GLA_PLUGIN_DONE;
    return gla_plugin_say(out, GLA_PLUGIN_OUTSIDE, "writes %" PRId64 " byte%s %s %s%s", magnitude(distance),
                          magnitude(distance) == 1 ? "" : "s", distance < 0 ? "before" : "past the end of", kind, name);
}

/* The inputs as they were, and every canary. */
gla_plugin_end gla_plugin_damage(const gla_plugin_shared *s, const char *before, gla_plugin_result *out) {
    const gla_plugin_request *r = &s->request;
    const char *base = (const char *)s;
    gla_plugin_end end = outside(out, "its ", "workspace", s->answer.workspace_broken);
    for (int i = -1; end == GLA_PLUGIN_DONE && i < GLA_INPUTS; i++) {
        const gla_shared_tensor *t = i < 0 ? &r->cu_seqlens : &r->in[i];
        const char *name = i < 0 ? "cu_seqlens" : gla_input_names[i];
        if (memcmp(base + t->at, before + t->at, (size_t)t->bytes) != 0)
            return gla_plugin_say(out, GLA_PLUGIN_INPUT, "it changed %s", name);
        end = outside(out, "its input ", name, gla_canary_broken(base, t));
    }
    for (int pass = 0; pass < r->passes; pass++)
        for (int i = 0; end == GLA_PLUGIN_DONE && i < GLA_OUTPUTS; i++) {
            end = outside(out, "", gla_output_names[i], gla_canary_broken(base, &r->out[pass][i]));
            if (end == GLA_PLUGIN_DONE && !gla_gaps_whole(base, &r->out[pass][i]))
                end = gla_plugin_say(out, GLA_PLUGIN_OUTSIDE, "writes between the rows of %s: see its strides",
                                     gla_output_names[i]);
        }
    return end;
}

gla_plugin_end gla_plugin_unwritten(const gla_plugin_shared *s, gla_plugin_result *out) {
    for (int i = 0; i < GLA_OUTPUTS; i++) {
        const gla_shared_tensor *t = &s->request.out[0][i];
        int64_t count, at[4], first = gla_unwritten(s, t, s->request.poison[0], &count);
        if (first < 0) continue;
        gla_index_of(t->shape, first, at);
        return gla_plugin_say(out, GLA_PLUGIN_UNWRITTEN,
                              "%s: %" PRId64 " of %" PRId64 " elements never written, first [%" PRId64 ",%" PRId64
                              ",%" PRId64 ",%" PRId64 "]",
                              gla_output_names[i], count, gla_shared_count(t), at[0], at[1], at[2], at[3]);
    }
    return GLA_PLUGIN_DONE;
}

/* What it printed last, where it may explain a bad end. */
void gla_plugin_add_words(gla_plugin_result *out, const gla_plugin_words *words) {
    size_t used = strlen(out->what);
    if (words->last[0] == 0 || out->end == GLA_PLUGIN_DECLINED) return;
    snprintf(out->what + used, sizeof out->what - used, " (it printed: %s)", words->last);
}
