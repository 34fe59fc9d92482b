/* SPDX-License-Identifier: Apache-2.0
 *
 * Building a generated problem (cases.h): defaults, sequence offsets, memory, then every element by its family.
 */
#include "cases_values.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* After the streams of the first tensors, 0 .. 7, and of cases_values.c; those of the other tensors follow. */
enum { STREAM_SEGMENT = 9, STREAM_SHAPE, STREAMS };

static uint32_t stream_of(gla_input name) { return name < 8 ? (uint32_t)name : STREAMS + (uint32_t)name - 8; }

static gla_draw draw(uint64_t seed, uint32_t stream, int64_t index) {
    return (gla_draw){seed, stream, (uint64_t)index};
}

static int64_t or_default(int64_t asked, int64_t otherwise) { return asked ? asked : otherwise; }

static gla_status unfit(const gla_family *family, const gla_mechanism *m, gla_error *err) {
    gla_fail(err, GLA_UNSUPPORTED, "family %s has nothing to show of mechanism %s", family->name, m->name);
    return gla_hint(err, GLA_UNSUPPORTED, "%s; --family all leaves out those that do not fit",
                    m->log_decay           ? "its decay is fixed"
                    : gla_gate_per_head(m) ? "one gate per head"
                                           : "it has no gates");
}

/* The spec with its zeros replaced; sizes checked as far as building needs. */
static gla_status complete(gla_case_spec *s, const gla_family *family, gla_error *err) {
    gla_problem p = {.mechanism = NULL};
    if (s->mechanism && gla_mechanism_parse(s->mechanism, &p, err) != GLA_OK) return GLA_UNKNOWN_NAME;
    const gla_mechanism *m = gla_mechanism_of(&p);
    if (!(m->inputs & 1u << GLA_IN_GV)) s->gv = false;
    if (!gla_family_fits(family, m)) return unfit(family, m, err);
    if (family->shape) family->shape(s);
    s->B = or_default(s->B, 1);
    s->T = or_default(or_default(s->T, family->T), 67);
    s->H = or_default(s->H, 3);
    s->dk = or_default(s->dk, 20);
    s->dv = or_default(s->dv, 24);
    s->Hk = or_default(s->Hk, s->H);
    s->M = gla_has_slots(m) ? or_default(s->M, 7) : 0;
    s->varlen = s->varlen || family->varlen;
    if (!s->dtype) s->dtype = &gla_bf16;

    const int64_t sizes[] = {s->B, s->T, s->H, s->dk, s->dv, s->Hk};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        if (sizes[i] < 1 || sizes[i] > INT32_MAX)
            return gla_fail(err, GLA_BAD_SHAPE, "size %lld is not in 1 .. 2^31 - 1", (long long)sizes[i]);
    if (s->H % s->Hk)
        return gla_fail(err, GLA_BAD_SHAPE, "Hk = %lld does not divide H = %lld", (long long)s->Hk, (long long)s->H);
    if (s->varlen && s->B != 1)
        return gla_fail(err, GLA_BAD_SHAPE, "packed sequences need B = 1, not %lld", (long long)s->B);
    return GLA_OK;
}

static void print_name(const gla_case_spec *s, gla_case_label name) {
    char heads[48] = "";
    if (s->Hk != s->H) snprintf(heads, sizeof heads, "-Hk%d", (int)s->Hk);
    if (s->M) snprintf(heads + strlen(heads), sizeof heads - strlen(heads), "-M%d", (int)s->M);
    const char *gradients = !s->backward ? "" : s->no_do ? "-backward-nodo" : "-backward";
    bool gla = !s->mechanism || strcmp(s->mechanism, "gla") == 0;
    char mechanism[48] = ""; /* as a file's name may have it: lightning-linear-3-24 */
    if (!gla) snprintf(mechanism, sizeof mechanism, "%s-", s->mechanism);
    for (char *at = mechanism; *at; at++)
        if (strchr("/:@,=", *at)) *at = '-';
    snprintf(name, sizeof(gla_case_label), "%s%s-B%d-T%d-H%d%s-dk%d-dv%d-%s%s%s%s%s%s-seed%llu", mechanism, s->family,
             (int)s->B, (int)s->T, (int)s->H, heads, (int)s->dk, (int)s->dv, s->dtype->name ? s->dtype->name : "format",
             s->gv ? "-gv" : "", s->initial_state ? "-state" : "", s->varlen ? "-varlen" : "", gradients,
             s->reverse ? "-reverse" : "", (unsigned long long)s->seed);
}

