/* SPDX-License-Identifier: Apache-2.0
 *
 * What a mechanism's `slice` works in: one sequence of one head, its inputs as matrices of the number system, its
 * outputs added to the result.
 *
 *     static void slice(const gla_slice_io *io, const gla_form *form) {
 *         gla_matrix q = gla_load(io, GLA_IN_Q);      [T,dk], in the order of the recurrence
 *         ...
 *         gla_store(io, GLA_O, o);                    [T,dv]
 *     }
 *
 * Matrices live until the slice returns. Tokens are rows: [T,D]; states [dk,dv], [dk,1], [1,1] and so on as their axes
 * say; weights [1,D].
 */
#ifndef GLASSBOX_RUN_H
#define GLASSBOX_RUN_H

#include "glassbox.h"
#include "slice.h"
#include "verbs.h"

typedef struct gla_slice_io {
    gla_numbers *in;
    const gla_problem *p;
    gla_result *result;
    gla_sequence sequence;
    int64_t head;
    size_t T, dk, dv, M;
} gla_slice_io;

gla_matrix gla_load(const gla_slice_io *io, gla_input name);         /* absent if the input is */
gla_matrix gla_load_or_zero(const gla_slice_io *io, gla_input name); /* zeros if the input is absent */

/* The scale in force [1,1], its rounding announced. */
gla_matrix gla_load_scale(const gla_slice_io *io);

/* Adds the matrix to the slice's place in the result; an absent matrix or output: nothing. Heads that share a tensor
 * add up in their order, and so do heads and sequences that share a weight. Once per output and slice. */
void gla_store(const gla_slice_io *io, gla_output name, gla_matrix x);

#endif
