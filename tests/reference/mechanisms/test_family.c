/* SPDX-License-Identifier: Apache-2.0
 *
 * What holds for every mechanism, on random problems (shared heads, packed, reversed, absent inputs, resets):
 *   all its formulations and gate routes agree to 1e-60 at 256 bits, in every output;
 *   every gradient is the derivative of <o,do> + <final_state,dfinal_state> + ..., by dual numbers of 256 bits: 1e-60;
 *   a problem is its slices: every sequence of every head alone, gradients of what they share added up;
 *   every number system runs it, and intervals enclose the truth.
 * A row of `texts` puts a mechanism, with switches, through all of it.
 */
#include "any_mechanism.h"

#define TOLERANCE 1e-60

static const struct {
    const char *text;
    bool derivative; /* its gradient is the derivative; not so where a convention says otherwise */
    bool units;      /* of a loss of o alone: its final states are in units that move too */
} texts[] = {
    {"delta_rule", true, false},
    {"gated_delta_rule", true, false},
    {"kda", true, false},
    {"gla", true, false},
    {"simple_gla", true, false},
    {"retention:linspace", true, false},
    {"rwkv6", true, false},
    {"gsa", true, false},
    {"gsa,tie=tied", true, false},
    {"linear_attention,normaliser=sum", true, false},
    {"linear_attention,normaliser=sum,eps=0.25,eps_on=unscaled", true, false},
    {"linear_attention,normaliser=sum,z=recomputed", true, false},
    {"retention,rotation=interleaved,decay=trained,position=3", true, false},
    {"retention,rotation=halves,mask=plain,scale_on=k", true, false},
    {"retention,mask=normalised,rows=sum,position=2", true, false},
    {"retention,rows=sum,decay=trained", true, false},
    {"retention,mask=normalised,rows=abs", false, false},
    {"lightning,state=pre-decayed", true, false},
    {"mlstm", true, true},
    {"mlstm,m0=-inf,scale_on=k", true, true},
    {"mlstm,eps=0.25", false, false},
    {"mlstm,gradient=truncated,end=omitted,di=values", false, false},
    {"mlstm,gate=sigmoid,eps=0.25", true, false},
    {"mlstm,gate=sigmoid,normaliser=none,scale_on=k", true, false},
    {"mamba2", true, false},
    {"mamba2,softplus=linear,dt_min=0.5,dt_max=2", true, false},
    {"mamba1", true, false},
    {"mamba1,softplus=none", true, false},
    {"hgrn2", true, false},
};
enum { TEXTS = sizeof texts / sizeof *texts, PROBLEMS = 4 };

static const char *const forms[] = {"parallel",
                                    "parallel-naive",
                                    "chunkwise:4:2",
                                    "chunkwise:5:5+materialised",
                                    "chunkwise:64",
                                    "chunkwise:2:1+split:4",
                                    "chunkwise:4:2+ut",
                                    "chunkwise:4:2+ut-blocked",
                                    "chunkwise:4:2+ut-product",
                                    "chunkwise:4:2+bounded",
                                    "chunkwise-centred:4:2",
                                    "chunkwise-centred:4:2+precise",
                                    "chunkwise-paired:4",
                                    "chunkwise-paired:3:0",
                                    "chunkwise-factored:3"};
enum { FORMS = sizeof forms / sizeof *forms };

/* As run_apart, with the floor under every output: gradients that are 0 in theory have residues in practice. */
static double apart_of(const test_run *a, const test_run *b, gla_output name) {
    if (run_has(a, name) != run_has(b, name)) return NAN;
    if (!run_has(a, name)) return 0;
    distance d;
    mpfr_t x, y;
    distance_begin(&d);
    mpfr_inits2(512, x, y, (mpfr_ptr)0);
    distance_floor(&d, a);
    for (int64_t i = 0; i < a->result.tensor[name].count; i++) {
        run_get(x, a, name, i);
        run_get(y, b, name, i);
        distance_add(&d, x, y);
    }
    mpfr_clears(x, y, (mpfr_ptr)0);
    return distance_end(&d);
}

static void check_form(const test_problem *x, const test_run *recurrent, gla_form form, const char *text) {
    char name[80];
    gla_form_print(&form, name, sizeof name);
    test_run run = run_form(&x->p, form, "mpfr:256");
    for (int i = 0; i < GLA_OUTPUTS; i++) {
        double apart = apart_of(recurrent, &run, (gla_output)i);
        ck_assert_msg(apart <= TOLERANCE, "%s %s: %s differs by %g", text, name, gla_output_names[i], apart);
    }
    run_free(&run);
}

/* In the unsafe formulations a gate of -inf is infinity times 0. */
static bool bears_resets(const gla_form *form) {
    return form->kind != GLA_PARALLEL_NAIVE && form->kind != GLA_CHUNKWISE_FACTORED && !form->bounded;
}

