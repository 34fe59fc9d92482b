/* SPDX-License-Identifier: Apache-2.0
 *
 * From named tensors to a case: settings out of the metadata, inputs checked against each other's shapes and turned
 * into binary64 [B,T,h,D], outputs under test checked against the shapes that the problem asks for.
 *
 * Whatever the layout of the file, the case is dense BTHD.
 */
#include "case.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "case_settings.h"
#include "parts.h"

/* Where tensors are looked for, and how they lie there. */
typedef struct source {
    const gla_tensor_file *file;
    const char *where, *prefix;
    gla_layout layout;
} source;

/* Second names of an input and an output. */
static const char *const input_alias[GLA_INPUTS] = {[GLA_IN_GK] = "gk"};
static const char *const output_alias[GLA_OUTPUTS] = {[GLA_DGK] = "dgk"};

/* Put the file's name before an error that does not know it. */
static gla_status in_file(const char *where, gla_status status, gla_error *err) {
    if (!status || !err) return status;
    char what[sizeof err->what], hint[sizeof err->hint];
    memcpy(what, err->what, sizeof what);
    memcpy(hint, err->hint, sizeof hint);
    gla_fail(err, status, "%s: %s", where, what);
    return *hint ? gla_hint(err, status, "%s", hint) : status;
}

/* ---- names ---- */

/* The part of a tensor's name behind the prefix, or NULL. */
static const char *bare_name(const source *s, const gla_named_tensor *x) {
    size_t n = strlen(s->prefix);
    return strncmp(x->name, s->prefix, n) == 0 ? x->name + n : NULL;
}

static const gla_named_tensor *find_one(const source *s, const char *name) {
    for (size_t i = 0; name && i < s->file->count; i++) {
        const char *bare = bare_name(s, &s->file->tensor[i]);
        if (bare && strcmp(bare, name) == 0) return &s->file->tensor[i];
    }
    return NULL;
}

/* *x = the tensor of this name or its alias, NULL if absent. */
static gla_status find(const source *s, const char *name, const char *alias, const gla_named_tensor **x,
                       gla_error *err) {
    const gla_named_tensor *first = find_one(s, name), *second = find_one(s, alias);
    if (first && second)
        return gla_fail(err, GLA_BAD_FILE, "%s: both %s and %s are given, and mean the same", s->where, name, alias);
    *x = first ? first : second;
    return GLA_OK;
}

static bool name_is_known(const char *name) {
    if (strcmp(name, "cu_seqlens") == 0) return true;
    for (int i = 0; i < GLA_INPUTS; i++)
        if (strcmp(name, gla_input_names[i]) == 0) return true;
    for (int i = 0; i < GLA_OUTPUTS; i++)
        if (strcmp(name, gla_output_names[i]) == 0) return true;
    return strcmp(name, "gk") == 0 || strcmp(name, "dgk") == 0;
}

/* "input_ids, logits, ...": what nobody asked for, as far as it fits. */
static void list_ignored(const source *s, char *text, size_t size) {
    size_t used = 0;
    for (size_t i = 0; i < s->file->count; i++) {
        const char *name = bare_name(s, &s->file->tensor[i]);
        if (!name || name_is_known(name)) continue;
        gla_shown_room shown;
        gla_shown(shown, name);
        if (used + strlen(shown) + 8 > size) {
            snprintf(text + used, size - used, ", ...");
            return;
        }
        used += (size_t)snprintf(text + used, size - used, "%s%s", used ? ", " : "", shown);
    }
}

/* q k v are there? If not, perhaps behind a prefix. */
static gla_status missing(const source *s, const char *name, gla_error *err) {
    gla_fail(err, GLA_BAD_FILE, "%s: there is no tensor '%s%s'", s->where, s->prefix, name);
    size_t m = strlen(name);
    for (size_t i = 0; i < s->file->count; i++) {
        const char *full = s->file->tensor[i].name;
        size_t n = strlen(full);
        if (n > m && full[n - m - 1] == '.' && strcmp(full + n - m, name) == 0)
            return gla_hint(err, GLA_BAD_FILE, "there is '%.80s': choose a layer by its prefix", full);
    }
    return gla_hint(err, GLA_BAD_FILE, "a case needs q, k and v");
}

