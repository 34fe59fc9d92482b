/* SPDX-License-Identifier: Apache-2.0
 *
 * glassbox step: the commands, in one table.
 */
#include "cli_step.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct command {
    const char *name, *abbreviation, *arguments, *what;
    bool (*run)(step_session *s, const char *rest);
} command;

static bool complain(step_session *s, const char *what, const char *text) {
    gla_fail(&s->complaint, GLA_BAD_VALUE, what, text);
    return false;
}

/* A count behind a command, 1 if there is none. */
static bool read_count(step_session *s, const char *rest, int64_t *n) {
    char *end;
    *n = 1;
    if (!*rest) return true;
    *n = strtoll(rest, &end, 10);
    if (*end || *n < 1) return complain(s, "'%.20s' is no count", rest);
    return true;
}

/* ---- moving ---- */

static bool move(step_session *s, const char *rest, int64_t sign) {
    int64_t n;
    if (!read_count(s, rest, &n)) return false;
    gla_step_by(&s->step, sign * n);
    step_show_here(s);
    return true;
}

static bool run_step(step_session *s, const char *rest) { return move(s, rest, 1); }
static bool run_back(step_session *s, const char *rest) { return move(s, rest, -1); }

static bool move_groups(step_session *s, const char *rest, bool back) {
    int64_t n;
    if (!read_count(s, rest, &n)) return false;
    while (n-- > 0 && gla_step_group(&s->step, back)) {
    }
    step_show_group(s);
    return true;
}

static bool run_next(step_session *s, const char *rest) { return move_groups(s, rest, false); }
static bool run_prev(step_session *s, const char *rest) { return move_groups(s, rest, true); }

static bool read_break(step_session *s, const char *text, gla_breakpoint *b);

static bool go_to(step_session *s, const char *kind, const char *rest) {
    char text[80];
    gla_breakpoint b;
    snprintf(text, sizeof text, "%s%s%.40s", kind, *rest ? " " : "", rest);
    if (!read_break(s, text, &b)) return false;
    if (!gla_step_to(&s->step, &b)) return complain(s, "no %s from here on (back, or rc with a breakpoint)", text);
    step_show_here(s);
    return true;
}

static bool run_token(step_session *s, const char *rest) { return go_to(s, "token", rest); }
static bool run_chunk(step_session *s, const char *rest) { return go_to(s, "chunk", rest); }

static bool run_start(step_session *s, const char *rest) {
    s->step.at = 0;
    step_show_here(s);
    return true;
}

static bool run_end(step_session *s, const char *rest) {
    s->step.at = s->r.count;
    step_show_here(s);
    return true;
}

static bool run_goto(step_session *s, const char *rest) {
    char *end;
    const char *digits = rest + (*rest == '#');
    long long n = strtoll(digits, &end, 10);
    if (!isdigit((unsigned char)*digits) || *end || (size_t)n >= s->r.count)
        return complain(s, "'%.20s' is no operation (info says how many there are)", rest);
    s->step.at = (size_t)n + 1;
    step_show_here(s);
    return true;
}

/* ---- breakpoints ---- */

static const struct {
    const char *name;
    gla_break_kind kind;
    bool number, word; /* takes a number (tokens and chunks may go without), or a verb */
} kinds[] = {{"token", GLA_BREAK_TOKEN, true, false}, {"chunk", GLA_BREAK_CHUNK, true, false},
             {"verb", GLA_BREAK_VERB, false, true},   {"nonfinite", GLA_BREAK_NONFINITE, false, false},
             {"ulps", GLA_BREAK_ULPS, true, false},   {"bits", GLA_BREAK_BITS, true, false},
             {"flip", GLA_BREAK_FLIP, false, false}};

static bool read_break(step_session *s, const char *text, gla_breakpoint *b) {
    char kind[24] = "", value[24] = "", more[2] = "", *end;
    sscanf(text, "%23s %23s %1s", kind, value, more);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (strcmp(kind, kinds[i].name) != 0) continue;
        bool place = kinds[i].kind == GLA_BREAK_TOKEN || kinds[i].kind == GLA_BREAK_CHUNK;
        *b = (gla_breakpoint){.kind = kinds[i].kind, .limit = -1};
        if (more[0] || (value[0] && !kinds[i].number && !kinds[i].word) || (!value[0] && kinds[i].word) ||
            (!value[0] && kinds[i].number && !place))
            break;
        if (kinds[i].word) snprintf(b->verb, sizeof b->verb, "%s", value);
        if (kinds[i].number && value[0]) {
            b->limit = strtod(value, &end);
            if (*end || !(b->limit >= 0) || (place && b->limit != floor(b->limit))) break;
        }
        return true;
    }
    return complain(s, "'%.40s' is not token [N], chunk [N], verb NAME, nonfinite, ulps X, bits X or flip", text);
}

static void print_break(const gla_breakpoint *b, int number) {
    const char *name = "";
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (kinds[i].kind == b->kind) name = kinds[i].name;
    printf("breakpoint %d: %s", number, name);
    if (b->kind == GLA_BREAK_VERB) printf(" %s", b->verb);
    if (b->limit >= 0) printf(" %g", b->limit);
    putchar('\n');
}

static bool run_break(step_session *s, const char *rest) {
    gla_step *step = &s->step;
    gla_breakpoint b;
    if (!*rest) {
        if (step->stops == 0) puts("no breakpoints");
        for (int i = 0; i < step->stops; i++) print_break(&step->stop[i], i + 1);
        return true;
    }
    if (!read_break(s, rest, &b)) return false;
    if (step->stops == GLA_BREAKPOINTS) return complain(s, "there are %s breakpoints already; delete some", "16");
    step->stop[step->stops++] = b;
    print_break(&b, step->stops);
    return true;
}

