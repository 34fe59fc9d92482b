/* SPDX-License-Identifier: Apache-2.0
 *
 * Certified truth: every output of a problem, correctly rounded into a target format, with a flag that says it is
 * proven.
 *
 * Where the mechanism is the gated core as it stands (gla_is_plain), the double-double engine (fast/cpu/gated_dd) gives x and a proven bound E for every element. If x - E and
 * x + E round to the same number of the target, that number is the correctly rounded truth. What stays undecided (near
 * a rounding boundary, an exact tie, a huge cancellation, an overflow) climbs: the sequences and heads that hold it run
 * again in interval arithmetic, at 192 bits and then at twice as many up to a cap. Outputs that involve e^g, g != 0,
 * are transcendental or exact dyadic numbers; the first are decided at some precision (Lindemann-Weierstrass), the
 * second as soon as the interval is a single point. A fixed decay that is itself a dyadic number (retention's) enters
 * the intervals as that number, so that exact results stay exact. What the cap does not decide is reported, never
 * guessed.
 * Every other mechanism climbs from the start. Divisions, square roots and maxima are enclosed as sums and products are;
 * what an interval loses over a sequence is a few bits where states only decay, and nothing that grows with the sequence
 * in the delta rule, whose states are enclosed otherwise (truth_delta.h). `glassbox bench --mechanisms` shows the cost.
 *
 * Memory beside the result: one binary64 per element, the engine's, and the intervals of what climbs.
 */
#ifndef GLASSBOX_TRUTH_H
#define GLASSBOX_TRUTH_H

#include "../reference/glassbox.h"
#include "../reference/number/format.h"

/* What a verdict asks of the truth: far below what any bound allows. */
#define GLA_CLOSE_ENOUGH 0x1p-52

typedef struct gla_truth_options {
    const gla_format *target; /* NULL = binary64 */
    gla_rounding rounding;    /* not stochastic */
    bool backward;
    double close_enough; /* 0: only correct rounding will do. Else an element proven to this relative error (or this
                            part of 2^-149, the least binary32 number) is taken no further: exact ties in the last bit
                            and underflowing results, which only a climb can decide, are left */
    long cap_bits;       /* 0 = 4096 */
    int threads;         /* 0 = all processors; the result does not depend on it */
    void (*progress)(void *data, double done); /* may be NULL; called on the caller's thread, done 0..1 */
    void *progress_data;
} gla_truth_options;

typedef struct gla_truth {
    struct {
        bool present;
        int64_t shape[4], count;
        double *value;      /* the truth, correctly rounded into the target if certified, else the best estimate */
        uint8_t *certified; /* 1 = proven correctly rounded, 2 = proven to within close_enough, 0 = open */
        double *magnitude;  /* the same formula on absolute values: condition number = magnitude / |value|; 0 where the
                               engine does not run the mechanism */
        double *low; /* value + low is the truth to about 50 bits more than the target has; 0 if value is not finite */
    } tensor[GLA_OUTPUTS];
    int64_t undecided;   /* elements that the double-double pass left open; all of them if it did not run */
    int64_t uncertified; /* elements that are still open */
    long bits;           /* highest precision used; 106 = double-double sufficed */
} gla_truth;

/* Precondition: gla_problem_check; gates above 0 are allowed. The truth belongs to the caller (gla_truth_free), also
 * on failure. Errors: GLA_UNSUPPORTED (stochastic rounding), GLA_NO_MEMORY. */
gla_status gla_truth_compute(const gla_problem *p, const gla_truth_options *options, gla_truth *out, gla_error *err);
void gla_truth_free(gla_truth *t);

#endif
