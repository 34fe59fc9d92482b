/* SPDX-License-Identifier: Apache-2.0
 *
 * Formulations in hardware number systems are right kernels: every one, with every gate route, on every architecture
 * and type, is finite and passes the judge under the profile that describes its arithmetic. And the same arithmetic
 * taken apart adds up to the whole.
 */
#include "compare/cases.h"
#include "compare/io/profile_file.h"
#include "compare/judge.h"
#include "fast/hardware/hardware_name.h"
#include "tests/fast/hardware/hardware_testing.h"

/* ---- judging a run ---- */

typedef struct system_row {
    const char *name, *profile;
    const gla_format *stored; /* o dq dk dv */
} system_row;

static const system_row systems[] = {
    {"sm_90:bf16", "chunk-bf16", &gla_bf16},
    {"sm_90:bf16/expf", "chunk-bf16", &gla_bf16},
    {"sm_90:bf16/triton", "chunk-bf16", &gla_bf16},
    {"sm_90:bf16/poly", "chunk-bf16", &gla_bf16},
    {"sm_90:f16", "chunk-f16", &gla_f16},
    {"sm_90:tf32", "f32-tf32", &gla_binary32_format},
    {"sm_90:f32", "f32-chunk", &gla_binary32_format},
    {"sm_80:bf16", "chunk-bf16", &gla_bf16},
    {"sm_80:f16", "chunk-f16", &gla_f16},
    {"sm_80:tf32", "f32-tf32", &gla_binary32_format},
    {"sm_80:f32", "f32-chunk", &gla_binary32_format},
};
enum { SYSTEMS = sizeof systems / sizeof *systems };

static const char *const forms[] = {"recurrent",
                                    "parallel",
                                    "chunkwise:64:16",
                                    "chunkwise:16:16",
                                    "chunkwise:7:3",
                                    "chunkwise:64:16+materialised",
                                    "chunkwise-factored",
                                    "parallel-naive",
                                    "chunkwise-centred",
                                    "chunkwise-paired",
                                    "chunkwise-paired:16:0",
                                    "chunkwise-paired:64:11",
                                    "chunkwise-centred:16:4+precise",
                                    "chunkwise-paired+precise",
                                    "chunkwise-paired:16:0+precise"};
enum { FORMS = sizeof forms / sizeof *forms };

static gla_generated problem_of(gla_case_spec spec) {
    gla_generated made;
    gla_error err = {0};
    spec.backward = spec.initial_state = true;
    ck_assert_msg(gla_generate(&spec, &made, &err) == GLA_OK, "%s", err.what);
    return made;
}

static gla_truth truth_of(const gla_problem *p) {
    gla_truth truth;
    gla_error err = {0};
    const gla_truth_options how = {.target = &gla_binary64_format, .backward = true, .threads = 1};
    ck_assert_msg(gla_truth_compute(p, &how, &truth, &err) == GLA_OK, "%s", err.what);
    return truth;
}

static gla_judgement judge_run(const gla_problem *p, const gla_truth *truth, const test_run *run,
                               const gla_format *stored, const gla_profile *profile) {
    gla_candidate candidate = {0};
    double *value[GLA_OUTPUTS] = {0};
    for (int i = 0; i < GLA_OUTPUTS; i++) {
        if (!run_has(run, (gla_output)i)) continue;
        int64_t count = run->result.tensor[i].count;
        const gla_format *f = i == GLA_O || (i >= GLA_DQ && i <= GLA_DV) ? stored : &gla_binary32_format;
        value[i] = malloc((size_t)(count + 1) * sizeof(double));
        for (int64_t j = 0; j < count; j++)
            value[i][j] = gla_round(f, GLA_RN, gla_result_d(&run->result, (gla_output)i, j), 0);
        candidate.output[i].value = value[i];
        candidate.output[i].format = f;
    }
    gla_judgement judged;
    gla_error err = {0};
    gla_status status = gla_judge(p, &candidate, truth, profile, 0, 1, &judged, &err);
    ck_assert_msg(status == GLA_OK, "%s", err.what);
    for (int i = 0; i < GLA_OUTPUTS; i++) free(value[i]);
    return judged;
}

static void check_passes(const gla_judgement *j, const char *what) {
    ck_assert_int_gt(j->judged, 6);
    for (int i = 0; i < GLA_OUTPUTS; i++)
        if (j->tensor[i].judged)
            ck_assert_msg(j->tensor[i].verdict == GLA_PASS, "%s: %s %s, error/bound %g, tier %d", what,
                          gla_output_names[i], gla_verdict_names[j->tensor[i].verdict], j->tensor[i].worst,
                          j->tensor[i].tier);
}

