/* SPDX-License-Identifier: Apache-2.0
 *
 * The values of the random classes (draws.h).
 */
#include "draws.h"

#include <Random123/philox.h>

static philox4x32_ctr_t words(const draws *d, draw_role role, size_t index) {
    philox4x32_ctr_t counter = {{(uint32_t)index, d->tile, (uint32_t)role | d->klass << 8, d->instruction}};
    philox4x32_key_t key = {{(uint32_t)d->seed, (uint32_t)(d->seed >> 32)}};
    return philox4x32(counter, key);
}

/* 0 .. n-1 */
static int below(uint32_t word, int n) { return (int)((uint64_t)word * (uint64_t)n >> 32); }
static int within(uint32_t word, int least, int most) { return least + below(word, most - least + 1); }
static int largest(int x, int y) { return x > y ? x : y; }
static int smallest(int x, int y) { return x < y ? x : y; }

static int bias(const gla_probe_format *f) { return (1 << (f->exponent - 1)) - 1; }
static int least_exponent(const gla_probe_format *f) { return 1 - bias(f); }
static int most_exponent(const gla_probe_format *f) { return (1 << f->exponent) - 1 - f->reserved - bias(f); }

static uint64_t any_word(const gla_probe_format *f, const philox4x32_ctr_t *w) {
    uint64_t word = (uint64_t)w->v[1] << 32 | w->v[0];
    return f->bytes == 8 ? word : word & (((uint64_t)1 << 8 * f->bytes) - 1);
}

/* ---- one value of a given exponent ---- */

/* Random fractions, and often ones that make ties and carries: few bits, all ones, none. */
static uint64_t fraction_of(const gla_probe_format *f, uint32_t kind, uint64_t random) {
    uint64_t all = ((uint64_t)1 << f->fraction) - 1;
    switch (kind % 8) {
    case 0:
        return random & all & ~(all >> 2);
    case 1:
        return all;
    case 2:
        return 0;
    default:
        return random & all;
    }
}

/* Below the least exponent: a subnormal of any size. Stays finite. */
static uint64_t value_of(const gla_probe_format *f, bool negative, int exponent, uint64_t fraction) {
    int field = smallest(exponent, most_exponent(f)) + bias(f);
    uint64_t word = (uint64_t)largest(field, 0) << f->fraction | fraction;
    if (!f->reserved && word == gla_probe_sign(f) - 1) word--; /* e4m3's NaN */
    return word | (negative ? gla_probe_sign(f) : 0);
}

/* ---- tiles ---- */

static void choose_window(draws *d, const philox4x32_ctr_t *w, const philox4x32_ctr_t *x) {
    static const int widths[8] = {0, 1, 2, 3, 4, 8, 16, 30}, spreads[4] = {0, 0, 2, 6};
    const gla_probe_format *a = d->format[0], *b = d->format[1], *c = d->format[2];
    int least = largest(least_exponent(a) + least_exponent(b), least_exponent(c) - c->fraction - 4);
    int most = smallest(most_exponent(a) + most_exponent(b), most_exponent(c) - 3);
    d->product = within(w->v[0], least, most);
    d->centre[0] = within(w->v[1], largest(least_exponent(a), d->product - most_exponent(b)),
                          smallest(most_exponent(a), d->product - least_exponent(b)));
    d->centre[1] = d->product - d->centre[0];
    d->width = d->kind == GLA_PROBE_CANCEL ? below(w->v[2], 3) : widths[below(w->v[2], 8)];
    d->spread = spreads[below(w->v[3], 4)];
    d->multiplier = x->v[0] | 1;
    d->shift = x->v[1];
}

