/* SPDX-License-Identifier: Apache-2.0
 *
 * glassbox check --plugin: every case of the suite is run in a process of its own, then judged like a file; properties
 * become verdicts in words. Cases are worked on side by side and printed in the suite's order.
 */
#include "cli_plugin.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "../fast/cpu/threads.h"
#include "cli_replay.h"
#include "plugin_suite.h"

static const char name[] = "check";

/* ---- command line ---- */

enum { PLUGIN = 512, LEVEL, JOBS, SEED, TIMEOUT, CASE, SAVE, LIST };

static const struct argp_option table[] = {
    {"plugin", PLUGIN, "FILE", 0,
     "Judge the kernel in this shared object (compare/plugin.h), each run in a process of "
     "its own",
     3},
    {"level", LEVEL, "LEVEL", 0, "quick (default) or full", 3},
    {"jobs", JOBS, "N", 0, "Cases at a time (default: all processors; 1 for a kernel that needs a whole device)", 3},
    {"seed", SEED, "S", 0, "Of the cases (default 1)", 3},
    {"timeout", TIMEOUT, "SECONDS", 0, "For one run (default 30)", 3},
    {"case", CASE, "PATTERN", 0, "Only cases whose id matches, e.g. 'gla/mild/*' or '*/causality'", 3},
    {"save", SAVE, "FOLDER", 0, "Leave failing cases there as files, outputs included; made if it is not there", 3},
    {"list", LIST, NULL, 0, "Print the ids of the cases, run nothing", 3},
    {0}};

static error_t parse_level(struct argp_state *state, const char *text, cli_plugin_settings *s) {
    s->level = text;
    if (strcmp(text, "quick") == 0 || strcmp(text, "full") == 0) return 0;
    return cli_bad(state, "--level: '%.40s' is not quick or full", text);
}

