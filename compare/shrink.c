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

/* What the axes of a tensor are cut by: rows (tokens; of states, channels) and columns, with their whole sizes. */
typedef struct cutting {
    gla_extent rows, cols;
    int64_t all_rows, all_cols;
} cutting;

static cutting cutting_of(const gla_problem *p, gla_axes axes, const box *b) {
    const gla_extent one = {0, 1}, slots = {0, p->M}, tokens = b->axis[TOKENS], keys = b->axis[KEYS],
                     values = b->axis[VALUES];
    switch (axes) {
    case GLA_PER_KEY:
        return (cutting){tokens, keys, p->T, p->dk};
    case GLA_USUAL_AXES: /* of no tensor */
    case GLA_PER_VALUE:
        return (cutting){tokens, values, p->T, p->dv};
    case GLA_PER_HEAD:
        return (cutting){tokens, one, p->T, 1};
    case GLA_PER_SLOT:
        return (cutting){tokens, slots, p->T, p->M};
    case GLA_STATE:
        return (cutting){keys, values, p->dk, p->dv};
    case GLA_STATE_KEY:
        return (cutting){keys, one, p->dk, 1};
    case GLA_STATE_KEY_SLOT:
        return (cutting){keys, slots, p->dk, p->M};
    case GLA_STATE_SLOT_VALUE:
        return (cutting){slots, values, p->M, p->dv};
    case GLA_WEIGHT_KEY:
        return (cutting){one, keys, 1, p->dk};
    case GLA_STATE_ONE:
    case GLA_WEIGHT_ONE:
        break;
    }
    return (cutting){one, one, 1, 1};
}

/* The box of a dense tensor of the subject with `all` heads: states [heads,rows,cols], others [rows,heads,cols]. */
static double *cut_tensor(const gla_problem *p, gla_axes axes, const box *b, int64_t all, const double *from,
                          gla_memory *m) {
    cutting c = cutting_of(p, axes, b);
    gla_extent heads = heads_of(p, b, all);
    if (gla_is_state(axes)) return cut3(m, from, (gla_extent[]){heads, c.rows, c.cols}, c.all_rows, c.all_cols);
    return cut3(m, from, (gla_extent[]){c.rows, heads, c.cols}, all, c.all_cols);
}

static void cut_input(const gla_problem *p, gla_input name, const box *b, gla_memory *m, gla_problem *out) {
    gla_tensor *to = gla_problem_input(out, name), x = *to; /* still the whole's */
    gla_axes axes = gla_input_axes(gla_mechanism_of(p), name);
    if (!x.at) return;
    cutting c = cutting_of(p, axes, b);
    int64_t heads = heads_of(p, b, x.heads).count;
    const double *at = cut_tensor(p, axes, b, x.heads, x.at, m);
    gla_tensor_dense(to, at, gla_is_state(axes) ? 0 : c.rows.count, heads, c.rows.count, c.cols.count);
}

static gla_axes axes_of(const gla_problem *p, gla_output name) {
    return gla_input_axes(gla_mechanism_of(p), gla_output_like(name));
}

static double *cut_output(const gla_subject *s, gla_output name, const box *b, const double *from, gla_memory *m) {
    gla_axes axes = axes_of(&s->p, name);
    return cut_tensor(&s->p, axes, b, s->out[name].shape[gla_is_state(axes) ? 1 : 2], from, m);
}

/* ---- a window with what enters it ---- */

static gla_status slice(const gla_problem *p, const box *b, bool backward, int threads, gla_memory *m,
                        gla_problem *out);

/* What passes from token to token: as it leaves, and where it enters. */
static const struct {
    gla_output leaves;
    gla_input enters;
} passing[] = {{GLA_FINAL_STATE, GLA_IN_INITIAL_STATE},   {GLA_FINAL_N, GLA_IN_INITIAL_N},
               {GLA_FINAL_M, GLA_IN_INITIAL_M},           {GLA_FINAL_KEYS, GLA_IN_INITIAL_KEYS},
               {GLA_DINITIAL_STATE, GLA_IN_DFINAL_STATE}, {GLA_DINITIAL_N, GLA_IN_DFINAL_N},
               {GLA_DINITIAL_KEYS, GLA_IN_DFINAL_KEYS}};

