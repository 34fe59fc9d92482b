/* SPDX-License-Identifier: Apache-2.0
 *
 * The names of formulations: parsing, printing, refusing; and routes that a formulation does not
 * have.
 */
#include "gated/problems.h"

START_TEST(form_fields) {
    gla_form f = form_named("chunkwise:64:16+anchor", false);
    ck_assert(f.kind == GLA_CHUNKWISE && f.C == 64 && f.c == 16 && f.route == GLA_ROUTE_ANCHOR && !f.materialised);
    f = form_named("chunkwise", false);
    ck_assert(f.kind == GLA_CHUNKWISE && f.C == 64 && f.c == 16 && f.route == GLA_ROUTE_DEFAULT && !f.backward);
    f = form_named("chunkwise-factored:128+materialised+suffix", false);
    ck_assert(f.kind == GLA_CHUNKWISE_FACTORED && f.C == 128 && f.materialised && f.route == GLA_ROUTE_SUFFIX);
    f = form_named("chunkwise-paired", false);
    ck_assert(f.kind == GLA_CHUNKWISE_PAIRED && f.C == 64 && f.limit == 76 && f.route == GLA_ROUTE_DEFAULT);
    f = form_named("chunkwise-paired:32:0+split:96", false);
    ck_assert(f.kind == GLA_CHUNKWISE_PAIRED && f.C == 32 && f.limit == 0 && f.split == 96);
    f = form_named("chunkwise-paired:64:11+precise+split:64+anchor", false);
    ck_assert(f.kind == GLA_CHUNKWISE_PAIRED && f.limit == 11 && f.precise && f.split == 64);
    ck_assert(!form_named("chunkwise-centred", false).precise &&
              form_named("chunkwise-centred+precise", false).precise);
    f = form_named("recurrent+direct", false);
    ck_assert(f.kind == GLA_RECURRENT && f.route == GLA_ROUTE_DIRECT);
    f = form_named("chunkwise:32:8+ut-blocked+straddle", false);
    ck_assert(f.kind == GLA_CHUNKWISE && f.C == 32 && f.solver == GLA_UT_BLOCKED && f.route == GLA_ROUTE_STRADDLE);
    f = form_named("chunkwise+bounded+ut", false);
    ck_assert(f.bounded && f.solver == GLA_UT && !f.precise);
    f = form_named("chunkwise-paired+precise", false);
    ck_assert(f.precise && f.solver == GLA_SOLVE && !f.bounded);
    ck_assert_int_eq(form_named("parallel+ut-product", false).solver, GLA_UT_PRODUCT);
    ck_assert_int_eq(form_named("parallel", false).kind, GLA_PARALLEL);
    ck_assert_int_eq(form_named("parallel-naive", false).kind, GLA_PARALLEL_NAIVE);
}
END_TEST

START_TEST(form_round_trip) {
    for (int kind = 0; kind < GLA_FORMULATIONS; kind++)
        for (int route = 0; route < GLA_ROUTES; route++)
            for (int stored = 0; stored < 2; stored++) {
                char text[100], again[100];
                gla_form form = form_named(gla_formulation_names[kind], false), back;
                bool parts = kind == GLA_CHUNKWISE || kind == GLA_CHUNKWISE_CENTRED;
                bool paired = kind == GLA_CHUNKWISE_PAIRED, chunked = parts || paired || kind == GLA_CHUNKWISE_FACTORED;
                form.route = (gla_gate_route)route;
                form.materialised = stored && (kind == GLA_CHUNKWISE || kind == GLA_CHUNKWISE_FACTORED);
                if (chunked) form.C = 48;
                if (parts) form.c = 5;
                if (paired) form.limit = 11;
                form.split = route % 2 ? 96 : 0;
                form.solver = kind == GLA_RECURRENT ? GLA_SOLVE : (gla_solver)(route % GLA_SOLVERS);
                form.bounded = stored && kind == GLA_CHUNKWISE;
                form.precise = stored && (kind == GLA_CHUNKWISE_CENTRED || paired);
                gla_form_print(&form, text, sizeof text);
                if (!gla_route_available(form.kind, form.route)) continue;
                ck_assert_msg(gla_form_parse(text, &back, NULL) == GLA_OK, "%s", text);
                ck_assert_msg(back.kind == form.kind && back.route == form.route &&
                                  back.materialised == form.materialised && back.split == form.split &&
                                  back.solver == form.solver && back.bounded == form.bounded &&
                                  back.precise == form.precise,
                              "%s", text);
                if (chunked) ck_assert_int_eq(back.C, 48);
                if (parts) ck_assert_int_eq(back.c, 5);
                if (paired) ck_assert_int_eq(back.limit, 11);
                gla_form_print(&back, again, sizeof again);
                ck_assert_str_eq(text, again);
            }
}
END_TEST

