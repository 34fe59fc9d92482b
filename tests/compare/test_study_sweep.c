/* SPDX-License-Identifier: Apache-2.0
 *
 * Sweeps: the grid's arithmetic, figures in texts, every sweep's data well formed, what each is there to show at sizes
 * that take seconds, and the rows in tutorials/studies are those that this program measures.
 */
#include "../../compare/cli_study_rows.h"
#include "../../compare/study_sweep.h"
#include "../testing.h"

#include <math.h>
#include <string.h>

/* ---- a sweep made by hand ---- */

static gla_status measure_hand(const gla_sweep *s, gla_sweep_place where, uint64_t seed, gla_sweep_row *rows,
                               gla_error *err) {
    for (size_t i = 0; i < gla_sweep_along(s); i++) rows[i].figure[0] = (double)(10 * where.at[0] + i);
    return GLA_OK;
}

static const gla_sweep hand = {.name = "hand",
                               .axis = {{"a", "", {"x", "y@z"}}, {"b", "", {"1", "2^3", "inf"}}},
                               .figure = {{"error", ""}, {"other", ""}},
                               .measure = measure_hand};

START_TEST(test_grid) {
    ck_assert_int_eq(gla_sweep_axes(&hand), 2);
    ck_assert_int_eq(gla_sweep_figures(&hand), 2);
    ck_assert_uint_eq(gla_sweep_points(&hand), 2);
    ck_assert_uint_eq(gla_sweep_rows(&hand), 6);
    gla_sweep_place where = gla_sweep_row_at(&hand, 4);
    ck_assert(where.at[0] == 1 && where.at[1] == 1);
    ck_assert_str_eq(gla_sweep_text(&hand, where, 1), "2^3");
    ck_assert(gla_sweep_number("2^3") == 8 && gla_sweep_number("2^-4") == 0.0625 && gla_sweep_number("22.6") == 22.6);
    ck_assert(isinf(gla_sweep_number("inf")));
    ck_assert_str_eq(gla_sweep_behind("y@z"), "z");
    for (const gla_sweep *const *s = gla_sweeps; *s; s++)
        for (size_t row = 0; row < gla_sweep_rows(*s); row++) {
            gla_sweep_place at = gla_sweep_row_at(*s, row);
            size_t back = 0;
            for (int i = 0; i < gla_sweep_axes(*s); i++) back = back * gla_sweep_values(&(*s)->axis[i]) + at.at[i];
            ck_assert_uint_eq(back, row);
        }
}
END_TEST

START_TEST(test_shards_share_every_point_once) {
    for (size_t shards = 1; shards < 7; shards++) {
        size_t of[8] = {0};
        for (size_t p = 0; p < 20; p++) of[gla_sweep_shard_of(p, shards)]++;
        size_t sum = 0;
        for (size_t i = 1; i <= shards; i++) {
            sum += of[i];
            ck_assert(of[i] >= 20 / shards && of[i] <= 20 / shards + 1);
        }
        ck_assert_uint_eq(sum, 20);
    }
}
END_TEST

static void expect_filled(const char *text, const gla_sweep_row *rows, const char *want) {
    gla_error err = {0};
    char *got = gla_sweep_fill(&hand, text, rows, &err);
    if (want)
        ck_assert_msg(got && strcmp(got, want) == 0, "'%s' became '%s' (%s)", text, got ? got : "nothing", err.what);
    else
        ck_assert_msg(!got && strstr(err.what, "names no figure"), "'%s' became '%s'", text, got ? got : err.what);
    free(got);
}

START_TEST(test_figures_in_text) {
    gla_sweep_row rows[6] = {{{1}}, {{2}}, {{3}}, {{10.1234}}, {{NAN}}, {{INFINITY}}};
    rows[2].figure[1] = -7;
    expect_filled("no figure", rows, "no figure");
    expect_filled("is [error a=x b=2^3].", rows, "is 2.");
    expect_filled("[error b=1 a=y@z], [other a=x b=inf]", rows, "10.1, -7");
    expect_filled("[max error] [min error] [max error a=x]", rows, "10.1 1 3");
    expect_filled("[error a=y@z b=inf]", rows, "inf");
    expect_filled("[error a=x]", rows, NULL); /* three rows */
    expect_filled("[error a=w b=1]", rows, NULL);
    expect_filled("[error c=1]", rows, NULL);
    expect_filled("[none a=x b=1]", rows, NULL);
    expect_filled("[max error a=y@z b=inf]", rows, NULL); /* nothing finite */
    expect_filled("[max]", rows, NULL);
    expect_filled("[]", rows, NULL);
    expect_filled("[error a=x b=1", rows, NULL);
}
END_TEST

