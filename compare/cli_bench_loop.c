/* SPDX-License-Identifier: Apache-2.0
 *
 * The plain float64 loop (cli_bench_loop.h):
 *     S_t = e^g_t * S_{t-1} + k_t v_t^T ;  o_t = s S_t^T q_t
 *     R_t = F_t + s q_t do_t^T ;  F_{t-1} = e^g_t * R_t
 *     dq_t = s S_t do_t ;  dk_t = R_t v_t ;  dv_t = R_t^T k_t ;  dg_t = row(R_t * e^g_t * S_{t-1})
 * The backward keeps every state.
 */
#include "cli_bench_loop.h"

#include <math.h>
#include <string.h>

static void forward_token(const bench_loop *x, size_t t, const double *before, double *S) {
    double *o = x->o + t * x->dv;
    memset(o, 0, x->dv * sizeof *o);
    for (size_t i = 0; i < x->dk; i++) {
        double alpha = exp(x->g[t * x->dk + i]), k = x->k[t * x->dk + i], q = x->scale * x->q[t * x->dk + i];
        for (size_t j = 0; j < x->dv; j++) {
            double s = alpha * before[i * x->dv + j] + k * x->v[t * x->dv + j];
            S[i * x->dv + j] = s;
            o[j] += q * s;
        }
    }
}

static void backward_token(const bench_loop *x, size_t t, const double *before, const double *S) {
    const double *v = x->v + t * x->dv, *d_o = x->d_o + t * x->dv;
    double *dv = x->dv_ + t * x->dv;
    memset(dv, 0, x->dv * sizeof *dv);
    for (size_t i = 0; i < x->dk; i++) {
        size_t at = t * x->dk + i;
        double alpha = exp(x->g[at]), q = x->scale * x->q[at], dq = 0, dk = 0, dg = 0;
        for (size_t j = 0; j < x->dv; j++) {
            double R = x->F[i * x->dv + j] + q * d_o[j];
            dq += S[i * x->dv + j] * d_o[j];
            dk += R * v[j];
            dv[j] += R * x->k[at];
            dg += R * alpha * before[i * x->dv + j];
            x->F[i * x->dv + j] = alpha * R;
        }
        x->dq[at] = x->scale * dq;
        x->dk_[at] = dk;
        x->dg[at] = dg;
    }
}

/* states[0] is S_0 = 0; the forward alone overwrites it, the backward finds S_t in states[t]. */
void bench_loop_run(const bench_loop *x) {
    size_t D = x->dk * x->dv, step = x->d_o ? D : 0;
    memset(x->states, 0, D * sizeof *x->states);
    for (size_t t = 0; t < x->T; t++) forward_token(x, t, x->states + t * step, x->states + (t + 1) * step);
    if (!x->d_o) return;
    memset(x->F, 0, D * sizeof *x->F);
    for (size_t t = x->T; t-- > 0;) backward_token(x, t, x->states + t * D, x->states + (t + 1) * D);
}
