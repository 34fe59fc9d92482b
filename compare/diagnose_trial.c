/* SPDX-License-Identifier: Apache-2.0
 *
 * Cutting the subject of a diagnosis out of a problem, and running altered copies of it; contract in diagnose_trial.h.
 */
#include "diagnose_trial.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "gauge.h"
#include "run_parts.h"

#include "../reference/verbs.h"

static int64_t count_of(const int64_t shape[4]) { return shape[0] * shape[1] * shape[2] * shape[3]; }

/* ---- memory ---- */

double *gla_memory_take(gla_memory *m, int64_t count) {
    void **at = realloc(m->at, (m->count + 1) * sizeof *at);
    if (at) m->at = at;
    double *block = at ? calloc(count > 0 ? (size_t)count : 1, sizeof *block) : NULL;
    if (block)
        m->at[m->count++] = block;
    else
        m->full = true;
    return block;
}

void gla_memory_free(gla_memory *m) {
    while (m->count > 0) free(m->at[--m->count]);
    free(m->at);
    *m = (gla_memory){0};
}

static double *copy_of(gla_memory *m, const double *from, int64_t count) {
    double *to = gla_memory_take(m, count);
    if (to) memcpy(to, from, (size_t)count * sizeof *to);
    return to;
}

/* ---- from the whole to a block ---- */

/* One sequence and a block of heads, also where a weight ties the sequences together: then it has its weights, and what
 * comes of them in other sequences is not in it. */
static gla_part block_of(const gla_problem *whole, int64_t n, int64_t head, int64_t heads) {
    gla_problem bare = *whole;
    if (gla_unit_sequences(whole) == 1) return gla_part_of(whole, n, head, heads);
    for (int i = 0; i < GLA_INPUTS; i++)
        if (gla_is_weight(gla_input_axes(gla_mechanism_of(whole), (gla_input)i)))
            gla_problem_input(&bare, (gla_input)i)->at = NULL;
    gla_part part = gla_part_of(&bare, n, head, heads);
    for (int i = 0; i < GLA_INPUTS; i++) {
        gla_tensor x = gla_acting_input(whole, (gla_input)i);
        if (!x.at || !gla_is_weight(gla_input_axes(gla_mechanism_of(whole), (gla_input)i))) continue;
        x.at += gla_head(whole, x.heads, head) * x.stride[2];
        x.heads = x.heads * heads / whole->H;
        *gla_problem_input(&part.problem, (gla_input)i) = x;
    }
    return part;
}

double *gla_load_input(const gla_problem *whole, gla_input name, int64_t n, int64_t head, int64_t heads,
                       gla_memory *m) {
    gla_part part = block_of(whole, n, head, heads);
    const gla_tensor acting = gla_acting_input(&part.problem, name), *x = &acting;
    bool tokens = gla_input_has_tokens(whole, name);
    if (!x->at) return NULL;
    gla_sequence s = gla_sequence_at(&part.problem, 0);
    int64_t shape[4];
    gla_input_shape(&part.problem, name, shape);
    double *to = gla_memory_take(m, count_of(shape));
    for (int64_t a = 0, at = 0; to && a < shape[1]; a++) /* tokens; of states, heads */
        for (int64_t b = 0; b < shape[2]; b++)
            for (int64_t c = 0; c < shape[3]; c++) {
                int64_t row = tokens ? gla_token(&s, a) : a;
                to[at++] = x->at[row * x->stride[1] + b * x->stride[2] + c * x->stride[3]];
            }
    return to;
}

double *gla_load_output(const gla_problem *whole, gla_output name, const double *value, int64_t n, int64_t head,
                        int64_t heads, gla_memory *m) {
    gla_part part = block_of(whole, n, head, heads);
    gla_sequence s = gla_sequence_at(&part.problem, 0);
    bool tokens = gla_output_has_tokens(whole, name);
    int64_t shape[4], row = 0;
    gla_output_shape(&part.problem, name, shape);
    int64_t width = shape[2] * shape[3];
    double *to = gla_memory_take(m, count_of(shape));
    for (int64_t a = 0; to && a < shape[1]; a++)
        for (int64_t b = 0; b < width; b++) {
            row = tokens ? gla_token(&s, a) : a;
            to[a * width + b] = value[gla_part_to_whole(&part, whole, name, row * width + b)];
        }
    return to;
}

