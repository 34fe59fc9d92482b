/* SPDX-License-Identifier: Apache-2.0
 *
 * Shapes of a problem and the contract its values must meet; every refusal names the tensor and the first bad index.
 */
#include <math.h>

#include "glassbox.h"

const char *const gla_input_names[GLA_INPUTS] = {"q", "k", "v", "g", "gv", "initial_state", "do", "dfinal_state"};
const char *const gla_output_names[GLA_OUTPUTS] = {"o", "final_state", "dq", "dk", "dv", "dg", "dgv", "dinitial_state"};

gla_tensor *gla_problem_input(gla_problem *p, gla_input name) {
    gla_tensor *all[GLA_INPUTS] = {&p->q, &p->k, &p->v, &p->gk, &p->gv, &p->initial_state, &p->d_o, &p->d_final_state};
    return all[name];
}

static const gla_tensor *input_of(const gla_problem *p, gla_input name) {
    const gla_tensor *all[GLA_INPUTS] = {
        &p->q, &p->k, &p->v, &p->gk, &p->gv, &p->initial_state, &p->d_o, &p->d_final_state};
    return all[name];
}

bool gla_is_state_input(gla_input name) { return name == GLA_IN_INITIAL_STATE || name == GLA_IN_DFINAL_STATE; }
bool gla_is_state_output(gla_output name) { return name == GLA_FINAL_STATE || name == GLA_DINITIAL_STATE; }

gla_tensor gla_key_gates(const gla_problem *p) {
    gla_tensor g = p->gk;
    if (gla_mechanism_of(p)->gate_per_head) g.stride[3] = 0;
    return g;
}

bool gla_has_output(const gla_problem *p, bool backward, gla_output name) {
    if (name == GLA_O || name == GLA_FINAL_STATE) return true;
    if (name == GLA_DGK) return backward && p->gk.at;
    if (name == GLA_DGV) return backward && p->gv.at;
    return backward;
}

static bool gate_input(gla_input name) { return name == GLA_IN_GK || name == GLA_IN_GV; }

static void set_shape(int64_t shape[4], int64_t a, int64_t b, int64_t c, int64_t d) {
    shape[0] = a;
    shape[1] = b;
    shape[2] = c;
    shape[3] = d;
}

void gla_input_shape(const gla_problem *p, gla_input name, int64_t shape[4]) {
    int64_t heads = input_of(p, name)->at ? input_of(p, name)->heads : p->H;
    if (gla_is_state_input(name))
        set_shape(shape, p->N, heads, p->dk, p->dv);
    else if (name == GLA_IN_GK && gla_mechanism_of(p)->gate_per_head)
        set_shape(shape, p->B, p->T, heads, 1);
    else if (name == GLA_IN_Q || name == GLA_IN_K || name == GLA_IN_GK)
        set_shape(shape, p->B, p->T, heads, p->dk);
    else
        set_shape(shape, p->B, p->T, heads, p->dv);
}

