/* SPDX-License-Identifier: Apache-2.0
 *
 * Selective state spaces onto the gated core and back; equations, shapes and precision in selective.h.
 */
#include "selective.h"

#include <math.h>

#include "../activation.h"

/* ---- the steps ---- */

typedef struct steps {
    gla_matrix raw, soft, Delta; /* [T,1] each: before softplus, after it, after the bounds */
    gla_matrix A;                /* like A_log */
} steps;

/* y = softplus(x), x itself above 20: there the difference is added, exactly. */
static void softplus_linear(gla_matrix y, gla_matrix x) {
    size_t mark = gla_mark(y.in);
    gla_matrix twenty = act_constant(20, x), far = gla_new(y.in, x.rows, x.cols);
    gla_matrix top = gla_new(y.in, x.rows, x.cols), soft = gla_new(y.in, x.rows, x.cols);
    gla_above(far, x, twenty);
    gla_max(top, x, twenty);
    act_softplus(soft, top);
    gla_sub(top, top, soft);
    act_softplus(y, x);
    gla_mul_add(y, far, top);
    gla_release(y.in, mark);
}

static void bounded(gla_matrix z, gla_matrix x, double least, double most) {
    gla_max(z, x, act_constant(least, x));
    if (most == INFINITY) return;
    gla_neg(z, z);
    gla_max(z, z, act_constant(-most, x));
    gla_neg(z, z);
}

static steps steps_of(const selective_slice *x) {
    gla_numbers *n = x->in;
    size_t T = x->dt.rows;
    steps s = {gla_new(n, T, 1), gla_new(n, T, 1), gla_new(n, T, 1), gla_new(n, 1, x->A_log.cols)};
    gla_copy(s.raw, x->dt);
    if (!gla_absent(x->dt_bias)) gla_add(s.raw, s.raw, gla_spread(x->dt_bias, T, 1));
    if (x->rule == SELECTIVE_SOFTPLUS) act_softplus(s.soft, s.raw);
    if (x->rule == SELECTIVE_LINEAR) softplus_linear(s.soft, s.raw);
    if (x->rule == SELECTIVE_GIVEN) gla_copy(s.soft, s.raw);
    bounded(s.Delta, s.soft, x->least, x->most);
    gla_exp(s.A, x->A_log);
    gla_neg(s.A, s.A);
    return s;
}

/* z *= [x <= y], where x is not above y. */
static void keep_up_to(gla_matrix z, gla_matrix x, gla_matrix y) {
    gla_matrix beyond = gla_new(z.in, z.rows, z.cols);
    gla_above(beyond, x, y);
    gla_sub(beyond, act_constant(1, z), beyond);
    gla_mul(z, z, beyond);
}

/* ddt from the gradient of Delta, which it holds at first. */
static void steps_back(gla_matrix ddt, const selective_slice *x, const steps *s) {
    size_t mark = gla_mark(x->in);
    gla_matrix slope = gla_new(x->in, ddt.rows, 1), far = gla_new(x->in, ddt.rows, 1);
    keep_up_to(ddt, act_constant(x->least, ddt), s->soft);
    if (x->most < INFINITY) keep_up_to(ddt, s->soft, act_constant(x->most, ddt));
    if (x->rule != SELECTIVE_GIVEN) {
        act_sigmoid(slope, s->raw);
        if (x->rule == SELECTIVE_LINEAR) {
            gla_above(far, s->raw, act_constant(20, far));
            gla_max(slope, slope, far);
        }
        gla_mul(ddt, ddt, slope);
    }
    gla_release(x->in, mark);
}

/* ---- the core ---- */

/* The log gates Delta A: one column that every row of the state looks at, or a column for each. */
static gla_matrix gates_of(const steps *s, size_t N) {
    size_t T = s->Delta.rows, columns = s->A.cols;
    gla_matrix g = gla_new(s->Delta.in, T, columns);
    for (size_t t = 0; t < T; t++) gla_scale(gla_row(g, t), s->A, gla_row(s->Delta, t));
    if (columns < N) g = gla_spread(g, T, N);
    return g;
}

