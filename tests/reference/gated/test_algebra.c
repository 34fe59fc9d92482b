/* SPDX-License-Identifier: Apache-2.0
 *
 * What must hold whatever the numbers are, at 256 bits to 1e-60: the formulations are one function;
 * the definition written out as a double sum; special cases; Euler's identities; the free
 * invariants of the gate gradient.
 */
#include "slices.h"

#define TOLERANCE 1e-60

/* ---- all formulations and gate routes are the same function ---- */

/* A safe formulation with random chunks and a random available route. */
static gla_form random_form(test_random *r, gla_formulation kind) {
    gla_form form = form_named(gla_formulation_names[kind], true);
    if (kind == GLA_CHUNKWISE || kind == GLA_CHUNKWISE_CENTRED) {
        form.C = random_between(r, 1, 9);
        form.c = random_between(r, 1, form.C);
        form.materialised = kind == GLA_CHUNKWISE && random_chance(r, 0.5);
    }
    if (kind == GLA_CHUNKWISE_PAIRED) {
        form.C = random_between(r, 1, 9);
        form.limit = random_between(r, 0, 6);
    }
    if (random_chance(r, 0.3)) form.split = random_between(r, 1, 3) * (form.C && kind >= GLA_CHUNKWISE ? form.C : 3);
    do form.route = (gla_gate_route)random_between(r, 0, GLA_ROUTES - 1);
    while (!gla_route_available(kind, form.route));
    return form;
}

static void check_against(const test_run *truth, const test_problem *x, gla_form form, const char *numbers, double tol,
                          int shape) {
    char text[80], what[160];
    gla_form_print(&form, text, sizeof text);
    test_run run = run_form(&x->p, form, numbers);
    snprintf(what, sizeof what, "shape %d (B=%ld T=%ld H=%ld dk=%ld dv=%ld) %s", shape, (long)x->p.B, (long)x->p.T,
             (long)x->p.H, (long)x->p.dk, (long)x->p.dv, text);
    check_runs_agree(truth, &run, tol, what);
    run_free(&run);
}

static void check_all_forms(uint32_t shape, double resets) {
    test_random r = random_from(shape);
    test_problem x;
    problem_random(&x, &r, (random_options){.resets = resets});
    test_run truth = run_problem(&x.p, "recurrent", "mpfr:256");
    check_against(&truth, &x, random_form(&r, GLA_RECURRENT), "mpfr:256", TOLERANCE, (int)shape);
    check_against(&truth, &x, random_form(&r, GLA_PARALLEL), "mpfr:256", TOLERANCE, (int)shape);
    for (int i = 0; i < 3; i++)
        check_against(&truth, &x, random_form(&r, GLA_CHUNKWISE), "mpfr:256", TOLERANCE, (int)shape);
    check_against(&truth, &x, random_form(&r, GLA_CHUNKWISE_CENTRED), "mpfr:256", TOLERANCE, (int)shape);
    for (int i = 0; i < 2; i++)
        check_against(&truth, &x, random_form(&r, GLA_CHUNKWISE_PAIRED), "mpfr:256", TOLERANCE, (int)shape);
    if (resets == 0) {
        check_against(&truth, &x, random_form(&r, GLA_PARALLEL_NAIVE), "mpfr:1024", TOLERANCE, (int)shape);
        check_against(&truth, &x, random_form(&r, GLA_CHUNKWISE_FACTORED), "mpfr:1024", TOLERANCE, (int)shape);
    }
    run_free(&truth);
    problem_free(&x);
}

START_TEST(formulations_agree) {
    for (uint32_t i = 0; i < 12; i++) check_all_forms((uint32_t)_i * 12 + i, 0);
}
END_TEST

START_TEST(formulations_agree_with_resets) {
    for (uint32_t i = 0; i < 8; i++) check_all_forms(1000 + (uint32_t)_i * 8 + i, _i % 2 ? 0.3 : 0.05);
}
END_TEST

/* Chunks of one token are the recurrence; one chunk is the parallel form; in a longer chunk than T
 * nothing changes. */
