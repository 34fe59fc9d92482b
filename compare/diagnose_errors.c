/* SPDX-License-Identifier: Apache-2.0
 *
 * Causes of finite errors that no hypothesis predicts, read off where the errors lie and how large they are. A cause
 * that lies in the order of tokens must show in every failing output over tokens.
 */
#include <math.h>
#include <string.h>

#include "diagnose_trial.h"

/* Is it an output over tokens that fails? */
static bool fails_by_token(const gla_subject *s, int name) {
    return s->out[name].got && s->out[name].fails && gla_output_has_tokens(&s->p, (gla_output)name);
}

static bool bad_at(const gla_subject *s, gla_output name, int64_t i) {
    return !(s->out[name].weight[i] * fabs(s->out[name].got[i] - s->out[name].want[i]) <= 1);
}

static double relative_error(const gla_subject *s, gla_output name) {
    double error = 0, size = 0;
    for (int64_t i = 0; i < s->out[name].count; i++) {
        double e = s->out[name].got[i] - s->out[name].want[i];
        error += e * e;
        size += s->out[name].want[i] * s->out[name].want[i];
    }
    return size > 0 ? sqrt(error / size) : INFINITY;
}

/* ---- where they lie ---- */

static bool bad_token(const gla_subject *s, int64_t t) {
    for (int i = 0; i < GLA_OUTPUTS; i++) {
        if (!fails_by_token(s, i)) continue;
        int64_t width = s->out[i].shape[2] * s->out[i].shape[3];
        for (int64_t j = 0; j < width; j++)
            if (bad_at(s, (gla_output)i, t * width + j)) return true;
    }
    return false;
}

/* Tokens with a bad element in any failing output: first, last, how many. */
typedef struct spread {
    int64_t first, last, tokens;
} spread;

static spread find_spread(const gla_subject *s) {
    spread x = {-1, -1, 0};
    for (int64_t t = 0; t < s->p.T; t++) {
        if (!bad_token(s, t)) continue;
        if (x.first < 0) x.first = t;
        x.last = t;
        x.tokens++;
    }
    return x;
}

static const int64_t chunk_sizes[] = {64, 128, 32};

/* Every bad token in the last partial chunk, and half of that chunk or more. */
static bool only_the_tail(const gla_subject *s, gla_diagnosis *out) {
    spread x = find_spread(s);
    for (size_t i = 0; i < sizeof chunk_sizes / sizeof *chunk_sizes; i++) {
        int64_t tail = s->p.T % chunk_sizes[i], start = s->p.T - tail;
        bool enough = tail > 1 || (tail == 1 && chunk_sizes[i] == GLA_CHUNK); /* one token says little */
        if (start > 0 && enough && x.first >= start && 2 * x.tokens >= tail)
            return gla_name_cause(out, "tail",
                                  "only the last, partial chunk is wrong: %d tokens after %d (chunks of %d)", (int)tail,
                                  (int)start, (int)chunk_sizes[i]);
    }
    return false;
}

/* The first chunk is right, and half of what follows or more is wrong, from its first token or nearly so. */
static bool after_the_first_chunk(const gla_subject *s, gla_diagnosis *out) {
    spread x = find_spread(s);
    for (size_t i = 0; i < sizeof chunk_sizes / sizeof *chunk_sizes; i++) {
        int64_t C = chunk_sizes[i], rest = s->p.T - C;
        if (rest > 0 && x.first >= C && x.first < C + 4 && x.tokens >= 4 && 2 * x.tokens >= rest)
            return gla_name_cause(
                out, "entering-state",
                "errors start at token %d, in chunk 1: the state that enters a chunk (of %d) is wrong", (int)x.first,
                (int)C);
    }
    return false;
}

/* The bad elements of an output fill one aligned group of 4 .. 64 columns, half of the columns or fewer. */
static bool one_column_group(const gla_subject *s, gla_diagnosis *out) {
    for (int name = 0; name < GLA_OUTPUTS; name++) {
        if (!fails_by_token(s, name)) continue;
        int64_t D = s->out[name].shape[3], first = D, last = -1, bad = 0;
        for (int64_t i = 0; i < s->out[name].count; i++) {
            if (!bad_at(s, (gla_output)name, i)) continue;
            bad++;
            if (i % D < first) first = i % D;
            if (i % D > last) last = i % D;
        }
        for (int64_t group = 4; group <= 64 && 2 * group <= D; group *= 2)
            if (bad >= 3 * group && first % group == 0 && last == first + group - 1)
                return gla_name_cause(out, "columns", "only columns %d to %d of %s are wrong: one tile of the result",
                                      (int)first, (int)last, gla_output_names[name]);
    }
    return false;
}

