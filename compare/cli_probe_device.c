/* SPDX-License-Identifier: Apache-2.0
 *
 * The device probe as a process (cli_probe_device.h). It lies in the folder of this program. Its complaints go to
 * stderr as they are, one line each; what it says of its progress only where stderr is a terminal.
 */
#include "cli_probe_device.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../fast/hardware/probe/instructions.h"

extern char **environ;

static bool beside_this_program(char *path, size_t size) {
    char self[4000];
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    if (length <= 0) return false;
    self[length] = 0;
    *strrchr(self, '/') = 0;
    snprintf(path, size, "%s/glassbox-probe", self);
    return access(path, X_OK) == 0;
}

/* The exit status, or -1. */
static int execute(char *program, char *folder) {
    posix_spawn_file_actions_t actions;
    char *argv[] = {program, folder, NULL};
    pid_t pid;
    int state;
    if (posix_spawn_file_actions_init(&actions) != 0) return -1;
    int failed = isatty(STDERR_FILENO)
                     ? posix_spawn_file_actions_adddup2(&actions, STDERR_FILENO, STDOUT_FILENO)
                     : posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    if (!failed) failed = posix_spawn(&pid, program, &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    if (failed) return -1;
    while (waitpid(pid, &state, 0) < 0)
        if (errno != EINTR) return -1;
    return WIFEXITED(state) ? WEXITSTATUS(state) : -1;
}

int cli_device_run(const char *command, cli_device_words *out) {
    char program[4096];
    const char *parent = getenv("TMPDIR");
    out->folder[0] = 0;
    if (!beside_this_program(program, sizeof program)) {
        cli_complain(command,
                     "no glassbox-probe beside this program (make builds it where nvcc is; or use --from DIR)");
        return CLI_SKIPPED;
    }
    snprintf(out->folder, sizeof out->folder, "%.4000s/glassbox-probe-XXXXXX", parent && parent[0] ? parent : "/tmp");
    if (!mkdtemp(out->folder)) {
        int status = cli_complain(command, "%.200s: %s", out->folder, strerror(errno));
        out->folder[0] = 0;
        return status;
    }
    int status = execute(program, out->folder);
    if (status == 0) return CLI_GO_ON;
    cli_device_clear(out);
    if (status == CLI_SKIPPED) return CLI_SKIPPED; /* it has said why */
    return cli_complain(command, "glassbox-probe failed");
}

void cli_device_clear(cli_device_words *words) {
    char path[4200];
    if (!words->folder[0]) return;
    for (const gla_probe_instruction *i = gla_probe_instructions; i->name; i++) {
        snprintf(path, sizeof path, "%s/%s.safetensors", words->folder, i->name);
        unlink(path);
    }
    rmdir(words->folder);
    words->folder[0] = 0;
}
