/* SPDX-License-Identifier: Apache-2.0
 *
 * Files that real GPU kernels wrote, judged as `glassbox check` judges them: those in data/real, and where the
 * repository's neighbour ../shared/real exists, the whole recordings they were cut from.
 */
#include <string.h>
#include <unistd.h>

#include "../../compare/io/case.h"
#include "../../compare/judge.h"
#include "../testing.h"

typedef struct expectation {
    const char *path, *prefix, *profile; /* profile NULL: the default by dtype */
    gla_verdict verdict;
    int judged;
} expectation;

static gla_judgement judge_file(const expectation *x) {
    gla_case c;
    gla_error err;
    gla_case_options options = {.prefix = x->prefix};
    ck_assert_msg(gla_case_load(x->path, &options, &c, &err) == GLA_OK, "%s", err.what);
    gla_candidate candidate = {0};
    const gla_format *first = NULL;
    for (int i = GLA_OUTPUTS - 1; i >= 0; i--)
        if (c.output[i].present) {
            first = gla_dtype_format(c.output[i].dtype);
            candidate.output[i].value = c.output[i].value;
            candidate.output[i].format = first;
        }
    gla_truth truth;
    gla_truth_options how = {.backward = c.problem.d_o.at != NULL, .close_enough = GLA_CLOSE_ENOUGH};
    ck_assert_msg(gla_truth_compute(&c.problem, &how, &truth, &err) == GLA_OK, "%s", err.what);
    ck_assert_int_eq(truth.uncertified, 0);
    const gla_profile *profile = x->profile ? gla_profile_named(x->profile) : gla_profile_default(first);
    gla_judgement j;
    ck_assert_msg(gla_judge(&c.problem, &candidate, &truth, profile, 0, 0, &j, &err) == GLA_OK, "%s", err.what);
    gla_truth_free(&truth);
    gla_case_free(&c);
    return j;
}

static void expect(const expectation *x) {
    gla_judgement j = judge_file(x);
    ck_assert_msg(j.verdict == x->verdict, "%s %s under %s: %s", x->path, x->prefix ? x->prefix : "", j.profile->name,
                  gla_verdict_names[j.verdict]);
    ck_assert_int_eq(j.judged, x->judged);
}

static const expectation cut[] = {
    {"data/real/gla_chunk_bf16_mild.safetensors", NULL, NULL, GLA_PASS, 7},
    {"data/real/gla_chunk_bf16_spike.safetensors", NULL, NULL, GLA_PASS, 7},
    {"data/real/gla_chunk_bf16_varlen.safetensors", NULL, NULL, GLA_PASS, 2},
    {"data/real/gla_chunk_fp32_mild.safetensors", NULL, NULL, GLA_FAIL, 2},
    {"data/real/gla_chunk_fp32_mild.safetensors", NULL, "f32-tf32", GLA_PASS, 2},
    {"data/real/gla_recurrent_fp32_sigmoid.safetensors", NULL, NULL, GLA_PASS, 2},
    {"data/real/gla_lm_layer0_bf16.safetensors", NULL, NULL, GLA_PASS, 5},
    /* other mechanisms; why they pass: data/real/README.md */
    {"data/real/simple_gla_chunk_bf16.safetensors", NULL, NULL, GLA_PASS, 7},
    {"data/real/retention_chunk_bf16.safetensors", NULL, NULL, GLA_PASS, 6},
    {"data/real/delta_rule_chunk_bf16.safetensors", NULL, NULL, GLA_PASS, 7},
    {"data/real/delta_rule_chunk_bf16.safetensors", NULL, "bf16-operands", GLA_PASS, 7},
    {"data/real/kda_chunk_bf16.safetensors", NULL, NULL, GLA_PASS, 8},
    /* and what they must not pass as: bf16 kernels are no f16 kernels, tf32 is not binary32 whatever the order */
    {"data/real/gla_chunk_bf16_mild.safetensors", NULL, "chunk-f16", GLA_FAIL, 7},
    {"data/real/delta_rule_chunk_bf16.safetensors", NULL, "chunk-f16", GLA_FAIL, 7},
    {"data/real/gla_chunk_fp32_mild.safetensors", NULL, "f32-chunk", GLA_FAIL, 2},
    {"data/real/gla_recurrent_fp32_sigmoid.safetensors", NULL, "ideal", GLA_FAIL, 2},
};

