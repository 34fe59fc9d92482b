/* SPDX-License-Identifier: Apache-2.0
 *
 * Where a naive mLSTM fails and this one does not: input gates past ln(max), long decays, the log of a sigmoid; and
 * what its running maximum loses in any narrow format.
 */
#include "reference/mlstm/log_gates.h"
#include "reference/number/error.h"
#include "slices.h"

/* Gates of both signs up to `strength`; q, k, v, dh positive, so that what is lost is lost to the gates. T = 40. */
static problem strong(double strength) {
    test_random r = random_from(1700);
    problem p = {.T = 40, .dk = 4, .dv = 3, .scale = 0.5};
    for (int i = 0; i < INPUTS; i++) {
        give(&p, i);
        bool gate = i == IN_I || i == IN_F;
        for (size_t j = 0; j < input_count(&p, i); j++)
            p.at[i][j] = gate ? strength * random_signed(&r) : random_unit(&r);
    }
    p.at[IN_M0][0] = 0;
    return p;
}

/* The definition without a stabiliser as the gated core runs it, k e^i on [v, 1]: are its numbers finite? */
static bool naive_is_finite(const problem *p, const char *numbers) {
    gla_numbers *n = numbers_named(numbers);
    mlstm_slice s = slice_made(p, n);
    gla_matrix weight = gla_new(n, s.T, 1);
    mlstm_gates gates = mlstm_log_gates(&s);
    gated_slice g = {.in = n, .T = s.T, .dk = s.dk, .dv = s.dv, .s = s.s, .q = s.q, .v = s.v, .S0 = s.C0};
    g.k = gla_new(n, s.T, s.dk);
    g.gk = gla_new(n, s.T, s.dk);
    g.o = gla_new(n, s.T, s.dv);
    g.ST = gla_new(n, s.dk, s.dv);
    gla_exp(weight, s.i);
    gla_copy(g.k, s.k);
    gla_decay(g.k, gla_transposed(weight), (gla_matrix){0});
    for (size_t c = 0; c < s.dk; c++) gla_copy(gla_column(g.gk, c), gates.f);
    gla_form form = form_named("recurrent", false);
    gated_recurrent(&g, &form);
    bool finite = true;
    for (size_t i = 0; i < s.T * s.dv; i++) finite &= isfinite(n->ops->get_d(n, gla_at(g.o, i / s.dv, i % s.dv))) != 0;
    gla_numbers_close(n);
    return finite;
}

/* Every output within tol of the truth, as far as `which` says. */
static void check_outputs(const problem *p, const char *form, const char *numbers, unsigned which, double tol) {
    mlstm_slice truth = solved(p, form_named("recurrent", true), "mpfr:300");
    mlstm_slice s = solved(p, form_named(form, true), numbers);
    for (int i = 0; i < OUTPUTS; i++) {
        if (!(which >> i & 1)) continue;
        double apart = matrices_apart(output_of(&truth, i), output_of(&s, i), size_of(&truth));
        ck_assert_msg(apart <= tol, "%s in %s: %s is off by %g, allowed %g", form, numbers, out_names[i], apart, tol);
    }
    gla_numbers_close(s.in);
    gla_numbers_close(truth.in);
}

/* The naive form overflows past ln(max), 88.72 in binary32, 709.78 in binary64; the stabilised ones keep their digits:
 * the error of an exponent of size |i| is |i| u, and h is a quotient of sums of such terms. So do all gradients of a
 * truncated run; of a full one only dv and the states are sums without cancellation (mlstm.h). */
START_TEST(input_gates_past_the_range) {
    static const struct {
        const char *numbers;
        double strength, u;
        bool naive_survives;
    } rows[] = {{"binary32", 60, 0x1p-24, true},
                {"binary32", 150, 0x1p-24, false},
                {"binary32", 700, 0x1p-24, false},
                {"binary64", 500, 0x1p-53, true},
                {"binary64", 1000, 0x1p-53, false}};
    static const char *const forms[] = {"recurrent", "parallel+straddle", "chunkwise:16:4", "chunkwise:64:64"};
    enum { ALL = (1 << OUTPUTS) - 1, SUMS = 1 << OUT_H | 1 << OUT_CT | 1 << OUT_NT | 1 << OUT_MT | 1 << OUT_DV };
    problem p = strong(rows[_i].strength);
    ck_assert_int_eq(naive_is_finite(&p, rows[_i].numbers), rows[_i].naive_survives);
    for (int f = 0; f < 4; f++) {
        double tol = 10 * rows[_i].strength * rows[_i].u;
        p.options.truncated = false;
        check_outputs(&p, forms[f], rows[_i].numbers, SUMS, tol);
        p.options.truncated = true;
        check_outputs(&p, forms[f], rows[_i].numbers, ALL, tol);
    }
    forget_problem(&p);
}
END_TEST

/* One token far above the others: h is its v, and the full gradient of q is the difference of that v and h. In binary32
 * nothing of it is left, in a truncated gradient nothing is lost. */
START_TEST(full_gradient_cancels) {
    problem p = strong(1);
    for (size_t t = 0; t < p.T; t++) p.at[IN_F][t] = 40, p.at[IN_I][t] = t == 0 ? 30 : 0;
    memset(p.at[IN_C0], 0, input_count(&p, IN_C0) * sizeof(double));
    memset(p.at[IN_N0], 0, input_count(&p, IN_N0) * sizeof(double));
    mlstm_slice truth = solved(&p, form_named("recurrent", true), "mpfr:300");
    mlstm_slice full = solved(&p, form_named("recurrent", true), "binary32");
    ck_assert_double_gt(matrices_apart(truth.dq, full.dq, 0), 0.1);
    ck_assert_double_le(matrices_apart(truth.h, full.h, 0), 64 * 0x1p-24);
    p.options.truncated = true;
    check_outputs(&p, "recurrent", "binary32", 1u << OUT_DQ, 64 * 0x1p-24);
    gla_numbers_close(truth.in);
    gla_numbers_close(full.in);
    forget_problem(&p);
}
END_TEST

