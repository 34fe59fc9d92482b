/* SPDX-License-Identifier: Apache-2.0
 *
 * The golden arrays (data/golden/gla.txt, 40 digits from an independent implementation) in every
 * formulation and every gate route, to 38 digits element by element, at 256 bits; and the published
 * 32-digit checksums of the same arrays. Run from the repository root.
 */
#include "../golden.h"

static const char *const golden_names[GATED_OUTPUTS] = {"o", "S_T", "dq", "dk", "dv", "dgk", "dgv", "dS0"};
static const char *const cases[] = {"gla", "gla_ab"};

static void check_form(const char *which, gla_form form) {
    test_problem x;
    char text[80];
    gla_form_print(&form, text, sizeof text);
    problem_golden(&x, strcmp(which, "gla_ab") == 0);
    test_run run = run_form(&x.p, form, "mpfr:256");
    for (int i = 0; i < GATED_OUTPUTS; i++) {
        if (i == GLA_DGV && !x.p.gv.at)
            ck_assert(!run_has(&run, GLA_DGV));
        else
            golden_check_output(&run, (gla_output)i, "gla", which, golden_names[i], text);
    }
    run_free(&run);
    problem_free(&x);
}

/* Every route of the form that the library calls available; returns how many ran. */
static int check_routes(const char *which, const char *text) {
    gla_form form = form_named(text, true);
    int ran = 0;
    for (int route = 0; route < GLA_ROUTES; route++) {
        form.route = (gla_gate_route)route;
        if (!gla_route_available(form.kind, form.route)) continue;
        check_form(which, form);
        ran++;
    }
    return ran;
}

START_TEST(recurrent) { ck_assert_int_ge(check_routes(cases[_i], "recurrent"), 4); }
END_TEST

START_TEST(parallel) {
    ck_assert_int_ge(check_routes(cases[_i], "parallel"), 4);
    check_form(cases[_i], form_named("parallel-naive", true));
}
END_TEST

START_TEST(chunkwise) {
    static const char *const forms[] = {
        "chunkwise:1:1", "chunkwise:2:1",  "chunkwise:2:2",        "chunkwise:3:1",
        "chunkwise:3:2", "chunkwise:3:3",  "chunkwise:7:1",        "chunkwise:7:3",
        "chunkwise:7:7", "chunkwise:64:2", "chunkwise:64:16",      "chunkwise:64:64",
        "chunkwise:5:2", "chunkwise",      "chunkwise-factored:3", "chunkwise-factored:7"};
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        ck_assert_int_ge(check_routes(cases[_i], forms[i]), 5);
        gla_form stored = form_named(forms[i], true);
        stored.materialised = true;
        check_form(cases[_i], stored);
    }
}
END_TEST

START_TEST(centred) {
    static const char *const forms[] = {"chunkwise-centred:1", "chunkwise-centred:4:2", "chunkwise-centred:5:5",
                                        "chunkwise-centred", "chunkwise-centred:4:2+precise"};
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) check_form(cases[_i], form_named(forms[i], true));
}
END_TEST

/* No channel, some channels, all channels pair by pair: the gates of a chunk add up to some nats. */
START_TEST(paired) {
    static const char *const forms[] = {
        "chunkwise-paired",       "chunkwise-paired:1",       "chunkwise-paired:4",          "chunkwise-paired:7:0",
        "chunkwise-paired:4:0",   "chunkwise-paired:3:1",     "chunkwise-paired:7:2",        "chunkwise-paired:7:3",
        "chunkwise-paired:100:4", "chunkwise-paired+precise", "chunkwise-paired:4:1+precise"};
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) check_form(cases[_i], form_named(forms[i], true));
}
END_TEST

/* sum_j W_j x_j with W the stream of seed 99. */
static const struct {
    const char *which;
    gla_output name;
    const char *sum;
} checksums[] = {
    {"gla_ab", GLA_O, "0.049473580723727641232593039042815"},
    {"gla_ab", GLA_FINAL_STATE, "0.25758031373202506848162549155835"},
    {"gla_ab", GLA_DQ, "-0.13844329374481768253853649264093"},
    {"gla_ab", GLA_DK, "-0.94773638296554596544995569131248"},
    {"gla_ab", GLA_DV, "-0.59227283286074697986490233011524"},
    {"gla_ab", GLA_DGK, "-0.50535952350892508397212151235239"},
    {"gla_ab", GLA_DGV, "0.072393534358237462086674981789517"},
    {"gla_ab", GLA_DINITIAL_STATE, "-0.025804525502653622344061671480988"},
    {"gla", GLA_O, "0.054616088942357440121412014062146"},
    {"gla", GLA_FINAL_STATE, "0.64714865141646212053682708158607"},
    {"gla", GLA_DQ, "-0.10164189294218369163908934495611"},
    {"gla", GLA_DK, "-1.0640091117878088657280165375927"},
    {"gla", GLA_DV, "-0.59444680938355501758470537898817"},
    {"gla", GLA_DGK, "-0.65265964096778972100343691779709"},
    {"gla", GLA_DINITIAL_STATE, "-0.084567362555363306863474825715318"},
};

START_TEST(checksum) {
    test_problem problem;
    problem_golden(&problem, strcmp(checksums[_i].which, "gla_ab") == 0);
    test_run run = run_problem(&problem.p, "recurrent", "mpfr:256");
    mpfr_t sum, x, wanted;
    mpfr_inits2(512, sum, x, wanted, (mpfr_ptr)0);
    mpfr_set_zero(sum, 1);
    uint32_t state = 2654435761u * 99u;
    for (int64_t i = 0; i < run.result.tensor[checksums[_i].name].count; i++) {
        run_get(x, &run, checksums[_i].name, i);
        mpfr_mul_d(x, x, 2 * golden_next(&state) - 1, MPFR_RNDN);
        mpfr_add(sum, sum, x, MPFR_RNDN);
    }
    mpfr_set_str(wanted, checksums[_i].sum, 10, MPFR_RNDN);
    distance d;
    distance_begin(&d);
    distance_add(&d, sum, wanted);
    double apart = distance_end(&d);
    ck_assert_msg(apart <= 1e-31, "%s %s: checksum is off by %g", checksums[_i].which, golden_names[checksums[_i].name],
                  apart);
    mpfr_clears(sum, x, wanted, (mpfr_ptr)0);
    run_free(&run);
    problem_free(&problem);
}
END_TEST

/* The generator itself: three published draws of seed 1. */
START_TEST(generator) {
    static const double published[] = {0.25789868831634521484, 0.18510591983795166016, 0.77076268196105957031};
    uint32_t state = 2654435761u;
    for (int i = 0; i < 3; i++) ck_assert_double_eq_tol(golden_next(&state), published[i], 1e-20);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("gated golden values");
    TCase *t = tcase_create("golden");
    tcase_set_timeout(t, 120);
    tcase_add_test(t, generator);
    tcase_add_loop_test(t, checksum, 0, sizeof checksums / sizeof *checksums);
    tcase_add_loop_test(t, recurrent, 0, 2);
    tcase_add_loop_test(t, parallel, 0, 2);
    tcase_add_loop_test(t, chunkwise, 0, 2);
    tcase_add_loop_test(t, centred, 0, 2);
    tcase_add_loop_test(t, paired, 0, 2);
    suite_add_tcase(s, t);
    return s;
}

int main(void) { return test_main(suite()); }
