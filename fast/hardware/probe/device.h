/* SPDX-License-Identifier: Apache-2.0
 *
 * Running one instruction over packed tiles on the GPU (device.cu).
 *
 * Memory: A [tiles, blocks, M, K], B [tiles, blocks, N, K] (columns contiguous in k), C and D [tiles, M, N];
 * little-endian words of the instruction's formats without gaps. For each tile D = C, then D = A_i B_i + D for each
 * block in turn.
 */
#ifndef GLASSBOX_PROBE_DEVICE_H
#define GLASSBOX_PROBE_DEVICE_H

#include <stddef.h>

#include "instructions.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum gla_probe_variant {
    GLA_PROBE_PLAIN,     /* mma.sync; wgmma m64n64 with both operands in shared memory */
    GLA_PROBE_REGISTERS, /* wgmma: A in registers */
    GLA_PROBE_N8,        /* wgmma: eight of m64n8 */
    GLA_PROBE_N256,      /* wgmma: m64n256, the 64 columns in four places; `copy` says which are returned */
    GLA_PROBE_NEGATED,   /* wgmma: imm-scale-a = -1 */
    GLA_PROBE_VARIANTS
} gla_probe_variant;

typedef struct gla_probe_job {
    const gla_probe_instruction *instruction;
    gla_probe_variant variant;
    size_t tiles, blocks;
    const void *A, *B, *C;
    void *D;
    int rows, columns; /* logical row m is computed as row (m - rows) mod M, columns likewise */
    int copy;          /* GLA_PROBE_N256: 0..3 */
    int fresh;         /* wgmma: C is not read; the first block has scale-d = 0 and NaN in the accumulator */
} gla_probe_job;

/* NULL, or what failed. D is overwritten with 0xa5 first. */
const char *gla_probe_run(const gla_probe_job *job);

typedef struct gla_probe_gpu {
    char name[128];
    int major, minor;              /* compute capability */
    int runtime, driver, compiler; /* CUDA versions, 13000 for 13.0 */
} gla_probe_gpu;

/* NULL, or why there is no GPU that runs these kernels. */
const char *gla_probe_gpu_found(gla_probe_gpu *gpu);

#ifdef __cplusplus
}
#endif

#endif
