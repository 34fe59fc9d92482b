/* SPDX-License-Identifier: Apache-2.0
 *
 * The unsafe forms fail where closed form predicts, and the safe ones beside them do not:
 *     ut-product           equal unit keys, C = 64: its inverse is off by 1e9 and more (test_inverse.c), o with it
 *     bounded              sub-blocks of c: the first row is e^(h|g|) away from the middle row h = floor(c/2); binary32
 *                          overflows at h|g| > 88.72, and at any reset inside a block
 *     chunkwise-factored   local row r (from 1) divides by e^(-r|g|): r|g| > 88.72 loses u_r, and with it, as 0 times
 *                          NaN in P U, the whole chunk
 *     gate routes          identities lose e^g behind strong gates, direct, straddle and strict do not
 *     beta |k|^2 > 2       is no fault of a form: the state along the key is multiplied by 1 - beta |k|^2 at every
 * token
 */
#include "deltas.h"

/* One head with the same gate everywhere; q, k entries +-1, beta small enough for keys of length^2 dk. */
static test_delta trap(size_t T, size_t gate, double g) {
    test_random r = random_from(300);
    test_delta x = delta_sized(T, 3, 2, gate);
    for (int i = 0; i < INS; i++)
        for (size_t j = 0; j < delta_count(&x, (test_in)i); j++) {
            double sign = random_chance(&r, 0.5) ? 1 : -1;
            x.at[i][j] = i == IN_Q || i == IN_K ? sign : i == IN_G ? g : i == IN_BETA ? 0.25 : random_signed(&r);
        }
    return x;
}

/* The first token of o that is not finite; T if all are. */
static size_t first_bad(const delta_slice *s) {
    for (size_t t = 0; t < s->T; t++)
        for (size_t j = 0; j < s->dv; j++)
            if (!isfinite(s->in->ops->get_d(s->in, gla_at(s->o, t, j)))) return t;
    return s->T;
}

/* Every output of the form in binary32 is finite and near the truth. */
static void check_right(const test_delta *x, gla_form form, double tol) {
    char text[96];
    gla_form_print(&form, text, sizeof text);
    delta_slice truth = delta_solved(x, delta_form_named("recurrent", GLA_SOLVE), "mpfr:128");
    delta_slice s = delta_solved(x, form, "binary32");
    for (int i = 0; i < OUTS; i++) {
        if (i == OUT_DG) continue; /* routes differ in how far dg may be off: gate_gradient.h */
        double apart = delta_apart(&truth, &s, (test_out)i);
        ck_assert_msg(apart <= tol, "%s, g = %g: %s is off by %g", text, x->gate ? x->at[IN_G][0] : 0, out_names[i],
                      apart);
    }
    delta_close(&truth);
    delta_close(&s);
}

static const gla_solver safe_solvers[] = {GLA_SOLVE, GLA_UT, GLA_UT_BLOCKED};

START_TEST(product_form) {
    test_delta x = trap(64, 0, 0);
    for (size_t j = 0; j < 64 * 3; j++) x.at[IN_K][j] = j % 3 == 1;
    for (size_t t = 0; t < 64; t++) x.at[IN_BETA][t] = 1;
    for (int i = 0; i < 3; i++) check_right(&x, delta_form_named("chunkwise:64:16", safe_solvers[i]), 1e-5);
    check_right(&x, delta_form_named("parallel", GLA_SOLVE), 1e-5);
    gla_form form = delta_form_named("chunkwise:64:16", GLA_UT_PRODUCT);
    delta_slice truth = delta_solved(&x, delta_form_named("recurrent", GLA_SOLVE), "mpfr:128");
    delta_slice s = delta_solved(&x, form, "binary32");
    double apart = matrices_apart(s.o, truth.o, 0);
    ck_assert_msg(apart > 0.99, "the product form's o is off by only %g of itself", apart);
    delta_close(&truth);
    delta_close(&s);
    form.C = 8; /* powers up to C(6,3): nothing to lose */
    form.c = 8;
    check_right(&x, form, 1e-5);
    delta_free(&x);
}
END_TEST

