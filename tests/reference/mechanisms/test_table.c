/* SPDX-License-Identifier: Apache-2.0
 *
 * The text of a mechanism, "NAME[:SCHEDULE[:l/L]][@h/H][,SWITCH=VALUE]...": read and printed back, and refused with the
 * names there are; what a problem of a mechanism may not hold; the fixed decays in several number systems; a part of a
 * problem keeps the decays of its heads.
 */
#include "mechanism_problems.h"

#include "reference/slice.h"

START_TEST(there_and_back) {
    static const char *const texts[] = {"gla",
                                        "simple_gla",
                                        "linear_attention",
                                        "retention",
                                        "lightning",
                                        "retention:linspace",
                                        "retention@2/4",
                                        "lightning:linear:3/24",
                                        "lightning:linear:0/24@1/8",
                                        "kda",
                                        "mlstm,gate=sigmoid",
                                        "mlstm,gate=sigmoid,eps=1e-06",
                                        "mlstm,eps=0.1",
                                        "mlstm,eps=0.30000000000000004",
                                        "retention:linspace@1/4,rotation=halves,scale_on=k",
                                        "mamba2,dt_max=0.1"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        gla_problem p = {.H = 2};
        char text[160];
        name_mechanism(&p, texts[i]);
        gla_mechanism_print(&p, text, sizeof text);
        ck_assert_str_eq(text, texts[i]);
    }
    gla_problem whole = {.H = 4}; /* the usual schedule, and all heads, need not be said */
    char text[160];
    name_mechanism(&whole, "retention:powers@0/4");
    gla_mechanism_print(&whole, text, sizeof text);
    ck_assert_str_eq(text, "retention");
    whole.mechanism = NULL;
    ck_assert_str_eq(gla_mechanism_of(&whole)->name, "gla");
}
END_TEST

