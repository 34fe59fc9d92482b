/* SPDX-License-Identifier: Apache-2.0
 *
 * Running and printing the mutation ledger; see ledger_table.h.
 */
#include "ledger_table.h"

#include <math.h>
#include <stdatomic.h>
#include <string.h>

#include "../../fast/cpu/threads.h"

/* ---- running: one case in one dtype at a time ---- */

struct work {
    ledger *l;
    gla_error *err;
    atomic_flag failed; /* err is taken by the first failure */
    atomic_int status;
};

static gla_status run_bench(ledger *l, int c, int dtype, gla_error *err) {
    ledger_bench bench;
    gla_status status = ledger_open(&ledger_cases[c], ledger_dtypes[dtype], &bench, err);
    for (int m = 0; m < MUTANTS && status == GLA_OK; m++)
        status = ledger_judge(&bench, (mutant)m, &l->mark[m][dtype][c], err);
    ledger_close(&bench);
    return status;
}

static void run_one(void *data, size_t i) {
    struct work *w = data;
    int c = (int)i / LEDGER_DTYPES, dtype = (int)i % LEDGER_DTYPES;
    if (ledger_cases[c].not_f16 && ledger_dtypes[dtype] == &gla_f16) {
        for (int m = 0; m < MUTANTS; m++) w->l->mark[m][dtype][c] = (ledger_mark){.symbol = '-'};
        return;
    }
    gla_error err;
    gla_status status = run_bench(w->l, c, dtype, &err);
    if (status == GLA_OK || atomic_flag_test_and_set(&w->failed)) return;
    *w->err = err;
    atomic_store(&w->status, (int)status);
}

gla_status ledger_run(ledger *l, gla_error *err) {
    struct work w = {.l = l, .err = err, .failed = ATOMIC_FLAG_INIT};
    gla_parallel(LEDGER_CASES * LEDGER_DTYPES, gla_processors(), run_one, &w, NULL);
    return (gla_status)atomic_load(&w.status);
}

/* ---- counting ---- */

static const char *const dtype_names[LEDGER_DTYPES] = {"bf16", "f16", "f32"};

void ledger_cells(const ledger *l, mutant m, int dtype, char cells[LEDGER_CASES + 1]) {
    for (int c = 0; c < LEDGER_CASES; c++) cells[c] = l->mark[m][dtype][c].symbol;
    cells[LEDGER_CASES] = 0;
}

/* Cells of a mutant: where an output differs from the right kernel's, and where a test rejects it though it accepts
 * the right kernel. */
typedef struct tally {
    int changed, judge, rms, ci, allclose;
} tally;

static void count(tally *n, const ledger_mark *wrong, const ledger_mark *right) {
    if (wrong->symbol == '-' || wrong->symbol == '=') return;
    n->changed++;
    n->judge += ledger_killed(wrong) && !ledger_killed(right);
    n->rms += wrong->field.rms && !right->field.rms;
    n->ci += wrong->field.ci && !right->field.ci;
    n->allclose += wrong->field.allclose && !right->field.allclose;
}

static tally tally_of(const ledger *l, mutant m, int dtype) {
    tally n = {0};
    for (int c = 0; c < LEDGER_CASES; c++) count(&n, &l->mark[m][dtype][c], &l->mark[M_NONE][dtype][c]);
    return n;
}

static tally tally_over(const ledger *l, mutant m) {
    tally sum = {0};
    for (int dtype = 0; dtype < LEDGER_DTYPES; dtype++) {
        tally n = tally_of(l, m, dtype);
        sum.changed += n.changed;
        sum.judge += n.judge;
        sum.rms += n.rms;
        sum.ci += n.ci;
        sum.allclose += n.allclose;
    }
    return sum;
}

/* How many mutants are caught at least once in a dtype. */
static tally caught_in(const ledger *l, int dtype) {
    tally caught = {0};
    for (int m = 1; m < MUTANTS; m++) {
        tally n = tally_of(l, (mutant)m, dtype);
        caught.changed += n.changed > 0;
        caught.judge += n.judge > 0;
        caught.rms += n.rms > 0;
        caught.ci += n.ci > 0;
        caught.allclose += n.allclose > 0;
    }
    return caught;
}

