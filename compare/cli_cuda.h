/* SPDX-License-Identifier: Apache-2.0
 *
 * The GPU's rungs where a command takes a number system: "cuda:recurrent", "cuda:fused". The kernels are
 * in libglassbox_cuda.so beside this program, which needs nvcc to build and is opened only when it is asked for.
 */
#ifndef GLASSBOX_CLI_CUDA_H
#define GLASSBOX_CLI_CUDA_H

#include "cli.h"

/* Does this name a rung rather than a number system? */
bool cli_cuda_named(const char *numbers);

/* Runs a case on the GPU, in the dtypes of its file. CLI_GO_ON: the result, numbers of `binary64`, is the caller's
 * (gla_result_free), and *form the formulation that replays it. Else it has said why, and this is
 * the exit status: CLI_SKIPPED where there is no GPU, or no library. */
int cli_cuda_run(const char *command, const char *numbers, const gla_case *c, bool backward, gla_numbers *binary64,
                 gla_result *result, const char **form);

#endif
