/* SPDX-License-Identifier: Apache-2.0
 *
 * No false alarms: right kernels of every profile, emulated, over every family. None may FAIL; and what the emulator's
 * errors look like beside their bounds says whether the model counts its roundings rightly.
 *
 * GLASSBOX_LONG=1: 50 seeds and every formulation, instead of one of each: a test per profile and ten seeds, its cases
 * on all processors.
 */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "../../compare/cases.h"
#include "../../compare/emulate.h"
#include "../../compare/judge.h"
#include "../../fast/cpu/threads.h"
#include "../testing.h"

enum { FORMS = 4, SEEDS = 10, BLOCKS = 5 }; /* seeds of a long test, and how many such tests a profile has */

/* A profile's own formulation and others that round no more than it declares. */
static const struct lane {
    const char *profile;
    const gla_format *in, *out;
    const char *form[FORMS];
} lanes[] = {
    {"chunk-bf16",
     &gla_bf16,
     &gla_bf16,
     {"chunkwise:64:16+anchor", "chunkwise:64:16+anchor+materialised", "chunkwise:32:16+anchor",
      "chunkwise:16:16+anchor"}},
    {"chunk-f16",
     &gla_f16,
     &gla_f16,
     {"chunkwise:64:16+anchor", "chunkwise:64:16+anchor+materialised", "chunkwise:32:16+anchor",
      "chunkwise:16:16+anchor"}},
    {"f32-tf32",
     &gla_binary32_format,
     &gla_binary32_format,
     {"chunkwise:64:16+anchor", "chunkwise:64:16+anchor+materialised", "chunkwise:32:16+anchor",
      "chunkwise:16:16+anchor"}},
    {"f32-chunk",
     &gla_binary32_format,
     &gla_binary32_format,
     {"chunkwise:64:16+anchor", "chunkwise:64:16+anchor+materialised", "chunkwise:32:8+anchor",
      "chunkwise:16:16+anchor"}},
    {"f32", &gla_binary32_format, &gla_binary32_format, {"recurrent+suffix", "recurrent"}},
    {"bf16-operands", &gla_bf16, &gla_bf16, {"chunkwise:64:16+anchor", "chunkwise:32:16+anchor"}},
    {"bf16-state", &gla_bf16, &gla_bf16, {"recurrent+suffix", "recurrent"}},
    {"ideal", &gla_bf16, &gla_bf16, {"recurrent", "chunkwise:64:16"}},
};
enum { LANES = sizeof lanes / sizeof *lanes };

/* What was seen of one output over the families and seeds of a lane. */
typedef struct tally {
    int judged, marginal, little; /* little: passes that say little */
    double worst, squares;
    int64_t count;
} tally;

/* One family and seed, on a thread of its own: nothing is asserted before all are done. */
typedef struct job {
    const struct lane *lane;
    const gla_family *family;
    uint64_t seed;
    tally all[GLA_OUTPUTS];
    char trouble[800]; /* the first, if any */
} job;

__attribute__((format(printf, 3, 4))) static void expect(job *to, bool good, const char *format, ...) {
    if (good || to->trouble[0]) return;
    va_list list;
    va_start(list, format);
    vsnprintf(to->trouble, sizeof to->trouble, format, list);
    va_end(list);
}

static const gla_format *stored_in(const struct lane *lane, gla_output name) {
    return name == GLA_O || (name >= GLA_DQ && name <= GLA_DV) ? lane->out : &gla_binary32_format;
}

static void count(job *to, const char *form, const gla_generated *g, const gla_judgement *j) {
    for (int i = 0; i < GLA_OUTPUTS; i++) {
        const gla_tensor_verdict *v = &j->tensor[i];
        tally *t = &to->all[i];
        if (!v->judged) continue;
        expect(
            to, v->verdict <= GLA_MARGINAL,
            "%s %s %s %s: %s at tier %d, error/bound %g (%lld over), rms z %g of %g, worst %s %g of %g, bias %g of %g",
            to->lane->profile, form, g->name, gla_output_names[i], gla_verdict_names[v->verdict], v->tier, v->worst,
            (long long)v->over, v->scatter.rms_z, v->scatter.limit, gla_group_names[v->scatter.worst.kind],
            v->scatter.worst.rms_z, v->scatter.worst.limit, v->scatter.bias, v->scatter.bias_limit);
        t->judged++;
        t->marginal += v->verdict == GLA_MARGINAL;
        t->little += v->says_little;
        t->worst = fmax(t->worst, v->worst);
        t->squares += v->scatter.rms_z * v->scatter.rms_z * (double)v->scatter.count;
        t->count += v->scatter.count;
    }
}

/* An f16 kernel that meets a product past 65504 is right to overflow, and to be failed: no finite bound covers it. */
static bool overflowed(const struct lane *lane, const gla_candidate *c, const gla_truth *truth) {
    for (int i = 0; lane->in == &gla_f16 && i < GLA_OUTPUTS; i++)
        for (int64_t j = 0; c->output[i].value && j < truth->tensor[i].count; j++)
            if (!isfinite(c->output[i].value[j])) return true;
    return false;
}

