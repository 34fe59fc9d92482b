/* SPDX-License-Identifier: Apache-2.0
 *
 * HGRN2 (beside test_family.c): golden values, what the tied gates keep in narrow systems, infinite logits, GLA with
 * the key 1 - alpha, and the lower bounds of all layers. Run from the repository root.
 */
#include "any_mechanism.h"

#include "reference/activation.h"
#include "reference/mechanisms/lower_bounds.h"
#include "reference/mechanisms/tied_gates.h"

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
                                    "chunkwise-paired:4:0",
                                    "chunkwise-paired:7:1",
                                    "chunkwise:2:1+split:4"};
enum { FORMS = sizeof forms / sizeof *forms };

static void golden_hgrn2(test_problem *x) {
    *x = problem_sized(1, 7, 1, 4, 3);
    name_mechanism(&x->p, "hgrn2");
    fill_stream(x, GLA_IN_Q, 1, 2, -1);
    fill_stream(x, GLA_IN_V, 3, 2, -1);
    fill_stream(x, GLA_IN_INITIAL_STATE, 8, 2, -1);
    fill_stream(x, GLA_IN_DO, 10, 2, -1);
    fill_stream(x, GLA_IN_DFINAL_STATE, 11, 2, -1);
    fill_stream(x, GLA_IN_F, 24, 8, -4);
    fill_stream(x, GLA_IN_LOWER_BOUND, 25, 0.5, 0);
}

START_TEST(golden_values) {
    test_problem x;
    golden_hgrn2(&x);
    for (int f = 0; f < FORMS; f++) {
        gla_form form = form_named(forms[f], true);
        for (int route = 0; route < GLA_ROUTES; route++) {
            form.route = (gla_gate_route)route;
            if (!gla_form_available(&x.p, &form)) continue;
            test_run run = run_form(&x.p, form, "mpfr:256");
            any_check_golden(&run, "hgrn2", forms[f]);
            run_free(&run);
        }
    }
    problem_free(&x);
}
END_TEST

/* ---- the gates ---- */

static gla_matrix row_of(gla_numbers *n, const double *x, size_t count) {
    gla_matrix m = gla_new(n, 1, count);
    for (size_t i = 0; i < count; i++) n->ops->set_d(n, gla_at(m, 0, i), x[i]);
    return m;
}

static const double logits[] = {-INFINITY, -300, -80, -20, -5, -1, -0x1p-30, 0, 0x1p-30, 1, 5, 14, 17, 40, 80, 300};
enum { LOGITS = sizeof logits / sizeof *logits };
static const double bounds[] = {0, 0x1p-60, 0x1p-10, 0.25, 0.5, 0.96875, 1 - 0x1p-20};
enum { BOUNDS = sizeof bounds / sizeof *bounds };

/* alpha = gam + (1 - gam) / (1 + e^-f) and 1 - alpha, at 2000 bits by MPFR's own functions. */
static void by_definition(mpfr_t log_alpha, mpfr_t key, double f, double gam) {
    mpfr_t x;
    mpfr_init2(x, 2000);
    mpfr_set_d(x, -f, MPFR_RNDN);
    mpfr_exp(x, x, MPFR_RNDN);
    mpfr_add_ui(x, x, 1, MPFR_RNDN);
    mpfr_set_d(key, gam, MPFR_RNDN);
    mpfr_ui_sub(key, 1, key, MPFR_RNDN);
    mpfr_div(x, key, x, MPFR_RNDN);
    mpfr_add_d(log_alpha, x, gam, MPFR_RNDN);
    mpfr_ui_sub(key, 1, log_alpha, MPFR_RNDN);
    mpfr_log(log_alpha, log_alpha, MPFR_RNDN);
    mpfr_clear(x);
}

