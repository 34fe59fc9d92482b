/* SPDX-License-Identifier: Apache-2.0
 *
 * Tensors of a case file by their axes: what may be left out of a shape, in every layout; a mechanism's own names and
 * the usual ones; states the other way round; and what is refused, in words.
 */
#include <string.h>

#include "../../../compare/io/case.h"
#include "../../testing.h"

enum { B = 2, T = 3, H = 2, K = 4, V = 5, M = 6 };

static gla_tensor_file file;

static void add(const char *name, int rank, const int64_t *shape) {
    double value[512];
    gla_error err;
    for (int i = 0; i < 512; i++) value[i] = 0.25 + (double)i / 1024;
    ck_assert_msg(gla_tensors_add(&file, name, GLA_F64, rank, shape, value, &err) == GLA_OK, "%s", err.what);
}

#define ADD(name, ...) add(name, (int)(sizeof(int64_t[]){__VA_ARGS__} / sizeof(int64_t)), (int64_t[]){__VA_ARGS__})

static void begin(const char *mechanism) {
    file = (gla_tensor_file){0};
    gla_tensors_set_meta(&file, "mechanism", mechanism, NULL);
}

static gla_case built(void) {
    gla_case c;
    gla_error err = {0};
    ck_assert_msg(gla_case_build(&file, NULL, "file", NULL, &c, &err) == GLA_OK, "%s", err.what);
    return c;
}

static void refused(const char *says) {
    gla_case c;
    gla_error err = {0};
    ck_assert(gla_case_build(&file, NULL, "file", NULL, &c, &err) != GLA_OK);
    ck_assert_msg(strstr(err.what, says) != NULL, "%s, not %s", err.what, says);
}

static void plain_tokens(void) {
    ADD("q", B, T, H, K);
    ADD("k", B, T, H, K);
    ADD("v", B, T, H, V);
}

/* beta [B,T,H] or [B,T,H,1]; tokens and heads exchanged: [B,H,T]; packed: [T,H]. */
START_TEST(one_number_per_head) {
    for (int last = 0; last < 2; last++) {
        begin("delta_rule");
        plain_tokens();
        last ? ADD("beta", B, T, H, 1) : ADD("beta", B, T, H);
        gla_case c = built();
        ck_assert(c.problem.beta.heads == H && c.problem.beta.stride[1] == H);
        gla_case_free(&c);
    }
    begin("delta_rule");
    gla_tensors_set_meta(&file, "layout", "BHTD", NULL);
    ADD("q", B, H, T, K);
    ADD("k", B, H, T, K);
    ADD("v", B, H, T, V);
    ADD("beta", B, H, T);
    gla_case c = built();
    /* token 2 of head 1 in batch 1: the last number of [B,H,T] */
    ck_assert(c.problem.beta.at[c.problem.beta.stride[0] + 2 * c.problem.beta.stride[1] + c.problem.beta.stride[2]] ==
              0.25 + (double)(B * H * T - 1) / 1024);
    gla_case_free(&c);
    begin("delta_rule");
    gla_tensors_set_meta(&file, "layout", "THD", NULL);
    ADD("q", T, H, K);
    ADD("k", T, H, K);
    ADD("v", T, H, V);
    ADD("beta", T, H);
    gla_tensors_add_integers(&file, "cu_seqlens", 1, (int64_t[]){3}, (int64_t[]){0, 1, T}, NULL);
    c = built();
    ck_assert(c.problem.N == 2 && c.problem.beta.heads == H);
    gla_case_free(&c);
}
END_TEST

static void mamba(bool own) {
    begin("mamba2");
    ADD(own ? "C" : "q", B, T, H, K);
    ADD(own ? "B" : "k", B, T, H, K);
    ADD(own ? "x" : "v", B, T, H, V);
    ADD("dt", B, T, H);
}

/* A weight [h], [h,1] or [1,1,h,1]; names of the mechanism's or the usual ones. */
START_TEST(weights_and_names) {
    for (int i = 0; i < 6; i++) {
        mamba(i % 2);
        if (i / 2 == 0) ADD("A_log", H);
        if (i / 2 == 1) ADD("A_log", H, 1);
        if (i / 2 == 2) ADD("A_log", 1, 1, H, 1);
        gla_case c = built();
        int64_t shape[4];
        gla_input_shape(&c.problem, GLA_IN_A_LOG, shape);
        ck_assert(shape[0] == 1 && shape[1] == 1 && shape[2] == H && shape[3] == 1);
        ck_assert(c.problem.A_log.at[c.problem.A_log.stride[2]] == 0.25 + 1.0 / 1024);
        ck_assert_str_eq(c.ignored, "");
        gla_case_free(&c);
    }
    begin("rwkv6");
    ADD("r", B, T, H, K);
    ADD("k", B, T, H, K);
    ADD("v", B, T, H, V);
    ADD("u", H, K);
    gla_case c = built();
    ck_assert(c.problem.u.heads == H && c.problem.u.stride[3] == 1);
    gla_case_free(&c);
}
END_TEST

