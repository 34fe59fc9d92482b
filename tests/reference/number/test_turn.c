/* SPDX-License-Identifier: Apache-2.0
 *
 * sin and cos in every number system: one rounding of the exact value (mpfr:P, binary and narrow formats in every
 * rounding), an enclosure, a derivative, a count, an event, an error that covers what the argument's moves; exact at 0.
 */
#include "reference/number/error.h"
#include "reference/number/format.h"
#include "tests/reference/number/numbers_testing.h"

typedef struct turn {
    double sin, cos;
} turn;

static turn turn_in(gla_numbers *n, double x) {
    struct four f = four(n, x, x, x);
    n->ops->sin(n, f.z, f.x);
    n->ops->cos(n, f.w, f.x);
    turn t = {n->ops->get_d(n, f.z), n->ops->get_d(n, f.w)};
    n->ops->sin(n, f.x, f.x); /* over their own operands */
    n->ops->cos(n, f.y, f.y);
    ck_assert(same(t.sin, n->ops->get_d(n, f.x)) && same(t.cos, n->ops->get_d(n, f.y)));
    four_free(f);
    return t;
}

static const struct {
    const char *numbers, *format;
    gla_rounding rounding;
} rounded[] = {{"binary64", "binary64", GLA_RN}, {"counter", "binary64", GLA_RN}, {"binary32", "binary32", GLA_RN},
               {"bf16", "bf16", GLA_RN},         {"f16/rz", "f16", GLA_RZ},       {"tf32/ru", "tf32", GLA_RU},
               {"e5m2/rd", "e5m2", GLA_RD},      {"bf16/ro", "bf16", GLA_RO}};

START_TEST(round_once) {
    const gla_format *to = gla_format_named(rounded[_i].format);
    gla_numbers *n = opened(rounded[_i].numbers);
    uint64_t state = test_seed() + 13;
    MPFR_DECL_INIT(sine, 200);
    MPFR_DECL_INIT(cosine, 200);
    for (int trial = 0; trial < 500; trial++) {
        double scale = trial % 5 == 0 ? 1000 : 1, x = gla_round(to, GLA_RZ, scale * any(&state), 0);
        turn got = turn_in(n, x);
        mpfr_set_d(sine, x, MPFR_RNDN);
        mpfr_sin_cos(sine, cosine, sine, MPFR_RNDN);
        double s = gla_round_mpfr(to, rounded[_i].rounding, sine, 0);
        double c = gla_round_mpfr(to, rounded[_i].rounding, cosine, 0);
        ck_assert_msg(same(got.sin, s), "%s: sin(%a) = %a, not %a", n->name, x, got.sin, s);
        ck_assert_msg(same(got.cos, c), "%s: cos(%a) = %a, not %a", n->name, x, got.cos, c);
    }
    turn none = turn_in(n, -0.0), never = turn_in(n, (double)INFINITY);
    ck_assert(same(none.sin, -0.0) && none.cos == 1 && isnan(never.sin) && isnan(never.cos));
    gla_numbers_close(n);
}
END_TEST

/* Both ends, and no wider than an argument known exactly asks for. */
START_TEST(intervals_enclose) {
    gla_numbers *iv = opened("interval:60"), *mp = opened("mpfr:60");
    mpfr_t lo, hi, exact[2];
    mpfr_inits2(300, lo, hi, exact[0], exact[1], (mpfr_ptr)NULL);
    uint64_t state = test_seed() + 14;
    for (int trial = 0; trial < 300; trial++) {
        double x = 100 * any(&state);
        struct four f = four(iv, x, 0, 0), g = four(mp, x, 0, 0);
        mpfr_set_d(exact[0], x, MPFR_RNDN);
        mpfr_sin_cos(exact[0], exact[1], exact[0], MPFR_RNDN);
        for (int which = 0; which < 2; which++) {
            (which ? iv->ops->cos : iv->ops->sin)(iv, f.z, f.x);
            (which ? mp->ops->cos : mp->ops->sin)(mp, g.z, g.x);
            gla_interval_ends(iv, lo, hi, f.z);
            ck_assert(mpfr_cmp(lo, exact[which]) <= 0 && mpfr_cmp(hi, exact[which]) >= 0);
            mpfr_sub(hi, hi, lo, MPFR_RNDU);
            ck_assert(mpfr_cmp_d(hi, 0x1p-59) <= 0);
            mpfr_prec_round(exact[which], 60, MPFR_RNDN);
            mp->ops->get_mpfr(mp, lo, g.z);
            ck_assert(mpfr_equal_p(lo, exact[which]));
            mpfr_prec_round(exact[which], 300, MPFR_RNDN);
        }
        four_free(f);
        four_free(g);
    }
    mpfr_clears(lo, hi, exact[0], exact[1], (mpfr_ptr)NULL);
    gla_numbers_close(iv);
    gla_numbers_close(mp);
}
END_TEST

