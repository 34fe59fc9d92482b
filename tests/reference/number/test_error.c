/* SPDX-License-Identifier: Apache-2.0
 *
 * The number system of rounding errors: its bounds hold for arithmetic of the declared kind, are not absurdly wide, and
 * vanish exactly where roundings are exact.
 */
#include <math.h>
#include <string.h>

#include "../../../compare/cases.h"
#include "../../../compare/profiles.h"
#include "../../../reference/number/error.h"
#include "../../testing.h"

/* One formulation in one number system over a generated case. */
static void run(const gla_generated *c, const char *form_text, gla_numbers *n, gla_result *r) {
    gla_error err;
    gla_form form;
    ck_assert_msg(gla_form_parse(form_text, &form, &err) == GLA_OK, "%s", err.what);
    form.backward = true;
    ck_assert_msg(gla_run(gla_mechanism_named("gla"), &c->problem, &form, n, r, &err) == GLA_OK, "%s", err.what);
}

static gla_generated generate(const char *family, uint64_t seed) {
    gla_generated c;
    gla_error err;
    gla_case_spec spec = {.family = family,
                          .B = 1,
                          .T = 130,
                          .H = 1,
                          .dk = 16,
                          .dv = 12,
                          .seed = seed,
                          .initial_state = true,
                          .backward = true,
                          .dtype = &gla_bf16};
    ck_assert_msg(gla_generate(&spec, &c, &err) == GLA_OK, "%s", err.what);
    return c;
}

static gla_numbers *open_numbers(const char *name) {
    gla_numbers *n;
    gla_error err;
    ck_assert_msg(gla_numbers_open(name, &n, &err) == GLA_OK, "%s", err.what);
    return n;
}

/* The greatest error/bound of `arithmetic` running the profile's formulation, and the rms of error/bound. */
typedef struct tightness {
    double worst, rms;
} tightness;

static tightness against_profile(const gla_generated *c, const char *arithmetic, const gla_profile *profile,
                                 gla_output name) {
    gla_numbers *exact = open_numbers("binary64"), *inexact = open_numbers(arithmetic);
    gla_numbers *errors = gla_error_open(&profile->model);
    gla_result truth, computed, bounds;
    run(c, "recurrent", exact, &truth);
    run(c, profile->form, inexact, &computed);
    run(c, profile->form, errors, &bounds);
    tightness t = {0, 0};
    for (int64_t i = 0; i < truth.tensor[name].count; i++) {
        double error = fabs(gla_result_d(&computed, name, i) - gla_result_d(&truth, name, i));
        double bound = gla_error_bound(gla_result_at(&bounds, name, i), GLA_ERROR_LAMBDA) + 1e-13;
        t.worst = fmax(t.worst, error / bound);
        t.rms += error / bound * (error / bound) / (double)truth.tensor[name].count;
    }
    t.rms = sqrt(t.rms);
    gla_result_free(&truth);
    gla_result_free(&computed);
    gla_result_free(&bounds);
    gla_numbers_close(exact);
    gla_numbers_close(inexact);
    gla_numbers_close(errors);
    return t;
}

/* The bound is 3.5 u sqrt(V) and the rms error 0.42 u sqrt(V), so error/bound has an rms near 0.12 where the model is
 * right; worst cases are shared errors counted in full (gates), which only widen. Below 0.0005 a bound would see
 * nothing. */
static void bounds_hold(const char *arithmetic, const char *profile) {
    static const char *const families[] = {"mild", "strong", "cancel", "mixed"}; /* mixed: 1e+-9, past f16's range */
    size_t count = strcmp(arithmetic, "mixed:f16") == 0 ? 3 : 4;
    for (size_t f = 0; f < count; f++) {
        gla_generated c = generate(families[f], test_seed());
        for (int name = 0; name < GLA_OUTPUTS; name++) {
            if (name == GLA_DGV) continue;
            tightness t = against_profile(&c, arithmetic, gla_profile_named(profile), (gla_output)name);
            ck_assert_msg(t.worst <= 1, "%s %s %s: error/bound %g", profile, families[f], gla_output_names[name],
                          t.worst);
            ck_assert_msg(t.rms >= 5e-4, "%s %s %s: bound too wide, rms %g", profile, families[f],
                          gla_output_names[name], t.rms);
        }
        gla_generated_free(&c);
    }
}

START_TEST(test_binary32_stays_within_f32) { bounds_hold("binary32", "f32"); }
END_TEST
START_TEST(test_binary32_chunks_stay_within_f32_chunk) { bounds_hold("binary32", "f32-chunk"); }
END_TEST
START_TEST(test_bf16_operands_stay_within_chunk_bf16) { bounds_hold("mixed:bf16", "chunk-bf16"); }
END_TEST
START_TEST(test_f16_operands_stay_within_chunk_f16) { bounds_hold("mixed:f16", "chunk-f16"); }
END_TEST
START_TEST(test_tf32_operands_stay_within_f32_tf32) { bounds_hold("mixed:tf32", "f32-tf32"); }
END_TEST

