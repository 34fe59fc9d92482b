/* SPDX-License-Identifier: Apache-2.0
 *
 * Judging outputs element by element, then as a whole; the meaning of a verdict is in judge.h.
 *
 * The truth is the certified binary64 value: its own 2^-53 is allowed for wherever the bound is not 0.
 */
#include "judge.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "bounds.h"
#include "emulate.h"
#include "gauge.h"

const char *const gla_verdict_names[] = {"PASS", "MARGINAL", "UNCERTIFIED", "FAIL", "BROKEN"};

static gla_status no_memory(gla_output name, gla_error *err) {
    return gla_fail(err, GLA_NO_MEMORY, "no memory to judge %s", gla_output_names[name]);
}

static void raise_to(gla_verdict *verdict, gla_verdict at_least) {
    if (*verdict < at_least) *verdict = at_least;
}

typedef struct element {
    double got, want, allowed, marginal; /* allowed at lambda 3.5, marginal at lambda 7 */
} element;

static double ratio_of(const element *x) {
    double error = fabs(x->got - x->want);
    if (error == 0) return 0;
    return isfinite(x->got) && x->allowed > 0 ? error / x->allowed : INFINITY;
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
        v->over_exact += x->allowed == 0;
        raise_to(&v->verdict, marginal ? GLA_MARGINAL : GLA_FAIL);
    }
    if (isfinite(x->got)) v->rms_error += error * error;
    v->rms_truth += x->want * x->want;
    if (i == 0 || ratio > v->worst) {
        v->worst = ratio;
        v->got = x->got;
        v->want = x->want;
        v->allowed = x->allowed;
        gla_index_of(v->shape, i, v->at);
    }
}

/* Hoare's selection: what stands at place k once x is in order; reorders it. */
static double select_at(double *x, int64_t count, int64_t k) {
    int64_t first = 0, last = count - 1;
    while (first < last) {
        double pivot = x[first + (last - first) / 2];
        int64_t i = first, j = last;
        while (i <= j) {
            while (x[i] < pivot) i++;
            while (pivot < x[j]) j--;
            if (i > j) break;
            double y = x[i];
            x[i++] = x[j];
            x[j--] = y;
        }
        if (k <= j)
            last = j;
        else if (k >= i)
            first = i;
        else
            break;
    }
    return x[k];
}

/* The median of the allowed errors; reorders them. */
static double median(double *x, int64_t count) { return count > 0 ? select_at(x, count, count / 2) : 0; }

/* What an element is allowed, with the truth's own last bit. */
static double with_truth(double bound, double want) { return bound > 0 ? bound + 0x1p-52 * fabs(want) : 0; }

/* One output under test. */
typedef struct tested {
    gla_output name;
    const double *value;
    const gla_truth *truth;
    const gla_bounds *bounds;
} tested;

static bool is_proven(const tested *x, int64_t i) {
    return x->truth->tensor[x->name].certified[i] && isfinite(x->bounds->allowed[i]);
}

static element element_of(const tested *x, int64_t i) {
    double want = x->truth->tensor[x->name].value[i];
    return (element){x->value[i], want, with_truth(x->bounds->allowed[i], want),
                     with_truth(x->bounds->marginal[i], want)};
}

static bool is_over(const void *data, int64_t i) {
    const tested *x = data;
    element e = element_of(x, i);
    return (is_proven(x, i) || !isfinite(e.got)) && !(fabs(e.got - e.want) <= e.allowed);
}

