/* SPDX-License-Identifier: Apache-2.0
 *
 * A number system: the arithmetic that a formulation is handed.
 *
 * A formulation (recurrent, parallel, chunkwise) is written once over matrix verbs; a verb is written once over the
 * dozen operations below; a number system supplies them. So the same source gives binary64 results, MPFR truth, an
 * interval proof, a bf16 experiment, an exact derivative, an operation count or a trace.
 *
 * A number is `size` bytes of the system's own making, reached through void pointers. Aliasing of results with
 * operands is always allowed. Each operation rounds once, by the system's own rule, unless its file says otherwise.
 *
 * A system is opened by name and serves the thread that opened it. Opening one sets that thread's MPFR exponent range
 * to the widest (code that emulates a narrow range with mpfr_subnormalize sets its own):
 *     binary64  binary32                        IEEE, round to nearest even
 *     mpfr:P                                    P bits, round to nearest even, unbounded exponent
 *     interval:P                                enclosures [lo, hi] with P-bit ends, outward rounding
 *     bf16 f16 tf32 e4m3 e5m2                   narrow formats; every operation rounds
 *     format:p:emin:emax                        any precision 1..53 and exponent range within binary64's
 *         all narrow ones: /rn /rz /ru /rd /ra (ties away) /ro (to odd) /sr:SEED (stochastic), e.g. bf16/rz
 *     mixed:FORMAT                              binary32 with the operands of matrix products rounded to FORMAT
 *     dual:P                                    value and one directional derivative, each mpfr:P
 *     counter                                   binary64 that counts operations
 *     recorder:NAME                             any of the others, remembering every operation
 */
#ifndef GLASSBOX_NUMBER_H
#define GLASSBOX_NUMBER_H

#include <mpfr.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../status.h"

typedef struct gla_numbers gla_numbers;
struct gla_matrix; /* verbs.h */

/* Where a mixed-precision kernel may round: the names a profile (compare/profiles.c) gives formats to. A formulation
 * announces each site; ordinary number systems do nothing there. */
typedef enum gla_site {
    GLA_SITE_SCALE,        /* the scale as the kernel holds it: one rounding, shared by all results */
    GLA_SITE_GATE_SUM,     /* Gamma, Eps: cumulative log gates. Their errors are shared by many terms */
    GLA_SITE_Q_DECAYED,    /* q * e^Gamma, operand of the inter-chunk product */
    GLA_SITE_K_DECAYED,    /* k * e^(Gamma_m - Gamma), operand of the state update */
    GLA_SITE_V_DECAYED,    /* v * e^(Eps_m - Eps), operand of the state update */
    GLA_SITE_STATE_READ,   /* S as operand of a product */
    GLA_SITE_STATE,        /* S as it is carried from step to step */
    GLA_SITE_SCORE,        /* P as operand of P V */
    GLA_SITE_DSTATE_READ,  /* F, the adjoint of S, as operand of a product */
    GLA_SITE_DSTATE,       /* F as it is carried */
    GLA_SITE_DSCORE,       /* dP as operand of dP K and dP^T Q */
    GLA_SITE_GATE_TERM,    /* q*dq - k*dk before it is summed: errors of neighbours are correlated from here on */
    GLA_SITE_OUTPUT,       /* a result as it is written: o dq dk dv */
    GLA_SITE_OUTPUT_WIDE,  /* a result usually kept wide: states, their gradients, dg */
    GLA_SITE_BETA_OPERAND, /* delta rule: beta k, beta v as operands */
    GLA_SITE_INVERSE,      /* X = (I+L)^-1 as it is stored */
    GLA_SITE_WY,           /* W and U0 as they are stored; back: dW */
    GLA_SITE_PSEUDO,       /* U, the pseudo-values, as they are stored */
    GLA_SITE_DPSEUDO,      /* dU as it is stored */
    GLA_SITE_PART,         /* a part of a gradient, written by one kernel and added to by the next */
    GLA_SITE_LOGIT,        /* softmax: a logit less the largest, of which e^x is no decay */
    GLA_SITE_PROBABILITY,  /* gsa: a weight of the softmax as it is stored, in [0,1] */
    GLA_SITE_NORMALISER,   /* the gradient of a denominator (denominator.h): one error enters it three times */
    GLA_SITES
} gla_site;