/* Cases in which the right kernel is rejected. */
static tally alarms_in(const ledger *l, int dtype) {
    tally n = {0};
    for (int c = 0; c < LEDGER_CASES; c++) {
        const ledger_mark *right = &l->mark[M_NONE][dtype][c];
        if (right->symbol == '-') continue;
        n.changed++;
        n.judge += ledger_killed(right);
        n.rms += right->field.rms;
        n.ci += right->field.ci;
        n.allclose += right->field.allclose;
    }
    return n;
}

/* ---- printing ---- */

static const char preamble[] =
    "Mutation ledger. Each line is a kernel with one fault (tests/mutants/mutants.c); each column of cells a case.\n"
    "Made by `make ledger`; do not edit.\n\n"
    "  0  killed: an element that must be exact is not     n  killed: NaN or infinity\n"
    "  2  killed: an element is beyond its bound           3  killed: the distribution of the errors\n"
    "  m  MARGINAL        .  passes        =  not one bit differs from the right kernel        -  not run\n\n"
    "`judge` is the number of cells killed, `of` that in which the fault changes anything. Then, in how many of these\n"
    "the usual tests would reject the mutant and accept the right kernel, given the true values as reference:\n"
    "  rms       RMS(error) / RMS(truth) < 0.005, or no error above 1e-6\n"
    "  ci        the same, or that ratio < 0.01, or no error above 0.3\n"
    "  allclose  every |error| <= 1e-5 + 1.6e-2 |truth|\n\n";

static void print_cases(FILE *out) {
    for (int c = 0; c < LEDGER_CASES; c++)
        fprintf(out, "  %c  %s%s\n", ledger_cases[c].letter, ledger_cases[c].name,
                ledger_cases[c].not_f16 ? "; not in f16, where a right kernel's states overflow" : "");
    fputc('\n', out);
}

static void print_row(const ledger *l, mutant m, FILE *out) {
    fprintf(out, "%-20s", mutants[m].name);
    for (int dtype = 0; dtype < LEDGER_DTYPES; dtype++) {
        char cells[LEDGER_CASES + 1];
        ledger_cells(l, m, dtype, cells);
        fprintf(out, " %s", cells);
    }
    tally n = tally_over(l, m);
    if (m != M_NONE) fprintf(out, "  %5d %3d  %4d %4d %8d", n.judge, n.changed, n.rms, n.ci, n.allclose);
    fputc('\n', out);
}

static void print_heading(FILE *out) {
    fprintf(out, "%-20s %-*s %-*s %s\n", "", LEDGER_CASES, dtype_names[0], LEDGER_CASES, dtype_names[1],
            dtype_names[2]);
    fprintf(out, "%-20s", "mutant");
    for (int dtype = 0; dtype < LEDGER_DTYPES; dtype++) {
        fputc(' ', out);
        for (int c = 0; c < LEDGER_CASES; c++) fputc(ledger_cases[c].letter, out);
    }
    fprintf(out, "  %5s %3s  %4s %4s %8s\n", "judge", "of", "rms", "ci", "allclose");
}

static void print_rows(const ledger *l, FILE *out) {
    print_heading(out);
    for (int m = 0; m < MUTANTS; m++) print_row(l, (mutant)m, out);
}

static void print_tally(const char *what, const char *dtype, tally n, FILE *out) {
    fprintf(out, "  %-5s %-28s %3d %6d %5d %5d %9d\n", dtype, what, n.changed, n.judge, n.rms, n.ci, n.allclose);
}

/* Those that the judge kills somewhere and the looser of the field's two norms nowhere. */
static void print_only_judge(const ledger *l, int dtype, FILE *out) {
    fprintf(out, "  %-5s", dtype_names[dtype]);
    for (int m = 1; m < MUTANTS; m++) {
        tally n = tally_of(l, (mutant)m, dtype);
        if (n.judge > 0 && n.ci == 0) fprintf(out, " %s%s", mutants[m].name, n.rms ? "" : "*");
    }
    fputc('\n', out);
}

