/* SPDX-License-Identifier: Apache-2.0
 *
 * Inside the diagnosis: the block that hypotheses are tried on, and one hypothesis at work.
 *
 * The subject is one sequence and one block of heads (gla_unit_heads) in a layout of its own: dense, batch 1, tokens in
 * the order of the recurrence whatever `reverse` says. A hypothesis alters a copy of its problem and runs it, or alters
 * the true outputs, and leaves what it predicts in trial->value[].
 */
#ifndef GLASSBOX_DIAGNOSE_TRIAL_H
#define GLASSBOX_DIAGNOSE_TRIAL_H

#include "../reference/slice.h"
#include "diagnose.h"
#include "place.h"
#include "truth.h"

typedef struct gla_memory {
    void **at;
    size_t count;
    bool full; /* an allocation failed */
} gla_memory;

double *gla_memory_take(gla_memory *m, int64_t count); /* zeros; NULL and m->full if there is none */
void gla_memory_free(gla_memory *m);

typedef struct gla_subject {
    const gla_problem *whole;
    const gla_candidate *candidate;
    const gla_truth *truth;
    int64_t n, head, heads; /* the block: sequence n, heads head .. head + heads - 1 */
    gla_problem p;
    bool backward; /* gradients are under test */
    struct {
        int64_t shape[4], count; /* 0: no such output */
        double *want;
        double *got;    /* NULL: not under test */
        double *weight; /* 1 / allowed */
        bool fails;     /* some element here is over its bound */
    } out[GLA_OUTPUTS];
    gla_memory memory;
} gla_subject;

gla_status gla_subject_open(const gla_problem *whole, const gla_candidate *c, const gla_truth *truth, unsigned judged,
                            int64_t n, int64_t head, gla_subject *out);
void gla_subject_close(gla_subject *s);

/* One input of sequence n, `heads` heads from `head`, dense in the order of the recurrence; NULL: absent. */
double *gla_load_input(const gla_problem *whole, gla_input name, int64_t n, int64_t head, int64_t heads, gla_memory *m);
/* One output of the candidate or the truth (whole, dense) for a block, likewise. */
double *gla_load_output(const gla_problem *whole, gla_output name, const double *value, int64_t n, int64_t head,
                        int64_t heads, gla_memory *m);

typedef struct gla_trial {
    const gla_subject *s;
    int variant;
    gla_problem p;              /* the subject's problem, to be altered */
    double *value[GLA_OUTPUTS]; /* what is predicted, in the subject's layout; NULL: nothing */
    char sentence[240];         /* empty: the hypothesis's own */
    gla_memory memory;
} gla_trial;

/* The key gates of the trial's problem, one for every channel, dense [T,H,dk]: the input's or a fixed decay. NULL:
 * none, or no memory. */
const double *gla_trial_key_gates(gla_trial *t);

/* A copy of an input to write in, already part of trial->p; NULL: absent, or no memory. */
double *gla_trial_edit(gla_trial *t, gla_input name);
/* The same problem without an input; false: it has none, or cannot do without. */
bool gla_trial_drop(gla_trial *t, gla_input name);
/* The exact outputs of a problem, rounded to binary64, in memory of the trial's own. */
bool gla_trial_outputs(gla_trial *t, const gla_problem *p, double *value[GLA_OUTPUTS]);
/* Predict the outputs of trial->p, states in the truth's units (gauge.h). */
bool gla_trial_run(gla_trial *t);
/* A copy of a true output of the subject, as prediction; NULL: not there, or no memory. */
double *gla_trial_want(gla_trial *t, gla_output name);

/* Outputs are predicted together: a wrong one speaks against the hypothesis. Or one by one: some may be explained and
 * others not. Or so, and with a number taken from the candidate. */
typedef enum gla_reach { GLA_TOGETHER, GLA_APART, GLA_FITTED } gla_reach;

typedef struct gla_hypothesis {
    const char *cause, *sentence;
    int variants;                 /* predict is tried with variant 0 .. variants-1 */
    bool (*predict)(gla_trial *); /* false: does not apply here */
    unsigned silent;              /* outputs of which it says nothing though trial->value[] is set */
    gla_reach reach;
} gla_hypothesis;

extern const gla_hypothesis gla_altered_problems[];    /* diagnose_problem.c; each ends with a NULL cause */
extern const gla_hypothesis gla_altered_carries[];     /* diagnose_carry.c */
extern const gla_hypothesis gla_altered_layouts[];     /* diagnose_layout.c */
extern const gla_hypothesis gla_altered_gates[];       /* diagnose_gates.c */
extern const gla_hypothesis gla_altered_conventions[]; /* diagnose_convention.c */
extern const gla_hypothesis gla_altered_order[];       /* diagnose_order.c */
extern const gla_hypothesis gla_altered_delta[];       /* diagnose_delta.c */
extern const gla_hypothesis gla_altered_gradients[];   /* diagnose_gradient.c */
extern const gla_hypothesis gla_altered_outputs[];     /* diagnose_output.c */

/* diagnose_pattern.c and diagnose_errors.c: causes that predict nothing. NaN comes before the predictions, narrow
 * formats when no prediction holds, and errors if no profile fits either. True: found. */
bool gla_name_cause(gla_diagnosis *out, const char *cause, const char *format, ...)
    __attribute__((format(printf, 3, 4))); /* returns true */
bool gla_pattern_of_nan(const gla_subject *s, gla_diagnosis *out);
bool gla_pattern_of_formats(const gla_subject *s, gla_diagnosis *out);
bool gla_pattern_of_errors(const gla_subject *s, gla_diagnosis *out);

/* diagnose_profile.c: a looser profile under which the candidate passes. */
gla_status gla_diagnose_profile(const gla_subject *s, const gla_profile *declared, unsigned only, int threads,
                                gla_diagnosis *out);

/* diagnose_place.c: first bad element and shares. */
void gla_diagnose_places(const gla_problem *p, const gla_judgement *judgement, const gla_candidate *c,
                         const gla_truth *truth, unsigned judged, gla_diagnosis *out);
/* Is element i of this output over its bound? */
bool gla_is_bad(const gla_candidate *c, const gla_truth *truth, gla_output name, int64_t i);

#endif
