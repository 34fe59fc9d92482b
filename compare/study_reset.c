/* SPDX-License-Identifier: Apache-2.0
 *
 * Study reset: a formulation in binary32 where tokens 0, 32, 64 ... carry one very negative log
 * gate in every channel and all other gates are uniform in -0.5 .. -0.1. T = 256, dk = dv = 32.
 *
 * Decays come from differences of a running sum of gates. After a gate of -X the sum is near -X (-2X after the second
 * of a chunk), so every later small gate is rounded to a multiple of about X 2^-23: absorbed. The decay that comes out
 * is wrong by about X 2^-24; from X = 1e7 on it is 1 and the rest of the chunk is never forgotten. A finite mask value
 * is therefore no reset. -inf is one: it starts a new sum (verbs.h, epoch), so nothing is absorbed.
 *
 * Everything but the running sum is as exact as binary32 goes. A kernel whose score products are tf32 stands on a floor
 * of 1e-4 (o, dg) besides, and one that counts gates in units of ln 2 absorbs up to twice as much.
 */
#include "study.h"

#include <math.h>

#include "study_sweep.h"

enum { FORM, GATE, OUTPUT }; /* axes */

static const gla_output outputs[] = {GLA_O, GLA_FINAL_STATE, GLA_DGK};

static gla_status measure_form(const gla_problem *p, const char *form, gla_trial *truth, gla_trial *trial,
                               gla_reset_row *row, gla_error *err) {
    gla_status status = gla_trial_open(p, "recurrent+direct", "binary64", truth, err);
    if (status == GLA_OK) status = gla_trial_open(p, form, "binary32", trial, err);
    for (int i = 0; i < GLA_RESET_OUTPUTS && status == GLA_OK; i++)
        row->error[i] = gla_trial_rms_error(trial, truth, outputs[i]);
    return status;
}

gla_status gla_study_reset_errors(const char *form, double gate, uint64_t seed, gla_reset_row *row, gla_error *err) {
    gla_generated made;
    gla_trial truth = {0}, trial = {0};
    gla_status status = gla_study_problem(256, 32, &gla_binary32_format, gla_gate_every_32, gate, seed, &made, err);
    if (status) return status;
    status = measure_form(&made.problem, form, &truth, &trial, row, err);
    gla_trial_close(&trial);
    gla_trial_close(&truth);
    gla_generated_free(&made);
    return status;
}

static gla_status measure(const gla_sweep *s, gla_sweep_place where, uint64_t seed, gla_sweep_row *rows,
                          gla_error *err) {
    gla_reset_row row;
    double gate = -gla_sweep_number(gla_sweep_text(s, where, GATE));
    gla_status status = gla_study_reset_errors(gla_sweep_text(s, where, FORM), gate, seed, &row, err);
    for (size_t i = 0; i < gla_sweep_along(s) && status == GLA_OK; i++) rows[i].figure[0] = row.error[i];
    return status;
}

const gla_sweep gla_study_reset = {
    .name = "reset",
    .what = "what one very negative gate does to its chunk, and what -inf does not",
    .axis = {{"form", "formulation", {"recurrent", "chunkwise:64:16", "chunkwise:16:16", "chunkwise-centred:64:16"}},
             {"gate",
              "X: log gate -X in tokens 0 32 64 ...",
              {"1e0", "1e1", "1e2", "1e3", "1e4", "1e5", "1e6", "1e7", "1e8", "inf"}},
             {"output", "what is compared", {"o", "final_state", "dg"}}},
    .figure = {{"error", "rms error / rms"}},
    .measure = measure,
    .plot = {.kind = GLA_PLOT_LINES,
             .panel = OUTPUT,
             .line = FORM,
             .x = GATE,
             .measured = 0,
             .predicted = -1,
             .points = -1},
    .question = "Documents are often separated by one very negative gate instead of a reset. What does a gate of -X "
                "do to the tokens behind it in its chunk?",
    .method = "Formulations in binary32 on T = 256 tokens, `dk = dv = 32`, q k v do standard normal; tokens 0, 32, "
              "64 ... carry a log gate of -X in every channel, all others lie between -0.5 and -0.1. The recurrence "
              "in binary64 judges. X = inf is in the rows; a logarithmic axis has no place for it.",
    .finding = "A chunk takes its decays from differences of a running sum of gates. Behind -X that sum is near -X, "
               "and every later gate is rounded to its spacing, X 2^-23: with chunks of 64 the error of o is [error "
               "form=chunkwise:64:16 gate=1e2 output=o] at X = 100, [error form=chunkwise:64:16 gate=1e4 output=o] "
               "at 1e4, [error form=chunkwise:64:16 gate=1e6 output=o] at 1e6, and from 1e7 on the later gates "
               "vanish altogether: [error form=chunkwise:64:16 gate=1e8 output=o], finite and garbage. dg fares no "
               "better ([error form=chunkwise:64:16 gate=1e4 output=dg] at 1e4). Chunks of 16 lose nearly as much "
               "within the chunk ([error form=chunkwise:16:16 gate=1e4 output=o] for o at 1e4), but the final state, "
               "a chunk later, has recovered ([error form=chunkwise:16:16 gate=1e4 output=final_state]).\n\n"
               "Three ways are immune. -inf is a reset and starts a new sum: [error form=chunkwise:64:16 gate=inf "
               "output=o]. The recurrence has no sums: [max error form=recurrent] at most. And `chunkwise-centred`, "
               "which walks token by token where gates are strong, is at [error form=chunkwise-centred:64:16 "
               "gate=1e8 output=o] for any X from 1e2 on.",
    .limits = "Everything but the running sum is as exact as binary32 goes; a tf32 kernel stands on a floor of 1e-3 "
              "besides (study operands). A kernel that counts gates in units of ln 2 absorbs up to twice as much."};
