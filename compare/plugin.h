/* SPDX-License-Identifier: Apache-2.0
 *
 * The plug-in interface: what a shared object exports so that `glassbox check --plugin K.so` can judge a kernel.
 * This header stands alone, in C and in C++. Copy it, or include <glassbox/compare/plugin.h>.
 *
 *     const struct glassbox_info *glassbox_plugin_info(void);                          what the kernel takes
 *     int glassbox_plugin_run(const struct glassbox_problem *, void *workspace, size_t workspace_size);
 *     int64_t glassbox_plugin_workspace(const struct glassbox_problem *);              optional: bytes wanted
 *
 * The mechanism "gla", per sequence and head, with state S [dk,dv] and log gates g, gv <= 0 (natural log, -inf =
 * reset): S_t = outer(e^g_t, e^gv_t) * S_{t-1} + k_t v_t^T        decay, then write o_t = scale S_t^T q_t then read
 * and, if `backward`, the gradients of <o, d_o> + <S_T, d_final_state>. Other mechanisms: "simple_gla", g and dg
 * [B,T,H,1], one gate for all key channels of a head; "linear_attention", no gates; "retention", no gates and the fixed
 * decay log(1 - 2^(-5-h)) of head h of H; "lightning", the fixed decay -2^(-8(h+1)/H) (H a power of two). From
 * version 2 on every other mechanism of `glassbox list` too, with what it takes and gives beyond those tensors in
 * `more` and `more_out`; there q is Mamba's C and RWKV's r, k is B, v is x, o is y, g is RWKV's w. `mechanism` is the
 * text that was asked for, with its conventions: "mlstm,gate=sigmoid".
 *
 * Tensors are [B,T,H,D], one number per head [B,T,H,1], states [N,H,rows,columns], learned weights [1,1,H,D] (their
 * gradient is the sum over all tokens and sequences), strides in elements, that of the last axis 1. At level full they
 * are not dense in some cases, and what lies between the elements is not the kernel's; one that needs dense tensors
 * declines those. `data` is NULL where a tensor is absent: an absent input is 0 (no gate: no decay), an absent output
 * is not wanted. The head count of an input may divide H: head h then reads head floor(h / (H / heads)), and the
 * gradient of a shared head is the sum over its group. All memory is host memory, aligned to 64 bytes; a kernel for a
 * device copies. q k v z s d_o and o dq dk dv dz ds are of one dtype; gates, rates, weights, states and their gradients
 * are F32.
 *
 * glassbox_plugin_run returns 0 done, 1 declined (a reason in `reason`, if it likes), anything else an error. It must
 * write every element of every output that has data, touch nothing else, leave the rounding mode as it was and be done
 * when it returns. It runs in a process of its own, several times, with memory in different states: outputs and
 * workspace hold NaN or garbage. A device is initialised in that process alone, never before a fork.
 */
#ifndef GLASSBOX_PLUGIN_H
#define GLASSBOX_PLUGIN_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* 2: M, more, more_out at the end of the problem. A plug-in that says 1 still runs, on mechanisms that need none. */
#define GLASSBOX_ABI_VERSION 2

/* Element types: code | bits << 8, the numbers of DLPack's DLDataType. */
#define GLASSBOX_F32 0x2002u
#define GLASSBOX_F16 0x1002u
#define GLASSBOX_BF16 0x1004u

/* glassbox_info.formats: the dtypes of q k v that it takes. */
#define GLASSBOX_TAKES_F32 1u
#define GLASSBOX_TAKES_F16 2u
#define GLASSBOX_TAKES_BF16 4u

/* glassbox_info.features */
#define GLASSBOX_HAS_BACKWARD 1u     /* gradients too */
#define GLASSBOX_IS_DETERMINISTIC 2u /* the same problem gives the same bits, wherever it lies in batch and heads */

/* glassbox_info.device */
#define GLASSBOX_CPU 0u
#define GLASSBOX_CUDA 1u
#define GLASSBOX_OTHER 2u

struct glassbox_info {
    uint32_t size;        /* sizeof(struct glassbox_info) */
    uint32_t abi_version; /* GLASSBOX_ABI_VERSION */
    const char *name;
    const char *mechanisms; /* separated by spaces: "gla simple_gla" */
    uint32_t formats, features, device, reserved;
    int64_t max_B, max_T, max_H, max_dk, max_dv; /* 0: no limit. Larger cases are not given to it */
};

struct glassbox_input {
    const void *data;
    int64_t shape[4], stride[4];
    uint32_t dtype, reserved;
};

struct glassbox_output {
    void *data;
    int64_t shape[4], stride[4];
    uint32_t dtype, reserved;
};

struct glassbox_problem {
    uint32_t size, version; /* sizeof(struct glassbox_problem); that of the plug-in, at most GLASSBOX_ABI_VERSION */
    const char *mechanism;
    int64_t B, T, H, dk, dv;
    int64_t N;                 /* sequences: B, or the number of segments */
    const int64_t *cu_seqlens; /* NULL, or N+1 ascending offsets 0 .. T (then B = 1); segments may be empty */
    double scale;
    uint32_t reverse; /* every sequence runs from its last token to its first */
    uint32_t backward;
    struct {
        struct glassbox_input q, k, v, g, gv, initial_state, d_o, d_final_state;
    } in;
    struct {
        struct glassbox_output o, final_state, dq, dk, dv, dg, dgv, dinitial_state;
    } out;
    char *reason; /* room for the reason of a refusal */
    size_t reason_size;
    /* version 2 */
    int64_t M; /* slots; 0 where there are none */
    struct {
        struct glassbox_input beta, i, f, initial_n, initial_m, d_final_n, u, lower_bound, dt, A_log, D, dt_bias, z, s,
            initial_keys, d_final_keys;
    } more;
    struct {
        struct glassbox_output final_n, final_m, final_keys, dbeta, di, df, dinitial_n, dinitial_m, du, dlower_bound,
            ddt, dA_log, dD, ddt_bias, dz, ds, dinitial_keys;
    } more_out;
};

const struct glassbox_info *glassbox_plugin_info(void);
int glassbox_plugin_run(const struct glassbox_problem *problem, void *workspace, size_t workspace_size);
int64_t glassbox_plugin_workspace(const struct glassbox_problem *problem);

#ifdef __cplusplus
}
#endif

#endif
