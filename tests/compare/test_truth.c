/* SPDX-License-Identifier: Apache-2.0
 *
 * Certified truth, against the recurrence in 640 bits rounded once: random problems of every generated family, several
 * targets and roundings; cases built to be hard; and a cap that is too low.
 */
#include <math.h>
#include <string.h>

#include "../../compare/cases.h"
#include "../../compare/truth.h"
#include "../testing.h"

static const gla_truth_options to_binary64 = {.target = &gla_binary64_format},
                               to_binary32 = {.target = &gla_binary32_format}, to_bf16 = {.target = &gla_bf16};

static gla_truth truth_of(const gla_problem *p, const gla_truth_options *options) {
    gla_truth t;
    gla_error err = {0};
    ck_assert_msg(gla_truth_compute(p, options, &t, &err) == GLA_OK, "%s", err.what);
    return t;
}

/* Every present element against `precise`; returns how many there were. */
static int64_t agree(const gla_truth *t, const gla_truth_options *o, const gla_result *precise, const char *name) {
    int64_t count = 0;
    MPFR_DECL_INIT(z, 640);
    for (int i = 0; i < GLA_OUTPUTS; i++) {
        ck_assert_int_eq(t->tensor[i].present, precise->tensor[i].at != NULL);
        ck_assert_int_eq(t->tensor[i].count, precise->tensor[i].count);
        for (int64_t j = 0; j < t->tensor[i].count; j++) {
            double value = t->tensor[i].value[j], low = t->tensor[i].low[j];
            precise->numbers->ops->get_mpfr(precise->numbers, z, gla_result_at(precise, (gla_output)i, j));
            double want = gla_round_mpfr(o->target, o->rounding, z, 0);
            ck_assert_msg(t->tensor[i].certified[j], "%s: %s[%ld] not certified", name, gla_output_names[i], (long)j);
            ck_assert_msg(value == want, "%s: %s[%ld] = %a, not %a", name, gla_output_names[i], (long)j, want, value);
            ck_assert(t->tensor[i].magnitude[j] * (1 + 0x1p-52) >= fabs(mpfr_get_d(z, MPFR_RNDN)));
            if (isfinite(value)) { /* value + low is the truth to a part in 2^50 of the target's last place */
                mpfr_sub_d(z, z, value, MPFR_RNDN);
                ck_assert(fabs(mpfr_get_d(z, MPFR_RNDN) - low) <=
                          ldexp(fabs(value), -o->target->p - 48) + ldexp(t->tensor[i].magnitude[j], -85));
            }
            count++;
        }
    }
    return count;
}

/* The truth of p for each of the options, all against one run in 640 bits. */
static int64_t check(const gla_problem *p, const gla_truth_options *options, size_t n, const char *name) {
    gla_form form = {.kind = GLA_RECURRENT, .backward = options->backward};
    gla_numbers *numbers;
    gla_result precise;
    int64_t count = 0;
    ck_assert_int_eq(gla_numbers_open("mpfr:640", &numbers, NULL), GLA_OK);
    ck_assert_int_eq(gla_run(p, &form, numbers, &precise, NULL), GLA_OK);
    for (size_t i = 0; i < n; i++) {
        gla_truth t = truth_of(p, &options[i]);
        count += agree(&t, &options[i], &precise, name);
        ck_assert_int_eq(t.uncertified, 0);
        gla_truth_free(&t);
    }
    gla_result_free(&precise);
    gla_numbers_close(numbers);
    return count;
}

/* ---- random problems ---- */

