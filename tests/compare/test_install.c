/* SPDX-License-Identifier: Apache-2.0
 *
 * make install into a folder of its own: everything lands, every header stands alone, and programs compile and link
 * against what was installed, by pkg-config and by CMake (where there is one). The man page names every command.
 */
#include "shell.h"

#include <stdbool.h>

#if defined(__SANITIZE_ADDRESS__)
enum { SANITIZED = 1 }; /* the libraries then need more than what is installed says, and nvcc cannot link the probe */
#define WITHOUT_PROBE "PROBE_PROGRAM="
#else
enum { SANITIZED = 0 };
#define WITHOUT_PROBE ""
#endif

static void install(void) {
    make_folder();
    outcome o = shell("env -u MAKEFLAGS -u MAKELEVEL make -s install BUILD=\"${GLASSBOX%%/*}\" PREFIX=/opt/gb "
                      "DESTDIR=\"$D\" " WITHOUT_PROBE);
    ck_assert_msg(o.status == 0, "%.1000s%.3000s", o.out, o.err);
    done(o);
}

START_TEST(everything_lands) {
    static const char *const files[] = {"bin/glassbox",
                                        "lib/libglassbox.a",
                                        "lib/libglassbox_files.a",
                                        "lib/pkgconfig/glassbox.pc",
                                        "lib/cmake/glassbox/glassboxConfig.cmake",
                                        "lib/cmake/glassbox/glassboxConfigVersion.cmake",
                                        "share/man/man1/glassbox.1",
                                        "include/glassbox/reference/glassbox.h",
                                        "include/glassbox/compare/judge.h",
                                        "include/glassbox/compare/io/stream.h"};
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
        expect_good(shell("test -s \"$D/opt/gb/%s\"", files[i]));
    static const char *const internal[] = {"hardware_name.h", "tensor_core_block.h", "mufu_unit.h", "cli.h"};
    for (size_t i = 0; i < sizeof internal / sizeof internal[0]; i++)
        expect_good(shell("test -z \"$(find \"$D\" -name %s)\"", internal[i]));
    outcome o = shell("grep -rl '@[A-Z_]*@' \"$D/opt/gb/lib/pkgconfig\" \"$D/opt/gb/lib/cmake\" \"$D/opt/gb/share\"");
    ck_assert_msg(o.out[0] == 0, "not filled in: %s", o.out);
    done(o);
    o = shell("\"$D/opt/gb/bin/glassbox\" --version; grep '^Version' \"$D/opt/gb/lib/pkgconfig/glassbox.pc\"");
    char program_version[32], package_version[32];
    ck_assert_int_eq(sscanf(o.out, "glassbox %31s Version: %31s", program_version, package_version), 2);
    ck_assert_str_eq(program_version, package_version);
    done(o);
}
END_TEST

/* No header needs one that is not installed, nor one before it. */
START_TEST(headers_stand_alone) {
    outcome o = shell("cd \"$D/opt/gb/include\" && for h in $(find glassbox -name '*.h'); do"
                      " echo \"#include <$h>\" | cc -std=c11 -D_GNU_SOURCE -Wall -Wextra -Wno-unused-parameter "
                      "-fsyntax-only -I. -x c - || exit 1; done");
    ck_assert_msg(o.status == 0 && o.err[0] == 0, "%s%s", o.out, o.err);
    done(o);
}
END_TEST

static const char sample[] = "#include <glassbox/reference/glassbox.h>\n"
                             "#include <glassbox/compare/io/case.h>\n"
                             "#include <stdio.h>\n"
                             "int main(int argc, char **argv) {\n"
                             "    gla_case c;\n"
                             "    gla_error err;\n"
                             "    gla_form form;\n"
                             "    gla_numbers *numbers;\n"
                             "    gla_result r;\n"
                             "    if (argc < 2 || gla_case_load(argv[1], NULL, &c, &err)) return 1;\n"
                             "    gla_form_parse(\"recurrent\", &form, NULL);\n"
                             "    gla_numbers_open(\"mpfr:100\", &numbers, NULL);\n"
                             "    if (gla_run(&c.problem, &form, numbers, &r, &err)) return 1;\n"
                             "    printf(\"%.17g\\n\", gla_result_d(&r, GLA_O, 0));\n"
                             "    gla_result_free(&r);\n"
                             "    gla_numbers_close(numbers);\n"
                             "    gla_case_free(&c);\n"
                             "    return 0;\n"
                             "}\n";

static void write_file(const char *leaf, const char *text) {
    char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, leaf);
    FILE *to = fopen(path, "w");
    ck_assert(to && fputs(text, to) >= 0 && fclose(to) == 0);
}

static void expect_number(outcome o) {
    double o0;
    ck_assert_msg(o.status == 0 && sscanf(o.out, "%lf", &o0) == 1, "%d %s%s", o.status, o.out, o.err);
    done(o);
}

START_TEST(program_by_pkg_config) {
    if (SANITIZED) return;
    write_file("my.c", sample);
    make_case();
    expect_number(shell("export PKG_CONFIG_PATH=\"$D/opt/gb/lib/pkgconfig\";"
                        " F=$(pkg-config --define-variable=prefix=\"$D/opt/gb\" --cflags --libs glassbox) &&"
                        " cc -std=c11 \"$D/my.c\" $F -o \"$D/my\" && \"$D/my\" \"$D/case.safetensors\""));
}
END_TEST

