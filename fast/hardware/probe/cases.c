/* SPDX-License-Identifier: Apache-2.0
 *
 * Tiles and words of the probe (cases.h). How the values of a class are drawn: draws.c.
 */
#include "cases.h"

#include <stdlib.h>
#include <string.h>

#include "draws.h"
#include "points.h"

const gla_probe_class gla_probe_classes[] = {
    {"bits", GLA_PROBE_BITS, 1 << 19, 1},      {"window", GLA_PROBE_WINDOW, 1 << 19, 1},
    {"normal", GLA_PROBE_NORMAL, 1 << 18, 1},  {"cancel", GLA_PROBE_CANCEL, 1 << 18, 1},
    {"zeros", GLA_PROBE_ZEROS, 1 << 17, 1},    {"specials", GLA_PROBE_SPECIALS, 1 << 18, 1},
    {"chain4", GLA_PROBE_CHAIN, 1 << 16, 4},   {"chain8", GLA_PROBE_CHAIN, 1 << 16, 8},
    {"chain16", GLA_PROBE_CHAIN, 1 << 16, 16}, {"chain32", GLA_PROBE_CHAIN, 1 << 16, 32},
    {"chain64", GLA_PROBE_CHAIN, 1 << 16, 64}, {"stall", GLA_PROBE_STALL, 0, 64},
    {"points", GLA_PROBE_POINTS, 0, 1},        {NULL, GLA_PROBE_BITS, 0, 0},
};

static size_t side(const gla_probe_instruction *i) { return (size_t)(i->M < i->N ? i->M : i->N); }

size_t gla_probe_tiles(const gla_probe_instruction *i, const gla_probe_class *c) {
    if (c->kind == GLA_PROBE_STALL) return 1;
    if (c->kind == GLA_PROBE_POINTS) return (gla_probe_points(i, NULL, 0) + side(i) - 1) / side(i);
    return c->results / (size_t)(i->M * i->N);
}

static void stall_tile(const gla_probe_instruction *i, size_t length, uint64_t *a, uint64_t *b, uint64_t *c) {
    const gla_probe_format *result = gla_probe_format_named(i->result);
    uint64_t x = gla_probe_encode(gla_probe_format_named(i->a), 0x1p-4);
    uint64_t y = gla_probe_encode(gla_probe_format_named(i->b), 0x1p-4);
    for (size_t k = 0; k < (size_t)i->M * length; k++) a[k] = x;
    for (size_t k = 0; k < (size_t)i->N * length; k++) b[k] = y;
    for (size_t k = 0; k < (size_t)(i->M * i->N); k++) c[k] = gla_probe_encode(result, (double)(k % 128));
}

/* Points past the last are all +0. */
static void points_tile(const gla_probe_instruction *i, size_t tile, uint64_t *a, uint64_t *b, uint64_t *c) {
    size_t P = side(i), K = (size_t)i->K, count = gla_probe_points(i, NULL, 0);
    gla_probe_point *point = calloc(count + P, sizeof *point);
    if (point) gla_probe_points(i, point, count);
    for (size_t m = 0; point && m < (size_t)i->M; m++) memcpy(a + m * K, point[P * tile + m % P].a, K * sizeof *a);
    for (size_t n = 0; point && n < (size_t)i->N; n++) memcpy(b + n * K, point[P * tile + n % P].b, K * sizeof *b);
    for (size_t k = 0; point && k < (size_t)(i->M * i->N); k++) c[k] = point[P * tile + k % (size_t)i->N % P].c;
    free(point);
}

void gla_probe_tile(uint64_t seed, const gla_probe_instruction *i, const gla_probe_class *c, size_t tile, uint64_t *a,
                    uint64_t *b, uint64_t *out_c) {
    size_t length = c->blocks * (size_t)i->K;
    if (c->kind == GLA_PROBE_STALL) {
        stall_tile(i, length, a, b, out_c);
        return;
    }
    if (c->kind == GLA_PROBE_POINTS) {
        points_tile(i, tile, a, b, out_c);
        return;
    }
    draws d = draws_of_tile(seed, i, c, tile);
    for (size_t m = 0; m < (size_t)i->M; m++)
        for (size_t k = 0; k < length; k++) a[m * length + k] = draw_operand(&d, DRAW_A, m, k);
    for (size_t n = 0; n < (size_t)i->N; n++)
        for (size_t k = 0; k < length; k++) b[n * length + k] = draw_operand(&d, DRAW_B, n, k);
    for (size_t k = 0; k < (size_t)(i->M * i->N); k++) out_c[k] = draw_addend(&d, k);
}

/* ---- words ---- */

uint64_t gla_probe_sign(const gla_probe_format *f) { return (uint64_t)1 << (f->exponent + f->fraction); }

uint64_t gla_probe_encode(const gla_probe_format *f, double x) {
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    if (f->fraction == 52) return bits;
    uint64_t sign = bits >> 63 ? gla_probe_sign(f) : 0, fraction = bits & (((uint64_t)1 << 52) - 1);
    int kept = f->fraction - f->low, bias = (1 << (f->exponent - 1)) - 1, top = (1 << f->exponent) - 1;
    int exponent = (int)(bits >> 52 & 0x7ff) - 1023 + bias;
    uint64_t significand = fraction | (uint64_t)1 << 52, magnitude;
    if ((bits << 1) == 0) return sign;
    int cut = 52 - kept + (exponent < 1 ? 1 - exponent : 0); /* bits that are lost */
    if (cut > 54) return sign;
    magnitude = significand >> cut;
    uint64_t rest = significand & (((uint64_t)1 << cut) - 1), half = (uint64_t)1 << (cut - 1);
    if (rest > half || (rest == half && magnitude & 1)) magnitude++;
    if (exponent > 1) magnitude += (uint64_t)(exponent - 1) << kept; /* the hidden bit counts one */
    uint64_t past = f->reserved ? (uint64_t)top << kept : ((uint64_t)(top + 1) << kept) - 1;
    return sign | (magnitude < past ? magnitude : past) << f->low;
}

void gla_probe_pack(const gla_probe_format *f, const uint64_t *word, size_t count, void *bytes) {
    unsigned char *to = bytes;
    for (size_t k = 0; k < count; k++)
        for (int j = 0; j < f->bytes; j++) *to++ = (unsigned char)(word[k] >> 8 * j);
}

uint64_t gla_probe_unpack(const gla_probe_format *f, const void *bytes, size_t index) {
    const unsigned char *from = (const unsigned char *)bytes + index * (size_t)f->bytes;
    uint64_t word = 0;
    for (int j = 0; j < f->bytes; j++) word |= (uint64_t)from[j] << 8 * j;
    return word;
}

static uint64_t mix(uint32_t word, uint64_t index) {
    uint64_t z = (index << 32 | word) + 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

uint64_t gla_probe_hash(const gla_probe_format *f, const uint64_t *word, size_t count) {
    uint64_t sum = 0;
    for (size_t k = 0; k < count; k++) {
        sum += mix((uint32_t)word[k], k);
        if (f->bytes == 8) sum += mix((uint32_t)(word[k] >> 32), k + GLA_PROBE_BLOCK);
    }
    return sum;
}