static double off(gla_matrix got, size_t i, const mpfr_t want) {
    mpfr_t x;
    mpfr_init2(x, 2000);
    got.in->ops->get_mpfr(got.in, x, gla_at(got, 0, i));
    double apart = mpfr_equal_p(x, want) ? 0 : golden_apart(x, want);
    mpfr_clear(x);
    return apart;
}

/* Every gate and every key to a few roundings, whatever f and the bound. */
START_TEST(gates_keep_their_digits) {
    static const struct {
        const char *numbers;
        double roundoff, smallest; /* what is below is lost to the range */
    } systems[] = {{"binary64", 0x1p-53, 0x1p-1000}, {"binary32", 0x1p-24, 0x1p-120}, {"mpfr:200", 0x1p-200, 0}};
    mpfr_t g_want, k_want;
    mpfr_inits2(2000, g_want, k_want, (mpfr_ptr)0);
    for (size_t s = 0; s < 3; s++)
        for (size_t b = 0; b < BOUNDS; b++) {
            gla_numbers *n;
            ck_assert_int_eq(gla_numbers_open(systems[s].numbers, &n, NULL), GLA_OK);
            gla_matrix f = row_of(n, logits, LOGITS), g = gla_new(n, 1, LOGITS), k = gla_new(n, 1, LOGITS);
            double same[LOGITS];
            for (size_t i = 0; i < LOGITS; i++) same[i] = bounds[b];
            tied_gates(g, k, f, row_of(n, same, LOGITS));
            for (size_t i = 0; i < LOGITS; i++) {
                by_definition(g_want, k_want, logits[i], bounds[b]);
                if (mpfr_cmpabs_ui(k_want, 0) && mpfr_get_d(k_want, MPFR_RNDN) <= systems[s].smallest) continue;
                double of_g = off(g, i, g_want) / systems[s].roundoff, of_k = off(k, i, k_want) / systems[s].roundoff;
                ck_assert_msg(of_g <= 8 && of_k <= 5, "%s, f = %g, bound %g: ln alpha off by %g, key by %g roundings",
                              systems[s].numbers, logits[i], bounds[b], of_g, of_k);
            }
            gla_numbers_close(n);
        }
    mpfr_clears(g_want, k_want, (mpfr_ptr)0);
}
END_TEST

/* Absent, or 0: the same gates to the bit but where ln(1 - k) is the better one, and the same gradients. */
START_TEST(no_bound_is_zero) {
    test_problem x;
    golden_hgrn2(&x);
    memset(x.at[GLA_IN_LOWER_BOUND], 0, 4 * sizeof(double));
    gla_problem none = x.p;
    none.lower_bound = (gla_tensor){0};
    test_run a = run_problem(&x.p, "parallel", "mpfr:256"), b = run_problem(&none, "parallel", "mpfr:256");
    ck_assert(run_has(&a, GLA_DLOWER_BOUND) && !run_has(&b, GLA_DLOWER_BOUND));
    for (int i = 0; i < GLA_OUTPUTS; i++)
        if (run_has(&b, (gla_output)i)) ck_assert_double_le(run_apart(&a, &b, (gla_output)i), TOLERANCE);
    run_free(&a);
    run_free(&b);
    problem_free(&x);
}
END_TEST

/* f = -inf: the state is v alone (bound 0), or what the bound leaves; f = inf: nothing is written. No NaN in gradients.
 */
