/* SPDX-License-Identifier: Apache-2.0
 *
 * Finding and opening libglassbox_cuda.so; contract in cli_cuda_library.h.
 */
#include "cli_cuda_library.h"

#include <dlfcn.h>
#include <string.h>
#include <unistd.h>

#include "../fast/cuda/gla_cuda.h"
#include "cli.h"

static const char *const places[] = {"libglassbox_cuda.so", "../lib/libglassbox_cuda.so"};

/* The first place that has one. */
static bool find_library(char path[4096]) {
    ssize_t length = readlink("/proc/self/exe", path, 4096 - 64);
    path[length > 0 ? length : 0] = 0;
    char *slash = strrchr(path, '/'), *leaf = slash ? slash + 1 : path;
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        strcpy(leaf, places[i]);
        if (access(path, R_OK) == 0) return true;
    }
    return false;
}

static bool of_this_version(void *handle) {
    int (*abi)(void);
    return cli_cuda_function(handle, "gla_cuda_abi", &abi) && abi() == GLA_CUDA_ABI;
}

bool cli_cuda_library_there(void **handle) {
    char path[4096];
    *handle = find_library(path) ? dlopen(path, RTLD_NOW | RTLD_LOCAL) : NULL;
    return *handle && of_this_version(*handle);
}

int cli_cuda_library(const char *command, void **handle) {
    char path[4096];
    if (!find_library(path)) {
        cli_complain(command, "no libglassbox_cuda.so beside this program (make cuda builds it where nvcc is)");
        return CLI_SKIPPED;
    }
    *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!*handle) return cli_complain(command, "%.500s", dlerror());
    return of_this_version(*handle) ? CLI_GO_ON : cli_cuda_stale(command);
}

bool cli_cuda_function(void *handle, const char *name, void *function) {
    void *at = dlsym(handle, name);
    memcpy(function, &at, sizeof at); /* a function's address is no object's in C */
    return at != NULL;
}

int cli_cuda_stale(const char *command) {
    return cli_complain(command, "libglassbox_cuda.so is not of this version; make cuda builds it again");
}