/* ---- shapes ---- */

/* What a tensor is, as far as its shape goes. */
typedef enum kind { TOKENS, STATE, HEAD_GATE } kind;

static kind kind_of_input(const gla_problem *p, gla_input name) {
    if (gla_is_state_input(name)) return STATE;
    return name == GLA_IN_GK && gla_mechanism_of(p)->gate_per_head ? HEAD_GATE : TOKENS;
}

static kind kind_of_output(const gla_problem *p, gla_output name) {
    if (gla_is_state_output(name)) return STATE;
    return name == GLA_DGK && gla_mechanism_of(p)->gate_per_head ? HEAD_GATE : TOKENS;
}

/* The shape as [B,T,h,D] (states: as it is; a gate per head may lack its axis of 1). False: not of the rank this layout
 * has. */
static bool canonical_shape(gla_layout l, kind what, const gla_named_tensor *x, int64_t shape[4]) {
    static const int order[GLA_LAYOUTS][4] = {{0, 1, 2, 3}, {0, 2, 1, 3}, {-1, 0, 1, 2}};
    if (what == STATE) l = GLA_BTHD;
    int rank = l == GLA_THD ? 3 : 4, lacking = what == HEAD_GATE && x->rank == rank - 1;
    if (x->rank != rank - lacking) return false;
    for (int i = 0; i < 4; i++) shape[i] = order[l][i] < 0 || order[l][i] == x->rank ? 1 : x->shape[order[l][i]];
    return true;
}

/* The wanted shape as the file should have it; the head count is free: "[1,320,h,64]". */
static const char *wanted_text(gla_layout l, bool state, const int64_t s[4], char text[128]) {
    long long a = s[0], b = s[1], c = s[2], d = s[3];
    if (state)
        snprintf(text, 128, "[%lld,h,%lld,%lld]", a, c, d);
    else if (l == GLA_BTHD)
        snprintf(text, 128, "[%lld,%lld,h,%lld]", a, b, d);
    else if (l == GLA_BHTD)
        snprintf(text, 128, "[%lld,h,%lld,%lld]", a, b, d);
    else
        snprintf(text, 128, "[%lld,h,%lld]", b, d);
    return text;
}

/* B, T, dk from q, dv from v. */
static gla_status read_sizes(const source *s, const gla_named_tensor *q, const gla_named_tensor *v, gla_problem *p,
                             gla_error *err) {
    const gla_named_tensor *both[2] = {q, v};
    int64_t shape[2][4];
    for (int i = 0; i < 2; i++) {
        if (canonical_shape(s->layout, TOKENS, both[i], shape[i])) continue;
        char got[128];
        gla_fail(err, GLA_BAD_SHAPE, "%s: %s has shape %s, layout %s wants %d axes", s->where, both[i]->name,
                 gla_shape_text(both[i]->rank, both[i]->shape, got, sizeof got), gla_layout_names[s->layout],
                 s->layout == GLA_THD ? 3 : 4);
        return gla_hint(err, GLA_BAD_SHAPE, "metadata \"layout\" is BTHD (if absent), BHTD or THD (packed)");
    }
    p->B = shape[0][0];
    p->T = shape[0][1];
    p->dk = shape[0][3];
    p->dv = shape[1][3];
    return GLA_OK;
}

/* The shape an input must have, apart from its heads. */
static void wanted_shape(const gla_problem *p, gla_input name, int64_t shape[4]) {
    bool state = gla_is_state_input(name), key = name == GLA_IN_Q || name == GLA_IN_K || name == GLA_IN_GK;
    shape[0] = state ? p->N : p->B;
    shape[1] = state ? 0 : p->T;
    shape[2] = state ? p->dk : 0;
    shape[3] = kind_of_input(p, name) == HEAD_GATE ? 1 : key ? p->dk : p->dv;
}

