/* SPDX-License-Identifier: Apache-2.0
 *
 * The rounding sites that mechanisms announce of their own, and those of results, counted in a run of 7 tokens of one
 * head, dk = 4, dv = 3, 5 slots: what a profile gives a format to must be there to be rounded. The cores' own sites:
 * delta/test_every_system.c. Run from the repository root.
 */
#include "any_mechanism.h"

enum { T = 7, DK = 4, DV = 3, SLOTS = 5, STATE = DK * DV };

static void count_sites(const char *mechanism, const char *form, bool backward, size_t counts[GLA_SITES]) {
    test_problem x = problem_sized(1, T, 1, DK, DV);
    test_random r = random_from(8500);
    name_mechanism(&x.p, mechanism);
    x.p.M = SLOTS;
    for (int i = 0; i < GLA_INPUTS; i++) {
        gla_input name = (gla_input)i;
        if (!(gla_inputs_taken(&x.p) & 1u << i) || gla_is_state_input(name)) continue;
        problem_give(&x, name, 1);
        for (int64_t j = 0; j < problem_count(&x, name); j++) x.at[i][j] = random_of_kind(&r, gla_input_kind(name), 1);
    }
    test_run run = run_form(&x.p, form_named(form, backward), "recorder:binary64");
    struct gla_trace trace = gla_recorder_trace(run.numbers);
    memset(counts, 0, GLA_SITES * sizeof *counts);
    for (size_t i = 0; i < trace.count; i++)
        if (strcmp(trace.events[i].op, "site") == 0) counts[(int)trace.events[i].y]++;
    ck_assert_uint_eq(trace.dropped, 0);
    run_free(&run);
    problem_free(&x);
}

static const struct {
    const char *mechanism;
    gla_site site;
    size_t forward, both;
} cases[] = {
    {"gla", GLA_SITE_SCALE, 1, 1},
    {"gla", GLA_SITE_OUTPUT, T *DV, T *(2 * DV + 2 * DK)},          /* o; dq dk dv */
    {"gla", GLA_SITE_OUTPUT_WIDE, STATE, 2 * STATE + T *(DK + DV)}, /* S_T; dg dgv dS_0 */
    {"simple_gla", GLA_SITE_OUTPUT_WIDE, STATE, 2 * STATE + T},     /* dg is one number per head */
    {"delta_rule", GLA_SITE_OUTPUT_WIDE, STATE, 2 * STATE + T},     /* dbeta */
    {"rwkv6", GLA_SITE_SCORE, T, T},                                /* the bonus is a score */
    {"rwkv6", GLA_SITE_DSCORE, 0, T},
    {"rwkv6", GLA_SITE_OUTPUT_WIDE, STATE, 2 * STATE + T *DK + DK}, /* dw, du */
    {"gsa", GLA_SITE_LOGIT, T *SLOTS, T *SLOTS},
    {"gsa", GLA_SITE_PROBABILITY, T *SLOTS, T *SLOTS},
    {"gsa", GLA_SITE_V_DECAYED, 0, 0},
    {"gsa,tie=tied", GLA_SITE_V_DECAYED, T *SLOTS, T *SLOTS},          /* s as the layer hands it over */
    {"gsa", GLA_SITE_OUTPUT, T *DV, T *(2 * DV + 2 * DK + 2 * SLOTS)}, /* da is stored too */
    {"mamba2", GLA_SITE_OUTPUT, T *DV, T *(3 * DV + 2 * DK)},          /* y; dx dz dB dC */
    {"mamba2", GLA_SITE_OUTPUT_WIDE, STATE, 2 * STATE + T + 3},        /* ddt, dA_log dD ddt_bias */
    {"linear_attention,normaliser=sum", GLA_SITE_NORMALISER, 0, T},
    {"mlstm", GLA_SITE_NORMALISER, 0, T},
    {"hgrn2", GLA_SITE_OUTPUT_WIDE, STATE, 2 * STATE + T *DK + DK}, /* df, dlower_bound */
};

START_TEST(announced) {
    size_t counts[GLA_SITES];
    count_sites(cases[_i].mechanism, "recurrent", false, counts);
    ck_assert_uint_eq(counts[cases[_i].site], cases[_i].forward);
    count_sites(cases[_i].mechanism, "recurrent", true, counts);
    ck_assert_uint_eq(counts[cases[_i].site], cases[_i].both);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("rounding sites of mechanisms");
    TCase *t = tcase_create("sites");
    tcase_set_timeout(t, 30);
    tcase_add_loop_test(t, announced, 0, (int)(sizeof cases / sizeof *cases));
    suite_add_tcase(s, t);
    return s;
}

int main(void) { return test_main(suite()); }
