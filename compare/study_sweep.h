/* SPDX-License-Identifier: Apache-2.0
 *
 * Sweeps: studies that measure the same figures at every place of a grid. A sweep is a row of data (question, axes,
 * figures, picture, text) and one function that measures.
 *
 *     axis[0] x axis[1] x ... x axis[last]        every combination is a row, the last axis running fastest
 *     point                                       one place on all axes but the last: one call of `measure`, which
 *                                                 fills the rows of the whole last axis
 *
 * A point is a function of (sweep, place, seed) alone. So points may run in any order, on any machine, in shards (point
 * p belongs to shard 1 + p mod n), and a run that was broken off goes on where it stopped.
 *
 * Texts are Markdown; [name axis=value ...] in `finding` stands for a figure of this run: the one row that the values
 * leave, or [max name ...], [min name ...] over the rows that they leave (what is not finite does not
 * count).
 */
#ifndef GLASSBOX_STUDY_SWEEP_H
#define GLASSBOX_STUDY_SWEEP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../reference/status.h"
#include "draw.h"

enum { GLA_SWEEP_AXES = 4, GLA_SWEEP_FIGURES = 4, GLA_SWEEP_VALUES = 32 };

typedef struct gla_sweep_axis {
    const char *name, *what;                 /* "T", "tokens" */
    const char *value[GLA_SWEEP_VALUES + 1]; /* as printed; NULL ends them */
} gla_sweep_axis;

typedef struct gla_sweep_figure {
    const char *name, *what; /* "error", "rms error of o / rms of o" */
} gla_sweep_figure;

/* The picture: panels, one for every value of an axis (-1: a single one); all scales logarithmic.
 *     lines    in each a line for every value of `line` over the values of x: `measured` with points, `predicted`
 * dashed map      cells, x by `line` (upwards), coloured by log10 of `measured`; not finite is marked. Over them
 * `predicted` dashed and `points`, both in units of y and the same all the way up */
typedef enum gla_plot_kind { GLA_PLOT_LINES, GLA_PLOT_MAP } gla_plot_kind;

typedef struct gla_sweep_plot {
    gla_plot_kind kind;
    int panel, line, x;              /* axes */
    int measured, predicted, points; /* figures; -1: none */
} gla_sweep_plot;

typedef struct gla_sweep gla_sweep;

/* Where a point lies: an index on every axis; on the last one 0. */
typedef struct gla_sweep_place {
    size_t at[GLA_SWEEP_AXES];
} gla_sweep_place;

typedef struct gla_sweep_row {
    double figure[GLA_SWEEP_FIGURES];
} gla_sweep_row;

/* Fills rows[0 .. count of the last axis). */
typedef gla_status gla_sweep_measure(const gla_sweep *s, gla_sweep_place where, uint64_t seed, gla_sweep_row *rows,
                                     gla_error *err);

struct gla_sweep {
    const char *name, *what;                    /* the latter for the list */
    gla_sweep_axis axis[GLA_SWEEP_AXES];        /* a NULL name ends them; at least two */
    gla_sweep_figure figure[GLA_SWEEP_FIGURES]; /* likewise; at least one */
    gla_sweep_measure *measure;
    gla_sweep_plot plot;
    const char *question, *method, *finding, *limits;
};

extern const gla_sweep *const gla_sweeps[];         /* NULL-terminated (study_sweep.c) */
const gla_sweep *gla_sweep_named(const char *name); /* or NULL */

int gla_sweep_axes(const gla_sweep *s);
int gla_sweep_figures(const gla_sweep *s);
size_t gla_sweep_values(const gla_sweep_axis *a);
size_t gla_sweep_along(const gla_sweep *s); /* rows of a point: values of the last axis */
size_t gla_sweep_points(const gla_sweep *s);
size_t gla_sweep_rows(const gla_sweep *s);

/* The place of a point; the place of a row, the last axis included. */
gla_sweep_place gla_sweep_point_at(const gla_sweep *s, size_t point);
gla_sweep_place gla_sweep_row_at(const gla_sweep *s, size_t row);

/* The value on an axis, as text and as number ("2^10" is 1024). */
const char *gla_sweep_text(const gla_sweep *s, gla_sweep_place where, int axis);
double gla_sweep_number(const char *value);
const char *gla_sweep_behind(const char *value); /* "bf16" of "signed@bf16" */

/* The shard i of n that a point belongs to, 1 .. n. */
size_t gla_sweep_shard_of(size_t point, size_t shards);

/* ---- text with figures in it ---- */

/* The text with every [...] replaced by its figure to three digits, to be freed; NULL: no memory, or one of them names
 * no figure, no axis, no value, or leaves not one row (err says which). */
char *gla_sweep_fill(const gla_sweep *s, const char *text, const gla_sweep_row *rows, gla_error *err);

/* ---- the sweeps, one file each ---- */

extern const gla_sweep gla_study_overflow, gla_study_state_format, gla_study_chunk_size, gla_study_accumulation,
    gla_study_stochastic, gla_study_growth, gla_study_exponential, gla_study_operands, gla_study_gate_gradient,
    gla_study_reset;

#endif