/* Compare an input's shape with the sizes; *heads = its head count. */
static gla_status check_input_shape(const source *s, const gla_problem *p, gla_input name, const gla_named_tensor *x,
                                    int64_t *heads, gla_error *err) {
    bool state = gla_is_state_input(name);
    int head_axis = state ? 1 : 2;
    int64_t got[4] = {0}, wanted[4];
    wanted_shape(p, name, wanted);
    bool right = canonical_shape(s->layout, kind_of_input(p, name), x, got);
    for (int i = 0; i < 4; i++) right = right && (i == head_axis || got[i] == wanted[i]);
    *heads = got[head_axis];
    if (right && *heads > 0) return GLA_OK;
    char got_text[128], room[128];
    gla_fail(err, GLA_BAD_SHAPE, "%s: %s has shape %s, wanted %s (B, T, dk from q, dv from v)", s->where, x->name,
             gla_shape_text(x->rank, x->shape, got_text, sizeof got_text), wanted_text(s->layout, state, wanted, room));
    bool gate = name == GLA_IN_GK || name == GLA_IN_GV;
    bool one = kind_of_input(p, name) == HEAD_GATE;
    if (gate && !one && x->rank == (s->layout == GLA_THD ? 2 : 3))
        return gla_hint(err, GLA_BAD_SHAPE, "a gate per head: that is mechanism simple_gla");
    if (one)
        return gla_hint(err, GLA_BAD_SHAPE,
                        "one gate per head, the last axis may be left out; per channel: mechanism gla");
    return GLA_BAD_SHAPE;
}

/* ---- values ---- */

/* [B,h,T,D] -> [B,T,h,D]; shape is that of the result. */
static void exchange_heads(const double *x, const int64_t shape[4], double *z) {
    int64_t T = shape[1], H = shape[2], D = shape[3];
    for (int64_t b = 0; b < shape[0]; b++)
        for (int64_t t = 0; t < T; t++)
            for (int64_t h = 0; h < H; h++, z += D) memcpy(z, x + ((b * H + h) * T + t) * D, (size_t)D * sizeof *z);
}

/* Fresh binary64 values in BTHD order; shape is the canonical one. */
static gla_status load_values(const source *s, bool state, const gla_named_tensor *x, const int64_t shape[4],
                              double **out, gla_error *err) {
    size_t bytes = ((size_t)x->count + 1) * sizeof(double);
    double *value = malloc(bytes);
    if (!value) return gla_fail(err, GLA_NO_MEMORY, "%s: no memory for %s", s->where, x->name);
    gla_status status = in_file(s->where, gla_tensor_to_double(x, value, err), err);
    if (!status && !state && s->layout == GLA_BHTD) {
        double *exchanged = malloc(bytes);
        if (exchanged) exchange_heads(value, shape, exchanged);
        if (!exchanged) status = gla_fail(err, GLA_NO_MEMORY, "%s: no memory for %s", s->where, x->name);
        free(value);
        value = exchanged;
    }
    *out = value;
    return status;
}

static gla_status load_cu_seqlens(const source *s, gla_case *c, gla_error *err) {
    const gla_named_tensor *x = find_one(s, "cu_seqlens");
    c->problem.N = c->problem.B;
    if (!x && s->layout == GLA_THD)
        return gla_fail(err, GLA_BAD_FILE, "%s: layout THD needs the tensor cu_seqlens", s->where);
    if (!x) return GLA_OK;
    char got[128];
    if (x->rank != 1 || x->count < 2)
        return gla_fail(err, GLA_BAD_SHAPE, "%s: %s has shape %s, wanted [N+1] with N >= 1", s->where, x->name,
                        gla_shape_text(x->rank, x->shape, got, sizeof got));
    c->cu_seqlens = malloc((size_t)x->count * sizeof *c->cu_seqlens);
    if (!c->cu_seqlens) return gla_fail(err, GLA_NO_MEMORY, "%s: no memory for cu_seqlens", s->where);
    c->problem.cu_seqlens = c->cu_seqlens;
    c->problem.N = x->count - 1;
    return in_file(s->where, gla_tensor_to_integers(x, c->cu_seqlens, err), err);
}

