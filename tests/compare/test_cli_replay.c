/* SPDX-License-Identifier: Apache-2.0
 *
 * --replay from outside: files, streams and plug-ins are held to every bit, reports say which differ, and what cannot
 * be replayed is an error of the command line.
 */
#include "../../compare/io/tensors.h"
#include "plugin_testing.h"
#include "schema.h"

/* out.safetensors again as bad.safetensors, with another word in one element of o; kept if it is 0 before. */
static void change_bit(int64_t element, unsigned char mask, size_t byte) {
    char from[100], to[100];
    gla_tensor_file file;
    gla_error err;
    snprintf(from, sizeof from, "%s/out.safetensors", folder);
    snprintf(to, sizeof to, "%s/bad.safetensors", folder);
    ck_assert_msg(gla_tensors_read(from, &file, &err) == GLA_OK, "%s", err.what);
    const gla_named_tensor *o = gla_tensors_find(&file, "o");
    ((unsigned char *)(uintptr_t)o->raw)[element * 4 + (int64_t)byte] ^= mask;
    ck_assert_msg(gla_tensors_write(to, &file, &err) == GLA_OK, "%s", err.what);
    gla_tensors_free(&file);
}

static json_t *report(const char *leaf) {
    char path[128];
    json_error_t why;
    snprintf(path, sizeof path, "%s/%s", folder, leaf);
    json_t *schema = json_load_file("data/schema/check.schema.json", 0, &why), *x = json_load_file(path, 0, &why);
    ck_assert_msg(schema && x, "%s", why.text);
    ck_assert_msg(schema_valid(schema, schema, x, "report"), "%s", schema_error);
    json_decref(schema);
    return x;
}

static json_t *first_tensor(json_t *x) {
    return json_array_get(json_object_get(json_array_get(json_object_get(x, "cases"), 0), "tensors"), 0);
}

static const char check[] = "$GLASSBOX check \"$D/case.safetensors\" -c \"$D/%s.safetensors\" --json \"$D/j.json\" "
                            "--junit \"$D/x.xml\" --markdown \"$D/m.md\" %s";
static const char bits[] = "--replay binary32 --form recurrent";

static void make_candidate(void) {
    make_case();
    expect_good(
        shell("$GLASSBOX run \"$D/case.safetensors\" --backward --numbers binary32 --form recurrent --dtype F32 "
              "-o \"$D/out.safetensors\""));
}

START_TEST(test_files) {
    make_candidate();
    expect_verdict(shell(check, "out", bits), "itself", 0, "(profile f32, replay recurrent in binary32)");
    json_t *x = report("j.json"), *replay = json_object_get(first_tensor(x), "replay");
    ck_assert_int_eq(json_integer_value(json_object_get(first_tensor(x), "tier")), 1);
    ck_assert_int_eq(json_integer_value(json_object_get(replay, "differing")), 0);
    ck_assert_str_eq(json_string_value(json_object_get(replay, "numbers")), "binary32");
    ck_assert_ptr_null(json_object_get(replay, "first"));
    json_decref(x);

    change_bit(5 * 8 + 6, 1, 0);
    expect_verdict(shell(check, "bad", ""), "one bit, no replay", 0, "PASS");
    x = report("j.json");
    ck_assert(json_is_null(json_object_get(first_tensor(x), "replay")));
    json_decref(x);
    outcome o = shell(check, "bad", bits);
    ck_assert_int_eq(o.status, 1);
    ck_assert_ptr_nonnull(strstr(o.out, "o: 1 of 72 elements differ from the replay, at most 1 ulp apart; first "
                                        "o[0,5,1,2] (chunk 0, row 5): got "));
    ck_assert_ptr_nonnull(strstr(o.out, "o: right within its bound, but not the declared arithmetic\n"));
    ck_assert_ptr_nonnull(strstr(o.out, "but the bits are not those of the declared arithmetic\n"));
    ck_assert_ptr_nonnull(strstr(o.out, "--profile f32 --replay binary32 --form recurrent\n"));
    done(o);
    x = report("j.json");
    replay = json_object_get(first_tensor(x), "replay");
    ck_assert_int_eq(json_integer_value(json_object_get(replay, "differing")), 1);
    ck_assert(json_number_value(json_object_get(replay, "ulps")) == 1);
    ck_assert_uint_eq(json_string_length(json_object_get(replay, "got")), 8);
    ck_assert_int_eq(json_integer_value(json_object_get(json_object_get(replay, "first"), "token")), 5);
    json_decref(x);
    char path[100];
    snprintf(path, sizeof path, "%s/x.xml", folder);
    char *text = read_all(path);
    ck_assert_ptr_nonnull(strstr(text, "differ from the replay, first got "));
    free(text);
    snprintf(path, sizeof path, "%s/m.md", folder);
    text = read_all(path);
    ck_assert_ptr_nonnull(strstr(text, "| o | FAIL: not the declared arithmetic | "));
    free(text);
}
END_TEST