START_TEST(bounded) {
    static const struct {
        double g;
        bool works;
    } rows[] = {{-0.5, true},     {-5, true},   {-10.75, true}, /* 8 * 10.75 = 86 */
                {-11.125, false}, {-30, false}, /* 8 * 11.125 = 89 */ {-700, false}};
    gla_form form = delta_form_named("chunkwise:32:16", GLA_SOLVE);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        test_delta x = trap(32, 3, rows[i].g);
        form.bounded = false;
        check_right(&x, form, 1e-5);
        form.bounded = true;
        if (rows[i].works)
            check_right(&x, form, 1e-5);
        else {
            delta_slice s = delta_solved(&x, form, "binary32");
            ck_assert_msg(first_bad(&s) == 0, "g = %g: first bad token %zu", rows[i].g, first_bad(&s));
            delta_close(&s);
        }
        delta_free(&x);
    }
}
END_TEST

/* A smaller block has its middle nearer: c = 4 bears |g| up to 44. */
START_TEST(bounded_by_block) {
    static const struct {
        int64_t c;
        double good, bad;
    } rows[] = {{4, -43, -45}, {8, -21.5, -22.5}, {16, -10.75, -11.125}, {32, -5.25, -5.625}};
    gla_form form = delta_form_named("chunkwise:32:16", GLA_UT);
    form.bounded = true;
    form.c = rows[_i].c;
    test_delta x = trap(32, 3, rows[_i].good);
    check_right(&x, form, 1e-5);
    delta_free(&x);
    x = trap(32, 3, rows[_i].bad);
    delta_slice s = delta_solved(&x, form, "binary32");
    ck_assert_uint_eq(first_bad(&s), 0);
    delta_close(&s);
    delta_free(&x);
}
END_TEST

/* A reset before the middle row: rows in front of it are infinitely far from the anchor. */
START_TEST(bounded_reset) {
    test_delta x = trap(16, 3, -0.5);
    for (size_t c = 0; c < 3; c++) x.at[IN_G][4 * 3 + c] = -INFINITY;
    gla_form form = delta_form_named("chunkwise:16:16", GLA_SOLVE);
    check_right(&x, form, 1e-5);
    form.bounded = true;
    delta_slice s = delta_solved(&x, form, "binary32");
    ck_assert_uint_eq(first_bad(&s), 0);
    delta_close(&s);
    delta_free(&x);
}
END_TEST

START_TEST(factored) {
    static const double gates[] = {-0.125, -1.25, -1.375, -1.5, -2, -5.5, -30};
    for (size_t i = 0; i < sizeof gates / sizeof *gates; i++)
        for (int solver = 0; solver < 2; solver++) {
            test_delta x = trap(70, 3, gates[i]); /* a ragged second chunk */
            gla_form form = delta_form_named("chunkwise-factored:64", (gla_solver)solver);
            size_t predicted = 70;
            for (size_t t = 70; t-- > 0;)
                if ((double)(t % 64 + 1) * -gates[i] > 88.7228) predicted = t - t % 64;
            delta_slice s = delta_solved(&x, form, "binary32");
            ck_assert_msg(first_bad(&s) == predicted, "g = %g: first bad token %zu, predicted %zu", gates[i],
                          first_bad(&s), predicted);
            delta_close(&s);
            if (predicted == 70) check_right(&x, form, 1e-5);
            delta_free(&x);
        }
}
END_TEST