START_TEST(every_family_in_three_formats) {
    const gla_truth_options options[] = {{.target = &gla_binary64_format, .backward = true},
                                         {.target = &gla_binary32_format, .backward = true, .threads = 3},
                                         {.target = &gla_bf16, .backward = true, .threads = 1}};
    int64_t count = 0;
    for (const gla_family *f = gla_families; f->name; f++)
        for (int variant = 0; gla_family_fits(f, gla_mechanism_named("gla")) && variant < (test_long() ? 20 : 1);
             variant++) {
            gla_case_spec spec = {.family = f->name,
                                  .T = 32,
                                  .H = 2,
                                  .Hk = 1 + (variant + (f - gla_families)) % 2,
                                  .dk = 7,
                                  .dv = 9,
                                  .gv = (f - gla_families) % 3 == 0,
                                  .initial_state = true,
                                  .backward = true,
                                  .reverse = variant % 2,
                                  .seed = test_seed() + (uint64_t)variant};
            gla_generated g;
            gla_error err = {0};
            ck_assert_msg(gla_generate(&spec, &g, &err) == GLA_OK, "%s", err.what);
            count += check(&g.problem, options, 3, g.name);
            gla_generated_free(&g);
        }
    printf("%lld elements of generated families\n", (long long)count);
    ck_assert_int_ge(count, 100000);
}
END_TEST

/* Retention decays by a dyadic number, 31/32 in head 0: 31 (2^49 + 1) has 54 bits, an exact tie. In head 1 the same
 * state gives 63 (2^49 + 1) / 64, 55 bits and no tie. */
START_TEST(ties_of_a_fixed_decay) {
    static const double want[2] = {0x1.0000000000008p+49 * 31 / 32, 0x1.0000000000008p+49 * 63 / 64};
    const double q[2] = {1, 1}, v[2] = {0, 0}, S0[2] = {0x1.0000000000008p+49, 0x1.0000000000008p+49};
    gla_problem p = {.B = 1, .T = 1, .H = 2, .dk = 1, .dv = 1, .N = 1, .scale = 1};
    gla_error err;
    ck_assert(gla_mechanism_parse("retention", &p, &err) == GLA_OK);
    gla_tensor_dense(&p.q, q, 1, 2, 0, 1);
    gla_tensor_dense(&p.k, q, 1, 2, 0, 1);
    gla_tensor_dense(&p.v, v, 1, 2, 0, 1);
    gla_tensor_dense(&p.initial_state, S0, 0, 2, 1, 1);
    gla_truth t = truth_of(&p, &to_binary64);
    ck_assert_int_eq(t.uncertified, 0);
    ck_assert_int_eq(t.bits, 192);
    for (int h = 0; h < 2; h++) ck_assert(t.tensor[GLA_O].value[h] == want[h] && t.tensor[GLA_O].certified[h] == 1);
    gla_truth_free(&t);
}
END_TEST

static bool fits(const char *family, const char *mechanism) {
    gla_problem p;
    gla_error err;
    ck_assert(gla_mechanism_parse(mechanism, &p, &err) == GLA_OK);
    return gla_family_fits(gla_family_named(family), p.mechanism);
}

/* One gate per head, its gradient a sum over channels; fixed decays as pairs in the double-double engine, intervals in
 * the climb. */
START_TEST(every_mechanism) {
    static const char *const mechanisms[] = {"simple_gla", "linear_attention",   "retention",
                                             "lightning",  "retention:linspace", "lightning:linear:1/2"};
    static const char *const families[] = {"mild", "reset", "cancel", "varlen", "spike"};
    const gla_truth_options options[] = {{.target = &gla_binary64_format, .backward = true},
                                         {.target = &gla_bf16, .rounding = GLA_RZ, .backward = true, .threads = 3}};
    for (size_t i = 0; i < sizeof mechanisms / sizeof *mechanisms; i++)
        for (size_t f = 0; f < sizeof families / sizeof *families; f++) {
            gla_case_spec spec = {.family = families[f],
                                  .mechanism = mechanisms[i],
                                  .T = 33,
                                  .H = 4,
                                  .Hk = f % 2 ? 4 : 2,
                                  .dk = 6,
                                  .dv = 5,
                                  .initial_state = true,
                                  .backward = true,
                                  .reverse = f == 2,
                                  .seed = test_seed()};
            gla_generated g;
            gla_error err = {0};
            if (!fits(families[f], mechanisms[i])) continue;
            ck_assert_msg(gla_generate(&spec, &g, &err) == GLA_OK, "%s", err.what);
            check(&g.problem, options, 2, g.name);
            gla_generated_free(&g);
        }
}
END_TEST

