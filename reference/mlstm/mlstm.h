/* SPDX-License-Identifier: Apache-2.0
 *
 * The mLSTM core: one sequence of one head of the matrix memory with an exponential input gate, its stabiliser m and
 * its normaliser n, or with a sigmoid input gate (TFLA), which needs no stabiliser. The state is stored in units of
 * e^m: e^m C and e^m n are what the definition without a stabiliser has.
 *
 *     log f_t = logsigmoid(f_t) ;  log i_t = i_t  (sigmoid gate: logsigmoid(i_t), and m_t = 0 throughout)
 *     m_t = max(log f_t + m_{t-1}, log i_t) ;  fa_t = e^(log f_t + m_{t-1} - m_t) ;  ia_t = e^(log i_t - m_t)
 *     C_t = fa_t C_{t-1} + ia_t k_t v_t^T ;  n_t = fa_t n_{t-1} + ia_t k_t
 *     h_t = s C_t^T q_t / den_t ;  den_t = max(|s q_t.n_t|, e^-m_t) + eps         (not normalised: den_t = 1, no n)
 *
 * forward and backward, in three formulations with one signature. Backward, for the loss <h,dh> + <C_T,dC_T> +
 * <n_T,dn_T>, m is a constant wherever it occurs: exact when eps = 0 and the loss does not depend on the units of the
 * state. dC_T and dn_T are derivatives at fixed m_T, dC_0 and dn_0 at fixed m_0 (so that segments chain), and
 * dm_0 = <C_0,dC_0> + <n_0,dn_0> is how the loss depends on the units in which C_0, n_0 are given.
 *
 * n is kept as the last column of the state, the value of a channel that is always 1 (spec L6).
 * Minus infinity is legal: i = -inf writes nothing, f = -inf forgets everything, f = +inf nothing; m_0 = -inf says that
 * the initial state is empty, and C_0, n_0 are not looked at. While nothing was written m stays -inf and h = 0.
 * Hazards: eps is in units of e^m: at m = 15 and |n.q| < e^-m an eps of 1e-6 multiplies h by 0.234. The maximum in den
 * is a kink; at a tie the gradient is that of the constant side. Where one token outweighs the others h is its v, and
 * the full gradients of q, k and the gates are differences v - h: they lose as many digits as it outweighs. A truncated
 * gradient does not.
 */
#ifndef GLASSBOX_MLSTM_H
#define GLASSBOX_MLSTM_H

#include "../glassbox.h"
#include "../verbs.h"

typedef struct mlstm_options {
    bool sigmoid;        /* sigmoid input gate, no m */
    bool unnormalised;   /* h_t = s C_t^T q_t; sigmoid gate only. n and its gradients may be absent */
    bool truncated;      /* gradient of TFLA's kernels: the denominator is a constant and dn_T is ignored. Exact if
                            dh_t.h_t = 0 for all t, as before a norm that forgets the scale, and dn_T = 0 */
    bool di_from_values; /* d log i_t = v_t.dv_t in the place of k_t.dk_t: right for the truncated gradient alone */
    bool no_end;         /* df as public chunkwise kernels have it: without the constant <C_T,dC_T> + <n_T,dn_T> in the
                            gradient of log f */
} mlstm_options;

/* All matrices in one number system. Inputs marked (a) may be absent; outputs are made by the caller. */
typedef struct mlstm_slice {
    gla_numbers *in;
    size_t T, dk, dv;
    mlstm_options options;
    gla_matrix s, eps;     /* [1,1] scale; [1,1] (a) = 0 */
    gla_matrix q, k, v;    /* [T,dk] [T,dk] [T,dv] */
    gla_matrix i, f;       /* [T,1] gates before their activation */
    gla_matrix C0, n0, m0; /* [dk,dv] (a) = 0, [dk,1] (a) = 0, [1,1] (a) = -inf; sigmoid gate: m0 is not looked at */
    gla_matrix h;          /* [T,dv] out */
    gla_matrix CT, nT, mT; /* [dk,dv], [dk,1] (a), [1,1] (a) out */
    /* backward only */
    gla_matrix d_h, dCT, dnT; /* [T,dv], [dk,dv] (a) = 0, [dk,1] (a) = 0 in */
    gla_matrix dq, dk_, dv_;  /* [T,dk] [T,dk] [T,dv] out */
    gla_matrix di, df;        /* [T,1] [T,1] out */
    gla_matrix dC0, dn0, dm0; /* [dk,dv], [dk,1] (a), [1,1] (a) out */
} mlstm_slice;

/* Each runs forward, and backward if form->backward; materialised and split are not looked at (chunkwise always keeps
 * its states). Failures are left in slice->in->status; a route that the formulation does not have, or an unnormalised
 * exponential gate, is GLA_UNSUPPORTED. */
typedef void mlstm_run(const mlstm_slice *x, const gla_form *form);
void mlstm_recurrent(const mlstm_slice *x, const gla_form *form);
void mlstm_parallel(const mlstm_slice *x, const gla_form *form);
void mlstm_chunkwise(const mlstm_slice *x, const gla_form *form);
/* Is there such a form? No +split, no options of other cores. */
bool mlstm_available(const gla_form *form);
/* The one that the form names, which must be available. */
void mlstm_run_form(const mlstm_slice *x, const gla_form *form);

/* Gradients of log f: direct (recurrent), suffix (all), anchor (chunkwise), straddle (parallel, chunkwise). Default:
 * direct, suffix, straddle. */
bool mlstm_route_available(gla_formulation kind, gla_gate_route route);

#endif
