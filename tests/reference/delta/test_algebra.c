/* SPDX-License-Identifier: Apache-2.0
 *
 * What must hold whatever the numbers are, at 256 bits to 1e-60: all formulations, solvers and gate routes are one
 * function; the explicit attention matrix; Euler's identity. And a form that does not exist is refused.
 */
#include "deltas.h"

#define TOLERANCE 1e-60

/* A formulation with random chunks, solver and an available route. */
static gla_form random_form(test_random *r, gla_formulation kind) {
    gla_form f = {.kind = kind, .backward = true};
    if (kind == GLA_CHUNKWISE || kind == GLA_CHUNKWISE_FACTORED) {
        f.C = random_between(r, 1, 9);
        f.c = random_between(r, 1, f.C);
        f.materialised = random_chance(r, 0.5);
    }
    if (random_chance(r, 0.3)) f.split = random_between(r, 1, 3) * (f.C ? f.C : 3);
    do {
        f.route = (gla_gate_route)random_between(r, 0, GLA_ROUTES - 1);
        f.solver = (gla_solver)random_between(r, 0, GLA_SOLVERS - 1);
    } while (!delta_available(&f));
    return f;
}

static void check_against(const delta_slice *truth, const test_delta *x, gla_form form, const char *numbers,
                          uint32_t stream) {
    char text[96], what[192];
    gla_form_print(&form, text, sizeof text);
    snprintf(what, sizeof what, "case %u (T=%zu dk=%zu dv=%zu gate=%zu) %s", stream, x->T, x->dk, x->dv, x->gate, text);
    delta_slice s = delta_solved(x, form, numbers);
    check_deltas_agree(truth, &s, TOLERANCE, what);
    delta_close(&s);
}

static void check_all_forms(uint32_t stream, double resets) {
    test_random r = random_from(stream);
    test_delta x = delta_random(&r, (delta_options){.resets = resets});
    delta_slice truth = delta_solved(&x, delta_form_named("recurrent", GLA_SOLVE), "mpfr:256");
    check_against(&truth, &x, random_form(&r, GLA_RECURRENT), "mpfr:256", stream);
    check_against(&truth, &x, random_form(&r, GLA_PARALLEL), "mpfr:256", stream);
    for (int i = 0; i < 4; i++) check_against(&truth, &x, random_form(&r, GLA_CHUNKWISE), "mpfr:256", stream);
    if (resets == 0) { /* the unsafe ones, where the range has no end */
        check_against(&truth, &x, random_form(&r, GLA_CHUNKWISE_FACTORED), "mpfr:1024", stream);
        gla_form form = random_form(&r, GLA_CHUNKWISE);
        form.bounded = true;
        check_against(&truth, &x, form, "mpfr:1024", stream);
    }
    delta_close(&truth);
    delta_free(&x);
}

START_TEST(formulations_agree) {
    for (uint32_t i = 0; i < (test_long() ? 400 : 25); i++) check_all_forms((uint32_t)_i * 1000 + i, 0);
}
END_TEST

START_TEST(formulations_agree_with_resets) {
    for (uint32_t i = 0; i < (test_long() ? 400 : 25); i++)
        check_all_forms(10000 + (uint32_t)_i * 1000 + i, _i % 2 ? 0.3 : 0.05);
}
END_TEST

/* Chunks of one token are the recurrence; one chunk is the parallel form; a chunk longer than T changes nothing. */
START_TEST(extreme_chunks) {
    for (uint32_t i = 0; i < 16; i++) {
        test_random r = random_from(20000 + i);
        test_delta x = delta_random(&r, (delta_options){.resets = i % 2 ? 0.1 : 0});
        delta_slice parallel = delta_solved(&x, delta_form_named("parallel", GLA_SOLVE), "mpfr:256");
        gla_form form = {.kind = GLA_CHUNKWISE, .backward = true, .solver = (gla_solver)(i % 4)};
        int64_t T = (int64_t)x.T, sizes[][2] = {{1, 1}, {T, T < 2 ? T : 2}, {T + 5, T + 5}, {T + 5, 1}};
        for (int j = 0; j < 4; j++) {
            form.C = sizes[j][0];
            form.c = sizes[j][1];
            check_against(&parallel, &x, form, "mpfr:256", 20000 + i);
        }
        delta_close(&parallel);
        delta_free(&x);
    }
}
END_TEST

/* No token: the state passes through, and so does its gradient. */
START_TEST(no_tokens) {
    static const gla_formulation kinds[] = {GLA_RECURRENT, GLA_PARALLEL, GLA_CHUNKWISE, GLA_CHUNKWISE_FACTORED};
    for (size_t gate = 0; gate < 3; gate++)
        for (int i = 0; i < 4; i++) {
            test_random r = random_from(25000);
            test_delta x = delta_sized(0, 2, 3, gate);
            for (size_t j = 0; j < 6; j++) x.at[IN_S0][j] = random_signed(&r), x.at[IN_DST][j] = random_signed(&r);
            gla_form form = {.kind = kinds[i], .C = 4, .c = 2, .backward = true};
            delta_slice s = delta_solved(&x, form, "mpfr:256");
            ck_assert_double_eq(matrices_apart(s.ST, s.S0, 0), 0);
            ck_assert_double_eq(matrices_apart(s.dS0, s.dST, 0), 0);
            delta_close(&s);
            delta_free(&x);
        }
}
END_TEST

