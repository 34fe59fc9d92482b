/* SPDX-License-Identifier: Apache-2.0
 *
 * States are one up to their units: the comparison sees that and nothing less, and the mLSTM computes the same from any
 * units of its initial state, whatever the convention for m_0.
 */
#include "reference/mlstm/gauge.h"
#include "slices.h"

static mlstm_state final_state(const mlstm_slice *s) { return (mlstm_state){s->CT, s->nT, s->mT}; }

/* C_0, n_0 in units of 2^-d of what they were: m_0 + d ln 2 is not a double, so the shift is of the matrices. */
static void shift(mlstm_slice *s, double d) {
    gla_numbers *n = s->in;
    gla_matrix to = gla_new(n, 1, 1), by = scalar(n, d);
    gla_add(to, s->m0, by);
    mlstm_regauge((mlstm_state){s->C0, s->n0, s->m0}, to);
}

START_TEST(any_units_give_the_same) {
    static const char *const forms[] = {"recurrent", "parallel", "chunkwise:3:2"};
    static const double shifts[] = {1, -1, 30, -30, 500, -2000};
    problem p = problem_of_golden((mlstm_options){0});
    mlstm_slice plain = solved(&p, form_named("recurrent", true), "mpfr:256");
    for (size_t i = 0; i < sizeof shifts / sizeof *shifts; i++) {
        mlstm_slice s = slice_made(&p, numbers_named("mpfr:256"));
        shift(&s, shifts[i]);
        run_slice(&s, form_named(forms[_i], true));
        /* with m_T = -1.66 + 500 the final state is mostly in units that the data do not reach: 500/ln 10 digits less
         */
        double lost = shifts[i] > 100 ? 1e-60 : 1e-70;
        ck_assert_double_le(matrices_apart(plain.h, s.h, 0), lost);
        ck_assert_double_le(mlstm_states_apart(final_state(&plain), final_state(&s)), lost);
        ck_assert_double_le(
            mlstm_states_apart((mlstm_state){plain.C0, plain.n0, plain.m0}, (mlstm_state){s.C0, s.n0, s.m0}), 1e-70);
        gla_numbers_close(s.in);
    }
    gla_numbers_close(plain.in);
    forget_problem(&p);
}
END_TEST

/* An empty state: m_0 = 0, -inf or anything gives the same h and state as long as eps = 0 ... */
START_TEST(conventions_for_m0) {
    static const double m0[] = {0, -INFINITY, 7, -50};
    problem p = problem_of_golden((mlstm_options){0});
    memset(p.at[IN_C0], 0, input_count(&p, IN_C0) * sizeof(double));
    memset(p.at[IN_N0], 0, input_count(&p, IN_N0) * sizeof(double));
    mlstm_slice plain = solved(&p, form_named("recurrent", true), "mpfr:256");
    for (int i = 0; i < 4; i++) {
        p.at[IN_M0][0] = m0[i];
        mlstm_slice s = solved(&p, form_named("chunkwise:3:2", true), "mpfr:256");
        ck_assert_double_le(matrices_apart(plain.h, s.h, 0), 1e-70);
        ck_assert_double_le(mlstm_states_apart(final_state(&plain), final_state(&s)), 1e-70);
        gla_numbers_close(s.in);
    }
    gla_numbers_close(plain.in);
    forget_problem(&p);
}
END_TEST

/* With m_0 = -inf the initial state is not even looked at. */
START_TEST(empty_state_is_not_read) {
    static const char *const forms[] = {"recurrent", "parallel", "chunkwise:3:2"};
    problem p = problem_of_golden((mlstm_options){0});
    p.at[IN_M0][0] = -INFINITY;
    p.at[IN_C0][1] = p.at[IN_N0][2] = NAN;
    mlstm_slice s = solved(&p, form_named(forms[_i], true), "binary64");
    free(p.at[IN_C0]), free(p.at[IN_N0]), free(p.at[IN_M0]);
    p.at[IN_C0] = p.at[IN_N0] = p.at[IN_M0] = NULL;
    mlstm_slice absent = solved(&p, form_named(forms[_i], true), "binary64");
    check_slices_agree(&absent, &s, 0, forms[_i]);
    gla_numbers_close(s.in);
    gla_numbers_close(absent.in);
    forget_problem(&p);
}
END_TEST