static void print_summary(const ledger *l, FILE *out) {
    fprintf(out, "\nIn sum                              of  judge   rms    ci  allclose\n");
    for (int dtype = 0; dtype < LEDGER_DTYPES; dtype++)
        print_tally("mutants killed at least once", dtype_names[dtype], caught_in(l, dtype), out);
    for (int dtype = 0; dtype < LEDGER_DTYPES; dtype++)
        print_tally("cases: right kernel rejected", dtype_names[dtype], alarms_in(l, dtype), out);
    fprintf(out, "\nKilled by the judge, accepted by ci in every case (*: by rms too)\n");
    for (int dtype = 0; dtype < LEDGER_DTYPES; dtype++) print_only_judge(l, dtype, out);
}

/* The cell in which a mutant comes closest to its bound. */
static int closest(const ledger *l, mutant m, int dtype) {
    int worst = 0;
    for (int c = 0; c < LEDGER_CASES; c++)
        if (l->mark[m][dtype][c].worst > l->mark[m][dtype][worst].worst) worst = c;
    return worst;
}

static void print_survivor(const ledger *l, mutant m, int dtype, FILE *out) {
    int c = closest(l, m, dtype);
    const ledger_mark *wrong = &l->mark[m][dtype][c];
    tally n = tally_of(l, m, dtype);
    fprintf(out, "  %-5s %-18s %s\n", dtype_names[dtype], mutants[m].name, mutants[m].fault);
    fprintf(out, "  %24s greatest error/bound %.2f (%s on %s; right kernel there %.2f); rms rejects it in %d of %d\n",
            "", wrong->worst, gla_output_names[wrong->output], ledger_cases[c].name, l->mark[M_NONE][dtype][c].worst,
            n.rms, n.changed);
    fprintf(out, "  %24s %s\n", "", mutants[m].why ? mutants[m].why : "NOT EXPLAINED: a wrong term that passes");
}

static void print_survivors(const ledger *l, FILE *out) {
    fprintf(out,
            "\nSurvivors: changed something, and stayed in every case within what the declared roundings may do\n");
    for (int dtype = 0; dtype < LEDGER_DTYPES; dtype++)
        for (int m = 1; m < MUTANTS; m++) {
            tally n = tally_of(l, (mutant)m, dtype);
            if (n.changed > 0 && n.judge == 0) print_survivor(l, (mutant)m, dtype, out);
        }
    fprintf(out, "\nNo fault there: changed nothing in any case\n");
    for (int dtype = 0; dtype < LEDGER_DTYPES; dtype++)
        for (int m = 1; m < MUTANTS; m++)
            if (tally_of(l, (mutant)m, dtype).changed == 0)
                fprintf(out, "  %-5s %-18s %s\n", dtype_names[dtype], mutants[m].name, mutants[m].fault);
}

void ledger_print(const ledger *l, FILE *out) {
    fputs(preamble, out);
    print_cases(out);
    print_rows(l, out);
    print_summary(l, out);
    print_survivors(l, out);
}

void ledger_print_csv(const ledger *l, FILE *out) {
    fputs("mutant,case,dtype,mark,output,error_per_bound,rms,ci,allclose\n", out);
    for (int m = 0; m < MUTANTS; m++)
        for (int c = 0; c < LEDGER_CASES; c++)
            for (int dtype = 0; dtype < LEDGER_DTYPES; dtype++) {
                const ledger_mark *x = &l->mark[m][dtype][c];
                if (x->symbol == '-') continue;
                fprintf(out, "%s,\"%s\",%s,%c,%s,%.4g,%d,%d,%d\n", mutants[m].name, ledger_cases[c].name,
                        dtype_names[dtype], x->symbol, gla_output_names[x->output], x->worst, x->field.rms, x->field.ci,
                        x->field.allclose);
            }
}
