/* SPDX-License-Identifier: Apache-2.0
 *
 * The recorder: its trace against one written by hand, its limit, and that it changes no number.
 */
#include "reference/number/error.h"
#include "reference/verbs.h"
#include "tests/reference/number/numbers_testing.h"

START_TEST(recorder_records_exactly_what_ran) {
    static const struct gla_event want[] = {
        {NULL, "set", -1, -1, 0.5, 0.5, 0, 0}, {"decay", "exp", 3, 0, 0, 0.5, 0, 0},
        {"decay", "mul", 3, 0, 2, 4, 0.5, 0},  {"write", "fma", 4, 1, 13, 2, 5, 3},
        {"write", "add", 4, 1, 5, 2, 3, 0},    {"write", "sub", 4, 1, -1, 2, 3, 0},
        {"write", "neg", 4, 1, -2, 2, 0, 0},   {"write", "div", 4, 1, 1.5, 3, 2, 0},
        {"write", "max", 4, 1, 3, 2, 3, 0},    {"write", "above", 4, 1, 0, 2, 3, 0},
        {"write", "log1p", 4, 1, 0, 0, 0, 0},  {"write", "fma", 4, 1, 13, 2, 5, 3},
        {"read", "set", 5, -1, 13, 13, 0, 0},  {"read", "site", 5, -1, 13, 13, (double)GLA_SITE_STATE, 0},
    };
    gla_numbers *n = opened("recorder:mpfr:80");
    ck_assert(n->size == sizeof(mpfr_t) && !n->ops->dot && !n->ops->axpy);
    ck_assert_str_eq(gla_recorder_inner(n)->name, "mpfr:80");
    struct four f = four(n, 2, 3, 4); /* 4 events */
    void *half = number(n, 0.5);      /* 1 */
    void *five = number(n, 5);        /* 1 */
    ck_assert_uint_eq(gla_recorder_trace(n).count, 6);
    n->verb = "decay", n->token = 3, n->chunk = 0;
    n->ops->exp(n, f.z, half);
    n->ops->mul(n, f.w, f.w, half); /* aliased: the event has the operand as it was */
    n->verb = "write", n->token = 4, n->chunk = 1;
    n->ops->fma(n, f.z, f.x, five, f.y);
    n->ops->add(n, f.z, f.x, f.y);
    n->ops->sub(n, f.z, f.x, f.y);
    n->ops->neg(n, f.z, f.x);
    n->ops->div(n, f.z, f.y, f.x);
    n->ops->max(n, f.z, f.x, f.y);
    n->ops->above(n, f.z, f.x, f.y);
    n->ops->log1p(n, f.z, f.z);
    n->ops->fma(n, f.x, f.x, five, f.y);
    n->verb = "read", n->token = 5, n->chunk = -1;
    n->ops->set(n, f.z, f.x);
    n->ops->site(n, GLA_SITE_STATE, f.z);
    n->ops->get_d(n, f.z); /* looking is not recorded */
    struct gla_trace trace = gla_recorder_trace(n);
    ck_assert_uint_eq(trace.count, 6 + 13);
    ck_assert_uint_eq(trace.dropped, 0);
    for (size_t i = 0; i < 14; i++) {
        const struct gla_event *got = &trace.events[i == 0 ? 4 : i + 5];
        ck_assert_pstr_eq(got->verb, want[i].verb);
        ck_assert_str_eq(got->op, want[i].op);
        ck_assert(got->token == want[i].token && got->chunk == want[i].chunk);
        ck_assert(got->x == want[i].x && got->y == want[i].y && got->w == want[i].w);
        ck_assert(got->result == (strcmp(want[i].op, "exp") == 0 ? exp_at(80, 0.5) : want[i].result));
    }
    forget(n, half);
    forget(n, five);
    four_free(f);
    gla_numbers_close(n);
}
END_TEST

/* 257 = 256 + 1 in parts of eight bits: one event, where there are parts. */
START_TEST(recorder_records_splits) {
    gla_numbers *n = opened("recorder:mixed:bf16"), *whole = opened("recorder:bf16");
    struct four f = four(n, 257, 0, 0);
    n->ops->split(n, GLA_SITE_SCORE, f.y, f.z, f.x);
    struct gla_trace trace = gla_recorder_trace(n);
    const struct gla_event *got = &trace.events[trace.count - 1];
    ck_assert(n->ops->get_d(n, f.y) == 256 && n->ops->get_d(n, f.z) == 1);
    ck_assert_str_eq(got->op, "split");
    ck_assert(got->x == 257 && got->result == 256 && got->y == (double)GLA_SITE_SCORE && got->w == 1);
    ck_assert_ptr_null(whole->ops->split);
    four_free(f);
    gla_numbers_close(n);
    gla_numbers_close(whole);
}
END_TEST