/* ... and eps acts in units of e^m: where e^-m is the greater, h is multiplied by 1/(1 + eps e^m) (H7). */
START_TEST(eps_in_stabilised_units) {
    static const struct { double m, factor; } published[] = {{10, 0.978}, {15, 0.234}};
    for (int i = 0; i < 2; i++) {
        problem p = {.T = 1, .dk = 1, .dv = 1, .scale = 1};
        for (int j = 0; j < INPUTS; j++) give(&p, j);
        p.at[IN_Q][0] = 1e-9; /* |nrm| < e^-m */
        p.at[IN_K][0] = p.at[IN_V][0] = 1;
        p.at[IN_I][0] = published[i].m;
        mlstm_slice exact = solved(&p, form_named("parallel", false), "mpfr:256");
        p.eps = 1e-6;
        mlstm_slice s = solved(&p, form_named("parallel", false), "mpfr:256");
        double factor = s.in->ops->get_d(s.in, s.h.at) / exact.in->ops->get_d(exact.in, exact.h.at);
        ck_assert_double_eq_tol(factor, published[i].factor, 5e-4); /* three digits are published */
        ck_assert_double_eq_tol(factor, 1 / (1 + 1e-6 * exp(published[i].m)), 1e-14);
        gla_numbers_close(exact.in);
        gla_numbers_close(s.in);
        forget_problem(&p);
    }
}
END_TEST

static mlstm_state state_of(gla_numbers *n, const double C[4], const double N[2], double m) {
    mlstm_state s = {gla_new(n, 2, 2), gla_new(n, 2, 1), scalar(n, m)};
    for (size_t i = 0; i < 4; i++) n->ops->set_d(n, gla_at(s.C, i / 2, i % 2), C[i]);
    for (size_t i = 0; i < 2; i++) n->ops->set_d(n, gla_at(s.n, i, 0), N[i]);
    return s;
}

/* The comparison itself: equal up to units across systems, and by how much not; NaN is never equal. */
START_TEST(comparison) {
    gla_numbers *n = numbers_named("mpfr:256"), *f = numbers_named("binary32");
    const double C[4] = {1, -2, 3, 0}, N[2] = {0.5, 4}, zero[4] = {0};
    mlstm_state a = state_of(n, C, N, 3), b = state_of(f, C, N, 3);
    ck_assert_double_eq(mlstm_states_apart(a, b), 0);
    mlstm_regauge(a, scalar(n, 2.5));
    ck_assert_double_eq(a.m.in->ops->get_d(n, a.m.at), 2.5);
    ck_assert_double_le(mlstm_states_apart(a, b), 1e-70);
    mlstm_regauge(b, scalar(f, 2.5)); /* one rounding of the factor, one of each product */
    ck_assert_double_le(mlstm_states_apart(a, b), 4 * 0x1p-24);
    ck_assert_double_gt(mlstm_states_apart(a, b), 0);
    const double other[4] = {1, -2, 3.5, 0};
    ck_assert_double_eq_tol(mlstm_states_apart(state_of(n, C, N, 3), state_of(n, other, N, 3)), 0.125, 1e-15);
    const double far[2] = {0.5, 6};
    ck_assert_double_eq_tol(mlstm_states_apart(state_of(n, C, N, 3), state_of(n, C, far, 3)), 2.0 / 6, 1e-15);
    mlstm_state no_n = state_of(n, C, far, 3);
    no_n.n = (gla_matrix){0};
    ck_assert_double_eq(mlstm_states_apart(state_of(n, C, N, 3), no_n), 0);
    ck_assert_double_eq_tol(mlstm_states_apart(state_of(n, C, N, 3), state_of(n, C, N, 4)), 1 - exp(-1), 1e-15);
    ck_assert_double_eq(mlstm_states_apart(state_of(n, zero, zero, -INFINITY), state_of(n, zero, zero, 5)), 0);
    ck_assert_double_eq(mlstm_states_apart(state_of(n, C, N, -INFINITY), state_of(n, C, N, 0)), 1);
    const double bad[4] = {1, NAN, 3, 0};
    ck_assert(isnan(mlstm_states_apart(state_of(n, C, N, 3), state_of(n, bad, N, 3))));
    gla_numbers_close(n);
    gla_numbers_close(f);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("mlstm gauge");
    TCase *t = tcase_create("gauge");
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, any_units_give_the_same, 0, 3);
    tcase_add_test(t, conventions_for_m0);
    tcase_add_loop_test(t, empty_state_is_not_read, 0, 3);
    tcase_add_test(t, eps_in_stabilised_units);
    tcase_add_test(t, comparison);
    suite_add_tcase(s, t);
    return s;
}

int main(void) { return test_main(suite()); }