START_TEST(extreme_chunks) {
    test_random r = random_from(2000);
    for (int i = 0; i < 8; i++) {
        test_problem x;
        problem_random(&x, &r, (random_options){.resets = i % 2 ? 0.1 : 0});
        test_run parallel = run_problem(&x.p, "parallel", "mpfr:256");
        gla_form form = form_named("chunkwise", true);
        form.C = form.c = 1;
        check_against(&parallel, &x, form, "mpfr:256", TOLERANCE, i);
        form.C = x.p.T;
        form.c = 2 < form.C ? 2 : form.C;
        check_against(&parallel, &x, form, "mpfr:256", TOLERANCE, i);
        form.C = form.c = x.p.T + 5;
        check_against(&parallel, &x, form, "mpfr:256", TOLERANCE, i);
        run_free(&parallel);
        problem_free(&x);
    }
}
END_TEST

/* Storing all states first changes storage, not numbers: every bit, in narrow systems too. */
START_TEST(materialised_is_bit_identical) {
    static const char *const systems[] = {"binary32", "bf16", "binary64", "f16"};
    for (uint32_t i = 0; i < 15; i++) {
        test_random r = random_from(3000 + i);
        test_problem x;
        problem_random(&x, &r, (random_options){.resets = 0.02, .longest = 30});
        gla_form form = random_form(&r, GLA_CHUNKWISE);
        form.materialised = false;
        test_run a = run_form(&x.p, form, systems[_i]);
        form.materialised = true;
        test_run b = run_form(&x.p, form, systems[_i]);
        for (int name = 0; name < GLA_OUTPUTS; name++)
            for (int64_t j = 0; j < a.result.tensor[name].count && run_has(&a, (gla_output)name); j++) {
                double one = gla_result_d(&a.result, (gla_output)name, j);
                double two = gla_result_d(&b.result, (gla_output)name, j);
                ck_assert_msg(memcmp(&one, &two, sizeof one) == 0, "%s case %u: %s[%ld] %a is not %a", systems[_i], i,
                              gla_output_names[name], (long)j, one, two);
            }
        run_free(&a);
        run_free(&b);
        problem_free(&x);
    }
}
END_TEST

/* ---- identities inside one run ---- */

/* A slice run backward at 256 bits by a random safe form. */
static gated_slice solved(test_problem *x, test_random *r, gla_numbers **numbers) {
    problem_random(x, r, (random_options){.resets = random_chance(r, 0.3) ? 0.1 : 0, .all = true});
    x->p.reverse = false;
    ck_assert_int_eq(gla_numbers_open("mpfr:256", numbers, NULL), GLA_OK);
    gated_slice s = slice_of(x, *numbers, x->p.N - 1, x->p.H - 1);
    static void (*const run[])(const gated_slice *, const gla_form *) = {gated_recurrent, gated_parallel,
                                                                         gated_chunkwise};
    static const gla_formulation kinds[] = {GLA_RECURRENT, GLA_PARALLEL, GLA_CHUNKWISE};
    int64_t pick = random_between(r, 0, 2);
    gla_form form = random_form(r, kinds[pick]);
    run[pick](&s, &form);
    ck_assert_int_eq((*numbers)->status, GLA_OK);
    return s;
}

static double relative(const mpfr_t a, const mpfr_t b) {
    distance d;
    distance_begin(&d);
    mpfr_set_d(d.scale, 1e-6, MPFR_RNDN); /* inner products may cancel; the data are of size 1 */
    distance_add(&d, a, b);
    return distance_end(&d);
}

/* <o,do> + <S_T,dS_T> = <v,dv> + <S_0,dS_0> = <k,dk> + <S_0,dS_0>, and <o,do> = <q,dq>. */
START_TEST(euler) {
    for (uint32_t i = 0; i < 20; i++) {
        test_random r = random_from(6000 + i);
        test_problem x;
        gla_numbers *numbers;
        gated_slice s = solved(&x, &r, &numbers);
        mpfr_t read, loss, by_v, by_k, by_q;
        mpfr_inits2(512, read, loss, by_v, by_k, by_q, (mpfr_ptr)0);
        mpfr_set_zero(read, 1), mpfr_set_zero(by_v, 1), mpfr_set_zero(by_q, 1);
        add_inner_product(read, s.o, s.d_o);
        add_inner_product(by_q, s.q, s.dq);
        mpfr_set(loss, read, MPFR_RNDN);
        add_inner_product(loss, s.ST, s.dST);
        add_inner_product(by_v, s.S0, s.dS0);
        mpfr_set(by_k, by_v, MPFR_RNDN);
        add_inner_product(by_v, s.v, s.dv_);
        add_inner_product(by_k, s.k, s.dk_);
        double q = relative(read, by_q), v = relative(loss, by_v), k = relative(loss, by_k);
        ck_assert_msg(q <= TOLERANCE && v <= TOLERANCE && k <= TOLERANCE, "case %u: q %g v %g k %g", i, q, v, k);
        mpfr_clears(read, loss, by_v, by_k, by_q, (mpfr_ptr)0);
        gla_numbers_close(numbers);
        problem_free(&x);
    }
}
END_TEST

