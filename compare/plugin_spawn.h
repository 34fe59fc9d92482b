/* SPDX-License-Identifier: Apache-2.0
 *
 * The process of a plug-in: its shared memory, its start, its end.
 */
#ifndef GLASSBOX_PLUGIN_SPAWN_H
#define GLASSBOX_PLUGIN_SPAWN_H

#include "plugin_memory.h"

/* Shared memory of `size` bytes with this request for the plug-in at `path`. Errors: GLA_IO_ERROR, also when there is
 * no such file. */
gla_status gla_shared_new(const char *path, const gla_plugin_request *request, int64_t size, gla_plugin_shared **out,
                          int *fd, gla_error *err);
void gla_shared_free(gla_plugin_shared *s, int64_t size, int fd);

/* What a process printed. */
typedef struct gla_plugin_words {
    int64_t count;  /* bytes, all of them */
    char last[120]; /* the last line that is not empty, cut */
} gla_plugin_words;

/* Start `runner` (NULL: the running program) on the memory and wait until it has ended or, should its own clock fail,
 * been killed. The answer is in the shared memory. */
gla_status gla_plugin_spawn(const char *runner, gla_plugin_shared *s, int fd, gla_plugin_words *words, gla_error *err);

#endif
