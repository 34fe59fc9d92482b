/* SPDX-License-Identifier: Apache-2.0
 *
 * One side of the problem at a time. Forward, column j of S needs only column j: o_j and S_.j are found for 8 columns
 * at once, one per vector lane, looping over the rows i. Backward, dv_j and dgv_j need only column j of R and Z. The
 * other gradients, dq dk dgk, sum over columns: but transposing S exchanges (q, do), (k, v), (gk, gv), (o, dq), and
 * they become column quantities of the transposed problem. So there is one kernel over `lanes`, summing over `rows`,
 * used twice; no partial sums ever meet, and blocks of 8 lanes may run on any thread.
 *
 * The reverse sweep wants Z_t again, only if there is a lane gate to differentiate: states are kept every
 * L = sqrt(T) tokens and one segment is recomputed at a time.
 *
 * Error bound. u = 2^-53. Beside each state entry S runs its companion m, the recurrence on absolute values, such that
 * m = 0 implies S = 0 exactly and otherwise m >= TINY = 2^-480: every non-zero input x enters it as |x| + NUDGE,
 * NUDGE = 2^-240, and every decay of a non-zero m adds TINY. An operation loses at most 2^-1074 to underflow, which is
 * nothing beside u^2 TINY = 2^-586: underflow is paid for once and for all. Hypothesis after n steps:
 *     |hi + lo - S| <= 96 n u^2 m,   |lo| <= (1 + 2^-20) u m,   |hi| <= (1 + 2^-40) m.
 * One step in units of u^2 m (constants: doubledouble.h; slack for the 2^-20s is in the 96):
 *     row gate   alpha is off by 8;  product a = b = 1: 2 + 3 + 1 = 6;    then |lo| <= 3 u m
 *     lane gate  alpha is off by 8;  product a = 3, b = 1: 2 + 5 + 3 = 10; then |lo| <= 5 u m
 *     write      k v is exact with |lo| <= u |kv|, s do_j q_i is off by 2 with |lo| <= 2u; sum with c = 7: 7+8+8.1 = 24
 * Sum 58. The hypothesis holds again. Reading, r rows with weights w: the terms w S are pairs with |lo| <= 7u, off by
 * at most 20 (R * Z); they are added as (two_sum of the high words, low words summed in binary64): |sum of low words|
 * <= (7 + r) u M, and its roundings are at most r (7 + r) + 7 + r in all; closing and scale 12. Together r^2 + 8r + 64.
 * R and Z of a gate gradient have each their own steps: at most T + 2 together. Second order terms are 2^-40 of this.
 *
 * The companions themselves are rounded, at most 8 times a step: M is m inflated by 2^-10, which is more than
 * 8 (2T + r) u for any T below 2^38. hi cannot overflow unnoticed: infinities and NaN stay in their lane up to the
 * output.
 */
#include "gated_dd.h"
#include "dd_exp.h"
#include "doubledouble.h"
#include "threads.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { LANES = 8 };
#define TINY 0x1p-480
#define NUDGE 0x1p-240

/* e^g for all tokens and channels. */
struct gates {
    bool present;
    double *hi, *lo, *companion; /* [T,D], one allocation */
};

/* The problem as seen by its lanes; the other side is this one transposed. */
struct side {
    size_t T, rows, lanes;
    double scale;
    const double *write_row, *write_lane; /* k, v     [T,rows] [T,lanes] */
    const double *read_row, *read_lane;   /* q, d_o; d_o may be NULL */
    const struct gates *row_gate, *lane_gate;
    const double *S0, *dST; /* may be NULL; element (i, j) at i row_step + j lane_step */
    size_t row_step, lane_step;
    gated_dd_output read, final;              /* o, S_T */
    gated_dd_output d_write, d_gate, d_first; /* dv, dgv, dS_0 */
    bool backward;
};

/* A rows x LANES matrix of pairs and companions. */
struct block {
    double *hi, *lo, *m;
};

/* What one token gives to the lanes of a block. */
struct lanes {
    double write[LANES], write_m[LANES]; /* v */
    double gate_hi[LANES], gate_lo[LANES], gate_m[LANES], gate_tiny[LANES];
    double read_hi[LANES], read_lo[LANES], read_m[LANES]; /* s do */
};

/* A sum over rows in each lane. */
struct sums {
    double hi[LANES], lo[LANES], m[LANES];
};

DD_INLINE double nudged(double x) { return x != 0 ? fabs(x) + NUDGE : 0; }
DD_INLINE double tiny_if(double companion) { return companion > 0 ? TINY : 0; }
DD_INLINE double least(double x, double y) { return x < y ? x : y; }

