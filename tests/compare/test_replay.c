/* SPDX-License-Identifier: Apache-2.0
 *
 * The replay lane: what a formulation gives in a number system is recognised to the last bit, and one other bit is
 * not, although every other tier lets it pass.
 */
#include <math.h>
#include <string.h>

#include "../../compare/cases.h"
#include "../../compare/diagnose.h"
#include "../../compare/judge.h"
#include "../../fast/hardware/hardware.h"
#include "../testing.h"

/* ---- words ---- */

static const gla_problem four = {.B = 1, .T = 2, .H = 1, .dk = 1, .dv = 2, .N = 1}; /* o has four elements */

static gla_replay_verdict compared(const gla_format *format, double got, double want) {
    double x[4] = {1, 2, got, 4}, y[4] = {1, 2, want, 4};
    return gla_replay_compare(&four, GLA_O, format, x, y);
}

static const struct {
    const gla_format *format;
    double got, want, ulps;
    const char *got_word, *want_word;
} pairs[] = {
    {&gla_binary32_format, 1, 1 + 0x1p-23, 1, "3f800000", "3f800001"},
    {&gla_binary32_format, 2, 2 - 0x1p-23, 1, "40000000", "3fffffff"},
    {&gla_binary32_format, -0x1p-149, 0x1p-149, 2, "80000001", "00000001"},
    {&gla_binary32_format, INFINITY, 0x1.fffffep127, 1, "7f800000", "7f7fffff"},
    {&gla_binary32_format, 0, -0.0, 0, "00000000", "80000000"},
    {&gla_binary64_format, 1, 1 + 0x1p-52, 1, "3ff0000000000000", "3ff0000000000001"},
    {&gla_bf16, -1, -1.015625, 2, "bf80", "bf82"},
    {&gla_f16, 65504, INFINITY, 1, "7bff", "7c00"},
    {&gla_tf32, 1, 1 + 0x1p-9, 2, "3f800000", "3f804000"},
    {&gla_e4m3, 448, 416, 1, "7e", "7d"},
    {&gla_e5m2, 1, -1, 120, "3c", "bc"},
};
enum { PAIRS = sizeof pairs / sizeof *pairs };

START_TEST(test_words) {
    gla_replay_verdict v = compared(pairs[_i].format, pairs[_i].got, pairs[_i].want);
    ck_assert(v.asked && v.differing == 1);
    ck_assert_int_eq(v.zeros, pairs[_i].got == 0);
    ck_assert_double_eq(v.ulps, pairs[_i].ulps);
    ck_assert_str_eq(v.got, pairs[_i].got_word);
    ck_assert_str_eq(v.want, pairs[_i].want_word);
    ck_assert(v.first.known && v.first.at[1] == 1 && v.first.at[3] == 0);
}
END_TEST

START_TEST(test_nan_is_nan) {
    ck_assert_int_eq(compared(&gla_bf16, NAN, -NAN).differing, 0);
    gla_replay_verdict v = compared(&gla_bf16, 1, NAN);
    ck_assert(v.differing == 1 && isinf(v.ulps) && v.zeros == 0);
    ck_assert_str_eq(v.want, "7fc0");
    ck_assert_int_eq(compared(&gla_bf16, -0.0, -0.0).differing, 0);
}
END_TEST

/* In a reversed sequence the last token comes first, but for what is made backwards. */
START_TEST(test_first_is_first_made) {
    static const int64_t cu[] = {0, 10, 10, 100};
    gla_problem p = {.B = 1, .T = 100, .H = 1, .dk = 1, .dv = 1, .N = 3, .cu_seqlens = cu, .reverse = true};
    double x[100] = {0}, y[100] = {0};
    x[12] = x[25] = x[99] = 1;
    gla_replay_verdict v = gla_replay_compare(&p, GLA_O, &gla_binary32_format, x, y);
    ck_assert_int_eq(v.differing, 3);
    ck_assert(v.first.at[1] == 99 && v.first.sequence == 2 && v.first.token == 0);
    x[99] = 0;
    v = gla_replay_compare(&p, GLA_O, &gla_binary32_format, x, y);
    ck_assert(v.first.at[1] == 25 && v.first.token == 74 && v.first.chunk == 1 && v.first.row == 10);
    v = gla_replay_compare(&p, GLA_DK, &gla_binary32_format, x, y);
    ck_assert(v.first.at[1] == 12 && v.first.token == 87 && v.first.chunk == 1 && v.first.row == 23);
    v = gla_replay_compare(&p, GLA_FINAL_STATE, &gla_binary32_format, x + 24, y);
    ck_assert(v.first.at[0] == 1 && v.first.token == -1);
}
END_TEST