/* Per channel c: sum_t(reader*dreader - writer*dwriter) = (A*B)_c - (Y*Z)_c, rows of states. */
static double invariant(gla_matrix reader, gla_matrix dreader, gla_matrix writer, gla_matrix dwriter, gla_matrix S0,
                        gla_matrix dS0, gla_matrix ST, gla_matrix dST, size_t c) {
    mpfr_t left, right, part;
    mpfr_inits2(512, left, right, part, (mpfr_ptr)0);
    mpfr_set_zero(left, 1), mpfr_set_zero(right, 1), mpfr_set_zero(part, 1);
    gla_matrix columns[] = {gla_transposed(reader), gla_transposed(dreader), gla_transposed(writer),
                            gla_transposed(dwriter)};
    add_inner_product(left, gla_row(columns[0], c), gla_row(columns[1], c));
    add_inner_product(part, gla_row(columns[2], c), gla_row(columns[3], c));
    mpfr_sub(left, left, part, MPFR_RNDN);
    add_inner_product(right, gla_row(S0, c), gla_row(dS0, c));
    mpfr_set_zero(part, 1);
    add_inner_product(part, gla_row(ST, c), gla_row(dST, c));
    mpfr_sub(right, right, part, MPFR_RNDN);
    double off = relative(left, right);
    mpfr_clears(left, right, part, (mpfr_ptr)0);
    return off;
}

START_TEST(free_invariants) {
    for (uint32_t i = 0; i < 20; i++) {
        test_random r = random_from(7000 + i);
        test_problem x;
        gla_numbers *numbers;
        gated_slice s = solved(&x, &r, &numbers);
        for (size_t c = 0; c < s.dk; c++) {
            double off = invariant(s.q, s.dq, s.k, s.dk_, s.S0, s.dS0, s.ST, s.dST, c);
            ck_assert_msg(off <= TOLERANCE, "case %u key channel %zu: off by %g", i, c, off);
        }
        for (size_t j = 0; j < s.dv; j++) {
            double off = invariant(s.o, s.d_o, s.v, s.dv_, gla_transposed(s.S0), gla_transposed(s.dS0),
                                   gla_transposed(s.ST), gla_transposed(s.dST), j);
            ck_assert_msg(off <= TOLERANCE, "case %u value channel %zu: off by %g", i, j, off);
        }
        gla_numbers_close(numbers);
        problem_free(&x);
    }
}
END_TEST

/* dg_1 = row(S_0 * dS_0); from a zero state it is 0, exactly so by the direct and straddle routes.
 */
START_TEST(first_gate) {
    static const char *const forms[] = {"recurrent+direct", "chunkwise:3:2+straddle"};
    test_problem x;
    problem_golden(&x, true);
    x.p.initial_state = (gla_tensor){0};
    test_run run = run_problem(&x.p, forms[_i], "binary32");
    for (int c = 0; c < 4; c++) ck_assert_double_eq(gla_result_d(&run.result, GLA_DGK, c), 0);
    for (int j = 0; j < 3; j++) ck_assert_double_eq(gla_result_d(&run.result, GLA_DGV, j), 0);
    ck_assert_double_ne(gla_result_d(&run.result, GLA_DGK, 4), 0);
    run_free(&run);
    problem_free(&x);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("gated algebra");
    TCase *t = tcase_create("algebra");
    tcase_set_timeout(t, 120);
    tcase_add_loop_test(t, formulations_agree, 0, 5);
    tcase_add_loop_test(t, formulations_agree_with_resets, 0, 4);
    tcase_add_test(t, extreme_chunks);
    tcase_add_loop_test(t, materialised_is_bit_identical, 0, 4);
    tcase_add_test(t, euler);
    tcase_add_test(t, free_invariants);
    tcase_add_loop_test(t, first_gate, 0, 2);
    suite_add_tcase(s, t);
    return s;
}

int main(void) { return test_main(suite()); }
