/* SPDX-License-Identifier: Apache-2.0
 *
 * Cumulative log gates and the decays made of them, in every number system, exact resets included.
 */
#include "bench.h"

/* The exact decay over rows first..last of channel j (0 if one of them resets) and the sum of |g| its computation saw:
 * all rows since the last reset before `last`. */
static void decay_by_sum(mpfr_t decay, mpfr_t seen, plain g, size_t first, size_t last, size_t j) {
    mpfr_set_zero(decay, 1);
    mpfr_set_zero(seen, 1);
    for (size_t t = 0; t <= last; t++) {
        mpfr_srcptr gate = element(g, t, j);
        if (mpfr_inf_p(gate))
            mpfr_set_zero(seen, 1);
        else
            mpfr_sub(seen, seen, gate, MPFR_RNDU);
        if (t >= first) mpfr_add(decay, decay, gate, MPFR_RNDN);
    }
    mpfr_exp(decay, decay, MPFR_RNDN);
}

/* e^x of an exponent with error d <= ((1+u)^n - 1) * 2 seen: error <= e^x (e^d (1+u) - 1) + eta. */
static void check_decay(const bench *b, gla_matrix z, size_t j, plain g, size_t first, size_t last, const char *what) {
    mpfr_t decay, seen, tol;
    mpfr_inits2(400, decay, seen, tol, (mpfr_ptr)0);
    decay_by_sum(decay, seen, g, first, last, j);
    mpfr_mul_ui(seen, seen, 2, MPFR_RNDU);
    bench rounding = *b;
    rounding.exact = false;
    rounding.system.eta = 0;
    budget(tol, &rounding, seen, last + 2);
    mpfr_exp(tol, tol, MPFR_RNDU);
    mpfr_mul_d(seen, tol, b->system.u, MPFR_RNDU);
    mpfr_add(tol, tol, seen, MPFR_RNDU);
    mpfr_sub_ui(tol, tol, 1, MPFR_RNDU);
    mpfr_mul(tol, tol, decay, MPFR_RNDU);
    mpfr_set_d(seen, b->system.eta, MPFR_RNDU);
    if (!mpfr_zero_p(decay)) mpfr_add(tol, tol, seen, MPFR_RNDU); /* across a reset: 0 exactly */
    check_number(b, z, 0, j, decay, tol, what);
    mpfr_clears(decay, seen, tol, (mpfr_ptr)0);
}

/* Cumulative gates of 7 tokens; with resets, also two in a row, at the first and at the last token. */
static void gates(bench *b, bool resets) {
    enum { T = 7, D = 4 };
    operand g = operand_new(b, T, D), z = operand_new(b, 1, D);
    for (size_t t = 0; t < T; t++)
        for (size_t j = 0; j < D; j++) {
            double value = -1.5 * random_unit(&b->random);
            bool reset =
                resets && ((j == 0 && (t == 2 || t == 3)) || (j == 1 && (t == 0 || t == T - 1)) || (j == 2 && t == 4));
            b->n->ops->set_d(b->n, gla_at(g.m, t, j), reset ? -INFINITY : value);
        }
    plain pg = plain_of(g.m);
    gla_gates sum = gla_gate_sum(b->n, g.m);
    ck_assert(sum.present);
    for (size_t t = 0; t < T; t++) {
        gla_decay_in(z.m, sum, t);
        for (size_t j = 0; j < D; j++) check_decay(b, z.m, j, pg, 0, t, "decay_in");
        for (size_t i = 0; i <= t; i++) {
            gla_decay_between(z.m, sum, t, i);
            for (size_t j = 0; j < D; j++) check_decay(b, z.m, j, pg, i + 1, t, "decay_between");
        }
    }
    gla_gates late = gla_gate_rows(sum, 2, 4);
    gla_decay_between(z.m, late, 3, 1);
    for (size_t j = 0; j < D; j++) check_decay(b, z.m, j, pg, 4, 5, "decay_between of a view");
    check_gaps(z);
    check_gaps(g);
    plain_free(pg);
}

/* No gate: every decay is 1. */
static void absent_gate(bench *b) {
    gla_matrix nothing = {0}, z = gla_new(b->n, 1, 3);
    ck_assert(gla_absent(nothing) && !gla_absent(z));
    gla_gates none = gla_gate_sum(b->n, nothing), view = gla_gate_rows(none, 1, 2);
    ck_assert(!none.present && !view.present);
    gla_decay_in(z, none, 4);
    for (size_t j = 0; j < 3; j++) ck_assert_double_eq(number(z, 0, j), 1);
    gla_zero(z);
    gla_decay_between(z, view, 1, 0);
    for (size_t j = 0; j < 3; j++) ck_assert_double_eq(number(z, 0, j), 1);
}

START_TEST(gate_sums) {
    bool infinities = strcmp(systems[_i].name, "e4m3") != 0; /* E4M3 has none: it cannot hold a reset */
    for (uint32_t round = 0; round < 12; round++) {
        bench b = bench_open(_i, 950 + round, false);
        gates(&b, false);
        if (infinities) gates(&b, true);
        absent_gate(&b);
        bench_close(&b);
    }
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("gate sums");
    TCase *t = tcase_create("gate sums");
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, gate_sums, 0, SYSTEMS);
    suite_add_tcase(s, t);
    return s;
}

int main(void) { return test_main(suite()); }
