/* SPDX-License-Identifier: Apache-2.0
 *
 * Reports of judgements: text, JSON, JUnit, Markdown, on judgements made by hand, with every verdict, the longest
 * numbers, and names that need escaping.
 */
#include "../testing.h"

#include <jansson.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

#include "../../compare/cli_report.h"

static gla_tensor_verdict tensor(gla_verdict verdict) {
    return (gla_tensor_verdict){.judged = true,
                                .verdict = verdict,
                                .shape = {1, 4096, 16, 128},
                                .count = 8388608,
                                .worst = 0.25,
                                .at = {0, 4095, 15, 127},
                                .got = -1.23456789e-100,
                                .want = -1.23456788e-100,
                                .allowed = 1e-102,
                                .rms_error = 1e-5,
                                .rms_truth = 1};
}

/* Every verdict once. */
static cli_judged every_verdict(void) {
    cli_judged j = {.name = "a<b & \"c\" | d", .path = "cases/a.safetensors", .reproduce = "glassbox check a"};
    j.judgement.profile = gla_profiles[0];
    j.judgement.verdict = GLA_BROKEN;
    j.judgement.judged = 5;
    j.judgement.changed = 1u << GLA_IN_V;
    for (int i = 0; i < 5; i++) j.judgement.tensor[i] = tensor((gla_verdict)i);
    gla_tensor_verdict *failed = &j.judgement.tensor[GLA_FAIL];
    failed->worst = INFINITY;
    failed->got = NAN;
    failed->nan = 8388607;
    failed->inf = 1;
    failed->over = 8388607;
    failed->marginal = 1;
    failed->first_bad = (gla_bad_place){true, GLA_DK, {0, 4095, 0, 0}, 0, 4095, 63, 63};
    j.judgement.tensor[GLA_BROKEN].why = "wrong shape";
    j.judgement.tensor[GLA_MARGINAL].marginal = 2;
    j.judgement.tensor[GLA_UNCERTIFIED].uncertified = 3;
    return j;
}

static const gla_diagnosis no_cause = {.sentence = "no known cause fits"};

static cli_judged plain_pass(void) {
    cli_judged j = {.name = "good", .path = "good.npz", .reproduce = "glassbox check good", .diagnosis = &no_cause};
    j.judgement.profile = gla_profiles[0];
    j.judgement.judged = 1;
    j.judgement.tensor[GLA_O] = tensor(GLA_PASS);
    return j;
}

static const gla_error unreadable = {GLA_BAD_FILE, "x.npz: not a <case>", ""};

static cli_judged not_loaded(void) { return (cli_judged){.name = "x", .path = "x.npz", .error = &unreadable}; }

static cli_judged nothing_judged(void) { return (cli_judged){.name = "y", .path = "y.npz"}; }

static char *text_of(const char *path) {
    FILE *from = fopen(path, "rb");
    ck_assert_ptr_nonnull(from);
    char *text = calloc(1, 65536);
    ck_assert_uint_gt(fread(text, 1, 65535, from), 0);
    fclose(from);
    unlink(path);
    return text;
}

typedef gla_status report(const char *path, const cli_judged *list, size_t count, gla_error *err);

static char *reported(report *write, const cli_judged *list, size_t count) {
    char path[] = "/tmp/glassbox-report-XXXXXX";
    gla_error err = {0};
    close(mkstemp(path));
    ck_assert_msg(write(path, list, count, &err) == GLA_OK, "%s", err.what);
    return text_of(path);
}

static char *printed(const cli_judged *j) {
    char path[] = "/tmp/glassbox-report-XXXXXX";
    int to = mkstemp(path), kept = dup(STDOUT_FILENO);
    fflush(stdout);
    dup2(to, STDOUT_FILENO);
    cli_report_text(j);
    fflush(stdout);
    dup2(kept, STDOUT_FILENO);
    close(to);
    close(kept);
    return text_of(path);
}

static void expect(const char *text, const char *part) {
    ck_assert_msg(strstr(text, part), "no '%s' in %s", part, text);
}

