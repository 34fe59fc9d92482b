/* SPDX-License-Identifier: Apache-2.0
 *
 * One sequence of one head inside the kernel of chunk_kernel.h; its forward and backward are two files.
 */
#ifndef GLASSBOX_CHUNK_SLICE_H
#define GLASSBOX_CHUNK_SLICE_H

#include "../../reference/slice.h"
#include "chunk_kernel.h"

enum { CHUNK = 64, SUBCHUNK = 16, WIDTH = 64 };

typedef float row[WIDTH];
typedef row state[WIDTH]; /* [dk,dv] */

typedef struct slice {
    const gla_problem *p;
    mutant fault;
    const gla_format *dtype;
    const gla_format *operand, *site; /* of products inside a chunk; of announced operands. NULL: float */
    gla_rounding operand_rounding, site_rounding;
    gla_sequence sequence;
    int64_t h;
    int T, dk, dv, chunks;
    float s;
    bool valued;                   /* there are value gates */
    row *q, *k, *v, *g, *gv, *d_o; /* [T,.], tokens in the order of the recurrence */
    row *o, *dq, *dk_, *dv_, *dg, *dgv;
    state *S;   /* [chunks+1]: those between the chunks; the last is final_state */
    state F;    /* the adjoint of the state that leaves the chunk; in the end dinitial_state */
    float *end; /* [dk] row(F*S) at the end of the sequence, as dg wants it */
} slice;

/* The gates of one axis in a chunk. */
typedef struct gates {
    bool open;                /* there are none: every decay is 1 */
    row sum[CHUNK];           /* cumulative log gates since the chunk's start or the last reset */
    int resets[CHUNK][WIDTH]; /* gates of -inf so far */
} gates;

/* Tokens first .. first+m-1, their gates, and the operands that forward and backward share. */
typedef struct chunk {
    int first, m;
    gates key, value;
    row Qt[CHUNK], Kh[CHUNK]; /* s q e^Gamma, k e^(Gamma_m - Gamma), rounded */
    row Vh[CHUNK];            /* v e^(Eps_m - Eps) with the value gates, rounded */
    float P[CHUNK][CHUNK];    /* scores, rounded */
} chunk;

static inline bool has(const slice *x, mutant fault) { return x->fault == fault; }

/* x in the given format; NULL is float. */
float chunk_round(const gla_format *f, gla_rounding r, float x);
/* As an operand of a product inside a chunk; as an announced operand, which the given fault (or M_NONE) would cut. */
float chunk_operand(const slice *x, float a);
float chunk_site(const slice *x, float a, mutant truncating);

void chunk_open(const slice *x, int index, chunk *u);

/* e^(Gamma_r - Gamma_i): what is left after token r of what was written at token i; i = -1: of what entered. */
float chunk_decay(const slice *x, const gates *g, int r, int i, int d);
/* e^Eps_r on the way out of what entered, by the value gates. */
float chunk_value_read(const slice *x, const chunk *u, int r, int j);

/* The same in two factors with exponents <= 0, through an anchor row of r's sub-chunk (of i's: to_writer). Inside a
 * sub-chunk the first is 1. */
typedef struct factors {
    float reader, writer;
} factors;
factors chunk_factors(const slice *x, const gates *g, int r, int i, int d, bool to_writer);

/* An operand of a product between tokens r and i: rounded between sub-chunks, where it is one of a matrix product. */
float chunk_paired(const slice *x, int r, int i, float a);

void chunk_forward(slice *x, chunk *u);
void chunk_backward(slice *x, chunk *u);

#endif
