/* SPDX-License-Identifier: Apache-2.0
 *
 * The definition written out as a double sum in plain MPFR, nothing shared with the library,
 * against a run; and the special cases that are other mechanisms: simple GLA on either side, linear
 * attention.
 */
#include "slices.h"

#define TOLERANCE 1e-60

/* ---- the definition as a sum ----
 * o_tj = s sum_c q_tc ( e^{sum of gates 1..t} S0_cj + sum_{i<=t} e^{sum of gates i+1..t} k_ic v_ij
 * ) */

/* Sum of gk[.,c] and gv[.,j] over rows first..last of the slice; -inf if any is. */
static void gates_between(mpfr_t z, const gated_slice *s, size_t first, size_t last, size_t c, size_t j) {
    mpfr_t g;
    mpfr_init2(g, 512);
    mpfr_set_zero(z, 1);
    for (size_t t = first; t <= last; t++) {
        gla_matrix gates[] = {s->gk, s->gv};
        for (int side = 0; side < 2; side++) {
            if (gla_absent(gates[side])) continue;
            s->in->ops->get_mpfr(s->in, g, gla_at(gates[side], t, side ? j : c));
            mpfr_add(z, z, g, MPFR_RNDN);
        }
    }
    mpfr_clear(g);
}

/* z += e^{gates first..last} * x * y, x and y numbers of the slice (y NULL: 1). */
static void add_decayed(mpfr_t z, const gated_slice *s, size_t first, size_t last, size_t c, size_t j, const void *x,
                        const void *y) {
    mpfr_t w, a;
    mpfr_inits2(512, w, a, (mpfr_ptr)0);
    gates_between(w, s, first, last, c, j);
    mpfr_exp(w, w, MPFR_RNDN);
    s->in->ops->get_mpfr(s->in, a, x);
    mpfr_mul(w, w, a, MPFR_RNDN);
    if (y) {
        s->in->ops->get_mpfr(s->in, a, y);
        mpfr_mul(w, w, a, MPFR_RNDN);
    }
    mpfr_add(z, z, w, MPFR_RNDN);
    mpfr_clears(w, a, (mpfr_ptr)0);
}

/* S_t[c,j], t from 0. */
static void state_by_definition(mpfr_t z, const gated_slice *s, size_t t, size_t c, size_t j) {
    mpfr_set_zero(z, 1);
    add_decayed(z, s, 0, t, c, j, gla_at(s->S0, c, j), NULL);
    for (size_t i = 0; i <= t; i++) add_decayed(z, s, i + 1, t, c, j, gla_at(s->k, i, c), gla_at(s->v, i, j));
}

static void output_by_definition(mpfr_t z, const gated_slice *s, size_t t, size_t j) {
    mpfr_t state, q;
    mpfr_inits2(512, state, q, (mpfr_ptr)0);
    mpfr_set_zero(z, 1);
    for (size_t c = 0; c < s->dk; c++) {
        state_by_definition(state, s, t, c, j);
        s->in->ops->get_mpfr(s->in, q, gla_at(s->q, t, c));
        mpfr_fma(z, q, state, z, MPFR_RNDN);
    }
    s->in->ops->get_mpfr(s->in, q, gla_at(s->s, 0, 0));
    mpfr_mul(z, z, q, MPFR_RNDN);
    mpfr_clears(state, q, (mpfr_ptr)0);
}

START_TEST(definition) {
    for (uint32_t i = 0; i < 10; i++) {
        test_random r = random_from(4000 + i);
        test_problem x;
        problem_random(&x, &r, (random_options){.resets = i % 2 ? 0.15 : 0, .longest = 8});
        test_run run = run_problem(&x.p, "recurrent", "mpfr:256");
        gla_numbers *numbers;
        ck_assert_int_eq(gla_numbers_open("mpfr:256", &numbers, NULL), GLA_OK);
        distance o, state;
        mpfr_t got, wanted;
        mpfr_inits2(512, got, wanted, (mpfr_ptr)0);
        distance_begin(&o);
        distance_begin(&state);
        for (int64_t n = 0; n < x.p.N; n++)
            for (int64_t h = 0; h < x.p.H; h++) {
                gated_slice s = slice_of(&x, numbers, n, h);
                test_span span = span_of(&x.p, n);
                for (size_t t = 0; t < s.T; t++)
                    for (size_t j = 0; j < s.dv; j++) {
                        int64_t token = x.p.reverse ? span.count - 1 - (int64_t)t : (int64_t)t;
                        run_get(got, &run, GLA_O, run_index(&run, GLA_O, span.b, span.first + token, h, (int64_t)j));
                        output_by_definition(wanted, &s, t, j);
                        distance_add(&o, got, wanted);
                    }
                for (size_t c = 0; s.T > 0 && c < s.dk; c++)
                    for (size_t j = 0; j < s.dv; j++) {
                        run_get(got, &run, GLA_FINAL_STATE,
                                run_index(&run, GLA_FINAL_STATE, n, h, (int64_t)c, (int64_t)j));
                        state_by_definition(wanted, &s, s.T - 1, c, j);
                        distance_add(&state, got, wanted);
                    }
            }
        double off = distance_end(&o), state_off = distance_end(&state);
        ck_assert_msg(off <= TOLERANCE && state_off <= TOLERANCE, "case %u: o off %g, S_T off %g", i, off, state_off);
        mpfr_clears(got, wanted, (mpfr_ptr)0);
        gla_numbers_close(numbers);
        run_free(&run);
        problem_free(&x);
    }
}
END_TEST

