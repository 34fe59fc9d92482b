/* SPDX-License-Identifier: Apache-2.0
 *
 * A sequence in chunks: forward with the state, back with its adjoint. What a chunk does is the formulation's; which
 * states are kept, and how the others come again, is here.
 *
 *     forward   S = S_0 ; for every chunk: cross, forward ; cross once more ; S_T = S
 *     back      F = dS_T ; cross ; for every chunk from the last: back with the S that entered it, cross ; dS_0 = F
 * A backward keeps every sqrt(count)-th entering state and writes the chunks from there again. Materialised: every
 * state is kept before any output is made; the same calls in the same order, the numbers are identical.
 */
#ifndef GLASSBOX_GATED_WALK_H
#define GLASSBOX_GATED_WALK_H

#include "gated.h"

/* A formulation's own walk begins with this. */
typedef struct gated_walk gated_walk;
struct gated_walk {
    const gated_slice *x;
    size_t count; /* of chunks */
    bool backward, materialised;
    /* S from chunk index - 1 into chunk index; from the start for 0, to the end for count. NULL: as it is. */
    void (*cross)(const gated_walk *w, size_t index, gla_matrix S);
    void (*forward)(const gated_walk *w, size_t index, gla_matrix S);            /* outputs; S becomes what leaves */
    void (*write)(const gated_walk *w, size_t index, gla_matrix S);              /* S alone */
    void (*read)(const gated_walk *w, size_t index, gla_matrix S);               /* outputs alone: materialised */
    void (*back)(const gated_walk *w, size_t index, gla_matrix S, gla_matrix F); /* gradients; F becomes what enters */
};

/* x's o S_T and, backward, its gradients and dS_0. What a call makes is released after it. */
void gated_walk_run(const gated_walk *w);

#endif