/* All routes of every formulation in a long run, else the usual one and another by turns. */
START_TEST(formulations) {
    int which = _i / PROBLEMS;
    static const double strengths[PROBLEMS] = {0.5, 0.01, 4, 40};
    double resets = _i % PROBLEMS == 0 ? 0.2 : 0;
    test_random r = random_from(9100 + (uint32_t)_i);
    test_problem x;
    any_problem(
        &x, &r, texts[which].text,
        (any_options){.all = _i % 2 == 0, .longest = 10, .strength = strengths[_i % PROBLEMS], .resets = resets});
    test_run recurrent = run_problem(&x.p, "recurrent", "mpfr:256");
    int available = 0;
    for (int f = -1; f < FORMS; f++)
        for (int route = 0; route < GLA_ROUTES; route++) {
            gla_form form = form_named(f < 0 ? "recurrent" : forms[f], true);
            form.route = (gla_gate_route)route;
            if (!test_long() && route != GLA_ROUTE_DEFAULT && route != (_i + f + GLA_ROUTES) % GLA_ROUTES) continue;
            if (!gla_form_available(&x.p, &form) || (resets > 0 && !bears_resets(&form))) continue;
            check_form(&x, &recurrent, form, texts[which].text);
            available++;
        }
    ck_assert_int_ge(available, 2);
    run_free(&recurrent);
    problem_free(&x);
}
END_TEST

/* ---- derivatives ---- */

START_TEST(gradients_are_derivatives) {
    static const char *const some[] = {"recurrent", "chunkwise:3:2", "parallel", "chunkwise-centred:4:2"};
    int which = _i / 4;
    if (!texts[which].derivative) return;
    test_random r = random_from(9300 + (uint32_t)_i);
    test_problem x;
    any_problem(&x, &r, texts[which].text, (any_options){.resets = _i % 4 == 1 ? 0.2 : 0, .all = true, .longest = 9});
    if (texts[which].units) {
        x.p.d_final_state.at = NULL;
        x.p.d_final_n.at = NULL;
    }
    gla_form form = form_named(some[_i % 4], true);
    if (!gla_form_available(&x.p, &form)) form = form_named("recurrent", true);
    test_run run = run_form(&x.p, form, "mpfr:256");
    any_check_gradients(&x, &run, &r, TOLERANCE, texts[which].text);
    run_free(&run);
    problem_free(&x);
}
END_TEST

/* ---- slices: one head of one sequence as a problem of its own, its tokens in the order of the recurrence ---- */

typedef struct place {
    int64_t n, h;
} place;

/* Where element (t,i) of that slice lies in a tensor of the given axes and shape; states: row t. */
static int64_t index_at(const gla_problem *p, gla_axes axes, const int64_t s[4], place at, int64_t t, int64_t i) {
    int64_t head = at.h / (p->H / (gla_is_state(axes) ? s[1] : s[2]));
    if (gla_is_state(axes)) return index_in(s, at.n, head, t, i);
    if (gla_is_weight(axes)) return index_in(s, 0, 0, head, i);
    test_span span = span_of(p, at.n);
    return index_in(s, span.b, p->reverse ? span.first + span.count - 1 - t : span.first + t, head, i);
}

/* Not for an empty sequence. */
static test_problem slice_alone(const test_problem *x, place at) {
    test_problem z = problem_sized(1, span_of(&x->p, at.n).count, 1, x->p.dk, x->p.dv);
    z.p.mechanism = x->p.mechanism;
    memcpy(z.p.setting, x->p.setting, sizeof z.p.setting);
    z.p.decay = x->p.decay;
    z.p.decay.heads = x->p.decay.heads ? x->p.decay.heads : x->p.H;
    z.p.decay.head += at.h;
    z.p.scale = scale_of(&x->p);
    z.p.M = x->p.M;
    for (int i = 0; i < GLA_INPUTS; i++) {
        gla_input name = (gla_input)i;
        gla_axes axes = gla_input_axes(gla_mechanism_of(&x->p), name);
        int64_t own[4], whole[4];
        if (!x->at[i]) continue;
        problem_give(&z, name, 1);
        shape_of(&z.p, name, 1, own);
        gla_problem copy = x->p;
        shape_of(&x->p, name, gla_problem_input(&copy, name)->heads, whole);
        int64_t rows = gla_is_state(axes) ? own[2] : own[1];
        for (int64_t t = 0; t < rows; t++)
            for (int64_t j = 0; j < own[3]; j++)
                z.at[i][t * own[3] + j] = x->at[i][index_at(&x->p, axes, whole, at, t, j)];
    }
    return z;
}

typedef struct sums {
    mpfr_t *at[GLA_OUTPUTS];
} sums;

static sums new_sums(const test_run *run) {
    sums z = {{NULL}};
    for (int i = 0; i < GLA_OUTPUTS; i++) {
        int64_t count = run_has(run, (gla_output)i) ? run->result.tensor[i].count : 0;
        z.at[i] = calloc((size_t)count + 1, sizeof(mpfr_t));
        for (int64_t j = 0; j < count; j++) {
            mpfr_init2(z.at[i][j], 512);
            mpfr_set_zero(z.at[i][j], 1);
        }
    }
    return z;
}

