/* SPDX-License-Identifier: Apache-2.0
 *
 * The GLA layer, backward: the maps' gradients (maps.h) and the core's, in reverse order. What the forward did not
 * keep, everything but the signals, is computed again.
 */
#include "gla_layer.h"

/* ---- out of the core ---- */

/* dz and the gate's gradients from dp, the gradient of p = swish(x Wg^T) * z. */
static void output_gate_back(gla_matrix dx, gla_matrix dz, gla_matrix dp, gla_matrix x, gla_matrix gate, gla_matrix z,
                             const gla_layer *l, const gla_layer *d) {
    gla_matrix dgate = gla_new(l->in, gate.rows, gate.cols);
    layer_swish_gate_back(dgate, dz, dp, gate, z);
    layer_linear_back(dx, d->Wg, (gla_matrix){0}, dgate, x, l->Wg);
}

/* d_o from dy. */
static void finish_back(gla_matrix dx, gla_matrix d_o, gla_matrix dy, gla_matrix x, gla_matrix o, const gla_layer *l,
                        const gla_layer *d) {
    gla_numbers *n = l->in;
    size_t T = o.rows, width = o.cols, dv = l->size.dv;
    gla_matrix z = gla_new(n, T, width), p = z, dp = gla_new(n, T, width), dz = dp, gate = {0};
    gla_layer_norm_heads(z, l, o);
    if (!gla_absent(l->Wg)) {
        gate = gla_new(n, T, width);
        p = gla_new(n, T, width);
        dz = gla_new(n, T, width);
        layer_linear(gate, x, l->Wg, (gla_matrix){0});
        layer_swish_gate(p, gate, z);
    }
    layer_linear_back(dp, d->Wo, (gla_matrix){0}, dy, p, l->Wo);
    if (!gla_absent(l->Wg)) output_gate_back(dx, dz, dp, x, gate, z, l, d);
    for (size_t h = 0; h < l->size.heads; h++)
        layer_rms_norm_back(gla_columns(d_o, h * dv, dv), d->norm, gla_columns(dz, h * dv, dv),
                            gla_columns(o, h * dv, dv), l->norm, l->eps);
}

/* ---- the core ---- */

/* One head: dq is set, the gradients of k v g are added to those of its group. */
static void head_back(const gla_layer *l, const gla_layer_core *core, const gla_layer_signals *u,
                      const gla_layer_signals *du, size_t h) {
    gla_numbers *n = l->in;
    size_t mark = gla_mark(n), T = u->q.rows, dk = l->size.dk, dv = l->size.dv;
    size_t j = h / (l->size.heads / l->size.key_heads);
    gated_slice x = {.in = n, .T = T, .dk = dk, .dv = dv, .s = l->scale};
    x.q = gla_columns(u->q, h * dk, dk);
    x.k = gla_columns(u->k, j * dk, dk);
    x.v = gla_columns(u->v, j * dv, dv);
    x.gk = gla_columns(u->g, j * dk, dk);
    x.S0 = gla_new(n, dk, dv);
    x.o = gla_new(n, T, dv);
    x.ST = gla_new(n, dk, dv);
    x.d_o = gla_columns(du->o, h * dv, dv);
    x.dST = gla_new(n, dk, dv);
    x.dq = gla_columns(du->q, h * dk, dk);
    x.dk_ = gla_new(n, T, dk);
    x.dv_ = gla_new(n, T, dv);
    x.dgk = gla_new(n, T, dk);
    x.dS0 = gla_new(n, dk, dv);
    if (n->status != GLA_OK) return;
    gla_zero(x.dq);
    gla_layer_run_core(&x, core);
    gla_matrix k = gla_columns(du->k, j * dk, dk), v = gla_columns(du->v, j * dv, dv),
               g = gla_columns(du->g, j * dk, dk);
    gla_add(k, k, x.dk_);
    gla_add(v, v, x.dv_);
    gla_add(g, g, x.dgk);
    gla_release(n, mark);
}

/* ---- into the core ---- */

/* The projection before its feature map: y = c(x W^T). */
static void project_back(gla_matrix dx, gla_matrix dy, gla_matrix x, gla_matrix W, gla_matrix dW,
                         gla_layer_convolution c, gla_layer_convolution dc, layer_activation *feature) {
    gla_numbers *n = dx.in;
    size_t mark = gla_mark(n), T = x.rows, m = W.rows;
    gla_matrix y = gla_new(n, T, m), a = gla_new(n, T, m), seen = a, dseen = gla_new(n, T, m), da = gla_new(n, T, m);
    layer_linear(a, x, W, (gla_matrix){0});
    if (!gla_absent(c.w)) {
        seen = gla_new(n, T, m);
        layer_convolution(seen, a, c.w, c.b, gla_new(n, c.w.cols - 1, m));
        act_swish(y, seen);
    } else
        gla_copy(y, a);
    if (feature)
        layer_back_of(feature)(dseen, dy, y);
    else
        gla_copy(dseen, dy);
    if (!gla_absent(c.w)) {
        gla_matrix dconvolved = gla_new(n, T, m);
        act_swish_back(dconvolved, dseen, seen);
        layer_convolution_back(da, dc.w, dc.b, dconvolved, a, c.w);
    } else
        gla_copy(da, dseen);
    layer_linear_back(dx, dW, (gla_matrix){0}, da, x, W);
    gla_release(n, mark);
}

/* g = max(log sigmoid(low B^T + b) / tau, least), low = x A^T. */
static void gate_back(gla_matrix dx, gla_matrix dg, gla_matrix x, const gla_layer *l, const gla_layer *d) {
    gla_numbers *n = l->in;
    size_t T = x.rows, m = dg.cols, r = l->size.rank;
    gla_matrix low = gla_new(n, T, r), dlow = gla_new(n, T, r), z = gla_new(n, T, m), dz = gla_new(n, T, m);
    gla_matrix slope = gla_new(n, T, m);
    layer_linear(low, x, l->A, (gla_matrix){0});
    layer_linear(z, low, l->B, l->b);
    gla_divide(dz, dg, l->tau);
    if (!gla_absent(l->least)) {
        act_log_sigmoid(slope, z);
        gla_divide(slope, slope, l->tau);
        gla_above(slope, slope, gla_spread(l->least, T, m));
        gla_mul(dz, dz, slope);
    }
    act_log_sigmoid_back(slope, dz, z);
    layer_linear_back(dlow, d->B, d->b, slope, low, l->B);
    layer_linear_back(dx, d->A, (gla_matrix){0}, dlow, x, l->A);
}

void gla_layer_back(gla_matrix dx, gla_matrix dy, gla_matrix x, const gla_layer *l, const gla_layer_core *core,
                    const gla_layer_signals *u, const gla_layer_signals *du, const gla_layer *d) {
    size_t mark = gla_mark(l->in);
    finish_back(dx, du->o, dy, x, u->o, l, d);
    gla_zero(du->k);
    gla_zero(du->v);
    gla_zero(du->g);
    for (size_t h = 0; h < l->size.heads; h++) head_back(l, core, u, du, h);
    project_back(dx, du->q, x, l->Wq, d->Wq, l->cq, d->cq, l->feature);
    project_back(dx, du->k, x, l->Wk, d->Wk, l->ck, d->ck, l->feature);
    project_back(dx, du->v, x, l->Wv, d->Wv, l->cv, d->cv, NULL);
    gate_back(dx, du->g, x, l, d);
    gla_release(l->in, mark);
}