START_TEST(every_rounding_and_packed_sequences) {
    for (int r = 0; r < GLA_SR; r++) {
        const gla_format *targets[] = {&gla_bf16, &gla_f16, &gla_e4m3, &gla_binary64_format};
        gla_truth_options o[4];
        for (int i = 0; i < 4; i++)
            o[i] = (gla_truth_options){.target = targets[i], .rounding = (gla_rounding)r, .backward = true};
        gla_case_spec spec = gla_random_shape(r % 2 ? "mild" : "reset", test_seed() + (uint64_t)r, 8);
        spec.B = 1;
        spec.T = 19;
        spec.varlen = r % 3 == 0;
        spec.backward = true;
        gla_generated g;
        gla_error err = {0};
        ck_assert_msg(gla_generate(&spec, &g, &err) == GLA_OK, "%s", err.what);
        check(&g.problem, o, 4, g.name);
        gla_generated_free(&g);
    }
}
END_TEST

static double next_unit(uint64_t *s) {
    *s = *s * 6364136223846793005u + 1442695040888963407u;
    return (double)(*s >> 40) * 0x1p-24;
}

/* q, k and v have 6, 2 and 3 heads: no two groupings nest, gradients are sums over 1, 3 and 2 heads. Small integers
 * and gates that are 0, -inf or ordinary: ties of bf16 in shared gradients climb too. */
START_TEST(heads_shared_in_ways_that_do_not_nest) {
    enum { B = 2, T = 9, H = 6, D = 3, INPUTS = GLA_IN_DFINAL_STATE + 1 };
    static double data[INPUTS][B * T * H * D * D];
    const int64_t heads[INPUTS] = {6, 2, 3, 2, 3, 1, 6, 3};
    uint64_t s = test_seed();
    gla_problem p = {.B = B, .T = T, .H = H, .dk = D, .dv = D, .N = B, .scale = 1};
    for (int i = 0; i < INPUTS; i++) {
        bool gate = i == GLA_IN_GK || i == GLA_IN_GV, is_state = i == GLA_IN_INITIAL_STATE || i == GLA_IN_DFINAL_STATE;
        for (int j = 0; j < B * T * H * D * D; j++) {
            double u = next_unit(&s);
            data[i][j] = gate ? (u < 0.5 ? 0 : u < 0.6 ? -INFINITY : -u) : floor(33 * u) - 16;
        }
        gla_tensor *x = gla_problem_input(&p, (gla_input)i);
        if (is_state)
            gla_tensor_dense(x, data[i], 0, heads[i], D, D);
        else
            gla_tensor_dense(x, data[i], T, heads[i], 1, D);
    }
    gla_truth_options o[] = {{.target = &gla_bf16, .backward = true, .threads = 2},
                             {.target = &gla_binary64_format, .backward = true}};
    gla_truth t = truth_of(&p, &o[0]);
    ck_assert_int_gt(t.undecided, 10);
    ck_assert_int_eq(t.tensor[GLA_DK].shape[2], 2);
    gla_truth_free(&t);
    check(&p, o, 2, "shared heads");
}
END_TEST

/* ---- built cases: one head, forward, dv = 1 unless said ---- */

struct small {
    gla_problem p;
    double *q, *k, *v, *g;
};

static struct small small(int64_t T, int64_t dk, int64_t dv) {
    struct small x = {.p = {.B = 1, .T = T, .H = 1, .dk = dk, .dv = dv, .N = 1, .scale = 1}};
    double *all = calloc((size_t)(T * (3 * dk + dv)), sizeof *all);
    ck_assert_ptr_nonnull(all);
    x.q = all;
    x.k = x.q + T * dk;
    x.g = x.k + T * dk;
    x.v = x.g + T * dk;
    gla_tensor_dense(&x.p.q, x.q, T, 1, 1, dk);
    gla_tensor_dense(&x.p.k, x.k, T, 1, 1, dk);
    gla_tensor_dense(&x.p.v, x.v, T, 1, 1, dv);
    gla_tensor_dense(&x.p.gk, x.g, T, 1, 1, dk);
    return x;
}

