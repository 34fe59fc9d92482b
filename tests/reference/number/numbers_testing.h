/* SPDX-License-Identifier: Apache-2.0
 *
 * What the suites of the number systems share: a generator of doubles, systems opened by name, four numbers to work
 * with, one call for any operation that also tries every aliasing of its result.
 */
#ifndef GLASSBOX_NUMBERS_TESTING_H
#define GLASSBOX_NUMBERS_TESTING_H

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "reference/number/number.h"
#include "tests/testing.h"

static inline uint64_t next(uint64_t *state) { /* splitmix64 */
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

/* A double in (-8, 8), its exponent spread over 2^-20 .. 2^2. */
static inline double any(uint64_t *state) {
    uint64_t bits = next(state);
    double significand = 1 + (double)(bits >> 12) * 0x1p-52;
    return ldexp(bits & 1 ? significand : -significand, (int)(bits >> 1 & 0x3ff) % 23 - 20);
}

static inline bool same(double x, double y) { return isnan(x) ? isnan(y) : x == y && signbit(x) == signbit(y); }

static inline gla_numbers *opened(const char *name) {
    gla_numbers *n;
    gla_error err;
    ck_assert_msg(gla_numbers_open(name, &n, &err) == GLA_OK, "%s: %s", name, err.what);
    ck_assert_str_eq(n->name, name);
    ck_assert(n->status == GLA_OK && n->token == -1 && n->chunk == -1 && n->size > 0);
    return n;
}

/* ---- four numbers to work with: x y w, and z for results ---- */

struct four {
    gla_numbers *n;
    void *x, *y, *w, *z;
};

static inline void *number(gla_numbers *n, double value) {
    void *x = malloc(n->size);
    n->ops->init(n, x);
    n->ops->set_d(n, x, value);
    return x;
}

static inline void forget(gla_numbers *n, void *x) {
    n->ops->clear(n, x);
    free(x);
}

static inline struct four four(gla_numbers *n, double x, double y, double w) {
    return (struct four){n, number(n, x), number(n, y), number(n, w), number(n, 0)};
}

static inline void four_free(struct four f) {
    forget(f.n, f.x);
    forget(f.n, f.y);
    forget(f.n, f.w);
    forget(f.n, f.z);
}

/* Runs one operation with the result in z, and again with the result over each operand; all must agree. */
enum operation { ADD, SUB, MUL, FMA, NEG, EXP, DIV, MAX, ABOVE, SET, OPERATIONS, EXPM1, SIN, COS, LOG1P /* x > -1 */ };
static inline void apply(gla_numbers *n, enum operation op, void *z, const void *x, const void *y, const void *w) {
    switch (op) {
    case ADD:
        n->ops->add(n, z, x, y);
        break;
    case SUB:
        n->ops->sub(n, z, x, y);
        break;
    case MUL:
        n->ops->mul(n, z, x, y);
        break;
    case FMA:
        n->ops->fma(n, z, x, y, w);
        break;
    case NEG:
        n->ops->neg(n, z, x);
        break;
    case EXP:
        n->ops->exp(n, z, x);
        break;
    case DIV:
        n->ops->div(n, z, x, y);
        break;
    case MAX:
        n->ops->max(n, z, x, y);
        break;
    case ABOVE:
        n->ops->above(n, z, x, y);
        break;
    case LOG1P:
        n->ops->log1p(n, z, x);
        break;
    case EXPM1:
        n->ops->expm1(n, z, x);
        break;
    case SIN:
        n->ops->sin(n, z, x);
        break;
    case COS:
        n->ops->cos(n, z, x);
        break;
    case SET:
        n->ops->set(n, z, x);
        break;
    case OPERATIONS:
        break;
    }
}

static inline double result_of(gla_numbers *n, enum operation op, double x, double y, double w) {
    struct four f = four(n, x, y, w);
    apply(n, op, f.z, f.x, f.y, f.w);
    double z = n->ops->get_d(n, f.z);
    for (int over = 0; over < 3; over++) {
        struct four g = four(n, x, y, w);
        void *target = over == 0 ? g.x : over == 1 ? g.y : g.w;
        apply(n, op, target, g.x, g.y, g.w);
        double aliased = n->ops->get_d(n, target);
        if (!same(aliased, z)) ck_abort_msg("%s, operation %d, over operand %d", n->name, (int)op, over);
        four_free(g);
    }
    four_free(f);
    return z;
}

/* The larger as every system has it: +0 above -0, NaN if either is. */
static inline double larger_of(double x, double y) {
    if (isnan(x) || isnan(y)) return (double)NAN;
    return x > y || (x == y && !signbit(x)) ? x : y;
}

/* f(x) at p bits, to nearest, in MPFR's own range. */
static inline double function_at(int (*f)(mpfr_t, const mpfr_t, mpfr_rnd_t), mpfr_prec_t p, double x) {
    mpfr_t z, mx;
    mpfr_init2(z, p);
    mpfr_init2(mx, 53);
    mpfr_set_d(mx, x, MPFR_RNDN);
    f(z, mx, MPFR_RNDN);
    double d = mpfr_get_d(z, MPFR_RNDN);
    mpfr_clears(z, mx, (mpfr_ptr)NULL);
    return d;
}

static inline double exp_at(mpfr_prec_t p, double x) { return function_at(mpfr_exp, p, x); }
static inline double log1p_at(mpfr_prec_t p, double x) { return function_at(mpfr_log1p, p, x); }

#endif