START_TEST(refused) {
    static const struct {
        const char *text, *says;
    } cases[] = {{"", "unknown mechanism '', known: gla simple_gla"},
                 {"retnet", "unknown mechanism 'retnet', known: gla simple_gla linear_attention retention lightning"},
                 {"gl", "known:"},
                 {"gla:powers", "gla has no fixed decay, write 'gla'"},
                 {"simple_gla@0/2", "simple_gla has no fixed decay"},
                 {"retention:", "is not one of retention:powers retention:linspace"},
                 {"retention:alibi", "is not one of retention:powers"},
                 {"retention:powers:0/2", "linear only"},
                 {"lightning:alibi:0/2", "linear only"},
                 {"lightning:linear:2/2", "layer l of L"},
                 {"lightning:linear:-1/2", "layer l of L"},
                 {"lightning:linear:1", "layer l of L"},
                 {"lightning:linear:0/4294967296", "layer l of L"},
                 {"lightning@4/4", "head h of H"},
                 {"lightning@1/4x", "head h of H"},
                 {"retention@99999999999999999999/2", "head h of H"},
                 {"gla,gate=exp", "gla has no switches, write 'gla'"},
                 {"mlstm,gate", "after commas mlstm takes gate=exp|sigmoid"},
                 {"mlstm,gate=tanh", "gate=exp|sigmoid"},
                 {"mlstm,", "gate=exp|sigmoid"},
                 {"mlstm,eps=", "eps=NUMBER from 0"},
                 {"mlstm,eps=-1", "eps=NUMBER from 0"},
                 {"mlstm,eps=nan", "eps=NUMBER from 0"},
                 {"mlstm,eps=1e-6x", "eps=NUMBER from 0"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        gla_problem p = {.H = 1};
        gla_error err = {0};
        ck_assert_int_eq(gla_mechanism_parse(cases[i].text, &p, &err), GLA_UNKNOWN_NAME);
        ck_assert_msg(strstr(err.what, cases[i].says) != NULL, "'%s' says: %s", cases[i].text, err.what);
        ck_assert_ptr_null(strchr(err.what, '\n'));
        ck_assert_ptr_null(p.mechanism);
    }
}
END_TEST

/* What is usual is not written, however it was said; values are read by their names, numbers to the last bit. */
START_TEST(settings) {
    gla_problem p = {.H = 1}, usual = {.H = 1};
    char text[160];
    name_mechanism(&p, "mlstm,gate=exp,eps=0,gradient=full");
    name_mechanism(&usual, "mlstm");
    ck_assert_mem_eq(p.setting, usual.setting, sizeof p.setting);
    name_mechanism(&p, "mamba2,dt_max=inf,dt_min=0");
    ck_assert_mem_eq(p.setting, usual.setting, sizeof p.setting);
    ck_assert(isinf(gla_setting(&p, 2)));
    name_mechanism(&p, "mlstm,eps=0.1,gate=sigmoid");
    const gla_switch *s = gla_mechanism_of(&p)->switches;
    for (int i = 0; s[i].name; i++) {
        if (strcmp(s[i].name, "gate") == 0) ck_assert_str_eq(s[i].values[(int)gla_setting(&p, i)].name, "sigmoid");
        if (strcmp(s[i].name, "eps") == 0) ck_assert_double_eq(gla_setting(&p, i), 0.1);
        if (strcmp(s[i].name, "gradient") == 0) ck_assert_double_eq(gla_setting(&p, i), 0);
    }
    for (size_t size = 1; size < 30; size++) { /* never beyond its size */
        memset(text, '#', sizeof text);
        gla_mechanism_print(&p, text, size);
        ck_assert(memchr(text, 0, size) != NULL);
        ck_assert_int_eq(text[size], '#');
    }
    gla_mechanism_print(&p, text, sizeof text);
    ck_assert_str_eq(text, "mlstm,gate=sigmoid,eps=0.1"); /* in the table's order */
}
END_TEST

/* Every switch of every mechanism: each of its values there and back, and what it says of itself. */
START_TEST(every_switch) {
    for (const gla_mechanism *const *m = gla_mechanisms; *m; m++)
        for (int i = 0; (*m)->switches && (*m)->switches[i].name; i++) {
            const gla_switch *s = &(*m)->switches[i];
            ck_assert_int_lt(i, GLA_SWITCHES);
            ck_assert(s->what && s->what[0]);
            if (!s->values) ck_assert(s->least <= s->usual && s->usual <= s->most);
            for (int v = 0; s->values && s->values[v].name; v++) {
                char text[160], again[160];
                gla_problem p = {.H = 2};
                snprintf(text, sizeof text, "%s,%s=%s", (*m)->name, s->name, s->values[v].name);
                name_mechanism(&p, text);
                ck_assert_double_eq(gla_setting(&p, i), v);
                gla_mechanism_print(&p, again, sizeof again);
                ck_assert_str_eq(again, v ? text : (*m)->name);
                ck_assert_ptr_null(strpbrk(s->values[v].name, ",=:@ "));
            }
        }
}
END_TEST

static void expect_refused(const gla_problem *p, const char *says) {
    gla_error err = {0};
    ck_assert(gla_problem_check(p, false, &err) != GLA_OK);
    ck_assert_msg(strstr(err.what, says) != NULL, "says: %s", err.what);
}

START_TEST(odd_problems) {
    test_problem x;
    problem_golden(&x, true);
    name_mechanism(&x.p, "simple_gla");
    expect_refused(&x.p, "mechanism simple_gla takes no gv");
    name_mechanism(&x.p, "retention");
    expect_refused(&x.p, "mechanism retention takes no g");
    problem_free(&x);
    problem_golden_of(&x, "retention@3/4", 0);
    gla_error err;
    ck_assert_int_eq(gla_problem_check(&x.p, false, &err), GLA_OK);
    x.p.decay.head = 4;
    expect_refused(&x.p, "heads from head 4 on, but the layer has 4");
    x.p.decay = (gla_fixed_decay){.head = -1};
    expect_refused(&x.p, "heads from head -1 on");
    x.p.decay = (gla_fixed_decay){.schedule = 2};
    expect_refused(&x.p, "mechanism retention has no schedule number 2");
    x.p.decay = (gla_fixed_decay){.layer = 3, .layers = 2};
    expect_refused(&x.p, "layer 3 of 2");
    x.p.decay = (gla_fixed_decay){0};
    x.p.setting[0] = (gla_setting_of){true, 1000};
    expect_refused(&x.p, "cannot be 1000");
    x.p.setting[0] = (gla_setting_of){true, 0.5};
    expect_refused(&x.p, "cannot be 0.5");
    problem_free(&x);
    problem_golden_of(&x, "simple_gla", 0);
    x.p.setting[0] = (gla_setting_of){true, 1};
    expect_refused(&x.p, "mechanism simple_gla has no switch number 0");
    problem_free(&x);
    problem_golden_of(&x, "simple_gla", 0);
    x.at[GLA_IN_GK][3] = 0.5;
    expect_refused(&x.p, "g[0,3,0,0] = 0.5 is above 0");
    problem_free(&x);
}
END_TEST

/* What may be left to the double-double engine, and what column by column: in the usual conventions alone. */
START_TEST(plain_and_apart) {
    static const struct {
        const char *text;
        bool plain, apart;
    } cases[] = {{"gla", true, true},
                 {"retention:linspace@1/4", true, true},
                 {"retention,scale_on=k", false, false},
                 {"linear_attention,normaliser=sum", false, false},
                 {"kda", false, true},
                 {"gsa,tie=tied", false, false},
                 {"mlstm", false, false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        gla_problem p = {.H = 4};
        name_mechanism(&p, cases[i].text);
        ck_assert_msg(gla_is_plain(&p) == cases[i].plain, "%s", cases[i].text);
        ck_assert_msg(gla_columns_apart(&p) == cases[i].apart, "%s", cases[i].text);
    }
    gla_problem p = {.H = 4};
    double one = 1;
    gla_tensor_dense(&p.u, &one, 1, 1, 1, 1);
    ck_assert(!gla_is_plain(&p)); /* an input that the engine knows nothing of */
}
END_TEST

/* log gamma_h: correctly rounded in every system that rounds to nearest; enclosed by intervals. */
START_TEST(rounded_once) {
    static const struct {
        const char *numbers;
        int bits;
    } systems[] = {{"binary64", 53}, {"binary32", 24}, {"mpfr:100", 100}};
    gla_problem p = {.H = 12};
    name_mechanism(&p, "retention");
    for (size_t i = 0; i < sizeof systems / sizeof *systems; i++) {
        gla_numbers *n;
        ck_assert_int_eq(gla_numbers_open(systems[i].numbers, &n, NULL), GLA_OK);
        gla_matrix g = gla_new(n, 1, 1);
        for (int h = 0; h < 12; h++) {
            mpfr_t want, got;
            mpfr_inits2(systems[i].bits, want, got, (mpfr_ptr)0);
            gla_mechanism_of(&p)->log_decay(&p, h, g);
            mpfr_set_d(want, -ldexp(1, -5 - h), MPFR_RNDN);
            mpfr_log1p(want, want, MPFR_RNDN);
            n->ops->get_mpfr(n, got, g.at);
            ck_assert_msg(mpfr_equal_p(want, got), "%s, head %d", systems[i].numbers, h);
            mpfr_clears(want, got, (mpfr_ptr)0);
        }
        gla_numbers_close(n);
    }
}
END_TEST

/* Heads 2 and 3 of four alone are what they are in the whole. */
START_TEST(parts_keep_their_decay) {
    static const char *const texts[] = {"retention", "retention:linspace", "lightning", "lightning:linear"};
    test_random r = random_from(9000);
    test_problem x = problem_sized(1, 9, 4, 3, 2);
    for (int i = 0; i < GATED_INPUTS; i++)
        if (i != GLA_IN_GK && i != GLA_IN_GV) {
            problem_give(&x, (gla_input)i, 4);
            problem_fill(&x, (gla_input)i, &r, 1, 0);
        }
    name_mechanism(&x.p, texts[_i]);
    gla_part part = gla_part_of(&x.p, 0, 2, 2);
    test_run whole = run_problem(&x.p, "recurrent", "binary64"),
             two = run_problem(&part.problem, "recurrent", "binary64");
    for (int i = 0; i < UNGATED_OUTPUTS; i++)
        for (int64_t j = 0; j < two.result.tensor[ungated_outputs[i]].count; j++) {
            int64_t at = gla_part_to_whole(&part, &x.p, ungated_outputs[i], j);
            ck_assert(gla_result_d(&two.result, ungated_outputs[i], j) ==
                      gla_result_d(&whole.result, ungated_outputs[i], at));
        }
    run_free(&whole);
    run_free(&two);
    problem_free(&x);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("table of mechanisms");
    TCase *t = tcase_create("table");
    tcase_set_timeout(t, 20);
    tcase_add_test(t, there_and_back);
    tcase_add_test(t, settings);
    tcase_add_test(t, every_switch);
    tcase_add_test(t, refused);
    tcase_add_test(t, plain_and_apart);
    tcase_add_test(t, odd_problems);
    tcase_add_test(t, rounded_once);
    tcase_add_loop_test(t, parts_keep_their_decay, 0, 4);
    suite_add_tcase(s, t);
    return s;
}

int main(void) { return test_main(suite()); }
