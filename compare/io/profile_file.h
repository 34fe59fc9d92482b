/* SPDX-License-Identifier: Apache-2.0
 *
 * Profiles as files: what one kernel declares about its own arithmetic, in JSON.
 *
 *     {"name": "my-kernel", "what": "one line",
 *      "like": "chunk-bf16",                        a built-in profile to start from; optional
 *      "form": "chunkwise:32:16+anchor",            the formulation whose rounding is followed
 *      "also": "",                                  a second one, or none
 *      "op": R, "exp": R, "operand": R, "sum": R,   elementwise arithmetic, exponentials, operands and sums of products
 *      "exp_argument": 1.2e-7,                      relative error of exp's argument
 *      "sites": {"q_decayed": R, "state": R, ...}}  number.h names them; `glassbox explain` prints them
 *
 * A rounding R is null (exact), or {"format": "bf16", "rounding": "nearest"}: a named format (bf16 f16 tf32 e4m3 e5m2
 * binary32 binary64), to "nearest" (default) or "truncate" (cut toward zero: errors of one sign); and, beside a format
 * or instead of it, numbers: "u" unit roundoff, "p" significand bits, "tiny" absolute error near underflow. Without
 * "like", what is not named is exact, and name, form are required. A key that is not known is an error.
 */
#ifndef GLASSBOX_PROFILE_FILE_H
#define GLASSBOX_PROFILE_FILE_H

#include "../profiles.h"

/* Errors: GLA_IO_ERROR, GLA_BAD_FILE; the text names the file and the key. */
gla_status gla_profile_read(const char *path, gla_profile *out, gla_error *err);

/* What --profile means: the name of a built-in profile, or a file (its name holds a '/' or ends in ".json"). Errors:
 * those of gla_profile_read, and GLA_UNKNOWN_NAME. */
gla_status gla_profile_find(const char *text, gla_profile *out, gla_error *err);

#endif
