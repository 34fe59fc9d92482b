/* SPDX-License-Identifier: Apache-2.0
 *
 * The backward of the kernel in chunk_kernel.h, with its faults: from the last chunk to the first, F comes in as the
 * adjoint of the state that leaves the chunk and goes out as that of the state that entered it.
 */
#include <string.h>

#include "chunk_slice.h"

typedef struct gradients {
    float dP[CHUNK][CHUNK];   /* rounded */
    row Sr[WIDTH], Fr[WIDTH]; /* S and F as operands */
} gradients;

static void score_gradients(const slice *x, const chunk *u, gradients *b) {
    for (int r = 0; r < u->m; r++)
        for (int i = 0; i < u->m; i++) {
            bool masked = i > r;
            if (has(x, M_DSCORE_UNMASKED) && r / SUBCHUNK == i / SUBCHUNK) masked = false;
            if (has(x, M_DSCORE_DIAGONAL_LOST) && i == r) masked = true;
            float sum = 0;
            for (int j = 0; j < x->dv && !masked; j++) {
                factors w = chunk_factors(x, &u->value, r, i, j, false);
                if (has(x, M_DSCORE_NO_GV) || i > r) w = (factors){1, 1};
                sum += chunk_operand(x, x->d_o[u->first + r][j] * w.reader) *
                       chunk_operand(x, x->v[u->first + i][j] * w.writer);
            }
            b->dP[r][i] = masked ? 0 : chunk_site(x, sum, M_DSCORE_TRUNCATED);
        }
}

static void round_states(const slice *x, int index, gradients *b) {
    int entering = has(x, M_DQ_NEXT_STATE) ? index + 1 : index;
    for (int d = 0; d < x->dk; d++)
        for (int j = 0; j < x->dv; j++) {
            b->Sr[d][j] = chunk_site(x, x->S[entering][d][j], M_STATE_TRUNCATED);
            b->Fr[d][j] = chunk_site(x, x->F[d][j], M_NONE);
        }
}

static float dot(const float *a, const float *b, int count) {
    float sum = 0;
    for (int j = 0; j < count; j++) sum += a[j] * b[j];
    return sum;
}

/* do_r as the entering state meets it. */
static float read_gradient(const slice *x, const chunk *u, int r, int j) {
    float d_o = x->d_o[u->first + r][j];
    return has(x, M_DO_NO_GV) ? d_o : chunk_operand(x, d_o * chunk_decay(x, &u->value, r, -1, j));
}

static float query_gradient(const slice *x, const chunk *u, const gradients *b, int r, int d) {
    int columns = has(x, M_DQ_ONE_TILE) && x->dv > 8 ? 8 : x->dv;
    float inter = 0, intra = 0;
    for (int j = 0; j < columns; j++) inter += read_gradient(x, u, r, j) * b->Sr[d][j];
    inter *= chunk_decay(x, &u->key, r, -1, d);
    for (int i = 0; i < u->m; i++) {
        if (b->dP[r][i] == 0) continue;
        factors w = chunk_factors(x, &u->key, r, i, d, false);
        intra += b->dP[r][i] * w.reader * chunk_paired(x, r, i, x->k[u->first + i][d] * w.writer);
    }
    if (has(x, M_DQ_NO_INTER)) inter = 0;
    if (has(x, M_DQ_SCALED_TWICE)) return x->s * x->s * (inter + intra);
    return x->s * inter + x->s * intra;
}

static float key_gradient(const slice *x, const chunk *u, const gradients *b, int i, int d) {
    float out = chunk_decay(x, &u->key, u->m - 1, i, d), intra = 0;
    if (has(x, M_DK_WRONG_DECAY)) out = chunk_decay(x, &u->key, i, -1, d);
    float inter = dot(u->Vh[i], b->Fr[d], x->dv) * out;
    for (int r = 0; r < u->m; r++) {
        if (b->dP[r][i] == 0) continue;
        factors w = chunk_factors(x, &u->key, r, i, d, true);
        float sq = (has(x, M_DK_UNSCALED) ? 1 : x->s) * x->q[u->first + r][d];
        intra += b->dP[r][i] * w.writer * chunk_paired(x, r, i, sq * w.reader);
    }
    if (has(x, M_DK_NO_DSTATE)) inter = 0;
    if (has(x, M_DK_TAIL_ZERO) && u->m < CHUNK) return 0;
    return inter + intra;
}

static float value_gradient(const slice *x, const chunk *u, const gradients *b, int i, int j) {
    float inter = 0, intra = 0;
    for (int d = 0; d < x->dk; d++)
        inter += (has(x, M_DV_KEYS_UNDECAYED) ? x->k[u->first + i][d] : u->Kh[i][d]) * b->Fr[d][j];
    if (!has(x, M_DV_NO_GV)) inter *= chunk_decay(x, &u->value, u->m - 1, i, j);
    for (int r = 0; r < u->m; r++) {
        float P = has(x, M_DV_UNTRANSPOSED) ? u->P[i][r] : u->P[r][i];
        if (P == 0) continue;
        factors w = {1, 1};
        if (i <= r) w = chunk_factors(x, &u->value, r, i, j, true);
        intra += P * chunk_paired(x, r, i, x->d_o[u->first + r][j] * w.reader) * w.writer;
    }
    if (has(x, M_DV_NO_DSTATE)) inter = 0;
    return inter + intra;
}