static int count_of(const char *text, const char *part) {
    int count = 0;
    for (const char *at = text; (at = strstr(at, part)); at++) count++;
    return count;
}

START_TEST(text_says_what_is_wrong) {
    cli_judged j = every_verdict();
    char *text = printed(&j);
    static const char *const parts[] = {"BROKEN a<b",
                                        "PASS",
                                        "MARGINAL",
                                        "UNCERTIFIED",
                                        "FAIL",
                                        "wrong shape: [1,4096,16,128]",
                                        "8388607 NaN, 1 Inf",
                                        "8388607 of 8388608 elements",
                                        "first bad dk[0,4095,0,0], made\n      last token first",
                                        "2 marginal",
                                        "3 without certified truth",
                                        "reproduce: glassbox check a",
                                        "input v was changed"};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) expect(text, parts[i]);
    free(text);
}
END_TEST

START_TEST(text_is_narrow) {
    cli_judged j = every_verdict();
    char *text = printed(&j);
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
        ck_assert_msg(strlen(line) <= 120, "%zu columns: %s", strlen(line), line);
    free(text);
}
END_TEST

START_TEST(text_of_a_pass_is_short) {
    cli_judged j = plain_pass();
    char *text = printed(&j);
    expect(text, "PASS good");
    ck_assert_int_eq(count_of(text, "\n"), 3);
    ck_assert_int_eq(count_of(text, "reproduce"), 0);
    free(text);
}
END_TEST

START_TEST(text_of_what_was_not_judged) {
    cli_judged first = not_loaded(), second = nothing_judged();
    char *text = printed(&first);
    ck_assert_str_eq(text, "NOT JUDGED x: x.npz: not a <case>\n");
    free(text);
    text = printed(&second);
    ck_assert_str_eq(text, "NOT JUDGED y: no output under test\n");
    free(text);
}
END_TEST

/* A cause of more than a line, a place, and shares of every size. */
static gla_diagnosis full_diagnosis(void) {
    gla_diagnosis d = {
        .found = true, .cause = "one-anchor-overflow", .explains = 1u << GLA_O | 1u << GLA_DQ, .closer = 42};
    memset(d.sentence, 'w', sizeof d.sentence - 1);
    for (size_t i = 9; i < sizeof d.sentence - 1; i += 10) d.sentence[i] = ' ';
    memcpy(d.sentence, "a < b", 5);
    d.first = (gla_bad_place){true, GLA_O, {0, 70, 1, 5}, 2, 70, 1, 6};
    d.share[GLA_O].heads = 2;
    d.share[GLA_O].tokens = GLA_STRETCHES;
    d.share[GLA_O].head[1] = 1;
    for (int i = 0; i < GLA_STRETCHES; i++) d.share[GLA_O].token[i] = i == 0 ? 0 : 1e-9 + (i - 1) / 62.0;
    return d;
}

START_TEST(diagnosis_as_text) {
    gla_diagnosis d = full_diagnosis();
    cli_judged j = every_verdict();
    j.diagnosis = &d;
    j.explain = "glassbox explain a";
    char *text = printed(&j);
    expect(text, "  likely cause: a < b");
    expect(text, "predicts o dq: 42 times nearer than the truth");
    expect(text, "first bad: o[0,70,1,5]: token 70 of sequence 2, chunk 1, row 6 of 64");
    expect(text, "bad by head:  o              | @|");
    expect(text, "bad by token: o              | .......");
    expect(text, "%@|");
    expect(text, "explain: glassbox explain a");
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
        ck_assert_msg(strlen(line) <= 120, "%zu columns: %s", strlen(line), line);
    free(text);
}
END_TEST

