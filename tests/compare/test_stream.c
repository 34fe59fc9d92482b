/* SPDX-License-Identifier: Apache-2.0
 *
 * gen --stream | program | verify --stream: a right program passes, and whatever is wrong with the stream is said in
 * words, with the right exit status, while the other cases are judged.
 */
#include "shell.h"

static const char three[] = "--stream --family mild --n 3 --T 9 --H 3 --dk 3 --dv 4";

/* The whole pipe, with a program that has a fault; verify's own status. */
static outcome pipe_through(const char *fault, const char *cases, const char *more) {
    return shell(
        "$GLASSBOX gen %s 2>\"$D/gen.err\" | \"${GLASSBOX%%/*}\"/tests/compare/stream_program %s 2>\"$D/p.err\""
        " | $GLASSBOX verify %s %s",
        cases, fault, cases, more);
}

static void expect(const char *fault, int status, const char *text) {
    outcome o = pipe_through(fault, three, "--profile f32");
    ck_assert_msg(o.status == status, "%s: status %d\n%s%s", fault, o.status, o.out, o.err);
    ck_assert_msg(strstr(o.out, text) != NULL, "%s: '%s' is not in\n%s", fault, text, o.out);
    done(o);
}

START_TEST(right_program_passes) {
    expect("good", 0, "3 cases: 3 answered, 3 passed");
    outcome o = pipe_through("good", three, "--profile f32 --quiet");
    ck_assert_str_eq(o.out, "3 cases: 3 answered, 3 passed\n");
    ck_assert_int_eq(o.status, 0);
    done(o);
}
END_TEST

/* Every family at its own size. */
START_TEST(quick_level) {
    outcome o = pipe_through("good", "--stream --level quick --dk 4 --dv 6", "--profile f32 --quiet");
    ck_assert_msg(o.status == 0, "status %d\n%s%s", o.status, o.out, o.err);
    ck_assert_ptr_nonnull(strstr(o.out, "31 passed"));
    done(o);
}
END_TEST

static const struct {
    const char *fault;
    int status;
    const char *text;
} faults[] = {
    {"half", 1, "0 passed"},
    {"nothing", 3, "no output under test"},
    {"missing", 3, "no frame for this case"},
    {"unknown", 3, "frame 2 answers 'nobody', which is none of the cases"},
    {"anonymous", 3, "frame 2 does not say which case it answers"},
    {"twice", 3, "frame 3 answers 'mild-B1-T9-H3-dk3-dv4-bf16-backward-seed2' again"},
    {"garbage", 3, "frame 2: 5 bytes, too short"},
    {"cut", 3, "frame 3: the stream ends after 2 of its 5 bytes"},
    {"crash", 3, "3 cases: 2 answered, 2 passed"},
    {"oversized", 3, "frame 2 claims 1152921504606846976 bytes, at most 1073741824 are read"},
    {"endless", 3, "more frames than the 3 cases"},
    {"changed", 3, "input q was changed by the candidate"},
};

START_TEST(faulty_program) { expect(faults[_i].fault, faults[_i].status, faults[_i].text); }
END_TEST

START_TEST(the_others_are_judged) {
    expect("unknown", 3, "2 answered, 2 passed");
    expect("garbage", 3, "2 answered, 2 passed");
    expect("missing", 3, "2 answered, 2 passed");
}
END_TEST

START_TEST(nothing_for_a_second) {
    outcome o = shell("sleep 5 | $GLASSBOX verify %s --timeout 1", three);
    ck_assert_int_eq(o.status, 3);
    ck_assert_msg(strstr(o.out, "frame 1: nothing arrived for 1 seconds"), "%s", o.out);
    done(o);
}
END_TEST

START_TEST(empty_stream) {
    outcome o = shell("$GLASSBOX verify %s </dev/null", three);
    ck_assert_msg(o.status == 3 && strstr(o.out, "3 cases: 0 answered, 0 passed"), "%d %s", o.status, o.out);
    done(o);
}
END_TEST

START_TEST(limit_is_an_option) {
    outcome o = shell("$GLASSBOX gen --stream --T 400 --dk 64 --dv 64 --H 16 | $GLASSBOX verify --stream --limit 1");
    ck_assert_msg(o.status == 3 && strstr(o.out, "at most 1048576 are read"), "%d %s", o.status, o.out);
    done(o);
}
END_TEST

/* Runs every "reproduce:" line of o.out, into $D/again; returns how many there were. */
static int reproduce_all(outcome o) {
    static const char opening[] = "reproduce: glassbox ", closing[] = " -o cases";
    int count = 0;
    for (char *at = o.out; (at = strstr(at, opening)); count++) {
        at += strlen(opening);
        char *end = strchr(at, '\n'), *option = strstr(at, closing);
        ck_assert(end && option && option < end);
        *option = 0;
        outcome again = shell("$GLASSBOX %s -o \"$D/again\"", at);
        ck_assert_msg(again.status == 0, "%s: %s", at, again.err);
        done(again);
        at = end + 1;
    }
    return count;
}

static const struct {
    const char *options;
    int least; /* failing cases */
} wrong_sets[] = {{"--level quick --dk 3 --dv 4 --T 7", 25},
                  {"--T 5 --no-do --value-gate --initial-state --reverse --n 2", 2},
                  {"--T 40 --varlen --H 4 --Hk 2 --dtype F16", 1},
                  {"--T 5 --B 2 --forward --seed 9 --n 2", 2},
                  {"--family all --awkward 4 --seed 3", 20}};

