/* SPDX-License-Identifier: Apache-2.0
 *
 * The forward of the kernel in chunk_kernel.h: gates, scores, outputs, states; with its faults.
 */
#include <math.h>
#include <string.h>

#include "chunk_slice.h"

float chunk_round(const gla_format *f, gla_rounding r, float x) { return f ? (float)gla_round(f, r, x, 0) : x; }

float chunk_operand(const slice *x, float a) { return chunk_round(x->operand, x->operand_rounding, a); }

float chunk_site(const slice *x, float a, mutant truncating) {
    bool cut = truncating != M_NONE && has(x, truncating);
    return chunk_round(x->site, cut ? GLA_RZ : x->site_rounding, a);
}

/* ---- gates ---- */

static float exponential(float x) { return (float)exp((double)x); }

static void sum_gates(const slice *x, const row *log_gate, int width, const chunk *u, gates *to) {
    bool summed = has(x, to == &u->value ? M_GV_RESET_NAN : M_RESET_NAN);
    for (int r = 0; r < u->m; r++)
        for (int d = 0; d < width; d++) {
            float g = log_gate[u->first + r][d], before = r ? to->sum[r - 1][d] : 0;
            int resets = r ? to->resets[r - 1][d] : 0;
            bool reset = isinf(g) && !summed;
            to->resets[r][d] = resets + reset;
            to->sum[r][d] = reset ? 0 : before + g;
            if (has(x, M_GATE_SUM_BF16)) to->sum[r][d] = chunk_round(&gla_bf16, GLA_RN, to->sum[r][d]);
        }
}

float chunk_decay(const slice *x, const gates *g, int r, int i, int d) {
    if (g->open || r == i) return 1;
    if (g->resets[r][d] != (i < 0 ? 0 : g->resets[i][d])) return 0;
    float exponent = g->sum[r][d] - (i < 0 ? 0 : g->sum[i][d]);
    if (has(x, M_SAFE_EXP) && exponent >= 0) return 0;
    return exponential(exponent);
}

factors chunk_factors(const slice *x, const gates *g, int r, int i, int d, bool to_writer) {
    int written = has(x, M_DECAY_AFTER_WRITE) ? i - 1 : i;
    if (has(x, M_ONE_ANCHOR)) return (factors){chunk_decay(x, g, r, -1, d), 1 / chunk_decay(x, g, i, -1, d)};
    if (r / SUBCHUNK == i / SUBCHUNK) return (factors){1, chunk_decay(x, g, r, written, d)};
    int anchor = to_writer ? i / SUBCHUNK * SUBCHUNK + SUBCHUNK - 1 : r / SUBCHUNK * SUBCHUNK;
    return (factors){chunk_decay(x, g, r, anchor, d), chunk_decay(x, g, anchor, written, d)};
}

float chunk_value_read(const slice *x, const chunk *u, int r, int j) {
    if (has(x, M_GV_EXCLUSIVE)) return r > 0 ? chunk_decay(x, &u->value, r - 1, -1, j) : 1;
    return chunk_decay(x, &u->value, r, -1, j);
}

float chunk_paired(const slice *x, int r, int i, float a) {
    return r / SUBCHUNK == i / SUBCHUNK ? a : chunk_operand(x, a);
}

/* ---- operands ---- */

static void decay_operands(const slice *x, chunk *u) {
    int last = u->m - 1;
    for (int r = 0; r < u->m; r++) {
        const float *q = x->q[u->first + r], *k = x->k[u->first + r];
        int read = has(x, M_EXCLUSIVE_READ) || has(x, M_INTER_EXCLUSIVE) ? r - 1 : r;
        int written = has(x, M_DECAY_AFTER_WRITE) ? r - 1 : r;
        for (int d = 0; d < x->dk; d++) {
            float into = chunk_decay(x, &u->key, read, -1, d);
            if (has(x, M_EXP_OFF)) into *= 1 + 0x1p-9f;
            u->Qt[r][d] = chunk_site(x, x->s * q[d] * into, M_NONE);
            u->Kh[r][d] = chunk_site(x, k[d] * chunk_decay(x, &u->key, last, written, d), M_NONE);
        }
        int valued = has(x, M_DECAY_AFTER_WRITE) || has(x, M_GV_AFTER_WRITE) ? r - 1 : r;
        for (int j = 0; j < x->dv; j++) {
            float out = has(x, M_GV_WRITE_UNDECAYED) ? 1 : chunk_decay(x, &u->value, last, valued, j);
            u->Vh[r][j] = chunk_site(x, x->v[u->first + r][j] * out, M_NONE);
        }
    }
}

static int last_column(const slice *x, const chunk *u, int r) {
    int last = r;
    if (has(x, M_DIAGONAL_LOST) || has(x, M_EXCLUSIVE_READ)) last = r - 1;
    if (has(x, M_DIAGONAL_LAST_ROW) && r == u->m - 1) last = r - 1;
    if (has(x, M_MASK_OFF_BY_ONE) && (r + 1) % SUBCHUNK) last = r + 1;
    if (has(x, M_MASK_MISSING)) last = r / SUBCHUNK * SUBCHUNK + SUBCHUNK - 1;
    return last < u->m ? last : u->m - 1;
}

