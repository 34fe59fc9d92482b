/* SPDX-License-Identifier: Apache-2.0
 *
 * Study stochastic: how the state is rounded into its narrow format. The recurrence in binary64 without gates, S_t
 * rounded after every token: to nearest even, stochastically (up with the probability of the part that is cut off;
 * root mean square of DRAWS runs), or toward zero. T up to 2^14, dk = dv = 8.
 *
 *     terms    signed: q k v standard normal, in bf16;  positive: their absolute values, so that S only grows
 *     error    rms error of o / rms of o, over tokens T/2 .. T
 *     bias     sum of error * sign(o) / sum of |o|, there (of stochastic runs the mean)
 */
#include <math.h>
#include <string.h>

#include "../reference/number/error.h"
#include "study.h"
#include "study_sweep.h"

enum { SETTING, ROUNDING, LENGTH }; /* axes */
enum { ERROR, BIAS };
enum { D = 8, DRAWS = 8 };

static void make_positive(gla_generated *made) {
    static const gla_input inputs[] = {GLA_IN_Q, GLA_IN_K, GLA_IN_V};
    for (int i = 0; i < 3; i++) {
        double *x = made->tensor[inputs[i]];
        for (int64_t j = 0; j < made->count[inputs[i]]; j++) x[j] = fabs(x[j]);
    }
}

static double bias_of(const gla_trial *x, const gla_trial *truth, int64_t first, int64_t count) {
    double bias = 0, size = 0;
    for (int64_t i = first * D; i < (first + count) * D; i++) {
        double y = gla_result_d(&truth->result, GLA_O, i);
        bias += copysign(1, y) * (gla_result_d(&x->result, GLA_O, i) - y);
        size += fabs(y);
    }
    return bias / size;
}

/* Adds one run's squared error and bias to the rows. */
static gla_status add_run(const gla_sweep *s, const gla_problem *p, const gla_error_model *model, uint64_t draw,
                          const gla_trial *truth, gla_sweep_row *rows, gla_error *err) {
    gla_trial run;
    gla_status status = gla_trial_forward_in(p, "recurrent", gla_emulator_open(model, draw), &run, err);
    for (size_t i = 0; i < gla_sweep_along(s) && status == GLA_OK; i++) {
        int64_t half = (int64_t)gla_sweep_number(s->axis[LENGTH].value[i]) / 2;
        rows[i].figure[ERROR] += pow(gla_trial_window_error(&run, truth, GLA_O, half, half), 2);
        rows[i].figure[BIAS] += bias_of(&run, truth, half, half);
    }
    gla_trial_close(&run);
    return status;
}

static gla_status measure_runs(const gla_sweep *s, gla_sweep_place where, const gla_problem *p, uint64_t seed,
                               gla_sweep_row *rows, gla_error *err) {
    const char *rounding = gla_sweep_text(s, where, ROUNDING);
    bool dithered = strcmp(rounding, "stochastic") == 0, cut = strcmp(rounding, "toward-zero") == 0;
    const gla_format *format = gla_format_named(gla_sweep_behind(gla_sweep_text(s, where, SETTING)));
    gla_error_model model = {.site = {[GLA_SITE_STATE] = gla_rounding_into(format, cut)}};
    int runs = dithered ? DRAWS : 1;
    gla_trial truth;
    gla_status status = gla_trial_forward(p, "recurrent", "binary64", &truth, err);
    for (size_t i = 0; i < gla_sweep_along(s); i++) rows[i] = (gla_sweep_row){{0, 0, NAN, NAN}};
    for (int i = 0; i < runs && status == GLA_OK; i++)
        status = add_run(s, p, &model, dithered ? DRAWS * seed + (uint64_t)i + 1 : 0, &truth, rows, err);
    for (size_t i = 0; i < gla_sweep_along(s); i++) {
        rows[i].figure[ERROR] = sqrt(rows[i].figure[ERROR] / runs);
        rows[i].figure[BIAS] /= runs;
    }
    gla_trial_close(&truth);
    return status;
}

static gla_status measure(const gla_sweep *s, gla_sweep_place where, uint64_t seed, gla_sweep_row *rows,
                          gla_error *err) {
    int64_t T = (int64_t)gla_sweep_number(s->axis[LENGTH].value[gla_sweep_along(s) - 1]);
    gla_generated made;
    gla_status status = gla_study_problem(T, D, &gla_bf16, gla_gate_constant, 0, seed, &made, err);
    if (status) return status;
    if (strncmp(gla_sweep_text(s, where, SETTING), "positive", 8) == 0) make_positive(&made);
    status = measure_runs(s, where, &made.problem, seed, rows, err);
    gla_generated_free(&made);
    return status;
}

const gla_sweep gla_study_stochastic = {
    .name = "stochastic",
    .what = "rounding the state to nearest, stochastically or toward zero: error against length",
    .axis = {{"setting", "terms@format of the state", {"signed@bf16", "positive@bf16", "signed@f16", "positive@f16"}},
             {"rounding", "of the state, after every token", {"nearest", "stochastic", "toward-zero"}},
             {"T", "tokens", {"2^5", "2^6", "2^7", "2^8", "2^9", "2^10", "2^11", "2^12", "2^13", "2^14"}}},
    .figure = {{"error", "rms error of o / rms of o"}, {"bias", "mean error of |o| / mean |o|"}},
    .measure = measure,
    .plot = {.kind = GLA_PLOT_LINES,
             .panel = SETTING,
             .line = ROUNDING,
             .x = LENGTH,
             .measured = ERROR,
             .predicted = -1,
             .points = -1},
    .question = "Rounding to nearest loses what is less than half a step of the state, every time. Stochastic "
                "rounding keeps it on average. When does that matter, and what does it cost?",
    .method = "The recurrence in binary64 without gates, the state rounded to bf16 or f16 after every token: to "
              "nearest even, stochastically (error: rms of 8 runs; bias: their mean), or toward zero. `dk = dv = "
              "8`, q k v standard normal in bf16 (signed) or their absolute values (positive: a state that only "
              "grows). Errors against the unrounded recurrence, over the tokens T/2 .. T.",
    .finding = "With positive terms rounding to nearest stands still: the bf16 state no longer grows, o is wrong by "
               "[error setting=positive@bf16 rounding=nearest T=2^10] at 1024 tokens and by [error "
               "setting=positive@bf16 rounding=nearest T=2^14] at 16384, all of it bias ([bias setting=positive@bf16 "
               "rounding=nearest T=2^14]). Stochastic rounding has [error setting=positive@bf16 rounding=stochastic "
               "T=2^14] there, with a bias of [bias setting=positive@bf16 rounding=stochastic T=2^14]. f16 comes to "
               "the same 8 times later: [error setting=positive@f16 rounding=nearest T=2^14] against [error "
               "setting=positive@f16 rounding=stochastic T=2^14].\n\n"
               "With signed terms there is nothing to gain: [error setting=signed@bf16 rounding=nearest T=2^14] to "
               "nearest, [error setting=signed@bf16 rounding=stochastic T=2^14] stochastically, whose single "
               "roundings are larger. Toward zero, as a cheap conversion does it, every rounding shrinks the state, "
               "and it is worst throughout: [error setting=signed@bf16 rounding=toward-zero T=2^14].",
    .limits = "No gates: a memory of m tokens cuts the curves off near T = m. The random numbers are good ones "
              "(Philox) and 32 bits long; hardware uses fewer. Hopper has no stochastic conversion; Blackwell's "
              "takes its random bits from the kernel."};
