/* SPDX-License-Identifier: Apache-2.0
 *
 * glassbox step: what numbers and elements are called, in and out.
 */
#include "cli_step.h"

#include <ctype.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- which element grows where ---- */

gla_status step_names_make(step_session *s, gla_error *err) {
    const gla_recording *r = &s->r;
    for (size_t i = 0; i < r->count; i++)
        if (r->event[i].slot >= s->slots) s->slots = (size_t)r->event[i].slot + 1;
    s->grows = malloc((s->slots + 1) * sizeof *s->grows);
    if (!s->grows) return gla_fail(err, GLA_NO_MEMORY, "no memory for the names of numbers");
    for (size_t i = 0; i < s->slots; i++) s->grows[i] = -1;
    for (int k = 0; k < GLA_OUTPUTS; k++) {
        const int64_t *shape = r->shape[k];
        uint32_t slot;
        for (int64_t i = 0; r->final[k] && i < shape[0] * shape[1] * shape[2] * shape[3]; i++)
            if (gla_recording_slot(r, (gla_output)k, i, &slot)) {
                s->grows[slot] = ((int64_t)k << 40) + i;
                s->grows[r->event[r->final[k][i]].slot] = s->grows[slot];
            }
    }
    return GLA_OK;
}

/* ---- elements ---- */

static gla_axes axes_of(const step_session *s, bool output, int name) {
    return gla_input_axes(gla_mechanism_of(&s->r.problem),
                          output ? gla_output_like((gla_output)name) : (gla_input)name);
}

static bool one_slice(const step_session *s) {
    const gla_problem *p = &s->r.problem;
    return p->N == 1 && p->B == 1 && p->H == 1;
}

/* Where the recording's element [0,0,0,0] lies in the case. */
static void offsets(const step_session *s, gla_axes axes, int64_t heads, int64_t offset[4]) {
    memset(offset, 0, 4 * sizeof *offset);
    int64_t group = heads > 0 ? s->r.problem.H / heads : 1;
    offset[gla_is_state(axes) ? 1 : 2] = s->part.head / group;
    if (gla_is_state(axes))
        offset[0] = s->part.sequence.n;
    else if (!gla_is_weight(axes)) {
        offset[0] = s->part.sequence.b;
        offset[1] = s->part.sequence.start;
    }
}

static const char *tensor_name(bool output, int name) {
    if (!output) return gla_input_names[name];
    return name == GLA_FINAL_STATE ? "S" : gla_output_names[name];
}

const char *step_element(const step_session *s, bool output, int name, const int64_t at[4], step_text text) {
    gla_axes axes = axes_of(s, output, name);
    int64_t shape[4], offset[4];
    const char *called = tensor_name(output, name);
    if (one_slice(s)) {
        int first = gla_is_state(axes) ? 2 : 1;
        snprintf(text, sizeof(step_text), "%s[%" PRId64 ",%" PRId64 "]", called, at[first], at[3]);
        return text;
    }
    if (output)
        gla_output_shape(&s->r.problem, (gla_output)name, shape);
    else
        gla_input_shape(&s->r.problem, (gla_input)name, shape);
    offsets(s, axes, shape[gla_is_state(axes) ? 1 : 2], offset);
    snprintf(text, sizeof(step_text), "%s[%" PRId64 ",%" PRId64 ",%" PRId64 ",%" PRId64 "]", called, at[0] + offset[0],
             at[1] + offset[1], at[2] + offset[2], at[3] + offset[3]);
    return text;
}

static void index_of(const int64_t shape[4], int64_t i, int64_t at[4]) {
    for (int d = 3; d >= 0; d--) {
        at[d] = i % shape[d];
        i /= shape[d];
    }
}

const char *step_operand(const step_session *s, int32_t event, step_text text) {
    int64_t at[4];
    if (event < 0) return strcpy(text, "0");
    const gla_step_event *e = &s->r.event[event];
    if (e->verb && strcmp(e->verb, "load_scale") == 0) return strcpy(text, "scale");
    if (e->input >= 0 && gla_recording_loaded(&s->r, e, at)) return step_element(s, false, e->input, at, text);
    int64_t grows = s->grows[e->slot];
    if (grows >= 0) {
        int name = (int)(grows >> 40);
        index_of(s->r.shape[name], grows & (((int64_t)1 << 40) - 1), at);
        return step_element(s, true, name, at, text);
    }
    snprintf(text, sizeof(step_text), "#%d", event);
    return text;
}

const char *step_operand_made(const step_session *s, int32_t event, step_text text) {
    step_operand(s, event, text);
    if (event >= 0 && s->r.event[event].args > 0 && text[0] != '#') {
        size_t length = strlen(text);
        snprintf(text + length, sizeof(step_text) - length, "#%d", event);
    }
    return text;
}

/* ---- a choice of elements ---- */

