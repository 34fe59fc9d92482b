/* SPDX-License-Identifier: Apache-2.0
 *
 * The vector set: a folder of small cases with their truth and what every element is allowed, for consumers that have
 * no oracle at hand (data/vectors/README.md says how to use it).
 *
 *     manifest.json        data/schema/vectors.schema.json; the sha256 of every other file
 *     NAME.safetensors     inputs under their names; for every output X
 *                          X  F64, X.low F64            truth = X + X.low
 *                          X.budget.PROFILE  F32        |x - X - X.low| <= budget, or x is wrong; NaN is wrong
 */
#ifndef GLASSBOX_CLI_VECTORS_H
#define GLASSBOX_CLI_VECTORS_H

#include <jansson.h>

#include "cli.h"
#include "profiles.h"

#define CLI_VECTORS_MANIFEST "manifest.json"
#define CLI_VECTORS_VERSION 1

typedef char cli_sha256_text[65]; /* hexadecimal, small letters */

/* The whole file at `path`. */
gla_status cli_sha256_of_file(const char *path, cli_sha256_text digest, int64_t *bytes, gla_error *err);

/* The profiles that the budgets are for (NULL-terminated), and the dtype that an output is stored in under one. */
extern const char *const cli_vector_profiles[];
gla_dtype cli_vector_stored(const char *profile, gla_output output);

/* Write the set into a folder. */
gla_status cli_vectors_make(const char *folder, gla_error *err);

/* Is the folder what its manifest says, and nothing else? The counts are for the report. */
gla_status cli_vectors_verify(const char *folder, int64_t *files, int64_t *bytes, gla_error *err);

#endif
