/* SPDX-License-Identifier: Apache-2.0
 *
 * The unsafe forms fail, abruptly, at the token that closed form predicts, and the safe ones beside them do not.
 *
 * Both unsafe forms divide by the decay since an anchor: chunkwise-factored since the start of the chunk,
 * parallel-naive since the start of the sequence. With the same log gate g on every channel the quotient at local row r
 * (from 1) is e^(r|g|), so the first token that is not finite is the first with r|g| > ln(max). Keys are +-1 so that
 * the quotient of key and decay overflows with the decay itself; gates are exact in the system, so the sums are too.
 */
#include "problems.h"

/* ln(max) of a system. */
typedef struct trap_system {
    const char *name;
    double limit;
} trap_system;

static const trap_system binary32 = {"binary32", 88.7228}, binary64 = {"binary64", 709.7827}, bf16 = {"bf16", 88.7189},
                         f16 = {"f16", 11.0899};

/* One head, T tokens, gate g on all channels of one side. */
static void problem_trap(test_problem *x, int64_t T, gla_input side, double g) {
    test_random r = random_from(300);
    *x = problem_sized(1, T, 1, 3, 2);
    static const gla_input data[] = {GLA_IN_Q, GLA_IN_K, GLA_IN_V, GLA_IN_DO};
    for (int i = 0; i < 4; i++) {
        problem_give(x, data[i], 1);
        for (int64_t j = 0; j < problem_count(x, data[i]); j++) {
            double sign = random_chance(&r, 0.5) ? 1 : -1;
            x->at[data[i]][j] = data[i] == GLA_IN_Q || data[i] == GLA_IN_DO ? sign * (0.5 + random_unit(&r) / 2) : sign;
        }
    }
    problem_give(x, side, 1);
    for (int64_t j = 0; j < problem_count(x, side); j++) x->at[side][j] = g;
}

/* The first token of an output with a number that is not finite; T if all are finite. */
static int64_t first_bad(const test_run *run, gla_output name, int64_t T) {
    int64_t width = run->result.tensor[name].shape[3];
    for (int64_t i = 0; i < T * width; i++)
        if (!isfinite(gla_result_d(&run->result, name, i))) return i / width;
    return T;
}

/* The first token of o that is lost; T if none. */
static int64_t predicted(double g, double limit, gla_input side, int64_t C, int64_t T) {
    for (int64_t t = 0; t < T; t++)
        if ((double)(t % C + 1) * -g > limit) return side == GLA_IN_GK ? t : t - t % C;
    return T;
}

static void check_trap(const char *form, trap_system in, gla_input side, double g, int64_t C, int64_t T) {
    test_problem x;
    problem_trap(&x, T, side, g);
    int64_t wanted = predicted(g, in.limit, side, C, T);
    test_run run = run_problem(&x.p, form, in.name);
    int64_t got = first_bad(&run, GLA_O, T);
    ck_assert_msg(got == wanted, "%s in %s, %s = %g: first bad token %ld, predicted %ld", form, in.name,
                  gla_input_names[side], g, (long)got, (long)wanted);
    gla_output writer = side == GLA_IN_GK ? GLA_DK : GLA_DV;
    bool finite = first_bad(&run, writer, T) == T;
    ck_assert_msg(finite == (wanted == T), "%s in %s, %s = %g: %s is %s", form, in.name, gla_input_names[side], g,
                  gla_output_names[writer], finite ? "finite" : "not finite");
    if (wanted == T && strcmp(in.name, "binary32") == 0) {
        test_run truth = run_form(&x.p, form_named("recurrent", false), "mpfr:128");
        double apart = run_apart(&run, &truth, GLA_O);
        ck_assert_msg(apart <= 1e-5, "%s below its limit (g = %g) is off by %g", form, g, apart);
        run_free(&truth);
    }
    run_free(&run);
    problem_free(&x);
}

static const char *const safe_forms[] = {"recurrent",
                                         "parallel",
                                         "chunkwise:64:16",
                                         "chunkwise:64:64",
                                         "chunkwise:16:4",
                                         "chunkwise-centred:64:16",
                                         "chunkwise-paired:64",
                                         "chunkwise-paired:16:0",
                                         "chunkwise-centred:64:16+precise",
                                         "chunkwise-paired:16:4+precise"};
enum { SAFE_FORMS = sizeof safe_forms / sizeof *safe_forms };

