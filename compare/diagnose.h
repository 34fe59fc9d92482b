/* SPDX-License-Identifier: Apache-2.0
 *
 * Why a candidate fails: the likely cause in one sentence, the first bad element, and where the bad ones lie.
 *
 * A cause is a hypothesis about the kernel that predicts its outputs: the exact outputs of an altered problem (scale
 * 1, gates times ln 2, no initial state ...) or the true outputs altered (shifted, transposed, another head's ...). It
 * is tried on the sequence and block of heads that holds most bad elements, in units of each element's bound, and is
 * accepted for an output when the candidate is 8 times nearer to the prediction than to the truth (rms), or within the
 * bound of the prediction everywhere, though at twice the bound from the truth somewhere. The hypothesis that explains
 * most failing outputs wins; among those that explain the same as closely, the most specific (they stand in that order
 * in the tables), and a fit, which has a free number, only if it is much nearer. Where o or final_state fail it must
 * explain one of them, since gradients follow; where dq or dk fail, gate gradients alone are no explanation.
 * What predicts nothing comes around that: first NaN where a chunk's decay passes the exponent range; after the
 * predictions values of a narrower format, then a profile under which the candidate passes, then a biased rounding, a
 * last partial chunk and the like. "no known cause fits" is an answer: data/diagnosis.txt says how often. The cause
 * is likely, not proven: it is named for what it predicts. Outputs that fail tier 1 alone have right values; if no
 * other fails, the cause is "replay".
 */
#ifndef GLASSBOX_DIAGNOSE_H
#define GLASSBOX_DIAGNOSE_H

#include "judge.h"
#include "place.h"

enum { GLA_STRETCHES = 64 };

/* The share of bad elements, 0 .. 1, in equal stretches of heads and of tokens (in storage order); states have no
 * tokens. */
typedef struct gla_shares {
    int heads, tokens; /* entries; 0: this output has no bad element */
    double head[GLA_STRETCHES], token[GLA_STRETCHES];
} gla_shares;

typedef struct gla_diagnosis {
    bool found;
    char cause[32];      /* "scale-twice": for machines; "" if none fits */
    char sentence[280];  /* for people; "no known cause fits" if none does */
    unsigned explains;   /* outputs that the cause explains, bit mask of 1u << gla_output */
    double closer;       /* how many times nearer to the prediction than to the truth; 0: not a prediction */
    gla_bad_place first; /* first_bad of the first tensor that has one */
    gla_shares share[GLA_OUTPUTS];
} gla_diagnosis;

/* Of a judgement that is FAIL, made from the same problem, candidate and truth, with candidate->output[].allowed filled
 * for every output that was judged. only and threads as for gla_judge. Errors: GLA_NO_MEMORY, GLA_UNSUPPORTED. */
gla_status gla_diagnose(const gla_problem *p, const gla_candidate *candidate, const gla_truth *truth,
                        const gla_judgement *judgement, unsigned only, int threads, gla_diagnosis *out, gla_error *err);

#endif
