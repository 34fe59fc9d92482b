/* SPDX-License-Identifier: Apache-2.0
 *
 * What `explain` prints is what the judge used: for elements of every output, in three families and every profile, the
 * bound is the judge's to the last bit, and the terms add up to it.
 */
#include "../../compare/explain.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../../compare/cases.h"
#include "../testing.h"

enum { ELEMENTS = 10 };

static const char *const families[] = {"mild", "strong", "reset"};
enum { FAMILIES = 3 };

static gla_generated made;
static gla_truth truth;
static gla_candidate candidate;

static void make(const char *family) {
    gla_error err;
    gla_case_spec spec = {.family = family, .T = 19, .H = 2, .dk = 4, .dv = 3, .initial_state = true, .backward = true};
    spec.seed = test_seed();
    ck_assert_msg(gla_generate(&spec, &made, &err) == GLA_OK, "%s", err.what);
    const gla_truth_options how = {.backward = true, .close_enough = GLA_CLOSE_ENOUGH, .threads = 1};
    ck_assert_msg(gla_truth_compute(&made.problem, &how, &truth, &err) == GLA_OK, "%s", err.what);
    for (int i = 0; i < GLA_OUTPUTS; i++) {
        if (!truth.tensor[i].present) continue;
        candidate.output[i].value = truth.tensor[i].value;
        candidate.output[i].format = i == GLA_O ? &gla_bf16 : &gla_binary32_format;
        candidate.output[i].allowed = calloc((size_t)truth.tensor[i].count, sizeof(double));
    }
}

static void drop(void) {
    for (int i = 0; i < GLA_OUTPUTS; i++) free(candidate.output[i].allowed);
    candidate = (gla_candidate){0};
    gla_truth_free(&truth);
    gla_generated_free(&made);
}

/* The n-th element that is looked at: any output, anywhere. */
static int64_t choose(int n, gla_output *name, int64_t at[4]) {
    static const gla_output present[] = {GLA_O, GLA_FINAL_STATE, GLA_DQ, GLA_DK, GLA_DV, GLA_DGK, GLA_DINITIAL_STATE};
    *name = present[n % 7];
    uint64_t draw = (uint64_t)(gla_draw_uniform((gla_draw){test_seed(), 7, (uint64_t)n}) * 0x1p40);
    int64_t i = (int64_t)(draw % (uint64_t)truth.tensor[*name].count), rest = i;
    for (int d = 3; d >= 0; d--) {
        at[d] = rest % truth.tensor[*name].shape[d];
        rest /= truth.tensor[*name].shape[d];
    }
    return i;
}

static void close_to(const char *what, const gla_explanation *e, double sum, double whole) {
    ck_assert_msg(fabs(sum - whole) <= 0x1p-30 * fabs(whole), "%s of %s: the terms make %.17g, the whole is %.17g (%g)",
                  what, e->form, sum, whole, sum / whole - 1);
}

static void check_sums(const gla_explanation *e) {
    double squares = 0, worst = 0, systematic = 0;
    for (int i = 0; i < e->terms; i++) {
        squares += e->term[i].random * fabs(e->term[i].random);
        worst += e->term[i].worst;
        systematic += e->term[i].systematic;
    }
    close_to("random", e, sqrt(squares), e->random);
    close_to("conspiring", e, worst, e->worst);
    close_to("systematic", e, systematic, e->systematic);
    ck_assert(e->allowed == fmin(e->random, e->worst) + e->systematic);
}

START_TEST(the_terms_are_the_judges_bound) {
    const gla_profile *profile = gla_profiles[_i % 8];
    gla_error err;
    gla_judgement j;
    make(families[_i / 8]);
    ck_assert(gla_judge(&made.problem, &candidate, &truth, profile, 0, 1, &j, &err) == GLA_OK);
    for (int n = 0; n < ELEMENTS; n++) {
        gla_output name;
        gla_explanation e;
        int64_t at[4], i = choose(n, &name, at);
        ck_assert(gla_explain(&made.problem, profile, name, at, candidate.output[name].format, &e, &err) == GLA_OK);
        double used = candidate.output[name].allowed[i], own = 0x1p-52 * fabs(truth.tensor[name].value[i]);
        ck_assert_msg(used == (e.allowed > 0 ? e.allowed + own : 0), "%s, %s, %s %ld: explained %.17g, judged by %.17g",
                      profile->name, families[_i / 8], gla_output_names[name], (long)i, e.allowed + own, used);
        check_sums(&e);
    }
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("explain");
    TCase *t = tcase_create("terms");
    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, NULL, drop);
    tcase_add_loop_test(t, the_terms_are_the_judges_bound, 0, FAMILIES * 8);
    suite_add_tcase(s, t);
    return s;
}

int main(void) { return test_main(suite()); }
