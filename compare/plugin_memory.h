/* SPDX-License-Identifier: Apache-2.0
 *
 * The memory that the oracle shares with the process in which a plug-in runs (one per run, mapped from a memfd).
 *
 *     | shared struct | gap | q | gap | k | gap | ... | o of pass 0 | gap | ... | o of pass 1 | gap | ...
 *
 * Every tensor has whole pages of its own between gaps that the runner never makes accessible: a touch there is a
 * SIGSEGV whose address says which tensor was overrun. Data ends at the end of its pages, up to 63 bytes of alignment;
 * what remains of the pages, and what lies between the elements of a tensor that is not dense, holds a canary. Inputs
 * are mapped read-only in the runner.
 *
 * Outputs start as poison. Pass A: the 16-bit word 7fa5, which is a NaN in bf16, f16 and f32 (signalling but for f16);
 * it is also the canary. Pass B: 7da5, finite garbage (3e37) in bf16 and f32 and a NaN in f16.
 */
#ifndef GLASSBOX_PLUGIN_MEMORY_H
#define GLASSBOX_PLUGIN_MEMORY_H

#include <limits.h>
#include <sys/types.h>

#include "../reference/glassbox.h"
#include "../reference/number/format.h"
#include "plugin.h"

enum { GLA_PLUGIN_PASSES = 3, GLA_PLUGIN_FD = 3, GLA_PLUGIN_MAGIC = 0x676c6278, GLA_PLUGIN_GAP = 1 << 16 };
enum { GLA_POISON_A = 0x7fa5, GLA_POISON_B = 0x7da5 };

/* How the elements of tensors lie. */
typedef enum gla_plugin_layout {
    GLA_PLUGIN_LAYOUT_DENSE,       /* [B,T,H,D] without gaps */
    GLA_PLUGIN_LAYOUT_PADDED,      /* 16 elements after every row, and again after every block of rows */
    GLA_PLUGIN_LAYOUT_HEADS_FIRST, /* tensors over tokens as [B,H,T,D] without gaps; states dense */
    GLA_PLUGIN_LAYOUTS
} gla_plugin_layout;
/* "dense", "padded rows", "heads before tokens" */
extern const char *const gla_plugin_layout_names[GLA_PLUGIN_LAYOUTS];

/* Where a tensor lies; bytes 0: absent. */
typedef struct gla_shared_tensor {
    int64_t shape[4], stride[4];
    uint32_t dtype;
    int64_t pages, pages_size; /* offset in the shared memory, multiple of the page size */
    int64_t at, bytes;         /* the data itself, inside its pages: from its first element to behind its last */
} gla_shared_tensor;

/* What the oracle asks. */
typedef struct gla_plugin_request {
    char path[PATH_MAX], mechanism[160];
    bool info_only;
    int passes;                         /* the same problem again and again */
    uint16_t poison[GLA_PLUGIN_PASSES]; /* of outputs and workspace */
    int64_t B, T, H, dk, dv, N, M;
    double scale;
    bool packed, reverse, backward;
    gla_shared_tensor cu_seqlens, in[GLA_INPUTS], out[GLA_PLUGIN_PASSES][GLA_OUTPUTS];
    int64_t memory_limit; /* bytes of address space; 0: none */
    int64_t timeout_ms;   /* for everything together */
} gla_plugin_request;

/* How far the worker came. */
typedef enum gla_plugin_stage {
    GLA_STAGE_START,
    GLA_STAGE_LOAD,
    GLA_STAGE_SYMBOLS,
    GLA_STAGE_INFO,
    GLA_STAGE_WORKSPACE,
    GLA_STAGE_RUN,
    GLA_STAGE_RETURNED, /* from the last pass, or with an answer other than 0 */
    GLA_STAGE_REFUSED,  /* the runner stopped it: `text` says why */
} gla_plugin_stage;

/* What the runner answers. The plug-in's own process writes it: nothing here is believed further than it is checked. */
typedef struct gla_plugin_answer {
    gla_plugin_stage stage;
    char text[200];                       /* reason of a refusal or a decline */
    struct glassbox_info info;            /* its pointers mean nothing here */
    char name[64], mechanisms[256];       /* the text they pointed to */
    int code;                             /* what glassbox_plugin_run returned last */
    int64_t workspace;                    /* bytes it asked for */
    int64_t workspace_broken;             /* where it wrote outside of it: bytes past the end, or before it if < 0 */
    bool environment_changed;             /* rounding mode or flush to zero */
    int64_t heap[GLA_PLUGIN_PASSES];      /* bytes in use after a pass */
    uint64_t base, workspace_base, fault; /* addresses: this memory there, its workspace, a fatal access */
    /* from the supervisor */
    bool ended, hung;
    int signal, exit_status; /* how the worker ended */
    bool left_behind;        /* processes had to be killed */
} gla_plugin_answer;

typedef struct gla_plugin_shared {
    uint32_t magic;
    int64_t size; /* of the whole memory */
    gla_plugin_request request;
    gla_plugin_answer answer;
} gla_plugin_shared;

/* Place a tensor behind *end, with a gap before it; `bytes` is set, `*end` moves on. */
void gla_shared_place(gla_shared_tensor *t, int64_t bytes, int64_t *end);

/* The tensor of this shape and format, placed. */
void gla_shared_tensor_place(gla_shared_tensor *t, const int64_t shape[4], const gla_format *format,
                             gla_plugin_layout layout, int64_t *end);

/* How many elements a tensor has; where element i of them, counted in [B,T,H,D], lies in the shared memory. */
int64_t gla_shared_count(const gla_shared_tensor *t);
int64_t gla_shared_element(const gla_shared_tensor *t, int64_t i);

/* ABI code of a format, and back; NULL if there is none. */
uint32_t gla_plugin_dtype(const gla_format *format);
const gla_format *gla_plugin_format(uint32_t dtype);
uint32_t gla_plugin_takes(const gla_format *format); /* its bit in glassbox_info.formats */

/* Fill `bytes`, or the elements of a tensor, with a 16-bit word. */
void gla_poison(void *at, int64_t bytes, uint16_t word);
void gla_poison_elements(void *base, const gla_shared_tensor *t, uint16_t word);

/* The byte in a tensor's pages, outside its data, that is no longer canary: its distance from the data, negative
 * before it; 0 if all is well. */
int64_t gla_canary_broken(const void *base, const gla_shared_tensor *t);

/* Is everything between the elements of a tensor still canary? */
bool gla_gaps_whole(const void *base, const gla_shared_tensor *t);

/* The first element of an output that still is poison; -1 if none. *count: how many. */
int64_t gla_unwritten(const void *base, const gla_shared_tensor *t, uint16_t poison, int64_t *count);

/* Values of a tensor, in its dtype, from a strided problem tensor. */
void gla_shared_store(void *base, const gla_shared_tensor *t, const gla_tensor *from);

/* "its input q", "o", "its workspace": what lies at or next to an address of the runner, and how far outside of it the
 * address is (0: inside). False: nowhere near. */
typedef struct gla_fault {
    char what[40];
    bool input;
    int64_t outside; /* bytes past the end, or negative before the start */
} gla_fault;
bool gla_fault_locate(const gla_plugin_shared *s, uint64_t address, gla_fault *out);

#endif
