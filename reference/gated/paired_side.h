/* SPDX-License-Identifier: Apache-2.0
 *
 * One gated side of a chunk of chunkwise-paired: key (reader s*Q, writer K) or value (reader dO, writer V), [m,D].
 *
 * Gamma_t = Gamma_{t-1} + g_t from the chunk's first token, plain sums in which -inf stays -inf. A channel is strong if
 * not every |Gamma_t| <= limit. With r = Gamma_last / 2 and Delta_t = g_{t+1} + Delta_{t+1}, Delta_last = 0:
 *              into_t           out_t            enter   leave            mid
 *     mild     e^(Gamma_t - r)  e^(r - Gamma_t)  r       Gamma_last - r   1
 *     strong   e^Gamma_t        e^Delta_t        0       0                e^Gamma_last
 * A mild channel's pairs i >= j are in the products of its operands: reader*into, writer*out. A strong one's are taken
 * one by one with D_ji = e^(g_{j+1} + ... + g_i), summed in ascending order; D_jj = 1. No exponent of a strong channel
 * is positive, none is a difference.
 */
#ifndef GLASSBOX_PAIRED_SIDE_H
#define GLASSBOX_PAIRED_SIDE_H

#include "gate_gradient.h"
#include "operand.h"

/* All absent without the gate: every factor is 1, every channel mild. */
typedef struct paired_side {
    gla_matrix g;                 /* [m,D] */
    gla_matrix into, out;         /* [m,D] */
    gla_matrix enter, leave, mid; /* [1,D] */
    gla_matrix strong;            /* [1,D] 1 or 0 */
} paired_side;

paired_side paired_side_of(gla_matrix g, double limit);
bool paired_strong(const paired_side *x, size_t c);

/* P_ij = fma(reader_i, writer_j D_ji, P_ij), strong channels ascending, then j, then i; P [m,m]. */
void paired_scores(const paired_side *x, gla_matrix P, gla_matrix reader, gla_matrix writer);
/* A copy of the reader without its strong channels, whose scores are not the product's. */
gated_parts paired_mild(const paired_side *x, gated_parts reader);

/* What a side's tokens exchange. Reader and writer are as they were; readerh, writerh as operands, wholes of which are
 * in `inter`, whose gradients are those through the states. W [m,m] lower: dP on the key side, P on the value side. */
typedef struct paired_roles {
    gla_matrix reader, writer;
    gated_parts W, readerh, writerh;
    gated_roles inter;
    gla_matrix dreader, dwriter; /* inter.dreader + W writerh, inter.dwriter + W^T readerh: what mild channels need */
} paired_roles;
void paired_add_products(paired_roles *x);

/* What readers collect, [m,D]: mild dreader * into; strong inter.dreader * into, then j ascending += W_ij * (writer_j
 * D_ji). On the key side dq / s, on the value side o. */
gla_matrix paired_read(const paired_side *x, const paired_roles *r);
/* What writers collect, dk or dv: mild dwriter * out; strong inter.dwriter * out, then i ascending += W_ij * (reader_i
 * D_ji). */
gla_matrix paired_written(const paired_side *x, const paired_roles *r);
/* dg [m,D]. S and G are the state that enters and the adjoint of the one that leaves, [D,.], as operands, one of them
 * with the other side's mid. Mild: suffix sum of readerh*dreader - writerh*dwriter that ends in row(G*A) = row(S*G) +
 * sum_i writerh_i inter.dwriter_i. Strong: what crosses the boundary before r, nothing else. */
void paired_gate_gradient(const paired_side *x, const paired_roles *r, gla_matrix dg, gla_matrix S, gla_matrix G);

#endif
