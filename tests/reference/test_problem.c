/* SPDX-License-Identifier: Apache-2.0
 *
 * What gla_problem_check refuses, and how it says so: the status, the tensor's name and the index
 * [b,t,h,i] of the first offence.
 */
#include "gated/problems.h"

/* B=2, T=3, H=2, dk=3, dv=2, everything present and legal. */
static void problem_legal(test_problem *x) {
    test_random r = random_from(700);
    *x = problem_sized(2, 3, 2, 3, 2);
    for (int i = 0; i < GATED_INPUTS; i++) {
        problem_give(x, (gla_input)i, 2);
        problem_fill(x, (gla_input)i, &r, 1, 0);
    }
}

static void expect(const test_problem *x, bool growth, gla_status wanted, const char *tensor, const char *index) {
    gla_error err = {0};
    gla_status got = gla_problem_check(&x->p, growth, &err);
    ck_assert_msg(got == wanted, "wanted '%s', got '%s': %s", gla_status_text(wanted), gla_status_text(got), err.what);
    if (wanted == GLA_OK) return;
    ck_assert_int_eq(err.status, wanted);
    ck_assert_msg(strstr(err.what, tensor) != NULL, "'%s' does not name %s", err.what, tensor);
    ck_assert_msg(strstr(err.what, index) != NULL, "'%s' does not say %s", err.what, index);
    ck_assert_int_eq(gla_problem_check(&x->p, growth, NULL), wanted); /* the error is optional */
}

START_TEST(legal) {
    test_problem x;
    problem_legal(&x);
    expect(&x, false, GLA_OK, "", "");
    x.at[GLA_IN_GK][0] = -INFINITY; /* exact resets are legal */
    x.at[GLA_IN_GV][3] = -INFINITY;
    x.at[GLA_IN_GK][1] = 0;
    x.at[GLA_IN_GK][2] = -1e300;
    expect(&x, false, GLA_OK, "", "");
    problem_free(&x);
}
END_TEST

/* One bad value in each tensor, at its last element but one: [b,t,h,i] spelled out. */
START_TEST(bad_values) {
    static const char *const index[GATED_INPUTS] = {"[1,2,1,1]", "[1,2,1,1]", "[1,2,1,0]", "[1,2,1,1]",
                                                    "[1,2,1,0]", "[1,1,2,0]", "[1,2,1,0]", "[1,1,2,0]"};
    const double bad[] = {NAN, INFINITY, -INFINITY};
    test_problem x;
    problem_legal(&x);
    int64_t last = problem_count(&x, (gla_input)_i) - 2;
    bool gate = _i == GLA_IN_GK || _i == GLA_IN_GV;
    for (int k = 0; k < 3; k++) {
        double kept = x.at[_i][last];
        x.at[_i][last] = bad[k];
        bool legal = gate && k == 2;
        expect(&x, false, legal ? GLA_OK : GLA_BAD_VALUE, gla_input_names[_i], index[_i]);
        x.at[_i][last] = kept;
    }
    expect(&x, false, GLA_OK, "", "");
    problem_free(&x);
}
END_TEST

/* The first offender in row-major order is the one named. */
START_TEST(first_offender) {
    test_problem x;
    problem_legal(&x);
    int64_t s[4];
    shape_of(&x.p, GLA_IN_K, 2, s);
    x.at[GLA_IN_K][index_in(s, 1, 0, 1, 2)] = NAN;
    x.at[GLA_IN_K][index_in(s, 0, 2, 1, 0)] = NAN;
    expect(&x, false, GLA_BAD_VALUE, "k", "[0,2,1,0]");
    problem_free(&x);
}
END_TEST

START_TEST(growth) {
    static const gla_input gates[] = {GLA_IN_GK, GLA_IN_GV};
    test_problem x;
    problem_legal(&x);
    for (int k = 0; k < 2; k++) {
        double *g = x.at[gates[k]], kept = g[0];
        g[0] = 0x1p-1074;
        expect(&x, false, GLA_BAD_VALUE, gla_input_names[gates[k]], "[0,0,0,0]");
        expect(&x, true, GLA_OK, "", "");
        g[0] = NAN; /* growth does not let NaN in */
        expect(&x, true, GLA_BAD_VALUE, gla_input_names[gates[k]], "[0,0,0,0]");
        g[0] = INFINITY;
        expect(&x, true, GLA_BAD_VALUE, gla_input_names[gates[k]], "[0,0,0,0]");
        g[0] = kept;
    }
    problem_free(&x);
}
END_TEST

/* Only what a view reaches is looked at: strided data with NaN in the gaps passes, and NaN in the
 * view does not. */
