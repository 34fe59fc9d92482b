/* SPDX-License-Identifier: Apache-2.0
 *
 * What the command line does when something is wrong: exit status 2 and one line on stderr; full disks, and files that
 * are whole or not there; pipes without colour and bars.
 */
#include "shell.h"

/* ---- errors ---- */

static const char *const bad_lines[] = {
    "",
    "nonsense",
    "run",
    "run --nonsense",
    "run -Z",
    "run \"$D/case.safetensors\" \"$D/case.safetensors\"",
    "run --form",
    "run \"$D/absent.safetensors\"",
    "run \"$D\"",
    "run /dev/null",
    "run --numbers bf17 \"$D/case.safetensors\"",
    "run --numbers mpfr:0 \"$D/case.safetensors\"",
    "run --form chunky \"$D/case.safetensors\"",
    "run --form chunkwise:0 \"$D/case.safetensors\"",
    "run --form parallel --gate-gradient direct --backward \"$D/case.safetensors\"",
    "run --gate-gradient sideways \"$D/case.safetensors\"",
    "run --dtype I64 \"$D/case.safetensors\"",
    "run --prefix layers.0. \"$D/case.safetensors\"",
    "run --mechanism nonsense \"$D/case.safetensors\"",
    "run -o \"$D/absent/x.safetensors\" \"$D/case.safetensors\"",
    "run -o \"$D/x.unknown\" \"$D/case.safetensors\"",
    "truth",
    "truth \"$D/absent.safetensors\"",
    "truth --target decimal \"$D/case.safetensors\"",
    "truth --cap many \"$D/case.safetensors\"",
    "truth --threads 0 \"$D/case.safetensors\"",
    "check",
    "check \"$D/absent.safetensors\"",
    "check --only nonsense \"$D/case.safetensors\"",
    "check --profile nonsense \"$D/case.safetensors\"",
    "check --candidate \"$D/absent.npz\" \"$D/case.safetensors\"",
    "explain",
    "explain \"$D/absent.safetensors\"",
    "explain --at nonsense \"$D/case.safetensors\"",
    "list everything",
    "gen",
    "gen -o \"$D/case.safetensors\"",
    "gen --family nonsense -o \"$D\"",
    "gen --mechanism nonsense -o \"$D\"",
    "gen --n -1 -o \"$D\"",
    "gen --seed x -o \"$D\"",
    "gen --H 4 --Hk 3 -o \"$D\"",
    "cross --family nonsense",
    "cross --T 0",
    "study nonsense",
    "study reset --csv \"$D/absent/x.csv\"",
    "bench --repeats 0",
    "bench --verdicts --T 64",
};

START_TEST(bad_line) {
    make_case();
    outcome o = shell("$GLASSBOX %s", bad_lines[_i]);
    expect_one_line_error(o, bad_lines[_i]);
    ck_assert_msg(visible_files() == 1, "%s left a file behind", bad_lines[_i]);
}
END_TEST

/* These print a heading before the bad part is reached. */
START_TEST(bad_names_in_lists) {
    expect_one_line_error(shell("$GLASSBOX cross --numbers binary32x --T 3"), "cross --numbers");
    expect_one_line_error(shell("$GLASSBOX cross --form recurrent,chunky --T 3"), "cross --form");
}
END_TEST

/* ---- what goes wrong outside ---- */

START_TEST(full_disk) {
    make_case();
    expect_one_line_error(shell("$GLASSBOX list >/dev/full"), "list >/dev/full");
    expect_one_line_error(shell("$GLASSBOX run \"$D/case.safetensors\" -o /dev/full"), "run -o /dev/full");
    expect_one_line_error(shell("$GLASSBOX study hazards --longest 1 --csv /dev/full >/dev/null"), "--csv /dev/full");
}
END_TEST

/* No byte may be written to a file (limit 0): the old file stays, and nothing is left beside it. */
START_TEST(nothing_half_written) {
    static const char *const lines[] = {
        "run \"$D/case.safetensors\" -o \"$D/old.safetensors\"", "run \"$D/case.safetensors\" -o \"$D/old.npz\"",
        "truth \"$D/case.safetensors\" -o \"$D/old.safetensors\"", "study hazards --longest 1 --csv \"$D/old.csv\""};
    make_case();
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        expect_good(shell("for f in old.safetensors old.npz old.csv; do echo old >\"$D/$f\"; done"));
        outcome o =
            shell("sh -c 'trap \"\" XFSZ; ulimit -f 0; GLASSBOX=$1; D=$2; $GLASSBOX %s >/dev/null 2>&1; echo $?' "
                  "- \"$GLASSBOX\" \"$D\" | cat; cat \"$D\"/old.*",
                  lines[i]);
        ck_assert_msg(strcmp(o.out, "2\nold\nold\nold\n") == 0, "%s: %s%s", lines[i], o.out, o.err);
        ck_assert_msg(visible_files() == 4, "%s left a file behind", lines[i]);
        done(o);
    }
}
END_TEST

START_TEST(pipes_are_plain) {
    make_case();
    static const char *const lines[] = {"list", "truth \"$D/case.safetensors\"", "run \"$D/case.safetensors\"",
                                        "cross --T 5 --dk 2 --dv 2", "study hazards --longest 1"};
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        outcome o = shell("$GLASSBOX %s", lines[i]);
        ck_assert_int_eq(o.status, 0);
        ck_assert_msg(!strpbrk(o.out, "\033\r") && o.err[0] == 0, "%s", lines[i]);
        done(o);
    }
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("cli errors");
    TCase *c = tcase_create("cli errors");
    tcase_set_timeout(c, 60);
    tcase_add_checked_fixture(c, make_folder, remove_folder);
    tcase_add_loop_test(c, bad_line, 0, sizeof bad_lines / sizeof bad_lines[0]);
    tcase_add_test(c, bad_names_in_lists);
    tcase_add_test(c, full_disk);
    tcase_add_test(c, nothing_half_written);
    tcase_add_test(c, pipes_are_plain);
    suite_add_tcase(s, c);
    return s;
}

int main(void) { return test_main(suite()); }
