/* SPDX-License-Identifier: Apache-2.0
 *
 * A formulation in a hardware number system is a kernel's arithmetic bit by bit: chunkwise:16:16 against loops written
 * out by hand over floats and the tensor core's dot; and through a recorder, which changes no bit and tells of every
 * product.
 */
#include "fast/hardware/gpu_exp.h"
#include "fast/hardware/tensor_core.h"
#include "reference/slice.h"
#include "reference/verbs.h"
#include "tests/fast/hardware/hardware_testing.h"

/* ---- a whole formulation, written out ---- */

enum { REPLAY_T = 35, REPLAY_DK = 7, REPLAY_DV = 5, REPLAY_C = 16 };

typedef struct replay {
    float q[REPLAY_T][REPLAY_DK], k[REPLAY_T][REPLAY_DK], g[REPLAY_T][REPLAY_DK], v[REPLAY_T][REPLAY_DV];
    float S[REPLAY_DK][REPLAY_DV], o[REPLAY_T][REPLAY_DV];
    float scale;
} replay;

static uint32_t bf16_word(float x) { return gla_encode(&gla_bf16, gla_round(&gla_bf16, GLA_RN, (double)x, 0)); }

/* c + sum x_i y_i on the tensor core, operands rounded. */
static float core(const float *x, const float *y, size_t count, float c) {
    uint32_t a[64], b[64];
    for (size_t i = 0; i < count; i++) a[i] = bf16_word(x[i]), b[i] = bf16_word(y[i]);
    return float_of(gla_mma_dot(gla_mma_model_of("sm_90", "", "bf16", "f32"), a, b, count, word_of(c)));
}

static void replay_chunk(replay *x, size_t first, size_t m) {
    float G[REPLAY_C][REPLAY_DK], P[REPLAY_C][REPLAY_C] = {{0}};
    for (size_t r = 0; r < m; r++)
        for (size_t d = 0; d < REPLAY_DK; d++) G[r][d] = x->g[first + r][d] + (r ? G[r - 1][d] : 0);
    for (size_t r = 0; r < m; r++)
        for (size_t i = 0; i <= r; i++) {
            float a[REPLAY_DK], b[REPLAY_DK];
            for (size_t d = 0; d < REPLAY_DK; d++) {
                a[d] = x->q[first + r][d] * x->scale;
                b[d] = gla_gpu_exp_fast(G[r][d] - G[i][d]) * x->k[first + i][d];
            }
            P[r][i] = core(a, b, REPLAY_DK, 0);
        }
    for (size_t r = 0; r < m; r++)
        for (size_t j = 0; j < REPLAY_DV; j++) {
            float a[REPLAY_DK], b[REPLAY_DK], v[REPLAY_C];
            for (size_t d = 0; d < REPLAY_DK; d++) {
                a[d] = x->q[first + r][d] * x->scale * gla_gpu_exp_fast(G[r][d]);
                b[d] = x->S[d][j];
            }
            for (size_t i = 0; i < m; i++) v[i] = x->v[first + i][j];
            float inter = core(a, b, REPLAY_DK, 0), intra = core(P[r], v, m, 0);
            x->o[first + r][j] = inter + intra;
        }
    for (size_t d = 0; d < REPLAY_DK; d++)
        for (size_t j = 0; j < REPLAY_DV; j++) {
            float a[REPLAY_C], b[REPLAY_C];
            for (size_t i = 0; i < m; i++) {
                a[i] = x->k[first + i][d] * gla_gpu_exp_fast(G[m - 1][d] - G[i][d]);
                b[i] = x->v[first + i][j];
            }
            x->S[d][j] = core(a, b, m, gla_gpu_exp_fast(G[m - 1][d]) * x->S[d][j]);
        }
}

