/* SPDX-License-Identifier: Apache-2.0
 *
 * Hypotheses: the kernel read the right formula from the wrong place. Another head, another sequence, other axes.
 */
#include <stdio.h>
#include <string.h>

#include "diagnose_trial.h"

#define BIT(output) (1u << (output))

/* ---- somebody else's data ---- */

static bool exchanged(gla_trial *t) { /* q with k */
    gla_tensor q = t->p.q;
    if (t->p.q.heads != t->p.k.heads) return false;
    t->p.q = t->p.k;
    t->p.k = q;
    return gla_trial_run(t);
}

static const gla_input borrowed[] = {
    GLA_IN_GK, GLA_IN_Q, GLA_IN_K, GLA_IN_V, GLA_IN_GV, GLA_IN_DO, GLA_IN_INITIAL_STATE, GLA_IN_DFINAL_STATE};
enum { BORROWED = sizeof borrowed / sizeof *borrowed };

static bool borrow(gla_trial *t, gla_input name, int64_t n, int64_t head) {
    const gla_subject *s = t->s;
    const double *at = gla_load_input(s->whole, name, n, head, s->heads, &t->memory);
    if (!at) return false;
    gla_problem_input(&t->p, name)->at = at;
    return gla_trial_run(t);
}

/* One input of another head: head 0, the one before, the one after, around the end. */
static bool other_head(gla_trial *t) {
    const gla_subject *s = t->s;
    gla_input name = borrowed[t->variant % BORROWED];
    int64_t which = t->variant / BORROWED;
    int64_t H = s->whole->H, step = which == 1 ? H - s->heads : s->heads;
    int64_t head = which == 0 ? 0 : (s->head + step) % H;
    if (head == s->head || (which > 0 && head == 0)) return false;
    snprintf(t->sentence, sizeof t->sentence, "head %d was computed with %s of head %d", (int)s->head,
             gla_input_names[name], (int)head);
    return borrow(t, name, s->n, head);
}

static bool other_sequence(gla_trial *t) {
    const gla_subject *s = t->s;
    gla_input name = borrowed[t->variant % BORROWED];
    int64_t which = t->variant / BORROWED, N = s->whole->N;
    int64_t n = which == 0 ? 0 : (s->n + (which == 1 ? N - 1 : 1)) % N;
    if (n == s->n || (which > 0 && n == 0)) return false;
    if (gla_input_has_tokens(s->whole, name) && gla_sequence_at(s->whole, n).length != s->p.T) return false;
    snprintf(t->sentence, sizeof t->sentence, "sequence %d was computed with %s of sequence %d", (int)s->n,
             gla_input_names[name], (int)n);
    return borrow(t, name, n, s->head);
}

/* Input `name` of the subject with head h of the problem served by head h mod x->heads; false: it is not shared. */
static bool take_modulo(gla_trial *t, gla_input name) {
    const gla_subject *s = t->s;
    gla_problem whole = *s->whole;
    int64_t heads = gla_problem_input(&whole, name)->heads, H = t->p.H, shape[4];
    gla_input_shape(&whole, name, shape);
    bool state = gla_is_state_input(name);
    int64_t rows = state || !gla_input_has_tokens(&whole, name) ? 1 : t->p.T,
            size = state ? shape[2] * shape[3] : shape[3];
    if (!gla_problem_input(&whole, name)->at || heads == whole.H || heads == 1) return false;
    const double *at = gla_load_input(&whole, name, s->n, 0, whole.H, &t->memory);
    double *to = gla_memory_take(&t->memory, rows * H * size);
    if (t->memory.full) return false;
    for (int64_t r = 0; r < rows; r++)
        for (int64_t h = 0; h < H; h++)
            memcpy(to + (r * H + h) * size, at + (r * heads + (s->head + h) % heads) * size, (size_t)size * sizeof *to);
    gla_tensor_dense(gla_problem_input(&t->p, name), to, state ? 0 : rows, H, shape[2], shape[3]);
    return true;
}

/* Shared heads taken by h mod heads instead of by h / group: of all inputs, or (variants 1 ..) of one. */
static bool heads_modulo(gla_trial *t) {
    int taken = 0;
    gla_input one = GLA_IN_Q;
    for (int i = 0; i < GLA_INPUTS; i++) {
        if ((t->variant > 0 && i != t->variant - 1) || !take_modulo(t, (gla_input)i)) continue;
        one = (gla_input)i;
        taken++;
    }
    if (t->variant == 0 && taken < 2) return false; /* its own variant says which */
    snprintf(t->sentence, sizeof t->sentence, "shared heads%s%s are taken by h mod heads instead of by h / group",
             t->variant > 0 ? " of " : "", t->variant > 0 ? gla_input_names[one] : "");
    return taken > 0 && gla_trial_run(t);
}

/* ---- how the tensors were read ---- */

/* The case's tokens as heads and its heads as tokens: the recurrence runs along the heads. Head 0 would see itself
 * alone, and look like any kernel that sees no other token. */