START_TEST(test_cut_files) { expect(&cut[_i]); }
END_TEST

#define REAL "../shared/real/"
static const expectation whole[] = {
    {REAL "gla_chunk_bf16_mild.safetensors", NULL, NULL, GLA_PASS, 7},
    {REAL "gla_chunk_bf16_varlen.safetensors", NULL, NULL, GLA_PASS, 7},
    {REAL "gla_chunk_bf16_spike.safetensors", NULL, NULL, GLA_PASS, 7},
    {REAL "gla_chunk_fp32_mild.safetensors", NULL, NULL, GLA_FAIL, 7},
    {REAL "gla_chunk_fp32_mild.safetensors", NULL, "f32-tf32", GLA_PASS, 7},
    {REAL "gla_recurrent_fp32_sigmoid.safetensors", NULL, NULL, GLA_PASS, 7},
    /* chunk kernels of bf16 with one gate, or one fixed decay, per head: the factors e^(b_t - b_i) are binary32 here,
     * the operands q k v as they are and scores and states rounded to bf16, which chunk-bf16 allows and more */
    {REAL "simple_gla_chunk_bf16.safetensors", NULL, NULL, GLA_PASS, 7},
    {REAL "retention_chunk_bf16.safetensors", NULL, NULL, GLA_PASS, 6},
    {REAL "simple_gla_chunk_bf16.safetensors", NULL, "chunk-f16", GLA_FAIL, 7},
    {REAL "retention_chunk_bf16.safetensors", NULL, "chunk-f16", GLA_FAIL, 6},
    {REAL "lm/activations_bf16.safetensors", "layers.0.", NULL, GLA_PASS, 5},
    {REAL "lm/activations_bf16.safetensors", "layers.1.", NULL, GLA_PASS, 5},
    {REAL "lm/activations_bf16.safetensors", "layers.2.", NULL, GLA_PASS, 5},
    {REAL "lm/activations_bf16.safetensors", "layers.3.", NULL, GLA_PASS, 5},
    {REAL "lm/activations_fp32.safetensors", "layers.0.", "f32-tf32", GLA_PASS, 5},
    {REAL "lm/activations_fp32.safetensors", "layers.1.", "f32-tf32", GLA_PASS, 5},
    {REAL "lm/activations_fp32.safetensors", "layers.2.", "f32-tf32", GLA_PASS, 5},
    {REAL "lm/activations_fp32.safetensors", "layers.3.", "f32-tf32", GLA_PASS, 5},
    {REAL "lm/activations_fp32.safetensors", "layers.3.", NULL, GLA_FAIL, 5},
};

START_TEST(test_whole_files) {
    if (access(whole[_i].path, R_OK) != 0) return; /* only where the recordings are */
    expect(&whole[_i]);
}
END_TEST

static const expectation slow[] = {
    {REAL "delta_rule_chunk_bf16.safetensors", NULL, NULL, GLA_PASS, 7},
    {REAL "delta_rule_chunk_bf16.safetensors", NULL, "bf16-operands", GLA_PASS, 7},
    {REAL "kda_chunk_bf16.safetensors", NULL, NULL, GLA_PASS, 8},
    {REAL "kda_chunk_bf16.safetensors", NULL, "bf16-operands", GLA_PASS, 8},
    {REAL "kda_chunk_bf16.safetensors", NULL, "chunk-f16", GLA_FAIL, 8},
};

/* The delta rule's, all heads: some seconds each. */
START_TEST(test_slow_files) {
    if (test_long() && access(slow[_i].path, R_OK) == 0) expect(&slow[_i]);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("real");
    TCase *t = tcase_create("real kernels");
    tcase_set_timeout(t, 120);
    tcase_add_loop_test(t, test_cut_files, 0, sizeof cut / sizeof *cut);
    tcase_add_loop_test(t, test_whole_files, 0, sizeof whole / sizeof *whole);
    tcase_add_loop_test(t, test_slow_files, 0, sizeof slow / sizeof *slow);
    suite_add_tcase(s, t);
    return s;
}

int main(void) { return test_main(suite()); }
