/* SPDX-License-Identifier: Apache-2.0
 *
 * A problem in the memory of the host run on the GPU: for tests and the command line, which ask for results, not for
 * speed. Every call takes its own device memory and gives it back.
 */
#ifndef GLA_HOST_RUN_H
#define GLA_HOST_RUN_H

#include "../../reference/glassbox.h"
#include "gla_cuda.h"

typedef struct gla_host_run {
    gla_cuda_rung rung;
    int64_t segment, parts;      /* as in gla_cuda_call */
    gla_cuda_dtype dtype, gates; /* of q k v do o dq dk dv, and of g: the problem's values must be theirs */
    int64_t gap;      /* elements between rows, a multiple of 8, beyond what alignment asks; NaN, untouched */
    unsigned outputs; /* bit mask of 1u << gla_output */
    bool narrow_dg;   /* dg in the dtype of the gates, else F32 */
    bool graph;       /* captured into a graph, which is then launched twice */
} gla_host_run;

typedef char gla_host_why[256];

/* value[i], dense in gla_output_shape, belongs to the caller (free), NULL where not wanted; all NULL on failure.
 * GLA_CUDA_LAUNCH is also a kernel that failed, or wrote between the rows of an output. */
gla_cuda_status gla_cuda_host_run(const gla_problem *p, const gla_host_run *how, double *value[GLA_OUTPUTS],
                                  gla_host_why why);

/* Is there a GPU? why says what is missing. */
bool gla_cuda_host_device(gla_host_why why);

#endif
