/* SPDX-License-Identifier: Apache-2.0
 *
 * The comparator's truth table from outside: `glassbox check` against candidate files that are wrong in every way that
 * people really meet, each rejected with the right exit status: 1 wrong numbers, 3 broken, 4 nothing judged, 2 bad
 * file.
 */
#include "shell.h"

#include <math.h>

#include "../../compare/io/tensors.h"

static const char source[] = "data/real/gla_recurrent_fp32_sigmoid.safetensors";
enum { T = 320, DV = 128, COUNT = T * DV };

static double o[COUNT]; /* the real kernel's o, to be spoilt */
static bool with_final_state, with_changed_q;
static int64_t shape[4];

static void load(void) {
    gla_tensor_file file;
    gla_error err;
    make_folder();
    ck_assert_msg(gla_tensors_read(source, &file, &err) == GLA_OK, "%s", err.what);
    ck_assert(gla_tensor_to_double(gla_tensors_find(&file, "o"), o, &err) == GLA_OK);
    gla_tensors_free(&file);
    with_final_state = true;
    with_changed_q = false;
    memcpy(shape, (int64_t[]){1, T, 1, DV}, sizeof shape);
}

/* The candidate file from what stands in `o` and the flags. */
static void write_candidate(void) {
    gla_tensor_file file = {0}, whole;
    gla_error err;
    char path[200];
    ck_assert(gla_tensors_read(source, &whole, &err) == GLA_OK);
    static double value[64 * DV + T * 64];
    ck_assert(gla_tensors_add(&file, "o", GLA_F32, 4, shape, o, &err) == GLA_OK);
    if (with_final_state) {
        const gla_named_tensor *S = gla_tensors_find(&whole, "final_state");
        ck_assert(gla_tensor_to_double(S, value, &err) == GLA_OK);
        ck_assert(gla_tensors_add(&file, "final_state", GLA_F32, S->rank, S->shape, value, &err) == GLA_OK);
    }
    if (with_changed_q) {
        const gla_named_tensor *q = gla_tensors_find(&whole, "q");
        ck_assert(gla_tensor_to_double(q, value, &err) == GLA_OK);
        value[1000] += 1;
        ck_assert(gla_tensors_add(&file, "q", GLA_F32, q->rank, q->shape, value, &err) == GLA_OK);
    }
    snprintf(path, sizeof path, "%s/candidate.safetensors", folder);
    ck_assert_msg(gla_tensors_write(path, &file, &err) == GLA_OK, "%s", err.what);
    gla_tensors_free(&whole);
    gla_tensors_free(&file);
}

static void nothing(void) {}
static void all_nan(void) {
    for (int i = 0; i < COUNT; i++) o[i] = NAN;
}
static void one_nan(void) { o[COUNT / 2] = NAN; }
static void one_inf(void) { o[COUNT / 2] = INFINITY; }
static void zeros(void) { memset(o, 0, sizeof o); }
static void shifted(void) { memmove(o + DV, o, (COUNT - DV) * sizeof *o); }
static void scaled(void) {
    for (int i = 0; i < COUNT; i++) o[i] *= 1 + 0x1p-10;
}
static void one_wrong(void) { o[12345] += 0.001; }
static void permuted(void) {
    for (int i = 0; i < COUNT; i += 2) {
        double x = o[i];
        o[i] = o[i + 1];
        o[i + 1] = x;
    }
}
static void transposed_values(void) {
    static double copy[COUNT];
    memcpy(copy, o, sizeof o);
    for (int t = 0; t < T; t++)
        for (int j = 0; j < DV; j++) o[t * DV + j] = copy[j * T + t];
}
static void transposed_shape(void) { memcpy(shape, (int64_t[]){1, DV, 1, T}, sizeof shape); }
static void truncated(void) { shape[1] = T - 1; }
static void changed_input(void) { with_changed_q = true; }
static void missing_output(void) { with_final_state = false; }

static const struct {
    const char *what;
    void (*spoil)(void);
    int status;
    const char *said; /* on stdout */
} table[] = {
    {"right", nothing, 0, "PASS"},
    {"all NaN", all_nan, 1, "40960 NaN"},
    {"one NaN", one_nan, 1, "1 NaN"},
    {"one Inf", one_inf, 1, "1 Inf"},
    {"zeros", zeros, 1, "over the bound"},
    {"shifted by a token", shifted, 1, "over the bound"},
    {"scaled by 1 + 2^-10", scaled, 1, "over the bound"},
    {"one wrong element", one_wrong, 1, "first bad o[0,96,0,57]"},
    {"permuted", permuted, 1, "over the bound"},
    {"transposed values", transposed_values, 1, "over the bound"},
    {"transposed shape", transposed_shape, 3, "wrong shape"},
    {"truncated", truncated, 3, "wrong shape"},
    {"input modified", changed_input, 3, "input q was changed"},
    {"output missing", missing_output, 3, "missing"},
};

START_TEST(test_candidates) {
    table[_i].spoil();
    write_candidate();
    outcome x = shell("$GLASSBOX check %s --candidate \"$D/candidate.safetensors\"", source);
    ck_assert_msg(x.status == table[_i].status, "%s: exit status %d\n%s%s", table[_i].what, x.status, x.out, x.err);
    ck_assert_msg(strstr(x.out, table[_i].said) != NULL, "%s: not said: %s\n%s", table[_i].what, table[_i].said, x.out);
    if (x.status != 0) ck_assert_ptr_nonnull(strstr(x.out, "reproduce: glassbox check "));
    if (x.status == 1) {
        ck_assert_ptr_nonnull(strstr(x.out, "likely cause: "));
        ck_assert_ptr_nonnull(strstr(x.out, "first bad: o["));
        ck_assert_ptr_nonnull(strstr(x.out, "explain: glassbox explain "));
        ck_assert_ptr_nonnull(strstr(x.out, "bad by token: o "));
    }
    done(x);
}
END_TEST

