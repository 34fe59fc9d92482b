/* SPDX-License-Identifier: Apache-2.0
 *
 * GPUs as number systems: names, arithmetic, products against the tensor core's own dot. Whole formulations, bit by
 * bit: test_hardware_replay.c; what judges say of them: test_hardware_runs.c.
 */
#include "fast/hardware/hardware.h"
#include "fast/hardware/gpu_exp.h"
#include "fast/hardware/hardware_name.h"
#include "fast/hardware/tensor_core.h"
#include "reference/number/format.h"
#include "reference/verbs.h"
#include "tests/fast/hardware/hardware_testing.h"

/* ---- names ---- */

START_TEST(names_open) {
    static const char *const names[] = {"sm_90:bf16",
                                        "sm_90:f16",
                                        "sm_90:tf32",
                                        "sm_90:f32",
                                        "sm_90:e4m3",
                                        "sm_90:e5m2",
                                        "sm_80:bf16",
                                        "sm_80:tf32/expf",
                                        "sm_90:bf16/ex2",
                                        "sm_90:bf16/triton",
                                        "sm_90:bf16/poly",
                                        "sm_80:f32/poly",
                                        "recorder:sm_90:f16/expf"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        gla_numbers *n = hardware_opened(names[i]);
        ck_assert_str_eq(n->name, names[i]);
        gla_numbers_close(n);
    }
    gla_numbers_close(hardware_opened("binary64"));
    gla_numbers_close(hardware_opened("recorder:bf16/rz"));
}
END_TEST

START_TEST(names_refused) {
    static const struct {
        const char *name, *listed;
    } names[] = {{"sm_90", "sm_80"},
                 {"sm_90:", "bf16"},
                 {"sm_91:bf16", "sm_90"},
                 {"sm_90:bf17", "bf16"},
                 {"sm_90:bf16/", "triton"},
                 {"sm_90:bf16/exp", "expf"},
                 {"sm_90:bf16 ", "tf32"},
                 {"sm_90:bf16/ex2/", "poly"},
                 {"sm_80:e4m3", "bf16"},
                 {"sm_90:f64", "f32"},
                 {"recorder:sm_9:f32", "sm_90"},
                 {"SM_90:bf16", "ARCH:TYPE[/EXP]"},
                 {"hopper", "ARCH:TYPE[/EXP]"},
                 {"mixed:sm_90:bf16", "mixed:FORMAT"}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        gla_numbers *n = (gla_numbers *)&names;
        gla_error err = {0};
        ck_assert_msg(gla_all_numbers_open(names[i].name, &n, &err) == GLA_UNKNOWN_NAME, "'%s' opened", names[i].name);
        ck_assert_ptr_null(n);
        ck_assert_msg(strstr(err.what, names[i].listed) != NULL, "'%s': %s", names[i].name, err.what);
    }
    gla_numbers *n;
    ck_assert_int_eq(gla_all_numbers_open(NULL, &n, NULL), GLA_UNKNOWN_NAME);
    ck_assert_int_eq(gla_numbers_open("sm_90:bf16", &n, NULL), GLA_UNKNOWN_NAME);
}
END_TEST

/* ---- arithmetic ---- */

static float random_float(uint64_t *state) { return float_of((uint32_t)next(state)); }

static uint32_t canonical_word(float x) { return isnan(x) ? 0x7fffffff : word_of(x); }