void gla_output_shape(const gla_problem *p, gla_output name, int64_t shape[4]) {
    switch (name) {
    case GLA_O:
        set_shape(shape, p->B, p->T, p->H, p->dv);
        return;
    case GLA_FINAL_STATE:
        set_shape(shape, p->N, p->H, p->dk, p->dv);
        return;
    case GLA_DQ:
        gla_input_shape(p, GLA_IN_Q, shape);
        return;
    case GLA_DK:
        gla_input_shape(p, GLA_IN_K, shape);
        return;
    case GLA_DV:
        gla_input_shape(p, GLA_IN_V, shape);
        return;
    case GLA_DGK:
        gla_input_shape(p, GLA_IN_GK, shape);
        return;
    case GLA_DGV:
        gla_input_shape(p, GLA_IN_GV, shape);
        return;
    case GLA_DINITIAL_STATE:
        gla_input_shape(p, GLA_IN_INITIAL_STATE, shape);
        return;
    case GLA_OUTPUTS:
        break;
    }
    set_shape(shape, 0, 0, 0, 0);
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

/* ---- the contract ---- */

enum { LARGEST = 0x7fffffff }; /* elements of one tensor */

static gla_status check_count(const char *name, const int64_t shape[4], gla_error *err) {
    int64_t count = 1;
    for (int d = 0; d < 4; d++) {
        count *= shape[d]; /* each factor < 2^31 and count < 2^31: no overflow */
        if (count > LARGEST)
            return gla_fail(err, GLA_BAD_SHAPE, "%s [%lld,%lld,%lld,%lld] has 2^31 elements or more", name,
                            (long long)shape[0], (long long)shape[1], (long long)shape[2], (long long)shape[3]);
    }
    return GLA_OK;
}

static gla_status check_size(const gla_problem *p, gla_error *err) {
    const int64_t sizes[] = {p->B, p->T, p->H, p->dk, p->dv, p->N};
    static const char *const names[] = {"B", "T", "H", "dk", "dv", "N"};
    for (int i = 0; i < 6; i++) {
        if (sizes[i] < 1)
            return gla_fail(err, GLA_BAD_SHAPE, "%s = %lld: every size must be at least 1", names[i],
                            (long long)sizes[i]);
        if (sizes[i] > LARGEST)
            return gla_fail(err, GLA_BAD_SHAPE, "%s = %lld: sizes must stay below 2^31", names[i], (long long)sizes[i]);
    }
    for (int i = 0; i < GLA_INPUTS; i++) {
        const gla_tensor *x = input_of(p, (gla_input)i);
        if (x->at && (x->heads < 1 || p->H % x->heads != 0))
            return gla_fail(err, GLA_BAD_SHAPE, "%s has %lld heads, which do not divide H = %lld", gla_input_names[i],
                            (long long)x->heads, (long long)p->H);
    }
    int64_t shape[4];
    gla_status status = GLA_OK;
    for (int i = 0; i < GLA_INPUTS && status == GLA_OK; i++) {
        gla_input_shape(p, (gla_input)i, shape);
        status = check_count(gla_input_names[i], shape, err);
    }
    for (int i = 0; i < GLA_OUTPUTS && status == GLA_OK; i++) {
        gla_output_shape(p, (gla_output)i, shape);
        status = check_count(gla_output_names[i], shape, err);
    }
    return status;
}

static gla_status check_sequences(const gla_problem *p, gla_error *err) {
    if (!p->cu_seqlens) {
        if (p->N == p->B) return GLA_OK;
        return gla_fail(err, GLA_BAD_SHAPE, "N = %lld sequences but B = %lld and no cu_seqlens", (long long)p->N,
                        (long long)p->B);
    }
    if (p->B != 1) return gla_fail(err, GLA_BAD_SHAPE, "cu_seqlens needs B = 1, not %lld", (long long)p->B);
    if (p->cu_seqlens[0] != 0)
        return gla_fail(err, GLA_BAD_SHAPE, "cu_seqlens[0] = %lld: it must start at 0", (long long)p->cu_seqlens[0]);
    for (int64_t n = 0; n < p->N; n++)
        if (p->cu_seqlens[n + 1] < p->cu_seqlens[n])
            return gla_fail(err, GLA_BAD_SHAPE, "cu_seqlens[%lld] = %lld is below the offset before it",
                            (long long)(n + 1), (long long)p->cu_seqlens[n + 1]);
    if (p->cu_seqlens[p->N] != p->T)
        return gla_fail(err, GLA_BAD_SHAPE, "cu_seqlens ends at %lld but T = %lld", (long long)p->cu_seqlens[p->N],
                        (long long)p->T);
    return GLA_OK;
}

/* Why this value may not stand in this tensor, or NULL. */
static const char *objection(gla_input name, double x, bool allow_growth) {
    if (isnan(x)) return "is NaN";
    if (!gate_input(name)) return isinf(x) ? "is infinite" : NULL;
    if (x == INFINITY) return "is +inf";
    return x > 0 && !allow_growth ? "is above 0: log gates must be <= 0" : NULL;
}

static gla_status check_values(const gla_problem *p, gla_input name, bool allow_growth, gla_error *err) {
    const gla_tensor *x = input_of(p, name);
    int64_t shape[4], i[4];
    if (!x->at) return GLA_OK;
    gla_input_shape(p, name, shape);
    for (i[0] = 0; i[0] < shape[0]; i[0]++)
        for (i[1] = 0; i[1] < shape[1]; i[1]++)
            for (i[2] = 0; i[2] < shape[2]; i[2]++)
                for (i[3] = 0; i[3] < shape[3]; i[3]++) {
                    double value =
                        x->at[i[0] * x->stride[0] + i[1] * x->stride[1] + i[2] * x->stride[2] + i[3] * x->stride[3]];
                    const char *why = objection(name, value, allow_growth);
                    if (!why) continue;
                    gla_fail(err, GLA_BAD_VALUE, "%s[%lld,%lld,%lld,%lld] = %g %s", gla_input_names[name],
                             (long long)i[0], (long long)i[1], (long long)i[2], (long long)i[3], value, why);
                    return value > 0 && gate_input(name) && value < INFINITY
                               ? gla_hint(err, GLA_BAD_VALUE,
                                          "gates are natural logs of decays; --allow-growth accepts g > 0")
                               : GLA_BAD_VALUE;
                }
    return GLA_OK;
}

/* No input that the mechanism knows nothing of; heads of a fixed decay that exist. */
static gla_status check_mechanism(const gla_problem *p, gla_error *err) {
    const gla_mechanism *m = gla_mechanism_of(p);
    for (int i = 0; i < GLA_INPUTS; i++)
        if (input_of(p, (gla_input)i)->at && !(m->inputs & 1u << i))
            return gla_fail(err, GLA_BAD_VALUE, "mechanism %s takes no %s", m->name, gla_input_names[i]);
    const gla_fixed_decay *d = &p->decay;
    int schedules = 1;
    while (m->schedules && m->schedules[schedules].name) schedules++;
    if (d->schedule < 0 || d->schedule >= schedules)
        return gla_fail(err, GLA_BAD_VALUE, "mechanism %s has no schedule number %d of its decay", m->name,
                        d->schedule);
    if (d->layers < 0 || d->layer < 0 || (d->layers > 0 && d->layer >= d->layers))
        return gla_fail(err, GLA_BAD_VALUE, "layer %lld of %lld: layers count from 0", (long long)d->layer,
                        (long long)d->layers);
    int64_t heads = d->heads ? d->heads : p->H;
    if (d->head < 0 || d->head > heads - p->H)
        return gla_fail(err, GLA_BAD_SHAPE, "H = %lld heads from head %lld on, but the layer has %lld", (long long)p->H,
                        (long long)d->head, (long long)heads);
    return GLA_OK;
}

gla_status gla_problem_check(const gla_problem *p, bool allow_growth, gla_error *err) {
    gla_status status = check_size(p, err);
    if (status == GLA_OK) status = check_mechanism(p, err);
    if (status == GLA_OK) status = check_sequences(p, err);
    if (status != GLA_OK) return status;
    if (!isfinite(p->scale)) return gla_fail(err, GLA_BAD_VALUE, "scale = %g is not finite", p->scale);
    for (int i = 0; i <= GLA_IN_V; i++)
        if (!input_of(p, (gla_input)i)->at)
            return gla_fail(err, GLA_BAD_SHAPE, "input %s is missing", gla_input_names[i]);
    for (int i = 0; i < GLA_INPUTS && status == GLA_OK; i++) status = check_values(p, (gla_input)i, allow_growth, err);
    return status;
}
