/* SPDX-License-Identifier: Apache-2.0
 *
 * Every mechanism of the table, and some of them in other conventions, through all that judges: cases of families of
 * every kind have certified truth; right kernels pass in every profile; every output notices one bad element and a NaN;
 * every formulation it has agrees with truth; a file gives the same case back; explain gives the judge's bound; what
 * shrink cuts out still fails; a plug-in and the program are told the same. A new row of gla_mechanisms is in here by
 * itself; a convention is a line of `texts`.
 */
#include <math.h>
#include <string.h>

#include "../../compare/cases.h"
#include "../../compare/emulate.h"
#include "../../compare/explain.h"
#include "../../compare/io/case.h"
#include "../../compare/judge.h"
#include "../../compare/shrink.h"
#include "../testing.h"
#include "shell.h"

/* Beside the names of the table. */
static const char *const texts[] = {"retention:linspace", "lightning:linear:1/4", "mlstm,gate=sigmoid", "gsa,tie=tied",
                                    "linear_attention,normaliser=sum,eps=1e-3"};
enum { MOST = 64 };

static const char *mechanism(int i) {
    int named = 0;
    while (gla_mechanisms[named]) named++;
    return i < named ? gla_mechanisms[i]->name : texts[i - named];
}

static int mechanisms(void) {
    int named = 0;
    while (gla_mechanisms[named]) named++;
    return named + (int)(sizeof texts / sizeof *texts);
}

static gla_generated made;
static gla_truth truth;
static gla_candidate candidate;
static gla_judgement judgement;
static double *value[GLA_OUTPUTS];

static bool fits(const char *family) {
    return gla_family_fits(gla_family_named(family), gla_mechanism_of(&made.problem));
}

/* The case and its truth; false: the family has nothing to show. */
static bool generate(int i, const char *family, int64_t T) {
    gla_error err = {0};
    made = (gla_generated){.spec = {.family = NULL}};
    ck_assert_msg(gla_mechanism_parse(mechanism(i), &made.problem, &err) == GLA_OK, "%s", err.what);
    if (!fits(family)) return false;
    gla_case_spec spec = {.family = family,
                          .mechanism = mechanism(i),
                          .T = T,
                          .H = 2,
                          .Hk = 1 + i % 2,
                          .dk = 8,
                          .dv = 6,
                          .M = 5,
                          .initial_state = true,
                          .backward = true,
                          .seed = test_seed()};
    const gla_truth_options how = {.backward = true, .close_enough = GLA_CLOSE_ENOUGH, .threads = 1};
    ck_assert_msg(gla_generate(&spec, &made, &err) == GLA_OK, "%s", err.what);
    ck_assert_msg(gla_problem_check(&made.problem, false, &err) == GLA_OK, "%s: %s", made.name, err.what);
    ck_assert_msg(gla_truth_compute(&made.problem, &how, &truth, &err) == GLA_OK, "%s", err.what);
    ck_assert_msg(truth.uncertified == 0, "%s: %lld uncertified", made.name, (long long)truth.uncertified);
    return true;
}

static const gla_format *stored(int i, bool narrow) {
    return narrow && !gla_is_wide_output((gla_output)i) ? &gla_bf16 : &gla_binary32_format;
}

/* Values under test, of every output that the problem has. */
static void judge(const gla_profile *profile, bool narrow) {
    gla_error err = {0};
    for (int i = 0; i < GLA_OUTPUTS; i++) {
        candidate.output[i].value = value[i];
        candidate.output[i].format = value[i] ? stored(i, narrow) : NULL;
        ck_assert((value[i] != NULL) == truth.tensor[i].present);
    }
    gla_candidate_free_room(&candidate);
    ck_assert(gla_candidate_make_room(&made.problem, &candidate, &err) == GLA_OK);
    ck_assert_msg(gla_judge(&made.problem, &candidate, &truth, profile, 0, 1, &judgement, &err) == GLA_OK, "%s",
                  err.what);
}

static void free_values(void) {
    for (int i = 0; i < GLA_OUTPUTS; i++) free(value[i]);
    memset(value, 0, sizeof value);
}

static void right_kernel(const gla_profile *profile, bool narrow) {
    gla_error err = {0};
    gla_emulation how = {.outputs = (unsigned)((1ull << GLA_OUTPUTS) - 1), .threads = 1};
    for (int i = 0; i < GLA_OUTPUTS; i++) how.format[i] = stored(i, narrow);
    ck_assert_msg(gla_emulate(&made.problem, profile, &how, value, &err) == GLA_OK, "%s", err.what);
    judge(profile, narrow);
}

