/* SPDX-License-Identifier: Apache-2.0
 *
 * A number taken apart into the terms that were added up to it; contract in trace.h. From the event back: a link of the
 * sum gives its term, then the number it was added to is looked at in the same way, until that was not made by adding.
 */
#include <stdlib.h>
#include <string.h>

#include "trace.h"

enum { ALONE = -2 }; /* no second operand; no operand at all: a rounding alone */

static bool is(const gla_step_event *e, const char *op) { return strcmp(e->op, op) == 0; }

static bool is_link(const gla_step_event *e) {
    return is(e, "fma") || is(e, "add") || is(e, "sub") || is(e, "product") || is(e, "site") ||
           (is(e, "set") && e->args == 1);
}

static gla_wide result_of(const gla_recording *r, int32_t event) {
    return event < 0 ? (gla_wide){0, 0} : r->event[event].result;
}

static gla_wide error_of(const gla_recording *r, int32_t event) {
    return event < 0 ? (gla_wide){0, 0} : r->event[event].error;
}

/* value = x y as they were; inherited = x y - X Y = x dy + y dx - dx dy, with dx = x - X known better than X is. */
static void measure(const gla_recording *r, gla_why_term *t) {
    mpfr_t x, y, dx, dy, sum;
    mpfr_inits2(r->truth_bits, x, y, dx, dy, sum, (mpfr_ptr)0);
    gla_wide_mpfr(x, result_of(r, t->x));
    gla_wide_mpfr(dx, error_of(r, t->x));
    if (t->y != ALONE) {
        gla_wide_mpfr(y, result_of(r, t->y));
        gla_wide_mpfr(dy, error_of(r, t->y));
        mpfr_fmma(sum, x, dy, y, dx, MPFR_RNDN);
        mpfr_mul(dx, dx, dy, MPFR_RNDN);
        mpfr_sub(dx, sum, dx, MPFR_RNDN);
        mpfr_mul(x, x, y, MPFR_RNDN);
    }
    if (t->minus) {
        mpfr_neg(x, x, MPFR_RNDN);
        mpfr_neg(dx, dx, MPFR_RNDN);
    }
    t->value = gla_wide_of(x);
    t->inherited = gla_wide_of(dx);
    mpfr_clears(x, y, dx, dy, sum, (mpfr_ptr)0);
}

static gla_status push(const gla_recording *r, gla_why *w, size_t *room, gla_why_term t) {
    if (w->terms == *room) {
        *room = *room ? 2 * *room : 64;
        gla_why_term *term = realloc(w->term, *room * sizeof *term);
        if (!term) return GLA_NO_MEMORY;
        w->term = term;
    }
    if (t.x != ALONE) measure(r, &t);
    w->term[w->terms++] = t;
    return GLA_OK;
}

/* The terms that one link added, last first; *next is the number it added them to. */
static gla_status take_link(const gla_recording *r, int32_t at, gla_why *w, size_t *room, int32_t *next) {
    const gla_step_event *e = &r->event[at];
    const int32_t *arg = r->arg + e->arg;
    gla_why_term t = {.x = ALONE, .y = ALONE, .by = at, .lost = e->lost};
    gla_status status = GLA_OK;
    *next = arg[0];
    if (is(e, "fma")) {
        t.x = arg[0];
        t.y = arg[1];
        *next = arg[2];
    } else if (is(e, "add") || is(e, "sub")) {
        t.x = arg[1];
        t.minus = is(e, "sub");
    } else if (is(e, "product")) {
        for (uint32_t i = e->args; i > 1 && status == GLA_OK; i -= 2, t.lost = (gla_wide){0, 0})
            status = push(r, w, room, (gla_why_term){.x = arg[i - 2], .y = arg[i - 1], .by = at, .lost = t.lost});
        return status;
    } else if (t.lost.m == 0) /* a copy, or a site that rounded nothing */
        return GLA_OK;
    return push(r, w, room, t);
}

/* A sum that began at a constant 0 has no term of it. */
static bool is_nothing(const gla_step_event *e) { return e->args == 0 && e->input < 0 && e->result.m == 0; }

static void turn_round(gla_why *w) {
    for (size_t i = 0; i < w->terms / 2; i++) {
        gla_why_term t = w->term[i];
        w->term[i] = w->term[w->terms - 1 - i];
        w->term[w->terms - 1 - i] = t;
    }
}

gla_status gla_why_of(const gla_recording *r, size_t event, gla_why *out, gla_error *err) {
    size_t room = 0;
    int32_t at = (int32_t)event;
    gla_status status = GLA_OK;
    memset(out, 0, sizeof *out);
    while (at >= 0 && is_link(&r->event[at]) && status == GLA_OK) {
        out->sum = true;
        status = take_link(r, at, out, &room, &at);
    }
    if (out->sum && at >= 0 && !is_nothing(&r->event[at]) && status == GLA_OK)
        status = push(r, out, &room, (gla_why_term){.x = at, .y = ALONE, .by = at});
    if (status != GLA_OK) return gla_fail(err, status, "no memory for the terms");
    turn_round(out);
    return GLA_OK;
}

void gla_why_free(gla_why *w) {
    free(w->term);
    memset(w, 0, sizeof *w);
}
