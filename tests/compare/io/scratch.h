/* SPDX-License-Identifier: Apache-2.0
 *
 * What the file suites share: a folder of their own, whole files as bytes, a small generator, and the check that a
 * call fails with a given status and a message that names the right thing on one line.
 */
#ifndef GLASSBOX_TEST_SCRATCH_H
#define GLASSBOX_TEST_SCRATCH_H

#include <string.h>
#include <unistd.h>

#include "compare/io/tensors.h"
#include "tests/testing.h"

/* ck_assert on a failure: the status, `needle` in what or hint, one line, nothing left in the file. */
static inline void assert_refused(gla_status got, const gla_error *err, gla_status wanted, const char *needle) {
    ck_assert_msg(got == wanted, "status %d instead of %d: %s", got, wanted, got ? err->what : "accepted");
    ck_assert_msg(strstr(err->what, needle) || strstr(err->hint, needle), "'%s' is not in: %s (%s)", needle, err->what,
                  err->hint);
    for (const char *c = err->what; *c; c++) ck_assert_msg((unsigned char)*c >= 0x20, "control character in a message");
}

static char scratch_folder[64];

/* Path of a name in the suite's folder; a few are valid at a time. */
static inline const char *scratch(const char *name) {
    static char path[4][160];
    static int turn;
    turn = (turn + 1) % 4;
    snprintf(path[turn], sizeof path[turn], "%s/%s", scratch_folder, name);
    return path[turn];
}

static inline void scratch_open(void) {
    strcpy(scratch_folder, "/tmp/glassbox_XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(scratch_folder));
}

static inline void scratch_close(void) {
    char command[100];
    snprintf(command, sizeof command, "rm -rf %s", scratch_folder);
    ck_assert_int_eq(system(command), 0);
}

/* A whole file; the caller frees. */
static inline unsigned char *slurp(const char *path, size_t *size) {
    FILE *f = fopen(path, "rb");
    ck_assert_msg(f, "%s cannot be opened", path);
    fseek(f, 0, SEEK_END);
    *size = (size_t)ftell(f);
    rewind(f);
    unsigned char *bytes = malloc(*size + 1);
    ck_assert_uint_eq(fread(bytes, 1, *size, f), *size);
    fclose(f);
    return bytes;
}

static inline void spill(const char *path, const void *bytes, size_t size) {
    FILE *f = fopen(path, "wb");
    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(bytes, 1, size, f), size);
    fclose(f);
}

static const char *const both_formats[] = {"x.safetensors", "x.npz"};

/* A test case in which every test has its own folder. */
static inline TCase *scratch_group(Suite *s, const char *name) {
    TCase *t = tcase_create(name);
    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, scratch_open, scratch_close);
    suite_add_tcase(s, t);
    return t;
}

/* splitmix64. */
static inline uint64_t next_word(uint64_t *state) {
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

#endif
