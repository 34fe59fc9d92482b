/* SPDX-License-Identifier: Apache-2.0
 *
 * Named probes given by words: what becomes of infinities, NaN and the signs of zeros (P21), and which bits of a tf32
 * operand count (P17').
 */
#include <string.h>

#include "cases.h"
#include "points_parts.h"

static uint64_t fractions(const gla_probe_format *f) { return ((uint64_t)1 << f->fraction) - 1; }
static uint64_t infinity(const gla_probe_format *f) { return gla_probe_sign(f) - 1 - fractions(f); }

/* 0x7fffffff or 0x7fff; not said of f64. */
static void expect_nan(const points *p, gla_probe_point *point) {
    point->expected = gla_probe_sign(p->result) - 1;
    point->expectation = p->result->bytes == 8 ? GLA_PROBE_RECORD : GLA_PROBE_WORD;
}

static void expect(gla_probe_point *point, uint64_t word) {
    point->expected = word;
    point->expectation = GLA_PROBE_WORD;
}

/* x y at k = 0, the middle and the end, among +0. */
static void product(points *p, gla_probe_point point, uint64_t x, uint64_t y) {
    const size_t at[3] = {0, p->K / 2, p->K - 1};
    for (int j = 0; j < 3; j++) {
        gla_probe_point copy = point;
        copy.a[at[j]] = x;
        copy.b[at[j]] = y;
        point_add(p, &copy);
    }
}

/* ---- NaN: several payloads, both signs, each operand ---- */

static size_t nans(const gla_probe_format *f, uint64_t word[8]) {
    uint64_t low = (uint64_t)1 << f->low, half = (uint64_t)1 << (f->fraction - 1);
    uint64_t ieee[3] = {infinity(f) | low, infinity(f) | half, gla_probe_sign(f) - 1};
    size_t count = 0;
    for (size_t j = f->reserved ? 0 : 2; j < 3; j++) { /* e4m3 has one NaN of each sign */
        word[count++] = ieee[j];
        word[count++] = ieee[j] | gla_probe_sign(f);
    }
    return count;
}

static void nan_probes(points *p) {
    uint64_t word[8], one_a = gla_probe_encode(p->a, 1), one_b = gla_probe_encode(p->b, 1);
    gla_probe_point point = {.id = "P21n"};
    expect_nan(p, &point);
    for (size_t j = nans(p->a, word); j-- > 0;) {
        product(p, point, word[j], one_b);
        product(p, point, word[j], 0);
    }
    for (size_t j = nans(p->b, word); j-- > 0;) product(p, point, one_a, word[j]);
    for (size_t j = nans(p->result, word); j-- > 0;) {
        point.c = word[j];
        product(p, point, one_a, one_b);
    }
}

/* ---- infinities ---- */

static void infinity_probes(points *p) {
    uint64_t a = infinity(p->a), c = infinity(p->result), one_a = gla_probe_encode(p->a, 1);
    uint64_t one_b = gla_probe_encode(p->b, 1), minus = gla_probe_sign(p->result);
    gla_probe_point point = {.id = "P21i", .c = c};
    expect(&point, c);
    product(p, point, one_a, one_b);
    point.c = minus | c;
    expect(&point, minus | c);
    product(p, point, one_a, one_b);
    if (!p->a->reserved) return;
    expect_nan(p, &point);
    product(p, point, a, one_b); /* inf - inf through c */
    point.c = 0;
    product(p, point, a, 0);
    point.a[1] = a | gla_probe_sign(p->a);
    point.b[1] = one_b;
    product(p, point, a, one_b); /* inf - inf in one sum */
    point.a[1] = 0;
    expect(&point, c);
    product(p, point, a, one_b);
    expect(&point, minus | c);
    product(p, point, a, one_b | gla_probe_sign(p->b));
}

/* ---- zeros ---- */

/* (b): all products and c zero, of these signs. */
static void all_zero(points *p, bool minus_a, bool minus_b, bool minus_c) {
    gla_probe_point point = {.id = "P21b", .c = minus_c ? gla_probe_sign(p->result) : 0};
    for (size_t k = 0; k < p->K; k++) {
        point.a[k] = minus_a ? gla_probe_sign(p->a) : 0;
        point.b[k] = minus_b ? gla_probe_sign(p->b) : 0;
    }
    point_add(p, &point);
}

/* (a): results of either sign too small for the result's format; 1 - 1 beside a zero or a vanishing c. */
static void vanishing(points *p, bool negative) {
    uint64_t sign_a = negative ? gla_probe_sign(p->a) : 0, sign_c = negative ? gla_probe_sign(p->result) : 0;
    int least = 2 - (1 << (p->result->exponent - 1)) - p->result->fraction; /* exponent of the least subnormal */
    gla_probe_point point = {.id = "P21a"};
    double half = 1;
    for (int e = 0; e > least / 2 - 1; e--) half /= 2; /* half half = a quarter of the least, about */
    if (p->result->bytes < 8) product(p, point, sign_a | gla_probe_encode(p->a, half), gla_probe_encode(p->b, half));
    point.id = "P21z";
    point.a[1] = gla_probe_encode(p->a, -1);
    point.b[1] = gla_probe_encode(p->b, 1);
    point.c = sign_c;
    expect(&point, 0);
    if (p->downward) point.expectation = GLA_PROBE_RECORD;
    product(p, point, gla_probe_encode(p->a, 1), gla_probe_encode(p->b, 1));
    point.id = "P21c";
    point.c = sign_c | 1;
    point.expectation = GLA_PROBE_RECORD;
    product(p, point, gla_probe_encode(p->a, 1), gla_probe_encode(p->b, 1));
}

void point_specials(points *p) {
    nan_probes(p);
    infinity_probes(p);
    for (int signs = 0; signs < 8; signs++) all_zero(p, signs & 1, signs & 2, signs & 4);
    vanishing(p, false);
    vanishing(p, true);
}

/* ---- tf32 ---- */

void point_tf32_words(points *p) {
    uint64_t one = gla_probe_encode(p->a, 1);
    const struct {
        uint64_t word, read_as;
    } dropped[4] = {{0x3f801000, 0x3f800000}, {0x3f803000, 0x3f802000}, {0x3f801fff, 0x3f800000}, {0x00001fff, 0}};
    for (int j = 0; j < 4; j++) {
        gla_probe_point point = {.id = "P17'"};
        expect(&point, dropped[j].read_as);
        product(p, point, dropped[j].word, one);
        product(p, point, one, dropped[j].word);
    }
    gla_probe_point point = {.id = "P21t"}; /* a NaN whose payload is all in the bits that are dropped */
    product(p, point, 0x7f800001, one);
    product(p, point, 0xff801fff, one);
    product(p, point, one, 0x7f800001);
    product(p, point, 0x7f800001, 0);
}
