/* SPDX-License-Identifier: Apache-2.0
 *
 * Study growth: the recurrence with every operation in a narrow format, to T = 2^20, dk = dv = 2, q k v standard normal
 * in bf16.
 *
 *     error    rms error of o / rms of o, over tokens T/2 .. T, against certified truth (truth.h), every element of
 *              which is proven to 2^-52; a point fails if one is not
 */
#include <math.h>

#include "study.h"
#include "study_sweep.h"
#include "truth.h"

enum { MEMORY, ARITHMETIC, LENGTH }; /* axes */
enum { D = 2 };

static double gate(double memory, int64_t t, gla_draw d) { return isinf(memory) ? 0 : -1 / memory; }

/* Over tokens of one head. */
static double window_error(const gla_trial *x, const gla_truth *truth, int64_t first, int64_t count) {
    double error = 0, size = 0;
    for (int64_t i = first * D; i < (first + count) * D; i++) {
        double y = truth->tensor[GLA_O].value[i], e = gla_result_d(&x->result, GLA_O, i) - y;
        error += e * e;
        size += y * y;
    }
    return sqrt(error / size);
}

static gla_status certified(const gla_problem *p, gla_truth *truth, gla_error *err) {
    const gla_truth_options how = {.rounding = GLA_RN, .close_enough = GLA_CLOSE_ENOUGH, .threads = 1};
    gla_status status = gla_truth_compute(p, &how, truth, err);
    if (status || truth->uncertified == 0) return status;
    return gla_fail(err, GLA_UNSUPPORTED, "growth: %lld outputs are not certified", (long long)truth->uncertified);
}

static gla_status measure(const gla_sweep *s, gla_sweep_place where, uint64_t seed, gla_sweep_row *rows,
                          gla_error *err) {
    double memory = gla_sweep_number(gla_sweep_text(s, where, MEMORY));
    int64_t T = (int64_t)gla_sweep_number(s->axis[LENGTH].value[gla_sweep_along(s) - 1]);
    gla_generated made;
    gla_truth truth = {0};
    gla_trial trial = {0};
    gla_status status = gla_study_problem(T, D, &gla_bf16, gate, memory, seed, &made, err);
    if (status) return status;
    status = certified(&made.problem, &truth, err);
    if (status == GLA_OK)
        status = gla_trial_forward(&made.problem, "recurrent", gla_sweep_text(s, where, ARITHMETIC), &trial, err);
    for (size_t i = 0; i < gla_sweep_along(s) && status == GLA_OK; i++) {
        int64_t half = (int64_t)gla_sweep_number(s->axis[LENGTH].value[i]) / 2;
        rows[i].figure[0] = window_error(&trial, &truth, half, half);
    }
    gla_trial_close(&trial);
    gla_truth_free(&truth);
    gla_generated_free(&made);
    return status;
}

const gla_sweep gla_study_growth = {
    .name = "growth",
    .what = "error of the recurrence over a million tokens, every operation in a narrow format",
    .axis = {{"memory", "m in tokens: every log gate is -1/m; inf: no gate", {"inf", "1024"}},
             {"arithmetic", "number system", {"binary32", "f16", "bf16"}},
             {"T",
              "tokens",
              {"2^4", "2^5", "2^6", "2^7", "2^8", "2^9", "2^10", "2^11", "2^12", "2^13", "2^14", "2^15", "2^16", "2^17",
               "2^18", "2^19", "2^20"}}},
    .figure = {{"error", "rms error of o / rms of o"}},
    .measure = measure,
    .plot = {.kind = GLA_PLOT_LINES,
             .panel = MEMORY,
             .line = ARITHMETIC,
             .x = LENGTH,
             .measured = 0,
             .predicted = -1,
             .points = -1},
    .question = "Does the error of the recurrence keep growing with the sequence, to a million tokens, and in which "
                "format?",
    .method = "The recurrence, every operation (also e^g) rounded to the format, `dk = dv = 2`, q k v standard "
              "normal in bf16, no gate or a log gate of -1/1024 in every token. The truth is certified: the "
              "double-double engine with its proven bound, climbing to intervals where that does not decide; a row "
              "is not given unless every output up to 2^20 is proven to 2^-52. Errors over the tokens T/2 .. T.",
    .finding = "Without a gate the error grows to the end, no faster than the square root of T: binary32 from [error "
               "memory=inf arithmetic=binary32 T=2^10] at 2^10 to [error memory=inf arithmetic=binary32 T=2^20] at "
               "2^20, f16 from [error memory=inf arithmetic=f16 T=2^10] to [error memory=inf arithmetic=f16 T=2^20], "
               "bf16 from [error memory=inf arithmetic=bf16 T=2^10] to [error memory=inf arithmetic=bf16 T=2^20].\n\n"
               "With a memory of 1024 tokens it stops growing near 2^11: binary32 stays at [error memory=1024 "
               "arithmetic=binary32 T=2^20]. But not in bf16: e^(-1/1024) lies within half a step of 1 and rounds to "
               "1, the state never forgets, and the error is [error memory=1024 arithmetic=bf16 T=2^14] at 2^14 and "
               "[error memory=1024 arithmetic=bf16 T=2^20] at 2^20. f16 can hold that decay, and stays at [error "
               "memory=1024 arithmetic=f16 T=2^20]. Decays belong in logarithms and in binary32.",
    .limits = "One draw and small states, so the curves are rough; tf32, with f16's bits, gives f16's curve here. "
              "No kernel makes every operation narrow: study state-format rounds the state alone."};
