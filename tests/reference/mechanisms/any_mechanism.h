/* SPDX-License-Identifier: Apache-2.0
 *
 * For suites over any mechanism: a random problem with every input that it takes, by the table of inputs; and the exact
 * derivative of L = <o,do> + <final states, their gradients> along a direction of one input, through gla_run itself in
 * dual numbers.
 *
 * gla_run gives numbers to a system by set_d, so the dual system here is the library's with a set_d that also looks up
 * the tangent of the value: every element of the input in question is a number that occurs nowhere else in the problem
 * (53 random bits; asserted).
 */
#ifndef GLASSBOX_TEST_ANY_MECHANISM_H
#define GLASSBOX_TEST_ANY_MECHANISM_H

#include "../golden.h"
#include "mechanism_problems.h"

/* ---- problems ---- */

/* Uniform on [0,1), 53 bits. */
static inline double random_wide(test_random *r) {
    double high = random_unit(r);
    return high + (random_bits(r) >> 3) * 0x1p-53;
}

static inline double random_of_kind(test_random *r, gla_kind kind, double strength) {
    if (kind == GLA_KIND_LOG_GATE) return -strength * random_wide(r);
    if (kind == GLA_KIND_LOGIT) return 8 * random_wide(r) - 4;
    return kind == GLA_KIND_RATE ? random_wide(r) : 2 * random_wide(r) - 1;
}

typedef struct any_options {
    bool all; /* every optional input */
    int64_t longest;
    double strength; /* of log gates, 0: 2 */
    double resets;   /* share of them that is -inf */
} any_options;

/* Sizes, groups, packing, reversal and presence at random, with the mechanism's switches as the text has them. */
static inline void any_problem(test_problem *x, test_random *r, const char *mechanism, any_options o) {
    int64_t T = random_between(r, 1, o.longest ? o.longest : 9), cu[4] = {0};
    bool packed = random_chance(r, 0.3);
    *x = problem_sized(packed ? 1 : random_between(r, 1, 2), T, random_between(r, 1, 4), random_between(r, 1, 4),
                       random_between(r, 1, 3));
    name_mechanism(&x->p, mechanism);
    x->p.M = random_between(r, 2, 3);
    if (packed) {
        cu[1] = random_between(r, 0, T);
        cu[2] = random_between(r, cu[1], T);
        cu[3] = T;
        problem_segments(x, 3, cu);
    }
    x->p.reverse = random_chance(r, 0.25);
    x->p.scale = random_chance(r, 0.5) ? 0 : 0.375;
    const gla_mechanism *m = gla_mechanism_of(&x->p);
    if (m->check && m->check(&x->p, NULL) != GLA_OK) x->p.dk++; /* some want it even */
    for (int i = 0; i < GLA_INPUTS; i++) {
        gla_input name = (gla_input)i;
        bool optional = m->optional & 1u << i || gla_is_state_input(name);
        if (!(gla_inputs_taken(&x->p) & 1u << i) || (optional && !o.all && random_chance(r, 0.4))) continue;
        problem_give(x, name, random_heads(r, x->p.H));
        gla_kind kind = gla_input_kind(name);
        for (int64_t j = 0; j < problem_count(x, name); j++) {
            x->at[i][j] = random_of_kind(r, kind, o.strength > 0 ? o.strength : 2);
            if (m->objection && m->objection(&x->p, name, x->at[i][j])) x->at[i][j] *= -1;
            if (kind == GLA_KIND_LOG_GATE && random_chance(r, o.resets)) x->at[i][j] = -INFINITY;
        }
    }
}

/* The stream of a golden seed for every head, as a U + b. */
static inline void fill_stream(test_problem *x, gla_input name, uint32_t seed, double a, double b) {
    uint32_t state = 2654435761u * seed;
    problem_give(x, name, x->p.H);
    for (int64_t i = 0; i < problem_count(x, name); i++) x->at[name][i] = a * golden_next(&state) + b;
}

/* Every output of the run against data/golden/SET.txt, where arrays have the usual names but for S_T and dS0. */
static inline void any_check_golden(const test_run *run, const char *set, const char *form) {
    for (int i = 0; i < GLA_OUTPUTS; i++) {
        if (!run_has(run, (gla_output)i)) continue;
        const char *name = i == GLA_FINAL_STATE ? "S_T" : i == GLA_DINITIAL_STATE ? "dS0" : gla_output_names[i];
        golden_check_output(run, (gla_output)i, set, set, name, form);
    }
}

