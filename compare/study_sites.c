/* SPDX-License-Identifier: Apache-2.0
 *
 * Study sites: a chunkwise run (C = 64, c = 16) in sm_90:bf16 with its arithmetic taken apart (hardware.h). Every part
 * runs alone, all else exact to binary64, and is left out of the whole; errors are taken against certified truth.
 *
 * Beside each stands what the error model (error.h) makes of the same run with that one site declared as the profile
 * chunk-bf16 declares it: sqrt(0.1803 var) where the error is random, and the bound min(lambda sqrt(var), lin) + det of
 * every element. dg has no random part: its terms are correlated, and the model moves them into det.
 *
 * Roundings are small and meet each other seldom, so that squares should add: all^2 = sum of alone^2. `operands` are
 * those operands of products that no site names: q and k decayed to their sub-chunk's anchor or to each other. Without
 * value gates v is bf16 as it comes, and v_decayed costs nothing.
 */
#include "study.h"

#include <math.h>
#include <stdatomic.h>

#include "../fast/cpu/threads.h"
#include "../fast/hardware/hardware.h"
#include "profiles.h"
#include "truth.h"

static const char system_name[] = "sm_90:bf16", form_text[] = "chunkwise:64:16+anchor";

#define PART(X) (UINT32_C(1) << (X))
const gla_sites_part gla_sites_parts[GLA_SITES_ROWS] = {
    {"q_decayed", PART(GLA_SITE_Q_DECAYED)},
    {"k_decayed", PART(GLA_SITE_K_DECAYED)},
    {"v_decayed", PART(GLA_SITE_V_DECAYED)},
    {"state_read", PART(GLA_SITE_STATE_READ)},
    {"score", PART(GLA_SITE_SCORE)},
    {"dstate_read", PART(GLA_SITE_DSTATE_READ)},
    {"dscore", PART(GLA_SITE_DSCORE)},
    {"operands", PART(GLA_HARDWARE_OPERANDS)},
    {"accumulation", PART(GLA_HARDWARE_SUMS)},
    {"exp", PART(GLA_HARDWARE_EXP)},
    {"binary32", PART(GLA_HARDWARE_BINARY32)},
    {"output", PART(GLA_SITE_OUTPUT)},
    [GLA_SITES_ALL] = {"all", GLA_HARDWARE_WHOLE},
};

const gla_output gla_sites_outputs[GLA_SITES_OUTPUTS] = {GLA_O, GLA_FINAL_STATE, GLA_DQ, GLA_DK, GLA_DV, GLA_DGK};

const gla_sites_gates gla_sites_gate_choices[] = {{"mild: logsigmoid(normal)/16", gla_gate_sigmoid, 16},
                                                  {"strong: logsigmoid(normal)", gla_gate_sigmoid, 1},
                                                  {NULL, NULL, 0}};

/* ---- the error model of some parts ---- */

/* A number that a site has rounded; that this cost nothing is what another row says. */
static gla_rounding_rule rounded_for_nothing(const gla_rounding_rule *rule) {
    return (gla_rounding_rule){.u = 1e-300, .p = rule->p};
}

static gla_error_model model_of(uint32_t parts) {
    const gla_error_model *whole = &gla_profile_named("chunk-bf16")->model;
    gla_error_model model = {0};
    bool operands = parts & PART(GLA_HARDWARE_OPERANDS);
    for (int s = 0; s < GLA_SITES; s++) {
        if (s == GLA_SITE_SCALE || s == GLA_SITE_GATE_SUM) continue;
        if (parts & PART(s))
            model.site[s] = whole->site[s];
        else if (operands && whole->site[s].u > 0)
            model.site[s] = rounded_for_nothing(&whole->site[s]);
    }
    if (operands) model.operand = whole->operand;
    if (parts & PART(GLA_SITE_OUTPUT)) model.site[GLA_SITE_OUTPUT] = gla_rounding_into(&gla_bf16, false);
    if (parts & PART(GLA_HARDWARE_SUMS)) model.sum = whole->sum;
    if (parts & PART(GLA_HARDWARE_EXP)) {
        model.exp = whole->exp;
        model.exp_argument = whole->exp_argument;
    }
    if (parts & PART(GLA_HARDWARE_BINARY32)) {
        model.op = whole->op;
        model.site[GLA_SITE_SCALE] = whole->site[GLA_SITE_SCALE];
    }
    return model;
}

/* ---- one row ---- */

typedef struct study {
    const gla_problem *p;
    const gla_truth *truth;
    gla_form form;
    gla_sites_table *table;
    void (*progress)(void *data, size_t begun);
    void *progress_data;
    atomic_int status;
} study;

static gla_status run(const study *s, gla_numbers *numbers, gla_result *result) {
    if (!numbers) return GLA_NO_MEMORY;
    return gla_run(s->p, &s->form, numbers, result, NULL);
}

static double error_at(const study *s, const gla_result *r, gla_output name, int64_t i) {
    return gla_result_d(r, name, i) - s->truth->tensor[name].value[i] - s->truth->tensor[name].low[i];
}

