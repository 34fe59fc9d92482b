/* SPDX-License-Identifier: Apache-2.0
 *
 * A recording is the run: its finals are gla_run's bits in every system and mechanism, its events the recorder's, its
 * truths certified; why adds up; and the cursor stops where the recorder's own numbers say it must.
 */
#include <float.h>
#include <math.h>
#include <string.h>

#include "../../compare/cases.h"
#include "../../compare/step.h"
#include "../../compare/truth.h"
#include "../../fast/hardware/hardware.h"
#include "../testing.h"

static gla_generated made;
static gla_recording r;

static void generate(gla_case_spec spec) {
    gla_error err = {0};
    spec.seed = test_seed();
    ck_assert_msg(gla_generate(&spec, &made, &err) == GLA_OK, "%s", err.what);
}

static gla_form form_of(const char *text, bool backward) {
    gla_form form;
    ck_assert(gla_form_parse(text, &form, NULL) == GLA_OK);
    form.backward = backward;
    return form;
}

static void record(const char *text, const char *numbers, bool backward) {
    gla_error err = {0};
    gla_form form = form_of(text, backward);
    gla_status status = gla_recording_make(&made.problem, &form, numbers, GLA_RECORDING_LIMIT, &r, &err);
    ck_assert_msg(status == GLA_OK, "%s in %s: %s", text, numbers, err.what);
}

static void forget(void) {
    gla_recording_free(&r);
    gla_generated_free(&made);
}

static int64_t count_of(gla_output name) {
    const int64_t *d = r.shape[name];
    return d[0] * d[1] * d[2] * d[3];
}

static gla_wide final_of(gla_output name, int64_t i) {
    int32_t event = r.final[name][i];
    return event < 0 ? (gla_wide){0, 0} : r.event[event].result;
}

/* ---- the recording is the run ---- */

static gla_wide plain_of(const gla_result *result, gla_output name, int64_t i, long precision) {
    mpfr_t x;
    mpfr_init2(x, precision < 53 ? 53 : precision);
    result->numbers->ops->get_mpfr(result->numbers, x, gla_result_at(result, name, i));
    gla_wide wide = gla_wide_of(x);
    mpfr_clear(x);
    return wide;
}

static void expect_run(const char *text, const char *numbers, bool backward) {
    gla_form form = form_of(text, backward);
    gla_numbers *n;
    gla_result result;
    ck_assert(gla_all_numbers_open(numbers, &n, NULL) == GLA_OK);
    ck_assert(gla_run(&made.problem, &form, n, &result, NULL) == GLA_OK);
    record(text, numbers, backward);
    for (int k = 0; k < GLA_OUTPUTS; k++) {
        ck_assert((result.tensor[k].at != NULL) == (r.final[k] != NULL));
        for (int64_t i = 0; i < result.tensor[k].count; i++)
            ck_assert_msg(gla_wide_same(plain_of(&result, (gla_output)k, i, r.precision), final_of((gla_output)k, i)),
                          "%s in %s: %s element %lld", text, numbers, gla_output_names[k], (long long)i);
    }
    ck_assert_msg(r.astray == 0, "%s in %s: %lld truths astray", text, numbers, (long long)r.astray);
    gla_result_free(&result);
    gla_numbers_close(n);
    gla_recording_free(&r);
}

static const char *const systems[] = {"binary64",   "binary32",   "bf16",     "f16/rz",         "e5m2",    "bf16/sr:7",
                                      "tf32/ro",    "mixed:bf16", "mpfr:90",  "interval:100",   "dual:80", "counter",
                                      "sm_90:bf16", "sm_90:f32",  "mpfr:300", "format:9:-40:40"};
enum { SYSTEMS = sizeof systems / sizeof *systems };

START_TEST(test_every_system) {
    generate((gla_case_spec){.family = "mild", .T = 7, .H = 2, .Hk = 1, .dk = 3, .dv = 2, .backward = true});
    expect_run("recurrent", systems[_i], true);
    expect_run("chunkwise:4:2", systems[_i], true);
    expect_run("chunkwise-centred:4:2+precise", systems[_i], false);
    gla_generated_free(&made);
}
END_TEST

