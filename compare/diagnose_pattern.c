/* SPDX-License-Identifier: Apache-2.0
 *
 * Causes of non-finite values, read off where they lie: the exponent range of binary32 against the gates of a chunk,
 * the range of the output's format, growth, the last partial chunk.
 */
#include <math.h>

#include "diagnose_trial.h"

static const double LOG_MAX = 88.72283905206835; /* ln of the largest binary32 number */

static int64_t width_of(const gla_subject *s, gla_output name) { return s->out[name].shape[2] * s->out[name].shape[3]; }

static bool tokens_of(const gla_subject *s, gla_output name) {
    return s->out[name].got && gla_output_has_tokens(&s->p, name);
}

/* ---- NaN and infinity ---- */

/* First and last token with a non-finite value; first < 0: none. */
typedef struct range {
    int64_t first, last;
} range;

static range non_finite(const gla_subject *s, gla_output name) {
    range r = {-1, -1};
    for (int64_t i = 0; i < s->out[name].count; i++) {
        if (isfinite(s->out[name].got[i])) continue;
        r.last = i / width_of(s, name);
        if (r.first < 0) r.first = r.last;
    }
    return r;
}

/* Where the gates of a chunk stop being representable by one anchor. */
typedef struct budget {
    bool reset;                    /* by a gate of -inf, else by their sum */
    int64_t chunk, token, channel; /* chunk < 0: nowhere */
    double sum;
} budget;

/* Key gates of one token. */
static int64_t gate_width(const gla_subject *s) {
    int64_t shape[4];
    gla_input_shape(&s->p, GLA_IN_GK, shape);
    return shape[2] * shape[3];
}

/* The first chunk (or the last) that breaks, and in it the first token. */
static budget exhausted(const gla_subject *s, int64_t C, bool last) {
    budget at = {.chunk = -1};
    const gla_tensor *g = &s->p.gk;
    int64_t width = g->at ? gate_width(s) : 0, chunks = (s->p.T + C - 1) / C;
    for (int64_t k = 0; k < chunks && width > 0; k++) {
        int64_t chunk = last ? chunks - 1 - k : k;
        int64_t end = (chunk + 1) * C < s->p.T ? (chunk + 1) * C : s->p.T;
        for (int64_t c = 0; c < width; c++) {
            double sum = 0;
            for (int64_t t = chunk * C; t < end; t++) {
                sum += g->at[t * width + c];
                if (!(sum < -LOG_MAX) || (at.chunk >= 0 && t >= at.token)) continue;
                at = (budget){isinf(sum) != 0, chunk, t, c, sum};
            }
        }
        if (at.chunk >= 0) return at;
    }
    return at;
}

/* What reads (o, dq) breaks at the first exhausted token or after it in that chunk; what is written, also from the last
 * such chunk back. */
static bool explains(const budget *b, range r, int64_t C, bool last) {
    if (b->chunk < 0) return false;
    return last ? r.last / C == b->chunk : r.first / C == b->chunk && r.first >= b->token;
}

static bool exponent_budget(const gla_subject *s, gla_output name, range r, gla_diagnosis *out) {
    static const int64_t sizes[] = {64, 32, 128, 16};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (int last = 0; last <= (name != GLA_O && name != GLA_DQ); last++) {
            budget b = exhausted(s, sizes[i], last);
            if (!explains(&b, r, sizes[i], last)) continue;
            if (b.reset)
                return gla_name_cause(
                    out, "reset-nan",
                    "NaN comes with the gate of -inf at token %d (channel %d): -inf minus -inf, or 0 times "
                    "inf, where an exact reset is meant",
                    (int)b.token, (int)b.channel);
            return gla_name_cause(
                out, "one-anchor-overflow",
                "the gates of chunk %d (of %d tokens) sum to %.1f at token %d (channel %d), past -88.7 = -ln "
                "of the largest binary32: one anchor for the whole chunk overflows",
                (int)b.chunk, (int)sizes[i], b.sum, (int)b.token, (int)b.channel);
        }
    return false;
}

/* Infinite wherever the truth is past the largest number of the output's format. */
static bool past_the_format(const gla_subject *s, gla_output name, gla_diagnosis *out) {
    const gla_format *f = s->candidate->output[name].format;
    int64_t past = 0;
    for (int64_t i = 0; i < s->out[name].count; i++) {
        bool bad = !isfinite(s->out[name].got[i]);
        if (bad && !(fabs(s->out[name].want[i]) > f->max)) return false;
        past += bad;
    }
    return past > 0 &&
           gla_name_cause(out, "past-the-format", "the truth is past the largest %s (%g) wherever %s is infinite",
                          f->name, f->max, gla_output_names[name]);
}

static bool gates_grow(const gla_subject *s, gla_diagnosis *out) {
    int64_t count = s->p.gk.at ? s->p.T * gate_width(s) : 0;
    for (int64_t i = 0; i < count; i++)
        if (s->p.gk.at[i] > 0)
            return gla_name_cause(out, "growth",
                                  "a gate is above 0 (first at token %d): the state grows instead of decaying",
                                  (int)(i / gate_width(s)));
    return false;
}

bool gla_pattern_of_nan(const gla_subject *s, gla_diagnosis *out) {
    for (int i = 0; i < GLA_OUTPUTS; i++) {
        gla_output name = (gla_output)i;
        if (!tokens_of(s, name)) continue;
        range r = non_finite(s, name);
        if (r.first < 0) continue;
        out->explains = 1u << i;
        if (past_the_format(s, name, out) || gates_grow(s, out) || exponent_budget(s, name, r, out)) return true;
        if (s->p.T % GLA_CHUNK != 0 && r.first >= s->p.T - s->p.T % GLA_CHUNK)
            return gla_name_cause(out, "tail", "NaN or infinity in the last, partial chunk alone: %d tokens after %d",
                                  (int)(s->p.T % GLA_CHUNK), (int)(s->p.T - s->p.T % GLA_CHUNK));
        out->explains = 0;
        return false;
    }
    return false;
}
