/* SPDX-License-Identifier: Apache-2.0
 *
 * glassbox study with sweeps: a run that was broken off goes on to the same bytes, shards merge to the same bytes,
 * pictures and pages come out the same twice, wrong files and options are one-line errors, and what lies in
 * tutorials/studies is what its rows make.
 */
#include <jansson.h>

#include "../../compare/study_sweep.h"
#include "shell.h"

/* $D/whole.csv: the cheapest sweep. */
static void make_whole(void) {
    outcome o = shell("$GLASSBOX study exponential --csv \"$D/whole.csv\"");
    ck_assert_msg(o.status == 0 && strstr(o.out, "sm_90:f32/ex2"), "%s", o.err);
    done(o);
}

START_TEST(goes_on_where_it_stopped) {
    /* in the head, behind it, in a line, behind a line of a point, behind a point, all of it */
    static const char *const cuts[] = {"head -c 0",  "head -c 20", "head -n 2",   "head -c 200", "head -n 9",
                                       "head -n 15", "head -n 16", "head -c 999", "cat"};
    make_whole();
    for (size_t i = 0; i < sizeof cuts / sizeof *cuts; i++) {
        expect_good(shell("%s \"$D/whole.csv\" >\"$D/b.csv.part\"", cuts[i]));
        expect_good(shell(
            "$GLASSBOX study exponential --csv \"$D/b.csv\" >\"$D/table\" && cmp \"$D/whole.csv\" \"$D/b.csv\" && "
            "test ! -e \"$D/b.csv.part\""));
    }
}
END_TEST

/* A figure that only the half-written file can have is still there, in the table and in the rows. */
START_TEST(does_not_measure_again) {
    make_whole();
    expect_good(shell("head -n 15 \"$D/whole.csv\" | sed '3s/,[^,]*$/,123456/' >\"$D/b.csv.part\" && $GLASSBOX study "
                      "exponential --csv \"$D/b.csv\" >\"$D/table\" && sed -n 3p \"$D/b.csv\" | grep -q ',123456$' && "
                      "grep -q 1.23e+05 \"$D/table\""));
    /* but a row that is none is not believed */
    static const char *const edits[] = {"3s/,[^,]*$/,x/", "3s/,\\([^,]*\\)$/;\\1/", "3s/$/,1/", "3s/^./X/", "3d"};
    for (size_t i = 0; i < sizeof edits / sizeof *edits; i++)
        expect_good(
            shell("head -n 15 \"$D/whole.csv\" | sed '%s' >\"$D/b.csv.part\" && $GLASSBOX study exponential --csv "
                  "\"$D/b.csv\" >\"$D/table\" && cmp \"$D/whole.csv\" \"$D/b.csv\"",
                  edits[i]));
}
END_TEST

START_TEST(refuses_the_half_of_another) {
    make_whole();
    static const char *const edits[] = {"s/seed 1/seed 2/", "s/study exponential/study overflow/",
                                        "s/shard 1.1/shard 1\\/2/", "s/glassbox [0-9.]*/glassbox 99/", "s/^how/now/"};
    for (size_t i = 0; i < sizeof edits / sizeof *edits; i++) {
        expect_good(shell("sed '%s' \"$D/whole.csv\" >\"$D/b.csv.part\"", edits[i]));
        expect_one_line_error(shell("$GLASSBOX study exponential --csv \"$D/b.csv\""), edits[i]);
        expect_good(shell("test -s \"$D/b.csv.part\" && test ! -e \"$D/b.csv\""));
    }
}
END_TEST

