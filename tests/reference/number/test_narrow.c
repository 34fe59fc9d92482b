/* SPDX-License-Identifier: Apache-2.0
 *
 * The narrow systems round every operation as format.h does (test_format*.c judge that), and draw from Philox.
 */
#include "reference/number/format.h"
#include "tests/reference/number/numbers_testing.h"

START_TEST(narrow_rounds_every_operation) {
    static const char *const names[] = {"bf16", "f16/rz", "tf32/ru", "e4m3/rd", "e5m2/ra", "format:6:-9:9/ro"};
    const gla_format formats[] = {gla_bf16, gla_f16, gla_tf32, gla_e4m3, gla_e5m2, gla_format_of(6, -9, 9)};
    static const gla_rounding roundings[] = {GLA_RN, GLA_RZ, GLA_RU, GLA_RD, GLA_RA, GLA_RO};
    uint64_t state = test_seed() + 7;
    for (size_t i = 0; i < 6; i++) {
        gla_numbers *n = opened(names[i]);
        const gla_format *f = &formats[i];
        gla_rounding r = roundings[i];
        for (int trial = 0; trial < 1000; trial++) {
            double x = gla_round(f, r, any(&state), 0), y = gla_round(f, r, any(&state), 0);
            double w = gla_round(f, r, any(&state), 0), raw = any(&state);
            ck_assert(same(result_of(n, ADD, x, y, w), gla_round_add(f, r, x, y, 0)));
            ck_assert(same(result_of(n, SUB, x, y, w), gla_round_add(f, r, x, -y, 0)));
            ck_assert(same(result_of(n, MUL, x, y, w), gla_round_mul(f, r, x, y, 0)));
            ck_assert(same(result_of(n, FMA, x, y, w), gla_round_fma(f, r, x, y, w, 0)));
            ck_assert(same(result_of(n, EXP, x, y, w), gla_round_exp(f, r, x, 0)));
            ck_assert(same(result_of(n, NEG, x, y, w), -x));
            ck_assert(same(result_of(n, DIV, x, y, w), gla_round_div(f, r, x, y, 0)));
            ck_assert(same(result_of(n, LOG1P, fabs(x), y, w), gla_round_log1p(f, r, fabs(x), 0)));
            ck_assert(same(result_of(n, MAX, x, y, w), larger_of(x, y)));
            ck_assert(same(result_of(n, ABOVE, x, y, w), x > y));
            ck_assert(same(result_of(n, SET, raw, y, w), gla_round(f, r, raw, 0)));
        }
        gla_numbers_close(n);
    }
}
END_TEST

/* Philox4x32-10 at counter 0, key 0 gives 6627e8d5 e169c58d bc57ac4c 9b00dbd8 (Random123's known answers); a tie goes
 * up iff the word is below 2^31. */
START_TEST(narrow_stochastic_draws_philox) {
    static const bool up[4] = {true, false, false, false};
    gla_numbers *n = opened("bf16/sr:0"), *again = opened("bf16/sr:0"), *other = opened("bf16/sr:4294967296");
    double x, differences = 0, ups = 0;
    for (int i = 0; i < 4; i++) {
        n->ops->set_d(n, &x, 1 + 0x1p-8);
        ck_assert(x == (up[i] ? 1 + 0x1p-7 : 1));
        again->ops->set_d(again, &x, 1 + 0x1p-8);
    }
    for (int i = 0; i < 4000; i++) {
        double y, z, one = 1, tie = 0x1p-8;
        n->ops->add(n, &x, &one, &tie);
        again->ops->add(again, &y, &one, &tie);
        other->ops->add(other, &z, &one, &tie);
        ck_assert(x == y);
        differences += x != z;
        ups += x != 1;
    }
    ck_assert(differences > 1800 && differences < 2200); /* six standard deviations, and the seed is fixed */
    ck_assert(ups > 1800 && ups < 2200);
    gla_numbers_close(n);
    gla_numbers_close(again);
    gla_numbers_close(other);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("narrow");
    TCase *all = tcase_create("all");
    tcase_set_timeout(all, 60);
    tcase_add_test(all, narrow_rounds_every_operation);
    tcase_add_test(all, narrow_stochastic_draws_philox);
    suite_add_tcase(s, all);
    return s;
}

int main(void) { return test_main(suite()); }
