/* SPDX-License-Identifier: Apache-2.0
 *
 * Cases of the mutation ledger, and one kernel judged on one of them; see ledger_case.h.
 */
#include "ledger_case.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Sizes that separate keys from values and one tensor from another; with states and gradients. */
#define SHAPE .dk = 7, .dv = 12, .initial_state = true, .backward = true, .seed = 1

const ledger_case ledger_cases[] = {
    {'a', "mild", {.family = "mild", SHAPE}, .quick = true},
    {'b', "strong", {.family = "strong", SHAPE}, .quick = true},
    {'c', "spike", {.family = "spike", SHAPE}, .quick = true},
    {'d', "reset", {.family = "reset", SHAPE}, .quick = true},
    {'e', "keep", {.family = "keep", .T = 150, SHAPE}, .quick = false},
    {'f', "mixed", {.family = "mixed", SHAPE}, .not_f16 = true},
    {'g', "cancel", {.family = "cancel", SHAPE}, .quick = false},
    {'h', "integers", {.family = "integers", SHAPE}, .quick = true},
    {'i', "half", {.family = "half", SHAPE}, .quick = false},
    {'j', "tail", {.family = "tail", SHAPE}, .quick = false},
    {'k', "varlen", {.family = "varlen", SHAPE}, .quick = true},
    {'l', "impulse", {.family = "impulse", SHAPE}, .quick = false},
    {'m', "mild, reversed, B = 2", {.family = "mild", .B = 2, .reverse = true, SHAPE}, .quick = false},
    {'n', "mild, k and g shared: Hk = 2 of H = 4", {.family = "mild", .H = 4, .Hk = 2, SHAPE}, .quick = false},
    {'o', "mild, T = 200", {.family = "mild", .T = 200, SHAPE}, .quick = false},
    {'p',
     "integers, reversed, B = 2, Hk = 2 of H = 4",
     {.family = "integers", .B = 2, .H = 4, .Hk = 2, .reverse = true, SHAPE},
     .quick = true},
    {'q', "mild, value gates, T = 150", {.family = "mild", .T = 150, .gv = true, SHAPE}, .quick = true},
    {'r', "reset, value gates", {.family = "reset", .gv = true, SHAPE}, .quick = true},
    {'s',
     "integers, value gates, B = 2, reversed",
     {.family = "integers", .B = 2, .gv = true, .reverse = true, SHAPE},
     .quick = true},
    {.name = NULL}};

const gla_format *const ledger_dtypes[3] = {&gla_bf16, &gla_f16, &gla_binary32_format};

bool ledger_killed(const ledger_mark *mark) { return strchr(LEDGER_KILLS, mark->symbol) != NULL; }

static gla_status new_outputs(const gla_truth *truth, double *output[GLA_OUTPUTS], gla_error *err) {
    for (int i = 0; i < GLA_OUTPUTS; i++) {
        if (!truth->tensor[i].present) continue;
        output[i] = calloc((size_t)truth->tensor[i].count + 1, sizeof(double));
        if (!output[i]) return gla_fail(err, GLA_NO_MEMORY, "no memory for %s", gla_output_names[i]);
    }
    return GLA_OK;
}

gla_status ledger_open(const ledger_case *entry, const gla_format *dtype, ledger_bench *bench, gla_error *err) {
    *bench = (ledger_bench){.entry = entry, .dtype = dtype};
    gla_case_spec spec = entry->spec;
    spec.dtype = dtype;
    gla_status status = gla_generate(&spec, &bench->made, err);
    if (status != GLA_OK) return status;
    gla_truth_options options = {
        .target = &gla_binary64_format, .backward = true, .close_enough = GLA_CLOSE_ENOUGH, .threads = 1};
    status = gla_truth_compute(&bench->made.problem, &options, &bench->truth, err);
    if (status == GLA_OK) status = new_outputs(&bench->truth, bench->right, err);
    if (status == GLA_OK) status = new_outputs(&bench->truth, bench->wrong, err);
    if (status == GLA_OK) status = chunk_kernel(&bench->made.problem, dtype, M_NONE, bench->right);
    return status;
}

void ledger_close(ledger_bench *bench) {
    for (int i = 0; i < GLA_OUTPUTS; i++) {
        free(bench->right[i]);
        free(bench->wrong[i]);
    }
    gla_truth_free(&bench->truth);
    gla_generated_free(&bench->made);
}

