/* SPDX-License-Identifier: Apache-2.0
 *
 * glassbox study: the tables of the numerical experiments (study.h), as text and as CSV.
 */
#include "cli.h"

#include <math.h>
#include <string.h>

#include "cli_study_hazards.h"
#include "cli_study_sites.h"

static const char name[] = "study";

typedef struct settings {
    const char *study, *csv;
    uint64_t seed;
    int64_t longest;
} settings;

static const struct argp_option table[] = {
    {"csv", 'c', "FILE", 0, "Write the table to FILE too", 0},
    {"seed", 's', "S", 0, "Default 1", 0},
    {"longest", 'T', "N", 0, "Leave out rows of more than N tokens (sites: at most N tokens)", 0},
    {0}};

static error_t parse(int key, char *argument, struct argp_state *state) {
    settings *s = state->input;
    switch (key) {
    case 'c':
        s->csv = argument;
        return 0;
    case 's':
        return cli_seed(state, argument, &s->seed);
    case 'T':
        return cli_integer(state, "--longest", argument, 1, INT64_MAX, &s->longest);
    case ARGP_KEY_ARG:
        if (s->study) return ARGP_ERR_UNKNOWN;
        s->study = argument;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp options = {.options = table,
                                    .parser = parse,
                                    .args_doc = "[NAME]",
                                    .doc = "Run a numerical experiment and print its table; without NAME, list them."
                                           "\vExample: what the usual suffix sum costs the gate gradient\n"
                                           "  glassbox study gate-gradient --longest 2048 --csv gate-gradient.csv"};

/* One study: its table goes to stdout, and to csv unless that is NULL. */
typedef struct study {
    const char *name, *what;
    gla_status (*run)(const settings *s, FILE *csv, gla_error *err);
} study;

static gla_status gate_gradient(const settings *s, FILE *csv, gla_error *err) {
    int rows = 0, row = 0;
    while (gla_gate_gradient_cases[rows].gates) rows++;
    printf("relative RMS error of dg in binary32; dk = dv = 64, seed %llu\n", (unsigned long long)s->seed);
    printf("%-24s %6s %11s %11s %11s %11s\n", "log gates", "T", "rms dg", "direct", "suffix", "strict");
    if (csv) fprintf(csv, "gates,T,rms,direct,suffix,strict\n");
    cli_progress bar = cli_progress_start(name);
    gla_status status = GLA_OK;
    for (const gla_gate_gradient_case *c = gla_gate_gradient_cases; c->gates && status == GLA_OK; c++, row++) {
        if (s->longest && c->T > s->longest) continue;
        gla_gate_gradient_row r = {0};
        cli_progress_step(&bar, (double)row / rows);
        status = gla_study_gate_gradient(c, s->seed, &r, err);
        cli_progress_end(&bar);
        if (status) break;
        printf("%-24s %6d %11.3g %11.2g %11.2g %11.2g\n", c->gates, (int)c->T, r.rms, r.direct, r.suffix, r.strict);
        fflush(stdout);
        if (csv)
            fprintf(csv, "\"%s\",%d,%.17g,%.17g,%.17g,%.17g\n", c->gates, (int)c->T, r.rms, r.direct, r.suffix,
                    r.strict);
    }
    return status;
}

static gla_status reset(const settings *s, FILE *csv, gla_error *err) {
    printf("errors of chunkwise:64:16 in binary32, one gate of X every 32 tokens; T = 256, dk = dv = 32, seed %llu\n",
           (unsigned long long)s->seed);
    printf("%-10s %12s %12s %12s %16s\n", "X", "o rms", "state rms", "dg rms", "o max relative");
    if (csv) fprintf(csv, "gate,o,final_state,dg,o_max\n");
    gla_status status = GLA_OK;
    for (const double *gate = gla_reset_gates; *gate != 0 && status == GLA_OK; gate++) {
        gla_reset_row r = {0};
        status = gla_study_reset(*gate, s->seed, &r, err);
        if (status) break;
        printf("%-10.3g %12.2g %12.2g %12.2g %16.2g\n", *gate, r.o, r.final_state, r.dg, r.o_max);
        if (csv) fprintf(csv, "%.17g,%.17g,%.17g,%.17g,%.17g\n", *gate, r.o, r.final_state, r.dg, r.o_max);
    }
    return status;
}

static gla_status sites(const settings *s, FILE *csv, gla_error *err) {
    enum { T = 256 };
    return cli_study_sites(s->longest && s->longest < T ? s->longest : T, s->seed, csv, err);
}

static gla_status hazards(const settings *s, FILE *csv, gla_error *err) {
    return cli_study_hazards(s->longest, s->seed, csv, err);
}

static const study studies[] = {
    {"gate-gradient", "dg formed directly, by the suffix sum, and by the strict sum", gate_gradient},
    {"reset", "what one very negative gate does to its chunk, and what -inf does not", reset},
    {"sites", "which rounding of a bf16 tensor-core kernel costs what, measured and predicted", sites},
    {"hazards", "what goes wrong in low precision: figures predicted, and measured now", hazards}};
enum { STUDIES = sizeof studies / sizeof studies[0] };

static int list(void) {
    for (int i = 0; i < STUDIES; i++) printf("%-14s %s\n", studies[i].name, studies[i].what);
    return CLI_PASS;
}

static const study *study_named(const char *wanted) {
    for (int i = 0; i < STUDIES; i++)
        if (strcmp(studies[i].name, wanted) == 0) return &studies[i];
    return NULL;
}

static gla_status run_study(const study *which, const settings *s, gla_error *err) {
    cli_file csv = {0};
    gla_status status = s->csv ? cli_file_open(s->csv, &csv, err) : GLA_OK;
    if (status == GLA_OK) status = which->run(s, csv.to, err);
    if (status == GLA_OK && s->csv) return cli_file_close(&csv, err);
    cli_file_abandon(&csv);
    return status;
}

static int run(int argc, char **argv) {
    settings s = {.seed = 1};
    int ended = cli_parse(&options, argc, argv, &s);
    if (ended != CLI_GO_ON) return ended;
    if (!s.study) return list();
    const study *which = study_named(s.study);
    if (!which) return cli_complain(name, "no study '%.40s' (glassbox study lists them)", s.study);
    gla_error err = {0};
    return run_study(which, &s, &err) ? cli_fail(name, &err) : CLI_PASS;
}

const cli_command cli_study = {name, "numerical experiments: gate-gradient, reset, sites, hazards", run};
