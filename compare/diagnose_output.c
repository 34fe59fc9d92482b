/* SPDX-License-Identifier: Apache-2.0
 *
 * Hypotheses: the true outputs, altered on their way out. Unwritten, copied, shifted, transposed, of another head or
 * sequence, scaled, cut, or with a term of the gate gradient missing. Every prediction is made output by output.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "diagnose_trial.h"

/* ---- what does not look like an answer at all ---- */

static bool zeros(gla_trial *t) {
    for (int i = 0; i < GLA_OUTPUTS; i++) t->value[i] = gla_memory_take(&t->memory, t->s->out[i].count);
    return !t->memory.full;
}

enum { MOST_TOKENS = 8 }; /* fewer values than this may be equal by chance */

static bool constant(gla_trial *t) {
    for (int i = 0; i < GLA_OUTPUTS; i++) {
        int64_t count = t->s->out[i].count;
        if (!t->s->out[i].got || count < MOST_TOKENS) continue;
        t->value[i] = gla_memory_take(&t->memory, count);
        for (int64_t j = 0; t->value[i] && j < count; j++) t->value[i][j] = t->s->out[i].got[0];
    }
    return !t->memory.full;
}

/* Input `variant` of the same shape. */
static bool equals_input(gla_trial *t) {
    const gla_tensor *x = gla_problem_input(&t->p, (gla_input)t->variant);
    int64_t shape[4];
    gla_input_shape(&t->p, (gla_input)t->variant, shape);
    if (!x->at) return false;
    for (int i = 0; i < GLA_OUTPUTS; i++)
        if (memcmp(shape, t->s->out[i].shape, sizeof shape) == 0 &&
            gla_is_state_input((gla_input)t->variant) == gla_is_state_output((gla_output)i)) {
            t->value[i] = gla_trial_want(t, (gla_output)i);
            if (t->value[i]) memcpy(t->value[i], x->at, (size_t)t->s->out[i].count * sizeof(double));
        }
    snprintf(t->sentence, sizeof t->sentence, "the output is a copy of the input %s", gla_input_names[t->variant]);
    return !t->memory.full;
}

/* The truth of output `variant`, where another was asked for. */
static bool equals_output(gla_trial *t) {
    gla_output other = (gla_output)t->variant;
    for (int i = 0; i < GLA_OUTPUTS; i++)
        if (i != t->variant && t->s->out[other].count > 0 &&
            gla_is_state_output((gla_output)i) == gla_is_state_output(other) &&
            memcmp(t->s->out[i].shape, t->s->out[other].shape, sizeof t->s->out[i].shape) == 0)
            t->value[i] = t->s->out[other].want;
    snprintf(t->sentence, sizeof t->sentence, "these are the values of %s", gla_output_names[other]);
    return true;
}

/* ---- at the wrong place ---- */

static bool shifted(gla_trial *t) {
    bool late = t->variant == 0;
    for (int i = 0; i < GLA_OUTPUTS; i++) {
        if (!gla_output_has_tokens(&t->p, (gla_output)i) || t->s->p.T < MOST_TOKENS) continue;
        double *to = gla_trial_want(t, (gla_output)i);
        int64_t width = t->s->out[i].shape[2] * t->s->out[i].shape[3], most = t->s->out[i].count - width;
        if (!to) continue;
        size_t bytes = (size_t)most * sizeof *to;
        memcpy(late ? to + width : to, late ? t->s->out[i].want : t->s->out[i].want + width, bytes);
        if (t->s->out[i].got) /* nothing is said of the token that is left over */
            memcpy(late ? to : to + most, late ? t->s->out[i].got : t->s->out[i].got + most,
                   (size_t)width * sizeof *to);
    }
    snprintf(t->sentence, sizeof t->sentence, "shifted by one token: what belongs to token t stands at t %c 1",
             late ? '+' : '-');
    return true;
}

static bool states_transposed(gla_trial *t) {
    static const gla_output states[] = {GLA_FINAL_STATE, GLA_DINITIAL_STATE};
    for (int a = 0; a < 2; a++) {
        int64_t dk = t->s->out[states[a]].shape[2], dv = t->s->out[states[a]].shape[3], size = dk * dv;
        double *to = gla_trial_want(t, states[a]);
        const double *from = t->s->out[states[a]].want;
        for (int64_t i = 0, count = to && size > 1 ? t->s->out[states[a]].count : 0; i < count; i++) {
            int64_t at = i % size; /* the memory is [dv,dk] */
            to[i] = from[i - at + at % dk * dv + at / dk];
        }
    }
    return true;
}

/* [B,T,H,D] with the memory of [B,H,T,D], or the other way. */
static bool written_heads_first(gla_trial *t) {
    const gla_problem *w = t->s->whole;
    int64_t T = w->T, n = t->s->n;
    if (T == 1 || w->H == 1 || w->cu_seqlens || w->reverse || t->s->heads > 1) return false;
    for (int i = 0; i < GLA_OUTPUTS; i++) {
        if (!gla_output_has_tokens(&t->p, (gla_output)i) || t->s->out[i].count == 0) continue;
        int64_t H = t->s->truth->tensor[i].shape[2], D = t->s->out[i].shape[3];
        double *to = gla_trial_want(t, (gla_output)i);
        for (int64_t r = 0; to && r < T && H == w->H; r++) {
            int64_t flat = r * H + t->s->head, from = (n * T + flat % T) * H + flat / T;
            memcpy(to + r * D, t->s->truth->tensor[i].value + from * D, (size_t)D * sizeof *to);
        }
    }
    return true;
}