/* The profile itself where it declares this formulation; else its arithmetic in the formulation that ran. */
static gla_profile profile_for(const system_row *system, const char *form) {
    gla_profile profile = *gla_profile_named(system->profile);
    snprintf(profile.form, sizeof profile.form, "%s", form);
    profile.also[0] = 0;
    return profile;
}

START_TEST(every_formulation_and_route_passes) {
    const system_row *system = &systems[_i];
    gla_generated made = problem_of((gla_case_spec){
        .family = "mild", .T = 40, .H = 1, .dk = 9, .dv = 8, .gv = true, .seed = test_seed(), .dtype = system->stored});
    gla_truth truth = truth_of(&made.problem);
    for (int f = 0; f < FORMS; f++) {
        gla_form form = form_named(forms[f], true);
        for (int route = 1; route < GLA_ROUTES; route++) {
            char text[80], what[160];
            form.route = (gla_gate_route)route;
            if (!gla_route_available(form.kind, form.route)) continue;
            gla_form_print(&form, text, sizeof text);
            snprintf(what, sizeof what, "%s in %s", text, system->name);
            test_run run = hardware_run(&made.problem, form, system->name);
            gla_profile profile = profile_for(system, text);
            gla_judgement judged = judge_run(&made.problem, &truth, &run, system->stored, &profile);
            check_passes(&judged, what);
            run_free(&run);
        }
    }
    gla_truth_free(&truth);
    gla_generated_free(&made);
}
END_TEST

/* Elements enough for tier 3, under the profile as it is: all errors together are neither larger nor more one-sided
 * than the declared roundings make them. */
START_TEST(profiles_describe_the_hardware) {
    const system_row *system = &systems[_i];
    gla_generated made = problem_of((gla_case_spec){
        .family = "mild", .T = 130, .H = 2, .dk = 24, .dv = 20, .seed = test_seed(), .dtype = system->stored});
    gla_truth truth = truth_of(&made.problem);
    test_run run = hardware_run(&made.problem, form_named("chunkwise:64:16+anchor", true), system->name);
    const gla_profile *profile = gla_profile_named(system->profile);
    gla_judgement judged = judge_run(&made.problem, &truth, &run, system->stored, profile);
    check_passes(&judged, system->name);
    if (system->stored == &gla_bf16) {
        ck_assert_int_eq(judged.tensor[GLA_O].tier, 3);
        ck_assert_int_eq(judged.tensor[GLA_DK].tier, 3);
    }
    run_free(&run);
    gla_truth_free(&truth);
    gla_generated_free(&made);
}
END_TEST

/* Where few tokens write it shows that a centred operand is rounded in every pair: what the
 * built-in profiles do not declare, and the files do. */
START_TEST(centred_operands_need_their_profile) {
    static const struct {
        const char *form, *declared, *file;
    } lanes[] = {{"chunkwise-paired:64", "chunk-bf16", "data/profiles/paired-bf16.json"},
                 {"chunkwise-paired:64:11", "chunk-f16", "data/profiles/paired-f16.json"}};
    static const char *const families[] = {"large-small", "impulse", "strong", "reset"};
    const system_row *system = &systems[_i ? 4 : 0];
    int failures = 0;
    for (int f = 0; f < 4; f++) {
        gla_generated made = problem_of((gla_case_spec){
            .family = families[f], .T = 130, .H = 1, .dk = 64, .dv = 48, .seed = 1, .dtype = system->stored});
        gla_truth truth = truth_of(&made.problem);
        test_run run = hardware_run(&made.problem, form_named(lanes[_i].form, true), system->name);
        gla_profile profile;
        gla_error err = {0};
        ck_assert_msg(gla_profile_find(lanes[_i].file, &profile, &err) == GLA_OK, "%s", err.what);
        gla_judgement judged = judge_run(&made.problem, &truth, &run, &gla_binary32_format, &profile);
        check_passes(&judged, made.name);
        judged = judge_run(&made.problem, &truth, &run, &gla_binary32_format, gla_profile_named(lanes[_i].declared));
        failures += judged.verdict == GLA_FAIL;
        run_free(&run);
        gla_truth_free(&truth);
        gla_generated_free(&made);
    }
    ck_assert_int_ge(failures, 1);
}
END_TEST

