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
#include "../../../reference/verbs.h"
#include "../../testing.h"

/* One formulation in one number system over a generated case. */
static void run(const gla_generated *c, const char *form_text, gla_numbers *n, gla_result *r) {
    gla_error err;
    gla_form form;
    ck_assert_msg(gla_form_parse(form_text, &form, &err) == GLA_OK, "%s", err.what);
    form.backward = true;
    ck_assert_msg(gla_run(&c->problem, &form, n, r, &err) == GLA_OK, "%s", err.what);
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
            if (name == GLA_DGV || !gla_has_output(&c.problem, true, (gla_output)name)) continue;
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

/* ---- products ---- */

/* A matrix of draws with errors of every kind, some numbers exact, some zero. */
static gla_matrix errant(gla_numbers *n, size_t rows, size_t cols, uint32_t stream) {
    gla_matrix m = gla_new(n, rows, cols);
    for (uint64_t i = 0; i < rows * cols; i++) {
        gla_draw d = {test_seed(), stream, 4 * i};
        gla_error_number *x = gla_at(m, i / cols, i % cols);
        n->ops->set_d(n, x, i % 7 == 3 ? 0 : ldexp((double)gla_draw_below(d, 64U), -5) - 1);
        if (i % 3 == 0) continue;
        n->ops->set_d(n, x, gla_draw_normal(d));
        for (int k = 1; k < 4; k++) {
            d.index = 4 * i + (uint64_t)k;
            *(k == 1 ? &x->var : k == 2 ? &x->lin : &x->det) = 0x1p-9 * gla_draw_uniform(d);
        }
    }
    return m;
}

static bool same(const gla_error_number *a, const gla_error_number *b) {
    return a->x == b->x && a->var == b->var && a->lin == b->lin && a->det == b->det && a->size == b->size &&
           a->spared == b->spared && a->unit == b->unit && a->scaled == b->scaled;
}

/* Every element of a product is the same dot product as alone, to the last bit: in wide and ragged blocks, transposed
 * operands, sums that are rounded or cut, operands that are. */
START_TEST(test_a_product_is_its_dots) {
    static const char *const profiles[] = {"f32", "f32-chunk", "f32-tf32", "chunk-bf16", "chunk-f16"};
    gla_error_model model = gla_profile_named(profiles[_i])->model;
    model.repeats = 3;
    gla_numbers *n = gla_error_open(&model);
    gla_matrix A = errant(n, 5, 37, 1), B = gla_transposed(errant(n, 70, 37, 2)), C = errant(n, 5, 70, 3);
    gla_matrix alone = gla_new(n, 5, 70);
    gla_copy(alone, C);
    gla_product(C, A, B);
    for (size_t i = 0; i < 5; i++)
        for (size_t j = 0; j < 70; j++) {
            n->ops->dot(n, gla_at(alone, i, j), gla_at(A, i, 0), A.col, gla_at(B, 0, j), B.row, 37);
            ck_assert_msg(same(gla_at(C, i, j), gla_at(alone, i, j)), "%s [%zu,%zu]", profiles[_i], i, j);
        }
    gla_numbers_close(n);
}
END_TEST

/* A dot product by hand: 3 products, each operand rounded (u = 1/8), each product and sum too (u = 1/16). */
START_TEST(test_a_dot_by_hand) {
    gla_error_model model = {.operand = {.u = 0x1p-3, .p = 3}, .sum = {.u = 0x1p-4, .p = 4}};
    gla_numbers *n = gla_error_open(&model);
    gla_error_number x[3], y[3], z;
    static const double xs[3] = {9, 2, -4}, ys[3] = {1, 11, 3}; /* 9 and 11 do not fit 3 bits */
    for (int i = 0; i < 3; i++) {
        n->ops->set_d(n, &x[i], xs[i]);
        n->ops->set_d(n, &y[i], ys[i]);
    }
    n->ops->set_d(n, &z, 0);
    n->ops->dot(n, &z, x, sizeof x[0], y, sizeof y[0], 3);
    double products = 9 * 9 + 22 * 22 + 12 * 12, sums = 9 * 9 + 31 * 31 + 19 * 19;
    ck_assert_double_eq(z.x, 19);
    ck_assert_double_eq_tol(z.var, (9 * 9 + 22 * 22) / 64.0 + (products + sums) / 256, 1e-12);
    ck_assert_double_eq_tol(z.lin, (9 + 22) / 8.0 + (9 + 22 + 12 + 9 + 31 + 19) / 16.0, 1e-12);
    ck_assert(z.det == 0 && z.unit == 4 - 4 + 1);
    gla_numbers_close(n);
}
END_TEST

/* Equal roundings, twelve at most: twelve times the variance, the same sum of absolute errors. */
START_TEST(test_repeats_multiply_variances) {
    gla_generated c = generate("mild", test_seed());
    for (int i = 0; i < 2; i++) {
        const gla_profile *p = gla_profile_named(i ? "chunk-bf16" : "f32-tf32");
        gla_error_model many = p->model;
        many.repeats = 12;
        gla_numbers *once = gla_error_open(&p->model), *often = gla_error_open(&many);
        gla_result a, b;
        run(&c, p->form, once, &a);
        run(&c, p->form, often, &b);
        for (int64_t j = 0; j < a.tensor[GLA_DV].count; j++) {
            const gla_error_number *x = gla_result_at(&a, GLA_DV, j), *y = gla_result_at(&b, GLA_DV, j);
            ck_assert(fabs(y->var - 12 * x->var) <= 1e-12 * y->var && y->lin == x->lin && y->det >= x->det);
        }
        gla_result_free(&a);
        gla_result_free(&b);
        gla_numbers_close(once);
        gla_numbers_close(often);
    }
    gla_generated_free(&c);
}
END_TEST

/* Equal score gradients: all of their variance so far, at that site and no other. */
START_TEST(test_equal_score_gradients) {
    gla_error_model model = {.dscore_repeats = 5};
    gla_numbers *n = gla_error_open(&model);
    gla_error_number x = {.x = 3, .var = 2, .lin = 7, .size = 3, .unit = 0};
    n->ops->site(n, GLA_SITE_SCORE, &x);
    ck_assert_double_eq(x.var, 2);
    n->ops->site(n, GLA_SITE_DSCORE, &x);
    ck_assert(x.var == 10 && x.lin == 7 && x.det == 0);
    gla_numbers_close(n);
}
END_TEST

/* s (3 + 5 + 7) with s = 5/8: 15 fits 4 bits, s 15 does not, nor do s 3 + s 5 and all three; with s = 1/2 all do. */
START_TEST(test_what_exactness_spared_returns_with_the_scale) {
    gla_error_model model = {.op = {.u = 0x1p-4, .p = 4}, .sum = {.u = 0x1p-4, .p = 4}};
    gla_numbers *n = gla_error_open(&model);
    static const double terms[3] = {3, 5, 7}, scales[2] = {0.5, 0.625};
    for (int i = 0; i < 2; i++) {
        gla_error_number x[3], one, s, z;
        for (int k = 0; k < 3; k++) n->ops->set_d(n, &x[k], terms[k]);
        n->ops->set_d(n, &one, 1);
        n->ops->set_d(n, &s, scales[i]);
        n->ops->site(n, GLA_SITE_SCALE, &s);
        n->ops->set_d(n, &z, 0);
        n->ops->dot(n, &z, x, sizeof x[0], &one, 0, 3);
        ck_assert(gla_error_bound(&z, 3.5) == 0); /* as long as it is not scaled */
        n->ops->mul(n, &z, &z, &s);
        double products = 3 + 5 + 7, sums = 3 + 8 + 15, spared = (products + sums) / 16 * 0.625;
        ck_assert_double_eq_tol(gla_error_bound(&z, 3.5), i == 0 ? 0 : spared + 0.625 * 15 / 16, 1e-12);
        n->ops->set_d(n, &z, 0);
        n->ops->dot(n, &z, x, sizeof x[0], &one, 0, 3);
        n->ops->site(n, GLA_SITE_STATE, &z); /* a state is never held scaled */
        n->ops->mul(n, &z, &z, &s);
        ck_assert_double_eq_tol(gla_error_bound(&z, 3.5), i == 0 ? 0 : 0.625 * 15 / 16, 1e-12);
    }
    gla_numbers_close(n);
}
END_TEST

/* Products that all underflow to 0: what is lost grows with their number. */
START_TEST(test_underflowing_products_add_up) {
    enum { K = 200 };
    const gla_rounding_rule rule = gla_rounding_into(&gla_binary32_format, false);
    gla_error_model model = {.op = rule, .sum = rule};
    gla_numbers *n = gla_error_open(&model), *e = gla_emulator_open(&model, 0);
    gla_matrix x = gla_new(n, 1, K), y = gla_new(n, 1, K), z = gla_new(n, 1, 1);
    gla_matrix u = gla_new(e, 1, K), v = gla_new(e, 1, K), w = gla_new(e, 1, 1);
    for (size_t i = 0; i < K; i++) {
        n->ops->set_d(n, gla_at(x, 0, i), 0x1p-75);
        n->ops->set_d(n, gla_at(y, 0, i), 0x1.8p-76);
        e->ops->set_d(e, gla_at(u, 0, i), 0x1p-75);
        e->ops->set_d(e, gla_at(v, 0, i), 0x1.8p-76);
    }
    gla_row_dot(z, x, y);
    gla_row_dot(w, u, v);
    double truth = K * 0x1.8p-151, bound = gla_error_bound(gla_at(z, 0, 0), GLA_ERROR_LAMBDA);
    ck_assert(e->ops->get_d(e, w.at) == 0);
    ck_assert_msg(truth <= bound && bound <= 2 * truth, "%g lost, bound %g", truth, bound);
    gla_numbers_close(n);
    gla_numbers_close(e);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("error");
    TCase *t = tcase_create("error");
    tcase_set_timeout(t, 120);
    tcase_add_test(t, test_single_operations);
    tcase_add_loop_test(t, test_a_product_is_its_dots, 0, 5);
    tcase_add_test(t, test_a_dot_by_hand);
    tcase_add_test(t, test_repeats_multiply_variances);
    tcase_add_test(t, test_equal_score_gradients);
    tcase_add_test(t, test_what_exactness_spared_returns_with_the_scale);
    tcase_add_test(t, test_integers_earn_zero_bounds);
    tcase_add_test(t, test_binary32_stays_within_f32);
    tcase_add_test(t, test_underflowing_products_add_up);
    tcase_add_test(t, test_binary32_chunks_stay_within_f32_chunk);
    tcase_add_test(t, test_bf16_operands_stay_within_chunk_bf16);
    tcase_add_test(t, test_f16_operands_stay_within_chunk_f16);
    tcase_add_test(t, test_tf32_operands_stay_within_f32_tf32);
    tcase_add_test(t, test_undeclared_rounding_breaks_the_bound);
    suite_add_tcase(s, t);
    return s;
}

int main(void) { return test_main(suite()); }