/* Any bit patterns: every result is IEEE's, and NaN has one pattern. result_of tries every aliasing. */
START_TEST(operations_are_binary32) {
    uint64_t state = test_seed() + 40;
    gla_numbers *n = hardware_opened(_i ? "sm_90:bf16/expf" : "sm_80:f32/expf");
    for (int trial = 0; trial < 20000; trial++) {
        float x = random_float(&state), y = random_float(&state), w = random_float(&state), z;
        n->ops->add(n, &z, &x, &y);
        ck_assert_uint_eq(word_at(&z), canonical_word(x + y));
        n->ops->sub(n, &z, &x, &y);
        ck_assert_uint_eq(word_at(&z), canonical_word(x - y));
        n->ops->mul(n, &z, &x, &y);
        ck_assert_uint_eq(word_at(&z), canonical_word(x * y));
        n->ops->fma(n, &z, &x, &y, &w);
        ck_assert_uint_eq(word_at(&z), canonical_word(fmaf(x, y, w)));
        n->ops->axpy(n, &w, 0, &x, &y, 0, 1);
        ck_assert_uint_eq(word_at(&w), word_at(&z));
        n->ops->div(n, &z, &x, &y);
        ck_assert_uint_eq(word_at(&z), canonical_word(x / y));
        n->ops->max(n, &z, &x, &y);
        float larger = isnan(x) || isnan(y) ? NAN : x > y || (x == y && !signbit(x)) ? x : y;
        ck_assert_uint_eq(word_at(&z), canonical_word(larger));
        n->ops->above(n, &z, &x, &y);
        ck_assert_uint_eq(word_at(&z), canonical_word(x > y ? 1 : 0));
        if (trial % 20 == 0) {
            n->ops->log1p(n, &z, &x);
            ck_assert_uint_eq(word_at(&z),
                              canonical_word((float)gla_round_log1p(&gla_binary32_format, GLA_RN, (double)x, 0)));
            n->ops->expm1(n, &z, &x);
            ck_assert_uint_eq(word_at(&z),
                              canonical_word((float)gla_round_expm1(&gla_binary32_format, GLA_RN, (double)x, 0)));
            n->ops->sin(n, &z, &x);
            ck_assert_uint_eq(word_at(&z),
                              canonical_word((float)gla_round_sin(&gla_binary32_format, GLA_RN, (double)x, 0)));
            n->ops->cos(n, &z, &x);
            ck_assert_uint_eq(word_at(&z),
                              canonical_word((float)gla_round_cos(&gla_binary32_format, GLA_RN, (double)x, 0)));
        }
        n->ops->neg(n, &z, &x);
        ck_assert_uint_eq(word_at(&z), canonical_word(-x));
        n->ops->exp(n, &z, &x);
        ck_assert_uint_eq(word_at(&z), canonical_word(gla_gpu_expf(x)));
        result_of(n, (enum operation)(trial % OPERATIONS), (double)x, (double)y, (double)w);
    }
    gla_numbers_close(n);
}
END_TEST

/* Taken apart, with all parts but OUTPUT, quotients, logarithms, e^x - 1, sines and comparisons are the same; without
 * BINARY32 they are binary64's. */
START_TEST(parts_have_quotients_and_comparisons) {
    uint64_t state = test_seed() + 43;
    gla_numbers *whole = hardware_opened("sm_90:bf16"), *apart, *wide;
    uint32_t parts = GLA_HARDWARE_WHOLE & ~(UINT32_C(1) << GLA_SITE_OUTPUT);
    ck_assert_int_eq(gla_hardware_parts_open("sm_90:bf16", parts, &apart, NULL), GLA_OK);
    ck_assert_int_eq(
        gla_hardware_parts_open("sm_90:bf16", parts & ~(UINT32_C(1) << GLA_HARDWARE_BINARY32), &wide, NULL), GLA_OK);
    for (int trial = 0; trial < 2000; trial++) {
        double x = (double)(float)any(&state), y = (double)(float)any(&state);
        static const enum operation operations[] = {DIV, MAX, ABOVE, LOG1P, EXPM1, SIN, COS};
        for (int i = 0; i < 7; i++) {
            double first = operations[i] == LOG1P ? fabs(x) : x;
            ck_assert(same(result_of(apart, operations[i], first, y, 0), result_of(whole, operations[i], first, y, 0)));
        }
        ck_assert(same(result_of(wide, DIV, x, y, 0), x / y));
        ck_assert(same(result_of(wide, LOG1P, fabs(x), y, 0), log1p_at(53, fabs(x))));
        ck_assert(same(result_of(wide, EXPM1, x, y, 0), gla_round_expm1(&gla_binary64_format, GLA_RN, x, 0)));
        ck_assert(same(result_of(wide, SIN, x, y, 0), gla_round_sin(&gla_binary64_format, GLA_RN, x, 0)));
        ck_assert(same(result_of(wide, COS, x, y, 0), gla_round_cos(&gla_binary64_format, GLA_RN, x, 0)));
    }
    gla_numbers_close(whole);
    gla_numbers_close(apart);
    gla_numbers_close(wide);
}
END_TEST

START_TEST(exponentials_are_the_chosen_ones) {
    static const struct {
        const char *name;
        float (*exp)(float);
    } rows[] = {{"sm_90:bf16", gla_gpu_exp_fast},
                {"sm_90:bf16/ex2", gla_gpu_exp_fast},
                {"sm_90:bf16/expf", gla_gpu_expf},
                {"sm_90:bf16/triton", gla_gpu_exp_triton},
                {"sm_90:bf16/poly", gla_gpu_exp_poly}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        gla_numbers *n = hardware_opened(rows[i].name);
        for (float x = -20; x <= 1; x += 0.037f) {
            float z;
            n->ops->exp(n, &z, &x);
            ck_assert_uint_eq(word_of(z), word_of(rows[i].exp(x)));
        }
        const float reset = -INFINITY, none = 0;
        float z;
        n->ops->exp(n, &z, &reset);
        ck_assert_uint_eq(word_of(z), 0);
        n->ops->exp(n, &z, &none);
        ck_assert(z == 1);
        gla_numbers_close(n);
    }
}
END_TEST

