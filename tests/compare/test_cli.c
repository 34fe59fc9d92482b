/* SPDX-License-Identifier: Apache-2.0
 *
 * The command line, from outside: exit statuses, one line per error, what is on stdout and what is on stderr, whole
 * files or none. The program is $GLASSBOX, by default build/glassbox; its output goes to files of a fresh folder.
 */
#include "../testing.h"

#include <dirent.h>
#include <jansson.h>
#include <stdarg.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../compare/io/tensors.h"

static char folder[64];

static const char *program(void) {
    const char *named = getenv("GLASSBOX");
    return named ? named : "build/glassbox";
}

static void make_folder(void) {
    strcpy(folder, "/tmp/glassbox-test-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
}

static void remove_folder(void) {
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    ck_assert_int_eq(system(command), 0);
}

static char *read_all(const char *path) {
    FILE *from = fopen(path, "rb");
    ck_assert_msg(from != NULL, "cannot open %s", path);
    char *text = calloc(1, 1 << 20);
    ck_assert_ptr_nonnull(text);
    text[fread(text, 1, (1 << 20) - 1, from)] = 0;
    fclose(from);
    return text;
}

typedef struct outcome {
    int status;
    char *out, *err;
} outcome;

/* Runs a shell command in which %s was replaced as by printf; GLASSBOX and D stand for the program and the folder. */
static outcome shell(const char *format, ...) {
    char line[2048], command[4096], path[128];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    snprintf(command, sizeof command, "GLASSBOX='%s'; D='%s'; { %s ; } >'%s/.out' 2>'%s/.err'", program(), folder, line,
             folder, folder);
    int state = system(command);
    ck_assert_msg(WIFEXITED(state), "%s", command);
    outcome o = {.status = WEXITSTATUS(state)};
    snprintf(path, sizeof path, "%s/.out", folder);
    o.out = read_all(path);
    snprintf(path, sizeof path, "%s/.err", folder);
    o.err = read_all(path);
    return o;
}

static void done(outcome o) {
    free(o.out);
    free(o.err);
}

static int lines_in(const char *text) {
    int lines = 0;
    for (; *text; text++) lines += *text == '\n';
    return lines;
}

static void expect_one_line_error(outcome o, const char *what) {
    ck_assert_msg(o.status == 2, "%s: exit status %d, stderr %s", what, o.status, o.err);
    ck_assert_msg(lines_in(o.err) == 1, "%s: stderr is not one line: %s", what, o.err);
    ck_assert_msg(strncmp(o.err, "glassbox", 8) == 0, "%s: stderr %s", what, o.err);
    ck_assert_msg(o.err[strlen(o.err) - 1] == '\n', "%s: stderr %s", what, o.err);
    done(o);
}

static void expect_good(outcome o) {
    ck_assert_msg(o.status == 0, "exit status %d: %s%s", o.status, o.out, o.err);
    ck_assert_str_eq(o.err, "");
    done(o);
}

/* Files of the folder, hidden ones left out. */
static int visible_files(void) {
    DIR *d = opendir(folder);
    ck_assert_ptr_nonnull(d);
    int count = 0;
    for (struct dirent *e; (e = readdir(d));) count += e->d_name[0] != '.';
    closedir(d);
    return count;
}

/* A tiny case as $D/case.safetensors. */
static void make_case(void) {
    expect_good(shell("$GLASSBOX gen --T 9 --H 2 --dk 3 --dv 4 --initial-state -o \"$D\""));
    expect_good(shell("mv \"$D\"/mild-*.safetensors \"$D/case.safetensors\""));
}

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
        expect_good(shell("$GLASSBOX gen --family %s -o \"$D/all\"", json_string_value(json_object_get(row, "name"))));
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

START_TEST(table_of_run) {
    make_case();
    outcome o = shell("$GLASSBOX run \"$D/case.safetensors\"");
    ck_assert_int_eq(o.status, 0);
    ck_assert_int_eq(lines_in(o.out), 3); /* heading, o, final_state */
    done(o);
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
    o = shell("$GLASSBOX study gate-gradient --longest 64 --csv \"$D/x.csv\" && cat \"$D/x.csv\"");
    ck_assert_msg(o.status == 0 && strstr(o.out, "gates,T,rms,direct,suffix,strict\n\"-1\",64,"), "%s", o.out);
    done(o);
}
END_TEST

/* ---- what goes wrong outside ---- */

START_TEST(full_disk) {
    make_case();
    expect_one_line_error(shell("$GLASSBOX list >/dev/full"), "list >/dev/full");
    expect_one_line_error(shell("$GLASSBOX run \"$D/case.safetensors\" -o /dev/full"), "run -o /dev/full");
    expect_one_line_error(shell("$GLASSBOX study gate-gradient --longest 64 --csv /dev/full >/dev/null"),
                          "--csv /dev/full");
}
END_TEST

/* No byte may be written to a file (limit 0): the old file stays, and nothing is left beside it. */
START_TEST(nothing_half_written) {
    static const char *const lines[] = {"run \"$D/case.safetensors\" -o \"$D/old.safetensors\"",
                                        "run \"$D/case.safetensors\" -o \"$D/old.npz\"",
                                        "truth \"$D/case.safetensors\" -o \"$D/old.safetensors\"",
                                        "study gate-gradient --longest 64 --csv \"$D/old.csv\""};
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
                                        "cross --T 5 --dk 2 --dv 2", "study gate-gradient --longest 64"};
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        outcome o = shell("$GLASSBOX %s", lines[i]);
        ck_assert_int_eq(o.status, 0);
        ck_assert_msg(!strpbrk(o.out, "\033\r") && o.err[0] == 0, "%s", lines[i]);
        done(o);
    }
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("cli");
    TCase *c = tcase_create("cli");
    tcase_set_timeout(c, 60);
    tcase_add_checked_fixture(c, make_folder, remove_folder);
    tcase_add_test(c, help_of_every_command);
    tcase_add_test(c, version);
    tcase_add_loop_test(c, bad_line, 0, sizeof bad_lines / sizeof bad_lines[0]);
    tcase_add_test(c, bad_names_in_lists);
    tcase_add_test(c, list_is_json);
    tcase_add_test(c, list_is_true);
    tcase_add_test(c, readme_is_complete);
    tcase_add_test(c, gen_run_truth);
    tcase_add_test(c, truth_says_uncertified);
    tcase_add_test(c, table_of_run);
    tcase_add_test(c, cross_table);
    tcase_add_test(c, cross_shows_what_fails);
    tcase_add_test(c, studies);
    tcase_add_test(c, full_disk);
    tcase_add_test(c, nothing_half_written);
    tcase_add_test(c, pipes_are_plain);
    suite_add_tcase(s, c);
    return s;
}

int main(void) { return test_main(suite()); }