/* Storing all states first changes storage, not numbers: every bit, in narrow systems too. */
START_TEST(materialised_is_bit_identical) {
    static const char *const systems[] = {"binary32", "bf16", "binary64", "f16"};
    for (uint32_t i = 0; i < 10; i++) {
        test_random r = random_from(30000 + i);
        test_delta x = delta_random(&r, (delta_options){.resets = 0.02, .longest = 30});
        gla_form form = random_form(&r, GLA_CHUNKWISE);
        form.materialised = false;
        delta_slice a = delta_solved(&x, form, systems[_i]);
        form.materialised = true;
        delta_slice b = delta_solved(&x, form, systems[_i]);
        for (int name = 0; name < OUTS; name++) {
            gla_matrix A = delta_output(&a, (test_out)name), B = delta_output(&b, (test_out)name);
            if (!gla_absent(A)) ck_assert_mem_eq(A.at, B.at, A.rows * A.cols * a.in->size);
        }
        delta_close(&a);
        delta_close(&b);
        delta_free(&x);
    }
}
END_TEST

/* O = Att V from a zero state. */
START_TEST(attention) {
    for (uint32_t i = 0; i < 12; i++) {
        test_random r = random_from(40000 + i);
        test_delta x = delta_random(&r, (delta_options){.resets = i % 2 ? 0.1 : 0});
        memset(x.at[IN_S0], 0, x.dk * x.dv * sizeof(double));
        delta_slice s = delta_solved(&x, delta_form_named("recurrent", GLA_SOLVE), "mpfr:256");
        gla_matrix Att = gla_new(s.in, x.T, x.T), O = gla_new(s.in, x.T, x.dv), upper = gla_new(s.in, x.T, x.T);
        delta_attention(&s, Att);
        gla_product(O, Att, s.v);
        double apart = matrices_apart(O, s.o, 0);
        ck_assert_msg(apart <= TOLERANCE, "case %u: Att V is off by %g", i, apart);
        gla_copy(upper, Att);
        gla_lower(upper, false);
        ck_assert_double_eq(matrices_apart(upper, Att, 0), 0);
        delta_close(&s);
        delta_free(&x);
    }
}
END_TEST

/* o and S_T are linear in (v, S_0) together: <o,do> + <S_T,dS_T> = <v,dv> + <S_0,dS_0>. And <o,do> = <q,dq>. */
START_TEST(euler) {
    for (uint32_t i = 0; i < 24; i++) {
        test_random r = random_from(50000 + i);
        test_delta x = delta_random(&r, (delta_options){.resets = i % 3 ? 0 : 0.1});
        delta_slice s = delta_solved(&x, random_form(&r, GLA_CHUNKWISE), "mpfr:256");
        mpfr_t read, by_q, loss, by_v;
        mpfr_inits2(512, read, by_q, loss, by_v, (mpfr_ptr)0);
        mpfr_set_zero(read, 1), mpfr_set_zero(by_q, 1), mpfr_set_zero(by_v, 1);
        add_inner_product(read, s.o, s.d_o);
        add_inner_product(by_q, s.q, s.dq);
        mpfr_set(loss, read, MPFR_RNDN);
        add_inner_product(loss, s.ST, s.dST);
        add_inner_product(by_v, s.v, s.dv_);
        add_inner_product(by_v, s.S0, s.dS0);
        mpfr_sub(read, read, by_q, MPFR_RNDN);
        mpfr_sub(loss, loss, by_v, MPFR_RNDN);
        double q = fabs(mpfr_get_d(read, MPFR_RNDA)), v = fabs(mpfr_get_d(loss, MPFR_RNDA)); /* data of size 1 */
        ck_assert_msg(q <= TOLERANCE && v <= TOLERANCE, "case %u: q %g v %g", i, q, v);
        mpfr_clears(read, by_q, loss, by_v, (mpfr_ptr)0);
        delta_close(&s);
        delta_free(&x);
    }
}
END_TEST

/* What there is no such form of is refused, not ignored. */
START_TEST(refused) {
    gla_form wrong[] = {delta_form_named("chunkwise-paired", GLA_SOLVE),
                        delta_form_named("chunkwise-centred", GLA_UT),
                        delta_form_named("parallel-naive", GLA_SOLVE),
                        delta_form_named("chunkwise:4+split:8", GLA_SOLVE), /* made wrong below */
                        delta_form_named("parallel", GLA_UT_BLOCKED),
                        delta_form_named("recurrent", GLA_SOLVE),
                        delta_form_named("recurrent", GLA_SOLVE),
                        delta_form_named("chunkwise-factored:4", GLA_SOLVE)};
    wrong[3].split = 6;
    wrong[5].bounded = true;
    wrong[6].route = GLA_ROUTE_STRADDLE;
    wrong[7].route = GLA_ROUTE_DIRECT;
    test_delta x = delta_golden(4);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        gla_numbers *n;
        ck_assert_int_eq(gla_numbers_open("binary64", &n, NULL), GLA_OK);
        delta_slice s = delta_slice_of(&x, n);
        ck_assert(!delta_available(&wrong[i]));
        delta_run_form(&s, &wrong[i]);
        ck_assert_msg(n->status == GLA_UNSUPPORTED, "form %zu ran", i);
        gla_numbers_close(n);
    }
    delta_free(&x);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("delta algebra");
    TCase *t = tcase_create("algebra");
    tcase_set_timeout(t, 120);
    tcase_add_loop_test(t, formulations_agree, 0, 4);
    tcase_add_loop_test(t, formulations_agree_with_resets, 0, 4);
    tcase_add_test(t, extreme_chunks);
    tcase_add_test(t, no_tokens);
    tcase_add_loop_test(t, materialised_is_bit_identical, 0, 4);
    tcase_add_test(t, attention);
    tcase_add_test(t, euler);
    tcase_add_test(t, refused);
    suite_add_tcase(s, t);
    return s;
}

int main(void) { return test_main(suite()); }
