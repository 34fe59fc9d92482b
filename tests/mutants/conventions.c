/* SPDX-License-Identifier: Apache-2.0
 *
 * The list of conventions, and wrong ones judged; see conventions.h.
 */
#include "conventions.h"

#include <stdlib.h>
#include <string.h>

#include "../../compare/diagnose.h"
#include "../../compare/emulate.h"
#include "../../reference/mechanism.h"

/* One head of keys with pairs of channels to turn, more than one chunk, gradients. */
#define SHAPE .H = 2, .dk = 6, .dv = 5, .initial_state = true, .backward = true, .seed = 1

const ledger_case convention_cases[CONVENTION_CASES] = {
    {'a', "mild, T = 40", {.family = "mild", .T = 40, SHAPE}, .quick = true},
    {'b', "mild, T = 70", {.family = "mild", .T = 70, SHAPE}, .quick = false},
    {'c', "varlen, T = 70", {.family = "varlen", .T = 70, SHAPE}, .quick = false}};
const gla_format *const convention_dtypes[CONVENTION_DTYPES] = {&gla_bf16, &gla_binary32_format};

/* What the table of mechanisms does not say. */
static const struct {
    const char *mechanism, *name, *value; /* value NULL: all values */
    const char *with;                     /* settings beside it; NULL: none */
    const char *number;                   /* of a switch that is one */
    const char *same;
    bool no_state;
} notes[] = {
    {"linear_attention", "eps", .with = "normaliser=sum", .number = "0.25"},
    {"linear_attention", "eps_on", .with = "normaliser=sum,eps=0.25"},
    {"linear_attention", "z", .with = "normaliser=sum"},
    {"retention", "decay", .same = "of the schedule's own logarithm it is the same function, with one gradient more"},
    {"retention", "position", .with = "rotation=interleaved", .number = "3"},
    {"mlstm", "normaliser", .with = "gate=sigmoid"},
    {"mlstm", "m0", .with = "eps=0.25", .no_state = true},
    {"mlstm", "eps", .number = "0.25"},
    {"mamba1", "dt_min", .number = "0.5"},
    {"mamba1", "dt_max", .number = "0.01"},
    {"mamba2", "dt_min", .number = "0.5"},
    {"mamba2", "dt_max", .number = "0.01"},
    {"mamba1", "softplus", "linear", .same = "moves a step by less than 2.1e-9, which no profile's bound is below"},
    {"mamba2", "softplus", "linear", .same = "moves a step by less than 2.1e-9, which no profile's bound is below"},
};
enum { NOTES = sizeof notes / sizeof *notes };

static int note_of(const gla_mechanism *m, const char *name, const char *value) {
    for (int i = 0; i < NOTES; i++) {
        if (strcmp(notes[i].mechanism, m->name) != 0 || strcmp(notes[i].name, name) != 0) continue;
        if (!notes[i].value || (value && strcmp(notes[i].value, value) == 0)) return i;
    }
    return -1;
}

/* ---- the list ---- */

typedef struct listing {
    convention *list;
    int count;
} listing;

static gla_status add(listing *l, const char *right, const char *wrong, int note, gla_error *err) {
    if (l->count == CONVENTIONS) return gla_fail(err, GLA_UNSUPPORTED, "more than %d conventions", CONVENTIONS);
    convention *c = &l->list[l->count++];
    *c = (convention){.same = note < 0 ? NULL : notes[note].same, .no_state = note >= 0 && notes[note].no_state};
    snprintf(c->right, sizeof c->right, "%s", right);
    snprintf(c->wrong, sizeof c->wrong, "%s", wrong);
    return GLA_OK;
}

static gla_status add_value(listing *l, const gla_mechanism *m, const gla_switch *s, const char *value,
                            gla_error *err) {
    int note = note_of(m, s->name, value);
    char right[80], wrong[96];
    if (!value && note >= 0) value = notes[note].number;
    if (!value) return gla_fail(err, GLA_UNSUPPORTED, "%s,%s: no number to try", m->name, s->name);
    const char *with = note >= 0 ? notes[note].with : NULL;
    snprintf(right, sizeof right, "%s%s%s", m->name, with ? "," : "", with ? with : "");
    snprintf(wrong, sizeof wrong, "%.60s,%.20s=%.12s", right, s->name, value);
    gla_status status = add(l, right, wrong, note, err);
    if (status == GLA_OK) l->list[l->count - 1].number = !s->values;
    return status;
}

static gla_status add_mechanism(listing *l, const gla_mechanism *m, gla_error *err) {
    gla_status status = GLA_OK;
    for (const gla_choice *c = m->schedules; c && c->name && status == GLA_OK; c++) {
        char wrong[96];
        snprintf(wrong, sizeof wrong, "%s:%s", m->name, c->name);
        if (c > m->schedules) status = add(l, m->name, wrong, -1, err);
    }
    for (const gla_switch *s = m->switches; s && s->name && status == GLA_OK; s++) {
        if (!s->values) status = add_value(l, m, s, NULL, err);
        for (const gla_choice *v = s->values ? s->values + 1 : NULL; v && v->name && status == GLA_OK; v++)
            status = add_value(l, m, s, v->name, err);
    }
    return status;
}

/* Those with one right text side by side, in the order of their first. */
static void gather(convention *list, int count) {
    for (int i = 0; i + 1 < count; i++) {
        int next = i + 1;
        while (next < count &&
               (strcmp(list[next].right, list[i].right) != 0 || list[next].no_state != list[i].no_state))
            next++;
        if (next == count) continue;
        convention moved = list[next];
        memmove(&list[i + 2], &list[i + 1], (size_t)(next - i - 1) * sizeof moved);
        list[i + 1] = moved;
    }
}