/* ---- running ---- */

static gla_generated made;
static gla_truth truth;
static double *value[GLA_OUTPUTS];

static const gla_format *all_f32(int i) { return &gla_binary32_format; }
static const gla_format *half_bf16(int i) {
    return i == GLA_O || (i >= GLA_DQ && i <= GLA_DV) ? &gla_bf16 : &gla_binary32_format;
}

static void generate(gla_case_spec spec) {
    gla_error err;
    spec.seed = test_seed();
    spec.backward = true;
    ck_assert_msg(gla_generate(&spec, &made, &err) == GLA_OK, "%s", err.what);
}

/* The whole problem in one number system of its own, as a kernel that follows it would store it. */
static void run_whole(const char *numbers, const char *form_text, const gla_format *(*format)(int)) {
    gla_error err;
    gla_numbers *n;
    gla_form form;
    gla_result r;
    ck_assert_msg(gla_form_parse(form_text, &form, &err) == GLA_OK, "%s", err.what);
    form.backward = true;
    ck_assert_msg(gla_all_numbers_open(numbers, &n, &err) == GLA_OK, "%s", err.what);
    ck_assert(gla_run(&made.problem, &form, n, &r, &err) == GLA_OK);
    for (int i = 0; i < GLA_OUTPUTS; i++) {
        if (!r.tensor[i].at) continue;
        value[i] = malloc((size_t)r.tensor[i].count * sizeof(double));
        for (int64_t j = 0; j < r.tensor[i].count; j++)
            value[i][j] = gla_round(format(i), GLA_RN, gla_result_d(&r, (gla_output)i, j), 0);
    }
    gla_result_free(&r);
    gla_numbers_close(n);
}

static void free_all(void) {
    for (int i = 0; i < GLA_OUTPUTS; i++) free(value[i]);
    gla_truth_free(&truth);
    gla_generated_free(&made);
}

/* Shared heads, packed and reversed sequences, an empty one: part by part as in one piece, with any threads. */
START_TEST(test_parts_make_the_whole) {
    gla_error err;
    generate((gla_case_spec){.family = "mild",
                             .T = 50,
                             .H = 4,
                             .Hk = 2,
                             .dk = 6,
                             .dv = 5,
                             .varlen = true,
                             .reverse = _i == 1,
                             .gv = true,
                             .initial_state = true});
    const gla_format *format[GLA_OUTPUTS];
    double *again[GLA_OUTPUTS];
    for (int i = 0; i < GLA_OUTPUTS; i++) format[i] = half_bf16(i);
    run_whole("mixed:bf16", "chunkwise:16:8+anchor", half_bf16);
    for (int threads = 1; threads <= 3; threads += 2) {
        ck_assert_msg(gla_replay_compute(&made.problem, "chunkwise:16:8+anchor", "mixed:bf16", format, 0xff, threads,
                                         again, &err) == GLA_OK,
                      "%s", err.what);
        for (int i = 0; i <= GLA_DINITIAL_STATE; i++) { /* those of gla */
            ck_assert_ptr_nonnull(again[i]);
            gla_replay_verdict v = gla_replay_compare(&made.problem, (gla_output)i, format[i], again[i], value[i]);
            ck_assert_msg(v.differing == 0, "%s: %d", gla_output_names[i], (int)v.differing);
            free(again[i]);
        }
    }
    free_all();
}
END_TEST

/* parallel cannot form dg directly; without gradients that is never tried. */
START_TEST(test_no_backward_unless_asked) {
    const gla_format *format[GLA_OUTPUTS] = {0};
    double *x[GLA_OUTPUTS];
    gla_error err;
    generate((gla_case_spec){.family = "mild", .T = 9, .H = 1, .dk = 2, .dv = 2});
    ck_assert(gla_replay_compute(&made.problem, "parallel+direct", "binary32", format, 1u << GLA_O, 1, x, &err) ==
              GLA_OK);
    ck_assert(x[GLA_O] && !x[GLA_FINAL_STATE] && !x[GLA_DQ]);
    free(x[GLA_O]);
    ck_assert(gla_replay_compute(&made.problem, "parallel+direct", "binary32", format, 1u << GLA_DQ, 1, x, &err) ==
              GLA_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(err.what, "not available for formulation 'parallel'"));
    ck_assert(!x[GLA_O] && !x[GLA_DQ]);
    gla_generated_free(&made);
}
END_TEST