/* logsigmoid to 3 roundings at any x, where ln(1/(1+e^-x)) is -inf below -88.7 and 0 above 17.3. */
START_TEST(log_sigmoid_keeps_its_digits) {
    static const double x[] = {-1e15, -500, -100, -89, -20, -1, -1e-10, 0, 1e-10, 1, 10, 17.5, 50, 80};
    enum { COUNT = sizeof x / sizeof *x };
    problem p = {.T = COUNT, .dk = 1, .dv = 1, .scale = 1};
    for (int i = 0; i < INPUTS; i++) give(&p, i);
    memcpy(p.at[IN_F], x, sizeof x);
    gla_numbers *n = numbers_named("binary32"), *exact = numbers_named("mpfr:300");
    mlstm_slice s = slice_made(&p, n), t = slice_made(&p, exact);
    mlstm_gates rough = mlstm_log_gates(&s);
    for (size_t i = 0; i < COUNT; i++) {
        gla_matrix wanted = gla_row(t.f, i);
        exact->ops->set_d(exact, wanted.at, (double)(float)x[i]);
        gla_neg(wanted, wanted);
        gla_exp(wanted, wanted);
        gla_log1p(wanted, wanted);
        gla_neg(wanted, wanted);
        double apart = matrices_apart(wanted, gla_row(rough.f, i), 0);
        ck_assert_msg(apart <= 3 * 0x1p-24, "logsigmoid(%g) is off by %g", x[i], apart);
        float naive = logf(1 / (1 + expf(-(float)x[i])));
        if (x[i] < -89) ck_assert(isinf(naive));
        if (x[i] > 17.4) ck_assert(naive == 0);
    }
    gla_numbers_close(n);
    gla_numbers_close(exact);
    forget_problem(&p);
}
END_TEST

/* e^-m leaves binary32 at m = -88.7: h is 0 there, and its true value is below 4e-39 times the data. */
START_TEST(vanishing_input_gates) {
    problem p = strong(1);
    for (size_t t = 0; t < p.T; t++) p.at[IN_I][t] = -200;
    free(p.at[IN_M0]), p.at[IN_M0] = NULL;
    static const char *const forms[] = {"recurrent", "parallel", "chunkwise:16:4"};
    for (int f = 0; f < 3; f++) {
        mlstm_slice s = solved(&p, form_named(forms[f], true), "binary32");
        for (size_t i = 0; i < p.T * p.dv; i++) ck_assert(s.in->ops->get_d(s.in, gla_at(s.h, i / p.dv, i % p.dv)) == 0);
        gla_numbers_close(s.in);
    }
    forget_problem(&p);
}
END_TEST

/* log f = -1.125e-7 is less than half the last place of m = 3 in binary32: every token loses it whole, 500 of
 * them 5.6e-5 of m, far more than independent roundings would. The bounds know, and are not much more than that. */
START_TEST(what_a_running_maximum_loses) {
    problem p = strong(1);
    p.T = 500;
    for (int i = 0; i < INPUTS; i++) {
        free(p.at[i]);
        give(&p, i);
        for (size_t j = 0; j < input_count(&p, i); j++) p.at[i][j] = i == IN_F ? 16 : i == IN_I ? -2 : 1;
    }
    p.at[IN_M0][0] = 3;
    gla_rounding_rule rounding = gla_rounding_into(&gla_binary32_format, false);
    const gla_error_model model = {.op = rounding, .exp = rounding, .sum = rounding};
    gla_form form = form_named("recurrent", true);
    mlstm_slice truth = solved(&p, form, "mpfr:200"), kernel = solved(&p, form, "binary32");
    mlstm_slice errors = slice_made(&p, gla_error_open(&model));
    run_slice(&errors, form);
    ck_assert_double_eq(kernel.in->ops->get_d(kernel.in, kernel.mT.at), 3);
    for (int i = 0; i < OUTPUTS; i++) {
        gla_matrix is = output_of(&kernel, i), should = output_of(&truth, i), bounds = output_of(&errors, i);
        for (size_t r = 0; r < is.rows; r++)
            for (size_t c = 0; c < is.cols; c++) {
                double off = fabs(is.in->ops->get_d(is.in, gla_at(is, r, c)) -
                                  should.in->ops->get_d(should.in, gla_at(should, r, c)));
                double bound = gla_error_bound(gla_at(bounds, r, c), GLA_ERROR_LAMBDA);
                ck_assert_msg(off <= bound, "%s[%zu,%zu] is off by %g, bound %g", out_names[i], r, c, off, bound);
            }
    }
    const gla_error_number *m = (const void *)errors.mT.at;
    ck_assert_double_ge(gla_error_bound(m, GLA_ERROR_LAMBDA), 500 * 1.12e-7);
    ck_assert_double_le(gla_error_bound(m, GLA_ERROR_LAMBDA), 500 * 2e-7);
    gla_numbers_close(errors.in);
    gla_numbers_close(kernel.in);
    gla_numbers_close(truth.in);
    forget_problem(&p);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("mlstm traps");
    TCase *t = tcase_create("traps");
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, input_gates_past_the_range, 0, 5);
    tcase_add_test(t, full_gradient_cancels);
    tcase_add_test(t, log_sigmoid_keeps_its_digits);
    tcase_add_test(t, vanishing_input_gates);
    tcase_add_test(t, what_a_running_maximum_loses);
    suite_add_tcase(s, t);
    return s;
}

int main(void) { return test_main(suite()); }
