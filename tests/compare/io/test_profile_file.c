/* SPDX-License-Identifier: Apache-2.0
 *
 * Profiles as files: what is written is what is read, and every mistake is one line that names the file and the key.
 */
#include <math.h>
#include <string.h>

#include "../../../compare/io/profile_file.h"
#include "../../testing.h"
#include "scratch.h"

static gla_profile profile;
static gla_error err;

static gla_status read_text(const char *text) {
    spill(scratch("profile.json"), text, strlen(text));
    return gla_profile_read(scratch("profile.json"), &profile, &err);
}

START_TEST(test_the_example_is_what_it_says) {
    ck_assert_msg(gla_profile_find("data/profiles/chunk32-bf16.json", &profile, &err) == GLA_OK, "%s", err.what);
    const gla_profile *base = gla_profile_named("chunk-bf16");
    ck_assert_str_eq(profile.name, "chunk32-bf16");
    ck_assert_str_eq(profile.form, "chunkwise:32:16+anchor");
    ck_assert_str_eq(profile.also, "");
    ck_assert_double_eq(profile.model.site[GLA_SITE_STATE].u, 0x1p-8);
    ck_assert_double_eq(profile.model.exp.u, 0x1p-24);
    ck_assert_double_eq(profile.model.operand.u, base->model.operand.u); /* from "like" */
    ck_assert_double_eq(profile.model.exp_argument, base->model.exp_argument);
}
END_TEST

START_TEST(test_roundings) {
    ck_assert_msg(read_text("{\"name\": \"n\", \"form\": \"recurrent\", \"exp_argument\": 0.25,"
                            "\"op\": {\"format\": \"binary32\"}, \"operand\": {\"format\": \"tf32\", \"rounding\": "
                            "\"truncate\"}, \"sum\": {\"u\": 6.3e-7, \"p\": 24, \"rounding\": \"truncate\"},"
                            "\"sites\": {\"score\": {\"format\": \"f16\", \"tiny\": 0}, \"state\": null}}") == GLA_OK,
                  "%s", err.what);
    const gla_error_model *m = &profile.model;
    ck_assert(m->op.u == 0x1p-24 && m->op.p == 24 && !m->op.one_sided && m->op.tiny == 0x1p-150);
    ck_assert(m->operand.u == 0x1p-10 && m->operand.p == 11 && m->operand.one_sided);
    ck_assert(m->sum.u == 6.3e-7 && m->sum.p == 24 && m->sum.one_sided && m->sum.tiny == 0);
    ck_assert(m->site[GLA_SITE_SCORE].u == 0x1p-11 && m->site[GLA_SITE_SCORE].max == 65504);
    ck_assert(m->site[GLA_SITE_SCORE].tiny == 0 && m->site[GLA_SITE_STATE].u == 0);
    ck_assert(m->exp.u == 0 && m->exp_argument == 0.25); /* what is not named is exact */
}
END_TEST

START_TEST(test_names_and_paths) {
    ck_assert(gla_profile_find("f32", &profile, &err) == GLA_OK);
    ck_assert_str_eq(profile.form, gla_profile_named("f32")->form);
    ck_assert(gla_profile_find("f33", &profile, &err) == GLA_UNKNOWN_NAME);
    ck_assert(gla_profile_find("no-such.json", &profile, &err) == GLA_IO_ERROR);
    ck_assert(gla_profile_find("/no/such", &profile, &err) == GLA_IO_ERROR);
    ck_assert(gla_profile_find("data/", &profile, &err) != GLA_OK);
}
END_TEST

#define BEGIN "{\"name\": \"n\", \"form\": \"recurrent\", "
static const struct {
    const char *text, *says;
} bad[] = {
    {"", "not JSON at line 1"},
    {"[]", "not a JSON object"},
    {"{\"form\": \"recurrent\"}", "\"name\" is missing"},
    {"{\"like\": \"f32\"}", "\"name\" is missing"},
    {"{\"name\": \"n\"}", "\"form\" is missing"},
    {"{\"name\": 3}", "\"name\" is no string"},
    {"{\"name\": \"0123456789012345678901234567890123456789\"}", "\"name\" is too long"},
    {"{\"name\": \"n\", \"form\": \"sideways\"}", "\"form\" is no formulation"},
    {"{\"name\": \"n\", \"like\": \"f33\"}", "\"like\" names no built-in profile"},
    {BEGIN "\"also\": \"chunkwise:-1\"}", "\"also\" is no formulation"},
    {BEGIN "\"operands\": null}", "\"operands\" is no key"},
    {BEGIN "\"name\": \"m\"}", "not JSON"}, /* twice */
    {BEGIN "\"op\": 3}", "\"op\" is no rounding"},
    {BEGIN "\"op\": {}}", "\"op\" has neither"},
    {BEGIN "\"op\": {\"format\": \"bf17\"}}", "\"op\" has an unknown format"},
    {BEGIN "\"op\": {\"format\": 16}}", "\"op\" has a format that is no string"},
    {BEGIN "\"op\": {\"format\": \"bf16\", \"rounding\": \"up\"}}", "\"op\" rounds neither"},
    {BEGIN "\"op\": {\"format\": \"bf16\", \"mode\": 1}}", "\"op\" knows only"},
    {BEGIN "\"sum\": {\"u\": -1}}", "\"u\" is no number from 0 to 0.5"},
    {BEGIN "\"sum\": {\"u\": \"small\"}}", "\"u\" is no number"},
    {BEGIN "\"exp_argument\": 2}", "\"exp_argument\" is no number"},
    {BEGIN "\"sites\": []}", "\"sites\" is no object"},
    {BEGIN "\"sites\": {\"here\": null}}", "\"here\" is no rounding site"},
    {BEGIN "\"sites\": {\"score\": 1}}", "\"score\" is no rounding"},
};
enum { BAD = sizeof bad / sizeof *bad };

START_TEST(test_bad_files) {
    assert_refused(read_text(bad[_i].text), &err, GLA_BAD_FILE, bad[_i].says);
    ck_assert_ptr_nonnull(strstr(err.what, "profile.json"));
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("profile_file");
    TCase *t = scratch_group(s, "profile_file");
    tcase_add_test(t, test_the_example_is_what_it_says);
    tcase_add_test(t, test_roundings);
    tcase_add_test(t, test_names_and_paths);
    tcase_add_loop_test(t, test_bad_files, 0, BAD);
    return s;
}

int main(void) { return test_main(suite()); }
