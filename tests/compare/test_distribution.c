/* SPDX-License-Identifier: Apache-2.0
 *
 * Tier 3: the statistics on made-up errors, and whole kernels: right ones have an rms z of 1, and roundings that every
 * single element's bound forgives are seen in all of them together.
 */
#include <math.h>
#include <string.h>

#include "../../compare/cases.h"
#include "../../compare/emulate.h"
#include "../../compare/judge.h"
#include "../testing.h"

/* ---- made-up errors: 1 x 256 tokens x 2 heads x 32 columns ---- */

enum { T = 256, H = 2, D = 32, COUNT = T * H * D };
static double want[COUNT], value[COUNT], sigma[COUNT], drift[COUNT];
static gla_scatter scatter;

static void setup(void) {
    scatter = (gla_scatter){.shape = {1, T, H, D}, .want = want, .sigma = sigma, .drift = drift};
    for (int i = 0; i < COUNT; i++) {
        gla_draw d = {test_seed(), 3, (uint64_t)i};
        want[i] = gla_draw_normal((gla_draw){test_seed(), 4, (uint64_t)i});
        sigma[i] = 0.01 * (1 + gla_draw_uniform(d));
        drift[i] = 0;
        value[i] = want[i] + sigma[i] * gla_draw_normal((gla_draw){test_seed(), 5, (uint64_t)i});
    }
}

static gla_distribution judged(const gla_controls *controls) {
    gla_distribution d;
    ck_assert(gla_scatter_select(&scatter) == GLA_OK);
    gla_group_sum *sum = calloc((size_t)gla_group_count(&scatter), sizeof *sum);
    gla_group_add(&scatter, value, sum);
    gla_distribution_judge(&scatter, sum, controls, &d);
    free(sum);
    return d;
}

/* Errors of one rectangle: tokens first..end-1 and columns from..to-1 of head h, times a factor. */
static void stretch(int h, int first, int end, int from, int to, double factor) {
    for (int t = first; t < end; t++)
        for (int i = from; i < to; i++) {
            int at = (t * H + h) * D + i;
            value[at] = want[at] + factor * (value[at] - want[at]);
        }
}

START_TEST(test_right_errors_are_within) {
    gla_distribution d = judged(NULL);
    ck_assert_int_eq(d.count, COUNT);
    ck_assert(fabs(d.rms_z - 1) < 0.03 && fabs(d.bias) < 0.04);
    ck_assert(!d.wide && !d.biased && !d.too_good && !d.emulated);
}
END_TEST

START_TEST(test_the_group_is_named) {
    stretch(1, 128, 192, 0, D, 2);
    gla_distribution d = judged(NULL);
    ck_assert(d.wide && d.worst.kind == GLA_GROUP_BLOCK && d.worst.count == 64 * D);
    ck_assert(d.worst.at[1] == 128 && d.worst.at[2] == 1 && d.worst.at[3] == 0);
    stretch(1, 128, 192, 0, D, 0.5);
    stretch(0, 0, T, 16, 32, 1.5);
    d = judged(NULL);
    ck_assert(d.wide && d.worst.kind == GLA_GROUP_COLUMNS && d.worst.at[2] == 0 && d.worst.at[3] == 16);
    stretch(0, 0, T, 0, 16, 1.5);
    d = judged(NULL);
    ck_assert(d.wide && d.worst.kind == GLA_GROUP_HEAD && d.worst.at[2] == 0);
}
END_TEST

START_TEST(test_states_have_blocks_of_rows) {
    scatter = (gla_scatter){.shape = {2, 1, T, D}, .state = true, .want = want, .sigma = sigma, .drift = drift};
    for (int i = (T + 64) * D; i < (T + 128) * D; i++) value[i] = want[i] + 2 * (value[i] - want[i]);
    gla_distribution d = judged(NULL);
    ck_assert(d.wide && d.worst.kind == GLA_GROUP_BLOCK);
    ck_assert(d.worst.at[0] == 1 && d.worst.at[1] == 0 && d.worst.at[2] == 64);
}
END_TEST

START_TEST(test_bias_and_small_errors_are_seen) {
    for (int i = 0; i < COUNT; i++) value[i] -= copysign(0.1 * sigma[i], want[i]);
    gla_distribution d = judged(NULL);
    ck_assert(d.biased && !d.wide && d.bias < -0.06);
    stretch(0, 0, T, 0, D, 0.3);
    stretch(1, 0, T, 0, D, 0.3);
    ck_assert(judged(NULL).too_good);
}
END_TEST