/* What a run costs; loading its inputs is not counted. */
static inline struct gla_count any_cost(const gla_problem *p, gla_form form) {
    gla_numbers *n;
    gla_result result;
    gla_error err = {0};
    ck_assert_int_eq(gla_numbers_open("counter", &n, &err), GLA_OK);
    ck_assert_msg(gla_run(p, &form, n, &result, &err) == GLA_OK, "%s", err.what);
    struct gla_count count = gla_counter_read(n);
    gla_result_free(&result);
    gla_numbers_close(n);
    return count;
}

/* ---- dual numbers by value ---- */

typedef struct tangent_of {
    double value, tangent;
} tangent_of;

static struct {
    struct gla_number_ops ops;
    void (*set_d)(gla_numbers *n, void *z, double x);
    tangent_of *table; /* ascending values */
    size_t count;
} any_dual;

static inline int any_by_value(const void *a, const void *b) {
    double x = ((const tangent_of *)a)->value, y = ((const tangent_of *)b)->value;
    return (x > y) - (x < y);
}

static inline void any_set_d(gla_numbers *n, void *z, double x) {
    tangent_of key = {x, 0};
    const tangent_of *found = bsearch(&key, any_dual.table, any_dual.count, sizeof *any_dual.table, any_by_value);
    any_dual.set_d(n, z, x);
    gla_dual_set_tangent(n, z, found ? found->tangent : 0);
}

/* A finite value of the input occurs once in it, and in no other. */
static inline void any_assert_unique(const test_problem *x, gla_input name) {
    for (size_t i = 1; i < any_dual.count; i++)
        ck_assert_msg(any_dual.table[i - 1].value < any_dual.table[i].value || isinf(any_dual.table[i].value),
                      "%s holds %g twice", gla_input_names[name], any_dual.table[i].value);
    for (int i = 0; i < GLA_INPUTS; i++)
        for (int64_t j = 0; i != (int)name && x->at[i] && j < problem_count(x, (gla_input)i); j++) {
            tangent_of key = {x->at[i][j], 0};
            ck_assert_msg(isinf(key.value) || !bsearch(&key, any_dual.table, any_dual.count, sizeof key, any_by_value),
                          "%s and %s both hold %g", gla_input_names[name], gla_input_names[i], key.value);
        }
}

/* z += <a forward output, what comes back for it>, or with the output's tangent. */
static inline void any_add_loss(mpfr_t z, const gla_problem *p, const gla_result *result, gla_output name,
                                bool tangent) {
    mpfr_t x;
    gla_numbers *n = result->numbers;
    const int64_t *shape = result->tensor[name].shape;
    gla_tensor back = gla_acting_input(p, gla_output_like(name));
    int64_t at[4], axis = gla_is_state_output(name) ? 1 : 2;
    if (!back.at || gla_is_gradient(name) || name == GLA_FINAL_M) return;
    mpfr_init2(x, 512);
    for (int64_t i = 0; i < result->tensor[name].count; i++) {
        unravel(shape, i, at);
        at[axis] /= p->H / back.heads;
        double weight =
            back.at[at[0] * back.stride[0] + at[1] * back.stride[1] + at[2] * back.stride[2] + at[3] * back.stride[3]];
        if (tangent)
            gla_dual_get_tangent(n, x, gla_result_at(result, name, i));
        else
            n->ops->get_mpfr(n, x, gla_result_at(result, name, i));
        mpfr_mul_d(x, x, weight, MPFR_RNDN);
        mpfr_add(z, z, x, MPFR_RNDN);
    }
    mpfr_clear(x);
}

/* z = dL along `along`, one number for every element of the input. */
static inline void any_derivative(mpfr_t z, test_problem *x, gla_input name, const double *along) {
    const gla_problem *p = &x->p;
    gla_form form = form_named("recurrent", false);
    gla_numbers *n;
    gla_result result;
    gla_error err = {0};
    any_dual.count = (size_t)problem_count(x, name);
    any_dual.table = calloc(any_dual.count + 1, sizeof *any_dual.table);
    for (size_t i = 0; i < any_dual.count; i++) any_dual.table[i] = (tangent_of){x->at[name][i], along[i]};
    qsort(any_dual.table, any_dual.count, sizeof *any_dual.table, any_by_value);
    any_assert_unique(x, name);
    ck_assert_int_eq(gla_numbers_open("dual:256", &n, &err), GLA_OK);
    any_dual.ops = *n->ops;
    any_dual.set_d = n->ops->set_d;
    any_dual.ops.set_d = any_set_d;
    n->ops = &any_dual.ops;
    ck_assert_msg(gla_run(p, &form, n, &result, &err) == GLA_OK, "%s", err.what);
    mpfr_set_zero(z, 1);
    for (int i = 0; i < GLA_OUTPUTS; i++)
        if (result.tensor[i].at) any_add_loss(z, p, &result, (gla_output)i, true);
    gla_result_free(&result);
    gla_numbers_close(n);
    free(any_dual.table);
}

