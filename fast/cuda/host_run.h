/* SPDX-License-Identifier: Apache-2.0
 *
 * A problem in the memory of the host run on the GPU: for tests and the command line, which ask for results, not for
 * speed. Every call takes its own device memory and gives it back.
 */
#ifndef GLA_HOST_RUN_H
#define GLA_HOST_RUN_H

#include "../../reference/glassbox.h"
#include "../../reference/number/format.h"
#include "gla_cuda.h"

/* What a dtype's numbers are. */
static inline const gla_format *gla_cuda_format(gla_cuda_dtype dtype) {
    return dtype == GLA_CUDA_F32 ? &gla_binary32_format : dtype == GLA_CUDA_F16 ? &gla_f16 : &gla_bf16;
}

/* What a rung makes, as bits of an output mask. */
enum {
    GLA_HOST_FORWARD = 1u << GLA_O | 1u << GLA_FINAL_STATE,
    GLA_HOST_BACKWARD = 1u << GLA_DQ | 1u << GLA_DK | 1u << GLA_DV | 1u << GLA_DGK | 1u << GLA_DINITIAL_STATE
};

typedef struct gla_host_run {
    gla_cuda_rung rung;
    gla_cuda_grade grade;
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
