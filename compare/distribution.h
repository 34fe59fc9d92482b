/* SPDX-License-Identifier: Apache-2.0
 *
 * Tier 3: the errors of a whole tensor against what the declared roundings scatter.
 *
 * Of an element whose bound is random in the main, the error has the standard deviation sigma,
 *     sigma^2 = 0.1803 (var + (u_o o)^2)      var: error.h; the second term if the dtype's rounding of o is inexact
 * so z = error / sigma has a mean square of 1. It speaks where sampling noise hides nothing: rms z over the tensor,
 * over each head of a sequence, each block of 64 tokens (of a state: 64 rows) and each group of 16 columns of a head,
 * if at least 2048 of a group's elements take part (right kernels of a thousand elements were seen leaning by 0.39);
 * and the bias, the mean of z sign(truth), over the tensor.
 *
 * Takes part: sigma > 0 and det <= sigma / 4 before the dtype's rounding. Systematic errors of that size raise the mean
 * square by 1/16 at most; beyond that a small z would say nothing. Gate gradients by differences, tf32 by truncation
 * and sums of many gates are out by this rule. A tensor with fewer than half its elements distinct in magnitude is out
 * altogether: equal numbers make equal roundings, which are not independent.
 *
 * Limits. A group of n fails above
 *     1.06 c sqrt(1 + mean (det/sigma)^2) + 6 s,          the bias beyond   mean det/sigma + |b| + 5 s_b
 * 1.06: 0.1803 holds for significands spread log-uniformly; for uniform ones it is 0.167, for those drawn from other
 * smooth laws within 0.16..0.2, which is 6 % of rms z. s is the model's own scatter of rms z: 1/sqrt(2n) if all n were
 * independent (chi-square), and 1/sqrt(n) for the bias. They are not: one rounded state feeds 64 rows, and operands of
 * one sign add its error in all of them alike. So whoever exceeds the limit with c = 1, b = 0 and that s is compared
 * with right kernels on this very problem: the profile emulated once to nearest (c, at least 1; b) and 3 to 8 times,
 * until it is within the limits, with independent dithered roundings, whose standard deviation over the runs replaces s
 * where it is larger. Six standard deviations and emulation's agreement make it FAIL, not MARGINAL: the profile claims
 * independent roundings only there. Below 0.5 it is a note, not a failure: the errors are smaller than the profile's,
 * is it the kernel you think it is?
 */
#ifndef GLASSBOX_DISTRIBUTION_H
#define GLASSBOX_DISTRIBUTION_H

#include <stdbool.h>
#include <stdint.h>

#include "../reference/status.h"

typedef enum gla_group { GLA_GROUP_TENSOR, GLA_GROUP_HEAD, GLA_GROUP_BLOCK, GLA_GROUP_COLUMNS, GLA_GROUPS } gla_group;
extern const char *const gla_group_names[GLA_GROUPS]; /* "tensor" "head" "64-row block" "16-column group" */

typedef struct gla_distribution {
    int64_t count;           /* elements that take part; 0: tier 3 does not apply */
    double rms_z, limit;     /* over the tensor */
    double bias, bias_limit; /* mean z sign(truth); its magnitude may reach bias_limit */
    struct {                 /* the group with the greatest rms z / limit */
        gla_group kind;
        int64_t at[4], count; /* its first element, and how many take part */
        double rms_z, limit;
    } worst;
    bool wide;     /* a group is over its limit */
    bool biased;   /* the bias is */
    bool emulated; /* the limits come from emulated kernels */
    bool too_good; /* rms z < 0.5 */
} gla_distribution;

/* One tensor's errors and their scale, dense in shape; states are [n,h,row,column], others [b,t,h,i]. */
typedef struct gla_scatter {
    int64_t shape[4];
    bool state;
    const double *want;
    double *sigma;       /* 0: does not take part */
    const double *drift; /* det */
} gla_scatter;

/* Which elements take part, by the rules above: sigma becomes 0 for the others. */
gla_status gla_scatter_select(gla_scatter *s);

/* Sums over the groups of a tensor. */
typedef struct gla_group_sum {
    int64_t count;
    double squares, signs, drift, drift2;
} gla_group_sum;
int64_t gla_group_count(const gla_scatter *s);
void gla_group_add(const gla_scatter *s, const double *value, gla_group_sum *sum); /* sum[gla_group_count], zeros */

/* Right kernels on the same problem: what was said of them, group by group. */
typedef struct gla_controls {
    int runs;                        /* dithered ones so far */
    double *nearest, *sum, *squares; /* rms z of each group, [gla_group_count]: to nearest; sums over the dithered */
    double bias, bias_sum, bias_squares;
} gla_controls;
gla_status gla_controls_new(const gla_scatter *s, gla_controls *c);
void gla_controls_add(const gla_scatter *s, const gla_group_sum *sum, bool dithered, gla_controls *c);
void gla_controls_free(gla_controls *c);

/* The verdict on the sums; controls NULL: the plain limits. */
void gla_distribution_judge(const gla_scatter *s, const gla_group_sum *sum, const gla_controls *controls,
                            gla_distribution *out);

#endif
