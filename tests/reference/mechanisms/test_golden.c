/* SPDX-License-Identifier: Apache-2.0
 *
 * The golden arrays of the mechanisms on the gated core (data/golden/MECHANISM.txt) in every formulation and every gate
 * route, to 38 digits element by element, at 256 bits. Run from the repository root.
 */
#include "../golden.h"
#include "mechanism_problems.h"

static const char *const golden_names[GATED_OUTPUTS] = {"o", "S_T", "dq", "dk", "dv", "dg", "dgv", "dS0"};

static const struct {
    const char *file, *mechanism;
    double scale;
} cases[] = {{"simple_gla", "simple_gla", 0.5},
             {"linear_attention", "linear_attention", 0.5},
             {"retention", "retention", 0.5},
             {"lightning", "lightning@0/4", 1}};
enum { CASES = sizeof cases / sizeof *cases };

/* Every output that the mechanism has, and no other. */
static void check_form(int which, const gla_form *form) {
    test_problem x;
    const char *file = cases[which].file;
    char text[80];
    gla_form_print(form, text, sizeof text);
    problem_golden_of(&x, cases[which].mechanism, cases[which].scale);
    test_run run = run_form(&x.p, *form, "mpfr:256");
    for (int i = 0; i < GLA_OUTPUTS; i++)
        if (gla_has_output(&x.p, true, (gla_output)i))
            golden_check_output(&run, (gla_output)i, file, file, golden_names[i], text);
        else
            ck_assert(!run_has(&run, (gla_output)i));
    run_free(&run);
    problem_free(&x);
}

START_TEST(golden) {
    static const char *const forms[] = {"recurrent",
                                        "parallel",
                                        "parallel-naive",
                                        "chunkwise:1:1",
                                        "chunkwise:3:2",
                                        "chunkwise:4:4+materialised",
                                        "chunkwise:5:2",
                                        "chunkwise",
                                        "chunkwise-factored:3",
                                        "chunkwise-factored:7",
                                        "chunkwise-centred:4:2",
                                        "chunkwise-centred",
                                        "chunkwise-paired:4",
                                        "chunkwise-paired:4:0",
                                        "chunkwise-paired:7:1",
                                        "chunkwise:2:1+split:4"};
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        gla_form form = form_named(forms[i], true);
        for (int route = 0; route < GLA_ROUTES; route++) {
            form.route = (gla_gate_route)route;
            if (gla_route_available(form.kind, form.route)) check_form(_i, &form);
        }
    }
}
END_TEST

/* d log gamma, the sum of what the gated core gives for dg. Through the mechanism (decay=trained, test_switches.c) log
 * gamma is an input, which binary64 does not hold to 38 digits. */
START_TEST(trainable_decay) {
    test_problem x;
    mpfr_t *golden, sum, y;
    problem_golden_of(&x, "retention", 0.5);
    gla_form form = form_named("chunkwise:3:2", true);
    gla_numbers *n;
    ck_assert_int_eq(gla_numbers_open("mpfr:256", &n, NULL), GLA_OK);
    gated_slice s = slice_of_mechanism(&x, n, 0, 0);
    gated_chunkwise(&s, &form);
    mpfr_inits2(512, sum, y, (mpfr_ptr)0);
    mpfr_set_zero(sum, 1);
    for (size_t t = 0; t < s.T; t++)
        for (size_t i = 0; i < s.dk; i++) {
            n->ops->get_mpfr(n, y, gla_at(s.dgk, t, i));
            mpfr_add(sum, sum, y, MPFR_RNDN);
        }
    ck_assert_int_eq(golden_read("retention", "retention", "dloggamma", &golden), 1);
    ck_assert_double_le(golden_apart(sum, golden[0]), GOLDEN_TOLERANCE);
    mpfr_clears(sum, y, (mpfr_ptr)0);
    golden_free(golden, 1);
    gla_numbers_close(n);
    problem_free(&x);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("golden values of mechanisms");
    TCase *t = tcase_create("golden");
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, golden, 0, CASES);
    tcase_add_test(t, trainable_decay);
    suite_add_tcase(s, t);
    return s;
}

int main(void) { return test_main(suite()); }