/* More than rounding: 2 % of the state. */
static bool state_of_the_tail(const gla_subject *s, gla_diagnosis *out) {
    bool wrong = s->out[GLA_FINAL_STATE].got && s->out[GLA_FINAL_STATE].fails;
    bool right = s->out[GLA_O].got && !s->out[GLA_O].fails;
    if (!wrong || !right || s->p.T % GLA_CHUNK == 0 || !(relative_error(s, GLA_FINAL_STATE) >= 0.02)) return false;
    return gla_name_cause(out, "tail-state",
                          "final_state is wrong while o is right: the last, partial chunk (%d of %d tokens) enters it "
                          "with the wrong decay or not at all",
                          (int)(s->p.T % GLA_CHUNK), GLA_CHUNK);
}

/* ---- how large they are ---- */

/* Every value a number of a narrower format, while most true values, rounded to the output's own, are not. */
bool gla_pattern_of_formats(const gla_subject *s, gla_diagnosis *out) {
    static const gla_format *const narrow[] = {&gla_bf16, &gla_f16, &gla_tf32};
    for (int i = 0; i < GLA_OUTPUTS; i++)
        for (size_t f = 0; f < sizeof narrow / sizeof *narrow; f++) {
            const gla_format *own = s->candidate->output[i].format;
            int64_t count = s->out[i].count, got = 0, want = 0;
            if (!s->out[i].got || !s->out[i].fails || own->p <= narrow[f]->p || count < 16) continue;
            for (int64_t j = 0; j < count; j++) {
                double x = s->out[i].got[j], y = gla_round(own, GLA_RN, s->out[i].want[j], 0);
                got += isfinite(x) && gla_round(narrow[f], GLA_RN, x, 0) == x;
                want += gla_round(narrow[f], GLA_RN, y, 0) == y;
            }
            if (got == count && 2 * want < count)
                return gla_name_cause(out, "narrow",
                                      "every value of %s is a %s number: rounded to it, or kept in it, "
                                      "before it was stored as %s",
                                      gla_output_names[i], narrow[f] == &gla_f16 ? "f16 (and tf32)" : narrow[f]->name,
                                      own->name);
        }
    return false;
}

/* Errors that point towards zero, by weight, beyond chance: a sum of independent errors has the standard deviation
 * sqrt(square). Rounding errors are far below the values. */
static bool truncated(const gla_subject *s, gla_diagnosis *out) {
    for (int name = 0; name < GLA_OUTPUTS; name++) {
        double towards = 0, all = 0, square = 0;
        if (!fails_by_token(s, name) || !(relative_error(s, (gla_output)name) <= 0.02)) continue;
        for (int64_t i = 0; i < s->out[name].count; i++) {
            double want = s->out[name].want[i], w = s->out[name].weight[i] * (s->out[name].got[i] - want);
            if (!isfinite(w) || want == 0) continue;
            towards -= want > 0 ? w : -w;
            all += fabs(w);
            square += w * w;
        }
        if (towards > 0.25 * all && towards > 8 * sqrt(square))
            return gla_name_cause(out, "truncation",
                                  "errors of %s lean towards zero (%.0f %% of their sum): truncation where rounding is "
                                  "declared",
                                  gla_output_names[name], 100 * towards / all);
    }
    return false;
}

/* The relative error of o rises over the quarters of the sequence, four times at least, and is one of rounding. */
static bool growing(const gla_subject *s, gla_diagnosis *out) {
    double error[4] = {0}, size[4] = {0}, relative[4];
    if (!fails_by_token(s, GLA_O) || s->p.T < GLA_CHUNK) return false;
    int64_t width = s->out[GLA_O].shape[2] * s->out[GLA_O].shape[3];
    for (int64_t i = 0; i < s->out[GLA_O].count; i++) {
        int64_t quarter = i / width * 4 / s->p.T;
        double e = s->out[GLA_O].got[i] - s->out[GLA_O].want[i];
        error[quarter] += e * e;
        size[quarter] += s->out[GLA_O].want[i] * s->out[GLA_O].want[i];
    }
    for (int q = 0; q < 4; q++) relative[q] = sqrt(error[q] / size[q]);
    for (int q = 1; q < 4; q++)
        if (!(relative[q] > relative[q - 1])) return false;
    if (!(relative[3] > 4 * relative[0] && relative[3] < 0.02)) return false;
    return gla_name_cause(out, "error-grows",
                          "the relative error of o grows along the sequence, %.2g to %.2g: a state or a sum of gates "
                          "kept in a narrow format",
                          relative[0], relative[3]);
}

bool gla_pattern_of_errors(const gla_subject *s, gla_diagnosis *out) {
    static bool (*const patterns[])(const gla_subject *, gla_diagnosis *) = {
        one_column_group, only_the_tail, after_the_first_chunk, state_of_the_tail, truncated, growing};
    for (size_t k = 0; k < sizeof patterns / sizeof *patterns; k++)
        if (patterns[k](s, out)) return true;
    return false;
}
