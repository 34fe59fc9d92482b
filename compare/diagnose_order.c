/* SPDX-License-Identifier: Apache-2.0
 *
 * Hypotheses: tokens see each other in the wrong order. Reads before the write, masks off by one, sequences that run
 * into each other or the wrong way.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "diagnose_trial.h"

#define BIT(output) (1u << (output))

/* Tokens of an input: [T, width]. */
static int64_t width_of(const gla_problem *p, gla_input name) {
    int64_t shape[4];
    gla_input_shape(p, name, shape);
    return shape[2] * shape[3];
}

/* ---- reads that come a token early or late ---- */

static bool is_reader(gla_input name) { return name == GLA_IN_Q || name == GLA_IN_DO; }

/* One token longer: readers (q, do) `read` tokens later, writers and gates `written` tokens later; the rest zeros. */
static bool stagger(gla_trial *t, int64_t read, int64_t written) {
    gla_problem was = t->p;
    t->p.T = was.T + 1;
    for (int i = 0; i < GLA_INPUTS; i++) {
        gla_tensor *x = gla_problem_input(&t->p, (gla_input)i);
        if (!gla_input_has_tokens(&was, (gla_input)i) || !x->at) continue;
        int64_t width = width_of(&was, (gla_input)i), by = is_reader((gla_input)i) ? read : written;
        double *to = gla_memory_take(&t->memory, (was.T + 1) * width);
        if (!to) return false;
        memcpy(to + by * width, x->at, (size_t)(was.T * width) * sizeof *to);
        x->at = to;
        x->stride[0] += width;
    }
    double *all[GLA_OUTPUTS] = {0};
    if (!gla_trial_outputs(t, &t->p, all)) return false;
    for (int i = 0; i < GLA_OUTPUTS; i++) {
        if (!all[i] || t->s->out[i].count == 0) continue;
        int64_t width = t->s->out[i].shape[2] * t->s->out[i].shape[3];
        int64_t by = !gla_output_has_tokens(&was, (gla_output)i) ? 0 : i == GLA_O || i == GLA_DQ ? read : written;
        t->value[i] = all[i] + by * width;
    }
    return true;
}

static bool read_early(gla_trial *t) { return stagger(t, 0, 1); }
static bool read_late(gla_trial *t) { return stagger(t, 1, 0); }

/* ---- pairs of tokens lost or gained: products of rows, one head for everything ---- */

typedef struct rows {
    int64_t T, H, dk, dv;
    const double *q, *k, *v, *gk, *gv, *d_o; /* [T,H,.] */
} rows;

static bool rows_of(gla_trial *t, rows *x) {
    const gla_problem *p = &t->p;
    if (!gla_is_plain(p)) return false;
    const gla_tensor *all[] = {&p->q, &p->k, &p->v, &p->gk, &p->gv, &p->d_o};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (all[i]->at && all[i]->heads != p->H) return false;
    *x = (rows){p->T, p->H, p->dk, p->dv, p->q.at, p->k.at, p->v.at, gla_trial_key_gates(t), p->gv.at, p->d_o.at};
    return true;
}

static double dot(const double *x, const double *y, int64_t n) {
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += x[i] * y[i];
    return sum;
}

static void add(double *to, double by, const double *x, int64_t n) {
    for (int64_t i = 0; to && i < n; i++) to[i] += by * x[i];
}

/* The pair of a token with itself missing: o_t loses s (q_t.k_t) v_t, and its gradients what comes of it. */
static bool diagonal_lost(gla_trial *t) {
    rows x;
    if (!rows_of(t, &x)) return false;
    double *o = gla_trial_want(t, GLA_O), *dq = gla_trial_want(t, GLA_DQ), *dk = gla_trial_want(t, GLA_DK),
           *dv = gla_trial_want(t, GLA_DV), s = t->p.scale;
    for (int64_t r = 0; r < x.T * x.H; r++) {
        int64_t keys = r * x.dk, values = r * x.dv;
        double score = s * dot(x.q + keys, x.k + keys, x.dk);
        double dscore = x.d_o ? s * dot(x.d_o + values, x.v + values, x.dv) : 0;
        add(o ? o + values : NULL, -score, x.v + values, x.dv);
        add(dq ? dq + keys : NULL, -dscore, x.k + keys, x.dk);
        add(dk ? dk + keys : NULL, -dscore, x.q + keys, x.dk);
        if (x.d_o) add(dv ? dv + values : NULL, -score, x.d_o + values, x.dv);
    }
    return true;
}

