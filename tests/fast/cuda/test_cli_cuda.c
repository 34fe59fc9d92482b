/* SPDX-License-Identifier: Apache-2.0
 *
 * glassbox run, check and cross with --numbers cuda:RUNG: with a GPU its outputs pass, bit for bit; without one they
 * say so and exit 77; what no rung takes is an error of one line. What is said of every outcome, without a GPU:
 * tests/compare/test_cli_rungs.c.
 */
#include "../../../fast/cuda/host_run.h"
#include "../../compare/shell.h"

static bool gpu;

static void gen(const char *options) {
    expect_good(shell("$GLASSBOX gen --T 70 --H 2 --dk 24 --dv 16 --initial-state %s -o \"$D\" && "
                      "mv \"$D\"/mild-*.safetensors \"$D/case.safetensors\"",
                      options));
}

static const struct lane {
    const char *gen, *run, *check;
} lanes[] = {
    {"--dtype F32", "--numbers cuda:recurrent --backward --dtype F32", "--replay sm_90:f32 --form recurrent"},
    {"--dtype BF16", "--numbers cuda:recurrent --backward --dtype BF16", "--replay sm_90:f32 --form recurrent"},
    {"--dtype F16", "--numbers cuda:recurrent --dtype F16", "--replay sm_90:f32 --form recurrent"},
    {"--dtype BF16 --forward", "--numbers cuda:fused --dtype BF16",
     "--replay sm_90:bf16 --form chunkwise-centred:64:16"},
};

/* Without a GPU: one line that says so, and 77. */
static bool skips(outcome o) {
    if (gpu) return false;
    ck_assert_msg(o.status == 77, "exit status %d: %s", o.status, o.err);
    ck_assert_msg(strstr(o.err, "no GPU"), "%s", o.err);
    ck_assert_int_eq(lines_in(o.err), 1);
    done(o);
    return true;
}

START_TEST(test_run) {
    const struct lane *x = &lanes[_i];
    gen(x->gen);
    outcome ran = shell("$GLASSBOX run \"$D/case.safetensors\" %s -o \"$D/out.safetensors\"", x->run);
    if (skips(ran)) return;
    expect_good(ran);
    outcome judged = shell("$GLASSBOX check \"$D/case.safetensors\" --candidate \"$D/out.safetensors\" %s", x->check);
    ck_assert_msg(judged.status == 0, "%s%s", judged.out, judged.err);
    ck_assert_msg(strstr(judged.out, "PASS") && strstr(judged.out, "replay"), "%s", judged.out);
    done(judged);
}
END_TEST

/* Another order of operations is found out. */
START_TEST(test_other_replay) {
    if (!gpu) return;
    gen("--dtype F32");
    expect_good(shell("$GLASSBOX run \"$D/case.safetensors\" --numbers cuda:recurrent --dtype F32 -o \"$D/out.npz\""));
    outcome judged = shell("$GLASSBOX check \"$D/case.safetensors\" --candidate \"$D/out.npz\" --replay sm_90:f32/expf "
                           "--form recurrent");
    ck_assert_msg(judged.status == 1, "%s%s", judged.out, judged.err);
    done(judged);
}
END_TEST

/* Both directions of a rung that has both, at the profile it declares, and its bits. */
static const struct rung {
    const char *gen, *numbers;
} checked[] = {{"--dtype F32", "cuda:recurrent"},
               {"--dtype BF16 --varlen", "cuda:recurrent"},
               {"--dtype F16", "cuda:recurrent"},
               {"--dtype BF16", "cuda:fused"},
               {"--dtype BF16 --forward", "cuda:fused --segment 64"}};

START_TEST(test_check) {
    gen(checked[_i].gen);
    outcome o = shell("$GLASSBOX check \"$D/case.safetensors\" --numbers %s --bits", checked[_i].numbers);
    if (skips(o)) return;
    ck_assert_msg(o.status == 0, "%s%s", o.out, o.err);
    ck_assert_msg(strstr(o.out, "seed1 forward  (profile") && strstr(o.out, ", replay "), "%s", o.out);
    done(o);
}
END_TEST

START_TEST(test_cross) {
    outcome o = shell("$GLASSBOX cross --T 70 --dk 24 --form recurrent --numbers cuda:fused,sm_90:f32,cuda:recurrent");
    if (skips(o)) return;
    ck_assert_msg(o.status == 0, "%s%s", o.out, o.err);
    const char *ours = strstr(o.out, "\nrecurrent "), *theirs = ours ? strstr(ours + 1, "\nrecurrent ") : NULL;
    ck_assert_msg(theirs && strstr(o.out, "\nchunkwise-centred:64:16 "), "%s", o.out);
    done(o);
}
END_TEST

START_TEST(test_errors) {
    gen("--dtype F32");
    expect_one_line_error(shell("$GLASSBOX run \"$D/case.safetensors\" --numbers cuda:nothing"), "no such rung");
    expect_one_line_error(shell("$GLASSBOX run \"$D/case.safetensors\" --numbers cuda:best"), "no rung's own name");
    expect_one_line_error(shell("$GLASSBOX run \"$D/case.safetensors\" --numbers cuda:recurrent --form parallel"),
                          "a formulation beside a rung");
    expect_one_line_error(shell("$GLASSBOX run \"$D/none.safetensors\" --numbers cuda:recurrent"), "no file");
}
END_TEST

/* The library is looked for beside the program, and in the lib beside its folder. */
START_TEST(test_no_library) {
    gen("--dtype F32");
    outcome o =
        shell("cp $GLASSBOX \"$D/glassbox\" && \"$D/glassbox\" run \"$D/case.safetensors\" --numbers cuda:fused");
    ck_assert_msg(o.status == 77, "exit status %d: %s", o.status, o.err);
    ck_assert_msg(strstr(o.err, "make cuda"), "%s", o.err);
    done(o);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("fast/cuda/cli");
    TCase *c = tcase_create("cli");
    tcase_set_timeout(c, 120);
    tcase_add_checked_fixture(c, make_folder, remove_folder);
    tcase_add_loop_test(c, test_run, 0, sizeof lanes / sizeof *lanes);
    tcase_add_test(c, test_other_replay);
    tcase_add_loop_test(c, test_check, 0, sizeof checked / sizeof *checked);
    tcase_add_test(c, test_cross);
    tcase_add_test(c, test_errors);
    tcase_add_test(c, test_no_library);
    suite_add_tcase(s, c);
    return s;
}

int main(void) {
    gla_host_why why;
    gpu = gla_cuda_host_device(why);
    if (!gpu) printf("skipped: what needs a GPU: %s\n", why);
    setenv("CK_FORK", "no", 1);
    return test_main(suite());
}