START_TEST(infinite_logits) {
    static const char *const systems[] = {"binary64", "binary32", "mpfr:100", "interval:100", "dual:100"};
    for (size_t s = 0; s < sizeof systems / sizeof *systems; s++)
        for (int bound = 0; bound < 2; bound++) {
            test_problem x;
            golden_hgrn2(&x);
            for (int64_t i = 0; i < 4; i++) x.at[GLA_IN_LOWER_BOUND][i] = 0.5;
            if (!bound) x.p.lower_bound = (gla_tensor){0};
            for (int64_t i = 0; i < 28; i++) x.at[GLA_IN_F][i] = i < 8 ? -INFINITY : INFINITY;
            for (int f = 0; f < FORMS; f++) {
                if (strstr(forms[f], "naive") || strstr(forms[f], "factored")) continue; /* they fail at resets */
                test_run run = run_problem(&x.p, forms[f], systems[s]);
                for (int64_t i = 0; i < 12 && !bound; i++)
                    ck_assert(gla_result_d(&run.result, GLA_FINAL_STATE, i) == x.at[GLA_IN_V][3 + i % 3]);
                for (int i = 0; i < GLA_OUTPUTS; i++)
                    for (int64_t j = 0; j < run.result.tensor[i].count; j++)
                        ck_assert_msg(isfinite(gla_result_d(&run.result, (gla_output)i, j)), "%s %s: %s[%ld]",
                                      systems[s], forms[f], gla_output_names[i], (long)j);
                for (int64_t i = 0; i < 28 && f != 1; i++) /* parallel: dg is a difference of sums */
                    ck_assert(gla_result_d(&run.result, GLA_DF, i) == 0);
                run_free(&run);
            }
            problem_free(&x);
        }
}
END_TEST

/* Gates that almost reset: dg / alpha would be tiny over tiny and e^-f is infinity in binary32, but df keeps its
 * digits, with a bound of 0 as without one. */
START_TEST(almost_resets) {
    test_problem x;
    golden_hgrn2(&x);
    memset(x.at[GLA_IN_LOWER_BOUND], 0, 4 * sizeof(double));
    for (int64_t i = 0; i < 28; i++) x.at[GLA_IN_F][i] -= i % 3 ? 90 : 60;
    for (int none = 0; none < 2; none++) {
        if (none) x.p.lower_bound = (gla_tensor){0};
        test_run truth = run_problem(&x.p, "recurrent", "mpfr:256"), run = run_problem(&x.p, "recurrent", "binary32");
        for (int64_t i = 0; i < 28; i++) {
            double want = gla_result_d(&truth.result, GLA_DF, i), got = gla_result_d(&run.result, GLA_DF, i);
            /* e^g of a rounded g: |g| roundings; and some of the smallest numbers */
            double allowed = 256 * 0x1p-24 * fabs(want) + 0x1p-146;
            ck_assert_msg(fabs(got - want) <= allowed, "df[%ld] = %g, not %g", (long)i, got, want);
        }
        run_free(&truth);
        run_free(&run);
    }
    problem_free(&x);
}
END_TEST

/* ---- GLA with k = 1 - alpha ---- */

/* The gates and keys of a binary64 run, given to GLA: the same core, the same bits. */
START_TEST(is_gla_with_tied_keys) {
    test_problem x, y;
    golden_hgrn2(&x);
    problem_golden(&y, false);
    y.p.scale = 1;
    gla_numbers *n;
    ck_assert_int_eq(gla_numbers_open("binary64", &n, NULL), GLA_OK);
    gla_matrix f = gla_new(n, 7, 4), g = gla_new(n, 7, 4), k = gla_new(n, 7, 4);
    gla_matrix bound = row_of(n, x.at[GLA_IN_LOWER_BOUND], 4);
    for (size_t i = 0; i < 28; i++) n->ops->set_d(n, gla_at(f, i / 4, i % 4), x.at[GLA_IN_F][i]);
    tied_gates(g, k, f, bound);
    for (size_t i = 0; i < 28; i++) {
        y.at[GLA_IN_GK][i] = n->ops->get_d(n, gla_at(g, i / 4, i % 4));
        y.at[GLA_IN_K][i] = n->ops->get_d(n, gla_at(k, i / 4, i % 4));
    }
    test_run a = run_problem(&x.p, "chunkwise:3:2", "binary64"), b = run_problem(&y.p, "chunkwise:3:2", "binary64");
    static const gla_output same[] = {GLA_O, GLA_FINAL_STATE, GLA_DQ, GLA_DV, GLA_DINITIAL_STATE};
    for (size_t i = 0; i < sizeof same / sizeof *same; i++)
        for (int64_t j = 0; j < a.result.tensor[same[i]].count; j++)
            ck_assert(gla_result_d(&a.result, same[i], j) == gla_result_d(&b.result, same[i], j));
    run_free(&a);
    run_free(&b);
    gla_numbers_close(n);
    problem_free(&x);
    problem_free(&y);
}
END_TEST

