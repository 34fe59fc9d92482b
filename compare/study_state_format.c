/* SPDX-License-Identifier: Apache-2.0
 *
 * Study state-format: the state kept in a narrow format over long sequences. The recurrence in binary64 with one
 * rounding: S_t into the format after every token. T up to 2^14, dk = dv = 16, q k v standard normal in bf16.
 *
 *     memory       m tokens: every log gate is -1/m; inf: no gate
 *     error        rms error of o / rms of o, over tokens T/2 .. T
 *     predicted    the same by the error model (error.h) of that one site: roundings independent and random
 */
#include <math.h>
#include <string.h>

#include "../reference/number/error.h"
#include "study.h"
#include "study_sweep.h"

enum { MEMORY, STATE, LENGTH }; /* axes */
enum { ERROR, PREDICTED };
enum { D = 16 };

static double gate(double memory, int64_t t, gla_draw d) { return isinf(memory) ? 0 : -1 / memory; }

/* Standard deviation of o by its error numbers, over its rms, `count` tokens from `first`. */
static double deviation(const gla_trial *errors, const gla_trial *truth, int64_t first, int64_t count) {
    double variance = 0, size = 0;
    for (int64_t i = first * D; i < (first + count) * D; i++) {
        const gla_error_number *e = gla_result_at(&errors->result, GLA_O, i);
        variance += GLA_ERROR_VARIANCE * e->var;
        size += pow(gla_result_d(&truth->result, GLA_O, i), 2);
    }
    return sqrt(variance / size);
}

static gla_status measure_all(const gla_sweep *s, const gla_problem *p, const gla_error_model *model,
                              gla_sweep_row *rows, gla_trial trial[3], gla_error *err) {
    gla_trial *truth = &trial[0], *run = &trial[1], *errors = &trial[2];
    gla_status status = gla_trial_forward(p, "recurrent", "binary64", truth, err);
    if (status == GLA_OK) status = gla_trial_forward_in(p, "recurrent", gla_emulator_open(model, 0), run, err);
    if (status == GLA_OK) status = gla_trial_forward_in(p, "recurrent", gla_error_open(model), errors, err);
    if (status) return status;
    for (size_t i = 0; i < gla_sweep_along(s); i++) {
        int64_t half = (int64_t)gla_sweep_number(s->axis[LENGTH].value[i]) / 2;
        rows[i].figure[ERROR] = gla_trial_window_error(run, truth, GLA_O, half, half);
        rows[i].figure[PREDICTED] = deviation(errors, truth, half, half);
    }
    return GLA_OK;
}

static gla_status measure(const gla_sweep *s, gla_sweep_place where, uint64_t seed, gla_sweep_row *rows,
                          gla_error *err) {
    const gla_format *format = gla_format_named(gla_sweep_text(s, where, STATE));
    gla_error_model model = {.site = {[GLA_SITE_STATE] = gla_rounding_into(format, false)}};
    double memory = gla_sweep_number(gla_sweep_text(s, where, MEMORY));
    int64_t T = (int64_t)gla_sweep_number(s->axis[LENGTH].value[gla_sweep_along(s) - 1]);
    gla_generated made;
    gla_trial trial[3] = {0};
    gla_status status = gla_study_problem(T, D, &gla_bf16, gate, memory, seed, &made, err);
    if (status) return status;
    status = measure_all(s, &made.problem, &model, rows, trial, err);
    for (int i = 0; i < 3; i++) gla_trial_close(&trial[i]);
    gla_generated_free(&made);
    return status;
}

const gla_sweep gla_study_state_format = {
    .name = "state-format",
    .what = "the state rounded to a narrow format after every token: error against length and memory",
    .axis = {{"memory", "tokens after which the state has decayed to 1/e", {"16", "256", "4096", "inf"}},
             {"state", "format of the state", {"binary32", "f16", "bf16", "e5m2"}},
             {"T", "tokens", {"2^5", "2^6", "2^7", "2^8", "2^9", "2^10", "2^11", "2^12", "2^13", "2^14"}}},
    .figure = {{"error", "rms error of o / rms of o"}, {"predicted", "the same by the error model"}},
    .measure = measure,
    .plot = {.kind = GLA_PLOT_LINES,
             .panel = MEMORY,
             .line = STATE,
             .x = LENGTH,
             .measured = ERROR,
             .predicted = PREDICTED,
             .points = -1},
    .question = "A kernel that walks token by token, or keeps the state between calls of a decoder, may store the "
                "state in a narrow format. How wrong is the output after T tokens, if nothing else is rounded, and "
                "does more memory (weaker gates) make it worse?",
    .method = "The recurrence in binary64 with one rounding, S_t to the format after every token, to nearest even. "
              "`dk = dv = 16`, q k v standard normal in bf16, every log gate -1/m for a memory of m tokens. Errors "
              "are taken against the same recurrence unrounded, over the tokens T/2 .. T. The prediction is the "
              "error model that `glassbox check` judges by (roundings independent, 0.4247 units of roundoff each), "
              "with this one site.",
    .finding = "The error grows with the number of roundings that the state still remembers, as their square root, "
               "and stops growing where the memory ends: with bf16 [error memory=16 state=bf16 T=2^14] for a memory "
               "of 16 tokens, [error memory=256 state=bf16 T=2^14] for 256, [error memory=4096 state=bf16 T=2^14] "
               "for 4096, at T = 16384; and from 2^5 to 2^14 tokens without a gate from [error memory=inf state=bf16 "
               "T=2^5] to [error memory=inf state=bf16 T=2^14]. f16 has three bits more and is about 8 times better "
               "([error memory=4096 state=f16 T=2^14] for 4096), binary32 is at [error memory=4096 state=binary32 "
               "T=2^14].\n\n"
               "The prediction meets memories of 16 and 256 at T = 16384 for binary32, f16 and bf16 (bf16: "
               "[predicted memory=16 state=bf16 T=2^14] and [predicted memory=256 state=bf16 T=2^14]). It fails "
               "where the format is too coarse to hold what a token adds: e5m2 with a memory of 256 errs by [error "
               "memory=256 state=e5m2 T=2^14] where [predicted memory=256 state=e5m2 T=2^14] was predicted, and "
               "without a gate its state stands still, an error near 1, where independent roundings would have gone "
               "on to [predicted memory=inf state=e5m2 T=2^14]. bf16 with a memory of 4096 begins to: [error "
               "memory=4096 state=bf16 T=2^14] against [predicted memory=4096 state=bf16 T=2^14], because the decay "
               "of a token is less than half a step of the format and is rounded away.",
    .limits = "Signed terms: with positive ones the state stops growing much earlier (study stochastic). One draw "
              "of the operands. A chunkwise kernel rounds its state once a chunk and not once a token: the same "
              "curve at T/C roundings."};
