/* SPDX-License-Identifier: Apache-2.0
 *
 * Encodings and conversions of the narrow formats, against a slow second way: the positive values of a format, listed
 * in the order of their codes by the textbook formula, and for each binary32 word the two neighbours that enclose it.
 * All comparisons are exact in binary64, so the judge rounds nothing.
 *
 * `make check` walks every 4099th binary32 word, the 9 words around every value and every midpoint, and the specials.
 * GLASSBOX_LONG=1 walks all 2^32 words, for every format and every deterministic rounding.
 */
#include "tests/testing.h"

#include <math.h>
#include <pthread.h>
#include <string.h>

#include "reference/number/format.h"

static const gla_format *const formats[] = {&gla_bf16, &gla_f16, &gla_tf32, &gla_e4m3, &gla_e5m2};
enum { FORMATS = sizeof formats / sizeof *formats, STRIDE = 4099, AROUND = 4 };

static float float_of(uint32_t word) {
    float x;
    memcpy(&x, &word, sizeof x);
    return x;
}

static uint32_t word_of(float x) {
    uint32_t word;
    memcpy(&word, &x, sizeof word);
    return word;
}

static bool same(double x, double y) { return isnan(x) ? isnan(y) : x == y && signbit(x) == signbit(y); }

/* ---- the slow way ---- */

/* Positive values, ascending, of a format given by the figures in its definition; code i has value value[i]. */
struct table {
    double *value; /* [count + 1]: value[count] is the first one past the largest, were the range longer */
    uint32_t count;
    double overflow; /* what stands in that place: infinity or NaN */
};

static struct table table_of(const char *name) {
    static const struct {
        const char *name;
        int exponent_bits, fraction_bits, bias, reserved; /* reserved: codes at the top that are no finite values */
        bool infinity;
    } definition[] = {{"bf16", 8, 7, 127, 128, true},
                      {"f16", 5, 10, 15, 1024, true},
                      {"tf32", 8, 10, 127, 1024, true},
                      {"e4m3", 4, 3, 7, 1, false},
                      {"e5m2", 5, 2, 15, 4, true}};
    size_t i = 0;
    while (strcmp(definition[i].name, name) != 0) i++;
    int m = definition[i].fraction_bits, bias = definition[i].bias;
    uint32_t count = (1u << (definition[i].exponent_bits + m)) - (uint32_t)definition[i].reserved;
    double *value = malloc((count + 1) * sizeof *value);
    for (uint32_t code = 0; code <= count; code++) {
        int e = (int)(code >> m);
        double f = ldexp((double)(code & ((1u << m) - 1)), -m);
        value[code] = e == 0 ? ldexp(f, 1 - bias) : ldexp(1 + f, e - bias);
    }
    double overflow = definition[i].infinity ? (double)INFINITY : (double)NAN;
    return (struct table){value, count, overflow};
}

/* |x| lies in [value[i], value[i+1]); what should it become? */
static double slowly(const struct table *t, uint32_t i, gla_rounding r, double x) {
    double a = fabs(x), lo = t->value[i], hi = t->value[i + 1], middle = (lo + hi) / 2;
    bool negative = signbit(x), up = false;
    if (a >= t->value[t->count]) { /* past the place after the largest */
        up = r == GLA_RN || r == GLA_RA || r == (negative ? GLA_RD : GLA_RU);
        return copysign(up ? t->overflow : t->value[t->count - 1], x);
    }
    if (a == lo) return x;
    switch (r) {
    case GLA_RN:
        up = a > middle || (a == middle && i % 2 == 1);
        break;
    case GLA_RA:
        up = a >= middle;
        break;
    case GLA_RU:
        up = !negative;
        break;
    case GLA_RD:
        up = negative;
        break;
    case GLA_RO:
        up = i % 2 == 0 && i + 1 < t->count;
        break;
    default:
        break;
    }
    if (!up) return copysign(lo, x);
    return copysign(i + 1 < t->count ? hi : t->overflow, x);
}

/* Where |x| lies; x finite. Starts looking at `from`, so that ascending questions cost little. */
static uint32_t place(const struct table *t, uint32_t from, double a) {
    while (from + 1 < t->count && a >= t->value[from + 1]) from++;
    return from;
}

/* Judge the word under all deterministic roundings; returns the number of wrong conversions. */
static uint64_t judge(const gla_format *f, const struct table *t, uint32_t *at, uint32_t word) {
    double x = (double)float_of(word);
    uint64_t wrong = 0;
    if (!isnan(x) && !isinf(x)) *at = place(t, *at, fabs(x));
    for (int r = 0; r < GLA_SR; r++) {
        double want = isnan(x) ? (double)NAN : isinf(x) ? copysign(t->overflow, x) : slowly(t, *at, (gla_rounding)r, x);
        double got = gla_round(f, (gla_rounding)r, x, 0);
        if (same(want, got)) continue;
        if (wrong++ == 0) printf("%s, rounding %d: %a gives %a, want %a\n", f->name, r, x, got, want);
    }
    return wrong;
}

