/* SPDX-License-Identifier: Apache-2.0
 *
 * States in one gauge; equations in gauge.h.
 */
#include "gauge.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const gla_output in_units[] = {GLA_FINAL_STATE, GLA_FINAL_N};

bool gla_gauge_matters(const gla_problem *p, const gla_candidate *c) {
    return gla_outputs_given(p) & 1u << GLA_FINAL_M && c->output[GLA_FINAL_M].value;
}

/* e^(m - m*), 0 where the candidate's state is empty; 1 where the truth's is, which leaves its own as it is. */
static double factor_of(double m, double want) {
    if (want == -INFINITY) return 1;
    return exp(m - want);
}

static void widen(gla_bounds *b, int64_t i, double want, double units, double marginal_units) {
    double rounding = 0x1p-50 * fabs(want);
    b->allowed[i] += fabs(want) * expm1(units) + rounding;
    b->marginal[i] += fabs(want) * expm1(marginal_units) + rounding;
    b->drift[i] += fabs(want) * expm1(units) + rounding;
}

/* x of a state in units of m, in units of want. */
static double moved(double x, double m, double want) {
    if (m == want) return x;
    double factor = factor_of(m, want);
    return factor == 0 && isfinite(x) ? 0 : factor * x;
}

void gla_gauge_move(double *x, int64_t count, const double *m, const double *want, int64_t states) {
    for (int64_t i = 0; i < count; i++) x[i] = moved(x[i], m[i / (count / states)], want[i / (count / states)]);
}

struct units {
    const double *m, *want;
    const gla_bounds *bounds;
};

static gla_status regauge(const struct units *u, const gla_truth *truth, gla_output name, gla_candidate *c,
                          gla_bounds *bounds, double **owned) {
    int64_t count = truth->tensor[name].count, states = truth->tensor[GLA_FINAL_M].count;
    const double *value = c->output[name].value;
    if (!value || count == 0) return GLA_OK;
    double *own = *owned = malloc((size_t)count * sizeof *own);
    if (!own) return GLA_NO_MEMORY;
    memcpy(own, value, (size_t)count * sizeof *own);
    gla_gauge_move(own, count, u->m, u->want, states);
    for (int64_t i = 0; i < count; i++) {
        int64_t at = i / (count / states);
        if (!bounds->allowed || u->m[at] == u->want[at]) continue;
        const double *m = u->bounds->allowed, *marginal = u->bounds->marginal;
        widen(bounds, i, truth->tensor[name].value[i], m ? m[at] : 0, marginal ? marginal[at] : 0);
    }
    c->output[name].value = own;
    return GLA_OK;
}

/* m* where the candidate's m is a number or says that the state is empty; else what it is. */
static gla_status settle_units(const struct units *u, const gla_truth *truth, gla_candidate *c, double **owned) {
    int64_t states = truth->tensor[GLA_FINAL_M].count;
    double *own = *owned = malloc((size_t)(states ? states : 1) * sizeof *own);
    if (!own) return GLA_NO_MEMORY;
    for (int64_t i = 0; i < states; i++) own[i] = isnan(u->m[i]) || u->m[i] == INFINITY ? u->m[i] : u->want[i];
    c->output[GLA_FINAL_M].value = own;
    return GLA_OK;
}

gla_status gla_gauge_apply(const gla_problem *p, const gla_truth *truth, gla_candidate *c,
                           gla_bounds bounds[GLA_OUTPUTS], double *owned[GLA_OUTPUTS], gla_error *err) {
    struct units u = {c->output[GLA_FINAL_M].value, truth->tensor[GLA_FINAL_M].value, &bounds[GLA_FINAL_M]};
    gla_status status = GLA_OK;
    if (!gla_gauge_matters(p, c) || !truth->tensor[GLA_FINAL_M].present) return GLA_OK;
    for (int i = 0; i < 2 && status == GLA_OK; i++)
        if (truth->tensor[in_units[i]].present)
            status = regauge(&u, truth, in_units[i], c, &bounds[in_units[i]], &owned[in_units[i]]);
    if (status == GLA_OK) status = settle_units(&u, truth, c, &owned[GLA_FINAL_M]);
    return status == GLA_OK ? GLA_OK : gla_fail(err, status, "no memory to judge states in one gauge");
}