/* ---- the subject ---- */

static void load_problem(gla_subject *s) {
    gla_part part = block_of(s->whole, s->n, s->head, s->heads);
    s->p = part.problem;
    s->p.reverse = false;
    for (int i = 0; i < GLA_INPUTS; i++) {
        gla_tensor *x = gla_problem_input(&s->p, (gla_input)i);
        int64_t shape[4];
        gla_input_shape(&s->p, (gla_input)i, shape);
        const double *at = gla_load_input(s->whole, (gla_input)i, s->n, s->head, s->heads, &s->memory);
        if (at)
            *x = (gla_tensor){at, x->heads, {shape[1] * shape[2] * shape[3], shape[2] * shape[3], shape[3], 1}};
        else
            x->at = NULL;
    }
}

/* What is allowed may be 0 (exact): then 2^-24 of the output's rms stands in for it, or the least binary32 number. */
static void weigh(gla_subject *s, gla_output name, const double *allowed) {
    double rms = 0;
    int64_t count = s->out[name].count;
    for (int64_t i = 0; i < count; i++) rms += s->out[name].want[i] * s->out[name].want[i] / (double)count;
    double least = fmax(ldexp(sqrt(rms), -24), 0x1p-149);
    for (int64_t i = 0; i < count; i++) {
        double error = fabs(s->out[name].got[i] - s->out[name].want[i]);
        if (!(error <= allowed[i])) s->out[name].fails = true;
        s->out[name].weight[i] = 1 / (allowed[i] > 0 ? allowed[i] : least);
    }
}

static void load_result(gla_subject *s, gla_output name, bool judged) {
    bool weight = gla_is_weight(gla_input_axes(gla_mechanism_of(&s->p), gla_output_like(name)));
    if (!s->truth->tensor[name].present || (weight && s->whole->N > 1)) return; /* a sum over other sequences */
    gla_output_shape(&s->p, name, s->out[name].shape);
    s->out[name].count = count_of(s->out[name].shape);
    s->out[name].want =
        gla_load_output(s->whole, name, s->truth->tensor[name].value, s->n, s->head, s->heads, &s->memory);
    const double *got = s->candidate->output[name].value, *allowed = s->candidate->output[name].allowed;
    if (!judged || !got || !allowed) return;
    const double *here = gla_load_output(s->whole, name, allowed, s->n, s->head, s->heads, &s->memory);
    s->out[name].got = gla_load_output(s->whole, name, got, s->n, s->head, s->heads, &s->memory);
    s->out[name].weight = gla_memory_take(&s->memory, s->out[name].count);
    if (!s->memory.full) weigh(s, name, here);
}

gla_status gla_subject_open(const gla_problem *whole, const gla_candidate *c, const gla_truth *truth, unsigned judged,
                            int64_t n, int64_t head, gla_subject *out) {
    *out = (gla_subject){.whole = whole, .candidate = c, .truth = truth, .n = n, .head = head};
    out->heads = gla_unit_heads(whole);
    out->backward = truth->tensor[GLA_DQ].present && gla_any_gradient(judged);
    load_problem(out);
    for (int i = 0; i < GLA_OUTPUTS; i++) load_result(out, (gla_output)i, (judged >> i & 1) != 0);
    return out->memory.full ? GLA_NO_MEMORY : GLA_OK;
}

void gla_subject_close(gla_subject *s) { gla_memory_free(&s->memory); }

/* ---- trials ---- */

double *gla_trial_edit(gla_trial *t, gla_input name) {
    gla_tensor *x = gla_problem_input(&t->p, name);
    int64_t shape[4];
    gla_input_shape(&t->p, name, shape);
    double *to = x->at ? copy_of(&t->memory, x->at, count_of(shape)) : NULL;
    if (to) x->at = to;
    return to;
}

/* log_decay in binary64. */
static double fixed_gate(const gla_problem *p, int64_t h) {
    gla_numbers *n = gla_binary64_open();
    double gate = NAN;
    if (!n) return gate;
    gla_matrix g = gla_new(n, 1, 1);
    if (n->status == GLA_OK) gla_mechanism_of(p)->log_decay(p, h, g);
    if (n->status == GLA_OK) gate = n->ops->get_d(n, g.at);
    gla_numbers_close(n);
    return gate;
}

