/* SPDX-License-Identifier: Apache-2.0
 *
 * A plug-in that can be replayed: recurrent GLA, forward and backward, in the order of operations and the arithmetic
 * that `--replay binary32 --form recurrent` runs. Every sum ascends and every step of it is one fma:
 *
 *     Z = alpha_i S_ij beta_j;  S_ij = fma(k_i, v_j, Z_ij);  o_j = sum_i (s q_i) S_ij;  dq_i = s sum_j do_j S_ij
 *     R_ij = fma(s q_i, do_j, F_ij);  dk_i = sum_j v_j R_ij;  dv_j = sum_i k_i R_ij;  F_ij = alpha_i R_ij beta_j
 *     dg_i = sum_j R_ij Z_ij;  dgv_j = sum_i R_ij Z_ij
 *
 * e^g is that of binary64 rounded once, which is the correctly rounded binary32 value unless e^g lies within 2^-52 of
 * the middle between two of them: about one gate in 10^8. With GLASSBOX_FAULT=reordered the sum of o descends: as
 * right, but another arithmetic.
 */
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "access.h"

typedef const struct glassbox_problem problem;

/* One sequence of one head. */
typedef struct run {
    problem *p;
    bool reordered;
    int64_t n, b, h, hk, group, begin, length;
    float *S, *Z, *F;                      /* [length + 1][dk][dv], S[0] initial; [dk][dv] [dk][dv] */
    float *q, *k, *v, *d_o, *alpha, *beta; /* of one token; q times scale */
    float *dk, *dg;                        /* [T][dk], summed over a group of heads */
} run;

static int64_t place(const run *r, int64_t t) { return r->begin + (r->p->reverse ? r->length - 1 - t : t); }

static void load_token(const run *r, int64_t t) {
    problem *p = r->p;
    int64_t at = place(r, t);
    for (int64_t i = 0; i < p->dk; i++) {
        r->q[i] = get(&p->in.q, r->b, at, r->h, i) * (float)p->scale;
        r->k[i] = get(&p->in.k, r->b, at, r->hk, i);
        r->alpha[i] = (float)exp((double)get(&p->in.g, r->b, at, r->hk, i));
    }
    for (int64_t j = 0; j < p->dv; j++) {
        r->v[j] = get(&p->in.v, r->b, at, r->h, j);
        r->d_o[j] = get(&p->in.d_o, r->b, at, r->h, j);
        r->beta[j] = (float)exp((double)get(&p->in.gv, r->b, at, r->h, j));
    }
}

static void decay(const run *r, float *to, const float *from) {
    int64_t dv = r->p->dv;
    for (int64_t i = 0; i < r->p->dk; i++)
        for (int64_t j = 0; j < dv; j++) to[i * dv + j] = r->alpha[i] * from[i * dv + j] * r->beta[j];
}

static void forward(const run *r) {
    problem *p = r->p;
    int64_t dk = p->dk, dv = p->dv;
    for (int64_t i = 0; i < dk; i++)
        for (int64_t j = 0; j < dv; j++) r->S[i * dv + j] = get(&p->in.initial_state, r->n, r->h, i, j);
    for (int64_t t = 0; t < r->length; t++) {
        float *S = r->S + (t + 1) * dk * dv;
        load_token(r, t);
        decay(r, S, S - dk * dv);
        for (int64_t i = 0; i < dk; i++)
            for (int64_t j = 0; j < dv; j++) S[i * dv + j] = fmaf(r->k[i], r->v[j], S[i * dv + j]);
        for (int64_t j = 0; j < dv; j++) {
            float o = 0;
            for (int64_t n = 0; n < dk; n++) {
                int64_t i = r->reordered ? dk - 1 - n : n;
                o = fmaf(r->q[i], S[i * dv + j], o);
            }
            put(&p->out.o, r->b, place(r, t), r->h, j, o);
        }
    }
    const float *last = r->S + r->length * dk * dv;
    for (int64_t i = 0; i < dk; i++)
        for (int64_t j = 0; j < dv; j++) put(&p->out.final_state, r->n, r->h, i, j, last[i * dv + j]);
}