/* ---- every sweep ---- */

/* What is quoted by gnuplot, CSV and Markdown tables alike. */
static void expect_plain(const char *text, const char *forbidden) {
    ck_assert_msg(text && *text && !strpbrk(text, forbidden), "text '%s'", text ? text : "NULL");
}

static void expect_axis(const gla_sweep *s, int axis) {
    const gla_sweep_axis *a = &s->axis[axis];
    expect_plain(a->name, ",'\"| []=\\");
    expect_plain(a->what, "'\"|\\");
    for (size_t i = 0; a->value[i]; i++) {
        expect_plain(a->value[i], ",'\"| []=\\");
        for (size_t j = 0; j < i; j++) ck_assert_str_ne(a->value[i], a->value[j]);
    }
    ck_assert_uint_ge(gla_sweep_values(a), 2);
}

START_TEST(test_sweeps_are_well_formed) {
    for (const gla_sweep *const *p = gla_sweeps; *p; p++) {
        const gla_sweep *s = *p;
        ck_assert_ptr_eq(gla_sweep_named(s->name), s);
        expect_plain(s->what, "'\"\\");
        ck_assert_int_ge(gla_sweep_axes(s), 2);
        ck_assert_int_ge(gla_sweep_figures(s), 1);
        for (int i = 0; i < gla_sweep_axes(s); i++) expect_axis(s, i);
        for (int f = 0; f < gla_sweep_figures(s); f++) {
            expect_plain(s->figure[f].name, ",'\"| []=\\");
            expect_plain(s->figure[f].what, "'\"\\");
        }
        ck_assert_int_lt(s->plot.panel, gla_sweep_axes(s));
        ck_assert(s->plot.line != s->plot.x && s->plot.line != s->plot.panel && s->plot.x != s->plot.panel);
        ck_assert_int_lt(s->plot.measured, gla_sweep_figures(s));
        ck_assert_int_lt(s->plot.predicted, gla_sweep_figures(s));
        ck_assert(s->question[0] && s->method[0] && s->limits[0]);
        /* all axes but three are drawn: with another, a line would mix its values */
        ck_assert_int_eq(gla_sweep_axes(s), s->plot.panel < 0 ? 2 : 3);
    }
    ck_assert_ptr_null(gla_sweep_named("nonsense"));
}
END_TEST

START_TEST(test_findings_name_figures_that_are_there) {
    for (const gla_sweep *const *s = gla_sweeps; *s; s++) {
        gla_sweep_row *rows = calloc(gla_sweep_rows(*s), sizeof *rows);
        gla_error err = {0};
        char *text = gla_sweep_fill(*s, (*s)->finding, rows, &err);
        ck_assert_msg(text && !strchr(text, '[') && strlen(text) > 200, "%s: %s", (*s)->name, err.what);
        free(text);
        free(rows);
    }
}
END_TEST

/* ---- what they show ---- */

/* The rows at the place with the given values, on all axes but the last; the last axis cut to `along` values (0:
 * whole).
 */
static void rows_at(const gla_sweep *whole, size_t along, const char *first, const char *second, gla_sweep_row *rows) {
    gla_sweep s = *whole;
    gla_error err = {0};
    const char *wanted[] = {first, second};
    gla_sweep_place where = {{0}};
    if (along) s.axis[gla_sweep_axes(&s) - 1].value[along] = NULL;
    for (int i = 0; i < gla_sweep_axes(&s) - 1; i++)
        while (strcmp(gla_sweep_text(&s, where, i), wanted[i]) != 0) where.at[i]++;
    gla_status status = s.measure(&s, where, test_seed(), rows, &err);
    ck_assert_msg(status == GLA_OK, "%s: %s", s.name, err.what);
}

