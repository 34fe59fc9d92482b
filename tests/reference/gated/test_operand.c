/* SPDX-License-Identifier: Apache-2.0
 *
 * Operands of one part and two: what the parts are, what their product leaves out and no more, that they are nothing
 * where nothing rounds, and what they are for: fewer errors in o and in the gradients.
 */
#include <string.h>

#include "problems.h"
#include "reference/gated/operand.h"
#include "reference/number/error.h"

enum { M = 3, K = 70, N = 5 }; /* more columns than a panel */

static gla_numbers *open_numbers(const char *name) {
    gla_numbers *n;
    gla_error err;
    ck_assert_msg(gla_numbers_open(name, &n, &err) == GLA_OK, "%s", err.what);
    return n;
}

static gla_matrix filled(gla_numbers *n, size_t rows, size_t cols, test_random *r) {
    gla_matrix z = gla_new(n, rows, cols);
    for (size_t i = 0; i < rows * cols; i++) n->ops->set_d(n, gla_at(z, i / cols, i % cols), random_signed(r));
    return z;
}

static double at(gla_matrix x, size_t i, size_t j) { return x.in->ops->get_d(x.in, gla_at(x, i, j)); }

static gated_parts split_of(gla_matrix A) { return gated_parts_of(A, (gla_matrix){0}, GLA_SITE_Q_DECAYED, true); }

/* hi has 8 bits, lo what is left in 8 bits more: |A - hi| <= u|A|, |A - hi - lo| <= u^2 |A|. */
START_TEST(two_parts) {
    test_random r = random_from(1);
    gla_numbers *n = open_numbers("mixed:bf16");
    gla_matrix A = filled(n, M, K, &r);
    gated_parts parts = split_of(A);
    gla_matrix hi = gated_rounded(A, GLA_SITE_Q_DECAYED), whole = gated_whole(parts);
    int inexact = 0;
    for (size_t i = 0; i < M; i++)
        for (size_t j = 0; j < K; j++) {
            double x = at(A, i, j), left = x - at(parts.hi, i, j);
            ck_assert_double_eq(at(parts.hi, i, j), at(hi, i, j));
            ck_assert(fabs(left) <= 0x1p-8 * fabs(x) && fabs(left - at(parts.lo, i, j)) <= 0x1p-16 * fabs(x));
            ck_assert_double_eq(at(whole, i, j), at(parts.hi, i, j) + at(parts.lo, i, j));
            inexact += left != 0;
        }
    ck_assert_int_gt(inexact, M * K / 2);
    gated_parts one = gated_parts_of(A, (gla_matrix){0}, GLA_SITE_Q_DECAYED, false);
    ck_assert(gla_absent(one.lo) && gla_absent(gated_parts_transposed(one).lo) && gated_whole(one).at == one.hi.at);
    gla_numbers_close(n);
}
END_TEST

/* A product of parts misses at most 3 u^2 of sum |A||B|, and the sums of binary32 their own; one of single operands
 * misses much more. */
START_TEST(product_of_parts) {
    test_random r = random_from(2);
    gla_numbers *n = open_numbers("mixed:bf16");
    gla_matrix A = filled(n, M, K, &r), B = filled(n, K, N, &r), C = gla_new(n, M, N), rough = gla_new(n, M, N);
    gated_product(C, split_of(A), split_of(B));
    gated_product(rough, gated_single(gated_rounded(A, GLA_SITE_Q_DECAYED)), gated_single(B));
    double worst = 0;
    for (size_t i = 0; i < M; i++)
        for (size_t j = 0; j < N; j++) {
            double want = 0, size = 0;
            for (size_t k = 0; k < K; k++) {
                want += at(A, i, k) * at(B, k, j);
                size += fabs(at(A, i, k) * at(B, k, j));
            }
            ck_assert_double_le(fabs(at(C, i, j) - want), (3 * 0x1p-16 + 3 * K * 0x1p-24) * size);
            worst = fmax(worst, fabs(at(rough, i, j) - want) / size);
        }
    ck_assert_double_gt(worst, 0x1p-12);
    gla_numbers_close(n);
}
END_TEST

/* The error system: a rounding of 1.5 u^2, nothing for what fits one part. */
START_TEST(bound_of_parts) {
    gla_error_model model = {.site = {[GLA_SITE_Q_DECAYED] = {.u = 0x1p-8, .p = 8}}};
    gla_numbers *n = gla_error_open(&model);
    gla_matrix A = gla_new(n, 1, 2);
    n->ops->set_d(n, gla_at(A, 0, 0), 255);
    n->ops->set_d(n, gla_at(A, 0, 1), 257);
    gated_parts parts = split_of(A);
    ck_assert_double_eq(gla_error_bound(gla_at(parts.hi, 0, 0), 3.5), 0);
    ck_assert_double_eq(gla_error_bound(gla_at(parts.hi, 0, 1), 3.5), 1.5 * 0x1p-16 * 257);
    ck_assert_double_eq(at(parts.lo, 0, 1), 0);
    gla_round_at(parts.hi,
                 GLA_SITE_Q_DECAYED); /* 257 in two parts is no number of 8 bits: stored as one, it is rounded */
    ck_assert_double_eq(gla_error_bound(gla_at(parts.hi, 0, 0), 3.5), 0);
    ck_assert_double_gt(gla_error_bound(gla_at(parts.hi, 0, 1), 3.5), 1);
    gla_numbers_close(n);
}
END_TEST

