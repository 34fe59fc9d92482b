/* SPDX-License-Identifier: Apache-2.0
 *
 * Mamba-2 and Mamba-1 through the command line: what a right bf16 kernel returns passes with the profile of the public
 * kernels (data/profiles/ssd-bf16.json), whose bounds of dA_log and ddt_bias say something; what another
 * convention of the step returns fails in every output that knows it. Run from the repository root.
 */
#include "shell.h"

#include <stdbool.h>

#define PROFILE "--profile data/profiles/ssd-bf16.json"

static const char *const mechanisms[] = {"mamba2", "mamba1"};

/* One case of 90 tokens as $D/case.safetensors. */
static void make_problem(const char *mechanism) {
    bool one = strcmp(mechanism, "mamba1") == 0;
    done(shell("$GLASSBOX gen --mechanism %s --T 90 --H %d --Hk 1 --dk 16 --dv %d --initial-state -o \"$D/made\" && mv "
               "\"$D\"/made/* \"$D/case.safetensors\"",
               mechanism, one ? 4 : 2, one ? 1 : 8));
}

/* $D/out.safetensors: a kernel's outputs under this mechanism text. */
static void run_kernel(const char *mechanism) {
    outcome o =
        shell("$GLASSBOX run \"$D/case.safetensors\" --mechanism '%s' --backward --form chunkwise:64:16+straddle "
              "--numbers sm_90:bf16 --dtype BF16 -o \"$D/out.safetensors\"",
              mechanism);
    ck_assert_msg(o.status == 0, "%s", o.err);
    done(o);
}

START_TEST(right_passes) {
    make_problem(mechanisms[_i]);
    run_kernel(mechanisms[_i]);
    outcome o = shell("$GLASSBOX check \"$D/case.safetensors\" --candidate \"$D/out.safetensors\" " PROFILE);
    ck_assert_msg(o.status == 0 && strstr(o.out, "PASS") == o.out, "%s%s", o.out, o.err);
    ck_assert_msg(strstr(o.out, "dA_log") && strstr(o.out, "ddt_bias"), "%s", o.out);
    ck_assert_msg(!strstr(o.out, "dA_log: the bound is"), "%s", o.out); /* ... so wide that a pass says little */
    done(o);
}
END_TEST

static void expect_fails(const char *output) {
    outcome o = shell("$GLASSBOX check \"$D/case.safetensors\" --candidate \"$D/out.safetensors\" " PROFILE);
    char *row = strstr(o.out, output);
    ck_assert_msg(o.status == 1 && row && strstr(row, "FAIL") && strstr(row, "FAIL") < row + 24, "%s: %s%s", output,
                  o.out, o.err);
    done(o);
}

START_TEST(other_steps_fail) {
    char other[64];
    make_problem(mechanisms[_i]);
    snprintf(other, sizeof other, "%s,dt_min=0.0625", mechanisms[_i]);
    run_kernel(other);
    expect_fails("\n  o  ");
    expect_fails("\n  ddt  ");
    expect_fails("\n  dA_log  ");
    expect_fails("\n  ddt_bias  ");
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("check of mamba");
    TCase *t = tcase_create("ssd");
    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, make_folder, remove_folder);
    tcase_add_loop_test(t, right_passes, 0, 2);
    tcase_add_loop_test(t, other_steps_fail, 0, 2);
    suite_add_tcase(s, t);
    return s;
}

int main(void) { return test_main(suite()); }