static const char *mechanism_named(int i) { return gla_mechanisms[i]->name; }

static int mechanisms(void) {
    int count = 0;
    while (gla_mechanisms[count]) count++;
    return count;
}

START_TEST(test_every_mechanism) {
    static const char *const forms[] = {"recurrent", "parallel", "chunkwise:4:2", "recurrent+split:3"};
    gla_case_spec spec = {.family = "mild", .mechanism = mechanism_named(_i), .B = 2, .T = 7, .H = 2, .dk = 4, .dv = 2};
    spec.M = 3;
    spec.initial_state = spec.backward = true;
    generate(spec);
    int ran = 0;
    for (size_t f = 0; f < sizeof forms / sizeof *forms; f++) {
        gla_form form = form_of(forms[f], true);
        if (!gla_form_available(&made.problem, &form)) continue;
        expect_run(forms[f], "binary32", true);
        ran++;
    }
    ck_assert_int_ge(ran, 2);
    gla_generated_free(&made);
}
END_TEST

/* ---- event by event, as the recorder has it ---- */

static gla_numbers *recorded_in(const char *text, const char *numbers, bool backward) {
    char name[64];
    gla_form form = form_of(text, backward);
    gla_numbers *n;
    gla_result result;
    snprintf(name, sizeof name, "recorder:%s", numbers);
    ck_assert(gla_all_numbers_open(name, &n, NULL) == GLA_OK);
    ck_assert(gla_run(&made.problem, &form, n, &result, NULL) == GLA_OK);
    ck_assert_uint_eq(gla_recorder_trace(n).dropped, 0);
    gla_result_free(&result);
    return n;
}

static bool same(double x, double y) { return x == y || (isnan(x) && isnan(y)); }

static double operand(const gla_step_event *e, uint32_t i) {
    int32_t from = i < e->args ? r.arg[e->arg + i] : -1;
    return from < 0 ? 0 : gla_wide_d(r.event[from].result);
}

static void expect_event(size_t i, const struct gla_event *want) {
    const gla_step_event *e = &r.event[i];
    ck_assert_pstr_eq(e->verb, want->verb);
    ck_assert_str_eq(e->op, want->op);
    ck_assert(e->token == want->token && e->chunk == want->chunk);
    ck_assert_msg(same(gla_wide_d(e->result), want->result), "event %zu %s", i, e->op);
    if (e->site >= 0)
        ck_assert(e->site == (int)want->y);
    else if (strcmp(e->op, "product") == 0)
        ck_assert_msg((e->args - 1) / 2 == want->y, "event %zu", i);
    else if (e->args > 1)
        ck_assert(same(operand(e, 1), want->y) && same(operand(e, 2), want->w));
    if (e->args > 0) ck_assert(same(operand(e, 0), want->x));
}

START_TEST(test_events_are_the_recorders) {
    static const char *const forms[] = {"recurrent", "chunkwise:4:2", "chunkwise-factored:4", "parallel+suffix"};
    static const char *const names[] = {"binary32", "bf16/rz", "sm_90:bf16"};
    generate((gla_case_spec){.family = "reset", .T = 7, .H = 2, .Hk = 1, .dk = 3, .dv = 2, .backward = true});
    for (size_t s = 0; s < 3; s++) {
        gla_numbers *n = recorded_in(forms[_i], names[s], true);
        struct gla_trace trace = gla_recorder_trace(n);
        record(forms[_i], names[s], true);
        ck_assert_uint_eq(trace.count, r.count);
        for (size_t i = 0; i < r.count; i++) expect_event(i, &trace.events[i]);
        gla_recording_free(&r);
        gla_numbers_close(n);
    }
    gla_generated_free(&made);
}
END_TEST

/* ---- the truth ---- */

