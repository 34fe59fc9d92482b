/* SPDX-License-Identifier: Apache-2.0
 *
 * The commands from outside: help, lists, and what each leaves on stdout and in files.
 */
#include "shell.h"

#include <jansson.h>

#include "../../compare/io/tensors.h"

/* ---- help ---- */

START_TEST(help_of_every_command) {
    outcome all = shell("$GLASSBOX --help");
    ck_assert_int_eq(all.status, 0);
    ck_assert_ptr_nonnull(strstr(all.out, "Exit status: 0 pass, 1 mismatch"));
    ck_assert_ptr_nonnull(strstr(all.out, "Example"));
    int commands = 0;
    char *at = strstr(all.out, "Commands:\n") + strlen("Commands:\n"), name[32], opening[64];
    while (*at != '\n' && sscanf(at, "  %31[a-z]", name) == 1) {
        outcome o = shell("$GLASSBOX %s --help", name);
        snprintf(opening, sizeof opening, "Usage: glassbox %s ", name);
        ck_assert_msg(o.status == 0 && o.err[0] == 0, "%s: %d %s", name, o.status, o.err);
        ck_assert_msg(strncmp(o.out, opening, strlen(opening)) == 0, "%s: %s", name, o.out);
        ck_assert_msg(strstr(o.out, "Example") && strstr(o.out, "  glassbox "), "%s has no example", name);
        done(o);
        commands++;
        at = strchr(at, '\n') + 1;
    }
    ck_assert_int_ge(commands, 7);
    done(all);
}
END_TEST

START_TEST(version) {
    outcome o = shell("$GLASSBOX --version");
    ck_assert_int_eq(o.status, 0);
    ck_assert_int_eq(strncmp(o.out, "glassbox ", 9), 0);
    done(o);
}
END_TEST

/* ---- list ---- */

START_TEST(list_is_json) {
    outcome o = shell("$GLASSBOX list --json");
    json_error_t error;
    json_t *all = json_loads(o.out, 0, &error);
    ck_assert_msg(all != NULL, "line %d: %s", error.line, error.text);
    static const char *const keys[] = {"mechanisms", "formulations", "routes", "numbers", "profiles", "families"};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        ck_assert_msg(json_array_size(json_object_get(all, keys[i])) > 0, "%s", keys[i]);
    json_decref(all);
    done(o);
    expect_good(shell("$GLASSBOX list"));
}
END_TEST

/* Every number system without parameters, and every family that is listed, is one. */
START_TEST(list_is_true) {
    make_case();
    outcome o = shell("$GLASSBOX list --json");
    json_t *all = json_loads(o.out, 0, NULL), *row;
    size_t i;
    json_array_foreach(json_object_get(all, "numbers"), i, row) {
        const char *name = json_string_value(json_object_get(row, "name"));
        if (!strchr(name, ':')) expect_good(shell("$GLASSBOX run --numbers %s \"$D/case.safetensors\"", name));
    }
    json_array_foreach(json_object_get(all, "families"), i, row)
        expect_good(shell("$GLASSBOX gen --mechanism %s --family %s -o \"$D/all\"", i < 31 ? "gla" : "kda",
                          json_string_value(json_object_get(row, "name")))); /* the last two are the delta rule's */
    json_decref(all);
    done(o);
}
END_TEST

/* The README names everything that is listed, and every command. */
START_TEST(readme_is_complete) {
    static const char *const keys[] = {"mechanisms", "formulations", "routes", "numbers", "profiles"};
    char *readme = read_all("README.md");
    outcome o = shell("$GLASSBOX list --json");
    json_t *all = json_loads(o.out, 0, NULL), *row;
    for (size_t k = 0; k < sizeof keys / sizeof keys[0]; k++) {
        size_t i;
        json_array_foreach(json_object_get(all, keys[k]), i, row) {
            const char *name = json_string_value(json_object_get(row, "name"));
            bool implied = strcmp(keys[k], "routes") == 0 && strcmp(name, "default") == 0;
            ck_assert_msg(implied || strstr(readme, name), "%s is not in README.md", name);
        }
    }
    json_decref(all);
    done(o);
    o = shell("$GLASSBOX --help | sed -n '/^Commands/,/^$/s/^  \\([a-z]*\\) .*/\\1/p'");
    for (char *name = strtok(o.out, "\n"); name; name = strtok(NULL, "\n")) {
        char use[64];
        snprintf(use, sizeof use, "    glassbox %s ", name);
        ck_assert_msg(strstr(readme, use) != NULL, "no example of %s in README.md", name);
    }
    done(o);
    free(readme);
}
END_TEST

