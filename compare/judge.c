/* SPDX-License-Identifier: Apache-2.0
 *
 * Judging outputs element by element; the meaning of a verdict is in judge.h.
 *
 * The bounds come from one run of the profile's formulation in the number system of rounding errors; the rounding of
 * the result into the dtype it is stored in is added here. The truth is the certified binary64 value: its own 2^-53 is
 * allowed for wherever the bound is not 0.
 */
#include "judge.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../reference/number/error.h"

const char *const gla_verdict_names[] = {"PASS", "MARGINAL", "UNCERTIFIED", "FAIL", "BROKEN"};

enum { MARGINAL_FACTOR = 2 }; /* MARGINAL reaches to lambda = 7 */

static void raise_to(gla_verdict *verdict, gla_verdict at_least) {
    if (*verdict < at_least) *verdict = at_least;
}

/* Storing into the candidate's dtype: one rounding to nearest, counted in full. */
static gla_rounding_rule stored_in(const gla_format *f) {
    return (gla_rounding_rule){.u = ldexp(1, -f->p), .p = f->p, .tiny = ldexp(1, f->emin - f->p), .one_sided = true};
}

typedef struct element {
    double got, want, allowed, marginal; /* allowed at lambda 3.5, marginal at lambda 7 */
} element;

static element element_of(double got, double want, gla_error_number e, const gla_rounding_rule *stored) {
    gla_error_round(&e, stored);
    element x = {got, want, gla_error_bound(&e, GLA_ERROR_LAMBDA),
                 gla_error_bound(&e, MARGINAL_FACTOR * GLA_ERROR_LAMBDA)};
    if (x.allowed > 0) { /* the truth's own last bit */
        x.allowed += 0x1p-52 * fabs(want);
        x.marginal += 0x1p-52 * fabs(want);
    }
    return x;
}

static double ratio_of(const element *x) {
    double error = fabs(x->got - x->want);
    if (error == 0) return 0;
    return isfinite(x->got) && x->allowed > 0 ? error / x->allowed : INFINITY;
}

static void index_of(const int64_t shape[4], int64_t i, int64_t at[4]) {
    for (int d = 3; d >= 0; d--) {
        at[d] = i % shape[d];
        i /= shape[d];
    }
}

/* Counts one element and remembers the worst. */
static void judge_element(gla_tensor_verdict *v, const element *x, int64_t i) {
    double error = fabs(x->got - x->want), ratio = ratio_of(x);
    v->nan += isnan(x->got);
    v->inf += isinf(x->got);
    v->exact += x->allowed == 0;
    if (!(error <= x->allowed)) {
        bool marginal = error <= x->marginal;
        v->marginal += marginal;
        v->over += !marginal;
        raise_to(&v->verdict, marginal ? GLA_MARGINAL : GLA_FAIL);
        if (v->first_bad[0] < 0) index_of(v->shape, i, v->first_bad);
    }
    if (isfinite(x->got)) v->rms_error += error * error;
    v->rms_truth += x->want * x->want;
    if (i == 0 || ratio > v->worst) {
        v->worst = ratio;
        v->got = x->got;
        v->want = x->want;
        v->allowed = x->allowed;
        index_of(v->shape, i, v->at);
    }
}

