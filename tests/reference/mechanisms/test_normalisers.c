/* SPDX-License-Identifier: Apache-2.0
 *
 * The golden arrays of normalised linear attention and of the mLSTM through gla_run, in every formulation that they
 * have, to 38 digits at 256 bits; what they cost, by the counter; what their settings refuse. Run from the repository
 * root.
 */
#include "switch_problems.h"

/* ---- golden ---- */

static const char *const forms[] = {"recurrent",
                                    "recurrent+suffix",
                                    "parallel",
                                    "parallel+suffix",
                                    "chunkwise:1:1",
                                    "chunkwise:3:2",
                                    "chunkwise:4:2+anchor",
                                    "chunkwise:5:2",
                                    "chunkwise",
                                    "chunkwise-centred:4:2",
                                    "chunkwise-paired:4:0",
                                    "parallel-naive"};
enum { FORMS = sizeof forms / sizeof *forms };

typedef struct golden_name {
    gla_output output;
    const char *name;
} golden_name;

static const golden_name normalised_names[] = {
    {GLA_O, "o"},   {GLA_FINAL_STATE, "S_T"},    {GLA_FINAL_N, "z_T"},    {GLA_DQ, "dq"}, {GLA_DK, "dk"},
    {GLA_DV, "dv"}, {GLA_DINITIAL_STATE, "dS0"}, {GLA_DINITIAL_N, "dz0"}, {0, NULL}};
static const golden_name mlstm_names[] = {{GLA_O, "h"},
                                          {GLA_FINAL_STATE, "C_T"},
                                          {GLA_FINAL_N, "n_T"},
                                          {GLA_FINAL_M, "m_T"},
                                          {GLA_DQ, "dq"},
                                          {GLA_DK, "dk"},
                                          {GLA_DV, "dv"},
                                          {GLA_DI, "dip"},
                                          {GLA_DF, "dfp"},
                                          {GLA_DINITIAL_STATE, "dC0"},
                                          {GLA_DINITIAL_N, "dn0"},
                                          {0, NULL}};

/* Every array that the set has; at least `least` of them. */
static void check_golden(const gla_problem *p, const char *file, const char *set, const golden_name *names, int least) {
    for (int f = 0; f < FORMS; f++) {
        gla_form form = form_named(forms[f], true);
        if (!gla_form_available(p, &form)) continue;
        test_run run = run_form(p, form, "mpfr:256");
        int checked = 0;
        for (const golden_name *n = names; n->name; n++) {
            int64_t count = run.result.tensor[n->output].count;
            if (!run_has(&run, n->output)) continue;
            gla_matrix m = gla_over(run.numbers, run.result.tensor[n->output].at, (size_t)count, 1);
            checked += golden_check_matrix(file, set, n->name, m, forms[f]);
        }
        ck_assert_int_ge(checked, least);
        run_free(&run);
    }
}

static test_problem golden_sized(const char *mechanism) {
    test_problem x = problem_sized(1, 7, 1, 4, 3);
    x.p.scale = 0.5;
    name_mechanism(&x.p, mechanism);
    fill_stream(&x, GLA_IN_V, 3, 2, -1);
    fill_stream(&x, GLA_IN_INITIAL_STATE, 8, 2, -1);
    fill_stream(&x, GLA_IN_DO, 10, 2, -1);
    fill_stream(&x, GLA_IN_DFINAL_STATE, 11, 2, -1);
    return x;
}

START_TEST(golden_normalised_linear_attention) {
    test_problem x = golden_sized("linear_attention,normaliser=sum,eps=9.5367431640625e-07");
    fill_stream(&x, GLA_IN_Q, 1, 2, 0.125);
    fill_stream(&x, GLA_IN_K, 2, 2, 0.125);
    fill_stream(&x, GLA_IN_INITIAL_N, 9, 2, 0.125);
    fill_stream(&x, GLA_IN_DFINAL_N, 12, 2, -1);
    check_golden(&x.p, "linear_attention", "normalised", normalised_names, 8);
    problem_free(&x);
}
END_TEST

static const struct {
    const char *text, *set;
    int arrays;
} mlstm_cases[] = {{"mlstm", "exp", 11},
                   {"mlstm,gradient=truncated", "exp_truncated", 7},
                   {"mlstm,gate=sigmoid,normaliser=none", "sig", 8},
                   {"mlstm,gate=sigmoid", "sig_normalised", 10}};

