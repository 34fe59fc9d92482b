/* SPDX-License-Identifier: Apache-2.0
 *
 * Studies: small numerical experiments, each a table computed row by row. The command line prints
 * them.
 *
 * One head, no initial state, no gradient of the final state; q k v do are standard normal (draw.h)
 * in binary32 (sites: bf16), scale is dk^(-1/2). What is judged runs in binary32; what judges it is
 * the recurrence with the direct gate gradient in binary64. That is no certified truth, but its own
 * error (1e-13 relative and less: it has no cancellation) is far below every error shown. Sites are
 * judged by certified truth.
 */
#ifndef GLASSBOX_STUDY_H
#define GLASSBOX_STUDY_H

#include "cases.h"

/* ---- gate-gradient: three ways to the same dg (study_gate_gradient.c) ---- */

typedef double gla_gate_rule(double x, int64_t t, gla_draw d); /* the log gate of one channel of token t */

typedef struct gla_gate_gradient_case {
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

/* dk = dv = 64; about 2 ms a token. */
gla_status gla_study_gate_gradient_errors(const gla_gate_gradient_case *c, uint64_t seed, gla_gate_gradient_row *row,
                                          gla_error *err);

/* ---- reset: what a very negative gate does to its chunk (study_reset.c) ---- */

enum { GLA_RESET_O, GLA_RESET_STATE, GLA_RESET_DG, GLA_RESET_OUTPUTS };

typedef struct gla_reset_row {
    double error[GLA_RESET_OUTPUTS]; /* relative RMS errors */
} gla_reset_row;

/* gate in tokens 0, 32, 64 ... ; T = 256, dk = dv = 32. */
gla_status gla_study_reset_errors(const char *form, double gate, uint64_t seed, gla_reset_row *row, gla_error *err);

/* ---- sites: what each part of a tensor-core kernel's arithmetic costs (study_sites.c) ---- */

/* A part of sm_90:bf16 (hardware.h); the last row of the table is all of them. */
typedef struct gla_sites_part {
    const char *name;
    uint32_t parts;
} gla_sites_part;

/* Of one part and one output. Root mean squares are relative to that of the truth. */
typedef struct gla_sites_cell {
    double alone;     /* rms error with this part alone, all else exact to binary64 */
    double predicted; /* its standard deviation by the error model with this site alone; NaN if not a random error */
    double worst;     /* greatest |error| / bound, both with this part alone; NaN: no error */
    double without;   /* rms error with all parts but this */
} gla_sites_cell;

enum { GLA_SITES_ROWS = 13, GLA_SITES_ALL = GLA_SITES_ROWS - 1, GLA_SITES_OUTPUTS = 6 };
extern const gla_sites_part gla_sites_parts[GLA_SITES_ROWS];
extern const gla_output gla_sites_outputs[GLA_SITES_OUTPUTS];

typedef struct gla_sites_gates {
    const char *gates; /* as printed; NULL ends the table */
    gla_gate_rule *rule;
    double x;
} gla_sites_gates;
extern const gla_sites_gates gla_sites_gate_choices[];

typedef struct gla_sites_table {
    gla_sites_cell cell[GLA_SITES_ROWS][GLA_SITES_OUTPUTS];
} gla_sites_table;

/* T tokens, dk = dv = D; on all processors. progress as in gla_parallel, of GLA_SITES_ROWS; may be NULL. */
gla_status gla_study_sites(const gla_sites_gates *gates, int64_t T, int64_t D, uint64_t seed,
                           void (*progress)(void *data, size_t begun), void *progress_data, gla_sites_table *table,
                           gla_error *err);

/* Root of the sum of the squares of the parts alone: what `all` would be if errors were small and independent. */
double gla_sites_sum(const gla_sites_table *table, int output);

/* ---- shared by the studies (study.c) ---- */

/* T tokens of dk = dv = D with gates by the rule, q k v do in dtype; to be freed by gla_generated_free. */
gla_status gla_study_problem(int64_t T, int64_t D, const gla_format *dtype, gla_gate_rule *rule, double x,
                             uint64_t seed, gla_generated *out, gla_error *err);
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
/* Forward alone; in a number system by its name, or in one that the trial owns from here on (NULL: no memory). */
gla_status gla_trial_forward(const gla_problem *p, const char *form, const char *numbers, gla_trial *trial,
                             gla_error *err);
gla_status gla_trial_forward_in(const gla_problem *p, const char *form, gla_numbers *numbers, gla_trial *trial,
                                gla_error *err);
void gla_trial_close(gla_trial *trial);

double gla_trial_rms(const gla_trial *truth, gla_output name);
double gla_trial_rms_error(const gla_trial *x, const gla_trial *truth, gla_output name);    /* |x - truth| / |truth| */
double gla_trial_max_relative(const gla_trial *x, const gla_trial *truth, gla_output name); /* where truth is not 0 */
/* |x - truth| / |truth| over `count` tokens from `first`, of a problem of one head. */
double gla_trial_window_error(const gla_trial *x, const gla_trial *truth, gla_output name, int64_t first,
                              int64_t count);

#endif
