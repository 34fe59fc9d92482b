/* SPDX-License-Identifier: Apache-2.0
 *
 * glassbox check --numbers cuda:RUNG: a case's inputs on this machine's GPU, judged as any candidate's outputs.
 *
 * A rung may follow one formulation forward and another one backward, so each direction is a case of its own: run,
 * judged at the profile that the rung declares there (judge_rung.h) unless another is asked for, and with --bits
 * replayed. What a rung does not take is skipped; a kernel that fails is broken.
 */
#include <stdlib.h>
#include <string.h>

#include "cli_check.h"
#include "cli_replay.h"
#include "run_parts.h"

enum { FORWARD = 1u << GLA_O | 1u << GLA_FINAL_STATE };

/* One direction of a case on a rung. */
typedef struct way {
    bool backward;
    unsigned outputs;
    gla_host_run how;
} way;

static bool has_gradients(const gla_case *c) { return gla_has_incoming(&c->problem); }

/* The outputs that are asked for this way. */
static unsigned outputs_of(const check_settings *s, const gla_case *c, bool backward) {
    unsigned all = 0;
    for (int i = 0; i < GLA_OUTPUTS; i++)
        if (gla_has_output(&c->problem, true, (gla_output)i)) all |= 1u << i;
    unsigned wanted = s->judging.only ? s->judging.only : has_gradients(c) ? all : FORWARD;
    return wanted & (backward ? ~(unsigned)FORWARD : FORWARD);
}

static void settle(check_case *x, cli_exit exit, const char *text) {
    snprintf(x->finding, sizeof x->finding, "%s", text);
    x->judged.finding = x->finding;
    x->judged.finding_exit = exit;
}

static cli_exit exit_of(gla_cuda_status status) { return status == GLA_CUDA_LAUNCH ? CLI_BROKEN : CLI_SKIPPED; }

/* What the rung declares this way, in place of what is the default. */
static gla_status declare(const check_settings *s, const way *w, check_case *x) {
    cli_judging *judging = &x->judging;
    gla_status status = GLA_OK;
    *judging = s->judging;
    judging->only = w->outputs;
    if (!judging->profile) {
        status = gla_rung_profile(s->cuda.rung, w->how.dtype, x->form, &judging->declared, &x->error);
        judging->profile = judging->declared.name;
    }
    if (s->bits) judging->replay = (gla_replay){s->cuda.numbers_of(s->cuda.rung, w->how.dtype), x->form};
    return status;
}

static void judge_values(const check_settings *s, const gla_case *c, const way *w, double *value[GLA_OUTPUTS],
                         check_case *x) {
    gla_candidate candidate = gla_rung_candidate(&w->how, NULL, value);
    bool diagnosed;
    gla_status status = declare(s, w, x);
    if (status == GLA_OK)
        status = cli_judge(&x->judging, &c->problem, &candidate, (int)s->judging.threads, "truth", &x->judged.judgement,
                           &x->diagnosis, &diagnosed, &x->error);
    if (status != GLA_OK)
        x->judged.error = &x->error;
    else if (diagnosed)
        x->judged.diagnosis = &x->diagnosis;
}

/* The command that repeats this. */
static void set_reproduce(const check_settings *s, const way *w, check_case *x) {
    cli_only_text only;
    cli_replay_text replay;
    const cli_judging these = {.only = w->outputs};
    char segment[40] = "";
    if (s->cuda.segment) snprintf(segment, sizeof segment, " --segment %lld", (long long)s->cuda.segment);
    snprintf(x->reproduce, sizeof x->reproduce, "glassbox check %s --numbers %s%s%s%s%s%s%s%s%s", x->path,
             s->cuda.numbers, segment, s->bits ? " --bits" : "", s->judging.profile ? " --profile " : "",
             s->judging.profile ? s->judging.profile : "", s->load.allow_growth ? " --allow-growth" : "",
             cli_only_option(&these, only), s->judging.strict ? " --strict" : "",
             cli_replay_options(&s->judging.replay, replay));
    x->judged.reproduce = x->reproduce;
}

static void run_way(const check_settings *s, const gla_case *c, way *w, check_case *x) {
    double *value[GLA_OUTPUTS];
    gla_host_why why;
    gla_cuda_status status = cli_cuda_prepare(&s->cuda, &c->problem, c->input_dtype, &w->how, why);
    if (status == GLA_CUDA_OK && !cli_cuda_form(&s->cuda, w->how.dtype, w->backward, x->form)) {
        status = GLA_CUDA_UNSUPPORTED;
        snprintf(why, sizeof why, "%s does not run %s in %s", s->cuda.numbers, w->backward ? "backward" : "forward",
                 gla_dtype_name(c->input_dtype[GLA_IN_Q]));
    }
    w->how.outputs = w->outputs;
    if (status == GLA_CUDA_OK) status = s->cuda.run(&c->problem, &w->how, value, why);
    if (status != GLA_CUDA_OK) {
        settle(x, exit_of(status), why);
        return;
    }
    judge_values(s, c, w, value, x);
    for (int i = 0; i < GLA_OUTPUTS; i++) free(value[i]);
    if (!x->judged.error) set_reproduce(s, w, x);
}

bool check_on_gpu(const char *command, check_list *list, const check_settings *s, const char *path) {
    gla_case c;
    gla_error err;
    bool going = true;
    if (gla_case_load(path, &s->load, &c, &err) != GLA_OK) {
        check_case *x = check_add(list, path, path);
        if (!x) return false;
        x->error = err;
        x->judged.error = &x->error;
        cli_fail(command, &err);
        return true;
    }
    for (int backward = 0; going && backward < 2; backward++) {
        way w = {.backward = backward, .outputs = outputs_of(s, &c, backward)};
        char label[220];
        if (!w.outputs) continue;
        snprintf(label, sizeof label, "%.200s %s", c.name ? c.name : path, backward ? "gradients" : "forward");
        check_case *x = check_add(list, path, label);
        going = x != NULL;
        if (!x) break;
        run_way(s, &c, &w, x);
        check_report(x);
    }
    gla_case_free(&c);
    return going;
}
