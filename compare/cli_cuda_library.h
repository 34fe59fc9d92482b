/* SPDX-License-Identifier: Apache-2.0
 *
 * libglassbox_cuda.so, which needs nvcc to build and a GPU to be of use: opened only by the commands that ask for it.
 */
#ifndef GLASSBOX_CLI_CUDA_LIBRARY_H
#define GLASSBOX_CLI_CUDA_LIBRARY_H

#include <stdbool.h>

/* Opens one of this version, beside this program or, where both were installed, in ../lib, and leaves it open: a GPU's
 * runtime does not like to be unloaded. CLI_GO_ON; else it has said why, and this is the exit status: CLI_SKIPPED where
 * there is none.
 */
int cli_cuda_library(const char *command, void **handle);

/* The same without a word: is it there? */
bool cli_cuda_library_there(void **handle);

/* *function, a pointer to a function, becomes the one of that name. False: the library has none. */
bool cli_cuda_function(void *handle, const char *name, void *function);

/* Says that the library is of another version; returns the exit status. */
int cli_cuda_stale(const char *command);

#endif