static void drop(void) {
    gla_candidate_free_room(&candidate);
    candidate = (gla_candidate){0};
    free_values();
    gla_truth_free(&truth);
    gla_generated_free(&made);
}

static void expect_pass(const char *what) {
    for (int i = 0; i < GLA_OUTPUTS; i++)
        ck_assert_msg(!judgement.tensor[i].judged || judgement.tensor[i].verdict <= GLA_MARGINAL, "%s, %s: %s %s, %g",
                      made.name, what, gla_output_names[i], gla_verdict_names[judgement.tensor[i].verdict],
                      judgement.tensor[i].worst);
}

START_TEST(right_kernels_pass) {
    static const char *const families[] = {"mild",   "strong",  "reset",  "mask",  "wall",
                                           "cancel", "impulse", "varlen", "rates", "same-key"};
    if (_i >= mechanisms()) return;
    for (size_t f = 0; f < sizeof families / sizeof *families; f++) {
        if (!generate(_i, families[f], f ? 17 : 66)) continue;
        right_kernel(gla_profile_named("chunk-bf16"), true);
        expect_pass("chunk-bf16");
        drop();
    }
}
END_TEST

/* What the mlstm's maxima, its running m and shut gates make hard to bound: over many tokens, a stored m loses every
 * gate that is below its last place, and a normaliser may be anywhere about 0. */
static const struct {
    const char *family, *profile;
    int64_t T;
} hard[] = {{"keep", "f32", 300},          {"reset", "f32", 60},        {"mask", "f32", 60},
            {"wall", "f32", 60},           {"keep", "f32-chunk", 60},   {"mask", "f32-chunk", 60},
            {"cancel", "chunk-bf16", 100}, {"keep", "chunk-bf16", 100}, {"mixed", "chunk-bf16", 60}};

static int place_of(const char *name) {
    int i = 0;
    while (strcmp(mechanism(i), name) != 0) i++;
    return i;
}

START_TEST(hard_for_mlstm) {
    generate(place_of("mlstm"), hard[_i].family, hard[_i].T);
    right_kernel(gla_profile_named(hard[_i].profile), false);
    for (int i = 0; i < GLA_OUTPUTS; i++)
        ck_assert_msg(!judgement.tensor[i].judged || judgement.tensor[i].verdict == GLA_PASS, "%s, %s: %s %s, %g",
                      made.name, hard[_i].profile, gla_output_names[i], gla_verdict_names[judgement.tensor[i].verdict],
                      judgement.tensor[i].worst);
    drop();
}
END_TEST

START_TEST(every_profile) {
    if (_i >= mechanisms()) return;
    generate(_i, "mild", 10);
    for (int n = 0; gla_profiles[n]; n++) {
        right_kernel(gla_profiles[n], false);
        expect_pass(gla_profiles[n]->name);
        free_values();
    }
    drop();
}
END_TEST

static double largest(const double *x, int64_t count) {
    double most = 0;
    for (int64_t i = 0; i < count; i++) most = fmax(most, fabs(x[i]));
    return most;
}

/* The element that is allowed least. */
static int64_t tightest(const double *allowed, int64_t count) {
    int64_t at = 0;
    for (int64_t i = 0; i < count; i++)
        if (allowed[i] < allowed[at]) at = i;
    return at;
}

/* One element of every output at a time, the one held tightest, is far off, or NaN. A final_m that is off is seen in
 * the states that are in its units (compare/gauge.h). */
START_TEST(every_output_notices_one_element) {
    if (_i >= mechanisms()) return;
    for (int nan = 0; nan < 2; nan++) {
        generate(_i, "mild", 12);
        right_kernel(gla_profile_named("chunk-bf16"), true);
        expect_pass("chunk-bf16");
        for (int i = 0; i < GLA_OUTPUTS; i++) {
            int64_t count = truth.tensor[i].count;
            if (!value[i] || i == GLA_FINAL_M) continue;
            int64_t at = tightest(candidate.output[i].allowed, count);
            value[i][at] = nan ? NAN : value[i][at] + 4 * largest(value[i], count) + 1;
        }
        judge(judgement.profile, true);
        for (int i = 0; i < GLA_OUTPUTS; i++)
            ck_assert_msg(!value[i] || i == GLA_FINAL_M || judgement.tensor[i].verdict == GLA_FAIL, "%s, %s: %s",
                          made.name, gla_output_names[i], gla_verdict_names[judgement.tensor[i].verdict]);
        drop();
    }
}
END_TEST

