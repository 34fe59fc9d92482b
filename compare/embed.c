/* SPDX-License-Identifier: Apache-2.0
 *
 * The face of libglassbox.so (embed.h): names, problems, shapes, truth.
 */
#include "embed.h"

#include <stdio.h>
#include <string.h>

#include "cases.h"
#include "embed_parts.h"

int glassbox_abi(void) { return GLASSBOX_ABI; }

/* ---- names ---- */

static const char *const formats[] = {"binary64", "binary32", "bf16", "f16", "tf32", "e4m3", "e5m2"};
enum { FORMATS = sizeof formats / sizeof *formats, VERDICTS = GLA_BROKEN + 1 };

static const gla_family *family_at(int i) {
    for (const gla_family *f = gla_families; f->name; f++)
        if (i-- == 0) return f;
    return NULL;
}

static const gla_mechanism *mechanism_at(int i) {
    for (int n = 0; gla_mechanisms[n]; n++)
        if (n == i) return gla_mechanisms[n];
    return NULL;
}

static const gla_profile *profile_at(int i) {
    for (int n = 0; gla_profiles[n]; n++)
        if (n == i) return gla_profiles[n];
    return NULL;
}

const char *glassbox_name(int list, int i) {
    if (i < 0) return NULL;
    switch (list) {
    case GLASSBOX_LIST_INPUTS:
        return i < GLA_INPUTS ? gla_input_names[i] : NULL;
    case GLASSBOX_LIST_OUTPUTS:
        return i < GLA_OUTPUTS ? gla_output_names[i] : NULL;
    case GLASSBOX_LIST_MECHANISMS:
        return mechanism_at(i) ? mechanism_at(i)->name : NULL;
    case GLASSBOX_LIST_PROFILES:
        return profile_at(i) ? profile_at(i)->name : NULL;
    case GLASSBOX_LIST_FAMILIES:
        return family_at(i) ? family_at(i)->name : NULL;
    case GLASSBOX_LIST_FORMATS:
        return i < FORMATS ? formats[i] : NULL;
    case GLASSBOX_LIST_VERDICTS:
        return i < VERDICTS ? gla_verdict_names[i] : NULL;
    case GLASSBOX_LIST_FIELDS:
        return embed_field_name(i);
    default:
        return NULL;
    }
}

const char *glassbox_about(int list, int i) {
    if (!glassbox_name(list, i)) return NULL;
    switch (list) {
    case GLASSBOX_LIST_MECHANISMS:
        return mechanism_at(i)->equation;
    case GLASSBOX_LIST_PROFILES:
        return profile_at(i)->what;
    case GLASSBOX_LIST_FAMILIES:
        return family_at(i)->failure;
    case GLASSBOX_LIST_FIELDS:
        return embed_field_about(i);
    default:
        return "";
    }
}

/* Axes of 1 that may be left out: of weights the first two, of single numbers the last. */
static void lacking(gla_axes axes, int axis[2]) {
    axis[0] = gla_is_weight(axes) ? 2 : 0;
    axis[1] = axes == GLA_STATE_ONE ? 2 : axes == GLA_PER_HEAD || axes == GLA_STATE_KEY || axes == GLA_WEIGHT_ONE;
}

static bool find_mechanism(const char *text, gla_problem *p) {
    *p = (gla_problem){.mechanism = NULL};
    return !text || gla_mechanism_parse(text, p, NULL) == GLA_OK;
}

const char *glassbox_input(const char *mechanism, int i, int axis[2]) {
    gla_problem p;
    if (i < 0 || i >= GLA_INPUTS || !find_mechanism(mechanism, &p) || !(gla_inputs_taken(&p) & 1u << i)) return NULL;
    lacking(gla_input_axes(gla_mechanism_of(&p), (gla_input)i), axis);
    return gla_input_name(gla_mechanism_of(&p), (gla_input)i);
}

const char *glassbox_output(const char *mechanism, int i, int axis[2]) {
    gla_problem p;
    if (i < 0 || i >= GLA_OUTPUTS || !find_mechanism(mechanism, &p) || !(gla_outputs_given(&p) & 1u << i)) return NULL;
    lacking(gla_input_axes(gla_mechanism_of(&p), gla_output_like((gla_output)i)), axis);
    return gla_output_name(gla_mechanism_of(&p), (gla_output)i);
}

