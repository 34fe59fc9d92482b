/* SPDX-License-Identifier: Apache-2.0
 *
 * Values of operands, states, gates and scales by family (cases_values.h).
 */
#include "cases_values.h"

#include <math.h>

/* Streams 0 .. 7 are the first tensors themselves; cases.c uses those after this one. */
enum { STREAM_IMPULSE = 8 };

static const double LN_HALF = -0x1.62e43p-1; /* ln(1/2) rounded to binary32 */

static int within(int x, int least, int most) { return x < least ? least : x > most ? most : x; }

/* ---- operands and states ---- */

double gla_value_normal(const gla_element *e) { return gla_draw_normal(e->draw); }

double gla_value_one(const gla_element *e) { return 1; }

double gla_value_integer(const gla_element *e) { return (double)gla_draw_below(e->draw, 5) - 2; }

double gla_value_mixed(const gla_element *e) {
    int lo = -30, hi = 29;
    if (!gla_is_state_input(e->tensor)) {
        if (lo < e->spec->dtype->emin) lo = e->spec->dtype->emin;
        if (hi > e->spec->dtype->emax - 1) hi = e->spec->dtype->emax - 1; /* rounding up must not overflow */
    }
    int exponent = lo + (int)gla_draw_below(e->draw, (uint32_t)(hi - lo + 1));
    return gla_draw_sign(e->draw) * ldexp(1 + gla_draw_uniform(e->draw), exponent);
}

/* The state is nearly zero after every second token. */
double gla_value_cancel(const gla_element *e) {
    if (e->tensor == GLA_IN_INITIAL_STATE) return 0;
    if (e->tensor != GLA_IN_K && e->tensor != GLA_IN_V) return gla_value_normal(e);
    gla_draw first = e->draw; /* the element of token 0 */
    first.index -= (uint64_t)(e->at[1] * e->shape[2] * e->shape[3]);
    double x = gla_draw_normal(first);
    return e->tensor == GLA_IN_V && e->at[1] % 2 == 1 ? -x : x;
}

double gla_value_same_key(const gla_element *e) {
    gla_draw first = e->draw;
    if (e->tensor == GLA_IN_K) first.index -= (uint64_t)(e->at[1] * e->shape[2] * e->shape[3]);
    return gla_draw_normal(first);
}

/* o is 0 before the one token that writes, and the decayed read of it after. */
double gla_value_impulse(const gla_element *e) {
    gla_draw place = {e->draw.seed, STREAM_IMPULSE, 0};
    if (e->tensor == GLA_IN_INITIAL_STATE) return 0;
    if (e->tensor == GLA_IN_K && e->at[1] != (int64_t)gla_draw_below(place, (uint32_t)e->spec->T)) return 0;
    return gla_value_normal(e);
}

double gla_value_large_small(const gla_element *e) {
    double x = gla_value_normal(e);
    if (e->tensor != GLA_IN_K || e->at[1] % 64 >= 32) return x;
    return ldexp(x, within(26, 0, e->spec->dtype->emax - 3)); /* |x| < 6 */
}

/* k = j 2^(emin-p+1) with 1 <= |j| < 2^(p-1): lost altogether where subnormal numbers are flushed to zero. */
double gla_value_subnormal(const gla_element *e) {
    const gla_format *f = e->spec->dtype;
    double x = gla_value_normal(e);
    if (e->tensor == GLA_IN_Q) return ldexp(x, within(60, 0, f->emax - 3));
    if (e->tensor != GLA_IN_K) return x;
    double j = 1 + (double)gla_draw_below(e->draw, (1u << within(f->p - 1, 1, 20)) - 1);
    return gla_draw_sign(e->draw) * ldexp(j, f->emin - f->p + 1);
}

double gla_value_large_state(const gla_element *e) {
    double x = gla_value_normal(e);
    if (e->tensor != GLA_IN_INITIAL_STATE) return x;
    return ldexp(x, within(30, 0, e->spec->dtype->emax - 6)); /* room for the sum over dk channels */
}

