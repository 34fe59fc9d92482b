/* SPDX-License-Identifier: Apache-2.0
 *
 * Wrong kernels that are plain loops over tokens in binary32, forward only (o and final_state), one batch; see
 * wrong_bench.h.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../../reference/slice.h"
#include "wrong_bench.h"

enum { LOG_AS_GATE, READ_LATE, STATE_CUT_BF16, STATE_BF16, STATE_CUT_F16, OWN_TOKEN_TWICE };

enum { WIDEST = 32 };

typedef struct loop {
    const wrong_bench *b;
    int what;
    int64_t h;
    float S[WIDEST][WIDEST];
} loop;

static float row_of(const loop *x, gla_input name, int64_t t, int64_t i) {
    const gla_tensor *from = gla_problem_input((gla_problem *)&x->b->made.problem, name);
    return (float)from->at[t * from->stride[1] + x->h * from->stride[2] + i];
}

static float kept(const loop *x, float S) {
    if (x->what == STATE_CUT_BF16) return (float)gla_round(&gla_bf16, GLA_RZ, S, 0);
    if (x->what == STATE_BF16) return (float)gla_round(&gla_bf16, GLA_RN, S, 0);
    if (x->what == STATE_CUT_F16) return (float)gla_round(&gla_f16, GLA_RZ, S, 0);
    return S;
}

static void step(loop *x, int64_t t) {
    const gla_problem *p = &x->b->made.problem;
    for (int64_t i = 0; i < p->dk; i++) {
        float g = row_of(x, GLA_IN_GK, t, i), decay = x->what == LOG_AS_GATE ? g : (float)exp((double)g);
        float k = row_of(x, GLA_IN_K, t, i) * (x->what == OWN_TOKEN_TWICE ? 2 : 1);
        for (int64_t j = 0; j < p->dv; j++) x->S[i][j] = kept(x, decay * x->S[i][j] + k * row_of(x, GLA_IN_V, t, j));
    }
}

static void read_state(const loop *x, int64_t t) {
    const gla_problem *p = &x->b->made.problem;
    double s = gla_scale_of(p);
    for (int64_t j = 0; j < p->dv; j++) {
        float sum = 0;
        for (int64_t i = 0; i < p->dk; i++) sum += (float)s * row_of(x, GLA_IN_Q, t, i) * x->S[i][j];
        x->b->output[GLA_O][(t * p->H + x->h) * p->dv + j] =
            gla_round(chunk_kernel_stored(x->b->dtype, GLA_O), GLA_RN, sum, 0);
    }
}

bool wrong_loop(wrong_bench *b, int what) {
    const gla_problem *p = &b->made.problem;
    loop *x = calloc(1, sizeof *x);
    if (!x || p->dk > WIDEST || p->dv > WIDEST || p->B > 1) {
        free(x);
        return false;
    }
    *x = (loop){.b = b, .what = what};
    for (x->h = 0; x->h < p->H; x->h++) {
        int64_t size = p->dk * p->dv;
        for (int64_t i = 0; i < size; i++)
            x->S[i / p->dv][i % p->dv] = (float)b->made.tensor[GLA_IN_INITIAL_STATE][x->h * size + i];
        for (int64_t t = 0; t < p->T; t++) {
            step(x, t);
            if (what == READ_LATE && t > 0) read_state(x, t - 1);
            if (what != READ_LATE || t == p->T - 1) read_state(x, t);
        }
        for (int64_t i = 0; i < size; i++) b->output[GLA_FINAL_STATE][x->h * size + i] = x->S[i / p->dv][i % p->dv];
    }
    free(x);
    return true;
}

/* -1: gates of +0.5 in the case, so that the states grow past binary32; 0: a kernel that returns what binary32 makes of
 * that. */
bool wrong_growth(wrong_bench *b, int variant) {
    for (int64_t i = 0; variant < 0 && i < b->made.count[GLA_IN_GK]; i++) b->made.tensor[GLA_IN_GK][i] = 0.75;
    for (int name = 0; variant >= 0 && name < GLA_OUTPUTS; name++)
        for (int64_t i = 0; b->output[name] && i < b->truth.tensor[name].count; i++) {
            double *x = &b->output[name][i];
            *x = b->truth.tensor[name].value[i];
            if (fabs(*x) > 0x1p66) *x = NAN; /* it squared something */
        }
    return true;
}

/* -1: values 2^14 times as large; 0: outputs are stored in a dtype that does not reach so far. */
bool wrong_too_large(wrong_bench *b, int variant) {
    for (int64_t i = 0; variant < 0 && i < b->made.count[GLA_IN_V]; i++) b->made.tensor[GLA_IN_V][i] *= 0x1p14;
    for (int64_t i = 0; variant >= 0 && i < b->truth.tensor[GLA_O].count; i++)
        b->output[GLA_O][i] = gla_round(&gla_f16, GLA_RN, b->truth.tensor[GLA_O].value[i], 0);
    return true;
}