/* ---- the field's tests, against the truth: better than any reference they are given in practice ---- */

typedef struct deviation {
    double ratio, greatest; /* RMS error / RMS truth; greatest error; NaN counts as infinity */
    bool close;             /* allclose */
} deviation;

static deviation deviation_of(const double *got, const double *want, int64_t count) {
    double error = 0, size = 0;
    deviation d = {.close = true};
    for (int64_t i = 0; i < count; i++) {
        double e = fabs(got[i] - want[i]);
        if (!isfinite(e)) e = INFINITY;
        error += e * e;
        size += want[i] * want[i];
        d.greatest = fmax(d.greatest, e);
        if (!(e <= 1e-5 + 1.6e-2 * fabs(want[i]))) d.close = false;
    }
    double n = count ? (double)count : 1;
    d.ratio = sqrt(error / n) / (sqrt(size / n) + 1e-8);
    return d;
}

static void add_field_tests(field_tests *f, deviation d) {
    bool rms = d.ratio < 0.005 || d.greatest <= 1e-6;
    f->rms |= !rms;
    f->ci |= !(rms || d.ratio < 0.01 || d.greatest <= 0.3);
    f->allclose |= !d.close;
}

/* ---- the judge ---- */

static char symbol_of(const gla_tensor_verdict *v) {
    if (v->nan || v->inf) return 'n';
    if (v->verdict == GLA_MARGINAL) return 'm';
    if (v->verdict != GLA_FAIL) return '.';
    return (char)('0' + v->tier);
}

/* The strongest statement of all outputs: n, 0, 2, 3, m, none. */
static char stronger(char a, char b) {
    static const char order[] = LEDGER_KILLS "m.";
    return strchr(order, a) <= strchr(order, b) ? a : b;
}

static bool same(const ledger_bench *b, int i) {
    return memcmp(b->right[i], b->wrong[i], (size_t)b->truth.tensor[i].count * sizeof(double)) == 0;
}

static bool same_outputs(const ledger_bench *b) {
    for (int i = 0; i < GLA_OUTPUTS; i++)
        if (b->truth.tensor[i].present && !same(b, i)) return false;
    return true;
}

ledger_mark ledger_mark_of(const gla_judgement *j) {
    ledger_mark mark = {.symbol = '.'};
    for (int i = 0; i < GLA_OUTPUTS; i++) {
        if (!j->tensor[i].judged) continue;
        mark.symbol = stronger(mark.symbol, symbol_of(&j->tensor[i]));
        if (j->tensor[i].worst > mark.worst) {
            mark.worst = j->tensor[i].worst;
            mark.output = (gla_output)i;
        }
    }
    return mark;
}

/* Judge those outputs that the fault changes; all of them for the right kernel. */
static gla_status judge_outputs(ledger_bench *b, mutant fault, gla_judgement *j, gla_error *err) {
    gla_candidate candidate = {0};
    for (int i = 0; i < GLA_OUTPUTS; i++) {
        if (!b->truth.tensor[i].present || (fault != M_NONE && same(b, i))) continue;
        candidate.output[i].value = b->wrong[i];
        candidate.output[i].format = chunk_kernel_stored(b->dtype, (gla_output)i);
    }
    const gla_profile *profile = gla_profile_named(chunk_kernel_profile(b->dtype));
    return gla_judge(&b->made.problem, &candidate, &b->truth, profile, 0, 1, j, err);
}

gla_status ledger_judge(ledger_bench *b, mutant fault, ledger_mark *mark, gla_error *err) {
    *mark = (ledger_mark){.symbol = '='};
    gla_status status = chunk_kernel(&b->made.problem, b->dtype, fault, b->wrong);
    if (status != GLA_OK) return gla_fail(err, status, "kernel %s: %s", mutants[fault].name, gla_status_text(status));
    for (int i = 0; i < GLA_OUTPUTS; i++)
        if (b->truth.tensor[i].present)
            add_field_tests(&mark->field,
                            deviation_of(b->wrong[i], b->truth.tensor[i].value, b->truth.tensor[i].count));
    if (fault != M_NONE && same_outputs(b)) return GLA_OK;
    gla_judgement j;
    status = judge_outputs(b, fault, &j, err);
    if (status != GLA_OK) return status;
    field_tests field = mark->field;
    *mark = ledger_mark_of(&j);
    mark->field = field;
    return GLA_OK;
}
