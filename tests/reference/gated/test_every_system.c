/* SPDX-License-Identifier: Apache-2.0
 *
 * Every formulation, with every gate route it has, runs in every number system: no failure, only finite numbers, and
 * within a generous multiple of the system's unit roundoff from the truth. Wrapping systems (counter, recorder, dual)
 * return the bits of what they wrap; intervals contain the truth.
 */
#include "problems.h"

typedef struct system_row {
    const char *name;
    double roundoff;     /* the largest relative error of one operation */
    const char *same_as; /* another system with the same numbers, or NULL */
} system_row;

static const system_row systems[] = {
    {"binary64", 0x1p-53, NULL},
    {"binary32", 0x1p-24, NULL},
    {"mpfr:113", 0x1p-113, NULL},
    {"interval:113", 0x1p-112, NULL},
    {"bf16", 0x1p-8, NULL},
    {"f16", 0x1p-11, NULL},
    {"tf32", 0x1p-11, NULL},
    {"e4m3", 0x1p-4, NULL},
    {"e5m2", 0x1p-3, NULL},
    {"format:5:-20:20", 0x1p-5, NULL},
    {"bf16/rz", 0x1p-7, NULL},
    {"bf16/ru", 0x1p-7, NULL},
    {"bf16/ro", 0x1p-7, NULL},
    {"f16/sr:7", 0x1p-10, NULL},
    {"dual:113", 0x1p-113, "mpfr:113"},
    {"counter", 0x1p-53, "binary64"},
    {"recorder:binary64", 0x1p-53, "binary64"},
    {"recorder:bf16", 0x1p-8, "bf16"},
};
enum { SYSTEMS = sizeof systems / sizeof *systems };

static const char *const forms[] = {"recurrent",
                                    "parallel",
                                    "chunkwise:3:2",
                                    "chunkwise:64:16",
                                    "chunkwise:2:1+materialised",
                                    "chunkwise-centred:7:3",
                                    "chunkwise-paired:4",
                                    "chunkwise-paired:4:1",
                                    "chunkwise-paired:7:0",
                                    "chunkwise-centred:7:3+precise",
                                    "chunkwise-paired:4:1+precise",
                                    "chunkwise-factored:7",
                                    "parallel-naive"};
enum { FORMS = sizeof forms / sizeof *forms };

/* A chain of some dozens of operations on numbers of size 1. */
static const double factor = 40;

static void check_finite(const test_run *run, const char *what) {
    for (int i = 0; i < GLA_OUTPUTS; i++)
        for (int64_t j = 0; j < run->result.tensor[i].count && run_has(run, (gla_output)i); j++)
            ck_assert_msg(isfinite(gla_result_d(&run->result, (gla_output)i, j)), "%s: %s[%ld] is not finite", what,
                          gla_output_names[i], (long)j);
}

/* lo <= truth <= hi for every number. */
static void check_contains(const test_run *run, const test_run *truth, const char *what) {
    mpfr_t lo, hi, x;
    mpfr_inits2(512, lo, hi, x, (mpfr_ptr)0);
    for (int i = 0; i < GLA_OUTPUTS; i++)
        for (int64_t j = 0; j < run->result.tensor[i].count && run_has(run, (gla_output)i); j++) {
            gla_interval_ends(run->numbers, lo, hi, gla_result_at(&run->result, (gla_output)i, j));
            run_get(x, truth, (gla_output)i, j);
            ck_assert_msg(mpfr_lessequal_p(lo, x) && mpfr_lessequal_p(x, hi), "%s: %s[%ld] is outside", what,
                          gla_output_names[i], (long)j);
        }
    mpfr_clears(lo, hi, x, (mpfr_ptr)0);
}

static void check_one(const test_problem *x, const test_run *truth, gla_form form, const system_row *system) {
    char text[80], what[160];
    gla_form_print(&form, text, sizeof text);
    snprintf(what, sizeof what, "%s in %s", text, system->name);
    test_run run = run_form(&x->p, form, system->name);
    check_finite(&run, what);
    check_runs_agree(&run, truth, factor * system->roundoff, what);
    if (strncmp(system->name, "interval", 8) == 0) check_contains(&run, truth, what);
    if (system->same_as) {
        test_run same = run_form(&x->p, form, system->same_as);
        check_runs_agree(&run, &same, 0, what);
        run_free(&same);
    }
    run_free(&run);
}

START_TEST(every_system) {
    test_problem x;
    problem_golden(&x, true);
    test_run truth = run_problem(&x.p, "recurrent", "mpfr:400");
    int ran = 0;
    for (int f = 0; f < FORMS; f++) {
        gla_form form = form_named(forms[f], true);
        for (int route = 0; route < GLA_ROUTES; route++) {
            form.route = (gla_gate_route)route;
            if (!gla_route_available(form.kind, form.route)) continue;
            check_one(&x, &truth, form, &systems[_i]);
            ran++;
        }
    }
    ck_assert_int_ge(ran, 3 * FORMS);
    run_free(&truth);
    problem_free(&x);
}
END_TEST

/* Exact resets run everywhere in the safe forms: no NaN, no infinity. E4M3 has no infinity to hold the gate in. */
START_TEST(resets_in_every_system) {
    if (strcmp(systems[_i].name, "e4m3") == 0) return;
    test_problem x;
    problem_golden(&x, true);
    for (int i = 0; i < 4; i++) x.at[GLA_IN_GK][12 + i] = -INFINITY;
    x.at[GLA_IN_GK][1] = x.at[GLA_IN_GV][4] = x.at[GLA_IN_GV][20] = -INFINITY;
    test_run truth = run_problem(&x.p, "recurrent", "mpfr:400");
    for (int f = 0; f < FORMS - 2; f++) check_one(&x, &truth, form_named(forms[f], true), &systems[_i]);
    run_free(&truth);
    problem_free(&x);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("gated in every number system");
    TCase *t = tcase_create("systems");
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, every_system, 0, SYSTEMS);
    tcase_add_loop_test(t, resets_in_every_system, 0, SYSTEMS);
    suite_add_tcase(s, t);
    return s;
}

int main(void) { return test_main(suite()); }
