/* SPDX-License-Identifier: Apache-2.0
 *
 * The inputs of the device probe: a pure function of (seed, instruction, class, tile), the same in the probe, in
 * glassbox and in the tests. Random numbers are Philox4x32-10 keyed by the seed; no libm.
 *
 * Inputs come in tiles: M rows of A, N columns of B, `blocks` instructions' worth of k, and M x N values of C. All M x
 * N combinations of rows and columns are results, numbered (tile M + row) N + column within their class.
 */
#ifndef GLASSBOX_PROBE_CASES_H
#define GLASSBOX_PROBE_CASES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "instructions.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { GLA_PROBE_SEED = 20, GLA_PROBE_VERSION = 1 }; /* change the version when an input changes */

typedef enum gla_probe_kind {
    GLA_PROBE_BITS,     /* random bit patterns: mostly huge or special */
    GLA_PROBE_WINDOW,   /* exponents within a window that moves over the whole range, subnormals included */
    GLA_PROBE_NORMAL,   /* N(0,1), one in a thousand plus N(0,100^2) */
    GLA_PROBE_CANCEL,   /* products in pairs that nearly cancel, far larger than what is left */
    GLA_PROBE_ZEROS,    /* zeros of both signs among few others; results that underflow */
    GLA_PROBE_SPECIALS, /* infinities, NaN, zeros, the ends of the range, crossed */
    GLA_PROBE_CHAIN,    /* window, normal or cancel, by tile, over several blocks */
    GLA_PROBE_STALL,    /* 1/16 times 1/16 added to 0, 1, ..., 127 */
    GLA_PROBE_POINTS,   /* the named cases of points.h: row m and column n of tile t hold numbers P t + m % P and
                           P t + n % P, P = min(M, N); C goes with the column */
} gla_probe_kind;

typedef struct gla_probe_class {
    const char *name;
    gla_probe_kind kind;
    size_t results; /* 0: as many tiles as it takes */
    size_t blocks;
} gla_probe_class;

extern const gla_probe_class gla_probe_classes[]; /* ends with name NULL; the order is part of the draws */

/* How many tiles the class has for this instruction. */
size_t gla_probe_tiles(const gla_probe_instruction *i, const gla_probe_class *c);

/* One tile, as words in the low bits: a [M, blocks K], b [N, blocks K], c [M, N]. */
void gla_probe_tile(uint64_t seed, const gla_probe_instruction *i, const gla_probe_class *c, size_t tile, uint64_t *a,
                    uint64_t *b, uint64_t *out_c);

/* ---- words of a format ---- */

/* x rounded to nearest even; overflow to infinity (e4m3: NaN). */
uint64_t gla_probe_encode(const gla_probe_format *f, double x);
uint64_t gla_probe_sign(const gla_probe_format *f); /* the sign bit */

/* Little-endian words of f->bytes each, and back. */
void gla_probe_pack(const gla_probe_format *f, const uint64_t *word, size_t count, void *bytes);
uint64_t gla_probe_unpack(const gla_probe_format *f, const void *bytes, size_t index);

/* ---- the check of a block of results ---- */

enum { GLA_PROBE_BLOCK = 4096 }; /* results */

/* The sum modulo 2^64, over the results of a block (the last may be short), of mix(low 32 bits, i) for the i-th result,
 * and of mix(high 32 bits, i + 4096) as well where results have 64 bits. mix is splitmix64's finisher of (i << 32 |
 * word), plus 0x9e3779b97f4a7c15 before it. */
uint64_t gla_probe_hash(const gla_probe_format *f, const uint64_t *word, size_t count);

#ifdef __cplusplus
}
#endif

#endif
