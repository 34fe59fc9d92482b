/* SPDX-License-Identifier: Apache-2.0
 *
 * Study accumulation: one sum of n products x_i y_i, as a read of the state or a row of scores is, in several orders. x
 * and y are bf16, so that products are exact in binary32.
 *
 *     ascending      s = fma(x_i, y_i, s), i = 1 .. n; on sm_90:bf16 a tensor core, 16 products at a time
 *     blocks         such sums of 64 products each, added in order
 *     pairwise       halves summed apart and added, down to single products
 *     compensated    ascending, what each addition drops carried to the next (Kahan)
 *
 *     error    root mean square over DRAWS draws of |error| / sum of |x_i y_i|, the truth in binary64
 */
#include <math.h>
#include <string.h>

#include "../fast/hardware/hardware.h"
#include "../reference/verbs.h"
#include "study.h"
#include "study_sweep.h"

enum { TERMS, SUM, LENGTH }; /* axes */
enum { DRAWS = 32, BLOCK = 64 };

/* s += sum of x_i y_i: s [1,1], x [1,n], y [n,1]. */
typedef void way(gla_matrix s, gla_matrix x, gla_matrix y);

static void ascending(gla_matrix s, gla_matrix x, gla_matrix y) { gla_product(s, x, y); }

static void blocks(gla_matrix s, gla_matrix x, gla_matrix y) {
    for (size_t i = 0; i < x.cols; i += BLOCK) {
        size_t mark = gla_mark(s.in), m = x.cols - i < BLOCK ? x.cols - i : BLOCK;
        gla_matrix sum = gla_new(s.in, 1, 1);
        gla_product(sum, gla_columns(x, i, m), gla_rows(y, i, m));
        gla_add(s, s, sum);
        gla_release(s.in, mark);
    }
}

static void pairwise(gla_matrix s, gla_matrix x, gla_matrix y) {
    size_t n = x.cols, mark = gla_mark(s.in);
    if (n == 1) {
        gla_product(s, x, y);
        return;
    }
    gla_matrix half = gla_new(s.in, 1, 1);
    pairwise(s, gla_columns(x, 0, n / 2), gla_rows(y, 0, n / 2));
    pairwise(half, gla_columns(x, n / 2, n - n / 2), gla_rows(y, n / 2, n - n / 2));
    gla_add(s, s, half);
    gla_release(s.in, mark);
}

static void compensated(gla_matrix s, gla_matrix x, gla_matrix y) {
    size_t mark = gla_mark(s.in);
    gla_matrix carry = gla_new(s.in, 1, 1), term = gla_new(s.in, 1, 1), sum = gla_new(s.in, 1, 1);
    for (size_t i = 0; i < x.cols; i++) {
        gla_mul(term, gla_columns(x, i, 1), gla_rows(y, i, 1));
        gla_sub(term, term, carry);
        gla_add(sum, s, term);
        gla_sub(carry, sum, s);
        gla_sub(carry, carry, term);
        gla_copy(s, sum);
    }
    gla_release(s.in, mark);
}

static way *way_named(const char *text) {
    if (strncmp(text, "blocks", 6) == 0) return blocks;
    if (strncmp(text, "pairwise", 8) == 0) return pairwise;
    return strncmp(text, "compensated", 11) == 0 ? compensated : ascending;
}

/* One draw's terms, into the system and into binary64. */
static void draw_terms(gla_matrix x, gla_matrix y, bool positive, uint64_t seed, uint64_t draw, double *sum,
                       double *size) {
    *sum = *size = 0;
    for (size_t i = 0; i < x.cols; i++) {
        uint64_t index = draw * x.cols + i;
        double a = gla_round(&gla_bf16, GLA_RN, gla_draw_normal((gla_draw){seed, 0, index}), 0);
        double b = gla_round(&gla_bf16, GLA_RN, gla_draw_normal((gla_draw){seed, 1, index}), 0);
        if (positive) a = fabs(a), b = fabs(b);
        x.in->ops->set_d(x.in, gla_at(x, 0, i), a);
        y.in->ops->set_d(y.in, gla_at(y, i, 0), b);
        *sum += a * b;
        *size += fabs(a * b);
    }
}

