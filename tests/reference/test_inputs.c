/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of inputs and outputs as mechanisms use it: axes and names, what each needs and takes, and weights, which
 * tie the sequences of a problem together.
 */
#include "gated/problems.h"
#include "reference/slice.h"

static void expect(const test_problem *x, bool growth, gla_status wanted, const char *says, const char *too) {
    gla_error err = {0};
    ck_assert_int_eq(gla_problem_check(&x->p, growth, &err), wanted);
    ck_assert_msg(wanted == GLA_OK || (strstr(err.what, says) && strstr(err.what, too)), "says: %s", err.what);
}

static void give_all(test_problem *x, const char *mechanism, int64_t heads) {
    gla_error err = {0};
    ck_assert_msg(gla_mechanism_parse(mechanism, &x->p, &err) == GLA_OK, "%s", err.what);
    for (int i = 0; i < GLA_INPUTS; i++)
        if (gla_inputs_taken(&x->p) & 1u << i) {
            problem_give(x, (gla_input)i, heads);
            for (int64_t j = 0; j < problem_count(x, (gla_input)i); j++) x->at[i][j] = -0.5;
            for (int64_t j = 0; gla_input_kind((gla_input)i) == GLA_KIND_RATE && j < problem_count(x, (gla_input)i);
                 j++)
                x->at[i][j] = 0.5;
        }
}

/* Axes by the table, by mechanism and of what comes of an input. */
START_TEST(axes) {
    static const struct {
        const char *mechanism;
        gla_input in;
        gla_output out;
        const char *name, *gradient;
        int64_t shape[4];
    } rows[] = {{"kda", GLA_IN_BETA, GLA_DBETA, "beta", "dbeta", {2, 3, 2, 1}},
                {"kda", GLA_IN_GK, GLA_DGK, "g", "dg", {2, 3, 2, 5}},
                {"gated_delta_rule", GLA_IN_GK, GLA_DGK, "g", "dg", {2, 3, 2, 1}},
                {"rwkv6", GLA_IN_Q, GLA_DQ, "r", "dr", {2, 3, 2, 5}},
                {"rwkv6", GLA_IN_U, GLA_DU, "u", "du", {1, 1, 2, 5}},
                {"gsa", GLA_IN_GK, GLA_DGK, "g", "dg", {2, 3, 2, 7}},
                {"gsa", GLA_IN_S, GLA_DS, "s", "ds", {2, 3, 2, 7}},
                {"gsa", GLA_IN_INITIAL_STATE, GLA_DINITIAL_STATE, "initial_state", "dinitial_state", {2, 2, 7, 4}},
                {"gsa", GLA_IN_INITIAL_KEYS, GLA_DINITIAL_KEYS, "initial_keys", "dinitial_keys", {2, 2, 5, 7}},
                {"mamba2", GLA_IN_A_LOG, GLA_DA_LOG, "A_log", "dA_log", {1, 1, 2, 1}},
                {"mamba2", GLA_IN_Z, GLA_DZ, "z", "dz", {2, 3, 2, 4}},
                {"mamba1", GLA_IN_A_LOG, GLA_DA_LOG, "A_log", "dA_log", {1, 1, 2, 5}},
                {"hgrn2", GLA_IN_F, GLA_DF, "f", "df", {2, 3, 2, 5}},
                {"mlstm", GLA_IN_F, GLA_DF, "f", "df", {2, 3, 2, 1}},
                {"mlstm", GLA_IN_INITIAL_N, GLA_DINITIAL_N, "initial_n", "dinitial_n", {2, 2, 5, 1}},
                {"mlstm", GLA_IN_INITIAL_M, GLA_DINITIAL_M, "initial_m", "dinitial_m", {2, 2, 1, 1}}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        test_problem x = problem_sized(2, 3, 4, 5, 4);
        int64_t shape[4];
        x.p.M = 7;
        give_all(&x, rows[i].mechanism, 2);
        const gla_mechanism *m = gla_mechanism_of(&x.p);
        gla_input_shape(&x.p, rows[i].in, shape);
        ck_assert_mem_eq(shape, rows[i].shape, sizeof shape);
        gla_output_shape(&x.p, rows[i].out, shape);
        ck_assert_mem_eq(shape, rows[i].shape, sizeof shape);
        ck_assert(gla_has_output(&x.p, true, rows[i].out) && !gla_has_output(&x.p, false, rows[i].out));
        ck_assert_str_eq(gla_input_name(m, rows[i].in), rows[i].name);
        ck_assert_str_eq(gla_output_name(m, rows[i].out), rows[i].gradient);
        ck_assert_int_eq(gla_input_named(m, rows[i].name), rows[i].in);
        ck_assert_int_eq(gla_output_named(m, rows[i].gradient), rows[i].out);
        ck_assert_int_eq(gla_input_named(m, gla_input_names[rows[i].in]), rows[i].in); /* the usual name, too */
        expect(&x, false, GLA_OK, "", "");
        problem_free(&x);
    }
}
END_TEST

