/* SPDX-License-Identifier: Apache-2.0
 *
 * binary64 and binary32 are the machine, bit for bit, specials too; exp is correctly rounded; dot and axpy are the fma
 * loop. The counter's numbers are binary64's.
 */
#include "reference/number/format.h"
#include "tests/reference/number/numbers_testing.h"

static double hardware64(enum operation op, double x, double y, double w) {
    switch (op) {
    case ADD:
        return x + y;
    case SUB:
        return x - y;
    case MUL:
        return x * y;
    case FMA:
        return fma(x, y, w);
    case NEG:
        return -x;
    case DIV:
        return x / y;
    case MAX:
        return larger_of(x, y);
    case ABOVE:
        return x > y;
    default:
        return x;
    }
}

static double hardware32(enum operation op, float x, float y, float w) {
    switch (op) {
    case ADD:
        return (double)(x + y);
    case SUB:
        return (double)(x - y);
    case MUL:
        return (double)(x * y);
    case FMA:
        return (double)fmaf(x, y, w);
    case NEG:
        return (double)-x;
    case DIV:
        return (double)(x / y);
    case MAX:
        return larger_of((double)x, (double)y);
    case ABOVE:
        return x > y;
    default:
        return (double)x;
    }
}

START_TEST(binary_is_the_machine) {
    gla_numbers *b64 = opened("binary64"), *b32 = opened("binary32"), *counter = opened("counter");
    const double special[] = {0.0, -0.0, INFINITY, -INFINITY, NAN, 0x1p-1074, 0x1p-149, 0x1p127, 0x1p1023};
    uint64_t state = test_seed();
    for (int trial = 0; trial < 3000; trial++) {
        double x = any(&state), y = any(&state), w = any(&state);
        if (trial % 5 == 0) x = special[next(&state) % 9];
        if (trial % 7 == 0) y = special[next(&state) % 9];
        if (trial % 11 == 0) w = special[next(&state) % 9];
        for (enum operation op = ADD; op < OPERATIONS; op++) {
            double want64 = op == EXP ? gla_round_exp(&gla_binary64_format, GLA_RN, x, 0) : hardware64(op, x, y, w);
            double want32 = op == EXP ? gla_round_exp(&gla_binary32_format, GLA_RN, (double)(float)x, 0)
                                      : hardware32(op, (float)x, (float)y, (float)w);
            if (!same(result_of(b64, op, x, y, w), want64) || !same(result_of(counter, op, x, y, w), want64) ||
                !same(result_of(b32, op, x, y, w), want32))
                ck_abort_msg("operation %d on %a %a %a", (int)op, x, y, w);
        }
        double small = any(&state);
        ck_assert(result_of(b64, EXP, small, 0, 0) == exp_at(53, small));
        ck_assert(result_of(b32, EXP, (double)(float)small, 0, 0) == exp_at(24, (double)(float)small));
        small = trial % 2 ? fabs(small) : -fabs(small) / 8;
        ck_assert(result_of(b64, LOG1P, small, 0, 0) == log1p_at(53, small));
        ck_assert(result_of(counter, LOG1P, small, 0, 0) == log1p_at(53, small));
        ck_assert(result_of(b32, LOG1P, (double)(float)small, 0, 0) == log1p_at(24, (double)(float)small));
    }
    ck_assert(result_of(b64, LOG1P, -1, 0, 0) == -INFINITY && result_of(b32, LOG1P, -1, 0, 0) == -INFINITY);
    ck_assert(isnan(result_of(b64, LOG1P, -2, 0, 0)) && result_of(b32, LOG1P, INFINITY, 0, 0) == INFINITY);
    ck_assert(same(result_of(b64, LOG1P, -0.0, 0, 0), -0.0));
    ck_assert(same(result_of(b64, EXP, -INFINITY, 0, 0), 0.0));
    ck_assert(same(result_of(b32, EXP, -INFINITY, 0, 0), 0.0));
    ck_assert(result_of(b32, SET, 1 + 0x1p-25, 0, 0) == 1); /* set_d rounds */
    gla_numbers_close(b64);
    gla_numbers_close(b32);
    gla_numbers_close(counter);
}
END_TEST

START_TEST(binary64_dot_and_axpy_are_the_fma_loop) {
    enum { N = 37 };
    gla_numbers *b64 = opened("binary64");
    uint64_t state = test_seed() + 1;
    for (int trial = 0; trial < 200; trial++) {
        double x[3 * N], y[2 * N], z[2 * N], sum = any(&state), looped = sum, a = any(&state);
        for (int i = 0; i < 3 * N; i++) x[i] = any(&state);
        for (int i = 0; i < 2 * N; i++) y[i] = z[i] = any(&state);
        for (int i = 0; i < N; i++) looped = fma(x[3 * i], y[2 * i], looped);
        b64->ops->dot(b64, &sum, x, 3 * sizeof *x, y, 2 * sizeof *y, N);
        ck_assert(same(sum, looped));
        b64->ops->axpy(b64, z, 2 * sizeof *z, &a, x, 3 * sizeof *x, N);
        for (int i = 0; i < 2 * N; i++)
            if (!same(z[i], i % 2 == 0 ? fma(a, x[3 * (i / 2)], y[i]) : y[i])) ck_abort_msg("axpy at %d", i);
    }
    gla_numbers_close(b64);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("binary");
    TCase *all = tcase_create("all");
    tcase_set_timeout(all, 60);
    tcase_add_test(all, binary_is_the_machine);
    tcase_add_test(all, binary64_dot_and_axpy_are_the_fma_loop);
    suite_add_tcase(s, all);
    return s;
}

int main(void) { return test_main(suite()); }
