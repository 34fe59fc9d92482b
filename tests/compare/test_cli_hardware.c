/* SPDX-License-Identifier: Apache-2.0
 *
 * Hardware number systems from the command line: they run by name wherever a number system is named, a run in one is
 * replayed bit for bit and by no other architecture, wrong names are one-line errors, and study sites prints its table.
 */
#include "shell.h"

/* A kernel's own dtype hides most of the difference between two tensor cores; binary32 outputs show it. */
START_TEST(run_is_replayed_by_its_own_gpu_only) {
    expect_good(shell(
        "$GLASSBOX gen --T 70 --H 1 --dk 24 --dv 20 -o \"$D/cases\" && mv \"$D\"/cases/* \"$D/case.safetensors\""));
    expect_good(shell("$GLASSBOX run \"$D/case.safetensors\" --backward --form chunkwise:64:16 --numbers sm_90:bf16 "
                      "--dtype F32 -o \"$D/out.safetensors\""));
    outcome o = shell("$GLASSBOX check \"$D/case.safetensors\" --candidate \"$D/out.safetensors\" --profile chunk-bf16 "
                      "--replay sm_90:bf16 --form chunkwise:64:16");
    ck_assert_msg(o.status == 0, "%s%s", o.out, o.err);
    done(o);
    static const char *const others[] = {"sm_80:bf16", "sm_90:f16", "sm_90:bf16/expf", "mixed:bf16"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        o = shell("$GLASSBOX check \"$D/case.safetensors\" --candidate \"$D/out.safetensors\" --profile chunk-bf16 "
                  "--replay %s --form chunkwise:64:16",
                  others[i]);
        ck_assert_msg(o.status == 1, "%s: %d %s%s", others[i], o.status, o.out, o.err);
        done(o);
    }
}
END_TEST

START_TEST(names_are_known_everywhere) {
    make_case();
    expect_good(shell("$GLASSBOX run \"$D/case.safetensors\" --numbers recorder:sm_80:tf32/expf"));
    expect_good(shell("$GLASSBOX cross --T 9 --dk 3 --dv 2 --form chunkwise:4:2 --numbers sm_90:e4m3,binary32"));
    outcome o = shell("$GLASSBOX list && $GLASSBOX list --json");
    char *first = strstr(o.out, "ARCH:TYPE[/EXP]");
    ck_assert(first && strstr(first + 1, "\"ARCH:TYPE[/EXP]\""));
    done(o);
    static const char *const wrong[] = {"sm_90:bf17", "sm_91:bf16", "sm_90:bf16/exp"};
    for (size_t i = 0; i < 3; i++) {
        o = shell("$GLASSBOX run \"$D/case.safetensors\" --numbers %s", wrong[i]);
        ck_assert_msg(strstr(o.err, "sm_90") && strstr(o.err, "ARCH"), "%s", o.err);
        expect_one_line_error(o, wrong[i]);
    }
}
END_TEST

/* 13 parts by 6 outputs by 2 choices of gates, and a head line; numbers where there is an error. */
START_TEST(study_sites_is_a_table) {
    outcome o = shell("$GLASSBOX study sites --longest 16 --csv \"$D/x.csv\"");
    ck_assert_msg(o.status == 0 && strstr(o.out, "root sum sq.") && strstr(o.out, "all / root"), "%s%s", o.out, o.err);
    done(o);
    o = shell("cat \"$D/x.csv\"");
    ck_assert_int_eq(lines_in(o.out), 1 + 13 * 6 * 2);
    ck_assert(strncmp(o.out, "gates,part,output,alone,predicted,worst,without\n", 48) == 0);
    double alone, predicted, worst, without;
    const char *score = strstr(o.out, ",score,o,");
    ck_assert(score && sscanf(score, ",score,o,%lf,%lf,%lf,%lf", &alone, &predicted, &worst, &without) == 4);
    ck_assert_msg(alone > 5e-4 && alone < 5e-3 && worst > 0 && worst <= 1 && without > 0, "%g %g %g", alone, worst,
                  without);
    done(o);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("cli hardware");
    TCase *t = tcase_create("hardware");
    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, make_folder, remove_folder);
    tcase_add_test(t, run_is_replayed_by_its_own_gpu_only);
    tcase_add_test(t, names_are_known_everywhere);
    tcase_add_test(t, study_sites_is_a_table);
    suite_add_tcase(s, t);
    return s;
}

int main(void) { return test_main(suite()); }
