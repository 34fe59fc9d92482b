/* SPDX-License-Identifier: Apache-2.0
 *
 * glassbox bench --gpu with a pretended library beside the program (pretended_cuda.c): its table, CSV and plot, what it
 * says where a rung does not take a problem, and its exit statuses. Nothing is timed.
 */
#include <math.h>
#include <stdbool.h>

#include "shell.h"

/* The program and the library in a folder of their own: $D/glassbox. */
static void set_up(void) {
    make_folder();
    outcome o = shell("cp $GLASSBOX \"$D/glassbox\" && cc -std=c11 -shared -fPIC -I. tests/compare/pretended_cuda.c "
                      "-o \"$D/libglassbox_cuda.so\"");
    ck_assert_msg(o.status == 0, "%s", o.err);
    done(o);
}

/* The line that begins so. */
static const char *line_of(const char *text, const char *begin) {
    for (const char *at = text; at; at = strchr(at, '\n')) {
        at += *at == '\n';
        if (strncmp(at, begin, strlen(begin)) == 0) return at;
    }
    ck_abort_msg("no line '%s' in %s", begin, text);
    return NULL;
}

/* 8 * 2048 * 16 tokens and heads; 1280 bytes and 81920 operations each: 0.08389 ms at 4 TB/s, 0.0268 at 800 TFLOP/s. */
START_TEST(test_table) {
    outcome o =
        shell("\"$D/glassbox\" bench --gpu --shapes 8x2048x16x128x128,1x64x1x128x64:64,2x4x3x64x64 --repeats 9");
    ck_assert_msg(o.status == 0 && !o.err[0], "%s", o.err);
    ck_assert_ptr_nonnull(strstr(o.out, "Pretended GPU: copy 4.00 TB/s, matrix product 800 TFLOP/s"));
    ck_assert_ptr_nonnull(strstr(o.out, "B 8, T 2048, H 16, dk 128, dv 128\n"));
    ck_assert_ptr_nonnull(strstr(o.out, "B 1, T 64, H 1, dk 128, dv 64, segments of 64\n"));
    double x[9];
    const char *fused = line_of(o.out, "forward   fused "), *recurrent = line_of(o.out, "backward  recurrent");
    ck_assert_msg(sscanf(fused, "forward fused %lf %lf .. %lf %lf %lf %% %lf %lf %% %lf %lf %%", &x[0], &x[1], &x[2],
                         &x[3], &x[4], &x[5], &x[6], &x[7], &x[8]) == 9,
                  "%.200s", fused);
    const double want[] = {0.1, 0.05, 0.1, 3.36, 84, 214.7, 27, 0.0839, 84};
    for (int i = 0; i < 9; i++)
        ck_assert_msg(fabs(x[i] - want[i]) <= 2e-3 * want[i], "%d: %g, want %g", i, x[i], want[i]);
    ck_assert_ptr_nonnull(strstr(o.out, "both      fused             fused: no backward\n"));
    ck_assert_int_eq(sscanf(recurrent, "backward recurrent %lf %lf .. %lf", &x[0], &x[1], &x[2]), 3);
    ck_assert(x[0] == 3 && x[1] == 2 && x[2] == 4);
    line_of(o.out, "step      recurrent");
    ck_assert_msg(sscanf(line_of(o.out, "forward   fused              128   64"), "forward fused 128 64 %lf %lf", &x[0],
                         &x[1]) == 2 &&
                      x[0] == 1 && x[1] == 1,
                  "%s", o.out);
    ck_assert_msg(strstr(line_of(o.out, "backward  recurrent          128   64"), "FAIL"), "%s", o.out);
    ck_assert_msg(!strstr(o.out, "chunkwise"), "a rung that is not built: %s", o.out);
    done(o);
}
END_TEST

static int commas(const char *line) {
    int count = 0;
    bool quoted = false;
    for (; *line && *line != '\n'; line++) {
        if (*line == '"') quoted = !quoted;
        count += *line == ',' && !quoted;
    }
    return count;
}

START_TEST(test_csv) {
    outcome o = shell("\"$D/glassbox\" bench --gpu --shapes 8x2048x16x128x128,1x10000x2x32x32 --rungs parallel,fused "
                      "--csv \"$D/t.csv\" && cat \"$D/t.csv\"");
    ck_assert_msg(o.status == 0 && !o.err[0], "%s", o.err);
    const char *at = line_of(o.out, "device,copy_tb_s");
    ck_assert_int_eq(lines_in(at), 1 + 2 * 2 * 3);
    for (; at && at[1]; at = strchr(at + 1, '\n')) ck_assert_msg(commas(at + (*at == '\n')) == 27, "%.200s", at);
    line_of(o.out, "\"Pretended GPU\",4,800,8,2048,16,128,128,0,fused,forward,3,0.1,0.05,0.1,335544320,21474836480,"
                   "0.0838861,0.8389,3000000,1,1,,,,,FAIL,\n");
    line_of(o.out, "\"Pretended GPU\",4,800,8,2048,16,128,128,0,fused,backward,0,,,,");
    ck_assert_msg(strstr(o.out, "parallel          not timed: work that grows with T^2, and T > 8192"), "%s", o.out);
    done(o);
}
END_TEST