/* Names: mamba2 calls k "B", and what is none is none. Forward outputs have all heads, whatever their gradients. */
START_TEST(names) {
    test_problem x = problem_sized(2, 3, 4, 5, 4);
    int64_t shape[4];
    give_all(&x, "mamba2", 2);
    const gla_mechanism *m = gla_mechanism_of(&x.p);
    ck_assert_int_eq(gla_input_named(m, "B"), GLA_IN_K);
    ck_assert_int_eq(gla_output_named(m, "dB"), GLA_DK);
    ck_assert_int_eq(gla_output_named(m, "y"), GLA_O);
    ck_assert_int_eq(gla_input_named(m, "nothing"), GLA_INPUTS);
    ck_assert_int_eq(gla_output_named(m, "nothing"), GLA_OUTPUTS);
    gla_output_shape(&x.p, GLA_O, shape);
    ck_assert_int_eq(shape[2], 4);
    gla_output_shape(&x.p, GLA_FINAL_STATE, shape);
    ck_assert_int_eq(shape[1], 4);
    problem_free(&x);
}
END_TEST

/* What one mechanism needs and takes, by its own names; kinds; slots. */
START_TEST(by_mechanism) {
    test_problem x = problem_sized(2, 3, 4, 5, 4);
    give_all(&x, "rwkv6", 2);
    x.at[GLA_IN_U][1] = INFINITY;
    expect(&x, false, GLA_BAD_VALUE, "u[0,0,0,1]", "is infinite");
    x.at[GLA_IN_U][1] = 0;
    x.at[GLA_IN_GK][5] = 0.5;
    expect(&x, false, GLA_BAD_VALUE, "w[0,0,1,0]", "above 0");
    expect(&x, true, GLA_OK, "", "");
    x.p.q.at = NULL;
    expect(&x, false, GLA_BAD_SHAPE, "input r is missing", "");
    problem_free(&x);
    x = problem_sized(2, 3, 4, 5, 4);
    give_all(&x, "delta_rule", 4);
    x.p.u = x.p.q;
    expect(&x, false, GLA_BAD_VALUE, "mechanism delta_rule takes no u", "");
    problem_free(&x);
    x = problem_sized(2, 3, 4, 5, 4);
    give_all(&x, "gsa", 4);
    expect(&x, false, GLA_BAD_SHAPE, "M = 0", "");
    problem_free(&x);
}
END_TEST

/* A weight's strides over b and t count for nothing, and it ties all sequences to one unit, heads apart. */
START_TEST(weights) {
    test_problem x = problem_sized(1, 6, 4, 5, 4);
    problem_segments(&x, 3, (int64_t[]){0, 2, 2, 6});
    give_all(&x, "rwkv6", 2);
    x.p.u.stride[0] = x.p.u.stride[1] = 1000000;
    expect(&x, false, GLA_OK, "", "");
    ck_assert_int_eq(gla_unit_sequences(&x.p), 3);
    ck_assert_int_eq(gla_unit_heads(&x.p), 2);
    gla_part part = gla_part_of(&x.p, 0, 2, 2);
    ck_assert(part.problem.N == 3 && part.problem.T == 6 && part.problem.cu_seqlens && part.problem.H == 2);
    ck_assert_ptr_eq(part.problem.u.at, x.p.u.at + 5);
    ck_assert_ptr_eq(part.problem.q.at, x.p.q.at + 5);
    ck_assert_int_eq(gla_part_to_whole(&part, &x.p, GLA_DU, 3), 5 + 3);
    ck_assert_int_eq(gla_part_to_whole(&part, &x.p, GLA_DQ, 5), 10 + 5); /* token 1 of the one head */
    ck_assert_int_eq(gla_part_to_whole(&part, &x.p, GLA_FINAL_STATE, 2 * 20), (4 + 2) * 20); /* state 1, head 0 */
    problem_free(&x);
    x = problem_sized(3, 6, 4, 5, 4);
    give_all(&x, "kda", 2);
    ck_assert_int_eq(gla_unit_sequences(&x.p), 1);
    problem_free(&x);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("inputs");
    TCase *t = tcase_create("inputs");
    tcase_set_timeout(t, 30);
    tcase_add_test(t, axes);
    tcase_add_test(t, names);
    tcase_add_test(t, by_mechanism);
    tcase_add_test(t, weights);
    suite_add_tcase(s, t);
    return s;
}

int main(void) { return test_main(suite()); }