START_TEST(slots) {
    begin("gsa");
    plain_tokens();
    ADD("s", B, T, H, M);
    for (size_t i = 0; i < file.count; i++) ck_assert_ptr_nonnull(file.tensor[i].name);
    double gates[B * T * H * M];
    for (int i = 0; i < B * T * H * M; i++) gates[i] = -1;
    ck_assert(gla_tensors_add(&file, "g", GLA_F64, 4, (int64_t[]){B, T, H, M}, gates, NULL) == GLA_OK);
    ADD("initial_keys", B, H, K, M);
    gla_case c = built();
    ck_assert_int_eq(c.problem.M, M);
    gla_case_free(&c);
    begin("gsa");
    plain_tokens();
    ADD("s", B, T, H, M);
    ck_assert(gla_tensors_add(&file, "g", GLA_F64, 4, (int64_t[]){B, T, H, K}, gates, NULL) == GLA_OK);
    refused("s has shape [2,3,2,6], wanted [2,3,h,4]"); /* slots are counted by the first, g */
}
END_TEST

/* [N,h,dv,dk] into [N,h,dk,dv], inputs and outputs. */
START_TEST(states_the_other_way) {
    begin("delta_rule");
    gla_tensors_set_meta(&file, "state_layout", "VK", NULL);
    plain_tokens();
    ADD("beta", B, T, H);
    ADD("initial_state", B, H, V, K);
    ADD("final_state", B, H, V, K);
    gla_case c = built();
    const gla_tensor *S = &c.problem.initial_state;
    for (int i = 0; i < K; i++)
        for (int j = 0; j < V; j++) {
            double want = 0.25 + (double)(K * V + j * K + i) / 1024; /* of head 1 */
            ck_assert(S->at[S->stride[1] + i * S->stride[2] + j * S->stride[3]] == want);
            ck_assert(c.output[GLA_FINAL_STATE].value[(K + i) * V + j] == want);
        }
    gla_case_free(&c);
    begin("delta_rule");
    gla_tensors_set_meta(&file, "state_layout", "VK", NULL);
    plain_tokens();
    ADD("beta", B, T, H);
    ADD("initial_state", B, H, K, V);
    refused("initial_state has shape [2,2,4,5]");
    begin("delta_rule");
    gla_tensors_set_meta(&file, "state_layout", "KVK", NULL);
    plain_tokens();
    refused("state_layout 'KVK' is neither KV");
}
END_TEST

START_TEST(refusals) {
    begin("delta_rule");
    plain_tokens();
    refused("there is no tensor 'beta'");
    begin("kda");
    plain_tokens();
    ADD("beta", B, T, H, K);
    refused("beta has shape [2,3,2,4], wanted [2,3,h,1]");
    mamba(true);
    ADD("A_log", H);
    ADD("q", B, T, H, K);
    refused("both C and q are given, and mean the same");
    mamba(true);
    ADD("A_log", H, 2);
    refused("A_log has shape [2,2], wanted [h]");
    begin("gla");
    plain_tokens();
    ADD("beta", B, T, H);
    refused("mechanism gla takes no beta");
    begin("linear_attention");
    plain_tokens();
    ADD("initial_n", B, H, K);
    refused("mechanism linear_attention takes no initial_n");
    begin("linear_attention,normaliser=sum");
    plain_tokens();
    ADD("initial_n", B, H, K);
    gla_case c = built();
    gla_case_free(&c);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("case axes");
    TCase *t = tcase_create("files");
    tcase_set_timeout(t, 20);
    tcase_add_test(t, one_number_per_head);
    tcase_add_test(t, weights_and_names);
    tcase_add_test(t, slots);
    tcase_add_test(t, states_the_other_way);
    tcase_add_test(t, refusals);
    suite_add_tcase(s, t);
    return s;
}

int main(void) { return test_main(suite()); }
