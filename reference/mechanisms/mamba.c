/* SPDX-License-Identifier: Apache-2.0
 *
 * Mamba-2's SSD (spec 6) and Mamba-1's selective scan S6 (spec wide 13): state spaces whose step comes from the data.
 * They differ in A_log, one number per head or one per head and row of the state; equations, gradients and order of
 * operations in selective.h, here called by their names in files:
 *
 *     q "C", k "B" [B,T,groups,N], v "x", o "y" [B,T,H,P], dt [B,T,H], dt_bias, D [H], z [B,T,H,P], A_log [H] or [H,N]
 *
 * Groups are heads of C and B: head h uses group floor(h / (H / groups)). A channel of Mamba-1 is a head with P = 1,
 * whose B and C have one head for all channels. Its scan, a parallel prefix over tokens, is what the parallel and
 * chunkwise formulations are.
 *
 * Conventions: no scale where the problem names none. The state is S [N,P]; papers and kernels hold h = S^T [P,N]:
 * state_layout VK of a file. dt is as the projection gives it, before bias and softplus; dt = -inf is a step of 0
 * (padding must have it after softplus). B is discretised as Delta B, not as by exact hold. The causal convolution and
 * the norm after z belong to the layer.
 */
#include <math.h>

#include "mechanisms.h"
#include "selective.h"

enum { SOFTPLUS, DT_MIN, DT_MAX }; /* switches */
static const gla_choice softplus[] = {
    [SELECTIVE_SOFTPLUS] = {"exact", "ln(1 + e^x): the papers"},
    [SELECTIVE_LINEAR] = {"linear", "x itself for x > 20: public kernels, and PyTorch's softplus"},
    [SELECTIVE_GIVEN] = {"none", "dt is the step itself: kernels called without dt_softplus"},
    {NULL, NULL}};

static const gla_switch switches[] = {
    {.name = "softplus", .what = "from dt + dt_bias to the step", .values = softplus},
    {.name = "dt_min", .what = "least step, inclusive: Mamba-2's kernels", .usual = 0, .least = 0, .most = INFINITY},
    {.name = "dt_max", .what = "greatest step, inclusive", .usual = INFINITY, .least = 0, .most = INFINITY},
    {0}};

static selective_slice load(const gla_slice_io *io) {
    return (selective_slice){.in = io->in,
                             .rule = (selective_rule)gla_setting(io->p, SOFTPLUS),
                             .least = gla_setting(io->p, DT_MIN),
                             .most = gla_setting(io->p, DT_MAX),
                             .s = gla_load_scale(io),
                             .C = gla_load(io, GLA_IN_Q),
                             .B = gla_load(io, GLA_IN_K),
                             .x = gla_load(io, GLA_IN_V),
                             .dt = gla_load(io, GLA_IN_DT),
                             .A_log = gla_load(io, GLA_IN_A_LOG),
                             .dt_bias = gla_load(io, GLA_IN_DT_BIAS),
                             .D = gla_load(io, GLA_IN_D),
                             .z = gla_load(io, GLA_IN_Z),
                             .S0 = gla_load_or_zero(io, GLA_IN_INITIAL_STATE),
                             .y = gla_new(io->in, io->T, io->dv),
                             .ST = gla_new(io->in, io->dk, io->dv)};
}

static gla_matrix like(gla_matrix x) { return gla_absent(x) ? x : gla_new(x.in, x.rows, x.cols); }

static void load_back(const gla_slice_io *io, selective_slice *x) {
    x->dy = gla_load_or_zero(io, GLA_IN_DO);
    x->dST = gla_load_or_zero(io, GLA_IN_DFINAL_STATE);
    x->dC = like(x->C);
    x->dB = like(x->B);
    x->dx = like(x->x);
    x->ddt = like(x->dt);
    x->dA_log = like(x->A_log);
    x->dS0 = like(x->S0);
    x->ddt_bias = like(x->dt_bias);
    x->dD = like(x->D);
    x->dz = like(x->z);
}

