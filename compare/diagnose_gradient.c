/* SPDX-License-Identifier: Apache-2.0
 *
 * Hypotheses: the gate gradient, dg_t = end + sum_{i>=t} d_i with d_i = reader_i dreader_i - writer_i dwriter_i and
 * end = row(dfinal_state * final_state), lacks a term or has one too many.
 */
#include <math.h>
#include <stdio.h>

#include "diagnose_trial.h"

enum { MOST_TOKENS = 8 }; /* fewer tokens than this say nothing about a constant */

/* ---- the gate gradients ---- */

/* end[D] += row (dgk) or column (dgv) sums of dfinal_state * final_state [dk,dv]; D = 1 for a gate per head: all. */
static void add_end(const gla_problem *p, gla_output name, const double *S, const double *F, double *end) {
    bool one = gla_gate_per_head(gla_mechanism_of(p));
    for (int64_t i = 0; i < p->dk; i++)
        for (int64_t j = 0; j < p->dv; j++)
            end[one ? 0 : name == GLA_DGK ? i : j] += S[i * p->dv + j] * F[i * p->dv + j];
}

/* The end terms [H,D] of every head of the whole problem for this sequence, and their sum [D] behind them. */
static const double *end_terms(gla_trial *t, gla_output name, int64_t D) {
    const gla_problem *w = t->s->whole;
    int64_t H = w->H, size = w->dk * w->dv;
    const double *S =
        gla_load_output(w, GLA_FINAL_STATE, t->s->truth->tensor[GLA_FINAL_STATE].value, t->s->n, 0, H, &t->memory);
    const double *F = gla_load_input(w, GLA_IN_DFINAL_STATE, t->s->n, 0, H, &t->memory);
    double *end = gla_memory_take(&t->memory, (H + 1) * D);
    for (int64_t h = 0; h < H && !t->memory.full; h++) {
        const double *own = F + gla_head(w, w->d_final_state.heads, h) * size;
        add_end(w, name, S + h * size, own, end + h * D);
        add_end(w, name, S + h * size, own, end + H * D);
    }
    return t->memory.full ? NULL : end;
}

/* Variant: what is wrong with the end term (missing, of all heads, of the heads so far, twice), then in which tokens it
 * shows: all, or with dg anchored in chunks of C those of the last chunk. */
enum { END_FAULTS = 4, END_CHUNKS = 4 };

static bool gate_gradient_end(gla_trial *t) {
    static const char *const sentences[END_FAULTS] = {
        "is missing", "is summed over all heads", "is summed over this head and those before it", "is counted twice"};
    static const int64_t sizes[END_CHUNKS] = {0, 64, 128, 32};
    int64_t what = t->variant % END_FAULTS, C = sizes[t->variant / END_FAULTS], H = t->s->whole->H;
    int64_t first = C ? (t->p.T - 1) / C * C : 0;
    if (!gla_is_plain(&t->p) || !t->p.d_final_state.at || (C && first == 0)) return false;
    for (int i = GLA_DGK; i <= GLA_DGV; i++) {
        int64_t D = t->s->out[i].shape[3], width = D * t->s->out[i].shape[2];
        double *to = t->s->out[i].shape[2] == t->p.H ? gla_trial_want(t, (gla_output)i) : NULL;
        const double *end = to ? end_terms(t, (gla_output)i, D) : NULL;
        for (int64_t j = first * width; end && j < t->s->out[i].count; j++) {
            int64_t h = t->s->head + j % width / D;
            double own = end[h * D + j % D], before = 0;
            for (int64_t other = 0; other < h; other++) before += end[other * D + j % D];
            const double change[END_FAULTS] = {-own, end[H * D + j % D] - own, before, own};
            to[j] += change[what];
        }
    }
    snprintf(t->sentence, sizeof t->sentence,
             "the final-state term of the gate gradient, the sum of dfinal_state * final_state, %s%s", sentences[what],
             C ? " (in the last chunk)" : "");
    return !t->memory.full;
}

/* dg summed inside chunks without what comes from behind the chunk, which is dg at the next chunk's first token. */
static bool gate_gradient_chunks(gla_trial *t) {
    static const int64_t sizes[] = {64, 128, 32, 16};
    int64_t C = sizes[t->variant];
    if (t->p.T <= C) return false;
    for (int i = GLA_DGK; i <= GLA_DGV; i++) {
        double *to = gla_trial_want(t, (gla_output)i);
        int64_t width = t->s->out[i].shape[2] * t->s->out[i].shape[3];
        for (int64_t j = 0; to && j < t->s->out[i].count; j++) {
            int64_t next = (j / width / C + 1) * C;
            if (next < t->p.T) to[j] -= t->s->out[i].want[next * width + j % width];
        }
    }
    snprintf(t->sentence, sizeof t->sentence,
             "the gate gradient is summed inside chunks of %d tokens alone: what comes from later chunks is missing",
             (int)C);
    return true;
}