/* Lengths 1, 0, then any of these: chunk sizes and their neighbours, with empties between. */
static int64_t segment_length(uint64_t seed, int64_t n) {
    static const int64_t lengths[] = {0, 1, 2, 15, 16, 17, 33, 64, 65};
    if (n < 2) return 1 - n;
    return lengths[gla_draw_below(draw(seed, STREAM_SEGMENT, n), sizeof lengths / sizeof lengths[0])];
}

/* Write offsets 0 .. T if cu is not NULL; the last segment is empty. Returns the number of segments. */
static int64_t segments(const gla_case_spec *s, const gla_family *family, int64_t *cu) {
    int64_t (*length)(uint64_t, int64_t) = family->segment ? family->segment : segment_length;
    int64_t n = 0, end = 0;
    if (cu) cu[0] = 0;
    while (end < s->T) {
        end += length(s->seed, n++);
        if (end > s->T) end = s->T;
        if (cu) cu[n] = end;
    }
    n++;
    if (cu) cu[n] = end;
    return n;
}

static gla_status fill_segments(gla_generated *g, const gla_family *family, gla_error *err) {
    gla_problem *p = &g->problem;
    p->N = p->B;
    if (!g->spec.varlen) return GLA_OK;
    p->N = segments(&g->spec, family, NULL);
    g->cu_seqlens = malloc((size_t)(p->N + 1) * sizeof *g->cu_seqlens);
    if (!g->cu_seqlens) return gla_fail(err, GLA_NO_MEMORY, "no memory for %lld offsets", (long long)p->N + 1);
    segments(&g->spec, family, g->cu_seqlens);
    p->cu_seqlens = g->cu_seqlens;
    return GLA_OK;
}

static bool wanted(const gla_generated *g, gla_input name) {
    const gla_case_spec *s = &g->spec;
    if (!(gla_inputs_taken(&g->problem) & 1u << name)) return false;
    switch (name) {
    case GLA_IN_GV:
        return s->gv;
    case GLA_IN_INITIAL_STATE:
    case GLA_IN_INITIAL_N:
    case GLA_IN_INITIAL_M:
    case GLA_IN_INITIAL_KEYS:
        return s->initial_state;
    case GLA_IN_DO:
        return s->backward && !s->no_do;
    case GLA_IN_DFINAL_STATE:
    case GLA_IN_DFINAL_N:
    case GLA_IN_DFINAL_KEYS:
        return s->backward;
    default:
        return true;
    }
}

/* k and its gates may have fewer heads. */
static void tensor_shape(const gla_generated *g, gla_input name, int64_t shape[4]) {
    const gla_case_spec *s = &g->spec;
    gla_input_shape(&g->problem, name, shape); /* all heads: it is absent yet */
    if (name == GLA_IN_K || name == GLA_IN_GK) shape[2] = s->Hk;
}

static void fill(const gla_generated *g, const gla_family *family, gla_input name, const int64_t shape[4], double *x) {
    const gla_case_spec *s = &g->spec;
    const gla_format *f = gla_is_wide_input(name) ? &gla_binary32_format : s->dtype;
    gla_element e = {.spec = s, .problem = &g->problem, .tensor = name};
    memcpy(e.shape, shape, sizeof e.shape);
    int64_t n = 0;
    for (e.at[0] = 0; e.at[0] < shape[0]; e.at[0]++)
        for (e.at[1] = 0; e.at[1] < shape[1]; e.at[1]++)
            for (e.at[2] = 0; e.at[2] < shape[2]; e.at[2]++) {
                double *row = x + n;
                for (e.at[3] = 0; e.at[3] < shape[3]; e.at[3]++, n++) {
                    e.draw = draw(s->seed, stream_of(name), n);
                    x[n] = gla_input_value(family, &e);
                }
                gla_input_row(family, &e, row);
                for (int64_t i = 0; i < shape[3]; i++) row[i] = gla_round(f, GLA_RN, row[i], 0);
            }
}