static float score(const slice *x, const chunk *u, int r, int i) {
    const float *q = x->q[u->first + r], *k = x->k[u->first + i];
    int read = has(x, M_EXCLUSIVE_READ) ? r - 1 : r;
    float sum = 0;
    if (has(x, M_SUBCHUNK_LOST) && r / SUBCHUNK == 3 && i / SUBCHUNK == 0) return 0;
    for (int d = 0; d < x->dk; d++) {
        if (has(x, M_KEYS_CUT_OFF) && d >= x->dk / 4 * 4) break;
        factors w = chunk_factors(x, &u->key, read, i, d, false);
        sum += chunk_operand(x, x->s * q[d] * w.reader) * chunk_operand(x, k[d] * w.writer);
    }
    return chunk_site(x, sum, M_SCORE_TRUNCATED);
}

void chunk_open(const slice *x, int index, chunk *u) {
    memset(u, 0, sizeof *u);
    u->first = index * CHUNK;
    u->m = x->T - u->first < CHUNK ? x->T - u->first : CHUNK;
    u->value.open = !x->valued;
    sum_gates(x, x->g, x->dk, u, &u->key);
    sum_gates(x, x->gv, x->dv, u, &u->value);
    decay_operands(x, u);
    for (int r = 0; r < u->m; r++)
        for (int i = 0; i <= last_column(x, u, r); i++) u->P[r][i] = score(x, u, r, i);
}

/* ---- outputs ---- */

/* v_i as token r reads it. */
static float decayed_value(const slice *x, const chunk *u, int r, int i, int j) {
    int written = has(x, M_GV_AFTER_WRITE) ? i - 1 : i;
    float v = x->v[u->first + i][j];
    if (has(x, M_GV_STATE_ONLY)) return v;
    if (written != i) return v * chunk_decay(x, &u->value, r, written, j);
    factors w = chunk_factors(x, &u->value, r, i, j, false);
    return chunk_paired(x, r, i, v * w.writer) * w.reader;
}

static float output(const slice *x, const chunk *u, const state S, int r, int j) {
    float inter = 0, intra = 0;
    for (int d = 0; d < x->dk; d++) inter += u->Qt[r][d] * chunk_site(x, S[d][j], M_STATE_TRUNCATED);
    inter *= chunk_value_read(x, u, r, j);
    for (int i = 0; i < u->m; i++)
        if (u->P[r][i] != 0) intra += u->P[r][i] * decayed_value(x, u, r, i, j);
    if (has(x, M_INTER_BF16)) inter = chunk_round(&gla_bf16, GLA_RN, inter);
    return inter + intra;
}

static void chunk_output(slice *x, const chunk *u, int index) {
    if (has(x, M_TAIL_NOT_WRITTEN) && u->m < CHUNK) return;
    for (int r = 0; r < u->m; r++)
        for (int j = 0; j < x->dv; j++) {
            int t = u->first + r;
            bool stale = has(x, M_COLUMNS_STALE) && index > 0 && j >= x->dv - 4;
            x->o[t][j] = stale ? x->o[t - CHUNK][j] : output(x, u, x->S[index], r, j);
        }
}

/* ---- states ---- */

static float through_chunk(const slice *x, const chunk *u, int d) {
    float through = chunk_decay(x, &u->key, u->m - 1, -1, d);
    if (has(x, M_TAIL_FULL_DECAY)) through = powf(through, (float)CHUNK / (float)u->m);
    if (has(x, M_TAIL_UNDECAYED) && u->m < CHUNK) through = 1;
    if (has(x, M_CARRY_UNDECAYED)) through = 1;
    if (has(x, M_CARRY_LOST)) through = 0;
    return through;
}

static float values_through_chunk(const slice *x, const chunk *u, int j) {
    float through = chunk_decay(x, &u->value, u->m - 1, -1, j);
    if (has(x, M_GV_CARRY_UNDECAYED)) return 1;
    if (has(x, M_GV_TAIL_UNDECAYED) && u->m < CHUNK) return 1;
    return through;
}

static void chunk_state(slice *x, const chunk *u, int index) {
    int written = u->m;
    if (has(x, M_TAIL_NOT_IN_STATE)) written = u->m / SUBCHUNK * SUBCHUNK;
    for (int d = 0; d < x->dk; d++) {
        float through = through_chunk(x, u, d);
        for (int j = 0; j < x->dv; j++) {
            float S = through * values_through_chunk(x, u, j) * x->S[index][d][j];
            for (int i = 0; i < written; i++) {
                if (has(x, M_ONE_WRITE_LOST) && u->first + i == 5) continue;
                S += u->Kh[i][d] * u->Vh[i][j];
            }
            if (has(x, M_STATE_BF16)) S = chunk_round(&gla_bf16, GLA_RN, S);
            x->S[index + 1][d][j] = S;
        }
    }
}

void chunk_forward(slice *x, chunk *u) {
    for (int n = 0; n < x->chunks; n++) {
        chunk_open(x, n, u);
        chunk_output(x, u, n);
        chunk_state(x, u, n);
    }
}
