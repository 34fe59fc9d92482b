/* SPDX-License-Identifier: Apache-2.0
 *
 * How the values of a random class are drawn (cases.h). Each draw is named by (seed, instruction, class, tile, role,
 * index): nothing depends on the order of the calls.
 */
#ifndef GLASSBOX_PROBE_DRAWS_H
#define GLASSBOX_PROBE_DRAWS_H

#include "cases.h"

typedef enum draw_role { DRAW_A, DRAW_B, DRAW_C, DRAW_TILE, DRAW_PAIR, DRAW_OUTLIER } draw_role;

/* A tile and what all its values share. */
typedef struct draws {
    uint64_t seed;
    uint32_t instruction, klass, tile;
    gla_probe_kind kind;               /* a chain's tile: window, normal or cancel */
    size_t K, length;                  /* of an instruction; of a row */
    const gla_probe_format *format[3]; /* of A, B and C */
    int product;                       /* exponent of a typical product */
    int centre[2];                     /* of A's and B's exponents */
    int width, spread;                 /* exponents: centre of the row +- width; the rows' centres: +- spread */
    uint32_t multiplier, shift;        /* cancel: k' = k multiplier + shift mod K; partners are k' = 2j, 2j + 1 */
    uint32_t density;                  /* zeros, specials: of 16 values how many are something else */
} draws;

draws draws_of_tile(uint64_t seed, const gla_probe_instruction *i, const gla_probe_class *c, size_t tile);

/* Element k of row (column) `row` of A (B). */
uint64_t draw_operand(const draws *d, draw_role role, size_t row, size_t k);
/* Element `index` of C. */
uint64_t draw_addend(const draws *d, size_t index);

#endif