const double *gla_trial_key_gates(gla_trial *t) {
    const gla_problem *p = &t->p;
    bool fixed = gla_mechanism_of(p)->log_decay != NULL;
    if (!fixed && (!p->gk.at || gla_input_axes(gla_mechanism_of(p), GLA_IN_GK) == GLA_PER_SLOT)) return NULL;
    gla_tensor g = gla_acting_input(p, GLA_IN_GK);
    double *to = gla_memory_take(&t->memory, p->T * p->H * p->dk);
    for (int64_t h = 0; to && h < p->H; h++) {
        double own = fixed ? fixed_gate(p, h) : 0;
        for (int64_t r = 0; r < p->T; r++)
            for (int64_t i = 0; i < p->dk; i++)
                to[(r * p->H + h) * p->dk + i] =
                    fixed ? own : g.at[r * g.stride[1] + gla_head(p, g.heads, h) * g.stride[2] + i * g.stride[3]];
    }
    return to;
}

bool gla_trial_drop(gla_trial *t, gla_input name) {
    gla_tensor *x = gla_problem_input(&t->p, name);
    bool spare = gla_is_state_input(name) || name == GLA_IN_DO || gla_mechanism_of(&t->p)->optional & 1u << name;
    bool there = x->at != NULL && spare;
    if (there) x->at = NULL;
    return there;
}

static gla_status open_binary64(const void *data, size_t index, gla_numbers **out, gla_error *err) {
    *out = gla_binary64_open();
    return *out ? GLA_OK : GLA_NO_MEMORY;
}

/* What the engine does not run, recurrent in binary64: there the climb would be dear, and no better a judge. */
static bool plain_outputs(gla_trial *t, const gla_problem *p, double *value[GLA_OUTPUTS]) {
    const gla_form form = {.kind = GLA_RECURRENT};
    unsigned outputs = 0;
    for (int i = 0; i < GLA_OUTPUTS; i++)
        if (t->s->backward || !gla_is_gradient((gla_output)i)) outputs |= 1u << i;
    const gla_format *format[GLA_OUTPUTS] = {NULL};
    gla_parts_run run = {.form = &form, .open = open_binary64, .outputs = outputs, .format = format, .threads = 1};
    double *made[GLA_OUTPUTS];
    if (gla_run_parts(p, &run, made, NULL) != GLA_OK) return false;
    for (int i = 0; i < GLA_OUTPUTS; i++) {
        int64_t shape[4];
        gla_output_shape(p, (gla_output)i, shape);
        value[i] = made[i] ? copy_of(&t->memory, made[i], count_of(shape)) : NULL;
        free(made[i]);
    }
    return !t->memory.full;
}

bool gla_trial_outputs(gla_trial *t, const gla_problem *p, double *value[GLA_OUTPUTS]) {
    if (!gla_is_plain(p)) return plain_outputs(t, p, value);
    gla_truth run;
    const gla_truth_options options = {
        .backward = t->s->backward, .close_enough = INFINITY, .cap_bits = 53, .threads = 1};
    bool good = gla_truth_compute(p, &options, &run, NULL) == GLA_OK;
    for (int i = 0; i < GLA_OUTPUTS && good; i++)
        value[i] = run.tensor[i].present ? copy_of(&t->memory, run.tensor[i].value, run.tensor[i].count) : NULL;
    gla_truth_free(&run);
    return good && !t->memory.full;
}

bool gla_trial_run(gla_trial *t) {
    static const gla_output in_units[] = {GLA_FINAL_STATE, GLA_FINAL_N};
    if (!gla_trial_outputs(t, &t->p, t->value)) return false;
    const double *m = t->value[GLA_FINAL_M], *want = t->s->out[GLA_FINAL_M].want;
    for (int i = 0; m && want && i < 2; i++)
        if (t->value[in_units[i]])
            gla_gauge_move(t->value[in_units[i]], t->s->out[in_units[i]].count, m, want, t->s->out[GLA_FINAL_M].count);
    if (m && want) memcpy(t->value[GLA_FINAL_M], want, (size_t)t->s->out[GLA_FINAL_M].count * sizeof *want);
    return true;
}

double *gla_trial_want(gla_trial *t, gla_output name) {
    if (t->s->out[name].count == 0) return NULL;
    return t->value[name] = copy_of(&t->memory, t->s->out[name].want, t->s->out[name].count);
}