/* ---- shared by the calls ---- */

int embed_fail(const gla_error *err, char *text, size_t room) {
    bool hint = err->hint[0] != 0;
    snprintf(text, room, "%s%s%s%s", err->what, hint ? " (" : "", hint ? err->hint : "", hint ? ")" : "");
    return (int)err->status;
}

gla_status embed_format(const char *name, const gla_format **out, gla_error *err) {
    *out = name ? gla_format_named(name) : NULL;
    if (*out) return GLA_OK;
    gla_fail(err, GLA_UNKNOWN_NAME, "no format '%.40s'", name ? name : "");
    return gla_hint(err, GLA_UNKNOWN_NAME, "formats: binary64 binary32 bf16 f16 tf32 e4m3 e5m2");
}

typedef char shape_text[96];

static const char *shape_of(const int64_t shape[4], shape_text text) {
    snprintf(text, sizeof(shape_text), "(%lld, %lld, %lld, %lld)", (long long)shape[0], (long long)shape[1],
             (long long)shape[2], (long long)shape[3]);
    return text;
}

/* Point the problem at one input; its heads take part in H. */
static gla_status take_input(const embed_arguments *a, gla_problem *p, gla_input name, gla_error *err) {
    const gla_mechanism *m = gla_mechanism_of(p);
    const int64_t *got = a->shape[name];
    gla_axes axes = gla_input_axes(m, name);
    int head_axis = gla_is_state(axes) ? 1 : 2;
    int64_t heads = got[head_axis], wanted[4];
    gla_input_shape(p, name, wanted); /* of an input that is not there yet: with any number of heads */
    wanted[head_axis] = heads > 0 ? heads : 1;
    if (memcmp(got, wanted, sizeof wanted) != 0) {
        shape_text found, sought;
        gla_fail(err, GLA_BAD_SHAPE, "%s has shape %s, wanted %s", gla_input_name(m, name), shape_of(got, found),
                 shape_of(wanted, sought));
        if (name == GLA_IN_GK && axes == GLA_PER_HEAD)
            return gla_hint(err, GLA_BAD_SHAPE, "one gate per head; per channel: mechanism gla");
        return gla_hint(err, GLA_BAD_SHAPE,
                        "tokens are [B,T,heads,D], states [N,heads,rows,columns], weights [1,1,heads,D]; B, T, dk are "
                        "q's, dv v's");
    }
    gla_tensor *to = gla_problem_input(p, name);
    *to = (gla_tensor){.at = a->input[name], .heads = heads};
    for (int64_t i = 3, step = 1; i >= 0; step *= got[i--]) to->stride[i] = step;
    if (heads > p->H) p->H = heads;
    return GLA_OK;
}

/* The slots, from the first input that has them. */
static int64_t slots_of(const embed_arguments *a, const gla_mechanism *m) {
    for (int i = 0; i < GLA_INPUTS; i++) {
        gla_axes axes = gla_input_axes(m, (gla_input)i);
        if (a->input[i] && (axes == GLA_PER_SLOT || axes == GLA_STATE_KEY_SLOT)) return a->shape[i][3];
    }
    return 0;
}

static gla_status check_missing(const embed_arguments *a, const gla_problem *p, gla_error *err) {
    const gla_mechanism *m = gla_mechanism_of(p);
    unsigned wanted = gla_inputs_taken(p) & ~(m->optional | 1u << GLA_IN_DO);
    for (int i = 0; i < GLA_INPUTS; i++)
        if (!a->input[i] && wanted & 1u << i && !gla_is_state_input((gla_input)i))
            return gla_fail(err, GLA_BAD_SHAPE, "%s is missing", gla_input_name(m, (gla_input)i));
    return GLA_OK;
}

