/* SPDX-License-Identifier: Apache-2.0
 *
 * Glassbox, public header of the reference: a problem goes in, one formulation runs in one number system, named
 * tensors come out.
 *
 *     gla_problem problem = {...};                           shapes, strides, pointers: all yours
 *     gla_form form; gla_form_parse("chunkwise:64:16", &form, &err);
 *     gla_numbers *numbers; gla_numbers_open("mpfr:256", &numbers, &err);
 *     gla_result result;
 *     gla_run(&problem, &form, numbers, &result, &err);
 *     double o = gla_result_d(&result, GLA_O, index);
 *     gla_result_free(&result); gla_numbers_close(numbers);
 *
 * Argument law: what a call works in or on comes first (problem, numbers), results follow, gla_error is last.
 * Conventions: layout [B,T,H,D]; states [N,H,dk,dv]; log gates in natural log, g <= 0; order decay, write, read
 * (o_t sees k_t v_t undecayed and S_{t-1} decayed by alpha_t); scale multiplies q. Indices and strides are int64.
 */
#ifndef GLASSBOX_H
#define GLASSBOX_H

#include <stdbool.h>
#include <stdint.h>

#include "number/number.h"
#include "status.h"

/* A read-only tensor [B,T,heads,D] (states: [N,heads,dk,dv]) of binary64, which holds every input dtype exactly.
 * stride[] counts elements. at == NULL: the tensor is absent. `heads` divides problem.H; head h of the problem reads
 * head floor(h / (H / heads)) of the tensor, and the gradient of a shared head is the sum over its group. */
typedef struct gla_tensor {
    const double *at;
    int64_t heads;
    int64_t stride[4];
} gla_tensor;

/* The fixed decay of a mechanism that takes no gates (reference/mechanisms). All 0: the mechanism's usual schedule, and
 * the problem's heads are all the heads of the layer. */
typedef struct gla_fixed_decay {
    int schedule;          /* index in the mechanism's schedules */
    int64_t layer, layers; /* of a schedule that weakens with depth; layers 0: it does not */
    int64_t head, heads;   /* head 0 of the problem is head `head` of `heads` (0: H) of the layer */
} gla_fixed_decay;

typedef struct gla_mechanism gla_mechanism;

typedef struct gla_problem {
    const gla_mechanism *mechanism; /* NULL: gla */
    gla_fixed_decay decay;          /* of mechanisms with a fixed decay */
    int64_t B, T, H, dk, dv;
    int64_t N;                 /* sequences: B, or the number of segments when cu_seqlens is given (then B = 1) */
    const int64_t *cu_seqlens; /* NULL, or N+1 ascending offsets 0 .. T; empty segments allowed */
    double scale;              /* multiplies q; 0 asks for the default, binary64 nearest to dk^(-1/2) */
    bool reverse;              /* run every sequence from its last token to its first */
    gla_tensor q, k, v;        /* [B,T,h,dk] [B,T,h,dk] [B,T,h,dv] */
    gla_tensor gk, gv;         /* log gates [B,T,h,dk], [B,T,h,dv]; absent = 0 (no decay). -inf = exact reset.
                                  gk of a mechanism with a gate per head: [B,T,h,1], stride[3] is not looked at */
    gla_tensor initial_state;  /* [N,h,dk,dv]; absent = 0 */
    gla_tensor d_o;            /* [B,T,h,dv] gradient of o; absent = 0 */
    gla_tensor d_final_state;  /* [N,h,dk,dv]; absent = 0 */
} gla_problem;

/* The inputs and outputs by their names in a case file. */
typedef enum gla_input {
    GLA_IN_Q,
    GLA_IN_K,
    GLA_IN_V,
    GLA_IN_GK,
    GLA_IN_GV,
    GLA_IN_INITIAL_STATE,
    GLA_IN_DO,
    GLA_IN_DFINAL_STATE,
    GLA_INPUTS
} gla_input;
typedef enum gla_output {
    GLA_O,
    GLA_FINAL_STATE,
    GLA_DQ,
    GLA_DK,
    GLA_DV,
    GLA_DGK,
    GLA_DGV,
    GLA_DINITIAL_STATE,
    GLA_OUTPUTS
} gla_output;
extern const char *const gla_input_names[GLA_INPUTS];   /* q k v g gv initial_state do dfinal_state */
extern const char *const gla_output_names[GLA_OUTPUTS]; /* o final_state dq dk dv dg dgv dinitial_state */

