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

static void sum_gates(const slice *x, chunk *u) {
    for (int r = 0; r < u->m; r++)
        for (int d = 0; d < x->dk; d++) {
            float g = x->g[u->first + r][d], before = r ? u->sum[r - 1][d] : 0;
            int resets = r ? u->resets[r - 1][d] : 0;
            bool reset = isinf(g) && !has(x, M_RESET_NAN);
            u->resets[r][d] = resets + reset;
            u->sum[r][d] = reset ? 0 : before + g;
            if (has(x, M_GATE_SUM_BF16)) u->sum[r][d] = chunk_round(&gla_bf16, GLA_RN, u->sum[r][d]);
        }
}

float chunk_decay(const slice *x, const chunk *u, int r, int i, int d) {
    if (r == i) return 1;
    if (u->resets[r][d] != (i < 0 ? 0 : u->resets[i][d])) return 0;
    float exponent = u->sum[r][d] - (i < 0 ? 0 : u->sum[i][d]);
    if (has(x, M_SAFE_EXP) && exponent >= 0) return 0;
    return exponential(exponent);
}

factors chunk_factors(const slice *x, const chunk *u, int r, int i, int d, bool to_writer) {
    int written = has(x, M_DECAY_AFTER_WRITE) ? i - 1 : i;
    if (has(x, M_ONE_ANCHOR)) return (factors){chunk_decay(x, u, r, -1, d), 1 / chunk_decay(x, u, i, -1, d)};
    if (r / SUBCHUNK == i / SUBCHUNK) return (factors){1, chunk_decay(x, u, r, written, d)};
    int anchor = to_writer ? i / SUBCHUNK * SUBCHUNK + SUBCHUNK - 1 : r / SUBCHUNK * SUBCHUNK;
    return (factors){chunk_decay(x, u, r, anchor, d), chunk_decay(x, u, anchor, written, d)};
}

/* ---- operands ---- */

static void decay_operands(const slice *x, chunk *u) {
    int last = u->m - 1;
    for (int r = 0; r < u->m; r++) {
        const float *q = x->q[u->first + r], *k = x->k[u->first + r];
        int read = has(x, M_EXCLUSIVE_READ) || has(x, M_INTER_EXCLUSIVE) ? r - 1 : r;
        int written = has(x, M_DECAY_AFTER_WRITE) ? r - 1 : r;
        for (int d = 0; d < x->dk; d++) {
            float into = chunk_decay(x, u, read, -1, d);
            if (has(x, M_EXP_OFF)) into *= 1 + 0x1p-9f;
            u->Qt[r][d] = chunk_site(x, x->s * q[d] * into, M_NONE);
            u->Kh[r][d] = chunk_site(x, k[d] * chunk_decay(x, u, last, written, d), M_NONE);
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
        factors w = chunk_factors(x, u, read, i, d, false);
        sum += chunk_operand(x, x->s * q[d] * w.reader) * chunk_operand(x, k[d] * w.writer);
    }
    return chunk_site(x, sum, M_SCORE_TRUNCATED);
}

void chunk_open(const slice *x, int index, chunk *u) {
    memset(u, 0, sizeof *u);
    u->first = index * CHUNK;
    u->m = x->T - u->first < CHUNK ? x->T - u->first : CHUNK;
    sum_gates(x, u);
    decay_operands(x, u);
    for (int r = 0; r < u->m; r++)
        for (int i = 0; i <= last_column(x, u, r); i++) u->P[r][i] = score(x, u, r, i);
}

/* ---- outputs ---- */

static float output(const slice *x, const chunk *u, const state S, int r, int j) {
    float inter = 0, intra = 0;
    for (int d = 0; d < x->dk; d++) inter += u->Qt[r][d] * chunk_site(x, S[d][j], M_STATE_TRUNCATED);
    for (int i = 0; i < u->m; i++)
        if (u->P[r][i] != 0) intra += u->P[r][i] * x->v[u->first + i][j];
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
    float through = chunk_decay(x, u, u->m - 1, -1, d);
    if (has(x, M_TAIL_FULL_DECAY)) through = powf(through, (float)CHUNK / (float)u->m);
    if (has(x, M_TAIL_UNDECAYED) && u->m < CHUNK) through = 1;
    if (has(x, M_CARRY_UNDECAYED)) through = 1;
    if (has(x, M_CARRY_LOST)) through = 0;
    return through;
}

static void chunk_state(slice *x, const chunk *u, int index) {
    int written = u->m;
    if (has(x, M_TAIL_NOT_IN_STATE)) written = u->m / SUBCHUNK * SUBCHUNK;
    for (int d = 0; d < x->dk; d++) {
        float through = through_chunk(x, u, d);
        for (int j = 0; j < x->dv; j++) {
            float S = through * x->S[index][d][j];
            for (int i = 0; i < written; i++) {
                if (has(x, M_ONE_WRITE_LOST) && u->first + i == 5) continue;
                S += u->Kh[i][d] * x->v[u->first + i][j];
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
