/* SPDX-License-Identifier: Apache-2.0
 *
 * Shrinking: the slice is as small as the damage, its truth is the whole's, its outputs are the candidate's, nothing
 * fails in it that did not fail in the whole, and the file that the command writes fails under check.
 */
#include <math.h>
#include <string.h>

#include "../../compare/cases.h"
#include "../../compare/io/case.h"
#include "../../compare/shrink.h"
#include "../../reference/slice.h"
#include "../mutants/chunk_kernel.h"
#include "plugin_testing.h"

static gla_generated made;
static gla_truth truth;
static gla_candidate candidate;
static double *output[GLA_OUTPUTS];
static gla_judgement judgement;
static gla_small small;

enum { T = 150, H = 4, DK = 8, DV = 12 };

static void make(gla_case_spec spec, mutant fault) {
    gla_error err;
    spec.family = spec.varlen ? "varlen" : "mild";
    spec.T = spec.T ? spec.T : T;
    spec.H = H;
    spec.dk = DK;
    spec.dv = DV;
    spec.backward = spec.initial_state = true;
    spec.seed = test_seed();
    ck_assert_msg(gla_generate(&spec, &made, &err) == GLA_OK, "%s", err.what);
    const gla_truth_options how = {.backward = true, .close_enough = GLA_CLOSE_ENOUGH, .threads = 1};
    ck_assert(gla_truth_compute(&made.problem, &how, &truth, &err) == GLA_OK);
    for (int i = 0; i < GLA_OUTPUTS; i++) {
        if (!truth.tensor[i].present) continue;
        size_t count = (size_t)truth.tensor[i].count + 1;
        output[i] = calloc(count, sizeof *output[i]);
        candidate.output[i].allowed = calloc(count, sizeof(double));
        candidate.output[i].value = output[i];
        candidate.output[i].format = chunk_kernel_stored(&gla_bf16, (gla_output)i);
    }
    ck_assert_int_eq(chunk_kernel(&made.problem, &gla_bf16, fault, output), GLA_OK);
}

static void drop(void) {
    for (int i = 0; i < GLA_OUTPUTS; i++) {
        free(output[i]);
        free(candidate.output[i].allowed);
    }
    memset(output, 0, sizeof output);
    candidate = (gla_candidate){0};
    gla_small_free(&small);
    gla_truth_free(&truth);
    gla_generated_free(&made);
}

static gla_status shrink(int which, gla_error *err) {
    const gla_shrink_options how = {.output = which, .threads = 1};
    ck_assert(gla_judge(&made.problem, &candidate, &truth, gla_profile_named("chunk-bf16"), 0, 1, &judgement, err) ==
              GLA_OK);
    return gla_shrink(&made.problem, &candidate, &truth, &judgement, &how, &small, err);
}

static void shrink_well(int which) {
    gla_error err = {0};
    ck_assert_msg(shrink(which, &err) == GLA_OK, "%s", err.what);
    ck_assert(gla_problem_check(&small.problem, false, &err) == GLA_OK);
    ck_assert(small.verdict.verdict == GLA_FAIL && small.verdict.over > 0);
}

static void expect_extent(const char *what, gla_extent x, int64_t first, int64_t count) {
    ck_assert_msg(x.first == first && x.count == count, "%s: %lld elements from %lld instead of %lld from %lld", what,
                  (long long)x.count, (long long)x.first, (long long)count, (long long)first);
}

/* ---- one wrong element ---- */

/* Every output, one element wrong: one token, one head, one channel of the axis that may be cut. */
START_TEST(one_element) {
    gla_output name = (gla_output)_i;
    make((gla_case_spec){.B = 2}, M_NONE);
    if (!output[name]) return; /* no gv */
    const int64_t *shape = truth.tensor[name].shape;
    bool state = gla_is_state_output(name), keys = name == GLA_DQ || name == GLA_DK || name == GLA_DGK;
    int64_t token = 71, head = 2, row = 3, column = 5;
    int64_t at = state ? ((1 * shape[1] + head) * DK + row) * DV + column
                       : ((1 * shape[1] + token) * shape[2] + head) * shape[3] + column;
    output[name][at] += 1000;
    shrink_well(-1);
    ck_assert_int_eq(small.output, name);
    ck_assert_int_eq(small.sequence, 1);
    expect_extent("heads", small.heads, head, 1);
    if (!state) expect_extent("tokens", small.tokens, token, 1);
    expect_extent("keys", small.keys, state ? row : keys ? column : 0, state || keys ? 1 : DK);
    expect_extent("values", small.values, keys ? 0 : column, keys ? DV : 1);
    if (!state) ck_assert(small.value[0] == output[name][at] && small.verdict.count == 1);
}
END_TEST

