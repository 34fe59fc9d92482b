/* SPDX-License-Identifier: Apache-2.0
 *
 * Judging and reporting for every way in; contract in cli_judging.h.
 */
#include "cli_judging.h"

#include <string.h>

#include "cli_candidate.h"
#include "cli_replay.h"
#include "io/profile_file.h"

/* ---- command line ---- */

enum { JSON = 640, JUNIT, MARKDOWN, STRICT };

static const struct argp_option table[] = {
    {"profile", 'p', "NAME|FILE", 0,
     "What the kernel declares about its rounding: see list, or a JSON file (default by the dtype of o)", 1},
    {"only", 'o', "NAMES", 0, "Judge these outputs alone, e.g. o,dq; one that is absent is an error", 1},
    {"strict", STRICT, NULL, 0, "MARGINAL is a mismatch", 1},
    {"threads", 'j', "N", 0, "Threads (default: all processors)", 1},
    {"json", JSON, "FILE", 0, "Write the verdicts as JSON", 1},
    {"junit", JUNIT, "FILE", 0, "Write the verdicts as JUnit XML", 1},
    {"markdown", MARKDOWN, "FILE", 0, "Write the verdicts as a Markdown table", 1},
    {0}};

static error_t parse_only(struct argp_state *state, const char *text, unsigned *only) {
    *only = 0;
    while (*text) {
        size_t length = strcspn(text, ",");
        int found = cli_output_named(text, length);
        if (found < 0) return cli_bad(state, "--only: no output '%.*s'", (int)length, text);
        *only |= 1u << found;
        text += length;
        if (*text == ',') text++;
    }
    return *only ? 0 : cli_bad(state, "--only: no outputs named");
}

static error_t parse(int key, char *argument, struct argp_state *state) {
    cli_judging *s = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &s->replay;
        return 0;
    case 'p':
        s->profile = argument;
        return 0;
    case 'o':
        return parse_only(state, argument, &s->only);
    case 'j':
        return cli_integer(state, "--threads", argument, 1, 4096, &s->threads);
    case STRICT:
        s->strict = true;
        return 0;
    case JSON:
        s->json = argument;
        return 0;
    case JUNIT:
        s->junit = argument;
        return 0;
    case MARKDOWN:
        s->markdown = argument;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_child children[] = {{&cli_replay_argp, 0, "", 0}, {0}};
const struct argp cli_judging_argp = {.options = table, .parser = parse, .children = children};

int cli_judging_open(cli_judging *s, const char *command) {
    gla_error err;
    if (s->profile && gla_profile_find(s->profile, &s->declared, &err) != GLA_OK) return cli_fail(command, &err);
    return CLI_GO_ON;
}

/* ---- one case ---- */

const gla_profile *cli_judging_profile(const cli_judging *s, const gla_candidate *candidate) {
    return s->profile ? &s->declared : cli_default_profile(candidate);
}

const char *cli_profile_text(const cli_judging *s, const gla_judgement *g) {
    return s->profile ? s->profile : g->profile->name;
}

const char *cli_only_option(const cli_judging *s, cli_only_text text) {
    const char *before = " --only ";
    size_t used = 0;
    text[0] = 0;
    for (int i = 0; i < GLA_OUTPUTS; i++) {
        if (!(s->only >> i & 1)) continue;
        used += (size_t)snprintf(text + used, sizeof(cli_only_text) - used, "%s%s", before, gla_output_names[i]);
        before = ",";
    }
    return text;
}

static gla_status compute_truth(const gla_problem *p, bool backward, int threads, const char *what, gla_truth *out,
                                gla_error *err) {
    cli_progress bar = cli_progress_start(what);
    gla_truth_options o = {.backward = backward, .close_enough = GLA_CLOSE_ENOUGH, .threads = threads};
    if (what) o.progress = cli_progress_step;
    o.progress_data = &bar;
    gla_status status = gla_truth_compute(p, &o, out, err);
    cli_progress_end(&bar);
    return status;
}

gla_status cli_judge(const cli_judging *s, const gla_problem *p, gla_candidate *candidate, int threads,
                     const char *what, gla_judgement *out, gla_diagnosis *diagnosis, bool *diagnosed, gla_error *err) {
    gla_truth truth;
    *diagnosed = false;
    candidate->replay = &s->replay;
    const gla_profile *profile = cli_judging_profile(s, candidate);
    gla_status status = compute_truth(p, gla_judging_needs_gradients(candidate, s->only), threads, what, &truth, err);
    if (status == GLA_OK) status = gla_candidate_make_room(p, candidate, err);
    if (status == GLA_OK) status = gla_judge(p, candidate, &truth, profile, s->only, threads, out, err);
    if (status == GLA_OK && out->verdict == GLA_FAIL) {
        status = gla_diagnose(p, candidate, &truth, out, s->only, threads, diagnosis, err);
        *diagnosed = status == GLA_OK;
    }
    gla_candidate_free_room(candidate);
    gla_truth_free(&truth);
    return status;
}

/* ---- many ---- */

int cli_write_reports(const cli_judging *s, const char *command, const cli_judged *list, size_t count) {
    gla_error err;
    gla_status status = GLA_OK;
    if (s->json) status = cli_report_json(s->json, list, count, &err);
    if (status == GLA_OK && s->junit) status = cli_report_junit(s->junit, list, count, &err);
    if (status == GLA_OK && s->markdown) status = cli_report_markdown(s->markdown, list, count, &err);
    return status == GLA_OK ? CLI_PASS : cli_fail(command, &err);
}

int cli_worst_exit(const cli_judging *s, const cli_judged *list, size_t count) {
    static const int order[] = {CLI_USAGE, CLI_BROKEN, CLI_MISMATCH, CLI_UNCERTAIN};
    for (size_t o = 0; o < sizeof order / sizeof *order; o++)
        for (size_t i = 0; i < count; i++)
            if ((int)cli_judged_exit(&list[i], s->strict) == order[o]) return order[o];
    for (size_t i = 0; i < count; i++)
        if (cli_judged_exit(&list[i], s->strict) != CLI_SKIPPED) return CLI_PASS;
    return count ? CLI_SKIPPED : CLI_PASS;
}
