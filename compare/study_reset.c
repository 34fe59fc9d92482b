/* SPDX-License-Identifier: Apache-2.0
 *
 * Study reset: the chunkwise form in binary32 (C = 64, c = 16) where tokens 0, 32, 64 ... carry one very negative log
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

const double gla_reset_gates[] = {-1e2, -1e3, -1e4, -1e6, -3.4e37, -INFINITY, 0};

static gla_status measure(const gla_problem *p, gla_trial *truth, gla_trial *trial, gla_reset_row *row,
                          gla_error *err) {
    gla_status status = gla_trial_open(p, "recurrent+direct", "binary64", truth, err);
    if (status == GLA_OK) status = gla_trial_open(p, "chunkwise:64:16", "binary32", trial, err);
    if (status) return status;
    *row = (gla_reset_row){.o = gla_trial_rms_error(trial, truth, GLA_O),
                           .final_state = gla_trial_rms_error(trial, truth, GLA_FINAL_STATE),
                           .dg = gla_trial_rms_error(trial, truth, GLA_DGK),
                           .o_max = gla_trial_max_relative(trial, truth, GLA_O)};
    return GLA_OK;
}

gla_status gla_study_reset(double gate, uint64_t seed, gla_reset_row *row, gla_error *err) {
    gla_generated made;
    gla_trial truth = {0}, trial = {0};
    gla_status status = gla_study_problem(256, 32, &gla_binary32_format, gla_gate_every_32, gate, seed, &made, err);
    if (status) return status;
    status = measure(&made.problem, &truth, &trial, row, err);
    gla_trial_close(&trial);
    gla_trial_close(&truth);
    gla_generated_free(&made);
    return status;
}
