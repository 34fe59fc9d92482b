/* SPDX-License-Identifier: Apache-2.0
 *
 * glassbox check --plugin: right kernels pass, and everything that a shared object can do wrong ends in one line that
 * says what it was, the right exit status, and nothing left running.
 */
#include "plugin_testing.h"

#include <errno.h>
#include <jansson.h>
#include <signal.h>
#include <stdbool.h>

/* ---- right kernels ---- */

/* The example as documented: small, forward only, what it declines is skipped. */
START_TEST(minimal_passes) {
    outcome o = shell("$GLASSBOX check --plugin %s --case 'gla/[mrvi]*' --jobs 2", plugin_path("minimal"));
    expect_verdict(o, "minimal", 0, " SKIPPED\n");
    FILE *from = fopen("tests/compare/plugins/minimal.c", "r");
    int lines = 0;
    ck_assert_ptr_nonnull(from);
    for (int c; (c = fgetc(from)) != EOF;) lines += c == '\n';
    fclose(from);
    ck_assert_int_le(lines, 60);
}
END_TEST

/* Every family in its own shape, some in awkward ones (value gates, shared heads, reversed, packed) and in bf16. */
START_TEST(gradients_pass) {
    outcome o = shell("for c in '*/f32/s1' 'gla/[mrv]*/f32/s[2-9]*' 'gla/[mr]*/bf16/s*[0-9]'; do "
                      "$GLASSBOX check --plugin %s --jobs 2 --case \"$c\" || exit; done",
                      plugin_path("gradients"));
    char *bad = strstr(o.out, "FAIL");
    ck_assert_msg(o.status == 0 && o.err[0] == 0, "%d: %.2000s%s", o.status, bad ? bad : "", o.err);
    ck_assert_ptr_null(bad);
    ck_assert_ptr_null(strstr(o.out, "SKIPPED"));
    ck_assert_ptr_nonnull(strstr(o.out, "/bf16/"));
    ck_assert_ptr_nonnull(strstr(o.out, "/f32/"));
    ck_assert_int_ge(lines_in(o.out), 40);
    done(o);
}
END_TEST

/* On a machine without a device the CUDA example declines; with one it passes. Built only where nvcc is. */
START_TEST(cuda_declines_or_passes) {
    if (access(plugin_path("minimal_cuda"), R_OK) != 0) {
        puts("no nvcc: the CUDA plug-in was not built");
        return;
    }
    outcome o = shell("$GLASSBOX check --plugin %s --case 'gla/mild/T67*' --jobs 1", plugin_path("minimal_cuda"));
    ck_assert_msg(o.status == 0 || (o.status == 77 && strstr(o.out, "no CUDA device")), "%d %s", o.status, o.out);
    done(o);
}
END_TEST

/* ---- one fault each ---- */

