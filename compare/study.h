/* SPDX-License-Identifier: Apache-2.0
 *
 * Studies: small numerical experiments, each a table computed row by row. The command line prints
 * them.
 *
 * One head, no initial state, no gradient of the final state; q k v do are standard normal (draw.h)
 * in binary32, scale is dk^(-1/2). What is judged runs in binary32; what judges it is the
 * recurrence with the direct gate gradient in binary64. That is no certified truth, but its own
 * error (1e-13 relative and less: it has no cancellation) is far below every error shown.
 */
#ifndef GLASSBOX_STUDY_H
#define GLASSBOX_STUDY_H

#include "cases.h"

/* ---- gate-gradient: three ways to the same dg (study_gate_gradient.c) ---- */

typedef double gla_gate_rule(double x, int64_t t, gla_draw d); /* the log gate of one channel of token t */

typedef struct gla_gate_gradient_case {
    const char *gates; /* as printed */
    gla_gate_rule *rule;
    double x;
    int64_t T;
} gla_gate_gradient_case;

typedef struct gla_gate_gradient_row {
    double rms;    /* of the true dg */
    double direct; /* relative RMS errors: row(R*Z), */
    double suffix; /* suffix sum of q*dq - k*dk, */
    double strict; /* the same without the i = j pairs in either */
} gla_gate_gradient_row;

extern const gla_gate_gradient_case gla_gate_gradient_cases[]; /* ends with NULL gates; dk = dv = 64 */
/* One row; takes about 2 ms a token (T = 8192: 16 s), the whole table some three minutes. */
gla_status gla_study_gate_gradient(const gla_gate_gradient_case *c, uint64_t seed, gla_gate_gradient_row *row,
                                   gla_error *err);

/* ---- reset: what a very negative gate does to its chunk (study_reset.c) ---- */

typedef struct gla_reset_row {
    double o, final_state, dg; /* relative RMS errors */
    double o_max;              /* largest elementwise relative error of o */
} gla_reset_row;

extern const double gla_reset_gates[]; /* ends with 0; -inf is among them */
gla_status gla_study_reset(double gate, uint64_t seed, gla_reset_row *row, gla_error *err);

/* ---- shared by the studies (study.c) ---- */

/* T tokens of dk = dv = D with gates by the rule; to be freed by gla_generated_free. */
gla_status gla_study_problem(int64_t T, int64_t D, gla_gate_rule *rule, double x, uint64_t seed, gla_generated *out,
                             gla_error *err);
double gla_gate_constant(double x, int64_t t, gla_draw d); /* x */
double gla_gate_sigmoid(double x, int64_t t, gla_draw d);  /* logsigmoid(normal) / x */
double gla_gate_every_32(double x, int64_t t, gla_draw d); /* x at tokens 0, 32, 64 ...; else uniform -0.5 .. -0.1 */

/* A finished run with the number system that its result lives in. */
typedef struct gla_trial {
    gla_numbers *numbers;
    gla_result result;
} gla_trial;

/* Forward and backward of GLA. Close it also after a failure. */
gla_status gla_trial_open(const gla_problem *p, const char *form, const char *numbers, gla_trial *trial,
                          gla_error *err);
void gla_trial_close(gla_trial *trial);

double gla_trial_rms(const gla_trial *truth, gla_output name);
double gla_trial_rms_error(const gla_trial *x, const gla_trial *truth, gla_output name);    /* |x - truth| / |truth| */
double gla_trial_max_relative(const gla_trial *x, const gla_trial *truth, gla_output name); /* where truth is not 0 */

#endif
