/* SPDX-License-Identifier: Apache-2.0
 *
 * The cost formulas, counted: 1 flop = one + - *, fma = 2, exp apart.
 *     recurrent forward    5 T dk dv (6 with the value gate) + T dk for the scale; T dk (+ T dv) exps
 *     parallel forward     T(T+1)/2 pairs of (4dk + 2dv) flops and dk exps
 *     chunkwise forward    T dk [3 + (C-c)/(2c) + (c+1)/2] exps; T[4 dk dv + dk dv/C] for the states,
 *                          T dk[(C-c) + 2(c+1)] for the scores, T(C+1)dv for P V
 */
#include "slices.h"

typedef struct sizes {
    int64_t T, dk, dv;
} sizes;

/* What one run of a formulation costs; the inputs are loaded before counting begins. */
static struct gla_count count_run(sizes n, bool gv, const char *text, bool backward, gated_run *run) {
    test_random r = random_from(1);
    test_problem x = problem_sized(1, n.T, 1, n.dk, n.dv);
    for (int i = 0; i <= GLA_IN_DFINAL_STATE; i++) {
        if (i == GLA_IN_GV && !gv) continue;
        problem_give(&x, (gla_input)i, 1);
        problem_fill(&x, (gla_input)i, &r, 1, 0);
    }
    gla_numbers *counter;
    ck_assert_int_eq(gla_numbers_open("counter", &counter, NULL), GLA_OK);
    gated_slice s = slice_of(&x, counter, 0, 0);
    gla_form form = form_named(text, backward);
    gla_counter_reset(counter);
    run(&s, &form);
    struct gla_count count = gla_counter_read(counter);
    ck_assert_int_eq(counter->status, GLA_OK);
    ck_assert(counter->chunk == -1 && counter->token == -1); /* in no chunk any more */
    gla_numbers_close(counter);
    problem_free(&x);
    return count;
}

static struct gla_count count_forward(sizes n, bool gv, const char *text, gated_run *run) {
    return count_run(n, gv, text, false, run);
}

static int64_t flops(struct gla_count c) { return (int64_t)(c.add + c.mul + 2 * c.fma); }

static const sizes shapes[] = {{1, 1, 1}, {6, 5, 3}, {13, 2, 7}, {32, 4, 4}};

START_TEST(recurrent) {
    sizes n = shapes[_i];
    struct gla_count one = count_forward(n, false, "recurrent", gated_recurrent);
    ck_assert_int_eq(flops(one), 5 * n.T * n.dk * n.dv + n.T * n.dk);
    ck_assert_uint_eq(one.exp, (uint64_t)(n.T * n.dk));
    ck_assert_uint_eq(one.fma, (uint64_t)(2 * n.T * n.dk * n.dv)); /* write and read */
    struct gla_count two = count_forward(n, true, "recurrent", gated_recurrent);
    ck_assert_int_eq(flops(two), 6 * n.T * n.dk * n.dv + n.T * n.dk);
    ck_assert_uint_eq(two.exp, (uint64_t)(n.T * (n.dk + n.dv)));
}
END_TEST

/* Exponents, one per pair and key channel: subtract, exp, weigh, multiply-add are 4 flops. Spreading to dv channels
 * costs 2, and 1 more because an absent value gate weighs with ones. */
START_TEST(parallel) {
    sizes n = shapes[_i];
    struct gla_count c = count_forward(n, false, "parallel", gated_parallel);
    int64_t pairs = n.T * (n.T + 1) / 2, linear = n.T * (4 * n.dk * n.dv + 5 * n.dk + 3 * n.dv) + 2 * n.dk * n.dv;
    ck_assert_uint_eq(c.exp, (uint64_t)((pairs + 2 * n.T) * n.dk)); /* and e^G, e^(G_T-G) for the states */
    ck_assert_int_ge(flops(c), pairs * (4 * n.dk + 2 * n.dv));
    ck_assert_int_le(flops(c), pairs * (4 * n.dk + 3 * n.dv) + linear);
}
END_TEST

static const struct {
    int64_t C, c;
    const char *text;
} tilings[] = {
    {64, 16, "chunkwise:64:16"}, {16, 4, "chunkwise:16:4"}, {8, 8, "chunkwise:8:8"}, {8, 1, "chunkwise:8:1"}};

/* The formula's terms, with P V as a full square (the formula counts its lower half), and what it leaves out: forming
 * the exponents and the decayed operands, all linear in T. */
START_TEST(chunkwise) {
    sizes n = {128, 5, 3};
    int64_t C = tilings[_i].C, c = tilings[_i].c, chunks = n.T / C, Tk = n.T * n.dk;
    struct gla_count count = count_forward(n, false, tilings[_i].text, gated_chunkwise);
    int64_t factors = Tk * (C - c) / (2 * c); /* key factors of off-diagonal blocks */
    ck_assert_uint_eq(count.exp, (uint64_t)(3 * Tk + factors + Tk * (c + 1) / 2));
    int64_t states = n.T * 4 * n.dk * n.dv + chunks * n.dk * n.dv;
    int64_t scores = Tk * ((C - c) + 2 * (c + 1));
    int64_t outputs = 2 * n.T * C * n.dv + n.T * n.dv;
    int64_t scaling = Tk + 2 * Tk + 2 * Tk + 2 * factors; /* sq; Qt Kh; query and key factors: exponent, product */
    int64_t gates = (n.T - chunks) * n.dk + Tk;           /* sums within a chunk; Gamma_m - Gamma */
    ck_assert_int_eq(flops(count), states + scores + outputs + scaling + gates);
}
END_TEST

/* The walk (gated/walk.h), 9 chunks of 4: states that are all kept cost no product more, for each is read and written
 * once as before; a backward keeps every third, and writes 0 + 1 + 2 chunks again from each of the three. */
START_TEST(walk) {
    sizes n = {36, 5, 3};
    const char *kept = "chunkwise:4:2+materialised", *usual = "chunkwise:4:2";
    uint64_t one_chunk = (uint64_t)(4 * n.dk * n.dv);
    ck_assert_uint_eq(count_forward(n, false, kept, gated_chunkwise).fma,
                      count_forward(n, false, usual, gated_chunkwise).fma);
    ck_assert_uint_eq(count_run(n, false, usual, true, gated_chunkwise).fma,
                      count_run(n, false, kept, true, gated_chunkwise).fma + 9 * one_chunk);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("gated cost");
    TCase *t = tcase_create("cost");
    tcase_set_timeout(t, 30);
    tcase_add_loop_test(t, recurrent, 0, 4);
    tcase_add_loop_test(t, parallel, 0, 4);
    tcase_add_loop_test(t, chunkwise, 0, 4);
    tcase_add_test(t, walk);
    suite_add_tcase(s, t);
    return s;
}

int main(void) { return test_main(suite()); }