START_TEST(duals_derive) {
    gla_numbers *n = opened("dual:256");
    MPFR_DECL_INIT(slope, 300);
    MPFR_DECL_INIT(want, 300);
    uint64_t state = test_seed() + 15;
    for (int trial = 0; trial < 100; trial++) {
        double x = any(&state);
        struct four f = four(n, x, 0, 0);
        gla_dual_set_tangent(n, f.x, 3);
        n->ops->sin(n, f.z, f.x);
        n->ops->cos(n, f.w, f.x);
        gla_dual_get_tangent(n, slope, f.z); /* 3 cos x */
        n->ops->get_mpfr(n, want, f.w);
        mpfr_mul_d(want, want, 3, MPFR_RNDN);
        mpfr_sub(slope, slope, want, MPFR_RNDN);
        ck_assert(fabs(mpfr_get_d(slope, MPFR_RNDN)) <= 1e-75);
        gla_dual_get_tangent(n, slope, f.w); /* -3 sin x */
        n->ops->get_mpfr(n, want, f.z);
        mpfr_mul_d(want, want, -3, MPFR_RNDN);
        mpfr_sub(slope, slope, want, MPFR_RNDN);
        ck_assert(fabs(mpfr_get_d(slope, MPFR_RNDN)) <= 1e-75);
        four_free(f);
    }
    gla_numbers_close(n);
}
END_TEST

START_TEST(counted_and_remembered) {
    gla_numbers *n = opened("counter");
    turn_in(n, 2);
    ck_assert_uint_eq(gla_counter_read(n).exp, 4);
    gla_numbers_close(n);
    n = opened("recorder:binary64");
    struct four f = four(n, 0.5, 0, 0);
    n->ops->sin(n, f.z, f.x);
    n->ops->cos(n, f.w, f.x);
    struct gla_trace t = gla_recorder_trace(n);
    const struct gla_event *sine = &t.events[t.count - 2], *cosine = &t.events[t.count - 1];
    ck_assert(strcmp(sine->op, "sin") == 0 && strcmp(cosine->op, "cos") == 0 && sine->x == 0.5 && cosine->x == 0.5);
    ck_assert(fabs(sine->result - sin(0.5)) <= 0x1p-53 && fabs(cosine->result - cos(0.5)) <= 0x1p-53);
    four_free(f);
    gla_numbers_close(n);
}
END_TEST

/* An argument that may be off by as much as its bound: so is the value, and the bound covers it. */
START_TEST(errors_are_covered) {
    const gla_rounding_rule narrow = gla_rounding_into(&gla_bf16, false);
    const gla_error_model model = {.op = narrow, .exp = narrow};
    gla_numbers *n = gla_error_open(&model), *b = opened("bf16");
    uint64_t state = test_seed() + 16;
    for (int trial = 0; trial < 1000; trial++) {
        double x = any(&state), y = any(&state);
        struct four f = four(n, gla_round(&gla_bf16, GLA_RN, x, 0), gla_round(&gla_bf16, GLA_RN, y, 0), 0);
        struct four g = four(b, x, y, 0);
        n->ops->mul(n, f.z, f.x, f.y);
        b->ops->mul(b, g.z, g.x, g.y);
        for (int which = 0; which < 2; which++) {
            (which ? n->ops->cos : n->ops->sin)(n, f.w, f.z);
            (which ? b->ops->cos : b->ops->sin)(b, g.w, g.z);
            double product = n->ops->get_d(n, f.x) * n->ops->get_d(n, f.y);
            double off = b->ops->get_d(b, g.w) - (which ? cos(product) : sin(product));
            double bound = gla_error_bound(f.w, GLA_ERROR_LAMBDA);
            ck_assert_msg(fabs(off) <= bound, "%s(%g): off by %g, bound %g", which ? "cos" : "sin", product, off,
                          bound);
            ck_assert_msg(bound <= 0.02 * (1 + fabs(product)), "of %g: bound %g", product, bound);
        }
        four_free(f);
        four_free(g);
    }
    struct four zero = four(n, 0, 0, 0);
    n->ops->cos(n, zero.z, zero.x);
    ck_assert(n->ops->get_d(n, zero.z) == 1 && gla_error_bound(zero.z, GLA_ERROR_LAMBDA) == 0);
    n->ops->sin(n, zero.z, zero.x);
    ck_assert(n->ops->get_d(n, zero.z) == 0 && gla_error_bound(zero.z, GLA_ERROR_LAMBDA) == 0);
    four_free(zero);
    gla_numbers_close(n);
    gla_numbers_close(b);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("sin and cos");
    TCase *c = tcase_create("turn");
    tcase_set_timeout(c, 20);
    tcase_add_loop_test(c, round_once, 0, sizeof rounded / sizeof *rounded);
    tcase_add_test(c, intervals_enclose);
    tcase_add_test(c, duals_derive);
    tcase_add_test(c, counted_and_remembered);
    tcase_add_test(c, errors_are_covered);
    suite_add_tcase(s, c);
    return s;
}

int main(void) { return test_main(suite()); }
