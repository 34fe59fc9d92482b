/* SPDX-License-Identifier: Apache-2.0
 *
 * glassbox step: a debugger over one recorded run, forward and back; the truth beside every number.
 *
 * Commands come from -e, --script, or stdin. Where that is no terminal each is printed behind the prompt before it is
 * done, so that what comes out reads like a session, is the same every time, and ends at the first command that fails.
 */
#include "cli_step.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char name[] = "step";
static const char prompt[] = "(step) ";

typedef struct settings {
    cli_one_case one;
    const char *form, *numbers, *route, *commands, *script;
    bool backward;
    int64_t sequence, head, tokens, limit; /* sequence, head -1: not given */
} settings;

enum { KEY_SEQUENCE = 256, KEY_HEAD, KEY_TOKENS, KEY_LIMIT, KEY_SCRIPT };
static const struct argp_option table[] = {
    {"form", 'f', "FORM", 0, "As in run (default recurrent)", 0},
    {"numbers", 'n', "SYSTEM", 0, "As in run (default binary32)", 0},
    {"backward", 'b', NULL, 0, "Gradients too; do and dfinal_state that the file lacks are 0", 0},
    {"gate-gradient", 'r', "ROUTE", 0, "How dg is formed: direct, suffix, prefix, anchor, straddle, strict", 0},
    {"sequence", KEY_SEQUENCE, "N", 0, "Record this sequence alone", 0},
    {"head", KEY_HEAD, "H", 0, "Record this head alone, with those that share a tensor with it", 0},
    {"tokens", KEY_TOKENS, "N", 0, "Record the first N tokens alone, as if the sequence ended there", 0},
    {"limit", KEY_LIMIT, "N", 0, "Operations to keep at most, some 130 bytes each (default 1048576)", 0},
    {NULL, 'e', "COMMANDS", 0, "Do these, with ; between them, and leave", 0},
    {"script", KEY_SCRIPT, "FILE", 0, "Do the commands in FILE, one a line, and leave; lines from # on are skipped", 0},
    {0}};

