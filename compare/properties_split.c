/* SPDX-License-Identifier: Apache-2.0
 *
 * Properties that put a result together from runs over parts of the tokens: split and packing (properties.h).
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "properties_parts.h"

/* Can results be put together from parts: nothing but one state passes between them, and nothing is a sum over them? */
static bool has_parts(const gla_problem *p) {
    const unsigned more = 1u << GLA_IN_INITIAL_N | 1u << GLA_IN_INITIAL_M | 1u << GLA_IN_INITIAL_KEYS;
    if (gla_inputs_taken(p) & more) return false;
    for (int i = 0; i < GLA_SWITCHES; i++) /* some count tokens from the first */
        if (p->setting[i].given) return false;
    for (int i = 0; i < GLA_INPUTS; i++)
        if (gla_acting_input(p, (gla_input)i).at && gla_is_weight(gla_input_axes(gla_mechanism_of(p), (gla_input)i)))
            return false;
    return true;
}

static gla_status without_parts(gla_probe *t) {
    return gla_probe_found(t, GLA_NOT_APPLICABLE, "results of this mechanism are not put together from parts here");
}

/* The problem on tokens [from, from + length) of batch 0 .., states as they are, nothing packed. */
static gla_problem window(const gla_problem *p, int64_t from, int64_t length) {
    gla_problem w = *p;
    w.T = length;
    w.N = p->B;
    w.cu_seqlens = NULL;
    for (int i = 0; i < GLA_INPUTS; i++) {
        gla_tensor *x = gla_problem_input(&w, (gla_input)i);
        if (x->at && gla_input_has_tokens(p, (gla_input)i)) x->at += from * x->stride[1];
    }
    return w;
}

/* Dense states, as a plug-in returned them, into a problem. */
static void set_state(gla_problem *p, gla_input name, const double *value) {
    gla_tensor *x = gla_problem_input(p, name);
    *x = (gla_tensor){.at = value, .heads = p->H, .stride = {p->H * p->dk * p->dv, p->dk * p->dv, p->dv, 1}};
}

/* The token outputs of a window into the whole. */
static void put_tokens(const gla_probe *t, gla_assembled *whole, const gla_plugin_result *part, int64_t from,
                       int64_t length) {
    for (int i = 0; i < GLA_OUTPUTS; i++) {
        int64_t shape[4];
        if (!whole->value[i] || gla_is_state_output((gla_output)i) || !part->first[i].value) continue;
        gla_output_shape(&t->made.problem, (gla_output)i, shape);
        int64_t token = shape[2] * shape[3];
        for (int64_t b = 0; b < shape[0]; b++)
            memcpy(whole->value[i] + (b * shape[1] + from) * token, part->first[i].value + b * length * token,
                   (size_t)(length * token) * sizeof(double));
    }
}

/* State n of all heads. */
static void put_state(const gla_probe *t, gla_assembled *whole, int output, const double *value, int64_t n,
                      int64_t count) {
    int64_t one = t->made.problem.H * t->made.problem.dk * t->made.problem.dv;
    if (whole->value[output] && value)
        memcpy(whole->value[output] + n * one, value, (size_t)(count * one) * sizeof(double));
}

/* ---- split ---- */

/* Forward through both parts, then the first one again with the gradient that the second gives its initial state. */
static gla_status run_parts(gla_probe *t, int64_t cut, gla_assembled *whole, bool *going) {
    const gla_problem *p = &t->made.problem;
    gla_problem first = window(p, 0, cut), second = window(p, cut, p->T - cut);
    gla_plugin_result forward, late = {0}, early = {0};
    gla_status status = gla_probe_run(t, &first, false, 1, &forward, going);
    if (*going) {
        set_state(&second, GLA_IN_INITIAL_STATE, forward.first[GLA_FINAL_STATE].value);
        status = gla_probe_run(t, &second, t->backward, 1, &late, going);
    }
    if (*going && t->backward) {
        set_state(&first, GLA_IN_DFINAL_STATE, late.first[GLA_DINITIAL_STATE].value);
        status = gla_probe_run(t, &first, true, 1, &early, going);
    }
    if (*going) {
        const gla_plugin_result *before = t->backward ? &early : &forward;
        put_tokens(t, whole, before, 0, cut);
        put_tokens(t, whole, &late, cut, p->T - cut);
        put_state(t, whole, GLA_FINAL_STATE, late.first[GLA_FINAL_STATE].value, 0, p->N);
        put_state(t, whole, GLA_DINITIAL_STATE, before->first[GLA_DINITIAL_STATE].value, 0, p->N);
    }
    gla_plugin_result_free(&forward);
    gla_plugin_result_free(&late);
    gla_plugin_result_free(&early);
    return status;
}