static error_t parse(int key, char *argument, struct argp_state *state) {
    cli_plugin_settings *s = state->input;
    if (key > PLUGIN && key <= LIST) s->stray = table[key - PLUGIN].name;
    switch (key) {
    case PLUGIN:
        s->path = argument;
        return 0;
    case LEVEL:
        return parse_level(state, argument, s);
    case JOBS:
        return cli_integer(state, "--jobs", argument, 1, 4096, &s->jobs);
    case SEED:
        return cli_seed(state, argument, &s->seed);
    case TIMEOUT:
        return cli_integer(state, "--timeout", argument, 1, 86400, &s->timeout);
    case CASE:
        s->cases = argument;
        return 0;
    case SAVE:
        s->save = argument;
        return 0;
    case LIST:
        s->list = true;
        return 0;
    case ARGP_KEY_END:
        return s->stray && !s->path ? cli_bad(state, "--%s goes with --plugin", s->stray) : 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

const struct argp cli_plugin_argp = {.options = table, .parser = parse};

enum { HANGS = 3 }; /* so many, and the rest is not tried */

typedef struct work {
    const cli_plugin_settings *settings;
    gla_plugin plugin;
    gla_suite suite;
    cli_judged *judged;
    bool *done;
    int threads; /* for one case */
    atomic_int hangs;
    size_t printed;
    pthread_mutex_t lock;
} work;

/* The command that repeats this case. */
static char *reproduce(const cli_plugin_settings *s, const char *id) {
    char seed[40] = "", *text;
    const char *profile = s->judging->profile;
    cli_replay_text replay;
    if (s->seed != 1) snprintf(seed, sizeof seed, " --seed %" PRIu64, s->seed);
    int length =
        asprintf(&text, "glassbox check --plugin %s --case '%s'%s%s%s%s%s", s->path, id,
                 s->level && strcmp(s->level, "full") == 0 ? " --level full" : "", seed, profile ? " --profile " : "",
                 profile ? profile : "", cli_replay_options(&s->judging->replay, replay));
    return length < 0 ? NULL : text;
}

/* ---- printing ---- */

static void print_pass(const cli_judged *j) {
    const gla_tensor_verdict *worst = NULL;
    int output = 0;
    for (int i = 0; i < GLA_OUTPUTS; i++) {
        const gla_tensor_verdict *v = &j->judgement.tensor[i];
        if (!v->judged || (worst && !(v->worst > worst->worst))) continue;
        worst = v;
        output = i;
    }
    gla_place_text place;
    printf("%sPASS%s %s: error/bound at most %.3g, at %s%s\n", cli_on(CLI_GREEN), cli_off(), j->name, worst->worst,
           gla_place_print((gla_output)output, worst->at, place),
           j->judgement.replay.numbers ? "; every bit as declared" : "");
}

static void print_case(const cli_judged *j) {
    if (cli_has_verdict(j) && j->judgement.verdict == GLA_PASS)
        print_pass(j);
    else
        cli_report_text(j);
    fflush(stdout);
}

/* Everything that is ready, in the suite's order. */
static void print_ready(work *w, size_t finished) {
    pthread_mutex_lock(&w->lock);
    w->done[finished] = true;
    for (; w->printed < w->suite.count && w->done[w->printed]; w->printed++) print_case(&w->judged[w->printed]);
    pthread_mutex_unlock(&w->lock);
}

static void do_case(void *data, size_t index) {
    work *w = data;
    const gla_suite_case *c = &w->suite.at[index];
    cli_judged *j = &w->judged[index];
    gla_error err = {0};
    gla_status status = GLA_OK;
    bool hung = false;
    j->name = strdup(c->id);
    j->path = strdup(w->settings->path);
    j->reproduce = reproduce(w->settings, c->id);
    if (atomic_load(&w->hangs) >= HANGS)
        cli_plugin_finding(j, CLI_UNCERTAIN, "not run, because three cases hung");
    else
        status = cli_plugin_case(w->settings, &w->plugin, c, w->threads, j, &hung, &err);
    if (hung) atomic_fetch_add(&w->hangs, 1);
    if (status != GLA_OK) {
        cli_plugin_finding(j, CLI_UNCERTAIN, err.what);
        cli_fail(name, &err);
    }
    print_ready(w, index);
}

/* ---- all ---- */

static int run_suite(work *w) {
    const cli_plugin_settings *s = w->settings;
    w->judged = calloc(w->suite.count, sizeof *w->judged);
    w->done = calloc(w->suite.count, sizeof *w->done);
    if (!w->judged || !w->done) {
        free(w->judged);
        free(w->done);
        w->judged = NULL;
        cli_complain(name, "no memory");
        return CLI_UNCERTAIN;
    }
    int jobs = s->jobs ? (int)s->jobs : gla_processors();
    w->threads = jobs > 1 ? 1 : 0;
    pthread_mutex_init(&w->lock, NULL);
    gla_parallel(w->suite.count, jobs, do_case, w, NULL);
    pthread_mutex_destroy(&w->lock);
    free(w->done);
    return CLI_GO_ON;
}

static int print_list(const gla_suite *suite) {
    for (size_t i = 0; i < suite->count; i++) puts(suite->at[i].id);
    return CLI_PASS;
}

static int check_suite(work *w, cli_judged **list, size_t *count) {
    const cli_plugin_settings *s = w->settings;
    gla_error err;
    if (gla_suite_make(&w->plugin, s->level && strcmp(s->level, "full") == 0, s->seed, &w->suite, &err) != GLA_OK)
        return cli_fail(name, &err);
    if (s->cases) gla_suite_keep(&w->suite, s->cases);
    int ended = CLI_UNCERTAIN;
    if (w->suite.count == 0)
        cli_complain(name, "no case matches '%.100s' (--list shows them)", s->cases);
    else
        ended = s->list ? print_list(&w->suite) : run_suite(w);
    *list = w->judged;
    *count = w->judged ? w->suite.count : 0;
    gla_suite_free(&w->suite);
    return ended;
}

/* A plug-in that cannot be asked about itself is one broken case. */
static int report_unusable(const cli_plugin_settings *s, const gla_plugin_result *r, cli_judged **list, size_t *count) {
    *list = calloc(1, sizeof **list);
    if (!*list) return CLI_UNCERTAIN;
    *count = 1;
    (*list)->name = strdup(s->path);
    (*list)->path = strdup(s->path);
    cli_plugin_finding(*list, cli_plugin_exit(r->end), r->what);
    print_case(*list);
    return CLI_GO_ON;
}

int cli_plugin_check(const cli_plugin_settings *s, cli_judged **list, size_t *count) {
    work w = {.settings = s};
    gla_plugin_result result;
    gla_error err;
    *list = NULL;
    *count = 0;
    if (s->save && mkdir(s->save, 0777) != 0 && errno != EEXIST)
        return cli_complain(name, "%.200s: cannot make the folder: %s", s->save, strerror(errno));
    w.plugin = (gla_plugin){.path = s->path, .mechanism = s->mechanism, .timeout = (double)s->timeout};
    if (gla_plugin_open(&w.plugin, &result, &err) != GLA_OK) return cli_fail(name, &err);
    if (result.end != GLA_PLUGIN_DONE) return report_unusable(s, &result, list, count);
    return check_suite(&w, list, count);
}

void cli_plugin_free(cli_judged *list, size_t count) {
    for (size_t i = 0; i < count; i++) {
        free((char *)list[i].name);
        free((char *)list[i].path);
        free((char *)list[i].reproduce);
        free((char *)list[i].explain);
        free((char *)list[i].finding);
        free((gla_diagnosis *)list[i].diagnosis);
    }
    free(list);
}