static gla_status fill_tensor(gla_generated *g, const gla_family *family, gla_input name, gla_error *err) {
    int64_t shape[4], count = 1;
    tensor_shape(g, name, shape);
    for (int i = 0; i < 4; i++) {
        if (shape[i] > INT32_MAX / count)
            return gla_fail(err, GLA_BAD_SHAPE, "%s would have 2^31 elements or more", gla_input_names[name]);
        count *= shape[i];
    }
    double *x = malloc((size_t)count * sizeof *x);
    if (!x) return gla_fail(err, GLA_NO_MEMORY, "no memory for %s", gla_input_names[name]);
    g->tensor[name] = x;
    g->count[name] = count;
    fill(g, family, name, shape, x);

    gla_tensor *t = gla_problem_input(&g->problem, name);
    *t = (gla_tensor){.at = x, .heads = shape[gla_is_state_input(name) ? 1 : 2]};
    for (int64_t i = 3, step = 1; i >= 0; step *= shape[i--]) t->stride[i] = step;
    return GLA_OK;
}

static gla_status unknown_family(const char *name, gla_error *err) {
    char first[128] = "";
    for (int i = 0; i < 12; i++)
        snprintf(first + strlen(first), sizeof first - strlen(first), " %s", gla_families[i].name);
    gla_fail(err, GLA_UNKNOWN_NAME, "no family \"%.40s\"", name ? name : "");
    return gla_hint(err, GLA_UNKNOWN_NAME, "families:%s ...; glassbox list shows all", first);
}

gla_status gla_case_complete(gla_case_spec *spec, gla_case_label name, gla_error *err) {
    const gla_family *family = gla_family_named(spec->family);
    if (!family) return unknown_family(spec->family, err);
    gla_status status = complete(spec, family, err);
    if (status == GLA_OK) print_name(spec, name);
    return status;
}

static gla_status build(gla_generated *g, gla_error *err) {
    gla_status status = gla_case_complete(&g->spec, g->name, err);
    if (status) return status;
    const gla_family *family = gla_family_named(g->spec.family);
    const gla_case_spec *s = &g->spec;
    g->problem =
        (gla_problem){.B = s->B, .T = s->T, .H = s->H, .dk = s->dk, .dv = s->dv, .M = s->M, .reverse = s->reverse};
    if (s->mechanism) status = gla_mechanism_parse(s->mechanism, &g->problem, err);
    if (family->scale) g->problem.scale = family->scale(s);
    status = fill_segments(g, family, err);
    for (int name = 0; name < GLA_INPUTS && status == GLA_OK; name++)
        if (wanted(g, (gla_input)name)) status = fill_tensor(g, family, (gla_input)name, err);
    return status;
}

gla_status gla_generate(const gla_case_spec *spec, gla_generated *out, gla_error *err) {
    *out = (gla_generated){.spec = *spec};
    gla_status status = build(out, err);
    if (status) gla_generated_free(out);
    return status;
}

void gla_generated_free(gla_generated *g) {
    for (int name = 0; name < GLA_INPUTS; name++) free(g->tensor[name]);
    free(g->cu_seqlens);
    *g = (gla_generated){0};
}

/* The next of a run of draws. */
static uint32_t pick(gla_draw *d, uint32_t n) {
    uint32_t x = gla_draw_below(*d, n);
    d->index++;
    return x;
}

gla_case_spec gla_random_shape(const char *family, uint64_t seed, int64_t C) {
    const int64_t lengths[] = {1, C > 1 ? C - 1 : 2, C, C + 1, 2 * C, 2 * C + 1, 3, 17, 67};
    static const int64_t widths[] = {1, 3, 5, 8, 16, 17, 20, 31};
    static const int64_t heads[][2] = {{1, 1}, {3, 3}, {2, 1}, {4, 2}}; /* H, Hk */
    enum { LENGTHS = sizeof lengths / sizeof lengths[0], WIDTHS = sizeof widths / sizeof widths[0] };
    gla_draw next = draw(seed, STREAM_SHAPE, 0);

    gla_case_spec s = {.family = family, .seed = seed, .backward = true};
    s.T = lengths[pick(&next, LENGTHS)];
    uint32_t key = pick(&next, WIDTHS), apart = 1 + pick(&next, WIDTHS - 1), group = pick(&next, 4);
    s.dk = widths[key];
    s.dv = widths[(key + apart) % WIDTHS]; /* never dk */
    s.H = heads[group][0];
    s.Hk = heads[group][1];
    const gla_family *known = gla_family_named(family);
    s.varlen = pick(&next, 4) == 0 || (known && known->varlen);
    s.B = s.varlen ? 1 : 1 + pick(&next, 2);
    s.gv = pick(&next, 2);
    s.initial_state = pick(&next, 2);
    s.reverse = pick(&next, 4) == 0;
    return s;
}
