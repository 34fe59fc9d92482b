/* SPDX-License-Identifier: Apache-2.0
 *
 * Study overflow: where the factored chunk, (q e^Gamma) (k e^-Gamma), leaves the range of its format. One chunk of C
 * tokens, every log gate -x; dk = dv = 4, q k v standard normal in bf16.
 *
 *     predicted    x = ln(largest finite) / C: e^-Gamma of the chunk's last key
 *     first        least x, to 1 part in 4096, at which an output is not finite: by bisection
 *     error        rms error of o / rms of o at the row's own gate
 */
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "study.h"
#include "study_sweep.h"

enum { KERNEL, C, GATE }; /* axes */
enum { ERROR, PREDICTED, FIRST };
enum { D = 4 };

/* "factored@mixed:f16" taken apart. */
typedef struct kernel {
    char form[40];
    const char *numbers;
    bool factored;
    double most; /* largest finite number of what its products take */
} kernel;

static kernel kernel_at(const gla_sweep *s, gla_sweep_place where) {
    const char *text = gla_sweep_text(s, where, KERNEL), *numbers = gla_sweep_behind(text);
    kernel k = {.numbers = numbers, .factored = strncmp(text, "factored", 8) == 0};
    k.most = strcmp(numbers, "mixed:f16") == 0 ? gla_f16.max : FLT_MAX;
    snprintf(k.form, sizeof k.form, "chunkwise%s:%s", k.factored ? "-factored" : "", gla_sweep_text(s, where, C));
    return k;
}

/* rms error of o, and whether all of it is finite, under log gates -x. */
static gla_status run(const kernel *k, int64_t T, double x, uint64_t seed, double *error, gla_error *err) {
    gla_generated made;
    gla_trial truth = {0}, trial = {0};
    gla_status status = gla_study_problem(T, D, &gla_bf16, gla_gate_constant, -x, seed, &made, err);
    if (status) return status;
    status = gla_trial_forward(&made.problem, "recurrent", "binary64", &truth, err);
    if (status == GLA_OK) status = gla_trial_forward(&made.problem, k->form, k->numbers, &trial, err);
    if (status == GLA_OK) *error = gla_trial_rms_error(&trial, &truth, GLA_O);
    gla_trial_close(&trial);
    gla_trial_close(&truth);
    gla_generated_free(&made);
    return status;
}

/* Between a gate that is fine and one that is not; infinite if even `high` is fine. */
static gla_status first_bad(const kernel *k, int64_t T, double high, uint64_t seed, double *first, gla_error *err) {
    double low = high / 8, error = NAN;
    gla_status status = run(k, T, high, seed, &error, err);
    *first = INFINITY;
    if (status || isfinite(error)) return status;
    while (status == GLA_OK && high > low * (1 + 0x1p-12)) {
        double middle = (low + high) / 2;
        status = run(k, T, middle, seed, &error, err);
        if (isfinite(error))
            low = middle;
        else
            high = middle;
    }
    *first = high;
    return status;
}

static gla_status measure(const gla_sweep *s, gla_sweep_place where, uint64_t seed, gla_sweep_row *rows,
                          gla_error *err) {
    const kernel k = kernel_at(s, where);
    int64_t T = (int64_t)gla_sweep_number(gla_sweep_text(s, where, C));
    double predicted = k.factored ? log(k.most) / (double)T : INFINITY, first;
    gla_status status = first_bad(&k, T, 4 * log(k.most) / (double)T, seed, &first, err);
    for (size_t i = 0; i < gla_sweep_along(s) && status == GLA_OK; i++) {
        where.at[GATE] = i;
        rows[i].figure[PREDICTED] = predicted;
        rows[i].figure[FIRST] = first;
        status = run(&k, T, gla_sweep_number(gla_sweep_text(s, where, GATE)), seed, &rows[i].figure[ERROR], err);
    }
    return status;
}

const gla_sweep gla_study_overflow = {
    .name = "overflow",
    .what = "gate x chunk x format: where the factored chunk overflows, predicted and measured",
    .axis = {{"kernel",
              "formulation@arithmetic",
              {"factored@binary32", "factored@mixed:bf16", "factored@sm_90:bf16", "factored@mixed:f16",
               "chunkwise@binary32", "chunkwise@mixed:f16"}},
             {"C", "tokens of a chunk", {"4", "8", "16", "32", "64", "128"}},
             {"gate",
              "-log gate of every token",
              {"0.0625", "0.088", "0.125", "0.177", "0.25", "0.354", "0.5", "0.707", "1", "1.41", "2", "2.83", "4",
               "5.66", "8", "11.3", "16", "22.6"}}},
    .figure = {{"error", "rms error of o / rms of o"},
               {"predicted", "least gate that overflows, ln(max)/C"},
               {"first", "least gate that overflows, measured"}},
    .measure = measure,
    .plot = {.kind = GLA_PLOT_MAP,
             .panel = KERNEL,
             .line = GATE,
             .x = C,
             .measured = ERROR,
             .predicted = PREDICTED,
             .points = FIRST},
    .question =
        "A chunk's scores can be made by one matrix product, `(q e^Gamma) (k e^-Gamma)^T`. The second factor grows "
        "with "
        "the decay of the chunk. From which gate on is it infinite, for which chunk size, in which format, and is the "
        "result right up to there?",
    .method =
        "One chunk of C tokens, `dk = dv = 4`, q k v standard normal in bf16, the same log gate in every token. The "
        "kernel runs in the arithmetic after the `@` (`mixed:F`: binary32 with the operands of products rounded to F; "
        "`sm_90:bf16`: an H100's tensor core and e^x); the recurrence in binary64 judges. The prediction is "
        "`ln(largest finite number)/C`: 88.72/C, in f16 11.09/C. Measured is the least gate at which an output is not "
        "finite, by bisection to 1 part in 4096.",
    .finding = "In binary32 a chunk of 16 breaks at a log gate of -[max first kernel=factored@binary32 C=16] "
               "(predicted -[max predicted kernel=factored@binary32 C=16]), one of 64 at -[max first "
               "kernel=factored@binary32 C=64] (-[max predicted kernel=factored@binary32 C=64]). bf16 operands break "
               "at the same place, since bf16 has binary32's exponents: -[max first kernel=factored@mixed:bf16 "
               "C=16], and -[max first kernel=factored@sm_90:bf16 C=16] in the GPU's arithmetic. f16 operands break "
               "at -[max first kernel=factored@mixed:f16 C=16] (-[max predicted kernel=factored@mixed:f16 C=16]) for "
               "16 tokens, at -[max first kernel=factored@mixed:f16 C=64] (-[max predicted kernel=factored@mixed:f16 "
               "C=64]) for 64. What differs from the prediction is ln|k|/C of the last keys.\n\n"
               "Nothing warns: short of the limit the largest error is [max error kernel=factored@binary32] in "
               "binary32 and [max error kernel=factored@mixed:f16] with f16 operands, as anywhere else on the map. "
               "With sub-chunks, whose exponents are never above 0, nothing overflows at any gate: the largest error "
               "is [max error kernel=chunkwise@binary32] in binary32 and [max error kernel=chunkwise@mixed:f16] with "
               "f16 operands.",
    .limits =
        "Equal gates in all channels and tokens: a single strong channel breaks the chunk as well, at the same sum. "
        "One "
        "draw of the operands; larger keys bring the limit nearer by ln|k|/C. An anchor amid the chunk doubles the "
        "limit and does not remove it."};
