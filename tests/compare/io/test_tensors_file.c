/* SPDX-License-Identifier: Apache-2.0
 *
 * Tensor files and the operating system: what is not a regular file is not read; a failed write leaves nothing behind.
 */
#include <dirent.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "scratch.h"

START_TEST(only_regular_files_are_read) {
    gla_tensor_file file;
    gla_error err = {0};
    ck_assert_int_eq(mkfifo(scratch("pipe"), 0600), 0);
    spill(scratch("empty"), "", 0);
    spill(scratch("text"), "hello, world, this is text\n", 27);
    assert_refused(gla_tensors_read(scratch("absent"), &file, &err), &err, GLA_IO_ERROR, "No such file");
    assert_refused(gla_tensors_read(scratch_folder, &file, &err), &err, GLA_IO_ERROR, "directory");
    assert_refused(gla_tensors_read("/dev/zero", &file, &err), &err, GLA_IO_ERROR, "not a regular file");
    assert_refused(gla_tensors_read(scratch("pipe"), &file, &err), &err, GLA_IO_ERROR, "not a regular file");
    assert_refused(gla_tensors_read(scratch("empty"), &file, &err), &err, GLA_BAD_FILE, "empty");
    assert_refused(gla_tensors_read(scratch("text"), &file, &err), &err, GLA_BAD_FILE, "is it a safetensors");
    if (geteuid() != 0) { /* root reads everything */
        ck_assert_int_eq(chmod(scratch("text"), 0), 0);
        assert_refused(gla_tensors_read(scratch("text"), &file, &err), &err, GLA_IO_ERROR, "Permission");
    }
}
END_TEST

START_TEST(huge_sparse_files_are_refused) {
    gla_tensor_file file;
    gla_error err = {0};
    spill(scratch("huge"), "", 0);
    if (truncate(scratch("huge"), ((off_t)1 << 40)) != 0) return; /* a file system without sparse files */
    assert_refused(gla_tensors_read(scratch("huge"), &file, &err), &err, GLA_BAD_FILE, "32 GiB");
}
END_TEST

static int files_in_scratch(void) {
    DIR *folder = opendir(scratch_folder);
    int count = -2; /* . and .. */
    while (readdir(folder)) count++;
    closedir(folder);
    return count;
}

/* A write that fails leaves the old file, and nothing else. */
START_TEST(a_full_disk_leaves_no_trace) {
    gla_tensor_file old = {0}, big = {0}, back;
    gla_error err = {0};
    int64_t shape[] = {100000};
    double *value = calloc(100000, sizeof *value);
    ck_assert_int_eq(gla_tensors_add(&old, "old", GLA_F32, 1, (int64_t[]){10}, value, &err), GLA_OK);
    ck_assert_int_eq(gla_tensors_add(&big, "big", GLA_F64, 1, shape, value, &err), GLA_OK);
    const char *path = scratch(both_formats[_i]);
    ck_assert_int_eq(gla_tensors_write(path, &old, &err), GLA_OK);

    signal(SIGXFSZ, SIG_IGN); /* past the limit write() fails with EFBIG, as a full disk does with ENOSPC */
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &(struct rlimit){100000, RLIM_INFINITY}), 0);
    assert_refused(gla_tensors_write(path, &big, &err), &err, GLA_IO_ERROR, both_formats[_i]);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &(struct rlimit){RLIM_INFINITY, RLIM_INFINITY}), 0);

    ck_assert_int_eq(files_in_scratch(), 1);
    ck_assert_int_eq(gla_tensors_read(path, &back, &err), GLA_OK);
    ck_assert_ptr_nonnull(gla_tensors_find(&back, "old"));
    ck_assert_int_eq(gla_tensors_write(path, &big, &err), GLA_OK);
    ck_assert_int_eq(files_in_scratch(), 1);
    gla_tensors_free(&back);
    gla_tensors_free(&old);
    gla_tensors_free(&big);
    free(value);
}
END_TEST

START_TEST(writing_to_odd_places) {
    gla_tensor_file file = {0}, back;
    gla_error err = {0};
    double one = 1;
    assert_refused(gla_tensors_write(scratch("x.npz"), &file, &err), &err, GLA_BAD_FILE, "nothing to write");
    ck_assert_int_eq(gla_tensors_add(&file, "q", GLA_F32, 0, NULL, &one, &err), GLA_OK);
    assert_refused(gla_tensors_write(scratch("x.bin"), &file, &err), &err, GLA_UNSUPPORTED, ".safetensors or .npz");
    assert_refused(gla_tensors_write(scratch_folder, &file, &err), &err, GLA_IO_ERROR, "directory");
    assert_refused(gla_tensors_write(scratch("no/x.npz"), &file, &err), &err, GLA_IO_ERROR, "No such file");
    assert_refused(gla_tensors_write("/dev/full", &file, &err), &err, GLA_IO_ERROR, "No space left");
    ck_assert_int_eq(gla_tensors_write("/dev/null", &file, &err), GLA_OK);
    ck_assert_int_eq(files_in_scratch(), 0);

    spill(scratch("real.safetensors"), "old", 3); /* through a link: the link stays, its target changes */
    ck_assert_int_eq(symlink("real.safetensors", scratch("link.safetensors")), 0);
    ck_assert_int_eq(gla_tensors_write(scratch("link.safetensors"), &file, &err), GLA_OK);
    struct stat info;
    ck_assert_int_eq(lstat(scratch("link.safetensors"), &info), 0);
    ck_assert(S_ISLNK(info.st_mode));
    ck_assert_int_eq(gla_tensors_read(scratch("real.safetensors"), &back, &err), GLA_OK);
    gla_tensors_free(&back);

    gla_tensors_set_meta(&file, "bad", "\xff", &err);
    for (int i = 0; i < 2; i++)
        assert_refused(gla_tensors_write(scratch(both_formats[i]), &file, &err), &err, GLA_BAD_FILE, "UTF-8");
    ck_assert_int_eq(files_in_scratch(), 2);
    gla_tensors_free(&file);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("tensors_file");
    TCase *t = scratch_group(s, "operating system");
    tcase_add_test(t, only_regular_files_are_read);
    tcase_add_test(t, huge_sparse_files_are_refused);
    tcase_add_loop_test(t, a_full_disk_leaves_no_trace, 0, 2);
    tcase_add_test(t, writing_to_odd_places);
    return s;
}

int main(void) { return test_main(suite()); }
