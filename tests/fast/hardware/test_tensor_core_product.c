/* SPDX-License-Identifier: Apache-2.0
 *
 * gla_mma_product gives the bits of gla_mma_dot: random shapes, strides, types and classes of words, special values.
 */
#include <math.h>
#include <string.h>

#include "../../testing.h"
#include "random_mma.h"

enum { MOST_M = 70, MOST_N = 70, MOST_K = 80, PAD = 5 };

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

/* An operand word as the number that gla_mma_product takes. */
static float number_of(const gla_format *f, uint32_t word) {
    return f == &gla_tf32 ? float_of(word) : (float)gla_decode(f, word);
}

typedef struct matrices {
    size_t M, N, K, lda, ldb, ldc;
    uint32_t a[MOST_M][MOST_K], b[MOST_N][MOST_K], c[MOST_M][MOST_N]; /* words; b by columns */
    float A[MOST_M * (MOST_K + PAD)], B[MOST_K * (MOST_N + PAD)], C[MOST_M * (MOST_N + PAD)];
} matrices;

/* One class per row and column, so that terms of one element differ. */
static void fill(const gla_mma_model *m, uint64_t *state, bool finite, matrices *x) {
    const gla_format *of_a = gla_mma_operand_format(m, false), *of_b = gla_mma_operand_format(m, true);
    uint32_t unused[MOST_K], c;
    x->lda = x->K + mma_below(state, PAD);
    x->ldb = x->N + mma_below(state, PAD);
    x->ldc = x->N + mma_below(state, PAD);
    for (size_t i = 0; i < MOST_M * (MOST_N + PAD); i++) x->C[i] = -7;
    const int classes = finite ? MMA_SUBNORMAL + 1 : MMA_CLASSES, first = finite ? MMA_NEAR : 0;
    for (size_t i = 0; i < x->M; i++)
        mma_fill(m, (mma_class)(first + (int)mma_below(state, (uint32_t)(classes - first))), state, x->K, x->a[i],
                 unused, &c);
    for (size_t j = 0; j < x->N; j++)
        mma_fill(m, (mma_class)(first + (int)mma_below(state, (uint32_t)(classes - first))), state, x->K, unused,
                 x->b[j], &c);
    for (size_t i = 0; i < x->M; i++)
        for (size_t j = 0; j < x->N; j++) {
            uint32_t none;
            mma_fill(m, (mma_class)(first + (int)mma_below(state, (uint32_t)(classes - first))), state, 0, &none, &none,
                     &x->c[i][j]);
            x->C[i * x->ldc + j] = float_of(x->c[i][j]);
        }
    for (size_t i = 0; i < x->M; i++)
        for (size_t k = 0; k < x->K; k++) x->A[i * x->lda + k] = number_of(of_a, x->a[i][k]);
    for (size_t j = 0; j < x->N; j++)
        for (size_t k = 0; k < x->K; k++) x->B[k * x->ldb + j] = number_of(of_b, x->b[j][k]);
}

static bool takes_products(const gla_mma_model *m) { return m->kind == GLA_MMA_FUSED && strcmp(m->result, "f32") == 0; }

/* Returns the number of elements; *odd gets those that are infinite or NaN. */
static size_t compare(const gla_mma_model *m, const matrices *x, size_t *odd) {
    for (size_t i = 0; i < x->M; i++)
        for (size_t j = 0; j < x->N; j++) {
            uint32_t want = gla_mma_dot(m, x->a[i], x->b[j], x->K, x->c[i][j]), got = word_of(x->C[i * x->ldc + j]);
            ck_assert_msg(got == want, "%s %s %s %zux%zux%zu [%zu,%zu]: %08x, not %08x", m->arch, m->instruction,
                          m->type, x->M, x->N, x->K, i, j, got, want);
            if (!isfinite(float_of(want))) ++*odd;
        }
    for (size_t i = 0; i < x->M; i++) /* nothing is written between the rows */
        for (size_t j = x->N; j < x->ldc; j++) ck_assert(x->C[i * x->ldc + j] == -7);
    return x->M * x->N;
}

START_TEST(same_bits) {
    uint64_t state = test_seed() + (uint64_t)_i;
    matrices *x = malloc(sizeof *x);
    ck_assert_ptr_nonnull(x);
    size_t elements = 0, odd = 0;
    for (int turn = 0; turn < (test_long() ? 2000 : 20); turn++)
        for (const gla_mma_model *m = gla_mma_models; m->arch; m++) {
            if (!takes_products(m)) continue;
            bool large = mma_below(&state, 8) == 0;
            x->M = 1 + mma_below(&state, large ? MOST_M : 6);
            x->N = 1 + mma_below(&state, large ? MOST_N : 40);
            x->K = 1 + mma_below(&state, large ? 24 : MOST_K);
            fill(m, &state, _i, x);
            gla_mma_product(m, x->M, x->N, x->K, x->A, x->lda, x->B, x->ldb, x->C, x->ldc);
            elements += compare(m, x, &odd);
        }
    free(x);
    printf("%zu elements of products, %zu of them infinite or NaN\n", elements, odd);
    ck_assert_uint_ge(elements, 10000);
    ck_assert(_i ? odd < elements / 2 : odd > 0);
}
END_TEST

START_TEST(empty_shapes) {
    const gla_mma_model *m = gla_mma_model_of("sm_90", "", "bf16", "f32");
    float A[2] = {1, 2}, B[2] = {3, 4}, C[1] = {5};
    gla_mma_product(m, 0, 1, 2, A, 2, B, 1, C, 1);
    gla_mma_product(m, 1, 0, 2, A, 2, B, 1, C, 1);
    gla_mma_product(m, 1, 1, 0, A, 2, B, 1, C, 1);
    ck_assert(C[0] == 5);
    gla_mma_product(m, 1, 1, 2, A, 2, B, 1, C, 1);
    ck_assert(C[0] == 16);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("tensor_core_product");
    TCase *c = tcase_create("product");
    tcase_set_timeout(c, test_long() ? 3600 : 60);
    tcase_add_loop_test(c, same_bits, 0, 2); /* with special values, then finite ones alone */
    tcase_add_test(c, empty_shapes);
    suite_add_tcase(s, c);
    return s;
}

int main(void) { return test_main(suite()); }
