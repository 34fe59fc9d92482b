/* SPDX-License-Identifier: Apache-2.0
 *
 * Every formulation, solver and gate route of the delta core runs in every number system: no failure, only finite
 * numbers, within a generous multiple of the system's unit roundoff of the truth; wrapping systems return the bits of
 * what they wrap; intervals contain the truth. And the cost formulas and the rounding sites, counted.
 */
#include "deltas.h"

static const struct {
    const char *name;
    double roundoff;     /* the largest relative error of one operation */
    const char *same_as; /* another system with the same numbers, or NULL */
} systems[] = {
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
    {"f16/sr:7", 0x1p-10, NULL},
    {"mixed:bf16", 0x1p-8, NULL},
    {"dual:113", 0x1p-113, "mpfr:113"},
    {"counter", 0x1p-53, "binary64"},
    {"recorder:binary64", 0x1p-53, "binary64"},
    {"recorder:bf16", 0x1p-8, "bf16"},
};
enum { SYSTEMS = sizeof systems / sizeof *systems };

static const char *const forms[] = {"recurrent",       "parallel",      "chunkwise:3:2",
                                    "chunkwise:64:16", "chunkwise:2:1", "chunkwise-factored:4"};
enum { FORMS = 6 };

/* A chain of some dozens of operations on numbers of size 1, through a system of 7 unknowns. */
static const double factor = 60;

static void check_contains(const delta_slice *s, const delta_slice *truth, const char *what) {
    mpfr_t lo, hi, x;
    mpfr_inits2(512, lo, hi, x, (mpfr_ptr)0);
    for (int name = 0; name < OUTS; name++) {
        gla_matrix m = delta_output(s, (test_out)name), t = delta_output(truth, (test_out)name);
        for (size_t i = 0; i < m.rows && !gla_absent(m); i++)
            for (size_t j = 0; j < m.cols; j++) {
                gla_interval_ends(s->in, lo, hi, gla_at(m, i, j));
                t.in->ops->get_mpfr(t.in, x, gla_at(t, i, j));
                ck_assert_msg(mpfr_lessequal_p(lo, x) && mpfr_lessequal_p(x, hi), "%s: %s[%zu,%zu] is outside", what,
                              out_names[name], i, j);
            }
    }
    mpfr_clears(lo, hi, x, (mpfr_ptr)0);
}

static void check_one(const test_delta *x, const delta_slice *truth, gla_form form, int system) {
    char text[96], what[192];
    gla_form_print(&form, text, sizeof text);
    snprintf(what, sizeof what, "gate %zu, %s in %s", x->gate, text, systems[system].name);
    delta_slice s = delta_solved(x, form, systems[system].name);
    check_deltas_agree(truth, &s, factor * systems[system].roundoff, what); /* NaN and infinity fail */
    if (strncmp(systems[system].name, "interval", 8) == 0) check_contains(&s, truth, what);
    if (systems[system].same_as) {
        delta_slice same = delta_solved(x, form, systems[system].same_as);
        check_deltas_agree(&s, &same, 0, what);
        delta_close(&same);
    }
    delta_close(&s);
}

static int check_forms(const test_delta *x, int system, int count) {
    int ran = 0;
    delta_slice truth = delta_solved(x, delta_form_named("recurrent", GLA_SOLVE), "mpfr:400");
    for (int f = 0; f < count; f++)
        for (int solver = 0; solver < (f == 0 ? 1 : GLA_SOLVERS); solver++)
            for (int route = 0; route < GLA_ROUTES; route++) {
                gla_form form = delta_form_named(forms[f], (gla_solver)solver);
                form.route = (gla_gate_route)route;
                if (!delta_available(&form)) continue;
                check_one(x, &truth, form, system);
                ran++;
            }
    delta_close(&truth);
    return ran;
}