START_TEST(recorder_stops_at_its_limit) {
    gla_numbers *n = opened("recorder:binary64");
    gla_recorder_limit(n, 1500);
    struct four f = four(n, 2, 3, 4);
    for (int i = 0; i < 2000; i++) n->ops->add(n, f.z, f.x, f.y);
    struct gla_trace trace = gla_recorder_trace(n);
    ck_assert_uint_eq(trace.count, 1500);
    ck_assert_uint_eq(trace.dropped, 504);
    ck_assert_int_eq(n->status, GLA_OK);
    four_free(f);
    gla_numbers_close(n);
}
END_TEST

/* The recorder changes nothing: same numbers as the system inside, stochastic draws included. */
START_TEST(recorder_is_transparent) {
    static const char *const names[] = {"binary64", "binary32", "mpfr:90", "interval:90", "dual:90", "bf16/sr:5"};
    uint64_t state = test_seed() + 8;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char name[64];
        snprintf(name, sizeof name, "recorder:%s", names[i]);
        gla_numbers *n = opened(name), *inner = opened(names[i]);
        for (int trial = 0; trial < 200; trial++) {
            double x = any(&state), y = any(&state), w = any(&state), pair[2];
            for (int k = 0; k < 2; k++) {
                gla_numbers *system = k == 0 ? n : inner;
                struct four f = four(system, x, y, w);
                apply(system, (enum operation)(trial % OPERATIONS), f.z, f.x, f.y, f.w);
                pair[k] = system->ops->get_d(system, f.z);
                four_free(f);
            }
            ck_assert(same(pair[0], pair[1]));
        }
        gla_numbers_close(n);
        gla_numbers_close(inner);
    }
}
END_TEST

/* Where a dot product is more than a chain of fma (here: operands rounded, sums cut) it runs whole: the same numbers,
 * and one event for each. Where it is that chain, every fma is an event. */
static gla_matrix filled(gla_numbers *n, size_t rows, size_t cols, uint64_t *state) {
    gla_matrix m = gla_new(n, rows, cols);
    for (size_t i = 0; i < rows * cols; i++) n->ops->set_d(n, gla_at(m, 0, i), any(state));
    return m;
}

static size_t events_named(gla_numbers *n, const char *op) {
    struct gla_trace trace = gla_recorder_trace(n);
    size_t count = 0;
    for (size_t i = 0; i < trace.count; i++) count += strcmp(trace.events[i].op, op) == 0;
    return count;
}

static gla_numbers *emulator(void) {
    gla_error_model model = {.operand = gla_rounding_into(&gla_f16, true), .sum = {.u = 6.3e-7, .one_sided = true}};
    return gla_emulator_open(&model, 0);
}

static gla_numbers *error_numbers(void) {
    gla_error_model model = {.operand = gla_rounding_into(&gla_bf16, false), .sum = {.u = 0x1p-24, .p = 24}};
    return gla_error_open(&model);
}

static gla_numbers *mixed(void) { return opened("mixed:bf16"); }
static gla_numbers *binary64(void) { return opened("binary64"); }

START_TEST(recorder_runs_sums_whole) {
    static const struct {
        gla_numbers *(*open)(void);
        bool whole;
    } rows[] = {{emulator, true}, {error_numbers, true}, {mixed, true}, {binary64, false}};
    gla_numbers *plain = rows[_i].open(), *n = gla_recorder_open(rows[_i].open());
    double value[2][20];
    for (int k = 0; k < 2; k++) {
        uint64_t state = test_seed() + 9;
        gla_numbers *system = k ? n : plain;
        gla_matrix A = filled(system, 3, 40, &state), B = filled(system, 40, 5, &state);
        gla_matrix C = filled(system, 3, 5, &state), D = filled(system, 3, 40, &state), z = gla_new(system, 1, 3);
        gla_product(C, A, B);
        gla_row_dot(z, A, D);
        for (size_t i = 0; i < 15; i++) value[k][i] = system->ops->get_d(system, gla_at(C, 0, i));
        for (size_t i = 0; i < 3; i++) value[k][15 + i] = system->ops->get_d(system, gla_at(z, 0, i));
    }
    for (int i = 0; i < 18; i++) ck_assert(same(value[0][i], value[1][i]));
    ck_assert_uint_eq(events_named(n, "product"), rows[_i].whole ? 18 : 0);
    ck_assert_uint_eq(events_named(n, "fma"), rows[_i].whole ? 0 : 18 * 40);
    gla_numbers_close(n);
    gla_numbers_close(plain);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("recorder");
    TCase *all = tcase_create("all");
    tcase_set_timeout(all, 60);
    tcase_add_test(all, recorder_records_exactly_what_ran);
    tcase_add_test(all, recorder_records_splits);
    tcase_add_test(all, recorder_stops_at_its_limit);
    tcase_add_test(all, recorder_is_transparent);
    tcase_add_loop_test(all, recorder_runs_sums_whole, 0, 4);
    suite_add_tcase(s, all);
    return s;
}

int main(void) { return test_main(suite()); }
