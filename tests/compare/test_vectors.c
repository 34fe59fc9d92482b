/* SPDX-License-Identifier: Apache-2.0
 *
 * The vector set: data/vectors/v1 is what `vectors make` makes, to the bit; a right kernel passes it and a wrong one
 * does not, also for a consumer without an oracle; and whatever is done to a set is noticed.
 */
#include "schema.h"
#include "shell.h"

static const char set[] = "data/vectors/v1";

static void make_small_set(void) {
    make_folder();
    expect_good(shell("cp -r %s \"$D/v1\" && chmod -R u+w \"$D/v1\"", set));
}

START_TEST(set_is_whole) {
    outcome o = shell("$GLASSBOX vectors verify %s", set);
    ck_assert_msg(o.status == 0 && strstr(o.out, "31 vectors"), "%s%s", o.out, o.err);
    done(o);
}
END_TEST

START_TEST(set_is_regenerated_to_the_bit) {
    expect_good(shell("$GLASSBOX vectors make \"$D/again\" >\"$D/log\""));
    outcome o = shell("diff -r %s \"$D/again\"", set);
    ck_assert_msg(o.status == 0, "run `make vectors` if the bounds or families have changed: %s", o.out);
    done(o);
}
END_TEST

/* The limits. */
START_TEST(set_is_small) {
    outcome o = shell("du -b -s %s | cut -f 1; find %s -size +1024k", set, set);
    ck_assert_msg(atol(o.out) > 0 && atol(o.out) < 3 << 20, "%s", o.out);
    ck_assert_int_eq(lines_in(o.out), 1);
    done(o);
}
END_TEST

START_TEST(manifest_follows_its_schema) {
    json_t *schema = json_load_file("data/schema/vectors.schema.json", JSON_REJECT_DUPLICATES, NULL),
           *manifest = json_load_file("data/vectors/v1/manifest.json", JSON_REJECT_DUPLICATES, NULL);
    ck_assert(schema && manifest);
    ck_assert_msg(schema_valid(schema, schema, manifest, "manifest"), "%s", schema_error);
    json_t *first = json_array_get(json_object_get(manifest, "vectors"), 0);
    json_object_set_new(first, "sha256", json_string("0123"));
    ck_assert(!schema_valid(schema, schema, manifest, "manifest"));
    ck_assert_str_eq(schema_error, "manifest.vectors[0].sha256: does not match the pattern");
    json_object_set_new(first, "sha256", json_integer(3));
    ck_assert(!schema_valid(schema, schema, manifest, "manifest"));
    json_object_del(first, "sha256");
    ck_assert(!schema_valid(schema, schema, manifest, "manifest"));
    json_decref(schema);
    json_decref(manifest);
}
END_TEST

/* ---- spoilt sets ---- */

static const struct {
    const char *what, *how, *text;
} spoilt[] = {
    {"no folder", "rm -r \"$D/v1\"", "manifest.json"},
    {"no manifest", "rm \"$D/v1/manifest.json\"", "manifest.json"},
    {"manifest cut", "head -c 1000 %s/manifest.json >\"$D/v1/manifest.json\"", "manifest.json: line"},
    {"manifest of another kind", "echo '[]' >\"$D/v1/manifest.json\"", "the version is not 1"},
    {"no vectors", "echo '{\"version\": 1, \"vectors\": []}' >\"$D/v1/manifest.json\"", "no vectors"},
    {"wrong sha256", "sed -i '0,/\"sha256\": \"./s//\"sha256\": \"x/' \"$D/v1/manifest.json\"", "sha256"},
    {"short sha256", "sed -i '0,/\"sha256\": \"./s//\"sha256\": \"/' \"$D/v1/manifest.json\"", "no sha256"},
    {"a bit changed",
     "for f in \"$D\"/v1/mask-*; do printf x | dd of=\"$f\" bs=1 seek=9000 conv=notrunc 2>\"$D/dd\"; done", "sha256"},
    {"file cut", "truncate -s 5000 \"$D\"/v1/mask-*.safetensors", "5000 bytes, the manifest says"},
    {"file missing", "rm \"$D\"/v1/mask-*.safetensors", "No such file"},
    {"file not listed", "cp \"$D\"/v1/mask-*.safetensors \"$D/v1/new.safetensors\"", "not in the manifest"},
    {"name outside", "sed -i '0,/\"file\": \"/s//\"file\": \"..\\//' \"$D/v1/manifest.json\"", "plain file name"},
    {"flag without note", "sed -i 's/^  \"heads\": .*//' \"$D/v1/manifest.json\"", "a flag without a note: heads"},
    {"output not there", "sed -i '0,/\"final_state\",$/s//\"dgv2\",/' \"$D/v1/manifest.json\"", "dgv2 is missing"},
    {"other version", "sed -i 's/\"version\": 1/\"version\": 2/' \"$D/v1/manifest.json\"", "version"},
};

