/* SPDX-License-Identifier: Apache-2.0
 *
 * Where a problem has its tensors, and their shapes: the table of inputs.h and what the mechanism changes of it.
 */
#include <stddef.h>

#include "glassbox.h"

/* Where the problem has them. */
static const size_t place[GLA_INPUTS] = {
    [GLA_IN_Q] = offsetof(gla_problem, q),
    [GLA_IN_K] = offsetof(gla_problem, k),
    [GLA_IN_V] = offsetof(gla_problem, v),
    [GLA_IN_GK] = offsetof(gla_problem, gk),
    [GLA_IN_GV] = offsetof(gla_problem, gv),
    [GLA_IN_INITIAL_STATE] = offsetof(gla_problem, initial_state),
    [GLA_IN_DO] = offsetof(gla_problem, d_o),
    [GLA_IN_DFINAL_STATE] = offsetof(gla_problem, d_final_state),
    [GLA_IN_BETA] = offsetof(gla_problem, beta),
    [GLA_IN_I] = offsetof(gla_problem, i),
    [GLA_IN_F] = offsetof(gla_problem, f),
    [GLA_IN_INITIAL_N] = offsetof(gla_problem, initial_n),
    [GLA_IN_INITIAL_M] = offsetof(gla_problem, initial_m),
    [GLA_IN_DFINAL_N] = offsetof(gla_problem, d_final_n),
    [GLA_IN_U] = offsetof(gla_problem, u),
    [GLA_IN_LOWER_BOUND] = offsetof(gla_problem, lower_bound),
    [GLA_IN_DT] = offsetof(gla_problem, dt),
    [GLA_IN_A_LOG] = offsetof(gla_problem, A_log),
    [GLA_IN_D] = offsetof(gla_problem, D),
    [GLA_IN_DT_BIAS] = offsetof(gla_problem, dt_bias),
    [GLA_IN_Z] = offsetof(gla_problem, z),
    [GLA_IN_S] = offsetof(gla_problem, s),
    [GLA_IN_INITIAL_KEYS] = offsetof(gla_problem, initial_keys),
    [GLA_IN_DFINAL_KEYS] = offsetof(gla_problem, d_final_keys),
};

gla_tensor *gla_problem_input(gla_problem *p, gla_input name) { return (gla_tensor *)((char *)p + place[name]); }

static const gla_tensor *input_of(const gla_problem *p, gla_input name) {
    return (const gla_tensor *)((const char *)p + place[name]);
}

gla_tensor gla_acting_input(const gla_problem *p, gla_input name) {
    gla_tensor x = *input_of(p, name);
    gla_axes axes = gla_input_axes(gla_mechanism_of(p), name);
    if (gla_is_weight(axes)) x.stride[0] = x.stride[1] = 0;
    if (axes == GLA_PER_HEAD || axes == GLA_WEIGHT_ONE) x.stride[3] = 0;
    return x;
}

static bool absent(const gla_problem *p, gla_input name) { return input_of(p, name)->at == NULL; }

bool gla_has_output(const gla_problem *p, bool backward, gla_output name) {
    if (!(gla_outputs_given(p) & 1u << name)) return false;
    if (!gla_is_gradient(name)) return true;
    gla_input of = gla_output_like(name);
    return backward && !(gla_mechanism_of(p)->optional & 1u << of && absent(p, of));
}

/* ---- shapes ---- */

static void set_shape(int64_t shape[4], int64_t a, int64_t b, int64_t c, int64_t d) {
    shape[0] = a;
    shape[1] = b;
    shape[2] = c;
    shape[3] = d;
}

static void shape_of(const gla_problem *p, gla_axes axes, int64_t heads, int64_t shape[4]) {
    switch (axes) {
    case GLA_PER_KEY:
        return set_shape(shape, p->B, p->T, heads, p->dk);
    case GLA_USUAL_AXES: /* of no input */
    case GLA_PER_VALUE:
        return set_shape(shape, p->B, p->T, heads, p->dv);
    case GLA_PER_HEAD:
        return set_shape(shape, p->B, p->T, heads, 1);
    case GLA_PER_SLOT:
        return set_shape(shape, p->B, p->T, heads, p->M);
    case GLA_STATE:
        return set_shape(shape, p->N, heads, p->dk, p->dv);
    case GLA_STATE_KEY:
        return set_shape(shape, p->N, heads, p->dk, 1);
    case GLA_STATE_ONE:
        return set_shape(shape, p->N, heads, 1, 1);
    case GLA_STATE_KEY_SLOT:
        return set_shape(shape, p->N, heads, p->dk, p->M);
    case GLA_STATE_SLOT_VALUE:
        return set_shape(shape, p->N, heads, p->M, p->dv);
    case GLA_WEIGHT_KEY:
        return set_shape(shape, 1, 1, heads, p->dk);
    case GLA_WEIGHT_ONE:
        return set_shape(shape, 1, 1, heads, 1);
    }
}

void gla_input_shape(const gla_problem *p, gla_input name, int64_t shape[4]) {
    shape_of(p, gla_input_axes(gla_mechanism_of(p), name), absent(p, name) ? p->H : input_of(p, name)->heads, shape);
}

/* What comes forward has every head; a gradient has its input's. */
void gla_output_shape(const gla_problem *p, gla_output name, int64_t shape[4]) {
    gla_input like = gla_output_like(name);
    if (gla_is_gradient(name))
        gla_input_shape(p, like, shape);
    else
        shape_of(p, gla_input_axes(gla_mechanism_of(p), like), p->H, shape);
}

void gla_tensor_dense(gla_tensor *x, const double *at, int64_t tokens, int64_t heads, int64_t rows, int64_t cols) {
    x->at = at;
    x->heads = heads;
    if (tokens > 0) { /* [B,T,heads,cols] */
        x->stride[3] = 1;
        x->stride[2] = cols;
        x->stride[1] = heads * cols;
        x->stride[0] = tokens * heads * cols;
    } else { /* [N,heads,rows,cols] */
        x->stride[3] = 1;
        x->stride[2] = cols;
        x->stride[1] = rows * cols;
        x->stride[0] = heads * rows * cols;
    }
}
