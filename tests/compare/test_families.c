/* SPDX-License-Identifier: Apache-2.0
 *
 * Families and flags: each family is what it claims to be, every flag has a meaning and a use, data/bugs.md names only
 * flags and families that exist, and a right kernel fails no family.
 */
#include "../../compare/cases.h"
#include "../../compare/judge.h"
#include "../../compare/truth.h"
#include "../testing.h"

#include <float.h>
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

static gla_generated made(const char *family) {
    return made_with((gla_case_spec){.family = family, .backward = true, .seed = test_seed()});
}

/* ---- flags ---- */

static bool has_word(const char *text, const char *word) {
    char padded[300], wanted[80];
    snprintf(padded, sizeof padded, " %s ", text);
    snprintf(wanted, sizeof wanted, " %s ", word);
    return strstr(padded, wanted) != NULL;
}

/* Every flag comes from some family, or from this case, which has everything. */
START_TEST(every_flag_is_used) {
    gla_flag_text text;
    const gla_case_spec all = {.family = "edge",
                               .B = 2,
                               .T = 1,
                               .H = 4,
                               .Hk = 2,
                               .dk = 3,
                               .dv = 5,
                               .gv = true,
                               .initial_state = true,
                               .varlen = true,
                               .backward = true,
                               .reverse = true};
    gla_case_flags(&all, text);
    for (const gla_flag *f = gla_flags; f->name; f++) {
        bool used = has_word(text, f->name);
        for (const gla_family *x = gla_families; x->name; x++) used = used || has_word(x->flags, f->name);
        ck_assert_msg(used, "%s", f->name);
        ck_assert_ptr_eq(gla_flag_named(f->name), f);
        ck_assert_uint_gt(strlen(f->meaning), 4);
    }
    ck_assert_ptr_null(gla_flag_named("rese"));
    ck_assert_ptr_null(gla_flag_named(NULL));
}
END_TEST

static void expect_flags(const char *text) {
    char copy[300];
    int words = 0;
    snprintf(copy, sizeof copy, "%s", text);
    for (char *word = strtok(copy, " "); word; word = strtok(NULL, " "), words++)
        ck_assert_msg(gla_flag_named(word) != NULL, "'%s' is no flag", word);
    ck_assert_int_ge(words, 1);
}

START_TEST(every_family_has_flags) {
    for (const gla_family *f = gla_families; f->name; f++) expect_flags(f->flags);
}
END_TEST

START_TEST(flags_of_a_case) {
    gla_flag_text text;
    gla_generated g = made_with((gla_case_spec){.family = "reset", .T = 64, .H = 1, .dk = 8, .dv = 16});
    ck_assert_str_eq(gla_case_flags(&g.spec, text), "reset");
    gla_generated_free(&g);
    g = made_with((gla_case_spec){.family = "varlen", .H = 4, .Hk = 2, .dk = 8, .dv = 8, .reverse = true});
    ck_assert_str_eq(gla_case_flags(&g.spec, text), "packed empty-sequence partial-chunk heads shared-heads reverse");
    gla_generated_free(&g);
    g = made("final-only");
    ck_assert(has_word(gla_case_flags(&g.spec, text), "state-gradient"));
    gla_generated_free(&g);
}
END_TEST

/* In the table's first two columns after the reference: `flag`, ... in back quotes. */
START_TEST(bugs_name_what_exists) {
    FILE *from = fopen("data/bugs.md", "r");
    ck_assert_ptr_nonnull(from);
    char line[1000];
    int rows = 0, named = 0;
    while (fgets(line, sizeof line, from)) {
        if (line[0] != '|' || !strstr(line, "#")) continue;
        rows++;
        bool reached = strchr(line, '`') != NULL;
        ck_assert_msg(reached || strstr(line, "not reachable"), "neither a flag nor a reason: %s", line);
        for (char *at = strchr(line, '`'); at; at = strchr(at, '`'), named++) {
            char *word = at + 1, *end = strchr(word, '`');
            ck_assert_ptr_nonnull(end);
            *end = 0;
            ck_assert_msg(gla_flag_named(word) || gla_family_named(word), "'%s' is neither flag nor family", word);
            at = end + 1;
        }
    }
    fclose(from);
    ck_assert_int_ge(rows, 60);
    ck_assert_int_ge(named, 60);
}
END_TEST

/* ---- gates ---- */

/* Of the problem's gk. */
static double gate(const gla_generated *g, int64_t b, int64_t t, int64_t h, int64_t i) {
    const gla_tensor *x = &g->problem.gk;
    return x->at[b * x->stride[0] + t * x->stride[1] + h * x->stride[2] + i * x->stride[3]];
}

