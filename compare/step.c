/* SPDX-License-Identifier: Apache-2.0
 *
 * The cursor over a recording; contract in step.h.
 */
#include "step.h"

#include <math.h>
#include <string.h>

/* ---- breakpoints ---- */

static bool goes_wrong(const gla_recording *r, const gla_breakpoint *b, const gla_step_event *e) {
    switch (b->kind) {
    case GLA_BREAK_NONFINITE:
        return gla_event_nonfinite(e);
    case GLA_BREAK_ULPS:
        return !(gla_event_ulps(r, e) <= b->limit);
    case GLA_BREAK_BITS:
        return !(gla_event_bits(r, e) >= b->limit);
    default:
        return e->flipped;
    }
}

static bool goes_wrong_here(const gla_recording *r, const gla_breakpoint *b, const gla_step_event *e) {
    if (!goes_wrong(r, b, e)) return false;
    for (uint32_t i = 0; i < e->args; i++) {
        int32_t from = r->arg[e->arg + i];
        if (from >= 0 && goes_wrong(r, b, &r->event[from])) return false;
    }
    return true;
}

/* A place is entered: it is in hand at event i and was not, or was another, before. */
static bool enters(int64_t now, int64_t before, double wanted) {
    return now >= 0 && now != before && (wanted < 0 || (double)now == wanted);
}

bool gla_break_met(const gla_recording *r, const gla_breakpoint *b, size_t i) {
    const gla_step_event *e = &r->event[i];
    switch (b->kind) {
    case GLA_BREAK_TOKEN:
        return enters(e->token, i ? e[-1].token : -1, b->limit);
    case GLA_BREAK_CHUNK:
        return enters(e->chunk, i ? e[-1].chunk : -1, b->limit);
    case GLA_BREAK_VERB:
        return e->verb && strcmp(e->verb, b->verb) == 0 && gla_group_begins(r, i);
    default:
        return goes_wrong_here(r, b, e);
    }
}

static int met(const gla_step *s, size_t i) {
    for (int k = 0; k < s->stops; k++)
        if (gla_break_met(s->r, &s->stop[k], i)) return k;
    return -1;
}

/* ---- moving ---- */

int64_t gla_step_by(gla_step *s, int64_t n) {
    int64_t at = (int64_t)s->at, count = (int64_t)s->r->count;
    int64_t to = n > count - at ? count : n < -at ? 0 : at + n;
    s->at = (size_t)to;
    return to - at;
}

bool gla_step_group(gla_step *s, bool back) {
    size_t count = s->r->count;
    if (back ? s->at == 0 : s->at == count) return false;
    if (back)
        while (!gla_group_begins(s->r, --s->at)) {
        }
    else
        while (++s->at < count && !gla_group_begins(s->r, s->at)) {
        }
    return true;
}

int gla_step_continue(gla_step *s, bool back) {
    int found = -1;
    if (back) {
        size_t i = s->at > 0 ? s->at - 1 : 0; /* the event in hand is not met again */
        while (i > 0 && (found = met(s, i - 1)) < 0) i--;
        s->at = i;
    } else {
        while (s->at < s->r->count && (found = met(s, s->at++)) < 0) {
        }
    }
    return found;
}

bool gla_step_to(gla_step *s, const gla_breakpoint *b) {
    for (size_t i = s->at; i < s->r->count; i++)
        if (gla_break_met(s->r, b, i)) {
            s->at = i + 1;
            return true;
        }
    return false;
}
