/* SPDX-License-Identifier: Apache-2.0
 *
 * The GPU kernels installed: library, header, pkg-config and CMake files land, the header stands alone in C and C++,
 * the installed program finds the library, and fast/cuda/example.c compiles and links against them. With a GPU it
 * prints what it should; without one it exits 77.
 */
#include <stdbool.h>

#include "../../../fast/cuda/host_run.h"
#include "../../compare/shell.h"

static bool gpu;

/* Where the CUDA toolkit is. */
#define CUDA "C=$(dirname $(dirname $(readlink -f $(command -v nvcc)))) && "
#define PACKAGE                                                                                                        \
    "export PKG_CONFIG_PATH=\"$D/opt/gb/lib/pkgconfig\" LD_LIBRARY_PATH=\"$D/opt/gb/lib:$LD_LIBRARY_PATH\"; "

static void install(void) {
    make_folder();
    expect_good(shell("env -u MAKEFLAGS -u MAKELEVEL make -s install BUILD=\"${GLASSBOX%%/*}\" PREFIX=/opt/gb "
                      "DESTDIR=\"$D\""));
}

START_TEST(test_files) {
    static const char *const files[] = {"lib/libglassbox_cuda.so", "lib/libglassbox_cuda.a",
                                        "lib/pkgconfig/glassbox-cuda.pc", "include/glassbox/fast/cuda/gla_cuda.h"};
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
        expect_good(shell("test -s \"$D/opt/gb/%s\"", files[i]));
    expect_good(shell("cd \"$D/opt/gb/include\" && for l in c c++; do echo '#include <glassbox/fast/cuda/gla_cuda.h>' |"
                      " cc -Wall -Wextra -Werror -pedantic -fsyntax-only -I. -x $l - || exit 1; done"));
}
END_TEST

static void expect_example(outcome o) {
    ck_assert_msg(o.status == (gpu ? 0 : 77), "%d %s%s", o.status, o.out, o.err);
    if (gpu) ck_assert_msg(strstr(o.out, "0x4304"), "%s", o.out);
    done(o);
}

START_TEST(test_example_by_pkg_config) {
    expect_example(shell(
        CUDA PACKAGE "cc -std=c11 -Wall -Wextra fast/cuda/example.c $(pkg-config --define-variable=prefix=\"$D/opt/gb\""
                     " --cflags --libs glassbox-cuda) -I$C/include -L$C/lib64 -lcudart -Wl,-rpath,$C/lib64 "
                     "-o \"$D/example\" && \"$D/example\""));
}
END_TEST

START_TEST(test_example_static) {
    expect_example(shell(CUDA PACKAGE
                         "cc -std=c11 fast/cuda/example.c $(pkg-config --define-variable=prefix=\"$D/opt/gb\" --cflags "
                         "glassbox-cuda) -I$C/include -L$C/lib64 \"$D/opt/gb/lib/libglassbox_cuda.a\" -lcudart_static "
                         "-lstdc++ -ldl -lrt -lpthread -lm -o \"$D/example\" && \"$D/example\""));
}
END_TEST

START_TEST(test_example_by_cmake) {
    if (system("command -v cmake >/dev/null") != 0) return;
    expect_example(shell(
        CUDA PACKAGE "cp fast/cuda/example.c \"$D\" && printf '%%s\\n' 'cmake_minimum_required(VERSION 3.10)' "
                     "'project(example C)' 'find_package(glassbox 0.1 REQUIRED)' 'add_executable(example example.c)' "
                     "\"target_include_directories(example PRIVATE $C/include)\" "
                     "\"target_link_libraries(example glassbox::cuda $C/lib64/libcudart.so)\" >\"$D/CMakeLists.txt\" "
                     "&& cmake -S \"$D\" -B \"$D/b\" -DCMAKE_PREFIX_PATH=\"$D/opt/gb\" >\"$D/log\" 2>&1 && "
                     "cmake --build \"$D/b\" >>\"$D/log\" 2>&1 || { cat \"$D/log\"; exit 1; }; \"$D/b/example\""));
}
END_TEST

/* The program in bin finds the library in lib. */
START_TEST(test_program_finds_the_library) {
    outcome o = shell("\"$D/opt/gb/bin/glassbox\" bench --gpu --rungs nothing");
    ck_assert_msg(o.status == 2 && strstr(o.err, "no rung 'nothing'"), "%d %s", o.status, o.err);
    done(o);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("fast/cuda/install");
    TCase *c = tcase_create("install");
    tcase_set_timeout(c, 300);
    tcase_add_checked_fixture(c, install, remove_folder);
    tcase_add_test(c, test_files);
    tcase_add_test(c, test_example_by_pkg_config);
    tcase_add_test(c, test_example_static);
    tcase_add_test(c, test_example_by_cmake);
    tcase_add_test(c, test_program_finds_the_library);
    suite_add_tcase(s, c);
    return s;
}

int main(void) {
    gla_host_why why;
    gpu = gla_cuda_host_device(why);
    if (!gpu) printf("skipped: running the example: %s\n", why);
    setenv("CK_FORK", "no", 1); /* a GPU's context does not survive fork */
    return test_main(suite());
}