START_TEST(test_truths_are_certified) {
    static const char *const forms[] = {"recurrent", "chunkwise:4:2", "chunkwise-centred:4:2+precise", "parallel"};
    generate((gla_case_spec){.family = "strong", .T = 9, .H = 1, .dk = 3, .dv = 2, .backward = true});
    gla_truth truth;
    gla_truth_options o = {.backward = true};
    ck_assert(gla_truth_compute(&made.problem, &o, &truth, NULL) == GLA_OK);
    record(forms[_i], _i == 2 ? "sm_90:bf16" : "binary32", true);
    int64_t compared = 0;
    for (int k = 0; k < GLA_OUTPUTS; k++)
        for (int64_t i = 0; r.final[k] && i < count_of((gla_output)k); i++) {
            int32_t event = r.final[k][i];
            if (truth.tensor[k].certified[i] != 1 || event < 0) continue;
            compared++;
            double have = gla_wide_d(r.event[event].truth), want = truth.tensor[k].value[i];
            bool zero = want == 0 && fabs(have) < 0x1p-200; /* what 256 bits leave of a sum that cancels */
            ck_assert_msg(have == want || zero, "%s %lld: %a, not %a", gla_output_names[k], (long long)i, have, want);
        }
    ck_assert_int_gt(compared, 100);
    ck_assert_int_eq(r.astray, 0);
    gla_truth_free(&truth);
    forget();
}
END_TEST

/* dg of gates of -400 is below e^-400 = 2^-577, and the suffix sum's terms are of order 1: 256 bits are too few. */
START_TEST(test_more_bits_where_sums_cancel) {
    generate((gla_case_spec){.family = "pinned", .T = 5, .H = 1, .dk = 2, .dv = 2, .backward = true});
    for (int64_t i = 0; i < made.count[GLA_IN_GK]; i++) made.tensor[GLA_IN_GK][i] = -400;
    record("parallel+suffix", "binary64", true);
    ck_assert_int_eq(r.truth_bits, 4 * GLA_TRACE_BITS);
    ck_assert_int_eq(r.astray, 0);
    gla_recording_free(&r);
    record("recurrent", "binary64", true);
    ck_assert_int_eq(r.truth_bits, GLA_TRACE_BITS);
    forget();
}
END_TEST

/* Every element that a load names is the element of the tensor. */
START_TEST(test_loads_are_named) {
    gla_case_spec specs[] = {
        {.family = "mild", .B = 2, .T = 5, .H = 4, .Hk = 2, .dk = 3, .dv = 2, .initial_state = true},
        {.family = "mild", .T = 40, .H = 2, .dk = 2, .dv = 2, .varlen = true, .reverse = true},
        {.family = "mild", .mechanism = "rwkv6", .B = 2, .T = 4, .H = 2, .dk = 3, .dv = 2}};
    generate(specs[_i]);
    record("recurrent", "binary64", false);
    size_t named = 0;
    for (size_t i = 0; i < r.count; i++) {
        const gla_step_event *e = &r.event[i];
        int64_t at[4], shape[4];
        if (e->input < 0) continue;
        ck_assert(gla_recording_loaded(&r, e, at));
        named++;
        gla_input_shape(&r.problem, (gla_input)e->input, shape);
        int64_t index = ((at[0] * shape[1] + at[1]) * shape[2] + at[2]) * shape[3] + at[3];
        ck_assert_msg(gla_wide_d(e->result) == made.tensor[e->input][index], "%s", gla_input_names[e->input]);
    }
    ck_assert_uint_gt(named, 100);
    forget();
}
END_TEST

/* ---- why ---- */

static void add_wide(mpfr_t sum, mpfr_t size, gla_wide x) {
    mpfr_t y;
    mpfr_init2(y, 53);
    gla_wide_mpfr(y, x);
    mpfr_add(sum, sum, y, MPFR_RNDN);
    mpfr_abs(y, y, MPFR_RNDN);
    mpfr_add(size, size, y, MPFR_RNDN);
    mpfr_clear(y);
}

/* sum of parts = whole, up to half an ulp of 53 bits of each part and of the whole. */
static void expect_sum(mpfr_t sum, mpfr_t size, gla_wide whole, const char *what, size_t event) {
    gla_wide minus = {-whole.m, whole.e};
    add_wide(sum, size, minus);
    mpfr_mul_2si(size, size, -53, MPFR_RNDU);
    mpfr_abs(sum, sum, MPFR_RNDN);
    ck_assert_msg(mpfr_lessequal_p(sum, size), "%s of event %zu %s does not add up", what, event, r.event[event].op);
}

