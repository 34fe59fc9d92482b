/* SPDX-License-Identifier: Apache-2.0
 *
 * glassbox mma and glassbox hardware from outside.
 */
#include "shell.h"

#include <jansson.h>

#include "../../fast/hardware/special_functions.h"
#include "../../fast/hardware/tensor_core.h"

/* The output holds every line, in this order. */
static void expect_lines(const char *arguments, const char *const *lines) {
    outcome o = shell("$GLASSBOX mma %s", arguments);
    ck_assert_msg(o.status == 0 && o.err[0] == 0, "%s: %d %s", arguments, o.status, o.err);
    const char *at = o.out;
    for (; *lines; lines++) {
        const char *found = strstr(at, *lines);
        ck_assert_msg(found != NULL, "%s: no '%s' (or not there) in\n%s", arguments, *lines, o.out);
        at = found + strlen(*lines);
    }
    done(o);
}

START_TEST(small_term_survives) {
    expect_lines(
        "1:1 0x1p-12:0x1p-12 -1:1",
        (const char *const[]){
            "sm_90 wgmma, mma.sync m16n8k16: bf16 -> f32", "L = 16, F = 25, E >= -133",
            "k=1   0x3980     0x3980     5.96046448e-08   0x1p-24            -24",
            "aligned on E = 0: 2^0 before the point, 2^-25 last", "k=0      +       1.0000000000000000000000000|\n",
            "k=1      +       0.0000000000000000000000010|\n", "k=2      -       1.0000000000000000000000000|\n",
            "sum      +       0.0000000000000000000000010\n", "result 0x33800000 = 5.96046448e-08 = 0x1p-24\n",
            "nothing is lost", "the exact sum                 5.96046448e-08",
            "binary32, one fma at a time   0x00000000 = 0", NULL});
}
END_TEST

START_TEST(cut_bits_are_shown) {
    expect_lines("1:1 -1:1 0x1.8p-12:0x1p-13 0x1p-30:-0x1p-30",
                 (const char *const[]){"k=2      +       0.0000000000000000000000001|1\n",
                                       "k=3      -       0.0000000000000000000000000|0.. (-8.67e-19)\n",
                                       "result 0x33000000", NULL});
    expect_lines("1:1 0x1p-12:0x1p-12 0x1p-12:0x1p-13",
                 (const char *const[]){"result 0x3f800000", "bits are lost", "rounded once        0x3f800001", NULL});
}
END_TEST

START_TEST(specials_are_plain) {
    expect_lines("nan:1 inf:0", (const char *const[]){"k=1   0x7f80     0x0000     nan ", "result 0x7fffffff = nan\n",
                                                      "the exact sum                 nan\n", NULL});
    expect_lines("--type f16 --result f16 60000:1 60000:1",
                 (const char *const[]){"result 0x7c00 = inf\n", "to nearest even in f16: too large\n", NULL});
}
END_TEST

START_TEST(words_values_and_formats) {
    expect_lines("0x3F80:0X3f80 --c 0x40000000", (const char *const[]){"result 0x40400000 = 3 ", NULL});
    expect_lines("--type f16 --result f16 --c 1 0x1.8p-6:0x1p-5",
                 (const char *const[]){"f16 -> f16", "to nearest even in f16: bits are lost", NULL});
    expect_lines("--type e4m3 --instruction wgmma --c 0x3f800200 0x38:0",
                 (const char *const[]){"L = 32, F = 13", "aligned on E = 0", "|1\n", "result 0x3f800000", NULL});
    expect_lines("--type e4m3 --instruction mma.sync --c 0x3f800400 1:0 1:0 2:3",
                 (const char *const[]){"k mod 4 in {0, 1}", "k mod 4 in {2, 3}", "k=2   0x4000     0x4200",
                                       "c is added last", "result 0x40e00100", NULL});
    expect_lines("--type e4m3.e5m2 --instruction wgmma 448:57344", (const char *const[]){"25690112", NULL});
    expect_lines("--type tf32 0x3f801fff:1", (const char *const[]){"0x3f801fff", "result 0x3f800000", NULL});
    expect_lines("--type f64 --c 0x1p-53 0x3ff0000000000000:1 0x1p-53:1",
                 (const char *const[]){"a_0 b_0  1 =", "a_1 b_1  1 =", NULL});
    expect_lines("--arch sm_70 --type f16 1:1", (const char *const[]){"L = 4, F = 23, toward zero", NULL});
    expect_lines("inf:1 0:nan", (const char *const[]){"special", "decides", "result 0x7fffffff", NULL});
    expect_lines("-inf:1", (const char *const[]){"result 0xff800000", NULL});
}
END_TEST