draws draws_of_tile(uint64_t seed, const gla_probe_instruction *i, const gla_probe_class *c, size_t tile) {
    static const gla_probe_kind chained[3] = {GLA_PROBE_WINDOW, GLA_PROBE_NORMAL, GLA_PROBE_CANCEL};
    static const uint32_t densities[4] = {0, 1, 4, 10};
    draws d = {
        .seed = seed,
        .instruction = (uint32_t)(i - gla_probe_instructions),
        .klass = (uint32_t)(c - gla_probe_classes),
        .tile = (uint32_t)tile,
        .kind = c->kind == GLA_PROBE_CHAIN ? chained[tile % 3] : c->kind,
        .K = (size_t)i->K,
        .length = (size_t)i->K * c->blocks,
        .format = {gla_probe_format_named(i->a), gla_probe_format_named(i->b), gla_probe_format_named(i->result)},
        .density = densities[tile % 4]};
    philox4x32_ctr_t w = words(&d, DRAW_TILE, 0), x = words(&d, DRAW_TILE, 1);
    choose_window(&d, &w, &x);
    return d;
}

/* ---- operands ---- */

static uint64_t window_operand(const draws *d, draw_role role, size_t row, const philox4x32_ctr_t *w) {
    const gla_probe_format *f = d->format[role];
    philox4x32_ctr_t r = words(d, DRAW_TILE, 2 + 2 * row + role);
    int exponent = d->centre[role] + within(r.v[0], -d->spread, d->spread) + within(w->v[2], -d->width, d->width);
    if (w->v[3] % 16 == 0) return w->v[3] & 16 ? gla_probe_sign(f) : 0;
    return value_of(f, w->v[3] & 32, exponent, fraction_of(f, w->v[3] >> 8, any_word(f, w)));
}

/* The sum of eight uniforms, brought to variance 1. */
static double normal(const philox4x32_ctr_t *w) {
    uint32_t sum = 0;
    for (int k = 0; k < 4; k++) sum += (w->v[k] & 0xffff) + (w->v[k] >> 16);
    return ((double)sum - 262140.0) * (1.224744871391589 / 65536.0);
}

static double outlying_normal(const draws *d, draw_role role, size_t index, const philox4x32_ctr_t *w) {
    philox4x32_ctr_t o = words(d, DRAW_OUTLIER, 4 * index + role);
    double x = normal(w);
    if (o.v[0] % 1000 != 0) return x;
    philox4x32_ctr_t far = words(d, DRAW_OUTLIER, 4 * index + 3);
    return x + 100 * normal(&far);
}

/* Pair j of a block: the second element is the first, in B with the other sign, often some last places away. One pair
 * in four is far smaller than the others, in all rows. */
static uint64_t cancel_operand(const draws *d, draw_role role, size_t row, size_t k) {
    const gla_probe_format *f = d->format[role];
    size_t block = k / d->K, place = ((k % d->K) * d->multiplier + d->shift) % d->K;
    size_t pair = (block * d->K + place) / 2, first = row * d->length + 2 * pair;
    bool second = place & 1;
    philox4x32_ctr_t w = words(d, role, first), p = words(d, DRAW_PAIR, pair);
    int exponent = d->centre[role] + within(w.v[2], -d->width, d->width);
    if (role == DRAW_A && p.v[0] % 4 == 0) exponent -= within(p.v[1], 3, 26);
    uint64_t word = value_of(f, w.v[3] & 1, exponent, fraction_of(f, w.v[3] >> 8, any_word(f, &w)));
    if (!second) return word;
    philox4x32_ctr_t s = words(d, role, first + 1);
    uint64_t low = (uint64_t)1 << f->low;
    if (s.v[0] % 4 == 0) word ^= low << s.v[1] % 3;
    if (!f->reserved && (word | gla_probe_sign(f)) == 2 * gla_probe_sign(f) - 1) word ^= low;
    return role == DRAW_B ? word ^ gla_probe_sign(f) : word;
}

