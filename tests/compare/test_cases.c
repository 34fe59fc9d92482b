/* SPDX-License-Identifier: Apache-2.0
 *
 * Generated cases: legal, reproducible to the bit, different for different seeds, and each family
 * what it claims to be.
 */
#include "../../compare/cases.h"
#include "../testing.h"

#include <math.h>
#include <string.h>

/* With the mechanism that it fits, gla if it may be. */
static gla_generated made_with(gla_case_spec spec) {
    gla_generated g;
    gla_error err = {0};
    const gla_family *family = gla_family_named(spec.family);
    if (family && !gla_family_fits(family, gla_mechanism_named("gla"))) spec.mechanism = "kda";
    gla_status status = gla_generate(&spec, &g, &err);
    ck_assert_msg(status == GLA_OK, "%s: %s", spec.family, err.what);
    return g;
}

static gla_generated made(const char *family, uint64_t seed) {
    return made_with(
        (gla_case_spec){.family = family, .seed = seed, .gv = true, .initial_state = true, .backward = true});
}

/* FNV-1a over the bits of every tensor. */
static uint64_t checksum(const gla_generated *g) {
    uint64_t hash = 0xcbf29ce484222325u;
    for (int name = 0; name < GLA_INPUTS; name++) {
        if (!g->tensor[name]) continue;
        const unsigned char *bytes = (const unsigned char *)g->tensor[name];
        size_t size = (size_t)g->count[name] * sizeof(double);
        for (size_t i = 0; i < size; i++) hash = (hash ^ bytes[i]) * 0x100000001b3u;
    }
    return hash;
}

/* ---- every family ---- */

static const struct {
    const char *family;
    uint64_t checksum;
} golden[] = {
    {"mild", 0x6456ca87513f59f4},       {"strong", 0x5382960183e75500},      {"spike", 0xcaa2d92ec566a7e6},
    {"reset", 0x1005db81ac13e2da},      {"keep", 0xbde1b402141ed5ea},        {"mixed", 0xb899869ca918680e},
    {"cancel", 0xf9f835351d6ed2bc},     {"integers", 0x335a74c299e19f85},    {"half", 0x5ae502b5245395bd},
    {"tail", 0x77f92c1f26d92809},       {"varlen", 0xbb921413072b7522},      {"impulse", 0x870aea3e77f8796a},
    {"ungated", 0x8c89061de9290044},    {"pinned", 0x37df0d67ee0d2a44},      {"staircase", 0xf648cf98cc016071},
    {"alternate", 0xba575bb0db9d5ac4},  {"channels", 0x427360607be3ddca},    {"mask", 0x8573c10549c2e50d},
    {"wall", 0x2e54990f2c3a0f5b},       {"bf16-gates", 0xaf600829a4ba4f5f},  {"large-small", 0x07d32909e39fa9ba},
    {"subnormal", 0xcc4d6a3a6ee94035},  {"large-state", 0x827c1415eeff650c}, {"zero-state", 0x2d8836cf57c09a71},
    {"final-only", 0x2aaa36e35e2166b2}, {"large-scale", 0x6456ca87513f59f4}, {"small-scale", 0x6456ca87513f59f4},
    {"edge", 0x3a90fd8bcb8d1cea},       {"odd", 0x0b257bdbb0b22a67},         {"empties", 0x6b0307766a3616ee},
    {"heads", 0x158c66d317ceecf9},      {"rates", 0x350f9d05fa1e14f0},       {"same-key", 0xedc1b335d5393a7b},
};
enum { FAMILIES = sizeof golden / sizeof golden[0] };

START_TEST(test_family_table) {
    int n = 0;
    for (const gla_family *f = gla_families; f->name; f++, n++) {
        ck_assert_str_eq(f->name, golden[n].family);
        ck_assert_ptr_eq(gla_family_named(f->name), f);
        ck_assert_uint_gt(strlen(f->failure), 20);
    }
    ck_assert_int_eq(n, FAMILIES);
    ck_assert_ptr_null(gla_family_named("mil"));
    ck_assert_ptr_null(gla_family_named(NULL));
}
END_TEST

START_TEST(test_legal) {
    static const gla_format *const dtypes[] = {&gla_bf16, &gla_f16, &gla_binary32_format, &gla_e4m3, &gla_e5m2};
    const char *family = golden[_i].family;
    for (size_t i = 0; i < sizeof dtypes / sizeof dtypes[0]; i++)
        for (int flags = 0; flags < 32; flags++) {
            gla_generated g = made_with((gla_case_spec){.family = family,
                                                        .T = 11,
                                                        .dk = 3,
                                                        .dv = 4,
                                                        .H = 4,
                                                        .Hk = 2,
                                                        .gv = flags & 1,
                                                        .initial_state = flags & 2,
                                                        .backward = flags & 4,
                                                        .varlen = flags & 8,
                                                        .reverse = flags & 16,
                                                        .seed = test_seed(),
                                                        .dtype = dtypes[i]});
            gla_error err = {0};
            ck_assert_msg(gla_problem_check(&g.problem, false, &err) == GLA_OK, "%s: %s", g.name, err.what);
            gla_generated_free(&g);
        }
}
END_TEST

