/* SPDX-License-Identifier: Apache-2.0
 *
 * Command lines, errors, bars and colours of the commands (cli.h).
 *
 * argp parses; but its errors take two lines and leave by exit(), so they are caught: argp writes into memory, and its
 * first line alone is printed. What getopt has to say (an unknown option) is one line already and goes out by itself.
 */
#include "cli.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

/* ---- parsing ---- */

typedef struct parsing {
    void *input;  /* the command's */
    FILE *errors; /* argp's own */
} parsing;

static error_t parse_top(int key, char *argument, struct argp_state *state) {
    parsing *p = state->input;
    if (key != ARGP_KEY_INIT) return ARGP_ERR_UNKNOWN;
    state->err_stream = p->errors;
    state->child_inputs[0] = p->input;
    return 0;
}

static bool asks_for_help(int argc, char **argv) {
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], "--help") == 0) return true;
    return false;
}

/* argp's own errors: their first line, unless that is the "Try ..." that follows a line of getopt's. */
static void print_first_line(const char *text) {
    size_t length = strcspn(text, "\n");
    if (length > 0 && strncmp(text, "Try ", 4) != 0) fprintf(stderr, "%.*s\n", (int)length, text);
}

int cli_parse(const struct argp *argp, int argc, char **argv, void *input) {
    if (asks_for_help(argc, argv)) {
        setenv("ARGP_HELP_FMT", "rmargin=100,no-dup-args-note", 0);
        argp_help(argp, stdout, ARGP_HELP_SHORT_USAGE | ARGP_HELP_LONG | ARGP_HELP_DOC, argv[0]);
        return CLI_PASS;
    }
    char *text = NULL;
    size_t size;
    parsing p = {input, open_memstream(&text, &size)};
    if (!p.errors) return cli_complain(argv[0], "no memory");
    const struct argp_child child[] = {{argp, 0, NULL, 0}, {0}};
    const struct argp top = {.parser = parse_top, .children = child};
    error_t failed = argp_parse(&top, argc, argv, ARGP_NO_EXIT | ARGP_NO_HELP, NULL, &p);
    fclose(p.errors);
    if (failed) print_first_line(text);
    free(text);
    return failed ? CLI_USAGE : CLI_GO_ON;
}

static void print_line(const char *command, const char *kind, const char *format, va_list arguments) {
    fflush(stdout);
    fprintf(stderr, "%s: %s", command, kind);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
}

error_t cli_bad(const struct argp_state *state, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    print_line(state->name, "", format, arguments);
    va_end(arguments);
    return EINVAL;
}

error_t cli_integer(const struct argp_state *state, const char *option, const char *text, long long least,
                    long long most, int64_t *value) {
    char *end;
    errno = 0;
    long long x = strtoll(text, &end, 10);
    if (errno || end == text || *end || x < least || x > most)
        return cli_bad(state, "%s: '%.40s' is not a whole number in %lld .. %lld", option, text, least, most);
    *value = x;
    return 0;
}

int cli_output_named(const char *text, size_t length) {
    for (int i = 0; i < GLA_OUTPUTS; i++)
        if (strlen(gla_output_names[i]) == length && strncmp(text, gla_output_names[i], length) == 0) return i;
    return -1;
}

error_t cli_seed(const struct argp_state *state, const char *text, uint64_t *seed) {
    char *end;
    errno = 0;
    unsigned long long x = strtoull(text, &end, 0);
    if (errno || end == text || *end || strchr(text, '-'))
        return cli_bad(state, "--seed: '%.40s' is not a whole number in 0 .. 2^64 - 1", text);
    *seed = x;
    return 0;
}

error_t cli_dtype(const struct argp_state *state, const char *text, gla_dtype *dtype) {
    for (int i = 0; i < GLA_DTYPES; i++) {
        const gla_format *f = gla_dtype_format((gla_dtype)i);
        if (f && (strcasecmp(text, gla_dtype_name((gla_dtype)i)) == 0 || strcasecmp(text, f->name) == 0)) {
            *dtype = (gla_dtype)i;
            return 0;
        }
    }
    return cli_bad(state, "--dtype: no element type '%.40s' (F64, F32, BF16, F16, F8_E4M3, F8_E5M2)", text);
}