/* ---- gen, run, truth, cross, study ---- */

static void expect_tensors(const char *file, const char *const *names, size_t count) {
    char path[160];
    gla_tensor_file tensors;
    gla_error err = {0};
    snprintf(path, sizeof path, "%s/%s", folder, file);
    ck_assert_msg(gla_tensors_read(path, &tensors, &err) == GLA_OK, "%s", err.what);
    for (size_t i = 0; i < count; i++) ck_assert_msg(gla_tensors_find(&tensors, names[i]) != NULL, "%s", names[i]);
    ck_assert_uint_eq(tensors.count, count);
    gla_tensors_free(&tensors);
}

/* The same run twice gives the same bytes. */
START_TEST(gen_run_truth) {
    static const char *const outputs[] = {"o", "final_state", "dq", "dk", "dv", "dg", "dinitial_state"};
    static const char *const parts[] = {"o",
                                        "final_state",
                                        "dq",
                                        "dk",
                                        "dv",
                                        "dg",
                                        "dinitial_state",
                                        "o.low",
                                        "final_state.low",
                                        "dq.low",
                                        "dk.low",
                                        "dv.low",
                                        "dg.low",
                                        "dinitial_state.low",
                                        "o.magnitude",
                                        "final_state.magnitude",
                                        "dq.magnitude",
                                        "dk.magnitude",
                                        "dv.magnitude",
                                        "dg.magnitude",
                                        "dinitial_state.magnitude"};
    make_case();
    expect_good(
        shell("$GLASSBOX run \"$D/case.safetensors\" -b -f chunkwise:4:2 -n binary32 -o \"$D/run.safetensors\""));
    expect_good(
        shell("$GLASSBOX run \"$D/case.safetensors\" -b -f chunkwise:4:2 -n binary32 -o \"$D/again.safetensors\""));
    expect_good(shell("cmp \"$D/run.safetensors\" \"$D/again.safetensors\""));
    expect_tensors("run.safetensors", outputs, sizeof outputs / sizeof outputs[0]);
    expect_good(shell("$GLASSBOX run \"$D/case.safetensors\" -o \"$D/forward.npz\" --dtype bf16"));
    expect_tensors("forward.npz", outputs, 2);

    outcome o = shell("$GLASSBOX truth \"$D/case.safetensors\" -o \"$D/truth.npz\"");
    ck_assert_msg(o.status == 0, "%s", o.err);
    ck_assert_ptr_nonnull(strstr(o.out, " 0 uncertified"));
    done(o);
    expect_tensors("truth.npz", parts, sizeof parts / sizeof parts[0]);
    for (const char *const *target = (const char *const[]){"binary32", "bf16", "f16", NULL}; *target; target++)
        expect_good(shell("$GLASSBOX truth \"$D/case.safetensors\" --target %s", *target));
}
END_TEST

/* Integers meet ties and exact zeros, which double-double leaves open. The climb decides them, unless it is forbidden.
 */
START_TEST(truth_says_uncertified) {
    expect_good(shell("$GLASSBOX gen --family integers -o \"$D\""));
    outcome o = shell("$GLASSBOX truth \"$D\"/integers-*.safetensors");
    ck_assert_msg(o.status == 0 && strstr(o.out, " 0 uncertified"), "%d %s%s", o.status, o.out, o.err);
    ck_assert_ptr_null(strstr(o.out, " 0 climbed"));
    done(o);
    o = shell("$GLASSBOX truth --cap 2 \"$D\"/integers-*.safetensors");
    ck_assert_msg(o.status == 4 && !strstr(o.out, " 0 uncertified"), "%d %s%s", o.status, o.out, o.err);
    done(o);
}
END_TEST

START_TEST(gen_of_everything) {
    outcome o = shell("$GLASSBOX gen --family all --n 3 --awkward 16 --forward --dtype f32 -o \"$D/all\"");
    ck_assert_msg(o.status == 0, "%s", o.err);
    int files = lines_in(o.out);
    ck_assert_int_gt(files, 3);
    ck_assert_int_eq(files % 3, 0);
    done(o);
    o = shell("ls \"$D/all\" | wc -l");
    ck_assert_int_eq(atoi(o.out), files);
    done(o);
}
END_TEST

