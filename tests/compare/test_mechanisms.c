/* SPDX-License-Identifier: Apache-2.0
 *
 * Every mechanism through the judge: a right kernel (the formulation of chunk-bf16 in its declared arithmetic) passes
 * in families of every kind; kernels that take another decay fail, and the diagnosis names what they do; explain gives
 * the judge's bound; what shrink cuts out keeps the decays of its heads, in the file too; case files of a gate per head
 * in every layout, and what is refused.
 */
#include <math.h>
#include <string.h>

#include "../../compare/cases.h"
#include "../../compare/diagnose.h"
#include "../../compare/emulate.h"
#include "../../compare/explain.h"
#include "../../compare/io/case.h"
#include "../../compare/shrink.h"
#include "../testing.h"

static const char *const mechanisms[] = {"simple_gla", "linear_attention",   "retention",
                                         "lightning",  "retention:linspace", "lightning:linear"};
enum { MECHANISMS = sizeof mechanisms / sizeof *mechanisms };

static gla_generated made;
static gla_truth truth;
static gla_candidate candidate;
static gla_judgement judgement;
static double *value[GLA_OUTPUTS];

static const gla_format *stored(int i) {
    bool wide = gla_is_state_output((gla_output)i) || i == GLA_DGK;
    return wide ? &gla_binary32_format : &gla_bf16;
}

/* The case and its truth. */
static void generate(const char *mechanism, const char *family, int64_t T) {
    gla_case_spec spec = {.family = family,
                          .mechanism = mechanism,
                          .T = T,
                          .H = 4,
                          .Hk = 2,
                          .dk = 16,
                          .dv = 12,
                          .initial_state = true,
                          .backward = true,
                          .seed = test_seed()};
    gla_error err = {0};
    const gla_truth_options how = {.backward = true, .close_enough = GLA_CLOSE_ENOUGH, .threads = 1};
    ck_assert_msg(gla_generate(&spec, &made, &err) == GLA_OK, "%s", err.what);
    ck_assert_msg(gla_problem_check(&made.problem, false, &err) == GLA_OK, "%s", err.what);
    ck_assert_msg(gla_truth_compute(&made.problem, &how, &truth, &err) == GLA_OK, "%s", err.what);
    ck_assert_int_eq(truth.uncertified, 0);
}

/* What a kernel returns that runs problem p, judged against the case. */
static void judge_kernel_of(const gla_problem *p) {
    gla_error err = {0};
    gla_emulation how = {.outputs = (1u << GLA_OUTPUTS) - 1, .threads = 1};
    for (int i = 0; i < GLA_OUTPUTS; i++) how.format[i] = stored(i);
    const gla_profile *profile = gla_profile_named("chunk-bf16");
    ck_assert_msg(gla_emulate(p, profile, &how, value, &err) == GLA_OK, "%s", err.what);
    for (int i = 0; i < GLA_OUTPUTS; i++) {
        if (!truth.tensor[i].present) continue;
        candidate.output[i].value = value[i];
        candidate.output[i].format = stored(i);
    }
    ck_assert(gla_candidate_make_room(&made.problem, &candidate, &err) == GLA_OK);
    ck_assert_msg(gla_judge(&made.problem, &candidate, &truth, profile, 0, 1, &judgement, &err) == GLA_OK, "%s",
                  err.what);
}

static void drop(void) {
    gla_candidate_free_room(&candidate);
    candidate = (gla_candidate){0};
    for (int i = 0; i < GLA_OUTPUTS; i++) free(value[i]);
    gla_truth_free(&truth);
    gla_generated_free(&made);
}