/* Deep gates and resets do not disturb the safe forms, per channel or per head. */
START_TEST(safe) {
    static const double gates[] = {-0.125, -5.5, -30, -700, -1e4, -1e30, -INFINITY};
    for (size_t gate = 1; gate <= 3; gate += 2) {
        test_delta x = trap(70, gate, gates[_i]);
        for (int i = 0; i < 3; i++) check_right(&x, delta_form_named("chunkwise:64:16", safe_solvers[i]), 1e-5);
        check_right(&x, delta_form_named("chunkwise:16:4", GLA_UT_PRODUCT), 1e-5);
        check_right(&x, delta_form_named("parallel", GLA_SOLVE), 1e-5);
        check_right(&x, delta_form_named("recurrent", GLA_SOLVE), 1e-5);
        delta_free(&x);
    }
}
END_TEST

/* v = 0, S_0 along the one key: S_T = (1 - beta |k|^2)^T S_0, here (-2)^20. */
START_TEST(growth) {
    static const char *const texts[] = {"recurrent", "parallel", "chunkwise:8:4", "chunkwise:5:5"};
    test_delta x = trap(20, 0, 0);
    memset(x.at[IN_V], 0, 20 * 2 * sizeof(double));
    for (size_t j = 0; j < 60; j++) x.at[IN_K][j] = 1;
    for (size_t t = 0; t < 20; t++) x.at[IN_BETA][t] = 1;
    for (size_t j = 0; j < 6; j++) x.at[IN_S0][j] = 1;
    for (int i = 0; i < 4; i++)
        for (int solver = 0; solver < (i == 0 || i == 1 ? 1 : GLA_SOLVERS); solver++) {
            delta_slice s = delta_solved(&x, delta_form_named(texts[i], (gla_solver)solver), "mpfr:256");
            for (size_t j = 0; j < 6; j++)
                ck_assert_double_eq(s.in->ops->get_d(s.in, gla_at(s.ST, j / 2, j % 2)), 0x1p20);
            delta_close(&s);
        }
    delta_free(&x);
}
END_TEST

/* dg of each route in binary32 against the truth, as a share of the largest dg. */
static double route_error(const test_delta *x, const delta_slice *truth, const char *text) {
    delta_slice s = delta_solved(x, delta_form_named(text, GLA_SOLVE), "binary32");
    double apart = matrices_apart(s.dg, truth->dg, 0);
    delta_close(&s);
    return apart;
}

/* Hazard H3: behind strong gates dg is e^g of the terms that the sums subtract. Direct and straddle subtract nothing,
 * strict leaves out the largest of them. */
START_TEST(gate_routes) {
    test_delta x = trap(64, _i ? 3 : 1, -10);
    memset(x.at[IN_DST], 0, x.dk * x.dv * sizeof(double)); /* row(dS_fin*S_T) is in every sum, and of size 1 */
    delta_slice truth = delta_solved(&x, delta_form_named("recurrent", GLA_SOLVE), "mpfr:128");
    static const char *const good[] = {"recurrent+direct", "chunkwise:16:4+straddle", "parallel+straddle",
                                       "recurrent+strict", "chunkwise:16:4+strict",   "parallel+strict"};
    static const char *const lossy[] = {"recurrent+suffix", "chunkwise:16:4+anchor", "chunkwise:16:4+suffix",
                                        "parallel+prefix"};
    for (int i = 0; i < 6; i++) {
        double error = route_error(&x, &truth, good[i]);
        ck_assert_msg(error <= 2e-6, "%s is off by %g", good[i], error);
    }
    for (int i = 0; i < 4; i++) {
        double error = route_error(&x, &truth, lossy[i]);
        ck_assert_msg(error > 3e-4, "%s is off by only %g", lossy[i], error);
    }
    delta_close(&truth);
    delta_free(&x);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("delta traps");
    TCase *t = tcase_create("traps");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, product_form);
    tcase_add_test(t, bounded);
    tcase_add_loop_test(t, bounded_by_block, 0, 4);
    tcase_add_test(t, bounded_reset);
    tcase_add_test(t, factored);
    tcase_add_loop_test(t, safe, 0, 7);
    tcase_add_test(t, growth);
    tcase_add_loop_test(t, gate_routes, 0, 2);
    suite_add_tcase(s, t);
    return s;
}

int main(void) { return test_main(suite()); }
