/* SPDX-License-Identifier: Apache-2.0
 *
 * Driving the command line from a test: every test has a folder of its own, whose commands run in a shell with their
 * output in files. The program is $GLASSBOX, by default build/glassbox.
 */
#ifndef GLASSBOX_TESTS_SHELL_H
#define GLASSBOX_TESTS_SHELL_H

#include "../testing.h"

#include <dirent.h>
#include <stdarg.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static char folder[64];

static inline const char *program(void) {
    const char *named = getenv("GLASSBOX");
    return named ? named : "build/glassbox";
}

static inline void make_folder(void) {
    strcpy(folder, "/tmp/glassbox-test-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
}

static inline void remove_folder(void) {
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    ck_assert_int_eq(system(command), 0);
}

static inline char *read_all(const char *path) {
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
static inline outcome shell(const char *format, ...) {
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

static inline void done(outcome o) {
    free(o.out);
    free(o.err);
}

static inline int lines_in(const char *text) {
    int lines = 0;
    for (; *text; text++) lines += *text == '\n';
    return lines;
}

static inline void expect_one_line_error(outcome o, const char *what) {
    ck_assert_msg(o.status == 2, "%s: exit status %d, stderr %s", what, o.status, o.err);
    ck_assert_msg(lines_in(o.err) == 1, "%s: stderr is not one line: %s", what, o.err);
    ck_assert_msg(strncmp(o.err, "glassbox", 8) == 0, "%s: stderr %s", what, o.err);
    ck_assert_msg(o.err[strlen(o.err) - 1] == '\n', "%s: stderr %s", what, o.err);
    done(o);
}

static inline void expect_good(outcome o) {
    ck_assert_msg(o.status == 0, "exit status %d: %s%s", o.status, o.out, o.err);
    ck_assert_str_eq(o.err, "");
    done(o);
}

/* Files of the folder, hidden ones left out. */
static inline int visible_files(void) {
    DIR *d = opendir(folder);
    ck_assert_ptr_nonnull(d);
    int count = 0;
    for (struct dirent *e; (e = readdir(d));) count += e->d_name[0] != '.';
    closedir(d);
    return count;
}

/* A tiny case as $D/case.safetensors. */
static inline void make_case(void) {
    expect_good(shell("$GLASSBOX gen --T 9 --H 2 --dk 3 --dv 4 --initial-state -o \"$D\""));
    expect_good(shell("mv \"$D\"/mild-*.safetensors \"$D/case.safetensors\""));
}

#endif