/* The command printed for a failing case makes that case again, to the bit. */
START_TEST(reproduce_line) {
    const char *options = wrong_sets[_i].options;
    char streamed[200];
    snprintf(streamed, sizeof streamed, "--stream %s", options);
    outcome o = pipe_through("half", streamed, "--profile f32 --quiet");
    ck_assert_msg(o.status == 1, "%s", o.out);
    ck_assert_int_ge(reproduce_all(o), wrong_sets[_i].least);
    done(o);
    o = shell("$GLASSBOX gen %s -o \"$D/all\" >\"$D/log\";"
              " for f in \"$D\"/again/*; do cmp \"$f\" \"$D/all/${f##*/}\" || exit 1; done",
              options);
    ck_assert_msg(o.status == 0, "%s%s", o.out, o.err);
    done(o);
}
END_TEST

/* The likely cause, the first bad element, and a command that explains its bound once the case has been made again. */
START_TEST(a_failure_is_diagnosed) {
    outcome o =
        pipe_through("half", "--stream --family mild --T 9 --H 3 --dk 3 --dv 4", "--profile f32 --json \"$D/x.json\"");
    ck_assert_msg(strstr(o.out, "likely cause: ") && strstr(o.out, "first bad: o[0,0,0,0]"), "%s", o.out);
    char *make = strstr(o.out, "reproduce: glassbox "), *explain = strstr(o.out, "explain: glassbox ");
    ck_assert_msg(make && explain, "%s", o.out);
    make += strlen("reproduce: glassbox ");
    explain += strlen("explain: glassbox ");
    make[strcspn(make, "\n")] = explain[strcspn(explain, "\n")] = 0;
    outcome x = shell("G=$(realpath $GLASSBOX); cd \"$D\"; $G %s && $G %s; grep -c '\"cause\"' x.json", make, explain);
    ck_assert_msg(x.status == 0 && strstr(x.out, "o[0,0,0,0] of mild") && strstr(x.out, "allowed = "), "%s%s", x.out,
                  x.err);
    done(x);
    done(o);
}
END_TEST

/* The options of check: some outputs alone, a profile in a file, MARGINAL as a mismatch. */
START_TEST(options_of_check) {
    static const struct {
        const char *fault, *options;
        int status;
        const char *text;
    } sets[] = {
        {"half", "--profile f32 --only final_state", 0, "3 passed"},
        {"half", "--profile f32 --only final_state,o", 1, "0 passed"},
        {"good", "--profile f32 --only dgv", 3, "missing"},
        {"good", "--profile data/profiles/chunk32-bf16.json", 0, "(profile chunk32-bf16)"},
        {"good", "--profile f32 --strict --threads 1", 0, "3 passed"},
    };
    for (size_t i = 0; i < sizeof sets / sizeof sets[0]; i++) {
        outcome o = pipe_through(sets[i].fault, three, sets[i].options);
        ck_assert_msg(o.status == sets[i].status && strstr(o.out, sets[i].text), "%s: %d %.1500s%s", sets[i].options,
                      o.status, o.out, o.err);
        done(o);
    }
}
END_TEST

START_TEST(reports) {
    outcome o = pipe_through("missing", three,
                             "--profile f32 --json \"$D/x.json\" --junit \"$D/x.xml\" --markdown \"$D/x.md\"");
    ck_assert_int_eq(o.status, 3);
    done(o);
    o = shell("grep -c '\"verdict\": \"BROKEN\"' \"$D/x.json\" && grep -q 'no frame for this case' \"$D/x.xml\" && cat "
              "\"$D/x.md\"");
    ck_assert_msg(o.status == 0 && strstr(o.out, "no frame for this case"), "%s%s", o.out, o.err);
    done(o);
}
END_TEST

START_TEST(wrong_options) {
    expect_one_line_error(shell("$GLASSBOX verify </dev/null"), "verify without --stream");
    expect_one_line_error(shell("$GLASSBOX verify --stream --family nobody </dev/null"), "family");
    expect_one_line_error(shell("$GLASSBOX verify --stream --level slow </dev/null"), "level");
    expect_one_line_error(shell("$GLASSBOX verify --stream --profile no </dev/null"), "profile");
    expect_one_line_error(shell("$GLASSBOX verify --stream --profile ./no.json </dev/null"), "no.json");
    expect_one_line_error(shell("$GLASSBOX verify --stream --only x </dev/null"), "--only");
    expect_one_line_error(shell("$GLASSBOX gen --stream -o \"$D\""), "both");
    expect_one_line_error(shell("$GLASSBOX gen --stream >/dev/full"), "full disk");
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("stream");
    TCase *c = tcase_create("stream");
    tcase_set_timeout(c, 120);
    tcase_add_checked_fixture(c, make_folder, remove_folder);
    tcase_add_test(c, right_program_passes);
    tcase_add_test(c, quick_level);
    tcase_add_loop_test(c, faulty_program, 0, sizeof faults / sizeof faults[0]);
    tcase_add_test(c, the_others_are_judged);
    tcase_add_test(c, nothing_for_a_second);
    tcase_add_test(c, empty_stream);
    tcase_add_test(c, limit_is_an_option);
    tcase_add_loop_test(c, reproduce_line, 0, sizeof wrong_sets / sizeof wrong_sets[0]);
    tcase_add_test(c, a_failure_is_diagnosed);
    tcase_add_test(c, options_of_check);
    tcase_add_test(c, reports);
    tcase_add_test(c, wrong_options);
    suite_add_tcase(s, c);
    return s;
}

int main(void) { return test_main(suite()); }
