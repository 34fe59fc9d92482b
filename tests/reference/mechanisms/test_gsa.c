/* SPDX-License-Identifier: Apache-2.0
 *
 * Gated Slot Attention: golden values in every formulation and gate route; its passes against GLA where the softmax is
 * known; the tie of write weights to gates; identities; what it refuses. Agreement of formulations, derivatives, slices
 * and number systems: test_family.c. Run from the repository root.
 */
#include "any_mechanism.h"

#define TOLERANCE 1e-60

static const char *const forms[] = {"recurrent",
                                    "parallel",
                                    "parallel-naive",
                                    "chunkwise:1:1",
                                    "chunkwise:3:2",
                                    "chunkwise:4:4+materialised",
                                    "chunkwise",
                                    "chunkwise-factored:3",
                                    "chunkwise-centred:4:2",
                                    "chunkwise-centred:4:2+precise",
                                    "chunkwise-paired:4",
                                    "chunkwise-paired:7:1",
                                    "chunkwise:2:1+split:4"};
enum { FORMS = sizeof forms / sizeof *forms };

static void sized(test_problem *x, int64_t M, const char *mechanism) {
    static const struct {
        gla_input name;
        uint32_t seed;
        double a, b;
    } streams[] = {{GLA_IN_Q, 1, 2, -1},
                   {GLA_IN_K, 2, 2, -1},
                   {GLA_IN_V, 3, 2, -1},
                   {GLA_IN_DO, 10, 2, -1},
                   {GLA_IN_S, 16, 1, 0},
                   {GLA_IN_GK, 17, -1, 0},
                   {GLA_IN_INITIAL_KEYS, 18, 2, -1},
                   {GLA_IN_INITIAL_STATE, 19, 2, -1},
                   {GLA_IN_DFINAL_KEYS, 20, 2, -1},
                   {GLA_IN_DFINAL_STATE, 21, 2, -1}};
    *x = problem_sized(1, 7, 1, 4, 3);
    x->p.scale = 1;
    x->p.M = M;
    name_mechanism(&x->p, mechanism);
    for (size_t i = 0; i < sizeof streams / sizeof *streams; i++)
        if (gla_inputs_taken(&x->p) & 1u << streams[i].name)
            fill_stream(x, streams[i].name, streams[i].seed, streams[i].a, streams[i].b);
}

START_TEST(golden_values) {
    test_problem x;
    sized(&x, 5, "gsa");
    for (int f = 0; f < FORMS; f++)
        for (int route = 0; route < GLA_ROUTES; route++) {
            gla_form form = form_named(forms[f], true);
            form.route = (gla_gate_route)route;
            if (!gla_form_available(&x.p, &form)) continue;
            test_run run = run_form(&x.p, form, "mpfr:256");
            any_check_golden(&run, "gsa", forms[f]);
            run_free(&run);
        }
    problem_free(&x);
}
END_TEST

/* ---- its passes ---- */

/* An output of the one against an output of the other, element by element. */
static double outputs_apart(const test_run *a, gla_output of_a, const test_run *b, gla_output of_b) {
    distance d;
    MPFR_DECL_INIT(x, 512);
    MPFR_DECL_INIT(y, 512);
    ck_assert_int_eq(a->result.tensor[of_a].count, b->result.tensor[of_b].count);
    distance_begin(&d);
    distance_floor(&d, a);
    for (int64_t i = 0; i < a->result.tensor[of_a].count; i++) {
        run_get(x, a, of_a, i);
        run_get(y, b, of_b, i);
        distance_add(&d, x, y);
    }
    return distance_end(&d);
}

/* The keys: GLA with the gate on the value side, s as value. */
START_TEST(keys_are_gla) {
    test_problem x;
    sized(&x, 5, "gsa");
    test_problem keys = problem_sized(1, 7, 1, 4, 5);
    keys.p.q = x.p.q;
    keys.p.k = x.p.k;
    keys.p.v = x.p.s;
    keys.p.gv = x.p.gk;
    keys.p.initial_state = x.p.initial_keys;
    test_run a = run_problem(&x.p, "parallel", "mpfr:256"), b = run_problem(&keys.p, "recurrent", "mpfr:256");
    ck_assert_double_le(outputs_apart(&a, GLA_FINAL_KEYS, &b, GLA_FINAL_STATE), TOLERANCE);
    run_free(&a);
    run_free(&b);
    problem_free(&x);
}
END_TEST