static struct block block_at(double *memory, size_t rows, size_t index) {
    double *at = memory + index * 3 * rows * LANES;
    return (struct block){at, at + rows * LANES, at + 2 * rows * LANES};
}

static void load_lanes(struct lanes *restrict x, const struct side *s, size_t t, size_t first, size_t width) {
    memset(x, 0, sizeof *x);
    for (size_t j = 0; j < width; j++) {
        size_t at = t * s->lanes + first + j;
        x->write[j] = s->write_lane[at];
        x->write_m[j] = nudged(x->write[j]);
        if (s->lane_gate->present) {
            x->gate_hi[j] = s->lane_gate->hi[at];
            x->gate_lo[j] = s->lane_gate->lo[at];
            x->gate_m[j] = s->lane_gate->companion[at];
            x->gate_tiny[j] = tiny_if(x->gate_m[j]);
        }
        if (s->read_lane) {
            dd p = dd_two_product(s->scale, s->read_lane[at]);
            x->read_hi[j] = p.hi;
            x->read_lo[j] = p.lo;
            x->read_m[j] = nudged(s->read_lane[at]) * nudged(s->scale);
            x->read_m[j] += x->read_m[j] > 0 ? NUDGE : 0;
        }
    }
}

/* One entry of a state decayed; m is its companion. */
DD_INLINE dd decayed(dd z, double *m, bool row, bool lane, dd a, double a_m, double a_tiny,
                     const struct lanes *restrict x, int j) {
    if (row) {
        z = dd_times(a, z);
        *m = __builtin_fma(a_m, *m, least(*m, a_tiny));
    }
    if (lane) {
        z = dd_times((dd){x->gate_hi[j], x->gate_lo[j]}, z);
        *m = __builtin_fma(x->gate_m[j], *m, least(*m, x->gate_tiny[j]));
    }
    return z;
}

/* sum_j += term, companion term_m >= |term|. */
DD_INLINE void add_term(struct sums *restrict sum, int j, dd term, double term_m) {
    dd s = dd_two_sum(sum->hi[j], term.hi);
    sum->hi[j] = s.hi;
    sum->lo[j] += s.lo + term.lo;
    sum->m[j] += term_m;
}

/* S becomes S_t; `read` += S_t^T q_t. With Z not NULL nothing is read, and Z_t is kept. */
DD_INLINE void forward_token(const struct side *s, size_t t, const struct lanes *restrict x, struct block S,
                             struct sums *restrict read, const struct block *Z, bool row, bool lane) {
    for (size_t i = 0; i < s->rows; i++) {
        size_t at = t * s->rows + i;
        dd a = row ? (dd){s->row_gate->hi[at], s->row_gate->lo[at]} : (dd){1, 0};
        double a_m = row ? s->row_gate->companion[at] : 1, a_tiny = tiny_if(a_m);
        double k = s->write_row[at], k_m = nudged(k), q = s->read_row ? s->read_row[at] : 0, q_m = nudged(q);
        double *restrict hi = S.hi + i * LANES, *restrict lo = S.lo + i * LANES, *restrict m = S.m + i * LANES;
        DD_EACH_LANE
        for (int j = 0; j < LANES; j++) {
            double z_m = m[j];
            dd z = decayed((dd){hi[j], lo[j]}, &z_m, row, lane, a, a_m, a_tiny, x, j);
            if (Z) {
                Z->hi[i * LANES + (size_t)j] = z.hi;
                Z->lo[i * LANES + (size_t)j] = z.lo;
                Z->m[i * LANES + (size_t)j] = z_m;
            }
            z = dd_sum(z, dd_two_product(k, x->write[j]));
            z_m = __builtin_fma(k_m, x->write_m[j], z_m);
            hi[j] = z.hi;
            lo[j] = z.lo;
            m[j] = z_m;
            if (!Z) add_term(read, j, dd_times_double(z, q), q_m * z_m);
        }
    }
}