gla_status conventions_list(convention list[CONVENTIONS], int *count, gla_error *err) {
    listing l = {list, 0};
    gla_status status = GLA_OK;
    for (int i = 0; gla_mechanisms[i] && status == GLA_OK; i++) status = add_mechanism(&l, gla_mechanisms[i], err);
    gather(list, l.count);
    *count = l.count;
    return status;
}

int conventions_alike(const convention *list, int count) {
    int n = 1;
    while (n < count && strcmp(list[n].right, list->right) == 0 && list[n].no_state == list->no_state) n++;
    return n;
}

/* ---- judging ---- */

typedef struct bench {
    gla_generated made;
    gla_truth truth;
    const gla_profile *profile;
    const gla_format *format[GLA_OUTPUTS];
} bench;

static gla_status open_bench(const convention *c, const ledger_case *entry, const gla_format *dtype, bench *b,
                             gla_error *err) {
    *b = (bench){.profile = gla_profile_default(dtype)};
    gla_case_spec spec = entry->spec;
    spec.mechanism = c->right;
    spec.dtype = dtype;
    if (c->no_state) spec.initial_state = false;
    for (int i = 0; i < GLA_OUTPUTS; i++)
        b->format[i] = gla_is_wide_output((gla_output)i) ? &gla_binary32_format : dtype;
    gla_status status = gla_generate(&spec, &b->made, err);
    if (status != GLA_OK) return status;
    gla_truth_options options = {
        .target = &gla_binary64_format, .backward = true, .close_enough = GLA_CLOSE_ENOUGH, .threads = 1};
    return gla_truth_compute(&b->made.problem, &options, &b->truth, err);
}

static void close_bench(bench *b) {
    gla_truth_free(&b->truth);
    gla_generated_free(&b->made);
}

/* The case under another mechanism, without the inputs that it does not take. */
static gla_status problem_as(const bench *b, const char *mechanism, gla_problem *p, gla_error *err) {
    *p = b->made.problem;
    gla_status status = gla_mechanism_parse(mechanism, p, err);
    for (int i = 0; i < GLA_INPUTS && status == GLA_OK; i++)
        if (!(gla_inputs_taken(p) & 1u << i)) *gla_problem_input(p, (gla_input)i) = (gla_tensor){0};
    return status;
}

/* The wrong mechanism by the name that the diagnosis gives it. */
static gla_status diagnose(const bench *b, const gla_problem *wrong, const gla_candidate *c, const gla_judgement *j,
                           bool *named, gla_error *err) {
    char text[160], said[200];
    gla_diagnosis d;
    gla_status status = gla_diagnose(&b->made.problem, c, &b->truth, j, 0, 1, &d, err);
    if (status != GLA_OK) return status;
    gla_mechanism_print(wrong, text, sizeof text);
    snprintf(said, sizeof said, "those of %s: ", text);
    *named = strcmp(d.cause, "other-convention") == 0 && strstr(d.sentence, said);
    *named |= strcmp(d.cause, "other-decay") == 0 && wrong->decay.schedule != b->made.problem.decay.schedule;
    return GLA_OK;
}

/* Outputs that both have, under the right mechanism. */
static gla_status judge(const bench *b, const char *mechanism, convention_mark *mark, gla_error *err) {
    gla_problem p;
    gla_judgement j;
    *mark = (convention_mark){0};
    gla_candidate candidate = {0};
    double *value[GLA_OUTPUTS] = {NULL};
    gla_emulation how = {.threads = 1};
    gla_status status = problem_as(b, mechanism, &p, err);
    if (status != GLA_OK) return status;
    for (int i = 0; i < GLA_OUTPUTS; i++) {
        bool both = gla_has_output(&p, true, (gla_output)i) && b->truth.tensor[i].present;
        how.format[i] = b->format[i];
        if (both) how.outputs |= 1u << i;
    }
    status = gla_emulate(&p, b->profile, &how, value, err);
    for (int i = 0; i < GLA_OUTPUTS && status == GLA_OK; i++) {
        candidate.output[i].value = value[i];
        candidate.output[i].format = value[i] ? b->format[i] : NULL;
    }
    if (status == GLA_OK) status = gla_candidate_make_room(&b->made.problem, &candidate, err);
    if (status == GLA_OK) status = gla_judge(&b->made.problem, &candidate, &b->truth, b->profile, 0, 1, &j, err);
    if (status == GLA_OK) mark->mark = ledger_mark_of(&j);
    if (status == GLA_OK && j.verdict == GLA_FAIL) status = diagnose(b, &p, &candidate, &j, &mark->named, err);
    gla_candidate_free_room(&candidate);
    for (int i = 0; i < GLA_OUTPUTS; i++) free(value[i]);
    return status;
}

gla_status conventions_judge(const convention *list, int count, const ledger_case *entry, const gla_format *dtype,
                             convention_mark *right, convention_mark marks[], gla_error *err) {
    bench b;
    gla_status status = open_bench(list, entry, dtype, &b, err);
    if (status == GLA_OK) status = judge(&b, list->right, right, err);
    for (int i = 0; i < count && status == GLA_OK; i++)
        if (!list[i].same)
            status = judge(&b, list[i].wrong, &marks[i], err);
        else
            marks[i] = (convention_mark){.mark = {.symbol = '-'}};
    close_bench(&b);
    return status;
}