static error_t parse(int key, char *argument, struct argp_state *state) {
    settings *s = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &s->one;
        return 0;
    case 'f':
        s->form = argument;
        return 0;
    case 'n':
        s->numbers = argument;
        return 0;
    case 'b':
        s->backward = true;
        return 0;
    case 'r':
        s->route = argument;
        return 0;
    case 'e':
        s->commands = argument;
        return 0;
    case KEY_SCRIPT:
        s->script = argument;
        return 0;
    case KEY_SEQUENCE:
        return cli_integer(state, "--sequence", argument, 0, 1 << 30, &s->sequence);
    case KEY_HEAD:
        return cli_integer(state, "--head", argument, 0, 1 << 30, &s->head);
    case KEY_TOKENS:
        return cli_integer(state, "--tokens", argument, 1, 1 << 30, &s->tokens);
    case KEY_LIMIT:
        return cli_integer(state, "--limit", argument, 1, 1 << 28, &s->limit);
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_child children[] = {{&cli_one_case_argp, 0, "", 0}, {0}};
static const struct argp options = {
    .options = table,
    .parser = parse,
    .args_doc = "CASE",
    .doc = "Step through a run, forward and back, the truth beside every number."
           "\vThe run is recorded whole, every operation with the same one in MPFR beside it; then commands move over "
           "it: step, back, next, token, break, continue, reverse-continue, print, why, diff, budget; help tells them "
           "all. Bits are those that agree with the truth, an ulp is a unit in its last place. Lines of C are not "
           "recorded: a place is a verb (reference/verbs.h), a token, a chunk.\n\n"
           "Example: where a factored chunk first overflows\n"
           "  glassbox gen --family pinned --T 32 --H 1 --dk 4 --dv 4 -o .\n"
           "  glassbox step pinned-*.safetensors -f chunkwise-factored:32 -e 'break nonfinite; c; budget'",
    .children = children};

/* ---- what is recorded ---- */

static gla_status choose_part(const settings *s, const gla_problem *p, gla_part *part, gla_error *err) {
    int64_t heads = gla_unit_heads(p), head = s->head < 0 ? 0 : s->head, n = s->sequence < 0 ? 0 : s->sequence;
    if (head >= p->H) return gla_fail(err, GLA_BAD_SHAPE, "--head %" PRId64 ": there are %" PRId64, head, p->H);
    if (n >= p->N) return gla_fail(err, GLA_BAD_SHAPE, "--sequence %" PRId64 ": there are %" PRId64, n, p->N);
    if (s->sequence >= 0 && gla_unit_sequences(p) > 1)
        return gla_fail(err, GLA_UNSUPPORTED, "--sequence: a weight ties all sequences of this case together");
    *part = (gla_part){.problem = *p, .sequence = gla_sequence_at(p, 0)};
    bool one_sequence = s->sequence >= 0 || p->N == 1, one_head = s->head >= 0;
    if (one_sequence && gla_unit_sequences(p) == 1)
        *part = gla_part_of(p, n, one_head ? head / heads * heads : 0, one_head ? heads : p->H);
    else if (one_head)
        return gla_fail(err, GLA_UNSUPPORTED, "--head goes with --sequence where there are several sequences");
    gla_problem *own = &part->problem;
    if (!s->tokens || s->tokens >= own->T) return GLA_OK;
    if (own->reverse || own->cu_seqlens)
        return gla_fail(err, GLA_UNSUPPORTED, "--tokens: not of a %s case", own->reverse ? "reversed" : "packed");
    own->T = s->tokens;
    return GLA_OK;
}

static gla_status record(const settings *s, const gla_case *c, step_session *x, gla_error *err) {
    char text[160];
    gla_form form;
    int length = snprintf(text, sizeof text, "%s%s%s", s->form, s->route ? "+" : "", s->route ? s->route : "");
    if (length >= (int)sizeof text) return gla_fail(err, GLA_UNKNOWN_NAME, "formulation '%.80s ...' is too long", text);
    if (strncmp(s->numbers, "cuda:", 5) == 0)
        return gla_fail(err, GLA_UNSUPPORTED,
                        "what a GPU does inside a kernel cannot be recorded; step through the "
                        "number system that a rung replays (list)");
    gla_status status = gla_form_parse(text, &form, err);
    form.backward = s->backward;
    if (status == GLA_OK) status = choose_part(s, &c->problem, &x->part, err);
    if (status == GLA_OK && x->part.problem.T == 0) status = gla_fail(err, GLA_BAD_SHAPE, "that sequence is empty");
    if (status == GLA_OK) status = gla_recording_make(&x->part.problem, &form, s->numbers, x->limit, &x->r, err);
    if (status == GLA_OK) status = step_names_make(x, err);
    x->step.r = &x->r;
    return status;
}

/* ---- commands in ---- */

/* One line of commands with ; between them. */
static bool do_line(step_session *x, char *line, bool echo) {
    for (char *rest = line, *next; rest && !x->done; rest = next) {
        next = strchr(rest, ';');
        if (next) *next++ = 0;
        while (isspace((unsigned char)*rest)) rest++;
        rest[strcspn(rest, "\r\n")] = 0;
        if (!*rest) continue;
        if (echo) printf("%s%s\n", prompt, rest);
        if (!step_command(x, rest)) return false;
    }
    return true;
}

static int do_file(step_session *x, FILE *from, const char *path) {
    char *line = NULL;
    size_t room = 0;
    int ended = CLI_PASS;
    for (int number = 1; ended == CLI_PASS && !x->done && getline(&line, &room, from) >= 0; number++)
        if (line[strspn(line, " \t")] != '#' && !do_line(x, line, true)) {
            fflush(stdout);
            ended = cli_complain(name, "%s line %d: %s", path, number, x->complaint.what);
        }
    free(line);
    return ended;
}

/* At a terminal an empty line is the last command again. */
static void converse(step_session *x) {
    char *line = NULL, last[160] = "";
    size_t room = 0;
    while (!x->done) {
        printf("%s", prompt);
        fflush(stdout);
        if (getline(&line, &room, stdin) < 0) {
            putchar('\n');
            break;
        }
        line[strcspn(line, "\r\n")] = 0;
        if (line[strspn(line, " \t")]) snprintf(last, sizeof last, "%s", line);
        char copy[160];
        snprintf(copy, sizeof copy, "%s", last);
        if (!do_line(x, copy, false)) printf("%s\n", x->complaint.what);
    }
    free(line);
}

static int do_commands(const settings *s, step_session *x) {
    if (s->commands) {
        char *copy = strdup(s->commands);
        bool good = copy && do_line(x, copy, true);
        free(copy);
        fflush(stdout);
        return good ? CLI_PASS : cli_complain(name, "%s", x->complaint.what);
    }
    if (s->script) {
        FILE *from = fopen(s->script, "r");
        if (!from) return cli_complain(name, "cannot open %s: %s", s->script, strerror(errno));
        int ended = do_file(x, from, s->script);
        fclose(from);
        return ended;
    }
    if (!isatty(STDIN_FILENO)) return do_file(x, stdin, "stdin");
    step_tell_everything(x);
    puts("help lists the commands");
    converse(x);
    return CLI_PASS;
}

static int run(int argc, char **argv) {
    settings s = {.form = "recurrent", .numbers = "binary32", .sequence = -1, .head = -1, .limit = GLA_RECORDING_LIMIT};
    int ended = cli_parse(&options, argc, argv, &s);
    if (ended != CLI_GO_ON) return ended;
    if (s.commands && s.script) return cli_complain(name, "-e and --script: one of them");
    step_session x = {.limit = (size_t)s.limit};
    gla_case c;
    gla_error err = {0};
    gla_status status = gla_case_load(s.one.path, &s.one.load, &c, &err);
    x.name = c.name;
    if (status == GLA_OK) status = record(&s, &c, &x, &err);
    ended = status == GLA_OK ? do_commands(&s, &x) : cli_fail(name, &err);
    gla_recording_free(&x.r);
    free(x.grows);
    gla_case_free(&c);
    return ended;
}

const cli_command cli_step = {name, "step through a run, forward and back, the truth beside every number", run};