static gated_slice core_of(const selective_slice *x, const steps *s, bool backward) {
    gla_numbers *n = x->in;
    size_t T = x->x.rows, N = x->B.cols, P = x->x.cols;
    gated_slice core = {.in = n, .T = T, .dk = N, .dv = P, .s = x->s, .q = x->C, .k = x->B, .S0 = x->S0, .ST = x->ST};
    core.v = gla_new(n, T, P);
    for (size_t t = 0; t < T; t++) gla_scale(gla_row(core.v, t), gla_row(x->x, t), gla_row(s->Delta, t));
    core.gk = gates_of(s, N);
    core.o = gla_new(n, T, P);
    if (!backward) return core;
    core.d_o = x->dy;
    if (!gla_absent(x->z)) {
        core.d_o = gla_new(n, T, P);
        act_swish(core.d_o, x->z);
        gla_mul(core.d_o, x->dy, core.d_o);
    }
    core.dST = x->dST;
    core.dq = x->dC;
    core.dk_ = x->dB;
    core.dv_ = gla_new(n, T, P);
    core.dgk = gla_new(n, T, s->A.cols);
    core.dS0 = x->dS0;
    return core;
}

/* y from the core's o, which becomes o + D x. */
static void output(const selective_slice *x, gla_matrix o) {
    if (!gla_absent(x->D)) gla_mul_add(o, gla_spread(x->D, o.rows, o.cols), x->x);
    if (gla_absent(x->z)) {
        gla_copy(x->y, o);
        return;
    }
    act_swish(x->y, x->z);
    gla_mul(x->y, o, x->y);
}

/* ---- backward ---- */

/* z [1,1] += sum of all x_ij y_ij. */
static void add_products(gla_matrix z, gla_matrix x, gla_matrix y) {
    for (size_t t = 0; t < x.rows; t++) gla_row_dot(z, gla_row(x, t), gla_row(y, t));
}

static void output_back(const selective_slice *x, const gated_slice *core) {
    size_t T = core->T, P = core->dv;
    if (!gla_absent(x->D)) {
        gla_mul_add(x->dx, gla_spread(x->D, T, P), core->d_o);
        gla_zero(x->dD);
        add_products(x->dD, core->d_o, x->x);
    }
    if (gla_absent(x->z)) return;
    gla_matrix dswish = gla_new(x->in, T, P);
    gla_mul(dswish, x->dy, core->o);
    act_swish_back(x->dz, dswish, x->z);
}

static void input_back(const selective_slice *x, const steps *s, const gated_slice *core) {
    size_t T = core->T, columns = s->A.cols;
    gla_matrix by_column = gla_spread(gla_transposed(s->Delta), columns, T);
    for (size_t t = 0; t < T; t++) {
        gla_scale(gla_row(x->dx, t), gla_row(core->dv_, t), gla_row(s->Delta, t));
        gla_zero(gla_row(x->ddt, t));
        gla_row_dot(gla_row(x->ddt, t), gla_row(x->x, t), gla_row(core->dv_, t));
        gla_row_dot(gla_row(x->ddt, t), s->A, gla_row(core->dgk, t));
    }
    gla_zero(x->dA_log);
    gla_row_dot(x->dA_log, gla_transposed(core->dgk), by_column);
    gla_mul(x->dA_log, x->dA_log, s->A);
    steps_back(x->ddt, x, s);
    if (gla_absent(x->dt_bias)) return;
    gla_zero(x->ddt_bias);
    for (size_t t = 0; t < T; t++) gla_add(x->ddt_bias, x->ddt_bias, gla_row(x->ddt, t));
}

void selective_run(const selective_slice *x, const gla_form *form) {
    if (x->in->status != GLA_OK) return;
    size_t mark = gla_mark(x->in);
    steps s = steps_of(x);
    gated_slice core = core_of(x, &s, form->backward);
    gated_run_form(&core, form);
    output(x, core.o);
    if (form->backward) {
        input_back(x, &s, &core);
        output_back(x, &core);
    }
    gla_release(x->in, mark);
}
