/* SPDX-License-Identifier: Apache-2.0
 *
 * What the suites of the gated core share: problems (the golden streams, seeded random shapes),
 * running one, walking its numbers, and the norm-wise distance of two tensors in 512-bit MPFR.
 *
 * A distance is max|x - y| / max(max|x|, max|y|, floor). It is NaN when any number is, so compare
 * it with !(d <= tol). The floor matters where a tensor is exactly 0 in theory (dg of a sequence of
 * one token): there rounding residue is measured against the terms that cancel.
 */
#ifndef GLASSBOX_TEST_PROBLEMS_H
#define GLASSBOX_TEST_PROBLEMS_H

#include <Random123/philox.h>
#include <math.h>
#include <string.h>

#include "reference/gated/gated.h"
#include "reference/glassbox.h"
#include "tests/testing.h"

/* ---- random numbers: Philox keyed by the seed of the run and the number of the case ---- */

typedef struct test_random {
    philox4x32_key_t key;
    philox4x32_ctr_t counter;
} test_random;

static inline test_random random_from(uint32_t stream) {
    test_random r = {.key = {{(uint32_t)test_seed(), stream}}, .counter = {{0}}};
    return r;
}

static inline uint32_t random_bits(test_random *r) {
    r->counter.v[0]++;
    return philox4x32(r->counter, r->key).v[0];
}

/* Uniform on [0,1), 24 bits: exact in binary32. */
static inline double random_unit(test_random *r) { return (random_bits(r) >> 8) * 0x1p-24; }
static inline double random_signed(test_random *r) { return 2 * random_unit(r) - 1; }
static inline bool random_chance(test_random *r, double p) { return random_unit(r) < p; }
static inline int64_t random_between(test_random *r, int64_t low, int64_t high) {
    return low + (int64_t)(random_bits(r) % (uint32_t)(high - low + 1));
}

/* ---- a problem that owns its data ---- */

typedef struct test_problem {
    gla_problem p;
    double *at[GLA_INPUTS];
    int64_t cu[9]; /* room for eight segments */
} test_problem;

/* What the gated core takes and gives comes first. */
enum { GATED_INPUTS = GLA_IN_DFINAL_STATE + 1, GATED_OUTPUTS = GLA_DINITIAL_STATE + 1 };

/* The shape written out from the contract, not asked from the library. */
static inline void shape_of(const gla_problem *p, gla_input x, int64_t heads, int64_t shape[4]) {
    gla_axes axes = gla_input_axes(gla_mechanism_of(p), x);
    bool state = axes >= GLA_STATE && axes <= GLA_STATE_SLOT_VALUE, weight = axes >= GLA_WEIGHT_KEY;
    bool values = axes == GLA_PER_VALUE, one = axes == GLA_PER_HEAD || axes == GLA_WEIGHT_ONE;
    int64_t tokens[4] = {weight ? 1 : p->B, weight ? 1 : p->T, heads,
                         one                    ? 1
                         : values               ? p->dv
                         : axes == GLA_PER_SLOT ? p->M
                                                : p->dk};
    int64_t states[4] = {p->N, heads, p->dk, p->dv};
    if (axes == GLA_STATE_SLOT_VALUE) states[2] = p->M;
    if (axes == GLA_STATE_KEY_SLOT) states[3] = p->M;
    if (axes == GLA_STATE_KEY || axes == GLA_STATE_ONE) states[3] = 1;
    if (axes == GLA_STATE_ONE) states[2] = 1;
    memcpy(shape, state ? states : tokens, sizeof tokens);
}

static inline int64_t count_of(const int64_t s[4]) { return s[0] * s[1] * s[2] * s[3]; }
static inline int64_t index_in(const int64_t s[4], int64_t a, int64_t b, int64_t c, int64_t d) {
    return ((a * s[1] + b) * s[2] + c) * s[3] + d;
}

/* The four indices of element j. */
static inline void unravel(const int64_t s[4], int64_t j, int64_t at[4]) {
    for (int axis = 3; axis >= 0; axis--) {
        at[axis] = j % s[axis];
        j /= s[axis];
    }
}

/* Gives input x dense data of `heads` heads, zeros to begin with. Sizes of the problem must be set.
 */
static inline double *problem_give(test_problem *x, gla_input name, int64_t heads) {
    int64_t s[4];
    shape_of(&x->p, name, heads, s);
    free(x->at[name]);
    x->at[name] = calloc((size_t)count_of(s) + 1, sizeof(double)); /* +1: never asks for nothing */
    ck_assert_ptr_nonnull(x->at[name]);
    gla_tensor t = {x->at[name], heads, {s[1] * s[2] * s[3], s[2] * s[3], s[3], 1}};
    *gla_problem_input(&x->p, name) = t;
    return x->at[name];
}