/* size += |x y|. */
static void add_product(mpfr_t size, gla_wide x, gla_wide y) {
    gla_wide product = {x.m * y.m, x.e + y.e};
    mpfr_t ignored;
    mpfr_init2(ignored, 53);
    mpfr_set_zero(ignored, 1);
    add_wide(ignored, size, product);
    mpfr_clear(ignored);
}

static void expect_adds_up(size_t event) {
    gla_why w;
    mpfr_t value, size, error, error_size;
    const gla_step_event *e = &r.event[event];
    ck_assert(gla_why_of(&r, event, &w, NULL) == GLA_OK);
    mpfr_inits2(4000, value, size, error, error_size, (mpfr_ptr)0);
    mpfr_set_zero(value, 1), mpfr_set_zero(size, 1), mpfr_set_zero(error, 1), mpfr_set_zero(error_size, 1);
    for (size_t i = 0; i < w.terms; i++) {
        const gla_why_term *t = &w.term[i];
        if (t->x != -2) {
            add_wide(value, size, t->value);
            add_wide(error, error_size, t->inherited);
        }
        if (t->x >= 0 && t->y >= 0) { /* x dy + y dx, whose parts may cancel: they are known to 53 bits */
            add_product(error_size, r.event[t->x].result, r.event[t->y].error);
            add_product(error_size, r.event[t->y].result, r.event[t->x].error);
        }
        add_wide(value, size, w.term[i].lost);
        add_wide(error, error_size, w.term[i].lost);
    }
    if (w.sum) {
        expect_sum(value, size, e->result, "the value", event);
        expect_sum(error, error_size, e->error, "the error", event);
    }
    mpfr_clears(value, size, error, error_size, (mpfr_ptr)0);
    gla_why_free(&w);
}

START_TEST(test_why_adds_up) {
    static const char *const names[] = {"binary32", "bf16", "sm_90:bf16", "e5m2/rz"};
    generate((gla_case_spec){.family = "mild", .T = 7, .H = 2, .Hk = 1, .dk = 3, .dv = 2, .backward = true});
    record(_i % 2 ? "chunkwise-centred:4:2+precise" : "recurrent", names[_i], true);
    size_t sums = 0;
    for (size_t i = 0; i < r.count; i++) {
        if (!isfinite(r.event[i].error.m)) continue;
        sums += r.event[i].args > 0;
        expect_adds_up(i);
    }
    ck_assert_uint_gt(sums, 500);
    forget();
}
END_TEST

/* o of the recurrence is a sum of dk terms, q_i S_ij, and the site where it is stored. */
START_TEST(test_why_of_an_output) {
    generate((gla_case_spec){.family = "mild", .T = 5, .H = 1, .dk = 4, .dv = 2});
    record("recurrent", "binary32", false);
    gla_why w;
    ck_assert(gla_why_of(&r, (size_t)r.final[GLA_O][9], &w, NULL) == GLA_OK);
    ck_assert(w.sum);
    ck_assert_uint_eq(w.terms, 4);
    for (size_t i = 0; i < 4; i++) {
        uint32_t slot;
        int64_t state = (int64_t)i * 2 + 1; /* S[i,1], after the last token */
        ck_assert(gla_recording_slot(&r, GLA_FINAL_STATE, state, &slot));
        ck_assert_uint_eq(r.event[w.term[i].y].slot, slot);
        ck_assert_int_eq(gla_recording_now(&r, GLA_FINAL_STATE, state, (size_t)w.term[i].by), w.term[i].y);
    }
    gla_why_free(&w);
    forget();
}
END_TEST

/* ---- the cursor ---- */

static void make_strong(const char *form) {
    generate((gla_case_spec){.family = "strong", .T = 12, .H = 1, .dk = 3, .dv = 2});
    record(form, "binary32", false);
}