START_TEST(program_by_cmake) {
    if (SANITIZED || system("command -v cmake >/dev/null") != 0) return;
    write_file("my.c", sample);
    write_file("CMakeLists.txt", "cmake_minimum_required(VERSION 3.10)\nproject(my C)\n"
                                 "find_package(glassbox 0.1 REQUIRED)\nadd_executable(my my.c)\n"
                                 "target_link_libraries(my glassbox::files)\n");
    make_case();
    expect_number(
        shell("cmake -S \"$D\" -B \"$D/b\" -DCMAKE_PREFIX_PATH=\"$D/opt/gb\" >\"$D/log\" 2>&1 &&"
              " cmake --build \"$D/b\" >>\"$D/log\" 2>&1 && \"$D/b/my\" \"$D/case.safetensors\" || cat \"$D/log\""));
    write_file("CMakeLists.txt",
               "cmake_minimum_required(VERSION 3.10)\nproject(my C)\nfind_package(glassbox 0.2 REQUIRED)\n");
    outcome o = shell("cmake -S \"$D\" -B \"$D/c\" -DCMAKE_PREFIX_PATH=\"$D/opt/gb\"");
    ck_assert_msg(o.status != 0 && strstr(o.err, "glassbox"), "another series was accepted: %s", o.err);
    done(o);
}
END_TEST

START_TEST(man_page_names_every_command) {
    char *page = read_all("compare/package/glassbox.1.in");
    outcome o = shell("$GLASSBOX --help | sed -n '/^Commands/,/^$/s/^  \\([a-z]*\\) .*/\\1/p'");
    for (char *name = strtok(o.out, "\n"); name; name = strtok(NULL, "\n")) {
        char plain[64], with[64], quoted[64];
        snprintf(plain, sizeof plain, "\n.B %s", name);
        snprintf(with, sizeof with, "\n.BI %s ", name);
        snprintf(quoted, sizeof quoted, "\n.BI \"%s", name);
        ck_assert_msg(strstr(page, plain) || strstr(page, with) || strstr(page, quoted), "%s is not in the man page",
                      name);
    }
    done(o);
    free(page);
    if (system("command -v man >/dev/null") != 0) return;
    o = shell("MANWIDTH=100 man --warnings -l compare/package/glassbox.1.in 2>&1 >/dev/null");
    ck_assert_msg(o.out[0] == 0, "%s", o.out);
    done(o);
}
END_TEST

/* Each command has a page that says what its --help says: the same bytes where help2man is, at least every option
 * elsewhere. */
START_TEST(man_pages_are_current) {
    outcome o = shell("command -v help2man >/dev/null");
    bool generated = o.status == 0;
    done(o);
    if (generated)
        o = shell("compare/package/make_man $GLASSBOX \"$D/man\" && diff -r compare/package/man \"$D/man\"");
    else
        o = shell("$GLASSBOX --help | sed -n '/^Commands/,/^$/s/^  \\([a-z]*\\) .*/\\1/p' | while read -r c; do"
                  " for w in $($GLASSBOX $c --help | grep -o '^ .*--[a-z-]*' | grep -o '[a-zA-Z-]*$'); do"
                  " sed 's/\\\\-/-/g' compare/package/man/glassbox-$c.1.in | grep -q -e \"$w\" || echo $c $w;"
                  " done; done");
    ck_assert_msg(o.status == 0 && !o.out[0], "run `make man`: %.2000s%s", o.out, o.err);
    done(o);
    if (system("command -v man >/dev/null") != 0) return;
    o = shell("for f in compare/package/man/*; do MANWIDTH=100 man --warnings -l $f 2>&1 >/dev/null; done");
    ck_assert_msg(o.out[0] == 0, "%s", o.out);
    done(o);
}
END_TEST

/* A command, a page: glassbox-check.1 and so on, filled in. */
START_TEST(man_pages_land) {
    outcome o = shell("$GLASSBOX --help | sed -n '/^Commands/,/^$/s/^  \\([a-z]*\\) .*/\\1/p' | while read -r c; do"
                      " grep -q '^.TH GLASSBOX-.*\"glassbox [0-9.]*\" ' \"$D/opt/gb/share/man/man1/glassbox-$c.1\""
                      " && echo ok || echo no page for $c; done");
    ck_assert_msg(!strstr(o.out, "no page") && strstr(o.out, "ok") && !o.err[0], "%s%s", o.out, o.err);
    done(o);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("install");
    TCase *c = tcase_create("install");
    tcase_set_timeout(c, 120);
    tcase_add_checked_fixture(c, install, remove_folder);
    tcase_add_test(c, everything_lands);
    tcase_add_test(c, man_pages_land);
    tcase_add_test(c, headers_stand_alone);
    tcase_add_test(c, program_by_pkg_config);
    tcase_add_test(c, program_by_cmake);
    suite_add_tcase(s, c);
    c = tcase_create("manual");
    tcase_set_timeout(c, 60);
    tcase_add_checked_fixture(c, make_folder, remove_folder);
    tcase_add_test(c, man_page_names_every_command);
    tcase_add_test(c, man_pages_are_current);
    suite_add_tcase(s, c);
    return s;
}

int main(void) { return test_main(suite()); }
