/* SPDX-License-Identifier: Apache-2.0
 *
 * Study chunk-size: chunks of C tokens with sub-chunks of c, forward and backward, T = 256, dk = dv = 16, q k v do
 * standard normal in bf16, every log gate -1/m. Rows with c > C are empty (NaN): the formulation takes c = C there.
 *
 *     o, dq, dg    rms error / rms of the recurrence in binary64
 */
#include <math.h>
#include <stdio.h>

#include "study.h"
#include "study_sweep.h"

enum { SETTING, SUB, C }; /* axes */
enum { O, DQ, DG };
enum { T = 256, D = 16 };

static double gate(double memory, int64_t t, gla_draw d) { return -1 / memory; }

static gla_status run(const gla_problem *p, const char *form, const char *numbers, const gla_trial *truth,
                      gla_sweep_row *row, gla_error *err) {
    gla_trial trial;
    gla_status status = gla_trial_open(p, form, numbers, &trial, err);
    if (status == GLA_OK) {
        row->figure[O] = gla_trial_rms_error(&trial, truth, GLA_O);
        row->figure[DQ] = gla_trial_rms_error(&trial, truth, GLA_DQ);
        row->figure[DG] = gla_trial_rms_error(&trial, truth, GLA_DGK);
    }
    gla_trial_close(&trial);
    return status;
}

static gla_status measure(const gla_sweep *s, gla_sweep_place where, uint64_t seed, gla_sweep_row *rows,
                          gla_error *err) {
    const char *setting = gla_sweep_text(s, where, SETTING), *c = gla_sweep_text(s, where, SUB);
    gla_generated made;
    gla_trial truth;
    gla_status status = gla_study_problem(T, D, &gla_bf16, gate, gla_sweep_number(setting), seed, &made, err);
    if (status) return status;
    status = gla_trial_open(&made.problem, "recurrent+direct", "binary64", &truth, err);
    for (size_t i = 0; i < gla_sweep_along(s) && status == GLA_OK; i++) {
        const char *chunk = s->axis[C].value[i];
        char form[40];
        rows[i] = (gla_sweep_row){{NAN, NAN, NAN, NAN}};
        if (gla_sweep_number(c) > gla_sweep_number(chunk)) continue;
        snprintf(form, sizeof form, "chunkwise:%s:%s", chunk, c);
        status = run(&made.problem, form, gla_sweep_behind(setting), &truth, &rows[i], err);
    }
    gla_trial_close(&truth);
    gla_generated_free(&made);
    return status;
}

const gla_sweep gla_study_chunk_size = {
    .name = "chunk-size",
    .what = "chunk x sub-chunk x format: what the tiling costs in accuracy",
    .axis = {{"setting",
              "memory in tokens@arithmetic",
              {"1@binary32", "1@sm_90:tf32", "1@sm_90:bf16", "64@binary32", "64@sm_90:tf32", "64@sm_90:bf16"}},
             {"c", "tokens of a sub-chunk", {"4", "8", "16", "32", "64"}},
             {"C", "tokens of a chunk", {"8", "16", "32", "64", "128"}}},
    .figure = {{"o", "rms error of o / rms of o"},
               {"dq", "rms error of dq / rms of dq"},
               {"dg", "rms error of dg / rms of dg"}},
    .measure = measure,
    .plot =
        {.kind = GLA_PLOT_LINES, .panel = SETTING, .line = SUB, .x = C, .measured = DQ, .predicted = -1, .points = -1},
    .question = "Chunks of C tokens, sub-chunks of c: sizes are chosen for speed. Do they matter for accuracy, "
                "forward and backward, in IEEE binary32 and on tensor cores?",
    .method = "`chunkwise:C:c` on T = 256 tokens, `dk = dv = 16`, q k v do standard normal in bf16, every log gate "
              "-1/m: the first number of a setting is m, 1 for strong decay and 64 for weak. The recurrence in "
              "binary64 judges. The figure shows dq; o and dg are in the rows. Where c > C there is no row to "
              "measure: it says nan.",
    .finding = "Hardly for o: over all sizes it stays between [min o setting=64@binary32] and [max o "
               "setting=64@binary32] in binary32, [min o setting=64@sm_90:tf32] and [max o setting=64@sm_90:tf32] in "
               "tf32, [min o setting=64@sm_90:bf16] and [max o setting=64@sm_90:bf16] in bf16 (m = 64), and for m = "
               "1 the ends are closer still.\n\n"
               "Two things do move. A sub-chunk's own pairs are made with an exponent each, in binary32, and only "
               "pairs of different sub-chunks go through the tensor core: under strong decay nearly everything lies "
               "within a sub-chunk, and with tf32 the error of dq falls from [dq setting=1@sm_90:tf32 c=4 C=64] at c "
               "= 4 to [dq setting=1@sm_90:tf32 c=64 C=64] at c = 64. And dg, whose terms that cross a chunk's "
               "border go through products, gains from longer chunks: [dg setting=1@sm_90:tf32 c=4 C=8] at C = 8, "
               "[dg setting=1@sm_90:tf32 c=4 C=128] at C = 128 with tf32 and m = 1; [dg setting=64@sm_90:bf16 c=4 "
               "C=8] and [dg setting=64@sm_90:bf16 c=4 C=128] with bf16 and m = 64. The format decides by orders of "
               "magnitude, the tiling by factors.",
    .limits = "Operands are bf16, so bf16 products lose nothing on q, k and v themselves, only on what decays have "
              "touched. Equal gates in all tokens. Whether pairs within a sub-chunk go through a product is the "
              "formulation's choice; kernels that put them on the tensor core too lose what c gains here."};