START_TEST(chunkwise_is_the_loops_written_out) {
    test_random r = random_from(43);
    test_problem x = problem_sized(1, REPLAY_T, 1, REPLAY_DK, REPLAY_DV);
    static const gla_input given[] = {GLA_IN_Q, GLA_IN_K, GLA_IN_V, GLA_IN_GK, GLA_IN_INITIAL_STATE};
    for (size_t i = 0; i < 5; i++) {
        problem_give(&x, given[i], 1);
        problem_fill(&x, given[i], &r, 0.5, 0);
    }
    static replay y;
    y.scale = (float)gla_scale_of(&x.p);
    for (size_t t = 0; t < REPLAY_T; t++)
        for (size_t d = 0; d < REPLAY_DK; d++) {
            y.q[t][d] = (float)x.at[GLA_IN_Q][t * REPLAY_DK + d];
            y.k[t][d] = (float)x.at[GLA_IN_K][t * REPLAY_DK + d];
            y.g[t][d] = (float)x.at[GLA_IN_GK][t * REPLAY_DK + d];
        }
    for (size_t t = 0; t < REPLAY_T * REPLAY_DV; t++) y.v[t / REPLAY_DV][t % REPLAY_DV] = (float)x.at[GLA_IN_V][t];
    for (size_t i = 0; i < REPLAY_DK * REPLAY_DV; i++)
        y.S[i / REPLAY_DV][i % REPLAY_DV] = (float)x.at[GLA_IN_INITIAL_STATE][i];
    for (size_t first = 0; first < REPLAY_T; first += REPLAY_C)
        replay_chunk(&y, first, REPLAY_T - first < REPLAY_C ? REPLAY_T - first : REPLAY_C);

    test_run run = hardware_run(&x.p, form_named("chunkwise:16:16", false), "sm_90:bf16");
    for (size_t i = 0; i < REPLAY_T * REPLAY_DV; i++)
        ck_assert_uint_eq(word_at(gla_result_at(&run.result, GLA_O, (int64_t)i)),
                          word_of(y.o[i / REPLAY_DV][i % REPLAY_DV]));
    for (size_t i = 0; i < REPLAY_DK * REPLAY_DV; i++)
        ck_assert_uint_eq(word_at(gla_result_at(&run.result, GLA_FINAL_STATE, (int64_t)i)),
                          word_of(y.S[i / REPLAY_DV][i % REPLAY_DV]));
    run_free(&run);
    problem_free(&x);
}
END_TEST

/* ---- the recorder ---- */

START_TEST(recorder_returns_the_same_numbers) {
    static const char *const names[] = {"sm_90:bf16", "sm_80:tf32/expf", "sm_90:f32"};
    test_problem x;
    problem_golden(&x, true);
    for (size_t i = 0; i < 3; i++) {
        char name[64];
        snprintf(name, sizeof name, "recorder:%s", names[i]);
        test_run a = hardware_run(&x.p, form_named("chunkwise:4:2", true), names[i]);
        test_run b = hardware_run(&x.p, form_named("chunkwise:4:2", true), name);
        check_same_words(&a, &b, name);
        struct gla_trace trace = gla_recorder_trace(b.numbers);
        size_t products = 0;
        for (size_t e = 0; e < trace.count; e++) products += strcmp(trace.events[e].op, "product") == 0;
        ck_assert((products > 0) == (i < 2));
        run_free(&a);
        run_free(&b);
    }
    problem_free(&x);
}
END_TEST

/* One event per element: what it was, what it became, and how many products made the difference. */
START_TEST(recorder_tells_of_products) {
    gla_numbers *n = hardware_opened("recorder:sm_90:bf16");
    gla_matrix A = gla_new(n, 1, 3), B = gla_new(n, 3, 2), C = gla_new(n, 1, 2);
    for (size_t k = 0; k < 3; k++) {
        n->ops->set_d(n, gla_at(A, 0, k), 2);
        n->ops->set_d(n, gla_at(B, k, 0), (double)k);
        n->ops->set_d(n, gla_at(B, k, 1), 1);
    }
    n->ops->set_d(n, gla_at(C, 0, 1), 10);
    size_t before = gla_recorder_trace(n).count;
    gla_product(C, A, B);
    struct gla_trace trace = gla_recorder_trace(n);
    ck_assert_uint_eq(trace.count, before + 2);
    const struct gla_event *e = &trace.events[before];
    ck_assert_str_eq(e[0].op, "product");
    ck_assert_str_eq(e[0].verb, "product");
    ck_assert(e[0].x == 0 && e[0].y == 3 && e[0].result == 6);
    ck_assert(e[1].x == 10 && e[1].y == 3 && e[1].result == 16);
    gla_numbers_close(n);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("fast/hardware/hardware replay");
    TCase *t = tcase_create("replay");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, chunkwise_is_the_loops_written_out);
    tcase_add_test(t, recorder_returns_the_same_numbers);
    tcase_add_test(t, recorder_tells_of_products);
    suite_add_tcase(s, t);
    return s;
}

int main(void) { return test_main(suite()); }