/* Is it a state [N,heads,dk,dv], or a tensor over tokens [B,T,heads,D]? */
bool gla_is_state_input(gla_input name);
bool gla_is_state_output(gla_output name);

/* Does this problem have this output, forward alone or with gradients? dg only with g, dgv only with gv. */
bool gla_has_output(const gla_problem *p, bool backward, gla_output name);

/* The tensor of an input; the shape [4] that input or output has in this problem. */
gla_tensor *gla_problem_input(gla_problem *p, gla_input name);
void gla_input_shape(const gla_problem *p, gla_input name, int64_t shape[4]);
void gla_output_shape(const gla_problem *p, gla_output name, int64_t shape[4]);

/* gk as it acts on every key channel: a gate per head has stride 0 there. */
gla_tensor gla_key_gates(const gla_problem *p);

/* Point `x` at dense row-major data of the given head count (the usual case). */
void gla_tensor_dense(gla_tensor *x, const double *at, int64_t tokens, int64_t heads, int64_t rows, int64_t cols);

/* Everything the contract asks: no input that the mechanism does not take, sizes positive and below 2^31 elements,
 * cu_seqlens ascending, q k v present, no NaN and no infinity in q k v states gradients, g <= 0 (unless allow_growth)
 * and not NaN. The error names the tensor and the first offending index [b,t,h,i]. T = 0 is refused. */
gla_status gla_problem_check(const gla_problem *p, bool allow_growth, gla_error *err);

/* ---- formulations ---- */

typedef enum gla_formulation {
    GLA_RECURRENT,      /* gated/recurrent.c */
    GLA_PARALLEL,       /* gated/parallel.c, log-space: all exponents <= 0 */
    GLA_PARALLEL_NAIVE, /* gated/parallel_naive.c, products and quotients of decays: UNSAFE, kept to be seen failing */
    GLA_CHUNKWISE,      /* gated/chunkwise.c, sub-chunks with anchors */
    GLA_CHUNKWISE_CENTRED,  /* gated/centred.c, one reference in the centre of each chunk, shorter steps where the gates
                               ask for it */
    GLA_CHUNKWISE_PAIRED,   /* gated/paired.c, the same in each channel that can bear it, pairs in the others */
    GLA_CHUNKWISE_FACTORED, /* gated/chunkwise.c with one anchor for the whole chunk: UNSAFE past |Gamma| = 88.7 */
    GLA_FORMULATIONS
} gla_formulation;

/* How dg is formed (gated/gate_gradient.c). The mathematics is the same; the rounding is not. */
typedef enum gla_gate_route {
    GLA_ROUTE_DEFAULT,  /* direct for recurrent, suffix for parallel, straddle for chunkwise */
    GLA_ROUTE_DIRECT,   /* L2: row(R*Z); recurrent only */
    GLA_ROUTE_SUFFIX,   /* L3: suffix sum of q*dq - k*dk over the whole sequence */
    GLA_ROUTE_PREFIX,   /* L3': prefix sum from the initial state */
    GLA_ROUTE_ANCHOR,   /* L4: suffix sum inside a chunk, anchored on row(F*S_out); chunkwise only */
    GLA_ROUTE_STRADDLE, /* L5: only terms that cross the boundary; cancellation-free */
    GLA_ROUTE_STRICT,   /* L3 with the i = j pairs left out of both sums */
    GLA_ROUTES
} gla_gate_route;

typedef struct gla_form {
    gla_formulation kind;
    int64_t C, c;      /* chunk and sub-chunk size (chunkwise only) */
    int64_t limit;     /* chunkwise-paired: nats that a channel's gates may add up to in a chunk, beyond it pairs */
    bool materialised; /* chunkwise: all chunk states first, then all outputs; the numbers are the same */
    int64_t split;     /* tokens of a segment (gated/split.c); 0: the sequence is not split */
    gla_gate_route route;
    bool backward; /* also gradients */
    bool factors;  /* recurrent: a fixed decay is e^g as its mechanism forms it, exact where it is a dyadic number, and
                      not the exponential of its logarithm: for the truth (compare/truth_climb.c) */
} gla_form;

