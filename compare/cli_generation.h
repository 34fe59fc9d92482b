/* SPDX-License-Identifier: Apache-2.0
 *
 * Which cases to generate: the options that gen and verify share, so that the same words name the same cases.
 */
#ifndef GLASSBOX_CLI_GENERATION_H
#define GLASSBOX_CLI_GENERATION_H

#include "cases.h"
#include "cli.h"

typedef struct cli_generation {
    const char *family, *level; /* level NULL: none given */
    gla_case_spec spec;         /* sizes and switches of every case; its seed is the first */
    gla_dtype dtype;
    int64_t count, chunk; /* cases per family; chunk > 0: shapes awkward for it */
} cli_generation;

cli_generation cli_generation_default(void);
/* As an argp child whose input is a cli_generation. */
extern const struct argp cli_generation_argp;

/* How many cases there are, or -1 where there is no such family, and the spec of each (0 .. n-1). */
int64_t cli_generation_cases(const cli_generation *g);
gla_case_spec cli_generation_spec(const cli_generation *g, int64_t index);

/* A case as a file in memory: inputs, settings, metadata case, family, seed, flags. */
gla_status cli_generation_file(const cli_generation *g, const gla_generated *made, gla_tensor_file *file,
                               gla_error *err);

/* The gen command that makes this case alone. */
void cli_generation_command(const gla_case_spec *made, char *text, size_t size);

#endif
