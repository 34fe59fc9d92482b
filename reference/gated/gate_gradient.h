/* SPDX-License-Identifier: Apache-2.0
 *
 * The gradient of the log gates by every route but the direct one (which lives in recurrent.c, where R and Z are).
 *
 * For the key gate the "reader" is q with its gradient dq, the "writer" is k with dk; for the value gate the reader is
 * o with do, the writer v with dv. With d_i = reader_i*dreader_i - writer_i*dwriter_i, [T,D] elementwise:
 *     suffix (L3)     dg_t = end + sum_{i>=t} d_i            end   = row(dS_fin*S_T) or col(...)
 *     prefix (L3')    dg_t = start - sum_{i<t} d_i           start = row(S_0*dS_0) or col(...)
 *     anchor (L4)     suffix inside a chunk, end = row(F*S_out)
 *     strict          suffix with the i = j pairs left out of both gradients: they cancel exactly in the mathematics
 *                     and swamp the result in arithmetic once the decay is strong
 *     straddle (L5)   every term that crosses the boundary between t-1 and t, nothing else: no cancellation
 * A gate that all channels share has dg [T,1], the sum over channels: d, end and start are then summed over channels
 * first, as a kernel does, so that rounding errors of different channels meet before those of different tokens.
 * Hazard: suffix, prefix and anchor subtract O(1) numbers to get something proportional to alpha_t; with g = -10 in
 * binary32 they lose 2 digits of 7 already at T = 64 and all of them from g = -20.
 */
#ifndef GLASSBOX_GATE_GRADIENT_H
#define GLASSBOX_GATE_GRADIENT_H

#include "gated.h"

/* Both sides of d; all [T,D]. */
typedef struct gated_roles {
    gla_matrix reader, dreader, writer, dwriter;
} gated_roles;

/* dg [T,D] from d and the end term [1,D]. */
void gate_gradient_suffix(gla_matrix dg, gated_roles x, gla_matrix end);
/* dg [T,D] from d and the start term [1,D]. */
void gate_gradient_prefix(gla_matrix dg, gated_roles x, gla_matrix start);

/* dg_r += sum_{i<r<=j} W_ji reader_j * writer_i * decay(j,i), channelwise; W [m,m] lower. */
void gate_gradient_straddling_pairs(gla_matrix dg, gla_matrix W, gla_matrix reader, gla_matrix writer, gla_gates gates);
/* dg_r += through + sum_{i<r} writer_i*dwriter_i + sum_{j>=r} reader_j*dreader_j, the terms that enter or leave the
 * chunk through its states; through [1,D] is row(D*S*F). */
void gate_gradient_straddling_states(gla_matrix dg, gated_roles inter, gla_matrix through);

/* The routes over the whole sequence (suffix, prefix, strict) for both gates of a slice whose other gradients stand;
 * does nothing for the other routes. */
void gate_gradient_identity(const gated_slice *x, gla_gate_route route, gated_roles key, gated_roles value);

/* end [1,D] = row(A*B) of [D,.] matrices. */
gla_matrix gate_gradient_boundary(gla_matrix A, gla_matrix B);

/* x [T,D] itself where cols is D; where cols is 1, the sums over channels [T,1]. */
gla_matrix gate_gradient_shared(gla_matrix x, size_t cols);

#endif