START_TEST(test_back_is_the_inverse) {
    make_strong("chunkwise:4:2");
    gla_step s = {.r = &r};
    for (size_t at = 0; at <= r.count; at += 37)
        for (int64_t n = 1; n < 200; n += 66) {
            s.at = at;
            int64_t went = gla_step_by(&s, n);
            ck_assert(went == n || s.at == r.count);
            ck_assert(gla_step_by(&s, -went) == -went && s.at == at);
        }
    ck_assert(gla_step_by(&s, INT64_MAX) >= 0 && s.at == r.count);
    ck_assert(gla_step_by(&s, INT64_MIN) <= 0 && s.at == 0);
    size_t end[4096], groups = 0;
    while (gla_step_group(&s, false) && groups < 4096) end[groups++] = s.at;
    ck_assert(groups > 20 && groups < 4096 && end[groups - 1] == r.count);
    while (groups-- > 0) {
        ck_assert_uint_eq(s.at, end[groups]);
        ck_assert(gla_step_group(&s, true));
    }
    ck_assert(s.at == 0 && !gla_step_group(&s, true));
    forget();
}
END_TEST

/* Beside the recording, the same formulation by two recorders: in binary32 and in MPFR. */
static struct gla_trace got, want;
static gla_numbers *in[2];

static void open_both(const char *form) {
    in[0] = recorded_in(form, "binary32", false);
    in[1] = recorded_in(form, "mpfr:256", false);
    got = gla_recorder_trace(in[0]);
    want = gla_recorder_trace(in[1]);
    ck_assert_uint_eq(got.count, want.count);
}

static void close_both(void) {
    gla_numbers_close(in[0]);
    gla_numbers_close(in[1]);
}

static bool is_wrong(gla_break_kind kind, double limit, size_t i) {
    double x = got.events[i].result, t = want.events[i].result;
    if (kind == GLA_BREAK_NONFINITE) return !isfinite(x) && isfinite(t);
    if (kind == GLA_BREAK_FLIP) return x != (double)(float)t;
    if (kind == GLA_BREAK_BITS) return x != t && log2(fabs(t)) - log2(fabs(x - t)) < limit;
    double ulp = exp2(fmax(floor(log2(fabs(t))), -126) - 23);
    return fabs(x - t) / ulp > limit;
}

/* The truth as binary64 is rounded twice, and log2 once more: near a limit this computation is not sure. */
static bool is_sure(gla_break_kind kind, double limit, size_t i) {
    double t = want.events[i].result;
    if (kind == GLA_BREAK_NONFINITE || t == 0) return true;
    if (kind == GLA_BREAK_FLIP) return fabs(fabs(t - (double)(float)t) / exp2(ilogb(t) - 24) - 1) > 1e-6;
    return is_wrong(kind, limit * (1 - 1e-6), i) == is_wrong(kind, limit * (1 + 1e-6), i);
}

/* Wrong at event i and at none of its operands; -1 where this is not sure. */
static int begins(const gla_breakpoint *b, size_t i) {
    const gla_step_event *e = &r.event[i];
    bool sure = is_sure(b->kind, b->limit, i), inherited = false;
    for (uint32_t k = 0; k < e->args; k++) {
        int32_t from = r.arg[e->arg + k];
        if (from < 0) continue;
        sure = sure && is_sure(b->kind, b->limit, (size_t)from);
        inherited = inherited || is_wrong(b->kind, b->limit, (size_t)from);
    }
    return !sure ? -1 : is_wrong(b->kind, b->limit, i) && !inherited;
}