/* o_t of head h gains the writes of tokens t+1 .. last, whose decays come with the wrong sign. */
static void add_future(const rows *x, double s, double *o, int64_t t, int64_t h, int64_t last, double *key,
                       double *value) {
    const double *q = x->q + (t * x->H + h) * x->dk;
    memcpy(key, q, (size_t)x->dk * sizeof *key);
    for (int64_t j = 0; j < x->dv; j++) value[j] = 1;
    for (int64_t u = t + 1; u <= last; u++) {
        int64_t r = u * x->H + h;
        for (int64_t i = 0; i < x->dk && x->gk; i++) key[i] *= exp(-x->gk[r * x->dk + i]);
        for (int64_t j = 0; j < x->dv && x->gv; j++) value[j] *= exp(-x->gv[r * x->dv + j]);
        double score = s * dot(key, x->k + r * x->dk, x->dk);
        for (int64_t j = 0; j < x->dv; j++) o[j] += score * value[j] * x->v[r * x->dv + j];
    }
}

enum { LEAKS = 8 };

/* The causal mask inside chunks of C lets one later token through (variants 0-3), or all of them (4-7). */
static bool future_seen(gla_trial *t) {
    static const int64_t sizes[] = {64, 128, 32, 16};
    int64_t C = sizes[t->variant % 4], reach = t->variant < 4 ? 1 : C;
    rows x;
    double *o = gla_trial_want(t, GLA_O), *work = gla_memory_take(&t->memory, t->p.dk + t->p.dv);
    if (!o || !work || !rows_of(t, &x) || x.T == 1) return false;
    for (int64_t r = 0; r < x.T; r++) {
        int64_t end = (r / C + 1) * C, last = r + reach;
        if (last >= end) last = end - 1;
        if (last >= x.T) last = x.T - 1;
        for (int64_t h = 0; h < x.H; h++)
            add_future(&x, t->p.scale, o + (r * x.H + h) * x.dv, r, h, last, work, work + x.dk);
    }
    snprintf(t->sentence, sizeof t->sentence, "future tokens are seen: %s inside chunks of %d",
             reach == 1 ? "the causal mask is off by one" : "there is no causal mask", (int)C);
    return true;
}

/* ---- one token ---- */

/* The decay (variants 0-3) or the write (4-7) of one token is lost: the first token whose o is wrong, or 1-3 before. */
static bool one_token(gla_trial *t) {
    const gla_subject *s = t->s;
    int64_t width = s->out[GLA_O].shape[2] * s->out[GLA_O].shape[3], token = -1, at = 0;
    while (s->out[GLA_O].got && at < s->out[GLA_O].count && token < 0) {
        double error = fabs(s->out[GLA_O].got[at] - s->out[GLA_O].want[at]);
        if (!(error * s->out[GLA_O].weight[at] <= 1)) token = at / width - t->variant % 4;
        at++;
    }
    if (token < 0 || s->p.T < 8) return false; /* of a few tokens, losing one says nothing */
    bool any = false;
    static const gla_input lost[2][2] = {{GLA_IN_GK, GLA_IN_GV}, {GLA_IN_K, GLA_IN_K}};
    for (int a = 0; a < 2; a++) {
        gla_input name = lost[t->variant / 4][a];
        double *x = gla_trial_edit(t, name);
        if (x) memset(x + token * width_of(&t->p, name), 0, (size_t)width_of(&t->p, name) * sizeof *x);
        any = any || x;
    }
    snprintf(t->sentence, sizeof t->sentence, "the %s of token %d of sequence %d is lost",
             t->variant < 4 ? "decay" : "write", (int)token, (int)s->n);
    return any && gla_trial_run(t);
}

/* ---- sequences ---- */

static void turn(const double *from, double *to, int64_t T, int64_t width) {
    for (int64_t r = 0; r < T; r++) memcpy(to + r * width, from + (T - 1 - r) * width, (size_t)width * sizeof *to);
}

