/* SPDX-License-Identifier: Apache-2.0
 *
 * From a problem to one sequence of one head and back: which tokens, in which order, from which tensor head.
 */
#ifndef GLASSBOX_SLICE_H
#define GLASSBOX_SLICE_H

#include "glassbox.h"

/* One sequence: `length` tokens of batch b from `start`; slot n of the states. */
typedef struct gla_sequence {
    int64_t b, start, length, n;
    bool reverse;
} gla_sequence;

gla_sequence gla_sequence_at(const gla_problem *p, int64_t n);

/* Token t of the recurrence (0 .. length-1) as a position in the tensors. */
int64_t gla_token(const gla_sequence *s, int64_t t);

/* Which head of a tensor with `heads` heads serves head h of the problem. */
int64_t gla_head(const gla_problem *p, int64_t heads, int64_t h);

/* Elements x[b, token t, head of h, i] and state x[n, head of h, i, j]. */
double gla_tensor_token(const gla_problem *p, const gla_tensor *x, const gla_sequence *s, int64_t h, int64_t t,
                        int64_t i);
double gla_tensor_state(const gla_problem *p, const gla_tensor *x, const gla_sequence *s, int64_t h, int64_t i,
                        int64_t j);

/* Index of the same elements in a dense output of the given shape [B,T,heads,D] or [N,heads,dk,dv]. */
int64_t gla_index_token(const gla_problem *p, const int64_t shape[4], const gla_sequence *s, int64_t h, int64_t t,
                        int64_t i);
int64_t gla_index_state(const gla_problem *p, const int64_t shape[4], const gla_sequence *s, int64_t h, int64_t i,
                        int64_t j);

/* One sequence and `heads` neighbouring heads from `head` as a problem of its own, in the caller's memory. Units of
 * gla_unit_sequences and gla_unit_heads are independent: their parts make up the whole, in outputs and gradients alike.
 * Where a weight ties the sequences together there is one unit of them all, and its part has n = 0. */
typedef struct gla_part {
    gla_problem problem; /* N = B = 1, T the sequence's length (0 if it is empty); of all sequences: as in the whole */
    gla_sequence sequence; /* of all sequences: the first, where the whole begins */
    int64_t head;
} gla_part;

gla_part gla_part_of(const gla_problem *p, int64_t n, int64_t head, int64_t heads);

/* How many sequences share a weight, whose gradient is a sum over them: 1, or all N. */
int64_t gla_unit_sequences(const gla_problem *p);
/* The smallest number of neighbouring heads that shares no tensor with other heads; divides H. */
int64_t gla_unit_heads(const gla_problem *p);

/* Where element `index` of a part's output lies in the whole problem's. */
int64_t gla_part_to_whole(const gla_part *part, const gla_problem *p, gla_output name, int64_t index);

/* The scale in force: p->scale, or the mechanism's usual one, 1 or binary64 nearest to dk^(-1/2). */
double gla_scale_of(const gla_problem *p);

#endif
