/* SPDX-License-Identifier: Apache-2.0
 *
 * Sums, products, fma, quotients, exp and log1p rounded into a format, against MPFR in two ways of its own:
 *   - emulation: the operation at p bits in the exponent range of the format, then mpfr_subnormalize (the four IEEE
 *     directions);
 *   - exactly: the exact result (fma of doubles fits in 4400 bits), scaled so that the last place is 1, its integer
 * part by mpfr_trunc and the decision from the exact fraction (all roundings, stochastic too). And the binary32 and
 * binary64 formats against the machine, in its four directions.
 */
#include "tests/testing.h"

#include <fenv.h>
#include <float.h>
#include <math.h>
#include <string.h>

#include "reference/number/format.h"

enum { EXACT_BITS = 4400, EXP_BITS = 1400 };

static uint64_t next(uint64_t *state) { /* splitmix64 */
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static bool same(double x, double y) { return isnan(x) ? isnan(y) : x == y && signbit(x) == signbit(y); }

static double double_of(uint64_t word) {
    double x;
    memcpy(&x, &word, sizeof x);
    return x;
}

/* The formats of the suites: the named ones and some with odd corners (p = 1, p = 53 subnormals, one exponent). */
enum { FORMATS = 12 };
static gla_format format_number(int i) {
    const gla_format named[] = {gla_bf16,           gla_f16, gla_tf32, gla_e4m3, gla_e5m2, gla_binary32_format,
                                gla_binary64_format};
    static const int made[][3] = {{1, -3, 3}, {2, 0, 2}, {53, -40, 40}, {4, -1022, 1023}, {30, -1, -1}};
    return i < 7 ? named[i] : gla_format_of(made[i - 7][0], made[i - 7][1], made[i - 7][2]);
}

/* A value of the format, often near an edge of it: few bits, equal exponents, subnormals, zeros, specials. */
static double operand(const gla_format *f, uint64_t *state) {
    uint64_t kind = next(state) % 16, bits = next(state);
    int low = f->emin - f->p + 1;
    double sign = bits >> 63 ? -1 : 1, significand = 1 + ldexp((double)(bits << 1 >> 12), -52);
    if (kind == 0) return sign * 0.0;
    if (kind == 1) return bits % 8 == 0 ? (double)NAN : bits % 4 == 0 ? sign * (double)INFINITY : sign * f->max;
    if (kind < 4) return sign * ldexp((double)(bits % 8), low);
    if (kind < 7) significand = 1 + (double)(bits % 16) / 16;
    int exponent = kind < 10   ? (f->emin + f->emax) / 2 + (int)(bits % 5) - 2
                   : kind < 12 ? f->emin + (int)(bits % 4)
                               : low + (int)(bits % (uint64_t)(f->emax - low + 1));
    return gla_round(f, GLA_RZ, sign * ldexp(significand, exponent), 0);
}

/* One of the two values below 2, moved to the middle of the exponent range. */
static double almost_two(const gla_format *f, uint64_t *state) {
    double below = ldexp(1 + (double)(next(state) % 2), 1 - f->p);
    return ldexp(2 - below, (f->emin + f->emax) / 2);
}

/* The power of two next beyond -x*y, brought into the format: a sum that cancels to the product's last bits. */
static double power_beyond(const gla_format *f, double x, double y) {
    int ex, ey;
    if (!isfinite(x * y) || x * y == 0) return 0;
    double product = frexp(x, &ex) * frexp(y, &ey); /* 1/4 <= |product| < 1 */
    double power = ldexp(fabs(product) < 0.5 ? 0.5 : 1, ex + ey);
    return gla_round(f, GLA_RZ, product < 0 ? power : -power, 0);
}

/* ---- the two slow ways ---- */

static double past_largest(const gla_format *f, gla_rounding r, bool negative) {
    bool inward = r == GLA_RZ || r == GLA_RO || (r == GLA_RU && negative) || (r == GLA_RD && !negative);
    double z = inward ? f->max : f->overflow == GLA_OVERFLOW_NAN ? (double)NAN : (double)INFINITY;
    return negative ? -z : z;
}

static double special(const gla_format *f, const mpfr_t x) {
    double z = mpfr_get_d(x, MPFR_RNDN);
    return isinf(z) && !f->infinities ? (double)NAN : z;
}

static double exactly(const gla_format *f, gla_rounding r, const mpfr_t x, uint32_t random) {
    if (!mpfr_number_p(x) || mpfr_zero_p(x)) return special(f, x);
    bool negative = mpfr_signbit(x);
    long exponent = mpfr_get_exp(x) - 1;
    if (exponent > f->emax) return past_largest(f, r, negative);
    long last = (exponent > f->emin ? exponent : f->emin) - f->p + 1;
    mpfr_t scaled, whole, fraction, threshold;
    mpfr_inits2(EXACT_BITS, scaled, whole, fraction, threshold, (mpfr_ptr)NULL);
    mpfr_abs(scaled, x, MPFR_RNDN);
    mpfr_mul_2si(scaled, scaled, -last, MPFR_RNDN);
    mpfr_trunc(whole, scaled);
    mpfr_sub(fraction, scaled, whole, MPFR_RNDN);
    mpfr_mul_2ui(threshold, fraction, 32, MPFR_RNDN);
    mpfr_trunc(threshold, threshold);
    int half = mpfr_cmp_d(fraction, 0.5);
    bool odd = fmod(mpfr_get_d(whole, MPFR_RNDN), 2) == 1, inexact = !mpfr_zero_p(fraction);
    bool up = (r == GLA_RN && (half > 0 || (half == 0 && odd))) || (r == GLA_RA && half >= 0) ||
              (r == GLA_RU && inexact && !negative) || (r == GLA_RD && inexact && negative) ||
              (r == GLA_RO && inexact && !odd) || (r == GLA_SR && mpfr_cmp_ui(threshold, (unsigned long)random) > 0);
    double z = ldexp(mpfr_get_d(whole, MPFR_RNDN) + up, (int)last);
    mpfr_clears(scaled, whole, fraction, threshold, (mpfr_ptr)NULL);
    if (z > f->max) return past_largest(f, r, negative);
    return negative ? -z : z;
}

/* e^x or x*y + w at p bits in the format's exponent range. */
static double emulated(const gla_format *f, gla_rounding r, bool exponential, double x, double y, double w) {
    mpfr_rnd_t direction = r == GLA_RN ? MPFR_RNDN : r == GLA_RZ ? MPFR_RNDZ : r == GLA_RU ? MPFR_RNDU : MPFR_RNDD;
    mpfr_exp_t emin = mpfr_get_emin(), emax = mpfr_get_emax();
    mpfr_t z, mx, my, mw;
    mpfr_init2(z, f->p);
    mpfr_inits2(53, mx, my, mw, (mpfr_ptr)NULL);
    mpfr_set_d(mx, x, MPFR_RNDN);
    mpfr_set_d(my, y, MPFR_RNDN);
    mpfr_set_d(mw, w, MPFR_RNDN);
    mpfr_set_emin(f->emin - f->p + 2);
    mpfr_set_emax(f->emax + 1);
    mpfr_clear_overflow();
    int ternary = exponential ? mpfr_exp(z, mx, direction) : mpfr_fma(z, mx, my, mw, direction);
    mpfr_subnormalize(z, ternary, direction);
    bool exact_infinity = mpfr_inf_p(z) && !mpfr_overflow_p();
    mpfr_set_emin(emin);
    mpfr_set_emax(emax);
    bool overflow = mpfr_number_p(z) ? mpfr_cmpabs_ui(z, 0) && fabs(mpfr_get_d(z, MPFR_RNDN)) > f->max : false;
    double got = overflow || (mpfr_inf_p(z) && !exact_infinity) ? past_largest(f, r, mpfr_signbit(z)) : special(f, z);
    mpfr_clears(z, mx, my, mw, (mpfr_ptr)NULL);
    return got;
}

/* ---- suites ---- */

START_TEST(sums_and_products_of_a_format) {
    gla_format f = format_number(_i);
    uint64_t state = test_seed() + (uint64_t)_i;
    mpfr_t exact, mx, my, mw;
    mpfr_inits2(EXACT_BITS, exact, mx, my, mw, (mpfr_ptr)NULL);
    for (int trial = 0; trial < (test_long() ? 1000000 : 12000); trial++) {
        double x = operand(&f, &state), y = operand(&f, &state), w = operand(&f, &state);
        if (trial % 4 == 0) w = gla_round_mul(&f, GLA_RN, -x, y, 0); /* cancel what can be */
        if (trial % 8 == 3) {
            x = almost_two(&f, &state);
            y = almost_two(&f, &state);
            w = power_beyond(&f, x, y);
        }
        int operation = trial % 3; /* fma, x + w, x * y */
        if (operation == 1) y = 1;
        if (operation == 2) w = signbit(x) != signbit(y) ? -0.0 : 0.0;
        mpfr_set_d(mx, x, MPFR_RNDN);
        mpfr_set_d(my, y, MPFR_RNDN);
        mpfr_set_d(mw, w, MPFR_RNDN);
        for (int r = 0; r < GLA_ROUNDINGS; r++) {
            gla_rounding mode = (gla_rounding)r;
            uint32_t random = (uint32_t)next(&state);
            mpfr_fma(exact, mx, my, mw, mode == GLA_RD ? MPFR_RNDD : MPFR_RNDN); /* sign of 0 only */
            double want = exactly(&f, mode, exact, random);
            double got = operation == 0   ? gla_round_fma(&f, mode, x, y, w, random)
                         : operation == 1 ? gla_round_add(&f, mode, x, w, random)
                                          : gla_round_mul(&f, mode, x, y, random);
            bool agree = same(want, got) && (r > GLA_RD || same(want, emulated(&f, mode, false, x, y, w)));
            if (!agree)
                ck_abort_msg("%s p %d, rounding %d, trial %d: %a * %a + %a gives %a, want %a", f.name, f.p, r, trial, x,
                             y, w, got, want);
        }
    }
    mpfr_clears(exact, mx, my, mw, (mpfr_ptr)NULL);
}
END_TEST

START_TEST(exponentials_of_a_format) {
    gla_format f = format_number(_i);
    uint64_t state = test_seed() + 100 + (uint64_t)_i;
    double edges[] = {0.0, -0.0, INFINITY, -INFINITY, NAN, 0x1p-1074, -0x1p-1074, DBL_MAX, -DBL_MAX, -745.2, 709.9};
    size_t count = sizeof edges / sizeof *edges;
    mpfr_t exact;
    mpfr_init2(exact, EXP_BITS);
    for (size_t trial = 0; trial < count + (test_long() ? 100000 : 1000); trial++) {
        double range = trial % 3 == 0 ? 1 : trial % 3 == 1 ? 20 : 0.8 * (f.emax - f.emin + f.p);
        double x = trial < count ? edges[trial] : range * ((double)(next(&state) >> 11) * 0x1p-52 - 1);
        if (trial > count && trial % 5 == 0) x = operand(&f, &state);
        mpfr_set_d(exact, x, MPFR_RNDN);
        mpfr_exp(exact, exact, MPFR_RNDN);
        for (int r = 0; r < GLA_ROUNDINGS; r++) {
            gla_rounding mode = (gla_rounding)r;
            uint32_t random = (uint32_t)next(&state);
            double got = gla_round_exp(&f, mode, x, random);
            if (r <= GLA_RD && !same(got, emulated(&f, mode, true, x, 0, 0)))
                ck_abort_msg("%s p %d, rounding %d: exp(%a) gives %a", f.name, f.p, r, x, got);
            if (!mpfr_regular_p(exact)) continue; /* past MPFR's own range, or NaN */
            if (!same(got, exactly(&f, mode, exact, random)))
                ck_abort_msg("%s p %d, rounding %d, exactly: exp(%a) gives %a", f.name, f.p, r, x, got);
            if (!same(got, gla_round_mpfr(&f, mode, exact, random)))
                ck_abort_msg("%s p %d, rounding %d: gla_round_mpfr differs at exp(%a)", f.name, f.p, r, x);
        }
    }
    mpfr_clear(exact);
}
END_TEST

/* x / y and ln(1 + x). A quotient of 53-bit numbers is dyadic or further from any tie than EXP_BITS resolve. */
START_TEST(quotients_and_logarithms_of_a_format) {
    gla_format f = format_number(_i);
    uint64_t state = test_seed() + 300 + (uint64_t)_i;
    mpfr_t quotient, logarithm, divisor;
    mpfr_init2(quotient, EXP_BITS);
    mpfr_init2(logarithm, EXP_BITS);
    mpfr_init2(divisor, 53);
    for (int trial = 0; trial < (test_long() ? 100000 : 2000); trial++) {
        double x = operand(&f, &state), y = operand(&f, &state);
        if (trial % 7 == 0) x = y * (double)(trial % 5); /* exact, or zero */
        mpfr_set_d(quotient, x, MPFR_RNDN);
        mpfr_set_d(divisor, y, MPFR_RNDN);
        mpfr_log1p(logarithm, quotient, MPFR_RNDN);
        mpfr_div(quotient, quotient, divisor, MPFR_RNDN);
        for (int r = 0; r < GLA_ROUNDINGS; r++) {
            gla_rounding mode = (gla_rounding)r;
            uint32_t random = (uint32_t)next(&state);
            bool regular = mpfr_regular_p(quotient) != 0;
            double got = gla_round_div(&f, mode, x, y, random);
            double want = regular ? exactly(&f, mode, quotient, random) : gla_round(&f, mode, x / y, random);
            if (!same(got, want))
                ck_abort_msg("%s p %d, rounding %d: %a / %a gives %a, want %a", f.name, f.p, r, x, y, got, want);
            got = gla_round_log1p(&f, mode, x, random);
            regular = mpfr_regular_p(logarithm) != 0;
            want = regular ? exactly(&f, mode, logarithm, random) : gla_round(&f, mode, log1p(x), random);
            if (!same(got, want))
                ck_abort_msg("%s p %d, rounding %d: ln(1 + %a) gives %a, want %a", f.name, f.p, r, x, got, want);
        }
    }
    mpfr_clears(quotient, logarithm, divisor, (mpfr_ptr)NULL);
}
END_TEST

/* Values a hair from a tie, further out than any fixed number of bits. */
START_TEST(mpfr_values_are_rounded_once) {
    mpfr_t x;
    mpfr_init2(x, 3000);
    mpfr_set_d(x, 1 + 0x1p-8, MPFR_RNDN); /* a tie of bf16, even below */
    ck_assert(gla_round_mpfr(&gla_bf16, GLA_RN, x, 0) == 1);
    ck_assert(gla_round_mpfr(&gla_bf16, GLA_RA, x, 0) == 1 + 0x1p-7);
    mpfr_nextabove(x);
    ck_assert(gla_round_mpfr(&gla_bf16, GLA_RN, x, 0) == 1 + 0x1p-7);
    mpfr_nextbelow(x);
    mpfr_nextbelow(x);
    ck_assert(gla_round_mpfr(&gla_bf16, GLA_RA, x, 0) == 1);
    mpfr_set_ui_2exp(x, 1, -100000, MPFR_RNDN);
    ck_assert(gla_round_mpfr(&gla_bf16, GLA_RU, x, 0) == 0x1p-133);
    ck_assert(same(gla_round_mpfr(&gla_bf16, GLA_RN, x, 0), 0.0));
    mpfr_neg(x, x, MPFR_RNDN);
    ck_assert(same(gla_round_mpfr(&gla_bf16, GLA_RN, x, 0), -0.0));
    mpfr_ui_div(x, 1, x, MPFR_RNDN);
    ck_assert(gla_round_mpfr(&gla_bf16, GLA_RN, x, 0) == -INFINITY);
    mpfr_set_zero(x, -1);
    ck_assert(same(gla_round_mpfr(&gla_bf16, GLA_RN, x, 0), -0.0));
    mpfr_set_nan(x);
    ck_assert(isnan(gla_round_mpfr(&gla_bf16, GLA_RN, x, 0)));
    mpfr_clear(x);
}
END_TEST

/* ---- the machine ---- */

__attribute__((noinline)) static double machine(int operation, bool narrow, double x, double y, double w) {
    volatile double a = x, b = y, c = w;
    volatile float fa = (float)x, fb = (float)y, fc = (float)w;
    if (narrow) return (double)(operation == 0 ? fmaf(fa, fb, fc) : operation == 1 ? fa + fc : fa * fb);
    return operation == 0 ? fma(a, b, c) : operation == 1 ? a + c : a * b;
}

START_TEST(the_machine_agrees) {
    static const int directions[] = {FE_TONEAREST, FE_TOWARDZERO, FE_UPWARD, FE_DOWNWARD}; /* as gla_rounding */
    bool narrow = _i == 1;
    const gla_format *f = narrow ? &gla_binary32_format : &gla_binary64_format;
    uint64_t state = test_seed() + 200 + (uint64_t)_i;
    for (int trial = 0; trial < (test_long() ? 100000000 : 2000000); trial++) {
        double x = operand(f, &state), y = operand(f, &state), w = operand(f, &state);
        if (!narrow && trial % 4 == 0) x = double_of(next(&state)), y = double_of(next(&state));
        if (trial % 4 == 1) w = machine(2, narrow, -x, y, 0);
        int operation = trial % 3, r = trial / 3 % 4;
        fesetround(directions[r]);
        double want = machine(operation, narrow, x, y, w);
        fesetround(FE_TONEAREST);
        double got = operation == 0   ? gla_round_fma(f, (gla_rounding)r, x, y, w, 0)
                     : operation == 1 ? gla_round_add(f, (gla_rounding)r, x, w, 0)
                                      : gla_round_mul(f, (gla_rounding)r, x, y, 0);
        if (!same(want, got))
            ck_abort_msg("operation %d, rounding %d on %a %a %a: machine %a, here %a", operation, r, x, y, w, want,
                         got);
    }
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("format arithmetic");
    TCase *mpfr = tcase_create("against MPFR");
    tcase_set_timeout(mpfr, test_long() ? 3600 : 120);
    tcase_add_loop_test(mpfr, sums_and_products_of_a_format, 0, FORMATS);
    tcase_add_loop_test(mpfr, exponentials_of_a_format, 0, FORMATS);
    tcase_add_loop_test(mpfr, quotients_and_logarithms_of_a_format, 0, FORMATS);
    tcase_add_test(mpfr, mpfr_values_are_rounded_once);
    suite_add_tcase(s, mpfr);
    TCase *hardware = tcase_create("against the machine");
    tcase_set_timeout(hardware, test_long() ? 3600 : 120);
    tcase_add_loop_test(hardware, the_machine_agrees, 0, 2);
    suite_add_tcase(s, hardware);
    return s;
}

int main(void) { return test_main(suite()); }