/* Every safe form is finite and accurate whatever the gate. */
static void check_safe(trap_system in, gla_input side, double g, int64_t T, double tol) {
    test_problem x;
    problem_trap(&x, T, side, g);
    test_run truth = run_form(&x.p, form_named("recurrent", false), "mpfr:128");
    for (int f = 0; f < SAFE_FORMS; f++) {
        test_run run = run_problem(&x.p, safe_forms[f], in.name);
        for (int i = 0; i < GLA_OUTPUTS; i++)
            if (run_has(&run, (gla_output)i) && !gla_is_state_output((gla_output)i))
                ck_assert_msg(first_bad(&run, (gla_output)i, T) == T, "%s in %s, g = %g: %s is not finite",
                              safe_forms[f], in.name, g, gla_output_names[i]);
        double apart = run_apart(&run, &truth, GLA_O);
        ck_assert_msg(apart <= tol, "%s in %s, g = %g: o is off by %g", safe_forms[f], in.name, g, apart);
        run_free(&run);
    }
    run_free(&truth);
    problem_free(&x);
}

/* Multiples of 1/16 on both sides of the limits 88.72/16 = 5.545 and 88.72/64 = 1.386, of the centred forms' own steps
 * at 76/64 and 76/16, and far past them. */
static const double gates[] = {-0.125, -1.1875, -1.25, -1.375, -1.5, -2, -4.75, -4.8125, -5.5, -5.625, -30};
enum { GATES = 11 };
static const gla_input sides[] = {GLA_IN_GK, GLA_IN_GV};

START_TEST(factored) {
    for (int side = 0; side < 2; side++) {
        check_trap("chunkwise-factored:16", binary32, sides[side], gates[_i], 16, 16);
        check_trap("chunkwise-factored:64", binary32, sides[side], gates[_i], 64, 64);
        check_trap("chunkwise-factored:64", binary32, sides[side], gates[_i], 64, 100); /* a ragged second chunk */
    }
}
END_TEST

START_TEST(naive) {
    for (int side = 0; side < 2; side++) check_trap("parallel-naive", binary32, sides[side], gates[_i], 100, 100);
}
END_TEST

START_TEST(other_systems) {
    for (int side = 0; side < 2; side++) {
        check_trap("chunkwise-factored:64", binary64, sides[side], -11, 64, 64); /* 64*11 = 704 */
        check_trap("chunkwise-factored:64", binary64, sides[side], -12, 64, 64); /* 60*12 = 720 */
        check_trap("parallel-naive", binary64, sides[side], -11, 70, 70);
        check_trap("parallel-naive", binary64, sides[side], -12, 70, 70);
        check_trap("chunkwise-factored:64", bf16, sides[side], -1, 64, 64);
        check_trap("chunkwise-factored:64", bf16, sides[side], -1.5, 64, 64);
        check_trap("chunkwise-factored:16", f16, sides[side], -0.625, 16, 16); /* 16*0.625 = 10 */
        check_trap("chunkwise-factored:16", f16, sides[side], -0.75, 16, 16);  /* 15*0.75 = 11.25 */
    }
}
END_TEST

/* The gate at initialisation, alpha = 2^(-1/16): 2048 steps reach 2^128, where the rounding of the product decides. */
START_TEST(typical_gate) {
    test_problem x;
    problem_trap(&x, 2060, GLA_IN_GK, (double)(float)(-0.6931471805599453 / 16));
    test_run run = run_form(&x.p, form_named("parallel-naive", false), "binary32");
    int64_t bad = first_bad(&run, GLA_O, 2060);
    ck_assert_msg(bad >= 2046 && bad <= 2049, "first bad token %ld", (long)bad);
    run_free(&run);
    problem_free(&x);
}
END_TEST

START_TEST(safe) {
    for (int side = 0; side < 2; side++) {
        check_safe(binary32, sides[side], gates[_i], 70, 1e-5);
        check_safe(bf16, sides[side], gates[_i], 70, 0.3);
    }
}
END_TEST

/* Deep gates and exact resets do not disturb the safe forms. */
START_TEST(safe_extremes) {
    static const double deep[] = {-700, -1e4, -1e30, -INFINITY};
    for (int side = 0; side < 2; side++) check_safe(binary32, sides[side], deep[_i], 40, 1e-5);
}
END_TEST

/* Gates so deep that their sum leaves the system's range: Gamma would be -inf without any gate being so. */
START_TEST(sums_past_the_range) {
    for (int side = 0; side < 2; side++) {
        check_safe(binary32, sides[side], -0x1.8p127, 20, 1e-5);
        check_safe(binary64, sides[side], -0x1.8p1023, 20, 1e-14);
        check_safe(f16, sides[side], -4e4, 20, 0.1);
        check_safe(f16, sides[side], -1e4, 20, 0.1);
    }
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("gated traps");
    TCase *t = tcase_create("traps");
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, factored, 0, GATES);
    tcase_add_loop_test(t, naive, 0, GATES);
    tcase_add_test(t, other_systems);
    tcase_add_test(t, typical_gate);
    tcase_add_loop_test(t, safe, 0, GATES);
    tcase_add_loop_test(t, safe_extremes, 0, 4);
    tcase_add_test(t, sums_past_the_range);
    suite_add_tcase(s, t);
    return s;
}

int main(void) { return test_main(suite()); }