/* Every formulation that it has, in binary64, as near to truth as binary32 may be. */
START_TEST(formulations_agree) {
    static const char *const forms[] = {"recurrent",
                                        "parallel",
                                        "chunkwise:8:4",
                                        "chunkwise:8:4+ut",
                                        "chunkwise:8:4+anchor",
                                        "recurrent+suffix",
                                        "chunkwise-centred:8:4",
                                        "chunkwise-paired:8"};
    int ran = 0;
    if (_i >= mechanisms()) return;
    generate(_i, "mild", 21);
    for (size_t f = 0; f < sizeof forms / sizeof *forms; f++) {
        gla_form form;
        gla_error err = {0};
        gla_result r = {0};
        ck_assert(gla_form_parse(forms[f], &form, &err) == GLA_OK);
        form.backward = true;
        gla_numbers *n = gla_binary64_open();
        if (gla_form_available(&made.problem, &form)) {
            ck_assert_msg(gla_run(&made.problem, &form, n, &r, &err) == GLA_OK, "%s", err.what);
            for (int i = 0; i < GLA_OUTPUTS; i++) {
                if (!r.tensor[i].at) continue;
                value[i] = malloc((size_t)r.tensor[i].count * sizeof(double) + 1);
                for (int64_t e = 0; e < r.tensor[i].count; e++)
                    value[i][e] = gla_round(&gla_binary32_format, GLA_RN, gla_result_d(&r, (gla_output)i, e), 0);
            }
            judge(gla_profile_named("f32-chunk"), false);
            expect_pass(forms[f]);
            free_values();
            ran++;
        }
        gla_result_free(&r);
        gla_numbers_close(n);
    }
    ck_assert_int_ge(ran, 1);
    drop();
}
END_TEST

START_TEST(explain_is_the_judge) {
    if (_i >= mechanisms()) return;
    generate(_i, "mild", 18);
    right_kernel(gla_profile_named("chunk-bf16"), true);
    for (int i = 0; i < GLA_OUTPUTS; i++) {
        if (!truth.tensor[i].present) continue;
        const int64_t *shape = truth.tensor[i].shape;
        int64_t index = truth.tensor[i].count - 1, at[4];
        gla_index_of(shape, index, at);
        gla_explanation x;
        gla_error err = {0};
        ck_assert_msg(gla_explain(&made.problem, judgement.profile, (gla_output)i, at, stored(i, true), &x, &err) ==
                          GLA_OK,
                      "%s", err.what);
        double judged = candidate.output[i].allowed[index];
        bool units = truth.tensor[GLA_FINAL_M].present && (i == GLA_FINAL_STATE || i == GLA_FINAL_N);
        if (units) judged = fmin(judged, x.allowed); /* more: what the rounding of final_m does to its units */
        double last_bit = 0x1p-52 * fabs(truth.tensor[i].value[index]); /* of the truth itself: the judge's alone */
        ck_assert_msg(fabs(x.allowed - judged) <= 1e-9 * judged + last_bit, "%s %s: %g, not %g", made.name,
                      gla_output_names[i], x.allowed, judged);
    }
    drop();
}
END_TEST

/* ---- files ---- */

/* The case out of a file in memory, with every output that truth has. */
static void through_a_file(gla_case *c) {
    gla_tensor_file file = {0};
    gla_error err = {0};
    gla_dtype dtype[GLA_INPUTS];
    for (int i = 0; i < GLA_INPUTS; i++) dtype[i] = GLA_F64;
    ck_assert_msg(gla_case_add_problem(&file, &made.problem, dtype, &err) == GLA_OK, "%s", err.what);
    for (int i = 0; i < GLA_OUTPUTS; i++)
        if (truth.tensor[i].present)
            ck_assert(gla_case_add_output(&file, &made.problem, (gla_output)i, GLA_F64, truth.tensor[i].value, &err) ==
                      GLA_OK);
    ck_assert_msg(gla_case_build(&file, NULL, "file", NULL, c, &err) == GLA_OK, "%s: %s", made.name, err.what);
}

START_TEST(files_give_it_back) {
    gla_case c;
    char was[160], is[160];
    if (_i >= mechanisms()) return;
    generate(_i, "varlen", 20);
    through_a_file(&c);
    gla_mechanism_print(&made.problem, was, sizeof was);
    gla_mechanism_print(&c.problem, is, sizeof is);
    ck_assert_str_eq(was, is);
    ck_assert_str_eq(c.ignored, "");
    ck_assert_int_eq(c.problem.N, made.problem.N);
    for (int i = 0; i < GLA_INPUTS; i++) {
        ck_assert_int_eq(c.input[i] != NULL, made.tensor[i] != NULL);
        if (made.tensor[i]) ck_assert_mem_eq(c.input[i], made.tensor[i], (size_t)made.count[i] * sizeof(double));
    }
    for (int i = 0; i < GLA_OUTPUTS; i++) {
        ck_assert(c.output[i].present == truth.tensor[i].present && !c.output[i].wrong_shape);
        for (int64_t e = 0; e < truth.tensor[i].count; e++) ck_assert(c.output[i].value[e] == truth.tensor[i].value[e]);
    }
    gla_case_free(&c);
    drop();
}
END_TEST

