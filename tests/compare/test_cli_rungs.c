/* SPDX-License-Identifier: Apache-2.0
 *
 * check, cross, run and list with a GPU's rungs, against a library that pretends to be one (pretended_rungs.c): what is
 * judged, at which profile, which bits are demanded, and what is said where a rung declines, fails or is not there.
 */
#include "shell.h"

/* A folder with the program beside that library, and a case. */
static void set_up(void) {
    make_folder();
    expect_good(shell("cp \"$GLASSBOX\" \"$D/glassbox\" && "
                      "cp \"${GLASSBOX%%/*}/tests/compare/pretended_rungs.so\" \"$D/libglassbox_cuda.so\""));
}

static void gen(const char *options) {
    expect_good(shell("$GLASSBOX gen --T 70 --H 2 --dk 24 --dv 16 --initial-state %s -o \"$D\" && "
                      "mv \"$D\"/mild-*.safetensors \"$D/case.safetensors\"",
                      options));
}

static void expect(outcome o, int status, const char *const words[], const char *what) {
    ck_assert_msg(o.status == status, "%s: exit status %d: %s%s", what, o.status, o.out, o.err);
    for (; *words; words++)
        ck_assert_msg(strstr(o.out, *words) || strstr(o.err, *words), "%s: no '%s' in %s%s", what, *words, o.out,
                      o.err);
    done(o);
}
#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})

#define CHECK "\"$D/glassbox\" check \"$D/case.safetensors\" --numbers cuda:"

START_TEST(both_directions) {
    gen("--dtype BF16");
    expect(shell(CHECK "fused --bits"), 0,
           WORDS("seed1 forward  (profile chunk-bf16, replay chunkwise-centred:64:16 in sm_90:bf16)",
                 "seed1 gradients  (profile chunk-bf16, replay chunkwise-paired:64:76 in sm_90:bf16)", " dg ",
                 "final_state", "2 cases: 2 PASS"),
           "fused");
    expect(shell(CHECK "recurrent"), 0, WORDS("profile f32)", "2 cases: 2 PASS"), "recurrent");
    expect(shell(CHECK "fused --bits --segment 64"), 0, WORDS("chunkwise-centred:64:16+split:64"), "in segments");
    expect(shell(CHECK "fused:precise --bits"), 0,
           WORDS("replay chunkwise-centred:64:16+precise in sm_90:bf16", "replay chunkwise-paired:64:76+precise in",
                 "2 cases: 2 PASS"),
           "precise");
}
END_TEST

/* Rungs run gla alone. */
START_TEST(other_mechanisms) {
    gen("--dtype BF16");
    expect_good(shell("$GLASSBOX gen --mechanism simple_gla --T 70 --H 2 -o \"$D\" && "
                      "mv \"$D\"/simple_gla-*.safetensors \"$D/case.safetensors\""));
    expect(shell(CHECK "fused"), 77, WORDS("a GPU's rung runs mechanism gla, not simple_gla"), "check");
    expect(shell("\"$D/glassbox\" cross --mechanism retention --numbers cuda:fused"), 2,
           WORDS("a GPU's rung runs mechanism gla, not retention"), "cross");
}
END_TEST

START_TEST(some_outputs) {
    gen("--dtype BF16 --forward");
    outcome o = shell(CHECK "fused");
    ck_assert_msg(o.status == 0 && !strstr(o.out, "gradients"), "%s%s", o.out, o.err);
    done(o);
    gen("--dtype BF16");
    o = shell(CHECK "fused --only dq,dg");
    ck_assert_msg(o.status == 0 && strstr(o.out, " dg ") && !strstr(o.out, " dk ") && !strstr(o.out, "forward"), "%s%s",
                  o.out, o.err);
    done(o);
}
END_TEST

START_TEST(a_wrong_bit) {
    gen("--dtype BF16");
    expect(shell("PRETEND=bit " CHECK "fused"), 0, WORDS("2 PASS"), "within the bound");
    expect(shell("PRETEND=bit " CHECK "fused --bits"), 1,
           WORDS("o: 1 of 2240 elements differ from the replay", "--numbers cuda:fused --bits", "1 FAIL"), "--bits");
}
END_TEST

START_TEST(a_wrong_gradient) {
    gen("--dtype BF16");
    expect(shell("PRETEND=wrong " CHECK "fused"), 1, WORDS("dq             FAIL", "1 PASS 1 FAIL", "all zero"), "dq");
    expect(shell("PRETEND=wrong " CHECK "fused --only o,dk"), 0, WORDS("2 PASS"), "without dq");
}
END_TEST

