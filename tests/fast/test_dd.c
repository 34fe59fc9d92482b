/* SPDX-License-Identifier: Apache-2.0
 *
 * The double-double engine: every stated bound against MPFR. Operations and e^g on random and extreme arguments, the
 * recurrence and its gradients on random shapes and gates, with resets, zeros, growth and underflow.
 */
#include <math.h>
#include <string.h>

#include "../../fast/cpu/dd_exp.h"
#include "../../fast/cpu/doubledouble.h"
#include "../../fast/cpu/gated_dd.h"
#include "../../fast/cpu/threads.h"
#include "../../reference/glassbox.h"
#include "../testing.h"

/* ---- a small generator; only these tests depend on its stream ---- */

static uint64_t state;

static uint64_t draw(void) {
    uint64_t z = (state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}
static double uniform(void) { return (double)(draw() >> 11) * 0x1p-53; }
static int64_t below(int64_t n) { return (int64_t)(draw() % (uint64_t)n); }
static double signed_unit(void) { return 2 * uniform() - 1; }
/* All 53 bits, exponent within +-range. */
static double wide(int range) {
    double x = signed_unit();
    return ldexp(x, (int)below(2 * range + 1) - range);
}

static void begin(void) { state = test_seed() * 1000003; }

/* |hi + lo - exact| <= limit. */
static bool within(double hi, double lo, const mpfr_t exact, double limit) {
    MPFR_DECL_INIT(e, 2400);
    mpfr_sub_d(e, exact, hi, MPFR_RNDN);
    mpfr_sub_d(e, e, lo, MPFR_RNDN);
    return mpfr_cmpabs(e, exact) == 0 ? fabs(hi) + fabs(lo) == 0 && mpfr_cmp_d(exact, limit) <= 0
                                      : (mpfr_abs(e, e, MPFR_RNDN), mpfr_cmp_d(e, limit) <= 0);
}

/* ---- operations ---- */

static dd wide_pair(double a) {
    double hi = wide(60);
    return (dd){hi, hi * 0x1p-53 * a * signed_unit()};
}

static void set_pair(mpfr_t z, dd x) {
    mpfr_set_d(z, x.hi, MPFR_RNDN);
    mpfr_add_d(z, z, x.lo, MPFR_RNDN);
}

START_TEST(two_sum_and_two_product_are_exact) {
    begin();
    for (int n = 0; n < 100000; n++) {
        double x = wide(60), y = wide(60);
        MPFR_DECL_INIT(z, 2400);
        mpfr_set_d(z, x, MPFR_RNDN);
        mpfr_add_d(z, z, y, MPFR_RNDN);
        dd s = dd_two_sum(x, y), p = dd_two_product(x, y);
        ck_assert(within(s.hi, s.lo, z, 0));
        mpfr_set_d(z, x, MPFR_RNDN);
        mpfr_mul_d(z, z, y, MPFR_RNDN);
        ck_assert(within(p.hi, p.lo, z, 0));
    }
}
END_TEST

START_TEST(products_and_sums_of_pairs_keep_their_bounds) {
    begin();
    const double a = 3, b = 3, u2 = 0x1p-106, slack = 1 + 0x1p-40;
    for (int n = 0; n < 100000; n++) {
        dd x = wide_pair(a), y = wide_pair(b);
        if (n % 3 == 0) y = (dd){-x.hi * (1 + 0x1p-52 * (double)below(3)), 0.5 * x.lo}; /* cancels */
        MPFR_DECL_INIT(X, 2400);
        MPFR_DECL_INIT(Y, 2400);
        MPFR_DECL_INIT(Z, 2400);
        set_pair(X, x);
        set_pair(Y, y);
        mpfr_mul(Z, X, Y, MPFR_RNDN);
        double xy = fabs(x.hi * y.hi);
        dd p = dd_times(x, y);
        ck_assert(within(p.hi, p.lo, Z, (1 + b + 1 + a + b + a * b) * u2 * xy * slack));
        mpfr_add(Z, X, Y, MPFR_RNDN);
        double A = fabs(x.hi) + fabs(y.hi), c = a + b;
        dd s = dd_sum(x, y);
        ck_assert(within(s.hi, s.lo, Z, (c + 2.01 * (c + 1)) * u2 * A * slack));
        ck_assert(fabs(s.lo) <= (1 + 0x1p-20) * 0x1p-53 * A);
    }
}
END_TEST

/* ---- e^g ---- */

static double exp_worst; /* of |pair / e^g - 1|, in units of u^2 */

static void check_exp(double g) {
    double hi, lo, companion;
    MPFR_DECL_INIT(e, 400);
    dd_exp(1, &g, &hi, &lo, &companion);
    mpfr_set_d(e, g, MPFR_RNDN);
    mpfr_exp(e, e, MPFR_RNDN);
    ck_assert_msg(fabs(hi) <= companion && fabs(lo) <= 0x1p-53 * fabs(hi), "g = %a", g);
    MPFR_DECL_INIT(d, 400);
    mpfr_sub_d(d, e, hi, MPFR_RNDN);
    mpfr_sub_d(d, d, lo, MPFR_RNDN);
    mpfr_abs(d, d, MPFR_RNDU);
    mpfr_div_d(d, d, companion, MPFR_RNDU);
    mpfr_mul_2ui(d, d, 106, MPFR_RNDU);
    double units = mpfr_get_d(d, MPFR_RNDU);
    ck_assert_msg(units <= 8, "g = %a: off by %g u^2", g, units);
    if (g >= -624 && units > exp_worst) exp_worst = units;
}

START_TEST(exp_is_right_to_8_units) {
    begin();
    exp_worst = 0;
    for (int n = 0; n < 60000; n++) {
        check_exp(-8 * uniform());
        check_exp(693 * signed_unit());
        check_exp(-fabs(wide(60)) * 0x1p-60);
        check_exp(((double)below(200000) - 180000 + 0.5) * 0x1.62e42fefa39efp-9); /* r at its largest */
    }
    check_exp(-624);
    check_exp(nextafter(-624, -700));
    check_exp(693);
    check_exp(-744.5);
    check_exp(-1e300);
    check_exp(-0x1p-1074);
    check_exp(0x1p-1074);
    printf("worst error of e^g: %.2f u^2\n", exp_worst);
}
END_TEST

START_TEST(exp_special_values) {
    double g[5] = {0, -INFINITY, 1e4, NAN, -0.0}, hi[5], lo[5], m[5];
    dd_exp(5, g, hi, lo, m);
    ck_assert(hi[0] == 1 && lo[0] == 0 && m[0] == 1);
    ck_assert(hi[1] == 0 && lo[1] == 0 && m[1] == 0);
    ck_assert(isnan(hi[2]) && isnan(m[2]) && isnan(hi[3]) && isnan(m[3]));
    ck_assert(hi[4] == 1 && lo[4] == 0);
}
END_TEST

/* ---- the engine ---- */

enum { ENGINE_INPUTS = GLA_IN_DFINAL_STATE + 1, ENGINE_OUTPUTS = GLA_DINITIAL_STATE + 1 };

struct trial {
    gla_problem p;
    double *owned[128];
    int count;
};

static double *room(struct trial *x, int64_t count) {
    double *at = calloc((size_t)count, sizeof *at);
    ck_assert_ptr_nonnull(at);
    return x->owned[x->count++] = at;
}

static void free_trial(struct trial *x) {
    while (x->count > 0) free(x->owned[--x->count]);
}

/* How the numbers of a trial are drawn. */
enum kind { ORDINARY, RESETS, TINY_PRODUCTS, GROWTH, DYADIC, DEEP_DECAY, KINDS };

static double value_of(enum kind kind) {
    if (below(16) == 0) return 0;
    if (kind == TINY_PRODUCTS) return wide(200) * 0x1p-500;
    if (kind == DYADIC) return (double)(below(17) - 8);
    return (double)(float)wide(3);
}

static double gate_of(enum kind kind) {
    if (kind == DYADIC) return below(4) ? 0 : -INFINITY;
    if (kind == RESETS && below(4) == 0) return -INFINITY;
    if (kind == GROWTH) return 3 * signed_unit();
    if (kind == DEEP_DECAY) return -fabs(wide(10));
    return below(8) ? -uniform() : 0;
}

static void fill(struct trial *x, gla_input name, enum kind kind) {
    int64_t shape[4], count;
    gla_input_shape(&x->p, name, shape);
    count = shape[0] * shape[1] * x->p.H * shape[3];
    if (name == GLA_IN_INITIAL_STATE || name == GLA_IN_DFINAL_STATE) count = x->p.N * x->p.H * x->p.dk * x->p.dv;
    double *at = room(x, count);
    bool gate = name == GLA_IN_GK || name == GLA_IN_GV;
    for (int64_t i = 0; i < count; i++) at[i] = gate ? gate_of(kind) : value_of(kind);
    bool of_state = name == GLA_IN_INITIAL_STATE || name == GLA_IN_DFINAL_STATE;
    if (of_state)
        gla_tensor_dense(gla_problem_input(&x->p, name), at, 0, 1, x->p.dk, x->p.dv);
    else
        gla_tensor_dense(gla_problem_input(&x->p, name), at, x->p.T, 1, 1, shape[3]);
}

static struct trial new_trial(enum kind kind, int64_t T, int64_t dk, int64_t dv, unsigned absent) {
    struct trial x = {.p = {.B = 1, .T = T, .H = 1, .N = 1, .dk = dk, .dv = dv, .scale = kind == DYADIC ? 0.5 : 0.37}};
    for (int i = 0; i < ENGINE_INPUTS; i++)
        if (i <= GLA_IN_V || !(absent >> i & 1)) fill(&x, (gla_input)i, kind);
    return x;
}

static gated_dd engine_over(struct trial *x, bool backward) {
    const gla_problem *p = &x->p;
    gated_dd e = {.T = (size_t)p->T,
                  .dk = (size_t)p->dk,
                  .dv = (size_t)p->dv,
                  .scale = p->scale,
                  .q = p->q.at,
                  .k = p->k.at,
                  .v = p->v.at,
                  .gk = p->gk.at,
                  .gv = p->gv.at,
                  .S0 = p->initial_state.at,
                  .d_o = p->d_o.at,
                  .dST = p->d_final_state.at};
    gated_dd_output *out[ENGINE_OUTPUTS] = {&e.o, &e.ST, &e.dq, &e.dk_, &e.dv_, &e.dgk, &e.dgv, &e.dS0};
    for (int i = 0; i < (backward ? ENGINE_OUTPUTS : 2); i++) {
        int64_t n = p->T * (p->dk + p->dv) + p->dk * p->dv;
        if ((i == GLA_DGK && !p->gk.at) || (i == GLA_DGV && !p->gv.at)) continue;
        *out[i] = (gated_dd_output){room(x, n), room(x, n), room(x, n), room(x, n)};
    }
    return e;
}

static double bound_used, bound_relative; /* worst |error| / E; worst E / M */
static int64_t exact_zeros;

static void check_output(const gla_result *r, gla_output name, const gated_dd_output *x, enum kind kind) {
    MPFR_DECL_INIT(z, 400);
    for (int64_t i = 0; i < r->tensor[name].count; i++) {
        double hi = x->hi[i], lo = x->lo[i], E = x->bound[i], M = x->magnitude[i];
        r->numbers->ops->get_mpfr(r->numbers, z, gla_result_at(r, name, i));
        mpfr_sub_d(z, z, hi, MPFR_RNDN);
        mpfr_sub_d(z, z, lo, MPFR_RNDN);
        mpfr_abs(z, z, MPFR_RNDN);
        ck_assert_msg(mpfr_cmp_d(z, E) <= 0, "%s[%ld]: %a + %a, bound %a, kind %d", gla_output_names[name], (long)i, hi,
                      lo, E, kind);
        ck_assert(E == 0 || isfinite(E));
        ck_assert_msg(E <= 0x1p-85 * M + 0x1p-1070, "absurd bound %a for magnitude %a", E, M);
        exact_zeros += E == 0;
        if (E > 0 && mpfr_get_d(z, MPFR_RNDU) / E > bound_used) bound_used = mpfr_get_d(z, MPFR_RNDU) / E;
        if (M > 0x1p-400 && E / M > bound_relative) bound_relative = E / M;
    }
}

static void check_trial(struct trial *x, enum kind kind, bool backward) {
    gated_dd e = engine_over(x, backward);
    ck_assert_int_eq(gated_dd_run(&e, backward, 1 + (int)below(3)), GLA_OK);
    gla_numbers *n;
    gla_result r;
    gla_form form = {.kind = GLA_RECURRENT, .backward = backward};
    ck_assert_int_eq(gla_numbers_open("mpfr:400", &n, NULL), GLA_OK);
    ck_assert_int_eq(gla_run(&x->p, &form, n, &r, NULL), GLA_OK);
    const gated_dd_output *out[ENGINE_OUTPUTS] = {&e.o, &e.ST, &e.dq, &e.dk_, &e.dv_, &e.dgk, &e.dgv, &e.dS0};
    for (int i = 0; i < ENGINE_OUTPUTS; i++)
        if (r.tensor[i].at) check_output(&r, (gla_output)i, out[i], kind);
    gla_result_free(&r);
    gla_numbers_close(n);
}

START_TEST(engine_keeps_its_bound) {
    begin();
    bound_used = bound_relative = 0;
    exact_zeros = 0;
    int trials = test_long() ? 3000 : 180;
    for (int n = 0; n < trials; n++) {
        enum kind kind = (enum kind)(n % KINDS);
        int64_t T = 1 + below(24), dk = 1 + below(19), dv = 1 + below(19);
        unsigned some = (unsigned)draw(), quarter = some & (unsigned)draw();
        struct trial x = new_trial(kind, T, dk, dv, quarter);
        check_trial(&x, kind, n % 4 != 0);
        free_trial(&x);
    }
    printf("worst |error|/E %.3g, worst E/M 2^%.1f, %lld exact zeros\n", bound_used, log2(bound_relative),
           (long long)exact_zeros);
    ck_assert(exact_zeros > 0);
    ck_assert(bound_used > 1e-4); /* the bound is a bound, not a wish */
}
END_TEST

START_TEST(engine_keeps_its_bound_over_long_sequences) {
    begin();
    for (int n = 0; n < 2; n++) {
        struct trial x = new_trial(n ? RESETS : ORDINARY, 2500, 3, 2, 0);
        check_trial(&x, ORDINARY, true);
        free_trial(&x);
    }
}
END_TEST

START_TEST(engine_does_not_depend_on_threads) {
    begin();
    struct trial x = new_trial(ORDINARY, 33, 21, 37, 0);
    gated_dd one = engine_over(&x, true), many = engine_over(&x, true);
    ck_assert_int_eq(gated_dd_run(&one, 1, 1), GLA_OK);
    ck_assert_int_eq(gated_dd_run(&many, 1, 7), GLA_OK);
    const gated_dd_output *a[] = {&one.o, &one.dq, &one.dk_, &one.dv_, &one.dgk, &one.dgv, &one.dS0},
                          *b[] = {&many.o, &many.dq, &many.dk_, &many.dv_, &many.dgk, &many.dgv, &many.dS0};
    size_t n = 33 * (21 + 37) + 21 * 37;
    for (size_t i = 0; i < sizeof a / sizeof *a; i++)
        ck_assert(memcmp(a[i]->hi, b[i]->hi, n * 8) == 0 && memcmp(a[i]->lo, b[i]->lo, n * 8) == 0 &&
                  memcmp(a[i]->bound, b[i]->bound, n * 8) == 0);
    free_trial(&x);
}
END_TEST

/* Overflow on the way, even if decayed afterwards, leaves no finite bound. */
START_TEST(engine_knows_nothing_after_overflow) {
    double q[2] = {1, 1}, k[2] = {0x1p600, 1}, v[2] = {0x1p600, 1}, g[2] = {0, -INFINITY}, o[8], S[4];
    gated_dd x = {.T = 2, .dk = 1, .dv = 1, .scale = 1, .q = q, .k = k, .v = v, .gk = g};
    x.o = (gated_dd_output){o, o + 2, o + 4, o + 6};
    x.ST = (gated_dd_output){S, S + 1, S + 2, S + 3};
    ck_assert_int_eq(gated_dd_run(&x, 0, 1), GLA_OK);
    ck_assert(isinf(o[6]) && isinf(o[7]) && isinf(S[3]));
    k[0] = v[0] = 1;
    g[1] = 800; /* e^800 */
    ck_assert_int_eq(gated_dd_run(&x, 0, 1), GLA_OK);
    ck_assert(o[6] < 1e-25 && isinf(o[7]) && isinf(S[3]));
    g[1] = NAN;
    ck_assert_int_eq(gated_dd_run(&x, 0, 1), GLA_OK);
    ck_assert(isinf(o[7]) && isinf(S[3]));
}
END_TEST

static void count_up(void *data, size_t i) { ((int *)data)[i]++; }

START_TEST(every_iteration_runs_once) {
    static int seen[1000];
    for (int threads = 1; threads < 100; threads *= 3) gla_parallel(1000, threads, count_up, seen, NULL);
    for (int i = 0; i < 1000; i++) ck_assert_int_eq(seen[i], 5);
    gla_parallel(0, 4, count_up, seen, NULL);
    ck_assert_int_ge(gla_processors(), 1);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("double-double");
    TCase *numbers = tcase_create("numbers"), *engine = tcase_create("engine");
    tcase_set_timeout(numbers, 60);
    tcase_set_timeout(engine, test_long() ? 1200 : 60);
    tcase_add_test(numbers, two_sum_and_two_product_are_exact);
    tcase_add_test(numbers, products_and_sums_of_pairs_keep_their_bounds);
    tcase_add_test(numbers, exp_is_right_to_8_units);
    tcase_add_test(numbers, exp_special_values);
    tcase_add_test(engine, engine_keeps_its_bound);
    tcase_add_test(engine, engine_keeps_its_bound_over_long_sequences);
    tcase_add_test(engine, engine_does_not_depend_on_threads);
    tcase_add_test(engine, engine_knows_nothing_after_overflow);
    tcase_add_test(engine, every_iteration_runs_once);
    suite_add_tcase(s, numbers);
    suite_add_tcase(s, engine);
    return s;
}

int main(void) { return test_main(suite()); }