static inline int64_t problem_count(const test_problem *x, gla_input name) {
    gla_problem copy = x->p;
    int64_t s[4];
    shape_of(&copy, name, gla_problem_input(&copy, name)->heads, s);
    return count_of(s);
}

static inline test_problem problem_sized(int64_t B, int64_t T, int64_t H, int64_t dk, int64_t dv) {
    test_problem x = {.p = {.B = B, .T = T, .H = H, .dk = dk, .dv = dv, .N = B}};
    return x;
}

/* Call when the problem has come to rest (the structure holds a pointer to its own cu). */
static inline void problem_segments(test_problem *x, int64_t n, const int64_t *cu) {
    memcpy(x->cu, cu, (size_t)(n + 1) * sizeof *cu);
    x->p.N = n;
    x->p.cu_seqlens = x->cu;
}

static inline void problem_free(test_problem *x) {
    for (int i = 0; i < GLA_INPUTS; i++) free(x->at[i]);
}

/* Signed data in [-1,1), gates -strength * U of which a share `resets` is -inf. */
static inline void problem_fill(test_problem *x, gla_input name, test_random *r, double strength, double resets) {
    bool gate = name == GLA_IN_GK || name == GLA_IN_GV;
    for (int64_t i = 0; i < problem_count(x, name); i++) {
        double value = gate ? -strength * random_unit(r) : random_signed(r);
        x->at[name][i] = gate && random_chance(r, resets) ? -INFINITY : value;
    }
}

static inline int64_t random_heads(test_random *r, int64_t H) {
    int64_t heads = random_between(r, 1, H);
    while (H % heads != 0) heads--;
    return heads;
}

typedef struct random_options {
    double resets;  /* share of gates that are -inf */
    bool ungrouped; /* every tensor has H heads */
    bool all;       /* every optional input is present */
    int64_t longest;
} random_options;

/* A random problem: T = 1 and the sizes around powers of two, dk != dv, groups, segments, reversal.
 */
static inline void problem_random(test_problem *x, test_random *r, random_options o) {
    static const double strengths[] = {0.01, 0.5, 4, 40};
    int64_t T = random_between(r, 1, o.longest ? o.longest : 17), H = random_between(r, 1, 4);
    bool packed = random_chance(r, 0.3);
    *x = problem_sized(packed ? 1 : random_between(r, 1, 2), T, H, random_between(r, 1, 5), random_between(r, 1, 5));
    if (packed) {
        int64_t cu[5] = {0}, n = random_between(r, 1, 4); /* empty segments come by themselves */
        for (int64_t i = 1; i < n; i++) cu[i] = random_between(r, cu[i - 1], T);
        cu[n] = T;
        problem_segments(x, n, cu);
    }
    x->p.reverse = random_chance(r, 0.25);
    x->p.scale = random_chance(r, 0.5) ? 0 : 0.375;
    static const double present[GATED_INPUTS] = {1, 1, 1, 0.8, 0.5, 0.6, 0.9, 0.6};
    double strength = strengths[random_between(r, 0, 3)];
    for (int i = 0; i < GATED_INPUTS; i++) {
        gla_input name = (gla_input)i;
        if (!o.all && !random_chance(r, present[i])) continue;
        problem_give(x, name, o.ungrouped ? H : random_heads(r, H));
        problem_fill(x, name, r, strength, o.resets);
    }
}

/* ---- the golden streams: x = (1664525 x + 1013904223) mod 2^32 from 2654435761*seed, U =
 * floor(x/512)/2^23 ---- */

static inline double golden_next(uint32_t *x) {
    *x = 1664525u * *x + 1013904223u;
    return (double)(*x >> 9) * 0x1p-23;
}

/* X = 2U-1 for data, -U for gates. */
static inline void golden_fill(test_problem *x, gla_input name, uint32_t seed) {
    bool gate = name == GLA_IN_GK || name == GLA_IN_GV;
    uint32_t state = 2654435761u * seed;
    problem_give(x, name, x->p.H);
    for (int64_t i = 0; i < problem_count(x, name); i++) {
        double u = golden_next(&state);
        x->at[name][i] = gate ? -u : 2 * u - 1;
    }
}

/* T=7, dk=4, dv=3, s=1/2, one head; with or without the value gate. */
static inline void problem_golden(test_problem *x, bool gv) {
    static const uint32_t seed[GATED_INPUTS] = {1, 2, 3, 4, 5, 8, 10, 11};
    *x = problem_sized(1, 7, 1, 4, 3);
    x->p.scale = 0.5;
    for (int i = 0; i < GATED_INPUTS; i++)
        if (gv || i != GLA_IN_GV) golden_fill(x, (gla_input)i, seed[i]);
}

/* ---- running ---- */

typedef struct test_run {
    gla_numbers *numbers;
    gla_result result;
} test_run;

static inline gla_form form_named(const char *text, bool backward) {
    gla_form form;
    gla_error err = {0};
    ck_assert_msg(gla_form_parse(text, &form, &err) == GLA_OK, "%s: %s", text, err.what);
    form.backward = backward;
    return form;
}

