/* SPDX-License-Identifier: Apache-2.0
 *
 * One side of the problem at a time. Forward, column j of S needs only column j: o_j and S_.j are found for 8 columns
 * at once, one per vector lane, looping over the rows i. Backward, dv_j and dgv_j need only column j of R and Z. The
 * other gradients, dq dk dgk, sum over columns: but transposing S exchanges (q, do), (k, v), (gk, gv), (o, dq), and
 * they become column quantities of the transposed problem. So there is one kernel over `lanes`, summing over `rows`,
 * used twice; no partial sums ever meet, and blocks of 8 lanes may run on any thread.
 *
 * The reverse sweep wants Z_t again only if there is a lane gate to differentiate: then states are kept every
 * L = sqrt(T) tokens and one segment is recomputed at a time.
 *
 * The error bound is proved in gated_dd_token.c.
 */
#include "gated_dd.h"
#include "dd_exp.h"
#include "doubledouble.h"
#include "gated_dd_token.h"
#include "threads.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* ---- results ---- */

/* n of the bound E = n u^2 M. */
static double error_count(const struct dd_side *s) {
    double r = (double)s->rows;
    return 96 * ((double)s->T + 2) + r * r + 8 * r + 64;
}

static void put(gated_dd_output out, size_t at, dd x, double m, double n) {
    if (!out.hi) return;
    double magnitude = m * (1 + 0x1p-10);
    double bound = m > 0 ? magnitude * (n * 0x1p-106 * (1 + 0x1p-10)) + 0x1p-1074 : 0;
    bool sound = isfinite(x.hi + x.lo) && magnitude <= 0x1p1000;
    out.hi[at] = x.hi;
    out.lo[at] = x.lo;
    out.magnitude[at] = sound ? magnitude : INFINITY;
    out.bound[at] = sound ? bound : INFINITY;
}

/* The sums of token t, times scale, into row t of out. */
static void put_sums(gated_dd_output out, const struct dd_side *s, size_t t, size_t first, size_t width,
                     const struct dd_sums *restrict x, double scale) {
    for (size_t j = 0; j < width; j++) {
        dd p = dd_times_double(dd_two_sum(x->hi[j], x->lo[j]), scale);
        double m = x->m[j] * dd_nudged(scale);
        put(out, t * s->lanes + first + j, dd_two_sum(p.hi, p.lo), m, error_count(s));
    }
}

static void put_block(gated_dd_output out, const struct dd_side *s, size_t first, size_t width, struct dd_block S) {
    for (size_t i = 0; i < s->rows; i++)
        for (size_t j = 0; j < width; j++) {
            size_t at = i * DD_LANES + j;
            put(out, i * s->row_step + (first + j) * s->lane_step, dd_two_sum(S.hi[at], S.lo[at]), S.m[at],
                error_count(s));
        }
}

static void load_block(struct dd_block S, const double *from, const struct dd_side *s, size_t first, size_t width) {
    memset(S.hi, 0, 3 * s->rows * DD_LANES * sizeof(double));
    for (size_t i = 0; from && i < s->rows; i++)
        for (size_t j = 0; j < width; j++) {
            double x = from[i * s->row_step + (first + j) * s->lane_step];
            S.hi[i * DD_LANES + j] = x;
            S.m[i * DD_LANES + j] = x != 0 ? fabs(x) + DD_TINY : 0;
        }
}

/* ---- one block of lanes ---- */

/* Segments of the reverse sweep that recomputes states; 0 = it needs none. */
static size_t segment_length(const struct dd_side *s) {
    if (!s->backward || !s->lane_gate->present) return 0;
    size_t L = (size_t)ceil(sqrt((double)s->T));
    return L > 0 ? L : 1;
}

static size_t block_size(const struct dd_side *s) { return 3 * s->rows * DD_LANES; } /* doubles */

/* Doubles that one block needs: S or F, the state before each segment, Z of one segment. */
static size_t block_memory(const struct dd_side *s) {
    size_t L = segment_length(s);
    return block_size(s) * (1 + (L ? (s->T + L - 1) / L + L : 0));
}

static void forward_sweep(const struct dd_side *s, size_t first, size_t width, double *memory) {
    struct dd_block S = dd_block_at(memory, s->rows, 0);
    struct dd_lanes x;
    size_t L = segment_length(s);
    load_block(S, s->S0, s, first, width);
    for (size_t t = 0; t < s->T; t++) {
        struct dd_sums read = {0};
        if (L && t % L == 0) memcpy(dd_block_at(memory, s->rows, 1 + t / L).hi, S.hi, block_size(s) * sizeof(double));
        dd_load_lanes(&x, s, t, first, width);
        dd_forward_reading(s, t, &x, S, &read);
        put_sums(s->read, s, t, first, width, &read, s->scale);
    }
    put_block(s->final, s, first, width, S);
}