static bool all_same(const test_problem *x, const char *one, const char *other, const char *numbers) {
    test_run a = run_problem(&x->p, one, numbers), b = run_problem(&x->p, other, numbers);
    bool same = true;
    for (int i = 0; i < GLA_OUTPUTS; i++)
        for (int64_t j = 0; run_has(&a, (gla_output)i) && j < a.result.tensor[i].count; j++)
            same = same && gla_result_d(&a.result, (gla_output)i, j) == gla_result_d(&b.result, (gla_output)i, j);
    run_free(&a);
    run_free(&b);
    return same;
}

static const char *const pairs[][2] = {{"chunkwise-centred:8:4", "chunkwise-centred:8:4+precise"},
                                       {"chunkwise-paired:8:20", "chunkwise-paired:8:20+precise"}};

START_TEST(nothing_where_nothing_rounds) {
    static const char *const exact[] = {"mpfr:128", "binary64", "bf16"};
    test_problem x;
    test_random r = random_from(3);
    problem_random(&x, &r, (random_options){.all = true});
    for (int i = 0; i < 3; i++) ck_assert_msg(all_same(&x, pairs[_i][0], pairs[_i][1], exact[i]), "%s", exact[i]);
    ck_assert(!all_same(&x, pairs[_i][0], pairs[_i][1], "mixed:bf16"));
    problem_free(&x);
}
END_TEST

static double rms_error(const test_problem *x, const char *form, gla_output name, const test_run *truth) {
    test_run run = run_problem(&x->p, form, "mixed:bf16");
    double square = 0;
    for (int64_t i = 0; i < truth->result.tensor[name].count; i++) {
        double off = gla_result_d(&run.result, name, i) - gla_result_d(&truth->result, name, i);
        square += off * off;
    }
    run_free(&run);
    return sqrt(square);
}

/* One chunk from a state of 0: nothing but tokens that meet tokens. P of the forward is still rounded once. */
START_TEST(fewer_errors) {
    static const gla_input inputs[] = {GLA_IN_Q, GLA_IN_K, GLA_IN_V, GLA_IN_DO, GLA_IN_GK};
    static const gla_output outputs[] = {GLA_DQ, GLA_DK, GLA_DV, GLA_DGK};
    const char *const forms[][2] = {{"chunkwise-centred:64", "chunkwise-centred:64+precise"},
                                    {"chunkwise-paired:64", "chunkwise-paired:64+precise"}};
    test_random r = random_from(4);
    test_problem x = problem_sized(1, 64, 1, 16, 12);
    for (int i = 0; i < 5; i++) {
        double *to = problem_give(&x, inputs[i], 1);
        for (int64_t j = 0; j < problem_count(&x, inputs[i]); j++) {
            double draw = i < 4 ? random_signed(&r) : -random_unit(&r) / 16;
            to[j] = gla_round(&gla_bf16, GLA_RN, draw, 0);
        }
    }
    test_run truth = run_problem(&x.p, "recurrent", "mpfr:128");
    double rough = rms_error(&x, forms[_i][0], GLA_O, &truth), fine = rms_error(&x, forms[_i][1], GLA_O, &truth);
    ck_assert_msg(fine <= 0.8 * rough, "o: %g, precise %g", rough, fine);
    for (int i = 0; i < 4; i++) {
        rough = rms_error(&x, forms[_i][0], outputs[i], &truth);
        fine = rms_error(&x, forms[_i][1], outputs[i], &truth);
        ck_assert_msg(fine <= rough / 8, "%s: %g, precise %g", gla_output_names[outputs[i]], rough, fine);
    }
    run_free(&truth);
    problem_free(&x);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("reference/gated/operand");
    TCase *c = tcase_create("operand");
    tcase_set_timeout(c, 60);
    tcase_add_test(c, two_parts);
    tcase_add_test(c, product_of_parts);
    tcase_add_test(c, bound_of_parts);
    tcase_add_loop_test(c, nothing_where_nothing_rounds, 0, 2);
    tcase_add_loop_test(c, fewer_errors, 0, 2);
    suite_add_tcase(s, c);
    return s;
}

int main(void) { return test_main(suite()); }
