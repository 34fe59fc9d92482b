/* SPDX-License-Identifier: Apache-2.0
 *
 * What a tensor core cuts off its sums, and which profile allows for it: a right kernel of an architecture passes under
 * its own profile where its accumulation errs as much as it can.
 *
 * The case: a state of 1 to which 64 products just below 2^-24 are added. A block of sm_80 (F = 24) cuts each to 0 and
 * loses 64 2^-24 in all; one of sm_90 (F = 25) keeps half. Without gates, and with operands that bf16 holds, nothing
 * else errs.
 */
#include <math.h>

#include "../../compare/io/profile_file.h"
#include "../../compare/judge.h"
#include "../testing.h"

enum { T = 64, D = 8 };
static double q[T * D], k[T * D], v[T * D], S[D * D];
static const gla_problem problem = {.B = 1,
                                    .T = T,
                                    .H = 1,
                                    .dk = D,
                                    .dv = D,
                                    .N = 1,
                                    .q = {q, 1, {T * D, D, D, 1}},
                                    .k = {k, 1, {T * D, D, D, 1}},
                                    .v = {v, 1, {T * D, D, D, 1}},
                                    .initial_state = {S, 1, {D * D, D *D, D, 1}}};

static void fill(void) {
    for (int i = 0; i < T * D; i++) {
        q[i] = k[i] = 1;
        v[i] = 0x1.fep-25;
    }
    for (int i = 0; i < D * D; i++) S[i] = 1;
}

/* The verdict on the final state of a kernel that follows chunkwise:64:16 in that number system. */
static gla_tensor_verdict verdict(const char *numbers, const char *profile_name) {
    const gla_format *format[GLA_OUTPUTS] = {[GLA_FINAL_STATE] = &gla_binary32_format};
    const gla_truth_options how = {.close_enough = GLA_CLOSE_ENOUGH};
    gla_candidate candidate = {0};
    gla_judgement judgement;
    gla_profile profile;
    double *value[GLA_OUTPUTS];
    gla_truth truth;
    gla_error err;
    fill();
    ck_assert_msg(gla_profile_find(profile_name, &profile, &err) == GLA_OK, "%s", err.what);
    ck_assert_msg(gla_replay_compute(&problem, "chunkwise:64:16", numbers, format, 1u << GLA_FINAL_STATE, 1, value,
                                     &err) == GLA_OK,
                  "%s", err.what);
    candidate.output[GLA_FINAL_STATE].value = value[GLA_FINAL_STATE];
    candidate.output[GLA_FINAL_STATE].format = &gla_binary32_format;
    ck_assert(gla_truth_compute(&problem, &how, &truth, &err) == GLA_OK);
    ck_assert(gla_judge(&problem, &candidate, &truth, &profile, 0, 1, &judgement, &err) == GLA_OK);
    free(value[GLA_FINAL_STATE]);
    gla_truth_free(&truth);
    return judgement.tensor[GLA_FINAL_STATE];
}

static const char own[] = "data/profiles/chunk-bf16-sm_80.json";

START_TEST(test_sm_90_passes) { ck_assert_int_eq(verdict("sm_90:bf16", "chunk-bf16").verdict, GLA_PASS); }
END_TEST

START_TEST(test_sm_80_needs_its_own) {
    gla_tensor_verdict at_90 = verdict("sm_80:bf16", "chunk-bf16"), at_80 = verdict("sm_80:bf16", own);
    ck_assert_int_eq(at_90.verdict, GLA_FAIL);
    ck_assert_int_eq(at_80.verdict, GLA_PASS);
    ck_assert_double_eq_tol(at_90.worst / at_80.worst, 1.32e-6 / 6.3e-7, 0.01);
    ck_assert_double_eq_tol(at_80.want - at_80.got, 64 * 0x1.fep-25, 0x1p-30); /* all of it was cut */
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("profiles");
    TCase *t = tcase_create("sums of tensor cores");
    tcase_set_timeout(t, 20);
    tcase_add_test(t, test_sm_90_passes);
    tcase_add_test(t, test_sm_80_needs_its_own);
    suite_add_tcase(s, t);
    return s;
}

int main(void) { return test_main(suite()); }
