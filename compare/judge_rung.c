/* SPDX-License-Identifier: Apache-2.0
 *
 * Rungs before the judge; contract in judge_rung.h.
 */
#include "judge_rung.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cases.h"

static const char *arithmetic_of(gla_cuda_rung rung, gla_cuda_dtype dtype) {
    if (rung == GLA_CUDA_RECURRENT || rung == GLA_CUDA_PARALLEL) return "f32";
    if (rung != GLA_CUDA_CHUNKWISE && rung != GLA_CUDA_FUSED) return NULL;
    return dtype == GLA_CUDA_BF16 ? "chunk-bf16" : dtype == GLA_CUDA_F16 ? "chunk-f16" : NULL;
}

/* "chunkwise-paired:64:76" -> "chunkwise-paired:64:77". Which channels are run by pairs is decided by sums that round:
 * one at the limit may fall to either side, and its operands are rounded on one side alone. */
static void print_neighbour(const char *form, char *text, size_t size) {
    gla_form f;
    text[0] = 0;
    if (gla_form_parse(form, &f, NULL) != GLA_OK || f.kind != GLA_CHUNKWISE_PAIRED) return;
    f.limit++;
    gla_form_print(&f, text, size);
}

gla_status gla_rung_profile(gla_cuda_rung rung, gla_cuda_dtype dtype, const char *form, gla_profile *out,
                            gla_error *err) {
    const char *name = arithmetic_of(rung, dtype);
    if (!name || !form) return gla_fail(err, GLA_UNSUPPORTED, "this rung declares nothing for this dtype");
    *out = *gla_profile_named(name);
    snprintf(out->form, sizeof out->form, "%s", form);
    snprintf(out->what, sizeof out->what, "%s in the order of %s", name, form);
    print_neighbour(form, out->also, sizeof out->also);
    return GLA_OK;
}

/* Whether anything but o and final_state is asked for. */
static bool backward(const gla_host_run *how) { return how->outputs & ~(1u << GLA_O | 1u << GLA_FINAL_STATE); }

gla_candidate gla_rung_candidate(const gla_host_run *how, const gla_replay *replay, double *value[GLA_OUTPUTS]) {
    gla_candidate c = {.replay = replay};
    for (int i = 0; i < GLA_OUTPUTS; i++) {
        bool wide = gla_is_state_output((gla_output)i) || i == GLA_DGK;
        gla_cuda_dtype dtype = i == GLA_DGK && how->narrow_dg ? how->gates : wide ? GLA_CUDA_F32 : how->dtype;
        c.output[i].value = value[i];
        c.output[i].format = gla_cuda_format(dtype);
    }
    return c;
}

gla_status gla_rung_judge(gla_rung_run *run, const gla_problem *p, const gla_host_run *how, const gla_replay *declared,
                          bool bits, int threads, gla_rung_answer *out, gla_error *err) {
    double *value[GLA_OUTPUTS];
    memset(out, 0, sizeof *out);
    gla_status status = gla_rung_profile(how->rung, how->dtype, declared->form, &out->profile, err);
    if (status != GLA_OK) return status;
    out->ran = run(p, how, value, out->why);
    if (out->ran != GLA_CUDA_OK) return GLA_OK;
    gla_candidate candidate = gla_rung_candidate(how, bits ? declared : NULL, value);
    const gla_truth_options options = {.backward = backward(how), .close_enough = GLA_CLOSE_ENOUGH, .threads = threads};
    gla_truth truth;
    status = gla_truth_compute(p, &options, &truth, err);
    if (status == GLA_OK) status = gla_judge(p, &candidate, &truth, &out->profile, 0, threads, &out->judgement, err);
    gla_truth_free(&truth);
    for (int i = 0; i < GLA_OUTPUTS; i++) free(value[i]);
    return status;
}

gla_status gla_rung_errors(gla_rung_run *run, const gla_host_run *how, const char *form, int64_t T, int64_t dk,
                           int64_t dv, int threads, gla_rung_answer *out, gla_error *err) {
    const gla_case_spec spec = {.family = "mild",
                                .T = T,
                                .H = 2,
                                .dk = dk,
                                .dv = dv,
                                .initial_state = true,
                                .backward = backward(how),
                                .seed = 1,
                                .dtype = gla_cuda_format(how->dtype)};
    gla_generated g;
    gla_status status = gla_generate(&spec, &g, err);
    if (status != GLA_OK) return status;
    for (int64_t i = 0; i < g.count[GLA_IN_GK]; i++)
        g.tensor[GLA_IN_GK][i] = gla_round(gla_cuda_format(how->gates), GLA_RN, g.tensor[GLA_IN_GK][i], 0);
    status = gla_rung_judge(run, &g.problem, how, &(gla_replay){NULL, form}, false, threads, out, err);
    gla_generated_free(&g);
    return status;
}

double gla_rung_error(const gla_rung_answer *answer, gla_output name) {
    const gla_tensor_verdict *v = &answer->judgement.tensor[name];
    return v->judged ? v->rms_error / v->rms_truth : NAN;
}
