/* SPDX-License-Identifier: Apache-2.0
 *
 * The core that reads before it decays and writes, against its definition, token by token in the verbs: forward in
 * every formulation and gate route, and every gradient against the definition in dual numbers, at 256 bits to 1e-60,
 * with both gates, resets and no tokens at all; in every number system; what it costs beyond the core.
 */
#include "reference/gated/exclusive.h"
#include "slices.h"

#define TOLERANCE 1e-60

static const char *const forms[] = {"recurrent",
                                    "parallel",
                                    "chunkwise:1:1",
                                    "chunkwise:4:2",
                                    "chunkwise:5:5+materialised",
                                    "chunkwise:64",
                                    "chunkwise:2:1+split:4",
                                    "chunkwise-centred:4:2",
                                    "chunkwise-paired:4",
                                    "chunkwise-paired:3:0"};
enum { FORMS = sizeof forms / sizeof *forms };

/* o_t = S_{t-1}^T (s q_t), then S_t. */
static void definition(const gated_slice *x) {
    gla_matrix sq = gla_new(x->in, 1, x->dk), alpha = gla_new(x->in, 1, x->dk), beta = gla_new(x->in, 1, x->dv);
    gla_copy(x->ST, x->S0);
    for (size_t t = 0; t < x->T; t++) {
        gla_scale(sq, gla_row(x->q, t), x->s);
        gla_read(gla_row(x->o, t), x->ST, sq);
        gla_matrix a = {0}, b = {0};
        if (!gla_absent(x->gk)) gla_exp(a = alpha, gla_row(x->gk, t));
        if (!gla_absent(x->gv)) gla_exp(b = beta, gla_row(x->gv, t));
        gla_decay(x->ST, a, b);
        gla_write(x->ST, gla_row(x->k, t), gla_row(x->v, t));
    }
}

static void random_slice_problem(test_problem *x, uint32_t stream, bool whole) {
    test_random r = random_from(stream);
    problem_random(x, &r, (random_options){.resets = stream % 3 == 0 ? 0.2 : 0, .all = whole, .longest = 13});
}

static void check_close(gla_matrix got, gla_matrix wanted, const char *what, const char *form, uint32_t stream) {
    double apart = gla_absent(got) ? 0 : matrices_apart(got, wanted, 1e-9);
    ck_assert_msg(apart <= TOLERANCE, "%s %s is off by %g, problem %u", form, what, apart, (unsigned)stream);
}

/* Every sequence of the first head, in every formulation with every route, against one run of the recurrence. */
START_TEST(formulations_agree) {
    uint32_t stream = 8100 + (uint32_t)_i;
    gla_numbers *n;
    ck_assert_int_eq(gla_numbers_open("mpfr:256", &n, NULL), GLA_OK);
    test_problem x;
    random_slice_problem(&x, stream, _i % 2 == 0);
    for (int64_t sequence = 0; sequence < x.p.N; sequence++) {
        size_t mark = gla_mark(n);
        gated_slice wanted = slice_of(&x, n, sequence, 0), first = slice_of(&x, n, sequence, 0);
        gla_form recurrent = form_named("recurrent", true);
        definition(&wanted);
        gated_run_exclusive(&first, &recurrent);
        check_close(first.o, wanted.o, "o", "recurrent", stream);
        check_close(first.ST, wanted.ST, "S_T", "recurrent", stream);
        for (int f = 1; f < FORMS; f++)
            for (int route = 0; route < GLA_ROUTES; route++) {
                gla_form form = form_named(forms[f], true);
                form.route = (gla_gate_route)route;
                if (!gla_route_available(form.kind, form.route)) continue;
                gated_slice own = slice_of(&x, n, sequence, 0);
                gated_run_exclusive(&own, &form);
                check_close(own.o, first.o, "o", forms[f], stream);
                check_close(own.ST, first.ST, "S_T", forms[f], stream);
                check_close(own.dq, first.dq, "dq", forms[f], stream);
                check_close(own.dk_, first.dk_, "dk", forms[f], stream);
                check_close(own.dv_, first.dv_, "dv", forms[f], stream);
                check_close(own.dgk, first.dgk, "dgk", forms[f], stream);
                check_close(own.dgv, first.dgv, "dgv", forms[f], stream);
                check_close(own.dS0, first.dS0, "dS_0", forms[f], stream);
            }
        gla_release(n, mark);
    }
    ck_assert_int_eq(n->status, GLA_OK);
    gla_numbers_close(n);
    problem_free(&x);
}
END_TEST

