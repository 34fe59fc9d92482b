/* SPDX-License-Identifier: Apache-2.0
 *
 * The datapath inside the special function unit: the fraction's high bits pick a segment, its low bits, left-aligned in
 * 17, are r, and
 *
 *     sum = a 2^shift + bias + b r + c square(r)
 *
 * is an exact integer, of which the function keeps the high bits (mufu.c). square is the only place that loses bits
 * before that: partial products r 2^j are cut one by one.
 *
 * a, b, c, shift and bias are in mufu_tables.c, which the program tests/fast/hardware/fit_mufu.c writes
 * (`make mufu-tables`) from words that a device returned, given no more than what this header and mufu.c say.
 */
#ifndef GLASSBOX_MUFU_UNIT_H
#define GLASSBOX_MUFU_UNIT_H

#include <stdint.h>

enum { GLA_MUFU_REST = 17, GLA_MUFU_FRACTION = 23 }; /* bits of r; of a binary32 fraction */

typedef struct gla_mufu_segment {
    int32_t a, b, c;
} gla_mufu_segment;

typedef struct gla_mufu_unit {
    const gla_mufu_segment *segment;
    int shift;
    int32_t bias;
} gla_mufu_unit;

/* The sum's unit is 2^-38 for ex2 and lg2, 2^-40 for rcp and rsq. */
extern const gla_mufu_unit gla_mufu_ex2_unit; /* 64 segments of 2^f, 0 <= f < 1 */
extern const gla_mufu_unit gla_mufu_rcp_unit; /* 128 of 1/x, 1 <= x < 2; r has 16 bits and a zero */
extern const gla_mufu_unit gla_mufu_rsq_unit; /* 128 of 1/sqrt(x), 1 <= x < 4 */
extern const gla_mufu_unit gla_mufu_lg2_unit; /* 64 of log2 x, 1 <= x < 2 */

/* r^2 / 2^19, r < 2^17, as the unit's squarer makes it: half the sum of floor(r / 2^(18 - j)) over the set bits j of r.
 * Of r = h 2^9 + l that is h^2, and twice each cut product of a bit of h with l. */
static inline uint32_t gla_mufu_square(uint32_t r) {
    const uint32_t h = r >> 9, l = r & 511;
    uint32_t cross = 0;
    for (int j = 0; j < 8; j++) cross += -(h >> j & 1) & l >> (9 - j);
    return (h * h >> 1) + cross;
}

static inline int64_t gla_mufu_sum(const gla_mufu_unit *unit, uint32_t segment, uint32_t r) {
    const gla_mufu_segment *s = &unit->segment[segment];
    return ((int64_t)s->a << unit->shift) + unit->bias + (int64_t)s->b * r + (int64_t)s->c * gla_mufu_square(r);
}

#endif
