/* SPDX-License-Identifier: Apache-2.0
 *
 * One token of the gated recurrence on 8 lanes: the engine's inner loops. Internal to fast/cpu.
 *
 * A side is the problem as seen by its lanes, over which nothing is summed; `rows` are summed over. Lanes are value
 * channels for o, S_T, dv, dgv, dS_0, and key channels of the transposed problem for dq, dk, dgk; the comments name the
 * first. What these loops compute, and the proof of its error, is in gated_dd_token.c.
 */
#ifndef GLASSBOX_GATED_DD_TOKEN_H
#define GLASSBOX_GATED_DD_TOKEN_H

#include <math.h>
#include <stdbool.h>

#include "doubledouble.h"
#include "gated_dd.h"

enum { DD_LANES = 8 };
#define DD_TINY 0x1p-480  /* the smallest companion of a non-zero state */
#define DD_NUDGE 0x1p-240 /* what every non-zero input adds to its absolute value */

/* e^g for all tokens and channels. */
struct dd_gates {
    bool present;
    double *hi, *lo, *companion; /* [T,D], one allocation */
};

/* The problem as seen by its lanes; the other side is this one transposed. */
struct dd_side {
    size_t T, rows, lanes;
    double scale;
    const double *write_row, *write_lane; /* k, v     [T,rows] [T,lanes] */
    const double *read_row, *read_lane;   /* q, d_o; d_o may be NULL */
    const struct dd_gates *row_gate, *lane_gate;
    const double *S0, *dST; /* may be NULL; element (i, j) at i row_step + j lane_step */
    size_t row_step, lane_step;
    gated_dd_output read, final;              /* o, S_T */
    gated_dd_output d_write, d_gate, d_first; /* dv, dgv, dS_0 */
    bool backward;
};

/* A rows x DD_LANES matrix of pairs and companions. */
struct dd_block {
    double *hi, *lo, *m;
};

/* What one token gives to the lanes of a block. */
struct dd_lanes {
    double write[DD_LANES], write_m[DD_LANES]; /* v */
    double gate_hi[DD_LANES], gate_lo[DD_LANES], gate_m[DD_LANES], gate_tiny[DD_LANES];
    double read_hi[DD_LANES], read_lo[DD_LANES], read_m[DD_LANES]; /* s do */
};

/* A sum over rows in each lane. */
struct dd_sums {
    double hi[DD_LANES], lo[DD_LANES], m[DD_LANES];
};

static inline double dd_nudged(double x) { return x != 0 ? fabs(x) + DD_NUDGE : 0; }

static inline struct dd_block dd_block_at(double *memory, size_t rows, size_t index) {
    double *at = memory + index * 3 * rows * DD_LANES;
    return (struct dd_block){at, at + rows * DD_LANES, at + 2 * rows * DD_LANES};
}

/* What token t gives to lanes first .. first+width-1; the others are zero. */
void dd_load_lanes(struct dd_lanes *x, const struct dd_side *s, size_t t, size_t first, size_t width);

/* S becomes S_t; read += S_t^T q_t. */
void dd_forward_reading(const struct dd_side *s, size_t t, const struct dd_lanes *x, struct dd_block S,
                        struct dd_sums *read);

/* S becomes S_t, Z becomes Z_t. Only with a lane gate: Z serves to differentiate it. */
void dd_forward_keeping(const struct dd_side *s, size_t t, const struct dd_lanes *x, struct dd_block S,
                        struct dd_block Z);

/* F holds F_t and becomes F_{t-1}; d_write += R_t^T k_t. Only without a lane gate. */
void dd_reverse(const struct dd_side *s, size_t t, const struct dd_lanes *x, struct dd_block F,
                struct dd_sums *d_write);

/* The same with a lane gate; d_gate += col(R_t * Z_t). */
void dd_reverse_gated(const struct dd_side *s, size_t t, const struct dd_lanes *x, struct dd_block F,
                      struct dd_sums *d_write, struct dd_sums *d_gate, struct dd_block Z);

#endif