static void judge_kernel(job *to, const char *form, const gla_generated *g, const gla_truth *truth) {
    gla_error err;
    gla_judgement j;
    const gla_profile *profile = gla_profile_named(to->lane->profile);
    gla_emulation how = {.form = form, .outputs = (1u << GLA_OUTPUTS) - 1, .threads = 1};
    double *value[GLA_OUTPUTS];
    gla_candidate c = {0};
    for (int i = 0; i < GLA_OUTPUTS; i++) how.format[i] = stored_in(to->lane, (gla_output)i);
    gla_status status = gla_emulate(&g->problem, profile, &how, value, &err);
    for (int i = 0; i < GLA_OUTPUTS; i++) {
        c.output[i].value = value[i];
        c.output[i].format = how.format[i];
    }
    if (status == GLA_OK) status = gla_judge(&g->problem, &c, truth, profile, 0, 1, &j, &err);
    expect(to, status == GLA_OK, "%s: %s", g->name, err.what);
    if (status == GLA_OK && !overflowed(to->lane, &c, truth)) count(to, form, g, &j);
    for (int i = 0; i < GLA_OUTPUTS; i++) free(value[i]);
}

/* One of the lane's formulations, by turns; all of them in a long test. */
static void judge_forms(job *to, const gla_generated *g, const gla_truth *truth) {
    const struct lane *lane = to->lane;
    int forms = 0;
    while (forms < FORMS && lane->form[forms]) forms++;
    for (int f = 0; f < forms; f++)
        if (test_long() || (int)((to->seed + strlen(to->family->name)) % (uint64_t)forms) == f)
            judge_kernel(to, lane->form[f], g, truth);
}

static void run_job(void *data, size_t index) {
    job *to = (job *)data + index;
    gla_error err;
    gla_generated g;
    gla_truth truth;
    gla_case_spec spec = {.family = to->family->name,
                          .H = 1,
                          .dk = 16,
                          .dv = 16,
                          .initial_state = true,
                          .backward = true,
                          .seed = to->seed,
                          .dtype = to->lane->in};
    gla_truth_options how = {.backward = true, .close_enough = GLA_CLOSE_ENOUGH, .threads = 1};
    gla_status status = gla_generate(&spec, &g, &err);
    expect(to, status == GLA_OK, "%s: %s", to->family->name, err.what);
    if (status != GLA_OK) return;
    status = gla_truth_compute(&g.problem, &how, &truth, &err);
    expect(to, status == GLA_OK, "%s: %s", g.name, err.what);
    if (status == GLA_OK) judge_forms(to, &g, &truth);
    gla_truth_free(&truth);
    gla_generated_free(&g);
}

/* Where all but operands is declared exact, the emulator's binary64 is not: beside a gate of -0.1 FLT_MAX it loses the
 * others. */
static bool in_range(const struct lane *lane, const gla_family *f) {
    return strcmp(f->name, "mask") != 0 || gla_profile_named(lane->profile)->model.op.u > 0;
}

static void print_tally(const struct lane *lane, gla_output name, const tally *t) {
    printf("%-14s %-14s %5d judged, %d marginal, %d say little, worst error/bound %.2f, rms z %.3f over %lld\n",
           lane->profile, gla_output_names[name], t->judged, t->marginal, t->little, t->worst,
           t->count ? sqrt(t->squares / (double)t->count) : 0, (long long)t->count);
}

static void add_tally(tally *to, const tally *t) {
    to->judged += t->judged;
    to->marginal += t->marginal;
    to->little += t->little;
    to->worst = fmax(to->worst, t->worst);
    to->squares += t->squares;
    to->count += t->count;
}

static int blocks(void) { return test_long() ? BLOCKS : 1; }
static int seeds(void) { return test_long() ? SEEDS : 1; }

START_TEST(test_no_right_kernel_fails) {
    const struct lane *lane = &lanes[_i / blocks()];
    uint64_t first = test_seed() + (uint64_t)(_i % blocks() * seeds());
    size_t families = 0, used = 0;
    while (gla_families[families].name) families++;
    job *jobs = calloc(families * (size_t)seeds(), sizeof *jobs);
    ck_assert_ptr_nonnull(jobs);
    for (size_t f = 0; f < families; f++)
        for (int s = 0; s < seeds(); s++)
            if (gla_family_fits(&gla_families[f], gla_mechanism_named("gla")) && in_range(lane, &gla_families[f]))
                jobs[used++] = (job){.lane = lane, .family = &gla_families[f], .seed = first + (uint64_t)s};
    gla_parallel(used, test_long() ? gla_processors() : 1, run_job, jobs, NULL);
    tally all[GLA_OUTPUTS] = {{0}};
    for (size_t n = 0; n < used; n++)
        for (int i = 0; i < GLA_OUTPUTS; i++) add_tally(&all[i], &jobs[n].all[i]);
    for (int i = 0; i < GLA_OUTPUTS; i++)
        if (all[i].judged) print_tally(lane, (gla_output)i, &all[i]);
    fflush(stdout);
    int failed = 0;
    for (size_t n = 0; n < used; n++)
        if (jobs[n].trouble[0]) printf("%s\n", jobs[n].trouble), failed++;
    ck_assert_msg(failed == 0, "%d of %zu cases; the first trouble of each is above", failed, used);
    free(jobs);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("alarms");
    TCase *t = tcase_create("alarms");
    tcase_set_timeout(t, test_long() ? 7200 : 120);
    tcase_add_loop_test(t, test_no_right_kernel_fails, 0, LANES * blocks());
    suite_add_tcase(s, t);
    return s;
}

int main(void) { return test_main(suite()); }
