/* SPDX-License-Identifier: Apache-2.0
 *
 * Study sites as text: two tables for each choice of gates, then what they come to.
 */
#include "cli_study_sites.h"

#include <math.h>

#include "cli.h"

enum { D = 64, NEGLIGIBLE_PER_MILLE = 1 };

/* One entry: two numbers side by side, either of which may be missing. */
static void print_pair(const char *first_format, double first, const char *second_format, double second) {
    char a[24] = "-", b[24] = "";
    if (!isnan(first)) snprintf(a, sizeof a, first_format, first);
    if (!isnan(second)) snprintf(b, sizeof b, second_format, second);
    printf(" %8s %-6s", a, b);
}

static void print_header(const char *title) {
    printf("\n%s\n%-13s", title, "");
    for (int i = 0; i < GLA_SITES_OUTPUTS; i++)
        printf(" %8s %-6s", gla_sites_outputs[i] == GLA_FINAL_STATE ? "state" : gla_output_names[gla_sites_outputs[i]],
               "");
    putchar('\n');
}

/* Errors of binary64 itself are none. */
static bool is_error(double x) { return x > 1e-12; }

static double none_as_nan(double x) { return is_error(x) ? x : NAN; }

static void print_alone(const gla_sites_table *t) {
    print_header("each part alone: rms error / rms of the truth, then measured / predicted standard deviation");
    for (int row = 0; row < GLA_SITES_ROWS; row++) {
        if (row == GLA_SITES_ALL) {
            printf("%-13s", "root sum sq.");
            for (int i = 0; i < GLA_SITES_OUTPUTS; i++) print_pair("%.1e", gla_sites_sum(t, i), "", NAN);
            putchar('\n');
        }
        printf("%-13s", gla_sites_parts[row].name);
        for (int i = 0; i < GLA_SITES_OUTPUTS; i++) {
            const gla_sites_cell *c = &t->cell[row][i];
            print_pair("%.1e", none_as_nan(c->alone), "%.2f", is_error(c->alone) ? c->alone / c->predicted : NAN);
        }
        putchar('\n');
    }
}

/* The share of the squared error that goes with a part, in per cent; may be a little below 0. */
static double share(const gla_sites_table *t, int row, int i) {
    double all = t->cell[GLA_SITES_ALL][i].alone, without = t->cell[row][i].without;
    return 100 * (1 - without * without / (all * all));
}

static void print_left_out(const gla_sites_table *t) {
    print_header("the part left out: % of the squared error that goes; then, the part alone, greatest |error| / bound");
    for (int row = 0; row < GLA_SITES_ROWS; row++) {
        printf("%-13s", gla_sites_parts[row].name);
        for (int i = 0; i < GLA_SITES_OUTPUTS; i++) {
            const gla_sites_cell *c = &t->cell[row][i];
            print_pair("%.1f", is_error(c->alone) ? share(t, row, i) : NAN, "%.2f", c->worst);
        }
        putchar('\n');
    }
}

/* In words: does the sum of the parts make the whole, and what is there to leave out. */
static void print_reading(const gla_sites_table *t) {
    double least = INFINITY, most = 0;
    for (int i = 0; i < GLA_SITES_OUTPUTS; i++) {
        double ratio = t->cell[GLA_SITES_ALL][i].alone / gla_sites_sum(t, i);
        least = fmin(least, ratio);
        most = fmax(most, ratio);
    }
    printf("\nall / root of the sum of squares: %.2f to %.2f over the outputs\n", least, most);
    printf("under %d per mille of the squared error of every output:", NEGLIGIBLE_PER_MILLE);
    for (int row = 0; row < GLA_SITES_ALL; row++) {
        double greatest = 0;
        for (int i = 0; i < GLA_SITES_OUTPUTS; i++)
            greatest = fmax(greatest, pow(t->cell[row][i].alone / t->cell[GLA_SITES_ALL][i].alone, 2));
        if (greatest < 1e-3 * NEGLIGIBLE_PER_MILLE) printf(" %s", gla_sites_parts[row].name);
    }
    putchar('\n');
}

static void write_csv(FILE *csv, const char *gates, const gla_sites_table *t) {
    for (int row = 0; row < GLA_SITES_ROWS; row++)
        for (int i = 0; i < GLA_SITES_OUTPUTS; i++) {
            const gla_sites_cell *c = &t->cell[row][i];
            fprintf(csv, "\"%s\",%s,%s,%.17g,%.17g,%.17g,%.17g\n", gates, gla_sites_parts[row].name,
                    gla_output_names[gla_sites_outputs[i]], c->alone, c->predicted, c->worst, c->without);
        }
}

static void step(void *bar, size_t begun) { cli_progress_step(bar, (double)begun / GLA_SITES_ROWS); }

gla_status cli_study_sites(int64_t T, uint64_t seed, FILE *csv, gla_error *err) {
    printf("chunkwise:64:16+anchor in sm_90:bf16 against certified truth; T = %d, dk = dv = %d, seed %llu\n", (int)T, D,
           (unsigned long long)seed);
    if (csv) fprintf(csv, "gates,part,output,alone,predicted,worst,without\n");
    gla_status status = GLA_OK;
    for (const gla_sites_gates *g = gla_sites_gate_choices; g->gates && status == GLA_OK; g++) {
        gla_sites_table table;
        cli_progress bar = cli_progress_start("study");
        status = gla_study_sites(g, T, D, seed, step, &bar, &table, err);
        cli_progress_end(&bar);
        if (status) break;
        printf("\n%sgates %s%s\n", cli_on(CLI_BOLD), g->gates, cli_off());
        print_alone(&table);
        print_left_out(&table);
        print_reading(&table);
        fflush(stdout);
        if (csv) write_csv(csv, g->gates, &table);
    }
    return status;
}
