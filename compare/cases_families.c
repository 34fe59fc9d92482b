/* SPDX-License-Identifier: Apache-2.0
 *
 * The families of generated problems (cases.h): for each, the value of one operand element and of
 * one log gate. Values are still to be rounded to the tensor's dtype by cases.c; every family's
 * special values survive that.
 */
#include "cases.h"

#include <math.h>
#include <string.h>

/* Streams 0 .. GLA_INPUTS-1 are the tensors themselves; cases.c uses the two after this one. */
enum { STREAM_IMPULSE = GLA_INPUTS };

static const double LN_HALF = -0x1.62e43p-1; /* ln(1/2) rounded to binary32 */

/* ---- ordinary operands, and gates of every strength ---- */

static double normal(const gla_element *e) { return gla_draw_normal(e->draw); }

static double gate_strong(const gla_element *e) { return gla_log_sigmoid(gla_draw_normal(e->draw)); }

/* As a GLA layer makes them: alpha = sigmoid(x)^(1/16). */
static double gate_mild(const gla_element *e) { return gate_strong(e) / 16; }

static double gate_or(const gla_element *e, double rare) {
    return gla_draw_uniform(e->draw) < 0.02 ? rare : gate_mild(e);
}

static double gate_spike(const gla_element *e) { return gate_or(e, -1e4); }

static double gate_reset(const gla_element *e) { return gate_or(e, -INFINITY); }

static double gate_keep(const gla_element *e) { return -0x1p-24 * gla_draw_uniform(e->draw); }

/* ---- mixed: magnitudes 2^-30 .. 2^30, as far as the dtype reaches ---- */

static double mixed(const gla_element *e) {
    int lo = -30, hi = 29;
    if (!gla_is_state_input(e->tensor)) {
        if (lo < e->spec->dtype->emin) lo = e->spec->dtype->emin;
        if (hi > e->spec->dtype->emax - 1) hi = e->spec->dtype->emax - 1; /* rounding up must not overflow */
    }
    int exponent = lo + (int)gla_draw_below(e->draw, (uint32_t)(hi - lo + 1));
    return gla_draw_sign(e->draw) * ldexp(1 + gla_draw_uniform(e->draw), exponent);
}

/* ---- cancel: one k, v = +x -x +x ...; the state is nearly zero after every second token ---- */

static double cancel(const gla_element *e) {
    if (e->tensor == GLA_IN_INITIAL_STATE) return 0;
    if (e->tensor != GLA_IN_K && e->tensor != GLA_IN_V) return normal(e);
    gla_draw first = e->draw; /* the element of token 0 */
    first.index -= (uint64_t)(e->at[1] * e->shape[2] * e->shape[3]);
    double x = gla_draw_normal(first);
    return e->tensor == GLA_IN_V && e->at[1] % 2 == 1 ? -x : x;
}

static double gate_faint(const gla_element *e) { return gate_mild(e) * 0x1p-10; }

/* ---- integers -2..2, decay 1 or 0. Between resets (one gate in eight) sums stay small: with T =
 * 67 and the default sizes nothing reaches 2^24, so that in binary32 no operation of any
 * formulation rounds ---- */

static double integer(const gla_element *e) { return (double)gla_draw_below(e->draw, 5) - 2; }

static double gate_open_or_shut(const gla_element *e) { return gla_draw_below(e->draw, 8) == 0 ? -INFINITY : 0; }

/* ---- half: everything 1, every decay a = e^ln(1/2) (a^2 with value gates): S_t = (1 - a^t) / (1 -
 * a) ---- */

static double one(const gla_element *e) { return 1; }

static double gate_half(const gla_element *e) { return LN_HALF; }

/* ---- impulse: one token t0 writes; o is 0 before it and the decayed read of that token after ----
 */

static double impulse(const gla_element *e) {
    gla_draw place = {e->draw.seed, STREAM_IMPULSE, 0};
    if (e->tensor == GLA_IN_INITIAL_STATE) return 0;
    if (e->tensor == GLA_IN_K && e->at[1] != (int64_t)gla_draw_below(place, (uint32_t)e->spec->T)) return 0;
    return normal(e);
}

const gla_family gla_families[] = {
    {"mild", "the formula itself is wrong: ordinary operands, gates as a trained layer makes them", 67, false, false,
     normal, gate_mild},
    {"strong", "decays are divided by, or anchored too far away: a chunk's total decay is far below 1", 67, false,
     false, normal, gate_strong},
    {"spike", "a gate of -1e4 swallows the digits of its neighbours in a running sum, or overflows", 67, false, false,
     normal, gate_spike},
    {"reset",
     "a gate of -inf, an exact reset, became NaN (-inf minus -inf, or 0 times inf) or leaked the "
     "past",
     67, false, false, normal, gate_reset},
    {"keep", "gates were stored as alpha or in a narrow format: decays this close to 1 have rounded to 1", 509, false,
     false, normal, gate_keep},
    {"mixed", "a scale or a range was assumed: magnitudes run from 1e-9 to 1e9", 67, false, false, mixed, gate_mild},
    {"cancel", "the state or a partial sum is kept too narrow: o is a small difference of large terms", 67, false,
     false, cancel, gate_faint},
    {"integers", "any difference at all is a wrong term, not rounding: every intermediate is a small integer", 67,
     false, true, integer, gate_open_or_shut},
    {"half", "a decay is applied once too often or too rarely: o = s dk (1 - a^t) / (1 - a) with a = 1/2", 67, false,
     false, one, gate_half},
    {"tail", "the last chunk is not masked: T = 64 + 1 leaves one token in it", 65, false, false, normal, gate_mild},
    {"varlen", "state, sums or tokens cross a sequence boundary, or an empty or length-1 sequence is lost", 131, true,
     false, normal, gate_mild},
    {"impulse",
     "a token reaches outputs that it must not, or decays a step early or late: only one token "
     "writes",
     67, false, false, impulse, gate_mild},
    {NULL, NULL, 0, false, false, NULL, NULL},
};

const gla_family *gla_family_named(const char *name) {
    for (const gla_family *f = gla_families; f->name; f++)
        if (name && strcmp(f->name, name) == 0) return f;
    return NULL;
}
