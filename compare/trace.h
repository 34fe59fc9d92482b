/* SPDX-License-Identifier: Apache-2.0
 *
 * A run as it was: every operation of one formulation in one number system, with what the same operations give without
 * rounding beside each, and which operation made which operand. What the step-through shows, and `why` takes apart.
 *
 *     gla_recording r;
 *     gla_recording_make(&problem, &form, "binary32", GLA_RECORDING_LIMIT, &r, &err);
 *     r.event[r.final[GLA_O][i]].result                  the number that gla_run gives for element i, bit for bit
 *     gla_recording_free(&r);
 *
 * The numbers are pairs (trace_numbers.c): the system's own number and an MPFR number, on which every operation is done
 * together. So both take the same steps in the same order, and no event lacks its counterpart. Where the steps depend
 * on a number (an exact reset, a sum that has left the range), the system's number decides for both.
 * The truth of a rounding site is the number before it. An operand split in two has all of its truth in hi: until every
 * part of a product is in, the sums of the parts have no counterpart (`split`).
 * The truths of the results are compared with certified truth (truth.h); where a formulation cancels so much that they
 * differ, it is recorded again with more bits. What then still differs is `astray`.
 * A result, truth or error is kept to 53 bits with an exponent of its own, so nothing overflows in the telling.
 * Memory: 130 bytes per event and 4 per operand, GLA_RECORDING_LIMIT events at most unless the caller asks for more.
 */
#ifndef GLASSBOX_TRACE_H
#define GLASSBOX_TRACE_H

#include "../reference/glassbox.h"
#include "../reference/number/format.h"

enum { GLA_RECORDING_LIMIT = 1 << 20, GLA_TRACE_BITS = 256, GLA_TRACE_BITS_MOST = 4096 };

/* m 2^e, m in [1/2, 1); or 0, an infinity, NaN with e = 0. */
typedef struct gla_wide {
    double m;
    int64_t e;
} gla_wide;

double gla_wide_d(gla_wide x);              /* as binary64: may overflow and underflow */
bool gla_wide_same(gla_wide x, gla_wide y); /* NaN is NaN, -0 is not 0 */
double gla_wide_log2(gla_wide x);           /* of |x|; -inf of 0 */
gla_wide gla_wide_of(const mpfr_t x);
void gla_wide_mpfr(mpfr_t z, gla_wide x);

typedef struct gla_step_event {
    const char *verb; /* as in gla_event; the tensor's name while it is loaded, stored or announced; NULL between */
    const char *op;   /* as in gla_event; a split is two events, "split_hi" and "split_lo" */
    int64_t token, chunk;
    uint32_t slot;   /* the number it was put into; numbers count in the order in which they were made */
    uint32_t arg;    /* its operands are r.arg[arg] .. r.arg[arg + args - 1] */
    uint32_t args;   /* fma: x y w; product: the number before, then x y of every pair; a constant has none */
    int32_t site;    /* gla_site of "site" and "split_*", else -1 */
    int32_t input;   /* gla_input of a load, else -1 */
    int32_t element; /* of a load: how many of that input were loaded before */
    gla_wide result; /* what the system has */
    gla_wide truth;  /* what all operations up to here give without rounding */
    gla_wide error;  /* result - truth */
    gla_wide lost;   /* result less what this operation alone gives on its operands as they were */
    bool flipped;    /* result is not the truth rounded to nearest into the format */
} gla_step_event;

typedef struct gla_recording {
    gla_problem problem; /* as given: its tensors belong to the caller */
    gla_form form;
    char numbers[64];
    gla_step_event *event;
    size_t count;
    int32_t *arg; /* the event that made the operand; -1: it is 0 and was never written */
    size_t args;
    long precision;    /* bits of significand */
    gla_format format; /* p = 0: none, exponents are unbounded */
    long truth_bits;
    int64_t astray; /* results whose truth is not the certified one */
    bool split;     /* operands were split in two */
    int64_t shape[GLA_OUTPUTS][4];
    int32_t *final[GLA_OUTPUTS]; /* the event that made each element, dense in shape; NULL: no such output */
    int64_t loaded[GLA_INPUTS];  /* how many numbers were loaded of each input */
} gla_recording;

/* Precondition: gla_problem_check. Errors: those of gla_run and of the name, GLA_UNSUPPORTED (recorder:NAME),
 * GLA_BAD_SHAPE (more than `limit` events; the hint says what to do). gla_recording_free also after a failure. */
gla_status gla_recording_make(const gla_problem *p, const gla_form *form, const char *numbers, size_t limit,
                              gla_recording *out, gla_error *err);
void gla_recording_free(gla_recording *r);

/* ---- what can be asked of an event ---- */

/* Bits of the result that agree with the truth: -log2 of the relative error, 0 .. the precision; INFINITY if they are
 * equal, NaN if there is no truth to compare with (it is NaN). */
double gla_event_bits(const gla_recording *r, const gla_step_event *e);
/* |error| in units in the last place of the truth; INFINITY where the result is not finite and the truth is. */
double gla_event_ulps(const gla_recording *r, const gla_step_event *e);
bool gla_event_nonfinite(const gla_step_event *e); /* the result is not finite though the truth is */

/* Does a group begin at event i: another verb, token, chunk or rounding site than before? A verb done twice in the same
 * place is one group. */
bool gla_group_begins(const gla_recording *r, size_t i);

/* The last of the first `at` events that wrote into the number where element `index` of an output grows (the number
 * that is stored as it in the end); -1: none yet. */
int32_t gla_recording_now(const gla_recording *r, gla_output name, int64_t index, size_t at);

/* The number in which that element grows; false: it was never written. */
bool gla_recording_slot(const gla_recording *r, gla_output name, int64_t index, uint32_t *slot);

/* The event that loaded an input's element [b,t,h,i] or [n,h,i,j], or -1. */
int32_t gla_recording_load(const gla_recording *r, gla_input name, const int64_t at[4]);
/* The element that a load read; false if it cannot be told (a mechanism that loads an input twice). */
bool gla_recording_loaded(const gla_recording *r, const gla_step_event *e, int64_t at[4]);

/* ---- why (trace_why.c): a number as a sum ----
 *
 *     result = sum of the terms' values + sum of what was lost;  error = sum inherited + sum lost
 *
 * exactly, up to the 53 bits in which each is kept: a term's value is the product of its operands as they were, what
 * it inherited that value less the product of their truths. An event that is no sum has no terms. */
typedef struct gla_why_term {
    int32_t x, y; /* operands, as in gla_recording.arg; y -2: the term is x alone; x -2: none, a rounding alone */
    bool minus;   /* it was taken off */
    int32_t by;   /* the event that added it */
    gla_wide value, inherited;
    gla_wide lost; /* by that event; 0 in all but the last term of a product done whole */
} gla_why_term;

typedef struct gla_why {
    gla_why_term *term; /* in the order in which they were added */
    size_t terms;
    bool sum; /* false: the event is no sum, its operands are in gla_recording.arg and `term` is empty */
} gla_why;

gla_status gla_why_of(const gla_recording *r, size_t event, gla_why *out, gla_error *err);
void gla_why_free(gla_why *w);

#endif
