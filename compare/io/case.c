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

#include "../run_parts.h"
#include "case_axes.h"
#include "parts.h"

/* Where tensors are looked for, and how they lie there. */
typedef struct source {
    const gla_tensor_file *file;
    const char *where, *prefix;
    gla_layout layout;
    bool transposed; /* states lie as [N,h,dv,dk] */
    const gla_mechanism *mechanism;
} source;

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

/* g and dg have one name more. */
static const char *usual(const char *name) {
    return strcmp(name, "gk") == 0 ? "g" : strcmp(name, "dgk") == 0 ? "dg" : name;
}

static gla_status twice(const source *s, const gla_named_tensor *x, const gla_named_tensor *y, gla_error *err) {
    return gla_fail(err, GLA_BAD_FILE, "%s: both %s and %s are given, and mean the same", s->where, bare_name(s, x),
                    bare_name(s, y));
}

/* Every tensor of the file at its input and its output; NULL where there is none. */
static gla_status find_inputs(const source *s, const gla_named_tensor *x[GLA_INPUTS], gla_error *err) {
    memset(x, 0, GLA_INPUTS * sizeof *x);
    for (size_t i = 0; i < s->file->count; i++) {
        const char *name = bare_name(s, &s->file->tensor[i]);
        gla_input input = name ? gla_input_named(s->mechanism, usual(name)) : GLA_INPUTS;
        if (input == GLA_INPUTS) continue;
        if (x[input]) return twice(s, x[input], &s->file->tensor[i], err);
        x[input] = &s->file->tensor[i];
    }
    return GLA_OK;
}

static gla_status find_outputs(const source *s, const gla_named_tensor *x[GLA_OUTPUTS], gla_error *err) {
    memset(x, 0, GLA_OUTPUTS * sizeof *x);
    for (size_t i = 0; i < s->file->count; i++) {
        const char *name = bare_name(s, &s->file->tensor[i]);
        gla_output output = name ? gla_output_named(s->mechanism, usual(name)) : GLA_OUTPUTS;
        if (output == GLA_OUTPUTS) continue;
        if (x[output]) return twice(s, x[output], &s->file->tensor[i], err);
        x[output] = &s->file->tensor[i];
    }
    return GLA_OK;
}

static bool name_is_known(const source *s, const char *name) {
    return strcmp(name, "cu_seqlens") == 0 || gla_input_named(s->mechanism, usual(name)) != GLA_INPUTS ||
           gla_output_named(s->mechanism, usual(name)) != GLA_OUTPUTS;
}

/* "input_ids, logits, ...": what nobody asked for, as far as it fits. */
static void list_ignored(const source *s, char *text, size_t size) {
    size_t used = 0;
    for (size_t i = 0; i < s->file->count; i++) {
        const char *name = bare_name(s, &s->file->tensor[i]);
        if (!name || name_is_known(s, name)) continue;
        gla_shown_room shown;
        gla_shown(shown, name);
        if (used + strlen(shown) + 8 > size) {
            snprintf(text + used, size - used, ", ...");
            return;
        }
        used += (size_t)snprintf(text + used, size - used, "%s%s", used ? ", " : "", shown);
    }
}

/* It is not there: perhaps behind a prefix? */
static gla_status missing(const source *s, const char *name, gla_error *err) {
    gla_fail(err, GLA_BAD_FILE, "%s: there is no tensor '%s%s'", s->where, s->prefix, name);
    size_t m = strlen(name);
    for (size_t i = 0; i < s->file->count; i++) {
        const char *full = s->file->tensor[i].name;
        size_t n = strlen(full);
        if (n > m && full[n - m - 1] == '.' && strcmp(full + n - m, name) == 0)
            return gla_hint(err, GLA_BAD_FILE, "there is '%.80s': choose a layer by its prefix", full);
    }
    if (s->mechanism == gla_mechanism_named("gla")) return gla_hint(err, GLA_BAD_FILE, "a case needs q, k and v");
    return gla_hint(err, GLA_BAD_FILE, "mechanism %s needs it", s->mechanism->name);
}

/* ---- shapes ---- */

static gla_axes axes_of_output(const source *s, gla_output name) {
    return gla_input_axes(s->mechanism, gla_output_like(name));
}

