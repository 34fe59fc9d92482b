/* SPDX-License-Identifier: Apache-2.0
 *
 * Rungs before the judge, without a GPU: the formulation's replay takes the device's place. What rungs declare, right
 * and wrong results, errors, refusals.
 */
#include "../../compare/judge_rung.h"
#include "../testing.h"

#include <math.h>
#include <string.h>

#include "../../compare/replay.h"

/* chunkwise-paired:64 in sm_90:bf16, as the chunkwise rung runs it; and with one element of o wrong. */
static gla_cuda_status right(const gla_problem *p, const gla_host_run *how, double *value[GLA_OUTPUTS],
                             gla_host_why why) {
    const gla_format *format[GLA_OUTPUTS];
    gla_error err;
    for (int i = 0; i < GLA_OUTPUTS; i++)
        format[i] = gla_is_state_output((gla_output)i) || i == GLA_DGK ? &gla_binary32_format : &gla_bf16;
    why[0] = 0;
    return gla_replay_compute(p, "chunkwise-paired:64", "sm_90:bf16", format, how->outputs, 1, value, &err) == GLA_OK
               ? GLA_CUDA_OK
               : GLA_CUDA_LAUNCH;
}

static gla_cuda_status wrong(const gla_problem *p, const gla_host_run *how, double *value[GLA_OUTPUTS],
                             gla_host_why why) {
    gla_cuda_status status = right(p, how, value, why);
    if (value[GLA_O]) value[GLA_O][5] += 0.5;
    return status;
}

static gla_cuda_status refusing(const gla_problem *p, const gla_host_run *how, double *value[GLA_OUTPUTS],
                                gla_host_why why) {
    snprintf(why, sizeof(gla_host_why), "no GPU");
    return GLA_CUDA_NO_DEVICE;
}

static gla_rung_answer errors_of(gla_rung_run *run, unsigned outputs) {
    const gla_host_run how = {
        .rung = GLA_CUDA_CHUNKWISE, .dtype = GLA_CUDA_BF16, .gates = GLA_CUDA_BF16, .outputs = outputs};
    gla_rung_answer answer;
    gla_error err;
    ck_assert_msg(gla_rung_errors(run, &how, "chunkwise-paired:64", 40, 8, 16, 1, &answer, &err) == GLA_OK, "%s",
                  err.what);
    return answer;
}

START_TEST(test_right_passes) {
    for (int backward = 0; backward < 2; backward++) {
        gla_rung_answer a = errors_of(right, backward ? GLA_HOST_BACKWARD : GLA_HOST_FORWARD);
        ck_assert_int_eq(a.ran, GLA_CUDA_OK);
        ck_assert_int_eq(a.judgement.judged, backward ? 5 : 2);
        ck_assert_int_le(a.judgement.verdict, GLA_MARGINAL);
        for (int i = 0; i < GLA_OUTPUTS; i++) {
            double error = gla_rung_error(&a, (gla_output)i);
            bool asked = (backward ? GLA_HOST_BACKWARD : GLA_HOST_FORWARD) >> i & 1;
            ck_assert_msg(asked ? error > 1e-4 && error < 1e-2 : isnan(error), "%s: %g", gla_output_names[i], error);
        }
    }
}
END_TEST

START_TEST(test_wrong_fails) {
    gla_rung_answer good = errors_of(right, GLA_HOST_FORWARD), bad = errors_of(wrong, GLA_HOST_FORWARD);
    ck_assert_int_eq(bad.judgement.verdict, GLA_FAIL);
    ck_assert(bad.judgement.tensor[GLA_O].over == 1);
    ck_assert(gla_rung_error(&bad, GLA_O) > gla_rung_error(&good, GLA_O));
    ck_assert(gla_rung_error(&bad, GLA_FINAL_STATE) == gla_rung_error(&good, GLA_FINAL_STATE));
}
END_TEST

START_TEST(test_refusals) {
    gla_rung_answer a = errors_of(refusing, GLA_HOST_FORWARD);
    ck_assert_int_eq(a.ran, GLA_CUDA_NO_DEVICE);
    ck_assert_str_eq(a.why, "no GPU");
    ck_assert_int_eq(a.judgement.judged, 0);
    ck_assert(isnan(gla_rung_error(&a, GLA_O)));
}
END_TEST

START_TEST(test_profiles) {
    gla_profile p;
    gla_error err;
    ck_assert_int_eq(gla_rung_profile(GLA_CUDA_PARALLEL, GLA_CUDA_BF16, "parallel", &p, &err), GLA_OK);
    ck_assert_str_eq(p.name, "f32");
    ck_assert_str_eq(p.form, "parallel");
    ck_assert_str_eq(p.also, "");
    ck_assert_int_eq(gla_rung_profile(GLA_CUDA_CHUNKWISE, GLA_CUDA_F16, "chunkwise-paired:64:11", &p, &err), GLA_OK);
    ck_assert_str_eq(p.name, "chunk-f16");
    ck_assert_str_eq(p.form, "chunkwise-paired:64:11");
    ck_assert_str_eq(p.also, "chunkwise-paired:64:12");
    ck_assert_int_eq(gla_rung_profile(GLA_CUDA_FUSED, GLA_CUDA_BF16, "chunkwise-centred:64:16", &p, &err), GLA_OK);
    ck_assert_str_eq(p.name, "chunk-bf16");
    ck_assert_str_eq(p.also, "");
    ck_assert_int_eq(gla_rung_profile(GLA_CUDA_FUSED, GLA_CUDA_F32, "chunkwise-centred:64:16", &p, &err),
                     GLA_UNSUPPORTED);
    ck_assert_int_eq(gla_rung_profile(GLA_CUDA_BEST, GLA_CUDA_F32, "recurrent", &p, &err), GLA_UNSUPPORTED);
    ck_assert_int_eq(gla_rung_profile(GLA_CUDA_FUSED, GLA_CUDA_BF16, NULL, &p, &err), GLA_UNSUPPORTED);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("compare/judge_rung");
    TCase *t = tcase_create("rungs");
    tcase_set_timeout(t, 30);
    tcase_add_test(t, test_right_passes);
    tcase_add_test(t, test_wrong_fails);
    tcase_add_test(t, test_refusals);
    tcase_add_test(t, test_profiles);
    suite_add_tcase(s, t);
    return s;
}

int main(void) { return test_main(suite()); }