START_TEST(test_grades) {
    outcome o = shell("\"$D/glassbox\" bench --gpu --shapes 1x512x1x64x64 --rungs recurrent,fused:precise");
    ck_assert_msg(strstr(o.out, "\nforward   fused:precise  ") && strstr(o.out, "\nforward   recurrent  "), "%s",
                  o.out);
    ck_assert_ptr_null(strstr(o.out, "fused  "));
    done(o);
    o = shell("\"$D/glassbox\" bench --gpu --shapes 1x512x1x64x64");
    ck_assert_msg(strstr(o.out, "\nforward   fused  ") && strstr(o.out, "\nforward   fused:precise  "), "%s", o.out);
    ck_assert_ptr_null(strstr(o.out, "recurrent:precise"));
    done(o);
    o = shell("\"$D/glassbox\" bench --gpu --rungs fused:exact");
    ck_assert_msg(o.status == 2 && strstr(o.err, "no rung 'fused:exact'"), "%s", o.err);
    done(o);
}
END_TEST

START_TEST(test_segment) {
    outcome o = shell("\"$D/glassbox\" bench --gpu --segment 128 --rungs fused --shapes 1x512x1x64x64:256");
    ck_assert_ptr_nonnull(strstr(o.out, "segments of 128"));
    ck_assert_ptr_null(strstr(o.out, "recurrent"));
    done(o);
}
END_TEST

START_TEST(test_plot) {
    outcome o = shell("command -v gnuplot >/dev/null");
    bool there = o.status == 0;
    done(o);
    if (!there) return;
    o = shell("\"$D/glassbox\" bench --gpu --shapes 8x2048x16x16x16,1x1x4x16x16 --plot \"$D/t.svg\" >\"$D/log\" && "
              "grep '^</svg>' \"$D/t.svg\" && grep -c "
              "'>fused<\\|>recurrent<\\|>roof<\\|>forward<\\|>backward<\\|>step<\\|>8x2048x16<' \"$D/t.svg\"");
    int found = 0;
    ck_assert_msg(o.status == 0 && !o.err[0] && sscanf(o.out, "</svg> %d", &found) == 1 && found >= 10, "%s%s", o.out,
                  o.err);
    done(o);
    o = shell("\"$D/glassbox\" bench --gpu --shapes 8x2048x16x16x16 --plot \"$D/t.png\" >\"$D/log\" && head -c 4 "
              "\"$D/t.png\"");
    ck_assert_msg(o.status == 0 && strncmp(o.out + 1, "PNG", 3) == 0, "%s", o.err);
    done(o);
}
END_TEST

START_TEST(test_statuses) {
    outcome o = shell("PRETEND=none \"$D/glassbox\" bench --gpu");
    ck_assert_msg(o.status == 77 && lines_in(o.err) == 1 && strstr(o.err, "no GPU"), "%d %s", o.status, o.err);
    done(o);
    o = shell("cc -std=c11 -shared -fPIC -DSTALE -I. tests/compare/pretended_cuda.c -o \"$D/libglassbox_cuda.so\" && "
              "\"$D/glassbox\" bench --gpu");
    ck_assert_msg(o.status == 2 && strstr(o.err, "not of this version"), "%d %s", o.status, o.err);
    done(o);
    o = shell("rm \"$D/libglassbox_cuda.so\" && \"$D/glassbox\" bench --gpu");
    ck_assert_msg(o.status == 77 && lines_in(o.err) == 1 && strstr(o.err, "make cuda"), "%d %s", o.status, o.err);
    done(o);
}
END_TEST

START_TEST(test_broken_kernel) {
    outcome o =
        shell("PRETEND=broken \"$D/glassbox\" bench --gpu --rungs fused --shapes 1x8x1x64x64 --csv \"$D/t.csv\"; "
              "s=$?; cat \"$D/t.csv\"; exit $s");
    ck_assert_msg(o.status == 3 && strstr(o.out, "misaligned"), "%d %s%s", o.status, o.out, o.err);
    ck_assert_msg(strstr(o.out, ",\"kernel: \"\"misaligned\"\" address\"\n"), "%s", o.out);
    done(o);
}
END_TEST

START_TEST(test_no_product) {
    outcome o = shell("PRETEND=plain \"$D/glassbox\" bench --gpu --rungs fused --shapes 8x2048x64x32x32");
    ck_assert_msg(o.status == 0 && strstr(o.out, "no matrix product to compare with (no cuBLAS)"), "%s", o.out);
    ck_assert_ptr_nonnull(strstr(line_of(o.out, "forward   fused"), "0.0839    84 %"));
    done(o);
}
END_TEST

static const char *const wrong[] = {
    "--gpu --shapes 8",
    "--gpu --shapes ''",
    "--gpu --shapes 1x2x3x4x5x6",
    "--gpu --shapes 1x2x3x4x5:3",
    "--gpu --shapes 1x0x3x4x5",
    "--gpu --shapes 1x2x3x4x5,x",
    "--gpu --rungs fastest",
    "--gpu --segment 100",
    "--gpu --plot t.pdf",
    "--gpu --T 64",
    "--gpu --csv /nowhere/at/all",
    "--shapes 1x2x3x4x5",
    "--csv t.csv",
    "--plot t.svg",
    "--gpu --repeats 0",
};

START_TEST(test_wrong_line) { expect_one_line_error(shell("\"$D/glassbox\" bench %s", wrong[_i]), wrong[_i]); }
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("bench --gpu");
    TCase *c = tcase_create("bench");
    tcase_set_timeout(c, 60);
    tcase_add_checked_fixture(c, set_up, remove_folder);
    tcase_add_test(c, test_table);
    tcase_add_test(c, test_csv);
    tcase_add_test(c, test_grades);
    tcase_add_test(c, test_segment);
    tcase_add_test(c, test_plot);
    tcase_add_test(c, test_statuses);
    tcase_add_test(c, test_broken_kernel);
    tcase_add_test(c, test_no_product);
    tcase_add_loop_test(c, test_wrong_line, 0, sizeof wrong / sizeof *wrong);
    suite_add_tcase(s, c);
    return s;
}

int main(void) { return test_main(suite()); }