START_TEST(test_what_cannot_be_replayed_is_refused) {
    gla_error err;
    ck_assert(gla_replay_check(&(gla_replay){"binary23", NULL}, &err) == GLA_UNKNOWN_NAME);
    ck_assert_ptr_nonnull(strstr(err.what, "binary64 binary32 "));
    ck_assert(gla_replay_check(&(gla_replay){"binary32", "chunky"}, &err) == GLA_UNKNOWN_NAME);
    ck_assert(gla_replay_check(&(gla_replay){"bf16/sr:1", NULL}, &err) == GLA_UNSUPPORTED);
    ck_assert(gla_replay_check(&(gla_replay){"recorder:bf16/sr:1", NULL}, &err) == GLA_UNSUPPORTED);
    ck_assert(gla_replay_check(&(gla_replay){"bf16/rz", "chunkwise:16"}, &err) == GLA_OK);
}
END_TEST

/* ---- judging ---- */

static gla_judgement judge(const gla_replay *replay, const char *profile, const gla_format *(*format)(int)) {
    gla_candidate c = {.replay = replay};
    gla_judgement g;
    gla_error err;
    for (int i = 0; i < GLA_OUTPUTS; i++) {
        c.output[i].value = value[i];
        c.output[i].format = format(i);
    }
    gla_status status = gla_judge(&made.problem, &c, &truth, gla_profile_named(profile), 0, 1, &g, &err);
    ck_assert_msg(status == GLA_OK, "%s", err.what);
    return g;
}

static const struct {
    const char *numbers, *form, *profile;
    const gla_format *(*format)(int);
} kernels[] = {
    {"binary32", "recurrent+suffix", "f32", all_f32},
    {"binary32", "chunkwise:32:16", "f32-chunk", all_f32},
    {"binary32", "parallel", "f32-chunk", all_f32},
    {"mpfr:100", "recurrent", "f32", all_f32},
    {"mixed:bf16", "chunkwise:64:16+anchor", "chunk-bf16", half_bf16},
    {"mixed:f16", "chunkwise:16:16", "chunk-bf16", half_bf16},
    {"sm_90:bf16", "chunkwise:64:16+anchor", "chunk-bf16", half_bf16},
};
enum { KERNELS = sizeof kernels / sizeof *kernels };

static void make_kernel(int i) {
    gla_error err;
    generate((gla_case_spec){
        .family = "mild", .T = 70, .H = 2, .dk = 8, .dv = 6, .initial_state = true, .dtype = kernels[i].format(GLA_O)});
    gla_truth_options options = {.backward = true, .close_enough = GLA_CLOSE_ENOUGH};
    ck_assert_msg(gla_truth_compute(&made.problem, &options, &truth, &err) == GLA_OK, "%s", err.what);
    run_whole(kernels[i].numbers, kernels[i].form, kernels[i].format);
}

static bool more_than_one(gla_output name) { return name == GLA_O || name == GLA_DK || name == GLA_DGK; }

/* Its own arithmetic: tier 1. One bit in the last place: a failure of tier 1, and of no other. */
START_TEST(test_every_kernel_and_one_bit) {
    const gla_replay declared = {kernels[_i].numbers, kernels[_i].form};
    make_kernel(_i);
    gla_judgement g = judge(&declared, kernels[_i].profile, kernels[_i].format);
    ck_assert_int_eq(g.verdict, GLA_PASS);
    ck_assert_str_eq(g.replay.form, kernels[_i].form);
    for (int i = 0; i < GLA_OUTPUTS; i++)
        if (g.tensor[i].judged) ck_assert(g.tensor[i].tier == 1 && g.tensor[i].replay.asked);
    for (int i = 0; i < GLA_OUTPUTS; i++) {
        if (!more_than_one((gla_output)i)) continue;
        const gla_format *format = kernels[_i].format(i);
        double *x = &value[i][(65 * 2 + 1) * (i == GLA_O ? 6 : 8) + 3], kept = *x;
        *x = gla_decode(format, gla_encode(format, *x) ^ 1);
        g = judge(&declared, kernels[_i].profile, kernels[_i].format);
        const gla_tensor_verdict *v = &g.tensor[i];
        ck_assert(g.verdict == GLA_FAIL && v->verdict == GLA_FAIL && v->tier == 1 && v->over + v->marginal == 0);
        ck_assert(v->replay.differing == 1 && v->replay.ulps == 1 && v->replay.zeros == 0);
        ck_assert(v->replay.first.at[1] == 65 && v->replay.first.at[2] == 1 && v->replay.first.at[3] == 3);
        ck_assert(v->replay.first.chunk == 1 && v->replay.first.row == 1);
        for (int other = 0; other < GLA_OUTPUTS; other++) ck_assert(other == i || g.tensor[other].verdict == GLA_PASS);
        ck_assert(judge(NULL, kernels[_i].profile, kernels[_i].format).verdict == GLA_PASS);
        *x = kept;
    }
    free_all();
}
END_TEST

