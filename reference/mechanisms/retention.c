/* SPDX-License-Identifier: Apache-2.0
 *
 * Retention (RetNet, spec 3): a fixed decay per head.
 *
 *     S_t = gamma_h S_{t-1} + k_t v_t^T ;  o_t = s S_t^T q_t ;  log gamma_h = log1p(-2^-x_h)
 *
 * Schedules of x_h, head h of the layer's H:
 *     powers     x_h = 5 + h: the public code, and the paper's table
 *     linspace   x_h = 5 + 4 h / (H - 1): 1 - gamma_h evenly spaced in the log from 1/32 to 1/512
 * or, with decay=trained, log gamma_h as the input log_decay: dlog_decay is the sum of dg over its tokens and
 * sequences.
 * The decay is made in the number system at hand: log1p of the exact -2^-(5+h), one rounding. gamma itself, rounded to
 * bf16, would be 1 from h = 4 on.
 *
 * Conventions, with R_nm = s q_n.k_m gamma^(n-m) for m <= n, n counted from `position`:
 *     rotation          q and k turned by their position first (../rotation.h); the state holds turned keys
 *     mask=normalised   R_nm / sqrt(w_n), w_n = gamma w_{n-1} + 1; the state is S~_n = S_n / sqrt(w_n), and z~ likewise
 *     rows=sum          o_n / max(|r_n|, 1), r_n = sum_m R_nm = s q_n.z_n; z is initial_n, final_n (gated/normalised.h)
 *     rows=abs          o_n / min(max(sum_m |R_nm|, 1), 5e4), a constant to the gradient; no initial state, which has
 *                       no scores
 *     scale_on=k        s multiplies k: the state is s S
 * What multiplies a row of scores multiplies q_n: w and the constant of rows=abs go there. The sums of rows=abs are
 * formed from all pairs in every formulation, T^2 dk / 2 products.
 */
#include "../denominator.h"
#include "../rotation.h"
#include "mechanisms.h"
#include "retention_rows.h"

enum { POWERS, LINSPACE };
static const gla_choice schedules[] = {{"powers", "gamma_h = 1 - 2^(-5-h)"},
                                       {"linspace", "1 - gamma_h from 1/32 to 1/512, evenly in the log"},
                                       {NULL, NULL}};

enum { ROTATION, MASK, ROWS, SCALE_ON, DECAY, POSITION };
enum { ROWS_PLAIN, ROWS_SUM, ROWS_ABS };
static const gla_choice rotation[] = {{"none", "q and k as they are"},
                                      {"interleaved", "pairs (2j, 2j+1), ends included: RetNet's own code"},
                                      {"halves", "pairs (j, j + dk/2), the usual rotary embedding: fla"},
                                      {NULL, NULL}};
static const gla_choice mask[] = {{"plain", "gamma^(n-m)"},
                                  {"normalised", "over the root of its row's sum: RetNet's paper and own code"},
                                  {NULL, NULL}};
static const gla_choice rows[] = {
    {"plain", "scores as they are: fla"},
    {"sum", "over max(|sum|, 1): RetNet's paper"},
    {"abs", "over the sum of |.|, at least 1, at most 5e4, a constant: RetNet's own code"},
    {NULL, NULL}};
static const gla_choice scale_on[] = {{"q", "fla"}, {"k", "the state holds s S: RetNet's own code"}, {NULL, NULL}};
static const gla_choice origin[] = {{"fixed", "from the schedule, no gradient: RetNet"},
                                    {"trained", "log_decay is an input and has a gradient"},
                                    {NULL, NULL}};
static const gla_switch switches[] = {
    {.name = "rotation", .what = "rotary positions of q and k", .values = rotation},
    {.name = "mask", .what = "normalisation of the decay mask", .values = mask},
    {.name = "rows", .what = "normalisation of a row of scores", .values = rows},
    {.name = "scale_on", .what = "what the scale multiplies", .values = scale_on},
    {.name = "decay", .what = "where log gamma comes from", .values = origin},
    {.name = "position", .what = "tokens that came before, for rotation and mask", .least = 0, .most = 1e6},
    {0}};

static const gla_change changes[] = {{GLA_IN_A_LOG, .name = "log_decay", .output = "dlog_decay"}, {0}};