/* Against format.c: every word in 4001, all of them in the long version. */
START_TEST(operands_are_rounded_to_nearest_even) {
    static const gla_format *const formats[] = {&gla_bf16, &gla_f16};
    const gla_format *f = formats[_i];
    uint32_t step = test_long() ? 1 : 4001;
    for (uint64_t w = 0; w <= UINT32_MAX; w += step) {
        float x = float_of((uint32_t)w), y = gla_hardware_round(f, x);
        uint32_t want = canonical_word((float)gla_round(f, GLA_RN, (double)x, 0));
        if (word_of(y) != want) ck_abort_msg("%s of %08x is %08x, not %08x", f->name, (unsigned)w, word_of(y), want);
    }
}
END_TEST

START_TEST(eight_bits_saturate) {
    static const struct {
        const char *name;
        float x, want;
    } rows[] = {{"sm_90:e4m3", 460, 448},    {"sm_90:e4m3", -INFINITY, -448}, {"sm_90:e5m2", 61440, 57344},
                {"sm_90:e5m2", 1e9f, 57344}, {"sm_90:e4m3", 17.1f, 18},       {"sm_90:e5m2", 0x1p-17f, 0}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        gla_numbers *n = hardware_opened(rows[i].name);
        float x = rows[i].x;
        n->ops->site(n, GLA_SITE_SCORE, &x);
        ck_assert_msg(x == rows[i].want, "%s: %g gives %g", rows[i].name, (double)rows[i].x, (double)x);
        gla_numbers_close(n);
    }
}
END_TEST

START_TEST(only_operand_sites_round) {
    gla_numbers *n = hardware_opened("sm_90:bf16"), *none = hardware_opened("sm_90:f32");
    ck_assert_ptr_null(none->ops->site);
    ck_assert_ptr_null(none->ops->product);
    for (int s = 0; s < GLA_SITES; s++) {
        float x = 1 + 0x1p-20f;
        bool operand = s == GLA_SITE_Q_DECAYED || s == GLA_SITE_K_DECAYED || s == GLA_SITE_V_DECAYED ||
                       s == GLA_SITE_STATE_READ || s == GLA_SITE_SCORE || s == GLA_SITE_DSTATE_READ ||
                       s == GLA_SITE_DSCORE;
        n->ops->site(n, (gla_site)s, &x);
        ck_assert_msg((x == 1) == operand, "%s", gla_site_names[s]);
    }
    gla_numbers_close(n);
    gla_numbers_close(none);
}
END_TEST

/* ---- products ---- */

static const char *const tensor_cores[] = {"sm_90:bf16", "sm_90:f16",  "sm_90:tf32", "sm_90:e4m3",
                                           "sm_90:e5m2", "sm_80:bf16", "sm_80:f16",  "sm_80:tf32"};
enum { TENSOR_CORES = sizeof tensor_cores / sizeof *tensor_cores };

/* An operand as gla_mma_dot takes it: rounded by format.c, encoded. */
static uint32_t operand_word(const char *type, float x) {
    if (strcmp(type, "tf32") == 0) return word_of(x);
    gla_format f = *gla_format_named(type);
    f.overflow = f.bits == 8 ? GLA_OVERFLOW_SATURATE : f.overflow;
    return gla_encode(&f, gla_round(&f, GLA_RN, (double)x, 0));
}

static void fill(gla_matrix m, uint64_t *state) {
    for (size_t i = 0; i < m.rows; i++)
        for (size_t j = 0; j < m.cols; j++) m.in->ops->set_d(m.in, gla_at(m, i, j), any(state));
}

static float wanted(const gla_mma_model *m, gla_matrix A, gla_matrix B, size_t i, size_t j, float c) {
    uint32_t a[512], b[512];
    for (size_t k = 0; k < A.cols; k++) {
        a[k] = operand_word(m->type, *(float *)gla_at(A, i, k));
        b[k] = operand_word(m->type, *(float *)gla_at(B, k, j));
    }
    return float_of(gla_mma_dot(m, a, b, A.cols, word_of(c)));
}