/* B, T, dk from q, dv from v, M from the first tensor that has slots. */
static gla_status read_sizes(const source *s, const gla_named_tensor *const x[GLA_INPUTS], gla_problem *p,
                             gla_error *err) {
    const gla_named_tensor *both[2] = {x[GLA_IN_Q], x[GLA_IN_V]};
    int64_t shape[2][4];
    for (int i = 0; i < 2; i++) {
        if (gla_axes_shape(s->layout, GLA_PER_VALUE, both[i], shape[i])) continue;
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
    for (int i = 0; i < GLA_INPUTS && !p->M; i++) {
        gla_axes axes = gla_input_axes(s->mechanism, (gla_input)i);
        int64_t slots[4];
        bool has = x[i] && (axes == GLA_PER_SLOT || axes == GLA_STATE_KEY_SLOT);
        if (has && gla_axes_shape(s->layout, axes, x[i], slots)) p->M = slots[3];
    }
    return GLA_OK;
}

/* Compare an input's shape with the sizes; *heads = its head count. */
static gla_status check_input_shape(const source *s, const gla_problem *p, gla_input name, const gla_named_tensor *x,
                                    int64_t got[4], int64_t *heads, gla_error *err) {
    gla_axes axes = gla_input_axes(s->mechanism, name);
    int head = gla_axes_head(axes);
    int64_t wanted[4];
    gla_input_shape(p, name, wanted); /* of an input that is not there yet: with any number of heads */
    memset(got, 0, 4 * sizeof *got);
    bool right = gla_axes_shape(s->layout, axes, x, got);
    if (right && s->transposed && axes == GLA_STATE) {
        int64_t rows = got[3];
        got[3] = got[2];
        got[2] = rows;
    }
    for (int i = 0; i < 4; i++) right = right && (i == head || got[i] == wanted[i]);
    *heads = got[head];
    if (right && *heads > 0) return GLA_OK;
    char got_text[128], room[128];
    gla_fail(err, GLA_BAD_SHAPE, "%s: %s has shape %s, wanted %s (B, T, dk from %s, dv from %s)", s->where, x->name,
             gla_shape_text(x->rank, x->shape, got_text, sizeof got_text), gla_axes_text(s->layout, axes, wanted, room),
             gla_input_name(s->mechanism, GLA_IN_Q), gla_input_name(s->mechanism, GLA_IN_V));
    bool gate = name == GLA_IN_GK || name == GLA_IN_GV;
    if (gate && axes != GLA_PER_HEAD && x->rank == (s->layout == GLA_THD ? 2 : 3))
        return gla_hint(err, GLA_BAD_SHAPE, "a gate per head: that is mechanism simple_gla");
    if (gate && axes == GLA_PER_HEAD)
        return gla_hint(err, GLA_BAD_SHAPE,
                        "one gate per head, the last axis may be left out; per channel: mechanism %s",
                        s->mechanism->inputs & 1u << GLA_IN_BETA ? "kda" : "gla");
    return GLA_BAD_SHAPE;
}

/* ---- values ---- */

/* Fresh binary64 values in the case's order; shape is the case's. */
static gla_status load_values(const source *s, gla_axes axes, const gla_named_tensor *x, const int64_t shape[4],
                              double **out, gla_error *err) {
    size_t bytes = ((size_t)x->count + 1) * sizeof(double);
    bool exchange = s->layout == GLA_BHTD && !gla_is_state(axes) && !gla_is_weight(axes);
    bool transpose = s->transposed && axes == GLA_STATE;
    double *value = malloc(bytes), *ordered = NULL;
    gla_status status = value ? in_file(s->where, gla_tensor_to_double(x, value, err), err) : GLA_NO_MEMORY;
    if (!status && (exchange || transpose)) {
        ordered = malloc(bytes);
        if (!ordered) status = GLA_NO_MEMORY;
        if (ordered) (exchange ? gla_axes_exchange_heads : gla_axes_transpose)(value, shape, ordered);
        free(value);
        value = ordered;
    }
    *out = value;
    return status == GLA_NO_MEMORY ? gla_fail(err, status, "%s: no memory for %s", s->where, x->name) : status;
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

static gla_status not_taken(const source *s, const gla_problem *p, const char *what, const char *name, gla_error *err) {
    char text[160];
    gla_mechanism_print(p, text, sizeof text);
    bool switched = strchr(text, ',') != NULL; /* perhaps it takes it otherwise */
    return gla_fail(err, GLA_BAD_FILE, "%s: mechanism %s %s %s", s->where, switched ? text : s->mechanism->name, what,
                    name);
}

/* Check and convert one input that is there; its heads take part in H. */
static gla_status load_input(const source *s, gla_case *c, gla_input name, const gla_named_tensor *x, gla_error *err) {
    gla_problem *p = &c->problem;
    gla_axes axes = gla_input_axes(s->mechanism, name);
    if (!(gla_inputs_taken(p) & 1u << name))
        return not_taken(s, p, "takes no", gla_input_name(s->mechanism, name), err);
    int64_t heads, shape[4];
    gla_status status = check_input_shape(s, p, name, x, shape, &heads, err);
    if (!status) status = load_values(s, axes, x, shape, &c->input[name], err);
    if (status) return status;
    c->input_dtype[name] = x->dtype;
    gla_tensor *to = gla_problem_input(p, name);
    *to = (gla_tensor){.at = c->input[name], .heads = heads};
    for (int64_t i = 3, step = 1; i >= 0; step *= shape[i--]) to->stride[i] = step;
    if (heads > p->H) p->H = heads;
    return GLA_OK;
}

static gla_status load_inputs(const source *s, gla_case *c, gla_error *err) {
    const gla_named_tensor *x[GLA_INPUTS];
    gla_status status = find_inputs(s, x, err);
    unsigned wanted = gla_inputs_taken(&c->problem) & ~(s->mechanism->optional | 1u << GLA_IN_DO);
    for (int i = 0; i < GLA_INPUTS && !status; i++)
        if (!x[i] && wanted & 1u << i && !gla_is_state_input((gla_input)i))
            status = missing(s, gla_input_name(s->mechanism, (gla_input)i), err);
    if (!status) status = read_sizes(s, x, &c->problem, err);
    if (!status) status = load_cu_seqlens(s, c, err);
    for (int i = 0; i < GLA_INPUTS && !status; i++)
        if (x[i]) status = load_input(s, c, (gla_input)i, x[i], err);
    return status;
}

/* ---- outputs under test ---- */

/* Is there enough in the case to judge this output? */
static gla_status check_judgeable(const source *s, const gla_case *c, gla_output name, gla_error *err) {
    const gla_problem *p = &c->problem;
    const char *text = gla_output_name(s->mechanism, name);
    if (!(gla_outputs_given(p) & 1u << name)) return not_taken(s, p, "has no output", text, err);
    if (gla_is_gradient(name) && !gla_has_incoming(p)) {
        gla_fail(err, GLA_BAD_FILE, "%s: %s is there, but neither do nor dfinal_state", s->where, text);
        return gla_hint(err, GLA_BAD_FILE, "add the incoming gradients, or leave the others out");
    }
    if (!gla_has_output(p, true, name))
        return gla_fail(err, GLA_BAD_FILE, "%s: %s is there, but not %s", s->where, text,
                        gla_input_name(s->mechanism, gla_output_like(name)));
    return GLA_OK;
}

static gla_status load_output(const source *s, gla_case *c, gla_output name, const gla_named_tensor *x,
                              gla_error *err) {
    gla_status status = check_judgeable(s, c, name, err);
    if (status) return status;
    int64_t got[4], wanted[4];
    gla_axes axes = axes_of_output(s, name);
    gla_output_shape(&c->problem, name, wanted);
    bool right = gla_axes_shape(s->layout, axes, x, got), turned = s->transposed && axes == GLA_STATE;
    for (int i = 0; i < 4; i++) right = right && got[i] == wanted[turned && i > 1 ? 5 - i : i];
    gla_case_output *out = &c->output[name];
    *out = (gla_case_output){
        .present = true, .wrong_shape = !right, .dtype = x->dtype, .rank = right ? 4 : x->rank, .count = x->count};
    memcpy(out->shape, right ? wanted : x->shape, (size_t)out->rank * sizeof *out->shape);
    return right ? load_values(s, axes, x, wanted, &out->value, err) : GLA_OK;
}

static gla_status load_outputs(const source *s, gla_case *c, int *loaded, gla_error *err) {
    const gla_named_tensor *x[GLA_OUTPUTS];
    gla_status status = find_outputs(s, x, err);
    *loaded = 0;
    for (int i = 0; i < GLA_OUTPUTS && !status; i++) {
        if (!x[i]) continue;
        status = load_output(s, c, (gla_output)i, x[i], err);
        (*loaded)++;
    }
    return status;
}

static gla_status load_candidate(const source *main_file, const gla_tensor_file *file, const char *path, gla_case *c,
                                 gla_error *err) {
    gla_shown_room shown;
    source s = *main_file;
    s.file = file;
    s.where = gla_shown_path(shown, path);
    int loaded;
    gla_status status = gla_layout_read(file, s.where, main_file->layout, &s.layout, err);
    if (!status) status = gla_state_layout_read(file, s.where, main_file->transposed, &s.transposed, err);
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
    source s = {.file = file, .where = where, .prefix = options->prefix ? options->prefix : ""};
    gla_problem *p = &c->problem;
    gla_settings settings;
    gla_status status = gla_settings_read(file, where, options->mechanism, &settings, err);
    s.layout = settings.layout;
    s.transposed = settings.transposed;
    *p = settings.problem;
    s.mechanism = gla_mechanism_of(p);
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
