/* SPDX-License-Identifier: Apache-2.0
 *
 * Kernels with one fault for the diagnosis to name, beyond those of mutants.h: another problem computed right, or the
 * right outputs spoiled, at the precision of the declared profile (compare/emulate.h).
 *
 *     wrong_bench bench;
 *     wrong_open(&wrong_kernels[i], "mild", &gla_bf16, 1, &bench, &err);      case, truth, outputs of the wrong kernel
 *     wrong_diagnose(&bench, &diagnosis, &err);
 *     wrong_close(&bench);
 *
 * A fault is made here from its description alone; nothing is taken from compare/diagnose*.c but the answer.
 */
#ifndef GLASSBOX_WRONG_BENCH_H
#define GLASSBOX_WRONG_BENCH_H

#include "../../compare/cases.h"
#include "../../compare/diagnose.h"
#include "chunk_kernel.h"

enum { WRONG_KEPT = 64 };

typedef struct wrong_bench {
    const gla_format *dtype;
    const gla_profile *profile;
    uint64_t seed;
    gla_generated made;
    gla_truth truth;
    gla_candidate candidate;
    gla_judgement judgement;
    double *output[GLA_OUTPUTS]; /* of the kernel, dense; NULL: no such output */
    void *kept[WRONG_KEPT];      /* inputs that were altered, freed with the bench */
    int held;
} wrong_bench;

/* A fault: fills bench->output; starts from those of the right kernel. False: no memory. */
typedef bool wrong_way(wrong_bench *b, int variant);

typedef struct wrong_kernel {
    const char *name;
    const char *causes; /* that are right, with spaces between; "-" stands for "no known cause fits", "profile" for a
                           fault so small that a looser profile allows it: to be told so is right */
    const char *said;   /* part of the sentence; NULL: any */
    mutant fault;       /* of the kernel of mutants.h; M_NONE: `way` spoils the right one, unless that is NULL */
    wrong_way *way;
    int variant;
    const char *families; /* with spaces between; "" = "mild strong" */
    gla_case_spec spec;   /* the bench adds what is 0: backward, initial states, dk 8, dv 12 */
    double scale;         /* 0: the default */
    const char *dtype;    /* "bf16", "f32", "f16": only this; NULL: bf16 and f32 */
    unsigned only;        /* outputs under test, bit mask; 0: all */
    const char *profile;  /* declared; NULL: the dtype's own */
} wrong_kernel;

extern const wrong_kernel wrong_kernels[]; /* wrong_table.c; ends with a NULL name */

gla_status wrong_open(const wrong_kernel *w, const char *family, const gla_format *dtype, uint64_t seed,
                      wrong_bench *bench, gla_error *err);
/* Judges and, if it fails, diagnoses. */
gla_status wrong_diagnose(wrong_bench *bench, gla_diagnosis *out, gla_error *err);
void wrong_close(wrong_bench *bench);

/* ---- for the faults ---- */

/* The outputs of a right kernel for p; false without memory. NULL: all are taken. */
bool wrong_run(wrong_bench *b, const gla_problem *p, const gla_profile *profile, double *value[GLA_OUTPUTS]);
/* The same into bench->output, where p has the shapes of the case. */
bool wrong_outputs(wrong_bench *b, const gla_problem *p);
/* A copy of an input to write in, already part of p; NULL: absent or no memory. */
double *wrong_edit(wrong_bench *b, gla_problem *p, gla_input name);
double *wrong_room(wrong_bench *b, int64_t count); /* zeros, freed with the bench */
int64_t wrong_count(const gla_problem *p, gla_input name);

wrong_way wrong_scale, wrong_drop, wrong_decay, wrong_gates, wrong_gate_shift, wrong_write_first, wrong_swap,
    wrong_head, wrong_sequence, wrong_modulo, wrong_axes, wrong_memory, wrong_direction, wrong_boundaries, wrong_token,
    wrong_profile; /* wrong_problems.c */
wrong_way wrong_fill, wrong_copy, wrong_shift, wrong_factor, wrong_place, wrong_gate_gradient, wrong_part, wrong_store,
    wrong_noise;                                     /* wrong_outputs.c */
wrong_way wrong_chunks;                              /* wrong_chunks.c */
wrong_way wrong_loop, wrong_growth, wrong_too_large; /* wrong_loop.c */

#endif