/* F holds F_t and becomes F_{t-1}; d_write += R_t^T k_t, d_gate += col(R_t * Z_t). */
DD_INLINE void reverse_token(const struct side *s, size_t t, const struct lanes *restrict x, struct block F,
                             struct sums *restrict d_write, struct sums *restrict d_gate, const struct block *Z,
                             bool row, bool lane) {
    for (size_t i = 0; i < s->rows; i++) {
        size_t at = t * s->rows + i;
        dd a = row ? (dd){s->row_gate->hi[at], s->row_gate->lo[at]} : (dd){1, 0};
        double a_m = row ? s->row_gate->companion[at] : 1, a_tiny = tiny_if(a_m);
        double k = s->write_row[at], k_m = nudged(k), q = s->read_row ? s->read_row[at] : 0, q_m = nudged(q);
        double *restrict hi = F.hi + i * LANES, *restrict lo = F.lo + i * LANES, *restrict m = F.m + i * LANES;
        DD_EACH_LANE
        for (int j = 0; j < LANES; j++) {
            dd r = dd_sum((dd){hi[j], lo[j]}, dd_times_double((dd){x->read_hi[j], x->read_lo[j]}, q));
            double r_m = __builtin_fma(q_m, x->read_m[j], m[j]);
            add_term(d_write, j, dd_times_double(r, k), k_m * r_m);
            if (Z) {
                size_t z = i * LANES + (size_t)j;
                add_term(d_gate, j, dd_times(r, (dd){Z->hi[z], Z->lo[z]}), r_m * Z->m[z]);
            }
            r = decayed(r, &r_m, row, lane, a, a_m, a_tiny, x, j);
            hi[j] = r.hi;
            lo[j] = r.lo;
            m[j] = r_m;
        }
    }
}

/* The four cases of gates, each compiled on its own. */
DD_CLONES static void forward_reading(const struct side *s, size_t t, const struct lanes *restrict x, struct block S,
                                      struct sums *restrict read) {
    bool row = s->row_gate->present, lane = s->lane_gate->present;
    if (row && lane) forward_token(s, t, x, S, read, NULL, true, true);
    if (row && !lane) forward_token(s, t, x, S, read, NULL, true, false);
    if (!row && lane) forward_token(s, t, x, S, read, NULL, false, true);
    if (!row && !lane) forward_token(s, t, x, S, read, NULL, false, false);
}

/* Only ever with a lane gate: Z is kept to differentiate it. */
DD_CLONES static void forward_keeping(const struct side *s, size_t t, const struct lanes *restrict x, struct block S,
                                      struct block Z) {
    if (s->row_gate->present)
        forward_token(s, t, x, S, NULL, &Z, true, true);
    else
        forward_token(s, t, x, S, NULL, &Z, false, true);
}

DD_CLONES static void reverse(const struct side *s, size_t t, const struct lanes *restrict x, struct block F,
                              struct sums *restrict d_write) {
    if (s->row_gate->present)
        reverse_token(s, t, x, F, d_write, NULL, NULL, true, false);
    else
        reverse_token(s, t, x, F, d_write, NULL, NULL, false, false);
}

DD_CLONES static void reverse_gated(const struct side *s, size_t t, const struct lanes *restrict x, struct block F,
                                    struct sums *restrict d_write, struct sums *restrict d_gate, struct block Z) {
    if (s->row_gate->present)
        reverse_token(s, t, x, F, d_write, d_gate, &Z, true, true);
    else
        reverse_token(s, t, x, F, d_write, d_gate, &Z, false, true);
}

/* ---- results ---- */

