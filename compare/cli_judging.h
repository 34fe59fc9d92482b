/* SPDX-License-Identifier: Apache-2.0
 *
 * How outputs are judged and reported, wherever they come from: the options that check and verify share, one way from a
 * problem and its outputs to verdict and diagnosis, and one way from many verdicts to reports and an exit status.
 */
#ifndef GLASSBOX_CLI_JUDGING_H
#define GLASSBOX_CLI_JUDGING_H

#include "cli.h"
#include "cli_report.h"
#include "replay.h"

typedef struct cli_judging {
    const char *profile;  /* as asked for; NULL: by the dtype of the first output */
    gla_profile declared; /* if it was */
    gla_replay replay;    /* numbers NULL: not asked for */
    unsigned only;        /* bit mask of outputs, 0 = all */
    bool strict;
    int64_t threads; /* 0 = all processors */
    const char *json, *junit, *markdown;
} cli_judging;

/* --profile --only --strict --threads --json --junit --markdown --replay --form, as argp child whose input is a
 * cli_judging. */
extern const struct argp cli_judging_argp;

/* After the command line: reads the profile. CLI_GO_ON, or the status to exit with. */
int cli_judging_open(cli_judging *s, const char *command);

/* The profile that holds for these outputs, and its name or file. */
const gla_profile *cli_judging_profile(const cli_judging *s, const gla_candidate *candidate);
const char *cli_profile_text(const cli_judging *s, const gla_judgement *g);

/* " --only o,dq" as it was given, "" if it was not; returns text. */
typedef char cli_only_text[80];
const char *cli_only_option(const cli_judging *s, cli_only_text text);

/* Truth, verdict and, if it is FAIL, the diagnosis (*diagnosed). candidate->replay is set. A bar is drawn over `what`,
 * if it is not NULL. */
gla_status cli_judge(const cli_judging *s, const gla_problem *p, gla_candidate *candidate, int threads,
                     const char *what, gla_judgement *out, gla_diagnosis *diagnosis, bool *diagnosed, gla_error *err);

/* The files that were asked for; CLI_PASS, or the status after a complaint. */
int cli_write_reports(const cli_judging *s, const char *command, const cli_judged *list, size_t count);

/* The worst: a bad file, then broken, mismatch, uncertain, pass; skipped if all are. */
int cli_worst_exit(const cli_judging *s, const cli_judged *list, size_t count);

#endif
