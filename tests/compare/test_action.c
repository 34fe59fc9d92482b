/* SPDX-License-Identifier: Apache-2.0
 *
 * What continuous integration gets: the composite action's script with the variables that its runner sets, and JSON
 * that follows its schema.
 */
#include "schema.h"
#include "shell.h"

/* The action, with what a runner would set; GLASSBOX makes it use the program at hand. */
static outcome act(const char *cases, const char *profile, const char *more) {
    return shell("export GLASSBOX=\"$(realpath $GLASSBOX)\" GLASSBOX_CASES=\"%s\" GLASSBOX_PROFILE=\"%s\""
                 " GLASSBOX_ARGUMENTS=\"%s\" GLASSBOX_JUNIT=\"$D/x.xml\" GITHUB_OUTPUT=\"$D/output\""
                 " GITHUB_STEP_SUMMARY=\"$D/summary\"; compare/action/run.sh",
                 cases, profile, more);
}

static void expect_text(const char *leaf, const char *text) {
    char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, leaf);
    char *all = read_all(path);
    ck_assert_msg(strstr(all, text) != NULL, "'%s' is not in %s", text, all);
    free(all);
}

static const char mild[] = "data/real/gla_chunk_bf16_varlen.safetensors",
                  tf32[] = "data/real/gla_chunk_fp32_mild.safetensors";

START_TEST(passing_step) {
    outcome o = act(mild, "", "");
    ck_assert_msg(o.status == 0, "%s%s", o.out, o.err);
    done(o);
    expect_text("output", "status=0\n");
    expect_text("summary", "exit status 0");
    expect_text("summary", "| PASS |");
    expect_text("x.xml", "<testsuite name=\"glassbox\"");
}
END_TEST

START_TEST(failing_step) {
    char both[200];
    snprintf(both, sizeof both, "%s %s", mild, tf32);
    outcome o = act(both, "", "--only o");
    ck_assert_msg(o.status == 1, "%d %s%s", o.status, o.out, o.err);
    done(o);
    expect_text("output", "status=1\n");
    expect_text("summary", "| FAIL |");
    o = act(tf32, "f32-tf32", "");
    ck_assert_msg(o.status == 0, "%d %s%s", o.status, o.out, o.err);
    done(o);
}
END_TEST

START_TEST(step_without_cases) {
    outcome o = act("", "", "");
    ck_assert_int_ne(o.status, 0);
    done(o);
    o = act("$D/absent.safetensors", "", "");
    ck_assert_int_eq(o.status, 2);
    done(o);
}
END_TEST

/* action.yml runs that script with exactly these variables. */
START_TEST(action_file) {
    char *text = read_all("compare/action/action.yml");
    static const char *const wanted[] = {"using: composite",
                                         "shell: bash",
                                         "run: '\"$GITHUB_ACTION_PATH/run.sh\"'",
                                         "GLASSBOX_CASES: ${{ inputs.cases }}",
                                         "GLASSBOX_PROFILE: ${{ inputs.profile }}",
                                         "GLASSBOX_ARGUMENTS: ${{ inputs.arguments }}",
                                         "GLASSBOX_JUNIT: ${{ inputs.junit }}",
                                         "value: ${{ steps.check.outputs.status }}"};
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++)
        ck_assert_msg(strstr(text, wanted[i]) != NULL, "%s", wanted[i]);
    free(text);
    expect_good(shell("test -x compare/action/run.sh && bash -n compare/action/run.sh"));
}
END_TEST

/* ---- check --json ---- */

static void expect_schema(const char *leaf) {
    char path[128];
    json_error_t why;
    snprintf(path, sizeof path, "%s/%s", folder, leaf);
    json_t *schema = json_load_file("data/schema/check.schema.json", JSON_REJECT_DUPLICATES, &why);
    ck_assert_msg(schema != NULL, "line %d: %s", why.line, why.text);
    json_t *x = json_load_file(path, JSON_REJECT_DUPLICATES, &why);
    ck_assert_msg(x != NULL, "line %d: %s", why.line, why.text);
    ck_assert_msg(schema_valid(schema, schema, x, "report"), "%s", schema_error);
    ck_assert_uint_ge(json_array_size(json_object_get(x, "cases")), 1);
    /* and the schema can say no */
    json_t *first = json_array_get(json_object_get(x, "cases"), 0);
    json_object_set_new(first, "verdict", json_string("MAYBE"));
    ck_assert(!schema_valid(schema, schema, x, "report"));
    json_object_del(first, "verdict");
    ck_assert(!schema_valid(schema, schema, x, "report"));
    json_decref(x);
    json_decref(schema);
}

/* A pass, a failure with NaN, a wrong shape, a file that is none, and a stream with a case missing. */
START_TEST(json_follows_its_schema) {
    static const struct {
        const char *command;
        int status;
    } lines[] = {
        {"$GLASSBOX check data/real/gla_chunk_bf16_varlen.safetensors", 0},
        {"$GLASSBOX check \"$D/case.safetensors\" --candidate \"$D/nan.npz\" --profile f32", 1},
        {"$GLASSBOX check \"$D/case.safetensors\" --candidate \"$D/long.npz\" --profile f32", 3},
        {"$GLASSBOX check \"$D/nothing.npz\"", 2},
        {"$GLASSBOX check \"$D/case.safetensors\"", 4},
        {"$GLASSBOX verify --stream </dev/null", 3},
    };
    expect_good(shell("$GLASSBOX gen --family staircase --H 2 --dk 3 --dv 4 -o \"$D\""));
    expect_good(shell("mv \"$D\"/staircase-* \"$D/case.safetensors\""));
    expect_good(
        shell("$GLASSBOX run \"$D/case.safetensors\" -f parallel-naive -n binary32 --dtype F32 -o \"$D/nan.npz\""));
    expect_good(shell("$GLASSBOX gen --T 10 --H 2 --dk 3 --dv 4 -o \"$D/other\""));
    expect_good(shell("$GLASSBOX run \"$D\"/other/* --dtype F32 -o \"$D/long.npz\""));
    expect_good(shell("echo no >\"$D/nothing.npz\""));
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        outcome o = shell("%s --json \"$D/x.json\"", lines[i].command);
        ck_assert_msg(o.status == lines[i].status, "%s: %d\n%s%s", lines[i].command, o.status, o.out, o.err);
        done(o);
        expect_schema("x.json");
    }
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("action");
    TCase *c = tcase_create("action");
    tcase_set_timeout(c, 120);
    tcase_add_checked_fixture(c, make_folder, remove_folder);
    tcase_add_test(c, passing_step);
    tcase_add_test(c, failing_step);
    tcase_add_test(c, step_without_cases);
    tcase_add_test(c, action_file);
    tcase_add_test(c, json_follows_its_schema);
    suite_add_tcase(s, c);
    return s;
}

int main(void) { return test_main(suite()); }
