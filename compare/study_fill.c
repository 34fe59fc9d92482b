/* SPDX-License-Identifier: Apache-2.0
 *
 * Figures in a study's text: "[error state=bf16 T=4096]" becomes "0.013", so that no number of a page is older than its
 * rows (study_sweep.h).
 */
#include "study_sweep.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WORD = 48 };

typedef enum choice { THE_ONE, GREATEST, LEAST } choice;

typedef struct query {
    choice choice;
    int figure;
    int value[GLA_SWEEP_AXES]; /* -1: any */
} query;

static int figure_named(const gla_sweep *s, const char *name) {
    for (int i = 0; i < gla_sweep_figures(s); i++)
        if (strcmp(s->figure[i].name, name) == 0) return i;
    return -1;
}

/* "axis=value" into q. */
static bool narrow(const gla_sweep *s, const char *word, query *q) {
    const char *equals = strchr(word, '=');
    if (!equals) return false;
    for (int i = 0; i < gla_sweep_axes(s); i++) {
        const gla_sweep_axis *a = &s->axis[i];
        if (strlen(a->name) != (size_t)(equals - word) || strncmp(a->name, word, strlen(a->name)) != 0) continue;
        for (size_t v = 0; a->value[v]; v++)
            if (strcmp(a->value[v], equals + 1) == 0) q->value[i] = (int)v;
        return q->value[i] >= 0;
    }
    return false;
}

/* Reads what stands between the brackets, `length` characters. */
static bool parse(const gla_sweep *s, const char *text, size_t length, query *q) {
    char words[4 * WORD];
    if (length >= sizeof words) return false;
    memcpy(words, text, length);
    words[length] = 0;
    *q = (query){THE_ONE, -1, {-1, -1, -1, -1}};
    char *rest, *word = strtok_r(words, " \n", &rest);
    if (word && strcmp(word, "max") == 0) q->choice = GREATEST;
    if (word && strcmp(word, "min") == 0) q->choice = LEAST;
    if (q->choice != THE_ONE) word = strtok_r(NULL, " \n", &rest);
    if (!word || (q->figure = figure_named(s, word)) < 0) return false;
    while ((word = strtok_r(NULL, " \n", &rest)))
        if (!narrow(s, word, q)) return false;
    return true;
}

static bool matches(const gla_sweep *s, size_t row, const query *q) {
    gla_sweep_place where = gla_sweep_row_at(s, row);
    for (int i = 0; i < gla_sweep_axes(s); i++)
        if (q->value[i] >= 0 && where.at[i] != (size_t)q->value[i]) return false;
    return true;
}

/* The figure asked for. False: no row, or several where one was meant. */
static bool answer(const gla_sweep *s, const gla_sweep_row *rows, const query *q, double *x) {
    size_t met = 0;
    *x = NAN;
    for (size_t row = 0; row < gla_sweep_rows(s); row++) {
        if (!matches(s, row, q)) continue;
        double y = rows[row].figure[q->figure];
        if (q->choice != THE_ONE && !isfinite(y)) continue;
        met++;
        if (q->choice == THE_ONE || isnan(*x) || (q->choice == GREATEST ? y > *x : y < *x)) *x = y;
    }
    return met > 0 && (q->choice != THE_ONE || met == 1);
}

char *gla_sweep_fill(const gla_sweep *s, const char *text, const gla_sweep_row *rows, gla_error *err) {
    char *made = NULL;
    size_t size;
    FILE *to = open_memstream(&made, &size);
    bool good = to != NULL;
    while (good && *text) {
        size_t plain = strcspn(text, "["), inside = text[plain] ? strcspn(text + plain + 1, "]") : 0;
        fwrite(text, 1, plain, to);
        text += plain;
        if (!*text) break;
        query q;
        double x;
        good = text[1 + inside] == ']' && parse(s, text + 1, inside, &q) && answer(s, rows, &q, &x);
        if (!good) {
            gla_fail(err, GLA_UNKNOWN_NAME, "study %s: [%.*s] names no figure of one row", s->name, (int)inside,
                     text + 1);
            break;
        }
        fprintf(to, "%.3g", x);
        text += inside + 2;
    }
    if (to && fclose(to) != 0) good = false;
    if (good) return made;
    free(made);
    return NULL;
}
