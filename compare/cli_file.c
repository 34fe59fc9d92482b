/* SPDX-License-Identifier: Apache-2.0
 *
 * Text files of the commands (cli.h): whole under their name, or not there at all.
 */
#include "cli.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

const char *cli_shape(const int64_t shape[4], cli_index_text text) {
    snprintf(text, sizeof(cli_index_text), "[%" PRId64 ",%" PRId64 ",%" PRId64 ",%" PRId64 "]", shape[0], shape[1],
             shape[2], shape[3]);
    return text;
}

static gla_status cannot_write(gla_error *err, const char *path) {
    return gla_fail(err, GLA_IO_ERROR, "%.200s: cannot write: %s", path, strerror(errno));
}

static void forget(cli_file *file) {
    free(file->path);
    free(file->temporary);
    *file = (cli_file){0};
}

/* A new file beside `path`, with the permissions that a plain fopen would give. */
static FILE *open_beside(const char *path, char **temporary) {
    if (asprintf(temporary, "%s.XXXXXX", path) < 0) {
        *temporary = NULL;
        return NULL;
    }
    int fd = mkstemp(*temporary);
    if (fd < 0) return NULL;
    mode_t mask = umask(0);
    umask(mask);
    FILE *to = fchmod(fd, 0666 & ~mask) == 0 ? fdopen(fd, "w") : NULL;
    if (!to) {
        close(fd);
        unlink(*temporary);
    }
    return to;
}

gla_status cli_file_open(const char *path, cli_file *file, gla_error *err) {
    struct stat there;
    *file = (cli_file){.path = strdup(path)};
    if (!file->path) return gla_fail(err, GLA_NO_MEMORY, "no memory");
    bool direct = stat(path, &there) == 0 && !S_ISREG(there.st_mode);
    file->to = direct ? fopen(path, "w") : open_beside(path, &file->temporary);
    if (file->to) return GLA_OK;
    gla_status status = cannot_write(err, path);
    forget(file);
    return status;
}

gla_status cli_file_close(cli_file *file, gla_error *err) {
    bool written = fflush(file->to) == 0 && !ferror(file->to) && (!file->temporary || fsync(fileno(file->to)) == 0);
    if (fclose(file->to) != 0) written = false;
    if (written && file->temporary) written = rename(file->temporary, file->path) == 0;
    gla_status status = written ? GLA_OK : cannot_write(err, file->path);
    if (!written && file->temporary) unlink(file->temporary);
    forget(file);
    return status;
}

void cli_file_abandon(cli_file *file) {
    if (file->to) fclose(file->to);
    if (file->temporary) unlink(file->temporary);
    forget(file);
}