START_TEST(what_does_not_run) {
    gen("--dtype BF16");
    expect(shell("PRETEND=broken " CHECK "fused"), 3, WORDS("BROKEN", "misaligned address"), "a kernel that fails");
    expect(shell("PRETEND=none " CHECK "fused"), 77, WORDS("no GPU"), "no GPU");
    expect(shell("PRETEND=none \"$D/glassbox\" cross --numbers binary32,cuda:fused"), 77, WORDS("no GPU"), "no GPU");
    gen("--dtype F32");
    expect(shell(CHECK "fused"), 77, WORDS("SKIPPED", "cuda:fused does not run forward in F32", "2 SKIPPED"),
           "declined");
    expect(shell("rm \"$D/libglassbox_cuda.so\"; " CHECK "fused"), 77, WORDS("make cuda"), "no library");
}
END_TEST

START_TEST(refused) {
    gen("--dtype BF16");
    expect_one_line_error(shell(CHECK "nothing"), "no such rung");
    expect_one_line_error(shell(CHECK "fused:exact"), "no such grade");
    expect_one_line_error(shell(CHECK "recurrent:precise"), "a grade of binary32");
    expect_one_line_error(shell(CHECK "recurrent --segment 64"), "segments of the recurrent rung");
    expect_one_line_error(shell(CHECK "fused --candidate \"$D/case.safetensors\""), "two candidates");
    expect_one_line_error(shell(CHECK "fused --bits --replay binary32"), "two replays");
    expect_one_line_error(shell("\"$D/glassbox\" check \"$D/case.safetensors\" --numbers binary32"), "a number system");
    expect_one_line_error(shell("\"$D/glassbox\" check \"$D/case.safetensors\" --bits"), "bits of nothing");
    expect_one_line_error(shell("\"$D/glassbox\" cross --segment 64"), "segments of nothing");
    expect_one_line_error(shell("\"$D/glassbox\" cross --numbers cuda:parallel"), "a rung not built");
}
END_TEST

START_TEST(cross_table) {
    expect(shell("\"$D/glassbox\" cross --T 70 --dk 8 --dv 8 --form recurrent --numbers "
                 "cuda:fused,sm_90:f32,cuda:recurrent"),
           0, WORDS("\ncuda:fused ", "\nchunkwise-centred:64:16 ", "\nchunkwise-paired:64:76 ", "\ncuda:recurrent "),
           "cross");
    expect(shell("\"$D/glassbox\" cross --T 130 --dk 8 --dv 8 --numbers cuda:fused --segment 64"), 0,
           WORDS("\nchunkwise-centred:64:16+split:64 "), "in segments");
    expect(shell("\"$D/glassbox\" cross --dtype F32 --numbers cuda:fused"), 2, WORDS("cuda:fused takes no F32"), "F32");
}
END_TEST

START_TEST(listed) {
    expect(shell("\"$D/glassbox\" list"), 0,
           WORDS("  cuda:fused              forward chunkwise-centred:64:16, backward chunkwise-paired:64:76\n",
                 "  cuda:fused:precise      forward chunkwise-centred:64:16+precise, backward "
                 "chunkwise-paired:64:76+precise\n",
                 "  here                    ready\n"),
           "list");
    expect(shell("PRETEND=none \"$D/glassbox\" list"), 0, WORDS("  here                    no GPU"), "no GPU");
    expect(shell("rm \"$D/libglassbox_cuda.so\"; \"$D/glassbox\" list"), 0, WORDS("  cuda:RUNG               no lib"),
           "none");
    expect(shell("\"$D/glassbox\" list --json"), 0, WORDS("\"rungs\": []"), "no library");
}
END_TEST

START_TEST(run_writes_both_forms) {
    gen("--dtype BF16");
    expect_good(shell("\"$D/glassbox\" run \"$D/case.safetensors\" --numbers cuda:fused --backward --dtype F32 -o "
                      "\"$D/out.safetensors\""));
    expect(shell("grep -ao 'chunkwise-centred:64:16; gradients chunkwise-paired:64:76' \"$D/out.safetensors\""), 0,
           WORDS("gradients"), "metadata");
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("rungs on the command line");
    TCase *c = tcase_create("rungs");
    tcase_set_timeout(c, 60);
    tcase_add_checked_fixture(c, set_up, remove_folder);
    tcase_add_test(c, both_directions);
    tcase_add_test(c, other_mechanisms);
    tcase_add_test(c, some_outputs);
    tcase_add_test(c, a_wrong_bit);
    tcase_add_test(c, a_wrong_gradient);
    tcase_add_test(c, what_does_not_run);
    tcase_add_test(c, refused);
    tcase_add_test(c, cross_table);
    tcase_add_test(c, listed);
    tcase_add_test(c, run_writes_both_forms);
    suite_add_tcase(s, c);
    return s;
}

int main(void) { return test_main(suite()); }
