/* SPDX-License-Identifier: Apache-2.0
 *
 * What a run of a mechanism costs, through gla_run and counted: 1 flop = one + - *, fma = 2, exp apart. Formulas of
 * spec 1f, 2f, 5f, 9f-11f with the terms that those leave out; products of whole chunks are full squares here where
 * the formulas count their lower half.
 *
 *     gla, simple_gla   recurrent  5 T dk dv + T dk (6 with the value gate); T dk (+ T dv) exps
 *     gla               chunks     exps T dk [3 + (C-c)/(2c) + (c+1)/2]
 *     linear attention  recurrent  4 T dk dv + T dk; no exps in any form
 *     rwkv6             recurrent  gla's, T (3 dk + 2 dv + 1) for the bonus, 2 dk dv + dk for the first token
 *     gsa               recurrent  5 T M (dk + dv) + T (dk + M);  softmax: T M (2 flops, a quotient, an exp);
 *                                  exps 2 T M for the gates of both passes, T M more if s is tied
 *     delta rule        recurrent  7 T dk dv (6 ungated) + T dk + 2 T dv;  exps T per head, T dk per channel
 *     delta rule        chunks     T [6 dk dv + 4 C dk + (3 C - 1) dv + 2 dk + 2 dv]
 *         +ut                      T [(C^2-1)/3 + 2 C dk + (C + 1) dv + dk] more
 *         gate per head            exps T (C+1)/2 for pairs, T for what enters, T for what leaves
 *         gate per channel         exps T dk [2 + 2 (1 + (C-c)/(2c) + (c+1)/2)]: both squares have their own
 */
#include "any_mechanism.h"

enum { SLOTS = 3 };

typedef struct sizes {
    int64_t T, dk, dv;
} sizes;

/* Of inputs over tokens, without states. */
static struct gla_count cost_of_run(const char *mechanism, const char *text, bool backward, sizes n, bool gv) {
    test_problem x = problem_sized(1, n.T, 1, n.dk, n.dv);
    test_random r = random_from(8300);
    name_mechanism(&x.p, mechanism);
    x.p.M = SLOTS;
    for (int i = 0; i < GLA_INPUTS; i++) {
        gla_input name = (gla_input)i;
        bool wanted = gla_inputs_taken(&x.p) & 1u << i && !gla_is_state_input(name);
        if (!wanted || (i == GLA_IN_GV && !gv)) continue;
        problem_give(&x, name, 1);
        for (int64_t j = 0; j < problem_count(&x, name); j++) x.at[i][j] = random_of_kind(&r, gla_input_kind(name), 1);
    }
    struct gla_count count = any_cost(&x.p, form_named(text, backward));
    problem_free(&x);
    return count;
}

static struct gla_count cost_of(const char *mechanism, const char *text, sizes n, bool gv) {
    return cost_of_run(mechanism, text, false, n, gv);
}

static int64_t flops(struct gla_count c) { return (int64_t)(c.add + c.mul + 2 * c.fma); }

static const sizes shapes[] = {{64, 2, 1}, {64, 5, 3}, {128, 4, 7}};

START_TEST(gated_core) {
    sizes n = shapes[_i];
    int64_t Tk = n.T * n.dk, Tkv = Tk * n.dv;
    struct gla_count c = cost_of("gla", "recurrent", n, false);
    ck_assert_int_eq(flops(c), 5 * Tkv + Tk);
    ck_assert_int_eq((int64_t)c.exp, Tk);
    c = cost_of("gla", "recurrent", n, true);
    ck_assert_int_eq(flops(c), 6 * Tkv + Tk);
    ck_assert_int_eq((int64_t)c.exp, Tk + n.T * n.dv);
    ck_assert_int_eq(flops(cost_of("simple_gla", "recurrent", n, false)), 5 * Tkv + Tk);
    ck_assert_int_eq(flops(cost_of("linear_attention", "recurrent", n, false)), 4 * Tkv + Tk);
    ck_assert_int_eq((int64_t)cost_of("linear_attention", "chunkwise:16:4", n, false).exp, 0);
    ck_assert_int_eq((int64_t)cost_of("gla", "chunkwise:16:4", n, false).exp, Tk * (2 * 3 + (16 - 4) / 4 + 5) / 2);
}
END_TEST

START_TEST(maps_onto_the_gated_core) {
    sizes n = shapes[_i];
    int64_t Tk = n.T * n.dk, Tkv = Tk * n.dv, TM = n.T * SLOTS;
    struct gla_count r = cost_of("rwkv6", "recurrent", n, false), s = cost_of("gsa", "recurrent", n, false),
                     tied = cost_of("gsa,tie=tied", "recurrent", n, false);
    int64_t bonus = n.T * (3 * n.dk + 2 * n.dv + 1), first = 2 * n.dk * n.dv + n.dk;
    ck_assert_int_eq(flops(r), 5 * Tkv + Tk + bonus + first);
    ck_assert_int_eq((int64_t)r.exp, Tk);
    ck_assert_int_eq(flops(s), 5 * TM * (n.dk + n.dv) + Tk + TM + 2 * TM);
    ck_assert_int_eq((int64_t)s.exp, 3 * TM);
    ck_assert_int_eq((int64_t)s.div, TM);
    ck_assert_int_eq(flops(tied), flops(s));
    ck_assert_int_eq((int64_t)tied.exp, 4 * TM);
}
END_TEST