/* ---- shrinking ---- */

START_TEST(shrunk) {
    gla_small small;
    gla_error err = {0};
    if (_i >= mechanisms()) return;
    generate(_i, "mild", 24);
    right_kernel(gla_profile_named("chunk-bf16"), true);
    value[GLA_O][(11 * 2 + 1) * 6 + 4] += 100; /* token 11, head 1 */
    judge(judgement.profile, true);
    ck_assert_int_eq(judgement.verdict, GLA_FAIL);
    const gla_shrink_options how = {.output = GLA_O, .threads = 1};
    ck_assert_msg(gla_shrink(&made.problem, &candidate, &truth, &judgement, &how, &small, &err) == GLA_OK, "%s: %s",
                  made.name, err.what);
    ck_assert_int_eq(small.heads.first + small.heads.count, 2);
    ck_assert_int_le(small.tokens.count, 12); /* those behind it go in any case */
    ck_assert_int_eq(small.verdict.verdict, GLA_FAIL);
    if (gla_columns_apart(&made.problem)) ck_assert_int_eq(small.values.count, 1);
    gla_small_free(&small);
    drop();
}
END_TEST

/* ---- the program, and a plug-in ---- */

START_TEST(program_and_plugin) {
    if (_i >= mechanisms()) return;
    const char *m = mechanism(_i);
    bool named = gla_mechanism_named(m) != NULL;
    make_folder();
    expect_good(shell("$GLASSBOX gen --mechanism '%s' --T 9 --dk 8 --dv 3 --H 2 --initial-state -o \"$D/%d\"", m, _i));
    expect_good(shell("$GLASSBOX run \"$D/%d\"/*.safetensors --backward --numbers binary32 -o \"$D/%d.npz\"", _i, _i));
    expect_good(shell("$GLASSBOX check \"$D/%d\"/*.safetensors --candidate \"$D/%d.npz\" --profile f32", _i, _i));
    expect_good(shell("$GLASSBOX cross --mechanism '%s' --family mild --T 9 --numbers binary64", m));
    if (named) {
        static const char plugin[] = "$GLASSBOX check --plugin $(dirname $GLASSBOX)/tests/compare/plugins/reference.so "
                                     "--mechanism %s --case '*/impulse/B2_T3*'";
        char faulty[300];
        snprintf(faulty, sizeof faulty, "GLASSBOX_FAULT=o %s", plugin);
        expect_good(shell(plugin, m));
        outcome o = shell(faulty, m);
        ck_assert_msg(o.status == 1, "%s: %d %s", m, o.status, o.err);
        done(o);
    }
    remove_folder();
}
END_TEST

/* A plug-in of version 1 runs on what version 1 has, and is told what it lacks. */
START_TEST(plugin_of_version_1) {
    static const char line[] = "GLASSBOX_FAULT=abi-1 $GLASSBOX check --plugin "
                               "$(dirname $GLASSBOX)/tests/compare/plugins/reference.so --mechanism %s --case "
                               "'*/impulse/B2_T3*'";
    make_folder();
    expect_good(shell(line, "gla"));
    outcome o = shell(line, "kda");
    ck_assert_int_ne(o.status, 0);
    ck_assert_msg(strstr(o.out, "it speaks version 1 of the interface, mechanism kda needs 2") != NULL, "%s%s", o.out,
                  o.err);
    done(o);
    remove_folder();
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("every mechanism");
    TCase *t = tcase_create("judged");
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, right_kernels_pass, 0, MOST);
    tcase_add_loop_test(t, hard_for_mlstm, 0, (int)(sizeof hard / sizeof *hard));
    tcase_add_loop_test(t, every_profile, 0, MOST);
    tcase_add_loop_test(t, every_output_notices_one_element, 0, MOST);
    tcase_add_loop_test(t, formulations_agree, 0, MOST);
    tcase_add_loop_test(t, explain_is_the_judge, 0, MOST);
    tcase_add_loop_test(t, files_give_it_back, 0, MOST);
    tcase_add_loop_test(t, shrunk, 0, MOST);
    tcase_add_loop_test(t, program_and_plugin, 0, MOST);
    tcase_add_test(t, plugin_of_version_1);
    suite_add_tcase(s, t);
    return s;
}

int main(void) { return test_main(suite()); }