static void reverse_sweep(const struct dd_side *s, size_t first, size_t width, double *memory) {
    struct dd_block F = dd_block_at(memory, s->rows, 0);
    struct dd_lanes x;
    size_t L = segment_length(s), segments = L ? (s->T + L - 1) / L : 0;
    load_block(F, s->dST, s, first, width);
    for (size_t t = s->T; t-- > 0;) {
        struct dd_sums d_write = {0}, d_gate = {0};
        if (L && (t + 1 == s->T || t % L == L - 1)) {
            struct dd_block S = dd_block_at(memory, s->rows, 1 + t / L);
            for (size_t i = t - t % L; i <= t; i++) {
                dd_load_lanes(&x, s, i, first, width);
                dd_forward_keeping(s, i, &x, S, dd_block_at(memory, s->rows, 1 + segments + i % L));
            }
        }
        dd_load_lanes(&x, s, t, first, width);
        if (L)
            dd_reverse_gated(s, t, &x, F, &d_write, &d_gate, dd_block_at(memory, s->rows, 1 + segments + t % L));
        else
            dd_reverse(s, t, &x, F, &d_write);
        put_sums(s->d_write, s, t, first, width, &d_write, 1);
        if (L) put_sums(s->d_gate, s, t, first, width, &d_gate, 1);
    }
    put_block(s->d_first, s, first, width, F);
}

/* ---- the whole slice ---- */

struct job {
    struct dd_side side[2]; /* value lanes; key lanes, for the backward only */
    size_t blocks[2];
    _Atomic int no_memory;
};

static void run_block(void *data, size_t index) {
    struct job *job = data;
    const struct dd_side *s = &job->side[index >= job->blocks[0]];
    size_t first = (index >= job->blocks[0] ? index - job->blocks[0] : index) * DD_LANES;
    size_t width = s->lanes - first < DD_LANES ? s->lanes - first : DD_LANES;
    double *memory = aligned_alloc(64, (block_memory(s) * sizeof(double) + 63) / 64 * 64);
    if (!memory) {
        job->no_memory = 1;
        return;
    }
    forward_sweep(s, first, width, memory);
    if (s->backward) reverse_sweep(s, first, width, memory);
    free(memory);
}

static bool open_gates(struct dd_gates *a, const double *g, size_t count) {
    *a = (struct dd_gates){.present = g != NULL};
    if (!g) return true;
    a->hi = malloc(3 * count * sizeof(double) + 1);
    if (!a->hi) return false;
    a->lo = a->hi + count;
    a->companion = a->lo + count;
    dd_exp(count, g, a->hi, a->lo, a->companion);
    return true;
}

/* A fixed decay: e^g is a pair off by at most u^2, well within what dd_exp.h allows. */
static bool fix_gates(struct dd_gates *a, const double decay[2], size_t count) {
    *a = (struct dd_gates){.present = true, .hi = malloc(3 * count * sizeof(double) + 1)};
    if (!a->hi) return false;
    a->lo = a->hi + count;
    a->companion = a->lo + count;
    for (size_t i = 0; i < count; i++) {
        a->hi[i] = a->companion[i] = decay[0];
        a->lo[i] = decay[1];
    }
    return true;
}

static struct dd_side value_side(const gated_dd *x, const struct dd_gates *key, const struct dd_gates *value,
                                 bool backward) {
    return (struct dd_side){.T = x->T,
                            .rows = x->dk,
                            .lanes = x->dv,
                            .scale = x->scale,
                            .write_row = x->k,
                            .write_lane = x->v,
                            .read_row = x->q,
                            .read_lane = x->d_o,
                            .row_gate = key,
                            .lane_gate = value,
                            .S0 = x->S0,
                            .dST = x->dST,
                            .row_step = x->dv,
                            .lane_step = 1,
                            .read = x->o,
                            .final = x->ST,
                            .d_write = x->dv_,
                            .d_gate = x->dgv,
                            .d_first = x->dS0,
                            .backward = backward};
}

static struct dd_side key_side(const gated_dd *x, const struct dd_gates *key, const struct dd_gates *value) {
    return (struct dd_side){.T = x->T,
                            .rows = x->dv,
                            .lanes = x->dk,
                            .scale = x->scale,
                            .write_row = x->v,
                            .write_lane = x->k,
                            .read_row = x->d_o,
                            .read_lane = x->q,
                            .row_gate = value,
                            .lane_gate = key,
                            .S0 = x->S0,
                            .dST = x->dST,
                            .row_step = 1,
                            .lane_step = x->dv,
                            .read = x->dq,
                            .d_write = x->dk_,
                            .d_gate = x->dgk,
                            .backward = true};
}

gla_status gated_dd_run(const gated_dd *x, int backward, int threads) {
    struct dd_gates key, value;
    bool opened = x->fixed ? fix_gates(&key, x->decay, x->T * x->dk) : open_gates(&key, x->gk, x->T * x->dk);
    opened = open_gates(&value, x->gv, x->T * x->dv) && opened;
    struct job job = {.no_memory = !opened};
    if (opened) {
        job.side[0] = value_side(x, &key, &value, backward);
        job.side[1] = key_side(x, &key, &value);
        job.blocks[0] = (x->dv + DD_LANES - 1) / DD_LANES;
        job.blocks[1] = backward ? (x->dk + DD_LANES - 1) / DD_LANES : 0;
        gla_parallel(job.blocks[0] + job.blocks[1], threads, run_block, &job, NULL);
    }
    free(key.hi);
    free(value.hi);
    return job.no_memory ? GLA_NO_MEMORY : GLA_OK;
}