START_TEST(strides) {
    test_problem x;
    problem_legal(&x);
    double *wide = malloc(4 * (size_t)problem_count(&x, GLA_IN_Q) * sizeof *wide);
    for (int64_t i = 0; i < 4 * problem_count(&x, GLA_IN_Q); i++) wide[i] = i % 4 == 0 ? 0.5 : NAN;
    x.p.q.at = wide;
    for (int i = 0; i < 4; i++) x.p.q.stride[i] *= 4;
    expect(&x, false, GLA_OK, "", "");
    wide[4] = NAN;
    expect(&x, false, GLA_BAD_VALUE, "q", "[0,0,0,1]");
    free(wide);
    problem_free(&x);
}
END_TEST

START_TEST(bad_sizes) {
    static const struct {
        size_t field;
        const char *name;
    } sizes[] = {{offsetof(gla_problem, B), "B"},   {offsetof(gla_problem, T), "T"},   {offsetof(gla_problem, H), "H"},
                 {offsetof(gla_problem, dk), "dk"}, {offsetof(gla_problem, dv), "dv"}, {offsetof(gla_problem, N), "N"}};
    const int64_t bad[] = {0, -1, INT64_MIN, (int64_t)1 << 31, INT64_MAX};
    test_problem x;
    problem_legal(&x);
    int64_t *field = (int64_t *)((char *)&x.p + sizes[_i].field);
    for (size_t k = 0; k < sizeof bad / sizeof *bad; k++) {
        int64_t kept = *field;
        *field = bad[k];
        expect(&x, false, GLA_BAD_SHAPE, sizes[_i].name, "");
        *field = kept;
    }
    problem_free(&x);
}
END_TEST

/* Each size is small, their product is not: 2^16 * 2^16 elements wrap to 0 in 32 bits, 2^66 in 64.
 */
START_TEST(huge_products) {
    test_problem x;
    problem_legal(&x);
    x.p.dk = x.p.dv = 65536;
    expect(&x, false, GLA_BAD_SHAPE, "", "");
    x.p.dk = x.p.dv = 3;
    x.p.B = x.p.N = (int64_t)1 << 30;
    x.p.T = (int64_t)1 << 30;
    x.p.H = 64;
    expect(&x, false, GLA_BAD_SHAPE, "", "");
    x.p.B = x.p.N = 1;
    x.p.T = (int64_t)1 << 20;
    x.p.H = 2048;
    for (int i = 0; i < GATED_INPUTS; i++) gla_problem_input(&x.p, (gla_input)i)->heads = 1;
    expect(&x, false, GLA_BAD_SHAPE, "o", "");
    problem_free(&x);
}
END_TEST

START_TEST(missing) {
    static const gla_input needed[] = {GLA_IN_Q, GLA_IN_K, GLA_IN_V};
    test_problem x;
    problem_legal(&x);
    gla_tensor *tensor = gla_problem_input(&x.p, needed[_i]);
    tensor->at = NULL;
    expect(&x, false, GLA_BAD_SHAPE, gla_input_names[needed[_i]], "");
    problem_free(&x);
}
END_TEST

START_TEST(optional) {
    static const gla_input free_ones[] = {GLA_IN_GK, GLA_IN_GV, GLA_IN_INITIAL_STATE, GLA_IN_DO, GLA_IN_DFINAL_STATE};
    test_problem x;
    problem_legal(&x);
    gla_problem_input(&x.p, free_ones[_i])->at = NULL;
    expect(&x, false, GLA_OK, "", "");
    problem_free(&x);
}
END_TEST

START_TEST(heads) {
    test_problem x;
    problem_legal(&x);
    for (int i = 0; i < GATED_INPUTS; i++) {
        gla_tensor *tensor = gla_problem_input(&x.p, (gla_input)i);
        const int64_t bad[] = {0, -1, 3, 4};
        for (int k = 0; k < 4; k++) {
            tensor->heads = bad[k];
            expect(&x, false, GLA_BAD_SHAPE, gla_input_names[i], "");
        }
        tensor->heads = 1; /* divides: a shared head */
        expect(&x, false, GLA_OK, "", "");
        tensor->heads = 2;
    }
    problem_free(&x);
}
END_TEST

static void expect_segments(int64_t n, const int64_t *cu, gla_status wanted) {
    test_problem x = problem_sized(1, 5, 1, 2, 2);
    problem_segments(&x, n, cu);
    static const gla_input given[] = {GLA_IN_Q, GLA_IN_K, GLA_IN_V, GLA_IN_INITIAL_STATE};
    for (int i = 0; i < 4; i++) problem_give(&x, given[i], 1);
    expect(&x, false, wanted, "cu_seqlens", "");
    problem_free(&x);
}

