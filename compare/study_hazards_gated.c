/* SPDX-License-Identifier: Apache-2.0
 *
 * Hazards H1, H3 and H5: formulations of the gated core in binary32 against the recurrence in mpfr:128.
 *
 * H3 has one gate per head. Its suffix sums subtract O(1) numbers to get a dg of size e^g; straddle subtracts nothing.
 * All rows take dq and dk from the chunkwise form, so that only the way to dg differs. (The recurrence's own dq and dk
 * are worse for a suffix sum: q*dq and k*dk of one token hold the same product, which a chunk rounds once for both.)
 * A kernel that rounds dq and dk to bf16 first, and forms q*dq - k*dk from what it stored, sums 2^-9 of every term over
 * all later tokens; here only dq and dk are rounded, the rest is binary32.
 * dg_1 is 0 without an initial state, so what the sums give for it is error alone: one number, of either sign and any
 * size up to a few times its deviation, hence the root mean square over some draws. It is absolute: proportional to the
 * scale, to q, k, v and do, none of which the specification states for it; with a scale of 1 for dk^(-1/2) it would be
 * 2.83 times what is shown.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../reference/gated/gate_gradient.h"
#include "study_hazards.h"

static const char truth_form[] = "recurrent+direct", truth_numbers[] = "mpfr:128", judged_numbers[] = "binary32";

/* ---- o ---- */

/* Gates in binary32 times what makes the strongest channel's sum -x. */
static void scale_gates(gla_generated *made, double x) {
    int64_t T = made->spec.T, D = made->spec.dk;
    double *g = made->tensor[GLA_IN_GK], strongest = 0;
    for (int64_t i = 0; i < D; i++) {
        double sum = 0;
        for (int64_t t = 0; t < T; t++) sum -= g[t * D + i];
        strongest = fmax(strongest, sum);
    }
    for (int64_t i = 0; i < T * D; i++) g[i] = gla_round(&gla_binary32_format, GLA_RN, g[i] * x / strongest, 0);
}

static double *values(const gla_trial *trial, gla_output name) {
    int64_t count = trial->result.tensor[name].count;
    double *at = malloc((size_t)count * sizeof *at);
    for (int64_t i = 0; at && i < count; i++) at[i] = gla_result_d(&trial->result, name, i);
    return at;
}

static gla_status no_memory(gla_error *err) { return gla_fail(err, GLA_NO_MEMORY, "no memory for a hazard's tensors"); }

static gla_status compare_outputs(const gla_trial *trial, const gla_trial *truth, double *error, gla_error *err) {
    double *x = values(trial, GLA_O), *y = values(truth, GLA_O);
    if (x && y) *error = gla_hazard_error(x, y, (size_t)truth->result.tensor[GLA_O].count);
    gla_status status = x && y ? GLA_OK : no_memory(err);
    free(x);
    free(y);
    return status;
}

static gla_status output_once(const gla_hazard *h, uint64_t seed, double *measured, gla_error *err) {
    gla_generated made;
    gla_trial truth = {0}, trial = {0};
    gla_status status = gla_study_problem(h->T, 16, &gla_binary32_format, h->rule, 1, seed, &made, err);
    if (status) return status;
    scale_gates(&made, h->x);
    status = gla_trial_open(&made.problem, truth_form, truth_numbers, &truth, err);
    if (status == GLA_OK) status = gla_trial_open(&made.problem, h->how, judged_numbers, &trial, err);
    if (status == GLA_OK) status = compare_outputs(&trial, &truth, measured, err);
    gla_trial_close(&trial);
    gla_trial_close(&truth);
    gla_generated_free(&made);
    return status;
}

gla_status gla_hazard_output_error(const gla_hazard *h, uint64_t seed, double *measured, gla_error *err) {
    return gla_hazard_median_of(output_once, GLA_HAZARD_DRAWS, h, seed, measured, err);
}

gla_status gla_hazard_first_bad(const gla_hazard *h, uint64_t seed, double *measured, gla_error *err) {
    enum { D = 2 };
    gla_generated made;
    gla_trial trial;
    gla_status status = gla_study_problem(h->T, D, &gla_binary32_format, h->rule, h->x, seed, &made, err);
    if (status) return status;
    status = gla_trial_open(&made.problem, h->how, judged_numbers, &trial, err);
    int64_t i = 0;
    while (status == GLA_OK && i < h->T * D && isfinite(gla_result_d(&trial.result, GLA_O, i))) i++;
    *measured = i < h->T * D ? (double)(i / D + 1) : INFINITY;
    gla_trial_close(&trial);
    gla_generated_free(&made);
    return status;
}

/* ---- dg ---- */

enum { D = 8 };

static gla_status gate_per_head(const gla_hazard *h, uint64_t seed, gla_generated *made, gla_error *err) {
    gla_case_spec spec = {.family = "keep",
                          .mechanism = "simple_gla",
                          .T = h->T,
                          .H = 1,
                          .dk = D,
                          .dv = D,
                          .backward = true,
                          .seed = seed,
                          .dtype = &gla_binary32_format};
    gla_status status = gla_generate(&spec, made, err);
    if (status) return status;
    made->problem.d_final_state.at = NULL;
    for (int64_t t = 0; t < h->T; t++) {
        gla_draw d = {seed, GLA_IN_GK, (uint64_t)t};
        made->tensor[GLA_IN_GK][t] = gla_round(&gla_binary32_format, GLA_RN, h->rule(h->x, t, d), 0);
    }
    return GLA_OK;
}