START_TEST(every_system) {
    static const size_t gates[] = {0, 1, 4};
    for (int g = 0; g < 3; g++) {
        test_delta x = delta_golden(gates[g]);
        ck_assert_int_eq(check_forms(&x, _i, FORMS), 5 + 3 * 5 + 3 * 4 * 6 + 4 * 5);
        delta_free(&x);
    }
}
END_TEST

/* Exact resets run everywhere in the safe forms. E4M3 has no infinity to hold the gate in. */
START_TEST(resets_in_every_system) {
    if (strcmp(systems[_i].name, "e4m3") == 0) return;
    for (size_t gate = 1; gate <= 4; gate += 3) {
        test_delta x = delta_golden(gate);
        for (size_t c = 0; c < gate; c++) x.at[IN_G][3 * gate + c] = -INFINITY;
        x.at[IN_G][gate > 1 ? 1 : 0] = x.at[IN_G][5 * gate] = -INFINITY;
        check_forms(&x, _i, FORMS - 1);
        delta_free(&x);
    }
}
END_TEST

/* ---- costs: 1 flop = one + - *, fma = 2, exp apart ---- */

static struct gla_count count_forward(size_t T, size_t dk, size_t dv, size_t gate, const char *text,
                                      gla_solver solver) {
    test_delta x = delta_sized(T, dk, dv, gate);
    gla_numbers *counter;
    ck_assert_int_eq(gla_numbers_open("counter", &counter, NULL), GLA_OK);
    delta_slice s = delta_slice_of(&x, counter);
    gla_form form = delta_form_named(text, solver);
    form.backward = false;
    gla_counter_reset(counter);
    delta_run_form(&s, &form);
    struct gla_count count = gla_counter_read(counter);
    gla_numbers_close(counter);
    delta_free(&x);
    return count;
}

static size_t flops(struct gla_count c) { return (size_t)(c.add + c.mul + 2 * c.fma); }

/* 7 T dk dv (6 ungated) + T dk for the scale + 2 T dv for v - Z^T k and beta. */
START_TEST(cost_recurrent) {
    static const size_t shapes[][3] = {{1, 2, 1}, {6, 5, 3}, {13, 2, 7}};
    size_t T = shapes[_i][0], dk = shapes[_i][1], dv = shapes[_i][2];
    for (size_t g = 0; g < 3; g++) {
        size_t gate = g == 2 ? dk : g;
        struct gla_count c = count_forward(T, dk, dv, gate, "recurrent", GLA_SOLVE);
        ck_assert_uint_eq(flops(c), (gate ? 7 : 6) * T * dk * dv + T * dk + 2 * T * dv);
        ck_assert_uint_eq(c.exp, T * gate);
    }
}
END_TEST

/* One chunk of m tokens without a gate: substitution costs m(m-1) dv; in its place ut costs (m^3-m)/3 for X by rows,
 * 2m^2 (dk + dv) for W and U0 as full squares, m dk for beta*Kg. V - Kg S and U0 - W S cost the same, beta*E and beta*V
 * too. */
START_TEST(cost_of_solvers) {
    static const size_t shapes[][3] = {{8, 4, 3}, {16, 5, 7}, {5, 3, 2}};
    size_t m = shapes[_i][0], dk = shapes[_i][1], dv = shapes[_i][2];
    size_t solve = flops(count_forward(m, dk, dv, 0, "chunkwise:16:16", GLA_SOLVE));
    size_t ut = flops(count_forward(m, dk, dv, 0, "chunkwise:16:16", GLA_UT));
    size_t only_solve = m * (m - 1) * dv, only_ut = (m * m * m - m) / 3 + 2 * m * m * (dk + dv) + m * dk;
    ck_assert_uint_eq(ut - only_ut, solve - only_solve);
}
END_TEST

/* ---- rounding sites: where a kernel may round, announced for every number that is there ---- */

