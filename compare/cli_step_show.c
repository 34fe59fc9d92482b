/* SPDX-License-Identifier: Apache-2.0
 *
 * glassbox step: an event on the screen, a group of them, the exponents.
 */
#include "cli_step.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

/* ---- an event ---- */

static void print_place(const gla_step_event *e) {
    printf("%s", e->verb ? e->verb : "(between verbs)");
    if (e->token >= 0) printf("  token %" PRId64, e->token);
    if (e->chunk >= 0) printf("  chunk %" PRId64, e->chunk);
}

/* What stands between the operands of an operation, NULL: op(x) or op(x, y). */
static const char *sign_of(const char *op) {
    static const char *const signs[][2] = {{"add", " + "}, {"sub", " - "}, {"mul", " * "},
                                           {"div", " / "}, {"fma", " * "}, {"above", " > "}};
    for (size_t i = 0; i < sizeof signs / sizeof *signs; i++)
        if (strcmp(op, signs[i][0]) == 0) return signs[i][1];
    return NULL;
}

/* An operand by its name, or by its number. */
static const char *operand(const step_session *s, int32_t event, bool named, step_text text) {
    if (named) return step_operand(s, event, text);
    return step_number(s, event < 0 ? (gla_wide){0, 0} : s->r.event[event].result, text);
}

static void print_formula(const step_session *s, const gla_step_event *e, bool named) {
    const int32_t *arg = s->r.arg + e->arg;
    const char *sign = sign_of(e->op);
    step_text x, y, w;
    if (e->args == 0)
        printf("%s", e->input >= 0 ? "loaded" : "constant");
    else if (strcmp(e->op, "product") == 0)
        printf("%s + sum of %u products", operand(s, arg[0], named, w), (e->args - 1) / 2);
    else if (strcmp(e->op, "fma") == 0)
        printf("%s * %s + %s", operand(s, arg[0], named, x), operand(s, arg[1], named, y),
               operand(s, arg[2], named, w));
    else if (sign)
        printf("%s%s%s", operand(s, arg[0], named, x), sign, operand(s, arg[1], named, y));
    else if (strcmp(e->op, "set") == 0)
        printf("%s", operand(s, arg[0], named, x));
    else if (e->site >= 0)
        printf("%s, rounding site %s", operand(s, arg[0], named, x), gla_site_names[e->site]);
    else if (e->args == 1)
        printf("%s(%s)", e->op, operand(s, arg[0], named, x));
    else
        printf("%s(%s, %s)", e->op, operand(s, arg[0], named, x), operand(s, arg[1], named, y));
}

void step_show_event(const step_session *s, size_t event) {
    const gla_step_event *e = &s->r.event[event];
    step_text text, hex, bits, ulps;
    printf("#%zu  ", event);
    print_place(e);
    printf("\n  %-7s %s = ", e->op, step_operand(s, (int32_t)event, text));
    print_formula(s, e, true);
    if (e->args > 0) {
        printf("\n  %-7s ", "");
        print_formula(s, e, false);
    }
    printf("\n  result  %s%-20s %-24s %s%s\n", cli_on(step_tint(s, e)), step_number(s, e->result, text),
           step_hex(e->result, hex), step_bits(&s->r, e, bits), cli_off());
    printf("  truth   %-20s ", step_number(s, e->truth, text));
    if (step_ulps(s, e, ulps)[0])
        printf("%-24s %s\n", step_hex(e->truth, hex), ulps);
    else
        printf("%s\n", step_hex(e->truth, hex));
}

void step_show_line(const step_session *s, size_t event) {
    const gla_step_event *e = &s->r.event[event];
    step_text name, bits;
    printf("%s#%-6zu %-14.14s %-8.8s %-15s %-15.9g %s%s\n", event + 1 == s->step.at ? ">" : " ", event,
           e->verb ? e->verb : "", e->op, step_operand(s, (int32_t)event, name), gla_wide_d(e->result),
           step_bits(&s->r, e, bits), e->flipped ? " *" : "");
}

void step_show_here(const step_session *s) {
    if (s->step.at == 0)
        printf("nothing has run yet; %zu operations to come\n", s->r.count);
    else
        step_show_event(s, s->step.at - 1);
    if (s->step.at == s->r.count) puts("the end of the run");
}

/* ---- a group ---- */

