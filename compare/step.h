/* SPDX-License-Identifier: Apache-2.0
 *
 * A cursor over a recording (trace.h): forward, back, to a breakpoint.
 *
 * The cursor is how many events have run: 0 before the first, r->count at the end. A breakpoint stops behind the event
 * that meets it. What can go wrong is met where it begins: at events none of whose operands have it already.
 */
#ifndef GLASSBOX_STEP_H
#define GLASSBOX_STEP_H

#include "trace.h"

typedef enum gla_break_kind {
    GLA_BREAK_TOKEN,     /* a token's first event */
    GLA_BREAK_CHUNK,     /* a chunk's first event */
    GLA_BREAK_VERB,      /* a verb's first event */
    GLA_BREAK_NONFINITE, /* infinite or NaN where the truth is finite */
    GLA_BREAK_ULPS,      /* more than `limit` units in the last place from the truth */
    GLA_BREAK_BITS,      /* fewer than `limit` bits agree with the truth */
    GLA_BREAK_FLIP,      /* not the truth rounded to nearest */
    GLA_BREAK_KINDS
} gla_break_kind;

typedef struct gla_breakpoint {
    gla_break_kind kind;
    double limit;  /* token, chunk: -1 is any */
    char verb[24]; /* of GLA_BREAK_VERB */
} gla_breakpoint;

enum { GLA_BREAKPOINTS = 16 };

typedef struct gla_step {
    const gla_recording *r;
    size_t at;
    gla_breakpoint stop[GLA_BREAKPOINTS];
    int stops;
} gla_step;

/* Does event i meet the breakpoint? */
bool gla_break_met(const gla_recording *r, const gla_breakpoint *b, size_t i);

/* n events on (back if negative); how many it was. */
int64_t gla_step_by(gla_step *s, int64_t n);
/* To the end of the group of events in hand, or if that is reached of the next (gla_group_begins); back: to its
 * beginning. False: there is none. */
bool gla_step_group(gla_step *s, bool back);
/* On, or back, to the next event that meets a breakpoint: its number, or -1 with the cursor at the end or the start. */
int gla_step_continue(gla_step *s, bool back);
/* Behind the next event that meets b. False: there is none, and the cursor stays. */
bool gla_step_to(gla_step *s, const gla_breakpoint *b);

#endif
