/* SPDX-License-Identifier: Apache-2.0
 *
 * The named probes (points.h). Which probes an instruction gets is decided by its formats.
 */
#include "points.h"

#include <stdlib.h>
#include <string.h>

#include "cases.h"
#include "points_parts.h"

/* ---- one probe ---- */

void point_add(points *p, const gla_probe_point *point) {
    if (p->out && p->count < p->limit) p->out[p->count] = *point;
    p->count++;
}

/* Where term j of `terms` goes: in order from 0, in order to K - 1 backwards, spread out, rotated by half. */
static size_t place(size_t arrangement, size_t j, size_t terms, size_t K) {
    switch (arrangement) {
    case 0:
        return j;
    case 1:
        return K - 1 - j;
    case 2:
        return terms > 1 ? j * (K - 1) / (terms - 1) : K / 2;
    default:
        return (j + K / 2) % K;
    }
}

/* Terms of which both factors are 0 take no place. */
static void numeric_at(points *p, const point_sum *s, size_t arrangement, bool mirrored) {
    gla_probe_point point = {.id = s->id, .expectation = s->known ? GLA_PROBE_VALUE : GLA_PROBE_RECORD};
    double sign = mirrored ? -1 : 1;
    size_t terms = POINT_TERMS;
    while (terms > 0 && s->term[terms - 1][0] == 0 && s->term[terms - 1][1] == 0) terms--;
    for (size_t j = 0; j < terms; j++) {
        size_t k = place(arrangement, j, terms, p->K);
        point.a[k] = gla_probe_encode(p->a, sign * s->term[j][0]);
        point.b[k] = gla_probe_encode(p->b, s->term[j][1]);
    }
    point.c = gla_probe_encode(p->result, sign * s->c);
    point.expected = gla_probe_encode(p->result, sign * s->expected);
    point_add(p, &point);
}

static void numeric(points *p, const point_sum *s) {
    bool ordered = p->result->bytes == 8; /* not backwards */
    for (size_t arrangement = 0; arrangement < 4; arrangement++)
        for (int mirrored = 0; mirrored < 2 && !(ordered && arrangement == 1); mirrored++)
            numeric_at(p, s, arrangement, mirrored);
}

static void triple(points *p, const size_t k[3], double sign, double x, double y) {
    double a[3] = {sign, sign * x, -sign}, b[3] = {1, y, 1};
    gla_probe_point point = {.id = "P6", .expectation = GLA_PROBE_VALUE};
    for (int j = 0; j < 3; j++) {
        point.a[k[j]] = gla_probe_encode(p->a, a[j]);
        point.b[k[j]] = gla_probe_encode(p->b, b[j]);
    }
    point.expected = gla_probe_encode(p->result, sign * x * y);
    point_add(p, &point);
}

/* P6: 1, x y, -1 at k = i < j < l, all of them up to K = 16: a hidden split of the sum shows. */
static void triples(points *p, double x, double y) {
    static const size_t some[14] = {0, 1, 2, 3, 4, 7, 8, 15, 16, 17, 23, 24, 30, 31};
    size_t count = p->K <= 16 ? p->K : 14;
    for (size_t i = 0; i < count; i++)
        for (size_t j = i + 1; j < count; j++)
            for (size_t l = j + 1; l < count; l++)
                for (double sign = 1; sign >= -1; sign -= 2) {
                    size_t k[3] = {p->K <= 16 ? i : some[i], p->K <= 16 ? j : some[j], p->K <= 16 ? l : some[l]};
                    triple(p, k, sign, x, y);
                }
}

/* ---- which probes an instruction gets ---- */

static bool is(const gla_probe_format *f, const char *name) { return strcmp(f->name, name) == 0; }

static void sums(points *p, const point_sum *list) {
    for (const point_sum *s = list; s->id; s++) numeric(p, s);
}

/* P8: 1 + (K - 1) 2^-25, cut to multiples of 2^-23. */
static void many_small(points *p) {
    point_sum s = {.id = "P8", .known = true, .expected = 1 + (double)((p->K - 1) / 4) * 0x1p-23};
    for (size_t j = 0; j < p->K; j++) {
        s.term[j][0] = j ? 0x1p-12 : 1;
        s.term[j][1] = j ? 0x1p-13 : 1;
    }
    numeric(p, &s);
}

/* P18d: 64 and 2^-18 at k = 0 and 1, another 2^-18 at j: seen only by the half of the emulation that j is in. */
static void interleave(points *p) {
    for (size_t j = 2; j < p->K; j++) {
        gla_probe_point point = {.id = "P18d", .expectation = GLA_PROBE_VALUE};
        double small_a = is(p->a, "e4m3") ? 0x1p-9 : 0x1p-12, small_b = 0x1p-18 / small_a;
        if (is(p->b, "e4m3")) small_a = 0x1p-18 / (small_b = 0x1p-9);
        point.a[0] = gla_probe_encode(p->a, 8);
        point.b[0] = gla_probe_encode(p->b, 8);
        point.a[1] = point.a[j] = gla_probe_encode(p->a, small_a);
        point.b[1] = point.b[j] = gla_probe_encode(p->b, small_b);
        point.expected = gla_probe_encode(p->result, j % 4 < 2 ? 64 + 0x1p-17 : 64);
        point_add(p, &point);
    }
}

static void wide_probes(points *p) { /* 16-bit and tf32 operands, f32 result */
    bool wide_range = !is(p->a, "f16");
    sums(p, point_sums_f32);
    sums(p, wide_range ? point_sums_wide_range : point_sums_f16_operands);
    if (is(p->a, "tf32")) point_tf32_words(p);
    if (wide_range) sums(p, is(p->a, "tf32") ? point_sums_tf32 : point_sums_bf16);
    many_small(p);
    triples(p, 0x1p-12, 0x1p-12);
}

static void byte_probes(points *p, bool emulated) { /* 8-bit operands */
    if (is(p->result, "f32"))
        sums(p, emulated ? point_sums_byte_emulated : point_sums_byte_f32);
    else if (!emulated)
        sums(p, point_sums_byte_f16);
    if (emulated && is(p->result, "f32")) interleave(p);
    if (!emulated) triples(p, 0x1p-6, 0x1p-7);
}

size_t gla_probe_points(const gla_probe_instruction *i, gla_probe_point *out, size_t limit) {
    points p = {.out = out,
                .limit = limit,
                .K = (size_t)i->K,
                .a = gla_probe_format_named(i->a),
                .b = gla_probe_format_named(i->b),
                .result = gla_probe_format_named(i->result),
                .downward = strcmp(i->rounding, "rm") == 0};
    if (p.a->bytes == 1) {
        byte_probes(&p, strcmp(i->family, "mma") == 0);
    } else if (is(p.result, "f64")) {
        if (strcmp(i->rounding, "rn") == 0) sums(&p, point_sums_f64);
    } else if (is(p.result, "f16")) {
        sums(&p, point_sums_f16);
        triples(&p, 0x1p-12, 0x1p-12);
    } else {
        wide_probes(&p);
    }
    point_specials(&p);
    return p.count;
}

bool gla_probe_as_expected(const gla_probe_instruction *i, const gla_probe_point *p, uint64_t word) {
    uint64_t sign = gla_probe_sign(gla_probe_format_named(i->result));
    bool zeros = p->expectation == GLA_PROBE_VALUE && ((word | p->expected) & (sign - 1)) == 0;
    return p->expectation == GLA_PROBE_RECORD || word == p->expected || zeros;
}