START_TEST(table_of_run) {
    make_case();
    outcome o = shell("$GLASSBOX run \"$D/case.safetensors\"");
    ck_assert_int_eq(o.status, 0);
    ck_assert_int_eq(lines_in(o.out), 3); /* heading, o, final_state */
    done(o);
}
END_TEST

static void expect_status(int wanted, outcome o) {
    ck_assert_msg(o.status == wanted, "exit status %d, not %d: %s%s", o.status, wanted, o.out, o.err);
    done(o);
}

/* One candidate for every exit status of check: 0 right, 1 too coarse, 3 of another shape, 4 no outputs at all. */
START_TEST(check_of_every_kind) {
    static const char check[] = "$GLASSBOX check \"$D/case.safetensors\"";
    make_case();
    expect_good(shell("$GLASSBOX run \"$D/case.safetensors\" -b -n binary32 --dtype f32 -o \"$D/good.npz\""));
    expect_good(shell("$GLASSBOX run \"$D/case.safetensors\" -b -n e4m3 --dtype f32 -o \"$D/coarse.npz\""));
    expect_good(shell("$GLASSBOX gen --T 10 --H 2 --dk 3 --dv 4 -o \"$D/other\""));
    expect_good(shell("$GLASSBOX run \"$D\"/other/* --dtype f32 -o \"$D/longer.npz\""));
    expect_status(0, shell("%s --candidate \"$D/good.npz\" --profile f32", check));
    expect_status(1, shell("%s --candidate \"$D/coarse.npz\" --profile f32", check));
    expect_status(3, shell("%s --candidate \"$D/longer.npz\" --profile f32", check));
    expect_status(4, shell("%s", check));
}
END_TEST

START_TEST(cross_table) {
    outcome o = shell("$GLASSBOX cross --T 9 --dk 3 --dv 4 --numbers binary64,bf16 --value-gate");
    ck_assert_msg(o.status == 0, "%s", o.err);
    for (int kind = 0; kind < 5; kind++) {
        static const char *const names[] = {"recurrent+direct", "parallel+suffix", "parallel-naive+suffix",
                                            "chunkwise:64:16+straddle", "chunkwise-factored:64+anchor"};
        ck_assert_msg(strstr(o.out, names[kind]) != NULL, "%s", names[kind]);
    }
    ck_assert_ptr_null(strstr(o.out, "NaN"));
    done(o);
}
END_TEST

START_TEST(cross_shows_what_fails) {
    outcome o = shell("$GLASSBOX cross --family spike --T 70 --dk 3 --dv 4 --form recurrent,parallel-naive");
    ck_assert_msg(o.status == 0, "%s", o.err);
    char *safe = strstr(o.out, "\nrecurrent "), *naive = strstr(o.out, "\nparallel-naive ");
    ck_assert(safe && naive && safe < naive);
    ck_assert_ptr_nonnull(strstr(naive, "NaN"));
    *naive = 0;
    ck_assert_ptr_null(strstr(safe, "NaN"));
    done(o);
}
END_TEST

START_TEST(studies) {
    outcome o = shell("$GLASSBOX study");
    ck_assert(o.status == 0 && strstr(o.out, "gate-gradient") && strstr(o.out, "reset"));
    done(o);
    o = shell("$GLASSBOX study hazards --longest 1 --csv \"$D/x.csv\" && cat \"$D/x.csv\"");
    ck_assert_msg(o.status == 0 && strstr(o.out, "low,high,measured,ratio,within_2\nH4,"), "%s", o.out);
    done(o);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("cli");
    TCase *c = tcase_create("cli");
    tcase_set_timeout(c, 60);
    tcase_add_checked_fixture(c, make_folder, remove_folder);
    tcase_add_test(c, help_of_every_command);
    tcase_add_test(c, version);
    tcase_add_test(c, list_is_json);
    tcase_add_test(c, list_is_true);
    tcase_add_test(c, readme_is_complete);
    tcase_add_test(c, gen_run_truth);
    tcase_add_test(c, truth_says_uncertified);
    tcase_add_test(c, gen_of_everything);
    tcase_add_test(c, table_of_run);
    tcase_add_test(c, check_of_every_kind);
    tcase_add_test(c, cross_table);
    tcase_add_test(c, cross_shows_what_fails);
    tcase_add_test(c, studies);
    suite_add_tcase(s, c);
    return s;
}

int main(void) { return test_main(suite()); }