/* ---- the truth of a slice is the whole's ---- */

/* What every element of the slice is allowed. */
static void allowed_in_slice(const gla_truth *own, double *allowed) {
    gla_judgement j;
    gla_candidate c = {0};
    c.output[small.output].value = small.value;
    c.output[small.output].format = candidate.output[small.output].format;
    c.output[small.output].allowed = allowed;
    ck_assert(gla_judge(&small.problem, &c, own, judgement.profile, 0, 1, &j, NULL) == GLA_OK);
}

/* Every element of the slice stands in the whole with the same truth, to what rounding the states to binary64 does, and
 * is over its bound there if it is here. */
START_TEST(same_truth) {
    static const mutant faults[] = {M_DIAGONAL_LAST_ROW, M_DK_UNSCALED,    M_DV_UNTRANSPOSED,   M_DQ_NEXT_STATE,
                                    M_DG_NO_KEYS,        M_TAIL_UNDECAYED, M_DINITIAL_UNDECAYED};
    gla_error err;
    make((gla_case_spec){.reverse = _i % 2 == 1, .varlen = _i % 3 == 2, .Hk = 2}, faults[_i]);
    shrink_well(-1);
    gla_truth own;
    const gla_truth_options how = {.backward = true, .close_enough = GLA_CLOSE_ENOUGH, .threads = 1};
    ck_assert(gla_truth_compute(&small.problem, &how, &own, &err) == GLA_OK);
    gla_output name = small.output;
    gla_sequence s = gla_sequence_at(&made.problem, small.sequence);
    const int64_t *of = own.tensor[name].shape, *in = truth.tensor[name].shape;
    bool state = gla_is_state_output(name), keys = name == GLA_DQ || name == GLA_DK || name == GLA_DGK;
    gla_extent columns = keys ? small.keys : small.values;
    int64_t group = H / in[state ? 1 : 2];
    double *allowed = calloc((size_t)own.tensor[name].count, sizeof *allowed);
    allowed_in_slice(&own, allowed);
    for (int64_t i = 0; i < own.tensor[name].count; i++) {
        int64_t d = i % of[3] + columns.first, c = i / of[3] % of[2], b = i / of[3] / of[2], whole;
        if (state)
            whole = ((s.n * in[1] + small.heads.first / group + b) * in[2] + c + small.keys.first) * in[3] + d;
        else
            whole = ((s.b * in[1] + gla_token(&s, b + small.tokens.first)) * in[2] + small.heads.first / group + c) *
                        in[3] +
                    d;
        double want = truth.tensor[name].value[whole], got = own.tensor[name].value[i];
        ck_assert_msg(fabs(got - want) <= 1e-9 * truth.tensor[name].magnitude[whole], "%s: %g is not %g",
                      gla_output_names[name], got, want);
        ck_assert(small.value[i] == output[name][whole]);
        if (!(fabs(small.value[i] - got) <= allowed[i]))
            ck_assert(!(fabs(small.value[i] - want) <= candidate.output[name].allowed[whole]));
    }
    free(allowed);
    gla_truth_free(&own);
}
END_TEST

/* ---- what cannot be shrunk ---- */

START_TEST(nothing_to_shrink) {
    gla_error err = {0};
    make((gla_case_spec){0}, M_NONE);
    ck_assert_int_eq(shrink(-1, &err), GLA_BAD_VALUE);
    ck_assert_ptr_nonnull(strstr(err.what, "nothing to shrink"));
    output[GLA_DQ][7] = NAN;
    ck_assert_int_eq(shrink(GLA_O, &err), GLA_BAD_VALUE);
    ck_assert_ptr_nonnull(strstr(err.what, "o has no element"));
    shrink_well(GLA_DQ);
    ck_assert(isnan(small.value[0]));
}
END_TEST

/* ---- the command ---- */

