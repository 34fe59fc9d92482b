/* SPDX-License-Identifier: Apache-2.0
 *
 * Tensor files on disk: one whole read, and a write that either happens completely or not at all.
 *
 * Reading takes the file into memory once; a map would be cheaper, but a file that shrinks under it
 * kills the process. Only regular files are read, so that a device or pipe cannot feed bytes for
 * ever. Writing goes to a new file beside the target, then fsync, then rename.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "parts.h"

static const off_t file_limit = (off_t)32 << 30;

/* ---- reading ---- */

static gla_status refuse(gla_error *err, const char *where, const char *what) {
    return gla_fail(err, GLA_IO_ERROR, "%s: %s", where, what);
}

/* size bytes from fd. A file that ends early has been cut while we read. */
static gla_status read_all(int fd, unsigned char *bytes, size_t size, const char *where, gla_error *err) {
    for (size_t done = 0; done < size;) {
        size_t step = size - done < ((size_t)1 << 30) ? size - done : (size_t)1 << 30;
        ssize_t n = read(fd, bytes + done, step);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return refuse(err, where, strerror(errno));
        if (n == 0) return refuse(err, where, "the file became shorter while it was read");
        done += (size_t)n;
    }
    return GLA_OK;
}

static gla_status read_open_file(int fd, const char *where, unsigned char **bytes, size_t *size, gla_error *err) {
    struct stat info;
    if (fstat(fd, &info)) return refuse(err, where, strerror(errno));
    if (S_ISDIR(info.st_mode)) return refuse(err, where, "is a directory, not a file");
    if (!S_ISREG(info.st_mode)) return refuse(err, where, "is not a regular file");
    if (info.st_size > file_limit)
        return gla_fail(err, GLA_BAD_FILE, "%s: %lld bytes, at most 32 GiB are read", where, (long long)info.st_size);
    *size = (size_t)info.st_size;
    *bytes = malloc(*size + 1);
    if (!*bytes) return gla_fail(err, GLA_NO_MEMORY, "%s: no memory for its %zu bytes", where, *size);
    return read_all(fd, *bytes, *size, where, err);
}

/* Not so for an unpacked npz, and after a failure. */
static bool points_into_bytes(const gla_tensor_file *file) {
    for (size_t i = 0; i < file->count; i++)
        if (!file->tensor[i].owned) return true;
    return false;
}

gla_status gla_tensors_read(const char *path, gla_tensor_file *out, gla_error *err) {
    *out = (gla_tensor_file){0};
    gla_shown_room shown;
    const char *where = gla_shown_path(shown, path);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe must not block */
    if (fd < 0) return refuse(err, where, strerror(errno));
    unsigned char *bytes = NULL;
    size_t size = 0;
    gla_status status = read_open_file(fd, where, &bytes, &size, err);
    close(fd);
    if (!status) status = gla_tensors_parse(bytes, size, path, out, err);
    if (points_into_bytes(out))
        out->bytes = bytes;
    else
        free(bytes);
    return status;
}

/* ---- writing ---- */

gla_status gla_write_all(int fd, const void *bytes, size_t size, const char *where, gla_error *err) {
    const char *at = bytes;
    while (size > 0) {
        ssize_t n = write(fd, at, size < ((size_t)1 << 30) ? size : (size_t)1 << 30);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return gla_fail(err, GLA_IO_ERROR, "%s: write: %s", where, strerror(errno));
        at += n;
        size -= (size_t)n;
    }
    return GLA_OK;
}

static bool has_suffix(const char *path, const char *suffix) {
    size_t n = strlen(path), m = strlen(suffix);
    return n >= m && strcmp(path + n - m, suffix) == 0;
}

/* A device or pipe: straight through, no rename. */
static gla_status write_stream(const char *path, const char *where, const gla_tensor_file *file, gla_error *err) {
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) return refuse(err, where, strerror(errno));
    gla_status status = gla_safetensors_write(fd, where, false, file, err);
    if (close(fd) && !status) status = refuse(err, where, strerror(errno));
    return status;
}

/* Fill `fresh` (which this call creates) and bring it to the disk. */
static gla_status write_fresh(const char *fresh, bool npz, const char *where, const gla_tensor_file *file,
                              gla_error *err) {
    int fd = open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0) return refuse(err, where, strerror(errno));
    gla_status status;
    if (npz) { /* the zip library writes by name, and by rename: look at its file again */
        close(fd);
        status = gla_npz_write(fresh, where, file, err);
        fd = status ? -1 : open(fresh, O_WRONLY | O_CLOEXEC);
        if (!status && fd < 0) status = refuse(err, where, strerror(errno));
    } else {
        status = gla_safetensors_write(fd, where, false, file, err);
    }
    if (!status && fsync(fd)) status = refuse(err, where, strerror(errno));
    if (fd >= 0 && close(fd) && !status) status = refuse(err, where, strerror(errno));
    return status;
}

/* Write through a fresh file named after the target (which, if a link, is already resolved). */
static gla_status write_and_rename(const char *target, bool npz, const char *where, const gla_tensor_file *file,
                                   gla_error *err) {
    char fresh[PATH_MAX];
    int n = snprintf(fresh, sizeof fresh, "%s.%ld.tmp", target, (long)getpid());
    if (n < 0 || (size_t)n >= sizeof fresh) return refuse(err, where, "the path is too long");
    unlink(fresh); /* left by a process of the same number that died */
    gla_status status = write_fresh(fresh, npz, where, file, err);
    if (!status && rename(fresh, target)) status = refuse(err, where, strerror(errno));
    if (status) unlink(fresh);
    return status;
}

gla_status gla_tensors_write(const char *path, const gla_tensor_file *file, gla_error *err) {
    gla_shown_room shown;
    const char *where = gla_shown_path(shown, path);
    struct stat info;
    bool exists = stat(path, &info) == 0;
    if (exists && S_ISDIR(info.st_mode)) return refuse(err, where, "is a directory, not a file");
    if (exists && !S_ISREG(info.st_mode)) return write_stream(path, where, file, err);
    bool npz = has_suffix(path, ".npz");
    if (!npz && !has_suffix(path, ".safetensors"))
        return gla_fail(err, GLA_UNSUPPORTED, "%s: the name must end in .safetensors or .npz", where);
    char *target = exists ? realpath(path, NULL) : NULL;
    if (exists && !target) return refuse(err, where, strerror(errno));
    gla_status status = write_and_rename(target ? target : path, npz, where, file, err);
    free(target);
    return status;
}
