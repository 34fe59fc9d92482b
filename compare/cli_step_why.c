/* SPDX-License-Identifier: Apache-2.0
 *
 * glassbox step: why a number is what it is, as a tree of the terms that made it (trace.h): what each inherited from
 * its operands and what its addition lost, which add up to the number's error. The terms that lost most are shown, in
 * the order in which they were added, the others in one line.
 */
#include "cli_step.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_TERMS = 12, MOST_DEPTH = 8 };

static void print_signed(gla_wide x) {
    char text[40];
    mpfr_t wide;
    mpfr_init2(wide, 53);
    gla_wide_mpfr(wide, x);
    mpfr_snprintf(text, sizeof text, x.m == 0 ? "%.0Rf" : "%.2Re", wide);
    printf(" %10s", x.m == 0 ? "0" : text);
    mpfr_clear(wide);
}

static void indent(int depth) { printf("%*s", 2 * depth, ""); }

static void print_term(const step_session *s, const gla_why_term *t, int depth) {
    step_text x, y, value;
    indent(depth);
    if (t->x == -2)
        printf("  %-24s %16s", s->r.event[t->by].site >= 0 ? gla_site_names[s->r.event[t->by].site] : "rounding", "");
    else {
        char what[120];
        snprintf(what, sizeof what, "%s%s%s%s", t->minus ? "-" : "", step_operand_made(s, t->x, x),
                 t->y == -2 ? "" : " * ", t->y == -2 ? "" : step_operand_made(s, t->y, y));
        printf("  %-24s %16.16s", what, step_number(s, t->value, value));
    }
    print_signed(t->inherited);
    print_signed(t->lost);
    printf("  #%d\n", t->by);
}

static double weight_of(const gla_why_term *t) {
    double a = gla_wide_log2(t->inherited), b = gla_wide_log2(t->lost);
    if (!isfinite(t->inherited.m) || !isfinite(t->lost.m)) return INFINITY;
    return a > b ? a : b;
}

/* Marks the MOST_TERMS terms that lost most. */
static void choose_terms(const gla_why *w, bool *shown) {
    for (size_t n = 0; n < MOST_TERMS && n < w->terms; n++) {
        size_t best = w->terms;
        for (size_t i = 0; i < w->terms; i++)
            if (!shown[i] && (best == w->terms || weight_of(&w->term[i]) > weight_of(&w->term[best]))) best = i;
        shown[best] = true;
    }
}

/* What the terms not shown add up to, as one line. */
static void print_rest(const step_session *s, const gla_why *w, const bool *shown, int depth) {
    mpfr_t sum[3], x;
    size_t rest = 0;
    step_text value;
    mpfr_init2(x, s->r.truth_bits);
    for (int k = 0; k < 3; k++) {
        mpfr_init2(sum[k], s->r.truth_bits);
        mpfr_set_zero(sum[k], 1);
    }
    for (size_t i = 0; i < w->terms; i++) {
        if (shown[i]) continue;
        const gla_wide parts[] = {w->term[i].value, w->term[i].inherited, w->term[i].lost};
        rest++;
        for (int k = 0; k < 3; k++) {
            gla_wide_mpfr(x, parts[k]);
            mpfr_add(sum[k], sum[k], x, MPFR_RNDN);
        }
    }
    if (rest > 0) {
        char what[48];
        snprintf(what, sizeof what, "%zu more, that lost less", rest);
        indent(depth);
        printf("  %-24s %16.16s", what, step_number(s, gla_wide_of(sum[0]), value));
        print_signed(gla_wide_of(sum[1]));
        print_signed(gla_wide_of(sum[2]));
        putchar('\n');
    }
    for (int k = 0; k < 3; k++) mpfr_clear(sum[k]);
    mpfr_clear(x);
}

static bool print_why(step_session *s, int32_t event, int depth, int most);

/* The tree goes on at an operand that was computed. */
static bool go_on(step_session *s, int32_t event, int depth, int most) {
    if (depth >= most || event < 0 || s->r.event[event].args == 0) return true;
    return print_why(s, event, depth, most);
}