START_TEST(golden_mlstm) {
    test_problem x = golden_sized(mlstm_cases[_i].text);
    unsigned taken = gla_inputs_taken(&x.p);
    fill_stream(&x, GLA_IN_Q, 1, 8, -4);
    fill_stream(&x, GLA_IN_K, 2, 2, -1);
    fill_stream(&x, GLA_IN_I, 13, 8, -4);
    fill_stream(&x, GLA_IN_F, 14, 8, -4);
    if (taken & 1u << GLA_IN_INITIAL_N) fill_stream(&x, GLA_IN_INITIAL_N, 9, 2, -1);
    if (taken & 1u << GLA_IN_DFINAL_N) fill_stream(&x, GLA_IN_DFINAL_N, 12, 2, -1);
    if (taken & 1u << GLA_IN_INITIAL_M) problem_give(&x, GLA_IN_INITIAL_M, 1)[0] = 0.5;
    check_golden(&x.p, "mlstm", mlstm_cases[_i].set, mlstm_names, mlstm_cases[_i].arrays);
    problem_free(&x);
}
END_TEST

/* ---- costs: what the counter counts, forward without states, against the formulas ---- */

static struct gla_count cost_of(const char *mechanism, const char *form, const int64_t size[3]) {
    test_random r = random_from(6400);
    test_problem x = problem_sized(1, size[0], 1, size[1], size[2]);
    name_mechanism(&x.p, mechanism);
    for (int i = 0; i < GLA_INPUTS; i++) {
        gla_input name = (gla_input)i;
        bool optional = gla_mechanism_of(&x.p)->optional & 1u << i || gla_is_state_input(name) || i == GLA_IN_DO;
        if (!(gla_inputs_taken(&x.p) & 1u << i) || optional) continue;
        problem_give(&x, name, 1);
        for (int64_t j = 0; j < problem_count(&x, name); j++) x.at[i][j] = random_signed(&r);
    }
    struct gla_count count = any_cost(&x.p, form_named(form, false));
    problem_free(&x);
    return count;
}

static void expect_count(uint64_t got, int64_t want, const char *what) {
    ck_assert_msg((int64_t)got == want, "%s: %ld, by the formula %ld", what, (long)got, (long)want);
}

/* Recurrent: a write and a read of every state element, and where it decays a product. W = dv + 1 with a normaliser.
 *     linear attention 4 T dk W flops, mLSTM 5 T dk W, beside 1 and 2 T dk for the scale and the input gate
 * Chunks of C, all of their squares: 4 T dk W + 2 T C (dk + W) flops; mLSTM: an exponential for each of the T (C+1) / 2
 * pairs and 7 for each token (logsigmoid, into, out and their like of two passes, the merged tiles, e^-m). */
START_TEST(costs) {
    static const int64_t sizes[][3] = {{32, 8, 16}, {64, 16, 5}, {48, 3, 7}};
    const int64_t C = 8, T = sizes[_i][0], dk = sizes[_i][1], dv = sizes[_i][2];
    struct gla_count c = cost_of("linear_attention", "recurrent", sizes[_i]);
    expect_count(c.fma, 2 * T * dk * dv, "linear attention, fma");
    expect_count(c.mul + c.add + c.div, T * dk, "linear attention, others");
    c = cost_of("linear_attention,normaliser=sum", "recurrent", sizes[_i]);
    expect_count(c.fma, 2 * T * dk * (dv + 1), "normalised, fma");
    expect_count(c.mul + c.add, T * dk, "normalised, products and sums");
    expect_count(c.div, T * dv, "normalised, quotients");
    c = cost_of("linear_attention,normaliser=sum", "chunkwise:8:8", sizes[_i]);
    expect_count(c.fma, 2 * T * dk * (dv + 1) + T * C * (dk + dv + 1), "normalised chunks, fma");
    c = cost_of("mlstm", "recurrent", sizes[_i]);
    expect_count(2 * c.fma + c.mul, 5 * T * dk * (dv + 1) + 2 * T * dk, "mLSTM, fma and products");
    expect_count(c.exp, 4 * T, "mLSTM, exp");
    c = cost_of("mlstm,gate=sigmoid,normaliser=none", "recurrent", sizes[_i]);
    expect_count(2 * c.fma + c.mul, 5 * T * dk * dv + 2 * T * dk, "mLSTM without normaliser, fma and products");
    c = cost_of("mlstm", "chunkwise:8:8", sizes[_i]);
    expect_count(c.fma, 2 * T * dk * (dv + 1) + T * C * (dk + dv + 1), "mLSTM chunks, fma");
    expect_count(c.exp, T * (C + 1) / 2 + 7 * T, "mLSTM chunks, exp");
}
END_TEST

