/* SPDX-License-Identifier: Apache-2.0
 *
 * No false alarms: right kernels of every profile, emulated, over every family. None may FAIL; and what the emulator's
 * errors look like beside their bounds says whether the model counts its roundings rightly.
 *
 * GLASSBOX_LONG=1: 50 seeds and every formulation, instead of one of each.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "../../compare/cases.h"
#include "../../compare/emulate.h"
#include "../../compare/judge.h"
#include "../testing.h"

enum { FORMS = 4 };

/* A profile's own formulation and others that round no more than it declares. */
static const struct lane {
    const char *profile;
    const gla_format *in, *out;
    const char *form[FORMS];
} lanes[] = {
    {"f32", &gla_binary32_format, &gla_binary32_format, {"recurrent+suffix", "recurrent"}},
    {"f32-chunk",
     &gla_binary32_format,
     &gla_binary32_format,
     {"chunkwise:64:16+anchor", "chunkwise:64:16+anchor+materialised", "chunkwise:32:8+anchor",
      "chunkwise:16:16+anchor"}},
    {"f32-tf32",
     &gla_binary32_format,
     &gla_binary32_format,
     {"chunkwise:64:16+anchor", "chunkwise:64:16+anchor+materialised", "chunkwise:32:16+anchor",
      "chunkwise:16:16+anchor"}},
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
    {"bf16-operands", &gla_bf16, &gla_bf16, {"chunkwise:64:16+anchor", "chunkwise:32:16+anchor"}},
    {"bf16-state", &gla_bf16, &gla_bf16, {"recurrent+suffix", "recurrent"}},
    {"ideal", &gla_bf16, &gla_bf16, {"recurrent", "chunkwise:64:16"}},
};
enum { LANES = sizeof lanes / sizeof *lanes };

/* What was seen of one output over the families and seeds of a lane. */
typedef struct tally {
    int judged, marginal;
    double worst, squares;
    int64_t count;
} tally;

static const gla_format *stored_in(const struct lane *lane, gla_output name) {
    return name == GLA_O || (name >= GLA_DQ && name <= GLA_DV) ? lane->out : &gla_binary32_format;
}

static void count(const struct lane *lane, const char *form, const gla_generated *g, const gla_judgement *j,
                  tally all[GLA_OUTPUTS]) {
    for (int i = 0; i < GLA_OUTPUTS; i++) {
        const gla_tensor_verdict *v = &j->tensor[i];
        if (!v->judged) continue;
        ck_assert_msg(
            v->verdict <= GLA_MARGINAL,
            "%s %s %s %s: %s at tier %d, error/bound %g (%lld over), rms z %g of %g, worst %s %g of %g, bias %g of %g",
            lane->profile, form, g->name, gla_output_names[i], gla_verdict_names[v->verdict], v->tier, v->worst,
            (long long)v->over, v->scatter.rms_z, v->scatter.limit, gla_group_names[v->scatter.worst.kind],
            v->scatter.worst.rms_z, v->scatter.worst.limit, v->scatter.bias, v->scatter.bias_limit);
        all[i].judged++;
        all[i].marginal += v->verdict == GLA_MARGINAL;
        all[i].worst = fmax(all[i].worst, v->worst);
        all[i].squares += v->scatter.rms_z * v->scatter.rms_z * (double)v->scatter.count;
        all[i].count += v->scatter.count;
    }
}

/* An f16 kernel that meets a product past 65504 is right to overflow, and to be failed: no finite bound covers it. */
static bool overflowed(const struct lane *lane, const gla_candidate *c, const gla_truth *truth) {
    for (int i = 0; lane->in == &gla_f16 && i < GLA_OUTPUTS; i++)
        for (int64_t j = 0; c->output[i].value && j < truth->tensor[i].count; j++)
            if (!isfinite(c->output[i].value[j])) return true;
    return false;
}

static void judge_kernel(const struct lane *lane, const char *form, const gla_generated *g, const gla_truth *truth,
                         tally all[GLA_OUTPUTS]) {
    gla_error err;
    gla_judgement j;
    const gla_profile *profile = gla_profile_named(lane->profile);
    gla_emulation how = {.form = form, .outputs = (1u << GLA_OUTPUTS) - 1, .threads = 1};
    double *value[GLA_OUTPUTS];
    gla_candidate c = {0};
    for (int i = 0; i < GLA_OUTPUTS; i++) how.format[i] = stored_in(lane, (gla_output)i);
    ck_assert_msg(gla_emulate(&g->problem, profile, &how, value, &err) == GLA_OK, "%s", err.what);
    for (int i = 0; i < GLA_OUTPUTS; i++) {
        c.output[i].value = value[i];
        c.output[i].format = how.format[i];
    }
    ck_assert_msg(gla_judge(&g->problem, &c, truth, profile, 0, 1, &j, &err) == GLA_OK, "%s", err.what);
    if (!overflowed(lane, &c, truth)) count(lane, form, g, &j, all);
    for (int i = 0; i < GLA_OUTPUTS; i++) free(value[i]);
}

static void try_family(const struct lane *lane, const gla_family *family, uint64_t seed, tally all[GLA_OUTPUTS]) {
    gla_error err;
    gla_generated g;
    gla_truth truth;
    gla_case_spec spec = {.family = family->name,
                          .H = 1,
                          .dk = 16,
                          .dv = 16,
                          .initial_state = true,
                          .backward = true,
                          .seed = seed,
                          .dtype = lane->in};
    gla_truth_options how = {.backward = true, .close_enough = 0x1p-52, .threads = 1};
    ck_assert_msg(gla_generate(&spec, &g, &err) == GLA_OK, "%s", err.what);
    ck_assert_msg(gla_truth_compute(&g.problem, &how, &truth, &err) == GLA_OK, "%s", err.what);
    int forms = 0;
    while (forms < FORMS && lane->form[forms]) forms++;
    for (int f = 0; f < forms; f++)
        if (test_long() || (int)((seed + strlen(family->name)) % (uint64_t)forms) == f)
            judge_kernel(lane, lane->form[f], &g, &truth, all);
    gla_truth_free(&truth);
    gla_generated_free(&g);
}

/* Where all but operands is declared exact, the emulator's binary64 is not: beside a gate of -0.1 FLT_MAX it loses the
 * others. */
static bool in_range(const struct lane *lane, const gla_family *f) {
    return strcmp(f->name, "mask") != 0 || gla_profile_named(lane->profile)->model.op.u > 0;
}

START_TEST(test_no_right_kernel_fails) {
    const struct lane *lane = &lanes[_i];
    tally all[GLA_OUTPUTS] = {{0}};
    uint64_t seeds = test_long() ? 50 : 1;
    for (const gla_family *f = gla_families; f->name; f++)
        for (uint64_t s = 0; s < seeds; s++)
            if (in_range(lane, f)) try_family(lane, f, test_seed() + s, all);
    for (int i = 0; i < GLA_OUTPUTS; i++)
        if (all[i].judged)
            printf("%-14s %-14s %5d judged, %d marginal, worst error/bound %.2f, rms z %.3f over %lld\n", lane->profile,
                   gla_output_names[i], all[i].judged, all[i].marginal, all[i].worst,
                   all[i].count ? sqrt(all[i].squares / (double)all[i].count) : 0, (long long)all[i].count);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("alarms");
    TCase *t = tcase_create("alarms");
    tcase_set_timeout(t, test_long() ? 7200 : 120);
    tcase_add_loop_test(t, test_no_right_kernel_fails, 0, LANES);
    suite_add_tcase(s, t);
    return s;
}

int main(void) { return test_main(suite()); }
