/* SPDX-License-Identifier: Apache-2.0
 *
 * Heads and memory: shared heads equal repeated ones, heads and batch rows do not meet, strides do not matter.
 */
#include "problems.h"

#define TOLERANCE 1e-60

static const char *const forms[] = {"recurrent", "parallel", "chunkwise:4:2", "chunkwise:3:3+materialised"};
enum { FORMS = 4 };

/* Shared heads equal repeated ones, and their gradient is the sum over the group. */
START_TEST(shared_heads) {
    enum { H = 6 };
    static const int64_t heads[GATED_INPUTS] = {6, 2, 3, 2, 1, 3, 6, 1};
    static const struct {
        gla_output out;
        gla_input in;
    } gradients[] = {{GLA_DQ, GLA_IN_Q},   {GLA_DK, GLA_IN_K},   {GLA_DV, GLA_IN_V},
                     {GLA_DGK, GLA_IN_GK}, {GLA_DGV, GLA_IN_GV}, {GLA_DINITIAL_STATE, GLA_IN_INITIAL_STATE}};
    test_random r = random_from(50);
    test_problem shared = problem_sized(2, 5, H, 3, 2), repeated = problem_sized(2, 5, H, 3, 2);
    for (int i = 0; i < GATED_INPUTS; i++) {
        int64_t s[4], all[4];
        gla_input name = (gla_input)i;
        problem_give(&shared, name, heads[i]);
        problem_fill(&shared, name, &r, 1, 0);
        problem_give(&repeated, name, H);
        shape_of(&shared.p, name, heads[i], s);
        shape_of(&repeated.p, name, H, all);
        int axis = gla_is_state_input(name) ? 1 : 2;
        for (int64_t j = 0; j < count_of(all); j++) {
            int64_t at[4];
            unravel(all, j, at);
            at[axis] /= H / heads[i];
            repeated.at[i][j] = shared.at[i][index_in(s, at[0], at[1], at[2], at[3])];
        }
    }
    test_run a = run_problem(&shared.p, forms[_i], "mpfr:256"), b = run_problem(&repeated.p, forms[_i], "mpfr:256");
    ck_assert_double_le(run_apart(&a, &b, GLA_O), TOLERANCE);
    ck_assert_double_le(run_apart(&a, &b, GLA_FINAL_STATE), TOLERANCE);
    mpfr_t x, y, sum;
    mpfr_inits2(512, x, y, sum, (mpfr_ptr)0);
    for (int g = 0; g < 6; g++) {
        gla_output out = gradients[g].out;
        const int64_t *s = a.result.tensor[out].shape;
        int axis = gla_is_state_output(out) ? 1 : 2;
        int64_t group = H / heads[gradients[g].in];
        ck_assert_int_eq(s[axis], heads[gradients[g].in]);
        distance d;
        distance_begin(&d);
        for (int64_t j = 0; j < a.result.tensor[out].count; j++) {
            int64_t at[4];
            unravel(s, j, at);
            at[axis] *= group;
            mpfr_set_zero(sum, 1);
            for (int64_t m = 0; m < group; m++, at[axis]++) {
                run_get(y, &b, out, run_index(&b, out, at[0], at[1], at[2], at[3]));
                mpfr_add(sum, sum, y, MPFR_RNDN);
            }
            run_get(x, &a, out, j);
            distance_add(&d, x, sum);
        }
        double apart = distance_end(&d);
        ck_assert_msg(apart <= TOLERANCE, "%s: %s differs by %g", forms[_i], gla_output_names[out], apart);
    }
    mpfr_clears(x, y, sum, (mpfr_ptr)0);
    run_free(&a);
    run_free(&b);
    problem_free(&shared);
    problem_free(&repeated);
}
END_TEST

/* Heads and batch rows do not meet: rotating both rotates every output, bit for bit, in binary32.
 */
START_TEST(permutation) {
    enum { B = 2, H = 3 };
    test_random r = random_from(60);
    test_problem x = problem_sized(B, 6, H, 3, 4), turned = problem_sized(B, 6, H, 3, 4);
    for (int i = 0; i < GATED_INPUTS; i++) {
        int64_t s[4];
        gla_input name = (gla_input)i;
        problem_give(&x, name, H);
        problem_fill(&x, name, &r, 1, 0.02);
        problem_give(&turned, name, H);
        shape_of(&x.p, name, H, s);
        int axis = gla_is_state_input(name) ? 1 : 2;
        for (int64_t j = 0; j < count_of(s); j++) {
            int64_t at[4];
            unravel(s, j, at);
            at[0] = (at[0] + 1) % B;
            at[axis] = (at[axis] + 1) % H;
            turned.at[i][index_in(s, at[0], at[1], at[2], at[3])] = x.at[i][j];
        }
    }
    test_run a = run_problem(&x.p, forms[_i], "binary32"), b = run_problem(&turned.p, forms[_i], "binary32");
    for (int out = 0; out < GLA_OUTPUTS; out++) {
        const int64_t *s = a.result.tensor[out].shape;
        int axis = gla_is_state_output((gla_output)out) ? 1 : 2;
        for (int64_t j = 0; j < a.result.tensor[out].count; j++) {
            int64_t at[4];
            unravel(s, j, at);
            at[0] = (at[0] + 1) % B;
            at[axis] = (at[axis] + 1) % H;
            double one = gla_result_d(&a.result, (gla_output)out, j);
            double two = gla_result_d(&b.result, (gla_output)out, index_in(s, at[0], at[1], at[2], at[3]));
            ck_assert_msg(memcmp(&one, &two, sizeof one) == 0, "%s[%ld]: %a, %a", gla_output_names[out], (long)j, one,
                          two);
        }
    }
    run_free(&a);
    run_free(&b);
    problem_free(&x);
    problem_free(&turned);
}
END_TEST

/* [B,H,T,D] data through strides gives the same bits as dense [B,T,H,D]. */
START_TEST(strided_inputs) {
    test_random r = random_from(70);
    test_problem x = problem_sized(2, 5, 3, 2, 4), other = problem_sized(2, 5, 3, 2, 4);
    for (int i = 0; i < GATED_INPUTS; i++) {
        int64_t s[4];
        gla_input name = (gla_input)i;
        problem_give(&x, name, 3);
        problem_fill(&x, name, &r, 1, 0);
        problem_give(&other, name, 3);
        shape_of(&x.p, name, 3, s);
        for (int64_t j = 0; j < count_of(s); j++) {
            int64_t at[4];
            unravel(s, j, at);
            other.at[i][((at[0] * s[2] + at[2]) * s[1] + at[1]) * s[3] + at[3]] = x.at[i][j];
        }
        gla_problem_input(&other.p, name)->stride[1] = s[3];
        gla_problem_input(&other.p, name)->stride[2] = s[1] * s[3];
    }
    test_run a = run_problem(&x.p, forms[_i], "binary32"), b = run_problem(&other.p, forms[_i], "binary32");
    check_runs_agree(&a, &b, 0, forms[_i]);
    run_free(&a);
    run_free(&b);
    problem_free(&x);
    problem_free(&other);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("gated heads");
    TCase *t = tcase_create("heads");
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, shared_heads, 0, FORMS);
    tcase_add_loop_test(t, permutation, 0, FORMS);
    tcase_add_loop_test(t, strided_inputs, 0, FORMS);
    suite_add_tcase(s, t);
    return s;
}

int main(void) { return test_main(suite()); }
