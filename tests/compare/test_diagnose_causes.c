/* SPDX-License-Identifier: Apache-2.0
 *
 * The confusion table of the diagnosis (tests/mutants/wrong_table.c): data/diagnosis.txt is what this diagnosis says of
 * every wrong kernel, holds every cause there is, and keeps what is promised: nearly all faults are named, hardly any
 * wrongly, and right kernels have none.
 */
#include <string.h>

#include "../../compare/diagnose_trial.h"
#include "../mutants/confusion.h"
#include "../testing.h"

enum { NAME = 38, CAUSES = 30, FIRST = NAME + 1 + CAUSES + 1, WIDTH = CONFUSION_SEEDS + 1 };

static char kept[CONFUSION_FAULTS][CONFUSION_DTYPES][CONFUSION_SEEDS + 1];

static int faults(void) {
    int count = 0;
    while (wrong_kernels[count].name) count++;
    return count;
}

static bool names(const char *line, const char *name) {
    size_t length = strlen(name);
    return strncmp(line, name, length) == 0 && strspn(line + length, " ") >= NAME + 1 - length;
}

static void read_kept(void) {
    FILE *f = fopen("data/diagnosis.txt", "r");
    ck_assert_msg(f, "no data/diagnosis.txt: run from the root of the repository, after `make diagnosis`");
    char line[512];
    while (fgets(line, sizeof line, f))
        for (int i = 0; i < faults() && strlen(line) > FIRST; i++)
            for (int d = 0; d < CONFUSION_DTYPES && names(line, wrong_kernels[i].name); d++)
                if (strlen(line) > (size_t)(FIRST + WIDTH * d))
                    sscanf(line + FIRST + WIDTH * d, "%5[+?x=]", kept[i][d]);
    fclose(f);
}

/* ---- what is kept ---- */

static bool is_right(const wrong_kernel *w) { return !w->way && w->fault == M_NONE; }
static bool has_hypothesis(const wrong_kernel *w) { return w->causes[0] != '-'; }

static int marks(int fault, char mark) {
    int count = 0;
    for (int d = 0; d < CONFUSION_DTYPES; d++)
        for (const char *m = kept[fault][d]; *m; m++) count += *m == mark;
    return count;
}

START_TEST(the_kept_table_is_whole) {
    read_kept();
    for (int i = 0; i < faults(); i++)
        for (int d = 0; d < CONFUSION_DTYPES; d++)
            ck_assert_msg(strlen(kept[i][d]) == (confusion_has(&wrong_kernels[i], d) ? CONFUSION_SEEDS : 0),
                          "%s in %s: '%s' in data/diagnosis.txt: run `make diagnosis`", wrong_kernels[i].name,
                          confusion_dtypes[d], kept[i][d]);
}
END_TEST

START_TEST(nearly_all_faults_are_named) {
    int right = 0, failed = 0, wrong = 0, all = 0;
    read_kept();
    for (int i = 0; i < faults(); i++) {
        const wrong_kernel *w = &wrong_kernels[i];
        int here = marks(i, '+') + marks(i, '?') + marks(i, 'x');
        if (is_right(w)) ck_assert_msg(here == 0, "%s: a right kernel failed", w->name);
        wrong += marks(i, 'x');
        all += here;
        if (!has_hypothesis(w)) continue;
        right += marks(i, '+');
        failed += here;
        ck_assert_msg(marks(i, '+') > 0, "%s is never named", w->name);
    }
    ck_assert_msg(right >= 0.95 * failed, "%d of %d named", right, failed);
    ck_assert_msg(wrong <= 0.01 * all, "%d of %d named wrongly", wrong, all);
}
END_TEST

static bool is_expected(const char *cause) {
    for (int i = 0; i < faults(); i++) {
        const char *found = strstr(wrong_kernels[i].causes, cause), *end = found ? found + strlen(cause) : NULL;
        if (found && (*end == 0 || *end == ' ') && marks(i, '+') > 0) return true;
    }
    return false;
}

START_TEST(every_cause_has_a_fault) {
    static const gla_hypothesis *const tables[] = {gla_altered_problems, gla_altered_carries, gla_altered_gates,
                                                   gla_altered_layouts,  gla_altered_order,   gla_altered_gradients,
                                                   gla_altered_outputs};
    static const char *const patterns[] = {
        "reset-nan", "one-anchor-overflow", "past-the-format", "growth", "tail", "columns", "entering-state", "narrow",
        "profile",   "truncation",          "error-grows"};
    read_kept();
    for (size_t t = 0; t < sizeof tables / sizeof *tables; t++)
        for (const gla_hypothesis *h = tables[t]; h->cause; h++)
            ck_assert_msg(is_expected(h->cause), "no fault shows %s", h->cause);
    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++)
        ck_assert_msg(is_expected(patterns[i]), "no fault shows %s", patterns[i]);
}
END_TEST

/* ---- and what is said now: one run of each fault, or every fifth of them; all with GLASSBOX_LONG ---- */

static void expect_kept(int fault, int dtype, int seed) {
    const wrong_kernel *w = &wrong_kernels[fault];
    confusion_cell cell = {.mark = ""};
    gla_error err = {0};
    char mark = 0;
    gla_status status = confusion_run_one(w, dtype, (uint64_t)seed + 1, &mark, &cell, &err);
    ck_assert_msg(status == GLA_OK, "%s: %s", w->name, err.what);
    ck_assert_msg(mark == kept[fault][dtype][seed],
                  "%s, %s, seed %d: now %c (%s), data/diagnosis.txt has %c: run "
                  "`make diagnosis`",
                  w->name, confusion_dtypes[dtype], seed + 1, mark, cell.named[0], kept[fault][dtype][seed]);
}

START_TEST(the_kept_table_is_current) {
    read_kept();
    for (int d = 0; d < CONFUSION_DTYPES; d++)
        for (int seed = 0; seed < CONFUSION_SEEDS; seed++) {
            bool quick = (d + seed * 2 + (int)test_seed()) % 10 == _i % 10 && _i % 2 == 0;
            if (confusion_has(&wrong_kernels[_i], d) && (quick || test_long())) expect_kept(_i, d, seed);
        }
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("diagnose_causes");
    TCase *kept_table = tcase_create("kept"), *now = tcase_create("now");
    tcase_set_timeout(now, 120);
    tcase_add_test(kept_table, the_kept_table_is_whole);
    tcase_add_test(kept_table, nearly_all_faults_are_named);
    tcase_add_test(kept_table, every_cause_has_a_fault);
    tcase_add_loop_test(now, the_kept_table_is_current, 0, faults());
    suite_add_tcase(s, kept_table);
    suite_add_tcase(s, now);
    return s;
}

int main(void) { return test_main(suite()); }
