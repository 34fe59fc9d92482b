/* SPDX-License-Identifier: Apache-2.0
 *
 * Judgements for people (text) and for machines (JSON, JUnit, Markdown).
 */
#ifndef GLASSBOX_CLI_REPORT_H
#define GLASSBOX_CLI_REPORT_H

#include "cli.h"
#include "diagnose.h"

/* One case after judging, or the reason why it could not be judged. Strings are the caller's. */
typedef struct cli_judged {
    const char *name, *path;
    const char *reproduce;          /* the command that shows this again; NULL: none */
    const char *explain;            /* the command that explains the bound of the first bad element; NULL: none */
    const gla_diagnosis *diagnosis; /* of a FAIL; NULL: none */
    const gla_error *error;         /* NULL: it was judged */
    const char *finding;            /* a verdict in words, in place of the judgement (plug-ins); NULL: none */
    cli_exit finding_exit;          /* what it means */
    gla_judgement judgement;
} cli_judged;

/* The exit status of one case: BROKEN 3, FAIL 1 (MARGINAL too if strict), UNCERTIFIED or nothing judged 4, else 0. */
cli_exit cli_judged_exit(const cli_judged *j, bool strict);

/* cli_report.c: to stdout, at most 120 columns. */
void cli_report_text(const cli_judged *j);

/* cli_report_diagnosis.c: the part of it that says why and where. */
void cli_report_diagnosis(const gla_diagnosis *d);

/* cli_report_files.c: whole files or none. */
gla_status cli_report_json(const char *path, const cli_judged *list, size_t count, gla_error *err);
gla_status cli_report_junit(const char *path, const cli_judged *list, size_t count, gla_error *err);
gla_status cli_report_markdown(const char *path, const cli_judged *list, size_t count, gla_error *err);

/* Shared by both: "o[0,12,1,5]"; is there a verdict, its name or "NOT JUDGED", and why there is none. */
/* The same of a first bad element, and from which end it is the first: "dk[0,95,1,5], made last token first". */
const char *cli_first_bad(const gla_bad_place *x, gla_place_text text);
/* Words after a title, in lines no wider than the terminal (at most 120), the later ones indented as far as the first.
 */
void cli_print_wrapped(const char *title, const char *text);
bool cli_has_verdict(const cli_judged *j);
const char *cli_verdict(const cli_judged *j);
const char *cli_why_not_judged(const cli_judged *j);
/* Did it pass under a bound that sees little (GLA_SAYS_LITTLE)? */
bool cli_says_little(const gla_tensor_verdict *v);

#endif