START_TEST(delta_recurrent) {
    sizes n = shapes[_i];
    int64_t Tk = n.T * n.dk, Tkv = Tk * n.dv, rest = Tk + 2 * n.T * n.dv;
    struct gla_count none = cost_of("delta_rule", "recurrent", n, false),
                     head = cost_of("gated_delta_rule", "recurrent", n, false),
                     channel = cost_of("kda", "recurrent", n, false);
    ck_assert_int_eq(flops(none), 6 * Tkv + rest);
    ck_assert_int_eq(flops(head), 7 * Tkv + rest);
    ck_assert_int_eq(flops(channel), 7 * Tkv + rest);
    ck_assert_int_eq((int64_t)none.exp, 0);
    ck_assert_int_eq((int64_t)head.exp, n.T);
    ck_assert_int_eq((int64_t)channel.exp, Tk);
}
END_TEST

enum { C = 16, SUB = 4 };

START_TEST(delta_chunks) {
    sizes n = shapes[_i];
    int64_t solve = n.T * (6 * n.dk * n.dv + 4 * C * n.dk + (3 * C - 1) * n.dv + 2 * n.dk + 2 * n.dv);
    int64_t ut = solve + n.T * ((C * C - 1) / 3 + 2 * C * n.dk + (C + 1) * n.dv + n.dk);
    ck_assert_int_eq(flops(cost_of("delta_rule", "chunkwise:16:16", n, false)), solve);
    ck_assert_int_eq(flops(cost_of("delta_rule", "chunkwise:16:16+ut", n, false)), ut);
    /* A gate per head: sums, exponents, the decays of Q, K, K and S, and of both squares of pairs. */
    int64_t sums = C - 1, exponents = C + C * (C + 1) / 2;
    struct gla_count head = cost_of("gated_delta_rule", "chunkwise:16:16", n, false);
    ck_assert_int_eq(flops(head), solve + n.T / C * (sums + exponents + 3 * C * n.dk + n.dk * n.dv + 2 * C * C));
    ck_assert_int_eq((int64_t)head.exp, n.T * (C + 1) / 2 + 2 * n.T);
}
END_TEST

/* The squares of pairs as 1f has them, in sub-chunks, twice: the exponents of keys and queries, then products. */
START_TEST(channel_chunks) {
    sizes n = shapes[_i];
    int64_t keys = (C - SUB) / SUB, pairs = C - SUB + 2 * (SUB + 1) + 2 + keys; /* keys: halves, two flops each */
    int64_t token = 6 * n.dk * n.dv + 2 * pairs * n.dk + (3 * C - 1) * n.dv + 2 * n.dk + 2 * n.dv;
    int64_t chunk = (C - 1) * n.dk + 4 * C * n.dk + n.dk * n.dv;
    struct gla_count c = cost_of("kda", "chunkwise:16:4", n, false);
    ck_assert_int_eq(flops(c), n.T * token + n.T / C * chunk);
    ck_assert_int_eq((int64_t)c.exp, n.T * n.dk * (2 + 2 + keys + SUB + 1));
}
END_TEST

/* What gradients cost more, in one chunk, where no state is made again: products with states and adjoints 14 dk dv a
 * token; squares of pairs for L, KK and P, dQ, dK^r and twice dK^w (14 C dk), for P^T dO, dL, dP (6 C dv); two
 * substitutions (2 (C - 1) dv); the rest is linear. Spec 9f counts half squares, L and KK once, and 2 dk dv for S. */
START_TEST(delta_backward) {
    sizes n = {C, shapes[_i].dk, shapes[_i].dv};
    int64_t forward = flops(cost_of_run("delta_rule", "chunkwise:16:16", false, n, false));
    int64_t both = flops(cost_of_run("delta_rule", "chunkwise:16:16", true, n, false));
    ck_assert_int_eq(both - forward, n.T * (14 * n.dk * n.dv + 14 * C * n.dk + (6 * C + 2 * (C - 1)) * n.dv +
                                            11 * n.dk + 5 * n.dv + 3 * C));
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("cost of mechanisms");
    TCase *t = tcase_create("cost");
    tcase_set_timeout(t, 30);
    tcase_add_loop_test(t, gated_core, 0, 3);
    tcase_add_loop_test(t, maps_onto_the_gated_core, 0, 3);
    tcase_add_loop_test(t, delta_recurrent, 0, 3);
    tcase_add_loop_test(t, delta_chunks, 0, 3);
    tcase_add_loop_test(t, channel_chunks, 0, 3);
    tcase_add_loop_test(t, delta_backward, 0, 3);
    suite_add_tcase(s, t);
    return s;
}

int main(void) { return test_main(suite()); }