START_TEST(right_kernels_pass) {
    static const char *const families[] = {"mild", "strong", "reset", "cancel", "impulse"};
    gla_problem p;
    gla_error err;
    ck_assert(gla_mechanism_parse(mechanisms[_i], &p, &err) == GLA_OK);
    for (size_t f = 0; f < sizeof families / sizeof *families; f++) {
        if (!gla_family_fits(gla_family_named(families[f]), p.mechanism)) continue;
        generate(mechanisms[_i], families[f], 67);
        judge_kernel_of(&made.problem);
        ck_assert_msg(judgement.verdict <= GLA_MARGINAL, "%s: %s", made.name, gla_verdict_names[judgement.verdict]);
        ck_assert_int_eq(judgement.judged, mechanisms[_i][0] == 's' ? 7 : 6);
        drop();
    }
}
END_TEST

/* Of every profile, with outputs in binary32: its bounds hold for every mechanism. Roundings to nearest: dithered ones
 * leave the grid, and what is exact without gates would not be. */
START_TEST(every_profile) {
    generate(mechanisms[_i], "mild", 24);
    for (int n = 0; gla_profiles[n]; n++) {
        gla_error err = {0};
        gla_candidate own = {0};
        gla_emulation how = {.outputs = (1u << GLA_OUTPUTS) - 1, .threads = 1};
        for (int i = 0; i < GLA_OUTPUTS; i++) how.format[i] = &gla_binary32_format;
        ck_assert(gla_emulate(&made.problem, gla_profiles[n], &how, value, &err) == GLA_OK);
        for (int i = 0; i < GLA_OUTPUTS; i++) {
            own.output[i].value = value[i];
            own.output[i].format = &gla_binary32_format;
        }
        ck_assert(gla_judge(&made.problem, &own, &truth, gla_profiles[n], 0, 1, &judgement, &err) == GLA_OK);
        ck_assert_msg(judgement.verdict <= GLA_MARGINAL, "%s, %s: %s", made.name, gla_profiles[n]->name,
                      gla_verdict_names[judgement.verdict]);
        for (int i = 0; i < GLA_OUTPUTS; i++) free(value[i]);
        memset(value, 0, sizeof value);
    }
    drop();
}
END_TEST

/* ---- wrong kernels ---- */

typedef struct fault {
    const char *mechanism, *cause;
    void (*alter)(gla_problem *p);
} fault;

static double doubled[4096];

static void ignore_gates(gla_problem *p) {
    p->gk.at = NULL;
    p->mechanism = gla_mechanism_named("linear_attention");
}

static void scale_gates(gla_problem *p, double by) {
    for (int64_t i = 0; i < made.count[GLA_IN_GK]; i++) doubled[i] = by * made.tensor[GLA_IN_GK][i];
    p->gk.at = doubled;
}

static void take_base_two(gla_problem *p) { scale_gates(p, 0x1.62e42fefa39efp-1); }
static void decay_twice(gla_problem *p) { scale_gates(p, 2); }
static void take_next_head(gla_problem *p) { p->decay.head++; }
static void take_other_schedule(gla_problem *p) { p->decay.schedule = 1 - p->decay.schedule; }
static void leave_scale_out(gla_problem *p) { p->scale = 1; }

static const fault faults[] = {
    {"simple_gla", "gates-ignored", ignore_gates},     {"simple_gla", "gate-base-2", take_base_two},
    {"simple_gla", "decay-twice", decay_twice},        {"retention", "gates-ignored", ignore_gates},
    {"retention", "other-decay", take_next_head},      {"retention", "other-decay", take_other_schedule},
    {"lightning", "gates-ignored", ignore_gates},      {"lightning", "other-decay", take_next_head},
    {"lightning", "other-decay", take_other_schedule}, {"linear_attention", "scale", leave_scale_out}};
enum { FAULTS = sizeof faults / sizeof *faults };

START_TEST(wrong_kernels_fail) {
    const fault *f = &faults[_i];
    gla_error err = {0};
    gla_diagnosis d;
    generate(f->mechanism, "mild", 67);
    gla_problem wrong = made.problem;
    f->alter(&wrong);
    judge_kernel_of(&wrong);
    ck_assert_int_eq(judgement.verdict, GLA_FAIL);
    ck_assert(gla_diagnose(&made.problem, &candidate, &truth, &judgement, 0, 1, &d, &err) == GLA_OK);
    ck_assert_msg(strncmp(d.cause, f->cause, strlen(f->cause)) == 0, "%s %s: '%s' %s", f->mechanism, f->cause, d.cause,
                  d.sentence);
    drop();
}
END_TEST