/* 17 products of sm_90 are two blocks, in the order typed, whatever stands between. */
START_TEST(chain_of_blocks) {
    expect_lines("1:1 0x1p-12:0x1p-12 0:0 0:0 0:0 0:0 0:0 0:0 0:0 0:0 0:0 0:0 0:0 0:0 0:0 0:0 --type bf16 -1:1",
                 (const char *const[]){"block 1\n", "result 0x3f800000", "block 2\n", "k=16  0xbf80",
                                       "result 0x00000000", NULL});
}
END_TEST

START_TEST(eighty_columns) {
    static const char *const runs[] = {
        "mma 0x1.fep127:0x1.fep127 -0x1.fep-126:0x1.fep-126 0x1p-133:-0x1p-133 -c -0x1.fffffep-126",
        "mma --type tf32 -- -0x1.ffcp127:-0x1.ffcp-126 -0x1.ffcp-126:0x1.ffcp-126",
        "mma --type e5m2 --result f16 --c -0x1.ffcp-14 -- -57344:57344 -0x1p-16:0x1p-16",
        "mma --type e4m3 --instruction mma.sync --c -0x1.fffffep-126 -- -448:448 -0x1p-9:-0x1p-9",
        "mma --arch sm_100 --type tf32 1:1",
        "mma --arch sm_100 1:1",
        "hardware"};
    for (size_t i = 0; i < sizeof runs / sizeof runs[0]; i++) {
        outcome o = shell("$GLASSBOX %s", runs[i]);
        ck_assert_msg(o.status == 0, "%s: %s", runs[i], o.err);
        for (char *line = strtok(o.out, "\n"); line; line = strtok(NULL, "\n"))
            ck_assert_msg(strlen(line) <= 80, "%s: %zu columns: %s", runs[i], strlen(line), line);
        done(o);
    }
}
END_TEST

