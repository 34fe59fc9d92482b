/* SPDX-License-Identifier: Apache-2.0
 *
 * glassbox step: what is told of many events: elements, where two runs part, the whole.
 */
#include "cli_step.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "place.h"

enum { MOST_ELEMENTS = 64 };

/* ---- print ---- */

static void print_element(const step_session *s, const step_choice *c, const int64_t at[4]) {
    const int64_t *d = c->shape;
    step_text name, value, hex, bits;
    int64_t index = ((at[0] * d[1] + at[1]) * d[2] + at[2]) * d[3] + at[3];
    int32_t event = c->output ? gla_recording_now(&s->r, c->as_output, index, s->step.at)
                              : gla_recording_load(&s->r, c->as_input, at);
    bool there = event >= 0 && (size_t)event < s->step.at;
    printf("%-14s ", step_element(s, c->output, c->output ? (int)c->as_output : (int)c->as_input, at, name));
    if (!there) {
        puts(c->output && s->r.final[c->as_output][index] < 0 ? "0, never written" : "not made yet");
        return;
    }
    const gla_step_event *e = &s->r.event[event];
    printf("%s%-20s %-24s %-9s%s #%d\n", cli_on(step_tint(s, e)), step_number(s, e->result, value),
           step_hex(e->result, hex), step_bits(&s->r, e, bits), cli_off(), event);
}

bool step_tell_elements(step_session *s, const char *text) {
    step_choice c;
    if (!step_choose(s, text, &c)) return false;
    int64_t count = 1, at[4];
    for (int d = 0; d < 4; d++) count *= c.end[d] - c.first[d];
    if (count > MOST_ELEMENTS) {
        gla_fail(&s->complaint, GLA_BAD_SHAPE, "%" PRId64 " elements are more than %d; name some, like o[3,*]", count,
                 MOST_ELEMENTS);
        return false;
    }
    for (at[0] = c.first[0]; at[0] < c.end[0]; at[0]++)
        for (at[1] = c.first[1]; at[1] < c.end[1]; at[1]++)
            for (at[2] = c.first[2]; at[2] < c.end[2]; at[2]++)
                for (at[3] = c.first[3]; at[3] < c.end[3]; at[3]++) print_element(s, &c, at);
    return true;
}

/* ---- diff ---- */

/* Two runs of one output. */
typedef struct two_runs {
    const gla_recording *a, *b;
    gla_output output;
} two_runs;

static gla_wide final_of(const gla_recording *r, gla_output name, int64_t i) {
    int32_t event = r->final[name][i];
    return event < 0 ? (gla_wide){0, 0} : r->event[event].result;
}

static bool differs(const void *data, int64_t i) {
    const two_runs *x = data;
    return !gla_wide_same(final_of(x->a, x->output, i), final_of(x->b, x->output, i));
}

static void print_run(const step_session *s, const char *which, const gla_recording *r, gla_output name, int64_t i) {
    step_text value, hex, bits;
    int32_t event = r->final[name][i];
    if (event < 0) return;
    printf("    %-6s %-20s %-24s %s\n", which, step_number(s, r->event[event].result, value),
           step_hex(r->event[event].result, hex), step_bits(r, &r->event[event], bits));
}

static void print_output_difference(const step_session *s, const two_runs *x) {
    const int64_t *shape = x->a->shape[x->output];
    int64_t count = shape[0] * shape[1] * shape[2] * shape[3], different = 0;
    for (int64_t i = 0; i < count; i++) different += differs(x, i);
    gla_bad_place first = gla_first_place(&x->a->problem, x->output, differs, x);
    step_text name;
    printf("%-15s ", gla_output_names[x->output]);
    if (different == 0) {
        printf("the same %s in all %" PRId64 "\n", x->a->precision > 53 ? "to 53 bits" : "bits", count);
        return;
    }
    printf("%" PRId64 " of %" PRId64 " differ, first %s\n", different, count,
           step_element(s, true, (int)x->output, first.at, name));
    int64_t i = ((first.at[0] * shape[1] + first.at[1]) * shape[2] + first.at[2]) * shape[3] + first.at[3];
    print_run(s, "here", x->a, x->output, i);
    print_run(s, "there", x->b, x->output, i);
}

