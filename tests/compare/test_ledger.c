/* SPDX-License-Identifier: Apache-2.0
 *
 * The judge against kernels that are known to be wrong (tests/mutants): none of them passes everywhere, the right one
 * does, and data/ledger.txt is what these kernels and this judge make.
 */
#include <string.h>

#include "../mutants/ledger_table.h"
#include "../testing.h"

enum { BF16, F16, F32 };

/* ---- data/ledger.txt ---- */

static char kept[MUTANTS][LEDGER_DTYPES][LEDGER_CASES + 1];

static int mutant_named(const char *name) {
    for (int m = 0; m < MUTANTS; m++)
        if (strcmp(mutants[m].name, name) == 0) return m;
    return -1;
}

static void read_kept(void) {
    FILE *f = fopen("data/ledger.txt", "r");
    ck_assert_msg(f, "no data/ledger.txt: run from the root of the repository, after `make ledger`");
    char line[512], name[64], cells[LEDGER_DTYPES][64];
    while (fgets(line, sizeof line, f)) {
        if (sscanf(line, "%63s %63s %63s %63s", name, cells[BF16], cells[F16], cells[F32]) != 4) continue;
        int m = mutant_named(name);
        bool row = m >= 0;
        for (int d = 0; d < LEDGER_DTYPES; d++) row = row && strlen(cells[d]) == LEDGER_CASES;
        for (int d = 0; row && d < LEDGER_DTYPES; d++) strcpy(kept[m][d], cells[d]);
    }
    fclose(f);
}

static void expect_kept(mutant m, int dtype, int c, const ledger_mark *mark) {
    ck_assert_msg(kept[m][dtype][c] == mark->symbol,
                  "%s on %s, %s: now %c (%s, error/bound %.3g), data/ledger.txt has %c: run `make ledger`",
                  mutants[m].name, ledger_cases[c].name, ledger_dtypes[dtype]->name, mark->symbol,
                  gla_output_names[mark->output], mark->worst, kept[m][dtype][c]);
}

static bool any_of(const char *cells, const char *symbols) { return strpbrk(cells, symbols) != NULL; }

START_TEST(test_the_kept_ledger_keeps_what_the_oracle_owes) {
    read_kept();
    int killed = 0;
    for (int m = 1; m < MUTANTS; m++) {
        int changed = 0, kills = 0;
        for (int d = 0; d < LEDGER_DTYPES; d++) {
            ck_assert_msg(kept[m][d][0], "%s is not in data/ledger.txt: run `make ledger`", mutants[m].name);
            bool changes = any_of(kept[m][d], LEDGER_KILLS "m."), kill = any_of(kept[m][d], LEDGER_KILLS);
            changed += changes;
            kills += kill;
            ck_assert_msg(mutants[m].kind != WRONG_TERM || kill || !changes, "%s survives in %s", mutants[m].name,
                          ledger_dtypes[d]->name);
        }
        ck_assert_msg(changed > 0, "%s changes nothing anywhere: no mutant", mutants[m].name);
        ck_assert_msg(mutants[m].kind == HIDDEN || kills > 0, "%s survives everywhere", mutants[m].name);
        killed += kills > 0;
    }
    ck_assert_int_ge(killed, 40);
    for (int d = 0; d < LEDGER_DTYPES; d++)
        ck_assert_msg(!any_of(kept[M_NONE][d], LEDGER_KILLS "m="), "the right kernel in %s: %s", ledger_dtypes[d]->name,
                      kept[M_NONE][d]);
}
END_TEST

/* ---- now ---- */

static ledger_bench open_bench(int c, int dtype) {
    ledger_bench bench;
    gla_error err;
    ck_assert_msg(ledger_open(&ledger_cases[c], ledger_dtypes[dtype], &bench, &err) == GLA_OK, "%s: %s",
                  ledger_cases[c].name, err.what);
    return bench;
}

static ledger_mark judge(ledger_bench *bench, mutant m) {
    ledger_mark mark;
    gla_error err;
    ck_assert_msg(ledger_judge(bench, m, &mark, &err) == GLA_OK, "%s", err.what);
    return mark;
}