/* Check and convert one input that is there; its heads take part in H. */
static gla_status load_input(const source *s, gla_case *c, gla_input name, const gla_named_tensor *x, gla_error *err) {
    gla_problem *p = &c->problem;
    if (!(gla_mechanism_of(&c->problem)->inputs & 1u << name))
        return gla_fail(err, GLA_BAD_FILE, "%s: mechanism %s takes no %s", s->where,
                        gla_mechanism_of(&c->problem)->name, gla_input_names[name]);
    int64_t heads, shape[4];
    gla_status status = check_input_shape(s, p, name, x, &heads, err);
    if (status) return status;
    bool state = gla_is_state_input(name);
    canonical_shape(s->layout, kind_of_input(p, name), x, shape);
    status = load_values(s, state, x, shape, &c->input[name], err);
    if (status) return status;
    c->input_dtype[name] = x->dtype;
    gla_tensor_dense(gla_problem_input(p, name), c->input[name], state ? 0 : p->T, heads, state ? p->dk : 0, shape[3]);
    if (heads > p->H) p->H = heads;
    return GLA_OK;
}

static gla_status load_inputs(const source *s, gla_case *c, gla_error *err) {
    const gla_named_tensor *x[GLA_INPUTS];
    for (int i = 0; i < GLA_INPUTS; i++) {
        gla_status status = find(s, gla_input_names[i], input_alias[i], &x[i], err);
        if (status) return status;
        if (!x[i] && i <= GLA_IN_V) return missing(s, gla_input_names[i], err);
    }
    gla_status status = read_sizes(s, x[GLA_IN_Q], x[GLA_IN_V], &c->problem, err);
    if (!status) status = load_cu_seqlens(s, c, err);
    for (int i = 0; i < GLA_INPUTS && !status; i++)
        if (x[i]) status = load_input(s, c, (gla_input)i, x[i], err);
    return status;
}

/* ---- outputs under test ---- */

/* Is there enough in the case to judge this output? */
static gla_status check_judgeable(const source *s, const gla_case *c, gla_output name, gla_error *err) {
    const gla_problem *p = &c->problem;
    const char *text = gla_output_names[name];
    if (!(gla_mechanism_of(&c->problem)->outputs & 1u << name))
        return gla_fail(err, GLA_BAD_FILE, "%s: mechanism %s has no output %s", s->where,
                        gla_mechanism_of(&c->problem)->name, text);
    bool gradient = name != GLA_O && name != GLA_FINAL_STATE;
    if (gradient && !p->d_o.at && !p->d_final_state.at) {
        gla_fail(err, GLA_BAD_FILE, "%s: %s is there, but neither do nor dfinal_state", s->where, text);
        return gla_hint(err, GLA_BAD_FILE, "add the incoming gradients, or leave the others out");
    }
    if ((name == GLA_DGK && !p->gk.at) || (name == GLA_DGV && !p->gv.at))
        return gla_fail(err, GLA_BAD_FILE, "%s: %s is there, but not %s", s->where, text, text + 1);
    return GLA_OK;
}

static gla_status load_output(const source *s, gla_case *c, gla_output name, const gla_named_tensor *x,
                              gla_error *err) {
    gla_status status = check_judgeable(s, c, name, err);
    if (status) return status;
    int64_t got[4], wanted[4];
    bool state = gla_is_state_output(name);
    gla_output_shape(&c->problem, name, wanted);
    bool right =
        canonical_shape(s->layout, kind_of_output(&c->problem, name), x, got) && memcmp(got, wanted, sizeof got) == 0;
    gla_case_output *out = &c->output[name];
    *out = (gla_case_output){
        .present = true, .wrong_shape = !right, .dtype = x->dtype, .rank = right ? 4 : x->rank, .count = x->count};
    memcpy(out->shape, right ? wanted : x->shape, (size_t)out->rank * sizeof *out->shape);
    return right ? load_values(s, state, x, wanted, &out->value, err) : GLA_OK;
}