/* An output of the trial [T,D] in the number system `in`, rounded to bf16; or an input. */
static gla_matrix rounded(gla_numbers *in, const gla_trial *trial, gla_output name) {
    gla_matrix z = gla_new(in, (size_t)trial->result.tensor[name].shape[1], D);
    for (size_t i = 0; i < z.rows * D && in->status == GLA_OK; i++)
        in->ops->set_d(in, gla_at(z, i / D, i % D),
                       gla_round(&gla_bf16, GLA_RN, gla_result_d(&trial->result, name, (int64_t)i), 0));
    return z;
}

static gla_matrix loaded(gla_numbers *in, const gla_generated *made, gla_input name) {
    gla_matrix z = gla_new(in, (size_t)made->spec.T, D);
    for (size_t i = 0; i < z.rows * D && in->status == GLA_OK; i++)
        in->ops->set_d(in, gla_at(z, i / D, i % D), made->tensor[name][i]);
    return z;
}

/* dg [T] in binary32 by suffix sums over dq and dk as bf16 stores them. */
static gla_status from_stored(const gla_generated *made, const gla_trial *trial, double dg[], gla_error *err) {
    gla_numbers *n = trial->numbers;
    size_t mark = gla_mark(n);
    gla_matrix z = gla_new(n, (size_t)made->spec.T, 1);
    gated_roles roles = {loaded(n, made, GLA_IN_Q), rounded(n, trial, GLA_DQ), loaded(n, made, GLA_IN_K),
                         rounded(n, trial, GLA_DK)};
    gate_gradient_suffix(z, roles, gla_new(n, 1, D));
    for (size_t t = 0; t < z.rows && n->status == GLA_OK; t++) dg[t] = n->ops->get_d(n, gla_at(z, t, 0));
    gla_release(n, mark);
    return n->status ? no_memory(err) : GLA_OK;
}

static gla_status run_gate(const gla_generated *made, const char *how, const char *numbers, double dg[],
                           gla_error *err) {
    gla_trial trial;
    gla_status status = gla_trial_open(&made->problem, how ? how : "chunkwise:64:16", numbers, &trial, err);
    if (status == GLA_OK && !how) status = from_stored(made, &trial, dg, err);
    for (int64_t t = 0; t < made->spec.T && status == GLA_OK && how; t++)
        dg[t] = gla_result_d(&trial.result, GLA_DGK, t);
    gla_trial_close(&trial);
    return status;
}

/* dg and truth [T] into one block that the caller frees. */
static gla_status run_both(const gla_hazard *h, uint64_t seed, double **dg, double **truth, gla_error *err) {
    gla_generated made;
    gla_status status = gate_per_head(h, seed, &made, err);
    if (status) return status;
    *dg = malloc(2 * (size_t)h->T * sizeof **dg);
    *truth = *dg ? *dg + h->T : NULL;
    status = *dg ? run_gate(&made, truth_form, truth_numbers, *truth, err) : no_memory(err);
    if (status == GLA_OK) status = run_gate(&made, h->how, judged_numbers, *dg, err);
    gla_generated_free(&made);
    return status;
}

/* dg_1, whose truth is 0, has no relative error. */
static gla_status median_once(const gla_hazard *h, uint64_t seed, double *measured, gla_error *err) {
    double *dg = NULL, *truth = NULL;
    gla_status status = run_both(h, seed, &dg, &truth, err);
    for (int64_t t = 1; t < h->T && status == GLA_OK; t++) dg[t] = fabs(dg[t] - truth[t]) / fabs(truth[t]);
    if (status == GLA_OK) *measured = gla_hazard_median(dg + 1, (size_t)h->T - 1);
    free(dg);
    return status;
}

gla_status gla_hazard_gate_median(const gla_hazard *h, uint64_t seed, double *measured, gla_error *err) {
    return gla_hazard_median_of(median_once, GLA_HAZARD_LONG_DRAWS, h, seed, measured, err);
}

static gla_status greatest_once(const gla_hazard *h, uint64_t seed, double *measured, gla_error *err) {
    double *dg = NULL, *truth = NULL;
    gla_status status = run_both(h, seed, &dg, &truth, err);
    if (status == GLA_OK) *measured = gla_hazard_error(dg, truth, (size_t)h->T);
    free(dg);
    return status;
}

gla_status gla_hazard_gate_greatest(const gla_hazard *h, uint64_t seed, double *measured, gla_error *err) {
    return gla_hazard_median_of(greatest_once, GLA_HAZARD_LONG_DRAWS, h, seed, measured, err);
}

static gla_status first_of(const gla_hazard *h, uint64_t seed, double dg[], gla_error *err) {
    gla_generated made;
    gla_status status = gate_per_head(h, seed, &made, err);
    if (status) return status;
    status = run_gate(&made, h->how, judged_numbers, dg, err);
    gla_generated_free(&made);
    return status;
}

gla_status gla_hazard_gate_first(const gla_hazard *h, uint64_t seed, double *measured, gla_error *err) {
    double *dg = malloc((size_t)h->T * sizeof *dg), sum = 0;
    gla_status status = dg ? GLA_OK : no_memory(err);
    for (int i = 0; i < GLA_HAZARD_DRAWS && status == GLA_OK; i++) {
        status = first_of(h, gla_hazard_seed(seed, i), dg, err);
        if (status == GLA_OK) sum += dg[0] * dg[0];
    }
    *measured = sqrt(sum / GLA_HAZARD_DRAWS);
    free(dg);
    return status;
}