START_TEST(diagnosis_in_files) {
    gla_diagnosis d = full_diagnosis();
    cli_judged j = every_verdict();
    j.diagnosis = &d;
    char *text = reported(cli_report_json, &j, 1);
    json_t *all = json_loads(text, 0, NULL), *one = json_array_get(json_object_get(all, "cases"), 0);
    json_t *told = json_object_get(one, "diagnosis"), *place = json_object_get(one, "first_bad");
    ck_assert_str_eq(json_string_value(json_object_get(told, "cause")), "one-anchor-overflow");
    ck_assert_uint_eq(json_array_size(json_object_get(told, "explains")), 2);
    ck_assert_int_eq(json_integer_value(json_object_get(place, "chunk")), 1);
    json_t *share = json_object_get(json_object_get(told, "bad_share"), "o");
    ck_assert_uint_eq(json_array_size(json_object_get(share, "tokens")), GLA_STRETCHES);
    ck_assert(json_real_value(json_array_get(json_object_get(share, "heads"), 1)) == 1);
    json_decref(all);
    free(text);
    text = reported(cli_report_junit, &j, 1);
    expect(text, "likely cause: a &lt; b");
    free(text);
}
END_TEST

START_TEST(exit_statuses) {
    static const cli_exit plain[] = {CLI_PASS, CLI_PASS, CLI_UNCERTAIN, CLI_MISMATCH, CLI_BROKEN};
    static const cli_exit strict[] = {CLI_PASS, CLI_MISMATCH, CLI_UNCERTAIN, CLI_MISMATCH, CLI_BROKEN};
    cli_judged j = plain_pass();
    for (int v = GLA_PASS; v <= GLA_BROKEN; v++) {
        j.judgement.verdict = (gla_verdict)v;
        ck_assert_int_eq(cli_judged_exit(&j, false), plain[v]);
        ck_assert_int_eq(cli_judged_exit(&j, true), strict[v]);
    }
    cli_judged first = not_loaded(), second = nothing_judged();
    ck_assert_int_eq(cli_judged_exit(&first, false), CLI_USAGE);
    ck_assert_int_eq(cli_judged_exit(&second, false), CLI_UNCERTAIN);
}
END_TEST

START_TEST(json_holds_everything) {
    const cli_judged list[] = {every_verdict(), plain_pass(), not_loaded(), nothing_judged()};
    char *text = reported(cli_report_json, list, 4);
    json_error_t error;
    json_t *all = json_loads(text, 0, &error);
    ck_assert_msg(all != NULL, "%s", error.text);
    json_t *cases = json_object_get(all, "cases"), *bad = json_array_get(cases, 0), *failed;
    ck_assert_uint_eq(json_array_size(cases), 4);
    ck_assert_str_eq(json_string_value(json_object_get(bad, "case")), "a<b & \"c\" | d");
    ck_assert_str_eq(json_string_value(json_object_get(bad, "verdict")), "BROKEN");
    ck_assert_uint_eq(json_array_size(json_object_get(bad, "tensors")), 5);
    ck_assert_str_eq(json_string_value(json_array_get(json_object_get(bad, "changed_inputs"), 0)), "v");
    failed = json_array_get(json_object_get(bad, "tensors"), GLA_FAIL);
    ck_assert_str_eq(json_string_value(json_object_get(failed, "name")), "dk");
    ck_assert_str_eq(json_string_value(json_object_get(failed, "got")), "NaN");
    ck_assert_str_eq(json_string_value(json_object_get(failed, "worst")), "Infinity");
    ck_assert(json_real_value(json_object_get(failed, "want")) == -1.23456788e-100);
    ck_assert_int_eq(json_integer_value(json_array_get(json_object_get(failed, "first_bad"), 1)), 4095);
    ck_assert_str_eq(json_string_value(json_object_get(json_array_get(cases, 1), "verdict")), "PASS");
    ck_assert_str_eq(json_string_value(json_object_get(json_array_get(cases, 2), "error")), unreadable.what);
    ck_assert_str_eq(json_string_value(json_object_get(json_array_get(cases, 3), "verdict")), "NOT JUDGED");
    json_decref(all);
    free(text);
}
END_TEST