static bool axes_exchanged(gla_trial *t) {
    const gla_problem *w = t->s->whole;
    gla_problem p = *w;
    if (!gla_is_plain(w) || w->T == 1 || t->s->head == 0 || w->cu_seqlens || w->reverse || t->s->heads > 1)
        return false;
    p.T = w->H;
    p.H = w->T;
    p.scale = gla_scale_of(w);
    p.initial_state.at = p.d_final_state.at = NULL;
    for (int i = 0; i < GLA_INPUTS; i++) {
        gla_tensor *x = gla_problem_input(&p, (gla_input)i);
        if (!x->at) continue;
        int64_t tokens = x->stride[1];
        x->stride[1] = x->stride[2];
        x->stride[2] = tokens;
        x->heads = w->T;
    }
    double *all[GLA_OUTPUTS] = {0};
    if (!gla_trial_outputs(t, &p, all)) return false;
    for (int i = 0; i < GLA_OUTPUTS; i++) { /* [B,H,T,D] of the exchanged problem back into the subject */
        if (!gla_output_has_tokens(w, (gla_output)i) || !all[i] || t->s->out[i].count == 0) continue;
        int64_t D = t->s->out[i].shape[3];
        t->value[i] = gla_memory_take(&t->memory, t->s->out[i].count);
        for (int64_t row = 0; t->value[i] && row < w->T; row++)
            memcpy(t->value[i] + row * D, all[i] + ((t->s->n * w->H + t->s->head) * w->T + row) * D,
                   (size_t)D * sizeof(double));
    }
    return !t->memory.full;
}

/* The memory [B,T,H,D] read as [B,H,T,D], and the outputs written so (variant 0) or as they should be (1). */
static bool heads_first(gla_trial *t) {
    const gla_problem *w = t->s->whole;
    gla_problem p = *w;
    if (gla_unit_sequences(w) > 1 || w->T == 1 || w->H == 1 || w->cu_seqlens || w->reverse || t->s->heads > 1)
        return false;
    p.scale = gla_scale_of(w);
    for (int i = 0; i < GLA_INPUTS; i++) {
        gla_tensor *x = gla_problem_input(&p, (gla_input)i);
        int64_t shape[4];
        gla_input_shape(&p, (gla_input)i, shape);
        if (!x->at || !gla_input_has_tokens(w, (gla_input)i)) continue;
        if (x->stride[2] != shape[3] || x->stride[1] != shape[2] * shape[3] || x->heads != w->H) return false;
        x->stride[1] = shape[3];
        x->stride[2] = w->T * shape[3];
    }
    double *all[GLA_OUTPUTS] = {0};
    snprintf(t->sentence, sizeof t->sentence, "tensors [B,T,H,D] are read%s as [B,H,T,D]%s",
             t->variant == 0 ? " and written" : "", t->variant == 0 ? "" : ", though written right");
    if (!gla_trial_outputs(t, &p, all)) return false;
    for (int i = 0; i < GLA_OUTPUTS; i++) {
        bool tokens = gla_output_has_tokens(w, (gla_output)i),
             state = gla_input_axes(gla_mechanism_of(w), gla_output_like((gla_output)i)) == GLA_STATE;
        if (!all[i] || t->s->out[i].count == 0 || !(tokens || state)) continue;
        int64_t D = t->s->out[i].shape[3], T = w->T, H = w->H, n = t->s->n;
        double *to = t->value[i] = gla_memory_take(&t->memory, t->s->out[i].count);
        for (int64_t row = 0; to && row < t->s->out[i].count / D; row++) {
            int64_t flat = row * H + t->s->head; /* of B's part: which [token,head] row the memory holds there */
            int64_t from = state             ? (n * H + t->s->head) * w->dk + row
                           : t->variant == 0 ? n * T * H + flat % T * H + flat / T
                                             : n * T * H + flat;
            memcpy(to + row * D, all[i] + from * D, (size_t)D * sizeof(double));
        }
    }
    return !t->memory.full;
}

const gla_hypothesis gla_altered_layouts[] = {
    {"other-head", NULL, 3 * BORROWED, other_head, 0, GLA_TOGETHER},
    {"other-sequence", NULL, 3 * BORROWED, other_sequence, 0, GLA_TOGETHER},
    {"heads-modulo", NULL, 1 + GLA_INPUTS, heads_modulo, ~(BIT(GLA_O) | BIT(GLA_FINAL_STATE)), GLA_TOGETHER},
    {"axes-exchanged", "tokens and heads are exchanged: the recurrence runs along the heads", 1, axes_exchanged, 0,
     GLA_TOGETHER},
    {"heads-first", NULL, 2, heads_first, 0, GLA_TOGETHER},
    {"q-k-exchanged", "q and k are exchanged", 1, exchanged, ~(BIT(GLA_O) | BIT(GLA_FINAL_STATE)), GLA_TOGETHER},
    {NULL, NULL, 0, NULL, 0, GLA_TOGETHER},
};