extern const char *const gla_site_names[GLA_SITES];

struct gla_number_ops {
    void (*init)(gla_numbers *n, void *x); /* raw memory becomes a number of value 0 */
    void (*clear)(gla_numbers *n, void *x);
    void (*set)(gla_numbers *n, void *z, const void *x);
    void (*set_d)(gla_numbers *n, void *z, double x);          /* x rounded into the system */
    double (*get_d)(gla_numbers *n, const void *x);            /* nearest binary64 of the value (interval: midpoint) */
    void (*get_mpfr)(gla_numbers *n, mpfr_t z, const void *x); /* the value, rounded to z's precision */
    void (*add)(gla_numbers *n, void *z, const void *x, const void *y);
    void (*sub)(gla_numbers *n, void *z, const void *x, const void *y);
    void (*mul)(gla_numbers *n, void *z, const void *x, const void *y);
    void (*fma)(gla_numbers *n, void *z, const void *x, const void *y, const void *w); /* x*y + w, one rounding */
    void (*neg)(gla_numbers *n, void *z, const void *x);
    void (*exp)(gla_numbers *n, void *z, const void *x);                /* exp(-inf) = 0 exactly */
    void (*div)(gla_numbers *n, void *z, const void *x, const void *y); /* x / y, one rounding */
    void (*sqrt)(gla_numbers *n, void *z, const void *x);               /* one rounding; NaN below 0 */
    void (*log1p)(gla_numbers *n, void *z, const void *x);              /* ln(1 + x) */
    void (*expm1)(gla_numbers *n, void *z, const void *x);              /* e^x - 1; -1 exactly at -inf */
    void (*sin)(gla_numbers *n, void *z, const void *x);
    void (*cos)(gla_numbers *n, void *z, const void *x);
    void (*max)(gla_numbers *n, void *z, const void *x, const void *y);   /* the larger, exactly; +0 above -0; NaN if
                                                                             either is */
    void (*above)(gla_numbers *n, void *z, const void *x, const void *y); /* 1 if x > y, else 0; an interval that does
                                                                             not decide is [0, 1] */

    /* Optional (NULL = one dot per element): C += A B. Systems with matrix products of their own (tensor cores), or
     * that prepare each operand once for all its uses, put theirs here; C is neither A nor B. */
    void (*product)(gla_numbers *n, const struct gla_matrix *C, const struct gla_matrix *A, const struct gla_matrix *B);
    /* Optional (NULL = substitution by rows of fma): Y becomes (I+L)^-1 Y, or if back (I+L)^-T Y, L strictly lower; what
     * stands on and above its diagonal is not looked at. For systems in which an error that many rows share must not
     * count as many (error models). */
    void (*solve)(gla_numbers *n, const struct gla_matrix *Y, const struct gla_matrix *L, bool back);
    /* Optional (NULL = the plain loop over fma, ascending): z += sum_i x_i y_i, strides in bytes. Systems in which a
     * dot product is more than a chain of fma (error models) or can be quicker put theirs here. */
    void (*dot)(gla_numbers *n, void *z, const void *x, ptrdiff_t xs, const void *y, ptrdiff_t ys, size_t count);
    bool dot_rounds; /* dot is more than that chain, and a recorder runs it whole */
    /* Optional: z_i = a*x_i + z_i for a row; same numbers as the loop over fma, only quicker. */
    void (*axpy)(gla_numbers *n, void *z, ptrdiff_t zs, const void *a, const void *x, ptrdiff_t xs, size_t count);
    /* Optional: the formulation has reached a rounding site with this number. */
    void (*site)(gla_numbers *n, gla_site site, void *x);
    /* Optional (NULL = hi is x, lo is 0): an operand of two parts at a site, hi as the site rounds x and lo as it
     * rounds what is left, x - hi. hi and lo are neither each other nor x. */
    void (*split)(gla_numbers *n, gla_site site, void *hi, void *lo, const void *x);
    /* Optional: frees what the system itself owns (not the struct). */
    void (*close)(gla_numbers *n);
};

