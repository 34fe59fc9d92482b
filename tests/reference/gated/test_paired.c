/* SPDX-License-Identifier: Apache-2.0
 *
 * What is chunkwise-paired's own: the limit, channel by channel and to the last bit; digits of a strong channel beside
 * mild ones; padding with zeros that changes no bit.
 */
#include "problems.h"

static bool same_words(const test_run *a, const test_run *b, gla_output name) {
    for (int64_t i = 0; i < a->result.tensor[name].count; i++) {
        double x = gla_result_d(&a->result, name, i), y = gla_result_d(&b->result, name, i);
        if (memcmp(&x, &y, sizeof x) != 0) return false;
    }
    return true;
}

static bool all_same(const test_problem *x, const char *one, const char *other) {
    test_run a = run_problem(&x->p, one, "binary32"), b = run_problem(&x->p, other, "binary32");
    bool same = true;
    for (int i = 0; i < GLA_OUTPUTS; i++)
        if (run_has(&a, (gla_output)i)) same = same && same_words(&a, &b, (gla_output)i);
    run_free(&a);
    run_free(&b);
    return same;
}

/* All inputs, gates of one side; a scale that does not depend on padding. */
static test_problem problem_of(int64_t T, int64_t dk, int64_t dv, gla_input gate, uint32_t stream) {
    static const gla_input data[] = {GLA_IN_Q,  GLA_IN_K,           GLA_IN_V, GLA_IN_INITIAL_STATE,
                                     GLA_IN_DO, GLA_IN_DFINAL_STATE};
    test_random r = random_from(stream);
    test_problem x = problem_sized(1, T, 1, dk, dv);
    x.p.scale = 0.375;
    for (int i = 0; i < 6; i++) {
        problem_give(&x, data[i], 1);
        problem_fill(&x, data[i], &r, 0, 0);
    }
    problem_give(&x, gate, 1);
    return x;
}

/* ---- the limit ---- */

static const gla_input sides[] = {GLA_IN_GK, GLA_IN_GV};

/* Eight gates that add up to -76 in every channel but the last, where `more` comes on top. The chunk is the sequence.
 */
static test_problem problem_at_limit(gla_input gate, double more) {
    test_problem x = problem_of(8, 3, 3, gate, 1);
    for (int i = 0; i < 24; i++) x.at[gate][i] = -9.5;
    x.at[gate][23] += more;
    return x;
}

START_TEST(up_to_the_limit_mild) {
    test_problem x = problem_at_limit(sides[_i], 0);
    ck_assert(all_same(&x, "chunkwise-paired:8:76", "chunkwise-paired:8:80"));
    ck_assert(!all_same(&x, "chunkwise-paired:8:76", "chunkwise-paired:8:75"));
    problem_free(&x);
}
END_TEST

/* One unit in the last place of the sum, in one channel: it alone goes by pairs. */
START_TEST(beyond_the_limit_strong) {
    test_problem x = problem_at_limit(sides[_i], -0x1p-17);
    ck_assert(!all_same(&x, "chunkwise-paired:8:76", "chunkwise-paired:8:80"));
    ck_assert(!all_same(&x, "chunkwise-paired:8:76", "chunkwise-paired:8:75"));
    problem_free(&x);
}
END_TEST

/* Every chunk decides anew. */
START_TEST(chunks_decide_alone) {
    test_problem x = problem_of(16, 2, 2, sides[_i], 2);
    for (int i = 0; i < 32; i++) x.at[sides[_i]][i] = i < 16 ? -1 : -30;
    ck_assert(all_same(&x, "chunkwise-paired:8:8", "chunkwise-paired:8:200"));
    ck_assert(!all_same(&x, "chunkwise-paired:8:8", "chunkwise-paired:8:7"));
    ck_assert(!all_same(&x, "chunkwise-paired:8:8", "chunkwise-paired:8:240"));
    problem_free(&x);
}
END_TEST

/* ---- digits ---- */

/* max |x - truth| / max |truth| over one channel of a side's gradient. */
static double channel_off(const test_run *run, const test_run *truth, gla_output name, int64_t c) {
    const int64_t *shape = run->result.tensor[name].shape;
    double off = 0, size = 0;
    for (int64_t t = 0; t < shape[1]; t++) {
        double got = gla_result_d(&run->result, name, t * shape[3] + c);
        double want = gla_result_d(&truth->result, name, t * shape[3] + c);
        if (!(fabs(got - want) <= off)) off = fabs(got - want);
        size = fmax(size, fabs(want));
    }
    return off / size;
}

