/* SPDX-License-Identifier: Apache-2.0
 *
 * The registry: names that open, names that are refused; and the filling of errors (status.c).
 */
#include "tests/reference/number/numbers_testing.h"

START_TEST(names_open) {
    static const char *const names[] = {"binary64",
                                        "binary32",
                                        "mpfr:2",
                                        "mpfr:256",
                                        "interval:128",
                                        "dual:256",
                                        "counter",
                                        "bf16",
                                        "f16",
                                        "tf32",
                                        "e4m3",
                                        "e5m2",
                                        "bf16/rn",
                                        "bf16/rz",
                                        "f16/ru",
                                        "tf32/rd",
                                        "e4m3/ra",
                                        "e5m2/ro",
                                        "bf16/sr:0",
                                        "bf16/sr:18446744073709551615",
                                        "format:1:0:0",
                                        "format:53:-1022:1023",
                                        "format:8:-126:127/rz",
                                        "format:5:-3:4/sr:12",
                                        "recorder:binary64",
                                        "recorder:mpfr:256",
                                        "recorder:bf16/sr:1"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        gla_numbers *n = opened(names[i]);
        ck_assert(result_of(n, ADD, 1, -1, 0) == 0);
        gla_numbers_close(n);
    }
    gla_numbers_close(NULL);
}
END_TEST

START_TEST(names_refused) {
    static const char *const names[] = {"",
                                        " ",
                                        "mpfr",
                                        "mpfr:",
                                        "mpfr:0",
                                        "mpfr:1",
                                        "mpfr:-5",
                                        "mpfr:256 ",
                                        "mpfr: 256",
                                        "mpfr:+256",
                                        "mpfr:25x",
                                        "mpfr:99999999999999999999999",
                                        "mpfr:4294967552",
                                        "interval:0",
                                        "dual:",
                                        "bf16/xx",
                                        "bf16/",
                                        "bf16/rnn",
                                        "bf16/sr",
                                        "bf16/sr:",
                                        "bf16/sr:-1",
                                        "bf16/sr:18446744073709551616",
                                        "bf16/sr:1/rz",
                                        "bf166",
                                        "Bf16",
                                        "binary64/rz",
                                        "binary128",
                                        "format:99:0:1",
                                        "format:0:0:1",
                                        "format:8:4:3",
                                        "format:8:-1023:1",
                                        "format:8:-1:1024",
                                        "format:8:-1",
                                        "format:8:-1:1:",
                                        "format",
                                        "counter:",
                                        "recorder",
                                        "recorder:",
                                        "recorder:nothing",
                                        "recorder:recorder:binary64",
                                        "error",
                                        "mpfr:256/rz",
                                        "format:8:-126:127/sr:0000000000000000000000000000000000000000000000000001"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        gla_numbers *n = (gla_numbers *)&names;
        gla_error err;
        ck_assert_msg(gla_numbers_open(names[i], &n, &err) == GLA_UNKNOWN_NAME, "'%s' opened", names[i]);
        ck_assert_ptr_null(n);
        ck_assert_int_eq(err.status, GLA_UNKNOWN_NAME);
        ck_assert_ptr_nonnull(strstr(err.what, "format:p:emin:emax"));
        ck_assert_ptr_nonnull(strstr(err.what, "/sr:SEED"));
        ck_assert_int_eq(gla_numbers_open(names[i], &n, NULL), GLA_UNKNOWN_NAME);
    }
}
END_TEST

/* A family from outside: asked after the systems with plain names, also inside a recorder, and named in errors. */
static bool open_fourteen(const char *name, gla_numbers **out) {
    if (strcmp(name, "binary64") == 0) ck_abort_msg("asked for a name of the reference's own");
    if (strcmp(name, "fourteen") != 0) return false;
    *out = gla_mpfr_open(14);
    return true;
}

static bool open_without_memory(const char *name, gla_numbers **out) {
    *out = NULL;
    return strcmp(name, "large") == 0;
}

START_TEST(a_family_adds_names) {
    static const gla_choice systems[] = {{"fourteen", "14 bits"}, {NULL, NULL}};
    static const gla_number_family family = {open_fourteen, systems}, poor = {open_without_memory, systems};
    static const char *const names[] = {"fourteen", "recorder:fourteen", "binary64", "bf16/rz"};
    gla_numbers *n;
    gla_error err;
    for (size_t i = 0; i < 4; i++) {
        ck_assert_msg(gla_numbers_open_with(names[i], &family, &n, &err) == GLA_OK, "%s: %s", names[i], err.what);
        ck_assert_str_eq(n->name, names[i]);
        gla_numbers_close(n);
    }
    ck_assert_int_eq(gla_numbers_open_with("fifteen", &family, &n, &err), GLA_UNKNOWN_NAME);
    ck_assert_ptr_nonnull(strstr(err.what, "there are fourteen binary64"));
    ck_assert_int_eq(gla_numbers_open("fourteen", &n, &err), GLA_UNKNOWN_NAME);
    ck_assert_ptr_null(strstr(err.what, "there are fourteen"));
    ck_assert_int_eq(gla_numbers_open_with("large", &poor, &n, &err), GLA_NO_MEMORY);
    ck_assert_int_eq(gla_numbers_open_with("recorder:large", &poor, &n, &err), GLA_NO_MEMORY);
    ck_assert_ptr_null(n);
}
END_TEST

START_TEST(site_names_are_all_there) {
    for (int i = 0; i < GLA_SITES; i++)
        for (int j = 0; j < i; j++) ck_assert_str_ne(gla_site_names[i], gla_site_names[j]);
}
END_TEST

START_TEST(errors_are_kept) {
    gla_error err;
    ck_assert_int_eq(gla_fail(&err, GLA_BAD_SHAPE, "q has %d rows", 3), GLA_BAD_SHAPE);
    ck_assert_int_eq(err.status, GLA_BAD_SHAPE);
    ck_assert_str_eq(err.what, "q has 3 rows");
    ck_assert_str_eq(err.hint, "");
    ck_assert_int_eq(gla_hint(&err, GLA_BAD_SHAPE, "try %d", 4), GLA_BAD_SHAPE);
    ck_assert_str_eq(err.hint, "try 4");
    ck_assert_int_eq(gla_fail(NULL, GLA_IO_ERROR, "nobody listens"), GLA_IO_ERROR);
    ck_assert_int_eq(gla_hint(NULL, GLA_IO_ERROR, "nobody listens"), GLA_IO_ERROR);
    for (int s = GLA_OK; s <= GLA_IO_ERROR; s++) ck_assert_str_ne(gla_status_text((gla_status)s), "unknown status");
    ck_assert_str_eq(gla_status_text((gla_status)99), "unknown status");
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("numbers");
    TCase *all = tcase_create("all");
    tcase_set_timeout(all, 60);
    tcase_add_test(all, names_open);
    tcase_add_test(all, names_refused);
    tcase_add_test(all, a_family_adds_names);
    tcase_add_test(all, site_names_are_all_there);
    tcase_add_test(all, errors_are_kept);
    suite_add_tcase(s, all);
    return s;
}

int main(void) { return test_main(suite()); }