/* o[1,1] = 1 + 2^-8 + sign e^-d: a tie of bf16 but for an exponential of any size. Columns 0 and 2 are zero. */
enum { THE_TIE = 4 };

static struct small nearly_a_tie(double d, double sign) {
    struct small x = small(2, 3, 3);
    x.q[3] = x.q[4] = x.q[5] = 1;
    x.v[1] = x.v[4] = 1;
    x.k[0] = sign; /* written first, decays by e^-d */
    x.g[3] = -d;
    x.k[4] = 1;
    x.k[5] = 0x1p-8;
    return x;
}

START_TEST(near_a_midpoint) {
    for (double d = 40; d <= 600; d += 80)
        for (double sign = -1; sign <= 1; sign += 2) {
            struct small x = nearly_a_tie(d, sign);
            gla_truth t = truth_of(&x.p, &to_bf16);
            ck_assert_int_eq(t.uncertified, 0);
            ck_assert(t.tensor[GLA_O].value[THE_TIE] == (sign > 0 ? 1 + 0x1p-7 : 1));
            ck_assert_int_eq(t.undecided, d > 67);
            long bits = 192; /* the least of 192, 384, ... that tells 1 + 2^-8 + e^-d from the tie, itself rounded */
            while (sign > 0 && (double)bits < d / 0.69314718) bits *= 2; /* down like all below it */
            ck_assert_int_eq(t.bits, d > 67 ? bits : 106);
            gla_truth_free(&t);
            if (d < 400) check(&x.p, (gla_truth_options[]){to_bf16, to_binary32}, 2, "near midpoint");
            free(x.q);
        }
}
END_TEST

/* Two channels cancel but for the difference of e^g and e^(g + 2^-k). */
START_TEST(cancelling_readout) {
    for (int k = 10; k <= 46; k += 4) {
        struct small x = small(2, 2, 1);
        x.k[0] = x.k[1] = x.v[0] = 1;
        x.g[2] = -0.5;
        x.g[3] = -0.5 - ldexp(1, -k);
        x.q[2] = 1;
        x.q[3] = -1;
        check(&x.p, (gla_truth_options[]){to_binary64, to_binary32, to_bf16}, 3, "cancelling");
        gla_truth t = truth_of(&x.p, &to_binary64);
        double condition = t.tensor[GLA_O].magnitude[1] / fabs(t.tensor[GLA_O].value[1]);
        ck_assert(fabs(log2(condition) - (k + 1)) < 0.1);
        gla_truth_free(&t);
        free(x.q);
    }
}
END_TEST

/* g = 0 and integers: exact ties of bf16, exact zeros, large exact cancellation. */
START_TEST(exact_dyadic_results) {
    struct small x = small(6, 1, 3);
    for (int t = 0; t < 6; t++) x.q[t] = x.k[t] = 1;
    double rows[6][3] = {{256, 5, 0x1p60},   {1, -5, 1},  {2, 0x1p-30, -0x1p60},
                         {-259, 0, 0x1p-60}, {257, 0, 0}, {2, 0, -1}};
    memcpy(x.v, rows, sizeof rows);
    gla_truth t = truth_of(&x.p, &to_bf16);
    ck_assert_int_eq(t.uncertified, 0);
    ck_assert_int_gt(t.undecided, 0); /* 257 and 259 are ties */
    const double *o = t.tensor[GLA_O].value;
    ck_assert(o[0] == 256 && o[3] == 256 && o[6] == 260 && o[9] == 0 && o[12] == 256 && o[15] == 260);
    ck_assert(o[4] == 0 && !signbit(o[4]) && o[7] == 0x1p-30);
    ck_assert(t.tensor[GLA_O].low[3] == 1 && t.tensor[GLA_O].low[6] == -1);
    gla_truth_free(&t);
    gla_truth_options odd = {.target = &gla_bf16, .rounding = GLA_RO}, up = {.target = &gla_bf16, .rounding = GLA_RU};
    check(&x.p, (gla_truth_options[]){to_binary64, to_binary32, to_bf16, odd, up}, 5, "dyadic");
    free(x.q);
}
END_TEST