static const struct {
    const char *fault;
    int status;
    const char *text;
} faults[] = {
    {"load-crash", 3, "crash: SIGSEGV while it was loaded"},
    {"load-hang", 3, "hang: not done within 1 s, while it was loaded"},
    {"info-null", 3, "cannot be loaded: glassbox_plugin_info returned NULL"},
    {"info-crash", 3, "crash: SIGSEGV in glassbox_plugin_info"},
    {"abi", 3, "cannot be loaded: it speaks version 99 of the interface, this program version 2"},
    {"info-size", 3, "cannot be loaded: glassbox_info.size is 1073741824, not 80"},
    {"limits", 3, "cannot be loaded: its info has a negative size limit"},
    {"formats", 3, "cannot be loaded: its info names no format"},
    {"name", 3, "crash: SIGSEGV in glassbox_plugin_info"},
    {"mechanism", 77, "declined: mechanism gla is not among its own (retention glass)"},
    {"small", 77, "declined: T = 67 is above its limit of 10"},
    {"decline", 77, "declined: not on?a Sunday"},
    {"workspace-huge", 3, "refused: it asks for a workspace of 9223372036854775807 bytes"},
    {"workspace-negative", 3, "refused: it asks for a workspace of -1 bytes"},
    {"workspace-near", 3, "out of bounds: writes 1 byte past the end of its workspace"},
    {"workspace-past", 3, "out of bounds: touches memory 101 bytes past the end of its workspace"},
    {"crash", 3, "crash: SIGSEGV in glassbox_plugin_run"},
    {"abort", 3, "crash: SIGABRT in glassbox_plugin_run"},
    {"hang", 3, "hang: not done within 1 s, in glassbox_plugin_run"},
    {"stop", 3, "hang: not done within 1 s, in glassbox_plugin_run"},
    {"exit", 3, "exit: exit(0) in glassbox_plugin_run"},
    {"error", 3, "error: glassbox_plugin_run returned 7"},
    {"nothing", 3, "not all written: o: 4824 of 4824 elements never written, first [0,0,0,0]"},
    {"half", 3, "not all written: o: 2 of 4824 elements never written, first [0,66,2,22]"},
    {"past", 3, "out of bounds: writes 1 byte past the end of o"},
    {"far-past", 3, "out of bounds: touches memory 101 bytes past the end of o"},
    {"before", 3, "out of bounds: writes 1 byte before o"},
    {"input", 3, "input changed: writes to its input q"},
    {"input-by-force", 3, "input changed: it changed q"},
    {"child", 3, "processes left: "},
    {"daemon", 3, "processes left: "},
    {"kill-parent", 3, "crash: its supervisor was killed "},
    {"print", 0, "PASS"},
    {"close", 0, "PASS"},
    {"state", 1, "final_state    FAIL"},
#if !defined(__SANITIZE_ADDRESS__) /* a sanitizer's address space cannot be limited */
    {"hungry", 3, "crash: SIGABRT in glassbox_plugin_run (it printed: no memory left)"},
#endif
};
enum { FAULTS = sizeof faults / sizeof faults[0] };

/* A process that wrote its id before it was to be killed. */
static void expect_gone(const char *fault) {
    char path[128];
    int pid;
    snprintf(path, sizeof path, "%s/pid", folder);
    FILE *from = fopen(path, "r");
    if (!from) return;
    ck_assert_int_eq(fscanf(from, "%d", &pid), 1);
    fclose(from);
    ck_assert_msg(kill(pid, 0) != 0 && errno == ESRCH, "%s: process %d is still there", fault, pid);
}

START_TEST(fault) {
    bool hangs = strncmp(faults[_i].text, "hang", 4) == 0;
    const char *options =
        hangs ? "--timeout 1 --jobs 1 --case 'gla/mild/T67*/f32/s1'" : "--jobs 1 --case 'gla/mild/T67*/f32/s1'";
    expect_verdict(check_fault(faults[_i].fault, options), faults[_i].fault, faults[_i].status, faults[_i].text);
    expect_gone(faults[_i].fault);
}
END_TEST

/* Everything but the fault is right. */
START_TEST(hostile_without_a_fault) {
    expect_verdict(check_fault("none", "--jobs 1 --case 'gla/mild/T67*/f32/s1'"), "none", 0, "PASS gla/mild/T67");
}
END_TEST

/* Three hangs, and the rest is not tried: exit status 3, not an hour. */
START_TEST(hangs_are_not_repeated) {
    outcome o = check_fault("hang", "--timeout 1 --jobs 1 --case 'gla/m*/f32/*'");
    ck_assert_int_eq(o.status, 3);
    ck_assert_ptr_nonnull(strstr(o.out, "not run, because three cases hung"));
    ck_assert_ptr_nonnull(strstr(o.out, " 3 BROKEN "));
    done(o);
}
END_TEST

START_TEST(not_a_plugin) {
    expect_verdict(shell("$GLASSBOX check --plugin README.md"), "README.md", 3, "cannot be loaded: ");
    expect_verdict(shell("$GLASSBOX check --plugin %s", plugin_path("no_run")), "no_run", 3,
                   "cannot be loaded: no symbol glassbox_plugin_run");
    expect_one_line_error(shell("$GLASSBOX check --plugin \"$D/nowhere.so\""), "nowhere.so");
    expect_one_line_error(shell("$GLASSBOX --plugin-runner"), "--plugin-runner");
}
END_TEST

