/* SPDX-License-Identifier: Apache-2.0
 *
 * glassbox study: the numerical experiments. Tables (study.h) as text and CSV; sweeps (study_sweep.h) also as JSON,
 * pictures and pages, in shards, and gone on with where they stopped.
 */
#include "cli.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli_study_hazards.h"
#include "cli_study_sites.h"
#include "cli_study_sweep.h"

static const char name[] = "study";

typedef struct settings {
    const char *study;
    cli_study_files files;
    uint64_t seed;
    int64_t longest;
    size_t shard, shards;
    char **merged; /* files behind "merge" */
    size_t merged_count;
} settings;

static const struct argp_option table[] = {
    {"csv", 'c', "FILE", 0, "Write the rows to FILE too. A sweep that is broken off leaves FILE.part and goes on there",
     0},
    {"seed", 's', "S", 0, "Default 1", 0},
    {"longest", 'T', "N", 0, "Tables: leave out rows of more than N tokens (sites: at most N tokens)", 0},
    {"json", 'j', "FILE", 0, "Sweeps: write the rows to FILE as JSON", 1},
    {"plot", 'p', "FILE", 0, "Sweeps: draw FILE.svg or FILE.png (gnuplot)", 1},
    {"page", 'g', "FILE", 0, "Sweeps: question, method, figure and finding as Markdown, with the picture of --plot", 1},
    {"shard", 'n', "I/N", 0, "Sweeps: only the I-th of N parts, to be put together by merge", 1},
    {0}};

/* "2/3" */
static error_t parse_shard(const struct argp_state *state, const char *text, settings *s) {
    int end = 0;
    if (sscanf(text, "%zu/%zu%n", &s->shard, &s->shards, &end) == 2 && !text[end] && s->shard >= 1 &&
        s->shard <= s->shards && !strchr(text, '-'))
        return 0;
    return cli_bad(state, "--shard: '%.40s' is not I/N with 1 <= I <= N", text);
}

