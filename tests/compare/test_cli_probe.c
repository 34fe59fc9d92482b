/* SPDX-License-Identifier: Apache-2.0
 *
 * glassbox probe from outside: recorded words, a device probe that is a script, and none.
 */
#include "shell.h"

#define WORDS "data/hardware/mma/mma.m8n8k4.f64.rp.npz"
#define NAME "mma.m8n8k4.f64.rp"

/* A folder with the words of one instruction. */
static void one_instruction(void) {
    make_folder();
    expect_good(shell("mkdir \"$D/words\" && cp " WORDS " \"$D/words\""));
}

START_TEST(recorded_words_pass) {
    one_instruction();
    outcome o = shell("$GLASSBOX probe --from \"$D/words\" -o \"$D/cut\" --keep 5");
    ck_assert_msg(o.status == 0, "%s%s", o.out, o.err);
    ck_assert_str_eq(o.err, "");
    ck_assert_msg(strstr(o.out, "NVIDIA H200 (sm_90)") && strstr(o.out, NAME), "%s", o.out);
    ck_assert_ptr_null(strstr(o.out, "not claimed"));
    done(o);
    o = shell("$GLASSBOX probe --from \"$D/cut\" && test $(stat -c %%s \"$D/cut/" NAME ".npz\") -lt 20000");
    ck_assert_msg(o.status == 0, "%s%s", o.out, o.err);
    done(o);
    remove_folder();
}
END_TEST

/* The word at `offset` bytes into the words of a class is turned. */
static outcome probe_turned(const char *tensor, int offset) {
    expect_good(shell("cd \"$D/words\" && rm -rf x && mkdir x && cd x && python3 -c 'import zipfile as z\n"
                      "f = z.ZipFile(\"../" NAME ".npz\"); g = z.ZipFile(\"../" NAME ".new\", \"w\")\n"
                      "for n in f.namelist():\n"
                      "    b = bytearray(f.read(n))\n"
                      "    if n == \"%s.npy\": b[128 + %d] ^= 1\n"
                      "    g.writestr(n, bytes(b))\n"
                      "g.close()' && cd .. && rm -r x && mv " NAME ".new " NAME ".npz",
                      tensor, offset));
    return shell("$GLASSBOX probe --from \"$D/words\"");
}

START_TEST(a_wrong_word_is_told) {
    if (system("command -v python3 >/dev/null") != 0) {
        puts("skipped: no python3 to change a file with");
        return;
    }
    one_instruction();
    outcome o = probe_turned("window.words", 8 * 41);
    ck_assert_int_eq(o.status, 1);
    ck_assert_msg(strstr(o.out, "class window, result 41: device ") && strstr(o.out, ", model "), "%s", o.out);
    ck_assert_ptr_nonnull(strstr(o.out, "bit-exactness is not claimed"));
    done(o);
    remove_folder();
    one_instruction();
    o = probe_turned("bits.check", 8 * 64);
    ck_assert_int_eq(o.status, 1);
    ck_assert_msg(strstr(o.out, "class bits: some of the results from 262144 on"), "%s", o.out);
    done(o);
    remove_folder();
}
END_TEST

START_TEST(bad_folders_are_refused) {
    one_instruction();
    expect_one_line_error(shell("$GLASSBOX probe --from \"$D/none\""), "no folder");
    expect_one_line_error(shell("$GLASSBOX probe --from \"$D\""), "no words");
    expect_one_line_error(shell("$GLASSBOX probe --from \"$D/words\" --keep -1"), "--keep -1");
    expect_one_line_error(shell("$GLASSBOX probe --from \"$D/words\" -o /proc/none"), "no place for the words");
    expect_good(shell("cp data/hardware/mma/mma.m8n8k4.f64.rz.npz \"$D/words/" NAME ".npz\""));
    expect_good(shell("cp data/hardware/mufu_rcp.npz \"$D/words/mma.m8n8k4.f64.rz.npz\""));
    expect_one_line_error(shell("$GLASSBOX probe --from \"$D/words\""), "another file");
    remove_folder();
}
END_TEST

/* A copy of the program, and beside it a script in the device probe's place. */
static outcome probe_beside(const char *script) {
    expect_good(shell("cp \"$GLASSBOX\" \"$D/glassbox\""));
    if (script)
        expect_good(shell("printf '#!/bin/sh\\n%s\\n' >\"$D/glassbox-probe\"; chmod +x \"$D/glassbox-probe\"", script));
    return shell("mkdir \"$D/tmp\"; TMPDIR=\"$D/tmp\" \"$D/glassbox\" probe; s=$?; rmdir \"$D/tmp\" || s=9; exit $s");
}

START_TEST(without_a_device) {
    make_folder();
    outcome o = probe_beside(NULL);
    ck_assert_int_eq(o.status, 77);
    ck_assert_msg(lines_in(o.err) == 1 && strstr(o.err, "no glassbox-probe"), "%s", o.err);
    ck_assert_str_eq(o.out, "");
    done(o);
    o = probe_beside("echo glassbox-probe: no GPU >&2; exit 77");
    ck_assert_int_eq(o.status, 77);
    ck_assert_str_eq(o.err, "glassbox-probe: no GPU\n");
    ck_assert_str_eq(o.out, "");
    done(o);
    o = probe_beside("exit 2");
    ck_assert_int_eq(o.status, 2);
    ck_assert_msg(strstr(o.err, "glassbox-probe failed"), "%s", o.err);
    done(o);
    remove_folder();
}
END_TEST

/* The "device" returns the recorded words. */
START_TEST(with_a_device) {
    make_folder();
    outcome o = probe_beside("echo running; cp " WORDS " \"$1/" NAME ".safetensors\"");
    ck_assert_msg(o.status == 0, "%d %s%s", o.status, o.out, o.err);
    ck_assert_str_eq(o.err, "");
    ck_assert_msg(strstr(o.out, NAME) && !strstr(o.out, "running"), "%s", o.out);
    done(o);
    remove_folder();
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("cli_probe");
    TCase *c = tcase_create("probe");
    tcase_set_timeout(c, 60);
    tcase_add_test(c, recorded_words_pass);
    tcase_add_test(c, a_wrong_word_is_told);
    tcase_add_test(c, bad_folders_are_refused);
    tcase_add_test(c, without_a_device);
    tcase_add_test(c, with_a_device);
    suite_add_tcase(s, c);
    return s;
}

int main(void) { return test_main(suite()); }