/* ---- other mechanisms ---- */

START_TEST(mechanisms) {
    static const char *const names[] = {"simple_gla", "linear_attention", "retention"};
    const char *path = plugin_path("mechanisms");
    outcome o = shell("$GLASSBOX check --plugin %s --mechanism %s --profile f32", path, names[_i]);
    ck_assert_msg(o.status == 0, "%s: %s%s", names[_i], o.out, o.err);
    ck_assert_msg((strstr(o.out, "/reset/") != NULL) == (_i == 0), "%s", o.out); /* families that fit */
    ck_assert_msg(strstr(o.out, "/permutation") != NULL, "%s", o.out);
    done(o);
    o = shell("GLASSBOX_FAULT=schedule $GLASSBOX check --plugin %s --mechanism %s --profile f32 --case '*/mild/T67*'",
              path, names[_i]);
    ck_assert_int_eq(o.status, _i == 2 ? 1 : 0);
    ck_assert_msg((strstr(o.out, "every head decays as the head behind it should") != NULL) == (_i == 2), "%s", o.out);
    done(o);
    o = shell("$GLASSBOX check --plugin %s", path);
    ck_assert_int_eq(o.status, 77); /* gla is not among its own */
    done(o);
}
END_TEST

/* ---- the command line ---- */

START_TEST(options) {
    const char *path = plugin_path("minimal");
    expect_one_line_error(shell("$GLASSBOX check --level full"), "--level without --plugin");
    expect_one_line_error(shell("$GLASSBOX check --case x data/real"), "--case without --plugin");
    expect_one_line_error(shell("$GLASSBOX check --plugin %s --level quicker", path), "--level quicker");
    expect_one_line_error(shell("$GLASSBOX check --plugin %s --jobs 0", path), "--jobs 0");
    expect_one_line_error(shell("$GLASSBOX check --plugin %s --timeout soon", path), "--timeout soon");
    expect_one_line_error(shell("$GLASSBOX check --plugin %s --mechanism none", path), "--mechanism none");
    expect_one_line_error(shell("$GLASSBOX check --plugin %s data/real", path), "a case file too");
    outcome o = shell("$GLASSBOX check --plugin %s --case nothing", path);
    ck_assert_int_eq(o.status, 4);
    ck_assert_int_eq(lines_in(o.err), 1);
    done(o);
}
END_TEST

/* No id twice, all of quick among those of full, and every id selects its own case alone. */
START_TEST(ids) {
    const char *path = plugin_path("minimal");
    expect_good(shell("$GLASSBOX check --plugin %s --list >\"$D/quick\" && "
                      "$GLASSBOX check --plugin %s --list --level full >\"$D/full\"",
                      path, path));
    expect_good(shell("sort \"$D/quick\" >\"$D/a\"; sort \"$D/full\" >\"$D/b\"; comm -23 \"$D/a\" \"$D/b\" >&2"));
    expect_good(shell("sort \"$D/full\" | uniq -d >&2"));
    expect_verdict(shell("grep -x gla/mild/T67_H3_K20_V24_forward/bf16/s1 \"$D/quick\""), "id", 0, "gla/mild/T67_H3");
    outcome o = shell("$GLASSBOX check --plugin %s --case gla/mild/T67_H3_K20_V24_forward/bf16/s1", path);
    ck_assert_int_eq(lines_in(o.out), 1);
    done(o);
}
END_TEST

/* The same words whatever the number of jobs. */
START_TEST(jobs_do_not_matter) {
    const char *path = plugin_path("minimal");
    expect_good(shell("for j in 1 3; do $GLASSBOX check --plugin %s --case 'gla/m*/f32/*' --jobs $j >\"$D/$j\"; done; "
                      "cmp \"$D/1\" \"$D/3\" >&2",
                      path));
}
END_TEST

