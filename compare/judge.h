/* SPDX-License-Identifier: Apache-2.0
 *
 * The verdict: outputs under test against certified truth, element by element.
 *
 * Each element has an allowed error, the bound that the declared profile earns it (reference/number/error.h):
 *     allowed = min(lambda sqrt(var), lin) + det        lambda = 3.5
 * PASS      every |error| <= allowed, by !(error <= allowed), so NaN and infinity never pass
 * MARGINAL  some error is over that but within the same bound at lambda = 7: possible for the declared arithmetic, so
 *           improbable (about 16 standard deviations) that it deserves a look
 * FAIL      some error is over that too, or a value is not finite
 * BROKEN    the tensor has the wrong shape or is missing, or the candidate changed an input
 * UNCERTIFIED  the truth of an element could not be proven, or its bound is not finite, so it was not judged
 * Where the bound is 0 (every intermediate exact for the declared formats) the tier is 0: only equality passes. The
 * other elements are tier 2, one by one as above. Tier 3 looks at all of them together (distribution.h): a tensor whose
 * errors stay within their bounds, but are larger or more one-sided than the declared roundings make them, is FAIL too.
 * States that come in units of their own (mLSTM) are judged in the truth's (gauge.h).
 * Tier 1 applies where the candidate declares its arithmetic to the last bit (replay.h): a tensor with another bit is
 * FAIL, however near it is.
 */
#ifndef GLASSBOX_JUDGE_H
#define GLASSBOX_JUDGE_H

#include "../reference/glassbox.h"
#include "../reference/number/format.h"
#include "distribution.h"
#include "place.h"
#include "profiles.h"
#include "replay.h"
#include "truth.h"

typedef enum gla_verdict {
    GLA_PASS,
    GLA_MARGINAL,
    GLA_UNCERTIFIED,
    GLA_FAIL,
    GLA_BROKEN
} gla_verdict; /* by severity */
extern const char *const gla_verdict_names[];

/* Outputs under test, dense in gla_output_shape; value NULL = not under test. */
typedef struct gla_candidate {
    struct {
        const double *value;
        const gla_format *format; /* the dtype it was stored in */
        double *allowed;          /* NULL, or room for what every element is allowed, filled by gla_judge */
        bool missing;             /* expected, and not there */
        bool wrong_shape;
        int64_t shape[4]; /* as found, when wrong */
    } output[GLA_OUTPUTS];
    unsigned changed;         /* inputs that the candidate did not leave as they were, bit mask of 1u << gla_input */
    const gla_replay *replay; /* NULL, or what it declares of its arithmetic: tier 1 */
} gla_candidate;

/* Room in output[].allowed for every output that has values, which a diagnosis and a slice need; freed (and NULL) by
 * the second, also after a failure of the first. Errors: GLA_NO_MEMORY. */
gla_status gla_candidate_make_room(const gla_problem *p, gla_candidate *c, gla_error *err);
void gla_candidate_free_room(gla_candidate *c);

/* A pass says little if the median bound is more than half of the truth's rms: then an output of zeros would pass in
 * about half of its elements. That comes of operands whose errors outweigh the result (gates of -1e4 or beyond, sums
 * that cancel, subnormal results under flush to zero), not of the kernel. */
#define GLA_SAYS_LITTLE 0.5

typedef struct gla_tensor_verdict {
    bool judged;
    gla_verdict verdict;
    const char *why;             /* of BROKEN: "missing", "wrong shape"; else NULL */
    int64_t shape[4], count;     /* as found, when the shape is wrong */
    int64_t nan, inf;            /* non-finite candidate values */
    int64_t over, marginal;      /* elements past the bound at lambda 7; between 3.5 and 7 */
    int64_t uncertified;         /* elements without proven truth */
    int64_t exact, over_exact;   /* elements whose bound is 0: tier 0; those of them that differ */
    double worst;                /* greatest |error| / allowed (inf for non-finite or an inexact tier 0 element) */
    int64_t at[4];               /* where; for o and gradients [b,t,h,i], states [n,h,i,j] */
    double got, want, allowed;   /* there */
    gla_bad_place first_bad;     /* the first element over the bound */
    double rms_error, rms_truth; /* over finite elements: the field's whole-tensor ratio, for translation */
    double loosest;              /* median of allowed / rms_truth: how much this bound can see */
    bool says_little;            /* loosest > GLA_SAYS_LITTLE */
    gla_distribution scatter;    /* tier 3 */
    gla_replay_verdict replay;   /* tier 1 */
    int tier; /* that decided. Of a failure: 0, 2 or 3, the first to fail; 1 if none of these does. Of a pass: 1 if the
                 replay agrees, else the highest that was applied */
} gla_tensor_verdict;

typedef struct gla_judgement {
    gla_verdict verdict; /* the worst of the tensors */
    unsigned changed;    /* inputs changed by the candidate: BROKEN */
    int judged;          /* tensors judged; 0 is an error of the caller's, not a pass */
    const gla_profile *profile;
    gla_replay replay; /* what tier 1 ran, the form filled in; numbers NULL: it was not asked for */
    gla_tensor_verdict tensor[GLA_OUTPUTS];
} gla_judgement;

/* Are gradients among the outputs that gla_judge would compare? Then the truth must hold them too. */
bool gla_judging_needs_gradients(const gla_candidate *candidate, unsigned only);

/* Judge every output present or expected in the candidate (and in `only`, a bit mask of 1u << gla_output; 0 = all). The
 * truth must be that of the same problem with target binary64. threads: 0 = all processors; the verdict does not depend
 * on it. Errors: GLA_NO_MEMORY, GLA_UNSUPPORTED, those of gla_replay_compute. */
gla_status gla_judge(const gla_problem *p, const gla_candidate *candidate, const gla_truth *truth,
                     const gla_profile *profile, unsigned only, int threads, gla_judgement *out, gla_error *err);

#endif