static gla_status judge_tensor(const gla_problem *p, const tested *x, gla_tensor_verdict *v) {
    int64_t judged = 0;
    v->count = x->truth->tensor[x->name].count;
    double *allowed = malloc((size_t)(v->count ? v->count : 1) * sizeof *allowed);
    if (!allowed) return GLA_NO_MEMORY;
    for (int64_t i = 0; i < v->count; i++) {
        if (!is_proven(x, i)) {
            v->uncertified++;
            x->bounds->sigma[i] = 0;
            raise_to(&v->verdict, GLA_UNCERTIFIED);
            if (isfinite(x->value[i])) continue;
        }
        element e = element_of(x, i);
        judge_element(v, &e, i);
        allowed[judged++] = e.allowed;
    }
    if (v->over + v->marginal > 0) v->first_bad = gla_first_place(p, x->name, is_over, x);
    v->rms_error = judged ? sqrt(v->rms_error / (double)judged) : 0;
    v->rms_truth = judged ? sqrt(v->rms_truth / (double)judged) : 0;
    double middle = median(allowed, judged);
    v->loosest = middle == 0 ? 0 : middle / v->rms_truth;
    v->says_little = v->loosest > GLA_SAYS_LITTLE;
    free(allowed);
    v->tier = v->over_exact || v->exact == judged ? 0 : 2;
    return GLA_OK;
}

/* What every element is allowed, for a caller that asked. */
static void hand_out(double *allowed, gla_output name, const gla_truth *truth, const gla_bounds *bounds) {
    for (int64_t i = 0; allowed && i < truth->tensor[name].count; i++)
        allowed[i] = with_truth(bounds->allowed[i], truth->tensor[name].value[i]);
}

/* Is this output to be judged, and does that need gradients? */
static bool under_test(const gla_candidate *c, unsigned only, gla_output name) {
    if (only && !(only & (1u << name))) return false;
    return c->output[name].value || c->output[name].wrong_shape || c->output[name].missing;
}

bool gla_judging_needs_gradients(const gla_candidate *c, unsigned only) {
    for (int i = 0; i < GLA_OUTPUTS; i++)
        if (gla_is_gradient((gla_output)i) && under_test(c, only, (gla_output)i) && c->output[i].value) return true;
    return false;
}

/* ---- all of them together: tier 3 ---- */

enum { DITHERED = 8, FEWEST = 3 }; /* emulated kernels beside the one that rounds to nearest: at most, at least */

struct judging {
    const gla_problem *p;
    const gla_candidate *c;     /* its states in the truth's units (gauge.h) ... */
    const gla_candidate *given; /* ... and as they came */
    const gla_truth *truth;
    const gla_profile *profile;
    unsigned only;
    int threads;
    gla_bounds bounds[GLA_OUTPUTS];
    gla_scatter scatter[GLA_OUTPUTS];
};

/* Sums over the groups of one tensor; NULL without memory. */
static gla_group_sum *sums_of(const gla_scatter *s, const double *value) {
    gla_group_sum *sum = calloc((size_t)gla_group_count(s), sizeof *sum);
    if (sum) gla_group_add(s, value, sum);
    return sum;
}

/* The plain limits, whatever the elements' verdict. */
static gla_status judge_scatter(struct judging *j, gla_output name, gla_tensor_verdict *v) {
    const double *value = j->c->output[name].value;
    gla_scatter *s = &j->scatter[name];
    *s = (gla_scatter){.state = !gla_output_has_tokens(j->p, name),
                       .want = j->truth->tensor[name].value,
                       .sigma = j->bounds[name].sigma,
                       .drift = j->bounds[name].drift};
    memcpy(s->shape, v->shape, sizeof s->shape);
    for (int64_t i = 0; i < v->count; i++)
        if (!isfinite(value[i])) s->sigma[i] = 0;
    if (gla_scatter_select(s) != GLA_OK) return GLA_NO_MEMORY;
    gla_group_sum *sum = sums_of(s, value);
    if (sum) gla_distribution_judge(s, sum, NULL, &v->scatter);
    free(sum);
    return sum ? GLA_OK : GLA_NO_MEMORY;
}

static bool suspicious(const gla_tensor_verdict *v) { return v->tier == 3 && (v->scatter.wide || v->scatter.biased); }

