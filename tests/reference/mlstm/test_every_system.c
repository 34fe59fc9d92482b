/* SPDX-License-Identifier: Apache-2.0
 *
 * Every formulation, with every route it has, runs in every number system: no failure, only finite numbers, and within
 * a generous multiple of the system's unit roundoff from the truth. Wrapping systems (counter, recorder, dual) return
 * the bits of what they wrap; intervals contain the truth. And what the formulations cost, counted.
 */
#include "slices.h"

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
    {"format:9:-20:20", 0x1p-9, NULL},
    {"bf16/rz", 0x1p-7, NULL},
    {"f16/sr:7", 0x1p-10, NULL},
    {"mixed:bf16", 0x1p-8, NULL},
    {"dual:113", 0x1p-113, "mpfr:113"},
    {"counter", 0x1p-53, "binary64"},
    {"recorder:binary64", 0x1p-53, "binary64"},
    {"recorder:bf16", 0x1p-8, "bf16"},
};
enum { SYSTEMS = sizeof systems / sizeof *systems };

static const char *const forms[] = {"recurrent", "parallel", "chunkwise:3:2", "chunkwise:7:3", "chunkwise:64:16"};
enum { FORMS = sizeof forms / sizeof *forms };

/* A chain of some dozens of operations on numbers of size 1, exponents of size 10 and a division. */
static const double factor = 100;

static void check_finite(const mlstm_slice *s, const char *what) {
    for (int i = 0; i < OUTPUTS; i++) {
        gla_matrix m = output_of(s, i);
        for (size_t j = 0; j < m.rows * m.cols; j++)
            ck_assert_msg(isfinite(s->in->ops->get_d(s->in, gla_at(m, j / m.cols, j % m.cols))),
                          "%s: %s[%zu] is not finite", what, out_names[i], j);
    }
}

/* lo <= truth <= hi for every number. */
static void check_contains(const mlstm_slice *s, const mlstm_slice *truth, const char *what) {
    mpfr_t lo, hi, x;
    mpfr_inits2(512, lo, hi, x, (mpfr_ptr)0);
    for (int i = 0; i < OUTPUTS; i++) {
        gla_matrix m = output_of(s, i), t = output_of(truth, i);
        for (size_t j = 0; j < m.rows * m.cols; j++) {
            gla_interval_ends(s->in, lo, hi, gla_at(m, j / m.cols, j % m.cols));
            t.in->ops->get_mpfr(t.in, x, gla_at(t, j / m.cols, j % m.cols));
            ck_assert_msg(mpfr_lessequal_p(lo, x) && mpfr_lessequal_p(x, hi), "%s: %s[%zu] is outside", what,
                          out_names[i], j);
        }
    }
    mpfr_clears(lo, hi, x, (mpfr_ptr)0);
}

static void check_one(const problem *p, const mlstm_slice *truth, gla_form form, const system_row *system) {
    char text[80], what[160];
    gla_form_print(&form, text, sizeof text);
    snprintf(what, sizeof what, "%s in %s", text, system->name);
    mlstm_slice s = solved(p, form, system->name);
    check_finite(&s, what);
    check_slices_agree(&s, truth, factor * system->roundoff, what);
    if (strncmp(system->name, "interval", 8) == 0) check_contains(&s, truth, what);
    if (system->same_as) {
        mlstm_slice same = solved(p, form, system->same_as);
        check_slices_agree(&s, &same, 0, what);
        gla_numbers_close(same.in);
    }
    gla_numbers_close(s.in);
}

static void check_system(const problem *p, const system_row *system) {
    mlstm_slice truth = solved(p, form_named("recurrent", true), "mpfr:400");
    for (int f = 0; f < FORMS; f++)
        for (int route = 0; route < GLA_ROUTES; route++) {
            gla_form form = form_named(forms[f], true);
            form.route = (gla_gate_route)route;
            if (mlstm_route_available(form.kind, form.route)) check_one(p, &truth, form, system);
        }
    gla_numbers_close(truth.in);
}

START_TEST(every_system) {
    for (int v = 0; v < VARIANTS; v++) {
        problem p = problem_of_golden(variants[v].options);
        check_system(&p, &systems[_i]);
        forget_problem(&p);
    }
}
END_TEST

/* Nothing written at first, a reset, an empty initial state: finite everywhere. */
START_TEST(infinities_in_every_system) {
    problem p = problem_of_golden((mlstm_options){0});
    p.at[IN_M0][0] = -INFINITY;
    p.at[IN_I][0] = p.at[IN_I][1] = p.at[IN_I][4] = p.at[IN_F][3] = -INFINITY;
    p.at[IN_F][5] = INFINITY;
    check_system(&p, &systems[_i]);
    forget_problem(&p);
}
END_TEST

/* An interval that cannot decide |nrm| > e^-m encloses both gradients: 6 to 14 bits, and the truth inside. */
START_TEST(undecided_kink) {
    problem p = problem_of_golden((mlstm_options){0});
    mlstm_slice truth = solved(&p, form_named("recurrent", true), "mpfr:400");
    static const char *const rough[] = {"interval:6", "interval:9", "interval:14"};
    for (int i = 0; i < 3; i++) {
        mlstm_slice s = solved(&p, form_named(forms[_i], true), rough[i]);
        check_contains(&s, &truth, rough[i]);
        gla_numbers_close(s.in);
    }
    gla_numbers_close(truth.in);
    forget_problem(&p);
}
END_TEST

/* ---- what it costs (spec 8f), W = dv + 1 ---- */

static struct gla_count count_forward(const problem *p, const char *form) {
    gla_numbers *counter = numbers_named("counter");
    mlstm_slice s = slice_made(p, counter);
    gla_counter_reset(counter);
    run_slice(&s, form_named(form, false));
    struct gla_count count = gla_counter_read(counter);
    gla_numbers_close(counter);
    return count;
}

START_TEST(cost) {
    problem p = problem_of_golden((mlstm_options){0});
    uint64_t T = p.T, dk = p.dk, dv = p.dv, W = dv + 1, gates = T; /* one e^-|f|, one ln(1+.) per token */
    struct gla_count c = count_forward(&p, "recurrent");
    ck_assert_uint_eq(c.fma, 2 * T * dk * W);
    ck_assert_uint_eq(c.mul, T * dk * W + 2 * T * dk);
    ck_assert_uint_eq(c.exp, gates + 2 * T + T); /* fa, ia, e^-m */
    ck_assert_uint_eq(c.log, T);
    ck_assert_uint_eq(c.div, T * dv);
    c = count_forward(&p, "parallel");
    uint64_t pairs = T * (T + 1) / 2;
    ck_assert_uint_eq(c.fma, T * T * dk + T * T * W + T * dk * W + T * dk * W);
    ck_assert_uint_eq(c.exp, gates + pairs + 2 * T + T); /* D, into, out, e^-m */
    ck_assert_uint_eq(c.div, T * dv);
    forget_problem(&p);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("mlstm in every number system");
    TCase *t = tcase_create("systems");
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, every_system, 0, SYSTEMS);
    tcase_add_loop_test(t, infinities_in_every_system, 0, SYSTEMS);
    tcase_add_loop_test(t, undecided_kink, 0, FORMS);
    tcase_add_test(t, cost);
    suite_add_tcase(s, t);
    return s;
}

int main(void) { return test_main(suite()); }