double gla_value_zero_state(const gla_element *e) {
    return e->tensor == GLA_IN_INITIAL_STATE ? 0 : gla_value_normal(e);
}

/* [b,t,h,i], states [n,h,i,j]. */
static int64_t head_of(const gla_element *e) { return e->at[gla_is_state_input(e->tensor) ? 1 : 2]; }

double gla_value_heads(const gla_element *e) { return (double)(1 + head_of(e)) * gla_value_normal(e); }

/* ---- log gates ---- */

double gla_gate_strong(const gla_element *e) { return gla_log_sigmoid(gla_draw_normal(e->draw)); }

double gla_gate_mild(const gla_element *e) { return gla_gate_strong(e) / 16; }

static double gate_or(const gla_element *e, double rare) {
    return gla_draw_uniform(e->draw) < 0.02 ? rare : gla_gate_mild(e);
}

double gla_gate_spike(const gla_element *e) { return gate_or(e, -1e4); }

double gla_gate_reset(const gla_element *e) { return gate_or(e, -INFINITY); }

double gla_gate_keep(const gla_element *e) { return -0x1p-24 * gla_draw_uniform(e->draw); }

double gla_gate_faint(const gla_element *e) { return gla_gate_mild(e) * 0x1p-10; }

double gla_gate_open(const gla_element *e) { return 0; }

double gla_gate_open_or_shut(const gla_element *e) { return gla_draw_below(e->draw, 8) == 0 ? -INFINITY : 0; }

double gla_gate_half(const gla_element *e) { return LN_HALF; }

double gla_gate_pinned(const gla_element *e) { return -5; }

double gla_gate_staircase(const gla_element *e) { return e->at[1] % 16 < 8 ? -20 : -1e-3 * gla_draw_uniform(e->draw); }

double gla_gate_alternate(const gla_element *e) { return e->at[1] % 2 ? -30 : 0; }

double gla_gate_channels(const gla_element *e) { return e->at[3] % 3 ? -1e-3 * gla_draw_uniform(e->draw) : -50; }

/* At most three in any 64 tokens, so that no sum of them overflows binary32. */
double gla_gate_mask(const gla_element *e) { return e->at[1] % 29 == 7 ? -0x1.999998p+124 : gla_gate_mild(e); }

double gla_gate_wall(const gla_element *e) {
    static const int place[] = {0, 15, 16, 31, 63};
    for (size_t i = 0; i < sizeof place / sizeof place[0]; i++)
        if (e->at[1] % 64 == place[i]) return -INFINITY;
    return e->at[1] == e->spec->T - 1 ? -INFINITY : gla_gate_mild(e);
}

double gla_gate_bf16(const gla_element *e) { return gla_round(&gla_bf16, GLA_RN, gla_gate_mild(e), 0); }

double gla_gate_heads(const gla_element *e) { return ldexp(gla_gate_strong(e), -2 * (int)head_of(e)); }

/* ---- rates ---- */

double gla_rate_edges(const gla_element *e) {
    static const double edges[] = {0, 1, 0x1p-20, 1 - 0x1p-12, 2 - 0x1p-6};
    uint32_t place = gla_draw_below(e->draw, 8);
    return place < 5 ? edges[place] : 2 * gla_draw_uniform(e->draw) * (1 - 0x1p-7);
}

/* ---- scales ---- */

double gla_scale_dyadic(const gla_case_spec *s) {
    double x = 1;
    while (x * x * (double)s->dk > 1) x /= 2;
    return x;
}

double gla_scale_large(const gla_case_spec *s) { return ldexp(1.25, within(40, 0, s->dtype->emax - 8)); }

double gla_scale_small(const gla_case_spec *s) { return ldexp(1.25, within(-40, s->dtype->emin, 0)); }
