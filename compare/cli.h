/* SPDX-License-Identifier: Apache-2.0
 *
 * What the commands share. A command is one file compare/cli_NAME.c, which ends in its row of the command table:
 *
 *     static const struct argp options = {.options = table, .parser = parse, .args_doc = "CASE",
 *                                         .doc = "what it does\vExample:\n  glassbox name ..."};
 *     static int run(int argc, char **argv) {
 *         settings s = {0};
 *         int ended = cli_parse(&options, argc, argv, &s);
 *         if (ended != CLI_GO_ON) return ended;
 *         ...
 *         return CLI_PASS;
 *     }
 *     const cli_command cli_name = {"name", "one line", run};
 *
 * Results go to stdout. Every failure is one line on stderr, "glassbox name: what (hint)", and an exit status. A bar on
 * stderr only where stderr is a terminal; colour only where stdout is one and NO_COLOR is unset or empty.
 */
#ifndef GLASSBOX_CLI_H
#define GLASSBOX_CLI_H

#include <argp.h>
#include <stdbool.h>
#include <stdio.h>

#include "io/case.h"

#define GLASSBOX_VERSION "0.1.0"

typedef enum cli_exit {
    CLI_PASS = 0,
    CLI_MISMATCH = 1,  /* an output is wrong */
    CLI_USAGE = 2,     /* a wrong command line, or a file that cannot be read, used or written */
    CLI_BROKEN = 3,    /* the candidate is broken: wrong shape, crash, nothing written */
    CLI_UNCERTAIN = 4, /* the oracle could not certify, or judged nothing */
    CLI_SKIPPED = 77,  /* not available here */
} cli_exit;

typedef struct cli_command {
    const char *name;
    const char *summary;
    int (*run)(int argc, char **argv); /* argv[0] is "glassbox NAME"; returns the exit status */
} cli_command;

extern const cli_command *const cli_commands[]; /* main.c; NULL-terminated, in the order of the help */

/* ---- command line ---- */

enum { CLI_GO_ON = -1 };

/* Parse with argp. CLI_GO_ON, or the status to exit with: CLI_PASS after --help, CLI_USAGE after a one-line error. */
int cli_parse(const struct argp *argp, int argc, char **argv, void *input);

/* Inside an argp parser: print "glassbox name: ..." and return the error code that ends the parsing. */
error_t cli_bad(const struct argp_state *state, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* An integer option within [least, most]; returns 0 or what cli_bad returned. */
error_t cli_integer(const struct argp_state *state, const char *option, const char *text, long long least,
                    long long most, int64_t *value);
error_t cli_seed(const struct argp_state *state, const char *text, uint64_t *seed);
/* "bf16" or "BF16", "F32" or "binary32": a floating-point element type of a file. */
error_t cli_dtype(const struct argp_state *state, const char *text, gla_dtype *dtype);

/* A mechanism's text, as gla_mechanism_parse takes it; refused if it is none. */
error_t cli_mechanism(const struct argp_state *state, const char *text);

/* The output whose name is the first `length` characters of text, or -1. */
int cli_output_named(const char *text, size_t length);

/* --prefix --mechanism --allow-growth, as argp child whose input is a gla_case_options. */
extern const struct argp cli_case_argp;

/* The case file of a command that takes exactly one, with the options above, as argp child. */
typedef struct cli_one_case {
    const char *path;
    bool optional; /* no error if it is missing */
    gla_case_options load;
} cli_one_case;
extern const struct argp cli_one_case_argp;

/* ---- errors ---- */

/* Prints "glassbox NAME: what (hint)" as one line and returns the exit status that belongs to err->status. */
int cli_fail(const char *command, const gla_error *err);
/* The same from text; returns CLI_USAGE. */
int cli_complain(const char *command, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* "glassbox NAME: warning: ..." */
void cli_warn(const char *command, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* ---- screens ---- */

bool cli_colour(void); /* may stdout be coloured? */

typedef enum cli_tint { CLI_PLAIN, CLI_BOLD, CLI_GREEN, CLI_YELLOW, CLI_RED } cli_tint;
/* The escape codes around tinted text, or "" where there is no colour: printf("%s%s%s", cli_on(CLI_RED), t, cli_off()).
 */
const char *cli_on(cli_tint tint);
const char *cli_off(void);

/* A bar on stderr, if that is a terminal. */
typedef struct cli_progress {
    const char *what; /* "truth" */
    int percent;      /* drawn last; -1 at first */
} cli_progress;
cli_progress cli_progress_start(const char *what);
void cli_progress_step(void *progress, double done); /* 0 .. 1; `void *` so that it is a library callback */
void cli_progress_end(cli_progress *progress);       /* wipes it */

/* ---- files ---- */

/* "[b,t,h,i]" of a shape into text; returns text. */
typedef char cli_index_text[64];
const char *cli_shape(const int64_t shape[4], cli_index_text text);

/* A text file that takes its name only when it is whole: written beside it, then renamed. A path that exists and is no
 * regular file (/dev/stdout) is written directly. */
typedef struct cli_file {
    FILE *to;
    char *path, *temporary; /* temporary NULL: direct */
} cli_file;
gla_status cli_file_open(const char *path, cli_file *file, gla_error *err);
gla_status cli_file_close(cli_file *file, gla_error *err); /* also checks that everything was written */
void cli_file_abandon(cli_file *file);                     /* leaves nothing behind */

#endif
