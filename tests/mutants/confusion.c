/* SPDX-License-Identifier: Apache-2.0
 *
 * Running and printing the confusion table; see confusion.h.
 */
#include "confusion.h"

#include <stdatomic.h>
#include <string.h>

#include "../../fast/cpu/threads.h"

const char *const confusion_dtypes[CONFUSION_DTYPES] = {"bf16", "f32", "f16"};
static const gla_format *const formats[CONFUSION_DTYPES] = {&gla_bf16, &gla_binary32_format, &gla_f16};

bool confusion_has(const wrong_kernel *w, int dtype) {
    return w->dtype ? strcmp(w->dtype, confusion_dtypes[dtype]) == 0 : dtype < 2;
}

/* Word `index` of a text, again from the first after the last. */
static void word_of(const char *text, uint64_t index, char *word, size_t size) {
    int words = 0;
    for (const char *at = text; *at; at += strcspn(at, " "), at += *at == ' ') words++;
    for (uint64_t skip = index % (uint64_t)words; skip > 0; skip--) text += strcspn(text, " ") + 1;
    snprintf(word, size, "%.*s", (int)strcspn(text, " "), text);
}

void confusion_family(const wrong_kernel *w, uint64_t seed, char family[32]) {
    word_of(w->families && *w->families ? w->families : "mild strong", seed, family, 32);
}

bool confusion_right(const wrong_kernel *w, const char *cause, const char *sentence) {
    const char *name = *cause ? cause : "-";
    size_t length = strlen(name);
    for (const char *at = w->causes; *at; at += strcspn(at, " "), at += *at == ' ')
        if (strcspn(at, " ") == length && memcmp(at, name, length) == 0)
            return !w->said || !*cause || strstr(sentence, w->said);
    return false;
}

static void remember(confusion_cell *cell, const gla_diagnosis *d) {
    char name[80];
    snprintf(name, sizeof name, "%.24s: %.48s", d->found ? d->cause : "-", d->sentence);
    for (int i = 0; i < CONFUSION_NAMES; i++) {
        if (cell->times[i] > 0 && strcmp(cell->named[i], name) != 0) continue;
        snprintf(cell->named[i], sizeof cell->named[i], "%s", name);
        cell->times[i]++;
        return;
    }
}

gla_status confusion_run_one(const wrong_kernel *w, int dtype, uint64_t seed, char *mark, confusion_cell *cell,
                             gla_error *err) {
    char family[32];
    confusion_family(w, seed, family);
    wrong_bench bench;
    gla_diagnosis d = {.found = false};
    gla_status status = wrong_open(w, family, formats[dtype], seed, &bench, err);
    if (status == GLA_OK) status = wrong_diagnose(&bench, &d, err);
    if (status == GLA_OK) {
        bool right = confusion_right(w, d.cause, d.sentence);
        *mark = bench.judgement.verdict != GLA_FAIL ? '=' : right ? '+' : d.found ? 'x' : '?';
        if (cell && strchr("x?", *mark)) remember(cell, &d);
    }
    wrong_close(&bench);
    return status;
}

/* ---- all of them ---- */

struct work {
    confusion *c;
    const char *part;
    gla_error *err;
    atomic_flag failed; /* err is taken by the first failure */
    atomic_int status;
};

static void run_cell(void *data, size_t index) {
    struct work *work = data;
    int fault = (int)index / CONFUSION_DTYPES, dtype = (int)index % CONFUSION_DTYPES;
    const wrong_kernel *w = &wrong_kernels[fault];
    confusion_cell *cell = &work->c->cell[fault][dtype];
    gla_error err = {0};
    gla_status status = GLA_OK;
    if (!confusion_has(w, dtype) || (work->part && !strstr(w->name, work->part))) return;
    for (int i = 0; i < CONFUSION_SEEDS && status == GLA_OK; i++)
        status = confusion_run_one(w, dtype, (uint64_t)i + 1, &cell->mark[i], cell, &err);
    if (status == GLA_OK || atomic_flag_test_and_set(&work->failed)) return;
    *work->err = err;
    atomic_store(&work->status, (int)status);
}

