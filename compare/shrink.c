/* SPDX-License-Identifier: Apache-2.0
 *
 * Slices of a failing case (shrink.h). Each axis is cut from its two ends, half of what is left at first, then ever
 * less. S and its gradient F are independent in every channel pair (i,j):
 *     S_t[i,j] = e^(gk_i + gv_j) S_{t-1}[i,j] + k_i v_j,    F_{t-1}[i,j] = e^(gk_i + gv_j) (F_t[i,j] + s q_i do_j)
 * so what enters a window is computed for its channels alone.
 */
#include "shrink.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "diagnose_trial.h"

enum axis { HEADS, TOKENS, KEYS, VALUES, AXES };

typedef struct box {
    gla_extent axis[AXES];
} box;

/* ---- cutting ---- */

/* Which heads of a tensor with `heads` heads serve the box. */
static gla_extent heads_of(const gla_problem *p, const box *b, int64_t heads) {
    if (b->axis[HEADS].count == p->H) return (gla_extent){0, heads};
    return (gla_extent){gla_head(p, heads, b->axis[HEADS].first), 1};
}

/* [a,b,c] of a dense [A,B,C]. */
static double *cut3(gla_memory *m, const double *from, const gla_extent at[3], int64_t B, int64_t C) {
    double *to = gla_memory_take(m, at[0].count * at[1].count * at[2].count), *next = to;
    for (int64_t a = 0; to && a < at[0].count; a++)
        for (int64_t b = 0; b < at[1].count; b++, next += at[2].count)
            memcpy(next, from + ((at[0].first + a) * B + at[1].first + b) * C + at[2].first,
                   (size_t)at[2].count * sizeof *to);
    return to;
}

static enum axis columns_of(gla_output name) {
    return name == GLA_DQ || name == GLA_DK || name == GLA_DGK ? KEYS : VALUES;
}

static void cut_input(const gla_problem *p, gla_input name, const box *b, gla_memory *m, gla_problem *out) {
    gla_tensor x = *gla_problem_input(out, name); /* still the whole's */
    if (!x.at) return;
    bool keyed = name == GLA_IN_Q || name == GLA_IN_K || name == GLA_IN_GK;
    bool narrow = name == GLA_IN_GK && gla_mechanism_of(p)->gate_per_head; /* one for all channels */
    gla_extent heads = heads_of(p, b, x.heads), columns = narrow ? (gla_extent){0, 1} : b->axis[keyed ? KEYS : VALUES];
    gla_tensor *to = gla_problem_input(out, name);
    if (gla_is_state_input(name)) {
        const double *at = cut3(m, x.at, (gla_extent[]){heads, b->axis[KEYS], columns}, p->dk, p->dv);
        gla_tensor_dense(to, at, 0, heads.count, b->axis[KEYS].count, columns.count);
    } else {
        const double *at = cut3(m, x.at, (gla_extent[]){b->axis[TOKENS], heads, columns}, x.heads,
                                narrow  ? 1
                                : keyed ? p->dk
                                        : p->dv);
        gla_tensor_dense(to, at, b->axis[TOKENS].count, heads.count, 1, columns.count);
    }
}

static double *cut_output(const gla_subject *s, gla_output name, const box *b, const double *from, gla_memory *m) {
    const int64_t *shape = s->out[name].shape;
    if (gla_is_state_output(name))
        return cut3(m, from, (gla_extent[]){heads_of(&s->p, b, shape[1]), b->axis[KEYS], b->axis[VALUES]}, shape[2],
                    shape[3]);
    bool narrow = shape[3] == 1; /* dg of a gate per head */
    gla_extent columns = narrow ? (gla_extent){0, 1} : b->axis[columns_of(name)];
    return cut3(m, from, (gla_extent[]){b->axis[TOKENS], heads_of(&s->p, b, shape[2]), columns}, shape[2], shape[3]);
}

/* ---- a window with what enters it ---- */

static gla_status slice(const gla_problem *p, const box *b, bool backward, int threads, gla_memory *m,
                        gla_problem *out);

/* The state after the tokens of `part`, or the gradient before them, as a state input of `to`. */
static gla_status state_across(const gla_problem *p, const box *part, gla_output which, int threads, gla_memory *m,
                               gla_tensor *to) {
    gla_problem other;
    gla_truth truth = {0};
    bool backward = which == GLA_DINITIAL_STATE;
    const gla_truth_options options = {.backward = backward, .close_enough = GLA_CLOSE_ENOUGH, .threads = threads};
    gla_status status = slice(p, part, backward, threads, m, &other);
    if (backward) other.initial_state.at = NULL; /* F does not depend on it */
    if (status == GLA_OK) status = gla_truth_compute(&other, &options, &truth, NULL);
    double *at = status == GLA_OK ? gla_memory_take(m, truth.tensor[which].count) : NULL;
    if (at) memcpy(at, truth.tensor[which].value, (size_t)truth.tensor[which].count * sizeof *at);
    if (at) gla_tensor_dense(to, at, 0, other.H, other.dk, other.dv);
    gla_truth_free(&truth);
    return status == GLA_OK && !at ? GLA_NO_MEMORY : status;
}

