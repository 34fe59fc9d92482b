/* SPDX-License-Identifier: Apache-2.0
 *
 * glassbox shrink --plugin: the options, and the search by running the kernel again.
 */
#ifndef GLASSBOX_CLI_SHRINK_H
#define GLASSBOX_CLI_SHRINK_H

#include "cli.h"
#include "profiles.h"

enum { CLI_SHRINK_FAMILIES = 32 };

typedef struct cli_shrink_settings {
    const char *path; /* of the plug-in; NULL: a file is shrunk, and no other option of these may stand */
    const char *family[CLI_SHRINK_FAMILIES];
    int families; /* 0: all */
    uint64_t seed;
    int64_t timeout;
    const char *stray; /* an option that goes with --plugin alone */
    /* filled in by shrink */
    const char *mechanism, *to;
    const gla_profile *profile; /* NULL: by dtype */
    const char *profile_text;   /* as asked for, a name or a file */
    int output;                 /* -1: the first that fails */
    int64_t threads;
} cli_shrink_settings;

/* --plugin --family --seed --timeout, as argp child whose input is a cli_shrink_settings. */
extern const struct argp cli_shrink_argp;

/* The exit status. */
int cli_shrink_plugin(const cli_shrink_settings *s);

#endif
