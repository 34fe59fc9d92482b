/* SPDX-License-Identifier: Apache-2.0
 *
 * One run of a plug-in on a case that was made smaller: the axes, the magnitudes, the verdict (shrink_plugin.h).
 */
#include <math.h>
#include <string.h>

#include "shrink_plugin.h"

const char *const gla_axis_names[GLA_AXES] = {"gradients",
                                              "packed sequences",
                                              "reverse",
                                              "value gates",
                                              "states",
                                              "B",
                                              "T",
                                              "heads per k head",
                                              "k heads",
                                              "dk",
                                              "dv",
                                              "greatest operand",
                                              "greatest gate"};

/* ---- axes ---- */

int64_t gla_rerun_get(const gla_rerun *r, gla_axis axis) {
    const gla_case_spec *s = &r->spec;
    const int64_t value[GLA_AXES] = {s->backward,  s->varlen, s->reverse, s->gv, s->initial_state, s->B,    s->T,
                                     s->H / s->Hk, s->Hk,     s->dk,      s->dv, r->operands,      r->gates};
    return value[axis];
}

bool gla_rerun_set(gla_rerun *r, gla_axis axis, int64_t value) {
    gla_case_spec *s = &r->spec;
    bool *const on[] = {&s->backward, &s->varlen, &s->reverse, &s->gv, &s->initial_state};
    int64_t group = s->H / s->Hk;
    gla_case_label name;
    if (axis <= GLA_AXIS_STATE) *on[axis] = value != 0;
    if (axis == GLA_AXIS_B) s->B = value;
    if (axis == GLA_AXIS_T) s->T = value;
    if (axis == GLA_AXIS_GROUP) s->H = s->Hk * value;
    if (axis == GLA_AXIS_HEADS) s->Hk = value;
    if (axis == GLA_AXIS_HEADS) s->H = value * group;
    if (axis == GLA_AXIS_DK) s->dk = value;
    if (axis == GLA_AXIS_DV) s->dv = value;
    if (axis == GLA_AXIS_OPERANDS) r->operands = (int)value;
    if (axis == GLA_AXIS_GATES) r->gates = (int)value;
    return gla_case_complete(s, name, NULL) == GLA_OK && gla_rerun_get(r, axis) == value;
}

/* ---- magnitudes ---- */

static bool is_gate(int input) { return input == GLA_IN_GK || input == GLA_IN_GV; }

/* The least n for which all finite elements of gates (or of all else) are below 2^n. */
static int exponent_of(const gla_generated *g, bool gates) {
    double greatest = 0;
    for (int i = 0; i < GLA_INPUTS; i++)
        for (int64_t n = 0; g->tensor[i] && is_gate(i) == gates && n < g->count[i]; n++)
            if (isfinite(g->tensor[i][n])) greatest = fmax(greatest, fabs(g->tensor[i][n]));
    return greatest > 0 ? ilogb(greatest) + 1 : -GLA_GATE_UNIT;
}

static int at_least_1(int n) { return n < 1 ? 1 : n; }

gla_rerun gla_rerun_of(const gla_generated *made) {
    return (gla_rerun){made->spec, at_least_1(exponent_of(made, false)),
                       at_least_1(exponent_of(made, true) + GLA_GATE_UNIT)};
}

static void scale_down(gla_generated *g, bool gates, int exponent) {
    int by = exponent - exponent_of(g, gates);
    for (int i = 0; i < GLA_INPUTS && by < 0; i++) {
        if (!g->tensor[i] || is_gate(i) != gates) continue;
        const gla_format *f = gates || gla_is_state_input((gla_input)i) ? &gla_binary32_format : g->spec.dtype;
        for (int64_t n = 0; n < g->count[i]; n++) g->tensor[i][n] = gla_round(f, GLA_RN, ldexp(g->tensor[i][n], by), 0);
    }
}

static void set_magnitudes(gla_generated *g, const gla_rerun *r) {
    scale_down(g, false, r->operands);
    if (r->gates > 0)
        scale_down(g, true, r->gates - GLA_GATE_UNIT);
    else
        g->problem.gk.at = g->problem.gv.at = NULL;
}

/* ---- the run ---- */

static gla_status judge(gla_rerun_result *x, unsigned only, const gla_profile *profile, int threads, gla_error *err) {
    gla_candidate candidate = gla_plugin_candidate(&x->run);
    gla_truth truth;
    const gla_truth_options how = {.backward = gla_judging_needs_gradients(&candidate, only),
                                   .close_enough = GLA_CLOSE_ENOUGH,
                                   .threads = threads};
    gla_status status = gla_truth_compute(&x->made.problem, &how, &truth, err);
    if (status == GLA_OK)
        status = gla_judge(&x->made.problem, &candidate, &truth, profile, only, threads, &x->judgement, err);
    gla_truth_free(&truth);
    return status;
}

gla_status gla_rerun_judge(const gla_plugin *plugin, const gla_rerun *r, unsigned only, const gla_profile *profile,
                           int threads, gla_rerun_result *out, gla_error *err) {
    memset(out, 0, sizeof *out);
    gla_status status = gla_generate(&r->spec, &out->made, err);
    if (status != GLA_OK) return status;
    set_magnitudes(&out->made, r);
    if (!profile) profile = gla_profile_default(r->spec.dtype);
    status = gla_plugin_run(plugin, &out->made.problem, r->spec.dtype, r->spec.backward, 1, &out->run, err);
    if (status == GLA_OK && out->run.end == GLA_PLUGIN_DONE) status = judge(out, only, profile, threads, err);
    return status;
}

void gla_rerun_result_free(gla_rerun_result *r) {
    gla_plugin_result_free(&r->run);
    gla_generated_free(&r->made);
}