START_TEST(constant_gates) {
    gla_generated open = made("ungated"), pinned = made("pinned");
    for (int64_t i = 0; i < open.count[GLA_IN_GK]; i++) {
        ck_assert(open.tensor[GLA_IN_GK][i] == 0);
        ck_assert(pinned.tensor[GLA_IN_GK][i] == -5);
    }
    gla_generated_free(&open);
    gla_generated_free(&pinned);
}
END_TEST

/* By token: a chunk decays below every format but half of its tokens hardly do; 0 and -30 take turns. */
START_TEST(gates_by_token) {
    gla_generated stairs = made("staircase"), turns = made("alternate");
    double sum = 0;
    for (int64_t t = 0; t < 64; t++) {
        double x = gate(&stairs, 0, t, 1, 3);
        sum += x;
        ck_assert(t % 16 < 8 ? x == -20 : x > -1.001e-3 && x < 0);
        ck_assert(gate(&turns, 0, t, 2, 5) == (t % 2 ? -30 : 0));
    }
    ck_assert(sum < -640);
    gla_generated_free(&stairs);
    gla_generated_free(&turns);
}
END_TEST

START_TEST(gates_by_channel_and_head) {
    gla_generated channels = made("channels"), heads = made("heads");
    for (int64_t i = 0; i < 20; i++) {
        double x = gate(&channels, 0, 11, 1, i);
        ck_assert(i % 3 ? x > -1.001e-3 && x < 0 : x == -50);
    }
    double mean[5] = {0};
    for (int64_t h = 0; h < 5; h++)
        for (int64_t t = 0; t < 67; t++)
            for (int64_t i = 0; i < 20; i++) mean[h] += gate(&heads, 1, t, h, i);
    for (int h = 1; h < 5; h++) ck_assert(mean[h] / mean[h - 1] > 0.2 && mean[h] / mean[h - 1] < 0.3); /* 1/4 */
    ck_assert(heads.problem.B == 2 && heads.problem.k.heads == 5);
    gla_generated_free(&channels);
    gla_generated_free(&heads);
}
END_TEST

/* -0.1 FLT_MAX to the bit, in all channels of a token, and no sum over 64 tokens overflows binary32. */
START_TEST(masks_do_not_overflow) {
    gla_generated g = made("mask");
    int masked = 0;
    for (int64_t t = 0; t < 67; t++) {
        bool all = gate(&g, 0, t, 0, 0) == (double)(-0.1f * FLT_MAX);
        for (int64_t i = 0; i < 20; i++) ck_assert((gate(&g, 0, t, 2, i) == (double)(-0.1f * FLT_MAX)) == all);
        masked += all;
    }
    ck_assert(masked == 3 && 3 * 0.1 * 1.4427 < 1); /* in base 2 as well */
    gla_generated_free(&g);
}
END_TEST

START_TEST(walls_stand_at_borders) {
    gla_generated g = made("wall");
    static const int64_t at[] = {0, 15, 16, 31, 63, 64, 127, 128, 129};
    for (size_t n = 0; n < sizeof at / sizeof at[0]; n++)
        for (int64_t i = 0; i < 20; i++) ck_assert(gate(&g, 0, at[n], 1, i) == -INFINITY);
    ck_assert(g.problem.T == 130 && isfinite(gate(&g, 0, 1, 0, 0)) && isfinite(gate(&g, 0, 66, 0, 0)));
    gla_generated_free(&g);
}
END_TEST

START_TEST(narrow_gates) {
    gla_generated g = made("bf16-gates");
    for (int64_t i = 0; i < g.count[GLA_IN_GK]; i++) {
        double x = g.tensor[GLA_IN_GK][i];
        ck_assert(gla_round(&gla_bf16, GLA_RZ, x, 0) == x);
    }
    gla_generated_free(&g);
}
END_TEST

/* ---- operands ---- */

static double largest(const gla_generated *g, gla_input name, int64_t from, int64_t to) {
    double most = 0;
    for (int64_t i = from; i < to; i++) most = fmax(most, fabs(g->tensor[name][i]));
    return most;
}

static const gla_format *const dtypes[] = {&gla_bf16, &gla_f16, &gla_binary32_format, &gla_binary64_format,
                                           &gla_e4m3, &gla_e5m2};

