/* SPDX-License-Identifier: Apache-2.0
 *
 * The golden arrays of DeltaNet, Gated DeltaNet and Kimi Delta Attention (data/golden/delta.txt, 40 digits from an
 * independent implementation) in every formulation, solver and gate route, to 38 digits element by element, at 256
 * bits; and the published 32-digit checksums of the same arrays. Run from the repository root.
 */
#include "../golden.h"
#include "deltas.h"

static const struct {
    const char *name;
    size_t gate;
} cases[] = {{"deltanet", 0}, {"gated_deltanet", 1}, {"kda", 4}};
enum { CASES = 3 };

static void check_array(const delta_slice *s, test_out name, const char *which, const char *form) {
    gla_matrix m = delta_output(s, name);
    if (gla_absent(m)) return;
    ck_assert_msg(golden_check_matrix("delta", which, out_names[name], m, form), "%s.%s: no golden numbers", which,
                  out_names[name]);
}

/* One form with every gate route it has; returns how many ran. */
static int check_form(int which, gla_form form) {
    test_delta x = delta_golden(cases[which].gate);
    int ran = 0;
    for (int route = 0; route < GLA_ROUTES; route++) {
        form.route = (gla_gate_route)route;
        if (!delta_available(&form)) continue;
        char text[96];
        gla_form_print(&form, text, sizeof text);
        delta_slice s = delta_solved(&x, form, "mpfr:256");
        for (int i = 0; i < OUTS; i++) check_array(&s, (test_out)i, cases[which].name, text);
        delta_close(&s);
        ran++;
    }
    delta_free(&x);
    return ran;
}

START_TEST(recurrent) { ck_assert_int_eq(check_form(_i, delta_form_named("recurrent", GLA_SOLVE)), 5); }
END_TEST

START_TEST(parallel) {
    static const gla_solver solvers[] = {GLA_SOLVE, GLA_UT, GLA_UT_PRODUCT};
    for (size_t i = 0; i < 3; i++) ck_assert_int_eq(check_form(_i, delta_form_named("parallel", solvers[i])), 5);
}
END_TEST

START_TEST(chunkwise) {
    static const char *const forms[] = {"chunkwise:1:1", "chunkwise:3:2",   "chunkwise:4:4",
                                        "chunkwise:7:3", "chunkwise:64:16", "chunkwise:4:2+materialised"};
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++)
        for (int solver = 0; solver < GLA_SOLVERS; solver++)
            ck_assert_int_eq(check_form(_i, delta_form_named(forms[i], (gla_solver)solver)), 6);
}
END_TEST

/* The unsafe ones are right where nothing overflows. */
START_TEST(unsafe) {
    gla_form form = delta_form_named("chunkwise:7:5", GLA_SOLVE);
    form.bounded = true;
    ck_assert_int_eq(check_form(_i, form), 6);
    ck_assert_int_eq(check_form(_i, delta_form_named("chunkwise-factored:5", GLA_UT)), 5);
}
END_TEST

/* sum_j W_j x_j with W the stream of seed 99; NULL where there is no gate. */
static const char *const checksums[CASES][OUTS] = {
    {"1.0622249360383747306850040333668", "1.5297902443306729522747363570066", "-0.39732523613354313615666421626269",
     "-0.84891597401378344637790196791296", "-0.40995168013635566275137039628944", NULL,
     "0.43249658676875047480946783097382", "-1.3329074588093313349783361203725"},
    {"0.19778147813628208948981221749468", "0.66918305203177890735941045448013", "0.16169356219791588755411991388644",
     "-1.0833489602961451494707263577343", "-0.35655885633484068223442350531706", "0.96495697751741497279633623946361",
     "0.011313892614266755704135771261239", "-0.20826824586715758260341777101145"},
    {"0.10104464954433724913134992308045", "0.32680122757505728414670035300294", "0.1476415614028110507956434665126",
     "-0.98424724946288976676035244790557", "-0.27179179358578920155334702255051",
     "-0.32836363439643084068852822861549", "-0.074081048832100751930244253555314",
     "-0.10155247382918241005460701239217"}};

START_TEST(checksum) {
    test_delta x = delta_golden(cases[_i].gate);
    delta_slice s = delta_solved(&x, delta_form_named("recurrent", GLA_SOLVE), "mpfr:256");
    mpfr_t sum, number, wanted;
    mpfr_inits2(512, sum, number, wanted, (mpfr_ptr)0);
    for (int name = 0; name < OUTS; name++) {
        gla_matrix m = delta_output(&s, (test_out)name);
        ck_assert_int_eq(gla_absent(m), checksums[_i][name] == NULL);
        if (gla_absent(m)) continue;
        uint32_t state = 2654435761u * 99u;
        mpfr_set_zero(sum, 1);
        for (size_t i = 0; i < m.rows * m.cols; i++) {
            s.in->ops->get_mpfr(s.in, number, gla_at(m, i / m.cols, i % m.cols));
            mpfr_mul_d(number, number, 2 * golden_next(&state) - 1, MPFR_RNDN);
            mpfr_add(sum, sum, number, MPFR_RNDN);
        }
        mpfr_set_str(wanted, checksums[_i][name], 10, MPFR_RNDN);
        double apart = golden_apart(sum, wanted);
        ck_assert_msg(apart <= 1e-30, "%s %s: checksum is off by %g", cases[_i].name, out_names[name], apart);
    }
    mpfr_clears(sum, number, wanted, (mpfr_ptr)0);
    delta_close(&s);
    delta_free(&x);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("delta golden values");
    TCase *t = tcase_create("golden");
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, checksum, 0, CASES);
    tcase_add_loop_test(t, recurrent, 0, CASES);
    tcase_add_loop_test(t, parallel, 0, CASES);
    tcase_add_loop_test(t, chunkwise, 0, CASES);
    tcase_add_loop_test(t, unsafe, 0, CASES);
    suite_add_tcase(s, t);
    return s;
}

int main(void) { return test_main(suite()); }