/* ln|k| / (C gate) away from the prediction, |k| of the last key's largest channel: from e^-1 to e^1.8. */
START_TEST(test_overflow_strikes_where_predicted) {
    static const char *const kernels[] = {"factored@binary32", "factored@mixed:bf16", "factored@sm_90:bf16",
                                          "factored@mixed:f16"};
    static const double range[] = {88.72, 88.72, 88.72, 11.09};
    gla_sweep_row rows[32];
    rows_at(&gla_study_overflow, 0, kernels[_i], "16", rows);
    double predicted = rows[0].figure[1], first = rows[0].figure[2];
    ck_assert_msg(fabs(predicted * 16 - range[_i]) < 0.01, "predicted %g", predicted);
    ck_assert_msg(first > predicted - 1.8 / 16 && first < predicted + 1.0 / 16, "%g, predicted %g", first, predicted);
    for (size_t i = 0; i < gla_sweep_along(&gla_study_overflow); i++) {
        double gate = gla_sweep_number(gla_study_overflow.axis[2].value[i]);
        ck_assert_msg(isfinite(rows[i].figure[0]) == (gate < first), "gate %g: error %g", gate, rows[i].figure[0]);
    }
}
END_TEST

START_TEST(test_sub_chunks_do_not_overflow) {
    gla_sweep_row rows[32];
    rows_at(&gla_study_overflow, 0, "chunkwise@binary32", "128", rows);
    ck_assert(isinf(rows[0].figure[1]) && isinf(rows[0].figure[2]));
    for (size_t i = 0; i < gla_sweep_along(&gla_study_overflow); i++)
        ck_assert_msg(rows[i].figure[0] < 1e-5, "%g", rows[i].figure[0]);
}
END_TEST

/* 256 tokens of 16 outputs from 256 states: the rms of what is random is known to a few per cent. */
START_TEST(test_state_error_is_predicted) {
    static const char *const formats[] = {"binary32", "f16", "bf16"};
    gla_sweep_row rows[32];
    rows_at(&gla_study_state_format, 5, "16", formats[_i], rows);
    double ratio = rows[4].figure[0] / rows[4].figure[1];
    ck_assert_msg(ratio > 0.8 && ratio < 1.25, "%s: %g of what is predicted", formats[_i], ratio);
}
END_TEST

/* A sum of n terms of 2/pi and more in bf16 stops where a term is half a step: at 2^8 of them or so. */
START_TEST(test_rounding_to_nearest_stands_still) {
    gla_sweep_row nearest[32], stochastic[32], cut[32];
    rows_at(&gla_study_stochastic, 7, "positive@bf16", "nearest", nearest);
    rows_at(&gla_study_stochastic, 7, "positive@bf16", "stochastic", stochastic);
    rows_at(&gla_study_stochastic, 7, "positive@bf16", "toward-zero", cut);
    ck_assert_msg(nearest[6].figure[0] > 0.2 && nearest[6].figure[1] < -0.2, "nearest %g", nearest[6].figure[0]);
    ck_assert_msg(stochastic[6].figure[0] < 0.05, "stochastic %g", stochastic[6].figure[0]);
    ck_assert_msg(fabs(stochastic[6].figure[1]) < stochastic[6].figure[0], "bias %g", stochastic[6].figure[1]);
    ck_assert_msg(cut[6].figure[1] < nearest[6].figure[1], "toward zero %g", cut[6].figure[1]);
}
END_TEST

/* e^(-1/1024) is 1 in bf16: T = 4096 tokens are all remembered where 1024 should be. f16 holds that decay. */
START_TEST(test_bf16_does_not_forget) {
    gla_sweep_row bf16[32], f16[32], wide[32];
    rows_at(&gla_study_growth, 9, "1024", "bf16", bf16);
    rows_at(&gla_study_growth, 9, "1024", "f16", f16);
    rows_at(&gla_study_growth, 9, "1024", "binary32", wide);
    ck_assert_msg(bf16[8].figure[0] > 0.4, "bf16 %g", bf16[8].figure[0]);
    ck_assert_msg(f16[8].figure[0] < 0.15, "f16 %g", f16[8].figure[0]);
    ck_assert_msg(wide[8].figure[0] < 1e-5 && wide[8].figure[0] > 0, "binary32 %g", wide[8].figure[0]);
}
END_TEST