START_TEST(test_the_right_kernel_passes_every_case) {
    for (int d = 0; d < LEDGER_DTYPES; d++) {
        if (d == F16 && ledger_cases[_i].not_f16) continue;
        ledger_bench bench = open_bench(_i, d);
        ledger_mark mark = judge(&bench, M_NONE);
        ck_assert_msg(mark.symbol == '.', "%s in %s: %c, %s, error/bound %.3g", ledger_cases[_i].name,
                      ledger_dtypes[d]->name, mark.symbol, gla_output_names[mark.output], mark.worst);
        ledger_close(&bench);
    }
}
END_TEST

/* On the quick cases in turn, each mutant until it is killed. */
START_TEST(test_every_wrong_kernel_is_killed_by_a_quick_case) {
    bool killed[MUTANTS] = {false};
    read_kept();
    for (int c = 0; c < LEDGER_CASES; c++) {
        if (!ledger_cases[c].quick) continue;
        ledger_bench bench = open_bench(c, BF16);
        for (int m = 1; m < MUTANTS; m++) {
            if (killed[m] || mutants[m].kind != WRONG_TERM) continue;
            ledger_mark mark = judge(&bench, (mutant)m);
            expect_kept((mutant)m, BF16, c, &mark);
            killed[m] = ledger_killed(&mark);
        }
        ledger_close(&bench);
    }
    for (int m = 1; m < MUTANTS; m++)
        ck_assert_msg(killed[m] || mutants[m].kind != WRONG_TERM, "%s passes every quick case in bf16",
                      mutants[m].name);
}
END_TEST

/* Roundings that a profile does not declare are seen where it declares finer ones: in f32. */
START_TEST(test_undeclared_roundings_are_killed_in_f32) {
    read_kept();
    int c = 0; /* mild */
    ledger_bench bench = open_bench(c, F32);
    for (int m = 1; m < MUTANTS; m++) {
        if (mutants[m].kind == WRONG_TERM) continue;
        ledger_mark mark = judge(&bench, (mutant)m);
        expect_kept((mutant)m, F32, c, &mark);
        ck_assert_msg(mutants[m].kind == HIDDEN || mark.symbol == '=' || ledger_killed(&mark) || m == M_DG_BY_PREFIX,
                      "%s: %c, error/bound %.3g", mutants[m].name, mark.symbol, mark.worst);
    }
    ledger_close(&bench);
}
END_TEST

START_TEST(test_the_kept_ledger_is_current_in_f16) {
    read_kept();
    int c = 3; /* reset */
    ledger_bench bench = open_bench(c, F16);
    for (int m = 1; m < MUTANTS; m += 5) {
        ledger_mark mark = judge(&bench, (mutant)m);
        expect_kept((mutant)m, F16, c, &mark);
    }
    ledger_close(&bench);
}
END_TEST

/* The marks themselves: an untouched output is '=', and the usual tests say what they are meant to. */
START_TEST(test_marks) {
    ledger_bench bench = open_bench(0, F32);
    ledger_mark same = judge(&bench, M_REVERSE_IGNORED), wrong = judge(&bench, M_SCALE_MISSING);
    ledger_mark subtle = judge(&bench, M_FINAL_BF16);
    ledger_close(&bench);
    ck_assert(same.symbol == '=' && !same.field.rms && !same.field.ci && !same.field.allclose);
    ck_assert(wrong.symbol == '2' && wrong.worst > 1 && wrong.field.rms && wrong.field.ci && wrong.field.allclose);
    ck_assert(subtle.symbol == '2' && subtle.output == GLA_FINAL_STATE);
    ck_assert(!subtle.field.rms && !subtle.field.ci && !subtle.field.allclose);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("ledger");
    TCase *t = tcase_create("mutants");
    tcase_set_timeout(t, 120);
    tcase_add_test(t, test_the_kept_ledger_keeps_what_the_oracle_owes);
    tcase_add_loop_test(t, test_the_right_kernel_passes_every_case, 0, LEDGER_CASES);
    tcase_add_test(t, test_every_wrong_kernel_is_killed_by_a_quick_case);
    tcase_add_test(t, test_undeclared_roundings_are_killed_in_f32);
    tcase_add_test(t, test_the_kept_ledger_is_current_in_f16);
    tcase_add_test(t, test_marks);
    suite_add_tcase(s, t);
    return s;
}

int main(void) { return test_main(suite()); }