static bool other_direction(gla_trial *t) {
    for (int i = 0; i < GLA_INPUTS; i++) {
        gla_tensor *x = gla_problem_input(&t->p, (gla_input)i);
        const double *from = x->at;
        double *to = !gla_input_has_tokens(&t->p, (gla_input)i) ? NULL : gla_trial_edit(t, (gla_input)i);
        if (to) turn(from, to, t->p.T, width_of(&t->p, (gla_input)i));
    }
    double *all[GLA_OUTPUTS] = {0};
    if (t->p.T == 1 || !gla_trial_outputs(t, &t->p, all)) return false;
    for (int i = 0; i < GLA_OUTPUTS; i++) {
        t->value[i] = all[i];
        if (!all[i] || !gla_output_has_tokens(&t->p, (gla_output)i) || t->s->out[i].count == 0) continue;
        t->value[i] = gla_memory_take(&t->memory, t->s->out[i].count);
        if (!t->value[i]) return false;
        turn(all[i], t->value[i], t->p.T, t->s->out[i].shape[2] * t->s->out[i].shape[3]);
    }
    snprintf(t->sentence, sizeof t->sentence, "%s",
             t->s->whole->reverse ? "`reverse` is ignored: the recurrence runs from the first token to the last"
                                  : "the recurrence runs from the last token to the first");
    return true;
}

/* All packed sequences as one. */
static bool boundaries_ignored(gla_trial *t) {
    const gla_subject *s = t->s;
    gla_problem p = *s->whole;
    if (!p.cu_seqlens || p.N < 2 || gla_unit_sequences(&p) > 1) return false;
    int64_t first = p.reverse ? p.N - 1 : 0, last = p.N - 1 - first, N = p.N;
    for (int i = 0; i < GLA_INPUTS; i++) {
        gla_tensor *x = gla_problem_input(&p, (gla_input)i);
        bool incoming = i == GLA_IN_DFINAL_STATE || i == GLA_IN_DFINAL_N || i == GLA_IN_DFINAL_KEYS;
        if (x->at && gla_is_state_input((gla_input)i)) x->at += (incoming ? last : first) * x->stride[0];
    }
    p.T = p.cu_seqlens[N];
    p.cu_seqlens = NULL;
    p.N = 1;
    gla_part part = gla_part_of(&p, 0, s->head, s->heads);
    gla_sequence own = gla_sequence_at(s->whole, s->n);
    double *all[GLA_OUTPUTS] = {0};
    if (own.length == p.T || !gla_trial_outputs(t, &part.problem, all)) return false;
    for (int i = 0; i < GLA_OUTPUTS; i++) {
        if (!all[i] || !gla_output_has_tokens(&p, (gla_output)i) || s->out[i].count == 0) continue;
        int64_t width = s->out[i].shape[2] * s->out[i].shape[3];
        t->value[i] = gla_memory_take(&t->memory, s->out[i].count);
        for (int64_t r = 0; t->value[i] && r < own.length; r++)
            memcpy(t->value[i] + r * width, all[i] + gla_token(&own, r) * width, (size_t)width * sizeof(double));
    }
    return !t->memory.full;
}

const gla_hypothesis gla_altered_order[] = {
    {"read-exclusive", "the read is exclusive: o_t reads S_{t-1}, before the decay and write of token t", 1, read_early,
     0, GLA_TOGETHER},
    {"read-late", "o_t reads S_{t+1}: the read comes one token late", 1, read_late, 0, GLA_TOGETHER},
    {"diagonal-lost", "the diagonal is lost: no token sees its own write", 1, diagonal_lost,
     BIT(GLA_FINAL_STATE) | BIT(GLA_DGK) | BIT(GLA_DGV) | BIT(GLA_DINITIAL_STATE), GLA_TOGETHER},
    {"future-seen", NULL, LEAKS, future_seen, 0, GLA_TOGETHER},
    {"one-token", NULL, 8, one_token, ~BIT(GLA_O), GLA_TOGETHER},
    {"boundaries-ignored", "sequence boundaries (cu_seqlens) are ignored: the state runs on", 1, boundaries_ignored, 0,
     GLA_TOGETHER},
    {"direction", NULL, 1, other_direction, 0, GLA_TOGETHER},
    {NULL, NULL, 0, NULL, 0, GLA_TOGETHER},
};