/* ---- the decay ---- */

static bool trained(const gla_problem *p, int64_t h, gla_matrix g) {
    if (!p->A_log.at) return false;
    gla_fill(g, p->A_log.at[gla_head(p, p->A_log.heads, h) * p->A_log.stride[2]]);
    return true;
}

/* g = gamma - 1 = -2^-x. */
static void set_loss(const gla_problem *p, int64_t h, gla_matrix g) {
    int64_t head = gla_decay_head(p, h), most = gla_decay_heads(p) > 1 ? gla_decay_heads(p) - 1 : 1;
    if (p->decay.schedule == POWERS)
        gla_decay_power(g, 5 + head, 1);
    else
        gla_decay_power(g, 5 * most + 4 * head, most); /* of one head: 5 */
}

static void log_decay(const gla_problem *p, int64_t h, gla_matrix g) {
    if (trained(p, h, g)) return;
    set_loss(p, h, g);
    gla_log1p(g, g);
}

/* A dyadic number in powers: then exact results are exact, and ties are seen to be ties. */
static void decay(const gla_problem *p, int64_t h, gla_matrix alpha) {
    if (trained(p, h, alpha)) {
        gla_exp(alpha, alpha);
        return;
    }
    gla_matrix one = gla_new(alpha.in, 1, 1);
    set_loss(p, h, alpha);
    gla_fill(one, 1);
    gla_add(alpha, alpha, one);
}

/* ---- what a problem may hold ---- */

static int setting(const gla_problem *p, int which) { return (int)gla_setting(p, which); }

static void narrow(const gla_problem *p, unsigned *inputs, unsigned *outputs) {
    if (setting(p, ROWS) != ROWS_SUM) {
        *inputs &= ~GLA_NORMALISER_INPUTS;
        *outputs &= ~GLA_NORMALISER_OUTPUTS;
    }
    if (setting(p, ROWS) == ROWS_ABS) {
        *inputs &= ~(1u << GLA_IN_INITIAL_STATE);
        *outputs &= ~(1u << GLA_DINITIAL_STATE);
    }
    if (!setting(p, DECAY)) {
        *inputs &= ~(1u << GLA_IN_A_LOG);
        *outputs &= ~(1u << GLA_DA_LOG);
    }
}

static gla_status check(const gla_problem *p, gla_error *err) {
    if (setting(p, ROTATION) && p->dk % 2)
        return gla_fail(err, GLA_BAD_SHAPE, "mechanism retention: a rotation turns pairs of channels, but dk = %lld",
                        (long long)p->dk);
    if (setting(p, DECAY) && setting(p, MASK))
        return gla_fail(err, GLA_BAD_VALUE, "mechanism retention: decay=trained needs mask=plain, w has no gradient");
    return GLA_OK;
}

static const char *objection(const gla_problem *p, gla_input name, double x) {
    (void)p;
    return name == GLA_IN_A_LOG && x > 0 ? "is above 0: a log decay must be <= 0" : NULL;
}

/* ---- one slice ---- */

/* What its rows are divided by, and the initial and final state multiplied and divided: absent where nothing is. */
typedef struct row_scales {
    gla_matrix root, first, last; /* [T,1] sqrt(w_n), [1,1] sqrt(w_0), sqrt(w_T) */
    gla_matrix abs;               /* [T,1] of rows=abs */
} row_scales;

static gla_matrix load_decay(const gla_slice_io *io) {
    gla_matrix gamma = gla_new(io->in, 1, 1);
    if (io->in->status == GLA_OK) decay(io->p, io->head, gamma);
    return gamma;
}

static void multiply(gla_matrix state, gla_matrix root) {
    if (!gla_absent(state)) gla_scale(state, state, root);
}

static void divide(gla_matrix state, gla_matrix root) {
    if (!gla_absent(state)) gla_divide(state, state, root);
}

