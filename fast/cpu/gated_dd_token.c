/* SPDX-License-Identifier: Apache-2.0
 *
 * One token of the gated recurrence in double-double, 8 lanes side by side, and why the error bound holds.
 *
 * u = 2^-53. Beside each state entry S runs its companion m, the recurrence on absolute values, such that m = 0 implies
 * S = 0 exactly and otherwise m >= TINY = 2^-480: every non-zero input x enters it as |x| + NUDGE, NUDGE = 2^-240, and
 * every decay of a non-zero m adds TINY. An operation loses at most 2^-1074 to underflow, which is nothing beside
 * u^2 TINY = 2^-586: underflow is paid for once and for all. Hypothesis after n steps:
 *     |hi + lo - S| <= 96 n u^2 m,   |hi| <= (1 + 2^-40) m,   |lo| <= (1 + 2^-20) u m.
 * One step in units of u^2 m (constants: doubledouble.h; the 2^-20s are in the slack of 96):
 *     row gate   alpha is off by 8 (dd_exp.h); product a = b = 1: 2 + 3 + 1 = 6; then |lo| <= 3 u m
 *     lane gate  alpha is off by 8; product a = 1, b = 3: 4 + 5 + 3 = 12; then |lo| <= 5 u m
 *     write      k v is exact, |lo| <= u |kv|; s do_j q_i is off by 2, |lo| <= 2 u; sum with c = 5: 5 + 6 + 6.1 < 18
 * Together 54, and the hypothesis holds again. Backward the same three happen in another order: write, use, decay; F
 * waits with |lo| <= 5 u m for the next write.
 *
 * Sums over r rows. The terms are pairs with |lo| <= 7 u, off by at most 18 (R * Z, a = 1, b = 5). High words add by
 * two_sum, low words in binary64: their sum is at most (7 + r) u M, its roundings r (7 + r) + 7 + r; closing it and
 * the scale cost less than 12. With the term's own error less than r^2 + 8 r + 64. R and Z of a gate gradient have each
 * their own steps, T + 1 together. Second order terms are 2^-40 of all this. Hence n in gated_dd.h.
 *
 * The companions are rounded too, at most 8 times a step: M is m inflated by 2^-10, more than 8 (2T + r) u for any T
 * below 2^38. Nothing overflows unnoticed: an infinity or NaN stays in its lane and row until the output.
 */
#include "gated_dd_token.h"

#include <string.h>

DD_INLINE double tiny_if(double companion) { return companion > 0 ? DD_TINY : 0; }
DD_INLINE double least(double x, double y) { return x < y ? x : y; }

void dd_load_lanes(struct dd_lanes *restrict x, const struct dd_side *s, size_t t, size_t first, size_t width) {
    memset(x, 0, sizeof *x);
    for (size_t j = 0; j < width; j++) {
        size_t at = t * s->lanes + first + j;
        x->write[j] = s->write_lane[at];
        x->write_m[j] = dd_nudged(x->write[j]);
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
            x->read_m[j] = dd_nudged(s->read_lane[at]) * dd_nudged(s->scale);
            x->read_m[j] += x->read_m[j] > 0 ? DD_NUDGE : 0;
        }
    }
}