/* The same formulation takes the same steps: then the first operation that gives something else can be told. */
static void print_first_event(const step_session *s, const gla_recording *b) {
    const gla_recording *a = &s->r;
    size_t least = a->count < b->count ? a->count : b->count;
    for (size_t i = 0; i < least; i++) {
        const gla_step_event *x = &a->event[i], *y = &b->event[i];
        if (strcmp(x->op, y->op) != 0 || x->slot != y->slot) {
            printf("from #%zu on they take other steps: %s there, %s here\n", i, y->op, x->op);
            return;
        }
        if (gla_wide_same(x->result, y->result)) continue;
        step_text here, there, name;
        printf("first operation that differs: #%zu %s, %s: %s here, %s there\n", i, x->op,
               step_operand(s, (int32_t)i, name), step_number(s, x->result, here), step_number(s, y->result, there));
        return;
    }
}

bool step_tell_difference(step_session *s, const char *text) {
    char form_text[80] = "", numbers[64] = "", here[80], there[80];
    gla_form form;
    gla_recording other;
    sscanf(text, "%79s %63s", form_text, numbers);
    if (!form_text[0]) {
        gla_fail(&s->complaint, GLA_BAD_VALUE, "diff FORM [NUMBERS], like: diff chunkwise:4");
        return false;
    }
    if (gla_form_parse(form_text, &form, &s->complaint) != GLA_OK) return false;
    form.backward = s->r.form.backward;
    gla_status status =
        gla_recording_make(&s->r.problem, &form, numbers[0] ? numbers : s->r.numbers, s->limit, &other, &s->complaint);
    if (status == GLA_OK) {
        gla_form_print(&s->r.form, here, sizeof here);
        gla_form_print(&form, there, sizeof there);
        printf("here %s in %s, there %s in %s\n", here, s->r.numbers, there, other.numbers);
        for (int i = 0; i < GLA_OUTPUTS; i++)
            if (s->r.final[i] && other.final[i]) print_output_difference(s, &(two_runs){&s->r, &other, (gla_output)i});
        if (strcmp(here, there) == 0) print_first_event(s, &other);
    }
    gla_recording_free(&other);
    return status == GLA_OK;
}

/* ---- info ---- */

static void print_worst(const step_session *s, gla_output name) {
    const gla_recording *r = &s->r;
    const int64_t *d = r->shape[name];
    int64_t count = d[0] * d[1] * d[2] * d[3], nonfinite = 0, at[4];
    int32_t worst = -1;
    for (int64_t i = 0; i < count; i++) {
        int32_t event = r->final[name][i];
        if (event < 0) continue;
        nonfinite += gla_event_nonfinite(&r->event[event]);
        if (worst >= 0 && !(gla_event_bits(r, &r->event[event]) < gla_event_bits(r, &r->event[worst]))) continue;
        worst = event;
        gla_index_of(d, i, at);
    }
    step_text text, bits;
    printf("  %-15s %6" PRId64 " elements", gla_output_names[name], count);
    if (worst >= 0)
        printf("; fewest: %s, %s", step_bits(&s->r, &r->event[worst], bits),
               step_element(s, true, (int)name, at, text));
    if (nonfinite) printf("; %s%" PRId64 " not finite%s", cli_on(CLI_RED), nonfinite, cli_off());
    putchar('\n');
}

void step_tell_everything(const step_session *s) {
    const gla_recording *r = &s->r;
    const gla_problem *p = &r->problem;
    char form[80], mechanism[160];
    gla_form_print(&r->form, form, sizeof form);
    gla_mechanism_print(p, mechanism, sizeof mechanism);
    printf("%s\n%s, %s%s in %s: T %" PRId64 ", H %" PRId64 ", dk %" PRId64 ", dv %" PRId64 "\n", s->name, mechanism,
           form, r->form.backward ? " with gradients" : "", r->numbers, p->T, p->H, p->dk, p->dv);
    printf("%zu operations; beside each the same in MPFR, %ld bits\n", r->count, r->truth_bits);
    if (r->astray) printf("%" PRId64 " results have a truth that is not the certified one\n", r->astray);
    if (r->split) puts("operands are split in two; sums of their parts agree with the truth when all are in");
    for (int i = 0; i < GLA_OUTPUTS; i++)
        if (r->final[i]) print_worst(s, (gla_output)i);
}