static bool run_delete(step_session *s, const char *rest) {
    gla_step *step = &s->step;
    int number = atoi(rest);
    if (*rest && (number < 1 || number > step->stops)) return complain(s, "no breakpoint '%.20s'", rest);
    if (!*rest)
        step->stops = 0;
    else
        memmove(&step->stop[number - 1], &step->stop[number], (size_t)(step->stops-- - number) * sizeof *step->stop);
    return run_break(s, "");
}

static bool go_on(step_session *s, bool back) {
    int number = gla_step_continue(&s->step, back);
    if (number >= 0) print_break(&s->step.stop[number], number + 1);
    step_show_here(s);
    return true;
}

static bool run_continue(step_session *s, const char *rest) { return go_on(s, false); }
static bool run_reverse(step_session *s, const char *rest) { return go_on(s, true); }

/* ---- looking ---- */

static bool run_print(step_session *s, const char *rest) {
    if (!*rest) return complain(s, "print NAME or NAME[...], like %s", "print S[0,*]");
    return step_tell_elements(s, rest);
}

static bool run_where(step_session *s, const char *rest) {
    step_show_group(s);
    if (s->step.at > 0) step_show_here(s);
    return true;
}

static bool run_list(step_session *s, const char *rest) {
    int64_t n = 5;
    if (*rest && !read_count(s, rest, &n)) return false;
    int64_t at = (int64_t)s->step.at - 1, first = at - n < 0 ? 0 : at - n, last = at + n;
    if (n > (int64_t)s->r.count || last >= (int64_t)s->r.count) last = (int64_t)s->r.count - 1;
    for (int64_t i = first; i <= last; i++) step_show_line(s, (size_t)i);
    return true;
}

static bool run_why(step_session *s, const char *rest) { return step_tell_why(s, rest); }
static bool run_diff(step_session *s, const char *rest) { return step_tell_difference(s, rest); }

static bool run_budget(step_session *s, const char *rest) {
    step_show_budget(s);
    return true;
}

static bool run_info(step_session *s, const char *rest) {
    step_tell_everything(s);
    run_break(s, "");
    return true;
}

static bool run_quit(step_session *s, const char *rest) {
    s->done = true;
    return true;
}

/* ---- the table ---- */

static bool run_help(step_session *s, const char *rest);

static const command commands[] = {
    {"step", "s", "[N]", "one operation on, or N", run_step},
    {"back", "rs", "[N]", "one operation back, or N", run_back},
    {"next", "n", "[N]", "to the end of the verb in hand, then of the next", run_next},
    {"prev", "rn", "[N]", "back to before the verb in hand", run_prev},
    {"token", "t", "[N]", "on to a token's first operation", run_token},
    {"chunk", "ch", "[N]", "on to a chunk's first operation", run_chunk},
    {"goto", "g", "#N", "to an operation by its number", run_goto},
    {"start", NULL, "", "before the first operation", run_start},
    {"end", NULL, "", "behind the last", run_end},
    {"break", "b", "[WHAT]",
     "stop at: token [N], chunk [N], verb NAME; and where it begins: nonfinite, ulps X (error "
     "above), bits X (fewer agree), flip (not the truth rounded). Alone: list",
     run_break},
    {"delete", "d", "[N]", "take off breakpoint N, or all", run_delete},
    {"continue", "c", "", "on to the next breakpoint", run_continue},
    {"reverse-continue", "rc", "", "back to the one before", run_reverse},
    {"print", "p", "NAME", "elements as they are now: S, S[0,*], o[3,1], q[3,*]", run_print},
    {"where", "w", "", "the verb and the operation in hand", run_where},
    {"list", "l", "[N]", "N operations before and after, a line each; * is not the truth rounded", run_list},
    {"why", "y", "[NAME|#N] [DEPTH]", "the terms that made a number, and what each inherited and lost", run_why},
    {"diff", NULL, "FORM [NUMBERS]", "where another run of the same parts from this one", run_diff},
    {"budget", "e", "", "how much of the format's exponents is used so far", run_budget},
    {"info", "i", "", "the run, its outputs, the breakpoints", run_info},
    {"help", "h", "", "this", run_help},
    {"quit", "q", "", "leave", run_quit},
};

static bool run_help(step_session *s, const char *rest) {
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        const command *c = &commands[i];
        char use[48];
        snprintf(use, sizeof use, "%s%s%s %s", c->name, c->abbreviation ? ", " : "",
                 c->abbreviation ? c->abbreviation : "", c->arguments);
        printf("  %-24s", use);
        int column = 26;
        for (const char *word = c->what; *word;) { /* wrapped at 80 columns */
            int length = (int)strcspn(word, " ");
            if (column + length + 1 > 79) column = printf("\n%26s", "") - 1;
            column += printf(" %.*s", length, word);
            word += length + (word[length] == ' ');
        }
        putchar('\n');
    }
    return true;
}

bool step_command(step_session *s, const char *line) {
    char name[24], text[160];
    snprintf(text, sizeof text, "%s", line);
    for (size_t length = strlen(text); length > 0 && isspace((unsigned char)text[length - 1]); length--)
        text[length - 1] = 0;
    const char *rest = text;
    while (isspace((unsigned char)*rest)) rest++;
    size_t length = strcspn(rest, " \t");
    snprintf(name, sizeof name, "%.*s", (int)length, rest);
    rest += length;
    while (isspace((unsigned char)*rest)) rest++;
    s->complaint = (gla_error){0};
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        if (strcmp(name, commands[i].name) == 0 ||
            (commands[i].abbreviation && strcmp(name, commands[i].abbreviation) == 0))
            return commands[i].run(s, rest);
    return complain(s, "no command '%.20s' (help lists them)", name);
}
