/* SPDX-License-Identifier: Apache-2.0
 *
 * RWKV-6 (spec 12): the token reads before the state decays and before it writes; its own value comes by a bonus u,
 * learned for every head and channel.
 *
 *     o_t = s (S_{t-1} + (u*k_t) v_t^T)^T r_t ;  S_t = diag(e^w_t) S_{t-1} + k_t v_t^T
 *         = s S_{t-1}^T r_t + b_t v_t ,  b_t = s sum_c r_tc u_c k_tc
 *
 * Names in files: r for q, w for g, the log decay. Onto the gated core: its exclusive read (gated/exclusive.h) and,
 * with x_t = s v_t.do_t,
 *     dr_t += x_t u*k_t ;  dk_t += x_t u*r_t ;  dv_t += b_t do_t ;  du = sum_t x_t r_t*k_t
 *
 * Convention: s is dk^(-1/2) where the problem names none, as in kernels; the layer has s = 1: name it.
 * Order: b_t and x_t ascend in the channel, are scaled last and announced as a score and its gradient, as the diagonal
 * of a chunk's scores is; every gradient of the bonus is added to the core's by one fma.
 */
#include "../gated/exclusive.h"
#include "../gated/operand.h"
#include "mechanisms.h"

/* A with every row weighed by u. */
static gla_matrix by_channel(gla_matrix A, gla_matrix u) { return gated_weighed(A, gla_spread(u, A.rows, A.cols)); }

/* s A_t.B_t for every token, [T,1]. */
static gla_matrix scaled_products(gla_matrix A, gla_matrix B, gla_matrix s, gla_site site) {
    gla_matrix z = gla_new(A.in, A.rows, 1);
    gla_row_dot(gla_transposed(z), A, B);
    gla_scale(z, z, s);
    gla_round_at(z, site);
    return z;
}

/* z_t += x_t A_t. */
static void add_weighed(gla_matrix z, gla_matrix x, gla_matrix A) {
    for (size_t t = 0; t < A.rows; t++) gla_write(gla_row(z, t), gla_row(x, t), gla_row(A, t));
}

static void add_bonus(const gla_slice_io *io, const gated_slice *x, bool backward) {
    gla_matrix u = gla_load(io, GLA_IN_U), uk = by_channel(x->k, u);
    gla_matrix b = scaled_products(x->q, uk, x->s, GLA_SITE_SCORE);
    add_weighed(x->o, b, x->v);
    if (!backward) return;
    gla_matrix back = scaled_products(x->v, x->d_o, x->s, GLA_SITE_DSCORE), du = gla_new(io->in, 1, io->dk);
    add_weighed(x->dq, back, uk);
    add_weighed(x->dk_, back, by_channel(x->q, u));
    add_weighed(x->dv_, b, x->d_o);
    gla_product(du, gla_transposed(back), gated_weighed(x->q, x->k));
    gla_store(io, GLA_DU, du);
}

static void slice(const gla_slice_io *io, const gla_form *form) {
    gated_slice x = gla_gated_slice(io, form);
    gla_gated_outputs(io, &x, form);
    gated_run_exclusive(&x, form);
    add_bonus(io, &x, form->backward);
    gla_store_gated(io, &x);
}

static const gla_change changes[] = {
    {GLA_IN_Q, .name = "r", .output = "dr"}, {GLA_IN_GK, .name = "w", .output = "dw"}, {0}};

const gla_mechanism gla_mechanism_rwkv6 = {
    .name = "rwkv6",
    .equation = "o_t = s (S_{t-1} + (u*k_t) v_t^T)^T r_t ;  S_t = diag(e^w_t) S_{t-1} + k_t v_t^T",
    .inputs = GLA_UNGATED_INPUTS | 1u << GLA_IN_GK | 1u << GLA_IN_U,
    .optional = 1u << GLA_IN_GK,
    .outputs = GLA_UNGATED_OUTPUTS | 1u << GLA_DGK | 1u << GLA_DU,
    .changes = changes,
    .columns_apart = true,
    .available = gla_available_gated,
    .slice = slice,
};
