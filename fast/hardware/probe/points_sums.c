/* SPDX-License-Identifier: Apache-2.0
 *
 * The named probes that are sums of numbers. Beside each: what gives another result.
 */
#include "points_parts.h"

#define ONE_MINUS_ONE                                                                                                  \
    {1, 1}, { -1, 1 }

const point_sum point_sums_f32[] = {
    {"P1", 0, 0x1p-25, true, {ONE_MINUS_ONE, {0x1p-12, 0x1p-13}}},           /* F <= 24 */
    {"P2", 0, 0, true, {ONE_MINUS_ONE, {0x1p-13, 0x1p-13}}},                 /* F >= 26, rounded alignment */
    {"P3", 0, 0x1p-25, true, {ONE_MINUS_ONE, {0x1.8p-12, 0x1p-13}}},         /* rounded alignment, F +- 1 */
    {"P3-", 0, -0x1p-25, true, {ONE_MINUS_ONE, {-0x1.8p-12, 0x1p-13}}},      /* alignment toward -infinity */
    {"P4", 0, 0x1p-25, true, {{1.5, 1.5}, {-1.5, 1.5}, {0x1p-12, 0x1p-13}}}, /* normalised products */
    {"P4c", 0, 0, true, {{2.25, 1}, {-2.25, 1}, {0x1p-12, 0x1p-13}}},        /* the same values, split otherwise */
    {"P5", 0x1.8p-25, 0x1p-25, true, {ONE_MINUS_ONE}},                       /* c added late */
    {"P7", 0, 1, true, {{1, 1}, {0x1p-12, 0x1p-12}, {0x1p-12, 0x1p-13}}},    /* result rounded to nearest or down */
    {"P15", 0x1p-149, 0x1p-149, true, {{0}}},                                /* subnormals flushed */
    {"P22", 1, 1, true, {{0x1p-12, 0x1p-12}, {0x1p-12, 0x1p-13}}},           /* result rounded, from c */
    {NULL, 0, 0, false, {{0}}},
};

const point_sum point_sums_wide_range[] = {
    {"P9", 0, 0, true, {{0x1p-23, 0x1p-126}, {-0x1p-32, 0x1p-126}}},         /* F or floor lower */
    {"P9'", 0, 0x1p-149, true, {{0x1p-23, 0x1p-126}, {-0x1p-33, 0x1p-126}}}, /* no floor, -134, F = 26 */
    {"P10", 0, 0x1p-35, true, {{0, 0x1p127}, {0x1p-5, 0x1p-5}, {-0x1p-5, 0x1p-5}, {0x1p-17, 0x1p-18}}}, /* 0 counts */
    {"P12", 0, 0, true, {{0x1p127, 0x1p127}, {-0x1p127, 0x1p127}, {1, 1}}}, /* products overflow */
    {"P13", 0, 0x1p127, true, {{0x1p127, 2}, {-0x1p127, 1}}},               /* products overflow */
    {"P14", 0x1.fffffep127, 0x1.fffffep127, true, {{0x1p51, 0x1p52}}},      /* rounded to infinity */
    {"P14'", 0x1.fffffep127, 0x1p128, true, {{0x1p52, 0x1p52}}},            /* saturation */
    {NULL, 0, 0, false, {{0}}},
};

const point_sum point_sums_bf16[] = {
    {"P11", 0, 0, true, {{0x1p-133, 0x1p100}, {-0x1p-133, 0x1p100}, {0x1p-27, 0x1p-28}}}, /* subnormals normalised */
    {NULL, 0, 0, false, {{0}}},
};

const point_sum point_sums_f16_operands[] = {
    {"P10", 0, 0x1p-35, true, {{0, 0x1p15}, {0x1p-5, 0x1p-5}, {-0x1p-5, 0x1p-5}, {0x1p-17, 0x1p-18}}},
    {"P11'", 0, 0, true, {{0x1p-24, 1}, {-0x1p-24, 1}, {0x1p-24, 0x1p-24}}}, /* subnormals normalised */
    {NULL, 0, 0, false, {{0}}},
};

const point_sum point_sums_tf32[] = {
    {"P11", 0, 0, true, {{0x1p-136, 0x1p100}, {-0x1p-136, 0x1p100}, {0x1p-27, 0x1p-28}}},
    {NULL, 0, 0, false, {{0}}},
};

const point_sum point_sums_f16[] = {
    {"P11'", 0, 0, true, {{0x1p-24, 1}, {-0x1p-24, 1}, {0x1p-24, 0x1p-24}}},
    {"P15", 0x1p-24, 0x1p-24, true, {{0}}},
    {"P16", 1, 1 + 0x1p-10, true, {{0x1.8p-5, 0x1p-6}}},                  /* cut instead of rounded */
    {"P16'", 0, 0x1p-24, true, {{0x1p-12, 0x1p-13}, {0x1p-23, 0x1p-23}}}, /* floor -21 and F = 25 together */
    {"P16''", 0, 0, true, {{0x1p-12, 0x1p-13}, {0x1p-23, 0x1p-24}}},
    {NULL, 0, 0, false, {{0}}},
};

const point_sum point_sums_byte_f32[] = {
    {"P18", 1 + 0x1p-13, 1 + 0x1p-13, true, {{0}}},                /* F < 13 */
    {"P18b", 1 + 0x1p-14, 1, true, {{0}}},                         /* c kept whole */
    {"P18'", 0, 0x1p-13, true, {ONE_MINUS_ONE, {0x1p-6, 0x1p-7}}}, /* F = 12 */
    {"P18'b", 0, 0, true, {ONE_MINUS_ONE, {0x1p-7, 0x1p-7}}},      /* F = 14 */
    {"P15", 0x1p-149, 0, false, {{0}}},
    {NULL, 0, 0, false, {{0}}},
};

const point_sum point_sums_byte_f16[] = {
    {"P18'", 0, 0x1p-13, true, {ONE_MINUS_ONE, {0x1p-6, 0x1p-7}}},
    {"P18'b", 0, 0, true, {ONE_MINUS_ONE, {0x1p-7, 0x1p-7}}},
    {"P16", 1, 1 + 0x1p-10, true, {{0x1.8p-5, 0x1p-6}}},
    {"P15", 0x1p-24, 0, false, {{0}}},
    {NULL, 0, 0, false, {{0}}},
};

const point_sum point_sums_byte_emulated[] = {
    {"P18", 1 + 0x1p-13, 1 + 0x1p-13, true, {{0}}},
    {"P18b", 1 + 0x1p-14, 1 + 0x1p-14, true, {{0}}},
    {"P23", 64 + 0x1p-17, 64 + 0x1p-16, true, {{0x1p-9, 0x1p-9}}}, /* c added early, or with a cut */
    {"P15", 0x1p-149, 0x1p-149, true, {{0}}},
    {NULL, 0, 0, false, {{0}}},
};

/* c first, then k ascending: the small ones meet before 1 only where 1 comes last. */
const point_sum point_sums_f64[] = {
    {"P20", 1, 1, true, {{0x1p-53, 1}, {0x1p-53, 1}}},
    {"P20'", 0x1p-53, 1 + 0x1p-52, true, {{0x1p-53, 1}, {1, 1}}},
    {"P20''", 0x1p-53, 1, true, {{1, 1}, {0x1p-53, 1}}},
    {NULL, 0, 0, false, {{0}}},
};