START_TEST(errors_are_one_line) {
    static const char *const bad[] = {
        "mma",
        "mma 1",
        "mma 1:1:1",
        "mma :1",
        "mma 1:",
        "mma x:1",
        "mma '1: 1'",
        "mma 0x:1",
        "mma 0x12345:1",
        "mma 0xg:1",
        "mma 1.1:1",
        "mma --type e4m3 inf:1",
        "mma --type e4m3 449:1",
        "mma --c 0x100000000 1:1",
        "mma --type f16 --result f16 --c 0x10000 1:1",
        "mma --type f64 0x10000000000000000:1",
        "mma --arch sm_99 1:1",
        "mma --type f17 1:1",
        "mma --type f64 --arch sm_70 1:1",
        "mma --result f16 1:1",
        "mma --instruction wgmma --arch sm_80 1:1",
        "mma --nothing 1:1",
        "mma $(for i in $(seq 257); do echo 1:1; done)",
        "mma --c 1",
        "hardware --arch sm_99",
        "hardware sm_90",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        expect_one_line_error(shell("$GLASSBOX %s", bad[i]), bad[i]);
    expect_good(shell("$GLASSBOX mma $(for i in $(seq 256); do echo 1:1; done) >/dev/null"));
}
END_TEST

/* The list is the library's table, row by row. */
START_TEST(hardware_lists_the_table) {
    expect_good(shell("$GLASSBOX hardware"));
    outcome o = shell("$GLASSBOX hardware --json");
    json_t *all = json_loads(o.out, 0, NULL), *models = json_object_get(all, "tensor_cores");
    size_t i = 0;
    for (const gla_mma_model *m = gla_mma_models; m->arch; m++, i++) {
        json_t *row = json_array_get(models, i);
        ck_assert_str_eq(json_string_value(json_object_get(row, "arch")), m->arch);
        ck_assert_str_eq(json_string_value(json_object_get(row, "instruction")), m->instruction);
        ck_assert_str_eq(json_string_value(json_object_get(row, "type")), m->type);
        ck_assert_str_eq(json_string_value(json_object_get(row, "result")), m->result);
        ck_assert_str_eq(json_string_value(json_object_get(row, "evidence")), m->evidence);
        ck_assert_int_eq(json_integer_value(json_object_get(row, "block")), m->block);
        ck_assert_int_eq(json_integer_value(json_object_get(row, "fraction")), m->fraction);
        ck_assert_int_eq(json_integer_value(json_object_get(row, "floor")), m->floor);
        ck_assert_int_eq(json_boolean_value(json_object_get(row, "probed")), m->probed);
    }
    ck_assert_uint_eq(json_array_size(models), i);
    json_t *functions = json_object_get(all, "special_functions");
    i = 0;
    for (const gla_special_function *f = gla_special_functions; f->name; f++, i++) {
        json_t *row = json_array_get(functions, i);
        ck_assert_str_eq(json_string_value(json_object_get(row, "function")), f->name);
        ck_assert_str_eq(json_string_value(json_object_get(row, "words")), f->record);
        ck_assert_double_eq(json_real_value(json_object_get(row, "max_ulp")), f->ulp);
        ck_assert_int_eq(json_integer_value(json_object_get(row, "compared")), f->compared);
        ck_assert_int_eq(json_boolean_value(json_object_get(row, "probed")), f->compared > 0);
    }
    ck_assert_uint_eq(json_array_size(functions), i);
    json_decref(all);
    done(o);
    o = shell("$GLASSBOX hardware --arch sm_80");
    ck_assert(strstr(o.out, "sm_80\n") && !strstr(o.out, "sm_90\n") && strstr(o.out, "words of an A100"));
    ck_assert(
        strstr(o.out, "  __expf, tl.exp        e^x       63.78065  4294967296  mufu_exp_triton.npz\n"));
    ck_assert(strstr(o.out, "sm_80 was not probed: its model takes sm_90's"));
    done(o);
}
END_TEST

/* The README shows what the command prints. */
START_TEST(readme_is_true) {
    char *readme = read_all("README.md"), *at = strstr(readme, "    $ glassbox mma ");
    ck_assert_ptr_nonnull(at);
    char *end = strstr(at, "\n\n"), *next = NULL;
    while (end && end[2] == ' ') end = strstr(end + 2, "\n\n"); /* text that is not indented follows */
    ck_assert_ptr_nonnull(end);
    *end = 0;
    char *command = strtok_r(at + strlen("    $ glassbox "), "\n", &next);
    outcome o = shell("$GLASSBOX %s", command);
    int shown = 0;
    for (char *line; (line = strtok_r(NULL, "\n", &next));) {
        if (strcmp(line, "    ...") == 0) continue;
        ck_assert_msg(strstr(o.out, line + 4) != NULL, "not printed: %s", line);
        shown++;
    }
    ck_assert_int_ge(shown, 5);
    done(o);
    free(readme);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("mma");
    TCase *c = tcase_create("command line");
    tcase_set_timeout(c, 60);
    tcase_add_checked_fixture(c, make_folder, remove_folder);
    tcase_add_test(c, small_term_survives);
    tcase_add_test(c, cut_bits_are_shown);
    tcase_add_test(c, words_values_and_formats);
    tcase_add_test(c, specials_are_plain);
    tcase_add_test(c, chain_of_blocks);
    tcase_add_test(c, eighty_columns);
    tcase_add_test(c, errors_are_one_line);
    tcase_add_test(c, hardware_lists_the_table);
    tcase_add_test(c, readme_is_true);
    suite_add_tcase(s, c);
    return s;
}

int main(void) { return test_main(suite()); }