static void count_sites(const test_delta *x, gla_form form, size_t counts[GLA_SITES]) {
    delta_slice s = delta_solved(x, form, "recorder:binary64");
    struct gla_trace trace = gla_recorder_trace(s.in);
    memset(counts, 0, GLA_SITES * sizeof *counts);
    for (size_t i = 0; i < trace.count; i++)
        if (strcmp(trace.events[i].op, "site") == 0) counts[(int)trace.events[i].y]++;
    ck_assert_uint_eq(trace.dropped, 0);
    delta_close(&s);
}

START_TEST(sites_recurrent) {
    test_delta x = delta_golden(4);
    size_t counts[GLA_SITES], state = 4 * 3;
    gla_form form = delta_form_named("recurrent", GLA_SOLVE);
    form.backward = false;
    count_sites(&x, form, counts);
    ck_assert_uint_eq(counts[GLA_SITE_STATE], 7 * state);
    form.backward = true;
    count_sites(&x, form, counts);
    ck_assert_uint_eq(counts[GLA_SITE_STATE], 3 * 7 * state); /* and twice again, replayed */
    ck_assert_uint_eq(counts[GLA_SITE_DSTATE], 7 * state);
    delta_free(&x);
}
END_TEST

/* One chunk of 7 tokens, dk = 4, dv = 3. */
START_TEST(sites_chunkwise) {
    test_delta x = delta_golden(4);
    size_t counts[GLA_SITES];
    gla_form form = delta_form_named("chunkwise:16:4+anchor", _i ? GLA_UT : GLA_SOLVE);
    form.backward = false;
    count_sites(&x, form, counts);
    ck_assert_uint_eq(counts[GLA_SITE_GATE_SUM], 7 * 4);
    ck_assert_uint_eq(counts[GLA_SITE_Q_DECAYED], 7 * 4);
    ck_assert_uint_eq(counts[GLA_SITE_K_DECAYED], _i ? 7 * 4 : 2 * 7 * 4); /* Kh, and Kg where it is no part of bK */
    ck_assert_uint_eq(counts[GLA_SITE_BETA_OPERAND], _i ? 7 * (4 + 4 + 3) : 7 * 4);
    ck_assert_uint_eq(counts[GLA_SITE_INVERSE], _i ? 7 * 7 : 0);
    ck_assert_uint_eq(counts[GLA_SITE_WY], _i ? 7 * (4 + 3) : 0);
    ck_assert_uint_eq(counts[GLA_SITE_PSEUDO], 7 * 3);
    ck_assert_uint_eq(counts[GLA_SITE_SCORE], 7 * 7);
    ck_assert_uint_eq(counts[GLA_SITE_STATE_READ], 2 * 4 * 3);
    ck_assert_uint_eq(counts[GLA_SITE_STATE], 4 * 3);
    form.backward = true;
    count_sites(&x, form, counts);
    ck_assert_uint_eq(counts[GLA_SITE_DSTATE_READ], 4 * 3);
    ck_assert_uint_eq(counts[GLA_SITE_DSTATE], 4 * 3);
    ck_assert_uint_eq(counts[GLA_SITE_DSCORE], 2 * 7 * 7);
    ck_assert_uint_eq(counts[GLA_SITE_DPSEUDO], 7 * 3);
    ck_assert_uint_eq(counts[GLA_SITE_PART], 7 * 3 + 2 * 7 * 4);
    ck_assert_uint_eq(counts[GLA_SITE_GATE_TERM], 7 * 4);
    delta_free(&x);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("delta in every number system");
    TCase *t = tcase_create("systems");
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, every_system, 0, SYSTEMS);
    tcase_add_loop_test(t, resets_in_every_system, 0, SYSTEMS);
    tcase_add_loop_test(t, cost_recurrent, 0, 3);
    tcase_add_loop_test(t, cost_of_solvers, 0, 3);
    tcase_add_test(t, sites_recurrent);
    tcase_add_loop_test(t, sites_chunkwise, 0, 2);
    suite_add_tcase(s, t);
    return s;
}

int main(void) { return test_main(suite()); }
