/* SPDX-License-Identifier: Apache-2.0
 *
 * A rung of the GPU's ladder (fast/cuda) before the judge: run on the device, held to certified truth at the profile
 * that the rung declares. Errors beside speed, and the tests' verdicts, come from here.
 *
 * Needs no GPU to be built: the function that runs a rung, gla_cuda_host_run, is the caller's to link or to find in
 * libglassbox_cuda.so.
 */
#ifndef GLASSBOX_JUDGE_RUNG_H
#define GLASSBOX_JUDGE_RUNG_H

#include "../fast/cuda/host_run.h"
#include "judge.h"

typedef gla_cuda_status gla_rung_run(const gla_problem *p, const gla_host_run *how, double *value[GLA_OUTPUTS],
                                     gla_host_why why);

typedef struct gla_rung_answer {
    gla_cuda_status ran; /* other than GLA_CUDA_OK: why, and nothing was judged */
    gla_host_why why;
    gla_profile profile;
    gla_judgement judgement;
} gla_rung_answer;

/* What a rung declares: the arithmetic of f32, or for the rungs of matrix products that of chunk-bf16 or chunk-f16, in
 * the order of its own formulation, `form`: its bounds are earned from that one, not from the profile's, and where it
 * has a limit, from the next limit as well. Errors: GLA_UNSUPPORTED (a rung or dtype that declares nothing). */
gla_status gla_rung_profile(gla_cuda_rung rung, gla_cuda_dtype dtype, const char *form, gla_profile *out,
                            gla_error *err);

/* Its outputs as a candidate, in the dtypes of such a run: that of q, or F32 for states, their gradients and dg. */
gla_candidate gla_rung_candidate(const gla_host_run *how, const gla_replay *replay, double *value[GLA_OUTPUTS]);

/* Runs how->outputs, those of one direction, and judges them. The problem's values must be those of how->dtype and
 * how->gates. declared: the rung's number system and formulation in that direction; its bits are demanded too (tier 1)
 * if `bits`. threads 0: all processors. Errors: those of gla_rung_profile, gla_truth_compute and gla_judge. */
gla_status gla_rung_judge(gla_rung_run *run, const gla_problem *p, const gla_host_run *how, const gla_replay *declared,
                          bool bits, int threads, gla_rung_answer *out, gla_error *err);

/* How wrong a rung is on T tokens of two heads of dk x dv, ordinary operands and gates as a trained layer makes them
 * (family mild), states included. Errors: those of gla_rung_judge and gla_generate. */
gla_status gla_rung_errors(gla_rung_run *run, const gla_host_run *how, const char *form, int64_t T, int64_t dk,
                           int64_t dv, int threads, gla_rung_answer *out, gla_error *err);

/* An output's root mean square error over the truth's root mean square; NaN: it was not judged. */
double gla_rung_error(const gla_rung_answer *answer, gla_output name);

#endif