/* Shapes beyond a tile, thin ones, none; C and the operands as they lie or transposed. */
static void check_product(const char *name, const size_t shape[3], unsigned transposed, uint64_t *state) {
    gla_numbers *n = hardware_opened(name);
    gla_hardware_choice choice;
    ck_assert(gla_hardware_named(name, &choice));
    size_t M = shape[0], N = shape[1], K = shape[2];
    gla_matrix A = transposed & 1 ? gla_transposed(gla_new(n, K, M)) : gla_new(n, M, K);
    gla_matrix B = transposed & 2 ? gla_transposed(gla_new(n, N, K)) : gla_new(n, K, N);
    gla_matrix C = transposed & 4 ? gla_transposed(gla_new(n, N, M)) : gla_new(n, M, N);
    fill(A, state), fill(B, state), fill(C, state);
    gla_matrix before = gla_new(n, M, N);
    gla_copy(before, C);
    gla_product(C, A, B);
    for (size_t i = 0; i < M; i++)
        for (size_t j = 0; j < N; j++) {
            float c = *(float *)gla_at(before, i, j), got = *(float *)gla_at(C, i, j);
            float want = K ? wanted(choice.model, A, B, i, j, c) : c;
            if (word_of(got) != word_of(want))
                ck_abort_msg("%s %zux%zux%zu: [%zu,%zu] is %a, not %a", name, M, N, K, i, j, (double)got, (double)want);
        }
    gla_numbers_close(n);
}

START_TEST(products_are_the_tensor_cores) {
    static const size_t shapes[][3] = {{1, 1, 1}, {1, 1, 77},   {1, 9, 16}, {9, 1, 33},   {5, 7, 0},
                                       {0, 3, 4}, {16, 16, 64}, {3, 5, 31}, {70, 140, 20}};
    uint64_t state = test_seed() + 41;
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++)
        for (unsigned transposed = 0; transposed < 8; transposed++)
            check_product(tensor_cores[_i], shapes[s], transposed, &state);
}
END_TEST

/* 1 - 1 + 2^-25: kept with 25 bits of fraction, lost with 24. */
START_TEST(architectures_differ) {
    static const struct {
        const char *name;
        float want;
    } rows[] = {{"sm_90:bf16", 0x1p-25f}, {"sm_80:bf16", 0}};
    for (size_t i = 0; i < 2; i++) {
        gla_numbers *n = hardware_opened(rows[i].name);
        gla_matrix A = gla_new(n, 1, 3), B = gla_new(n, 3, 1), C = gla_new(n, 1, 1);
        static const double a[] = {1, -1, 0x1p-12}, b[] = {1, 1, 0x1p-13};
        for (size_t k = 0; k < 3; k++) {
            n->ops->set_d(n, gla_at(A, 0, k), a[k]);
            n->ops->set_d(n, gla_at(B, k, 0), b[k]);
        }
        gla_product(C, A, B);
        ck_assert_msg(*(float *)C.at == rows[i].want, "%s: %a", rows[i].name, (double)*(float *)C.at);
        gla_numbers_close(n);
    }
}
END_TEST

/* Only products go through the tensor core: an inner product of rows is a chain of fma. */
START_TEST(row_dot_is_a_chain_of_fma) {
    gla_numbers *n = hardware_opened("sm_90:bf16");
    uint64_t state = test_seed() + 42;
    gla_matrix A = gla_new(n, 1, 50), B = gla_new(n, 1, 50), z = gla_new(n, 1, 1);
    fill(A, &state), fill(B, &state);
    float want = 0;
    for (size_t k = 0; k < 50; k++) want = fmaf(*(float *)gla_at(A, 0, k), *(float *)gla_at(B, 0, k), want);
    gla_row_dot(z, A, B);
    ck_assert(*(float *)z.at == want);
    gla_numbers_close(n);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("fast/hardware/hardware");
    TCase *t = tcase_create("hardware");
    tcase_set_timeout(t, test_long() ? 3600 : 60);
    tcase_add_test(t, names_open);
    tcase_add_test(t, names_refused);
    tcase_add_loop_test(t, operations_are_binary32, 0, 2);
    tcase_add_test(t, parts_have_quotients_and_comparisons);
    tcase_add_test(t, exponentials_are_the_chosen_ones);
    tcase_add_loop_test(t, operands_are_rounded_to_nearest_even, 0, 2);
    tcase_add_test(t, eight_bits_saturate);
    tcase_add_test(t, only_operand_sites_round);
    tcase_add_loop_test(t, products_are_the_tensor_cores, 0, TENSOR_CORES);
    tcase_add_test(t, architectures_differ);
    tcase_add_test(t, row_dot_is_a_chain_of_fma);
    suite_add_tcase(s, t);
    return s;
}

int main(void) { return test_main(suite()); }