START_TEST(explain_is_the_judge) {
    generate(mechanisms[_i], "mild", 33);
    judge_kernel_of(&made.problem);
    for (int i = 0; i < GLA_OUTPUTS; i++) {
        if (!truth.tensor[i].present) continue;
        const int64_t *shape = truth.tensor[i].shape;
        int64_t at[4] = {0, gla_is_state_output((gla_output)i) ? shape[1] - 1 : 20, shape[2] - 1, shape[3] - 1};
        int64_t index = ((at[0] * shape[1] + at[1]) * shape[2] + at[2]) * shape[3] + at[3];
        gla_explanation x;
        gla_error err = {0};
        ck_assert_msg(gla_explain(&made.problem, judgement.profile, (gla_output)i, at, stored(i), &x, &err) == GLA_OK,
                      "%s", err.what);
        double judged = candidate.output[i].allowed[index];
        ck_assert_msg(fabs(x.allowed - judged) <= 1e-9 * judged, "%s %s: %g, not %g", mechanisms[_i],
                      gla_output_names[i], x.allowed, judged);
    }
    drop();
}
END_TEST

/* ---- shrinking ---- */

/* The judgement of what a file in memory holds: the shrunk output alone. */
static gla_verdict judge_again(const gla_small *small, char mechanism[160]) {
    gla_tensor_file file = {0};
    gla_error err = {0};
    gla_dtype dtype[GLA_INPUTS];
    gla_case c;
    for (int i = 0; i < GLA_INPUTS; i++) dtype[i] = GLA_F64;
    ck_assert(gla_case_add_problem(&file, &small->problem, dtype, &err) == GLA_OK);
    ck_assert(gla_case_add_output(&file, &small->problem, small->output, GLA_BF16, small->value, &err) == GLA_OK);
    snprintf(mechanism, 160, "%s", gla_tensors_meta(&file, "mechanism"));
    ck_assert_msg(gla_case_build(&file, NULL, "small", NULL, &c, &err) == GLA_OK, "%s", err.what);
    gla_truth again;
    const gla_truth_options how = {.backward = true, .close_enough = GLA_CLOSE_ENOUGH, .threads = 1};
    gla_candidate own = {0};
    gla_judgement j;
    own.output[small->output].value = c.output[small->output].value;
    own.output[small->output].format = stored((int)small->output);
    ck_assert(gla_truth_compute(&c.problem, &how, &again, &err) == GLA_OK);
    ck_assert(gla_judge(&c.problem, &own, &again, judgement.profile, 0, 1, &j, &err) == GLA_OK);
    gla_truth_free(&again);
    gla_case_free(&c);
    return j.verdict;
}

/* One wrong element of o in head 3: its slice is that head's, with that head's decay. */
START_TEST(shrunk) {
    static const char *const cases[][2] = {{"retention", "retention@3/4"},
                                           {"lightning:linear", "lightning:linear@3/4"},
                                           {"simple_gla", "simple_gla"},
                                           {"linear_attention", "linear_attention"}};
    gla_small small;
    gla_error err = {0};
    char mechanism[160];
    generate(cases[_i][0], "mild", 40);
    judge_kernel_of(&made.problem);
    candidate.output[GLA_DK].value = candidate.output[GLA_DQ].value = NULL;
    value[GLA_O][(20 * 4 + 3) * 12 + 5] += 100;
    ck_assert(gla_judge(&made.problem, &candidate, &truth, judgement.profile, 0, 1, &judgement, &err) == GLA_OK);
    ck_assert_int_eq(judgement.verdict, GLA_FAIL);
    const gla_shrink_options how = {.output = -1, .threads = 1};
    ck_assert_msg(gla_shrink(&made.problem, &candidate, &truth, &judgement, &how, &small, &err) == GLA_OK, "%s",
                  err.what);
    ck_assert_int_eq(small.heads.first, 3);
    ck_assert_int_eq(small.heads.count, 1);
    ck_assert_int_eq(small.tokens.count, 1);
    ck_assert_int_eq(small.values.count, 1);
    ck_assert_int_eq(judge_again(&small, mechanism), GLA_FAIL);
    ck_assert_str_eq(mechanism, cases[_i][1]);
    gla_small_free(&small);
    drop();
}
END_TEST