static bool copy_state(const gla_truth *truth, gla_output leaves, gla_memory *m, gla_tensor *to) {
    const int64_t *shape = truth->tensor[leaves].shape;
    double *at = gla_memory_take(m, truth->tensor[leaves].count);
    if (!at) return false;
    memcpy(at, truth->tensor[leaves].value, (size_t)truth->tensor[leaves].count * sizeof *at);
    gla_tensor_dense(to, at, 0, shape[1], shape[2], shape[3]);
    return true;
}

/* The states after the tokens of `part`, or the gradients before them, as inputs of `to`. */
static gla_status states_across(const gla_problem *p, const box *part, bool backward, int threads, gla_memory *m,
                                gla_problem *to) {
    gla_problem other;
    gla_truth truth = {0};
    const gla_truth_options options = {.backward = backward, .close_enough = GLA_CLOSE_ENOUGH, .threads = threads};
    gla_status status = slice(p, part, backward, threads, m, &other);
    if (status == GLA_OK) status = gla_truth_compute(&other, &options, &truth, NULL);
    for (size_t i = 0; i < sizeof passing / sizeof *passing && status == GLA_OK; i++) {
        gla_output leaves = passing[i].leaves;
        if (!truth.tensor[leaves].present || gla_is_gradient(leaves) != backward) continue;
        if (!(gla_inputs_taken(p) & 1u << passing[i].enters)) continue;
        if (!copy_state(&truth, leaves, m, gla_problem_input(to, passing[i].enters))) status = GLA_NO_MEMORY;
    }
    gla_truth_free(&truth);
    return status;
}

/* The box as a problem. Forward outputs alone need no gradients. */
static gla_status slice(const gla_problem *p, const box *b, bool backward, int threads, gla_memory *m,
                        gla_problem *out) {
    gla_extent tokens = b->axis[TOKENS];
    int64_t end = tokens.first + tokens.count;
    box before = *b, behind = *b;
    *out = *p;
    if (!backward) out->d_o.at = out->d_final_state.at = out->d_final_n.at = out->d_final_keys.at = NULL;
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
    if (tokens.first > 0) status = states_across(p, &before, false, threads, m, out);
    if (status == GLA_OK && backward && end < p->T) status = states_across(p, &behind, true, threads, m, out);
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
    bool backward = gla_is_gradient(w->name), good = false;
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

/* Where the decay or a rotation goes by the token's place in the sequence. */
static bool has_places(const gla_problem *p) {
    const gla_switch *s = gla_mechanism_of(p)->switches;
    bool given = false, places = false;
    for (int i = 0; s && s[i].name; i++) {
        given = given || p->setting[i].given;
        places = places || strcmp(s[i].name, "position") == 0;
    }
    return given && places;
}

/* Tokens go where all that passes between them can come in: not a gradient of m, for which there is no input. A state's
 * rows are apart in the gated core alone, and where a gradient is no sum over them. */
static bool may_cut(const gla_problem *p, gla_output name, enum axis a, bool low) {
    gla_axes axes = axes_of(p, name);
    bool state = gla_is_state(axes), gradient = gla_is_gradient(name);
    if (gla_is_weight(axes)) return false; /* a sum over all tokens */
    switch (a) {
    case TOKENS:
        if (low) return (!state || !gradient) && !has_places(p);
        return (!state || gradient) && !(gradient && gla_inputs_taken(p) & 1u << GLA_IN_INITIAL_M);
    case KEYS:
        return gla_is_plain(p) && (axes == GLA_STATE || axes == GLA_PER_KEY);
    case VALUES:
        return gla_columns_apart(p) && (axes == GLA_STATE || axes == GLA_PER_VALUE);
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
    if (gla_is_weight(axes_of(p, name)) && p->N > 1)
        return gla_fail(err, GLA_BAD_VALUE, "%s is a sum over all %d sequences: nothing to shrink",
                        gla_output_names[name], (int)p->N);
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
