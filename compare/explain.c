/* SPDX-License-Identifier: Apache-2.0
 *
 * One element's bound, source by source; contract in explain.h. Only the sequence and the block of heads that hold the
 * element are run.
 */
#include "explain.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../reference/slice.h"
#include "bounds.h"
#include "repeats.h"

static const char *const site_words[GLA_SITES] = {
    [GLA_SITE_SCALE] = "the scale as the kernel holds it",
    [GLA_SITE_GATE_SUM] = "cumulative log gates in base 2, shared by many terms",
    [GLA_SITE_Q_DECAYED] = "q e^Gamma as operand",
    [GLA_SITE_K_DECAYED] = "k e^(Gamma_m - Gamma) as operand",
    [GLA_SITE_V_DECAYED] = "v e^(Eps_m - Eps) as operand",
    [GLA_SITE_STATE_READ] = "the chunk state as operand",
    [GLA_SITE_STATE] = "the state as it is carried",
    [GLA_SITE_SCORE] = "scores P as operand",
    [GLA_SITE_DSTATE_READ] = "the state's gradient as operand",
    [GLA_SITE_DSTATE] = "the state's gradient as it is carried",
    [GLA_SITE_DSCORE] = "score gradients dP as operand",
    [GLA_SITE_GATE_TERM] = "q*dq - k*dk before it is summed",
    [GLA_SITE_OUTPUT] = "the output",
    [GLA_SITE_OUTPUT_WIDE] = "the output",
    [GLA_SITE_BETA_OPERAND] = "beta k and beta v as operands",
    [GLA_SITE_INVERSE] = "the inverse (I+L)^-1 as it is stored",
    [GLA_SITE_WY] = "W and U0 as they are stored",
    [GLA_SITE_PSEUDO] = "the pseudo-values U as they are stored",
    [GLA_SITE_DPSEUDO] = "the gradient of U as it is stored",
    [GLA_SITE_PART] = "a part of a gradient, stored between two kernels",
    [GLA_SITE_LOGIT] = "logits less the largest",
    [GLA_SITE_PROBABILITY] = "softmax weights as they are stored",
    [GLA_SITE_NORMALISER] = "the gradient of a denominator",
};

/* The parts of a model as a list: each with its name, its rule, and the model that has it alone. */
typedef struct source {
    const char *name, *what;
    gla_rounding_rule rule;
    gla_error_model alone;
} source;

static int list_sources(const gla_error_model *m, source list[GLA_TERMS]) {
    int count = 0;
    if (m->op.u > 0) list[count++] = (source){"arithmetic", "every elementwise operation", m->op, {.op = m->op}};
    if (m->exp.u > 0) list[count++] = (source){"exp", "the exponential itself", m->exp, {.exp = m->exp}};
    if (m->exp_argument > 0)
        list[count++] = (source){
            "exp argument", "its argument in base 2", {.u = m->exp_argument}, {.exp_argument = m->exp_argument}};
    if (m->operand.u > 0)
        list[count++] =
            (source){"operands", "operands as the product unit reads them", m->operand, {.operand = m->operand}};
    if (m->sum.u > 0) list[count++] = (source){"sums", "accumulation inside products", m->sum, {.sum = m->sum}};
    for (int i = 0; i < GLA_SITES; i++) {
        if (m->site[i].u == 0) continue;
        source s = {gla_site_names[i], site_words[i], m->site[i], {.exp_argument = 0}};
        s.alone.site[i] = m->site[i];
        list[count++] = s;
    }
    return count;
}

/* Which sequence and block of heads hold the element, and where it lies there. */
typedef struct place {
    gla_part part;
    int64_t index;
} place;

static int64_t sequence_of(const gla_problem *p, gla_output name, const int64_t at[4]) {
    if (gla_is_state_output(name) || !p->cu_seqlens) return at[0];
    int64_t n = 0;
    while (p->cu_seqlens[n + 1] <= at[1]) n++;
    return n;
}

static place place_of(const gla_problem *p, gla_output name, const int64_t at[4]) {
    int64_t whole[4], own[4], heads = gla_unit_heads(p), axis = gla_is_state_output(name) ? 1 : 2;
    gla_output_shape(p, name, whole);
    int64_t wanted = ((at[0] * whole[1] + at[1]) * whole[2] + at[2]) * whole[3] + at[3];
    int64_t head = at[axis] * (p->H / whole[axis]) / heads * heads;
    bool one = gla_unit_sequences(p) == 1;
    place x = {.part = gla_part_of(p, one ? sequence_of(p, name, at) : 0, head, heads)};
    gla_output_shape(&x.part.problem, name, own);
    int64_t count = own[0] * own[1] * own[2] * own[3];
    while (x.index < count && gla_part_to_whole(&x.part, p, name, x.index) != wanted) x.index++;
    return x;
}