static bool of_block(gla_trial *t, int64_t n, int64_t head) {
    const gla_subject *s = t->s;
    for (int i = 0; i < GLA_OUTPUTS; i++)
        if (s->out[i].got)
            t->value[i] =
                gla_load_output(s->whole, (gla_output)i, s->truth->tensor[i].value, n, head, s->heads, &t->memory);
    return !t->memory.full;
}

enum { NEIGHBOURS = 16 };

static bool output_of_other_head(gla_trial *t) {
    int64_t head = t->variant * t->s->heads;
    if (head == t->s->head || head >= t->s->whole->H) return false;
    snprintf(t->sentence, sizeof t->sentence, "head %d holds the values of head %d", (int)t->s->head, (int)head);
    return of_block(t, t->s->n, head);
}

static bool output_of_other_sequence(gla_trial *t) {
    int64_t n = t->variant;
    if (n == t->s->n || n >= t->s->whole->N || gla_sequence_at(t->s->whole, n).length != t->s->p.T) return false;
    snprintf(t->sentence, sizeof t->sentence, "sequence %d holds the values of sequence %d", (int)t->s->n, (int)n);
    return of_block(t, n, t->s->head);
}

/* ---- values ---- */

/* The factor nearest to the candidate, in units of the bound. */
static double factor_of(const gla_subject *s, gla_output name) {
    double above = 0, below = 0;
    for (int64_t j = 0; j < s->out[name].count; j++) {
        double w = s->out[name].weight[j], got = w * s->out[name].got[j], want = w * s->out[name].want[j];
        above += got * want;
        below += want * want;
    }
    return below > 0 ? above / below : NAN;
}

/* Is got the factor times want, but for what rounding allows? A fit may be near without being the answer. */
static bool is_multiple(const gla_subject *s, gla_output name, double factor) {
    double limit = 4 * fmax(1, fabs(factor));
    for (int64_t j = 0; j < s->out[name].count; j++) {
        double far = fabs(s->out[name].got[j] - factor * s->out[name].want[j]);
        if (isfinite(far) && !(far * s->out[name].weight[j] <= limit)) return false;
    }
    return true;
}

static bool times_factor(gla_trial *t) {
    double scale = t->p.scale, root = sqrt((double)t->p.dk), factor = NAN;
    for (int i = GLA_OUTPUTS - 1; i >= 0; i--) {
        if (!t->s->out[i].got || t->s->out[i].count < MOST_TOKENS) continue;
        double here = factor_of(t->s, (gla_output)i);
        if (!isfinite(here) || !is_multiple(t->s, (gla_output)i, here)) continue;
        double *to = gla_trial_want(t, (gla_output)i);
        for (int64_t j = 0; to && j < t->s->out[i].count; j++) to[j] *= here;
        if (t->s->out[i].fails) factor = here;
    }
    const struct {
        double value;
        const char *means;
    } known[] = {{scale, ": the scale was applied once too often"},
                 {1 / scale, ": the scale was applied once too rarely"},
                 {root, ": sqrt(dk)"},
                 {1 / root, ": 1 / sqrt(dk)"},
                 {-1, ": the sign is wrong"},
                 {2, ": it was added twice"},
                 {0x1.62e42fefa39efp-1, ": ln 2, a change of base forgotten"},
                 {0x1.71547652b82fep+0, ": 1 / ln 2, a change of base forgotten"}};
    const char *means = "";
    for (size_t k = 0; k < sizeof known / sizeof *known && !*means; k++)
        if (fabs(factor / known[k].value - 1) < 0x1p-8) means = known[k].means;
    snprintf(t->sentence, sizeof t->sentence, "every value is %.3g times the truth%s", factor, means);
    return isfinite(factor);
}

/* Cut to the format that the output is stored in. */
static bool stored_truncated(gla_trial *t) {
    for (int i = 0; i < GLA_OUTPUTS; i++) {
        double *to = t->s->out[i].got ? gla_trial_want(t, (gla_output)i) : NULL;
        for (int64_t j = 0; to && j < t->s->out[i].count; j++)
            to[j] = gla_round(t->s->candidate->output[i].format, GLA_RZ, to[j], 0);
    }
    return true;
}

const gla_hypothesis gla_altered_outputs[] = {
    {"zeros", "all zeros: never written", 1, zeros, 0, GLA_APART},
    {"constant", "all values are the same", 1, constant, 0, GLA_APART},
    {"equals-input", NULL, GLA_INPUTS, equals_input, 0, GLA_APART},
    {"equals-output", NULL, GLA_OUTPUTS, equals_output, 0, GLA_APART},
    {"state-written-transposed", "the state was written as [dv,dk] instead of [dk,dv]", 1, states_transposed, 0,
     GLA_APART},
    {"written-heads-first", "the output was written as [B,H,T,D] instead of [B,T,H,D]", 1, written_heads_first, 0,
     GLA_APART},
    {"shifted", NULL, 2, shifted, 0, GLA_APART},
    {"values-of-other-head", NULL, NEIGHBOURS, output_of_other_head, 0, GLA_APART},
    {"values-of-other-sequence", NULL, NEIGHBOURS, output_of_other_sequence, 0, GLA_APART},
    {"stored-truncated", "outputs are truncated, not rounded, when they are stored", 1, stored_truncated, 0, GLA_APART},
    {"factor", NULL, 1, times_factor, 0, GLA_FITTED},
    {NULL, NULL, 0, NULL, 0, GLA_TOGETHER},
};