/* Keys of 0: o is 0 until the sign of one is changed. */
START_TEST(test_signs_of_zeros) {
    expect_good(shell("$GLASSBOX gen --family mild --T 5 --H 2 --dk 3 --dv 4 -o \"$D\""));
    expect_good(shell("mv \"$D\"/mild-*.safetensors \"$D/case.safetensors\""));
    char path[100];
    gla_tensor_file file;
    gla_error err;
    snprintf(path, sizeof path, "%s/case.safetensors", folder);
    ck_assert(gla_tensors_read(path, &file, &err) == GLA_OK);
    const gla_named_tensor *k = gla_tensors_find(&file, "k");
    memset((void *)(uintptr_t)k->raw, 0, (size_t)k->count * gla_dtype_size(k->dtype));
    ck_assert(gla_tensors_write(path, &file, &err) == GLA_OK);
    gla_tensors_free(&file);
    expect_good(
        shell("$GLASSBOX run \"$D/case.safetensors\" --numbers binary32 --dtype F32 -o \"$D/out.safetensors\""));
    change_bit(9, 0x80, 3);
    expect_verdict(shell(check, "bad", ""), "-0", 0, "PASS");
    expect_verdict(shell(check, "bad", bits), "-0", 1, "o: only signs of zeros differ\n");
}
END_TEST

START_TEST(test_wrong_command_lines) {
    make_candidate();
    static const char *const wrong[] = {"--replay binary23", "--replay binary32 --form chunky", "--form recurrent",
                                        "--replay bf16/sr:3"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        expect_one_line_error(shell(check, "out", wrong[i]), wrong[i]);
        expect_one_line_error(shell("$GLASSBOX verify --stream %s </dev/null", wrong[i]), wrong[i]);
    }
    outcome o = shell(check, "out", "--replay binary23");
    ck_assert_ptr_nonnull(strstr(o.err, "binary64 binary32 "));
    done(o);
}
END_TEST

START_TEST(test_streams) {
    static const char stream[] = "$GLASSBOX gen --stream --family mild --n 3 --T 9 --dtype f32 | "
                                 "\"${GLASSBOX%%/*}\"/tests/compare/stream_program | "
                                 "$GLASSBOX verify --stream --family mild --n 3 --T 9 --dtype f32 %s";
    expect_verdict(shell(stream, "--replay binary32"), "stream", 0,
                   /* f32's own form, which the program follows */ "3 cases: 3 answered, 3 passed");
    outcome o = shell(stream, bits); /* with dg by another route */
    ck_assert_int_eq(o.status, 1);
    ck_assert_ptr_nonnull(strstr(o.out, "dg: right within its bound, but not the declared arithmetic\n"));
    ck_assert_ptr_null(strstr(o.out, "  o: "));
    ck_assert_ptr_nonnull(strstr(o.out, "3 answered, 0 passed"));
    done(o);
}
END_TEST

/* A kernel that shares no line with ours, on every family, forward and backward. */
START_TEST(test_plugins) {
    outcome o =
        shell("$GLASSBOX check --plugin %s --jobs 2 --case '*/f32/s*[0-9]' %s", plugin_path("replayable"), bits);
    char *bad = strstr(o.out, "FAIL");
    ck_assert_msg(o.status == 0, "%.1000s", bad ? bad : o.out);
    ck_assert_ptr_nonnull(strstr(o.out, "; every bit as declared\n"));
    done(o);
    static const char reordered[] =
        "GLASSBOX_FAULT=reordered $GLASSBOX check --plugin %s --jobs 2 --case 'gla/mild/T67*/f32/s1' %s";
    expect_verdict(shell(reordered, plugin_path("replayable"), ""), "reordered", 0, "PASS gla/mild/T67");
    expect_verdict(shell(reordered, plugin_path("replayable"), bits), "reordered", 1,
                   "o: right within its bound, but not the declared arithmetic\n");
    expect_verdict(shell("$GLASSBOX check --plugin %s --jobs 1 --case 'gla/mild/T67*/bf16/s1' %s",
                         plugin_path("replayable"), bits),
                   "bf16", 0, "every bit as declared");
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("cli_replay");
    TCase *c = tcase_create("commands");
    tcase_set_timeout(c, 120);
    tcase_add_checked_fixture(c, make_folder, remove_folder);
    tcase_add_test(c, test_files);
    tcase_add_test(c, test_signs_of_zeros);
    tcase_add_test(c, test_wrong_command_lines);
    tcase_add_test(c, test_streams);
    tcase_add_test(c, test_plugins);
    suite_add_tcase(s, c);
    return s;
}

int main(void) { return test_main(suite()); }