static bool find_tensor(step_session *s, const char *text, size_t length, step_choice *c) {
    const gla_recording *r = &s->r;
    int output = length == 1 && text[0] == 'S' ? GLA_FINAL_STATE : cli_output_named(text, length);
    c->output = output >= 0 && r->final[output];
    if (c->output) {
        c->as_output = (gla_output)output;
        gla_output_shape(&r->problem, c->as_output, c->shape);
        return true;
    }
    for (int i = 0; i < GLA_INPUTS; i++)
        if (strlen(gla_input_names[i]) == length && strncmp(gla_input_names[i], text, length) == 0 &&
            r->loaded[i] > 0) {
            c->as_input = (gla_input)i;
            gla_input_shape(&r->problem, c->as_input, c->shape);
            return true;
        }
    char names[160] = "";
    for (int i = 0; i < GLA_OUTPUTS; i++)
        if (r->final[i]) snprintf(names + strlen(names), sizeof names - strlen(names), " %s", tensor_name(true, i));
    for (int i = 0; i < GLA_INPUTS; i++)
        if (r->loaded[i]) snprintf(names + strlen(names), sizeof names - strlen(names), " %s", gla_input_names[i]);
    gla_fail(&s->complaint, GLA_UNKNOWN_NAME, "no '%.*s' here; there are%s", (int)length, text, names);
    return false;
}

/* "[1,*,3" into field[], -1 for *: how many there are, -1 if it is no list. */
static int read_fields(const char *text, int64_t field[4]) {
    int count = 0;
    while (count < 4) {
        char *end;
        text++;
        while (isspace((unsigned char)*text)) text++;
        if (*text == '*') {
            field[count++] = -1;
            text++;
        } else {
            if (!isdigit((unsigned char)*text)) return -1;
            field[count++] = strtoll(text, &end, 10);
            text = end;
        }
        while (isspace((unsigned char)*text)) text++;
        if (*text == ']') return text[1] ? -1 : count;
        if (*text != ',') return -1;
    }
    return -1;
}

bool step_choose(step_session *s, const char *text, step_choice *c) {
    int64_t field[4] = {-1, -1, -1, -1}, offset[4] = {0, 0, 0, 0};
    size_t length = strcspn(text, "[");
    memset(c, 0, sizeof *c);
    if (!find_tensor(s, text, length, c)) return false;
    gla_axes axes = axes_of(s, c->output, c->output ? (int)c->as_output : (int)c->as_input);
    int fields = text[length] ? read_fields(text + length, field) : 4;
    if (fields == 2 && one_slice(s)) {
        int64_t at = field[0];
        field[3] = field[1];
        field[0] = field[1] = field[2] = -1;
        field[gla_is_state(axes) ? 2 : 1] = at;
    } else if (fields == 4)
        offsets(s, axes, c->shape[gla_is_state(axes) ? 1 : 2], offset);
    else {
        gla_fail(&s->complaint, GLA_BAD_VALUE, "'%.40s' is not like %s", text,
                 one_slice(s) ? "o[3,1], S[0,*] or o[0,3,0,1]" : "o[0,3,0,1] or final_state[0,0,*,1]");
        return false;
    }
    for (int d = 0; d < 4; d++) {
        int64_t at = field[d] - offset[d];
        bool all = field[d] < 0;
        c->first[d] = all ? 0 : at;
        c->end[d] = all ? c->shape[d] : at + 1;
        if (c->first[d] >= 0 && c->end[d] <= c->shape[d]) continue;
        gla_fail(&s->complaint, GLA_BAD_SHAPE,
                 "%.40s lies outside what is recorded, [%" PRId64 ",%" PRId64 ",%" PRId64 ",%" PRId64 "]", text,
                 c->shape[0], c->shape[1], c->shape[2], c->shape[3]);
        return false;
    }
    return true;
}

/* ---- numbers ---- */

const char *step_number(const step_session *s, gla_wide x, step_text text) {
    int digits = s->r.precision <= 12 ? 6 : s->r.precision <= 24 ? 9 : 13;
    double d = gla_wide_d(x);
    if (!isfinite(x.m) || x.m == 0 || (fabs(d) >= 0x1p-1021 && isfinite(d))) {
        snprintf(text, sizeof(step_text), "%.*g", digits, d);
        return text;
    }
    mpfr_t wide;
    mpfr_init2(wide, 53);
    gla_wide_mpfr(wide, x);
    mpfr_snprintf(text, sizeof(step_text), "%.*Rg", digits, wide);
    mpfr_clear(wide);
    return text;
}

const char *step_hex(gla_wide x, step_text text) {
    if (!isfinite(x.m) || x.m == 0)
        snprintf(text, sizeof(step_text), "%a", x.m);
    else {
        char digits[40];
        snprintf(digits, sizeof digits, "%a", 2 * x.m); /* 0x1.8p+0 */
        snprintf(text, sizeof(step_text), "%.*sp%+" PRId64, (int)strcspn(digits, "p"), digits, x.e - 1);
    }
    return text;
}

const char *step_bits(const gla_recording *r, const gla_step_event *e, step_text text) {
    double bits = gla_event_bits(r, e);
    if (isnan(bits)) return strcpy(text, "no truth");
    if (isinf(bits)) return strcpy(text, "exact");
    snprintf(text, sizeof(step_text), "%.1f bits", bits);
    return text;
}

const char *step_ulps(const step_session *s, const gla_step_event *e, step_text text) {
    double ulps = gla_event_ulps(&s->r, e);
    text[0] = 0;
    if (isfinite(ulps) && ulps != 0) snprintf(text, sizeof(step_text), "%.3g ulp", ulps);
    return text;
}

cli_tint step_tint(const step_session *s, const gla_step_event *e) {
    if (gla_event_nonfinite(e) || isnan(e->truth.m)) return CLI_RED;
    return gla_event_bits(&s->r, e) < (double)s->r.precision / 2 ? CLI_YELLOW : CLI_PLAIN;
}