START_TEST(test_checksum) {
    gla_generated g = made(golden[_i].family, 1), again = made(golden[_i].family, 1);
    uint64_t sum = checksum(&g);
    ck_assert_msg(sum == golden[_i].checksum, "%s: 0x%016llx", g.name, (unsigned long long)sum);
    ck_assert(checksum(&again) == sum);
    gla_generated_free(&g);
    gla_generated_free(&again);
}
END_TEST

/* All but `half`, which has nothing random. */
START_TEST(test_seeds_differ) {
    gla_generated g = made(golden[_i].family, 1), other = made(golden[_i].family, 2);
    bool constant = strcmp(golden[_i].family, "half") == 0;
    ck_assert((checksum(&g) == checksum(&other)) == constant);
    gla_generated_free(&g);
    gla_generated_free(&other);
}
END_TEST

/* q k v do hold values of the dtype, gates and states of binary32. */
START_TEST(test_values_are_of_the_dtype) {
    gla_generated g = made(golden[_i].family, test_seed());
    for (int name = 0; name < GLA_INPUTS; name++) {
        const gla_format *f = gla_is_wide_input((gla_input)name) ? &gla_binary32_format : &gla_bf16;
        for (int64_t i = 0; i < g.count[name]; i++) {
            double x = g.tensor[name][i];
            ck_assert(isinf(x) || gla_round(f, GLA_RZ, x, 0) == x);
        }
    }
    gla_generated_free(&g);
}
END_TEST

/* ---- what each family claims ---- */

/* Gates at or below `limit`, as a fraction. */
static double fraction_below(const gla_generated *g, double limit) {
    int64_t n = g->count[GLA_IN_GK], hits = 0;
    for (int64_t i = 0; i < n; i++) hits += g->tensor[GLA_IN_GK][i] <= limit;
    return (double)hits / (double)n;
}

static double mean_gate(const gla_generated *g) {
    int64_t n = g->count[GLA_IN_GK];
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += g->tensor[GLA_IN_GK][i];
    return sum / (double)n;
}

/* E logsigmoid(N(0,1)) = -0.806 with deviation 0.53: over 4020 gates the mean lies within 0.05 of
 * that (6 sigma). */
START_TEST(test_gate_strengths) {
    gla_generated mild = made("mild", test_seed()), strong = made("strong", test_seed()),
                  keep = made("keep", test_seed());
    ck_assert(fabs(mean_gate(&strong) + 0.806) <= 0.05);
    ck_assert(fabs(mean_gate(&mild) * 16 + 0.806) <= 0.05);
    ck_assert(fraction_below(&keep, -0x1.000002p-24) == 0);
    ck_assert(fraction_below(&keep, -0x1p-25) > 0.4);
    ck_assert_int_eq(keep.problem.T, 509);
    gla_generated_free(&mild);
    gla_generated_free(&strong);
    gla_generated_free(&keep);
}
END_TEST

/* 2 % of 4020 gates is 80 +- 9; 1 % to 3 % is over four sigma either way. */
START_TEST(test_rare_gates) {
    gla_generated spike = made("spike", test_seed()), reset = made("reset", test_seed());
    ck_assert(fabs(fraction_below(&spike, -1e4) - 0.02) <= 0.01);
    ck_assert(fraction_below(&spike, -1.0001e4) == 0);
    ck_assert(fabs(fraction_below(&reset, -INFINITY) - 0.02) <= 0.01);
    gla_generated_free(&spike);
    gla_generated_free(&reset);
}
END_TEST

/* Among 1340 draws from 60 binades the largest and smallest come within six binades of the ends. */
START_TEST(test_mixed_magnitudes) {
    gla_generated g = made("mixed", test_seed());
    double smallest = INFINITY, largest = 0;
    for (int64_t i = 0; i < g.count[GLA_IN_Q]; i++) {
        double x = fabs(g.tensor[GLA_IN_Q][i]);
        if (x < smallest) smallest = x;
        if (x > largest) largest = x;
    }
    ck_assert(smallest >= 0x1p-30 && smallest < 0x1p-24);
    ck_assert(largest <= 0x1p30 && largest > 0x1p24);
    gla_generated_free(&g);
}
END_TEST

