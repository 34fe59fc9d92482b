/* SPDX-License-Identifier: Apache-2.0
 *
 * What the studies share: problems with gates by a rule, runs, and error norms (study.h). A NaN
 * anywhere makes every norm NaN.
 */
#include "study.h"

#include <math.h>

#include "../fast/hardware/hardware.h"

double gla_gate_constant(double x, int64_t t, gla_draw d) { return x; }

double gla_gate_sigmoid(double x, int64_t t, gla_draw d) { return gla_log_sigmoid(gla_draw_normal(d)) / x; }

double gla_gate_every_32(double x, int64_t t, gla_draw d) { return t % 32 == 0 ? x : -0.5 + 0.4 * gla_draw_uniform(d); }

gla_status gla_study_problem(int64_t T, int64_t D, const gla_format *dtype, gla_gate_rule *rule, double x,
                             uint64_t seed, gla_generated *out, gla_error *err) {
    gla_case_spec spec = {
        .family = "keep", .T = T, .H = 1, .dk = D, .dv = D, .backward = true, .seed = seed, .dtype = dtype};
    gla_status status = gla_generate(&spec, out, err);
    if (status) return status;
    out->problem.d_final_state.at = NULL;
    double *g = out->tensor[GLA_IN_GK]; /* [1,T,1,D]: the family's operands stay, its gates do not */
    for (int64_t i = 0; i < T * D; i++) {
        gla_draw d = {seed, GLA_IN_GK, (uint64_t)i};
        g[i] = gla_round(&gla_binary32_format, GLA_RN, rule(x, i / D, d), 0);
    }
    return GLA_OK;
}

static gla_status trial(const gla_problem *p, const char *form, bool backward, gla_numbers *numbers, gla_trial *out,
                        gla_error *err) {
    *out = (gla_trial){.numbers = numbers};
    if (!numbers) return gla_fail(err, GLA_NO_MEMORY, "no memory for a number system");
    gla_form parsed;
    gla_status status = gla_form_parse(form, &parsed, err);
    if (status) return status;
    parsed.backward = backward;
    return gla_run(p, &parsed, numbers, &out->result, err);
}

static gla_status named_trial(const gla_problem *p, const char *form, bool backward, const char *name, gla_trial *out,
                              gla_error *err) {
    gla_numbers *numbers;
    *out = (gla_trial){0};
    gla_status status = gla_all_numbers_open(name, &numbers, err);
    return status ? status : trial(p, form, backward, numbers, out, err);
}

gla_status gla_trial_open(const gla_problem *p, const char *form, const char *numbers, gla_trial *out, gla_error *err) {
    return named_trial(p, form, true, numbers, out, err);
}

gla_status gla_trial_forward(const gla_problem *p, const char *form, const char *numbers, gla_trial *out,
                             gla_error *err) {
    return named_trial(p, form, false, numbers, out, err);
}

gla_status gla_trial_forward_in(const gla_problem *p, const char *form, gla_numbers *numbers, gla_trial *out,
                                gla_error *err) {
    return trial(p, form, false, numbers, out, err);
}

void gla_trial_close(gla_trial *trial) {
    if (trial->numbers) gla_result_free(&trial->result);
    gla_numbers_close(trial->numbers);
    *trial = (gla_trial){0};
}

static double at(const gla_trial *x, gla_output name, int64_t i) { return gla_result_d(&x->result, name, i); }

double gla_trial_rms(const gla_trial *truth, gla_output name) {
    int64_t count = truth->result.tensor[name].count;
    double sum = 0;
    for (int64_t i = 0; i < count; i++) sum += at(truth, name, i) * at(truth, name, i);
    return sqrt(sum / (double)count);
}

double gla_trial_rms_error(const gla_trial *x, const gla_trial *truth, gla_output name) {
    int64_t count = truth->result.tensor[name].count;
    double sum = 0;
    for (int64_t i = 0; i < count; i++) {
        double e = at(x, name, i) - at(truth, name, i);
        sum += e * e;
    }
    return sqrt(sum / (double)count) / gla_trial_rms(truth, name);
}

double gla_trial_max_relative(const gla_trial *x, const gla_trial *truth, gla_output name) {
    double largest = 0;
    for (int64_t i = 0; i < truth->result.tensor[name].count; i++) {
        double y = at(truth, name, i), e = fabs(at(x, name, i) - y) / fabs(y);
        if (y != 0 && !(e <= largest)) largest = e;
        if (isnan(largest)) break;
    }
    return largest;
}

double gla_trial_window_error(const gla_trial *x, const gla_trial *truth, gla_output name, int64_t first,
                              int64_t count) {
    int64_t D = truth->result.tensor[name].shape[3];
    double error = 0, size = 0;
    for (int64_t i = first * D; i < (first + count) * D; i++) {
        double y = at(truth, name, i), e = at(x, name, i) - y;
        error += e * e;
        size += y * y;
    }
    return sqrt(error / size);
}