/* T = 1, ragged chunks, odd sizes, packed sequences, shared heads, exact resets. */
START_TEST(awkward_problems_pass) {
    static const char *const families[] = {"mild", "reset", "spike", "keep"};
    const system_row *system = &systems[0];
    gla_case_spec spec = gla_random_shape(families[_i % 4], test_seed() + (uint64_t)_i, 16);
    spec.dtype = system->stored;
    if (_i == 0) spec.T = 1;
    gla_generated made = problem_of(spec);
    gla_truth truth = truth_of(&made.problem);
    test_run run = hardware_run(&made.problem, form_named("chunkwise:16:16+anchor", true), system->name);
    gla_profile profile = profile_for(system, "chunkwise:16:16+anchor");
    gla_judgement judged = judge_run(&made.problem, &truth, &run, system->stored, &profile);
    for (int i = 0; i < GLA_OUTPUTS; i++)
        if (judged.tensor[i].judged)
            ck_assert_msg(judged.tensor[i].verdict == GLA_PASS, "%s %s: %s, error/bound %g", made.name,
                          gla_output_names[i], gla_verdict_names[judged.tensor[i].verdict], judged.tensor[i].worst);
    run_free(&run);
    gla_truth_free(&truth);
    gla_generated_free(&made);
}
END_TEST

/* 8 bits: no profile describes them; finite, and as near as operands of 4 and 3 bits let a result be. */
START_TEST(eight_bits_run) {
    static const char *const names[] = {"sm_90:e4m3", "sm_90:e5m2"};
    static const double allowed[] = {0.2, 0.4}; /* of the largest: some three roundings of 2^-4 or 2^-3 in a row */
    gla_generated made = problem_of((gla_case_spec){
        .family = "mild", .T = 70, .H = 1, .dk = 16, .dv = 12, .seed = test_seed(), .dtype = &gla_bf16});
    test_run want = hardware_run(&made.problem, form_named("chunkwise:64:16", true), "binary64");
    test_run run = hardware_run(&made.problem, form_named("chunkwise:64:16", true), names[_i]);
    check_runs_agree(&run, &want, allowed[_i], names[_i]);
    run_free(&run);
    run_free(&want);
    gla_generated_free(&made);
}
END_TEST

/* Every architecture of the table with every type it has: all formulations run, finite, and no farther from the truth
 * than a few roundings of the type in a row. */
START_TEST(every_listed_system_runs) {
    static const struct {
        const char *type;
        double roundoff;
    } types[] = {{"bf16", 0x1p-8}, {"f16", 0x1p-11}, {"tf32", 0x1p-10},
                 {"e4m3", 0x1p-4}, {"e5m2", 0x1p-3}, {"f32", 0x1p-23}};
    test_problem x;
    problem_golden(&x, true);
    test_run want = run_problem(&x.p, "recurrent", "mpfr:200");
    int ran = 0;
    for (const gla_mma_model *m = gla_mma_models; m->arch; m++)
        for (size_t t = 0; t < sizeof types / sizeof *types; t++) {
            char name[64];
            gla_hardware_choice choice;
            snprintf(name, sizeof name, "%s:%s", m->arch, types[t].type);
            bool first = m == gla_mma_models || strcmp(m[-1].arch, m->arch) != 0;
            if (!first || !gla_hardware_named(name, &choice)) continue;
            for (int f = 0; f < FORMS; f++) {
                test_run run = hardware_run(&x.p, form_named(forms[f], true), name);
                check_runs_agree(&run, &want, 16 * types[t].roundoff, name);
                run_free(&run);
                ran++;
            }
        }
    ck_assert_int_ge(ran, 10 * FORMS);
    run_free(&want);
    problem_free(&x);
}
END_TEST

/* Gates of 0 and -inf only: e^x is exact in both, and without a tensor core the rest is binary32's own. */
START_TEST(f32_is_binary32) {
    test_random r = random_from(44);
    test_problem x;
    problem_random(&x, &r, (random_options){.all = true, .longest = 30});
    static const gla_input gates[] = {GLA_IN_GK, GLA_IN_GV};
    for (size_t i = 0; i < 2; i++)
        for (int64_t j = 0; j < problem_count(&x, gates[i]); j++)
            x.at[gates[i]][j] = random_chance(&r, 0.1) ? -INFINITY : 0;
    static const char *const same_forms[] = {"recurrent", "parallel", "chunkwise:8:4"};
    for (size_t f = 0; f < 3; f++) {
        test_run a = hardware_run(&x.p, form_named(same_forms[f], true), "sm_90:f32");
        test_run b = hardware_run(&x.p, form_named(same_forms[f], true), "binary32");
        check_same_words(&a, &b, same_forms[f]);
        run_free(&a);
        run_free(&b);
    }
    problem_free(&x);
}
END_TEST