/* The state is a mixture: nowhere beyond the largest of the initial state and the values (spec 7b), and linear in
 * them. */
START_TEST(state_is_a_mixture) {
    for (uint32_t i = 0; i < 20; i++) {
        test_random r = random_from(19000 + i);
        test_problem x;
        any_problem(&x, &r, "hgrn2", (any_options){.all = true, .longest = 12});
        test_run run = run_problem(&x.p, "recurrent", "mpfr:256");
        double largest = 0;
        for (int64_t j = 0; j < problem_count(&x, GLA_IN_V); j++) largest = fmax(largest, fabs(x.at[GLA_IN_V][j]));
        for (int64_t j = 0; j < problem_count(&x, GLA_IN_INITIAL_STATE); j++)
            largest = fmax(largest, fabs(x.at[GLA_IN_INITIAL_STATE][j]));
        static const gla_input linear[] = {GLA_IN_V, GLA_IN_INITIAL_STATE};
        any_check_euler(&x, &run, linear, 2, TOLERANCE, "v");
        for (int64_t j = 0; j < run.result.tensor[GLA_FINAL_STATE].count; j++)
            ck_assert_double_le(fabs(gla_result_d(&run.result, GLA_FINAL_STATE, j)), largest);
        run_free(&run);
        problem_free(&x);
    }
}
END_TEST

START_TEST(refused) {
    static const double bad[] = {1, -0.25, 1.5};
    for (size_t i = 0; i < 3; i++) {
        test_problem x;
        gla_error err = {0};
        golden_hgrn2(&x);
        x.at[GLA_IN_LOWER_BOUND][2] = bad[i];
        ck_assert(gla_problem_check(&x.p, false, &err) != GLA_OK);
        ck_assert_msg(strstr(err.what, "is outside [0,1)") && strstr(err.what, "lower_bound[0,0,0,2]"), "%s", err.what);
        problem_free(&x);
    }
}
END_TEST

/* Beside GLA of the same sizes (spec 7f), for each token and channel: log sigmoid(f) and sigmoid(-f). */
START_TEST(cost) {
    static const char *const some[] = {"recurrent", "parallel", "chunkwise:3:2"};
    test_problem x, y;
    golden_hgrn2(&x);
    problem_golden(&y, false);
    x.p.lower_bound = (gla_tensor){0};
    for (size_t f = 0; f < 3; f++) {
        gla_form form = form_named(some[f], false);
        struct gla_count a = any_cost(&x.p, form), b = any_cost(&y.p, form);
        enum { GATES = 7 * 4 };
        ck_assert_uint_eq(a.add - b.add, 2 * GATES);
        ck_assert_uint_eq(a.exp - b.exp, 3 * GATES);
        ck_assert_uint_eq(a.log - b.log, GATES);
        ck_assert_uint_eq(a.compare - b.compare, 4 * GATES);
        ck_assert_uint_eq(a.div - b.div, GATES);
        ck_assert(a.mul == b.mul && a.fma == b.fma);
    }
    problem_free(&x);
    problem_free(&y);
}
END_TEST

/* ---- the lower bounds of all layers ---- */

enum { LAYERS = 5, CHANNELS = 3 };

static gla_matrix table_of(gla_numbers *n) {
    test_random r = random_from(20000);
    gla_matrix table = gla_new(n, LAYERS, CHANNELS);
    for (size_t i = 0; i < LAYERS * CHANNELS; i++)
        n->ops->set_d(n, gla_at(table, i / CHANNELS, i % CHANNELS), 3 * random_signed(&r));
    return table;
}

