/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of sweeps, and the arithmetic of their grids (study_sweep.h).
 */
#include "study_sweep.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const gla_sweep *const gla_sweeps[] = {&gla_study_overflow,
                                       &gla_study_state_format,
                                       &gla_study_chunk_size,
                                       &gla_study_accumulation,
                                       &gla_study_stochastic,
                                       &gla_study_growth,
                                       &gla_study_exponential,
                                       &gla_study_operands,
                                       &gla_study_gate_gradient,
                                       &gla_study_reset,
                                       NULL};

const gla_sweep *gla_sweep_named(const char *name) {
    for (const gla_sweep *const *s = gla_sweeps; *s; s++)
        if (strcmp((*s)->name, name) == 0) return *s;
    return NULL;
}

int gla_sweep_axes(const gla_sweep *s) {
    int axes = 0;
    while (axes < GLA_SWEEP_AXES && s->axis[axes].name) axes++;
    return axes;
}

int gla_sweep_figures(const gla_sweep *s) {
    int figures = 0;
    while (figures < GLA_SWEEP_FIGURES && s->figure[figures].name) figures++;
    return figures;
}

size_t gla_sweep_values(const gla_sweep_axis *a) {
    size_t values = 0;
    while (a->value[values]) values++;
    return values;
}

size_t gla_sweep_along(const gla_sweep *s) { return gla_sweep_values(&s->axis[gla_sweep_axes(s) - 1]); }

size_t gla_sweep_points(const gla_sweep *s) {
    size_t points = 1;
    for (int i = 0; i < gla_sweep_axes(s) - 1; i++) points *= gla_sweep_values(&s->axis[i]);
    return points;
}

size_t gla_sweep_rows(const gla_sweep *s) { return gla_sweep_points(s) * gla_sweep_along(s); }

gla_sweep_place gla_sweep_row_at(const gla_sweep *s, size_t row) {
    gla_sweep_place where = {{0}};
    for (int i = gla_sweep_axes(s) - 1; i >= 0; i--) {
        size_t values = gla_sweep_values(&s->axis[i]);
        where.at[i] = row % values;
        row /= values;
    }
    return where;
}

gla_sweep_place gla_sweep_point_at(const gla_sweep *s, size_t point) {
    return gla_sweep_row_at(s, point * gla_sweep_along(s));
}

const char *gla_sweep_text(const gla_sweep *s, gla_sweep_place where, int axis) {
    return s->axis[axis].value[where.at[axis]];
}

double gla_sweep_number(const char *value) {
    char *end;
    double x = strtod(value, &end);
    return *end == '^' ? pow(x, strtod(end + 1, NULL)) : x;
}

const char *gla_sweep_behind(const char *value) { return strchr(value, '@') + 1; }

size_t gla_sweep_shard_of(size_t point, size_t shards) { return 1 + point % shards; }