/* The values: GLA with the gate on the key side, s as key and as query what the softmax gives: 1 with one slot, 1/4
 * with four and queries of zero. Nothing comes back through a lone slot's softmax. */
START_TEST(values_are_gla) {
    int64_t M = _i == 0 ? 1 : 4;
    test_problem x;
    sized(&x, M, "gsa");
    for (int i = 0; M == 4 && i < 28; i++) x.at[GLA_IN_Q][i] = 0;
    test_problem values = problem_sized(1, 7, 1, M, 3);
    values.p.scale = 1;
    problem_give(&values, GLA_IN_Q, 1);
    for (int64_t i = 0; i < 7 * M; i++) values.at[GLA_IN_Q][i] = 1 / (double)M;
    values.p.k = x.p.s;
    values.p.v = x.p.v;
    values.p.gk = x.p.gk;
    values.p.initial_state = x.p.initial_state;
    values.p.d_o = x.p.d_o;
    values.p.d_final_state = x.p.d_final_state;
    x.p.d_final_keys = (gla_tensor){0};
    test_run a = run_problem(&x.p, "chunkwise:3:2", "mpfr:256"), b = run_problem(&values.p, "recurrent", "mpfr:256");
    ck_assert_double_le(outputs_apart(&a, GLA_O, &b, GLA_O), TOLERANCE);
    ck_assert_double_le(outputs_apart(&a, GLA_FINAL_STATE, &b, GLA_FINAL_STATE), TOLERANCE);
    ck_assert_double_le(outputs_apart(&a, GLA_DV, &b, GLA_DV), TOLERANCE);
    ck_assert_double_le(outputs_apart(&a, GLA_DINITIAL_STATE, &b, GLA_DINITIAL_STATE), TOLERANCE);
    ck_assert_double_le(outputs_apart(&a, GLA_DS, &b, GLA_DK), TOLERANCE);
    ck_assert_double_le(outputs_apart(&a, GLA_DGK, &b, GLA_DGK), TOLERANCE);
    double largest = 0;
    for (int64_t i = 0; i < 28; i++) {
        largest = fmax(largest, fabs(gla_result_d(&a.result, GLA_DQ, i)));
        ck_assert_double_le(fabs(gla_result_d(&a.result, GLA_DK, i)), TOLERANCE);
    }
    ck_assert(M == 4 ? largest > 1e-3 : largest <= TOLERANCE); /* queries of zero have a gradient all the same */
    run_free(&a);
    run_free(&b);
    problem_free(&x);
    problem_free(&values);
}
END_TEST

/* ---- the tie ---- */

/* Gates of 0 and -inf, for which 1 - e^g is 0 and 1: tied is free with those, dg less what s passes on. */
START_TEST(tied_is_free_where_s_is_known) {
    test_problem tied, loose;
    sized(&tied, 5, "gsa,tie=tied");
    sized(&loose, 5, "gsa");
    for (int i = 0; i < 35; i++) {
        bool closed = (i / 5 + i) % 3 == 0;
        tied.at[GLA_IN_GK][i] = loose.at[GLA_IN_GK][i] = closed ? -INFINITY : 0;
        loose.at[GLA_IN_S][i] = closed ? 1 : 0;
    }
    test_run a = run_problem(&tied.p, "chunkwise:3:2", "mpfr:256"), b = run_problem(&loose.p, "recurrent", "mpfr:256");
    static const gla_output same[] = {GLA_O,  GLA_FINAL_STATE, GLA_FINAL_KEYS,     GLA_DQ,
                                      GLA_DK, GLA_DV,          GLA_DINITIAL_STATE, GLA_DINITIAL_KEYS};
    for (size_t i = 0; i < sizeof same / sizeof *same; i++)
        ck_assert_double_le(outputs_apart(&a, same[i], &b, same[i]), TOLERANCE);
    ck_assert(!run_has(&a, GLA_DS));
    for (int64_t i = 0; i < 35; i++) {
        double ds = tied.at[GLA_IN_GK][i] < 0 ? 0 : gla_result_d(&b.result, GLA_DS, i);
        ck_assert_double_eq_tol(gla_result_d(&a.result, GLA_DGK, i), gla_result_d(&b.result, GLA_DGK, i) - ds, 1e-14);
    }
    run_free(&a);
    run_free(&b);
    problem_free(&tied);
    problem_free(&loose);
}
END_TEST