/* One entry of a state decayed; m is its companion. */
DD_INLINE dd decayed(dd z, double *m, bool row, bool lane, dd a, double a_m, double a_tiny,
                     const struct dd_lanes *restrict x, int j) {
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
DD_INLINE void add_term(struct dd_sums *restrict sum, int j, dd term, double term_m) {
    dd s = dd_two_sum(sum->hi[j], term.hi);
    sum->hi[j] = s.hi;
    sum->lo[j] += s.lo + term.lo;
    sum->m[j] += term_m;
}

/* S becomes S_t; `read` += S_t^T q_t. With Z not NULL nothing is read, and Z_t is kept. */
DD_INLINE void forward_token(const struct dd_side *s, size_t t, const struct dd_lanes *restrict x, struct dd_block S,
                             struct dd_sums *restrict read, const struct dd_block *Z, bool row, bool lane) {
    for (size_t i = 0; i < s->rows; i++) {
        size_t at = t * s->rows + i;
        dd a = row ? (dd){s->row_gate->hi[at], s->row_gate->lo[at]} : (dd){1, 0};
        double a_m = row ? s->row_gate->companion[at] : 1, a_tiny = tiny_if(a_m);
        double k = s->write_row[at], k_m = dd_nudged(k), q = s->read_row ? s->read_row[at] : 0, q_m = dd_nudged(q);
        double *restrict hi = S.hi + i * DD_LANES, *restrict lo = S.lo + i * DD_LANES, *restrict m = S.m + i * DD_LANES;
        DD_EACH_LANE
        for (int j = 0; j < DD_LANES; j++) {
            double z_m = m[j];
            dd z = decayed((dd){hi[j], lo[j]}, &z_m, row, lane, a, a_m, a_tiny, x, j);
            if (Z) {
                Z->hi[i * DD_LANES + (size_t)j] = z.hi;
                Z->lo[i * DD_LANES + (size_t)j] = z.lo;
                Z->m[i * DD_LANES + (size_t)j] = z_m;
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
DD_INLINE void reverse_token(const struct dd_side *s, size_t t, const struct dd_lanes *restrict x, struct dd_block F,
                             struct dd_sums *restrict d_write, struct dd_sums *restrict d_gate,
                             const struct dd_block *Z, bool row, bool lane) {
    for (size_t i = 0; i < s->rows; i++) {
        size_t at = t * s->rows + i;
        dd a = row ? (dd){s->row_gate->hi[at], s->row_gate->lo[at]} : (dd){1, 0};
        double a_m = row ? s->row_gate->companion[at] : 1, a_tiny = tiny_if(a_m);
        double k = s->write_row[at], k_m = dd_nudged(k), q = s->read_row ? s->read_row[at] : 0, q_m = dd_nudged(q);
        double *restrict hi = F.hi + i * DD_LANES, *restrict lo = F.lo + i * DD_LANES, *restrict m = F.m + i * DD_LANES;
        DD_EACH_LANE
        for (int j = 0; j < DD_LANES; j++) {
            dd r = dd_sum((dd){hi[j], lo[j]}, dd_times_double((dd){x->read_hi[j], x->read_lo[j]}, q));
            double r_m = __builtin_fma(q_m, x->read_m[j], m[j]);
            add_term(d_write, j, dd_times_double(r, k), k_m * r_m);
            if (Z) {
                size_t z = i * DD_LANES + (size_t)j;
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
DD_CLONES void dd_forward_reading(const struct dd_side *s, size_t t, const struct dd_lanes *restrict x,
                                  struct dd_block S, struct dd_sums *restrict read) {
    bool row = s->row_gate->present, lane = s->lane_gate->present;
    if (row && lane) forward_token(s, t, x, S, read, NULL, true, true);
    if (row && !lane) forward_token(s, t, x, S, read, NULL, true, false);
    if (!row && lane) forward_token(s, t, x, S, read, NULL, false, true);
    if (!row && !lane) forward_token(s, t, x, S, read, NULL, false, false);
}

/* Only ever with a lane gate: Z is kept to differentiate it. */
DD_CLONES void dd_forward_keeping(const struct dd_side *s, size_t t, const struct dd_lanes *restrict x,
                                  struct dd_block S, struct dd_block Z) {
    if (s->row_gate->present)
        forward_token(s, t, x, S, NULL, &Z, true, true);
    else
        forward_token(s, t, x, S, NULL, &Z, false, true);
}

DD_CLONES void dd_reverse(const struct dd_side *s, size_t t, const struct dd_lanes *restrict x, struct dd_block F,
                          struct dd_sums *restrict d_write) {
    if (s->row_gate->present)
        reverse_token(s, t, x, F, d_write, NULL, NULL, true, false);
    else
        reverse_token(s, t, x, F, d_write, NULL, NULL, false, false);
}

DD_CLONES void dd_reverse_gated(const struct dd_side *s, size_t t, const struct dd_lanes *restrict x, struct dd_block F,
                                struct dd_sums *restrict d_write, struct dd_sums *restrict d_gate, struct dd_block Z) {
    if (s->row_gate->present)
        reverse_token(s, t, x, F, d_write, d_gate, &Z, true, true);
    else
        reverse_token(s, t, x, F, d_write, d_gate, &Z, false, true);
}