/* <gradient, along> of a run and, in scale, the sum of the absolute values of its terms. */
static inline void any_along_gradient(mpfr_t z, mpfr_t scale, const test_run *run, gla_output name,
                                      const double *along) {
    mpfr_t x;
    mpfr_init2(x, 512);
    mpfr_set_zero(z, 1);
    mpfr_set_zero(scale, 1);
    for (int64_t i = 0; i < run->result.tensor[name].count; i++) {
        run_get(x, run, name, i);
        mpfr_mul_d(x, x, along[i], MPFR_RNDN);
        mpfr_add(z, z, x, MPFR_RNDN);
        mpfr_abs(x, x, MPFR_RNDN);
        mpfr_add(scale, scale, x, MPFR_RNDN);
    }
    mpfr_add_d(scale, scale, 1e-9, MPFR_RNDN); /* where all is exactly 0, the residue of what cancels */
    mpfr_clear(x);
}

/* Euler: is the loss <input, gradient> summed over these inputs, in which it is linear together? */
static inline void any_check_euler(const test_problem *x, const test_run *run, const gla_input *linear, size_t inputs,
                                   double tolerance, const char *what) {
    mpfr_t loss, sum, y, scale;
    mpfr_inits2(512, loss, sum, y, scale, (mpfr_ptr)0);
    mpfr_set_zero(loss, 1);
    mpfr_set_zero(sum, 1);
    mpfr_set_d(scale, 1e-9, MPFR_RNDN);
    for (int i = 0; i < GLA_OUTPUTS; i++) {
        gla_output name = (gla_output)i;
        if (run_has(run, name)) any_add_loss(loss, &x->p, &run->result, name, false);
        for (size_t k = 0; k < inputs; k++) {
            bool of = run_has(run, name) && gla_is_gradient(name) && gla_output_like(name) == linear[k];
            for (int64_t j = 0; of && x->at[linear[k]] && j < run->result.tensor[i].count; j++) {
                run_get(y, run, name, j);
                mpfr_mul_d(y, y, x->at[linear[k]][j], MPFR_RNDN);
                mpfr_add(sum, sum, y, MPFR_RNDN);
                mpfr_abs(y, y, MPFR_RNDN);
                mpfr_add(scale, scale, y, MPFR_RNDN);
            }
        }
    }
    mpfr_sub(loss, loss, sum, MPFR_RNDN);
    mpfr_div(loss, loss, scale, MPFR_RNDN);
    double apart = fabs(mpfr_get_d(loss, MPFR_RNDN));
    ck_assert_msg(apart <= tolerance, "%s: Euler's identity is off by %g", what, apart);
    mpfr_clears(loss, sum, y, scale, (mpfr_ptr)0);
}

/* Every gradient of the run against the exact derivative along one random direction each. */
static inline void any_check_gradients(test_problem *x, const test_run *run, test_random *r, double tolerance,
                                       const char *what) {
    mpfr_t want, got, scale;
    mpfr_inits2(512, want, got, scale, (mpfr_ptr)0);
    for (int i = 0; i < GLA_OUTPUTS; i++) {
        gla_output name = (gla_output)i;
        if (!run_has(run, name) || !gla_is_gradient(name) || !x->at[gla_output_like(name)]) continue;
        int64_t count = run->result.tensor[i].count;
        double *along = calloc((size_t)count + 1, sizeof *along);
        for (int64_t j = 0; j < count; j++) along[j] = random_signed(r);
        any_derivative(want, x, gla_output_like(name), along);
        any_along_gradient(got, scale, run, name, along);
        mpfr_sub(want, want, got, MPFR_RNDN);
        mpfr_div(want, want, scale, MPFR_RNDN);
        double apart = fabs(mpfr_get_d(want, MPFR_RNDN));
        ck_assert_msg(apart <= tolerance, "%s: %s is off by %g", what, gla_output_names[i], apart);
        free(along);
    }
    mpfr_clears(want, got, scale, (mpfr_ptr)0);
}

#endif