/* gam_0 = 0, rising, below 1, and its definition sum_{j <= l} p_j - p_0 by plain exponentials. */
START_TEST(lower_bounds) {
    gla_numbers *n;
    ck_assert_int_eq(gla_numbers_open("binary64", &n, NULL), GLA_OK);
    gla_matrix table = table_of(n), gam = gla_new(n, LAYERS, CHANNELS);
    hgrn2_lower_bounds(gam, table);
    for (size_t i = 0; i < CHANNELS; i++) {
        double sum = 0, above = 0;
        for (size_t l = 0; l < LAYERS; l++) sum += exp(n->ops->get_d(n, gla_at(table, l, i)));
        for (size_t l = 0; l < LAYERS; l++) {
            double got = n->ops->get_d(n, gla_at(gam, l, i));
            above += l ? exp(n->ops->get_d(n, gla_at(table, l, i))) : 0;
            ck_assert_double_eq_tol(got, above / sum, 16 * 0x1p-53);
            ck_assert(l ? got > n->ops->get_d(n, gla_at(gam, l - 1, i)) && got < 1 : got == 0);
        }
    }
    gla_numbers_close(n);
}
END_TEST

START_TEST(lower_bounds_have_their_gradient) {
    gla_numbers *n, *dual;
    ck_assert_int_eq(gla_numbers_open("mpfr:256", &n, NULL), GLA_OK);
    ck_assert_int_eq(gla_numbers_open("dual:256", &dual, NULL), GLA_OK);
    gla_matrix dgam = gla_new(n, LAYERS, CHANNELS), table = table_of(n);
    for (size_t i = 0; i < LAYERS * CHANNELS; i++)
        n->ops->set_d(n, gla_at(dgam, i / CHANNELS, i % CHANNELS), cos((double)i));
    hgrn2_lower_bounds_back(dgam, dgam, table);
    MPFR_DECL_INIT(want, 512);
    MPFR_DECL_INIT(slope, 512);
    MPFR_DECL_INIT(got, 512);
    for (size_t which = 0; which < LAYERS * CHANNELS; which++) {
        gla_matrix moved = table_of(dual), gam = gla_new(dual, LAYERS, CHANNELS);
        gla_dual_set_tangent(dual, gla_at(moved, which / CHANNELS, which % CHANNELS), 1);
        hgrn2_lower_bounds(gam, moved);
        mpfr_set_zero(want, 1);
        for (size_t i = 0; i < LAYERS * CHANNELS; i++) {
            gla_dual_get_tangent(dual, slope, gla_at(gam, i / CHANNELS, i % CHANNELS));
            mpfr_mul_d(slope, slope, cos((double)i), MPFR_RNDN);
            mpfr_add(want, want, slope, MPFR_RNDN);
        }
        n->ops->get_mpfr(n, got, gla_at(dgam, which / CHANNELS, which % CHANNELS));
        ck_assert_double_le(golden_apart(got, want), TOLERANCE);
    }
    gla_numbers_close(n);
    gla_numbers_close(dual);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("hgrn2");
    TCase *t = tcase_create("hgrn2");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, golden_values);
    tcase_add_test(t, gates_keep_their_digits);
    tcase_add_test(t, no_bound_is_zero);
    tcase_add_test(t, infinite_logits);
    tcase_add_test(t, almost_resets);
    tcase_add_test(t, is_gla_with_tied_keys);
    tcase_add_test(t, state_is_a_mixture);
    tcase_add_test(t, refused);
    tcase_add_test(t, cost);
    tcase_add_test(t, lower_bounds);
    tcase_add_test(t, lower_bounds_have_their_gradient);
    suite_add_tcase(s, t);
    return s;
}

int main(void) { return test_main(suite()); }
