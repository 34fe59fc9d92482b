/* SPDX-License-Identifier: Apache-2.0
 *
 * Study operands: the same chunkwise kernel (C = 64, c = 16) with tensor cores that take tf32, f16 or bf16, on binary32
 * inputs. T = 256, dk = dv = 32, q k v do standard normal, every log gate -1/m, forward and backward.
 *
 *     error    rms error / rms of the recurrence in binary64, of the row's output
 */
#include <math.h>

#include "study.h"
#include "study_sweep.h"

enum { OPERANDS, MEMORY, OUTPUT }; /* axes */
enum { T = 256, D = 32 };

static const gla_output outputs[] = {GLA_O, GLA_FINAL_STATE, GLA_DQ, GLA_DK, GLA_DV, GLA_DGK};

static double gate(double memory, int64_t t, gla_draw d) { return -1 / memory; }

static gla_status measure(const gla_sweep *s, gla_sweep_place where, uint64_t seed, gla_sweep_row *rows,
                          gla_error *err) {
    double memory = gla_sweep_number(gla_sweep_text(s, where, MEMORY));
    gla_generated made;
    gla_trial truth = {0}, trial = {0};
    gla_status status = gla_study_problem(T, D, &gla_binary32_format, gate, memory, seed, &made, err);
    if (status) return status;
    status = gla_trial_open(&made.problem, "recurrent+direct", "binary64", &truth, err);
    if (status == GLA_OK)
        status = gla_trial_open(&made.problem, "chunkwise:64:16", gla_sweep_text(s, where, OPERANDS), &trial, err);
    for (size_t i = 0; i < gla_sweep_along(s) && status == GLA_OK; i++)
        rows[i].figure[0] = gla_trial_rms_error(&trial, &truth, outputs[i]);
    gla_trial_close(&trial);
    gla_trial_close(&truth);
    gla_generated_free(&made);
    return status;
}

const gla_sweep gla_study_operands = {
    .name = "operands",
    .what = "tf32, f16 and bf16 operands of the tensor core: every output against the memory",
    .axis = {{"operands", "GPU and type of the operands", {"sm_90:tf32", "sm_90:f16", "sm_90:bf16"}},
             {"memory",
              "m in tokens: every log gate is -1/m",
              {"2^-4", "2^-3", "2^-2", "2^-1", "2^0", "2^2", "2^4", "2^6", "2^8", "2^10"}},
             {"output", "what is compared", {"o", "final_state", "dq", "dk", "dv", "dg"}}},
    .figure = {{"error", "rms error / rms"}},
    .measure = measure,
    .plot = {.kind = GLA_PLOT_LINES,
             .panel = OUTPUT,
             .line = OPERANDS,
             .x = MEMORY,
             .measured = 0,
             .predicted = -1,
             .points = -1},
    .question = "A tensor core reads tf32, f16 or bf16. What does the type cost in every output, for the same kernel "
                "on the same binary32 inputs?",
    .method = "`chunkwise:64:16` in the arithmetic of an H100's tensor core, T = 256, `dk = dv = 32`, q k v do "
              "standard normal in binary32, every log gate -1/m. Operands are rounded to the type (tf32: cut by the "
              "tensor core itself), sums and everything else are as on the device. The recurrence in binary64 "
              "judges.",
    .finding = "For o with a memory of 64 tokens: f16 [error operands=sm_90:f16 memory=2^6 output=o], tf32 [error "
               "operands=sm_90:tf32 memory=2^6 output=o], bf16 [error operands=sm_90:bf16 memory=2^6 output=o]. tf32 "
               "and f16 have the same 11 bits, yet tf32 is several times worse: it is cut and not rounded, which "
               "doubles the largest error and gives all errors one sign. Rounding to tf32 before the product would "
               "get that back.\n\n"
               "The order is the same in every output and for every memory: over the whole map tf32 lies between "
               "[min error operands=sm_90:tf32] and [max error operands=sm_90:tf32], f16 between [min error "
               "operands=sm_90:f16] and [max error operands=sm_90:f16], bf16 between [min error operands=sm_90:bf16] "
               "and [max error operands=sm_90:bf16]. dg is no worse than the others ([error operands=sm_90:bf16 "
               "memory=2^6 output=dg] in bf16), because its route cancels nothing.",
    .limits = "Operands of ordinary size: f16 overflows at 65504 and loses digits below 6e-5, where tf32 and bf16 "
              "do not. Outputs are not rounded to the type. One draw."};