START_TEST(spoilt_set) {
    expect_good(shell(spoilt[_i].how, set));
    outcome o = shell("$GLASSBOX vectors verify \"$D/v1\"");
    ck_assert_msg(strstr(o.err, spoilt[_i].text) != NULL, "%s: %s%s", spoilt[_i].what, o.out, o.err);
    expect_one_line_error(o, spoilt[_i].what);
}
END_TEST

/* Neither is a shape of the command line. */
START_TEST(wrong_lines) {
    expect_one_line_error(shell("$GLASSBOX vectors"), "vectors");
    expect_one_line_error(shell("$GLASSBOX vectors verify"), "verify");
    expect_one_line_error(shell("$GLASSBOX vectors break \"$D/v1\""), "break");
    expect_one_line_error(shell("$GLASSBOX vectors make /dev/null/x"), "make");
    expect_one_line_error(shell("$GLASSBOX vectors verify a b"), "two folders");
}
END_TEST

/* ---- what it is for ---- */

static const char judge_all[] =
    "C=\"${GLASSBOX%%/*}\"/tests/compare/vector_consumer; bad=0; for f in %s/*.safetensors; do"
    " names=\"o final_state dq dk dv\"; case $f in *final-only*) names=\"final_state dk dv\";; esac;"
    " $GLASSBOX run \"$f\" -b %s -o \"$D/x.safetensors\" >/dev/null || exit 9;"
    " $C \"$f\" \"$D/x.safetensors\" %s $names >>\"$D/log\" || { [ $? = 1 ] || exit 8; bad=$((bad + 1)); };"
    " done; echo $bad; tail -n 1 \"$D/log\"";

/* A right kernel's outputs are within every budget; NaN-ridden and coarse ones are not. */
START_TEST(consumer_without_oracle) {
    outcome o = shell(judge_all, set, "--form recurrent --numbers binary32 --dtype F32", "f32");
    ck_assert_msg(o.status == 0 && atoi(o.out) == 0, "%s%s", o.out, o.err);
    done(o);
    o = shell(judge_all, set, "--form chunkwise --numbers mixed:bf16 --dtype F32", "f32");
    ck_assert_msg(o.status == 0 && atoi(o.out) > 20, "%s%s", o.out, o.err);
    done(o);
    o = shell(judge_all, set, "--form parallel-naive --numbers binary32 --dtype BF16", "chunk-bf16");
    ck_assert_msg(o.status == 0 && atoi(o.out) > 3, "%s%s", o.out, o.err);
    done(o);
}
END_TEST

/* The truth in a vector is an output as well: the program itself accepts it. */
START_TEST(truth_passes_check) {
    outcome o = shell("$GLASSBOX check %s --profile ideal", set);
    ck_assert_msg(o.status == 0 && strstr(o.out, "31 PASS"), "%d %s%s", o.status, o.out, o.err);
    done(o);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("vectors");
    TCase *c = tcase_create("set");
    tcase_set_timeout(c, 120);
    tcase_add_checked_fixture(c, make_folder, remove_folder);
    tcase_add_test(c, set_is_whole);
    tcase_add_test(c, set_is_regenerated_to_the_bit);
    tcase_add_test(c, set_is_small);
    tcase_add_test(c, manifest_follows_its_schema);
    tcase_add_test(c, consumer_without_oracle);
    tcase_add_test(c, truth_passes_check);
    suite_add_tcase(s, c);
    c = tcase_create("spoilt");
    tcase_set_timeout(c, 120);
    tcase_add_checked_fixture(c, make_small_set, remove_folder);
    tcase_add_loop_test(c, spoilt_set, 0, sizeof spoilt / sizeof spoilt[0]);
    tcase_add_test(c, wrong_lines);
    suite_add_tcase(s, c);
    return s;
}

int main(void) { return test_main(suite()); }