START_TEST(junit_counts_and_escapes) {
    const cli_judged list[] = {every_verdict(), plain_pass(), not_loaded(), nothing_judged()};
    char *text = reported(cli_report_junit, list, 4);
    expect(text, "tests=\"9\" failures=\"3\" errors=\"3\"");
    ck_assert_int_eq(count_of(text, "<testcase "), 9);
    ck_assert_int_eq(count_of(text, "</testcase>"), 9);
    ck_assert_int_eq(count_of(text, "<failure "), 3);
    ck_assert_int_eq(count_of(text, "<error "), 3);
    expect(text, "a&lt;b &amp; &quot;c&quot; | d");
    expect(text, "x.npz: not a &lt;case&gt;");
    ck_assert_int_eq(count_of(text, "a<b"), 0);
    free(text);
}
END_TEST

START_TEST(markdown_is_one_table) {
    const cli_judged list[] = {every_verdict(), plain_pass(), not_loaded(), nothing_judged()};
    char *text = reported(cli_report_markdown, list, 4);
    int lines = 0;
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"), lines++)
        ck_assert_msg(count_of(line, "|") == 9, "%s", line);
    ck_assert_int_eq(lines, 2 + 6 + 1 + 1 + 1);
    free(text);
}
END_TEST

START_TEST(no_report_is_half_written) {
    const cli_judged list[] = {plain_pass()};
    gla_error err = {0};
    ck_assert_int_eq(cli_report_json("/nowhere/at/all.json", list, 1, &err), GLA_IO_ERROR);
    ck_assert_int_eq(cli_report_junit("/dev/full", list, 1, &err), GLA_IO_ERROR);
    ck_assert_int_eq(cli_report_markdown("/dev/full", list, 1, &err), GLA_IO_ERROR);
    ck_assert_int_eq(cli_report_json("/dev/full", list, 1, &err), GLA_IO_ERROR);
}
END_TEST

/* A pass under a wide bound is said to be one, in every report; a failure is a failure whatever its bound. */
START_TEST(a_pass_that_says_little) {
    cli_judged j = plain_pass();
    char *before = printed(&j);
    ck_assert_ptr_null(strstr(before, "says little"));
    free(before);
    j.judgement.judged = 3;
    j.judgement.tensor[GLA_DQ] = tensor(GLA_MARGINAL);
    j.judgement.tensor[GLA_DK] = tensor(GLA_FAIL);
    for (int i = 0; i < GLA_OUTPUTS; i++) {
        j.judgement.tensor[i].loosest = 49;
        j.judgement.tensor[i].says_little = true;
    }
    char *text = printed(&j), *junit = reported(cli_report_junit, &j, 1), *json = reported(cli_report_json, &j, 1);
    char *markdown = reported(cli_report_markdown, &j, 1);
    expect(text, "o: the bound is 49 times the output's rms: this pass says little");
    ck_assert_int_eq(count_of(text, "says little"), 2);
    expect(junit, "<system-out>the bound is 49 times");
    expect(junit, "<system-out>MARGINAL: 0 elements, error/bound 0.25; the bound is 49 times");
    ck_assert_int_eq(count_of(junit, "says little"), 2);
    expect(markdown, "| PASS: says little, the bound is 49 times the rms |");
    ck_assert_int_eq(count_of(markdown, "says little"), 2);
    ck_assert_int_eq(count_of(json, "\"says_little\": true"), 3);
    free(text);
    free(junit);
    free(json);
    free(markdown);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("report");
    TCase *c = tcase_create("report");
    tcase_set_timeout(c, 30);
    tcase_add_test(c, text_says_what_is_wrong);
    tcase_add_test(c, text_is_narrow);
    tcase_add_test(c, text_of_a_pass_is_short);
    tcase_add_test(c, text_of_what_was_not_judged);
    tcase_add_test(c, diagnosis_as_text);
    tcase_add_test(c, diagnosis_in_files);
    tcase_add_test(c, exit_statuses);
    tcase_add_test(c, json_holds_everything);
    tcase_add_test(c, junit_counts_and_escapes);
    tcase_add_test(c, markdown_is_one_table);
    tcase_add_test(c, a_pass_that_says_little);
    tcase_add_test(c, no_report_is_half_written);
    suite_add_tcase(s, c);
    return s;
}

int main(void) { return test_main(suite()); }