/* A gradient of k or g: heads that share them add up. */
static void add(const run *r, float *sum, float x) { *sum = r->group > 1 ? *sum + x : x; }

static void backward_token(const run *r, int64_t t) {
    problem *p = r->p;
    int64_t dk = p->dk, dv = p->dv, at = place(r, t);
    const float *S = r->S + (t + 1) * dk * dv;
    float *F = r->F, *Z = r->Z;
    load_token(r, t);
    decay(r, Z, S - dk * dv);
    for (int64_t i = 0; i < dk; i++) {
        float dq = 0, dki = 0, dg = 0;
        for (int64_t j = 0; j < dv; j++) {
            F[i * dv + j] = fmaf(r->q[i], r->d_o[j], F[i * dv + j]);
            dq = fmaf(r->d_o[j], S[i * dv + j], dq);
            dki = fmaf(r->v[j], F[i * dv + j], dki);
            dg = fmaf(F[i * dv + j], Z[i * dv + j], dg);
        }
        put(&p->out.dq, r->b, at, r->h, i, dq * (float)p->scale);
        add(r, &r->dk[at * dk + i], dki);
        add(r, &r->dg[at * dk + i], dg);
    }
    for (int64_t j = 0; j < dv; j++) {
        float dvj = 0, dgv = 0;
        for (int64_t i = 0; i < dk; i++) {
            dvj = fmaf(r->k[i], F[i * dv + j], dvj);
            dgv = fmaf(F[i * dv + j], Z[i * dv + j], dgv);
        }
        put(&p->out.dv, r->b, at, r->h, j, dvj);
        put(&p->out.dgv, r->b, at, r->h, j, dgv);
    }
    decay(r, F, F);
}

static void backward(const run *r) {
    problem *p = r->p;
    for (int64_t i = 0; i < p->dk; i++)
        for (int64_t j = 0; j < p->dv; j++) r->F[i * p->dv + j] = get(&p->in.d_final_state, r->n, r->h, i, j);
    for (int64_t t = r->length - 1; t >= 0; t--) backward_token(r, t);
    for (int64_t i = 0; i < p->dk; i++)
        for (int64_t j = 0; j < p->dv; j++) put(&p->out.dinitial_state, r->n, r->h, i, j, r->F[i * p->dv + j]);
}

/* All heads that share head hk of k and g. */
static void run_group(run *r) {
    problem *p = r->p;
    r->group = p->H / p->in.k.shape[2];
    memset(r->dk, 0, 2 * (size_t)(p->T * p->dk) * sizeof(float)); /* dg lies behind dk */
    for (r->h = r->hk * r->group; r->h < (r->hk + 1) * r->group; r->h++) {
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
    return (int64_t)sizeof(float) * ((p->T + 3) * p->dk * p->dv + 2 * p->T * p->dk + 3 * (p->dk + p->dv));
}

int glassbox_plugin_run(problem *p, void *workspace, size_t workspace_size) {
    const char *fault = getenv("GLASSBOX_FAULT");
    int64_t dk = p->dk, dv = p->dv;
    if ((int64_t)workspace_size < glassbox_plugin_workspace(p)) return 2;
    run r = {.p = p, .reordered = fault && strcmp(fault, "reordered") == 0, .S = workspace};
    r.Z = r.S + (p->T + 1) * dk * dv;
    r.F = r.Z + dk * dv;
    r.dk = r.F + dk * dv;
    r.dg = r.dk + p->T * dk;
    r.q = r.dg + p->T * dk;
    r.k = r.q + dk;
    r.alpha = r.k + dk;
    r.v = r.alpha + dk;
    r.d_o = r.v + dv;
    r.beta = r.d_o + dv;
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
                                              .name = "replayable",
                                              .mechanisms = "gla",
                                              .formats = GLASSBOX_TAKES_F32 | GLASSBOX_TAKES_BF16,
                                              .features = GLASSBOX_HAS_BACKWARD | GLASSBOX_IS_DETERMINISTIC};
    return &info;
}
