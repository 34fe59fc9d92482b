/* SPDX-License-Identifier: Apache-2.0
 *
 * glassbox check --plugin: the options, the suite, and the process in which the plug-in runs.
 */
#ifndef GLASSBOX_CLI_PLUGIN_H
#define GLASSBOX_CLI_PLUGIN_H

#include "cli.h"
#include "cli_judging.h"
#include "plugin_memory.h"
#include "plugin_suite.h"
#include "profiles.h"
#include "replay.h"

/* ---- cli_plugin.c ---- */

typedef struct cli_plugin_settings {
    const char *path;  /* NULL: no plug-in is to be checked, and no other option of these may stand */
    const char *level; /* quick or full */
    const char *cases; /* pattern of case ids; NULL: all */
    int64_t jobs, timeout;
    uint64_t seed;
    const char *save; /* folder for failing cases, or NULL */
    bool list;
    const char *stray; /* an option that goes with --plugin alone */
    /* filled in by check */
    const char *mechanism;
    const cli_judging *judging;
} cli_plugin_settings;

/* --plugin --level --jobs --seed --timeout --case --save --list, as argp child whose input is a cli_plugin_settings. */
extern const struct argp cli_plugin_argp;

/* Runs the suite, prints verdicts as they come; the list, in the suite's order, is for cli_plugin_free. CLI_GO_ON: the
 * list is to be reported; else the status to exit with. */
int cli_plugin_check(const cli_plugin_settings *s, cli_judged **list, size_t *count);
void cli_plugin_free(cli_judged *list, size_t count);

/* ---- cli_plugin_case.c ---- */

/* Run and judge one case into j; *hung: it did not end by itself. Errors are the oracle's own. */
gla_status cli_plugin_case(const cli_plugin_settings *s, const gla_plugin *plugin, const gla_suite_case *which,
                           int threads, cli_judged *j, bool *hung, gla_error *err);
/* A verdict in words. Without memory for them the case counts as not judged. */
void cli_plugin_finding(cli_judged *j, cli_exit exit, const char *text);
cli_exit cli_plugin_exit(gla_plugin_end end);
/* Inputs and outputs of a run as a case file, which check, explain and shrink take. */
gla_status cli_plugin_save(const char *path, const char *label, const gla_plugin *plugin, const gla_generated *made,
                           const gla_plugin_result *run, gla_error *err);

/* ---- cli_plugin_runner.c, cli_plugin_worker.c ---- */

int cli_plugin_runner(void);
void cli_plugin_work(gla_plugin_shared *whole) __attribute__((noreturn));

#endif