START_TEST(keys_are_subnormal) {
    gla_generated g = made_with((gla_case_spec){.family = "subnormal", .T = 9, .dtype = dtypes[_i]});
    for (int64_t i = 0; i < g.count[GLA_IN_K]; i++) {
        double x = fabs(g.tensor[GLA_IN_K][i]);
        ck_assert(x > 0 && x < ldexp(1, dtypes[_i]->emin));
    }
    ck_assert(isfinite(largest(&g, GLA_IN_Q, 0, g.count[GLA_IN_Q])));
    gla_generated_free(&g);
}
END_TEST

START_TEST(keys_are_large_then_small) {
    gla_generated g = made("large-small");
    int64_t half = 32 * 3 * 20;
    ck_assert(largest(&g, GLA_IN_K, 0, half) > 0x1p26);
    ck_assert(largest(&g, GLA_IN_K, half, 2 * half) < 8);
    ck_assert(largest(&g, GLA_IN_V, 0, half) < 8);
    gla_generated_free(&g);
}
END_TEST

/* Nothing overflows in any dtype. */
START_TEST(all_finite) {
    for (const gla_family *f = gla_families; f->name; f++) {
        gla_generated g = made_with((gla_case_spec){
            .family = f->name, .dtype = dtypes[_i], .initial_state = true, .backward = true, .seed = test_seed()});
        for (int name = 0; name < GLA_INPUTS; name++)
            if (name != GLA_IN_GK)
                ck_assert_msg(isfinite(largest(&g, (gla_input)name, 0, g.count[name])), "%s", g.name);
        ck_assert(g.problem.scale >= 0 && isfinite(g.problem.scale));
        gla_generated_free(&g);
    }
}
END_TEST

START_TEST(states) {
    gla_generated large = made("large-state"), zero = made("zero-state"), last = made("final-only");
    ck_assert(largest(&large, GLA_IN_INITIAL_STATE, 0, large.count[GLA_IN_INITIAL_STATE]) > 0x1p30);
    ck_assert(largest(&large, GLA_IN_V, 0, large.count[GLA_IN_V]) < 8);
    ck_assert(zero.count[GLA_IN_INITIAL_STATE] > 0);
    ck_assert(largest(&zero, GLA_IN_INITIAL_STATE, 0, zero.count[GLA_IN_INITIAL_STATE]) == 0);
    ck_assert(!last.problem.d_o.at && last.problem.d_final_state.at);
    gla_generated_free(&large);
    gla_generated_free(&zero);
    gla_generated_free(&last);
}
END_TEST

START_TEST(scales) {
    gla_generated large = made("large-scale"), small = made("small-scale"), mild = made("mild");
    ck_assert(large.problem.scale == 0x1.4p40 && small.problem.scale == 0x1.4p-40 && mild.problem.scale == 0);
    gla_generated_free(&large);
    gla_generated_free(&small);
    gla_generated_free(&mild);
}
END_TEST

/* ---- shapes ---- */

START_TEST(shapes_by_seed) {
    static const int64_t T[] = {1, 63, 64, 65, 127, 128, 129};
    for (uint64_t seed = 0; seed < 7; seed++) {
        gla_generated edge = made_with((gla_case_spec){.family = "edge", .dk = 2, .dv = 3, .seed = seed});
        gla_generated odd = made_with((gla_case_spec){.family = "odd", .T = 2, .seed = seed});
        ck_assert_int_eq(edge.problem.T, T[seed]);
        ck_assert(odd.problem.dk % 2 == 1 && odd.problem.dv % 2 == 1 && odd.problem.dk != odd.problem.dv);
        gla_generated_free(&edge);
        gla_generated_free(&odd);
    }
}
END_TEST

START_TEST(most_sequences_are_empty) {
    gla_generated g = made("empties");
    const int64_t *cu = g.problem.cu_seqlens, N = g.problem.N;
    int64_t empty = 0;
    for (int64_t n = 0; n < N; n++) empty += cu[n + 1] == cu[n];
    ck_assert(empty > N / 2 && cu[1] == 0 && cu[N - 1] == cu[N] && g.problem.initial_state.at);
    gla_generated_free(&g);
}
END_TEST

/* The name is known without making the case, and no two cases of a family share one. */
START_TEST(names) {
    gla_case_spec spec = {.family = "final-only", .T = 9, .backward = true, .gv = true, .seed = 3};
    gla_generated g = made_with(spec);
    gla_case_label name;
    ck_assert_int_eq(gla_case_complete(&spec, name, NULL), GLA_OK);
    ck_assert_str_eq(name, g.name);
    ck_assert_str_eq(name, "final-only-B1-T9-H3-dk20-dv24-bf16-gv-backward-nodo-seed3");
    ck_assert(memcmp(&spec, &g.spec, sizeof spec) == 0);
    gla_generated_free(&g);
    spec.family = "nobody";
    gla_error err = {0};
    ck_assert_int_eq(gla_case_complete(&spec, name, &err), GLA_UNKNOWN_NAME);
    ck_assert_ptr_nonnull(strstr(err.hint, "mild"));
}
END_TEST