static gla_status load_outputs(const source *s, gla_case *c, int *loaded, gla_error *err) {
    *loaded = 0;
    for (int i = 0; i < GLA_OUTPUTS; i++) {
        const gla_named_tensor *x;
        gla_status status = find(s, gla_output_names[i], output_alias[i], &x, err);
        if (!status && x) status = load_output(s, c, (gla_output)i, x, err);
        if (status) return status;
        if (x) (*loaded)++;
    }
    return GLA_OK;
}

static gla_status load_candidate(const source *main_file, const gla_tensor_file *file, const char *path, gla_case *c,
                                 gla_error *err) {
    gla_shown_room shown;
    source s = {file, gla_shown_path(shown, path), main_file->prefix, GLA_BTHD};
    int loaded;
    gla_status status = gla_layout_read(file, s.where, main_file->layout, &s.layout, err);
    if (!status) status = load_outputs(&s, c, &loaded, err);
    if (status || loaded) return status;
    return gla_fail(err, GLA_BAD_FILE, "%s: no output under test: none of %so, %sfinal_state, %sdq ...", s.where,
                    s.prefix, s.prefix, s.prefix);
}

/* ---- the whole ---- */

static gla_status build(const gla_tensor_file *file, const gla_tensor_file *candidate, const char *name,
                        const gla_case_options *options, gla_case *c, gla_error *err) {
    gla_shown_room shown;
    const char *where = gla_shown_path(shown, name);
    source s = {file, where, options->prefix ? options->prefix : "", GLA_BTHD};
    gla_problem *p = &c->problem;
    gla_settings settings;
    gla_status status = gla_settings_read(file, where, options->mechanism, &settings, err);
    s.layout = settings.layout;
    *p = settings.problem;
    if (!status) status = gla_case_name(file, name, s.prefix, &c->name, err);
    if (!status) status = load_inputs(&s, c, err);
    if (!status) status = in_file(where, gla_problem_check(p, options->allow_growth, err), err);
    if (status) return status;
    list_ignored(&s, c->ignored, sizeof c->ignored);
    int loaded;
    const char *path = options->candidate ? options->candidate : "candidate";
    return candidate ? load_candidate(&s, candidate, path, c, err) : load_outputs(&s, c, &loaded, err);
}

gla_status gla_case_build(gla_tensor_file *file, gla_tensor_file *candidate, const char *name,
                          const gla_case_options *options, gla_case *out, gla_error *err) {
    static const gla_case_options plain = {0};
    *out = (gla_case){0};
    gla_status status = build(file, candidate, name, options ? options : &plain, out, err);
    gla_tensors_drop(file);
    out->metadata = *file;
    *file = (gla_tensor_file){0};
    if (candidate) gla_tensors_free(candidate);
    if (status) gla_case_free(out);
    return status;
}

gla_status gla_case_load(const char *path, const gla_case_options *options, gla_case *out, gla_error *err) {
    *out = (gla_case){0};
    bool second = options && options->candidate;
    gla_tensor_file file, candidate = {0};
    gla_status status = gla_tensors_read(path, &file, err);
    if (!status && second) status = gla_tensors_read(options->candidate, &candidate, err);
    if (!status) return gla_case_build(&file, second ? &candidate : NULL, path, options, out, err);
    gla_tensors_free(&file);
    return status;
}

void gla_case_free(gla_case *c) {
    for (int i = 0; i < GLA_INPUTS; i++) free(c->input[i]);
    for (int i = 0; i < GLA_OUTPUTS; i++) free(c->output[i].value);
    free(c->cu_seqlens);
    free(c->name);
    gla_tensors_free(&c->metadata);
    *c = (gla_case){0};
}
