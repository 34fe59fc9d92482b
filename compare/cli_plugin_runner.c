/* SPDX-License-Identifier: Apache-2.0
 *
 * glassbox --plugin-runner: the process in which a plug-in runs. The oracle starts it with the shared memory as file 3
 * and its standard output in a pipe (plugin_run.c). It forks once: the child is the worker that loads the plug-in, the
 * parent supervises. All that the plug-in starts becomes the supervisor's (it is a subreaper), so that after the end,
 * or when the time is up, nothing of it is left running.
 */
#include "cli_plugin.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "plugin_memory.h"

static gla_plugin_shared *map_shared(void) {
    struct stat info;
    if (fstat(GLA_PLUGIN_FD, &info) != 0 || info.st_size < (off_t)sizeof(gla_plugin_shared)) return NULL;
    gla_plugin_shared *shared = mmap(NULL, (size_t)info.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, GLA_PLUGIN_FD, 0);
    if (shared == MAP_FAILED) return NULL;
    return shared->magic == GLA_PLUGIN_MAGIC && shared->size == info.st_size ? shared : NULL;
}

static int64_t now_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Sleep until a child changes state, at most `ms`. SIGCHLD is blocked. */
static void wait_for_child(int64_t ms) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    struct timespec t = {ms / 1000, ms % 1000 * 1000000};
    sigtimedwait(&set, NULL, &t);
}

/* Its state, taken once it has ended; false: the time was up. */
static bool wait_for_worker(pid_t worker, int64_t timeout_ms, int *state) {
    pid_t pid;
    for (int64_t end = now_ms() + timeout_ms;;) {
        while ((pid = waitpid(-1, state, WNOHANG)) > 0)
            if (pid == worker) return true;
        int64_t left = end - now_ms();
        if (left <= 0) return false;
        wait_for_child(left < 1000 ? left : 1000);
    }
}

/* The parent of a process; 0 if it is not there or has ended already. */
static pid_t parent_of(const char *pid) {
    char path[300], text[512];
    snprintf(path, sizeof path, "/proc/%s/stat", pid);
    FILE *from = fopen(path, "r");
    if (!from) return 0;
    size_t length = fread(text, 1, sizeof text - 1, from);
    fclose(from);
    text[length] = 0;
    const char *after_name = strrchr(text, ')');
    int parent = 0;
    char state = 'Z';
    return after_name && sscanf(after_name + 1, " %c %d", &state, &parent) == 2 && state != 'Z' ? parent : 0;
}

/* SIGKILL to every child of this process; were there any? */
static bool kill_children(void) {
    DIR *processes = opendir("/proc");
    bool any = false;
    for (struct dirent *e; processes && (e = readdir(processes));) {
        pid_t pid = (pid_t)strtol(e->d_name, NULL, 10);
        if (pid > 0 && parent_of(e->d_name) == getpid() && kill(pid, SIGKILL) == 0) any = true;
    }
    if (processes) closedir(processes);
    return any;
}

/* Until no child is left; those of the killed come to this process. The bound is for a plug-in that starts them faster
 * than they are found. Were there any? */
static bool clear_away(void) {
    bool any = false;
    for (int round = 0; round < 2000; round++) {
        int state;
        while (waitpid(-1, &state, WNOHANG) > 0) continue;
        if (waitpid(-1, &state, WNOHANG) < 0 && errno == ECHILD) break;
        if (kill_children()) any = true;
        wait_for_child(2);
    }
    return any;
}

static void supervise(gla_plugin_shared *shared, pid_t worker) {
    gla_plugin_answer *a = &shared->answer;
    int state = 0;
    bool ended = wait_for_worker(worker, shared->request.timeout_ms, &state);
    if (!ended) {
        kill(worker, SIGKILL);
        waitpid(worker, &state, 0);
    }
    a->left_behind = clear_away();
    a->hung = !ended;
    a->signal = WIFSIGNALED(state) ? WTERMSIG(state) : 0;
    a->exit_status = WIFEXITED(state) ? WEXITSTATUS(state) : 0;
    a->ended = true;
}

int cli_plugin_runner(void) {
    gla_plugin_shared *shared = map_shared();
    if (!shared) return cli_complain("--plugin-runner", "not for the command line (glassbox check --plugin runs it)");
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    sigset_t set, before;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigprocmask(SIG_BLOCK, &set, &before);
    pid_t worker = fork();
    if (worker < 0) return cli_complain("--plugin-runner", "cannot fork: %s", strerror(errno));
    if (worker == 0) {
        setpgid(0, 0);
        sigprocmask(SIG_SETMASK, &before, NULL);
        cli_plugin_work(shared);
    }
    setpgid(worker, worker);
    supervise(shared, worker);
    return CLI_PASS;
}
