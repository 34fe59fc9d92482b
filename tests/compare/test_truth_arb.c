/* SPDX-License-Identifier: Apache-2.0
 *
 * The oracle judged by a second, independent one: the forward recurrence in Arb's ball arithmetic (FLINT), written
 * here from the equations and sharing no code with the reference. Every certified value must be the rounding of both
 * ends of Arb's ball.
 */
#include <arb.h>
#include <math.h>
#include <string.h>

#include "../../compare/cases.h"
#include "../../compare/truth.h"
#include "../testing.h"

enum { BITS = 512 };

/* Both ends of the ball, rounded into f, must be `value` (any zero is zero). */
static bool rounds_to(const arb_t x, const gla_format *f, double value) {
    mpfr_t lo, hi;
    mpfr_init2(lo, 2 * BITS);
    mpfr_init2(hi, 2 * BITS);
    arb_get_interval_mpfr(lo, hi, x);
    bool same = gla_round_mpfr(f, GLA_RN, lo, 0) == value && gla_round_mpfr(f, GLA_RN, hi, 0) == value;
    mpfr_clear(lo);
    mpfr_clear(hi);
    return same;
}

/* A dense problem of B sequences and H heads, gk gv S0 optional; d runs over B, h over H. */
struct balls {
    const gla_generated *g;
    int64_t b, h;
    arb_ptr S; /* [dk,dv] */
};

static double at(const gla_tensor *x, int64_t H, int64_t a, int64_t b, int64_t h, int64_t i) {
    return x->at[a * x->stride[0] + b * x->stride[1] + h / (H / x->heads) * x->stride[2] + i * x->stride[3]];
}

static double state(const gla_problem *p, int64_t n, int64_t h, int64_t i, int64_t j) {
    const gla_tensor *x = &p->initial_state;
    return x->at[n * x->stride[0] + h / (p->H / x->heads) * x->stride[1] + i * x->stride[2] + j * x->stride[3]];
}

static void set_exp(arb_t z, const gla_tensor *g, int64_t H, int64_t b, int64_t t, int64_t h, int64_t i) {
    double x = g->at ? at(g, H, b, t, h, i) : 0;
    if (x == -INFINITY) {
        arb_zero(z);
        return;
    }
    arb_set_d(z, x);
    arb_exp(z, z, BITS);
}

static void step(struct balls *m, int64_t t) {
    const gla_problem *p = &m->g->problem;
    arb_t alpha, k, v;
    arb_ptr beta = _arb_vec_init(p->dv);
    arb_init(alpha);
    arb_init(k);
    arb_init(v);
    for (int64_t j = 0; j < p->dv; j++) set_exp(beta + j, &p->gv, p->H, m->b, t, m->h, j);
    for (int64_t i = 0; i < p->dk; i++) {
        set_exp(alpha, &p->gk, p->H, m->b, t, m->h, i);
        arb_set_d(k, at(&p->k, p->H, m->b, t, m->h, i));
        for (int64_t j = 0; j < p->dv; j++) {
            arb_ptr S = m->S + i * p->dv + j;
            arb_mul(S, S, alpha, BITS);
            arb_mul(S, S, beta + j, BITS);
            arb_set_d(v, at(&p->v, p->H, m->b, t, m->h, j));
            arb_addmul(S, k, v, BITS);
        }
    }
    _arb_vec_clear(beta, p->dv);
    arb_clear(alpha);
    arb_clear(k);
    arb_clear(v);
}

static void read_out(struct balls *m, int64_t t, int64_t j, arb_t o) {
    const gla_problem *p = &m->g->problem;
    arb_t q;
    arb_init(q);
    arb_zero(o);
    for (int64_t i = 0; i < p->dk; i++) {
        arb_set_d(q, at(&p->q, p->H, m->b, t, m->h, i));
        arb_addmul(o, q, m->S + i * p->dv + j, BITS);
    }
    arb_set_d(q, p->scale != 0 ? p->scale : 0x1p-2); /* dk = 16 */
    arb_mul(o, o, q, BITS);
    arb_clear(q);
}

static int64_t judge_slice(struct balls *m, const gla_truth *truth, const gla_format *f) {
    const gla_problem *p = &m->g->problem;
    int64_t count = 0;
    arb_t o;
    arb_init(o);
    for (int64_t i = 0; i < p->dk; i++)
        for (int64_t j = 0; j < p->dv; j++) arb_set_d(m->S + i * p->dv + j, state(p, m->b, m->h, i, j));
    for (int64_t t = 0; t < p->T; t++) {
        step(m, t);
        for (int64_t j = 0; j < p->dv; j++, count++) {
            int64_t index = ((m->b * p->T + t) * p->H + m->h) * p->dv + j;
            read_out(m, t, j, o);
            bool tie = strcmp(m->g->spec.family, "mask") == 0; /* and e^-3.4e37 decides it: beyond any cap */
            ck_assert(truth->tensor[GLA_O].certified[index] || tie);
            if (!truth->tensor[GLA_O].certified[index]) continue;
            ck_assert_msg(rounds_to(o, f, truth->tensor[GLA_O].value[index]), "%s o[%ld] = %a", m->g->name, (long)index,
                          truth->tensor[GLA_O].value[index]);
        }
    }
    for (int64_t i = 0; i < p->dk * p->dv; i++, count++) {
        int64_t index = (m->b * p->H + m->h) * p->dk * p->dv + i;
        ck_assert_msg(rounds_to(m->S + i, f, truth->tensor[GLA_FINAL_STATE].value[index]), "%s S[%ld]", m->g->name,
                      (long)index);
    }
    arb_clear(o);
    return count;
}

START_TEST(certified_values_lie_in_arbs_balls) {
    const gla_format *f[] = {&gla_binary64_format, &gla_binary32_format, &gla_bf16};
    int64_t count = 0;
    for (const gla_family *family = gla_families; family->name; family++) {
        if (family->varlen || !gla_family_fits(family, gla_mechanism_named("gla"))) continue;
        gla_case_spec spec = {.family = family->name,
                              .T = test_long() ? 200 : 20,
                              .H = 2,
                              .Hk = 1,
                              .dk = 16,
                              .dv = 5,
                              .gv = (family - gla_families) % 2,
                              .initial_state = true,
                              .seed = test_seed()};
        gla_generated g;
        gla_error err = {0};
        ck_assert_msg(gla_generate(&spec, &g, &err) == GLA_OK, "%s", err.what);
        struct balls m = {.g = &g, .S = _arb_vec_init(g.problem.dk * g.problem.dv)};
        for (int i = 0; i < 3; i++) {
            gla_truth_options o = {.target = f[i]};
            gla_truth truth;
            ck_assert_int_eq(gla_truth_compute(&g.problem, &o, &truth, NULL), GLA_OK);
            for (m.b = 0; m.b < g.problem.B; m.b++)
                for (m.h = 0; m.h < g.problem.H; m.h++) count += judge_slice(&m, &truth, f[i]);
            gla_truth_free(&truth);
        }
        _arb_vec_clear(m.S, g.problem.dk * g.problem.dv);
        gla_generated_free(&g);
    }
    printf("%lld values inside Arb's balls\n", (long long)count);
    ck_assert_int_gt(count, 1000);
    flint_cleanup();
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("truth against Arb");
    TCase *c = tcase_create("forward");
    tcase_set_timeout(c, test_long() ? 1200 : 60);
    tcase_add_test(c, certified_values_lie_in_arbs_balls);
    suite_add_tcase(s, c);
    return s;
}

int main(void) { return test_main(suite()); }