/* ---- a right kernel fails none ---- */

static gla_verdict verdict_of(const gla_generated *g, const char *form, const char *numbers, const char *profile,
                              const gla_format *dtype, gla_judgement *j) {
    gla_form f;
    gla_numbers *n;
    gla_result r;
    gla_error err = {0};
    gla_candidate c = {0};
    gla_truth truth;
    ck_assert_int_eq(gla_form_parse(form, &f, &err), GLA_OK);
    f.backward = true;
    ck_assert_int_eq(gla_numbers_open(numbers, &n, &err), GLA_OK);
    ck_assert_msg(gla_run(&g->problem, &f, n, &r, &err) == GLA_OK, "%s", err.what);
    double *value[GLA_OUTPUTS] = {NULL};
    for (int i = 0; i < GLA_OUTPUTS; i++) {
        if (!r.tensor[i].at) continue;
        value[i] = malloc((size_t)(r.tensor[i].count + 1) * sizeof(double));
        for (int64_t k = 0; k < r.tensor[i].count; k++)
            value[i][k] = gla_round(dtype, GLA_RN, gla_result_d(&r, (gla_output)i, k), 0);
        c.output[i].value = value[i];
        c.output[i].format = dtype;
    }
    const gla_truth_options how = {.backward = true, .close_enough = GLA_CLOSE_ENOUGH, .threads = 1};
    ck_assert_msg(gla_truth_compute(&g->problem, &how, &truth, &err) == GLA_OK, "%s", err.what);
    ck_assert_msg(gla_judge(&g->problem, &c, &truth, gla_profile_named(profile), 0, 1, j, &err) == GLA_OK, "%s",
                  err.what);
    gla_truth_free(&truth);
    for (int i = 0; i < GLA_OUTPUTS; i++) free(value[i]);
    gla_result_free(&r);
    gla_numbers_close(n);
    return j->verdict;
}

START_TEST(right_kernels_pass) {
    for (const gla_family *f = gla_families; f->name; f++) {
        gla_judgement j;
        gla_generated g = made_with((gla_case_spec){
            .family = f->name, .H = 2, .dk = 4, .dv = 3, .initial_state = true, .backward = true, .seed = test_seed()});
        gla_verdict got = verdict_of(&g, "recurrent+suffix", "binary32", "f32", &gla_binary32_format, &j);
        ck_assert_msg(got <= GLA_MARGINAL, "%s: %s", g.name, gla_verdict_names[got]);
        got = verdict_of(&g, "chunkwise:64:16+anchor", "mixed:bf16", "chunk-bf16", &gla_bf16, &j);
        ck_assert_msg(got <= GLA_MARGINAL, "%s in bf16: %s", g.name, gla_verdict_names[got]);
        gla_generated_free(&g);
    }
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("compare/families");
    TCase *t = tcase_create("families");
    tcase_set_timeout(t, 120);
    tcase_add_test(t, every_flag_is_used);
    tcase_add_test(t, every_family_has_flags);
    tcase_add_test(t, flags_of_a_case);
    tcase_add_test(t, bugs_name_what_exists);
    tcase_add_test(t, constant_gates);
    tcase_add_test(t, gates_by_token);
    tcase_add_test(t, gates_by_channel_and_head);
    tcase_add_test(t, masks_do_not_overflow);
    tcase_add_test(t, walls_stand_at_borders);
    tcase_add_test(t, narrow_gates);
    tcase_add_loop_test(t, keys_are_subnormal, 0, sizeof dtypes / sizeof dtypes[0]);
    tcase_add_test(t, keys_are_large_then_small);
    tcase_add_loop_test(t, all_finite, 0, sizeof dtypes / sizeof dtypes[0]);
    tcase_add_test(t, states);
    tcase_add_test(t, scales);
    tcase_add_test(t, shapes_by_seed);
    tcase_add_test(t, most_sequences_are_empty);
    tcase_add_test(t, names);
    tcase_add_test(t, right_kernels_pass);
    suite_add_tcase(s, t);
    return s;
}

int main(void) { return test_main(suite()); }
