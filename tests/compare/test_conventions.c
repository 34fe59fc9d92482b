/* SPDX-License-Identifier: Apache-2.0
 *
 * Every convention of every mechanism as a mutant (tests/mutants/conventions.h): the usual kernel passes, one with
 * another convention fails and is named, or there is a reason why it cannot; data/conventions.txt is what the judge
 * makes of them.
 */
#include <string.h>

#include "../mutants/conventions.h"
#include "../testing.h"

static convention list[CONVENTIONS];
static int count;

static void make_list(void) {
    gla_error err = {0};
    ck_assert_msg(conventions_list(list, &count, &err) == GLA_OK, "%s", err.what);
}

/* Those with one right text, the `index`-th such group; 0 if there is none. */
static int group_of(int index, const convention **first) {
    for (int i = 0, n; i < count; i += n, index--) {
        n = conventions_alike(&list[i], count - i);
        *first = &list[i];
        if (index == 0) return n;
    }
    return 0;
}

/* ---- data/conventions.txt ---- */

/* What a line says: its cells, and in how many of those that are killed the diagnosis names it. */
typedef struct kept_line {
    char bf16[16], f32[16];
    int named, killed;
} kept_line;

/* The line of a convention (or of its right kernel) in the group of c->right; empty if there is none. */
static kept_line read_kept(const convention *c, const char *text) {
    FILE *f = fopen("data/conventions.txt", "r");
    ck_assert_msg(f, "no data/conventions.txt: run from the root of the repository, after `make conventions`");
    char line[512], name[96];
    kept_line kept = {.named = 0};
    bool here = false;
    while (fgets(line, sizeof line, f)) {
        kept_line found = {.named = 0};
        bool right = line[0] == '=';
        if (sscanf(line + 1, " %95s %15s %15s %d of %d", name, found.bf16, found.f32, &found.named, &found.killed) < 3)
            continue;
        if (right) here = strcmp(name, c->right) == 0 && (strstr(line, "without a state") != NULL) == c->no_state;
        if (here && strcmp(name, text) == 0) kept = found;
    }
    fclose(f);
    return kept;
}

START_TEST(kept) {
    make_list();
    for (int i = 0; i < count; i++) {
        kept_line right = read_kept(&list[i], list[i].right), wrong = read_kept(&list[i], list[i].wrong);
        ck_assert_msg(strcmp(right.bf16, "...") == 0 && strcmp(right.f32, "...") == 0,
                      "right kernel of %s: %s %s: run `make conventions`", list[i].right, right.bf16, right.f32);
        ck_assert_msg(strlen(wrong.bf16) == CONVENTION_CASES && strlen(wrong.f32) == CONVENTION_CASES,
                      "%s is not in data/conventions.txt: run `make conventions`", list[i].wrong);
        bool killed = strpbrk(wrong.bf16, LEDGER_KILLS) && strpbrk(wrong.f32, LEDGER_KILLS);
        ck_assert_msg(list[i].same ? !killed : killed, "%s under %s: %s %s", list[i].wrong, list[i].right, wrong.bf16,
                      wrong.f32);
        ck_assert_msg(list[i].same || list[i].number || wrong.named > 0, "%s is never named", list[i].wrong);
    }
}
END_TEST

/* Every value of every switch of every mechanism, and every schedule. */
START_TEST(complete) {
    int wanted = 0;
    make_list();
    for (int i = 0; gla_mechanisms[i]; i++) {
        const gla_mechanism *m = gla_mechanisms[i];
        for (const gla_choice *c = m->schedules; c && c->name; c++) wanted += c > m->schedules;
        for (const gla_switch *s = m->switches; s && s->name; s++) {
            wanted += !s->values;
            for (const gla_choice *v = s->values; v && v->name; v++) wanted += v > s->values;
        }
    }
    ck_assert_int_eq(count, wanted);
    for (int i = 0; i < count; i++) {
        gla_problem right = {.H = 2}, wrong = {.H = 2};
        gla_error err = {0};
        ck_assert_msg(gla_mechanism_parse(list[i].right, &right, &err) == GLA_OK, "%s", err.what);
        ck_assert_msg(gla_mechanism_parse(list[i].wrong, &wrong, &err) == GLA_OK, "%s", err.what);
        bool same = memcmp(right.setting, wrong.setting, sizeof right.setting) == 0;
        ck_assert_msg(!same || right.decay.schedule != wrong.decay.schedule, "%s is %s", list[i].wrong, list[i].right);
    }
}
END_TEST

/* ---- now ---- */

START_TEST(quick) {
    const convention *first;
    convention_mark right, marks[CONVENTIONS];
    gla_error err = {0};
    make_list();
    int n = group_of(_i, &first);
    if (!n) return;
    gla_status status = conventions_judge(first, n, &convention_cases[0], &gla_bf16, &right, marks, &err);
    ck_assert_msg(status == GLA_OK, "%s: %s", first->right, err.what);
    ck_assert_msg(right.mark.symbol == '.', "right kernel of %s: %c, %s, error/bound %.3g", first->right,
                  right.mark.symbol, gla_output_names[right.mark.output], right.mark.worst);
    for (int i = 0; i < n; i++) {
        kept_line kept = read_kept(&first[i], first[i].wrong);
        char now = marks[i].mark.symbol;
        ck_assert_msg(kept.bf16[0] == now,
                      "%s: now %c (error/bound %.3g), data/conventions.txt has %c: run `make conventions`",
                      first[i].wrong, now, marks[i].mark.worst, kept.bf16[0]);
        ck_assert_msg(first[i].same || ledger_killed(&marks[i].mark), "%s passes", first[i].wrong);
        ck_assert_msg(kept.named < kept.killed || first[i].same || first[i].number || marks[i].named,
                      "%s is not named any more", first[i].wrong);
    }
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("conventions");
    TCase *t = tcase_create("conventions");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, kept);
    tcase_add_test(t, complete);
    tcase_add_loop_test(t, quick, 0, CONVENTIONS);
    suite_add_tcase(s, t);
    return s;
}

int main(void) { return test_main(suite()); }