START_TEST(test_exponentials) {
    gla_sweep_row ex2[32], expf_[32], right[32];
    rows_at(&gla_study_exponential, 0, "sm_90:f32/ex2", NULL, ex2);
    rows_at(&gla_study_exponential, 0, "sm_90:f32/expf", NULL, expf_);
    rows_at(&gla_study_exponential, 0, "binary32", NULL, right);
    size_t last = gla_sweep_along(&gla_study_exponential) - 1;
    for (size_t i = 0; i <= last; i++) {
        ck_assert_msg(ex2[i].figure[0] <= ex2[i].figure[2], "ex2 %g of %g", ex2[i].figure[0], ex2[i].figure[2]);
        ck_assert_msg(right[i].figure[0] <= 1, "half an ulp is at most 1 in 2^-24: %g", right[i].figure[0]);
        ck_assert_msg(expf_[i].figure[0] <= 4, "expf, documented at 2 ulp: %g", expf_[i].figure[0]);
    }
    ck_assert_msg(ex2[last].figure[0] > 10 * expf_[last].figure[0], "ex2 %g", ex2[last].figure[0]);
}
END_TEST

/* Truncation errs always the same way: relative to the sum as n, where rounding errs as its root at most. */
START_TEST(test_orders_of_a_sum) {
    gla_sweep_row chain[32], pairs[32], core[32], narrow[32];
    rows_at(&gla_study_accumulation, 5, "positive", "ascending@binary32", chain);
    rows_at(&gla_study_accumulation, 5, "positive", "pairwise@binary32", pairs);
    rows_at(&gla_study_accumulation, 5, "positive", "ascending@sm_90:bf16", core);
    rows_at(&gla_study_accumulation, 5, "positive", "ascending@bf16", narrow);
    ck_assert_msg(pairs[4].figure[0] < chain[4].figure[0] / 3, "%g and %g", pairs[4].figure[0], chain[4].figure[0]);
    ck_assert_msg(core[4].figure[0] > 2 * chain[4].figure[0], "%g and %g", core[4].figure[0], chain[4].figure[0]);
    ck_assert_msg(narrow[4].figure[0] > 0.05, "%g", narrow[4].figure[0]);
}
END_TEST

START_TEST(test_operand_types_keep_their_order) {
    gla_sweep_row tf32[32], f16[32], bf16[32];
    rows_at(&gla_study_operands, 0, "sm_90:tf32", "2^4", tf32);
    rows_at(&gla_study_operands, 0, "sm_90:f16", "2^4", f16);
    rows_at(&gla_study_operands, 0, "sm_90:bf16", "2^4", bf16);
    for (size_t i = 0; i < gla_sweep_along(&gla_study_operands); i++) {
        ck_assert_msg(f16[i].figure[0] < tf32[i].figure[0] && tf32[i].figure[0] < bf16[i].figure[0], "%g %g %g",
                      f16[i].figure[0], tf32[i].figure[0], bf16[i].figure[0]);
        ck_assert_msg(bf16[i].figure[0] < 0x1p-7, "%g", bf16[i].figure[0]);
    }
}
END_TEST

START_TEST(test_chunk_sizes) {
    gla_sweep_row small[32], large[32];
    rows_at(&gla_study_chunk_size, 0, "1@sm_90:tf32", "4", small);
    rows_at(&gla_study_chunk_size, 0, "1@sm_90:tf32", "64", large);
    ck_assert_msg(small[3].figure[1] > 2 * large[3].figure[1], "dq %g and %g", small[3].figure[1], large[3].figure[1]);
    ck_assert_msg(isnan(large[0].figure[0]) && isnan(large[2].figure[2]), "c > C");
    ck_assert_msg(fabs(log(small[3].figure[0] / large[3].figure[0])) < 0.1, "o %g", small[3].figure[0]);
}
END_TEST

/* ---- tutorials/studies ---- */