START_TEST(test_statuses_around) {
    outcome x = shell("$GLASSBOX check %s --only o,dq", source);
    ck_assert_int_eq(x.status, 3); /* asked for, not there */
    done(x);
    x = shell("mkdir \"$D/empty\"; $GLASSBOX check \"$D/empty\"");
    ck_assert_int_eq(x.status, 4); /* nothing to judge is no pass */
    done(x);
    x = shell("$GLASSBOX check data/real/gla_chunk_fp32_mild.safetensors");
    ck_assert_int_eq(x.status, 1);
    ck_assert_ptr_nonnull(strstr(x.out, "consistent with tf32"));
    done(x);
    expect_good(shell("$GLASSBOX check data/real/gla_chunk_fp32_mild.safetensors --profile f32-tf32"));
    expect_one_line_error(shell("$GLASSBOX check /nonexistent/x.safetensors"), "no such file");
    expect_one_line_error(shell("$GLASSBOX check %s --profile no-such", source), "profile");
    expect_one_line_error(shell("$GLASSBOX check %s --only nonsense", source), "only");
    expect_one_line_error(
        shell("head -c 5000 %s >\"$D/cut.safetensors\"; $GLASSBOX check \"$D/cut.safetensors\"", source), "cut file");
}
END_TEST

/* A profile of one's own, and the line that repeats the judgement names its file. */
START_TEST(test_profile_files) {
    outcome x = shell("$GLASSBOX check data/real/gla_chunk_bf16_mild.safetensors --only dk "
                      "--profile data/profiles/chunk32-bf16.json");
    expect_good(x);
    x = shell("$GLASSBOX check %s --profile data/profiles/chunk32-bf16.json --json \"$D/x.json\"; "
              "grep -c rms_z \"$D/x.json\"",
              source);
    ck_assert_ptr_nonnull(strstr(x.out, "(profile chunk32-bf16)"));
    done(x);
    x = shell("$GLASSBOX explain %s --at 'o[0,9,0,37]' --profile data/profiles/chunk32-bf16.json", source);
    ck_assert_ptr_nonnull(strstr(x.out, "formulation chunkwise:32:16+anchor"));
    done(x);
    expect_one_line_error(shell("$GLASSBOX check %s --profile data/real/README.md", source), "not JSON");
    expect_one_line_error(shell("$GLASSBOX explain %s --profile f33", source), "no profile 'f33'");
}
END_TEST

/* A folder without cases is no pass, also beside a case that is one. */
START_TEST(test_hollow_folders) {
    outcome x = shell("mkdir \"$D/hollow\"; $GLASSBOX check %s \"$D/hollow\"", source);
    ck_assert_msg(x.status == 4 && strstr(x.err, "hollow: no case files") && strstr(x.out, "PASS"), "%s%s", x.out,
                  x.err);
    done(x);
}
END_TEST

/* The lines that repeat a judgement ask for the same. */
START_TEST(test_reproduce_lines) {
    outcome x = shell("$GLASSBOX check %s --only dinitial_state,o --strict --profile ideal", source);
    ck_assert_msg(strstr(x.out, " --profile ideal --only o,dinitial_state --strict\n") != NULL, "%s", x.out);
    done(x);
    x = shell("$GLASSBOX check %s --allow-growth --profile ideal", source);
    const char *reproduce = strstr(x.out, "reproduce: "), *explain = strstr(x.out, "explain: ");
    ck_assert_msg(reproduce && strstr(reproduce, " --profile ideal --allow-growth\n") < explain, "%s", x.out);
    ck_assert_msg(explain && strstr(explain, " --profile ideal --allow-growth\n"), "%s", x.out);
    done(x);
}
END_TEST

/* What check allows is what explain adds up; and the same run twice gives the same text. */
START_TEST(test_explain_and_repeat) {
    outcome x = shell("$GLASSBOX explain %s --at 'o[0,9,0,37]'", source);
    ck_assert_msg(x.status == 0, "%s", x.err);
    ck_assert_ptr_nonnull(strstr(x.out, "error/bound 0.144"));
    ck_assert_ptr_nonnull(strstr(x.out, "allowed = min(random, conspiring) + systematic"));
    done(x);
    expect_one_line_error(shell("$GLASSBOX explain %s --at 'o[0,320,0,0]'", source), "outside");
    expect_one_line_error(shell("$GLASSBOX explain %s --at 'o[0,320'", source), "not an index");
    expect_one_line_error(shell("$GLASSBOX explain %s --at 'dgv[0,0,0,0]'", source), "no such output");
    outcome a = shell("$GLASSBOX check %s --threads 1", source), b = shell("$GLASSBOX check %s --threads 2", source);
    ck_assert_str_eq(a.out, b.out);
    done(a);
    done(b);
}
END_TEST

/* What the README shows is what the program prints. */
START_TEST(test_readme_transcript) { expect_good(shell("GLASSBOX=$GLASSBOX .ci/transcript --check")); }
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("check");
    TCase *t = tcase_create("truth table");
    tcase_set_timeout(t, 120);
    tcase_add_checked_fixture(t, load, remove_folder);
    tcase_add_loop_test(t, test_candidates, 0, sizeof table / sizeof *table);
    tcase_add_test(t, test_statuses_around);
    tcase_add_test(t, test_profile_files);
    tcase_add_test(t, test_hollow_folders);
    tcase_add_test(t, test_reproduce_lines);
    tcase_add_test(t, test_explain_and_repeat);
    tcase_add_test(t, test_readme_transcript);
    suite_add_tcase(s, t);
    return s;
}

int main(void) { return test_main(suite()); }