/* One emulated kernel's outputs into the controls of every suspicious tensor. */
static gla_status run_control(struct judging *j, unsigned which, uint64_t seed, gla_controls controls[GLA_OUTPUTS],
                              gla_error *err) {
    gla_emulation how = {.seed = seed, .outputs = which, .threads = j->threads};
    double *value[GLA_OUTPUTS];
    for (int i = 0; i < GLA_OUTPUTS; i++) how.format[i] = j->c->output[i].format;
    gla_status status = gla_emulate(j->p, j->profile, &how, value, err);
    for (int i = 0; i < GLA_OUTPUTS; i++) {
        if (!value[i]) continue;
        gla_group_sum *sum = sums_of(&j->scatter[i], value[i]);
        if (sum) gla_controls_add(&j->scatter[i], sum, seed != 0, &controls[i]);
        if (!sum) status = no_memory((gla_output)i, err);
        free(sum);
        free(value[i]);
    }
    return status;
}

/* One suspicious tensor beside the right kernels so far; *clear if it is within their limits. */
static gla_status compare_with(struct judging *j, gla_output name, const gla_controls *controls, gla_tensor_verdict *v,
                               bool *clear, gla_error *err) {
    gla_group_sum *sum = sums_of(&j->scatter[name], j->c->output[name].value);
    if (!sum) return no_memory(name, err);
    gla_distribution_judge(&j->scatter[name], sum, controls, &v->scatter);
    free(sum);
    *clear = !v->scatter.wide && !v->scatter.biased;
    return GLA_OK;
}

/* Suspicious tensors again, beside right kernels on the same problem, one after the other until they explain it. */
static gla_status confirm(struct judging *j, unsigned which, gla_judgement *out, gla_error *err) {
    gla_controls controls[GLA_OUTPUTS] = {{0}};
    gla_status status = GLA_OK;
    for (int i = 0; status == GLA_OK && i < GLA_OUTPUTS; i++)
        if (which & (1u << i)) status = gla_controls_new(&j->scatter[i], &controls[i]);
    for (uint64_t seed = 0; status == GLA_OK && which && seed <= DITHERED; seed++) {
        status = run_control(j, which, seed, controls, err);
        for (int i = 0; seed >= FEWEST && status == GLA_OK && i < GLA_OUTPUTS; i++) {
            bool clear = false;
            if (which & (1u << i)) status = compare_with(j, (gla_output)i, &controls[i], &out->tensor[i], &clear, err);
            if (clear) which &= ~(1u << i);
        }
    }
    for (int i = 0; status == GLA_OK && i < GLA_OUTPUTS; i++) {
        if (which & (1u << i)) raise_to(&out->tensor[i].verdict, GLA_FAIL);
        raise_to(&out->verdict, out->tensor[i].verdict);
    }
    for (int i = 0; i < GLA_OUTPUTS; i++) gla_controls_free(&controls[i]);
    return status;
}

static gla_status judge_together(struct judging *j, gla_judgement *out, gla_error *err) {
    unsigned which = 0;
    for (int i = 0; i < GLA_OUTPUTS; i++) {
        gla_tensor_verdict *v = &out->tensor[i];
        if (!v->judged || v->verdict == GLA_BROKEN) continue;
        if (judge_scatter(j, (gla_output)i, v) != GLA_OK) return no_memory((gla_output)i, err);
        if (v->verdict < GLA_FAIL && v->scatter.count > 0) v->tier = 3;
        if (suspicious(v)) which |= 1u << i;
    }
    return which ? confirm(j, which, out, err) : GLA_OK;
}

/* ---- the same bits as the declared arithmetic: tier 1 ---- */

static void conclude_replay(gla_tensor_verdict *v) {
    bool agrees = v->replay.differing == 0;
    if (agrees ? v->verdict == GLA_PASS : v->verdict < GLA_FAIL) v->tier = 1;
    if (!agrees) raise_to(&v->verdict, GLA_FAIL);
}