/* A systematic part above sigma / 4 takes an element out; one below raises both limits. */
START_TEST(test_systematic_elements_take_no_part) {
    double plain = judged(NULL).limit;
    for (int i = 0; i < COUNT; i++) drift[i] = 0.2 * sigma[i];
    gla_distribution d = judged(NULL);
    ck_assert(d.count == COUNT && d.limit > plain && d.bias_limit > 0.2);
    for (int i = 0; i < COUNT; i++) drift[i] = (i % 4 ? 0.2 : 0.3) * sigma[i];
    ck_assert_int_eq(judged(NULL).count, COUNT / 4 * 3);
}
END_TEST

START_TEST(test_repeated_numbers_take_no_part) {
    for (int i = 0; i < COUNT; i++) want[i] = want[i % 100] * (i % 2 ? 1 : -1);
    ck_assert_int_eq(judged(NULL).count, 0);
}
END_TEST

/* The limits follow right kernels that err more together than independent elements would. */
START_TEST(test_controls_widen_the_limits) {
    gla_controls c;
    size_t groups = (size_t)gla_group_count(&scatter);
    ck_assert(gla_scatter_select(&scatter) == GLA_OK && gla_controls_new(&scatter, &c) == GLA_OK);
    for (int run = 0; run <= 8; run++) {
        gla_group_sum *sum = calloc(groups, sizeof *sum);
        gla_group_add(&scatter, value, sum);
        for (size_t g = 0; g < groups; g++) sum[g].squares *= 1 + 0.3 * run;
        gla_controls_add(&scatter, sum, run > 0, &c);
        free(sum);
    }
    stretch(0, 0, T, 0, D, 1.8);
    ck_assert(judged(NULL).wide);
    gla_distribution d = judged(&c);
    ck_assert(d.emulated && !d.wide && d.limit > 2);
    gla_controls_free(&c);
}
END_TEST

/* ---- whole kernels ---- */

typedef struct kernel {
    gla_generated g;
    gla_truth truth;
} kernel;

static void open_kernel(const char *family, kernel *x) {
    gla_error err;
    gla_case_spec spec = {
        .family = family, .T = 256, .H = 2, .dk = 32, .dv = 64, .initial_state = true, .seed = test_seed()};
    gla_truth_options how = {.close_enough = GLA_CLOSE_ENOUGH, .threads = 1};
    ck_assert_msg(gla_generate(&spec, &x->g, &err) == GLA_OK, "%s", err.what);
    ck_assert_msg(gla_truth_compute(&x->g.problem, &how, &x->truth, &err) == GLA_OK, "%s", err.what);
}

static void close_kernel(kernel *x) {
    gla_truth_free(&x->truth);
    gla_generated_free(&x->g);
}

/* o and final_state of a kernel of `actual`, stored in `format`, judged as one of `declared`. */
static gla_judgement judge_as(kernel *x, const gla_profile *actual, const gla_profile *declared,
                              const gla_format *format) {
    gla_error err;
    gla_judgement j;
    gla_candidate c = {0};
    double *values[GLA_OUTPUTS];
    gla_emulation how = {.outputs = 1u << GLA_O | 1u << GLA_FINAL_STATE, .threads = 1};
    how.format[GLA_O] = format;
    how.format[GLA_FINAL_STATE] = &gla_binary32_format;
    ck_assert_msg(gla_emulate(&x->g.problem, actual, &how, values, &err) == GLA_OK, "%s", err.what);
    for (int i = 0; i < GLA_OUTPUTS; i++) {
        c.output[i].value = values[i];
        c.output[i].format = how.format[i];
    }
    ck_assert_msg(gla_judge(&x->g.problem, &c, &x->truth, declared, 0, 1, &j, &err) == GLA_OK, "%s", err.what);
    for (int i = 0; i < GLA_OUTPUTS; i++) free(values[i]);
    return j;
}

static const char *const random_profiles[] = {"chunk-bf16", "bf16-operands", "bf16-state", "ideal"};

