/* SPDX-License-Identifier: Apache-2.0
 *
 * Sweeps on the command line: run, gone on with, merged, printed, drawn and written up.
 */
#ifndef GLASSBOX_CLI_STUDY_SWEEP_H
#define GLASSBOX_CLI_STUDY_SWEEP_H

#include "cli_study_rows.h"

/* What is made of the rows; NULL: not wanted. */
typedef struct cli_study_files {
    const char *csv, *json;
    const char *plot; /* .svg or .png */
    const char *page; /* .md; needs plot */
} cli_study_files;

/* Measures what is not done yet, on all processors. csv: rows go to FILE.part as they come, point by point in order; it
 * takes its name when it is whole, and if it is there already the run goes on behind its last whole point. */
gla_status cli_study_sweep_run(cli_rows *rows, const char *csv, gla_error *err);

/* The shards in these files put together. Errors: GLA_BAD_FILE (not of one study, seed and number of shards; one that
 * is missing, twice there, or not whole). */
gla_status cli_study_merge(char *const *paths, size_t count, cli_rows *rows, gla_error *err);

/* All rows there are, at once. */
gla_status cli_study_csv(const cli_rows *rows, const char *path, gla_error *err);
void cli_study_print(const cli_rows *rows);
gla_status cli_study_plot(const cli_rows *rows, const char *path, gla_error *err); /* cli_study_plot.c; runs gnuplot */
gla_status cli_study_page(const cli_rows *rows, const cli_study_files *files, gla_error *err); /* cli_study_page.c */

/* All of `files` but what the run has written already. A shard has neither picture nor page. */
gla_status cli_study_write(const cli_rows *rows, const cli_study_files *files, gla_error *err);

#endif
