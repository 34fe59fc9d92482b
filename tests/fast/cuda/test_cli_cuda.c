/* SPDX-License-Identifier: Apache-2.0
 *
 * glassbox run --numbers cuda:RUNG: with a GPU its outputs pass `check --replay` bit for bit; without one it says so
 * and exits 77; what no rung takes is an error of one line.
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

START_TEST(test_run) {
    const struct lane *x = &lanes[_i];
    gen(x->gen);
    outcome ran = shell("$GLASSBOX run \"$D/case.safetensors\" %s -o \"$D/out.safetensors\"", x->run);
    if (!gpu) {
        ck_assert_msg(ran.status == 77, "exit status %d: %s", ran.status, ran.err);
        ck_assert_msg(strstr(ran.err, "no GPU"), "%s", ran.err);
        ck_assert_int_eq(lines_in(ran.err), 1);
        done(ran);
        return;
    }
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

START_TEST(test_errors) {
    gen("--dtype F32");
    expect_one_line_error(shell("$GLASSBOX run \"$D/case.safetensors\" --numbers cuda:nothing"), "no such rung");
    expect_one_line_error(shell("$GLASSBOX run \"$D/case.safetensors\" --numbers cuda:parallel"), "a rung not built");
    expect_one_line_error(shell("$GLASSBOX run \"$D/case.safetensors\" --numbers cuda:recurrent --form parallel"),
                          "a formulation beside a rung");
    expect_one_line_error(shell("$GLASSBOX run \"$D/none.safetensors\" --numbers cuda:recurrent"), "no file");
}
END_TEST

/* The library is looked for beside the program, nowhere else. */
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