static gla_status judge_replay(const struct judging *j, gla_judgement *out, gla_error *err) {
    const gla_replay *declared = j->c->replay;
    const gla_format *format[GLA_OUTPUTS];
    double *value[GLA_OUTPUTS];
    unsigned which = 0;
    if (!declared || !declared->numbers) return GLA_OK;
    out->replay = (gla_replay){declared->numbers, declared->form ? declared->form : j->profile->form};
    for (int i = 0; i < GLA_OUTPUTS; i++) {
        format[i] = j->c->output[i].format;
        if (out->tensor[i].judged && out->tensor[i].verdict != GLA_BROKEN) which |= 1u << i;
    }
    if (!which) return GLA_OK;
    gla_status status =
        gla_replay_compute(j->p, out->replay.form, out->replay.numbers, format, which, j->threads, value, err);
    if (status != GLA_OK) return status;
    for (int i = 0; i < GLA_OUTPUTS; i++) {
        gla_tensor_verdict *v = &out->tensor[i];
        if (!value[i]) continue;
        v->replay = gla_replay_compare(j->p, (gla_output)i, format[i], j->given->output[i].value, value[i]);
        conclude_replay(v);
        raise_to(&out->verdict, v->verdict);
        free(value[i]);
    }
    return GLA_OK;
}

/* ---- room for bounds ---- */

gla_status gla_candidate_make_room(const gla_problem *p, gla_candidate *c, gla_error *err) {
    for (int i = 0; i < GLA_OUTPUTS; i++) {
        int64_t s[4];
        if (!c->output[i].value) continue;
        gla_output_shape(p, (gla_output)i, s);
        c->output[i].allowed = malloc((size_t)(s[0] * s[1] * s[2] * s[3]) * sizeof(double) + 1);
        if (!c->output[i].allowed)
            return gla_fail(err, GLA_NO_MEMORY, "no memory for the bounds of %s", gla_output_names[i]);
    }
    return GLA_OK;
}

void gla_candidate_free_room(gla_candidate *c) {
    for (int i = 0; i < GLA_OUTPUTS; i++) {
        free(c->output[i].allowed);
        c->output[i].allowed = NULL;
    }
}

/* ---- judging ---- */

static gla_status judge_elements(const struct judging *j, gla_judgement *out, gla_error *err) {
    const gla_candidate *c = j->c;
    for (int i = 0; i < GLA_OUTPUTS; i++) {
        gla_output name = (gla_output)i;
        gla_tensor_verdict *v = &out->tensor[i];
        if (!under_test(c, j->only, name)) continue;
        v->judged = true;
        out->judged++;
        gla_output_shape(j->p, name, v->shape);
        if (!c->output[i].value) {
            v->verdict = GLA_BROKEN;
            v->why = c->output[i].missing ? "missing" : "wrong shape";
            if (c->output[i].wrong_shape) memcpy(v->shape, c->output[i].shape, sizeof v->shape);
        } else if (!j->truth->tensor[i].present)
            return gla_fail(err, GLA_UNSUPPORTED, "%s is under test, but this problem has no such output",
                            gla_output_names[i]);
        else if (judge_tensor(j->p, &(tested){name, c->output[i].value, j->truth, &j->bounds[i]}, v) != GLA_OK)
            return no_memory(name, err);
        else
            hand_out(c->output[i].allowed, name, j->truth, &j->bounds[i]);
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
    gla_candidate own = *candidate;
    double *regauged[GLA_OUTPUTS] = {NULL};
    struct judging j = {.p = p, .c = &own, .given = candidate, .truth = truth, .profile = profile};
    j.only = only;
    j.threads = threads;
    const gla_format *format[GLA_OUTPUTS] = {0};
    for (int i = 0; i < GLA_OUTPUTS; i++) {
        bool units = i == GLA_FINAL_M && gla_gauge_matters(p, candidate);
        if ((units || under_test(candidate, only, (gla_output)i)) && candidate->output[i].value)
            format[i] = candidate->output[i].format;
    }
    gla_status status =
        gla_bounds_compute(p, profile, gla_judging_needs_gradients(candidate, only), format, threads, j.bounds, err);
    if (status == GLA_OK) status = gla_gauge_apply(p, truth, &own, j.bounds, regauged, err);
    if (status == GLA_OK) status = judge_elements(&j, out, err);
    if (status == GLA_OK) status = judge_together(&j, out, err);
    if (status == GLA_OK) status = judge_replay(&j, out, err);
    gla_bounds_free(j.bounds);
    for (int i = 0; i < GLA_OUTPUTS; i++) free(regauged[i]);
    return status;
}
