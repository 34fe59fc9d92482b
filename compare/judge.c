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
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "../fast/cpu/threads.h"
#include "../reference/number/error.h"
#include "../reference/slice.h"

const char *const gla_verdict_names[] = {"PASS", "MARGINAL", "UNCERTIFIED", "FAIL", "BROKEN"};

enum { MARGINAL_FACTOR = 2 }; /* MARGINAL reaches to lambda = 7 */

static void raise_to(gla_verdict *verdict, gla_verdict at_least) {
    if (*verdict < at_least) *verdict = at_least;
}

/* Of one output, dense: what lambda 3.5 and 7 allow, its storing included. */
struct bounds {
    double *allowed, *marginal;
};

gla_rounding_rule gla_stored_in(const gla_format *f) {
    return (gla_rounding_rule){.u = ldexp(1, -f->p), .p = f->p, .tiny = ldexp(1, f->emin - f->p), .one_sided = true};
}

typedef struct element {
    double got, want, allowed, marginal; /* allowed at lambda 3.5, marginal at lambda 7 */
} element;

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

/* What an element is allowed, with the truth's own last bit. */
static double with_truth(double bound, double want) { return bound > 0 ? bound + 0x1p-52 * fabs(want) : 0; }

static gla_status judge_tensor(gla_output name, const double *value, const gla_truth *truth, struct bounds bounds,
                               gla_tensor_verdict *v) {
    int64_t judged = 0;
    v->count = truth->tensor[name].count;
    v->first_bad[0] = -1;
    double *allowed = malloc((size_t)(v->count ? v->count : 1) * sizeof *allowed);
    if (!allowed) return GLA_NO_MEMORY;
    for (int64_t i = 0; i < v->count; i++) {
        if (!truth->tensor[name].certified[i]) {
            v->uncertified++;
            raise_to(&v->verdict, GLA_UNCERTIFIED);
            if (isfinite(value[i])) continue;
        }
        double want = truth->tensor[name].value[i];
        element x = {value[i], want, with_truth(bounds.allowed[i], want), with_truth(bounds.marginal[i], want)};
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

/* ---- bounds, part by part ---- */

struct pass {
    const gla_problem *p;
    const gla_candidate *c;
    const gla_profile *profile;
    gla_form form;
    unsigned only;
    int64_t heads; /* of a part */
    struct bounds bounds[GLA_OUTPUTS];
    atomic_int status;
};

static void keep_bounds(struct pass *pass, const gla_part *part, const gla_result *r, gla_output name) {
    if (!r->tensor[name].at || !pass->bounds[name].allowed) return;
    gla_rounding_rule stored = gla_stored_in(pass->c->output[name].format);
    for (int64_t i = 0; i < r->tensor[name].count; i++) {
        gla_error_number e = *(const gla_error_number *)gla_result_at(r, name, i);
        int64_t at = gla_part_to_whole(part, pass->p, name, i);
        gla_error_round(&e, &stored);
        pass->bounds[name].allowed[at] = gla_error_bound(&e, GLA_ERROR_LAMBDA);
        pass->bounds[name].marginal[at] = gla_error_bound(&e, MARGINAL_FACTOR * GLA_ERROR_LAMBDA);
    }
}

/* One sequence and one block of heads. */
static void bound_part(void *data, size_t index) {
    struct pass *pass = data;
    int64_t blocks = pass->p->H / pass->heads, n = (int64_t)index / blocks, block = (int64_t)index % blocks;
    gla_part part = gla_part_of(pass->p, n, block * pass->heads, pass->heads);
    gla_numbers *numbers = gla_error_open(&pass->profile->model);
    gla_result r = {0};
    gla_status status = GLA_NO_MEMORY;
    if (numbers) status = gla_run(gla_mechanism_named("gla"), &part.problem, &pass->form, numbers, &r, NULL);
    for (int i = 0; status == GLA_OK && i < GLA_OUTPUTS; i++) keep_bounds(pass, &part, &r, (gla_output)i);
    if (status != GLA_OK) atomic_store(&pass->status, (int)status);
    gla_result_free(&r);
    gla_numbers_close(numbers);
}

static gla_status new_bounds(struct pass *pass) {
    for (int i = 0; i < GLA_OUTPUTS; i++) {
        if (!under_test(pass->c, pass->only, (gla_output)i) || !pass->c->output[i].value) continue;
        int64_t shape[4];
        gla_output_shape(pass->p, (gla_output)i, shape);
        size_t count = (size_t)(shape[0] * shape[1] * shape[2] * shape[3]);
        pass->bounds[i].allowed = calloc(2 * count + 1, sizeof(double));
        if (!pass->bounds[i].allowed) return GLA_NO_MEMORY;
        pass->bounds[i].marginal = pass->bounds[i].allowed + count;
    }
    return GLA_OK;
}

static gla_status compute_bounds(struct pass *pass, int threads, gla_error *err) {
    gla_status status = gla_form_parse(pass->profile->form, &pass->form, err);
    if (status != GLA_OK) return status;
    pass->form.backward = needs_backward(pass->c, pass->only);
    pass->heads = gla_unit_heads(pass->p);
    status = new_bounds(pass);
    size_t parts = (size_t)(pass->p->N * (pass->p->H / pass->heads));
    if (status == GLA_OK) gla_parallel(parts, threads > 0 ? threads : gla_processors(), bound_part, pass, NULL);
    if (status == GLA_OK) status = (gla_status)atomic_load(&pass->status);
    return status == GLA_OK ? GLA_OK : gla_fail(err, status, "no bounds: %s", gla_status_text(status));
}

/* ---- judging ---- */

static gla_status judge_all(const struct pass *pass, const gla_truth *truth, gla_judgement *out, gla_error *err) {
    const gla_candidate *c = pass->c;
    for (int i = 0; i < GLA_OUTPUTS; i++) {
        gla_output name = (gla_output)i;
        gla_tensor_verdict *v = &out->tensor[i];
        if (!under_test(c, pass->only, name)) continue;
        v->judged = true;
        out->judged++;
        gla_output_shape(pass->p, name, v->shape);
        if (!c->output[i].value) {
            v->verdict = GLA_BROKEN;
            v->why = c->output[i].missing ? "missing" : "wrong shape";
            if (c->output[i].wrong_shape) memcpy(v->shape, c->output[i].shape, sizeof v->shape);
        } else if (!truth->tensor[i].present)
            return gla_fail(err, GLA_UNSUPPORTED, "%s is under test, but this problem has no such output",
                            gla_output_names[i]);
        else if (judge_tensor(name, c->output[i].value, truth, pass->bounds[i], v) != GLA_OK)
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
    struct pass pass = {.p = p, .c = candidate, .profile = profile, .only = only};
    gla_status status = compute_bounds(&pass, threads, err);
    if (status == GLA_OK) status = judge_all(&pass, truth, out, err);
    for (int i = 0; i < GLA_OUTPUTS; i++) free(pass.bounds[i].allowed);
    return status;
}