START_TEST(test_stops_where_the_recorders_say) {
    static const gla_breakpoint points[] = {{.kind = GLA_BREAK_FLIP, .limit = -1},
                                            {.kind = GLA_BREAK_ULPS, .limit = 1.3},
                                            {.kind = GLA_BREAK_ULPS, .limit = 3.3},
                                            {.kind = GLA_BREAK_BITS, .limit = 21.5},
                                            {.kind = GLA_BREAK_NONFINITE, .limit = -1}};
    const char *form = _i == 4 ? "chunkwise-factored:12" : "recurrent";
    gla_case_spec spec = {.family = "mild", .T = 40, .H = 1, .dk = 4, .dv = 3};
    if (_i == 4) spec.family = "strong";
    generate(spec);
    if (_i == 4)
        for (int64_t i = 0; i < made.count[GLA_IN_GK]; i++) made.tensor[GLA_IN_GK][i] = -8;
    record(form, "binary32", false);
    open_both(form);
    gla_step s = {.r = &r, .stop = {points[_i]}, .stops = 1};
    size_t first = 0;
    for (; first < got.count; first++) {
        bool sure = is_sure(points[_i].kind, points[_i].limit, first);
        if (sure ? is_wrong(points[_i].kind, points[_i].limit, first) : gla_break_met(&r, &points[_i], first)) break;
    }
    ck_assert_uint_lt(first, got.count);
    ck_assert_int_eq(gla_step_continue(&s, false), 0);
    ck_assert_uint_eq(s.at, first + 1);
    for (size_t i = 0; i < r.count; i++)
        ck_assert_msg(begins(&points[_i], i) < 0 || begins(&points[_i], i) == gla_break_met(&r, &points[_i], i),
                      "event %zu", i);
    /* Onward and back over the same stops. */
    size_t stop[64] = {s.at}, stops = 1;
    while (stops < 64 && gla_step_continue(&s, false) == 0) stop[stops++] = s.at;
    ck_assert_uint_gt(stops, 1);
    for (size_t i = s.at == stop[stops - 1] ? stops - 1 : stops; i-- > 0;) {
        ck_assert_int_eq(gla_step_continue(&s, true), 0);
        ck_assert_uint_eq(s.at, stop[i]);
    }
    ck_assert_int_eq(gla_step_continue(&s, true), -1);
    ck_assert_uint_eq(s.at, 0);
    close_both();
    forget();
}
END_TEST

START_TEST(test_stops_at_places) {
    make_strong("recurrent");
    gla_step s = {.r = &r, .stop = {{.kind = GLA_BREAK_TOKEN, .limit = -1}}, .stops = 1};
    for (int64_t t = 0; t < 12; t++) {
        ck_assert_int_eq(gla_step_continue(&s, false), 0);
        ck_assert_int_eq(r.event[s.at - 1].token, t);
        ck_assert(r.event[s.at - 2].token != t);
    }
    ck_assert_int_eq(gla_step_continue(&s, false), -1);
    s.at = 0;
    ck_assert(gla_step_to(&s, &(gla_breakpoint){.kind = GLA_BREAK_TOKEN, .limit = 7}));
    ck_assert_int_eq(r.event[s.at - 1].token, 7);
    ck_assert(gla_step_to(&s, &(gla_breakpoint){.kind = GLA_BREAK_VERB, .limit = -1, .verb = "write"}));
    ck_assert_str_eq(r.event[s.at - 1].verb, "write");
    size_t at = s.at;
    ck_assert(!gla_step_to(&s, &(gla_breakpoint){.kind = GLA_BREAK_TOKEN, .limit = 7}) && s.at == at);
    gla_recording_free(&r);
    record("chunkwise:4:2", "binary32", false);
    s = (gla_step){.r = &r, .stop = {{.kind = GLA_BREAK_CHUNK, .limit = 2}}, .stops = 1};
    ck_assert_int_eq(gla_step_continue(&s, false), 0);
    ck_assert(r.event[s.at - 1].chunk == 2 && r.event[s.at - 2].chunk == 1);
    forget();
}
END_TEST

/* Gates of -6 in a chunk of 16: the factored form takes e^(6 (t+1)) of its keys, which leaves binary32 (88.72) at
 * t = 14; rows of o before it stay finite and row 14 does not. The recurrence and the safe chunk keep every element
 * within the a-priori bound of recurrent.c, (2T + dk + 3) u of its terms' magnitudes. */
