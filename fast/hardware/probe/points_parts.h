/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of the named probes share: the list that grows, and probes given by numbers.
 */
#ifndef GLASSBOX_PROBE_POINTS_PARTS_H
#define GLASSBOX_PROBE_POINTS_PARTS_H

#include "points.h"

enum { POINT_TERMS = 32 };

typedef struct points {
    gla_probe_point *out; /* or NULL: only counted */
    size_t limit, count, K;
    const gla_probe_format *a, *b, *result;
    bool downward; /* f64 rounded toward -infinity, where 1 - 1 is -0 */
} points;

/* sum of term[j][0] term[j][1], plus c. Every number is one of its format. */
typedef struct point_sum {
    const char *id;
    double c, expected;
    bool known; /* there is an expectation */
    double term[POINT_TERMS][2];
} point_sum;

void point_add(points *p, const gla_probe_point *point);

/* points_sums.c; each ends with id NULL */
extern const point_sum point_sums_f32[];        /* 16-bit and tf32 operands, f32 result */
extern const point_sum point_sums_wide_range[]; /* bf16, tf32 */
extern const point_sum point_sums_f16_operands[], point_sums_bf16[], point_sums_tf32[];
extern const point_sum point_sums_f16[]; /* f16 operands, f16 result */
extern const point_sum point_sums_byte_f32[], point_sums_byte_f16[], point_sums_byte_emulated[];
extern const point_sum point_sums_f64[]; /* order matters */

/* points_specials.c: probes given by words */
void point_tf32_words(points *p); /* P17': which bits of an operand count */
void point_specials(points *p);   /* P21: infinities, NaN, signs of zeros */

#endif