/* ---- special cases ---- */

/* The same gate on every key channel is the same gate on every value channel: simple GLA either
 * way. */
START_TEST(scalar_gate_on_either_side) {
    test_problem key, value;
    problem_golden(&key, false);
    problem_golden(&value, false);
    problem_give(&value, GLA_IN_GV, 1);
    test_random r = random_from(5000);
    for (int64_t t = 0; t < 7; t++) {
        double g = -random_unit(&r);
        for (int i = 0; i < 4; i++) key.at[GLA_IN_GK][4 * t + i] = g;
        for (int j = 0; j < 3; j++) value.at[GLA_IN_GV][3 * t + j] = g;
    }
    value.p.gk = (gla_tensor){0};
    test_run a = run_problem(&key.p, "chunkwise:3:2", "mpfr:256"), b = run_problem(&value.p, "parallel", "mpfr:256");
    static const gla_output shared[] = {GLA_O, GLA_FINAL_STATE, GLA_DQ, GLA_DK, GLA_DV, GLA_DINITIAL_STATE};
    for (int i = 0; i < 6; i++) {
        double apart = run_apart(&a, &b, shared[i]);
        ck_assert_msg(apart <= TOLERANCE, "%s differs by %g", gla_output_names[shared[i]], apart);
    }
    /* The scalar gate's gradient: the sum over channels, whichever side carried it. */
    distance d;
    mpfr_t x, sum_k, sum_v;
    distance_begin(&d);
    mpfr_inits2(512, x, sum_k, sum_v, (mpfr_ptr)0);
    for (int64_t t = 0; t < 7; t++) {
        mpfr_set_zero(sum_k, 1);
        mpfr_set_zero(sum_v, 1);
        for (int i = 0; i < 4; i++) run_get(x, &a, GLA_DGK, 4 * t + i), mpfr_add(sum_k, sum_k, x, MPFR_RNDN);
        for (int j = 0; j < 3; j++) run_get(x, &b, GLA_DGV, 3 * t + j), mpfr_add(sum_v, sum_v, x, MPFR_RNDN);
        distance_add(&d, sum_k, sum_v);
    }
    double apart = distance_end(&d);
    ck_assert_msg(apart <= TOLERANCE, "scalar gate gradient differs by %g", apart);
    mpfr_clears(x, sum_k, sum_v, (mpfr_ptr)0);
    run_free(&a);
    run_free(&b);
    problem_free(&key);
    problem_free(&value);
}
END_TEST

/* Gates of 0 are no gates (linear attention), and an absent initial state is a zero one. */
START_TEST(absent_is_zero) {
    static const char *const forms[] = {"recurrent",
                                        "parallel",
                                        "parallel-naive",
                                        "chunkwise:3:2",
                                        "chunkwise-factored:3",
                                        "chunkwise-centred:4:2",
                                        "chunkwise-paired:4:0"};
    test_problem x;
    problem_golden(&x, true);
    memset(x.at[GLA_IN_GK], 0, 28 * sizeof(double));
    memset(x.at[GLA_IN_GV], 0, 21 * sizeof(double));
    memset(x.at[GLA_IN_INITIAL_STATE], 0, 12 * sizeof(double));
    memset(x.at[GLA_IN_DFINAL_STATE], 0, 12 * sizeof(double));
    test_run a = run_problem(&x.p, forms[_i], "mpfr:256");
    x.p.gk = x.p.gv = x.p.initial_state = x.p.d_final_state = (gla_tensor){0};
    test_run b = run_problem(&x.p, forms[_i], "mpfr:256");
    ck_assert(!run_has(&b, GLA_DGK) && !run_has(&b, GLA_DGV));
    static const gla_output shared[] = {GLA_O, GLA_FINAL_STATE, GLA_DQ, GLA_DK, GLA_DV};
    for (int i = 0; i < 5; i++) {
        double apart = run_apart(&a, &b, shared[i]);
        ck_assert_msg(apart <= TOLERANCE, "%s: %s differs by %g", forms[_i], gla_output_names[shared[i]], apart);
    }
    run_free(&a);
    run_free(&b);
    problem_free(&x);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("gated definition");
    TCase *t = tcase_create("definition");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, definition);
    tcase_add_test(t, scalar_gate_on_either_side);
    tcase_add_loop_test(t, absent_is_zero, 0, 7);
    suite_add_tcase(s, t);
    return s;
}

int main(void) { return test_main(suite()); }