struct gla_numbers {
    const struct gla_number_ops *ops;
    size_t size;             /* bytes of one number */
    char name[64];           /* as opened */
    gla_status status;       /* the first failure of any verb; verbs do nothing once it is set */
    struct gla_arena *arena; /* every matrix made in this system (verbs.c) */
    const char *verb;        /* what is running now, for the recorder: the verb's name ... */
    int64_t token, chunk;    /* ... and the place in the sequence, -1 where it has no meaning */
};

/* What there is to choose from: a name as it is typed, and what it is. A NULL name ends a table. */
typedef struct gla_choice {
    const char *name, *what;
} gla_choice;
extern const gla_choice gla_number_systems[]; /* numbers.c */

/* Open a number system by name. Errors: GLA_UNKNOWN_NAME (text lists the names), GLA_NO_MEMORY. */
gla_status gla_numbers_open(const char *name, gla_numbers **out, gla_error *err);

/* Number systems from outside reference/ (fast/hardware): a family says whether a name is one of its own (false: not)
 * and opens it (*out NULL: no memory). */
typedef struct gla_number_family {
    bool (*open)(const char *name, gla_numbers **out);
    const gla_choice *systems;
} gla_number_family;

/* gla_numbers_open with one family more, also inside recorder:NAME. family NULL: none. */
gla_status gla_numbers_open_with(const char *name, const gla_number_family *family, gla_numbers **out, gla_error *err);
/* Frees the system and every matrix made in it. NULL is allowed. */
void gla_numbers_close(gla_numbers *n);

/* Shared by the implementations: common fields set, name copied, the thread's MPFR exponent range widened. */
void gla_numbers_setup(gla_numbers *n, const struct gla_number_ops *ops, size_t size, const char *name);

/* ---- the systems, one file each; every opener takes its parameters already parsed ---- */

gla_numbers *gla_binary64_open(void);                  /* binary.c; a number is one double */
gla_numbers *gla_binary32_open(void);                  /* binary.c; a number is one float */
gla_numbers *gla_mpfr_open(mpfr_prec_t precision);     /* mpfr.c; a number is one mpfr_t */
gla_numbers *gla_interval_open(mpfr_prec_t precision); /* interval.c; a number is one mpfi_t */
gla_numbers *gla_dual_open(mpfr_prec_t precision);     /* dual.c; a number is two mpfr_t: value, tangent */
gla_numbers *gla_counter_open(void);                   /* counter.c */
gla_numbers *gla_recorder_open(gla_numbers *inner);    /* recorder.c; owns inner from here on, also when it fails */

/* interval.c: the two ends, rounded outward to the precision of lo and hi. */
void gla_interval_ends(gla_numbers *n, mpfr_t lo, mpfr_t hi, const void *x);

/* dual.c: the derivative part. */
void gla_dual_set_tangent(gla_numbers *n, void *x, double tangent);
void gla_dual_get_tangent(gla_numbers *n, mpfr_t z, const void *x);

/* counter.c: what has run since opening (or the last reset). */
struct gla_count {
    uint64_t add, mul, fma, exp; /* operations; sub counts as add, expm1 as exp, neg is free */
    uint64_t div, sqrt;
    uint64_t log, compare; /* log1p counts as log, max and above as compare; sin and cos count as exp */
    uint64_t load, store;  /* numbers that entered (set_d) and left (get_d, get_mpfr) */
};
struct gla_count gla_counter_read(gla_numbers *n);
void gla_counter_reset(gla_numbers *n);

/* recorder.c: the trace. Kept in order; stops growing at `limit` events (default 2^20) and says so. */
struct gla_event {
    const char *verb; /* the verb that ran, e.g. "decay" */
    const char *op; /* "add" "sub" "mul" "fma" "neg" "exp" "div" "sqrt" "log1p" "expm1" "sin" "cos" "max" "above" "set"
                       "site" "split" "product" */
    int64_t token, chunk;   /* where in the sequence */
    double result, x, y, w; /* nearest binary64 of result and operands (unused ones 0); site: y is the gla_site; split:
                               result is hi, y the gla_site, w lo;
                               product (an element of C += A B): x as it was, y how many products were added */
};
struct gla_trace {
    const struct gla_event *events;
    size_t count;
    size_t dropped; /* events beyond the limit */
};
struct gla_trace gla_recorder_trace(gla_numbers *n);
void gla_recorder_limit(gla_numbers *n, size_t limit);
gla_numbers *gla_recorder_inner(gla_numbers *n);

#endif
