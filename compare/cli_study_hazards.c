/* SPDX-License-Identifier: Apache-2.0
 *
 * Study hazards as text and CSV: a line per row of gla_hazards, predicted beside measured; then what it comes to.
 */
#include "cli_study_hazards.h"

#include <math.h>
#include <stdlib.h>

#include "cli.h"
#include "study_hazards.h"

typedef struct tally {
    int reproduced, measured;
} tally;

typedef char words[32];

static void predicted_in_words(const gla_hazard *h, words text) {
    if (h->low == INFINITY)
        snprintf(text, sizeof(words), "not finite");
    else if (h->high == INFINITY)
        snprintf(text, sizeof(words), "finite");
    else if (h->low < h->high)
        snprintf(text, sizeof(words), "%.4g..%.4g", h->low, h->high);
    else
        snprintf(text, sizeof(words), "%.4g", h->low);
}

static void print_row(const gla_hazard *h, double measured, FILE *csv) {
    words predicted, got, ratio = "-";
    predicted_in_words(h, predicted);
    snprintf(got, sizeof got, isfinite(measured) ? "%.4g" : "not finite", measured);
    double r = gla_hazard_ratio(h, measured);
    if (!isnan(r)) snprintf(ratio, sizeof ratio, "%.2f", r);
    bool yes = gla_hazard_reproduced(h, measured);
    printf("%-4s %-48s %-23s %14s %11s %7s %s%s%s\n", h->name, h->setting, h->figure, predicted, got, ratio,
           cli_on(yes ? CLI_GREEN : CLI_YELLOW), yes ? "yes" : "NO", cli_off());
    if (csv)
        fprintf(csv, "%s,\"%s\",\"%s\",%.17g,%.17g,%.17g,%.17g,%s\n", h->name, h->setting, h->figure, h->low, h->high,
                measured, r, yes ? "yes" : "no");
}

static void step(void *bar, size_t begun) { cli_progress_step(bar, (double)begun / (double)gla_hazard_count()); }

static tally print_table(int64_t longest, uint64_t seed, const double measured[], FILE *csv) {
    tally t = {0};
    printf("binary32 unless it says otherwise, against mpfr; seed %llu\n", (unsigned long long)seed);
    printf("%-4s %-48s %-23s %14s %11s %7s %s\n", "", "setting", "figure", "predicted", "measured", "ratio",
           "within 2");
    if (csv) fprintf(csv, "hazard,setting,figure,low,high,measured,ratio,within_2\n");
    for (size_t i = 0; i < gla_hazard_count(); i++) {
        const gla_hazard *h = &gla_hazards[i];
        if (!gla_hazard_included(h, longest)) continue;
        print_row(h, measured[i], csv);
        t.measured++;
        t.reproduced += gla_hazard_reproduced(h, measured[i]);
    }
    return t;
}

gla_status cli_study_hazards(int64_t longest, uint64_t seed, FILE *csv, gla_error *err) {
    double *measured = calloc(gla_hazard_count(), sizeof *measured);
    if (!measured) return gla_fail(err, GLA_NO_MEMORY, "no memory for the hazards' rows");
    cli_progress bar = cli_progress_start("study");
    gla_status status = gla_study_hazards(longest, seed, step, &bar, measured, err);
    cli_progress_end(&bar);
    if (status == GLA_OK) {
        tally t = print_table(longest, seed, measured, csv);
        printf("\n%d of %d rows within a factor of 2 of what is predicted\n", t.reproduced, t.measured);
    }
    free(measured);
    return status;
}
