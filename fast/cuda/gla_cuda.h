/* SPDX-License-Identifier: Apache-2.0
 *
 * GLA on NVIDIA GPUs: one C interface over a ladder of kernels, each rung one idea, each replayed bit for bit on a CPU.
 *
 *     S_t = diag(e^g_t) S_{t-1} + k_t v_t^T        decay, then write
 *     o_t = scale S_t^T q_t                        then read
 * and the gradients of <o, d_o> + <S_T, d_final_state>. Log gates g are natural, g <= 0; -inf is an exact reset; g > 0
 * grows the state and is computed as it stands.
 *
 * All tensors are device memory of the current device. Every call enqueues work on the caller's stream and returns: no
 * allocation, no synchronisation, no global state, so it can be captured into a graph. Memory it needs beside the
 * tensors is the caller's (gla_cuda_workspace). A call either enqueues everything and returns GLA_CUDA_OK, or launches
 * nothing and says why; GLA_CUDA_LAUNCH alone may come after a part was enqueued.
 *
 * Wrong arguments. Seen before anything is launched: sizes, dtypes, heads, strides, alignment, the workspace, the GPU,
 * and outputs that begin where another tensor does; final_state may be initial_state itself, alike in heads (H) and
 * strides, unless sequences are cut into segments. Not seen: other overlaps, memory smaller than its shape. cu_seqlens
 * is read by the GPU alone: offsets count as cut to 0 .. T, so wrong ones give wrong results and touch nothing outside
 * the tensors. NaN and infinities are computed as they stand. They stay in their sequence and head, but reach every
 * token of their chunk of 64, earlier ones too, and g = +inf or NaN all that comes after it.
 *
 * Bits. For one (rung, grade, dk, dv, dtype) an output depends on its own sequence and head alone: not on the batch,
 * the other heads, the strides or the run. Running the rung's formulation in the number system of the GPU
 * (gla_cuda_rung_form, gla_cuda_rung_numbers) on a CPU returns the same bits.
 */
#ifndef GLA_CUDA_H
#define GLA_CUDA_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Counts up when a structure or a call here changes: what was built against another number must not call. */
#define GLA_CUDA_ABI 2
int gla_cuda_abi(void);

typedef enum gla_cuda_dtype { GLA_CUDA_F32, GLA_CUDA_F16, GLA_CUDA_BF16 } gla_cuda_dtype;

/* [B,T,heads,D], states [N,heads,dk,dv]: strides in elements of the first three dimensions, the last is dense. data
 * NULL: absent (an input is 0, no gate is no decay; an output is not wanted). heads divides H: head h reads head
 * floor(h / (H / heads)), and the gradient of a shared head is the sum over its group, in head order; a gradient has
 * its tensor's heads, o and final_state have H. data is aligned to 16 bytes, and so are the strides, except of a
 * dimension of size 1; an input's may be 0: it repeats. */
typedef struct gla_cuda_tensor {
    void *data;
    gla_cuda_dtype dtype;
    int32_t heads;
    int64_t stride[3];
} gla_cuda_tensor;

typedef struct gla_cuda_problem {
    int64_t B, T, H, dk, dv;
    int64_t N;                 /* sequences: B, or the segments of cu_seqlens (then B = 1) */
    const int64_t *cu_seqlens; /* device memory, N+1 ascending offsets 0 .. T, empty segments allowed; or NULL */
    float scale;               /* multiplies q; 0 asks for dk^(-1/2) */
    /* q k v d_o and o dq dk dv: one dtype. g: F32 or that dtype. dg: F32 or that
     * dtype, whatever g has. States and their gradients: F32. */
    gla_cuda_tensor q, k, v, g, initial_state, d_o, d_final_state;
    gla_cuda_tensor o, final_state, dq, dk_, dv_, dg, dinitial_state;
} gla_cuda_problem;

typedef enum gla_cuda_rung {
    GLA_CUDA_BEST,      /* the quickest that takes the problem */
    GLA_CUDA_RECURRENT, /* recurrent.cu: token by token in binary32 */
    GLA_CUDA_PARALLEL,  /* parallel.cu: all pairs in log space, binary32 */
    GLA_CUDA_CHUNKWISE, /* chunkwise.cu: mma.sync, states through memory; sm_80 and up */
    GLA_CUDA_FUSED,     /* fused*.cu: wgmma, state in registers; sm_90a */
    GLA_CUDA_RUNGS
} gla_cuda_rung;

typedef enum gla_cuda_status {
    GLA_CUDA_OK,
    GLA_CUDA_NO_DEVICE,       /* no GPU, or its driver is too old */
    GLA_CUDA_WRONG_DEVICE,    /* this rung does not run on this GPU */
    GLA_CUDA_UNSUPPORTED,     /* a shape or dtype this rung does not take */
    GLA_CUDA_BAD_ARGUMENT,    /* a size, stride or pointer that cannot be right */
    GLA_CUDA_SMALL_WORKSPACE, /* less than gla_cuda_workspace says */
    GLA_CUDA_LAUNCH           /* the driver refused a launch */
} gla_cuda_status;

/* Of the chunkwise and the fused rung, whose operands have 16 bits; the others are binary32, whatever is asked for. */
typedef enum gla_cuda_grade {
    GLA_CUDA_FAST,    /* an operand is rounded once */
    GLA_CUDA_PRECISE, /* within a chunk it has two parts, together twice the bits (reference/gated/operand.h) */
    GLA_CUDA_GRADES
} gla_cuda_grade;

typedef struct gla_cuda_call {
    gla_cuda_rung rung;
    gla_cuda_grade grade;
    int64_t segment; /* fused, forward: cut longer sequences into segments of so many tokens, a multiple of 64, that
                        run side by side (reference/gated/split.c; the form is then "...+split:L"): for few heads and
                        long T. 0: no cut. 2048 to 4096 is a good size */
    int64_t parts;   /* work through the batch, then heads, in up to so many parts one after the other: the workspace
                        is that much smaller, the bits are the same. 0, 1: all at once, the quickest */
    void *stream;    /* cudaStream_t; NULL is the default stream */
    void *workspace;
    size_t workspace_size;
    char why[200]; /* out: what was wrong and what to try, when the status is not OK */
} gla_cuda_call;

/* Bytes of workspace a call needs (aligned to 256); 0 is possible. The problem is the one of the call: which outputs it
 * wants and which heads share them matters. */
gla_cuda_status gla_cuda_workspace(const gla_cuda_problem *p, gla_cuda_call *call, int backward, size_t *bytes);

/* o and final_state. A decode step, T = 1 to 4 on the recurrent rung, reads and writes the state once, in place too. */
gla_cuda_status gla_cuda_forward(const gla_cuda_problem *p, gla_cuda_call *call);

/* dq dk dv dg dinitial_state; o and final_state are neither read nor written. */
gla_cuda_status gla_cuda_backward(const gla_cuda_problem *p, gla_cuda_call *call);

/* The formulation and the number system that replay a rung: "chunkwise-centred:64:16+precise", "sm_90:bf16". NULL if it
 * has none for this dtype, or does not run in this direction. Names: "fused", "precise". */
const char *gla_cuda_rung_name(gla_cuda_rung rung);
const char *gla_cuda_grade_name(gla_cuda_grade grade);
const char *gla_cuda_rung_form(gla_cuda_rung rung, gla_cuda_grade grade, gla_cuda_dtype dtype, int backward);
const char *gla_cuda_rung_numbers(gla_cuda_rung rung, gla_cuda_dtype dtype);
const char *gla_cuda_status_text(gla_cuda_status status);

#ifdef __cplusplus
}
#endif

#endif
