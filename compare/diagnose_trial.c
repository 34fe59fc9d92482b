/* SPDX-License-Identifier: Apache-2.0
 *
 * Cutting the subject of a diagnosis out of a problem, and running altered copies of it; contract in diagnose_trial.h.
 */
#include "diagnose_trial.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

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

double *gla_load_input(const gla_problem *whole, gla_input name, int64_t n, int64_t head, int64_t heads,
                       gla_memory *m) {
    gla_part part = gla_part_of(whole, n, head, heads);
    const gla_tensor *x = gla_problem_input(&part.problem, name);
    if (!x->at) return NULL;
    gla_sequence s = gla_sequence_at(&part.problem, 0);
    int64_t shape[4];
    gla_input_shape(&part.problem, name, shape);
    double *to = gla_memory_take(m, count_of(shape));
    for (int64_t a = 0, at = 0; to && a < shape[1]; a++) /* tokens; of states, heads */
        for (int64_t b = 0; b < shape[2]; b++)
            for (int64_t c = 0; c < shape[3]; c++) {
                int64_t row = gla_is_state_input(name) ? a : gla_token(&s, a);
                to[at++] = x->at[row * x->stride[1] + b * x->stride[2] + c * x->stride[3]];
            }
    return to;
}

double *gla_load_output(const gla_problem *whole, gla_output name, const double *value, int64_t n, int64_t head,
                        int64_t heads, gla_memory *m) {
    gla_part part = gla_part_of(whole, n, head, heads);
    gla_sequence s = gla_sequence_at(&part.problem, 0);
    int64_t shape[4], row = 0;
    gla_output_shape(&part.problem, name, shape);
    int64_t width = shape[2] * shape[3];
    double *to = gla_memory_take(m, count_of(shape));
    for (int64_t a = 0; to && a < shape[1]; a++)
        for (int64_t b = 0; b < width; b++) {
            row = gla_is_state_output(name) ? a : gla_token(&s, a);
            to[a * width + b] = value[gla_part_to_whole(&part, whole, name, row * width + b)];
        }
    return to;
}

/* ---- the subject ---- */

static void load_problem(gla_subject *s) {
    gla_part part = gla_part_of(s->whole, s->n, s->head, s->heads);
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
    if (!s->truth->tensor[name].present) return;
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
    out->backward = truth->tensor[GLA_DQ].present && judged >> GLA_DQ != 0;
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
    if (!fixed && !p->gk.at) return NULL;
    gla_tensor g = gla_key_gates(p);
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
    bool there = x->at != NULL;
    x->at = NULL;
    return there;
}

bool gla_trial_outputs(gla_trial *t, const gla_problem *p, double *value[GLA_OUTPUTS]) {
    gla_truth run;
    const gla_truth_options options = {
        .backward = t->s->backward, .close_enough = INFINITY, .cap_bits = 53, .threads = 1};
    bool good = gla_truth_compute(p, &options, &run, NULL) == GLA_OK;
    for (int i = 0; i < GLA_OUTPUTS && good; i++)
        value[i] = run.tensor[i].present ? copy_of(&t->memory, run.tensor[i].value, run.tensor[i].count) : NULL;
    gla_truth_free(&run);
    return good && !t->memory.full;
}

bool gla_trial_run(gla_trial *t) { return gla_trial_outputs(t, &t->p, t->value); }

double *gla_trial_want(gla_trial *t, gla_output name) {
    if (t->s->out[name].count == 0) return NULL;
    return t->value[name] = copy_of(&t->memory, t->s->out[name].want, t->s->out[name].count);
}