/* Checks the problem, runs it in a system of its own, backward too; every step must succeed. */
static inline test_run run_form(const gla_problem *p, gla_form form, const char *numbers) {
    test_run run = {0};
    gla_error err = {0};
    ck_assert_msg(gla_problem_check(p, false, &err) == GLA_OK, "%s", err.what);
    ck_assert_msg(gla_numbers_open(numbers, &run.numbers, &err) == GLA_OK, "%s", err.what);
    gla_status status = gla_run(p, &form, run.numbers, &run.result, &err);
    ck_assert_msg(status == GLA_OK, "%s: %s %s", numbers, gla_status_text(status), err.what);
    return run;
}

static inline test_run run_problem(const gla_problem *p, const char *form, const char *numbers) {
    return run_form(p, form_named(form, true), numbers);
}

static inline void run_free(test_run *run) {
    gla_result_free(&run->result);
    gla_numbers_close(run->numbers);
}

static inline bool run_has(const test_run *run, gla_output name) { return run->result.tensor[name].at != NULL; }

/* Value [a,b,c,d] of an output. */
static inline void run_get(mpfr_t z, const test_run *run, gla_output name, int64_t index) {
    run->numbers->ops->get_mpfr(run->numbers, z, gla_result_at(&run->result, name, index));
}
static inline int64_t run_index(const test_run *run, gla_output name, int64_t a, int64_t b, int64_t c, int64_t d) {
    return index_in(run->result.tensor[name].shape, a, b, c, d);
}

/* ---- distance ---- */

typedef struct distance {
    mpfr_t apart, scale, difference;
} distance;

static inline void distance_begin(distance *d) {
    mpfr_inits2(512, d->apart, d->scale, d->difference, (mpfr_ptr)0);
    mpfr_set_zero(d->apart, 1);
    mpfr_set_zero(d->scale, 1);
}

/* z = max(z, |x|), and NaN once any x is. */
static inline void take_max(mpfr_t z, const mpfr_t x) {
    if (mpfr_nan_p(z)) return;
    if (mpfr_nan_p(x))
        mpfr_set_nan(z);
    else if (mpfr_cmpabs(z, x) < 0)
        mpfr_abs(z, x, MPFR_RNDN);
}

static inline void distance_add(distance *d, const mpfr_t x, const mpfr_t y) {
    mpfr_sub(d->difference, x, y, MPFR_RNDN);
    take_max(d->apart, d->difference);
    take_max(d->scale, x);
    take_max(d->scale, y);
}

static inline double distance_end(distance *d) {
    if (!mpfr_zero_p(d->apart)) mpfr_div(d->apart, d->apart, d->scale, MPFR_RNDN);
    double result = mpfr_get_d(d->apart, MPFR_RNDU);
    mpfr_clears(d->apart, d->scale, d->difference, (mpfr_ptr)0);
    return result;
}

/* Raises the scale to 2^-30 of the largest number of o dq dk dv. */
static inline void distance_floor(distance *d, const test_run *run) {
    static const gla_output parts[] = {GLA_O, GLA_DQ, GLA_DK, GLA_DV};
    mpfr_t x;
    mpfr_init2(x, 512);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        for (int64_t j = 0; j < run->result.tensor[parts[i]].count && run_has(run, parts[i]); j++) {
            run_get(x, run, parts[i], j);
            mpfr_mul_2si(x, x, -30, MPFR_RNDN);
            take_max(d->scale, x);
        }
    mpfr_clear(x);
}

static inline double run_apart(const test_run *a, const test_run *b, gla_output name) {
    if (run_has(a, name) != run_has(b, name) || a->result.tensor[name].count != b->result.tensor[name].count)
        return NAN;
    if (!run_has(a, name)) return 0;
    distance d;
    mpfr_t x, y;
    distance_begin(&d);
    mpfr_inits2(512, x, y, (mpfr_ptr)0);
    if (gla_is_gradient(name) && gla_input_kind(gla_output_like(name)) != GLA_KIND_VALUE) distance_floor(&d, a);
    for (int64_t i = 0; i < a->result.tensor[name].count; i++) {
        run_get(x, a, name, i);
        run_get(y, b, name, i);
        distance_add(&d, x, y);
    }
    mpfr_clears(x, y, (mpfr_ptr)0);
    return distance_end(&d);
}

/* Asserts that all outputs of a and b are within tol of each other. */
static inline void check_runs_agree(const test_run *a, const test_run *b, double tol, const char *what) {
    for (int i = 0; i < GLA_OUTPUTS; i++) {
        double apart = run_apart(a, b, (gla_output)i);
        ck_assert_msg(apart <= tol, "%s: %s differs by %g, allowed %g", what, gla_output_names[i], apart, tol);
    }
}

#endif