gla_status embed_problem(const embed_arguments *a, gla_problem *p, gla_error *err) {
    *p = (gla_problem){.scale = a->scale, .reverse = a->flags & GLASSBOX_REVERSE};
    if (a->mechanism && gla_mechanism_parse(a->mechanism, p, err) != GLA_OK) return GLA_UNKNOWN_NAME;
    if (check_missing(a, p, err) != GLA_OK) return GLA_BAD_SHAPE;
    const int64_t *q = a->shape[GLA_IN_Q];
    p->B = p->N = q[0];
    p->T = q[1];
    p->dk = q[3];
    p->dv = a->shape[GLA_IN_V][3];
    p->M = slots_of(a, gla_mechanism_of(p));
    if (a->cu_seqlens) {
        if (a->cu_count < 2)
            return gla_fail(err, GLA_BAD_SHAPE, "cu_seqlens has %lld offsets, wanted N+1 with N >= 1",
                            (long long)a->cu_count);
        p->cu_seqlens = a->cu_seqlens;
        p->N = a->cu_count - 1;
    }
    gla_status status = GLA_OK;
    for (int i = 0; i < GLA_INPUTS && !status; i++)
        if (a->input[i]) status = take_input(a, p, (gla_input)i, err);
    return status ? status : gla_problem_check(p, a->flags & GLASSBOX_GROWTH, err);
}

/* ---- shapes and truth ---- */

int glassbox_shapes(const char *mechanism, const double *const *input, const int64_t (*input_shape)[4],
                    const int64_t *cu_seqlens, int64_t cu_count, double scale, unsigned flags,
                    int64_t (*output_shape)[4], char *text, size_t room) {
    embed_arguments a = {mechanism, input, input_shape, cu_seqlens, cu_count, scale, flags};
    gla_error err;
    gla_problem p;
    if (embed_problem(&a, &p, &err) != GLA_OK) return embed_fail(&err, text, room);
    for (int i = 0; i < GLA_OUTPUTS; i++) {
        memset(output_shape[i], 0, sizeof output_shape[i]);
        if (gla_has_output(&p, flags & GLASSBOX_BACKWARD, (gla_output)i))
            gla_output_shape(&p, (gla_output)i, output_shape[i]);
    }
    return GLA_OK;
}

static void copy(void *to, const void *from, size_t size) {
    if (to && size) memcpy(to, from, size);
}

int glassbox_truth(const char *mechanism, const double *const *input, const int64_t (*input_shape)[4],
                   const int64_t *cu_seqlens, int64_t cu_count, double scale, unsigned flags, const char *target,
                   double close_enough, int threads, double *const *value, double *const *low, double *const *magnitude,
                   uint8_t *const *certified, char *text, size_t room) {
    embed_arguments a = {mechanism, input, input_shape, cu_seqlens, cu_count, scale, flags};
    gla_error err;
    gla_problem p;
    gla_truth truth = {0};
    gla_truth_options options = {
        .backward = flags & GLASSBOX_BACKWARD, .close_enough = close_enough, .threads = threads};
    gla_status status = embed_format(target, &options.target, &err);
    if (!status) status = embed_problem(&a, &p, &err);
    if (!status) status = gla_truth_compute(&p, &options, &truth, &err);
    for (int i = 0; i < GLA_OUTPUTS && !status; i++) {
        size_t count = (size_t)truth.tensor[i].count;
        copy(value ? value[i] : NULL, truth.tensor[i].value, count * sizeof(double));
        copy(low ? low[i] : NULL, truth.tensor[i].low, count * sizeof(double));
        copy(magnitude ? magnitude[i] : NULL, truth.tensor[i].magnitude, count * sizeof(double));
        copy(certified ? certified[i] : NULL, truth.tensor[i].certified, count);
    }
    gla_truth_free(&truth);
    return status ? embed_fail(&err, text, room) : GLA_OK;
}

int glassbox_round(const char *format, double *x, int64_t count, char *text, size_t room) {
    const gla_format *f;
    gla_error err;
    if (embed_format(format, &f, &err) != GLA_OK) return embed_fail(&err, text, room);
    for (int64_t i = 0; i < count; i++) x[i] = gla_round(f, GLA_RN, x[i], 0);
    return GLA_OK;
}