static int by_size(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The median of the allowed errors; reorders them. */
static double median(double *x, int64_t count) {
    if (count == 0) return 0;
    qsort(x, (size_t)count, sizeof *x, by_size);
    return x[count / 2];
}

static gla_status judge_tensor(gla_output name, const double *value, const gla_format *format, const gla_truth *truth,
                               const gla_result *bounds, gla_tensor_verdict *v) {
    gla_rounding_rule stored = stored_in(format);
    int64_t count = truth->tensor[name].count;
    double *allowed = malloc((size_t)(count ? count : 1) * sizeof *allowed);
    if (!allowed) return GLA_NO_MEMORY;
    int64_t judged = 0;
    v->count = count;
    v->first_bad[0] = -1;
    for (int64_t i = 0; i < count; i++) {
        if (!truth->tensor[name].certified[i]) {
            v->uncertified++;
            raise_to(&v->verdict, GLA_UNCERTIFIED);
            if (isfinite(value[i])) continue;
        }
        const gla_error_number *e = gla_result_at(bounds, name, i);
        element x = element_of(value[i], truth->tensor[name].value[i], *e, &stored);
        judge_element(v, &x, i);
        allowed[judged++] = x.allowed;
    }
    v->rms_error = judged ? sqrt(v->rms_error / (double)judged) : 0;
    v->rms_truth = judged ? sqrt(v->rms_truth / (double)judged) : 0;
    v->loosest = v->rms_truth > 0 ? median(allowed, judged) / v->rms_truth : 0;
    free(allowed);
    return GLA_OK;
}

/* Is this output to be judged, and does that need gradients? */
static bool under_test(const gla_candidate *c, unsigned only, gla_output name) {
    if (only && !(only & (1u << name))) return false;
    return c->output[name].value || c->output[name].wrong_shape || c->output[name].missing;
}

static bool needs_backward(const gla_candidate *c, unsigned only) {
    for (int i = GLA_DQ; i < GLA_OUTPUTS; i++)
        if (under_test(c, only, (gla_output)i) && c->output[i].value) return true;
    return false;
}

static gla_status run_bounds(const gla_problem *p, const gla_profile *profile, bool backward, gla_numbers *n,
                             gla_result *bounds, gla_error *err) {
    gla_form form;
    gla_status status = gla_form_parse(profile->form, &form, err);
    if (status != GLA_OK) return status;
    form.backward = backward;
    return gla_run(gla_mechanism_named("gla"), p, &form, n, bounds, err);
}

static gla_status judge_all(const gla_problem *p, const gla_candidate *c, const gla_truth *truth,
                            const gla_result *bounds, unsigned only, gla_judgement *out, gla_error *err) {
    for (int i = 0; i < GLA_OUTPUTS; i++) {
        gla_output name = (gla_output)i;
        gla_tensor_verdict *v = &out->tensor[i];
        if (!under_test(c, only, name)) continue;
        v->judged = true;
        out->judged++;
        gla_output_shape(p, name, v->shape);
        if (!c->output[i].value) {
            v->verdict = GLA_BROKEN;
            v->why = c->output[i].missing ? "missing" : "wrong shape";
            if (c->output[i].wrong_shape) memcpy(v->shape, c->output[i].shape, sizeof v->shape);
        } else if (!truth->tensor[i].present || !bounds->tensor[i].at)
            return gla_fail(err, GLA_UNSUPPORTED, "%s is under test, but this problem has no such output",
                            gla_output_names[i]);
        else if (judge_tensor(name, c->output[i].value, c->output[i].format, truth, bounds, v) != GLA_OK)
            return gla_fail(err, GLA_NO_MEMORY, "no memory to judge %s", gla_output_names[i]);
        raise_to(&out->verdict, v->verdict);
    }
    return GLA_OK;
}

gla_status gla_judge(const gla_problem *p, const gla_candidate *candidate, const gla_truth *truth,
                     const gla_profile *profile, unsigned only, int threads, gla_judgement *out, gla_error *err) {
    memset(out, 0, sizeof *out);
    out->profile = profile;
    out->changed = candidate->changed;
    if (out->changed) out->verdict = GLA_BROKEN;
    gla_numbers *n = gla_error_open(&profile->model);
    if (!n) return gla_fail(err, GLA_NO_MEMORY, "no memory for the bounds");
    gla_result bounds = {0};
    gla_status status = run_bounds(p, profile, needs_backward(candidate, only), n, &bounds, err);
    if (status == GLA_OK) status = judge_all(p, candidate, truth, &bounds, only, out, err);
    gla_result_free(&bounds);
    gla_numbers_close(n);
    return status;
}