/* ---- encodings ---- */

START_TEST(every_code_means_what_the_definition_says) {
    for (size_t i = 0; i < FORMATS; i++) {
        const gla_format *f = formats[i];
        if (f->bits == 0) continue;
        struct table t = table_of(f->name);
        uint32_t sign = 1u << (f->bits - 1);
        for (uint32_t code = 0; code < sign; code++) {
            double want = code < t.count                     ? t.value[code]
                          : code == t.count && f->infinities ? (double)INFINITY
                                                             : (double)NAN;
            ck_assert_msg(same(gla_decode(f, code), want), "%s 0x%x", f->name, code);
            ck_assert_msg(same(gla_decode(f, code | sign), isnan(want) ? want : -want), "%s -0x%x", f->name, code);
        }
        ck_assert(f->max == t.value[t.count - 1]);
        free(t.value);
    }
}
END_TEST

START_TEST(encode_undoes_decode) {
    for (size_t i = 0; i < FORMATS; i++) {
        const gla_format *f = formats[i];
        for (uint32_t code = 0; f->bits && code < 1u << f->bits; code++) {
            double x = gla_decode(f, code);
            uint32_t again = gla_encode(f, x);
            if (isnan(x) ? !isnan(gla_decode(f, again)) : again != code)
                ck_abort_msg("%s: 0x%x comes back as 0x%x", f->name, code, again);
        }
    }
    ck_assert_uint_eq(gla_encode(&gla_bf16, NAN), 0x7fc0);
    ck_assert_uint_eq(gla_encode(&gla_f16, NAN), 0x7e00);
    ck_assert_uint_eq(gla_encode(&gla_e4m3, NAN), 0x7f);
    ck_assert_uint_eq(gla_encode(&gla_e5m2, NAN), 0x7e);
}
END_TEST

START_TEST(binary32_encodes_as_the_machine_does) {
    uint64_t wrong = 0;
    for (uint64_t word = 0; word < (uint64_t)1 << 32; word += STRIDE) {
        float x = float_of((uint32_t)word);
        wrong += !same(gla_decode(&gla_binary32_format, (uint32_t)word), (double)x);
        wrong += !isnan(x) && gla_encode(&gla_binary32_format, (double)x) != word;
    }
    ck_assert_uint_eq(wrong, 0);
}
END_TEST

START_TEST(names_find_formats) {
    for (size_t i = 0; i < FORMATS; i++) ck_assert_ptr_eq(gla_format_named(formats[i]->name), formats[i]);
    ck_assert_ptr_eq(gla_format_named("binary32"), &gla_binary32_format);
    ck_assert_ptr_eq(gla_format_named("binary64"), &gla_binary64_format);
    ck_assert_ptr_null(gla_format_named("bf17"));
}
END_TEST

/* ---- conversions ---- */

START_TEST(conversion_of_a_slice_of_binary32) {
    const gla_format *f = formats[_i];
    struct table t = table_of(f->name);
    uint64_t wrong = 0;
    for (uint32_t sign = 0; sign < 2; sign++) {
        uint32_t at = 0;
        for (uint64_t word = 0; word < (uint64_t)1 << 31; word += STRIDE)
            wrong += judge(f, &t, &at, sign << 31 | (uint32_t)word);
        for (uint32_t i = 0; i <= t.count; i++) {
            double here = t.value[i], next = i < t.count ? t.value[i + 1] : here;
            uint32_t centres[] = {word_of((float)here), word_of((float)((here + next) / 2))};
            uint32_t start = i < 2 ? 0 : i - 2; /* a few words before this value lie further down */
            for (size_t c = 0; c < 2; c++)
                for (uint32_t w = centres[c] < AROUND ? 0 : centres[c] - AROUND; w <= centres[c] + AROUND; w++) {
                    at = start;
                    while (at > 0 && (double)float_of(w) < t.value[at]) at--;
                    wrong += judge(f, &t, &at, sign << 31 | w);
                }
        }
    }
    ck_assert_uint_eq(wrong, 0);
    free(t.value);
}
END_TEST

struct half {
    const gla_format *format;
    uint32_t sign;
    uint64_t wrong;
};

static void *whole_half(void *argument) {
    struct half *h = argument;
    struct table t = table_of(h->format->name);
    uint32_t at = 0;
    for (uint64_t word = 0; word < (uint64_t)1 << 31; word++) {
        if (word % (1u << 28) == 0) {
            printf("%s: sign %u, %u/8\n", h->format->name, h->sign, (unsigned)(word >> 28));
            fflush(stdout);
        }
        h->wrong += judge(h->format, &t, &at, h->sign << 31 | (uint32_t)word);
    }
    free(t.value);
    return NULL;
}