/* Every head's gate gradient is the sum over all heads. */
static bool gate_gradient_summed(gla_trial *t) {
    const gla_problem *w = t->s->whole;
    for (int i = GLA_DGK; i <= GLA_DGV; i++) {
        if (!t->s->truth->tensor[i].present || t->s->truth->tensor[i].shape[2] == 1) continue;
        int64_t D = t->s->out[i].shape[3], own = t->s->out[i].shape[2] * D;
        double *to = t->value[i] = gla_memory_take(&t->memory, t->s->out[i].count);
        for (int64_t head = 0; to && head < w->H; head += t->s->heads) {
            const double *x =
                gla_load_output(w, (gla_output)i, t->s->truth->tensor[i].value, t->s->n, head, t->s->heads, &t->memory);
            if (!x) return false;
            for (int64_t j = 0; j < t->s->out[i].count; j++) /* every head of the block gets all heads of `head`'s */
                for (int64_t c = 0; c < own; c += D) to[j] += x[j / own * own + c + j % D];
        }
    }
    return !t->memory.full;
}

/* dg_{t-1} in the place of dg_t, but at the first token of a chunk. */
static bool gate_gradient_early(gla_trial *t) {
    static const int64_t sizes[] = {64, 128, 32, 16};
    int64_t C = sizes[t->variant];
    for (int i = GLA_DGK; i <= GLA_DGV; i++) {
        double *to = t->p.T < MOST_TOKENS ? NULL : gla_trial_want(t, (gla_output)i);
        int64_t width = t->s->out[i].shape[2] * t->s->out[i].shape[3];
        for (int64_t j = width; to && j < t->s->out[i].count; j++)
            if (j / width % C != 0) to[j] = t->s->out[i].want[j - width];
    }
    snprintf(t->sentence, sizeof t->sentence,
             "the suffix sum of the gate gradient starts a token early: dg_t holds token t-1 as well (chunks of %d)",
             (int)C);
    return true;
}

/* d_t = reader_t dreader_t - writer_t dwriter_t left out of its own suffix sum, dg'_t = dg_t - d_t, or counted twice */
static bool gate_gradient_shifted(gla_trial *t) {
    for (int i = GLA_DGK; i <= GLA_DGV; i++) {
        double *to = t->p.T < MOST_TOKENS ? NULL : gla_trial_want(t, (gla_output)i);
        const double *want = t->s->out[i].want;
        int64_t width = t->s->out[i].shape[2] * t->s->out[i].shape[3], count = t->s->out[i].count;
        for (int64_t j = 0; to && j < count; j++) {
            double d = j + width < count ? want[j] - want[j + width] : 0;
            to[j] = t->variant == 0 ? want[j] - d : want[j] + d;
            if (j + width >= count && t->s->out[i].got) to[j] = t->s->out[i].got[j]; /* d needs the end term */
        }
    }
    snprintf(t->sentence, sizeof t->sentence,
             t->variant == 0 ? "the suffix sum of the gate gradient is exclusive: dg_t misses its own token"
                             : "the suffix sum of the gate gradient counts its own token twice");
    return true;
}

/* A constant offset over the tokens of a channel, whatever it is. */
static bool gate_gradient_offset(gla_trial *t) {
    for (int i = GLA_DGK; i <= GLA_DGV; i++) {
        if (!t->s->out[i].got || t->p.T < MOST_TOKENS) continue;
        int64_t width = t->s->out[i].shape[2] * t->s->out[i].shape[3];
        double *to = gla_trial_want(t, (gla_output)i);
        for (int64_t c = 0; to && c < width; c++) {
            double offset = 0;
            for (int64_t r = 0; r < t->p.T; r++)
                offset += (t->s->out[i].got[r * width + c] - to[r * width + c]) / (double)t->p.T;
            for (int64_t r = 0; r < t->p.T; r++) to[r * width + c] += offset;
        }
    }
    return true;
}

const gla_hypothesis gla_altered_gradients[] = {
    {"dg-final-state-term", NULL, END_FAULTS *END_CHUNKS, gate_gradient_end, 0, GLA_APART},
    {"dg-inside-chunks", NULL, 4, gate_gradient_chunks, 0, GLA_APART},
    {"dg-summed-over-heads", "the gate gradient is summed over the heads", 1, gate_gradient_summed, 0, GLA_APART},
    {"dg-own-token", NULL, 2, gate_gradient_shifted, 0, GLA_APART},
    {"dg-token-early", NULL, 4, gate_gradient_early, 0, GLA_APART},
    {"dg-offset", "the gate gradient is off by a constant over the tokens of each channel", 1, gate_gradient_offset, 0,
     GLA_FITTED},
    {NULL, NULL, 0, NULL, 0, GLA_TOGETHER},
};