static error_t parse(int key, char *argument, struct argp_state *state) {
    settings *s = state->input;
    switch (key) {
    case 'c':
        s->files.csv = argument;
        return 0;
    case 's':
        return cli_seed(state, argument, &s->seed);
    case 'T':
        return cli_integer(state, "--longest", argument, 1, INT64_MAX, &s->longest);
    case 'j':
        s->files.json = argument;
        return 0;
    case 'p':
        s->files.plot = argument;
        return 0;
    case 'g':
        s->files.page = argument;
        return 0;
    case 'n':
        return parse_shard(state, argument, s);
    case ARGP_KEY_ARG:
        if (s->study && strcmp(s->study, "merge") != 0) return ARGP_ERR_UNKNOWN;
        if (s->study) s->merged[s->merged_count++] = argument;
        if (!s->study) s->study = argument;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp options = {
    .options = table,
    .parser = parse,
    .args_doc = "[NAME]\nmerge FILE...",
    .doc = "Run a numerical experiment and print its table; without NAME, list them. "
           "merge puts the shards of a sweep together."
           "\vExamples: what goes wrong in low precision; where a chunk "
           "overflows, as a picture; a sweep on two machines\n"
           "  glassbox study hazards --longest 1000 --csv hazards.csv\n"
           "  glassbox study overflow --plot overflow.svg\n"
           "  glassbox study overflow --shard 1/2 --csv 1.csv\n"
           "  glassbox study overflow --shard 2/2 --csv 2.csv\n"
           "  glassbox study merge 1.csv 2.csv --csv overflow.csv --page overflow.md --plot overflow.svg"};

/* One study: its table goes to stdout, and to csv unless that is NULL. */
typedef struct study {
    const char *name, *what;
    gla_status (*run)(const settings *s, FILE *csv, gla_error *err);
} study;

static gla_status sites(const settings *s, FILE *csv, gla_error *err) {
    enum { T = 256 };
    return cli_study_sites(s->longest && s->longest < T ? s->longest : T, s->seed, csv, err);
}

static gla_status hazards(const settings *s, FILE *csv, gla_error *err) {
    return cli_study_hazards(s->longest, s->seed, csv, err);
}

static const study studies[] = {
    {"sites", "which rounding of a bf16 tensor-core kernel costs what, measured and predicted", sites},
    {"hazards", "what goes wrong in low precision: figures predicted, and measured now", hazards}};
enum { STUDIES = sizeof studies / sizeof studies[0] };

static int list(void) {
    puts("tables");
    for (int i = 0; i < STUDIES; i++) printf("  %-16s %s\n", studies[i].name, studies[i].what);
    puts("\nsweeps, with --json --plot --page --shard");
    for (const gla_sweep *const *s = gla_sweeps; *s; s++) printf("  %-16s %s\n", (*s)->name, (*s)->what);
    return CLI_PASS;
}

static const study *study_named(const char *wanted) {
    for (int i = 0; i < STUDIES; i++)
        if (strcmp(studies[i].name, wanted) == 0) return &studies[i];
    return NULL;
}

static gla_status run_study(const study *which, const settings *s, gla_error *err) {
    cli_file csv = {0};
    gla_status status = s->files.csv ? cli_file_open(s->files.csv, &csv, err) : GLA_OK;
    if (status == GLA_OK) status = which->run(s, csv.to, err);
    if (status == GLA_OK && s->files.csv) return cli_file_close(&csv, err);
    cli_file_abandon(&csv);
    return status;
}

/* ---- sweeps ---- */

static gla_status run_sweep(const gla_sweep *sweep, const settings *s, gla_error *err) {
    cli_rows rows;
    gla_status status = cli_rows_new(sweep, s->seed, s->shard, s->shards, &rows, err);
    if (status == GLA_OK) status = cli_study_sweep_run(&rows, s->files.csv, err);
    if (status == GLA_OK) cli_study_print(&rows);
    if (status == GLA_OK) status = cli_study_write(&rows, &s->files, err);
    cli_rows_free(&rows);
    return status;
}

static gla_status merge(const settings *s, gla_error *err) {
    cli_rows rows;
    gla_status status = cli_study_merge(s->merged, s->merged_count, &rows, err);
    if (status == GLA_OK) cli_study_print(&rows);
    if (status == GLA_OK && s->files.csv) status = cli_study_csv(&rows, s->files.csv, err);
    if (status == GLA_OK) status = cli_study_write(&rows, &s->files, err);
    cli_rows_free(&rows);
    return status;
}

/* ---- the command ---- */

/* What does not go together; CLI_GO_ON if nothing. */
static int refuse(const settings *s, const gla_sweep *sweep) {
    bool merging = strcmp(s->study, "merge") == 0, files = s->files.json || s->files.plot || s->files.page;
    if (merging && s->merged_count == 0) return cli_complain(name, "merge: no files given");
    if (!sweep && !merging && !study_named(s->study))
        return cli_complain(name, "no study '%.40s' (glassbox study lists them)", s->study);
    if (!sweep && !merging && (files || s->shards > 1))
        return cli_complain(name, "%s is a table: --json, --plot, --page and --shard are for sweeps", s->study);
    if ((sweep || merging) && s->longest) return cli_complain(name, "--longest is for tables, %s is none", s->study);
    if (s->shards > 1 && (merging || s->files.plot || s->files.page))
        return cli_complain(name, "--shard: a part has no picture and no page (merge the parts, and draw that)");
    if (sweep && s->shards > gla_sweep_points(sweep))
        return cli_complain(name, "--shard: %s has %zu points to share", s->study, gla_sweep_points(sweep));
    if (s->files.page && !s->files.plot)
        return cli_complain(name, "--page needs the picture that it shows: --plot FILE.svg");
    return CLI_GO_ON;
}

static int run_with(settings *s, int argc, char **argv) {
    int ended = cli_parse(&options, argc, argv, s);
    if (ended != CLI_GO_ON) return ended;
    if (!s->study) return list();
    const gla_sweep *sweep = gla_sweep_named(s->study);
    ended = refuse(s, sweep);
    if (ended != CLI_GO_ON) return ended;
    gla_error err = {0};
    gla_status status = s->merged_count ? merge(s, &err)
                        : sweep         ? run_sweep(sweep, s, &err)
                                        : run_study(study_named(s->study), s, &err);
    return status ? cli_fail(name, &err) : CLI_PASS;
}

static int run(int argc, char **argv) {
    settings s = {.seed = 1, .shard = 1, .shards = 1, .merged = calloc((size_t)argc, sizeof(char *))};
    if (!s.merged) return cli_complain(name, "no memory");
    int status = run_with(&s, argc, argv);
    free(s.merged);
    return status;
}

const cli_command cli_study = {name, "numerical experiments: tables and sweeps, with pictures", run};
