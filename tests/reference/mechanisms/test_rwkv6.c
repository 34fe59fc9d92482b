/* SPDX-License-Identifier: Apache-2.0
 *
 * RWKV-6: golden values in every formulation and gate route; what it reduces to; identities; what it refuses. Agreement
 * of formulations, derivatives, slices and number systems: test_family.c. Run from the repository root.
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

static void golden_problem(test_problem *x) {
    static const struct {
        gla_input name;
        uint32_t seed;
    } streams[] = {{GLA_IN_Q, 1},   {GLA_IN_K, 2},
                   {GLA_IN_V, 3},   {GLA_IN_INITIAL_STATE, 8},
                   {GLA_IN_DO, 10}, {GLA_IN_DFINAL_STATE, 11},
                   {GLA_IN_U, 15}};
    *x = problem_sized(1, 7, 1, 4, 3);
    x->p.scale = 0.5;
    name_mechanism(&x->p, "rwkv6");
    for (size_t i = 0; i < sizeof streams / sizeof *streams; i++)
        fill_stream(x, streams[i].name, streams[i].seed, 2, -1);
    fill_stream(x, GLA_IN_GK, 4, -1, 0);
}

START_TEST(golden_values) {
    test_problem x;
    golden_problem(&x);
    for (int f = 0; f < FORMS; f++)
        for (int route = 0; route < GLA_ROUTES; route++) {
            gla_form form = form_named(forms[f], true);
            form.route = (gla_gate_route)route;
            if (!gla_form_available(&x.p, &form)) continue;
            test_run run = run_form(&x.p, form, "mpfr:256");
            any_check_golden(&run, "rwkv6", forms[f]);
            run_free(&run);
        }
    problem_free(&x);
}
END_TEST

/* ---- what it reduces to ---- */

static void check_output(const test_run *a, const test_run *b, gla_output name) {
    double apart = run_apart(a, b, name);
    ck_assert_msg(apart <= TOLERANCE, "%s differs by %g", gla_output_names[name], apart);
}

/* Open gates and u = 1: the token itself counts as any other. */
START_TEST(open_and_unit_bonus_is_linear_attention) {
    test_problem x;
    golden_problem(&x);
    for (int i = 0; i < 28; i++) x.at[GLA_IN_GK][i] = 0;
    for (int i = 0; i < 4; i++) x.at[GLA_IN_U][i] = 1;
    test_problem y = x;
    name_mechanism(&y.p, "linear_attention");
    y.p.gk = y.p.u = (gla_tensor){0};
    test_run a = run_problem(&x.p, "chunkwise:3:2", "mpfr:256"), b = run_problem(&y.p, "recurrent", "mpfr:256");
    for (int i = 0; i < UNGATED_OUTPUTS; i++) check_output(&a, &b, ungated_outputs[i]);
    run_free(&a);
    run_free(&b);
    problem_free(&x);
}
END_TEST

/* Where element (t,i) of [T,D] lies one token later. */
static double *later(test_problem *x, gla_input name, int64_t D) { return x->at[name] + D; }

static double rows_apart(const test_run *a, const test_run *b, gla_output name, int64_t shift) {
    distance d;
    MPFR_DECL_INIT(x, 512);
    MPFR_DECL_INIT(y, 512);
    distance_begin(&d);
    for (int64_t i = 0; i < a->result.tensor[name].count; i++) {
        run_get(x, a, name, i);
        run_get(y, b, name, i + shift * a->result.tensor[name].shape[3]);
        distance_add(&d, x, y);
    }
    return distance_end(&d);
}

/* Without bonus it is GLA of one token more, its writers one token later and nothing written or decayed at first: not
 * how rwkv6 maps onto the core. A reset in the middle. */