/* The case with its outputs, as a file. */
static void write_case(const char *path) {
    gla_dtype dtype[GLA_INPUTS];
    gla_tensor_file file = {0};
    gla_error err = {0};
    for (int i = 0; i < GLA_INPUTS; i++) dtype[i] = GLA_F32;
    dtype[GLA_IN_Q] = dtype[GLA_IN_K] = dtype[GLA_IN_V] = dtype[GLA_IN_DO] = GLA_BF16;
    ck_assert(gla_case_add_problem(&file, &made.problem, dtype, &err) == GLA_OK);
    for (int i = 0; i < GLA_OUTPUTS; i++)
        if (output[i])
            ck_assert(gla_case_add_output(&file, &made.problem, (gla_output)i,
                                          candidate.output[i].format == &gla_bf16 ? GLA_BF16 : GLA_F32, output[i],
                                          &err) == GLA_OK);
    ck_assert_msg(gla_tensors_write(path, &file, &err) == GLA_OK, "%s", err.what);
    gla_tensors_free(&file);
}

START_TEST(small_file_fails) {
    static const mutant faults[] = {M_DIAGONAL_LAST_ROW, M_CARRY_LOST, M_DG_NO_END};
    char path[160];
    make((gla_case_spec){.reverse = _i == 1}, faults[_i]);
    snprintf(path, sizeof path, "%s/case.safetensors", folder);
    write_case(path);
    outcome x = shell("$GLASSBOX shrink \"$D/case.safetensors\" -o \"$D/small.safetensors\" --profile chunk-bf16");
    ck_assert_msg(x.status == 0, "%d: %s%s", x.status, x.out, x.err);
    ck_assert_ptr_nonnull(strstr(x.out, "tokens    150 -> "));
    ck_assert_ptr_nonnull(strstr(x.out, "reproduce: glassbox check "));
    done(x);
    x = shell("$GLASSBOX check \"$D/small.safetensors\" --profile chunk-bf16");
    ck_assert_msg(x.status == 1, "%d: %s%s", x.status, x.out, x.err);
    ck_assert_ptr_nonnull(strstr(x.out, "shrunk"));
    done(x);
}
END_TEST

/* ---- a kernel that is run again ---- */

static const struct {
    const char *plugin, *fault, *options;
    const char *says[6]; /* what the command prints */
    const char *file;    /* shapes in the file it writes */
} wrong[] = {
    {"corner",
     "corner",
     "",
     {"o of gla/mild/", "T                    67 -> 17   (16 passes)", "k heads               3 -> 2   (1 passes)",
      "dk                   20 -> 5   (4 passes)", "dv                   24 -> 1", "gradients           yes -> no"},
     "o[1,17,2,1]"},
    {"corner",
     "shared",
     "",
     {"dk of gla/", "states              yes -> yes   (no passes)", "heads per k head      2 -> 2   (1 passes)",
      "dk                    8 -> 1", "value gates         yes -> no"},
     "dk[1,1,1,1]"},
    {"corner", "strong", "--family strong", {"o of gla/strong/", "greatest gate       2^2 -> 2^2   (2^1 passes)"}, ""},
    {"corner", "large", "--family mild", {"greatest operand    2^2 -> 2^2   (2^1 passes)", "none"}, ""},
    {"hostile",
     "state",
     "--family reset --family integers --seed 3",
     {"final_state of gla/reset/", "-> 1", "-> none"},
     "final_state[1,1,1,1]"},
};

