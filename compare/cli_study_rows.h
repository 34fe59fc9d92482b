/* SPDX-License-Identifier: Apache-2.0
 *
 * The rows of a sweep as CSV. A file says of what it is, so that it can be gone on with, merged and drawn:
 *
 *     # glassbox 0.1.0, study overflow, seed 1, shard 1/1
 *     kernel,C,gate,error,predicted,first
 *     factored@binary32,4,0.0625,1.03e-07,22.1807,22.1644
 *
 * Figures have six digits, and everything that is made of rows (pictures, pages) is made of figures as printed: so a
 * run that went on from a file, or was merged from shards, ends in the same bytes as one that was never broken off.
 */
#ifndef GLASSBOX_CLI_STUDY_ROWS_H
#define GLASSBOX_CLI_STUDY_ROWS_H

#include <stdio.h>

#include "study_sweep.h"

typedef struct cli_rows {
    const gla_sweep *sweep;
    uint64_t seed;
    size_t shard, shards; /* 1 .. shards */
    gla_sweep_row *row;   /* all rows of the sweep; what is not measured is NaN */
    bool *done;           /* of every point */
} cli_rows;

gla_status cli_rows_new(const gla_sweep *s, uint64_t seed, size_t shard, size_t shards, cli_rows *rows, gla_error *err);
void cli_rows_free(cli_rows *rows);

void cli_rows_head(const cli_rows *rows, FILE *to);                /* the first two lines */
void cli_rows_point(const cli_rows *rows, size_t point, FILE *to); /* the lines of a point */
void cli_rows_as_printed(gla_sweep_row *row);                      /* its figures, rounded to what is printed */

/* How a file begins; *end is where its rows begin. False: not with a study's first line of this version. */
bool cli_rows_read_head(const char *text, cli_rows *what, const char **end);

/* Reads whole points of rows->shard, in their order, from text (behind its head), as far as they are whole and what
 * they must be; returns the end of the last. */
const char *cli_rows_read(cli_rows *rows, const char *text);

/* The first point that is not done, of those in rows->shard; the number of points if all are. */
size_t cli_rows_next(const cli_rows *rows, size_t from);

/* A file's text, to be freed; NULL and a filled err if it cannot be read. */
char *cli_rows_text(const char *path, gla_error *err);

/* {"study": ..., "rows": [{...}]}; numbers that JSON has not are strings. */
gla_status cli_rows_json(const cli_rows *rows, FILE *to, gla_error *err);

#endif