START_TEST(test_cancel_alternates) {
    gla_generated g = made_with((gla_case_spec){.family = "cancel", .B = 2, .Hk = 1, .seed = test_seed()});
    const gla_problem *p = &g.problem;
    for (int64_t t = 1; t < p->T; t++)
        for (int64_t i = 0; i < p->k.stride[1]; i++)
            for (int64_t b = 0; b < p->B; b++) {
                const double *k = p->k.at + b * p->k.stride[0], *v = p->v.at + b * p->v.stride[0];
                ck_assert(k[t * p->k.stride[1] + i] == k[i]);
                ck_assert(v[t * p->v.stride[1] + i] == (t % 2 ? -v[i] : v[i]));
            }
    ck_assert(p->k.at[0] != p->k.at[p->k.stride[0]] && p->v.at[0] != p->v.at[p->v.stride[2]]);
    gla_generated_free(&g);
}
END_TEST

START_TEST(test_integers_are_integers) {
    gla_generated g = made("integers", test_seed());
    for (int name = 0; name < GLA_INPUTS; name++)
        for (int64_t i = 0; i < g.count[name]; i++) {
            double x = g.tensor[name][i];
            if (name == GLA_IN_GK || name == GLA_IN_GV)
                ck_assert(x == 0 || x == -INFINITY);
            else
                ck_assert(x == rint(x) && fabs(x) <= 2);
        }
    ck_assert(g.problem.scale == 0.125); /* 20^(-1/2) = 0.2236, so 1/8 */
    gla_generated_free(&g);
}
END_TEST

static gla_result run(const gla_generated *g, const char *form, gla_numbers *numbers) {
    gla_form f;
    gla_error err = {0};
    gla_result r;
    ck_assert_int_eq(gla_form_parse(form, &f, &err), GLA_OK);
    f.backward = g->spec.backward;
    gla_status status = gla_run(&g->problem, &f, numbers, &r, &err);
    ck_assert_msg(status == GLA_OK, "%s: %s", form, err.what);
    return r;
}

static gla_numbers *open_numbers(const char *name) {
    gla_numbers *n;
    ck_assert_int_eq(gla_numbers_open(name, &n, NULL), GLA_OK);
    return n;
}

/* No operation rounds in binary32, so every formulation and the truth agree to the bit. */
START_TEST(test_integers_are_exact) {
    static const char *const forms[] = {"recurrent", "recurrent+suffix", "parallel", "chunkwise:16:4"};
    gla_generated g = made("integers", test_seed());
    gla_numbers *truth = open_numbers("mpfr:200"), *single = open_numbers("binary32");
    gla_result want = run(&g, "recurrent+direct", truth);
    for (size_t f = 0; f < sizeof forms / sizeof forms[0]; f++) {
        gla_result got = run(&g, forms[f], single);
        for (int name = 0; name < GLA_OUTPUTS; name++)
            for (int64_t i = 0; i < want.tensor[name].count; i++)
                ck_assert_msg(gla_result_d(&got, (gla_output)name, i) == gla_result_d(&want, (gla_output)name, i),
                              "%s: %s[%lld]", forms[f], gla_output_names[name], (long long)i);
        gla_result_free(&got);
    }
    gla_result_free(&want);
    gla_numbers_close(truth);
    gla_numbers_close(single);
    gla_generated_free(&g);
}
END_TEST

/* o_t = s dk (1 - a^t) / (1 - a), t = 1, 2, ..; the closed form carries a few roundings more than
 * the run. */
START_TEST(test_half_has_its_closed_form) {
    gla_generated g = made_with((gla_case_spec){.family = "half"});
    gla_numbers *n = open_numbers("binary64");
    gla_result r = run(&g, "recurrent", n);
    double a = exp(g.tensor[GLA_IN_GK][0]), s = 1 / sqrt(20);
    ck_assert(fabs(a - 0.5) < 1e-8);
    int64_t row = g.problem.H * g.problem.dv;
    for (int64_t i = 0; i < r.tensor[GLA_O].count; i++) {
        double want = s * 20 * (1 - pow(a, (double)(i / row + 1))) / (1 - a);
        ck_assert(fabs(gla_result_d(&r, GLA_O, i) - want) <= 1e-14 * want);
    }
    gla_result_free(&r);
    gla_numbers_close(n);
    gla_generated_free(&g);
}
END_TEST

START_TEST(test_impulse_writes_once) {
    gla_generated g = made("impulse", test_seed());
    const gla_tensor *k = &g.problem.k;
    int64_t writers = 0;
    for (int64_t t = 0; t < g.problem.T; t++) {
        bool writes = false;
        for (int64_t i = 0; i < k->stride[1]; i++) writes = writes || k->at[t * k->stride[1] + i] != 0;
        writers += writes;
    }
    ck_assert_int_eq(writers, 1);
    for (int64_t i = 0; i < g.count[GLA_IN_INITIAL_STATE]; i++) ck_assert(g.tensor[GLA_IN_INITIAL_STATE][i] == 0);
    gla_generated_free(&g);
}
END_TEST

