/* SPDX-License-Identifier: Apache-2.0
 *
 * A case through libglassbox_cuda.so; contract in cli_cuda.h.
 */
#include "cli_cuda.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../fast/cuda/host_run.h"

typedef struct library {
    gla_cuda_status (*run)(const gla_problem *p, const gla_host_run *how, double *value[GLA_OUTPUTS], gla_host_why why);
    const char *(*rung_name)(gla_cuda_rung rung);
    const char *(*rung_form)(gla_cuda_rung rung);
} library;

bool cli_cuda_named(const char *numbers) { return strncmp(numbers, "cuda:", 5) == 0; }

/* ---- the library ---- */

/* A function's address is no object's in C: by way of memcpy. */
static bool find(void *handle, const char *name, void *function) {
    void *at = dlsym(handle, name);
    memcpy(function, &at, sizeof at);
    return at != NULL;
}

/* It stays open: a GPU's runtime does not like to be unloaded. */
static int open_library(const char *command, library *cuda) {
    char path[4096];
    ssize_t length = readlink("/proc/self/exe", path, sizeof path - 64);
    path[length > 0 ? length : 0] = 0;
    char *slash = strrchr(path, '/');
    strcpy(slash ? slash + 1 : path, "libglassbox_cuda.so");
    if (access(path, R_OK) != 0) {
        cli_complain(command, "no libglassbox_cuda.so beside this program (make cuda builds it where nvcc is)");
        return CLI_SKIPPED;
    }
    void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!handle) return cli_complain(command, "%.500s", dlerror());
    if (find(handle, "gla_cuda_host_run", &cuda->run) && find(handle, "gla_cuda_rung_name", &cuda->rung_name) &&
        find(handle, "gla_cuda_rung_form", &cuda->rung_form))
        return CLI_GO_ON;
    return cli_complain(command, "%.500s is not of this version; make cuda builds it again", path);
}

/* ---- what to run ---- */

/* Rungs that have a formulation: those that are built. */
static bool rung_named(const library *cuda, const char *name, gla_cuda_rung *rung) {
    for (int i = 0; i < GLA_CUDA_RUNGS; i++)
        if (cuda->rung_form((gla_cuda_rung)i) && strcmp(cuda->rung_name((gla_cuda_rung)i), name) == 0) {
            *rung = (gla_cuda_rung)i;
            return true;
        }
    return false;
}

static bool cuda_dtype(gla_dtype dtype, gla_cuda_dtype *out) {
    *out = dtype == GLA_F32 ? GLA_CUDA_F32 : dtype == GLA_F16 ? GLA_CUDA_F16 : GLA_CUDA_BF16;
    return dtype == GLA_F32 || dtype == GLA_F16 || dtype == GLA_BF16;
}

/* The dtypes of the file, where the kernels have them: q's for q k v do, that or F32 for the gates, F32 for states. */
static int choose_dtypes(const char *command, const gla_case *c, gla_host_run *how) {
    gla_problem p = c->problem;
    gla_dtype data = c->input_dtype[GLA_IN_Q];
    if (!cuda_dtype(data, &how->dtype))
        return cli_complain(command, "q is %s; a GPU's rung takes BF16, F16 or F32", gla_dtype_name(data));
    for (int i = 0; i < GLA_INPUTS; i++) {
        gla_cuda_dtype dtype;
        gla_dtype have = c->input_dtype[i];
        bool wide = gla_is_state_input((gla_input)i) || i == GLA_IN_GK || i == GLA_IN_GV;
        if (!gla_problem_input(&p, (gla_input)i)->at || have == data) continue;
        if (!cuda_dtype(have, &dtype) || !wide)
            return cli_complain(command, "%s is %s where q is %s; a GPU's rung takes %s", gla_input_names[i],
                                gla_dtype_name(have), gla_dtype_name(data), wide ? "F32" : "one dtype");
    }
    how->gates = c->input_dtype[GLA_IN_GK] == data ? how->dtype : GLA_CUDA_F32;
    return CLI_GO_ON;
}

/* ---- running ---- */

static void keep(const gla_problem *p, double *value[GLA_OUTPUTS], gla_numbers *binary64, gla_result *result) {
    *result = (gla_result){.numbers = binary64};
    for (int i = 0; i < GLA_OUTPUTS; i++) {
        int64_t *shape = result->tensor[i].shape;
        if (!value[i]) continue;
        gla_output_shape(p, (gla_output)i, shape);
        result->tensor[i].at = value[i];
        result->tensor[i].count = shape[0] * shape[1] * shape[2] * shape[3];
    }
}

int cli_cuda_run(const char *command, const char *numbers, const gla_case *c, bool backward, gla_numbers *binary64,
                 gla_result *result, const char **form) {
    library cuda;
    double *value[GLA_OUTPUTS];
    gla_host_why why;
    gla_host_run how = {.outputs = backward ? (1u << GLA_OUTPUTS) - 1 : 1u << GLA_O | 1u << GLA_FINAL_STATE};
    int ended = open_library(command, &cuda);
    if (ended != CLI_GO_ON) return ended;
    if (!rung_named(&cuda, numbers + strlen("cuda:"), &how.rung))
        return cli_complain(command, "no rung '%.40s' (cuda:recurrent, cuda:fused)", numbers);
    ended = choose_dtypes(command, c, &how);
    if (ended != CLI_GO_ON) return ended;
    gla_cuda_status status = cuda.run(&c->problem, &how, value, why);
    if (status != GLA_CUDA_OK) {
        cli_complain(command, "%s", why);
        return status == GLA_CUDA_NO_DEVICE || status == GLA_CUDA_WRONG_DEVICE ? CLI_SKIPPED : CLI_USAGE;
    }
    keep(&c->problem, value, binary64, result);
    *form = cuda.rung_form(how.rung);
    return CLI_GO_ON;
}