static gla_status check_split_at(gla_probe *t, int64_t cut, gla_worst *all, bool *going) {
    gla_assembled whole;
    gla_worst worst = {0};
    gla_place_text place;
    gla_status status = gla_assembled_new(t, &whole);
    if (status != GLA_OK) return status;
    status = run_parts(t, cut, &whole, going);
    if (*going) status = gla_probe_judge(t, &whole, &worst);
    gla_assembled_free(&whole);
    if (!*going || status != GLA_OK) return status;
    if (worst.ratio > all->ratio) *all = worst;
    *going = worst.ratio <= GLA_PROPERTY_LIMIT;
    if (!*going)
        gla_probe_found(t, GLA_VIOLATED, "split at token %" PRId64 ": error/bound %.3g at %s (2 is allowed)", cut,
                        worst.ratio, gla_place_print(worst.output, worst.at, place));
    return GLA_OK;
}

gla_status gla_check_split(gla_probe *t) {
    int64_t T = t->made.problem.T, few[] = {1, 17, 64, 128, T - 1}, cuts = 0;
    enum { FEW = sizeof few / sizeof *few };
    gla_worst worst = {.ratio = -1};
    gla_place_text place;
    gla_status status = GLA_OK;
    bool going = has_parts(&t->made.problem);
    if (!going) return without_parts(t);
    /* thorough: every 16 tokens, and one beside it */
    for (int64_t i = 0; status == GLA_OK && going; i++) {
        int64_t cut = !t->options->thorough ? i < FEW ? few[i] : T : 16 * (i / 2 + 1) + i % 2;
        if (cut >= T) break;
        status = check_split_at(t, cut, &worst, &going);
        cuts++;
    }
    if (status == GLA_OK && going)
        gla_probe_found(t, GLA_HOLDS, "%" PRId64 " cuts: error/bound at most %.3g, at %s (2 is allowed)", cuts,
                        worst.ratio, gla_place_print(worst.output, worst.at, place));
    return status;
}

/* ---- packing ---- */

/* Sequence n by itself, with its own states. An empty one is nobody's work: the packed run's is taken. */
static gla_status run_alone(gla_probe *t, int64_t n, const gla_plugin_result *packed, gla_assembled *whole,
                            bool *going) {
    const gla_problem *p = &t->made.problem;
    int64_t from = p->cu_seqlens[n], length = p->cu_seqlens[n + 1] - from, one = p->H * p->dk * p->dv;
    if (length == 0) {
        static const int states[] = {GLA_FINAL_STATE, GLA_DINITIAL_STATE};
        for (int i = 0; i < 2; i++)
            if (packed->first[states[i]].value)
                put_state(t, whole, states[i], packed->first[states[i]].value + n * one, n, 1);
        return GLA_OK;
    }
    gla_problem alone = window(p, from, length);
    gla_tensor *const states[] = {&alone.initial_state, &alone.d_final_state};
    for (int i = 0; i < 2; i++)
        if (states[i]->at) states[i]->at += n * states[i]->stride[0];
    gla_plugin_result r;
    gla_status status = gla_probe_run(t, &alone, t->backward, 1, &r, going);
    if (*going) {
        put_tokens(t, whole, &r, from, length);
        put_state(t, whole, GLA_FINAL_STATE, r.first[GLA_FINAL_STATE].value, n, 1);
        put_state(t, whole, GLA_DINITIAL_STATE, r.first[GLA_DINITIAL_STATE].value, n, 1);
    }
    gla_plugin_result_free(&r);
    return status;
}

static void borrow(gla_assembled *a, const gla_plugin_result *r) {
    for (int i = 0; i < GLA_OUTPUTS; i++) a->value[i] = r->first[i].value;
}

static gla_status judge_both(gla_probe *t, const gla_plugin_result *packed, const gla_assembled *alone) {
    gla_assembled together;
    gla_worst a, b;
    gla_place_text place;
    borrow(&together, packed);
    gla_status status = gla_probe_judge(t, &together, &a);
    if (status == GLA_OK) status = gla_probe_judge(t, alone, &b);
    if (status != GLA_OK) return status;
    const gla_worst *worse = a.ratio > b.ratio ? &a : &b;
    bool good = worse->ratio <= GLA_PROPERTY_LIMIT;
    return gla_probe_found(t, good ? GLA_HOLDS : GLA_VIOLATED,
                           "%" PRId64 " sequences: error/bound %.3g packed, %.3g alone, worst at %s", t->made.problem.N,
                           a.ratio, b.ratio, gla_place_print(worse->output, worse->at, place));
}

gla_status gla_check_packing(gla_probe *t) {
    gla_plugin_result packed;
    gla_assembled alone;
    bool going;
    if (!has_parts(&t->made.problem)) return without_parts(t);
    gla_status status = gla_probe_run(t, &t->made.problem, t->backward, 1, &packed, &going);
    if (going) {
        status = gla_assembled_new(t, &alone);
        going = status == GLA_OK;
        for (int64_t n = 0; going && status == GLA_OK && n < t->made.problem.N; n++)
            status = run_alone(t, n, &packed, &alone, &going);
        if (going && status == GLA_OK) status = judge_both(t, &packed, &alone);
        gla_assembled_free(&alone);
    }
    gla_plugin_result_free(&packed);
    return status;
}