/* dg of a gate per head is a sum over channels: tokens may go, channels may not. */
START_TEST(shrunk_gate_gradient) {
    gla_small small;
    gla_error err = {0};
    char mechanism[160];
    generate("simple_gla", "mild", 40);
    judge_kernel_of(&made.problem);
    value[GLA_DGK][20 * 2 + 1] += 1e6; /* of the two gates of four heads */
    ck_assert(gla_judge(&made.problem, &candidate, &truth, judgement.profile, 0, 1, &judgement, &err) == GLA_OK);
    const gla_shrink_options how = {.output = GLA_DGK, .threads = 1};
    ck_assert_msg(gla_shrink(&made.problem, &candidate, &truth, &judgement, &how, &small, &err) == GLA_OK, "%s",
                  err.what);
    ck_assert_int_eq(small.tokens.count, 1);
    ck_assert_int_eq(small.keys.count, 16);
    ck_assert_int_eq(small.heads.first, 2);
    ck_assert_int_eq(judge_again(&small, mechanism), GLA_FAIL);
    gla_small_free(&small);
    drop();
}
END_TEST

/* ---- case files ---- */

typedef struct layout {
    const char *name;
    int rank;
    int64_t tokens[4], gates[4]; /* of T = 3, H = 2, dk = dv = 1 */
    int gate_rank;
} layout;

static const layout layouts[] = {{"BTHD", 4, {1, 3, 2, 1}, {1, 3, 2}, 3},    {"BTHD", 4, {1, 3, 2, 1}, {1, 3, 2, 1}, 4},
                                 {"BHTD", 4, {1, 2, 3, 1}, {1, 2, 3}, 3},    {"BHTD", 4, {1, 2, 3, 1}, {1, 2, 3, 1}, 4},
                                 {"THD", 3, {3, 2, 1}, {3, 2}, 2},           {"THD", 3, {3, 2, 1}, {3, 2, 1}, 3},
                                 {"BTHD", 4, {1, 3, 2, 1}, {1, 3, 2, 2}, 4}, {"BTHD", 4, {1, 3, 2, 1}, {1, 2, 3}, 3},
                                 {"BTHD", 4, {1, 3, 2, 1}, {3, 2}, 2}};
enum { LAYOUTS = sizeof layouts / sizeof *layouts, GOOD_LAYOUTS = 6 };

static gla_status load(const layout *l, const char *mechanism, gla_case *c, gla_error *err) {
    static const double data[] = {1, 2, 3, 4, 5, 6}, gates[] = {-1, -2, -3, -4, -5, -6, -7, -8, -9, -10, -11, -12};
    gla_tensor_file file = {0};
    for (int i = 0; i < 3; i++)
        ck_assert(gla_tensors_add(&file, gla_input_names[i], GLA_F32, l->rank, l->tokens, data, err) == GLA_OK);
    ck_assert(gla_tensors_add(&file, "g", GLA_F32, l->gate_rank, l->gates, gates, err) == GLA_OK);
    if (l->rank == 3)
        ck_assert(gla_tensors_add_integers(&file, "cu_seqlens", 1, (int64_t[]){2}, (int64_t[]){0, 3}, err) == GLA_OK);
    gla_tensors_set_meta(&file, "layout", l->name, NULL);
    if (mechanism) gla_tensors_set_meta(&file, "mechanism", mechanism, NULL);
    return gla_case_build(&file, NULL, "file", NULL, c, err);
}