extern const char *const gla_formulation_names[GLA_FORMULATIONS]; /* recurrent parallel parallel-naive ... */
extern const gla_choice gla_formulation_choices[]; /* as gla_form_parse takes them, in the order of the enum */
extern const gla_choice gla_route_choices[];
extern const char *const gla_route_names[GLA_ROUTES]; /* default direct suffix ... */

/* "recurrent" | "parallel" | "parallel-naive" | "chunkwise[:C[:c]]" | "chunkwise-centred[:C[:c]]" |
 * "chunkwise-paired[:C[:LIMIT]]" | "chunkwise-factored[:C]", then any of
 * "+materialised", "+split:L", "+ROUTE" (e.g. "chunkwise:64:16+anchor"). Defaults: C = 64, c = 16, LIMIT = 76, not
 * materialised. */
gla_status gla_form_parse(const char *text, gla_form *form, gla_error *err);
/* Can this formulation form the gate gradient by this route? */
bool gla_route_available(gla_formulation kind, gla_gate_route route);
/* The inverse of gla_form_parse; writes at most size bytes. */
void gla_form_print(const gla_form *form, char *text, size_t size);

/* ---- mechanisms ---- */

typedef struct gla_result gla_result;
struct gla_mechanism {
    const char *name;     /* "gla" */
    const char *equation; /* one line */
    unsigned inputs;      /* bit (1u << gla_input) for those it takes */
    unsigned outputs;     /* bit (1u << gla_output) */
    bool gate_per_head;   /* g and dg are [B,T,h,1], one gate for all key channels of a head */
    /* Fixed decays, else NULL: the schedules by name, the usual one first, and the log decay of the problem's head h,
     * made in the number system of g [1,1]. */
    const gla_choice *schedules;
    void (*log_decay)(const gla_problem *p, int64_t h, struct gla_matrix g);
    void (*decay)(const gla_problem *p, int64_t h, struct gla_matrix alpha); /* e^g itself; NULL: no better way */
    gla_status (*run)(const gla_problem *p, const gla_form *form, gla_numbers *numbers, gla_result *result,
                      gla_error *err);
};

extern const gla_mechanism *const gla_mechanisms[];         /* NULL-terminated */
const gla_mechanism *gla_mechanism_named(const char *name); /* or NULL */
const gla_mechanism *gla_mechanism_of(const gla_problem *p);

/* "NAME[:SCHEDULE[:l/L]][@h/H]" into p->mechanism and p->decay, and back (at most size bytes): "retention",
 * "lightning:linear:3/24", "retention@2/4" (a problem that begins with the third of four heads). Errors:
 * GLA_UNKNOWN_NAME, with the names there are. */
gla_status gla_mechanism_parse(const char *text, gla_problem *p, gla_error *err);
void gla_mechanism_print(const gla_problem *p, char *text, size_t size);

/* ---- running ---- */

struct gla_result {
    gla_numbers *numbers; /* not owned */
    struct {
        void *at; /* numbers, dense row-major in shape[]; NULL = not produced */
        int64_t shape[4];
        int64_t count;
    } tensor[GLA_OUTPUTS];
};

/* Run every sequence and head of the problem as its mechanism says. The result belongs to the caller (gla_result_free),
 * also on failure. Precondition: gla_problem_check. Errors: GLA_UNSUPPORTED (route not available for the form),
 * GLA_NO_MEMORY. */
gla_status gla_run(const gla_problem *p, const gla_form *form, gla_numbers *numbers, gla_result *result,
                   gla_error *err);
double gla_result_d(const gla_result *r, gla_output name, int64_t index);       /* nearest binary64 */
const void *gla_result_at(const gla_result *r, gla_output name, int64_t index); /* the number itself */
void gla_result_free(gla_result *r);

#endif
