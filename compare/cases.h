/* SPDX-License-Identifier: Apache-2.0
 *
 * Generators of problems, by family. A family is chosen for what it makes fail; its flags say so by name.
 *
 *     gla_case_spec spec = {.family = "reset", .backward = true, .seed = 7};     0 asks for the default everywhere
 *     gla_generated made;
 *     gla_generate(&spec, &made, &err);
 *     ... made.problem ...
 *     gla_generated_free(&made);
 *
 * Every element is a function of (family, seed, tensor, index) alone, by Philox and without libm: a case is the same
 * bits on every machine. q k v do and what else is plain values over tokens are rounded to spec.dtype, gates, weights
 * and states to binary32, all to nearest even, so a kernel of that dtype receives exactly the problem that the truth is
 * computed for.
 *
 * Families:  cases_families.c (the table), cases_values.c (their values), cases_inputs.c (those of
 * inputs that only some mechanisms have), cases_flags.c (what the flags mean).
 */
#ifndef GLASSBOX_CASES_H
#define GLASSBOX_CASES_H

#include <stddef.h>

#include "../reference/glassbox.h"
#include "../reference/number/format.h"
#include "draw.h"

typedef struct gla_case_spec {
    const char *family;
    const char *mechanism;   /* as gla_mechanism_parse takes it; NULL: gla. Inputs that it has not are left out */
    int64_t B, T, H, dk, dv; /* 0: the family's own, mostly 1, 67, 3, 20, 24 */
    int64_t Hk;              /* heads of k and gk, a divisor of H. 0: H */
    int64_t M;               /* slots, where the mechanism has them. 0: 7 */
    bool gv;                 /* value gates too */
    bool initial_state;
    bool varlen;   /* cu_seqlens with empty, length-1 and ragged segments; needs B = 1 */
    bool backward; /* do and dfinal_state too */
    bool no_do;    /* of these, dfinal_state alone */
    bool reverse;
    uint64_t seed;
    const gla_format *dtype; /* of plain values over tokens. NULL: bf16 */
} gla_case_spec;

/* "reset-B1-T67-H3-dk20-dv24-bf16-backward-seed7": no two specs share one. */
typedef char gla_case_label[128];

typedef struct gla_generated {
    gla_problem problem;        /* points into what follows */
    gla_case_spec spec;         /* as asked, with the defaults filled in */
    double *tensor[GLA_INPUTS]; /* dense; NULL: absent */
    int64_t count[GLA_INPUTS];
    int64_t *cu_seqlens;
    gla_case_label name;
} gla_generated;

/* One element on its way to its value. at[] is [b,t,h,i], for states [n,h,i,j]; of the tensor's shape[]. */
typedef struct gla_element {
    const gla_case_spec *spec;
    const gla_problem *problem; /* its mechanism and settings */
    gla_input tensor;
    gla_draw draw;
    int64_t at[4], shape[4];
} gla_element;

typedef struct gla_family {
    const char *name;
    const char *flags;                            /* names of gla_flags, with spaces between */
    const char *failure;                          /* what it means when a candidate fails here: one sentence */
    int64_t T;                                    /* default; 0: 67 */
    bool varlen;                                  /* always packed */
    void (*shape)(gla_case_spec *s);              /* its own defaults for sizes that are 0, and switches; or NULL */
    double (*scale)(const gla_case_spec *s);      /* NULL: the default, dk^(-1/2) */
    int64_t (*segment)(uint64_t seed, int64_t n); /* length of packed sequence n; NULL: the usual mixture */
    double (*value)(const gla_element *e);        /* of q k v do and states */
    double (*gate)(const gla_element *e);         /* of gk gv, and what f is made to be */
    double (*rate)(const gla_element *e);         /* of beta; NULL: in (0,1), evenly */
} gla_family;

extern const gla_family gla_families[];               /* ends with a NULL name */
const gla_family *gla_family_named(const char *name); /* or NULL */

/* Has the family something to show of this mechanism? One about gates has not where there are none, or where channels
 * share one that it lets differ; one in which nothing rounds has not where a fixed decay rounds. */
bool gla_family_fits(const gla_family *family, const gla_mechanism *m);

/* The spec with its defaults filled in, and its name. Errors: GLA_UNKNOWN_NAME, GLA_BAD_SHAPE, GLA_UNSUPPORTED (the
 * family does not fit the mechanism). */
gla_status gla_case_complete(gla_case_spec *spec, gla_case_label name, gla_error *err);

/* Errors: GLA_UNKNOWN_NAME, GLA_BAD_SHAPE, GLA_NO_MEMORY; *out is then empty and needs no freeing. */
gla_status gla_generate(const gla_case_spec *spec, gla_generated *out, gla_error *err);
void gla_generated_free(gla_generated *g);

/* Is it in binary32 whatever the type of q: states, gates, rates, weights? */
bool gla_is_wide_input(gla_input name);
/* Has the mechanism an axis of slots? */
bool gla_has_slots(const gla_mechanism *m);

/* A small shape that is awkward for chunks of C: T among 1, C-1, C, C+1, 2C+1 ...; odd sizes; dk != dv; shared heads,
 * value gates, states, packing and reversal at random. The family is `family`, the seed `seed`. Needs C >= 1. */
gla_case_spec gla_random_shape(const char *family, uint64_t seed, int64_t C);

/* A flag names one thing that a kernel can get wrong, and stays the same for ever. */
typedef struct gla_flag {
    const char *name, *meaning;
} gla_flag;
extern const gla_flag gla_flags[];                /* ends with a NULL name */
const gla_flag *gla_flag_named(const char *name); /* or NULL */

/* The flags of a case (its spec as in gla_generated): its family's, then those of its shape and of the inputs it has.
 * Names with spaces between, no name twice; returns text. */
typedef char gla_flag_text[256];
const char *gla_case_flags(const gla_case_spec *spec, gla_flag_text text);

#endif
