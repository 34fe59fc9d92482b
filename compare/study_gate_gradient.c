/* SPDX-License-Identifier: Apache-2.0
 *
 * Study gate-gradient: dg in binary32, formed three ways from the same recurrence.
 *
 *     direct    dg_t = row(R_t * Z_t)                     one inner product per channel, proportional to alpha_t
 *     suffix    dg_t = sum_{i>=t} (q_i*dq_i - k_i*dk_i)   what most kernels compute
 *     strict    the same sum with the i = j pairs left out of dq and dk
 *
 * All three are equal in exact arithmetic: what crosses the boundary before token t. The suffix sum
 * gets there by subtracting the pairs that do not cross, and the pair of a token with itself is
 * never decayed: O(1) on both sides, so an error near T * 2^-24 remains while dg itself shrinks
 * with alpha. Without those pairs every term left is decayed at least once, and the error falls
 * with dg. The comparison is by RMS: it hides that one tiny gate among large ones still costs the
 * strict sum its relative accuracy there, though not the direct form.
 */
#include "study.h"

#include <string.h>

#include "study_sweep.h"

enum { SETTING, GATE, ROUTE }; /* axes */
enum { ERROR, RMS };

static gla_status error_of(const gla_problem *p, const char *form, const gla_trial *truth, double *error,
                           gla_error *err) {
    gla_trial trial;
    gla_status status = gla_trial_open(p, form, "binary32", &trial, err);
    if (status == GLA_OK) *error = gla_trial_rms_error(&trial, truth, GLA_DGK);
    gla_trial_close(&trial);
    return status;
}

static gla_status measure_routes(const gla_problem *p, gla_gate_gradient_row *row, gla_error *err) {
    gla_trial truth;
    gla_status status = gla_trial_open(p, "recurrent+direct", "binary64", &truth, err);
    if (status == GLA_OK) row->rms = gla_trial_rms(&truth, GLA_DGK);
    if (status == GLA_OK) status = error_of(p, "recurrent+direct", &truth, &row->direct, err);
    if (status == GLA_OK) status = error_of(p, "recurrent+suffix", &truth, &row->suffix, err);
    if (status == GLA_OK) status = error_of(p, "recurrent+strict", &truth, &row->strict, err);
    gla_trial_close(&truth);
    return status;
}

gla_status gla_study_gate_gradient_errors(const gla_gate_gradient_case *c, uint64_t seed, gla_gate_gradient_row *row,
                                          gla_error *err) {
    gla_generated made;
    gla_status status = gla_study_problem(c->T, 64, &gla_binary32_format, c->rule, c->x, seed, &made, err);
    if (status) return status;
    status = measure_routes(&made.problem, row, err);
    gla_generated_free(&made);
    return status;
}

static gla_status measure(const gla_sweep *s, gla_sweep_place where, uint64_t seed, gla_sweep_row *rows,
                          gla_error *err) {
    const char *setting = gla_sweep_text(s, where, SETTING);
    gla_gate_gradient_case c = {.rule = strncmp(setting, "all", 3) == 0 ? gla_gate_constant : gla_gate_every_32,
                                .x = -gla_sweep_number(gla_sweep_text(s, where, GATE)),
                                .T = (int64_t)gla_sweep_number(gla_sweep_behind(setting))};
    gla_gate_gradient_row row;
    gla_status status = gla_study_gate_gradient_errors(&c, seed, &row, err);
    if (status) return status;
    const double errors[] = {row.direct, row.suffix, row.strict};
    for (size_t i = 0; i < gla_sweep_along(s); i++) rows[i] = (gla_sweep_row){{errors[i], row.rms}};
    return GLA_OK;
}

const gla_sweep gla_study_gate_gradient = {
    .name = "gate-gradient",
    .what = "dg formed directly, by the suffix sum, and by the strict sum",
    .axis = {{"setting", "tokens with the gate@T", {"all@64", "all@512", "all@2048", "every-32nd@512"}},
             {"gate", "-log gate", {"0.0001", "0.001", "0.01", "0.1", "1", "4", "10", "40"}},
             {"route", "how dg is formed", {"direct", "suffix", "strict"}}},
    .figure = {{"error", "rms error of dg / rms of dg"}, {"rms", "rms of dg"}},
    .measure = measure,
    .plot = {.kind = GLA_PLOT_LINES,
             .panel = SETTING,
             .line = ROUTE,
             .x = GATE,
             .measured = ERROR,
             .predicted = -1,
             .points = -1},
    .question = "Most kernels form the gradient of the gates as a suffix sum of q dq - k dk. How exact is that where "
                "gates are strong, and what are the other ways?",
    .method = "The recurrence in binary32, `dk = dv = 64`, q k v do standard normal, one log gate in all T tokens, "
              "or in every 32nd (the others between -0.5 and -0.1). dg directly, one inner product of state and "
              "adjoint per channel; by the suffix sum; and by the same sum without the pairs of a token with "
              "itself. The direct form in binary64 judges.",
    .finding = "All three are equal in exact arithmetic. The suffix sum adds and subtracts the pairs that do not "
               "cross the token in question, and a token's pair with itself is never decayed: its rounding errors "
               "stay near T 2^-24 while dg shrinks with e^g. At T = 2048 it is wrong by [error setting=all@2048 "
               "gate=1 route=suffix] for a gate of -1, by [error setting=all@2048 gate=4 route=suffix] at -4, by "
               "[error setting=all@2048 gate=10 route=suffix] at -10, and at -40, where dg is [rms setting=all@2048 "
               "gate=40 route=suffix], by a factor of [error setting=all@2048 gate=40 route=suffix]. Directly: "
               "[error setting=all@2048 gate=10 route=direct] at -10 and [error setting=all@2048 gate=40 "
               "route=direct] at -40. Without the pairs of a token with itself all terms are decayed, and the sum is "
               "at [error setting=all@2048 gate=10 route=strict] and [error setting=all@2048 gate=40 route=strict].\n\n"
               "With weak gates the ways agree, and what is left is the rounding of e^g itself, the same in every "
               "token: [error setting=all@2048 gate=0.0001 route=direct] at -0.0001.\n\n"
               "Strong gates in every 32nd token among weak ones show nothing in this norm ([max error "
               "setting=every-32nd@512 route=suffix] at most), for the weak ones' dg is large; the strong tokens' "
               "own dg is as wrong as ever.",
    .limits = "An rms over all tokens and channels. The recurrence alone: chunkwise kernels have more routes "
              "(anchor, straddle), of which study hazards has figures. Equal gates in all channels."};