/* The box as a problem. Forward outputs alone need no gradients. */
static gla_status slice(const gla_problem *p, const box *b, bool backward, int threads, gla_memory *m,
                        gla_problem *out) {
    gla_extent tokens = b->axis[TOKENS];
    int64_t end = tokens.first + tokens.count;
    box before = *b, behind = *b;
    *out = *p;
    if (!backward) out->d_o.at = out->d_final_state.at = NULL;
    out->H = b->axis[HEADS].count;
    out->decay.head += b->axis[HEADS].first;
    out->T = tokens.count;
    out->dk = b->axis[KEYS].count;
    out->dv = b->axis[VALUES].count;
    for (int i = 0; i < GLA_INPUTS; i++) cut_input(p, (gla_input)i, b, m, out);
    if (m->full) return GLA_NO_MEMORY;
    before.axis[TOKENS] = (gla_extent){0, tokens.first};
    behind.axis[TOKENS] = (gla_extent){end, p->T - end};
    gla_status status = GLA_OK;
    if (tokens.first > 0) status = state_across(p, &before, GLA_FINAL_STATE, threads, m, &out->initial_state);
    if (status == GLA_OK && backward && end < p->T)
        status = state_across(p, &behind, GLA_DINITIAL_STATE, threads, m, &out->d_final_state);
    return status;
}

/* ---- does it fail? ---- */

typedef struct search {
    const gla_subject *s;
    const gla_profile *profile;
    const gla_shrink_options *options;
    gla_output name;
    box best;
    int64_t tried;
    gla_status status;
} search;

typedef struct trial {
    gla_problem problem;
    double *value;
    gla_tensor_verdict verdict;
    gla_memory memory;
} trial;

/* No element is over its bound that was within it in the whole. */
static bool as_before(const search *w, const box *b, trial *t, const gla_truth *truth, const double *allowed) {
    const double *want = cut_output(w->s, w->name, b, w->s->out[w->name].want, &t->memory);
    const double *weight = cut_output(w->s, w->name, b, w->s->out[w->name].weight, &t->memory);
    for (int64_t i = 0; !t->memory.full && i < truth->tensor[w->name].count; i++) {
        bool bad = !(fabs(t->value[i] - truth->tensor[w->name].value[i]) <= allowed[i]);
        if (bad && weight[i] * fabs(t->value[i] - want[i]) <= 1) return false;
    }
    return !t->memory.full;
}

/* Judges a box; true: it fails as the whole did. */
static bool fails(search *w, const box *b, trial *t) {
    gla_truth truth = {0};
    gla_judgement j;
    gla_candidate c = {0};
    bool backward = w->name >= GLA_DQ, good = false;
    const gla_truth_options how = {
        .backward = backward, .close_enough = GLA_CLOSE_ENOUGH, .threads = w->options->threads};
    *t = (trial){.value = NULL};
    w->tried++;
    w->status = slice(&w->s->p, b, backward, w->options->threads, &t->memory, &t->problem);
    t->value = cut_output(w->s, w->name, b, w->s->out[w->name].got, &t->memory);
    if (w->status == GLA_OK && t->memory.full) w->status = GLA_NO_MEMORY;
    if (w->status == GLA_OK) w->status = gla_truth_compute(&t->problem, &how, &truth, NULL);
    double *allowed = w->status == GLA_OK ? gla_memory_take(&t->memory, truth.tensor[w->name].count) : NULL;
    if (allowed) {
        c.output[w->name].value = t->value;
        c.output[w->name].format = w->s->candidate->output[w->name].format;
        c.output[w->name].allowed = allowed;
        w->status = gla_judge(&t->problem, &c, &truth, w->profile, 0, w->options->threads, &j, NULL);
        t->verdict = j.tensor[w->name];
        good = w->status == GLA_OK && t->verdict.verdict == GLA_FAIL && t->verdict.over > 0 &&
               as_before(w, b, t, &truth, allowed);
    }
    gla_truth_free(&truth);
    return good;
}

static bool take(search *w, box b) {
    trial t;
    bool good = fails(w, &b, &t);
    if (good) w->best = b;
    gla_memory_free(&t.memory);
    return good;
}

/* ---- the search ---- */

static bool may_cut(const gla_problem *p, gla_output name, enum axis a, bool low) {
    if (name == GLA_DGK && gla_mechanism_of(p)->gate_per_head && a != TOKENS) return false; /* a sum over channels */
    switch (a) {
    case TOKENS:
        return low ? name != GLA_DINITIAL_STATE : name != GLA_FINAL_STATE;
    case KEYS:
        return gla_is_state_output(name) || columns_of(name) == KEYS;
    case VALUES:
        return gla_is_state_output(name) || columns_of(name) == VALUES;
    case HEADS:
    case AXES:
        break;
    }
    return false;
}

static bool cut_end(search *w, enum axis a, bool low, int64_t by) {
    box b = w->best;
    if (by < 1 || by >= b.axis[a].count || !may_cut(&w->s->p, w->name, a, low)) return false;
    b.axis[a].count -= by;
    if (low) b.axis[a].first += by;
    return take(w, b);
}

