/* SPDX-License-Identifier: Apache-2.0
 *
 * The bound of one element, term by term: the formulation of the profile that allows it more is run with every kind of
 * rounding added to the others in turn, and a term is what it adds. Alone, the same rounding may weigh more: what is
 * rounded to bf16 at a site passes the product unit as it is.
 */
#ifndef GLASSBOX_EXPLAIN_H
#define GLASSBOX_EXPLAIN_H

#include "judge.h"

enum { GLA_TERMS = 6 + GLA_SITES };

typedef struct gla_term {
    const char *source; /* "exp", "k_decayed", "stored" ... */
    const char *what;   /* in words */
    gla_rounding_rule rule;
    double random, worst, systematic; /* 3.5 sqrt(var), lin, det that this source adds to those listed after it, but
                                         `stored` to all: the squares of random, and the others, add up to the
                                         whole. Below 0 (random: its square is taken off) where it spares more */
} gla_term;

typedef struct gla_explanation {
    gla_term term[GLA_TERMS];
    int terms;
    char form[48];                    /* the formulation, of the profile's, that allows this element more */
    double random, worst, systematic; /* all together */
    double allowed;                   /* min(random, worst) + systematic: what gla_judge allows, up to 2^-52 |truth| */
} gla_explanation;

/* Element at[] ([b,t,h,i], of states [n,h,i,j]) of an output stored in `format`. Errors: GLA_BAD_SHAPE (outside the
 * tensor), GLA_UNSUPPORTED (the problem has no such output), GLA_NO_MEMORY. */
gla_status gla_explain(const gla_problem *p, const gla_profile *profile, gla_output name, const int64_t at[4],
                       const gla_format *format, gla_explanation *out, gla_error *err);

#endif
