/* SPDX-License-Identifier: Apache-2.0
 *
 * Study hazards: what goes wrong in low precision, how far, and whether it still does so here. A row is one hazard in
 * one setting with a figure that the project's specification states as measured (section 17, H1 - H10; its programs
 * were others and their draws are not ours); measuring a row runs the formulations again, in the number system where
 * the hazard strikes and in MPFR. No tolerance but the factor of 2; where the specification leaves a setting
 * open, study_hazards.c says which one was taken and why.
 *
 * An error is max |x - truth| / max |truth| over all elements unless the row says otherwise. The truth is computed in
 * mpfr:128 and more from the very inputs of the run, as rounded.
 */
#ifndef GLASSBOX_STUDY_HAZARDS_H
#define GLASSBOX_STUDY_HAZARDS_H

#include "study.h"

typedef struct gla_hazard gla_hazard;
typedef gla_status gla_hazard_measure(const gla_hazard *h, uint64_t seed, double *measured, gla_error *err);

struct gla_hazard {
    const char *name;    /* "H1" */
    const char *setting; /* in words */
    const char *figure;  /* what the number is */
    double low, high;    /* as predicted, mostly equal. INFINITY both: the result is not finite; 0 and INFINITY:
                            it is finite, how exact is not predicted */
    gla_hazard_measure *measure;
    const char *how; /* formulation, number system or way */
    gla_gate_rule *rule;
    double x; /* size of the gates, length of the keys: as the measure takes it */
    int64_t T;
};

extern const gla_hazard gla_hazards[]; /* ends with a NULL name */

/* All rows of at most `longest` tokens (0: any), on all processors: measured[i] is row i's. progress as in
 * gla_parallel, of all rows; may be NULL. */
gla_status gla_study_hazards(int64_t longest, uint64_t seed, void (*progress)(void *data, size_t begun),
                             void *progress_data, double measured[], gla_error *err);
size_t gla_hazard_count(void);
bool gla_hazard_included(const gla_hazard *h, int64_t longest); /* has it few enough tokens? */

/* measured / predicted, to the nearer end of a range and 1 within; NaN where one of them is not a figure. */
double gla_hazard_ratio(const gla_hazard *h, double measured);
/* Is it within a factor of 2 of the prediction? A predicted 0 must be 0, what is not finite must not be. */
bool gla_hazard_reproduced(const gla_hazard *h, double measured);

/* ---- the measures: of random inputs the median of some draws ---- */

enum { GLA_HAZARD_DRAWS = 11, GLA_HAZARD_LONG_DRAWS = 3 }; /* the latter for H3's dg, which takes longest */

/* study_hazards_gated.c. One head, T tokens, dk = dv = 16 (H3: 8), gates by rule and x, form `how` in binary32. */
gla_hazard_measure gla_hazard_output_error;  /* of o; gates scaled so that the strongest channel's sum to -x */
gla_hazard_measure gla_hazard_first_bad;     /* first token, from 1, whose o is not finite; dk = dv = 2 */
gla_hazard_measure gla_hazard_gate_median;   /* of dg: median relative error; how NULL: suffix sums of bf16 dq, dk */
gla_hazard_measure gla_hazard_gate_greatest; /* of dg: error */
gla_hazard_measure gla_hazard_gate_first;    /* |dg_1|, 0 in truth: root mean square of GLA_HAZARD_DRAWS draws */

/* study_hazards_weights.c. */
gla_hazard_measure gla_hazard_window;   /* greatest relative error of e^(G_t - G_{t-8}); how: global, chunk, segsum */
gla_hazard_measure gla_hazard_key;      /* relative error of 1 - sigmoid(x); how: subtracted, tied (HGRN2's key) */
gla_hazard_measure gla_hazard_one;      /* least j for which `how` rounds 1 - 2^-j to 1 */
gla_hazard_measure gla_hazard_mask;     /* error of o, a gate of -x in every one of T tokens; how: after, before exp */
gla_hazard_measure gla_hazard_exponent; /* greatest relative error of e^-y in `how`, y from x/2 to x */

/* study_hazards_delta.c: X = (I + L)^-1, 64 keys of 16 channels, beta = 1. */
gla_hazard_measure gla_hazard_inverse_random; /* error, |k| = x; how: rows, product */
gla_hazard_measure gla_hazard_inverse_equal;  /* error, equal keys; how: rows, product, product-unfused */
gla_hazard_measure gla_hazard_power;          /* max |L^32|, equal unit keys */
gla_hazard_measure gla_hazard_growth;         /* max |X|, equal keys of |k|^2 = x */

/* study_hazards_mlstm.c: what an eps of 1e-6 multiplies h by under a stabiliser m = x. */
gla_hazard_measure gla_hazard_eps;

/* ---- shared by them (study_hazards.c) ---- */

/* max |x - truth| / max |truth|; NaN if any is. */
double gla_hazard_error(const double *x, const double *truth, size_t count);
/* Orders the numbers; NaN if one is. */
double gla_hazard_median(double *x, size_t count);
/* The seed of a draw; seeds below 2^32 share none. */
uint64_t gla_hazard_seed(uint64_t seed, int draw);
/* The median of `once` over some draws, at most GLA_HAZARD_DRAWS. */
gla_status gla_hazard_median_of(gla_hazard_measure *once, int draws, const gla_hazard *h, uint64_t seed,
                                double *measured, gla_error *err);

#endif
