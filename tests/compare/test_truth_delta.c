/* SPDX-License-Identifier: Apache-2.0
 *
 * Certified truth of the delta rule's mechanisms (compare/truth_delta.h): it is the definition's, and 192 bits are
 * enough for it however long the sequence.
 */
#include "../../compare/cases.h"
#include "../../compare/truth.h"
#include "../../compare/truth_delta.h"
#include "../testing.h"

static const char *const mechanisms[] = {"delta_rule", "gated_delta_rule", "kda"};

/* The nearest binary64 of every output, by 600 bits of MPFR: over several windows of the enclosures, and over packed
 * and reversed sequences, shared heads and strong gates. A truth that proved too much would differ. */
START_TEST(truth_is_the_definition) {
    gla_case_spec spec = {.family = _i > 2 && _i % 2 ? "strong" : "mild",
                          .mechanism = mechanisms[_i / 2],
                          .T = 150,
                          .H = 2,
                          .Hk = 1,
                          .dk = 6,
                          .dv = 3,
                          .initial_state = true,
                          .varlen = _i % 2,
                          .reverse = _i % 2,
                          .backward = true,
                          .seed = test_seed()};
    const gla_truth_options how = {.backward = true, .threads = 1};
    const gla_form form = {.kind = GLA_RECURRENT, .backward = true};
    gla_generated g;
    gla_truth t;
    gla_result r;
    ck_assert(gla_generate(&spec, &g, NULL) == GLA_OK);
    ck_assert(gla_truth_compute(&g.problem, &how, &t, NULL) == GLA_OK);
    ck_assert_int_eq(t.uncertified, 0);
    ck_assert_int_eq(t.bits, 192);
    gla_numbers *n = gla_mpfr_open(600);
    ck_assert(gla_run(&g.problem, &form, n, &r, NULL) == GLA_OK);
    for (int i = 0; i < GLA_OUTPUTS; i++)
        for (int64_t e = 0; e < t.tensor[i].count; e++)
            ck_assert_msg(gla_result_d(&r, (gla_output)i, e) == t.tensor[i].value[e], "%s %s[%d]: %.17g, not %.17g",
                          g.name, gla_output_names[i], (int)e, t.tensor[i].value[e],
                          gla_result_d(&r, (gla_output)i, e));
    gla_result_free(&r);
    gla_numbers_close(n);
    gla_truth_free(&t);
    gla_generated_free(&g);
}
END_TEST

/* At 64 bits, over many windows: what 600 bits say lies in every enclosure, and they are narrow. Equal keys keep all
 * errors but those along the key: a radius that forgets what came before is found out. */
START_TEST(enclosures_enclose) {
    static const char *const families[] = {"mild", "same-key"};
    gla_case_spec spec = {.family = families[_i / 3],
                          .mechanism = mechanisms[_i % 3],
                          .T = 500,
                          .H = 1,
                          .dk = 5,
                          .dv = 3,
                          .initial_state = true,
                          .backward = true,
                          .seed = test_seed()};
    const gla_form form = {.kind = GLA_RECURRENT, .backward = true};
    gla_generated g;
    gla_result exact, r;
    ck_assert(gla_generate(&spec, &g, NULL) == GLA_OK);
    gla_problem p = g.problem;
    gla_mechanism enclosed = *gla_mechanism_of(&p);
    enclosed.slice = gla_delta_enclose;
    p.mechanism = &enclosed;
    gla_numbers *wide = gla_mpfr_open(600), *narrow = gla_interval_open(64);
    ck_assert(gla_run(&g.problem, &form, wide, &exact, NULL) == GLA_OK);
    ck_assert(gla_run(&p, &form, narrow, &r, NULL) == GLA_OK);
    mpfr_t low, high, x;
    mpfr_inits2(600, low, high, x, (mpfr_ptr)0);
    for (int i = 0; i < GLA_OUTPUTS; i++)
        for (int64_t e = 0; e < exact.tensor[i].count; e++) {
            gla_interval_ends(narrow, low, high, gla_result_at(&r, (gla_output)i, e));
            wide->ops->get_mpfr(wide, x, gla_result_at(&exact, (gla_output)i, e));
            ck_assert_msg(mpfr_lessequal_p(low, x) && mpfr_lessequal_p(x, high), "%s %s[%d]", g.name,
                          gla_output_names[i], (int)e);
            mpfr_sub(high, high, low, MPFR_RNDU);
            ck_assert_double_lt(mpfr_get_d(high, MPFR_RNDU), 0x1p-20);
        }
    mpfr_clears(low, high, x, (mpfr_ptr)0);
    gla_result_free(&exact);
    gla_result_free(&r);
    gla_numbers_close(wide);
    gla_numbers_close(narrow);
    gla_generated_free(&g);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("truth of the delta rule");
    TCase *t = tcase_create("enclosures");
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, truth_is_the_definition, 0, 6);
    tcase_add_loop_test(t, enclosures_enclose, 0, 6);
    suite_add_tcase(s, t);
    return s;
}

int main(void) { return test_main(suite()); }