START_TEST(segments) {
    expect_segments(1, (int64_t[]){0, 5}, GLA_OK);
    expect_segments(4, (int64_t[]){0, 0, 2, 3, 5}, GLA_OK);      /* an empty one, and one of a single token */
    expect_segments(3, (int64_t[]){0, 3, 2, 5}, GLA_BAD_SHAPE);  /* descends */
    expect_segments(2, (int64_t[]){0, 2, 4}, GLA_BAD_SHAPE);     /* stops early */
    expect_segments(2, (int64_t[]){0, 2, 6}, GLA_BAD_SHAPE);     /* runs over */
    expect_segments(2, (int64_t[]){1, 2, 5}, GLA_BAD_SHAPE);     /* starts late */
    expect_segments(2, (int64_t[]){-1, 2, 5}, GLA_BAD_SHAPE);    /* starts early */
    expect_segments(3, (int64_t[]){0, 7, 7, 5}, GLA_BAD_SHAPE);  /* over, then back */
    expect_segments(3, (int64_t[]){0, -2, 3, 5}, GLA_BAD_SHAPE); /* negative inside */
}
END_TEST

/* Without segments N is B; with segments B is 1. */
START_TEST(counts) {
    test_problem x;
    problem_legal(&x);
    x.p.N = 3;
    expect(&x, false, GLA_BAD_SHAPE, "N", "");
    int64_t cu[] = {0, 1, 3};
    problem_segments(&x, 2, cu);
    expect(&x, false, GLA_BAD_SHAPE, "B", "");
    problem_free(&x);
}
END_TEST

START_TEST(scale) {
    const double bad[] = {NAN, INFINITY, -INFINITY};
    test_problem x;
    problem_legal(&x);
    for (int k = 0; k < 3; k++) {
        x.p.scale = bad[k];
        expect(&x, false, GLA_BAD_VALUE, "scale", "");
    }
    x.p.scale = -2;
    expect(&x, false, GLA_OK, "", "");
    problem_free(&x);
}
END_TEST

START_TEST(shapes) {
    test_problem x = problem_sized(1, 9, 6, 4, 5);
    problem_segments(&x, 3, (int64_t[]){0, 2, 4, 9});
    for (int i = 0; i < GATED_INPUTS; i++) {
        int64_t wanted[4], got[4], heads = i % 3 + 1;
        problem_give(&x, (gla_input)i, heads);
        shape_of(&x.p, (gla_input)i, heads, wanted);
        gla_input_shape(&x.p, (gla_input)i, got);
        ck_assert_mem_eq(got, wanted, sizeof wanted);
    }
    static const struct {
        gla_output out;
        gla_input like;
    } gradients[] = {{GLA_DQ, GLA_IN_Q},   {GLA_DK, GLA_IN_K},   {GLA_DV, GLA_IN_V},
                     {GLA_DGK, GLA_IN_GK}, {GLA_DGV, GLA_IN_GV}, {GLA_DINITIAL_STATE, GLA_IN_INITIAL_STATE}};
    for (int i = 0; i < 6; i++) {
        int64_t in[4], out[4];
        gla_input_shape(&x.p, gradients[i].like, in);
        gla_output_shape(&x.p, gradients[i].out, out);
        ck_assert_msg(memcmp(in, out, sizeof in) == 0, "%s", gla_output_names[gradients[i].out]);
    }
    int64_t o[4], state[4];
    gla_output_shape(&x.p, GLA_O, o);
    gla_output_shape(&x.p, GLA_FINAL_STATE, state);
    ck_assert_mem_eq(o, ((int64_t[]){1, 9, 6, 5}), sizeof o);
    ck_assert_mem_eq(state, ((int64_t[]){3, 6, 4, 5}), sizeof state);
    problem_free(&x);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("problem");
    TCase *t = tcase_create("check");
    tcase_set_timeout(t, 30);
    tcase_add_test(t, legal);
    tcase_add_loop_test(t, bad_values, 0, GATED_INPUTS);
    tcase_add_test(t, first_offender);
    tcase_add_test(t, growth);
    tcase_add_test(t, strides);
    tcase_add_loop_test(t, bad_sizes, 0, 6);
    tcase_add_test(t, huge_products);
    tcase_add_loop_test(t, missing, 0, 3);
    tcase_add_loop_test(t, optional, 0, 5);
    tcase_add_test(t, heads);
    tcase_add_test(t, segments);
    tcase_add_test(t, counts);
    tcase_add_test(t, scale);
    tcase_add_test(t, shapes);
    suite_add_tcase(s, t);
    return s;
}

int main(void) { return test_main(suite()); }