/* Gates of -1/8, -5, -25 and -60, the third with a reset, in neighbouring channels of one chunk: dg is as small as
 * e^-60 and has its digits all the same, which a difference of sums of size 1 has not. */
START_TEST(every_channel_has_its_digits) {
    static const double gates[] = {-0.125, -5, -25, -60};
    test_problem x = problem_of(20, 4, 4, sides[_i], 3);
    for (int i = 0; i < 80; i++) x.at[sides[_i]][i] = gates[i % 4];
    x.at[sides[_i]][4 * 9 + 2] = -INFINITY;
    test_run run = run_problem(&x.p, "chunkwise-paired:64", "binary32");
    test_run truth = run_problem(&x.p, "recurrent", "mpfr:200");
    gla_output dg = sides[_i] == GLA_IN_GK ? GLA_DGK : GLA_DGV;
    for (int64_t c = 0; c < 4; c++) {
        double off = channel_off(&run, &truth, dg, c); /* dozens of roundings of 2^-24, with exponents up to 60 */
        ck_assert_msg(off <= 1e-4, "%s of channel %ld is off by %g", gla_output_names[dg], (long)c, off);
    }
    run_free(&run);
    run_free(&truth);
    problem_free(&x);
}
END_TEST

/* ---- padding ---- */

/* The elements of `from` in the larger tensor `to`, the rest 0. */
static void embed(test_problem *to, const test_problem *from, gla_input name) {
    int64_t small[4], large[4], at[4];
    shape_of(&from->p, name, 1, small);
    shape_of(&to->p, name, 1, large);
    problem_give(to, name, 1);
    for (int64_t i = 0; i < count_of(small); i++) {
        unravel(small, i, at);
        to->at[name][index_in(large, at[0], at[1], at[2], at[3])] = from->at[name][i];
    }
}

static void check_embedded(const test_run *small, const test_run *large, gla_output name) {
    int64_t at[4];
    for (int64_t i = 0; i < small->result.tensor[name].count; i++) {
        unravel(small->result.tensor[name].shape, i, at);
        double want = gla_result_d(&small->result, name, i);
        double got = gla_result_d(&large->result, name, run_index(large, name, at[0], at[1], at[2], at[3]));
        ck_assert_msg(got == want, "%s[%ld]: %a, with zeros beside it %a", gla_output_names[name], (long)i, want, got);
    }
}

/* A ragged tail filled up to the chunk, channels up to a tile: no token and no channel that is all 0 changes another.
 * limit 0: pairs in every channel that has gates. */
START_TEST(zeros_change_nothing) {
    static const char *const forms[] = {"chunkwise-paired:8", "chunkwise-paired:8:0", "chunkwise-paired:8:12"};
    test_random r = random_from(4);
    test_problem x = problem_of(21, 5, 3, GLA_IN_GK, 4), padded = problem_sized(1, 24, 1, 8, 8);
    padded.p.scale = x.p.scale;
    problem_fill(&x, GLA_IN_GK, &r, 4, 0);
    for (int i = 0; i < GATED_INPUTS; i++)
        if (x.at[i]) embed(&padded, &x, (gla_input)i);
    test_run a = run_problem(&x.p, forms[_i], "binary32"), b = run_problem(&padded.p, forms[_i], "binary32");
    for (int i = 0; i < GLA_OUTPUTS; i++)
        if (run_has(&a, (gla_output)i)) check_embedded(&a, &b, (gla_output)i);
    run_free(&a);
    run_free(&b);
    problem_free(&x);
    problem_free(&padded);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("gated paired");
    TCase *t = tcase_create("paired");
    tcase_set_timeout(t, 30);
    tcase_add_loop_test(t, up_to_the_limit_mild, 0, 2);
    tcase_add_loop_test(t, beyond_the_limit_strong, 0, 2);
    tcase_add_loop_test(t, chunks_decide_alone, 0, 2);
    tcase_add_loop_test(t, every_channel_has_its_digits, 0, 2);
    tcase_add_loop_test(t, zeros_change_nothing, 0, 3);
    suite_add_tcase(s, t);
    return s;
}

int main(void) { return test_main(suite()); }