/* The smallest case is known; it fails under check; what the file holds is what the kernel makes of it. */
START_TEST(kernel_is_run_again) {
    outcome x = shell("export GLASSBOX_FAULT=%s; $GLASSBOX shrink --plugin %s -o \"$D/small.safetensors\" %s",
                      wrong[_i].fault, plugin_path(wrong[_i].plugin), wrong[_i].options);
    ck_assert_msg(x.status == 0 && !x.err[0], "%d: %s%s", x.status, x.out, x.err);
    for (int n = 0; n < 6 && wrong[_i].says[n]; n++)
        ck_assert_msg(strstr(x.out, wrong[_i].says[n]) != NULL, "'%s' is not in:\n%s", wrong[_i].says[n], x.out);
    done(x);
    x = shell("$GLASSBOX check \"$D/small.safetensors\"");
    ck_assert_msg(x.status == 1, "%d: %s%s", x.status, x.out, x.err);
    done(x);
    gla_case c;
    gla_error err;
    char path[160], shapes[400] = "";
    snprintf(path, sizeof path, "%s/small.safetensors", folder);
    ck_assert_msg(gla_case_load(path, NULL, &c, &err) == GLA_OK, "%s", err.what);
    for (int i = 0; i < GLA_OUTPUTS; i++)
        if (c.output[i].present)
            snprintf(shapes + strlen(shapes), sizeof shapes - strlen(shapes), "%s[%d,%d,%d,%d] ", gla_output_names[i],
                     (int)c.output[i].shape[0], (int)c.output[i].shape[1], (int)c.output[i].shape[2],
                     (int)c.output[i].shape[3]);
    ck_assert_msg(strstr(shapes, wrong[_i].file) != NULL, "%s: %s", wrong[_i].file, shapes);
    gla_case_free(&c);
}
END_TEST

/* What cannot be shrunk says why, and leaves no file. */
START_TEST(kernel_that_is_not_wrong) {
    char minimal[300], hostile[300];
    snprintf(minimal, sizeof minimal, "%s", plugin_path("minimal"));
    snprintf(hostile, sizeof hostile, "%s", plugin_path("hostile"));
    expect_one_line_error(shell("$GLASSBOX shrink --plugin %s --family mild -o \"$D/x.npz\"", minimal),
                          "nothing to shrink");
    expect_one_line_error(
        shell("GLASSBOX_FAULT=crash $GLASSBOX shrink --plugin %s --family mild -o \"$D/x.npz\"", hostile), "crash");
    outcome x = shell("GLASSBOX_FAULT=crash $GLASSBOX shrink --plugin %s --family mild -o \"$D/x.npz\"", hostile);
    ck_assert_ptr_nonnull(strstr(x.err, "SIGSEGV"));
    done(x);
    x = shell("GLASSBOX_FAULT=load-crash $GLASSBOX shrink --plugin %s -o \"$D/x.npz\"", hostile);
    ck_assert_msg(x.status == 3 && lines_in(x.err) == 1, "%d %s", x.status, x.err);
    done(x);
    ck_assert_int_eq(visible_files(), 0);
}
END_TEST

START_TEST(wrong_uses) {
    expect_one_line_error(shell("$GLASSBOX shrink -o x.safetensors"), "no case file");
    expect_one_line_error(shell("$GLASSBOX shrink x.safetensors"), "no file to write");
    expect_one_line_error(shell("$GLASSBOX shrink x.npz -o x.npz --family mild"), "--family goes with --plugin");
    expect_one_line_error(shell("$GLASSBOX shrink --plugin ./x.so --family nobody -o x.npz"), "nobody");
    expect_one_line_error(shell("$GLASSBOX shrink --plugin ./x.so x.npz -o x.npz"), "without a case file");
    expect_one_line_error(shell("$GLASSBOX shrink /nonexistent/x.npz -o x.npz"), "no such file");
    expect_one_line_error(shell("$GLASSBOX shrink x.npz -o x.npz --only nonsense"), "nonsense");
    expect_one_line_error(shell("$GLASSBOX shrink data/real/gla_chunk_bf16_mild.safetensors -o \"$D/x.npz\""),
                          "nothing to shrink");
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("shrink");
    TCase *t = tcase_create("slices"), *c = tcase_create("command");
    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, NULL, drop);
    tcase_add_loop_test(t, one_element, 0, GLA_OUTPUTS);
    tcase_add_loop_test(t, same_truth, 0, 7);
    tcase_add_test(t, nothing_to_shrink);
    tcase_set_timeout(c, 60);
    tcase_add_checked_fixture(c, make_folder, remove_folder);
    tcase_add_checked_fixture(c, NULL, drop);
    tcase_add_loop_test(c, small_file_fails, 0, 3);
    tcase_add_loop_test(c, kernel_is_run_again, 0, (int)(sizeof wrong / sizeof wrong[0]));
    tcase_add_test(c, kernel_that_is_not_wrong);
    tcase_add_test(c, wrong_uses);
    suite_add_tcase(s, t);
    suite_add_tcase(s, c);
    return s;
}

int main(void) { return test_main(suite()); }