/* <gradient, direction> of one input against the tangent of <o,do> + <S_T,dS_T>. */
static void check_gradient(const test_problem *x, const gated_slice *run, gla_matrix gradient, gla_input name,
                           test_random *r, gla_numbers *dual, uint32_t stream) {
    gated_slice s = slice_of(x, dual, 0, 0);
    gla_matrix moved = slice_input(&s, name);
    if (gla_absent(moved)) return;
    mpfr_t got, wanted, y, along;
    mpfr_inits2(512, got, wanted, y, along, (mpfr_ptr)0);
    mpfr_set_zero(got, 1);
    mpfr_set_zero(wanted, 1);
    for (size_t t = 0; t < moved.rows; t++)
        for (size_t i = 0; i < moved.cols; i++) {
            double direction = random_signed(r);
            gla_dual_set_tangent(dual, gla_at(moved, t, i), direction);
            run->in->ops->get_mpfr(run->in, y, gla_at(gradient, t, i));
            mpfr_mul_d(y, y, direction, MPFR_RNDN);
            mpfr_add(got, got, y, MPFR_RNDN);
        }
    definition(&s);
    const gla_matrix ends[2] = {s.o, s.ST}, adjoints[2] = {s.d_o, s.dST};
    for (int e = 0; e < 2; e++)
        for (size_t t = 0; t < ends[e].rows; t++)
            for (size_t i = 0; i < ends[e].cols; i++) {
                gla_dual_get_tangent(dual, along, gla_at(ends[e], t, i));
                dual->ops->get_mpfr(dual, y, gla_at(adjoints[e], t, i));
                mpfr_fma(wanted, along, y, wanted, MPFR_RNDN);
            }
    mpfr_sub(got, got, wanted, MPFR_RNDN);
    double apart = fabs(mpfr_get_d(got, MPFR_RNDN));
    ck_assert_msg(apart <= TOLERANCE, "gradient of %s is off by %g, problem %u", gla_input_names[name], apart,
                  (unsigned)stream);
    mpfr_clears(got, wanted, y, along, (mpfr_ptr)0);
}

START_TEST(gradients_are_derivatives) {
    uint32_t stream = 8200 + (uint32_t)_i;
    gla_numbers *n, *dual;
    ck_assert_int_eq(gla_numbers_open("mpfr:256", &n, NULL), GLA_OK);
    ck_assert_int_eq(gla_numbers_open("dual:256", &dual, NULL), GLA_OK);
    test_problem x;
    random_slice_problem(&x, stream, true);
    test_random r = random_from(stream + 50);
    gated_slice run = slice_of(&x, n, 0, 0);
    gla_form form = form_named(forms[_i % FORMS], true);
    gated_run_exclusive(&run, &form);
    const gla_matrix gradients[] = {run.dq, run.dk_, run.dv_, run.dgk, run.dgv, run.dS0};
    for (int name = 0; name <= GLA_IN_INITIAL_STATE; name++)
        check_gradient(&x, &run, gradients[name], (gla_input)name, &r, dual, stream);
    ck_assert_int_eq(n->status, GLA_OK);
    gla_numbers_close(n);
    gla_numbers_close(dual);
    problem_free(&x);
}
END_TEST

/* Moves only: where nothing is rounded the numbers are those of the definition, and in a narrow system its roundings.
 */
START_TEST(every_system) {
    static const char *const names[] = {"binary64", "binary32", "interval:80", "bf16",       "f16/rz",
                                        "tf32/ru",  "e4m3",     "mixed:bf16",  "e5m2/sr:17", "counter"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        gla_numbers *n;
        ck_assert_int_eq(gla_numbers_open(names[i], &n, NULL), GLA_OK);
        test_problem x;
        problem_golden(&x, true);
        gated_slice a = slice_of(&x, n, 0, 0), b = slice_of(&x, n, 0, 0);
        gla_form form = form_named("recurrent", true);
        gated_run_exclusive(&a, &form);
        definition(&b);
        ck_assert_int_eq(n->status, GLA_OK);
        if (!strstr(names[i], "/sr")) {
            ck_assert_double_eq(matrices_apart(a.o, b.o, 1e-9), 0);
            ck_assert_double_eq(matrices_apart(a.ST, b.ST, 1e-9), 0);
        }
        gla_numbers_close(n);
        problem_free(&x);
    }
}
END_TEST

/* The first token's read and adjoint: 2 dk dv + dk flops each, dk more for the scale of dq; the last reader, zeros, is
 * run with the rest. */
START_TEST(cost) {
    test_problem x;
    problem_golden(&x, false);
    gla_numbers *counter;
    ck_assert_int_eq(gla_numbers_open("counter", &counter, NULL), GLA_OK);
    gated_slice s = slice_of(&x, counter, 0, 0);
    gla_form form = form_named("recurrent", false);
    gla_counter_reset(counter);
    gated_run_exclusive(&s, &form);
    struct gla_count c = gla_counter_read(counter);
    ck_assert_uint_eq(c.mul + c.add + 2 * c.fma, 5 * 7 * 4 * 3 + 7 * 4 + 2 * 4 * 3 + 4);
    ck_assert_uint_eq(c.exp, 7 * 4);
    gla_numbers_close(counter);
    problem_free(&x);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("exclusive read");
    TCase *t = tcase_create("exclusive");
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, formulations_agree, 0, test_long() ? 300 : 12);
    tcase_add_loop_test(t, gradients_are_derivatives, 0, test_long() ? 300 : 2 * FORMS);
    tcase_add_test(t, every_system);
    tcase_add_test(t, cost);
    suite_add_tcase(s, t);
    return s;
}

int main(void) { return test_main(suite()); }