error_t cli_mechanism(const struct argp_state *state, const char *text) {
    gla_problem p;
    gla_error err;
    return gla_mechanism_parse(text, &p, &err) == GLA_OK ? 0 : cli_bad(state, "--mechanism: %s", err.what);
}

static const struct argp_option case_options[] = {
    {"prefix", 'P', "TEXT", 0, "Text before every tensor name in the file, such as layers.0.", 5},
    {"mechanism", 'm', "NAME", 0, "Instead of the mechanism that the file names (see list)", 5},
    {"allow-growth", 'G', NULL, 0, "Accept log gates above 0", 5},
    {0}};

static error_t parse_case_option(int key, char *argument, struct argp_state *state) {
    gla_case_options *o = state->input;
    switch (key) {
    case 'P':
        o->prefix = argument;
        return 0;
    case 'm':
        o->mechanism = argument;
        return cli_mechanism(state, argument);
    case 'G':
        o->allow_growth = true;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

const struct argp cli_case_argp = {.options = case_options, .parser = parse_case_option};

static error_t parse_one_case(int key, char *argument, struct argp_state *state) {
    cli_one_case *one = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &one->load;
        return 0;
    case ARGP_KEY_ARG:
        if (one->path) return ARGP_ERR_UNKNOWN;
        one->path = argument;
        return 0;
    case ARGP_KEY_NO_ARGS:
        return one->optional ? 0 : cli_bad(state, "no case file given");
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_child one_case_children[] = {{&cli_case_argp, 0, "", 0}, {0}};
const struct argp cli_one_case_argp = {.parser = parse_one_case, .children = one_case_children};

/* ---- errors ---- */

static int exit_of(gla_status status) { return status == GLA_NO_MEMORY ? CLI_UNCERTAIN : CLI_USAGE; }

/* `name` of a command, or argv[0] of one. */
static const char *with_program(const char *command, char text[64]) {
    bool whole = strncmp(command, "glassbox", 8) == 0;
    snprintf(text, 64, "%s%s", whole ? "" : "glassbox ", command);
    return text;
}

int cli_fail(const char *command, const gla_error *err) {
    char name[64];
    bool hint = err->hint[0];
    fflush(stdout);
    fprintf(stderr, "%s: %s%s%s%s\n", with_program(command, name), err->what, hint ? " (" : "", err->hint,
            hint ? ")" : "");
    return exit_of(err->status);
}

int cli_complain(const char *command, const char *format, ...) {
    char name[64];
    va_list arguments;
    va_start(arguments, format);
    print_line(with_program(command, name), "", format, arguments);
    va_end(arguments);
    return CLI_USAGE;
}

void cli_warn(const char *command, const char *format, ...) {
    char name[64];
    va_list arguments;
    va_start(arguments, format);
    print_line(with_program(command, name), "warning: ", format, arguments);
    va_end(arguments);
}

/* ---- screens ---- */

bool cli_colour(void) {
    const char *refused = getenv("NO_COLOR");
    return isatty(STDOUT_FILENO) && !(refused && refused[0]);
}

const char *cli_on(cli_tint tint) {
    static const char *const code[] = {"", "\033[1m", "\033[32m", "\033[33m", "\033[31m"};
    return cli_colour() ? code[tint] : "";
}

const char *cli_off(void) { return cli_colour() ? "\033[0m" : ""; }

cli_progress cli_progress_start(const char *what) { return (cli_progress){what, -1}; }

void cli_progress_step(void *progress, double done) {
    enum { WIDTH = 40 };
    static const char bar[] = "########################################";
    cli_progress *p = progress;
    int percent = (int)floor(100 * fmin(fmax(done, 0), 1)), filled = percent * WIDTH / 100;
    if (percent == p->percent || !isatty(STDERR_FILENO)) return;
    p->percent = percent;
    fprintf(stderr, "\r%-10s [%.*s%*s] %3d %%", p->what, filled, bar, WIDTH - filled, "", percent);
    fflush(stderr);
}

void cli_progress_end(cli_progress *p) {
    if (p->percent >= 0) fprintf(stderr, "\r\033[K");
    p->percent = -1;
}