static void add_slice(sums *z, const test_problem *x, const test_run *whole, place at) {
    test_problem own = slice_alone(x, at);
    test_run run = run_problem(&own.p, "recurrent", "mpfr:256");
    MPFR_DECL_INIT(y, 512);
    for (int i = 0; i < GLA_OUTPUTS; i++) {
        if (!run_has(whole, (gla_output)i)) continue;
        gla_axes axes = gla_input_axes(gla_mechanism_of(&x->p), gla_output_like((gla_output)i));
        int64_t cols = run.result.tensor[i].shape[3];
        for (int64_t j = 0; j < run.result.tensor[i].count; j++) {
            int64_t to = index_at(&x->p, axes, whole->result.tensor[i].shape, at, j / cols, j % cols);
            run_get(y, &run, (gla_output)i, j);
            mpfr_add(z->at[i][to], z->at[i][to], y, MPFR_RNDN);
        }
    }
    run_free(&run);
    problem_free(&own);
}

START_TEST(a_problem_is_its_slices) {
    int which = _i / 4;
    test_random r = random_from(9500 + (uint32_t)_i);
    test_problem x;
    any_problem(&x, &r, texts[which].text, (any_options){.resets = 0.1, .all = true, .longest = 9});
    test_run whole = run_problem(&x.p, "recurrent", "mpfr:256");
    sums z = new_sums(&whole);
    bool empty = false; /* an empty sequence is no problem: its states pass through (test_layout.c) */
    for (int64_t n = 0; n < x.p.N; n++)
        for (int64_t h = 0; h < x.p.H; h++)
            if (span_of(&x.p, n).count > 0)
                add_slice(&z, &x, &whole, (place){n, h});
            else
                empty = true;
    MPFR_DECL_INIT(y, 512);
    for (int i = 0; i < GLA_OUTPUTS; i++) {
        int64_t count = run_has(&whole, (gla_output)i) ? whole.result.tensor[i].count : 0;
        distance d;
        distance_begin(&d);
        distance_floor(&d, &whole);
        for (int64_t j = 0; j < count; j++) {
            run_get(y, &whole, (gla_output)i, j);
            if (!empty || !gla_is_state_output((gla_output)i)) distance_add(&d, y, z.at[i][j]);
            mpfr_clear(z.at[i][j]);
        }
        free(z.at[i]);
        double apart = distance_end(&d);
        ck_assert_msg(apart <= TOLERANCE, "%s: %s differs by %g", texts[which].text, gla_output_names[i], apart);
    }
    run_free(&whole);
    problem_free(&x);
}
END_TEST

/* ---- number systems ---- */

static void check_enclosed(const test_run *truth, const test_run *enclosure, const char *text) {
    mpfr_t x, lo, hi;
    mpfr_inits2(600, x, lo, hi, (mpfr_ptr)0);
    for (int i = 0; i < GLA_OUTPUTS; i++)
        for (int64_t j = 0; run_has(truth, (gla_output)i) && j < truth->result.tensor[i].count; j++) {
            run_get(x, truth, (gla_output)i, j);
            gla_interval_ends(enclosure->numbers, lo, hi, gla_result_at(&enclosure->result, (gla_output)i, j));
            ck_assert_msg(mpfr_lessequal_p(lo, x) && mpfr_lessequal_p(x, hi), "%s: %s[%ld] lies outside", text,
                          gla_output_names[i], (long)j);
            mpfr_sub(hi, hi, lo, MPFR_RNDU);
            ck_assert_msg(mpfr_cmp_d(hi, 1e-12) <= 0, "%s: %s[%ld] is wide", text, gla_output_names[i], (long)j);
        }
    mpfr_clears(x, lo, hi, (mpfr_ptr)0);
}

START_TEST(every_number_system) {
    static const char *const names[] = {"binary64",   "binary32", "bf16",       "f16/rz",  "tf32/ru",          "e4m3",
                                        "e5m2/sr:17", "counter",  "mixed:bf16", "dual:90", "recorder:binary32"};
    static const char *const some[] = {"recurrent", "parallel", "chunkwise:3:2"};
    test_random r = random_from(9700 + (uint32_t)_i);
    test_problem x;
    any_problem(&x, &r, texts[_i].text, (any_options){.all = true, .longest = 9});
    for (int f = 0; f < 3; f++) {
        gla_form form = form_named(some[f], true);
        if (!gla_form_available(&x.p, &form)) continue;
        for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
            test_run run = run_form(&x.p, form, names[i]);
            run_free(&run);
        }
        test_run truth = run_form(&x.p, form, "mpfr:300"), enclosure = run_form(&x.p, form, "interval:200");
        check_enclosed(&truth, &enclosure, texts[_i].text);
        run_free(&truth);
        run_free(&enclosure);
    }
    problem_free(&x);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("every mechanism");
    TCase *t = tcase_create("family");
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, formulations, 0, PROBLEMS * TEXTS);
    tcase_add_loop_test(t, gradients_are_derivatives, 0, 4 * TEXTS);
    tcase_add_loop_test(t, a_problem_is_its_slices, 0, 4 * TEXTS);
    tcase_add_loop_test(t, every_number_system, 0, TEXTS);
    suite_add_tcase(s, t);
    return s;
}

int main(void) { return test_main(suite()); }