/* A rounding that is not declared must break the bound: bf16 operands are no binary32 kernel, nor is tf32. */
START_TEST(test_undeclared_rounding_breaks_the_bound) {
    gla_generated c = generate("mild", test_seed());
    ck_assert(against_profile(&c, "mixed:tf32", gla_profile_named("f32-chunk"), GLA_O).worst > 1);
    ck_assert(against_profile(&c, "mixed:bf16", gla_profile_named("chunk-f16"), GLA_O).worst > 1);
    ck_assert(against_profile(&c, "bf16", gla_profile_named("chunk-bf16"), GLA_O).worst > 1);
    gla_generated_free(&c);
}
END_TEST

/* Small integers and resets: nothing rounds, so the bound is 0 everywhere and binary32 returns the truth itself. */
START_TEST(test_integers_earn_zero_bounds) {
    gla_generated c = generate("integers", test_seed());
    static const char *const profiles[] = {"f32", "f32-chunk", "chunk-bf16"};
    for (size_t i = 0; i < 3; i++) {
        gla_numbers *errors = gla_error_open(&gla_profile_named(profiles[i])->model);
        gla_numbers *exact = open_numbers("binary64");
        gla_result bounds, truth;
        run(&c, gla_profile_named(profiles[i])->form, errors, &bounds);
        run(&c, "recurrent", exact, &truth);
        int64_t zero = 0, count = bounds.tensor[GLA_O].count;
        for (int64_t j = 0; j < count; j++) {
            const gla_error_number *x = gla_result_at(&bounds, GLA_O, j);
            zero += gla_error_bound(x, GLA_ERROR_LAMBDA) == 0;
            ck_assert_double_eq(x->x, gla_result_d(&truth, GLA_O, j));
        }
        if (i < 2)
            ck_assert_msg(zero == count, "%s: %ld of %ld bounds are zero", profiles[i], (long)zero, (long)count);
        else
            ck_assert_msg(zero > 0, "%s: no bound is zero", profiles[i]);
        gla_result_free(&bounds);
        gla_result_free(&truth);
        gla_numbers_close(errors);
        gla_numbers_close(exact);
    }
    gla_generated_free(&c);
}
END_TEST

/* The rules one by one, on numbers small enough to check by hand. */
START_TEST(test_single_operations) {
    gla_error_model model = {.op = {.u = 0x1p-8, .p = 8}, .exp = {.u = 0x1p-6, .p = 8}};
    gla_numbers *n = gla_error_open(&model);
    gla_error_number x, y, z;
    n->ops->set_d(n, &x, 255);
    n->ops->set_d(n, &y, 1);
    n->ops->add(n, &z, &x, &y); /* 256 fits 8 bits whatever the order */
    ck_assert(z.x == 256 && gla_error_bound(&z, 3.5) == 0);
    n->ops->set_d(n, &y, 2);
    n->ops->add(n, &z, &x, &y); /* 257 does not: one rounding of 2^-8 * 257 */
    ck_assert(z.x == 257 && fabs(gla_error_bound(&z, 3.5) - 257.0 / 256) < 1e-12);
    n->ops->set_d(n, &x, -INFINITY);
    n->ops->exp(n, &z, &x);
    ck_assert(z.x == 0 && gla_error_bound(&z, 3.5) == 0);
    n->ops->set_d(n, &x, 0);
    n->ops->exp(n, &z, &x);
    ck_assert(z.x == 1 && gla_error_bound(&z, 3.5) == 0);
    n->ops->set_d(n, &x, -1);
    n->ops->exp(n, &z, &x);
    ck_assert(fabs(gla_error_bound(&z, 3.5) - exp(-1) / 64) < 1e-12);
    x = (gla_error_number){.x = 3, .var = 4, .lin = 5, .det = 1, .size = 3, .unit = -100};
    ck_assert_double_eq(gla_error_bound(&x, 2), 5); /* 2 sqrt 4 + 1 */
    ck_assert_double_eq(gla_error_bound(&x, 9), 6); /* lin + 1 */
    gla_numbers_close(n);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("error");
    TCase *t = tcase_create("error");
    tcase_set_timeout(t, 120);
    tcase_add_test(t, test_single_operations);
    tcase_add_test(t, test_integers_earn_zero_bounds);
    tcase_add_test(t, test_binary32_stays_within_f32);
    tcase_add_test(t, test_binary32_chunks_stay_within_f32_chunk);
    tcase_add_test(t, test_bf16_operands_stay_within_chunk_bf16);
    tcase_add_test(t, test_f16_operands_stay_within_chunk_f16);
    tcase_add_test(t, test_tf32_operands_stay_within_f32_tf32);
    tcase_add_test(t, test_undeclared_rounding_breaks_the_bound);
    suite_add_tcase(s, t);
    return s;
}

int main(void) { return test_main(suite()); }
