/* SPDX-License-Identifier: Apache-2.0
 *
 * The GPU's rungs where a command takes a number system: "cuda:recurrent", "cuda:fused", of the other grade
 * "cuda:fused:precise". The kernels are in libglassbox_cuda.so beside this program, which needs nvcc to build and is
 * opened only when it is asked for.
 */
#ifndef GLASSBOX_CLI_CUDA_H
#define GLASSBOX_CLI_CUDA_H

#include "cli.h"
#include "judge_rung.h"

typedef const char *cli_cuda_form_of(gla_cuda_rung rung, gla_cuda_grade grade, gla_cuda_dtype dtype, int backward);

/* A rung and a grade as they are typed: "fused", "fused:precise". */
typedef char cli_cuda_name[24];
const char *cli_cuda_grade(const char *rung, gla_cuda_grade grade, cli_cuda_name text);

/* A rung, as asked for and as found. */
typedef struct cli_cuda {
    const char *numbers; /* "cuda:fused" */
    int64_t segment;     /* as in gla_cuda_call; 0: no cut */
    gla_cuda_rung rung;  /* from here on: cli_cuda_open */
    gla_cuda_grade grade;
    gla_rung_run *run;
    cli_cuda_form_of *form_of;
    const char *(*numbers_of)(gla_cuda_rung rung, gla_cuda_dtype dtype);
} cli_cuda;

/* Does this name a rung rather than a number system? */
bool cli_cuda_named(const char *numbers);

/* Finds the library, in it the rung, and a GPU. CLI_GO_ON; else it has said why, and this is the exit status:
 * CLI_SKIPPED where there is no GPU, or no library. */
int cli_cuda_open(const char *command, cli_cuda *x);

/* The formulation that replays it, with its segments; NULL: it does not run this way, or not in this dtype. */
typedef char cli_cuda_text[64];
const char *cli_cuda_form(const cli_cuda *x, gla_cuda_dtype dtype, bool backward, cli_cuda_text text);

/* How to run a problem whose inputs have these dtypes: q's for q k v do, for the gates if they have it, else F32; F32
 * for states. GLA_CUDA_OK, or GLA_CUDA_UNSUPPORTED and why. */
gla_cuda_status cli_cuda_prepare(const cli_cuda *x, const gla_problem *p, const gla_dtype dtype[GLA_INPUTS],
                                 gla_host_run *how, gla_host_why why);

/* Prepares and runs; the result, numbers of `binary64`, is the caller's (gla_result_free). */
gla_cuda_status cli_cuda_run(const cli_cuda *x, const gla_problem *p, const gla_dtype dtype[GLA_INPUTS],
                             unsigned outputs, gla_numbers *binary64, gla_result *result, gla_host_why why);

/* The exit status of a command that could not run: CLI_SKIPPED for want of a device. */
int cli_cuda_exit(gla_cuda_status status);

/* A row of glassbox list. */
typedef struct cli_cuda_row {
    char name[32], forward[64], backward[64]; /* "cuda:fused", forms; "": it does not run this way */
} cli_cuda_row;
enum { CLI_CUDA_ROWS = (int)GLA_CUDA_RUNGS * (int)GLA_CUDA_GRADES };

/* The rungs that are built, in every grade of their own, without a word on stderr; returns how many. here: "", or what
 * keeps them from running on this machine. */
size_t cli_cuda_rows(cli_cuda_row rows[CLI_CUDA_ROWS], gla_host_why here);

#endif
