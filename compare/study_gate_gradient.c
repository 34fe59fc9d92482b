/* SPDX-License-Identifier: Apache-2.0
 *
 * Study gate-gradient: dg in binary32, formed three ways from the same recurrence.
 *
 *     direct    dg_t = row(R_t * Z_t)                     one inner product per channel,
 * proportional to alpha_t suffix    dg_t = sum_{i>=t} (q_i*dq_i - k_i*dk_i)   what most kernels
 * compute strict    the same sum with the i = j pairs left out of dq and dk
 *
 * All three are equal in exact arithmetic: what crosses the boundary before token t. The suffix sum
 * gets there by subtracting the pairs that do not cross, and the pair of a token with itself is
 * never decayed: O(1) on both sides, so an error near T * 2^-24 remains while dg itself shrinks
 * with alpha. Without those pairs every term left is decayed at least once, and the error falls
 * with dg. The comparison is by RMS: it hides that one tiny gate among large ones still costs the
 * strict sum its relative accuracy there, though not the direct form.
 */
#include "study.h"

const gla_gate_gradient_case gla_gate_gradient_cases[] = {
    {"-1", gla_gate_constant, -1, 64},
    {"-5", gla_gate_constant, -5, 64},
    {"-10", gla_gate_constant, -10, 64},
    {"-20", gla_gate_constant, -20, 64},
    {"-1", gla_gate_constant, -1, 2048},
    {"-5", gla_gate_constant, -5, 2048},
    {"-10", gla_gate_constant, -10, 2048},
    {"-20", gla_gate_constant, -20, 2048},
    {"-40", gla_gate_constant, -40, 2048},
    {"logsigmoid(normal)/0.05", gla_gate_sigmoid, 0.05, 2048},
    {"-20 every 32", gla_gate_every_32, -20, 2048},
    {"-80 every 32", gla_gate_every_32, -80, 2048},
    {"-1e4 every 32", gla_gate_every_32, -1e4, 2048},
    {"-1", gla_gate_constant, -1, 8192},
    {"-5", gla_gate_constant, -5, 8192},
    {"-10", gla_gate_constant, -10, 8192},
    {"-20", gla_gate_constant, -20, 8192},
    {"logsigmoid(normal)/16", gla_gate_sigmoid, 16, 8192},
    {"logsigmoid(normal)/0.05", gla_gate_sigmoid, 0.05, 8192},
    {"-1e-4", gla_gate_constant, -1e-4, 8192},
    {NULL, NULL, 0, 0},
};

static gla_status error_of(const gla_problem *p, const char *form, const gla_trial *truth, double *error,
                           gla_error *err) {
    gla_trial trial;
    gla_status status = gla_trial_open(p, form, "binary32", &trial, err);
    if (status == GLA_OK) *error = gla_trial_rms_error(&trial, truth, GLA_DGK);
    gla_trial_close(&trial);
    return status;
}

static gla_status measure(const gla_problem *p, gla_gate_gradient_row *row, gla_error *err) {
    gla_trial truth;
    gla_status status = gla_trial_open(p, "recurrent+direct", "binary64", &truth, err);
    if (status == GLA_OK) row->rms = gla_trial_rms(&truth, GLA_DGK);
    if (status == GLA_OK) status = error_of(p, "recurrent+direct", &truth, &row->direct, err);
    if (status == GLA_OK) status = error_of(p, "recurrent+suffix", &truth, &row->suffix, err);
    if (status == GLA_OK) status = error_of(p, "recurrent+strict", &truth, &row->strict, err);
    gla_trial_close(&truth);
    return status;
}

gla_status gla_study_gate_gradient(const gla_gate_gradient_case *c, uint64_t seed, gla_gate_gradient_row *row,
                                   gla_error *err) {
    gla_generated made;
    gla_status status = gla_study_problem(c->T, 64, &gla_binary32_format, c->rule, c->x, seed, &made, err);
    if (status) return status;
    status = measure(&made.problem, row, err);
    gla_generated_free(&made);
    return status;
}
