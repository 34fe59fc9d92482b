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

#include "mechanism.h"
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

/* A switch of a mechanism as the problem has it; not given: as usual. */
typedef struct gla_setting_of {
    bool given;
    double value; /* the index of a value, or a number */
} gla_setting_of;

typedef struct gla_problem {
    const gla_mechanism *mechanism; /* NULL: gla */
    gla_fixed_decay decay;          /* of mechanisms with a fixed decay */
    int64_t B, T, H, dk, dv;
    int64_t N;                 /* sequences: B, or the number of segments when cu_seqlens is given (then B = 1) */
    const int64_t *cu_seqlens; /* NULL, or N+1 ascending offsets 0 .. T; empty segments allowed */
    double scale;              /* multiplies q; 0: the usual one, binary64 nearest to dk^(-1/2) or the mechanism's 1 */
    bool reverse;              /* run every sequence from its last token to its first */
    gla_tensor q, k, v;        /* [B,T,h,dk] [B,T,h,dk] [B,T,h,dv] */
    gla_tensor gk, gv;         /* log gates [B,T,h,dk], [B,T,h,dv]; absent = 0 (no decay). -inf = exact reset.
                                  gk of a mechanism with a gate per head: [B,T,h,1], stride[3] is not looked at */
    gla_tensor initial_state;  /* [N,h,dk,dv]; absent = 0 */
    gla_tensor d_o;            /* [B,T,h,dv] gradient of o; absent = 0 */
    gla_tensor d_final_state;  /* [N,h,dk,dv]; absent = 0 */

    /* The rest of the table (inputs.h), for the mechanisms that take them. Tensors of one column are [B,T,h,1],
     * weights [1,1,h,D] with strides that are not looked at over b and t. */
    int64_t M; /* slots; 0 where the mechanism has none */
    gla_setting_of setting[GLA_SWITCHES];
    gla_tensor beta, i, f, initial_n, initial_m, d_final_n, u, lower_bound, dt, A_log, D, dt_bias, z, s, initial_keys,
        d_final_keys;
} gla_problem;

/* Does this problem have this output, forward alone or with gradients? The gradient of an optional input only with it.
 */
bool gla_has_output(const gla_problem *p, bool backward, gla_output name);

/* The tensor of an input; the shape [4] that input or output has in this problem. */
gla_tensor *gla_problem_input(gla_problem *p, gla_input name);
void gla_input_shape(const gla_problem *p, gla_input name, int64_t shape[4]);
void gla_output_shape(const gla_problem *p, gla_output name, int64_t shape[4]);

/* The same tensor as it acts on every token and channel: a weight has stride 0 over b and t, what there is one of per
 * head (a gate, beta) stride 0 over the channels. */
gla_tensor gla_acting_input(const gla_problem *p, gla_input name);

/* Point `x` at dense row-major data of the given head count (the usual case). */
void gla_tensor_dense(gla_tensor *x, const double *at, int64_t tokens, int64_t heads, int64_t rows, int64_t cols);

/* Everything the contract asks: no input that the mechanism does not take and none missing, sizes positive and below
 * 2^31 elements, cu_seqlens ascending, values as their kind says (inputs.h; g <= 0 unless allow_growth), and what the
 * mechanism itself asks. The error names the tensor and the first offending index [b,t,h,i]. T = 0 is refused. */
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

/* How the delta rule's mechanisms come by the pseudo-values of a chunk (reference/delta). */
typedef enum gla_solver {
    GLA_SOLVE,      /* forward substitution; back through the transposed system */
    GLA_UT,         /* the UT transform: an inverse by rows, then products; back through the inverse */
    GLA_UT_BLOCKED, /* the same, the inverse by blocks of c */
    GLA_UT_PRODUCT, /* the same, (I-L)(I+L^2)(I+L^4)...: UNSAFE, kept to be seen failing on equal keys */
    GLA_SOLVERS
} gla_solver;

typedef struct gla_form {
    gla_formulation kind;
    int64_t C, c;      /* chunk and sub-chunk size (chunkwise only) */
    int64_t limit;     /* chunkwise-paired: nats that a channel's gates may add up to in a chunk, beyond it pairs */
    bool materialised; /* chunkwise: all chunk states first, then all outputs; the numbers are the same */
    bool precise;      /* chunkwise-centred, chunkwise-paired: operands within a chunk in two parts (gated/operand.h) */
    int64_t split;     /* tokens of a segment (gated/split.c); 0: the sequence is not split */
    gla_gate_route route;
    gla_solver solver; /* delta rule, all but recurrent; ut-blocked in chunks */
    bool bounded;      /* delta rule, a gate per channel: the scores of a diagonal sub-block by one anchor amid it:
                          UNSAFE unless c |g| / 2 stays below ln(max) */
    bool backward;     /* also gradients */
    bool factors; /* recurrent: a fixed decay is e^g as its mechanism forms it, exact where it is a dyadic number, and
                     not the exponential of its logarithm: for the truth (compare/truth_climb.c) */
} gla_form;

extern const char *const gla_formulation_names[GLA_FORMULATIONS]; /* recurrent parallel parallel-naive ... */
extern const gla_choice gla_formulation_choices[]; /* as gla_form_parse takes them, in the order of the enum */
extern const gla_choice gla_route_choices[];
extern const char *const gla_route_names[GLA_ROUTES];   /* default direct suffix ... */
extern const char *const gla_solver_names[GLA_SOLVERS]; /* solve ut ut-blocked ut-product */
extern const gla_choice gla_solver_choices[];

/* "recurrent" | "parallel" | "parallel-naive" | "chunkwise[:C[:c]]" | "chunkwise-centred[:C[:c]]" |
 * "chunkwise-paired[:C[:LIMIT]]" | "chunkwise-factored[:C]", then any of
 * "+materialised", "+precise", "+split:L", "+SOLVER", "+bounded", "+ROUTE" (e.g. "chunkwise:64:16+anchor"). Defaults:
 * C = 64, c = 16, LIMIT = 76, not materialised, not precise. */
gla_status gla_form_parse(const char *text, gla_form *form, gla_error *err);
/* Can the gated core form the gate gradient by this route in this formulation? */
bool gla_route_available(gla_formulation kind, gla_gate_route route);
/* Has the problem's mechanism this form (a route counts in backward only)? */
bool gla_form_available(const gla_problem *p, const gla_form *form);
/* The inverse of gla_form_parse; writes at most size bytes. */
void gla_form_print(const gla_form *form, char *text, size_t size);

/* ---- running ---- */

typedef struct gla_result {
    gla_numbers *numbers; /* not owned */
    struct {
        void *at; /* numbers, dense row-major in shape[]; NULL = not produced */
        int64_t shape[4];
        int64_t count;
    } tensor[GLA_OUTPUTS];
} gla_result;

/* Run every sequence and head of the problem as its mechanism says. The result belongs to the caller (gla_result_free),
 * also on failure. Precondition: gla_problem_check. Errors: GLA_UNSUPPORTED (a form that the mechanism does not have),
 * GLA_NO_MEMORY. */
gla_status gla_run(const gla_problem *p, const gla_form *form, gla_numbers *numbers, gla_result *result,
                   gla_error *err);
double gla_result_d(const gla_result *r, gla_output name, int64_t index);       /* nearest binary64 */
const void *gla_result_at(const gla_result *r, gla_output name, int64_t index); /* the number itself */
void gla_result_free(gla_result *r);

#endif
