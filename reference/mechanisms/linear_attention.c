/* SPDX-License-Identifier: Apache-2.0
 *
 * Linear attention without a feature map (spec 2): the gated core without gates, normalised or not.
 *
 *     S_t = S_{t-1} + k_t v_t^T ;  o_t = s S_t^T q_t
 *     normaliser=sum     z_t = z_{t-1} + k_t ;  o_t = s S_t^T q_t / (s q_t.z_t + eps)
 *         eps_on=unscaled                       o_t = s S_t^T q_t / (s (q_t.z_t + eps))
 *
 * z is a value channel that is always 1 (gated/normalised.h); initial_n, final_n and their gradients are z's.
 * z=recomputed is code that sums the keys of the call again: it neither takes nor gives an n.
 *
 * Convention: s is dk^(-1/2) where the problem names none, as in public code; the original paper has s = 1.
 * Hazard: for features of both signs s q.z can be anywhere near 0.
 */
#include "mechanisms.h"

enum { NORMALISER, EPS, EPS_ON, Z };
static const gla_choice normaliser[] = {{"none", "o = s S^T q, as most layers today"},
                                        {"sum", "divided by s q.z + eps: the original paper, fla with normalize"},
                                        {NULL, NULL}};
static const gla_choice eps_on[] = {{"scaled", "s q.z + eps: fla, eps=1e-10"},
                                    {"unscaled", "s (q.z + eps): code that scales the output"},
                                    {NULL, NULL}};
static const gla_choice z[] = {{"carried", "from initial_n to final_n, beside the state"},
                               {"recomputed", "from this call's keys alone, no initial_n: fla"},
                               {NULL, NULL}};
static const gla_switch switches[] = {
    {.name = "normaliser", .what = "what the output is divided by", .values = normaliser},
    {.name = "eps", .what = "added to the normaliser", .usual = 0, .least = 0, .most = 1e300},
    {.name = "eps_on", .what = "whether the scale multiplies eps too", .values = eps_on},
    {.name = "z", .what = "where the sum of keys begins", .values = z},
    {0}};

static bool normalised(const gla_problem *p) { return gla_setting(p, NORMALISER) != 0; }

static void narrow(const gla_problem *p, unsigned *inputs, unsigned *outputs) {
    if (normalised(p) && gla_setting(p, Z) == 0) return;
    *inputs &= ~GLA_NORMALISER_INPUTS;
    *outputs &= ~GLA_NORMALISER_OUTPUTS;
}

static gla_status check(const gla_problem *p, gla_error *err) {
    if (normalised(p) || !(p->setting[EPS].given || p->setting[EPS_ON].given || p->setting[Z].given)) return GLA_OK;
    return gla_fail(err, GLA_BAD_VALUE, "mechanism linear_attention: eps, eps_on and z need normaliser=sum");
}

/* [1,1], in units of the scaled normaliser; absent if it is 0. */
static gla_matrix load_eps(const gla_slice_io *io, gla_matrix s) {
    if (gla_setting(io->p, EPS) == 0) return (gla_matrix){0};
    gla_matrix eps = gla_number(io->in, gla_setting(io->p, EPS));
    if (gla_setting(io->p, EPS_ON) != 0) gla_mul(eps, eps, s);
    return eps;
}

static void slice(const gla_slice_io *io, const gla_form *form) {
    gated_slice x = gla_gated_slice(io, form);
    gla_gated_outputs(io, &x, form);
    if (normalised(io->p)) {
        gated_normaliser sum = gla_gated_normaliser(io, form);
        sum.eps = load_eps(io, x.s);
        gated_run_normalised(&x, &sum, form);
        gla_store_normaliser(io, &sum);
    } else
        gated_run_form(&x, form);
    gla_store_gated(io, &x);
}

const gla_mechanism gla_mechanism_linear_attention = {
    .name = "linear_attention",
    .equation = "S_t = S_{t-1} + k_t v_t^T ;  o_t = s S_t^T q_t ;  not normalised",
    .inputs = GLA_UNGATED_INPUTS | GLA_NORMALISER_INPUTS,
    .outputs = GLA_UNGATED_OUTPUTS | GLA_NORMALISER_OUTPUTS,
    .switches = switches,
    .narrow = narrow,
    .check = check,
    .plain = true,
    .columns_apart = true,
    .available = gla_available_gated,
    .slice = slice,
};