START_TEST(conversion_of_every_binary32) {
    if (!test_long()) return;
    struct half halves[2] = {{formats[_i], 0, 0}, {formats[_i], 1, 0}};
    pthread_t other;
    ck_assert_int_eq(pthread_create(&other, NULL, whole_half, &halves[1]), 0);
    whole_half(&halves[0]);
    ck_assert_int_eq(pthread_join(other, NULL), 0);
    ck_assert_uint_eq(halves[0].wrong + halves[1].wrong, 0);
}
END_TEST

START_TEST(a_saturating_copy_saturates) {
    gla_format saturating = gla_e4m3;
    saturating.overflow = GLA_OVERFLOW_SATURATE;
    ck_assert(gla_round(&saturating, GLA_RN, 464, 0) == 448);
    ck_assert(gla_round(&saturating, GLA_RN, 1e9, 0) == 448);
    ck_assert(gla_round(&saturating, GLA_RN, -INFINITY, 0) == -448);
    ck_assert(isnan(gla_round(&saturating, GLA_RN, NAN, 0)));
    ck_assert(gla_round(&gla_e4m3, GLA_RN, 464, 0) == 448); /* the tie before 480 goes to even */
    ck_assert(isnan(gla_round(&gla_e4m3, GLA_RN, 465, 0)));
    ck_assert(isnan(gla_round(&gla_e4m3, GLA_RN, INFINITY, 0)));
    ck_assert(gla_round(&gla_e4m3, GLA_RZ, 465, 0) == 448);
}
END_TEST

/* ---- stochastic rounding ---- */

/* k bits of fraction: random words with every value of their top k bits give exactly the right number of ups. */
START_TEST(stochastic_mean_is_the_value) {
    enum { K = 10 };
    static const struct {
        const gla_format *format;
        double lo, ulp;
    } cases[] = {{&gla_bf16, 1.5, 0x1p-7}, {&gla_bf16, -0x1p-126, -0x1p-133}, {&gla_f16, 0x3p-24, 0x1p-24},
                 {&gla_e4m3, 0, 0x1p-9},   {&gla_e5m2, -40960, -8192},        {&gla_tf32, 0x1.ffcp0, 0x1p-10}};
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++)
        for (uint32_t fraction = 0; fraction < 1u << K; fraction += 7) {
            double ulp = cases[c].ulp, lo = cases[c].lo, x = lo + ulp * fraction / (1u << K);
            uint32_t ups = 0;
            for (uint32_t top = 0; top < 1u << K; top++) {
                uint32_t random = top << (32 - K) | (top * 2654435761u >> K);
                double z = gla_round(cases[c].format, GLA_SR, x, random);
                if (z != lo && z != lo + ulp) ck_abort_msg("%a gives %a", x, z);
                ups += z != lo;
            }
            ck_assert_uint_eq(ups, fraction);
        }
}
END_TEST

START_TEST(stochastic_edges) {
    double tiny = 1 + 0x1p-7 * 0x1p-33; /* a fraction of 2^-33 of bf16's last place never goes up ... */
    ck_assert(gla_round(&gla_bf16, GLA_SR, tiny, 0) == 1);
    ck_assert(gla_round(&gla_bf16, GLA_SR, 1 + 0x1p-39, 0) == 1 + 0x1p-7); /* ... one of 2^-32 does, once ... */
    ck_assert(gla_round(&gla_bf16, GLA_SR, 1 + 0x1p-39, 1) == 1);          /* ... in 2^32 */
    ck_assert(gla_round(&gla_bf16, GLA_SR, 1, 0) == 1);
    ck_assert(isinf(gla_round(&gla_f16, GLA_SR, 65520, 0))); /* half way from 65504 to 65536 */
    ck_assert(gla_round(&gla_f16, GLA_SR, 65520, 0x7fffffff) == INFINITY);
    ck_assert(gla_round(&gla_f16, GLA_SR, 65520, 0x80000000) == 65504);
    ck_assert(gla_round(&gla_f16, GLA_SR, 65536, 0xffffffff) == INFINITY);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("format");
    TCase *codes = tcase_create("encodings");
    tcase_set_timeout(codes, 60);
    tcase_add_test(codes, every_code_means_what_the_definition_says);
    tcase_add_test(codes, encode_undoes_decode);
    tcase_add_test(codes, binary32_encodes_as_the_machine_does);
    tcase_add_test(codes, names_find_formats);
    suite_add_tcase(s, codes);
    TCase *conversions = tcase_create("conversions");
    tcase_set_timeout(conversions, 120);
    tcase_add_loop_test(conversions, conversion_of_a_slice_of_binary32, 0, FORMATS);
    tcase_add_test(conversions, a_saturating_copy_saturates);
    tcase_add_test(conversions, stochastic_mean_is_the_value);
    tcase_add_test(conversions, stochastic_edges);
    suite_add_tcase(s, conversions);
    TCase *exhaustive = tcase_create("all 2^32");
    tcase_set_timeout(exhaustive, 4 * 3600);
    tcase_add_loop_test(exhaustive, conversion_of_every_binary32, 0, FORMATS);
    suite_add_tcase(s, exhaustive);
    return s;
}

int main(void) { return test_main(suite()); }