/* Another order of operations, or another arithmetic, is another kernel, though as right. */
START_TEST(test_another_kernel_is_not_this_one) {
    static const gla_replay others[] = {{"binary32", "chunkwise:16:16"}, {"binary32", NULL}, {"binary64", "recurrent"}};
    make_kernel(1);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        gla_judgement g = judge(&others[i], "f32-chunk", all_f32);
        ck_assert(g.verdict == GLA_FAIL && g.tensor[GLA_O].tier == 1 && g.tensor[GLA_O].replay.differing > 10);
        if (!others[i].form) ck_assert_str_eq(g.replay.form, gla_profile_named("f32-chunk")->form);
    }
    free_all();
}
END_TEST

/* A wrong value is tier 2's, with the replay's figures beside it. What is not finite fails, replayed or not. */
START_TEST(test_other_tiers_judge_all_the_same) {
    const gla_replay declared = {"binary32", "recurrent+suffix"};
    make_kernel(0);
    value[GLA_O][7] += 1;
    value[GLA_DK][0] = NAN;
    gla_judgement g = judge(&declared, "f32", all_f32);
    ck_assert(g.tensor[GLA_O].verdict == GLA_FAIL && g.tensor[GLA_O].tier == 2);
    ck_assert_int_eq(g.tensor[GLA_O].replay.differing, 1);
    ck_assert(g.tensor[GLA_DK].verdict == GLA_FAIL && isinf(g.tensor[GLA_DK].replay.ulps));
    ck_assert(g.tensor[GLA_DV].verdict == GLA_PASS && g.tensor[GLA_DV].tier == 1);
    free_all();
    memset(value, 0, sizeof value);
    make_kernel(0);
    double *gates = made.tensor[GLA_IN_GK]; /* the unsafe form overflows here, and its replay agrees */
    for (int64_t i = 0; i < made.count[GLA_IN_GK]; i++) gates[i] = -20;
    for (int i = 0; i < GLA_OUTPUTS; i++) free(value[i]);
    memset(value, 0, sizeof value);
    run_whole("binary32", "parallel-naive", all_f32);
    gla_truth_free(&truth);
    gla_error err;
    gla_truth_options options = {.backward = true, .close_enough = GLA_CLOSE_ENOUGH};
    ck_assert(gla_truth_compute(&made.problem, &options, &truth, &err) == GLA_OK);
    g = judge(&(gla_replay){"binary32", "parallel-naive"}, "f32", all_f32);
    ck_assert(g.tensor[GLA_O].nan + g.tensor[GLA_O].inf > 0);
    ck_assert(g.tensor[GLA_O].verdict == GLA_FAIL && g.tensor[GLA_O].replay.differing == 0);
    free_all();
}
END_TEST

START_TEST(test_diagnosis_names_the_arithmetic) {
    const gla_replay declared = {"binary32", "recurrent+suffix"};
    gla_candidate c = {.replay = &declared};
    gla_diagnosis d;
    gla_error err;
    make_kernel(0);
    value[GLA_O][7] = gla_decode(&gla_binary32_format, gla_encode(&gla_binary32_format, value[GLA_O][7]) ^ 1);
    gla_judgement g = judge(&declared, "f32", all_f32);
    c.output[GLA_O].value = value[GLA_O];
    c.output[GLA_O].format = &gla_binary32_format;
    c.output[GLA_O].allowed = calloc((size_t)truth.tensor[GLA_O].count, sizeof(double));
    ck_assert(gla_diagnose(&made.problem, &c, &truth, &g, 0, 1, &d, &err) == GLA_OK);
    ck_assert_str_eq(d.cause, "replay");
    ck_assert(d.found && d.explains == 1u << GLA_O);
    free(c.output[GLA_O].allowed);
    free_all();
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("replay");
    TCase *c = tcase_create("library");
    tcase_set_timeout(c, 60);
    tcase_add_loop_test(c, test_words, 0, PAIRS);
    tcase_add_test(c, test_nan_is_nan);
    tcase_add_test(c, test_first_is_first_made);
    tcase_add_loop_test(c, test_parts_make_the_whole, 0, 2);
    tcase_add_test(c, test_no_backward_unless_asked);
    tcase_add_test(c, test_what_cannot_be_replayed_is_refused);
    tcase_add_loop_test(c, test_every_kernel_and_one_bit, 0, KERNELS);
    tcase_add_test(c, test_another_kernel_is_not_this_one);
    tcase_add_test(c, test_other_tiers_judge_all_the_same);
    tcase_add_test(c, test_diagnosis_names_the_arithmetic);
    suite_add_tcase(s, c);
    return s;
}

int main(void) { return test_main(suite()); }