START_TEST(shards_merge) {
    make_whole();
    for (int i = 1; i <= 3; i++)
        expect_good(shell("$GLASSBOX study exponential --shard %d/3 --csv \"$D/%d.csv\" >\"$D/table\"", i, i));
    expect_good(
        shell("$GLASSBOX study merge \"$D/3.csv\" \"$D/1.csv\" \"$D/2.csv\" --csv \"$D/m.csv\" >\"$D/table\" && cmp "
              "\"$D/whole.csv\" \"$D/m.csv\""));
    expect_good(
        shell("head -n 7 \"$D/2.csv\" >\"$D/short.csv\"; sed 's/seed 1/seed 2/' \"$D/2.csv\" >\"$D/other.csv\"; "
              "cat \"$D/2.csv\" - </dev/null >\"$D/long.csv\"; echo x >>\"$D/long.csv\"; : >\"$D/empty.csv\""));
    static const char *const wrong[][2] = {{"1.csv\" \"$D/2.csv", "shard 3/3 is missing"},
                                           {"1.csv\" \"$D/1.csv\" \"$D/3.csv", "there already"},
                                           {"1.csv\" \"$D/short.csv\" \"$D/3.csv", "not whole"},
                                           {"1.csv\" \"$D/other.csv\" \"$D/3.csv", "seed 2"},
                                           {"1.csv\" \"$D/long.csv\" \"$D/3.csv", "not whole"},
                                           {"1.csv\" \"$D/empty.csv\" \"$D/3.csv", "is empty"},
                                           {"1.csv\" \"$D/absent.csv\" \"$D/3.csv", "cannot read"},
                                           {"1.csv\" \"$D/table\" \"$D/3.csv", "no rows of a study"},
                                           {"whole.csv\" \"$D/1.csv", "3 shards"}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        outcome o = shell("$GLASSBOX study merge \"$D/%s\" --csv \"$D/bad.csv\"", wrong[i][0]);
        ck_assert_msg(strstr(o.err, wrong[i][1]), "%s: %s", wrong[i][0], o.err);
        expect_one_line_error(o, wrong[i][0]);
    }
    expect_good(shell("test ! -e \"$D/bad.csv\""));
}
END_TEST

START_TEST(wrong_options_are_one_line_errors) {
    static const char *const wrong[] = {"exponential --shard 0/2",
                                        "exponential --shard 3/2",
                                        "exponential --shard 1/2x",
                                        "exponential --shard -1/2",
                                        "exponential --shard 1/99",
                                        "exponential --shard 1/2 --plot \"$D/x.svg\"",
                                        "exponential --page \"$D/x.md\"",
                                        "exponential --plot \"$D/x.pdf\"",
                                        "exponential --plot \"$D/absent/x.svg\"",
                                        "exponential --csv \"$D/absent/x.csv\"",
                                        "exponential --json /dev/full",
                                        "exponential --csv /dev/full",
                                        "exponential --longest 4",
                                        "exponential overflow",
                                        "hazards --plot \"$D/x.svg\"",
                                        "hazards --shard 1/2",
                                        "merge",
                                        "merge --shard 1/2 \"$D/x.csv\""};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        expect_one_line_error(shell("$GLASSBOX study %s >/dev/null", wrong[i]), wrong[i]);
    ck_assert_int_eq(visible_files(), 0);
    expect_one_line_error(shell("PATH=/nonexistent $GLASSBOX study exponential --plot \"$D/x.svg\" >/dev/null"),
                          "no gnuplot");
}
END_TEST

START_TEST(json_holds_the_rows) {
    json_error_t error;
    char path[128];
    expect_good(shell("$GLASSBOX study exponential --json \"$D/x.json\" --csv \"$D/x.csv\" >\"$D/table\""));
    snprintf(path, sizeof path, "%s/x.json", folder);
    json_t *all = json_load_file(path, 0, &error);
    ck_assert_msg(all != NULL, "%s", error.text);
    json_t *rows = json_object_get(all, "rows"), *row = json_array_get(rows, 3);
    ck_assert_uint_eq(json_array_size(rows), gla_sweep_rows(gla_sweep_named("exponential")));
    ck_assert_int_eq(json_integer_value(json_object_get(all, "seed")), 1);
    ck_assert_str_eq(json_string_value(json_object_get(row, "how")), "sm_90:f32/ex2");
    char line[128];
    snprintf(line, sizeof line, "%s,%s,%.6g,", "sm_90:f32/ex2", json_string_value(json_object_get(row, "x")),
             json_real_value(json_object_get(row, "worst")));
    expect_good(shell("sed -n 6p \"$D/x.csv\" | grep -q '^%s'", line));
    json_decref(all);
}
END_TEST