static void slice(const gla_slice_io *io, const gla_form *form) {
    selective_slice x = load(io);
    if (form->backward) load_back(io, &x);
    selective_run(&x, form);
    gla_store(io, GLA_O, x.y);
    gla_store(io, GLA_FINAL_STATE, x.ST);
    gla_store(io, GLA_DQ, x.dC);
    gla_store(io, GLA_DK, x.dB);
    gla_store(io, GLA_DV, x.dx);
    gla_store(io, GLA_DINITIAL_STATE, x.dS0);
    gla_store(io, GLA_DDT, x.ddt);
    gla_store(io, GLA_DA_LOG, x.dA_log);
    gla_store(io, GLA_DD, x.dD);
    gla_store(io, GLA_DDT_BIAS, x.ddt_bias);
    gla_store(io, GLA_DZ, x.dz);
}

static gla_status check_bounds(const gla_problem *p, gla_error *err) {
    double least = gla_setting(p, DT_MIN), most = gla_setting(p, DT_MAX);
    if (least <= most) return GLA_OK;
    return gla_fail(err, GLA_BAD_VALUE, "dt_min = %g is above dt_max = %g: no step is between them", least, most);
}

static const char *objection(const gla_problem *p, gla_input name, double x) {
    if (name != GLA_IN_DT) return NULL;
    if (x == INFINITY) return "is +inf: a step is finite";
    return gla_setting(p, SOFTPLUS) == SELECTIVE_GIVEN && x < 0 ? "is below 0: softplus=none takes dt as the step"
                                                                : NULL;
}

static const gla_change mamba2_changes[] = {{GLA_IN_Q, .name = "C", .output = "dC"},
                                            {GLA_IN_K, .name = "B", .output = "dB"},
                                            {GLA_IN_V, .name = "x", .output = "dx"},
                                            {GLA_IN_DO, .name = "dy", .output = "y"},
                                            {0}};
static const gla_change mamba1_changes[] = {
    {GLA_IN_Q, .name = "C", .output = "dC"}, {GLA_IN_K, .name = "B", .output = "dB"},
    {GLA_IN_V, .name = "x", .output = "dx"}, {GLA_IN_DO, .name = "dy", .output = "y"},
    {GLA_IN_A_LOG, .axes = GLA_WEIGHT_KEY},  {0}};

#define MAMBA_OPTIONAL (1u << GLA_IN_D | 1u << GLA_IN_DT_BIAS | 1u << GLA_IN_Z)
#define MAMBA_INPUTS (GLA_UNGATED_INPUTS | 1u << GLA_IN_DT | 1u << GLA_IN_A_LOG | MAMBA_OPTIONAL)
#define MAMBA_OUTPUTS                                                                                                  \
    (GLA_UNGATED_OUTPUTS | 1u << GLA_DDT | 1u << GLA_DA_LOG | 1u << GLA_DD | 1u << GLA_DDT_BIAS | 1u << GLA_DZ)

const gla_mechanism gla_mechanism_mamba2 = {
    .name = "mamba2",
    .equation = "S_t = e^(Delta_t A) S_{t-1} + B_t (Delta_t x_t)^T ;  y_t = (S_t^T C_t + D x_t) silu(z_t) ;  Delta = "
                "softplus(dt + dt_bias), A = -e^A_log",
    .inputs = MAMBA_INPUTS,
    .optional = MAMBA_OPTIONAL,
    .outputs = MAMBA_OUTPUTS,
    .unit_scale = true,
    .changes = mamba2_changes,
    .switches = switches,
    .columns_apart = true,
    .check = check_bounds,
    .objection = objection,
    .available = gla_available_gated,
    .slice = slice,
};

const gla_mechanism gla_mechanism_mamba1 = {
    .name = "mamba1",
    .equation = "S_t = diag(e^(Delta_t A)) S_{t-1} + B_t (Delta_t x_t)^T ;  y as mamba2 ;  A one number per row of S",
    .inputs = MAMBA_INPUTS,
    .optional = MAMBA_OPTIONAL,
    .outputs = MAMBA_OUTPUTS,
    .unit_scale = true,
    .changes = mamba1_changes,
    .switches = switches,
    .columns_apart = true,
    .check = check_bounds,
    .objection = objection,
    .available = gla_available_gated,
    .slice = slice,
};