/* From the inputs as they are given to those of the gated core. */
static row_scales enter(const gla_slice_io *io, gated_slice *x, gated_normaliser *z, gla_matrix scale) {
    row_scales r = {0};
    gla_rotation kind = (gla_rotation)setting(io->p, ROTATION);
    gla_rotate(x->q, kind, gla_setting(io->p, POSITION));
    gla_rotate(x->k, kind, gla_setting(io->p, POSITION));
    if (setting(io->p, SCALE_ON)) x->s = gla_scale_to_keys(x->k, scale);
    if (setting(io->p, MASK) && io->T > 0) {
        r.root = gla_new(io->in, io->T, 1);
        r.first = gla_new(io->in, 1, 1);
        r.last = gla_row(r.root, io->T - 1);
        retention_mask_roots(r.root, r.first, load_decay(io), (int64_t)gla_setting(io->p, POSITION));
        gla_divide_rows(x->q, x->q, r.root);
        multiply(x->S0, r.first);
        multiply(z->n0, r.first);
        divide(x->dST, r.last);
        divide(z->dnT, r.last);
    }
    if (setting(io->p, ROWS) == ROWS_ABS && io->T > 0) {
        r.abs = retention_score_sums(x);
        gla_divide_rows(x->q, x->q, r.abs);
    }
    return r;
}

/* And back: states and gradients of what was given. */
static void leave(const gla_slice_io *io, gated_slice *x, gated_normaliser *z, row_scales r, gla_matrix scale,
                  bool backward) {
    gla_rotation kind = (gla_rotation)setting(io->p, ROTATION);
    if (!gla_absent(r.root)) {
        divide(x->ST, r.last);
        divide(z->nT, r.last);
        multiply(x->dS0, r.first);
        multiply(z->dn0, r.first);
    }
    if (!backward) return;
    if (!gla_absent(r.abs)) gla_divide_rows(x->dq, x->dq, r.abs);
    if (!gla_absent(r.root)) gla_divide_rows(x->dq, x->dq, r.root);
    if (setting(io->p, SCALE_ON)) gla_scale(x->dk_, x->dk_, scale);
    gla_rotate_back(x->dq, kind, gla_setting(io->p, POSITION));
    gla_rotate_back(x->dk_, kind, gla_setting(io->p, POSITION));
}

/* The sum over tokens and channels of dg. */
static void store_decay_gradient(const gla_slice_io *io, gla_matrix dgk) {
    gla_matrix sum = gla_new(io->in, 1, 1);
    for (size_t t = 0; t < dgk.rows && io->p->A_log.at; t++)
        for (size_t i = 0; i < dgk.cols; i++) gla_add(sum, sum, gla_column(gla_row(dgk, t), i));
    gla_store(io, GLA_DA_LOG, sum);
}

static void slice(const gla_slice_io *io, const gla_form *form) {
    gated_slice x = gla_gated_slice(io, form);
    gated_normaliser z = {0};
    gla_matrix scale = x.s;
    bool sums = setting(io->p, ROWS) == ROWS_SUM;
    if (sums) {
        z = gla_gated_normaliser(io, form);
        z.least = gla_number(io->in, 1);
    }
    gla_gated_outputs(io, &x, form);
    row_scales r = enter(io, &x, &z, scale);
    if (sums)
        gated_run_normalised(&x, &z, form);
    else
        gated_run_form(&x, form);
    leave(io, &x, &z, r, scale, form->backward);
    gla_store_gated(io, &x);
    if (sums) gla_store_normaliser(io, &z);
    if (form->backward) store_decay_gradient(io, x.dgk);
}

const gla_mechanism gla_mechanism_retention = {
    .name = "retention",
    .equation = "S_t = gamma_h S_{t-1} + k_t v_t^T ;  o_t = s S_t^T q_t ;  gamma_h = 1 - 2^(-5-h), no rotation",
    .inputs = GLA_UNGATED_INPUTS | GLA_NORMALISER_INPUTS | 1u << GLA_IN_A_LOG,
    .outputs = GLA_UNGATED_OUTPUTS | GLA_NORMALISER_OUTPUTS | 1u << GLA_DA_LOG,
    .changes = changes,
    .switches = switches,
    .narrow = narrow,
    .check = check,
    .objection = objection,
    .schedules = schedules,
    .log_decay = log_decay,
    .decay = decay,
    .plain = true,
    .columns_apart = true,
    .available = gla_available_gated,
    .slice = slice,
};