START_TEST(gates_per_head_in_files) {
    for (int i = 0; i < LAYOUTS; i++) {
        gla_case c;
        gla_error err = {0};
        gla_status status = load(&layouts[i], "simple_gla", &c, &err);
        if (i >= GOOD_LAYOUTS) {
            ck_assert_int_eq(status, GLA_BAD_SHAPE);
            ck_assert_msg(strstr(err.what, "g has shape") != NULL, "%s", err.what);
            ck_assert_msg(strstr(err.hint, "one gate per head") != NULL, "%s", err.hint);
            continue;
        }
        ck_assert_msg(status == GLA_OK, "%d: %s", i, err.what);
        int64_t shape[4];
        gla_input_shape(&c.problem, GLA_IN_GK, shape);
        ck_assert(shape[0] == 1 && shape[1] == 3 && shape[2] == 2 && shape[3] == 1);
        /* token 1, head 0: the third number of [T,H], the second of [H,T] */
        ck_assert_double_eq(c.problem.gk.at[c.problem.gk.stride[1]], layouts[i].name[1] == 'H' && i < 4 ? -2 : -3);
        gla_case_free(&c);
    }
}
END_TEST

START_TEST(refused_files) {
    static const struct {
        const char *mechanism, *says;
    } cases[] = {{"retention", "file: mechanism retention takes no g"},
                 {"lightning:linear", "file: mechanism lightning takes no g"},
                 {"retnet", "file: unknown mechanism 'retnet', known: gla simple_gla"},
                 {"lightning:slow", "file: mechanism 'lightning:slow' is not one of lightning:alibi"},
                 {"gla", "file: g has shape [1,3,2]"},
                 {NULL, "file: g has shape [1,3,2]"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        gla_case c;
        gla_error err = {0};
        ck_assert(load(&layouts[0], cases[i].mechanism, &c, &err) != GLA_OK);
        ck_assert_msg(strstr(err.what, cases[i].says) == err.what, "%s", err.what);
    }
}
END_TEST

/* Families of gates go with gates, exact ones with decays that are. */
START_TEST(families_that_fit) {
    static const struct {
        const char *mechanism, *family;
        bool fits;
    } cases[] = {{"gla", "channels", true},           {"simple_gla", "channels", false},
                 {"simple_gla", "reset", true},       {"simple_gla", "integers", true},
                 {"retention", "reset", false},       {"retention", "mild", true},
                 {"retention", "integers", false},    {"retention", "varlen", true},
                 {"linear_attention", "half", false}, {"linear_attention", "integers", true}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        gla_case_spec spec = {.family = cases[i].family, .mechanism = cases[i].mechanism, .T = 5};
        gla_generated g;
        gla_error err = {0};
        gla_status status = gla_generate(&spec, &g, &err);
        ck_assert_msg(status == (cases[i].fits ? GLA_OK : GLA_UNSUPPORTED), "%s %s", cases[i].mechanism,
                      cases[i].family);
        if (!cases[i].fits) ck_assert_msg(strstr(err.what, "has nothing to show of mechanism") != NULL, "%s", err.what);
        gla_generated_free(&g);
    }
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("mechanisms");
    TCase *t = tcase_create("judged");
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, right_kernels_pass, 0, MECHANISMS);
    tcase_add_loop_test(t, every_profile, 0, MECHANISMS);
    tcase_add_loop_test(t, wrong_kernels_fail, 0, FAULTS);
    tcase_add_loop_test(t, explain_is_the_judge, 0, MECHANISMS);
    tcase_add_loop_test(t, shrunk, 0, 4);
    tcase_add_test(t, shrunk_gate_gradient);
    tcase_add_test(t, gates_per_head_in_files);
    tcase_add_test(t, refused_files);
    tcase_add_test(t, families_that_fit);
    suite_add_tcase(s, t);
    return s;
}

int main(void) { return test_main(suite()); }