void step_show_group(const step_session *s) {
    if (s->step.at == 0) {
        step_show_here(s);
        return;
    }
    size_t last = s->step.at - 1, first = last, worst = last;
    while (!gla_group_begins(&s->r, first)) first--;
    for (size_t i = first; i <= last; i++)
        if (gla_event_bits(&s->r, &s->r.event[i]) < gla_event_bits(&s->r, &s->r.event[worst])) worst = i;
    step_text bits, name;
    const gla_step_event *e = &s->r.event[last];
    printf("#%zu", first);
    if (last > first) printf("..#%zu", last);
    printf("  ");
    print_place(e);
    if (e->site >= 0) printf("  rounding site %s", gla_site_names[e->site]);
    printf("\n  %zu %s", last - first + 1, last == first ? "operation" : "operations");
    if (isinf(gla_event_bits(&s->r, &s->r.event[worst])))
        puts(", exact");
    else
        printf("; fewest: %s, %s\n", step_bits(&s->r, &s->r.event[worst], bits), step_operand(s, (int32_t)worst, name));
    if (s->step.at == s->r.count) puts("the end of the run");
}

/* ---- exponents ---- */

enum { BAR = 30 };

static void print_bar(double part, char mark) {
    int filled = part < 0 ? 0 : part > 1 ? BAR : (int)(part * BAR);
    putchar('[');
    for (int i = 0; i < BAR; i++) putchar(i < filled ? mark : '-');
    putchar(']');
}

/* What has been seen of exponents so far: log2 of magnitudes, and arguments of e^x. */
typedef struct extremes {
    double least, greatest, least_argument, greatest_argument;
    size_t least_at, greatest_at, least_argument_at, greatest_argument_at;
} extremes;

static void lower(double x, size_t at, double *least, size_t *where) {
    if (!(x < *least)) return;
    *least = x;
    *where = at;
}

static void higher(double x, size_t at, double *greatest, size_t *where) {
    if (!(x > *greatest)) return;
    *greatest = x;
    *where = at;
}

static extremes look(const step_session *s) {
    extremes x = {.least = INFINITY, .greatest = -INFINITY};
    for (size_t i = 0; i < s->step.at; i++) {
        const gla_step_event *e = &s->r.event[i];
        if (isfinite(e->result.m) && e->result.m != 0) {
            lower(gla_wide_log2(e->result), i, &x.least, &x.least_at);
            higher(gla_wide_log2(e->result), i, &x.greatest, &x.greatest_at);
        }
        if (strcmp(e->op, "exp") != 0 || s->r.arg[e->arg] < 0) continue;
        double argument = gla_wide_d(s->r.event[s->r.arg[e->arg]].result);
        if (!isfinite(argument)) continue;
        lower(argument, i, &x.least_argument, &x.least_argument_at);
        higher(argument, i, &x.greatest_argument, &x.greatest_argument_at);
    }
    return x;
}

static void print_share(const char *what, double x, double limit, size_t at) {
    if (x == 0) return;
    printf("  %-20s %8.4g of %-6.4g ", what, x, limit);
    print_bar(x / limit, fabs(x) > fabs(limit) ? '!' : '#');
    printf(" #%zu\n", at);
}

void step_show_budget(const step_session *s) {
    const gla_format *f = &s->r.format;
    extremes x = look(s);
    if (s->step.at == 0) {
        step_show_here(s);
        return;
    }
    if (x.least <= x.greatest)
        printf("magnitudes so far: 2^%.1f (#%zu) to 2^%.1f (#%zu)\n", x.least, x.least_at, x.greatest, x.greatest_at);
    if (f->p == 0) {
        printf("the exponents of %s have no limits in reach\n", s->r.numbers);
        return;
    }
    printf("%s holds 2^%d (normal: 2^%d) to 2^%.2f; the part of that used:\n", s->r.numbers, f->emin - f->p + 1,
           f->emin, log2(f->max));
    if (x.least <= x.greatest) {
        print_share("log2 of the greatest", fmax(x.greatest, 0), log2(f->max), x.greatest_at);
        print_share("log2 of the least", fmin(x.least, 0), f->emin, x.least_at);
    }
    print_share("e^x, greatest x", x.greatest_argument, log(f->max), x.greatest_argument_at);
    print_share("e^x, least x", x.least_argument, f->emin * log(2), x.least_argument_at);
}