/* A -inf gate forgets exactly; what follows is dyadic again. */
START_TEST(resets_are_exact) {
    struct small x = small(3, 2, 1);
    double q[] = {1, 1, 1, 1, 1, 1}, k[] = {1, 2, 257, 0, 0, 0}, g[] = {-1, -2, -INFINITY, -INFINITY, 0, -INFINITY};
    memcpy(x.q, q, sizeof q);
    memcpy(x.k, k, sizeof k);
    memcpy(x.g, g, sizeof g);
    x.v[0] = x.v[1] = x.v[2] = 1;
    gla_truth t = truth_of(&x.p, &to_bf16);
    ck_assert(t.tensor[GLA_O].value[1] == 256 && t.tensor[GLA_O].value[2] == 256);
    ck_assert(t.tensor[GLA_FINAL_STATE].value[1] == 0 && t.tensor[GLA_FINAL_STATE].magnitude[1] == 0);
    ck_assert_int_eq(t.uncertified, 0);
    gla_truth_free(&t);
    check(&x.p, (gla_truth_options[]){to_binary64, to_binary32, to_bf16}, 3, "resets");
    free(x.q);
}
END_TEST

START_TEST(long_sequence) {
    struct small x = small(4096, 3, 2);
    uint64_t s = test_seed();
    double *at[] = {x.q, x.k, x.v, x.g};
    for (int a = 0; a < 4; a++)
        for (int i = 0; i < 4096 * (a == 2 ? 2 : 3); i++)
            at[a][i] = a == 3 ? -next_unit(&s) * 0x1p-7 : 2 * next_unit(&s) - 1;
    check(&x.p, (gla_truth_options[]){to_binary64, to_binary32, to_bf16}, 3, "long");
    free(x.q);
}
END_TEST

/* Values beyond the engine's range, and beyond the target's. */
START_TEST(overflow_and_underflow) {
    struct small x = small(3, 1, 2);
    double q[] = {1, 1, 0x1p-1000}, k[] = {0x1p700, 0x1p-600, 1}, v[] = {0x1p700, 1, 0x1p-500, 1, 1, 0x1p-1074};
    double g[] = {0, -INFINITY, 0};
    memcpy(x.q, q, sizeof q);
    memcpy(x.k, k, sizeof k);
    memcpy(x.v, v, sizeof v);
    memcpy(x.g, g, sizeof g);
    gla_truth t = truth_of(&x.p, &to_binary64);
    ck_assert_int_eq(t.uncertified, 0);
    ck_assert(isinf(t.tensor[GLA_O].value[0]) && t.tensor[GLA_O].value[1] == 0x1p700);
    ck_assert(t.tensor[GLA_O].value[2] == 0 && t.tensor[GLA_O].value[3] == 0x1p-600);
    gla_truth_free(&t);
    check(&x.p, (gla_truth_options[]){to_binary64, to_binary32, to_bf16}, 3, "overflow");
    free(x.q);
}
END_TEST

/* ---- never a guess ---- */

START_TEST(a_low_cap_leaves_elements_open) {
    struct small x = nearly_a_tie(300, 1);
    gla_truth_options low = to_bf16, enough = to_bf16;
    low.cap_bits = 53;
    gla_truth t = truth_of(&x.p, &low);
    ck_assert_int_eq(t.undecided, 1);
    ck_assert_int_eq(t.uncertified, 1);
    ck_assert(!t.tensor[GLA_O].certified[THE_TIE] && t.tensor[GLA_O].certified[0]);
    ck_assert_int_eq(t.bits, 106); /* the pairs had more than 53 */
    gla_truth_free(&t);
    low.cap_bits = 432; /* e^-300 = 2^-432.8: the first precision that separates it is a little more */
    enough.cap_bits = 500;
    t = truth_of(&x.p, &low);
    ck_assert_int_eq(t.uncertified, 1);
    gla_truth_free(&t);
    t = truth_of(&x.p, &enough);
    ck_assert_int_eq(t.uncertified, 0);
    ck_assert(t.tensor[GLA_O].value[THE_TIE] == 1 + 0x1p-7);
    gla_truth_free(&t);
    free(x.q);
}
END_TEST