/* ---- gates ---- */

/* row(F * S_out): what the gates of the chunk do to everything after it. */
static float end_term(slice *x, int index, int d) {
    bool last = index == x->chunks - 1;
    float end = dot(x->F[d], x->S[index + 1][d], x->dv);
    if (last) x->end[d] = end += has(x, M_DG_END_OVER_HEADS) ? x->end[d] : 0;
    if (last && has(x, M_DG_NO_END)) end = 0;
    return end;
}

/* q dq - k dk at token r of the chunk. */
static float gate_term(const slice *x, const chunk *u, int r, int d) {
    int t = u->first + r;
    float dq = x->dq[t][d], dk = x->dk_[t][d];
    if (has(x, M_DG_FROM_ROUNDED)) {
        dq = chunk_round(x->dtype, GLA_RN, dq);
        dk = chunk_round(x->dtype, GLA_RN, dk);
    }
    if (has(x, M_DG_NO_KEYS)) dk = 0;
    return x->q[t][d] * dq - x->k[t][d] * dk;
}

static void gate_gradients(slice *x, const chunk *u, int index) {
    for (int d = 0; d < x->dk; d++) {
        float sum = end_term(x, index, d);
        row *dg = x->dg + u->first;
        for (int r = u->m - 1; r >= 0; r--) {
            float after = sum;
            sum += gate_term(x, u, r, d);
            dg[r][d] = has(x, M_DG_EXCLUSIVE) ? after : sum;
            if (has(x, M_DG_EARLY) && r > 0) dg[r][d] = sum + gate_term(x, u, r - 1, d);
        }
        for (int r = 0; r < u->m && has(x, M_DG_BY_PREFIX); r++) {
            dg[r][d] = sum;
            sum -= gate_term(x, u, r, d);
        }
    }
}

/* o do - v dv at token r of the chunk. */
static float value_gate_term(const slice *x, const chunk *u, int r, int j) {
    int t = u->first + r;
    float o = x->o[t][j], dv = x->dv_[t][j];
    if (has(x, M_DGV_FROM_ROUNDED)) {
        o = chunk_round(x->dtype, GLA_RN, o);
        dv = chunk_round(x->dtype, GLA_RN, dv);
    }
    if (has(x, M_DGV_NO_VALUES)) dv = 0;
    return o * x->d_o[t][j] - x->v[t][j] * dv;
}

static void value_gate_gradients(slice *x, const chunk *u, int index) {
    bool last = index == x->chunks - 1;
    for (int j = 0; j < x->dv && x->valued; j++) {
        float sum = 0;
        for (int d = 0; d < x->dk; d++) sum += x->F[d][j] * x->S[index + 1][d][j];
        if (has(x, M_DGV_NO_END) && last) sum = 0;
        if (has(x, M_DGV_NO_BOUNDARY) && !last) sum = 0;
        for (int r = u->m - 1; r >= 0; r--) {
            float after = sum;
            sum += value_gate_term(x, u, r, j);
            x->dgv[u->first + r][j] = has(x, M_DGV_EXCLUSIVE) ? after : sum;
        }
    }
}

/* ---- the state's gradient ---- */

static void state_gradient(slice *x, const chunk *u, int index) {
    for (int d = 0; d < x->dk; d++) {
        float through = chunk_decay(x, &u->key, u->m - 1, -1, d);
        if (has(x, M_DSTATE_UNDECAYED)) through = 1;
        if (has(x, M_DINITIAL_UNDECAYED) && index == 0) through = 1;
        for (int j = 0; j < x->dv; j++) {
            float kept = has(x, M_DSTATE_NO_GV) ? 1 : chunk_decay(x, &u->value, u->m - 1, -1, j);
            float F = through * kept * x->F[d][j];
            for (int r = 0; r < u->m; r++) F += u->Qt[r][d] * read_gradient(x, u, r, j);
            if (has(x, M_DSTATE_BF16)) F = chunk_round(&gla_bf16, GLA_RN, F);
            x->F[d][j] = F;
        }
    }
}

void chunk_backward(slice *x, chunk *u) {
    gradients b;
    for (int n = x->chunks - 1; n >= 0; n--) {
        chunk_open(x, n, u);
        score_gradients(x, u, &b);
        round_states(x, n, &b);
        for (int r = 0; r < u->m; r++) {
            int t = u->first + r;
            for (int d = 0; d < x->dk; d++) {
                x->dq[t][d] = query_gradient(x, u, &b, r, d);
                x->dk_[t][d] = key_gradient(x, u, &b, r, d);
            }
            for (int j = 0; j < x->dv; j++) x->dv_[t][j] = value_gradient(x, u, &b, r, j);
        }
        gate_gradients(x, u, n);
        value_gate_gradients(x, u, n);
        state_gradient(x, u, n);
    }
}