START_TEST(pictures_are_drawn_and_the_same_twice) {
    make_whole();
    expect_good(shell(
        "for i in 1 2; do $GLASSBOX study merge \"$D/whole.csv\" --plot \"$D/$i.svg\" >\"$D/table\" || exit 1; done; "
        "cmp \"$D/1.svg\" \"$D/2.svg\" && grep -q 'seed 1' \"$D/1.svg\" && grep -q expf \"$D/1.svg\""));
    expect_good(shell("$GLASSBOX study merge \"$D/whole.csv\" --plot \"$D/it's 1.png\" >\"$D/table\" && head -c 4 "
                      "\"$D/it's 1.png\" | "
                      "grep -q PNG && test $(wc -c <\"$D/it's 1.png\") -gt 5000"));
}
END_TEST

/* What is drawn is what is printed: a picture has no digits that the rows have not. */
START_TEST(pictures_are_of_the_rows) {
    expect_good(
        shell("$GLASSBOX study overflow --csv \"$D/x.csv\" --plot \"$D/1.svg\" >\"$D/table\" && $GLASSBOX study merge "
              "\"$D/x.csv\" --plot \"$D/2.svg\" >\"$D/again\" && cmp \"$D/1.svg\" \"$D/2.svg\" && cmp \"$D/table\" "
              "\"$D/again\""));
}
END_TEST

/* Page and rows bit for bit; the picture too, where this gnuplot is the one that drew it. */
START_TEST(tutorials_are_current) {
    const char *name = gla_sweeps[_i]->name;
    outcome o =
        shell("S=tutorials/studies/%s; $GLASSBOX study merge $S.csv --csv \"$D/%s.csv\" --plot \"$D/%s.svg\" --page "
              "\"$D/%s.md\" >\"$D/table\" && cmp $S.csv \"$D/%s.csv\" && cmp $S.md \"$D/%s.md\"",
              name, name, name, name, name, name);
    ck_assert_msg(o.status == 0, "%s: not current (make studies): %s%s", name, o.out, o.err);
    done(o);
    expect_good(shell("by() { sed -n 's/.*<desc>\\(.*\\)<.desc>.*/\\1/p' \"$1\"; }; S=tutorials/studies/%s.svg; "
                      "test \"$(by $S)\" != \"$(by \"$D/%s.svg\")\" || cmp $S \"$D/%s.svg\"",
                      name, name, name));
    expect_good(
        shell("grep -q '^## Question' \"$D/%s.md\" && grep -q '^## Limits' \"$D/%s.md\" && ! grep -q '\\[m[ai][xn] ' "
              "\"$D/%s.md\"",
              name, name, name));
}
END_TEST

START_TEST(list_and_help) {
    outcome o = shell("$GLASSBOX study");
    for (const gla_sweep *const *s = gla_sweeps; *s; s++) ck_assert_msg(strstr(o.out, (*s)->what), "%s", o.out);
    ck_assert(strstr(o.out, "\nsweeps") && strstr(o.out, "  hazards "));
    done(o);
    o = shell("$GLASSBOX study --help");
    ck_assert(o.status == 0 && strstr(o.out, "glassbox study merge 1.csv 2.csv") && strstr(o.out, "--shard"));
    done(o);
}
END_TEST

static int sweeps(void) {
    int count = 0;
    while (gla_sweeps[count]) count++;
    return count;
}

static Suite *suite(void) {
    Suite *s = suite_create("cli study");
    TCase *t = tcase_create("sweeps");
    tcase_set_timeout(t, 120);
    tcase_add_checked_fixture(t, make_folder, remove_folder);
    tcase_add_test(t, goes_on_where_it_stopped);
    tcase_add_test(t, does_not_measure_again);
    tcase_add_test(t, refuses_the_half_of_another);
    tcase_add_test(t, shards_merge);
    tcase_add_test(t, wrong_options_are_one_line_errors);
    tcase_add_test(t, json_holds_the_rows);
    tcase_add_test(t, pictures_are_drawn_and_the_same_twice);
    tcase_add_test(t, pictures_are_of_the_rows);
    tcase_add_loop_test(t, tutorials_are_current, 0, sweeps());
    tcase_add_test(t, list_and_help);
    suite_add_tcase(s, t);
    return s;
}

int main(void) { return test_main(suite()); }