static bool print_terms(step_session *s, const gla_why *w, int depth, int most) {
    bool *shown = calloc(w->terms + 1, sizeof *shown), good = true;
    if (!shown) {
        gla_fail(&s->complaint, GLA_NO_MEMORY, "no memory for the terms");
        return false;
    }
    choose_terms(w, shown);
    indent(depth);
    printf("  %-24s %16s %10s %10s\n", "term", "value", "inherited", "lost");
    for (size_t i = 0; i < w->terms && good; i++) {
        if (!shown[i]) continue;
        print_term(s, &w->term[i], depth);
        good = go_on(s, w->term[i].x, depth + 1, most) && go_on(s, w->term[i].y, depth + 1, most);
    }
    if (good) print_rest(s, w, shown, depth);
    free(shown);
    return good;
}

static bool print_why(step_session *s, int32_t event, int depth, int most) {
    const gla_step_event *e = &s->r.event[event];
    step_text name, value, bits;
    gla_why w;
    if (gla_why_of(&s->r, (size_t)event, &w, &s->complaint) != GLA_OK) return false;
    indent(depth);
    printf("%s = %s  %s, error", step_operand_made(s, event, name), step_number(s, e->result, value),
           step_bits(&s->r, e, bits));
    print_signed(e->error);
    printf("  #%d\n", event);
    bool good = true;
    if (w.sum)
        good = print_terms(s, &w, depth, most);
    else {
        indent(depth);
        printf("  %s of", e->op);
        for (uint32_t i = 0; i < e->args; i++) printf(" %s", step_operand_made(s, s->r.arg[e->arg + i], name));
        if (e->args == 0) printf(e->input >= 0 ? " load" : " constant");
        printf(", lost");
        print_signed(e->lost);
        putchar('\n');
        for (uint32_t i = 0; i < e->args && good; i++) good = go_on(s, s->r.arg[e->arg + i], depth + 1, most);
    }
    gla_why_free(&w);
    return good;
}

/* The event that is asked about: "#12", an element as it is now, or nothing: the event in hand. */
static bool asked(step_session *s, const char *text, int32_t *event) {
    step_choice c;
    char *end;
    *event = (int32_t)s->step.at - 1;
    if (text[0] == '#') {
        long number = strtol(text + 1, &end, 10);
        if (end == text + 1 || *end || number < 0 || (size_t)number >= s->r.count) {
            gla_fail(&s->complaint, GLA_BAD_VALUE, "'%.20s' is no operation; they are #0 to #%zu", text,
                     s->r.count - 1);
            return false;
        }
        *event = (int32_t)number;
        return true;
    }
    if (text[0]) {
        if (!step_choose(s, text, &c)) return false;
        const int64_t *d = c.shape, *at = c.first;
        for (int i = 0; i < 4; i++)
            if (c.end[i] - c.first[i] != 1) {
                gla_fail(&s->complaint, GLA_BAD_VALUE, "why of one element, like o[3,1]");
                return false;
            }
        *event = c.output ? gla_recording_now(&s->r, c.as_output,
                                              ((at[0] * d[1] + at[1]) * d[2] + at[2]) * d[3] + at[3], s->step.at)
                          : gla_recording_load(&s->r, c.as_input, at);
    }
    if (*event >= 0 && (size_t)*event < s->step.at) return true;
    gla_fail(&s->complaint, GLA_BAD_VALUE, "%s not made yet (continue, or a breakpoint further on)",
             text[0] ? text : "nothing is");
    return false;
}

bool step_tell_why(step_session *s, const char *text) {
    char what[64] = "", rest[8] = "";
    int depth = 1;
    int32_t event;
    sscanf(text, "%63s %7s", what, rest);
    if (rest[0]) depth = atoi(rest);
    if (depth < 1 || depth > MOST_DEPTH) {
        gla_fail(&s->complaint, GLA_BAD_VALUE, "why NAME DEPTH: the depth is 1 to %d", MOST_DEPTH);
        return false;
    }
    return asked(s, what, &event) && print_why(s, event, 0, depth);
}