static double truth_rms(const study *s, gla_output name) {
    double sum = 0;
    int64_t count = s->truth->tensor[name].count;
    for (int64_t i = 0; i < count; i++) sum += s->truth->tensor[name].value[i] * s->truth->tensor[name].value[i];
    return sqrt(sum / (double)count);
}

static double relative_error(const study *s, const gla_result *r, gla_output name) {
    double sum = 0;
    int64_t count = s->truth->tensor[name].count;
    for (int64_t i = 0; i < count; i++) sum += pow(error_at(s, r, name, i), 2);
    return sqrt(sum / (double)count) / truth_rms(s, name);
}

enum { OWN_ERROR = 40 }; /* binary64's own errors: below 2^-40 of the output's rms. They are not compared */

/* The errors of r against their prediction m, one output. An error where none is allowed makes `worst` infinite. */
static void compare(const study *s, const gla_result *r, const gla_result *m, gla_output name, gla_sites_cell *cell) {
    double variance = 0, drift = 0, rms = truth_rms(s, name);
    int64_t count = s->truth->tensor[name].count;
    cell->worst = NAN;
    for (int64_t i = 0; i < count; i++) {
        const gla_error_number *e = gla_result_at(m, name, i);
        double error = fabs(error_at(s, r, name, i)), bound = gla_error_bound(e, GLA_ERROR_LAMBDA);
        variance += GLA_ERROR_VARIANCE * e->var;
        drift += e->det * e->det;
        if (error < ldexp(rms, -OWN_ERROR)) continue;
        if (!(error / bound <= cell->worst)) cell->worst = error / bound;
    }
    bool random = drift < variance / 100;
    cell->predicted = random ? sqrt(variance / (double)count) / rms : NAN;
    cell->alone = relative_error(s, r, name);
}

static gla_status measure_alone(const study *s, uint32_t parts, gla_sites_cell *cells) {
    gla_numbers *numbers = NULL, *errors = NULL;
    gla_result result = {0}, bounds = {0};
    const gla_error_model model = model_of(parts);
    gla_status status = gla_hardware_parts_open(system_name, parts, &numbers, NULL);
    if (status == GLA_OK) status = run(s, numbers, &result);
    errors = gla_error_open(&model);
    if (status == GLA_OK) status = run(s, errors, &bounds);
    for (int i = 0; i < GLA_SITES_OUTPUTS && status == GLA_OK; i++)
        compare(s, &result, &bounds, gla_sites_outputs[i], &cells[i]);
    gla_result_free(&result);
    gla_result_free(&bounds);
    gla_numbers_close(errors);
    gla_numbers_close(numbers);
    return status;
}

static gla_status measure_without(const study *s, uint32_t parts, gla_sites_cell *cells) {
    gla_numbers *numbers;
    gla_result result = {0};
    gla_status status = gla_hardware_parts_open(system_name, GLA_HARDWARE_WHOLE & ~parts, &numbers, NULL);
    if (status == GLA_OK) status = run(s, numbers, &result);
    for (int i = 0; i < GLA_SITES_OUTPUTS && status == GLA_OK; i++)
        cells[i].without = relative_error(s, &result, gla_sites_outputs[i]);
    gla_result_free(&result);
    gla_numbers_close(numbers);
    return status;
}

static void measure_row(void *data, size_t row) {
    study *s = data;
    gla_sites_cell *cells = s->table->cell[row];
    uint32_t parts = gla_sites_parts[row].parts;
    gla_status status = measure_alone(s, parts, cells);
    if (status == GLA_OK) status = measure_without(s, parts, cells);
    if (status != GLA_OK) atomic_store(&s->status, (int)status);
}

static void report(void *data, size_t begun) {
    study *s = data;
    if (s->progress) s->progress(s->progress_data, begun);
}

/* ---- the table ---- */

static gla_status fill(study *s, gla_error *err) {
    gla_status status = gla_form_parse(form_text, &s->form, err);
    if (status) return status;
    s->form.backward = true;
    gla_parallel(GLA_SITES_ROWS, gla_processors(), measure_row, s, report);
    status = (gla_status)atomic_load(&s->status);
    return status ? gla_fail(err, status, "study sites: %s", gla_status_text(status)) : GLA_OK;
}

gla_status gla_study_sites(const gla_sites_gates *gates, int64_t T, int64_t D, uint64_t seed,
                           void (*progress)(void *data, size_t begun), void *progress_data, gla_sites_table *table,
                           gla_error *err) {
    gla_generated made;
    gla_truth truth = {0};
    const gla_truth_options how = {.backward = true, .rounding = GLA_RN};
    gla_status status = gla_study_problem(T, D, &gla_bf16, gates->rule, gates->x, seed, &made, err);
    if (status) return status;
    status = gla_truth_compute(&made.problem, &how, &truth, err);
    study s = {&made.problem, &truth, {0}, table, progress, progress_data, GLA_OK};
    if (status == GLA_OK) status = fill(&s, err);
    gla_truth_free(&truth);
    gla_generated_free(&made);
    return status;
}

double gla_sites_sum(const gla_sites_table *table, int output) {
    double sum = 0;
    for (int row = 0; row < GLA_SITES_ALL; row++) sum += pow(table->cell[row][output].alone, 2);
    return sqrt(sum);
}