/* The element's error number under one model. */
static gla_status run_model(const place *x, const char *form_text, gla_output name, const gla_error_model *model,
                            gla_error_number *out, gla_error *err) {
    gla_form form;
    gla_error_number *errors[GLA_OUTPUTS] = {0};
    gla_status status = gla_profile_form(&x->part.problem, form_text, gla_is_gradient(name), &form, err);
    if (status == GLA_OK) status = gla_part_errors(&x->part, &form, model, errors, err);
    if (status == GLA_OK && !errors[name])
        status = gla_fail(err, GLA_UNSUPPORTED, "this problem has no %s", gla_output_names[name]);
    if (status == GLA_OK) *out = errors[name][x->index];
    for (int i = 0; i < GLA_OUTPUTS; i++) free(errors[i]);
    return status;
}

/* What a source adds to an error. A rounding may spare a later one: then less than nothing. */
static gla_term term_of(const source *s, const gla_error_number *before, const gla_error_number *after) {
    double var = after->var - before->var;
    return (gla_term){s->name,
                      s->what,
                      s->rule,
                      GLA_ERROR_LAMBDA * copysign(sqrt(fabs(var)), var),
                      after->lin - before->lin,
                      after->det - before->det};
}

static void add_rules(gla_error_model *to, const gla_error_model *more) {
    if (more->op.u > 0) to->op = more->op;
    if (more->exp.u > 0) to->exp = more->exp;
    if (more->exp_argument > 0) to->exp_argument = more->exp_argument;
    if (more->operand.u > 0) to->operand = more->operand;
    if (more->sum.u > 0) to->sum = more->sum;
    for (int i = 0; i < GLA_SITES; i++)
        if (more->site[i].u > 0) to->site[i] = more->site[i];
}

/* What the judge allows an element with that error, stored. */
static double bound_of(gla_error_number e, const gla_format *format) {
    gla_rounding_rule stored = gla_stored_in(format);
    gla_error_round(&e, &stored);
    return gla_error_bound(&e, GLA_ERROR_LAMBDA);
}

static gla_status check_place(const gla_problem *p, gla_output name, const int64_t at[4], gla_error *err) {
    int64_t shape[4];
    gla_output_shape(p, name, shape);
    for (int d = 0; d < 4; d++)
        if (at[d] < 0 || at[d] >= shape[d])
            return gla_fail(err, GLA_BAD_SHAPE, "%s[%lld,%lld,%lld,%lld] lies outside [%lld,%lld,%lld,%lld]",
                            gla_output_names[name], (long long)at[0], (long long)at[1], (long long)at[2],
                            (long long)at[3], (long long)shape[0], (long long)shape[1], (long long)shape[2],
                            (long long)shape[3]);
    return GLA_OK;
}

gla_status gla_explain(const gla_problem *p, const gla_profile *profile, gla_output name, const int64_t at[4],
                       const gla_format *format, gla_explanation *out, gla_error *err) {
    memset(out, 0, sizeof *out);
    gla_status status = check_place(p, name, at, err);
    if (status != GLA_OK) return status;
    place x = place_of(p, name, at);
    source list[GLA_TERMS];
    gla_error_number e, other;
    const char *form = profile->form;
    gla_error_model model;
    if (gla_count_repeats(&x.part.problem, profile, &model) != GLA_OK)
        return gla_fail(err, GLA_NO_MEMORY, "no memory for the bounds");
    status = run_model(&x, form, name, &model, &e, err);
    if (status == GLA_OK && profile->also[0]) {
        status = run_model(&x, profile->also, name, &model, &other, err);
        if (status == GLA_OK && bound_of(other, format) > bound_of(e, format)) {
            form = profile->also;
            e = other;
        }
    }
    snprintf(out->form, sizeof out->form, "%s", form);
    int count = list_sources(&model, list);
    gla_error_model so_far = {.repeats = model.repeats, .dscore_repeats = model.dscore_repeats};
    gla_error_number before = {.var = 0};
    for (int i = count - 1; i >= 0 && status == GLA_OK; i--) {
        gla_error_number after;
        add_rules(&so_far, &list[i].alone);
        status = run_model(&x, form, name, &so_far, &after, err);
        if (status == GLA_OK) out->term[i] = term_of(&list[i], &before, &after);
        before = after;
    }
    if (status != GLA_OK) return status;
    source last = {"stored", "the result in the dtype it is stored in", gla_stored_in(format), {.exp_argument = 0}};
    before = e;
    gla_error_round(&e, &last.rule);
    out->term[count] = term_of(&last, &before, &e);
    out->terms = count + 1;
    out->random = GLA_ERROR_LAMBDA * sqrt(e.var);
    out->worst = e.lin;
    out->systematic = e.det;
    out->allowed = gla_error_bound(&e, GLA_ERROR_LAMBDA);
    return GLA_OK;
}