START_TEST(no_bonus_is_gla_with_later_writers) {
    static const gla_input readers[] = {GLA_IN_Q, GLA_IN_DO}, writers[] = {GLA_IN_K, GLA_IN_V, GLA_IN_GK},
                           states[] = {GLA_IN_INITIAL_STATE, GLA_IN_DFINAL_STATE};
    test_problem x, y = problem_sized(1, 8, 1, 4, 3);
    golden_problem(&x);
    for (int i = 0; i < 4; i++) x.at[GLA_IN_U][i] = 0;
    x.at[GLA_IN_GK][13] = -INFINITY;
    y.p.scale = 0.5;
    for (int i = 0; i < 2; i++) problem_give(&y, readers[i], 1), problem_give(&y, states[i], 1);
    for (int i = 0; i < 3; i++) problem_give(&y, writers[i], 1);
    for (int i = 0; i < 2; i++) {
        memcpy(y.at[readers[i]], x.at[readers[i]], (size_t)problem_count(&x, readers[i]) * sizeof(double));
        memcpy(y.at[states[i]], x.at[states[i]], (size_t)problem_count(&x, states[i]) * sizeof(double));
    }
    for (int i = 0; i < 3; i++)
        memcpy(later(&y, writers[i], writers[i] == GLA_IN_V ? 3 : 4), x.at[writers[i]],
               (size_t)problem_count(&x, writers[i]) * sizeof(double));
    test_run a = run_problem(&x.p, "chunkwise:3:2", "mpfr:256"), b = run_problem(&y.p, "recurrent", "mpfr:256");
    ck_assert_double_le(rows_apart(&a, &b, GLA_O, 0), TOLERANCE);
    ck_assert_double_le(rows_apart(&a, &b, GLA_DQ, 0), TOLERANCE);
    ck_assert_double_le(rows_apart(&a, &b, GLA_DK, 1), TOLERANCE);
    ck_assert_double_le(rows_apart(&a, &b, GLA_DV, 1), TOLERANCE);
    ck_assert_double_le(rows_apart(&a, &b, GLA_DGK, 1), TOLERANCE);
    check_output(&a, &b, GLA_FINAL_STATE);
    check_output(&a, &b, GLA_DINITIAL_STATE);
    run_free(&a);
    run_free(&b);
    problem_free(&x);
    problem_free(&y);
}
END_TEST

/* ---- identities ---- */

/* z += sum of an output times a factor of every element. */
static void add_products(mpfr_t z, const test_run *run, gla_output name, const double *factor, int sign) {
    MPFR_DECL_INIT(x, 512);
    for (int64_t i = 0; i < run->result.tensor[name].count; i++) {
        run_get(x, run, name, i);
        mpfr_mul_d(x, x, sign * factor[i], MPFR_RNDN);
        mpfr_add(z, z, x, MPFR_RNDN);
    }
}

static void check_zero(mpfr_t z) { ck_assert_double_le(fabs(mpfr_get_d(z, MPFR_RNDA)), TOLERANCE); }

/* The loss is linear in v and S_0 together, in k and S_0 together; its part through u is <u,du>. */
START_TEST(euler) {
    test_problem x;
    golden_problem(&x);
    test_run run = run_problem(&x.p, "chunkwise:4:2", "mpfr:256");
    static const gla_input linear[] = {GLA_IN_V, GLA_IN_K};
    static const gla_output gradient[] = {GLA_DV, GLA_DK};
    MPFR_DECL_INIT(z, 512);
    for (int i = 0; i < 2; i++) {
        mpfr_set_zero(z, 1);
        add_products(z, &run, GLA_O, x.at[GLA_IN_DO], 1);
        add_products(z, &run, GLA_FINAL_STATE, x.at[GLA_IN_DFINAL_STATE], 1);
        add_products(z, &run, gradient[i], x.at[linear[i]], -1);
        add_products(z, &run, GLA_DINITIAL_STATE, x.at[GLA_IN_INITIAL_STATE], -1);
        check_zero(z);
    }
    mpfr_set_zero(z, 1);
    add_products(z, &run, GLA_O, x.at[GLA_IN_DO], 1);
    add_products(z, &run, GLA_DU, x.at[GLA_IN_U], -1);
    run_free(&run);
    for (int i = 0; i < 4; i++) x.at[GLA_IN_U][i] = 0;
    run = run_problem(&x.p, "recurrent", "mpfr:256");
    add_products(z, &run, GLA_O, x.at[GLA_IN_DO], -1);
    check_zero(z);
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
    golden_problem(&x);
    gla_tensor u = x.p.u;
    x.p.u = (gla_tensor){0};
    expect_refused(&x.p, "u is missing");
    x.p.u = u;
    x.p.gv = x.p.v;
    expect_refused(&x.p, "mechanism rwkv6 takes no gv");
    x.p.gv = (gla_tensor){0};
    x.at[GLA_IN_GK][2] = 0.25;
    expect_refused(&x.p, "w[0,0,0,2] = 0.25 is above 0");
    x.at[GLA_IN_GK][2] = 0;
    x.at[GLA_IN_Q][1] = NAN;
    expect_refused(&x.p, "r[0,0,0,1]");
    problem_free(&x);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("rwkv6");
    TCase *t = tcase_create("rwkv6");
    tcase_set_timeout(t, 30);
    tcase_add_test(t, golden_values);
    tcase_add_test(t, open_and_unit_bonus_is_linear_attention);
    tcase_add_test(t, no_bonus_is_gla_with_later_writers);
    tcase_add_test(t, euler);
    tcase_add_test(t, refused);
    suite_add_tcase(s, t);
    return s;
}

int main(void) { return test_main(suite()); }
