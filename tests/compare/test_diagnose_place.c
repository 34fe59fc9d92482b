/* SPDX-License-Identifier: Apache-2.0
 *
 * The first bad element and the shares of known damage, in the outputs of a right kernel: forward and backward in time,
 * reversed, packed.
 */
#include <math.h>
#include <string.h>

#include "../mutants/wrong_bench.h"
#include "../testing.h"

enum { T = 130, H = 2, DK = 8, DV = 12 };

static wrong_bench bench;
static gla_diagnosis diagnosis;

static void make(gla_case_spec spec) {
    gla_error err = {0};
    const wrong_kernel right = {.name = "right", .spec = spec};
    ck_assert_msg(wrong_open(&right, "mild", &gla_bf16, test_seed(), &bench, &err) == GLA_OK, "%s", err.what);
}

static void drop(void) { wrong_close(&bench); }

static void diagnose(void) {
    gla_error err = {0};
    ck_assert_msg(wrong_diagnose(&bench, &diagnosis, &err) == GLA_OK, "%s", err.what);
    ck_assert(bench.judgement.verdict == GLA_FAIL);
    if (!diagnosis.first.known) return;
    const gla_bad_place *judged =
        &bench.judgement.tensor[diagnosis.first.output].first_bad; /* one place in all reports */
    ck_assert(judged->known && memcmp(judged->at, diagnosis.first.at, sizeof judged->at) == 0);
}

static void expect_place(gla_output name, int64_t at0, int64_t at1, int64_t at2, int64_t at3) {
    const gla_bad_place *first = &diagnosis.first;
    ck_assert(first->known && first->output == name);
    ck_assert_msg(first->at[0] == at0 && first->at[1] == at1 && first->at[2] == at2 && first->at[3] == at3,
                  "[%ld,%ld,%ld,%ld]", (long)first->at[0], (long)first->at[1], (long)first->at[2], (long)first->at[3]);
}

static void expect_token(int64_t sequence, int64_t token) {
    const gla_bad_place *first = &diagnosis.first;
    ck_assert_msg(first->sequence == sequence && first->token == token && first->chunk == token / 64 &&
                      first->row == token % 64,
                  "sequence %ld, token %ld, chunk %ld, row %ld; not token %ld of %ld", (long)first->sequence,
                  (long)first->token, (long)first->chunk, (long)first->row, (long)token, (long)sequence);
}

/* One bad element: named with its sequence, chunk and row; one stretch of each share is not 0. */
START_TEST(the_place_is_named) {
    make((gla_case_spec){.B = 2, .T = T, .H = H, .reverse = _i == 1});
    bench.output[GLA_O][((1 * T + 70) * H + 1) * DV + 5] += 100;
    diagnose();
    expect_place(GLA_O, 1, 70, 1, 5);
    expect_token(1, _i == 1 ? T - 1 - 70 : 70);
    const gla_shares *s = &diagnosis.share[GLA_O];
    ck_assert(s->heads == 2 && s->tokens == 64);
    ck_assert(s->head[0] == 0 && s->head[1] > 0);
    for (int i = 0; i < 64; i++) ck_assert((s->token[i] > 0) == (i == 70 * 64 / T));
    ck_assert_int_eq(diagnosis.share[GLA_DQ].heads, 0);
    ck_assert_str_eq(diagnosis.cause, "");
}
END_TEST

/* Two bad tokens: dq is made from the first token on, dk dv dg from the last one back, and the place is that of the one
 * made first; in a packed sequence its token counts from that sequence's own start. */
static const struct {
    gla_output output;
    bool reverse, varlen;
} gradients[] = {
    {GLA_DQ, false, false}, {GLA_DQ, true, false}, {GLA_DQ, false, true},  {GLA_DQ, true, true},
    {GLA_DK, false, false}, {GLA_DK, true, false}, {GLA_DK, false, true},  {GLA_DK, true, true},
    {GLA_DV, false, false}, {GLA_DV, true, true},  {GLA_DGK, true, false}, {GLA_DGK, false, true},
};

/* The longest packed sequence. */
static int64_t longest(const int64_t *cu, int64_t N) {
    int64_t best = 0;
    for (int64_t n = 1; n < N; n++)
        if (cu[n + 1] - cu[n] > cu[best + 1] - cu[best]) best = n;
    return best;
}

START_TEST(gradients_are_placed_as_they_are_made) {
    gla_output name = gradients[_i].output;
    bool reverse = gradients[_i].reverse, varlen = gradients[_i].varlen;
    make((gla_case_spec){.T = T, .H = H, .reverse = reverse, .varlen = varlen});
    int64_t n = varlen ? longest(bench.made.cu_seqlens, bench.made.problem.N) : 0;
    int64_t start = varlen ? bench.made.cu_seqlens[n] : 0, end = varlen ? bench.made.cu_seqlens[n + 1] : T;
    int64_t early = start + 1, late = end - 2, D = bench.truth.tensor[name].shape[3];
    ck_assert_int_lt(early, late);
    bench.output[name][(early * H + 1) * D + 3] += 100;
    bench.output[name][(late * H + 1) * D + 3] += 100;
    diagnose();
    bool from_end = reverse != (name != GLA_DQ);
    int64_t at = from_end ? late : early;
    expect_place(name, 0, at, 1, 3);
    expect_token(n, reverse ? end - 1 - at : at - start);
}
END_TEST

START_TEST(a_bad_state_has_no_token) {
    make((gla_case_spec){.H = 3});
    bench.output[GLA_FINAL_STATE][(1 * DK + 2) * DV + 3] = NAN;
    diagnose();
    expect_place(GLA_FINAL_STATE, 0, 1, 2, 3);
    ck_assert_int_eq(diagnosis.first.token, -1);
    ck_assert(diagnosis.share[GLA_FINAL_STATE].tokens == 0 && diagnosis.share[GLA_FINAL_STATE].heads == 3);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("diagnose_place");
    TCase *t = tcase_create("places");
    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, NULL, drop);
    tcase_add_loop_test(t, the_place_is_named, 0, 2);
    tcase_add_loop_test(t, gradients_are_placed_as_they_are_made, 0, sizeof gradients / sizeof *gradients);
    tcase_add_test(t, a_bad_state_has_no_token);
    suite_add_tcase(s, t);
    return s;
}

int main(void) { return test_main(suite()); }