START_TEST(test_varlen_segments) {
    for (uint64_t seed = 0; seed < 50; seed++) {
        gla_generated g = made_with((gla_case_spec){.family = "varlen", .seed = seed});
        const int64_t *cu = g.problem.cu_seqlens, N = g.problem.N;
        int64_t empty = 0, single = 0;
        for (int64_t n = 0; n < N; n++) {
            ck_assert_int_ge(cu[n + 1], cu[n]);
            empty += cu[n + 1] == cu[n];
            single += cu[n + 1] == cu[n] + 1;
        }
        ck_assert_int_eq(cu[0], 0);
        ck_assert_int_eq(cu[N], 131);
        ck_assert_int_eq(cu[N - 1], 131); /* the last is empty */
        ck_assert_int_ge(empty, 2);
        ck_assert_int_ge(single, 1);
        gla_generated_free(&g);
    }
}
END_TEST

START_TEST(test_tail_leaves_one_token) {
    gla_generated g = made("tail", test_seed());
    ck_assert_int_eq(g.problem.T % 64, 1);
    ck_assert_int_gt(g.problem.T, 64);
    gla_generated_free(&g);
}
END_TEST

/* ---- specs ---- */

START_TEST(test_bad_specs) {
    static const struct {
        gla_case_spec spec;
        gla_status status;
    } bad[] = {
        {{.family = "nonesuch"}, GLA_UNKNOWN_NAME},
        {{.family = NULL}, GLA_UNKNOWN_NAME},
        {{.family = "mild", .T = -1}, GLA_BAD_SHAPE},
        {{.family = "mild", .H = 3, .Hk = 2}, GLA_BAD_SHAPE},
        {{.family = "varlen", .B = 2}, GLA_BAD_SHAPE},
        {{.family = "mild", .T = 1 << 20, .H = 1 << 10, .dk = 2}, GLA_BAD_SHAPE},          /* q: 2^31 elements */
        {{.family = "half", .T = 1 << 16, .H = 1, .dk = 1, .dv = 1 << 15}, GLA_BAD_SHAPE}, /* v, after q k */
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        gla_generated g;
        gla_error err = {0};
        ck_assert_int_eq(gla_generate(&bad[i].spec, &g, &err), bad[i].status);
        ck_assert_int_eq(err.status, bad[i].status);
        for (int name = 0; name < GLA_INPUTS; name++) ck_assert_ptr_null(g.tensor[name]);
    }
}
END_TEST

START_TEST(test_name) {
    gla_generated g = made_with((gla_case_spec){.family = "reset", .H = 4, .Hk = 2, .backward = true, .seed = 7});
    ck_assert_str_eq(g.name, "reset-B1-T67-H4-Hk2-dk20-dv24-bf16-backward-seed7");
    gla_generated_free(&g);
}
END_TEST

START_TEST(test_random_shapes) {
    bool one = false, whole = false, over = false, packed = false, shared = false, reversed = false;
    for (uint64_t seed = 0; seed < 200; seed++) {
        gla_case_spec s = gla_random_shape("mild", seed, 16);
        ck_assert_int_ne(s.dk, s.dv);
        one = one || s.T == 1, whole = whole || s.T == 16, over = over || s.T == 17;
        packed = packed || s.varlen, shared = shared || s.Hk != s.H, reversed = reversed || s.reverse;
        if (seed % 10) continue;
        gla_generated g = made_with(s);
        ck_assert_int_eq(gla_problem_check(&g.problem, false, NULL), GLA_OK);
        gla_generated_free(&g);
    }
    ck_assert(one && whole && over && packed && shared && reversed);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("compare/cases");
    TCase *t = tcase_create("cases");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, test_family_table);
    tcase_add_loop_test(t, test_legal, 0, FAMILIES);
    tcase_add_loop_test(t, test_checksum, 0, FAMILIES);
    tcase_add_loop_test(t, test_seeds_differ, 0, FAMILIES);
    tcase_add_loop_test(t, test_values_are_of_the_dtype, 0, FAMILIES);
    tcase_add_test(t, test_gate_strengths);
    tcase_add_test(t, test_rare_gates);
    tcase_add_test(t, test_mixed_magnitudes);
    tcase_add_test(t, test_cancel_alternates);
    tcase_add_test(t, test_integers_are_integers);
    tcase_add_test(t, test_integers_are_exact);
    tcase_add_test(t, test_half_has_its_closed_form);
    tcase_add_test(t, test_impulse_writes_once);
    tcase_add_test(t, test_varlen_segments);
    tcase_add_test(t, test_tail_leaves_one_token);
    tcase_add_test(t, test_bad_specs);
    tcase_add_test(t, test_name);
    tcase_add_test(t, test_random_shapes);
    suite_add_tcase(s, t);
    return s;
}

int main(void) { return test_main(suite()); }