static uint64_t zeros_value(const draws *d, const gla_probe_format *f, const philox4x32_ctr_t *w) {
    uint64_t sign = w->v[0] & 1 ? gla_probe_sign(f) : 0, low = (uint64_t)1 << f->low, one = gla_probe_encode(f, 1.0);
    if (w->v[0] >> 1 & 1 || (w->v[1] & 15) >= d->density) return sign;
    int half = within(w->v[2], least_exponent(f), 0); /* products of these may underflow */
    switch (w->v[3] % 8) {
    case 0:
        return sign | low;
    case 1:
        return sign | (uint64_t)1 << f->fraction;
    case 2:
    case 3:
        return sign | one;
    case 4:
        return value_of(f, sign != 0, least_exponent(f) / 2 - below(w->v[2], f->fraction + 2), 0);
    default:
        return value_of(f, sign != 0, half, fraction_of(f, w->v[3] >> 8, w->v[1] >> 4));
    }
}

/* Zeros, ends of the range, infinities, NaN with several payloads; both signs. */
static uint64_t special_value(const gla_probe_format *f, uint32_t word) {
    uint64_t fraction = ((uint64_t)1 << f->fraction) - 1, low = (uint64_t)1 << f->low;
    uint64_t top = gla_probe_sign(f) - 1, inf = top - fraction; /* all exponent bits; e4m3: 256 */
    uint64_t list[12] = {0,   low, fraction, fraction + 1, gla_probe_encode(f, 1.0), inf - 1,
                         inf, top, inf + 1,  inf + low,    inf + fraction / 2 + 1,   inf + fraction / 2 + 1 + low};
    return list[below(word << 1, 12)] | (word >> 31 ? gla_probe_sign(f) : 0);
}

/* Each row (column) has one special value, all at the same k, most tiles more. */
static uint64_t specials_operand(const draws *d, draw_role role, size_t k, const philox4x32_ctr_t *w) {
    const gla_probe_format *f = d->format[role];
    if (k == d->shift % d->K || (w->v[1] & 63) < d->density) return special_value(f, w->v[0]);
    return w->v[2] & 1 ? (w->v[2] & 2 ? gla_probe_sign(f) : 0) : gla_probe_encode(f, w->v[2] & 2 ? 1.0 : -0.5);
}

uint64_t draw_operand(const draws *d, draw_role role, size_t row, size_t k) {
    const gla_probe_format *f = d->format[role];
    if (d->kind == GLA_PROBE_CANCEL) return cancel_operand(d, role, row, k);
    size_t index = row * d->length + k;
    philox4x32_ctr_t w = words(d, role, index);
    switch (d->kind) {
    case GLA_PROBE_WINDOW:
        return window_operand(d, role, row, &w);
    case GLA_PROBE_NORMAL:
        return gla_probe_encode(f, outlying_normal(d, role, index, &w));
    case GLA_PROBE_ZEROS:
        return zeros_value(d, f, &w);
    case GLA_PROBE_SPECIALS:
        return specials_operand(d, role, k, &w);
    default:
        return any_word(f, &w);
    }
}

uint64_t draw_addend(const draws *d, size_t index) {
    const gla_probe_format *f = d->format[DRAW_C];
    philox4x32_ctr_t w = words(d, DRAW_C, index);
    bool cancel = d->kind == GLA_PROBE_CANCEL;
    switch (d->kind) {
    case GLA_PROBE_WINDOW:
    case GLA_PROBE_CANCEL:
        if (w.v[3] % 8 < (cancel ? 2 : 1)) return w.v[3] & 16 ? gla_probe_sign(f) : 0;
        return value_of(f, w.v[3] & 32, d->product + within(w.v[2], -30, cancel ? 0 : 6),
                        fraction_of(f, w.v[3] >> 8, any_word(f, &w)));
    case GLA_PROBE_NORMAL:
        return gla_probe_encode(f, outlying_normal(d, DRAW_C, index, &w));
    case GLA_PROBE_ZEROS:
        return zeros_value(d, f, &w);
    case GLA_PROBE_SPECIALS:
        return w.v[1] & 1 ? special_value(f, w.v[0]) : gla_probe_encode(f, (double)within(w.v[2], -2, 2));
    default:
        return any_word(f, &w);
    }
}