START_TEST(test_factored_chunk_breaks_at_the_predicted_row) {
    generate((gla_case_spec){.family = "pinned", .T = 16, .H = 1, .dk = 4, .dv = 4});
    for (int64_t i = 0; i < made.count[GLA_IN_GK]; i++) made.tensor[GLA_IN_GK][i] = -6;
    const int64_t row = (int64_t)ceil(log((double)FLT_MAX) / 6) - 1;
    ck_assert_int_eq(row, 14);
    record("chunkwise-factored:16", "binary32", false);
    gla_step s = {.r = &r, .stop = {{.kind = GLA_BREAK_NONFINITE, .limit = -1}}, .stops = 1};
    ck_assert_int_eq(gla_step_continue(&s, false), 0);
    const gla_step_event *e = &r.event[s.at - 1];
    ck_assert_str_eq(e->op, "exp");
    ck_assert(operand(e, 0) == 6 * (double)(row + 1));
    gla_why w; /* that argument is minus a sum of row + 1 gates */
    int32_t sum = r.arg[r.event[r.arg[e->arg]].arg];
    ck_assert(gla_why_of(&r, (size_t)sum, &w, NULL) == GLA_OK);
    ck_assert_uint_eq(w.terms, (size_t)row + 1);
    gla_why_free(&w);
    bool broken = false;
    for (int64_t i = 0; i < count_of(GLA_O); i++) {
        bool nonfinite = gla_event_nonfinite(&r.event[r.final[GLA_O][i]]);
        ck_assert(!nonfinite || i / 4 >= row);
        broken |= nonfinite && i / 4 == row;
    }
    ck_assert(broken);
    gla_recording_free(&r);
    static const char *const sound[] = {"recurrent", "chunkwise:16:4"};
    gla_truth truth;
    gla_truth_options options = {.backward = false};
    ck_assert(gla_truth_compute(&made.problem, &options, &truth, NULL) == GLA_OK);
    for (int f = 0; f < 2; f++) {
        record(sound[f], "binary32", false);
        for (int64_t i = 0; i < count_of(GLA_O); i++) {
            double error = gla_wide_d(r.event[r.final[GLA_O][i]].error);
            ck_assert(fabs(error) <= (2 * 16 + 4 + 3) * 0x1p-24 * truth.tensor[GLA_O].magnitude[i]);
        }
        gla_recording_free(&r);
    }
    gla_truth_free(&truth);
    gla_generated_free(&made);
}
END_TEST

/* ---- refusals ---- */

START_TEST(test_refusals) {
    gla_error err = {0};
    gla_form form = form_of("recurrent", false);
    generate((gla_case_spec){.family = "mild", .T = 12, .H = 1, .dk = 3, .dv = 2});
    record("recurrent", "binary32", false);
    size_t count = r.count;
    gla_recording_free(&r);
    ck_assert(gla_recording_make(&made.problem, &form, "binary32", count, &r, &err) == GLA_OK);
    gla_recording_free(&r);
    ck_assert(gla_recording_make(&made.problem, &form, "binary32", count - 1, &r, &err) == GLA_BAD_SHAPE);
    ck_assert(strstr(err.hint, "--tokens") && strstr(err.hint, "shrink"));
    gla_recording_free(&r);
    ck_assert(gla_recording_make(&made.problem, &form, "recorder:bf16", count, &r, &err) == GLA_UNSUPPORTED);
    gla_recording_free(&r);
    ck_assert(gla_recording_make(&made.problem, &form, "nothing", count, &r, &err) == GLA_UNKNOWN_NAME);
    forget();
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("trace");
    TCase *c = tcase_create("trace");
    tcase_set_timeout(c, 60);
    tcase_add_loop_test(c, test_every_system, 0, SYSTEMS);
    tcase_add_loop_test(c, test_every_mechanism, 0, mechanisms());
    tcase_add_loop_test(c, test_events_are_the_recorders, 0, 4);
    tcase_add_loop_test(c, test_truths_are_certified, 0, 4);
    tcase_add_test(c, test_more_bits_where_sums_cancel);
    tcase_add_loop_test(c, test_loads_are_named, 0, 3);
    tcase_add_loop_test(c, test_why_adds_up, 0, 4);
    tcase_add_test(c, test_why_of_an_output);
    tcase_add_test(c, test_back_is_the_inverse);
    tcase_add_loop_test(c, test_stops_where_the_recorders_say, 0, 5);
    tcase_add_test(c, test_stops_at_places);
    tcase_add_test(c, test_factored_chunk_breaks_at_the_predicted_row);
    tcase_add_test(c, test_refusals);
    suite_add_tcase(s, c);
    return s;
}

int main(void) { return test_main(suite()); }