gla_status confusion_run(confusion *c, const char *part, gla_error *err) {
    size_t faults = 0;
    while (wrong_kernels[faults].name) faults++;
    struct work work = {.c = c, .part = part, .err = err, .failed = ATOMIC_FLAG_INIT};
    if (faults > CONFUSION_FAULTS) return gla_fail(err, GLA_UNSUPPORTED, "more faults than rows");
    gla_parallel(faults * CONFUSION_DTYPES, gla_processors(), run_cell, &work, NULL);
    return (gla_status)atomic_load(&work.status);
}

/* ---- printing ---- */

static const char preamble[] =
    "What the diagnosis says of wrong kernels. Each line is a kernel with one fault (tests/mutants/wrong_table.c) and "
    "the\n"
    "causes that are right; then a mark for each of five seeds, in bf16, f32 and f16 (profiles chunk-bf16, f32-chunk,\n"
    "chunk-f16), where families alternate. Made by `make diagnosis`; do not edit.\n\n"
    "  +  named rightly, or rightly told that no known cause fits      =  not failed by the judge: nothing to say\n"
    "  ?  not named, though there is a hypothesis                      x  named wrongly: the sentence follows\n\n";

typedef struct tally {
    int runs, failed, right, silent, wrong;
} tally;

static void add(tally *t, const confusion_cell *cell) {
    for (const char *m = cell->mark; *m; m++) {
        t->runs++;
        t->failed += *m != '=';
        t->right += *m == '+';
        t->silent += *m == '?';
        t->wrong += *m == 'x';
    }
}

static void print_row(const wrong_kernel *w, const confusion_cell cell[CONFUSION_DTYPES], FILE *out) {
    fprintf(out, "%-38s %-30s", w->name, w->causes[0] == '-' ? "(no hypothesis)" : w->causes);
    for (int d = 0; d < CONFUSION_DTYPES; d++) fprintf(out, " %-5s", cell[d].mark[0] ? cell[d].mark : "-");
    fputc('\n', out);
    for (int d = 0; d < CONFUSION_DTYPES; d++)
        for (int i = 0; i < CONFUSION_NAMES && cell[d].times[i]; i++)
            fprintf(out, "    %s, %d of %d: %s\n", confusion_dtypes[d], cell[d].times[i], CONFUSION_SEEDS,
                    cell[d].named[i]);
}

static void print_sum(const char *dtype, const char *what, tally t, FILE *out) {
    if (t.runs > 0)
        fprintf(out, "  %-5s %-28s %5d %6d %6d %7d %6d\n", dtype, what, t.runs, t.failed, t.right, t.silent, t.wrong);
}

void confusion_print(const confusion *c, FILE *out) {
    tally known[CONFUSION_DTYPES] = {{0}}, unknown[CONFUSION_DTYPES] = {{0}}, right[CONFUSION_DTYPES] = {{0}};
    fputs(preamble, out);
    for (int f = 0; wrong_kernels[f].name; f++) {
        const wrong_kernel *w = &wrong_kernels[f];
        bool any = false;
        for (int d = 0; d < CONFUSION_DTYPES; d++) {
            tally *t = !w->way && w->fault == M_NONE ? right : w->causes[0] == '-' ? unknown : known;
            add(&t[d], &c->cell[f][d]);
            any = any || c->cell[f][d].mark[0];
        }
        if (any) print_row(w, c->cell[f], out);
    }
    fprintf(out, "\nIn sum  %-26s %5s %6s %6s %7s %6s\n", "", "runs", "failed", "right", "silent", "wrong");
    for (int d = 0; d < CONFUSION_DTYPES; d++) {
        print_sum(confusion_dtypes[d], "faults with a hypothesis", known[d], out);
        print_sum(confusion_dtypes[d], "faults without", unknown[d], out);
        print_sum(confusion_dtypes[d], "right kernels", right[d], out);
    }
}
