/* SPDX-License-Identifier: Apache-2.0
 *
 * The values that families of cases are made of: for the table in cases_families.c, and nobody else. Each is a function
 * of one element (cases.h). What they return is still to be rounded to the tensor's dtype; every special value survives
 * that, in every dtype.
 */
#ifndef GLASSBOX_CASES_VALUES_H
#define GLASSBOX_CASES_VALUES_H

#include "cases.h"

/* ---- operands and states ---- */
double gla_value_normal(const gla_element *e);
double gla_value_one(const gla_element *e);
double gla_value_integer(const gla_element *e);     /* -2 .. 2 */
double gla_value_mixed(const gla_element *e);       /* magnitudes 2^-30 .. 2^30, as far as the dtype reaches */
double gla_value_cancel(const gla_element *e);      /* one k; v = +x -x +x ... */
double gla_value_impulse(const gla_element *e);     /* one token alone has a k */
double gla_value_same_key(const gla_element *e);    /* one k for all tokens */
double gla_value_large_small(const gla_element *e); /* k of 2^26 for half a chunk, then of 1 */
double gla_value_subnormal(const gla_element *e);   /* k below the normal numbers of the dtype, read by a large q */
double gla_value_large_state(const gla_element *e); /* an initial state of 2^30 beside ordinary tokens */
double gla_value_zero_state(const gla_element *e);  /* an initial state of zeros */
double gla_value_heads(const gla_element *e);       /* head h has (h + 1) times the magnitude */

/* ---- log gates ---- */
double gla_gate_mild(const gla_element *e);         /* alpha = sigmoid(x)^(1/16), as a GLA layer makes them */
double gla_gate_strong(const gla_element *e);       /* alpha = sigmoid(x) */
double gla_gate_spike(const gla_element *e);        /* mild; one in fifty is -1e4 */
double gla_gate_reset(const gla_element *e);        /* mild; one in fifty is -inf */
double gla_gate_keep(const gla_element *e);         /* within 2^-24 of 0 */
double gla_gate_faint(const gla_element *e);        /* mild / 1024 */
double gla_gate_open(const gla_element *e);         /* 0 */
double gla_gate_open_or_shut(const gla_element *e); /* 0 or -inf, 7 to 1 */
double gla_gate_half(const gla_element *e);         /* ln(1/2) rounded to binary32 */
double gla_gate_pinned(const gla_element *e);       /* -5 */
double gla_gate_staircase(const gla_element *e);    /* 8 tokens of -20, 8 of -1e-3 */
double gla_gate_alternate(const gla_element *e);    /* 0, -30, 0, -30 */
double gla_gate_channels(const gla_element *e);     /* -50 in every third channel, -1e-3 beside it */
double gla_gate_mask(const gla_element *e);         /* mild; whole tokens at -0.1 FLT_MAX */
double gla_gate_wall(const gla_element *e);         /* mild; whole tokens at -inf, at and beside chunk borders */
double gla_gate_bf16(const gla_element *e);         /* mild, rounded to bf16 */
double gla_gate_heads(const gla_element *e);        /* strong / 4^h */

/* ---- rates ---- */
double gla_rate_edges(const gla_element *e); /* 0, 1, near them, near 2, and between */

/* ---- any input (cases_inputs.c) ---- */
double gla_input_value(const gla_family *family, const gla_element *e);
/* What the elements of a row have in common, once they are there: keys of the delta rule are of unit length. */
void gla_input_row(const gla_family *family, const gla_element *e, double *row);

/* ---- scales ---- */
double gla_scale_dyadic(const gla_case_spec *s); /* the largest 2^-n at or below dk^(-1/2) */
double gla_scale_large(const gla_case_spec *s);  /* 1.25 2^40, as far as the dtype reaches */
double gla_scale_small(const gla_case_spec *s);  /* 1.25 2^-40, likewise */

#endif