static double error_of(gla_numbers *n, way *sum_up, size_t count, bool positive, uint64_t seed) {
    double squares = 0, sum, size;
    for (uint64_t draw = 0; draw < DRAWS && n->status == GLA_OK; draw++) {
        size_t mark = gla_mark(n);
        gla_matrix x = gla_new(n, 1, count), y = gla_new(n, count, 1), s = gla_new(n, 1, 1);
        if (n->status == GLA_OK) {
            draw_terms(x, y, positive, seed, draw, &sum, &size);
            sum_up(s, x, y);
            squares += pow((n->ops->get_d(n, s.at) - sum) / size, 2);
        }
        gla_release(n, mark);
    }
    return sqrt(squares / DRAWS);
}

static gla_status measure(const gla_sweep *s, gla_sweep_place where, uint64_t seed, gla_sweep_row *rows,
                          gla_error *err) {
    const char *sum = gla_sweep_text(s, where, SUM);
    bool positive = strcmp(gla_sweep_text(s, where, TERMS), "positive") == 0;
    gla_numbers *n;
    gla_status status = gla_all_numbers_open(gla_sweep_behind(sum), &n, err);
    if (status) return status;
    for (size_t i = 0; i < gla_sweep_along(s); i++)
        rows[i].figure[0] =
            error_of(n, way_named(sum), (size_t)gla_sweep_number(s->axis[LENGTH].value[i]), positive, seed);
    if (n->status) status = gla_fail(err, n->status, "accumulation: %s", gla_status_text(n->status));
    gla_numbers_close(n);
    return status;
}

const gla_sweep gla_study_accumulation = {
    .name = "accumulation",
    .what = "one long sum in several orders and arithmetics: error against its length",
    .axis = {{"terms", "products", {"signed", "positive"}},
             {"sum",
              "order@arithmetic",
              {"ascending@binary32", "ascending@sm_90:bf16", "blocks@binary32", "pairwise@binary32",
               "compensated@binary32", "ascending@bf16", "pairwise@bf16"}},
             {"n", "products in the sum", {"2^2", "2^4", "2^6", "2^8", "2^10", "2^12", "2^14"}}},
    .figure = {{"error", "rms of |error| / sum of |x y|"}},
    .measure = measure,
    .plot = {.kind = GLA_PLOT_LINES,
             .panel = TERMS,
             .line = SUM,
             .x = LENGTH,
             .measured = 0,
             .predicted = -1,
             .points = -1},
    .question = "Every output is a long sum. How much of its error is the order of adding, how much the arithmetic?",
    .method = "One sum of n products of bf16 numbers (exact in binary32), standard normal or their absolute values; "
              "32 draws. `ascending`: a chain of fma; on sm_90:bf16 the H100's tensor core, 16 products at a time, "
              "truncating. `blocks`: such sums of 64, added in order. `pairwise`: halves added. `compensated`: "
              "Kahan. `@bf16`: every operation rounds to bf16. The error is divided by the sum of the absolute "
              "values of the terms.",
    .finding = "Positive terms are the hard case: the running sum is large when the late terms come. A chain in "
               "binary32 is at [error terms=positive sum=ascending@binary32 n=2^14] for 16384 terms; blocks of 64 at "
               "[error terms=positive sum=blocks@binary32 n=2^14], pairs at [error terms=positive "
               "sum=pairwise@binary32 n=2^14], Kahan's at [error terms=positive sum=compensated@binary32 n=2^14], "
               "about one rounding. The tensor core truncates, so its errors all have one sign and grow with n "
               "itself: [error terms=positive sum=ascending@sm_90:bf16 n=2^14], [error terms=positive "
               "sum=ascending@sm_90:bf16 n=2^8] at 256. That is why long sums are cut into chunks and added up "
               "outside it.\n\n"
               "A running sum in bf16 stands still once it is some 256 times its terms: an error of [error "
               "terms=positive sum=ascending@bf16 n=2^14] at 16384. Pairs make even bf16 bearable, [error "
               "terms=positive sum=pairwise@bf16 n=2^14]. With random signs, sums stay small, and errors relative to "
               "the sum of absolute values do not grow, but for the tensor core's ([error terms=signed "
               "sum=ascending@sm_90:bf16 n=2^14]).",
    .limits = "The tensor core is a model, bit for bit that of the probed device for these instructions. Relative "
              "to the sum of absolute values: relative to a result that cancels it is worse by that ratio. n up to "
              "2^14."};