/* Slots that hardly write: 1 - e^g in binary32 would be 0 from g = -2^-25 on. */
START_TEST(a_small_gate_is_not_lost) {
    test_problem x;
    sized(&x, 5, "gsa,tie=tied");
    for (int i = 0; i < 35; i++) x.at[GLA_IN_GK][i] = -0x1p-30;
    x.p.initial_state = (gla_tensor){0};
    test_run narrow = run_problem(&x.p, "recurrent", "binary32"), wide = run_problem(&x.p, "recurrent", "mpfr:256");
    ck_assert_double_ge(fabs(gla_result_d(&wide.result, GLA_O, 20)), 0x1p-33);
    ck_assert_double_le(run_apart(&narrow, &wide, GLA_O), 1e-6);
    ck_assert_double_le(run_apart(&narrow, &wide, GLA_FINAL_STATE), 1e-6);
    run_free(&narrow);
    run_free(&wide);
    problem_free(&x);
}
END_TEST

/* ---- identities ---- */

/* o is linear in v and V_0 together. */
START_TEST(euler) {
    test_problem x;
    sized(&x, 5, "gsa");
    x.p.d_final_keys = (gla_tensor){0};
    test_run run = run_problem(&x.p, "chunkwise:4:2", "mpfr:256");
    static const struct {
        gla_output out;
        gla_input in;
        int sign;
    } terms[] = {{GLA_O, GLA_IN_DO, 1},
                 {GLA_FINAL_STATE, GLA_IN_DFINAL_STATE, 1},
                 {GLA_DV, GLA_IN_V, -1},
                 {GLA_DINITIAL_STATE, GLA_IN_INITIAL_STATE, -1}};
    MPFR_DECL_INIT(z, 512);
    MPFR_DECL_INIT(y, 512);
    mpfr_set_zero(z, 1);
    for (int t = 0; t < 4; t++)
        for (int64_t i = 0; i < run.result.tensor[terms[t].out].count; i++) {
            run_get(y, &run, terms[t].out, i);
            mpfr_mul_d(y, y, terms[t].sign * x.at[terms[t].in][i], MPFR_RNDN);
            mpfr_add(z, z, y, MPFR_RNDN);
        }
    ck_assert_double_le(fabs(mpfr_get_d(z, MPFR_RNDA)), TOLERANCE);
    run_free(&run);
    problem_free(&x);
}
END_TEST

static void expect_refused(const gla_problem *p, const char *says) {
    gla_error err = {0};
    ck_assert(gla_problem_check(p, false, &err) != GLA_OK);
    ck_assert_msg(strstr(err.what, says) != NULL, "says: %s", err.what);
}

START_TEST(refused) {
    test_problem x;
    sized(&x, 5, "gsa");
    gla_tensor s = x.p.s, g = x.p.gk;
    x.p.s = (gla_tensor){0};
    expect_refused(&x.p, "s is missing");
    x.p.s = s;
    x.p.gk = (gla_tensor){0};
    expect_refused(&x.p, "g is missing");
    x.p.gk = g;
    name_mechanism(&x.p, "gsa,tie=tied");
    expect_refused(&x.p, "takes no s");
    name_mechanism(&x.p, "gsa");
    x.p.M = 0;
    expect_refused(&x.p, "M = 0");
    gla_error err = {0};
    ck_assert_int_eq(gla_mechanism_parse("gsa,tie=knot", &x.p, &err), GLA_UNKNOWN_NAME);
    problem_free(&x);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("gsa");
    TCase *t = tcase_create("gsa");
    tcase_set_timeout(t, 30);
    tcase_add_test(t, golden_values);
    tcase_add_test(t, keys_are_gla);
    tcase_add_loop_test(t, values_are_gla, 0, 2);
    tcase_add_test(t, tied_is_free_where_s_is_known);
    tcase_add_test(t, a_small_gate_is_not_lost);
    tcase_add_test(t, euler);
    tcase_add_test(t, refused);
    suite_add_tcase(s, t);
    return s;
}

int main(void) { return test_main(suite()); }
