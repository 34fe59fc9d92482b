/* SPDX-License-Identifier: Apache-2.0
 *
 * A plug-in with gradients: recurrent GLA in float, all states kept, dg from state and adjoint directly.
 *
 * With S_t = A_t * S_{t-1} + k_t v_t^T, A_t = outer(e^g_t, e^gv_t), and o_t = s S_t^T q_t the adjoint of the state is
 *     R_t = s q_t do_t^T + (dfinal_state if t is last, else A_{t+1} * R_{t+1})
 *     dq_t = s S_t do_t    dk_t = R_t v_t    dv_t = R_t^T k_t    dg_t = row sums of A_t * S_{t-1} * R_t
 */
#include <math.h>

#include "access.h"

typedef const struct glassbox_problem problem;

/* One sequence of one head; token(t) is where step t of the recurrence lies. */
typedef struct run {
    problem *p;
    int64_t n, b, h, hk, begin, length;
    float *S;        /* [length + 1][dk][dv]; S[0] is the initial state */
    float *R;        /* [dk][dv] */
    float *dk, *dg;  /* [T][dk], summed over a group of heads */
    float *dv, *dgv; /* [dv] of one token */
} run;

static int64_t token(const run *r, int64_t t) { return r->begin + (r->p->reverse ? r->length - 1 - t : t); }

static float decay(const run *r, int64_t at, int64_t i, int64_t j) {
    return expf(get(&r->p->in.g, r->b, at, r->hk, i)) * expf(get(&r->p->in.gv, r->b, at, r->h, j));
}

static void forward(const run *r) {
    problem *p = r->p;
    int64_t dv = p->dv, size = p->dk * dv;
    for (int64_t i = 0; i < p->dk; i++)
        for (int64_t j = 0; j < dv; j++) r->S[i * dv + j] = get(&p->in.initial_state, r->n, r->h, i, j);
    for (int64_t t = 0; t < r->length; t++) {
        const float *before = r->S + t * size;
        float *S = r->S + (t + 1) * size;
        int64_t at = token(r, t);
        for (int64_t j = 0; j < dv; j++) {
            float o = 0, v = get(&p->in.v, r->b, at, r->h, j);
            for (int64_t i = 0; i < p->dk; i++) {
                float k = get(&p->in.k, r->b, at, r->hk, i);
                S[i * dv + j] = decay(r, at, i, j) * before[i * dv + j] + k * v;
                o += S[i * dv + j] * get(&p->in.q, r->b, at, r->h, i);
            }
            put(&p->out.o, r->b, at, r->h, j, (float)p->scale * o);
        }
    }
    for (int64_t i = 0; i < p->dk; i++)
        for (int64_t j = 0; j < dv; j++)
            put(&p->out.final_state, r->n, r->h, i, j, r->S[r->length * size + i * dv + j]);
}

/* Row i of token t; r->R becomes A_t * R_t on the way. */
static void backward_row(const run *r, int64_t t, int64_t i) {
    problem *p = r->p;
    int64_t dv = p->dv, at = token(r, t);
    const float *S = r->S + ((t + 1) * p->dk + i) * dv, *before = r->S + (t * p->dk + i) * dv;
    float *R = r->R + i * dv, scale = (float)p->scale, dq = 0, dk = 0, dg = 0,
          q = scale * get(&p->in.q, r->b, at, r->h, i);
    for (int64_t j = 0; j < dv; j++) {
        float d_o = get(&p->in.d_o, r->b, at, r->h, j);
        R[j] += q * d_o;
        dq += S[j] * d_o;
        dk += R[j] * get(&p->in.v, r->b, at, r->h, j);
    }
    put(&p->out.dq, r->b, at, r->h, i, scale * dq);
    float k = get(&p->in.k, r->b, at, r->hk, i);
    for (int64_t j = 0; j < dv; j++) {
        float a = decay(r, at, i, j), flow = a * before[j] * R[j];
        r->dv[j] += R[j] * k;
        r->dgv[j] += flow;
        dg += flow;
        R[j] *= a;
    }
    r->dk[at * p->dk + i] += dk;
    r->dg[at * p->dk + i] += dg;
}

static void backward(const run *r) {
    problem *p = r->p;
    for (int64_t i = 0; i < p->dk; i++)
        for (int64_t j = 0; j < p->dv; j++) r->R[i * p->dv + j] = get(&p->in.d_final_state, r->n, r->h, i, j);
    for (int64_t t = r->length - 1; t >= 0; t--) {
        memset(r->dv, 0, 2 * (size_t)p->dv * sizeof(float)); /* dgv lies behind dv */
        for (int64_t i = 0; i < p->dk; i++) backward_row(r, t, i);
        for (int64_t j = 0; j < p->dv; j++) {
            put(&p->out.dv, r->b, token(r, t), r->h, j, r->dv[j]);
            put(&p->out.dgv, r->b, token(r, t), r->h, j, r->dgv[j]);
        }
    }
    for (int64_t i = 0; i < p->dk; i++)
        for (int64_t j = 0; j < p->dv; j++) put(&p->out.dinitial_state, r->n, r->h, i, j, r->R[i * p->dv + j]);
}

/* All heads that share head hk of k and g. */
static void run_group(run *r) {
    problem *p = r->p;
    int64_t group = p->H / p->in.k.shape[2];
    memset(r->dk, 0, 2 * (size_t)(p->T * p->dk) * sizeof(float)); /* dg lies behind dk */
    for (r->h = r->hk * group; r->h < (r->hk + 1) * group; r->h++) {
        forward(r);
        if (p->backward) backward(r);
    }
    for (int64_t t = r->begin; p->backward && t < r->begin + r->length; t++)
        for (int64_t i = 0; i < p->dk; i++) {
            put(&p->out.dk, r->b, t, r->hk, i, r->dk[t * p->dk + i]);
            put(&p->out.dg, r->b, t, r->hk, i, r->dg[t * p->dk + i]);
        }
}

int64_t glassbox_plugin_workspace(problem *p) {
    return (int64_t)sizeof(float) * ((p->T + 2) * p->dk * p->dv + 2 * p->T * p->dk + 2 * p->dv);
}

int glassbox_plugin_run(problem *p, void *workspace, size_t workspace_size) {
    if ((int64_t)workspace_size < glassbox_plugin_workspace(p)) return 2;
    run r = {.p = p, .S = workspace};
    r.R = r.S + (p->T + 1) * p->dk * p->dv;
    r.dk = r.R + p->dk * p->dv;
    r.dg = r.dk + p->T * p->dk;
    r.dv = r.dg + p->T * p->dk;
    r.dgv = r.dv + p->dv;
    for (r.n = 0; r.n < p->N; r.n++) {
        r.b = p->cu_seqlens ? 0 : r.n;
        r.begin = p->cu_seqlens ? p->cu_seqlens[r.n] : 0;
        r.length = (p->cu_seqlens ? p->cu_seqlens[r.n + 1] : p->T) - r.begin;
        for (r.hk = 0; r.hk < p->in.k.shape[2]; r.hk++) run_group(&r);
    }
    return 0;
}

const struct glassbox_info *glassbox_plugin_info(void) {
    static const struct glassbox_info info = {.size = sizeof info,
                                              .abi_version = GLASSBOX_ABI_VERSION,
                                              .name = "gradients",
                                              .mechanisms = "gla",
                                              .formats = GLASSBOX_TAKES_F32 | GLASSBOX_TAKES_BF16,
                                              .features = GLASSBOX_HAS_BACKWARD | GLASSBOX_IS_DETERMINISTIC};
    return &info;
}