/* How much of the last axis is measured again: its rows do not depend on how far it goes. 0: all. */
static size_t cut_of(const gla_sweep *s) {
    if (s == &gla_study_growth) return 8;
    return s == &gla_study_state_format || s == &gla_study_stochastic ? 6 : 0;
}

static void expect_same_point(const cli_rows *kept, size_t point) {
    gla_sweep s = *kept->sweep;
    size_t whole = gla_sweep_along(&s), cut = cut_of(kept->sweep), along = cut ? cut : whole;
    gla_sweep_row rows[GLA_SWEEP_VALUES];
    gla_error err = {0};
    s.axis[gla_sweep_axes(&s) - 1].value[along] = NULL;
    gla_status status = s.measure(&s, gla_sweep_point_at(kept->sweep, point), kept->seed, rows, &err);
    ck_assert_msg(status == GLA_OK, "%s: %s", s.name, err.what);
    for (size_t i = 0; i < along; i++) {
        cli_rows_as_printed(&rows[i]);
        for (int f = 0; f < gla_sweep_figures(&s); f++) {
            double was = kept->row[point * whole + i].figure[f], is = rows[i].figure[f];
            ck_assert_msg(was == is || (isnan(was) && isnan(is)), "%s, row %zu, %s: %g, now %g (make studies)", s.name,
                          point * whole + i, s.figure[f].name, was, is);
        }
    }
}

/* Points that take seconds each are left to test_long(). */
static size_t cheap_points(const gla_sweep *s) {
    return s == &gla_study_gate_gradient ? gla_sweep_points(s) / 4 : gla_sweep_points(s);
}

/* A third of the points of every study. */
START_TEST(test_rows_are_current) {
    const gla_sweep *s = gla_sweeps[_i];
    char path[96];
    gla_error err = {0};
    cli_rows head, kept;
    const char *end;
    snprintf(path, sizeof path, "tutorials/studies/%s.csv", s->name);
    char *text = cli_rows_text(path, &err);
    ck_assert_msg(text && cli_rows_read_head(text, &head, &end), "%s: not this version's (make studies) %s", path,
                  err.what);
    ck_assert(head.sweep == s && head.shards == 1);
    ck_assert_int_eq(cli_rows_new(s, head.seed, 1, 1, &kept, &err), GLA_OK);
    ck_assert_msg(*cli_rows_read(&kept, end) == 0 && cli_rows_next(&kept, 0) == gla_sweep_points(s),
                  "%s: not whole (make studies)", path);
    size_t points = test_long() ? gla_sweep_points(s) : cheap_points(s);
    for (size_t p = 0; p < points; p += test_long() ? 1 : 3) expect_same_point(&kept, p);
    cli_rows_free(&kept);
    free(text);
}
END_TEST

static int sweeps(void) {
    int count = 0;
    while (gla_sweeps[count]) count++;
    return count;
}

static Suite *suite(void) {
    Suite *s = suite_create("compare/study_sweep");
    TCase *t = tcase_create("sweeps");
    tcase_set_timeout(t, 120);
    tcase_add_test(t, test_grid);
    tcase_add_test(t, test_shards_share_every_point_once);
    tcase_add_test(t, test_figures_in_text);
    tcase_add_test(t, test_sweeps_are_well_formed);
    tcase_add_test(t, test_findings_name_figures_that_are_there);
    tcase_add_loop_test(t, test_overflow_strikes_where_predicted, 0, 4);
    tcase_add_test(t, test_sub_chunks_do_not_overflow);
    tcase_add_loop_test(t, test_state_error_is_predicted, 0, 3);
    tcase_add_test(t, test_rounding_to_nearest_stands_still);
    tcase_add_test(t, test_bf16_does_not_forget);
    tcase_add_test(t, test_exponentials);
    tcase_add_test(t, test_orders_of_a_sum);
    tcase_add_test(t, test_operand_types_keep_their_order);
    tcase_add_test(t, test_chunk_sizes);
    tcase_add_loop_test(t, test_rows_are_current, 0, sweeps());
    suite_add_tcase(s, t);
    return s;
}

int main(void) { return test_main(suite()); }