START_TEST(reports) {
    outcome o = check_fault("half", "--case 'gla/mild/T67*/*' --json \"$D/j\" --junit \"$D/x\" --markdown \"$D/m\"");
    ck_assert_int_eq(o.status, 3);
    done(o);
    o = shell("cat \"$D/j\"");
    json_t *all = json_loads(o.out, 0, NULL);
    json_t *one = json_array_get(json_object_get(all, "cases"), 0);
    ck_assert_str_eq(json_string_value(json_object_get(one, "verdict")), "BROKEN");
    ck_assert_ptr_nonnull(strstr(json_string_value(json_object_get(one, "finding")), "never written"));
    ck_assert_ptr_nonnull(strstr(json_string_value(json_object_get(one, "reproduce")), "--case 'gla/mild/"));
    json_decref(all);
    done(o);
    expect_verdict(shell("cat \"$D/x\""), "JUnit", 0, "tests=\"2\" failures=\"2\" errors=\"0\" skipped=\"0\"");
    expect_verdict(shell("cat \"$D/m\""), "Markdown", 0, " | BROKEN | not all written: o: ");
    o = check_fault("decline", "--case 'gla/mild/T67*/*' --junit \"$D/x\"");
    ck_assert_int_eq(o.status, 77);
    done(o);
    expect_verdict(shell("cat \"$D/x\""), "JUnit", 0, "failures=\"0\" errors=\"0\" skipped=\"2\"");
}
END_TEST

/* A failing case is left as a file with the outputs in it, which fails like the plug-in did; a passing one is not. */
START_TEST(failing_cases_are_saved) {
    outcome o = check_fault("state", "--case 'gla/mild/T67*' --save \"$D/failing\"");
    ck_assert_int_eq(o.status, 1);
    char *explain = strstr(o.out, "explain: glassbox ");
    ck_assert_msg(explain && strstr(o.out, "likely cause: "), "%s", o.out);
    explain += strlen("explain: glassbox ");
    explain[strcspn(explain, "\n")] = 0;
    expect_good(shell("$GLASSBOX %s", explain));
    done(o);
    o = shell("$GLASSBOX check \"$D/failing\"");
    ck_assert_int_eq(o.status, 1);
    ck_assert_ptr_nonnull(strstr(o.out, "2 cases: 2 FAIL"));
    ck_assert_ptr_nonnull(strstr(o.out, "likely cause: "));
    done(o);
    expect_verdict(check_fault("state", "--case 'gla/mild/T67*/f32/s1' --profile data/profiles/chunk32-bf16.json"),
                   "file", 1, "/s1' --profile data/profiles/chunk32-bf16.json\n");
    expect_verdict(check_fault("none", "--case 'gla/mild/T67*' --save \"$D/none\""), "none", 0, "2 PASS");
    expect_good(shell("test -z \"$(ls \"$D/none\")\""));
    expect_one_line_error(shell("$GLASSBOX check --plugin %s --save /dev/null/x", plugin_path("minimal")), "--save");
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("plugin");
    TCase *right = tcase_create("right"), *wrong = tcase_create("wrong"), *line = tcase_create("command line");
    tcase_set_timeout(right, 180);
    tcase_set_timeout(wrong, 60);
    tcase_set_timeout(line, 120);
    TCase *const cases[] = {right, wrong, line};
    for (int i = 0; i < 3; i++) {
        tcase_add_checked_fixture(cases[i], make_folder, remove_folder);
        suite_add_tcase(s, cases[i]);
    }
    tcase_add_test(right, minimal_passes);
    tcase_add_test(right, gradients_pass);
    tcase_add_test(right, cuda_declines_or_passes);
    tcase_add_loop_test(wrong, fault, 0, FAULTS);
    tcase_add_test(wrong, hostile_without_a_fault);
    tcase_add_test(wrong, hangs_are_not_repeated);
    tcase_add_test(wrong, not_a_plugin);
    tcase_add_loop_test(line, mechanisms, 0, 3);
    tcase_add_test(line, options);
    tcase_add_test(line, ids);
    tcase_add_test(line, jobs_do_not_matter);
    tcase_add_test(line, reports);
    tcase_add_test(line, failing_cases_are_saved);
    return s;
}

int main(void) { return test_main(suite()); }