/* Good enough for a verdict: a tie stays undecided without a climb, an overflow of the engine does not. */
START_TEST(close_enough_is_not_rounded_and_not_a_guess) {
    struct small x = small(2, 1, 2);
    x.q[0] = x.q[1] = 1;
    x.k[0] = x.k[1] = 1;
    x.g[1] = -INFINITY;
    x.v[0] = 257;
    x.v[2] = 257;
    gla_truth_options o = to_bf16;
    o.close_enough = GLA_CLOSE_ENOUGH;
    gla_truth t = truth_of(&x.p, &o);
    ck_assert(t.tensor[GLA_O].certified[0] == 2 && t.tensor[GLA_O].certified[1] == 1 && t.bits == 106);
    ck_assert(t.tensor[GLA_O].value[0] + t.tensor[GLA_O].low[0] == 257);
    gla_truth_free(&t);
    x.k[0] = x.v[0] = 0x1p600; /* the second token forgets it */
    t = truth_of(&x.p, &o);
    ck_assert(t.tensor[GLA_O].certified[0] == 1 && isinf(t.tensor[GLA_O].value[0]));
    ck_assert(t.tensor[GLA_O].certified[2] == 1 && t.tensor[GLA_O].value[2] == 256);
    ck_assert_int_eq(t.bits, 192);
    gla_truth_free(&t);
    free(x.q);
}
END_TEST

START_TEST(stochastic_rounding_is_refused) {
    struct small x = small(1, 1, 1);
    gla_truth_options o = {.rounding = GLA_SR};
    gla_truth t;
    gla_error err = {0};
    ck_assert_int_eq(gla_truth_compute(&x.p, &o, &t, &err), GLA_UNSUPPORTED);
    ck_assert(err.what[0]);
    gla_truth_free(&t);
    free(x.q);
}
END_TEST

static double last_done;
static void remember(void *data, double done) {
    ck_assert(done >= last_done && done <= 1);
    last_done = done;
    ++*(int *)data;
}

START_TEST(progress_ends_at_1) {
    struct small x = small(3, 1, 1);
    int calls = 0;
    gla_truth_options o = {.progress = remember, .progress_data = &calls};
    gla_truth t = truth_of(&x.p, &o);
    ck_assert(last_done == 1 && calls >= 2);
    gla_truth_free(&t);
    free(x.q);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("truth");
    TCase *random = tcase_create("random"), *built = tcase_create("built");
    tcase_set_timeout(random, test_long() ? 3600 : 100);
    tcase_set_timeout(built, 60);
    tcase_add_test(random, every_family_in_three_formats);
    tcase_add_test(random, every_mechanism);
    tcase_add_test(random, ties_of_a_fixed_decay);
    tcase_add_test(random, every_rounding_and_packed_sequences);
    tcase_add_test(built, heads_shared_in_ways_that_do_not_nest);
    tcase_add_test(built, near_a_midpoint);
    tcase_add_test(built, cancelling_readout);
    tcase_add_test(built, exact_dyadic_results);
    tcase_add_test(built, resets_are_exact);
    tcase_add_test(built, long_sequence);
    tcase_add_test(built, overflow_and_underflow);
    tcase_add_test(built, a_low_cap_leaves_elements_open);
    tcase_add_test(built, close_enough_is_not_rounded_and_not_a_guess);
    tcase_add_test(built, stochastic_rounding_is_refused);
    tcase_add_test(built, progress_ends_at_1);
    suite_add_tcase(s, random);
    suite_add_tcase(s, built);
    return s;
}

int main(void) { return test_main(suite()); }