START_TEST(form_print_keeps_within_size) {
    gla_form form = form_named("chunkwise:64:16+straddle", false);
    for (size_t size = 1; size < 40; size++) {
        char text[64];
        memset(text, '#', sizeof text);
        gla_form_print(&form, text, size);
        ck_assert(memchr(text, 0, size) != NULL);
        ck_assert_int_eq(text[size], '#');
    }
}
END_TEST

static const char *const bad_forms[] = {"",
                                        "chunk",
                                        "Recurrent",
                                        "recurrent ",
                                        " recurrent",
                                        "recurrent:4",
                                        "parallel:",
                                        "chunkwise:",
                                        "chunkwise:0",
                                        "chunkwise:-3",
                                        "chunkwise:4x",
                                        "chunkwise:4:0",
                                        "chunkwise:4:5",
                                        "chunkwise:4:",
                                        "chunkwise:4:2:1",
                                        "chunkwise+",
                                        "chunkwise+fast",
                                        "chunkwise:1e3",
                                        "chunkwise-paired:0",
                                        "chunkwise-paired:8:-1",
                                        "chunkwise-paired:8:",
                                        "chunkwise-paired:8:76:1",
                                        "chunkwise-paired+materialised",
                                        "chunkwise-paired:64+split:96",
                                        "chunkwise:99999999999999999999",
                                        "parallel-naive:2",
                                        "recurrent+ut",
                                        "parallel+bounded",
                                        "chunkwise-factored+bounded",
                                        "chunkwise+precise",
                                        "chunkwise+UT",
                                        "recurrent+"};

START_TEST(form_refused) {
    gla_form form;
    gla_error err = {0};
    ck_assert_msg(gla_form_parse(bad_forms[_i], &form, &err) != GLA_OK, "'%s' was taken", bad_forms[_i]);
    ck_assert_int_ne(err.status, GLA_OK);
    ck_assert(err.what[0] != 0);
    ck_assert_int_ne(gla_form_parse(bad_forms[_i], &form, NULL), GLA_OK);
}
END_TEST

/* A route that a formulation does not have is refused by gla_run, not run as another one. */
START_TEST(route_refused) {
    test_problem x;
    problem_golden(&x, true);
    int refused = 0;
    for (int kind = 0; kind < GLA_FORMULATIONS; kind++)
        for (int route = 0; route < GLA_ROUTES; route++) {
            if (gla_route_available((gla_formulation)kind, (gla_gate_route)route)) continue;
            gla_form form = form_named(gla_formulation_names[kind], true);
            form.route = (gla_gate_route)route;
            gla_numbers *numbers;
            gla_result result = {0};
            gla_error err = {0};
            ck_assert_int_eq(gla_numbers_open("binary64", &numbers, &err), GLA_OK);
            ck_assert_int_eq(gla_run(&x.p, &form, numbers, &result, &err), GLA_UNSUPPORTED);
            ck_assert(strstr(err.what, gla_route_names[route]) != NULL);
            gla_result_free(&result);
            gla_numbers_close(numbers);
            refused++;
        }
    ck_assert(!gla_route_available(GLA_PARALLEL, GLA_ROUTE_DIRECT));
    ck_assert(!gla_route_available(GLA_CHUNKWISE, GLA_ROUTE_DIRECT));
    ck_assert(!gla_route_available(GLA_RECURRENT, GLA_ROUTE_ANCHOR));
    ck_assert(!gla_route_available(GLA_PARALLEL, GLA_ROUTE_ANCHOR));
    ck_assert_int_gt(refused, 0);
    problem_free(&x);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("form");
    TCase *f = tcase_create("form");
    tcase_set_timeout(f, 30);
    tcase_add_test(f, form_fields);
    tcase_add_test(f, form_round_trip);
    tcase_add_test(f, form_print_keeps_within_size);
    tcase_add_loop_test(f, form_refused, 0, sizeof bad_forms / sizeof *bad_forms);
    tcase_add_test(f, route_refused);
    suite_add_tcase(s, f);
    return s;
}

int main(void) { return test_main(suite()); }
