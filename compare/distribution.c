/* SPDX-License-Identifier: Apache-2.0
 *
 * Tier 3, group by group; the statistics and their limits are derived in distribution.h.
 */
#include "distribution.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 64, COLUMNS = 16, LEAST = 2048 };

static const double SLACK = 1.06, SIGMAS = 6, BIAS_SIGMAS = 5, DRIFT = 0.25, TOO_GOOD = 0.5;

const char *const gla_group_names[GLA_GROUPS] = {"tensor", "head", "64-row block", "16-column group"};

/* ---- which elements ---- */

static int by_size(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static int64_t elements(const int64_t shape[4]) { return shape[0] * shape[1] * shape[2] * shape[3]; }

gla_status gla_scatter_select(gla_scatter *s) {
    int64_t all = elements(s->shape), count = 0, distinct = 0;
    double *size = malloc((size_t)(all ? all : 1) * sizeof *size);
    if (!size) return GLA_NO_MEMORY;
    for (int64_t i = 0; i < all; i++) {
        if (!(s->sigma[i] > 0 && isfinite(s->sigma[i]) && s->drift[i] <= DRIFT * s->sigma[i])) s->sigma[i] = 0;
        if (s->sigma[i] > 0) size[count++] = fabs(s->want[i]);
    }
    qsort(size, (size_t)count, sizeof *size, by_size);
    for (int64_t i = 0; i < count; i++) distinct += i == 0 || size[i] != size[i - 1];
    if (2 * distinct < count || count < LEAST) memset(s->sigma, 0, (size_t)all * sizeof *s->sigma);
    free(size);
    return GLA_OK;
}

/* ---- groups: the tensor, then heads, blocks, columns, each in storage order of (sequence or batch, head) ---- */

typedef struct layout {
    int64_t heads, rows, blocks, columns; /* per (batch, head): blocks of rows, groups of columns */
    int64_t slices, first[GLA_GROUPS + 1];
} layout;

static layout layout_of(const gla_scatter *s) {
    layout l = {.heads = s->shape[s->state ? 1 : 2], .rows = s->shape[s->state ? 2 : 1]};
    l.blocks = (l.rows + ROWS - 1) / ROWS;
    l.columns = (s->shape[3] + COLUMNS - 1) / COLUMNS;
    l.slices = s->shape[0] * l.heads;
    const int64_t count[GLA_GROUPS] = {1, l.slices, l.slices * l.blocks, l.slices * l.columns};
    for (int g = 0; g < GLA_GROUPS; g++) l.first[g + 1] = l.first[g] + count[g];
    return l;
}

int64_t gla_group_count(const gla_scatter *s) { return layout_of(s).first[GLA_GROUPS]; }

static void groups_of(const gla_scatter *s, const layout *l, int64_t i, int64_t group[GLA_GROUPS]) {
    int64_t column = i % s->shape[3], c = i / s->shape[3] % s->shape[2];
    int64_t b = i / s->shape[3] / s->shape[2] % s->shape[1], outer = i / s->shape[3] / s->shape[2] / s->shape[1];
    int64_t slice = outer * l->heads + (s->state ? b : c), row = s->state ? c : b;
    group[GLA_GROUP_TENSOR] = 0;
    group[GLA_GROUP_HEAD] = l->first[GLA_GROUP_HEAD] + slice;
    group[GLA_GROUP_BLOCK] = l->first[GLA_GROUP_BLOCK] + slice * l->blocks + row / ROWS;
    group[GLA_GROUP_COLUMNS] = l->first[GLA_GROUP_COLUMNS] + slice * l->columns + column / COLUMNS;
}

/* The first element of a group. */
static void start_of(const gla_scatter *s, const layout *l, gla_group kind, int64_t group, int64_t at[4]) {
    int64_t i = group - l->first[kind], per = kind == GLA_GROUP_BLOCK     ? l->blocks
                                              : kind == GLA_GROUP_COLUMNS ? l->columns
                                                                          : 1;
    int64_t slice = kind == GLA_GROUP_TENSOR ? 0 : i / per;
    int64_t row = kind == GLA_GROUP_BLOCK ? i % per * ROWS : 0;
    at[0] = slice / l->heads;
    at[s->state ? 1 : 2] = slice % l->heads;
    at[s->state ? 2 : 1] = row;
    at[3] = kind == GLA_GROUP_COLUMNS ? i % per * COLUMNS : 0;
}

void gla_group_add(const gla_scatter *s, const double *value, gla_group_sum *sum) {
    layout l = layout_of(s);
    int64_t all = elements(s->shape), group[GLA_GROUPS];
    for (int64_t i = 0; i < all; i++) {
        if (!(s->sigma[i] > 0)) continue;
        double z = (value[i] - s->want[i]) / s->sigma[i], drift = s->drift[i] / s->sigma[i];
        groups_of(s, &l, i, group);
        for (int g = 0; g < GLA_GROUPS; g++) {
            gla_group_sum *to = &sum[group[g]];
            to->count++;
            to->squares += z * z;
            to->signs += s->want[i] < 0 ? -z : z;
            to->drift += drift;
            to->drift2 += drift * drift;
        }
    }
}

static double rms(const gla_group_sum *x) { return x->count ? sqrt(x->squares / (double)x->count) : 0; }
static double mean_sign(const gla_group_sum *x) { return x->count ? x->signs / (double)x->count : 0; }

/* ---- controls ---- */

gla_status gla_controls_new(const gla_scatter *s, gla_controls *c) {
    size_t groups = (size_t)gla_group_count(s);
    *c = (gla_controls){.nearest = calloc(3 * groups, sizeof(double))};
    if (!c->nearest) return GLA_NO_MEMORY;
    c->sum = c->nearest + groups;
    c->squares = c->sum + groups;
    return GLA_OK;
}

void gla_controls_free(gla_controls *c) {
    free(c->nearest);
    *c = (gla_controls){0};
}

void gla_controls_add(const gla_scatter *s, const gla_group_sum *sum, bool dithered, gla_controls *c) {
    int64_t groups = gla_group_count(s);
    double bias = mean_sign(&sum[GLA_GROUP_TENSOR]);
    if (!dithered) {
        c->bias = bias;
        for (int64_t g = 0; g < groups; g++) c->nearest[g] = rms(&sum[g]);
        return;
    }
    c->runs++;
    c->bias_sum += bias;
    c->bias_squares += bias * bias;
    for (int64_t g = 0; g < groups; g++) {
        double r = rms(&sum[g]);
        c->sum[g] += r;
        c->squares[g] += r * r;
    }
}

static double deviation(int runs, double sum, double squares) {
    if (runs < 2) return 0;
    return sqrt(fmax(squares - sum * sum / runs, 0) / (runs - 1));
}

/* ---- limits and the verdict ---- */

static double limit_of(const gla_group_sum *x, int64_t group, const gla_controls *c) {
    double n = (double)x->count, scatter = sqrt(0.5 / n), centre = 1;
    if (c) {
        scatter = fmax(scatter, deviation(c->runs, c->sum[group], c->squares[group]));
        centre = fmax(centre, fmax(c->nearest[group], c->sum[group] / c->runs));
    }
    return SLACK * centre * sqrt(1 + x->drift2 / n) + SIGMAS * scatter;
}

static double bias_limit_of(const gla_group_sum *x, const gla_controls *c) {
    double n = (double)x->count, scatter = sqrt(1 / n), centre = x->drift / n;
    if (c) {
        scatter = fmax(scatter, deviation(c->runs, c->bias_sum, c->bias_squares));
        centre += fmax(fabs(c->bias), fabs(c->bias_sum / c->runs));
    }
    return centre + BIAS_SIGMAS * scatter;
}

void gla_distribution_judge(const gla_scatter *s, const gla_group_sum *sum, const gla_controls *controls,
                            gla_distribution *out) {
    layout l = layout_of(s);
    *out = (gla_distribution){.count = sum->count, .emulated = controls != NULL};
    if (sum->count == 0) return;
    out->rms_z = rms(sum);
    out->limit = limit_of(sum, 0, controls);
    out->bias = mean_sign(sum);
    out->bias_limit = bias_limit_of(sum, controls);
    out->biased = !(fabs(out->bias) <= out->bias_limit);
    out->too_good = out->rms_z < TOO_GOOD;
    double worst = -1;
    for (int kind = 0; kind < GLA_GROUPS; kind++)
        for (int64_t g = l.first[kind]; g < l.first[kind + 1]; g++) {
            if (sum[g].count < LEAST) continue;
            double r = rms(&sum[g]), limit = limit_of(&sum[g], g, controls);
            if (!(r <= limit)) out->wide = true;
            if (r / limit <= worst) continue;
            worst = r / limit;
            out->worst.kind = (gla_group)kind;
            out->worst.count = sum[g].count;
            out->worst.rms_z = r;
            out->worst.limit = limit;
            start_of(s, &l, (gla_group)kind, g, out->worst.at);
        }
}