/* n of the bound E = n u^2 M. */
static double error_count(const struct side *s) {
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
static void put_sums(gated_dd_output out, const struct side *s, size_t t, size_t first, size_t width,
                     const struct sums *restrict x, double scale) {
    for (size_t j = 0; j < width; j++) {
        dd p = dd_times_double(dd_two_sum(x->hi[j], x->lo[j]), scale);
        double m = x->m[j] * nudged(scale);
        put(out, t * s->lanes + first + j, dd_two_sum(p.hi, p.lo), m, error_count(s));
    }
}

static void put_block(gated_dd_output out, const struct side *s, size_t first, size_t width, struct block S) {
    for (size_t i = 0; i < s->rows; i++)
        for (size_t j = 0; j < width; j++) {
            size_t at = i * LANES + j;
            put(out, i * s->row_step + (first + j) * s->lane_step, dd_two_sum(S.hi[at], S.lo[at]), S.m[at],
                error_count(s));
        }
}

static void load_block(struct block S, const double *from, const struct side *s, size_t first, size_t width) {
    memset(S.hi, 0, 3 * s->rows * LANES * sizeof(double));
    for (size_t i = 0; from && i < s->rows; i++)
        for (size_t j = 0; j < width; j++) {
            double x = from[i * s->row_step + (first + j) * s->lane_step];
            S.hi[i * LANES + j] = x;
            S.m[i * LANES + j] = x != 0 ? fabs(x) + TINY : 0;
        }
}

/* ---- one block of lanes ---- */

/* Segments of the reverse sweep that recomputes states; 0 = it needs none. */
static size_t segment_length(const struct side *s) {
    if (!s->backward || !s->lane_gate->present) return 0;
    size_t L = (size_t)ceil(sqrt((double)s->T));
    return L > 0 ? L : 1;
}

static size_t block_size(const struct side *s) { return 3 * s->rows * LANES; } /* doubles */

/* Doubles that one block needs: S or F, the state before each segment, Z of one segment. */
static size_t block_memory(const struct side *s) {
    size_t L = segment_length(s);
    return block_size(s) * (1 + (L ? (s->T + L - 1) / L + L : 0));
}

static void forward_sweep(const struct side *s, size_t first, size_t width, double *memory) {
    struct block S = block_at(memory, s->rows, 0);
    struct lanes x;
    size_t L = segment_length(s);
    load_block(S, s->S0, s, first, width);
    for (size_t t = 0; t < s->T; t++) {
        struct sums read = {0};
        if (L && t % L == 0) memcpy(block_at(memory, s->rows, 1 + t / L).hi, S.hi, block_size(s) * sizeof(double));
        load_lanes(&x, s, t, first, width);
        forward_reading(s, t, &x, S, &read);
        put_sums(s->read, s, t, first, width, &read, s->scale);
    }
    put_block(s->final, s, first, width, S);
}

static void reverse_sweep(const struct side *s, size_t first, size_t width, double *memory) {
    struct block F = block_at(memory, s->rows, 0);
    struct lanes x;
    size_t L = segment_length(s), segments = L ? (s->T + L - 1) / L : 0;
    load_block(F, s->dST, s, first, width);
    for (size_t t = s->T; t-- > 0;) {
        struct sums d_write = {0}, d_gate = {0};
        if (L && (t + 1 == s->T || t % L == L - 1)) {
            struct block S = block_at(memory, s->rows, 1 + t / L);
            for (size_t i = t - t % L; i <= t; i++) {
                load_lanes(&x, s, i, first, width);
                forward_keeping(s, i, &x, S, block_at(memory, s->rows, 1 + segments + i % L));
            }
        }
        load_lanes(&x, s, t, first, width);
        if (L)
            reverse_gated(s, t, &x, F, &d_write, &d_gate, block_at(memory, s->rows, 1 + segments + t % L));
        else
            reverse(s, t, &x, F, &d_write);
        put_sums(s->d_write, s, t, first, width, &d_write, 1);
        if (L) put_sums(s->d_gate, s, t, first, width, &d_gate, 1);
    }
    put_block(s->d_first, s, first, width, F);
}

/* ---- the whole slice ---- */

struct job {
    struct side side[2]; /* value lanes; key lanes, for the backward only */
    size_t blocks[2];
    _Atomic int no_memory;
};

static void run_block(void *data, size_t index) {
    struct job *job = data;
    const struct side *s = &job->side[index >= job->blocks[0]];
    size_t first = (index >= job->blocks[0] ? index - job->blocks[0] : index) * LANES;
    size_t width = s->lanes - first < LANES ? s->lanes - first : LANES;
    double *memory = aligned_alloc(64, (block_memory(s) * sizeof(double) + 63) / 64 * 64);
    if (!memory) {
        job->no_memory = 1;
        return;
    }
    forward_sweep(s, first, width, memory);
    if (s->backward) reverse_sweep(s, first, width, memory);
    free(memory);
}

static bool open_gates(struct gates *a, const double *g, size_t count) {
    *a = (struct gates){.present = g != NULL};
    if (!g) return true;
    a->hi = malloc(3 * count * sizeof(double) + 1);
    if (!a->hi) return false;
    a->lo = a->hi + count;
    a->companion = a->lo + count;
    dd_exp(count, g, a->hi, a->lo, a->companion);
    return true;
}

static struct side value_side(const gated_dd *x, const struct gates *key, const struct gates *value, bool backward) {
    return (struct side){.T = x->T,
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

static struct side key_side(const gated_dd *x, const struct gates *key, const struct gates *value) {
    return (struct side){.T = x->T,
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
    struct gates key, value;
    bool opened = open_gates(&key, x->gk, x->T * x->dk);
    opened = open_gates(&value, x->gv, x->T * x->dv) && opened;
    struct job job = {.no_memory = !opened};
    if (opened) {
        job.side[0] = value_side(x, &key, &value, backward);
        job.side[1] = key_side(x, &key, &value);
        job.blocks[0] = (x->dv + LANES - 1) / LANES;
        job.blocks[1] = backward ? (x->dk + LANES - 1) / LANES : 0;
        gla_parallel(job.blocks[0] + job.blocks[1], threads, run_block, &job, NULL);
    }
    free(key.hi);
    free(value.hi);
    return job.no_memory ? GLA_NO_MEMORY : GLA_OK;
}