static void narrow(search *w, enum axis a) {
    for (int64_t by = w->best.axis[a].count / 2; by >= 1 && w->status == GLA_OK;)
        if (!cut_end(w, a, false, by) && !cut_end(w, a, true, by))
            by /= 2;
        else if (by > w->best.axis[a].count / 2)
            by = w->best.axis[a].count / 2;
}

static void narrow_heads(search *w) {
    const gla_problem *p = &w->s->p;
    int64_t heads = w->s->out[w->name].shape[gla_is_state_output(w->name) ? 1 : 2];
    bool found = p->H == 1 || heads < p->H;
    for (int64_t h = 0; h < p->H && !found && w->status == GLA_OK; h++) {
        box b = w->best;
        b.axis[HEADS] = (gla_extent){h, 1};
        found = take(w, b);
    }
}

static void narrow_all(search *w) {
    static const enum axis order[] = {TOKENS, VALUES, KEYS, TOKENS};
    const gla_shrink_options *o = w->options;
    narrow_heads(w);
    for (int i = 0; i < 4 && w->status == GLA_OK; i++) {
        if (o->progress) o->progress(o->progress_data, i / 4.0);
        narrow(w, order[i]);
    }
}

/* ---- together ---- */

/* The sequence that holds token `at` of batch b. */
static int64_t sequence_of(const gla_problem *p, int64_t b, int64_t at) {
    int64_t n = 0;
    if (!p->cu_seqlens) return b;
    while (n + 1 < p->N && at >= p->cu_seqlens[n + 1]) n++;
    return n;
}

static gla_status choose(const gla_judgement *j, const gla_shrink_options *o, gla_output *name, gla_error *err) {
    int found = o->output;
    for (int i = 0; i < GLA_OUTPUTS && found < 0; i++)
        if (j->tensor[i].judged && j->tensor[i].verdict == GLA_FAIL && j->tensor[i].over > 0) found = i;
    if (found < 0) return gla_fail(err, GLA_BAD_VALUE, "no output has an element over its bound: nothing to shrink");
    const gla_tensor_verdict *v = &j->tensor[found];
    *name = (gla_output)found;
    if (!v->judged || v->verdict == GLA_BROKEN)
        return gla_fail(err, GLA_BAD_VALUE, "%s was not judged", gla_output_names[found]);
    if (v->over == 0)
        return gla_fail(err, GLA_BAD_VALUE, "%s has no element over its bound: nothing to shrink",
                        gla_output_names[found]);
    return GLA_OK;
}

static gla_status keep(search *w, gla_small *out, gla_error *err) {
    trial t;
    bool good = fails(w, &w->best, &t);
    out->memory = malloc(sizeof *out->memory);
    if (!out->memory) {
        gla_memory_free(&t.memory);
        return gla_fail(err, GLA_NO_MEMORY, "no memory");
    }
    *out->memory = t.memory;
    out->problem = t.problem;
    out->value = t.value;
    out->verdict = t.verdict;
    out->output = w->name;
    out->sequence = w->s->n;
    out->heads = (gla_extent){w->s->head + w->best.axis[HEADS].first, w->best.axis[HEADS].count};
    out->tokens = w->best.axis[TOKENS];
    out->keys = w->best.axis[KEYS];
    out->values = w->best.axis[VALUES];
    out->tried = w->tried;
    if (w->status != GLA_OK) return gla_fail(err, w->status, "not shrunk: %s", gla_status_text(w->status));
    if (good) return GLA_OK;
    return gla_fail(err, GLA_BAD_VALUE, "%s does not fail in sequence %d alone", gla_output_names[w->name],
                    (int)w->s->n);
}

gla_status gla_shrink(const gla_problem *p, const gla_candidate *candidate, const gla_truth *truth,
                      const gla_judgement *judgement, const gla_shrink_options *options, gla_small *out,
                      gla_error *err) {
    gla_output name = GLA_O;
    gla_subject s;
    memset(out, 0, sizeof *out);
    gla_status status = choose(judgement, options, &name, err);
    if (status != GLA_OK) return status;
    const int64_t *at = judgement->tensor[name].at, *shape = truth->tensor[name].shape;
    bool state = gla_is_state_output(name);
    int64_t head = at[state ? 1 : 2] * (p->H / shape[state ? 1 : 2]), unit = gla_unit_heads(p);
    int64_t n = state ? at[0] : sequence_of(p, at[0], at[1]);
    status = gla_subject_open(p, candidate, truth, 1u << name, n, head / unit * unit, &s);
    search w = {.s = &s, .profile = judgement->profile, .options = options, .name = name};
    w.best = (box){{{0, s.p.H}, {0, s.p.T}, {0, s.p.dk}, {0, s.p.dv}}};
    if (status == GLA_OK) {
        narrow_all(&w);
        status = keep(&w, out, err);
    } else
        gla_fail(err, status, "not shrunk: %s", gla_status_text(status));
    gla_subject_close(&s);
    return status;
}

void gla_small_free(gla_small *s) {
    if (s->memory) gla_memory_free(s->memory);
    free(s->memory);
    memset(s, 0, sizeof *s);
}