/* ---- taken apart ---- */

static test_run parts_run(const gla_problem *p, const char *name, uint32_t parts) {
    test_run run = {0};
    gla_error err = {0};
    gla_form form = form_named("chunkwise:64:16+anchor", true);
    ck_assert_msg(gla_hardware_parts_open(name, parts, &run.numbers, &err) == GLA_OK, "%s", err.what);
    ck_assert(gla_run(p, &form, run.numbers, &run.result, &err) == GLA_OK);
    return run;
}

START_TEST(all_parts_are_the_whole) {
    static const char *const names[] = {"sm_90:bf16", "sm_80:f16/expf", "sm_90:e4m3"};
    gla_generated made = problem_of((gla_case_spec){
        .family = "mild", .T = 90, .H = 1, .dk = 17, .dv = 12, .gv = true, .seed = test_seed(), .dtype = &gla_bf16});
    test_run whole = hardware_run(&made.problem, form_named("chunkwise:64:16+anchor", true), names[_i]);
    test_run parts = parts_run(&made.problem, names[_i], GLA_HARDWARE_WHOLE & ~(UINT32_C(1) << GLA_SITE_OUTPUT));
    check_same_words(&whole, &parts, names[_i]);
    run_free(&parts);
    run_free(&whole);
    gla_generated_free(&made);
}
END_TEST

START_TEST(no_part_is_binary64) {
    gla_generated made = problem_of((gla_case_spec){
        .family = "mild", .T = 90, .H = 1, .dk = 17, .dv = 12, .gv = true, .seed = test_seed(), .dtype = &gla_bf16});
    test_run want = hardware_run(&made.problem, form_named("chunkwise:64:16+anchor", true), "binary64");
    test_run none = parts_run(&made.problem, "sm_90:bf16", 0);
    check_runs_agree(&none, &want, 1e-12, "no part");
    /* and every part by itself changes something */
    static const int parts[] = {GLA_SITE_Q_DECAYED,    GLA_SITE_K_DECAYED,   GLA_SITE_V_DECAYED, GLA_SITE_STATE_READ,
                                GLA_SITE_SCORE,        GLA_SITE_DSTATE_READ, GLA_SITE_DSCORE,    GLA_SITE_OUTPUT,
                                GLA_HARDWARE_OPERANDS, GLA_HARDWARE_SUMS,    GLA_HARDWARE_EXP,   GLA_HARDWARE_BINARY32};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        test_run one = parts_run(&made.problem, "sm_90:bf16", UINT32_C(1) << parts[i]);
        double apart = 0;
        for (int o = 0; o < GLA_OUTPUTS; o++) apart = fmax(apart, run_apart(&one, &none, (gla_output)o));
        ck_assert_msg(apart > 1e-9, "part %d does nothing", parts[i]);
        run_free(&one);
    }
    run_free(&none);
    run_free(&want);
    gla_generated_free(&made);
}
END_TEST

START_TEST(parts_refused) {
    static const struct {
        const char *name;
        gla_status status;
    } rows[] = {{"sm_90:f32", GLA_UNSUPPORTED}, {"sm_90:tf32", GLA_UNSUPPORTED}, {"sm_90:x", GLA_UNKNOWN_NAME}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        gla_numbers *n;
        gla_error err = {0};
        ck_assert_int_eq(gla_hardware_parts_open(rows[i].name, 0, &n, &err), rows[i].status);
        ck_assert_ptr_null(n);
        ck_assert_int_ne(err.what[0], 0);
    }
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("fast/hardware/hardware runs");
    TCase *t = tcase_create("runs");
    tcase_set_timeout(t, 120);
    tcase_add_loop_test(t, every_formulation_and_route_passes, 0, SYSTEMS);
    tcase_add_loop_test(t, profiles_describe_the_hardware, 0, SYSTEMS);
    tcase_add_loop_test(t, centred_operands_need_their_profile, 0, 2);
    tcase_add_loop_test(t, awkward_problems_pass, 0, test_long() ? 400 : 24);
    tcase_add_loop_test(t, eight_bits_run, 0, 2);
    tcase_add_test(t, every_listed_system_runs);
    tcase_add_test(t, f32_is_binary32);
    tcase_add_loop_test(t, all_parts_are_the_whole, 0, 3);
    tcase_add_test(t, no_part_is_binary64);
    tcase_add_test(t, parts_refused);
    suite_add_tcase(s, t);
    return s;
}

int main(void) { return test_main(suite()); }