/* ---- refusals ---- */

START_TEST(refused) {
    static const struct {
        const char *text, *says;
        gla_input given;
    } cases[] = {{"linear_attention", "linear_attention takes no initial_n", GLA_IN_INITIAL_N},
                 {"linear_attention,eps=1e-6", "eps, eps_on and z need normaliser=sum", GLA_INPUTS},
                 {"linear_attention,normaliser=sum,z=recomputed", "takes no initial_n", GLA_IN_INITIAL_N},
                 {"retention,decay=trained", "log_decay[0,0,0,0] = 1 is above 0", GLA_IN_A_LOG},
                 {"retention", "takes no log_decay", GLA_IN_A_LOG},
                 {"retention,decay=trained,mask=normalised", "needs mask=plain", GLA_IN_A_LOG},
                 {"retention,rows=abs", "takes no initial_state", GLA_IN_INITIAL_STATE},
                 {"mlstm,normaliser=none", "normaliser=none needs gate=sigmoid", GLA_INPUTS},
                 {"mlstm,gate=sigmoid,normaliser=none,eps=1", "need a normaliser", GLA_INPUTS},
                 {"mlstm,gate=sigmoid,m0=-inf", "m0=-inf needs gate=exp", GLA_INPUTS},
                 {"mlstm,gate=sigmoid", "takes no initial_m", GLA_IN_INITIAL_M},
                 {"mlstm,gradient=truncated", "takes no dfinal_n", GLA_IN_DFINAL_N}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        test_problem x = plain_problem(cases[i].text, 6200, false);
        gla_error err = {0};
        if (cases[i].given < GLA_INPUTS) problem_give(&x, cases[i].given, 1)[0] = 1;
        ck_assert_int_eq(gla_problem_check(&x.p, false, &err), GLA_BAD_VALUE);
        ck_assert_msg(strstr(err.what, cases[i].says), "%s says: %s", cases[i].text, err.what);
        problem_free(&x);
    }
    test_problem odd = problem_sized(1, 2, 1, 3, 1);
    name_mechanism(&odd.p, "retention,rotation=halves");
    for (int i = GLA_IN_Q; i <= GLA_IN_V; i++) problem_give(&odd, (gla_input)i, 1);
    gla_error err = {0};
    ck_assert_int_eq(gla_problem_check(&odd.p, false, &err), GLA_BAD_SHAPE);
    ck_assert_msg(strstr(err.what, "turns pairs of channels, but dk = 3"), "says: %s", err.what);
    problem_free(&odd);
}
END_TEST

/* Forms that the mLSTM does not have. */
START_TEST(forms_refused) {
    static const char *const none[] = {"parallel-naive",        "chunkwise-centred:4:2", "chunkwise-paired",
                                       "chunkwise:4:2+split:4", "chunkwise:4:2+ut",      "chunkwise:4:2+prefix",
                                       "recurrent+anchor"};
    test_problem x = plain_problem("mlstm", 6300, false);
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        gla_form form = form_named(none[i], true);
        ck_assert_msg(!gla_form_available(&x.p, &form), "%s is available", none[i]);
    }
    problem_free(&x);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("normalisers of mechanisms");
    TCase *t = tcase_create("normalisers");
    tcase_set_timeout(t, 30);
    tcase_add_test(t, golden_normalised_linear_attention);
    tcase_add_loop_test(t, golden_mlstm, 0, 4);
    tcase_add_loop_test(t, costs, 0, 3);
    tcase_add_test(t, refused);
    tcase_add_test(t, forms_refused);
    suite_add_tcase(s, t);
    return s;
}

int main(void) { return test_main(suite()); }