/* 32768 elements of o: 0.97 .. 1.03, against the kernel's own formulation. The whole bound is never used up. */
START_TEST(test_right_kernels_have_an_rms_z_of_one) {
    static const char *const families[] = {"mild", "strong", "mixed"};
    gla_profile p = *gla_profile_named(random_profiles[_i]);
    p.also[0] = 0;
    for (size_t f = 0; f < 3; f++) {
        kernel x;
        open_kernel(families[f], &x);
        gla_judgement j = judge_as(&x, &p, &p, &gla_bf16);
        const gla_tensor_verdict *v = &j.tensor[GLA_O];
        ck_assert_msg(v->verdict == GLA_PASS && v->tier == 3, "%s %s: %s at tier %d", p.name, families[f],
                      gla_verdict_names[v->verdict], v->tier);
        ck_assert_msg(v->scatter.rms_z >= 0.97 && v->scatter.rms_z <= 1.03, "%s %s: rms z %g", p.name, families[f],
                      v->scatter.rms_z);
        ck_assert(v->scatter.count > 30000 && v->worst <= 1);
        close_kernel(&x);
    }
}
END_TEST

/* One site of chunk-bf16 cut instead of rounded: no element need be over its bound, all together are. */
START_TEST(test_truncation_is_no_rounding) {
    static const gla_site sites[] = {GLA_SITE_SCORE, GLA_SITE_STATE_READ};
    kernel x;
    open_kernel("mild", &x);
    const gla_profile *declared = gla_profile_named("chunk-bf16");
    for (int s = 0; s < 2; s++) {
        gla_profile cut = *declared;
        cut.model.site[sites[s]] = gla_rounding_into(&gla_bf16, true);
        gla_judgement j = judge_as(&x, &cut, declared, &gla_binary32_format);
        const gla_tensor_verdict *v = &j.tensor[GLA_O];
        ck_assert_msg(v->verdict == GLA_FAIL, "%s cut: %s, error/bound %g, rms z %g of %g", gla_site_names[sites[s]],
                      gla_verdict_names[v->verdict], v->worst, v->scatter.rms_z, v->scatter.limit);
        ck_assert(v->tier == 3 && v->scatter.emulated && (v->scatter.wide || v->scatter.biased));
        /* elements of a row share their roundings: emulated kernels scatter more than 1/sqrt(2n) */
        ck_assert(v->scatter.limit > 1.06 + 12 * sqrt(0.5 / (double)v->scatter.count));
    }
    close_kernel(&x);
}
END_TEST

/* An output cut into its dtype leans toward zero by half a sigma or more; every element is within its bound. */
START_TEST(test_truncated_output_is_biased) {
    kernel x;
    gla_error err;
    gla_judgement j;
    open_kernel("mild", &x);
    const gla_profile *p = gla_profile_named("chunk-bf16");
    gla_emulation how = {.outputs = 1u << GLA_O, .threads = 1};
    double *values[GLA_OUTPUTS];
    ck_assert(gla_emulate(&x.g.problem, p, &how, values, &err) == GLA_OK);
    for (int64_t i = 0; i < x.truth.tensor[GLA_O].count; i++)
        values[GLA_O][i] = gla_round(&gla_bf16, GLA_RZ, values[GLA_O][i], 0);
    gla_candidate c = {.output = {[GLA_O] = {.value = values[GLA_O], .format = &gla_bf16}}};
    ck_assert(gla_judge(&x.g.problem, &c, &x.truth, p, 0, 1, &j, &err) == GLA_OK);
    const gla_tensor_verdict *v = &j.tensor[GLA_O];
    ck_assert_msg(v->verdict == GLA_FAIL && v->tier == 3 && v->scatter.biased && v->scatter.bias < 0,
                  "%s at tier %d, bias %g of %g", gla_verdict_names[v->verdict], v->tier, v->scatter.bias,
                  v->scatter.bias_limit);
    free(values[GLA_O]);
    close_kernel(&x);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("distribution");
    TCase *t = tcase_create("statistics");
    tcase_add_checked_fixture(t, setup, NULL);
    tcase_set_timeout(t, 30);
    tcase_add_test(t, test_right_errors_are_within);
    tcase_add_test(t, test_the_group_is_named);
    tcase_add_test(t, test_states_have_blocks_of_rows);
    tcase_add_test(t, test_bias_and_small_errors_are_seen);
    tcase_add_test(t, test_systematic_elements_take_no_part);
    tcase_add_test(t, test_repeated_numbers_take_no_part);
    tcase_add_test(t, test_controls_widen_the_limits);
    suite_add_tcase(s, t);
    TCase *k = tcase_create("kernels");
    tcase_set_timeout(k, 120);
    tcase_add_loop_test(k, test_right_kernels_have_an_rms_z_of_one, 0, 4);
    tcase_add_test(k, test_truncation_is_no_rounding);
    tcase_add_test(k, test_truncated_output_is_biased);
    suite_add_tcase(s, k);
    return s;
}

int main(void) { return test_main(suite()); }
