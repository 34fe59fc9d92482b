/* SPDX-License-Identifier: Apache-2.0
 *
 * Starting the runner and reading what it prints, to the end (plugin_spawn.h). posix_spawn forks and executes in one
 * step, so that several threads may do it at once. The runner supervises and keeps the time; the deadline here is for a
 * runner that was itself stopped or killed.
 */
#include "plugin_spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { GRACE_MS = 10000 }; /* for killing and clearing away after the plug-in's own time */

gla_status gla_shared_new(const char *path, const gla_plugin_request *request, int64_t size, gla_plugin_shared **out,
                          int *fd, gla_error *err) {
    char whole[PATH_MAX];
    *out = NULL;
    if (!realpath(path, whole)) return gla_fail(err, GLA_IO_ERROR, "%.200s: %s", path, strerror(errno));
    *fd = memfd_create("glassbox", MFD_CLOEXEC);
    if (*fd < 0) return gla_fail(err, GLA_IO_ERROR, "no shared memory: %s", strerror(errno));
    void *at = MAP_FAILED;
    if (ftruncate(*fd, size) == 0) at = mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_SHARED, *fd, 0);
    if (at == MAP_FAILED) {
        close(*fd);
        return gla_fail(err, GLA_NO_MEMORY, "no shared memory of %lld bytes: %s", (long long)size, strerror(errno));
    }
    *out = at;
    (*out)->magic = GLA_PLUGIN_MAGIC;
    (*out)->size = size;
    (*out)->request = *request;
    memcpy((*out)->request.path, whole, sizeof whole);
    return GLA_OK;
}

void gla_shared_free(gla_plugin_shared *s, int64_t size, int fd) {
    munmap(s, (size_t)size);
    close(fd);
}

/* ---- what it prints ---- */

/* The line that is being read; a line feed after text ends it, the next text starts a new one. */
static void hear(gla_plugin_words *words, size_t *length, bool *ended, const char *text, ssize_t size) {
    words->count += size;
    for (ssize_t i = 0; i < size; i++) {
        if (text[i] == '\n' || text[i] == '\r') {
            *ended = *length > 0;
            continue;
        }
        if (*ended) *length = 0;
        *ended = false;
        if (*length >= sizeof words->last - 1) continue;
        words->last[(*length)++] = text[i] >= ' ' && text[i] < 127 ? text[i] : '?';
        words->last[*length] = 0;
    }
}

static int64_t now_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Until the end of the pipe, which is the supervisor's end; false: the deadline came first. */
static bool listen_to(int pipe, int64_t deadline, gla_plugin_words *words) {
    char text[4096];
    size_t length = 0;
    bool ended = false;
    for (;;) {
        int64_t left = deadline - now_ms();
        struct pollfd p = {.fd = pipe, .events = POLLIN};
        if (left <= 0) return false;
        if (poll(&p, 1, (int)(left < 1000 ? left : 1000)) <= 0) continue;
        ssize_t size = read(pipe, text, sizeof text);
        if (size == 0) return true;
        if (size > 0) hear(words, &length, &ended, text, size);
    }
}

/* ---- start and end ---- */

/* This environment, and an allocator that keeps no freed pieces back for its own use: what it calls in use is then what
 * the plug-in has not freed. NULL: no memory. */
static char **environment(void) {
    extern char **environ;
    static char exact[] = "GLIBC_TUNABLES=glibc.malloc.tcache_count=0:glibc.malloc.mxfast=0";
    size_t count = 0;
    while (environ[count]) count++;
    char **to = malloc((count + 2) * sizeof *to);
    if (!to) return NULL;
    memcpy(to, environ, count * sizeof *to);
    to[count] = getenv("GLIBC_TUNABLES") ? NULL : exact;
    to[count + 1] = NULL;
    return to;
}

static int start(const char *runner, char **variables, int fd, int to, pid_t *pid) {
    char *argv[] = {"glassbox", "--plugin-runner", NULL};
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    int failed = posix_spawn_file_actions_init(&actions);
    if (failed) return failed;
    failed = posix_spawnattr_init(&attributes);
    if (failed) {
        posix_spawn_file_actions_destroy(&actions);
        return failed;
    }
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    failed = posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    if (!failed) failed = posix_spawn_file_actions_adddup2(&actions, to, 1);
    if (!failed) failed = posix_spawn_file_actions_adddup2(&actions, to, 2);
    if (!failed) failed = posix_spawn_file_actions_adddup2(&actions, fd, GLA_PLUGIN_FD);
    if (!failed) failed = posix_spawn(pid, runner ? runner : "/proc/self/exe", &actions, &attributes, argv, variables);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return failed;
}

/* The three that dup2 will overwrite must not be among them. */
static int above_standard(int fd) {
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, 16);
    close(fd);
    return copy;
}

static gla_status cannot(gla_error *err, int code) {
    return gla_fail(err, GLA_IO_ERROR, "cannot start the process of a plug-in: %s", strerror(code));
}

gla_status gla_plugin_spawn(const char *runner, gla_plugin_shared *s, int fd, gla_plugin_words *words, gla_error *err) {
    int ends[2];
    pid_t pid;
    *words = (gla_plugin_words){0};
    if (pipe2(ends, O_CLOEXEC) != 0) return cannot(err, errno);
    int from = above_standard(ends[0]), to = above_standard(ends[1]), memory = fcntl(fd, F_DUPFD_CLOEXEC, 16);
    char **variables = environment();
    int failed = from < 0 || to < 0 || memory < 0 ? EMFILE : ENOMEM;
    if (failed == ENOMEM && variables) failed = start(runner, variables, memory, to, &pid);
    free(variables);
    if (to >= 0) close(to);
    if (memory >= 0) close(memory);
    if (failed) {
        if (from >= 0) close(from);
        return cannot(err, failed);
    }
    int64_t deadline = now_ms() + s->request.timeout_ms + GRACE_MS;
    if (!listen_to(from, deadline, words)) kill(pid, SIGKILL);
    close(from);
    int state;
    while (waitpid(pid, &state, 0) < 0 && errno == EINTR) continue;
    return GLA_OK;
}
